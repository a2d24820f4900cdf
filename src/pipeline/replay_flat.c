/* The quick reader of messages: one flat JSON object, or one such within {"stream": ..., "data": ...}. Nearly every line of
 * a recording is that, and a whole JSON reader takes ten times as long for it.
 *
 * What it takes, the whole reader takes too, and reads the same; whatever is out of the ordinary (escapes, lists, other
 * alphabets, exponents, a name twice, anything broken) it leaves to that one. */
#include "replay_flat.h"

#include <string.h>

struct reader {
	const char *at, *end;
	struct replay_flat *flat;
	char *to; /* where the texts go */
};

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* Copies what was read, as a C string. */
static const char *keep(struct reader *r, const char *from, size_t n)
{
	char *text = r->to;
	memcpy(text, from, n);
	text[n] = '\0';
	r->to += n + 1;
	return text;
}

static const char *read_text(struct reader *r)
{
	if (!take(r, '"'))
		return NULL;
	const char *from = r->at;
	while (r->at < r->end && *r->at >= ' ' && *r->at < 0x7f && *r->at != '"' && *r->at != '\\')
		r->at++;
	if (r->at == r->end || *r->at != '"')
		return NULL;
	return keep(r, from, (size_t)(r->at++ - from));
}

static size_t digits(struct reader *r)
{
	const char *from = r->at;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - from);
}

static const char *read_number(struct reader *r)
{
	const char *from = r->at;
	r->at += *r->at == '-';
	const char *first = r->at;
	size_t whole = digits(r);
	if (whole == 0 || (whole > 1 && *first == '0'))
		return NULL;
	if (r->at < r->end && *r->at == '.') {
		r->at++;
		if (digits(r) == 0)
			return NULL;
	}
	return keep(r, from, (size_t)(r->at - from));
}

static bool read_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

/* *ret is NULL for null. */
static bool read_scalar(struct reader *r, const char **ret)
{
	skip_blanks(r);
	if (r->at == r->end)
		return false;
	switch (*r->at) {
	case '"': *ret = read_text(r); return *ret != NULL;
	case 't': *ret = "true"; return read_word(r, "true");
	case 'f': *ret = "false"; return read_word(r, "false");
	case 'n': *ret = NULL; return read_word(r, "null");
	default: *ret = read_number(r); return *ret != NULL;
	}
}

static bool has_name(const struct replay_flat *flat, const char *name)
{
	for (size_t i = 0; i < flat->count; i++)
		if (flat->names[i][0] == name[0] && strcmp(flat->names[i], name) == 0)
			return true;
	return false;
}

static bool read_object(struct reader *r, bool outer)
{
	if (!take(r, '{'))
		return false;
	do {
		struct replay_flat *flat = r->flat;
		const char *name = read_text(r);
		if (!name || flat->count == REPLAY_FLAT_MAX || has_name(flat, name) ||
		    !take(r, ':'))
			return false;
		skip_blanks(r);
		if (outer && strcmp(name, "data") == 0) {
			/* Its members are the message; what stood before them is not. */
			flat->count = 0;
			return read_object(r, false) && take(r, '}');
		}
		if (!read_scalar(r, &flat->values[flat->count]))
			return false;
		flat->names[flat->count++] = name;
	} while (take(r, ','));
	return take(r, '}');
}

bool replay_flat_read(struct arena *arena, struct slice text, struct replay_flat *ret)
{
	/* Every text is followed by a byte at least that is none of it. */
	struct reader r = {text.p, text.p + text.n, ret, arena_alloc(arena, text.n + 1)};
	ret->count = 0;
	if (!read_object(&r, true))
		return false;
	skip_blanks(&r);
	return r.at == r.end;
}

const char *replay_flat_get(const void *ctx, const char *name)
{
	const struct replay_flat *flat = ctx;
	for (size_t i = 0; i < flat->count; i++)
		if (flat->names[i][0] == name[0] && strcmp(flat->names[i], name) == 0)
			return flat->values[i] && flat->values[i][0] ? flat->values[i] : NULL;
	return NULL;
}
