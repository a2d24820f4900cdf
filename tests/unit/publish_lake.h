/* A small lake for the tests of publishing: directory and SQLite for real, Parquet as sorted lines
 * of text, and a model of what must be read. Every call that changes something can be the last one
 * of the process. */
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

/* -- Parquet as text: a row is a line "index|date|action|generation" --------------------------- */

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
	for (size_t i = 0; rc == OK && i < m->path_count; i++)
		rc = file_read(m->paths[i], 1 << 20, &all, e);
	struct slice rest = buf_slice(&all);
	while (rc == OK && rest.n) {
		struct slice text = slice_cut(&rest, '\n');
		char *line = arena_strndup(arena, text.p, text.n);
		if (!is_dropped(m, line))
			*PUSH(lines, count, cap) = line;
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

/* -- tables ------------------------------------------------------------------------------------ */

static const struct column lake_columns[] = {{.name = "generation", .type = COL_BIGINT}};
static const struct column lake_partition[] = {
	{.name = "index_code", .type = COL_TEXT},
	{.name = "pregao_date", .type = COL_DATE},
	{.name = "action", .type = COL_TEXT},
};
static const char *const lake_sort[] = {"pregao_date"};
static const struct table_def shares = {
	.database = "refined",
	.name = "shares",
	.columns = lake_columns,
	.column_count = 1,
	.partition = lake_partition,
	.partition_count = 3,
	.location = "refined/shares",
	.scope_count = 2,
	.compact_location = "compact/refined/shares",
	.sort = lake_sort,
	.sort_count = 1,
};
static const struct table_def totals = {
	.database = "refined",
	.name = "totals",
	.columns = lake_columns,
	.column_count = 1,
	.partition = lake_partition,
	.partition_count = 2,
	.location = "refined/totals",
	.scope_count = 2,
};
static const struct table_def *const lake_tables[] = {&totals, &shares};

/* -- the lake ---------------------------------------------------------------------------------- */

struct lake {
	char *root;
	struct object_store *store;
	struct catalog *catalog;
	struct object_store_ops store_patched;
	struct catalog_ops catalog_patched;
	struct publish with;
};

static void lake_open(struct lake *l, const char *root)
{
	char *state = path_in(root, "state");
	*l = (struct lake){.root = mem_strdup(root)};
	GOOD(object_store_fs_open(root, true, &l->store, &e));
	GOOD(catalog_sqlite_open(state, &clock_system, false, &l->catalog, &e));
	GOOD(catalog_put_tables(l->catalog, lake_tables, 2, &e));
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

/* -- a model: which generation each scope is at ------------------------------------------------ */

enum { SCOPES = 22, ACTIONS = 2 };
struct model {
	int generation[SCOPES]; /* 0: not there */
};
struct place {
	const char *index, *date;
};
/* Two indices, each with a month of nine sessions and one of two. */
static struct place place_of(int scope)
{
	static const char *const dates[11] = {
		"2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09",
		"2024-01-10", "2024-01-11", "2024-01-12", "2024-02-01", "2024-02-02"};
	return (struct place){scope < 11 ? "IBOV" : "S/M L", dates[scope % 11]};
}
static const char *const lake_actions[ACTIONS] = {"AMBEV S/A", "VALE"};

static const char *scope_of(struct arena *a, int scope)
{
	struct place p = place_of(scope);
	const char *path;
	GOOD(path_partition(a, &shares, (const char *[]){p.index, p.date}, 2, &path, &e));
	return path;
}

static struct publish_file staged(struct arena *a, struct publish_session *s,
				  const struct table_def *table, int scope, int action,
				  int generation, enum catalog_layout layout)
{
	static unsigned files;
	struct place p = place_of(scope);
	const char *first = lake_actions[action < 0 ? 0 : action],
		   *last = lake_actions[action < 0 ? ACTIONS - 1 : action];
	const char *values[3] = {p.index, p.date, first}, *path,
		   *name = arena_printf(a, "g%d", generation);
	const char **scopes = ANEW_ARRAY(a, 1, const char *);
	struct publish_file f = {.file = {.layout = layout, .scopes = scopes, .scope_count = 1}};
	struct buf text = {0};
	scopes[0] = scope_of(a, scope);
	for (int i = action < 0 ? 0 : action; i <= (action < 0 ? ACTIONS - 1 : action); i++)
		buf_printf(&text, "%s|%s|%s|%d\n", p.index, p.date, lake_actions[i], generation);
	GOOD(path_partition(a, table, values, table->partition_count, &path, &e));
	f.file.key = path_key(a, table, path, name);
	if (layout == LAYOUT_COMPACT)
		GOOD(path_compact_key(a, table, scopes[0], false, name, &f.file.key, &e));
	for (size_t i = 0; i < table->partition_count; i++) {
		f.file.low[i] = values[i];
		f.file.high[i] = i == 2 ? last : values[i];
	}
	f.file.rows = action < 0 ? ACTIONS : 1;
	f.file.bytes = (int64_t)text.len;
	f.path = arena_printf(a, "%s/%u", publish_staging(s), ++files);
	GOOD(file_create(f.path, text.data, text.len, false, &e));
	buf_free(&text);
	return f;
}

/* Replaces the scopes (generation > 0 in `to`) of both tables in one commit. */
static int replace(struct publish_session *s, const struct model *to, struct err *e)
{
	AUTO_ARENA struct arena *a = arena_new();
	struct catalog_scope scopes[SCOPES];
	struct publish_file files[SCOPES * (ACTIONS + 1)], sums[SCOPES];
	size_t n = 0, file_count = 0;
	int64_t version;
	for (int i = 0; i < SCOPES; i++) {
		if (!to->generation[i])
			continue;
		for (int action = 0; action < ACTIONS; action++)
			files[file_count++] = staged(a, s, &shares, i, action, to->generation[i],
						     LAYOUT_PUBLISHED);
		files[file_count++] =
			staged(a, s, &shares, i, -1, to->generation[i], LAYOUT_COMPACT);
		sums[n] = staged(a, s, &totals, i, 0, to->generation[i], LAYOUT_PUBLISHED);
		scopes[n++] = (struct catalog_scope){
			.scope = scope_of(a, i),
			.properties = arena_printf(a, "{\"content\":%d}", to->generation[i])};
	}
	const struct publish_change changes[2] = {{.table = &shares,
						   .scopes = scopes,
						   .scope_count = n,
						   .files = files,
						   .file_count = file_count},
						  {.table = &totals,
						   .scopes = scopes,
						   .scope_count = n,
						   .files = sums,
						   .file_count = n}};
	return publish_replace(s, changes, 2, NULL, 0, &version, e);
}

static void apply(struct model *m, const struct model *to)
{
	for (int i = 0; i < SCOPES; i++)
		if (to->generation[i])
			m->generation[i] = to->generation[i];
}

/* -- looking ----------------------------------------------------------------------------------- */

/* All rows that the catalog shows of a layout, sorted. A file that the catalog names and the store
 * does not have fails. */
static int read_rows(struct lake *l, const struct table_def *table, enum catalog_layout layout,
		     struct arena *a, const char **ret, struct err *e)
{
	struct catalog_file *files;
	size_t n;
	char **lines = NULL;
	size_t count = 0, cap = 0;
	struct buf all = {0}, out = {0};
	int rc = catalog_files(l->catalog, table, layout, NULL, 0, a, &files, &n, e);
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = object_store_get(l->store, files[i].key, 0, -1, 1 << 20, &all, NULL, e);
	struct slice rest = buf_slice(&all);
	while (rc == OK && rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		*PUSH(lines, count, cap) = arena_strndup(a, line.p, line.n);
	}
	if (count)
		qsort(lines, count, sizeof(*lines), by_line);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s\n", lines[i]);
	*ret = arena_strdup(a, out.data ? out.data : "");
	free(lines);
	buf_free(&all);
	buf_free(&out);
	return rc;
}

static const char *expected_rows(const struct model *m, int actions, struct arena *a)
{
	struct buf out = {0};
	char *lines[SCOPES * ACTIONS];
	size_t n = 0;
	for (int i = 0; i < SCOPES; i++)
		for (int k = 0; m->generation[i] && k < actions; k++)
			lines[n++] = arena_printf(a, "%s|%s|%s|%d", place_of(i).index,
						  place_of(i).date, lake_actions[k],
						  m->generation[i]);
	qsort(lines, n, sizeof(*lines), by_line);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s\n", lines[i]);
	const char *text = arena_strdup(a, out.data ? out.data : "");
	buf_free(&out);
	return text;
}

static bool shows(struct lake *l, const struct model *m)
{
	AUTO_ARENA struct arena *a = arena_new();
	const char *published, *compact, *sums;
	GOOD(read_rows(l, &shares, LAYOUT_PUBLISHED, a, &published, &e));
	GOOD(read_rows(l, &shares, LAYOUT_COMPACT, a, &compact, &e));
	GOOD(read_rows(l, &totals, LAYOUT_PUBLISHED, a, &sums, &e));
	return strcmp(published, expected_rows(m, ACTIONS, a)) == 0 &&
	       strcmp(compact, published) == 0 && strcmp(sums, expected_rows(m, 1, a)) == 0;
}

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
	for (size_t t = 0; t < 3; t++) {
		struct catalog_file *files;
		size_t n;
		GOOD(catalog_files(l->catalog, t < 2 ? &shares : &totals,
				   t == 1 ? LAYOUT_COMPACT : LAYOUT_PUBLISHED, NULL, 0, a, &files,
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

#endif
