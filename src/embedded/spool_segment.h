/* The bytes of one spool segment: making records, and reading a file of them that may be torn,
 * damaged, or just being written. */
#ifndef PREGAO_SPOOL_SEGMENT_H
#define PREGAO_SPOOL_SEGMENT_H

#include "delivery_stream.h"

#define SEGMENT_HEADER_BYTES 32
#define SEGMENT_RECORD_BYTES 56 /* of a record, before its body */

void segment_header(char out[SEGMENT_HEADER_BYTES], int64_t first);
/* Writes the record without number and time; the room taken is SEGMENT_RECORD_BYTES and the body.
 * Returns the place behind it. */
char *segment_encode(char *to, const struct stream_record *);
/* Numbers the encoded records from first on, and gives them their time. */
void segment_stamp(char *records, size_t bytes, int64_t first, int64_t at_us);

struct segment_scan {
	int fd;
	int64_t first; /* the number of its first record, from its name */
	int64_t last;  /* sealed: the number of its last one; 0: not known */
	int64_t size;  /* bytes of the file to look at; -1: all */
	/* Another process may be writing it: what looks damaged is looked at again. */
	bool live;
	/* Each good record, in order. Non-zero stops and is returned. May be NULL. */
	int (*entry)(void *ctx, const struct stream_entry *, struct err *);
	/* Each damaged stretch that has a good record behind it, before that record. May be NULL. */
	int (*damaged)(void *ctx, int64_t offset, int64_t bytes, struct err *);
	void *ctx;
};
struct segment_found {
	int64_t records;
	int64_t last; /* of the last good record; first - 1: there is none */
	int64_t end;  /* behind the last good record; 0: there is not even a header */
	/* Behind the last byte after `end` that is not zero (zeros are room that was made ahead);
	 * equal to `end` when there is none. */
	int64_t rubbish_end;
};
/* ERR_INPUT for a segment of another version, ERR_IO when it cannot be read; memory: one record. */
int segment_scan(const struct segment_scan *, struct segment_found *ret, struct err *) MUST_CHECK;

#endif
