/* The role between data and jobs: tells the queues of created objects, and starts what waits for them. */
#include "definitions.h"
#include "role_table.h"
#include "trigger.h"

/* From a commit to its job this much passes at most, and half of it on the average. */
#define IDLE_US INT64_C(50000)
/* The user's own definitions are read again this often. */
#define REFRESH_US INT64_C(10000000)

static int round_of(struct role_context *c, struct queue *queue, struct job_engine *jobs,
		    const struct activation *activations, size_t count, struct err *e)
{
	struct trigger_result result;
	int rc = system_relay(c->system, system_catalog(c->system), e);
	if (rc == OK)
		rc = trigger_activate(queue, jobs, activations, count, AS_OF_LANDED, NULL, NULL,
				      &result, e);
	if (rc)
		return rc;
	if (result.failed)
		telemetry_failure(system_telemetry(c->system), LOG_LEVEL_WARNING, NULL,
				  "trigger.failed", NULL, &result.first_error);
	return OK;
}

int role_activator(struct role_context *c, struct err *e)
{
	struct clock *clock = system_clock(c->system);
	struct queue *queue;
	struct job_engine *jobs;
	int failures = 0;
	int rc = system_queue(c->system, &queue, e);
	if (rc == OK)
		rc = system_job_engine(c->system, &jobs, e);
	while (rc == OK && !atomic_load(c->stop)) {
		AUTO_ARENA struct arena *arena = arena_new();
		struct activation *activations;
		size_t count;
		struct err why = ERR_INIT;
		int64_t until = clock_monotonic_us(clock) + REFRESH_US;
		int code = definitions_activations(c->settings->definitions,
						   system_catalog(c->system), arena, &activations,
						   &count, &why);
		while (code == OK && clock_monotonic_us(clock) < until && !atomic_load(c->stop)) {
			code = round_of(c, queue, jobs, activations, count, &why);
			if (code == OK) {
				failures = 0;
				role_wait(c, IDLE_US);
			}
		}
		if (code)
			role_failed(c, "activate.failed", &why, &failures);
	}
	return rc;
}
