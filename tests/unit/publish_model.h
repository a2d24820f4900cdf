/* Two tables for the tests of publishing, and a model of what must be read from them: which
 * generation each scope is at. A row is a line "index|date|action|generation". */
#ifndef PREGAO_TESTS_PUBLISH_MODEL_H
#define PREGAO_TESTS_PUBLISH_MODEL_H

#include "publish_lake.h"

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

static void lake_open(struct lake *l, const char *root)
{
	lake_start(l, root, lake_tables, 2);
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

#endif
