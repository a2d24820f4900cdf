/* Members of JSON objects as what the graph is made of. */
#include "graph_parse.h"

#include <string.h>
#include <strings.h>

const char *field_text(struct parsing *p, const json_t *object, const char *key)
{
	return arena_strdup(p->arena, json_opt_str(object, key, NULL));
}

const char *place_in(struct parsing *p, const struct node *node, const char *what, const char *name)
{
	return arena_printf(p->arena, "%s, %s %.80s", node->place, what, name);
}

int field_fail(struct parsing *p, const char *place, int code)
{
	return at_place(place, p->e, code);
}

int field_names(struct parsing *p, const char *place, const json_t *object, const char *key,
		bool may_be_empty, struct names *ret)
{
	json_t *list = json_object_get(object, key), *item;
	size_t i;
	if (!list)
		return OK;
	ret->count = json_array_size(list);
	ret->items = ANEW_ARRAY(p->arena, ret->count, const char *);
	if (!ret->count && !may_be_empty)
		return field_fail(p, place, err_set(p->e, ERR_INPUT, "\"%s\" is empty", key));
	json_array_foreach(list, i, item) {
		ret->items[i] = arena_strdup(p->arena, json_string_value(item));
		for (size_t j = 0; j < i; j++)
			if (strcmp(ret->items[i], ret->items[j]) == 0)
				return field_fail(p, place,
						  err_set(p->e, ERR_INPUT,
							  "\"%s\" names '%.80s' twice", key,
							  ret->items[i]));
	}
	return OK;
}

int type_parse(struct parsing *p, const char *place, const char *text, struct value_type *ret)
{
	struct column column = {0};
	int rc = column_type_parse(text, &column, p->e);
	*ret = value_type_of(&column);
	return rc ? field_fail(p, place, rc) : OK;
}

static const struct key column_keys[] = {
	{"name", KEY_TEXT, true, ""},
	{"type", KEY_TEXT, true, ""},
	{"doc", KEY_TEXT, false, ""},
	{0},
};

int field_columns(struct parsing *p, struct node *node, const json_t *object, const char *key,
		  bool lower, struct column **ret, size_t *ret_count)
{
	json_t *list = json_object_get(object, key), *item;
	size_t i;
	*ret = ANEW_ARRAY(p->arena, json_array_size(list), struct column);
	*ret_count = json_array_size(list);
	if (!*ret_count)
		return field_fail(p, node->place, err_set(p->e, ERR_INPUT, "\"%s\" is empty", key));
	json_array_foreach(list, i, item) {
		struct column *c = &(*ret)[i];
		struct value_type type;
		TRY(keys_check(p,
			       arena_printf(p->arena, "%s, %s number %zu", node->place, key, i + 1),
			       item, column_keys, NULL));
		const char *name = field_text(p, item, "name"),
			   *place = place_in(p, node, "column", name);
		TRY(name_check(p, place, "column", name, lower));
		TRY(type_parse(p, place, json_opt_str(item, "type", ""), &type));
		*c = value_type_column(type, name, field_text(p, item, "doc"));
		for (size_t j = 0; j < i; j++)
			if (strcasecmp((*ret)[j].name, name) == 0)
				return field_fail(
					p, place,
					err_set(p->e, ERR_INPUT, "the column is there twice"));
	}
	return OK;
}
