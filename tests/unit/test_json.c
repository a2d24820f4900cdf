/* JSON: what is refused and where, typed access, canonical text. */
#include "unit.h"

#include "json.h"

static int parse(const char *text, json_t **ret, struct err *e)
{
	return json_parse(text, strlen(text), ret, e);
}

static void wrong_documents_say_where(void **state)
{
	static const struct {
		const char *text;
		int line;
	} wrong[] = {
		{"", 1},
		{"{\"a\":1,\n\"a\":2}", 2},
		{"{} x", 1},
		{"{\"a\":1}\n\n{}", 3},
		{"[1,2", 1},
		{"{\"a\":\"\xE7\"}", 1},
		{"[1,\n2,\n,]", 3},
		{"<html>", 1},
		{"{\"a\":1e999}", 1},
		{"[99999999999999999999]", 1},
		{"\"\\u0000\"", 1},
		{"\"\\uD800\"", 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err e = ERR_INIT;
		AUTO_JSON json_t *doc = NULL;
		if (parse(wrong[i].text, &doc, &e) != ERR_INPUT)
			fail_msg("%s was taken", wrong[i].text);
		assert_null(doc);
		assert_int_equal(e.line, wrong[i].line);
		assert_true(e.offset >= 0 && e.offset <= (int64_t)strlen(wrong[i].text));
	}
	AUTO_JSON json_t *doc = NULL;
	assert_int_equal(json_parse("{}\0", 3, &doc, NULL), ERR_INPUT);
}

static void depth_has_a_ceiling(void **state)
{
	AUTO_BUF struct buf deep = {0};
	for (int i = 0; i < 100000; i++)
		buf_char(&deep, '[');
	AUTO_JSON json_t *doc = NULL;
	assert_int_equal(json_parse(deep.data, deep.len, &doc, NULL), ERR_INPUT);
}

static void members_by_type(void **state)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *doc = NULL;
	const char *s = "kept";
	int64_t n = 5;
	json_t *v = NULL;
	assert_int_equal(
		parse("{\"s\":\"x\",\"n\":9223372036854775807,\"r\":1.0,\"a\":[],\"o\":{},\"z\":null}",
		      &doc, &e),
		OK);
	assert_int_equal(json_get_int(doc, "n", &n, &e), OK);
	assert_true(n == INT64_MAX);
	assert_int_equal(json_get_int(doc, "r", &n, &e), ERR_INPUT);
	assert_string_equal(e.text, "the member \"r\" is number, expected integer");
	assert_int_equal(json_get_str(doc, "z", &s, &e), ERR_INPUT);
	assert_int_equal(json_get_str(doc, "missing", &s, &e), ERR_INPUT);
	assert_non_null(strstr(e.text, "\"missing\""));
	assert_string_equal(s, "kept");
	assert_int_equal(json_get_str(doc, "s", &s, &e), OK);
	assert_string_equal(s, "x");
	assert_int_equal(json_get_array(doc, "a", &v, &e), OK);
	assert_int_equal(json_get_array(doc, "o", &v, &e), ERR_INPUT);
	assert_int_equal(json_get_object(doc, "o", &v, &e), OK);
	assert_string_equal(json_opt_str(doc, "n", "other"), "other");
	/* A document that is not an object, as when it was encoded twice. */
	AUTO_JSON json_t *text = NULL;
	assert_int_equal(parse("\"{}\"", &text, &e), OK);
	assert_int_equal(json_get_str(text, "s", &s, &e), ERR_INPUT);
	assert_int_equal(json_get_str(NULL, "s", &s, &e), ERR_INPUT);
}

static void canonical_text_is_one(void **state)
{
	AUTO_JSON json_t *a = NULL, *b = NULL;
	assert_int_equal(
		parse("{ \"b\": [1, 2],\n\"a\": {\"y\": \"\\u00e9\", \"x\": null} }", &a, NULL),
		OK);
	assert_int_equal(parse("{\"a\":{\"x\":null,\"y\":\"é\"},\"b\":[1,2]}", &b, NULL), OK);
	AUTO_BUF struct buf one = {0}, other = {0};
	json_canonical(a, &one);
	json_canonical(b, &other);
	assert_string_equal(one.data, "{\"a\":{\"x\":null,\"y\":\"é\"},\"b\":[1,2]}");
	assert_string_equal(one.data, other.data);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_documents_say_where),
		cmocka_unit_test(depth_has_a_ceiling),
		cmocka_unit_test(members_by_type),
		cmocka_unit_test(canonical_text_is_one),
	};
	return RUN_TESTS("json");
}
