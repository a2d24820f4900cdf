/* The SQLite catalog: its schema, opening and closing, and the calls that are a statement or two:
 * intents, the dead, marks. Sizes to think with: 205,000 published files and thousands of scopes in
 * one table; every lookup goes by an index. */
#include "catalog_sqlite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catalog_sqlite_private.h"
#include "file.h"

/* A published file is kept as what follows "<location>/<scope>/" in its key, beneath its scope:
 * rows are small, a scope's lie together, and replacing a scope touches a few pages. A scope loses
 * all its files at once, so theirs is the scope's version. v0..v3 are a scope's partition values,
 * low and high a compact file's, without declared type: numbers as numbers (see
 * catalog_bind_value). */
static const char schema_1[] =
	"CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO state VALUES('version', 0);"
	"CREATE TABLE tables(id INTEGER PRIMARY KEY, database_name TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL,"
	" scope_count INTEGER NOT NULL, definition TEXT NOT NULL, UNIQUE(database_name, name));"
	"CREATE TABLE history(id INTEGER PRIMARY KEY, table_id INTEGER NOT NULL, version INTEGER NOT NULL, at_us INTEGER NOT NULL,"
	" change TEXT NOT NULL);"
	"CREATE INDEX history_of_table ON history(table_id);"

	"CREATE TABLE scopes(id INTEGER PRIMARY KEY, table_id INTEGER NOT NULL, scope TEXT NOT NULL, properties TEXT NOT NULL,"
	" rows INTEGER NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT NULL, version INTEGER NOT NULL,"
	" changed_us INTEGER NOT NULL, v0, v1, v2, v3, UNIQUE(table_id, scope));"
	"CREATE INDEX scopes_by_values ON scopes(table_id, v0, v1);"
	"CREATE INDEX scopes_by_v1 ON scopes(table_id, v1) WHERE v1 IS NOT NULL;"
	"CREATE INDEX scopes_by_v2 ON scopes(table_id, v2) WHERE v2 IS NOT NULL;"
	"CREATE INDEX scopes_by_v3 ON scopes(table_id, v3) WHERE v3 IS NOT NULL;"
	"CREATE INDEX scopes_by_version ON scopes(version);"

	"CREATE TABLE published(scope_id INTEGER NOT NULL, rest TEXT NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" PRIMARY KEY(scope_id, rest)) WITHOUT ROWID;"

	"CREATE TABLE compact(id INTEGER PRIMARY KEY, table_id INTEGER NOT NULL, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,"
	" rows INTEGER NOT NULL, bytes INTEGER NOT NULL, scope_count INTEGER NOT NULL,"
	" low0, low1, low2, low3, high0, high1, high2, high3);"
	"CREATE INDEX compact_by_0 ON compact(table_id, high0, low0);"
	"CREATE INDEX compact_by_1 ON compact(table_id, high1, low1) WHERE high1 IS NOT NULL;"
	"CREATE INDEX compact_by_2 ON compact(table_id, high2, low2) WHERE high2 IS NOT NULL;"
	"CREATE INDEX compact_by_3 ON compact(table_id, high3, low3) WHERE high3 IS NOT NULL;"
	/* A scope's rows are in one compact file, never in two: scope_id alone is the key. */
	"CREATE TABLE compact_scopes(scope_id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL, origin TEXT NOT NULL);"
	"CREATE INDEX compact_scopes_of_file ON compact_scopes(file_id);"

	"CREATE TABLE stats(table_id INTEGER NOT NULL, owner INTEGER NOT NULL, stats BLOB NOT NULL,"
	" PRIMARY KEY(table_id, owner)) WITHOUT ROWID;"
	"CREATE TABLE dead(key TEXT PRIMARY KEY, table_id INTEGER NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX dead_of_table ON dead(table_id);"
	/* keys: one a line. AUTOINCREMENT: an id is never used for a second intent. */
	"CREATE TABLE intents(id INTEGER PRIMARY KEY AUTOINCREMENT, table_id INTEGER NOT NULL, keys TEXT NOT NULL);"
	"CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

/* Scopes are appended to. A file that was appended has a version of its own; the others', which
 * came together, is the scope's base_version. loose: queries read its published files, for no
 * compact file covers it. Statistics belong to a compact file's id, or to minus a scope's. */
static const char schema_2[] =
	"ALTER TABLE published ADD COLUMN version INTEGER;"
	"CREATE INDEX published_by_version ON published(version, scope_id) WHERE version IS NOT NULL;"
	"ALTER TABLE scopes ADD COLUMN base_version INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE scopes ADD COLUMN loose INTEGER NOT NULL DEFAULT 0;"
	"UPDATE scopes SET base_version = version, loose = files > 0 AND id NOT IN (SELECT scope_id FROM compact_scopes);"
	"DROP INDEX scopes_by_version;"
	"CREATE INDEX scopes_by_version ON scopes(base_version);"
	"CREATE INDEX scopes_loose ON scopes(table_id) WHERE loose = 1;"
	"UPDATE stats SET owner = -owner WHERE table_id IN (SELECT table_id FROM scopes WHERE loose = 1)"
	" AND table_id NOT IN (SELECT table_id FROM compact);";
static const char *const schema_steps[] = {schema_1, schema_2};

/* -- shared ------------------------------------------------------------------------------------ */

int catalog_table_id(struct catalog_sqlite *self, const struct table_def *table, int64_t *ret,
		     struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db, "SELECT id FROM tables WHERE database_name = ? AND name = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, table->database);
	sqlite_bind_str(q, 2, table->name);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "The catalog has no table %s.%s", table->database,
			       table->name);
	*ret = sqlite_i64(q, 0);
	sqlite_reset(q);
	return OK;
}

int catalog_version(struct catalog_sqlite *self, int64_t *ret, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "SELECT value FROM state WHERE name = 'version'", &q, e);
	if (rc)
		return rc;
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(e, ERR_IO, "The catalog has lost its version");
	*ret = sqlite_i64(q, 0);
	sqlite_reset(q);
	return OK;
}

int catalog_finish(struct catalog_sqlite *self, int rc, struct err *e)
{
	if (rc == OK)
		return sqlite_commit(self->db, e);
	sqlite_rollback(self->db);
	return rc;
}

bool catalog_bind_value(sqlite3_stmt *q, int parameter, const struct column *column,
			const char *plain)
{
	int64_t number;
	int32_t days;
	switch (column->type) {
	case COL_INTEGER:
	case COL_BIGINT:
		if (!int64_parse(slice_of(plain), &number))
			return false;
		sqlite_bind_i64(q, parameter, number);
		return true;
	case COL_DATE:
		if (!date_parse_iso(slice_of(plain), &days))
			return false;
		break;
	default: break;
	}
	sqlite_bind_str(q, parameter, plain);
	return true;
}

/* What a power cut may undo without harm need not wait for the disk: an intent whose keys are live
 * or gone, a dead file that was deleted. */
static int run_unsynced(struct catalog_sqlite *self,
			int (*fn)(struct catalog_sqlite *, const void *, size_t, struct err *),
			const void *arg, size_t n, struct err *e)
{
	int rc = sqlite_exec(self->db, "PRAGMA synchronous = NORMAL", e);
	if (rc == OK)
		rc = sqlite_begin(self->db, e);
	if (rc == OK)
		rc = catalog_finish(self, fn(self, arg, n, e), e);
	int restored = sqlite_exec(self->db, "PRAGMA synchronous = FULL", rc ? NULL : e);
	return rc ? rc : restored;
}

/* -- what is live ------------------------------------------------------------------------------ */

static int exists(struct catalog_sqlite *self, const char *sql, const char *key, bool *ret,
		  struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, sql, &q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, key);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	*ret = rc > 0;
	sqlite_reset(q);
	return OK;
}

static int is_published(struct catalog_sqlite *self, int64_t table_id, const char *below,
			int64_t scope_count, bool *ret, struct err *e)
{
	const char *rest = below;
	for (int64_t i = 0; i < scope_count; i++) {
		rest = strchr(rest, '/');
		if (!rest)
			return OK;
		rest++;
	}
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"SELECT 1 FROM scopes s JOIN published f ON f.scope_id = s.id AND f.rest = ?"
		" WHERE s.table_id = ? AND s.scope = ?",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, rest);
	sqlite_bind_i64(q, 2, table_id);
	sqlite_bind_slice(q, 3,
			  (struct slice){below, rest > below ? (size_t)(rest - below - 1) : 0});
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	*ret = rc > 0;
	sqlite_reset(q);
	return OK;
}

static int is_live_key(struct catalog_sqlite *self, const char *key, bool *ret, struct err *e)
{
	bool live = false;
	sqlite3_stmt *q;
	int rc = exists(self, "SELECT 1 FROM compact WHERE key = ?", key, &live, e);
	if (rc == OK && !live)
		rc = sqlite_prepare(
			self->db,
			"SELECT id, scope_count, length(CAST(location AS BLOB)) FROM tables"
			" WHERE substr(?1, 1, length(location) + 1) = location || '/'",
			&q, e);
	if (rc || live) {
		if (rc == OK)
			*ret = live;
		return rc;
	}
	sqlite_bind_str(q, 1, key);
	while (!live && (rc = sqlite_step(self->db, q, e)) > 0)
		if ((rc = is_published(self, sqlite_i64(q, 0), key + sqlite_i64(q, 2) + 1,
				       sqlite_i64(q, 1), &live, e)) != OK)
			break;
	sqlite_reset(q);
	if (rc < 0)
		return rc;
	*ret = live;
	return OK;
}

static int is_live(struct catalog *c, const char *key, bool *ret, struct err *e)
{
	return is_live_key(catalog_of(c), key, ret, e);
}

/* -- intents ----------------------------------------------------------------------------------- */

static int intend(struct catalog *c, const struct table_def *table, const char *const *keys,
		  size_t n, int64_t *ret_id, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	AUTO_BUF struct buf lines = {.ceiling = (size_t)1 << 30};
	for (size_t i = 0; i < n; i++) {
		if (strchr(keys[i], '\n'))
			return err_set(e, ERR_BUG, "A key with a line break: \"%s\"", keys[i]);
		buf_str(&lines, keys[i]);
		buf_char(&lines, '\n');
	}
	if (lines.full)
		return err_set(e, ERR_LIMIT, "One change of table %s.%s has too many files: %zu",
			       table->database, table->name, n);
	int rc = sqlite_begin(self->db, e);
	if (rc)
		return rc;
	int64_t table_id, id = 0;
	sqlite3_stmt *q;
	rc = catalog_table_id(self, table, &table_id, e);
	if (rc == OK)
		rc = sqlite_prepare(self->db, "INSERT INTO intents(table_id, keys) VALUES(?, ?)",
				    &q, e);
	if (rc == OK) {
		sqlite_bind_i64(q, 1, table_id);
		sqlite_bind_slice(q, 2, buf_slice(&lines));
		rc = sqlite_run(self->db, q, e);
		id = sqlite3_last_insert_rowid(self->db->db);
	}
	rc = catalog_finish(self, rc, e);
	if (rc == OK)
		*ret_id = id;
	return rc;
}

struct open_intent {
	int64_t id;
	const char **keys;
	size_t count;
};

/* Of the intent's keys those that the catalog knows in no other way. */
static int unknown_keys(struct catalog_sqlite *self, struct arena *arena, const char *lines,
			struct open_intent *intent, struct err *e)
{
	size_t count = 0;
	for (const char *p = lines; *p; p++)
		count += *p == '\n';
	intent->keys = ANEW_ARRAY(arena, count, const char *);
	struct slice rest = slice_of(lines);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		const char *key = arena_strndup(arena, line.p, line.n);
		bool known = false;
		int rc = is_live_key(self, key, &known, e);
		if (rc == OK && !known)
			rc = exists(self, "SELECT 1 FROM dead WHERE key = ?", key, &known, e);
		if (rc)
			return rc;
		if (!known)
			intent->keys[intent->count++] = key;
	}
	return OK;
}

static int load_intents(struct catalog_sqlite *self, const struct table_def *table,
			struct arena *arena, struct open_intent **ret, size_t *ret_count,
			struct err *e)
{
	int64_t table_id = 0;
	sqlite3_stmt *q;
	struct open_intent *list = NULL;
	size_t count = 0, cap = 0;
	int rc = table ? catalog_table_id(self, table, &table_id, e) : OK;
	if (rc == OK)
		rc = sqlite_prepare(
			self->db,
			"SELECT id, keys FROM intents WHERE ?1 = 0 OR table_id = ?1 ORDER BY id",
			&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	while ((rc = sqlite_step(self->db, q, e)) > 0) {
		struct open_intent *intent = PUSH(list, count, cap);
		intent->id = sqlite_i64(q, 0);
		rc = unknown_keys(self, arena, sqlite_str(q, 1, arena), intent, e);
		if (rc)
			break;
	}
	sqlite_reset(q);
	*ret = list;
	*ret_count = count;
	return rc;
}

static int intents(struct catalog *c, const struct table_def *table,
		   int (*fn)(void *, int64_t, const char *const *, size_t), void *ctx,
		   struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_FREE struct open_intent *list = NULL;
	size_t count = 0;
	int rc = sqlite_begin_read(self->db, e);
	if (rc)
		return rc;
	rc = catalog_finish(self, load_intents(self, table, arena, &list, &count, e), e);
	/* Outside of any statement, so that fn may abandon what it is told of. */
	for (size_t i = 0; rc == OK && i < count; i++)
		rc = fn(ctx, list[i].id, list[i].keys, list[i].count);
	return rc;
}

static int delete_intent(struct catalog_sqlite *self, const void *id, size_t n, struct err *e)
{
	(void)n;
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "DELETE FROM intents WHERE id = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, *(const int64_t *)id);
	return sqlite_run(self->db, q, e);
}

static int abandon(struct catalog *c, int64_t intent_id, struct err *e)
{
	return run_unsynced(catalog_of(c), delete_intent, &intent_id, 1, e);
}

/* -- the dead ---------------------------------------------------------------------------------- */

static int dead(struct catalog *c, const struct table_def *table, struct arena *arena,
		const char ***ret_keys, size_t *ret_count, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	struct corpse {
		const char *key;
		int64_t version;
	};
	AUTO_FREE struct corpse *list = NULL;
	size_t count = 0, cap = 0;
	int64_t table_id;
	sqlite3_stmt *q;
	int rc = catalog_table_id(self, table, &table_id, e);
	if (rc == OK)
		rc = sqlite_prepare(self->db,
				    "SELECT key, version FROM dead WHERE table_id = ? ORDER BY key",
				    &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	while ((rc = sqlite_step(self->db, q, e)) > 0)
		*PUSH(list, count, cap) =
			(struct corpse){sqlite_str(q, 0, arena), sqlite_i64(q, 1)};
	if (rc)
		return rc;
	/* In this order: a reader that comes after the look at the holds lists its files after the
	 * commits seen above. */
	int64_t oldest = catalog_hold_oldest(self);
	const char **keys = ANEW_ARRAY(arena, count, const char *);
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		if (list[i].version <= oldest)
			keys[n++] = list[i].key;
	*ret_keys = keys;
	*ret_count = n;
	return OK;
}

static int delete_dead(struct catalog_sqlite *self, const void *keys, size_t n, struct err *e)
{
	const char *const *key = keys;
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "DELETE FROM dead WHERE key = ?", &q, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		sqlite_bind_str(q, 1, key[i]);
		rc = sqlite_run(self->db, q, e);
	}
	return rc;
}

static int forget(struct catalog *c, const char *const *keys, size_t n, struct err *e)
{
	return n ? run_unsynced(catalog_of(c), delete_dead, keys, n, e) : OK;
}

/* -- marks ------------------------------------------------------------------------------------- */

static int mark_get(struct catalog *c, const char *name, int64_t *ret, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "SELECT value FROM marks WHERE name = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, name);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	*ret = rc ? sqlite_i64(q, 0) : 0;
	sqlite_reset(q);
	return OK;
}

static int marks(struct catalog *c, const char *prefix,
		 int (*fn)(void *ctx, const char *name, int64_t value), void *ctx, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	AUTO_ARENA struct arena *arena = arena_new();
	sqlite3_stmt *q;
	int more = 0,
	    rc = sqlite_prepare(
		    self->db,
		    "SELECT name, value FROM marks WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
		    &q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, prefix);
	while (rc == OK && (more = sqlite_step(self->db, q, e)) == 1)
		rc = fn(ctx, sqlite_str(q, 0, arena), sqlite_i64(q, 1));
	sqlite_reset(q);
	return more < 0 ? more : rc;
}

int catalog_move_mark(struct catalog_sqlite *self, const struct catalog_mark *mark, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"INSERT INTO marks VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value"
		" WHERE excluded.value > marks.value OR ?",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_str(q, 1, mark->name);
	sqlite_bind_i64(q, 2, mark->value);
	sqlite_bind_i64(q, 3, mark->may_fall);
	return sqlite_run(self->db, q, e);
}

static int mark_set(struct catalog *c, const char *name, int64_t value, struct err *e)
{
	const struct catalog_mark mark = {.name = name, .value = value};
	return catalog_move_mark(catalog_of(c), &mark, e);
}

/* -- opening ----------------------------------------------------------------------------------- */

static void catalog_close(struct catalog *c)
{
	struct catalog_sqlite *self = catalog_of(c);
	sqlite_close(self->db);
	free(self->state_dir);
	free(self);
}

static const struct catalog_ops catalog_sqlite_ops = {
	.put_tables = catalog_sqlite_put_tables,
	.tables = catalog_sqlite_tables,
	.table = catalog_sqlite_table,
	.history = catalog_sqlite_history,
	.files = catalog_sqlite_files,
	.origins = catalog_sqlite_origins,
	.scopes = catalog_sqlite_scopes,
	.scope = catalog_sqlite_scope,
	.stats = catalog_sqlite_stats,
	.intend = intend,
	.intents = intents,
	.commit = catalog_sqlite_commit,
	.abandon = abandon,
	.is_live = is_live,
	.changes = catalog_sqlite_changes,
	.mark_get = mark_get,
	.mark_set = mark_set,
	.marks = marks,
	.dead = dead,
	.forget = forget,
	.read_begin = catalog_sqlite_read_begin,
	.read_end = catalog_sqlite_read_end,
	.lock = catalog_sqlite_lock,
	.unlock = catalog_sqlite_unlock,
	.free = catalog_close,
};

int catalog_sqlite_open(const char *state_dir, struct clock *clock, bool read_only,
			struct catalog **ret, struct err *e)
{
	AUTO_BUF struct buf path = {0};
	if (state_dir)
		buf_printf(&path, "%s/catalog.sqlite", state_dir);
	struct sqlite_options options = {
		.path = state_dir ? path.data : ":memory:",
		.access = state_dir && read_only ? DB_READ : DB_CREATE,
		.sync = SYNC_FULL,
		.steps = schema_steps,
		.step_count = ARRAY_LEN(schema_steps),
	};
	int rc = state_dir && !read_only ? catalog_hold_folders(state_dir, e) : OK;
	struct sqlite *db;
	if (rc == OK)
		rc = sqlite_open(&options, &db, e);
	if (rc)
		return rc;
	struct catalog_sqlite *self = NEW(struct catalog_sqlite);
	self->catalog.ops = &catalog_sqlite_ops;
	self->db = db;
	self->clock = clock;
	self->state_dir = mem_strdup(state_dir);
	self->read_only = read_only;
	*ret = &self->catalog;
	return OK;
}
