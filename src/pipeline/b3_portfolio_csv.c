/* The portfolio as CSV: a title with index and date, a header, rows, two footers. Latin-1 as B3
 * sends it, UTF-8 when somebody saved it again. Two forms: five columns, or seven with the sector
 * first and its subtotal last. */
#include "b3_portfolio_field.h"

#include <inttypes.h>
#include <string.h>

#define FIELDS_MAX 9
#define TITLE_MARK " - Carteira do Dia"

static const char *const plain_columns[] = {"Código", "Ação", "Tipo", "Qtde. Teórica", "Part. (%)"};
static const char *const sector_columns[] = {"Setor",         "Código",    "Ação",          "Tipo",
					     "Qtde. Teórica", "Part. (%)", "Part. (%)Acum."};
static const char total_label[] = "Quantidade Teórica Total";
static const char redutor_label[] = "Redutor";

/* How a known word was spelled: what its accented letters became. */
enum spelling {
	SPELLED_LATIN1 = 1,
	SPELLED_UTF8 = 2,
	SPELLED_PLAIN = 4, /* accents taken away */
	SPELLED_LOST = 8,  /* U+FFFD in their place */
};

struct csv {
	struct portfolio_draft *draft;
	const char *begin, *end, *at;
	const char *line; /* where the current one begins */
	int64_t line_number;
	bool utf8;
	const char *const *columns;
	size_t column_count;
	struct slice fields[FIELDS_MAX];
	size_t field_count; /* may be more than FIELDS_MAX: those were not kept */
};

static struct place place_of(const struct csv *c, const char *p)
{
	int64_t column = 1;
	for (const char *q = c->line; q < p; q++)
		column += !c->utf8 || ((unsigned char)*q & 0xC0) != 0x80;
	return (struct place){c->line_number, column,
			      (int64_t)(p - c->begin) + (int64_t)c->draft->skipped};
}

static bool next_line(struct csv *c, struct slice *ret)
{
	if (c->at == c->end)
		return false;
	c->line = c->at;
	c->line_number++;
	struct slice rest = {c->at, (size_t)(c->end - c->at)};
	*ret = slice_cut(&rest, '\n');
	c->at = rest.p;
	if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

static bool is_blank(struct slice s)
{
	return slice_trim(s).n == 0;
}

static void split(struct csv *c, struct slice line)
{
	c->field_count = 1;
	for (size_t i = 0; i < line.n; i++)
		c->field_count += line.p[i] == ';';
	size_t kept = c->field_count < FIELDS_MAX ? c->field_count : FIELDS_MAX;
	for (size_t i = 0; i < kept; i++)
		c->fields[i] = slice_cut(&line, ';');
}

/* Whether all fields from the nth on are there and blank, up to one more than there are columns:
 * spreadsheets fill up short lines. */
static bool only_padding_from(const struct csv *c, size_t n)
{
	if (c->field_count > c->column_count + 1)
		return false;
	for (size_t i = n; i < c->field_count; i++)
		if (!is_blank(c->fields[i]))
			return false;
	return true;
}

/* The letter without its accent; only those of the known words. */
static char without_accent(unsigned char latin1)
{
	switch (latin1) {
	case 0xE3: return 'a';
	case 0xE7: return 'c';
	case 0xF3: return 'o';
	default: return 0;
	}
}

/* 0 when the field is not the word; else how it is spelled (a word without accents: any way, all
 * bits). */
static unsigned spelling_of(struct slice field, const char *word)
{
	unsigned spelled = SPELLED_LATIN1 | SPELLED_UTF8 | SPELLED_PLAIN | SPELLED_LOST;
	struct slice text = slice_trim(field);
	for (; *word; word++) {
		unsigned char lead = (unsigned char)*word;
		if (!text.n)
			return 0;
		if (lead < 0x80) {
			if (*text.p != *word)
				return 0;
			text.p++;
			text.n--;
			continue;
		}
		unsigned char latin1 =
			(unsigned char)((lead & 3) << 6 | ((unsigned char)*++word & 0x3F));
		size_t taken = 1;
		if ((unsigned char)*text.p == latin1) {
			spelled &= SPELLED_LATIN1;
		} else if (*text.p == without_accent(latin1)) {
			spelled &= SPELLED_PLAIN;
		} else if (text.n >= 2 && text.p[0] == word[-1] && text.p[1] == word[0]) {
			spelled &= SPELLED_UTF8;
			taken = 2;
		} else if (slice_starts(text, "\xEF\xBF\xBD")) {
			spelled &= SPELLED_LOST;
			taken = 3;
		} else {
			return 0;
		}
		if (!spelled)
			return 0;
		text.p += taken;
		text.n -= taken;
	}
	return text.n ? 0 : spelled;
}

/* Whether a label's spelling goes with the file's encoding. Ways that only some words can show
 * stand for no encoding. */
static bool spelling_fits(const struct csv *c, unsigned spelled)
{
	return spelled & SPELLED_PLAIN ||
	       spelled & (c->utf8 ? SPELLED_UTF8 | SPELLED_LOST : SPELLED_LATIN1);
}

static int refuse_no_title(struct csv *c, struct slice line, struct err *e)
{
	struct arena *arena = c->draft->arena;
	bool header = memmem(line.p, line.n, "digo", 4) && memmem(line.p, line.n, "Tipo", 4);
	if (header) {
		err_set(e, ERR_INPUT,
			"the title is missing: found the column names \"%s\", expected \"IBOV - Carteira do Dia DD/MM/YY\" before them; without "
			"the session's date nothing can be written",
			shown(arena, line));
		return refused(e, "no_title", place_of(c, line.p));
	}
	err_set(e, ERR_INPUT,
		"this is no portfolio of the day: found \"%s\", expected the title \"IBOV - Carteira do Dia DD/MM/YY\"",
		shown(arena, line));
	return refused(e, "not_a_portfolio", place_of(c, line.p));
}

static int parse_title(struct csv *c, struct err *e)
{
	struct portfolio *p = c->draft->portfolio;
	struct arena *arena = c->draft->arena;
	struct slice line;
	if (!next_line(c, &line))
		line = (struct slice){c->begin, 0};
	const char *mark = line.n ? memmem(line.p, line.n, TITLE_MARK, sizeof(TITLE_MARK) - 1)
				  : NULL;
	if (!mark)
		return refuse_no_title(c, line, e);
	struct slice index = {line.p, (size_t)(mark - line.p)};
	if (!portfolio_index_ok(index)) {
		err_set(e, ERR_INPUT,
			"the title's index: found \"%s\", expected 1 to %d capital letters and digits",
			shown(arena, index), PORTFOLIO_INDEX_MAX);
		return refused(e, "no_index", place_of(c, line.p));
	}
	memcpy(p->index, index.p, index.n);
	p->index[index.n] = 0;
	if (c->draft->index && strcmp(c->draft->index, p->index) != 0) {
		err_set(e, ERR_INPUT,
			"the title's index: found \"%s\", expected \"%s\", which was asked for",
			p->index, c->draft->index);
		return refused(e, "wrong_index", place_of(c, line.p));
	}
	struct slice rest = {mark + sizeof(TITLE_MARK) - 1,
			     line.n - index.n - (sizeof(TITLE_MARK) - 1)};
	while (rest.n && (rest.p[rest.n - 1] == ';' || rest.p[rest.n - 1] == ' '))
		rest.n--;
	struct slice date = slice_trim(rest);
	return portfolio_date(arena, &(struct field_at){.text = date, .place = place_of(c, date.p)},
			      &p->session, e);
}

/* Which form, and which encoding: the header's words decide. */
static int parse_header(struct csv *c, struct err *e)
{
	struct portfolio *p = c->draft->portfolio;
	struct arena *arena = c->draft->arena;
	struct slice line;
	if (!next_line(c, &line)) {
		err_set(e, ERR_INPUT,
			"the column names are missing: the file ends after its title");
		return refused(e, "bad_header", place_of(c, c->end));
	}
	split(c, line);
	bool sectors = slice_is(slice_trim(c->fields[0]), sector_columns[0]);
	c->columns = sectors ? sector_columns : plain_columns;
	c->column_count = sectors ? ARRAY_LEN(sector_columns) : ARRAY_LEN(plain_columns);
	p->form = sectors ? PORTFOLIO_CSV_SECTOR : PORTFOLIO_CSV;
	c->utf8 = str_is_utf8(c->begin, (size_t)(c->end - c->begin));

	unsigned spelled = SPELLED_LATIN1 | SPELLED_UTF8 | SPELLED_PLAIN | SPELLED_LOST;
	for (size_t i = 0; i < c->column_count; i++) {
		struct slice field = i < c->field_count ? c->fields[i]
							: (struct slice){line.p + line.n, 0};
		unsigned way = spelling_of(field, c->columns[i]);
		spelled &= way;
		if (spelled)
			continue;
		struct field_at f = {.text = field,
				     .name = tr("the column names"),
				     .of = tr("line 2"),
				     .place = place_of(c, field.p)};
		if (c->utf8 && portfolio_encoding(arena, &f, e) != OK)
			return ERR_INPUT;
		if (way)
			err_set(e, ERR_INPUT,
				"the column names mix encodings: found \"%s\" in a line that spells its other words differently",
				shown(arena, field));
		else
			err_set(e, ERR_INPUT,
				"the column names: found \"%s\", expected \"%s\" as number %zu of %zu separated by semicolons",
				shown(arena, field), c->columns[i], i + 1, c->column_count);
		return refused(e, way ? "bad_encoding" : "bad_header", f.place);
	}
	if (!only_padding_from(c, c->column_count)) {
		err_set(e, ERR_INPUT, "the column names: found %zu fields, expected %zu",
			c->field_count, c->column_count);
		return refused(e, "bad_header", place_of(c, line.p));
	}
	if (sectors && spelled & (SPELLED_PLAIN | SPELLED_LOST)) {
		err_set(e, ERR_INPUT,
			"the column names have lost their accents: found \"%s\", expected \"%s\"; the sectors' names, which have accents too, cannot be "
			"trusted",
			shown(arena, c->fields[1]), c->columns[1]);
		return refused(e, "bad_encoding", place_of(c, c->fields[1].p));
	}
	/* Without accents the header says nothing, and the whole file's bytes decide. */
	if (!(spelled & SPELLED_PLAIN)) {
		bool says_utf8 = spelled & (SPELLED_UTF8 | SPELLED_LOST);
		if (says_utf8 && !c->utf8) {
			err_set(e, ERR_INPUT,
				"the column names are in UTF-8, but not all that follows is");
			return refused(e, "bad_encoding", place_of(c, line.p));
		}
		c->utf8 = says_utf8;
	}
	return OK;
}

/* A field of the current line as UTF-8. */
static struct field_at field_at(const struct csv *c, size_t i, const char *of)
{
	struct slice text = slice_trim(c->fields[i]);
	struct field_at f = {.text = c->fields[i], .name = c->columns[i], .of = of};
	f.place = place_of(c, text.n ? text.p : c->fields[i].p);
	if (c->utf8)
		return f;
	for (size_t k = 0; k < f.text.n; k++)
		if ((unsigned char)f.text.p[k] >= 0x80) {
			struct buf utf8 = {0};
			buf_latin1(&utf8, f.text.p, f.text.n);
			f.text = (struct slice){arena_strndup(c->draft->arena, utf8.data, utf8.len),
						utf8.len};
			buf_free(&utf8);
			break;
		}
	return f;
}

static struct field_at number_at(const struct csv *c, size_t i, const char *of)
{
	struct field_at f = field_at(c, i, of);
	f.text = slice_trim(f.text);
	return f;
}

static int parse_row(struct csv *c, struct slice line, struct err *e)
{
	struct portfolio_draft *d = c->draft;
	size_t n = c->column_count;
	bool sectors = c->columns == sector_columns;
	if (c->field_count != n && !(c->field_count == n + 1 && is_blank(c->fields[n]))) {
		err_set(e, ERR_INPUT,
			"the row \"%s\": found %zu fields, expected %zu separated by semicolons",
			shown(d->arena, line), c->field_count, n);
		return refused(e, "bad_row", place_of(c, line.p));
	}
	struct portfolio_row *row = draft_row(d);
	if (!row) {
		err_set(e, ERR_INPUT, "more than %d rows", PORTFOLIO_ROWS_MAX);
		return refused(e, "too_large", place_of(c, line.p));
	}
	row->line = c->line_number;
	row->offset = place_of(c, line.p).offset;
	size_t i = sectors;
	struct field_at f = field_at(c, i++, tr("a row"));
	int rc = portfolio_codigo(d->arena, &f, &row->codigo, e);
	if (rc != OK)
		return rc;
	const char *of = row->codigo.p;
	f = field_at(c, i++, of);
	rc = portfolio_text(d->arena, &f, false, false, true, &row->acao, e);
	if (rc != OK)
		return rc;
	f = field_at(c, i++, of);
	rc = portfolio_text(d->arena, &f, false, true, true, &row->tipo, e);
	if (rc != OK)
		return rc;
	f = number_at(c, i++, of);
	rc = portfolio_quantity(d->arena, &f, &row->qtd_teorica, e);
	if (rc != OK)
		return rc;
	f = number_at(c, i++, of);
	rc = portfolio_share(d->arena, &f, &row->part, e);
	if (rc != OK || !sectors)
		return rc;
	f = field_at(c, 0, of);
	rc = portfolio_text(d->arena, &f, true, false, true, &row->setor, e);
	if (rc != OK)
		return rc;
	/* The sector's subtotal says nothing new and is not kept, but a damaged one is a sign of
	 * damage. */
	int64_t subtotal;
	f = number_at(c, i, of);
	return portfolio_share(d->arena, &f, &subtotal, e);
}

static int refuse_footer(struct csv *c, struct slice line, const char *label, struct err *e)
{
	err_set(e, ERR_INPUT,
		"the footer: found \"%s\", expected \"%s\" with its number under \"%s\"",
		shown(c->draft->arena, line), label,
		c->columns[c->column_count - (c->columns == sector_columns ? 3 : 2)]);
	return refused(e, "bad_footer", place_of(c, line.p));
}

/* "Quantidade Teórica Total;;;95.381.185.532;100,000" */
static int parse_total(struct csv *c, struct slice line, struct err *e)
{
	struct portfolio_draft *d = c->draft;
	bool sectors = c->columns == sector_columns;
	size_t quantity = sectors ? 4 : 3;
	if (c->field_count < quantity + 2 || !only_padding_from(c, quantity + 2 + sectors))
		return refuse_footer(c, line, total_label, e);
	for (size_t i = 1; i < quantity; i++)
		if (!is_blank(c->fields[i]))
			return refuse_footer(c, line, total_label, e);
	struct field_at f = number_at(c, quantity, total_label);
	d->qtd_total_at = f.place;
	int rc = portfolio_quantity(d->arena, &f, &d->portfolio->qtd_total, e);
	if (rc != OK)
		return rc;
	f = number_at(c, quantity + 1, total_label);
	d->part_total_at = f.place;
	rc = portfolio_share(d->arena, &f, &d->portfolio->part_total, e);
	if (rc != OK || !sectors || c->field_count <= quantity + 2 ||
	    is_blank(c->fields[quantity + 2]))
		return rc;
	int64_t subtotal;
	f = number_at(c, quantity + 2, total_label);
	return portfolio_share(d->arena, &f, &subtotal, e);
}

/* "Redutor;;;16.431.231,56745229" */
static int parse_redutor(struct csv *c, struct slice line, struct err *e)
{
	size_t at = c->columns == sector_columns ? 4 : 3;
	if (c->field_count < at + 1 || !only_padding_from(c, at + 1))
		return refuse_footer(c, line, redutor_label, e);
	for (size_t i = 1; i < at; i++)
		if (!is_blank(c->fields[i]))
			return refuse_footer(c, line, redutor_label, e);
	struct field_at f = number_at(c, at, redutor_label);
	f.name = tr("the divisor");
	return portfolio_redutor(c->draft->arena, &f, &c->draft->portfolio->redutor, e);
}

static int refuse_missing_footer(struct csv *c, const char *label, const char *p, struct err *e)
{
	err_set(e, ERR_INPUT,
		"the footer \"%s\" is missing: found the end of the rows after %zu of them; the file was cut, or only a part was copied",
		label, c->draft->portfolio->row_count);
	return refused(e, "missing_footer", place_of(c, p));
}

static int parse_body(struct csv *c, struct err *e)
{
	enum { ROWS, REDUTOR, DONE } state = ROWS;
	struct slice line;
	while (next_line(c, &line)) {
		if (is_blank(line)) {
			/* Blank lines are fine at the end only. */
			struct slice rest = {c->at, (size_t)(c->end - c->at)};
			bool more = false;
			for (size_t i = 0; i < rest.n && !more; i++)
				more = rest.p[i] != ' ' && rest.p[i] != '\t' && rest.p[i] != '\r' &&
				       rest.p[i] != '\n';
			if (!more)
				break;
			err_set(e, ERR_INPUT, "found an empty line, expected a row or a footer");
			return refused(e, "bad_row", place_of(c, line.p));
		}
		split(c, line);
		unsigned total = spelling_of(c->fields[0], total_label);
		bool redutor = spelling_of(c->fields[0], redutor_label) != 0;
		int rc;
		if (state == DONE) {
			err_set(e, ERR_INPUT,
				"found \"%s\" after the last footer, expected the end of the file",
				shown(c->draft->arena, line));
			return refused(e, "after_footer", place_of(c, line.p));
		}
		if (total && !spelling_fits(c, total)) {
			err_set(e, ERR_INPUT,
				"the footer \"%s\" is in another encoding than the column names",
				shown(c->draft->arena, c->fields[0]));
			return refused(e, "bad_encoding", place_of(c, line.p));
		}
		if (state == ROWS && redutor)
			return refuse_missing_footer(c, total_label, line.p, e);
		if (state == REDUTOR && !redutor)
			return refuse_footer(c, line, redutor_label, e);
		if (total) {
			rc = parse_total(c, line, e);
			state = REDUTOR;
		} else if (redutor) {
			rc = parse_redutor(c, line, e);
			state = DONE;
		} else if (slice_starts(slice_trim(line), "Quantidade")) {
			rc = refuse_footer(c, line, total_label, e);
		} else {
			rc = parse_row(c, line, e);
		}
		if (rc != OK)
			return rc;
	}
	if (state != DONE) {
		c->line_number += c->at == c->end && c->end > c->begin && c->end[-1] == '\n';
		c->line = c->end;
		return refuse_missing_footer(c, state == ROWS ? total_label : redutor_label, c->end,
					     e);
	}
	return OK;
}

int portfolio_parse_csv(struct portfolio_draft *d, struct slice text, struct err *e)
{
	struct csv c = {
		.draft = d, .begin = text.p, .end = text.p + text.n, .at = text.p, .line = text.p};
	int rc = parse_title(&c, e);
	if (rc == OK)
		rc = parse_header(&c, e);
	if (rc == OK)
		rc = parse_body(&c, e);
	return rc;
}
