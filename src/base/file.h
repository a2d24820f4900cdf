/* Files and folders of this machine: whole reads with a ceiling, durable writes, locks, trees. */
#ifndef PREGAO_FILE_H
#define PREGAO_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "str.h"

/* Reads all of a file ("-" is standard input) into out, at most ceiling_bytes. ERR_LIMIT when it is
 * longer, ERR_NOT_FOUND, ERR_DENIED, ERR_IO; ERR_INPUT when it is a folder. */
int file_read(const char *path, size_t ceiling_bytes, struct buf *out, struct err *) MUST_CHECK;
/* Creates a new file (O_EXCL), writes it, and fsyncs it when durable. The folder is not synced.
 * Removes what it made on failure. ERR_CONFLICT when the path exists. */
int file_create(const char *path, const void *bytes, size_t n, bool durable,
		struct err *) MUST_CHECK;
/* Writes all of it, over interruptions; 0 or errno. */
int fd_write_all(int fd, const void *bytes, size_t n) MUST_CHECK;
int file_fsync(const char *path, struct err *) MUST_CHECK; /* a file or a folder */
/* Syncs the folder that path lies in, so that a name made or renamed there lasts. */
int file_fsync_folder_of(const char *path, struct err *) MUST_CHECK;
/* mkdir -p. Folders that it makes are synced into their parents when durable. */
int file_mkdirs(const char *path, bool durable, struct err *) MUST_CHECK;
/* Whether that could be done, and files made in the folder, as far as it can be known: nothing is
 * changed. Of what does not exist yet, the nearest folder above counts. The path is absolute. */
int file_mkdirs_check(const char *path, struct err *) MUST_CHECK;
/* rm -r; a missing path is no error. Does not follow symbolic links. */
int file_remove_tree(const char *path, struct err *) MUST_CHECK;
/* Calls fn for each regular file below dir (relative path, in byte order of the whole relative
 * path); fn's non-zero stops and is returned. A missing dir is no error, nor is what goes away
 * meanwhile. Names that begin with '.' are included; symbolic links are passed over. ERR_LIMIT for
 * folders nested more than 64 deep. */
int file_walk(const char *dir, int (*fn)(void *ctx, const char *relative_path, int64_t size_bytes),
	      void *ctx, struct err *) MUST_CHECK;

/* An exclusive or shared flock(2) on path (created when missing, mode 0600). Waits up to wait_us
 * (polling with the given clock); on_wait (may be NULL) is called once with the holder's pid (0
 * unknown) before the first sleep. ERR_CONFLICT when it is still held then, naming the holder's
 * pid, which exclusive holders write into the file. */
struct clock;
int file_lock(const char *path, bool exclusive, struct clock *, int64_t wait_us,
	      void (*on_wait)(void *ctx, pid_t holder), void *ctx, int *ret_fd,
	      struct err *) MUST_CHECK;
void file_unlock(int fd); /* closes; -1 is fine */

/* Runs fn(ctx, i) for every i in 0..n-1, in no order, on up to `threads` threads, the caller's
 * being one of them; returns the first non-zero code (by index) with its err. A failure does not
 * keep the others from running. */
int parallel_for(size_t n, int threads, int (*fn)(void *ctx, size_t i, struct err *), void *ctx,
		 struct err *) MUST_CHECK;

#endif
