/* Which columns carry a partition column of the trigger tables unchanged, so that a run may read and
 * rewrite single scopes.
 *
 * A column with origin p at a node promises: reading only those rows of all trigger tables whose p
 * has some value gives exactly the node's rows whose column has that value. So a row may never be
 * made of, or depend on, trigger rows with different values of p. p is a partition column that all
 * trigger tables have, by name and type. */
#include "graph.h"

#include <string.h>

static size_t column_index(const struct schema *s, const char *name)
{
	return (size_t)(schema_find(s, name) - s->columns);
}

static int origin_of(const struct node *node, const char *column)
{
	return node->origin[column_index(&node->schema, column)];
}

const struct table_def *graph_trigger(const struct job *job)
{
	const struct job_trigger *first = &job->triggers[0];
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = &job->nodes[i];
		if (node->kind == NODE_SOURCE &&
		    strcmp(node->source.database, first->database) == 0 &&
		    strcmp(node->source.table, first->table) == 0)
			return node->source.def;
	}
	return NULL;
}

/* The table's partition column like this one, or -1. */
static int partition_like(const struct table_def *t, const struct column *c)
{
	for (size_t i = 0; i < t->partition_count; i++)
		if (strcmp(t->partition[i].name, c->name) == 0 &&
		    value_type_equal(value_type_of(&t->partition[i]), value_type_of(c)))
			return (int)i;
	return -1;
}

static bool all_triggers_have(const struct job *job, const struct column *c)
{
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = &job->nodes[i];
		if (node->kind == NODE_SOURCE && graph_is_trigger(job, &node->source) &&
		    partition_like(node->source.def, c) < 0)
			return false;
	}
	return true;
}

static void from_source(const struct job *job, struct node *node)
{
	const struct table_def *def = node->source.def, *first = graph_trigger(job);
	node->reads_trigger = graph_is_trigger(job, &node->source);
	for (size_t i = 0; i < def->partition_count && node->reads_trigger; i++)
		if (all_triggers_have(job, &def->partition[i]))
			node->origin[def->column_count + i] =
				partition_like(first, &def->partition[i]);
}

static void from_change_schema(struct node *node)
{
	const struct node *in = node->inputs[0];
	for (size_t i = 0; i < node->schema.count; i++) {
		const char *from = node->change_schema.from[i];
		const struct column *before = schema_find(&in->schema, from);
		if (value_type_equal(value_type_of(before),
				     value_type_of(&node->schema.columns[i])))
			node->origin[i] = origin_of(in, from);
	}
}

/* Group columns alone: the minimum of a partition column is made of rows of several. */
static void from_aggregate(struct node *node)
{
	for (size_t i = 0; i < node->aggregate.group.count; i++)
		node->origin[i] = origin_of(node->inputs[0], node->aggregate.group.items[i]);
}

static void from_derive(struct node *node)
{
	const struct node *in = node->inputs[0];
	memcpy(node->origin, in->origin, in->schema.count * sizeof(*in->origin));
	for (size_t i = 0; i < node->derive.count; i++)
		if (node->derive.items[i].expr->kind == EXPR_COLUMN)
			node->origin[in->schema.count + i] =
				origin_of(in, node->derive.items[i].expr->text);
}

/* Both sides read the trigger: p survives only where the join demands that it is equal on both. One
 * side reads it: the other is read whole, so p survives, unless unmatched rows of that other side
 * stay, which depend on what is missing from all scopes. */
static void from_join(struct node *node)
{
	const struct node *left = node->inputs[0], *right = node->inputs[1];
	const struct join *j = &node->join;
	bool paired[TABLE_MAX_PARTITION] = {false};
	for (size_t i = 0; i < j->on_count; i++) {
		int a = origin_of(left, j->on[i].from), b = origin_of(right, j->on[i].to);
		if (a >= 0 && a == b)
			paired[a] = true;
	}
	for (size_t i = 0; i < node->schema.count; i++) {
		bool of_left = i < left->schema.count;
		const char *name = of_left ? left->schema.columns[i].name
					   : j->right[i - left->schema.count];
		int p = of_left ? left->origin[i] : origin_of(right, name);
		if (of_left && p < 0 && !j->left)
			for (size_t k = 0; k < j->on_count; k++)
				if (strcmp(j->on[k].from, name) == 0)
					p = origin_of(right, j->on[k].to);
		bool kept = p >= 0 && (of_left || !j->left);
		if (left->reads_trigger && right->reads_trigger)
			kept = kept && paired[p];
		node->origin[i] = kept ? p : -1;
	}
}

/* A row that does not come from the trigger would be there in every scope. */
static void from_union(struct node *node)
{
	for (size_t i = 0; i < node->schema.count; i++) {
		const struct column *column = &node->schema.columns[i];
		int p = origin_of(node->inputs[0], column->name);
		for (size_t k = 0; k < node->input_count; k++) {
			const struct column *before =
				schema_find(&node->inputs[k]->schema, column->name);
			if (origin_of(node->inputs[k], column->name) != p ||
			    !value_type_equal(value_type_of(before), value_type_of(column)))
				p = -1;
		}
		node->origin[i] = p;
	}
}

/* By the author's word. */
static void from_sql(struct node *node)
{
	for (size_t i = 0; i < node->sql.keeps.count; i++) {
		const char *name = node->sql.keeps.items[i];
		const struct column *after = schema_find(&node->schema, name);
		int p = -1;
		bool good = true;
		for (size_t k = 0; k < node->input_count; k++) {
			if (!node->inputs[k]->reads_trigger)
				continue;
			const struct column *before = schema_find(&node->inputs[k]->schema, name);
			int found = origin_of(node->inputs[k], name);
			good = good && (p < 0 || p == found) && found >= 0 &&
			       value_type_equal(value_type_of(before), value_type_of(after));
			p = found;
		}
		if (good)
			node->origin[column_index(&node->schema, name)] = p;
	}
}

/* At the target too the value must stay as it is: a cast may make one of two. */
static void from_target(struct node *node)
{
	for (size_t i = 0; i < node->schema.count; i++) {
		const struct column *before =
			schema_find(&node->inputs[0]->schema, node->schema.columns[i].name);
		if (value_type_equal(value_type_of(before),
				     value_type_of(&node->schema.columns[i])))
			node->origin[i] = origin_of(node->inputs[0], before->name);
	}
}

void graph_lineage(struct arena *arena, struct job *job)
{
	for (size_t i = 0; i < job->node_count; i++) {
		struct node *node = job->order[i];
		node->origin = ANEW_ARRAY(arena, node->schema.count, int);
		node->reads_trigger = false;
		for (size_t k = 0; k < node->schema.count; k++)
			node->origin[k] = -1;
		for (size_t k = 0; k < node->input_count; k++)
			node->reads_trigger |= node->inputs[k]->reads_trigger;
		switch (node->kind) {
		case NODE_SOURCE: from_source(job, node); break;
		case NODE_CHANGE_SCHEMA: from_change_schema(node); break;
		case NODE_AGGREGATE: from_aggregate(node); break;
		case NODE_DERIVE: from_derive(node); break;
		case NODE_JOIN: from_join(node); break;
		case NODE_UNION: from_union(node); break;
		case NODE_SQL: from_sql(node); break;
		case NODE_TARGET: from_target(node); break;
		default:
			memcpy(node->origin, node->inputs[0]->origin,
			       node->schema.count * sizeof(*node->origin));
			break;
		}
	}
}
