/* Rendering of rows: terminal table, JSON, CSV. JSON and CSV stream; a table is gathered first,
 * because its columns are as wide as their widest cell. */
#include "render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tr.h"

#define CELL_WIDTH_MAX \
	60 /* columns of a table cell on a terminal; longer text is cut with an ellipsis */

struct render {
	FILE *out;
	enum format format;
	bool colour;
	const char *(*colour_of)(const char *first_cell);
	int64_t max_rows;
	int64_t rows;
	struct arena *arena;
	struct column *columns;
	const char **type_names;
	size_t column_count;
	char **cells; /* table: row after row; NULL is null */
	size_t cell_count, cell_cap;
	struct buf line;
};

const char *paint(bool on, const char *code)
{
	static const struct {
		const char *name, *escape;
	} codes[] = {{"reset", "\033[0m"}, {"bold", "\033[1m"},   {"dim", "\033[2m"},
		     {"red", "\033[31m"},  {"green", "\033[32m"}, {"yellow", "\033[33m"},
		     {"blue", "\033[34m"}};
	for (size_t i = 0; on && i < ARRAY_LEN(codes); i++)
		if (strcmp(codes[i].name, code) == 0)
			return codes[i].escape;
	return "";
}

int terminal_width(FILE *f)
{
	struct winsize w;
	if (!isatty(fileno(f)) || ioctl(fileno(f), TIOCGWINSZ, &w) != 0)
		return 0;
	return w.ws_col ? w.ws_col : 80;
}

const char *human_bytes(int64_t n, char buf[32])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	int unit = 0;
	int64_t whole = n, tenth = 0;
	while (whole >= 1000 && unit < 4) {
		tenth = whole % 1000 / 100;
		whole /= 1000;
		unit++;
	}
	if (unit == 0 || whole >= 100)
		snprintf(buf, 32, "%lld %s", (long long)whole, units[unit]);
	else
		snprintf(buf, 32, "%lld.%lld %s", (long long)whole, (long long)tenth, units[unit]);
	return buf;
}

const char *human_duration(int64_t us, char buf[32])
{
	if (us < 1000000)
		snprintf(buf, 32, "%lld.%lld ms", (long long)(us / 1000),
			 (long long)(us % 1000 / 100));
	else if (us < 120000000)
		snprintf(buf, 32, "%lld.%lld s", (long long)(us / 1000000),
			 (long long)(us % 1000000 / 100000));
	else
		snprintf(buf, 32, "%lld min %lld s", (long long)(us / 60000000),
			 (long long)(us % 60000000 / 1000000));
	return buf;
}

struct render *render_new(FILE *out, enum format format, bool colour, int64_t max_rows)
{
	struct render *r = NEW(struct render);
	r->out = out;
	r->format = format;
	r->colour = colour;
	r->max_rows = max_rows;
	r->arena = arena_new();
	return r;
}

void render_free(struct render *r)
{
	if (!r)
		return;
	arena_free(r->arena);
	buf_free(&r->line);
	free(r->cells);
	free(r);
}

void render_colour_rows(struct render *r, const char *(*colour_of)(const char *first_cell))
{
	r->colour_of = colour_of;
}

int64_t render_rows(const struct render *r)
{
	return r->rows;
}

static int flush_line(struct render *r, struct err *e)
{
	if (fwrite(r->line.data, 1, r->line.len, r->out) != r->line.len)
		return err_errno(e, errno, "cannot write the result");
	buf_reset(&r->line);
	return OK;
}

static bool is_csv(const struct render *r)
{
	return r->format == FORMAT_CSV || r->format == FORMAT_CSV_BR;
}

static bool is_json(const struct render *r)
{
	return r->format == FORMAT_JSON || r->format == FORMAT_NDJSON;
}

static char separator(const struct render *r)
{
	return r->format == FORMAT_CSV_BR ? ';' : ',';
}

/* What a spreadsheet would run as a formula is given to it as text. */
static bool is_formula(const char *p, size_t n)
{
	return n && strchr("=+-@\t\r", p[0]);
}

static void csv_text(struct render *r, const char *p, size_t n)
{
	struct buf *out = &r->line;
	bool formula = r->format == FORMAT_CSV_BR && is_formula(p, n);
	bool quote = n == 0;
	for (size_t i = 0; i < n && !quote; i++)
		quote = p[i] == '"' || p[i] == separator(r) || p[i] == '\n' || p[i] == '\r';
	if (!quote) {
		if (formula)
			buf_char(out, '\'');
		buf_add(out, p, n);
		return;
	}
	buf_char(out, '"');
	if (formula)
		buf_char(out, '\'');
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"')
			buf_char(out, '"');
		buf_char(out, p[i]);
	}
	buf_char(out, '"');
}

static void csv_cell(struct render *r, const struct column *c, const char *p, size_t n)
{
	if (!column_is_number(c)) {
		csv_text(r, p, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		buf_char(&r->line, r->format == FORMAT_CSV_BR && p[i] == '.' ? ',' : p[i]);
}

static int on_columns(void *ctx, const struct column *columns, const char *const *type_names,
		      size_t n, struct err *e)
{
	struct render *r = ctx;
	r->column_count = n;
	r->columns = ANEW_ARRAY(r->arena, n, struct column);
	r->type_names = ANEW_ARRAY(r->arena, n, const char *);
	for (size_t i = 0; i < n; i++) {
		r->columns[i] = columns[i];
		r->columns[i].name = arena_strdup(r->arena, columns[i].name);
		r->type_names[i] = type_names ? arena_strdup(r->arena, type_names[i]) : "";
	}
	if (is_csv(r)) {
		if (r->format == FORMAT_CSV_BR)
			buf_str(&r->line, "\xef\xbb\xbf");
		for (size_t i = 0; i < n; i++) {
			if (i)
				buf_char(&r->line, separator(r));
			csv_text(r, columns[i].name, strlen(columns[i].name));
		}
		buf_str(&r->line, "\r\n");
		return flush_line(r, e);
	}
	if (r->format == FORMAT_JSON) {
		buf_char(&r->line, '[');
		return flush_line(r, e);
	}
	return OK;
}

/* NaN and infinities have no JSON number. */
static bool json_number(const struct column *c, const char *text)
{
	return column_is_number(c) && (c->type != COL_DOUBLE || !strpbrk(text, "nN"));
}

static int on_batch(void *ctx, const struct batch *b, struct err *e)
{
	struct render *r = ctx;
	AUTO_BUF struct buf cell = {0};
	for (size_t row = 0; row < b->row_count; row++, r->rows++) {
		if (r->max_rows && r->rows >= r->max_rows)
			continue;
		if (is_json(r))
			buf_str(&r->line, r->format == FORMAT_NDJSON ? "{"
					  : r->rows                  ? ",\n{"
								     : "\n{");
		for (size_t i = 0; i < b->column_count; i++) {
			buf_reset(&cell);
			bool there = batch_text(b, i, row, &cell);
			const char *text = cell.data ? cell.data : "";
			if (is_json(r)) {
				if (i)
					buf_char(&r->line, ',');
				buf_json_str(&r->line, r->columns[i].name,
					     strlen(r->columns[i].name));
				buf_char(&r->line, ':');
				if (!there || (column_is_number(&r->columns[i]) &&
					       !json_number(&r->columns[i], text)))
					buf_str(&r->line, "null");
				else if (r->columns[i].type == COL_BOOLEAN ||
					 column_is_number(&r->columns[i]))
					buf_str(&r->line, text);
				else
					buf_json_str(&r->line, text, cell.len);
			} else if (is_csv(r)) {
				if (i)
					buf_char(&r->line, separator(r));
				if (there)
					csv_cell(r, &r->columns[i], text, cell.len);
			} else {
				*PUSH(r->cells, r->cell_count, r->cell_cap) =
					there ? arena_strndup(r->arena, text, cell.len) : NULL;
			}
		}
		if (is_json(r))
			buf_str(&r->line, r->format == FORMAT_NDJSON ? "}\n" : "}");
		else if (is_csv(r))
			buf_str(&r->line, "\r\n");
		if (r->line.len > 65536) {
			int rc = flush_line(r, e);
			if (rc)
				return rc;
		}
	}
	return r->line.len ? flush_line(r, e) : 0;
}

struct query_sink render_sink(struct render *r)
{
	return (struct query_sink){.columns = on_columns, .batch = on_batch, .ctx = r};
}

/* The next character of UTF-8 text and how many terminal columns it takes; control characters are
 * shown as '?', so that data cannot steer a terminal. */
static size_t next_char(const char *p, uint32_t *ret_char, int *ret_width)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t u = n == 1 ? c : c & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			n = 1;
			u = '?';
			break;
		}
		u = u << 6 | ((unsigned char)p[i] & 0x3f);
	}
	*ret_char = u < 0x20 || (u >= 0x7f && u < 0xa0) ? '?' : u;
	bool wide = (u >= 0x1100 && u <= 0x115f) || (u >= 0x2e80 && u <= 0xa4cf) ||
		    (u >= 0xac00 && u <= 0xd7a3) || (u >= 0xf900 && u <= 0xfaff) ||
		    (u >= 0xfe30 && u <= 0xfe6f) || (u >= 0xff00 && u <= 0xff60) ||
		    (u >= 0x1f300 && u <= 0x1faff);
	bool mark = (u >= 0x300 && u <= 0x36f) || (u >= 0x200b && u <= 0x200f) ||
		    (u >= 0x202a && u <= 0x202e) || (u >= 0x2066 && u <= 0x2069);
	*ret_width = mark ? 0 : wide ? 2 : 1;
	return n;
}

int print_width(const char *s)
{
	int width = 0, w;
	uint32_t u;
	for (; *s; width += w)
		s += next_char(s, &u, &w);
	return width;
}

void print_cell(FILE *out, const char *s, int width, bool right)
{
	int have = print_width(s);
	int pad = have < width ? width - have : 0;
	if (right)
		fprintf(out, "%*s", pad, "");
	int used = 0;
	while (*s) {
		uint32_t u;
		int w;
		size_t n = next_char(s, &u, &w);
		if (have > width && used + w > width - 1) {
			fputs("…", out);
			break;
		}
		if (w == 0 || (u == '?' && *s != '?'))
			fputs(w == 0 ? "" : "?", out);
		else
			fwrite(s, 1, n, out);
		used += w;
		s += n;
	}
	if (!right)
		fprintf(out, "%*s", pad, "");
}

static void rule(struct render *r, const int *widths, const char *left, const char *mid,
		 const char *right)
{
	fprintf(r->out, "%s%s", paint(r->colour, "dim"), left);
	for (size_t i = 0; i < r->column_count; i++) {
		if (i)
			fputs(mid, r->out);
		for (int k = 0; k < widths[i] + 2; k++)
			fputs("─", r->out);
	}
	fprintf(r->out, "%s%s\n", right, paint(r->colour, "reset"));
}

static void draw_table(struct render *r)
{
	size_t rows = r->column_count ? r->cell_count / r->column_count : 0;
	int *widths = ANEW_ARRAY(r->arena, r->column_count + 1, int);
	int cap = terminal_width(r->out) ? CELL_WIDTH_MAX : 1000;
	for (size_t i = 0; i < r->column_count; i++) {
		widths[i] = print_width(r->columns[i].name);
		for (size_t row = 0; row < rows; row++) {
			const char *s = r->cells[row * r->column_count + i];
			int w = s ? print_width(s) : 4;
			if (w > widths[i])
				widths[i] = w < cap ? w : cap;
		}
	}
	const char *dim = paint(r->colour, "dim"), *bold = paint(r->colour, "bold"),
		   *reset = paint(r->colour, "reset");
	rule(r, widths, "┌", "┬", "┐");
	for (size_t i = 0; i < r->column_count; i++) {
		fprintf(r->out, "%s│%s %s", dim, reset, bold);
		print_cell(r->out, r->columns[i].name, widths[i], column_is_number(&r->columns[i]));
		fprintf(r->out, "%s ", reset);
	}
	fprintf(r->out, "%s│%s\n", dim, reset);
	rule(r, widths, "├", "┼", "┤");
	for (size_t row = 0; row < rows; row++) {
		const char *first = r->column_count ? r->cells[row * r->column_count] : NULL;
		const char *colour = r->colour_of ? r->colour_of(first) : NULL;
		for (size_t i = 0; i < r->column_count; i++) {
			const char *s = r->cells[row * r->column_count + i];
			fprintf(r->out, "%s│%s ", dim, reset);
			if (!s || colour)
				fputs(s ? paint(r->colour, colour) : dim, r->out);
			print_cell(r->out, s ? s : "null", widths[i],
				   column_is_number(&r->columns[i]));
			fprintf(r->out, "%s ", s && !colour ? "" : reset);
		}
		fprintf(r->out, "%s│%s\n", dim, reset);
	}
	rule(r, widths, "└", "┴", "┘");
	if ((int64_t)rows < r->rows)
		fprintf(r->out,
			tr("%lld rows, the first %zu shown; --limit, --format csv or -o FILE give more\n"),
			(long long)r->rows, rows);
	else
		fprintf(r->out, r->rows == 1 ? tr("%lld row\n") : tr("%lld rows\n"),
			(long long)r->rows);
}

int render_end(struct render *r, struct err *e)
{
	if (r->format == FORMAT_JSON)
		fputs(r->rows ? "\n]\n" : "]\n", r->out);
	else if (r->format == FORMAT_TABLE)
		draw_table(r);
	if (fflush(r->out) != 0 || ferror(r->out))
		return err_errno(e, errno ? errno : EIO, "cannot write the result");
	return OK;
}

void print_text(FILE *out, const char *text)
{
	while (*text) {
		uint32_t u;
		int w;
		size_t n = next_char(text, &u, &w);
		if (u == '?' && *text != '?' && *text != '\n')
			fputc('?', out);
		else
			fwrite(text, 1, n, out);
		text += n;
	}
}
