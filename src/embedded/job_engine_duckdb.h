/* Job engine on this machine: a ledger of runs in SQLite, and a worker that computes them in
 * DuckDB. */
#ifndef PREGAO_JOB_ENGINE_DUCKDB_H
#define PREGAO_JOB_ENGINE_DUCKDB_H

#include <stdatomic.h>

#include "duckdb_host.h"
#include "job_engine.h"
#include "publish.h"
#include "telemetry.h"

struct job_engine_duckdb_options {
	const char *state_dir; /* jobs.sqlite and the workers' locks */
	struct duckdb_host *host;
	struct publish publish; /* store, catalog, Parquet; how long to wait for another writer */
	struct telemetry *telemetry; /* may be NULL */
	struct clock *clock;
	/* The plan of a job by its name, in the arena. ERR_NOT_FOUND when there is none of that
	 * name. */
	int (*compile)(void *ctx, const char *job, struct arena *, struct job_plan *ret,
		       struct err *);
	void *ctx;
	/* What DuckDB may touch while it computes (NULL-terminated, borrowed); a definition's own
	 * SQL cannot read other files. NULL: anything. */
	const char *const *folders;
	int workers; /* threads that compute and write; 0: two */
	/* set, it ends the run soon, which goes back; may be NULL */
	const atomic_bool *stop;
};
/* The ledger is opened by the first call that needs it, DuckDB by the first run that has something
 * to do. What the options point to must outlive the engine; strings are copied. One run at a time;
 * start, status, list and cancel from any thread.
 *
 * job_engine_work holds the locks of the output tables for the whole run; ERR_CONFLICT when another
 * writer keeps one: the run goes back then. */
int job_engine_duckdb_new(const struct job_engine_duckdb_options *, struct job_engine **ret,
			  struct err *) MUST_CHECK;

#endif
