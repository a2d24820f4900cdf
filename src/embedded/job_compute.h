/* A batch of a job's units in DuckDB: inputs, checks, outputs, and the staged files of both
 * layouts. */
#ifndef PREGAO_JOB_COMPUTE_H
#define PREGAO_JOB_COMPUTE_H

#include "duckdb_host.h"
#include "job_units.h"
#include "object_store.h"
#include "publish.h"

struct job_compute;
struct job_compute_options {
	struct duckdb_host *host;
	struct catalog *catalog;
	struct object_store *store;
	const struct job_plan *plan;
	const struct job_units *units;
	const char *staging; /* an empty folder; used over and over by all batches */
	int workers;         /* connections, each on a thread of its own */
	/* asked often, from any of the threads; non-zero ends the batch and is returned */
	int (*poll)(void *ctx, struct err *);
	void *ctx;
};
/* Plan, units and the options' strings must outlive it. */
int job_compute_open(const struct job_compute_options *, struct job_compute **ret,
		     struct err *) MUST_CHECK;
void job_compute_close(struct job_compute *); /* NULL is fine */

/* Computes units [from, to), which have the same date, checks them and stages their files.
 * ret_changes (one for each output) is what publish_replace takes, without the scopes' properties;
 * everything lies in the arena, the files in `staging`, until the next call. The same rows give the
 * same bytes, however the units are cut into batches. ERR_INPUT (reason "check_failed") when a
 * check finds rows, and when a partition column is null or empty; ERR_BUG when an output's columns
 * are not as declared. */
int job_compute_batch(struct job_compute *, size_t from, size_t to, struct arena *,
		      struct publish_change **ret_changes, struct err *) MUST_CHECK;

/* How many units from `from` on go well into one batch. */
size_t job_compute_batch_end(const struct job_units *, size_t from);

#endif
