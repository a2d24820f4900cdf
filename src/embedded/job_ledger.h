/* The job engine's book of runs: who asked for what, who works on it, how it ended. One SQLite
 * file; any number of processes. */
#ifndef PREGAO_JOB_LEDGER_H
#define PREGAO_JOB_LEDGER_H

#include "clock.h"
#include "job_engine.h"

struct job_ledger;
/* Opens state_dir/jobs.sqlite, made when missing. Any thread, one call at a time. */
int job_ledger_open(const char *state_dir, struct clock *, struct job_ledger **ret,
		    struct err *) MUST_CHECK;
void job_ledger_free(struct job_ledger *); /* NULL is fine */

/* Durable on return. */
int job_ledger_add(struct job_ledger *, const struct job_request *, char ret_run[RUN_ID_SIZE],
		   struct err *) MUST_CHECK;
int job_ledger_status(struct job_ledger *, const char *run, struct arena *, struct job_status *ret,
		      struct err *) MUST_CHECK;
int job_ledger_list(struct job_ledger *, size_t max, struct arena *, struct job_status **ret,
		    size_t *ret_count, struct err *) MUST_CHECK;
int job_ledger_cancel(struct job_ledger *, const char *run, struct err *) MUST_CHECK;

/* A run that this process works on. The hold is a lock that the kernel gives back when the process
 * dies: then somebody else may claim the run. */
struct job_claim {
	char run[RUN_ID_SIZE];
	struct job_request request; /* in the arena */
	int64_t created_us;
	/* NULL, or why it is not to be tried again: the worker only ends it */
	const char *given_up;
	int hold;
};
/* The oldest run that is queued, or whose worker died; those that went back come after those that never were tried.
 * ERR_NOT_FOUND when there is none. A run whose worker died JOB_ATTEMPTS times is given out once more with
 * given_up set. */
#define JOB_ATTEMPTS 3
int job_ledger_claim(struct job_ledger *, struct arena *, struct job_claim *ret,
		     struct err *) MUST_CHECK;
/* ERR_CONFLICT when somebody wants the run to end. */
int job_ledger_check(struct job_ledger *, const struct job_claim *, struct err *) MUST_CHECK;
struct job_progress {
	int64_t scopes_done, scopes_unchanged, rows_written, files_written;
};
int job_ledger_progress(struct job_ledger *, const struct job_claim *, const struct job_progress *,
			struct err *) MUST_CHECK;
/* RUN_QUEUED: it goes back, to be tried again, and this was no try. error may be NULL. Gives the hold back whatever
 * happens. */
int job_ledger_end(struct job_ledger *, struct job_claim *, enum run_state,
		   const struct job_progress *, const struct err *error, struct err *) MUST_CHECK;

#endif
