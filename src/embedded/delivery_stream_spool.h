/* Delivery stream on one machine: a spool of append-only segments below a folder,
 * "<first seq, 20 digits>.open" or ".sealed". A record carries a length, its number, time, kind and a
 * CRC; producers share a sync (group commit). See the top of spool_segment.c for the bytes. */
#ifndef PREGAO_DELIVERY_STREAM_SPOOL_H
#define PREGAO_DELIVERY_STREAM_SPOOL_H

#include "clock.h"
#include "delivery_stream.h"

enum spool_mode {
	SPOOL_APPEND, /* the one process that appends (a lock says which); it may do all else too */
	SPOOL_DELIVER, /* seals what a dead writer left, forgets; ERR_BUG for append */
	SPOOL_READ,    /* tail and status; makes no file, works on a folder that is not there */
};
/* The calls to the operating system that can fail in ways that matter, so that tests can make them
 * fail; NULL in spool_options means the real ones. Each as its namesake: -1 and errno. */
struct spool_io {
	ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t n, int64_t offset);
	int (*sync)(void *ctx, int fd); /* fdatasync */
	int (*truncate)(void *ctx, int fd, int64_t size);
	void *ctx;
};
struct spool_options {
	const char *dir; /* "<lake>/state/stream/bitcoin" */
	const char *name;
	enum spool_mode mode;
	struct clock *clock;
	int64_t segment_bytes; /* sealed when it reaches this; 0: 8 MiB */
	int64_t age_us;        /* sealed when its first record is this old; 0: 60 s */
	int64_t limit_bytes;   /* of all segments together; 0: 1 GiB */
	const struct spool_io *io;
	/* Something was set aside, cut, or recovered from; may be NULL. Called with no lock held. */
	void (*note)(void *ctx, const char *event, const char *text);
	void *ctx;
};
/* SPOOL_APPEND recovers first: a torn tail is cut at the last good record, a damaged stretch with good
 * records after it is copied to damaged/ and passed over from then on; either way the bytes are kept
 * there. ERR_CONFLICT when another process appends (its pid is named), ERR_DENIED, ERR_LIMIT, ERR_IO;
 * ERR_INPUT for segments of another version. */
int delivery_stream_spool_open(const struct spool_options *, struct delivery_stream **ret,
			       struct err *) MUST_CHECK;

#endif
