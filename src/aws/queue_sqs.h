/* Queue on SQS (standard queues), or on anything that speaks its JSON protocol. Dead letters lie in the queue that the
 * queue's own redrive policy names. */
#ifndef PREGAO_QUEUE_SQS_H
#define PREGAO_QUEUE_SQS_H

#include "call.h"
#include "queue.h"

struct queue_sqs_options {
	struct aws *aws; /* must outlive the queue */
	const char
		*url; /* "https://sqs.sa-east-1.amazonaws.com/123456789012/pregao-events"; exists */
	const char *name; /* what the program calls it: "events" */
	int wait_seconds; /* a receive waits so long for a first message: 0 to 20 */
};
/* Asks nothing of SQS. May be used from several threads at once.
 *
 * Times of hiding are rounded up to whole seconds. A receive gives ten messages at most. How often a message may be
 * received is the redrive policy's maxReceiveCount; without a policy nothing ever is dead. A message can be hidden for
 * 12 hours from its receive, however often that is extended. A live queue cannot be looked at without receiving, which
 * would count: peeking is ERR_USAGE with the reason "unsupported". Dead letters can, because nobody counts theirs.
 * redrive moves them by receiving, sending and removing, not by SQS's own move task, which ends some time later and
 * cannot move a single one: a redrive that is cut off may leave a message in both queues, never in none. */
struct queue *queue_sqs_new(const struct queue_sqs_options *);

#endif
