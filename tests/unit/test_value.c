/* Numbers and dates as text: what B3 sends, what must be refused, and the ends of the ranges. */
#include "unit.h"

#include "value.h"

static const int128 big = (int128)1000000000000000000 * 1000000000; /* 10^27 */

static bool br(const char *s, int scale, int128 *ret)
{
	return br_number_parse(slice_of(s), scale, ret);
}

static void brazilian_numbers_as_b3_sends_them(void **state)
{
	int128 n;
	assert_true(br("235.661.666", 0, &n) && n == 235661666);
	assert_true(br("15.089.313.085", 0, &n) && n == 15089313085);
	assert_true(br("235661666", 0, &n) && n == 235661666);
	assert_true(br("100,000", 3, &n) && n == 100000);
	assert_true(br("0,000", 3, &n) && n == 0);
	assert_true(br("2,683", 3, &n) && n == 2683);
	assert_true(br("132.218.330,75499324", 8, &n) && n == (int128)13221833075499324);
	assert_true(br("1.000", 0, &n) && n == 1000);
	assert_true(br("0", 0, &n) && n == 0);
}

static void brazilian_numbers_that_are_none(void **state)
{
	static const struct {
		const char *text;
		int scale;
	} wrong[] = {
		{"1.2345", 0},
		{"100", 3},
		{"100,00", 3},
		{"100,0000", 3},
		{"1234.567", 0},
		{"1.23", 0},
		{".123", 0},
		{"1..234", 0},
		{"1.234.", 0},
		{"", 0},
		{",000", 3},
		{"-1", 0},
		{"+1", 0},
		{" 1", 0},
		{"1 ", 0},
		{"1,", 0},
		{"1,5", 0},
		{"1,0,0", 3},
		{"1e3", 0},
		{"1,234.567", 3},
		{"1.234,5.7", 3},
		{"12.34,567", 3},
		{"18.296.80337677573", 8},
		{"0x10", 0},
		{"1,-10", 3},
		{".", 0},
		{",", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int128 n = 7;
		if (br(wrong[i].text, wrong[i].scale, &n))
			fail_msg("\"%s\" was taken for a number", wrong[i].text);
		assert_true(n == 7);
	}
	int128 n;
	assert_false(br_number_parse((struct slice){"1\0"
						    "2",
						    3},
				     0, &n));
}

static void numbers_end_where_128_bits_end(void **state)
{
	int128 n;
	char text[DECIMAL_TEXT_SIZE];
	assert_true(decimal_parse(SLICE("170141183460469231731687303715884105727"), 0, &n));
	assert_string_equal(decimal_format(n, 0, text), "170141183460469231731687303715884105727");
	assert_string_equal(decimal_format(-n - 1, 0, text),
			    "-170141183460469231731687303715884105728");
	assert_string_equal(decimal_format(-n - 1, 38, text),
			    "-1.70141183460469231731687303715884105728");
	assert_false(decimal_parse(SLICE("170141183460469231731687303715884105728"), 0, &n));
	assert_false(decimal_parse(SLICE("999999999999999999999999999999999999999999999"), 0, &n));
	assert_false(decimal_parse(SLICE("17014118346046923173168730371588410573"), 8, &n));
	assert_false(br("340282366920938463463374607431768211456", 0, &n));
	assert_true(br("999.999.999.999.999.999.999.999.999.999,99999999", 8, &n) &&
		    n == big * 100000000000 - 1);
}

static void decimals(void **state)
{
	int128 n;
	char text[DECIMAL_TEXT_SIZE];
	assert_true(decimal_parse(SLICE("-12.5"), 3, &n) && n == -12500);
	assert_true(decimal_parse(SLICE("+0.001"), 3, &n) && n == 1);
	assert_true(decimal_parse(SLICE("340644.47"), 8, &n) && n == (int128)34064447000000);
	assert_false(decimal_parse(SLICE("0.31099"), 3, &n));
	static const char *const wrong[] = {"",    "-",   ".",  ".5",  "5.", "1.2.3",
					    "1e5", "1,5", " 1", "--1", "nan"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(decimal_parse(slice_of(wrong[i]), 3, &n));
	assert_false(decimal_parse(SLICE("5.0"), 0, &n));
	assert_string_equal(decimal_format(5, 3, text), "0.005");
	assert_string_equal(decimal_format(-5, 3, text), "-0.005");
	assert_string_equal(decimal_format(100000, 3, text), "100.000");
	assert_string_equal(decimal_format(0, 8, text), "0.00000000");
	assert_string_equal(decimal_format(0, 0, text), "0");
}

static void whole_numbers(void **state)
{
	int64_t n;
	assert_true(int64_parse(SLICE("9223372036854775807"), &n) && n == INT64_MAX);
	assert_true(int64_parse(SLICE("-9223372036854775808"), &n) && n == INT64_MIN);
	assert_false(int64_parse(SLICE("9223372036854775808"), &n));
	assert_false(int64_parse(SLICE("-9223372036854775809"), &n));
	assert_true(int64_parse(SLICE("-0"), &n) && n == 0);
	static const char *const wrong[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "1_000"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(int64_parse(slice_of(wrong[i]), &n));
}

static void every_day_of_eight_centuries(void **state)
{
	int32_t expected;
	assert_true(date_make(1601, 1, 1, &expected));
	assert_int_equal(expected, -134774);
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	for (int year = 1601; year <= 2400; year++)
		for (int month = 1; month <= 12; month++) {
			bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
			int length = lengths[month - 1] + (month == 2 && leap);
			for (int day = 1; day <= length; day++, expected++) {
				int32_t days;
				int y, m, d;
				if (!date_make(year, month, day, &days) || days != expected)
					fail_msg("%d-%d-%d", year, month, day);
				date_split(days, &y, &m, &d);
				if (y != year || m != month || d != day)
					fail_msg("%d-%d-%d came back as %d-%d-%d", year, month, day,
						 y, m, d);
			}
			assert_false(date_make(year, month, length + 1, &(int32_t){0}));
		}
}

static void dates(void **state)
{
	int32_t days;
	char text[DATE_TEXT_SIZE];
	assert_true(date_make(1970, 1, 1, &days) && days == 0);
	assert_true(date_parse_iso(SLICE("2024-07-15"), &days) && days == 19919);
	assert_true(date_parse_iso(SLICE("2024-02-29"), &days));
	assert_string_equal(date_format(days, text), "2024-02-29");
	assert_true(date_parse_iso(SLICE("2000-02-29"), &days));
	static const char *const wrong[] = {"2023-02-29", "1900-02-29",  "2024-00-10", "2024-13-01",
					    "2024-01-00", "2024-04-31",  "24-07-15",   "2024-7-15",
					    "2024/07/15", "2024-07-15 ", "2024-07-1x", "0000-01-01",
					    "",           "+024-07-15",  "2024-07-151"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(date_parse_iso(slice_of(wrong[i]), &days));
	assert_string_equal(date_format(INT32_MIN, text), "-5877641-06-23");
	assert_string_equal(date_format(INT32_MAX, text), "5881580-07-11");
	int y, m, d;
	date_split(INT32_MIN, &y, &m, &d);
	assert_true(date_make(y, m, d, &days) && days == INT32_MIN);
	assert_false(date_make(y, m, d - 1, &days));
	assert_false(date_make(INT32_MAX, 1, 1, &days));
	assert_false(date_make(INT32_MIN, 1, 1, &days));
}

static void durations(void **state)
{
	int64_t us;
	assert_true(duration_parse(SLICE("250ms"), &us) && us == 250000);
	assert_true(duration_parse(SLICE("60s"), &us) && us == 60000000);
	assert_true(duration_parse(SLICE("60"), &us) && us == 60000000);
	assert_true(duration_parse(SLICE("5m"), &us) && us == 300000000);
	assert_true(duration_parse(SLICE("2h"), &us) && us == INT64_C(7200000000));
	assert_true(duration_parse(SLICE("1d"), &us) && us == INT64_C(86400000000));
	assert_true(duration_parse(SLICE("0"), &us) && us == 0);
	static const char *const wrong[] = {
		"", "s", "-5s", "5 s", "5x", "1.5h", "5ss", "9223372036854775807h", "1m30s"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(duration_parse(slice_of(wrong[i]), &us));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brazilian_numbers_as_b3_sends_them),
		cmocka_unit_test(brazilian_numbers_that_are_none),
		cmocka_unit_test(numbers_end_where_128_bits_end),
		cmocka_unit_test(decimals),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(every_day_of_eight_centuries),
		cmocka_unit_test(dates),
		cmocka_unit_test(durations),
	};
	return RUN_TESTS("value");
}
