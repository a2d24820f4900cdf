/* The columns of every node, in order from the sources on. What a node asks for and does not get is
 * refused here, by name and type. */
#include "graph.h"

#include <string.h>
#include <strings.h>

struct checking {
	struct arena *arena;
	struct job *job;
	int (*find_table)(void *ctx, const char *database, const char *name, struct arena *,
			  struct table_def **ret, struct err *);
	void *ctx;
	struct err *e;
};

static int fail(const struct checking *c, const struct node *node, const char *what,
		const char *name, int code)
{
	return at_place(arena_printf(c->arena, "%s, %s %.80s", node->place, what, name), c->e,
			code);
}

static const struct schema *input_schema(const struct node *node, size_t i)
{
	return &node->inputs[i]->schema;
}

/* Adds a column to the node's schema. */
static int add(const struct checking *c, struct node *node, const struct column *column)
{
	for (size_t i = 0; i < node->schema.count; i++)
		if (strcasecmp(node->schema.columns[i].name, column->name) == 0)
			return fail(
				c, node, "column", column->name,
				err_set(c->e, ERR_INPUT,
					"the node already has a column '%s'; rename one of them before",
					node->schema.columns[i].name));
	if (node->schema.count == JOB_MAX_COLUMNS)
		return at_place(node->place, c->e,
				err_set(c->e, ERR_LIMIT, "the node has more than %d columns",
					JOB_MAX_COLUMNS));
	node->schema.columns[node->schema.count++] = *column;
	return OK;
}

static int find(const struct checking *c, const struct node *node, const struct schema *schema,
		const char *name, const struct column **ret)
{
	*ret = schema_find(schema, name);
	return *ret ? OK : at_place(node->place, c->e, schema_unknown(schema, name, c->e));
}

/* The schema of the first input as it is. */
static int pass(const struct checking *c, struct node *node)
{
	const struct schema *in = input_schema(node, 0);
	for (size_t i = 0; i < in->count; i++)
		TRY(add(c, node, &in->columns[i]));
	return OK;
}

static int check_source(const struct checking *c, struct node *node)
{
	struct source *s = &node->source;
	int rc = c->find_table(c->ctx, s->database, s->table, c->arena, &s->def, c->e);
	if (rc == ERR_NOT_FOUND)
		return at_place(
			node->place, c->e,
			err_set(c->e, ERR_INPUT, "there is no table %s.%s", s->database, s->table));
	if (rc)
		return rc;
	for (size_t i = 0; i < s->def->column_count; i++)
		TRY(add(c, node, &s->def->columns[i]));
	for (size_t i = 0; i < s->def->partition_count; i++)
		TRY(add(c, node, &s->def->partition[i]));
	return OK;
}

static bool among(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], name) == 0)
			return true;
	return false;
}

static int change_column(const struct checking *c, struct node *node, const struct column *column)
{
	struct change_schema *s = &node->change_schema;
	struct column changed = *column;
	for (size_t i = 0; i < s->cast_count; i++) {
		struct value_type from = value_type_of(column), to = s->casts[i].type;
		char from_text[COLUMN_TYPE_SIZE], to_text[COLUMN_TYPE_SIZE];
		const char *why = NULL;
		if (strcmp(s->casts[i].column, column->name) != 0)
			continue;
		if (value_type_convert(from, to, &why) == CONVERT_REFUSED)
			return fail(c, node, "column", column->name,
				    err_set(c->e, ERR_INPUT, "%s cannot be cast to %s: %s",
					    value_type_text(from, from_text),
					    value_type_text(to, to_text), tr(why)));
		changed = value_type_column(to, column->name, column->doc);
	}
	for (size_t i = 0; i < s->rename_count; i++)
		if (strcmp(s->renames[i].from, column->name) == 0)
			changed.name = s->renames[i].to;
	s->from[node->schema.count] = column->name;
	return add(c, node, &changed);
}

static int check_change_schema(const struct checking *c, struct node *node)
{
	struct change_schema *s = &node->change_schema;
	const struct schema *in = input_schema(node, 0);
	const struct column *column;
	s->from = ANEW_ARRAY(c->arena, JOB_MAX_COLUMNS + 1, const char *);
	for (size_t i = 0; i < s->rename_count; i++)
		TRY(find(c, node, in, s->renames[i].from, &column));
	for (size_t i = 0; i < s->cast_count; i++)
		TRY(find(c, node, in, s->casts[i].column, &column));
	for (size_t i = 0; i < s->drop.count; i++)
		TRY(find(c, node, in, s->drop.items[i], &column));
	for (size_t i = 0; i < s->keep.count; i++) {
		TRY(find(c, node, in, s->keep.items[i], &column));
		TRY(change_column(c, node, column));
	}
	for (size_t i = 0; i < s->rename_count + s->cast_count; i++) {
		const char *name = i < s->rename_count ? s->renames[i].from
						       : s->casts[i - s->rename_count].column;
		if (among(&s->drop, name) || (s->keep.count && !among(&s->keep, name)))
			return fail(c, node, "column", name,
				    err_set(c->e, ERR_INPUT, "the column is changed and dropped"));
	}
	for (size_t i = 0; i < in->count && !s->keep.count; i++)
		if (!among(&s->drop, in->columns[i].name))
			TRY(change_column(c, node, &in->columns[i]));
	if (!node->schema.count)
		return at_place(node->place, c->e, err_set(c->e, ERR_INPUT, "no column is left"));
	return OK;
}

static int check_aggregate(const struct checking *c, struct node *node)
{
	struct aggregates *a = &node->aggregate;
	const struct schema *in = input_schema(node, 0);
	const struct column *column;
	for (size_t i = 0; i < a->group.count; i++) {
		TRY(find(c, node, in, a->group.items[i], &column));
		TRY(add(c, node, column));
	}
	for (size_t i = 0; i < a->count; i++) {
		struct aggregate *x = &a->items[i];
		struct value_type type;
		column = x->of ? schema_find(in, x->of) : NULL;
		if (x->of && !column)
			return fail(c, node, "column", x->column, schema_unknown(in, x->of, c->e));
		for (size_t k = 0; k < x->order.count; k++)
			if (!schema_find(in, x->order.items[k]))
				return fail(c, node, "column", x->column,
					    schema_unknown(in, x->order.items[k], c->e));
		int rc = aggregate_type(x->function, column, x->has_type ? &x->type : NULL, &type,
					c->e);
		if (rc)
			return fail(c, node, "column", x->column, rc);
		struct column made = value_type_column(type, x->column, NULL);
		TRY(add(c, node, &made));
	}
	return OK;
}

static int check_derive(const struct checking *c, struct node *node)
{
	TRY(pass(c, node));
	for (size_t i = 0; i < node->derive.count; i++) {
		struct derived *d = &node->derive.items[i];
		TRY(expr_check(c->arena,
			       arena_printf(c->arena, "%s, column %s", node->place, d->column),
			       d->expr, input_schema(node, 0), c->e));
		if (d->expr->type.null)
			return fail(c, node, "column", d->column,
				    err_set(c->e, ERR_INPUT,
					    "NULL has no type here; write cast(NULL AS TYPE)"));
		struct column made = value_type_column(d->expr->type, d->column, NULL);
		TRY(add(c, node, &made));
	}
	return OK;
}

static int check_condition(const struct checking *c, const char *place, struct expr *x,
			   const struct schema *schema)
{
	char text[COLUMN_TYPE_SIZE];
	TRY(expr_check(c->arena, place, x, schema, c->e));
	if (!x->type.null && x->type.type == COL_BOOLEAN)
		return OK;
	return at_place(place, c->e,
			err_set(c->e, ERR_INPUT, "expected a condition (BOOLEAN), found %s",
				value_type_text(x->type, text)));
}

static int check_filter(const struct checking *c, struct node *node)
{
	TRY(pass(c, node));
	return check_condition(c, arena_printf(c->arena, "%s, where", node->place),
			       node->filter.expr, input_schema(node, 0));
}

static int check_join(const struct checking *c, struct node *node)
{
	struct join *j = &node->join;
	const struct schema *left = input_schema(node, 0), *right = input_schema(node, 1);
	const struct column *a, *b;
	TRY(pass(c, node));
	for (size_t i = 0; i < j->on_count; i++) {
		struct value_type common;
		char ta[COLUMN_TYPE_SIZE], tb[COLUMN_TYPE_SIZE];
		TRY(find(c, node, left, j->on[i].from, &a));
		TRY(find(c, node, right, j->on[i].to, &b));
		if (!value_type_common(value_type_of(a), value_type_of(b), &common))
			return at_place(
				node->place, c->e,
				err_set(c->e, ERR_INPUT,
					"'%s' is %s and '%s' is %s; cast one of them before",
					a->name, column_type_format(a, ta), b->name,
					column_type_format(b, tb)));
	}
	j->right = ANEW_ARRAY(c->arena, right->count, const char *);
	j->right_count = 0;
	for (size_t i = 0; i < right->count; i++) {
		bool key = false;
		for (size_t k = 0; k < j->on_count; k++)
			key |= strcmp(j->on[k].to, right->columns[i].name) == 0;
		if (key)
			continue;
		j->right[j->right_count++] = right->columns[i].name;
		TRY(add(c, node, &right->columns[i]));
	}
	return OK;
}

static int check_union(const struct checking *c, struct node *node)
{
	TRY(pass(c, node));
	for (size_t i = 1; i < node->input_count; i++) {
		const struct schema *in = input_schema(node, i);
		const struct column *column;
		for (size_t k = 0; k < in->count; k++)
			if (!schema_find(&node->schema, in->columns[k].name))
				return at_place(node->place, c->e,
						err_set(c->e, ERR_INPUT,
							"'%s' has the column '%s', '%s' has not",
							node->inputs[i]->id, in->columns[k].name,
							node->inputs[0]->id));
		for (size_t k = 0; k < node->schema.count; k++) {
			struct column *all = &node->schema.columns[k];
			struct value_type common;
			char ta[COLUMN_TYPE_SIZE], tb[COLUMN_TYPE_SIZE];
			column = schema_find(in, all->name);
			if (!column)
				return at_place(node->place, c->e,
						err_set(c->e, ERR_INPUT,
							"'%s' has the column '%s', '%s' has not",
							node->inputs[0]->id, all->name,
							node->inputs[i]->id));
			if (!value_type_common(value_type_of(all), value_type_of(column), &common))
				return fail(
					c, node, "column", all->name,
					err_set(c->e, ERR_INPUT,
						"it is %s in '%s' and %s in '%s'; cast one of them before",
						column_type_format(all, ta), node->inputs[0]->id,
						column_type_format(column, tb),
						node->inputs[i]->id));
			*all = value_type_column(common, all->name, all->doc);
		}
	}
	return OK;
}

static int check_sql(const struct checking *c, struct node *node)
{
	const struct sql_node *s = &node->sql;
	for (size_t i = 0; i < s->column_count; i++)
		TRY(add(c, node, &s->columns[i]));
	for (size_t i = 0; i < s->keeps.count; i++) {
		const struct column *column;
		TRY(find(c, node, &node->schema, s->keeps.items[i], &column));
		for (size_t k = 0; k < node->input_count; k++)
			if (!schema_find(input_schema(node, k), s->keeps.items[i]))
				return at_place(
					node->place, c->e,
					err_set(c->e, ERR_INPUT,
						"\"keeps\" names '%s', which the input '%s' does not have",
						s->keeps.items[i], node->inputs[k]->id));
	}
	return OK;
}

static int check_sum(const struct checking *c, const struct node *node, const char *place,
		     struct quality_check *q)
{
	const struct column *of = schema_find(&node->schema, q->sum);
	struct value_type sum, common;
	char text[COLUMN_TYPE_SIZE];
	if (!of)
		return at_place(place, c->e, schema_unknown(&node->schema, q->sum, c->e));
	int rc = aggregate_type(aggregate_find("sum"), of, NULL, &sum, c->e);
	if (rc)
		return at_place(place, c->e, rc);
	if (!value_type_common(sum, q->expr->type, &common))
		return at_place(place, c->e,
				err_set(c->e, ERR_INPUT,
					"the sum is %s, which never equals %s exactly",
					value_type_text(sum, text), q->text));
	return OK;
}

static int check_quality(const struct checking *c, struct node *node)
{
	TRY(pass(c, node));
	for (size_t i = 0; i < node->quality.count; i++) {
		struct quality_check *q = &node->quality.items[i];
		const char *place = arena_printf(c->arena, "%s, check %s", node->place, q->name);
		if (q->kind == CHECK_HOLDS)
			TRY(check_condition(c, place, q->expr, &node->schema));
		for (size_t k = 0; k < q->columns.count; k++)
			if (!schema_find(&node->schema, q->columns.items[k]))
				return at_place(
					place, c->e,
					schema_unknown(&node->schema, q->columns.items[k], c->e));
		if (q->kind == CHECK_SUM)
			TRY(check_sum(c, node, place, q));
	}
	return OK;
}

static int check_target_column(const struct checking *c, struct node *node,
			       const struct column *declared)
{
	const struct column *found = schema_find(input_schema(node, 0), declared->name);
	char from[COLUMN_TYPE_SIZE], to[COLUMN_TYPE_SIZE];
	const char *why = NULL;
	if (!found)
		return fail(c, node, "column", declared->name,
			    schema_unknown(input_schema(node, 0), declared->name, c->e));
	if (declared->type == COL_HUGEINT)
		return fail(c, node, "column", declared->name,
			    err_set(c->e, ERR_INPUT,
				    "Parquet has no HUGEINT; declare BIGINT or a DECIMAL"));
	column_type_format(found, from);
	column_type_format(declared, to);
	switch (value_type_convert(value_type_of(found), value_type_of(declared), &why)) {
	case CONVERT_CAST:
		return fail(
			c, node, "column", declared->name,
			err_set(c->e, ERR_INPUT,
				"it is %s, the table declares %s; cast it in a change-schema node if that is meant",
				from, to));
	case CONVERT_REFUSED:
		return fail(c, node, "column", declared->name,
			    err_set(c->e, ERR_INPUT, "it is %s, the table declares %s: %s", from,
				    to, tr(why)));
	default: return add(c, node, declared);
	}
}

static int check_target(const struct checking *c, struct node *node)
{
	const struct table_def *t = &node->target.def;
	for (size_t i = 0; i < t->column_count; i++)
		TRY(check_target_column(c, node, &t->columns[i]));
	for (size_t i = 0; i < t->partition_count; i++)
		TRY(check_target_column(c, node, &t->partition[i]));
	return OK;
}

int job_check(struct arena *arena, struct job *job,
	      int (*find_table)(void *ctx, const char *database, const char *name, struct arena *,
				struct table_def **ret, struct err *),
	      void *ctx, struct err *e)
{
	static int (*const check[NODE_KINDS])(const struct checking *, struct node *) = {
		[NODE_SOURCE] = check_source,       [NODE_CHANGE_SCHEMA] = check_change_schema,
		[NODE_AGGREGATE] = check_aggregate, [NODE_DERIVE] = check_derive,
		[NODE_FILTER] = check_filter,       [NODE_JOIN] = check_join,
		[NODE_UNION] = check_union,         [NODE_SQL] = check_sql,
		[NODE_QUALITY] = check_quality,     [NODE_TARGET] = check_target,
	};
	struct checking c = {arena, job, find_table, ctx, e};
	job->checked = false;
	for (size_t i = 0; i < job->node_count; i++) {
		struct node *node = job->order[i];
		node->schema =
			(struct schema){ANEW_ARRAY(arena, JOB_MAX_COLUMNS, struct column), 0};
		TRY(check[node->kind](&c, node));
	}
	graph_lineage(arena, job);
	job->checked = true;
	return OK;
}

int job_schema(const struct job *job, const char *node_id, const struct column **ret,
	       size_t *ret_count, struct err *e)
{
	const struct node *node = graph_find(job, node_id);
	if (!node)
		return at_place(job->file, e, graph_unknown_node(job, node_id, ERR_NOT_FOUND, e));
	*ret = node->schema.columns;
	*ret_count = node->schema.count;
	return OK;
}
