/* A small lake for the tests of publishing: directory and SQLite for real, Parquet as sorted lines
 * of text. Every call that changes something can be the last one of the process. */
#ifndef PREGAO_TESTS_PUBLISH_LAKE_H
#define PREGAO_TESTS_PUBLISH_LAKE_H

#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "catalog_sqlite.h"
#include "hash.h"
#include "object_store_fs.h"
#include "path.h"
#include "publish.h"

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

static bool in_child; /* where a failed assertion must not run the parent's tests on */

/* -- dying at the Nth step --------------------------------------------------------------------- */

#define DIED 42
static int step_count, die_at;
static void step(void)
{
	if (++step_count == die_at)
		_exit(DIED);
}

/* -- Parquet as text: a row is a line, its columns parted by '|' --------------------------- */

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_dropped(const struct parquet_merge *m, const char *line)
{
	for (size_t d = 0; d < m->drop_count; d++) {
		struct slice rest = slice_of(line);
		bool same = true;
		for (size_t c = 0; c < m->drop_column_count; c++)
			same &= slice_is(slice_cut(&rest, '|'),
					 m->drop[d * m->drop_column_count + c]);
		if (same)
			return true;
	}
	return false;
}

static int text_merge(struct parquet *p, const struct parquet_merge *m, struct arena *arena,
		      struct parquet_result *ret, struct err *e)
{
	char **lines = NULL;
	size_t count = 0, cap = 0;
	struct buf all = {0}, out = {0};
	int rc = OK;
	step();
	for (size_t i = 0; rc == OK && i < m->path_count; i++) {
		buf_reset(&all);
		rc = file_read(m->paths[i], 1 << 20, &all, e);
		struct slice rest = buf_slice(&all);
		while (rc == OK && rest.n) {
			struct slice text = slice_cut(&rest, '\n');
			char *line = arena_strndup(arena, text.p, text.n);
			for (size_t c = 0; c < m->add_column_count; c++)
				line = arena_printf(arena, "%s|%s", line,
						    m->add[i * m->add_column_count + c]);
			if (!is_dropped(m, line))
				*PUSH(lines, count, cap) = line;
		}
	}
	if (count)
		qsort(lines, count, sizeof(*lines), by_line);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s\n", lines[i]);
	if (rc == OK)
		rc = file_create(m->out_path, out.data, out.len, false, e);
	*ret = (struct parquet_result){.rows = (int64_t)count, .bytes = (int64_t)out.len};
	free(lines);
	buf_free(&all);
	buf_free(&out);
	step();
	return rc;
}
static const struct parquet_ops text_ops = {.merge = text_merge};
static struct parquet text_parquet = {&text_ops};

/* -- the real drivers, with a step before and after each change -------------------------------- */

static const struct object_store_ops *store_ops;
static const struct catalog_ops *catalog_real;

static int put_stepping(struct object_store *s, struct object_put *items, size_t n, struct err *e)
{
	int rc = OK;
	if (!die_at)
		return store_ops->put_many(s, items, n, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		step();
		rc = store_ops->put_many(s, &items[i], 1, e);
		step();
	}
	return rc;
}
static int delete_stepping(struct object_store *s, const char *const *keys, size_t n, struct err *e)
{
	int rc = OK;
	if (!die_at)
		return store_ops->delete_many(s, keys, n, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		step();
		rc = store_ops->delete_many(s, &keys[i], 1, e);
		step();
	}
	return rc;
}
static int intend_stepping(struct catalog *c, const struct table_def *t, const char *const *keys,
			   size_t n, int64_t *id, struct err *e)
{
	step();
	int rc = catalog_real->intend(c, t, keys, n, id, e);
	step();
	return rc;
}
static int commit_stepping(struct catalog *c, int64_t id, const struct catalog_change *changes,
			   size_t n, const struct catalog_mark *marks, size_t mark_count,
			   int64_t *version, struct err *e)
{
	step();
	int rc = catalog_real->commit(c, id, changes, n, marks, mark_count, version, e);
	step();
	return rc;
}
static int abandon_stepping(struct catalog *c, int64_t id, struct err *e)
{
	step();
	int rc = catalog_real->abandon(c, id, e);
	step();
	return rc;
}
static int forget_stepping(struct catalog *c, const char *const *keys, size_t n, struct err *e)
{
	step();
	int rc = catalog_real->forget(c, keys, n, e);
	step();
	return rc;
}

/* -- the lake ---------------------------------------------------------------------------------- */

struct lake {
	char *root;
	struct object_store *store;
	struct catalog *catalog;
	struct object_store_ops store_patched;
	struct catalog_ops catalog_patched;
	struct publish with;
	const struct table_def *const *tables;
	size_t table_count;
};

static void lake_start(struct lake *l, const char *root, const struct table_def *const *tables,
		       size_t n)
{
	char *state = path_in(root, "state");
	*l = (struct lake){.root = mem_strdup(root), .tables = tables, .table_count = n};
	GOOD(object_store_fs_open(root, true, &l->store, &e));
	GOOD(catalog_sqlite_open(state, &clock_system, false, &l->catalog, &e));
	GOOD(catalog_put_tables(l->catalog, tables, n, &e));
	free(state);
	/* The drivers find themselves by their own address, so their tables of calls can be swapped
	 * under them. */
	store_ops = l->store->ops;
	l->store_patched = *store_ops;
	l->store_patched.put_many = put_stepping;
	l->store_patched.delete_many = delete_stepping;
	l->store->ops = &l->store_patched;
	catalog_real = l->catalog->ops;
	l->catalog_patched = *catalog_real;
	l->catalog_patched.intend = intend_stepping;
	l->catalog_patched.commit = commit_stepping;
	l->catalog_patched.abandon = abandon_stepping;
	l->catalog_patched.forget = forget_stepping;
	l->catalog->ops = &l->catalog_patched;
	l->with = (struct publish){.store = l->store,
				   .catalog = l->catalog,
				   .parquet = &text_parquet,
				   .clock = &clock_system};
}

static void lake_close(struct lake *l)
{
	object_store_free(l->store);
	catalog_free(l->catalog);
	free(l->root);
}

/* -- looking ----------------------------------------------------------------------------------- */

struct inventory {
	struct lake *lake;
	struct buf text;
	bool content;
};

static int add_to_inventory(void *ctx, const struct object_info *info)
{
	struct inventory *v = ctx;
	char hex[HASH_HEX_SIZE] = "";
	struct buf bytes = {0};
	if (v->content) {
		GOOD(object_store_get(v->lake->store, info->key, 0, -1, 1 << 20, &bytes, NULL, &e));
		hash_bytes_hex(bytes.data, bytes.len, hex);
	}
	buf_printf(&v->text, "%s %s\n", info->key, hex);
	buf_free(&bytes);
	return OK;
}

/* Every object's key and the hash of its bytes. */
static char *inventory(struct lake *l)
{
	struct inventory v = {.lake = l, .content = true};
	GOOD(object_store_list(l->store, "", NULL, add_to_inventory, &v, &e));
	return v.text.data ? buf_take(&v.text) : mem_strdup("");
}

/* The store holds exactly what the catalog shows: nothing lost, nothing left over. */
static bool is_tidy(struct lake *l)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct inventory v = {.lake = l};
	char **keys = NULL;
	size_t count = 0, cap = 0;
	struct buf expected = {0};
	for (size_t t = 0; t < l->table_count * 2; t++) {
		struct catalog_file *files;
		size_t n;
		GOOD(catalog_files(l->catalog, l->tables[t / 2],
				   t % 2 ? LAYOUT_COMPACT : LAYOUT_PUBLISHED, NULL, 0, a, &files,
				   &n, &e));
		for (size_t i = 0; i < n; i++)
			*PUSH(keys, count, cap) = arena_strdup(a, files[i].key);
	}
	if (count)
		qsort(keys, count, sizeof(*keys), by_line);
	for (size_t i = 0; i < count; i++)
		buf_printf(&expected, "%s \n", keys[i]);
	GOOD(object_store_list(l->store, "", NULL, add_to_inventory, &v, &e));
	bool same = expected.len == v.text.len &&
		    (expected.len == 0 || strcmp(expected.data, v.text.data) == 0);
	if (!same)
		print_error("catalog:\n%sstore:\n%s", expected.data ? expected.data : "",
			    v.text.data ? v.text.data : "");
	free(keys);
	buf_free(&expected);
	buf_free(&v.text);
	return same;
}

/* -- dying ------------------------------------------------------------------------------------- */

static void copy_folder(const char *from, const char *to)
{
	pid_t child = fork();
	int status;
	if (child == 0) {
		execlp("cp", "cp", "-a", from, to, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Runs fn on the lake in a process of its own that dies at the given step; false when it came to
 * its end. */
static bool dies(const char *root, int at, const struct table_def *const *tables, size_t n,
		 void (*fn)(struct lake *, const void *), const void *arg)
{
	pid_t child = fork();
	int status;
	if (child == 0) {
		struct lake l;
		in_child = true;
		lake_start(&l, root, tables, n);
		step_count = 0;
		die_at = at;
		fn(&l, arg);
		/* No orderly closing either. */
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));
	return WEXITSTATUS(status) == DIED;
}

#endif
