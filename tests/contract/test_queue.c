/* The contract of the queue port: every driver in the table at the end runs the same cases.
 * Time is a fake clock where the driver is given one: nothing sleeps there. A server has its own, so that there it
 * really passes. */
#include "../unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock_fake.h"
#include "queue.h"
#include "json.h"
#include "json_call.h"
#include "queue_sqlite.h"
#include "queue_sqs.h"

#define SECOND       1000000LL
#define NOON         1732381200000000LL
#define MAX_RECEIVES 3

struct driver_case {
	const char *name;
	/* Opens the queue that lives at dir; twice with the same dir gives the same queue. */
	struct queue *(*open)(const char *dir, struct clock *);
	bool (*available)(void);
	/* It has its own clock, counts in whole seconds, shows live messages to receivers only, does not know the
	 * oldest, and may take a receipt that an earlier receive gave. */
	bool is_server;
};
static const struct driver_case *driver;

struct fixture {
	char *dir;
	struct clock_fake clock;
	struct queue *queue;
	struct arena *arena;
};

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = temporary_folder();
	clock_fake_init(&f->clock, NOON);
	f->queue = driver->open(f->dir, &f->clock.clock);
	f->arena = arena_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	queue_free(f->queue);
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

static void send(struct queue *q, const char *body)
{
	struct err e = ERR_INIT;
	struct slice s = slice_of(body);
	must(queue_send(q, &s, 1, &e), &e);
}

static size_t receive(struct fixture *f, size_t max, int64_t visibility_us,
		      struct queue_message *ret)
{
	struct err e = ERR_INIT;
	size_t count = 99;
	must(queue_receive(f->queue, max, visibility_us, f->arena, ret, &count, &e), &e);
	assert_true(count <= max);
	return count;
}

static void remove_one(struct queue *q, const struct queue_message *m)
{
	struct err e = ERR_INIT;
	const char *receipt = m->receipt;
	must(queue_remove(q, &receipt, 1, &e), &e);
}

static void sleep_for(int64_t us)
{
	struct timespec t = {us / SECOND, us % SECOND * 1000};
	while (nanosleep(&t, &t) != 0)
		;
}

/* What was hidden for so long is visible again. */
static void pass(struct fixture *f, int64_t us)
{
	if (driver->is_server)
		sleep_for(us + SECOND / 2);
	else
		f->clock.now += us;
}

/* What was hidden for so long is not visible yet, by as little as the driver can tell. */
static void pass_nearly(struct fixture *f, int64_t us)
{
	if (driver->is_server)
		sleep_for(us - 2 * SECOND);
	else
		f->clock.now += us - 1;
}

/* A server's clock is right to the hour, and says microseconds as all do. */
static void assert_time(int64_t us, int64_t expected)
{
	if (driver->is_server)
		assert_true(llabs(us - clock_now_us(&clock_system)) < 3600 * SECOND);
	else
		assert_int_equal(us, expected);
}

static void assert_stats(struct queue *q, int64_t visible, int64_t in_flight, int64_t dead)
{
	struct err e = ERR_INIT;
	struct queue_stats s;
	must(queue_stats(q, &s, &e), &e);
	assert_int_equal(s.visible, visible);
	assert_int_equal(s.in_flight, in_flight);
	assert_int_equal(s.dead, dead);
}

/* Receives the only message until it is dead. */
static void kill_message(struct fixture *f, const char *why)
{
	struct err e = ERR_INIT;
	struct queue_message m;
	for (int i = 0; i < MAX_RECEIVES; i++) {
		assert_int_equal(receive(f, 1, SECOND, &m), 1);
		assert_int_equal(m.receives, i + 1);
		must(queue_fail(f->queue, m.receipt, 0, why, &e), &e);
	}
	assert_int_equal(receive(f, 1, SECOND, &m), 0);
}

/* -- one receiver ------------------------------------------------------------------------------ */

static void what_is_sent_is_received_once(void **state)
{
	struct fixture *f = *state;
	struct queue_message m[10];
	assert_int_equal(receive(f, 10, SECOND, m), 0);
	send(f->queue, "{\"key\":\"raw/a\"}");
	if (!driver->is_server)
		pass(f, 5 * SECOND);
	assert_int_equal(receive(f, 10, 30 * SECOND, m), 1);
	assert_string_equal(m[0].body, "{\"key\":\"raw/a\"}");
	assert_int_equal(m[0].receives, 1);
	assert_time(m[0].sent_us, NOON);
	assert_time(m[0].visible_us, NOON + 35 * SECOND);
	assert_null(m[0].last_error);
	assert_true(m[0].id[0] && m[0].receipt[0]);
	assert_int_equal(receive(f, 10, SECOND, m + 1), 0);
	remove_one(f->queue, &m[0]);
	if (!driver->is_server)
		pass(f, 3600 * SECOND);
	assert_int_equal(receive(f, 10, SECOND, m), 0);
	assert_stats(f->queue, 0, 0, 0);
	assert_string_equal(queue_name(f->queue), "events");
}

static void many_go_in_and_each_comes_out(void **state)
{
	struct fixture *f = *state;
	enum { N = 100 };
	struct slice bodies[N];
	for (size_t i = 0; i < N; i++) {
		bodies[i] = slice_of(arena_printf(f->arena, "message %zu", i));
	}
	struct err e = ERR_INIT;
	must(queue_send(f->queue, bodies, N, &e), &e);
	must(queue_send(f->queue, NULL, 0, &e), &e);
	assert_stats(f->queue, N, 0, 0);
	bool seen[N] = {false};
	struct queue_message m[7];
	size_t count, total = 0;
	while ((count = receive(f, 7, SECOND, m)) > 0) {
		const char *receipts[7];
		for (size_t i = 0; i < count; i++) {
			size_t number = strtoul(m[i].body + strlen("message "), NULL, 10);
			assert_true(number < N && !seen[number]);
			seen[number] = true;
			receipts[i] = m[i].receipt;
		}
		must(queue_remove(f->queue, receipts, count, &e), &e);
		total += count;
	}
	assert_int_equal(total, N);
	assert_stats(f->queue, 0, 0, 0);
	assert_int_equal(receive(f, 0, SECOND, m), 0);
}

static void visibility_ends_and_can_be_extended(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct queue_message first, second;
	send(f->queue, "a");
	assert_int_equal(receive(f, 1, 4 * SECOND, &first), 1);
	pass_nearly(f, 4 * SECOND);
	assert_int_equal(receive(f, 1, 10 * SECOND, &second), 0);
	must(queue_extend(f->queue, first.receipt, 6 * SECOND, &e), &e);
	pass_nearly(f, 6 * SECOND);
	assert_int_equal(receive(f, 1, 10 * SECOND, &second), 0);
	assert_stats(f->queue, 0, 1, 0);
	pass(f, 2 * SECOND);
	assert_stats(f->queue, 1, 0, 0);
	assert_int_equal(receive(f, 1, 10 * SECOND, &second), 1);
	assert_string_equal(second.id, first.id);
	assert_int_equal(second.receives, 2);
	assert_string_not_equal(second.receipt, first.receipt);
	/* Extending by nothing gives it back. */
	must(queue_extend(f->queue, second.receipt, 0, &e), &e);
	assert_int_equal(receive(f, 1, 10 * SECOND, &first), 1);
	assert_int_equal(first.receives, 3);
}

static void a_stale_receipt_moves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct queue_message slow, quick;
	send(f->queue, "a");
	assert_int_equal(receive(f, 1, SECOND, &slow), 1);
	pass(f, SECOND);
	assert_int_equal(receive(f, 1, 60 * SECOND, &quick), 1);
	/* The slow worker comes back: it may neither delete, nor extend, nor give back what the
	 * quick one holds. SQS promises none of that. */
	if (!driver->is_server) {
		remove_one(f->queue, &slow);
		assert_stats(f->queue, 0, 1, 0);
		assert_int_equal(queue_extend(f->queue, slow.receipt, 0, &e), ERR_NOT_FOUND);
		assert_int_equal(queue_fail(f->queue, slow.receipt, 0, "slow", &e), ERR_NOT_FOUND);
	}
	assert_stats(f->queue, 0, 1, 0);
	remove_one(f->queue, &quick);
	remove_one(f->queue, &quick);
	assert_stats(f->queue, 0, 0, 0);
	assert_int_equal(queue_extend(f->queue, quick.receipt, SECOND, &e), ERR_NOT_FOUND);
	static const char *const nonsense[] = {"",           ".",     "1",
					       "1.",         "1.0",   "x.y",
					       "-1.-1",      "1.1.1", "99999999999999999999.1",
					       "' OR 1=1 --"};
	send(f->queue, "b");
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		must(queue_remove(f->queue, &nonsense[i], 1, &e), &e);
		assert_int_equal(queue_extend(f->queue, nonsense[i], SECOND, &e), ERR_NOT_FOUND);
	}
	assert_stats(f->queue, 1, 0, 0);
}

static void failing_gives_it_back_later_with_the_reason(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct queue_message m;
	send(f->queue, "a");
	assert_int_equal(receive(f, 1, 60 * SECOND, &m), 1);
	must(queue_fail(f->queue, m.receipt, 2 * SECOND, "no such table: x\xc3\xa9", &e), &e);
	assert_int_equal(receive(f, 1, SECOND, &m), 0);
	pass(f, 2 * SECOND);
	assert_int_equal(receive(f, 1, SECOND, &m), 1);
	assert_int_equal(m.receives, 2);
	if (m.last_error) /* where the product can keep it */
		assert_string_equal(m.last_error, "no such table: x\xc3\xa9");
	/* A very long reason is cut, not refused, and stays UTF-8. */
	AUTO_BUF struct buf why = {0};
	for (int i = 0; i < 3000; i++)
		buf_str(&why, "\xc3\xa9");
	buf_str(&why, "!");
	must(queue_fail(f->queue, m.receipt, 0, why.data, &e), &e);
	assert_int_equal(receive(f, 1, SECOND, &m), 1);
	assert_true(!m.last_error || str_is_utf8(m.last_error, strlen(m.last_error)));
}

/* -- dead letters ------------------------------------------------------------------------------ */

static void after_max_receives_it_is_dead_and_can_be_sent_again(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct queue_message m[4];
	send(f->queue, "poison");
	kill_message(f, "it hurts");
	assert_stats(f->queue, 0, 0, 1);
	if (!driver->is_server)
		pass(f, 24 * 3600 * SECOND);
	assert_int_equal(receive(f, 4, SECOND, m), 0);
	size_t count = 0;
	must(queue_peek(f->queue, true, 4, f->arena, m, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_string_equal(m[0].body, "poison");
	assert_string_equal(m[0].receipt, "");
	assert_true(m[0].receives >= (driver->is_server ? 1 : MAX_RECEIVES));
	assert_time(m[0].sent_us, NOON);
	if (m[0].last_error)
		assert_string_equal(m[0].last_error, "it hurts");
	if (driver->is_server) {
		pass(f, SECOND); /* as long as looking hides them there */
	} else {
		assert_int_equal(m[0].receives, MAX_RECEIVES);
		must(queue_peek(f->queue, false, 4, f->arena, m + 1, &count, &e), &e);
		assert_int_equal(count, 0);
	}
	int64_t sent = -1;
	assert_int_equal(queue_redrive(f->queue, "no-such-id", &sent, &e), ERR_NOT_FOUND);
	must(queue_redrive(f->queue, m[0].id, &sent, &e), &e);
	assert_int_equal(sent, 1);
	assert_int_equal(queue_redrive(f->queue, m[0].id, &sent, &e), ERR_NOT_FOUND); /* it lives */
	assert_int_equal(receive(f, 4, SECOND, m), 1);
	assert_int_equal(m[0].receives, 1); /* and has all its lives back */
	remove_one(f->queue, &m[0]);
	assert_stats(f->queue, 0, 0, 0);
}

static void redriving_all_takes_every_dead_letter_and_only_those(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct queue_message m[10];
	int64_t sent = -1;
	must(queue_redrive(f->queue, NULL, &sent, &e), &e);
	assert_int_equal(sent, 0);
	for (int i = 0; i < 3; i++) {
		send(f->queue, "dies");
		kill_message(f, "again");
	}
	send(f->queue, "lives");
	assert_stats(f->queue, 1, 0, 3);
	must(queue_redrive(f->queue, NULL, &sent, &e), &e);
	assert_int_equal(sent, 3);
	assert_stats(f->queue, 4, 0, 0);
	assert_int_equal(receive(f, 10, SECOND, m), 4);
}

static void a_worker_that_dies_every_time_buries_the_message_too(void **state)
{
	struct fixture *f = *state;
	struct queue_message m[2];
	send(f->queue, "crashes its worker");
	send(f->queue, "sound");
	for (int i = 0; i < MAX_RECEIVES; i++) {
		size_t count = receive(f, 2, SECOND, m);
		assert_int_equal(count, i == 0 ? 2 : 1);
		for (size_t k = 0; k < count; k++) {
			if (strcmp(m[k].body, "sound") == 0)
				remove_one(f->queue, &m[k]);
		}
		pass(f, SECOND); /* nobody gives it back: the visibility ends */
	}
	assert_int_equal(receive(f, 2, SECOND, m), 0);
	assert_stats(f->queue, 0, 0, 1);
}

/* -- limits ------------------------------------------------------------------------------------ */

static void bodies_have_limits(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *big = arena_alloc(f->arena, QUEUE_BODY_MAX + 2);
	memset(big, 'b', QUEUE_BODY_MAX + 1);
	struct slice body = {big, QUEUE_BODY_MAX + 1};
	assert_int_equal(queue_send(f->queue, &body, 1, &e), ERR_LIMIT);
	const struct slice bad[] = {SLICE(""),        SLICE("\xff"),         SLICE("a\0b"),
				    SLICE("\x1b[0m"), SLICE("\xef\xbf\xbf"), SLICE("\xed\xa0\x80")};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		/* A bad one among good ones: none is sent. */
		struct slice bodies[] = {SLICE("good"), bad[i]};
		assert_int_equal(queue_send(f->queue, bodies, 2, &e), ERR_INPUT);
	}
	assert_stats(f->queue, 0, 0, 0);
	body.n = QUEUE_BODY_MAX;
	must(queue_send(f->queue, &body, 1, &e), &e);
	struct slice text = SLICE("tab\t line\r\n A\xc3\x87\xc3\x9a"
				  "CAR \xf0\x9f\x93\x88 '\"; DROP TABLE message");
	must(queue_send(f->queue, &text, 1, &e), &e);
	struct queue_message m[2];
	assert_int_equal(receive(f, 2, SECOND, m), 2);
	size_t large = strlen(m[0].body) == QUEUE_BODY_MAX ? 0 : 1;
	assert_int_equal(strlen(m[large].body), QUEUE_BODY_MAX);
	assert_string_equal(m[1 - large].body, text.p);
	/* SQS hides a message for twelve hours at most. */
	size_t count;
	assert_int_equal(
		queue_receive(f->queue, 1, QUEUE_VISIBILITY_MAX_US + 1, f->arena, m, &count, &e),
		ERR_LIMIT);
	assert_int_equal(queue_extend(f->queue, m[0].receipt, -1, &e), ERR_LIMIT);
	assert_int_equal(queue_fail(f->queue, m[0].receipt, QUEUE_VISIBILITY_MAX_US + 1, "x", &e),
			 ERR_LIMIT);
}

static void peeking_and_counting_take_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct queue_message m[3], peeked[3];
	struct queue_stats stats;
	must(queue_stats(f->queue, &stats, &e), &e);
	assert_int_equal(stats.oldest_us, 0);
	send(f->queue, "one");
	f->clock.now += SECOND;
	send(f->queue, "two");
	size_t count = 99;
	if (driver->is_server) {
		assert_int_equal(queue_peek(f->queue, false, 3, f->arena, peeked, &count, &e),
				 ERR_USAGE);
		assert_string_equal(e.reason, "unsupported");
		assert_stats(f->queue, 2, 0, 0);
		must(queue_peek(f->queue, true, 3, f->arena, peeked, &count, &e), &e);
		assert_int_equal(count, 0);
		return;
	}
	must(queue_peek(f->queue, false, 3, f->arena, peeked, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_string_equal(peeked[0].body, "one"); /* oldest first */
	assert_int_equal(peeked[0].receives, 0);
	must(queue_peek(f->queue, false, 1, f->arena, peeked, &count, &e), &e);
	assert_int_equal(count, 1);
	must(queue_stats(f->queue, &stats, &e), &e);
	assert_int_equal(stats.oldest_us, NOON);
	assert_int_equal(receive(f, 3, SECOND, m), 2);
	/* In flight is live too. */
	must(queue_peek(f->queue, false, 3, f->arena, peeked, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_int_equal(peeked[0].receives, 1);
	assert_string_equal(peeked[0].receipt, "");
}

/* -- at the same time, and after a death ------------------------------------------------------- */

enum { WORKERS = 16, MESSAGES = 160 };

struct race {
	struct fixture *fixture;
	atomic_int held[MESSAGES]; /* how many workers hold it now */
	atomic_int done[MESSAGES];
	atomic_int removed, wrong;
};

/* Half of the workers share a handle, the others have their own. */
static void *work(void *arg)
{
	struct race *r = arg;
	static atomic_int number;
	bool own = atomic_fetch_add(&number, 1) % 2 == 0;
	struct queue *q = own ? driver->open(r->fixture->dir, &r->fixture->clock.clock)
			      : r->fixture->queue;
	struct arena *arena = arena_new();
	while (atomic_load(&r->removed) < MESSAGES) {
		struct queue_message m[3];
		size_t count = 0;
		struct err e = ERR_INIT;
		int rc = queue_receive(q, 3, 60 * SECOND, arena, m, &count, &e);
		if (rc == ERR_RETRY)
			continue;
		if (rc != OK) {
			print_error("%s %s\n", err_name(rc), e.text);
			atomic_fetch_add(&r->wrong, 1);
			break;
		}
		for (size_t i = 0; i < count; i++) {
			size_t k = strtoul(m[i].body, NULL, 10);
			if (atomic_fetch_add(&r->held[k], 1) != 0)
				atomic_fetch_add(&r->wrong, 1);
		}
		for (size_t i = 0; i < count; i++) {
			size_t k = strtoul(m[i].body, NULL, 10);
			/* Some are given back once: then another worker may have it, never two. */
			bool give_back = k % 5 == 0 && m[i].receives == 1;
			const char *receipt = m[i].receipt;
			atomic_fetch_sub(&r->held[k], 1);
			rc = give_back ? queue_fail(q, receipt, 0, "once", &e)
				       : queue_remove(q, &receipt, 1, &e);
			if (rc != OK)
				atomic_fetch_add(&r->wrong, 1);
			if (!give_back && atomic_fetch_add(&r->done[k], 1) == 0)
				atomic_fetch_add(&r->removed, 1);
		}
	}
	arena_free(arena);
	if (own)
		queue_free(q);
	return NULL;
}

static void sixteen_workers_never_share_a_message(void **state)
{
	struct race *r = NEW(struct race);
	r->fixture = *state;
	struct slice bodies[MESSAGES];
	for (size_t i = 0; i < MESSAGES; i++)
		bodies[i] = slice_of(arena_printf(r->fixture->arena, "%zu", i));
	struct err e = ERR_INIT;
	must(queue_send(r->fixture->queue, bodies, MESSAGES, &e), &e);
	pthread_t threads[WORKERS];
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, r), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r->wrong, 0);
	for (size_t i = 0; i < MESSAGES; i++)
		assert_int_equal(r->done[i], 1);
	assert_stats(r->fixture->queue, 0, 0, 0);
	free(r);
}

static void what_was_sent_outlives_its_sender(void **state)
{
	struct fixture *f = *state;
	queue_free(f->queue);
	f->queue = NULL;
	pid_t pid = fork();
	if (pid == 0) {
		struct queue *q = driver->open(f->dir, &f->clock.clock);
		struct slice bodies[] = {SLICE("kept"), SLICE("taken")};
		struct err e = ERR_INIT;
		struct queue_message m;
		size_t count = 0;
		if (queue_send(q, bodies, 2, &e) != OK ||
		    queue_receive(q, 1, SECOND, f->arena, &m, &count, &e) != OK || count != 1)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	f->queue = driver->open(f->dir, &f->clock.clock);
	struct queue_message m[3];
	assert_int_equal(receive(f, 3, SECOND, m), 1);
	assert_int_equal(m[0].receives, 1);
	pass(f, SECOND);
	assert_int_equal(receive(f, 3, SECOND, m), 2);
}

/* -- drivers ----------------------------------------------------------------------------------- */

static struct queue *open_sqlite(const char *dir, struct clock *clock)
{
	struct err e = ERR_INIT;
	struct queue *q = NULL;
	AUTO_FREE char *path = path_in(dir, "events.db");
	must(queue_sqlite_open(path, "events", MAX_RECEIVES, clock, &q, &e), &e);
	return q;
}

static bool always(void)
{
	return true;
}

/* A server that tests/aws started; which one, the environment says, as it does to the program. Two queues stand for each
 * folder. A connection is not shared with a child, so each handle has its own. */
static bool sqs_is_there(void)
{
	return getenv("PREGAO_TEST_SQS") != NULL;
}

static struct aws **connections;
static size_t connection_count, connection_cap;
static pthread_mutex_t connections_lock = PTHREAD_MUTEX_INITIALIZER;

static json_t *ask_sqs(struct aws *aws, const char *target, json_t *body)
{
	struct err e = ERR_INIT;
	json_t *answer = NULL;
	const struct aws_json_call call = {.service = "sqs",
					   .target = target,
					   .version = "1.0",
					   .action = target,
					   .resource = "the test's queue",
					   .body = body};
	must(aws_json_call(aws, &call, &answer, &e), &e);
	json_decref(body);
	return answer;
}

static struct queue *open_sqs(const char *dir, struct clock *clock)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf name = {0};
	AUTO_BUF struct buf dead_name = {0};
	AUTO_BUF struct buf policy = {0};
	struct aws *aws;
	must(aws_new(NULL, &aws, &e), &e);
	pthread_mutex_lock(&connections_lock);
	*PUSH(connections, connection_count, connection_cap) = aws;
	pthread_mutex_unlock(&connections_lock);
	buf_printf(&name, "pregao-%s", dir + strlen(dir) - 6); /* mkdtemp's letters */
	buf_printf(&dead_name, "%s-dead", name.data);
	AUTO_JSON json_t *dead = ask_sqs(aws, "AmazonSQS.CreateQueue",
					 json_pack("{s:s}", "QueueName", dead_name.data));
	AUTO_JSON json_t *about =
		ask_sqs(aws, "AmazonSQS.GetQueueAttributes",
			json_pack("{s:s, s:[s]}", "QueueUrl", json_opt_str(dead, "QueueUrl", ""),
				  "AttributeNames", "QueueArn"));
	buf_printf(&policy, "{\"deadLetterTargetArn\":\"%s\",\"maxReceiveCount\":\"%d\"}",
		   json_opt_str(json_object_get(about, "Attributes"), "QueueArn", ""),
		   MAX_RECEIVES);
	AUTO_JSON json_t *live = ask_sqs(aws, "AmazonSQS.CreateQueue",
					 json_pack("{s:s, s:{s:s}}", "QueueName", name.data,
						   "Attributes", "RedrivePolicy", policy.data));
	return queue_sqs_new(&(struct queue_sqs_options){
		.aws = aws, .url = json_opt_str(live, "QueueUrl", ""), .name = "events"});
}

static const struct driver_case drivers[] = {
	{"queue_sqlite", open_sqlite, always, false},
	{"queue_sqs", open_sqs, sqs_is_there, true},
};

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(what_is_sent_is_received_once),
		CASE(many_go_in_and_each_comes_out),
		CASE(visibility_ends_and_can_be_extended),
		CASE(a_stale_receipt_moves_nothing),
		CASE(failing_gives_it_back_later_with_the_reason),
		CASE(after_max_receives_it_is_dead_and_can_be_sent_again),
		CASE(redriving_all_takes_every_dead_letter_and_only_those),
		CASE(a_worker_that_dies_every_time_buries_the_message_too),
		CASE(bodies_have_limits),
		CASE(peeking_and_counting_take_nothing),
		CASE(sixteen_workers_never_share_a_message),
		CASE(what_was_sent_outlives_its_sender),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		if (driver->available())
			failed += RUN_TESTS(driver->name);
	}
	for (size_t i = 0; i < connection_count; i++)
		aws_free(connections[i]);
	free(connections);
	return failed;
}
