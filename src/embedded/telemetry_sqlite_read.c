/* Telemetry in one SQLite file: reading it, and keeping it small.
 * Every reading first writes what waits, so that a process sees its own records. */
#include <stdio.h>
#include <string.h>

#include "pass_hold.h"
#include "telemetry_sqlite_private.h"

/* Takes the lock and prepares; on failure the lock is free again. */
static int read_begin(struct telemetry *telemetry, const char *sql, sqlite3_stmt **ret,
		      struct err *e)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	pthread_mutex_lock(&t->lock);
	telemetry_sqlite_flush(t);
	int rc = OK;
	if (t->db) {
		rc = sqlite_prepare(t->db, sql, ret, e);
	} else {
		rc = t->problem.code;
		if (e)
			*e = t->problem;
	}
	if (rc)
		pthread_mutex_unlock(&t->lock);
	return rc;
}

static int read_end(struct telemetry *telemetry, sqlite3_stmt *stmt, int more)
{
	sqlite_reset(stmt);
	pthread_mutex_unlock(&((struct telemetry_sqlite *)telemetry)->lock);
	return more < 0 ? more : OK;
}

static int next(struct telemetry *telemetry, sqlite3_stmt *stmt, struct err *e)
{
	return sqlite_step(((struct telemetry_sqlite *)telemetry)->db, stmt, e);
}

#define RUN_COLUMNS "id, kind, name, parent, state, started_us, ended_us, error_code, error, detail"

static void read_run(sqlite3_stmt *s, struct arena *arena, struct run_record *ret)
{
	*ret = (struct run_record){
		.kind = sqlite_str(s, 1, arena),
		.name = sqlite_str(s, 2, arena),
		.parent = sqlite_str(s, 3, arena),
		.state = (enum run_state)sqlite_i64(s, 4),
		.started_us = sqlite_i64(s, 5),
		.ended_us = sqlite_i64(s, 6),
		.error_code = (int)sqlite_i64(s, 7),
		.error = sqlite_str(s, 8, arena),
		.detail = sqlite_str(s, 9, arena),
	};
	const char *id = sqlite_str(s, 0, arena);
	snprintf(ret->id, sizeof(ret->id), "%s", id ? id : "");
}

#define ID_IS_1 "SELECT " RUN_COLUMNS " FROM run WHERE id = ?1"

/* A pass that is recorded as running and that nobody holds: it has ended since it was read, or its
 * process died. */
static int see_death(struct telemetry *t, struct arena *arena, struct run_record *run,
		     struct err *e)
{
	if (run->state != RUN_RUNNING || !run->kind || strcmp(run->kind, "pass") != 0 ||
	    pass_hold_is_held(((struct telemetry_sqlite *)t)->path, run->id))
		return OK;
	sqlite3_stmt *s = NULL;
	int rc = read_begin(t, ID_IS_1, &s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, run->id);
	int more = next(t, s, e);
	if (more == 1)
		read_run(s, arena, run);
	if (run->state == RUN_RUNNING)
		run->state = RUN_DIED;
	return read_end(t, s, more);
}

/* The rows of `items` in the arena. */
static void *to_arena(struct arena *arena, void *items, size_t count, size_t size)
{
	void *copy = arena_array(arena, count, size);
	if (count)
		memcpy(copy, items, count * size);
	free(items);
	return copy;
}

static int64_t limit_of(size_t max)
{
	return max > INT64_MAX ? INT64_MAX : (int64_t)max;
}

#define NEWEST_FIRST " ORDER BY started_us DESC, rowid DESC"

/* The runs of a statement with one number in it. */
static int read_runs(struct telemetry *t, const char *sql, int64_t number, struct arena *arena,
		     struct run_record **ret, size_t *ret_count, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = read_begin(t, sql, &s, e);
	if (rc)
		return rc;
	sqlite_bind_i64(s, 1, number);
	struct run_record *runs = NULL;
	size_t count = 0, cap = 0;
	int more;
	while ((more = next(t, s, e)) == 1)
		read_run(s, arena, PUSH(runs, count, cap));
	*ret = to_arena(arena, runs, count, sizeof(*runs));
	*ret_count = count;
	rc = read_end(t, s, more);
	for (size_t i = 0; i < count && rc == OK; i++)
		rc = see_death(t, arena, &(*ret)[i], e);
	return rc;
}

int telemetry_sqlite_runs(struct telemetry *t, size_t max, struct arena *arena,
			  struct run_record **ret, size_t *ret_count, struct err *e)
{
	return read_runs(t, "SELECT " RUN_COLUMNS " FROM run" NEWEST_FIRST " LIMIT ?1",
			 limit_of(max), arena, ret, ret_count, e);
}

int telemetry_sqlite_failed_runs(struct telemetry *t, int64_t since_us, struct arena *arena,
				 struct run_record **ret, size_t *ret_count, struct err *e)
{
	_Static_assert(RUN_RUNNING == 1 && RUN_FAILED == 3 && RUN_DIED == 5, "as in the statement");
	size_t n = 0;
	/* One that still runs may turn out to have died. */
	int rc = read_runs(t,
			   "SELECT " RUN_COLUMNS " FROM run WHERE state IN (1, 3, 5)\n"
			   "AND iif(ended_us > 0, ended_us, started_us) >= ?1" NEWEST_FIRST,
			   since_us, arena, ret, ret_count, e);
	for (size_t i = 0; rc == OK && i < *ret_count; i++)
		if ((*ret)[i].state == RUN_FAILED || (*ret)[i].state == RUN_DIED)
			(*ret)[n++] = (*ret)[i];
	*ret_count = rc == OK ? n : 0;
	return rc;
}

static int find_run(struct telemetry *t, const char *id, struct arena *arena,
		    struct run_record *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;
	/* The whole id first: it may be the beginning of another one. */
	int rc = read_begin(
		t,
		"SELECT " RUN_COLUMNS " FROM run\n"
		"WHERE length(?1) > 0 AND (substr(id, 1, length(?1)) = ?1 OR substr(id, -length(?1)) = ?1)\n"
		"ORDER BY id = ?1 DESC, started_us DESC LIMIT 2",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, id);
	int more = next(t, s, e);
	bool found = more == 1, several = false;
	if (found) {
		read_run(s, arena, ret);
		more = next(t, s, e);
		several = more == 1 && strcmp(ret->id, id) != 0;
	}
	rc = read_end(t, s, more);
	if (rc == OK && !found)
		rc = err_set(e, ERR_NOT_FOUND, "there is no run \"%s\"", id);
	if (rc == OK && several)
		rc = err_set(e, ERR_CONFLICT, "several runs begin or end with \"%s\"", id);
	return rc ? rc : see_death(t, arena, ret, e);
}

int telemetry_sqlite_run_get(struct telemetry *t, const char *id, struct arena *arena,
			     struct run_record *ret, struct run_step **ret_steps, size_t *ret_count,
			     struct err *e)
{
	struct run_record run;
	int rc = find_run(t, id, arena, &run, e);
	sqlite3_stmt *s = NULL;
	if (rc == OK)
		rc = read_begin(
			t,
			"SELECT name, started_us, took_us, rows, bytes, files FROM step WHERE run = ?1 ORDER BY id",
			&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, run.id);
	struct run_step *steps = NULL;
	size_t count = 0, cap = 0;
	int more;
	while ((more = next(t, s, e)) == 1)
		*PUSH(steps, count, cap) = (struct run_step){.name = sqlite_str(s, 0, arena),
							     .started_us = sqlite_i64(s, 1),
							     .took_us = sqlite_i64(s, 2),
							     .rows = sqlite_i64(s, 3),
							     .bytes = sqlite_i64(s, 4),
							     .files = sqlite_i64(s, 5)};
	*ret_steps = to_arena(arena, steps, count, sizeof(*steps));
	*ret_count = count;
	*ret = run;
	return read_end(t, s, more);
}

#define NARROWED                                                                  \
	" AND at_us >= ?4 AND (?5 IS NULL OR role = ?5)\n"                        \
	"AND (?6 IS NULL OR instr(lower(coalesce(event, '') || char(10) ||\n"     \
	"	coalesce(text, '') || char(10) || coalesce(fields, '')), lower(?6)))\n" \
	"ORDER BY id DESC LIMIT ?3"

int telemetry_sqlite_logs(struct telemetry *t, const struct log_query *q, struct arena *arena,
			  struct log_event **ret, size_t *ret_count, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = read_begin(
		t,
		q->run ? "SELECT at_us, level, run, role, event, text, fields FROM event\n"
			 "WHERE run = ?2 AND level >= ?1" NARROWED
		       : "SELECT at_us, level, run, role, event, text, fields FROM event\n"
			 "WHERE ?2 IS NULL AND level >= ?1" NARROWED,
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_i64(s, 1, q->least);
	sqlite_bind_str(s, 2, q->run);
	sqlite_bind_i64(s, 3, limit_of(q->max));
	sqlite_bind_i64(s, 4, q->since_us);
	sqlite_bind_str(s, 5, q->role);
	sqlite_bind_str(s, 6, q->text);
	struct log_event *events = NULL;
	size_t count = 0, cap = 0;
	int more;
	while ((more = next(t, s, e)) == 1)
		*PUSH(events, count, cap) =
			(struct log_event){.at_us = sqlite_i64(s, 0),
					   .level = (enum log_level)sqlite_i64(s, 1),
					   .run = sqlite_str(s, 2, arena),
					   .role = sqlite_str(s, 3, arena),
					   .event = sqlite_str(s, 4, arena),
					   .text = sqlite_str(s, 5, arena),
					   .fields = sqlite_str(s, 6, arena)};
	for (size_t i = 0; i < count / 2; i++) {
		struct log_event swap = events[i];
		events[i] = events[count - 1 - i];
		events[count - 1 - i] = swap;
	}
	*ret = to_arena(arena, events, count, sizeof(*events));
	*ret_count = count;
	return read_end(t, s, more);
}

int telemetry_sqlite_metrics(struct telemetry *t, struct arena *arena, struct metric **ret,
			     size_t *ret_count, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = read_begin(
		t, "SELECT name, labels, counter, value FROM metric ORDER BY name, labels", &s, e);
	if (rc)
		return rc;
	struct metric *metrics = NULL;
	size_t count = 0, cap = 0;
	int more;
	while ((more = next(t, s, e)) == 1)
		*PUSH(metrics, count, cap) = (struct metric){.name = sqlite_str(s, 0, arena),
							     .labels = sqlite_str(s, 1, arena),
							     .counter = sqlite_i64(s, 2) != 0,
							     .value = sqlite_i64(s, 3)};
	*ret = to_arena(arena, metrics, count, sizeof(*metrics));
	*ret_count = count;
	return read_end(t, s, more);
}

int telemetry_sqlite_histograms(struct telemetry *t, struct arena *arena,
				struct histogram_counts **ret, size_t *ret_count, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = read_begin(
		t, "SELECT name, labels, bucket, value FROM observed ORDER BY name, labels, bucket",
		&s, e);
	if (rc)
		return rc;
	struct histogram_counts *found = NULL, *at = NULL;
	size_t count = 0, cap = 0;
	int more;
	while ((more = next(t, s, e)) == 1) {
		const char *name = sqlite_str(s, 0, arena), *labels = sqlite_str(s, 1, arena);
		const struct histogram *h = name ? histogram_find(name) : NULL;
		int64_t bucket = sqlite_i64(s, 2), value = sqlite_i64(s, 3);
		if (!h || !labels || bucket > (int64_t)h->bound_count)
			continue; /* of another version of the program */
		if (!at || at->histogram != h || strcmp(at->labels, labels) != 0) {
			at = PUSH(found, count, cap);
			*at = (struct histogram_counts){.histogram = h, .labels = labels};
		}
		if (bucket == OBSERVED_SUM) {
			at->sum = value;
		} else {
			at->buckets[bucket] = value;
			at->count += value;
		}
	}
	*ret = to_arena(arena, found, count, sizeof(*found));
	*ret_count = count;
	return read_end(t, s, more);
}

/* -- keeping it small -------------------------------------------------------------------------- */

static int number(struct sqlite *db, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(db, sql, &s, e);
	if (rc)
		return rc;
	rc = sqlite_step(db, s, e);
	if (rc == 1)
		*ret = sqlite_i64(s, 0);
	sqlite_reset(s);
	return rc < 0 ? rc : OK;
}

static int used_bytes(struct sqlite *db, int64_t *ret, struct err *e)
{
	int64_t pages = 0, spare = 0, size = 0;
	int rc = number(db, "PRAGMA page_count", &pages, e);
	if (rc == OK)
		rc = number(db, "PRAGMA freelist_count", &spare, e);
	if (rc == OK)
		rc = number(db, "PRAGMA page_size", &size, e);
	*ret = (pages - spare) * size;
	return rc;
}

/* An eighth of the events; of the runs only when they are many or there is nothing else; whatever
 * steps have no run any more. */
static const char trim_events[] =
	"DELETE FROM event WHERE id <= (SELECT id FROM event ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 8 FROM event))";
static const char trim_runs[] =
	"DELETE FROM run WHERE started_us <= (SELECT started_us FROM run ORDER BY started_us LIMIT 1\n"
	"	OFFSET (SELECT count(*) / 8 FROM run))";
static const char trim_steps[] = "DELETE FROM step WHERE run NOT IN (SELECT id FROM run)";

/* Series make an eighth of the room at most: those that were not heard of for the longest time go. */
#define SERIES_SHARE 2048
static const char trim_metrics[] =
	"DELETE FROM metric WHERE at_us <= (SELECT at_us FROM metric ORDER BY at_us LIMIT 1\n"
	"	OFFSET (SELECT count(*) / 8 FROM metric))";
static const char trim_observed[] =
	"DELETE FROM observed WHERE (name, labels) IN (SELECT name, labels FROM observed\n"
	"	GROUP BY name, labels ORDER BY max(at_us) LIMIT (SELECT count(*) / 64 + 1 FROM observed))";

/* a run with its steps takes 1 to 2 KiB: they may fill a quarter before events are left */
#define RUN_SHARE 8192

static int trim_series(struct sqlite *db, int64_t max_bytes, bool *ret_trimmed, struct err *e)
{
	int64_t metrics = 0, observed = 0;
	int rc = number(db, "SELECT count(*) FROM metric", &metrics, e);
	if (rc == OK)
		rc = number(db, "SELECT count(*) FROM observed", &observed, e);
	*ret_trimmed = metrics + observed > max_bytes / SERIES_SHARE;
	if (rc || !*ret_trimmed)
		return rc;
	return sqlite_exec(db, metrics > observed ? trim_metrics : trim_observed, e);
}

static int trim_once(struct sqlite *db, int64_t max_bytes, bool *ret_done, struct err *e)
{
	int64_t used, events = 0, runs = 0;
	int rc = used_bytes(db, &used, e);
	*ret_done = rc != OK || used <= max_bytes;
	if (*ret_done)
		return rc;
	rc = number(db, "SELECT count(*) FROM event", &events, e);
	if (rc == OK)
		rc = number(db, "SELECT count(*) FROM run", &runs, e);
	bool trimmed = false;
	if (rc == OK)
		rc = trim_series(db, max_bytes, &trimmed, e);
	if (rc || trimmed)
		return rc;
	if (events > 0)
		rc = sqlite_exec(db, trim_events, e);
	if (rc || (events > 0 && runs <= max_bytes / RUN_SHARE))
		return rc;
	rc = sqlite_exec(db, trim_runs, e);
	return rc ? rc : sqlite_exec(db, trim_steps, e);
}

void telemetry_sqlite_trim(struct telemetry_sqlite *t)
{
	struct err ignored = ERR_INIT;
	int64_t used;
	/* Down to seven eighths, so that it is not needed again at once. */
	if (used_bytes(t->db, &used, &ignored) != OK || used <= t->max_bytes ||
	    sqlite_begin(t->db, &ignored) != OK)
		return;
	bool done = false;
	int rc = OK;
	for (int i = 0; rc == OK && !done && i < 64; i++)
		rc = trim_once(t->db, t->max_bytes / 8 * 7, &done, &ignored);
	if (rc != OK || sqlite_commit(t->db, &ignored) != OK)
		sqlite_rollback(t->db);
}
