/* The order of sorted files, asked of DuckDB: each file's smallest and largest values of the sort's columns, and whether
 * each file's smallest come behind the largest of the file before.
 *
 * Columns are compared one by one: the first that differs decides, and only where the one file's largest equals the
 * next one's smallest does the next column have a say. That is stricter than the rows are, never laxer. */
#include "parquet_order.h"

#include <string.h>

/* A statement has a part for each file. */
#define FILES_MAX 256

/* The added column of that name, or NULL: the files have it. */
static const struct column *added(const struct parquet_merge *m, const char *name, size_t *ret)
{
	for (*ret = 0; *ret < m->add_column_count; (*ret)++)
		if (strcmp(m->add_columns[*ret].name, name) == 0)
			return &m->add_columns[*ret];
	return NULL;
}

static void add_value(struct buf *sql, const struct parquet_merge *m, size_t file, const char *name)
{
	size_t c;
	char type[COLUMN_TYPE_SIZE];
	const struct column *column = added(m, name, &c);
	if (!column) {
		buf_sql_name(sql, name);
		return;
	}
	buf_str(sql, "CAST(");
	buf_sql_str(sql, m->add[file * m->add_column_count + c]);
	buf_printf(sql, " AS %s)", column_type_format(column, type));
}

static void add_files(struct buf *sql, const struct parquet_merge *m)
{
	for (size_t i = 0; i < m->path_count; i++) {
		buf_printf(sql, "%sSELECT %zu AS i", i ? " UNION ALL " : "", i);
		for (size_t c = 0; c < m->sort_count; c++) {
			buf_str(sql, ", min(");
			add_value(sql, m, i, m->sort[c]);
			buf_printf(sql, ") AS low%zu, max(", c);
			add_value(sql, m, i, m->sort[c]);
			buf_printf(sql, ") AS high%zu", c);
		}
		buf_str(sql, " FROM read_parquet(");
		duck_list(sql, &m->paths[i], 1);
		buf_str(sql, ", hive_partitioning = false)");
	}
}

static void add_order(struct buf *sql, const struct parquet_merge *m)
{
	for (size_t c = 0; c < m->sort_count; c++)
		buf_printf(sql, "low%zu, ", c);
	buf_char(sql, 'i');
}

/* "last0 < low0 OR (last0 = low0 AND (last1 < low1 OR (...)))" */
static void add_comparison(struct buf *sql, const struct parquet_merge *m)
{
	for (size_t c = 0; c < m->sort_count; c++)
		buf_printf(sql,
			   "lag(high%zu) OVER w < low%zu OR (lag(high%zu) OVER w = low%zu AND (", c,
			   c, c, c);
	buf_str(sql, "false");
	for (size_t c = 0; c < m->sort_count; c++)
		buf_str(sql, "))");
}

int parquet_order(const struct duck *d, const struct parquet_merge *m, size_t *ret_order,
		  bool *ret_follow, struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	duckdb_result result;
	*ret_follow = false;
	for (size_t i = 0; i < m->path_count; i++)
		ret_order[i] = i;
	if (m->path_count > FILES_MAX || m->sort_count == 0)
		return OK;
	buf_str(&sql, "SELECT CAST(i AS BIGINT), CAST(row_number() OVER w = 1 OR coalesce(");
	add_comparison(&sql, m);
	buf_str(&sql, ", false) AS BIGINT) FROM (");
	add_files(&sql, m);
	buf_str(&sql, ") WINDOW w AS (ORDER BY ");
	add_order(&sql, m);
	buf_str(&sql, ") ORDER BY ");
	add_order(&sql, m);
	int rc = duck_query(d, sql.data, &result, e);
	if (rc)
		return rc;
	duckdb_data_chunk chunk = d->api->fetch_chunk(result);
	*ret_follow = true;
	for (size_t i = 0; i < m->path_count; i++) {
		ret_order[i] = (size_t)duck_i64(d, d->api->data_chunk_get_vector(chunk, 0), i);
		*ret_follow &= duck_i64(d, d->api->data_chunk_get_vector(chunk, 1), i) != 0;
	}
	d->api->destroy_data_chunk(&chunk);
	d->api->destroy_result(&result);
	return OK;
}
