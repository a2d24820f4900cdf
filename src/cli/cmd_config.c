/* config check, show: settings and where they come from. */
#include <string.h>

#include "alarms.h"
#include "cli.h"
#include "options.h"
#include "render.h"
#include "schedules.h"
#include "tr.h"
#include "up_settings.h"

/* What one value alone does not show: all that `pregao up` would refuse. */
static int check_together(struct cli *cli, const struct conf *conf, struct err *e)
{
	struct up_settings s = {.lake = cli_lake(cli), .conf = conf};
	return up_settings_read(&s, NULL, NULL, cli->arena, e);
}

int cmd_config_check(struct cli *cli)
{
	struct err e = ERR_INIT;
	/* The file in force was read before this command began; reaching this line means that it is
	 * sound. */
	if (cli->word_count) {
		struct conf *c = conf_new(settings, settings_count);
		int rc = conf_load_file(c, cli->words[0], &e);
		if (rc == ERR_NOT_FOUND || rc == ERR_INPUT)
			e.code = ERR_USAGE; /* the words are wrong, not the machine */
		if (rc == OK)
			rc = check_together(cli, c, &e);
		conf_free(c);
		if (rc)
			return cli_fail(cli, &e);
	} else if (check_together(cli, cli->conf, &e) != OK) {
		return cli_fail(cli, &e);
	}
	if (cli->format == FORMAT_JSON)
		puts("{\"ok\":true}");
	else
		puts(tr("the configuration is sound"));
	return EXIT_DONE;
}

static bool is_family(const struct conf_option *o)
{
	size_t n = strlen(o->section);
	return n > 2 && strcmp(o->section + n - 2, ".*") == 0;
}

/* In the form of the file itself, so that the output can be saved and edited. */
static void print_option(struct cli *cli, const char *section, const struct conf_option *o)
{
	const char *origin = conf_origin(cli->conf, section, o->key);
	printf("; %s\n", tr(o->doc));
	if (o->environment)
		printf(tr("; environment: %s\n"), o->environment);
	if (strcmp(origin, "default") != 0)
		printf(tr("; from %s\n"), origin);
	printf("%s = %s\n", o->key, conf_shown(cli->conf, section, o->key));
}

/* The members of a family that are there without being in the file. */
static const char *const *built_in(const struct conf_option *family)
{
	return strcmp(family->section, "alarm.*") == 0 ? alarms_built_in : schedules_built_in;
}

/* What the file may have any number of: the members that there are, built-in ones first. */
static const char *const *members(struct cli *cli, const struct conf_option *family)
{
	const char *const *there = built_in(family);
	size_t n = 0, count = 0, there_count = 0;
	while (there[there_count])
		there_count++;
	while (conf_member(cli->conf, family->section, n))
		n++;
	const char **list = ANEW_ARRAY(cli->arena, n + there_count + 1, const char *);
	for (size_t i = 0; i < there_count; i++)
		list[count++] = there[i];
	for (size_t i = 0; i < n; i++) {
		const char *name = conf_member(cli->conf, family->section, i);
		if (!str_among(name, list, count))
			list[count++] = name;
	}
	return list;
}

static const char *member_section(struct cli *cli, const struct conf_option *o, const char *name)
{
	return arena_printf(cli->arena, "%.*s%s", (int)strlen(o->section) - 1, o->section, name);
}

/* The rows from `at` on that share its section; returns the first behind them. */
static size_t print_section(struct cli *cli, size_t at, const char *name)
{
	const struct conf_option *first = &settings[at];
	const char *section = name ? member_section(cli, first, name) : first->section;
	printf("%s[%s]\n", at ? "\n" : "", section);
	for (; at < settings_count && strcmp(settings[at].section, first->section) == 0; at++)
		print_option(cli, section, &settings[at]);
	return at;
}

static void print_all(struct cli *cli)
{
	size_t next;
	for (size_t at = 0; at < settings_count; at = next) {
		if (!is_family(&settings[at])) {
			next = print_section(cli, at, NULL);
			continue;
		}
		next = at;
		for (const char *const *name = members(cli, &settings[at]); *name; name++)
			next = print_section(cli, at, *name);
	}
}

/* A file to begin with: nothing in it is in force until its ; is taken away. What a family's first section says of
 * its settings, the others do not say again. */
static size_t print_template_section(struct cli *cli, size_t at, const char *name, bool explained)
{
	const struct conf_option *first = &settings[at];
	printf("\n[%s]\n", name ? member_section(cli, first, name) : first->section);
	for (; at < settings_count && strcmp(settings[at].section, first->section) == 0; at++) {
		const struct conf_option *o = &settings[at];
		if (!explained)
			printf("; %s\n", tr(o->doc));
		if (!explained && o->allowed)
			printf("; %s\n", o->allowed);
		if (!explained && o->environment)
			printf(tr("; environment: %s\n"), o->environment);
		printf(";%s =%s%s\n", o->key, *o->fallback ? " " : "", o->fallback);
	}
	return at;
}

static void print_template(struct cli *cli)
{
	size_t next;
	puts(tr("; pregao's configuration: its place is ~/.config/pregao/pregao.ini, or what --config or PREGAO_CONFIG say.\n"
		"; Every setting is here with its default; take the ; in front of a key away to change it.\n"
		"; What the command line says comes before the environment, that before this file. `pregao config check` checks it."));
	for (size_t at = 0; at < settings_count; at = next) {
		next = at;
		if (!is_family(&settings[at])) {
			next = print_template_section(cli, at, NULL, false);
			continue;
		}
		const char *const *names = built_in(&settings[at]);
		for (size_t i = 0; names[i]; i++)
			next = print_template_section(cli, at, names[i], i > 0);
	}
}

static void list_option(struct cli *cli, struct listing *l, const char *section,
			const struct conf_option *o)
{
	listing_text(l, section);
	listing_text(l, o->key);
	listing_text(l, conf_shown(cli->conf, section, o->key));
	listing_text(l, conf_origin(cli->conf, section, o->key));
	listing_text(l, o->fallback);
	listing_text(l, o->environment);
	listing_text(l, o->doc);
}

int cmd_config_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	if (cli_flag(cli, OPT_TEMPLATE)) {
		print_template(cli);
		return EXIT_DONE;
	}
	if (cli->format == FORMAT_TABLE) {
		print_all(cli);
		return EXIT_DONE;
	}
	static const struct column columns[] = {
		{.name = "section", .type = COL_TEXT},  {.name = "key", .type = COL_TEXT},
		{.name = "value", .type = COL_TEXT},    {.name = "origin", .type = COL_TEXT},
		{.name = "fallback", .type = COL_TEXT}, {.name = "environment", .type = COL_TEXT},
		{.name = "doc", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < settings_count; i++) {
		const struct conf_option *o = &settings[i];
		if (!is_family(o)) {
			list_option(cli, l, o->section, o);
			continue;
		}
		for (const char *const *name = members(cli, o); *name; name++)
			list_option(cli, l, member_section(cli, o, *name), o);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
