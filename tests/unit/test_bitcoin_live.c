/* Bitcoin's tables as a query sees them while records wait in the spool: the same rows, to the last
 * column, before and after their delivery. The query is asked as the SQL worker asks it, through
 * handles of its own that only read. */
#include "bitcoin_live.h"
#include "query_engine_duckdb.h"
#include "stream_lake.h"

struct watched {
	struct stream_lake *s;
	struct delivery_stream *stream;
	struct catalog *catalog;
	struct bitcoin_live live;
	struct live_rows rows;
	struct duckdb_host *host;
	struct query_engine *engine;
	struct buf seen;
};

static int set_up(void **state)
{
	struct watched *w = NEW(struct watched);
	struct stream_lake *s = w->s = stream_lake_new();
	AUTO_FREE char *dir = path_in(s->lake->root, "state/stream/bitcoin");
	AUTO_FREE char *place = path_in(s->lake->root, "state");
	struct spool_options options = {
		.dir = dir, .name = "bitcoin", .mode = SPOOL_READ, .clock = &s->lake->clock.clock};
	DONE(s, delivery_stream_spool_open(&options, &w->stream, &s->e));
	DONE(s, catalog_sqlite_open(place, &s->lake->clock.clock, true, &w->catalog, &s->e));
	w->live = (struct bitcoin_live){w->stream, w->catalog};
	w->rows = bitcoin_live_rows(&w->live);
	w->host = duckdb_host_start(&(struct duckdb_host_options){
		.memory_limit_bytes = 64 << 20, .temp_dir = object_store_staging(s->lake->store)});
	DONE(s, query_engine_duckdb_new(w->host, w->catalog, s->lake->store, &w->engine, &s->e));
	query_engine_duckdb_follow(w->engine, &w->rows);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct watched *w = *state;
	query_engine_free(w->engine);
	duckdb_host_free(w->host);
	catalog_free(w->catalog);
	delivery_stream_free(w->stream);
	stream_lake_free(w->s);
	buf_free(&w->seen);
	free(w);
	return 0;
}

static int take_columns(void *ctx, const struct column *c, const char *const *types, size_t n,
			struct err *e)
{
	struct watched *w = ctx;
	for (size_t i = 0; i < n; i++)
		buf_printf(&w->seen, "%s %s|", c[i].name, types[i]);
	buf_char(&w->seen, '\n');
	return OK;
}

static int take_batch(void *ctx, const struct batch *b, struct err *e)
{
	struct watched *w = ctx;
	for (size_t row = 0; row < b->row_count; row++) {
		for (size_t c = 0; c < b->column_count; c++) {
			if (!batch_text(b, c, row, &w->seen))
				buf_str(&w->seen, "NULL");
			buf_char(&w->seen, '|');
		}
		buf_char(&w->seen, '\n');
	}
	return OK;
}

static const char *answer(struct watched *w, const char *sql)
{
	const struct query_sink sink = {.columns = take_columns, .batch = take_batch, .ctx = w};
	buf_reset(&w->seen);
	DONE(w->s, query_engine_run(w->engine, sql, &sink, NULL, &w->s->e));
	return strchr(w->seen.data, '\n') + 1;
}

/* All of the three tables. */
static char *everything(struct watched *w)
{
	struct buf all = {0};
	static const char *const statements[] = {
		"SELECT * FROM raw.bitcoin_ticks ORDER BY seq",
		"SELECT * FROM raw.bitcoin_gaps ORDER BY seq",
		"SELECT * FROM raw.bitcoin_trades ORDER BY seq",
		"SELECT count(*), count(DISTINCT trade_id) FROM raw.bitcoin_trades",
		"SELECT hour, count(*) FROM raw.bitcoin_trades WHERE hour >= 15 GROUP BY 1 ORDER BY 1",
	};
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		answer(w, statements[i]);
		buf_add(&all, w->seen.data, w->seen.len);
	}
	return buf_take(&all);
}

static void append_bytes(struct stream_lake *s, const char *kind, const char *text)
{
	int64_t seq;
	struct stream_record record = {kind, slice_of(text), BEGIN_US};
	DONE(s, delivery_stream_append(s->stream, &record, 1, &seq, &s->e));
}

static void same_before_and_after(struct watched *w)
{
	AUTO_FREE char *before = everything(w);
	deliver_now(w->s);
	AUTO_FREE char *after = everything(w);
	assert_string_equal(after, before);
}

/* -- tests ------------------------------------------------------------------------------------- */

static void delivery_changes_no_answer(void **state)
{
	struct watched *w = *state;
	struct stream_lake *s = w->s;
	same_before_and_after(w);
	append_tick(s, BEGIN_US);
	append_gap(s, BEGIN_US + HOUR_US);
	append_trade(s, 1, BEGIN_US);
	append_trade(s, 2, BEGIN_US + 1);
	assert_string_equal(
		answer(w, "SELECT source, price, date, hour, seq FROM raw.bitcoin_trades"),
		"binance|61837.63000001|2024-07-15|15|3|\n"
		"binance|61837.63000002|2024-07-15|15|4|\n");
	same_before_and_after(w);
	assert_int_equal(mark_of(s, DELIVER_MARK), 4);
	/* Some in files and some not. */
	append_trade(s, 3, BEGIN_US + HOUR_US);
	append_tick(s, BEGIN_US + HOUR_US);
	same_before_and_after(w);
	/* And in files of both layouts. */
	s->lake->clock.now += 3 * DAY_US;
	DONE(s, deliver_settle(&s->deliver, &s->result, &s->e));
	append_trade(s, 4, BEGIN_US + 3 * DAY_US);
	append_trade(s, 5, BEGIN_US + 2);
	same_before_and_after(w);
	assert_string_equal(answer(w, "SELECT count(*) FROM raw.bitcoin_trades"), "5|\n");
}

static void what_is_left_out_is_never_seen(void **state)
{
	struct watched *w = *state;
	struct stream_lake *s = w->s;
	for (int64_t id = 10; id < 20; id++)
		append_trade(s, id, BEGIN_US + id);
	deliver_now(s);
	/* Delivered before; twice in the stream; the same number in another hour, which is another
	 * trade; and not a record at all. */
	append_trade(s, 15, BEGIN_US + 15);
	append_trade(s, 30, BEGIN_US + 30);
	append_trade(s, 30, BEGIN_US + 30);
	append_trade(s, 31, BEGIN_US + HOUR_US);
	append_trade(s, 31, BEGIN_US + HOUR_US);
	append_bytes(s, "trade", "{\"source\":\"binance\"}");
	append_bytes(s, "tick", "rubbish");
	append_bytes(s, "other", "{}");
	append_trade(s, 19, BEGIN_US + 19);
	append_trade(s, 20, BEGIN_US + 20);
	assert_string_equal(
		answer(w, "SELECT count(*), count(DISTINCT trade_id) FROM raw.bitcoin_trades"),
		"13|13|\n");
	same_before_and_after(w);
}

/* More than a batch, in random order and with repetitions, delivered now and then. */
static void many_trades(void **state)
{
	struct watched *w = *state;
	struct stream_lake *s = w->s;
	uint32_t seed = 77;
	enum { ROUNDS = 6, RECORDS = 4000 };
	for (int round = 0; round < ROUNDS; round++) {
		struct stream_record *records = NEW_ARRAY(RECORDS, struct stream_record);
		struct buf *bodies = NEW_ARRAY(RECORDS, struct buf);
		int64_t seq;
		for (int i = 0; i < RECORDS; i++) {
			seed = seed * 1664525 + 1013904223;
			int64_t id = (int64_t)((seed >> 8) % 20000);
			struct bitcoin_row row = trade_row(id, BEGIN_US + id * 1000000);
			bitcoin_encode(&row, &bodies[i]);
			records[i] = (struct stream_record){"trade", buf_slice(&bodies[i]),
							    row.event_us};
		}
		DONE(s, delivery_stream_append(s->stream, records, RECORDS, &seq, &s->e));
		for (int i = 0; i < RECORDS; i++)
			buf_free(&bodies[i]);
		free(bodies);
		free(records);
		if (round % 3 != 2) /* so that more than a batch waits */
			continue;
		AUTO_FREE char *before = mem_strdup(answer(
			w,
			"SELECT count(*), count(DISTINCT trade_id), sum(seq), sum(price) FROM raw.bitcoin_trades"));
		deliver_now(s);
		assert_string_equal(
			answer(w,
			       "SELECT count(*), count(DISTINCT trade_id), sum(seq), sum(price) FROM raw.bitcoin_trades"),
			before);
	}
}

/* 100 MB of payloads where DuckDB has 64 MB; a batch ends by its bytes. */
static void more_than_fits_in_memory(void **state)
{
	struct watched *w = *state;
	struct stream_lake *s = w->s;
	enum { ROWS = 500, TIMES = 40, BYTES = 5000 };
	char *payload = NEW_ARRAY(BYTES + 1, char);
	struct stream_record *records = NEW_ARRAY(ROWS, struct stream_record);
	struct buf *bodies = NEW_ARRAY(ROWS, struct buf);
	for (int i = 0; i < ROWS; i++) {
		struct bitcoin_row row = tick_row(BEGIN_US + i);
		memset(payload, 'a' + i % 26, BYTES);
		row.payload = (struct slice){payload, BYTES};
		bitcoin_encode(&row, &bodies[i]);
		records[i] = (struct stream_record){"tick", buf_slice(&bodies[i]), row.event_us};
	}
	for (int i = 0; i < TIMES; i++) {
		int64_t seq;
		DONE(s, delivery_stream_append(s->stream, records, ROWS, &seq, &s->e));
	}
	for (int i = 0; i < ROWS; i++)
		buf_free(&bodies[i]);
	free(bodies);
	free(records);
	free(payload);
	assert_string_equal(
		answer(w,
		       "SELECT count(*), sum(length(payload)), max(payload[1]) FROM raw.bitcoin_ticks"),
		"20000|100000000|z|\n");
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(delivery_changes_no_answer),
		CASE(what_is_left_out_is_never_seen),
		CASE(many_trades),
		CASE(more_than_fits_in_memory),
	};
	return RUN_TESTS("bitcoin_live");
}
