/* Parquet files by DuckDB, but for small ones: the batches are a table function that COPY reads, so
 * that no row is held twice. Each value is checked before DuckDB sees it, which takes out-of-range decimals and turns
 * bad UTF-8 into nulls without a word. */
#include "parquet_duckdb.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "duckdb_api.h"
#include "parquet_file.h"

/* What the table function reads. DuckDB owns it (extra_info) and frees it with the database. */
struct feed {
	const struct batch *batches; /* NULL: nothing is being written, and nobody else may read */
	size_t count;
};
/* DuckDB calls back without a word about where its own calls are. The same for all hosts of a
 * process: there is one library. */
static const struct duckdb_api *calls;

struct parquet_duckdb {
	struct parquet port;
	pthread_mutex_t lock;
	struct duckdb_host *host;
	struct duck duck;
	struct feed *feed;
	char function[32];
};

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
		return err_set(e, ERR_BUG,
			       "a Parquet file needs at least one batch with at least one column");
	const struct batch *first = &batches[0];
	for (size_t c = 0; c < first->column_count; c++) {
		const struct column *column = &first->columns[c];
		if (column->type == COL_HUGEINT)
			return err_set(e, ERR_BUG, "column %s: Parquet has no HUGEINT",
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

static int check(const struct batch *batches, size_t n, struct err *e)
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
	const struct feed *f = calls->bind_get_extra_info(info);
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
	const struct feed *f = calls->function_get_extra_info(info);
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

/* Connects and registers the function, once. */
static int open_driver(struct parquet_duckdb *p, struct err *e)
{
	if (p->duck.con)
		return OK;
	struct duck d = {0};
	int rc = duck_open(&d, p->host, e);
	if (rc)
		return rc;
	calls = d.api;
	snprintf(p->function, sizeof(p->function), "pregao_rows_%" PRId64,
		 duckdb_host_number(p->host));
	struct feed *feed = NEW(struct feed);
	duckdb_table_function function = calls->create_table_function();
	calls->table_function_set_name(function, p->function);
	calls->table_function_set_extra_info(function, feed, free);
	calls->table_function_set_bind(function, feed_bind);
	calls->table_function_set_init(function, feed_init);
	calls->table_function_set_function(function, feed_read);
	duckdb_state state = calls->register_table_function(d.con, function);
	calls->destroy_table_function(&function);
	if (state == DuckDBError) {
		duck_close(&d);
		return err_set(e, ERR_BUG, "DuckDB does not take the function that feeds it");
	}
	p->feed = feed;
	p->duck = d;
	return OK;
}

/* -- the port ---------------------------------------------------------------------------------- */

/* Runs a COPY to path; leaves no file behind when it fails. */
static int copy(struct parquet_duckdb *p, const char *sql, const char *path, struct arena *arena,
		struct parquet_result *ret, struct err *e)
{
	duckdb_result result;
	struct duck_file *files = NULL;
	size_t count = 0;
	int rc = duckdb_host_threads(p->host, 1, e);
	if (rc == OK)
		rc = duck_query(&p->duck, sql, &result, e);
	if (rc == OK) {
		rc = duck_files(&p->duck, &result, arena, &files, &count, e);
		calls->destroy_result(&result);
	}
	if (rc == OK && count > 1)
		rc = err_set(e, ERR_BUG, "DuckDB wrote %zu files where one was expected", count);
	if (rc) {
		unlink(path);
		return err_where(e, path);
	}
	*ret = (struct parquet_result){0};
	if (count)
		*ret = (struct parquet_result){.rows = files[0].rows,
					       .bytes = files[0].bytes,
					       .stats = files[0].stats,
					       .stats_count = files[0].stats_count};
	return OK;
}

#define FORMAT " (FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false, RETURN_STATS)"

static int parquet_duckdb_write(struct parquet *port, const struct batch *batches, size_t n,
				const char *path, struct arena *arena, struct parquet_result *ret,
				struct err *e)
{
	struct parquet_duckdb *p = (struct parquet_duckdb *)port;
	int rc = check(batches, n, e);
	if (rc)
		return rc;
	if (n == 1 && parquet_file_takes(batches->columns, batches->column_count,
					 (int64_t)batches->row_count))
		return parquet_file_write(batches, 0, batches->row_count, path, arena, ret, e);
	AUTO_BUF struct buf sql = {0};
	pthread_mutex_lock(&p->lock);
	rc = open_driver(p, e);
	if (rc == OK) {
		buf_printf(&sql, "COPY (FROM %s()) TO ", p->function);
		buf_sql_str(&sql, path);
		buf_str(&sql, FORMAT);
		p->feed->batches = batches;
		p->feed->count = n;
		rc = copy(p, sql.data, path, arena, ret, e);
		p->feed->batches = NULL;
		p->feed->count = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* " ANTI JOIN (values of the rows to be dropped) ON ..." */
static void add_drop(struct buf *sql, const struct parquet_merge *m)
{
	char type[COLUMN_TYPE_SIZE];
	buf_str(sql, " ANTI JOIN (SELECT ");
	for (size_t c = 0; c < m->drop_column_count; c++)
		buf_printf(sql, "%sCAST(v%zu AS %s) AS d%zu", c ? ", " : "", c,
			   column_type_format(&m->drop_columns[c], type), c);
	buf_str(sql, " FROM (VALUES ");
	for (size_t i = 0; i < m->drop_count; i++) {
		for (size_t c = 0; c < m->drop_column_count; c++) {
			buf_str(sql, c ? ", " : i ? ", (" : "(");
			buf_sql_str(sql, m->drop[i * m->drop_column_count + c]);
		}
		buf_char(sql, ')');
	}
	buf_str(sql, ") AS given(");
	for (size_t c = 0; c < m->drop_column_count; c++)
		buf_printf(sql, "%sv%zu", c ? ", " : "", c);
	buf_str(sql, ")) AS dropped ON ");
	for (size_t c = 0; c < m->drop_column_count; c++) {
		buf_str(sql, c ? " AND merged." : "merged.");
		buf_sql_name(sql, m->drop_columns[c].name);
		buf_printf(sql, " = dropped.d%zu", c);
	}
}

/* The rows of the files; files with equal values of the added columns are read together. */
static void add_sources(struct buf *sql, const struct parquet_merge *m)
{
	char type[COLUMN_TYPE_SIZE];
	size_t n = m->add_column_count, end;
	for (size_t i = 0; i < m->path_count; i = end) {
		const char *const *values = n ? &m->add[i * n] : NULL;
		bool same = true;
		for (end = i + 1; end < m->path_count; end += same) {
			for (size_t c = 0; same && c < n; c++)
				same = strcmp(values[c], m->add[end * n + c]) == 0;
			if (!same)
				break;
		}
		/* By name: a table that grew a column has older files without it. */
		buf_str(sql, i ? " UNION ALL BY NAME SELECT *" : "SELECT *");
		for (size_t c = 0; c < n; c++) {
			buf_str(sql, ", CAST(");
			buf_sql_str(sql, values[c]);
			buf_printf(sql, " AS %s) AS ",
				   column_type_format(&m->add_columns[c], type));
			buf_sql_name(sql, m->add_columns[c].name);
		}
		buf_str(sql, " FROM read_parquet(");
		duck_list(sql, &m->paths[i], end - i);
		buf_str(sql, ", hive_partitioning = false, union_by_name = true)");
	}
}

static int parquet_duckdb_merge(struct parquet *port, const struct parquet_merge *m,
				struct arena *arena, struct parquet_result *ret, struct err *e)
{
	struct parquet_duckdb *p = (struct parquet_duckdb *)port;
	if (m->path_count == 0 || (m->drop_count && m->drop_column_count == 0))
		return err_set(e, ERR_BUG,
			       "a merge needs files, and columns for the rows that it drops");
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "COPY (SELECT merged.* FROM (");
	add_sources(&sql, m);
	buf_str(&sql, ") AS merged");
	if (m->drop_count)
		add_drop(&sql, m);
	buf_str(&sql, " ORDER BY ");
	for (size_t i = 0; i < m->sort_count; i++) {
		buf_str(&sql, "merged.");
		buf_sql_name(&sql, m->sort[i]);
		buf_str(&sql, ", ");
	}
	buf_str(&sql, "COLUMNS(merged.*)) TO ");
	buf_sql_str(&sql, m->out_path);
	buf_str(&sql, FORMAT);
	pthread_mutex_lock(&p->lock);
	int rc = open_driver(p, e);
	if (rc == OK)
		rc = copy(p, sql.data, m->out_path, arena, ret, e);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void parquet_duckdb_free(struct parquet *port)
{
	struct parquet_duckdb *p = (struct parquet_duckdb *)port;
	duck_close(&p->duck);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct parquet_ops parquet_duckdb_ops = {
	.write = parquet_duckdb_write,
	.merge = parquet_duckdb_merge,
	.free = parquet_duckdb_free,
};

struct parquet *parquet_duckdb_new(struct duckdb_host *host)
{
	struct parquet_duckdb *p = NEW(struct parquet_duckdb);
	p->port.ops = &parquet_duckdb_ops;
	p->host = host;
	pthread_mutex_init(&p->lock, NULL);
	return &p->port;
}
