/* DuckDB's data chunks as batches: most vectors are handed on as they lie, narrow numbers are
 * widened, texts become slices. */
#include "duckdb_batch.h"

#include <string.h>

static const struct {
	duckdb_type id;
	enum column_type type;
	const char *name;
	int width; /* 0: the same bytes as in a batch */
	bool is_unsigned;
} kinds[] = {
	{DUCKDB_TYPE_BOOLEAN, COL_BOOLEAN, "BOOLEAN", 0, false},
	{DUCKDB_TYPE_TINYINT, COL_INTEGER, "TINYINT", 1, false},
	{DUCKDB_TYPE_SMALLINT, COL_INTEGER, "SMALLINT", 2, false},
	{DUCKDB_TYPE_INTEGER, COL_INTEGER, "INTEGER", 0, false},
	{DUCKDB_TYPE_UTINYINT, COL_INTEGER, "UTINYINT", 1, true},
	{DUCKDB_TYPE_USMALLINT, COL_INTEGER, "USMALLINT", 2, true},
	{DUCKDB_TYPE_UINTEGER, COL_BIGINT, "UINTEGER", 4, true},
	{DUCKDB_TYPE_BIGINT, COL_BIGINT, "BIGINT", 0, false},
	{DUCKDB_TYPE_UBIGINT, COL_HUGEINT, "UBIGINT", 8, true},
	{DUCKDB_TYPE_HUGEINT, COL_HUGEINT, "HUGEINT", 0, false},
	{DUCKDB_TYPE_DOUBLE, COL_DOUBLE, "DOUBLE", 0, false},
	{DUCKDB_TYPE_DATE, COL_DATE, "DATE", 0, false},
	{DUCKDB_TYPE_TIMESTAMP, COL_TIMESTAMP, "TIMESTAMP", 0, false},
	{DUCKDB_TYPE_VARCHAR, COL_TEXT, "VARCHAR", 0, false},
};

bool duck_column_type(const struct duckdb_api *a, duckdb_logical_type type, struct arena *arena,
		      struct column *ret, const char **ret_name)
{
	duckdb_type id = a->get_type_id(type);
	if (id == DUCKDB_TYPE_DECIMAL) {
		ret->type = COL_DECIMAL;
		ret->precision = a->decimal_width(type);
		ret->scale = a->decimal_scale(type);
		char text[COLUMN_TYPE_SIZE];
		*ret_name = arena_strdup(arena, column_type_format(ret, text));
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].id == id) {
			ret->type = kinds[i].type;
			*ret_name = kinds[i].name;
			return true;
		}
	}
	return false;
}

/* In how many bytes DuckDB keeps it, when that is not how a batch does. */
static int width_of(const struct duckdb_api *a, duckdb_logical_type type, bool *ret_unsigned)
{
	*ret_unsigned = false;
	duckdb_type id = a->get_type_id(type);
	if (id == DUCKDB_TYPE_DECIMAL) {
		switch (a->decimal_internal_type(type)) {
		case DUCKDB_TYPE_SMALLINT: return 2;
		case DUCKDB_TYPE_INTEGER: return 4;
		default: return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].id == id) {
			*ret_unsigned = kinds[i].is_unsigned;
			return kinds[i].width;
		}
	}
	return 0;
}

void duck_reader_init(struct duck_reader *r, const struct duckdb_api *a,
		      const struct column *columns, const duckdb_logical_type *types, size_t count)
{
	*r = (struct duck_reader){.api = a, .columns = columns, .count = count};
	r->widths = NEW_ARRAY(count, int);
	r->is_unsigned = NEW_ARRAY(count, bool);
	r->values = NEW_ARRAY(count, void *);
	r->valid = NEW_ARRAY(count, uint8_t *);
	r->vectors = NEW_ARRAY(count, struct vector);
	uint64_t most = a->vector_size();
	for (size_t c = 0; c < count; c++) {
		r->widths[c] = width_of(a, types[c], &r->is_unsigned[c]);
		if (r->widths[c] || columns[c].type == COL_TEXT)
			r->values[c] = mem_array(most, column_width_bytes(&columns[c]));
	}
}

void duck_reader_clear(struct duck_reader *r)
{
	for (size_t c = 0; c < r->count; c++) {
		free(r->values[c]);
		free(r->valid[c]);
	}
	free(r->widths);
	free(r->is_unsigned);
	free(r->values);
	free(r->valid);
	free(r->vectors);
	*r = (struct duck_reader){0};
}

static int128 narrow_at(const void *data, int width, bool is_unsigned, uint64_t row)
{
	switch (width) {
	case 1:
		return is_unsigned ? (int128)((const uint8_t *)data)[row]
				   : (int128)((const int8_t *)data)[row];
	case 2:
		return is_unsigned ? (int128)((const uint16_t *)data)[row]
				   : (int128)((const int16_t *)data)[row];
	case 4:
		return is_unsigned ? (int128)((const uint32_t *)data)[row]
				   : (int128)((const int32_t *)data)[row];
	default:
		return is_unsigned ? (int128)((const uint64_t *)data)[row]
				   : (int128)((const int64_t *)data)[row];
	}
}

static void widen(struct duck_reader *r, size_t c, const void *data, uint64_t n)
{
	size_t width = column_width_bytes(&r->columns[c]);
	for (uint64_t i = 0; i < n; i++) {
		int128 v = narrow_at(data, r->widths[c], r->is_unsigned[c], i);
		if (width == 4)
			((int32_t *)r->values[c])[i] = (int32_t)v;
		else if (width == 8)
			((int64_t *)r->values[c])[i] = (int64_t)v;
		else
			((int128 *)r->values[c])[i] = v;
	}
}

static void slice_texts(struct duck_reader *r, size_t c, duckdb_string_t *strings, uint64_t n)
{
	struct slice *to = r->values[c];
	for (uint64_t i = 0; i < n; i++) {
		duckdb_string_t *s = &strings[i];
		/* What lies under a null is anything. */
		if (r->vectors[c].valid && !r->vectors[c].valid[i])
			to[i] = (struct slice){"", 0};
		else if (s->value.inlined.length <= sizeof(s->value.inlined.inlined))
			to[i] = (struct slice){s->value.inlined.inlined, s->value.inlined.length};
		else
			to[i] = (struct slice){s->value.pointer.ptr, s->value.pointer.length};
	}
}

static const uint8_t *unpack_valid(struct duck_reader *r, size_t c, const uint64_t *mask,
				   uint64_t n)
{
	if (!mask)
		return NULL;
	if (!r->valid[c])
		r->valid[c] = mem_array(r->api->vector_size(), 1);
	uint8_t all = 1;
	for (uint64_t i = 0; i < n; i++)
		all &= r->valid[c][i] = (uint8_t)(mask[i / 64] >> (i % 64) & 1);
	return all ? NULL : r->valid[c];
}

struct batch duck_reader_batch(struct duck_reader *r, duckdb_data_chunk chunk)
{
	uint64_t n = r->api->data_chunk_get_size(chunk);
	for (size_t c = 0; c < r->count; c++) {
		duckdb_vector v = r->api->data_chunk_get_vector(chunk, c);
		void *data = r->api->vector_get_data(v);
		r->vectors[c].valid = unpack_valid(r, c, r->api->vector_get_validity(v), n);
		r->vectors[c].data = data;
		if (!r->values[c])
			continue;
		r->vectors[c].data = r->values[c];
		if (r->columns[c].type == COL_TEXT)
			slice_texts(r, c, data, n);
		else
			widen(r, c, data, n);
	}
	return (struct batch){.columns = r->columns,
			      .vectors = r->vectors,
			      .column_count = r->count,
			      .row_count = n};
}
