/* The SQLite catalog's commit: scopes lose their files and get new ones, in one transaction whose
 * size is the change's, not the table's. It also checks what every reader relies on, and refuses a
 * commit that would break it: a published file lies beneath its scope, a scope's rows are in one
 * compact file at most, and no compact file keeps rows of a scope that it no longer covers. */
#include <stdlib.h>
#include <string.h>

#include "catalog_sqlite_private.h"
#include "path.h"

/* A scope of the change, and what it will have. */
struct target {
	const struct catalog_scope *given;
	int64_t id;
	int64_t rows, bytes, files, base_version; /* published */
	struct catalog_stats_set stats;           /* of the published files */
	bool stats_differ;                        /* from what is kept */
};
struct commit {
	struct catalog_sqlite *self;
	const struct catalog_change *change;
	const struct table_def *table;
	struct arena *arena;
	int64_t table_id, version;
	struct target *targets; /* by scope */
	size_t target_count;
	int64_t *
		/* compact files that lost a scope and still have others: must be retired */
		thinned;
	size_t thinned_count, thinned_cap;
	int64_t *orphans; /* scopes whose compact file was retired */
	size_t orphan_count, orphan_cap;
};

static int by_scope(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->given->scope,
		      ((const struct target *)b)->given->scope);
}

static struct target *find_target(const struct commit *c, const char *scope)
{
	const struct catalog_scope wanted = {.scope = scope};
	const struct target key = {.given = &wanted};
	return bsearch(&key, c->targets, c->target_count, sizeof(*c->targets), by_scope);
}

/* Runs a statement whose one parameter is an id. */
static int run_id(struct commit *c, const char *sql, int64_t id, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db, sql, &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, id);
	return sqlite_run(c->self->db, q, e);
}

/* The first row's first column; *ret stays when there is no row. */
static int ask_id(struct commit *c, const char *sql, int64_t id, int64_t *ret, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db, sql, &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, id);
	rc = sqlite_step(c->self->db, q, e);
	if (rc < 0)
		return rc;
	if (rc > 0)
		*ret = sqlite_i64(q, 0);
	sqlite_reset(q);
	return OK;
}

/* -- taking away ------------------------------------------------------------------------------- */

static int drop_published(struct commit *c, const struct target *t, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		c->self->db,
		"INSERT OR REPLACE INTO dead SELECT ?1 || rest, ?2, ?3 FROM published WHERE scope_id = ?4",
		&q, e);
	if (rc)
		return rc;
	const char *scope = t->given->scope;
	sqlite_bind_str(
		q, 1,
		arena_printf(c->arena, "%s/%s%s", c->table->location, scope, scope[0] ? "/" : ""));
	sqlite_bind_i64(q, 2, c->table_id);
	sqlite_bind_i64(q, 3, c->version);
	sqlite_bind_i64(q, 4, t->id);
	rc = sqlite_run(c->self->db, q, e);
	return rc ? rc : run_id(c, "DELETE FROM published WHERE scope_id = ?", t->id, e);
}

static int drop_compact(struct commit *c, int64_t file_id, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		c->self->db,
		"INSERT OR REPLACE INTO dead SELECT key, table_id, ?1 FROM compact WHERE id = ?2",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, c->version);
	sqlite_bind_i64(q, 2, file_id);
	rc = sqlite_run(c->self->db, q, e);
	if (rc == OK)
		rc = run_id(c, "DELETE FROM compact_scopes WHERE file_id = ?", file_id, e);
	if (rc == OK)
		rc = run_id(c, "DELETE FROM compact WHERE id = ?", file_id, e);
	return rc ? rc : catalog_stats_delete(c->self, c->table_id, file_id, e);
}

static int leave_compact(struct commit *c, const struct target *t, struct err *e)
{
	int64_t file_id = 0, others = 0;
	int rc = ask_id(c, "SELECT file_id FROM compact_scopes WHERE scope_id = ?", t->id, &file_id,
			e);
	if (rc || file_id == 0)
		return rc;
	rc = run_id(c, "DELETE FROM compact_scopes WHERE scope_id = ?", t->id, e);
	if (rc == OK)
		rc = ask_id(c, "SELECT 1 FROM compact_scopes WHERE file_id = ? LIMIT 1", file_id,
			    &others, e);
	if (rc)
		return rc;
	if (!others)
		return drop_compact(c, file_id, e);
	*PUSH(c->thinned, c->thinned_count, c->thinned_cap) = file_id;
	return OK;
}

/* A retired file may be gone already, because this very commit replaced all its scopes. */
static int check_dropped(struct commit *c, const char *key, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db, "SELECT 1 FROM dead WHERE key = ? AND version = ?", &q,
				e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, key);
	sqlite_bind_i64(q, 2, c->version);
	rc = sqlite_step(c->self->db, q, e);
	sqlite_reset(q);
	if (rc == 0)
		return err_set(e, ERR_CONFLICT, "Table %s.%s no longer has the compact file %s",
			       c->table->database, c->table->name, key);
	return rc < 0 ? rc : OK;
}

static int retire(struct commit *c, const char *key, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db,
				"SELECT id FROM compact WHERE key = ? AND table_id = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, key);
	sqlite_bind_i64(q, 2, c->table_id);
	rc = sqlite_step(c->self->db, q, e);
	int64_t id = rc > 0 ? sqlite_i64(q, 0) : 0;
	sqlite_reset(q);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return check_dropped(c, key, e);
	rc = sqlite_prepare(c->self->db, "SELECT scope_id FROM compact_scopes WHERE file_id = ?",
			    &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, id);
	while ((rc = sqlite_step(c->self->db, q, e)) > 0)
		*PUSH(c->orphans, c->orphan_count, c->orphan_cap) = sqlite_i64(q, 0);
	return rc ? rc : drop_compact(c, id, e);
}

/* -- scopes ------------------------------------------------------------------------------------ */

static int check_scope(struct commit *c, const char *scope, const char *values[TABLE_MAX_PARTITION],
		       struct err *e)
{
	size_t n;
	const char *canonical;
	int rc = path_values(c->arena, c->table, scope, values, &n, e);
	if (rc == OK)
		rc = path_partition(c->arena, c->table, values, n, &canonical, e);
	if (rc)
		return rc;
	if (n != c->table->scope_count || strcmp(canonical, scope) != 0)
		return err_set(e, ERR_BUG, "\"%s\" is not a scope of table %s.%s", scope,
			       c->table->database, c->table->name);
	return OK;
}

static int bind_partition(struct commit *c, sqlite3_stmt *q, int parameter,
			  const char *const *values, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct column *column = &c->table->partition[i];
		if (!values[i] || !catalog_bind_value(q, parameter + (int)i, column, values[i]))
			return err_set(
				e, ERR_BUG,
				"Partition column %s of a file of %s.%s has no value, or one not of its type",
				column->name, c->table->database, c->table->name);
	}
	return OK;
}

static int create_scope(struct commit *c, struct target *t, struct err *e)
{
	const char *values[TABLE_MAX_PARTITION];
	sqlite3_stmt *q;
	int rc = check_scope(c, t->given->scope, values, e);
	if (rc == OK)
		rc = sqlite_prepare(
			c->self->db,
			"INSERT INTO scopes(table_id, scope, v0, v1, v2, v3, properties, rows, bytes, files, version, changed_us)"
			" VALUES(?, ?, ?, ?, ?, ?, '', 0, 0, 0, 0, 0)",
			&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, c->table_id);
	sqlite_bind_str(q, 2, t->given->scope);
	rc = bind_partition(c, q, 3, values, c->table->scope_count, e);
	if (rc == OK)
		rc = sqlite_run(c->self->db, q, e);
	t->id = sqlite3_last_insert_rowid(c->self->db->db);
	return rc;
}

static int find_scope(struct commit *c, const char *scope, int64_t *ret_id, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db,
				"SELECT id FROM scopes WHERE table_id = ? AND scope = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, c->table_id);
	sqlite_bind_str(q, 2, scope);
	rc = sqlite_step(c->self->db, q, e);
	if (rc < 0)
		return rc;
	*ret_id = rc ? sqlite_i64(q, 0) : 0;
	sqlite_reset(q);
	return OK;
}

/* What an appended scope has is where its new sums begin. */
static int load_scope(struct commit *c, struct target *t, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db,
				"SELECT rows, bytes, files, base_version FROM scopes WHERE id = ?",
				&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, t->id);
	rc = sqlite_step(c->self->db, q, e);
	if (rc < 0)
		return rc;
	t->rows = sqlite_i64(q, 0);
	t->bytes = sqlite_i64(q, 1);
	t->files = sqlite_i64(q, 2);
	t->base_version = sqlite_i64(q, 3);
	sqlite_reset(q);
	bool kept = false;
	rc = t->files ? catalog_stats_get(c->self, c->table_id, -t->id, &t->stats, &kept, e) : OK;
	if (rc == OK && t->files && !kept)
		catalog_stats_add(&t->stats, t->rows, NULL, 0, NULL, NULL);
	return rc;
}

/* Makes the scope ready to get its files. */
static int open_scope(struct commit *c, struct target *t, struct err *e)
{
	catalog_stats_begin(&t->stats, c->arena, c->table);
	t->base_version = c->change->append ? 0 : c->version;
	int rc = find_scope(c, t->given->scope, &t->id, e);
	if (rc == OK && t->id == 0)
		return create_scope(c, t, e);
	if (rc == OK)
		rc = c->change->append ? load_scope(c, t, e) : drop_published(c, t, e);
	if (rc == OK && !c->change->same_rows)
		rc = leave_compact(c, t, e);
	return rc;
}

/* Not of published files that come together with a compact file: that would double the commit. */
static int keep_stats(struct commit *c, const struct target *t, bool loose, struct err *e)
{
	if (t->stats_differ && (loose || c->change->same_rows))
		return catalog_stats_put(c->self, c->table_id, -t->id, &t->stats, e);
	return c->change->append || loose ? OK
					  : catalog_stats_delete(c->self, c->table_id, -t->id, e);
}

static int update_scope(struct commit *c, const struct target *t, int64_t now_us, struct err *e)
{
	int64_t covered = 0;
	sqlite3_stmt *q;
	int rc = c->table->compact_location
			 ? ask_id(c, "SELECT 1 FROM compact_scopes WHERE scope_id = ?", t->id,
				  &covered, e)
			 : OK;
	bool loose = t->files > 0 && !covered;
	if (rc == OK)
		rc = keep_stats(c, t, loose, e);
	if (rc == OK)
		rc = sqlite_prepare(
			c->self->db,
			"UPDATE scopes SET properties = ?, rows = ?, bytes = ?, files = ?, version = ?, changed_us = ?,"
			" base_version = ?, loose = ? WHERE id = ?",
			&q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, t->given->properties ? t->given->properties : "{}");
	sqlite_bind_i64(q, 2, t->rows);
	sqlite_bind_i64(q, 3, t->bytes);
	sqlite_bind_i64(q, 4, t->files);
	sqlite_bind_i64(q, 5, c->version);
	sqlite_bind_i64(q, 6, now_us);
	sqlite_bind_i64(q, 7, t->base_version);
	sqlite_bind_i64(q, 8, loose);
	sqlite_bind_i64(q, 9, t->id);
	return sqlite_run(c->self->db, q, e);
}

/* Of a scope that came to or lost a compact file without being changed itself. */
static int update_loose(struct commit *c, int64_t scope_id, struct err *e)
{
	return run_id(
		c,
		"UPDATE scopes SET loose = NOT loose WHERE id = ?1 AND loose <>"
		" (files > 0 AND NOT EXISTS (SELECT 1 FROM compact_scopes WHERE scope_id = ?1))",
		scope_id, e);
}

/* -- adding ------------------------------------------------------------------------------------ */

static int revive(struct commit *c, const char *key, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db, "DELETE FROM dead WHERE key = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, key);
	return sqlite_run(c->self->db, q, e);
}

/* The file's place must say the same as its scope and values: other engines read the folders, we
 * read the catalog. */
static int check_published(struct commit *c, const struct catalog_file *file, const char **ret_rest,
			   const char **values, struct err *e)
{
	const char *path, *canonical;
	size_t n, scope = strlen(file->scopes[0]);
	int rc = path_of_key(c->arena, c->table, file->key, &path, e);
	if (rc == OK)
		rc = path_values(c->arena, c->table, path, values, &n, e);
	if (rc == OK)
		rc = path_partition(c->arena, c->table, values, n, &canonical, e);
	if (rc)
		return rc;
	bool agrees = strcmp(path, canonical) == 0 && strncmp(path, file->scopes[0], scope) == 0 &&
		      (scope == 0 || path[scope] == '/' || path[scope] == 0);
	for (size_t i = 0; agrees && i < n; i++)
		agrees = (!file->low[i] || strcmp(file->low[i], values[i]) == 0) &&
			 (!file->high[i] || strcmp(file->high[i], values[i]) == 0);
	if (!agrees)
		return err_set(
			e, ERR_BUG,
			"The file %s of %s.%s lies elsewhere than its scope %s and its values say",
			file->key, c->table->database, c->table->name, file->scopes[0]);
	*ret_rest = file->key + strlen(c->table->location) + 1 + scope + (scope ? 1 : 0);
	return OK;
}

/* Whether an appended scope has the file already: a name means the same rows wherever it is put. */
static int has_already(struct commit *c, const struct target *t, const struct catalog_file *file,
		       const char *rest, bool *ret, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(c->self->db,
				"SELECT rows, bytes FROM published WHERE scope_id = ? AND rest = ?",
				&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, t->id);
	sqlite_bind_str(q, 2, rest);
	rc = sqlite_step(c->self->db, q, e);
	if (rc < 0)
		return rc;
	*ret = rc > 0;
	bool same = !*ret || (sqlite_i64(q, 0) == file->rows && sqlite_i64(q, 1) == file->bytes);
	sqlite_reset(q);
	return same ? OK
		    : err_set(e, ERR_BUG,
			      "The file %s of %s.%s is there already, with other rows or bytes",
			      file->key, c->table->database, c->table->name);
}

static int add_published(struct commit *c, const struct catalog_file *file, struct err *e)
{
	const char *rest, *values[TABLE_MAX_PARTITION];
	struct target *t = file->scope_count == 1 ? find_target(c, file->scopes[0]) : NULL;
	if (!t)
		return err_set(e, ERR_BUG,
			       "The published file %s is not of one scope of its change",
			       file->key);
	bool there = false;
	int rc = check_published(c, file, &rest, values, e);
	if (rc == OK && c->change->append)
		rc = has_already(c, t, file, rest, &there, e);
	if (rc || there)
		return rc;
	rc = revive(c, file->key, e);
	sqlite3_stmt *q;
	if (rc == OK)
		rc = sqlite_prepare(c->self->db, "INSERT INTO published VALUES(?, ?, ?, ?, ?)", &q,
				    e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, t->id);
	sqlite_bind_str(q, 2, rest);
	sqlite_bind_i64(q, 3, file->rows);
	sqlite_bind_i64(q, 4, file->bytes);
	/* What comes together needs no version of its own: the scope's base_version is theirs. */
	if (c->change->append)
		sqlite_bind_i64(q, 5, c->version);
	else
		sqlite3_bind_null(q, 5);
	rc = sqlite_run(c->self->db, q, e);
	catalog_stats_add(&t->stats, file->rows, file->stats, file->stats_count, values, values);
	t->stats_differ = true;
	t->rows += file->rows;
	t->bytes += file->bytes;
	t->files++;
	return rc;
}

static int cover(struct commit *c, const struct catalog_file *file, int64_t file_id, struct err *e)
{
	for (size_t i = 0; i < file->scope_count; i++) {
		const struct target *t = find_target(c, file->scopes[i]);
		const char *origin = file->origins ? file->origins[i] : NULL;
		int64_t scope_id = t ? t->id : 0;
		sqlite3_stmt *q;
		int rc = t ? OK : find_scope(c, file->scopes[i], &scope_id, e);
		if (rc == OK && (scope_id == 0 || (!origin && file->scope_count > 1)))
			rc = err_set(
				e, ERR_BUG,
				"The compact file %s names a scope or an origin that is not there: %s",
				file->key, file->scopes[i]);
		if (rc == OK)
			rc = sqlite_prepare(c->self->db,
					    "INSERT INTO compact_scopes VALUES(?, ?, ?)", &q, e);
		if (rc)
			return rc;
		sqlite_bind_i64(q, 1, scope_id);
		sqlite_bind_i64(q, 2, file_id);
		sqlite_bind_str(q, 3, origin ? origin : file->key);
		rc = sqlite_run(c->self->db, q, e);
		if (rc == ERR_CONFLICT)
			return err_set(
				e, ERR_BUG,
				"The scope %s of %s.%s would be in two compact files, one of them %s",
				file->scopes[i], c->table->database, c->table->name, file->key);
		if (rc == OK && !t)
			rc = update_loose(c, scope_id, e);
		if (rc)
			return rc;
	}
	return OK;
}

static int add_compact(struct commit *c, const struct catalog_file *file, struct err *e)
{
	sqlite3_stmt *q;
	struct catalog_stats_set stats;
	if (!c->table->compact_location || file->scope_count == 0)
		return err_set(
			e, ERR_BUG,
			"The compact file %s has no scope, or a table without a compact layout",
			file->key);
	int rc = revive(c, file->key, e);
	if (rc == OK)
		rc = sqlite_prepare(
			c->self->db,
			"INSERT INTO compact(table_id, key, version, rows, bytes, scope_count,"
			" low0, low1, low2, low3, high0, high1, high2, high3) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, c->table_id);
	sqlite_bind_str(q, 2, file->key);
	sqlite_bind_i64(q, 3, c->version);
	sqlite_bind_i64(q, 4, file->rows);
	sqlite_bind_i64(q, 5, file->bytes);
	sqlite_bind_i64(q, 6, (int64_t)file->scope_count);
	rc = bind_partition(c, q, 7, file->low, c->table->partition_count, e);
	if (rc == OK)
		rc = bind_partition(c, q, 7 + TABLE_MAX_PARTITION, file->high,
				    c->table->partition_count, e);
	if (rc == OK)
		rc = sqlite_run(c->self->db, q, e);
	int64_t id = sqlite3_last_insert_rowid(c->self->db->db);
	catalog_stats_begin(&stats, c->arena, c->table);
	catalog_stats_add(&stats, file->rows, file->stats, file->stats_count, file->low,
			  file->high);
	if (rc == OK)
		rc = catalog_stats_put(c->self, c->table_id, id, &stats, e);
	return rc ? rc : cover(c, file, id, e);
}

/* -- a change ---------------------------------------------------------------------------------- */

static int load_targets(struct commit *c, struct err *e)
{
	c->target_count = c->change->scope_count;
	c->targets = ANEW_ARRAY(c->arena, c->target_count, struct target);
	for (size_t i = 0; i < c->target_count; i++)
		c->targets[i].given = &c->change->scopes[i];
	qsort(c->targets, c->target_count, sizeof(*c->targets), by_scope);
	for (size_t i = 1; i < c->target_count; i++)
		if (by_scope(&c->targets[i - 1], &c->targets[i]) == 0)
			return err_set(e, ERR_BUG, "The scope %s stands twice in one change",
				       c->targets[i].given->scope);
	return OK;
}

static int check_compact(struct commit *c, struct err *e)
{
	for (size_t i = 0; i < c->thinned_count; i++) {
		int64_t there = 0;
		int rc = ask_id(c, "SELECT 1 FROM compact WHERE id = ?", c->thinned[i], &there, e);
		if (rc)
			return rc;
		if (there)
			return err_set(
				e, ERR_BUG,
				"A compact file of %s.%s covers replaced scopes and others, and was not retired",
				c->table->database, c->table->name);
	}
	return OK;
}

static int apply(struct commit *c, struct err *e)
{
	const struct catalog_change *change = c->change;
	int64_t now_us = clock_now_us(c->self->clock);
	int rc = catalog_table_id(c->self, c->table, &c->table_id, e);
	if (rc == OK)
		rc = load_targets(c, e);
	for (size_t i = 0; rc == OK && i < c->target_count; i++)
		rc = open_scope(c, &c->targets[i], e);
	for (size_t i = 0; rc == OK && i < change->retired_count; i++)
		rc = retire(c, change->retired_keys[i], e);
	if (rc == OK)
		rc = check_compact(c, e);
	for (size_t i = 0; rc == OK && i < change->file_count; i++)
		rc = change->files[i].layout == LAYOUT_COMPACT
			     ? add_compact(c, &change->files[i], e)
			     : add_published(c, &change->files[i], e);
	for (size_t i = 0; rc == OK && i < c->target_count; i++)
		rc = update_scope(c, &c->targets[i], now_us, e);
	for (size_t i = 0; rc == OK && i < c->orphan_count; i++)
		rc = update_loose(c, c->orphans[i], e);
	return rc;
}

static int end_intent(struct catalog_sqlite *self, int64_t id, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "DELETE FROM intents WHERE id = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, id);
	rc = sqlite_run(self->db, q, e);
	/* Without its intent, what was put may have been removed as a dead writer's. */
	if (rc == OK && sqlite3_changes(self->db->db) != 1)
		return err_set(e, ERR_CONFLICT, "The intent of this change was given up meanwhile");
	return rc;
}

static int commit_all(struct catalog_sqlite *self, int64_t intent_id,
		      const struct catalog_change *changes, size_t n,
		      const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		      struct err *e)
{
	int rc = n ? sqlite_exec(self->db,
				 "UPDATE state SET value = value + 1 WHERE name = 'version'", e)
		   : OK;
	if (rc == OK)
		rc = catalog_version(self, ret_version, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		AUTO_ARENA struct arena *arena = arena_new();
		struct commit c = {.self = self,
				   .change = &changes[i],
				   .table = changes[i].table,
				   .arena = arena,
				   .version = *ret_version};
		rc = apply(&c, e);
		free(c.thinned);
		free(c.orphans);
	}
	for (size_t i = 0; rc == OK && i < mark_count; i++)
		rc = catalog_move_mark(self, &marks[i], e);
	return rc == OK && intent_id ? end_intent(self, intent_id, e) : rc;
}

int catalog_sqlite_commit(struct catalog *catalog, int64_t intent_id,
			  const struct catalog_change *changes, size_t n,
			  const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
			  struct err *e)
{
	struct catalog_sqlite *self = catalog_of(catalog);
	int64_t version = 0;
	int rc = sqlite_begin(self->db, e);
	if (rc)
		return rc;
	rc = catalog_finish(
		self, commit_all(self, intent_id, changes, n, marks, mark_count, &version, e), e);
	if (rc == OK)
		*ret_version = version;
	return rc;
}
