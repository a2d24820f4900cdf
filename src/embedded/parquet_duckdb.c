/* Parquet files by DuckDB: batches are a table function that COPY reads, files are
 * merged by a sort that may spill, or just put one after the other. */
#include "parquet_duckdb.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "duckdb_feed.h"
#include "parquet_order.h"

/* Of merged files: DuckDB's own rows of a row group, and bytes of one of wide rows. */
#define GROUP_ROWS       122880
#define GROUP_ROWS_LEAST 2048
#define GROUP_BYTES      ((int64_t)4 << 20)

struct parquet_duckdb {
	struct parquet port;
	pthread_mutex_t lock;
	struct duckdb_host *host;
	struct duck duck;
	struct duck_feed *feed;
};

/* Connects and makes the feed, once. */
static int open_driver(struct parquet_duckdb *p, struct err *e)
{
	if (p->duck.con)
		return OK;
	struct duck d = {0};
	int rc = duck_open(&d, p->host, e);
	if (rc == OK)
		rc = duck_feed_open(&d, p->host, &p->feed, e);
	if (rc)
		duck_close(&d);
	else
		p->duck = d;
	return rc;
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
		p->duck.api->destroy_result(&result);
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

#define FORMAT "FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false, RETURN_STATS"

static int parquet_duckdb_write(struct parquet *port, const struct batch *batches, size_t n,
				const char *path, struct arena *arena, struct parquet_result *ret,
				struct err *e)
{
	struct parquet_duckdb *p = (struct parquet_duckdb *)port;
	int rc = duck_feed_check(batches, n, e);
	if (rc)
		return rc;
	AUTO_BUF struct buf sql = {0};
	pthread_mutex_lock(&p->lock);
	rc = open_driver(p, e);
	if (rc == OK) {
		buf_printf(&sql, "COPY (FROM %s()) TO ", duck_feed_name(p->feed));
		buf_sql_str(&sql, path);
		buf_str(&sql, " (" FORMAT ")");
		duck_feed_set(p->feed, batches, n);
		rc = copy(p, sql.data, path, arena, ret, e);
		duck_feed_set(p->feed, NULL, 0);
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

static void add_order(struct buf *sql, const struct parquet_merge *m)
{
	buf_str(sql, " ORDER BY ");
	for (size_t i = 0; i < m->sort_count; i++) {
		buf_str(sql, "merged.");
		buf_sql_name(sql, m->sort[i]);
		buf_str(sql, ", ");
	}
	buf_str(sql, "COLUMNS(merged.*)");
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

/* Rows of a row group, by how wide they are: whoever reads or writes one holds all of it, several
 * times over, in memory that no setting bounds. *ret is 0 for DuckDB's own number, which is right
 * unless rows have long texts. */
static int row_group_rows(struct parquet_duckdb *p, const struct parquet_merge *m, int64_t *ret,
			  struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	duckdb_result result;
	buf_str(&sql, "SELECT CAST((SELECT sum(total_uncompressed_size) FROM parquet_metadata(");
	duck_list(&sql, m->paths, m->path_count);
	buf_str(&sql, ")) AS BIGINT), CAST((SELECT sum(num_rows) FROM parquet_file_metadata(");
	duck_list(&sql, m->paths, m->path_count);
	buf_str(&sql, ")) AS BIGINT)");
	int rc = duck_query(&p->duck, sql.data, &result, e);
	if (rc)
		return rc;
	duckdb_data_chunk chunk = p->duck.api->fetch_chunk(result);
	int64_t bytes = duck_i64(&p->duck, p->duck.api->data_chunk_get_vector(chunk, 0), 0);
	int64_t rows = duck_i64(&p->duck, p->duck.api->data_chunk_get_vector(chunk, 1), 0);
	p->duck.api->destroy_data_chunk(&chunk);
	p->duck.api->destroy_result(&result);
	int64_t fit = rows ? GROUP_BYTES / (bytes / rows + 1) : GROUP_ROWS, most = GROUP_ROWS_LEAST;
	while (most * 2 <= fit)
		most *= 2;
	*ret = fit < GROUP_ROWS ? most : 0;
	return OK;
}

/* The same merge with its files in the order of their rows; *ret_follow: just put one after the other they are sorted. */
static int put_in_order(struct parquet_duckdb *p, const struct parquet_merge *m,
			struct arena *arena, struct parquet_merge *ret, bool *ret_follow,
			struct err *e)
{
	size_t n = m->add_column_count, *order = ANEW_ARRAY(arena, m->path_count, size_t);
	const char **paths = ANEW_ARRAY(arena, m->path_count, const char *),
		   **values = ANEW_ARRAY(arena, m->path_count * n, const char *);
	*ret = *m;
	*ret_follow = false;
	int rc = m->sorted && m->drop_count == 0 ? parquet_order(&p->duck, m, order, ret_follow, e)
						 : OK;
	if (rc || !*ret_follow)
		return rc;
	for (size_t i = 0; i < m->path_count; i++) {
		paths[i] = m->paths[order[i]];
		for (size_t c = 0; c < n; c++)
			values[i * n + c] = m->add[order[i] * n + c];
	}
	ret->paths = paths;
	ret->add = values;
	return OK;
}

static int merge(struct parquet_duckdb *p, const struct parquet_merge *given, struct arena *arena,
		 struct parquet_result *ret, struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	struct parquet_merge m;
	int64_t group = 0;
	bool follow;
	int rc = put_in_order(p, given, arena, &m, &follow, e);
	if (rc == OK)
		rc = row_group_rows(p, &m, &group, e);
	if (rc)
		return rc;
	buf_str(&sql, "COPY (SELECT merged.* FROM (");
	add_sources(&sql, &m);
	buf_str(&sql, ") AS merged");
	if (m.drop_count)
		add_drop(&sql, &m);
	if (!follow)
		add_order(&sql, &m);
	buf_str(&sql, ") TO ");
	buf_sql_str(&sql, m.out_path);
	buf_str(&sql, " (" FORMAT);
	if (group)
		buf_printf(&sql, ", ROW_GROUP_SIZE %" PRId64, group);
	buf_char(&sql, ')');
	return copy(p, sql.data, m.out_path, arena, ret, e);
}

static int parquet_duckdb_merge(struct parquet *port, const struct parquet_merge *m,
				struct arena *arena, struct parquet_result *ret, struct err *e)
{
	struct parquet_duckdb *p = (struct parquet_duckdb *)port;
	if (m->path_count == 0 || (m->drop_count && m->drop_column_count == 0))
		return err_set(e, ERR_BUG,
			       "a merge needs files, and columns for the rows that it drops");
	pthread_mutex_lock(&p->lock);
	int rc = open_driver(p, e);
	if (rc == OK)
		rc = merge(p, m, arena, ret, e);
	pthread_mutex_unlock(&p->lock);
	mem_give_back();
	return rc;
}

static int check(struct parquet_duckdb *p, const char *path, int64_t *ret_rows, struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	duckdb_result result;
	int rc = open_driver(p, e);
	if (rc)
		return rc;
	/* The hash wants every column of every row. */
	buf_str(&sql, "SELECT count(*), bit_xor(hash(f)) FROM read_parquet(");
	buf_sql_str(&sql, path);
	buf_str(&sql, ", hive_partitioning = false) AS f");
	rc = duck_query(&p->duck, sql.data, &result, e);
	if (rc == ERR_LIMIT || rc == ERR_CONFLICT)
		return rc;
	if (rc)
		return e->code = ERR_INPUT;
	duckdb_data_chunk chunk = p->duck.api->fetch_chunk(result);
	*ret_rows = 0;
	if (chunk)
		*ret_rows = duck_i64(&p->duck, p->duck.api->data_chunk_get_vector(chunk, 0), 0);
	p->duck.api->destroy_data_chunk(&chunk);
	p->duck.api->destroy_result(&result);
	return OK;
}

static int parquet_duckdb_check(struct parquet *port, const char *path, int64_t *ret_rows,
				struct err *e)
{
	struct parquet_duckdb *p = (struct parquet_duckdb *)port;
	if (access(path, R_OK) != 0) {
		int errnum = errno;
		return err_errno(e, errnum, "cannot read the file");
	}
	pthread_mutex_lock(&p->lock);
	int rc = check(p, path, ret_rows, e);
	pthread_mutex_unlock(&p->lock);
	return rc ? err_where(e, path) : OK;
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
	.check = parquet_duckdb_check,
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
