/* man: the manual page pregao(1), in troff, from the rows that --help comes from and the table of settings. */
#include <string.h>

#include "args.h"
#include "options.h"
#include "tr.h"

/* Text as it is: no character of it steers troff. */
static void put(const char *s)
{
	bool first = true; /* of a line */
	for (; *s; s++) {
		if (first && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
		first = *s == '\n';
	}
}

static void heading(const char *kind, const char *text)
{
	printf(".%s \"", kind);
	put(text);
	puts("\"");
}

/* A paragraph with its name out at the left. */
static void entry(const char *name, const char *argument, const char *text)
{
	fputs(".TP\n\\fB", stdout);
	put(name);
	fputs("\\fR", stdout);
	if (argument && *argument) {
		fputs(" \\fI", stdout);
		put(argument);
		fputs("\\fR", stdout);
	}
	putchar('\n');
	put(text);
	putchar('\n');
}

static void option(struct cli *cli, enum option_id id)
{
	const struct option_row *o = option_at(id);
	const char *name = o->letter ? arena_printf(cli->arena, "-%c, --%s", o->letter, o->name)
				     : arena_printf(cli->arena, "--%s", o->name);
	entry(name, o->argument, tr(o->help));
}

static void literal(const char *text)
{
	puts(".PP\n.EX");
	put(text);
	puts("\n.EE");
}

static void command(struct cli *cli, const struct command *c)
{
	entry(arena_printf(cli->arena, "pregao %s", c->name), c->arguments, tr(c->summary));
	puts(".RS");
	if (c->text) {
		puts(".PP");
		put(tr(c->text));
		putchar('\n');
	}
	for (size_t i = 0; i < OPTION_LIST_MAX && c->options[i] != OPT_COUNT; i++)
		option(cli, c->options[i]);
	if (c->examples)
		literal(c->examples);
	puts(".RE");
}

static void configuration(struct cli *cli)
{
	const char *section = NULL;
	heading("SH", tr("CONFIGURATION"));
	put(tr("An INI file; a flag is stronger than the environment, and that than the file. `pregao config show --template` prints one to begin with."));
	putchar('\n');
	for (size_t i = 0; i < settings_count; i++) {
		const struct conf_option *o = &settings[i];
		if (!section || strcmp(section, o->section) != 0)
			heading("SS", arena_printf(cli->arena, "[%s]", o->section));
		section = o->section;
		entry(o->key, o->allowed, tr(o->doc));
	}
	heading("SH", tr("ENVIRONMENT"));
	for (size_t i = 0; i < settings_count; i++) {
		const struct conf_option *o = &settings[i];
		if (o->environment)
			entry(o->environment, NULL,
			      arena_printf(cli->arena, "[%s] %s: %s", o->section, o->key,
					   tr(o->doc)));
	}
	const struct option_row *o = option_at(OPT_CONFIG);
	entry("PREGAO_CONFIG", NULL, tr(o->help));
	entry("PREGAO_DUCKDB", NULL,
	      tr("DuckDB's library, where it is not the one that came along"));
}

int cmd_man(struct cli *cli)
{
	printf(".\\\" Printed by `pregao man`.\n.TH PREGAO 1 \"\" \"pregao %s\"\n", PREGAO_VERSION);
	heading("SH", tr("NAME"));
	fputs("pregao \\- ", stdout);
	put(tr("B3's trading sessions in a lakehouse on your own machine"));
	putchar('\n');
	heading("SH", tr("SYNOPSIS"));
	puts("\\fBpregao\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]");
	heading("SH", tr("COMMANDS"));
	const char *group = NULL;
	for (size_t i = 0; i < command_count; i++) {
		if (!group || strcmp(group, commands[i].group) != 0) {
			group = commands[i].group;
			heading("SS", tr(group));
		}
		command(cli, &commands[i]);
	}
	heading("SH", tr("COMMON OPTIONS"));
	for (size_t i = 0; i < common_option_count; i++)
		option(cli, common_options[i]);
	configuration(cli);
	heading("SH", tr("EXIT STATUS"));
	put(tr("Exit status: 0 done, 1 failed, 2 wrong usage, 3 input rejected (quarantined), 4 doctor found something wrong."));
	putchar('\n');
	return EXIT_DONE;
}
