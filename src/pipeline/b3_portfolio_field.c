/* Checking single fields of a portfolio. A field is right or it is refused: nothing is guessed,
 * rounded or repaired. */
#include "b3_portfolio_field.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 160
/* B3's largest quantity so far has 11 digits; 15 leave room and keep sums far from overflow. */
#define QUANTITY_MAX INT64_C(999999999999999)

static int refuse_number(struct arena *arena, const struct field_at *f, int scale,
			 const char *expected, struct err *e)
{
	int128 fewer;
	/* Spreadsheets drop zeros at the end, and whoever saves less than was sent cannot give it
	 * back. */
	for (int s = 0; s < scale; s++)
		if (br_number_parse(f->text, s, &fewer)) {
			err_set(e, ERR_INPUT,
				"%s of %s: found \"%s\", expected %d decimals; digits were lost, as when a spreadsheet saves the file again",
				f->name, f->of, shown(arena, f->text), scale);
			return refused(e, "lost_digits", f->place);
		}
	err_set(e, ERR_INPUT, "%s of %s: found \"%s\", expected %s", f->name, f->of,
		shown(arena, f->text), expected);
	return refused(e, "bad_number", f->place);
}

int portfolio_quantity(struct arena *arena, const struct field_at *f, int64_t *ret, struct err *e)
{
	int128 n;
	if (!br_number_parse(f->text, 0, &n) || n > QUANTITY_MAX)
		return refuse_number(
			arena, f, 0,
			"a whole number of at most 15 digits with dots between groups of three, as 4.430.000",
			e);
	*ret = (int64_t)n;
	return OK;
}

int portfolio_share(struct arena *arena, const struct field_at *f, int64_t *ret, struct err *e)
{
	int128 n;
	if (!br_number_parse(f->text, 3, &n) || n > PORTFOLIO_WHOLE)
		return refuse_number(arena, f, 3,
				     "a percentage from 0,000 to 100,000 with three decimals", e);
	*ret = (int64_t)n;
	return OK;
}

/* B3 once sent 18.296.80337677573: eight decimals behind a group of three, the comma forgotten.
 * Groups tell where it belongs. */
static bool odd_redutor(struct slice s, int128 *ret)
{
	char with_comma[DECIMAL_TEXT_SIZE];
	const char *dot = s.n ? memrchr(s.p, '.', s.n) : NULL;
	if (!dot || (size_t)(s.p + s.n - dot) != 1 + 3 + 8 || s.n + 1 > sizeof(with_comma) ||
	    memchr(s.p, ',', s.n))
		return false;
	memcpy(with_comma, s.p, s.n - 8);
	with_comma[s.n - 8] = ',';
	memcpy(with_comma + s.n - 7, s.p + s.n - 8, 8);
	return br_number_parse((struct slice){with_comma, s.n + 1}, 8, ret);
}

int portfolio_redutor(struct arena *arena, const struct field_at *f, int128 *ret, struct err *e)
{
	int128 n;
	if (f->text.n >= DECIMAL_TEXT_SIZE ||
	    !(br_number_parse(f->text, 8, &n) || odd_redutor(f->text, &n)) || n == 0)
		return refuse_number(
			arena, f, 8,
			"a number above zero with eight decimals, as 16.431.231,56745229", e);
	*ret = n;
	return OK;
}

int portfolio_date(struct arena *arena, const struct field_at *f, int32_t *ret, struct err *e)
{
	const char *p = f->text.p;
	bool well_formed = f->text.n == 8 && p[2] == '/' && p[5] == '/';
	for (int i = 0; well_formed && i < 8; i++)
		well_formed = i == 2 || i == 5 || (p[i] >= '0' && p[i] <= '9');
	if (!well_formed ||
	    !date_make(2000 + (p[6] - '0') * 10 + p[7] - '0', (p[3] - '0') * 10 + p[4] - '0',
		       (p[0] - '0') * 10 + p[1] - '0', ret)) {
		err_set(e, ERR_INPUT,
			"the session's date: found \"%s\", expected a day as DD/MM/YY; without it nothing can be written",
			shown(arena, f->text));
		return refused(e, "no_date", f->place);
	}
	return OK;
}

int portfolio_codigo(struct arena *arena, const struct field_at *f, struct slice *ret,
		     struct err *e)
{
	struct slice code = slice_trim(f->text);
	bool fits = code.n > 0 && code.n <= 12;
	for (size_t i = 0; fits && i < code.n; i++)
		fits = (code.p[i] >= 'A' && code.p[i] <= 'Z') ||
		       (code.p[i] >= '0' && code.p[i] <= '9');
	if (!fits) {
		err_set(e, ERR_INPUT,
			"%s: found \"%s\", expected 1 to 12 capital letters and digits", f->name,
			shown(arena, f->text));
		return refused(e, "bad_code", f->place);
	}
	*ret = (struct slice){arena_strndup(arena, code.p, code.n), code.n};
	return OK;
}

/* The next code point of valid UTF-8. */
static uint32_t next_character(struct slice *s)
{
	unsigned char lead = (unsigned char)s->p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	uint32_t c = n == 1 ? lead : lead & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n && i < s->n; i++)
		c = c << 6 | ((unsigned char)s->p[i] & 0x3F);
	n = n < s->n ? n : s->n;
	s->p += n;
	s->n -= n;
	return c;
}

/* What the second byte of a UTF-8 character looks like when it is read as Latin-1 or as
 * Windows-1252. */
static bool reads_as_second_byte(uint32_t c)
{
	return (c >= 0x80 && c <= 0xBF) || (c >= 0x152 && c <= 0x2122);
}

int portfolio_encoding(struct arena *arena, const struct field_at *f, struct err *e)
{
	uint32_t before = 0;
	for (struct slice rest = f->text; rest.n;) {
		uint32_t c = next_character(&rest);
		if (c == 0xFFFD) {
			err_set(e, ERR_INPUT,
				"%s of %s: found \"%s\", which holds U+FFFD, what is left of a letter lost in a change of encoding; expected "
				"the bytes as B3 sent them",
				f->name, f->of, shown(arena, f->text));
			return refused(e, "bad_encoding", f->place);
		}
		if ((before == 0xC2 || before == 0xC3) && reads_as_second_byte(c)) {
			err_set(e, ERR_INPUT,
				"%s of %s: found \"%s\", which looks like UTF-8 text that was read as Latin-1 and saved again; expected the "
				"bytes as B3 sent them",
				f->name, f->of, shown(arena, f->text));
			return refused(e, "bad_encoding", f->place);
		}
		before = c;
	}
	return OK;
}

static bool is_reserved(struct slice s)
{
	/* What Hive writes for a null: as a partition's value it would be read back as one. */
	return slice_is(s, "NULL") || slice_is(s, "__HIVE_DEFAULT_PARTITION__");
}

int portfolio_text(struct arena *arena, const struct field_at *f, bool may_be_empty,
		   bool keep_leading, bool latin, struct slice *ret, struct err *e)
{
	int rc = portfolio_encoding(arena, f, e);
	if (rc != OK)
		return rc;
	struct slice text = slice_trim(f->text);
	if (keep_leading && text.n)
		text = (struct slice){f->text.p, (size_t)(text.p + text.n - f->text.p)};
	const char *wrong = NULL;
	if (!text.n && !may_be_empty)
		wrong = tr("some text");
	else if (text.n > TEXT_MAX_BYTES)
		wrong = tr("a shorter text");
	else if (is_reserved(text))
		wrong = tr("a text that does not stand for null in a partition's name");
	for (struct slice rest = text; rest.n && !wrong;) {
		uint32_t c = next_character(&rest);
		if (c < 0x20 || (c >= 0x7F && c < 0xA0))
			wrong = tr("a text without control characters");
		else if (c == '"')
			wrong = tr("a text without quotation marks, which B3 does not use");
		else if (c > 0xFF && latin)
			wrong = tr("only letters that Latin-1 has, for B3 sends this form in it");
	}
	if (wrong) {
		err_set(e, ERR_INPUT, "%s of %s: found \"%s\", expected %s", f->name, f->of,
			shown(arena, f->text), wrong);
		return refused(e, "bad_text", f->place);
	}
	*ret = (struct slice){arena_strndup(arena, text.p, text.n), text.n};
	return OK;
}
