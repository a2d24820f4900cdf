/* Job batches in DuckDB. Everything runs on connections that have one thread each, which is what
 * makes the bytes the same every time; the files are written by several of them at once, each its
 * own share of the partitions. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "duckdb_batch.h"
#include "file.h"
#include "job_compute_private.h"
#include "lake_view.h"
#include "value.h"

#define BATCH_UNITS \
	32 /* enough to make what a batch costs of its own small: 10 ms against 30 ms a unit */
#define BATCH_ROWS 1000000 /* of the inputs */
#define TABLE_ROWS \
	500000 /* an input up to this size that is read often is read into memory, once */
#define TABLE_BYTES   (8 << 20) /* of its files; rows may hold long texts that the job never reads */
#define FEW_READERS   2
#define FEW_FILES     4
#define TRIED_VERSION "v1.5."

/* -- connections ------------------------------------------------------------------------------- */

int job_take_connection(struct job_compute *c)
{
	int found = -1;
	pthread_mutex_lock(&c->lock);
	while (found < 0) {
		for (int i = 0; i < c->connection_count && found < 0; i++)
			if (!c->busy[i])
				found = i;
		if (found < 0)
			pthread_cond_wait(&c->freed, &c->lock);
	}
	c->busy[found] = true;
	pthread_mutex_unlock(&c->lock);
	return found;
}

void job_give_connection(struct job_compute *c, int i)
{
	pthread_mutex_lock(&c->lock);
	c->busy[i] = false;
	pthread_cond_signal(&c->freed);
	pthread_mutex_unlock(&c->lock);
}

int job_run_sql(struct job_compute *c, int connection, const char *sql, duckdb_result *ret,
		struct err *e)
{
	int rc = duck_query_polled(&c->connections[connection], sql, c->o.poll, c->o.ctx, ret, e);
	/* A place in SQL that nobody wrote helps nobody. */
	if (rc && e)
		e->line = e->column = 0;
	return rc;
}

static int drop_last(struct job_compute *c, struct err *e)
{
	int rc = c->drops.len ? duck_query(&c->connections[0], c->drops.data, NULL, e) : OK;
	buf_reset(&c->drops);
	return rc;
}

int job_compute_open(const struct job_compute_options *o, struct job_compute **ret, struct err *e)
{
	struct job_compute *c = NEW(struct job_compute);
	c->o = *o;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->freed, NULL);
	int wanted = o->workers < 1 ? 1 : o->workers > WORKERS_MAX ? WORKERS_MAX : o->workers;
	int rc = duckdb_host_threads(o->host, 1, e);
	for (; rc == OK && c->connection_count < wanted; c->connection_count += rc == OK)
		rc = duck_open(&c->connections[c->connection_count], o->host, e);
	if (rc) {
		job_compute_close(c);
		return rc;
	}
	/* So it was seen in these versions, and is promised nowhere. */
	c->numbers_in_order = strncmp(c->connections[0].api->library_version(), TRIED_VERSION,
				      strlen(TRIED_VERSION)) == 0;
	*ret = c;
	return OK;
}

void job_compute_close(struct job_compute *c)
{
	if (!c)
		return;
	/* That the memory of the last batch cannot be had back is no failure of the run. */
	int rc = drop_last(c, NULL);
	(void)rc;
	buf_free(&c->drops);
	for (int i = 0; i < c->connection_count; i++)
		duck_close(&c->connections[i]);
	pthread_cond_destroy(&c->freed);
	pthread_mutex_destroy(&c->lock);
	free(c->tasks);
	free(c);
}

size_t job_compute_batch_end(const struct job_units *units, size_t from)
{
	int64_t rows = 0;
	size_t to = from;
	while (to < units->count && to - from < BATCH_UNITS &&
	       units->items[to].as_of == units->items[from].as_of) {
		rows += units->items[to].rows;
		if (to > from && rows > BATCH_ROWS)
			break;
		to++;
	}
	return to;
}

/* -- SQL --------------------------------------------------------------------------------------- */

void job_add_names(struct buf *b, const struct column *columns, size_t n, bool *first)
{
	for (size_t i = 0; i < n; i++) {
		buf_str(b, *first ? "" : ", ");
		*first = false;
		buf_sql_name(b, columns[i].name);
	}
}

void job_add_sort(struct buf *b, const struct table_def *t, bool *first)
{
	for (size_t i = 0; i < t->sort_count; i++) {
		buf_str(b, *first ? "" : ", ");
		*first = false;
		buf_sql_name(b, t->sort[i]);
	}
}

/* Every column takes part in the order: only equal rows are left to chance. */
void job_add_all(struct buf *b, const struct table_def *t, bool *first)
{
	job_add_names(b, t->columns, t->column_count, first);
	job_add_names(b, t->partition, t->partition_count, first);
}

void job_add_staged(struct buf *b, const struct output *out)
{
	buf_printf(b, STAGED "%zu", out->index);
}

/* -- inputs ------------------------------------------------------------------------------------ */

/* " WHERE (a = 'x' AND b = DATE 'y') OR ...": a compact file may hold other units' rows, too. */
static void add_units_condition(struct job_compute *c, struct buf *b, const struct job_files *input,
				size_t from, size_t to)
{
	const struct job_plan *plan = c->o.plan;
	char type[COLUMN_TYPE_SIZE];
	for (size_t u = from; u < to; u++) {
		buf_str(b, u == from ? " WHERE (" : " OR (");
		for (size_t i = 0; i < plan->scope_column_count; i++) {
			const struct column *column =
				table_column(input->table, plan->scope_columns[i].source);
			buf_str(b, i ? " AND " : "");
			buf_sql_name(b, column->name);
			buf_str(b, " = CAST(");
			buf_sql_str(b, c->o.units->items[u].values[i]);
			buf_printf(b, " AS %s)", column_type_format(column, type));
		}
		buf_char(b, ')');
	}
}

/* The files of an input for the batch: of a table with two layouts as our own queries read it. */
static int input_files(struct job_compute *c, size_t index, size_t from, size_t to,
		       struct catalog_file **ret, size_t *ret_count, struct err *e)
{
	const struct job_files *input = &c->o.units->inputs[index];
	if (input->table->compact_location) {
		struct filter *filters = ANEW_ARRAY(c->arena, to - from, struct filter);
		for (size_t u = from; u < to; u++)
			filters[u - from] =
				job_unit_filter(c->o.plan, &c->o.units->items[u], c->arena);
		return catalog_files(c->o.catalog, input->table, LAYOUT_QUERY, filters,
				     input->cut ? to - from : 0, c->arena, ret, ret_count, e);
	}
	if (!input->cut) {
		*ret = input->files;
		*ret_count = input->count;
		return OK;
	}
	size_t n = 0;
	for (size_t u = from; u < to; u++)
		n += c->o.units->items[u].file_counts[index];
	*ret = ANEW_ARRAY(c->arena, n, struct catalog_file);
	*ret_count = 0;
	for (size_t u = from; u < to; u++) {
		const struct job_unit *unit = &c->o.units->items[u];
		for (size_t k = 0; k < unit->file_counts[index]; k++)
			(*ret)[(*ret_count)++] = unit->files[index][k];
	}
	return OK;
}

/* A table where several statements read several files; else a view, which leaves out a step. */
static bool is_table(struct job_compute *c, size_t files, int64_t rows, int64_t bytes)
{
	size_t readers = c->o.plan->output_count + (c->o.plan->checks_sql != NULL);
	return rows <= TABLE_ROWS && bytes <= TABLE_BYTES &&
	       (readers > FEW_READERS || (readers > 1 && files > FEW_FILES));
}

/* The files of one layout as a SELECT; no files: no rows. */
static int add_layout(struct job_compute *c, struct buf *sql, size_t index, size_t from, size_t to,
		      enum catalog_layout layout, const struct catalog_file *files, size_t n,
		      struct err *e)
{
	const struct job_files *input = &c->o.units->inputs[index];
	const char **keys = ANEW_ARRAY(c->arena, n, const char *),
		   **paths = ANEW_ARRAY(c->arena, n, const char *);
	int rc = OK;
	for (size_t i = 0; i < n; i++)
		keys[i] = files[i].key;
	if (n)
		rc = object_store_localise(c->o.store, keys, n, c->arena, paths, e);
	buf_str(sql, "SELECT * FROM (");
	if (rc == OK)
		rc = lake_view_sql(sql, input->table, layout, files, paths, n, input->grown, e);
	buf_char(sql, ')');
	if (n && input->cut && layout == LAYOUT_COMPACT)
		add_units_condition(c, sql, input, from, to);
	return rc;
}

static int create_input(struct job_compute *c, size_t index, size_t from, size_t to, struct err *e)
{
	const struct job_files *input = &c->o.units->inputs[index];
	const char *name = c->o.plan->inputs[index].view;
	struct catalog_file *files = NULL;
	size_t n = 0, compact = 0;
	int rc = input_files(c, index, from, to, &files, &n, e);
	if (rc)
		return rc;
	/* Those of one layout side by side. */
	int64_t rows = 0, bytes = 0;
	for (size_t i = 0; i < n; i++) {
		rows += files[i].rows;
		bytes += files[i].bytes;
		if (files[i].layout == LAYOUT_COMPACT) {
			struct catalog_file swapped = files[compact];
			files[compact++] = files[i];
			files[i] = swapped;
		}
	}
	const char *kind = is_table(c, n, rows, bytes) ? "TABLE" : "VIEW";
	AUTO_BUF struct buf sql = {0};
	buf_printf(&sql, "CREATE %s ", kind);
	buf_sql_name(&sql, name);
	buf_str(&sql, " AS ");
	if (compact)
		rc = add_layout(c, &sql, index, from, to, LAYOUT_COMPACT, files, compact, e);
	if (compact && compact < n)
		buf_str(&sql, " UNION ALL ");
	if (rc == OK && (compact < n || n == 0))
		rc = add_layout(c, &sql, index, from, to, LAYOUT_PUBLISHED, files + compact,
				n - compact, e);
	if (rc == OK)
		rc = job_run_sql(c, 0, sql.data, NULL, e);
	if (rc)
		return err_wrap(e, "reading %s.%s", input->table->database, input->table->name);
	buf_printf(&c->drops, "DROP %s ", kind);
	buf_sql_name(&c->drops, name);
	buf_str(&c->drops, "; ");
	return OK;
}

static int begin_batch(struct job_compute *c, size_t from, size_t to, struct err *e)
{
	char date[DATE_TEXT_SIZE], sql[64];
	int rc = drop_last(c, e);
	snprintf(sql, sizeof(sql), "SET VARIABLE as_of = DATE '%s'",
		 date_format(c->o.units->items[from].as_of, date));
	for (int i = 0; i < c->connection_count && rc == OK; i++)
		rc = duck_query(&c->connections[i], sql, NULL, e);
	for (size_t i = 0; i < c->o.plan->input_count && rc == OK; i++)
		rc = create_input(c, i, from, to, e);
	for (size_t i = 0; i < c->o.plan->output_count && rc == OK; i++)
		buf_printf(&c->drops, "DROP TABLE IF EXISTS " STAGED "%zu; ", i);
	return rc;
}

/* -- checks and outputs ------------------------------------------------------------------------ */

static int failed_check(const struct job_check *check, int64_t offending, const char *example,
			struct err *e)
{
	if (example)
		err_set(e, ERR_INPUT,
			"check %s of node %s: %s (%" PRId64 " found, for example %.300s)",
			check->name, check->node, check->message, offending, example);
	else
		err_set(e, ERR_INPUT, "check %s of node %s: %s (%" PRId64 " found)", check->name,
			check->node, check->message, offending);
	return err_reason(e, "check_failed");
}

/* All checks in one statement; of those that find something the first in the plan's order is
 * told. */
static int run_checks(struct job_compute *c, struct err *e)
{
	const struct job_plan *plan = c->o.plan;
	duckdb_result result;
	int at = job_take_connection(c);
	const struct duck *d = &c->connections[at];
	int rc = job_run_sql(c, at, plan->checks_sql, &result, e);
	if (rc) {
		job_give_connection(c, at);
		return err_wrap(e, "the checks");
	}
	AUTO_ARENA struct arena *arena = arena_new();
	size_t first = plan->check_count, seen = 0;
	int64_t offending = 0;
	const char *example = NULL;
	duckdb_data_chunk chunk;
	while ((chunk = d->api->fetch_chunk(result))) {
		uint64_t n = d->api->data_chunk_get_size(chunk);
		for (uint64_t row = 0; row < n; row++, seen++) {
			int64_t index = duck_i64(d, d->api->data_chunk_get_vector(chunk, 0), row),
				count = duck_i64(d, d->api->data_chunk_get_vector(chunk, 1), row);
			if (count == 0 || index < 0 || index >= (int64_t)first)
				continue;
			first = (size_t)index;
			offending = count;
			example = duck_text(d, d->api->data_chunk_get_vector(chunk, 2), row, arena);
		}
		d->api->destroy_data_chunk(&chunk);
	}
	d->api->destroy_result(&result);
	job_give_connection(c, at);
	if (seen != plan->check_count)
		return err_set(e, ERR_BUG, "%zu checks gave %zu rows", plan->check_count, seen);
	return first < plan->check_count ? failed_check(&plan->checks[first], offending, example, e)
					 : OK;
}

/* The compiler casts; that it did so is looked at before a wrong type (HUGEINT, which Parquet
 * stores as DOUBLE) can reach a file. */
static int check_schema(const struct duck *d, const struct job_output *o, const struct output *out,
			struct err *e)
{
	const struct duckdb_api *a = d->api;
	const struct table_def *t = out->table;
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "FROM ");
	job_add_staged(&sql, out);
	AUTO_ARENA struct arena *arena = arena_new();
	duckdb_prepared_statement s = NULL;
	int rc = OK;
	if (a->prepare(d->con, sql.data, &s) == DuckDBError)
		rc = duck_error(e, DUCKDB_ERROR_INVALID, a->prepare_error(s));
	size_t n = t->column_count + t->partition_count;
	if (rc == OK && a->prepared_statement_column_count(s) != n + 1)
		rc = err_set(e, ERR_BUG, "node %s gives %zu columns, and its table has %zu",
			     o->node, (size_t)a->prepared_statement_column_count(s) - 1, n);
	for (size_t i = 0; i < n && rc == OK; i++) {
		const struct column *expected =
			i < t->column_count ? &t->columns[i] : &t->partition[i - t->column_count];
		struct column found = {0};
		char type[COLUMN_TYPE_SIZE];
		const char *name = a->prepared_statement_column_name(s, i),
			   *type_name = "another type";
		duckdb_logical_type logical = a->prepared_statement_column_logical_type(s, i);
		duck_column_type(a, logical, arena, &found, &type_name);
		column_type_format(expected, type);
		if (!name || strcmp(name, expected->name) != 0 || strcmp(type, type_name) != 0)
			rc = err_set(e, ERR_BUG,
				     "node %s gives column %s as %s, and its table has %s as %s",
				     o->node, name ? name : "?", type_name, expected->name, type);
		a->destroy_logical_type(&logical);
		a->free((void *)name);
	}
	a->destroy_prepare(&s);
	return rc;
}

/* The result once, in the order of its files, each row with the number of its partition. */
static int stage_output(void *ctx, size_t index, struct err *e)
{
	struct job_compute *c = ctx;
	struct output *out = &c->outputs[index];
	const struct job_output *o = &c->o.plan->outputs[index];
	AUTO_BUF struct buf sql = {0};
	bool first = true;
	buf_str(&sql, "CREATE TABLE ");
	job_add_staged(&sql, out);
	buf_str(&sql, " AS SELECT *, CAST(dense_rank() OVER (ORDER BY ");
	job_add_names(&sql, out->table->partition, out->table->partition_count, &first);
	buf_str(&sql, ") - 1 AS INTEGER) AS " ORDINAL " FROM (");
	buf_str(&sql, o->sql);
	buf_str(&sql, "\n) ORDER BY ");
	first = true;
	job_add_names(&sql, out->table->partition, out->table->partition_count, &first);
	job_add_sort(&sql, out->table, &first);
	job_add_all(&sql, out->table, &first);
	int at = job_take_connection(c);
	int rc = job_run_sql(c, at, sql.data, NULL, e);
	if (rc)
		err_wrap(e, "node %s", o->node);
	else
		rc = check_schema(&c->connections[at], o, out, e);
	job_give_connection(c, at);
	return rc;
}

/* -- a batch ----------------------------------------------------------------------------------- */

/* The checks run beside everything else: nothing is published before they are done. */
struct checking {
	struct job_compute *compute;
	pthread_t thread;
	bool started;
	int code;
	struct err err;
};

static void *check_thread(void *arg)
{
	struct checking *k = arg;
	k->code = run_checks(k->compute, &k->err);
	return NULL;
}

static void start_checks(struct checking *k)
{
	if (k->compute->o.plan->checks_sql && k->compute->connection_count > 1)
		k->started = pthread_create(&k->thread, NULL, check_thread, k) == 0;
}

/* What a check says explains more than what may have failed over the same rows meanwhile. */
static int end_checks(struct checking *k, int rc, struct err *e)
{
	if (k->started)
		pthread_join(k->thread, NULL);
	else if (rc == OK && k->compute->o.plan->checks_sql)
		check_thread(k);
	if (k->code && (rc == OK || k->code == ERR_INPUT)) {
		if (e)
			*e = k->err;
		return k->code;
	}
	return rc;
}

static int compute_outputs(struct job_compute *c, size_t from, struct err *e)
{
	size_t n = c->o.plan->output_count;
	int rc = parallel_for(n, c->connection_count, stage_output, c, e);
	for (size_t i = 0; i < n && rc == OK; i++)
		rc = job_list_parts(c, &c->outputs[i], from, e);
	return rc ? rc : job_write_files(c, e);
}

int job_compute_batch(struct job_compute *c, size_t from, size_t to, struct arena *arena,
		      struct publish_change **ret_changes, struct err *e)
{
	const struct job_plan *plan = c->o.plan;
	c->arena = arena;
	c->outputs = NEW_ARRAY(plan->output_count, struct output);
	c->task_count = 0;
	struct publish_change *changes =
		ANEW_ARRAY(arena, plan->output_count, struct publish_change);
	int rc = begin_batch(c, from, to, e);
	for (size_t i = 0; i < plan->output_count && rc == OK; i++)
		rc = job_begin_output(c, i, from, to, e);
	if (rc == OK) {
		struct checking k = {.compute = c, .err = ERR_INIT};
		start_checks(&k);
		rc = compute_outputs(c, from, e);
		rc = end_checks(&k, rc, e);
	}
	for (size_t i = 0; i < plan->output_count && rc == OK; i++)
		rc = job_make_change(c, &c->outputs[i], &changes[i], e);
	job_clear_files(c);
	free(c->outputs);
	c->outputs = NULL;
	if (rc == OK)
		*ret_changes = changes;
	return rc;
}
