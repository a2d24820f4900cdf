/* A result as a picture on the terminal: bars, or a line of braille dots. Numbers become doubles
 * here and nowhere else: a dot has no cents. */
#include "chart.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"
#include "tr.h"

#define BARS_MAX    200     /* more are no picture */
#define POINTS_MAX  1000000 /* of a line: what is kept in memory */
#define LABEL_WIDTH 24
#define LINE_ROWS   16  /* height of a line's field, in characters */
#define WIDTH_PLAIN 100 /* columns where there is no terminal */

struct chart {
	FILE *out;
	enum chart_kind kind;
	bool colour;
	struct arena *arena;
	size_t value;  /* the column that is drawn */
	bool one;      /* it is the only one: rows have no labels */
	char *name;    /* its name */
	int64_t nulls; /* rows without a number */
	int64_t rows, max_rows;
	struct point {
		const char *label;
		char *text; /* the number as it is */
		double value;
	} * points;
	size_t count, cap;
};

struct chart *chart_new(FILE *out, enum chart_kind kind, bool colour, int64_t max_rows)
{
	struct chart *c = NEW(struct chart);
	c->out = out;
	c->kind = kind;
	c->colour = colour;
	c->max_rows = max_rows;
	c->arena = arena_new();
	return c;
}

void chart_free(struct chart *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	free(c->points);
	free(c);
}

static int on_columns(void *ctx, const struct column *columns, const char *const *type_names,
		      size_t n, struct err *e)
{
	(void)type_names;
	struct chart *c = ctx;
	c->one = n == 1;
	for (c->value = c->one ? 0 : 1; c->value < n && !column_is_number(&columns[c->value]);)
		c->value++;
	if (c->value >= n)
		return err_set(
			e, ERR_INPUT,
			"nothing to draw: --chart wants a column of numbers after the first, "
			"which names the rows");
	c->name = arena_strdup(c->arena, columns[c->value].name);
	return OK;
}

static int on_batch(void *ctx, const struct batch *b, struct err *e)
{
	struct chart *c = ctx;
	AUTO_BUF struct buf text = {0};
	size_t most = c->kind == CHART_BAR ? BARS_MAX : POINTS_MAX;
	for (size_t row = 0; row < b->row_count && (!c->max_rows || c->rows < c->max_rows); row++) {
		c->rows++;
		buf_reset(&text);
		if (!batch_text(b, c->value, row, &text) || !isfinite(strtod(text.data, NULL))) {
			c->nulls++;
			continue;
		}
		if (c->count == most)
			return err_set(
				e, ERR_INPUT,
				"more than %zu rows are no picture: add a LIMIT or a GROUP BY",
				most);
		struct point *p = PUSH(c->points, c->count, c->cap);
		p->value = strtod(text.data, NULL);
		/* a line shows no text but at its ends */
		p->text = arena_strndup(c->arena, text.data, text.len);
		buf_reset(&text);
		p->label = c->one || !batch_text(b, 0, row, &text)
				   ? ""
				   : arena_strndup(c->arena, text.data ? text.data : "", text.len);
	}
	return OK;
}

struct query_sink chart_sink(struct chart *c)
{
	return (struct query_sink){.columns = on_columns, .batch = on_batch, .ctx = c};
}

static void spaces(FILE *out, int n)
{
	fprintf(out, "%*s", n > 0 ? n : 0, "");
}

/* `eighths` of a column, from the left. */
static void bar(FILE *out, int eighths)
{
	static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	for (int i = 0; i < eighths / 8; i++)
		fputs("█", out);
	fputs(part[eighths % 8], out);
}

static void draw_bars(struct chart *c, int width)
{
	double least = 0, most = 0;
	int labels = 0, numbers = 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct point *p = &c->points[i];
		least = fmin(least, p->value);
		most = fmax(most, p->value);
		int w = print_width(p->label);
		labels = w > labels ? w : labels;
		w = print_width(p->text);
		numbers = w > numbers ? w : numbers;
	}
	labels = labels < LABEL_WIDTH ? labels : LABEL_WIDTH;
	int field = width - labels - numbers - 4;
	field = field < 10 ? 10 : field;
	double span = most - least;
	/* where nought lies: to the left of it what is below, as whole columns */
	int left = span > 0 ? (int)lround(-least / span * field) : 0;
	for (size_t i = 0; i < c->count; i++) {
		const struct point *p = &c->points[i];
		int eighths = span > 0 ? (int)lround(fabs(p->value) / span * field * 8) : 0;
		print_cell(c->out, p->label, labels, false);
		fputs("  ", c->out);
		if (p->value < 0) {
			int columns = (eighths + 7) / 8 < left ? (eighths + 7) / 8 : left;
			spaces(c->out, left - columns);
			fputs(paint(c->colour, "red"), c->out);
			bar(c->out, columns * 8);
		} else {
			spaces(c->out, left);
			fputs(paint(c->colour, "blue"), c->out);
			bar(c->out, eighths);
		}
		fprintf(c->out, "%s %s\n", paint(c->colour, "reset"), p->text);
	}
}

/* One field of braille: each character holds two by four dots. */
static void draw_line(struct chart *c, int width)
{
	static const uint8_t dots[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};
	const struct point *low = c->points, *high = c->points;
	for (size_t i = 0; i < c->count; i++) {
		low = c->points[i].value < low->value ? &c->points[i] : low;
		high = c->points[i].value > high->value ? &c->points[i] : high;
	}
	int margin = print_width(low->text), other = print_width(high->text);
	margin = margin > other ? margin : other;
	int columns = width - margin - 3 < 10 ? 10 : width - margin - 3;
	uint8_t *field = ANEW_ARRAY(c->arena, (size_t)(columns * LINE_ROWS), uint8_t);
	int dots_wide = columns * 2, dots_high = LINE_ROWS * 4, before = -1;
	double span = high->value - low->value;
	for (int x = 0; x < dots_wide; x++) {
		/* between two rows a straight line */
		double at = c->count > 1 ? (double)x / (dots_wide - 1) * (double)(c->count - 1) : 0;
		size_t i = (size_t)at, next = i + 1 < c->count ? i + 1 : i;
		double value = c->points[i].value +
			       (at - (double)i) * (c->points[next].value - c->points[i].value);
		int y = span > 0 ? (int)lround((high->value - value) / span * (dots_high - 1))
				 : dots_high / 2;
		int from = before < 0 ? y : before < y ? before + 1 : y;
		int to = before < 0 ? y : before > y ? before - 1 : y;
		for (int k = from; k <= to; k++)
			field[k / 4 * columns + x / 2] |= dots[x % 2][k % 4];
		field[y / 4 * columns + x / 2] |= dots[x % 2][y % 4];
		before = y;
	}
	for (int row = 0; row < LINE_ROWS; row++) {
		const char *text = row == 0 ? high->text : row == LINE_ROWS - 1 ? low->text : "";
		print_cell(c->out, text, margin, true);
		fprintf(c->out, " %s┤%s%s", paint(c->colour, "dim"), paint(c->colour, "reset"),
			paint(c->colour, "blue"));
		for (int x = 0; x < columns; x++) {
			uint8_t d = field[row * columns + x];
			/* U+2800 and the dots, in UTF-8 */
			fprintf(c->out, "\xe2%c%c", 0xa0 | d >> 6, 0x80 | (d & 0x3f));
		}
		fprintf(c->out, "%s\n", paint(c->colour, "reset"));
	}
	const char *first = c->points[0].label, *last = c->points[c->count - 1].label;
	int half = columns / 2;
	spaces(c->out, margin + 2);
	print_cell(c->out, first, half, false);
	print_cell(c->out, c->count > 1 ? last : "", columns - half + 1, true);
	fputc('\n', c->out);
}

int chart_end(struct chart *c, struct err *e)
{
	int width = terminal_width(c->out);
	fprintf(c->out, "%s", paint(c->colour, "bold"));
	print_text(c->out, c->name);
	fprintf(c->out, "%s\n", paint(c->colour, "reset"));
	if (c->count == 0)
		fprintf(c->out, "%s\n", tr("no rows"));
	else if (c->kind == CHART_BAR)
		draw_bars(c, width ? width : WIDTH_PLAIN);
	else
		draw_line(c, width ? width : WIDTH_PLAIN);
	if (c->nulls)
		fprintf(c->out, tr("%lld of %lld rows have no number and are not drawn\n"),
			(long long)c->nulls, (long long)c->rows);
	if (fflush(c->out) != 0 || ferror(c->out))
		return err_errno(e, errno ? errno : EIO, "cannot write the result");
	return OK;
}
