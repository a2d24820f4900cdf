/* Filling and printing struct err. An error with nobody to read it goes into a spare one of the
 * thread, so that callers that do not care may pass NULL all the way down and still get the right
 * code back. */
#define PREGAO_ERR_C
#include "err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tr.h"

static _Thread_local struct err nobody;

static struct err *or_nobody(struct err *e)
{
	return e ? e : &nobody;
}

/* snprintf that never leaves half of a UTF-8 character at the end of what did not fit. */
static void cut_utf8(char *text, size_t size, size_t wanted)
{
	if (wanted < size)
		return;
	size_t n = size - 1;
	size_t back = n;
	while (back > 0 && n - back < 4 && ((unsigned char)text[back - 1] & 0xC0) == 0x80)
		back--;
	if (back > 0 && (unsigned char)text[back - 1] >= 0xC0) {
		unsigned char lead = (unsigned char)text[back - 1];
		size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
		if (n - (back - 1) < length)
			text[back - 1] = 0;
	}
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);
	size_t kept = n < size ? n : size - 1;
	memmove(to, from, kept);
	to[kept] = 0;
	cut_utf8(to, size, n);
}

static int begin(struct err *e, int code, const char *text)
{
	e->code = code;
	e->offset = -1;
	e->line = 0;
	e->column = 0;
	e->where[0] = 0;
	e->reason[0] = 0;
	copy_text(e->text, sizeof(e->text), text);
	return code;
}

/* Formats into a buffer of its own: an argument may point into the error that is about to be
 * overwritten. */
static void format_text(char *text, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
static void format_text(char *text, size_t size, const char *fmt, va_list args)
{
	text[0] = 0;
	int n = vsnprintf(text, size, tr(fmt), args);
	if (n > 0)
		cut_utf8(text, size, (size_t)n);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list args;
	va_start(args, fmt);
	format_text(text, sizeof(text), fmt, args);
	va_end(args);
	return begin(or_nobody(e), code, text);
}

static int code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT: return ERR_NOT_FOUND;
	case EEXIST: return ERR_CONFLICT;
	case EACCES:
	case EPERM:
	case EROFS: return ERR_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EMFILE:
	case ENFILE:
	case ENOMEM: return ERR_LIMIT;
	case EAGAIN:
	case EINTR: return ERR_RETRY;
	default: return ERR_IO;
	}
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
	char text[sizeof(e->text)], whole[sizeof(e->text)], reason[128];
	va_list args;
	va_start(args, fmt);
	format_text(text, sizeof(text), fmt, args);
	va_end(args);
	int n = snprintf(whole, sizeof(whole), "%s: %s", text,
			 strerror_r(errnum, reason, sizeof(reason)));
	cut_utf8(whole, sizeof(whole), (size_t)(n > 0 ? n : 0));
	return begin(or_nobody(e), code_of_errno(errnum), whole);
}

int err_where(struct err *e, const char *where)
{
	e = or_nobody(e);
	if (!e->where[0] && where)
		copy_text(e->where, sizeof(e->where), where);
	return e->code;
}

int err_at(struct err *e, int64_t line, int64_t column, int64_t offset)
{
	e = or_nobody(e);
	if (e->line == 0 && e->column == 0 && e->offset < 0) {
		e->line = line;
		e->column = column;
		e->offset = offset;
	}
	return e->code;
}

int err_reason(struct err *e, const char *reason)
{
	e = or_nobody(e);
	copy_text(e->reason, sizeof(e->reason), reason ? reason : "");
	return e->code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char text[sizeof(e->text)], whole[sizeof(e->text)];
	va_list args;
	va_start(args, fmt);
	format_text(text, sizeof(text), fmt, args);
	va_end(args);
	e = or_nobody(e);
	int n = snprintf(whole, sizeof(whole), "%s: %s", text, e->text);
	cut_utf8(whole, sizeof(whole), (size_t)(n > 0 ? n : 0));
	copy_text(e->text, sizeof(e->text), whole);
	return e->code;
}

const char *err_name(int code)
{
	static const char *const names[] = {
		[OK] = "OK",
		[-ERR_NOT_FOUND] = "NOT_FOUND",
		[-ERR_CONFLICT] = "CONFLICT",
		[-ERR_DENIED] = "DENIED",
		[-ERR_RETRY] = "RETRY",
		[-ERR_LIMIT] = "LIMIT",
		[-ERR_INPUT] = "INPUT",
		[-ERR_IO] = "IO",
		[-ERR_USAGE] = "USAGE",
		[-ERR_BUG] = "BUG",
	};
	int64_t at = -(int64_t)code;
	return at >= 0 && at < (int64_t)(sizeof(names) / sizeof(names[0])) ? names[at] : "UNKNOWN";
}

const char *err_format(const struct err *e, char *buf, size_t size)
{
	char where[sizeof(e->where) + 64] = "", byte[48] = "";
	int n = snprintf(where, sizeof(where), "%s", e->where);
	/* Lines without a name would read like a time of day. */
	if (e->line > 0)
		n += snprintf(where + n, sizeof(where) - (size_t)n,
			      n ? ":%" PRId64 : tr("line %" PRId64), e->line);
	if (e->line > 0 && e->column > 0)
		n += snprintf(where + n, sizeof(where) - (size_t)n, ":%" PRId64, e->column);
	if (e->offset >= 0)
		snprintf(byte, sizeof(byte), n ? " (byte %" PRId64 ")" : "byte %" PRId64,
			 e->offset);
	bool placed = n > 0 || byte[0];
	int wanted = snprintf(buf, size, "%s%s%s%s", where, byte, placed ? ": " : "", e->text);
	if (size > 0)
		cut_utf8(buf, size, (size_t)(wanted > 0 ? wanted : 0));
	return buf;
}
