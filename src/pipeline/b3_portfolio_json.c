/* The portfolio as JSON: one page of GetPortfolioDay, or all of several as a JSON text sequence
 * (RFC 7464: each behind an RS byte). The pages must be those of one answer: numbers 1 to
 * totalPages once each, the same header and totals in all. */
#include "b3_portfolio_field.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"

#define RECORD_SEPARATOR '\x1e'

struct page {
	struct slice text;
	size_t offset; /* of text in the payload */
	int64_t line;  /* lines before it */
	int64_t number, pages, records;
	json_t *root, *header, *results; /* root is owned */
	struct place row_at; /* of the row that was placed last; offset from the page's beginning */
};

struct pages {
	struct page items[PORTFOLIO_PAGES_MAX];
	size_t count;
};

static void pages_cleanup(struct pages *p)
{
	for (size_t i = 0; i < p->count; i++)
		json_decref(p->items[i].root);
}

/* Moves a place, whose offset counts from the page's beginning, forward. */
static void move_place(const struct page *page, struct place *at, size_t to)
{
	for (; (size_t)at->offset < to; at->offset++) {
		char c = page->text.p[at->offset];
		at->column += ((unsigned char)c & 0xC0) != 0x80;
		if (c == '\n') {
			at->line++;
			at->column = 1;
		}
	}
}

/* jansson does not say where a value stood, so its key is looked for in the text: the first from
 * the place on. The place stays when there is none. */
static void find_key(const struct page *page, const char *key, struct place *at)
{
	const char *end = page->text.p + page->text.n;
	for (const char *p = page->text.p + at->offset;
	     (p = memmem(p, (size_t)(end - p), key, strlen(key))); p++) {
		const char *q = p + strlen(key);
		while (q < end && (*q == ' ' || *q == '\t' || *q == '\r' || *q == '\n'))
			q++;
		if (q < end && *q == ':') {
			move_place(page, at, (size_t)(p - page->text.p));
			return;
		}
	}
}

static struct place in_payload(const struct page *page, struct place at)
{
	at.offset += (int64_t)page->offset;
	return at;
}

/* The place of a key (with its quotes) of the page, or of its header. */
static struct place place_of(const struct page *page, const char *key, bool of_header)
{
	struct place at = {page->line + 1, 1, 0};
	if (of_header)
		find_key(page, "\"header\"", &at);
	find_key(page, key, &at);
	return in_payload(page, at);
}

/* The place of the next row. */
static struct place next_row_place(struct page *page)
{
	if (page->row_at.line == 0) {
		page->row_at = (struct place){page->line + 1, 1, 0};
		find_key(page, "\"results\"", &page->row_at);
	} else {
		move_place(page, &page->row_at, (size_t)page->row_at.offset + 1);
	}
	find_key(page, "\"cod\"", &page->row_at);
	return in_payload(page, page->row_at);
}

/* Only after json_get_* or err_set failed: e has no place yet. */
static int refuse_page(const struct page *page, const char *reason, const char *what, struct err *e)
{
	err_wrap(e, "page %" PRId64, page->number);
	return refused(e, reason, place_of(page, what, false));
}

/* B3 says null where there is nothing. */
static bool says_nothing(const json_t *root, const json_t *numbers)
{
	const json_t *results = json_object_get(root, "results");
	return json_is_null(results) ||
	       (json_is_array(results) && json_array_size(results) == 0 &&
		!json_integer_value(json_object_get(numbers, "totalRecords")));
}

static int parse_page(struct portfolio_draft *d, struct page *page, struct err *e)
{
	if (json_parse(page->text.p, page->text.n, &page->root, e) != OK) {
		/* The place is the page's own; the payload's is wanted. */
		struct place at = {e ? e->line + page->line : 0, e ? e->column : 0,
				   e && e->offset >= 0 ? e->offset + (int64_t)page->offset : -1};
		struct slice rest = page->text;
		if (e && e->offset > 0 && (size_t)e->offset <= rest.n)
			rest = (struct slice){rest.p + e->offset, rest.n - (size_t)e->offset};
		err_set(e, ERR_INPUT, "not valid JSON, for it was cut or damaged: found \"%s\"",
			shown(d->arena, rest));
		return refused(e, "bad_json", at);
	}
	json_t *numbers;
	if (json_get_object(page->root, "page", &numbers, e) != OK ||
	    json_get_object(page->root, "header", &page->header, e) != OK) {
		err_wrap(e, "this is no portfolio of the day");
		return refused(e, "not_a_portfolio", place_of(page, "\"page\"", false));
	}
	if (says_nothing(page->root, numbers)) {
		err_set(e, ERR_INPUT,
			"B3 lists no portfolio for index %s: the answer's results are empty",
			d->index ? d->index : "?");
		return refused(e, "no_portfolio", place_of(page, "\"results\"", false));
	}
	if (json_get_array(page->root, "results", &page->results, e) != OK)
		return refuse_page(page, "not_a_portfolio", "\"results\"", e);
	if (json_get_int(numbers, "pageNumber", &page->number, e) != OK ||
	    json_get_int(numbers, "totalPages", &page->pages, e) != OK ||
	    json_get_int(numbers, "totalRecords", &page->records, e) != OK)
		return refuse_page(page, "bad_field", "\"page\"", e);
	return OK;
}

static int split_pages(struct portfolio_draft *d, struct slice text, struct pages *ret,
		       struct err *e)
{
	const char *begin = text.p;
	int64_t line = 0;
	if (text.p[0] == RECORD_SEPARATOR)
		slice_cut(&text, RECORD_SEPARATOR);
	while (text.n) {
		struct slice one = slice_cut(&text, RECORD_SEPARATOR);
		if (ret->count == PORTFOLIO_PAGES_MAX) {
			err_set(e, ERR_INPUT, "more than %d pages", PORTFOLIO_PAGES_MAX);
			return refused(
				e, "too_large",
				(struct place){line + 1, 0, (int64_t)d->skipped + (one.p - begin)});
		}
		struct page *page = &ret->items[ret->count];
		*page = (struct page){.text = one,
				      .offset = (size_t)(one.p - begin) + d->skipped,
				      .line = line,
				      .number = (int64_t)ret->count + 1};
		ret->count++;
		int rc = parse_page(d, page, e);
		if (rc != OK)
			return rc;
		for (size_t i = 0; i < one.n; i++)
			line += one.p[i] == '\n';
	}
	if (!ret->count) {
		err_set(e, ERR_INPUT,
			"found the beginning of a JSON text sequence without a page in it");
		return refused(e, "bad_json", (struct place){1, 1, (int64_t)d->skipped});
	}
	return OK;
}

/* Numbers 1 to n, each once; the same header everywhere. */
static int check_pages(struct pages *p, struct err *e)
{
	const struct page *first = &p->items[0];
	bool seen[PORTFOLIO_PAGES_MAX + 1] = {false};
	for (size_t i = 0; i < p->count; i++) {
		const struct page *page = &p->items[i];
		if (page->number < 1 || page->number > page->pages ||
		    page->number > PORTFOLIO_PAGES_MAX) {
			err_set(e, ERR_INPUT,
				"found page number %" PRId64 " of %" PRId64 ", expected 1 to %d",
				page->number, page->pages, PORTFOLIO_PAGES_MAX);
			return refused(e, "bad_field", place_of(page, "\"pageNumber\"", false));
		}
		if (seen[page->number]) {
			err_set(e, ERR_INPUT, "page %" PRId64 " is there twice", page->number);
			return refused(e, "repeated_page", place_of(page, "\"pageNumber\"", false));
		}
		seen[page->number] = true;
		if (page->pages != first->pages || page->records != first->records ||
		    !json_equal(page->header, first->header)) {
			err_set(e, ERR_INPUT,
				"page %" PRId64 " does not go with page %" PRId64
				": found another header or other totals",
				page->number, first->number);
			return refused(e, "pages_differ", place_of(page, "\"header\"", false));
		}
	}
	for (int64_t n = 1; n <= first->pages; n++)
		if (n > PORTFOLIO_PAGES_MAX || !seen[n]) {
			err_set(e, ERR_INPUT, "page %" PRId64 " of %" PRId64 " is missing", n,
				first->pages);
			return refused(e, "missing_page", place_of(first, "\"totalPages\"", false));
		}
	return OK;
}

/* A text member of the header. A missing date has a reason of its own. */
static int header_text(const struct page *page, const char *key, struct field_at *ret,
		       struct err *e)
{
	const char *text;
	char quoted[40];
	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	if (json_get_str(page->header, key, &text, e) != OK) {
		bool date = strcmp(key, "date") == 0;
		if (date)
			err_wrap(e, "without the session's date nothing can be written");
		return refuse_page(page, date ? "no_date" : "not_a_portfolio", "\"header\"", e);
	}
	*ret = (struct field_at){.text = slice_trim(slice_of(text)),
				 .name = key,
				 .of = "header",
				 .place = place_of(page, quoted, true)};
	return OK;
}

static int parse_header(struct portfolio_draft *d, const struct page *page, struct err *e)
{
	struct portfolio *p = d->portfolio;
	struct field_at date, quantity, part, redutor;
	if (header_text(page, "theoricalQty", &quantity, e) != OK ||
	    header_text(page, "part", &part, e) != OK ||
	    header_text(page, "reductor", &redutor, e) != OK ||
	    header_text(page, "date", &date, e) != OK)
		return ERR_INPUT;
	d->qtd_total_at = quantity.place;
	d->part_total_at = part.place;
	int rc = portfolio_date(d->arena, &date, &p->session, e);
	if (rc == OK)
		rc = portfolio_quantity(d->arena, &quantity, &p->qtd_total, e);
	if (rc == OK)
		rc = portfolio_share(d->arena, &part, &p->part_total, e);
	if (rc == OK)
		rc = portfolio_redutor(d->arena, &redutor, &p->redutor, e);
	return rc;
}

/* Text members of a row; a null or missing one is empty when that is allowed. */
static int row_text(const struct page *page, const json_t *row, const char *key, bool optional,
		    struct field_at *f, struct err *e)
{
	const char *text = "";
	const json_t *v = json_object_get(row, key);
	if (!(optional && (!v || json_is_null(v))) && json_get_str(row, key, &text, e) != OK) {
		err_wrap(e, "page %" PRId64 ", %s", page->number, f->of);
		return refused(e, "bad_field", f->place);
	}
	f->text = slice_of(text);
	f->name = key;
	return OK;
}

static int parse_row(struct portfolio_draft *d, struct page *page, size_t i, struct err *e)
{
	const json_t *json = json_array_get(page->results, i);
	struct portfolio_row *row = draft_row(d);
	struct field_at f = {.of = arena_printf(d->arena, "results[%zu]", i),
			     .place = next_row_place(page)};
	if (!row) {
		err_set(e, ERR_INPUT, "more than %d rows", PORTFOLIO_ROWS_MAX);
		return refused(e, "too_large", f.place);
	}
	row->line = f.place.line;
	row->offset = f.place.offset;
	int rc = row_text(page, json, "cod", false, &f, e);
	if (rc == OK)
		rc = portfolio_codigo(d->arena, &f, &row->codigo, e);
	if (rc != OK)
		return rc;
	f.of = row->codigo.p;
	rc = row_text(page, json, "asset", false, &f, e);
	if (rc == OK)
		rc = portfolio_text(d->arena, &f, false, false, false, &row->acao, e);
	if (rc == OK)
		rc = row_text(page, json, "type", false, &f, e);
	if (rc == OK)
		rc = portfolio_text(d->arena, &f, false, true, false, &row->tipo, e);
	if (rc == OK)
		rc = row_text(page, json, "segment", true, &f, e);
	if (rc == OK)
		rc = portfolio_text(d->arena, &f, true, false, false, &row->setor, e);
	if (rc == OK)
		rc = row_text(page, json, "theoricalQty", false, &f, e);
	f.text = slice_trim(f.text);
	if (rc == OK)
		rc = portfolio_quantity(d->arena, &f, &row->qtd_teorica, e);
	if (rc == OK)
		rc = row_text(page, json, "part", false, &f, e);
	f.text = slice_trim(f.text);
	if (rc == OK)
		rc = portfolio_share(d->arena, &f, &row->part, e);
	return rc;
}

int portfolio_parse_json(struct portfolio_draft *d, struct slice text, struct err *e)
{
	struct pages pages CLEANUP(pages_cleanup) = {.count = 0};
	int rc = split_pages(d, text, &pages, e);
	if (rc == OK)
		rc = check_pages(&pages, e);
	if (rc == OK)
		rc = parse_header(d, &pages.items[0], e);
	if (rc != OK)
		return rc;
	d->portfolio->form = PORTFOLIO_JSON;
	if (!d->index) {
		err_set(e, ERR_INPUT,
			"a JSON answer does not say which index it is; name it with --index");
		return refused(e, "no_index", (struct place){0, 0, -1});
	}
	memcpy(d->portfolio->index, d->index, strlen(d->index) + 1);
	for (size_t k = 0; k < pages.count; k++)
		for (size_t i = 0; i < json_array_size(pages.items[k].results); i++) {
			rc = parse_row(d, &pages.items[k], i, e);
			if (rc != OK)
				return rc;
		}
	if ((int64_t)d->portfolio->row_count != pages.items[0].records) {
		err_set(e, ERR_INPUT, "totalRecords is %" PRId64 ", but the pages hold %zu rows",
			pages.items[0].records, d->portfolio->row_count);
		return refused(e, "wrong_count",
			       place_of(&pages.items[0], "\"totalRecords\"", false));
	}
	return OK;
}
