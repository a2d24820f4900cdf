/* The deliverer on the embedded drivers: every record that the stream took is in the lake once, whatever fails on the
 * way; what cannot be read is kept aside; hours and days become one file. */
#include "stream_lake.h"

#include <unistd.h>

#include "object_store_fault.h"
#include "quarantine.h"
#include "trade_ids.h"

/* -- sets of trade ids ------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void trade_ids_agree_with_a_bitmap(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct trade_ids ids = {.arena = arena};
	bool there[300] = {false};
	uint32_t seed = 12345;
	for (int round = 0; round < 400; round++) {
		int64_t in[20];
		bool known[20], seen[300] = {false};
		size_t n = 1 + (seed >> 8) % 20;
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			in[i] = (int64_t)((seed >> 10) % ARRAY_LEN(there));
		}
		qsort(in, n, sizeof(*in), by_number);
		trade_ids_take(&ids, "a", "p", in, n, known);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(known[i], there[in[i]] || seen[in[i]]);
			seen[in[i]] = true;
		}
		for (size_t i = 0; i < n; i++)
			there[in[i]] = true;
		if (round % 50)
			continue;
		/* Intervals are as few as they can be, and come back the same from JSON. */
		size_t runs = 0;
		for (size_t i = 0; i < ARRAY_LEN(there); i++)
			runs += there[i] && (i == 0 || !there[i - 1]);
		assert_int_equal(ids.lists[0].count, runs);
		json_t *json = trade_ids_json(&ids);
		struct trade_ids again = {.arena = arena};
		struct err e = ERR_INIT;
		assert_int_equal(trade_ids_add_json(&again, json, &e), OK);
		assert_int_equal(again.lists[0].count, runs);
		assert_memory_equal(again.lists[0].ranges, ids.lists[0].ranges,
				    runs * sizeof(struct trade_range));
		trade_ids_clear(&again);
		json_decref(json);
	}
	trade_ids_clear(&ids);
}

static void markets_do_not_mix(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	static const char *const names[][2] = {
		{"a/b", "c"}, {"a", "b/c"}, {"a%2Fb", "c"}, {"a%", "c"}};
	struct trade_ids ids = {.arena = arena}, again = {.arena = arena};
	struct err e = ERR_INIT;
	bool known;
	for (int64_t i = 0; i < 4; i++)
		trade_ids_take(&ids, names[i][0], names[i][1], &i, 1, &known);
	json_t *json = trade_ids_json(&ids);
	assert_int_equal(json_object_size(json), 4);
	assert_int_equal(trade_ids_add_json(&again, json, &e), OK);
	for (int64_t i = 0; i < 4; i++) {
		trade_ids_take(&again, names[i][0], names[i][1], &i, 1, &known);
		assert_true(known);
	}
	json_decref(json);
	trade_ids_clear(&ids);
	trade_ids_clear(&again);
	static const char *const bad[] = {"[]",
					  "{\"a\":[]}",
					  "{\"/b\":[]}",
					  "{\"a/\":[]}",
					  "{\"a/b\":1}",
					  "{\"a/b\":[[2,1]]}",
					  "{\"a/b\":[[1,2],[2,3]]}",
					  "{\"a/b\":[[-1,2]]}",
					  "{\"a/b\":[[1]]}",
					  "{\"a/b\":[[\"1\",2]]}",
					  "{\"a%20/b\":[]}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), &json, &e), OK);
		assert_int_equal(trade_ids_add_json(&again, json, &e), ERR_INPUT);
		json_decref(json);
	}
	trade_ids_clear(&again);
}

/* -- files ------------------------------------------------------------------------------------- */

/* A partition's properties, with the stream's life between the two ends. */
static const char *told(struct stream_lake *s, const char *begin, const char *end)
{
	int64_t life = mark_of(s, DELIVER_STREAM_MARK);
	assert_true(life > 0);
	return arena_printf(s->lake->arena, "%s,\"stream\":\"%016" PRIx64 "\"%s", begin,
			    (uint64_t)life, end);
}

static void the_stream_has_one_life(void **state)
{
	struct stream_lake *s = stream_lake_new(), *other = stream_lake_new();
	assert_int_equal(mark_of(s, DELIVER_STREAM_MARK), 0);
	append_tick(s, BEGIN_US);
	append_tick(other, BEGIN_US);
	deliver_now(s);
	deliver_now(other);
	int64_t life = mark_of(s, DELIVER_STREAM_MARK);
	assert_true(life > 0);
	assert_true(life != mark_of(other, DELIVER_STREAM_MARK));
	stream_reopen(s);
	append_tick(s, BEGIN_US + 1);
	deliver_now(s);
	assert_int_equal(mark_of(s, DELIVER_STREAM_MARK), life);
	stream_lake_free(s);
	stream_lake_free(other);
}

static void rows_go_where_they_belong(void **state)
{
	struct stream_lake *s = stream_lake_new();
	append_tick(s, BEGIN_US + 5);
	append_trade(s, 12, BEGIN_US + 30);
	append_trade(s, 11, BEGIN_US + 20); /* out of order */
	append_gap(s, BEGIN_US - HOUR_US);  /* of the hour before */
	append_trade(s, 13, BEGIN_US - 1);  /* the same */
	append_trade(s, 11, BEGIN_US + 20); /* twice */
	deliver_now(s);
	assert_int_equal(s->result.rows, 5);
	assert_int_equal(s->result.repeated, 1);
	assert_int_equal(s->result.rejected, 0);
	assert_int_equal(s->result.files, 4);
	assert_int_equal(s->result.mark, 6);
	assert_int_equal(mark_of(s, DELIVER_MARK), 6);
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/1-1.parquet\n");
	assert_string_equal(keys_of(s, BITCOIN_GAP, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=14/4-4.parquet\n");
	assert_string_equal(keys_of(s, BITCOIN_TRADE, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=14/5-5.parquet\n"
			    "date=2024-07-15/hour=15/2-3.parquet\n");
	assert_string_equal(ask(s, BITCOIN_TRADE, LAYOUT_PUBLISHED,
				"string_agg(trade_id || ':' || seq || ':' || price, ' ')"),
			    "13:5:61837.63000013 11:3:61837.63000011 12:2:61837.63000012");
	assert_string_equal(properties_of(s, BITCOIN_TRADE, "date=2024-07-15/hour=15"),
			    told(s, "{\"content\":\"2-2-3\",\"landed_on\":\"2024-07-15\"",
				 ",\"trade_ids\":{\"binance/BTCUSDT\":[[11,12]]}}"));
	assert_string_equal(properties_of(s, BITCOIN_TICK, "date=2024-07-15/hour=15"),
			    told(s, "{\"content\":\"1-1-1\",\"landed_on\":\"2024-07-15\"", "}"));
	/* Nothing more to do. */
	deliver_now(s);
	assert_int_equal(s->result.segments, 1);
	stream_lake_free(s);
}

static void known_trades_are_left_out(void **state)
{
	struct stream_lake *s = stream_lake_new();
	for (int64_t id = 1; id <= 10; id++)
		append_trade(s, id, BEGIN_US + id);
	deliver_now(s);
	s->lake->clock.now += DAY_US; /* "landed_on" stays what it was */
	for (int64_t id = 1; id <= 10; id++)
		append_trade(s, id, BEGIN_US + id);
	deliver_now(s);
	/* A segment of nothing but known trades leaves no file and moves the mark. */
	assert_int_equal(s->result.rows, 10);
	assert_int_equal(s->result.repeated, 10);
	assert_int_equal(mark_of(s, DELIVER_MARK), 20);
	for (int64_t id = 8; id <= 12; id++)
		append_trade(s, id, BEGIN_US + id);
	struct bitcoin_row other = trade_row(1, BEGIN_US + 1);
	other.pair = "BTCBRL"; /* a number of its own */
	append(s, &other);
	deliver_now(s);
	assert_int_equal(s->result.rows, 13);
	assert_string_equal(keys_of(s, BITCOIN_TRADE, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/1-10.parquet\n"
			    "date=2024-07-15/hour=15/24-26.parquet\n");
	assert_string_equal(
		properties_of(s, BITCOIN_TRADE, "date=2024-07-15/hour=15"),
		told(s, "{\"content\":\"13-1-26\",\"landed_on\":\"2024-07-15\"",
		     ",\"trade_ids\":{\"binance/BTCBRL\":[[1,1]],\"binance/BTCUSDT\":[[1,12]]}}"));
	stream_lake_free(s);
}

static void batches_bound_the_files(void **state)
{
	struct stream_lake *s = stream_lake_new();
	s->deliver.batch_rows = 4;
	for (int64_t id = 10; id > 0; id--) {
		append_trade(s, id, BEGIN_US + id);
		append_trade(s, id, BEGIN_US + id); /* over the border of two batches too */
	}
	deliver_now(s);
	assert_int_equal(s->result.segments, 1);
	assert_int_equal(s->result.rows, 10);
	assert_int_equal(s->result.repeated, 10);
	assert_string_equal(keys_of(s, BITCOIN_TRADE, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/1-3.parquet\n"
			    "date=2024-07-15/hour=15/13-15.parquet\n"
			    "date=2024-07-15/hour=15/17-19.parquet\n"
			    "date=2024-07-15/hour=15/5-7.parquet\n"
			    "date=2024-07-15/hour=15/9-11.parquet\n");
	assert_string_equal(ask(s, BITCOIN_TRADE, LAYOUT_PUBLISHED,
				"count(*) || ' ' || count(DISTINCT trade_id)"),
			    "10 10");
	stream_lake_free(s);
}

/* -- records that cannot be read --------------------------------------------------------------- */

static int64_t append_raw(struct stream_lake *s, const char *kind, const char *body)
{
	struct stream_record record = {kind, slice_of(body), BEGIN_US};
	int64_t seq;
	DONE(s, delivery_stream_append(s->stream, &record, 1, &seq, &s->e));
	return seq;
}

static int only_entry(void *ctx, const struct quarantine_entry *entry)
{
	char *sha256 = ctx;
	assert_string_equal(sha256, "");
	assert_true(entry->records);
	assert_string_equal(entry->reason, "bad_record");
	assert_string_equal(entry->source, "stream:bitcoin/2-5");
	snprintf(sha256, HASH_HEX_SIZE, "%s", entry->sha256);
	return OK;
}

static void unreadable_records_are_kept_aside(void **state)
{
	char sha256[HASH_HEX_SIZE] = "";
	struct quarantine_entry entry;
	struct stream_lake *s = stream_lake_new();
	append_tick(s, BEGIN_US);
	append_raw(s, "tick", "{\"source\":");
	append_raw(s, "moon", "{}");
	append_raw(s, "trade", "\xff\x01");
	/* What does not fit the price's DECIMAL(18,8) would stop the writing of a file for ever. */
	append_raw(
		s, "trade",
		"{\"source\":\"a\",\"pair\":\"b\",\"trade_id\":1,\"event_time\":1721055600000000,"
		"\"price\":\"10000000000.00000000\",\"quantity\":\"1\"}");
	append_raw(
		s, "trade",
		"{\"source\":\"a\",\"pair\":\"b\",\"trade_id\":1,\"event_time\":1721055600000000,"
		"\"price\":\"9999999999.99999999\",\"quantity\":\"1\"}");
	append_tick(s, BEGIN_US + 1);
	deliver_now(s);
	assert_int_equal(s->result.rows, 3);
	assert_int_equal(s->result.rejected, 4);
	assert_int_equal(mark_of(s, DELIVER_MARK), 7);
	struct buf kept = {0};
	AUTO_ARENA struct arena *arena = arena_new();
	DONE(s, quarantine_list(s->lake->store, only_entry, sha256, &s->e));
	DONE(s, quarantine_show(s->lake->store, sha256, arena, &entry, &kept, &s->e));
	struct slice rest = buf_slice(&kept);
	int lines = 0;
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		json_t *o;
		DONE(s, json_parse(line.p, line.n, &o, &s->e));
		assert_int_equal(json_integer_value(json_object_get(o, "seq")), 2 + lines);
		assert_non_null(json_string_value(json_object_get(o, "reason")));
		if (lines == 2)
			assert_string_equal(json_opt_str(o, "bytes", ""), "/wE=");
		if (lines == 1)
			assert_string_equal(json_opt_str(o, "reason", ""), "unknown_kind");
		json_decref(o);
		lines++;
	}
	assert_int_equal(lines, 4);
	buf_free(&kept);
	stream_lake_free(s);
}

/* -- failures ---------------------------------------------------------------------------------- */

static const struct catalog_ops *catalog_real;
static int calls, fail_call;
static bool fail_after; /* when it has had its effect */

static bool fails_before(void)
{
	return ++calls == fail_call && !fail_after;
}
static int injected(int rc, struct err *e)
{
	return rc == OK && calls == fail_call && fail_after ? err_set(e, ERR_IO, "injected") : rc;
}
static int failing_intend(struct catalog *c, const struct table_def *t, const char *const *keys,
			  size_t n, int64_t *ret, struct err *e)
{
	if (fails_before())
		return err_set(e, ERR_IO, "injected");
	return injected(catalog_real->intend(c, t, keys, n, ret, e), e);
}
static int failing_commit(struct catalog *c, int64_t intent, const struct catalog_change *changes,
			  size_t n, const struct catalog_mark *marks, size_t mark_count,
			  int64_t *ret, struct err *e)
{
	if (fails_before())
		return err_set(e, ERR_IO, "injected");
	return injected(catalog_real->commit(c, intent, changes, n, marks, mark_count, ret, e), e);
}
static int failing_abandon(struct catalog *c, int64_t intent, struct err *e)
{
	if (fails_before())
		return err_set(e, ERR_IO, "injected");
	return injected(catalog_real->abandon(c, intent, e), e);
}
static int failing_scope(struct catalog *c, const struct table_def *t, const char *scope,
			 struct arena *arena, struct catalog_scope *ret, struct err *e)
{
	/* NOT_FOUND is an answer, not a failure. */
	if (fails_before())
		return err_set(e, ERR_IO, "injected");
	return injected(catalog_real->scope(c, t, scope, arena, ret, e), e);
}
static int failing_mark_get(struct catalog *c, const char *name, int64_t *ret, struct err *e)
{
	if (fails_before())
		return err_set(e, ERR_IO, "injected");
	return injected(catalog_real->mark_get(c, name, ret, e), e);
}

static void append_some(struct stream_lake *s, int round)
{
	int64_t at = BEGIN_US + round * 1000;
	for (int i = 0; i < 3; i++) {
		append_trade(s, round * 2 + i, at + i); /* the last is the next round's first */
		append_tick(s, at + i + HOUR_US * (i % 2));
	}
	append_raw(s, "tick", "broken");
}

static void expect_all(struct stream_lake *s, int rounds)
{
	assert_string_equal(
		ask(s, BITCOIN_TRADE, LAYOUT_QUERY,
		    "count(*) || ' ' || count(DISTINCT trade_id) || ' ' || min(trade_id) || ' ' || max(trade_id)"),
		arena_printf(s->lake->arena, "%d %d 0 %d", rounds * 2 + 1, rounds * 2 + 1,
			     rounds * 2));
	assert_string_equal(
		ask(s, BITCOIN_TICK, LAYOUT_QUERY, "count(*) || ' ' || count(DISTINCT seq)"),
		arena_printf(s->lake->arena, "%d %d", rounds * 3, rounds * 3));
	assert_int_equal(mark_of(s, DELIVER_MARK), rounds * 7);
}

static void a_failing_store_loses_nothing(void **state)
{
	struct stream_lake *s = stream_lake_new();
	int round = 0;
	for (bool failed = true; failed; round++) {
		struct object_store *good;
		struct err e = ERR_INIT;
		append_some(s, round);
		DONE(s, object_store_fs_open(s->lake->root, true, &good, &s->e));
		s->deliver.publish.store = object_store_fault_new(good, round + 1, ERR_LIMIT);
		int rc = deliver_pending(&s->deliver, true, &s->result, &e);
		failed = rc != OK;
		object_store_free(s->deliver.publish.store);
		s->deliver.publish.store = s->lake->store;
		stream_reopen(s);
		deliver_now(s);
		expect_all(s, round + 1);
		assert_true(round < 50);
	}
	assert_true(round > 4);
	stream_lake_free(s);
}

static void a_failing_catalog_loses_nothing(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct catalog_ops ops = *s->lake->catalog->ops;
	int round = 0;
	catalog_real = s->lake->catalog->ops;
	ops.intend = failing_intend;
	ops.commit = failing_commit;
	ops.abandon = failing_abandon;
	ops.scope = failing_scope;
	ops.mark_get = failing_mark_get;
	for (int pass = 0; pass < 2; pass++) {
		fail_after = pass;
		fail_call = 1;
		for (bool hit = true; hit; round++, fail_call++) {
			struct err e = ERR_INIT;
			append_some(s, round);
			calls = 0;
			s->lake->catalog->ops = &ops;
			int rc = deliver_pending(&s->deliver, true, &s->result, &e);
			hit = calls >= fail_call;
			s->lake->catalog->ops = catalog_real;
			/* A failure is told, but for that of ending an intent after the commit. */
			assert_true(hit || rc == OK);
			stream_reopen(s);
			deliver_now(s);
			expect_all(s, round + 1);
			assert_true(fail_call < 50);
		}
		assert_true(fail_call > 8);
	}
	stream_lake_free(s);
}

static const struct delivery_stream_ops *stream_real;
static int64_t broken_from; /* a record that cannot be read from the spool */

static int broken_next(struct delivery_stream *stream, int64_t after,
		       int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
		       struct stream_segment *ret, struct err *e)
{
	int rc = stream_real->next(stream, after, fn, ctx, ret, e);
	return rc == OK && ret->last >= broken_from ? err_set(e, ERR_IO, "damaged") : rc;
}

/* Segments are delivered together, but one that cannot be read holds up only those behind it. */
static void a_bad_segment_holds_up_no_other(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct delivery_stream_ops ops = *s->stream->ops;
	struct err e = ERR_INIT;
	for (int i = 0; i < 5; i++) {
		append_tick(s, BEGIN_US + i);
		DONE(s, delivery_stream_seal(s->stream, true, &s->e));
	}
	stream_real = s->stream->ops;
	ops.next = broken_next;
	s->stream->ops = &ops;
	broken_from = 4;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(deliver_pending(&s->deliver, true, &s->result, &e), ERR_IO);
		assert_string_equal(e.text, "damaged");
		assert_int_equal(s->result.rows, 3);
		assert_int_equal(mark_of(s, DELIVER_MARK), 3);
	}
	broken_from = INT64_MAX;
	deliver_now(s);
	assert_string_equal(ask(s, BITCOIN_TICK, LAYOUT_QUERY, "count(*) || ' ' || max(seq)"),
			    "5 5");
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/1-3.parquet\n"
			    "date=2024-07-15/hour=15/4-5.parquet\n");
	s->stream->ops = stream_real;
	stream_lake_free(s);
}

static void two_deliverers_deliver_once(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct stream_lake other = *s;
	struct err e = ERR_INIT;
	append_tick(s, BEGIN_US);
	DONE(s, delivery_stream_seal(s->stream, true, &s->e));
	/* The other one holds the lock. */
	struct publish_session *session;
	DONE(s, publish_begin(&s->deliver.publish, bitcoin_tables, BITCOIN_KINDS, &session, &s->e));
	assert_int_equal(deliver_pending(&other.deliver, false, &other.result, &e), ERR_CONFLICT);
	publish_end(session);
	deliver_now(s);
	DONE(s, deliver_pending(&other.deliver, false, &other.result, &s->e));
	assert_string_equal(ask(s, BITCOIN_TICK, LAYOUT_QUERY, "count(*)"), "1");
	stream_lake_free(s);
}

static void a_lost_spool_is_told(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct err e = ERR_INIT;
	append_tick(s, BEGIN_US);
	append_tick(s, BEGIN_US + 1);
	deliver_now(s);
	delivery_stream_free(s->stream);
	char *dir = path_in(s->lake->root, "state/stream/bitcoin");
	DONE(s, file_remove_tree(dir, &s->e));
	free(dir);
	stream_open(s);
	deliver_now(s); /* nothing there, nothing lost */
	append_tick(s, BEGIN_US + 2);
	assert_int_equal(deliver_pending(&s->deliver, true, &s->result, &e), ERR_CONFLICT);
	stream_lake_free(s);
}

static void another_streams_spool_is_told(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct err e = ERR_INIT;
	append_tick(s, BEGIN_US);
	deliver_now(s);
	delivery_stream_free(s->stream);
	char *dir = path_in(s->lake->root, "state/stream/bitcoin");
	DONE(s, file_remove_tree(dir, &s->e));
	free(dir);
	stream_open(s);
	for (int i = 0; i < 3; i++)
		append_tick(s, BEGIN_US + i);
	assert_int_equal(deliver_pending(&s->deliver, true, &s->result, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.text, "another stream's"));
	assert_int_equal(mark_of(s, DELIVER_MARK), 1);
	stream_lake_free(s);
}

static void a_lost_catalog_is_told(void **state)
{
	static const char key[] = "raw/bitcoin_trades/date=2024-07-15/hour=15/1-9.parquet";
	const char *keys[] = {key};
	struct stream_lake *s = stream_lake_new();
	struct object_store *store = s->lake->store;
	struct err e = ERR_INIT;
	append_tick(s, BEGIN_US);
	DONE(s, object_store_put(store, key, SLICE("somebody's"), true, &s->e));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(deliver_pending(&s->deliver, true, &s->result, &e), ERR_CONFLICT);
		assert_non_null(strstr(e.text, key));
		assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED), "");
	}
	DONE(s, object_store_delete_many(store, keys, 1, &s->e));
	deliver_now(s);
	assert_int_equal(s->result.rows, 1);
	stream_lake_free(s);
}

/* -- hours and days ---------------------------------------------------------------------------- */

static void settle(struct stream_lake *s)
{
	DONE(s, deliver_settle(&s->deliver, &s->result, &s->e));
}

static void hours_and_days_become_one_file(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct lake *l = s->lake;
	for (int i = 0; i < 3; i++) {
		append_trade(s, 3 - i, BEGIN_US + 3 - i);
		append_tick(s, BEGIN_US + i);
		deliver_now(s);
	}
	settle(s);
	assert_int_equal(s->result.merged, 0); /* the hour is not over */
	append_tick(s, BEGIN_US + HOUR_US);
	deliver_now(s);
	l->clock.now = BEGIN_US + HOUR_US + 299 * INT64_C(1000000);
	settle(s);
	assert_int_equal(s->result.merged, 0);
	l->clock.now += 1000000;
	const char *before = properties_of(s, BITCOIN_TRADE, "date=2024-07-15/hour=15");
	settle(s);
	assert_int_equal(s->result.merged, 2);
	assert_string_equal(keys_of(s, BITCOIN_TRADE, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/1-5.parquet\n");
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/2-6.parquet\n"
			    "date=2024-07-15/hour=16/7-7.parquet\n");
	assert_string_equal(
		ask(s, BITCOIN_TRADE, LAYOUT_PUBLISHED, "string_agg(trade_id || ':' || seq, ' ')"),
		"1:5 2:3 3:1");
	assert_string_equal(properties_of(s, BITCOIN_TRADE, "date=2024-07-15/hour=15"), before);
	settle(s);
	assert_int_equal(s->result.merged, 2);

	/* The day is over. */
	l->clock.now = BEGIN_US + 9 * HOUR_US + 300 * INT64_C(1000000);
	settle(s);
	assert_int_equal(s->result.merged, 4);
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_COMPACT), "2024-07-15-2-7.parquet\n");
	assert_string_equal(ask(s, BITCOIN_TICK, LAYOUT_QUERY, "count(*) || ' ' || max(seq)"),
			    "4 7");
	settle(s);
	assert_int_equal(s->result.merged, 4);

	/* A late row, and a trade that everybody has. */
	append_tick(s, BEGIN_US + 9);
	append_trade(s, 2, BEGIN_US + 2);
	deliver_now(s);
	assert_string_equal(ask(s, BITCOIN_TICK, LAYOUT_QUERY, "count(*) || ' ' || max(seq)"),
			    "5 8");
	settle(s);
	assert_int_equal(s->result.merged, 6);
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED),
			    "date=2024-07-15/hour=15/2-8.parquet\n"
			    "date=2024-07-15/hour=16/7-7.parquet\n");
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_COMPACT), "2024-07-15-2-8.parquet\n");
	assert_string_equal(ask(s, BITCOIN_TICK, LAYOUT_QUERY, "count(*) || ' ' || max(seq)"),
			    "5 8");
	/* A day of one hour: all that its scopes share are folders. */
	assert_string_equal(keys_of(s, BITCOIN_TRADE, LAYOUT_COMPACT),
			    "hour=15/2024-07-15-1-5.parquet\n");
	stream_lake_free(s);
}

/* Old hours that are still coming in are left alone until they are complete. */
static void a_replayed_hour_waits_for_its_end(void **state)
{
	struct stream_lake *s = stream_lake_new();
	int64_t old = BEGIN_US - 100 * DAY_US;
	append_tick(s, old);
	deliver_now(s);
	append_tick(s, old + 1);
	deliver_now(s);
	append_tick(s, old + 2); /* not yet delivered */
	settle(s);
	assert_int_equal(s->result.merged, 0);
	s->lake->clock.now += 60000000; /* but nothing came for a minute */
	settle(s);
	assert_int_equal(s->result.merged, 2);
	deliver_now(s);
	settle(s); /* nothing waits: at once */
	assert_int_equal(s->result.merged, 4);
	assert_string_equal(keys_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED),
			    "date=2024-04-06/hour=15/1-3.parquet\n");
	stream_lake_free(s);
}

/* -- the loop ---------------------------------------------------------------------------------- */

struct listener {
	struct telemetry telemetry;
	int observed;
	struct buf events;
	struct buf gauges;
	atomic_bool stop;
	const char *stop_at; /* this event sets stop */
	int64_t errors;
};
static void hear_log(struct telemetry *t, enum log_level level, const char *run, const char *event,
		     const char *text, const struct field *fields, size_t n)
{
	struct listener *l = (struct listener *)t;
	buf_printf(&l->events, "%s ", event);
	if (strcmp(event, l->stop_at) == 0)
		atomic_store(&l->stop, true);
}
static void hear_gauge(struct telemetry *t, const char *name, const char *labels, int64_t value)
{
	struct listener *l = (struct listener *)t;
	buf_printf(&l->gauges, "%s=%" PRId64 " ", name + strlen("pregao_stream_"), value);
}
static void hear_observed(struct telemetry *t, const struct histogram *h, const char *labels,
			  int64_t value)
{
	struct listener *heard = (struct listener *)t;
	if (strcmp(h->name, "pregao_delivery_seconds") == 0)
		heard->observed += value >= 0;
}

static void hear_count(struct telemetry *t, const char *name, const char *labels, int64_t delta)
{
	struct listener *l = (struct listener *)t;
	assert_string_equal(name, "pregao_stream_errors_total");
	l->errors += delta;
}
static const struct telemetry_ops listener_ops = {
	.log = hear_log, .gauge = hear_gauge, .observe = hear_observed, .count = hear_count};

static int failures_left;
static int flaky_commit(struct catalog *c, int64_t intent, const struct catalog_change *changes,
			size_t n, const struct catalog_mark *marks, size_t mark_count, int64_t *ret,
			struct err *e)
{
	if (failures_left > 0 && failures_left-- > 2)
		return err_set(e, ERR_LIMIT, "no space");
	if (failures_left > 0)
		return err_set(e, ERR_RETRY, "busy");
	return catalog_real->commit(c, intent, changes, n, marks, mark_count, ret, e);
}

static void the_loop_outlasts_failures(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct listener heard = {.telemetry = {&listener_ops}, .stop_at = "delivery_recovered"};
	struct catalog_ops ops = *s->lake->catalog->ops;
	catalog_real = s->lake->catalog->ops;
	ops.commit = flaky_commit;
	s->lake->catalog->ops = &ops;
	s->deliver.telemetry = &heard.telemetry;
	failures_left = 10;
	append_tick(s, BEGIN_US);
	append_raw(s, "tick", "broken");
	DONE(s, delivery_stream_seal(s->stream, true, &s->e));
	append_tick(s, BEGIN_US + 1); /* not sealed: delivered when it stops */
	DONE(s, deliver_run(&s->deliver, &heard.stop, &s->result, &s->e));
	/* Each error once, however often it came. */
	assert_string_equal(heard.events.data,
			    "delivery_failed delivery_failed record_rejected delivery_recovered ");
	assert_int_equal(s->result.rows, 2);
	assert_int_equal(s->result.segments, 2);
	assert_int_equal(s->result.rejected, 1);
	assert_int_equal(heard.observed, 1); /* both segments went in one commit */
	/* Ten pauses of at most 1, 2, 4 ... 60 s. */
	assert_true(s->lake->clock.slept_us <= INT64_C(600) * 1000000);
	assert_non_null(strstr(heard.gauges.data, "lag_records=3 "));
	assert_non_null(strstr(heard.gauges.data, "lag_records=0 lag_seconds=0 "));
	assert_non_null(strstr(heard.gauges.data, "failing=1 "));
	assert_non_null(strstr(heard.gauges.data, "failing=0 "));
	assert_int_equal(heard.errors, 9);
	s->lake->catalog->ops = catalog_real;
	buf_free(&heard.events);
	buf_free(&heard.gauges);
	stream_lake_free(s);
}

static int announced, announce_failures;
static int flaky_announce(void *ctx, struct err *e)
{
	struct stream_lake *s = ctx;
	size_t n;
	if (announce_failures > 0 && announce_failures-- > 0)
		return err_set(e, ERR_RETRY, "busy");
	files_of(s, BITCOIN_TICK, LAYOUT_PUBLISHED, &n);
	announced = announced * 10 + (int)n;
	return OK;
}

/* At the beginning, for what one before left, and for what is new; again until it succeeds. */
static void what_was_created_is_announced(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct listener heard = {.telemetry = {&listener_ops}, .stop_at = "delivery_recovered"};
	s->deliver.telemetry = &heard.telemetry;
	s->deliver.announce = flaky_announce;
	s->deliver.ctx = s;
	announced = 0;
	announce_failures = 3;
	append_tick(s, BEGIN_US);
	deliver_now(s);
	append_tick(s, BEGIN_US + 1); /* not sealed: delivered when it stops */
	DONE(s, deliver_run(&s->deliver, &heard.stop, &s->result, &s->e));
	assert_string_equal(heard.events.data, "delivery_failed delivery_recovered ");
	assert_int_equal(announced, 12);
	buf_free(&heard.events);
	buf_free(&heard.gauges);
	stream_lake_free(s);
}

/* Only settling asks for changes. */
static int flaky_changes(struct catalog *c, int64_t after,
			 int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				   const struct catalog_scope *),
			 void *ctx, int64_t *ret, struct err *e)
{
	if (failures_left > 0 && failures_left-- > 0)
		return err_set(e, ERR_LIMIT, "no space");
	return catalog_real->changes(c, after, fn, ctx, ret, e);
}

static void a_settling_that_fails_is_one_failure(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct listener heard = {.telemetry = {&listener_ops}, .stop_at = "delivery_recovered"};
	struct catalog_ops ops = *s->lake->catalog->ops;
	catalog_real = s->lake->catalog->ops;
	ops.changes = flaky_changes;
	s->lake->catalog->ops = &ops;
	s->deliver.telemetry = &heard.telemetry;
	failures_left = 5;
	append_tick(s, BEGIN_US);
	DONE(s, deliver_run(&s->deliver, &heard.stop, &s->result, &s->e));
	assert_string_equal(heard.events.data, "delivery_failed delivery_recovered ");
	assert_int_equal(failures_left, 0);
	assert_int_equal(heard.errors, 5);
	assert_int_equal(s->result.rows, 1);
	s->lake->catalog->ops = catalog_real;
	buf_free(&heard.events);
	buf_free(&heard.gauges);
	stream_lake_free(s);
}

static void a_full_spool_is_told(void **state)
{
	struct stream_lake *s = stream_lake_new();
	struct listener heard = {.telemetry = {&listener_ops}, .stop_at = "spool_cleared"};
	struct catalog_ops ops = *s->lake->catalog->ops;
	delivery_stream_free(s->stream);
	char *dir = path_in(s->lake->root, "state/stream/bitcoin");
	struct spool_options options = {.dir = dir,
					.name = "bitcoin",
					.mode = SPOOL_APPEND,
					.clock = &s->lake->clock.clock,
					.segment_bytes = 4096,
					.limit_bytes = 65536};
	DONE(s, delivery_stream_spool_open(&options, &s->stream, &s->e));
	s->deliver.stream = s->stream;
	s->deliver.telemetry = &heard.telemetry;
	catalog_real = s->lake->catalog->ops;
	ops.commit = flaky_commit;
	s->lake->catalog->ops = &ops;
	struct bitcoin_row row = tick_row(BEGIN_US);
	struct buf body = {0};
	bitcoin_encode(&row, &body);
	struct stream_record record = {"tick", buf_slice(&body), BEGIN_US};
	int64_t seq = 0, last = 0;
	while (delivery_stream_append(s->stream, &record, 1, &seq, &s->e) == OK)
		last = seq;
	assert_int_equal(s->e.code, ERR_LIMIT);
	failures_left = 3;
	DONE(s, deliver_run(&s->deliver, &heard.stop, &s->result, &s->e));
	assert_string_equal(
		heard.events.data,
		"delivery_failed spool_full delivery_failed delivery_recovered spool_cleared ");
	assert_int_equal(s->result.rows, last);
	s->lake->catalog->ops = catalog_real;
	buf_free(&body);
	buf_free(&heard.events);
	buf_free(&heard.gauges);
	free(dir);
	stream_lake_free(s);
}

/* -- gaps -------------------------------------------------------------------------------------- */

static void missing_trades_are_told(void **state)
{
	struct stream_lake *s = stream_lake_new();
	static const int64_t ids[] = {5, 6, 9, 20, 21, 7};
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		append_trade(s, ids[i], BEGIN_US + (int64_t)i * HOUR_US);
	struct bitcoin_row other = trade_row(100, BEGIN_US);
	other.source = "a_first";
	append(s, &other);
	deliver_now(s);
	struct trade_gap *gaps;
	size_t n;
	DONE(s, deliver_trade_gaps(s->lake->catalog, s->lake->arena, &gaps, &n, &s->e));
	assert_int_equal(n, 2);
	assert_string_equal(gaps[0].source, "binance");
	assert_string_equal(gaps[0].pair, "BTCUSDT");
	assert_int_equal(gaps[0].first, 8);
	assert_int_equal(gaps[0].last, 8);
	assert_int_equal(gaps[1].first, 10);
	assert_int_equal(gaps[1].last, 19);
	stream_lake_free(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trade_ids_agree_with_a_bitmap),
		cmocka_unit_test(markets_do_not_mix),
		cmocka_unit_test(the_stream_has_one_life),
		cmocka_unit_test(rows_go_where_they_belong),
		cmocka_unit_test(known_trades_are_left_out),
		cmocka_unit_test(batches_bound_the_files),
		cmocka_unit_test(unreadable_records_are_kept_aside),
		cmocka_unit_test(a_failing_store_loses_nothing),
		cmocka_unit_test(a_failing_catalog_loses_nothing),
		cmocka_unit_test(a_bad_segment_holds_up_no_other),
		cmocka_unit_test(two_deliverers_deliver_once),
		cmocka_unit_test(a_lost_spool_is_told),
		cmocka_unit_test(another_streams_spool_is_told),
		cmocka_unit_test(a_lost_catalog_is_told),
		cmocka_unit_test(hours_and_days_become_one_file),
		cmocka_unit_test(a_replayed_hour_waits_for_its_end),
		cmocka_unit_test(the_loop_outlasts_failures),
		cmocka_unit_test(what_was_created_is_announced),
		cmocka_unit_test(a_settling_that_fails_is_one_failure),
		cmocka_unit_test(a_full_spool_is_told),
		cmocka_unit_test(missing_trades_are_told),
	};
	/* Many lakes, each synced many times: memory will do, since no test cuts the power. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return RUN_TESTS("deliver");
}
