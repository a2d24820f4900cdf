/* Slices, the buffer's ceiling, quoting, UTF-8 and Latin-1, the nearest word, arenas. */
#include "unit.h"

#include "str.h"

static void a_cut_goes_through_all_fields(void **state)
{
	struct slice rest = SLICE("a;;bc;");
	assert_true(slice_is(slice_cut(&rest, ';'), "a"));
	assert_true(slice_is(slice_cut(&rest, ';'), ""));
	assert_true(slice_is(slice_cut(&rest, ';'), "bc"));
	assert_int_equal(rest.n, 0);
	assert_true(slice_is(slice_cut(&rest, ';'), ""));
	assert_int_equal(rest.n, 0);
	struct slice nothing = slice_of(NULL);
	assert_int_equal(slice_cut(&nothing, ';').n, 0);
	assert_true(slice_is(slice_trim(SLICE(" \t x y\t ")), "x y"));
	assert_int_equal(slice_trim(SLICE("  \t")).n, 0);
	assert_true(slice_starts(SLICE("abc"), "ab") && !slice_starts(SLICE("a"), "ab"));
	assert_true(slice_ends(SLICE("abc"), "bc") && !slice_ends(SLICE("c"), "bc"));
}

static void a_full_buffer_keeps_what_it_has(void **state)
{
	AUTO_BUF struct buf b = {.ceiling = 10};
	buf_str(&b, "12345678");
	assert_false(b.full);
	buf_str(&b, "9ab");
	assert_true(b.full);
	assert_string_equal(b.data, "12345678");
	/* What would still fit must not follow what was left out. */
	buf_char(&b, 'x');
	buf_printf(&b, "%d", 1);
	assert_string_equal(b.data, "12345678");
	buf_reset(&b);
	buf_printf(&b, "%s", "0123456789");
	assert_false(b.full);
	assert_string_equal(b.data, "0123456789");
	buf_printf(&b, "%s", "");
	assert_false(b.full);
}

static void taking_leaves_an_empty_buffer(void **state)
{
	struct buf b = {0};
	AUTO_FREE char *none = buf_take(&b);
	assert_string_equal(none, "");
	buf_str(&b, "text");
	AUTO_FREE char *text = buf_take(&b);
	assert_string_equal(text, "text");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static void quotes(void **state)
{
	AUTO_BUF struct buf b = {0};
	buf_sql_str(&b, "O'Neill's ''");
	buf_char(&b, ' ');
	buf_sql_name(&b, "a\"b'");
	buf_char(&b, ' ');
	buf_sql_str(&b, "");
	buf_char(&b, ' ');
	buf_json_str(&b, "a\"\\\n\x01é\0z", 9);
	assert_string_equal(b.data,
			    "'O''Neill''s ''''' \"a\"\"b'\" '' \"a\\\"\\\\\\n\\u0001é\\u0000z\"");
}

static bool utf8(const char *s)
{
	return str_is_utf8(s, strlen(s));
}

static void utf8_is_strict(void **state)
{
	assert_true(utf8(""));
	assert_true(utf8("Ação €"));
	assert_true(utf8("\xF0\x9F\x93\x88"));  /* U+1F4C8 */
	assert_true(utf8("\xF4\x8F\xBF\xBF"));  /* U+10FFFF */
	assert_false(utf8("\xF4\x90\x80\x80")); /* one beyond */
	assert_false(utf8("\xC0\xAF"));         /* overlong / */
	assert_false(utf8("\xC1\xBF"));         /* overlong */
	assert_false(utf8("\xE0\x9F\xBF"));     /* overlong */
	assert_false(utf8("\xF0\x8F\xBF\xBF")); /* overlong */
	assert_false(utf8("\xED\xA0\x80"));     /* surrogate */
	assert_false(utf8("\x80"));             /* continuation alone */
	assert_false(utf8("A\xE7\xE3o"));       /* Latin-1 */
	assert_false(utf8("a\xE2\x82"));        /* cut */
	assert_false(utf8("\xE2\x82z"));
	assert_false(str_is_utf8("a\0b", 3));
}

static void latin1_becomes_utf8(void **state)
{
	AUTO_BUF struct buf b = {0};
	buf_latin1(&b,
		   "C\xF3"
		   "digo;A\xE7\xE3o\xFF\x80",
		   13);
	assert_string_equal(b.data, "Código;Ação\xC3\xBF\xC2\x80");
	assert_true(str_is_utf8(b.data, b.len));
}

static void the_nearest_word(void **state)
{
	static const char *const names[] = {"portfolio", "quotes", "import", "export", "up", "sql"};
	assert_string_equal(str_nearest("portfolo", names, ARRAY_LEN(names)), "portfolio");
	assert_string_equal(str_nearest("protfolio", names, ARRAY_LEN(names)), "portfolio");
	assert_string_equal(str_nearest("Quotes", names, ARRAY_LEN(names)), "quotes");
	assert_string_equal(str_nearest("exprot", names, ARRAY_LEN(names)), "export");
	assert_string_equal(str_nearest("slq", names, ARRAY_LEN(names)), "sql");
	assert_null(str_nearest("banana", names, ARRAY_LEN(names)));
	assert_null(str_nearest("xy", names, ARRAY_LEN(names)));
	assert_null(str_nearest("", names, ARRAY_LEN(names)));
	char endless[500];
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = 0;
	assert_null(str_nearest(endless, names, ARRAY_LEN(names)));
	const char *const only[] = {endless};
	assert_null(str_nearest("aaaa", only, 1));
}

static void arenas_align_and_zero(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	size_t sizes[] = {1, 0, 7, 5000, 100000, 3, 300000, 64};
	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			unsigned char *p = arena_alloc(a, sizes[i]);
			assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t j = 0; j < sizes[i]; j++)
				assert_int_equal(p[j], 0);
			memset(p, 0xAA, sizes[i]);
		}
	char *text = arena_printf(a, "%s-%05d", "x", 42);
	char *more = arena_strndup(a, "abcdef", 3);
	assert_string_equal(text, "x-00042");
	assert_string_equal(more, "abc");
	assert_true(arena_bytes(a) > 20 * 405000);
}

static void pushing_grows(void **state)
{
	struct pair {
		int a;
		char *b;
	} *items = NULL;
	size_t count = 0, cap = 0;
	for (int i = 0; i < 1000; i++) {
		struct pair *p = PUSH(items, count, cap);
		assert_null(p->b);
		p->a = i;
	}
	assert_int_equal(count, 1000);
	assert_int_equal(items[999].a, 999);
	assert_int_equal(items[0].a, 0);
	free(items);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_goes_through_all_fields),
		cmocka_unit_test(a_full_buffer_keeps_what_it_has),
		cmocka_unit_test(taking_leaves_an_empty_buffer),
		cmocka_unit_test(quotes),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(latin1_becomes_utf8),
		cmocka_unit_test(the_nearest_word),
		cmocka_unit_test(arenas_align_and_zero),
		cmocka_unit_test(pushing_grows),
	};
	return RUN_TESTS("str");
}
