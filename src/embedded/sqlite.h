/* What all our SQLite drivers share: opening with the right pragmas, schema versions, cached
 * statements, transactions, errors. A struct sqlite belongs to one thread at a time: a driver that
 * promises more takes a lock of its own. */
#ifndef PREGAO_SQLITE_H
#define PREGAO_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"
#include "str.h"

/* DB_CREATE makes the file (not its folder) when it is missing, and brings an older schema up to
 * date. DB_READ never changes anything, and refuses a file whose schema is older or newer than
 * ours. */
enum sqlite_access { DB_CREATE, DB_READ };

/* What a power cut may take. All three survive the death of the process.
 *   SYNC_FULL    nothing that was committed; a commit waits for the disk
 *   SYNC_NORMAL  the last commits, never the file's soundness; only checkpoints wait for the
 *                disk */
enum sqlite_sync { SYNC_NORMAL, SYNC_FULL };

struct sqlite_options {
	const char *path;
	enum sqlite_access access;
	enum sqlite_sync sync;
	/* steps[i] takes the schema from version i to i + 1 (PRAGMA user_version); each may hold
	 * several statements. All that are missing run in one transaction. Never edit a step that
	 * has been released: add one. */
	const char *const *steps;
	size_t step_count;
	/* Closing leaves the write-ahead log as it is instead of folding it into the file, which
	 * waits for the disk. */
	bool keep_log;
};

struct sqlite {
	sqlite3 *db; /* for what has no helper below */
	char *path;
	bool read_only;
	bool in_transaction;
	struct sqlite_cached *cache; /* statements by their text */
	size_t cache_count, cache_cap;
};

/* WAL, busy timeout 10 s, foreign keys on, trusted_schema off, defensive.
 *
 * DB_READ on read-only media: a WAL database needs its -shm file, which cannot be made in a folder
 * that is not writable. Then the file is opened as immutable (no locks at all), but only when there
 * is no -wal file with content: with one, the main file alone would show an older state, and that
 * is refused with ERR_DENIED. Where a writer is alive its -wal and -shm exist and the ordinary way
 * works; so an immutable file is one that nobody could write when it was opened.
 *
 * ERR_NOT_FOUND (DB_READ: no file, or an empty one; DB_CREATE: no folder), ERR_DENIED (read-only
 * file, folder or medium; for DB_READ also the schema of an older program), ERR_LIMIT (no space, too many files), ERR_RETRY (locked for 10 s),
 * ERR_IO (damaged, not a database), ERR_INPUT (schema of a newer program). The path is the error's place. */
int sqlite_open(const struct sqlite_options *, struct sqlite **ret, struct err *) MUST_CHECK;
void sqlite_close(struct sqlite *); /* NULL is fine; an open transaction is rolled back */

/* A statement from the cache, reset, all parameters NULL. It stays the cache's: never finalize it.
 * Asking for a text whose statement is still in the middle of its rows gives another one, so
 * recursion is fine. `sql` need not outlive the call. */
int sqlite_prepare(struct sqlite *, const char *sql, sqlite3_stmt **ret, struct err *) MUST_CHECK;
/* 1: a row is there; 0: done; negative: failed. After 0 or an error the statement is reset (its
 * parameters stay): binding and stepping again is fine. Leaving a loop before 0 needs sqlite_reset,
 * else the read transaction stays open. */
int sqlite_step(struct sqlite *, sqlite3_stmt *, struct err *) MUST_CHECK;
/* Steps to the end, ignoring rows. */
int sqlite_run(struct sqlite *, sqlite3_stmt *, struct err *) MUST_CHECK;
void sqlite_reset(sqlite3_stmt *);
/* Statements without parameters or results; several may stand in one text. Not cached. */
int sqlite_exec(struct sqlite *, const char *sql, struct err *) MUST_CHECK;

/* Parameters count from 1. Texts are copied; a NULL text binds NULL. Binding cannot fail but by a
 * bug (a bad index), which shows in the result. */
void sqlite_bind_str(sqlite3_stmt *, int parameter, const char *);
void sqlite_bind_slice(sqlite3_stmt *, int parameter, struct slice);
void sqlite_bind_i64(sqlite3_stmt *, int parameter, int64_t);
/* Columns count from 0. NULL gives NULL or 0. */
const char *sqlite_str(sqlite3_stmt *, int column, struct arena *);
int64_t sqlite_i64(sqlite3_stmt *, int column);

/* Takes the write lock at once (BEGIN IMMEDIATE), so that no statement inside meets SQLITE_BUSY;
 * waits up to 10 s, then ERR_RETRY. */
int sqlite_begin(struct sqlite *, struct err *) MUST_CHECK;
/* A read transaction: everything read inside is of one moment. Ends with sqlite_commit or
 * sqlite_rollback too. */
int sqlite_begin_read(struct sqlite *, struct err *) MUST_CHECK;
/* On failure everything was rolled back. */
int sqlite_commit(struct sqlite *, struct err *) MUST_CHECK;
void sqlite_rollback(struct sqlite *); /* without a transaction: nothing */

#endif
