/* JSON to graph: the document's keys, names and ceilings. The keys of each node type are in
 * graph_nodes.c. */
#include "graph_parse.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME_BYTES 63
#define MAX_DOC_BYTES  4096

int at_place(const char *place, struct err *e, int code)
{
	err_where(e, place);
	return code;
}

static const char *const key_type_words[] = {
	[KEY_TEXT] = "a text",
	[KEY_NAMES] = "a list of texts",
	[KEY_OBJECTS] = "a list of objects",
	[KEY_MAP] = "an object of texts",
	[KEY_OBJECT] = "an object",
	[KEY_PAIRS] = "a list of texts and objects",
	[KEY_TEXT_OR_NAMES] = "a text or a list of texts",
};

static bool is_text(const json_t *v)
{
	return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
}

static bool has_type(const json_t *v, enum key_type type)
{
	size_t i;
	const char *key;
	json_t *item;
	if (type == KEY_TEXT || (type == KEY_TEXT_OR_NAMES && json_is_string(v)))
		return is_text(v);
	if (type == KEY_OBJECT)
		return json_is_object(v);
	if (type == KEY_MAP) {
		if (!json_is_object(v))
			return false;
		json_object_foreach((json_t *)v, key, item)
			if (!is_text(item))
				return false;
		return true;
	}
	if (!json_is_array(v))
		return false;
	json_array_foreach((json_t *)v, i, item) {
		if ((type == KEY_NAMES || type == KEY_TEXT_OR_NAMES) && !is_text(item))
			return false;
		if (type == KEY_OBJECTS && !json_is_object(item))
			return false;
		if (type == KEY_PAIRS && !is_text(item) && !json_is_object(item))
			return false;
	}
	return true;
}

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys && keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static int unknown_key(const char *key, const struct key *keys, const struct key *more,
		       struct err *e)
{
	const char *names[2 * NODE_MAX_KEYS] = {NULL};
	size_t n = 0;
	for (const struct key *k = keys; k && k->name && n < NODE_MAX_KEYS; k++)
		names[n++] = k->name;
	for (const struct key *k = more; k && k->name && n < ARRAY_LEN(names); k++)
		names[n++] = k->name;
	const char *nearest = str_nearest(key, names, n);
	if (nearest)
		return err_set(e, ERR_INPUT, "unknown key \"%s\"; did you mean \"%s\"?", key,
			       nearest);
	struct buf AUTO_BUF list = {.ceiling = 400};
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	return err_set(e, ERR_INPUT, "unknown key \"%.60s\"; there are: %s", key, list.data);
}

static int count_ceiling(const char *place, const char *key, const json_t *v, struct err *e)
{
	size_t n = json_is_array(v)    ? json_array_size(v)
		   : json_is_object(v) ? json_object_size(v)
				       : 0;
	if (n <= JOB_MAX_COLUMNS)
		return OK;
	return at_place(place, e,
			err_set(e, ERR_LIMIT, "\"%s\" has %zu entries, at most %d are allowed", key,
				n, JOB_MAX_COLUMNS));
}

int keys_check(struct parsing *p, const char *place, json_t *object, const struct key *keys,
	       const struct key *more)
{
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value) {
		const struct key *key = find_key(keys, name);
		key = key ? key : find_key(more, name);
		if (!key)
			return at_place(place, p->e, unknown_key(name, keys, more, p->e));
		if (!has_type(value, key->type))
			return at_place(place, p->e,
					err_set(p->e, ERR_INPUT, "\"%s\" is not %s", name,
						tr(key_type_words[key->type])));
		TRY(count_ceiling(place, name, value, p->e));
	}
	for (int half = 0; half < 2; half++)
		for (const struct key *k = half ? more : keys; k && k->name; k++)
			if (k->required && !json_object_get(object, k->name))
				return at_place(place, p->e,
						err_set(p->e, ERR_INPUT,
							"\"%s\" is missing, expected %s", k->name,
							tr(key_type_words[k->type])));
	const char *doc = json_opt_str(object, "doc", "");
	if (find_key(more ? more : keys, "doc") && strlen(doc) > MAX_DOC_BYTES)
		return at_place(
			place, p->e,
			err_set(p->e, ERR_LIMIT, "\"doc\" is longer than %d bytes", MAX_DOC_BYTES));
	return OK;
}

static bool is_name(const char *name, const char *inside, bool capitals)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool letter = (c >= 'a' && c <= 'z') || c == '_' ||
			      (capitals && c >= 'A' && c <= 'Z');
		if (!letter && (i == 0 || !c || !strchr(inside, c)))
			return false;
	}
	return n > 0 && n <= MAX_NAME_BYTES;
}

int name_check(struct parsing *p, const char *place, const char *what, const char *name, bool lower)
{
	if (is_name(name, "0123456789", !lower))
		return OK;
	if (lower)
		err_set(p->e, ERR_INPUT,
			"'%.80s' cannot be the name of a %s: small letters, digits and '_', at most %d, no digit first",
			name, tr(what), MAX_NAME_BYTES);
	else
		err_set(p->e, ERR_INPUT,
			"'%.80s' cannot be the name of a %s: letters, digits and '_', at most %d, no digit first",
			name, tr(what), MAX_NAME_BYTES);
	return at_place(place, p->e, ERR_INPUT);
}

int table_name_parse(struct parsing *p, const char *place, const char *text,
		     const char **ret_database, const char **ret_table)
{
	struct slice rest = slice_of(text);
	struct slice database = slice_cut(&rest, '.');
	const char *d = arena_strndup(p->arena, database.p, database.n),
		   *t = arena_strndup(p->arena, rest.n ? rest.p : "", rest.n);
	if (!is_name(d, "0123456789", false) || !is_name(t, "0123456789", false))
		return at_place(place, p->e,
				err_set(p->e, ERR_INPUT,
					"'%.80s' is no table name; they look like raw.portfolio",
					text));
	*ret_database = d;
	*ret_table = t;
	return OK;
}

static int layout_check(struct parsing *p, const char *place, const json_t *layout)
{
	const json_t *x = json_object_get(layout, "x"), *y = json_object_get(layout, "y");
	if (!layout || (json_is_number(x) && json_is_number(y) && json_object_size(layout) == 2))
		return OK;
	return at_place(
		place, p->e,
		err_set(p->e, ERR_INPUT, "\"layout\" of a node is {\"x\": number, \"y\": number}"));
}

static int unknown_type(const char *type, struct err *e)
{
	const char *names[NODE_KINDS];
	struct buf AUTO_BUF list = {.ceiling = 400};
	for (size_t i = 0; i < NODE_KINDS; i++) {
		names[i] = node_types[i].name;
		buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	}
	const char *nearest = str_nearest(type, names, NODE_KINDS);
	if (nearest)
		return err_set(e, ERR_INPUT, "there is no node type '%s'; did you mean '%s'?", type,
			       nearest);
	return err_set(e, ERR_INPUT, "there is no node type '%.60s'; there are: %s", type,
		       list.data);
}

static int parse_node(struct parsing *p, size_t i, json_t *object)
{
	struct node *node = &p->job->nodes[i];
	const char *type = NULL;
	node->place = arena_printf(p->arena, "%s: node number %zu", p->job->file, i + 1);
	json_t *id = json_object_get(object, "id");
	if (!is_text(id))
		return at_place(node->place, p->e,
				err_set(p->e, ERR_INPUT, "\"id\" is missing, expected a text"));
	if (!is_name(json_string_value(id), "0123456789-", false))
		return at_place(
			node->place, p->e,
			err_set(p->e, ERR_INPUT,
				"'%.80s' cannot be the id of a node: small letters, digits, '_' and '-', at most %d, no digit first",
				json_string_value(id), MAX_NAME_BYTES));
	node->id = arena_strdup(p->arena, json_string_value(id));
	node->place = arena_printf(p->arena, "%s: node %s", p->job->file, node->id);
	for (size_t j = 0; j < i; j++)
		if (strcmp(p->job->nodes[j].id, node->id) == 0)
			return at_place(node->place, p->e,
					err_set(p->e, ERR_INPUT,
						"two nodes have this id, number %zu and number %zu",
						j + 1, i + 1));
	if (!is_text(json_object_get(object, "type")))
		return at_place(node->place, p->e,
				err_set(p->e, ERR_INPUT, "\"type\" is missing, expected a text"));
	type = json_string_value(json_object_get(object, "type"));
	for (node->kind = 0;
	     node->kind < NODE_KINDS && strcmp(node_types[node->kind].name, type) != 0;
	     node->kind++)
		;
	if (node->kind == NODE_KINDS)
		return at_place(node->place, p->e, unknown_type(type, p->e));
	TRY(keys_check(p, node->place, object, node_types[node->kind].keys, node_common_keys));
	TRY(layout_check(p, node->place, json_object_get(object, "layout")));
	node->doc = arena_strdup(p->arena, json_opt_str(object, "doc", NULL));
	return node_parse(p, node, object);
}

/* One table or a list of them. */
static int parse_triggers(struct parsing *p, json_t *root)
{
	struct job *job = p->job;
	json_t *trigger = json_object_get(root, "trigger");
	struct names list = {0};
	const char *one = json_string_value(trigger);
	if (one)
		list = (struct names){&one, 1};
	else
		TRY(field_names(p, job->file, root, "trigger", false, &list));
	job->triggers = ANEW_ARRAY(p->arena, list.count, struct job_trigger);
	for (; job->trigger_count < list.count; job->trigger_count++) {
		struct job_trigger *t = &job->triggers[job->trigger_count];
		TRY(table_name_parse(p, job->file, list.items[job->trigger_count], &t->database,
				     &t->table));
	}
	return OK;
}

static int parse_document(struct parsing *p, json_t *root)
{
	struct job *job = p->job;
	if (!json_is_object(root))
		return at_place(job->file, p->e,
				err_set(p->e, ERR_INPUT, "a job is a JSON object"));
	json_t *nodes = json_object_get(root, "nodes");
	if (json_is_array(nodes) && json_array_size(nodes) > JOB_MAX_NODES)
		return at_place(job->file, p->e,
				err_set(p->e, ERR_LIMIT,
					"the job has %zu nodes, at most %d are allowed",
					json_array_size(nodes), JOB_MAX_NODES));
	TRY(keys_check(p, job->file, root, graph_keys, NULL));
	job->name = arena_strdup(p->arena, json_opt_str(root, "job", NULL));
	job->doc = arena_strdup(p->arena, json_opt_str(root, "doc", NULL));
	TRY(name_check(p, job->file, "job", job->name, true));
	TRY(parse_triggers(p, root));
	if (json_array_size(nodes) == 0)
		return at_place(job->file, p->e, err_set(p->e, ERR_INPUT, "the job has no nodes"));
	job->node_count = json_array_size(nodes);
	job->nodes = ANEW_ARRAY(p->arena, job->node_count, struct node);
	for (size_t i = 0; i < job->node_count; i++)
		TRY(parse_node(p, i, json_array_get(nodes, i)));
	return graph_link(p->arena, job, p->e);
}

static void drop_words(json_t *object)
{
	json_object_del(object, "doc");
	json_object_del(object, "layout");
}

/* The document without what means nothing to the result, nodes by id: what the plan's hash is made
 * of. Maps of the user's names (rename, cast) are left alone: a column may well be called "doc". */
static const char *canonical(struct arena *arena, json_t *root)
{
	size_t i, j;
	const char *key;
	json_t *node, *value, *item;
	struct buf AUTO_BUF text = {0};
	json_t AUTO_JSON *by_id = json_object();
	drop_words(root);
	json_array_foreach(json_object_get(root, "nodes"), i, node) {
		drop_words(node);
		json_object_foreach(node, key, value)
			json_array_foreach(value, j, item)
				if (json_is_object(item)) {
					json_object_del(item, "doc");
					json_object_del(item, "message");
				}
		json_object_set(by_id, json_string_value(json_object_get(node, "id")), node);
	}
	json_object_set(root, "nodes", by_id);
	json_canonical(root, &text);
	return arena_strndup(arena, text.data, text.len);
}

int job_parse(struct arena *arena, const char *name_for_errors, struct slice json, struct job **ret,
	      struct err *e)
{
	json_t AUTO_JSON *root = NULL;
	struct job *job = ANEW(arena, struct job);
	struct parsing p = {.arena = arena, .job = job, .e = e};
	job->file = arena_strdup(arena, name_for_errors);
	if (json.n > JOB_MAX_BYTES)
		return at_place(
			job->file, e,
			err_set(e, ERR_LIMIT, "the job is larger than %zu bytes", JOB_MAX_BYTES));
	int rc = json_parse(json.p, json.n, &root, e);
	if (rc)
		return at_place(job->file, e, rc);
	TRY(parse_document(&p, root));
	job->canonical = canonical(arena, root);
	*ret = job;
	return OK;
}

const char *job_name(const struct job *job)
{
	return job->name;
}

const char *job_doc(const struct job *job)
{
	return job->doc;
}

const struct job_trigger *job_triggers(const struct job *job, size_t *ret_count)
{
	*ret_count = job->trigger_count;
	return job->triggers;
}
