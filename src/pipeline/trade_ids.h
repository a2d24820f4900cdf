/* Which trades a scope has: per source and pair the intervals of trade ids, as the scope's property "trade_ids" tells
 * them: {"binance/BTCUSDT": [[3735683259, 3735693015]]}. A source's '/' and '%' are written %2F and %25. */
#ifndef PREGAO_TRADE_IDS_H
#define PREGAO_TRADE_IDS_H

#include "json.h"

struct trade_range {
	int64_t first, last;
};
/* Sorted, disjoint, and never touching: [1,2] [3,4] is [1,4]. */
struct trade_list {
	const char *source, *pair;
	struct trade_range *ranges;
	size_t count;
};
/* Everything lives in the arena. Zero but for it means empty. */
struct trade_ids {
	struct arena *arena;
	struct trade_list *lists; /* in the order in which they came */
	size_t count, cap;
};
/* Adds what the property says. ERR_INPUT for anything that trade_ids_json cannot have written. */
int trade_ids_add_json(struct trade_ids *, const json_t *, struct err *) MUST_CHECK;
json_t *trade_ids_json(const struct trade_ids *);
/* Adds n ids, sorted (the same may follow itself), and says of each whether it was there before. */
void trade_ids_take(struct trade_ids *, const char *source, const char *pair, const int64_t *ids,
		    size_t n, bool *ret_known);
/* The memory of the lists' table; what lies in the arena goes with it. */
void trade_ids_clear(struct trade_ids *);

#endif
