/* B3's trading calendar: on which days there is a session. Weekdays less holidays, computed from rules
 * with the years in which each held, dated exceptions, and the user's additions and removals.
 * Days are those of America/Sao_Paulo, as int32 days since 1970 (value.h). */
#ifndef PREGAO_B3_CALENDAR_H
#define PREGAO_B3_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* The first and the last day that it speaks of: 1990-01-01, 2199-12-31. On any other day it knows of
 * no session. */
#define B3_CALENDAR_FIRST 7305
#define B3_CALENDAR_LAST  84005

enum session_kind {
	SESSION_NONE,
	SESSION_HALF, /* opens late (Ash Wednesday) or ended early */
	SESSION_FULL,
};

struct b3_calendar;
/* add, remove: dates as YYYY-MM-DD, NULL-terminated (NULL: none), that are sessions or are none
 * whatever the rules say. ERR_USAGE for what is no date, lies outside the calendar, or stands in
 * both. */
int b3_calendar_new(const char *const *add, const char *const *remove, struct b3_calendar **ret,
		    struct err *) MUST_CHECK;
void b3_calendar_free(struct b3_calendar *); /* NULL is fine */

enum session_kind b3_calendar_kind(const struct b3_calendar *, int32_t day);
bool b3_calendar_is_session(const struct b3_calendar *, int32_t day);
/* The nearest session at or before that day; false when the calendar begins after it. */
bool b3_calendar_previous(const struct b3_calendar *, int32_t day, int32_t *ret);
/* Why a weekday has no session, or half of one, or has one all the same: the holiday's name in
 * Portuguese, as B3 publishes it, or "calendar.add", "calendar.remove". NULL for an ordinary day and
 * for weekends. */
const char *b3_calendar_reason(const struct b3_calendar *, int32_t day);

#endif
