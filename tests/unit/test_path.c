/* Partition values to folders and back: what B3's names, other engines' readers and hostile values
 * do to a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "path.h"

static const struct column partition[] = {
	{.name = "index_code", .type = COL_TEXT},
	{.name = "pregao_date", .type = COL_DATE},
	{.name = "action", .type = COL_TEXT},
};
static const struct column columns[] = {{.name = "n", .type = COL_BIGINT}};
static const struct table_def portfolio = {
	.database = "refined",
	.name = "portfolio",
	.columns = columns,
	.column_count = 1,
	.partition = partition,
	.partition_count = 3,
	.location = "refined/portfolio",
	.scope_count = 2,
	.compact_location = "compact/refined/portfolio",
};
static const struct column numbers[] = {{.name = "hour", .type = COL_INTEGER},
					{.name = "id", .type = COL_BIGINT}};
static const struct table_def numbered = {
	.database = "raw",
	.name = "numbered",
	.columns = columns,
	.column_count = 1,
	.partition = numbers,
	.partition_count = 2,
	.location = "raw/numbered",
	.scope_count = 1,
	.compact_location = "compact/raw/numbered",
};

static const char *escaped(struct arena *arena, const char *value)
{
	struct buf out = {0};
	path_escape(&out, value);
	const char *copy = arena_strndup(arena, out.data ? out.data : "", out.len);
	buf_free(&out);
	return copy;
}

static void escapes_as_hive_does(void **state)
{
	(void)state;
	AUTO_ARENA struct arena *a = arena_new();
	assert_string_equal(escaped(a, "AMBEV S/A"), "AMBEV%20S%2FA");
	assert_string_equal(escaped(a, "AÇÚCAR 100%"), "AÇÚCAR%20100%25");
	assert_string_equal(escaped(a, "a=b"), "a%3Db");
	assert_string_equal(escaped(a, "\x01\x1f\x7f\t\n"), "%01%1F%7F%09%0A");
	assert_string_equal(escaped(a, "\"#%'*/:=?\\{}[]^"),
			    "%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%7D%5B%5D%5E");
	assert_string_equal(escaped(a, "A-Za-z0-9_.~!$&()+,;<>@`|é"), "A-Za-z0-9_.~!$&()+,;<>@`|é");
}

static void every_value_comes_back(void **state)
{
	(void)state;
	static const char *const values[] = {
		"AMBEV S/A", "AÇÚCAR 100%", "d'água \"x\"", "a=b",         "\x01\x02\x1f\x7f",
		"..",        ".",           "%2F",          "%",           "a/../../b",
		" ",         "null",        "日本",         "\\server\\x", "{a}[b]^c?*#:"};
	AUTO_ARENA struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		const char *given[3] = {values[i], "2024-07-15", values[i]};
		const char *back[3], *path, *found;
		size_t n;
		assert_int_equal(path_partition(a, &portfolio, given, 3, &path, NULL), OK);
		const char *key = path_key(a, &portfolio, path, "f00d");
		assert_int_equal(path_of_key(a, &portfolio, key, &found, NULL), OK);
		assert_string_equal(found, path);
		assert_int_equal(path_values(a, &portfolio, found, back, &n, NULL), OK);
		assert_int_equal(n, 3);
		assert_string_equal(back[0], values[i]);
		assert_string_equal(back[1], "2024-07-15");
		assert_string_equal(back[2], values[i]);
		/* three folders and no more, whatever the value said */
		int slashes = 0;
		for (const char *p = path; *p; p++)
			slashes += *p == '/';
		assert_int_equal(slashes, 2);
	}
}

static void every_byte_comes_back(void **state)
{
	(void)state;
	AUTO_ARENA struct arena *a = arena_new();
	for (int byte = 1; byte < 128; byte++) {
		char value[3] = {'x', (char)byte, 0};
		const char *given[1] = {value}, *path, *back[3];
		size_t n;
		assert_int_equal(path_partition(a, &portfolio, given, 1, &path, NULL), OK);
		assert_int_equal(path_values(a, &portfolio, path, back, &n, NULL), OK);
		assert_string_equal(back[0], value);
	}
}

static void refuse_value(const struct table_def *table, size_t column, const char *value)
{
	AUTO_ARENA struct arena *a = arena_new();
	const char *given[3] = {"IBOV", "2024-07-15", "PETROBRAS"}, *path = "untouched";
	if (table == &numbered) {
		given[0] = "13";
		given[1] = "1";
	}
	struct err e = ERR_INIT;
	given[column] = value;
	assert_int_equal(path_partition(a, table, given, table->partition_count, &path, &e),
			 ERR_INPUT);
	assert_string_equal(path, "untouched");
	assert_non_null(strstr(e.text, table->partition[column].name));
}

static void values_that_are_no_partition(void **state)
{
	(void)state;
	char longest[300];
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	refuse_value(&portfolio, 0, NULL);
	refuse_value(&portfolio, 0, "");
	refuse_value(&portfolio, 2, "NULL");
	refuse_value(&portfolio, 2, "__HIVE_DEFAULT_PARTITION__");
	refuse_value(&portfolio, 2, "A\xC7\xDA");
	refuse_value(&portfolio, 2, longest);
	refuse_value(&portfolio, 1, "2024-02-30");
	refuse_value(&portfolio, 1, "15/07/2024");
	refuse_value(&portfolio, 1, "2024-07-15 ");
	refuse_value(&numbered, 0, "2147483648");
	refuse_value(&numbered, 0, "007");
	refuse_value(&numbered, 0, "+7");
	refuse_value(&numbered, 0, "-0");
	refuse_value(&numbered, 0, "1.0");
	refuse_value(&numbered, 1, "9223372036854775808");
}

static void refuse_path(const char *path)
{
	AUTO_ARENA struct arena *a = arena_new();
	const char *values[TABLE_MAX_PARTITION];
	size_t n = 99;
	assert_int_equal(path_values(a, &portfolio, path, values, &n, NULL), ERR_INPUT);
	assert_int_equal(n, 99);
}

static void paths_that_are_not_of_the_table(void **state)
{
	(void)state;
	refuse_path("index=IBOV");
	refuse_path("index_code");
	refuse_path("index_code=");
	refuse_path("index_code=NULL");
	refuse_path("index_code=A%2");
	refuse_path("index_code=A%");
	refuse_path("index_code=A%zz");
	refuse_path("index_code=A%00");
	refuse_path("/index_code=A");
	refuse_path("index_code=A/");
	refuse_path("index_code=A//pregao_date=2024-07-15");
	refuse_path("pregao_date=2024-07-15/index_code=A");
	refuse_path("index_code=A/pregao_date=yesterday");
	refuse_path("index_code=A/pregao_date=2024-07-15/action=B/more=C");
}

static void refuse_key(const char *key)
{
	AUTO_ARENA struct arena *a = arena_new();
	const char *path = "untouched";
	assert_int_equal(path_of_key(a, &portfolio, key, &path, NULL), ERR_INPUT);
	assert_string_equal(path, "untouched");
}

static void keys_that_are_not_of_the_table(void **state)
{
	(void)state;
	refuse_key("refined/portfolio");
	refuse_key("refined/portfolio/x.parquet");
	refuse_key("refined/portfolio//x.parquet");
	refuse_key(
		"refined/portfolio_total/index_code=A/pregao_date=2024-07-15/action=B/x.parquet");
	refuse_key("raw/portfolio/index_code=A/pregao_date=2024-07-15/action=B/x.parquet");
	refuse_key("refined/portfolio/index_code=A/pregao_date=2024-07-15/x.parquet");
	refuse_key("refined/portfolio/index_code=A/pregao_date=2024-07-15/action=B//x.parquet");
	refuse_key("refined/portfolio/index_code=A/pregao_date=2024-07-15/action=B/x.json");
	refuse_key("");
}

static void a_table_without_partitions(void **state)
{
	(void)state;
	struct table_def whole = portfolio;
	whole.partition_count = whole.scope_count = 0;
	AUTO_ARENA struct arena *a = arena_new();
	const char *path, *key;
	assert_string_equal(path_key(a, &whole, "", "x"), "refined/portfolio/x.parquet");
	assert_int_equal(path_of_key(a, &whole, "refined/portfolio/x.parquet", &path, NULL), OK);
	assert_string_equal(path, "");
	assert_int_equal(path_compact_key(a, &whole, "", false, "x", &key, NULL), OK);
	assert_string_equal(key, "compact/refined/portfolio/all-x.parquet");
}

static void compact_keys(void **state)
{
	(void)state;
	AUTO_ARENA struct arena *a = arena_new();
	const char *key;
	const char *scope = "index_code=A%2FB/pregao_date=2024-07-15";
	assert_int_equal(path_compact_key(a, &portfolio, scope, false, "n", &key, NULL), OK);
	assert_string_equal(key, "compact/refined/portfolio/index_code=A%2FB/2024-07-15-n.parquet");
	assert_int_equal(path_compact_key(a, &portfolio, scope, true, "n", &key, NULL), OK);
	assert_string_equal(key, "compact/refined/portfolio/index_code=A%2FB/2024-07-n.parquet");
	assert_int_equal(path_compact_key(a, &numbered, "hour=13", true, "n", &key, NULL), OK);
	assert_string_equal(key, "compact/raw/numbered/hour=13/all-n.parquet");
	assert_int_equal(path_compact_key(a, &portfolio, "index_code=A", false, "n", &key, NULL),
			 ERR_INPUT);
	struct table_def plain = portfolio;
	plain.compact_location = NULL;
	assert_int_equal(path_compact_key(a, &plain, scope, false, "n", &key, NULL), ERR_BUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_as_hive_does),
		cmocka_unit_test(every_value_comes_back),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(values_that_are_no_partition),
		cmocka_unit_test(paths_that_are_not_of_the_table),
		cmocka_unit_test(keys_that_are_not_of_the_table),
		cmocka_unit_test(a_table_without_partitions),
		cmocka_unit_test(compact_keys),
	};
	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
