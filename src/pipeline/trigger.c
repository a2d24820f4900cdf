/* From published raw files to messages, and from messages to job runs. A message is sent before the
 * mark moves and deleted after the run is recorded, so a death anywhere repeats a trigger and never
 * loses one; a job that finds nothing new writes nothing. */
#include "trigger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"

#define RAW             "raw/"
#define MARK            "trigger"
#define RELAY_AT_ONCE   500
#define RECEIVE_AT_ONCE 100
/* What is gathered before runs are started; the rest of the queue is for the next round. */
#define ROUND_MESSAGES 10000
#define ROUND_BYTES    ((size_t)64 << 20)
#define RECORDS_MAX    10000
/* Long enough to record some runs; they are only recorded, not run. */
#define VISIBILITY_US INT64_C(120000000)
#define RETRY_US      INT64_C(30000000)
/* How often a hopeless message is taken again at once, on a queue that bears more than that before
 * it lets it die. */
#define RECEIVES_AT_ONCE 20

/* -- relay ------------------------------------------------------------------------------------- */

struct relay {
	struct arena *arena;
	const char *lake;
	struct slice *bodies;
	size_t count, cap;
};

/* Keys in S3's messages are encoded as in HTML forms: everything but letters, digits and -_.* and
 * the slash as %XX, a blank as '+'. */
static void add_form_encoded(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     (c >= '0' && c <= '9') || strchr("-_.*/", c);
		if (c == ' ')
			buf_char(out, '+');
		else if (plain)
			buf_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

static int add_message(void *ctx, const struct table_def *table, const struct catalog_file *file,
		       const struct catalog_scope *scope)
{
	struct relay *r = ctx;
	if (!slice_starts(slice_of(table->location), RAW))
		return OK;
	AUTO_JSON json_t *properties = NULL;
	AUTO_BUF struct buf body = {0}, key = {0};
	char time[TIME_TEXT_SIZE];
	const char *as_of = NULL;
	if (scope && scope->properties &&
	    json_parse(scope->properties, strlen(scope->properties), &properties, NULL) == OK)
		as_of = json_opt_str(properties, "landed_on", NULL);
	add_form_encoded(&key, file->key);
	buf_str(&body,
		"{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"pregao:objects\",\"eventName\":\"ObjectCreated:Put\",\"eventTime\":");
	time_format_utc(scope ? scope->changed_us : 0, time);
	buf_json_str(&body, time, strlen(time));
	buf_str(&body, ",\"s3\":{\"s3SchemaVersion\":\"1.0\",\"bucket\":{\"name\":");
	buf_json_str(&body, r->lake, strlen(r->lake));
	buf_str(&body, "},\"object\":{\"key\":");
	buf_json_str(&body, key.data, key.len);
	buf_printf(&body, ",\"size\":%" PRId64 ",\"sequencer\":\"%016" PRIX64 "\"}}}]", file->bytes,
		   (uint64_t)file->version);
	if (as_of) {
		buf_str(&body, ",\"pregao\":{\"as_of\":");
		buf_json_str(&body, as_of, strlen(as_of));
		buf_char(&body, '}');
	}
	buf_char(&body, '}');
	*PUSH(r->bodies, r->count, r->cap) =
		(struct slice){arena_strndup(r->arena, body.data, body.len), body.len};
	return OK;
}

int trigger_relay(struct catalog *catalog, struct queue *queue, const char *lake, int64_t *ret_sent,
		  struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct relay r = {.arena = arena, .lake = lake};
	int64_t mark, version = 0;
	int rc = catalog_mark_get(catalog, MARK, &mark, e);
	if (rc == OK)
		rc = catalog_changes(catalog, mark, add_message, &r, &version, e);
	for (size_t i = 0; rc == OK && i < r.count; i += RELAY_AT_ONCE) {
		size_t n = r.count - i < RELAY_AT_ONCE ? r.count - i : RELAY_AT_ONCE;
		rc = queue_send(queue, r.bodies + i, n, e);
	}
	if (rc == OK && version > mark)
		rc = catalog_mark_set(catalog, MARK, version, e);
	free(r.bodies);
	if (rc == OK)
		*ret_sent = (int64_t)r.count;
	return rc;
}

/* -- activate ---------------------------------------------------------------------------------- */

struct message {
	const char *receipt;
	size_t runs_left; /* runs that must be recorded before it may be deleted */
	bool failed;
	int64_t receives;
};
/* A scope that a message wants a job to be run for. */
struct wish {
	const char *job;
	int32_t as_of;
	const char *scope;
	size_t message;
};
struct round {
	struct arena *arena;
	const struct activation *activations;
	size_t activation_count;
	int32_t as_of; /* AS_OF_LANDED: each message's own */
	struct message *messages;
	size_t message_count, message_cap;
	struct wish *wishes;
	size_t wish_count, wish_cap;
};

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static int form_decode(const char *s, struct buf *out, struct err *e)
{
	for (const char *p = s; *p; p++) {
		if (*p == '+') {
			buf_char(out, ' ');
		} else if (*p == '%') {
			int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
			if (low < 0 || (high == 0 && low == 0))
				return err_set(
					e, ERR_INPUT,
					"the object's key is not form-encoded: found \"%.40s\"", p);
			buf_char(out, (char)(high << 4 | low));
			p += 2;
		} else {
			buf_char(out, *p);
		}
	}
	if (!str_is_utf8(out->data ? out->data : "", out->len))
		return err_set(e, ERR_INPUT, "the object's key is not UTF-8");
	return OK;
}

/* The partition folders between the location and the file's name, as many as make the scope; NULL
 * when the key is not of this table. */
static const char *scope_of(struct arena *arena, const struct activation *a, const char *key)
{
	size_t n = strlen(a->location_prefix);
	while (n && a->location_prefix[n - 1] == '/')
		n--;
	if (strncmp(key, a->location_prefix, n) != 0 || key[n] != '/' ||
	    !slice_ends(slice_of(key), ".parquet"))
		return NULL;
	const char *from = key + n + 1, *to = strrchr(from, '/');
	if (!to)
		return NULL;
	size_t folders = 0;
	for (const char *p = from; p <= to; p++)
		if (*p == '/') {
			/* Folders that are no partitions are not ours. */
			const char *begin = p;
			while (begin > from && begin[-1] != '/')
				begin--;
			if (!memchr(begin, '=', (size_t)(p - begin)))
				return NULL;
			if (++folders == a->scope_count) {
				to = p;
				break;
			}
		}
	return folders >= a->scope_count ? arena_strndup(arena, from, (size_t)(to - from)) : NULL;
}

static int add_record(struct round *r, size_t message, const json_t *record, int32_t as_of,
		      struct err *e)
{
	json_t *s3, *object;
	const char *name, *coded;
	int rc = json_get_str(record, "eventName", &name, e);
	if (rc != OK)
		return rc;
	if (strncmp(name, "ObjectCreated:", strlen("ObjectCreated:")) != 0)
		return OK;
	rc = json_get_object(record, "s3", &s3, e);
	if (rc == OK)
		rc = json_get_object(s3, "object", &object, e);
	if (rc == OK)
		rc = json_get_str(object, "key", &coded, e);
	AUTO_BUF struct buf key = {0};
	if (rc == OK)
		rc = form_decode(coded, &key, e);
	if (rc != OK)
		return rc;
	for (size_t i = 0; i < r->activation_count; i++) {
		const char *scope =
			scope_of(r->arena, &r->activations[i], key.data ? key.data : "");
		if (scope)
			*PUSH(r->wishes, r->wish_count, r->wish_cap) =
				(struct wish){.job = r->activations[i].job,
					      .as_of = as_of,
					      .scope = scope,
					      .message = message};
	}
	return OK;
}

static int parse_event(struct round *r, size_t message, const char *body, size_t n, bool wrapped,
		       struct err *e);

static int add_records(struct round *r, size_t message, const json_t *root, bool wrapped,
		       struct err *e)
{
	json_t *records;
	int32_t as_of = AS_OF_LANDED;
	const json_t *own = json_object_get(root, "pregao");
	int rc = json_get_array(root, "Records", &records, e);
	if (rc != OK)
		return rc;
	if (own && !date_parse_iso(slice_of(json_opt_str(own, "as_of", "")), &as_of))
		return err_set(e, ERR_INPUT,
			       "the message's as_of: found \"%.40s\", expected a day as YYYY-MM-DD",
			       json_opt_str(own, "as_of", ""));
	if (r->as_of != AS_OF_LANDED)
		as_of = r->as_of;
	if (json_array_size(records) > RECORDS_MAX)
		return err_set(e, ERR_INPUT,
			       "found %zu records in one message, expected at most %d",
			       json_array_size(records), RECORDS_MAX);
	for (size_t i = 0; rc == OK && i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		const char *body = json_opt_str(record, "body", NULL);
		if (strcmp(json_opt_str(record, "eventSource", ""), "aws:sqs") != 0)
			rc = add_record(r, message, record, as_of, e);
		else if (wrapped || !body)
			rc = err_set(
				e, ERR_INPUT,
				"records[%zu]: found a queue's message without or within a body, expected an object's event",
				i);
		else
			rc = parse_event(r, message, body, strlen(body), true, e);
	}
	return rc;
}

/* An S3 event, or the same within the event that SQS gives to a function. */
static int parse_event(struct round *r, size_t message, const char *body, size_t n, bool wrapped,
		       struct err *e)
{
	AUTO_JSON json_t *root = NULL;
	int rc = json_parse(body, n, &root, e);
	if (rc != OK)
		return rc;
	if (strcmp(json_opt_str(root, "Event", ""), "s3:TestEvent") == 0)
		return OK;
	return add_records(r, message, root, wrapped, e);
}

static int by_job_as_of_scope(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;
	int order = strcmp(x->job, y->job);
	if (!order)
		order = (x->as_of > y->as_of) - (x->as_of < y->as_of);
	if (!order)
		order = strcmp(x->scope, y->scope);
	return order ? order : (x->message > y->message) - (x->message < y->message);
}

struct activator {
	struct queue *queue;
	struct job_engine *engine;
	void (*started)(void *ctx, const char *run, const struct job_request *);
	void *ctx;
	struct trigger_result *result;
	bool again; /* something was given back that is to be received again at once */
};

static int give_back(struct activator *a, struct message *m, const struct err *why, struct err *e)
{
	if (m->failed)
		return OK;
	m->failed = true;
	a->result->failed++;
	if (!a->result->first_error[0])
		memcpy(a->result->first_error, why->text, sizeof(why->text));
	/* What may work later waits; what cannot is soon a dead letter, where a person sees it. */
	bool later = why->code == ERR_RETRY || why->code == ERR_CONFLICT || why->code == ERR_IO ||
		     why->code == ERR_LIMIT || m->receives >= RECEIVES_AT_ONCE;
	a->again |= !later;
	return queue_fail(a->queue, m->receipt, later ? RETRY_US : 0, why->text, e);
}

/* One run for wishes[from..to), which agree in job and as-of. */
static int start_run(struct activator *a, struct round *r, size_t from, size_t to, struct err *e)
{
	const char **scopes = ANEW_ARRAY(r->arena, to - from, const char *);
	struct job_request request = {.job = r->wishes[from].job,
				      .as_of = r->wishes[from].as_of,
				      .scopes = scopes,
				      .as_of_is_hint = r->as_of == AS_OF_LANDED};
	for (size_t i = from; i < to; i++)
		if (i == from || strcmp(r->wishes[i].scope, r->wishes[i - 1].scope) != 0)
			scopes[request.scope_count++] = r->wishes[i].scope;
	char run[RUN_ID_SIZE];
	struct err why = ERR_INIT;
	int rc = job_engine_start(a->engine, &request, run, &why);
	if (rc == OK) {
		a->result->started++;
		a->result->scopes += (int64_t)request.scope_count;
		if (a->started)
			a->started(a->ctx, run, &request);
	}
	for (size_t i = from; i < to; i++) {
		struct message *m = &r->messages[r->wishes[i].message];
		m->runs_left--;
		if (rc != OK && give_back(a, m, &why, e) != OK)
			return e ? e->code : ERR_IO;
	}
	return OK;
}

static bool same_run(const struct wish *x, const struct wish *y)
{
	return strcmp(x->job, y->job) == 0 && x->as_of == y->as_of;
}

static int start_runs(struct activator *a, struct round *r, struct err *e)
{
	int rc = OK;
	if (r->wish_count)
		qsort(r->wishes, r->wish_count, sizeof(*r->wishes), by_job_as_of_scope);
	for (size_t from = 0, to; rc == OK && from < r->wish_count; from = to) {
		size_t scopes = 1;
		for (to = from + 1;
		     to < r->wish_count && same_run(&r->wishes[from], &r->wishes[to]); to++)
			if (strcmp(r->wishes[to].scope, r->wishes[to - 1].scope) != 0 &&
			    ++scopes > TRIGGER_SCOPES_MAX)
				break;
		rc = start_run(a, r, from, to, e);
	}
	return rc;
}

static int remove_done(struct activator *a, struct round *r, struct err *e)
{
	const char **receipts = ANEW_ARRAY(r->arena, r->message_count, const char *);
	size_t n = 0;
	for (size_t i = 0; i < r->message_count; i++)
		if (!r->messages[i].failed && !r->messages[i].runs_left)
			receipts[n++] = r->messages[i].receipt;
	return n ? queue_remove(a->queue, receipts, n, e) : OK;
}

/* Takes what there is, up to a round's ceiling. */
static int gather(struct activator *a, struct round *r, bool *ret_empty, struct err *e)
{
	struct queue_message *got = ANEW_ARRAY(r->arena, RECEIVE_AT_ONCE, struct queue_message);
	size_t bytes = 0;
	*ret_empty = false;
	while (r->message_count < ROUND_MESSAGES && bytes < ROUND_BYTES) {
		size_t n = 0;
		int rc = queue_receive(a->queue, RECEIVE_AT_ONCE, VISIBILITY_US, r->arena, got, &n,
				       e);
		if (rc != OK)
			return rc;
		if (!n) {
			*ret_empty = true;
			return OK;
		}
		for (size_t i = 0; i < n; i++) {
			size_t message = r->message_count, wishes = r->wish_count;
			struct message *m = PUSH(r->messages, r->message_count, r->message_cap);
			m->receipt = arena_strdup(r->arena, got[i].receipt);
			m->receives = got[i].receives;
			bytes += strlen(got[i].body);
			a->result->messages++;
			struct err why = ERR_INIT;
			if (parse_event(r, message, got[i].body, strlen(got[i].body), false,
					&why) != OK) {
				/* Nothing of a message that is not understood in full. */
				r->wish_count = wishes;
				rc = give_back(a, m, &why, e);
				if (rc != OK)
					return rc;
				continue;
			}
			m->runs_left = r->wish_count - wishes;
			a->result->ignored += !m->runs_left;
		}
	}
	return OK;
}

int trigger_activate(struct queue *queue, struct job_engine *engine,
		     const struct activation *activations, size_t n, int32_t as_of,
		     void (*started)(void *ctx, const char *run, const struct job_request *),
		     void *ctx, struct trigger_result *ret, struct err *e)
{
	struct err own = ERR_INIT;
	struct trigger_result result = {.messages = 0};
	struct activator a = {.queue = queue,
			      .engine = engine,
			      .started = started,
			      .ctx = ctx,
			      .result = &result};
	int rc = OK;
	e = e ? e : &own;
	for (bool empty = false; rc == OK && (!empty || a.again);) {
		a.again = false;
		AUTO_ARENA struct arena *arena = arena_new();
		struct round r = {.arena = arena,
				  .activations = activations,
				  .activation_count = n,
				  .as_of = as_of};
		rc = gather(&a, &r, &empty, e);
		if (rc == OK)
			rc = start_runs(&a, &r, e);
		/* Also after a failure: what was recorded need not be started again. */
		struct err removing = ERR_INIT;
		int removed = remove_done(&a, &r, &removing);
		if (rc == OK && removed != OK) {
			*e = removing;
			rc = removed;
		}
		free(r.messages);
		free(r.wishes);
	}
	*ret = result;
	return rc;
}
