/* Fuzzing of job graphs, through everything that is made of one; and of bare expressions, for
 * inputs that do not begin with a brace. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "expr.h"
#include "job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct column columns[] = {
	{"codigo", COL_TEXT, 0, 0, NULL},
	{"acao", COL_TEXT, 0, 0, NULL},
	{"tipo", COL_TEXT, 0, 0, NULL},
	{"setor", COL_TEXT, 0, 0, NULL},
	{"qtd_teorica", COL_BIGINT, 0, 0, NULL},
	{"part", COL_DECIMAL, 9, 3, NULL},
	{"i", COL_INTEGER, 0, 0, NULL},
	{"h", COL_HUGEINT, 0, 0, NULL},
	{"w", COL_DECIMAL, 38, 8, NULL},
	{"b", COL_BOOLEAN, 0, 0, NULL},
	{"d", COL_DATE, 0, 0, NULL},
	{"f", COL_DOUBLE, 0, 0, NULL},
	{"at", COL_TIMESTAMP, 0, 0, NULL},
};
static const struct column partition[] = {
	{"data_pregao", COL_DATE, 0, 0, NULL},
	{"index_code", COL_TEXT, 0, 0, NULL},
};
static struct table_def table = {
	.columns = columns,
	.column_count = ARRAY_LEN(columns),
	.partition = partition,
	.partition_count = ARRAY_LEN(partition),
	.location = "raw/any",
	.scope_count = 2,
};

static int find_table(void *ctx, const char *database, const char *name, struct arena *arena,
		      struct table_def **ret, struct err *e)
{
	if (strcmp(database, "raw") != 0)
		return err_set(e, ERR_NOT_FOUND, "no such table");
	table.database = database;
	table.name = name;
	*ret = table_copy(arena, &table);
	return OK;
}

/* What is promised of every sound graph. */
static void use(struct arena *arena, const struct job *job)
{
	struct err e = ERR_INIT;
	struct job_plan plan;
	struct job_node_info *nodes;
	const char *sql;
	size_t n;
	job_describe(arena, job, &nodes, &n);
	for (size_t i = 0; i < n; i++)
		if (job_node_sql(arena, job, nodes[i].id, 20000, &sql, &e) && e.code != ERR_LIMIT)
			abort();
	if (job_to_sql(arena, job, &sql, &e) && e.code != ERR_LIMIT)
		abort();
	int rc = job_compile(arena, job, &plan, &e);
	if (rc && rc != ERR_LIMIT)
		abort();
	if (!rc && (plan.output_count == 0 || plan.input_count == 0 || strlen(plan.hash) != 64))
		abort();
}

static void fuzz_graph(struct arena *arena, struct slice json)
{
	struct err e = ERR_INIT;
	struct job *job;
	int rc = job_parse(arena, "fuzz.json", json, &job, &e);
	if (!rc)
		rc = job_check(arena, job, find_table, NULL, &e);
	if (!rc)
		use(arena, job);
	else if ((rc != ERR_INPUT && rc != ERR_LIMIT) || e.code != rc || !e.text[0] || !e.where[0])
		abort();
}

static void fuzz_expression(struct arena *arena, struct slice text)
{
	struct err e = ERR_INIT;
	struct expr *x;
	struct schema schema = {(struct column *)columns, ARRAY_LEN(columns)};
	int rc = expr_parse(arena, "fuzz", arena_strndup(arena, text.p, text.n), &x, &e);
	if (!rc)
		rc = expr_check(arena, "fuzz", x, &schema, &e);
	if (rc) {
		if ((rc != ERR_INPUT && rc != ERR_LIMIT) || e.code != rc || !e.text[0])
			abort();
		return;
	}
	/* Nothing of it may grow out of proportion. */
	struct buf AUTO_BUF sql = {.ceiling = 4 << 20};
	expr_sql(&sql, &(struct spelling){DIALECT_DUCKDB, "DATE '2024-07-15'"}, x);
	expr_sql(&sql, &(struct spelling){DIALECT_SPARK, "DATE '2024-07-15'"}, x);
	if (sql.full)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena AUTO_ARENA *arena = arena_new();
	struct slice input = {(const char *)data, size};
	if (size && data[0] == '{')
		fuzz_graph(arena, input);
	else if (!memchr(input.p ? input.p : "", 0, size))
		fuzz_expression(arena, input);
	return 0;
}
