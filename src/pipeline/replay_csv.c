/* CSV recordings: Binance's trade dumps, with or without a header, and rows of our own tables, which have one.
 */
#include <string.h>
#include <strings.h>

#include "replay_private.h"
#include "shown.h"

#define FIELDS_MAX 64

struct replay_csv {
	const char *names[FIELDS_MAX]; /* of the columns */
	size_t count;
	/* of the row at hand */
	struct arena *arena;
	const char *values[FIELDS_MAX]; /* NULL: empty */
};

/* Copies a field's bytes to *to and goes behind it (RFC 4180: quotes around a field, doubled within); false for quotes
 * that do not fit. */
static bool copy_field(struct slice *rest, char **to)
{
	const char *p = rest->p, *end = p + rest->n;
	bool quoted = p < end && *p == '"';
	for (p += quoted; p < end && (quoted || *p != ','); p++) {
		if (*p == '"') {
			if (!quoted)
				return false;
			if (p + 1 == end || p[1] != '"')
				break;
			p++;
		}
		*(*to)++ = *p;
	}
	if (quoted && (p == end || (++p < end && *p != ',')))
		return false;
	*rest = (struct slice){p, (size_t)(end - p)};
	return true;
}

/* Cuts a line into fields; false when it has too many or is no CSV. An empty field is NULL. */
static bool split(struct arena *arena, struct slice line, const char **ret, size_t *ret_count)
{
	char *to = arena_alloc(arena, line.n + FIELDS_MAX + 1);
	for (*ret_count = 0; *ret_count < FIELDS_MAX; line.p++, line.n--) {
		char *begin = to;
		if (!copy_field(&line, &to))
			return false;
		*to++ = '\0';
		ret[(*ret_count)++] = *begin ? begin : NULL;
		if (line.n == 0)
			return true;
	}
	return false;
}

static bool is_number(const char *text)
{
	return text && text[0] && text[strspn(text, "0123456789.")] == '\0';
}

static bool is_flag(const char *text)
{
	return text && (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0);
}

/* -- the first line ---------------------------------------------------------------------------- */

static bool has(const struct replay_csv *csv, const char *name)
{
	for (size_t i = 0; i < csv->count; i++)
		if (csv->names[i] && strcmp(csv->names[i], name) == 0)
			return true;
	return false;
}

/* Binance's own headers spell some columns in two ways. */
static const char *plain_name(const char *name)
{
	return name && strcmp(name, "isBuyerMaker") == 0 ? "is_buyer_maker" : name;
}

static int candles(struct err *e)
{
	err_set(e, ERR_INPUT,
		"the file holds candles, expected trades or tickers: candles are made from them");
	return err_reason(e, "candles");
}

static bool is_header(const char *const *fields, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fields[i] && is_number(fields[i]))
			return false;
	return true;
}

static int read_header(struct replay_csv *csv, const char *const *fields, size_t n, struct err *e)
{
	bool open = false, close = false;
	for (size_t i = 0; i < n; i++) {
		csv->names[i] = plain_name(fields[i]);
		open |= fields[i] && strcasecmp(fields[i], "open") == 0;
		close |= fields[i] && strcasecmp(fields[i], "close") == 0;
	}
	csv->count = n;
	if (open && close)
		return candles(e);
	bool dump = has(csv, "id") && has(csv, "price") && has(csv, "qty") && has(csv, "time") &&
		    has(csv, "is_buyer_maker");
	bool own = has(csv, "source") && has(csv, "pair") &&
		   (has(csv, "event_time") || has(csv, "slot"));
	if (dump || own)
		return OK;
	err_set(e, ERR_INPUT,
		"the columns are not known: found \"%s\", expected those of a table of ours or of Binance's trades",
		shown(csv->arena, slice_of(fields[0])));
	return err_reason(e, "unknown_form");
}

/* id, price, qty, quote_qty, time, is_buyer_maker and, of the spot market, is_best_match */
static int guess_columns(struct replay_csv *csv, const char *const *fields, size_t n, struct err *e)
{
	static const char *const dump[] = {"id",   "price",          "qty",          "quote_qty",
					   "time", "is_buyer_maker", "is_best_match"};
	size_t numbers = 0;
	while (numbers < n && is_number(fields[numbers]))
		numbers++;
	if (n >= 11 && numbers >= 11)
		return candles(e);
	if ((n == 6 || n == 7) && numbers == 5 && is_flag(fields[5]) &&
	    (n == 6 || is_flag(fields[6]))) {
		memcpy(csv->names, dump, n * sizeof(*dump));
		csv->count = n;
		return OK;
	}
	err_set(e, ERR_INPUT,
		"the columns are not known: found \"%s\", expected those of a table of ours or of Binance's trades",
		shown(csv->arena, slice_of(fields[0])));
	return err_reason(e, "unknown_form");
}

int replay_csv_begin(struct arena *arena, struct slice first, struct replay_csv **ret,
		     bool *ret_header, struct err *e)
{
	struct replay_csv *csv = ANEW(arena, struct replay_csv);
	const char *fields[FIELDS_MAX];
	size_t n;
	csv->arena = arena;
	if (!str_is_utf8(first.p, first.n) || !split(arena, first, fields, &n) || n < 3) {
		err_set(e, ERR_INPUT,
			"the file is of no known form: found \"%s\", expected \"<nanoseconds> <JSON>\", JSON, or CSV",
			shown(arena, first));
		return err_reason(e, "unknown_form");
	}
	*ret_header = is_header(fields, n);
	int rc = *ret_header ? read_header(csv, fields, n, e) : guess_columns(csv, fields, n, e);
	if (rc == OK)
		*ret = csv;
	return rc;
}

/* -- rows -------------------------------------------------------------------------------------- */

static const char *field(const void *ctx, const char *name)
{
	const struct replay_csv *csv = ctx;
	for (size_t i = 0; i < csv->count; i++)
		if (csv->names[i] && strcmp(csv->names[i], name) == 0)
			return csv->values[i];
	return NULL;
}

int replay_csv_row(struct replay_csv *csv, struct replay_line *l, struct slice text, struct err *e)
{
	const struct replay_fields fields = {field, csv};
	size_t n;
	bool known;
	if (!str_is_utf8(text.p, text.n)) {
		err_set(e, ERR_INPUT, "the line is not UTF-8: found \"%s\"", shown(l->arena, text));
		return err_reason(e, "bad_text");
	}
	if (!split(l->arena, text, csv->values, &n) || n != csv->count) {
		err_set(e, ERR_INPUT, "the line does not have %zu fields: found \"%s\"", csv->count,
			shown(l->arena, text));
		return err_reason(e, "wrong_shape");
	}
	int rc = replay_shape_read(l, &fields, &known, e);
	if (rc == OK && !known) {
		err_set(e, ERR_INPUT, "a column that must be there is empty: found \"%s\"",
			shown(l->arena, text));
		return err_reason(e, "wrong_shape");
	}
	return rc;
}
