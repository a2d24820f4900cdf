/* The contract of the scheduler port: every driver in the table at the end runs the same cases, on a
 * clock that is put forward and back, with a queue that may fail around a message. */
#include "../unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock_fake.h"
#include "queue.h"
#include "queue_sqlite.h"
#include "scheduler.h"
#include "scheduler_sqlite.h"
#include "value.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* A queue that lies about one sending: says that it failed before or after the message went in. */
struct flaky_queue {
	struct queue queue; /* only send is ever called by a scheduler, and peek */
	struct queue *real;
	enum { SOUND, FAILS_BEFORE, FAILS_AFTER } mood;
};

static int flaky_send(struct queue *q, const struct slice *bodies, size_t n, struct err *e)
{
	struct flaky_queue *f = (struct flaky_queue *)q;
	int rc = f->mood == FAILS_BEFORE ? OK : queue_send(f->real, bodies, n, e);
	if (rc == OK && f->mood != SOUND)
		rc = err_set(e, ERR_IO, "the test's queue fails");
	f->mood = SOUND;
	return rc;
}

static int flaky_peek(struct queue *q, bool dead, size_t max, struct arena *arena,
		      struct queue_message *ret, size_t *ret_count, struct err *e)
{
	return queue_peek(((struct flaky_queue *)q)->real, dead, max, arena, ret, ret_count, e);
}

static const struct queue_ops flaky_ops = {.send = flaky_send, .peek = flaky_peek};

struct fixture {
	char *dir;
	struct clock_fake clock;
	struct flaky_queue queue;
	struct scheduler *scheduler;
	struct arena *arena;
	struct schedule schedules[2];
	size_t count;
};

struct driver_case {
	const char *name;
	int (*open)(struct fixture *, struct scheduler **, struct err *);
};
static const struct driver_case *driver;

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

/* Sessions are weekdays but for 2026-07-09, a Thursday. */
static bool is_session(void *ctx, int32_t day)
{
	int32_t holiday;
	assert_true(date_make(2026, 7, 9, &holiday));
	return ((day + 4) % 7) % 6 != 0 && day != holiday;
}

static int64_t wall(const char *date, int hour, int minute)
{
	int32_t day;
	int64_t us = 0;
	struct err e = ERR_INIT;
	assert_true(date_parse_iso(slice_of(date), &day));
	must(time_from_sao_paulo(day, (hour * 60 + minute) * 60, &us, &e), &e);
	return us;
}

static struct cron cron(const char *text)
{
	struct cron c;
	struct err e = ERR_INIT;
	must(cron_parse(text, &c, &e), &e);
	return c;
}

static void open_again(struct fixture *f)
{
	struct err e = ERR_INIT;
	scheduler_free(f->scheduler);
	f->scheduler = NULL;
	must(driver->open(f, &f->scheduler, &e), &e);
}

static struct schedule portfolio(void)
{
	return (struct schedule){.name = "portfolio",
				 .task = "fetch portfolio",
				 .cron = cron("0 19 * * *"),
				 .sessions = true,
				 .catch_up_us = 30 * DAY,
				 .retry_us = 30 * MINUTE,
				 .deadline_us = 12 * HOUR,
				 .answer_us = HOUR};
}

static struct schedule nightly(const char *expression)
{
	return (struct schedule){.name = "nightly",
				 .task = "compact",
				 .cron = cron(expression),
				 .catch_up_us = 7 * DAY,
				 .answer_us = HOUR};
}

/* It is Monday 2026-07-06, noon. */
static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	struct err e = ERR_INIT;
	f->dir = temporary_folder();
	clock_fake_init(&f->clock, wall("2026-07-06", 12, 0));
	AUTO_FREE char *path = path_in(f->dir, "queue.sqlite");
	must(queue_sqlite_open(path, "scheduled", 3, &f->clock.clock, &f->queue.real, &e), &e);
	f->queue.queue.ops = &flaky_ops;
	f->arena = arena_new();
	f->schedules[0] = portfolio();
	f->count = 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	scheduler_free(f->scheduler);
	queue_free(f->queue.real);
	arena_free(f->arena);
	remove_folder(&f->dir);
	free(f);
	return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* -- helpers ----------------------------------------------------------------------------------- */

static struct schedule_tick tick(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct schedule_tick t;
	must(scheduler_tick(f->scheduler, &t, &e), &e);
	return t;
}

static void begin(struct fixture *f)
{
	open_again(f);
	assert_int_equal(tick(f).sent, 0);
}

/* The only message there is, taken out of the queue; NULL: none. */
static const struct schedule_message *take(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct queue_message m[2];
	size_t count;
	must(queue_receive(f->queue.real, 2, MINUTE, f->arena, m, &count, &e), &e);
	assert_true(count <= 1);
	if (count == 0)
		return NULL;
	struct schedule_message *ret = ANEW(f->arena, struct schedule_message);
	must(schedule_message_parse(m[0].body, f->arena, ret, &e), &e);
	const char *receipt = m[0].receipt;
	must(queue_remove(f->queue.real, &receipt, 1, &e), &e);
	return ret;
}

static const struct schedule_message *take_slot(struct fixture *f, const char *slot, int attempt)
{
	const struct schedule_message *m = take(f);
	assert_non_null(m);
	assert_string_equal(m->slot, slot);
	assert_int_equal(m->attempt, attempt);
	return m;
}

static int claim(struct fixture *f, const struct schedule_message *m)
{
	struct err e = ERR_INIT;
	return scheduler_claim(f->scheduler, m, 10 * MINUTE, &e);
}

static void report(struct fixture *f, const struct schedule_message *m,
		   enum schedule_outcome outcome)
{
	struct err e = ERR_INIT;
	must(scheduler_report(f->scheduler, m, outcome, "the test says so", &e), &e);
}

/* Nothing comes at `at` less a moment; at `at` the slot does. */
static const struct schedule_message *comes(struct fixture *f, int64_t at, const char *slot,
					    int attempt)
{
	f->clock.now = at - 1;
	assert_int_equal(tick(f).next_us, at);
	assert_null(take(f));
	f->clock.now = at;
	assert_int_equal(tick(f).sent, 1);
	assert_int_equal(tick(f).sent, 0);
	return take_slot(f, slot, attempt);
}

static enum slot_state state_of(struct fixture *f, const char *slot)
{
	struct err e = ERR_INIT;
	static struct schedule_slot slots[500];
	size_t count;
	must(scheduler_slots(f->scheduler, NULL, ARRAY_LEN(slots), f->arena, slots, &count, &e),
	     &e);
	for (size_t i = 0; i < count; i++)
		if (strcmp(slots[i].slot, slot) == 0)
			return slots[i].state;
	fail_msg("there is no slot %s", slot);
	return SLOT_MISSED;
}

/* -- sessions ---------------------------------------------------------------------------------- */

static void each_session_is_sent_once(void **state)
{
	struct fixture *f = *state;
	begin(f);
	static const char *const days[] = {"2026-07-06", "2026-07-07", "2026-07-08", "2026-07-10",
					   "2026-07-13"};
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		const struct schedule_message *m = comes(f, wall(days[i], 19, 0), days[i], 1);
		assert_int_equal(claim(f, m), OK);
		report(f, m, SCHEDULE_DONE);
		report(f, m, SCHEDULE_DONE);
		assert_int_equal(state_of(f, days[i]), SLOT_DONE);
		open_again(f);
	}
}

static void the_message_has_the_events_form(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	begin(f);
	f->clock.now = wall("2026-07-06", 19, 3);
	tick(f);
	struct queue_message m;
	size_t count;
	must(queue_peek(f->queue.real, false, 1, f->arena, &m, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_string_equal(
		m.body,
		"{\"version\":\"0\",\"id\":\"portfolio/2026-07-06/1\",\"source\":\"pregao.scheduler\","
		"\"detail-type\":\"fetch portfolio\",\"time\":\"2026-07-06T22:00:00Z\",\"detail\":{"
		"\"schedule\":\"portfolio\",\"slot\":\"2026-07-06\",\"session\":\"2026-07-06\",\"attempt\":1}}");
	const struct schedule_message *back = take(f);
	assert_true(back->has_session);
	assert_int_equal(back->planned_us, wall("2026-07-06", 19, 0));
	static const char *const wrong[] = {
		"",
		"{}",
		"[]",
		"{\"source\":\"aws.s3\",\"detail-type\":\"x\",\"time\":\"2026-07-06T22:00:00Z\",\"detail\":{}}",
		"{\"source\":\"pregao.scheduler\",\"detail-type\":\"x\",\"time\":\"now\",\"detail\":{\"schedule\":\"a\",\"slot\":\"b\",\"attempt\":1}}",
		"{\"source\":\"pregao.scheduler\",\"detail-type\":\"x\",\"time\":\"2026-07-06T22:00:00Z\",\"detail\":{\"schedule\":\"A/B\",\"slot\":\"b\",\"attempt\":1}}",
		"{\"source\":\"pregao.scheduler\",\"detail-type\":\"x\",\"time\":\"2026-07-06T22:00:00Z\",\"detail\":{\"schedule\":\"a\",\"slot\":\"b\",\"attempt\":0}}",
	};
	struct schedule_message parsed;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(schedule_message_parse(wrong[i], f->arena, &parsed, &e),
				 ERR_INPUT);
}

static void not_published_comes_again_until_the_deadline(void **state)
{
	struct fixture *f = *state;
	f->schedules[0].deadline_us = 70 * MINUTE;
	begin(f);
	int64_t due = wall("2026-07-06", 19, 0);
	report(f, comes(f, due, "2026-07-06", 1), SCHEDULE_NOT_PUBLISHED);
	report(f, comes(f, due + 30 * MINUTE, "2026-07-06", 2), SCHEDULE_FAILED);
	report(f, comes(f, due + 60 * MINUTE, "2026-07-06", 3), SCHEDULE_NOT_PUBLISHED);
	/* once more at the last moment */
	const struct schedule_message *last = comes(f, due + 70 * MINUTE, "2026-07-06", 4);
	report(f, last, SCHEDULE_NOT_PUBLISHED);
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_GIVEN_UP);
	assert_int_equal(tick(f).next_us, wall("2026-07-07", 19, 0));
	/* What can no longer be had is given up at once. */
	report(f, comes(f, wall("2026-07-07", 19, 0), "2026-07-07", 1), SCHEDULE_GONE);
	assert_int_equal(state_of(f, "2026-07-07"), SLOT_GIVEN_UP);
	/* An answer that comes after all is welcome. */
	report(f, last, SCHEDULE_DONE);
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_DONE);
	report(f, last, SCHEDULE_NOT_PUBLISHED);
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_DONE);
}

static void sessions_slept_through_are_caught_up_one_by_one(void **state)
{
	struct fixture *f = *state;
	begin(f);
	f->clock.now = wall("2026-07-13", 18, 59);
	open_again(f);
	static const char *const days[] = {"2026-07-06", "2026-07-07", "2026-07-08", "2026-07-10"};
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		assert_int_equal(tick(f).sent, 1);
		assert_int_equal(tick(f).sent, 0); /* no overlap */
		report(f, take_slot(f, days[i], 1), SCHEDULE_DONE);
	}
	assert_int_equal(tick(f).next_us, wall("2026-07-13", 19, 0));
	assert_null(take(f));
}

static void what_is_too_long_ago_is_kept_as_missed(void **state)
{
	struct fixture *f = *state;
	f->schedules[0].catch_up_us = 2 * DAY;
	begin(f);
	f->clock.now = wall("2026-07-10", 12, 0);
	struct schedule_tick t = tick(f);
	assert_int_equal(t.missed, 2);
	assert_int_equal(t.sent, 1);
	take_slot(f, "2026-07-08", 1);
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_MISSED);
	assert_int_equal(state_of(f, "2026-07-07"), SLOT_MISSED);
	assert_int_equal(tick(f).missed, 0);
}

static void a_changed_time_of_the_day_neither_doubles_nor_misses(void **state)
{
	struct fixture *f = *state;
	begin(f);
	report(f, comes(f, wall("2026-07-06", 19, 0), "2026-07-06", 1), SCHEDULE_DONE);
	f->schedules[0].cron = cron("0 20 * * *"); /* later on the same day */
	open_again(f);
	f->clock.now = wall("2026-07-06", 20, 30);
	assert_int_equal(tick(f).next_us, wall("2026-07-07", 20, 0));
	f->clock.now = wall("2026-07-07", 19, 30);
	tick(f);
	f->schedules[0].cron = cron("0 19 * * *"); /* earlier: it is past already */
	open_again(f);
	assert_int_equal(tick(f).sent, 1);
	report(f, take_slot(f, "2026-07-07", 1), SCHEDULE_DONE);
}

/* -- claims, answers that do not come ---------------------------------------------------------- */

static void one_claim_at_a_time(void **state)
{
	struct fixture *f = *state;
	begin(f);
	const struct schedule_message *m = comes(f, wall("2026-07-06", 19, 0), "2026-07-06", 1);
	assert_int_equal(claim(f, m), OK);
	assert_int_equal(claim(f, m), ERR_RETRY);
	f->clock.now += 10 * MINUTE; /* its worker died */
	assert_int_equal(claim(f, m), OK);
	report(f, m, SCHEDULE_DONE);
	assert_int_equal(claim(f, m), ERR_CONFLICT);
	struct schedule_message other = *m;
	other.slot = "2026-07-05";
	assert_int_equal(claim(f, &other), ERR_NOT_FOUND);
	struct err e = ERR_INIT;
	assert_int_equal(scheduler_claim(f->scheduler, m, 0, &e), ERR_LIMIT);
}

static void an_answer_that_does_not_come_is_a_failure(void **state)
{
	struct fixture *f = *state;
	begin(f);
	int64_t due = wall("2026-07-06", 19, 0);
	const struct schedule_message *first = comes(f, due, "2026-07-06", 1);
	f->clock.now = due + HOUR - 1;
	assert_int_equal(tick(f).next_us, due + HOUR);
	f->clock.now = due + HOUR;
	assert_int_equal(tick(f).next_us, due + HOUR + 30 * MINUTE);
	const struct schedule_message *second = comes(f, due + HOUR + 30 * MINUTE, "2026-07-06", 2);
	assert_int_equal(claim(f, first), ERR_CONFLICT);
	report(f, first, SCHEDULE_FAILED); /* too late to matter */
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_SENT);
	assert_int_equal(claim(f, second), OK);
	/* A claim holds longer than the answer time. */
	struct err e = ERR_INIT;
	f->clock.now += 10 * MINUTE;
	must(scheduler_claim(f->scheduler, second, 5 * HOUR, &e), &e);
	f->clock.now += 4 * HOUR;
	assert_int_equal(tick(f).given_up, 0);
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_SENT);
	report(f, second, SCHEDULE_DONE);
}

/* -- death around a message -------------------------------------------------------------------- */

static void a_sending_cut_short_is_neither_lost_nor_doubled(void **state)
{
	struct fixture *f = *state;
	begin(f);
	struct err e = ERR_INIT;
	struct schedule_tick t;
	f->clock.now = wall("2026-07-06", 19, 0);
	f->queue.mood = FAILS_BEFORE;
	assert_int_equal(scheduler_tick(f->scheduler, &t, &e), ERR_IO);
	open_again(f);
	assert_int_equal(tick(f).sent, 1);
	report(f, take_slot(f, "2026-07-06", 1), SCHEDULE_DONE);
	/* It went in, and is still there. */
	f->clock.now = wall("2026-07-07", 19, 0);
	f->queue.mood = FAILS_AFTER;
	assert_int_equal(scheduler_tick(f->scheduler, &t, &e), ERR_IO);
	open_again(f);
	tick(f);
	report(f, take_slot(f, "2026-07-07", 1), SCHEDULE_DONE);
	assert_null(take(f));
	/* It went in, and was taken and claimed before anybody ticked again. */
	f->clock.now = wall("2026-07-08", 19, 0);
	f->queue.mood = FAILS_AFTER;
	assert_int_equal(scheduler_tick(f->scheduler, &t, &e), ERR_IO);
	const struct schedule_message *m = take_slot(f, "2026-07-08", 1);
	assert_int_equal(claim(f, m), OK);
	open_again(f);
	assert_int_equal(tick(f).sent, 0);
	report(f, m, SCHEDULE_DONE);
	tick(f);
	assert_null(take(f));
}

static void killed_at_any_moment(void **state)
{
	struct fixture *f = *state;
	begin(f);
	scheduler_free(f->scheduler);
	f->scheduler = NULL;
	int32_t day;
	assert_true(date_make(2026, 7, 13, &day));
	for (int round = 0; round < 25; round++, day++) {
		char date[DATE_TEXT_SIZE];
		date_format(day, date);
		if (!is_session(NULL, day))
			continue;
		f->clock.now = wall(date, 19, 0);
		pid_t child = fork();
		if (child == 0) {
			struct err e = ERR_INIT;
			struct schedule_tick t;
			if (driver->open(f, &f->scheduler, &e) != OK)
				_exit(1);
			while (scheduler_tick(f->scheduler, &t, &e) == OK)
				;
			_exit(1);
		}
		usleep((useconds_t)(round * 37 % 25) * 200);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		open_again(f);
		/* What else was owed before (the first days of the test) comes first. */
		for (;;) {
			tick(f);
			const struct schedule_message *m = take(f);
			if (!m)
				break;
			assert_int_equal(m->attempt, 1);
			assert_int_equal(claim(f, m), OK);
			report(f, m, SCHEDULE_DONE);
		}
		assert_int_equal(state_of(f, date), SLOT_DONE);
		scheduler_free(f->scheduler);
		f->scheduler = NULL;
	}
}

/* -- minutes ----------------------------------------------------------------------------------- */

static void minutes_slept_through_are_one(void **state)
{
	struct fixture *f = *state;
	f->schedules[0] = nightly("30 2 * * *");
	begin(f);
	const struct schedule_message *m =
		comes(f, wall("2026-07-07", 2, 30), "2026-07-07T02:30", 1);
	assert_false(m->has_session);
	report(f, m, SCHEDULE_FAILED); /* no retry: given up */
	assert_int_equal(state_of(f, "2026-07-07T02:30"), SLOT_GIVEN_UP);
	f->clock.now = wall("2026-07-12", 15, 0);
	assert_int_equal(tick(f).sent, 1);
	report(f, take_slot(f, "2026-07-12T02:30", 1), SCHEDULE_DONE);
	assert_int_equal(tick(f).next_us, wall("2026-07-13", 2, 30));
	/* Past the window, none. */
	f->schedules[0].catch_up_us = 0;
	open_again(f);
	f->clock.now = wall("2026-07-14", 15, 0);
	assert_int_equal(tick(f).sent, 0);
	assert_int_equal(tick(f).next_us, wall("2026-07-15", 2, 30));
}

static void daylight_saving_of_the_past(void **state)
{
	struct fixture *f = *state;
	f->schedules[0] = nightly("30 0,23 * * *");
	/* On 2018-11-04 midnight was skipped: 00:30 comes with the leap. */
	f->clock.now = wall("2018-11-03", 22, 0);
	begin(f);
	report(f, comes(f, wall("2018-11-03", 23, 30), "2018-11-03T23:30", 1), SCHEDULE_DONE);
	int64_t leap = wall("2018-11-04", 1, 0);
	assert_int_equal(leap, wall("2018-11-03", 23, 30) + 30 * MINUTE);
	report(f, comes(f, leap, "2018-11-04T00:30", 1), SCHEDULE_DONE);
	report(f, comes(f, wall("2018-11-04", 23, 30), "2018-11-04T23:30", 1), SCHEDULE_DONE);
	/* On 2019-02-16 the last hour came twice: 23:30 once. */
	f->clock.now = wall("2019-02-16", 22, 0);
	assert_int_equal(tick(f).sent, 1);
	report(f, take_slot(f, "2019-02-16T00:30", 1), SCHEDULE_DONE);
	report(f, comes(f, wall("2019-02-16", 23, 30), "2019-02-16T23:30", 1), SCHEDULE_DONE);
	assert_int_equal(wall("2019-02-17", 0, 30) - wall("2019-02-16", 23, 30), 2 * HOUR);
	report(f, comes(f, wall("2019-02-17", 0, 30), "2019-02-17T00:30", 1), SCHEDULE_DONE);
}

/* -- the clock --------------------------------------------------------------------------------- */

static void put_back_it_does_not_double(void **state)
{
	struct fixture *f = *state;
	begin(f);
	int64_t due = wall("2026-07-07", 19, 0);
	report(f, comes(f, wall("2026-07-06", 19, 0), "2026-07-06", 1), SCHEDULE_DONE);
	const struct schedule_message *m = comes(f, due, "2026-07-07", 1);
	f->clock.now = due - 5 * HOUR; /* while its message is out */
	assert_int_equal(tick(f).sent, 0);
	f->clock.now = due - 5 * HOUR + 10 * MINUTE;
	report(f, m, SCHEDULE_NOT_PUBLISHED);
	f->clock.now -= 9 * DAY; /* while it waits for another attempt */
	assert_int_equal(tick(f).sent, 0);
	report(f, comes(f, due, "2026-07-07", 2), SCHEDULE_NOT_PUBLISHED);
	f->clock.now = due + 2 * HOUR;
	assert_int_equal(tick(f).sent, 1);
	report(f, take_slot(f, "2026-07-07", 3), SCHEDULE_NOT_PUBLISHED);
	f->clock.now = due + 10 * MINUTE; /* the wait gets no longer than it was meant to be */
	tick(f);
	report(f, comes(f, due + 40 * MINUTE, "2026-07-07", 4), SCHEDULE_DONE);
	f->clock.now = wall("2026-07-08", 18, 59);
	assert_int_equal(tick(f).sent, 0);
	report(f, comes(f, wall("2026-07-08", 19, 0), "2026-07-08", 1), SCHEDULE_DONE);
}

static void put_forward_and_back_it_does_not_miss(void **state)
{
	struct fixture *f = *state;
	begin(f);
	/* A year ahead by mistake: all its sessions come due; one is sent, the oldest are given up. */
	f->clock.now = wall("2027-07-06", 12, 0);
	assert_true(tick(f).missed > 200);
	const struct schedule_message *m = take(f);
	assert_non_null(m);
	report(f, m, SCHEDULE_GONE);
	f->clock.now = wall("2026-07-06", 12, 10);
	assert_int_equal(tick(f).sent, 0);
	static const char *const days[] = {"2026-07-06", "2026-07-07", "2026-07-08", "2026-07-10"};
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		f->clock.now = wall(days[i], 18, 59);
		assert_int_equal(tick(f).sent, 0);
		f->clock.now = wall(days[i], 19, 0);
		assert_int_equal(tick(f).sent, 1);
		report(f, take_slot(f, days[i], 1), SCHEDULE_DONE);
	}
	/* Across a deadline by mistake, on a day without a new slot. */
	m = comes(f, wall("2026-07-13", 19, 0), "2026-07-13", 1);
	f->clock.now = wall("2026-07-14", 18, 0);
	report(f, m, SCHEDULE_NOT_PUBLISHED);
	assert_int_equal(state_of(f, "2026-07-13"), SLOT_GIVEN_UP);
	f->clock.now = wall("2026-07-13", 19, 30);
	assert_int_equal(tick(f).sent, 1);
	report(f, take_slot(f, "2026-07-13", 2), SCHEDULE_DONE);
}

/* -- by hand, jitter, the list ----------------------------------------------------------------- */

static void by_hand(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct schedule_slot slot;
	begin(f);
	assert_int_equal(scheduler_run(f->scheduler, "portfoli", NULL, &slot, &e), ERR_NOT_FOUND);
	must(scheduler_run(f->scheduler, "portfolio", NULL, &slot, &e), &e);
	assert_string_equal(slot.slot, "2026-07-03"); /* the last that was due: Friday */
	assert_int_equal(scheduler_run(f->scheduler, "portfolio", NULL, &slot, &e), ERR_CONFLICT);
	report(f, take_slot(f, "2026-07-03", 1), SCHEDULE_DONE);
	/* Today's, before its time: then it does not come at its time. */
	int32_t day;
	assert_true(date_make(2026, 7, 6, &day));
	must(scheduler_run(f->scheduler, "portfolio", &day, &slot, &e), &e);
	report(f, take_slot(f, "2026-07-06", 1), SCHEDULE_DONE);
	f->clock.now = wall("2026-07-06", 19, 0);
	assert_int_equal(tick(f).sent, 0);
	/* Once more. */
	must(scheduler_run(f->scheduler, "portfolio", &day, &slot, &e), &e);
	assert_int_equal(slot.attempts, 2);
	report(f, take_slot(f, "2026-07-06", 2), SCHEDULE_DONE);
	day--;
	assert_int_equal(scheduler_run(f->scheduler, "portfolio", &day, &slot, &e), ERR_USAGE);
}

static void what_is_to_come(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct schedule_slot slots[4];
	size_t count;
	begin(f);
	f->clock.now = wall("2026-07-07", 19, 0);
	must(scheduler_next(f->scheduler, "portfolio", 4, slots, &count, &e), &e);
	assert_int_equal(count, 4);
	assert_string_equal(slots[0].slot, "2026-07-08");
	assert_string_equal(slots[1].slot, "2026-07-10");
	assert_string_equal(slots[2].slot, "2026-07-13");
	assert_int_equal(slots[3].planned_us, wall("2026-07-14", 19, 0));
}

static void jitter_comes_from_the_seed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct schedule_slot slots[20], again[20];
	size_t count;
	f->schedules[0].jitter_us = 10 * MINUTE;
	begin(f);
	must(scheduler_next(f->scheduler, "portfolio", 20, slots, &count, &e), &e);
	open_again(f);
	must(scheduler_next(f->scheduler, "portfolio", 20, again, &count, &e), &e);
	bool differs = false;
	for (size_t i = 0; i < 20; i++) {
		int64_t jitter = slots[i].next_us - slots[i].planned_us;
		assert_in_range(jitter, 0, 10 * MINUTE);
		assert_int_equal(slots[i].next_us, again[i].next_us);
		differs = differs || jitter != slots[0].next_us - slots[0].planned_us;
	}
	assert_true(differs);
	comes(f, slots[0].next_us, "2026-07-06", 1);
}

static void a_schedule_that_was_away_begins_anew(void **state)
{
	struct fixture *f = *state;
	begin(f);
	report(f, comes(f, wall("2026-07-06", 19, 0), "2026-07-06", 1), SCHEDULE_DONE);
	f->schedules[0] = nightly("0 3 * * *");
	open_again(f);
	tick(f);
	f->clock.now = wall("2026-07-08", 20, 0);
	f->schedules[0] = portfolio();
	begin(f);
	report(f, comes(f, wall("2026-07-10", 19, 0), "2026-07-10", 1), SCHEDULE_DONE);
}

static void switched_off_and_on_it_owes_what_it_owed(void **state)
{
	struct fixture *f = *state;
	begin(f);
	int64_t due = wall("2026-07-06", 19, 0);
	report(f, comes(f, due, "2026-07-06", 1), SCHEDULE_NOT_PUBLISHED);
	f->schedules[0] = nightly("0 3 * * *");
	open_again(f);
	tick(f);
	assert_int_equal(state_of(f, "2026-07-06"), SLOT_WAITING);
	f->clock.now = due + 10 * MINUTE;
	f->schedules[0] = portfolio();
	begin(f);
	report(f, comes(f, due + 30 * MINUTE, "2026-07-06", 2), SCHEDULE_DONE);
}

static void two_schedules_do_not_wait_for_each_other(void **state)
{
	struct fixture *f = *state;
	f->schedules[1] = nightly("0 19 * * *");
	f->count = 2;
	begin(f);
	f->clock.now = wall("2026-07-06", 19, 0);
	assert_int_equal(tick(f).sent, 2);
	f->clock.now = wall("2026-07-07", 18, 0);
	f->queue.mood = FAILS_BEFORE;
	struct err e = ERR_INIT;
	struct schedule_tick t;
	/* The first one's error does not keep the second from going out. */
	f->clock.now = wall("2026-07-07", 21, 0);
	assert_int_equal(scheduler_tick(f->scheduler, &t, &e), ERR_IO);
	assert_int_equal(t.sent, 1);
	assert_int_equal(tick(f).sent, 1);
}

static void impossible_schedules_are_refused(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *word;
		struct schedule change; /* what differs from portfolio() */
	} wrong[] = {
		{"no name", {.name = "Portfolio"}}, {"no name", {.name = ""}},
		{"no task", {.task = ""}},          {"deadline", {.deadline_us = MINUTE}},
		{"366 days", {.jitter_us = -1}},    {"366 days", {.jitter_us = 400 * DAY}},
	};
	struct err e = ERR_INIT;
	struct scheduler *s;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		const struct schedule *c = &wrong[i].change;
		f->schedules[0] = portfolio();
		f->schedules[0].name = c->name ? c->name : f->schedules[0].name;
		f->schedules[0].task = c->task ? c->task : f->schedules[0].task;
		f->schedules[0].jitter_us = c->jitter_us;
		if (c->deadline_us)
			f->schedules[0].deadline_us = c->deadline_us;
		assert_int_equal(driver->open(f, &s, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, wrong[i].word));
	}
	f->schedules[0] = portfolio();
	f->schedules[0].cron = cron("0 9,19 * * *");
	assert_int_equal(driver->open(f, &s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "one time of the day"));
	f->schedules[0].cron = cron("0 19 * * 0,6");
	assert_int_equal(driver->open(f, &s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "never comes due"));
	f->schedules[0] = f->schedules[1] = portfolio();
	f->count = 2;
	assert_int_equal(driver->open(f, &s, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "two schedules"));
}

/* -- drivers ----------------------------------------------------------------------------------- */

static int open_sqlite(struct fixture *f, struct scheduler **ret, struct err *e)
{
	AUTO_FREE char *path = path_in(f->dir, "scheduler.sqlite");
	struct scheduler_sqlite_options o = {.path = path,
					     .schedules = f->schedules,
					     .count = f->count,
					     .is_session = is_session,
					     .seed = 7,
					     .clock = &f->clock.clock,
					     .queue = &f->queue.queue};
	return scheduler_sqlite_open(&o, ret, e);
}

static const struct driver_case drivers[] = {
	{"scheduler_sqlite", open_sqlite},
};

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(each_session_is_sent_once),
		CASE(the_message_has_the_events_form),
		CASE(not_published_comes_again_until_the_deadline),
		CASE(sessions_slept_through_are_caught_up_one_by_one),
		CASE(what_is_too_long_ago_is_kept_as_missed),
		CASE(a_changed_time_of_the_day_neither_doubles_nor_misses),
		CASE(one_claim_at_a_time),
		CASE(an_answer_that_does_not_come_is_a_failure),
		CASE(a_sending_cut_short_is_neither_lost_nor_doubled),
		CASE(killed_at_any_moment),
		CASE(minutes_slept_through_are_one),
		CASE(daylight_saving_of_the_past),
		CASE(put_back_it_does_not_double),
		CASE(put_forward_and_back_it_does_not_miss),
		CASE(by_hand),
		CASE(what_is_to_come),
		CASE(jitter_comes_from_the_seed),
		CASE(a_schedule_that_was_away_begins_anew),
		CASE(switched_off_and_on_it_owes_what_it_owed),
		CASE(two_schedules_do_not_wait_for_each_other),
		CASE(impossible_schedules_are_refused),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		failed += RUN_TESTS(driver->name);
	}
	return failed;
}
