/* Job engine on Glue: StartJobRun, GetJobRun, GetJobRuns, BatchStopJobRun. */
#include "job_engine_glue.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_call.h"
#include "value.h"

#define RUNS_PER_PAGE 200 /* GetJobRuns gives no more at once */

struct glue {
	struct job_engine engine;
	struct aws *aws;
	char *job, *glue_job;
};

/* One call about the job; takes body. */
static int ask(const struct glue *g, const char *target, const char *action, json_t *body,
	       json_t **ret, struct err *e)
{
	const struct aws_json_call call = {.service = "glue",
					   .target = target,
					   .version = "1.1",
					   .action = action,
					   .resource = g->glue_job,
					   .body = body};
	int rc = aws_json_call(g->aws, &call, ret, e);
	json_decref(body);
	return rc;
}

static int arguments_of(const struct job_request *q, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf partitions = {0};
	char date[DATE_TEXT_SIZE];
	if (q->as_of == AS_OF_LANDED)
		return err_set(e, ERR_INPUT,
			       "a run on Glue wants an as-of date, and none is known");
	for (size_t i = 0; i < q->scope_count; i++) {
		if (strchr(q->scopes[i], ','))
			return err_set(e, ERR_INPUT, "the partition %s has a comma in it",
				       q->scopes[i]);
		buf_printf(&partitions, "%s%s", i ? "," : "", q->scopes[i]);
	}
	*ret = json_pack("{s:s}", "--as_of", date_format(q->as_of, date));
	if (q->scope_count)
		json_object_set_new(*ret, "--partitions", json_text(partitions.data));
	return OK;
}

static int glue_start(struct job_engine *engine, const struct job_request *q,
		      char ret_run[RUN_ID_SIZE], struct err *e)
{
	const struct glue *g = (const struct glue *)engine;
	AUTO_JSON json_t *answer = NULL;
	json_t *arguments;
	const char *id;
	if (strcmp(q->job, g->job) != 0)
		return err_set(e, ERR_NOT_FOUND, "the job %s is not deployed: %s is %s", q->job,
			       g->glue_job, g->job);
	int rc = arguments_of(q, &arguments, e);
	if (rc == OK)
		rc = ask(g, "AWSGlue.StartJobRun", "glue:StartJobRun",
			 json_pack("{s:s, s:o}", "JobName", g->glue_job, "Arguments", arguments),
			 &answer, e);
	if (rc == OK)
		rc = json_get_str(answer, "JobRunId", &id, e);
	if (rc)
		return rc;
	if (strlen(id) >= RUN_ID_SIZE)
		return err_set(e, ERR_IO, "Glue's run has a name that is too long: %.100s", id);
	memcpy(ret_run, id, strlen(id) + 1);
	return OK;
}

static const struct {
	const char *name;
	enum run_state state;
} states[] = {
	{"WAITING", RUN_QUEUED},   {"STARTING", RUN_RUNNING},  {"RUNNING", RUN_RUNNING},
	{"STOPPING", RUN_RUNNING}, {"STOPPED", RUN_CANCELLED}, {"SUCCEEDED", RUN_SUCCEEDED},
	{"FAILED", RUN_FAILED},    {"TIMEOUT", RUN_FAILED},    {"ERROR", RUN_FAILED},
	{"EXPIRED", RUN_FAILED},
};

/* Seconds since 1970, with a fraction. */
static int64_t time_of(const json_t *run, const char *key)
{
	const json_t *v = json_object_get(run, key);
	return json_is_number(v) ? (int64_t)(json_number_value(v) * 1e6) : 0;
}

static const char *scopes_text(const char *partitions, struct arena *arena)
{
	AUTO_JSON json_t *list = json_array();
	AUTO_BUF struct buf text = {0};
	struct slice rest = slice_of(partitions);
	while (rest.n) {
		struct slice one = slice_cut(&rest, ',');
		json_array_append_new(list, json_stringn(one.p, one.n));
	}
	json_canonical(list, &text);
	return arena_strdup(arena, text.data);
}

static int read_run(const struct glue *g, const json_t *run, struct arena *arena,
		    struct job_status *ret, struct err *e)
{
	const char *id, *state;
	const json_t *arguments = json_object_get(run, "Arguments");
	int rc = json_get_str(run, "Id", &id, e);
	if (rc == OK)
		rc = json_get_str(run, "JobRunState", &state, e);
	if (rc)
		return rc;
	*ret = (struct job_status){.job = arena_strdup(arena, g->job),
				   .created_us = time_of(run, "StartedOn"),
				   .started_us = time_of(run, "StartedOn"),
				   .ended_us = time_of(run, "CompletedOn"),
				   .as_of = AS_OF_LANDED};
	size_t i = 0;
	while (i < ARRAY_LEN(states) && strcmp(state, states[i].name) != 0)
		i++;
	if (i == ARRAY_LEN(states) || strlen(id) >= RUN_ID_SIZE)
		return err_set(e, ERR_IO,
			       "Glue's run %.100s is in a state that is not known: %.40s", id,
			       state);
	memcpy(ret->run, id, strlen(id) + 1);
	ret->state = states[i].state;
	if (!date_parse_iso(slice_of(json_opt_str(arguments, "--as_of", "")), &ret->as_of))
		ret->as_of = AS_OF_LANDED;
	if (ret->state == RUN_FAILED) {
		ret->error_code = ERR_IO;
		ret->error = arena_strdup(arena, json_opt_str(run, "ErrorMessage", state));
	}
	ret->scopes = scopes_text(json_opt_str(arguments, "--partitions", ""), arena);
	return OK;
}

static int glue_status(struct job_engine *engine, const char *run, struct arena *arena,
		       struct job_status *ret, struct err *e)
{
	const struct glue *g = (const struct glue *)engine;
	AUTO_JSON json_t *answer = NULL;
	json_t *found;
	int rc = ask(g, "AWSGlue.GetJobRun", "glue:GetJobRun",
		     json_pack("{s:s, s:o}", "JobName", g->glue_job, "RunId", json_text(run)),
		     &answer, e);
	if (rc == OK)
		rc = json_get_object(answer, "JobRun", &found, e);
	return rc ? rc : read_run(g, found, arena, ret, e);
}

static int glue_cancel(struct job_engine *engine, const char *run, struct err *e)
{
	const struct glue *g = (const struct glue *)engine;
	AUTO_JSON json_t *answer = NULL;
	const json_t *errors;
	int rc = ask(g, "AWSGlue.BatchStopJobRun", "glue:BatchStopJobRun",
		     json_pack("{s:s, s:[o]}", "JobName", g->glue_job, "JobRunIds", json_text(run)),
		     &answer, e);
	if (rc)
		return rc;
	errors = json_array_get(json_object_get(answer, "Errors"), 0);
	if (!errors)
		return OK;
	const json_t *why = json_object_get(errors, "ErrorDetail");
	const char *code = json_opt_str(why, "ErrorCode", "");
	return err_set(e,
		       strcmp(code, "JobRunNotInTerminalStateException") == 0 ? ERR_RETRY
		       : strcmp(code, "JobRunNotFoundException") == 0         ? ERR_NOT_FOUND
									      : ERR_CONFLICT,
		       "Glue does not stop the run %s: %s %s", run, code,
		       json_opt_str(why, "ErrorMessage", ""));
}

static int glue_list(struct job_engine *engine, size_t max, struct arena *arena,
		     struct job_status **ret, size_t *ret_count, struct err *e)
{
	const struct glue *g = (const struct glue *)engine;
	AUTO_FREE char *next = NULL;
	struct job_status *list = NULL;
	size_t count = 0, cap = 0;
	int rc = OK;
	do {
		AUTO_JSON json_t *answer = NULL;
		json_t *body = json_pack("{s:s, s:i}", "JobName", g->glue_job, "MaxResults",
					 RUNS_PER_PAGE);
		json_t *runs;
		if (next)
			json_object_set_new(body, "NextToken", json_text(next));
		rc = ask(g, "AWSGlue.GetJobRuns", "glue:GetJobRuns", body, &answer, e);
		if (rc == OK)
			rc = json_get_array(answer, "JobRuns", &runs, e);
		for (size_t i = 0; rc == OK && i < json_array_size(runs) && count < max; i++)
			rc = read_run(g, json_array_get(runs, i), arena, PUSH(list, count, cap), e);
		free(next);
		const char *token = rc ? NULL : json_opt_str(answer, "NextToken", NULL);
		next = token && *token ? mem_strdup(token) : NULL;
	} while (rc == OK && next && count < max);
	if (rc == OK) {
		*ret = ANEW_ARRAY(arena, count, struct job_status);
		if (count)
			memcpy(*ret, list, count * sizeof(*list));
		*ret_count = count;
	}
	free(list);
	return rc;
}

static int glue_work(struct job_engine *engine, struct arena *arena, struct job_status *ret,
		     struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "Glue works by itself");
}

static int glue_stale(struct job_engine *engine, const char *job, const char *const *scopes,
		      size_t n, struct arena *arena, const char ***ret, size_t *ret_count,
		      struct err *e)
{
	*ret = NULL;
	*ret_count = 0;
	return OK;
}

static void glue_free(struct job_engine *engine)
{
	struct glue *g = (struct glue *)engine;
	free(g->job);
	free(g->glue_job);
	free(g);
}

static const struct job_engine_ops ops = {
	.start = glue_start,
	.status = glue_status,
	.cancel = glue_cancel,
	.list = glue_list,
	.work = glue_work,
	.stale = glue_stale,
	.free = glue_free,
};

struct job_engine *job_engine_glue_new(const struct job_engine_glue_options *o)
{
	struct glue *g = NEW(struct glue);
	*g = (struct glue){.engine.ops = &ops,
			   .aws = o->aws,
			   .job = mem_strdup(o->job),
			   .glue_job = mem_strdup(o->glue_job)};
	return &g->engine;
}
