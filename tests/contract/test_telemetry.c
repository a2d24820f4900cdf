/* The contract of the telemetry port: every driver in the table at the end runs the same cases.
 * What only the SQLite file promises is in unit/test_telemetry_sqlite.c. */
#include "../unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock_fake.h"
#include "telemetry.h"
#include "telemetry_sqlite.h"

#define SECOND 1000000LL
#define NOON   1732381200000000LL

struct driver_case {
	const char *name;
	/* Opens the telemetry that lives at dir; twice with the same dir gives the same records. */
	struct telemetry *(*open)(const char *dir, const char *role, struct clock *);
};
static const struct driver_case *driver;

struct fixture {
	char *dir;
	struct clock_fake clock;
	struct telemetry *t;
	struct arena *arena;
};

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = temporary_folder();
	clock_fake_init(&f->clock, NOON);
	f->t = driver->open(f->dir, "cli", &f->clock.clock);
	f->arena = arena_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	telemetry_free(f->t);
	arena_free(f->arena);
	remove_folder(&f->dir);
	free(f);
	return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* -- helpers ----------------------------------------------------------------------------------- */

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

static size_t logs(struct fixture *f, const char *run, enum log_level least, size_t max,
		   struct log_event **ret)
{
	struct err e = ERR_INIT;
	struct log_query q = {.run = run, .least = least, .max = max};
	size_t count = 0;
	must(telemetry_logs(f->t, &q, f->arena, ret, &count, &e), &e);
	return count;
}

static struct run_record a_run(const char *id, const char *name, int64_t started_us)
{
	struct run_record r = {
		.kind = "pass", .name = name, .state = RUN_RUNNING, .started_us = started_us};
	snprintf(r.id, sizeof(r.id), "%s", id);
	return r;
}

static int64_t value_of(struct fixture *f, const char *name, const char *labels)
{
	struct err e = ERR_INIT;
	struct metric *m;
	size_t count;
	must(telemetry_metrics(f->t, f->arena, &m, &count, &e), &e);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(m[i].name, name) == 0 && strcmp(m[i].labels, labels) == 0)
			return m[i].value;
	}
	return INT64_MIN;
}

/* -- events ------------------------------------------------------------------------------------ */

static void events_come_back_oldest_first_with_their_fields(void **state)
{
	struct fixture *f = *state;
	struct log_event *v;
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 10, &v), 0);
	telemetry_log(f->t, LOG_LEVEL_INFO, "run-1", "fetched", "45 KiB from B3",
		      (struct field[]){FIELD_TEXT("index", "IBOV"), FIELD_INT("bytes", -45)}, 2);
	f->clock.now += SECOND;
	telemetry_log(f->t, LOG_LEVEL_DEBUG, NULL, "idle", NULL, NULL, 0);
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 10, &v), 2);
	assert_int_equal(v[0].at_us, NOON);
	assert_int_equal(v[0].level, LOG_LEVEL_INFO);
	assert_string_equal(v[0].run, "run-1");
	assert_string_equal(v[0].role, "cli");
	assert_string_equal(v[0].event, "fetched");
	assert_string_equal(v[0].text, "45 KiB from B3");
	assert_string_equal(v[0].fields, "{\"index\":\"IBOV\",\"bytes\":-45}");
	assert_int_equal(v[1].at_us, NOON + SECOND);
	assert_null(v[1].run);
	assert_null(v[1].text);
	assert_null(v[1].fields);
}

static void events_are_chosen_by_run_level_and_number(void **state)
{
	struct fixture *f = *state;
	struct log_event *v;
	for (int i = 0; i < 200; i++) {
		char event[16];
		snprintf(event, sizeof(event), "e%d", i);
		telemetry_log(f->t, (enum log_level)(i % 4), i % 2 ? "odd" : "even", event, "x",
			      NULL, 0);
	}
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 1000, &v), 200);
	assert_int_equal(logs(f, "odd", LOG_LEVEL_DEBUG, 1000, &v), 100);
	assert_string_equal(v[0].event, "e1");
	assert_int_equal(logs(f, "odd", LOG_LEVEL_WARNING, 1000, &v), 50);
	assert_int_equal(logs(f, "even", LOG_LEVEL_ERROR, 1000, &v), 0);
	assert_int_equal(logs(f, "nobody", LOG_LEVEL_DEBUG, 1000, &v), 0);
	/* The newest are kept, and given oldest first. */
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 3, &v), 3);
	assert_string_equal(v[0].event, "e197");
	assert_string_equal(v[2].event, "e199");
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 0, &v), 0);
}

static void events_can_be_searched(void **state)
{
	struct fixture *f = *state;
	struct log_event *v;
	struct err e = ERR_INIT;
	size_t n;
	telemetry_log(f->t, LOG_LEVEL_INFO, "r", "fetched", "45 KiB", NULL, 0);
	f->clock.now += 60 * SECOND;
	telemetry_log(f->t, LOG_LEVEL_ERROR, "r", "failed", "100%_Timeout",
		      (struct field[]){FIELD_TEXT("object", "raw/x.parquet")}, 1);
	static const struct {
		struct log_query q;
		size_t found;
	} cases[] = {
		{{.max = 9, .text = "timeout"}, 1},
		{{.max = 9, .text = "X.PARQUET"}, 1},
		{{.max = 9, .text = "fetch"}, 1},
		{{.max = 9, .text = "%"}, 1}, /* a sign like any other */
		{{.max = 9, .text = "absent"}, 0},
		{{.max = 9, .role = "cli"}, 2},
		{{.max = 9, .role = "collector"}, 0},
		{{.max = 9, .since_us = NOON + 1}, 1},
		{{.max = 9, .since_us = NOON}, 2},
		{{.max = 9, .text = "timeout", .run = "r", .least = LOG_LEVEL_ERROR}, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		must(telemetry_logs(f->t, &cases[i].q, f->arena, &v, &n, &e), &e);
		assert_int_equal(n, cases[i].found);
	}
}

static void failures_name_the_object_and_the_code(void **state)
{
	struct fixture *f = *state;
	struct log_event *v;
	struct err why = ERR_INIT;
	int rc = err_set(&why, ERR_LIMIT, "the disk is full");
	assert_int_equal(rc, ERR_LIMIT);
	telemetry_failure(f->t, LOG_LEVEL_ERROR, "r", "put_failed", "raw/a", &why);
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 9, &v), 1);
	assert_string_equal(v[0].text, "the disk is full");
	assert_string_equal(v[0].fields, "{\"object\":\"raw/a\",\"error_code\":\"LIMIT\"}");
}

static void histograms_add_up(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct histogram_counts *h;
	size_t n;
	const struct histogram *d = histogram_find("pregao_delivery_seconds");
	for (int i = 0; i < 3; i++) {
		telemetry_observe(f->t, d->name, NULL, d->bounds[0]); /* inclusive */
		telemetry_observe(f->t, d->name, NULL, d->bounds[0] + 1);
		telemetry_observe(f->t, d->name, NULL, INT32_MAX * 1000LL * 1000);
	}
	telemetry_step(f->t, "r", &(struct run_step){.name = "raw", .took_us = 7});
	must(telemetry_histograms(f->t, f->arena, &h, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_ptr_equal(h[0].histogram, d);
	assert_int_equal(h[0].count, 9);
	assert_int_equal(h[0].buckets[0], 3);
	assert_int_equal(h[0].buckets[1], 3);
	assert_int_equal(h[0].buckets[d->bound_count], 3);
	assert_int_equal(h[0].sum, 3 * (2 * d->bounds[0] + 1 + INT32_MAX * 1000LL * 1000));
	assert_string_equal(h[1].labels, "step=\"raw\"");
	assert_int_equal(h[1].sum, 7);
	for (size_t i = 0; i < histograms_count; i++)
		for (size_t k = 1; k < histograms[i].bound_count; k++)
			assert_true(histograms[i].bounds[k] > histograms[i].bounds[k - 1]);
}

static void set_alarm(struct fixture *f, enum alarm_state state, bool expected)
{
	struct err e = ERR_INIT;
	bool changed;
	must(telemetry_alarm_set(f->t, "lag", state, "a text", true, &changed, &e), &e);
	assert_int_equal(changed, expected);
}

static bool claim(struct fixture *f, struct alarm_change *ret)
{
	struct err e = ERR_INIT;
	int rc = telemetry_alarm_claim(f->t, f->arena, ret, &e);
	if (rc != ERR_NOT_FOUND)
		must(rc, &e);
	return rc == OK;
}

static void alarms_change_once_and_are_told_until_somebody_heard(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct alarm_change c, *history;
	struct alarm_record *now;
	size_t n;
	set_alarm(f, ALARM_OK, false); /* what was never seen is well */
	assert_false(claim(f, &c));
	f->clock.now += SECOND;
	set_alarm(f, ALARM_ON, true);
	f->clock.now += SECOND;
	set_alarm(f, ALARM_ON, false);
	must(telemetry_alarms(f->t, f->arena, &now, &n, &e), &e);
	assert_int_equal(n, 1);
	assert_int_equal(now[0].state, ALARM_ON);
	assert_int_equal(now[0].since_us, NOON + SECOND);
	assert_int_equal(now[0].checked_us, NOON + 2 * SECOND);
	/* Claimed and not told: again after one, two, four minutes. */
	for (int minutes = 1; minutes <= 4; minutes *= 2) {
		assert_true(claim(f, &c));
		assert_int_equal(c.was, ALARM_OK);
		assert_int_equal(c.state, ALARM_ON);
		f->clock.now += minutes * 60 * SECOND - 1;
		assert_false(claim(f, &c));
		f->clock.now++;
	}
	assert_true(claim(f, &c));
	assert_int_equal(c.attempts, 4);
	must(telemetry_alarm_told(f->t, c.id, 2, false, &e), &e);
	must(telemetry_alarm_again(f->t, &e), &e);
	assert_true(claim(f, &c));
	assert_int_equal(c.reached, 2);
	assert_int_equal(c.attempts, 5);
	/* A clock that was years ahead must not have made it wait. */
	f->clock.now += (int64_t)3600 * SECOND;
	must(telemetry_alarm_told(f->t, c.id, 1, true, &e), &e);
	must(telemetry_alarm_again(f->t, &e), &e);
	f->clock.now += 7200 * SECOND;
	assert_false(claim(f, &c));
	set_alarm(f, ALARM_UNKNOWN, true);
	f->clock.now += 3 * 86400 * SECOND; /* old news */
	assert_false(claim(f, &c));
	for (int i = 0; i < 600; i++) {
		set_alarm(f, ALARM_OK, true);
		set_alarm(f, ALARM_ON, true);
	}
	must(telemetry_alarm_history(f->t, 5000, f->arena, &history, &n, &e), &e);
	assert_int_equal(n, 1000);
	assert_int_equal(history[0].state, ALARM_ON);
	assert_int_equal(history[1].state, ALARM_OK);
}

static void hostile_texts_stay_sound(void **state)
{
	struct fixture *f = *state;
	struct log_event *v;
	AUTO_BUF struct buf big = {0};
	for (int i = 0; i < 20000; i++)
		buf_str(&big, "\xc3\xa9");
	telemetry_log(f->t, LOG_LEVEL_ERROR, "r", "it's \"quoted\"", "a\xe7\xe3o in Latin-1",
		      (struct field[]){FIELD_TEXT("quote\"\n", "back\\slash\x01"),
				       FIELD_TEXT("latin", "\xff"), FIELD_TEXT("big", big.data)},
		      3);
	telemetry_log(f->t, LOG_LEVEL_ERROR, "r", "big", big.data, NULL, 0);
	assert_int_equal(logs(f, "r", LOG_LEVEL_DEBUG, 10, &v), 2);
	assert_string_equal(v[0].event, "it's \"quoted\"");
	assert_string_equal(v[0].text, "a\xc3\xa7\xc3\xa3o in Latin-1");
	static const char begin[] =
		"{\"quote\\\"\\n\":\"back\\\\slash\\u0001\",\"latin\":\"\xc3\xbf\",\"big\":\"";
	assert_memory_equal(v[0].fields, begin, sizeof(begin) - 1);
	assert_true(str_is_utf8(v[0].fields, strlen(v[0].fields)));
	/* Clipped, between characters. */
	assert_in_range(strlen(v[1].text), 1000, 20000);
	assert_true(str_is_utf8(v[1].text, strlen(v[1].text)));
}

/* -- runs -------------------------------------------------------------------------------------- */

static void a_run_is_recorded_updated_and_found_by_its_ends(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct run_record r = a_run("20241123T120000-aaaa1111", "import portfolio", NOON);
	r.detail = "{\"index\":\"IBOV\"}";
	telemetry_run(f->t, &r);
	struct run_record child = a_run("20241123T120001-bbbb2222", "portfolio", NOON + SECOND);
	child.kind = "job";
	child.parent = r.id;
	telemetry_run(f->t, &child);
	telemetry_step(f->t, r.id, &(struct run_step){"fetch", NOON, 1200, -1, 45000, 1});
	telemetry_step(f->t, r.id, &(struct run_step){"raw", NOON + 1200, 800, 82, 9000, 1});
	telemetry_step(f->t, child.id, &(struct run_step){"job", NOON + SECOND, 5, 0, 0, 0});
	/* An update may leave out what has not changed. */
	struct run_record end = {.state = RUN_FAILED,
				 .ended_us = NOON + 3 * SECOND,
				 .error_code = ERR_LIMIT,
				 .error = "disk full"};
	snprintf(end.id, sizeof(end.id), "%s", r.id);
	telemetry_run(f->t, &end);

	static const char *const names[] = {"20241123T120000-aaaa1111", "20241123T120000",
					    "aaaa1111", "1111"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct run_record got;
		struct run_step *steps;
		size_t count;
		must(telemetry_run_get(f->t, names[i], f->arena, &got, &steps, &count, &e), &e);
		assert_string_equal(got.id, r.id);
		assert_string_equal(got.kind, "pass");
		assert_string_equal(got.name, "import portfolio");
		assert_null(got.parent);
		assert_int_equal(got.state, RUN_FAILED);
		assert_int_equal(got.started_us, NOON);
		assert_int_equal(got.ended_us, NOON + 3 * SECOND);
		assert_int_equal(got.error_code, ERR_LIMIT);
		assert_string_equal(got.error, "disk full");
		assert_string_equal(got.detail, "{\"index\":\"IBOV\"}");
		assert_int_equal(count, 2);
		assert_string_equal(steps[0].name, "fetch");
		assert_int_equal(steps[0].rows, -1);
		assert_int_equal(steps[0].took_us, 1200);
		assert_string_equal(steps[1].name, "raw");
		assert_int_equal(steps[1].started_us, NOON + 1200);
		assert_int_equal(steps[1].rows, 82);
		assert_int_equal(steps[1].bytes, 9000);
		assert_int_equal(steps[1].files, 1);
	}
	struct run_record got;
	struct run_step *steps;
	size_t count;
	assert_int_equal(telemetry_run_get(f->t, "2024", f->arena, &got, &steps, &count, &e),
			 ERR_CONFLICT);
	static const char *const missing[] = {"",  "x", "T120000",
					      "%", "_", "20241123T120000-aaaa11112"};
	for (size_t i = 0; i < ARRAY_LEN(missing); i++)
		assert_int_equal(
			telemetry_run_get(f->t, missing[i], f->arena, &got, &steps, &count, &e),
			ERR_NOT_FOUND);
	must(telemetry_run_get(f->t, "bbbb2222", f->arena, &got, &steps, &count, &e), &e);
	assert_string_equal(got.parent, r.id);
}

static void a_whole_id_that_begins_another_one_is_no_conflict(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct run_record shorter = a_run("run-1", "short", NOON),
			  longer = a_run("run-10", "long", NOON);
	telemetry_run(f->t, &longer);
	telemetry_run(f->t, &shorter);
	struct run_record got;
	struct run_step *steps;
	size_t count;
	must(telemetry_run_get(f->t, "run-1", f->arena, &got, &steps, &count, &e), &e);
	assert_string_equal(got.name, "short");
	assert_int_equal(count, 0);
	assert_int_equal(telemetry_run_get(f->t, "run-", f->arena, &got, &steps, &count, &e),
			 ERR_CONFLICT);
}

static void runs_are_listed_newest_first(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct run_record *runs;
	size_t count;
	must(telemetry_runs(f->t, 10, f->arena, &runs, &count, &e), &e);
	assert_int_equal(count, 0);
	for (int i = 0; i < 30; i++) {
		char id[RUN_ID_SIZE];
		snprintf(id, sizeof(id), "run-%02d", i);
		struct run_record r = a_run(id, "x", NOON + i * SECOND);
		telemetry_run(f->t, &r);
	}
	must(telemetry_runs(f->t, 5, f->arena, &runs, &count, &e), &e);
	assert_int_equal(count, 5);
	assert_string_equal(runs[0].id, "run-29");
	assert_string_equal(runs[4].id, "run-25");
	must(telemetry_runs(f->t, 1000, f->arena, &runs, &count, &e), &e);
	assert_int_equal(count, 30);
}

static void run_ids_sort_by_time_and_differ(void **state)
{
	char first[RUN_ID_SIZE], second[RUN_ID_SIZE], later[RUN_ID_SIZE];
	run_id_make(NOON, first);
	run_id_make(NOON, second);
	run_id_make(NOON + SECOND, later);
	assert_memory_equal(first, "20241123T170000-", 16);
	assert_int_equal(strlen(first), 24);
	assert_string_not_equal(first, second);
	assert_true(strcmp(first, later) < 0 && strcmp(second, later) < 0);
	run_id_make(-1, first);
	assert_memory_equal(first, "19700101T000000-", 16);
	run_id_make(INT64_MAX, first); /* whatever the clock says */
	assert_true(strlen(first) < RUN_ID_SIZE);
}

/* -- metrics ----------------------------------------------------------------------------------- */

static void counters_add_up_and_gauges_replace(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	for (int i = 0; i < 100; i++)
		telemetry_count(f->t, "pregao_imports_total",
				i % 4 ? "outcome=\"accepted\"" : "outcome=\"rejected\"", 2);
	telemetry_gauge(f->t, "pregao_queue_dead", NULL, 7);
	telemetry_gauge(f->t, "pregao_queue_dead", NULL, -3);
	struct metric *m;
	size_t count;
	must(telemetry_metrics(f->t, f->arena, &m, &count, &e), &e);
	assert_int_equal(count, 3);
	assert_string_equal(m[0].name, "pregao_imports_total"); /* by name and labels */
	assert_string_equal(m[0].labels, "outcome=\"accepted\"");
	assert_true(m[0].counter);
	assert_int_equal(m[0].value, 150);
	assert_int_equal(m[1].value, 50);
	assert_string_equal(m[2].labels, "");
	assert_false(m[2].counter);
	assert_int_equal(m[2].value, -3);
}

/* -- several at once, deaths, nobody ----------------------------------------------------------- */

enum { THREADS = 8, EACH = 100 };

/* Half share a handle, half have their own, as processes would. */
static void *record_much(void *arg)
{
	struct fixture *f = arg;
	static int number;
	bool own = __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED) % 2 == 0;
	struct telemetry *t = own ? driver->open(f->dir, "worker", &f->clock.clock) : f->t;
	for (int i = 0; i < EACH; i++) {
		telemetry_log(t, LOG_LEVEL_INFO, "r", "tick", "x", NULL, 0);
		telemetry_count(t, "ticks", NULL, 1);
	}
	if (own)
		telemetry_free(t);
	return NULL;
}

static void recording_from_many_sides_loses_nothing(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, record_much, f), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	struct log_event *v;
	assert_int_equal(logs(f, "r", LOG_LEVEL_DEBUG, 100000, &v), THREADS * EACH);
	assert_int_equal(value_of(f, "ticks", ""), THREADS * EACH);
}

static void records_outlive_the_handle_and_the_process(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	telemetry_free(f->t);
	f->t = NULL;
	pid_t pid = fork();
	if (pid == 0) {
		struct telemetry *t = driver->open(f->dir, "child", &f->clock.clock);
		struct run_record r = a_run("run-of-child", "x", NOON);
		telemetry_run(t, &r);
		telemetry_log(t, LOG_LEVEL_INFO, r.id, "before the step", NULL, NULL, 0);
		telemetry_step(t, r.id, &(struct run_step){"fetch", NOON, 1, 1, 1, 1});
		telemetry_log(t, LOG_LEVEL_ERROR, r.id, "the last word", NULL, NULL, 0);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	f->t = driver->open(f->dir, "cli", &f->clock.clock);
	struct run_record got;
	struct run_step *steps;
	size_t count;
	must(telemetry_run_get(f->t, "run-of-child", f->arena, &got, &steps, &count, &e), &e);
	/* Nobody will ever end it. */
	assert_int_equal(got.state, RUN_DIED);
	assert_int_equal(count, 1);
	struct run_record *runs, mine = a_run("run-of-mine", "y", NOON + SECOND);
	telemetry_run(f->t, &mine);
	struct telemetry *other = driver->open(f->dir, "cli", &f->clock.clock);
	must(telemetry_runs(other, 10, f->arena, &runs, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_int_equal(runs[0].state, RUN_RUNNING);
	assert_int_equal(runs[1].state, RUN_DIED);
	mine.state = RUN_SUCCEEDED;
	mine.ended_us = NOON + 2 * SECOND;
	telemetry_run(f->t, &mine);
	must(telemetry_runs(other, 10, f->arena, &runs, &count, &e), &e);
	assert_int_equal(runs[0].state, RUN_SUCCEEDED);
	telemetry_free(other);
	struct log_event *v;
	assert_int_equal(logs(f, NULL, LOG_LEVEL_DEBUG, 10, &v), 2);
	assert_string_equal(v[1].event, "the last word");
	assert_string_equal(v[1].role, "child");
}

static void no_telemetry_is_fine(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct run_record r = a_run("x", "x", NOON), *runs;
	telemetry_log(NULL, LOG_LEVEL_ERROR, "r", "e", "t", NULL, 0);
	telemetry_run(NULL, &r);
	telemetry_step(NULL, "x", &(struct run_step){.name = "x"});
	telemetry_count(NULL, "c", NULL, 1);
	telemetry_gauge(NULL, "g", NULL, 1);
	size_t count = 5;
	must(telemetry_runs(NULL, 10, f->arena, &runs, &count, &e), &e);
	assert_int_equal(count, 0);
	struct metric *m;
	must(telemetry_metrics(NULL, f->arena, &m, &count, &e), &e);
	struct log_event *v;
	must(telemetry_logs(NULL, &(struct log_query){.max = 1}, f->arena, &v, &count, &e), &e);
	struct run_step *steps;
	assert_int_equal(telemetry_run_get(NULL, "x", f->arena, &r, &steps, &count, &e),
			 ERR_NOT_FOUND);
	telemetry_free(NULL);
}

/* -- drivers ----------------------------------------------------------------------------------- */

static struct telemetry *open_sqlite(const char *dir, const char *role, struct clock *clock)
{
	struct err e = ERR_INIT;
	struct telemetry *t = NULL;
	AUTO_FREE char *path = path_in(dir, "telemetry.db");
	must(telemetry_sqlite_open(path, role, 16 << 20, clock, &t, &e), &e);
	return t;
}

static const struct driver_case drivers[] = {
	{"telemetry_sqlite", open_sqlite},
};

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(events_come_back_oldest_first_with_their_fields),
		CASE(events_are_chosen_by_run_level_and_number),
		CASE(events_can_be_searched),
		CASE(failures_name_the_object_and_the_code),
		CASE(histograms_add_up),
		CASE(alarms_change_once_and_are_told_until_somebody_heard),
		CASE(hostile_texts_stay_sound),
		CASE(a_run_is_recorded_updated_and_found_by_its_ends),
		CASE(a_whole_id_that_begins_another_one_is_no_conflict),
		CASE(runs_are_listed_newest_first),
		CASE(run_ids_sort_by_time_and_differ),
		CASE(counters_add_up_and_gauges_replace),
		CASE(recording_from_many_sides_loses_nothing),
		CASE(records_outlive_the_handle_and_the_process),
		CASE(no_telemetry_is_fine),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		failed += RUN_TESTS(driver->name);
	}
	return failed;
}
