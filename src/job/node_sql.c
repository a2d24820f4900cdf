/* One SELECT for each node. All names are quoted and all texts are written as literals, so nothing
 * from the JSON is ever read as SQL but the sql node's own text. */
#include "node_sql.h"

#include <string.h>

static void name(struct buf *b, const struct sql_style *s, const char *text)
{
	sql_name(b, s->spelling.dialect, text);
}

static void item(struct buf *b, size_t i)
{
	buf_str(b, i ? ",\n    " : "\n    ");
}

static void alias(struct buf *b, const struct sql_style *s, const char *column)
{
	buf_str(b, " AS ");
	name(b, s, column);
}

void sql_names(struct buf *b, const struct sql_style *s, const struct names *list,
	       const char *between)
{
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			buf_str(b, between);
		name(b, s, list->items[i]);
	}
}

/* All columns of a schema as they are. */
static void columns(struct buf *b, const struct sql_style *s, const struct schema *schema)
{
	for (size_t i = 0; i < schema->count; i++) {
		item(b, i);
		name(b, s, schema->columns[i].name);
	}
}

static void from_input(struct buf *b, const struct sql_style *s, const struct node *node, size_t i)
{
	buf_str(b, "\nFROM ");
	name(b, s, node->inputs[i]->id);
}

/* A column of an input, cast where the result's type is another. */
static void column_as(struct buf *b, const struct sql_style *s, const char *from,
		      struct value_type before, const struct column *after)
{
	char type[COLUMN_TYPE_SIZE];
	if (value_type_equal(before, value_type_of(after))) {
		name(b, s, from);
		if (strcmp(from, after->name) == 0)
			return;
	} else {
		buf_str(b, "CAST(");
		name(b, s, from);
		buf_printf(b, " AS %s)", sql_type(s->spelling.dialect, value_type_of(after), type));
	}
	alias(b, s, after->name);
}

const char *source_view(struct arena *arena, const struct source *source)
{
	return arena_printf(arena, "%s.%s", source->database, source->table);
}

static void select_source(struct buf *b, const struct sql_style *s, const struct node *node)
{
	const struct source *source = &node->source;
	buf_str(b, "SELECT");
	columns(b, s, &node->schema);
	buf_str(b, "\nFROM ");
	if (s->tables_in_schemas) {
		name(b, s, source->database);
		buf_char(b, '.');
		name(b, s, source->table);
		return;
	}
	struct arena AUTO_ARENA *arena = arena_new();
	name(b, s, source_view(arena, source));
}

static void select_change_schema(struct buf *b, const struct sql_style *s, const struct node *node)
{
	buf_str(b, "SELECT");
	for (size_t i = 0; i < node->schema.count; i++) {
		const char *from = node->change_schema.from[i];
		item(b, i);
		column_as(b, s, from, value_type_of(schema_find(&node->inputs[0]->schema, from)),
			  &node->schema.columns[i]);
	}
	from_input(b, s, node, 0);
}

/* of NULL: rows; order NULL: none. */
static void aggregate_call(struct buf *b, const struct sql_style *s,
			   const struct aggregate_function *f, const char *of,
			   const struct names *order)
{
	const char *spelled = s->spelling.dialect == DIALECT_DUCKDB ? f->duckdb : f->spark;
	for (const char *c = spelled; *c; c++) {
		if (*c != '$') {
			buf_char(b, *c);
			continue;
		}
		c++;
		if (*c != '1' && order) {
			sql_names(b, s, order, *c == 'O' ? ", " : " IS NOT NULL AND ");
			buf_str(b, *c == 'O' ? ", " : " IS NOT NULL AND ");
		}
		if (of)
			name(b, s, of);
		else
			buf_char(b, '*');
		buf_str(b, *c == 'N' ? " IS NOT NULL" : "");
	}
}

/* sum / count, exactly */
static void average(struct buf *b, const struct sql_style *s, const struct column *of,
		    struct value_type type)
{
	struct buf AUTO_BUF sum = {0}, AUTO_BUF count = {0};
	aggregate_call(&sum, s, aggregate_find("sum"), of->name, NULL);
	aggregate_call(&count, s, aggregate_find("count"), of->name, NULL);
	struct quotient q = {of->type == COL_DECIMAL ? of->scale : 0, 0, type.scale};
	quotient_sql(b, s->spelling.dialect, q, sum.data, count.data, type);
}

static void aggregate_column(struct buf *b, const struct sql_style *s, const struct node *node,
			     const struct aggregate *a)
{
	const struct column *of = a->of ? schema_find(&node->inputs[0]->schema, a->of) : NULL;
	char type[COLUMN_TYPE_SIZE];
	struct err nobody = ERR_INIT;
	struct value_type natural;
	if (!a->function->duckdb) {
		if (of)
			average(b, s, of, a->type);
	} else {
		/* It has been asked before, and was right. */
		bool known = aggregate_type(a->function, of, NULL, &natural, &nobody) == OK;
		bool cast = a->has_type && !(known && value_type_equal(natural, a->type));
		buf_str(b, cast ? "CAST(" : "");
		if (known && of && s->spelling.dialect == DIALECT_SPARK &&
		    natural.type == COL_HUGEINT && of->type != COL_HUGEINT) {
			/* A sum is ten digits wider there: so it is what a HUGEINT is spelled as. */
			buf_str(b, "sum(CAST(");
			name(b, s, a->of);
			buf_str(b, " AS DECIMAL(28,0)))");
		} else {
			aggregate_call(b, s, a->function, a->of, &a->order);
		}
		if (cast)
			buf_printf(b, " AS %s)", sql_type(s->spelling.dialect, a->type, type));
	}
	alias(b, s, a->column);
}

static void select_aggregate(struct buf *b, const struct sql_style *s, const struct node *node)
{
	const struct aggregates *a = &node->aggregate;
	size_t n = 0;
	buf_str(b, "SELECT");
	for (size_t i = 0; i < a->group.count; i++) {
		item(b, n++);
		name(b, s, a->group.items[i]);
	}
	for (size_t i = 0; i < a->count; i++) {
		item(b, n++);
		aggregate_column(b, s, node, &a->items[i]);
	}
	from_input(b, s, node, 0);
	if (a->group.count) {
		buf_str(b, "\nGROUP BY ");
		sql_names(b, s, &a->group, ", ");
	}
}

static void select_derive(struct buf *b, const struct sql_style *s, const struct node *node)
{
	const struct schema *in = &node->inputs[0]->schema;
	buf_str(b, "SELECT");
	columns(b, s, in);
	for (size_t i = 0; i < node->derive.count; i++) {
		item(b, in->count + i);
		expr_sql(b, &s->spelling, node->derive.items[i].expr);
		alias(b, s, node->derive.items[i].column);
	}
	from_input(b, s, node, 0);
}

static void select_filter(struct buf *b, const struct sql_style *s, const struct node *node)
{
	buf_str(b, "SELECT");
	columns(b, s, &node->schema);
	from_input(b, s, node, 0);
	buf_str(b, "\nWHERE ");
	expr_sql(b, &s->spelling, node->filter.expr);
}

static void side(struct buf *b, const struct sql_style *s, const char *which, const char *column)
{
	name(b, s, which);
	buf_char(b, '.');
	name(b, s, column);
}

static void select_join(struct buf *b, const struct sql_style *s, const struct node *node)
{
	const struct join *j = &node->join;
	const struct schema *left = &node->inputs[0]->schema;
	buf_str(b, "SELECT");
	for (size_t i = 0; i < left->count; i++) {
		item(b, i);
		side(b, s, "l", left->columns[i].name);
	}
	for (size_t i = 0; i < j->right_count; i++) {
		item(b, left->count + i);
		side(b, s, "r", j->right[i]);
	}
	from_input(b, s, node, 0);
	alias(b, s, "l");
	buf_str(b, j->left ? "\nLEFT JOIN " : "\nINNER JOIN ");
	name(b, s, node->inputs[1]->id);
	alias(b, s, "r");
	for (size_t i = 0; i < j->on_count; i++) {
		buf_str(b, i ? " AND " : " ON ");
		side(b, s, "l", j->on[i].from);
		buf_str(b, " = ");
		side(b, s, "r", j->on[i].to);
	}
}

static void select_union(struct buf *b, const struct sql_style *s, const struct node *node)
{
	for (size_t k = 0; k < node->input_count; k++) {
		const struct schema *in = &node->inputs[k]->schema;
		buf_str(b, k ? "\nUNION ALL\nSELECT" : "SELECT");
		for (size_t i = 0; i < node->schema.count; i++) {
			const struct column *column = &node->schema.columns[i];
			item(b, i);
			column_as(b, s, column->name, value_type_of(schema_find(in, column->name)),
				  column);
		}
		from_input(b, s, node, k);
	}
}

static void select_sql(struct buf *b, const struct sql_style *s, const struct node *node)
{
	char type[COLUMN_TYPE_SIZE];
	buf_str(b, "SELECT");
	for (size_t i = 0; i < node->schema.count; i++) {
		item(b, i);
		buf_str(b, "CAST(");
		name(b, s, node->schema.columns[i].name);
		buf_printf(b, " AS %s)",
			   sql_type(s->spelling.dialect, value_type_of(&node->schema.columns[i]),
				    type));
		alias(b, s, node->schema.columns[i].name);
	}
	buf_printf(b, "\nFROM (\n%s\n)",
		   s->spelling.dialect == DIALECT_DUCKDB ? node->sql.duckdb : node->sql.spark);
	alias(b, s, "q");
}

int job_no_spark_text(const struct node *node, struct err *e)
{
	return at_place(
		node->place, e,
		err_set(e, ERR_INPUT,
			"the node has no text for Spark: write one as \"text\": {\"spark\": \"SELECT ...\"}"));
}

static void select_quality(struct buf *b, const struct sql_style *s, const struct node *node)
{
	buf_str(b, "SELECT");
	columns(b, s, &node->schema);
	from_input(b, s, node, 0);
}

static void select_target(struct buf *b, const struct sql_style *s, const struct node *node)
{
	buf_str(b, "SELECT");
	for (size_t i = 0; i < node->schema.count; i++) {
		const struct column *column = &node->schema.columns[i];
		item(b, i);
		column_as(b, s, column->name,
			  value_type_of(schema_find(&node->inputs[0]->schema, column->name)),
			  column);
	}
	from_input(b, s, node, 0);
}

void node_select(struct buf *b, const struct sql_style *s, const struct node *node)
{
	static void (*const write[NODE_KINDS])(struct buf *, const struct sql_style *,
					       const struct node *) = {
		[NODE_SOURCE] = select_source,       [NODE_CHANGE_SCHEMA] = select_change_schema,
		[NODE_AGGREGATE] = select_aggregate, [NODE_DERIVE] = select_derive,
		[NODE_FILTER] = select_filter,       [NODE_JOIN] = select_join,
		[NODE_UNION] = select_union,         [NODE_SQL] = select_sql,
		[NODE_QUALITY] = select_quality,     [NODE_TARGET] = select_target,
	};
	write[node->kind](b, s, node);
}

void node_set_add(struct node_set *set, const struct job *job, const struct node *node,
		  bool with_itself)
{
	if (set->in[node - job->nodes])
		return;
	set->in[node - job->nodes] = with_itself;
	for (size_t i = 0; i < node->input_count; i++)
		node_set_add(set, job, node->inputs[i], true);
}

void node_parts(struct buf *b, const struct sql_style *s, const struct job *job,
		const struct node_set *set)
{
	bool first = true;
	for (size_t i = 0; i < job->node_count && !b->full; i++) {
		const struct node *node = job->order[i];
		if (!set->in[node - job->nodes])
			continue;
		buf_str(b, first ? "WITH " : ", ");
		first = false;
		name(b, s, node->id);
		buf_str(b, " AS (\n");
		node_select(b, s, node);
		buf_str(b, "\n)");
	}
	if (!first)
		buf_char(b, '\n');
}
