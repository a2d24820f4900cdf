/* Publishing what a stream delivers: hours that are appended to, merged, and compacted by the day.
 * The rows are the numbers 1, 2, 3 and so on, and whatever happened when, a reader sees just those
 * up to the mark, in published files and in those that queries read. */
#include "publish_lake.h"

#include <fcntl.h>

#include "object_store_fault.h"

/* -- the table --------------------------------------------------------------------------------- */

#define DAY  "2024-08-08"
#define MARK "delivered"
static const struct column hours_columns[] = {{.name = "seq", .type = COL_BIGINT}};
static const struct column hours_partition[] = {{.name = "date", .type = COL_DATE},
						{.name = "hour", .type = COL_INTEGER}};
static const struct table_def hours = {
	.database = "raw",
	.name = "hours",
	.columns = hours_columns,
	.column_count = 1,
	.partition = hours_partition,
	.partition_count = 2,
	.location = "raw/hours",
	.scope_count = 2,
	.compact_location = "compact/raw/hours",
	.sort = (const char *const[]){"seq"},
	.sort_count = 1,
};
static const struct table_def *const tables[] = {&hours};

enum { FIRST_HOUR = 8, HOURS = 5 };
/* Rows come by fives, and late now and then. */
static int hour_of(int64_t seq)
{
	return FIRST_HOUR + (int)(seq / 5 * 7 / 3 % HOURS);
}

static const char *scope_of(struct arena *a, int hour)
{
	return arena_printf(a, "date=" DAY "/hour=%d", hour);
}

static void lake_open(struct lake *l, const char *root)
{
	lake_start(l, root, tables, 1);
}

static struct publish_session *session(struct lake *l)
{
	struct publish_session *s = NULL;
	GOOD(publish_begin(&l->with, tables, 1, &s, &e));
	return s;
}

static int64_t mark(struct lake *l)
{
	int64_t value;
	GOOD(catalog_mark_get(l->catalog, MARK, &value, &e));
	return value;
}

/* -- what a deliverer does --------------------------------------------------------------------- */

/* Rows after the mark and up to the number, a file for each hour. */
static int deliver(struct lake *l, struct publish_session *s, int64_t to, struct err *e)
{
	AUTO_ARENA struct arena *a = arena_new();
	const struct catalog_mark moved = {MARK, to, false};
	struct publish_file files[HOURS];
	struct catalog_scope scopes[HOURS];
	size_t n = 0;
	int64_t version, from = mark(l) + 1;
	if (from > to)
		return OK;
	for (int hour = FIRST_HOUR; hour < FIRST_HOUR + HOURS; hour++) {
		AUTO_BUF struct buf text = {0};
		int64_t rows = 0;
		for (int64_t seq = from; seq <= to; seq++)
			if (hour_of(seq) == hour) {
				buf_printf(&text, "%06d\n", (int)seq);
				rows++;
			}
		if (!rows)
			continue;
		const char *name = arena_printf(a, "%d-%d", (int)from, (int)to);
		scopes[n] = (struct catalog_scope){
			.scope = scope_of(a, hour),
			.properties = arena_printf(a, "{\"content\":\"%d\"}", (int)to)};
		files[n] = (struct publish_file){
			.path = arena_printf(a, "%s/%zu", publish_staging(s), n),
			.file = {.key = path_key(a, &hours, scopes[n].scope, name),
				 .layout = LAYOUT_PUBLISHED,
				 .scopes = &scopes[n].scope,
				 .scope_count = 1,
				 .rows = rows,
				 .bytes = (int64_t)text.len}};
		files[n].file.low[0] = files[n].file.high[0] = DAY;
		files[n].file.low[1] = files[n].file.high[1] = arena_printf(a, "%d", hour);
		int rc = file_create(files[n].path, text.data, text.len, false, e);
		if (rc)
			return rc;
		n++;
	}
	const struct publish_change change = {.table = &hours,
					      .scopes = scopes,
					      .scope_count = n,
					      .files = files,
					      .file_count = n,
					      .append = true};
	return publish_replace(s, &change, 1, &moved, 1, &version, e);
}

static int64_t rows_of(struct lake *l, int hour)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct catalog_scope scope;
	struct err absent = ERR_INIT;
	int rc = catalog_scope(l->catalog, &hours, scope_of(a, hour), a, &scope, &absent);
	assert_true(rc == OK || rc == ERR_NOT_FOUND);
	return rc ? 0 : scope.rows;
}

/* Those of the hours first to last that have rows; named by how many. */
static int merge(struct lake *l, struct publish_session *s, int first, int last, int64_t *merged,
		 struct err *e)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct publish_merge merges[HOURS];
	size_t n = 0;
	for (int hour = first; hour <= last; hour++)
		if (rows_of(l, hour))
			merges[n++] = (struct publish_merge){
				scope_of(a, hour),
				arena_printf(a, "all-%d", (int)rows_of(l, hour))};
	return publish_merge_scopes(s, &hours, merges, n, merged, e);
}

static int compact(struct lake *l, struct publish_session *s, int first, int last, int64_t *merged,
		   struct err *e)
{
	AUTO_ARENA struct arena *a = arena_new();
	const char *scopes[HOURS];
	size_t n = 0;
	int64_t rows = 0;
	for (int hour = first; hour <= last; hour++)
		if (rows_of(l, hour)) {
			scopes[n++] = scope_of(a, hour);
			rows += rows_of(l, hour);
		}
	const char *name = arena_printf(a, "%d-%d-%d", first, last, (int)rows);
	return publish_compact_scopes(s, &hours, scopes, n, name, merged, e);
}

/* -- what a reader sees ------------------------------------------------------------------------ */

static bool rows_up_to(struct lake *l, enum catalog_layout layout, int64_t to)
{
	AUTO_ARENA struct arena *a = arena_new();
	AUTO_FREE bool *seen = NEW_ARRAY((size_t)to + 1, bool);
	struct catalog_file *files;
	size_t n;
	int64_t count = 0;
	bool right = true;
	GOOD(catalog_files(l->catalog, &hours, layout, NULL, 0, a, &files, &n, &e));
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf bytes = {0};
		int64_t rows = 0;
		GOOD(object_store_get(l->store, files[i].key, 0, -1, 1 << 20, &bytes, NULL, &e));
		struct slice rest = buf_slice(&bytes);
		while (rest.n) {
			struct slice line = slice_cut(&rest, '\n');
			struct slice number = slice_cut(&line, '|');
			int64_t seq = 0;
			assert_true(int64_parse(number, &seq));
			const char *values = arena_printf(a, DAY "|%d", hour_of(seq));
			/* A compact file says inside what a published one says by its place. */
			right &= files[i].layout == LAYOUT_COMPACT
					 ? slice_is(line, values)
					 : strcmp(files[i].low[1], values + strlen(DAY "|")) == 0;
			right &= seq >= 1 && seq <= to && !seen[seq];
			if (right)
				seen[seq] = true;
			rows++;
		}
		right &= rows == files[i].rows;
		count += rows;
	}
	return right && count == to;
}

static bool is_whole(struct lake *l)
{
	return rows_up_to(l, LAYOUT_PUBLISHED, mark(l)) && rows_up_to(l, LAYOUT_QUERY, mark(l));
}

static size_t count_files(struct lake *l, enum catalog_layout layout)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct catalog_file *files;
	size_t n;
	GOOD(catalog_files(l->catalog, &hours, layout, NULL, 0, a, &files, &n, &e));
	return n;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void hours_grow_merge_and_close(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	int64_t merged, version;
	lake_open(&l, root);
	struct publish_session *s = session(&l);
	for (int i = 1; i <= 8; i++)
		GOOD(deliver(&l, s, i * 10, &e));
	assert_true(is_whole(&l));
	assert_true(count_files(&l, LAYOUT_PUBLISHED) > 10);
	GOOD(merge(&l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	assert_int_equal(merged, HOURS);
	assert_int_equal(count_files(&l, LAYOUT_PUBLISHED), HOURS);
	assert_true(is_whole(&l));
	/* What is one file already is left alone. */
	GOOD(merge(&l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	assert_int_equal(merged, 0);
	GOOD(compact(&l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	assert_int_equal(merged, 1);
	assert_int_equal(count_files(&l, LAYOUT_QUERY), 1);
	assert_true(is_whole(&l));
	GOOD(compact(&l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	assert_int_equal(merged, 0);

	/* Late rows: the day's file is gone, the hours are read as they were. */
	GOOD(deliver(&l, s, 84, &e));
	assert_int_equal(count_files(&l, LAYOUT_COMPACT), 0);
	assert_true(is_whole(&l));
	GOOD(compact(&l, s, FIRST_HOUR, FIRST_HOUR + 1, &merged, &e));
	assert_true(is_whole(&l));
	/* A larger file takes the place of a smaller one, a smaller one that of a larger. */
	GOOD(compact(&l, s, FIRST_HOUR, FIRST_HOUR + 3, &merged, &e));
	assert_int_equal(count_files(&l, LAYOUT_COMPACT), 1);
	assert_true(is_whole(&l));
	GOOD(compact(&l, s, FIRST_HOUR, FIRST_HOUR, &merged, &e));
	assert_int_equal(count_files(&l, LAYOUT_COMPACT), 1);
	assert_true(is_whole(&l));
	/* Merging beneath a compact file leaves it; and the properties. */
	GOOD(compact(&l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	GOOD(merge(&l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	assert_true(merged > 0);
	assert_int_equal(count_files(&l, LAYOUT_QUERY), 1);
	assert_true(is_whole(&l));
	AUTO_ARENA struct arena *a = arena_new();
	struct catalog_scope scope;
	GOOD(catalog_scope(l.catalog, &hours, scope_of(a, hour_of(84)), a, &scope, &e));
	assert_string_equal(scope.properties, "{\"content\":\"84\"}");

	/* A mark by itself. */
	const struct catalog_mark other = {"other", 3, false};
	int64_t value;
	GOOD(publish_replace(s, NULL, 0, &other, 1, &version, &e));
	GOOD(catalog_mark_get(l.catalog, "other", &value, &e));
	assert_int_equal(value, 3);
	publish_end(s);
	assert_true(is_tidy(&l));
	lake_close(&l);
}

static void mistakes_are_refused(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	int64_t merged = -1, version;
	struct err refusal = ERR_INIT;
	lake_open(&l, root);
	struct publish_session *s = session(&l);
	GOOD(deliver(&l, s, 1, &e));
	GOOD(deliver(&l, s, 4, &e));
	const char *scope = "date=" DAY "/hour=8", *absent = "date=" DAY "/hour=23";
	assert_int_equal(hour_of(1), 8);
	assert_int_equal(publish_merge_scopes(s, &hours, &(struct publish_merge){absent, "x"}, 1,
					      &merged, &refusal),
			 ERR_NOT_FOUND);
	/* The name of one of its own files, whose readers would see it change. */
	assert_int_equal(publish_merge_scopes(s, &hours, &(struct publish_merge){scope, "1-1"}, 1,
					      &merged, &refusal),
			 ERR_BUG);
	assert_int_equal(publish_compact_scopes(s, &hours, &absent, 1, "x", &merged, &refusal),
			 ERR_NOT_FOUND);
	assert_true(is_whole(&l));
	/* A file that says other than what the catalog knows of it. */
	struct catalog_scope given = {.scope = scope, .properties = "{}"};
	struct publish_file file = {.file = {.key = "raw/hours/date=" DAY "/hour=8/1-1.parquet",
					     .layout = LAYOUT_PUBLISHED,
					     .scopes = &scope,
					     .scope_count = 1,
					     .rows = 2,
					     .bytes = 7}};
	file.file.low[0] = file.file.high[0] = DAY;
	file.file.low[1] = file.file.high[1] = "8";
	AUTO_FREE char *path = path_in(publish_staging(s), "again");
	file.path = path;
	GOOD(file_create(path, "000001\n", 7, false, &e));
	const struct publish_change change = {.table = &hours,
					      .scopes = &given,
					      .scope_count = 1,
					      .files = &file,
					      .file_count = 1,
					      .append = true};
	assert_int_equal(publish_replace(s, &change, 1, NULL, 0, &version, &refusal), ERR_BUG);
	assert_true(is_whole(&l));
	/* The same once more is no change. */
	file.file.rows = 1;
	GOOD(file_create(path, "000001\n", 7, false, &e));
	GOOD(publish_replace(s, &change, 1, NULL, 0, &version, &e));
	assert_true(is_whole(&l));
	publish_end(s);
	assert_true(is_tidy(&l));
	lake_close(&l);
}

/* One round of a deliverer: late rows for a compacted day, merging, compacting. */
static void round_of(struct lake *l, const void *to)
{
	struct publish_session *s = session(l);
	int64_t merged;
	GOOD(deliver(l, s, *(const int64_t *)to, &e));
	GOOD(merge(l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	GOOD(compact(l, s, FIRST_HOUR, FIRST_HOUR + HOURS - 1, &merged, &e));
	publish_end(s);
}

static void dying_at_every_step(void **state)
{
	(void)state;
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *base = path_in(folder, "base");
	AUTO_FREE char *undisturbed = path_in(folder, "undisturbed");
	const int64_t before = 30, to = 41;
	struct lake l;
	int saw_old = 0, saw_new = 0;
	lake_open(&l, base);
	round_of(&l, &before);
	lake_close(&l);
	copy_folder(base, undisturbed);
	lake_open(&l, undisturbed);
	round_of(&l, &to);
	assert_true(is_whole(&l));
	assert_true(is_tidy(&l));
	AUTO_FREE char *expected = inventory(&l);
	lake_close(&l);

	for (int at = 1;; at++) {
		char name[32];
		snprintf(name, sizeof(name), "death-%d", at);
		AUTO_FREE char *root = path_in(folder, name);
		copy_folder(base, root);
		if (!dies(root, at, tables, 1, round_of, &to)) {
			assert_true(at > 40);
			break;
		}
		lake_open(&l, root);
		/* Readers before any recovery. */
		assert_true(is_whole(&l));
		saw_old += mark(&l) == before;
		saw_new += mark(&l) == to;
		round_of(&l, &to);
		assert_int_equal(mark(&l), to);
		assert_true(is_whole(&l));
		assert_true(is_tidy(&l));
		AUTO_FREE char *found = inventory(&l);
		assert_string_equal(found, expected);
		lake_close(&l);
		assert_int_equal(file_remove_tree(root, NULL), OK);
	}
	assert_true(saw_old > 5);
	assert_true(saw_new > 20);
}

struct operation {
	int kind, first, last;
	int64_t rows;
};

static void operate(struct lake *l, const void *arg)
{
	const struct operation *o = arg;
	struct publish_session *s = session(l);
	int64_t merged;
	if (o->kind < 3)
		GOOD(deliver(l, s, mark(l) + o->rows, &e));
	else if (o->kind == 3)
		GOOD(merge(l, s, o->first, o->last, &merged, &e));
	else
		GOOD(compact(l, s, o->first, o->last, &merged, &e));
	publish_end(s);
}

static uint32_t random_state;
static int below(int n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (int)((random_state >> 8) % (uint32_t)n);
}

static void random_operations_and_deaths(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	int deaths = 0;
	random_state = 20240808;
	for (int round = 0; round < 100; round++) {
		struct operation o = {.kind = below(6),
				      .first = FIRST_HOUR + below(HOURS),
				      .rows = 1 + below(12)};
		o.last = o.first + below(FIRST_HOUR + HOURS - o.first);
		deaths += dies(root, below(2) ? 1 + below(20) : 0, tables, 1, operate, &o);
		lake_open(&l, root);
		assert_true(is_whole(&l));
		if (below(3) == 0) {
			publish_end(session(&l));
			assert_true(is_tidy(&l));
			assert_true(is_whole(&l));
		}
		lake_close(&l);
	}
	assert_true(deaths > 10);
}

static void read_until_told(const char *root, int stop)
{
	struct lake l;
	char byte;
	in_child = true;
	lake_open(&l, root);
	while (read(stop, &byte, 1) < 0) {
		int64_t version, before;
		int handle;
		GOOD(catalog_read_begin(l.catalog, &version, &handle, &e));
		before = mark(&l);
		bool right = rows_up_to(&l, LAYOUT_QUERY, before);
		/* A list that was made while the mark moved may be of either side. */
		bool still = mark(&l) == before;
		catalog_read_end(l.catalog, handle);
		if (handle < 0 || (still && !right))
			_exit(3);
	}
	_exit(0);
}

static void readers_see_the_rows_of_the_mark(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	int stop[2], status;
	lake_open(&l, root);
	assert_int_equal(pipe2(stop, O_NONBLOCK | O_CLOEXEC), 0);
	pid_t reader = fork();
	if (reader == 0) {
		close(stop[1]);
		read_until_told(root, stop[0]);
	}
	for (int64_t i = 1; i <= 40; i++) {
		const int64_t to = i * 7;
		struct publish_session *s = session(&l);
		GOOD(deliver(&l, s, to, &e));
		publish_end(s);
		if (i % 4 == 0)
			round_of(&l, &to);
	}
	close(stop[1]);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	close(stop[0]);
	publish_end(session(&l));
	assert_true(is_tidy(&l));
	lake_close(&l);
}

static void a_failed_put_moves_no_mark(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	const int64_t old = 30;
	lake_open(&l, root);
	round_of(&l, &old);
	AUTO_FREE char *before = inventory(&l);
	for (int nth = 1; nth <= 3; nth++) {
		struct object_store *good;
		struct err failure = ERR_INIT;
		GOOD(object_store_fs_open(root, false, &good, &e));
		l.with.store = object_store_fault_new(good, nth, ERR_LIMIT);
		struct publish_session *s = session(&l);
		assert_int_equal(deliver(&l, s, 60, &failure), ERR_LIMIT);
		AUTO_FREE char *after = inventory(&l);
		assert_string_equal(after, before);
		assert_int_equal(mark(&l), old);
		assert_true(is_whole(&l));
		publish_end(s);
		object_store_free(l.with.store);
		l.with.store = l.store;
	}
	assert_true(is_tidy(&l));
	lake_close(&l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_grow_merge_and_close),
		cmocka_unit_test(mistakes_are_refused),
		cmocka_unit_test(dying_at_every_step),
		cmocka_unit_test(random_operations_and_deaths),
		cmocka_unit_test(readers_see_the_rows_of_the_mark),
		cmocka_unit_test(a_failed_put_moves_no_mark),
	};
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return RUN_TESTS("publish_append");
}
