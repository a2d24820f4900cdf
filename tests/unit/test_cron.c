/* Cron expressions: what they mean, minute by minute, and what is refused. */
#include "unit.h"

#include "cron.h"
#include "value.h"

static int64_t minute(const char *date, int hour, int of_hour)
{
	int32_t day;
	assert_true(date_parse_iso(slice_of(date), &day));
	return (int64_t)day * MINUTES_PER_DAY + hour * 60 + of_hour;
}

static struct cron parsed(const char *text)
{
	struct cron c;
	struct err e = ERR_INIT;
	if (cron_parse(text, &c, &e) != OK)
		fail_msg("%s: %s", text, e.text);
	return c;
}

static void next_minutes(void **state)
{
	static const struct {
		const char *text, *after;
		int hour, minute;
		const char *date;
		int next_hour, next_minute;
	} rows[] = {
		{"* * * * *", "2026-07-06", 12, 0, "2026-07-06", 12, 1},
		{"0 19 * * *", "2026-07-06", 18, 59, "2026-07-06", 19, 0},
		{"0 19 * * *", "2026-07-06", 19, 0, "2026-07-07", 19, 0},
		{"*/15 9-17 * * mon-fri", "2026-07-03", 17, 45, "2026-07-06", 9, 0},
		{"5,50 * * * *", "2026-12-31", 23, 50, "2027-01-01", 0, 5},
		{"0 0 29 2 *", "2026-07-06", 0, 0, "2028-02-29", 0, 0},
		{"0 0 29 FEB *", "2096-02-29", 0, 0, "2104-02-29", 0, 0},
		{"0 0 31 * *", "2026-03-31", 0, 0, "2026-05-31", 0, 0},
		{"0 0 13 * 5", "2026-07-06", 0, 0, "2026-07-10", 0, 0},  /* either is enough */
		{"0 0 */2 * 1", "2026-07-06", 0, 0, "2026-07-13", 0, 0}, /* both, as it has a * */
		{"0 0 * * 7", "2026-07-06", 0, 0, "2026-07-12", 0, 0},
		{"10-30/10 3/6 1 1 *", "2026-01-01", 3, 30, "2026-01-01", 9, 10},
		{" 0\t0  1 jan,DEC * ", "2026-01-01", 0, 0, "2026-12-01", 0, 0},
		{"30 2 * * *", "1969-12-31", 2, 29, "1969-12-31", 2, 30},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cron c = parsed(rows[i].text);
		int64_t next = cron_next(&c, minute(rows[i].after, rows[i].hour, rows[i].minute));
		int64_t expected = minute(rows[i].date, rows[i].next_hour, rows[i].next_minute);
		if (next != expected)
			fail_msg("%s: %d minutes off", rows[i].text, (int)(next - expected));
	}
}

static void the_only_minute_of_the_day(void **state)
{
	struct cron c = parsed("30 18 * * *");
	assert_int_equal(cron_only_minute(&c), 18 * 60 + 30);
	c = parsed("0,30 18 * * *");
	assert_int_equal(cron_only_minute(&c), -1);
	c = parsed("0 18,19 * * *");
	assert_int_equal(cron_only_minute(&c), -1);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *word;
	} wrong[] = {
		{"", "0 fields"},
		{"0 19 * *", "4 fields"},
		{"0 19 * * * *", "more than 5"},
		{"60 * * * *", "minute of the cron expression is \"60\""},
		{"* 24 * * *", "hour"},
		{"* * 0 * *", "day"},
		{"* * 32 * *", "day"},
		{"* * * 13 *", "month"},
		{"* * * foo *", "month"},
		{"* * * * 8", "weekday"},
		{"* * * * mo", "weekday"},
		{"-1 * * * *", "minute"},
		{"5-1 * * * *", "minute"},
		{"1- * * * *", "minute"},
		{"-5 * * * *", "minute"},
		{"*/0 * * * *", "minute"},
		{"*/ * * * *", "minute"},
		{"1,,2 * * * *", "minute"},
		{"1, * * * *", "minute"},
		{"99999999999999999999 * * * *", "minute"},
		{"@daily", "minute"},
		{"0 0 31 2 *", "a day that no month has"},
		{"0 0 30 feb *", "a day that no month has"},
		{"0 0 31 4,6,9,11 *", "a day that no month has"},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct cron c;
		struct err e = ERR_INIT;
		assert_int_equal(cron_parse(wrong[i].text, &c, &e), ERR_USAGE);
		if (!strstr(e.text, wrong[i].word))
			fail_msg("\"%s\": %s", wrong[i].text, e.text);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_minutes),
		cmocka_unit_test(the_only_minute_of_the_day),
		cmocka_unit_test(mistakes_are_named),
	};
	return RUN_TESTS("cron");
}
