/* Port: queue. At-least-once delivery with a visibility timeout and dead letters; no order promised
 * (SQS standard queues). A message that was received max_receives times without being deleted
 * becomes a dead letter at the next receive. */
#ifndef PREGAO_QUEUE_H
#define PREGAO_QUEUE_H

#include <stdint.h>

#include "err.h"
#include "mem.h"
#include "str.h"

#define QUEUE_BODY_MAX 262144 /* bytes: SQS's own limit */
/* 12 hours: SQS's own limit; longer is ERR_LIMIT in every call that hides a message */
#define QUEUE_VISIBILITY_MAX_US 43200000000
struct queue_message {
	char id[40];
	/* of this receive; a later receive of the same message makes it stale. In the arena; "" when peeked */
	const char *receipt;
	const char *body; /* UTF-8, in the arena */
	int64_t receives; /* how often received, this time included */
	int64_t sent_us;
	int64_t visible_us;     /* from when on it can be received again */
	const char *last_error; /* what queue_fail last said, or NULL */
};
struct queue_stats {
	int64_t visible, in_flight, dead;
	/* when the oldest live message was sent; 0: none, or the product does not tell (SQS) */
	int64_t oldest_us;
};

struct queue;
struct queue_ops {
	int (*send)(struct queue *, const struct slice *bodies, size_t n, struct err *);
	int (*receive)(struct queue *, size_t max, int64_t visibility_us, struct arena *,
		       struct queue_message *ret, size_t *ret_count, struct err *);
	int (*remove)(struct queue *, const char *const *receipts, size_t n, struct err *);
	int (*extend)(struct queue *, const char *receipt, int64_t visibility_us, struct err *);
	int (*fail)(struct queue *, const char *receipt, int64_t retry_us, const char *why,
		    struct err *);
	int (*stats)(struct queue *, struct queue_stats *, struct err *);
	int (*peek)(struct queue *, bool dead, size_t max, struct arena *,
		    struct queue_message *ret, size_t *ret_count, struct err *);
	int (*redrive)(struct queue *, const char *id, int64_t *ret_count, struct err *);
	const char *(*name)(struct queue *);
	void (*free)(struct queue *);
};
struct queue {
	const struct queue_ops *ops;
};
/* All or nothing on the embedded driver; on SQS batches of ten, so after an error some may have
 * been sent: send again, duplicates are allowed. The messages are durable on return. ERR_LIMIT for
 * a body over QUEUE_BODY_MAX, ERR_INPUT for one that is empty, not UTF-8, or has control characters
 * other than tab, LF and CR (SQS refuses them). */
int queue_send(struct queue *, const struct slice *bodies, size_t n, struct err *) MUST_CHECK;
/* Up to max visible messages (may be fewer than there are); hides them for visibility_us. ret has
 * room for max. None: 0 and *ret_count 0. */
int queue_receive(struct queue *, size_t max, int64_t visibility_us, struct arena *,
		  struct queue_message *ret, size_t *ret_count, struct err *) MUST_CHECK;
/* Deletes received messages. A stale receipt is ignored; on SQS it may still delete. */
int queue_remove(struct queue *, const char *const *receipts, size_t n, struct err *) MUST_CHECK;
/* Hides it for visibility_us from now. ERR_NOT_FOUND for a stale receipt, where the
 * product knows it for one (SQS: of a message that is gone). */
int queue_extend(struct queue *, const char *receipt, int64_t visibility_us,
		 struct err *) MUST_CHECK;
/* Gives it back: visible again after retry_us, `why` kept with it where the product can (SQS
 * cannot: it goes to the log only). */
int queue_fail(struct queue *, const char *receipt, int64_t retry_us, const char *why,
	       struct err *) MUST_CHECK;
/* approximate on SQS */
int queue_stats(struct queue *, struct queue_stats *, struct err *) MUST_CHECK;
/* Live or dead messages without taking them; oldest first; receipt is empty.
 * ERR_USAGE with the reason "unsupported" for live ones where the product cannot (SQS). */
int queue_peek(struct queue *, bool dead, size_t max, struct arena *, struct queue_message *ret,
	       size_t *ret_count, struct err *) MUST_CHECK;
/* Sends dead letters again (id NULL: all) with a receive count of 0 (on
 * SQS under a new id). ERR_NOT_FOUND when the id is
 * no dead letter. */
int queue_redrive(struct queue *, const char *id, int64_t *ret_count, struct err *) MUST_CHECK;
const char *queue_name(struct queue *);
void queue_free(struct queue *);

#endif
