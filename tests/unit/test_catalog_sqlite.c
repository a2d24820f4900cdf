/* What only the SQLite catalog promises: work that does not grow with what is there, a lake that
 * may only be read, a lake in memory. Work is counted in SQLite's own steps, so that no clock is
 * involved. */
#include "../contract/catalog_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog_sqlite_private.h"

static const struct driver_case *const sqlite_case = &drivers[0];

static int set_up_sqlite(void **state)
{
	*state = (void *)(uintptr_t)sqlite_case;
	return set_up(state);
}

static int64_t work(struct catalog *c)
{
	int64_t steps = 0;
	for (sqlite3_stmt *q = NULL; (q = sqlite3_next_stmt(catalog_of(c)->db->db, q)) != NULL;)
		steps += sqlite3_stmt_status(q, SQLITE_STMTSTATUS_VM_STEP, 1);
	return steps;
}

static int ignore(void *ctx, const struct table_def *table, const struct catalog_file *file,
		  const struct catalog_scope *scope)
{
	++*(int *)ctx;
	return OK;
}

static void fill(struct fixture *f, int from, int to)
{
	for (int i = from; i < to; i++) {
		char date[DATE_TEXT_SIZE];
		put_session(f, f->catalog, i % 2 ? "IBOV" : "SMLL", date_format(17000 + i, date),
			    "a");
	}
}

enum { QUESTIONS = 8 };
static void ask(struct fixture *f, int64_t cost[QUESTIONS])
{
	char date[DATE_TEXT_SIZE];
	struct catalog_file file = published(f, "IBOV", date_format(17003, date), "VALE", "a", 1),
			    *files;
	struct catalog_scope scope;
	const struct filter_term terms[2] = {*term(f, "index_code", FILTER_IN, "IBOV", NULL),
					     *term(f, "pregao_date", FILTER_IN, date, NULL)};
	const struct filter one = {terms, 2}, day = {&terms[1], 1};
	const char **keys;
	size_t n;
	int64_t version, mark;
	int seen = 0;
	bool live;
	/* Once to prepare the statements, which have steps of their own. */
	for (int round = 0; round < 2; round++) {
		work(f->catalog);
		mark = put_session(f, f->catalog, "IBOV", date, round ? "a" : "b");
		cost[0] = work(f->catalog);
		GOOD(f,
		     catalog_scope(f->catalog, &refined, file.scopes[0], f->arena, &scope, &f->e));
		cost[1] = work(f->catalog);
		GOOD(f, catalog_files(f->catalog, &refined, LAYOUT_PUBLISHED, &one, 1, f->arena,
				      &files, &n, &f->e));
		cost[2] = work(f->catalog);
		GOOD(f, catalog_files(f->catalog, &refined, LAYOUT_COMPACT, &one, 1, f->arena,
				      &files, &n, &f->e));
		assert_int_equal(n, 1);
		cost[3] = work(f->catalog);
		GOOD(f, catalog_files(f->catalog, &refined, LAYOUT_COMPACT, &day, 1, f->arena,
				      &files, &n, &f->e));
		assert_int_equal(n, 1);
		cost[4] = work(f->catalog);
		GOOD(f, catalog_is_live(f->catalog, file.key, &live, &f->e));
		cost[5] = work(f->catalog);
		GOOD(f, catalog_changes(f->catalog, mark - 1, ignore, &seen, &version, &f->e));
		cost[6] = work(f->catalog);
		GOOD(f, catalog_dead(f->catalog, &refined, f->arena, &keys, &n, &f->e));
		cost[7] = work(f->catalog);
		GOOD(f, catalog_forget(f->catalog, keys, n, &f->e));
	}
	assert_int_equal(seen, 4);
}

static void work_does_not_grow_with_the_table(void **state)
{
	struct fixture *f = *state;
	int64_t small[QUESTIONS], large[QUESTIONS];
	fill(f, 0, 10);
	ask(f, small);
	fill(f, 10, 500);
	ask(f, large);
	for (int i = 0; i < QUESTIONS; i++) {
		if (large[i] > small[i] + small[i] / 4)
			print_error("question %d: %lld steps, then %lld\n", i, (long long)small[i],
				    (long long)large[i]);
		assert_true(large[i] <= small[i] + small[i] / 4);
	}
}

/* More files for an hour; at most 4000. */
static void append(struct fixture *f, const struct table_def *table, int from, int to)
{
	struct catalog_file *files = ANEW_ARRAY(f->arena, 4000, struct catalog_file);
	struct catalog_scope scope = {.scope = "date=2024-08-08/hour=9", .properties = "{}"};
	struct catalog_change change = {.table = table,
					.scopes = &scope,
					.scope_count = 1,
					.files = files,
					.file_count = (size_t)(to - from),
					.append = true};
	const struct catalog_mark mark = {"delivered", to, false};
	int64_t version;
	for (int i = from; i < to; i++) {
		const char *name = arena_printf(f->arena, "%06d", i);
		files[i - from] = tick(f, "2024-08-08", "9", name, 1);
		files[i - from].key = path_key(f->arena, table, scope.scope, name);
	}
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, &mark, 1, &version, &f->e));
}

static void an_append_is_as_large_as_its_files(void **state)
{
	struct fixture *f = *state;
	struct table_def closing = raw;
	const struct table_def *given = &closing;
	int64_t small, large, version, after;
	int seen = 0;
	closing.name = "closing";
	closing.location = "raw/closing";
	closing.compact_location = "compact/raw/closing";
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));
	append(f, &closing, 0, 1);
	append(f, &closing, 1, 2);
	work(f->catalog);
	append(f, &closing, 2, 3);
	small = work(f->catalog);
	append(f, &closing, 3, 3600);
	work(f->catalog);
	append(f, &closing, 3600, 3601);
	large = work(f->catalog);
	if (large > small + small / 4)
		print_error("%lld steps, then %lld\n", (long long)small, (long long)large);
	assert_true(large <= small + small / 4);
	/* To be told of the last is no more work either. */
	GOOD(f, catalog_changes(f->catalog, INT64_MAX - 1, ignore, &seen, &after, &f->e));
	append(f, &closing, 3601, 3602);
	work(f->catalog);
	GOOD(f, catalog_changes(f->catalog, after, ignore, &seen, &version, &f->e));
	assert_int_equal(seen, 1);
	assert_true(work(f->catalog) < 500);
}

static const char *told(struct fixture *f)
{
	AUTO_BUF struct buf text = {0};
	const struct table_def *const tables[2] = {&refined, &raw};
	for (size_t t = 0; t < 2; t++) {
		struct column_stats *stats;
		size_t n;
		int64_t rows, bytes, files;
		GOOD(f, catalog_stats(f->catalog, tables[t], f->arena, &stats, &n, &rows, &bytes,
				      &files, &f->e));
		buf_printf(&text, "%lld rows in %lld files, ", (long long)rows, (long long)files);
		for (size_t i = 0; i < n; i++)
			buf_printf(&text, "%s..%s ", stats[i].minimum ? stats[i].minimum : "?",
				   stats[i].maximum ? stats[i].maximum : "?");
		for (int layout = LAYOUT_PUBLISHED; layout <= LAYOUT_QUERY; layout++) {
			struct catalog_file *list;
			GOOD(f, catalog_files(f->catalog, tables[t], (enum catalog_layout)layout,
					      NULL, 0, f->arena, &list, &n, &f->e));
			for (size_t i = 0; i < n; i++)
				buf_printf(&text, "%s@%lld ", list[i].key,
					   (long long)list[i].version);
		}
	}
	return arena_strdup(f->arena, text.data);
}

/* A catalog as the first version of the program left it says the same when it is opened by this
 * one. */
static void the_first_schema_is_taken_over(void **state)
{
	struct fixture *f = *state;
	int64_t version, before, after;
	int seen = 0;
	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	put_session(f, f->catalog, "IBOV", "2024-07-16", "b");
	put_ticks(f, "2024-08-08", "9", "t", 3);
	put_ticks(f, "2024-08-08", "10", "u", 4);
	const char *was = told(f);
	GOOD(f, catalog_changes(f->catalog, 0, ignore, &seen, &before, &f->e));
	GOOD(f, sqlite_exec(catalog_of(f->catalog)->db,
			    "DROP INDEX published_by_version; DROP INDEX scopes_by_version;"
			    "DROP INDEX scopes_loose;"
			    "ALTER TABLE published DROP COLUMN version;"
			    "ALTER TABLE scopes DROP COLUMN base_version;"
			    "ALTER TABLE scopes DROP COLUMN loose;"
			    "CREATE INDEX scopes_by_version ON scopes(version);"
			    "UPDATE stats SET owner = abs(owner); PRAGMA user_version = 1",
			    &f->e));
	catalog_free(f->catalog);
	GOOD(f, f->driver->open(f->place, false, &f->catalog, &f->e));
	assert_string_equal(told(f), was);
	GOOD(f, catalog_changes(f->catalog, 0, ignore, &seen, &after, &f->e));
	assert_int_equal(seen, 12);
	assert_int_equal(after, before);
	version = put_ticks(f, "2024-08-08", "9", "v", 5);
	assert_int_equal(version, before + 1);
	append(f, &raw, 0, 1);
}

static void nothing_to_do_writes_nothing(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = catalog_of(f->catalog)->db->db;
	int64_t before = sqlite3_total_changes64(db);
	work(f->catalog);
	GOOD(f, catalog_put_tables(f->catalog, both, 2, &f->e));
	assert_int_equal(sqlite3_total_changes64(db), before);
	assert_true(work(f->catalog) < 100);
}

static void a_lake_in_memory(void **state)
{
	(void)state;
	struct fixture f = {.arena = arena_new()};
	struct table_def **tables;
	size_t n;
	int64_t version;
	int handle;
	GOOD(&f, catalog_sqlite_open(NULL, &clock_system, true, &f.catalog, &f.e));
	GOOD(&f, catalog_put_tables(f.catalog, both, 2, &f.e));
	GOOD(&f, catalog_tables(f.catalog, f.arena, &tables, &n, &f.e));
	assert_int_equal(n, 2);
	assert_string_equal(names(&f, f.catalog, tables[0], LAYOUT_PUBLISHED, NULL, 0), "");
	GOOD(&f, catalog_read_begin(f.catalog, &version, &handle, &f.e));
	assert_int_equal(handle, -1);
	catalog_read_end(f.catalog, handle);
	catalog_free(f.catalog);
	arena_free(f.arena);
}

static void no_lake_is_not_made_by_reading(void **state)
{
	(void)state;
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *place = path_in(folder, "state");
	struct catalog *c;
	struct err e = ERR_INIT;
	assert_int_equal(catalog_sqlite_open(place, &clock_system, true, &c, &e), ERR_NOT_FOUND);
	assert_int_not_equal(access(place, F_OK), 0);
}

/* Somebody without the right to write: reads, and what is read is not deleted meanwhile. */
static void read_as_nobody(const char *place, int tell, int wait)
{
	struct fixture f = {.arena = arena_new()};
	int64_t version;
	int handle;
	char byte;
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(10);
	if (catalog_sqlite_open(place, &clock_system, true, &f.catalog, &f.e))
		_exit(11);
	if (catalog_read_begin(f.catalog, &version, &handle, &f.e) || handle < 0)
		_exit(12);
	if (strcmp(names(&f, f.catalog, &raw, LAYOUT_PUBLISHED, NULL, 0), "a") != 0)
		_exit(13);
	if (write(tell, "r", 1) != 1 || read(wait, &byte, 1) != 1)
		_exit(14);
	catalog_read_end(f.catalog, handle);
	if (catalog_lock(f.catalog, &raw, 0, NULL, NULL, &handle, &f.e) != ERR_DENIED)
		_exit(15);
	_exit(0);
}

static void a_lake_that_may_only_be_read(void **state)
{
	struct fixture *f = *state;
	int ready[2], go[2], status;
	char byte;
	const char **keys;
	size_t n;
	if (geteuid() != 0)
		skip();
	put_ticks(f, "2024-08-08", "9", "a", 1);
	catalog_free(f->catalog);
	f->catalog = NULL;
	assert_int_equal(chmod(f->place, 0755), 0);
	assert_int_equal(pipe(ready) | pipe(go), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ready[0]);
		close(go[1]);
		read_as_nobody(f->place, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	bool reads = read(ready[0], &byte, 1) == 1;
	GOOD(f, catalog_sqlite_open(f->place, &clock_system, false, &f->catalog, &f->e));
	put_ticks(f, "2024-08-08", "9", "b", 1);
	GOOD(f, catalog_dead(f->catalog, &raw, f->arena, &keys, &n, &f->e));
	if (reads)
		assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(n, 0);
	GOOD(f, catalog_dead(f->catalog, &raw, f->arena, &keys, &n, &f->e));
	assert_int_equal(n, 1);
	close(ready[0]);
	close(go[1]);
}

static void readers_leave_no_files_behind(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *readers = path_in(f->place, "readers");
	struct stat before, after;
	const char **keys;
	size_t n;
	assert_int_equal(stat(readers, &before), 0);
	for (int i = 0; i < 20; i++) {
		int64_t version;
		int handle;
		put_ticks(f, "2024-08-08", "9", i % 2 ? "a" : "b", 1);
		GOOD(f, catalog_read_begin(f->catalog, &version, &handle, &f->e));
		catalog_read_end(f->catalog, handle);
	}
	GOOD(f, catalog_dead(f->catalog, &raw, f->arena, &keys, &n, &f->e));
	assert_int_equal(n, 1);
	char *left = NULL;
	for (int64_t version = 1; version < 40; version++) {
		char name[32];
		snprintf(name, sizeof(name), "readers/%d", (int)version);
		left = path_in(f->place, name);
		assert_int_not_equal(access(left, F_OK), 0);
		free(left);
	}
	assert_int_equal(stat(readers, &after), 0);
	assert_int_equal(before.st_nlink, after.st_nlink);
}

/* Cleaning up removes a reader's file between its opening and its locking: the reader must notice,
 * or its hold is seen by nobody. */
static void a_hold_is_always_seen(void **state)
{
	struct fixture *f = *state;
	int stop[2];
	char byte;
	assert_int_equal(pipe2(stop, O_NONBLOCK | O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		struct catalog *mine;
		struct arena *arena = arena_new();
		const char **keys;
		size_t n;
		close(stop[1]);
		if (catalog_sqlite_open(f->place, &clock_system, false, &mine, NULL))
			_exit(1);
		while (read(stop[0], &byte, 1) < 0)
			if (catalog_dead(mine, &raw, arena, &keys, &n, NULL))
				_exit(2);
		_exit(0);
	}
	for (int i = 0; i < 20000; i++) {
		int64_t version;
		int handle;
		struct stat st;
		GOOD(f, catalog_read_begin(f->catalog, &version, &handle, &f->e));
		assert_int_equal(fstat(handle, &st), 0);
		assert_int_equal(st.st_nlink, 1);
		catalog_read_end(f->catalog, handle);
	}
	int status;
	close(stop[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(stop[0]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(work_does_not_grow_with_the_table, set_up_sqlite,
						tear_down),
		cmocka_unit_test_setup_teardown(an_append_is_as_large_as_its_files, set_up_sqlite,
						tear_down),
		cmocka_unit_test_setup_teardown(the_first_schema_is_taken_over, set_up_sqlite,
						tear_down),
		cmocka_unit_test_setup_teardown(nothing_to_do_writes_nothing, set_up_sqlite,
						tear_down),
		cmocka_unit_test(a_lake_in_memory),
		cmocka_unit_test(no_lake_is_not_made_by_reading),
		cmocka_unit_test_setup_teardown(a_lake_that_may_only_be_read, set_up_sqlite,
						tear_down),
		cmocka_unit_test_setup_teardown(readers_leave_no_files_behind, set_up_sqlite,
						tear_down),
		cmocka_unit_test_setup_teardown(a_hold_is_always_seen, set_up_sqlite, tear_down),
	};
	umask(022);
	return RUN_TESTS("catalog_sqlite");
}
