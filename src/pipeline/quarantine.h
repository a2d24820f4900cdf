/* Quarantine: payloads that were refused, whole, with the reason and the place, to be looked at and
 * tried again. quarantine/<source path>/<sha256>.payload holds the bytes, <sha256>.json what is
 * known about them. Repeating changes nothing. */
#ifndef PREGAO_QUARANTINE_H
#define PREGAO_QUARANTINE_H

#include "extract.h"
#include "object_store.h"
#include "source.h"

/* In place of a source's path: where a recording's refused lines are kept, and what the deliverer could not read. Such a
 * payload is lines of JSON (quarantine_line), to be looked at; nothing is tried again. */
#define QUARANTINE_LINES   "bitcoin/replay"
#define QUARANTINE_RECORDS "bitcoin/stream"
struct quarantine_entry {
	const struct source *from; /* the row of the table of sources; NULL when this program knows
				      none by that path */
	const char *sha256;
	const char *key; /* of the payload */
	const char *reason, *text, *parser_version;
	int64_t line, column, offset; /* 0, 0, -1 when unknown */
	int64_t size_bytes;
	const char *source; /* URL or file */
	int status;
	const char *headers; /* or NULL */
	const char *index;   /* what the caller said it was, or NULL */
	int64_t at_us;
	bool lines;   /* of a recording, which is what can be corrected and replayed */
	bool records; /* of the stream */
};

/* One refused piece as a line of JSON: {<name>, "kind", "reason", "text", "bytes" (base64)}, name ("line", "seq") with its
 * number; without "kind" when that is NULL. */
void quarantine_line(struct buf *out, const char *name, int64_t number, const char *kind,
		     struct slice bytes, const struct err *why);

/* Puts both objects if they are absent. ret_sha256 may be NULL. Errors of object_store_put. */
int quarantine_put(struct object_store *, const struct source *, const struct payload *,
		   const struct err *why, char ret_sha256[HASH_HEX_SIZE], struct err *) MUST_CHECK;
/* Every entry, by source and hash. An entry whose description cannot be read is given with the
 * reason "unreadable". fn's non-zero stops and is returned. */
int quarantine_list(struct object_store *, int (*fn)(void *ctx, const struct quarantine_entry *),
		    void *ctx, struct err *) MUST_CHECK;
/* The one entry whose hash begins with the prefix. payload (may be NULL) gets the bytes.
 * ERR_NOT_FOUND; ERR_CONFLICT when several do. */
int quarantine_show(struct object_store *, const char *prefix, struct arena *,
		    struct quarantine_entry *ret, struct buf *payload, struct err *) MUST_CHECK;
/* Parses the entry again with this program's parser. Accepted: extracted as ever, with its first
 * source and time, then both objects are deleted. Refused: ERR_INPUT with today's reason, nothing
 * is changed. index (may be NULL) stands in for the one that the caller did not give then. */
int quarantine_replay(const struct extract *, const struct quarantine_entry *, const char *index,
		      struct arena *, struct extract_result *ret, struct err *) MUST_CHECK;

#endif
