/* Text: slices that point into somebody else's bytes, and a growing buffer with a ceiling. */
#ifndef PREGAO_STR_H
#define PREGAO_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

/* Bytes that somebody else owns; not NUL-terminated. */
struct slice {
	const char *p;
	size_t n;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_FMT(s)   (int)(s).n, (s).p /* for "%.*s" */
struct slice slice_of(const char *s);    /* NULL gives an empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *s);
bool slice_starts(struct slice a, const char *prefix);
bool slice_ends(struct slice a, const char *suffix);
struct slice slice_trim(struct slice); /* blanks and tabs at both ends */
/* Cuts off and returns what stands before the first `sep` (everything when there is none); *rest
 * then begins after it. */
struct slice slice_cut(struct slice *rest, char sep);

/* A growing buffer; always NUL-terminated when it has a data pointer. Over its ceiling it keeps
 * what it has and sets `full`; the caller checks once at the end. Zero-initialised means empty with
 * a ceiling of 256 MiB. */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t ceiling; /* bytes; 0 means the default */
	bool full;
};
void buf_add(struct buf *, const void *bytes, size_t n);
void buf_str(struct buf *, const char *s);
void buf_char(struct buf *, char c);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "..." with JSON escapes; n bytes of UTF-8 */
void buf_json_str(struct buf *, const char *s, size_t n);
void buf_sql_str(struct buf *, const char *s);  /* '...' with quotes doubled */
void buf_sql_name(struct buf *, const char *s); /* "..." with quotes doubled */
void buf_reset(struct buf *);                   /* empty, memory kept */
void buf_free(struct buf *);                    /* memory given back, empty */
char *buf_take(struct buf *); /* the bytes as a malloc()ed string; the buffer is empty then */
struct slice buf_slice(const struct buf *);
#define AUTO_BUF CLEANUP(buf_free)

bool str_is_utf8(const char *p, size_t n); /* strict: no overlong forms, no surrogates, no NUL */
/* Latin-1 to UTF-8, appended. */
void buf_latin1(struct buf *, const char *p, size_t n);
/* The closest of `names` to `word` by edit distance when near enough to be a slip of the hand, else
 * NULL. */
const char *str_nearest(const char *word, const char *const *names, size_t count);
bool str_among(const char *s, const char *const *list, size_t count);
int64_t str_hash(const char *s, size_t n);

#endif
