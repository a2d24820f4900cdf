/* The graph in words, node by node, for `job show`. */
#include "graph.h"

#include <string.h>

#include "node_sql.h"

static void list(struct buf *b, const struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		buf_printf(b, "%s%s", i ? ", " : "", names->items[i]);
}

static void next_part(struct buf *b)
{
	if (b->len)
		buf_str(b, "; ");
}

static void change_schema(struct buf *b, const struct change_schema *c)
{
	char type[COLUMN_TYPE_SIZE];
	for (size_t i = 0; i < c->rename_count; i++)
		buf_printf(b, "%s%s to %s", i ? ", " : "rename ", c->renames[i].from,
			   c->renames[i].to);
	if (c->cast_count)
		next_part(b);
	for (size_t i = 0; i < c->cast_count; i++)
		buf_printf(b, "%s%s as %s", i ? ", " : "cast ", c->casts[i].column,
			   value_type_text(c->casts[i].type, type));
	if (c->drop.count || c->keep.count) {
		next_part(b);
		buf_str(b, c->drop.count ? "drop " : "keep ");
		list(b, c->drop.count ? &c->drop : &c->keep);
	}
}

static void aggregate(struct buf *b, const struct aggregates *a)
{
	buf_str(b, a->group.count ? "group by " : "all rows");
	list(b, &a->group);
	for (size_t i = 0; i < a->count; i++) {
		const struct aggregate *x = &a->items[i];
		buf_printf(b, "%s%s = %s(%s", i ? ", " : ": ", x->column, x->function->name,
			   x->of ? x->of : "*");
		buf_str(b, x->order.count ? " by " : "");
		list(b, &x->order);
		buf_char(b, ')');
	}
}

static void join(struct buf *b, const struct node *node)
{
	buf_str(b, node->join.left ? "left join" : "inner join");
	for (size_t i = 0; i < node->join.on_count; i++)
		buf_printf(b, "%s%s.%s = %s.%s", i ? " and " : " on ", node->inputs[0]->id,
			   node->join.on[i].from, node->inputs[1]->id, node->join.on[i].to);
}

static void target(struct buf *b, const struct table_def *t)
{
	buf_printf(b, "%s.%s at %s, partitioned by ", t->database, t->name, t->location);
	for (size_t i = 0; i < t->partition_count; i++)
		buf_printf(b, "%s%s", i ? ", " : "", t->partition[i].name);
	buf_str(b, ", replaced by ");
	for (size_t i = 0; i < t->scope_count; i++)
		buf_printf(b, "%s%s", i ? ", " : "", t->partition[i].name);
	if (t->compact_location)
		buf_printf(b, ", compact at %s", t->compact_location);
}

static void summary(struct arena *arena, struct buf *b, const struct node *node)
{
	switch (node->kind) {
	case NODE_SOURCE: buf_printf(b, "%s.%s", node->source.database, node->source.table); break;
	case NODE_CHANGE_SCHEMA: change_schema(b, &node->change_schema); break;
	case NODE_AGGREGATE: aggregate(b, &node->aggregate); break;
	case NODE_DERIVE:
		for (size_t i = 0; i < node->derive.count; i++)
			buf_printf(b, "%s%s = %s", i ? ", " : "", node->derive.items[i].column,
				   node->derive.items[i].text);
		break;
	case NODE_FILTER: buf_printf(b, "where %s", node->filter.text); break;
	case NODE_JOIN: join(b, node); break;
	case NODE_UNION: buf_printf(b, "the rows of all %zu inputs", node->input_count); break;
	case NODE_SQL: buf_printf(b, "SQL for duckdb%s", node->sql.spark ? ", spark" : ""); break;
	case NODE_QUALITY:
		for (size_t i = 0; i < node->quality.count; i++)
			buf_printf(b, "%s%s", i ? ", " : "", node->quality.items[i].name);
		break;
	default: target(b, &node->target.def); break;
	}
}

void job_describe(struct arena *arena, const struct job *job, struct job_node_info **ret,
		  size_t *ret_count)
{
	struct job_node_info *all = ANEW_ARRAY(arena, job->node_count, struct job_node_info);
	for (size_t i = 0; i < job->node_count; i++) {
		const struct node *node = job->order[i];
		struct buf AUTO_BUF text = {.ceiling = 4096};
		summary(arena, &text, node);
		all[i] = (struct job_node_info){
			.id = node->id,
			.type = node_types[node->kind].name,
			.doc = node->doc,
			.summary = arena_strdup(arena, text.data ? text.data : ""),
			.inputs = node->input_names.items,
			.input_count = node->input_names.count,
			.columns = node->schema.columns,
			.column_count = node->schema.count,
		};
	}
	*ret = all;
	*ret_count = job->node_count;
}
