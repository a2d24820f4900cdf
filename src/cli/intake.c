/* Payloads from outside: over the network, from files, from the program itself.
 */
#include "intake.h"

#include <string.h>

#include "bundled.h"
#include "file.h"
#include "hash.h"
#include "http.h"
#include "render.h"
#include "tr.h"

const char *intake_url(struct cli *cli)
{
	const char *url = cli_value(cli, OPT_URL);
	return url ? url : conf_text(cli->conf, "b3_portfolio", "url");
}

/* A pause is told, so that nobody wonders why nothing happens. */
static void note(void *ctx, const char *url, int attempt, int64_t pause_us, const struct err *why)
{
	struct cli *cli = ctx;
	char pause[32];
	if (pause_us < 0)
		cli_note(cli, "%s; trying the service's other form", why->text);
	else
		cli_note(cli, "attempt %d: %s; again in %s", attempt, why->text,
			 human_duration(pause_us, pause));
}

int intake_live(struct cli *cli, const struct source *source, const char *index, bool hasty,
		struct payload *ret, struct err *e)
{
	static struct http *http; /* one for the process: connections are kept; it dies with it */
	if (!http) {
		int rc = http_curl_new(&http, e);
		if (rc)
			return rc;
	}
	const struct conf *c = cli->conf;
	struct retry_policy retry = {
		.attempts = hasty ? 2 : (int)conf_int(c, "b3_portfolio", "attempts"),
		.base_us = hasty ? 200000 : conf_duration_us(c, "b3_portfolio", "pause"),
		.cap_us = conf_duration_us(c, "b3_portfolio", "pause_cap")};
	struct fetch f = {.http = http,
			  .clock = &clock_system,
			  .retry = &retry,
			  .note = note,
			  .ctx = cli,
			  .base_url = intake_url(cli),
			  .forms = conf_list(c, "b3_portfolio", "forms"),
			  .request_deadline_us = conf_duration_us(c, "b3_portfolio", "deadline"),
			  .body_ceiling_bytes = (size_t)conf_int(c, "b3_portfolio", "body_limit"),
			  .user_agent = "pregao/" PREGAO_VERSION};
	return source->fetch(&f, index, cli->arena, ret, e);
}

/* What landed is called by its sha256: a disk that damaged it must not make a session of it. */
static int check_name(const char *path, const struct buf *bytes, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char hex[HASH_HEX_SIZE];
	size_t digits = HASH_HEX_SIZE - 1;
	if (strspn(name, "0123456789abcdef") != digits || name[digits] != '.')
		return OK;
	hash_bytes_hex(bytes->data ? bytes->data : "", bytes->len, hex);
	if (strncmp(name, hex, digits) == 0)
		return OK;
	err_set(e, ERR_IO,
		"the file is damaged: by its name the sha256 of its bytes is %.12s..., found %.12s...",
		name, hex);
	return err_where(e, path);
}

int intake_file(struct cli *cli, const char *path, const char *index, struct buf *bytes,
		struct payload *ret, struct err *e)
{
	size_t ceiling = (size_t)conf_int(cli->conf, "b3_portfolio", "body_limit");
	int rc = file_read(path, ceiling, bytes, e);
	if (rc == OK)
		rc = check_name(path, bytes, e);
	if (rc)
		return rc;
	*ret = (struct payload){.bytes = {bytes->data ? bytes->data : "", bytes->len},
				.source = path,
				.index = index,
				.at_us = clock_now_us(&clock_system)};
	return OK;
}

int intake_sample(struct payload *ret, const char **ret_name, struct err *e)
{
	for (size_t i = 0; i < bundled_files_count; i++) {
		const struct bundled_file *f = &bundled_files[i];
		if (strncmp(f->path, "samples/", 8) != 0 || !slice_ends(slice_of(f->path), ".csv"))
			continue;
		*ret = (struct payload){.bytes = {(const char *)f->data, f->size},
					.source = f->path,
					.at_us = clock_now_us(&clock_system)};
		*ret_name = f->path;
		return OK;
	}
	return err_set(e, ERR_BUG, "the program was built without its sample session");
}

int intake_dry(struct cli *cli, const struct source *source, const char *const *paths, size_t count,
	       const char *index)
{
	static const struct column columns[] = {
		{.name = "source", .type = COL_TEXT}, {.name = "outcome", .type = COL_TEXT},
		{.name = "index", .type = COL_TEXT},  {.name = "session", .type = COL_TEXT},
		{.name = "rows", .type = COL_BIGINT}, {.name = "reason", .type = COL_TEXT},
		{.name = "text", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int code = EXIT_DONE;
	for (size_t i = 0; i < count; i++) {
		AUTO_ARENA struct arena *arena = arena_new();
		AUTO_BUF struct buf bytes = {0};
		struct err why = ERR_INIT;
		struct payload p;
		struct source_parsed parsed;
		int rc = intake_file(cli, paths[i], index, &bytes, &p, &why);
		bool read = rc == OK;
		if (read)
			rc = source->parse(&p, arena, &parsed, &why);
		bool refused = read && rc == ERR_INPUT;
		if (rc)
			code = !refused ? EXIT_FAILED : code == EXIT_DONE ? EXIT_REJECTED : code;
		char text[2048];
		listing_text(l, paths[i]);
		listing_text(l, rc == OK ? "would_import" : refused ? "would_refuse" : "failed");
		listing_text(l, rc ? NULL : parsed.values[1]);
		listing_text(l, rc ? NULL : parsed.values[0]);
		if (rc)
			listing_null(l);
		else
			listing_int(l, (int64_t)parsed.parts[0].batch.row_count);
		listing_text(l, rc ? why.reason : NULL);
		listing_text(l, rc ? err_format(&why, text, sizeof(text)) : NULL);
	}
	struct err e = ERR_INIT;
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : code;
}
