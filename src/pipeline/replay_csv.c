/* CSV recordings: Binance's trade dumps, with or without a header, and rows of our own tables, which have one. libcsv
 * reads the lines, by RFC 4180 to the letter. */
#include <csv.h>
#include <string.h>
#include <strings.h>

#include "replay_private.h"
#include "shown.h"

#define FIELDS_MAX 64

/* The row at hand. */
struct row {
	const char *values[FIELDS_MAX]; /* NULL: empty */
	size_t count;                   /* may be more than FIELDS_MAX: those are not kept */
	char *to;                       /* where the texts go; NULL: they are only counted */
	bool whole;
};

struct replay_csv {
	struct csv_parser parser;
	struct arena *arena;
	const char *names[FIELDS_MAX]; /* of the columns */
	size_t count;
	struct row row;
};

/* -- libcsv ------------------------------------------------------------------------------------ */

static void *grow(void *p, size_t n)
{
	return mem_grow(p, n, 1);
}

static int never(unsigned char c)
{
	return 0;
}

static int is_newline(unsigned char c)
{
	return c == '\n';
}

static void take_field(void *bytes, size_t n, void *ctx)
{
	struct row *row = ctx;
	size_t i = row->count++;
	if (i >= FIELDS_MAX || !row->to)
		return;
	row->values[i] = n ? row->to : NULL;
	if (n)
		memcpy(row->to, bytes, n);
	row->to += n;
	*row->to++ = '\0';
}

static void end_row(int c, void *ctx)
{
	struct row *row = ctx;
	row->whole = true;
}

static struct replay_csv *csv_new(struct arena *arena)
{
	struct replay_csv *csv = NEW(struct replay_csv);
	csv->arena = arena;
	/* It allocates when it is given bytes, by `grow`. */
	if (csv_init(&csv->parser, CSV_STRICT) != 0)
		abort();
	csv_set_realloc_func(&csv->parser, grow);
	csv_set_blk_size(&csv->parser, 4096);
	/* Blanks are part of a field, and no line ends within itself. */
	csv_set_space_func(&csv->parser, never);
	csv_set_term_func(&csv->parser, is_newline);
	return csv;
}

void replay_csv_free(struct replay_csv *csv)
{
	if (csv)
		csv_free(&csv->parser);
	free(csv);
}

/* The next line of a row; its offset where it breaks the row. */
static enum replay_csv_end feed(struct replay_csv *csv, struct slice line, size_t *ret_offset)
{
	*ret_offset = csv_parse(&csv->parser, line.p, line.n, take_field, end_row, &csv->row);
	if (*ret_offset < line.n ||
	    csv_parse(&csv->parser, "\n", 1, take_field, end_row, &csv->row) != 1)
		return CSV_BROKEN;
	return csv->row.whole ? CSV_WHOLE : CSV_OPEN;
}

/* Forgets the row before; to: room for the texts, NULL: they are not wanted. */
static void begin_row(struct replay_csv *csv, char *to)
{
	/* Without callbacks it gives nothing out and cannot fail. */
	csv_fini(&csv->parser, NULL, NULL, NULL);
	csv->row.count = 0;
	csv->row.to = to;
	csv->row.whole = false;
}

enum replay_csv_end replay_csv_look(struct replay_csv *csv, struct slice line, bool first)
{
	size_t offset;
	if (first)
		begin_row(csv, NULL);
	enum replay_csv_end end = feed(csv, line, &offset);
	return end == CSV_WHOLE && csv->row.count != csv->count ? CSV_BROKEN : end;
}

/* Cuts a row into its fields, texts in the arena. */
static bool split(struct replay_csv *csv, struct arena *arena, struct slice text,
		  size_t *ret_offset)
{
	begin_row(csv, arena_alloc(arena, text.n + FIELDS_MAX));
	return feed(csv, text, ret_offset) == CSV_WHOLE;
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

static int begin(struct replay_csv *csv, struct slice first, bool *ret_header, struct err *e)
{
	const char *const *fields = csv->row.values;
	size_t offset;
	bool is_csv = str_is_utf8(first.p, first.n) && split(csv, csv->arena, first, &offset);
	size_t n = csv->row.count;
	if (!is_csv || n < 3 || n > FIELDS_MAX) {
		err_set(e, ERR_INPUT,
			"the file is of no known form: found \"%s\", expected \"<nanoseconds> <JSON>\", JSON, or CSV",
			shown(csv->arena, first));
		return err_reason(e, "unknown_form");
	}
	*ret_header = is_header(fields, n);
	return *ret_header ? read_header(csv, fields, n, e) : guess_columns(csv, fields, n, e);
}

int replay_csv_begin(struct arena *arena, struct slice first, struct replay_csv **ret,
		     bool *ret_header, struct err *e)
{
	struct replay_csv *csv = csv_new(arena);
	int rc = begin(csv, first, ret_header, e);
	if (rc)
		replay_csv_free(csv);
	else
		*ret = csv;
	return rc;
}

/* -- rows -------------------------------------------------------------------------------------- */

static const char *field(const void *ctx, const char *name)
{
	const struct replay_csv *csv = ctx;
	for (size_t i = 0; i < csv->count; i++)
		if (csv->names[i] && strcmp(csv->names[i], name) == 0)
			return csv->row.values[i];
	return NULL;
}

/* A row that is no CSV; offset: up to where it was. */
static int broken(struct replay_line *l, struct slice text, size_t offset, struct err *e)
{
	if (offset < text.n)
		err_set(e, ERR_INPUT, "the line has a quote where CSV has none: found \"%s\"",
			shown(l->arena, (struct slice){text.p + offset, text.n - offset}));
	else
		err_set(e, ERR_INPUT, "the line has a quote that never closes: found \"%s\"",
			shown(l->arena, text));
	err_at(e, 0, (int64_t)offset + 1, -1);
	return err_reason(e, "bad_csv");
}

int replay_csv_row(struct replay_csv *csv, struct replay_line *l, struct slice text, struct err *e)
{
	const struct replay_fields fields = {field, csv};
	size_t offset;
	bool known;
	if (!str_is_utf8(text.p, text.n)) {
		err_set(e, ERR_INPUT, "the line is not UTF-8: found \"%s\"", shown(l->arena, text));
		return err_reason(e, "bad_text");
	}
	if (!split(csv, l->arena, text, &offset))
		return broken(l, text, offset, e);
	if (csv->row.count != csv->count) {
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
