/* The undelivered rows of a stream as a temporary table, batch after batch, so that neither we nor
 * DuckDB need hold them all in memory. */
#include "query_tail.h"

#include <inttypes.h>
#include <string.h>

struct load {
	const struct duck *duck;
	struct duck_feed *feed;
	struct query_tail *tails;
	struct arena *arena;
	int (*poll)(void *, struct err *);
	void *ctx;
};

static const struct column *column_at(const struct table_def *t, size_t i)
{
	return i < t->column_count ? &t->columns[i] : &t->partition[i - t->column_count];
}

static size_t width(const struct table_def *t)
{
	return t->column_count + t->partition_count;
}

static int check_columns(const struct table_def *t, const struct batch *b, struct err *e)
{
	bool same = b->column_count == width(t);
	for (size_t i = 0; same && i < b->column_count; i++)
		same = strcmp(b->columns[i].name, column_at(t, i)->name) == 0;
	return same ? OK
		    : err_set(e, ERR_BUG,
			      "The live rows of %s.%s have other columns than the table",
			      t->database, t->name);
}

/* With its first row. */
static int create(struct load *l, size_t index, struct err *e)
{
	struct query_tail *tail = &l->tails[index];
	AUTO_BUF struct buf sql = {0};
	char type[COLUMN_TYPE_SIZE];
	tail->name = arena_printf(l->arena, "pregao_tail_%zu", index);
	buf_printf(&sql, "CREATE TEMP TABLE %s(", tail->name);
	for (size_t i = 0; i < width(tail->table); i++) {
		const struct column *c = column_at(tail->table, i);
		buf_str(&sql, i ? ", " : "");
		buf_sql_name(&sql, c->name);
		buf_printf(&sql, " %s", column_type_format(c, type));
	}
	buf_char(&sql, ')');
	return duck_query(l->duck, sql.data, NULL, e);
}

static int add(void *ctx, size_t index, const struct batch *b, struct err *e)
{
	struct load *l = ctx;
	AUTO_BUF struct buf sql = {0};
	int rc = l->poll(l->ctx, e);
	if (rc || b->row_count == 0)
		return rc;
	rc = check_columns(l->tails[index].table, b, e);
	if (rc == OK)
		rc = duck_feed_check(b, 1, e);
	if (rc == OK && !l->tails[index].name)
		rc = create(l, index, e);
	if (rc)
		return rc;
	buf_printf(&sql, "INSERT INTO temp.main.%s FROM %s()", l->tails[index].name,
		   duck_feed_name(l->feed));
	duck_feed_set(l->feed, b, 1);
	rc = duck_query(l->duck, sql.data, NULL, e);
	duck_feed_set(l->feed, NULL, 0);
	return rc;
}

int query_tail_load(const struct duck *d, struct duck_feed *feed, const struct live_rows *live,
		    struct query_tail *tails, size_t n, int64_t after,
		    int (*poll)(void *ctx, struct err *), void *ctx, struct arena *arena,
		    struct err *e)
{
	struct load l = {
		.duck = d, .feed = feed, .tails = tails, .arena = arena, .poll = poll, .ctx = ctx};
	const struct table_def **tables = ANEW_ARRAY(arena, n, const struct table_def *);
	for (size_t i = 0; i < n; i++)
		tables[i] = tails[i].table;
	int rc = n ? live->read(live->ctx, tables, n, after, add, &l, e) : OK;
	return rc ? err_wrap(e, "Reading rows that are in no file yet") : OK;
}

void query_tail_sql(struct buf *sql, const struct query_tail *tail, const struct live_rows *live,
		    int64_t mark)
{
	if (!tail->name)
		return;
	buf_str(sql, " UNION ALL SELECT ");
	for (size_t i = 0; i < width(tail->table); i++) {
		buf_str(sql, i ? ", " : "");
		buf_sql_name(sql, column_at(tail->table, i)->name);
	}
	buf_printf(sql, " FROM temp.main.%s WHERE ", tail->name);
	buf_sql_name(sql, live->number);
	buf_printf(sql, " > %" PRId64, mark);
}
