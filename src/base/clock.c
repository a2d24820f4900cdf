/* The system's clock, and UTC time as text. The time in São Paulo comes from the C library and the
 * system's zone database: the zone is set in TZ at the first question, and stays, for nothing else
 * here asks for local time. */
#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "str.h"
#include "value.h"

#define US_PER_SECOND   INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)

static int64_t read_clock(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

static int64_t system_now_us(struct clock *c)
{
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(struct clock *c)
{
	return read_clock(CLOCK_MONOTONIC);
}

static void system_sleep_us(struct clock *c, int64_t us)
{
	if (us <= 0)
		return;
	struct timespec t = {.tv_sec = us / US_PER_SECOND, .tv_nsec = us % US_PER_SECOND * 1000};
	nanosleep(&t, NULL);
}

static const struct clock_ops system_ops = {
	.now_us = system_now_us,
	.monotonic_us = system_monotonic_us,
	.sleep_us = system_sleep_us,
};
struct clock clock_system = {&system_ops};

/* Division that rounds down, also before 1970. */
static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_rest(int64_t a, int64_t b)
{
	return a % b < 0 ? a % b + b : a % b;
}

const char *time_format_utc(int64_t us, char buf[TIME_TEXT_SIZE])
{
	int64_t seconds = floor_div(us, US_PER_SECOND);
	int64_t days = floor_div(seconds, SECONDS_PER_DAY);
	int64_t of_day = floor_rest(seconds, SECONDS_PER_DAY);
	char date[DATE_TEXT_SIZE];
	snprintf(buf, TIME_TEXT_SIZE, "%sT%02d:%02d:%02d.%06dZ", date_format((int32_t)days, date),
		 (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60),
		 (int)floor_rest(us, US_PER_SECOND));
	return buf;
}

int time_parse_utc(const char *text, int64_t *ret_us)
{
	static const char form[] = "0000-00-00T00:00:00";
	const size_t whole = sizeof(form) - 1;
	struct slice s = slice_of(text);
	if (s.n < whole + 1 || s.p[s.n - 1] != 'Z')
		return ERR_INPUT;
	for (size_t i = 0; i < whole; i++)
		if (form[i] == '0' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != form[i])
			return ERR_INPUT;
	int32_t days;
	int64_t hour, minute, second, micro = 0, unit = US_PER_SECOND;
	if (!date_parse_iso((struct slice){s.p, 10}, &days) ||
	    !int64_parse((struct slice){s.p + 11, 2}, &hour) ||
	    !int64_parse((struct slice){s.p + 14, 2}, &minute) ||
	    !int64_parse((struct slice){s.p + 17, 2}, &second) || hour > 23 || minute > 59 ||
	    second > 59)
		return ERR_INPUT;
	size_t digits = s.n - whole - 1;
	if (digits && (s.p[whole] != '.' || digits == 1 || digits > 7))
		return ERR_INPUT;
	for (size_t i = 1; i < digits; i++) {
		char c = s.p[whole + i];
		if (c < '0' || c > '9')
			return ERR_INPUT;
		unit /= 10;
		micro += (c - '0') * unit;
	}
	*ret_us = ((days * SECONDS_PER_DAY) + hour * 3600 + minute * 60 + second) * US_PER_SECOND +
		  micro;
	return OK;
}

#define ZONE "America/Sao_Paulo"

static pthread_mutex_t zone_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool zone_is_set;

/* Without its file the C library would take the zone for UTC and say nothing, so the file is looked
 * for first. */
static int set_zone(struct err *e)
{
	const char *folder = getenv("TZDIR");
	char path[512];
	snprintf(path, sizeof(path), "%s/" ZONE,
		 folder && folder[0] ? folder : "/usr/share/zoneinfo");
	if (access(path, R_OK) != 0)
		return err_set(
			e, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_DENIED,
			"the time zone %s cannot be read from %s; the package tzdata brings it",
			ZONE, path);
	if (setenv("TZ", ":" ZONE, 1) != 0)
		return err_errno(e, errno, "cannot set the time zone");
	tzset();
	zone_is_set = true;
	return OK;
}

static int wall(int64_t seconds, struct tm *ret, struct err *e)
{
	int rc = OK;
	pthread_mutex_lock(&zone_mutex);
	if (!zone_is_set)
		rc = set_zone(e);
	pthread_mutex_unlock(&zone_mutex);
	if (rc < 0)
		return rc;
	time_t t = seconds;
	if (!localtime_r(&t, ret))
		return err_set(e, ERR_INPUT, "the time %" PRId64 " is outside the calendar",
			       seconds);
	return OK;
}

int time_in_sao_paulo(int64_t us, int32_t *ret_days, int32_t *ret_second, struct err *e)
{
	struct tm tm;
	int rc = wall(floor_div(us, US_PER_SECOND), &tm, e);
	if (rc < 0)
		return rc;
	if (!date_make(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, ret_days))
		return err_set(e, ERR_INPUT, "the time %" PRId64 " is outside the calendar",
			       floor_div(us, US_PER_SECOND));
	*ret_second = tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
	return OK;
}

int time_date_in_sao_paulo(int64_t us, int32_t *ret_days, struct err *e)
{
	int32_t second;
	return time_in_sao_paulo(us, ret_days, &second, e);
}

/* The first second of the new offset, between two of which the first has the old one. */
static int find_leap(int64_t old, int64_t new, int64_t *ret, struct err *e)
{
	struct tm tm;
	int rc = wall(old, &tm, e);
	long offset = rc == OK ? tm.tm_gmtoff : 0;
	while (rc == OK && new - old > 1) {
		int64_t middle = old + (new - old) / 2;
		rc = wall(middle, &tm, e);
		if (tm.tm_gmtoff == offset)
			old = middle;
		else
			new = middle;
	}
	*ret = new;
	return rc;
}

int time_from_sao_paulo(int32_t days, int32_t second, int64_t *ret_us, struct err *e)
{
	int64_t shown = days * SECONDS_PER_DAY + second;
	struct tm before, after, at_early, at_late;
	/* No zone changes twice within two days: these are the only offsets that may hold. */
	int rc = wall(shown - SECONDS_PER_DAY, &before, e);
	if (rc == OK)
		rc = wall(shown + SECONDS_PER_DAY, &after, e);
	if (rc < 0)
		return rc;
	int64_t by_before = shown - before.tm_gmtoff, by_after = shown - after.tm_gmtoff;
	int64_t found = by_before;
	if (by_after != by_before) {
		rc = wall(by_before, &at_early, e);
		if (rc == OK)
			rc = wall(by_after, &at_late, e);
		if (rc < 0)
			return rc;
		/* Where both are right, the clock shows it twice, and the first counts. */
		if (at_early.tm_gmtoff != before.tm_gmtoff) {
			found = by_after;
			if (at_late.tm_gmtoff != after.tm_gmtoff)
				rc = find_leap(by_after, by_before, &found, e);
		}
	}
	if (rc == OK)
		*ret_us = found * US_PER_SECOND;
	return rc;
}
