/* The helper under all SQLite drivers: opening on every kind of medium, schema steps, the statement
 * cache, what errors become. Read-only cases run in a child that is not root. */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sqlite.h"

static const char *const steps[] = {
	"CREATE TABLE a (x INTEGER PRIMARY KEY, t TEXT UNIQUE) STRICT;\nCREATE TABLE b (a INTEGER REFERENCES a (x));",
	"ALTER TABLE a ADD COLUMN y INTEGER;\nINSERT INTO a (x, t) VALUES (1, 'from step 2');",
};

static struct sqlite_options options(const char *path, enum sqlite_access access, size_t step_count)
{
	return (struct sqlite_options){.path = path,
				       .access = access,
				       .sync = SYNC_FULL,
				       .steps = steps,
				       .step_count = step_count};
}

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

static struct sqlite *open_db(const char *path)
{
	struct err e = ERR_INIT;
	struct sqlite *s = NULL;
	struct sqlite_options o = options(path, DB_CREATE, 2);
	must(sqlite_open(&o, &s, &e), &e);
	return s;
}

static int try_open(const char *path, enum sqlite_access access, size_t step_count, struct err *e)
{
	struct sqlite *s = NULL;
	struct sqlite_options o = options(path, access, step_count);
	int rc = sqlite_open(&o, &s, e);
	sqlite_close(s);
	return rc;
}

static int number(struct sqlite *s, const char *sql, int64_t *ret)
{
	struct err e = ERR_INIT;
	sqlite3_stmt *stmt;
	int rc = sqlite_prepare(s, sql, &stmt, &e);
	if (rc == OK) {
		rc = sqlite_step(s, stmt, &e);
		if (rc == 1)
			*ret = sqlite_i64(stmt, 0);
		sqlite_reset(stmt);
	}
	return rc < 0 ? rc : OK;
}

static int64_t must_number(struct sqlite *s, const char *sql)
{
	int64_t value = -1;
	assert_int_equal(number(s, sql, &value), OK);
	return value;
}

/* -- schema ------------------------------------------------------------------------------------ */

static void steps_run_once_and_an_older_file_is_brought_up_to_date(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "odd ?name#%41.db");
	struct err e = ERR_INIT;
	assert_int_equal(try_open(path, DB_READ, 2, &e), ERR_NOT_FOUND);
	must(try_open(path, DB_CREATE, 1, &e), &e);
	/* Who only reads changes nothing, and says that somebody must write first. */
	assert_int_equal(try_open(path, DB_READ, 2, &e), ERR_DENIED);
	assert_string_equal(e.where, path);
	struct sqlite *s = open_db(path);
	assert_int_equal(must_number(s, "SELECT count(*) FROM a"), 1);
	assert_int_equal(must_number(s, "PRAGMA user_version"), 2);
	assert_int_equal(must_number(s, "PRAGMA synchronous"), 2);
	assert_int_equal(must_number(s, "PRAGMA foreign_keys"), 1);
	assert_int_equal(must_number(s, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	must(sqlite_exec(s, "INSERT INTO a (x) VALUES (2)", &e), &e);
	sqlite_close(s);
	s = open_db(path);
	assert_int_equal(must_number(s, "SELECT count(*) FROM a"), 2);
	sqlite_close(s);
	/* A newer program's file is left alone. */
	assert_int_equal(try_open(path, DB_CREATE, 1, &e), ERR_INPUT);
	assert_int_equal(try_open(path, DB_READ, 1, &e), ERR_INPUT);
}

static void a_step_that_fails_leaves_the_old_schema(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	struct err e = ERR_INIT;
	must(try_open(path, DB_CREATE, 1, &e), &e);
	static const char *const bad[] = {"ignored", "CREATE TABLE c (x); CREATE TABLE a (x)"};
	struct sqlite_options o = {
		.path = path, .access = DB_CREATE, .steps = bad, .step_count = 2};
	struct sqlite *s = NULL;
	assert_int_equal(sqlite_open(&o, &s, &e), ERR_BUG);
	assert_null(s);
	o = options(path, DB_CREATE, 1);
	must(sqlite_open(&o, &s, &e), &e);
	assert_int_equal(must_number(s, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'"), 0);
	sqlite_close(s);
}

static atomic_int failures;

static void *open_it(void *path)
{
	struct err e = ERR_INIT;
	struct sqlite *s = NULL;
	struct sqlite_options o = options(path, DB_CREATE, 2);
	int64_t count = 0;
	if (sqlite_open(&o, &s, &e) != OK || number(s, "SELECT count(*) FROM a", &count) != OK ||
	    count != 1) {
		print_error("%s: %s\n", e.where, e.text);
		atomic_fetch_add(&failures, 1);
	}
	sqlite_close(s);
	return NULL;
}

static void sixteen_may_create_the_same_file_at_once(void **state)
{
	for (int round = 0; round < 5; round++) {
		AUTO_FOLDER char *dir = temporary_folder();
		AUTO_FREE char *path = path_in(dir, "x.db");
		pthread_t threads[16];
		for (size_t i = 0; i < ARRAY_LEN(threads); i++)
			assert_int_equal(pthread_create(&threads[i], NULL, open_it, path), 0);
		for (size_t i = 0; i < ARRAY_LEN(threads); i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(failures, 0);
	}
}

/* -- read-only media --------------------------------------------------------------------------- */

static int as_nobody(int (*fn)(const char *path), const char *path)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(90);
		_exit(fn(path));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* 0: read and saw two rows; else the code as a positive number, or 100. */
static int read_two(const char *path)
{
	struct err e = ERR_INIT;
	struct sqlite *s = NULL;
	struct sqlite_options o = options(path, DB_READ, 2);
	int rc = sqlite_open(&o, &s, &e);
	int64_t count = 0;
	if (rc)
		return -rc;
	rc = number(s, "SELECT count(*) FROM a", &count);
	/* And nothing can be written through it. */
	bool refused = sqlite_exec(s, "INSERT INTO a (x) VALUES (77)", &e) == ERR_DENIED;
	sqlite_close(s);
	return rc ? -rc : count == 2 && refused ? 0 : 100;
}

static int write_it(const char *path)
{
	struct err e = ERR_INIT;
	return -try_open(path, DB_CREATE, 2, &e);
}

static void set_read_only(const char *dir, bool on)
{
	static const char *const names[] = {"x.db", "x.db-wal", "x.db-shm"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *path = path_in(dir, names[i]);
		if (chmod(path, on ? 0444 : 0644) != 0)
			assert_int_equal(i == 0, false);
	}
	assert_int_equal(chmod(dir, on ? 0555 : 0755), 0);
}

static void a_closed_file_is_read_on_read_only_media(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	AUTO_FREE char *log = path_in(dir, "x.db-wal");
	struct err e = ERR_INIT;
	struct sqlite *s = open_db(path);
	must(sqlite_exec(s, "INSERT INTO a (x) VALUES (2)", &e), &e);
	sqlite_close(s);
	assert_int_not_equal(access(log, F_OK), 0);
	set_read_only(dir, true);
	assert_int_equal(as_nobody(read_two, path), 0);
	assert_int_equal(as_nobody(write_it, path), -ERR_DENIED);
	assert_int_not_equal(access(log, F_OK), 0);
	set_read_only(dir, false);
	/* An empty log says nothing new. */
	must(file_create(log, "", 0, false, &e), &e);
	set_read_only(dir, true);
	assert_int_equal(as_nobody(read_two, path), 0);
	set_read_only(dir, false);
}

static void a_log_with_content_is_read_with_its_index_or_refused(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	AUTO_FREE char *index = path_in(dir, "x.db-shm");
	struct err e = ERR_INIT;
	struct sqlite *s = NULL;
	struct sqlite_options o = options(path, DB_CREATE, 2);
	o.keep_log = true;
	must(sqlite_open(&o, &s, &e), &e);
	must(sqlite_exec(s, "INSERT INTO a (x) VALUES (2)", &e), &e);
	sqlite_close(s);
	set_read_only(dir, true);
	/* The second row is in the log only: with the index beside it all is seen. */
	assert_int_equal(as_nobody(read_two, path), 0);
	set_read_only(dir, false);
	/* Without, the main file alone would show an older state: rather nothing than that. */
	assert_int_equal(unlink(index), 0);
	set_read_only(dir, true);
	assert_int_equal(as_nobody(read_two, path), -ERR_DENIED);
	set_read_only(dir, false);
}

static void a_live_writers_rows_are_seen_by_who_may_only_read(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	struct err e = ERR_INIT;
	/* The child must not inherit SQLite's state of this process: the writer is another child,
	 * killed at the end. */
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t writer = fork();
	if (writer == 0) {
		struct sqlite *s = open_db(path);
		must(sqlite_exec(s, "INSERT INTO a (x) VALUES (2)", &e), &e);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	set_read_only(dir, true);
	assert_int_equal(as_nobody(read_two, path), 0);
	set_read_only(dir, false);
	kill(writer, SIGKILL);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	close(ready[0]);
	close(ready[1]);
	struct sqlite *s = open_db(path);
	assert_int_equal(must_number(s, "SELECT count(*) FROM a"), 2);
	sqlite_close(s);
}

/* -- errors ------------------------------------------------------------------------------------ */

/* Opens and closes it in a process of its own, as a command would that only looks. */
static void look_from_another_process(const char *path, int64_t rows)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct sqlite *s = NULL;
		struct sqlite_options o = options(path, DB_CREATE, 2);
		int64_t n = -1;
		bool good = sqlite_open(&o, &s, &e) == OK &&
			    number(s, "SELECT count(*) FROM a", &n) == OK && n == rows;
		sqlite_close(s);
		_exit(good ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Who made the file is alone with it to nobody: what another one closes stays whole, and what is committed
 * then is seen and outlasts a kill. */
static void a_new_file_keeps_its_log_when_others_come_and_go(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.sqlite"), *log = path_in(dir, "x.sqlite-wal");
	int up[2], down[2];
	char byte = 0;
	struct stat st;
	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct sqlite *s = open_db(path);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bool good = write(up[1], "m", 1) == 1 && read(down[0], &byte, 1) == 1 &&
			    sqlite_exec(s, "INSERT INTO a (x, t) VALUES (2, 'after')", &e) == OK &&
			    write(up[1], "i", 1) == 1;
		pause();
		_exit(good ? 0 : 1);
	}
	assert_int_equal(read(up[0], &byte, 1), 1);
	look_from_another_process(path, 1);
	assert_int_equal(stat(log, &st), 0);
	assert_int_equal(write(down[1], "g", 1), 1);
	assert_int_equal(read(up[0], &byte, 1), 1);
	look_from_another_process(path, 2);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	look_from_another_process(path, 2);
	for (int i = 0; i < 2; i++) {
		close(up[i]);
		close(down[i]);
	}
}

static void errors_say_what_to_do(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	AUTO_FREE char *noise = path_in(dir, "noise.db");
	AUTO_FREE char *nowhere = path_in(dir, "no/folder/x.db");
	struct err e = ERR_INIT;
	char bytes[4096];
	memset(bytes, 'n', sizeof(bytes));
	must(file_create(noise, bytes, sizeof(bytes), false, &e), &e);
	assert_int_equal(try_open(noise, DB_CREATE, 2, &e), ERR_IO);
	assert_string_equal(e.where, noise);
	assert_int_equal(try_open(noise, DB_READ, 2, &e), ERR_IO);
	assert_int_equal(try_open(nowhere, DB_CREATE, 2, &e), ERR_NOT_FOUND);
	assert_int_equal(try_open(nowhere, DB_READ, 2, &e), ERR_NOT_FOUND);
	assert_int_not_equal(try_open(dir, DB_CREATE, 2, &e), OK);
	struct sqlite *s = open_db(path);
	assert_int_equal(sqlite_exec(s, "INSERT INTO a (x) VALUES (1)", &e), ERR_CONFLICT);
	assert_string_equal(e.where, path);
	assert_int_equal(sqlite_exec(s, "INSERT INTO b VALUES (99)", &e), ERR_CONFLICT);
	assert_int_equal(sqlite_exec(s, "SELECT nonsense", &e), ERR_BUG);
	assert_int_equal(sqlite_exec(s, "SELECT nonsense", NULL), ERR_BUG);
	sqlite_close(s);
	/* A page overwritten in the middle. */
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 4096), sizeof(bytes));
	close(fd);
	s = open_db(path);
	int64_t count;
	assert_int_equal(number(s, "SELECT max(y) FROM a NOT INDEXED", &count), ERR_IO);
	sqlite_close(s);
}

static int fill(const char *path)
{
	signal(SIGXFSZ, SIG_IGN);
	struct sqlite *s = NULL;
	struct err e = ERR_INIT;
	struct sqlite_options o = options(path, DB_CREATE, 2);
	if (sqlite_open(&o, &s, &e) != OK)
		return 1;
	if (sqlite_exec(s, "PRAGMA max_page_count = 20", &e) != OK || sqlite_begin(s, &e) != OK)
		return 2;
	int rc = OK;
	for (int i = 0; rc == OK && i < 1000; i++)
		rc = sqlite_exec(s, "INSERT INTO a (t) VALUES (hex(randomblob(1000)))", &e);
	if (rc != ERR_LIMIT)
		return 3;
	sqlite_rollback(s);
	int64_t count = 0;
	if (number(s, "SELECT count(*) FROM a", &count) != OK || count != 1)
		return 4;
	/* And it is still good for what fits. */
	if (sqlite_begin(s, &e) != OK || sqlite_exec(s, "INSERT INTO a (x) VALUES (2)", &e) != OK ||
	    sqlite_commit(s, &e) != OK)
		return 5;
	sqlite_close(s);
	return 0;
}

static void a_full_file_rolls_back_and_goes_on(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	assert_int_equal(fill(path), 0);
}

/* -- statements and transactions --------------------------------------------------------------- */

static void the_cache_gives_clean_statements_and_stands_recursion(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	struct err e = ERR_INIT;
	struct sqlite *s = open_db(path);
	static const char sql[] = "SELECT coalesce(?1, 'none'), x FROM a";
	sqlite3_stmt *first, *second, *third;
	must(sqlite_prepare(s, sql, &first, &e), &e);
	sqlite_bind_str(first, 1, "bound");
	assert_int_equal(sqlite_step(s, first, &e), 1);
	/* In the middle of its rows: somebody else asks for the same. */
	must(sqlite_prepare(s, sql, &second, &e), &e);
	assert_ptr_not_equal(first, second);
	assert_int_equal(sqlite_step(s, second, &e), 1);
	AUTO_ARENA struct arena *arena = arena_new();
	assert_string_equal(sqlite_str(second, 0, arena), "none");
	assert_string_equal(sqlite_str(first, 0, arena), "bound");
	assert_int_equal(sqlite_step(s, first, &e), 0);
	must(sqlite_prepare(s, sql, &third, &e), &e);
	assert_ptr_equal(third, first);
	assert_int_equal(sqlite_step(s, third, &e), 1);
	assert_string_equal(sqlite_str(third, 0, arena), "none"); /* the binding has gone */
	sqlite_reset(third);
	sqlite_reset(second);
	sqlite_close(s);
}

static void transactions_are_whole_and_not_nested(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "x.db");
	struct err e = ERR_INIT;
	struct sqlite *s = open_db(path), *reader = open_db(path);
	must(sqlite_begin(s, &e), &e);
	assert_int_equal(sqlite_begin(s, &e), ERR_BUG);
	must(sqlite_exec(s, "INSERT INTO a (x) VALUES (2)", &e), &e);
	assert_int_equal(must_number(reader, "SELECT count(*) FROM a"), 1);
	sqlite3_busy_timeout(reader->db, 1);
	assert_int_equal(sqlite_begin(reader, &e), ERR_RETRY);
	must(sqlite_begin_read(reader, &e), &e);
	assert_int_equal(must_number(reader, "SELECT count(*) FROM a"), 1);
	must(sqlite_commit(s, &e), &e);
	assert_int_equal(must_number(reader, "SELECT count(*) FROM a"), 1); /* of one moment */
	must(sqlite_commit(reader, &e), &e);
	assert_int_equal(must_number(reader, "SELECT count(*) FROM a"), 2);
	must(sqlite_begin(s, &e), &e);
	must(sqlite_exec(s, "DELETE FROM a", &e), &e);
	sqlite_rollback(s);
	sqlite_rollback(s);
	assert_int_equal(must_number(s, "SELECT count(*) FROM a"), 2);
	must(sqlite_begin(s, &e), &e);
	must(sqlite_exec(s, "DELETE FROM a", &e), &e);
	sqlite_close(s); /* rolls back */
	assert_int_equal(must_number(reader, "SELECT count(*) FROM a"), 2);
	sqlite_close(reader);
	sqlite_close(NULL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_run_once_and_an_older_file_is_brought_up_to_date),
		cmocka_unit_test(a_step_that_fails_leaves_the_old_schema),
		cmocka_unit_test(sixteen_may_create_the_same_file_at_once),
		cmocka_unit_test(a_closed_file_is_read_on_read_only_media),
		cmocka_unit_test(a_log_with_content_is_read_with_its_index_or_refused),
		cmocka_unit_test(a_live_writers_rows_are_seen_by_who_may_only_read),
		cmocka_unit_test(a_new_file_keeps_its_log_when_others_come_and_go),
		cmocka_unit_test(errors_say_what_to_do),
		cmocka_unit_test(a_full_file_rolls_back_and_goes_on),
		cmocka_unit_test(the_cache_gives_clean_statements_and_stands_recursion),
		cmocka_unit_test(transactions_are_whole_and_not_nested),
	};
	return RUN_TESTS("sqlite");
}
