/* The graph as a plan for an engine: SQL for each check and each target, the inputs, the lineage of
 * scopes, and a hash of it all. */
#include "node_sql.h"

#include <stdio.h>
#include <string.h>

#include "hash.h"

/* Goes up whenever the same graph compiles to SQL that may give other rows: the names of what a job
 * wrote are made of it. */
#define COMPILER_VERSION 1

static const struct sql_style plan_style = {
	.spelling = {.dialect = DIALECT_DUCKDB, .as_of = "CAST(getvariable('as_of') AS DATE)"},
};

static int too_much(const struct job *job, struct err *e)
{
	return at_place(job->file, e,
			err_set(e, ERR_LIMIT, "the job's SQL would be longer than %zu bytes",
				JOB_MAX_PLAN_BYTES));
}

static int not_checked(const struct job *job, struct err *e)
{
	return at_place(job->file, e, err_set(e, ERR_BUG, "the job has not been checked"));
}

/* Takes what is in b into the arena and out of the plan's budget. */
static int keep(struct arena *arena, const struct job *job, struct buf *b, size_t *left,
		const char **ret, struct err *e)
{
	if (b->full || b->len > *left)
		return too_much(job, e);
	*left -= b->len;
	*ret = arena_strndup(arena, b->data, b->len);
	return OK;
}

static void compile_inputs(struct arena *arena, const struct job *job, struct job_plan *plan)
{
	struct job_input *inputs = ANEW_ARRAY(arena, job->node_count, struct job_input);
	plan->inputs = inputs;
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		if (node->kind != NODE_SOURCE)
			continue;
		struct job_input input = {source_view(arena, &node->source), node->source.database,
					  node->source.table};
		bool known = false;
		for (size_t k = 0; k < plan->input_count; k++)
			known |= strcmp(inputs[k].view, input.view) == 0;
		if (!known)
			inputs[plan->input_count++] = input;
	}
}

/* A whole statement that gives the node's rows. */
static void select_of(struct buf *b, const struct sql_style *style, const struct job *job,
		      const struct node *node)
{
	struct node_set set = {{false}};
	node_set_add(&set, job, node, false);
	node_parts(b, style, job, &set);
	node_select(b, style, node);
}

static int compile_checks(struct arena *arena, const struct job *job, struct job_plan *plan,
			  size_t *left, struct err *e)
{
	struct job_check *checks = ANEW_ARRAY(arena, JOB_MAX_CHECKS, struct job_check);
	plan->checks = checks;
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		for (size_t k = 0; node->kind == NODE_QUALITY && k < node->quality.count; k++) {
			const struct quality_check *q = &node->quality.items[k];
			struct job_check *check = &checks[plan->check_count++];
			struct buf AUTO_BUF sql = {.ceiling = *left};
			struct node_set set = {{false}};
			node_set_add(&set, job, node, true);
			node_parts(&sql, &plan_style, job, &set);
			check_select(&sql, &plan_style, node, q);
			check->node = node->id;
			check->name = q->name;
			check->message = check_message(arena, q);
			TRY(keep(arena, job, &sql, left, &check->sql, e));
		}
	}
	return OK;
}

/* All checks at once: what they stand on is then computed once. */
static int compile_all_checks(struct arena *arena, const struct job *job, struct job_plan *plan,
			      size_t *left, struct err *e)
{
	struct buf AUTO_BUF sql = {.ceiling = *left};
	struct node_set set = {{false}};
	size_t number = 0;
	for (size_t i = 0; i < job->node_count; i++)
		if (job->order[i]->kind == NODE_QUALITY)
			node_set_add(&set, job, job->order[i], true);
	node_parts(&sql, &plan_style, job, &set);
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		for (size_t k = 0; node->kind == NODE_QUALITY && k < node->quality.count;
		     k++, number++) {
			buf_printf(&sql, "%sSELECT CAST(%zu AS BIGINT), * FROM (\n",
				   number ? "\nUNION ALL\n" : "", number);
			check_select(&sql, &plan_style, node, &node->quality.items[k]);
			buf_str(&sql, "\n) AS \"c\"");
		}
	}
	return number ? keep(arena, job, &sql, left, &plan->checks_sql, e) : OK;
}

static int compile_outputs(struct arena *arena, const struct job *job, struct job_plan *plan,
			   size_t *left, struct err *e)
{
	struct job_output *outputs = ANEW_ARRAY(arena, job->node_count, struct job_output);
	plan->outputs = outputs;
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		if (node->kind != NODE_TARGET)
			continue;
		struct job_output *output = &outputs[plan->output_count++];
		struct buf AUTO_BUF sql = {.ceiling = *left};
		select_of(&sql, &plan_style, job, node);
		output->node = node->id;
		output->table = *table_copy(arena, &node->target.def);
		TRY(keep(arena, job, &sql, left, &output->sql, e));
	}
	return OK;
}

/* The scope columns of the first target, when all of them carry a partition column of the trigger
 * tables and all other targets have the same ones. */
static void compile_scope(struct arena *arena, const struct job *job, struct job_plan *plan)
{
	struct job_scope_column *columns =
		ANEW_ARRAY(arena, TABLE_MAX_PARTITION, struct job_scope_column);
	const struct table_def *trigger = graph_trigger(job);
	size_t count = 0;
	bool first = true;
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		if (node->kind != NODE_TARGET)
			continue;
		const struct table_def *t = &node->target.def;
		if (!first && t->scope_count != count)
			return;
		for (size_t k = 0; k < t->scope_count; k++) {
			int origin = node->origin[t->column_count + k];
			if (origin < 0 || !trigger)
				return;
			struct job_scope_column column = {trigger->partition[origin].name,
							  t->partition[k].name};
			if (first)
				columns[count++] = column;
			else if (strcmp(columns[k].source, column.source) != 0 ||
				 strcmp(columns[k].target, column.target) != 0)
				return;
		}
		first = false;
	}
	plan->scope_columns = columns;
	plan->scope_column_count = count;
}

int job_compile(struct arena *arena, const struct job *job, struct job_plan *ret, struct err *e)
{
	struct job_plan plan = {
		.name = job->name, .triggers = job->triggers, .trigger_count = job->trigger_count};
	size_t left = JOB_MAX_PLAN_BYTES;
	if (!job->checked)
		return not_checked(job, e);
	compile_inputs(arena, job, &plan);
	TRY(compile_checks(arena, job, &plan, &left, e));
	TRY(compile_all_checks(arena, job, &plan, &left, e));
	TRY(compile_outputs(arena, job, &plan, &left, e));
	compile_scope(arena, job, &plan);
	struct hash *hash = hash_new();
	hash_i64(hash, COMPILER_VERSION);
	hash_str(hash, job->canonical);
	hash_end_hex(hash, plan.hash);
	*ret = plan;
	return OK;
}

int job_node_sql(struct arena *arena, const struct job *job, const char *node_id, int32_t as_of,
		 const char **ret, struct err *e)
{
	char date[DATE_TEXT_SIZE], literal[32];
	const struct node *node = graph_find(job, node_id);
	struct buf AUTO_BUF sql = {.ceiling = JOB_MAX_PLAN_BYTES};
	size_t left = JOB_MAX_PLAN_BYTES;
	if (!job->checked)
		return not_checked(job, e);
	if (!node)
		return at_place(job->file, e, graph_unknown_node(job, node_id, ERR_NOT_FOUND, e));
	snprintf(literal, sizeof(literal), "DATE '%s'", date_format(as_of, date));
	struct sql_style style = {.spelling = {.dialect = DIALECT_DUCKDB, .as_of = literal},
				  .tables_in_schemas = true};
	select_of(&sql, &style, job, node);
	return keep(arena, job, &sql, &left, ret, e);
}
