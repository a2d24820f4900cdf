/* Port: delivery stream. Records in, durable when acknowledged; somebody delivers them to the lake in
 * batches: our own deliverer (embedded), or Kinesis Firehose, which does it by itself.
 *
 * Records are opaque here but for their kind, which tells the table they are for (on Firehose: a
 * stream of its own), and the time of the event. The embedded driver numbers them from 1, without
 * holes, in the order of their acknowledgement. All calls may be made from any thread. */
#ifndef PREGAO_DELIVERY_STREAM_H
#define PREGAO_DELIVERY_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

#define STREAM_RECORD_MAX 1000000 /* bytes of a body; Firehose's own limit is 1000 KiB */
#define STREAM_KIND_MAX   15      /* bytes: small letters */
#define STREAM_APPEND_MAX 65536   /* records of one append */

struct stream_record {
	const char *kind;  /* "tick", "gap", "trade" */
	struct slice body; /* 1 to STREAM_RECORD_MAX bytes */
	int64_t event_us;  /* when it happened: a segment is sealed when a later hour begins */
};
/* A record as the stream keeps it; valid during the call that is given it. */
struct stream_entry {
	int64_t seq;
	int64_t at_us; /* when it was appended */
	struct stream_record record;
};
struct stream_status {
	/* Which stream it is: random, above 0, the same as long as numbers go on behind each other. Numbers of two
	 * lives have nothing to do with each other. 0: none yet, or the product numbers nothing. */
	int64_t life;
	int64_t last_seq;      /* 0: none yet */
	int64_t first_kept;    /* the oldest record still in the spool; 0: none */
	int64_t oldest_us;     /* when the oldest kept record was appended; 0: none */
	int64_t bytes, limit;  /* of the spool; 0, 0 where the product has none */
	int64_t segments;      /* sealed and open */
	int64_t damaged;       /* stretches of bytes that were set aside, ever */
	int64_t damaged_bytes; /* in them */
	bool failed;           /* a write failed and has not been recovered from */
};
/* A sealed segment: what is delivered as one. */
struct stream_segment {
	int64_t first, last; /* sequence numbers of its records */
	int64_t records, bytes;
};

struct delivery_stream;
struct delivery_stream_ops {
	int (*append)(struct delivery_stream *, const struct stream_record *, size_t n,
		      int64_t *ret_first, struct err *);
	int (*tail)(struct delivery_stream *, int64_t after,
		    int (*fn)(void *ctx, const struct stream_entry *, struct err *), void *ctx,
		    struct err *);
	int (*seal)(struct delivery_stream *, bool now, struct err *);
	int (*next)(struct delivery_stream *, int64_t after,
		    int (*fn)(void *ctx, const struct stream_entry *, struct err *), void *ctx,
		    struct stream_segment *ret, struct err *);
	int (*forget)(struct delivery_stream *, int64_t up_to, struct err *);
	int (*status)(struct delivery_stream *, struct stream_status *, struct err *);
	const char *(*name)(struct delivery_stream *);
	void (*free)(struct delivery_stream *);
};
struct delivery_stream {
	const struct delivery_stream_ops *ops;
};
/* Returns when all n records are durable, with consecutive numbers from *ret_first (0 where the
 * product numbers nothing); callers that come at the same time share one sync. After an error none
 * of them will ever be delivered on the embedded driver (Firehose: some may be), so they may be
 * appended again. ERR_LIMIT: the spool has reached its limit or the disk is full, try later; ERR_IO:
 * writing or syncing failed, the next append tries to recover first, and acknowledges nothing until
 * it has; ERR_INPUT: an empty or too long body, or more at once than the limit ever lets in; ERR_DENIED. */
int delivery_stream_append(struct delivery_stream *, const struct stream_record *, size_t n,
			   int64_t *ret_first, struct err *) MUST_CHECK;
/* Every record after the number that the stream still keeps, in order, also those not sealed yet: for
 * readers that cannot wait for the delivery. fn's non-zero stops and is returned. Records that are
 * forgotten meanwhile may be missing at the beginning. Products that keep nothing give nothing. */
int delivery_stream_tail(struct delivery_stream *, int64_t after,
			 int (*fn)(void *ctx, const struct stream_entry *, struct err *), void *ctx,
			 struct err *) MUST_CHECK;
/* Seals the open segment when it is due (size, age, a later hour), or in any case when now; to be
 * called about every second by whoever appends. A deliverer in another process seals what a dead
 * writer left open. Nothing to seal is no error. */
int delivery_stream_seal(struct delivery_stream *, bool now, struct err *) MUST_CHECK;
/* The first sealed segment that holds records after the number; fn gets each of those, in order.
 * ERR_NOT_FOUND: there is none, always so on products that deliver by themselves. */
int delivery_stream_next(struct delivery_stream *, int64_t after,
			 int (*fn)(void *ctx, const struct stream_entry *, struct err *), void *ctx,
			 struct stream_segment *ret, struct err *) MUST_CHECK;
/* Segments whose records are all delivered (up to and including the number) may go. The newest
 * sealed one is kept: its name tells where a restarted writer's numbers go on. */
int delivery_stream_forget(struct delivery_stream *, int64_t up_to, struct err *) MUST_CHECK;
int delivery_stream_status(struct delivery_stream *, struct stream_status *,
			   struct err *) MUST_CHECK;
const char *delivery_stream_name(struct delivery_stream *);

#define STREAM_LIFE_SIZE 17 /* 16 hexadecimal digits and NUL */
/* A life as files and properties tell it. */
const char *stream_life_format(int64_t life, char text[STREAM_LIFE_SIZE]);
bool stream_life_parse(struct slice, int64_t *ret); /* false, and nothing set: it is none */
void delivery_stream_free(struct delivery_stream *);

#endif
