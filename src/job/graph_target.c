/* The table that a target writes: its columns, folders, scope and second layout. */
#include "graph_parse.h"

#include <string.h>

/* "<before>/<one more>": a job writes where its database lies and nowhere else in the lake. */
static int location_check(struct parsing *p, const struct node *node, const char *key,
			  const char *location, const char *before)
{
	size_t n = strlen(before);
	const char *last = location + n + 1;
	bool good = strncmp(location, before, n) == 0 && location[n] == '/' && *last &&
		    strlen(last) <= 63;
	good = good && strspn(last, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(last);
	if (good)
		return OK;
	return field_fail(
		p, node->place,
		err_set(p->e, ERR_INPUT,
			"\"%s\" is '%.80s', expected %s/ and a name in small letters, digits and '_'",
			key, location, before));
}

static const struct key compact_keys[] = {
	{"location", KEY_TEXT, false, ""}, {"sort", KEY_NAMES, false, ""}, {0}};

static int parse_compact(struct parsing *p, struct node *node, json_t *object)
{
	struct table_def *t = &node->target.def;
	struct names sort = {0};
	const char *before = arena_printf(p->arena, "compact/%s", t->database);
	TRY(keys_check(p, arena_printf(p->arena, "%s, compact", node->place), object, compact_keys,
		       NULL));
	t->compact_location = field_text(p, object, "location");
	if (!t->compact_location)
		t->compact_location = arena_printf(p->arena, "%s/%s", before, t->name);
	TRY(location_check(p, node, "location", t->compact_location, before));
	TRY(field_names(p, arena_printf(p->arena, "%s, compact", node->place), object, "sort", true,
			&sort));
	t->sort = sort.items;
	t->sort_count = sort.count;
	struct schema all = {
		ANEW_ARRAY(p->arena, t->column_count + t->partition_count, struct column),
		t->column_count + t->partition_count};
	memcpy(all.columns, t->columns, t->column_count * sizeof(*all.columns));
	memcpy(all.columns + t->column_count, t->partition,
	       t->partition_count * sizeof(*all.columns));
	for (size_t i = 0; i < sort.count; i++)
		if (!schema_find(&all, sort.items[i]))
			return field_fail(p, arena_printf(p->arena, "%s, compact", node->place),
					  schema_unknown(&all, sort.items[i], p->e));
	return OK;
}

static int partition_check(struct parsing *p, const struct node *node)
{
	const struct table_def *t = &node->target.def;
	char text[COLUMN_TYPE_SIZE];
	if (t->partition_count > TABLE_MAX_PARTITION)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_LIMIT,
					  "\"partition\" has %zu columns, at most %d are allowed",
					  t->partition_count, TABLE_MAX_PARTITION));
	for (size_t i = 0; i < t->partition_count; i++) {
		const struct column *c = &t->partition[i];
		const char *place = place_in(p, node, "column", c->name);
		if (c->type != COL_TEXT && c->type != COL_DATE && c->type != COL_INTEGER &&
		    c->type != COL_BIGINT)
			return field_fail(
				p, place,
				err_set(p->e, ERR_INPUT,
					"a partition column is VARCHAR, DATE, INTEGER or BIGINT, found %s",
					column_type_format(c, text)));
		for (size_t j = 0; j < t->column_count; j++)
			if (strcmp(t->columns[j].name, c->name) == 0)
				return field_fail(
					p, place,
					err_set(p->e, ERR_INPUT,
						"the column is in \"columns\" and in \"partition\""));
	}
	return OK;
}

int target_parse(struct parsing *p, struct node *node, json_t *object)
{
	static const char *const taken[] = {"raw",     "landing", "quarantine",
					    "scratch", "state",   "compact"};
	struct table_def *t = &node->target.def;
	struct column *columns, *partition;
	struct names scope = {0};
	TRY(table_name_parse(p, node->place, json_opt_str(object, "table", ""), &t->database,
			     &t->name));
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		if (strcmp(t->database, taken[i]) == 0)
			return field_fail(
				p, node->place,
				err_set(p->e, ERR_INPUT,
					"a job does not write to '%s'; its tables are in refined or a database of its own",
					taken[i]));
	t->doc = node->doc;
	TRY(field_columns(p, node, object, "columns", true, &columns, &t->column_count));
	TRY(field_columns(p, node, object, "partition", true, &partition, &t->partition_count));
	t->columns = columns;
	t->partition = partition;
	TRY(partition_check(p, node));
	if (t->column_count + t->partition_count > TABLE_MAX_COLUMNS)
		return field_fail(p, node->place,
				  err_set(p->e, ERR_LIMIT, "the table has more than %d columns",
					  TABLE_MAX_COLUMNS));
	TRY(field_names(p, node->place, object, "scope", false, &scope));
	t->scope_count = scope.count;
	for (size_t i = 0; i < scope.count; i++)
		if (i >= t->partition_count || strcmp(scope.items[i], partition[i].name) != 0)
			return field_fail(
				p, node->place,
				err_set(p->e, ERR_INPUT,
					"\"scope\" names '%.80s', expected %s: it is the first of the partition columns, in order",
					scope.items[i],
					i < t->partition_count ? partition[i].name
							       : tr("no more")));
	t->location = field_text(p, object, "location");
	if (!t->location)
		t->location = arena_printf(p->arena, "%s/%s", t->database, t->name);
	TRY(location_check(p, node, "location", t->location, t->database));
	json_t *compact = json_object_get(object, "compact");
	return compact ? parse_compact(p, node, compact) : OK;
}
