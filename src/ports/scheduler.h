/* Port: scheduler. Says when something is due by sending a message to a queue, in the form of
 * EventBridge's events; what the message asks for is the receiver's work. Expressions are read on a
 * clock on a wall in America/Sao_Paulo, daylight saving of the past included; what such a clock
 * skipped comes right after the leap, what it showed twice comes once.
 *
 * A slot is one thing that a schedule owes: a session ("2026-07-15") or a minute
 * ("2026-07-15T19:00"). Promised, over deaths, downtime, and jumps of the clock in both directions:
 *   - each session's slot is sent, also when it came due while nobody ticked, unless it was longer
 *     ago than the catch-up window: then it is kept as missed;
 *   - minutes that came due together are one: only the last is sent (a nightly task after a week of
 *     sleep runs once), and none while an earlier one has yet to go out;
 *   - a schedule has one message out at a time: the next goes when the one before was reported, or
 *     was not reported for the answer time;
 *   - a slot reported as done is never sent again.
 * The message may come twice (queues promise no more), and a worker may die with it: who takes one
 * claims it, and only one claim of each succeeds until its lease ends. */
#ifndef PREGAO_SCHEDULER_H
#define PREGAO_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "cron.h"
#include "err.h"
#include "mem.h"
#include "str.h"

#define SCHEDULE_NAME_MAX 40
#define SLOT_TEXT_SIZE    24

struct schedule {
	const char *name; /* a to z, 0 to 9, - and _; at most SCHEDULE_NAME_MAX */
	const char *task; /* what the receiver is to do: the message's detail-type */
	struct cron cron;
	bool sessions;       /* once per trading session, at cron's only minute of the day */
	int64_t catch_up_us; /* how long ago a slot may have been and still be sent late */
	int64_t jitter_us;   /* each sending is up to this much later, by the seed */
	int64_t retry_us;    /* sent again after this when not published or failed; 0: never */
	int64_t deadline_us; /* for so long after it was due, or first sent when that was late */
	int64_t answer_us;   /* sent and not reported for so long counts as failed */
};
/* ERR_USAGE names the schedule: a bad name or task, a session schedule with several minutes a day, a
 * retry without a deadline, a time out of range. */
int schedule_check(const struct schedule *, struct err *) MUST_CHECK;

enum schedule_outcome {
	SCHEDULE_DONE,
	SCHEDULE_NOT_PUBLISHED, /* not there yet: again after the retry interval */
	SCHEDULE_FAILED,        /* again too */
	SCHEDULE_GONE,          /* it can no longer be had: given up at once */
};

enum slot_state {
	SLOT_WAITING, /* for its time, for the one before, or for another attempt */
	SLOT_SENT,
	SLOT_DONE,
	SLOT_GIVEN_UP, /* not published or failed until the deadline, or gone */
	SLOT_MISSED,   /* nobody ticked within the catch-up window */
};
const char *slot_state_name(enum slot_state);

struct schedule_slot {
	char schedule[SCHEDULE_NAME_MAX + 1];
	char slot[SLOT_TEXT_SIZE];
	enum slot_state state;
	int attempts;
	int64_t planned_us; /* by the expression */
	int64_t next_us;    /* WAITING: when it is sent; SENT: when it counts as failed; else 0 */
	const char *why;    /* what was last said about it, or NULL */
};

/* A message: {"version":"0","id":"portfolio/2026-07-15/1","source":"pregao.scheduler",
 * "detail-type":TASK,"time":"2026-07-15T22:00:00Z","detail":{"schedule":"portfolio",
 * "slot":"2026-07-15","session":"2026-07-15","attempt":1}}. session is null for a minute's slot. The
 * same slot and attempt always give the same bytes. */
struct schedule_message {
	const char *task, *schedule, *slot;
	bool has_session;
	int32_t session; /* days since 1970 */
	int attempt;     /* from 1 */
	int64_t planned_us;
};
void schedule_message_write(const struct schedule_message *, struct buf *out);
/* Strings are in the arena. ERR_INPUT names what is missing or wrong. */
int schedule_message_parse(const char *body, struct arena *, struct schedule_message *ret,
			   struct err *) MUST_CHECK;

struct scheduler;
struct schedule_tick {
	int64_t sent, missed, given_up; /* in this call */
	int64_t next_us;                /* nothing will be due before; INT64_MAX: nothing at all */
};
struct scheduler_ops {
	int (*tick)(struct scheduler *, struct schedule_tick *ret, struct err *);
	int (*claim)(struct scheduler *, const struct schedule_message *, int64_t lease_us,
		     struct err *);
	int (*report)(struct scheduler *, const struct schedule_message *, enum schedule_outcome,
		      const char *why, struct err *);
	int (*run)(struct scheduler *, const char *schedule, const int32_t *session,
		   struct schedule_slot *ret, struct err *);
	int (*next)(struct scheduler *, const char *schedule, size_t max, struct schedule_slot *ret,
		    size_t *ret_count, struct err *);
	int (*slots)(struct scheduler *, const char *schedule, size_t max, struct arena *,
		     struct schedule_slot *ret, size_t *ret_count, struct err *);
	void (*free)(struct scheduler *);
};
struct scheduler {
	const struct scheduler_ops *ops;
};
/* Sends what is due and says when to come again; coming earlier, or much later, is fine (a report of
 * another process may make something due before). A schedule's first tick is when it begins: nothing
 * before that is owed. After an error the other schedules have been served, and the next tick mends
 * what was left half done. */
int scheduler_tick(struct scheduler *, struct schedule_tick *ret, struct err *) MUST_CHECK;
/* Before working on a message: OK to go on. ERR_CONFLICT: it was reported already or is out of date,
 * delete it. ERR_RETRY: somebody else works on it, leave it. ERR_NOT_FOUND: no such slot. lease_us:
 * as long as the message is hidden from others. */
int scheduler_claim(struct scheduler *, const struct schedule_message *, int64_t lease_us,
		    struct err *) MUST_CHECK;
/* What came of a claimed message; then delete it. May be repeated. Anything but DONE from an attempt
 * that is no longer the last one changes nothing. why may be NULL. */
int scheduler_report(struct scheduler *, const struct schedule_message *, enum schedule_outcome,
		     const char *why, struct err *) MUST_CHECK;
/* Sends a slot now, whatever became of it before: that session's (NULL: the latest one that was due),
 * or for a schedule of minutes this minute's. ERR_NOT_FOUND: no such schedule; ERR_USAGE: the day is
 * no session; ERR_CONFLICT: its message is out. */
int scheduler_run(struct scheduler *, const char *schedule, const int32_t *session,
		  struct schedule_slot *ret, struct err *) MUST_CHECK;
/* The slots to come, by the expression and the calendar alone, up to max; next_us is with jitter. */
int scheduler_next(struct scheduler *, const char *schedule, size_t max, struct schedule_slot *ret,
		   size_t *ret_count, struct err *) MUST_CHECK;
/* What became of slots, the newest first; schedule NULL: of all. */
int scheduler_slots(struct scheduler *, const char *schedule, size_t max, struct arena *,
		    struct schedule_slot *ret, size_t *ret_count, struct err *) MUST_CHECK;
void scheduler_free(struct scheduler *); /* NULL is fine */

#endif
