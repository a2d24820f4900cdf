/* What commands share: reading options, the lake they work on, and how people are told.
 */
#include "cli.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "render.h"
#include "tr.h"

const char *cli_value(const struct cli *cli, enum option_id id)
{
	return cli->values[id];
}

bool cli_flag(const struct cli *cli, enum option_id id)
{
	return cli->values[id] != NULL;
}

int cli_int(const struct cli *cli, enum option_id id, int64_t least, int64_t most, int64_t fallback,
	    int64_t *ret, struct err *e)
{
	const char *s = cli->values[id];
	if (!s) {
		*ret = fallback;
		return OK;
	}
	if (!int64_parse(slice_of(s), ret) || *ret < least || *ret > most)
		return err_set(e, ERR_USAGE, "--%s %s: expected a whole number from %lld to %lld",
			       option_name(id), s, (long long)least, (long long)most);
	return OK;
}

int cli_date(const struct cli *cli, enum option_id id, int32_t fallback, int32_t *ret,
	     struct err *e)
{
	const char *s = cli->values[id];
	if (!s) {
		*ret = fallback;
		return OK;
	}
	if (!date_parse_iso(slice_of(s), ret))
		return err_set(e, ERR_USAGE, "--%s %s: expected a date as YYYY-MM-DD",
			       option_name(id), s);
	return OK;
}

static bool index_ok(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	return n >= 1 && n <= 12 && !s[n];
}

const char *cli_upper(struct cli *cli, struct slice word)
{
	char *name = arena_strndup(cli->arena, word.p, word.n);
	for (char *p = name; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	return name;
}

int cli_index(struct cli *cli, struct slice word, const char **ret, struct err *e)
{
	const char *name = *ret = cli_upper(cli, word);
	if (!index_ok(name))
		return err_set(
			e, ERR_USAGE,
			"`%s` is no index name: expected 1 to 12 letters and digits, such as IBOV",
			name);
	return OK;
}

int cli_indices(struct cli *cli, const char *const **ret, size_t *ret_count, struct err *e)
{
	const char **list = NULL;
	size_t count = 0, cap = 0;
	const char *const *p =
		cli->values[OPT_INDEX] ? NULL : conf_list(cli->conf, "b3_portfolio", "indices");
	struct slice rest = slice_of(cli->values[OPT_INDEX]);
	int rc = OK;
	while ((p ? *p != NULL : rest.n > 0) && rc == OK) {
		const char *name;
		struct slice word = p ? slice_of(*p++) : slice_trim(slice_cut(&rest, ','));
		rc = cli_index(cli, word, &name, e);
		if (rc == OK && !str_among(name, list, count))
			*PUSH(list, count, cap) = name;
	}
	if (rc == OK && count == 0)
		rc = err_set(e, ERR_USAGE, "--index names no index");
	const char **kept = ANEW_ARRAY(cli->arena, count + 1, const char *);
	if (count)
		memcpy(kept, list, count * sizeof(*list));
	free(list);
	*ret = kept;
	*ret_count = count;
	return rc;
}

PRINTF_LIKE(4, 0)
static void say(struct cli *cli, const char *colour, const char *word, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s%s%s", paint(cli->colour_err, colour), word,
		paint(cli->colour_err, "reset"));
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void cli_note(struct cli *cli, const char *fmt, ...)
{
	if (cli->quiet)
		return;
	va_list ap;
	va_start(ap, fmt);
	say(cli, "reset", "", tr(fmt), ap);
	va_end(ap);
}

void cli_warn(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(cli, "yellow", tr("warning: "), tr(fmt), ap);
	va_end(ap);
}

int cli_usage(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(cli, "red", "pregao: ", tr(fmt), ap);
	va_end(ap);
	if (cli->command)
		fprintf(stderr, tr("`pregao %s --help` shows how\n"), cli->command->name);
	else
		fprintf(stderr, "%s\n", tr("`pregao --help` lists the commands"));
	return EXIT_USAGE;
}

/* For programs: one JSON line on stderr; keys and codes are never translated. */
static void fail_json(const struct err *e)
{
	AUTO_BUF struct buf b = {0};
	buf_printf(&b, "{\"error\":{\"code\":\"%s\",\"reason\":", err_name(e->code));
	buf_json_str(&b, e->reason, strlen(e->reason));
	buf_str(&b, ",\"where\":");
	buf_json_str(&b, e->where, strlen(e->where));
	buf_printf(&b,
		   ",\"line\":%lld,\"column\":%lld,\"offset\":%lld,\"text\":", (long long)e->line,
		   (long long)e->column, (long long)e->offset);
	buf_json_str(&b, e->text, strlen(e->text));
	buf_str(&b, "}}\n");
	fputs(b.data, stderr);
}

int cli_fail(struct cli *cli, const struct err *e)
{
	fflush(stdout);
	const char *errors =
		getenv("PREGAO_ERRORS"); /* the server's, whatever form the rows have */
	if (cli->format == FORMAT_JSON || cli->format == FORMAT_NDJSON ||
	    (errors && strcmp(errors, "json") == 0)) {
		fail_json(e);
	} else {
		char text[2048];
		fprintf(stderr, "%spregao: %s%s\n", paint(cli->colour_err, "red"),
			paint(cli->colour_err, "reset"), err_format(e, text, sizeof(text)));
	}
	return e->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static void on_wait(void *ctx, int64_t holder)
{
	struct cli *cli = ctx;
	if (holder > 0)
		cli_note(cli, "waiting for another pregao (process %lld) that writes this lake",
			 (long long)holder);
	else
		cli_note(cli, "waiting for another pregao that writes this lake");
}

const char *cli_lake(struct cli *cli)
{
	if (cli->lake)
		return cli->lake;
	if (cli->values[OPT_LAKE])
		return cli->values[OPT_LAKE];
	const char *lake = conf_text(cli->conf, "lake", "path");
	return *lake ? lake
		     : arena_printf(cli->arena, "%s/lake", definitions_default_dir(cli->arena));
}

const char *cli_definitions(struct cli *cli)
{
	if (cli->values[OPT_DEFINITIONS])
		return cli->values[OPT_DEFINITIONS];
	const char *dir = conf_text(cli->conf, "lake", "definitions");
	return *dir ? dir : definitions_default_dir(cli->arena);
}

/* The work goes on without, but not in silence. */
static void warn_of_newer_telemetry(struct cli *cli)
{
	struct run_record *runs;
	size_t count;
	struct err e = ERR_INIT;
	if (telemetry_runs(system_telemetry(cli->system), 1, cli->arena, &runs, &count, &e) ==
	    ERR_INPUT)
		cli_warn(cli, "this run is not written down: %s: %s", e.where, e.text);
}

int cli_system(struct cli *cli, enum system_mode mode, struct err *e)
{
	if (cli->system)
		return OK;
	const char *lake = cli_lake(cli);
	struct system_options o = {.lake = lake,
				   .definitions = cli_definitions(cli),
				   .role = "cli",
				   .conf = cli->conf,
				   .mode = mode,
				   .fetches = cli->fetches,
				   .on_wait = on_wait,
				   .ctx = cli};
	int rc = system_open(&o, &cli->system, e);
	bool lost = rc == OK && system_state_lost(cli->system);
	if (lost)
		cli_warn(
			cli,
			"the lake at %s has data but no catalog, so its tables look empty; import its landing/ again, and `pregao backup restore` what is Bitcoin's",
			lake);
	else if (rc == OK && (mode == SYSTEM_READ || mode == SYSTEM_QUERY) &&
		 !system_lake_exists(cli->system))
		cli_note(
			cli,
			"there is no lake at %s yet: its tables are empty; `pregao run --input auto` makes one",
			lake);
	if (rc == OK && (mode == SYSTEM_WRITE || mode == SYSTEM_WORK))
		warn_of_newer_telemetry(cli);
	if (rc == OK && cli->verbose)
		system_mirror_log(cli->system, STDERR_FILENO);
	return rc;
}
