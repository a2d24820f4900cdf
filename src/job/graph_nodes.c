/* The keys of each node type, from JSON to struct node. That keys are known, there and of the right
 * JSON type has been checked by the table in graph_types.c; what is said here is what the table
 * cannot say. Quality and target have files of their own. */
#include "graph_parse.h"

#include <string.h>
#include <strings.h>

/* The input nodes, by the keys that the node type has. */
static int take_inputs(struct parsing *p, struct node *node, const json_t *object)
{
	static const char *const single[] = {"input", "left", "right"};
	const struct node_type *type = &node_types[node->kind];
	struct names *names = &node->input_names;
	if (json_object_get(object, "inputs")) {
		json_t *list = json_object_get(object, "inputs"), *item;
		size_t i;
		names->count = json_array_size(list);
		if (names->count < type->min_inputs || names->count > type->max_inputs)
			return field_fail(p, node->place,
					  err_set(p->e, ERR_INPUT,
						  "\"inputs\" names %zu nodes, expected %zu to %zu",
						  names->count, type->min_inputs,
						  type->max_inputs));
		names->items = ANEW_ARRAY(p->arena, names->count, const char *);
		json_array_foreach(list, i, item)
			names->items[i] = arena_strdup(p->arena, json_string_value(item));
		return OK;
	}
	names->items = ANEW_ARRAY(p->arena, type->max_inputs, const char *);
	for (size_t i = 0; i < ARRAY_LEN(single) && names->count < type->max_inputs; i++) {
		const char *id = field_text(p, object, single[i]);
		if (id)
			names->items[names->count++] = id;
	}
	return OK;
}

static int parse_source(struct parsing *p, struct node *node, json_t *object)
{
	return table_name_parse(p, node->place, json_opt_str(object, "table", ""),
				&node->source.database, &node->source.table);
}

static int parse_change_schema(struct parsing *p, struct node *node, json_t *object)
{
	struct change_schema *c = &node->change_schema;
	json_t *rename = json_object_get(object, "rename"), *cast = json_object_get(object, "cast"),
	       *value;
	const char *name;
	c->renames = ANEW_ARRAY(p->arena, json_object_size(rename), struct rename);
	c->casts = ANEW_ARRAY(p->arena, json_object_size(cast), struct recast);
	json_object_foreach(rename, name, value) {
		const char *place = place_in(p, node, "column", name);
		c->renames[c->rename_count++] =
			(struct rename){arena_strdup(p->arena, name),
					arena_strdup(p->arena, json_string_value(value))};
		TRY(name_check(p, place, "column", json_string_value(value), false));
	}
	json_object_foreach(cast, name, value) {
		const char *place = place_in(p, node, "column", name);
		struct recast *r = &c->casts[c->cast_count++];
		r->column = arena_strdup(p->arena, name);
		TRY(type_parse(p, place, json_string_value(value), &r->type));
	}
	TRY(field_names(p, node->place, object, "drop", true, &c->drop));
	TRY(field_names(p, node->place, object, "keep", false, &c->keep));
	if (c->drop.count && c->keep.count)
		return field_fail(
			p, node->place,
			err_set(p->e, ERR_INPUT,
				"\"keep\" and \"drop\" do not go together: keep leaves out all others"));
	if (!c->rename_count && !c->cast_count && !c->drop.count && !c->keep.count)
		return field_fail(
			p, node->place,
			err_set(p->e, ERR_INPUT,
				"the node changes nothing: rename, cast, drop and keep are all missing"));
	return OK;
}

static const struct key aggregate_keys[] = {
	{"column", KEY_TEXT, true, ""},
	{"function", KEY_TEXT, true, ""},
	{"of", KEY_TEXT, false, ""},
	{"order", KEY_NAMES, false, ""},
	{"type", KEY_TEXT, false, ""},
	{"doc", KEY_TEXT, false, ""},
	{0},
};

static int parse_aggregate_item(struct parsing *p, struct node *node, json_t *item, size_t i,
				struct aggregate *a)
{
	const char *place = arena_printf(p->arena, "%s, aggregate number %zu", node->place, i + 1);
	TRY(keys_check(p, place, item, aggregate_keys, NULL));
	a->column = field_text(p, item, "column");
	a->of = field_text(p, item, "of");
	place = place_in(p, node, "column", a->column);
	TRY(name_check(p, place, "column", a->column, false));
	const char *function = json_opt_str(item, "function", "");
	a->function = aggregate_find(function);
	if (!a->function) {
		const char *nearest = aggregate_nearest(function);
		if (nearest)
			err_set(p->e, ERR_INPUT, "there is no aggregate '%s'; did you mean '%s'?",
				function, nearest);
		else
			err_set(p->e, ERR_INPUT,
				"there is no aggregate '%.60s'; there are: sum, count, count_distinct, min, max, first, last, avg",
				function);
		return field_fail(p, place, ERR_INPUT);
	}
	TRY(field_names(p, place, item, "order", false, &a->order));
	if (aggregate_is_ordered(a->function) && !a->order.count)
		return field_fail(p, place,
				  err_set(p->e, ERR_INPUT,
					  "'%s' needs \"order\": the columns that order the rows",
					  function));
	if (a->order.count && !aggregate_is_ordered(a->function))
		return field_fail(
			p, place,
			err_set(p->e, ERR_INPUT,
				"'%s' does not ask for the order of rows: \"order\" is for first and last",
				function));
	const char *type = json_opt_str(item, "type", NULL);
	a->has_type = type != NULL;
	return type ? type_parse(p, place, type, &a->type) : OK;
}

static int parse_aggregate(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "aggregates"), *item;
	struct aggregates *a = &node->aggregate;
	size_t i;
	TRY(field_names(p, node->place, object, "group", true, &a->group));
	a->items = ANEW_ARRAY(p->arena, json_array_size(list), struct aggregate);
	json_array_foreach(list, i, item)
		TRY(parse_aggregate_item(p, node, item, i, &a->items[i]));
	a->count = json_array_size(list);
	if (!a->group.count && !a->count)
		return field_fail(
			p, node->place,
			err_set(p->e, ERR_INPUT,
				"the node gives no column: \"group\" and \"aggregates\" are both empty"));
	return OK;
}

static const struct key derive_keys[] = {
	{"column", KEY_TEXT, true, ""},
	{"expression", KEY_TEXT, true, ""},
	{"doc", KEY_TEXT, false, ""},
	{0},
};

static int parse_derive(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "columns"), *item;
	struct derive *d = &node->derive;
	size_t i;
	d->items = ANEW_ARRAY(p->arena, json_array_size(list), struct derived);
	json_array_foreach(list, i, item) {
		const char *place =
			arena_printf(p->arena, "%s, column number %zu", node->place, i + 1);
		TRY(keys_check(p, place, item, derive_keys, NULL));
		struct derived *x = &d->items[d->count++];
		x->column = field_text(p, item, "column");
		x->text = field_text(p, item, "expression");
		place = place_in(p, node, "column", x->column);
		TRY(name_check(p, place, "column", x->column, false));
		TRY(expr_parse(p->arena, place, x->text, &x->expr, p->e));
	}
	return d->count ? OK
			: field_fail(p, node->place,
				     err_set(p->e, ERR_INPUT, "\"columns\" is empty"));
}

static int parse_filter(struct parsing *p, struct node *node, json_t *object)
{
	node->filter.text = field_text(p, object, "where");
	return expr_parse(p->arena, arena_printf(p->arena, "%s, where", node->place),
			  node->filter.text, &node->filter.expr, p->e);
}

static const struct key on_keys[] = {
	{"left", KEY_TEXT, true, ""}, {"right", KEY_TEXT, true, ""}, {0}};

static int parse_join(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "on"), *item;
	struct join *j = &node->join;
	const char *kind = json_opt_str(object, "kind", "");
	size_t i;
	j->left = strcmp(kind, "left") == 0;
	if (!j->left && strcmp(kind, "inner") != 0)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_INPUT,
					  "there is no join kind '%.60s'; there are: inner, left",
					  kind));
	j->on = ANEW_ARRAY(p->arena, json_array_size(list), struct rename);
	json_array_foreach(list, i, item) {
		struct rename *pair = &j->on[j->on_count++];
		if (json_is_string(item)) {
			pair->from = pair->to = arena_strdup(p->arena, json_string_value(item));
		} else {
			TRY(keys_check(
				p, arena_printf(p->arena, "%s, on number %zu", node->place, i + 1),
				item, on_keys, NULL));
			pair->from = field_text(p, item, "left");
			pair->to = field_text(p, item, "right");
		}
		for (size_t k = 0; k < i; k++)
			if (strcmp(j->on[k].to, pair->to) == 0)
				return field_fail(p, node->place,
						  err_set(p->e, ERR_INPUT,
							  "\"on\" names '%.80s' of the right twice",
							  pair->to));
	}
	return j->on_count
		       ? OK
		       : field_fail(p, node->place, err_set(p->e, ERR_INPUT, "\"on\" is empty"));
}

/* union needs nothing but its inputs */
static int parse_union(struct parsing *p, struct node *node, json_t *object)
{
	return OK;
}

/* The text stands inside parentheses: it may not close them, begin another statement, or hide
 * behind a comment or quoting that this does not follow. It is not a guard against its author, who
 * may write any SELECT; the engine's sandbox is. */
static const char *sql_text_problem(const char *text)
{
	int depth = 0;
	while (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')
		text++;
	if (strncasecmp(text, "SELECT", 6) != 0 && strncasecmp(text, "WITH", 4) != 0)
		return "it begins with neither SELECT nor WITH";
	for (const char *c = text; *c; c++) {
		if (*c == '\'' || *c == '"' || *c == '`') {
			if (*c == '\'' && c > text && (c[-1] == 'e' || c[-1] == 'E'))
				return "it has a text with backslashes (E'...')";
			const char *end = strchr(c + 1, *c);
			if (!end)
				return "it has a quote that is not closed";
			c = end;
		} else if ((*c == '-' && c[1] == '-') || (*c == '/' && c[1] == '*')) {
			return "it has a comment; \"doc\" is for those";
		} else if (*c == '$') {
			return "it has a '$'";
		} else if (*c == ';') {
			return "it has a ';'";
		} else if (*c == '(') {
			depth++;
		} else if (*c == ')' && --depth < 0) {
			return "it closes a parenthesis that it did not open";
		}
	}
	return depth ? "it leaves a parenthesis open" : NULL;
}

static int take_dialect(struct parsing *p, struct node *node, const char *dialect, const char *text)
{
	const char *problem = sql_text_problem(text);
	if (problem)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_INPUT, "the %s text cannot be used: %s",
					  dialect, tr(problem)));
	if (strlen(text) > JOB_MAX_SQL_TEXT_BYTES)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_LIMIT, "the %s text is longer than %zu bytes",
					  dialect, JOB_MAX_SQL_TEXT_BYTES));
	return OK;
}

static int parse_sql(struct parsing *p, struct node *node, json_t *object)
{
	struct sql_node *s = &node->sql;
	json_t *text = json_object_get(object, "text"), *value;
	const char *dialect;
	json_object_foreach(text, dialect, value) {
		bool duckdb = strcmp(dialect, "duckdb") == 0;
		if (!duckdb && strcmp(dialect, "spark") != 0)
			return field_fail(
				p, node->place,
				err_set(p->e, ERR_INPUT,
					"there is no dialect '%.60s'; there are: duckdb, spark",
					dialect));
		const char **to = duckdb ? &s->duckdb : &s->spark;
		*to = arena_strdup(p->arena, json_string_value(value));
		TRY(take_dialect(p, node, dialect, *to));
	}
	if (!s->duckdb)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_INPUT, "\"text\" has no \"duckdb\""));
	TRY(field_columns(p, node, object, "columns", false, &s->columns, &s->column_count));
	return field_names(p, node->place, object, "keeps", true, &s->keeps);
}

int node_parse(struct parsing *p, struct node *node, json_t *object)
{
	static int (*const parse[NODE_KINDS])(struct parsing *, struct node *, json_t *) = {
		[NODE_SOURCE] = parse_source,       [NODE_CHANGE_SCHEMA] = parse_change_schema,
		[NODE_AGGREGATE] = parse_aggregate, [NODE_DERIVE] = parse_derive,
		[NODE_FILTER] = parse_filter,       [NODE_JOIN] = parse_join,
		[NODE_UNION] = parse_union,         [NODE_SQL] = parse_sql,
		[NODE_QUALITY] = quality_parse,     [NODE_TARGET] = target_parse,
	};
	TRY(take_inputs(p, node, object));
	return parse[node->kind](p, node, object);
}
