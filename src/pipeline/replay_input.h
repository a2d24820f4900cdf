/* A recording's bytes as lines: a file or standard input, plain or gzipped. */
#ifndef PREGAO_REPLAY_INPUT_H
#define PREGAO_REPLAY_INPUT_H

#include <stdatomic.h>

#include "err.h"
#include "hash.h"
#include "str.h"

#define REPLAY_LINE_MAX     ((size_t)1 << 20)
#define REPLAY_DOCUMENT_MAX ((size_t)16 << 20)

struct replay_input;
/* "-" is standard input, read to its end into a temporary file first. ERR_NOT_FOUND, ERR_DENIED, ERR_IO;
 * ERR_INPUT for a folder and for archives that are no gzip; ERR_LIMIT no room for standard input. */
int replay_input_open(const char *path, const atomic_bool *stop, struct replay_input **ret,
		      struct err *) MUST_CHECK;
/* The SHA-256 of the whole content, gzip undone, so that a recording stays the same when it is unpacked; up
 * to its end when it ends too early. Goes back to the beginning. ERR_INPUT for a gzip that is damaged: a
 * flipped bit may have become another price, and the checksum comes last. */
int replay_input_hash(struct replay_input *, char hex[HASH_HEX_SIZE], struct err *) MUST_CHECK;
/* Back to the beginning. */
int replay_input_rewind(struct replay_input *, struct err *) MUST_CHECK;

struct replay_text {
	struct slice text; /* without the end of line; valid until the next call */
	int64_t line;      /* from 1 */
	bool cut;          /* longer than REPLAY_LINE_MAX: only its beginning */
};
/* ERR_NOT_FOUND at the end; ERR_INPUT where the gzip ends too early, after all whole lines before that
 * place; ERR_CONFLICT when stopped. */
int replay_input_line(struct replay_input *, struct replay_text *ret, struct err *) MUST_CHECK;
/* The whole lines that follow, of the next `most` bytes (REPLAY_LINE_MAX at most), without taking them; the line given
 * last is no longer valid, and these are until the next call. */
struct slice replay_input_ahead(struct replay_input *, size_t most);
/* All that is left, at most REPLAY_DOCUMENT_MAX; ERR_LIMIT over that. */
int replay_input_rest(struct replay_input *, struct buf *out, struct err *) MUST_CHECK;
/* Of the file as it is stored. */
void replay_input_progress(const struct replay_input *, int64_t *ret_done, int64_t *ret_total);
void replay_input_free(struct replay_input *); /* NULL is fine */

#endif
