/* The job engine's worker: claim a run, find its units, compute and publish them batch by batch,
 * and tell how it went. */
#include "job_engine_duckdb.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "duckdb_api.h"
#include "file.h"
#include "job_compute.h"
#include "job_ledger.h"
#include "job_units.h"
#include "str.h"
#include "value.h"

#define DEFAULT_WORKERS 2
#define PATIENCE_US     INT64_C(86400000000) /* that a run is tried again for */
#define POLL_US         200000               /* how often the ledger is asked whether to go on */

struct job_engine_duckdb {
	struct job_engine port;
	struct job_engine_duckdb_options o;
	char *state_dir;
	pthread_mutex_t lock;
	struct job_ledger *ledger;
	bool confined; /* DuckDB is kept to the options' folders */
};

/* One run on its way. */
struct run {
	struct job_engine_duckdb *engine;
	struct job_claim claim;
	struct arena *arena;
	struct job_plan plan;
	const struct table_def **outputs;
	struct publish_session *session;
	struct job_units units;
	struct job_progress progress;
	int64_t bytes_written;
	pthread_mutex_t lock; /* of what follows */
	int64_t polled_us;
	bool cancelled;
	/* where the time went */
	int64_t compute_us, publish_us;
};

static int open_ledger(struct job_engine_duckdb *j, struct job_ledger **ret, struct err *e)
{
	pthread_mutex_lock(&j->lock);
	int rc = j->ledger ? OK : job_ledger_open(j->state_dir, j->o.clock, &j->ledger, e);
	*ret = j->ledger;
	pthread_mutex_unlock(&j->lock);
	return rc;
}

/* -- one run ----------------------------------------------------------------------------------- */

/* Between the small steps of every statement, from any of the threads. */
static int poll_run(void *ctx, struct err *e)
{
	struct run *r = ctx;
	int rc = OK;
	if (r->engine->o.stop && atomic_load(r->engine->o.stop))
		return err_set(e, ERR_RETRY,
			       "stopped; the run goes on when a worker is there again");
	pthread_mutex_lock(&r->lock);
	int64_t now = clock_monotonic_us(r->engine->o.clock);
	if (r->cancelled || now - r->polled_us >= POLL_US) {
		r->polled_us = now;
		rc = job_ledger_check(r->engine->ledger, &r->claim, e);
		r->cancelled = r->cancelled || rc == ERR_CONFLICT;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void tell(struct run *r, enum log_level level, const char *event, const char *text,
		 const struct field *fields, size_t n)
{
	telemetry_log(r->engine->o.telemetry, level, r->claim.run, event, text, fields, n);
}

static void tell_run(struct run *r, enum run_state state, int64_t started_us, const struct err *why)
{
	struct run_record record = {.kind = "job",
				    .name = r->claim.request.job,
				    .state = state,
				    .started_us = started_us};
	AUTO_BUF struct buf detail = {0};
	char text[1400];
	memcpy(record.id, r->claim.run, sizeof(record.id));
	if (state != RUN_RUNNING) {
		record.ended_us = clock_now_us(r->engine->o.clock);
		buf_printf(
			&detail,
			"{\"scopes_done\":%lld,\"scopes_unchanged\":%lld,\"rows\":%lld,\"files\":%lld}",
			(long long)r->progress.scopes_done, (long long)r->progress.scopes_unchanged,
			(long long)r->progress.rows_written, (long long)r->progress.files_written);
		record.detail = detail.data;
	}
	if (why) {
		record.error_code = why->code;
		record.error = err_format(why, text, sizeof(text));
	}
	telemetry_run(r->engine->o.telemetry, &record);
}

static void tell_steps(struct run *r, int64_t started_us)
{
	struct telemetry *t = r->engine->o.telemetry;
	telemetry_step(t, r->claim.run,
		       &(struct run_step){.name = "job",
					  .started_us = started_us,
					  .took_us = r->compute_us,
					  .rows = r->progress.rows_written,
					  .bytes = -1,
					  .files = -1});
	telemetry_step(t, r->claim.run,
		       &(struct run_step){.name = "refined",
					  .started_us = started_us + r->compute_us,
					  .took_us = r->publish_us,
					  .rows = r->progress.rows_written,
					  .bytes = r->bytes_written,
					  .files = r->progress.files_written});
}

/* {"as_of":"2024-07-16","made_of":"...","run":"..."} for each scope. */
static void add_properties(struct run *r, struct publish_change *change, size_t output, size_t from,
			   size_t to)
{
	char date[DATE_TEXT_SIZE];
	struct catalog_scope *scopes =
		ANEW_ARRAY(r->arena, change->scope_count, struct catalog_scope);
	for (size_t i = 0; i < change->scope_count; i++) {
		const struct job_unit *u = &r->units.items[from];
		for (size_t k = from; k < to; k++)
			if (r->units.items[k].scopes[output] &&
			    strcmp(r->units.items[k].scopes[output], change->scopes[i].scope) == 0)
				u = &r->units.items[k];
		scopes[i] = change->scopes[i];
		scopes[i].properties = arena_printf(
			r->arena, "{\"as_of\":\"%s\",\"made_of\":\"%s\",\"run\":\"%s\"}",
			date_format(u->as_of, date), u->names[output], r->claim.run);
	}
	change->scopes = scopes;
}

static int run_batch(struct run *r, struct job_compute *compute, size_t from, size_t to,
		     struct err *e)
{
	struct clock *clock = r->engine->o.clock;
	AUTO_ARENA struct arena *arena = arena_new();
	struct publish_change *changes;
	int64_t version, start = clock_monotonic_us(clock);
	int rc = job_compute_batch(compute, from, to, arena, &changes, e);
	if (rc)
		return rc;
	int64_t computed = clock_monotonic_us(clock);
	for (size_t i = 0; i < r->plan.output_count; i++)
		add_properties(r, &changes[i], i, from, to);
	pthread_mutex_lock(&r->lock);
	r->polled_us = 0; /* the last moment at which nothing has happened yet */
	pthread_mutex_unlock(&r->lock);
	rc = poll_run(r, e);
	if (rc == OK)
		rc = publish_replace(r->session, changes, r->plan.output_count, NULL, 0, &version,
				     e);
	if (rc)
		return rc;
	for (size_t k = from; k < to; k++)
		if (r->units.items[k].waits_since_us)
			telemetry_observe(r->engine->o.telemetry, "pregao_raw_to_refined_seconds",
					  NULL,
					  clock_now_us(clock) - r->units.items[k].waits_since_us);
	r->compute_us += computed - start;
	r->publish_us += clock_monotonic_us(clock) - computed;
	r->progress.scopes_done += (int64_t)(to - from);
	for (size_t i = 0; i < r->plan.output_count; i++) {
		for (size_t k = 0; k < changes[i].file_count; k++) {
			const struct catalog_file *f = &changes[i].files[k].file;
			r->bytes_written += f->bytes;
			if (f->layout == LAYOUT_PUBLISHED) {
				r->progress.rows_written += f->rows;
				r->progress.files_written++;
			}
		}
	}
	return to < r->units.count
		       ? job_ledger_progress(r->engine->ledger, &r->claim, &r->progress, e)
		       : OK;
}

static int run_batches(struct run *r, struct err *e)
{
	struct job_engine_duckdb *j = r->engine;
	struct job_compute *compute;
	struct job_compute_options o = {.host = j->o.host,
					.catalog = j->o.publish.catalog,
					.store = j->o.publish.store,
					.plan = &r->plan,
					.units = &r->units,
					.staging = publish_staging(r->session),
					.workers = j->o.workers > 0 ? j->o.workers
								    : DEFAULT_WORKERS,
					.poll = poll_run,
					.ctx = r};
	int rc = job_compute_open(&o, &compute, e);
	if (rc)
		return rc;
	struct err first = ERR_INIT;
	for (size_t from = 0, to; from < r->units.count && (rc == OK || rc == ERR_INPUT);
	     from = to) {
		to = job_compute_batch_end(&r->units, from);
		rc = run_batch(r, compute, from, to, e);
		/* One unit whose data are refused must not keep the others from being refined. */
		for (size_t i = from; rc == ERR_INPUT && to - from > 1 && i < to; i++) {
			rc = run_batch(r, compute, i, i + 1, e);
			if (rc == ERR_INPUT && first.code == OK)
				first = *e;
			rc = rc == OK ? ERR_INPUT : rc;
		}
		if (rc == ERR_INPUT && first.code == OK)
			first = *e;
	}
	if (first.code && (rc == OK || rc == ERR_INPUT)) {
		*e = first;
		rc = first.code;
	}
	job_compute_close(compute);
	return rc;
}

static int merge_compact(struct run *r, struct err *e)
{
	int rc = OK;
	for (size_t i = 0; i < r->plan.output_count && rc == OK; i++) {
		int64_t merged = 0;
		if (!r->outputs[i]->compact_location)
			continue;
		rc = publish_compact(r->session, r->outputs[i], false, &merged, e);
		if (rc == OK && merged)
			tell(r, LOG_LEVEL_INFO, "compacted", "Closed months were merged",
			     (struct field[]){FIELD_TEXT("table", r->outputs[i]->name),
					      FIELD_INT("files", merged)},
			     2);
	}
	return rc;
}

/* With the outputs locked: nobody else makes the same scopes, and the inputs are listed after
 * whoever had the lock before. */
static int run_locked(struct run *r, struct err *e)
{
	struct catalog *catalog = r->engine->o.publish.catalog;
	int64_t version;
	int hold;
	int rc = catalog_read_begin(catalog, &version, &hold, e);
	if (rc)
		return rc;
	rc = job_units_find(catalog, &r->plan, &r->claim.request, r->arena, &r->units, e);
	if (rc == OK) {
		r->progress.scopes_unchanged = r->units.unchanged;
		if (r->units.gone)
			tell(r, LOG_LEVEL_WARNING, "scopes_gone",
			     "Scopes that the run was asked for are no longer in the catalog",
			     (struct field[]){FIELD_INT("scopes", r->units.gone)}, 1);
		if (r->units.count)
			rc = run_batches(r, e);
	}
	catalog_read_end(catalog, hold);
	if (rc == OK && r->units.count)
		rc = merge_compact(r, e);
	free(r->units.items);
	return rc;
}

static int do_run(struct run *r, struct err *e)
{
	struct job_engine_duckdb *j = r->engine;
	int rc = j->o.compile(j->o.ctx, r->claim.request.job, r->arena, &r->plan, e);
	if (rc)
		return rc;
	if (r->plan.output_count == 0)
		return err_set(e, ERR_BUG, "the plan of job %s writes nothing",
			       r->claim.request.job);
	r->outputs = ANEW_ARRAY(r->arena, r->plan.output_count, const struct table_def *);
	for (size_t i = 0; i < r->plan.output_count; i++)
		r->outputs[i] = &r->plan.outputs[i].table;
	rc = catalog_put_tables(j->o.publish.catalog, r->outputs, r->plan.output_count, e);
	if (rc)
		return rc;
	if (j->o.folders && !j->confined) {
		/* One thread: more would make the bytes of a file depend on chance. */
		rc = duckdb_host_confine(j->o.host, j->o.folders, 1, e);
		j->confined = rc == OK;
	}
	if (rc)
		return rc;
	rc = publish_begin(&j->o.publish, r->outputs, r->plan.output_count, &r->session, e);
	if (rc)
		return rc;
	rc = run_locked(r, e);
	publish_end(r->session);
	return rc;
}

/* -- the port ---------------------------------------------------------------------------------- */

static int job_engine_duckdb_start(struct job_engine *port, const struct job_request *q,
				   char ret_run[RUN_ID_SIZE], struct err *e)
{
	struct job_engine_duckdb *j = (struct job_engine_duckdb *)port;
	AUTO_ARENA struct arena *arena = arena_new();
	struct job_plan plan;
	struct job_ledger *ledger;
	/* Whoever asks hears at once that there is no such job. */
	int rc = j->o.compile(j->o.ctx, q->job, arena, &plan, e);
	if (rc == OK)
		rc = open_ledger(j, &ledger, e);
	struct job_request kept = *q;
	if (q->as_of_is_hint)
		kept.as_of = AS_OF_LANDED;
	return rc ? rc : job_ledger_add(ledger, &kept, ret_run, e);
}

static int job_engine_duckdb_status(struct job_engine *port, const char *run, struct arena *arena,
				    struct job_status *ret, struct err *e)
{
	struct job_ledger *ledger;
	int rc = open_ledger((struct job_engine_duckdb *)port, &ledger, e);
	return rc ? rc : job_ledger_status(ledger, run, arena, ret, e);
}

static int job_engine_duckdb_cancel(struct job_engine *port, const char *run, struct err *e)
{
	struct job_ledger *ledger;
	int rc = open_ledger((struct job_engine_duckdb *)port, &ledger, e);
	return rc ? rc : job_ledger_cancel(ledger, run, e);
}

static int job_engine_duckdb_list(struct job_engine *port, size_t max, struct arena *arena,
				  struct job_status **ret, size_t *ret_count, struct err *e)
{
	struct job_ledger *ledger;
	int rc = open_ledger((struct job_engine_duckdb *)port, &ledger, e);
	return rc ? rc : job_ledger_list(ledger, max, arena, ret, ret_count, e);
}

/* The machine failed, not the data: room, rights and locks come back, more memory does not. */
static bool is_passing(const struct err *why)
{
	int code = why->code;
	return code == ERR_CONFLICT || code == ERR_RETRY || code == ERR_IO || code == ERR_DENIED ||
	       (code == ERR_LIMIT && strcmp(why->reason, DUCK_OUT_OF_MEMORY) != 0);
}

static int job_engine_duckdb_work(struct job_engine *port, struct arena *arena,
				  struct job_status *ret, struct err *e)
{
	struct job_engine_duckdb *j = (struct job_engine_duckdb *)port;
	struct job_ledger *ledger;
	struct run r = {.engine = j, .arena = arena_new()};
	int rc = open_ledger(j, &ledger, e);
	if (rc == OK)
		rc = job_ledger_claim(ledger, r.arena, &r.claim, e);
	if (rc) {
		arena_free(r.arena);
		return rc;
	}
	pthread_mutex_init(&r.lock, NULL);
	r.polled_us = clock_monotonic_us(j->o.clock);
	int64_t started_us = clock_now_us(j->o.clock);
	struct err why = ERR_INIT;
	tell_run(&r, RUN_RUNNING, started_us, NULL);
	int outcome = r.claim.given_up ? err_set(&why, ERR_BUG, "%s", r.claim.given_up)
				       : do_run(&r, &why);
	why.code = outcome;
	/* Goes back and is tried again by the next worker: for a day, then somebody has to look. */
	bool waiting = !r.cancelled && is_passing(&why) &&
		       started_us - r.claim.created_us < PATIENCE_US;
	enum run_state state = waiting       ? RUN_QUEUED
			       : r.cancelled ? RUN_CANCELLED
			       : outcome     ? RUN_FAILED
					     : RUN_SUCCEEDED;
	const struct err *shown = outcome ? &why : NULL;
	rc = job_ledger_end(ledger, &r.claim, state, &r.progress, shown, e);
	tell_steps(&r, started_us);
	tell_run(&r, state, started_us, shown);
	if (state == RUN_FAILED)
		tell(&r, LOG_LEVEL_ERROR, "job_failed", why.text,
		     (struct field[]){FIELD_TEXT("object", r.claim.request.job),
				      FIELD_TEXT("error_code", err_name(why.code)),
				      FIELD_TEXT("reason", why.reason)},
		     3);
	if (rc == OK && waiting) {
		*e = why;
		rc = outcome;
	}
	if (rc == OK)
		rc = job_ledger_status(ledger, r.claim.run, arena, ret, e);
	pthread_mutex_destroy(&r.lock);
	arena_free(r.arena);
	return rc;
}

static int job_engine_duckdb_stale(struct job_engine *port, const char *job,
				   const char *const *scopes, size_t n, struct arena *arena,
				   const char ***ret, size_t *ret_count, struct err *e)
{
	struct job_engine_duckdb *j = (struct job_engine_duckdb *)port;
	struct job_plan plan;
	int rc = j->o.compile(j->o.ctx, job, arena, &plan, e);
	return rc ? rc
		  : job_units_stale(j->o.publish.catalog, &plan, scopes, n, arena, ret, ret_count,
				    e);
}

static void job_engine_duckdb_free(struct job_engine *port)
{
	struct job_engine_duckdb *j = (struct job_engine_duckdb *)port;
	job_ledger_free(j->ledger);
	pthread_mutex_destroy(&j->lock);
	free(j->state_dir);
	free(j);
}

static const struct job_engine_ops job_engine_duckdb_ops = {
	.start = job_engine_duckdb_start,
	.status = job_engine_duckdb_status,
	.cancel = job_engine_duckdb_cancel,
	.list = job_engine_duckdb_list,
	.work = job_engine_duckdb_work,
	.stale = job_engine_duckdb_stale,
	.free = job_engine_duckdb_free,
};

int job_engine_duckdb_new(const struct job_engine_duckdb_options *o, struct job_engine **ret,
			  struct err *e)
{
	struct job_engine_duckdb *j = NEW(struct job_engine_duckdb);
	j->port.ops = &job_engine_duckdb_ops;
	j->o = *o;
	j->state_dir = mem_strdup(o->state_dir);
	pthread_mutex_init(&j->lock, NULL);
	*ret = &j->port;
	return OK;
}
