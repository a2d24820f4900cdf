/* Port: job engine. Starting a job only records a run; something else does the work: a worker in
 * this or another process (embedded), or Glue. */
#ifndef PREGAO_JOB_ENGINE_H
#define PREGAO_JOB_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"
#include "table.h"

/* What the compiler (src/job) hands to an engine. All SQL is DuckDB's and reads the inputs by their
 * view names; the run's as-of date is getvariable('as_of'). */
struct job_input {
	const char *view;             /* the name that the SQL uses */
	const char *database, *table; /* "raw", "portfolio" */
};
struct job_check {
	const char *node, *name;
	const char *sql; /* one row: BIGINT count of offending rows, VARCHAR example (or NULL) */
	const char *message;
};
struct job_output {
	const char *node;
	struct table_def table; /* with the declared types; outputs are cast to them by sql */
	const char *sql; /* columns of table.columns, then of table.partition; rows in no order */
};
/* An input whose new objects start the job. */
struct job_trigger {
	const char *database, *table;
};
/* How a scope of a trigger table becomes a scope of the outputs: a partition column that all trigger
 * tables have and that reaches the target unchanged. A plan without any is recomputed whole. */
struct job_scope_column {
	const char *source, *target;
};
struct job_plan {
	const char *name;
	/* of the canonical graph and the compiler's version: part of the names of what it writes */
	char hash[65];
	const struct job_trigger *triggers;
	size_t trigger_count;
	const struct job_input *inputs;
	size_t input_count;
	const struct job_check *checks;
	size_t check_count;
	/* all checks in one statement, several times faster than one by one: rows in any order of
	 * BIGINT index into checks, BIGINT count, VARCHAR example. NULL when there are none */
	const char *checks_sql;
	const struct job_output *outputs;
	size_t output_count;
	const struct job_scope_column *scope_columns;
	size_t scope_column_count;
};

#define RUN_ID_SIZE 80 /* Glue's have 67 characters */
enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED, RUN_DIED };
const char *run_state_name(enum run_state); /* "queued" ... */
#define AS_OF_LANDED \
	INT32_MIN /* each scope's own: the São Paulo date on which its payload first landed */

struct job_request {
	const char *job;
	int32_t as_of;             /* days since 1970, or AS_OF_LANDED */
	const char *const *scopes; /* of any of the trigger tables; 0: all that they have */
	size_t scope_count;
	bool force; /* rewrite even what is already made of the same inputs */
	/* as_of only travelled with the message: an engine that knows when each scope landed goes
	 * by that. */
	bool as_of_is_hint;
};
struct job_status {
	char run[RUN_ID_SIZE];
	const char *job; /* strings in the arena */
	enum run_state state;
	int64_t created_us, started_us, ended_us; /* 0: not yet */
	int32_t as_of;
	const char *scopes; /* JSON array text */
	int64_t scopes_done, scopes_unchanged, rows_written, files_written;
	int error_code;
	const char *error; /* NULL when there is none */
};

struct job_engine;
struct job_engine_ops {
	int (*start)(struct job_engine *, const struct job_request *, char ret_run[RUN_ID_SIZE],
		     struct err *);
	int (*status)(struct job_engine *, const char *run, struct arena *, struct job_status *ret,
		      struct err *);
	int (*cancel)(struct job_engine *, const char *run, struct err *);
	int (*list)(struct job_engine *, size_t max, struct arena *, struct job_status **ret,
		    size_t *ret_count, struct err *);
	int (*work)(struct job_engine *, struct arena *, struct job_status *ret, struct err *);
	int (*stale)(struct job_engine *, const char *job, const char *const *scopes, size_t n,
		     struct arena *, const char ***ret, size_t *ret_count, struct err *);
	void (*free)(struct job_engine *);
};
struct job_engine {
	const struct job_engine_ops *ops;
};
/* Records a run, durably, and returns at once. ERR_NOT_FOUND for an unknown job; ERR_RETRY when the
 * product takes no more runs now. */
int job_engine_start(struct job_engine *, const struct job_request *, char ret_run[RUN_ID_SIZE],
		     struct err *) MUST_CHECK;
int job_engine_status(struct job_engine *, const char *run, struct arena *, struct job_status *ret,
		      struct err *) MUST_CHECK; /* ERR_NOT_FOUND; eventual */
/* A queued run never starts; a running one ends as soon as it can. ERR_NOT_FOUND; ERR_CONFLICT when
 * it has ended. */
int job_engine_cancel(struct job_engine *, const char *run, struct err *) MUST_CHECK;
int job_engine_list(struct job_engine *, size_t max, struct arena *, struct job_status **ret,
		    size_t *ret_count, struct err *) MUST_CHECK; /* newest first */
/* Takes one queued run (or one whose worker died) and runs it to its end: 0 with the final status,
 * also when the run failed (status.state and error say so). ERR_NOT_FOUND when there is nothing to
 * take, always so on engines that work by themselves. */
int job_engine_work(struct job_engine *, struct arena *, struct job_status *ret,
		    struct err *) MUST_CHECK;
/* Which of these scopes of the job's trigger tables have outputs that are missing or made of
 * something else than what is there now, whatever the as-of date. A run that was lost or failed
 * shows here. An engine that cannot tell says none. *ret lives in the arena. */
int job_engine_stale(struct job_engine *, const char *job, const char *const *scopes, size_t n,
		     struct arena *, const char ***ret, size_t *ret_count, struct err *) MUST_CHECK;
void job_engine_free(struct job_engine *);

#endif
