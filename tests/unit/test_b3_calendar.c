/* The trading calendar: each year's number of sessions, the days about which lists disagree, the
 * published lists where they are at hand, and the user's own days. */
#include "unit.h"

#include <dirent.h>

#include "b3_calendar.h"
#include "json.h"
#include "value.h"

static struct b3_calendar *plain;

static int open_plain(void **state)
{
	struct err e = ERR_INIT;
	return b3_calendar_new(NULL, NULL, &plain, &e);
}

static int close_plain(void **state)
{
	b3_calendar_free(plain);
	return 0;
}

static int32_t date(const char *text)
{
	int32_t day = 0;
	if (!date_parse_iso(slice_of(text), &day))
		fail_msg("%s is no date", text);
	return day;
}

static void is(const char *day, enum session_kind kind)
{
	if (b3_calendar_kind(plain, date(day)) != kind)
		fail_msg("%s: expected kind %d, found %d", day, (int)kind,
			 (int)b3_calendar_kind(plain, date(day)));
}

static int count(int year, enum session_kind kind)
{
	int32_t day = 0, last = 0;
	int n = 0;
	assert_true(date_make(year, 1, 1, &day) && date_make(year, 12, 31, &last));
	for (; day <= last; day++)
		n += b3_calendar_kind(plain, day) == kind;
	return n;
}

static void the_ends_are_what_the_header_says(void **state)
{
	assert_int_equal(date("1990-01-01"), B3_CALENDAR_FIRST);
	assert_int_equal(date("2199-12-31"), B3_CALENDAR_LAST);
	is("1989-12-29", SESSION_NONE);
	is("2200-01-02", SESSION_NONE);
	int32_t day;
	assert_true(b3_calendar_previous(plain, INT32_MAX, &day));
	assert_int_equal(day, date("2199-12-30"));
	assert_false(b3_calendar_previous(plain, date("1990-01-01"), &day));
}

/* The weekdays of the year less those among its holidays, counted from published lists by another
 * program than ours. 2026 by hand: it has 261 weekdays, and 14 holidays are on one (the_year_2026
 * names them), so 247. */
static void sessions_of_each_year(void **state)
{
	static const struct {
		int year, sessions;
	} years[] = {
		{2001, 246}, {2002, 249}, {2003, 250}, {2004, 249}, {2005, 249}, {2006, 246},
		{2007, 245}, {2008, 249}, {2009, 246}, {2010, 247}, {2011, 249}, {2012, 246},
		{2013, 248}, {2014, 248}, {2015, 246}, {2016, 249}, {2017, 246}, {2018, 245},
		{2019, 248}, {2020, 249}, {2021, 247}, {2022, 250}, {2023, 248}, {2024, 251},
		{2025, 250}, {2026, 247},
	};
	for (size_t i = 0; i < ARRAY_LEN(years); i++) {
		int n = count(years[i].year, SESSION_FULL) + count(years[i].year, SESSION_HALF);
		if (n != years[i].sessions)
			fail_msg("%d: expected %d sessions, found %d", years[i].year,
				 years[i].sessions, n);
		assert_int_equal(count(years[i].year, SESSION_HALF), years[i].year == 2001 ? 2 : 1);
	}
}

static void days_about_which_lists_disagree(void **state)
{
	/* São Paulo's own */
	is("2021-01-25", SESSION_NONE);
	is("2022-01-25", SESSION_FULL);
	is("2023-01-25", SESSION_FULL);
	is("2019-07-09", SESSION_NONE);
	is("2020-07-09", SESSION_FULL);
	is("2021-07-09", SESSION_NONE);
	is("2024-07-09", SESSION_FULL);
	is("2006-11-20", SESSION_NONE);
	is("2003-11-20", SESSION_FULL);
	is("2019-11-20", SESSION_NONE);
	is("2020-11-20", SESSION_FULL);
	is("2023-11-20", SESSION_FULL);
	is("2024-11-20", SESSION_NONE);
	is("2026-11-20", SESSION_NONE);
	/* feasts that the city took in advance */
	is("2020-05-20", SESSION_FULL);
	is("2020-05-21", SESSION_FULL);
	is("2020-05-22", SESSION_FULL);
	is("2020-05-25", SESSION_FULL);
	is("2020-06-11", SESSION_NONE);
	is("2021-03-29", SESSION_FULL);
	is("2021-04-01", SESSION_FULL);
	is("2021-06-03", SESSION_NONE);
	/* the last weekday of the year, and Christmas Eve */
	is("2005-12-30", SESSION_NONE);
	is("2006-12-29", SESSION_NONE);
	is("2017-12-29", SESSION_NONE);
	is("2017-12-28", SESSION_FULL);
	is("2022-12-30", SESSION_NONE);
	is("2023-12-29", SESSION_NONE);
	is("2024-12-30", SESSION_FULL);
	is("2022-12-23", SESSION_FULL);
	is("2024-12-24", SESSION_NONE);
	/* single days */
	is("2001-09-11", SESSION_HALF);
	is("2001-09-12", SESSION_FULL);
	is("2014-06-12", SESSION_NONE);
	is("2014-06-13", SESSION_FULL);
}

static void the_year_2026(void **state)
{
	static const char *const closed[] = {"2026-01-01", "2026-02-16", "2026-02-17", "2026-04-03",
					     "2026-04-21", "2026-05-01", "2026-06-04", "2026-09-07",
					     "2026-10-12", "2026-11-02", "2026-11-20", "2026-12-24",
					     "2026-12-25", "2026-12-31"};
	size_t at = 0;
	for (int32_t day = date("2026-01-01"); day <= date("2026-12-31"); day++) {
		bool weekend = ((day + 4) % 7) % 6 == 0;
		bool listed = at < ARRAY_LEN(closed) && day == date(closed[at]);
		at += listed;
		assert_int_equal(b3_calendar_is_session(plain, day), !weekend && !listed);
		assert_int_equal(b3_calendar_reason(plain, day) != NULL,
				 listed || day == date("2026-02-18"));
	}
	assert_int_equal(at, ARRAY_LEN(closed));
	is("2026-02-18", SESSION_HALF);
	int32_t day;
	assert_true(b3_calendar_previous(plain, date("2026-02-17"), &day));
	assert_int_equal(day, date("2026-02-13"));
}

/* Carnival Tuesday and Corpus Christi of years far apart, from printed tables of Easter. */
static void easter_far_away(void **state)
{
	static const char *const good_fridays[] = {"1990-04-13", "2000-04-21", "2008-03-21",
						   "2011-04-22", "2038-04-23", "2049-04-16",
						   "2076-04-17", "2100-03-26", "2199-04-12"};
	for (size_t i = 0; i < ARRAY_LEN(good_fridays); i++) {
		assert_string_equal(b3_calendar_reason(plain, date(good_fridays[i])),
				    "Paixão de Cristo");
		assert_string_equal(b3_calendar_reason(plain, date(good_fridays[i]) - 45),
				    "Carnaval");
		assert_string_equal(b3_calendar_reason(plain, date(good_fridays[i]) + 62),
				    "Corpus Christi");
	}
}

/* -- the user's days --------------------------------------------------------------------------- */

static void the_user_adds_and_removes(void **state)
{
	struct err e = ERR_INIT;
	struct b3_calendar *c;
	static const char *const add[] = {"2026-02-14", "2026-04-21", "2026-02-18", "2026-02-18",
					  NULL};
	static const char *const none[] = {"2026-03-10", "2026-02-17", NULL};
	assert_int_equal(b3_calendar_new(add, none, &c, &e), OK);
	assert_int_equal(b3_calendar_kind(c, date("2026-02-14")), SESSION_FULL); /* a Saturday */
	assert_int_equal(b3_calendar_kind(c, date("2026-04-21")), SESSION_FULL);
	assert_int_equal(b3_calendar_kind(c, date("2026-02-18")), SESSION_HALF);
	assert_int_equal(b3_calendar_kind(c, date("2026-03-10")), SESSION_NONE);
	assert_int_equal(b3_calendar_kind(c, date("2026-03-11")), SESSION_FULL);
	assert_string_equal(b3_calendar_reason(c, date("2026-03-10")), "calendar.remove");
	assert_string_equal(b3_calendar_reason(c, date("2026-02-14")), "calendar.add");
	b3_calendar_free(c);
	static const struct {
		const char *add, *remove, *word;
	} wrong[] = {
		{"2026-02-30", NULL, "calendar.add has \"2026-02-30\""},
		{NULL, "tomorrow", "calendar.remove has \"tomorrow\""},
		{"1989-12-29", NULL, "reaches from"},
		{"2026-02-18", "2026-02-18", "both"},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		const char *const a[] = {wrong[i].add, NULL}, *const r[] = {wrong[i].remove, NULL};
		assert_int_equal(b3_calendar_new(a, r, &c, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, wrong[i].word));
	}
}

/* -- published lists --------------------------------------------------------------------------- */

static const char *shared_data(void)
{
	const char *folder = getenv("PREGAO_SHARED_DATA");
	if (!folder || !folder[0])
		skip();
	return folder;
}

/* Compares all days of the list's years; `listed` has a true for each day that it calls closed. */
static void compare(const char *name, const bool *listed, const char *from, const char *to)
{
	int differences = 0;
	char text[DATE_TEXT_SIZE];
	for (int32_t day = date(from); day <= date(to); day++) {
		bool weekend = ((day + 4) % 7) % 6 == 0;
		bool closed = weekend || listed[day - B3_CALENDAR_FIRST];
		if (b3_calendar_is_session(plain, day) == closed) {
			print_error("%s: %s is %s there\n", name, date_format(day, text),
				    closed ? "closed" : "a session");
			differences++;
		}
	}
	assert_int_equal(differences, 0);
}

static void mark(bool *listed, struct slice text)
{
	int32_t day;
	if (date_parse_iso(text, &day) && day >= B3_CALENDAR_FIRST && day <= B3_CALENDAR_LAST)
		listed[day - B3_CALENDAR_FIRST] = true;
}

static void the_list_from_2000(void **state)
{
	AUTO_FREE char *path = path_in(shared_data(), "calendar/B3.cal");
	AUTO_BUF struct buf bytes = {0};
	AUTO_FREE bool *listed = NEW_ARRAY(B3_CALENDAR_LAST - B3_CALENDAR_FIRST + 1, bool);
	struct err e = ERR_INIT;
	assert_int_equal(file_read(path, 1 << 20, &bytes, &e), OK);
	struct slice rest = buf_slice(&bytes);
	while (rest.n)
		mark(listed, slice_trim(slice_cut(&rest, '\n')));
	compare("B3.cal", listed, "2000-01-01", "2025-12-31");
}

static void the_list_from_1990(void **state)
{
	AUTO_FREE char *path = path_in(shared_data(), "calendar/Brazil_B3.json");
	AUTO_BUF struct buf bytes = {0};
	AUTO_FREE bool *listed = NEW_ARRAY(B3_CALENDAR_LAST - B3_CALENDAR_FIRST + 1, bool);
	AUTO_JSON json_t *root = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(file_read(path, 1 << 20, &bytes, &e), OK);
	assert_int_equal(json_parse(bytes.data, bytes.len, &root, &e), OK);
	json_t *holidays;
	assert_int_equal(json_get_array(root, "holidays", &holidays, &e), OK);
	size_t i;
	json_t *item;
	json_array_foreach(holidays, i, item)
		mark(listed, slice_of(json_string_value(item)));
	compare("Brazil_B3.json", listed, "1990-01-01", "2025-12-31");
}

/* Every recorded portfolio is of a day that the calendar calls a session. */
static void recorded_sessions(void **state)
{
	AUTO_FREE char *path = path_in(shared_data(), "portfolio");
	DIR *dir = opendir(path);
	assert_non_null(dir);
	int seen = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		size_t n = strlen(entry->d_name);
		int32_t day;
		if (n < 14 || !date_parse_iso((struct slice){entry->d_name + n - 14, 10}, &day))
			continue;
		if (!b3_calendar_is_session(plain, day))
			fail_msg("%s is no session", entry->d_name);
		seen++;
	}
	closedir(dir);
	assert_true(seen > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ends_are_what_the_header_says),
		cmocka_unit_test(sessions_of_each_year),
		cmocka_unit_test(days_about_which_lists_disagree),
		cmocka_unit_test(the_year_2026),
		cmocka_unit_test(easter_far_away),
		cmocka_unit_test(the_user_adds_and_removes),
		cmocka_unit_test(the_list_from_2000),
		cmocka_unit_test(the_list_from_1990),
		cmocka_unit_test(recorded_sessions),
	};
	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests_name("b3_calendar", tests, open_plain, close_plain);
}
