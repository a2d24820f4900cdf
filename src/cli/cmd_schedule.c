/* schedule list, next, run; calendar sessions: what is due when, and the days that B3 trades on. */
#include <string.h>

#include "cli.h"
#include "render.h"
#include "schedules.h"
#include "tr.h"
#include "value.h"

#define NEXT_MAX 10000

static int open_scheduler(struct cli *cli, enum system_mode mode, struct schedule **ret,
			  size_t *ret_count, struct scheduler **ret_scheduler, struct err *e)
{
	int rc = cli_system(cli, mode, e);
	if (rc == OK)
		rc = schedules_load(cli->conf, cli->arena, ret, ret_count, e);
	return rc ? rc : system_scheduler(cli->system, ret_scheduler, e);
}

static int list_one(struct cli *cli, struct listing *l, const struct schedule *s,
		    struct scheduler *scheduler, struct err *e)
{
	struct schedule_slot last, next;
	size_t known = 0, coming = 0;
	int rc = scheduler_slots(scheduler, s->name, 1, cli->arena, &last, &known, e);
	if (rc == OK)
		rc = scheduler_next(scheduler, s->name, 1, &next, &coming, e);
	if (rc)
		return rc;
	const char *section = arena_printf(cli->arena, "schedule.%s", s->name);
	listing_text(l, s->name);
	listing_text(l, s->task);
	listing_text(l, conf_text(cli->conf, section, "cron"));
	listing_bool(l, s->sessions);
	listing_text(l, known ? last.slot : NULL);
	listing_text(l, known ? slot_state_name(last.state) : NULL);
	listing_text(l, coming ? next.slot : NULL);
	listing_time(l, coming ? next.next_us : 0);
	return OK;
}

int cmd_schedule_list(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct schedule *schedules;
	struct scheduler *scheduler;
	size_t count;
	if (open_scheduler(cli, SYSTEM_READ, &schedules, &count, &scheduler, &e) != OK)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "schedule", .type = COL_TEXT}, {.name = "task", .type = COL_TEXT},
		{.name = "cron", .type = COL_TEXT},     {.name = "sessions", .type = COL_BOOLEAN},
		{.name = "last", .type = COL_TEXT},     {.name = "state", .type = COL_TEXT},
		{.name = "next", .type = COL_TEXT},     {.name = "due", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int rc = OK;
	for (size_t i = 0; i < count && rc == OK; i++)
		rc = list_one(cli, l, &schedules[i], scheduler, &e);
	if (rc == OK)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_schedule_next(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct schedule *schedules;
	struct scheduler *scheduler;
	size_t count;
	int64_t limit;
	if (cli_int(cli, OPT_LIMIT, 1, NEXT_MAX, 5, &limit, &e) != OK ||
	    open_scheduler(cli, SYSTEM_READ, &schedules, &count, &scheduler, &e) != OK)
		return cli_fail(cli, &e);
	static const struct column columns[] = {{.name = "schedule", .type = COL_TEXT},
						{.name = "slot", .type = COL_TEXT},
						{.name = "planned", .type = COL_TEXT},
						{.name = "due", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	struct schedule_slot *slots = ANEW_ARRAY(cli->arena, (size_t)limit, struct schedule_slot);
	const char *only = cli->word_count ? cli->words[0] : NULL;
	bool any = false;
	int rc = OK;
	for (size_t i = 0; i < count && rc == OK; i++) {
		size_t n = 0;
		if (only && strcmp(only, schedules[i].name) != 0)
			continue;
		any = true;
		rc = scheduler_next(scheduler, schedules[i].name, (size_t)limit, slots, &n, &e);
		for (size_t k = 0; k < n; k++) {
			listing_text(l, slots[k].schedule);
			listing_text(l, slots[k].slot);
			listing_time(l, slots[k].planned_us);
			listing_time(l, slots[k].next_us);
		}
	}
	if (only && !any)
		rc = err_set(&e, ERR_NOT_FOUND,
			     "there is no schedule `%s`; `pregao schedule list` shows them", only);
	if (rc == OK)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_schedule_run(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct schedule *schedules;
	struct scheduler *scheduler;
	struct schedule_slot slot;
	size_t count;
	int32_t session;
	bool dry = cli_flag(cli, OPT_DRY_RUN), given = cli_value(cli, OPT_SESSION) != NULL;
	if (cli_date(cli, OPT_SESSION, 0, &session, &e) != OK ||
	    open_scheduler(cli, dry ? SYSTEM_READ : SYSTEM_WRITE, &schedules, &count, &scheduler,
			   &e) != OK)
		return cli_fail(cli, &e);
	if (dry) {
		size_t n;
		if (scheduler_next(scheduler, cli->words[0], 1, &slot, &n, &e) != OK)
			return cli_fail(cli, &e);
		printf(tr("the message of schedule %s would be sent\n"), cli->words[0]);
		return EXIT_DONE;
	}
	if (scheduler_run(scheduler, cli->words[0], given ? &session : NULL, &slot, &e) != OK)
		return cli_fail(cli, &e);
	if (cli->format == FORMAT_JSON)
		printf("{\"schedule\":\"%s\",\"slot\":\"%s\",\"attempt\":%d}\n", slot.schedule,
		       slot.slot, slot.attempts);
	else
		printf(tr("sent: schedule %s, %s, attempt %d\n"), slot.schedule, slot.slot,
		       slot.attempts);
	return EXIT_DONE;
}

/* -- the calendar ------------------------------------------------------------------------------ */

static int range(struct cli *cli, int32_t *ret_from, int32_t *ret_to, struct err *e)
{
	int32_t from = 0, last = 0;
	int year, month, day;
	int rc = OK;
	if (!cli_value(cli, OPT_FROM_DAY))
		rc = time_date_in_sao_paulo(clock_now_us(&clock_system), &from, e);
	if (rc == OK)
		rc = cli_date(cli, OPT_FROM_DAY, from, &from, e);
	if (rc)
		return rc;
	date_split(from, &year, &month, &day);
	if (!date_make(year, 12, 31, &last))
		last = from;
	rc = cli_date(cli, OPT_TO_DAY, last, ret_to, e);
	if (rc == OK && (from < B3_CALENDAR_FIRST || *ret_to > B3_CALENDAR_LAST))
		rc = err_set(e, ERR_USAGE, "the calendar reaches from 1990-01-01 to 2199-12-31");
	if (rc == OK && *ret_to < from)
		rc = err_set(e, ERR_USAGE, "--to is before --from");
	*ret_from = from;
	return rc;
}

static int print_sessions(struct cli *cli, const struct b3_calendar *c, int32_t from, int32_t to,
			  struct err *e)
{
	static const struct column columns[] = {{.name = "session", .type = COL_TEXT},
						{.name = "kind", .type = COL_TEXT},
						{.name = "reason", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	char text[DATE_TEXT_SIZE];
	for (int32_t day = from; day <= to; day++) {
		enum session_kind kind = b3_calendar_kind(c, day);
		if (kind == SESSION_NONE)
			continue;
		date_format(day, text);
		if (cli->format == FORMAT_TABLE)
			puts(text);
		listing_text(l, text);
		listing_text(l, kind == SESSION_HALF ? "half" : "full");
		listing_text(l, b3_calendar_reason(c, day));
	}
	int rc = cli->format == FORMAT_TABLE ? OK : listing_print(l, cli, e);
	listing_free(l);
	return rc;
}

int cmd_calendar_sessions(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct b3_calendar *calendar;
	int32_t from, to;
	if (range(cli, &from, &to, &e) != OK || schedules_calendar(cli->conf, &calendar, &e) != OK)
		return cli_fail(cli, &e);
	int rc = print_sessions(cli, calendar, from, to, &e);
	b3_calendar_free(calendar);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
