/* The book of runs in SQLite. Only the asking is worth waiting for the disk: whatever else a power
 * cut takes is found out again by doing the run once more, which changes nothing that was done. */
#include "job_ledger.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"
#include "sqlite.h"
#include "telemetry.h"

#define KEPT_RUNS  20000 /* ended runs older than the newest so many are forgotten */
#define CANDIDATES 64    /* runs that are looked at for one claim */

static const char *const steps[] = {
	"CREATE TABLE runs (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	run TEXT NOT NULL UNIQUE,\n"
	"	job TEXT NOT NULL,\n"
	"	state INTEGER NOT NULL,\n"
	"	created_us INTEGER NOT NULL,\n"
	"	started_us INTEGER NOT NULL DEFAULT 0,\n"
	"	ended_us INTEGER NOT NULL DEFAULT 0,\n"
	"	as_of INTEGER NOT NULL,\n"
	"	scopes TEXT NOT NULL,\n"
	"	force INTEGER NOT NULL,\n"
	"	cancel INTEGER NOT NULL DEFAULT 0,\n"
	"	attempts INTEGER NOT NULL DEFAULT 0,\n"
	"	scopes_done INTEGER NOT NULL DEFAULT 0,\n"
	"	scopes_unchanged INTEGER NOT NULL DEFAULT 0,\n"
	"	rows_written INTEGER NOT NULL DEFAULT 0,\n"
	"	files_written INTEGER NOT NULL DEFAULT 0,\n"
	"	error_code INTEGER NOT NULL DEFAULT 0,\n"
	"	error TEXT\n"
	") STRICT;\n"
	"CREATE INDEX runs_open ON runs (id) WHERE state < 2;\n",
	"ALTER TABLE runs ADD COLUMN postponed_us INTEGER NOT NULL DEFAULT 0;\n",
};
_Static_assert(RUN_QUEUED == 0 && RUN_RUNNING == 1 && RUN_SUCCEEDED == 2,
	       "the schema and the statements below hold these numbers");

struct job_ledger {
	struct sqlite *db;
	struct clock *clock;
	pthread_mutex_t lock;
	char *workers; /* folder of the holds */
};

int job_ledger_open(const char *state_dir, struct clock *clock, struct job_ledger **ret,
		    struct err *e)
{
	AUTO_BUF struct buf path = {0}, workers = {0};
	buf_printf(&path, "%s/jobs.sqlite", state_dir);
	buf_printf(&workers, "%s/workers", state_dir);
	int rc = file_mkdirs(workers.data, false, e);
	if (rc)
		return rc;
	struct sqlite *db;
	rc = sqlite_open(&(struct sqlite_options){.path = path.data,
						  .access = DB_CREATE,
						  .sync = SYNC_NORMAL,
						  .steps = steps,
						  .step_count = ARRAY_LEN(steps),
						  .keep_log = true},
			 &db, e);
	if (rc)
		return rc;
	struct job_ledger *l = NEW(struct job_ledger);
	l->db = db;
	l->clock = clock;
	l->workers = buf_take(&workers);
	pthread_mutex_init(&l->lock, NULL);
	*ret = l;
	return OK;
}

void job_ledger_free(struct job_ledger *l)
{
	if (!l)
		return;
	sqlite_close(l->db);
	pthread_mutex_destroy(&l->lock);
	free(l->workers);
	free(l);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void scopes_to_json(const struct job_request *q, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < q->scope_count; i++) {
		buf_str(out, i ? "," : "");
		buf_json_str(out, q->scopes[i], strlen(q->scopes[i]));
	}
	buf_char(out, ']');
}

static int insert(struct job_ledger *l, const struct job_request *q, const char *run, struct err *e)
{
	AUTO_BUF struct buf scopes = {0};
	scopes_to_json(q, &scopes);
	sqlite3_stmt *s;
	int rc = sqlite_prepare(
		l->db,
		"INSERT INTO runs (run, job, state, created_us, as_of, scopes, force) VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, run);
	sqlite_bind_str(s, 2, q->job);
	sqlite_bind_i64(s, 3, clock_now_us(l->clock));
	sqlite_bind_i64(s, 4, q->as_of);
	sqlite_bind_str(s, 5, scopes.data);
	sqlite_bind_i64(s, 6, q->force);
	rc = sqlite_run(l->db, s, e);
	if (rc)
		return rc;
	rc = sqlite_prepare(l->db,
			    "DELETE FROM runs WHERE id <= last_insert_rowid() - ?1 AND state >= 2",
			    &s, e);
	if (rc)
		return rc;
	sqlite_bind_i64(s, 1, KEPT_RUNS);
	return sqlite_run(l->db, s, e);
}

int job_ledger_add(struct job_ledger *l, const struct job_request *q, char ret_run[RUN_ID_SIZE],
		   struct err *e)
{
	pthread_mutex_lock(&l->lock);
	run_id_make(clock_now_us(l->clock), ret_run);
	int rc = sqlite_exec(l->db, "PRAGMA synchronous = FULL", e);
	if (rc == OK)
		rc = sqlite_begin(l->db, e);
	if (rc == OK) {
		rc = insert(l, q, ret_run, e);
		if (rc)
			sqlite_rollback(l->db);
		else
			rc = sqlite_commit(l->db, e);
	}
	/* An error here is of no consequence: then the others wait for the disk, too. */
	int again = sqlite_exec(l->db, "PRAGMA synchronous = NORMAL", NULL);
	(void)again;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

#define STATUS_COLUMNS \
	"run, job, state, created_us, started_us, ended_us, as_of, scopes, scopes_done, scopes_unchanged, rows_written, files_written, error_code, error"

static void read_status(sqlite3_stmt *s, struct arena *arena, struct job_status *ret)
{
	*ret = (struct job_status){
		.job = sqlite_str(s, 1, arena),
		.state = (enum run_state)sqlite_i64(s, 2),
		.created_us = sqlite_i64(s, 3),
		.started_us = sqlite_i64(s, 4),
		.ended_us = sqlite_i64(s, 5),
		.as_of = (int32_t)sqlite_i64(s, 6),
		.scopes = sqlite_str(s, 7, arena),
		.scopes_done = sqlite_i64(s, 8),
		.scopes_unchanged = sqlite_i64(s, 9),
		.rows_written = sqlite_i64(s, 10),
		.files_written = sqlite_i64(s, 11),
		.error_code = (int)sqlite_i64(s, 12),
		.error = sqlite_str(s, 13, arena),
	};
	const char *run = sqlite_str(s, 0, arena);
	snprintf(ret->run, sizeof(ret->run), "%s", run ? run : "");
}

int job_ledger_status(struct job_ledger *l, const char *run, struct arena *arena,
		      struct job_status *ret, struct err *e)
{
	pthread_mutex_lock(&l->lock);
	sqlite3_stmt *s;
	int rc = sqlite_prepare(l->db, "SELECT " STATUS_COLUMNS " FROM runs WHERE run = ?1", &s, e);
	if (rc == OK) {
		sqlite_bind_str(s, 1, run);
		rc = sqlite_step(l->db, s, e);
		if (rc > 0) {
			read_status(s, arena, ret);
			sqlite_reset(s);
			rc = OK;
		} else if (rc == OK) {
			rc = err_set(e, ERR_NOT_FOUND, "there is no job run %s", run);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

int job_ledger_list(struct job_ledger *l, size_t max, struct arena *arena, struct job_status **ret,
		    size_t *ret_count, struct err *e)
{
	struct job_status *items = NULL;
	size_t count = 0, cap = 0;
	pthread_mutex_lock(&l->lock);
	sqlite3_stmt *s;
	int rc = sqlite_prepare(
		l->db, "SELECT " STATUS_COLUMNS " FROM runs ORDER BY id DESC LIMIT ?1", &s, e);
	if (rc == OK) {
		sqlite_bind_i64(s, 1, max < INT32_MAX ? (int64_t)max : INT32_MAX);
		while ((rc = sqlite_step(l->db, s, e)) > 0)
			read_status(s, arena, PUSH(items, count, cap));
	}
	pthread_mutex_unlock(&l->lock);
	if (rc == OK) {
		*ret = ANEW_ARRAY(arena, count, struct job_status);
		if (count)
			memcpy(*ret, items, count * sizeof(*items));
		*ret_count = count;
	}
	free(items);
	return rc;
}

static int cancel(struct job_ledger *l, const char *run, struct err *e)
{
	sqlite3_stmt *s;
	int rc = sqlite_prepare(l->db, "SELECT state FROM runs WHERE run = ?1", &s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, run);
	rc = sqlite_step(l->db, s, e);
	if (rc <= 0)
		return rc ? rc : err_set(e, ERR_NOT_FOUND, "there is no job run %s", run);
	enum run_state state = (enum run_state)sqlite_i64(s, 0);
	sqlite_reset(s);
	if (state != RUN_QUEUED && state != RUN_RUNNING)
		return err_set(e, ERR_CONFLICT, "job run %s has ended (%s)", run,
			       run_state_name(state));
	rc = sqlite_prepare(
		l->db,
		"UPDATE runs SET cancel = 1, ended_us = CASE WHEN state = 0 THEN ?2 ELSE ended_us END, state = CASE WHEN state = 0 THEN 4 ELSE state END "
		"WHERE run = ?1",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, run);
	sqlite_bind_i64(s, 2, clock_now_us(l->clock));
	return sqlite_run(l->db, s, e);
}
_Static_assert(RUN_CANCELLED == 4, "see cancel()");

/* Runs fn in a transaction of its own, with the lock held. */
#define IN_TRANSACTION(l, rc, e, call)                              \
	do {                                                        \
		pthread_mutex_lock(&(l)->lock);                     \
		(rc) = sqlite_begin((l)->db, (e));                  \
		if (!(rc)) {                                        \
			(rc) = (call);                              \
			if (rc)                                     \
				sqlite_rollback((l)->db);           \
			else                                        \
				(rc) = sqlite_commit((l)->db, (e)); \
		}                                                   \
		pthread_mutex_unlock(&(l)->lock);                   \
	} while (0)

int job_ledger_cancel(struct job_ledger *l, const char *run, struct err *e)
{
	int rc;
	IN_TRANSACTION(l, rc, e, cancel(l, run, e));
	return rc;
}

/* -- working ----------------------------------------------------------------------------------- */

static int read_request(sqlite3_stmt *s, struct arena *arena, struct job_request *ret,
			struct err *e)
{
	const char *text = sqlite_str(s, 3, arena);
	AUTO_JSON json_t *scopes = NULL;
	int rc = json_parse(text ? text : "", text ? strlen(text) : 0, &scopes, e);
	if (rc)
		return err_wrap(e, "the scopes of a job run cannot be read");
	size_t n = json_array_size(scopes), i;
	const char **list = ANEW_ARRAY(arena, n, const char *);
	json_t *item;
	json_array_foreach(scopes, i, item)
		list[i] =
			arena_strdup(arena, json_string_value(item) ? json_string_value(item) : "");
	*ret = (struct job_request){.job = sqlite_str(s, 1, arena),
				    .as_of = (int32_t)sqlite_i64(s, 2),
				    .scopes = list,
				    .scope_count = n,
				    .force = sqlite_i64(s, 4) != 0};
	return OK;
}

/* With the run's hold. 1: it is ours; 0: it was ended meanwhile. */
static int take(struct job_ledger *l, struct arena *arena, struct job_claim *c, struct err *e)
{
	sqlite3_stmt *s;
	int rc = sqlite_prepare(
		l->db,
		"SELECT state, job, as_of, scopes, force, attempts, cancel, created_us FROM runs WHERE run = ?1",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, c->run);
	rc = sqlite_step(l->db, s, e);
	if (rc <= 0)
		return rc;
	int64_t state = sqlite_i64(s, 0), attempts = sqlite_i64(s, 5), cancelled = sqlite_i64(s, 6);
	c->created_us = sqlite_i64(s, 7);
	rc = read_request(s, arena, &c->request, e);
	sqlite_reset(s);
	if (rc || state > RUN_RUNNING)
		return rc;
	if (attempts >= JOB_ATTEMPTS)
		c->given_up = arena_printf(arena, "the worker died %d times while it ran this",
					   JOB_ATTEMPTS);
	enum run_state next = cancelled ? RUN_CANCELLED : RUN_RUNNING;
	rc = sqlite_prepare(
		l->db,
		"UPDATE runs SET state = ?2, attempts = attempts + 1, started_us = CASE WHEN ?2 = 1 THEN ?3 ELSE started_us END, "
		"ended_us = CASE WHEN ?2 = 1 THEN 0 ELSE ?3 END, error_code = 0, error = NULL WHERE run = ?1",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, c->run);
	sqlite_bind_i64(s, 2, next);
	sqlite_bind_i64(s, 3, clock_now_us(l->clock));
	rc = sqlite_run(l->db, s, e);
	return rc ? rc : next == RUN_RUNNING;
}
_Static_assert(RUN_RUNNING == 1, "see take()");

static int find_candidates(struct job_ledger *l, struct arena *arena, const char **ret,
			   size_t *ret_count, struct err *e)
{
	sqlite3_stmt *s;
	pthread_mutex_lock(&l->lock);
	int rc = sqlite_prepare(
		l->db, "SELECT run FROM runs WHERE state < 2 ORDER BY postponed_us, id LIMIT ?1",
		&s, e);
	*ret_count = 0;
	if (rc == OK) {
		sqlite_bind_i64(s, 1, CANDIDATES);
		while ((rc = sqlite_step(l->db, s, e)) > 0 && *ret_count < CANDIDATES)
			ret[(*ret_count)++] = sqlite_str(s, 0, arena);
		sqlite_reset(s);
	}
	pthread_mutex_unlock(&l->lock);
	return rc < 0 ? rc : OK;
}

static const char *hold_path(struct job_ledger *l, const char *run, char path[512])
{
	snprintf(path, 512, "%s/%s", l->workers, run);
	return path;
}

/* The file goes before the lock: whoever waits for it looks whether it still has a name. */
static void release(struct job_ledger *l, struct job_claim *c)
{
	char path[512];
	if (c->hold >= 0)
		unlink(hold_path(l, c->run, path));
	file_unlock(c->hold);
	c->hold = -1;
}

int job_ledger_claim(struct job_ledger *l, struct arena *arena, struct job_claim *ret,
		     struct err *e)
{
	const char *runs[CANDIDATES];
	size_t n;
	int rc = find_candidates(l, arena, runs, &n, e);
	for (size_t i = 0; i < n && rc == OK; i++) {
		struct job_claim c = {.hold = -1};
		char path[512];
		snprintf(c.run, sizeof(c.run), "%s", runs[i]);
		rc = file_lock(hold_path(l, c.run, path), true, l->clock, 0, NULL, NULL, &c.hold,
			       e);
		if (rc == ERR_CONFLICT) {
			rc = OK; /* somebody works on it */
			continue;
		}
		if (rc)
			return rc;
		int taken = 0;
		IN_TRANSACTION(l, rc, e, (taken = take(l, arena, &c, e)) < 0 ? taken : OK);
		if (rc == OK && taken) {
			*ret = c;
			return OK;
		}
		release(l, &c);
	}
	return rc ? rc : err_set(e, ERR_NOT_FOUND, "no job run is waiting");
}

int job_ledger_check(struct job_ledger *l, const struct job_claim *c, struct err *e)
{
	sqlite3_stmt *s;
	bool cancelled = false;
	pthread_mutex_lock(&l->lock);
	int rc = sqlite_prepare(l->db, "SELECT cancel FROM runs WHERE run = ?1", &s, e);
	if (rc == OK) {
		sqlite_bind_str(s, 1, c->run);
		rc = sqlite_step(l->db, s, e);
		cancelled = rc > 0 && sqlite_i64(s, 0);
		sqlite_reset(s);
	}
	pthread_mutex_unlock(&l->lock);
	if (rc < 0)
		return rc;
	return cancelled ? err_set(e, ERR_CONFLICT, "the run was cancelled") : OK;
}

static int update(struct job_ledger *l, const struct job_claim *c, enum run_state state,
		  const struct job_progress *p, const struct err *error, struct err *e)
{
	sqlite3_stmt *s;
	/* A run that goes back has not failed: its try does not count, and those that wait come first. */
	int rc = sqlite_prepare(
		l->db,
		"UPDATE runs SET state = ?2, ended_us = ?3, scopes_done = ?4, scopes_unchanged = ?5, rows_written = ?6, files_written = ?7, error_code = ?8, "
		"error = ?9, attempts = attempts - (?2 = 0), postponed_us = CASE WHEN ?2 = 0 THEN ?10 ELSE postponed_us END WHERE run = ?1",
		&s, e);
	if (rc)
		return rc;
	char text[1400];
	sqlite_bind_str(s, 1, c->run);
	sqlite_bind_i64(s, 2, state);
	sqlite_bind_i64(s, 3, state > RUN_RUNNING ? clock_now_us(l->clock) : 0);
	sqlite_bind_i64(s, 4, p->scopes_done);
	sqlite_bind_i64(s, 5, p->scopes_unchanged);
	sqlite_bind_i64(s, 6, p->rows_written);
	sqlite_bind_i64(s, 7, p->files_written);
	sqlite_bind_i64(s, 8, error ? error->code : 0);
	sqlite_bind_str(s, 9, error ? err_format(error, text, sizeof(text)) : NULL);
	sqlite_bind_i64(s, 10, clock_now_us(l->clock));
	return sqlite_run(l->db, s, e);
}

int job_ledger_progress(struct job_ledger *l, const struct job_claim *c,
			const struct job_progress *p, struct err *e)
{
	int rc;
	IN_TRANSACTION(l, rc, e, update(l, c, RUN_RUNNING, p, NULL, e));
	return rc;
}

int job_ledger_end(struct job_ledger *l, struct job_claim *c, enum run_state state,
		   const struct job_progress *p, const struct err *error, struct err *e)
{
	int rc;
	IN_TRANSACTION(l, rc, e, update(l, c, state, p, error, e));
	release(l, c);
	return rc;
}
