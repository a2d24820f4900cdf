/* Errors: a negative code that says what to do about it, and a struct err that says what and where.
 * Libraries (everything below roles, server and cli) return errors; they never print or log
 * them. */
#ifndef PREGAO_ERR_H
#define PREGAO_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OK = 0,
	ERR_NOT_FOUND = -1, /* the named thing does not exist */
	ERR_CONFLICT = -2,  /* it exists already, or somebody else changed or holds it */
	ERR_DENIED = -3,    /* not permitted (file mode, read-only lake, role, sandbox) */
	/* may work later, nothing was changed (busy, throttled, 5xx, cut connection) */
	ERR_RETRY = -4,
	ERR_LIMIT = -5, /* a ceiling was reached (size, memory, time, disk full) */
	ERR_INPUT = -6, /* what came from outside is wrong; trying again will not help */
	ERR_IO = -7,    /* the disk or the network failed */
	ERR_USAGE = -8, /* the caller's words or the configuration are wrong */
	ERR_BUG = -9,   /* a promise inside the program was broken */
};

/* The caller owns a struct err (usually on its stack, `struct err err = ERR_INIT;`) and may read it
 * only after a function that was given it returned non-zero. It needs no freeing. line, column and
 * offset are 0, 0 and -1 when unknown; line and column count from 1, offset is a byte offset from
 * 0. */
struct err {
	int code;
	int64_t offset;
	int64_t line;
	int64_t column;
	char where[256]; /* file, object key, URL or node; empty when unknown */
	/* short stable machine word, never translated: "sum_mismatch"; empty when there is none */
	char reason[48];
	char text[1024]; /* one sentence for a person, without the place */
};

/* clang-format off */
#define ERR_INIT {.offset = -1}
/* clang-format on */
#define MUST_CHECK              __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Sets code and text (the format is looked up with tr(), so it is given in English), clears the
 * place. e may be NULL, here and below: an error that nobody reads still yields its code. Returns
 * code, so that `return err_set(e, ERR_IO, ...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same, with ": strerror(errnum)" appended; the code is chosen from errnum (ENOENT: NOT_FOUND,
 * EEXIST: CONFLICT, EACCES, EPERM, EROFS: DENIED, ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE, ENOMEM:
 * LIMIT, EAGAIN, EINTR: RETRY, else IO). */
int err_errno(struct err *e, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Adds the place to an error that has none yet; returns e->code. */
int err_where(struct err *e, const char *where);
int err_at(struct err *e, int64_t line, int64_t column, int64_t offset);
int err_reason(struct err *e, const char *reason);
/* Puts "<fmt>: " before the text (what was being done); returns e->code. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
#if defined(__clang_analyzer__) && !defined(PREGAO_ERR_C)
/* clang's analyzer sees one file at a time: here it is told that none of these ever returns 0. */
static inline int err_never_zero(int code)
{
	return code | ERR_BUG;
}
#define err_set(...)    err_never_zero((err_set)(__VA_ARGS__))
#define err_errno(...)  err_never_zero((err_errno)(__VA_ARGS__))
#define err_where(...)  err_never_zero((err_where)(__VA_ARGS__))
#define err_at(...)     err_never_zero((err_at)(__VA_ARGS__))
#define err_reason(...) err_never_zero((err_reason)(__VA_ARGS__))
#define err_wrap(...)   err_never_zero((err_wrap)(__VA_ARGS__))
#endif
/* "NOT_FOUND" and so on. */
const char *err_name(int code);
/* "where:line:column (byte N): text" in buf, for a person; returns buf. */
const char *err_format(const struct err *e, char *buf, size_t size);

#endif
