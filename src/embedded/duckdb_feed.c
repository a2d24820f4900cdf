/* Batches as a table function of DuckDB, so that no row is held twice. Each value is checked before
 * DuckDB sees it, which takes out-of-range decimals and turns bad UTF-8 into nulls without a word. */
#include "duckdb_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What the table function reads. DuckDB owns it (extra_info) and frees it with the database. */
struct duck_feed {
	const struct batch *batches; /* NULL: nobody may read */
	size_t count;
	char name[32];
};
/* DuckDB calls back without a word about where its own calls are. The same for all hosts of a
 * process: there is one library. */
static const struct duckdb_api *calls;

/* -- checking ---------------------------------------------------------------------------------- */

#define DAY_MIN (-719162) /* 0001-01-01 */
#define DAY_MAX 2932896   /* 9999-12-31 */
#define DAY_US  86400000000LL

static bool is_valid(const struct vector *v, size_t row)
{
	return !v->valid || v->valid[row];
}

static int128 power_of_ten(int n)
{
	int128 p = 1;
	while (n-- > 0)
		p *= 10;
	return p;
}

static bool decimal_in_64(const struct column *c)
{
	return c->precision <= 18;
}

static int128 decimal_at(const struct column *c, const struct vector *v, size_t row)
{
	return decimal_in_64(c) ? ((const int64_t *)v->data)[row] : ((const int128 *)v->data)[row];
}

static int check_value(const struct column *c, const struct vector *v, size_t row, int128 limit,
		       int64_t shown_row, struct err *e)
{
	switch (c->type) {
	case COL_DECIMAL: {
		int128 d = decimal_at(c, v, row);
		if (d > -limit && d < limit)
			return OK;
		char digits[DECIMAL_TEXT_SIZE];
		return err_set(e, ERR_INPUT,
			       "column %s, row %" PRId64 ": %s does not fit DECIMAL(%d,%d)",
			       c->name, shown_row, decimal_format(d, c->scale, digits),
			       c->precision, c->scale);
	}
	case COL_TEXT: {
		struct slice s = ((const struct slice *)v->data)[row];
		if (s.n == 0 || str_is_utf8(s.p, s.n))
			return OK;
		return err_set(e, ERR_INPUT,
			       "column %s, row %" PRId64 ": the text is not valid UTF-8", c->name,
			       shown_row);
	}
	case COL_DATE: {
		int32_t day = ((const int32_t *)v->data)[row];
		if (day >= DAY_MIN && day <= DAY_MAX)
			return OK;
		return err_set(e, ERR_INPUT,
			       "column %s, row %" PRId64
			       ": day %d lies outside the years 1 to 9999",
			       c->name, shown_row, day);
	}
	case COL_TIMESTAMP: {
		int64_t us = ((const int64_t *)v->data)[row];
		if (us >= DAY_MIN * DAY_US && us < (DAY_MAX + 1) * DAY_US)
			return OK;
		return err_set(e, ERR_INPUT,
			       "column %s, row %" PRId64 ": %" PRId64
			       " microseconds lie outside the years 1 to 9999",
			       c->name, shown_row, us);
	}
	default: return OK;
	}
}

static int check_columns(const struct batch *batches, size_t n, struct err *e)
{
	if (n == 0 || batches[0].column_count == 0)
		return err_set(e, ERR_BUG, "there is no batch, or one without columns");
	const struct batch *first = &batches[0];
	for (size_t c = 0; c < first->column_count; c++) {
		const struct column *column = &first->columns[c];
		if (column->type == COL_HUGEINT)
			return err_set(e, ERR_BUG, "column %s: no table has a HUGEINT",
				       column->name);
		if (column->type == COL_DECIMAL &&
		    (column->precision < 1 || column->precision > 38 || column->scale < 0 ||
		     column->scale > column->precision))
			return err_set(e, ERR_BUG, "column %s: there is no DECIMAL(%d,%d)",
				       column->name, column->precision, column->scale);
	}
	for (size_t b = 1; b < n; b++) {
		bool same = batches[b].column_count == first->column_count;
		for (size_t c = 0; same && c < first->column_count; c++) {
			const struct column *x = &first->columns[c], *y = &batches[b].columns[c];
			same = strcmp(x->name, y->name) == 0 && x->type == y->type &&
			       (x->type != COL_DECIMAL ||
				(x->precision == y->precision && x->scale == y->scale));
		}
		if (!same)
			return err_set(e, ERR_BUG, "batch %zu has other columns than the first", b);
	}
	return OK;
}

int duck_feed_check(const struct batch *batches, size_t n, struct err *e)
{
	int rc = check_columns(batches, n, e);
	int64_t shown = 1;
	for (size_t b = 0; b < n && rc == OK; b++) {
		for (size_t c = 0; c < batches[b].column_count && rc == OK; c++) {
			const struct column *column = &batches[b].columns[c];
			const struct vector *v = &batches[b].vectors[c];
			if (column->type == COL_BOOLEAN || column->type == COL_INTEGER ||
			    column->type == COL_BIGINT || column->type == COL_DOUBLE)
				continue;
			int128 limit = column->type == COL_DECIMAL ? power_of_ten(column->precision)
								   : 0;
			for (size_t row = 0; row < batches[b].row_count && rc == OK; row++)
				if (is_valid(v, row))
					rc = check_value(column, v, row, limit,
							 shown + (int64_t)row, e);
		}
		shown += (int64_t)batches[b].row_count;
	}
	return rc;
}

/* -- the table function ------------------------------------------------------------------------ */

static duckdb_logical_type logical_type(const struct column *c)
{
	const struct duckdb_api *d = calls;
	switch (c->type) {
	case COL_BOOLEAN: return d->create_logical_type(DUCKDB_TYPE_BOOLEAN);
	case COL_INTEGER: return d->create_logical_type(DUCKDB_TYPE_INTEGER);
	case COL_BIGINT: return d->create_logical_type(DUCKDB_TYPE_BIGINT);
	case COL_HUGEINT: return d->create_logical_type(DUCKDB_TYPE_HUGEINT);
	case COL_DOUBLE: return d->create_logical_type(DUCKDB_TYPE_DOUBLE);
	case COL_DATE: return d->create_logical_type(DUCKDB_TYPE_DATE);
	case COL_TIMESTAMP: return d->create_logical_type(DUCKDB_TYPE_TIMESTAMP);
	case COL_TEXT: return d->create_logical_type(DUCKDB_TYPE_VARCHAR);
	case COL_DECIMAL: return d->create_decimal_type((uint8_t)c->precision, (uint8_t)c->scale);
	}
	return NULL;
}

static void feed_bind(duckdb_bind_info info)
{
	const struct duck_feed *f = calls->bind_get_extra_info(info);
	if (!f->batches) {
		calls->bind_set_error(info, "nothing is being written");
		return;
	}
	uint64_t rows = 0;
	for (size_t b = 0; b < f->count; b++)
		rows += f->batches[b].row_count;
	calls->bind_set_cardinality(info, rows, true);
	for (size_t c = 0; c < f->batches[0].column_count; c++) {
		duckdb_logical_type type = logical_type(&f->batches[0].columns[c]);
		calls->bind_add_result_column(info, f->batches[0].columns[c].name, type);
		calls->destroy_logical_type(&type);
	}
}

/* How far one scan has come. */
struct cursor {
	size_t batch, row;
};

static void feed_init(duckdb_init_info info)
{
	calls->init_set_init_data(info, NEW(struct cursor), free);
	calls->init_set_max_threads(info, 1); /* in the order given */
}

static void copy_decimals(const struct column *c, const struct vector *v, size_t from, size_t n,
			  void *to)
{
	/* DuckDB keeps a decimal in the smallest integer that holds its digits. */
	for (size_t i = 0; i < n; i++) {
		if (!is_valid(v, from + i))
			continue;
		int128 d = decimal_at(c, v, from + i);
		if (c->precision <= 4)
			((int16_t *)to)[i] = (int16_t)d;
		else if (c->precision <= 9)
			((int32_t *)to)[i] = (int32_t)d;
		else if (c->precision <= 18)
			((int64_t *)to)[i] = (int64_t)d;
		else
			((int128 *)to)[i] = d;
	}
}

static void copy_values(const struct column *c, const struct vector *v, size_t from, size_t n,
			duckdb_vector out)
{
	void *to = calls->vector_get_data(out);
	size_t width = column_width_bytes(c);
	switch (c->type) {
	case COL_BOOLEAN:
		for (size_t i = 0; i < n; i++)
			((bool *)to)[i] = ((const uint8_t *)v->data)[from + i] != 0;
		break;
	case COL_TEXT:
		for (size_t i = 0; i < n; i++) {
			struct slice s = ((const struct slice *)v->data)[from + i];
			if (is_valid(v, from + i))
				calls->vector_assign_string_element_len(out, i, s.n ? s.p : "",
									s.n);
		}
		break;
	case COL_DECIMAL: copy_decimals(c, v, from, n, to); break;
	default: memcpy(to, (const char *)v->data + from * width, n * width); break;
	}
	if (!v->valid)
		return;
	uint64_t *mask = NULL;
	for (size_t i = 0; i < n; i++) {
		if (v->valid[from + i])
			continue;
		if (!mask) {
			calls->vector_ensure_validity_writable(out);
			mask = calls->vector_get_validity(out);
		}
		mask[i / 64] &= ~(1ULL << (i % 64));
	}
}

static void feed_read(duckdb_function_info info, duckdb_data_chunk chunk)
{
	const struct duck_feed *f = calls->function_get_extra_info(info);
	struct cursor *at = calls->function_get_init_data(info);
	while (f->batches && at->batch < f->count && at->row >= f->batches[at->batch].row_count)
		*at = (struct cursor){.batch = at->batch + 1};
	if (!f->batches || at->batch >= f->count) {
		calls->data_chunk_set_size(chunk, 0);
		return;
	}
	const struct batch *b = &f->batches[at->batch];
	size_t n = b->row_count - at->row, most = calls->vector_size();
	if (n > most)
		n = most;
	for (size_t c = 0; c < b->column_count; c++)
		copy_values(&b->columns[c], &b->vectors[c], at->row, n,
			    calls->data_chunk_get_vector(chunk, c));
	calls->data_chunk_set_size(chunk, n);
	at->row += n;
}

/* -- for those who have rows ------------------------------------------------------------------ */

int duck_feed_open(const struct duck *d, struct duckdb_host *host, struct duck_feed **ret,
		   struct err *e)
{
	calls = d->api;
	struct duck_feed *feed = NEW(struct duck_feed);
	snprintf(feed->name, sizeof(feed->name), "pregao_rows_%" PRId64, duckdb_host_number(host));
	duckdb_table_function function = calls->create_table_function();
	calls->table_function_set_name(function, feed->name);
	calls->table_function_set_extra_info(function, feed, free);
	calls->table_function_set_bind(function, feed_bind);
	calls->table_function_set_init(function, feed_init);
	calls->table_function_set_function(function, feed_read);
	duckdb_state state = calls->register_table_function(d->con, function);
	calls->destroy_table_function(&function);
	if (state == DuckDBError)
		return err_set(e, ERR_BUG, "DuckDB does not take the function that feeds it");
	*ret = feed;
	return OK;
}

const char *duck_feed_name(const struct duck_feed *f)
{
	return f->name;
}

void duck_feed_set(struct duck_feed *f, const struct batch *batches, size_t n)
{
	f->batches = batches;
	f->count = n;
}
