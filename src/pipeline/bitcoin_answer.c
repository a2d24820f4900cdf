/* Reading what an exchange says: exact numbers out of JSON, times with an offset. */
#include "bitcoin_answer.h"

#include <string.h>

#include "bitcoin_fields.h"
#include "shown.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t digits(struct slice s, size_t at)
{
	size_t n = 0;
	while (at + n < s.n && is_digit(s.p[at + n]))
		n++;
	return n;
}

/* The length of the number at the beginning of s by JSON's grammar (RFC 8259, 6); 0 when there is
 * none. */
static size_t number_length(struct slice s)
{
	size_t n = s.n && s.p[0] == '-';
	size_t whole = digits(s, n);
	if (!whole || (whole > 1 && s.p[n] == '0'))
		return 0;
	n += whole;
	if (n < s.n && s.p[n] == '.') {
		size_t decimals = digits(s, n + 1);
		if (!decimals)
			return 0;
		n += 1 + decimals;
	}
	if (n < s.n && (s.p[n] == 'e' || s.p[n] == 'E')) {
		size_t sign = n + 1 < s.n && (s.p[n + 1] == '-' || s.p[n + 1] == '+');
		size_t exponent = digits(s, n + 1 + sign);
		if (!exponent)
			return 0;
		n += 1 + sign + exponent;
	}
	return n;
}

/* The length of the text at the beginning of s, with both quotes or up to the end. */
static size_t text_length(struct slice s)
{
	size_t n = 1;
	while (n < s.n && s.p[n] != '"')
		n += s.p[n] == '\\' && n + 1 < s.n ? 2 : 1;
	return n < s.n ? n + 1 : s.n;
}

/* A number may not be a key, and must not become one by its quotes. */
static bool colon_follows(struct slice s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	return s.n && s.p[0] == ':';
}

void bitcoin_quote_numbers(struct slice json, struct buf *out)
{
	size_t copied = 0, at = 0;
	while (at < json.n) {
		struct slice rest = {json.p + at, json.n - at};
		if (rest.p[0] == '"') {
			at += text_length(rest);
			continue;
		}
		if (rest.p[0] != '-' && !is_digit(rest.p[0])) {
			at++;
			continue;
		}
		size_t n = number_length(rest);
		struct slice behind = {rest.p + n, rest.n - n};
		if (!n || colon_follows(behind)) {
			/* What is no number is copied whole, so that no part of it becomes one. */
			at += n ? n : 1 + digits(rest, 1);
			continue;
		}
		buf_add(out, json.p + copied, at - copied);
		buf_char(out, '"');
		buf_add(out, rest.p, n);
		buf_char(out, '"');
		at += n;
		copied = at;
	}
	buf_add(out, json.p + copied, json.n - copied);
}

int bitcoin_answer_read(struct slice body, struct arena *arena, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf quoted = {0};
	struct slice text = body;
	while (text.n && is_space(text.p[0])) {
		text.p++;
		text.n--;
	}
	if (!text.n) {
		err_set(e, ERR_INPUT, "the answer is empty");
		return err_reason(e, "empty");
	}
	if (text.p[0] == '<') {
		err_set(e, ERR_INPUT, "the answer is HTML: found \"%s\"", shown(arena, text));
		return err_reason(e, "html");
	}
	if (!str_is_utf8(body.p, body.n)) {
		err_set(e, ERR_INPUT, "the answer is not UTF-8: found \"%s\"", shown(arena, text));
		return err_reason(e, "not_json");
	}
	bitcoin_quote_numbers(body, &quoted);
	if (json_parse(quoted.data, quoted.len, ret, e) == OK)
		return OK;
	/* Read as it came for the sake of the place. */
	AUTO_JSON json_t *as_it_came = NULL;
	if (json_parse(body.p, body.n, &as_it_came, e) == OK)
		err_set(e, ERR_INPUT, "not valid JSON");
	err_wrap(e, "the answer was cut or damaged");
	return err_reason(e, "not_json");
}

/* ---- prices ---- */

/* A plain number, but of more digits than a column has. */
static bool is_too_large(struct slice s)
{
	size_t n = number_length(s), whole = digits(s, s.n && s.p[0] == '-');
	return n && n == s.n && whole > 10 && !memchr(s.p, 'e', n) && !memchr(s.p, 'E', n);
}

int bitcoin_price(const char *name, struct slice text, int64_t *ret, struct err *e)
{
	int64_t price;
	int rc = bitcoin_decimal(text, &price, e);
	if (rc == OK && price > 0) {
		*ret = price;
		return OK;
	}
	if (rc && !is_too_large(text))
		return err_wrap(e, "%s", name);
	AUTO_ARENA struct arena *arena = arena_new();
	err_set(e, ERR_INPUT, "%s: found \"%s\", expected a price over 0 and below 10^10", name,
		shown(arena, text));
	return err_reason(e, "bad_price");
}

/* ---- times ---- */

/* Two digits at s.p[at]; -1 */
static int two(struct slice s, size_t at)
{
	return at + 2 <= s.n && is_digit(s.p[at]) && is_digit(s.p[at + 1])
		       ? (s.p[at] - '0') * 10 + s.p[at + 1] - '0'
		       : -1;
}

/* "Z", "-03", "-0300", "-03:00" in minutes */
static bool parse_offset(struct slice s, int *ret_minutes)
{
	*ret_minutes = 0;
	if (slice_is(s, "Z") || slice_is(s, "z"))
		return true;
	if (!s.n || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	size_t colon = s.n == 6 && s.p[3] == ':';
	int hours = two(s, 1), minutes = s.n == 3 ? 0 : two(s, 3 + colon);
	if ((s.n != 3 && s.n != 5 + colon) || hours < 0 || hours > 23 || minutes < 0 ||
	    minutes > 59)
		return false;
	*ret_minutes = (s.p[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

static bool parse_iso(struct slice s, int64_t *ret_us)
{
	int32_t day;
	int offset;
	int64_t micros = 0;
	if (s.n < 20 || !date_parse_iso((struct slice){s.p, 10}, &day) ||
	    (s.p[10] != 'T' && s.p[10] != ' ') || s.p[13] != ':' || s.p[16] != ':')
		return false;
	int hour = two(s, 11), minute = two(s, 14), second = two(s, 17);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	size_t at = 19;
	if (s.p[at] == '.') {
		size_t decimals = digits(s, at + 1);
		if (!decimals)
			return false;
		for (size_t i = 0; i < 6; i++)
			micros = micros * 10 + (i < decimals ? s.p[at + 1 + i] - '0' : 0);
		at += 1 + decimals;
	}
	if (!parse_offset((struct slice){s.p + at, s.n - at}, &offset))
		return false;
	int64_t minutes = (int64_t)day * 1440 + hour * 60 + minute - offset;
	*ret_us = (minutes * 60 + second) * 1000000 + micros;
	return true;
}

int bitcoin_time_iso(struct slice text, int64_t *ret_us, struct err *e)
{
	int64_t us;
	if (parse_iso(text, &us) && us >= BITCOIN_TIME_MIN && us < BITCOIN_TIME_END) {
		*ret_us = us;
		return OK;
	}
	AUTO_ARENA struct arena *arena = arena_new();
	err_set(e, ERR_INPUT,
		"found the time \"%s\", expected one as 2021-03-14T00:17:00-0300 in the years 2009 to 2199",
		shown(arena, text));
	return err_reason(e, "bad_time");
}
