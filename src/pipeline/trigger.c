/* From published raw files to messages, and from messages to job runs. A message is sent before the
 * mark moves and deleted after the run is recorded, so a death anywhere repeats a trigger and never
 * loses one; a job that finds nothing new writes nothing. */
#include "trigger.h"

#include <stdlib.h>
#include <string.h>

#include "trigger_event.h"

#define RELAY_AT_ONCE   500
#define RECEIVE_AT_ONCE 100
/* What is gathered before runs are started; the rest of the queue is for the next round. */
#define ROUND_MESSAGES 10000
#define ROUND_BYTES    ((size_t)64 << 20)
/* Long enough to record some runs; they are only recorded, not run. */
#define VISIBILITY_US INT64_C(120000000)
#define RETRY_US      INT64_C(30000000)
/* How often a hopeless message is taken again at once, on a queue that bears more than that before
 * it lets it die. */
#define RECEIVES_AT_ONCE 20

/* -- relay ------------------------------------------------------------------------------------- */

struct outbox {
	const struct trigger_route *route;
	int64_t mark;
	struct slice *bodies;
	size_t count, cap;
};
struct relay {
	struct arena *arena;
	const char *lake;
	struct outbox *boxes;
	size_t box_count;
};

static bool is_below(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);
	while (n && prefix[n - 1] == '/')
		n--;
	return strncmp(key, prefix, n) == 0 && key[n] == '/';
}

static bool wants(const struct outbox *box, const struct catalog_file *file)
{
	bool any = false;
	for (size_t i = 0; !any && i < box->route->prefix_count; i++)
		any = is_below(file->key, box->route->prefixes[i]);
	return any && file->version > box->mark;
}

static int add_message(void *ctx, const struct table_def *table, const struct catalog_file *file,
		       const struct catalog_scope *scope)
{
	struct relay *r = ctx;
	struct slice body = {0};
	for (size_t i = 0; i < r->box_count; i++) {
		struct outbox *box = &r->boxes[i];
		if (!wants(box, file))
			continue;
		if (!body.p) {
			AUTO_BUF struct buf text = {0};
			trigger_event_write(&text, r->lake, file, scope);
			body = (struct slice){arena_strndup(r->arena, text.data, text.len),
					      text.len};
		}
		*PUSH(box->bodies, box->count, box->cap) = body;
	}
	return OK;
}

static int send_box(struct catalog *catalog, const struct outbox *box, int64_t version,
		    struct err *e)
{
	int rc = OK;
	for (size_t i = 0; rc == OK && i < box->count; i += RELAY_AT_ONCE) {
		size_t n = box->count - i < RELAY_AT_ONCE ? box->count - i : RELAY_AT_ONCE;
		rc = queue_send(box->route->queue, box->bodies + i, n, e);
	}
	if (rc == OK && version > box->mark)
		rc = catalog_mark_set(catalog, box->route->mark, version, e);
	return rc;
}

int trigger_relay_routes(struct catalog *catalog, const struct trigger_route *routes, size_t n,
			 const char *lake, int64_t *ret_sent, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct relay r = {.arena = arena,
			  .lake = lake,
			  .boxes = ANEW_ARRAY(arena, n, struct outbox),
			  .box_count = n};
	int64_t least = INT64_MAX, version = 0, sent = 0;
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++) {
		r.boxes[i].route = &routes[i];
		rc = catalog_mark_get(catalog, routes[i].mark, &r.boxes[i].mark, e);
		least = r.boxes[i].mark < least ? r.boxes[i].mark : least;
	}
	if (rc == OK && n)
		rc = catalog_changes(catalog, least, add_message, &r, &version, e);
	/* What cannot be sent to one queue is no reason to keep it from the others. */
	struct err first = ERR_INIT;
	for (size_t i = 0; rc == OK && i < n; i++) {
		struct err own = ERR_INIT;
		if (send_box(catalog, &r.boxes[i], version, &own) == OK)
			sent += (int64_t)r.boxes[i].count;
		else if (first.code == OK)
			first = own;
	}
	for (size_t i = 0; i < n; i++)
		free(r.boxes[i].bodies);
	if (rc == OK && first.code) {
		rc = first.code;
		if (e)
			*e = first;
	}
	if (rc == OK)
		*ret_sent = sent;
	return rc;
}

int trigger_relay(struct catalog *catalog, struct queue *queue, const char *lake, int64_t *ret_sent,
		  struct err *e)
{
	static const char *const everything[] = {TRIGGER_RAW};
	const struct trigger_route route = {
		.queue = queue, .mark = TRIGGER_MARK, .prefixes = everything, .prefix_count = 1};
	return trigger_relay_routes(catalog, &route, 1, lake, ret_sent, e);
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

struct wisher {
	struct round *round;
	size_t message;
};

static int add_wishes(void *ctx, const char *key, int32_t as_of, struct err *e)
{
	const struct wisher *w = ctx;
	struct round *r = w->round;
	for (size_t i = 0; i < r->activation_count; i++) {
		const char *scope = scope_of(r->arena, &r->activations[i], key);
		if (scope)
			*PUSH(r->wishes, r->wish_count, r->wish_cap) =
				(struct wish){.job = r->activations[i].job,
					      .as_of = r->as_of != AS_OF_LANDED ? r->as_of : as_of,
					      .scope = scope,
					      .message = w->message};
	}
	return OK;
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
	if (!a->result->first_error.code)
		a->result->first_error = *why;
	/* What may work later waits; what cannot is soon a dead letter, where a person sees it. */
	bool later = why->code == ERR_RETRY || why->code == ERR_CONFLICT || why->code == ERR_IO ||
		     why->code == ERR_LIMIT || m->receives >= RECEIVES_AT_ONCE;
	a->again |= !later;
	if (!a->queue)
		return OK;
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
	if (rc && !why.where[0])
		err_where(&why, request.job);
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

static int take_message(struct activator *a, struct round *r, const struct message *message,
			struct slice body, const char *id, struct err *e)
{
	struct wisher wisher = {r, r->message_count};
	size_t wishes = r->wish_count;
	struct message *m = PUSH(r->messages, r->message_count, r->message_cap);
	struct err why = ERR_INIT;
	*m = *message;
	a->result->messages++;
	if (trigger_event_read(body.p, body.n, add_wishes, &wisher, &why) != OK) {
		/* Nothing of a message that is not understood in full. */
		r->wish_count = wishes;
		if (!why.where[0])
			err_where(&why, id);
		return give_back(a, m, &why, e);
	}
	m->runs_left = r->wish_count - wishes;
	a->result->ignored += !m->runs_left;
	return OK;
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
			const struct message m = {.receipt = arena_strdup(r->arena, got[i].receipt),
						  .receives = got[i].receives};
			bytes += strlen(got[i].body);
			rc = take_message(a, r, &m, slice_of(got[i].body), got[i].id, e);
			if (rc != OK)
				return rc;
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

void trigger_messages(struct trigger_message *messages, size_t n, struct job_engine *engine,
		      const struct activation *activations, size_t activation_count, int32_t as_of,
		      struct trigger_result *ret)
{
	struct trigger_result result = {.messages = 0};
	struct activator a = {.engine = engine, .result = &result};
	AUTO_ARENA struct arena *arena = arena_new();
	struct err e = ERR_INIT;
	struct round r = {.arena = arena,
			  .activations = activations,
			  .activation_count = activation_count,
			  .as_of = as_of};
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = take_message(&a, &r, &(struct message){.receives = 1}, messages[i].body,
				  messages[i].id, &e);
	if (rc == OK)
		rc = start_runs(&a, &r, &e);
	for (size_t i = 0; i < n; i++)
		messages[i].failed = rc != OK || r.messages[i].failed;
	free(r.messages);
	free(r.wishes);
	*ret = result;
}
