/* UTC times as text, the date in São Paulo across the turns of daylight saving, and what happens
 * without a zone database. */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "clock_fake.h"
#include "value.h"

static int64_t at(const char *text)
{
	int64_t us = 0;
	assert_int_equal(time_parse_utc(text, &us), OK);
	return us;
}

static void times_come_back(void **state)
{
	char text[TIME_TEXT_SIZE];
	assert_string_equal(time_format_utc(0, text), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(time_format_utc(-1, text), "1969-12-31T23:59:59.999999Z");
	assert_string_equal(time_format_utc(INT64_C(1795453920123456), text),
			    "2026-11-23T17:12:00.123456Z");
	assert_int_equal(at("2026-11-23T17:12:00.123456Z"), INT64_C(1795453920123456));
	assert_int_equal(at("1969-12-31T23:59:59.999999Z"), -1);
	assert_int_equal(at("2026-11-23T17:12:00Z"), INT64_C(1795453920000000));
	assert_int_equal(at("2026-11-23T17:12:00.000Z"), INT64_C(1795453920000000));
	assert_int_equal(at("2026-11-23T17:12:00.1Z"), INT64_C(1795453920100000));
	static const char *const wrong[] = {
		"",
		"Z",
		"2026-11-23T17:12:00.Z",
		"2026-11-23T17:12:00.1234567Z",
		"2026-11-23T17:12:00,123Z",
		"2026-11-23T17:12:00.12 Z",
		"2026-11-23T17:12:00.123456",
		"2026-11-23 17:12:00.123456Z",
		"2026-11-31T17:12:00.123456Z",
		"2026-11-23T24:00:00.000000Z",
		"2026-11-23T17:60:00.000000Z",
		"2026-11-23T17:12:60.000000Z",
		"2026-11-23T17:12:00.-23456Z",
		"2026-11-23T-7:12:00.123456Z",
		"2026-11-23T17:12:00.123456Zx",
	};
	int64_t us = 5;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(time_parse_utc(wrong[i], &us), ERR_INPUT);
	assert_int_equal(us, 5);
	/* The ends of the range, which no sane clock shows, fit the buffer. */
	time_format_utc(INT64_MAX, text);
	time_format_utc(INT64_MIN, text);
}

static void sao_paulo_is(const char *utc, const char *date)
{
	int32_t days;
	char text[DATE_TEXT_SIZE];
	struct err err = ERR_INIT;
	if (time_date_in_sao_paulo(at(utc), &days, &err) != OK)
		fail_msg("%s", err.text);
	assert_string_equal(date_format(days, text), date);
}

static void without_a_zone_database(void **state)
{
	pid_t child = fork();
	if (child == 0) {
		struct err err = ERR_INIT;
		int32_t days = 7;
		setenv("TZDIR", "/nonexistent", 1);
		bool told = time_date_in_sao_paulo(0, &days, &err) == ERR_NOT_FOUND &&
			    strstr(err.text, "tzdata") && days == 7;
		_exit(told ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void the_date_in_sao_paulo(void **state)
{
	/* UTC-3, no daylight saving since 2019 */
	sao_paulo_is("2026-11-23T02:59:59.999999Z", "2026-11-22");
	sao_paulo_is("2026-11-23T03:00:00.000000Z", "2026-11-23");
	/* UTC-2 in the summer of 2018 */
	sao_paulo_is("2018-12-01T01:59:59.000000Z", "2018-11-30");
	sao_paulo_is("2018-12-01T02:00:00.000000Z", "2018-12-01");
	/* the night in which midnight was skipped, and the one that had its last hour twice */
	sao_paulo_is("2018-11-04T02:59:59.000000Z", "2018-11-03");
	sao_paulo_is("2018-11-04T03:00:00.000000Z", "2018-11-04");
	sao_paulo_is("2019-02-17T02:30:00.000000Z", "2019-02-16");
	sao_paulo_is("2019-02-17T03:00:00.000000Z", "2019-02-17");
	sao_paulo_is("1969-12-31T12:00:00.000000Z", "1969-12-31");
}

static void the_way_back(void **state)
{
	static const struct {
		const char *date;
		int hour, minute;
		const char *utc;
	} rows[] = {
		{"2026-11-23", 19, 0, "2026-11-23T22:00:00.000000Z"},
		{"2018-12-01", 19, 0, "2018-12-01T21:00:00.000000Z"},
		/* the night without the hour after midnight: all of it is the moment of the leap */
		{"2018-11-03", 23, 59, "2018-11-04T02:59:00.000000Z"},
		{"2018-11-04", 0, 0, "2018-11-04T03:00:00.000000Z"},
		{"2018-11-04", 0, 59, "2018-11-04T03:00:00.000000Z"},
		{"2018-11-04", 1, 0, "2018-11-04T03:00:00.000000Z"},
		{"2018-11-04", 1, 1, "2018-11-04T03:01:00.000000Z"},
		/* the night that had its last hour twice: the first */
		{"2019-02-16", 22, 59, "2019-02-17T00:59:00.000000Z"},
		{"2019-02-16", 23, 0, "2019-02-17T01:00:00.000000Z"},
		{"2019-02-16", 23, 59, "2019-02-17T01:59:00.000000Z"},
		{"2019-02-17", 0, 0, "2019-02-17T03:00:00.000000Z"},
		{"1969-12-31", 12, 0, "1969-12-31T15:00:00.000000Z"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int32_t days;
		int64_t us = 0;
		struct err err = ERR_INIT;
		char text[TIME_TEXT_SIZE];
		assert_true(date_parse_iso(slice_of(rows[i].date), &days));
		assert_int_equal(time_from_sao_paulo(days,
						     (rows[i].hour * 60 + rows[i].minute) * 60, &us,
						     &err),
				 OK);
		assert_string_equal(time_format_utc(us, text), rows[i].utc);
	}
	int32_t days, second;
	struct err err = ERR_INIT;
	assert_int_equal(time_in_sao_paulo(at("2018-11-04T03:00:01.500000Z"), &days, &second, &err),
			 OK);
	assert_int_equal(second, 3601);
}

static void sleeping_moves_the_clock_of_tests(void **state)
{
	struct clock_fake fake;
	clock_fake_init(&fake, 1000);
	clock_sleep_us(&fake.clock, 500);
	clock_sleep_us(&fake.clock, -1);
	assert_int_equal(clock_now_us(&fake.clock), 1500);
	assert_int_equal(clock_monotonic_us(&fake.clock), 1500);
	assert_int_equal(fake.slept_us, 500);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_come_back),
		cmocka_unit_test(without_a_zone_database), /* before the zone is loaded */
		cmocka_unit_test(the_date_in_sao_paulo),
		cmocka_unit_test(the_way_back),
		cmocka_unit_test(sleeping_moves_the_clock_of_tests),
	};
	return RUN_TESTS("clock");
}
