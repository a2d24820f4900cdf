/* The files of a batch: which partitions its rows make, who writes what at the same time, and what
 * is to be published of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "job_compute_private.h"
#include "path.h"
#include "value.h"

#define SLICE_PARTITIONS 64 /* written by one COPY: each takes some 100 KB while it is open */
#define SLICE_LEAST      8
/* DuckDB writes partitions out at 524,288 rows, so some in several files, unless told otherwise */
#define FLUSH_ROWS 400000

/* -- partitions -------------------------------------------------------------------------------- */

static size_t add_scope(struct output *out, const char *scope, const char *name)
{
	*PUSH(out->scopes, out->scope_count, out->scope_cap) =
		(struct catalog_scope){.scope = scope};
	*PUSH(out->names, out->name_count, out->name_cap) = name;
	return out->scope_count - 1;
}

/* The scopes that the batch replaces, whether it has rows for them or not. */
int job_begin_output(struct job_compute *c, size_t index, size_t from, size_t to, struct err *e)
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
	for (size_t i = 0; i < n && rc == OK; i++)
		add_scope(out, scopes[i].scope, c->o.units->items[from].names[index]);
	return rc;
}

static int place_part(struct job_compute *c, struct output *out, struct part *p, size_t from,
		      struct err *e)
{
	const char *scope;
	int rc = path_partition(c->arena, out->table, p->values, out->table->partition_count,
				&p->path, e);
	if (rc == OK)
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

int job_list_parts(struct job_compute *c, struct output *out, size_t from, struct err *e)
{
	const struct table_def *t = out->table;
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "SELECT count(*)");
	for (size_t i = 0; i < t->partition_count; i++) {
		buf_str(&sql, ", CAST(any_value(");
		buf_sql_name(&sql, t->partition[i].name);
		buf_str(&sql, ") AS VARCHAR)");
	}
	buf_str(&sql, " FROM ");
	job_add_staged(&sql, out);
	buf_str(&sql, " GROUP BY " ORDINAL " ORDER BY " ORDINAL);
	duckdb_result result;
	int at = job_take_connection(c);
	const struct duck *d = &c->connections[at];
	int rc = job_run_sql(c, at, sql.data, &result, e);
	size_t cap = 0;
	duckdb_data_chunk chunk;
	while (rc == OK && (chunk = d->api->fetch_chunk(result))) {
		uint64_t n = d->api->data_chunk_get_size(chunk);
		for (uint64_t row = 0; row < n && rc == OK; row++) {
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
	job_give_connection(c, at);
	if (rc == OK)
		out->compact = ANEW_ARRAY(c->arena, out->scope_count, struct duck_file);
	return rc;
}

/* -- files ------------------------------------------------------------------------------------- */

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

#define COPY_FORMAT " (FORMAT parquet, COMPRESSION snappy"

/* Where a slice's file of this number comes to lie. */
static void set_path(struct buf *b, const struct task *t, size_t number)
{
	buf_reset(b);
	buf_printf(b, "%s/data_%zu.parquet", t->folder, number);
}

/* The catalog keeps the statistics of the layout that queries read. Asking DuckDB for those of the
 * other costs it 0.2 ms a file; but only with them does it tell which partition a file holds. */
static bool wants_stats(const struct job_compute *c, const struct output *out)
{
	return !out->table->compact_location || !c->numbers_in_order;
}

static void slice_sql(struct job_compute *c, const struct task *t, struct buf *sql)
{
	bool first = true;
	buf_str(sql, "COPY (SELECT ");
	job_add_names(sql, t->output->table->columns, t->output->table->column_count, &first);
	buf_str(sql, ", " ORDINAL " FROM ");
	job_add_staged(sql, t->output);
	buf_printf(sql, " WHERE " ORDINAL " BETWEEN %zu AND %zu) TO ", t->first, t->last);
	buf_sql_str(sql, t->folder);
	/* All in one folder: one for each file would take longer to make than to fill. */
	buf_printf(sql,
		   COPY_FORMAT ", PARTITION_BY (" ORDINAL "), HIVE_FILE_PATTERN false"
			       ", OVERWRITE_OR_IGNORE%s)",
		   wants_stats(c, t->output) ? ", RETURN_STATS" : "");
}

static void compact_sql(struct job_compute *c, const struct task *t, struct buf *sql)
{
	const struct table_def *table = t->output->table;
	bool first = true;
	buf_str(sql, "COPY (SELECT ");
	job_add_all(sql, table, &first);
	buf_str(sql, " FROM ");
	job_add_staged(sql, t->output);
	buf_printf(sql, " WHERE " ORDINAL " BETWEEN %zu AND %zu ORDER BY ", t->first, t->last);
	first = true;
	job_add_sort(sql, table, &first);
	job_add_all(sql, table, &first);
	buf_str(sql, ") TO ");
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/compact_%zu_%zu.parquet", c->o.staging, t->output->index, t->scope);
	buf_sql_str(sql, path.data);
	buf_str(sql, COPY_FORMAT ", USE_TMP_FILE false, RETURN_STATS)");
}

/* What is left of an earlier batch, by a store that copies instead of moving: it must not be taken
 * for this one's. */
static void remove_leftovers(const struct task *t)
{
	AUTO_BUF struct buf path = {0};
	size_t n = 0;
	do
		set_path(&path, t, n);
	while (unlink(path.data) == 0 || n++ < t->last - t->first + 1);
}

/* Without RETURN_STATS: the files by their names. */
static int look_at_files(struct task *t, struct err *e)
{
	AUTO_BUF struct buf path = {0};
	t->file_count = t->last - t->first + 1;
	t->files = ANEW_ARRAY(t->arena, t->file_count, struct duck_file);
	for (size_t i = 0; i < t->file_count; i++) {
		const struct part *p = &t->output->parts[t->first + i];
		struct stat st;
		set_path(&path, t, i);
		if (stat(path.data, &st) != 0)
			return err_errno(e, errno, "DuckDB wrote no file for partition %s",
					 p->path);
		t->files[i] = (struct duck_file){
			.path = arena_strdup(t->arena, path.data),
			.rows = p->rows,
			.bytes = st.st_size,
			.partition = arena_printf(t->arena, "%zu", t->first + i)};
	}
	set_path(&path, t, t->file_count);
	if (access(path.data, F_OK) == 0)
		return err_set(e, ERR_BUG, "DuckDB wrote partition %s in several files",
			       t->output->parts[t->last].path);
	return OK;
}

/* A COPY without RETURN_STATS tells how many rows it wrote. */
static int check_rows(const struct duck *d, duckdb_result *result, const struct task *t,
		      struct err *e)
{
	int64_t expected = 0, written = 0;
	for (size_t n = t->first; n <= t->last; n++)
		expected += t->output->parts[n].rows;
	duckdb_data_chunk chunk = d->api->fetch_chunk(*result);
	if (chunk) {
		written = duck_i64(d, d->api->data_chunk_get_vector(chunk, 0), 0);
		d->api->destroy_data_chunk(&chunk);
	}
	return written == expected
		       ? OK
		       : err_set(e, ERR_BUG, "DuckDB wrote %" PRId64 " rows of %" PRId64, written,
				 expected);
}

/* Few slices are that large, and for the others the statement would only take time. */
static int flush_late(struct job_compute *c, int connection, const struct task *t, struct err *e)
{
	int64_t rows = 0;
	for (size_t n = t->first; n <= t->last; n++)
		rows += t->output->parts[n].rows;
	if (rows < FLUSH_ROWS || c->flushes_late[connection])
		return OK;
	c->flushes_late[connection] = true;
	return job_run_sql(c, connection, "SET partitioned_write_flush_threshold = 1000000000",
			   NULL, e);
}

static int run_task(void *ctx, size_t i, struct err *e)
{
	struct job_compute *c = ctx;
	struct task *t = &c->tasks[i];
	bool stats = t->compact || wants_stats(c, t->output);
	AUTO_BUF struct buf sql = {0};
	t->arena = arena_new();
	if (t->compact) {
		compact_sql(c, t, &sql);
	} else {
		t->folder = arena_printf(t->arena, "%s/slice_%zu", c->o.staging, i);
		int made = file_mkdirs(t->folder, false, e);
		if (made)
			return made;
		slice_sql(c, t, &sql);
		remove_leftovers(t);
	}
	int at = job_take_connection(c);
	const struct duck *d = &c->connections[at];
	duckdb_result result;
	int rc = t->compact ? OK : flush_late(c, at, t, e);
	if (rc == OK)
		rc = job_run_sql(c, at, sql.data, &result, e);
	if (rc == OK) {
		rc = stats ? duck_files(d, &result, t->arena, &t->files, &t->file_count, e)
			   : check_rows(d, &result, t, e);
		d->api->destroy_result(&result);
	}
	job_give_connection(c, at);
	return rc || stats ? rc : look_at_files(t, e);
}

static int take_slice(struct task *t, struct err *e)
{
	for (size_t i = 0; i < t->file_count; i++) {
		const char *digits = t->files[i].partition;
		int64_t n;
		if (!digits || !int64_parse(slice_of(digits), &n) || n < (int64_t)t->first ||
		    n > (int64_t)t->last)
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

int job_write_files(struct job_compute *c, struct err *e)
{
	for (size_t i = 0; i < c->o.plan->output_count; i++)
		plan_slices(c, &c->outputs[i]);
	for (size_t i = 0; i < c->o.plan->output_count; i++)
		plan_compact(c, &c->outputs[i]);
	int rc = parallel_for(c->task_count, c->connection_count, run_task, c, e);
	for (size_t i = 0; i < c->task_count && rc == OK; i++) {
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

/* -- what is to be published ------------------------------------------------------------------- */

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
	if (layout == LAYOUT_COMPACT || !out->table->compact_location) {
		to->file.stats = copy_stats(c->arena, from);
		to->file.stats_count = from->stats_count;
	}
}

int job_make_change(struct job_compute *c, const struct output *out, struct publish_change *ret,
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
	for (size_t s = 0; s < out->scope_count && rc == OK; s++) {
		if (!out->compact[s].path)
			continue;
		struct publish_file *f = &files[n++];
		fill_file(c, f, out, &out->compact[s], s, LAYOUT_COMPACT);
		rc = path_compact_key(c->arena, t, out->scopes[s].scope, false, out->names[s],
				      &f->file.key, e);
		for (size_t i = 0; i < out->part_count; i++)
			for (size_t k = 0; k < t->partition_count && out->parts[i].scope == s; k++)
				column_widen(&t->partition[k], &f->file.low[k], &f->file.high[k],
					     out->parts[i].values[k], out->parts[i].values[k]);
	}
	struct catalog_scope *scopes = ANEW_ARRAY(c->arena, out->scope_count, struct catalog_scope);
	if (out->scope_count)
		memcpy(scopes, out->scopes, out->scope_count * sizeof(*scopes));
	*ret = (struct publish_change){.table = t,
				       .scopes = scopes,
				       .scope_count = out->scope_count,
				       .files = files,
				       .file_count = n};
	return rc;
}

void job_clear_files(struct job_compute *c)
{
	for (size_t i = 0; i < c->task_count; i++)
		arena_free(c->tasks[i].arena);
	c->task_count = 0;
	for (size_t i = 0; i < c->o.plan->output_count; i++) {
		free(c->outputs[i].parts);
		free(c->outputs[i].scopes);
		free(c->outputs[i].names);
	}
}
