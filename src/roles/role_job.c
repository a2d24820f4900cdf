/* The role that works: takes recorded job runs one after the other. */
#include "role_table.h"

#define IDLE_US INT64_C(50000)

int role_job(struct role_context *c, struct err *e)
{
	struct job_engine *jobs;
	int failures = 0;
	int rc = system_job_engine(c->system, &jobs, e);
	while (rc == OK && !atomic_load(c->stop)) {
		AUTO_ARENA struct arena *arena = arena_new();
		struct job_status status;
		struct err why = ERR_INIT;
		int code = job_engine_work(jobs, arena, &status, &why);
		if (code && code != ERR_NOT_FOUND && !atomic_load(c->stop))
			role_failed(c, "job.postponed", &why, &failures);
		else
			failures = 0;
		if (code == ERR_NOT_FOUND)
			role_wait(c, IDLE_US);
	}
	return rc;
}
