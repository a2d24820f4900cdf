/* Queue: the rules of a message, checked here once for every driver, and the calls into the driver.
 * The limits are those of SQS, the narrower of the two worlds. */
#include "queue.h"

/* SQS takes #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF (SendMessage,
 * API reference). */
static bool is_allowed(struct slice body)
{
	if (!str_is_utf8(body.p, body.n))
		return false;
	const unsigned char *p = (const unsigned char *)body.p;
	for (size_t i = 0; i < body.n; i++) {
		if (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
			return false;
		if (p[i] == 0xef && p[i + 1] == 0xbf && p[i + 2] >= 0xbe)
			return false;
	}
	return true;
}

static int check_body(struct slice body, struct err *e)
{
	if (body.n == 0)
		return err_set(e, ERR_INPUT, "a queue message is empty");
	if (body.n > QUEUE_BODY_MAX)
		return err_set(e, ERR_LIMIT, "a queue message has %zu bytes, more than %d", body.n,
			       QUEUE_BODY_MAX);
	if (!is_allowed(body))
		return err_set(e, ERR_INPUT,
			       "a queue message is not UTF-8 text, or has control characters");
	return OK;
}

static int check_delay(int64_t us, struct err *e)
{
	if (us < 0 || us > QUEUE_VISIBILITY_MAX_US)
		return err_set(e, ERR_LIMIT,
			       "a queue message can be hidden for 0 to 12 hours, not for %lld µs",
			       (long long)us);
	return OK;
}

int queue_send(struct queue *q, const struct slice *bodies, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = check_body(bodies[i], e);
		if (rc)
			return rc;
	}
	return n ? q->ops->send(q, bodies, n, e) : OK;
}

int queue_receive(struct queue *q, size_t max, int64_t visibility_us, struct arena *arena,
		  struct queue_message *ret, size_t *ret_count, struct err *e)
{
	int rc = check_delay(visibility_us, e);
	return rc ? rc : q->ops->receive(q, max, visibility_us, arena, ret, ret_count, e);
}

int queue_remove(struct queue *q, const char *const *receipts, size_t n, struct err *e)
{
	return n ? q->ops->remove(q, receipts, n, e) : OK;
}

int queue_extend(struct queue *q, const char *receipt, int64_t visibility_us, struct err *e)
{
	int rc = check_delay(visibility_us, e);
	return rc ? rc : q->ops->extend(q, receipt, visibility_us, e);
}

int queue_fail(struct queue *q, const char *receipt, int64_t retry_us, const char *why,
	       struct err *e)
{
	int rc = check_delay(retry_us, e);
	return rc ? rc : q->ops->fail(q, receipt, retry_us, why, e);
}

int queue_stats(struct queue *q, struct queue_stats *ret, struct err *e)
{
	return q->ops->stats(q, ret, e);
}

int queue_peek(struct queue *q, bool dead, size_t max, struct arena *arena,
	       struct queue_message *ret, size_t *ret_count, struct err *e)
{
	return q->ops->peek(q, dead, max, arena, ret, ret_count, e);
}

int queue_redrive(struct queue *q, const char *id, int64_t *ret_count, struct err *e)
{
	return q->ops->redrive(q, id, ret_count, e);
}

const char *queue_name(struct queue *q)
{
	return q->ops->name(q);
}

void queue_free(struct queue *q)
{
	if (q)
		q->ops->free(q);
}
