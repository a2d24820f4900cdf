/* The compact layout as it ages: a file per scope becomes a file per month once the month is
 * closed, and loses a scope that is replaced. A merged file's name is made of the single-scope
 * files its rows came from, so it does not matter in which order things happened. */
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "path.h"
#include "publish_private.h"

#define NAME_DIGITS 32

/* A scope inside a compact file. */
struct part {
	const char *scope, *origin;
};

static int by_scope(const void *a, const void *b)
{
	return strcmp(((const struct part *)a)->scope, ((const struct part *)b)->scope);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* -- merging ----------------------------------------------------------------------------------- */

/* From files to one: their rows but for the dropped scopes; `parts` is what it will hold, sorted by
 * scope. */
struct merge {
	const struct table_def *table;
	const struct catalog_file *from;
	size_t from_count;
	struct part *parts;
	size_t part_count;
	const char **drop; /* scope column values, row by row */
	size_t drop_count;
};

static const char *merged_name(struct arena *arena, const struct merge *m)
{
	char hex[HASH_HEX_SIZE];
	struct hash *hash = hash_new();
	/* A file of several scopes may be the origin of each of them. */
	for (size_t i = 0; i < m->part_count; i++) {
		hash_str(hash, m->parts[i].scope);
		hash_str(hash, m->parts[i].origin);
	}
	hash_end_hex(hash, hex);
	return arena_strndup(arena, hex, NAME_DIGITS);
}

/* Scope columns exactly, by the scopes that are left; the others by what the files had, which may
 * be wider than need be. */
static int bounds(struct arena *arena, const struct merge *m, struct catalog_file *file,
		  struct err *e)
{
	const struct table_def *table = m->table;
	for (size_t i = 0; i < m->part_count; i++) {
		const char *values[TABLE_MAX_PARTITION];
		size_t n;
		int rc = path_values(arena, table, m->parts[i].scope, values, &n, e);
		if (rc)
			return rc;
		for (size_t c = 0; c < n; c++)
			column_widen(&table->partition[c], &file->low[c], &file->high[c], values[c],
				     values[c]);
	}
	for (size_t i = 0; i < m->from_count; i++)
		for (size_t c = table->scope_count; c < table->partition_count; c++)
			column_widen(&table->partition[c], &file->low[c], &file->high[c],
				     m->from[i].low[c], m->from[i].high[c]);
	return OK;
}

static int rewrite(struct publish_session *s, struct arena *arena, const struct merge *m,
		   const char *out, struct parquet_result *ret, struct err *e)
{
	const char **keys = ANEW_ARRAY(arena, m->from_count, const char *),
		   **paths = ANEW_ARRAY(arena, m->from_count, const char *);
	if (!s->with.parquet)
		return err_set(
			e, ERR_BUG,
			"A session on %s.%s, which has a compact layout, without a Parquet writer",
			m->table->database, m->table->name);
	for (size_t i = 0; i < m->from_count; i++)
		keys[i] = m->from[i].key;
	int rc = object_store_localise(s->with.store, keys, m->from_count, arena, paths, e);
	if (rc)
		return rc;
	const struct parquet_merge merge = {
		.paths = paths,
		.path_count = m->from_count,
		.sort = m->table->sort,
		.sort_count = m->table->sort_count,
		.drop_columns = m->table->partition,
		.drop_column_count = m->table->scope_count,
		.drop = m->drop,
		.drop_count = m->drop_count,
		.out_path = out,
	};
	return parquet_merge(s->with.parquet, &merge, arena, ret, e);
}

static int merge_files(struct publish_session *s, struct arena *arena, const struct merge *m,
		       struct publish_step *step, struct err *e)
{
	struct publish_file merged = {
		.file = {.layout = LAYOUT_COMPACT, .scope_count = m->part_count}};
	const char **scopes = ANEW_ARRAY(arena, m->part_count, const char *),
		   **origins = ANEW_ARRAY(arena, m->part_count, const char *);
	struct parquet_result result = {0};
	qsort(m->parts, m->part_count, sizeof(*m->parts), by_scope);
	for (size_t i = 0; i < m->part_count; i++) {
		scopes[i] = m->parts[i].scope;
		origins[i] = m->parts[i].origin;
	}
	merged.file.scopes = scopes;
	merged.file.origins = origins;
	merged.path = arena_printf(arena, "%s/%u.parquet", s->merging, ++s->merges);
	int rc = bounds(arena, m, &merged.file, e);
	if (rc == OK)
		rc = path_compact_key(arena, m->table, scopes[0], true, merged_name(arena, m),
				      &merged.file.key, e);
	if (rc == OK)
		rc = rewrite(s, arena, m, merged.path, &result, e);
	if (rc)
		return err_wrap(e, "Merging compact files of %s.%s", m->table->database,
				m->table->name);
	merged.file.rows = result.rows;
	merged.file.bytes = result.bytes;
	merged.file.stats = result.stats;
	merged.file.stats_count = result.stats_count;
	*PUSH(step->files, step->file_count, step->file_cap) = merged;
	return OK;
}

/* -- what remains of a file when scopes of it are replaced ------------------------------------- */

struct replaced {
	const char **scopes; /* sorted */
	size_t count;
};

static bool is_replaced(const struct replaced *replaced, const char *scope)
{
	return bsearch(&scope, replaced->scopes, replaced->count, sizeof(*replaced->scopes),
		       by_text) != NULL;
}

int publish_scope_filter(struct arena *arena, const struct table_def *table, const char *scope,
			 struct filter *ret, struct err *e)
{
	const char **values = ANEW_ARRAY(arena, TABLE_MAX_PARTITION, const char *);
	struct filter_term *terms = ANEW_ARRAY(arena, TABLE_MAX_PARTITION, struct filter_term);
	size_t n;
	int rc = path_values(arena, table, scope, values, &n, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		terms[i] = (struct filter_term){table->partition[i].name, FILTER_IN, &values[i], 1};
	*ret = (struct filter){terms, n};
	return OK;
}

/* Merged files that may cover any of the scopes. */
static int find_covering(struct publish_session *s, struct arena *arena,
			 const struct publish_step *step, struct catalog_file **ret,
			 size_t *ret_count, struct err *e)
{
	struct filter *filters = ANEW_ARRAY(arena, step->scope_count, struct filter);
	struct catalog_file *files;
	size_t found, n = 0;
	int rc = OK;
	for (size_t i = 0; rc == OK && i < step->scope_count; i++)
		rc = publish_scope_filter(arena, step->table, step->scopes[i].scope, &filters[i],
					  e);
	if (rc == OK)
		rc = catalog_files(s->with.catalog, step->table, LAYOUT_COMPACT, filters,
				   step->scope_count, arena, &files, &found, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < found; i++)
		if (files[i].scope_count > 1)
			files[n++] = files[i];
	*ret = files;
	*ret_count = n;
	return catalog_origins(s->with.catalog, step->table, files, n, arena, e);
}

static int keep_rest(struct publish_session *s, struct arena *arena, struct publish_step *step,
		     const struct catalog_file *file, const struct replaced *replaced,
		     struct err *e)
{
	struct merge m = {.table = step->table, .from = file, .from_count = 1};
	m.parts = ANEW_ARRAY(arena, file->scope_count, struct part);
	m.drop = ANEW_ARRAY(arena, file->scope_count * step->table->scope_count, const char *);
	for (size_t i = 0; i < file->scope_count; i++) {
		size_t n;
		if (!is_replaced(replaced, file->scopes[i])) {
			m.parts[m.part_count++] = (struct part){file->scopes[i], file->origins[i]};
			continue;
		}
		int rc = path_values(arena, step->table, file->scopes[i],
				     &m.drop[m.drop_count++ * step->table->scope_count], &n, e);
		if (rc)
			return rc;
	}
	/* Nothing of it replaced: the filter gave too much. All of it replaced: the commit takes it
	 * away. */
	if (m.drop_count == 0 || m.part_count == 0)
		return OK;
	*PUSH(step->retired, step->retired_count, step->retired_cap) = file->key;
	return merge_files(s, arena, &m, step, e);
}

static struct replaced scopes_of(struct arena *arena, const struct publish_step *step)
{
	struct replaced replaced = {.scopes = ANEW_ARRAY(arena, step->scope_count, const char *),
				    .count = step->scope_count};
	for (size_t i = 0; i < step->scope_count; i++)
		replaced.scopes[i] = step->scopes[i].scope;
	qsort(replaced.scopes, replaced.count, sizeof(*replaced.scopes), by_text);
	return replaced;
}

int compact_remainders(struct publish_session *s, struct arena *arena, struct publish_step *step,
		       struct err *e)
{
	struct replaced replaced = scopes_of(arena, step);
	struct catalog_file *covering;
	size_t n;
	if (step->scope_count == 0)
		return OK;
	int rc = find_covering(s, arena, step, &covering, &n, e);
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = keep_rest(s, arena, step, &covering[i], &replaced, e);
	return rc;
}

int compact_retire(struct publish_session *s, struct arena *arena, struct publish_step *step,
		   struct err *e)
{
	struct replaced appended = scopes_of(arena, step);
	struct catalog_file *covering;
	size_t n;
	if (step->scope_count == 0)
		return OK;
	int rc = find_covering(s, arena, step, &covering, &n, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		bool covers = false;
		for (size_t k = 0; !covers && k < covering[i].scope_count; k++)
			covers = is_replaced(&appended, covering[i].scopes[k]);
		if (covers)
			*PUSH(step->retired, step->retired_count, step->retired_cap) =
				covering[i].key;
	}
	return rc;
}

/* -- whole months ------------------------------------------------------------------------------ */

/* A file of a single month of single other values. */
struct aged {
	const struct catalog_file *file;
	const char *others[TABLE_MAX_PARTITION]; /* the scope's values but for the date */
	char month[8];                           /* YYYY-MM */
};

static int compare_others(const struct aged *a, const struct aged *b)
{
	for (size_t i = 0; i < TABLE_MAX_PARTITION; i++) {
		int order =
			strcmp(a->others[i] ? a->others[i] : "", b->others[i] ? b->others[i] : "");
		if (order)
			return order;
	}
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;
	int order = compare_others(x, y);
	if (order == 0)
		order = strcmp(x->month, y->month);
	return order ? order : strcmp(x->file->key, y->file->key);
}

static bool same_month(const struct aged *a, const struct aged *b)
{
	return compare_others(a, b) == 0 && strcmp(a->month, b->month) == 0;
}

/* false: spans months or other values, so it is none of ours to merge. */
static bool place(const struct table_def *table, size_t date, const struct catalog_file *file,
		  struct aged *ret)
{
	size_t n = 0;
	*ret = (struct aged){.file = file};
	for (size_t i = 0; i < table->scope_count; i++) {
		if (!file->low[i] || !file->high[i])
			return false;
		if (i == date)
			continue;
		if (strcmp(file->low[i], file->high[i]) != 0)
			return false;
		ret->others[n++] = file->low[i];
	}
	snprintf(ret->month, sizeof(ret->month), "%.7s", file->low[date]);
	return strncmp(ret->month, file->high[date], 7) == 0;
}

static bool worth_merging(const struct aged *group, size_t n, bool closed, bool everything)
{
	size_t scopes = 0;
	for (size_t i = 0; i < n; i++)
		scopes += group[i].file->scope_count;
	return n > 1 && (everything || (closed && scopes >= COMPACT_MIN_SCOPES));
}

static int merge_group(struct publish_session *s, struct arena *arena, const struct aged *group,
		       size_t n, struct publish_step *step, struct err *e)
{
	struct catalog_file *from = ANEW_ARRAY(arena, n, struct catalog_file);
	struct merge m = {.table = step->table, .from = from, .from_count = n};
	size_t scopes = 0;
	for (size_t i = 0; i < n; i++) {
		from[i] = *group[i].file;
		scopes += from[i].scope_count;
	}
	int rc = catalog_origins(s->with.catalog, step->table, from, n, arena, e);
	if (rc)
		return rc;
	m.parts = ANEW_ARRAY(arena, scopes, struct part);
	for (size_t i = 0; i < n; i++) {
		*PUSH(step->retired, step->retired_count, step->retired_cap) = from[i].key;
		for (size_t k = 0; k < from[i].scope_count; k++)
			m.parts[m.part_count++] =
				(struct part){from[i].scopes[k], from[i].origins[k]};
	}
	return merge_files(s, arena, &m, step, e);
}

static int flush(struct publish_session *s, struct publish_step *step, int64_t *merged,
		 struct err *e)
{
	int64_t version;
	int rc = step->file_count ? publish_steps(s, step, 1, NULL, 0, &version, e) : OK;
	if (rc == OK)
		*merged += (int64_t)step->file_count;
	const struct table_def *table = step->table;
	publish_step_clear(step);
	step->table = table;
	return rc;
}

static int merge_months(struct publish_session *s, const struct table_def *table,
			const struct aged *files, size_t n, bool everything, int64_t *merged,
			struct err *e)
{
	struct publish_step step = {.table = table};
	struct arena *arena = arena_new();
	int rc = OK;
	for (size_t first = 0, end; rc == OK && first < n; first = end) {
		for (end = first + 1; end < n && same_month(&files[first], &files[end]);)
			end++;
		/* Sorted by month: what follows with the same other values is a later one. */
		bool closed = end < n && compare_others(&files[first], &files[end]) == 0;
		if (!worth_merging(&files[first], end - first, closed, everything))
			continue;
		rc = merge_group(s, arena, &files[first], end - first, &step, e);
		if (rc == OK && step.file_count >= PUBLISH_MERGES_PER_COMMIT) {
			rc = flush(s, &step, merged, e);
			arena_free(arena);
			arena = arena_new();
		}
	}
	if (rc == OK)
		rc = flush(s, &step, merged, e);
	publish_step_clear(&step);
	arena_free(arena);
	return rc;
}

int publish_compact(struct publish_session *s, const struct table_def *table, bool everything,
		    int64_t *ret_merged, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct catalog_file *files;
	size_t date = 0, found, n = 0;
	int64_t merged = 0;
	table = publish_find_table(s, table);
	if (!table)
		return err_set(e, ERR_BUG, "A table to be compacted is not locked by this session");
	while (date < table->scope_count && table->partition[date].type != COL_DATE)
		date++;
	/* Without a date a scope is a file for ever. */
	if (!table->compact_location || date == table->scope_count) {
		*ret_merged = 0;
		return OK;
	}
	int rc = catalog_files(s->with.catalog, table, LAYOUT_COMPACT, NULL, 0, arena, &files,
			       &found, e);
	if (rc)
		return rc;
	struct aged *aged = ANEW_ARRAY(arena, found, struct aged);
	for (size_t i = 0; i < found; i++)
		n += place(table, date, &files[i], &aged[n]);
	qsort(aged, n, sizeof(*aged), by_age);
	rc = merge_months(s, table, aged, n, everything, &merged, e);
	if (rc == OK)
		*ret_merged = merged;
	return rc;
}
