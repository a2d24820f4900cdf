/* Bitcoin's rows gathered as columns, for the parquet port and for the query engine. */
#include <string.h>

#include "bitcoin_fields.h"
#include "value.h"

#define US_PER_HOUR INT64_C(3600000000)

/* Where a column's values come from. */
enum { FROM_SEQ = -1, FROM_DATE = -2, FROM_HOUR = -3 }; /* else: an index into bitcoin_fields */

struct gathered {
	int from;
	void *data;
	uint8_t *valid;
	bool wide;  /* numbers are int128 */
	bool nulls; /* any so far */
};
struct bitcoin_rows {
	struct arena *arena;
	enum bitcoin_kind kind;
	size_t count, cap;
	size_t columns; /* without the partitions */
	bool borrows;   /* texts are not copied */
	struct column defs[TABLE_MAX_PARTITION + 32];
	struct gathered gathered[TABLE_MAX_PARTITION + 32];
	struct vector vectors[TABLE_MAX_PARTITION + 32];
};

static int field_named(const char *name)
{
	for (size_t i = 0; i < bitcoin_field_count; i++)
		if (strcmp(bitcoin_fields[i].name, name) == 0)
			return (int)i;
	return FROM_SEQ;
}

struct bitcoin_rows *bitcoin_rows_new(struct arena *arena, enum bitcoin_kind kind)
{
	const struct table_def *t = bitcoin_tables[kind];
	struct bitcoin_rows *rows = ANEW(arena, struct bitcoin_rows);
	rows->arena = arena;
	rows->kind = kind;
	rows->columns = t->column_count;
	for (size_t i = 0; i < t->column_count; i++) {
		rows->defs[i] = t->columns[i];
		rows->gathered[i].from = field_named(t->columns[i].name);
		rows->gathered[i].wide = t->columns[i].type == COL_DECIMAL &&
					 column_width_bytes(&t->columns[i]) == sizeof(int128);
	}
	for (size_t i = 0; i < t->partition_count; i++) {
		rows->defs[t->column_count + i] = t->partition[i];
		rows->gathered[t->column_count + i].from = i == 0 ? FROM_DATE : FROM_HOUR;
	}
	return rows;
}

static void *grown(struct arena *arena, const void *old, size_t count, size_t cap, size_t width)
{
	void *data = arena_array(arena, cap, width);
	if (count)
		memcpy(data, old, count * width);
	return data;
}

static void grow(struct bitcoin_rows *rows, size_t cap)
{
	for (size_t i = 0; i < rows->columns + bitcoin_tables[rows->kind]->partition_count; i++) {
		struct gathered *g = &rows->gathered[i];
		g->data = grown(rows->arena, g->data, rows->count, cap,
				column_width_bytes(&rows->defs[i]));
		g->valid = grown(rows->arena, g->valid, rows->count, cap, 1);
	}
	rows->cap = cap;
}

struct bitcoin_rows *bitcoin_rows_borrowing(struct arena *arena, enum bitcoin_kind kind, size_t n)
{
	struct bitcoin_rows *rows = bitcoin_rows_new(arena, kind);
	rows->borrows = true;
	grow(rows, n ? n : 1);
	return rows;
}

/* Sources, pairs and reasons repeat from row to row: one copy serves them all. */
static struct slice kept(struct bitcoin_rows *rows, const struct gathered *g, struct slice s)
{
	const struct slice *all = g->data;
	if (rows->borrows)
		return s;
	if (rows->count && slice_eq(all[rows->count - 1], s))
		return all[rows->count - 1];
	return (struct slice){arena_strndup(rows->arena, s.p, s.n), s.n};
}

/* Puts the field's value behind the column's others; false: null. */
static bool add_field(struct bitcoin_rows *rows, struct gathered *g, const struct bitcoin_row *row)
{
	const struct bitcoin_field *f = &bitcoin_fields[g->from];
	const void *m = (const char *)row + f->offset;
	struct slice s;
	switch (f->form) {
	case FORM_WORD:
	case FORM_TEXT:
	case FORM_BYTES:
		s = f->form == FORM_BYTES ? *(const struct slice *)m
					  : slice_of(*(const char *const *)m);
		if (s.n)
			((struct slice *)g->data)[rows->count] = kept(rows, g, s);
		return s.n > 0;
	case FORM_FLAG:
		((uint8_t *)g->data)[rows->count] = *(const int *)m == 1;
		return *(const int *)m >= 0;
	case FORM_TIME:
	case FORM_DECIMAL:
	case FORM_NUMBER: break;
	}
	int64_t number = *(const int64_t *)m;
	if (number == BITCOIN_NONE)
		return false;
	if (g->wide)
		((int128 *)g->data)[rows->count] = number;
	else
		((int64_t *)g->data)[rows->count] = number;
	return true;
}

void bitcoin_rows_add(struct bitcoin_rows *rows, const struct bitcoin_row *row, int64_t seq)
{
	if (rows->count == rows->cap)
		grow(rows, rows->cap ? rows->cap * 2 : 64);
	int64_t hours = (rows->kind == BITCOIN_GAP ? row->slot_us : row->event_us) / US_PER_HOUR;
	for (size_t i = 0; i < rows->columns + bitcoin_tables[rows->kind]->partition_count; i++) {
		struct gathered *g = &rows->gathered[i];
		bool valid = true;
		switch (g->from) {
		case FROM_SEQ: ((int64_t *)g->data)[rows->count] = seq; break;
		case FROM_DATE: ((int32_t *)g->data)[rows->count] = (int32_t)(hours / 24); break;
		case FROM_HOUR: ((int32_t *)g->data)[rows->count] = (int32_t)(hours % 24); break;
		default: valid = add_field(rows, g, row);
		}
		g->valid[rows->count] = valid;
		g->nulls |= !valid;
	}
	rows->count++;
}

size_t bitcoin_rows_count(const struct bitcoin_rows *rows)
{
	return rows->count;
}

struct batch bitcoin_rows_batch(struct bitcoin_rows *rows, bool partitions)
{
	size_t columns =
		rows->columns + (partitions ? bitcoin_tables[rows->kind]->partition_count : 0);
	for (size_t i = 0; i < columns; i++)
		rows->vectors[i] = (struct vector){
			.data = rows->gathered[i].data,
			.valid = rows->gathered[i].nulls ? rows->gathered[i].valid : NULL,
		};
	return (struct batch){
		.columns = rows->defs,
		.vectors = rows->vectors,
		.column_count = columns,
		.row_count = rows->count,
	};
}
