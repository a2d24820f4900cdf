/* The role that says what is due: the scheduler's tick, again and again. */
#include "role_table.h"
#include "telemetry.h"

/* A report, or a schedule run by hand, may make something due before its time. */
#define LONGEST_US INT64_C(1000000)

int role_scheduler(struct role_context *c, struct err *e)
{
	struct clock *clock = system_clock(c->system);
	struct scheduler *scheduler;
	int failures = 0;
	int rc = system_scheduler(c->system, &scheduler, e);
	if (rc)
		return rc;
	while (!atomic_load(c->stop)) {
		struct schedule_tick tick;
		struct err why = ERR_INIT;
		if (scheduler_tick(scheduler, &tick, &why) != OK) {
			role_failed(c, "schedule.failed", &why, &failures);
			continue;
		}
		failures = 0;
		if (tick.sent || tick.missed || tick.given_up)
			telemetry_log(system_telemetry(c->system),
				      tick.missed || tick.given_up ? LOG_LEVEL_WARNING
								   : LOG_LEVEL_INFO,
				      NULL, "schedule.tick", "Schedules came due",
				      (struct field[]){FIELD_INT("sent", tick.sent),
						       FIELD_INT("missed", tick.missed),
						       FIELD_INT("given_up", tick.given_up)},
				      3);
		int64_t left = tick.next_us - clock_now_us(clock);
		role_wait(c, left < 0 ? 0 : left < LONGEST_US ? left + 1000 : LONGEST_US);
	}
	return OK;
}
