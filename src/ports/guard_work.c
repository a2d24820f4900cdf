/* The access checks before the calls of the job engine, the scheduler and the delivery stream: see guard.h. */
#include "guard.h"

#define KIND_JOBS      "job-engine"
#define KIND_SCHEDULER "scheduler"
#define KIND_STREAM    "stream"
#define START          "start"
#define WORK           "work"
#define TICK           "tick"
#define REPORT         "report"
#define APPEND         "append"
#define DELIVER        "deliver"
#define READ           "read"

/* -- job engine -------------------------------------------------------------------------------- */

struct guarded_jobs {
	struct job_engine port;
	struct job_engine *inner;
	struct guard guard;
};

static struct job_engine *inner_jobs(struct job_engine *port)
{
	return ((struct guarded_jobs *)port)->inner;
}

static int ask_jobs(struct job_engine *port, const char *action, const char *job, struct err *e)
{
	return guard_ask(&((struct guarded_jobs *)port)->guard, KIND_JOBS, action, job, e);
}

static int guard_start(struct job_engine *port, const struct job_request *request,
		       char ret_run[RUN_ID_SIZE], struct err *e)
{
	int rc = ask_jobs(port, START, request->job, e);
	return rc ? rc : job_engine_start(inner_jobs(port), request, ret_run, e);
}

static int guard_status(struct job_engine *port, const char *run, struct arena *arena,
			struct job_status *ret, struct err *e)
{
	int rc = ask_jobs(port, READ, NULL, e);
	return rc ? rc : job_engine_status(inner_jobs(port), run, arena, ret, e);
}

static int guard_cancel(struct job_engine *port, const char *run, struct err *e)
{
	int rc = ask_jobs(port, START, NULL, e);
	return rc ? rc : job_engine_cancel(inner_jobs(port), run, e);
}

static int guard_runs(struct job_engine *port, size_t max, struct arena *arena,
		      struct job_status **ret, size_t *ret_count, struct err *e)
{
	int rc = ask_jobs(port, READ, NULL, e);
	return rc ? rc : job_engine_list(inner_jobs(port), max, arena, ret, ret_count, e);
}

static int guard_take(struct job_engine *port, struct arena *arena, struct job_status *ret,
		      struct err *e)
{
	int rc = ask_jobs(port, WORK, NULL, e);
	return rc ? rc : job_engine_work(inner_jobs(port), arena, ret, e);
}

static int guard_stale(struct job_engine *port, const char *job, const char *const *scopes,
		       size_t n, struct arena *arena, const char ***ret, size_t *ret_count,
		       struct err *e)
{
	int rc = ask_jobs(port, READ, NULL, e);
	return rc ? rc
		  : job_engine_stale(inner_jobs(port), job, scopes, n, arena, ret, ret_count, e);
}

static void guard_jobs_free(struct job_engine *port)
{
	job_engine_free(inner_jobs(port));
	free(port);
}

static const struct job_engine_ops guard_jobs_ops = {
	.start = guard_start,
	.status = guard_status,
	.cancel = guard_cancel,
	.list = guard_runs,
	.work = guard_take,
	.stale = guard_stale,
	.free = guard_jobs_free,
};

struct job_engine *guard_job_engine(struct job_engine *inner, const struct guard *g)
{
	struct guarded_jobs *j = NEW(struct guarded_jobs);
	*j = (struct guarded_jobs){.port.ops = &guard_jobs_ops, .inner = inner, .guard = *g};
	return &j->port;
}

/* -- scheduler --------------------------------------------------------------------------------- */

struct guarded_scheduler {
	struct scheduler port;
	struct scheduler *inner;
	struct guard guard;
};

static struct scheduler *inner_scheduler(struct scheduler *port)
{
	return ((struct guarded_scheduler *)port)->inner;
}

static int ask_scheduler(struct scheduler *port, const char *action, const char *schedule,
			 struct err *e)
{
	return guard_ask(&((struct guarded_scheduler *)port)->guard, KIND_SCHEDULER, action,
			 schedule, e);
}

static int guard_tick(struct scheduler *port, struct schedule_tick *ret, struct err *e)
{
	int rc = ask_scheduler(port, TICK, NULL, e);
	return rc ? rc : scheduler_tick(inner_scheduler(port), ret, e);
}

static int guard_claim(struct scheduler *port, const struct schedule_message *m, int64_t lease_us,
		       struct err *e)
{
	int rc = ask_scheduler(port, REPORT, m->schedule, e);
	return rc ? rc : scheduler_claim(inner_scheduler(port), m, lease_us, e);
}

static int guard_report(struct scheduler *port, const struct schedule_message *m,
			enum schedule_outcome outcome, const char *why, struct err *e)
{
	int rc = ask_scheduler(port, REPORT, m->schedule, e);
	return rc ? rc : scheduler_report(inner_scheduler(port), m, outcome, why, e);
}

static int guard_run(struct scheduler *port, const char *schedule, const int32_t *session,
		     struct schedule_slot *ret, struct err *e)
{
	int rc = ask_scheduler(port, TICK, schedule, e);
	return rc ? rc : scheduler_run(inner_scheduler(port), schedule, session, ret, e);
}

static int guard_next(struct scheduler *port, const char *schedule, size_t max,
		      struct schedule_slot *ret, size_t *ret_count, struct err *e)
{
	int rc = ask_scheduler(port, READ, NULL, e);
	return rc ? rc : scheduler_next(inner_scheduler(port), schedule, max, ret, ret_count, e);
}

static int guard_slots(struct scheduler *port, const char *schedule, size_t max,
		       struct arena *arena, struct schedule_slot *ret, size_t *ret_count,
		       struct err *e)
{
	int rc = ask_scheduler(port, READ, NULL, e);
	return rc ? rc
		  : scheduler_slots(inner_scheduler(port), schedule, max, arena, ret, ret_count, e);
}

static void guard_scheduler_free(struct scheduler *port)
{
	scheduler_free(inner_scheduler(port));
	free(port);
}

static const struct scheduler_ops guard_scheduler_ops = {
	.tick = guard_tick,
	.claim = guard_claim,
	.report = guard_report,
	.run = guard_run,
	.next = guard_next,
	.slots = guard_slots,
	.free = guard_scheduler_free,
};

struct scheduler *guard_scheduler(struct scheduler *inner, const struct guard *g)
{
	struct guarded_scheduler *s = NEW(struct guarded_scheduler);
	*s = (struct guarded_scheduler){
		.port.ops = &guard_scheduler_ops, .inner = inner, .guard = *g};
	return &s->port;
}

/* -- delivery stream --------------------------------------------------------------------------- */

struct guarded_stream {
	struct delivery_stream port;
	struct delivery_stream *inner;
	struct guard guard;
};

static struct delivery_stream *inner_stream(struct delivery_stream *port)
{
	return ((struct guarded_stream *)port)->inner;
}

static int ask_stream(struct delivery_stream *port, const char *action, struct err *e)
{
	struct guarded_stream *s = (struct guarded_stream *)port;
	return guard_ask(&s->guard, KIND_STREAM, action, delivery_stream_name(s->inner), e);
}

static int guard_append(struct delivery_stream *port, const struct stream_record *records, size_t n,
			int64_t *ret_first, struct err *e)
{
	int rc = ask_stream(port, APPEND, e);
	return rc ? rc : delivery_stream_append(inner_stream(port), records, n, ret_first, e);
}

static int guard_tail(struct delivery_stream *port, int64_t after,
		      int (*fn)(void *ctx, const struct stream_entry *, struct err *), void *ctx,
		      struct err *e)
{
	int rc = ask_stream(port, READ, e);
	return rc ? rc : delivery_stream_tail(inner_stream(port), after, fn, ctx, e);
}

/* Also what a dead writer left open. */
static int guard_seal(struct delivery_stream *port, bool now, struct err *e)
{
	int rc = ask_stream(port, APPEND, NULL) == OK ? OK : ask_stream(port, DELIVER, e);
	return rc ? rc : delivery_stream_seal(inner_stream(port), now, e);
}

static int guard_next_segment(struct delivery_stream *port, int64_t after,
			      int (*fn)(void *ctx, const struct stream_entry *, struct err *),
			      void *ctx, struct stream_segment *ret, struct err *e)
{
	int rc = ask_stream(port, DELIVER, e);
	return rc ? rc : delivery_stream_next(inner_stream(port), after, fn, ctx, ret, e);
}

static int guard_forget(struct delivery_stream *port, int64_t up_to, struct err *e)
{
	int rc = ask_stream(port, DELIVER, e);
	return rc ? rc : delivery_stream_forget(inner_stream(port), up_to, e);
}

static int guard_stream_status(struct delivery_stream *port, struct stream_status *ret,
			       struct err *e)
{
	int rc = ask_stream(port, READ, e);
	return rc ? rc : delivery_stream_status(inner_stream(port), ret, e);
}

static const char *guard_stream_name(struct delivery_stream *port)
{
	return delivery_stream_name(inner_stream(port));
}

static void guard_stream_free(struct delivery_stream *port)
{
	delivery_stream_free(inner_stream(port));
	free(port);
}

static const struct delivery_stream_ops guard_stream_ops = {
	.append = guard_append,
	.tail = guard_tail,
	.seal = guard_seal,
	.next = guard_next_segment,
	.forget = guard_forget,
	.status = guard_stream_status,
	.name = guard_stream_name,
	.free = guard_stream_free,
};

struct delivery_stream *guard_delivery_stream(struct delivery_stream *inner, const struct guard *g)
{
	struct guarded_stream *s = NEW(struct guarded_stream);
	*s = (struct guarded_stream){.port.ops = &guard_stream_ops, .inner = inner, .guard = *g};
	return &s->port;
}
