/* Contract of the query engine port for tables with live rows: files and undelivered rows are one
 * table, in which each row is once, whenever deliveries, merges and the forgetting of records
 * happen. The stream is a model of one: its record n is the row n. */
#include "lake_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "query_engine.h"
#include "query_engine_duckdb.h"

#define MARK "delivered"
#define DAY  "2024-08-08"
static const struct column live_columns[] = {
	{.name = "source", .type = COL_TEXT},
	{.name = "price", .type = COL_DECIMAL, .precision = 18, .scale = 8},
	{.name = "payload", .type = COL_TEXT},
	{.name = "seq", .type = COL_BIGINT},
	/* as a batch has them: partition columns follow */
	{.name = "date", .type = COL_DATE},
	{.name = "hour", .type = COL_INTEGER},
};
enum { COLUMNS = 4, ALL_COLUMNS = 6 };
static const char *const live_sort[] = {"seq"};
#define LIVE_TABLE(table_name)                                                                    \
	{                                                                                         \
		.database = "raw", .name = (table_name), .columns = live_columns,                 \
		.column_count = COLUMNS, .partition = live_columns + COLUMNS,                     \
		.partition_count = 2, .location = "raw/" table_name, .scope_count = 2,            \
		.compact_location = "compact/raw/" table_name, .sort = live_sort, .sort_count = 1 \
	}
static const struct table_def ticks = LIVE_TABLE("ticks"), trades = LIVE_TABLE("trades");
static const struct table_def *const live_tables[] = {&ticks, &trades, &raw_portfolio};

/* Odd records are ticks, even ones trades; hours change every 50, and jump. */
static bool is_of(const struct table_def *t, int64_t seq)
{
	return (seq % 2 == 1) == (strcmp(t->name, "ticks") == 0);
}
static int hour_of(int64_t seq)
{
	return (int)(seq / 50 * 5 % 4);
}

/* -- rows -------------------------------------------------------------------------------------- */

enum { BATCH = 1000 };
struct rows {
	struct slice source[BATCH], payload[BATCH];
	int64_t price[BATCH], seq[BATCH];
	int32_t date[BATCH], hour[BATCH];
	uint8_t valid[BATCH];
	size_t count;
	struct vector vectors[ALL_COLUMNS];
};

static void add_row(struct rows *r, int64_t seq)
{
	static const char text[] =
		"{\"a payload\": \"of about a hundred bytes, as tickers give it, "
		"so that rows are not free\", \"n\": 1}";
	size_t i = r->count++;
	r->source[i] = slice_of(seq % 3 ? "binance" : "coinbase");
	r->payload[i] = slice_of(text);
	r->valid[i] = seq % 7 != 0;
	r->price[i] = seq * 100000000;
	r->seq[i] = seq;
	r->date[i] = 19943; /* DAY */
	r->hour[i] = hour_of(seq);
}

static struct batch batch_of(struct rows *r, size_t columns)
{
	const struct vector v[ALL_COLUMNS] = {{r->source, NULL},      {r->price, NULL},
					      {r->payload, r->valid}, {r->seq, NULL},
					      {r->date, NULL},        {r->hour, NULL}};
	memcpy(r->vectors, v, sizeof(v));
	return (struct batch){live_columns, r->vectors, columns, r->count};
}

/* -- the model of a stream --------------------------------------------------------------------- */

struct stream {
	_Atomic int64_t last, forgotten; /* durable up to; no longer kept up to */
	int reads, fail_after;
	void (*during)(void *); /* called in the middle of a read */
	void *ctx;
	bool wrong_columns;
};

static bool covers(void *ctx, const struct table_def *t)
{
	return strcmp(t->name, "ticks") == 0 || strcmp(t->name, "trades") == 0;
}

static int read_live(void *ctx, const struct table_def *const *given, size_t n, int64_t after,
		     int (*fn)(void *, size_t, const struct batch *, struct err *), void *fn_ctx,
		     struct err *e)
{
	struct stream *s = ctx;
	struct rows *rows = NEW_ARRAY(n, struct rows);
	int64_t last = s->last, from = s->forgotten > after ? s->forgotten : after;
	int rc = OK;
	s->reads++;
	for (int64_t seq = from + 1; rc == OK && seq <= last; seq++) {
		for (size_t t = 0; rc == OK && t < n; t++) {
			struct rows *r = &rows[t];
			if (is_of(given[t], seq))
				add_row(r, seq);
			if (r->count < BATCH && (seq < last || r->count == 0))
				continue;
			struct batch b = batch_of(r, s->wrong_columns ? COLUMNS : ALL_COLUMNS);
			rc = fn(fn_ctx, t, &b, e);
			r->count = 0;
		}
		if (s->during && seq == from + (last - from + 1) / 2)
			s->during(s->ctx);
		if (rc == OK && s->fail_after && seq - from >= s->fail_after)
			rc = err_set(e, ERR_IO, "the spool cannot be read");
	}
	free(rows);
	return rc;
}

/* -- the fixture: a lake with the stream's deliverer, and an engine on a host of its own ------- */

struct fixture {
	struct lake *lake;
	struct stream stream;
	struct live_rows live;
	struct duckdb_host *host;
	struct catalog *reader; /* the engine's, as in another process */
	struct catalog_ops counted;
	const struct catalog_ops *real;
	struct query_engine *engine;
	struct buf seen;
	size_t batches;
	int calls, deliver_at; /* of the reader's catalog calls */
};
static struct fixture *counting; /* whose catalog calls are counted */

/* Everything up to `to` into files, in one commit, and forgets it. */
static void deliver(struct fixture *f, int64_t to)
{
	struct lake *l = f->lake;
	AUTO_ARENA struct arena *a = arena_new();
	struct publish with = lake_publish(l);
	struct publish_session *session;
	struct publish_file files[2][4];
	struct catalog_scope scopes[2][4];
	struct publish_change changes[2];
	const struct catalog_mark mark = {MARK, to, false};
	size_t changed = 0;
	int64_t from, version;
	GOOD(l, catalog_mark_get(l->catalog, MARK, &from, &l->e));
	if (from >= to)
		return;
	GOOD(l, publish_begin(&with, live_tables, 2, &session, &l->e));
	for (int t = 0; t < 2; t++) {
		size_t n = 0;
		for (int hour = 0; hour < 4; hour++) {
			struct rows *r = ANEW(a, struct rows);
			struct parquet_result written;
			for (int64_t seq = from + 1; seq <= to; seq++)
				if (is_of(live_tables[t], seq) && hour_of(seq) == hour)
					add_row(r, seq);
			if (!r->count)
				continue;
			struct batch b = batch_of(r, COLUMNS);
			const char *path =
				arena_printf(a, "%s/%d-%d", publish_staging(session), t, hour);
			const char *name = arena_printf(a, "%d-%d", (int)from + 1, (int)to);
			GOOD(l, parquet_write(l->parquet, &b, 1, path, a, &written, &l->e));
			scopes[t][n] = (struct catalog_scope){
				.scope = arena_printf(a, "date=" DAY "/hour=%d", hour),
				.properties = "{}"};
			files[t][n] = (struct publish_file){
				.path = path,
				.file = {.key = path_key(a, live_tables[t], scopes[t][n].scope,
							 name),
					 .layout = LAYOUT_PUBLISHED,
					 .scopes = &scopes[t][n].scope,
					 .scope_count = 1,
					 .rows = written.rows,
					 .bytes = written.bytes,
					 .stats = written.stats,
					 .stats_count = written.stats_count}};
			files[t][n].file.low[0] = files[t][n].file.high[0] = DAY;
			files[t][n].file.low[1] = files[t][n].file.high[1] =
				arena_printf(a, "%d", hour);
			n++;
		}
		if (n)
			changes[changed++] = (struct publish_change){.table = live_tables[t],
								     .scopes = scopes[t],
								     .scope_count = n,
								     .files = files[t],
								     .file_count = n,
								     .append = true};
	}
	GOOD(l, publish_replace(session, changes, changed, &mark, 1, &version, &l->e));
	publish_end(session);
	f->stream.forgotten = to;
}

/* The hours that have rows become a file each, then all of them one. */
static void settle(struct fixture *f, bool whole_day)
{
	struct lake *l = f->lake;
	AUTO_ARENA struct arena *a = arena_new();
	struct publish with = lake_publish(l);
	struct publish_session *session;
	GOOD(l, publish_begin(&with, live_tables, 2, &session, &l->e));
	for (int t = 0; t < 2; t++) {
		struct catalog_scope *scopes;
		const char *names[4];
		struct publish_merge merges[4];
		size_t n;
		int64_t merged, rows = 0;
		GOOD(l, catalog_scopes(l->catalog, live_tables[t], NULL, 0, a, &scopes, &n, &l->e));
		for (size_t i = 0; i < n; i++) {
			names[i] = scopes[i].scope;
			rows += scopes[i].rows;
			merges[i] = (struct publish_merge){
				names[i], arena_printf(a, "all-%d", (int)scopes[i].rows)};
		}
		GOOD(l, publish_merge_scopes(session, live_tables[t], merges, n, &merged, &l->e));
		if (whole_day)
			GOOD(l, publish_compact_scopes(session, live_tables[t], names, n,
						       arena_printf(a, "%d", (int)rows), &merged,
						       &l->e));
	}
	publish_end(session);
}

static int counted_mark(struct catalog *c, const char *name, int64_t *ret, struct err *e)
{
	if (++counting->calls == counting->deliver_at)
		deliver(counting, counting->stream.last);
	return counting->real->mark_get(c, name, ret, e);
}
static int counted_files(struct catalog *c, const struct table_def *t, enum catalog_layout layout,
			 const struct filter *filters, size_t n, struct arena *a,
			 struct catalog_file **ret, size_t *ret_count, struct err *e)
{
	if (++counting->calls == counting->deliver_at)
		deliver(counting, counting->stream.last - 20);
	int rc = counting->real->files(c, t, layout, filters, n, a, ret, ret_count, e);
	if (++counting->calls == counting->deliver_at)
		deliver(counting, counting->stream.last);
	return rc;
}

static const struct driver_case {
	const char *name;
	int (*open)(struct fixture *, struct query_engine **, struct err *);
} * driver;
static int open_duckdb(struct fixture *f, struct query_engine **ret, struct err *e)
{
	int rc = query_engine_duckdb_new(f->host, f->reader, f->lake->store, ret, e);
	if (rc == OK)
		query_engine_duckdb_follow(*ret, &f->live);
	return rc;
}
static const struct driver_case drivers[] = {{"duckdb", open_duckdb}};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	struct lake *l = f->lake = lake_new(live_tables, 3, 256 << 20);
	AUTO_FREE char *place = path_in(l->root, "state");
	f->live = (struct live_rows){.mark = MARK,
				     .number = "seq",
				     .covers = covers,
				     .read = read_live,
				     .ctx = &f->stream};
	AUTO_FREE char *temp = path_in(l->root, "spill");
	GOOD(l, file_mkdirs(temp, true, &l->e));
	f->host = duckdb_host_start(&(struct duckdb_host_options){
		.background = false, .memory_limit_bytes = 100 << 20, .temp_dir = temp});
	GOOD(l, catalog_sqlite_open(place, &l->clock.clock, false, &f->reader, &l->e));
	f->real = f->reader->ops;
	f->counted = *f->real;
	f->counted.mark_get = counted_mark;
	f->counted.files = counted_files;
	f->reader->ops = &f->counted;
	counting = f;
	GOOD(l, driver->open(f, &f->engine, &l->e));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	query_engine_free(f->engine);
	catalog_free(f->reader);
	duckdb_host_free(f->host);
	lake_free(f->lake);
	buf_free(&f->seen);
	free(f);
	return 0;
}

/* -- asking ------------------------------------------------------------------------------------ */

static int take_columns(void *ctx, const struct column *c, const char *const *types, size_t n,
			struct err *e)
{
	struct fixture *f = ctx;
	for (size_t i = 0; i < n; i++)
		buf_printf(&f->seen, "%s%s %s", i ? "|" : "", c[i].name, types[i]);
	buf_char(&f->seen, '\n');
	return OK;
}

static int take_batch(void *ctx, const struct batch *b, struct err *e)
{
	struct fixture *f = ctx;
	for (size_t row = 0; row < b->row_count; row++) {
		for (size_t c = 0; c < b->column_count; c++) {
			buf_str(&f->seen, c ? "|" : "");
			if (!batch_text(b, c, row, &f->seen))
				buf_str(&f->seen, "NULL");
		}
		buf_char(&f->seen, '\n');
	}
	return OK;
}

static int run(struct fixture *f, const char *sql, struct query_stats *stats, struct err *e)
{
	struct query_sink sink = {.columns = take_columns, .batch = take_batch, .ctx = f};
	buf_reset(&f->seen);
	*e = (struct err)ERR_INIT;
	return query_engine_run(f->engine, sql, &sink, stats, e);
}

/* The lines after the names. */
static const char *ask(struct fixture *f, const char *sql)
{
	struct err e;
	int rc = run(f, sql, NULL, &e);
	if (rc)
		fail_msg("%s: %s: %s", sql, err_name(rc), e.text);
	return strchr(f->seen.data, '\n') + 1;
}

#define CENSUS                                                                         \
	"SELECT count(*), count(DISTINCT seq), min(seq), max(seq), sum(price)::BIGINT" \
	" FROM (SELECT seq, price FROM raw.ticks UNION ALL SELECT seq, price FROM raw.trades)"

/* Fails when the rows of both tables are not just 1 to n; returns n. */
static int64_t census(struct fixture *f)
{
	long long count, distinct, low, high, sum;
	const char *text = ask(f, CENSUS);
	if (sscanf(text, "%lld|%lld|%lld|%lld|%lld", &count, &distinct, &low, &high, &sum) != 5 ||
	    count != high || distinct != high || low != 1 || sum != high * (high + 1) / 2)
		fail_msg("not the rows from 1 on, each once: %s", text);
	return high;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void files_and_live_rows_are_one_table(void **state)
{
	struct fixture *f = *state;
	struct query_stats stats;
	struct err e;
	f->stream.last = 100;
	assert_int_equal(census(f), 100); /* no file yet */
	deliver(f, 150 - 80);
	assert_int_equal(census(f), 100); /* files, and rows after them */
	f->stream.last = 400;
	deliver(f, 390);
	settle(f, true);
	f->stream.last = 450;
	deliver(f, 420);
	assert_int_equal(census(f), 450); /* compact, published, and live */
	deliver(f, 450);
	assert_int_equal(census(f), 450); /* no row that is not in a file */
	f->stream.last = 460;

	/* All columns, as declared. */
	ask(f, "SELECT * FROM raw.ticks WHERE seq = 459");
	assert_string_equal(
		f->seen.data,
		"source VARCHAR|price DECIMAL(18,8)|payload VARCHAR|seq BIGINT|date DATE|hour INTEGER\n"
		"coinbase|459.00000000|{\"a payload\": \"of about a hundred bytes, as tickers give it, so that "
		"rows are not free\", \"n\": 1}|459|2024-08-08|1\n");
	assert_string_equal(ask(f, "SELECT payload FROM raw.ticks WHERE seq = 455"), "NULL\n");
	/* Conditions cut files, and live rows by their values. */
	assert_string_equal(ask(f, "SELECT count(*) FROM raw.ticks WHERE hour = 1"), "55\n");
	assert_string_equal(ask(f, "SELECT count(*) FROM raw.ticks WHERE hour > 3"), "0\n");
	assert_string_equal(ask(f, "SELECT max(seq) FROM raw.ticks WHERE date = '2024-08-08'"),
			    "459\n");
	assert_string_equal(ask(f, "SELECT count(*) FROM raw.ticks WHERE date = '2024-08-09'"),
			    "0\n");
	assert_int_equal(run(f, "SELECT count(*) FROM raw.ticks WHERE hour = 2", &stats, &e), OK);
	assert_true(stats.files_listed < stats.files_total);
	/* More than once in a statement. */
	assert_string_equal(ask(f, "SELECT count(*) FROM raw.ticks a JOIN raw.ticks b USING (seq)"),
			    "230\n");
	assert_string_equal(ask(f, "WITH t AS (FROM raw.trades) SELECT count(*) FROM t, raw.ticks k"
				   " WHERE t.seq = k.seq + 1"),
			    "230\n");
	/* What is not covered is not read from the stream. */
	f->stream.reads = 0;
	ask(f, "SELECT count(*) FROM raw.portfolio");
	ask(f, "SELECT 1");
	ask(f, "SHOW TABLES");
	assert_int_equal(f->stream.reads, 0);
	assert_null(strstr(f->seen.data, "tail"));
	ask(f, "DESCRIBE raw.ticks");
	assert_non_null(strstr(f->seen.data, "hour|INTEGER"));
	ask(f, "EXPLAIN SELECT count(*) FROM raw.ticks");
	ask(f, "EXPLAIN ANALYZE SELECT count(*) FROM raw.ticks");
	AUTO_FREE char *out = path_in(f->lake->root, "out.parquet");
	assert_int_equal(query_engine_export(f->engine, "FROM raw.ticks", out, &stats, &e), OK);
	assert_int_equal(stats.rows, 230);
}

/* A delivery that comes at each of the catalog's calls in turn, and forgets what it delivered. */
static void a_delivery_at_every_moment(void **state)
{
	struct fixture *f = *state;
	int at = 0;
	for (f->stream.last = 30; at <= f->calls; f->stream.last += 40) {
		f->calls = 0;
		f->deliver_at = ++at;
		assert_int_equal(census(f), f->stream.last);
		f->deliver_at = 0;
		assert_int_equal(census(f), f->stream.last);
		if (at % 3 == 0)
			settle(f, at % 2);
	}
	assert_true(at > 8);
}

static void deliver_all(void *ctx)
{
	struct fixture *f = ctx;
	int64_t last = f->stream.last;
	f->stream.last += 30;
	deliver(f, last + 5);
}

static void a_delivery_while_the_stream_is_read(void **state)
{
	struct fixture *f = *state;
	f->stream.during = deliver_all;
	f->stream.ctx = f;
	for (f->stream.last = 40; f->stream.last < 400;) {
		int64_t before = f->stream.last;
		assert_true(census(f) >= before);
	}
	/* A table that was read before the delivery, and one that was read after it. */
	f->stream.last = 500;
	assert_true(census(f) >= 500);
}

/* -- beside another thread --------------------------------------------------------------------- */

static atomic_bool stop;

static void *stream_thread(void *arg)
{
	struct fixture *f = arg;
	for (int i = 1; !stop && i <= 400; i++) {
		f->stream.last += 1 + i % 13;
		if (i % 3 == 0)
			deliver(f, f->stream.last - i % 5);
		if (i % 20 == 0)
			settle(f, i % 40 == 0);
	}
	return NULL;
}

static void beside_a_deliverer(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	int64_t seen = 0;
	f->stream.last = 1;
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, stream_thread, f), 0);
	for (int i = 0; i < 30; i++) {
		int64_t durable = f->stream.last, now = census(f);
		assert_true(now >= durable && now >= seen);
		seen = now;
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(census(f), f->stream.last);
}

/* -- limits and failures ----------------------------------------------------------------------- */

static void a_million_rows_in_bounded_memory(void **state)
{
	struct fixture *f = *state;
	/* Some 150 MB as rows; DuckDB may take 100. */
	f->stream.last = 2000000;
	assert_string_equal(ask(f, "SELECT count(*), max(seq), count(payload) FROM raw.ticks"),
			    "1000000|1999999|857143\n");
}

static void when_reading_fails(void **state)
{
	struct fixture *f = *state;
	struct err e;
	f->stream.last = 5000;
	f->stream.fail_after = 3000;
	assert_int_equal(run(f, "FROM raw.ticks", NULL, &e), ERR_IO);
	assert_non_null(strstr(e.text, "spool"));
	f->stream.fail_after = 0;
	f->stream.wrong_columns = true;
	assert_int_equal(run(f, "FROM raw.ticks", NULL, &e), ERR_BUG);
	f->stream.wrong_columns = false;
	f->stream.during = (void (*)(void *))(void (*)(void))query_engine_cancel;
	f->stream.ctx = f->engine;
	assert_int_equal(run(f, "FROM raw.ticks", NULL, &e), ERR_CONFLICT);
	f->stream.during = NULL;
	assert_int_equal(census(f), 5000);
}

static void in_a_confined_process(void **state)
{
	struct fixture *f = *state;
	struct lake *l = f->lake;
	const char *folders[] = {arena_printf(l->arena, "%s/raw", l->root), NULL};
	f->stream.last = 100;
	deliver(f, 50);
	GOOD(l, duckdb_host_confine(f->host, folders, 2, &l->e));
	assert_int_equal(census(f), 100);
	f->stream.last = 3000;
	assert_int_equal(census(f), 3000);
	struct err e;
	assert_int_equal(run(f, "SELECT * FROM pregao_rows_1()", NULL, &e), ERR_INPUT);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(files_and_live_rows_are_one_table),
		CASE(a_delivery_at_every_moment),
		CASE(a_delivery_while_the_stream_is_read),
		CASE(beside_a_deliverer),
		CASE(a_million_rows_in_bounded_memory),
		CASE(when_reading_fails),
		CASE(in_a_confined_process),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		failed += RUN_TESTS(driver->name);
	}
	return failed;
}
