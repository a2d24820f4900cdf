/* Types by name, definitions through JSON unchanged to the byte, single values as text. */
#include "unit.h"

#include "table.h"

static const struct column columns[] = {
	{.name = "codigo", .type = COL_TEXT, .doc = "Ticker"},
	{.name = "qtd", .type = COL_BIGINT},
	{.name = "part", .type = COL_DECIMAL, .precision = 9, .scale = 3},
};
static const struct column partition[] = {
	{.name = "data_pregao", .type = COL_DATE},
	{.name = "index_code", .type = COL_TEXT},
};
static const char *const sort[] = {"index_code", "codigo"};
static const struct table_def portfolio = {
	.database = "raw",
	.name = "portfolio",
	.doc = "Carteira",
	.columns = columns,
	.column_count = 3,
	.partition = partition,
	.partition_count = 2,
	.location = "raw/portfolio",
	.scope_count = 2,
	.compact_location = "compact/raw/portfolio",
	.sort = sort,
	.sort_count = 2,
};

static void types_come_back(void **state)
{
	static const char *const texts[] = {
		"BOOLEAN",   "INTEGER", "BIGINT",       "HUGEINT",        "DOUBLE",      "DATE",
		"TIMESTAMP", "VARCHAR", "DECIMAL(9,3)", "DECIMAL(38,38)", "DECIMAL(1,0)"};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct column c = {.name = "kept"};
		char text[COLUMN_TYPE_SIZE];
		assert_int_equal(column_type_parse(texts[i], &c, NULL), OK);
		assert_string_equal(column_type_format(&c, text), texts[i]);
		assert_string_equal(c.name, "kept");
	}
	static const char *const wrong[] = {"",
					    "varchar",
					    "DECIMAL",
					    "DECIMAL(39,0)",
					    "DECIMAL(3,4)",
					    "DECIMAL(0,0)",
					    "DECIMAL(9)",
					    "DECIMAL(9,-1)",
					    "DECIMAL(9,3",
					    "INT",
					    "BIGINT[]",
					    "DECIMAL(9,3)x",
					    "DECIMAL(9,3,1)",
					    "DECIMAL()",
					    "DECIMAL("};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct column c = {0};
		struct err e = ERR_INIT;
		if (column_type_parse(wrong[i], &c, &e) != ERR_INPUT)
			fail_msg("%s was taken for a type", wrong[i]);
		assert_non_null(strstr(e.text, wrong[i]));
	}
	struct column narrow = {.type = COL_DECIMAL, .precision = 18},
		      wide = {.type = COL_DECIMAL, .precision = 19};
	assert_int_equal(column_width_bytes(&narrow), 8);
	assert_int_equal(column_width_bytes(&wide), 16);
}

static void definitions_come_back(void **state)
{
	AUTO_ARENA struct arena *a = arena_new();
	AUTO_BUF struct buf one = {0}, other = {0};
	struct err e = ERR_INIT;
	struct table_def *t = NULL;
	table_to_json(&portfolio, &one);
	assert_string_equal(
		one.data,
		"{\"columns\":[{\"doc\":\"Ticker\",\"name\":\"codigo\",\"type\":\"VARCHAR\"},"
		"{\"name\":\"qtd\",\"type\":\"BIGINT\"},{\"name\":\"part\",\"type\":\"DECIMAL(9,3)\"}],"
		"\"compact_location\":\"compact/raw/portfolio\",\"database\":\"raw\",\"doc\":\"Carteira\","
		"\"location\":\"raw/portfolio\",\"name\":\"portfolio\",\"partition\":[{\"name\":\"data_pregao\","
		"\"type\":\"DATE\"},{\"name\":\"index_code\",\"type\":\"VARCHAR\"}],\"scope_count\":2,"
		"\"sort\":[\"index_code\",\"codigo\"]}");
	assert_int_equal(table_from_json(a, buf_slice(&one), &t, &e), OK);
	table_to_json(t, &other);
	assert_string_equal(one.data, other.data);
	buf_reset(&other);
	table_to_json(table_copy(a, t), &other);
	assert_string_equal(one.data, other.data);
	assert_string_equal(table_column(t, "index_code")->name, "index_code");
	assert_int_equal(table_column(t, "part")->scale, 3);
	assert_null(table_column(t, "PART"));
}

static void definitions_that_are_none(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{}",
		"{\"database\":\"d\",\"name\":\"n\",\"location\":\"l\",\"scope_count\":1,\"columns\":[],\"partition\":[],\"sort\":[]}",
		("{\"database\":\"d\",\"name\":\"n\",\"location\":\"l\",\"scope_count\":0,\"columns\":[{\"name\":\"x\",\"type\":\"T\"}],"
		 "\"partition\":[],\"sort\":[]}"),
		"{\"database\":\"d\",\"name\":\"n\",\"location\":\"l\",\"scope_count\":0,\"columns\":[],\"partition\":[],\"sort\":[\"x\"]}",
		"{\"database\":\"d\",\"name\":\"n\",\"location\":\"l\",\"scope_count\":0,\"columns\":[7],\"partition\":[],\"sort\":[]}",
	};
	AUTO_ARENA struct arena *a = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct table_def *t = NULL;
		assert_int_equal(table_from_json(a, slice_of(wrong[i]), &t, NULL), ERR_INPUT);
		assert_null(t);
	}
}

static void values_as_text(void **state)
{
	static const struct column types[] = {
		{.name = "b", .type = COL_BOOLEAN},
		{.name = "i", .type = COL_INTEGER},
		{.name = "n", .type = COL_BIGINT},
		{.name = "h", .type = COL_HUGEINT},
		{.name = "f", .type = COL_DOUBLE},
		{.name = "d", .type = COL_DECIMAL, .precision = 9, .scale = 3},
		{.name = "w", .type = COL_DECIMAL, .precision = 38, .scale = 8},
		{.name = "t", .type = COL_DATE},
		{.name = "s", .type = COL_TIMESTAMP},
		{.name = "x", .type = COL_TEXT},
	};
	const uint8_t booleans[] = {1, 0};
	const int32_t integers[] = {INT32_MIN, 7}, dates[] = {19919, -1};
	const int64_t bigints[] = {INT64_MIN, 15089313085}, decimals[] = {-1, 100000};
	const int64_t times[] = {INT64_C(1795453920000000), INT64_C(1795453920120000)};
	const int128 wides[] = {-1, (int128)13221833075499324};
	const double doubles[] = {0.1, 1e300};
	const struct slice texts[] = {SLICE("Ação"), {NULL, 0}};
	const uint8_t first_only[] = {1, 0};
	const struct vector vectors[] = {
		{booleans, NULL}, {integers, NULL},    {bigints, NULL}, {wides, NULL},
		{doubles, NULL},  {decimals, NULL},    {wides, NULL},   {dates, NULL},
		{times, NULL},    {texts, first_only},
	};
	const struct batch b = {types, vectors, ARRAY_LEN(types), 2};
	static const char *const expected[2][ARRAY_LEN(types)] = {
		{"true", "-2147483648", "-9223372036854775808", "-1", "0.1", "-0.001",
		 "-0.00000001", "2024-07-15", "2026-11-23 17:12:00", "Ação"},
		{"false", "7", "15089313085", "13221833075499324", "1e+300", "100.000",
		 "132218330.75499324", "1969-12-31", "2026-11-23 17:12:00.12", NULL},
	};
	for (size_t row = 0; row < 2; row++)
		for (size_t column = 0; column < ARRAY_LEN(types); column++) {
			AUTO_BUF struct buf out = {0};
			bool there = batch_text(&b, column, row, &out);
			assert_int_equal(there, expected[row][column] != NULL);
			if (there)
				assert_string_equal(out.data, expected[row][column]);
			else
				assert_int_equal(out.len, 0);
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_come_back),
		cmocka_unit_test(definitions_come_back),
		cmocka_unit_test(definitions_that_are_none),
		cmocka_unit_test(values_as_text),
	};
	return RUN_TESTS("table");
}
