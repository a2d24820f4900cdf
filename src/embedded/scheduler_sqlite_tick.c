/* One tick of the SQLite scheduler: slots that came due are written down, answers that never came
 * count as failed, and what is due is sent. Each schedule on its own, so that one's trouble is not
 * another's. */
#include <string.h>

#include "file.h"
#include "scheduler_sqlite_private.h"

#define US_PER_DAY INT64_C(86400000000)
/* A tick may come late for a moment where no catch-up is wanted. */
#define GRACE_US INT64_C(300000000)
/* Sessions are looked for again this far back: their rows tell which were seen, and a schedule whose
 * time of the day was changed to an earlier one still finds today's. */
#define LOOK_BACK_US     (2 * US_PER_DAY)
#define KEPT_SESSIONS_US (400 * US_PER_DAY)
#define KEPT_MINUTES_US  (30 * US_PER_DAY)

struct tick {
	struct scheduler_sqlite *s;
	const struct plan *plan;
	const char *name;
	int64_t now;
	int64_t floor_us;     /* nothing up to then is owed */
	int64_t watermark_us; /* minutes up to then were looked at */
	struct schedule_tick *ret;
	struct err *e;
};

static int prepare(struct tick *t, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite_prepare(t->s->db, sql, ret, t->e);
	if (rc == OK)
		sqlite_bind_str(*ret, 1, t->name);
	return rc;
}

/* ?1 is the schedule, ?2 and ?3 what is given. */
static int change(struct tick *t, const char *sql, int64_t second, int64_t third)
{
	sqlite3_stmt *stmt;
	int rc = prepare(t, sql, &stmt);
	if (rc)
		return rc;
	int parameters = sqlite3_bind_parameter_count(stmt);
	if (parameters > 1)
		sqlite_bind_i64(stmt, 2, second);
	if (parameters > 2)
		sqlite_bind_i64(stmt, 3, third);
	return sqlite_run(t->s->db, stmt, t->e);
}

/* -- the schedule's own row -------------------------------------------------------------------- */

static int load(struct tick *t)
{
	sqlite3_stmt *stmt;
	int rc = prepare(t, "SELECT began_us, floor_us, watermark_us FROM schedule WHERE name = ?1",
			 &stmt);
	if (rc)
		return rc;
	int more = sqlite_step(t->s->db, stmt, t->e);
	if (more == 1) {
		int64_t began_us = sqlite_i64(stmt, 0), lowest_us = sqlite_i64(stmt, 1);
		/* While the clock shows a time before the beginning, that may have been in a future
		 * that was none: then it is as if the schedule had begun at the earliest such time.
		 */
		if (t->now >= began_us)
			t->floor_us = began_us;
		else
			t->floor_us = t->now < lowest_us ? t->now : lowest_us;
		t->watermark_us = sqlite_i64(stmt, 2);
	}
	sqlite_reset(stmt);
	if (more)
		return more < 0 ? more : OK;
	t->floor_us = t->watermark_us = t->now;
	return change(
		t,
		"INSERT INTO schedule (name, began_us, floor_us, watermark_us) VALUES (?1, ?2, ?2, ?2)",
		t->now, 0);
}

static int store(struct tick *t, int64_t watermark_us)
{
	t->watermark_us = watermark_us;
	return change(t, "UPDATE schedule SET floor_us = ?2, watermark_us = ?3 WHERE name = ?1",
		      t->floor_us, watermark_us);
}

/* Where the clock was put back: what was sent or done stays so; what was given up in a future that
 * was none gets its chance again. */
static int mend_time(struct tick *t)
{
	int rc = OK;
	if (t->now < t->watermark_us)
		rc = store(t, t->now);
	if (rc == OK)
		rc = change(
			t,
			"UPDATE slot SET state = 'waiting', next_us = max(planned_us, ?2), deadline_us = NULL\n"
			"WHERE schedule = ?1 AND state IN ('given_up', 'missed') AND closed_us > ?2",
			t->now, 0);
	if (rc == OK)
		rc = change(t,
			    "UPDATE slot SET sent_us = ?2, claimed_until_us = NULL\n"
			    "WHERE schedule = ?1 AND state IN ('sending', 'sent') AND sent_us > ?2",
			    t->now, 0);
	return rc;
}

/* -- slots that came due ----------------------------------------------------------------------- */

static int insert(struct tick *t, const struct planned *p, bool missed)
{
	sqlite3_stmt *stmt;
	int rc = prepare(
		t,
		"INSERT OR IGNORE INTO slot (schedule, slot, planned_us, next_us, state, closed_us)\n"
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		&stmt);
	if (rc)
		return rc;
	sqlite_bind_str(stmt, 2, p->slot);
	sqlite_bind_i64(stmt, 3, p->at_us);
	sqlite_bind_i64(stmt, 4, p->at_us + plan_jitter(t->plan, p->slot, 1));
	sqlite_bind_str(stmt, 5, missed ? "missed" : "waiting");
	sqlite_bind_i64(stmt, 6, t->now);
	rc = sqlite_run(t->s->db, stmt, t->e);
	if (rc == OK && missed)
		t->ret->missed += sqlite3_changes64(t->s->db->db);
	return rc;
}

static int prune(struct tick *t)
{
	int64_t kept = t->plan->schedule.sessions ? KEPT_SESSIONS_US : KEPT_MINUTES_US;
	return change(t,
		      "DELETE FROM slot WHERE schedule = ?1 AND planned_us < ?2\n"
		      "AND state IN ('done', 'given_up', 'missed')",
		      t->now - kept, 0);
}

static int64_t window(const struct tick *t)
{
	int64_t catch_up = t->plan->schedule.catch_up_us;
	return catch_up > GRACE_US ? catch_up : GRACE_US;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int add_sessions(struct tick *t, bool *ret_any)
{
	int64_t at = later(t->floor_us,
			   later(t->watermark_us - LOOK_BACK_US, t->now - KEPT_SESSIONS_US));
	for (;;) {
		struct planned p;
		bool found;
		int rc = plan_next(t->plan, at, &p, &found, t->e);
		if (rc || !found || p.at_us > t->now)
			return rc;
		at = p.at_us;
		*ret_any = *ret_any || at > t->watermark_us;
		rc = insert(t, &p, t->now - at > window(t));
		if (rc)
			return rc;
	}
}

static int any_waits(struct tick *t, bool *ret)
{
	sqlite3_stmt *stmt;
	int rc = prepare(
		t, "SELECT 1 FROM slot WHERE schedule = ?1 AND state = 'waiting' AND attempts = 0",
		&stmt);
	if (rc)
		return rc;
	rc = sqlite_step(t->s->db, stmt, t->e);
	sqlite_reset(stmt);
	*ret = rc == 1;
	return rc < 0 ? rc : OK;
}

/* Only the last of those that came due, and none while one waits. */
static int add_minute(struct tick *t, bool *ret_any)
{
	int64_t at = later(later(t->floor_us, t->watermark_us), t->now - window(t));
	struct planned last, p;
	bool found, waits;
	for (;;) {
		int rc = plan_next(t->plan, at, &p, &found, t->e);
		if (rc)
			return rc;
		if (!found || p.at_us > t->now)
			break;
		at = p.at_us;
		last = p;
		*ret_any = true;
	}
	if (!*ret_any)
		return OK;
	int rc = any_waits(t, &waits);
	return rc || waits ? rc : insert(t, &last, false);
}

static int add_due(struct tick *t)
{
	bool any = false;
	int rc = t->plan->schedule.sessions ? add_sessions(t, &any) : add_minute(t, &any);
	if (rc == OK && any)
		rc = store(t, t->now);
	if (rc == OK && any)
		rc = prune(t);
	return rc;
}

/* -- what is out, and what goes out ------------------------------------------------------------ */

#define ROW_COLUMNS "slot, attempts, planned_us, coalesce(deadline_us, 0)"

/* 1: a row; the statement may have a second parameter. */
static int find_row(struct tick *t, const char *sql, int64_t second, struct slot_row *ret)
{
	sqlite3_stmt *stmt;
	AUTO_ARENA struct arena *arena = arena_new();
	int rc = prepare(t, sql, &stmt);
	if (rc)
		return rc;
	if (sqlite3_bind_parameter_count(stmt) > 1)
		sqlite_bind_i64(stmt, 2, second);
	if (sqlite3_bind_parameter_count(stmt) > 2)
		sqlite_bind_i64(stmt, 3, t->plan->schedule.answer_us);
	rc = sqlite_step(t->s->db, stmt, t->e);
	if (rc == 1) {
		*ret = (struct slot_row){.attempts = (int)sqlite_i64(stmt, 1),
					 .planned_us = sqlite_i64(stmt, 2),
					 .deadline_us = sqlite_i64(stmt, 3)};
		const char *slot = sqlite_str(stmt, 0, arena);
		memcpy(ret->slot, slot, strnlen(slot, SLOT_TEXT_SIZE - 1));
	}
	sqlite_reset(stmt);
	return rc;
}

#define LATEST_ANSWER "max(sent_us + ?3, coalesce(claimed_until_us, 0))"

static int time_out_answers(struct tick *t)
{
	struct slot_row row;
	int found;
	while ((found = find_row(t,
				 "SELECT " ROW_COLUMNS " FROM slot\n"
				 "WHERE schedule = ?1 AND state = 'sent' AND " LATEST_ANSWER
				 " <= ?2 ORDER BY planned_us",
				 t->now, &row)) == 1) {
		bool given_up = false;
		int rc = slot_end_attempt(t->s, t->plan, t->name, &row, SCHEDULE_FAILED,
					  "no answer came", t->now, &given_up, t->e);
		if (rc)
			return rc;
		t->ret->given_up += given_up;
	}
	return found;
}

/* Chooses the slot to send, if there is one: the one whose sending was cut short, or, when no message
 * is out, the oldest that is due. */
static int choose(struct tick *t, struct slot_row *ret, bool *ret_cut_short, bool *ret_any)
{
	const struct schedule *s = &t->plan->schedule;
	*ret_any = *ret_cut_short = false;
	int found = find_row(
		t, "SELECT " ROW_COLUMNS " FROM slot WHERE schedule = ?1 AND state = 'sending'", 0,
		ret);
	if (found) {
		*ret_any = *ret_cut_short = found == 1;
		return found < 0 ? found : OK;
	}
	struct slot_row out;
	found = find_row(t,
			 "SELECT " ROW_COLUMNS " FROM slot WHERE schedule = ?1 AND state = 'sent'",
			 0, &out);
	if (found)
		return found < 0 ? found : OK;
	/* The clock was put back while it waited for another attempt. */
	int rc = change(t,
			"UPDATE slot SET next_us = max(planned_us, ?2) WHERE schedule = ?1\n"
			"AND state = 'waiting' AND attempts > 0 AND next_us > max(planned_us, ?2)",
			t->now + s->retry_us + s->jitter_us, 0);
	if (rc)
		return rc;
	found = find_row(
		t,
		"SELECT " ROW_COLUMNS " FROM slot\n"
		"WHERE schedule = ?1 AND state = 'waiting' AND next_us <= ?2 ORDER BY planned_us",
		t->now, ret);
	if (found <= 0)
		return found;
	*ret_any = true;
	return slot_mark_sending(t->s, t->plan, ret, t->now, t->e);
}

/* When there will be something to do: the next slot, the next attempt, or an answer overdue. */
static int look_ahead(struct tick *t)
{
	struct planned p;
	bool found;
	int64_t next = INT64_MAX;
	sqlite3_stmt *stmt;
	int rc = plan_next(t->plan, later(t->now, t->floor_us), &p, &found, t->e);
	if (rc == OK && found)
		next = p.at_us + plan_jitter(t->plan, p.slot, 1);
	if (rc == OK)
		rc = prepare(
			t,
			"SELECT coalesce(min(" LATEST_ANSWER ") FILTER (WHERE state = 'sent'),\n"
			"	min(next_us) FILTER (WHERE state = 'waiting'),\n"
			"	min(?2) FILTER (WHERE state = 'sending'))\n"
			"FROM slot WHERE schedule = ?1 AND state IN ('waiting', 'sending', 'sent')",
			&stmt);
	if (rc)
		return rc;
	sqlite_bind_i64(stmt, 2, t->now);
	sqlite_bind_i64(stmt, 3, t->plan->schedule.answer_us);
	rc = sqlite_step(t->s->db, stmt, t->e);
	if (rc == 1 && sqlite3_column_type(stmt, 0) != SQLITE_NULL && sqlite_i64(stmt, 0) < next)
		next = sqlite_i64(stmt, 0);
	sqlite_reset(stmt);
	if (next < t->ret->next_us)
		t->ret->next_us = next;
	return rc < 0 ? rc : OK;
}

static int tick_schedule(struct tick *t)
{
	struct slot_row row;
	bool any = false, cut_short = false;
	int rc = sqlite_begin(t->s->db, t->e);
	if (rc)
		return rc;
	rc = load(t);
	if (rc == OK)
		rc = mend_time(t);
	if (rc == OK)
		rc = add_due(t);
	if (rc == OK)
		rc = time_out_answers(t);
	if (rc == OK)
		rc = choose(t, &row, &cut_short, &any);
	if (rc == OK)
		rc = sqlite_commit(t->s->db, t->e);
	else
		sqlite_rollback(t->s->db);
	if (rc == OK && any)
		rc = slot_send(t->s, t->plan, &row, cut_short, t->e);
	if (rc == OK && any)
		t->ret->sent++;
	return rc ? rc : look_ahead(t);
}

/* -- schedules that are no more ---------------------------------------------------------------- */

/* One that comes back begins anew. */
static int forget_removed(struct tick *t)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const char **names = NULL;
	size_t count = 0, cap = 0;
	sqlite3_stmt *stmt;
	int more = 0, rc = sqlite_prepare(t->s->db, "SELECT name FROM schedule", &stmt, t->e);
	while (rc == OK && (more = sqlite_step(t->s->db, stmt, t->e)) == 1)
		*PUSH(names, count, cap) = sqlite_str(stmt, 0, arena);
	if (more < 0)
		rc = more;
	for (size_t i = 0; rc == OK && i < count; i++) {
		t->name = names[i];
		/* Its slots stay: what it owed it owes when it is switched on again. */
		if (!scheduler_plan_of(t->s, names[i]))
			rc = change(t, "DELETE FROM schedule WHERE name = ?1", 0, 0);
	}
	free(names);
	return rc;
}

int scheduler_sqlite_tick(struct scheduler *scheduler, struct schedule_tick *ret, struct err *e)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	struct schedule_tick result = {.next_us = INT64_MAX};
	struct err other = ERR_INIT;
	int fd = -1;
	int rc = s->lock_path
			 ? file_lock(s->lock_path, true, s->clock, 10000000, NULL, NULL, &fd, e)
			 : OK;
	if (rc)
		return rc;
	struct tick t = {.s = s, .now = clock_now_us(s->clock), .ret = &result, .e = e};
	for (size_t i = 0; i < s->count; i++) {
		t.plan = &s->plans[i];
		t.name = t.plan->schedule.name;
		int one = tick_schedule(&t);
		if (rc == OK && one) {
			/* The first error is told; what comes after goes on. */
			rc = one;
			t.e = &other;
		}
	}
	int last = forget_removed(&t);
	file_unlock(fd);
	if (rc == OK && last)
		rc = last;
	*ret = result;
	return rc;
}
