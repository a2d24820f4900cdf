/* A pass: run record, steps, and settling.
 * Nothing here knows a source or a job: it moves what the ports hold. */
#include "pass.h"

#include <stdio.h>
#include <string.h>

/* job runs worked off in one pass: a ceiling against an engine that never runs dry */
#define RUNS_MAX 100000

void pass_begin(struct pass *p, struct telemetry *t, struct clock *clock, const char *name)
{
	*p = (struct pass){.telemetry = t, .clock = clock};
	p->record = (struct run_record){.kind = "pass",
					.name = name,
					.state = RUN_RUNNING,
					.started_us = clock_now_us(clock)};
	run_id_make(p->record.started_us, p->record.id);
	telemetry_run(t, &p->record);
	pass_start(p);
}

void pass_start(struct pass *p)
{
	p->began_us = clock_monotonic_us(p->clock);
}

static void add(int64_t *sum, int64_t n)
{
	if (n >= 0)
		*sum = *sum < 0 ? n : *sum + n;
}

void pass_done(struct pass *p, const char *name, int64_t rows, int64_t files, int64_t bytes)
{
	int64_t took = clock_monotonic_us(p->clock) - p->began_us;
	struct run_step *s = NULL;
	for (size_t i = 0; i < p->step_count && !s; i++)
		if (strcmp(p->steps[i].name, name) == 0)
			s = &p->steps[i];
	if (!s && p->step_count < PASS_STEPS_MAX) {
		s = &p->steps[p->step_count++];
		*s = (struct run_step){.name = name,
				       .started_us = clock_now_us(p->clock) - took,
				       .rows = -1,
				       .bytes = -1,
				       .files = -1};
	}
	if (s) {
		s->took_us += took;
		add(&s->rows, rows);
		add(&s->files, files);
		add(&s->bytes, bytes);
	}
	pass_start(p);
}

void pass_end(struct pass *p, int code, const struct err *e)
{
	for (size_t i = 0; i < p->step_count; i++)
		telemetry_step(p->telemetry, p->record.id, &p->steps[i]);
	p->record.state = code ? RUN_FAILED : RUN_SUCCEEDED;
	p->record.ended_us = clock_now_us(p->clock);
	p->record.error_code = code;
	p->record.error = code && e ? e->text : NULL;
	telemetry_run(p->telemetry, &p->record);
}

int pass_work(struct pass *p, struct job_engine *jobs, struct arena *arena,
	      struct settle_result *ret, struct err *e)
{
	pass_start(p);
	for (int i = 0; i < RUNS_MAX; i++) {
		struct job_status s;
		int rc = job_engine_work(jobs, arena, &s, e);
		if (rc == ERR_NOT_FOUND) {
			pass_done(p, "job", ret->rows, ret->files, -1);
			return OK;
		}
		if (rc)
			return err_wrap(e, "working off job runs");
		snprintf(ret->last_run, sizeof(ret->last_run), "%s", s.run);
		ret->scopes += s.scopes_done;
		ret->unchanged += s.scopes_unchanged;
		ret->rows += s.rows_written;
		ret->files += s.files_written;
		if (s.state == RUN_SUCCEEDED) {
			ret->succeeded++;
		} else if (ret->failed++ == 0) {
			err_set(&ret->why, s.error_code ? s.error_code : ERR_IO, "job run %s: %s",
				s.run, s.error ? s.error : run_state_name(s.state));
		}
	}
	return err_set(e, ERR_BUG, "the job engine gave more than %d runs to one pass", RUNS_MAX);
}

static int start_stale(const struct settle *s, const struct activation *a, struct arena *arena,
		       size_t *ret_count, struct err *e)
{
	const char **stale;
	char run[RUN_ID_SIZE];
	int rc = job_engine_stale(s->jobs, a->job, s->scopes, s->scope_count, arena, &stale,
				  ret_count, e);
	if (rc || *ret_count == 0)
		return rc;
	struct job_request q = {
		.job = a->job, .as_of = s->as_of, .scopes = stale, .scope_count = *ret_count};
	return job_engine_start(s->jobs, &q, run, e);
}

/* Messages hide for a while when their receiver dies, runs fail and workers are killed: whatever
 * happened to them, what this pass saw gets refined, or the pass says that it is not. */
static int make_sure(struct pass *p, const struct settle *s, struct arena *arena,
		     struct settle_result *ret, struct err *e)
{
	for (size_t i = 0; i < s->activation_count; i++) {
		const struct activation *a = &s->activations[i];
		size_t stale = 0;
		if (!s->location || s->scope_count == 0 ||
		    strcmp(a->location_prefix, s->location) != 0)
			continue;
		int rc = start_stale(s, a, arena, &stale, e);
		if (rc == OK && stale)
			rc = pass_work(p, s->jobs, arena, ret, e);
		if (rc || ret->failed)
			return rc;
		const char **left;
		if (stale)
			rc = job_engine_stale(s->jobs, a->job, s->scopes, s->scope_count, arena,
					      &left, &stale, e);
		if (rc)
			return rc;
		if (stale)
			return err_set(
				e, ERR_RETRY,
				"job %s has not yet refined %zu of the partitions; run this again",
				a->job, stale);
	}
	return OK;
}

int pass_settle(struct pass *p, const struct settle *s, struct arena *arena,
		struct settle_result *ret, struct err *e)
{
	*ret = (struct settle_result){0};
	pass_start(p);
	int64_t sent = 0;
	int rc = OK;
	if (!s->store_notifies)
		rc = trigger_relay(s->catalog, s->queue, s->lake, &sent, e);
	if (rc == OK)
		rc = trigger_activate(s->queue, s->jobs, s->activations, s->activation_count,
				      s->as_of, NULL, NULL, &ret->trigger, e);
	if (rc)
		return rc;
	pass_done(p, "trigger", -1, -1, -1);
	if (ret->trigger.failed)
		telemetry_failure(p->telemetry, LOG_LEVEL_WARNING, p->record.id, "trigger.failed",
				  NULL, &ret->trigger.first_error);
	rc = pass_work(p, s->jobs, arena, ret, e);
	/* A failure has been told already; trying the same again at once would only repeat it. */
	return rc || ret->failed ? rc : make_sure(p, s, arena, ret, e);
}
