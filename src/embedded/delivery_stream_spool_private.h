/* What the files of the spool share; nobody else includes it. delivery_stream_spool.c opens and reads,
 * the others write, as the parts below say. */
#ifndef PREGAO_DELIVERY_STREAM_SPOOL_PRIVATE_H
#define PREGAO_DELIVERY_STREAM_SPOOL_PRIVATE_H

#include <pthread.h>

#include "delivery_stream_spool.h"
#include "spool_folder.h"

/* What is to be told through note() once no lock is held. */
struct spool_notes {
	struct spool_note {
		const char *event;
		char *text;
	} * items;
	size_t count, cap;
};

/* The segment that is being written. */
struct spool_open {
	int64_t first;       /* 0: there is none */
	int fd;              /* -1: not made yet, or not usable any more */
	int64_t length;      /* bytes that are acknowledged, and the header */
	int64_t zeroed;      /* bytes that are on the disk; what is beyond length is zeros */
	int64_t began_us;    /* when its first record came, by the monotonic clock */
	int64_t newest_hour; /* of its records' events, in hours since 1970 */
	bool named; /* it has its sealed name, or none if it is empty, but perhaps not for ever yet */
};

struct spool_request;
struct spool {
	struct delivery_stream stream;
	struct spool_options options; /* dir and name are this struct's own */
	struct spool_io io;
	int lock_fd;

	pthread_mutex_t mutex;
	/* Who waits for a group to be written; the first one leads. */
	struct spool_request *head, **end;
	size_t waiting;    /* requests in the queue and in the group that is written */
	bool led;          /* somebody leads: what is below may change, by them alone */
	size_t last_group; /* requests in the group before */

	/* Changed by who leads, with the mutex held. */
	struct spool_open open;
	int64_t last_seq; /* acknowledged */
	bool failed;

	/* Of who leads alone. */
	int64_t sealed_bytes; /* as of the last listing; others may have forgotten some since */
	char *group;          /* the bytes of several requests together */
	size_t group_cap;
	char *zeros;

	pthread_mutex_t aside_mutex; /* who copies damaged bytes */
};
static inline struct spool *spool_of(struct delivery_stream *s)
{
	return (struct spool *)s;
}

/* -- delivery_stream_spool.c */
void spool_note(struct spool_notes *, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Tells what there is, and empties it. No lock is held. */
void spool_tell(struct spool *, struct spool_notes *);
/* Sets a stretch aside and notes it, unless it was before. */
int spool_keep_damaged(struct spool *, int fd, int64_t first, int64_t offset, int64_t bytes,
		       const char *reason, struct spool_notes *, struct err *) MUST_CHECK;
int spool_refuse(const struct spool *, const char *call, struct err *) MUST_CHECK;

/* -- delivery_stream_spool_append.c: group commit */
int spool_append(struct delivery_stream *, const struct stream_record *, size_t n,
		 int64_t *ret_first, struct err *) MUST_CHECK;
int spool_seal(struct delivery_stream *, bool now, struct err *) MUST_CHECK;

/* -- delivery_stream_spool_seal.c: making, sealing and recovering segments; by who leads */
int spool_create(struct spool *, struct err *) MUST_CHECK;
/* The open segment, of which all is acknowledged, becomes a sealed one. */
int spool_seal_open(struct spool *, struct err *) MUST_CHECK;
/* After a failure: what was not acknowledged goes, what was is sealed. */
int spool_recover(struct spool *, struct spool_notes *, struct err *) MUST_CHECK;
/* Recovers and seals the open segments that dead writers left; the writer's lock is held. *ret_last
 * becomes the highest number that a segment's name tells, *ret_bytes what the sealed segments hold. */
int spool_seal_orphans(struct spool *, struct spool_notes *, int64_t *ret_last, int64_t *ret_bytes,
		       struct err *) MUST_CHECK;
/* From now on a request has to recover first. */
void spool_fail(struct spool *);
/* Writes all of it, over interruptions; 0 or errno. */
int spool_write_all(struct spool *, int fd, const char *bytes, size_t n, int64_t offset) MUST_CHECK;

#endif
