/* Trades that never came: what the trade ids of all hours together leave out between the first and the last.
 */
#include "deliver_private.h"

#include <string.h>

#include "trade_ids.h"

/* All ranges of one market, of all hours. */
struct market {
	const char *source, *pair;
	struct trade_range *ranges;
	size_t count, cap;
};
struct markets {
	struct arena *arena;
	struct market *list;
	size_t count, cap;
};

static struct market *market_of(struct markets *all, const struct trade_list *list)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].source, list->source) == 0 &&
		    strcmp(all->list[i].pair, list->pair) == 0)
			return &all->list[i];
	struct market *m = PUSH(all->list, all->count, all->cap);
	m->source = arena_strdup(all->arena, list->source);
	m->pair = arena_strdup(all->arena, list->pair);
	return m;
}

static int add_scope(struct markets *all, const struct catalog_scope *scope, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_JSON json_t *properties = NULL;
	struct trade_ids ids = {.arena = arena};
	struct bitcoin_content content;
	int rc = deliver_properties(scope, &properties, &content, e);
	if (rc)
		return rc;
	rc = trade_ids_add_json(&ids, json_object_get(properties, "trade_ids"), e);
	for (size_t i = 0; rc == OK && i < ids.count; i++) {
		struct market *m = market_of(all, &ids.lists[i]);
		for (size_t k = 0; k < ids.lists[i].count; k++)
			*PUSH(m->ranges, m->count, m->cap) = ids.lists[i].ranges[k];
	}
	trade_ids_clear(&ids);
	return rc ? err_where(e, scope->scope) : OK;
}

static int by_name(const void *a, const void *b)
{
	const struct market *x = a, *y = b;
	int order = strcmp(x->source, y->source);
	return order ? order : strcmp(x->pair, y->pair);
}

static int by_first(const void *a, const void *b)
{
	const struct trade_range *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

int deliver_trade_gaps(struct catalog *catalog, struct arena *arena, struct trade_gap **ret,
		       size_t *ret_count, struct err *e)
{
	AUTO_ARENA struct arena *scratch = arena_new();
	struct markets all = {.arena = arena};
	struct trade_gap *gaps = NULL;
	struct catalog_scope *scopes;
	size_t n, count = 0, cap = 0;
	int rc = catalog_scopes(catalog, bitcoin_tables[BITCOIN_TRADE], NULL, 0, scratch, &scopes,
				&n, e);
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = add_scope(&all, &scopes[i], e);
	if (all.count)
		qsort(all.list, all.count, sizeof(*all.list), by_name);
	for (size_t i = 0; i < all.count; i++) {
		struct market *m = &all.list[i];
		if (m->count)
			qsort(m->ranges, m->count, sizeof(*m->ranges), by_first);
		int64_t last = m->count ? m->ranges[0].last : 0;
		for (size_t k = 1; k < m->count; k++) {
			if (m->ranges[k].first - 1 > last)
				*PUSH(gaps, count, cap) = (struct trade_gap){
					m->source, m->pair, last + 1, m->ranges[k].first - 1};
			last = m->ranges[k].last > last ? m->ranges[k].last : last;
		}
		free(m->ranges);
	}
	free(all.list);
	if (rc == OK) {
		*ret = ANEW_ARRAY(arena, count, struct trade_gap);
		if (count)
			memcpy(*ret, gaps, count * sizeof(*gaps));
		*ret_count = count;
	}
	free(gaps);
	return rc;
}
