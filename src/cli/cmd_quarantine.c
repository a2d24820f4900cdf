/* quarantine list, show, replay: what was refused, why, and another try.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "file.h"
#include "json.h"
#include "quarantine.h"
#include "render.h"
#include "session.h"
#include "tr.h"

#define PAYLOAD_MAX ((size_t)64 << 20)
#define AROUND      60 /* bytes shown on each side of the place */

static const struct column entry_columns[] = {{.name = "id", .type = COL_TEXT},
					      {.name = "reason", .type = COL_TEXT},
					      {.name = "line", .type = COL_BIGINT},
					      {.name = "column", .type = COL_BIGINT},
					      {.name = "offset", .type = COL_BIGINT},
					      {.name = "bytes", .type = COL_BIGINT},
					      {.name = "source", .type = COL_TEXT},
					      {.name = "at", .type = COL_TEXT},
					      {.name = "parser_version", .type = COL_TEXT},
					      {.name = "text", .type = COL_TEXT}};

struct lister {
	struct cli *cli;
	struct listing *l;
};

static int list_entry(void *ctx, const struct quarantine_entry *q)
{
	struct lister *x = ctx;
	bool people = x->cli->format == FORMAT_TABLE;
	listing_text(x->l, people ? arena_strndup(x->cli->arena, q->sha256, 12) : q->sha256);
	listing_text(x->l, q->reason);
	if (q->line)
		listing_int(x->l, q->line);
	else
		listing_null(x->l);
	if (q->column)
		listing_int(x->l, q->column);
	else
		listing_null(x->l);
	if (q->offset >= 0)
		listing_int(x->l, q->offset);
	else
		listing_null(x->l);
	listing_int(x->l, q->size_bytes);
	listing_text(x->l, q->source);
	listing_time(x->l, q->at_us);
	listing_text(x->l, q->parser_version);
	listing_text(x->l, q->text);
	return 0;
}

int cmd_quarantine_list(struct cli *cli)
{
	struct err e = ERR_INIT;
	if (cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	struct lister x = {cli, listing_new(entry_columns, ARRAY_LEN(entry_columns))};
	int rc = system_lake_exists(cli->system)
			 ? quarantine_list(system_store(cli->system), list_entry, &x, &e)
			 : 0;
	if (rc == OK)
		rc = listing_print(x.l, cli, &e);
	listing_free(x.l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* The bytes around the place, with a mark under it; what is no printable ASCII is shown as its
 * hexadecimal value. */
static void show_place(const struct buf *payload, int64_t offset)
{
	if (offset < 0 || (size_t)offset > payload->len)
		return;
	size_t from = (size_t)offset > AROUND ? (size_t)offset - AROUND : 0,
	       to = (size_t)offset + AROUND < payload->len ? (size_t)offset + AROUND : payload->len;
	AUTO_BUF struct buf text = {0};
	size_t mark = 0;
	for (size_t i = from; i <= to; i++) {
		if (i == (size_t)offset)
			mark = text.len;
		if (i == to)
			break;
		unsigned char c = (unsigned char)payload->data[i];
		if (c == '\n' || c == '\r')
			buf_str(&text, c == '\n' ? "\\n" : "\\r");
		else if (c < 0x20 || c >= 0x7f)
			buf_printf(&text, "<%02X>", c);
		else
			buf_char(&text, (char)c);
	}
	printf("\n  %s\n  %*s^ byte %lld\n", text.data ? text.data : "", (int)mark, "",
	       (long long)offset);
}

static void add_member(struct listing *l, const json_t *line, const char *key)
{
	const json_t *v = json_object_get(line, key);
	if (json_is_integer(v))
		listing_int(l, json_integer_value(v));
	else
		listing_text(l, json_string_value(v));
}

/* A recording's refused lines, or records of the stream, a row each; their bytes, in base64, only for programs. */
static int list_lines(struct cli *cli, const struct quarantine_entry *q, const struct buf *payload,
		      struct err *e)
{
	static const struct column of_line[] = {{.name = "line", .type = COL_BIGINT},
						{.name = "reason", .type = COL_TEXT},
						{.name = "text", .type = COL_TEXT},
						{.name = "bytes", .type = COL_TEXT}},
				   of_record[] = {{.name = "seq", .type = COL_BIGINT},
						  {.name = "kind", .type = COL_TEXT},
						  {.name = "reason", .type = COL_TEXT},
						  {.name = "text", .type = COL_TEXT},
						  {.name = "bytes", .type = COL_TEXT}};
	const struct column *columns = q->records ? of_record : of_line;
	size_t n = q->records ? ARRAY_LEN(of_record) : ARRAY_LEN(of_line);
	n -= cli->format == FORMAT_TABLE;
	struct listing *l = listing_new(columns, n);
	struct slice rest = buf_slice(payload);
	int64_t not_kept = 0;
	int rc = OK;
	while (rc == OK && rest.n) {
		struct slice text = slice_cut(&rest, '\n');
		AUTO_JSON json_t *line = NULL;
		rc = json_parse(text.p, text.n, &line, e);
		const json_t *others = rc == OK ? json_object_get(line, "not_kept") : NULL;
		not_kept += json_integer_value(others);
		for (size_t i = 0; rc == OK && !others && i < n; i++)
			add_member(l, line, columns[i].name);
	}
	if (rc == OK)
		rc = listing_print(l, cli, e);
	listing_free(l);
	if (rc == OK && not_kept)
		cli_warn(cli, "%lld more lines were refused and not kept", (long long)not_kept);
	return rc;
}

static int no_lake(struct cli *cli)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_NOT_FOUND, "nothing is in quarantine: there is no lake at %s",
		cli_lake(cli));
	return cli_fail(cli, &e);
}

int cmd_quarantine_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct quarantine_entry q;
	AUTO_BUF struct buf payload = {.ceiling = PAYLOAD_MAX};
	if (cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	if (!system_lake_exists(cli->system))
		return no_lake(cli);
	if (quarantine_show(system_store(cli->system), cli->words[0], cli->arena, &q, &payload,
			    &e) != 0)
		return cli_fail(cli, &e);
	const char *output = cli_value(cli, OPT_OUTPUT);
	if (output) {
		if (file_create(output, payload.data ? payload.data : "", payload.len, true, &e) !=
			    0 ||
		    file_fsync_folder_of(output, &e) != 0)
			return cli_fail(cli, &e);
		cli_note(cli, "the payload is at %s", output);
		return EXIT_DONE;
	}
	struct lister x = {cli, listing_new(entry_columns, ARRAY_LEN(entry_columns))};
	list_entry(&x, &q);
	int rc = OK;
	if (cli->format == FORMAT_TABLE)
		listing_print_upright(x.l);
	if (q.lines || q.records)
		rc = list_lines(cli, &q, &payload, &e);
	else if (cli->format == FORMAT_TABLE)
		show_place(&payload, q.offset);
	else
		rc = listing_print(x.l, cli, &e);
	listing_free(x.l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

struct gathered {
	struct cli *cli;
	const char **ids;
	size_t count, cap;
};

static int gather(void *ctx, const struct quarantine_entry *q)
{
	struct gathered *g = ctx;
	/* Lines of recordings and records of the stream are not tried again by themselves. */
	if (q->lines || q->records)
		return 0;
	*PUSH(g->ids, g->count, g->cap) = arena_strdup(g->cli->arena, q->sha256);
	return 0;
}

int cmd_quarantine_replay(struct cli *cli)
{
	struct err e = ERR_INIT;
	bool all = cli_flag(cli, OPT_ALL), dry = cli_flag(cli, OPT_DRY_RUN);
	if (all == (cli->word_count > 0))
		return cli_usage(cli, "name an entry or give --all");
	if (cli_system(cli, dry ? SYSTEM_READ : SYSTEM_WORK, &e) != 0)
		return cli_fail(cli, &e);
	if (!system_lake_exists(cli->system))
		return no_lake(cli);
	struct gathered g = {.cli = cli};
	int rc = OK;
	if (all)
		rc = quarantine_list(system_store(cli->system), gather, &g, &e);
	else
		*PUSH(g.ids, g.count, g.cap) = cli->words[0];
	struct quarantine_entry *entries =
		ANEW_ARRAY(cli->arena, g.count + 1, struct quarantine_entry);
	for (size_t i = 0; i < g.count && rc == OK; i++)
		rc = quarantine_show(system_store(cli->system), g.ids[i], cli->arena, &entries[i],
				     NULL, &e);
	free(g.ids);
	if (rc)
		return cli_fail(cli, &e);
	if (g.count && entries[0].lines)
		return cli_usage(
			cli,
			"these are lines of a recording: correct it, and replay it with `pregao stream replay`");
	if (g.count && entries[0].records)
		return cli_usage(
			cli,
			"these are records of the stream that nobody can read: there is nothing to try again; `pregao quarantine show ID -o FILE` keeps their bytes");
	if (dry) {
		printf(tr("%zu entries would be tried again\n"), g.count);
		return EXIT_DONE;
	}
	if (g.count == 0) {
		cli_note(cli, "nothing in quarantine can be tried again");
		if (cli->format == FORMAT_JSON)
			puts("[]");
		return EXIT_DONE;
	}
	struct session s;
	session_begin(&s, cli, entries[0].from ? entries[0].from : sources[0], "quarantine replay");
	for (size_t i = 0; i < g.count; i++)
		session_replay(&s, &entries[i], cli_value(cli, OPT_INDEX));
	rc = session_settle(&s, AS_OF_LANDED, &e);
	int code = session_end(&s, rc ? &e : NULL);
	struct err print = ERR_INIT;
	if (session_print(&s, &print) != 0)
		code = cli_fail(cli, &print);
	session_complain(&s);
	if (rc)
		cli_fail(cli, &e);
	session_free(&s);
	return code;
}
