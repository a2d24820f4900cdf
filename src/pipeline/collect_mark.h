/* How far each source was collected, as the catalog tells it: the mark "collect:<source>/<pair>" is the start of the
 * last slot that a delivered record tells of. */
#ifndef PREGAO_COLLECT_MARK_H
#define PREGAO_COLLECT_MARK_H

#include "bitcoin.h"

/* The deliverer sets it in the commit that makes the record live: who reads the stream first, then the delivered
 * mark, then this, finds each record in the stream or here. It is the latest in the stream, not the greatest, for the clock
 * may have been ahead: so it may fall. One for each pair that was ever asked for; a replay has none. */
const char *collect_mark(struct arena *, const char *source, const char *pair) NEVER_NULL;
/* The last slot that the row tells of; false: the collector did not make it. */
bool collect_last_slot(const struct bitcoin_row *, int64_t *ret_us);

#endif
