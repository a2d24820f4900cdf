/* A lake with Bitcoin's tables, its backup beside it, and a queue between them: directories and SQLite for real,
 * contents made up. Each call of the backup store and of the queue can be the last one of the process. */
#ifndef PREGAO_TESTS_BACKUP_LAKE_H
#define PREGAO_TESTS_BACKUP_LAKE_H

#include "unit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup.h"
#include "bitcoin.h"
#include "catalog_sqlite.h"
#include "clock_fake.h"
#include "deliver.h"
#include "hash.h"
#include "object_store_fault.h"
#include "object_store_fs.h"
#include "path.h"
#include "queue_sqlite.h"
#include "trigger.h"

#define DAY_US INT64_C(86400000000)

static bool in_child; /* where a failed assertion must not run the parent's tests on */
#define GOOD(call)                                                                               \
	do {                                                                                     \
		struct err e = ERR_INIT;                                                         \
		int code_ = (call);                                                              \
		if (code_) {                                                                     \
			print_error("%s: %s: %s %s\n", #call, err_name(code_), e.where, e.text); \
			if (in_child)                                                            \
				_exit(1);                                                        \
		}                                                                                \
		assert_int_equal(code_, OK);                                                     \
	} while (0)

/* -- dying at the Nth step --------------------------------------------------------------------- */

#define DIED 42
static atomic_int step_count;
static int die_at;
static inline void step(void)
{
	if (atomic_fetch_add(&step_count, 1) + 1 == die_at)
		_exit(DIED);
}

static const struct queue_ops *queue_real;
static inline int stepping_receive(struct queue *q, size_t max, int64_t visibility_us,
				   struct arena *a, struct queue_message *ret, size_t *n,
				   struct err *e)
{
	step();
	int rc = queue_real->receive(q, max, visibility_us, a, ret, n, e);
	step();
	return rc;
}
static inline int stepping_remove(struct queue *q, const char *const *receipts, size_t n,
				  struct err *e)
{
	step();
	int rc = queue_real->remove(q, receipts, n, e);
	step();
	return rc;
}
static const struct catalog_ops *catalog_real;
static inline int stepping_commit(struct catalog *c, int64_t id,
				  const struct catalog_change *changes, size_t n,
				  const struct catalog_mark *marks, size_t mark_count,
				  int64_t *version, struct err *e)
{
	step();
	int rc = catalog_real->commit(c, id, changes, n, marks, mark_count, version, e);
	step();
	return rc;
}

/* -- the lake ---------------------------------------------------------------------------------- */

struct bench {
	char *folder;
	struct arena *arena;
	struct clock_fake clock;
	struct object_store *from, *to;
	struct catalog *catalog;
	struct queue *queue;
	struct queue_ops queue_patched;
	struct catalog_ops catalog_patched;
	struct publish publish;
	struct backup backup;
	struct backup_result result;
};
struct bench_options {
	struct object_store_fault from, to;
	bool stepping;
	int max_receives;
};

static inline const char *in(struct bench *b, const char *name)
{
	return arena_printf(b->arena, "%s/%s", b->folder, name);
}

static inline struct object_store *open_store(struct bench *b, const char *name,
					      const struct object_store_fault *plan)
{
	struct object_store *s;
	GOOD(object_store_fs_open(in(b, name), true, &s, &e));
	return object_store_fault_open(s, plan);
}

/* folder is what another bench left, or NULL. */
static inline void bench_open(struct bench *b, const char *folder, const struct bench_options *o)
{
	struct bench_options none = {.max_receives = 3};
	o = o ? o : &none;
	*b = (struct bench){.folder = folder ? mem_strdup(folder) : temporary_folder(),
			    .arena = arena_new()};
	clock_fake_init(&b->clock, clock_now_us(&clock_system));
	b->from = open_store(b, "lake", &o->from);
	b->to = open_store(b, "copies", &o->to);
	GOOD(catalog_sqlite_open(in(b, "lake/state"), &b->clock.clock, false, &b->catalog, &e));
	GOOD(catalog_put_tables(b->catalog, bitcoin_tables, BITCOIN_KINDS, &e));
	GOOD(queue_sqlite_open(in(b, "queue"), "backup", o->max_receives ? o->max_receives : 3,
			       &b->clock.clock, &b->queue, &e));
	if (o->stepping) {
		queue_real = b->queue->ops;
		b->queue_patched = *queue_real;
		b->queue_patched.receive = stepping_receive;
		b->queue_patched.remove = stepping_remove;
		b->queue->ops = &b->queue_patched;
		catalog_real = b->catalog->ops;
		b->catalog_patched = *catalog_real;
		b->catalog_patched.commit = stepping_commit;
		b->catalog->ops = &b->catalog_patched;
	}
	b->publish =
		(struct publish){.store = b->from, .catalog = b->catalog, .clock = &b->clock.clock};
	b->backup = (struct backup){.from = b->from,
				    .to = b->to,
				    .catalog = b->catalog,
				    .queue = b->queue,
				    .clock = &b->clock.clock,
				    .tables = bitcoin_tables,
				    .table_count = BITCOIN_KINDS,
				    .workers = 4};
}

static inline void bench_close(struct bench *b)
{
	queue_free(b->queue);
	catalog_free(b->catalog);
	object_store_free(b->from);
	object_store_free(b->to);
	arena_free(b->arena);
	free(b->folder);
	b->folder = NULL;
}

static inline void bench_clear(struct bench *b)
{
	char *folder = b->folder ? mem_strdup(b->folder) : NULL;
	if (b->arena)
		bench_close(b);
	remove_folder(&folder);
}
#define BENCH                                                   \
	struct bench b CLEANUP(bench_clear) = {.folder = NULL}; \
	bench_open(&b, NULL, NULL)

/* -- publishing -------------------------------------------------------------------------------- */

static inline const char *scope_of(struct bench *b, int hour)
{
	return arena_printf(b->arena, "date=2024-08-08/hour=%d", hour);
}

static inline const char *key_of(struct bench *b, enum bitcoin_kind kind, int hour, int64_t first,
				 int64_t last)
{
	return arena_printf(b->arena, "%s/%s/%" PRId64 "-%" PRId64 ".parquet",
			    bitcoin_tables[kind]->location, scope_of(b, hour), first, last);
}

/* Rows first..last, as a file of so many bytes that nothing else has. */
static inline struct publish_file staged(struct bench *b, struct publish_session *s,
					 enum bitcoin_kind kind, int hour, int64_t first,
					 int64_t last, size_t bytes)
{
	static unsigned number;
	const char **scopes = ANEW_ARRAY(b->arena, 1, const char *);
	struct buf text = {0};
	scopes[0] = scope_of(b, hour);
	buf_printf(&text, "%s %d %" PRId64 " %" PRId64 "\n", bitcoin_kind_names[kind], hour, first,
		   last);
	while (text.len < bytes)
		buf_printf(&text, "%zu %" PRId64 "\n", text.len, first);
	struct publish_file f = {
		.path = arena_printf(b->arena, "%s/%u", publish_staging(s), ++number),
		.file = {.key = key_of(b, kind, hour, first, last),
			 .scopes = scopes,
			 .scope_count = 1,
			 .rows = last - first + 1,
			 .bytes = (int64_t)text.len}};
	f.file.low[0] = f.file.high[0] = "2024-08-08";
	f.file.low[1] = f.file.high[1] = arena_printf(b->arena, "%d", hour);
	GOOD(file_create(f.path, text.data, text.len, false, &e));
	buf_free(&text);
	return f;
}

static int64_t stream_life; /* 0: none is told */

/* The properties as the deliverer writes them, of a partition whose rows are first..last. */
static inline const char *properties(struct bench *b, enum bitcoin_kind kind, int64_t rows,
				     int64_t first, int64_t last)
{
	const char *ids = kind == BITCOIN_TRADE
				  ? arena_printf(b->arena,
						 ",\"trade_ids\":{\"binance/BTCUSDT\":[[%" PRId64
						 ",%" PRId64 "]]}",
						 first, last)
				  : "";
	const char *life = stream_life ? arena_printf(b->arena, ",\"stream\":\"%016" PRIx64 "\"",
						      (uint64_t)stream_life)
				       : "";
	return arena_printf(b->arena,
			    "{\"content\":\"%" PRId64 "-%" PRId64 "-%" PRId64
			    "\",\"landed_on\":\"2024-08-08\"%s%s}",
			    rows, first, last, life, ids);
}

struct rows {
	enum bitcoin_kind kind;
	int hour;
	int64_t first, last;
	size_t bytes;
};

/* One file; `whole` is what the partition then has (0: just this). */
static inline void publish_rows(struct bench *b, struct rows r, int64_t whole_first, bool append)
{
	struct publish_session *s;
	int64_t version;
	const struct table_def *table = bitcoin_tables[r.kind];
	GOOD(publish_begin(&b->publish, &table, 1, &s, &e));
	struct publish_file file = staged(b, s, r.kind, r.hour, r.first, r.last, r.bytes);
	int64_t first = whole_first ? whole_first : r.first;
	struct catalog_scope scope = {
		.scope = scope_of(b, r.hour),
		.properties = properties(b, r.kind, r.last - first + 1, first, r.last)};
	const struct publish_change change = {.table = table,
					      .scopes = &scope,
					      .scope_count = 1,
					      .files = &file,
					      .file_count = 1,
					      .append = append};
	const struct catalog_mark marks[] = {{DELIVER_MARK, r.last, false},
					     {DELIVER_STREAM_MARK, stream_life, false}};
	GOOD(publish_replace(s, &change, 1, marks, 2, &version, &e));
	publish_end(s);
}

/* So many files of ticks, ten to an hour, each with ten rows. */
static inline void publish_many(struct bench *b, int n)
{
	struct publish_session *s;
	int64_t version;
	const struct table_def *table = bitcoin_tables[BITCOIN_TICK];
	GOOD(publish_begin(&b->publish, &table, 1, &s, &e));
	struct publish_file *files = ANEW_ARRAY(b->arena, (size_t)n, struct publish_file);
	struct catalog_scope scopes[24] = {{.scope = NULL}};
	size_t scope_count = 0;
	for (int i = 0; i < n; i++) {
		int hour = i / 10 % 24;
		files[i] = staged(b, s, BITCOIN_TICK, hour, i * 10 + 1, i * 10 + 10, 0);
		if (i % 10 == 0 && i < 240)
			scopes[scope_count++] = (struct catalog_scope){
				.scope = scope_of(b, hour),
				.properties =
					properties(b, BITCOIN_TICK, 100, i * 10 + 1, i * 10 + 100)};
	}
	const struct publish_change change = {.table = table,
					      .scopes = scopes,
					      .scope_count = scope_count,
					      .files = files,
					      .file_count = (size_t)n,
					      .append = true};
	GOOD(publish_replace(s, &change, 1, NULL, 0, &version, &e));
	publish_end(s);
}

static inline int64_t relay(struct bench *b)
{
	static const char *const prefixes[] = {"raw/bitcoin_ticks", "raw/bitcoin_trades",
					       "raw/bitcoin_gaps"};
	const struct trigger_route route = {b->queue, BACKUP_MARK, prefixes, 3};
	int64_t sent;
	GOOD(trigger_relay_routes(b->catalog, &route, 1, "lake", &sent, &e));
	return sent;
}

/* -- running and looking ----------------------------------------------------------------------- */

static inline void run(struct bench *b, bool everything)
{
	GOOD(backup_run(&b->backup, everything, &b->result, &e));
}

static inline struct queue_stats stats_of(struct bench *b)
{
	struct queue_stats s;
	GOOD(queue_stats(b->queue, &s, &e));
	return s;
}

/* "problem key\n" for each finding */
static inline const char *verify(struct bench *b)
{
	struct backup_finding *list;
	struct buf text = {0};
	size_t n;
	int64_t checked;
	GOOD(backup_verify(&b->backup, b->arena, &list, &n, &checked, &e));
	for (size_t i = 0; i < n; i++) {
		assert_true(list[i].text[0]);
		buf_printf(&text, "%s %s\n", list[i].problem, list[i].key);
	}
	const char *kept = arena_strdup(b->arena, text.data ? text.data : "");
	buf_free(&text);
	return kept;
}

static inline struct backup_status status(struct bench *b)
{
	struct backup_status s;
	GOOD(backup_status(&b->backup, &s, &e));
	return s;
}

struct listed {
	struct buf text;
	const char *root;
};
static inline int list_file(void *ctx, const char *path, int64_t size)
{
	struct listed *l = ctx;
	struct buf bytes = {0};
	char sha256[HASH_HEX_SIZE];
	if (strncmp(path, "state/", 6) == 0 || strstr(path, "backup/lock"))
		return OK;
	char *full = path_in(l->root, path);
	GOOD(file_read(full, 64 << 20, &bytes, &e));
	hash_bytes_hex(bytes.data ? bytes.data : "", bytes.len, sha256);
	buf_printf(&l->text, "%s %s\n", path, sha256);
	buf_free(&bytes);
	free(full);
	return OK;
}
/* Every file of a store with its hash; what is staged shows too. */
static inline const char *tree(struct bench *b, const char *name)
{
	struct listed l = {.root = in(b, name)};
	GOOD(file_walk(l.root, list_file, &l, &e));
	const char *kept = arena_strdup(b->arena, l.text.data ? l.text.data : "");
	buf_free(&l.text);
	return kept;
}

/* key, rows and properties of all that is live */
static inline const char *catalog_text(struct bench *b)
{
	struct buf text = {0};
	for (int k = 0; k < BITCOIN_KINDS; k++) {
		struct catalog_file *files;
		struct catalog_scope *scopes;
		size_t n;
		GOOD(catalog_files(b->catalog, bitcoin_tables[k], LAYOUT_PUBLISHED, NULL, 0,
				   b->arena, &files, &n, &e));
		for (size_t i = 0; i < n; i++)
			buf_printf(&text, "%s %" PRId64 " %" PRId64 "\n", files[i].key,
				   files[i].rows, files[i].bytes);
		GOOD(catalog_scopes(b->catalog, bitcoin_tables[k], NULL, 0, b->arena, &scopes, &n,
				    &e));
		for (size_t i = 0; i < n; i++)
			buf_printf(&text, "%s %s %" PRId64 " %" PRId64 "\n", scopes[i].scope,
				   scopes[i].properties, scopes[i].rows, scopes[i].files);
	}
	const char *kept = arena_strdup(b->arena, text.data ? text.data : "");
	buf_free(&text);
	return kept;
}

static inline void overwrite(struct bench *b, const char *path, const char *text)
{
	const char *full = in(b, path);
	unlink(full);
	GOOD(file_create(full, text, strlen(text), false, &e));
}

/* Flips a bit in the middle of a file. */
static inline void flip(struct bench *b, const char *path)
{
	FILE *f = fopen(in(b, path), "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 5, SEEK_SET), 0);
	int c = fgetc(f);
	assert_int_equal(fseek(f, 5, SEEK_SET), 0);
	fputc(c ^ 1, f);
	assert_int_equal(fclose(f), 0);
}

#endif
