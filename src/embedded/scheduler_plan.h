/* Which slots a schedule has, and when: its expression, the calendar and the seed, without a state.
 * Used by the scheduler driver only. */
#ifndef PREGAO_SCHEDULER_PLAN_H
#define PREGAO_SCHEDULER_PLAN_H

#include "scheduler.h"

struct plan {
	struct schedule schedule;
	bool (*is_session)(void *ctx, int32_t day);
	void *ctx;
	int64_t seed;
};
struct planned {
	char slot[SLOT_TEXT_SIZE];
	int64_t at_us;
};
/* The first slot after that time; *ret_found is false when no session comes for years. */
int plan_next(const struct plan *, int64_t after_us, struct planned *ret, bool *ret_found,
	      struct err *) MUST_CHECK;
/* The slot of a session day, or for a schedule of minutes that of the minute of `at_us`. */
int plan_session(const struct plan *, int32_t day, struct planned *ret, struct err *) MUST_CHECK;
int plan_minute(int64_t at_us, struct planned *ret, struct err *) MUST_CHECK;
/* 0 to jitter_us, the same for the same seed, schedule, slot and attempt. */
int64_t plan_jitter(const struct plan *, const char *slot, int attempt);
/* A slot of a session is its date. */
bool plan_slot_day(const char *slot, int32_t *ret_day);

#endif
