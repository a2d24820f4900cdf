/* One index's portfolio from B3 into landing and raw: what the scraper's role and the function on AWS do. */
#ifndef PREGAO_SCRAPE_H
#define PREGAO_SCRAPE_H

#include "conf.h"
#include "extract.h"
#include "http.h"
#include "pass.h"
#include "system.h"

struct scrape {
	struct system *system;
	const struct conf *conf; /* [b3_portfolio] */
	struct http *http;
};
/* Two steps of the pass, "fetch" and "raw". ret->values[0] is the session that B3 shows. Errors: the source's and
 * extract_payload's. */
int scrape_index(const struct scrape *, const char *index, struct pass *, struct arena *,
		 struct extract_result *ret, struct err *) MUST_CHECK;

#endif
