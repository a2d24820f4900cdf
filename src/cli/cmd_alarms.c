/* alarms list, check, history: what is watched, how it stands, and how it came to be. */
#include <string.h>

#include "alarms.h"
#include "cli.h"
#include "render.h"

/* What is written down about it; NULL: nothing, or a lake that may not be written. */
static const struct alarm_record *record_of(const struct alarm_record *records, size_t n,
					    const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(records[i].name, name) == 0)
			return &records[i];
	return NULL;
}

static int show(struct cli *cli, int64_t now, bool *ret_on)
{
	struct err e = ERR_INIT;
	struct alarm_seen *seen;
	struct alarm_record *records = NULL;
	size_t count, known = 0;
	*ret_on = false;
	if (alarms_look(cli->system, cli->conf, now, cli->arena, &seen, &count, &e) != 0)
		return cli_fail(cli, &e);
	if (telemetry_alarms(system_telemetry(cli->system), cli->arena, &records, &known, &e) != 0)
		known = 0;
	static const struct column columns[] = {{.name = "alarm", .type = COL_TEXT},
						{.name = "kind", .type = COL_TEXT},
						{.name = "state", .type = COL_TEXT},
						{.name = "since", .type = COL_TEXT},
						{.name = "text", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		const struct alarm_record *r = record_of(records, known, seen[i].alarm->name);
		listing_text(l, seen[i].alarm->name);
		listing_text(l, alarm_kind_name(seen[i].alarm->kind));
		listing_text(l, alarm_state_name(seen[i].state));
		listing_time(l, r && r->state == seen[i].state ? r->since_us : 0);
		listing_text(l, seen[i].text);
		*ret_on = *ret_on || seen[i].state == ALARM_ON;
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_alarms_list(struct cli *cli)
{
	struct err e = ERR_INIT;
	bool on;
	if (cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	return show(cli, clock_now_us(&clock_system), &on);
}

int cmd_alarms_check(struct cli *cli)
{
	struct err e = ERR_INIT;
	bool on;
	int64_t now = clock_now_us(&clock_system);
	if (cli_system(cli, SYSTEM_READ, &e) != 0 ||
	    alarms_evaluate(cli->system, cli->conf, now, NULL, &e) != 0)
		return cli_fail(cli, &e);
	int code = show(cli, now, &on);
	return code == EXIT_DONE && on ? EXIT_UNWELL : code;
}

int cmd_alarms_history(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct alarm_change *changes = NULL;
	size_t count = 0;
	int64_t limit;
	if (cli_int(cli, OPT_LIMIT, 1, 1000, 50, &limit, &e) != 0 ||
	    cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	struct telemetry *t = system_telemetry(cli->system);
	if (t && telemetry_alarm_history(t, (size_t)limit, cli->arena, &changes, &count, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "at", .type = COL_TEXT},      {.name = "alarm", .type = COL_TEXT},
		{.name = "was", .type = COL_TEXT},     {.name = "state", .type = COL_TEXT},
		{.name = "told", .type = COL_BOOLEAN}, {.name = "attempts", .type = COL_BIGINT},
		{.name = "text", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		listing_time(l, changes[i].at_us);
		listing_text(l, changes[i].alarm);
		listing_text(l, alarm_state_name(changes[i].was));
		listing_text(l, alarm_state_name(changes[i].state));
		listing_bool(l, changes[i].told);
		listing_int(l, changes[i].attempts);
		listing_text(l, changes[i].text);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
