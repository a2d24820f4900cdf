/* Job engine on AWS Glue: a deployed job (the script of `pregao job export --to glue-script`) is started with the
 * as-of date and the partitions as its arguments; Glue does the work. */
#ifndef PREGAO_JOB_ENGINE_GLUE_H
#define PREGAO_JOB_ENGINE_GLUE_H

#include "call.h"
#include "job_engine.h"

struct job_engine_glue_options {
	struct aws *aws;      /* must outlive the engine */
	const char *job;      /* the program's: "portfolio" */
	const char *glue_job; /* Glue's: "pregao-portfolio" */
};
/* Asks nothing of Glue. May be used from several threads at once.
 *
 * start: ERR_NOT_FOUND for any other job; ERR_INPUT without an as-of date, which Glue cannot know, and for a scope with
 * a comma; ERR_RETRY when as many runs as the job may have are under way (ConcurrentRunsExceededException). An answer that
 * was lost may leave a run that nobody knows: the script rewrites whole partitions, so the second one changes nothing.
 * force is what it always does. status tells no counts: Glue does not know rows. work: always ERR_NOT_FOUND. stale: none.
 * Run states: https://docs.aws.amazon.com/glue/latest/dg/job-run-statuses.html */
struct job_engine *job_engine_glue_new(const struct job_engine_glue_options *);

#endif
