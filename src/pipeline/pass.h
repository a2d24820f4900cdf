/* A pass: one way from a payload to a refined partition in one process. Keeps the run record with
 * its steps, and settles what extraction left to do: relay created objects, activate jobs, work
 * them off. */
#ifndef PREGAO_PASS_H
#define PREGAO_PASS_H

#include "catalog.h"
#include "clock.h"
#include "job_engine.h"
#include "queue.h"
#include "telemetry.h"
#include "trigger.h"

#define PASS_STEPS_MAX 16
struct pass {
	struct telemetry *telemetry;
	struct clock *clock;
	struct run_record record;
	struct run_step steps[PASS_STEPS_MAX];
	size_t step_count;
	int64_t began_us; /* of the step under way, monotonic */
};
/* name ("import portfolio") is borrowed. */
void pass_begin(struct pass *, struct telemetry *, struct clock *, const char *name);
/* A step begins now, and the one before it (if any is open) is none: call pass_done when it is. */
void pass_start(struct pass *);
/* The step that began last is done. Steps of one name add up. -1 for what does not apply. */
void pass_done(struct pass *, const char *step, int64_t rows, int64_t files, int64_t bytes);
/* Ends the run record: succeeded when code is 0, else failed with err's text. */
void pass_end(struct pass *, int code, const struct err *);

struct settle {
	struct catalog *catalog;
	struct queue *queue;
	struct job_engine *jobs;
	const char *lake;    /* name in the messages */
	bool store_notifies; /* object_store_notifies(): then there is nothing to relay */
	const struct activation *activations;
	size_t activation_count;
	/* What this pass saw of one table, written or unchanged: at the end the outputs of these
	 * scopes must be made of what is there, whatever an earlier pass that was killed or failed
	 * left undone. */
	const char *location;
	const char *const *scopes;
	size_t scope_count;
	/* AS_OF_LANDED, or what the operator said for everything this pass refines */
	int32_t as_of;
};
struct settle_result {
	struct trigger_result trigger;
	int64_t succeeded, failed; /* job runs */
	int64_t scopes, unchanged, rows, files;
	char last_run[RUN_ID_SIZE]; /* empty when none */
	struct err why;             /* of the first failed run */
};
/* Relays, activates, works until nothing is left, and makes sure of the scopes. A failed job run is
 * no error here: the result says so. */
int pass_settle(struct pass *, const struct settle *, struct arena *, struct settle_result *ret,
		struct err *) MUST_CHECK;
/* Works off what is queued (also what an earlier process left). */
int pass_work(struct pass *, struct job_engine *, struct arena *, struct settle_result *ret,
	      struct err *) MUST_CHECK;

#endif
