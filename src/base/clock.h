/* Time comes through an interface, so that tests never sleep. Time is int64 microseconds since 1970
 * UTC. */
#ifndef PREGAO_CLOCK_H
#define PREGAO_CLOCK_H

#include <stdint.h>

#include "err.h"

struct clock;
struct clock_ops {
	int64_t (*now_us)(struct clock *);            /* wall clock, UTC */
	int64_t (*monotonic_us)(struct clock *);      /* for durations only */
	void (*sleep_us)(struct clock *, int64_t us); /* blocks; returns early on a signal */
};
struct clock {
	const struct clock_ops *ops;
};
extern struct clock clock_system;
static inline int64_t clock_now_us(struct clock *c)
{
	return c->ops->now_us(c);
}
static inline int64_t clock_monotonic_us(struct clock *c)
{
	return c->ops->monotonic_us(c);
}
static inline void clock_sleep_us(struct clock *c, int64_t us)
{
	c->ops->sleep_us(c, us);
}

#define TIME_TEXT_SIZE 40
/* "2026-11-23T17:12:00.123456Z" */
const char *time_format_utc(int64_t us, char buf[TIME_TEXT_SIZE]);
/* The form above, with no fraction or one of up to six digits; ERR_INPUT otherwise. */
int time_parse_utc(const char *text, int64_t *ret_us) MUST_CHECK;
/* Days since 1970 of the calendar day in America/Sao_Paulo, by the system's zone database.
 * ERR_NOT_FOUND (and says which package to install) when there is no zone database: a date is never
 * guessed. The first call reads the zone and sets TZ for the whole process: it comes before a
 * sandbox, and before threads that read the environment. */
int time_date_in_sao_paulo(int64_t us, int32_t *ret_days, struct err *) MUST_CHECK;
/* The same, and how many seconds of that day a clock on the wall has counted: 0 to 86399. */
int time_in_sao_paulo(int64_t us, int32_t *ret_days, int32_t *ret_second, struct err *) MUST_CHECK;
/* The other way: when a clock on the wall there shows that second of that day. What it shows twice
 * (daylight saving ended) is the first of the two; what it never shows (it began) is the moment of
 * the leap. So a later second never gives an earlier time. */
int time_from_sao_paulo(int32_t days, int32_t second, int64_t *ret_us, struct err *) MUST_CHECK;

#endif
