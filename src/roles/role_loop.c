/* What the roles' loops share: waiting, and going on after a failure. */
#include "role_table.h"
#include "telemetry.h"

#define SLICE_US     INT64_C(100000)
#define PAUSE_CAP_US INT64_C(60000000)

bool role_wait(struct role_context *c, int64_t us)
{
	struct clock *clock = system_clock(c->system);
	int64_t until = clock_monotonic_us(clock) + us;
	while (!atomic_load(c->stop)) {
		int64_t left = until - clock_monotonic_us(clock);
		if (left <= 0)
			return true;
		/* A signal between the question and the sleep does not wake it: so no sleep is long. */
		clock_sleep_us(clock, left < SLICE_US ? left : SLICE_US);
	}
	return false;
}

bool role_pause(struct role_context *c, int *failures)
{
	int64_t pause = INT64_C(500000) << (*failures < 7 ? *failures : 7);
	if (*failures < 100)
		++*failures;
	return role_wait(c, pause < PAUSE_CAP_US ? pause : PAUSE_CAP_US);
}

bool role_failed(struct role_context *c, const char *event, const struct err *why, int *failures)
{
	telemetry_failure(system_telemetry(c->system), LOG_LEVEL_ERROR, NULL, event, NULL, why);
	return role_pause(c, failures);
}
