/* The SQLite catalog's listings: files, scopes, changes. Each is of one moment, and every filter
 * goes by an index. */
#include <stdio.h>
#include <string.h>

#include "catalog_sqlite_private.h"
#include "path.h"

/* -- collecting files -------------------------------------------------------------------------- */

struct listing {
	struct catalog_sqlite *self;
	const struct table_def *table;
	int64_t table_id;
	struct arena *arena;
	struct catalog_file *files;
	size_t count, cap;
	/* One scope's files follow each other and share its text and values. */
	const char *const *last_scope;
	const char *last_values[TABLE_MAX_PARTITION];
};

static const char *const no_origin[1];

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct catalog_file *)a)->key, ((const struct catalog_file *)b)->key);
}

/* Sorted by key, each once; mostly they come in order already. */
static void hand_over(struct listing *l, struct catalog_file **ret, size_t *ret_count)
{
	bool sorted = true;
	for (size_t i = 1; sorted && i < l->count; i++)
		sorted = by_key(&l->files[i - 1], &l->files[i]) < 0;
	if (!sorted)
		qsort(l->files, l->count, sizeof(*l->files), by_key);
	struct catalog_file *list = ANEW_ARRAY(l->arena, l->count, struct catalog_file);
	size_t n = 0;
	for (size_t i = 0; i < l->count; i++)
		if (n == 0 || by_key(&list[n - 1], &l->files[i]) != 0)
			list[n++] = l->files[i];
	*ret = list;
	*ret_count = n;
}

static int take_scope(struct listing *l, const char *scope, struct err *e)
{
	size_t n;
	if (l->last_scope && strcmp(l->last_scope[0], scope) == 0)
		return OK;
	const char **one = ANEW_ARRAY(l->arena, 1, const char *);
	one[0] = arena_strdup(l->arena, scope);
	l->last_scope = one;
	return path_values(l->arena, l->table, one[0], l->last_values, &n, e);
}

/* The partition columns below the scope, of the folders that `rest` begins with. */
static int take_rest(struct listing *l, const char *rest, const char *values[TABLE_MAX_PARTITION],
		     struct err *e)
{
	size_t n, scope_count = l->table->scope_count;
	const char *name = strrchr(rest, '/');
	if (!name)
		return OK;
	struct table_def below = *l->table;
	below.partition += scope_count;
	below.partition_count -= scope_count;
	return path_values(l->arena, &below, arena_strndup(l->arena, rest, (size_t)(name - rest)),
			   values + scope_count, &n, e);
}

/* The two layouts' rows, in this order. */
#define FILE_COLUMNS "s.scope, f.rest, f.rows, f.bytes, coalesce(f.version, s.base_version)"

static int published_row(struct listing *l, sqlite3_stmt *q, const struct catalog_terms *terms,
			 struct err *e)
{
	struct catalog_file file = {
		.layout = LAYOUT_PUBLISHED, .origins = no_origin, .scope_count = 1};
	const char *rest = (const char *)sqlite3_column_text(q, 1);
	int rc = take_scope(l, (const char *)sqlite3_column_text(q, 0), e);
	memcpy(file.low, l->last_values, sizeof(file.low));
	if (rc == OK)
		rc = take_rest(l, rest, file.low, e);
	if (rc)
		return err_wrap(e, "A file in the catalog is not of its table");
	if (!catalog_filter_passes(l->table, terms, l->table->scope_count, file.low))
		return OK;
	memcpy(file.high, file.low, sizeof(file.high));
	file.scopes = l->last_scope;
	const char *scope = file.scopes[0];
	file.key = arena_printf(l->arena, "%s/%s%s%s", l->table->location, scope,
				scope[0] ? "/" : "", rest);
	file.rows = sqlite_i64(q, 2);
	file.bytes = sqlite_i64(q, 3);
	file.version = sqlite_i64(q, 4);
	*PUSH(l->files, l->count, l->cap) = file;
	return OK;
}

/* Equality on the first partition column below the scope is a range of `rest`, which begins with
 * that folder: its text, or NULL. */
static const char *rest_prefix(struct listing *l, const struct catalog_terms *terms)
{
	size_t first = l->table->scope_count;
	for (size_t i = 0; i < terms->count; i++) {
		const struct catalog_term *t = &terms->terms[i];
		if (t->column != first || t->op != FILTER_IN || t->value_count != 1 ||
		    (l->table->partition[first].type != COL_TEXT &&
		     l->table->partition[first].type != COL_DATE))
			continue;
		AUTO_BUF struct buf prefix = {0};
		path_escape(&prefix, l->table->partition[first].name);
		buf_char(&prefix, '=');
		path_escape(&prefix, t->values[0]);
		return arena_strdup(l->arena, prefix.data);
	}
	return NULL;
}

/* only_loose: of scopes that no compact file covers, by an index of just those. */
static int list_published(struct listing *l, const struct catalog_terms *terms, bool only_loose,
			  struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	const char *prefix = rest_prefix(l, terms);
	/* CROSS JOIN: first the scopes, then each one's files, whatever SQLite would guess. */
	buf_printf(
		&sql,
		"SELECT " FILE_COLUMNS
		" FROM scopes s%s CROSS JOIN published f ON f.scope_id = s.id WHERE s.table_id = ?%s",
		only_loose ? " INDEXED BY scopes_loose" : "", only_loose ? " AND s.loose = 1" : "");
	catalog_filter_scopes_sql(l->table, terms, &sql);
	if (prefix)
		/* '0' comes right after '/' */
		buf_str(&sql, " AND f.rest >= ? || '/' AND f.rest < ? || '0'");
	sqlite3_stmt *q;
	int rc = sqlite_prepare(l->self->db, sql.data, &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, l->table_id);
	int next = catalog_filter_scopes_bind(l->table, terms, q, 2);
	if (prefix) {
		sqlite_bind_str(q, next, prefix);
		sqlite_bind_str(q, next + 1, prefix);
	}
	while ((rc = sqlite_step(l->self->db, q, e)) > 0)
		if ((rc = published_row(l, q, terms, e)) != OK)
			break;
	sqlite_reset(q);
	return rc;
}

static void compact_row(struct listing *l, sqlite3_stmt *q)
{
	struct catalog_file *file = PUSH(l->files, l->count, l->cap);
	file->layout = LAYOUT_COMPACT;
	file->key = sqlite_str(q, 0, l->arena);
	file->rows = sqlite_i64(q, 1);
	file->bytes = sqlite_i64(q, 2);
	file->version = sqlite_i64(q, 3);
	file->scope_count = (size_t)sqlite_i64(q, 4);
	for (size_t i = 0; i < l->table->partition_count; i++) {
		file->low[i] = sqlite_str(q, 5 + (int)i, l->arena);
		file->high[i] = sqlite_str(q, 5 + TABLE_MAX_PARTITION + (int)i, l->arena);
	}
}

/* Two ways to a compact file: through the scopes it covers, when the filter names values of the
 * scope's last (finest) column; else by the smallest and largest values of the files themselves, of
 * which there are far fewer than scopes. */
static bool goes_by_scopes(const struct table_def *table, const struct catalog_terms *terms)
{
	for (size_t i = 0; i < terms->count; i++)
		if (terms->terms[i].op == FILTER_IN &&
		    terms->terms[i].column + 1 == table->scope_count)
			return true;
	return false;
}

#define COMPACT_COLUMNS \
	"c.key, c.rows, c.bytes, c.version, c.scope_count, c.low0, c.low1, c.low2, c.low3, c.high0, c.high1, c.high2, c.high3"

static int list_compact(struct listing *l, const struct catalog_terms *terms, struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	bool by_scopes = goes_by_scopes(l->table, terms);
	size_t first = by_scopes ? l->table->scope_count : 0;
	buf_str(&sql, "SELECT " COMPACT_COLUMNS " FROM ");
	if (by_scopes) {
		buf_str(&sql,
			"(SELECT DISTINCT cs.file_id AS id FROM scopes s CROSS JOIN compact_scopes cs ON cs.scope_id = s.id"
			" WHERE s.table_id = ?");
		catalog_filter_scopes_sql(l->table, terms, &sql);
		buf_str(&sql, ") x CROSS JOIN compact c ON c.id = x.id WHERE 1");
	} else {
		buf_str(&sql, "compact c WHERE c.table_id = ?");
	}
	catalog_filter_compact_sql(terms, first, &sql);
	sqlite3_stmt *q;
	int rc = sqlite_prepare(l->self->db, sql.data, &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, l->table_id);
	int next = by_scopes ? catalog_filter_scopes_bind(l->table, terms, q, 2) : 2;
	catalog_filter_compact_bind(l->table, terms, first, q, next);
	while ((rc = sqlite_step(l->self->db, q, e)) > 0)
		compact_row(l, q);
	return rc;
}

static int list_all(struct listing *l, enum catalog_layout layout, const struct filter *any_of,
		    size_t filter_count, struct err *e)
{
	int rc = catalog_table_id(l->self, l->table, &l->table_id, e);
	for (size_t i = 0; rc == OK && i < (filter_count ? filter_count : 1); i++) {
		struct catalog_terms terms;
		rc = catalog_filter(l->table, filter_count ? &any_of[i] : NULL, l->arena, &terms,
				    e);
		if (rc || terms.nothing)
			continue;
		bool compact = layout != LAYOUT_PUBLISHED && l->table->compact_location;
		if (compact)
			rc = list_compact(l, &terms, e);
		if (rc == OK && layout != LAYOUT_COMPACT)
			rc = list_published(l, &terms, compact, e);
	}
	return rc;
}

int catalog_sqlite_files(struct catalog *c, const struct table_def *table,
			 enum catalog_layout layout, const struct filter *any_of,
			 size_t filter_count, struct arena *arena, struct catalog_file **ret,
			 size_t *ret_count, struct err *e)
{
	struct listing l = {.self = catalog_of(c), .table = table, .arena = arena};
	int rc = sqlite_begin_read(l.self->db, e);
	if (rc)
		return rc;
	rc = catalog_finish(l.self, list_all(&l, layout, any_of, filter_count, e), e);
	if (rc == OK)
		hand_over(&l, ret, ret_count);
	free(l.files);
	return rc;
}

/* -- what a compact file is made of ------------------------------------------------------------ */

static int fill_origins(struct catalog_sqlite *self, const struct table_def *table,
			struct catalog_file *file, struct arena *arena, struct err *e)
{
	const char **scopes = ANEW_ARRAY(arena, file->scope_count, const char *);
	const char **origins = ANEW_ARRAY(arena, file->scope_count, const char *);
	size_t n = 0;
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"SELECT s.scope, cs.origin FROM compact c JOIN compact_scopes cs ON cs.file_id = c.id"
		" JOIN scopes s ON s.id = cs.scope_id WHERE c.key = ? ORDER BY s.scope",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, file->key);
	while ((rc = sqlite_step(self->db, q, e)) > 0 && n < file->scope_count) {
		scopes[n] = sqlite_str(q, 0, arena);
		origins[n++] = sqlite_str(q, 1, arena);
	}
	sqlite_reset(q);
	if (rc < 0)
		return rc;
	if (n != file->scope_count || rc > 0)
		return err_set(e, ERR_NOT_FOUND, "Table %s.%s no longer has the compact file %s",
			       table->database, table->name, file->key);
	file->scopes = scopes;
	file->origins = origins;
	return OK;
}

int catalog_sqlite_origins(struct catalog *c, const struct table_def *table,
			   struct catalog_file *files, size_t count, struct arena *arena,
			   struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	int rc = sqlite_begin_read(self->db, e);
	if (rc)
		return rc;
	for (size_t i = 0; rc == OK && i < count; i++)
		rc = fill_origins(self, table, &files[i], arena, e);
	return catalog_finish(self, rc, e);
}

/* -- scopes ------------------------------------------------------------------------------------ */

#define SCOPE_COLUMNS "s.scope, s.properties, s.rows, s.bytes, s.files, s.version, s.changed_us"

static struct catalog_scope scope_row(sqlite3_stmt *q, struct arena *arena)
{
	return (struct catalog_scope){
		.scope = sqlite_str(q, 0, arena),
		.properties = sqlite_str(q, 1, arena),
		.rows = sqlite_i64(q, 2),
		.bytes = sqlite_i64(q, 3),
		.files = sqlite_i64(q, 4),
		.version = sqlite_i64(q, 5),
		.changed_us = sqlite_i64(q, 6),
	};
}

struct scope_list {
	struct catalog_scope *scopes;
	size_t count, cap;
};

static int by_scope(const void *a, const void *b)
{
	return strcmp(((const struct catalog_scope *)a)->scope,
		      ((const struct catalog_scope *)b)->scope);
}

static int list_scopes(struct catalog_sqlite *self, const struct table_def *table,
		       const struct filter *filter, struct arena *arena, struct scope_list *list,
		       struct err *e)
{
	struct catalog_terms terms;
	int64_t table_id;
	AUTO_BUF struct buf sql = {0};
	int rc = catalog_table_id(self, table, &table_id, e);
	if (rc == OK)
		rc = catalog_filter(table, filter, arena, &terms, e);
	if (rc || terms.nothing)
		return rc;
	buf_str(&sql, "SELECT " SCOPE_COLUMNS " FROM scopes s WHERE s.table_id = ?");
	catalog_filter_scopes_sql(table, &terms, &sql);
	buf_str(&sql, " ORDER BY s.scope");
	sqlite3_stmt *q;
	rc = sqlite_prepare(self->db, sql.data, &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	catalog_filter_scopes_bind(table, &terms, q, 2);
	while ((rc = sqlite_step(self->db, q, e)) > 0)
		*PUSH(list->scopes, list->count, list->cap) = scope_row(q, arena);
	return rc;
}

int catalog_sqlite_scopes(struct catalog *c, const struct table_def *table,
			  const struct filter *any_of, size_t filter_count, struct arena *arena,
			  struct catalog_scope **ret, size_t *ret_count, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	struct scope_list list = {0};
	int rc = sqlite_begin_read(self->db, e);
	if (rc)
		return rc;
	for (size_t i = 0; rc == OK && i < (filter_count ? filter_count : 1); i++)
		rc = list_scopes(self, table, filter_count ? &any_of[i] : NULL, arena, &list, e);
	rc = catalog_finish(self, rc, e);
	if (rc == OK) {
		struct catalog_scope *scopes = ANEW_ARRAY(arena, list.count, struct catalog_scope);
		size_t n = 0;
		if (filter_count > 1 && list.count)
			qsort(list.scopes, list.count, sizeof(*list.scopes), by_scope);
		for (size_t i = 0; i < list.count; i++)
			if (n == 0 || by_scope(&scopes[n - 1], &list.scopes[i]) != 0)
				scopes[n++] = list.scopes[i];
		*ret = scopes;
		*ret_count = n;
	}
	free(list.scopes);
	return rc;
}

int catalog_sqlite_scope(struct catalog *c, const struct table_def *table, const char *scope,
			 struct arena *arena, struct catalog_scope *ret, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db,
				"SELECT " SCOPE_COLUMNS
				" FROM tables t CROSS JOIN scopes s ON s.table_id = t.id"
				" WHERE t.database_name = ? AND t.name = ? AND s.scope = ?",
				&q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, table->database);
	sqlite_bind_str(q, 2, table->name);
	sqlite_bind_str(q, 3, scope);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "Table %s.%s has no partition %s", table->database,
			       table->name, scope);
	*ret = scope_row(q, arena);
	sqlite_reset(q);
	return OK;
}

/* -- changes ----------------------------------------------------------------------------------- */

/* A file that changed, with its table and scope. */
struct changed {
	const struct table_def *table;
	const struct catalog_scope *scope;
	struct catalog_file file;
};
struct changed_list {
	struct changed *items;
	size_t count, cap;
};

static int by_changed_key(const void *a, const void *b)
{
	return by_key(&((const struct changed *)a)->file, &((const struct changed *)b)->file);
}

static int table_by_id(struct catalog_sqlite *self, int64_t id, struct arena *arena,
		       const struct table_def **ret, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "SELECT definition FROM tables WHERE id = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, id);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_IO,
			       "The catalog has partitions of a table that it does not have");
	struct table_def *table;
	rc = table_from_json(arena, slice_of(sqlite_str(q, 0, arena)), &table, e);
	sqlite_reset(q);
	if (rc == OK)
		*ret = table;
	return rc;
}

static int add_scope_files(struct listing *l, int64_t scope_id, int64_t version,
			   const struct catalog_scope *scope, struct changed_list *list,
			   struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		l->self->db,
		"SELECT " FILE_COLUMNS " FROM scopes s CROSS JOIN published f ON f.scope_id = s.id"
		" WHERE s.id = ?1 AND s.base_version = ?2 AND f.version IS NULL"
		" UNION ALL SELECT " FILE_COLUMNS
		" FROM scopes s CROSS JOIN published f INDEXED BY published_by_version"
		" ON f.version = ?2 AND f.scope_id = s.id WHERE s.id = ?1",
		&q, e);
	if (rc)
		return rc;
	const struct catalog_terms all = {0};
	l->count = 0;
	sqlite_bind_i64(q, 1, scope_id);
	sqlite_bind_i64(q, 2, version);
	while ((rc = sqlite_step(l->self->db, q, e)) > 0)
		if ((rc = published_row(l, q, &all, e)) != OK)
			break;
	sqlite_reset(q);
	for (size_t i = 0; rc == OK && i < l->count; i++)
		*PUSH(list->items, list->count, list->cap) =
			(struct changed){l->table, scope, l->files[i]};
	return rc;
}

static int load_version(struct listing *l, int64_t version, struct changed_list *list,
			struct err *e)
{
	sqlite3_stmt *q;
	int64_t table_id = 0;
	int rc = sqlite_prepare(l->self->db,
				"SELECT " SCOPE_COLUMNS
				", s.id, s.table_id FROM scopes s WHERE s.id IN"
				" (SELECT id FROM scopes WHERE base_version = ?1"
				" UNION SELECT scope_id FROM published WHERE version = ?1)"
				" ORDER BY s.table_id, s.scope",
				&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, version);
	while ((rc = sqlite_step(l->self->db, q, e)) > 0) {
		struct catalog_scope *scope = ANEW(l->arena, struct catalog_scope);
		*scope = scope_row(q, l->arena);
		if (sqlite_i64(q, 8) != table_id) {
			table_id = sqlite_i64(q, 8);
			l->last_scope = NULL;
			rc = table_by_id(l->self, table_id, l->arena, &l->table, e);
		} else {
			rc = OK;
		}
		if (rc == OK)
			rc = add_scope_files(l, sqlite_i64(q, 7), version, scope, list, e);
		if (rc)
			break;
	}
	sqlite_reset(q);
	if (rc == OK && list->count)
		qsort(list->items, list->count, sizeof(*list->items), by_changed_key);
	return rc;
}

static int next_version(struct catalog_sqlite *self, int64_t after, int64_t last, int64_t *ret,
			struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"SELECT (SELECT min(base_version) FROM scopes WHERE base_version > ?1 AND base_version <= ?2),"
		" (SELECT min(version) FROM published WHERE version > ?1 AND version <= ?2)",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, after);
	sqlite_bind_i64(q, 2, last);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	int64_t replaced = rc ? sqlite_i64(q, 0) : 0, appended = rc ? sqlite_i64(q, 1) : 0;
	*ret = replaced && (!appended || replaced < appended) ? replaced : appended;
	sqlite_reset(q);
	return OK;
}

/* One version at a time, outside of any transaction when fn runs: fn may write, and memory stays
 * bounded by the largest commit. What a later commit replaces meanwhile is left out here and comes
 * with that commit, which is after the version seen. */
static int tell_version(struct catalog_sqlite *self, int64_t version,
			int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				  const struct catalog_scope *),
			void *ctx, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct listing l = {.self = self, .arena = arena};
	struct changed_list list = {0};
	int rc = sqlite_begin_read(self->db, e);
	if (rc == OK)
		rc = catalog_finish(self, load_version(&l, version, &list, e), e);
	for (size_t i = 0; rc == OK && i < list.count; i++)
		rc = fn(ctx, list.items[i].table, &list.items[i].file, list.items[i].scope);
	free(list.items);
	free(l.files);
	return rc;
}

int catalog_sqlite_changes(struct catalog *c, int64_t after_version,
			   int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				     const struct catalog_scope *),
			   void *ctx, int64_t *ret_version, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	int64_t seen, version = after_version;
	int rc = catalog_version(self, &seen, e);
	while (rc == OK) {
		rc = next_version(self, version, seen, &version, e);
		if (rc || version == 0)
			break;
		rc = tell_version(self, version, fn, ctx, e);
	}
	if (rc == OK)
		*ret_version = seen;
	return rc;
}
