/* What the catalog's contract tests start from: the drivers, two tables, and short ways to make
 * files, commits and listings of them. A second driver is one more row of `drivers`. */
#ifndef PREGAO_TESTS_CATALOG_FIXTURE_H
#define PREGAO_TESTS_CATALOG_FIXTURE_H

#include "../unit/unit.h"

#include "catalog.h"
#include "catalog_glue.h"
#include "catalog_sqlite.h"
#include "clock.h"
#include "object_store_fs.h"
#include "path.h"

/* -- drivers ----------------------------------------------------------------------------------- */

struct driver_case {
	const char *name;
	/* Opens one more connection to the catalog that `place` (a new folder) stands for. */
	int (*open)(const char *place, bool read_only, struct catalog **, struct err *);
};
static int open_sqlite(const char *place, bool read_only, struct catalog **ret, struct err *e)
{
	return catalog_sqlite_open(place, &clock_system, read_only, ret, e);
}

/* The same shared through a store: two connections are two machines. */
struct shared_catalog {
	struct catalog *catalog;
	struct object_store *store;
};
static struct shared_catalog shared[64];
static size_t shared_count;
static const struct catalog_state_ops sqlite_state = {catalog_sqlite_save, catalog_sqlite_load,
						      catalog_sqlite_written};
static int open_shared(const char *place, bool read_only, struct catalog **ret, struct err *e)
{
	struct object_store *store;
	struct catalog *inner;
	AUTO_ARENA struct arena *arena = arena_new();
	const char *state = arena_printf(arena, "%s/machine", place);
	int rc = object_store_fs_open(arena_printf(arena, "%s/store", place), true, &store, e);
	if (rc == OK)
		rc = catalog_sqlite_open(state, &clock_system, read_only, &inner, e);
	if (rc)
		return rc;
	assert_true(shared_count < ARRAY_LEN(shared));
	shared[shared_count++] = (struct shared_catalog){inner, store};
	if (read_only) {
		*ret = inner;
		return OK;
	}
	*ret = catalog_glue_new(inner, &(struct catalog_glue_options){.store = store,
								      .folder = state,
								      .clock = &clock_system,
								      .beneath = &sqlite_state});
	return OK;
}
static void close_shared(void)
{
	while (shared_count)
		object_store_free(shared[--shared_count].store);
}
static const struct driver_case drivers[] = {
	{"sqlite", open_sqlite},
	{"shared", open_shared},
};

/* -- tables ------------------------------------------------------------------------------------ */

static const struct column numbers[] = {
	{.name = "ticker", .type = COL_TEXT},
	{.name = "quantity", .type = COL_BIGINT},
	{.name = "share", .type = COL_DECIMAL, .precision = 9, .scale = 3},
};
static const struct column by_action[] = {
	{.name = "index_code", .type = COL_TEXT},
	{.name = "pregao_date", .type = COL_DATE},
	{.name = "action", .type = COL_TEXT},
};
static const struct column by_hour[] = {{.name = "date", .type = COL_DATE},
					{.name = "hour", .type = COL_INTEGER}};
static const char *const sort[] = {"action", "pregao_date"};
static const struct table_def refined = {
	.database = "refined",
	.name = "portfolio",
	.columns = numbers,
	.column_count = 3,
	.partition = by_action,
	.partition_count = 3,
	.location = "refined/portfolio",
	.scope_count = 2,
	.compact_location = "compact/refined/portfolio",
	.sort = sort,
	.sort_count = 2,
};
static const struct table_def raw = {
	.database = "raw",
	.name = "ticks",
	.columns = numbers,
	.column_count = 3,
	.partition = by_hour,
	.partition_count = 2,
	.location = "raw/ticks",
	.scope_count = 2,
};
static const struct table_def *const both[] = {&refined, &raw};

/* -- fixture ----------------------------------------------------------------------------------- */

struct fixture {
	const struct driver_case *driver;
	char *place;
	struct catalog *catalog;
	struct arena *arena;
	struct err e;
};

#define GOOD(f, call)                                                                     \
	do {                                                                              \
		int code_ = (call);                                                       \
		if (code_)                                                                \
			print_error("%s: %s: %s\n", #call, err_name(code_), (f)->e.text); \
		assert_int_equal(code_, OK);                                              \
	} while (0)

static inline int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->driver = *state;
	f->place = temporary_folder();
	f->arena = arena_new();
	GOOD(f, f->driver->open(f->place, false, &f->catalog, &f->e));
	GOOD(f, catalog_put_tables(f->catalog, both, 2, &f->e));
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	catalog_free(f->catalog);
	close_shared();
	remove_folder(&f->place);
	arena_free(f->arena);
	free(f);
	return 0;
}

static inline struct catalog *another(struct fixture *f)
{
	struct catalog *c;
	GOOD(f, f->driver->open(f->place, false, &c, &f->e));
	return c;
}

/* A published file of refined: name under scope and action. */
static struct catalog_file published(struct fixture *f, const char *index, const char *date,
				     const char *action, const char *name, int64_t rows)
{
	const char *values[3] = {index, date, action}, *path, *scope;
	const char **scopes = ANEW_ARRAY(f->arena, 1, const char *);
	GOOD(f, path_partition(f->arena, &refined, values, 3, &path, &f->e));
	GOOD(f, path_partition(f->arena, &refined, values, 2, &scope, &f->e));
	scopes[0] = scope;
	struct catalog_file file = {.layout = LAYOUT_PUBLISHED,
				    .scopes = scopes,
				    .scope_count = 1,
				    .rows = rows,
				    .bytes = rows * 100};
	file.key = path_key(f->arena, &refined, path, name);
	for (size_t i = 0; i < 3; i++)
		file.low[i] = file.high[i] = arena_strdup(f->arena, values[i]);
	return file;
}

static struct catalog_file compact(struct fixture *f, const char *index, const char *date,
				   const char *low, const char *high, const char *name,
				   int64_t rows)
{
	struct catalog_file file = published(f, index, date, low, name, rows);
	GOOD(f,
	     path_compact_key(f->arena, &refined, file.scopes[0], false, name, &file.key, &f->e));
	file.layout = LAYOUT_COMPACT;
	file.high[2] = arena_strdup(f->arena, high);
	return file;
}

static struct catalog_file tick(struct fixture *f, const char *date, const char *hour,
				const char *name, int64_t rows)
{
	const char *values[2] = {date, hour}, *path;
	const char **scopes = ANEW_ARRAY(f->arena, 1, const char *);
	GOOD(f, path_partition(f->arena, &raw, values, 2, &path, &f->e));
	scopes[0] = path;
	struct catalog_file file = {.layout = LAYOUT_PUBLISHED,
				    .scopes = scopes,
				    .scope_count = 1,
				    .rows = rows,
				    .bytes = rows * 10};
	file.key = path_key(f->arena, &raw, path, name);
	file.low[0] = file.high[0] = values[0];
	file.low[1] = file.high[1] = values[1];
	return file;
}

/* One scope of refined with an action per file and a compact file over them. */
static int64_t put_session(struct fixture *f, struct catalog *c, const char *index,
			   const char *date, const char *name)
{
	struct catalog_file files[3] = {
		published(f, index, date, "PETROBRAS", name, 2),
		published(f, index, date, "VALE", name, 1),
		compact(f, index, date, "PETROBRAS", "VALE", name, 3),
	};
	struct catalog_scope scope = {.scope = files[0].scopes[0],
				      .properties = "{\"made_of\":\"x\"}"};
	struct catalog_change change = {.table = &refined,
					.scopes = &scope,
					.scope_count = 1,
					.files = files,
					.file_count = 3};
	int64_t version;
	GOOD(f, catalog_commit(c, 0, &change, 1, NULL, 0, &version, &f->e));
	return version;
}

static inline int64_t put_ticks(struct fixture *f, const char *date, const char *hour,
				const char *name, int64_t rows)
{
	struct catalog_file file = tick(f, date, hour, name, rows);
	struct catalog_scope scope = {.scope = file.scopes[0], .properties = "{}"};
	struct catalog_change change = {
		.table = &raw, .scopes = &scope, .scope_count = 1, .files = &file, .file_count = 1};
	int64_t version;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	return version;
}

/* The file names (without ".parquet") of a listing, one after the other: "a b c". */
static const char *names(struct fixture *f, struct catalog *c, const struct table_def *table,
			 enum catalog_layout layout, const struct filter *filters,
			 size_t filter_count)
{
	struct catalog_file *files;
	size_t n;
	struct buf all = {0};
	GOOD(f,
	     catalog_files(c, table, layout, filters, filter_count, f->arena, &files, &n, &f->e));
	for (size_t i = 0; i < n; i++) {
		const char *name = strrchr(files[i].key, '/') + 1;
		buf_printf(&all, "%s%.*s", i ? " " : "", (int)(strlen(name) - strlen(".parquet")),
			   name);
		if (i)
			assert_true(strcmp(files[i - 1].key, files[i].key) < 0);
	}
	const char *text = arena_strdup(f->arena, all.data ? all.data : "");
	buf_free(&all);
	return text;
}

static inline struct filter_term *term(struct fixture *f, const char *column, enum filter_op op,
				       const char *a, const char *b)
{
	struct filter_term *t = ANEW(f->arena, struct filter_term);
	const char **values = ANEW_ARRAY(f->arena, 2, const char *);
	values[0] = a;
	values[1] = b;
	*t = (struct filter_term){column, op, values, b ? 2 : a ? 1 : 0};
	return t;
}

static inline const char *where(struct fixture *f, const struct table_def *table,
				enum catalog_layout layout, const struct filter_term *t)
{
	const struct filter filter = {t, 1};
	return names(f, f->catalog, table, layout, &filter, 1);
}

#endif
