/* Queue on SQS: batches of ten, of which only the entries that failed are sent again; dead letters through
 * the redrive policy. */
#include "queue_sqs.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "json_call.h"
#include "retry.h"
#include "value.h"

/* https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
#define BATCH_MAX       10
#define BATCH_BYTES_MAX QUEUE_BODY_MAX
#define SECOND_US       INT64_C(1000000)
/* Looking and moving ends after so many receives, whatever others send meanwhile. */
#define ROUNDS_MAX        2000
#define REDRIVE_HOLD_US   (60 * SECOND_US)
#define ALREADY_SEEN_ONLY 3 /* receives in a row that bring nothing new: that was all */

struct queue_sqs {
	struct queue queue;
	struct aws *aws;
	char *url, *name;
	int wait_seconds;
	pthread_mutex_t lock; /* for what follows */
	bool dead_known;
	char *dead_url; /* NULL: the queue has none */
};

/* One call about the queue at url; takes body, which gets the URL. */
static int ask(const struct queue_sqs *q, const char *operation, const char *url, json_t *body,
	       json_t **ret, struct err *e)
{
	char target[64], action[64];
	snprintf(target, sizeof(target), "AmazonSQS.%s", operation);
	/* A batch takes the right of its single form. */
	snprintf(action, sizeof(action), "sqs:%.*s",
		 (int)(slice_ends(slice_of(operation), "Batch") ? strlen(operation) - 5
								: strlen(operation)),
		 operation);
	json_object_set_new(body, "QueueUrl", json_text(url));
	const struct aws_json_call call = {.service = "sqs",
					   .target = target,
					   .version = "1.0",
					   .action = action,
					   .resource = url,
					   .body = body};
	int rc = aws_json_call(q->aws, &call, ret, e);
	json_decref(body);
	return rc;
}

static int64_t seconds(int64_t us)
{
	return (us + SECOND_US - 1) / SECOND_US;
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Entries on their way to one queue: those that are still to be taken. */
struct batch {
	const struct queue_sqs *q;
	const char *operation, *url;
	json_t *entries; /* each with an "Id" that is unique among them */
	bool stale_is_fine;
};

/* What SQS and its likes say of a receipt that is none any more, in a batch. */
static bool is_stale(const json_t *failure)
{
	static const char *const codes[] = {"ReceiptHandleIsInvalid", "InvalidReceiptHandle",
					    "InvalidParameterValue", "MessageNotInflight",
					    "AWS.SimpleQueueService.MessageNotInflight"};
	return str_among(json_opt_str(failure, "Code", ""), codes, ARRAY_LEN(codes));
}

/* The entries of one call that failed for now go back into left. */
static int read_failed(const struct batch *b, const json_t *sent, const json_t *answer,
		       json_t *left, struct err *why)
{
	const json_t *good = json_object_get(answer, "Successful");
	const json_t *bad = json_object_get(answer, "Failed");
	size_t i, k;
	json_t *entry, *one;
	int rc = OK;
	json_array_foreach(sent, i, entry) {
		const char *id = json_opt_str(entry, "Id", "");
		const json_t *failure = NULL;
		bool taken = false;
		json_array_foreach(good, k, one)
			taken |= strcmp(json_opt_str(one, "Id", ""), id) == 0;
		json_array_foreach(bad, k, one)
			if (strcmp(json_opt_str(one, "Id", ""), id) == 0)
				failure = one;
		if (taken && !failure)
			continue;
		bool fault = json_is_true(json_object_get(failure, "SenderFault"));
		if (fault && b->stale_is_fine && is_stale(failure))
			continue;
		if (!fault)
			json_array_append(left, entry);
		if (rc == OK || fault)
			rc = err_set(why, fault ? ERR_INPUT : ERR_RETRY,
				     "SQS did not take an entry of %s on %s: %s: %s", b->operation,
				     b->url, json_opt_str(failure, "Code", ""),
				     json_opt_str(failure, "Message", ""));
	}
	return rc;
}

/* Every try sends what is left only. */
static int try_batch(void *arg, int attempt, int64_t *retry_after_us, struct err *e)
{
	struct batch *b = arg;
	AUTO_JSON json_t *answer = NULL;
	AUTO_JSON json_t *sent = b->entries;
	b->entries = json_array();
	int rc = ask(b->q, b->operation, b->url, json_pack("{s:O}", "Entries", sent), &answer, e);
	if (rc == OK)
		return read_failed(b, sent, answer, b->entries, e);
	json_array_extend(b->entries, sent);
	return rc;
}

/* Takes the entries. Calls that fail whole were tried again below already: those tries are not multiplied. */
static int run_batch(struct batch *b, struct err *e)
{
	static const struct retry_policy policy = {.attempts = 6,
						   .base_us = SECOND_US / 5,
						   .cap_us = 5 * SECOND_US,
						   .deadline_us = 60 * SECOND_US};
	const struct retry retry = {.policy = &policy, .clock = aws_clock_of(b->q->aws)};
	int rc = retry_run(&retry, try_batch, b, e);
	json_decref(b->entries);
	b->entries = NULL;
	return rc;
}

static void add_entry(json_t *entries, json_t *entry)
{
	char id[24];
	snprintf(id, sizeof(id), "%zu", json_array_size(entries));
	json_object_set_new(entry, "Id", json_string(id));
	json_array_append_new(entries, entry);
}

static int send_to(const struct queue_sqs *q, const char *url, const struct slice *bodies, size_t n,
		   struct err *e)
{
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n;) {
		struct batch b = {.q = q,
				  .operation = "SendMessageBatch",
				  .url = url,
				  .entries = json_array()};
		size_t bytes = 0;
		while (i < n && json_array_size(b.entries) < BATCH_MAX &&
		       bytes + bodies[i].n <= BATCH_BYTES_MAX) {
			bytes += bodies[i].n;
			add_entry(b.entries,
				  json_pack("{s:s%}", "MessageBody", bodies[i].p, bodies[i].n));
			i++;
		}
		rc = run_batch(&b, e);
	}
	return rc;
}

/* hide_us below 0: removes. */
static int by_receipts(const struct queue_sqs *q, const char *url, const char *const *receipts,
		       size_t n, int64_t hide_us, struct err *e)
{
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n;) {
		struct batch b = {.q = q,
				  .operation = hide_us < 0 ? "DeleteMessageBatch"
							   : "ChangeMessageVisibilityBatch",
				  .url = url,
				  .entries = json_array(),
				  .stale_is_fine = true};
		for (; i < n && json_array_size(b.entries) < BATCH_MAX; i++) {
			json_t *entry;
			if (!receipts[i][0])
				continue; /* SQS refuses a batch with an empty one whole */
			entry = json_pack("{s:o}", "ReceiptHandle", json_text(receipts[i]));
			if (hide_us >= 0)
				json_object_set_new(entry, "VisibilityTimeout",
						    json_integer(seconds(hide_us)));
			add_entry(b.entries, entry);
		}
		if (json_array_size(b.entries))
			rc = run_batch(&b, e);
		else
			json_decref(b.entries);
	}
	return rc;
}

static int queue_sqs_send(struct queue *queue, const struct slice *bodies, size_t n, struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	return send_to(q, q->url, bodies, n, e);
}

static int queue_sqs_remove(struct queue *queue, const char *const *receipts, size_t n,
			    struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	return by_receipts(q, q->url, receipts, n, -1, e);
}

/* -- receiving --------------------------------------------------------------------------------- */

static int read_number(const json_t *attributes, const char *key, int64_t *ret, struct err *e)
{
	const char *text;
	int rc = json_get_str(attributes, key, &text, e);
	if (rc == OK && !int64_parse(slice_of(text), ret))
		rc = err_set(e, ERR_IO, "SQS says that %s is \"%.40s\", expected a number", key,
			     text);
	return rc;
}

static int read_message(const json_t *m, int64_t visible_us, struct arena *arena,
			struct queue_message *ret, struct err *e)
{
	const char *id, *receipt, *body;
	json_t *attributes;
	int64_t sent_ms;
	int rc = json_get_str(m, "MessageId", &id, e);
	if (rc == OK)
		rc = json_get_str(m, "ReceiptHandle", &receipt, e);
	if (rc == OK)
		rc = json_get_str(m, "Body", &body, e);
	if (rc == OK)
		rc = json_get_object(m, "Attributes", &attributes, e);
	if (rc)
		return rc;
	if (strlen(id) >= sizeof(ret->id))
		return err_set(e, ERR_IO, "SQS's message has an id that is too long: %.100s", id);
	*ret = (struct queue_message){.receipt = arena_strdup(arena, receipt),
				      .body = arena_strdup(arena, body),
				      .visible_us = visible_us};
	memcpy(ret->id, id, strlen(id) + 1);
	rc = read_number(attributes, "SentTimestamp", &sent_ms, e);
	if (rc == OK)
		rc = read_number(attributes, "ApproximateReceiveCount", &ret->receives, e);
	if (rc == OK)
		ret->sent_us = sent_ms * 1000;
	return rc;
}

/* Ten at most. */
static int receive_from(const struct queue_sqs *q, const char *url, size_t max,
			int64_t visibility_us, int wait_seconds, struct arena *arena,
			struct queue_message *ret, size_t *ret_count, struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	size_t i, most = max < BATCH_MAX ? max : BATCH_MAX;
	json_t *one;
	*ret_count = 0;
	if (!most)
		return OK;
	int rc = ask(q, "ReceiveMessage", url,
		     json_pack("{s:i, s:I, s:i, s:[s, s], s:[s, s]}", "MaxNumberOfMessages",
			       (int)most, "VisibilityTimeout", (json_int_t)seconds(visibility_us),
			       "WaitTimeSeconds", wait_seconds, "AttributeNames", "SentTimestamp",
			       "ApproximateReceiveCount", "MessageSystemAttributeNames",
			       "SentTimestamp", "ApproximateReceiveCount"),
		     &answer, e);
	if (rc)
		return rc;
	int64_t visible_us =
		clock_now_us(aws_clock_of(q->aws)) + seconds(visibility_us) * SECOND_US;
	json_array_foreach(json_object_get(answer, "Messages"), i, one) {
		if (i == most)
			break;
		rc = read_message(one, visible_us, arena, &ret[i], e);
		if (rc)
			return rc;
		*ret_count = i + 1;
	}
	return OK;
}

static int queue_sqs_receive(struct queue *queue, size_t max, int64_t visibility_us,
			     struct arena *arena, struct queue_message *ret, size_t *ret_count,
			     struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	return receive_from(q, q->url, max, visibility_us, q->wait_seconds, arena, ret, ret_count,
			    e);
}

/* A batch of one: its answer says in JSON what the single form's, which is empty, does not. */
static int hide(struct queue *queue, const char *receipt, int64_t hide_us, struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	AUTO_JSON json_t *answer = NULL;
	int rc = OK;
	if (*receipt)
		rc = ask(q, "ChangeMessageVisibilityBatch", q->url,
			 json_pack("{s:[{s:s, s:o, s:I}]}", "Entries", "Id", "0", "ReceiptHandle",
				   json_text(receipt), "VisibilityTimeout",
				   (json_int_t)seconds(hide_us)),
			 &answer, e);
	if (rc)
		return rc;
	const json_t *failure = json_array_get(json_object_get(answer, "Failed"), 0);
	if (!*receipt || is_stale(failure))
		return err_set(e, ERR_NOT_FOUND,
			       "the receipt is stale: the message was received again or removed");
	if (json_array_size(json_object_get(answer, "Successful")) == 1 && !failure)
		return OK;
	return err_set(
		e, json_is_true(json_object_get(failure, "SenderFault")) ? ERR_INPUT : ERR_RETRY,
		"SQS did not take an entry of %s on %s: %s: %s", "ChangeMessageVisibilityBatch",
		q->url, json_opt_str(failure, "Code", ""), json_opt_str(failure, "Message", ""));
}

static int queue_sqs_extend(struct queue *queue, const char *receipt, int64_t visibility_us,
			    struct err *e)
{
	return hide(queue, receipt, visibility_us, e);
}

static int queue_sqs_fail(struct queue *queue, const char *receipt, int64_t retry_us,
			  const char *why, struct err *e)
{
	return hide(queue, receipt, retry_us, e);
}

/* -- dead letters ------------------------------------------------------------------------------ */

static int attributes_of(const struct queue_sqs *q, const char *url, json_t *names, json_t **ret,
			 struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	int rc = ask(q, "GetQueueAttributes", url, json_pack("{s:o}", "AttributeNames", names),
		     &answer, e);
	if (rc)
		return rc;
	/* Left out when there are none. */
	json_t *attributes = json_object_get(answer, "Attributes");
	*ret = attributes ? json_incref(attributes) : json_object();
	return OK;
}

/* "arn:aws:sqs:sa-east-1:123456789012:pregao-events-dead" lies beside the queue, in the same account and
 * region, so that its URL differs in the last word only. */
static int ask_dead_url(const struct queue_sqs *q, char **ret, struct err *e)
{
	AUTO_JSON json_t *attributes = NULL;
	AUTO_JSON json_t *policy = NULL;
	const char *arn;
	int rc = attributes_of(q, q->url, json_pack("[s]", "RedrivePolicy"), &attributes, e);
	if (rc)
		return rc;
	const char *text = json_opt_str(attributes, "RedrivePolicy", "");
	if (!*text)
		return OK;
	rc = json_parse(text, strlen(text), &policy, e);
	if (rc == OK)
		rc = json_get_str(policy, "deadLetterTargetArn", &arn, e);
	if (rc)
		return err_wrap(e, "the redrive policy of %s", q->url);
	const char *name = strrchr(arn, ':'), *last = strrchr(q->url, '/');
	if (!name || !last)
		return err_set(e, ERR_INPUT,
			       "the dead letters of %s lie in \"%s\", which is no queue", q->url,
			       arn);
	AUTO_BUF struct buf url = {0};
	buf_add(&url, q->url, (size_t)(last + 1 - q->url));
	buf_str(&url, name + 1);
	*ret = buf_take(&url);
	return OK;
}

/* *ret NULL: there is none. */
static int dead_url(struct queue *queue, const char **ret, struct err *e)
{
	struct queue_sqs *q = (struct queue_sqs *)queue;
	int rc = OK;
	pthread_mutex_lock(&q->lock);
	if (!q->dead_known)
		rc = ask_dead_url(q, &q->dead_url, e);
	q->dead_known |= rc == OK;
	*ret = q->dead_url;
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static int count_of(const struct queue_sqs *q, const char *url, int64_t *ret_visible,
		    int64_t *ret_in_flight, struct err *e)
{
	AUTO_JSON json_t *attributes = NULL;
	int64_t delayed = 0;
	int rc = attributes_of(q, url,
			       json_pack("[s, s, s]", "ApproximateNumberOfMessages",
					 "ApproximateNumberOfMessagesNotVisible",
					 "ApproximateNumberOfMessagesDelayed"),
			       &attributes, e);
	if (rc == OK)
		rc = read_number(attributes, "ApproximateNumberOfMessages", ret_visible, e);
	if (rc == OK)
		rc = read_number(attributes, "ApproximateNumberOfMessagesNotVisible", ret_in_flight,
				 e);
	if (rc == OK)
		rc = read_number(attributes, "ApproximateNumberOfMessagesDelayed", &delayed, e);
	if (rc == OK)
		*ret_in_flight += delayed;
	return rc;
}

static int queue_sqs_stats(struct queue *queue, struct queue_stats *ret, struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	struct queue_stats stats = {0};
	const char *dead;
	int64_t hidden = 0;
	int rc = dead_url(queue, &dead, e);
	if (rc == OK)
		rc = count_of(q, q->url, &stats.visible, &stats.in_flight, e);
	if (rc == OK && dead)
		rc = count_of(q, dead, &stats.dead, &hidden, e);
	if (rc)
		return rc;
	stats.dead += hidden;
	*ret = stats;
	return OK;
}

static bool is_known(const struct queue_message *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].id, id) == 0)
			return true;
	return false;
}

static int by_age(const void *a, const void *b)
{
	const struct queue_message *x = a, *y = b;
	return (x->sent_us > y->sent_us) - (x->sent_us < y->sent_us);
}

static int queue_sqs_peek(struct queue *queue, bool dead, size_t max, struct arena *arena,
			  struct queue_message *ret, size_t *ret_count, struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	const char *url;
	size_t count = 0;
	int rc, nothing_new = 0;
	if (!dead) {
		rc = err_set(e, ERR_USAGE, "SQS shows no message that is not received");
		err_reason(e, "unsupported");
		return rc;
	}
	rc = dead_url(queue, &url, e);
	/* Hidden for a moment only, so that it shows others than the same ten. */
	for (int i = 0;
	     rc == OK && url && i < ROUNDS_MAX && count < max && nothing_new < ALREADY_SEEN_ONLY;
	     i++) {
		struct queue_message got[BATCH_MAX];
		size_t n, before = count;
		rc = receive_from(q, url, BATCH_MAX, SECOND_US, 0, arena, got, &n, e);
		for (size_t k = 0; rc == OK && k < n; k++) {
			if (count < max && !is_known(ret, count, got[k].id)) {
				got[k].receipt = "";
				ret[count++] = got[k];
			}
		}
		nothing_new = count == before ? nothing_new + 1 : 0;
	}
	if (rc)
		return rc;
	qsort(ret, count, sizeof(*ret), by_age);
	*ret_count = count;
	return OK;
}

/* Sends them to the queue, then removes them from their own. */
static int move(const struct queue_sqs *q, const char *dead, const struct queue_message *m,
		size_t n, struct err *e)
{
	struct slice bodies[BATCH_MAX];
	const char *receipts[BATCH_MAX];
	for (size_t i = 0; i < n; i++) {
		bodies[i] = slice_of(m[i].body);
		receipts[i] = m[i].receipt;
	}
	int rc = send_to(q, q->url, bodies, n, e);
	return rc ? rc : by_receipts(q, dead, receipts, n, -1, e);
}

/* Everything that can be received, until it is found. What was held for that is given back. */
static int move_one(const struct queue_sqs *q, const char *dead, const char *id, int64_t *ret_count,
		    struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const char **held = NULL;
	size_t count = 0, cap = 0;
	int rc = OK;
	for (int i = 0; rc == OK && !*ret_count && i < ROUNDS_MAX; i++) {
		struct queue_message got[BATCH_MAX];
		size_t n;
		rc = receive_from(q, dead, BATCH_MAX, REDRIVE_HOLD_US, 0, arena, got, &n, e);
		if (rc || !n)
			break;
		for (size_t k = 0; rc == OK && k < n; k++) {
			if (*ret_count || strcmp(got[k].id, id) != 0) {
				*PUSH(held, count, cap) = got[k].receipt;
				continue;
			}
			rc = move(q, dead, &got[k], 1, e);
			*ret_count = rc == OK;
		}
	}
	struct err ignored = ERR_INIT;
	/* If this fails they show themselves a minute later. */
	int back = by_receipts(q, dead, held, count, 0, &ignored);
	(void)back;
	free(held);
	return rc;
}

static int queue_sqs_redrive(struct queue *queue, const char *id, int64_t *ret_count, struct err *e)
{
	const struct queue_sqs *q = (const struct queue_sqs *)queue;
	const char *dead;
	int64_t moved = 0;
	size_t n = 1;
	int rc = dead_url(queue, &dead, e);
	if (rc == OK && id && dead)
		rc = move_one(q, dead, id, &moved, e);
	for (int i = 0; rc == OK && !id && dead && n && i < ROUNDS_MAX; i++) {
		AUTO_ARENA struct arena *arena = arena_new();
		struct queue_message got[BATCH_MAX];
		rc = receive_from(q, dead, BATCH_MAX, REDRIVE_HOLD_US, 0, arena, got, &n, e);
		if (rc == OK && n)
			rc = move(q, dead, got, n, e);
		if (rc == OK)
			moved += (int64_t)n;
	}
	if (rc == OK && id && !moved)
		rc = err_set(e, ERR_NOT_FOUND, "there is no dead letter \"%s\"", id);
	if (rc == OK)
		*ret_count = moved;
	return rc;
}

static const char *queue_sqs_name(struct queue *queue)
{
	return ((struct queue_sqs *)queue)->name;
}

static void queue_sqs_free(struct queue *queue)
{
	struct queue_sqs *q = (struct queue_sqs *)queue;
	pthread_mutex_destroy(&q->lock);
	free(q->dead_url);
	free(q->url);
	free(q->name);
	free(q);
}

static const struct queue_ops queue_sqs_ops = {
	.send = queue_sqs_send,
	.receive = queue_sqs_receive,
	.remove = queue_sqs_remove,
	.extend = queue_sqs_extend,
	.fail = queue_sqs_fail,
	.stats = queue_sqs_stats,
	.peek = queue_sqs_peek,
	.redrive = queue_sqs_redrive,
	.name = queue_sqs_name,
	.free = queue_sqs_free,
};

struct queue *queue_sqs_new(const struct queue_sqs_options *o)
{
	struct queue_sqs *q = NEW(struct queue_sqs);
	q->queue.ops = &queue_sqs_ops;
	q->aws = o->aws;
	q->url = mem_strdup(o->url);
	q->name = mem_strdup(o->name);
	q->wait_seconds = o->wait_seconds;
	pthread_mutex_init(&q->lock, NULL);
	return &q->queue;
}
