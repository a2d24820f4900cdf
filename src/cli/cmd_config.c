/* config check, show: settings and where they come from. */
#include <string.h>

#include "cli.h"
#include "options.h"
#include "render.h"
#include "tr.h"

int cmd_config_check(struct cli *cli)
{
	struct err e = ERR_INIT;
	/* The file in force was read before this command began; reaching this line means that it is
	 * sound. */
	if (cli->word_count) {
		struct conf *c = conf_new(settings, settings_count);
		int rc = conf_load_file(c, cli->words[0], &e);
		conf_free(c);
		if (rc)
			return cli_fail(cli, &e), EXIT_FAILED;
	}
	if (cli->format == FORMAT_JSON)
		puts("{\"ok\":true}");
	else
		puts(tr("the configuration is sound"));
	return EXIT_DONE;
}

static const char *value_text(struct cli *cli, const struct conf_option *o)
{
	return arena_strdup(cli->arena, conf_shown(cli->conf, o->section, o->key));
}

int cmd_config_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	if (cli->format == FORMAT_TABLE) {
		/* In the form of the file itself, so that the output can be saved and edited. */
		const char *section = "";
		for (size_t i = 0; i < settings_count; i++) {
			const struct conf_option *o = &settings[i];
			if (strcmp(section, o->section) != 0)
				printf("%s[%s]\n", i ? "\n" : "", section = o->section);
			printf("; %s\n", tr(o->doc));
			if (o->environment)
				printf(tr("; environment: %s\n"), o->environment);
			const char *origin = conf_origin(cli->conf, o->section, o->key);
			if (strcmp(origin, "default") != 0)
				printf(tr("; from %s\n"), origin);
			printf("%s = %s\n", o->key, value_text(cli, o));
		}
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
		listing_text(l, o->section);
		listing_text(l, o->key);
		listing_text(l, value_text(cli, o));
		listing_text(l, conf_origin(cli->conf, o->section, o->key));
		listing_text(l, o->fallback);
		listing_text(l, o->environment);
		listing_text(l, o->doc);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
