/* What the files of the SQLite scheduler share. */
#ifndef PREGAO_SCHEDULER_SQLITE_PRIVATE_H
#define PREGAO_SCHEDULER_SQLITE_PRIVATE_H

#include "clock.h"
#include "queue.h"
#include "scheduler.h"
#include "scheduler_plan.h"
#include "sqlite.h"

struct scheduler_sqlite {
	struct scheduler scheduler;
	struct sqlite *db;
	struct clock *clock;
	struct queue *queue;
	struct arena *arena; /* the schedules' strings */
	struct plan *plans;
	size_t count;
	char *lock_path; /* NULL: in memory, nobody else has it */
};

/* A row of the table slot that is being worked on. */
struct slot_row {
	char slot[SLOT_TEXT_SIZE];
	int attempts;
	int64_t planned_us, deadline_us;
};

const struct plan *scheduler_plan_of(const struct scheduler_sqlite *, const char *schedule);
/* One tick and one slot by hand share how a message goes out: the row is marked as being sent (in the
 * open transaction of the caller), then sent, then marked as sent. */
int slot_mark_sending(struct scheduler_sqlite *, const struct plan *, struct slot_row *,
		      int64_t now, struct err *) MUST_CHECK;
int slot_send(struct scheduler_sqlite *, const struct plan *, const struct slot_row *,
	      bool perhaps_sent, struct err *) MUST_CHECK;
/* Ends an attempt in the open transaction: done, given up, or waiting for the next one. plan NULL:
 * there is no such schedule any more. */
int slot_end_attempt(struct scheduler_sqlite *, const struct plan *, const char *schedule,
		     const struct slot_row *, enum schedule_outcome, const char *why, int64_t now,
		     bool *ret_given_up, struct err *) MUST_CHECK;

int scheduler_sqlite_tick(struct scheduler *, struct schedule_tick *ret, struct err *) MUST_CHECK;

#endif
