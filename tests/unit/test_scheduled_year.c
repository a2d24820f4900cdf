/* More than a year of schedules against a clock of the test's, twice: B3 publishes late or not at
 * all, the machine sleeps and its clock jumps, scheduler and worker die around every message. Each
 * session that B3 published is fetched exactly once, none is missed, none comes twice, and the same
 * seed gives the same run, byte for byte. */
#include "unit.h"

#include <inttypes.h>
#include <unistd.h>

#include "b3_calendar.h"
#include "clock_fake.h"
#include "queue.h"
#include "queue_sqlite.h"
#include "scheduler_sqlite.h"
#include "value.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define VISIBILITY (15 * MINUTE)
/* B3 publishes up to this late; the schedule's deadline is longer. */
#define LATEST_PUBLICATION (30 * HOUR)
#define DAYS               800

struct session {
	int64_t published_us; /* 0: never */
	int64_t withdrawn_us; /* B3 shows its latest only */
	int fetched, gone;
};

struct world {
	const char *dir;
	uint64_t random;
	struct b3_calendar *calendar;
	struct clock_fake clock; /* what the machine believes */
	int64_t true_us;         /* what time it is */
	int64_t wrong_until_us;  /* the clock is put right then; 0: it is right */
	int64_t asleep_until_us; /* the machine is off, or sleeps */
	struct queue queue;      /* what the scheduler sends to: the real one, with deaths */
	struct queue *real;
	struct scheduler *scheduler;
	struct session *sessions; /* by day after the first */
	int32_t first_day;
	int nightly[DAYS + 2];
	int deaths, naps, jumps, retries;
	int unreported, again; /* died between fetching and reporting; fetched once more */
	struct buf log;
};

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		fail_msg("%s: %s: %s", err_name(rc), e->where, e->text);
}

/* SplitMix64: the test's own chance, the same on every machine. */
static uint64_t chance(struct world *w)
{
	uint64_t z = w->random += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static bool one_in(struct world *w, uint64_t n)
{
	return chance(w) % n == 0;
}

static int64_t up_to(struct world *w, int64_t us)
{
	return (int64_t)(chance(w) % (uint64_t)us);
}

static void note(struct world *w, const char *what, const char *detail, int number)
{
	char at[TIME_TEXT_SIZE], shown[TIME_TEXT_SIZE];
	buf_printf(&w->log, "%s (clock %s) %s %s %d\n", time_format_utc(w->true_us, at),
		   time_format_utc(w->clock.now, shown), what, detail, number);
}

static struct session *session_of(struct world *w, int32_t day)
{
	assert_in_range(day - w->first_day, 0, DAYS + 1);
	return &w->sessions[day - w->first_day];
}

/* -- the machine ------------------------------------------------------------------------------- */

/* One sending in eight ends in the scheduler's death, before or after the message went in. */
static int deadly_send(struct queue *q, const struct slice *bodies, size_t n, struct err *e)
{
	struct world *w = (struct world *)((char *)q - offsetof(struct world, queue));
	bool dies = one_in(w, 8), goes_in = !dies || one_in(w, 2);
	int rc = goes_in ? queue_send(w->real, bodies, n, e) : OK;
	if (rc == OK && dies)
		rc = err_set(e, ERR_IO, "the scheduler dies");
	return rc;
}

static int deadly_peek(struct queue *q, bool dead, size_t max, struct arena *arena,
		       struct queue_message *ret, size_t *ret_count, struct err *e)
{
	struct world *w = (struct world *)((char *)q - offsetof(struct world, queue));
	return queue_peek(w->real, dead, max, arena, ret, ret_count, e);
}

static const struct queue_ops deadly_ops = {.send = deadly_send, .peek = deadly_peek};

static bool is_session(void *ctx, int32_t day)
{
	return b3_calendar_is_session(((struct world *)ctx)->calendar, day);
}

static void start_scheduler(struct world *w)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *path = path_in(w->dir, "scheduler.sqlite");
	struct schedule schedules[2] = {
		{.name = "portfolio",
		 .task = "fetch portfolio",
		 .sessions = true,
		 .catch_up_us = 60 * DAY,
		 .jitter_us = 10 * MINUTE,
		 .retry_us = 30 * MINUTE,
		 .deadline_us = LATEST_PUBLICATION + 12 * HOUR,
		 .answer_us = HOUR},
		{.name = "nightly",
		 .task = "compact",
		 .catch_up_us = 30 * DAY,
		 .answer_us = 2 * HOUR},
	};
	must(cron_parse("0 19 * * *", &schedules[0].cron, &e), &e);
	must(cron_parse("30 2 * * *", &schedules[1].cron, &e), &e);
	struct scheduler_sqlite_options o = {.path = path,
					     .schedules = schedules,
					     .count = 2,
					     .is_session = is_session,
					     .ctx = w,
					     .seed = 1,
					     .clock = &w->clock.clock,
					     .queue = &w->queue};
	scheduler_free(w->scheduler);
	must(scheduler_sqlite_open(&o, &w->scheduler, &e), &e);
}

static int64_t tick(struct world *w)
{
	for (;;) {
		struct err e = ERR_INIT;
		struct schedule_tick t;
		int rc = scheduler_tick(w->scheduler, &t, &e);
		if (rc == OK) {
			if (t.sent)
				note(w, "sent", "messages", (int)t.sent);
			assert_int_equal(t.missed, 0);
			return t.next_us;
		}
		assert_int_equal(rc, ERR_IO);
		note(w, "the scheduler", "died", ++w->deaths);
		start_scheduler(w);
	}
}

/* -- the worker -------------------------------------------------------------------------------- */

static enum schedule_outcome fetch(struct world *w, const struct schedule_message *m)
{
	struct session *s = session_of(w, m->session);
	if (!s->published_us || s->published_us > w->true_us) {
		w->retries++;
		return SCHEDULE_NOT_PUBLISHED;
	}
	if (s->fetched) { /* the same bytes again: what they make is there already */
		w->again++;
		return SCHEDULE_DONE;
	}
	if (s->withdrawn_us <= w->true_us) {
		s->gone++;
		return SCHEDULE_GONE;
	}
	s->fetched++;
	return SCHEDULE_DONE;
}

static enum schedule_outcome work(struct world *w, const struct schedule_message *m)
{
	int32_t day;
	if (m->has_session)
		return fetch(w, m);
	assert_true(date_parse_iso((struct slice){m->slot, 10}, &day));
	w->nightly[day - w->first_day]++;
	return SCHEDULE_DONE;
}

static void handle(struct world *w, const struct queue_message *qm, struct arena *arena)
{
	struct err e = ERR_INIT;
	struct schedule_message m;
	must(schedule_message_parse(qm->body, arena, &m, &e), &e);
	int rc = scheduler_claim(w->scheduler, &m, VISIBILITY, &e);
	if (rc == ERR_RETRY)
		return;
	if (rc == OK) {
		if (one_in(w, 10)) { /* its claim ends by itself */
			note(w, "the worker died with", m.slot, m.attempt);
			return;
		}
		enum schedule_outcome outcome = work(w, &m);
		note(w, outcome == SCHEDULE_DONE ? "done" : "not published", m.slot, m.attempt);
		if (m.has_session && one_in(w, 10)) {
			note(w, "the worker died before it told of", m.slot, m.attempt);
			w->unreported += outcome == SCHEDULE_DONE;
			return;
		}
		must(scheduler_report(w->scheduler, &m, outcome, NULL, &e), &e);
		if (one_in(w, 10)) { /* reported, but the message comes again */
			note(w, "the worker died after", m.slot, m.attempt);
			return;
		}
	} else {
		assert_int_equal(rc, ERR_CONFLICT);
		note(w, "stale", m.slot, m.attempt);
	}
	const char *receipt = qm->receipt;
	must(queue_remove(w->real, &receipt, 1, &e), &e);
}

static void receive(struct world *w)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct err e = ERR_INIT;
	struct queue_message m[4];
	size_t count;
	must(queue_receive(w->real, 4, VISIBILITY, arena, m, &count, &e), &e);
	for (size_t i = 0; i < count; i++)
		handle(w, &m[i], arena);
}

/* -- time -------------------------------------------------------------------------------------- */

static void pass(struct world *w, int64_t us)
{
	w->true_us += us;
	w->clock.now += us;
}

/* Sleep up to nine days, and clocks that are wrong by up to two days for up to ten hours. */
static void misfortune(struct world *w)
{
	if (w->wrong_until_us && w->true_us >= w->wrong_until_us) {
		w->wrong_until_us = 0;
		w->clock.now = w->true_us;
		note(w, "the clock", "is right again", 0);
	}
	if (one_in(w, 250)) {
		int64_t nap = up_to(w, one_in(w, 4) ? 9 * DAY : 12 * HOUR);
		note(w, "nap of minutes", "", (int)(nap / MINUTE));
		w->naps++;
		pass(w, nap);
		start_scheduler(w);
	}
	if (!w->wrong_until_us && one_in(w, 180)) {
		int64_t jump = up_to(w, 4 * DAY) - 2 * DAY;
		w->clock.now += jump;
		w->wrong_until_us = w->true_us + up_to(w, 10 * HOUR);
		w->jumps++;
		note(w, "the clock jumps by minutes", "", (int)(jump / MINUTE));
	}
}

static void make_history(struct world *w, int64_t start_us)
{
	struct err e = ERR_INIT;
	must(time_date_in_sao_paulo(start_us, &w->first_day, &e), &e);
	w->first_day -= 3; /* the clock may be wrong */
	w->sessions = NEW_ARRAY(DAYS + 2, struct session);
	for (int32_t i = 0; i < DAYS + 2; i++) {
		int64_t evening = 0;
		must(time_from_sao_paulo(w->first_day + i, 18 * 3600, &evening, &e), &e);
		if (!b3_calendar_is_session(w->calendar, w->first_day + i) || one_in(w, 40))
			continue;
		w->sessions[i].published_us =
			evening + up_to(w, one_in(w, 5) ? LATEST_PUBLICATION : 90 * MINUTE);
		w->sessions[i].withdrawn_us = w->sessions[i].published_us + DAY + up_to(w, 5 * DAY);
	}
}

/* From start_us for so many days. The log is the caller's to free. */
static void live(const char *start, int days, uint64_t seed, struct buf *ret_log)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct err e = ERR_INIT;
	struct world w = {.dir = dir, .random = seed, .queue = {&deadly_ops}};
	int64_t start_us;
	assert_int_equal(time_parse_utc(start, &start_us), OK);
	must(b3_calendar_new(NULL, NULL, &w.calendar, &e), &e);
	clock_fake_init(&w.clock, start_us);
	w.true_us = start_us;
	AUTO_FREE char *path = path_in(dir, "queue.sqlite");
	must(queue_sqlite_open(path, "scheduled", 1000, &w.clock.clock, &w.real, &e), &e);
	make_history(&w, start_us);
	start_scheduler(&w);
	int64_t end_us = start_us + days * DAY;
	while (w.true_us < end_us) {
		int64_t next = tick(&w);
		receive(&w);
		/* Whatever comes first, but the worker looks every hour. */
		int64_t wait = next - w.clock.now;
		pass(&w, wait < SECOND ? SECOND : wait < HOUR ? wait : HOUR);
		misfortune(&w);
	}
	/* Two quiet days with the right time, so that what is owed can come. */
	w.clock.now = w.true_us;
	for (int i = 0; i < 600; i++) {
		tick(&w);
		receive(&w);
		pass(&w, 5 * MINUTE);
	}
	int fetched = 0, never = 0, gone = 0;
	int32_t from, to;
	must(time_date_in_sao_paulo(start_us, &from, &e), &e);
	must(time_date_in_sao_paulo(end_us, &to, &e), &e);
	for (int32_t day = w.first_day; day < to; day++) {
		const struct session *s = session_of(&w, day);
		bool owed = day >= from && s->published_us;
		char text[DATE_TEXT_SIZE];
		/* Who came too late was told so: nothing is left out without a word. */
		bool right = owed ? s->fetched + (s->gone > 0) == 1 : day < from || !s->fetched;
		if (!right)
			fail_msg("%s, published %d: fetched %d times, gone %d",
				 date_format(day, text), s->published_us != 0, s->fetched, s->gone);
		gone += s->gone > 0;
		fetched += s->fetched;
		never += day >= from && b3_calendar_is_session(w.calendar, day) && !owed;
		assert_true(w.nightly[day - w.first_day] <= 1);
	}
	print_message(
		"%d days from %.10s: %d sessions fetched once, %d withdrawn, %d never published; %d deaths, "
		"%d naps, %d jumps of the clock, %d times not yet published\n",
		days, start, fetched, gone, never, w.deaths, w.naps, w.jumps, w.retries);
	/* Only a death before the report brings a session that was fetched once more. */
	assert_in_range(w.again, 1, w.unreported);
	assert_true(fetched > days / 2 && gone > 0 && never > 0 && w.deaths > 20 && w.naps > 5 &&
		    w.jumps > 5 && w.retries > 50);
	*ret_log = w.log;
	scheduler_free(w.scheduler);
	queue_free(w.real);
	b3_calendar_free(w.calendar);
	free(w.sessions);
}

static void twice_the_same(const char *start, int days, uint64_t seed)
{
	AUTO_BUF struct buf first = {0}, second = {0};
	live(start, days, seed, &first);
	live(start, days, seed, &second);
	assert_true(first.len > 10000);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
}

/* 29 February 2024 is in it. */
static void a_leap_year(void **state)
{
	twice_the_same("2023-12-20T15:00:00.000000Z", 370, 1);
}

/* Daylight saving began and ended; 24 December, and Carnival. */
static void a_year_with_daylight_saving(void **state)
{
	twice_the_same("2018-01-10T15:00:00.000000Z", 370, 2);
}

int main(int argc, char **argv)
{
	/* Thousands of commits, which need no disk here. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leap_year),
		cmocka_unit_test(a_year_with_daylight_saving),
	};
	return RUN_TESTS("scheduled_year");
}
