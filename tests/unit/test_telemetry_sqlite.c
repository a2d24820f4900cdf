/* What the SQLite telemetry promises beyond the port: a bounded file, dropping and counting, when
 * things are written, the mirror. What every telemetry promises is in contract/test_telemetry.c. */
#include "unit.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock_fake.h"
#include "telemetry_sqlite.h"
#include "telemetry_sqlite_private.h"

#define SECOND 1000000LL
#define NOON   1732381200000000LL

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

/* What could not be written so far, before the counter pregao_telemetry_dropped_total can tell. */
static int64_t dropped(struct telemetry *t)
{
	return ((struct telemetry_sqlite *)t)->dropped;
}

static struct telemetry *open_at(const char *path, int64_t max_bytes, struct clock_fake *clock)
{
	struct err e = ERR_INIT;
	struct telemetry *t;
	must(telemetry_sqlite_open(path, "test", max_bytes, &clock->clock, &t, &e), &e);
	return t;
}

static void info(struct telemetry *t, const char *event)
{
	telemetry_log(t, LOG_LEVEL_INFO, "run-1", event, NULL, NULL, 0);
}

static int try_count(struct telemetry *t, size_t *ret)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct log_event *v;
	struct err e = ERR_INIT;
	return telemetry_logs(t, &(struct log_query){.max = 1 << 30}, arena, &v, ret, &e);
}

static size_t count_events(struct telemetry *t)
{
	size_t count = 0;
	assert_int_equal(try_count(t, &count), OK);
	return count;
}

static int64_t file_bytes(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* -- the ring ---------------------------------------------------------------------------------- */

static void the_file_stays_near_its_limit_and_the_newest_stay(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	AUTO_ARENA struct arena *arena = arena_new();
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	enum { LIMIT = 1 << 20 };
	struct telemetry *t = open_at(path, LIMIT, &clock);
	char text[400];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 20000; i++) { /* 8 MiB and more */
		char event[16];
		snprintf(event, sizeof(event), "e%d", i);
		telemetry_log(t, LOG_LEVEL_INFO, "run-1", event, text, NULL, 0);
		if (i % 100 == 0) {
			struct run_record r = {.kind = "job",
					       .name = "portfolio",
					       .state = RUN_SUCCEEDED,
					       .started_us = NOON + i};
			snprintf(r.id, sizeof(r.id), "run-%05d", i);
			telemetry_run(t, &r);
			telemetry_step(t, r.id, &(struct run_step){.name = "job"});
		}
	}
	struct log_event *v;
	size_t count;
	struct err e = ERR_INIT;
	must(telemetry_logs(t, &(struct log_query){.max = 1 << 30}, arena, &v, &count, &e), &e);
	assert_in_range(count, 500, 3000);
	assert_string_equal(v[count - 1].event, "e19999");
	for (size_t i = 1; i < count; i++) /* nothing missing in between */
		assert_int_equal(strtol(v[i].event + 1, NULL, 10),
				 strtol(v[i - 1].event + 1, NULL, 10) + 1);
	struct run_record *runs;
	must(telemetry_runs(t, 1000, arena, &runs, &count, &e), &e);
	assert_in_range(count, 10, 200);
	assert_string_equal(runs[0].id, "run-19900");
	telemetry_free(t);
	assert_in_range(file_bytes(path), LIMIT / 2, LIMIT + LIMIT / 4);
}

static void runs_alone_are_kept_within_the_limit_too(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 0, &clock); /* the least there is: 256 KiB */
	char detail[2000];
	memset(detail, ' ', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		struct run_record r = {.kind = "job",
				       .state = RUN_SUCCEEDED,
				       .started_us = NOON + i,
				       .detail = detail};
		snprintf(r.id, sizeof(r.id), "run-%05d", i);
		telemetry_run(t, &r);
	}
	AUTO_ARENA struct arena *arena = arena_new();
	struct run_record *runs;
	size_t count;
	struct err e = ERR_INIT;
	must(telemetry_runs(t, 10000, arena, &runs, &count, &e), &e);
	assert_in_range(count, 50, 300);
	assert_string_equal(runs[0].id, "run-00999");
	telemetry_free(t);
}

static void series_are_kept_within_the_limit_and_take_no_events_with_them(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 0, &clock); /* 256 KiB */
	for (int i = 0; i < 30; i++)
		info(t, "kept");
	for (int i = 0; i < 20000; i++) {
		char labels[64];
		snprintf(labels, sizeof(labels), "pair=\"a rather long name of a pair %06d\"", i);
		clock.now += 1000;
		telemetry_gauge(t, "pregao_test", labels, i);
		telemetry_observe(t, "pregao_step_seconds", labels, i);
	}
	AUTO_ARENA struct arena *arena = arena_new();
	struct err e = ERR_INIT;
	struct metric *m;
	struct histogram_counts *h;
	size_t metrics, series;
	must(telemetry_metrics(t, arena, &m, &metrics, &e), &e);
	must(telemetry_histograms(t, arena, &h, &series, &e), &e);
	assert_in_range(metrics, 20, 3000);
	assert_in_range(series, 20, 3000);
	assert_string_equal(m[metrics - 1].labels, "pair=\"a rather long name of a pair 019999\"");
	assert_int_equal(count_events(t), 30);
	telemetry_free(t);
	assert_in_range(file_bytes(path), 1, 512 * 1024);
}

/* -- when things are written ------------------------------------------------------------------- */

/* What another process would see now. */
static int seen_by_others(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM event", -1, &s, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int count = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return count;
}

static void bursts_are_gathered_and_the_rest_is_written_at_once(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 1 << 20, &clock);
	clock.now += SECOND;
	info(t, "after a quiet time");
	assert_int_equal(seen_by_others(path), 1);
	info(t, "in a burst");
	info(t, "in a burst");
	assert_int_equal(seen_by_others(path), 1);
	telemetry_step(t, "run-1", &(struct run_step){.name = "fetch"});
	assert_int_equal(seen_by_others(path), 3);
	info(t, "again");
	telemetry_log(t, LOG_LEVEL_WARNING, NULL, "hot", NULL, NULL, 0);
	assert_int_equal(seen_by_others(path), 5);
	for (int i = 0; i < 63; i++)
		info(t, "many");
	assert_int_equal(seen_by_others(path), 5);
	info(t, "the 64th");
	assert_int_equal(seen_by_others(path), 69);
	info(t, "before reading");
	assert_int_equal(count_events(t), 70);
	info(t, "before the end");
	telemetry_free(t);
	assert_int_equal(seen_by_others(path), 71);
}

/* -- dropping ---------------------------------------------------------------------------------- */

static void while_the_file_is_held_records_wait_then_drop_and_are_counted(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 1 << 20, &clock);
	sqlite3 *holder;
	assert_int_equal(sqlite3_open(path, &holder), SQLITE_OK);
	assert_int_equal(sqlite3_exec(holder, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	info(t, "waits");
	telemetry_step(t, "run-1", &(struct run_step){.name = "x"});
	assert_int_equal(dropped(t), 0);
	assert_int_equal(sqlite3_exec(holder, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(count_events(t), 1);
	assert_int_equal(dropped(t), 0);
	/* A file that stays out of reach: 1024 are kept, no more. */
	assert_int_equal(sqlite3_exec(holder, "DROP TABLE metric; CREATE TABLE metric (x)", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	telemetry_count(t, "c", NULL, 1);
	info(t, "goes with it");
	telemetry_log(t, LOG_LEVEL_ERROR, NULL, "and it", NULL, NULL, 0);
	assert_int_equal(dropped(t), 1); /* the count; events wait */
	assert_int_equal(
		sqlite3_exec(
			holder,
			"DROP TABLE metric; CREATE TABLE metric (name TEXT, labels TEXT, counter, value, at_us, "
			"PRIMARY KEY (name, labels)) WITHOUT ROWID",
			NULL, NULL, NULL),
		SQLITE_OK);
	info(t, "works again");
	assert_int_equal(count_events(t), 4);
	AUTO_ARENA struct arena *arena = arena_new();
	struct metric *m;
	size_t count;
	struct err e = ERR_INIT;
	must(telemetry_metrics(t, arena, &m, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_string_equal(m[0].name, "pregao_telemetry_dropped_total");
	assert_int_equal(m[0].value, 1);
	sqlite3_close(holder);
	telemetry_free(t);
}

/* SQLite says SQLITE_FULL when a file may have no more pages, as it does when the disk has none. */
static void fill_up(struct telemetry *t, bool full)
{
	struct telemetry_sqlite *own = (struct telemetry_sqlite *)t;
	assert_int_equal(
		sqlite3_exec(own->db->db,
			     full ? "PRAGMA max_page_count = 1" : "PRAGMA max_page_count = 1000000",
			     NULL, NULL, NULL),
		SQLITE_OK);
}

static void on_a_full_disk_the_alarm_waits_and_keeps_its_time(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	AUTO_ARENA struct arena *arena = arena_new();
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 1 << 20, &clock);
	char text[8000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fill_up(t, true);
	telemetry_log(t, LOG_LEVEL_ERROR, "run-1", "append_failed", text,
		      (struct field[]){FIELD_TEXT("reason", "limit")}, 1);
	assert_int_equal(seen_by_others(path), 0);
	int64_t before = dropped(t);
	for (int i = 0; i < 5000; i++) {
		clock.now += 10000;
		telemetry_log(t, LOG_LEVEL_INFO, "run-1", "noise", i % 100 ? "n" : text, NULL, 0);
		telemetry_count(t, "c", NULL, 1);
	}
	assert_in_range(((struct telemetry_sqlite *)t)->count, 1000, 2048);
	assert_true(dropped(t) > before);
	fill_up(t, false);
	clock.now += 2 * SECOND;
	info(t, "append_recovered");
	struct log_event *v;
	size_t count;
	struct err e = ERR_INIT;
	must(telemetry_logs(t, &(struct log_query){.max = 1 << 30}, arena, &v, &count, &e), &e);
	assert_in_range(count, 1000, 2048);
	size_t first = strcmp(v[0].event, "append_failed") == 0 ? 0 : count - 1;
	assert_string_equal(v[first].event, "append_failed");
	assert_int_equal(v[first].at_us, NOON);
	assert_string_equal(v[first].text, text);
	assert_string_equal(v[first].fields, "{\"reason\":\"limit\"}");
	/* What waits is also written at the end. */
	fill_up(t, true);
	telemetry_log(t, LOG_LEVEL_ERROR, NULL, "spool_full", text, NULL, 0);
	int seen = seen_by_others(path);
	fill_up(t, false);
	telemetry_free(t);
	assert_int_equal(seen_by_others(path), seen + 1);
}

static void a_damaged_file_stops_nothing_and_says_so_when_read(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	struct err e = ERR_INIT;
	char noise[8192];
	memset(noise, 'n', sizeof(noise));
	must(file_create(path, noise, sizeof(noise), false, &e), &e);
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 1 << 20, &clock);
	info(t, "x");
	telemetry_step(t, "run-1", &(struct run_step){.name = "x"});
	assert_int_equal(dropped(t), 2);
	size_t count;
	assert_int_equal(try_count(t, &count), ERR_IO);
	telemetry_free(t);
	AUTO_FREE char *nowhere = path_in(dir, "no/folder/t.db");
	t = open_at(nowhere, 1 << 20, &clock);
	telemetry_log(t, LOG_LEVEL_ERROR, NULL, "x", NULL, NULL, 0);
	assert_int_equal(dropped(t), 1);
	telemetry_free(t);
}

static void read_only_it_can_be_read_and_drops(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 1 << 20, &clock);
	info(t, "kept");
	telemetry_free(t);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(dir, 0555), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(90);
		size_t count = 0;
		t = open_at(path, 1 << 20, &clock);
		telemetry_log(t, LOG_LEVEL_ERROR, NULL, "dropped", NULL, NULL, 0);
		int rc = try_count(t, &count);
		_exit(rc == OK && count == 1 && dropped(t) == 1 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* -- the mirror -------------------------------------------------------------------------------- */

static void the_mirror_writes_lines_of_json_at_once(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "t.db");
	AUTO_FREE char *seen = path_in(dir, "mirror");
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct telemetry *t = open_at(path, 1 << 20, &clock);
	int fd = open(seen, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	telemetry_sqlite_mirror(t, fd, LOG_LEVEL_INFO);
	telemetry_log(t, LOG_LEVEL_DEBUG, NULL, "too little", NULL, NULL, 0);
	telemetry_log(t, LOG_LEVEL_INFO, "r-1", "fetched", "say \"hi\"\n",
		      (struct field[]){FIELD_INT("n", 1)}, 1);
	telemetry_log(t, LOG_LEVEL_ERROR, NULL, "plain", NULL, NULL, 0);
	telemetry_sqlite_mirror(t, -1, LOG_LEVEL_INFO);
	telemetry_log(t, LOG_LEVEL_ERROR, NULL, "after", NULL, NULL, 0);
	AUTO_BUF struct buf out = {0};
	struct err e = ERR_INIT;
	must(file_read(seen, 10000, &out, &e), &e);
	assert_string_equal(
		out.data,
		"{\"at\":\"2024-11-23T17:00:00.000000Z\",\"level\":\"info\",\"role\":\"test\",\"run\":\"r-1\","
		"\"event\":\"fetched\",\"text\":\"say \\\"hi\\\"\\n\",\"fields\":{\"n\":1}}\n"
		"{\"at\":\"2024-11-23T17:00:00.000000Z\",\"level\":\"error\",\"role\":\"test\",\"event\":\"plain\"}\n");
	assert_int_equal(count_events(t), 4);
	telemetry_free(t);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_stays_near_its_limit_and_the_newest_stay),
		cmocka_unit_test(runs_alone_are_kept_within_the_limit_too),
		cmocka_unit_test(series_are_kept_within_the_limit_and_take_no_events_with_them),
		cmocka_unit_test(bursts_are_gathered_and_the_rest_is_written_at_once),
		cmocka_unit_test(while_the_file_is_held_records_wait_then_drop_and_are_counted),
		cmocka_unit_test(on_a_full_disk_the_alarm_waits_and_keeps_its_time),
		cmocka_unit_test(a_damaged_file_stops_nothing_and_says_so_when_read),
		cmocka_unit_test(read_only_it_can_be_read_and_drops),
		cmocka_unit_test(the_mirror_writes_lines_of_json_at_once),
	};
	return RUN_TESTS("telemetry_sqlite");
}
