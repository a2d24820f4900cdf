/* The checks of a quality node. */
#include "graph_parse.h"

#include <string.h>

static const struct key check_keys[] = {
	{"name", KEY_TEXT, true, ""},
	{"message", KEY_TEXT, false, ""},
	{"doc", KEY_TEXT, false, ""},
	{"holds", KEY_TEXT, false, ""},
	{"unique", KEY_NAMES, false, ""},
	{"not_null", KEY_NAMES, false, ""},
	{"rows", KEY_OBJECT, false, ""},
	{"sum", KEY_OBJECT, false, ""},
	{0},
};
static const struct {
	const char *key;
	enum check_kind kind;
} check_kinds[] = {
	{"holds", CHECK_HOLDS}, {"unique", CHECK_UNIQUE}, {"not_null", CHECK_NOT_NULL},
	{"rows", CHECK_ROWS},   {"sum", CHECK_SUM},
};
static const struct key sum_keys[] = {{"of", KEY_TEXT, true, ""},
				      {"equals", KEY_TEXT, true, ""},
				      {"by", KEY_NAMES, false, ""},
				      {0}};

/* {"min": 1, "max": 1000}, either may be missing */
static int parse_rows(struct parsing *p, const char *place, json_t *object, struct quality_check *c)
{
	const char *key;
	json_t *value;
	c->min_rows = c->max_rows = -1;
	json_object_foreach(object, key, value) {
		int64_t *to = strcmp(key, "min") == 0   ? &c->min_rows
			      : strcmp(key, "max") == 0 ? &c->max_rows
							: NULL;
		if (!to)
			return field_fail(p, place,
					  err_set(p->e, ERR_INPUT,
						  "unknown key \"%.60s\"; there are: %s", key,
						  "min, max"));
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return field_fail(p, place,
					  err_set(p->e, ERR_INPUT,
						  "\"%s\" is not a whole number of rows", key));
		*to = json_integer_value(value);
	}
	if (c->min_rows < 0 && c->max_rows < 0)
		return field_fail(
			p, place,
			err_set(p->e, ERR_INPUT, "\"rows\" says neither \"min\" nor \"max\""));
	if (c->max_rows >= 0 && c->min_rows > c->max_rows)
		return field_fail(p, place,
				  err_set(p->e, ERR_INPUT, "\"min\" is more than \"max\""));
	return OK;
}

static int parse_sum(struct parsing *p, const char *place, json_t *object, struct quality_check *c)
{
	TRY(keys_check(p, place, object, sum_keys, NULL));
	c->sum = field_text(p, object, "of");
	c->text = field_text(p, object, "equals");
	TRY(field_names(p, place, object, "by", true, &c->columns));
	TRY(expr_parse(p->arena, place, c->text, &c->expr, p->e));
	if (c->expr->kind != EXPR_LITERAL || !value_type_is_exact(c->expr->type))
		return field_fail(p, place,
				  err_set(p->e, ERR_INPUT,
					  "\"equals\" is '%.60s', expected a number", c->text));
	return OK;
}

static int parse_check(struct parsing *p, struct node *node, json_t *item, size_t number,
		       struct quality_check *c)
{
	const char *place = arena_printf(p->arena, "%s, check number %zu", node->place, number);
	size_t kinds = 0;
	TRY(keys_check(p, place, item, check_keys, NULL));
	c->name = field_text(p, item, "name");
	c->message = field_text(p, item, "message");
	TRY(name_check(p, place, "check", c->name, true));
	place = place_in(p, node, "check", c->name);
	for (size_t i = 0; i < ARRAY_LEN(check_kinds); i++)
		if (json_object_get(item, check_kinds[i].key)) {
			c->kind = check_kinds[i].kind;
			kinds++;
		}
	if (kinds != 1)
		return field_fail(
			p, place,
			err_set(p->e, ERR_INPUT,
				"a check has exactly one of \"holds\", \"unique\", \"not_null\", \"rows\", \"sum\", this one has %zu",
				kinds));
	if (c->message && strlen(c->message) > 500)
		return field_fail(
			p, place,
			err_set(p->e, ERR_LIMIT, "\"message\" is longer than %d bytes", 500));
	switch (c->kind) {
	case CHECK_HOLDS:
		c->text = field_text(p, item, "holds");
		return expr_parse(p->arena, place, c->text, &c->expr, p->e);
	case CHECK_UNIQUE: return field_names(p, place, item, "unique", false, &c->columns);
	case CHECK_NOT_NULL: return field_names(p, place, item, "not_null", false, &c->columns);
	case CHECK_ROWS: return parse_rows(p, place, json_object_get(item, "rows"), c);
	default: return parse_sum(p, place, json_object_get(item, "sum"), c);
	}
}

int quality_parse(struct parsing *p, struct node *node, json_t *object)
{
	json_t *list = json_object_get(object, "checks"), *item;
	struct quality *q = &node->quality;
	size_t i;
	p->checks += json_array_size(list);
	if (p->checks > JOB_MAX_CHECKS)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_LIMIT, "the job has more than %d checks",
					  JOB_MAX_CHECKS));
	q->items = ANEW_ARRAY(p->arena, json_array_size(list), struct quality_check);
	json_array_foreach(list, i, item) {
		struct quality_check *c = &q->items[q->count++];
		TRY(parse_check(p, node, item, i + 1, c));
		for (size_t j = 0; j < i; j++)
			if (strcmp(q->items[j].name, c->name) == 0)
				return field_fail(p, node->place,
						  err_set(p->e, ERR_INPUT,
							  "two checks have the name '%s'",
							  c->name));
	}
	return q->count ? OK
			: field_fail(p, node->place,
				     err_set(p->e, ERR_INPUT, "\"checks\" is empty"));
}
