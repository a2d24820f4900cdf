/* queue list, show, redrive: the messages between created objects and jobs, dead letters most of
 * all. */
#include <string.h>

#include "cli.h"
#include "render.h"
#include "tr.h"

#define PEEK_MAX 10000 /* messages looked at */

struct found {
	struct queue_message *messages;
	size_t live, count; /* the live ones first, then the dead */
};

static int peek_all(struct cli *cli, bool dead_only, size_t max, struct found *ret, struct err *e)
{
	struct queue *q;
	*ret = (struct found){.messages =
				      ANEW_ARRAY(cli->arena, max * 2 + 1, struct queue_message)};
	int rc = cli_system(cli, SYSTEM_READ, e);
	if (rc == OK && !system_lake_exists(cli->system))
		return OK;
	if (rc == OK)
		rc = system_queue(cli->system, &q, e);
	if (rc == OK && !q)
		return OK;
	if (rc == OK && !dead_only)
		rc = queue_peek(q, false, max, cli->arena, ret->messages, &ret->live, e);
	size_t dead = 0;
	if (rc == OK)
		rc = queue_peek(q, true, max, cli->arena, ret->messages + ret->live, &dead, e);
	ret->count = ret->live + dead;
	return rc;
}

/* The object's key inside the message, for a glance; the whole body when it has another form. */
static const char *glance(struct cli *cli, const char *body)
{
	const char *key = strstr(body, "\"key\":\"");
	if (!key)
		return body;
	key += strlen("\"key\":\"");
	return arena_strndup(cli->arena, key, strcspn(key, "\""));
}

int cmd_queue_list(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct found f;
	int64_t limit;
	if (cli_int(cli, OPT_LIMIT, 1, PEEK_MAX, 100, &limit, &e) != 0 ||
	    peek_all(cli, cli_flag(cli, OPT_DEAD), (size_t)limit, &f, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "message", .type = COL_TEXT},    {.name = "state", .type = COL_TEXT},
		{.name = "receives", .type = COL_BIGINT}, {.name = "sent", .type = COL_TEXT},
		{.name = "object", .type = COL_TEXT},     {.name = "last_error", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int64_t now = clock_now_us(&clock_system);
	for (size_t i = 0; i < f.count; i++) {
		const struct queue_message *m = &f.messages[i];
		listing_text(l, m->id);
		listing_text(l, i >= f.live           ? "dead"
				: m->visible_us > now ? "in_flight"
						      : "waiting");
		listing_int(l, m->receives);
		listing_time(l, m->sent_us);
		listing_text(l, glance(cli, m->body));
		listing_text(l, m->last_error);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	if (rc)
		return cli_fail(cli, &e);
	if (f.count > f.live && cli->format == FORMAT_TABLE)
		cli_note(
			cli,
			"dead letters: `pregao queue show MESSAGE` tells why, `pregao queue redrive MESSAGE` sends one again");
	return EXIT_DONE;
}

int cmd_queue_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct found f;
	if (peek_all(cli, false, PEEK_MAX, &f, &e) != 0)
		return cli_fail(cli, &e);
	const struct queue_message *m = NULL;
	size_t at = 0, matches = 0;
	for (size_t i = 0; i < f.count; i++)
		if (strncmp(f.messages[i].id, cli->words[0], strlen(cli->words[0])) == 0) {
			m = &f.messages[i];
			at = i;
			matches++;
		}
	if (!m)
		return cli_fail(cli,
				(err_set(&e, ERR_NOT_FOUND,
					 "there is no message `%s`; `pregao queue list` shows them",
					 cli->words[0]),
				 &e));
	if (matches > 1)
		return cli_fail(cli,
				(err_set(&e, ERR_CONFLICT,
					 "`%s` begins the names of %zu messages; give more of it",
					 cli->words[0], matches),
				 &e));
	static const struct column columns[] = {
		{.name = "message", .type = COL_TEXT},    {.name = "state", .type = COL_TEXT},
		{.name = "receives", .type = COL_BIGINT}, {.name = "sent", .type = COL_TEXT},
		{.name = "visible", .type = COL_TEXT},    {.name = "last_error", .type = COL_TEXT},
		{.name = "body", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	listing_text(l, m->id);
	listing_text(l, at >= f.live                                  ? "dead"
			: m->visible_us > clock_now_us(&clock_system) ? "in_flight"
								      : "waiting");
	listing_int(l, m->receives);
	listing_time(l, m->sent_us);
	listing_time(l, m->visible_us);
	listing_text(l, m->last_error);
	listing_text(l, m->body);
	int rc = OK;
	if (cli->format == FORMAT_TABLE)
		listing_print_upright(l);
	else
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_queue_redrive(struct cli *cli)
{
	struct err e = ERR_INIT;
	bool all = cli_flag(cli, OPT_ALL);
	if (all == (cli->word_count > 0))
		return cli_usage(cli, "name a message or give --all");
	if (cli_flag(cli, OPT_DRY_RUN)) {
		struct found f;
		if (peek_all(cli, true, PEEK_MAX, &f, &e) != 0)
			return cli_fail(cli, &e);
		size_t would = 0;
		for (size_t i = 0; i < f.count; i++)
			would += all || strcmp(f.messages[i].id, cli->words[0]) == 0;
		printf(tr("%zu dead letters would be sent again\n"), would);
		return EXIT_DONE;
	}
	struct queue *q;
	int64_t count;
	if (cli_system(cli, SYSTEM_WRITE, &e) != 0 || system_queue(cli->system, &q, &e) != 0 ||
	    queue_redrive(q, all ? NULL : cli->words[0], &count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->format == FORMAT_JSON)
		printf("{\"redriven\":%lld}\n", (long long)count);
	else
		printf(tr("%lld dead letters sent again; the next `pregao run` or `pregao import` works on them\n"),
		       (long long)count);
	return EXIT_DONE;
}
