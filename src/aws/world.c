/* The real surroundings of the AWS drivers, and the two forms of time that AWS writes. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

const char *aws_environment(const struct aws_world *w, const char *name)
{
	const char *value = w->environment ? w->environment(w->ctx, name) : getenv(name);
	return value && value[0] ? value : NULL;
}

int aws_new_http(const struct aws_world *w, struct http **ret, struct err *e)
{
	return w->new_http ? w->new_http(w->ctx, ret, e) : http_curl_new(ret, e);
}

struct clock *aws_clock(const struct aws_world *w)
{
	return w->clock ? w->clock : &clock_system;
}

static bool moment(int32_t days, int hour, int minute, int second, int64_t *ret_us)
{
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return false;
	*ret_us = ((int64_t)days * 86400 + hour * 3600 + minute * 60 + second) * 1000000;
	return true;
}

bool aws_http_date(const char *text, int64_t *ret_us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char month[4];
	int day, year, hour, minute, second, end = 0;
	int32_t days;
	/* RFC 9110, 5.6.7: the one form that is sent */
	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month, &year,
		   &hour, &minute, &second, &end) != 6 ||
	    end == 0)
		return false;
	const char *at = strstr(months, month);
	if (strlen(month) != 3 || !at || (at - months) % 3 != 0)
		return false;
	return date_make(year, (int)(at - months) / 3 + 1, day, &days) &&
	       moment(days, hour, minute, second, ret_us);
}

bool aws_time(const char *text, int64_t *ret_us)
{
	int hour, minute, second, end = 0;
	int32_t days;
	size_t n = strlen(text);
	if (n < 20 || text[10] != 'T' || text[n - 1] != 'Z' ||
	    !date_parse_iso((struct slice){text, 10}, &days))
		return false;
	if (sscanf(text + 11, "%2d:%2d:%2d%n", &hour, &minute, &second, &end) != 3 ||
	    (text[11 + end] != 'Z' && text[11 + end] != '.'))
		return false;
	return moment(days, hour, minute, second, ret_us);
}
