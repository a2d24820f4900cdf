/* The expression language: what parses, what type it has, and that DuckDB gives the same type and
 * the right value. */
#include "job_fixture.h"

#include "expr.h"
#include "function.h"

static struct schema any_schema(struct arena *arena)
{
	struct schema s = {ANEW_ARRAY(arena, ARRAY_LEN(any_columns), struct column),
			   ARRAY_LEN(any_columns)};
	memcpy(s.columns, any_columns, sizeof(any_columns));
	return s;
}

/* The row that expressions are computed over. */
static const char any_row[] =
	"SELECT CAST(-7 AS INTEGER) AS i, CAST(5000000000 AS BIGINT) AS big, CAST('170141183460469231731687303715884105727' AS HUGEINT) AS huge, "
	"CAST(-12.345 AS DECIMAL(9,3)) AS d93, CAST('9999999999999999.99' AS DECIMAL(18,2)) AS d182, CAST('132218330.75499324' AS DECIMAL(38,8)) AS d388, "
	"' Ação ' AS t, TRUE AS b, DATE '2024-07-15' AS day_, TIMESTAMP '2024-07-15 10:30:00' AS at, CAST(0.5 AS DOUBLE) AS f, "
	"DATE '2023-12-31' AS date";

/* NULL value: not computed, for it fails or varies. */
static const struct {
	const char *text, *type, *value;
} sound[] = {
	/* literals */
	{"12", "INTEGER", "12"},
	{"2147483647", "INTEGER", "2147483647"},
	{"2147483648", "BIGINT", "2147483648"},
	{"-2147483648", "INTEGER", "-2147483648"},
	{"-9223372036854775808", "BIGINT", "-9223372036854775808"},
	{"007", "INTEGER", "7"},
	{"0.5", "DECIMAL(2,1)", "0.5"},
	{"-100.000", "DECIMAL(6,3)", "-100.000"},
	{"00100.000", "DECIMAL(6,3)", "100.000"},
	{"'it''s; -- \"x\" \\'", "VARCHAR", "it's; -- \"x\" \\"},
	{"TRUE", "BOOLEAN", "true"},
	{"DATE '2024-02-29'", "DATE", "2024-02-29"},
	{"TIMESTAMP '2024-07-15 23:59:59.123'", "TIMESTAMP", "2024-07-15 23:59:59.123"},
	/* names: DATE is a type before a text, and a column otherwise */
	{"date", "DATE", "2023-12-31"},
	{"\"date\"", "DATE", "2023-12-31"},
	{"year(date)", "INTEGER", "2023"},
	/* arithmetic */
	{"i + 1", "INTEGER", "-6"},
	{"i + big", "BIGINT", "4999999993"},
	{"big * 2", "BIGINT", "10000000000"},
	{"d93 + d93", "DECIMAL(10,3)", "-24.690"},
	{"d93 + 1", "DECIMAL(14,3)", "-11.345"},
	{"d93 - big", "DECIMAL(23,3)", "-5000000012.345"},
	{"d93 * 2", "DECIMAL(19,3)", "-24.690"},
	{"d93 * d93", "DECIMAL(18,6)", "152.399025"},
	/* beyond DuckDB's 18 digits, where it would fail */
	{"d182 + d182", "DECIMAL(19,2)", "19999999999999999.98"},
	{"d182 + 0.01", "DECIMAL(19,2)", "10000000000000000.00"},
	{"d182 * 10.5", "DECIMAL(21,3)", "104999999999999999.895"},
	{"d388 + 0.5", "DECIMAL(38,8)", "132218331.25499324"},
	{"1 + 2 * 3", "INTEGER", "7"},
	{"(1 + 2) * 3", "INTEGER", "9"},
	{"10 - (3 - 2)", "INTEGER", "9"},
	{"10 - 3 - 2", "INTEGER", "5"},
	{"-(-i)", "INTEGER", "-7"},
	{"5 - -3", "INTEGER", "8"},
	{"-d93", "DECIMAL(9,3)", "12.345"},
	/* conditions */
	{"i < 0 AND NOT b OR big >= 5000000000", "BOOLEAN", "true"},
	{"(i < 0 OR b) AND big = 1", "BOOLEAN", "false"},
	{"NOT (b AND i > 0)", "BOOLEAN", "true"},
	{"d93 > -12.3450001", "BOOLEAN", "true"},
	{"d93 < 1000000000", "BOOLEAN", "true"},
	{"d388 = 132218330.75499324", "BOOLEAN", "true"},
	{"i IN (1, -7, 3)", "BOOLEAN", "true"},
	{"i NOT IN (1, -7)", "BOOLEAN", "false"},
	{"d93 BETWEEN -13 AND -12", "BOOLEAN", "true"},
	{"i NOT BETWEEN -7 AND 7 OR FALSE", "BOOLEAN", "false"},
	{"t IS NOT NULL AND b", "BOOLEAN", "true"},
	{"(i > 0) IS NULL", "BOOLEAN", "false"},
	{"day_ > DATE '2024-01-01'", "BOOLEAN", "true"},
	{"t <> 'x' AND t != 'y'", "BOOLEAN", "true"},
	{"b = (i < 0)", "BOOLEAN", "true"},
	/* choices: all become the widest */
	{"CASE WHEN i > 0 THEN 1 WHEN b THEN big END", "BIGINT", "5000000000"},
	{"CASE WHEN FALSE THEN 1 ELSE 0.25 END", "DECIMAL(12,2)", "0.25"},
	{"if(b, i, big)", "BIGINT", "-7"},
	{"if(b, b, FALSE)", "BOOLEAN", "true"},
	{"coalesce(NULL, i, 1.5)", "DECIMAL(11,1)", "-7.0"},
	{"nullif(i, -7)", "INTEGER", "NULL"},
	{"greatest(i, big, 3)", "BIGINT", "5000000000"},
	{"least(d93, 0)", "DECIMAL(13,3)", "-12.345"},
	/* casts */
	{"cast(i AS BIGINT)", "BIGINT", "-7"},
	{"CAST(NULL AS decimal(9, 3))", "DECIMAL(9,3)", "NULL"},
	{"cast(d93 AS DECIMAL(38,8))", "DECIMAL(38,8)", "-12.34500000"},
	{"cast(round(d93, 0) AS INTEGER)", "INTEGER", "-12"},
	{"cast(big AS INTEGER)", "INTEGER", NULL},
	{"cast(d93 AS VARCHAR)", "VARCHAR", "-12.345"},
	{"cast(at AS DATE)", "DATE", "2024-07-15"},
	{"cast(day_ AS TIMESTAMP)", "TIMESTAMP", "2024-07-15 00:00:00"},
	{"cast(i AS DOUBLE)", "DOUBLE", "-7.0"},
	{"cast(1 AS HUGEINT)", "HUGEINT", "1"},
	/* functions */
	{"as_of()", "DATE", "2024-07-20"},
	{"upper(t)", "VARCHAR", " AÇÃO "},
	{"lower(trim(t))", "VARCHAR", "ação"},
	{"length(t)", "BIGINT", "6"},
	{"substr(trim(t), 2, 3)", "VARCHAR", "ção"},
	{"replace(t, 'ç', 'c')", "VARCHAR", " Acão "},
	{"lpad('7', 3, '0')", "VARCHAR", "007"},
	{"concat(trim(t), '-', 'x')", "VARCHAR", "Ação-x"},
	{"concat('a', nullif(t, ' Ação '))", "VARCHAR", "NULL"},
	{"concat(if(b, 'a', 'b'), 'c')", "VARCHAR", "ac"},
	{"starts_with(trim(t), 'A')", "BOOLEAN", "true"},
	{"ends_with(t, 'o ') AND contains(t, 'ção')", "BOOLEAN", "true"},
	{"parse_integer('-0012')", "BIGINT", "-12"},
	{"parse_integer('12.5')", "BIGINT", NULL},
	{"parse_decimal('12.5', 9, 3)", "DECIMAL(9,3)", "12.500"},
	{"parse_decimal('12', 9, 0)", "DECIMAL(9,0)", "12"},
	{"parse_decimal('0.31099', 9, 3)", "DECIMAL(9,3)", NULL},
	{"parse_date('2024-07-15')", "DATE", "2024-07-15"},
	{"parse_date('2024-7-15')", "DATE", NULL},
	{"abs(i) + abs(d93)", "DECIMAL(14,3)", "19.345"},
	{"round(d93, 2)", "DECIMAL(9,2)", "-12.35"},
	{"round(2.5, 0)", "DECIMAL(2,0)", "3"},
	{"round(d93, 3)", "DECIMAL(9,3)", "-12.345"},
	{"round_div(2, 3, 4)", "DECIMAL(14,4)", "0.6667"},
	{"round_div(-1, 8, 2)", "DECIMAL(12,2)", "-0.13"},
	{"round_div(1, 8, 2)", "DECIMAL(12,2)", "0.13"},
	{"round_div(d93, 0.001, 0)", "DECIMAL(9,0)", "-12345"},
	{"round_div(1.000, 3, 0)", "DECIMAL(1,0)", "0"},
	{"round_div(big, d93, 6)", "DECIMAL(28,6)", "-405022276.225192"},
	{"round_div(i, 0, 2)", "DECIMAL(12,2)", "NULL"},
	{"round_div(d388, big, 8)", "DECIMAL(38,8)", "0.02644367"},
	{"int_div(i, 2)", "INTEGER", "-3"},
	{"2 * int_div(big, 2)", "BIGINT", "5000000000"},
	{"mod(i, 2)", "INTEGER", "-1"},
	{"mod(big, i)", "BIGINT", "2"},
	{"days_between(day_, as_of())", "INTEGER", "5"},
	{"days_between(as_of(), date)", "INTEGER", "-202"},
	{"add_days(day_, i)", "DATE", "2024-07-08"},
	{"add_days(day_, 2 + 3)", "DATE", "2024-07-20"},
	{"month(day_) * 100 + day(day_)", "INTEGER", "715"},
	{"weekday(DATE '2024-07-14')", "INTEGER", "7"},
	{"month_start(day_)", "DATE", "2024-07-01"},
	{"minute_start(TIMESTAMP '2024-07-15 23:59:59.999999')", "TIMESTAMP",
	 "2024-07-15 23:59:00"},
	{"minute_start(at)", "TIMESTAMP", "2024-07-15 10:30:00"},
	{"hour_start(at)", "TIMESTAMP", "2024-07-15 10:00:00"},
	{"day_start(at)", "TIMESTAMP", "2024-07-15 00:00:00"},
	/* before 1970 it is still the beginning, not the end */
	{"minute_start(TIMESTAMP '1969-12-31 23:59:30')", "TIMESTAMP", "1969-12-31 23:59:00"},
	{"hour_start(TIMESTAMP '1969-12-31 22:59:30')", "TIMESTAMP", "1969-12-31 22:00:00"},
	{"day_start(TIMESTAMP '1969-12-30 22:59:30')", "TIMESTAMP", "1969-12-30 00:00:00"},
	{"day_start(cast(NULL AS TIMESTAMP))", "TIMESTAMP", "NULL"},
	{"cast(NULL AS DECIMAL(18,8))", "DECIMAL(18,8)", "NULL"},
};

static void sound_expressions(void **state)
{
	struct duck_fixture f;
	duck_begin(&f);
	for (size_t i = 0; i < ARRAY_LEN(sound); i++) {
		struct arena AUTO_ARENA *arena = arena_new();
		struct schema schema = any_schema(arena);
		struct err e = ERR_INIT;
		struct expr *x;
		char type[COLUMN_TYPE_SIZE];
		if (expr_parse(arena, "here", sound[i].text, &x, &e) ||
		    expr_check(arena, "here", x, &schema, &e))
			fail_msg("%s: %s: %s", sound[i].text, e.where, e.text);
		value_type_text(x->type, type);
		if (strcmp(type, sound[i].type) != 0)
			fail_msg("%s is %s, expected %s", sound[i].text, type, sound[i].type);
		struct spelling spelling = {DIALECT_DUCKDB, "DATE '2024-07-20'"};
		struct buf AUTO_BUF text = {0}, sql = {0}, expected = {0};
		expr_sql(&text, &spelling, x);
		buf_printf(&sql, "SELECT typeof(%s)%s%s FROM (%s)", text.data,
			   sound[i].value ? ", " : "", sound[i].value ? text.data : "", any_row);
		buf_printf(&expected, "%s%s%s\n", type, sound[i].value ? "|" : "",
			   sound[i].value ? sound[i].value : "");
		char AUTO_FREE *found = duck_rows(&f, sql.data);
		if (strcmp(found, expected.data) != 0)
			fail_msg("%s\nas %s\ngives %sexpected %s", sound[i].text, text.data, found,
				 expected.data);
		if (!sound[i].value) {
			buf_reset(&sql);
			buf_printf(&sql, "SELECT %s FROM (%s)", text.data, any_row);
			char AUTO_FREE *failure = duck_rows(&f, sql.data);
			if (strncmp(failure, "error: ", 7) != 0)
				fail_msg("%s gives %s, expected the run to fail", sound[i].text,
					 failure);
		}
	}
	duck_end(&f);
}

static const struct {
	const char *text, *error; /* "character: message" */
} bad[] = {
	{"", "1: expected a value, found the end of the expression"},
	{"i +", "4: expected a value, found the end of the expression"},
	{"i i", "3: expected the end of the expression, found i"},
	{"(i", "3: expected ')', found the end of the expression"},
	{"i)", "2: expected the end of the expression, found )"},
	{"'abc", "1: the text that begins here has no closing quote"},
	{"\"abc", "1: the name that begins here has no closing quote"},
	{"1e5", "1: '1e' is not a number; whole numbers and decimals look like 12 and 0.125"},
	{"1.2.3", "1: '1.2.' is not a number; whole numbers and decimals look like 12 and 0.125"},
	{"12abc", "1: '12a' is not a number; whole numbers and decimals look like 12 and 0.125"},
	{"9223372036854775808", "1: the whole number 9223372036854775808 is beyond BIGINT"},
	{"0.123456789012345678901234567890123456789", "1: the number has more than 38 digits"},
	{"i / 2", "3: '/' does not exist here; write round_div(a, b, decimals) or int_div(a, b)"},
	{"i == 2", "3: '==' does not exist here; write ="},
	{"t || t", "3: '||' does not exist here; write concat(a, b)"},
	{"i::BIGINT", "2: '::' does not exist here; write cast(value AS TYPE)"},
	{"i; DROP TABLE x", "2: ';' does not exist here; write one expression"},
	{"i # 2", "3: the character '#' means nothing here"},
	{"i + é", "5: the character 'é' means nothing here"},
	{"t = 'é' AND x",
	 "13: there is no column 'x'; there are: i, big, huge, d93, d182, d388, t, b, day_, at, f, date"},
	{"bigg + 1", "1: there is no column 'bigg'; did you mean 'big'?"},
	{"uper(t)", "1: there is no function 'uper'; did you mean 'upper'?"},
	{"regexp(t)", "1: there is no function 'regexp'"},
	{"sum(i)", "1: 'sum' adds up rows: it stands in an aggregate node, not in an expression"},
	{"upper()", "1: upper has 0 arguments, expected upper(text) VARCHAR"},
	{"upper(t, t)", "1: upper has 2 arguments, expected upper(text) VARCHAR"},
	{"coalesce(i)", "1: coalesce has 1 arguments, expected coalesce(a, b, ...) their type"},
	{"upper(i)", "7: expected text (VARCHAR), found INTEGER"},
	{"year(t)", "6: expected a DATE, found VARCHAR"},
	{"year(at)", "6: expected a DATE, found TIMESTAMP"},
	{"hour_start(day_)", "12: expected a TIMESTAMP, found DATE"},
	{"t + 1", "1: expected a whole number or a decimal, found VARCHAR"},
	{"1 + f", "5: expected a whole number or a decimal, found DOUBLE"},
	{"day_ + 1", "1: dates have no '+'; write days_between(from, to) or add_days(date, days)"},
	{"day_ - date",
	 "1: dates have no '-'; write days_between(from, to) or add_days(date, days)"},
	{"huge + 0.5", "1: HUGEINT + DECIMAL(2,1) needs more than 38 digits; cast to fewer first"},
	{"d388 * d388 * d388 * d388 * d388",
	 "1: DECIMAL(38,32) * DECIMAL(38,8) needs more than 38 digits; cast to fewer first"},
	{"i = t", "5: INTEGER and VARCHAR do not go together without a cast"},
	{"day_ = at", "8: DATE and TIMESTAMP do not go together without a cast"},
	{"f > 0.5", "5: DOUBLE and DECIMAL(2,1) do not go together without a cast"},
	{"i = NULL", "5: nothing compares to NULL; write IS NULL or IS NOT NULL"},
	{"i IN (1, 'a')", "10: INTEGER and VARCHAR do not go together without a cast"},
	{"i IN ()", "1: IN needs at least one value"},
	{"i AND b", "1: expected a condition (BOOLEAN), found INTEGER"},
	{"NOT i", "5: expected a condition (BOOLEAN), found INTEGER"},
	{"b AND NULL", "7: expected a condition (BOOLEAN), found NULL"},
	{"i NOT LIKE 'a'", "7: expected IN or BETWEEN, found LIKE"},
	{"t LIKE 'a%'", "3: expected starts_with, ends_with or contains, found LIKE"},
	{"i IS 5", "6: expected NULL, found 5"},
	{"i BETWEEN 1 OR 2", "13: expected AND, found OR"},
	{"CASE i WHEN 1 THEN 2 END", "6: expected WHEN, found i"},
	{"CASE WHEN b THEN 1", "19: expected END, found the end of the expression"},
	{"CASE WHEN b THEN 1 ELSE 'a' END",
	 "25: INTEGER and VARCHAR do not go together without a cast"},
	{"cast(i AS TEXT)",
	 "11: unknown type \"TEXT\", expected one of BOOLEAN, INTEGER, BIGINT, HUGEINT, DOUBLE, DECIMAL(digits,decimals), DATE, TIMESTAMP, VARCHAR"},
	{"cast(i AS DECIMAL(40,2))",
	 "11: \"DECIMAL(40,2)\" is no decimal type, expected DECIMAL(digits,decimals) with 1 to 38 digits, of which 0 or more are decimals"},
	{"cast(i BIGINT)", "8: expected AS, found BIGINT"},
	{"cast(t AS BIGINT)",
	 "1: VARCHAR cannot be cast to BIGINT: text is read by parse_integer, parse_decimal or parse_date, which refuse what they cannot read exactly"},
	{"cast(d93 AS DECIMAL(9,2))",
	 "1: DECIMAL(9,3) cannot be cast to DECIMAL(9,2): it would round; use round(value, decimals) first"},
	{"cast(d93 AS BIGINT)",
	 "1: DECIMAL(9,3) cannot be cast to BIGINT: it would round; use round(value, decimals) first"},
	{"cast(f AS DECIMAL(9,2))",
	 "1: DOUBLE cannot be cast to DECIMAL(9,2): a binary float is not exact"},
	{"cast(b AS DATE)", "1: BOOLEAN cannot be cast to DATE: there is no such conversion"},
	{"round(d93, i)", "12: expected a whole number, written out, found INTEGER"},
	{"round(d93, 4)", "12: argument 2 of round is 4, expected 0 to 3"},
	{"round(i, 0)", "7: round is for decimals; an integer has nothing to round"},
	{"round_div(i, i, 19)", "17: argument 3 of round_div is 19, expected 0 to 18"},
	{"round_div(i, cast(1 AS DECIMAL(38,30)), 8)",
	 "1: round_div needs more than 38 digits in between; cast its arguments to fewer decimals first"},
	{"substr(t, 0, 1)", "11: argument 2 of substr is 0, expected 1 to 1000000"},
	{"substr(t, -1, 1)", "11: argument 2 of substr is -1, expected 1 to 1000000"},
	{"lpad(t, 3, t)", "12: argument 3 of lpad is the text to fill with, written out"},
	{"parse_decimal(t, 9, 10)", "21: argument 3 of parse_decimal is 10, expected 0 to 9"},
	{"DATE '2024-02-30'",
	 "6: there is no date '2024-02-30'; dates look like DATE '2024-07-15'"},
	{"DATE '2024-2-3'", "6: there is no date '2024-2-3'; dates look like DATE '2024-07-15'"},
	{"TIMESTAMP '2024-01-01 25:00:00'",
	 "11: there is no time '2024-01-01 25:00:00'; times look like TIMESTAMP '2024-07-15 10:30:00'"},
	{"TIMESTAMP '2024-01-01'",
	 "11: there is no time '2024-01-01'; times look like TIMESTAMP '2024-07-15 10:30:00'"},
	{"SELECT", "1: expected a value, found SELECT"},
	{"- - i", "3: expected a value, found -"},
	{"i,", "2: expected the end of the expression, found ,"},
	{"upper(t", "8: expected ',' or ')', found the end of the expression"},
};

static void bad_expressions(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena AUTO_ARENA *arena = arena_new();
		struct schema schema = any_schema(arena);
		struct err e = ERR_INIT;
		struct expr *x;
		int rc = expr_parse(arena, "here", bad[i].text, &x, &e);
		rc = rc ? rc : expr_check(arena, "here", x, &schema, &e);
		if (!rc)
			fail_msg("%s was accepted, expected %s", bad[i].text, bad[i].error);
		assert_int_equal(rc, ERR_INPUT);
		assert_int_equal(e.code, ERR_INPUT);
		struct buf AUTO_BUF found = {0};
		buf_printf(&found, "%s: %s", e.where + strlen("here, character "), e.text);
		if (strcmp(found.data, bad[i].error) != 0)
			fail_msg("%s\nsays     %s\nexpected %s", bad[i].text, found.data,
				 bad[i].error);
	}
}

/* `before` n times, then `middle`, then `after` n times. */
static char *nested(const char *before, size_t n, const char *middle, const char *after)
{
	struct buf text = {0};
	for (size_t i = 0; i < n; i++)
		buf_str(&text, before);
	buf_str(&text, middle);
	for (size_t i = 0; i < n; i++)
		buf_str(&text, after);
	return buf_take(&text);
}

static int parse_and_check(const char *text)
{
	struct arena AUTO_ARENA *arena = arena_new();
	struct schema schema = any_schema(arena);
	struct err e = ERR_INIT;
	struct expr *x;
	int rc = expr_parse(arena, "here", text, &x, &e);
	rc = rc ? rc : expr_check(arena, "here", x, &schema, &e);
	if (!rc) {
		struct buf AUTO_BUF sql = {.ceiling = 1 << 20};
		expr_sql(&sql, &(struct spelling){DIALECT_DUCKDB, "x"}, x);
		assert_false(sql.full);
		buf_reset(&sql);
		expr_sql(&sql, &(struct spelling){DIALECT_SPARK, "x"}, x);
		assert_false(sql.full);
	}
	return rc;
}

static void depth_and_length_have_ceilings(void **state)
{
	static const struct {
		const char *before, *middle, *after;
		size_t good, bad;
	} shapes[] = {
		{"(", "i", ")", 60, 70},
		{"NOT ", "b", "", 30, 70},
		{"abs(", "i", ")", 60, 70},
		{"", "i", " + i", 60, 70},
		{"", "i", " * i", 60, 70},
		{"CASE WHEN b THEN ", "i", " END", 60, 70},
		{"cast(", "i", " AS BIGINT)", 60, 70},
		{"round_div(", "i", ", 3, 0)", 8, 70},
		{"(NOT ", "b", ")", 20, 70},
		{"i IN (", "i", ")", 0, 70},
	};
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		char AUTO_FREE *good =
			nested(shapes[i].before, shapes[i].good, shapes[i].middle, shapes[i].after);
		char AUTO_FREE *deep =
			nested(shapes[i].before, shapes[i].bad, shapes[i].middle, shapes[i].after);
		char AUTO_FREE *deeper =
			nested(shapes[i].before, 100000, shapes[i].middle, shapes[i].after);
		if (parse_and_check(good))
			fail_msg("%s", good);
		assert_int_equal(parse_and_check(deep), ERR_LIMIT);
		assert_int_equal(parse_and_check(deeper), ERR_LIMIT);
	}
	/* Long chains of conditions are wide, not deep. */
	char AUTO_FREE *chain = nested("", 500, "b", " OR b");
	assert_int_equal(parse_and_check(chain), OK);
	char AUTO_FREE *list = nested("", 1000, "i IN (1", ", 1");
	struct buf AUTO_BUF closed = {0};
	buf_printf(&closed, "%s)", list);
	assert_int_equal(parse_and_check(closed.data), OK);
}

/* Names and texts can hold anything; none of it gets out of its quotes. */
static void nothing_is_injected(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	static const char hostile[] = "a\"; DROP TABLE x; --' \\' `";
	struct column column = {hostile, COL_TEXT, 0, 0, NULL};
	struct schema schema = {&column, 1};
	struct err e = ERR_INIT;
	struct expr *x;
	assert_int_equal(expr_parse(arena, "here",
				    "\"a\"\"; DROP TABLE x; --' \\' `\" = '\\''; --\"'", &x, &e),
			 OK);
	assert_int_equal(expr_check(arena, "here", x, &schema, &e), OK);
	struct buf AUTO_BUF sql = {0};
	expr_sql(&sql, &(struct spelling){DIALECT_DUCKDB, ""}, x);
	assert_string_equal(sql.data, "\"a\"\"; DROP TABLE x; --' \\' `\" = '\\''; --\"'");
	buf_reset(&sql);
	expr_sql(&sql, &(struct spelling){DIALECT_SPARK, ""}, x);
	assert_string_equal(sql.data, "`a\"; DROP TABLE x; --' \\' ``` = '\\\\\\'; --\"'");
}

/* Every function is in the table of sound expressions above, so that none is without a test. */
static void every_function_is_tried(void **state)
{
	size_t n;
	const struct function *functions = function_table(&n);
	for (size_t i = 0; i < n; i++) {
		struct buf AUTO_BUF call = {0};
		bool tried = false;
		buf_printf(&call, "%s(", functions[i].name);
		for (size_t k = 0; k < ARRAY_LEN(sound); k++)
			tried |= strstr(sound[k].text, call.data) != NULL;
		if (!tried)
			fail_msg("%s is nowhere tried", functions[i].name);
		assert_non_null(functions[i].spark);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_expressions),
		cmocka_unit_test(bad_expressions),
		cmocka_unit_test(depth_and_length_have_ceilings),
		cmocka_unit_test(nothing_is_injected),
		cmocka_unit_test(every_function_is_tried),
	};
	return RUN_TESTS("job_expr");
}
