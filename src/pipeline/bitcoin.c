/* Bitcoin's rows as stream records: a flat JSON object, its members in the order of the field table.
 *
 * Every record of the stream passes through here twice, so the record is read by a small reader of
 * its own, which takes this one form and nothing else: members in their order, none unknown, none
 * twice, no blanks between. Any JSON reader can read it too. */
#include "bitcoin.h"

#include <inttypes.h>
#include <string.h>

#include "bitcoin_fields.h"
#include "shown.h"
#include "tr.h"

void bitcoin_row_init(struct bitcoin_row *row, enum bitcoin_kind kind)
{
	*row = (struct bitcoin_row){
		.kind = kind,
		.slot_us = BITCOIN_NONE,
		.event_us = BITCOIN_NONE,
		.received_us = BITCOIN_NONE,
		.last = BITCOIN_NONE,
		.bid = BITCOIN_NONE,
		.ask = BITCOIN_NONE,
		.high_24h = BITCOIN_NONE,
		.low_24h = BITCOIN_NONE,
		.volume_24h = BITCOIN_NONE,
		.var_24h = BITCOIN_NONE,
		.trade_id = BITCOIN_NONE,
		.price = BITCOIN_NONE,
		.quantity = BITCOIN_NONE,
		.maker = -1,
		.slots = BITCOIN_NONE,
		.period_us = BITCOIN_NONE,
	};
}

int bitcoin_kind_of(const char *name)
{
	for (int i = 0; i < BITCOIN_KINDS; i++)
		if (strcmp(bitcoin_kind_names[i], name) == 0)
			return i;
	return -1;
}

/* ---- numbers and times ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* decimal_parse would do, but for the zeros behind the last decimal and for its 128 bits, which cost
 * more than all the rest of a record. */
static bool decimal(struct slice s, int64_t *ret)
{
	size_t i = s.n && s.p[0] == '-';
	size_t whole = i, decimals = 0;
	int64_t n = 0;
	for (; i < s.n && is_digit(s.p[i]); i++)
		if ((n = n * 10 + (s.p[i] - '0')) >= BITCOIN_DECIMAL_END / 100000000)
			return false;
	if (i == whole || (i < s.n && s.p[i] != '.') || i + 1 == s.n)
		return false;
	for (i++; i < s.n; i++, decimals++) {
		if (!is_digit(s.p[i]) || (decimals >= BITCOIN_SCALE && s.p[i] != '0'))
			return false;
		if (decimals < BITCOIN_SCALE)
			n = n * 10 + (s.p[i] - '0');
	}
	for (; decimals < BITCOIN_SCALE; decimals++)
		n *= 10;
	*ret = s.p[0] == '-' ? -n : n;
	return true;
}

int bitcoin_decimal(struct slice text, int64_t *ret, struct err *e)
{
	if (decimal(text, ret))
		return OK;
	AUTO_ARENA struct arena *arena = arena_new();
	err_set(e, ERR_INPUT,
		"found \"%s\", expected a plain number of at most 10 digits and 8 decimals",
		shown(arena, text));
	return err_reason(e, "bad_number");
}

int bitcoin_time(int64_t number, int64_t *ret_us, struct err *e)
{
	static const struct {
		int64_t units, of_us; /* units * of_us: how a number becomes microseconds */
	} scales[] = {{1000000, 1}, {1000, 1}, {1, 1}, {1, 1000}};
	for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
		int64_t us;
		if (__builtin_mul_overflow(number / scales[i].of_us, scales[i].units, &us) ||
		    us < BITCOIN_TIME_MIN || us >= BITCOIN_TIME_END)
			continue;
		*ret_us = us;
		return OK;
	}
	err_set(e, ERR_INPUT,
		"found the time %" PRId64
		", expected seconds, milliseconds, microseconds or nanoseconds since 1970 in the years 2009 to 2199",
		number);
	return err_reason(e, "bad_time");
}

/* ---- writing ---- */

static void add_number(struct buf *out, int64_t n)
{
	char text[24], *at = text + sizeof(text);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (n < 0)
		*--at = '-';
	buf_add(out, at, (size_t)(text + sizeof(text) - at));
}

static void add_decimal(struct buf *out, int64_t n)
{
	char text[32], *at = text + sizeof(text);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	*--at = '"';
	for (int i = 0; i <= BITCOIN_SCALE || left; i++, left /= 10) {
		if (i == BITCOIN_SCALE)
			*--at = '.';
		*--at = (char)('0' + left % 10);
	}
	if (n < 0)
		*--at = '-';
	*--at = '"';
	buf_add(out, at, (size_t)(text + sizeof(text) - at));
}

static const void *member(const struct bitcoin_row *row, const struct bitcoin_field *f)
{
	return (const char *)row + f->offset;
}

static bool is_there(const struct bitcoin_row *row, const struct bitcoin_field *f)
{
	const void *m = member(row, f);
	switch (f->form) {
	case FORM_WORD:
	case FORM_TEXT: return *(const char *const *)m && **(const char *const *)m;
	case FORM_BYTES: return ((const struct slice *)m)->n > 0;
	case FORM_FLAG: return *(const int *)m >= 0;
	/* A line is of an origin. */
	case FORM_NUMBER:
		if (f->offset == offsetof(struct bitcoin_row, line) && !row->origin)
			return false;
		break;
	default: break;
	}
	return *(const int64_t *)m != BITCOIN_NONE;
}

void bitcoin_encode(const struct bitcoin_row *row, struct buf *out)
{
	bool first = true;
	for (const struct bitcoin_field *f = bitcoin_fields;
	     f < bitcoin_fields + bitcoin_field_count; f++) {
		if (!(f->kinds & 1u << row->kind) || !is_there(row, f))
			continue;
		const void *m = member(row, f);
		if (first)
			buf_char(out, '{');
		buf_add(out, f->key.p + first, f->key.n - first);
		first = false;
		switch (f->form) {
		case FORM_WORD:
		case FORM_TEXT: {
			const char *text = *(const char *const *)m;
			buf_json_str(out, text, strlen(text));
			break;
		}
		case FORM_BYTES: {
			const struct slice *bytes = m;
			buf_json_str(out, bytes->p, bytes->n);
			break;
		}
		case FORM_TIME:
		case FORM_NUMBER: add_number(out, *(const int64_t *)m); break;
		case FORM_DECIMAL: add_decimal(out, *(const int64_t *)m); break;
		case FORM_FLAG: buf_str(out, *(const int *)m ? "true" : "false"); break;
		}
	}
	buf_char(out, '}');
}

/* ---- reading ---- */

struct reader {
	struct slice rest;
	struct arena *arena;
};

static bool take(struct reader *r, const char *bytes, size_t n)
{
	if (r->rest.n < n || memcmp(r->rest.p, bytes, n) != 0)
		return false;
	r->rest.p += n;
	r->rest.n -= n;
	return true;
}

/* The number of a \u00XX, the only \u that is written; -1 */
static int escaped_control(const char *p, size_t n)
{
	int code = 0;
	if (n < 4 || p[0] != '0' || p[1] != '0')
		return -1;
	for (int i = 2; i < 4; i++) {
		if (!is_digit(p[i]) && !(p[i] >= 'a' && p[i] <= 'f'))
			return -1;
		code = code * 16 + (is_digit(p[i]) ? p[i] - '0' : p[i] - 'a' + 10);
	}
	return code < 0x20 ? code : -1;
}

/* Takes the escapes out of s into a text of the arena; false for one that buf_json_str does not
 * write. */
static bool unescape(struct reader *r, struct slice s, struct slice *ret)
{
	static const char letters[] = "\"\\nrt", meant[] = "\"\\\n\r\t";
	char *to = arena_alloc(r->arena, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\\') {
			to[n++] = s.p[i];
			continue;
		}
		const char *letter = ++i < s.n ? memchr(letters, s.p[i], sizeof(letters) - 1)
					       : NULL;
		int code = -1;
		if (letter)
			code = meant[letter - letters];
		else if (i < s.n && s.p[i] == 'u' &&
			 (code = escaped_control(s.p + i + 1, s.n - i - 1)) >= 0)
			i += 4;
		if (code < 0)
			return false;
		to[n++] = (char)code;
	}
	*ret = (struct slice){to, n};
	return true;
}

/* A JSON text, without its escapes, NUL-terminated when `terminated`. */
static bool read_text(struct reader *r, bool terminated, struct slice *ret)
{
	if (!take(r, "\"", 1))
		return false;
	const char *begin = r->rest.p, *stop = begin + r->rest.n, *end = begin;
	bool escapes = false;
	for (const char *quote = NULL;; end += 2) {
		if (!quote || quote < end)
			quote = memchr(end, '"', (size_t)(stop - end));
		if (!quote)
			return false;
		const char *backslash = memchr(end, '\\', (size_t)(quote - end));
		end = backslash ? backslash : quote;
		if (!backslash)
			break;
		escapes = true;
	}
	struct slice raw = {begin, (size_t)(end - begin)};
	r->rest = (struct slice){end + 1, (size_t)(stop - end) - 1};
	if (escapes)
		return unescape(r, raw, ret);
	if (terminated)
		raw.p = arena_strndup(r->arena, raw.p, raw.n);
	*ret = raw;
	return true;
}

static bool read_number(struct reader *r, int64_t *ret)
{
	size_t n = 0;
	while (n < r->rest.n && (is_digit(r->rest.p[n]) || (n == 0 && r->rest.p[n] == '-')))
		n++;
	struct slice digits = {r->rest.p, n};
	return int64_parse(digits, ret) && take(r, digits.p, n);
}

static bool is_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= BITCOIN_WORD_MAX;
}

/* Reads a value of the field's form, which the row then has. */
static bool read_value(struct reader *r, const struct bitcoin_field *f, struct bitcoin_row *row)
{
	void *m = (char *)row + f->offset;
	struct slice text;
	int64_t *number = m;
	switch (f->form) {
	case FORM_WORD:
		if (!read_text(r, true, &text) || !is_word(text))
			return false;
		*(const char **)m = text.p;
		return true;
	case FORM_TEXT:
		if (!read_text(r, true, &text) || !text.n || text.n > BITCOIN_TEXT_MAX ||
		    !str_is_utf8(text.p, text.n))
			return false;
		*(const char **)m = text.p;
		return true;
	case FORM_BYTES:
		*(struct slice *)m = (struct slice){NULL, 0};
		if (!read_text(r, false, &text) || !text.n || text.n > BITCOIN_PAYLOAD_MAX ||
		    !str_is_utf8(text.p, text.n))
			return false;
		*(struct slice *)m = text;
		return true;
	case FORM_TIME:
		return read_number(r, number) && *number >= BITCOIN_TIME_MIN &&
		       *number < BITCOIN_TIME_END;
	case FORM_NUMBER: return read_number(r, number) && *number >= 0;
	case FORM_DECIMAL: return read_text(r, false, &text) && decimal(text, number);
	case FORM_FLAG:
		*(int *)m = take(r, "true", 4) ? 1 : take(r, "false", 5) ? 0 : -1;
		return *(int *)m >= 0;
	}
	return false;
}

static const char *form_name(enum bitcoin_form form)
{
	switch (form) {
	case FORM_WORD: return tr("a text of 1 to 64 printable characters");
	case FORM_TEXT: return tr("a text of 1 to 2,048 bytes");
	case FORM_BYTES: return tr("a text of 1 to 65,536 bytes");
	case FORM_TIME: return tr("microseconds since 1970 in the years 2009 to 2199");
	case FORM_DECIMAL: return tr("a number of at most 10 digits and 8 decimals, as a text");
	case FORM_NUMBER: return tr("a whole number of 0 or more");
	case FORM_FLAG: return tr("true or false");
	}
	return "?";
}

static int refuse(struct reader *r, struct slice body, const char *field, struct slice found,
		  const char *expected, struct err *e)
{
	err_set(e, ERR_INPUT, "%s: found \"%s\", expected %s", field, shown(r->arena, found),
		expected);
	err_at(e, 0, 0, found.p - body.p);
	return err_reason(e, "bad_record");
}

int bitcoin_decode(enum bitcoin_kind kind, struct slice body, struct arena *arena,
		   struct bitcoin_row *ret, struct err *e)
{
	struct reader r = {body, arena};
	struct bitcoin_row row;
	char before = '{';
	bitcoin_row_init(&row, kind);
	for (const struct bitcoin_field *f = bitcoin_fields;
	     f < bitcoin_fields + bitcoin_field_count; f++) {
		if (!(f->kinds & 1u << kind))
			continue;
		struct slice at = r.rest;
		if (take(&r, &before, 1) && take(&r, f->key.p + 1, f->key.n - 1)) {
			struct slice value = r.rest;
			if (!read_value(&r, f, &row))
				return refuse(&r, body, f->name, value, form_name(f->form), e);
			before = ',';
			continue;
		}
		r.rest = at;
		if (f->required & 1u << kind)
			return refuse(&r, body, f->name, at, tr("this member"), e);
	}
	if (!take(&r, "}", 1) || r.rest.n)
		return refuse(&r, body, "record", r.rest, tr("its end"), e);
	if (kind == BITCOIN_GAP) {
		row.event_us = row.slot_us;
		if (!row.slots || !row.period_us)
			return refuse(&r, body, "slots", body, tr("a gap of at least one slot"), e);
	}
	if (!row.origin != !row.line)
		return refuse(&r, body, "origin", body, tr("origin and line, or neither"), e);
	*ret = row;
	return OK;
}
