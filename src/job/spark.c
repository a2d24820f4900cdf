/* The graph as a program for Spark, with nothing of pregao in it: its tables, its nodes as Spark SQL, and the Python of
 * src/job/spark that runs them. */
#include "node_sql.h"
#include "spark_python.h"

#include <string.h>

static const struct sql_style spark_style = {
	.spelling = {.dialect = DIALECT_SPARK, .as_of = "CAST(:as_of AS DATE)"},
};

/* Text within a Python string; line breaks stay when it is one of three quotes. */
static void python_text(struct buf *b, const char *text, bool lines)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\n' && lines)
			buf_char(b, *c);
		else if (*c == '\\' || *c == '"')
			buf_printf(b, "\\%c", *c);
		else if ((unsigned char)*c < ' ' || *c == 0x7f)
			buf_printf(b, "\\x%02x", (unsigned char)*c);
		else
			buf_char(b, *c);
	}
}

static void quoted(struct buf *b, const char *text)
{
	buf_char(b, '"');
	python_text(b, text, false);
	buf_char(b, '"');
}

static void statement(struct buf *b, const char *sql)
{
	buf_str(b, "\"\"\"\n");
	python_text(b, sql, true);
	buf_str(b, "\n\"\"\"");
}

/* The first folder of a location, which an option of the program stands for, and the rest. */
static struct slice root_of(const struct table_def *t, const char **ret_rest)
{
	struct slice rest = slice_of(t->location), root = slice_cut(&rest, '/');
	*ret_rest = rest.p;
	return root;
}

static const struct table_def *table_of(const struct node *node)
{
	return node->kind == NODE_SOURCE   ? node->source.def
	       : node->kind == NODE_TARGET ? &node->target.def
					   : NULL;
}

/* The i-th node's table, when no node before it has it. */
static const struct table_def *new_table(const struct job *job, size_t i)
{
	const struct table_def *t = table_of(job->order[i]);
	for (size_t k = 0; t && k < i; k++) {
		const struct table_def *other = table_of(job->order[k]);
		if (other && strcmp(other->database, t->database) == 0 &&
		    strcmp(other->name, t->name) == 0)
			return NULL;
	}
	return t;
}

/* [("tipo", "STRING"), ...] */
static void typed(struct buf *b, const struct column *columns, size_t n)
{
	char type[COLUMN_TYPE_SIZE];
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		buf_str(b, i ? ", (" : "(");
		quoted(b, columns[i].name);
		buf_printf(b, ", \"%s\")",
			   sql_type(DIALECT_SPARK, value_type_of(&columns[i]), type));
	}
	buf_char(b, ']');
}

static void write_tables(struct buf *b, const struct job *job)
{
	buf_str(b, "\nTABLES = {\n");
	for (size_t i = 0; i < job->node_count; i++) {
		const struct table_def *t = new_table(job, i);
		const char *folder;
		if (!t)
			continue;
		struct slice root = root_of(t, &folder);
		buf_printf(b, "    \"%s.%s\": {\n        \"root\": \"%.*s\", \"folder\": ",
			   t->database, t->name, (int)root.n, root.p);
		quoted(b, folder);
		buf_printf(b, ", \"scope\": %zu,\n        \"columns\": ", t->scope_count);
		typed(b, t->columns, t->column_count);
		buf_str(b, ",\n        \"partition\": ");
		typed(b, t->partition, t->partition_count);
		buf_str(b, "},\n");
	}
	buf_str(b, "}\n");
}

static void write_roots(struct buf *b, const struct job *job)
{
	const char *folder;
	size_t n = 0;
	buf_str(b, "# Where the tables lie: one place for each.\nROOTS = [");
	for (size_t i = 0; i < job->node_count; i++) {
		const struct table_def *t = new_table(job, i);
		bool known = !t;
		for (size_t k = 0; k < i && !known; k++) {
			const struct table_def *other = new_table(job, k);
			known = other && slice_eq(root_of(other, &folder), root_of(t, &folder));
		}
		if (known)
			continue;
		struct slice root = root_of(t, &folder);
		buf_printf(b, "%s\"%.*s\"", n++ ? ", " : "", (int)root.n, root.p);
	}
	buf_str(b, "]\n");
}

static void write_triggers(struct buf *b, const struct job *job, const struct job_plan *plan)
{
	buf_str(b,
		"# Whose new partitions start the job, and what the columns of such a partition are called in the results.\nTRIGGERS = [");
	for (size_t i = 0; i < job->trigger_count; i++)
		buf_printf(b, "%s\"%s.%s\"", i ? ", " : "", job->triggers[i].database,
			   job->triggers[i].table);
	buf_str(b, "]\nSCOPES = [");
	for (size_t i = 0; i < plan->scope_column_count; i++) {
		buf_str(b, i ? ", (" : "(");
		quoted(b, plan->scope_columns[i].source);
		buf_str(b, ", ");
		quoted(b, plan->scope_columns[i].target);
		buf_char(b, ')');
	}
	buf_str(b, "]\n");
}

static void write_doc(struct buf *b, const char *doc)
{
	for (struct slice rest = slice_of(doc), line; rest.n;) {
		line = slice_cut(&rest, '\n');
		buf_printf(b, "    # %.*s\n", (int)line.n, line.p);
	}
}

static void write_checks(struct arena *arena, struct buf *b, const struct node *node)
{
	for (size_t i = 0; i < node->quality.count; i++) {
		const struct quality_check *c = &node->quality.items[i];
		struct buf AUTO_BUF sql = {.ceiling = JOB_MAX_PLAN_BYTES};
		check_select(&sql, &spark_style, node, c);
		b->full |= sql.full;
		buf_str(b, "    run.check(");
		quoted(b, c->name);
		buf_str(b, ", ");
		quoted(b, check_message(arena, c));
		buf_str(b, ", ");
		statement(b, sql.data);
		buf_str(b, ")\n");
	}
}

static int write_node(struct arena *arena, struct buf *b, const struct node *node, struct err *e)
{
	struct buf AUTO_BUF sql = {.ceiling = JOB_MAX_PLAN_BYTES};
	const struct table_def *t = table_of(node);
	if (node->kind == NODE_SQL && !node->sql.spark)
		return job_no_spark_text(node, e);
	buf_printf(b, "\n    # %s: %s\n", node->id, node_types[node->kind].name);
	if (node->doc)
		write_doc(b, node->doc);
	if (node->kind == NODE_SOURCE) {
		buf_printf(b, "    run.source(\"%s\", \"%s.%s\")\n", node->id, t->database,
			   t->name);
		return OK;
	}
	node_select(&sql, &spark_style, node);
	b->full |= sql.full;
	if (t)
		buf_printf(b, "    run.target(\"%s.%s\", ", t->database, t->name);
	else
		buf_printf(b, "    run.node(\"%s\", ", node->id);
	statement(b, sql.data);
	buf_str(b, ")\n");
	if (node->kind == NODE_QUALITY)
		write_checks(arena, b, node);
	return OK;
}

static void write_python(struct buf *b, const char *file)
{
	for (size_t i = 0; i < spark_python_files_count; i++)
		if (slice_ends(slice_of(spark_python_files[i].path), file))
			buf_add(b, (const char *)spark_python_files[i].data,
				spark_python_files[i].size);
}

int job_to_spark(struct arena *arena, const struct job *job, enum spark_form form, const char **ret,
		 struct err *e)
{
	struct buf AUTO_BUF b = {.ceiling = JOB_MAX_PLAN_BYTES};
	struct job_plan plan;
	TRY(job_compile(arena, job, &plan, e));
	buf_printf(
		&b,
		"\"\"\"The job %s for Spark 3.4 or later, made from its graph by `pregao job export`.\n",
		job->name);
	if (job->doc) {
		buf_char(&b, '\n');
		python_text(&b, job->doc, true);
		buf_char(&b, '\n');
	}
	buf_str(&b, "\"\"\"\n");
	write_python(&b, form == SPARK_GLUE ? "/import_glue.py" : "/import_spark.py");
	buf_printf(&b, "\nJOB = \"%s\"\n", job->name);
	write_roots(&b, job);
	write_triggers(&b, job, &plan);
	write_tables(&b, job);
	buf_str(&b,
		"\n\ndef nodes(run):\n    \"\"\"The graph: each node after those that it reads.\"\"\"\n");
	for (size_t i = 0; i < job->node_count; i++)
		TRY(write_node(arena, &b, job->order[i], e));
	write_python(&b, "/run.py");
	write_python(&b, form == SPARK_GLUE ? "/main_glue.py" : "/main_spark.py");
	if (b.full)
		return at_place(job->file, e,
				err_set(e, ERR_LIMIT,
					"the job's program would be longer than %zu bytes",
					JOB_MAX_PLAN_BYTES));
	*ret = arena_strndup(arena, b.data, b.len);
	return OK;
}
