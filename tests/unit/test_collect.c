/* The collector on a clock that moves only when somebody sleeps or asks: whole days pass in
 * milliseconds, each source misbehaves as it is told to, and the stream is a list in memory. */
#include "unit.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "collect.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define START  INT64_C(1723161600000000) /* 2024-08-09T00:00:00Z */

/* ---- a stream in memory ---- */

struct kept {
	int64_t seq;
	struct bitcoin_row row;
};
struct memory {
	struct delivery_stream stream;
	pthread_mutex_t lock;
	struct arena *arena;
	struct kept *records;
	size_t count, cap;
	int64_t told; /* the last number that recorded() was given */
	/* fails while the clock is in between */
	struct clock *clock;
	int64_t fail_from_us, fail_to_us;
	int code, failures;
};

static int memory_append(struct delivery_stream *s, const struct stream_record *r, size_t n,
			 int64_t *ret_first, struct err *e)
{
	struct memory *m = (struct memory *)s;
	int64_t now = m->clock ? clock_monotonic_us(m->clock) : 0;
	assert_true(n > 0);
	pthread_mutex_lock(&m->lock);
	if (m->code && now >= m->fail_from_us && now < m->fail_to_us) {
		m->failures++;
		pthread_mutex_unlock(&m->lock);
		return err_set(e, m->code, "the disk is full");
	}
	*ret_first = (int64_t)m->count + 1;
	for (size_t i = 0; i < n; i++) {
		struct kept *k = PUSH(m->records, m->count, m->cap);
		struct slice body = {arena_strndup(m->arena, r[i].body.p, r[i].body.n),
				     r[i].body.n};
		struct err why = ERR_INIT;
		k->seq = (int64_t)m->count;
		int kind = bitcoin_kind_of(r[i].kind);
		if (bitcoin_decode((enum bitcoin_kind)kind, body, m->arena, &k->row, &why) != OK)
			fail_msg("%.*s: %s", SLICE_FMT(body), why.text);
		assert_int_equal(r[i].event_us, k->row.event_us);
	}
	pthread_mutex_unlock(&m->lock);
	return OK;
}

static int memory_tail(struct delivery_stream *s, int64_t after,
		       int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
		       struct err *e)
{
	struct memory *m = (struct memory *)s;
	int rc = OK;
	for (size_t i = 0; i < m->count && rc == OK; i++) {
		AUTO_BUF struct buf body = {0};
		bitcoin_encode(&m->records[i].row, &body);
		struct stream_entry entry = {
			.seq = m->records[i].seq,
			.record = {bitcoin_kind_names[m->records[i].row.kind], buf_slice(&body),
				   m->records[i].row.event_us},
		};
		rc = fn(ctx, &entry, e);
	}
	return rc;
}

/* Of the port's calls the collector makes these two. */
static const struct delivery_stream_ops memory_ops = {.append = memory_append, .tail = memory_tail};

/* A lake that nothing was delivered to. */
static int no_mark(struct catalog *c, const char *name, int64_t *ret, struct err *e)
{
	*ret = 0;
	return OK;
}
static const struct catalog_ops empty_ops = {.mark_get = no_mark};
static struct catalog empty_catalog = {&empty_ops};

/* ---- a world: clock, source, log ---- */

struct world {
	struct clock clock;
	struct http http;
	struct telemetry telemetry;
	struct memory memory;
	struct collect collect;
	struct collect_source source;
	atomic_bool stop;
	int64_t mono, wall; /* both begin at START */
	int64_t end_us;     /* monotonic; stop is set then */
	struct {
		int64_t at_us, by_us; /* monotonic; wall += by */
	} steps[4];
	/* the source */
	void (*answer)(struct world *, const struct http_request *, struct http_response *);
	int64_t takes_us; /* an answer's time */
	int code;         /* set by answer: the exchange fails like this */
	const char *reason;
	int requests;
	int64_t asked_us[4096]; /* wall clock of each request */
	int64_t deadline_us;    /* of the last request */
	int answered[64];
	/* the log */
	int told_trouble, told_recovery;
	int64_t failing; /* the gauge */
	int logged_failed, logged_recovered, logged_steps, logged_lost, logged_missed;
};
#define WORLD(member, p) ((struct world *)((char *)(p)-offsetof(struct world, member)))

static void pass(struct world *w, int64_t us)
{
	for (size_t i = 0; i < ARRAY_LEN(w->steps); i++)
		if (w->steps[i].by_us && w->steps[i].at_us >= w->mono &&
		    w->steps[i].at_us < w->mono + us)
			w->wall += w->steps[i].by_us;
	w->mono += us;
	w->wall += us;
	if (w->mono >= w->end_us)
		atomic_store(&w->stop, true);
}

static int64_t world_now(struct clock *c)
{
	return WORLD(clock, c)->wall;
}

static int64_t world_monotonic(struct clock *c)
{
	return WORLD(clock, c)->mono;
}

static void world_sleep(struct clock *c, int64_t us)
{
	assert_true(us > 0);
	pass(WORLD(clock, c), us);
}
static const struct clock_ops world_clock = {world_now, world_monotonic, world_sleep};

static void good(struct http_response *ret, const char *pair, int64_t event_us)
{
	ret->status = 200;
	buf_printf(&ret->body,
		   "{\"symbol\":\"%s\",\"lastPrice\":\"61837.63\",\"closeTime\":%" PRId64 "}", pair,
		   event_us / 1000);
}

static int world_request(struct http *h, const struct http_request *q, struct http_response *ret,
			 struct err *e)
{
	struct world *w = WORLD(http, h);
	http_response_clear(ret);
	ret->retry_after_us = -1;
	if (w->requests < (int)ARRAY_LEN(w->asked_us))
		w->asked_us[w->requests] = w->wall;
	w->requests++;
	w->deadline_us = q->deadline_us;
	assert_string_equal(q->url, "https://example.com/BTCUSDT");
	assert_true(q->deadline_us > 0 && q->deadline_us <= 10 * SECOND);
	/* never past the slot's end */
	if (!w->steps[0].by_us)
		assert_true(q->deadline_us <= w->source.period_us - w->wall % w->source.period_us);
	assert_int_equal(q->body_ceiling_bytes, 1 << 20);
	w->code = OK;
	w->reason = "";
	int64_t began = w->mono;
	w->answer(w, q, ret);
	if (w->mono == began)
		pass(w, w->takes_us);
	if (w->code) {
		http_response_clear(ret);
		err_set(e, w->code, "the exchange failed");
		return err_reason(e, w->reason);
	}
	return OK;
}

static void world_http_free(struct http *h)
{
}
static const struct http_ops world_http = {world_request, world_http_free};
static struct world *the_world;

static int world_http_new(struct http **ret, struct err *e)
{
	*ret = &the_world->http;
	return OK;
}

static void world_log(struct telemetry *t, enum log_level level, const char *run, const char *event,
		      const char *text, const struct field *fields, size_t n)
{
	struct world *w = WORLD(telemetry, t);
	assert_non_null(text);
	w->logged_failed += strcmp(event, "append_failed") == 0;
	w->logged_recovered += strcmp(event, "append_recovered") == 0;
	w->logged_steps += strcmp(event, "clock_stepped") == 0;
	w->logged_lost += strcmp(event, "records_lost") == 0;
	w->logged_missed += strcmp(event, "slots_missed") == 0;
}

static void world_count(struct telemetry *t, const char *name, const char *labels, int64_t delta)
{
}

static void world_gauge(struct telemetry *t, const char *name, const char *labels, int64_t value)
{
	struct world *w = WORLD(telemetry, t);
	assert_string_equal(name, "pregao_stream_failing");
	assert_string_equal(labels, "part=\"append\"");
	w->failing = value;
}
static const struct telemetry_ops world_telemetry = {
	.log = world_log, .count = world_count, .gauge = world_gauge};

/* What was told must be durable, and each number is told once, in order. */
static void world_recorded(void *ctx, int64_t seq, const struct bitcoin_row *row)
{
	struct memory *m = &((struct world *)ctx)->memory;
	assert_int_equal(seq, m->told + 1);
	assert_true(seq <= (int64_t)m->count);
	assert_int_equal(m->records[seq - 1].row.slot_us, row->slot_us);
	m->told = seq;
}

static void world_trouble(void *ctx, const struct err *why)
{
	struct world *w = ctx;
	w->told_trouble += why != NULL;
	w->told_recovery += why == NULL;
	assert_int_equal(w->told_trouble - w->told_recovery, why != NULL);
	assert_true(!why || why->code == w->memory.code);
}

static uint32_t half(void *ctx, uint32_t below)
{
	return below / 2;
}

static void always_good(struct world *w, const struct http_request *q, struct http_response *ret)
{
	good(ret, "BTCUSDT", w->wall);
}

static void memory_init(struct memory *m)
{
	m->stream.ops = &memory_ops;
	pthread_mutex_init(&m->lock, NULL);
	m->arena = arena_new();
}

static void memory_clear(struct memory *m)
{
	free(m->records);
	arena_free(m->arena);
	pthread_mutex_destroy(&m->lock);
}

static struct world *world_new(int64_t period_us)
{
	struct world *w = NEW(struct world);
	the_world = w;
	w->clock.ops = &world_clock;
	w->http.ops = &world_http;
	w->telemetry.ops = &world_telemetry;
	w->mono = 5 * DAY;
	w->wall = START;
	w->takes_us = 137000;
	w->answer = always_good;
	memory_init(&w->memory);
	w->memory.clock = &w->clock;
	w->source = (struct collect_source){
		.source = bitcoin_source_find("binance"),
		.url = "https://example.com/{pair}",
		.period_us = period_us,
	};
	w->collect = (struct collect){
		.stream = &w->memory.stream,
		.catalog = &empty_catalog,
		.clock = &w->clock,
		.telemetry = &w->telemetry,
		.http_new = world_http_new,
		.random = half,
		.sources = &w->source,
		.source_count = 1,
		.stop = &w->stop,
		.recorded = world_recorded,
		.trouble = world_trouble,
		.ctx = w,
	};
	return w;
}

static void world_free(struct world **w)
{
	if (*w)
		memory_clear(&(*w)->memory);
	free(*w);
}
#define AUTO_WORLD CLEANUP(world_free)

/* Collects for so long. */
static struct collect_result collect_for(struct world *w, int64_t us)
{
	struct collect_result result;
	struct err e = ERR_INIT;
	w->end_us = w->mono + us;
	atomic_store(&w->stop, false);
	if (collect_run(&w->collect, &result, &e) != OK)
		fail_msg("%s", e.text);
	assert_int_equal(w->memory.told, w->memory.count);
	return result;
}

static const struct bitcoin_row *row_of(const struct world *w, size_t i)
{
	assert_true(i < w->memory.count);
	return &w->memory.records[i].row;
}

static void is_gap(const struct world *w, size_t i, int64_t slot_us, const char *reason,
		   int64_t slots)
{
	const struct bitcoin_row *row = row_of(w, i);
	assert_int_equal(row->kind, BITCOIN_GAP);
	assert_int_equal(row->slot_us, slot_us);
	assert_string_equal(row->reason, reason);
	assert_int_equal(row->slots, slots);
	assert_int_equal(row->period_us, w->source.period_us);
}

static void is_tick(const struct world *w, size_t i, int64_t slot_us)
{
	const struct bitcoin_row *row = row_of(w, i);
	assert_int_equal(row->kind, BITCOIN_TICK);
	assert_int_equal(row->slot_us, slot_us);
}

/* ---- the grid ---- */

static void takes_many_times(struct world *w, const struct http_request *q,
			     struct http_response *ret)
{
	good(ret, "BTCUSDT", w->wall);
	pass(w, 1000 + w->requests * INT64_C(777777) % (9 * SECOND));
}

static void a_day_of_slots_does_not_drift(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->answer = takes_many_times;
	struct collect_result result = collect_for(w, DAY);
	assert_int_equal(result.ticks, 1440);
	assert_int_equal(result.gaps, 0);
	assert_int_equal(w->requests, 1440);
	for (size_t i = 0; i < 1440; i++) {
		is_tick(w, i, START + (int64_t)i * MINUTE);
		assert_int_equal(w->asked_us[i], START + (int64_t)i * MINUTE);
		assert_true(row_of(w, i)->received_us > w->asked_us[i]);
		assert_true(row_of(w, i)->payload.n > 0);
	}
}

static void a_start_within_a_slot_takes_it_when_there_is_time(void **state)
{
	AUTO_WORLD struct world *early = world_new(MINUTE), *late = world_new(MINUTE);
	the_world = early;
	early->wall += 57 * SECOND;
	collect_for(early, MINUTE);
	is_tick(early, 0, START);
	is_tick(early, 1, START + MINUTE);
	the_world = late;
	late->wall += 59 * SECOND;
	collect_for(late, MINUTE);
	is_tick(late, 0, START + MINUTE);
}

/* ---- failures within a slot ---- */

static void third_time_lucky(struct world *w, const struct http_request *q,
			     struct http_response *ret)
{
	if (w->requests % 4 == 0) {
		good(ret, "BTCUSDT", w->wall);
		return;
	}
	w->code = ERR_RETRY;
	w->reason = "refused";
}

static void retries_stay_inside_the_slot(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->answer = third_time_lucky;
	struct collect_result result = collect_for(w, HOUR);
	assert_int_equal(result.ticks, 60);
	assert_int_equal(result.gaps, 0);
	for (int i = 0; i < 240; i++)
		assert_int_equal(w->asked_us[i] / MINUTE, START / MINUTE + i / 4);
}

static const struct {
	int status, code;
	const char *body, *reason_of_exchange;
	const char *reason;
	bool once; /* nothing is gained by asking again in the same slot */
} failures[] = {
	{500, OK, "", "", "http_500", false},
	{503, OK, "<html>", "", "http_503", false},
	{404, OK, "{}", "", "http_404", true},
	{403, OK, "{}", "", "http_403", true},
	{302, OK, "", "", "http_302", true},
	{204, OK, "", "", "http_204", true},
	{429, OK, "", "", "http_429", true},
	{418, OK, "", "", "http_418", true},
	{200, OK, "", "", "empty", false},
	{200, OK, "<html>busy</html>", "", "html", false},
	{200, OK, "{\"symbol\":\"BTCUSDT\",\"last", "", "not_json", false},
	{200, OK, "{\"symbol\":\"ETHUSDT\",\"lastPrice\":\"1\",\"closeTime\":1}", "", "other_pair",
	 false},
	{200, OK, "{\"symbol\":\"BTCUSDT\",\"lastPrice\":\"-1\",\"closeTime\":1}", "", "bad_price",
	 false},
	{200, OK, "{\"symbol\":\"BTCUSDT\",\"lastPrice\":NaN,\"closeTime\":1}", "", "not_json",
	 false},
	{200, OK, "{\"symbol\":\"BTCUSDT\",\"lastPrice\":\"1\",\"closeTime\":1}", "", "bad_time",
	 false},
	{0, ERR_RETRY, "", "timeout", "timeout", false},
	{0, ERR_RETRY, "", "refused", "refused", false},
	{0, ERR_LIMIT, "", "too_large", "too_large", true},
	{0, ERR_DENIED, "", "", "denied", true},
	{0, ERR_USAGE, "", "", "bad_url", true},
	{0, ERR_IO, "", "", "network", true},
};

/* In the nth slot the nth failure, then a good answer in the slot after the last. */
static void fails_in_turn(struct world *w, const struct http_request *q, struct http_response *ret)
{
	size_t slot = (size_t)((w->wall - START) / MINUTE);
	if (slot >= ARRAY_LEN(failures)) {
		good(ret, "BTCUSDT", w->wall);
		return;
	}
	w->answered[slot]++;
	ret->status = failures[slot].status;
	w->code = failures[slot].code;
	w->reason = failures[slot].reason_of_exchange;
	buf_str(&ret->body, failures[slot].body);
	if (strcmp(failures[slot].reason, "timeout") == 0)
		pass(w, q->deadline_us);
}

static void every_failure_is_a_gap_with_its_reason(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->answer = fails_in_turn;
	int64_t n = ARRAY_LEN(failures);
	struct collect_result result = collect_for(w, (n + 1) * MINUTE);
	assert_int_equal(result.gaps, n);
	assert_int_equal(result.ticks, 1);
	for (int64_t i = 0; i < n; i++) {
		is_gap(w, (size_t)i, START + i * MINUTE, failures[i].reason, 1);
		assert_true(row_of(w, (size_t)i)->detail[0]);
		if (failures[i].once)
			assert_int_equal(w->answered[i], 1);
		else if (w->answered[i] < 4 || w->answered[i] > 200)
			fail_msg("%s: asked %d times in its slot", failures[i].reason,
				 w->answered[i]);
	}
	is_tick(w, (size_t)n, START + n * MINUTE);
}

static void never_answers(struct world *w, const struct http_request *q, struct http_response *ret)
{
	pass(w, q->deadline_us);
	w->code = ERR_RETRY;
	w->reason = "timeout";
}

static void a_dead_source_costs_its_slots_and_no_more(void **state)
{
	AUTO_WORLD struct world *w = world_new(SECOND);
	w->answer = never_answers;
	collect_for(w, 100 * SECOND);
	assert_true(w->memory.count >= 99);
	for (size_t i = 0; i < w->memory.count; i++)
		is_gap(w, i, START + (int64_t)i * SECOND, "timeout", 1);
}

static void answers_500_then_hangs(struct world *w, const struct http_request *q,
				   struct http_response *ret)
{
	if (w->requests == 1) {
		ret->status = 500;
		return;
	}
	never_answers(w, q, ret);
}

/* The last request of a slot has less time than a request should: that it is cut off says nothing of the source. */
static void the_end_of_a_slot_is_no_reason(void **state)
{
	AUTO_WORLD struct world *w = world_new(3 * SECOND);
	w->answer = answers_500_then_hangs;
	collect_for(w, 4 * SECOND);
	is_gap(w, 0, START, "http_500", 1);
}

/* ---- 429 ---- */

static void slow_down_then_good(struct world *w, const struct http_request *q,
				struct http_response *ret)
{
	if (w->requests > 1) {
		good(ret, "BTCUSDT", w->wall);
		return;
	}
	ret->status = 429;
	ret->retry_after_us = 210 * SECOND;
}

static void retry_after_is_obeyed_across_slots(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->answer = slow_down_then_good;
	collect_for(w, 5 * MINUTE);
	assert_int_equal(w->requests, 3);
	for (size_t i = 0; i < 3; i++)
		is_gap(w, i, START + (int64_t)i * MINUTE, "http_429", 1);
	/* 210 s end in the middle of the fourth slot, which is asked for then */
	assert_true(w->asked_us[1] >= START + 210 * SECOND);
	is_tick(w, 3, START + 3 * MINUTE);
	is_tick(w, 4, START + 4 * MINUTE);
}

static void a_short_retry_after_stays_in_the_slot(void **state)
{
	AUTO_WORLD struct world *w = world_new(HOUR);
	w->answer = slow_down_then_good;
	collect_for(w, HOUR);
	assert_int_equal(w->requests, 2);
	is_tick(w, 0, START);
	assert_true(w->asked_us[1] >= START + 210 * SECOND);
}

/* ---- restarts ---- */

static void a_restart_counts_what_it_missed(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	collect_for(w, 10 * SECOND);
	assert_int_equal(w->memory.count, 1);
	/* in the same slot: nothing */
	collect_for(w, 10 * SECOND);
	assert_int_equal(w->memory.count, 1);
	assert_int_equal(w->requests, 1);
	/* in the next one */
	pass(w, 45 * SECOND);
	collect_for(w, 10 * SECOND);
	assert_int_equal(w->memory.count, 2);
	is_tick(w, 1, START + MINUTE);
	/* hours later */
	pass(w, 3 * HOUR);
	collect_for(w, 10 * SECOND);
	is_gap(w, 2, START + 2 * MINUTE, "not_running", 179);
	is_tick(w, 3, START + 181 * MINUTE);
	assert_int_equal(w->memory.count, 4);
	/* a gap of many slots is remembered whole */
	w->memory.count--;
	w->memory.told--;
	collect_for(w, 10 * SECOND);
	assert_int_equal(w->memory.count, 4);
	is_tick(w, 3, START + 181 * MINUTE);
}

static void another_source_or_a_replay_is_no_history(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	collect_for(w, 10 * SECOND);
	w->memory.records[0].row.pair = "ETHUSDT";
	pass(w, HOUR);
	collect_for(w, 10 * SECOND);
	assert_int_equal(w->memory.count, 2);
	is_tick(w, 1, START + HOUR);
	w->memory.records[1].row.origin = "0123456789abcdef";
	w->memory.records[1].row.line = 1;
	pass(w, HOUR);
	collect_for(w, 10 * SECOND);
	assert_int_equal(w->memory.count, 3);
	is_tick(w, 2, START + 2 * HOUR);
}

static void once_is_one_slot(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->collect.once = true;
	pass(w, 20 * SECOND);
	struct collect_result result = collect_for(w, DAY);
	assert_int_equal(result.ticks, 1);
	assert_int_equal(result.already, 0);
	is_tick(w, 0, START);
	assert_true(w->wall < START + MINUTE);
	result = collect_for(w, DAY);
	assert_int_equal(result.ticks, 0);
	assert_int_equal(result.already, 1);
	assert_int_equal(w->requests, 1);
}

/* ---- the clock ---- */

static void a_clock_set_forward_is_one_gap(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->steps[0].at_us = w->mono + 10 * MINUTE + 30 * SECOND;
	w->steps[0].by_us = DAY;
	struct collect_result result = collect_for(w, 20 * MINUTE);
	assert_int_equal(result.gaps, 1);
	assert_int_equal(result.ticks, 21);
	is_tick(w, 10, START + 10 * MINUTE);
	is_gap(w, 11, START + 11 * MINUTE, "clock_stepped", 1439);
	is_tick(w, 12, START + DAY + 10 * MINUTE);
	is_tick(w, 13, START + DAY + 11 * MINUTE);
	assert_int_equal(w->logged_steps, 1);
}

static void a_clock_set_back_does_not_stop_it(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->steps[0].at_us = w->mono + 10 * MINUTE + 30 * SECOND;
	w->steps[0].by_us = -HOUR;
	struct collect_result result = collect_for(w, 20 * MINUTE);
	assert_int_equal(result.gaps, 0);
	assert_true(result.ticks >= 20);
	is_tick(w, 10, START + 10 * MINUTE);
	is_tick(w, 11, START - HOUR + 10 * MINUTE);
	is_tick(w, 12, START - HOUR + 11 * MINUTE);
	assert_int_equal(w->logged_steps, 1);
	/* and the next start goes on where that ended, not an hour ahead */
	size_t before = w->memory.count;
	w->steps[0].by_us = 0;
	pass(w, 5 * MINUTE);
	collect_for(w, MINUTE);
	assert_int_equal(row_of(w, before)->kind, BITCOIN_GAP);
	assert_true(row_of(w, before)->slots <= 6);
	assert_string_equal(row_of(w, before)->reason, "not_running");
}

static void a_clock_set_back_a_little_repeats_no_slot(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->steps[0].at_us = w->mono + 10 * MINUTE + 5 * SECOND;
	w->steps[0].by_us = -30 * SECOND;
	collect_for(w, 20 * MINUTE);
	for (size_t i = 0; i < w->memory.count; i++)
		is_tick(w, i, START + (int64_t)i * MINUTE);
	assert_true(w->memory.count >= 19);
}

static void a_start_behind_what_was_recorded(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	collect_for(w, 10 * SECOND);
	w->wall -= 3 * HOUR;
	collect_for(w, 2 * MINUTE);
	assert_true(w->memory.count >= 2);
	is_tick(w, 1, START - 3 * HOUR);
	assert_int_equal(w->logged_steps, 1);
}

/* ---- the stream fails ---- */

static void a_full_disk_costs_nothing(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	w->memory.fail_from_us = w->mono + 5 * MINUTE;
	w->memory.fail_to_us = w->mono + 35 * MINUTE;
	w->memory.code = ERR_LIMIT;
	struct collect_result result = collect_for(w, HOUR);
	assert_int_equal(result.ticks, 60);
	assert_int_equal(result.gaps, 0);
	assert_int_equal(result.waited, w->memory.failures);
	/* with backoff: a cap of ten seconds, half of it on average here */
	assert_true(w->memory.failures > 100 && w->memory.failures < 500);
	for (size_t i = 0; i < 60; i++) {
		is_tick(w, i, START + (int64_t)i * MINUTE);
		assert_int_equal(w->asked_us[i], START + (int64_t)i * MINUTE);
	}
	assert_int_equal(w->logged_failed, 1);
	assert_int_equal(w->logged_recovered, 1);
	assert_int_equal(w->told_trouble, 1);
	assert_int_equal(w->told_recovery, 1);
}

static void too_many_waiting_become_a_gap_that_counts_them(void **state)
{
	AUTO_WORLD struct world *w = world_new(SECOND);
	w->memory.fail_from_us = w->mono + 10 * SECOND;
	w->memory.fail_to_us = w->mono + 3000 * SECOND;
	w->memory.code = ERR_IO;
	collect_for(w, 3100 * SECOND);
	assert_int_equal(w->failing, 0);
	int64_t slots = 0;
	for (size_t i = 0; i < w->memory.count; i++) {
		const struct bitcoin_row *row = row_of(w, i);
		assert_int_equal(row->slot_us, START + slots * SECOND);
		slots += row->kind == BITCOIN_GAP ? row->slots : 1;
	}
	assert_true(slots >= 3099 && slots <= 3101);
	assert_int_equal(row_of(w, 10)->kind, BITCOIN_GAP);
	assert_string_equal(row_of(w, 10)->reason, "append_failed");
	assert_true(w->memory.count < 1200);
	assert_int_equal(w->logged_lost, 1);
}

static void what_cannot_be_appended_at_the_end_is_an_error(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	struct collect_result result;
	struct err e = ERR_INIT;
	w->memory.fail_to_us = INT64_MAX;
	w->memory.code = ERR_IO;
	w->end_us = w->mono + 10 * MINUTE;
	assert_int_equal(collect_run(&w->collect, &result, &e), ERR_IO);
	assert_non_null(strstr(e.text, "10 records"));
	assert_int_equal(result.ticks, 0);
	assert_int_equal(w->memory.told, 0);
	assert_int_equal(w->failing, 1);
	/* What the dead one left is over with the next one's first success. */
	w->memory.code = OK;
	collect_for(w, MINUTE);
	assert_int_equal(w->failing, 0);
	assert_int_equal(w->logged_recovered, 0);
}

/* ---- options ---- */

static void impossible_options_are_refused(void **state)
{
	AUTO_WORLD struct world *w = world_new(MINUTE);
	struct collect_result result;
	w->source.period_us = SECOND - 1;
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_USAGE);
	w->source.period_us = DAY + 1;
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_USAGE);
	w->source.period_us = MINUTE;
	w->source.pair = "BTC/../x";
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_USAGE);
	w->source.pair = "";
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_USAGE);
	w->source.pair = NULL;
	const struct collect_source twice[] = {w->source, w->source};
	w->collect.sources = twice;
	w->collect.source_count = 2;
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_USAGE);
	w->collect.sources = &w->source;
	w->collect.source_count = 0;
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_USAGE);
	w->collect.source_count = 1;
	w->wall = 1000;
	assert_int_equal(collect_run(&w->collect, &result, NULL), ERR_INPUT);
	assert_int_equal(w->requests, 0);
}

/* ---- several sources at once, on a clock that really runs, a hundred times as fast ---- */

#define HASTE 100

static int64_t real_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec / 1000;
}

static int64_t fast_us(struct clock *c)
{
	static _Atomic int64_t began;
	int64_t zero = 0;
	atomic_compare_exchange_strong(&began, &zero, real_us());
	return START + (real_us() - atomic_load(&began)) * HASTE;
}

static void fast_sleep(struct clock *c, int64_t us)
{
	struct timespec t = {.tv_nsec = us / HASTE * 1000};
	if (us > 0)
		nanosleep(&t, NULL);
}
static const struct clock_ops fast_ops = {fast_us, fast_us, fast_sleep};
static struct clock fast_clock = {&fast_ops};

static int live_request(struct http *h, const struct http_request *q, struct http_response *ret,
			struct err *e)
{
	http_response_clear(ret);
	ret->retry_after_us = -1;
	if (strstr(q->url, "dead")) {
		/* as a server that accepts and says nothing */
		int64_t end = fast_us(NULL) + q->deadline_us;
		while (fast_us(NULL) < end && !atomic_load(q->cancel))
			fast_sleep(NULL, SECOND / 10);
		err_set(e, ERR_RETRY, "no answer");
		return err_reason(e, "timeout");
	}
	const char *pair = strrchr(q->url, '=') + 1;
	good(ret, pair, fast_us(NULL));
	return OK;
}

static void live_free(struct http *h)
{
	free(h);
}
static const struct http_ops live_ops = {live_request, live_free};

static int live_new(struct http **ret, struct err *e)
{
	*ret = NEW(struct http);
	(*ret)->ops = &live_ops;
	return OK;
}

struct busy {
	struct memory memory;
	atomic_bool stop;
	int64_t live, dead;
	atomic_int inside;
};

static void busy_recorded(void *ctx, int64_t seq, const struct bitcoin_row *row)
{
	struct busy *b = ctx;
	assert_int_equal(atomic_fetch_add(&b->inside, 1), 0);
	b->live += row->kind == BITCOIN_TICK;
	b->dead += strcmp(row->pair, "DEAD1") == 0;
	if (b->live >= 20 && b->dead >= 3)
		atomic_store(&b->stop, true);
	atomic_fetch_sub(&b->inside, 1);
}

static void a_dead_source_delays_no_other(void **state)
{
	struct busy b = {0};
	const struct bitcoin_source *binance = bitcoin_source_find("binance");
	const struct collect_source sources[] = {
		{.source = binance,
		 .pair = "DEAD1",
		 .url = "https://dead/",
		 .period_us = 5 * SECOND},
		{.source = binance,
		 .pair = "LIVE1",
		 .url = "https://live/?symbol={pair}",
		 .period_us = SECOND},
		{.source = binance,
		 .pair = "DEAD2",
		 .url = "https://dead/",
		 .period_us = 5 * SECOND},
		{.source = binance,
		 .pair = "LIVE2",
		 .url = "https://live/?symbol={pair}",
		 .period_us = SECOND},
	};
	struct collect_result result;
	memory_init(&b.memory);
	struct collect c = {.stream = &b.memory.stream,
			    .catalog = &empty_catalog,
			    .clock = &fast_clock,
			    .http_new = live_new,
			    .sources = sources,
			    .source_count = ARRAY_LEN(sources),
			    .stop = &b.stop,
			    .recorded = busy_recorded,
			    .ctx = &b};
	assert_int_equal(collect_run(&c, &result, NULL), OK);
	assert_true(b.live >= 20 && b.dead >= 3);
	assert_int_equal(result.ticks, b.live);
	assert_int_equal(result.ticks + result.gaps, b.memory.count);
	/* Whenever the dead ones were waited for, the live ones went on. */
	for (size_t i = 0; i < b.memory.count; i++)
		if (b.memory.records[i].row.kind == BITCOIN_GAP &&
		    slice_starts(slice_of(b.memory.records[i].row.pair), "LIVE"))
			assert_string_equal(b.memory.records[i].row.reason, "not_running");
	memory_clear(&b.memory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_slots_does_not_drift),
		cmocka_unit_test(a_start_within_a_slot_takes_it_when_there_is_time),
		cmocka_unit_test(retries_stay_inside_the_slot),
		cmocka_unit_test(every_failure_is_a_gap_with_its_reason),
		cmocka_unit_test(a_dead_source_costs_its_slots_and_no_more),
		cmocka_unit_test(the_end_of_a_slot_is_no_reason),
		cmocka_unit_test(retry_after_is_obeyed_across_slots),
		cmocka_unit_test(a_short_retry_after_stays_in_the_slot),
		cmocka_unit_test(a_restart_counts_what_it_missed),
		cmocka_unit_test(another_source_or_a_replay_is_no_history),
		cmocka_unit_test(once_is_one_slot),
		cmocka_unit_test(a_clock_set_forward_is_one_gap),
		cmocka_unit_test(a_clock_set_back_does_not_stop_it),
		cmocka_unit_test(a_clock_set_back_a_little_repeats_no_slot),
		cmocka_unit_test(a_start_behind_what_was_recorded),
		cmocka_unit_test(a_full_disk_costs_nothing),
		cmocka_unit_test(too_many_waiting_become_a_gap_that_counts_them),
		cmocka_unit_test(what_cannot_be_appended_at_the_end_is_an_error),
		cmocka_unit_test(impossible_options_are_refused),
		cmocka_unit_test(a_dead_source_delays_no_other),
	};
	return RUN_TESTS("collect");
}
