/* What all our SQLite drivers share: opening with the right pragmas, schema versions, cached
 * statements, transactions, errors. The only file that knows SQLite's result codes. */
#include "sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "file.h"

#define BUSY_MS 10000

struct sqlite_cached {
	char *sql;
	sqlite3_stmt *stmt;
};

static int error_of_errno(int errnum, int otherwise)
{
	struct err e = ERR_INIT;
	return errnum ? err_errno(&e, errnum, "SQLite") : otherwise;
}

/* Fills err from what SQLite said last and returns the code: SQLITE_FULL: LIMIT; READONLY, PERM,
 * AUTH: DENIED; CANTOPEN, IOERR: by errno; BUSY, LOCKED: RETRY; CORRUPT, NOTADB: IO; CONSTRAINT,
 * INTERRUPT: CONFLICT; TOOBIG: LIMIT; anything else: BUG. */
static int sqlite_error(struct sqlite *s, int rc, struct err *e)
{
	struct err local = ERR_INIT;
	if (!e)
		e = &local;
	const char *said = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
	int errnum = s->db ? sqlite3_system_errno(s->db) : 0;
	switch (rc & 0xff) {
	case SQLITE_NOMEM: err_set(e, ERR_LIMIT, "out of memory in SQLite"); break;
	case SQLITE_FULL:
		err_set(e, ERR_LIMIT, "no space left on the disk for the database");
		break;
	case SQLITE_TOOBIG: err_set(e, ERR_LIMIT, "a value is too big for the database"); break;
	case SQLITE_READONLY:
		err_set(e, ERR_DENIED, "the database cannot be written: it is read-only");
		break;
	case SQLITE_PERM:
	case SQLITE_AUTH: err_set(e, ERR_DENIED, "not permitted by SQLite: %s", said); break;
	case SQLITE_CANTOPEN:
		err_set(e, error_of_errno(errnum, ERR_DENIED), "cannot open the database: %s",
			errnum ? strerror(errnum) : said);
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		err_set(e, ERR_RETRY, "the database is locked by another process");
		break;
	case SQLITE_NOTADB:
		err_set(e, ERR_IO, "the file is not an SQLite database, or is damaged");
		break;
	case SQLITE_CORRUPT: err_set(e, ERR_IO, "the database is damaged: %s", said); break;
	case SQLITE_IOERR:
		err_set(e, error_of_errno(errnum, ERR_IO),
			"reading or writing the database failed: %s",
			errnum ? strerror(errnum) : said);
		break;
	case SQLITE_CONSTRAINT:
		err_set(e, ERR_CONFLICT, "the database has it already or forbids it: %s", said);
		break;
	case SQLITE_INTERRUPT: err_set(e, ERR_CONFLICT, "interrupted"); break;
	default: err_set(e, ERR_BUG, "SQLite error %d: %s", rc, said); break;
	}
	return err_where(e, s->path);
}

/* -- statements -------------------------------------------------------------------------------- */

int sqlite_prepare(struct sqlite *s, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	for (size_t i = 0; i < s->cache_count; i++) {
		struct sqlite_cached *c = &s->cache[i];
		if (strcmp(c->sql, sql) != 0 || sqlite3_stmt_busy(c->stmt))
			continue;
		sqlite3_reset(c->stmt);
		sqlite3_clear_bindings(c->stmt);
		*ret = c->stmt;
		return OK;
	}
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return sqlite_error(s, rc, e);
	if (!stmt)
		return err_set(e, ERR_BUG, "an empty SQL statement");
	struct sqlite_cached *c = PUSH(s->cache, s->cache_count, s->cache_cap);
	c->sql = mem_strdup(sql);
	c->stmt = stmt;
	*ret = stmt;
	return OK;
}

int sqlite_step(struct sqlite *s, sqlite3_stmt *stmt, struct err *e)
{
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		return 1;
	int code = OK;
	if (rc != SQLITE_DONE)
		code = sqlite_error(s, rc, e);
	sqlite3_reset(stmt);
	return code;
}

int sqlite_run(struct sqlite *s, sqlite3_stmt *stmt, struct err *e)
{
	int more;
	do {
		more = sqlite_step(s, stmt, e);
	} while (more > 0);
	return more;
}

void sqlite_reset(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
}

int sqlite_exec(struct sqlite *s, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? OK : sqlite_error(s, rc, e);
}

/* A bad index is the only way for these to fail, memory aside; the NULL that then stays trips the
 * schema's NOT NULL. */
void sqlite_bind_str(sqlite3_stmt *stmt, int parameter, const char *text)
{
	sqlite3_bind_text(stmt, parameter, text, -1, SQLITE_TRANSIENT);
}

void sqlite_bind_slice(sqlite3_stmt *stmt, int parameter, struct slice text)
{
	/* A NULL pointer would bind NULL: an empty slice is an empty text. */
	sqlite3_bind_text64(stmt, parameter, text.p ? text.p : "", text.n, SQLITE_TRANSIENT,
			    SQLITE_UTF8);
}

void sqlite_bind_i64(sqlite3_stmt *stmt, int parameter, int64_t value)
{
	sqlite3_bind_int64(stmt, parameter, value);
}

const char *sqlite_str(sqlite3_stmt *stmt, int column, struct arena *arena)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);
	if (!text)
		return NULL;
	return arena_strndup(arena, (const char *)text, (size_t)sqlite3_column_bytes(stmt, column));
}

int64_t sqlite_i64(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt, column);
}

/* -- transactions ------------------------------------------------------------------------------ */

static int control(struct sqlite *s, const char *sql, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite_prepare(s, sql, &stmt, e);
	return rc ? rc : sqlite_run(s, stmt, e);
}

static int begin(struct sqlite *s, const char *sql, struct err *e)
{
	if (s->in_transaction)
		return err_set(e, ERR_BUG, "a transaction inside a transaction");
	int rc = control(s, sql, e);
	s->in_transaction = rc == OK;
	return rc;
}

int sqlite_begin(struct sqlite *s, struct err *e)
{
	return begin(s, "BEGIN IMMEDIATE", e);
}

int sqlite_begin_read(struct sqlite *s, struct err *e)
{
	return begin(s, "BEGIN", e);
}

int sqlite_commit(struct sqlite *s, struct err *e)
{
	int rc = control(s, "COMMIT", e);
	if (rc)
		sqlite_rollback(s);
	s->in_transaction = false;
	return rc;
}

void sqlite_rollback(struct sqlite *s)
{
	/* SQLite has already rolled back by itself after some errors (no space, for one). */
	struct err ignored = ERR_INIT;
	if (s->in_transaction && !sqlite3_get_autocommit(s->db) &&
	    control(s, "ROLLBACK", &ignored) != OK)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->in_transaction = false;
}

/* -- opening ----------------------------------------------------------------------------------- */

static int query_i64(struct sqlite *s, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite_prepare(s, sql, &stmt, e);
	if (rc)
		return rc;
	rc = sqlite_step(s, stmt, e);
	if (rc < 0)
		return rc;
	*ret = rc ? sqlite_i64(stmt, 0) : 0;
	sqlite_reset(stmt);
	return OK;
}

static int connect(struct sqlite *s, const char *name, int flags)
{
	int rc = sqlite3_open_v2(name, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
				 NULL);
	if (rc == SQLITE_OK)
		sqlite3_busy_timeout(s->db, BUSY_MS);
	return rc;
}

/* "file:" with the path's special bytes escaped, for the one option that has no flag. */
static void immutable_name(const char *path, struct buf *out)
{
	buf_str(out, "file:");
	for (const char *p = path; *p; p++) {
		if (*p == '%' || *p == '?' || *p == '#')
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)*p);
		else
			buf_char(out, *p);
	}
	buf_str(out, "?immutable=1");
}

static bool log_has_content(const char *path)
{
	AUTO_BUF struct buf name = {0};
	buf_printf(&name, "%s-wal", path);
	struct stat st;
	return stat(name.data, &st) == 0 && st.st_size > 0;
}

static int open_to_read(struct sqlite *s, struct err *e)
{
	struct stat st;
	if (stat(s->path, &st) != 0)
		return err_errno(e, errno, "cannot open the database");
	int64_t version;
	struct err first = ERR_INIT;
	int rc = connect(s, s->path, SQLITE_OPEN_READONLY);
	/* Nothing is read before the first statement, so only that tells. */
	rc = rc == SQLITE_OK ? query_i64(s, "PRAGMA user_version", &version, &first)
			     : sqlite_error(s, rc, &first);
	if (rc == OK)
		return OK;
	if (rc == ERR_RETRY || rc == ERR_IO || rc == ERR_BUG) {
		*e = first;
		return rc;
	}
	if (log_has_content(s->path))
		return err_set(
			e, ERR_DENIED,
			"the folder is read-only and the database has changes in its -wal file, which cannot be read there");
	for (size_t i = 0; i < s->cache_count; i++) {
		sqlite3_finalize(s->cache[i].stmt);
		free(s->cache[i].sql);
	}
	s->cache_count = 0;
	sqlite3_close(s->db);
	s->db = NULL;
	AUTO_BUF struct buf name = {0};
	immutable_name(s->path, &name);
	rc = connect(s, name.data, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
	return rc == SQLITE_OK ? OK : sqlite_error(s, rc, e);
}

/* Two processes that create the same file at once: turning WAL on needs the file alone, and SQLite
 * then answers "busy" without waiting. */
static int turn_wal_on(struct sqlite *s, struct err *e)
{
	int rc = OK;
	for (int waited_ms = 0; waited_ms < BUSY_MS; waited_ms += 5) {
		sqlite3_stmt *stmt = NULL;
		rc = sqlite_prepare(s, "PRAGMA journal_mode = WAL", &stmt, e);
		if (rc)
			return rc;
		rc = sqlite_step(s, stmt, e);
		if (rc == 1) {
			const unsigned char *mode = sqlite3_column_text(stmt, 0);
			/* A database in memory has no log on disk, and needs none. */
			bool on = mode && (strcmp((const char *)mode, "wal") == 0 ||
					   strcmp((const char *)mode, "memory") == 0);
			sqlite_reset(stmt);
			if (on)
				return OK;
			return err_set(
				e, ERR_DENIED,
				"the file system does not allow a write-ahead log for the database");
		}
		if (rc != ERR_RETRY)
			return rc ? rc : err_set(e, ERR_BUG, "no answer to PRAGMA journal_mode");
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return rc;
}

static int migrate(struct sqlite *s, const struct sqlite_options *o, struct err *e)
{
	int rc = sqlite_begin(s, e);
	if (rc)
		return rc;
	int64_t version;
	rc = query_i64(s, "PRAGMA user_version", &version, e);
	for (; rc == OK && version < (int64_t)o->step_count; version++)
		rc = sqlite_exec(s, o->steps[version], e);
	if (rc == OK) {
		char sql[64];
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %lld", (long long)version);
		rc = sqlite_exec(s, sql, e);
	}
	if (rc) {
		sqlite_rollback(s);
		return rc;
	}
	return sqlite_commit(s, e);
}

static int set_sync(struct sqlite *s, enum sqlite_sync sync, struct err *e)
{
	return sqlite_exec(
		s, sync == SYNC_FULL ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
		e);
}

/* Through SQLite's own descriptor: closing any other one of this file would take away the locks that the
 * process holds on it (POSIX), and the next process to close the database would take itself for the last
 * one and delete the log that this one goes on writing to. */
static int sync_database(struct sqlite *s, struct err *e)
{
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
	return rc == SQLITE_OK ? OK : sqlite_error(s, rc, e);
}

/* A new file holds nothing that anybody relies on until this returns: it is written without
 * waiting, and then the file, its log and the folder are synced once each, instead of the seven
 * times that SQLite would. */
static int give_birth(struct sqlite *s, const struct sqlite_options *o, struct err *e)
{
	int rc = sqlite_exec(s, "PRAGMA synchronous = OFF", e);
	if (rc == OK)
		rc = turn_wal_on(s, e);
	if (rc == OK)
		rc = migrate(s, o, e);
	if (rc == OK)
		rc = set_sync(s, o->sync, e);
	if (rc || o->sync != SYNC_FULL || s->path[0] == ':')
		return rc;
	AUTO_BUF struct buf name = {0};
	buf_printf(&name, "%s-wal", s->path);
	rc = sync_database(s, e);
	if (rc == OK)
		rc = file_fsync(name.data, e); /* which nobody locks */
	return rc ? rc : file_fsync_folder_of(s->path, e);
}

static int open_to_write(struct sqlite *s, struct err *e)
{
	int rc = connect(s, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (rc != SQLITE_OK)
		return sqlite_error(s, rc, e);
	/* SQLite opens what it may not write for reading, without a word. */
	if (sqlite3_db_readonly(s->db, "main") == 1)
		return err_set(e, ERR_DENIED, "the database cannot be written: it is read-only");
	return OK;
}

static int prepare_connection(struct sqlite *s, const struct sqlite_options *o, struct err *e)
{
	/* The last one is how many bytes an emptied write-ahead log may keep on disk. */
	int rc = sqlite_exec(
		s,
		"PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; "
		"PRAGMA journal_size_limit = 4194304",
		e);
	if (rc == OK)
		rc = set_sync(s, o->sync, e);
	if (rc)
		return rc;
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	if (!o->keep_log)
		return OK;
	/* The next to open reads the whole log again, so it must not grow as long as usual (1000
	 * pages). */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	return sqlite_exec(s, "PRAGMA wal_autocheckpoint = 250", e);
}

static int check_version(struct sqlite *s, const struct sqlite_options *o, int64_t version,
			 struct err *e)
{
	long long have = version, want = (long long)o->step_count;
	if (have > want)
		return err_set(
			e, ERR_INPUT,
			"the database was written by a newer pregao (schema %lld, this one knows %lld)",
			have, want);
	if (s->read_only && have == 0)
		return err_set(e, ERR_NOT_FOUND, "the database is empty");
	if (s->read_only && have < want)
		return err_set(
			e, ERR_DENIED,
			"the database is of an older pregao (schema %lld, this one needs %lld) and is opened "
			"read-only: run any command that writes first",
			have, want);
	return OK;
}

static int open_all(struct sqlite *s, const struct sqlite_options *o, struct err *e)
{
	int rc = s->read_only ? open_to_read(s, e) : open_to_write(s, e);
	if (rc)
		return rc;
	rc = prepare_connection(s, o, e);
	if (rc)
		return rc;
	int64_t version;
	rc = query_i64(s, "PRAGMA user_version", &version, e);
	if (rc)
		return rc;
	rc = check_version(s, o, version, e);
	if (rc || s->read_only)
		return rc;
	/* An up-to-date file is in WAL mode already: that is kept in the file. */
	if (version == (int64_t)o->step_count)
		return OK;
	if (version == 0)
		return give_birth(s, o, e);
	rc = turn_wal_on(s, e);
	return rc ? rc : migrate(s, o, e);
}

int sqlite_open(const struct sqlite_options *o, struct sqlite **ret, struct err *e)
{
	struct err local = ERR_INIT;
	if (!e)
		e = &local;
	struct sqlite *s = NEW(struct sqlite);
	s->path = mem_strdup(o->path);
	s->read_only = o->access == DB_READ;
	int rc = open_all(s, o, e);
	if (rc) {
		err_where(e, o->path);
		sqlite_close(s);
		return rc;
	}
	*ret = s;
	return OK;
}

void sqlite_close(struct sqlite *s)
{
	if (!s)
		return;
	if (s->db)
		sqlite_rollback(s);
	for (size_t i = 0; i < s->cache_count; i++) {
		sqlite3_finalize(s->cache[i].stmt);
		free(s->cache[i].sql);
	}
	free(s->cache);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}
