/* From a payload to rows in the lake: parse, land the bytes, write raw Parquet, publish; or refuse,
 * and keep the refused in quarantine. Unchanged content writes nothing and so triggers nothing. */
#ifndef PREGAO_EXTRACT_H
#define PREGAO_EXTRACT_H

#include "publish.h"
#include "source.h"
#include "telemetry.h"

struct extract {
	struct publish publish; /* store, catalog, clock, parquet, how long to wait for the lock */
	struct telemetry *telemetry; /* may be NULL */
	const char *run;             /* of the pass, for log events; may be NULL */
	bool force; /* writes unchanged sessions again: their files may be lost or damaged */
};

enum extract_outcome {
	EXTRACT_NEW,       /* the session was not there */
	EXTRACT_CHANGED,   /* it was, with other content: replaced */
	EXTRACT_DETAILED,  /* the same content, now with the detail (sectors) that it lacked:
			      replaced */
	EXTRACT_UNCHANGED, /* nothing was written */
	EXTRACT_REFUSED,   /* in quarantine; the error says why */
};
const char *extract_outcome_name(enum extract_outcome); /* "new" ... */

/* Strings live in the arena given to extract_add. */
struct extract_result {
	enum extract_outcome outcome;
	const char *scope; /* "data_pregao=2024-07-15/index_code=IBOV"; NULL when refused */
	const char *values[TABLE_MAX_PARTITION]; /* plain: "2024-07-15", "IBOV" */
	const char *landed_on;   /* ISO date: the as-of that a job takes by default */
	const char *landing_key; /* or the key in quarantine */
	char sha256[HASH_HEX_SIZE];
	int64_t rows;                 /* of the first table */
	int64_t bytes;                /* of the payload */
	int64_t raw_bytes, raw_files; /* written; 0 when unchanged or refused */
	bool lost_detail;             /* what was replaced had the detail (sectors), this has not */
	int64_t flush; /* the flush that makes it durable, see extract_dropped; 0: it is already */
};

struct extract_batch;
/* A batch takes the tables' locks when it first has something to write and keeps them to its end,
 * so that many payloads pay once. e is borrowed. */
struct extract_batch *extract_begin(const struct extract *, const struct source *);
/* Parses and stages one payload; nothing of it is kept. 0: it is staged (or unchanged) and becomes
 * durable and visible with the next extract_flush; a payload of a session that is already staged
 * flushes first. ERR_INPUT: it was refused and is in quarantine, ret says so, the others are not
 * touched. Any other code: the machine failed, nothing that was staged since the last flush is
 * visible. */
int extract_add(struct extract_batch *, const struct payload *, struct arena *,
		struct extract_result *ret, struct err *) MUST_CHECK;
/* Lands the bytes, then publishes all staged sessions in one commit. Nothing staged is fine. On
 * failure what was staged is dropped. */
int extract_flush(struct extract_batch *, struct err *) MUST_CHECK;
size_t extract_staged(const struct extract_batch *);       /* payloads that wait for a flush */
size_t extract_staged_bytes(const struct extract_batch *); /* that are held to be landed */
/* The number of the last flush that was dropped, 0 when none was: results with that number are
 * lost, all others are durable or still wait. To be asked after each failure of add or flush. */
int64_t extract_dropped(const struct extract_batch *);
/* Drops what was not flushed, removes what nobody needs any more, unlocks. NULL is fine. */
void extract_end(struct extract_batch *);

/* One payload, all of it: begin, add, flush, end. */
int extract_payload(const struct extract *, const struct source *, const struct payload *,
		    struct arena *, struct extract_result *ret, struct err *) MUST_CHECK;

#endif
