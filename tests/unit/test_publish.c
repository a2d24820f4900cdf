/* Publishing: what readers see while partitions are replaced and merged, and after a death at every
 * single step of it. */
#include "publish_model.h"

#include <fcntl.h>

#include "object_store_fault.h"

static struct publish_session *session(struct lake *l)
{
	struct publish_session *s = NULL;
	GOOD(publish_begin(&l->with, lake_tables, 2, &s, &e));
	return s;
}

static void do_replace(struct lake *l, const struct model *to)
{
	struct publish_session *s = session(l);
	GOOD(replace(s, to, &e));
	publish_end(s);
}

static int64_t do_compact(struct lake *l, bool everything)
{
	int64_t merged = -1;
	struct publish_session *s = session(l);
	GOOD(publish_compact(s, &shares, everything, &merged, &e));
	publish_end(s);
	return merged;
}

static void tidy_up(struct lake *l)
{
	publish_end(session(l));
}

static size_t compact_count(struct lake *l)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct catalog_file *files;
	size_t n;
	GOOD(catalog_files(l->catalog, &shares, LAYOUT_COMPACT, NULL, 0, a, &files, &n, &e));
	return n;
}

/* Scopes first..last at the generation. */
static struct model range(int first, int last, int generation)
{
	struct model m = {{0}};
	for (int i = first; i <= last; i++)
		m.generation[i] = generation;
	return m;
}

static void replaced_files_go_and_months_merge(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	struct model now = {{0}}, to = range(0, 10, 1);
	lake_open(&l, root);
	do_replace(&l, &to);
	apply(&now, &to);
	assert_true(shows(&l, &now));
	assert_true(is_tidy(&l));
	/* Nine sessions of a closed month become one file; the last month's two stay. */
	assert_int_equal(do_compact(&l, false), 1);
	assert_int_equal(compact_count(&l), 3);
	assert_true(shows(&l, &now));
	assert_true(is_tidy(&l));
	assert_int_equal(do_compact(&l, false), 0);
	/* A correction in the middle of the merged month. */
	to = range(3, 3, 2);
	do_replace(&l, &to);
	apply(&now, &to);
	assert_int_equal(compact_count(&l), 4);
	assert_true(shows(&l, &now));
	assert_true(is_tidy(&l));
	assert_int_equal(do_compact(&l, false), 1);
	assert_int_equal(compact_count(&l), 3);
	assert_true(shows(&l, &now));
	/* Replacing all of a merged month leaves nothing of it. */
	to = range(0, 8, 3);
	do_replace(&l, &to);
	apply(&now, &to);
	assert_int_equal(compact_count(&l), 11);
	assert_true(shows(&l, &now));
	assert_int_equal(do_compact(&l, true), 2);
	assert_int_equal(compact_count(&l), 2);
	assert_true(shows(&l, &now));
	assert_true(is_tidy(&l));
	lake_close(&l);
}

static void the_order_of_events_leaves_no_trace(void **state)
{
	(void)state;
	AUTO_FOLDER char *one = temporary_folder();
	AUTO_FOLDER char *other = temporary_folder();
	struct lake l;
	struct model first = range(0, 10, 1), fix = range(4, 5, 2), late = range(9, 10, 1),
		     early = range(0, 8, 1);
	lake_open(&l, one);
	do_replace(&l, &first);
	do_compact(&l, false);
	do_replace(&l, &fix);
	do_compact(&l, false);
	char *expected = inventory(&l);
	lake_close(&l);

	lake_open(&l, other);
	do_replace(&l, &late);
	do_replace(&l, &early);
	do_replace(&l, &fix);
	do_compact(&l, false);
	/* The same once more changes nothing. */
	do_replace(&l, &fix);
	do_compact(&l, false);
	char *found = inventory(&l);
	assert_string_equal(found, expected);
	lake_close(&l);
	free(expected);
	free(found);
}

/* -- dying ------------------------------------------------------------------------------------- */

/* One pass: corrections inside a merged month, new sessions, and merging again. */
static void pass(struct lake *l, const void *to)
{
	struct publish_session *s = session(l);
	int64_t merged;
	GOOD(replace(s, to, &e));
	GOOD(publish_compact(s, &shares, false, &merged, &e));
	publish_end(s);
}

static void dying_at_every_step(void **state)
{
	(void)state;
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *base = path_in(folder, "base");
	struct lake l;
	struct model old = range(0, 9, 1), to = range(2, 2, 2), new;
	to.generation[10] = 1;
	new = old;
	apply(&new, &to);
	lake_open(&l, base);
	do_replace(&l, &old);
	do_compact(&l, false);
	lake_close(&l);

	AUTO_FREE char *undisturbed = path_in(folder, "undisturbed");
	copy_folder(base, undisturbed);
	lake_open(&l, undisturbed);
	pass(&l, &to);
	char *expected = inventory(&l);
	assert_true(shows(&l, &new));
	lake_close(&l);

	int saw_old = 0, saw_new = 0;
	for (int at = 1;; at++) {
		char name[32];
		snprintf(name, sizeof(name), "death-%d", at);
		AUTO_FREE char *root = path_in(folder, name);
		copy_folder(base, root);
		if (!dies(root, at, lake_tables, 2, pass, &to)) {
			/* Enough steps for this to have been a test: six puts, a merge, two
			 * commits, five deaths. */
			assert_true(at > 30);
			break;
		}
		lake_open(&l, root);
		/* Readers before any recovery. */
		bool is_old = shows(&l, &old), is_new = shows(&l, &new);
		assert_true(is_old || is_new);
		saw_old += is_old;
		saw_new += is_new;
		/* Now and then recovery is a session of its own, and dies in turn. */
		if (at % 7 == 0) {
			lake_close(&l);
			for (int again = 1;
			     dies(root, again, lake_tables, 2,
				  (void (*)(struct lake *, const void *))(void (*)(void))tidy_up,
				  NULL);)
				again++;
			lake_open(&l, root);
			assert_true(is_tidy(&l));
			assert_true(shows(&l, is_old ? &old : &new));
		}
		pass(&l, &to);
		assert_true(shows(&l, &new));
		assert_true(is_tidy(&l));
		char *found = inventory(&l);
		assert_string_equal(found, expected);
		free(found);
		lake_close(&l);
		assert_int_equal(file_remove_tree(root, NULL), OK);
	}
	assert_true(saw_old > 5);
	assert_true(saw_new > 5);
	free(expected);
}

struct operation {
	bool compact, everything;
	struct model to;
};

static void operate(struct lake *l, const void *arg)
{
	const struct operation *o = arg;
	if (o->compact)
		do_compact(l, o->everything);
	else
		do_replace(l, &o->to);
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
	struct model now = {{0}};
	int deaths = 0;
	random_state = 20240715;
	for (int round = 0; round < 60; round++) {
		struct operation o = {.compact = below(3) == 0, .everything = below(2)};
		for (int i = below(3); !o.compact && i >= 0; i--)
			/* few generations, so that old content comes back while its file is still
			 * dying */
			o.to.generation[below(SCOPES)] = 1 + below(4);
		if (!o.compact && below(4) == 0)
			o.to = range(below(2) * 11, 10 + below(2) * 11, 1 + below(4));
		struct model after = now;
		apply(&after, &o.to);
		bool died = dies(root, below(2) ? 1 + below(30) : 0, lake_tables, 2, operate, &o);
		deaths += died;
		lake_open(&l, root);
		/* After a death either will do, but it must be one of the two. */
		if (!died || !shows(&l, &now))
			now = after;
		assert_true(shows(&l, &now));
		if (below(2)) {
			tidy_up(&l);
			assert_true(is_tidy(&l));
			assert_true(shows(&l, &now));
		}
		lake_close(&l);
	}
	assert_true(deaths > 10);
}

/* -- readers beside a writer ------------------------------------------------------------------- */

static bool is_whole(const char *rows)
{
	/* Every row is of the same generation: the writer replaces all scopes at once. */
	const char *generation = NULL;
	struct slice rest = slice_of(rows);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		const char *mine = line.p + line.n;
		while (mine[-1] != '|')
			mine--;
		if (generation && strncmp(generation, mine, (size_t)(line.p + line.n - mine)) != 0)
			return false;
		generation = mine;
	}
	return generation != NULL;
}

static void read_until_told(const char *root, int stop)
{
	struct lake l;
	char byte;
	in_child = true;
	lake_open(&l, root);
	while (read(stop, &byte, 1) < 0) {
		AUTO_ARENA struct arena *a = arena_new();
		int64_t version;
		int handle;
		const char *rows;
		GOOD(catalog_read_begin(l.catalog, &version, &handle, &e));
		GOOD(read_rows(&l, &shares, LAYOUT_PUBLISHED, a, &rows, &e));
		catalog_read_end(l.catalog, handle);
		if (handle < 0 || !is_whole(rows))
			_exit(3);
		GOOD(catalog_read_begin(l.catalog, &version, &handle, &e));
		GOOD(read_rows(&l, &shares, LAYOUT_COMPACT, a, &rows, &e));
		catalog_read_end(l.catalog, handle);
		if (!is_whole(rows))
			_exit(4);
	}
	_exit(0);
}

static void readers_never_miss_a_file(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	enum { READERS = 2, ROUNDS = 100 };
	pid_t readers[READERS];
	struct lake l;
	int stop[2];
	struct model to = range(0, 2, 1);
	lake_open(&l, root);
	do_replace(&l, &to);
	assert_int_equal(pipe2(stop, O_NONBLOCK | O_CLOEXEC), 0);
	for (int i = 0; i < READERS; i++) {
		readers[i] = fork();
		if (readers[i] == 0) {
			close(stop[1]);
			read_until_told(root, stop[0]);
		}
	}
	for (int round = 0; round < ROUNDS; round++) {
		to = range(0, 2, 2 + round % 5);
		do_replace(&l, &to);
		if (round % 10 == 0)
			do_compact(&l, true);
	}
	close(stop[1]);
	for (int i = 0; i < READERS; i++) {
		int status;
		assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
		assert_int_equal(status, 0);
	}
	close(stop[0]);
	tidy_up(&l);
	assert_true(is_tidy(&l));
	lake_close(&l);
}

/* -- failing ----------------------------------------------------------------------------------- */

static void a_failed_put_leaves_nothing(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l;
	struct model old = range(0, 9, 1), to = range(2, 3, 2), mixed = old;
	lake_open(&l, root);
	do_replace(&l, &old);
	do_compact(&l, false);
	char *before = inventory(&l), *after;
	/* One of the new files is there already, live: it must not be taken for one that was
	 * put. */
	to.generation[9] = 1;
	for (int nth = 1; nth <= 6; nth++) {
		struct object_store *good;
		struct err failure = ERR_INIT;
		struct publish_session *s;
		GOOD(object_store_fs_open(root, false, &good, &e));
		l.with.store = object_store_fault_new(good, nth, ERR_LIMIT);
		s = session(&l);
		assert_int_equal(replace(s, &to, &failure), ERR_LIMIT);
		after = inventory(&l);
		assert_string_equal(after, before);
		free(after);
		assert_true(shows(&l, &old));
		/* The session goes on. */
		GOOD(replace(s, &mixed, &e));
		publish_end(s);
		do_compact(&l, false);
		assert_true(shows(&l, &old));
		object_store_free(l.with.store);
		l.with.store = l.store;
	}
	assert_true(is_tidy(&l));
	free(before);
	lake_close(&l);
}

static void one_session_per_table(void **state)
{
	(void)state;
	AUTO_FOLDER char *root = temporary_folder();
	struct lake l, other;
	struct publish_session *first, *second = NULL;
	struct err refusal = ERR_INIT;
	const struct table_def *twice[3] = {&shares, &totals, &shares};
	lake_open(&l, root);
	lake_open(&other, root);
	GOOD(publish_begin(&l.with, twice, 3, &first, &e));
	assert_int_equal(publish_begin(&other.with, &lake_tables[1], 1, &second, &refusal),
			 ERR_CONFLICT);
	assert_null(second);
	/* What lies in the staging folder belongs to whoever has the table. */
	AUTO_FREE char *file = path_in(publish_staging(first), "x");
	GOOD(file_create(file, "x", 1, false, &e));
	assert_int_equal(publish_begin(&other.with, lake_tables, 2, &second, &refusal),
			 ERR_CONFLICT);
	assert_int_equal(access(file, F_OK), 0);
	publish_end(first);
	assert_int_not_equal(access(file, F_OK), 0);
	GOOD(publish_begin(&other.with, &lake_tables[1], 1, &second, &e));
	/* A table that is not of the session. */
	const struct publish_change foreign = {.table = &totals};
	int64_t version;
	assert_int_equal(publish_replace(second, &foreign, 1, NULL, 0, &version, &refusal),
			 ERR_BUG);
	publish_end(second);
	lake_close(&other);
	lake_close(&l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaced_files_go_and_months_merge),
		cmocka_unit_test(the_order_of_events_leaves_no_trace),
		cmocka_unit_test(dying_at_every_step),
		cmocka_unit_test(random_operations_and_deaths),
		cmocka_unit_test(readers_never_miss_a_file),
		cmocka_unit_test(a_failed_put_leaves_nothing),
		cmocka_unit_test(one_session_per_table),
	};
	/* Hundreds of lakes, each synced many times: memory will do, since no test cuts the
	 * power. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return RUN_TESTS("publish");
}
