/* doctor: what is wrong with the lake, and the command that mends it. */
#include "doctor.h"

#include "cli.h"
#include "render.h"

int cmd_doctor(struct cli *cli)
{
	struct err e = ERR_INIT, why = ERR_INIT;
	bool opened = cli_system(cli, SYSTEM_READ, &why) == OK;
	struct doctor d = {.system = opened ? cli->system : NULL,
			   .conf = cli->conf,
			   .why = &why,
			   .definitions = cli_definitions(cli),
			   .lake = cli_value(cli, OPT_LAKE),
			   .all = cli_flag(cli, OPT_ALL),
			   .now_us = clock_now_us(&clock_system),
			   .arena = cli->arena};
	struct finding *findings;
	size_t count;
	bool well = true;
	doctor_examine(&d, &findings, &count);
	static const struct column columns[] = {{.name = "check", .type = COL_TEXT},
						{.name = "severity", .type = COL_TEXT},
						{.name = "what", .type = COL_TEXT},
						{.name = "mend", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		well = well && findings[i].severity <= SEVERITY_NOTE;
		listing_text(l, findings[i].check);
		listing_text(l, severity_name(findings[i].severity));
		listing_text(l, findings[i].what);
		listing_text(l, findings[i].mend);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : well ? EXIT_DONE : EXIT_UNWELL;
}
