/* The graph as one script for a plain DuckDB: readable, runnable, with nothing of pregao in it. */
#include "node_sql.h"

#include <string.h>

static const struct sql_style script_style = {
	.spelling = {.dialect = DIALECT_DUCKDB, .as_of = "getvariable('as_of')"},
};

#define LINE_BYTES 100

/* Text as comment lines, cut at blanks; a line break in it does not end the comment. */
static void comment(struct buf *b, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n\r");
		if (n > LINE_BYTES) {
			size_t cut = LINE_BYTES;
			while (cut > 0 && text[cut] != ' ')
				cut--;
			n = cut ? cut : n;
		}
		buf_printf(b, "-- %.*s\n", (int)n, text);
		text += n;
		text += strspn(text, " \n\r");
	}
}

static void name(struct buf *b, const char *text)
{
	sql_name(b, DIALECT_DUCKDB, text);
}

static void heading(struct buf *b, const struct job *job)
{
	buf_printf(b, "-- The job %s as a script for DuckDB.\n", job->name);
	if (job->doc)
		comment(b, job->doc);
	buf_str(b,
		"--\n"
		"-- duckdb -cmd \"SET VARIABLE lake = 'DIR'; SET VARIABLE out = 'DIR'; SET VARIABLE as_of = DATE '2024-07-15'\" -f THIS-FILE\n"
		"-- lake: the folder that holds raw/. out: a folder that exists; each result becomes a folder in it. as_of: the date\n"
		"-- that the job calls as_of(). A failing check ends the transaction, and nothing is written.\n\n"
		"SET VARIABLE lake = coalesce(getvariable('lake'), 'lake');\n"
		"SET VARIABLE out = coalesce(getvariable('out'), '.');\n"
		"SET VARIABLE as_of = coalesce(CAST(getvariable('as_of') AS DATE), current_date);\n\n"
		"BEGIN TRANSACTION;\n");
}

/* The table as a view named as the source nodes read it. */
static void table_view(struct arena *arena, struct buf *b, const struct source *source)
{
	const struct table_def *t = source->def;
	buf_printf(b, "\n-- the table %s.%s\nCREATE OR REPLACE TEMP VIEW ", t->database, t->name);
	name(b, source_view(arena, source));
	buf_str(b, " AS\nSELECT *\nFROM read_parquet(getvariable('lake') || ");
	struct buf AUTO_BUF pattern = {0};
	buf_printf(&pattern, "/%s", t->location);
	for (size_t i = 0; i < t->partition_count; i++)
		buf_str(&pattern, "/*");
	buf_str(&pattern, "/*.parquet");
	sql_text(b, DIALECT_DUCKDB, pattern.data);
	if (t->partition_count)
		buf_str(b, ", hive_partitioning = true, hive_types = {");
	for (size_t i = 0; i < t->partition_count; i++) {
		char type[COLUMN_TYPE_SIZE];
		buf_str(b, i ? ", " : "");
		sql_text(b, DIALECT_DUCKDB, t->partition[i].name);
		buf_printf(b, ": %s", column_type_format(&t->partition[i], type));
	}
	buf_str(b, t->partition_count ? "});\n" : ");\n");
}

static void tables(struct arena *arena, struct buf *b, const struct job *job)
{
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		bool known = false;
		if (node->kind != NODE_SOURCE)
			continue;
		for (size_t k = 0; k < i; k++)
			known |= job->order[k]->kind == NODE_SOURCE &&
				 strcmp(job->order[k]->source.database, node->source.database) ==
					 0 &&
				 strcmp(job->order[k]->source.table, node->source.table) == 0;
		if (!known)
			table_view(arena, b, &node->source);
	}
}

static void node_heading(struct buf *b, const struct node *node)
{
	buf_printf(b, "\n-- %s: %s\n", node->id, node_types[node->kind].name);
	if (node->doc)
		comment(b, node->doc);
}

static void node_view(struct arena *arena, struct buf *b, const struct node *node)
{
	node_heading(b, node);
	buf_str(b, "CREATE OR REPLACE TEMP VIEW ");
	name(b, node->id);
	buf_str(b, " AS\n");
	node_select(b, &script_style, node);
	buf_str(b, ";\n");
	for (size_t i = 0; node->kind == NODE_QUALITY && i < node->quality.count; i++) {
		const struct quality_check *q = &node->quality.items[i];
		buf_str(b, "\nSELECT CASE WHEN \"n\" = 0 THEN 'ok' ELSE error(concat(");
		sql_text(b, DIALECT_DUCKDB,
			 arena_printf(arena, "%s: %s: ", q->name, check_message(arena, q)));
		buf_str(b, ", \"n\", ', for example ', \"example\")) END AS ");
		name(b, q->name);
		buf_str(b, "\nFROM (\n");
		check_select(b, &script_style, node, q);
		buf_str(b, "\n) AS \"q\"(\"n\", \"example\");\n");
	}
}

/* COPY makes one folder and not the one above it: the last part of the location, or all of it in
 * one when another target ends the same. */
static const char *folder_of(struct arena *arena, const struct job *job, const struct node *node)
{
	const struct table_def *t = &node->target.def;
	const char *last = strrchr(t->location, '/') + 1;
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *other = &job->nodes[i];
		if (other->kind == NODE_TARGET && other != node &&
		    strcmp(strrchr(other->target.def.location, '/') + 1, last) == 0)
			return arena_printf(arena, "%s_%s", t->database, last);
	}
	return last;
}

static void node_copy(struct arena *arena, struct buf *b, const struct job *job,
		      const struct node *node)
{
	const struct table_def *t = &node->target.def;
	node_heading(b, node);
	buf_str(b, "COPY (\n");
	node_select(b, &script_style, node);
	buf_str(b, "\nORDER BY ALL\n) TO (getvariable('out') || ");
	struct buf AUTO_BUF path = {0};
	buf_printf(&path, "/%s", folder_of(arena, job, node));
	sql_text(b, DIALECT_DUCKDB, path.data);
	buf_str(b, ") (FORMAT parquet, COMPRESSION snappy, OVERWRITE_OR_IGNORE, PARTITION_BY (");
	for (size_t i = 0; i < t->partition_count; i++) {
		buf_str(b, i ? ", " : "");
		name(b, t->partition[i].name);
	}
	buf_str(b, "));\n");
}

int job_to_sql(struct arena *arena, const struct job *job, const char **ret, struct err *e)
{
	struct buf AUTO_BUF sql = {.ceiling = JOB_MAX_PLAN_BYTES};
	if (!job->checked)
		return at_place(job->file, e, err_set(e, ERR_BUG, "the job has not been checked"));
	heading(&sql, job);
	tables(arena, &sql, job);
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		if (node->kind == NODE_TARGET)
			node_copy(arena, &sql, job, node);
		else
			node_view(arena, &sql, node);
	}
	buf_str(&sql, "\nCOMMIT;\n");
	if (sql.full)
		return at_place(job->file, e,
				err_set(e, ERR_LIMIT,
					"the job's SQL would be longer than %zu bytes",
					JOB_MAX_PLAN_BYTES));
	*ret = arena_strndup(arena, sql.data, sql.len);
	return OK;
}
