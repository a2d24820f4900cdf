/* The stream's undelivered records as rows, for the query engine: some thousand at a time, without
 * the trades that the deliverer will leave out because they came before. Which trades the lake has
 * is asked after the stream was begun to be read: a trade that was delivered and forgotten before
 * is then in the catalog, and one that was not is in the stream. */
#include "bitcoin_live.h"

#include <string.h>

#include "bitcoin.h"
#include "deliver.h"
#include "trade_ids.h"

/* A batch: so many rows, or rows of so many bytes. */
#define BATCH_ROWS  8192
#define BATCH_BYTES ((size_t)4 << 20)

struct waiting {
	struct bitcoin_row row;
	char scope[BITCOIN_SCOPE_SIZE];
	int64_t seq;
	bool repeated;
};
/* The trades of a scope that came before. */
struct scope_trades {
	char scope[BITCOIN_SCOPE_SIZE];
	struct trade_ids ids;
};
/* The next batch of a table. */
struct gathered {
	size_t table; /* which of those asked for */
	struct arena *arena;
	struct waiting *rows; /* NULL: the table is not asked for */
	size_t count, bytes;
};
struct reading {
	struct bitcoin_live *live;
	struct gathered kinds[BITCOIN_KINDS];
	int (*fn)(void *, size_t, const struct batch *, struct err *);
	void *ctx;
	struct arena *kept; /* of the trades' ids */
	struct scope_trades *scopes;
	size_t scope_count, scope_cap;
};

/* -- trades that came before ------------------------------------------------------------------- */

static int load_ids(struct reading *r, struct scope_trades *s, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_JSON json_t *properties = NULL;
	struct catalog_scope scope;
	int rc = catalog_scope(r->live->catalog, bitcoin_tables[BITCOIN_TRADE], s->scope, arena,
			       &scope, e);
	if (rc)
		return rc == ERR_NOT_FOUND ? OK : rc;
	rc = json_parse(scope.properties, strlen(scope.properties), &properties, e);
	const json_t *ids = rc == OK ? json_object_get(properties, "trade_ids") : NULL;
	if (ids)
		rc = trade_ids_add_json(&s->ids, ids, e);
	return rc ? err_where(e, s->scope) : OK;
}

static int ids_of(struct reading *r, const char *scope, struct trade_ids **ret, struct err *e)
{
	for (size_t i = r->scope_count; i-- > 0;)
		if (strcmp(r->scopes[i].scope, scope) == 0) {
			*ret = &r->scopes[i].ids;
			return OK;
		}
	struct scope_trades *s = PUSH(r->scopes, r->scope_count, r->scope_cap);
	memcpy(s->scope, scope, strlen(scope) + 1);
	s->ids = (struct trade_ids){.arena = r->kept};
	*ret = &s->ids;
	return load_ids(r, s, e);
}

static int by_market(const struct waiting *x, const struct waiting *y)
{
	int order = strcmp(x->scope, y->scope);
	if (order == 0)
		order = strcmp(x->row.source, y->row.source);
	return order ? order : strcmp(x->row.pair, y->row.pair);
}

static int by_trade(const void *a, const void *b)
{
	const struct waiting *x = *(struct waiting *const *)a, *y = *(struct waiting *const *)b;
	int order = by_market(x, y);
	if (order == 0)
		order = (x->row.trade_id > y->row.trade_id) - (x->row.trade_id < y->row.trade_id);
	return order ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static int find_repeated(struct reading *r, struct gathered *g, struct err *e)
{
	struct waiting **sorted = ANEW_ARRAY(g->arena, g->count, struct waiting *);
	int64_t *ids = ANEW_ARRAY(g->arena, g->count, int64_t);
	bool *known = ANEW_ARRAY(g->arena, g->count, bool);
	for (size_t i = 0; i < g->count; i++)
		sorted[i] = &g->rows[i];
	qsort(sorted, g->count, sizeof(*sorted), by_trade);
	for (size_t from = 0, to; from < g->count; from = to) {
		struct trade_ids *before;
		int rc = ids_of(r, sorted[from]->scope, &before, e);
		if (rc)
			return rc;
		for (to = from; to < g->count && by_market(sorted[from], sorted[to]) == 0; to++)
			ids[to - from] = sorted[to]->row.trade_id;
		trade_ids_take(before, sorted[from]->row.source, sorted[from]->row.pair, ids,
			       to - from, known);
		for (size_t i = from; i < to; i++)
			sorted[i]->repeated = known[i - from];
	}
	return OK;
}

/* -- reading ----------------------------------------------------------------------------------- */

static int flush(struct reading *r, enum bitcoin_kind kind, struct err *e)
{
	struct gathered *g = &r->kinds[kind];
	int rc = kind == BITCOIN_TRADE && g->count ? find_repeated(r, g, e) : OK;
	struct bitcoin_rows *rows = bitcoin_rows_new(g->arena, kind);
	for (size_t i = 0; i < g->count; i++)
		if (!g->rows[i].repeated)
			bitcoin_rows_add(rows, &g->rows[i].row, g->rows[i].seq);
	if (rc == OK && bitcoin_rows_count(rows)) {
		struct batch batch = bitcoin_rows_batch(rows, true);
		rc = r->fn(r->ctx, g->table, &batch, e);
	}
	arena_free(g->arena);
	g->arena = arena_new();
	g->count = g->bytes = 0;
	return rc;
}

static int take(void *ctx, const struct stream_entry *entry, struct err *e)
{
	struct reading *r = ctx;
	struct err damaged = ERR_INIT;
	int kind = bitcoin_kind_of(entry->record.kind);
	struct gathered *g = kind < 0 ? NULL : &r->kinds[kind];
	if (!g || !g->rows)
		return OK;
	struct waiting *w = &g->rows[g->count];
	*w = (struct waiting){.seq = entry->seq};
	g->bytes += entry->record.body.n;
	/* What cannot be read goes to quarantine when it is delivered. */
	if (bitcoin_decode((enum bitcoin_kind)kind, entry->record.body, g->arena, &w->row,
			   &damaged) == OK &&
	    bitcoin_scope(&w->row, w->scope, sizeof(w->scope), &damaged) == OK)
		g->count++;
	return g->count == BATCH_ROWS || g->bytes >= BATCH_BYTES
		       ? flush(r, (enum bitcoin_kind)kind, e)
		       : OK;
}

static bool covers(void *ctx, const struct table_def *table)
{
	(void)ctx;
	return bitcoin_kind_of_table(table) >= 0;
}

static int read_rows(void *ctx, const struct table_def *const *tables, size_t n, int64_t after,
		     int (*fn)(void *, size_t, const struct batch *, struct err *), void *fn_ctx,
		     struct err *e)
{
	struct reading r = {.live = ctx, .fn = fn, .ctx = fn_ctx, .kept = arena_new()};
	for (size_t i = 0; i < n; i++) {
		struct gathered *g = &r.kinds[bitcoin_kind_of_table(tables[i])];
		g->table = i;
		g->arena = arena_new();
		g->rows = NEW_ARRAY(BATCH_ROWS, struct waiting);
	}
	int rc = delivery_stream_tail(r.live->stream, after, take, &r, e);
	for (int kind = 0; kind < BITCOIN_KINDS; kind++) {
		if (!r.kinds[kind].rows)
			continue;
		if (rc == OK)
			rc = flush(&r, (enum bitcoin_kind)kind, e);
		arena_free(r.kinds[kind].arena);
		free(r.kinds[kind].rows);
	}
	for (size_t i = 0; i < r.scope_count; i++)
		trade_ids_clear(&r.scopes[i].ids);
	free(r.scopes);
	arena_free(r.kept);
	return rc;
}

struct live_rows bitcoin_live_rows(struct bitcoin_live *live)
{
	return (struct live_rows){.mark = DELIVER_MARK,
				  .number = "seq",
				  .covers = covers,
				  .read = read_rows,
				  .ctx = live};
}
