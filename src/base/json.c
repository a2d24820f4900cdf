/* JSON by jansson, with our errors. */
#include "json.h"

#include <inttypes.h>
#include <string.h>

#include "tr.h"

int json_parse(const char *bytes, size_t n, json_t **ret, struct err *e)
{
	json_error_t error;
	/* A text, number or null alone is a document too: whoever wanted an object finds out at the
	 * first member. */
	json_t *root =
		json_loadb(n ? bytes : "", n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!root) {
		err_set(e, ERR_INPUT, "not valid JSON: %s", error.text);
		/* jansson counts columns from 0 and says -1 where it does not know. */
		return err_at(e, error.line > 0 ? error.line : 0,
			      error.column >= 0 ? error.column + 1 : 0, error.position);
	}
	*ret = root;
	return OK;
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT: return "object";
	case JSON_ARRAY: return "array";
	case JSON_STRING: return "text";
	case JSON_INTEGER: return "integer";
	case JSON_REAL: return "number";
	case JSON_TRUE:
	case JSON_FALSE: return "boolean";
	default: return "null";
	}
}

static int get(const json_t *o, const char *key, const char *wanted, json_t **ret, struct err *e)
{
	if (!json_is_object(o))
		return err_set(e, ERR_INPUT, "expected an object with the member \"%s\", found %s",
			       key, tr(o ? type_name(o) : "null"));
	json_t *v = json_object_get(o, key);
	if (!v)
		return err_set(e, ERR_INPUT, "the member \"%s\" is missing, expected %s", key,
			       tr(wanted));
	if (strcmp(type_name(v), wanted) != 0)
		return err_set(e, ERR_INPUT, "the member \"%s\" is %s, expected %s", key,
			       tr(type_name(v)), tr(wanted));
	*ret = v;
	return OK;
}

int json_get_str(const json_t *o, const char *key, const char **ret, struct err *e)
{
	json_t *v = NULL;
	int rc = get(o, key, "text", &v, e);
	if (rc == OK)
		*ret = json_string_value(v);
	return rc;
}

int json_get_int(const json_t *o, const char *key, int64_t *ret, struct err *e)
{
	json_t *v = NULL;
	int rc = get(o, key, "integer", &v, e);
	if (rc == OK)
		*ret = json_integer_value(v);
	return rc;
}

int json_get_array(const json_t *o, const char *key, json_t **ret, struct err *e)
{
	return get(o, key, "array", ret, e);
}

int json_get_object(const json_t *o, const char *key, json_t **ret, struct err *e)
{
	return get(o, key, "object", ret, e);
}

const char *json_opt_str(const json_t *o, const char *key, const char *fallback)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : fallback;
}

static int add_to_buf(const char *bytes, size_t n, void *out)
{
	buf_add(out, bytes, n);
	return 0;
}

json_t *json_text(const char *s)
{
	AUTO_BUF struct buf utf8 = {0};
	if (!s)
		return json_null();
	if (str_is_utf8(s, strlen(s)))
		return json_string(s);
	buf_latin1(&utf8, s, strlen(s));
	return json_string(utf8.data);
}

void json_canonical(const json_t *v, struct buf *out)
{
	json_dump_callback(v, add_to_buf, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

void json_decref_cleanup(json_t **v)
{
	json_decref(*v);
	*v = NULL;
}
