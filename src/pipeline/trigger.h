/* Triggers: an object created under raw/ becomes a message, a message starts a job for the
 * partitions concerned. Nothing is lost; duplicates may be. */
#ifndef PREGAO_TRIGGER_H
#define PREGAO_TRIGGER_H

#include "catalog.h"
#include "job_engine.h"
#include "queue.h"

/* Who is told of which objects. Each route has a mark of its own in the catalog: a queue that is new, or
 * was out of reach for a while, misses nothing. */
struct trigger_route {
	struct queue *queue;
	const char *mark; /* its name in the catalog */
	const char *const
		*prefixes; /* locations: "raw", "raw/bitcoin_ticks"; whole folders count */
	size_t prefix_count;
};
/* Sends a message in the form of S3's event notifications for every published file below a route's
 * prefixes that is new since that route's mark, then moves the mark: a death in between sends again.
 * A queue that fails keeps its mark and does not keep the others from theirs; the first failure is
 * returned. Needed only where object_store_notifies() is false: where the store notifies by itself,
 * each queue is a notification rule of the store, and nothing is to be relayed to any. *ret_sent counts
 * messages. */
int trigger_relay_routes(struct catalog *, const struct trigger_route *, size_t n, const char *lake,
			 int64_t *ret_sent, struct err *) MUST_CHECK;
/* The same for the one queue that starts jobs: everything raw. lake is the bucket's name in the
 * message. */
#define TRIGGER_MARK "trigger"
#define TRIGGER_RAW  "raw"
int trigger_relay(struct catalog *, struct queue *, const char *lake, int64_t *ret_sent,
		  struct err *) MUST_CHECK;

/* Objects below the location start the job. */
struct activation {
	const char *location_prefix; /* the table's location: "raw/portfolio"; what lies below
					"raw/portfolio_total" is not meant */
	const char *job;
	size_t scope_count; /* how many partition folders make the scope; 0: all */
};
struct trigger_result {
	int64_t messages; /* received */
	int64_t started;  /* runs recorded */
	int64_t scopes;   /* in those runs */
	int64_t ignored;  /* messages of no job, test events */
	int64_t failed; /* given back to the queue with a reason; what keeps failing becomes a dead
			   letter */
	struct err
		first_error; /* why the first of those failed, and the job or the message's place; no code when none did */
};
#define TRIGGER_SCOPES_MAX 512 /* of one run */
/* Takes messages until the queue has none, starts one run per (job, as-of) for their scopes, and
 * deletes the messages of a run only after it was recorded. as_of: AS_OF_LANDED takes the date that
 * travels in each message; another date (an operator's --as-of) stands for all of them. 0 also when
 * some messages failed (ret says how many). started (may be NULL) is told of every run. */
int trigger_activate(struct queue *, struct job_engine *, const struct activation *, size_t n,
		     int32_t as_of,
		     void (*started)(void *ctx, const char *run, const struct job_request *),
		     void *ctx, struct trigger_result *ret, struct err *) MUST_CHECK;
/* The same for messages that somebody else received, and removes or keeps by what is said of them: a function's
 * event. A failed one was started in part, or not at all: ret->first_error tells why the first of them did. */
struct trigger_message {
	struct slice body;
	const char *id; /* for errors */
	bool failed;    /* out */
};
void trigger_messages(struct trigger_message *, size_t n, struct job_engine *,
		      const struct activation *, size_t activation_count, int32_t as_of,
		      struct trigger_result *ret);

#endif
