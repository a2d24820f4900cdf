/* Published files become fewer: those of a scope one published file, those of several scopes (a
 * day's hours) one compact file. The rows stay as they are; the caller names the result, and says
 * by that what is in it. */
#include <inttypes.h>
#include <string.h>

#include "path.h"
#include "publish_private.h"

/* What is to become one file. */
struct sources {
	struct catalog_file *files;
	size_t count;
	int64_t rows;
};

static int list(struct publish_session *s, struct arena *arena, const struct table_def *table,
		const char *const *scopes, size_t n, struct sources *ret, struct err *e)
{
	struct filter *filters = ANEW_ARRAY(arena, n, struct filter);
	int rc = OK;
	*ret = (struct sources){0};
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = publish_scope_filter(arena, table, scopes[i], &filters[i], e);
	if (rc == OK && n)
		rc = catalog_files(s->with.catalog, table, LAYOUT_PUBLISHED, filters, n, arena,
				   &ret->files, &ret->count, e);
	for (size_t i = 0; rc == OK && i < ret->count; i++)
		ret->rows += ret->files[i].rows;
	return rc;
}

/* Of a table's sort what its published files have: their folders tell the rest, and it is the same in all
 * of a scope. */
static size_t published_sort(struct arena *arena, const struct table_def *table,
			     const char *const **ret)
{
	const char **sort = ANEW_ARRAY(arena, table->sort_count, const char *);
	size_t n = 0;
	for (size_t i = 0; i < table->sort_count; i++) {
		bool told = false;
		for (size_t c = 0; c < table->partition_count; c++)
			told |= strcmp(table->partition[c].name, table->sort[i]) == 0;
		if (!told)
			sort[n++] = table->sort[i];
	}
	*ret = sort;
	return n;
}

/* What table.h says of sort. */
static bool is_sorted(const struct table_def *table)
{
	bool all = table->sort_count > table->partition_count;
	for (size_t c = 0; all && c < table->partition_count; c++)
		all = strcmp(table->sort[c], table->partition[c].name) == 0;
	return all;
}

/* Writes the sources' rows to `file`; with their partition columns when it is a compact one. */
static int write_merged(struct publish_session *s, struct arena *arena,
			const struct table_def *table, const struct sources *from,
			struct publish_file *file, struct err *e)
{
	bool compact = file->file.layout == LAYOUT_COMPACT;
	size_t columns = compact ? table->partition_count : 0;
	const char *const *sort = table->sort;
	size_t sort_count = compact ? table->sort_count : published_sort(arena, table, &sort);
	const char **keys = ANEW_ARRAY(arena, from->count, const char *),
		   **paths = ANEW_ARRAY(arena, from->count, const char *),
		   **values = ANEW_ARRAY(arena, from->count * columns, const char *);
	struct parquet_result result = {0};
	if (!s->with.parquet)
		return err_set(e, ERR_BUG,
			       "A session that merges files of %s.%s without a Parquet writer",
			       table->database, table->name);
	for (size_t i = 0; i < from->count; i++) {
		keys[i] = from->files[i].key;
		memcpy(&values[i * columns], from->files[i].low, columns * sizeof(*values));
	}
	file->path = arena_printf(arena, "%s/%u.parquet", s->merging, ++s->merges);
	int rc = object_store_localise(s->with.store, keys, from->count, arena, paths, e);
	if (rc)
		return rc;
	const struct parquet_merge merge = {
		.paths = paths,
		.path_count = from->count,
		.sort = sort,
		.sort_count = sort_count,
		.sorted = is_sorted(table),
		.add_columns = table->partition,
		.add_column_count = columns,
		.add = values,
		.out_path = file->path,
	};
	rc = parquet_merge(s->with.parquet, &merge, arena, &result, e);
	if (rc)
		return err_wrap(e, "Merging files of %s.%s", table->database, table->name);
	if (result.rows != from->rows)
		return err_set(e, ERR_IO,
			       "The files of %s.%s hold %" PRId64
			       " rows, and the catalog says %" PRId64,
			       table->database, table->name, result.rows, from->rows);
	file->file.rows = result.rows;
	file->file.bytes = result.bytes;
	file->file.stats = result.stats;
	file->file.stats_count = result.stats_count;
	return OK;
}

static int flush(struct publish_session *s, struct publish_step *step, int64_t *merged,
		 struct err *e)
{
	int64_t version;
	int rc = step->file_count ? publish_steps(s, step, 1, NULL, 0, &version, e) : OK;
	if (rc == OK)
		*merged += (int64_t)step->file_count;
	return rc;
}

/* -- a scope's files into one published file --------------------------------------------------- */

static int merge_scope(struct publish_session *s, struct arena *arena,
		       const struct publish_merge *merge, struct publish_step *step,
		       struct catalog_scope *scope, struct err *e)
{
	struct publish_file file = {.file = {.layout = LAYOUT_PUBLISHED, .scope_count = 1}};
	struct sources from;
	int rc = catalog_scope(s->with.catalog, step->table, merge->scope, arena, scope, e);
	if (rc || scope->files < 2)
		return rc;
	rc = list(s, arena, step->table, &scope->scope, 1, &from, e);
	if (rc)
		return rc;
	file.file.key = path_key(arena, step->table, scope->scope, merge->name);
	file.file.scopes = &scope->scope;
	for (size_t i = 0; i < from.count; i++)
		/* Its bytes would change beneath those who read it. */
		if (strcmp(from.files[i].key, file.file.key) == 0)
			return err_set(
				e, ERR_BUG,
				"Files of %s.%s cannot be merged into %s, which is one of them",
				step->table->database, step->table->name, file.file.key);
	memcpy(file.file.low, from.files[0].low, sizeof(file.file.low));
	memcpy(file.file.high, from.files[0].low, sizeof(file.file.high));
	rc = write_merged(s, arena, step->table, &from, &file, e);
	if (rc)
		return rc;
	*PUSH(step->files, step->file_count, step->file_cap) = file;
	step->scope_count++;
	return OK;
}

static int merge_some(struct publish_session *s, const struct table_def *table,
		      const struct publish_merge *merges, size_t n, int64_t *merged, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct catalog_scope *scopes = ANEW_ARRAY(arena, n, struct catalog_scope);
	struct publish_step step = {.table = table, .scopes = scopes, .same_rows = true};
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = merge_scope(s, arena, &merges[i], &step, &scopes[step.scope_count], e);
	if (rc == OK)
		rc = flush(s, &step, merged, e);
	publish_step_clear(&step);
	return rc;
}

int publish_merge_scopes(struct publish_session *s, const struct table_def *table,
			 const struct publish_merge *merges, size_t n, int64_t *ret_merged,
			 struct err *e)
{
	int64_t merged = 0;
	int rc = OK;
	table = publish_find_table(s, table);
	if (!table || table->scope_count != table->partition_count)
		return err_set(
			e, ERR_BUG,
			"A table to be merged is not locked by this session, or its scopes have several folders");
	for (size_t i = 0; rc == OK && i < n; i += PUBLISH_MERGES_PER_COMMIT)
		rc = merge_some(s, table, &merges[i],
				n - i < PUBLISH_MERGES_PER_COMMIT ? n - i
								  : PUBLISH_MERGES_PER_COMMIT,
				&merged, e);
	if (rc == OK)
		*ret_merged = merged;
	return rc;
}

/* -- several scopes' files into one compact file ----------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of the scopes that have files, sorted, each once. */
static int scopes_with_files(struct publish_session *s, struct arena *arena,
			     const struct table_def *table, const char *const *given, size_t n,
			     const char ***ret, size_t *ret_count, struct err *e)
{
	const char **scopes = ANEW_ARRAY(arena, n, const char *);
	size_t count = 0, unique = 0;
	for (size_t i = 0; i < n; i++) {
		struct catalog_scope scope;
		int rc = catalog_scope(s->with.catalog, table, given[i], arena, &scope, e);
		if (rc)
			return rc;
		if (scope.files)
			scopes[count++] = scope.scope;
	}
	qsort(scopes, count, sizeof(*scopes), by_text);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(scopes[unique - 1], scopes[i]) != 0)
			scopes[unique++] = scopes[i];
	*ret = scopes;
	*ret_count = unique;
	return OK;
}

/* The compact files that cover one of the scopes; *ret_done: a single one, which covers just them. */
static int retire_covering(struct publish_session *s, struct arena *arena,
			   struct publish_step *step, const char *const *scopes, size_t n,
			   bool *ret_done, struct err *e)
{
	struct filter *filters = ANEW_ARRAY(arena, n, struct filter);
	struct catalog_file *files;
	size_t found = 0, covered = 0, others = 0;
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = publish_scope_filter(arena, step->table, scopes[i], &filters[i], e);
	if (rc == OK)
		rc = catalog_files(s->with.catalog, step->table, LAYOUT_COMPACT, filters, n, arena,
				   &files, &found, e);
	if (rc == OK)
		rc = catalog_origins(s->with.catalog, step->table, files, found, arena, e);
	for (size_t i = 0; rc == OK && i < found; i++) {
		size_t here = 0;
		for (size_t k = 0; k < files[i].scope_count; k++)
			here += bsearch(&files[i].scopes[k], scopes, n, sizeof(*scopes), by_text) !=
				NULL;
		if (here == 0)
			continue;
		covered += here;
		others += files[i].scope_count - here;
		*PUSH(step->retired, step->retired_count, step->retired_cap) = files[i].key;
	}
	*ret_done = step->retired_count == 1 && covered == n && others == 0;
	return rc;
}

/* "<compact_location>/source=binance/2024-08-08-<name>.parquet": of the scope's values those that
 * all files share, the date in the file's name. */
static const char *compact_key(struct arena *arena, const struct table_def *table,
			       const struct catalog_file *file, const char *name)
{
	AUTO_BUF struct buf key = {0};
	const char *date = "all";
	buf_str(&key, table->compact_location);
	for (size_t c = 0; c < table->scope_count; c++) {
		if (strcmp(file->low[c], file->high[c]) != 0)
			continue;
		if (table->partition[c].type == COL_DATE) {
			date = file->low[c];
			continue;
		}
		buf_char(&key, '/');
		path_escape(&key, table->partition[c].name);
		buf_char(&key, '=');
		path_escape(&key, file->low[c]);
	}
	buf_printf(&key, "/%s-%s.parquet", date, name);
	return arena_strdup(arena, key.data);
}

static int compact_into(struct publish_session *s, struct arena *arena, struct publish_step *step,
			const char *const *scopes, size_t n, const char *name, struct err *e)
{
	const struct table_def *table = step->table;
	struct publish_file file = {
		.file = {.layout = LAYOUT_COMPACT, .scopes = scopes, .scope_count = n}};
	const char **origins = ANEW_ARRAY(arena, n, const char *);
	struct sources from;
	int rc = list(s, arena, table, scopes, n, &from, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < from.count; i++)
		for (size_t c = 0; c < table->partition_count; c++)
			column_widen(&table->partition[c], &file.file.low[c], &file.file.high[c],
				     from.files[i].low[c], from.files[i].high[c]);
	file.file.key = compact_key(arena, table, &file.file, name);
	for (size_t i = 0; i < n; i++)
		origins[i] = file.file.key;
	file.file.origins = origins;
	for (size_t i = 0; i < step->retired_count; i++)
		if (strcmp(step->retired[i], file.file.key) == 0)
			return err_set(
				e, ERR_BUG,
				"The compact file %s would take its own place with other rows",
				file.file.key);
	rc = write_merged(s, arena, table, &from, &file, e);
	if (rc == OK)
		*PUSH(step->files, step->file_count, step->file_cap) = file;
	return rc;
}

int publish_compact_scopes(struct publish_session *s, const struct table_def *table,
			   const char *const *given, size_t given_count, const char *name,
			   int64_t *ret_merged, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct publish_step step = {.table = publish_find_table(s, table)};
	const char **scopes;
	size_t n = 0;
	int64_t merged = 0;
	bool done = false;
	if (!step.table || !step.table->compact_location)
		return err_set(
			e, ERR_BUG,
			"A table to be compacted is not locked by this session, or has no compact layout");
	int rc = scopes_with_files(s, arena, step.table, given, given_count, &scopes, &n, e);
	if (rc == OK && n)
		rc = retire_covering(s, arena, &step, scopes, n, &done, e);
	if (rc == OK && n && !done)
		rc = compact_into(s, arena, &step, scopes, n, name, e);
	if (rc == OK && n && !done)
		rc = flush(s, &step, &merged, e);
	publish_step_clear(&step);
	if (rc == OK)
		*ret_merged = merged;
	return rc;
}
