/* Which Bitcoin tickers are asked, and how often: from words of the command line, else from the
 * configuration. */
#ifndef PREGAO_BITCOIN_ASKED_H
#define PREGAO_BITCOIN_ASKED_H

#include "collect.h"
#include "conf.h"
#include "mem.h"

/* sources: lines "NAME[/PAIR][=URL]", period: a duration; NULL: the configuration's. Strings are in the
 * arena or the configuration. ERR_USAGE says what is wrong. */
int bitcoin_asked(const struct conf *, const char *sources, const char *period, struct arena *,
		  struct collect_source **ret, size_t *ret_count, struct err *) MUST_CHECK;

#endif
