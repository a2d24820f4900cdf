/* The SQLite catalog's table definitions: creating, evolving, and the history of it in words.
 * Every command hands in all definitions; when all are as they were, that costs one read. */
#include <string.h>

#include "catalog_sqlite_private.h"

/* A definition as given, beside what the catalog has. */
struct entry {
	const struct table_def *table;
	const char *json;
	int64_t id;      /* 0: not there yet */
	const char *was; /* the stored JSON */
};

static int check_definition(const struct table_def *t, struct err *e)
{
	if (t->partition_count > TABLE_MAX_PARTITION || t->column_count > TABLE_MAX_COLUMNS ||
	    t->scope_count > t->partition_count)
		return err_set(
			e, ERR_BUG,
			"Table %s.%s has too many columns, partition columns or scope columns",
			t->database, t->name);
	for (size_t i = 0; i < t->column_count; i++)
		if (t->columns[i].type == COL_HUGEINT)
			return err_set(
				e, ERR_BUG,
				"Column %s of table %s.%s is HUGEINT, which Parquet does not have",
				t->columns[i].name, t->database, t->name);
	for (size_t i = 0; i < t->partition_count; i++) {
		enum column_type type = t->partition[i].type;
		if (type != COL_TEXT && type != COL_DATE && type != COL_INTEGER &&
		    type != COL_BIGINT)
			return err_set(
				e, ERR_BUG,
				"Partition column %s of table %s.%s is neither text nor date nor a whole number",
				t->partition[i].name, t->database, t->name);
	}
	return OK;
}

/* -- reading ----------------------------------------------------------------------------------- */

static int parse_definition(struct arena *arena, const char *json, struct table_def **ret,
			    struct err *e)
{
	int rc = table_from_json(arena, slice_of(json), ret, e);
	return rc ? err_wrap(e, "A table's definition in the catalog cannot be read") : OK;
}

int catalog_sqlite_tables(struct catalog *c, struct arena *arena, struct table_def ***ret,
			  size_t *ret_count, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	struct found {
		struct table_def *table;
	};
	AUTO_FREE struct found *list = NULL;
	size_t count = 0, cap = 0;
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db, "SELECT definition FROM tables ORDER BY database_name, name", &q, e);
	if (rc)
		return rc;
	while ((rc = sqlite_step(self->db, q, e)) > 0) {
		rc = parse_definition(arena, sqlite_str(q, 0, arena),
				      &PUSH(list, count, cap)->table, e);
		if (rc)
			break;
	}
	sqlite_reset(q);
	if (rc)
		return rc;
	*ret = ANEW_ARRAY(arena, count, struct table_def *);
	for (size_t i = 0; i < count; i++)
		(*ret)[i] = list[i].table;
	*ret_count = count;
	return OK;
}

int catalog_sqlite_table(struct catalog *c, const char *database, const char *name,
			 struct arena *arena, struct table_def **ret, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db, "SELECT definition FROM tables WHERE database_name = ? AND name = ?", &q,
		e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, database);
	sqlite_bind_str(q, 2, name);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "The catalog has no table %s.%s", database, name);
	const char *json = sqlite_str(q, 0, arena);
	sqlite_reset(q);
	return parse_definition(arena, json, ret, e);
}

int catalog_sqlite_history(struct catalog *c, const struct table_def *table,
			   int (*fn)(void *, int64_t, int64_t, const char *), void *ctx,
			   struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	AUTO_ARENA struct arena *arena = arena_new();
	struct line {
		int64_t version, at_us;
		const char *change;
	};
	AUTO_FREE struct line *lines = NULL;
	size_t count = 0, cap = 0;
	int64_t table_id;
	sqlite3_stmt *q;
	int rc = catalog_table_id(self, table, &table_id, e);
	if (rc == OK)
		rc = sqlite_prepare(
			self->db,
			"SELECT version, at_us, change FROM history WHERE table_id = ? ORDER BY id",
			&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	while ((rc = sqlite_step(self->db, q, e)) > 0)
		*PUSH(lines, count, cap) =
			(struct line){sqlite_i64(q, 0), sqlite_i64(q, 1), sqlite_str(q, 2, arena)};
	for (size_t i = 0; rc == OK && i < count; i++)
		rc = fn(ctx, lines[i].version, lines[i].at_us, lines[i].change);
	return rc;
}

/* -- what changed, in words -------------------------------------------------------------------- */

struct changes {
	struct arena *arena;
	const char **lines;
	size_t count, cap;
	const char *refused; /* the first one that a table with files cannot make */
};

static void note(struct changes *changes, const char *line, bool needs_empty)
{
	*PUSH(changes->lines, changes->count, changes->cap) = line;
	if (needs_empty && !changes->refused)
		changes->refused = line;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct column *find_column(const struct column *columns, size_t count,
					const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

static void compare_column(struct changes *changes, const struct column *was,
			   const struct column *is)
{
	char before[COLUMN_TYPE_SIZE], after[COLUMN_TYPE_SIZE];
	column_type_format(was, before);
	column_type_format(is, after);
	if (strcmp(before, after) != 0)
		note(changes,
		     arena_printf(changes->arena, "column %s changed from %s to %s", is->name,
				  before, after),
		     true);
	if (!same_text(was->doc, is->doc))
		note(changes, arena_printf(changes->arena, "doc of column %s changed", is->name),
		     false);
}

/* Columns in both definitions, in each one's order: the same sequence? */
static bool same_order(const struct table_def *was, const struct table_def *is)
{
	size_t i = 0;
	for (size_t k = 0; k < is->column_count; k++) {
		if (!find_column(was->columns, was->column_count, is->columns[k].name))
			continue;
		while (!find_column(is->columns, is->column_count, was->columns[i].name))
			i++;
		if (strcmp(was->columns[i++].name, is->columns[k].name) != 0)
			return false;
	}
	return true;
}

static void compare_columns(struct changes *changes, const struct table_def *was,
			    const struct table_def *is)
{
	for (size_t i = 0; i < is->column_count; i++) {
		const struct column *before =
			find_column(was->columns, was->column_count, is->columns[i].name);
		char type[COLUMN_TYPE_SIZE];
		if (before)
			compare_column(changes, before, &is->columns[i]);
		else
			note(changes,
			     arena_printf(changes->arena, "column %s %s added", is->columns[i].name,
					  column_type_format(&is->columns[i], type)),
			     false);
	}
	for (size_t i = 0; i < was->column_count; i++)
		if (!find_column(is->columns, is->column_count, was->columns[i].name))
			note(changes,
			     arena_printf(changes->arena, "column %s removed",
					  was->columns[i].name),
			     false);
	if (!same_order(was, is))
		note(changes, "columns reordered", false);
}

static void compare_partition(struct changes *changes, const struct table_def *was,
			      const struct table_def *is)
{
	bool same = was->partition_count == is->partition_count &&
		    was->scope_count == is->scope_count;
	for (size_t i = 0; same && i < is->partition_count; i++)
		same = strcmp(was->partition[i].name, is->partition[i].name) == 0 &&
		       was->partition[i].type == is->partition[i].type;
	if (!same) {
		note(changes, "partition columns changed", true);
		return;
	}
	for (size_t i = 0; i < is->partition_count; i++)
		if (!same_text(was->partition[i].doc, is->partition[i].doc))
			note(changes,
			     arena_printf(changes->arena, "doc of column %s changed",
					  is->partition[i].name),
			     false);
}

static void compare(struct changes *changes, const struct table_def *was,
		    const struct table_def *is)
{
	compare_columns(changes, was, is);
	compare_partition(changes, was, is);
	if (strcmp(was->location, is->location) != 0)
		note(changes,
		     arena_printf(changes->arena, "location changed from %s to %s", was->location,
				  is->location),
		     true);
	/* Files that lie in one layout only would be missing in the other. */
	if (!same_text(was->compact_location, is->compact_location))
		note(changes,
		     arena_printf(changes->arena, "compact location changed from %s to %s",
				  was->compact_location ? was->compact_location : "none",
				  is->compact_location ? is->compact_location : "none"),
		     true);
	bool sorted = was->sort_count == is->sort_count;
	for (size_t i = 0; sorted && i < is->sort_count; i++)
		sorted = strcmp(was->sort[i], is->sort[i]) == 0;
	if (!sorted)
		note(changes, "sort order changed", false);
	if (!same_text(was->doc, is->doc))
		note(changes, "doc changed", false);
	if (changes->count == 0)
		note(changes, "definition changed", true);
}

/* -- writing ----------------------------------------------------------------------------------- */

static int load_known(struct catalog_sqlite *self, struct arena *arena, struct entry *entries,
		      size_t n, bool *ret_differs, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "SELECT database_name, name, id, definition FROM tables",
				&q, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		entries[i].id = 0;
	while ((rc = sqlite_step(self->db, q, e)) > 0) {
		const char *database = (const char *)sqlite3_column_text(q, 0);
		const char *name = (const char *)sqlite3_column_text(q, 1);
		for (size_t i = 0; i < n; i++) {
			if (strcmp(entries[i].table->name, name) != 0 ||
			    strcmp(entries[i].table->database, database) != 0)
				continue;
			entries[i].id = sqlite_i64(q, 2);
			entries[i].was = sqlite_str(q, 3, arena);
		}
	}
	*ret_differs = false;
	for (size_t i = 0; i < n; i++)
		*ret_differs |= entries[i].id == 0 || strcmp(entries[i].was, entries[i].json) != 0;
	return rc;
}

static int add_history(struct catalog_sqlite *self, int64_t table_id, int64_t version,
		       const char *change, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"INSERT INTO history(table_id, version, at_us, change) VALUES(?, ?, ?, ?)", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	sqlite_bind_i64(q, 2, version);
	sqlite_bind_i64(q, 3, clock_now_us(self->clock));
	sqlite_bind_str(q, 4, change);
	return sqlite_run(self->db, q, e);
}

static int has_scopes(struct catalog_sqlite *self, int64_t table_id, bool *ret, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "SELECT 1 FROM scopes WHERE table_id = ? LIMIT 1", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	*ret = rc > 0;
	sqlite_reset(q);
	return OK;
}

static int create(struct catalog_sqlite *self, const struct entry *entry, int64_t version,
		  struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"INSERT INTO tables(database_name, name, location, scope_count, definition) VALUES(?, ?, ?, ?, ?)",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, entry->table->database);
	sqlite_bind_str(q, 2, entry->table->name);
	sqlite_bind_str(q, 3, entry->table->location);
	sqlite_bind_i64(q, 4, (int64_t)entry->table->scope_count);
	sqlite_bind_str(q, 5, entry->json);
	rc = sqlite_run(self->db, q, e);
	return rc ? rc
		  : add_history(self, sqlite3_last_insert_rowid(self->db->db), version, "created",
				e);
}

static int store(struct catalog_sqlite *self, const struct entry *entry, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"UPDATE tables SET location = ?, scope_count = ?, definition = ? WHERE id = ?", &q,
		e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, entry->table->location);
	sqlite_bind_i64(q, 2, (int64_t)entry->table->scope_count);
	sqlite_bind_str(q, 3, entry->json);
	sqlite_bind_i64(q, 4, entry->id);
	return sqlite_run(self->db, q, e);
}

static int evolve(struct catalog_sqlite *self, struct arena *arena, const struct entry *entry,
		  int64_t version, struct err *e)
{
	struct table_def *was;
	int rc = parse_definition(arena, entry->was, &was, e);
	if (rc)
		return rc;
	struct changes changes = {.arena = arena};
	bool filled = false;
	compare(&changes, was, entry->table);
	if (changes.refused)
		rc = has_scopes(self, entry->id, &filled, e);
	if (rc == OK && filled)
		rc = err_set(e, ERR_CONFLICT,
			     "Table %s.%s has data and cannot change like this: %s",
			     entry->table->database, entry->table->name, changes.refused);
	if (rc == OK)
		rc = store(self, entry, e);
	for (size_t i = 0; rc == OK && i < changes.count; i++)
		rc = add_history(self, entry->id, version, changes.lines[i], e);
	free(changes.lines);
	return rc;
}

static int put_all(struct catalog_sqlite *self, struct arena *arena, struct entry *entries,
		   size_t n, struct err *e)
{
	/* Again, now that nobody else can change it: two first commands may run at once. */
	bool differs;
	int64_t version = 0;
	int rc = load_known(self, arena, entries, n, &differs, e);
	if (rc || !differs)
		return rc;
	rc = sqlite_exec(self->db, "UPDATE state SET value = value + 1 WHERE name = 'version'", e);
	if (rc == OK)
		rc = catalog_version(self, &version, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		if (entries[i].id == 0)
			rc = create(self, &entries[i], version, e);
		else if (strcmp(entries[i].was, entries[i].json) != 0)
			rc = evolve(self, arena, &entries[i], version, e);
	}
	return rc;
}

int catalog_sqlite_put_tables(struct catalog *c, const struct table_def *const *tables, size_t n,
			      struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	AUTO_ARENA struct arena *arena = arena_new();
	struct entry *entries = ANEW_ARRAY(arena, n, struct entry);
	AUTO_BUF struct buf json = {0};
	for (size_t i = 0; i < n; i++) {
		int rc = check_definition(tables[i], e);
		if (rc)
			return rc;
		buf_reset(&json);
		table_to_json(tables[i], &json);
		entries[i].table = tables[i];
		entries[i].json = arena_strdup(arena, json.data);
	}
	bool differs;
	int rc = load_known(self, arena, entries, n, &differs, e);
	if (rc || !differs)
		return rc;
	rc = sqlite_begin(self->db, e);
	return rc ? rc : catalog_finish(self, put_all(self, arena, entries, n, e), e);
}
