/* Bitcoin's rows as stream records: a flat JSON object on one line, its members those of the field table; behind it,
 * on lines of its own, the payload as it came, which as a text in the JSON would cost more than all the rest. */
#include "bitcoin.h"

#include <inttypes.h>
#include <string.h>

#include "bitcoin_fields.h"
#include "json.h"
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
		if (!(f->kinds & 1u << row->kind) || f->form == FORM_BYTES || !is_there(row, f))
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
		case FORM_BYTES:
		case FORM_TIME:
		case FORM_NUMBER: add_number(out, *(const int64_t *)m); break;
		case FORM_DECIMAL: add_decimal(out, *(const int64_t *)m); break;
		case FORM_FLAG: buf_str(out, *(const int *)m ? "true" : "false"); break;
		}
	}
	buf_char(out, '}');
	if (row->payload.n) {
		buf_char(out, '\n');
		buf_add(out, row->payload.p, row->payload.n);
	}
}

/* ---- reading ---- */

static bool is_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= BITCOIN_WORD_MAX;
}

/* Reads a value of the field's form, which the row then has. What JSON's texts may hold, jansson has seen to: UTF-8
 * without NUL. */
static bool read_value(const json_t *v, const struct bitcoin_field *f, struct arena *arena,
		       struct bitcoin_row *row)
{
	void *m = (char *)row + f->offset;
	const struct slice text = {json_string_value(v), json_string_length(v)};
	const int64_t number = json_integer_value(v);
	switch (f->form) {
	case FORM_WORD:
		if (!is_word(text))
			return false;
		*(const char **)m = arena_strndup(arena, text.p, text.n);
		return true;
	case FORM_TEXT:
		if (!text.n || text.n > BITCOIN_TEXT_MAX)
			return false;
		*(const char **)m = arena_strndup(arena, text.p, text.n);
		return true;
	case FORM_BYTES: return false; /* no member */
	case FORM_TIME:
		*(int64_t *)m = number;
		return json_is_integer(v) && number >= BITCOIN_TIME_MIN &&
		       number < BITCOIN_TIME_END;
	case FORM_NUMBER: *(int64_t *)m = number; return json_is_integer(v) && number >= 0;
	case FORM_DECIMAL: return decimal(text, m);
	case FORM_FLAG: *(int *)m = json_is_true(v); return json_is_boolean(v);
	}
	return false;
}

static const char *form_name(enum bitcoin_form form)
{
	switch (form) {
	case FORM_WORD: return tr("a text of 1 to 64 printable characters");
	case FORM_TEXT: return tr("a text of 1 to 2,048 bytes");
	case FORM_BYTES: return tr("a text of 1 to 65,536 bytes behind the object");
	case FORM_TIME: return tr("microseconds since 1970 in the years 2009 to 2199");
	case FORM_DECIMAL: return tr("a number of at most 10 digits and 8 decimals, as a text");
	case FORM_NUMBER: return tr("a whole number of 0 or more");
	case FORM_FLAG: return tr("true or false");
	}
	return "?";
}

static int refuse_bytes(const char *field, struct slice found, const char *expected, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	return err_set(e, ERR_INPUT, "%s: found \"%s\", expected %s", field, shown(arena, found),
		       expected);
}

static int refuse(const char *field, const json_t *found, const char *expected, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	json_canonical(found, &text);
	return refuse_bytes(field, buf_slice(&text), expected, e);
}

static int read_row(const json_t *o, struct arena *arena, struct bitcoin_row *row, struct err *e)
{
	size_t known = 0;
	if (!json_is_object(o))
		return refuse("record", o, tr("an object"), e);
	for (const struct bitcoin_field *f = bitcoin_fields;
	     f < bitcoin_fields + bitcoin_field_count; f++) {
		const json_t *v = f->kinds & 1u << row->kind ? json_object_get(o, f->name) : NULL;
		if (v && !read_value(v, f, arena, row))
			return refuse(f->name, v, form_name(f->form), e);
		if (!v && f->required & 1u << row->kind)
			return refuse(f->name, o, tr("this member"), e);
		known += v != NULL;
	}
	if (known != json_object_size(o))
		return refuse("record", o, tr("no other members than a record of its kind has"), e);
	if (row->kind == BITCOIN_GAP) {
		row->event_us = row->slot_us;
		if (!row->slots || !row->period_us)
			return refuse("slots", o, tr("a gap of at least one slot"), e);
	}
	if (!row->origin != !row->line)
		return refuse("origin", o, tr("origin and line, or neither"), e);
	return OK;
}

static int read_payload(struct slice bytes, struct arena *arena, struct bitcoin_row *row,
			struct err *e)
{
	if (row->kind != BITCOIN_TICK)
		return refuse_bytes("payload", bytes, tr("a payload with ticks only"), e);
	if (!bytes.n || bytes.n > BITCOIN_PAYLOAD_MAX || !str_is_utf8(bytes.p, bytes.n))
		return refuse_bytes("payload", bytes, form_name(FORM_BYTES), e);
	row->payload = (struct slice){arena_strndup(arena, bytes.p, bytes.n), bytes.n};
	return OK;
}

int bitcoin_decode(enum bitcoin_kind kind, struct slice body, struct arena *arena,
		   struct bitcoin_row *ret, struct err *e)
{
	AUTO_JSON json_t *o = NULL;
	struct bitcoin_row row;
	struct slice rest = body;
	const struct slice object = slice_cut(&rest, '\n');
	bitcoin_row_init(&row, kind);
	int rc = json_parse(object.p, object.n, &o, e);
	if (rc == OK)
		rc = read_row(o, arena, &row, e);
	if (rc == OK && object.n < body.n)
		rc = read_payload(rest, arena, &row, e);
	if (rc)
		return err_reason(e, "bad_record");
	*ret = row;
	return OK;
}
