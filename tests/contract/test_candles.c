/* The built-in candle job on the job engine: against candles that are counted one by one in plain C,
 * and what a new hour, a merge of files and a bad price change. */
#include "lake_fixture.h"

#include <inttypes.h>

#include "bitcoin.h"
#include "hash.h"
#include "job.h"
#include "job_engine.h"
#include "job_engine_duckdb.h"

#define TICKS  (bitcoin_tables[BITCOIN_TICK])
#define TRADES (bitcoin_tables[BITCOIN_TRADE])
#define ROWS   900

struct fixture {
	struct lake *lake;
	struct job_engine *engine;
	char *definition;
	/* all rows that are in the lake, and whose turn it is */
	struct bitcoin_row rows[ROWS];
	size_t count;
	uint32_t random;
	int puts;
};

/* -- the engine and its one job ---------------------------------------------------------------- */

static int find_table(void *ctx, const char *database, const char *name, struct arena *arena,
		      struct table_def **ret, struct err *e)
{
	for (int k = 0; k < BITCOIN_KINDS; k++)
		if (strcmp(bitcoin_tables[k]->database, database) == 0 &&
		    strcmp(bitcoin_tables[k]->name, name) == 0) {
			*ret = table_copy(arena, bitcoin_tables[k]);
			return OK;
		}
	return err_set(e, ERR_NOT_FOUND, "there is no table %s.%s", database, name);
}

static int compile(void *ctx, const char *name, struct arena *arena, struct job_plan *ret,
		   struct err *e)
{
	struct fixture *f = ctx;
	struct job *job;
	int rc = job_parse(arena, name, slice_of(f->definition), &job, e);
	if (rc == OK)
		rc = job_check(arena, job, find_table, NULL, e);
	return rc ? rc : job_compile(arena, job, ret, e);
}

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	struct buf path = {0}, text = {0};
	const char *top = getenv("PREGAO_SOURCE");
	buf_printf(&path, "%s/jobs/bitcoin_candles.json", top ? top : ".");
	f->lake = lake_new(bitcoin_tables, BITCOIN_KINDS, 0);
	f->random = 7;
	GOOD(f->lake, file_read(path.data, JOB_MAX_BYTES, &text, &f->lake->e));
	f->definition = buf_take(&text);
	buf_free(&path);
	char *folder = path_in(f->lake->root, "state");
	struct job_engine_duckdb_options o = {.state_dir = folder,
					      .host = f->lake->host,
					      .publish = lake_publish(f->lake),
					      .clock = &f->lake->clock.clock,
					      .compile = compile,
					      .ctx = f,
					      .workers = 2};
	GOOD(f->lake, job_engine_duckdb_new(&o, &f->engine, &f->lake->e));
	free(folder);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	job_engine_free(f->engine);
	lake_free(f->lake);
	free(f->definition);
	free(f);
	return 0;
}

static struct job_status run(struct fixture *f, const char *const *scopes, size_t n, bool force)
{
	struct job_request q = {.job = "bitcoin_candles",
				.as_of = AS_OF_LANDED,
				.scopes = scopes,
				.scope_count = n,
				.force = force};
	char id[RUN_ID_SIZE];
	struct job_status s;
	GOOD(f->lake, job_engine_start(f->engine, &q, id, &f->lake->e));
	GOOD(f->lake, job_engine_work(f->engine, f->lake->arena, &s, &f->lake->e));
	return s;
}

static void run_well(struct fixture *f, int done, int unchanged)
{
	struct job_status s = run(f, NULL, 0, false);
	if (s.state != RUN_SUCCEEDED)
		fail_msg("%s: %s", run_state_name(s.state), s.error);
	assert_int_equal(s.scopes_done, done);
	assert_int_equal(s.scopes_unchanged, unchanged);
}

/* -- rows -------------------------------------------------------------------------------------- */

static uint32_t below(struct fixture *f, uint32_t limit)
{
	f->random = f->random * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)f->random * limit) >> 32);
}

static struct bitcoin_row *add(struct fixture *f, enum bitcoin_kind kind, const char *source,
			       const char *pair, int64_t us, int64_t number, int64_t price,
			       int64_t quantity)
{
	assert_true(f->count < ROWS);
	struct bitcoin_row *r = &f->rows[f->count++];
	bitcoin_row_init(r, kind);
	r->source = source;
	r->pair = pair;
	r->event_us = us;
	r->received_us = us + 1;
	if (kind == BITCOIN_TRADE) {
		r->trade_id = number;
		r->price = price;
		r->quantity = quantity;
	} else {
		r->last = price;
		r->volume_24h = INT64_C(99900000000);
	}
	return r;
}

static int64_t at(struct fixture *f, const char *time)
{
	int64_t us;
	assert_int_equal(time_parse_utc(arena_printf(f->lake->arena, "%s.000000Z", time), &us), OK);
	return us;
}

static const char *scope_of(struct fixture *f, const struct bitcoin_row *r)
{
	char scope[BITCOIN_SCOPE_SIZE];
	GOOD(f->lake, bitcoin_scope(r, scope, sizeof(scope), &f->lake->e));
	return arena_strdup(f->lake->arena, scope);
}

/* A file with those of the rows from `from` on that are of this table and scope. A row's number in the
 * stream is its place in the list. */
static void stage(struct fixture *f, const char *folder, enum bitcoin_kind kind, const char *scope,
		  size_t from, struct catalog_scope *ret_scope, struct publish_file *ret_file)
{
	struct lake *l = f->lake;
	const struct table_def *table = bitcoin_tables[kind];
	struct bitcoin_rows *rows = bitcoin_rows_new(l->arena, kind);
	for (size_t i = from; i < f->count; i++)
		if (f->rows[i].kind == kind && strcmp(scope_of(f, &f->rows[i]), scope) == 0)
			bitcoin_rows_add(rows, &f->rows[i], (int64_t)i);
	struct batch batch = bitcoin_rows_batch(rows, false);
	const char *path = arena_printf(l->arena, "%s/%d.parquet", folder, ++f->puts),
		   *name = arena_printf(l->arena, "put-%d", f->puts),
		   **covered = ANEW(l->arena, const char *);
	struct parquet_result written;
	GOOD(l, parquet_write(l->parquet, &batch, 1, path, l->arena, &written, &l->e));
	const char *values[TABLE_MAX_PARTITION];
	size_t n;
	GOOD(l, path_values(l->arena, table, scope, values, &n, &l->e));
	*covered = scope;
	*ret_scope = (struct catalog_scope){
		.scope = scope,
		.properties = arena_printf(l->arena,
					   "{\"content\":\"%d\",\"landed_on\":\"2024-08-0%d\"}",
					   f->puts, f->puts % 9 + 1)};
	*ret_file = (struct publish_file){.file = {.key = path_key(l->arena, table, scope, name),
						   .layout = LAYOUT_PUBLISHED,
						   .scopes = covered,
						   .scope_count = 1,
						   .low = {values[0], values[1]},
						   .high = {values[0], values[1]},
						   .rows = written.rows,
						   .bytes = written.bytes,
						   .stats = written.stats,
						   .stats_count = written.stats_count},
					  .path = path};
}

/* Appends the rows from `from` on to the lake, a file for each table and hour. */
static void put(struct fixture *f, size_t from)
{
	struct lake *l = f->lake;
	struct publish with = lake_publish(l);
	struct publish_session *session;
	struct publish_change changes[BITCOIN_KINDS] = {0};
	GOOD(l, publish_begin(&with, bitcoin_tables, BITCOIN_KINDS, &session, &l->e));
	for (int kind = 0; kind < BITCOIN_KINDS; kind++) {
		struct catalog_scope *scopes = ANEW_ARRAY(l->arena, f->count, struct catalog_scope);
		struct publish_file *files = ANEW_ARRAY(l->arena, f->count, struct publish_file);
		size_t n = 0;
		for (size_t i = from; i < f->count; i++) {
			const char *scope = scope_of(f, &f->rows[i]);
			bool first = (int)f->rows[i].kind == kind;
			for (size_t k = 0; k < n && first; k++)
				first = strcmp(scopes[k].scope, scope) != 0;
			if (first)
				stage(f, publish_staging(session), kind, scope, from, &scopes[n],
				      &files[n]);
			n += first;
		}
		changes[kind] = (struct publish_change){.table = bitcoin_tables[kind],
							.scopes = scopes,
							.scope_count = n,
							.files = files,
							.file_count = n,
							.append = true};
	}
	int64_t version;
	GOOD(l, publish_replace(session, changes, BITCOIN_KINDS, NULL, 0, &version, &l->e));
	publish_end(session);
}

/* Two sources and pairs, in no order, many of the same microsecond. */
static void add_many(struct fixture *f, size_t n, const char *from, int64_t seconds)
{
	static const char *const sources[] = {"binance", "coinbase"}, *const pairs[] = {"BTCUSDT",
											"BTC-BRL"};
	for (size_t i = 0; i < n; i++) {
		int64_t us = at(f, from) + (int64_t)below(f, (uint32_t)seconds) * 1000000 +
			     below(f, 3) * 250000;
		bool trade = below(f, 3) > 0;
		struct bitcoin_row *r =
			add(f, trade ? BITCOIN_TRADE : BITCOIN_TICK, sources[below(f, 2)],
			    pairs[below(f, 2)], us, 1000 + below(f, 100000),
			    INT64_C(6000000000000) + below(f, 90000000), 1 + below(f, 300000000));
		if (!trade && below(f, 4) == 0)
			r->last = BITCOIN_NONE;
	}
}

static void add_edges(struct fixture *f)
{
	int64_t noon = at(f, "2024-08-08T12:00:00");
	/* the last microsecond of a day and the first of the next */
	add(f, BITCOIN_TRADE, "binance", "BTCUSDT", at(f, "2024-08-09T00:00:00") - 1, 20, 1, 1);
	add(f, BITCOIN_TRADE, "binance", "BTCUSDT", at(f, "2024-08-09T00:00:00"), 21, 2, 1);
	/* one moment: numbers decide, as numbers and not as texts; the later one comes first here */
	add(f, BITCOIN_TRADE, "binance", "EDGE", noon, 100, INT64_C(300), 5);
	add(f, BITCOIN_TRADE, "binance", "EDGE", noon, 99, INT64_C(200), 5);
	add(f, BITCOIN_TRADE, "binance", "EDGE", noon, 9, INT64_C(400), 5);
	/* the largest there is, so that nothing of it may be rounded or overflow */
	for (int i = 0; i < 20; i++)
		add(f, BITCOIN_TRADE, "binance", "LARGEST", noon + i, i,
		    INT64_C(999999999999999999), INT64_C(999999999999999999) - i);
	/* a minute of one row, and a ticker that said nothing but nulls */
	add(f, BITCOIN_TICK, "mercadobitcoin", "BTC-BRL", noon, 0, INT64_C(34064447000000), 0);
	add(f, BITCOIN_TICK, "mercadobitcoin", "NONE", noon, 0, BITCOIN_NONE, 0);
}

/* -- candles, counted one by one --------------------------------------------------------------- */

static const struct {
	const char *name;
	int64_t us;
} widths[] = {{"1m", INT64_C(60000000)}, {"1h", INT64_C(3600000000)}, {"1d", INT64_C(86400000000)}};

static int64_t price_of(const struct bitcoin_row *r)
{
	return r->kind == BITCOIN_TRADE ? r->price : r->last;
}

static bool same_candle(const struct bitcoin_row *a, const struct bitcoin_row *b, int64_t width)
{
	return a->kind == b->kind && strcmp(a->source, b->source) == 0 &&
	       strcmp(a->pair, b->pair) == 0 && a->event_us / width == b->event_us / width;
}

/* Rows of one moment follow their trade numbers, ticks their numbers in the stream. */
static bool earlier(const struct bitcoin_row *a, const struct bitcoin_row *b)
{
	if (a->event_us != b->event_us)
		return a->event_us < b->event_us;
	if (a->kind == BITCOIN_TRADE && a->trade_id != b->trade_id)
		return a->trade_id < b->trade_id;
	return a->kind == BITCOIN_TRADE ? price_of(a) < price_of(b) : a < b;
}

static void decimal(struct buf *b, int128 value, int decimals)
{
	char text[DECIMAL_TEXT_SIZE];
	buf_printf(b, "%s|", decimal_format(value, decimals, text));
}

static const char *count_candle(struct fixture *f, const struct bitcoin_row *of, size_t w)
{
	const struct bitcoin_row *open = of, *close = of;
	int64_t high = price_of(of), low = high, n = 0;
	int128 volume = 0, amount = 0;
	struct buf b = {0};
	char time[TIME_TEXT_SIZE];
	for (size_t i = 0; i < f->count; i++) {
		const struct bitcoin_row *r = &f->rows[i];
		if (price_of(r) == BITCOIN_NONE || !same_candle(r, of, widths[w].us))
			continue;
		n++;
		open = earlier(r, open) ? r : open;
		close = earlier(close, r) ? r : close;
		high = price_of(r) > high ? price_of(r) : high;
		low = price_of(r) < low ? price_of(r) : low;
		if (r->kind == BITCOIN_TRADE) {
			volume += (int128)r->quantity;
			amount += (int128)r->price * (int128)r->quantity;
		}
	}
	time_format_utc(of->event_us / widths[w].us * widths[w].us, time);
	buf_printf(&b, "%.10s|%s|%s|%s|%s|%.10s %.8s|", time, widths[w].name, of->source, of->pair,
		   of->kind == BITCOIN_TRADE ? "trade" : "tick", time, time + 11);
	const int64_t prices[] = {price_of(open), high, low, price_of(close)};
	for (size_t i = 0; i < ARRAY_LEN(prices); i++)
		decimal(&b, prices[i], 8);
	if (of->kind == BITCOIN_TRADE) {
		decimal(&b, volume, 8);
		decimal(&b, amount, 16);
	} else {
		buf_str(&b, "null|null|");
	}
	buf_printf(&b, "%" PRId64, n);
	const char *line = arena_strndup(f->lake->arena, b.data, b.len);
	buf_free(&b);
	return line;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "date|width|source|..." of every candle that there must be, a line each. */
static const char *counted(struct fixture *f)
{
	const char **lines = ANEW_ARRAY(f->lake->arena, f->count * ARRAY_LEN(widths), const char *);
	size_t n = 0;
	for (size_t w = 0; w < ARRAY_LEN(widths); w++)
		for (size_t i = 0; i < f->count; i++) {
			bool first = price_of(&f->rows[i]) != BITCOIN_NONE;
			for (size_t k = 0; k < i && first; k++)
				first = price_of(&f->rows[k]) == BITCOIN_NONE ||
					!same_candle(&f->rows[k], &f->rows[i], widths[w].us);
			if (first)
				lines[n++] = count_candle(f, &f->rows[i], w);
		}
	qsort(lines, n, sizeof(*lines), by_text);
	struct buf b = {0};
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s\n", lines[i]);
	const char *all = arena_strdup(f->lake->arena, b.data ? b.data : "");
	buf_free(&b);
	return all;
}

/* What plain SQL reads in the files of a layout. */
static const char *in_files(struct fixture *f, const char *folder, bool hive)
{
	struct lake *l = f->lake;
	struct duck d = {0};
	struct buf b = {0};
	duckdb_result r;
	const char *sql = arena_printf(
		l->arena,
		"SELECT concat_ws('|', date, width, source, pair, basis, open_time, open, high, low, close, coalesce(CAST(volume AS VARCHAR), 'null'), "
		"coalesce(CAST(quote_volume AS VARCHAR), 'null'), trades) AS line FROM read_parquet('%s/%s/**/*.parquet', hive_partitioning = %s) ORDER BY line",
		l->root, folder, hive ? "true" : "false");
	GOOD(l, duck_open(&d, l->host, &l->e));
	if (duck_query(&d, sql, &r, &l->e))
		fail_msg("%s: %s", sql, l->e.text);
	duckdb_data_chunk chunk;
	while ((chunk = d.api->fetch_chunk(r))) {
		for (uint64_t row = 0; row < d.api->data_chunk_get_size(chunk); row++)
			buf_printf(&b, "%s\n",
				   duck_text(&d, d.api->data_chunk_get_vector(chunk, 0), row,
					     l->arena));
		d.api->destroy_data_chunk(&chunk);
	}
	d.api->destroy_result(&r);
	duck_close(&d);
	const char *text = arena_strdup(l->arena, b.data ? b.data : "");
	buf_free(&b);
	return text;
}

/* The first line that is not the same, for thousands of lines are no help. */
static void same_lines(const char *found, const char *expected)
{
	size_t line = 1;
	for (; *found && *found == *expected; found++, expected++)
		line += *found == '\n';
	if (*found != *expected)
		fail_msg("line %zu: found ...%.100s, expected ...%.100s", line, found, expected);
}

static void check_candles(struct fixture *f)
{
	const char *expected = counted(f);
	same_lines(in_files(f, "refined/bitcoin_candles", true), expected);
	same_lines(in_files(f, "compact/refined/bitcoin_candles", false), expected);
}

static int add_to_hash(void *ctx, const char *path, int64_t size)
{
	struct {
		struct hash *hash;
		const char *root, *part;
		int files;
	} *all = ctx;
	struct buf bytes = {0};
	if (!strstr(path, all->part))
		return 0;
	char *full = path_in(all->root, path);
	assert_int_equal(file_read(full, 1 << 26, &bytes, NULL), 0);
	hash_str(all->hash, path);
	hash_field(all->hash, bytes.data, bytes.len);
	all->files++;
	buf_free(&bytes);
	free(full);
	return 0;
}

/* Names and bytes of all files whose path has this in it. */
static const char *hash_of(struct fixture *f, const char *part, int files)
{
	struct {
		struct hash *hash;
		const char *root, *part;
		int files;
	} all = {hash_new(), f->lake->root, part, 0};
	GOOD(f->lake, file_walk(f->lake->root, add_to_hash, &all, &f->lake->e));
	char *hex = arena_alloc(f->lake->arena, HASH_HEX_SIZE);
	hash_end_hex(all.hash, hex);
	assert_int_equal(all.files, files);
	return hex;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void candles_are_as_counted(void **state)
{
	struct fixture *f = *state;
	add_edges(f);
	add_many(f, 500, "2024-08-08T23:00:00", 100000);
	put(f, 0);
	run_well(f, 3, 0);
	check_candles(f);
	assert_non_null(strstr(
		counted(f),
		"2024-08-08|1m|binance|EDGE|trade|2024-08-08 12:00:00|0.00000400|0.00000400|0.00000200|0.00000300|0.00000015|0.0000000000004500|3\n"));
	/* rows of an earlier hour, in files of their own beside the others */
	size_t before = f->count;
	add_many(f, 100, "2024-08-08T22:00:00", 9000);
	put(f, before);
	run_well(f, 2, 1);
	check_candles(f);
}

static void an_hour_changes_its_day_alone(void **state)
{
	struct fixture *f = *state;
	add_many(f, 60, "2024-08-08T10:00:00", 7200);
	add_many(f, 60, "2024-08-09T10:00:00", 7200);
	put(f, 0);
	run_well(f, 2, 0);
	const char *first = hash_of(f, "refined/bitcoin_candles/date=2024-08-08", 3),
		   *compact = hash_of(f, "compact/refined/bitcoin_candles/2024-08-08", 1),
		   *second = hash_of(f, "refined/bitcoin_candles/date=2024-08-09", 3);
	size_t before = f->count;
	add_many(f, 20, "2024-08-09T13:00:00", 3600);
	put(f, before);
	const char *const scopes[] = {"date=2024-08-09/hour=13"};
	struct job_status s = run(f, scopes, 1, false);
	assert_int_equal(s.state, RUN_SUCCEEDED);
	assert_int_equal(s.scopes_done, 1);
	check_candles(f);
	assert_string_equal(hash_of(f, "refined/bitcoin_candles/date=2024-08-08", 3), first);
	assert_string_equal(hash_of(f, "compact/refined/bitcoin_candles/2024-08-08", 1), compact);
	assert_string_not_equal(hash_of(f, "refined/bitcoin_candles/date=2024-08-09", 3), second);
	/* and again: nothing, not even by force */
	const char *all = hash_of(f, "bitcoin_candles/", 8);
	run_well(f, 0, 2);
	assert_string_equal(hash_of(f, "bitcoin_candles/", 8), all);
	assert_int_equal(run(f, NULL, 0, true).scopes_done, 2);
	assert_string_equal(hash_of(f, "bitcoin_candles/", 8), all);
}

/* A scope is a day's part of either table; what the other one has for the day belongs to it. */
static void one_trigger_may_have_nothing(void **state)
{
	struct fixture *f = *state;
	add(f, BITCOIN_TICK, "mercadobitcoin", "BTC-BRL", at(f, "2024-08-08T23:59:59"), 0, 5, 0);
	add(f, BITCOIN_TRADE, "binance", "BTCUSDT", at(f, "2024-08-09T01:00:00"), 1, 6, 1);
	add(f, BITCOIN_TICK, "mercadobitcoin", "BTC-BRL", at(f, "2024-08-09T02:00:00"), 0, 7, 0);
	put(f, 0);
	const char *const ticks[] = {"date=2024-08-08/hour=23"},
			  *const trades[] = {"date=2024-08-09/hour=1"},
			  *const nothing[] = {"date=2024-08-10/hour=1"},
			  *const wrong[] = {"day=2024-08-10/hour=1"};
	const char **stale;
	size_t n;
	GOOD(f->lake, job_engine_stale(f->engine, "bitcoin_candles", ticks, 1, f->lake->arena,
				       &stale, &n, &f->lake->e));
	assert_int_equal(n, 1);
	assert_int_equal(run(f, ticks, 1, false).scopes_done, 1);
	assert_int_equal(run(f, trades, 1, false).scopes_done, 1);
	check_candles(f);
	GOOD(f->lake, job_engine_stale(f->engine, "bitcoin_candles", trades, 1, f->lake->arena,
				       &stale, &n, &f->lake->e));
	assert_int_equal(n, 0);
	struct job_status s = run(f, nothing, 1, false);
	assert_int_equal(s.state, RUN_SUCCEEDED);
	assert_int_equal(s.scopes_done, 0);
	assert_int_equal(run(f, wrong, 1, false).state, RUN_FAILED);
}

/* Hours become one file, days a compact one: the same rows, so the same candles. */
static void merging_files_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct lake *l = f->lake;
	for (int i = 0; i < 3; i++) {
		size_t before = f->count;
		add_many(f, 40, "2024-08-08T10:00:00", 7200);
		put(f, before);
	}
	run_well(f, 1, 0);
	const char *all = hash_of(f, "bitcoin_candles/", 4);
	struct publish with = lake_publish(l);
	struct publish_session *session;
	int64_t merged;
	GOOD(l, publish_begin(&with, bitcoin_tables, BITCOIN_KINDS, &session, &l->e));
	GOOD(l, publish_merge_scopes(session, TRADES,
				     &(struct publish_merge){"date=2024-08-08/hour=10", "whole"}, 1,
				     &merged, &l->e));
	assert_int_equal(merged, 1);
	const char *const hours[] = {"date=2024-08-08/hour=10", "date=2024-08-08/hour=11"};
	GOOD(l, publish_compact_scopes(session, TICKS, hours, 2, "whole", &merged, &l->e));
	assert_int_equal(merged, 1);
	GOOD(l, publish_compact_scopes(session, TRADES, hours, 1, "part", &merged, &l->e));
	assert_int_equal(merged, 1);
	publish_end(session);
	run_well(f, 0, 1);
	/* computed anew, of one hour's compact file and of the other's published ones */
	struct job_status s = run(f, NULL, 0, true);
	assert_int_equal(s.state, RUN_SUCCEEDED);
	assert_int_equal(s.scopes_done, 1);
	check_candles(f);
	assert_string_equal(hash_of(f, "bitcoin_candles/", 4), all);
}

static void a_bad_price_is_not_published(void **state)
{
	struct fixture *f = *state;
	add_many(f, 30, "2024-08-08T10:00:00", 7200);
	put(f, 0);
	run_well(f, 1, 0);
	const char *all = hash_of(f, "bitcoin_candles/", 4);
	size_t before = f->count;
	add(f, BITCOIN_TRADE, "binance", "BTCUSDT", at(f, "2024-08-08T10:30:00"), 1, 0, 1);
	put(f, before);
	struct job_status s = run(f, NULL, 0, false);
	assert_int_equal(s.state, RUN_FAILED);
	assert_non_null(strstr(s.error, "check prices_positive of node checked"));
	assert_string_equal(hash_of(f, "bitcoin_candles/", 4), all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(candles_are_as_counted),       TEST(an_hour_changes_its_day_alone),
		TEST(one_trigger_may_have_nothing), TEST(merging_files_changes_nothing),
		TEST(a_bad_price_is_not_published),
	};
	return RUN_TESTS("candles");
}
