/* How far recordings were replayed and collectors came, beside the copies: marks.json. The catalog alone knows it, and
 * a lake that lost it would take ticks twice and leave no gap for the time between. */
#include <string.h>

#include "backup_private.h"
#include "json.h"

#define MARKS_KEY "marks.json"
#define MARKS_MAX ((size_t)16 << 20)

static const char *const prefixes[] = {"replay:", "collect:"};

static int gather(void *ctx, const char *name, int64_t value)
{
	json_object_set_new(ctx, name, json_integer(value));
	return OK;
}

int backup_marks_read(struct catalog *catalog, json_t **ret, struct err *e)
{
	int rc = OK;
	*ret = json_object();
	for (size_t i = 0; i < ARRAY_LEN(prefixes) && rc == OK; i++)
		rc = catalog_marks(catalog, prefixes[i], gather, *ret, e);
	return rc;
}

/* ERR_NOT_FOUND; ERR_INPUT when it is damaged. */
static int get(const struct backup *b, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	const char *name;
	json_t *value;
	int rc = object_store_get(b->to, MARKS_KEY, 0, -1, MARKS_MAX, &text, NULL, e);
	if (rc)
		return rc;
	rc = json_parse(text.data ? text.data : "", text.len, ret, e);
	bool sound = rc == OK && json_is_object(*ret);
	json_object_foreach(sound ? *ret : NULL, name, value)
		sound = sound && json_is_integer(value);
	if (sound)
		return OK;
	err_set(e, ERR_INPUT,
		"the object that tells how far recordings were replayed is damaged; a complete `pregao backup run` writes it anew");
	return err_where(e, MARKS_KEY);
}

struct raising {
	const struct backup *with;
	json_t *marks;
};

static int raise_once(void *ctx, struct err *e)
{
	const struct raising *r = ctx;
	const struct backup *b = r->with;
	AUTO_JSON json_t *old = NULL;
	AUTO_BUF struct buf text = {0};
	const char *name;
	json_t *value;
	bool changed = false;
	/* None is lowered: a lake that was restored without them has fewer. */
	int rc = get(b, &old, NULL);
	if (rc == ERR_INPUT || rc == ERR_NOT_FOUND) {
		json_decref(old);
		old = json_object();
		changed = true;
	} else if (rc) {
		return err_set(e, rc, "cannot read %s", MARKS_KEY);
	}
	json_object_foreach(r->marks, name, value) {
		json_t *before = json_object_get(old, name);
		if (before && json_integer_value(before) >= json_integer_value(value))
			continue;
		json_object_set(old, name, value);
		changed = true;
	}
	if (!changed)
		return OK;
	json_canonical(old, &text);
	buf_char(&text, '\n');
	if (text.len > MARKS_MAX)
		return err_set(e, ERR_LIMIT, "%s would have %zu bytes, and at most %zu are read",
			       MARKS_KEY, text.len, MARKS_MAX);
	return object_store_put(b->to, MARKS_KEY, buf_slice(&text), false, e);
}

int backup_marks_put(const struct backup *b, json_t *marks, struct err *e)
{
	struct raising r = {b, marks};
	return json_object_size(marks) ? backup_try(b, raise_once, &r, e) : OK;
}

static int restore_once(void *ctx, struct err *e)
{
	const struct backup *b = ctx;
	AUTO_JSON json_t *marks = NULL;
	const char *name;
	json_t *value;
	int rc = get(b, &marks, e);
	if (rc == ERR_NOT_FOUND)
		return OK;
	if (rc)
		return rc;
	json_object_foreach(marks, name, value) {
		bool known = false;
		for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
			known = known || strncmp(name, prefixes[i], strlen(prefixes[i])) == 0;
		if (known && rc == OK)
			rc = catalog_mark_set(b->catalog, name, json_integer_value(value), e);
	}
	return rc;
}

int backup_marks_restore(const struct backup *b, struct err *e)
{
	struct backup copy = *b;
	return backup_try(b, restore_once, &copy, e);
}
