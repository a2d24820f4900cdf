/* Slices, the growing buffer, and the few things done to text everywhere: quoting, UTF-8, the
 * nearest word. */
#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CEILING_DEFAULT_BYTES ((size_t)256 << 20)

struct slice slice_of(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_of(s));
}

bool slice_starts(struct slice a, const char *prefix)
{
	size_t n = strlen(prefix);
	return n == 0 || (a.n >= n && memcmp(a.p, prefix, n) == 0);
}

bool slice_ends(struct slice a, const char *suffix)
{
	size_t n = strlen(suffix);
	return n == 0 || (a.n >= n && memcmp(a.p + a.n - n, suffix, n) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct slice slice_cut(struct slice *rest, char sep)
{
	struct slice first = *rest;
	const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
	if (!at) {
		rest->p = rest->n ? rest->p + rest->n : rest->p;
		rest->n = 0;
		return first;
	}
	first.n = (size_t)(at - rest->p);
	rest->p = at + 1;
	rest->n -= first.n + 1;
	return first;
}

/* Room for n more bytes and a NUL; false, and full, when the ceiling forbids it. Once full nothing
 * is added any more, so that what is kept has no holes. */
static bool make_room(struct buf *b, size_t n)
{
	size_t ceiling = b->ceiling ? b->ceiling : CEILING_DEFAULT_BYTES;
	if (b->full || b->len > ceiling || n > ceiling - b->len) {
		b->full = true;
		return false;
	}
	size_t wanted = b->len + n + 1;
	if (wanted > b->cap) {
		size_t wider = b->cap ? b->cap * 2 : 64;
		if (wider < wanted)
			wider = wanted;
		b->data = mem_grow(b->data, wider, 1);
		b->cap = wider;
	}
	return true;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (!make_room(b, n))
		return;
	if (n)
		memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = 0;
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n >= 0 && make_room(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void buf_json_str(struct buf *b, const char *s, size_t n)
{
	buf_char(b, '"');
	size_t from = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(b, s + from, i - from);
		from = i + 1;
		switch (c) {
		case '"': buf_str(b, "\\\""); break;
		case '\\': buf_str(b, "\\\\"); break;
		case '\n': buf_str(b, "\\n"); break;
		case '\r': buf_str(b, "\\r"); break;
		case '\t': buf_str(b, "\\t"); break;
		default: buf_printf(b, "\\u%04x", c); break;
		}
	}
	if (n > from)
		buf_add(b, s + from, n - from);
	buf_char(b, '"');
}

static void quoted(struct buf *b, const char *s, char quote)
{
	buf_char(b, quote);
	for (struct slice rest = slice_of(s); rest.n;) {
		struct slice part = slice_cut(&rest, quote);
		buf_add(b, part.p, part.n);
		/* The cut also ends at the end of the text, where no quote was. */
		if (part.p[part.n] == quote) {
			buf_char(b, quote);
			buf_char(b, quote);
		}
	}
	buf_char(b, quote);
}

void buf_sql_str(struct buf *b, const char *s)
{
	quoted(b, s, '\'');
}

void buf_sql_name(struct buf *b, const char *s)
{
	quoted(b, s, '"');
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->full = false;
	if (b->data)
		b->data[0] = 0;
}

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	b->full = false;
}

char *buf_take(struct buf *b)
{
	char *text = b->data ? b->data : mem_alloc(1);
	b->data = NULL;
	buf_free(b);
	return text;
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->data, b->len};
}

/* The length of the UTF-8 character at p, 0 when there is none (RFC 3629, table 3-7 of the Unicode
 * standard). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	unsigned char c = p[0];
	if (c < 0x80)
		return c ? 1 : 0;
	size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
	if (c < 0xC2 || c > 0xF4 || n < length)
		return 0;
	unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
	unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

/* Eight bytes, each from 1 to 127: most text is that, and is then passed over eight times as fast. */
static bool is_plain_ascii(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
	uint64_t eight;
	memcpy(&eight, p, sizeof(eight));
	return !((eight | (eight - ones)) & tops);
}

bool str_is_utf8(const char *p, size_t n)
{
	size_t length, i = 0;
	while (n - i >= 8 && is_plain_ascii(p + i))
		i += 8;
	for (; i < n; i += length)
		if (!(length = utf8_length((const unsigned char *)p + i, n - i)))
			return false;
	return true;
}

void buf_latin1(struct buf *b, const char *p, size_t n)
{
	size_t from = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c < 0x80)
			continue;
		char two[2] = {(char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))};
		buf_add(b, p + from, i - from);
		buf_add(b, two, 2);
		from = i + 1;
	}
	if (n > from)
		buf_add(b, p + from, n - from);
}

#define WORD_MAX 64

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Edit distance where a swap of neighbours counts as one slip; both words are shorter than
 * WORD_MAX. */
static size_t distance(const char *a, size_t an, const char *b, size_t bn)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= bn; j++)
		above[j] = j;
	for (size_t i = 1; i <= an; i++) {
		row[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);
			size_t best = above[j - 1] + (same ? 0 : 1);
			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[bn];
}

bool str_among(const char *s, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], s) == 0)
			return true;
	return false;
}

const char *str_nearest(const char *word, const char *const *names, size_t count)
{
	size_t n = strlen(word);
	const char *nearest = NULL;
	size_t least = n < 3 ? 2 : n / 3 + 2; /* one more than what still counts as a slip */
	if (n == 0 || n >= WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t m = strlen(names[i]);
		if (m >= WORD_MAX || (m > n ? m - n : n - m) >= least)
			continue;
		size_t d = distance(word, n, names[i], m);
		/* A distance as long as the word itself means that they have nothing in common. */
		if (d < least && d < (n > m ? n : m)) {
			least = d;
			nearest = names[i];
		}
	}
	return nearest;
}

int64_t str_hash(const char *s, size_t n)
{
	/* FNV-1a, then the finaliser of MurmurHash3 so that the low bits are good too. */
	uint64_t h = 0xCBF29CE484222325u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001B3u;
	h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
	h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
	return (int64_t)(h ^ h >> 33);
}
