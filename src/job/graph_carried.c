/* Which columns of a node still hold what a source's column holds: how one row of a source is
 * followed through the graph. Unlike graph_lineage.c this promises nothing about which rows made
 * which: a row of a group carries the group's columns of every row that went into it. */
#include "graph.h"

#include <string.h>

#include "job.h"

struct search {
	const char *database, *table;
};

static const char *carried(const struct search *, const struct node *, const char *column);

static bool same_type(const struct node *before, const char *name, const struct column *after)
{
	const struct column *c = schema_find(&before->schema, name);
	return c && value_type_equal(value_type_of(c), value_type_of(after));
}

static const char *by_derive(const struct search *s, const struct node *node, size_t at)
{
	const struct node *in = node->inputs[0];
	if (at < in->schema.count)
		return carried(s, in, node->schema.columns[at].name);
	const struct expr *x = node->derive.items[at - in->schema.count].expr;
	return x->kind == EXPR_COLUMN ? carried(s, in, x->text) : NULL;
}

/* A column of the other side says the same as the side that the row came from only where it is
 * carried from there. */
static const char *by_join(const struct search *s, const struct node *node, size_t at)
{
	size_t left = node->inputs[0]->schema.count;
	return at < left ? carried(s, node->inputs[0], node->schema.columns[at].name)
			 : carried(s, node->inputs[1], node->join.right[at - left]);
}

/* Every input that knows the column must agree; a union's rows may come from any. */
static const char *by_all_inputs(const struct search *s, const struct node *node,
				 const struct column *c)
{
	const char *found = NULL;
	for (size_t i = 0; i < node->input_count; i++) {
		const char *from = same_type(node->inputs[i], c->name, c)
					   ? carried(s, node->inputs[i], c->name)
					   : NULL;
		if (!from || (found && strcmp(found, from) != 0))
			return NULL;
		found = from;
	}
	return found;
}

static const char *carried(const struct search *s, const struct node *node, const char *column)
{
	const struct column *c = schema_find(&node->schema, column);
	size_t at = (size_t)(c - node->schema.columns);
	switch (node->kind) {
	case NODE_SOURCE:
		return strcmp(node->source.database, s->database) == 0 &&
				       strcmp(node->source.table, s->table) == 0
			       ? column
			       : NULL;
	case NODE_CHANGE_SCHEMA: {
		const char *from = node->change_schema.from[at];
		return same_type(node->inputs[0], from, c) ? carried(s, node->inputs[0], from)
							   : NULL;
	}
	case NODE_AGGREGATE:
		return at < node->aggregate.group.count
			       ? carried(s, node->inputs[0], node->aggregate.group.items[at])
			       : NULL;
	case NODE_DERIVE: return by_derive(s, node, at);
	case NODE_JOIN: return by_join(s, node, at);
	case NODE_UNION: return by_all_inputs(s, node, c);
	case NODE_SQL:
		for (size_t i = 0; i < node->sql.keeps.count; i++)
			if (strcmp(node->sql.keeps.items[i], column) == 0)
				return by_all_inputs(s, node, c);
		return NULL;
	case NODE_TARGET:
		return same_type(node->inputs[0], column, c) ? carried(s, node->inputs[0], column)
							     : NULL;
	default: return carried(s, node->inputs[0], column);
	}
}

int job_carried(struct arena *arena, const struct job *job, const char *node_id,
		const char *database, const char *table, const char *const **ret, struct err *e)
{
	const struct node *node = graph_find(job, node_id);
	if (!node)
		return graph_unknown_node(job, node_id, ERR_NOT_FOUND, e);
	const char **from = ANEW_ARRAY(arena, node->schema.count, const char *);
	const struct search s = {database, table};
	for (size_t i = 0; i < node->schema.count; i++)
		from[i] = carried(&s, node, node->schema.columns[i].name);
	*ret = from;
	return OK;
}
