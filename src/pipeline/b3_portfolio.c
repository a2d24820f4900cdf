/* B3's portfolio of the day: which form the bytes are in, what every form must fulfil, the tables,
 * and the rows for them. */
#include "b3_portfolio.h"

#include <inttypes.h>
#include <string.h>

#include "b3_fetch.h"
#include "b3_portfolio_field.h"
#include "base64.h"

static const struct column portfolio_columns[] = {
	{.name = "codigo",
	 .type = COL_TEXT,
	 .doc = "Ticker of the paper, as B3 had it on that day"},
	{.name = "acao", .type = COL_TEXT, .doc = "Short name of the issuer"},
	{.name = "tipo",
	 .type = COL_TEXT,
	 .doc = "Kind of paper, corporate event of the day, listing segment, in B3's columns of blanks"},
	{.name = "setor",
	 .type = COL_TEXT,
	 .doc = "Sector; null when the form that was read has none"},
	{.name = "qtd_teorica",
	 .type = COL_BIGINT,
	 .doc = "Theoretical quantity of papers in the portfolio"},
	{.name = "part",
	 .type = COL_DECIMAL,
	 .precision = 9,
	 .scale = 3,
	 .doc = "Share of the portfolio in percent"},
	{.name = "source_sha256",
	 .type = COL_TEXT,
	 .doc = "SHA-256 of the bytes it was read from, which lie under landing/"},
};
static const struct column total_columns[] = {
	{.name = "qtd_teorica_total",
	 .type = COL_BIGINT,
	 .doc = "Sum of the theoretical quantities, equal to that of the rows"},
	{.name = "part_total",
	 .type = COL_DECIMAL,
	 .precision = 9,
	 .scale = 3,
	 .doc = "Sum of the shares: 100.000"},
	{.name = "redutor",
	 .type = COL_DECIMAL,
	 .precision = 38,
	 .scale = 8,
	 .doc = "Divisor that turns the portfolio's value into the index's points"},
	{.name = "source_sha256",
	 .type = COL_TEXT,
	 .doc = "SHA-256 of the bytes it was read from, which lie under landing/"},
};
static const struct column partition_columns[] = {
	{.name = "data_pregao", .type = COL_DATE, .doc = "Session, from the payload's own title"},
	{.name = "index_code", .type = COL_TEXT, .doc = "Index, as this service spells it"},
};
enum { PARTITIONS = ARRAY_LEN(partition_columns) };

const struct table_def b3_portfolio_table = {
	.database = "raw",
	.name = "portfolio",
	.doc = "B3's theoretical portfolio of the day: the rows as they were sent, checked against their footer",
	.columns = portfolio_columns,
	.column_count = ARRAY_LEN(portfolio_columns),
	.partition = partition_columns,
	.partition_count = PARTITIONS,
	.location = "raw/portfolio",
	.scope_count = PARTITIONS,
};
const struct table_def b3_portfolio_total_table = {
	.database = "raw",
	.name = "portfolio_total",
	.doc = "The footer of B3's theoretical portfolio of the day: totals and divisor, one row a session",
	.columns = total_columns,
	.column_count = ARRAY_LEN(total_columns),
	.partition = partition_columns,
	.partition_count = PARTITIONS,
	.location = "raw/portfolio_total",
	.scope_count = PARTITIONS,
};

bool portfolio_index_ok(struct slice s)
{
	if (s.n < 1 || s.n > PORTFOLIO_INDEX_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9')))
			return false;
	return true;
}

struct portfolio_row *draft_row(struct portfolio_draft *d)
{
	struct portfolio *p = d->portfolio;
	if (p->row_count == PORTFOLIO_ROWS_MAX)
		return NULL;
	if (p->row_count == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 128;
		struct portfolio_row *rows = ANEW_ARRAY(d->arena, cap, struct portfolio_row);
		if (p->row_count)
			memcpy(rows, p->rows, p->row_count * sizeof(*rows));
		p->rows = rows;
		d->cap = cap;
	}
	return &p->rows[p->row_count++];
}

static int compare_rows(const void *a, const void *b)
{
	const struct portfolio_row *x = a, *y = b;
	int order = strcmp(x->codigo.p, y->codigo.p);
	return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static int refuse_sum(int64_t found, int128 sum, int scale, const char *what, struct place at,
		      const struct portfolio *p, struct err *e)
{
	char footer[DECIMAL_TEXT_SIZE], rows[DECIMAL_TEXT_SIZE];
	err_set(e, ERR_INPUT, "%s: the footer says %s, but the %zu rows add up to %s", what,
		decimal_format(found, scale, footer), p->row_count,
		decimal_format(sum, scale, rows));
	return refused(e, "sum_mismatch", at);
}

/* What every form must fulfil. Sorts the rows. */
static int reconcile(const struct portfolio_draft *d, struct err *e)
{
	struct portfolio *p = d->portfolio;
	if (!p->row_count) {
		err_set(e, ERR_INPUT, "found no rows, expected at least one");
		return refused(e, "no_rows", d->qtd_total_at);
	}
	qsort(p->rows, p->row_count, sizeof(*p->rows), compare_rows);
	int128 quantities = 0, shares = 0;
	for (size_t i = 0; i < p->row_count; i++) {
		const struct portfolio_row *row = &p->rows[i];
		quantities += row->qtd_teorica;
		shares += row->part;
		p->has_sectors |= row->setor.n > 0;
		if (i && slice_eq(row->codigo, row[-1].codigo)) {
			err_set(e, ERR_INPUT,
				"%s is there twice, first in line %" PRId64
				"; expected each code once",
				row->codigo.p, row[-1].line);
			return refused(e, "duplicate_code",
				       (struct place){row->line, 1, row->offset});
		}
	}
	if (quantities != p->qtd_total)
		return refuse_sum(p->qtd_total, quantities, 0, tr("sum of the quantities"),
				  d->qtd_total_at, p, e);
	if (shares != p->part_total)
		return refuse_sum(p->part_total, shares, 3, tr("sum of the shares"),
				  d->part_total_at, p, e);
	if (p->part_total != PORTFOLIO_WHOLE) {
		char found[DECIMAL_TEXT_SIZE];
		err_set(e, ERR_INPUT, "sum of the shares: found %s, expected 100.000",
			decimal_format(p->part_total, 3, found));
		return refused(e, "sum_mismatch", d->part_total_at);
	}
	return OK;
}

static void identify(struct portfolio *p)
{
	char text[DECIMAL_TEXT_SIZE];
	struct hash *h = hash_new();
	hash_str(h, "b3/portfolio content 1");
	hash_str(h, p->index);
	hash_i64(h, p->session);
	hash_i64(h, (int64_t)p->row_count);
	for (size_t i = 0; i < p->row_count; i++) {
		const struct portfolio_row *row = &p->rows[i];
		hash_field(h, row->codigo.p, row->codigo.n);
		hash_field(h, row->acao.p, row->acao.n);
		hash_field(h, row->tipo.p, row->tipo.n);
		hash_i64(h, row->qtd_teorica);
		hash_i64(h, row->part);
	}
	hash_i64(h, p->qtd_total);
	hash_i64(h, p->part_total);
	hash_str(h, decimal_format(p->redutor, 8, text));
	hash_end_hex(h, p->content);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "...": one JSON string and nothing else, as a service sends that encodes twice. */
static bool is_json_string(struct slice s)
{
	if (s.n < 2 || s.p[0] != '"' || s.p[s.n - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\n')
			return false;
		i += s.p[i] == '\\';
	}
	return true;
}

/* Nothing but base64's letters, and enough of them to be no short word. */
static bool is_base64(struct slice s)
{
	size_t letters = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			      (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
		if (!letter && c != '\r' && c != '\n')
			return false;
		letters += letter;
	}
	return letters >= 40;
}

static int parse_text(struct portfolio_draft *d, struct slice bytes, bool decoded, struct err *e);

static int parse_base64(struct portfolio_draft *d, struct slice text, bool decoded, struct err *e)
{
	if (decoded) {
		err_set(e, ERR_INPUT,
			"found base64 inside base64, expected a portfolio: the answer was encoded twice");
		return refused(e, "double_encoded", (struct place){0, 0, 0});
	}
	AUTO_BUF struct buf bytes = {.ceiling = PORTFOLIO_BYTES_MAX};
	size_t at;
	if (!base64_decode(text, &bytes, &at)) {
		err_set(e, ERR_INPUT, "broken base64: found \"%s\"; the answer was cut or damaged",
			shown(d->arena, (struct slice){text.p + at, text.n - at}));
		return refused(e, "bad_base64", (struct place){0, 0, (int64_t)(d->skipped + at)});
	}
	char *copy = arena_strndup(d->arena, bytes.data, bytes.len);
	d->portfolio->landed = (struct slice){copy, bytes.len};
	d->skipped = 0;
	int rc = parse_text(d, d->portfolio->landed, true, e);
	/* The place is that of the decoded text, which is what a person would look at. */
	return rc == OK ? OK : err_wrap(e, "in the text decoded from base64");
}

static int parse_text(struct portfolio_draft *d, struct slice bytes, bool decoded, struct err *e)
{
	struct place start = {0, 0, 0};
	if (slice_starts(bytes, "\xEF\xBB\xBF")) {
		bytes.p += 3;
		bytes.n -= 3;
		d->skipped = 3;
	}
	struct slice text = bytes;
	while (text.n && is_space(text.p[0])) {
		text.p++;
		text.n--;
	}
	while (text.n && is_space(text.p[text.n - 1]))
		text.n--;
	if (!text.n) {
		err_set(e, ERR_INPUT, "the payload is empty");
		return refused(e, "empty", start);
	}
	if (memchr(text.p, 0, text.n)) {
		err_set(e, ERR_INPUT,
			"found NUL bytes, expected text in Latin-1 or UTF-8; this looks like UTF-16 or like no text at all");
		return refused(e, "bad_encoding",
			       (struct place){0, 0,
					      (const char *)memchr(text.p, 0, text.n) - bytes.p +
						      (int64_t)d->skipped});
	}
	switch (text.p[0]) {
	case '<':
		err_set(e, ERR_INPUT, "found HTML (\"%s\"), expected a portfolio",
			shown(d->arena, text));
		return refused(e, "html", start);
	case '{':
	case '\x1e':
		d->skipped += (size_t)(text.p - bytes.p);
		return portfolio_parse_json(d, text, e);
	case '"':
		if (!is_json_string(text))
			break;
		err_set(e, ERR_INPUT,
			"found a JSON text that holds the answer (\"%s\"), expected the answer itself: it was encoded twice",
			shown(d->arena, text));
		return refused(e, "double_encoded", start);
	default: break;
	}
	if (is_base64(text)) {
		d->skipped += (size_t)(text.p - bytes.p);
		return parse_base64(d, text, decoded, e);
	}
	return portfolio_parse_csv(d, bytes, e);
}

int portfolio_parse(struct slice bytes, const char *index, struct arena *arena,
		    struct portfolio *ret, struct err *e)
{
	struct portfolio p = {.landed = bytes};
	struct portfolio_draft d = {.portfolio = &p, .arena = arena, .index = index};
	if (index && !portfolio_index_ok(slice_of(index))) {
		err_set(e, ERR_INPUT,
			"the index that was asked for: found \"%s\", expected 1 to %d capital letters and digits",
			shown(arena, slice_of(index)), PORTFOLIO_INDEX_MAX);
		return refused(e, "no_index", (struct place){0, 0, -1});
	}
	if (bytes.n > PORTFOLIO_BYTES_MAX) {
		err_set(e, ERR_INPUT, "found %zu bytes, expected at most %u", bytes.n,
			PORTFOLIO_BYTES_MAX);
		return refused(e, "too_large", (struct place){0, 0, -1});
	}
	int rc = parse_text(&d, bytes, false, e);
	if (rc == OK)
		rc = reconcile(&d, e);
	if (rc != OK)
		return rc;
	identify(&p);
	*ret = p;
	return OK;
}

static struct slice *repeated(struct arena *arena, struct slice value, size_t n)
{
	struct slice *all = ANEW_ARRAY(arena, n, struct slice);
	for (size_t i = 0; i < n; i++)
		all[i] = value;
	return all;
}

static struct source_part portfolio_rows(const struct portfolio *p, struct slice sha256,
					 struct arena *arena)
{
	size_t n = p->row_count;
	struct slice *codigo = ANEW_ARRAY(arena, n, struct slice),
		     *acao = ANEW_ARRAY(arena, n, struct slice);
	struct slice *tipo = ANEW_ARRAY(arena, n, struct slice),
		     *setor = ANEW_ARRAY(arena, n, struct slice);
	uint8_t *setor_valid = ANEW_ARRAY(arena, n, uint8_t);
	int64_t *qtd = ANEW_ARRAY(arena, n, int64_t), *part = ANEW_ARRAY(arena, n, int64_t);
	for (size_t i = 0; i < n; i++) {
		const struct portfolio_row *row = &p->rows[i];
		codigo[i] = row->codigo;
		acao[i] = row->acao;
		tipo[i] = row->tipo;
		setor[i] = row->setor;
		setor_valid[i] = row->setor.n > 0;
		qtd[i] = row->qtd_teorica;
		part[i] = row->part;
	}
	struct vector *v = ANEW_ARRAY(arena, ARRAY_LEN(portfolio_columns), struct vector);
	const struct vector vectors[ARRAY_LEN(portfolio_columns)] = {
		{.data = codigo},
		{.data = acao},
		{.data = tipo},
		{.data = setor, .valid = setor_valid},
		{.data = qtd},
		{.data = part},
		{.data = repeated(arena, sha256, n)},
	};
	memcpy(v, vectors, sizeof(vectors));
	return (struct source_part){
		.table = &b3_portfolio_table,
		.batch = {.columns = portfolio_columns,
			  .vectors = v,
			  .column_count = ARRAY_LEN(portfolio_columns),
			  .row_count = n},
	};
}

static struct source_part total_row(const struct portfolio *p, struct slice sha256,
				    struct arena *arena)
{
	int64_t *qtd = ANEW(arena, int64_t), *part = ANEW(arena, int64_t);
	int128 *redutor = ANEW(arena, int128);
	*qtd = p->qtd_total;
	*part = p->part_total;
	*redutor = p->redutor;
	struct vector *v = ANEW_ARRAY(arena, ARRAY_LEN(total_columns), struct vector);
	const struct vector vectors[ARRAY_LEN(total_columns)] = {
		{.data = qtd},
		{.data = part},
		{.data = redutor},
		{.data = repeated(arena, sha256, 1)},
	};
	memcpy(v, vectors, sizeof(vectors));
	return (struct source_part){
		.table = &b3_portfolio_total_table,
		.batch = {.columns = total_columns,
			  .vectors = v,
			  .column_count = ARRAY_LEN(total_columns),
			  .row_count = 1},
	};
}

static int parse(const struct payload *payload, struct arena *arena, struct source_parsed *ret,
		 struct err *e)
{
	struct portfolio p;
	int rc = portfolio_parse(payload->bytes, payload->index, arena, &p, e);
	if (rc != OK)
		return rc;
	char date[DATE_TEXT_SIZE];
	struct source_parsed parsed = {
		.landed = p.landed,
		.extension = p.form == PORTFOLIO_JSON ? "body.json" : "csv",
		.folder = arena_printf(arena, "index=%s", p.index),
		.values = {arena_strdup(arena, date_format(p.session, date)),
			   arena_strdup(arena, p.index)},
		.detailed = p.has_sectors,
		.part_count = 2,
	};
	hash_bytes_hex(p.landed.p, p.landed.n, parsed.sha256);
	memcpy(parsed.content, p.content, sizeof(parsed.content));
	struct slice sha256 = slice_of(arena_strdup(arena, parsed.sha256));
	parsed.parts[0] = portfolio_rows(&p, sha256, arena);
	parsed.parts[1] = total_row(&p, sha256, arena);
	*ret = parsed;
	return OK;
}

static const struct table_def *const tables[] = {&b3_portfolio_table, &b3_portfolio_total_table};

const struct source b3_portfolio_source = {
	.name = "portfolio",
	.path = "b3/portfolio",
	.parser_version = "1",
	.writer_version = "1",
	.detail = "sectors",
	.tables = tables,
	.table_count = ARRAY_LEN(tables),
	.forms = b3_fetch_forms,
	.base_url = B3_BASE_URL,
	.parse = parse,
	.fetch = b3_fetch_portfolio,
};
