/* completion: what a shell needs to complete our commands, options and their closed lists of values. The
 * shell's own part is a file of packaging/completion inside the program; its tables are printed
 * from the rows that --help comes from. */
#include <string.h>

#include "args.h"
#include "bitcoin_source.h"
#include "bundled.h"
#include "role_table.h"
#include "tr.h"

#define ARGUMENT_MAX 8 /* words of a command's arguments that are looked at */

/* ---- what may stand there ---- */

/* The choices of "fast|recorded", "[FILE]", "FILE|FOLDER|-...": small words are values, FILE and
 * FOLDER are @file and @folder, what else is in capitals is anything at all. */
static void add_choices(struct buf *out, struct slice text)
{
	while (text.n && strchr("[].", text.p[text.n - 1]))
		text.n--;
	while (text.n && text.p[0] == '[')
		text = (struct slice){text.p + 1, text.n - 1};
	bool file = false;
	while (text.n) {
		struct slice word = slice_cut(&text, '|');
		const char *name = NULL;
		if (slice_is(word, "FILE"))
			name = "@file";
		else if (!file && (slice_is(word, "FOLDER") || slice_is(word, "DIR")))
			name = "@folder";
		else if (word.n && word.p[0] >= 'a' && word.p[0] <= 'z')
			name = "";
		file = file || slice_is(word, "FILE");
		if (name)
			buf_printf(out, "%s%s%.*s", out->len ? " " : "", name,
				   *name ? 0 : (int)word.n, word.p);
	}
}

/* The values of an option: its row's, and those that other tables know. */
static void option_choices(struct buf *out, const struct command *c, enum option_id id)
{
	add_choices(out, slice_of(option_at(id)->argument));
	if (id == OPT_FORMAT && c && c->parquet)
		buf_str(out, " ndjson parquet");
	for (size_t i = 0; id == OPT_SOURCE && i < bitcoin_source_count; i++)
		buf_printf(out, "%s%s", out->len ? " " : "", bitcoin_sources[i].name);
	if (id == OPT_ROLE)
		buf_str(out, "cli");
	for (size_t i = 0; id == OPT_ROLE && i < role_count; i++)
		buf_printf(out, " %s", role_table[i].name);
}

/* The words that may follow `before` ("" or "job"), each once. */
static void next_words(struct buf *out, const char *before)
{
	size_t n = strlen(before);
	struct slice last = {0};
	for (size_t i = 0; i < command_count; i++) {
		const char *name = commands[i].name;
		if (n && (strncmp(name, before, n) != 0 || name[n] != ' '))
			continue;
		const char *rest = n ? name + n + 1 : name;
		struct slice word = {rest, strcspn(rest, " ")};
		bool seen = false;
		for (size_t k = 0; !n && k < i && !seen; k++)
			seen = strlen(commands[k].name) >= word.n &&
			       memcmp(commands[k].name, word.p, word.n) == 0 &&
			       (commands[k].name[word.n] == ' ' || !commands[k].name[word.n]);
		if (!seen && !slice_eq(word, last))
			buf_printf(out, "%s%.*s", out->len ? " " : "", SLICE_FMT(word));
		last = word;
	}
}

/* The first word of a two-word command, where it is the first of its family; else NULL. */
static const char *family(struct arena *arena, size_t at)
{
	const char *space = strchr(commands[at].name, ' ');
	if (!space)
		return NULL;
	size_t n = (size_t)(space - commands[at].name) + 1;
	for (size_t i = 0; i < at; i++)
		if (strncmp(commands[i].name, commands[at].name, n) == 0)
			return NULL;
	return arena_strndup(arena, commands[at].name, n - 1);
}

static size_t split(struct slice text, struct slice *ret)
{
	size_t n = 0;
	while (text.n && n < ARGUMENT_MAX)
		ret[n++] = slice_cut(&text, ' ');
	return n;
}

/* ---- bash and zsh: functions with a case each ---- */

static void argument_cases(struct buf *out, const struct command *c)
{
	struct slice words[ARGUMENT_MAX];
	for (size_t n = split(slice_of(c->arguments), words); n > 0; n--) {
		struct slice w = words[n - 1];
		AUTO_BUF struct buf choices = {0};
		add_choices(&choices, w);
		if (!choices.len)
			continue;
		buf_printf(out, "\t'%s'", c->name);
		for (size_t k = 1; k < n; k++)
			buf_str(out, "' '*");
		if (slice_ends(w, "..."))
			buf_str(out, "*");
		buf_printf(out, ") echo '%s' ;;\n", choices.data);
	}
}

static void value_cases(struct buf *out, const struct command *c, enum option_id id)
{
	AUTO_BUF struct buf choices = {0};
	const struct option_row *o = option_at(id);
	if (o->argument)
		option_choices(&choices, c, id);
	if (!choices.len)
		return;
	if (c)
		buf_printf(out, "\t'%s --%s'|'%s '*' --%s'", c->name, o->name, c->name, o->name);
	else
		buf_printf(out, "\t*' --%s'", o->name);
	if (c && o->letter)
		buf_printf(out, "|'%s -%c'|'%s '*' -%c'", c->name, o->letter, c->name, o->letter);
	buf_printf(out, ") echo '%s' ;;\n", choices.data);
}

static void wanting_names(struct buf *out, const char *between)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct option_row *o = option_at((enum option_id)i);
		if (o->argument)
			buf_printf(out, "%s--%s", out->len ? between : "", o->name);
		if (o->argument && o->letter)
			buf_printf(out, "%s-%c", between, o->letter);
	}
}

static void case_tables(struct buf *out, struct arena *arena)
{
	AUTO_BUF struct buf list = {0};
	next_words(&list, "");
	buf_printf(out, "_pregao_words()\n{\n\tcase \"$1\" in\n\t'') echo '%s help' ;;\n",
		   list.data);
	for (size_t i = 0; i < command_count; i++) {
		const char *word = family(arena, i);
		if (word) {
			buf_reset(&list);
			next_words(&list, word);
			buf_printf(out, "\t'%s') echo '%s' ;;\n", word, list.data);
		}
		argument_cases(out, &commands[i]);
	}
	buf_str(out, "\tesac\n}\n_pregao_options()\n{\n\tcase \"$1\" in\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		buf_printf(out, "\t'%s'|'%s '*) echo '", c->name, c->name);
		for (size_t k = 0; k < OPTION_LIST_MAX && c->options[k] != OPT_COUNT; k++)
			buf_printf(out, "%s--%s", k ? " " : "", option_at(c->options[k])->name);
		buf_str(out, "' ;;\n");
	}
	buf_str(out, "\t'') echo '--version' ;;\n\tesac\n\techo '");
	for (size_t i = 0; i < common_option_count; i++)
		buf_printf(out, "%s--%s", i ? " " : "", option_at(common_options[i])->name);
	buf_str(out, "'\n}\n_pregao_values()\n{\n\tcase \"$1 $2\" in\n");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		for (size_t k = 0; k < OPTION_LIST_MAX && c->options[k] != OPT_COUNT; k++)
			value_cases(out, c, c->options[k]);
		if (c->parquet)
			value_cases(out, c, OPT_FORMAT);
	}
	for (size_t i = 0; i < common_option_count; i++)
		value_cases(out, NULL, common_options[i]);
	buf_reset(&list);
	wanting_names(&list, "|");
	buf_printf(
		out,
		"\tesac\n}\n_pregao_wants_value()\n{\n\tcase \"$1\" in\n\t%s) return 0 ;;\n\tesac\n\treturn 1\n}\n",
		list.data);
}

/* ---- fish: a line for each ---- */

static void fish_text(struct buf *out, const char *s)
{
	buf_str(out, " -d '");
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			buf_char(out, '\\');
		buf_char(out, *s);
	}
	buf_str(out, "'\n");
}

static void fish_option(struct buf *out, const struct command *c, enum option_id id)
{
	AUTO_BUF struct buf choices = {0};
	const struct option_row *o = option_at(id);
	buf_str(out, "complete -c pregao");
	if (c)
		buf_printf(out, " -n \"__pregao_in '%s'\"", c->name);
	buf_printf(out, " -l %s", o->name);
	if (o->letter)
		buf_printf(out, " -s %c", o->letter);
	if (o->argument) {
		option_choices(&choices, c, id);
		bool path = choices.len && choices.data[0] == '@';
		buf_str(out, path ? " -r -F" : " -x");
		if (choices.len && !path)
			buf_printf(out, " -a '%s'", choices.data);
	}
	fish_text(out, tr(o->help));
}

static void fish_command(struct buf *out, struct arena *arena, size_t at)
{
	const struct command *c = &commands[at];
	const char *space = strchr(c->name, ' ');
	const char *word = family(arena, at);
	if (word) {
		AUTO_BUF struct buf list = {0};
		next_words(&list, word);
		buf_printf(out, "complete -c pregao -n \"__pregao_at ''\" -a %s -d '%s'\n", word,
			   list.data);
	}
	buf_printf(out, "complete -c pregao -n \"__pregao_at '%.*s'\" -a %s",
		   space ? (int)(space - c->name) : 0, c->name, space ? space + 1 : c->name);
	fish_text(out, tr(c->summary));
	struct slice words[ARGUMENT_MAX];
	size_t n = split(slice_of(c->arguments), words);
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf choices = {0};
		add_choices(&choices, words[i]);
		if (choices.len && choices.data[0] == '@')
			buf_printf(out, "complete -c pregao -n \"__pregao_in '%s'\" -F\n", c->name);
		else if (choices.len)
			buf_printf(out, "complete -c pregao -n \"__pregao_at '%s'\" -a '%s'\n",
				   c->name, choices.data);
	}
	for (size_t k = 0; k < OPTION_LIST_MAX && c->options[k] != OPT_COUNT; k++)
		fish_option(out, c, c->options[k]);
	if (c->parquet)
		fish_option(out, c, OPT_FORMAT);
}

static void fish_tables(struct buf *out, struct arena *arena)
{
	AUTO_BUF struct buf list = {0};
	wanting_names(&list, " ");
	buf_printf(out,
		   "function __pregao_wants_value\n    contains -- $argv[1] %s\nend\n"
		   "complete -c pregao -n \"__pregao_at ''\" -l version\n",
		   list.data);
	for (size_t i = 0; i < command_count; i++)
		fish_command(out, arena, i);
	for (size_t i = 0; i < common_option_count; i++)
		fish_option(out, NULL, common_options[i]);
}

int cmd_completion(struct cli *cli)
{
	const char *shell = cli->words[0];
	const char *path = arena_printf(cli->arena, "packaging/completion/pregao.%s", shell);
	const struct bundled_file *file = NULL;
	for (size_t i = 0; i < bundled_files_count; i++)
		if (strcmp(bundled_files[i].path, path) == 0)
			file = &bundled_files[i];
	if (!file)
		return cli_usage(cli, "%s: expected bash, zsh or fish", shell);
	const char *text = (const char *)file->data, *mark = "@TABLES@\n";
	const char *at = strstr(text, mark);
	size_t before = at ? (size_t)(at - text) : file->size;
	AUTO_BUF struct buf out = {0};
	buf_add(&out, text, before);
	if (strcmp(shell, "fish") == 0)
		fish_tables(&out, cli->arena);
	else
		case_tables(&out, cli->arena);
	if (at)
		buf_str(&out, at + strlen(mark));
	fwrite(out.data, 1, out.len, stdout);
	return EXIT_DONE;
}
