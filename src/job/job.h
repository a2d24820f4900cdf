/* The job: a graph of typed nodes written as JSON. This header is all that others need of src/job:
 * parse, check, and the projections of the one graph (a plan for an engine, SQL of a node, a
 * script, a description). The format is told in docs/jobs.md. */
#ifndef PREGAO_JOB_H
#define PREGAO_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "job_engine.h"
#include "mem.h"
#include "str.h"
#include "table.h"

/* Ceilings on what comes from outside. */
#define JOB_MAX_BYTES            ((size_t)1 << 20)
#define JOB_MAX_NODES            200
#define JOB_MAX_COLUMNS          256 /* of any node */
#define JOB_MAX_CHECKS           200 /* of all quality nodes together */
#define JOB_MAX_EXPRESSION_BYTES 4096
#define JOB_MAX_EXPRESSION_DEPTH 64
#define JOB_MAX_SQL_TEXT_BYTES   ((size_t)64 << 10)
#define JOB_MAX_PLAN_BYTES       ((size_t)16 << 20) /* all SQL of a plan together */

struct job;

/* JSON to a graph: syntax, keys, names, how nodes hang together, and the grammar of expressions; no
 * types yet. The job and all that hangs on it lie in the arena. Errors name the node and the key or
 * column in err.where ("<name_for_errors>: node dates, column days_since_session, character 14").
 * ERR_INPUT; ERR_LIMIT when a ceiling was passed. */
int job_parse(struct arena *, const char *name_for_errors, struct slice json, struct job **ret,
	      struct err *) MUST_CHECK;

/* Types: gives every node its columns. Must have succeeded before anything below. May be repeated
 * (the tables may have changed). find_table tells what a source table looks like, as
 * catalog_table() does; its ERR_NOT_FOUND becomes an ERR_INPUT that names the node, every other
 * error is passed on. */
int job_check(struct arena *, struct job *,
	      int (*find_table)(void *ctx, const char *database, const char *name, struct arena *,
				struct table_def **ret, struct err *),
	      void *ctx, struct err *) MUST_CHECK;

const char *job_name(const struct job *);
const char *job_doc(const struct job *); /* NULL when there is none */
/* One or more. Borrowed from the job. */
const struct job_trigger *job_triggers(const struct job *, size_t *ret_count);

/* The columns of a node's result; of a target: its table's columns, then the partition columns.
 * Borrowed from the job. ERR_NOT_FOUND for an unknown node, naming the nearest. */
int job_schema(const struct job *, const char *node_id, const struct column **ret,
	       size_t *ret_count, struct err *) MUST_CHECK;

/* The plan for an engine; strings and SQL lie in the arena. ERR_LIMIT when its SQL would pass
 * JOB_MAX_PLAN_BYTES. */
int job_compile(struct arena *, const struct job *, struct job_plan *ret, struct err *) MUST_CHECK;

/* One SELECT (DuckDB) that gives a node's rows, for a preview: sources are read as database.table
 * ("raw"."portfolio"), the as-of date stands in it as a literal. No LIMIT: wrap it as `SELECT *
 * FROM (...) LIMIT 10`. ERR_NOT_FOUND, ERR_LIMIT. */
int job_node_sql(struct arena *, const struct job *, const char *node_id, int32_t as_of,
		 const char **ret, struct err *) MUST_CHECK;

/* For each column of a node's result (as job_schema has them) the column of the source table whose value it still holds, or
 * NULL: to follow one of that table's rows through the graph. Lies in the arena. ERR_NOT_FOUND. */
int job_carried(struct arena *, const struct job *, const char *node_id, const char *database,
		const char *table, const char *const **ret, struct err *) MUST_CHECK;

/* `job export --to sql`: one script for a plain DuckDB (duckdb < file) in a folder that holds the
 * lake: one view a node with its doc, the checks, and a COPY for each target. Variables lake, out
 * and as_of may be set before it. ERR_LIMIT. */
int job_to_sql(struct arena *, const struct job *, const char **ret, struct err *) MUST_CHECK;

/* `job export --to spark` and `--to glue-script`: one Python program for Spark 3.4 or later, alone on any cluster or as a
 * Glue job. What it computes equals what an engine makes of the plan, row for row. ERR_INPUT for a node that has no text
 * for Spark; ERR_LIMIT. */
enum spark_form { SPARK_ALONE, SPARK_GLUE };
int job_to_spark(struct arena *, const struct job *, enum spark_form, const char **ret,
		 struct err *) MUST_CHECK;

/* `job export --to glue-nodes`: a JSON object of nodes for a visual Glue job, to open in Glue Studio. Errors as above. */
int job_to_glue_nodes(struct arena *, const struct job *, const char **ret,
		      struct err *) MUST_CHECK;

/* `job show`: the nodes in the order in which they are computed. Borrowed from the job and the
 * arena. */
struct job_node_info {
	const char *id, *type;
	const char *doc; /* may be NULL */
	/* what it does, in one line: "group by acao, tipo: sum(qtd_teorica), count" */
	const char *summary;
	const char *const *inputs;
	size_t input_count;
	const struct column *columns;
	size_t column_count;
};
void job_describe(struct arena *, const struct job *, struct job_node_info **ret,
		  size_t *ret_count);

#endif
