/* queue list, show, redrive: the messages between created objects and whoever works on them, dead letters
 * most of all. There are several queues; --queue NAME keeps to one. */
#include <string.h>

#include "cli.h"
#include "render.h"
#include "tr.h"

#define PEEK_MAX   10000 /* messages looked at, of each queue */
#define QUEUES_MAX 3

static int (*const openers[QUEUES_MAX])(struct system *, struct queue **, struct err *) = {
	system_queue, system_backup_queue, system_scheduled_queue};

struct message {
	struct queue *queue;
	bool dead;
	struct queue_message m;
};
struct found {
	struct queue *queues[QUEUES_MAX];
	size_t queue_count;
	struct message *list; /* queue by queue, the living first */
	size_t count, cap;
};

/* Those there are, or the one that --queue names. */
static int open_queues(struct cli *cli, enum system_mode mode, struct found *ret, struct err *e)
{
	const char *wanted = cli_value(cli, OPT_QUEUE), *names = "";
	*ret = (struct found){.list = NULL};
	int rc = cli_system(cli, mode, e);
	for (size_t i = 0; i < QUEUES_MAX && rc == OK && system_lake_exists(cli->system); i++) {
		struct queue *q = NULL;
		rc = openers[i](cli->system, &q, e);
		if (rc || !q)
			continue;
		names = arena_printf(cli->arena, "%s%s%s", names, *names ? ", " : "",
				     queue_name(q));
		if (!wanted || strcmp(wanted, queue_name(q)) == 0)
			ret->queues[ret->queue_count++] = q;
	}
	if (rc == OK && wanted && !ret->queue_count)
		return err_set(e, ERR_USAGE, "there is no queue `%s`; there are: %s", wanted,
			       *names ? names : "-");
	return rc;
}

static int peek(struct cli *cli, struct found *f, struct queue *q, bool dead, size_t max,
		struct err *e)
{
	struct queue_message *messages = ANEW_ARRAY(cli->arena, max, struct queue_message);
	size_t n = 0;
	int rc = queue_peek(q, dead, max, cli->arena, messages, &n, e);
	for (size_t i = 0; i < n && rc == OK; i++)
		*PUSH(f->list, f->count, f->cap) = (struct message){q, dead, messages[i]};
	return rc;
}

static int peek_all(struct cli *cli, bool dead_only, size_t max, struct found *ret, struct err *e)
{
	int rc = open_queues(cli, SYSTEM_READ, ret, e);
	for (size_t i = 0; i < ret->queue_count && rc == OK; i++) {
		if (!dead_only)
			rc = peek(cli, ret, ret->queues[i], false, max, e);
		if (rc == OK)
			rc = peek(cli, ret, ret->queues[i], true, max, e);
	}
	return rc;
}

static const char *state_of(const struct message *m)
{
	return m->dead                                         ? "dead"
	       : m->m.visible_us > clock_now_us(&clock_system) ? "in_flight"
							       : "waiting";
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
	struct found f = {.list = NULL};
	int64_t limit;
	if (cli_int(cli, OPT_LIMIT, 1, PEEK_MAX, 100, &limit, &e) != 0 ||
	    peek_all(cli, cli_flag(cli, OPT_DEAD), (size_t)limit, &f, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "queue", .type = COL_TEXT},     {.name = "message", .type = COL_TEXT},
		{.name = "state", .type = COL_TEXT},     {.name = "receives", .type = COL_BIGINT},
		{.name = "sent", .type = COL_TEXT},      {.name = "object", .type = COL_TEXT},
		{.name = "last_error", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	bool dead = false;
	for (size_t i = 0; i < f.count; i++) {
		const struct message *m = &f.list[i];
		dead |= m->dead;
		listing_text(l, queue_name(m->queue));
		listing_text(l, m->m.id);
		listing_text(l, state_of(m));
		listing_int(l, m->m.receives);
		listing_time(l, m->m.sent_us);
		listing_text(l, glance(cli, m->m.body));
		listing_text(l, m->m.last_error);
	}
	free(f.list);
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	if (rc)
		return cli_fail(cli, &e);
	if (dead && cli->format == FORMAT_TABLE)
		cli_note(
			cli,
			"dead letters: `pregao queue show MESSAGE` tells why, `pregao queue redrive MESSAGE` sends one again");
	return EXIT_DONE;
}

/* The one message that the word begins. */
static int choose(struct cli *cli, const struct found *f, const struct message **ret, struct err *e)
{
	size_t matches = 0;
	bool several = false;
	for (size_t i = 0; i < f->count; i++)
		if (strncmp(f->list[i].m.id, cli->words[0], strlen(cli->words[0])) == 0) {
			several |= matches && f->list[i].queue != (*ret)->queue;
			/* A whole name is no beginning of others, in its queue. */
			if (!matches || f->list[i].queue != (*ret)->queue ||
			    strcmp((*ret)->m.id, cli->words[0]) != 0) {
				*ret = &f->list[i];
				matches++;
			}
		}
	if (!matches)
		return err_set(e, ERR_NOT_FOUND,
			       "there is no message `%s`; `pregao queue list` shows them",
			       cli->words[0]);
	if (several)
		return err_set(e, ERR_CONFLICT,
			       "`%s` is in several queues; --queue NAME says which is meant",
			       cli->words[0]);
	if (matches > 1)
		return err_set(e, ERR_CONFLICT,
			       "`%s` begins the names of %zu messages; give more of it",
			       cli->words[0], matches);
	return OK;
}

int cmd_queue_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct found f = {.list = NULL};
	const struct message *m = NULL;
	int rc = peek_all(cli, false, PEEK_MAX, &f, &e);
	if (rc == OK)
		rc = choose(cli, &f, &m, &e);
	if (rc) {
		free(f.list);
		return cli_fail(cli, &e);
	}
	static const struct column columns[] = {
		{.name = "queue", .type = COL_TEXT},      {.name = "message", .type = COL_TEXT},
		{.name = "state", .type = COL_TEXT},      {.name = "receives", .type = COL_BIGINT},
		{.name = "sent", .type = COL_TEXT},       {.name = "visible", .type = COL_TEXT},
		{.name = "last_error", .type = COL_TEXT}, {.name = "body", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	listing_text(l, queue_name(m->queue));
	listing_text(l, m->m.id);
	listing_text(l, state_of(m));
	listing_int(l, m->m.receives);
	listing_time(l, m->m.sent_us);
	listing_time(l, m->m.visible_us);
	listing_text(l, m->m.last_error);
	listing_text(l, m->m.body);
	free(f.list);
	if (cli->format == FORMAT_TABLE)
		listing_print_upright(l);
	else
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* A dead letter's queue, by its whole name. */
static int queue_of(struct cli *cli, const struct found *f, struct queue **ret, struct err *e)
{
	*ret = NULL;
	for (size_t i = 0; i < f->count; i++) {
		if (!f->list[i].dead || strcmp(f->list[i].m.id, cli->words[0]) != 0)
			continue;
		if (*ret)
			return err_set(
				e, ERR_CONFLICT,
				"`%s` is in several queues; --queue NAME says which is meant",
				cli->words[0]);
		*ret = f->list[i].queue;
	}
	return *ret ? OK
		    : err_set(e, ERR_NOT_FOUND, "there is no dead letter \"%s\"", cli->words[0]);
}

static int redrive(struct cli *cli, bool all, int64_t *ret_count, struct err *e)
{
	struct found f = {.list = NULL};
	struct queue *one = NULL;
	int rc = open_queues(cli, SYSTEM_WRITE, &f, e);
	for (size_t i = 0; i < f.queue_count && rc == OK; i++) {
		int64_t count = 0;
		if (all)
			rc = queue_redrive(f.queues[i], NULL, &count, e);
		else
			rc = peek(cli, &f, f.queues[i], true, PEEK_MAX, e);
		*ret_count += count;
	}
	if (rc == OK && !all)
		rc = queue_of(cli, &f, &one, e);
	if (rc == OK && one)
		rc = queue_redrive(one, cli->words[0], ret_count, e);
	free(f.list);
	return rc;
}

int cmd_queue_redrive(struct cli *cli)
{
	struct err e = ERR_INIT;
	bool all = cli_flag(cli, OPT_ALL);
	if (all == (cli->word_count > 0))
		return cli_usage(cli, "name a message or give --all");
	if (cli_flag(cli, OPT_DRY_RUN)) {
		struct found f = {.list = NULL};
		if (peek_all(cli, true, PEEK_MAX, &f, &e) != 0)
			return cli_fail(cli, &e);
		size_t would = 0;
		for (size_t i = 0; i < f.count; i++)
			would += all || strcmp(f.list[i].m.id, cli->words[0]) == 0;
		free(f.list);
		printf(tr("%zu dead letters would be sent again\n"), would);
		return EXIT_DONE;
	}
	int64_t count = 0;
	if (redrive(cli, all, &count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->format == FORMAT_JSON)
		printf("{\"redriven\":%lld}\n", (long long)count);
	else
		printf(tr("%lld dead letters sent again; the next `pregao run`, `pregao import` or `pregao backup run` works on them\n"),
		       (long long)count);
	return EXIT_DONE;
}
