/* Scheduler in one SQLite file: opening, sending, claims, reports, questions. What is due is decided
 * in scheduler_sqlite_tick.c. */
#include "scheduler_sqlite.h"

#include <inttypes.h>
#include <string.h>

#include "file.h"
#include "scheduler_sqlite_private.h"
#include "value.h"

static const char *const steps[] = {
	"CREATE TABLE schedule (\n"
	"	name TEXT PRIMARY KEY,\n"
	"	began_us INTEGER NOT NULL,\n"
	"	floor_us INTEGER NOT NULL,\n"
	"	watermark_us INTEGER NOT NULL\n"
	") STRICT;\n"
	"CREATE TABLE slot (\n"
	"	schedule TEXT NOT NULL,\n"
	"	slot TEXT NOT NULL,\n"
	"	planned_us INTEGER NOT NULL,\n"
	"	next_us INTEGER NOT NULL,\n"
	"	state TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'done', 'given_up', 'missed')),\n"
	"	attempts INTEGER NOT NULL DEFAULT 0,\n"
	"	sent_us INTEGER,\n"
	"	closed_us INTEGER,\n"
	"	deadline_us INTEGER,\n"
	"	claimed_until_us INTEGER,\n"
	"	why TEXT,\n"
	"	PRIMARY KEY (schedule, slot)\n"
	") STRICT;\n"
	"CREATE INDEX slot_state ON slot (schedule, state, planned_us);\n"
	"CREATE INDEX slot_planned ON slot (planned_us);\n",
};

#define PEEK_MAX     10000 /* messages looked at after a death */
#define WHY_MAX      1024  /* bytes kept of what is said about a slot */
#define LOCK_WAIT_US 10000000

const struct plan *scheduler_plan_of(const struct scheduler_sqlite *s, const char *schedule)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->plans[i].schedule.name, schedule) == 0)
			return &s->plans[i];
	return NULL;
}

static int prepare(struct scheduler_sqlite *s, const char *sql, const char *schedule,
		   const char *slot, sqlite3_stmt **ret, struct err *e)
{
	int rc = sqlite_prepare(s->db, sql, ret, e);
	if (rc == OK) {
		sqlite_bind_str(*ret, 1, schedule);
		sqlite_bind_str(*ret, 2, slot);
	}
	return rc;
}

static int end(struct scheduler_sqlite *s, int rc, struct err *e)
{
	if (rc == OK)
		return sqlite_commit(s->db, e);
	sqlite_rollback(s->db);
	return rc;
}

/* -- sending ----------------------------------------------------------------------------------- */

int slot_mark_sending(struct scheduler_sqlite *s, const struct plan *p, struct slot_row *row,
		      int64_t now, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc = prepare(
		s,
		"UPDATE slot SET state = 'sending', attempts = ?3, sent_us = ?4, deadline_us = ?5,\n"
		"	claimed_until_us = NULL WHERE schedule = ?1 AND slot = ?2",
		p->schedule.name, row->slot, &stmt, e);
	if (rc)
		return rc;
	row->attempts++;
	if (!row->deadline_us)
		row->deadline_us =
			(now > row->planned_us ? now : row->planned_us) + p->schedule.deadline_us;
	sqlite_bind_i64(stmt, 3, row->attempts);
	sqlite_bind_i64(stmt, 4, now);
	sqlite_bind_i64(stmt, 5, row->deadline_us);
	return sqlite_run(s->db, stmt, e);
}

/* Whether that very message waits in the queue or is being worked on. */
static int is_in_queue(struct queue *q, const char *body, bool *ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct queue_message *messages = ANEW_ARRAY(arena, PEEK_MAX, struct queue_message);
	size_t count = 0;
	*ret = false;
	int rc = queue_peek(q, false, PEEK_MAX, arena, messages, &count, e);
	for (size_t i = 0; rc == OK && i < count; i++)
		*ret = *ret || strcmp(messages[i].body, body) == 0;
	return rc;
}

int slot_send(struct scheduler_sqlite *s, const struct plan *p, const struct slot_row *row,
	      bool perhaps_sent, struct err *e)
{
	struct schedule_message m = {.task = p->schedule.task,
				     .schedule = p->schedule.name,
				     .slot = row->slot,
				     .attempt = row->attempts,
				     .planned_us = row->planned_us};
	AUTO_BUF struct buf body = {0};
	m.has_session = plan_slot_day(row->slot, &m.session);
	schedule_message_write(&m, &body);
	bool is_there = false;
	struct slice bytes = buf_slice(&body);
	sqlite3_stmt *stmt;
	int rc = perhaps_sent ? is_in_queue(s->queue, body.data, &is_there, e) : OK;
	if (rc == OK && !is_there)
		rc = queue_send(s->queue, &bytes, 1, e);
	/* Whoever received it may have claimed it by now, or have reported. */
	if (rc == OK)
		rc = prepare(
			s,
			"UPDATE slot SET state = 'sent' WHERE schedule = ?1 AND slot = ?2 AND state = 'sending'",
			p->schedule.name, row->slot, &stmt, e);
	return rc ? rc : sqlite_run(s->db, stmt, e);
}

/* -- claims and reports ------------------------------------------------------------------------ */

struct found {
	struct slot_row row;
	char state[16];
	int64_t claimed_until_us;
};

static void copy(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);
	memcpy(to, from, n);
	to[n] = 0;
}

/* ERR_NOT_FOUND when there is no such slot. */
static int find(struct scheduler_sqlite *s, const char *schedule, const char *slot,
		struct found *ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	sqlite3_stmt *stmt;
	int rc = prepare(
		s,
		"SELECT state, attempts, planned_us, coalesce(deadline_us, 0), coalesce(claimed_until_us, 0)\n"
		"FROM slot WHERE schedule = ?1 AND slot = ?2",
		schedule, slot, &stmt, e);
	if (rc)
		return rc;
	rc = sqlite_step(s->db, stmt, e);
	if (rc == 1) {
		*ret = (struct found){.row = {.attempts = (int)sqlite_i64(stmt, 1),
					      .planned_us = sqlite_i64(stmt, 2),
					      .deadline_us = sqlite_i64(stmt, 3)},
				      .claimed_until_us = sqlite_i64(stmt, 4)};
		copy(ret->state, sizeof(ret->state), sqlite_str(stmt, 0, arena));
		copy(ret->row.slot, sizeof(ret->row.slot), slot);
	}
	sqlite_reset(stmt);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "schedule %s has no slot %s", schedule, slot);
	return rc < 0 ? rc : OK;
}

static bool is_out(const struct found *f)
{
	return strcmp(f->state, "sent") == 0 || strcmp(f->state, "sending") == 0;
}

static int claim(struct scheduler_sqlite *s, const struct schedule_message *m, int64_t lease_us,
		 struct err *e)
{
	struct found f = {.claimed_until_us = 0};
	sqlite3_stmt *stmt;
	int64_t now = clock_now_us(s->clock);
	int rc = find(s, m->schedule, m->slot, &f, e);
	if (rc)
		return rc;
	if (!is_out(&f) || f.row.attempts != m->attempt)
		return err_set(e, ERR_CONFLICT, "attempt %d at slot %s of schedule %s is over",
			       m->attempt, m->slot, m->schedule);
	/* A lease that ends later than any can was given by a clock that was wrong. */
	if (f.claimed_until_us > now && f.claimed_until_us <= now + QUEUE_VISIBILITY_MAX_US)
		return err_set(e, ERR_RETRY, "somebody else works on slot %s of schedule %s",
			       m->slot, m->schedule);
	rc = prepare(
		s,
		"UPDATE slot SET state = 'sent', claimed_until_us = ?3 WHERE schedule = ?1 AND slot = ?2",
		m->schedule, m->slot, &stmt, e);
	if (rc)
		return rc;
	sqlite_bind_i64(stmt, 3, now + lease_us);
	return sqlite_run(s->db, stmt, e);
}

static int scheduler_sqlite_claim(struct scheduler *scheduler, const struct schedule_message *m,
				  int64_t lease_us, struct err *e)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	if (lease_us < 1 || lease_us > QUEUE_VISIBILITY_MAX_US)
		return err_set(e, ERR_LIMIT,
			       "a slot can be claimed for up to 12 hours, not for %lld µs",
			       (long long)lease_us);
	int rc = sqlite_begin(s->db, e);
	return rc ? rc : end(s, claim(s, m, lease_us, e), e);
}

int slot_end_attempt(struct scheduler_sqlite *s, const struct plan *p, const char *schedule,
		     const struct slot_row *row, enum schedule_outcome outcome, const char *why,
		     int64_t now, bool *ret_given_up, struct err *e)
{
	const char *state = outcome == SCHEDULE_DONE ? "done" : "given_up";
	int64_t next = 0, deadline = row->deadline_us;
	bool again = outcome == SCHEDULE_NOT_PUBLISHED || outcome == SCHEDULE_FAILED;
	if (p && again && p->schedule.retry_us) {
		/* A deadline that was set by a clock in the future is too far. */
		int64_t latest =
			(now > row->planned_us ? now : row->planned_us) + p->schedule.deadline_us;
		if (deadline > latest)
			deadline = latest;
		next = now + p->schedule.retry_us + plan_jitter(p, row->slot, row->attempts + 1);
		if (next > deadline)
			next = deadline; /* once more, at the last moment */
		if (next < row->planned_us)
			next = row->planned_us; /* the clock was put back */
		if (now < deadline)
			state = "waiting";
	}
	if (strcmp(state, "waiting") != 0)
		next = 0;
	*ret_given_up = strcmp(state, "given_up") == 0;
	sqlite3_stmt *stmt;
	int rc = prepare(
		s,
		"UPDATE slot SET state = ?3, next_us = ?4, why = ?5, claimed_until_us = NULL, deadline_us = ?6,\n"
		"	closed_us = ?7 WHERE schedule = ?1 AND slot = ?2",
		schedule, row->slot, &stmt, e);
	if (rc)
		return rc;
	sqlite_bind_str(stmt, 3, state);
	sqlite_bind_i64(stmt, 4, next);
	if (why) {
		size_t n = strnlen(why, WHY_MAX);
		while (n && why[n] && ((unsigned char)why[n] & 0xc0) == 0x80)
			n--;
		sqlite_bind_slice(stmt, 5, (struct slice){why, n});
	}
	sqlite_bind_i64(stmt, 6, deadline);
	sqlite_bind_i64(stmt, 7, now);
	return sqlite_run(s->db, stmt, e);
}

static int report(struct scheduler_sqlite *s, const struct schedule_message *m,
		  enum schedule_outcome outcome, const char *why, struct err *e)
{
	struct found f = {.claimed_until_us = 0};
	bool given_up;
	int rc = find(s, m->schedule, m->slot, &f, e);
	if (rc)
		return rc;
	/* Done is done, whichever attempt did it; other news of a former attempt are none. */
	if (strcmp(f.state, "done") == 0)
		return OK;
	if (outcome != SCHEDULE_DONE && (!is_out(&f) || f.row.attempts != m->attempt))
		return OK;
	return slot_end_attempt(s, scheduler_plan_of(s, m->schedule), m->schedule, &f.row, outcome,
				why, clock_now_us(s->clock), &given_up, e);
}

static int scheduler_sqlite_report(struct scheduler *scheduler, const struct schedule_message *m,
				   enum schedule_outcome outcome, const char *why, struct err *e)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	int rc = sqlite_begin(s->db, e);
	return rc ? rc : end(s, report(s, m, outcome, why, e), e);
}

/* -- by hand ----------------------------------------------------------------------------------- */

static int latest_session(const struct plan *p, int64_t now, int32_t *ret, struct err *e)
{
	struct planned slot;
	int32_t day;
	int rc = time_date_in_sao_paulo(now, &day, e);
	for (int i = 0; rc == OK && i < 366; i++, day--) {
		if (!p->is_session(p->ctx, day))
			continue;
		rc = plan_session(p, day, &slot, e);
		if (rc == OK && slot.at_us <= now) {
			*ret = day;
			return OK;
		}
	}
	return rc ? rc
		  : err_set(e, ERR_NOT_FOUND, "schedule %s had no session in the last year",
			    p->schedule.name);
}

static int slot_by_hand(const struct plan *p, const int32_t *session, int64_t now,
			struct planned *ret, struct err *e)
{
	char date[DATE_TEXT_SIZE];
	int32_t day = 0;
	if (!p->schedule.sessions)
		return session ? err_set(e, ERR_USAGE, "schedule %s is not of sessions",
					 p->schedule.name)
			       : plan_minute(now, ret, e);
	if (session && !p->is_session(p->ctx, *session))
		return err_set(e, ERR_USAGE, "there is no session on %s",
			       date_format(*session, date));
	int rc = OK;
	if (session)
		day = *session;
	else
		rc = latest_session(p, now, &day, e);
	return rc ? rc : plan_session(p, day, ret, e);
}

static int mark_by_hand(struct scheduler_sqlite *s, const struct plan *p,
			const struct planned *planned, int64_t now, struct slot_row *ret,
			struct err *e)
{
	sqlite3_stmt *stmt;
	int rc = prepare(
		s, "SELECT slot FROM slot WHERE schedule = ?1 AND state IN ('sending', 'sent')",
		p->schedule.name, NULL, &stmt, e);
	if (rc)
		return rc;
	rc = sqlite_step(s->db, stmt, e);
	if (rc == 1) {
		rc = err_set(e, ERR_CONFLICT,
			     "the message of schedule %s for slot %s is out already",
			     p->schedule.name, (const char *)sqlite3_column_text(stmt, 0));
		sqlite_reset(stmt);
	}
	if (rc)
		return rc;
	rc = prepare(s,
		     "INSERT OR IGNORE INTO slot (schedule, slot, planned_us, next_us, state)\n"
		     "VALUES (?1, ?2, ?3, 0, 'waiting')",
		     p->schedule.name, planned->slot, &stmt, e);
	if (rc)
		return rc;
	sqlite_bind_i64(stmt, 3, planned->at_us);
	rc = sqlite_run(s->db, stmt, e);
	struct found f = {.claimed_until_us = 0};
	if (rc == OK)
		rc = find(s, p->schedule.name, planned->slot, &f, e);
	if (rc)
		return rc;
	*ret = f.row;
	ret->deadline_us = 0; /* it has its whole time again */
	return slot_mark_sending(s, p, ret, now, e);
}

static int run_by_hand(struct scheduler_sqlite *s, const struct plan *p, const int32_t *session,
		       struct schedule_slot *ret, struct err *e)
{
	struct planned planned;
	struct slot_row row;
	int64_t now = clock_now_us(s->clock);
	int rc = slot_by_hand(p, session, now, &planned, e);
	if (rc == OK)
		rc = sqlite_begin(s->db, e);
	if (rc)
		return rc;
	rc = end(s, mark_by_hand(s, p, &planned, now, &row, e), e);
	if (rc == OK)
		rc = slot_send(s, p, &row, false, e);
	if (rc)
		return rc;
	*ret = (struct schedule_slot){.state = SLOT_SENT,
				      .attempts = row.attempts,
				      .planned_us = row.planned_us,
				      .next_us = now + p->schedule.answer_us};
	copy(ret->schedule, sizeof(ret->schedule), p->schedule.name);
	copy(ret->slot, sizeof(ret->slot), row.slot);
	return OK;
}

static int known_plan(const struct scheduler_sqlite *s, const char *schedule,
		      const struct plan **ret, struct err *e)
{
	*ret = scheduler_plan_of(s, schedule);
	return *ret ? OK : err_set(e, ERR_NOT_FOUND, "there is no schedule %s", schedule);
}

static int scheduler_sqlite_run(struct scheduler *scheduler, const char *schedule,
				const int32_t *session, struct schedule_slot *ret, struct err *e)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	const struct plan *p;
	int fd = -1;
	int rc = known_plan(s, schedule, &p, e);
	if (rc == OK && s->lock_path)
		rc = file_lock(s->lock_path, true, s->clock, LOCK_WAIT_US, NULL, NULL, &fd, e);
	if (rc == OK)
		rc = run_by_hand(s, p, session, ret, e);
	file_unlock(fd);
	return rc;
}

/* -- questions --------------------------------------------------------------------------------- */

static int scheduler_sqlite_next(struct scheduler *scheduler, const char *schedule, size_t max,
				 struct schedule_slot *ret, size_t *ret_count, struct err *e)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	const struct plan *p;
	int64_t at = clock_now_us(s->clock);
	size_t n = 0;
	int rc = known_plan(s, schedule, &p, e);
	for (bool found = true; rc == OK && n < max;) {
		struct planned planned;
		rc = plan_next(p, at, &planned, &found, e);
		if (rc || !found)
			break;
		ret[n] = (struct schedule_slot){.state = SLOT_WAITING,
						.planned_us = planned.at_us,
						.next_us = planned.at_us +
							   plan_jitter(p, planned.slot, 1)};
		copy(ret[n].schedule, sizeof(ret[n].schedule), schedule);
		copy(ret[n].slot, sizeof(ret[n].slot), planned.slot);
		at = planned.at_us;
		n++;
	}
	*ret_count = rc ? 0 : n;
	return rc;
}

static enum slot_state state_of(const char *text)
{
	for (int i = SLOT_WAITING; i <= SLOT_MISSED; i++)
		if (strcmp(slot_state_name((enum slot_state)i), text) == 0)
			return (enum slot_state)i;
	return SLOT_SENT; /* "sending" */
}

static void read_slot(const struct scheduler_sqlite *s, sqlite3_stmt *stmt, struct arena *arena,
		      struct schedule_slot *ret)
{
	*ret = (struct schedule_slot){.state = state_of(sqlite_str(stmt, 2, arena)),
				      .attempts = (int)sqlite_i64(stmt, 3),
				      .planned_us = sqlite_i64(stmt, 4),
				      .why = sqlite_str(stmt, 7, arena)};
	copy(ret->schedule, sizeof(ret->schedule), sqlite_str(stmt, 0, arena));
	copy(ret->slot, sizeof(ret->slot), sqlite_str(stmt, 1, arena));
	const struct plan *p = scheduler_plan_of(s, ret->schedule);
	if (ret->state == SLOT_WAITING)
		ret->next_us = sqlite_i64(stmt, 5);
	else if (ret->state == SLOT_SENT && p)
		ret->next_us = sqlite_i64(stmt, 6) + p->schedule.answer_us;
}

static int scheduler_sqlite_slots(struct scheduler *scheduler, const char *schedule, size_t max,
				  struct arena *arena, struct schedule_slot *ret, size_t *ret_count,
				  struct err *e)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	sqlite3_stmt *stmt;
	size_t n = 0;
	int more = 0;
	int rc = prepare(
		s,
		"SELECT schedule, slot, state, attempts, planned_us, next_us, coalesce(sent_us, 0), why\n"
		"FROM slot WHERE ?1 IS NULL OR schedule = ?1\n"
		"ORDER BY planned_us DESC, schedule, slot LIMIT coalesce(?2, ?3)",
		schedule, NULL, &stmt, e);
	if (rc)
		return rc;
	sqlite_bind_i64(stmt, 3, (int64_t)max);
	while (n < max && (more = sqlite_step(s->db, stmt, e)) == 1)
		read_slot(s, stmt, arena, &ret[n++]);
	sqlite_reset(stmt);
	*ret_count = more < 0 ? 0 : n;
	return more < 0 ? more : OK;
}

/* -- opening ----------------------------------------------------------------------------------- */

static void scheduler_sqlite_free(struct scheduler *scheduler)
{
	struct scheduler_sqlite *s = (struct scheduler_sqlite *)scheduler;
	sqlite_close(s->db);
	arena_free(s->arena);
	free(s->plans);
	free(s->lock_path);
	free(s);
}

static const struct scheduler_ops scheduler_sqlite_ops = {
	.tick = scheduler_sqlite_tick,
	.claim = scheduler_sqlite_claim,
	.report = scheduler_sqlite_report,
	.run = scheduler_sqlite_run,
	.next = scheduler_sqlite_next,
	.slots = scheduler_sqlite_slots,
	.free = scheduler_sqlite_free,
};

static int take_schedule(struct scheduler_sqlite *s, const struct scheduler_sqlite_options *o,
			 const struct schedule *schedule, struct err *e)
{
	struct planned first;
	bool found;
	int rc = schedule_check(schedule, e);
	if (rc)
		return rc;
	if (scheduler_plan_of(s, schedule->name))
		return err_set(e, ERR_USAGE, "there are two schedules %s", schedule->name);
	struct plan *p = &s->plans[s->count++];
	*p = (struct plan){
		.schedule = *schedule, .is_session = o->is_session, .ctx = o->ctx, .seed = o->seed};
	p->schedule.name = arena_strdup(s->arena, schedule->name);
	p->schedule.task = arena_strdup(s->arena, schedule->task);
	rc = plan_next(p, clock_now_us(s->clock), &first, &found, e);
	if (rc == OK && !found)
		rc = err_set(e, ERR_USAGE,
			     "schedule %s never comes due: its days are no trading sessions",
			     schedule->name);
	return rc;
}

static int open_database(struct scheduler_sqlite *s, const struct scheduler_sqlite_options *o,
			 struct err *e)
{
	struct sqlite_options options = {.path = o->path ? o->path : ":memory:",
					 .access = o->read_only && o->path ? DB_READ : DB_CREATE,
					 .sync = SYNC_FULL,
					 .steps = steps,
					 .step_count = ARRAY_LEN(steps)};
	int rc = sqlite_open(&options, &s->db, e);
	if (rc == ERR_NOT_FOUND && o->read_only) {
		options.path = ":memory:";
		options.access = DB_CREATE;
		rc = sqlite_open(&options, &s->db, e);
	}
	if (rc == OK && o->path && !o->read_only) {
		struct buf lock = {0};
		buf_printf(&lock, "%s.lock", o->path);
		s->lock_path = buf_take(&lock);
	}
	return rc;
}

int scheduler_sqlite_open(const struct scheduler_sqlite_options *o, struct scheduler **ret,
			  struct err *e)
{
	struct scheduler_sqlite *s = NEW(struct scheduler_sqlite);
	s->scheduler.ops = &scheduler_sqlite_ops;
	s->clock = o->clock;
	s->queue = o->queue;
	s->arena = arena_new();
	s->plans = NEW_ARRAY(o->count, struct plan);
	int rc = OK;
	for (size_t i = 0; rc == OK && i < o->count; i++)
		rc = take_schedule(s, o, &o->schedules[i], e);
	if (rc == OK)
		rc = open_database(s, o, e);
	if (rc) {
		scheduler_sqlite_free(&s->scheduler);
		return rc;
	}
	*ret = &s->scheduler;
	return OK;
}
