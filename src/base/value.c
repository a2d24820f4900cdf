/* Exact numbers and dates from text and back. Every digit is looked at; what does not fit is
 * refused, never rounded. */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days are counted from 1 March of year 0, so that the leap day is the last of its year; 146,097
 * days are 400 years. */
#define DAYS_BEFORE_1970 719468

bool date_make(int year, int month, int day, int32_t *ret_days)
{
	static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	if (month < 1 || month > 12 || day < 1)
		return false;
	if (day > lengths[month - 1] + (month == 2 && is_leap(year)))
		return false;
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	int64_t days = era * 146097 + day_of_era - DAYS_BEFORE_1970;
	if (days < INT32_MIN || days > INT32_MAX)
		return false;
	*ret_days = (int32_t)days;
	return true;
}

void date_split(int32_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = (int64_t)days + DAYS_BEFORE_1970;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	*ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (int)(month < 10 ? month + 3 : month - 9);
	*ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

bool date_parse_iso(struct slice s, int32_t *ret_days)
{
	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-')
		return false;
	for (size_t i = 0; i < 10; i++)
		if (i != 4 && i != 7 && !is_digit(s.p[i]))
			return false;
	int year =
		(s.p[0] - '0') * 1000 + (s.p[1] - '0') * 100 + (s.p[2] - '0') * 10 + s.p[3] - '0';
	/* There is no year 0 in the calendar that people read. */
	return year > 0 && date_make(year, (s.p[5] - '0') * 10 + s.p[6] - '0',
				     (s.p[8] - '0') * 10 + s.p[9] - '0', ret_days);
}

const char *date_format(int32_t days, char buf[DATE_TEXT_SIZE])
{
	int year, month, day;
	date_split(days, &year, &month, &day);
	snprintf(buf, DATE_TEXT_SIZE, "%04d-%02d-%02d", year, month, day);
	return buf;
}

static bool add_digit(int128 *n, char c)
{
	if (!is_digit(c))
		return false;
	int128 tens;
	return !__builtin_mul_overflow(*n, (int128)10, &tens) &&
	       !__builtin_add_overflow(tens, (int128)(c - '0'), n);
}

bool br_number_parse(struct slice s, int scale, int128 *ret_scaled)
{
	struct slice decimals = s;
	struct slice whole = slice_cut(&decimals, ',');
	if (whole.n == s.n ? scale != 0 : decimals.n != (size_t)scale || scale == 0)
		return false;
	int128 n = 0;
	bool grouped = whole.n && memchr(whole.p, '.', whole.n);
	struct slice rest = whole;
	for (bool first = true; first || rest.n; first = false) {
		size_t left = rest.n;
		struct slice group = slice_cut(&rest, '.');
		if (group.n == 0 || (grouped && (first ? group.n > 3 : group.n != 3)))
			return false;
		if (group.n + 1 == left) /* a dot at the very end */
			return false;
		for (size_t i = 0; i < group.n; i++)
			if (!add_digit(&n, group.p[i]))
				return false;
	}
	for (size_t i = 0; i < decimals.n; i++)
		if (!add_digit(&n, decimals.p[i]))
			return false;
	*ret_scaled = n;
	return true;
}

bool decimal_parse(struct slice s, int scale, int128 *ret_scaled)
{
	bool negative = s.n && s.p[0] == '-';
	if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
		s.p++;
		s.n--;
	}
	struct slice decimals = s;
	struct slice whole = slice_cut(&decimals, '.');
	bool point = whole.n < s.n;
	if (whole.n == 0 || (point && decimals.n == 0) || scale < 0 || decimals.n > (size_t)scale)
		return false;
	int128 n = 0;
	for (size_t i = 0; i < whole.n; i++)
		if (!add_digit(&n, whole.p[i]))
			return false;
	for (size_t i = 0; i < (size_t)scale; i++)
		if (!add_digit(&n, i < decimals.n ? decimals.p[i] : '0'))
			return false;
	*ret_scaled = negative ? -n : n;
	return true;
}

const char *decimal_format(int128 scaled, int scale, char buf[DECIMAL_TEXT_SIZE])
{
	char digits[DECIMAL_TEXT_SIZE];
	int n = 0;
	/* Digits are taken with the number's own sign: the smallest number has no positive twin. */
	for (int128 left = scaled; n < DECIMAL_TEXT_SIZE - 4 && (left || n <= scale); left /= 10) {
		int digit = (int)(left % 10);
		digits[n++] = (char)('0' + (digit < 0 ? -digit : digit));
	}
	char *at = buf;
	if (scaled < 0)
		*at++ = '-';
	while (n > 0) {
		if (n == scale)
			*at++ = '.';
		*at++ = digits[--n];
	}
	*at = 0;
	return buf;
}

bool int64_parse(struct slice s, int64_t *ret)
{
	bool negative = s.n && s.p[0] == '-';
	size_t i = negative;
	if (i == s.n)
		return false;
	int64_t n = 0;
	/* Counted downwards, for the smallest number has no positive twin. */
	for (; i < s.n; i++)
		if (!is_digit(s.p[i]) || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_sub_overflow(n, s.p[i] - '0', &n))
			return false;
	if (!negative && n == INT64_MIN)
		return false;
	*ret = negative ? n : -n;
	return true;
}

bool duration_parse(struct slice s, int64_t *ret_us)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {
		{"ms", 1000},
		{"s", 1000000},
		{"m", INT64_C(60) * 1000000},
		{"h", INT64_C(3600) * 1000000},
		{"d", INT64_C(86400) * 1000000},
		{"", 1000000},
	};
	size_t n = 0;
	while (n < s.n && is_digit(s.p[n]))
		n++;
	int64_t number;
	if (!int64_parse((struct slice){s.p, n}, &number))
		return false;
	struct slice unit = {s.p + n, s.n - n};
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (slice_is(unit, units[i].name)) {
			int64_t us;
			if (__builtin_mul_overflow(number, units[i].us, &us))
				return false;
			*ret_us = us;
			return true;
		}
	return false;
}
