/* The function between data and jobs: S3 tells of raw objects, directly or through a queue, and a run of the deployed
 * Glue job is started for their partitions. It does nothing else, and reads no data. */
#include <string.h>

#include "definitions.h"
#include "json.h"
#include "lambda.h"
#include "trigger.h"

struct state {
	struct job_engine *engine;
	const struct activation *activations;
	size_t count;
};

/* "pregao-portfolio" is the job portfolio; so is "portfolio". */
static bool is_name_of(const char *glue_job, const char *job)
{
	size_t n = strlen(glue_job), m = strlen(job);
	return n >= m && strcmp(glue_job + n - m, job) == 0 &&
	       (n == m || glue_job[n - m - 1] == '-');
}

static int open_activation(struct system *system, const struct conf *conf, const char *definitions,
			   struct arena *arena, void **ret_state, struct err *e)
{
	struct state *s = ANEW(arena, struct state);
	struct activation *all;
	size_t count, kept = 0;
	const char *glue_job = conf_text(conf, "aws", "glue_job");
	if (!*glue_job)
		return err_set(e, ERR_USAGE,
			       "PREGAO_GLUE_JOB is not set: which Glue job is to be started?");
	int rc = definitions_activations(definitions, system_catalog(system), arena, &all, &count,
					 e);
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++)
		if (is_name_of(glue_job, all[i].job))
			all[kept++] = all[i];
	if (!kept)
		return err_set(
			e, ERR_USAGE,
			"PREGAO_GLUE_JOB is %s: expected the name of a job that new objects start, alone or after a hyphen, as in pregao-portfolio",
			glue_job);
	s->activations = all;
	s->count = kept;
	*ret_state = s;
	return system_deployed_job(system, all[0].job, &s->engine, e);
}

/* The messages of a queue's event; an event of S3's is one message by itself. */
static int split(const struct lambda_event *event, const json_t *root, struct arena *arena,
		 struct trigger_message **ret, size_t *ret_count, bool *ret_queue, struct err *e)
{
	const json_t *records = json_object_get(root, "Records");
	size_t n = json_array_size(records);
	*ret_queue = n && strcmp(json_opt_str(json_array_get(records, 0), "eventSource", ""),
				 "aws:sqs") == 0;
	*ret_count = *ret_queue ? n : 1;
	struct trigger_message *m = *ret = ANEW_ARRAY(arena, *ret_count, struct trigger_message);
	if (!*ret_queue)
		m[0] = (struct trigger_message){.body = event->body, .id = event->request};
	for (size_t i = 0; *ret_queue && i < n; i++) {
		const char *body;
		int rc = json_get_str(json_array_get(records, i), "messageId", &m[i].id, e);
		if (rc == OK)
			rc = json_get_str(json_array_get(records, i), "body", &body, e);
		if (rc)
			return rc;
		m[i].body = slice_of(body);
	}
	return OK;
}

/* {"batchItemFailures":[{"itemIdentifier":"..."}]}: the queue gives the others up. */
static void add_failures(struct buf *answer, const struct trigger_message *m, size_t n)
{
	AUTO_JSON json_t *failures = json_array();
	for (size_t i = 0; i < n; i++)
		if (m[i].failed)
			json_array_append_new(
				failures, json_pack("{s:o}", "itemIdentifier", json_text(m[i].id)));
	AUTO_JSON json_t *o = json_pack("{s:O}", "batchItemFailures", failures);
	json_canonical(o, answer);
}

static void add_counts(struct buf *answer, const struct trigger_result *r)
{
	AUTO_JSON json_t *o = json_pack("{s:I, s:I}", "started", (json_int_t)r->started,
					"partitions", (json_int_t)r->scopes);
	json_canonical(o, answer);
}

static int activate(void *state, const struct lambda_event *event, struct buf *answer,
		    struct err *e)
{
	const struct state *s = state;
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_JSON json_t *root = NULL;
	struct trigger_message *messages;
	struct trigger_result result;
	size_t n;
	bool queue;
	int rc = json_parse(event->body.n ? event->body.p : "", event->body.n, &root, e);
	if (rc == OK)
		rc = split(event, root, arena, &messages, &n, &queue, e);
	if (rc)
		return rc;
	trigger_messages(messages, n, s->engine, s->activations, s->count, AS_OF_LANDED, &result);
	/* A queue keeps what failed; S3 has nowhere to keep it but in the event as a whole. */
	if (result.failed && (!queue || (size_t)result.failed == n)) {
		*e = result.first_error;
		return e->code;
	}
	if (queue)
		add_failures(answer, messages, n);
	else
		add_counts(answer, &result);
	return OK;
}

const struct lambda_handler lambda_activation = {
	.name = "glue-activation",
	.summary =
		"starts the Glue job for the partitions of an S3 event, which may come through a queue",
	.mode = SYSTEM_REMOTE,
	.open = open_activation,
	.handle = activate,
};
