/* Scheduler with its state in one SQLite file: what was sent, when, and what came of it. */
#ifndef PREGAO_SCHEDULER_SQLITE_H
#define PREGAO_SCHEDULER_SQLITE_H

#include "clock.h"
#include "queue.h"
#include "scheduler.h"

struct scheduler_sqlite_options {
	/* Made when it is missing (its folder must be there). NULL: nothing is kept, for questions
	 * about what is to come. */
	const char *path;
	bool read_only; /* only next and slots; a missing file is one without slots */
	const struct schedule *schedules;
	size_t count;
	/* whether there is a trading session on that day, in days since 1970 */
	bool (*is_session)(void *ctx, int32_t day);
	void *ctx;
	int64_t seed; /* of the jitter */
	struct clock *clock;
	/* receives the messages; NULL where nothing is sent */
	struct queue *queue;
};
/* Copies the schedules; the rest is borrowed. A schedule that another tick knew and that is not in
 * the list any more is forgotten at the next tick, but not its slots: named again, it begins anew
 * and repeats none. ERR_USAGE: a schedule is wrong, or two have one name, or one never falls on a
 * session. One thread at a time; tick and run of several processes wait for each other.
 *
 * That a message is about to go out is durable before it does, that it went out after. A death
 * between the two leaves a slot whose message may have been sent: the next tick looks for it in the queue and
 * sends it again only if it is neither there nor was claimed. */
int scheduler_sqlite_open(const struct scheduler_sqlite_options *, struct scheduler **ret,
			  struct err *) MUST_CHECK;

#endif
