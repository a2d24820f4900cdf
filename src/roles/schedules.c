/* What the configuration says about time: the trading calendar and the schedules. Defaults of a
 * schedule are rows of options.c; the names that exist without being configured are here. */
#include "schedules.h"

#include <string.h>

#include "value.h"

#define FAMILY "schedule.*"

const char *const schedules_built_in[] = {"portfolio", NULL};
#define BUILT_IN (ARRAY_LEN(schedules_built_in) - 1)

int schedules_calendar(const struct conf *conf, struct b3_calendar **ret, struct err *e)
{
	const char *const *add = conf_list(conf, "calendar", "add");
	const char *const *remove = conf_list(conf, "calendar", "remove");
	struct b3_calendar *alone;
	struct err why = ERR_INIT;
	int rc = b3_calendar_new(add, remove, ret, e);
	if (rc == OK)
		return OK;
	bool removes = b3_calendar_new(add, NULL, &alone, &why) == OK;
	if (removes)
		b3_calendar_free(alone);
	return err_where(e, conf_origin(conf, "calendar", removes ? "remove" : "add"));
}

/* Whether it has a trading session at all: "0 19 25 12 *" and "0 19 * * 6" have none. */
static bool meets_a_session(const struct schedule *s, const struct b3_calendar *calendar)
{
	int32_t first, last;
	if (!date_make(2026, 1, 1, &first) || !date_make(2066, 12, 31, &last))
		return false;
	for (int32_t day = first; day <= last; day++)
		if (cron_on_day(&s->cron, day) && b3_calendar_is_session(calendar, day))
			return true;
	return false;
}

static int check(const struct schedule *s, const struct b3_calendar *calendar, struct err *e)
{
	int rc = schedule_check(s, e);
	if (rc)
		return rc;
	if (s->sessions && !meets_a_session(s, calendar))
		rc = err_set(e, ERR_USAGE,
			     "schedule %s never comes due: its days are no trading sessions",
			     s->name);
	return rc;
}

/* What is wrong with a schedule is wrong with several of its lines together: the first that says
 * something. */
static const char *place_of(const struct conf *conf, const char *section)
{
	static const char *const keys[] = {"cron",     "deadline", "retry", "sessions",
					   "catch_up", "jitter",   "task",  "answer"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(conf_origin(conf, section, keys[i]), "default") != 0)
			return conf_origin(conf, section, keys[i]);
	return "default";
}

static int load(const struct conf *conf, const struct b3_calendar *calendar, struct arena *arena,
		const char *name, struct schedule *ret, bool *ret_enabled, struct err *e)
{
	const char *section = arena_printf(arena, "schedule.%s", name);
	*ret_enabled = strcmp(conf_text(conf, section, "enabled"), "yes") == 0;
	*ret = (struct schedule){.name = arena_strdup(arena, name),
				 .task = conf_text(conf, section, "task"),
				 .sessions = strcmp(conf_text(conf, section, "sessions"), "yes") ==
					     0,
				 .catch_up_us = conf_duration_us(conf, section, "catch_up"),
				 .jitter_us = conf_duration_us(conf, section, "jitter"),
				 .retry_us = conf_duration_us(conf, section, "retry"),
				 .deadline_us = conf_duration_us(conf, section, "deadline"),
				 .answer_us = conf_duration_us(conf, section, "answer")};
	int rc = cron_parse(conf_text(conf, section, "cron"), &ret->cron, e);
	if (rc == OK)
		rc = check(ret, calendar, e);
	return rc ? err_where(e, place_of(conf, section)) : OK;
}

int schedules_load(const struct conf *conf, struct arena *arena, struct schedule **ret,
		   size_t *ret_count, struct err *e)
{
	size_t count = 0, members = 0;
	struct b3_calendar *calendar;
	int rc = schedules_calendar(conf, &calendar, e);
	if (rc)
		return rc;
	while (conf_member(conf, FAMILY, members))
		members++;
	struct schedule *list = ANEW_ARRAY(arena, BUILT_IN + members, struct schedule);
	for (size_t i = 0; i < BUILT_IN + members && rc == OK; i++) {
		bool own = i >= BUILT_IN, enabled;
		const char *name = own ? conf_member(conf, FAMILY, i - BUILT_IN)
				       : schedules_built_in[i];
		if (own && str_among(name, schedules_built_in, BUILT_IN))
			continue;
		rc = load(conf, calendar, arena, name, &list[count], &enabled, e);
		count += rc == OK && enabled;
	}
	b3_calendar_free(calendar);
	if (rc)
		return rc;
	*ret = list;
	*ret_count = count;
	return OK;
}
