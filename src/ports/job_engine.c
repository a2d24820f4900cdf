/* Job engine: the calls into the driver, and the names of a run's states.
 * Nothing here knows what a job does. */
#include "job_engine.h"

const char *run_state_name(enum run_state state)
{
	static const char *const names[] = {
		[RUN_QUEUED] = "queued",       [RUN_RUNNING] = "running",
		[RUN_SUCCEEDED] = "succeeded", [RUN_FAILED] = "failed",
		[RUN_CANCELLED] = "cancelled", [RUN_DIED] = "died",
	};
	return (size_t)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

int job_engine_start(struct job_engine *j, const struct job_request *request,
		     char ret_run[RUN_ID_SIZE], struct err *e)
{
	return j->ops->start(j, request, ret_run, e);
}

int job_engine_status(struct job_engine *j, const char *run, struct arena *arena,
		      struct job_status *ret, struct err *e)
{
	return j->ops->status(j, run, arena, ret, e);
}

int job_engine_cancel(struct job_engine *j, const char *run, struct err *e)
{
	return j->ops->cancel(j, run, e);
}

int job_engine_list(struct job_engine *j, size_t max, struct arena *arena, struct job_status **ret,
		    size_t *ret_count, struct err *e)
{
	return j->ops->list(j, max, arena, ret, ret_count, e);
}

int job_engine_work(struct job_engine *j, struct arena *arena, struct job_status *ret,
		    struct err *e)
{
	return j->ops->work(j, arena, ret, e);
}

int job_engine_stale(struct job_engine *j, const char *job, const char *const *scopes, size_t n,
		     struct arena *arena, const char ***ret, size_t *ret_count, struct err *e)
{
	return j->ops->stale(j, job, scopes, n, arena, ret, ret_count, e);
}

void job_engine_free(struct job_engine *j)
{
	if (j)
		j->ops->free(j);
}
