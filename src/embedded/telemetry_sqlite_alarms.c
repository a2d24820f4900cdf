/* Telemetry in one SQLite file: the states of alarms and their changes. Unlike what is recorded about
 * the work these are written at once, and failing is told: a change that is lost is an alarm unheard. */
#include <string.h>

#include "telemetry_sqlite_private.h"

#define HISTORY_MAX 1000
#define AGAIN_US    60000000LL     /* the first pause between attempts to notify */
#define PAUSE_MAX   3600000000LL   /* the longest */
#define GIVE_UP_US  172800000000LL /* old news are not told */
#define DOUBLINGS   6

/* Takes the lock; with it, on failure, given back. */
static int begin(struct telemetry *telemetry, bool writes, struct telemetry_sqlite **ret,
		 struct err *e)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	int rc = OK;
	pthread_mutex_lock(&t->lock);
	if (!t->db) {
		if (e)
			*e = t->problem;
		rc = t->problem.code;
	} else if (writes && t->db->read_only) {
		rc = err_set(e, ERR_DENIED, "the telemetry may not be written");
	} else if (writes) {
		rc = sqlite_begin(t->db, e);
	}
	if (rc)
		pthread_mutex_unlock(&t->lock);
	*ret = t;
	return rc;
}

static int end(struct telemetry_sqlite *t, int rc, bool writes, struct err *e)
{
	if (writes && rc == OK)
		rc = sqlite_commit(t->db, e);
	else if (writes)
		sqlite_rollback(t->db);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static int was_before(struct sqlite *db, const char *alarm, enum alarm_state *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(db, "SELECT state FROM alarm WHERE name = ?1", &s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, alarm);
	rc = sqlite_step(db, s, e);
	*ret = rc == 1 ? (enum alarm_state)sqlite_i64(s, 0) : ALARM_OK;
	sqlite_reset(s);
	return rc < 0 ? rc : OK;
}

static int write_state(struct sqlite *db, const struct alarm_record *r, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db,
		"INSERT INTO alarm (name, state, since_us, checked_us, text) VALUES (?1, ?2, ?3, ?3, ?4)\n"
		"ON CONFLICT DO UPDATE SET since_us = iif(state = excluded.state, since_us, excluded.since_us),\n"
		"	state = excluded.state, checked_us = excluded.checked_us, text = excluded.text",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, r->name);
	sqlite_bind_i64(s, 2, r->state);
	sqlite_bind_i64(s, 3, r->checked_us);
	sqlite_bind_str(s, 4, r->text);
	return sqlite_run(db, s, e);
}

static int write_change(struct sqlite *db, const struct alarm_change *c, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db,
		"INSERT INTO alarm_change (alarm, was, state, at_us, text, told, next_us)\n"
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?4)",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, c->alarm);
	sqlite_bind_i64(s, 2, c->was);
	sqlite_bind_i64(s, 3, c->state);
	sqlite_bind_i64(s, 4, c->at_us);
	sqlite_bind_str(s, 5, c->text);
	sqlite_bind_i64(s, 6, c->told);
	rc = sqlite_run(db, s, e);
	if (rc)
		return rc;
	rc = sqlite_prepare(
		db, "DELETE FROM alarm_change WHERE id <= (SELECT max(id) FROM alarm_change) - ?1",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_i64(s, 1, HISTORY_MAX);
	return sqlite_run(db, s, e);
}

int telemetry_sqlite_alarm_set(struct telemetry *telemetry, const char *alarm,
			       enum alarm_state state, const char *text, bool notify,
			       bool *ret_changed, struct err *e)
{
	struct telemetry_sqlite *t;
	enum alarm_state was = ALARM_OK;
	int rc = begin(telemetry, true, &t, e);
	if (rc)
		return rc;
	int64_t now = clock_now_us(t->clock);
	rc = was_before(t->db, alarm, &was, e);
	if (rc == OK)
		rc = write_state(
			t->db,
			&(struct alarm_record){
				.name = alarm, .state = state, .checked_us = now, .text = text},
			e);
	if (rc == OK && was != state)
		rc = write_change(t->db,
				  &(struct alarm_change){.alarm = alarm,
							 .was = was,
							 .state = state,
							 .at_us = now,
							 .text = text,
							 .told = !notify},
				  e);
	rc = end(t, rc, true, e);
	if (rc == OK)
		*ret_changed = was != state;
	return rc;
}

int telemetry_sqlite_alarms(struct telemetry *telemetry, struct arena *arena,
			    struct alarm_record **ret, size_t *ret_count, struct err *e)
{
	struct telemetry_sqlite *t;
	sqlite3_stmt *s = NULL;
	struct alarm_record *found = NULL;
	size_t count = 0, cap = 0;
	int rc = begin(telemetry, false, &t, e);
	if (rc)
		return rc;
	rc = sqlite_prepare(
		t->db, "SELECT name, state, since_us, checked_us, text FROM alarm ORDER BY name",
		&s, e);
	while (rc == OK && (rc = sqlite_step(t->db, s, e)) == 1) {
		*PUSH(found, count, cap) =
			(struct alarm_record){.name = sqlite_str(s, 0, arena),
					      .state = (enum alarm_state)sqlite_i64(s, 1),
					      .since_us = sqlite_i64(s, 2),
					      .checked_us = sqlite_i64(s, 3),
					      .text = sqlite_str(s, 4, arena)};
		rc = OK;
	}
	*ret = ANEW_ARRAY(arena, count + 1, struct alarm_record);
	if (count)
		memcpy(*ret, found, count * sizeof(*found));
	*ret_count = count;
	free(found);
	return end(t, rc, false, e);
}

#define CHANGE_COLUMNS "id, alarm, was, state, at_us, text, told, attempts, reached"

static struct alarm_change read_change(sqlite3_stmt *s, struct arena *arena)
{
	return (struct alarm_change){.id = sqlite_i64(s, 0),
				     .alarm = sqlite_str(s, 1, arena),
				     .was = (enum alarm_state)sqlite_i64(s, 2),
				     .state = (enum alarm_state)sqlite_i64(s, 3),
				     .at_us = sqlite_i64(s, 4),
				     .text = sqlite_str(s, 5, arena),
				     .told = sqlite_i64(s, 6) != 0,
				     .attempts = (int)sqlite_i64(s, 7),
				     .reached = (int)sqlite_i64(s, 8)};
}

int telemetry_sqlite_alarm_history(struct telemetry *telemetry, size_t max, struct arena *arena,
				   struct alarm_change **ret, size_t *ret_count, struct err *e)
{
	struct telemetry_sqlite *t;
	sqlite3_stmt *s = NULL;
	size_t count = 0;
	int rc = begin(telemetry, false, &t, e);
	if (rc)
		return rc;
	if (max > HISTORY_MAX)
		max = HISTORY_MAX;
	*ret = ANEW_ARRAY(arena, max + 1, struct alarm_change);
	rc = sqlite_prepare(t->db,
			    "SELECT " CHANGE_COLUMNS " FROM alarm_change ORDER BY id DESC LIMIT ?1",
			    &s, e);
	if (rc == OK)
		sqlite_bind_i64(s, 1, (int64_t)max);
	while (rc == OK && count < max && (rc = sqlite_step(t->db, s, e)) == 1) {
		(*ret)[count++] = read_change(s, arena);
		rc = OK;
	}
	if (s)
		sqlite_reset(s);
	*ret_count = count;
	return end(t, rc, false, e);
}

static int set_next(struct sqlite *db, const struct alarm_change *c, int64_t next_us, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db, "UPDATE alarm_change SET attempts = attempts + 1, next_us = ?2 WHERE id = ?1",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_i64(s, 1, c->id);
	sqlite_bind_i64(s, 2, next_us);
	return sqlite_run(db, s, e);
}

int telemetry_sqlite_alarm_claim(struct telemetry *telemetry, struct arena *arena,
				 struct alarm_change *ret, struct err *e)
{
	struct telemetry_sqlite *t;
	sqlite3_stmt *s = NULL;
	int rc = begin(telemetry, true, &t, e);
	if (rc)
		return rc;
	int64_t now = clock_now_us(t->clock);
	struct alarm_change found = {0};
	rc = sqlite_prepare(t->db,
			    "SELECT " CHANGE_COLUMNS " FROM alarm_change\n"
			    /* ?3: later than any pause; the clock was ahead when it was set. */
			    "WHERE told = 0 AND (next_us <= ?1 OR next_us > ?3) AND at_us > ?2\n"
			    "ORDER BY id LIMIT 1",
			    &s, e);
	if (rc)
		return end(t, rc, true, e);
	sqlite_bind_i64(s, 1, now);
	sqlite_bind_i64(s, 2, now - GIVE_UP_US);
	sqlite_bind_i64(s, 3, now + PAUSE_MAX);
	rc = sqlite_step(t->db, s, e);
	if (rc == 1)
		found = read_change(s, arena);
	sqlite_reset(s);
	if (rc == 0)
		rc = err_set(e, ERR_NOT_FOUND, "nobody has to be told of an alarm");
	if (rc < 0)
		return end(t, rc, true, e);
	int doubled = found.attempts < DOUBLINGS ? found.attempts : DOUBLINGS;
	int64_t pause = AGAIN_US << doubled;
	rc = set_next(t->db, &found, now + (pause < PAUSE_MAX ? pause : PAUSE_MAX), e);
	rc = end(t, rc, true, e);
	found.attempts++;
	if (rc == OK)
		*ret = found;
	return rc;
}

int telemetry_sqlite_alarm_told(struct telemetry *telemetry, int64_t id, int reached, bool all,
				struct err *e)
{
	struct telemetry_sqlite *t;
	sqlite3_stmt *s = NULL;
	int rc = begin(telemetry, true, &t, e);
	if (rc)
		return rc;
	rc = sqlite_prepare(
		t->db, "UPDATE alarm_change SET reached = reached | ?2, told = ?3 WHERE id = ?1",
		&s, e);
	if (rc == OK) {
		sqlite_bind_i64(s, 1, id);
		sqlite_bind_i64(s, 2, reached);
		sqlite_bind_i64(s, 3, all);
		rc = sqlite_run(t->db, s, e);
	}
	return end(t, rc, true, e);
}

int telemetry_sqlite_alarm_again(struct telemetry *telemetry, struct err *e)
{
	struct telemetry_sqlite *t;
	sqlite3_stmt *s = NULL;
	int rc = begin(telemetry, true, &t, e);
	if (rc)
		return rc;
	rc = sqlite_prepare(t->db, "UPDATE alarm_change SET next_us = 0 WHERE told = 0", &s, e);
	if (rc == OK)
		rc = sqlite_run(t->db, s, e);
	return end(t, rc, true, e);
}
