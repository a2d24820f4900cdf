/* The folder of a spool: the names of its segments, and what was set aside.
 *
 *   <first>.open             the segment that is being written, if any
 *   <first>-<last>.sealed    the numbers (20 digits) of its records, whatever became of them
 *   lock                     held by whoever appends
 *   life                     16 hexadecimal digits: which stream this is (stream_status.life)
 *   damaged/<first>-<offset>-<bytes>.torn      cut off the end of an open segment
 *   damaged/<first>-<offset>-<bytes>.damaged   copied out of the middle of one */
#ifndef PREGAO_SPOOL_FOLDER_H
#define PREGAO_SPOOL_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct spool_file {
	int64_t first;
	int64_t last; /* 0: open */
	int64_t bytes;
};
/* The segments by their first numbers; a missing folder has none. The caller frees *ret. */
int spool_list(const char *dir, struct spool_file **ret, size_t *ret_count,
	       struct err *) MUST_CHECK;
/* The path of a segment, open when last is 0; the caller frees it. */
char *spool_path(const char *dir, int64_t first, int64_t last);
char *spool_lock_path(const char *dir);

/* 0: none yet. ERR_INPUT when the file is damaged. */
int spool_life(const char *dir, int64_t *ret, struct err *) MUST_CHECK;
/* Durable on return; the writer's lock is held. */
int spool_set_life(const char *dir, int64_t life, struct err *) MUST_CHECK;

/* Copies bytes of a segment to damaged/ and syncs them. *ret_new is false when the same stretch was
 * set aside before. One thread at a time. */
int spool_set_aside(const char *dir, int fd, int64_t first, int64_t offset, int64_t bytes,
		    const char *reason, bool *ret_new, struct err *) MUST_CHECK;
/* How many stretches were set aside, and their bytes. */
int spool_count_aside(const char *dir, int64_t *ret_count, int64_t *ret_bytes,
		      struct err *) MUST_CHECK;

#endif
