/* Cron expressions: "minute hour day month weekday", each a number, a range, a list, * or any of
 * these with a step; months and weekdays by their English names too. They speak of a clock on a
 * wall; which wall is the caller's business. */
#ifndef PREGAO_CRON_H
#define PREGAO_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define MINUTES_PER_DAY 1440

/* Sets of numbers, a bit each. */
struct cron {
	uint64_t minutes;          /* 0 to 59 */
	uint32_t hours;            /* 0 to 23 */
	uint32_t days;             /* 1 to 31 */
	uint32_t months;           /* 1 to 12 */
	uint32_t weekdays;         /* 0 Sunday to 6 */
	bool any_day, any_weekday; /* that field begins with * */
};
/* ERR_USAGE says which field is wrong and what was expected, or that no such day exists ("31
 * February"). */
int cron_parse(const char *text, struct cron *ret, struct err *) MUST_CHECK;
/* Whether it has minutes on that day (days since 1970). As in crontab(5): where both the day and
 * the weekday are restricted, one of them is enough. */
bool cron_on_day(const struct cron *, int32_t day);
/* The first minute strictly after `after`, both as minutes shown since 1970-01-01 00:00. */
int64_t cron_next(const struct cron *, int64_t after);
/* The only minute of the day; -1 when there are several. */
int cron_only_minute(const struct cron *);

#endif
