/* The keys of each node type, from JSON to struct node. That keys are known, there and of the right JSON type has been checked by the table in
 * graph_types.c; what is said here is what the table cannot say. */
#include "graph.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *text_of(struct parsing *p, const json_t *object, const char *key)
{
	return arena_strdup(p->arena, json_opt_str(object, key, NULL));
}

static const char *sub_place(struct parsing *p, const struct node *node, const char *what, const char *name)
{
	return arena_printf(p->arena, "%s, %s %.80s", node->place, what, name);
}

static int fail(struct parsing *p, const char *place, int code)
{
	return at_place(place, p->e, code);
}

static int take_names(struct parsing *p, const char *place, const json_t *object, const char *key, bool may_be_empty, struct names *ret)
{
	json_t *list = json_object_get(object, key), *item;
	size_t i;
	if (!list)
		return OK;
	ret->count = json_array_size(list);
	ret->items = ANEW_ARRAY(p->arena, ret->count, const char *);
	if (!ret->count && !may_be_empty)
		return fail(p, place, err_set(p->e, ERR_INPUT, "\"%s\" is empty", key));
	json_array_foreach(list, i, item) {
		ret->items[i] = arena_strdup(p->arena, json_string_value(item));
		for (size_t j = 0; j < i; j++)
			if (strcmp(ret->items[i], ret->items[j]) == 0)
				return fail(p, place, err_set(p->e, ERR_INPUT, "\"%s\" names '%.80s' twice", key, ret->items[i]));
	}
	return OK;
}

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
			return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"inputs\" names %zu nodes, expected %zu to %zu", names->count,
							    type->min_inputs, type->max_inputs));
		names->items = ANEW_ARRAY(p->arena, names->count, const char *);
		json_array_foreach(list, i, item)
			names->items[i] = arena_strdup(p->arena, json_string_value(item));
		return OK;
	}
	names->items = ANEW_ARRAY(p->arena, type->max_inputs, const char *);
	for (size_t i = 0; i < ARRAY_LEN(single) && names->count < type->max_inputs; i++) {
		const char *id = text_of(p, object, single[i]);
		if (id)
			names->items[names->count++] = id;
	}
	return OK;
}

static int take_type(struct parsing *p, const char *place, const char *text, struct value_type *ret)
{
	struct column column = {0};
	int rc = column_type_parse(text, &column, p->e);
	*ret = value_type_of(&column);
	return rc ? fail(p, place, rc) : OK;
}

/* Columns that a node makes: names of ours, each once, whatever the case: engines do not tell "a" from "A". */
static int new_column(struct parsing *p, const char *place, const char *name, bool lower)
{
	return name_check(p, place, "column", name, lower);
}

static int parse_source(struct parsing *p, struct node *node, json_t *object)
{
	return table_name_parse(p, node->place, json_opt_str(object, "table", ""), &node->source.database, &node->source.table);
}

static int parse_change_schema(struct parsing *p, struct node *node, json_t *object)
{
	struct change_schema *c = &node->change_schema;
	json_t *rename = json_object_get(object, "rename"), *cast = json_object_get(object, "cast"), *value;
	const char *name;
	c->renames = ANEW_ARRAY(p->arena, json_object_size(rename), struct rename);
	c->casts = ANEW_ARRAY(p->arena, json_object_size(cast), struct recast);
	json_object_foreach(rename, name, value) {
		const char *place = sub_place(p, node, "column", name);
		c->renames[c->rename_count++] = (struct rename){arena_strdup(p->arena, name), arena_strdup(p->arena, json_string_value(value))};
		TRY(new_column(p, place, json_string_value(value), false));
	}
	json_object_foreach(cast, name, value) {
		const char *place = sub_place(p, node, "column", name);
		struct recast *r = &c->casts[c->cast_count++];
		r->column = arena_strdup(p->arena, name);
		TRY(take_type(p, place, json_string_value(value), &r->type));
	}
	TRY(take_names(p, node->place, object, "drop", true, &c->drop));
	TRY(take_names(p, node->place, object, "keep", false, &c->keep));
	if (c->drop.count && c->keep.count)
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"keep\" and \"drop\" do not go together: keep leaves out all others"));
	if (!c->rename_count && !c->cast_count && !c->drop.count && !c->keep.count)
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "the node changes nothing: rename, cast, drop and keep are all missing"));
	return OK;
}

static const struct key aggregate_keys[] = {
	{"column", KEY_TEXT, true, ""}, {"function", KEY_TEXT, true, ""}, {"of", KEY_TEXT, false, ""},
	{"type", KEY_TEXT, false, ""},  {"doc", KEY_TEXT, false, ""},     {0},
};

static int parse_aggregate_item(struct parsing *p, struct node *node, json_t *item, size_t i, struct aggregate *a)
{
	const char *place = arena_printf(p->arena, "%s, aggregate number %zu", node->place, i + 1);
	TRY(keys_check(p, place, item, aggregate_keys, NULL));
	a->column = text_of(p, item, "column");
	a->of = text_of(p, item, "of");
	place = sub_place(p, node, "column", a->column);
	TRY(new_column(p, place, a->column, false));
	const char *function = json_opt_str(item, "function", "");
	a->function = aggregate_find(function);
	if (!a->function) {
		const char *nearest = aggregate_nearest(function);
		if (nearest)
			err_set(p->e, ERR_INPUT, "there is no aggregate '%s'; did you mean '%s'?", function, nearest);
		else
			err_set(p->e, ERR_INPUT, "there is no aggregate '%.60s'; there are: sum, count, count_distinct, min, max, avg", function);
		return fail(p, place, ERR_INPUT);
	}
	const char *type = json_opt_str(item, "type", NULL);
	a->has_type = type != NULL;
	return type ? take_type(p, place, type, &a->type) : OK;
}

static int parse_aggregate(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "aggregates"), *item;
	struct aggregates *a = &node->aggregate;
	size_t i;
	TRY(take_names(p, node->place, object, "group", true, &a->group));
	a->items = ANEW_ARRAY(p->arena, json_array_size(list), struct aggregate);
	json_array_foreach(list, i, item)
		TRY(parse_aggregate_item(p, node, item, i, &a->items[i]));
	a->count = json_array_size(list);
	if (!a->group.count && !a->count)
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "the node gives no column: \"group\" and \"aggregates\" are both empty"));
	return OK;
}

static const struct key derive_keys[] = {
	{"column", KEY_TEXT, true, ""}, {"expression", KEY_TEXT, true, ""}, {"doc", KEY_TEXT, false, ""}, {0},
};

static int parse_derive(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "columns"), *item;
	struct derive *d = &node->derive;
	size_t i;
	d->items = ANEW_ARRAY(p->arena, json_array_size(list), struct derived);
	json_array_foreach(list, i, item) {
		const char *place = arena_printf(p->arena, "%s, column number %zu", node->place, i + 1);
		TRY(keys_check(p, place, item, derive_keys, NULL));
		struct derived *x = &d->items[d->count++];
		x->column = text_of(p, item, "column");
		x->text = text_of(p, item, "expression");
		place = sub_place(p, node, "column", x->column);
		TRY(new_column(p, place, x->column, false));
		TRY(expr_parse(p->arena, place, x->text, &x->expr, p->e));
	}
	return d->count ? OK : fail(p, node->place, err_set(p->e, ERR_INPUT, "\"columns\" is empty"));
}

static int parse_filter(struct parsing *p, struct node *node, json_t *object)
{
	node->filter.text = text_of(p, object, "where");
	return expr_parse(p->arena, arena_printf(p->arena, "%s, where", node->place), node->filter.text, &node->filter.expr, p->e);
}

static const struct key on_keys[] = {{"left", KEY_TEXT, true, ""}, {"right", KEY_TEXT, true, ""}, {0}};

static int parse_join(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "on"), *item;
	struct join *j = &node->join;
	const char *kind = json_opt_str(object, "kind", "");
	size_t i;
	j->left = strcmp(kind, "left") == 0;
	if (!j->left && strcmp(kind, "inner") != 0)
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "there is no join kind '%.60s'; there are: inner, left", kind));
	j->on = ANEW_ARRAY(p->arena, json_array_size(list), struct rename);
	json_array_foreach(list, i, item) {
		struct rename *pair = &j->on[j->on_count++];
		if (json_is_string(item)) {
			pair->from = pair->to = arena_strdup(p->arena, json_string_value(item));
		} else {
			TRY(keys_check(p, arena_printf(p->arena, "%s, on number %zu", node->place, i + 1), item, on_keys, NULL));
			pair->from = text_of(p, item, "left");
			pair->to = text_of(p, item, "right");
		}
		for (size_t k = 0; k < i; k++)
			if (strcmp(j->on[k].to, pair->to) == 0)
				return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"on\" names '%.80s' of the right twice", pair->to));
	}
	return j->on_count ? OK : fail(p, node->place, err_set(p->e, ERR_INPUT, "\"on\" is empty"));
}

/* union needs nothing but its inputs */
static int parse_union(struct parsing *p, struct node *node, json_t *object)
{
	return OK;
}

static const struct key column_keys[] = {
	{"name", KEY_TEXT, true, ""}, {"type", KEY_TEXT, true, ""}, {"doc", KEY_TEXT, false, ""}, {0},
};

static int take_columns(struct parsing *p, struct node *node, const json_t *object, const char *key, bool lower, struct column **ret,
			size_t *ret_count)
{
	json_t *list = json_object_get(object, key), *item;
	size_t i;
	*ret = ANEW_ARRAY(p->arena, json_array_size(list), struct column);
	*ret_count = json_array_size(list);
	if (!*ret_count)
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"%s\" is empty", key));
	json_array_foreach(list, i, item) {
		struct column *c = &(*ret)[i];
		struct value_type type;
		TRY(keys_check(p, arena_printf(p->arena, "%s, %s number %zu", node->place, key, i + 1), item, column_keys, NULL));
		const char *name = text_of(p, item, "name"), *place = sub_place(p, node, "column", name);
		TRY(new_column(p, place, name, lower));
		TRY(take_type(p, place, json_opt_str(item, "type", ""), &type));
		*c = value_type_column(type, name, text_of(p, item, "doc"));
		for (size_t j = 0; j < i; j++)
			if (strcasecmp((*ret)[j].name, name) == 0)
				return fail(p, place, err_set(p->e, ERR_INPUT, "the column is there twice"));
	}
	return OK;
}

/* The text stands inside parentheses: it may not close them, begin another statement, or hide behind a comment or quoting that this does not follow.
 * It is not a guard against its author, who may write any SELECT; the engine's sandbox is. */
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
		} else if (*c == '-' && c[1] == '-') {
			return "it has a comment; \"doc\" is for those";
		} else if (*c == '/' && c[1] == '*') {
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
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "the %s text cannot be used: %s", dialect, tr(problem)));
	if (strlen(text) > JOB_MAX_SQL_TEXT_BYTES)
		return fail(p, node->place, err_set(p->e, ERR_LIMIT, "the %s text is longer than %zu bytes", dialect, JOB_MAX_SQL_TEXT_BYTES));
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
			return fail(p, node->place, err_set(p->e, ERR_INPUT, "there is no dialect '%.60s'; there are: duckdb, spark", dialect));
		const char **to = duckdb ? &s->duckdb : &s->spark;
		*to = arena_strdup(p->arena, json_string_value(value));
		TRY(take_dialect(p, node, dialect, *to));
	}
	if (!s->duckdb)
		return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"text\" has no \"duckdb\""));
	TRY(take_columns(p, node, object, "columns", false, &s->columns, &s->column_count));
	return take_names(p, node->place, object, "keeps", true, &s->keeps);
}

static const struct key check_keys[] = {
	{"name", KEY_TEXT, true, ""},       {"message", KEY_TEXT, false, ""},  {"doc", KEY_TEXT, false, ""}, {"holds", KEY_TEXT, false, ""},
	{"unique", KEY_NAMES, false, ""},   {"not_null", KEY_NAMES, false, ""}, {"rows", KEY_OBJECT, false, ""}, {"sum", KEY_OBJECT, false, ""},
	{0},
};
static const struct {
	const char *key;
	enum check_kind kind;
} check_kinds[] = {
	{"holds", CHECK_HOLDS}, {"unique", CHECK_UNIQUE}, {"not_null", CHECK_NOT_NULL}, {"rows", CHECK_ROWS}, {"sum", CHECK_SUM},
};
static const struct key sum_keys[] = {{"of", KEY_TEXT, true, ""}, {"equals", KEY_TEXT, true, ""}, {"by", KEY_NAMES, false, ""}, {0}};

/* {"min": 1, "max": 1000}, either may be missing */
static int parse_rows(struct parsing *p, const char *place, json_t *object, struct quality_check *c)
{
	const char *key;
	json_t *value;
	c->min_rows = c->max_rows = -1;
	json_object_foreach(object, key, value) {
		int64_t *to = strcmp(key, "min") == 0 ? &c->min_rows : strcmp(key, "max") == 0 ? &c->max_rows : NULL;
		if (!to)
			return fail(p, place, err_set(p->e, ERR_INPUT, "unknown key \"%.60s\"; there are: %s", key, "min, max"));
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return fail(p, place, err_set(p->e, ERR_INPUT, "\"%s\" is not a whole number of rows", key));
		*to = json_integer_value(value);
	}
	if (c->min_rows < 0 && c->max_rows < 0)
		return fail(p, place, err_set(p->e, ERR_INPUT, "\"rows\" says neither \"min\" nor \"max\""));
	if (c->max_rows >= 0 && c->min_rows > c->max_rows)
		return fail(p, place, err_set(p->e, ERR_INPUT, "\"min\" is more than \"max\""));
	return OK;
}

static int parse_sum(struct parsing *p, const char *place, json_t *object, struct quality_check *c)
{
	TRY(keys_check(p, place, object, sum_keys, NULL));
	c->sum = text_of(p, object, "of");
	c->text = text_of(p, object, "equals");
	TRY(take_names(p, place, object, "by", true, &c->columns));
	TRY(expr_parse(p->arena, place, c->text, &c->expr, p->e));
	if (c->expr->kind != EXPR_LITERAL || !value_type_is_exact(c->expr->type))
		return fail(p, place, err_set(p->e, ERR_INPUT, "\"equals\" is '%.60s', expected a number", c->text));
	return OK;
}

static int parse_check(struct parsing *p, struct node *node, json_t *item, size_t number, struct quality_check *c)
{
	const char *place = arena_printf(p->arena, "%s, check number %zu", node->place, number);
	size_t kinds = 0;
	TRY(keys_check(p, place, item, check_keys, NULL));
	c->name = text_of(p, item, "name");
	c->message = text_of(p, item, "message");
	TRY(name_check(p, place, "check", c->name, true));
	place = sub_place(p, node, "check", c->name);
	for (size_t i = 0; i < ARRAY_LEN(check_kinds); i++)
		if (json_object_get(item, check_kinds[i].key)) {
			c->kind = check_kinds[i].kind;
			kinds++;
		}
	if (kinds != 1)
		return fail(p, place, err_set(p->e, ERR_INPUT, "a check has exactly one of \"holds\", \"unique\", \"not_null\", \"rows\", \"sum\", this one has %zu",
					      kinds));
	if (c->message && strlen(c->message) > 500)
		return fail(p, place, err_set(p->e, ERR_LIMIT, "\"message\" is longer than %d bytes", 500));
	switch (c->kind) {
	case CHECK_HOLDS:
		c->text = text_of(p, item, "holds");
		return expr_parse(p->arena, place, c->text, &c->expr, p->e);
	case CHECK_UNIQUE:
		return take_names(p, place, item, "unique", false, &c->columns);
	case CHECK_NOT_NULL:
		return take_names(p, place, item, "not_null", false, &c->columns);
	case CHECK_ROWS:
		return parse_rows(p, place, json_object_get(item, "rows"), c);
	default:
		return parse_sum(p, place, json_object_get(item, "sum"), c);
	}
}

static int parse_quality(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "checks"), *item;
	struct quality *q = &node->quality;
	size_t i;
	p->checks += json_array_size(list);
	if (p->checks > JOB_MAX_CHECKS)
		return fail(p, node->place, err_set(p->e, ERR_LIMIT, "the job has more than %d checks", JOB_MAX_CHECKS));
	q->items = ANEW_ARRAY(p->arena, json_array_size(list), struct quality_check);
	json_array_foreach(list, i, item) {
		struct quality_check *c = &q->items[q->count++];
		TRY(parse_check(p, node, item, i + 1, c));
		for (size_t j = 0; j < i; j++)
			if (strcmp(q->items[j].name, c->name) == 0)
				return fail(p, node->place, err_set(p->e, ERR_INPUT, "two checks have the name '%s'", c->name));
	}
	return q->count ? OK : fail(p, node->place, err_set(p->e, ERR_INPUT, "\"checks\" is empty"));
}

/* "<before>/<one more>": a job writes where its database lies and nowhere else in the lake. */
static int location_check(struct parsing *p, const struct node *node, const char *key, const char *location, const char *before)
{
	size_t n = strlen(before);
	const char *last = location + n + 1;
	bool good = strncmp(location, before, n) == 0 && location[n] == '/' && *last && strlen(last) <= 63;
	good = good && strspn(last, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(last);
	if (good)
		return OK;
	return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"%s\" is '%.80s', expected %s/ and a name in small letters, digits and '_'", key, location,
					    before));
}

static const struct key compact_keys[] = {{"location", KEY_TEXT, false, ""}, {"sort", KEY_NAMES, false, ""}, {0}};

static int parse_compact(struct parsing *p, struct node *node, json_t *object)
{
	struct table_def *t = &node->target.def;
	struct names sort = {0};
	const char *before = arena_printf(p->arena, "compact/%s", t->database);
	TRY(keys_check(p, arena_printf(p->arena, "%s, compact", node->place), object, compact_keys, NULL));
	t->compact_location = text_of(p, object, "location");
	if (!t->compact_location)
		t->compact_location = arena_printf(p->arena, "%s/%s", before, t->name);
	TRY(location_check(p, node, "location", t->compact_location, before));
	TRY(take_names(p, arena_printf(p->arena, "%s, compact", node->place), object, "sort", true, &sort));
	t->sort = sort.items;
	t->sort_count = sort.count;
	struct schema all = {ANEW_ARRAY(p->arena, t->column_count + t->partition_count, struct column), t->column_count + t->partition_count};
	memcpy(all.columns, t->columns, t->column_count * sizeof(*all.columns));
	memcpy(all.columns + t->column_count, t->partition, t->partition_count * sizeof(*all.columns));
	for (size_t i = 0; i < sort.count; i++)
		if (!schema_find(&all, sort.items[i]))
			return fail(p, arena_printf(p->arena, "%s, compact", node->place), schema_unknown(&all, sort.items[i], p->e));
	return OK;
}

static int partition_check(struct parsing *p, const struct node *node)
{
	const struct table_def *t = &node->target.def;
	char text[COLUMN_TYPE_SIZE];
	if (t->partition_count > TABLE_MAX_PARTITION)
		return fail(p, node->place, err_set(p->e, ERR_LIMIT, "\"partition\" has %zu columns, at most %d are allowed", t->partition_count,
						    TABLE_MAX_PARTITION));
	for (size_t i = 0; i < t->partition_count; i++) {
		const struct column *c = &t->partition[i];
		const char *place = sub_place(p, node, "column", c->name);
		if (c->type != COL_TEXT && c->type != COL_DATE && c->type != COL_INTEGER && c->type != COL_BIGINT)
			return fail(p, place, err_set(p->e, ERR_INPUT, "a partition column is VARCHAR, DATE, INTEGER or BIGINT, found %s",
						      column_type_format(c, text)));
		for (size_t j = 0; j < t->column_count; j++)
			if (strcmp(t->columns[j].name, c->name) == 0)
				return fail(p, place, err_set(p->e, ERR_INPUT, "the column is in \"columns\" and in \"partition\""));
	}
	return OK;
}

static int parse_target(struct parsing *p, struct node *node, json_t *object)
{
	static const char *const taken[] = {"raw", "landing", "quarantine", "scratch", "state", "compact"};
	struct table_def *t = &node->target.def;
	struct column *columns, *partition;
	struct names scope = {0};
	TRY(table_name_parse(p, node->place, json_opt_str(object, "table", ""), &t->database, &t->name));
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (strcmp(t->database, taken[i]) == 0)
			return fail(p, node->place, err_set(p->e, ERR_INPUT, "a job does not write to '%s'; its tables are in refined or a database of its own", taken[i]));
	t->doc = node->doc;
	TRY(take_columns(p, node, object, "columns", true, &columns, &t->column_count));
	TRY(take_columns(p, node, object, "partition", true, &partition, &t->partition_count));
	t->columns = columns;
	t->partition = partition;
	TRY(partition_check(p, node));
	if (t->column_count + t->partition_count > TABLE_MAX_COLUMNS)
		return fail(p, node->place, err_set(p->e, ERR_LIMIT, "the table has more than %d columns", TABLE_MAX_COLUMNS));
	TRY(take_names(p, node->place, object, "scope", false, &scope));
	t->scope_count = scope.count;
	for (size_t i = 0; i < scope.count; i++)
		if (i >= t->partition_count || strcmp(scope.items[i], partition[i].name) != 0)
			return fail(p, node->place, err_set(p->e, ERR_INPUT, "\"scope\" names '%.80s', expected %s: it is the first of the partition columns, in order",
							    scope.items[i], i < t->partition_count ? partition[i].name : tr("no more")));
	t->location = text_of(p, object, "location");
	if (!t->location)
		t->location = arena_printf(p->arena, "%s/%s", t->database, t->name);
	TRY(location_check(p, node, "location", t->location, t->database));
	json_t *compact = json_object_get(object, "compact");
	return compact ? parse_compact(p, node, compact) : OK;
}

int node_parse(struct parsing *p, struct node *node, json_t *object)
{
	static int (*const parse[NODE_KINDS])(struct parsing *, struct node *, json_t *) = {
		[NODE_SOURCE] = parse_source,       [NODE_CHANGE_SCHEMA] = parse_change_schema, [NODE_AGGREGATE] = parse_aggregate,
		[NODE_DERIVE] = parse_derive,       [NODE_FILTER] = parse_filter,               [NODE_JOIN] = parse_join,
		[NODE_UNION] = parse_union,         [NODE_SQL] = parse_sql,                     [NODE_QUALITY] = parse_quality,
		[NODE_TARGET] = parse_target,
	};
	TRY(take_inputs(p, node, object));
	return parse[node->kind](p, node, object);
}
