/* Where a collector goes on, over the embedded drivers: each slot is recorded once and each outage told, whatever
 * was delivered and forgotten since the last one ended. */
#include "stream_lake.h"

#include "collect.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)

/* -- collections ------------------------------------------------------------------------------- */

struct told {
	enum bitcoin_kind kind;
	int64_t slot_us, slots;
};
struct world {
	struct stream_lake *lake;
	/* The lake's ports, but for what is delivered before the n-th reading; 0: nothing. */
	struct delivery_stream stream;
	struct catalog catalog;
	int readings, deliver_before;
	struct told told[8];
	size_t count;
	int64_t already;
};
static struct world *the_world;

static void note_reading(struct world *w)
{
	if (++w->readings == w->deliver_before)
		deliver_now(w->lake);
}

static int append_through(struct delivery_stream *s, const struct stream_record *records, size_t n,
			  int64_t *ret_first, struct err *e)
{
	return delivery_stream_append(the_world->lake->stream, records, n, ret_first, e);
}

static int tail_through(struct delivery_stream *s, int64_t after,
			int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
			struct err *e)
{
	note_reading(the_world);
	return delivery_stream_tail(the_world->lake->stream, after, fn, ctx, e);
}
static const struct delivery_stream_ops stream_ops = {.append = append_through,
						      .tail = tail_through};

static int mark_through(struct catalog *c, const char *name, int64_t *ret, struct err *e)
{
	note_reading(the_world);
	return catalog_mark_get(the_world->lake->lake->catalog, name, ret, e);
}
static const struct catalog_ops catalog_ops = {.mark_get = mark_through};

static int answer(struct http *h, const struct http_request *q, struct http_response *ret,
		  struct err *e)
{
	http_response_clear(ret);
	ret->status = 200;
	ret->retry_after_us = -1;
	buf_printf(&ret->body,
		   "{\"symbol\":\"%s\",\"lastPrice\":\"61837.63\",\"closeTime\":%" PRId64 "}",
		   strchr(q->url, '=') + 1, the_world->lake->lake->clock.now / 1000);
	return OK;
}

static void no_free(struct http *h)
{
}
static const struct http_ops http_ops = {answer, no_free};
static struct http the_http = {&http_ops};

static int http_new(struct http **ret, struct err *e)
{
	*ret = &the_http;
	return OK;
}

static void recorded(void *ctx, int64_t seq, const struct bitcoin_row *row)
{
	struct world *w = ctx;
	assert_true(w->count < ARRAY_LEN(w->told));
	w->told[w->count++] = (struct told){row->kind, row->slot_us, row->slots};
}

/* A collector that is started for the slot that now is; told[] is what it recorded. */
static void collect_once(struct world *w, const char *pair, int64_t period_us)
{
	struct collect_result result;
	const struct collect_source source = {.source = bitcoin_source_find("binance"),
					      .pair = pair,
					      .url = "https://example.com/?symbol={pair}",
					      .period_us = period_us};
	const struct collect c = {.stream = &w->stream,
				  .catalog = &w->catalog,
				  .clock = &w->lake->lake->clock.clock,
				  .http_new = http_new,
				  .sources = &source,
				  .source_count = 1,
				  .once = true,
				  .recorded = recorded,
				  .ctx = w};
	w->count = 0;
	w->readings = 0;
	DONE(w->lake, collect_run(&c, &result, &w->lake->e));
	w->already = result.already;
}

static void is_recorded_already(const struct world *w)
{
	assert_int_equal(w->already, 1);
	assert_int_equal(w->count, 0);
}

static void is_tick(const struct world *w, size_t i, int64_t slot_us)
{
	assert_true(i < w->count);
	assert_int_equal(w->told[i].kind, BITCOIN_TICK);
	assert_int_equal(w->told[i].slot_us, slot_us);
}

static void is_gap(const struct world *w, size_t i, int64_t slot_us, int64_t slots)
{
	assert_true(i < w->count);
	assert_int_equal(w->told[i].kind, BITCOIN_GAP);
	assert_int_equal(w->told[i].slot_us, slot_us);
	assert_int_equal(w->told[i].slots, slots);
}

static void pass_us(struct world *w, int64_t us)
{
	w->lake->lake->clock.now += us;
}

/* Whatever the stream still has of what is delivered, it is this alone. */
static void deliver_and_replay(struct world *w)
{
	deliver_now(w->lake);
	append_trade(w->lake, w->lake->lake->clock.now, BEGIN_US);
	deliver_now(w->lake);
}

static int begin(void **state)
{
	struct world *w = the_world = NEW(struct world);
	w->lake = stream_lake_new();
	w->stream.ops = &stream_ops;
	w->catalog.ops = &catalog_ops;
	*state = w;
	return 0;
}

static int end(void **state)
{
	stream_lake_free(the_world->lake);
	free(the_world);
	return 0;
}

/* -- what was delivered ------------------------------------------------------------------------ */

static void a_slot_that_is_delivered_is_not_asked_for_again(void **state)
{
	struct world *w = *state;
	collect_once(w, "ONE", MINUTE);
	is_tick(w, 0, BEGIN_US);
	deliver_now(w->lake);
	collect_once(w, "OTHER", MINUTE);
	deliver_now(w->lake); /* and what was before is forgotten */
	collect_once(w, "ONE", MINUTE);
	is_recorded_already(w);
	collect_once(w, "OTHER", MINUTE);
	is_recorded_already(w);
}

static void an_outage_is_told_though_a_replay_came_between(void **state)
{
	struct world *w = *state;
	collect_once(w, "ONE", MINUTE);
	deliver_and_replay(w);
	pass_us(w, 10 * MINUTE);
	collect_once(w, "ONE", MINUTE);
	is_gap(w, 0, BEGIN_US + MINUTE, 9);
	is_tick(w, 1, BEGIN_US + 10 * MINUTE);
	assert_int_equal(w->count, 2);
}

/* A slot of an hour, segments that are sealed after a minute. */
static void a_period_longer_than_a_segment_s_age(void **state)
{
	struct world *w = *state;
	struct deliver_result result = {0};
	collect_once(w, "ONE", HOUR_US);
	for (int i = 0; i < 40; i++) {
		collect_once(w, "OTHER", MINUTE);
		is_tick(w, 0, BEGIN_US + i * MINUTE);
		pass_us(w, MINUTE);
		DONE(w->lake, deliver_pending(&w->lake->deliver, false, &result, &w->lake->e));
	}
	assert_true(result.segments > 10);
	collect_once(w, "ONE", HOUR_US);
	is_recorded_already(w);
	pass_us(w, 3 * HOUR_US);
	collect_once(w, "ONE", HOUR_US);
	is_gap(w, 0, BEGIN_US + HOUR_US, 2);
	is_tick(w, 1, BEGIN_US + 3 * HOUR_US);
}

static void a_gap_of_many_slots_is_remembered_whole(void **state)
{
	struct world *w = *state;
	collect_once(w, "ONE", MINUTE);
	pass_us(w, 10 * MINUTE);
	struct bitcoin_row gap;
	bitcoin_row_init(&gap, BITCOIN_GAP);
	gap.source = "binance";
	gap.pair = "ONE";
	gap.slot_us = gap.event_us = BEGIN_US + MINUTE;
	gap.reason = "not_running";
	gap.slots = 8;
	gap.period_us = MINUTE;
	append(w->lake, &gap);
	deliver_and_replay(w);
	collect_once(w, "ONE", MINUTE);
	is_gap(w, 0, BEGIN_US + 9 * MINUTE, 1);
	is_tick(w, 1, BEGIN_US + 10 * MINUTE);
}

static void a_recording_is_no_history(void **state)
{
	struct world *w = *state;
	struct bitcoin_row row = tick_row(BEGIN_US);
	row.pair = "ONE";
	row.origin = "0123456789abcdef";
	row.line = 1;
	append(w->lake, &row);
	deliver_and_replay(w);
	collect_once(w, "ONE", MINUTE);
	is_tick(w, 0, BEGIN_US);
	assert_int_equal(w->count, 1);
}

/* The slots follow the clock, and so does what is remembered of them. */
static void a_clock_that_was_ahead(void **state)
{
	struct world *w = *state;
	pass_us(w, DAY_US);
	collect_once(w, "ONE", MINUTE);
	deliver_and_replay(w);
	pass_us(w, -DAY_US);
	collect_once(w, "ONE", MINUTE);
	is_tick(w, 0, BEGIN_US);
	deliver_and_replay(w);
	collect_once(w, "ONE", MINUTE);
	is_recorded_already(w);
	pass_us(w, 5 * MINUTE);
	collect_once(w, "ONE", MINUTE);
	is_gap(w, 0, BEGIN_US + MINUTE, 4);
	is_tick(w, 1, BEGIN_US + 5 * MINUTE);
}

/* A delivery before each of the readings that a collector begins with: nothing is seen in neither place. */
static void a_delivery_while_a_collector_begins(void **state)
{
	struct world *w = *state;
	int64_t slot_us = BEGIN_US;
	for (w->deliver_before = 1;; w->deliver_before++) {
		int before = w->deliver_before;
		w->deliver_before = 0;
		collect_once(w, "ONE", MINUTE);
		is_tick(w, w->count - 1, slot_us);
		/* A segment of its own, which is forgotten as soon as it is delivered. */
		DONE(w->lake, delivery_stream_seal(w->lake->stream, true, &w->lake->e));
		collect_once(w, "OTHER", MINUTE);
		w->deliver_before = before;
		collect_once(w, "ONE", MINUTE);
		is_recorded_already(w);
		if (w->readings < before)
			break;
		pass_us(w, MINUTE);
		slot_us += MINUTE;
	}
	assert_true(w->deliver_before > 3);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_slot_that_is_delivered_is_not_asked_for_again),
		TEST(an_outage_is_told_though_a_replay_came_between),
		TEST(a_period_longer_than_a_segment_s_age),
		TEST(a_gap_of_many_slots_is_remembered_whole),
		TEST(a_recording_is_no_history),
		TEST(a_clock_that_was_ahead),
		TEST(a_delivery_while_a_collector_begins),
	};
	return RUN_TESTS("collect_restart");
}
