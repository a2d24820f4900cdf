/* Delivery stream on one machine: a spool of append-only segments below a folder. A record carries a
 * length, its number, time, kind and a CRC; producers share a sync (group commit). See spool_folder.h
 * for the names and the top of spool_segment.c for the bytes. */
#ifndef PREGAO_DELIVERY_STREAM_SPOOL_H
#define PREGAO_DELIVERY_STREAM_SPOOL_H

#include "clock.h"
#include "delivery_stream.h"

enum spool_mode {
	SPOOL_APPEND, /* the one process that appends (a lock says which); it may do all else too */
	/* next, tail, forget; seals what a dead writer left, `now` or not; ERR_BUG for append */
	SPOOL_DELIVER,
	/* next, tail and status; makes no file, works on a folder that is not there; ERR_BUG for
	 * append, seal and forget */
	SPOOL_READ,
};
/* The calls to the operating system that can fail in ways that matter, so that tests can make them
 * fail; NULL, here and in spool_options, means the real one. Each as its namesake: -1 and errno. */
struct spool_io {
	ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t n, int64_t offset);
	int (*sync)(void *ctx, int fd); /* fdatasync */
	int (*truncate)(void *ctx, int fd, int64_t size);
	int (*rename)(void *ctx, const char *from, const char *to);
	int (*sync_folder)(void *ctx, int fd); /* fsync */
	void *ctx;
};
struct spool_options {
	const char *dir; /* "<lake>/state/stream/bitcoin" */
	const char *name;
	enum spool_mode mode;
	struct clock *clock;
	int64_t segment_bytes; /* sealed when it reaches this; 0: 8 MiB */
	int64_t age_us;        /* sealed when its first record is this old; 0: 60 s */
	/* of all segments but the newest sealed one, which stays for its number; 0: 1 GiB */
	int64_t limit_bytes;
	/* The number that a spool without any segment begins behind: a lake that was restored has records
	 * that no spool of its own has ever numbered. */
	int64_t after;
	/* Which stream it then goes on with; 0: a new one. A spool with segments knows that itself. */
	int64_t life;
	const struct spool_io *io;
	/* Something was set aside ("spool_torn", "spool_damaged"), or recovered from
	 * ("spool_recovered"); may be NULL. Called with no lock held. */
	void (*note)(void *ctx, const char *event, const char *text);
	void *ctx;
};
/* SPOOL_APPEND recovers first and seals what a dead writer left: a torn tail is cut at the last good
 * record, a damaged stretch with good records after it is copied to damaged/ and passed over from
 * then on; either way the bytes are kept there. What was written but not acknowledged when the writer
 * died may be delivered: whole records, with numbers of their own. Damage in a sealed segment is found,
 * and treated the same, when it is read by next or tail. Waits two seconds for a deliverer that is
 * sealing. ERR_CONFLICT when another process appends (its pid is named), ERR_DENIED, ERR_LIMIT, ERR_IO;
 * ERR_INPUT for segments of another version. */
int delivery_stream_spool_open(const struct spool_options *, struct delivery_stream **ret,
			       struct err *) MUST_CHECK;

#endif
