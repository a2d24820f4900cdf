/* The spool and processes: kill -9 at random moments under load, two writers, a deliverer beside a
 * writer. PREGAO_SPOOL_KILLS is the number of kills (60). */
#include "spool_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "clock_fake.h"
#include "value.h"

#define THREADS     4
#define SLOTS       ((size_t)1 << 20)
#define BODY_PREFIX 24

/* What a thread of the writer tells its parent once it is acknowledged. */
struct acknowledged {
	int64_t seq;
	int32_t round, thread, call, records;
};

/* -- the writer -------------------------------------------------------------------------------- */

struct writer {
	struct delivery_stream *stream;
	int round, thread, pipe;
};

/* Appends one to three records at a time, for ever. */
static void *write_for_ever(void *arg)
{
	const struct writer *w = arg;
	char body[3][BODY_PREFIX + 400];
	struct stream_record records[3];
	memset(body, 'z', sizeof(body));
	for (int call = 0;; call++) {
		int n = call % 3 + 1;
		for (int i = 0; i < n; i++) {
			int prefix = snprintf(body[i], BODY_PREFIX, "%d/%d/%d/%d", w->round,
					      w->thread, call, i);
			body[i][prefix] = ' ';
			size_t length = (size_t)(BODY_PREFIX + call * 37 % 400);
			records[i] = (struct stream_record){"tick", {body[i], length}, NOON};
		}
		struct err e = ERR_INIT;
		struct acknowledged a = {0, w->round, w->thread, call, n};
		if (delivery_stream_append(w->stream, records, (size_t)n, &a.seq, &e) != OK)
			_exit(3);
		if (write(w->pipe, &a, sizeof(a)) != sizeof(a))
			_exit(4);
	}
	return NULL;
}

static void run_writer(const char *dir, int round, int pipe)
{
	struct spool_options o = {.dir = dir,
				  .name = "bitcoin",
				  .mode = SPOOL_APPEND,
				  .clock = &clock_system,
				  .segment_bytes = 30000};
	struct writer writers[THREADS];
	pthread_t threads[THREADS];
	struct delivery_stream *s;
	struct err e = ERR_INIT;
	if (delivery_stream_spool_open(&o, &s, &e) != OK) {
		fprintf(stderr, "# %s: %s\n", e.where, e.text);
		_exit(2);
	}
	for (int i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){s, round, i, pipe};
		pthread_create(&threads[i], NULL, write_for_ever, &writers[i]);
	}
	pause();
	_exit(0);
}

/* -- the parent -------------------------------------------------------------------------------- */

/* What was promised for a number, and what came. */
struct promise {
	struct acknowledged what; /* seq 0: nothing was promised for the number */
	int part;                 /* which record of the call */
};
struct account {
	struct promise *promised; /* by number */
	int64_t highest;
	int64_t delivered; /* the mark */
};

static void take_promises(struct account *a, int pipe)
{
	struct acknowledged told;
	ssize_t n;
	while ((n = read(pipe, &told, sizeof(told))) == sizeof(told)) {
		for (int i = 0; i < told.records; i++) {
			int64_t seq = told.seq + i;
			assert_true(seq > 0 && (size_t)seq < SLOTS);
			/* No number twice. */
			assert_int_equal(a->promised[seq].what.seq, 0);
			a->promised[seq] = (struct promise){told, i};
			a->highest = seq > a->highest ? seq : a->highest;
		}
	}
	assert_int_equal(n, 0);
}

static int check_entry(void *ctx, const struct stream_entry *entry, struct err *e)
{
	struct account *a = ctx;
	assert_int_equal(entry->seq, a->delivered + 1);
	a->delivered = entry->seq;
	assert_true(entry->record.body.n >= BODY_PREFIX);
	const struct promise *p = &a->promised[entry->seq];
	if (!p->what.seq)
		return 0; /* durable, and its writer died before it could tell */
	char expected[BODY_PREFIX + 1];
	int n = snprintf(expected, sizeof(expected), "%d/%d/%d/%d ", p->what.round, p->what.thread,
			 p->what.call, p->part);
	assert_memory_equal(entry->record.body.p, expected, n);
	return 0;
}

static void deliver_all(struct account *a, struct delivery_stream *s)
{
	struct err e = ERR_INIT;
	struct stream_segment segment;
	int rc;
	while ((rc = delivery_stream_next(s, a->delivered, check_entry, a, &segment, &e)) == OK)
		assert_int_equal(a->delivered, segment.last);
	if (rc != ERR_NOT_FOUND)
		must(rc, &e);
	must(delivery_stream_forget(s, a->delivered, &e), &e);
}

static uint64_t random_state;
static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % n;
}

static void sleep_us(uint32_t us)
{
	struct timespec t = {.tv_nsec = (long)us * 1000};
	nanosleep(&t, NULL);
}

/* One life of the writer; every third round a deliverer is at work beside it. */
static void live_and_die(struct account *a, const char *dir, int round)
{
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	/* Room for all that is told in a life: the writer must never wait for its parent. */
	(void)fcntl(pipes[0], F_SETPIPE_SZ, 1 << 20);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[0]);
		run_writer(dir, round, pipes[1]);
	}
	close(pipes[1]);
	struct delivery_stream *deliverer = open_spool(dir, SPOOL_DELIVER);
	uint32_t life_us = random_below(25000);
	if (round % 3 == 0) {
		struct err e = ERR_INIT;
		sleep_us(life_us / 2);
		must(delivery_stream_seal(deliverer, true, &e), &e);
		sleep_us(life_us / 2);
	} else {
		sleep_us(life_us);
	}
	kill(pid, SIGKILL);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Not because something failed. */
	assert_true(WIFSIGNALED(status));
	take_promises(a, pipes[0]);
	close(pipes[0]);
	/* Either the deliverer seals what the dead one left, or the next writer does. */
	struct err e = ERR_INIT;
	int64_t before = a->delivered;
	if (round % 2) {
		must(delivery_stream_seal(deliverer, false, &e), &e);
		deliver_all(a, deliverer);
	} else {
		struct delivery_stream *s = open_spool(dir, SPOOL_APPEND);
		must(delivery_stream_tail(deliverer, before, check_entry, a, &e), &e);
		int64_t last = a->delivered;
		a->delivered = before;
		deliver_all(a, s);
		assert_int_equal(a->delivered, last);
		delivery_stream_free(s);
	}
	assert_true(a->delivered >= a->highest);
	assert_int_equal(status_of(deliverer).last_seq, a->delivered);
	/* What a death tears is set aside, but records that were whole are never called damaged. */
	AUTO_FREE char *aside = path_in(dir, "damaged");
	if (access(aside, F_OK) == 0)
		assert_null(newest_file(aside, ".damaged"));
	delivery_stream_free(deliverer);
}

static void no_acknowledged_record_is_lost_or_doubled_by_kills(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct account a = {.promised = NEW_ARRAY(SLOTS, struct promise)};
	const char *wanted = getenv("PREGAO_SPOOL_KILLS");
	int64_t kills = 60;
	if (wanted)
		assert_true(int64_parse(slice_of(wanted), &kills));
	random_state = (uint64_t)time(NULL) << 20 | (uint64_t)getpid();
	print_message("# random seed %llu\n", (unsigned long long)random_state);
	for (int round = 0; round < kills; round++)
		live_and_die(&a, dir, round);
	assert_true(a.delivered > kills);
	free(a.promised);
}

/* -- death at each call ------------------------------------------------------------------------ */

static int die_at, calls;

static void one_more_call(void)
{
	if (++calls == die_at)
		_exit(9);
}

static ssize_t write_or_die(void *ctx, int fd, const void *bytes, size_t n, int64_t offset)
{
	one_more_call();
	/* Half of it, for the one that dies next. */
	return pwrite(fd, bytes, n > 1 && calls + 1 == die_at ? n / 2 : n, offset);
}

static int sync_or_die(void *ctx, int fd)
{
	one_more_call();
	return fdatasync(fd);
}

static int truncate_or_die(void *ctx, int fd, int64_t size)
{
	one_more_call();
	return ftruncate(fd, size);
}

static int rename_or_die(void *ctx, const char *from, const char *to)
{
	one_more_call();
	return rename(from, to);
}

static const struct spool_io deadly = {write_or_die,  sync_or_die, truncate_or_die,
				       rename_or_die, sync_or_die, NULL};

/* Opens the spool, which recovers it, and appends; ends at the call that was chosen. */
static void run_script(const char *dir, int round, int pipe)
{
	struct spool_options o = {.dir = dir,
				  .name = "bitcoin",
				  .mode = SPOOL_APPEND,
				  .clock = &clock_system,
				  .segment_bytes = 500,
				  .io = &deadly};
	struct delivery_stream *s;
	struct err e = ERR_INIT;
	if (delivery_stream_spool_open(&o, &s, &e) != OK)
		_exit(2);
	for (int i = 0; i < 8; i++) {
		struct acknowledged a = {0, round, 0, i, 1};
		char body[BODY_PREFIX + 80] = {0};
		snprintf(body, sizeof(body), "%d/0/%d/0 ", round, i);
		struct stream_record r = {"tick", {body, sizeof(body)}, NOON};
		if (delivery_stream_append(s, &r, 1, &a.seq, &e) != OK)
			_exit(3);
		if (write(pipe, &a, sizeof(a)) != sizeof(a))
			_exit(4);
	}
	_exit(delivery_stream_seal(s, true, &e) == OK ? 0 : 5);
}

/* In one spool, so that each life begins with what the death before left. */
static void every_call_may_be_the_last(void **state)
{
	AUTO_FOLDER char *dir = quick_folder();
	struct account a = {.promised = NEW_ARRAY(SLOTS, struct promise)};
	struct delivery_stream *deliverer = open_spool(dir, SPOOL_DELIVER);
	int code = 9;
	for (int round = 1; code == 9; round++) {
		int pipes[2], status;
		assert_int_equal(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0) {
			die_at = round;
			run_script(dir, round, pipes[1]);
		}
		close(pipes[1]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		code = WEXITSTATUS(status);
		assert_true(code == 9 || code == 0);
		take_promises(&a, pipes[0]);
		close(pipes[0]);
		struct err e = ERR_INIT;
		int64_t before = a.delivered;
		must(delivery_stream_tail(deliverer, before, check_entry, &a, &e), &e);
		assert_true(a.delivered >= a.highest);
		a.delivered = before;
		deliver_all(&a, deliverer);
	}
	assert_true(a.delivered > 50);
	assert_true(a.delivered >= a.highest);
	delivery_stream_free(deliverer);
	free(a.promised);
}

/* -- two processes ----------------------------------------------------------------------------- */

static void the_second_writer_is_told_of_the_first(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		append(open_spool(dir, SPOOL_APPEND), "a");
		(void)!write(pipes[1], "x", 1);
		pause();
	}
	char byte;
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	struct clock_fake clock;
	clock_fake_init(&clock, NOON);
	struct spool_options o = {
		.dir = dir, .name = "bitcoin", .mode = SPOOL_APPEND, .clock = &clock.clock};
	struct delivery_stream *s = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(delivery_stream_spool_open(&o, &s, &e), ERR_CONFLICT);
	char expected[32];
	snprintf(expected, sizeof(expected), "process %d", (int)pid);
	assert_non_null(strstr(e.text, expected));
	/* The living one's segment is not the deliverer's to seal. */
	struct delivery_stream *deliverer = open_spool(dir, SPOOL_DELIVER);
	seal_now(deliverer);
	assert_next(deliverer, "");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	seal_now(deliverer);
	assert_next(deliverer, "1:a ");
	delivery_stream_free(deliverer);
	must(delivery_stream_spool_open(&o, &s, &e), &e);
	assert_int_equal(append(s, "b"), 2);
	delivery_stream_free(s);
	close(pipes[0]);
	close(pipes[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_acknowledged_record_is_lost_or_doubled_by_kills),
		cmocka_unit_test(every_call_may_be_the_last),
		cmocka_unit_test(the_second_writer_is_told_of_the_first),
	};
	return RUN_TESTS("spool kill");
}
