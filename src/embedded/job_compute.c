/* Job batches in DuckDB. Everything runs on connections that have one thread each, which is what makes the bytes the same every time; the files
 * are written by several of them at once, each its own share of the partitions. */
#include "job_compute.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "duckdb_api.h"
#include "duckdb_batch.h"
#include "file.h"
#include "lake_view.h"
#include "path.h"
#include "value.h"

#define BATCH_UNITS \
	32 /* enough to make what a batch costs of its own small: 10 ms against 30 ms a unit */
#define BATCH_ROWS       1000000 /* of the inputs */
#define SLICE_PARTITIONS 64      /* written by one COPY: each takes some 100 KB while it is open */
#define SLICE_LEAST      8
#define TABLE_ROWS \
	500000 /* an input up to this size is read once into memory, not by each statement anew */
#define WORKERS_MAX 16

/* A schema of our own in the shared database, and a column that numbers the partitions of an output. */
#define SCHEMA  "pregao_job"
#define ORDINAL "pregao_partition"

/* One partition of an output. */
struct part {
	const char **values; /* of the table's partition columns */
	const char *path;
	size_t scope; /* which of the output's scopes */
	int64_t rows;
	struct duck_file file;
};
struct output {
	const struct table_def *table;
	size_t index;
	struct part *parts;
	size_t part_count;
	struct catalog_scope *scopes;
	const char **names; /* of the files of each scope */
	size_t scope_count, scope_cap, name_cap, name_count;
	struct duck_file *compact; /* for each scope; path NULL: it has no rows */
};
/* A COPY: some partitions of an output, or the compact file of a scope. */
struct task {
	struct output *output;
	size_t first, last; /* partitions */
	bool compact;
	size_t scope;
	struct arena *arena;
	struct duck_file *files;
	size_t file_count;
};
struct job_compute {
	struct job_compute_options o;
	struct duck connections[WORKERS_MAX];
	int connection_count;
	bool busy[WORKERS_MAX];
	pthread_mutex_t lock;
	/* of the batch that runs */
	struct arena *arena;
	struct output *outputs;
	struct task *tasks;
	size_t task_count, task_cap;
};

/* ---- connections ----------------------------------------------------------------------------------------------------- */

/* There are as many as threads, so one is always free. */
static int take_connection(struct job_compute *c)
{
	int found = 0;
	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < c->connection_count; i++) {
		if (!c->busy[i]) {
			found = i;
			break;
		}
	}
	c->busy[found] = true;
	pthread_mutex_unlock(&c->lock);
	return found;
}

static void give_connection(struct job_compute *c, int i)
{
	pthread_mutex_lock(&c->lock);
	c->busy[i] = false;
	pthread_mutex_unlock(&c->lock);
}

static int run_sql(struct job_compute *c, const struct duck *d, const char *sql, duckdb_result *ret,
		   struct err *e)
{
	int rc = duck_query_polled(d, sql, c->o.poll, c->o.ctx, ret, e);
	/* A place in SQL that nobody wrote helps nobody. */
	if (rc && e)
		e->line = e->column = 0;
	return rc;
}

int job_compute_open(const struct job_compute_options *o, struct job_compute **ret, struct err *e)
{
	struct job_compute *c = NEW(struct job_compute);
	c->o = *o;
	pthread_mutex_init(&c->lock, NULL);
	int wanted = o->workers < 1 ? 1 : o->workers > WORKERS_MAX ? WORKERS_MAX : o->workers;
	int rc = duckdb_host_threads(o->host, 1, e);
	for (; !rc && c->connection_count < wanted; c->connection_count += !rc)
		rc = duck_open(&c->connections[c->connection_count], o->host, e);
	if (rc) {
		job_compute_close(c);
		return rc;
	}
	*ret = c;
	return OK;
}

void job_compute_close(struct job_compute *c)
{
	if (!c)
		return;
	if (c->connection_count) {
		/* The memory of the last batch; that it cannot be had back is no failure of the run. */
		int rc = duck_query(&c->connections[0], "DROP SCHEMA IF EXISTS " SCHEMA " CASCADE",
				    NULL, NULL);
		(void)rc;
	}
	for (int i = 0; i < c->connection_count; i++)
		duck_close(&c->connections[i]);
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

/* ---- SQL ------------------------------------------------------------------------------------------------------------- */

static void add_names(struct buf *b, const struct column *columns, size_t n, bool *first)
{
	for (size_t i = 0; i < n; i++) {
		buf_str(b, *first ? "" : ", ");
		*first = false;
		buf_sql_name(b, columns[i].name);
	}
}

static void add_sort(struct buf *b, const struct table_def *t, bool *first)
{
	for (size_t i = 0; i < t->sort_count; i++) {
		buf_str(b, *first ? "" : ", ");
		*first = false;
		buf_sql_name(b, t->sort[i]);
	}
}

/* Every column takes part in the order: only equal rows are left to chance. */
static void add_all(struct buf *b, const struct table_def *t, bool *first)
{
	add_names(b, t->columns, t->column_count, first);
	add_names(b, t->partition, t->partition_count, first);
}

static void add_staged(struct buf *b, const struct output *out)
{
	buf_printf(b, SCHEMA ".staged_%zu", out->index);
}

/* ---- inputs ---------------------------------------------------------------------------------------------------------- */

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

/* The files of an input for the batch: of the layout that has fewer of them. */
static int input_files(struct job_compute *c, size_t index, size_t from, size_t to,
		       struct catalog_file **ret, size_t *ret_count, struct err *e)
{
	const struct job_files *input = &c->o.units->inputs[index];
	if (input->table->compact_location) {
		struct filter *filters = ANEW_ARRAY(c->arena, to - from, struct filter);
		for (size_t u = from; u < to; u++)
			filters[u - from] =
				job_unit_filter(c->o.plan, &c->o.units->items[u], c->arena);
		return catalog_files(c->o.catalog, input->table, LAYOUT_COMPACT, filters,
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

static int create_input(struct job_compute *c, size_t index, size_t from, size_t to, struct err *e)
{
	const struct job_files *input = &c->o.units->inputs[index];
	struct catalog_file *files = NULL;
	size_t n = 0;
	int rc = input_files(c, index, from, to, &files, &n, e);
	if (rc)
		return rc;
	const char **keys = ANEW_ARRAY(c->arena, n, const char *),
		   **paths = ANEW_ARRAY(c->arena, n, const char *);
	int64_t rows = 0;
	for (size_t i = 0; i < n; i++) {
		keys[i] = files[i].key;
		rows += files[i].rows;
	}
	if (n)
		rc = object_store_localise(c->o.store, keys, n, c->arena, paths, e);
	AUTO_BUF struct buf sql = {0};
	buf_printf(&sql, "CREATE %s " SCHEMA ".", rows <= TABLE_ROWS ? "TABLE" : "VIEW");
	buf_sql_name(&sql, c->o.plan->inputs[index].view);
	buf_str(&sql, " AS SELECT * FROM (");
	enum catalog_layout layout = input->table->compact_location ? LAYOUT_COMPACT
								    : LAYOUT_PUBLISHED;
	if (!rc)
		rc = lake_view_sql(&sql, input->table, layout, paths, n, input->grown, e);
	buf_char(&sql, ')');
	if (input->cut && layout == LAYOUT_COMPACT)
		add_units_condition(c, &sql, input, from, to);
	if (!rc)
		rc = run_sql(c, &c->connections[0], sql.data, NULL, e);
	return rc ? err_wrap(e, "reading %s.%s", input->table->database, input->table->name) : OK;
}

/* A new schema on all connections, with the inputs in it. */
static int begin_batch(struct job_compute *c, size_t from, size_t to, struct err *e)
{
	char date[DATE_TEXT_SIZE], sql[256];
	int rc = duck_query(&c->connections[0],
			    "DROP SCHEMA IF EXISTS " SCHEMA " CASCADE; CREATE SCHEMA " SCHEMA, NULL,
			    e);
	snprintf(
		sql, sizeof sql,
		"SET search_path = '" SCHEMA
		"'; SET VARIABLE as_of = DATE '%s'; SET partitioned_write_flush_threshold = 1000000000",
		date_format(c->o.units->items[from].as_of, date));
	for (int i = 0; i < c->connection_count && !rc; i++)
		rc = duck_query(&c->connections[i], sql, NULL, e);
	for (size_t i = 0; i < c->o.plan->input_count && !rc; i++)
		rc = create_input(c, i, from, to, e);
	return rc;
}

/* ---- checks and outputs ---------------------------------------------------------------------------------------------- */

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

/* All checks in one statement; of those that find something the first in the plan's order is told. */
static int run_checks(struct job_compute *c, const struct duck *d, struct err *e)
{
	const struct job_plan *plan = c->o.plan;
	duckdb_result result;
	int rc = run_sql(c, d, plan->checks_sql, &result, e);
	if (rc)
		return err_wrap(e, "the checks");
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
	if (seen != plan->check_count)
		return err_set(e, ERR_BUG, "%zu checks gave %zu rows", plan->check_count, seen);
	return first < plan->check_count ? failed_check(&plan->checks[first], offending, example, e)
					 : OK;
}

/* The compiler casts; that it did so is looked at before a wrong type (HUGEINT, which Parquet stores as DOUBLE) can reach a file. */
static int check_schema(const struct duck *d, const struct job_output *o, const struct output *out,
			struct err *e)
{
	const struct duckdb_api *a = d->api;
	const struct table_def *t = out->table;
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "FROM ");
	add_staged(&sql, out);
	AUTO_ARENA struct arena *arena = arena_new();
	duckdb_prepared_statement s = NULL;
	int rc = OK;
	if (a->prepare(d->con, sql.data, &s) == DuckDBError)
		rc = duck_error(e, DUCKDB_ERROR_INVALID, a->prepare_error(s));
	size_t n = t->column_count + t->partition_count;
	if (!rc && a->prepared_statement_column_count(s) != n + 1)
		rc = err_set(e, ERR_BUG, "node %s gives %zu columns, and its table has %zu",
			     o->node, (size_t)a->prepared_statement_column_count(s) - 1, n);
	for (size_t i = 0; i < n && !rc; i++) {
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
static int stage_output(struct job_compute *c, const struct duck *d, size_t index, struct err *e)
{
	struct output *out = &c->outputs[index];
	const struct job_output *o = &c->o.plan->outputs[index];
	AUTO_BUF struct buf sql = {0};
	bool first = true;
	buf_str(&sql, "CREATE TABLE ");
	add_staged(&sql, out);
	buf_str(&sql, " AS SELECT *, CAST(dense_rank() OVER (ORDER BY ");
	add_names(&sql, out->table->partition, out->table->partition_count, &first);
	buf_str(&sql, ") - 1 AS INTEGER) AS " ORDINAL " FROM (");
	buf_str(&sql, o->sql);
	buf_str(&sql, "\n) ORDER BY ");
	first = true;
	add_names(&sql, out->table->partition, out->table->partition_count, &first);
	add_sort(&sql, out->table, &first);
	add_all(&sql, out->table, &first);
	int rc = run_sql(c, d, sql.data, NULL, e);
	if (rc)
		return err_wrap(e, "node %s", o->node);
	return check_schema(d, o, out, e);
}

static int run_part(void *ctx, size_t i, struct err *e)
{
	struct job_compute *c = ctx;
	int at = take_connection(c);
	const struct duck *d = &c->connections[at];
	int rc = i < c->o.plan->output_count ? stage_output(c, d, i, e) : run_checks(c, d, e);
	give_connection(c, at);
	return rc;
}

/* ---- partitions ------------------------------------------------------------------------------------------------------ */

static size_t add_scope(struct output *out, const char *scope, const char *name)
{
	*PUSH(out->scopes, out->scope_count, out->scope_cap) =
		(struct catalog_scope){.scope = scope};
	*PUSH(out->names, out->name_count, out->name_cap) = name;
	return out->scope_count - 1;
}

/* The scopes that the batch replaces, whether it has rows for them or not. */
static int begin_output(struct job_compute *c, size_t index, size_t from, size_t to, struct err *e)
{
	struct output *out = &c->outputs[index];
	out->table = &c->o.plan->outputs[index].table;
	out->index = index;
	if (out->table->partition_count == 0)
		return err_set(e, ERR_BUG, "table %s.%s has no partition columns",
			       out->table->database, out->table->name);
	for (size_t u = from; u < to; u++)
		if (c->o.units->items[u].scopes[index])
			add_scope(out, c->o.units->items[u].scopes[index],
				  c->o.units->items[u].names[index]);
	if (c->o.plan->scope_column_count > 0)
		return OK;
	struct catalog_scope *scopes;
	size_t n;
	int rc = catalog_scopes(c->o.catalog, out->table, NULL, 0, c->arena, &scopes, &n, e);
	for (size_t i = 0; i < n && !rc; i++)
		add_scope(out, scopes[i].scope, c->o.units->items[from].names[index]);
	return rc;
}

static int place_part(struct job_compute *c, struct output *out, struct part *p, size_t from,
		      struct err *e)
{
	const char *scope;
	int rc = path_partition(c->arena, out->table, p->values, out->table->partition_count,
				&p->path, e);
	if (!rc)
		rc = path_partition(c->arena, out->table, p->values, out->table->scope_count,
				    &scope, e);
	if (rc)
		return err_wrap(e, "node %s", c->o.plan->outputs[out->index].node);
	/* Partitions come in order, so mostly it is the last one's. */
	for (size_t i = out->scope_count; i-- > 0;) {
		if (strcmp(out->scopes[i].scope, scope) == 0) {
			p->scope = i;
			return OK;
		}
	}
	if (c->o.plan->scope_column_count > 0)
		return err_set(e, ERR_INPUT,
			       "node %s gives rows of %s, for which the job was not run",
			       c->o.plan->outputs[out->index].node, scope);
	p->scope = add_scope(out, scope, c->o.units->items[from].names[out->index]);
	return OK;
}

static int list_parts(struct job_compute *c, struct output *out, size_t from, struct err *e)
{
	const struct duck *d = &c->connections[0];
	const struct table_def *t = out->table;
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "SELECT count(*)");
	for (size_t i = 0; i < t->partition_count; i++) {
		buf_str(&sql, ", CAST(any_value(");
		buf_sql_name(&sql, t->partition[i].name);
		buf_str(&sql, ") AS VARCHAR)");
	}
	buf_str(&sql, " FROM ");
	add_staged(&sql, out);
	buf_str(&sql, " GROUP BY " ORDINAL " ORDER BY " ORDINAL);
	duckdb_result result;
	int rc = run_sql(c, d, sql.data, &result, e);
	if (rc)
		return rc;
	size_t cap = 0;
	duckdb_data_chunk chunk;
	while (!rc && (chunk = d->api->fetch_chunk(result))) {
		uint64_t n = d->api->data_chunk_get_size(chunk);
		for (uint64_t row = 0; row < n && !rc; row++) {
			struct part *p = PUSH(out->parts, out->part_count, cap);
			p->rows = duck_i64(d, d->api->data_chunk_get_vector(chunk, 0), row);
			p->values = ANEW_ARRAY(c->arena, t->partition_count, const char *);
			for (size_t i = 0; i < t->partition_count; i++)
				p->values[i] =
					duck_text(d, d->api->data_chunk_get_vector(chunk, i + 1),
						  row, c->arena);
			rc = place_part(c, out, p, from, e);
		}
		d->api->destroy_data_chunk(&chunk);
	}
	d->api->destroy_result(&result);
	return rc;
}

/* ---- files ----------------------------------------------------------------------------------------------------------- */

static void add_task(struct job_compute *c, struct task t)
{
	*PUSH(c->tasks, c->task_count, c->task_cap) = t;
}

/* Slices first, for they take longest. The cut has no influence on the bytes. */
static void plan_slices(struct job_compute *c, struct output *out)
{
	size_t n = out->part_count, size = SLICE_PARTITIONS,
	       share = (n + (size_t)c->connection_count - 1) / (size_t)c->connection_count;
	if (share < size)
		size = share > SLICE_LEAST ? share : SLICE_LEAST;
	for (size_t first = 0; first < n; first += size)
		add_task(c, (struct task){.output = out,
					  .first = first,
					  .last = first + size < n ? first + size - 1 : n - 1});
}

static void plan_compact(struct job_compute *c, struct output *out)
{
	if (!out->table->compact_location)
		return;
	/* A scope's partitions stand together: its columns are the first of the order. */
	for (size_t first = 0, last; first < out->part_count; first = last + 1) {
		for (last = first; last + 1 < out->part_count &&
				   out->parts[last + 1].scope == out->parts[first].scope;)
			last++;
		add_task(c, (struct task){.output = out,
					  .first = first,
					  .last = last,
					  .compact = true,
					  .scope = out->parts[first].scope});
	}
}

#define COPY_FORMAT " (FORMAT parquet, COMPRESSION snappy, RETURN_STATS"

static void slice_sql(struct job_compute *c, const struct task *t, struct buf *sql)
{
	bool first = true;
	buf_str(sql, "COPY (SELECT ");
	add_names(sql, t->output->table->columns, t->output->table->column_count, &first);
	buf_str(sql, ", " ORDINAL " FROM ");
	add_staged(sql, t->output);
	buf_printf(sql, " WHERE " ORDINAL " BETWEEN %zu AND %zu) TO ", t->first, t->last);
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/output_%zu", c->o.staging, t->output->index);
	buf_sql_str(sql, path.data);
	/* The folders are there from the batch before: making and removing them each time is slow on ext4, which does not use a freed inode again for some seconds. */
	buf_str(sql, COPY_FORMAT ", PARTITION_BY (" ORDINAL "), OVERWRITE_OR_IGNORE)");
}

static void compact_sql(struct job_compute *c, const struct task *t, struct buf *sql)
{
	const struct table_def *table = t->output->table;
	bool first = true;
	buf_str(sql, "COPY (SELECT ");
	add_all(sql, table, &first);
	buf_str(sql, " FROM ");
	add_staged(sql, t->output);
	buf_printf(sql, " WHERE " ORDINAL " BETWEEN %zu AND %zu ORDER BY ", t->first, t->last);
	first = true;
	add_sort(sql, table, &first);
	add_all(sql, table, &first);
	buf_str(sql, ") TO ");
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/compact_%zu_%zu.parquet", c->o.staging, t->output->index, t->scope);
	buf_sql_str(sql, path.data);
	buf_str(sql, COPY_FORMAT ", USE_TMP_FILE false)");
}

static int run_task(void *ctx, size_t i, struct err *e)
{
	struct job_compute *c = ctx;
	struct task *t = &c->tasks[i];
	AUTO_BUF struct buf sql = {0};
	if (t->compact)
		compact_sql(c, t, &sql);
	else
		slice_sql(c, t, &sql);
	int at = take_connection(c);
	const struct duck *d = &c->connections[at];
	duckdb_result result;
	int rc = run_sql(c, d, sql.data, &result, e);
	if (!rc) {
		t->arena = arena_new();
		rc = duck_files(d, &result, t->arena, &t->files, &t->file_count, e);
		d->api->destroy_result(&result);
	}
	give_connection(c, at);
	return rc;
}

/* Which partition a file of a slice holds: "…/pregao_partition=17/data_0.parquet". */
static int take_slice(struct task *t, struct err *e)
{
	for (size_t i = 0; i < t->file_count; i++) {
		const char *at = strstr(t->files[i].path, "/" ORDINAL "="),
			   *digits = at ? at + strlen("/" ORDINAL "=") : "";
		int64_t n;
		if (!int64_parse((struct slice){digits, strcspn(digits, "/")}, &n) ||
		    n < (int64_t)t->first || n > (int64_t)t->last)
			return err_set(e, ERR_BUG, "DuckDB wrote a file that was not asked for: %s",
				       t->files[i].path);
		struct part *p = &t->output->parts[n];
		if (p->file.path || p->rows != t->files[i].rows)
			return err_set(e, ERR_BUG, "DuckDB wrote partition %s in several files",
				       p->path);
		p->file = t->files[i];
	}
	for (size_t n = t->first; n <= t->last; n++)
		if (!t->output->parts[n].file.path)
			return err_set(e, ERR_BUG, "DuckDB wrote no file for partition %s",
				       t->output->parts[n].path);
	return OK;
}

static int write_files(struct job_compute *c, struct err *e)
{
	int rc = OK;
	for (size_t i = 0; i < c->o.plan->output_count && !rc; i++) {
		AUTO_BUF struct buf path = {0};
		buf_printf(&path, "%s/output_%zu", c->o.staging, i);
		rc = file_mkdirs(path.data, false, e);
		plan_slices(c, &c->outputs[i]);
	}
	for (size_t i = 0; i < c->o.plan->output_count; i++)
		plan_compact(c, &c->outputs[i]);
	if (!rc)
		rc = parallel_for(c->task_count, c->connection_count, run_task, c, e);
	for (size_t i = 0; i < c->task_count && !rc; i++) {
		struct task *t = &c->tasks[i];
		if (!t->compact)
			rc = take_slice(t, e);
		else if (t->file_count == 1)
			t->output->compact[t->scope] = t->files[0];
		else
			rc = err_set(e, ERR_BUG, "DuckDB wrote %zu files where one was expected",
				     t->file_count);
	}
	return rc;
}

/* ---- what is to be published ----------------------------------------------------------------------------------------- */

static struct column_stats *copy_stats(struct arena *arena, const struct duck_file *f)
{
	struct column_stats *stats = ANEW_ARRAY(arena, f->stats_count, struct column_stats);
	for (size_t i = 0; i < f->stats_count; i++)
		stats[i] =
			(struct column_stats){.column = arena_strdup(arena, f->stats[i].column),
					      .minimum = arena_strdup(arena, f->stats[i].minimum),
					      .maximum = arena_strdup(arena, f->stats[i].maximum),
					      .nulls = f->stats[i].nulls};
	return stats;
}

static void fill_file(struct job_compute *c, struct publish_file *to, const struct output *out,
		      const struct duck_file *from, size_t scope, enum catalog_layout layout)
{
	const char **covered = ANEW_ARRAY(c->arena, 1, const char *);
	covered[0] = out->scopes[scope].scope;
	to->path = arena_strdup(c->arena, from->path);
	to->file.layout = layout;
	to->file.scopes = covered;
	to->file.origins = ANEW_ARRAY(c->arena, 1, const char *);
	to->file.scope_count = 1;
	to->file.rows = from->rows;
	to->file.bytes = from->bytes;
	/* The catalog keeps the statistics of the layout that queries read. */
	if (layout == LAYOUT_COMPACT || !out->table->compact_location) {
		to->file.stats = copy_stats(c->arena, from);
		to->file.stats_count = from->stats_count;
	}
}

static void widen(const struct column *column, const char *value, const char **low,
		  const char **high)
{
	bool number = column->type == COL_INTEGER || column->type == COL_BIGINT;
	int64_t v = 0, l = 0, h = 0;
	if (!*low) {
		*low = *high = value;
		return;
	}
	bool below = strcmp(value, *low)<0, above = strcmp(value, *high)> 0;
	if (number && int64_parse(slice_of(value), &v) && int64_parse(slice_of(*low), &l) &&
	    int64_parse(slice_of(*high), &h)) {
		below = v < l;
		above = v > h;
	}
	*low = below ? value : *low;
	*high = above ? value : *high;
}

static int make_change(struct job_compute *c, const struct output *out, struct publish_change *ret,
		       struct err *e)
{
	const struct table_def *t = out->table;
	struct publish_file *files =
		ANEW_ARRAY(c->arena, out->part_count + out->scope_count, struct publish_file);
	size_t n = out->part_count;
	int rc = OK;
	for (size_t i = 0; i < out->part_count; i++) {
		const struct part *p = &out->parts[i];
		fill_file(c, &files[i], out, &p->file, p->scope, LAYOUT_PUBLISHED);
		files[i].file.key = path_key(c->arena, t, p->path, out->names[p->scope]);
		for (size_t k = 0; k < t->partition_count; k++)
			files[i].file.low[k] = files[i].file.high[k] = p->values[k];
	}
	for (size_t s = 0; s < out->scope_count && !rc; s++) {
		if (!out->compact[s].path)
			continue;
		struct publish_file *f = &files[n++];
		fill_file(c, f, out, &out->compact[s], s, LAYOUT_COMPACT);
		rc = path_compact_key(c->arena, t, out->scopes[s].scope, false, out->names[s],
				      &f->file.key, e);
		for (size_t i = 0; i < out->part_count; i++)
			for (size_t k = 0; k < t->partition_count && out->parts[i].scope == s; k++)
				widen(&t->partition[k], out->parts[i].values[k], &f->file.low[k],
				      &f->file.high[k]);
	}
	struct catalog_scope *scopes = ANEW_ARRAY(c->arena, out->scope_count, struct catalog_scope);
	if (out->scope_count)
		memcpy(scopes, out->scopes, out->scope_count * sizeof *scopes);
	*ret = (struct publish_change){.table = t,
				       .scopes = scopes,
				       .scope_count = out->scope_count,
				       .files = files,
				       .file_count = n};
	return rc;
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
	for (size_t i = 0; i < plan->output_count && !rc; i++)
		rc = begin_output(c, i, from, to, e);
	/* Checks run beside the computing: nothing is published before both are done. */
	if (!rc)
		rc = parallel_for(plan->output_count + (plan->checks_sql != NULL),
				  c->connection_count, run_part, c, e);
	for (size_t i = 0; i < plan->output_count && !rc; i++) {
		rc = list_parts(c, &c->outputs[i], from, e);
		c->outputs[i].compact =
			ANEW_ARRAY(arena, c->outputs[i].scope_count, struct duck_file);
	}
	if (!rc)
		rc = write_files(c, e);
	for (size_t i = 0; i < plan->output_count && !rc; i++)
		rc = make_change(c, &c->outputs[i], &changes[i], e);
	for (size_t i = 0; i < c->task_count; i++)
		arena_free(c->tasks[i].arena);
	for (size_t i = 0; i < plan->output_count; i++) {
		free(c->outputs[i].parts);
		free(c->outputs[i].scopes);
		free(c->outputs[i].names);
	}
	free(c->outputs);
	c->outputs = NULL;
	if (!rc)
		*ret_changes = changes;
	return rc;
}
