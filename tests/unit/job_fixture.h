/* What the tests of src/job share: the raw tables that jobs read, loading a graph, and a DuckDB to
 * run compiled SQL in. */
#ifndef PREGAO_TESTS_JOB_FIXTURE_H
#define PREGAO_TESTS_JOB_FIXTURE_H

#include "unit.h"

#include "duckdb_api.h"
#include "job.h"

/* As src/pipeline defines them. */
static const struct column portfolio_columns[] = {
	{"codigo", COL_TEXT, 0, 0, NULL},        {"acao", COL_TEXT, 0, 0, NULL},
	{"tipo", COL_TEXT, 0, 0, NULL},          {"setor", COL_TEXT, 0, 0, NULL},
	{"qtd_teorica", COL_BIGINT, 0, 0, NULL}, {"part", COL_DECIMAL, 9, 3, NULL},
	{"source_sha256", COL_TEXT, 0, 0, NULL},
};
static const struct column total_columns[] = {
	{"qtd_teorica_total", COL_BIGINT, 0, 0, NULL},
	{"part_total", COL_DECIMAL, 9, 3, NULL},
	{"redutor", COL_DECIMAL, 38, 8, NULL},
	{"source_sha256", COL_TEXT, 0, 0, NULL},
};
static const struct column session_partition[] = {
	{"data_pregao", COL_DATE, 0, 0, NULL},
	{"index_code", COL_TEXT, 0, 0, NULL},
};
/* One column of each type, for expressions. */
static const struct column any_columns[] = {
	{"i", COL_INTEGER, 0, 0, NULL},     {"big", COL_BIGINT, 0, 0, NULL},
	{"huge", COL_HUGEINT, 0, 0, NULL},  {"d93", COL_DECIMAL, 9, 3, NULL},
	{"d182", COL_DECIMAL, 18, 2, NULL}, {"d388", COL_DECIMAL, 38, 8, NULL},
	{"t", COL_TEXT, 0, 0, NULL},        {"b", COL_BOOLEAN, 0, 0, NULL},
	{"day_", COL_DATE, 0, 0, NULL},     {"at", COL_TIMESTAMP, 0, 0, NULL},
	{"f", COL_DOUBLE, 0, 0, NULL},      {"date", COL_DATE, 0, 0, NULL},
};
static const struct column any_partition[] = {{"part_date", COL_DATE, 0, 0, NULL},
					      {"part_text", COL_TEXT, 0, 0, NULL}};

static struct table_def raw_tables[] = {
	{.database = "raw",
	 .name = "portfolio",
	 .columns = portfolio_columns,
	 .column_count = ARRAY_LEN(portfolio_columns),
	 .partition = session_partition,
	 .partition_count = 2,
	 .location = "raw/portfolio",
	 .scope_count = 2},
	{.database = "raw",
	 .name = "portfolio_total",
	 .columns = total_columns,
	 .column_count = ARRAY_LEN(total_columns),
	 .partition = session_partition,
	 .partition_count = 2,
	 .location = "raw/portfolio_total",
	 .scope_count = 2},
	{.database = "raw",
	 .name = "any",
	 .columns = any_columns,
	 .column_count = ARRAY_LEN(any_columns),
	 .partition = any_partition,
	 .partition_count = 2,
	 .location = "raw/any",
	 .scope_count = 2},
};

static inline int find_raw_table(void *ctx, const char *database, const char *name,
				 struct arena *arena, struct table_def **ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(raw_tables); i++)
		if (strcmp(raw_tables[i].database, database) == 0 &&
		    strcmp(raw_tables[i].name, name) == 0) {
			*ret = &raw_tables[i];
			return OK;
		}
	return err_set(e, ERR_NOT_FOUND, "no such table");
}

/* Parses and checks; the error's whole text in `message` (of 2048 bytes) when it fails. */
static inline int load_text(struct arena *arena, const char *text, struct job **ret, char *message)
{
	struct err e = ERR_INIT;
	int rc = job_parse(arena, "job.json", slice_of(text), ret, &e);
	if (!rc)
		rc = job_check(arena, *ret, find_raw_table, NULL, &e);
	message[0] = 0;
	if (rc)
		err_format(&e, message, 2048);
	return rc;
}

/* A file of the source tree. */
static inline char *source_file(const char *path)
{
	const char *top = getenv("PREGAO_SOURCE");
	struct buf AUTO_BUF whole = {0}, bytes = {0};
	buf_printf(&whole, "%s/%s", top ? top : ".", path);
	struct err e = ERR_INIT;
	if (file_read(whole.data, JOB_MAX_BYTES, &bytes, &e))
		fail_msg("%s: %s", whole.data, e.text);
	return buf_take(&bytes);
}

static inline struct job *load_sound(struct arena *arena, const char *text)
{
	char message[2048];
	struct job *job = NULL;
	if (load_text(arena, text, &job, message))
		fail_msg("%s", message);
	return job;
}

/* -- DuckDB ------------------------------------------------------------------------------------ */

struct duck_fixture {
	struct duckdb_host *host;
	struct duck duck;
};
static inline void duck_begin(struct duck_fixture *f)
{
	struct err e = ERR_INIT;
	f->host = duckdb_host_start(&(struct duckdb_host_options){0});
	if (duck_open(&f->duck, f->host, &e))
		fail_msg("%s", e.text);
}
static inline void duck_end(struct duck_fixture *f)
{
	duck_close(&f->duck);
	duckdb_host_free(f->host);
}

static inline void duck_run(struct duck_fixture *f, const char *sql)
{
	struct err e = ERR_INIT;
	if (duck_query(&f->duck, sql, NULL, &e))
		fail_msg("%s\n%s", e.text, sql);
}

/* The rows of a query as lines of values between '|', each cast to text; "error: ..." when it
 * fails. To be freed. */
static inline char *duck_rows(struct duck_fixture *f, const char *sql)
{
	struct err e = ERR_INIT;
	struct buf AUTO_BUF wrapped = {0}, out = {0};
	struct arena AUTO_ARENA *arena = arena_new();
	buf_printf(
		&wrapped,
		"SELECT concat_ws('|', *COLUMNS(c -> true)) FROM (SELECT coalesce(CAST(COLUMNS(*) AS VARCHAR), 'NULL') FROM (\n%s\n))",
		sql);
	duckdb_result result;
	if (duck_query(&f->duck, wrapped.data, &result, &e)) {
		buf_printf(&out, "error: %s", e.text);
		return buf_take(&out);
	}
	duckdb_data_chunk chunk;
	while ((chunk = f->duck.api->fetch_chunk(result))) {
		uint64_t n = f->duck.api->data_chunk_get_size(chunk);
		duckdb_vector v = f->duck.api->data_chunk_get_vector(chunk, 0);
		for (uint64_t i = 0; i < n; i++)
			buf_printf(&out, "%s\n", duck_text(&f->duck, v, i, arena));
		f->duck.api->destroy_data_chunk(&chunk);
	}
	f->duck.api->destroy_result(&result);
	return buf_take(&out);
}

#endif
