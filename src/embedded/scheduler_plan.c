/* Which slots a schedule has, and when: from minutes on a wall in São Paulo to times and back. */
#include "scheduler_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "value.h"

/* The longest wait for a session: 29 February comes after eight years at most, and is on a weekday or
 * a holiday-free one a few leap years later. */
#define HORIZON_DAYS (366 * 41)

int plan_session(const struct plan *p, int32_t day, struct planned *ret, struct err *e)
{
	date_format(day, ret->slot);
	return time_from_sao_paulo(day, cron_only_minute(&p->schedule.cron) * 60, &ret->at_us, e);
}

static int next_session(const struct plan *p, int64_t after_us, struct planned *ret,
			bool *ret_found, struct err *e)
{
	int32_t day;
	*ret_found = false;
	int rc = time_date_in_sao_paulo(after_us, &day, e);
	for (int i = 0; rc == OK && i < HORIZON_DAYS; i++, day++) {
		if (!cron_on_day(&p->schedule.cron, day) || !p->is_session(p->ctx, day))
			continue;
		rc = plan_session(p, day, ret, e);
		if (rc == OK && ret->at_us > after_us) {
			*ret_found = true;
			return OK;
		}
	}
	return rc;
}

static void minute_text(int64_t minute, struct planned *ret)
{
	char date[DATE_TEXT_SIZE];
	int of_day = (int)(minute % MINUTES_PER_DAY);
	snprintf(ret->slot, sizeof(ret->slot), "%.10sT%02d:%02d",
		 date_format((int32_t)(minute / MINUTES_PER_DAY), date), of_day / 60 % 24,
		 of_day % 60);
}

static int minute_at(int64_t us, int64_t *ret, struct err *e)
{
	int32_t day, second;
	int rc = time_in_sao_paulo(us, &day, &second, e);
	if (rc == OK && day < 0)
		rc = err_set(e, ERR_INPUT, "the clock shows a time before 1970");
	if (rc == OK)
		*ret = (int64_t)day * MINUTES_PER_DAY + second / 60;
	return rc;
}

int plan_minute(int64_t at_us, struct planned *ret, struct err *e)
{
	int64_t minute = 0;
	int rc = minute_at(at_us, &minute, e);
	minute_text(minute, ret);
	ret->at_us = at_us - at_us % 60000000;
	return rc;
}

int plan_next(const struct plan *p, int64_t after_us, struct planned *ret, bool *ret_found,
	      struct err *e)
{
	if (p->schedule.sessions)
		return next_session(p, after_us, ret, ret_found, e);
	int64_t minute;
	int rc = minute_at(after_us, &minute, e);
	*ret_found = true;
	/* In the hour that the wall shows twice, the minutes of the second time are over. */
	for (ret->at_us = INT64_MIN; rc == OK && ret->at_us <= after_us;) {
		minute = cron_next(&p->schedule.cron, minute);
		if (minute == INT64_MAX) {
			*ret_found = false;
			return OK;
		}
		rc = time_from_sao_paulo((int32_t)(minute / MINUTES_PER_DAY),
					 (int32_t)(minute % MINUTES_PER_DAY * 60), &ret->at_us, e);
	}
	if (rc == OK)
		minute_text(minute, ret);
	return rc;
}

int64_t plan_jitter(const struct plan *p, const char *slot, int attempt)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%" PRId64 "/%s/%s/%d", p->seed, p->schedule.name,
			 slot, attempt);
	uint64_t hash = (uint64_t)str_hash(text, (size_t)n);
	return (int64_t)(hash % ((uint64_t)p->schedule.jitter_us + 1));
}

bool plan_slot_day(const char *slot, int32_t *ret_day)
{
	return date_parse_iso(slice_of(slot), ret_day);
}
