// How well the backup's workers share the waiting: the same objects copied by 1 worker and by 16 to a store whose every call
// takes a while. bench/run backup calls it.
//   backup [--dir DIR] [--objects N] [--bytes N] [--workers N] [--latency TIME] [--json]
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backup.h"
#include "bitcoin.h"
#include "catalog_sqlite.h"
#include "file.h"
#include "object_store_fault.h"
#include "object_store_fs.h"
#include "queue_sqlite.h"
#include "trigger.h"
#include "value.h"

#define OBJECTS_MAX 100000

static void must(int rc, const struct err *e, const char *what)
{
	if (rc == OK)
		return;
	fprintf(stderr, "backup: %s: %s %s\n", what, e->where, e->text);
	exit(1);
}

struct bench {
	const char *dir;
	int objects, workers;
	int64_t bytes, latency_us;
	struct arena *arena;
	struct catalog *catalog;
	struct object_store *lake;
};

// A file of ticks for each hour, of bytes that nothing else has.
static void publish_all(struct bench *b)
{
	const struct table_def *table = bitcoin_tables[BITCOIN_TICK];
	struct publish with = {.store = b->lake, .catalog = b->catalog, .clock = &clock_system};
	struct publish_session *s;
	struct err e = ERR_INIT;
	must(publish_begin(&with, &table, 1, &s, &e), &e, "publishing");
	size_t n = (size_t)b->objects;
	struct publish_file *files = ANEW_ARRAY(b->arena, n, struct publish_file);
	struct catalog_scope *scopes = ANEW_ARRAY(b->arena, n, struct catalog_scope);
	AUTO_BUF struct buf text = {0};
	for (int i = 0; i < b->objects; i++) {
		char day[DATE_TEXT_SIZE];
		const char **own = ANEW_ARRAY(b->arena, 1, const char *);
		date_format(19000 + i / 24, day);
		own[0] = scopes[i].scope = arena_printf(b->arena, "date=%s/hour=%d", day, i % 24);
		scopes[i].properties = arena_printf(b->arena, "{\"content\":\"1-%d-%d\"}", i + 1, i + 1);
		buf_reset(&text);
		while ((int64_t)text.len < b->bytes)
			buf_printf(&text, "%d %zu\n", i, text.len * 2654435761u % 1000003);
		files[i] = (struct publish_file){
			.path = arena_printf(b->arena, "%s/%d", publish_staging(s), i),
			.file = {.key = arena_printf(b->arena, "%s/%s/%d-%d.parquet", table->location, own[0], i + 1, i + 1),
				 .scopes = own,
				 .scope_count = 1,
				 .rows = 1,
				 .bytes = (int64_t)text.len}};
		files[i].file.low[0] = files[i].file.high[0] = arena_strdup(b->arena, day);
		files[i].file.low[1] = files[i].file.high[1] = arena_printf(b->arena, "%d", i % 24);
		must(file_create(files[i].path, text.data, text.len, false, &e), &e, "staging");
	}
	const struct publish_change change = {.table = table,
					      .scopes = scopes,
					      .scope_count = n,
					      .files = files,
					      .file_count = n,
					      .append = true};
	int64_t version;
	must(publish_replace(s, &change, 1, NULL, 0, &version, &e), &e, "publishing");
	publish_end(s);
}

struct outcome {
	double seconds;
	int64_t copied, at_once, calls;
};

static struct outcome back_up(struct bench *b, int workers)
{
	struct object_store *disk;
	struct queue *queue;
	struct err e = ERR_INIT;
	const char *to = arena_printf(b->arena, "%s/copies-%d", b->dir, workers);
	const char *mark = arena_printf(b->arena, "backup-%d", workers);
	must(object_store_fs_open(to, true, &disk, &e), &e, "opening the backup store");
	struct object_store *slow = object_store_fault_open(
		disk, &(struct object_store_fault){.latency_us = b->latency_us});
	must(queue_sqlite_open(arena_printf(b->arena, "%s/queue-%d.sqlite", b->dir, workers), "backup", 5,
			       &clock_system, &queue, &e),
	     &e, "opening the queue");
	const char *const prefixes[] = {"raw"};
	const struct trigger_route route = {queue, mark, prefixes, 1};
	int64_t sent;
	must(trigger_relay_routes(b->catalog, &route, 1, "lake", &sent, &e), &e, "sending messages");
	const struct backup with = {.from = b->lake,
				    .to = slow,
				    .catalog = b->catalog,
				    .queue = queue,
				    .clock = &clock_system,
				    .tables = bitcoin_tables,
				    .table_count = BITCOIN_KINDS,
				    .workers = workers};
	struct backup_result result;
	fprintf(stderr, "%d objects, %d workers ...\n", b->objects, workers);
	int64_t began = clock_monotonic_us(&clock_system);
	must(backup_run(&with, false, &result, &e), &e, "copying");
	struct outcome o = {.seconds = (double)(clock_monotonic_us(&clock_system) - began) / 1e6,
			    .copied = result.copied,
			    .at_once = object_store_fault_counts(slow).most_at_once,
			    .calls = object_store_fault_counts(slow).calls};
	if (result.copied != b->objects || result.failed) {
		fprintf(stderr, "backup: %" PRId64 " copied, %" PRId64 " failed: %s\n", result.copied, result.failed,
			result.first_error);
		exit(1);
	}
	queue_free(queue);
	object_store_free(slow);
	return o;
}

static int64_t number(const char *s, int64_t least, int64_t most)
{
	int64_t n;
	if (int64_parse(slice_of(s), &n) && n >= least && n <= most)
		return n;
	fprintf(stderr, "backup: %s: expected a number from %" PRId64 " to %" PRId64 "\n", s, least, most);
	exit(2);
}

int main(int argc, char **argv)
{
	struct bench b = {.dir = ".", .objects = 2000, .workers = 16, .bytes = 20000, .latency_us = 20000};
	bool json = false;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
			continue;
		}
		i++;
		if (strcmp(argv[i - 1], "--dir") == 0)
			b.dir = value;
		else if (strcmp(argv[i - 1], "--objects") == 0)
			b.objects = (int)number(value, 1, OBJECTS_MAX);
		else if (strcmp(argv[i - 1], "--workers") == 0)
			b.workers = (int)number(value, 2, 64);
		else if (strcmp(argv[i - 1], "--bytes") == 0)
			b.bytes = number(value, 1, 1 << 28);
		else if (strcmp(argv[i - 1], "--latency") != 0 || !duration_parse(slice_of(value), &b.latency_us)) {
			fprintf(stderr, "backup: what is %s %s?\n", argv[i - 1], value);
			return 2;
		}
	}
	struct err e = ERR_INIT;
	b.arena = arena_new();
	b.dir = arena_printf(b.arena, "%s/backup-%d", b.dir, (int)getpid());
	must(object_store_fs_open(arena_printf(b.arena, "%s/lake", b.dir), true, &b.lake, &e), &e, "making a lake");
	must(catalog_sqlite_open(arena_printf(b.arena, "%s/lake/state", b.dir), &clock_system, false, &b.catalog, &e), &e,
	     "making a catalog");
	must(catalog_put_tables(b.catalog, bitcoin_tables, BITCOIN_KINDS, &e), &e, "making tables");
	publish_all(&b);
	struct outcome many = back_up(&b, b.workers), one = back_up(&b, 1);
	double ratio = one.seconds / many.seconds;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	if (json) {
		printf("{\"objects\":%d,\"bytes\":%" PRId64 ",\"latency_ms\":%.1f,\"workers\":%d,\"seconds_one\":%.2f,"
		       "\"seconds_many\":%.2f,\"ratio\":%.2f,\"calls_at_once\":%" PRId64 ",\"peak_mb\":%ld}\n",
		       b.objects, b.bytes, (double)b.latency_us / 1000, b.workers, one.seconds, many.seconds, ratio,
		       many.at_once, usage.ru_maxrss / 1024);
	} else {
		printf("%d objects of %" PRId64 " bytes, %.0f ms a call of the backup store, %" PRId64 " calls an object\n\n", b.objects,
		       b.bytes, (double)b.latency_us / 1000, one.calls / b.objects);
		printf("workers   seconds   objects/s   calls at once\n");
		printf("%7d %9.1f %11.1f %15" PRId64 "\n", 1, one.seconds, b.objects / one.seconds, one.at_once);
		printf("%7d %9.1f %11.1f %15" PRId64 "\n", b.workers, many.seconds, b.objects / many.seconds, many.at_once);
		printf("\n%d workers: %.2f times one; peak memory %ld MB\n", b.workers, ratio, usage.ru_maxrss / 1024);
	}
	catalog_free(b.catalog);
	object_store_free(b.lake);
	must(file_remove_tree(b.dir, &e), &e, "clearing up");
	arena_free(b.arena);
	return 0;
}
