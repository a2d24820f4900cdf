/* Lists: rows that a command makes itself, a cell at a time, rendered as SQL results are. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "render.h"
#include "str.h"

struct listing {
	struct arena *arena;
	struct column *columns;
	size_t column_count;
	struct cell {
		bool there;
		union {
			uint8_t u8;
			int64_t i64;
			struct slice text;
		} v;
	} * cells;
	size_t cell_count, cell_cap;
};

struct listing *listing_new(const struct column *columns, size_t n)
{
	struct listing *l = NEW(struct listing);
	l->arena = arena_new();
	l->columns = ANEW_ARRAY(l->arena, n, struct column);
	memcpy(l->columns, columns, n * sizeof(*columns));
	l->column_count = n;
	return l;
}

void listing_free(struct listing *l)
{
	if (!l)
		return;
	arena_free(l->arena);
	free(l->cells);
	free(l);
}

static struct cell *next_cell(struct listing *l)
{
	struct cell *c = PUSH(l->cells, l->cell_count, l->cell_cap);
	c->there = true;
	return c;
}

void listing_text(struct listing *l, const char *s)
{
	struct cell *c = next_cell(l);
	c->there = s != NULL;
	if (s)
		c->v.text = slice_of(arena_strdup(l->arena, s));
}

void listing_null(struct listing *l)
{
	next_cell(l)->there = false;
}

void listing_bool(struct listing *l, bool v)
{
	next_cell(l)->v.u8 = v;
}

void listing_int(struct listing *l, int64_t v)
{
	next_cell(l)->v.i64 = v;
}

void listing_time(struct listing *l, int64_t us)
{
	char text[TIME_TEXT_SIZE];
	if (us)
		time_format_utc(us, text);
	listing_text(l, us ? text : NULL);
}

int listing_print(struct listing *l, struct cli *cli, struct err *e)
{
	struct render *r = render_new(stdout, cli->format, cli->colour_out, 0);
	struct query_sink sink = render_sink(r);
	int rc = sink.columns(sink.ctx, l->columns, NULL, l->column_count, e);
	struct vector *vectors = ANEW_ARRAY(l->arena, l->column_count, struct vector);
	/* One row at a time: lists are short, and this way a cell's own memory serves as the
	 * vector. */
	for (size_t at = 0; rc == OK && at + l->column_count <= l->cell_count;
	     at += l->column_count) {
		static const uint8_t null = 0;
		for (size_t i = 0; i < l->column_count; i++)
			vectors[i] = (struct vector){&l->cells[at + i].v,
						     l->cells[at + i].there ? NULL : &null};
		rc = sink.batch(sink.ctx, &(struct batch){l->columns, vectors, l->column_count, 1},
				e);
	}
	if (rc == OK)
		rc = render_end(r, e);
	render_free(r);
	return rc;
}

void listing_print_upright(struct listing *l)
{
	for (size_t i = 0; i < l->cell_count; i++) {
		static const uint8_t null = 0;
		AUTO_BUF struct buf text = {0};
		const struct column *c = &l->columns[i % l->column_count];
		struct vector v = {&l->cells[i].v, l->cells[i].there ? NULL : &null};
		if (!batch_text(&(struct batch){c, &v, 1, 1}, 0, 0, &text))
			continue;
		printf("%-14s ", c->name);
		print_text(stdout, text.data ? text.data : "");
		putchar('\n');
	}
}
