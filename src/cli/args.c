/* The command line: words and options to struct cli, and help from the same rows.
 * Options may stand anywhere; "--" ends them; "--name value" and "--name=value" are the same. */
#include "args.h"

#include <string.h>

#include "tr.h"

/* In the order of enum option_id. */
static const struct option_row options[OPT_COUNT] = {
	[OPT_LAKE] =
		{"lake", 0, "PLACE",
		 "the lake: a folder or s3://bucket/prefix (else PREGAO_LAKE, else `lake` under XDG_DATA_HOME/pregao)"},
	[OPT_CONFIG] =
		{"config", 0, "FILE",
		 "configuration file (else PREGAO_CONFIG, else XDG_CONFIG_HOME/pregao/pregao.ini)"},
	[OPT_DEFINITIONS] = {"definitions", 0, "DIR",
			     "your own job definitions (else XDG_DATA_HOME/pregao)"},
	[OPT_FORMAT] = {"format", 0, "table|json|csv|csv-br",
			"form of the result (sql also: ndjson, parquet)"},
	[OPT_QUIET] = {"quiet", 'q', NULL, "results and errors only"},
	[OPT_VERBOSE] = {"verbose", 'v', NULL, "log events on stderr as they happen"},
	[OPT_HELP] = {"help", 'h', NULL, "this text"},
	[OPT_INDEX] = {"index", 0, "NAME[,NAME]",
		       "B3 index or indices (else the configuration's list)"},
	[OPT_AS_OF] =
		{"as-of", 0, "DATE",
		 "the date that days_since_session counts to (else the day each payload first landed)"},
	[OPT_INPUT] =
		{"input", 0, "live|sample|auto|FILE",
		 "where the session comes from; auto is live, else the sample (default: live)"},
	[OPT_URL] = {"url", 0, "BASE",
		     "base address of B3's index service (plain http to loopback only)"},
	[OPT_DRY_RUN] = {"dry-run", 'n', NULL, "say what would be done, change nothing"},
	[OPT_OUTPUT] = {"output", 'o', "FILE", "write the result to FILE (complete or not at all)"},
	[OPT_TO] = {"to", 0, "sql|spark|glue-script|glue-nodes", "what to export to"},
	[OPT_NODE] = {"node", 0, "ID", "this node of the graph (default: each target)"},
	[OPT_LIMIT] = {"limit", 0, "N", "at most N rows"},
	[OPT_SCOPE] = {"partition", 0, "PATH[,PATH]",
		       "only these source partitions, as `pregao partitions` prints them"},
	[OPT_REPAIR] = {"repair", 0, NULL, "mend what the lake's objects can mend"},
	[OPT_FORCE] = {"force", 0, NULL, "also what is already made of the same input"},
	[OPT_DEAD] = {"dead", 0, NULL, "dead letters only"},
	[OPT_ALL] = {"all", 0, NULL, "all of them"},
	[OPT_HISTORY] = {"history", 0, NULL, "how the schema came to be"},
	[OPT_LEVEL] = {"level", 0, "debug|info|warning|error", "this and worse"},
	[OPT_TIMEOUT] = {"timeout", 0, "TIME", "end the statement after this long (60s, 5m)"},
	[OPT_FOLLOW] = {"follow", 0, NULL, "go on for ever, slot by slot; Ctrl-C ends it cleanly"},
	[OPT_PERIOD] = {"period", 0, "TIME", "length of a slot, 1s to 24h (default 60s)"},
	[OPT_SOURCE] = {"source", 0, "NAME[/PAIR][=URL]",
			"ask this source only; may be given again (plain http to loopback only)"},
	[OPT_REQUIRE_SANDBOX] = {"require-sandbox", 0, NULL,
				 "do not start where this kernel cannot hold the roles' rights"},
	[OPT_PACE] = {"pace", 0, "fast|recorded",
		      "as fast as possible (default), or as it was received"},
	[OPT_PAIR] = {"pair", 0, "PAIR", "of messages that do not name theirs"},
	[OPT_FROM_DAY] = {"from", 0, "DATE", "the first day (default: today in São Paulo)"},
	[OPT_TO_DAY] = {"to", 0, "DATE", "the last day (default: the end of that year)"},
	[OPT_SESSION] = {"session", 0, "DATE", "this one (default: the latest that was due)"},
	[OPT_STORE] = {"to", 0, "FOLDER",
		       "the backup's folder (else backup.to, else `<lake>-backup`)"},
	[OPT_POLICY] = {"to", 0, "rights|iam",
			"as this program has them (default), or as policies of AWS"},
	[OPT_WORKERS] = {"workers", 0, "N", "objects at the same time, 1 to 64 (default 16)"},
	[OPT_QUEUE] = {"queue", 0, "NAME", "this queue only"},
	[OPT_ROLE] = {"role", 0, "NAME", "of this role only: cli, collector, job and so on"},
	[OPT_TEXT] = {"text", 0, "TEXT", "with this in the event, its text or its fields"},
	[OPT_SINCE] = {"since", 0, "TIME", "not older than this (90s, 5m, 24h)"},
	[OPT_LISTEN] =
		{"listen", 0, "ADDRESS",
		 "loopback address and port (else [web] listen: 127.0.0.1:8391); none: nowhere"},
	[OPT_CHART] = {"chart", 0, "bar|line",
		       "draw the first column of numbers; the column before all names the rows"},
	[OPT_TEMPLATE] = {"template", 0, NULL,
			  "a configuration file with every setting's default, commented out"},
	[OPT_MEMORY] = {"memory", 0, "SIZE", "memory that the statement may use (default 1GiB)"},
};
/* What every command takes. */
const enum option_id common_options[] = {OPT_LAKE,  OPT_CONFIG,  OPT_DEFINITIONS, OPT_FORMAT,
					 OPT_QUIET, OPT_VERBOSE, OPT_HELP};
const size_t common_option_count = ARRAY_LEN(common_options);

const struct option_row *option_at(enum option_id id)
{
	return &options[id];
}

const char *option_name(enum option_id id)
{
	return options[id].name;
}

static bool takes(const struct command *c, enum option_id id)
{
	for (size_t i = 0; i < common_option_count; i++)
		if (common_options[i] == id)
			return true;
	for (size_t i = 0; i < OPTION_LIST_MAX && c->options[i] != OPT_COUNT; i++)
		if (c->options[i] == id)
			return true;
	return false;
}

/* Of the command; before there is one, all. */
static const char *const *list_options(const struct command *c, size_t *ret_count)
{
	static const char *names[OPT_COUNT];
	*ret_count = 0;
	for (size_t i = 0; i < OPT_COUNT; i++)
		if (!c || takes(c, (enum option_id)i))
			names[(*ret_count)++] = options[i].name;
	return names;
}

/* Two options may have one name and another meaning: then it is the command's. */
static int find_long(const struct command *c, const char *name, size_t n)
{
	int found = -1;
	for (int i = 0; i < OPT_COUNT; i++)
		if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0 &&
		    (found < 0 || (c && takes(c, (enum option_id)i))))
			found = i;
	return found;
}

static int find_letter(char c)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (options[i].letter == c)
			return i;
	return -1;
}

/* How many words of argv from `at` name this command: 0 when they do not. */
static int match_command(const struct command *c, int argc, char **argv, int at)
{
	const char *space = strchr(c->name, ' ');
	if (!space)
		return at < argc && strcmp(argv[at], c->name) == 0 ? 1 : 0;
	size_t n = (size_t)(space - c->name);
	if (at + 1 >= argc || strlen(argv[at]) != n || memcmp(argv[at], c->name, n) != 0)
		return 0;
	return strcmp(argv[at + 1], space + 1) == 0 ? 2 : 0;
}

/* The word is the first half of some two-word command. */
static bool is_family(const char *word)
{
	size_t n = strlen(word);
	for (size_t i = 0; i < command_count; i++)
		if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
			return true;
	return false;
}

static void family_help(FILE *out, const char *word)
{
	size_t n = strlen(word);
	fprintf(out, "%s pregao %s COMMAND\n\n", tr("usage:"), word);
	for (size_t i = 0; i < command_count; i++)
		if (strncmp(commands[i].name, word, n) == 0 && commands[i].name[n] == ' ')
			fprintf(out, "  pregao %s %s\n      %s\n", commands[i].name,
				commands[i].arguments, tr(commands[i].summary));
	fprintf(out, "\n%s\n", tr("Each of them with --help tells more and shows examples."));
}

static void help_overview(FILE *out)
{
	fprintf(out, "pregao %s: %s\n\n", PREGAO_VERSION,
		tr("B3's trading sessions in a lakehouse on your own machine"));
	fprintf(out, "%s pregao COMMAND [OPTION...]\n", tr("usage:"));
	const char *group = NULL;
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		if (!group || strcmp(group, c->group) != 0) {
			group = c->group;
			fprintf(out, "\n%s\n", tr(group));
		}
		fprintf(out, "  %-18s %s\n", c->name, tr(c->summary));
	}
	fprintf(out, "\n%s\n",
		tr("Start with `pregao run --input auto`. `pregao COMMAND --help` tells more and shows examples."));
	fprintf(out, "%s\n",
		tr("Exit status: 0 done, 1 failed, 2 wrong usage, 3 input rejected (quarantined), 4 doctor found something wrong."));
}

static void help_option(FILE *out, enum option_id id)
{
	const struct option_row *o = &options[id];
	char left[64];
	snprintf(left, sizeof(left), "%s%c%s --%s%s%s", o->letter ? "-" : " ",
		 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
		 o->argument ? " " : "", o->argument ? o->argument : "");
	fprintf(out, "  %-34s %s\n", left, tr(o->help));
}

static void help_command(FILE *out, const struct command *c)
{
	fprintf(out, "%s pregao %s%s%s [OPTION...]\n\n%s\n", tr("usage:"), c->name,
		c->arguments[0] ? " " : "", c->arguments, tr(c->summary));
	if (c->text)
		fprintf(out, "\n%s\n", tr(c->text));
	fprintf(out, "\n%s\n", tr("options:"));
	for (size_t i = 0; i < OPTION_LIST_MAX && c->options[i] != OPT_COUNT; i++)
		help_option(out, c->options[i]);
	for (size_t i = 0; i < common_option_count; i++)
		help_option(out, common_options[i]);
	if (c->examples)
		fprintf(out, "\n%s\n%s\n", tr("examples:"), c->examples);
}

static int unknown_command(struct cli *cli, const char *word)
{
	const char *names[128];
	size_t n = 0;
	for (size_t i = 0; i < command_count && n < ARRAY_LEN(names); i++)
		names[n++] = commands[i].name;
	const char *near = str_nearest(word, names, n);
	if (near)
		return cli_usage(cli, "there is no command `%s`; did you mean `%s`?", word, near);
	return cli_usage(cli, "there is no command `%s`", word);
}

static int parse_format(struct cli *cli)
{
	const char *f = cli->values[OPT_FORMAT];
	cli->format = FORMAT_TABLE;
	if (!f || strcmp(f, "table") == 0)
		return 0;
	if (strcmp(f, "json") == 0)
		cli->format = FORMAT_JSON;
	else if (strcmp(f, "csv") == 0)
		cli->format = FORMAT_CSV;
	else if (strcmp(f, "ndjson") == 0 && cli->command->parquet)
		cli->format = FORMAT_NDJSON;
	else if (strcmp(f, "csv-br") == 0)
		cli->format = FORMAT_CSV_BR;
	else if (strcmp(f, "parquet") == 0 && cli->command->parquet)
		cli->format = FORMAT_PARQUET;
	else
		return cli_usage(
			       cli,
			       "--format %s: expected table, json, csv or csv-br (sql also takes ndjson and parquet)",
			       f) +
		       1;
	return 0;
}

/* One option at argv[*at]; moves *at over its argument. */
static int parse_option(struct cli *cli, int argc, char **argv, int *at)
{
	const char *word = argv[*at];
	const char *value = NULL;
	int id;
	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		size_t n = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
		id = find_long(cli->command, word + 2, n);
		value = equals ? equals + 1 : NULL;
	} else {
		id = find_letter(word[1]);
		if (id >= 0 && word[2])
			value = word + 2;
	}
	if (id < 0 || (cli->command && !takes(cli->command, (enum option_id)id))) {
		size_t n;
		const char *const *names = list_options(cli->command, &n);
		char bare[64];
		snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
			 word + strspn(word, "-"));
		const char *near = id < 0 ? str_nearest(bare, names, n) : NULL;
		if (near)
			return cli_usage(cli, "there is no option `%s`; did you mean `--%s`?", word,
					 near) +
			       1;
		if (cli->command && id >= 0)
			return cli_usage(cli, "`pregao %s` takes no `%s`", cli->command->name,
					 word) +
			       1;
		return cli_usage(cli, "there is no option `%s`", word) + 1;
	}
	const struct option_row *o = &options[id];
	if (!o->argument) {
		if (value)
			return cli_usage(cli, "`--%s` takes no value", o->name) + 1;
		cli->values[id] = "";
		return 0;
	}
	if (!value) {
		if (*at + 1 >= argc)
			return cli_usage(cli, "`--%s` wants a value: %s", o->name, o->argument) + 1;
		value = argv[++*at];
	}
	if (!*value)
		return cli_usage(cli, "`--%s` wants a value: %s", o->name, o->argument) + 1;
	/* The only one that may be given again: its values are kept one a line. */
	if (id == OPT_SOURCE && cli->values[id])
		value = arena_printf(cli->arena, "%s\n%s", cli->values[id], value);
	cli->values[id] = value;
	return 0;
}

/* Options before the command: only those that every command takes mean anything there, and
 * --version. */
static int parse_before(struct cli *cli, int argc, char **argv, int *at)
{
	for (; *at < argc && argv[*at][0] == '-' && argv[*at][1]; ++*at) {
		if (strcmp(argv[*at], "--version") == 0) {
			printf("pregao %s\n", PREGAO_VERSION);
			return EXIT_DONE + 1;
		}
		int rc = parse_option(cli, argc, argv, at);
		if (rc)
			return rc;
	}
	return 0;
}

/* One word of two: help where it was asked for or no second word follows. */
static int only_family(struct cli *cli, int argc, char **argv, int at)
{
	bool asked = cli->values[OPT_HELP] || (at + 1 < argc && (!strcmp(argv[at + 1], "--help") ||
								 !strcmp(argv[at + 1], "-h")));
	if (!asked && at + 1 < argc && argv[at + 1][0] != '-') {
		char both[128];
		snprintf(both, sizeof(both), "%s %s", argv[at], argv[at + 1]);
		return unknown_command(cli, both) + 1;
	}
	family_help(asked ? stdout : stderr, argv[at]);
	return (asked ? EXIT_DONE : EXIT_USAGE) + 1;
}

/* The command at argv[*at], or "help" and a command; moves *at over its words. */
static int parse_command(struct cli *cli, int argc, char **argv, int *at)
{
	if (*at < argc && strcmp(argv[*at], "help") == 0) {
		cli->values[OPT_HELP] = "";
		++*at;
	}
	if (*at >= argc) {
		help_overview(cli->values[OPT_HELP] ? stdout : stderr);
		return (cli->values[OPT_HELP] ? EXIT_DONE : EXIT_USAGE) + 1;
	}
	int used = 0;
	for (size_t i = 0; i < command_count && !used; i++)
		if ((used = match_command(&commands[i], argc, argv, *at)) > 0)
			cli->command = &commands[i];
	if (!used)
		return is_family(argv[*at]) ? only_family(cli, argc, argv, *at)
					    : unknown_command(cli, argv[*at]) + 1;
	*at += used;
	for (int i = 0; i < OPT_COUNT; i++)
		if (cli->values[i] && !takes(cli->command, (enum option_id)i))
			return cli_usage(cli, "`pregao %s` takes no `--%s`", cli->command->name,
					 options[i].name) +
			       1;
	return 0;
}

/* What follows the command: options anywhere, and words. */
static int parse_words(struct cli *cli, int argc, char **argv, int at)
{
	bool ended = false;
	for (; at < argc; at++) {
		if (!ended && strcmp(argv[at], "--") == 0) {
			ended = true;
		} else if (!ended && argv[at][0] == '-' && argv[at][1]) {
			int rc = parse_option(cli, argc, argv, &at);
			if (rc)
				return rc;
		} else if (cli->word_count < WORDS_MAX) {
			cli->words[cli->word_count++] = argv[at];
		} else {
			return cli_usage(cli, "more than %d arguments; give a folder instead",
					 WORDS_MAX) +
			       1;
		}
	}
	return 0;
}

static int check_words(struct cli *cli)
{
	const struct command *c = cli->command;
	if ((int)cli->word_count < c->words_min)
		return cli_usage(cli, "missing argument: pregao %s %s", c->name, c->arguments) + 1;
	if (c->words_max >= 0 && (int)cli->word_count > c->words_max)
		return cli_usage(cli, "unexpected argument `%s`", cli->words[c->words_max]) + 1;
	return 0;
}

int args_parse(struct cli *cli, int argc, char **argv)
{
	int at = 1;
	int rc = parse_before(cli, argc, argv, &at);
	if (rc == 0)
		rc = parse_command(cli, argc, argv, &at);
	if (rc == 0)
		rc = parse_words(cli, argc, argv, at);
	if (rc)
		return rc;
	if (cli->values[OPT_HELP]) {
		help_command(stdout, cli->command);
		return EXIT_DONE + 1;
	}
	cli->quiet = cli->values[OPT_QUIET] != NULL;
	cli->verbose = cli->values[OPT_VERBOSE] != NULL;
	rc = check_words(cli);
	return rc ? rc : parse_format(cli);
}
