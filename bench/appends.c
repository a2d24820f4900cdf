// Durable appends a second: the spool with 1, 16 and 256 producers, beside the disk's own limit (write and fdatasync in a
// loop) and SQLite (WAL, synchronous=FULL, a transaction for each record). bench/run appends calls it.
//   appends [--dir DIR] [--rounds N] [--seconds S] [--json]
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "delivery_stream_spool.h"
#include "file.h"
#include "str.h"
#include "value.h"

#define RECORD_BYTES 300 // on the disk; of these the spool's own head is
#define HEAD_BYTES   56
#define BODY_BYTES   (RECORD_BYTES - HEAD_BYTES)
#define EVENT_US     1723125600000000
#define THREADS_MAX  256
#define ROUNDS_MAX   99

static void give_up(const char *what, const char *why)
{
	fprintf(stderr, "appends: %s: %s\n", what, why);
	exit(1);
}

static char body[RECORD_BYTES];
static atomic_bool stop;

// One thread's work: appends until told to stop, and says how many.
struct worker {
	struct contest *contest;
	pthread_t thread;
	int64_t appends;
};

// What competes; begin opens it in a fresh folder, end closes it.
struct contestant {
	const char *name, *label;
	int threads;
	void (*begin)(struct contest *, const char *dir);
	void (*work)(struct contest *, struct worker *);
	void (*end)(struct contest *);
	const char *rival; // the SQLite one that it is compared with
};
struct contest {
	const struct contestant *who;
	int fd;
	int64_t offset;
	struct delivery_stream *stream;
	char *path;
	sqlite3 *shared;
	sqlite3_stmt *insert;
	pthread_mutex_t mutex;
};

// -- the disk alone

static void disk_begin(struct contest *c, const char *dir)
{
	struct buf path = {0};
	buf_printf(&path, "%s/disk", dir);
	c->fd = open(path.data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (c->fd < 0)
		give_up(path.data, strerror(errno));
	buf_free(&path);
}

static void disk_work(struct contest *c, struct worker *w)
{
	for (; !atomic_load(&stop); w->appends++) {
		if (pwrite(c->fd, body, RECORD_BYTES, c->offset) != RECORD_BYTES || fdatasync(c->fd))
			give_up("the disk", strerror(errno));
		c->offset += RECORD_BYTES;
	}
}

static void disk_end(struct contest *c)
{
	close(c->fd);
}

// -- the spool

static void spool_begin(struct contest *c, const char *dir)
{
	struct err e = ERR_INIT;
	struct buf path = {0};
	buf_printf(&path, "%s/spool", dir);
	struct spool_options o = {.dir = path.data, .name = "bench", .mode = SPOOL_APPEND, .clock = &clock_system};
	if (delivery_stream_spool_open(&o, &c->stream, &e))
		give_up(path.data, e.text);
	buf_free(&path);
}

static void spool_work(struct contest *c, struct worker *w)
{
	struct stream_record r = {"tick", {body, BODY_BYTES}, EVENT_US};
	for (; !atomic_load(&stop); w->appends++) {
		struct err e = ERR_INIT;
		int64_t first;
		if (delivery_stream_append(c->stream, &r, 1, &first, &e))
			give_up("the spool", e.text);
	}
}

static void spool_end(struct contest *c)
{
	delivery_stream_free(c->stream);
}

// -- SQLite

#define INSERT "INSERT INTO record(at_us, event_us, kind, body) VALUES(?, ?, 'tick', ?)"

static sqlite3 *sqlite_open(const struct contest *c, sqlite3_stmt **ret)
{
	sqlite3 *db;
	if (sqlite3_open(c->path, &db) || sqlite3_busy_timeout(db, 60000) ||
	    sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", NULL, NULL, NULL) ||
	    sqlite3_exec(db, "CREATE TABLE IF NOT EXISTS record(seq INTEGER PRIMARY KEY, at_us INT, event_us INT, kind TEXT, body BLOB)",
			 NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(db, INSERT, -1, ret, NULL))
		give_up("SQLite", sqlite3_errmsg(db));
	return db;
}

static void sqlite_close(sqlite3 *db, sqlite3_stmt *insert)
{
	sqlite3_finalize(insert);
	sqlite3_close(db);
}

static void sqlite_insert(sqlite3 *db, sqlite3_stmt *insert)
{
	sqlite3_bind_int64(insert, 1, clock_now_us(&clock_system));
	sqlite3_bind_int64(insert, 2, EVENT_US);
	sqlite3_bind_blob(insert, 3, body, BODY_BYTES, SQLITE_STATIC);
	if (sqlite3_step(insert) != SQLITE_DONE)
		give_up("SQLite", sqlite3_errmsg(db));
	sqlite3_reset(insert);
}

static void sqlite_begin(struct contest *c, const char *dir)
{
	struct buf path = {0};
	buf_printf(&path, "%s/records.sqlite", dir);
	c->path = buf_take(&path);
	c->shared = sqlite_open(c, &c->insert);
	pthread_mutex_init(&c->mutex, NULL);
}

// Each thread has a connection of its own.
static void sqlite_work(struct contest *c, struct worker *w)
{
	sqlite3_stmt *insert;
	sqlite3 *db = sqlite_open(c, &insert);
	for (; !atomic_load(&stop); w->appends++)
		sqlite_insert(db, insert);
	sqlite_close(db, insert);
}

// All share one, and wait for each other in a mutex instead of SQLite's sleeping.
static void sqlite_shared_work(struct contest *c, struct worker *w)
{
	for (; !atomic_load(&stop); w->appends++) {
		pthread_mutex_lock(&c->mutex);
		sqlite_insert(c->shared, c->insert);
		pthread_mutex_unlock(&c->mutex);
	}
}

static void sqlite_end(struct contest *c)
{
	sqlite_close(c->shared, c->insert);
	pthread_mutex_destroy(&c->mutex);
	free(c->path);
}

// -- the contest

static const struct contestant contestants[] = {
	{"disk", "write + fdatasync, 1 thread", 1, disk_begin, disk_work, disk_end, NULL},
	{"sqlite_1", "SQLite, 1 thread", 1, sqlite_begin, sqlite_work, sqlite_end, NULL},
	{"sqlite_16", "SQLite, 16 connections", 16, sqlite_begin, sqlite_work, sqlite_end, NULL},
	{"sqlite_shared_16", "SQLite, 16 threads, 1 connection", 16, sqlite_begin, sqlite_shared_work, sqlite_end, NULL},
	{"spool_1", "spool, 1 producer", 1, spool_begin, spool_work, spool_end, "sqlite_1"},
	{"spool_16", "spool, 16 producers", 16, spool_begin, spool_work, spool_end, "sqlite_shared_16"},
	{"spool_256", "spool, 256 producers", 256, spool_begin, spool_work, spool_end, "sqlite_shared_16"},
};
#define CONTESTANTS ARRAY_LEN(contestants)

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	w->contest->who->work(w->contest, w);
	return NULL;
}

// Appends a second.
static double compete(const struct contestant *who, const char *dir, int64_t duration_us)
{
	static struct worker workers[THREADS_MAX];
	struct contest c = {.who = who};
	who->begin(&c, dir);
	atomic_store(&stop, false);
	int64_t began = clock_monotonic_us(&clock_system), appends = 0;
	for (int i = 0; i < who->threads; i++) {
		workers[i] = (struct worker){.contest = &c};
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			give_up("threads", "cannot make one");
	}
	clock_sleep_us(&clock_system, duration_us);
	atomic_store(&stop, true);
	for (int i = 0; i < who->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		appends += workers[i].appends;
	}
	double took_us = (double)(clock_monotonic_us(&clock_system) - began);
	who->end(&c);
	return (double)appends * 1e6 / took_us;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(const double *values, int n)
{
	double sorted[ROUNDS_MAX];
	memcpy(sorted, values, (size_t)n * sizeof(*values));
	qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static size_t find(const char *name)
{
	size_t i = 0;
	while (strcmp(contestants[i].name, name) != 0)
		i++;
	return i;
}

static double rates[CONTESTANTS][ROUNDS_MAX];

// The median of the ratios within each round.
static double ratio(size_t a, size_t b, int rounds)
{
	double ratios[ROUNDS_MAX];
	for (int r = 0; r < rounds; r++)
		ratios[r] = rates[a][r] / rates[b][r];
	return median(ratios, rounds);
}

static void print_results(int rounds, bool json)
{
	printf(json ? "{\"record_bytes\": %d, \"rounds\": %d, \"appends_per_second\": {"
		    : "durable appends of %d bytes, median of %d rounds\n\n%-34s %10s  %10s  %10s\n",
	       RECORD_BYTES, rounds, "", "a second", "to disk", "to SQLite");
	for (size_t i = 0; i < CONTESTANTS; i++) {
		const char *rival = contestants[i].rival;
		double disk = ratio(i, find("disk"), rounds);
		if (json) {
			printf("%s\"%s\": {\"median\": %.0f, \"to_disk\": %.3f", i ? ", " : "", contestants[i].name,
			       median(rates[i], rounds), disk);
			if (rival)
				printf(", \"to_sqlite\": %.3f", ratio(i, find(rival), rounds));
			printf("}");
			continue;
		}
		printf("%-34s %10.0f  %9.2fx", contestants[i].label, median(rates[i], rounds), disk);
		if (rival)
			printf("  %9.2fx", ratio(i, find(rival), rounds));
		printf("\n");
	}
	printf(json ? "}}\n" : "");
}

int main(int argc, char **argv)
{
	const char *dir = ".";
	int64_t rounds = 5, duration_us = 1000000;
	bool json = false;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
			continue;
		}
		bool good = strcmp(argv[i], "--dir") == 0;
		if (good)
			dir = value;
		else if (strcmp(argv[i], "--rounds") == 0)
			good = int64_parse(slice_of(value), &rounds) && rounds > 0 && rounds <= ROUNDS_MAX;
		else if (strcmp(argv[i], "--seconds") == 0)
			good = duration_parse(slice_of(value), &duration_us) && duration_us > 0;
		if (!good) {
			fprintf(stderr, "usage: appends [--dir DIR] [--rounds 1..%d] [--seconds S] [--json]\n", ROUNDS_MAX);
			return 2;
		}
		i++;
	}
	memset(body, 'x', sizeof(body));
	struct buf work = {0};
	buf_printf(&work, "%s/appends-XXXXXX", dir);
	if (!mkdtemp(work.data))
		give_up(dir, strerror(errno));
	for (int r = 0; r < (int)rounds; r++) {
		// Each begins once, so that what disturbs the machine disturbs all of them.
		for (size_t k = 0; k < CONTESTANTS; k++) {
			size_t i = (k + (size_t)r) % CONTESTANTS;
			struct buf place = {0};
			struct err e = ERR_INIT;
			buf_printf(&place, "%s/%d-%zu", work.data, r, i);
			if (file_mkdirs(place.data, false, &e))
				give_up(place.data, e.text);
			rates[i][r] = compete(&contestants[i], place.data, duration_us);
			fprintf(stderr, "round %d: %s %.0f/s\n", r + 1, contestants[i].label, rates[i][r]);
			buf_free(&place);
		}
	}
	struct err e = ERR_INIT;
	if (file_remove_tree(work.data, &e))
		give_up(work.data, e.text);
	buf_free(&work);
	print_results((int)rounds, json);
	return 0;
}
