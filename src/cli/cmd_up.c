/* up: the whole system, a process for each role, until Ctrl-C. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "file.h"
#include "lake_place.h"
#include "render.h"
#include "role_sandbox.h"
#include "supervisor.h"
#include "tr.h"
#include "web_server.h"

struct up {
	struct cli *cli;
	struct web web;
	char link[WEB_URL_SIZE];
	const char *sources, *period;
	const struct up_settings *settings;
	struct arena *arena; /* of the settings that were read since; NULL: cli->arena */
	/* the configuration before this one, and the arena of its settings; or NULL */
	struct conf *replaced;
	struct arena *replaced_arena;
};

static void json_event(const struct up *u, const struct supervisor_event *v)
{
	static const char *const names[] = {[SUP_STARTED] = "started",   [SUP_UP] = "up",
					    [SUP_ENDED] = "ended",       [SUP_FAILED] = "failed",
					    [SUP_RELOADED] = "reloaded", [SUP_KEPT] = "kept",
					    [SUP_STOPPING] = "stopping", [SUP_KILLED] = "killed"};
	char time[TIME_TEXT_SIZE], text[1400];
	AUTO_BUF struct buf b = {0};
	buf_printf(&b, "{\"at\":\"%s\",\"event\":\"%s\"",
		   time_format_utc(clock_now_us(&clock_system), time), names[v->what]);
	if (v->role)
		buf_printf(&b, ",\"role\":\"%s\",\"pid\":%d", v->role, (int)v->pid);
	else
		buf_printf(&b, ",\"pid\":%d", (int)getpid());
	if (v->what == SUP_UP && u->link[0])
		buf_printf(&b, ",\"link\":\"%s\"", u->link);
	if (v->what == SUP_ENDED)
		buf_printf(&b, ",\"status\":%d,\"signal\":%d",
			   WIFEXITED(v->status) ? WEXITSTATUS(v->status) : -1,
			   WIFSIGNALED(v->status) ? WTERMSIG(v->status) : 0);
	if (v->why) {
		buf_printf(&b, ",\"code\":\"%s\",\"text\":", err_name(v->why->code));
		err_format(v->why, text, sizeof(text));
		buf_json_str(&b, text, strlen(text));
	}
	buf_str(&b, "}\n");
	fputs(b.data, stdout);
	fflush(stdout);
}

/* Who is to look at it next needs the same lake. */
static void print_up(struct cli *cli, const struct up_settings *s, const char *link)
{
	static const char *const look[] = {"runs", "schedule list", "stream status", "logs"};
	printf(tr("pregao is up: process %d, a process for each of %zu roles\n"), (int)getpid(),
	       role_count);
	printf(tr("  lake     %s\n"), s->lake);
	printf(tr("  backup   %s\n"), s->backup.path);
	if (*link)
		printf(tr("  open     %s\n"), link);
	printf(tr("  look     "));
	for (size_t i = 0; i < ARRAY_LEN(look); i++)
		printf("%s%s %s --lake %s\n", i ? "           " : "", cli->program, look[i],
		       s->lake);
	printf(tr("  Ctrl-C ends it; SIGHUP reads the configuration again\n"));
}

static void told_text(struct up *u, const struct supervisor_event *v)
{
	char text[1400], pause[32];
	struct cli *cli = u->cli;
	switch (v->what) {
	case SUP_STARTED:
		if (cli->verbose)
			cli_note(cli, "%s started: process %d", v->role, (int)v->pid);
		break;
	case SUP_UP:
		if (!cli->quiet)
			print_up(cli, u->settings, u->link);
		break;
	case SUP_ENDED:
		if (v->pause_us < 0)
			break;
		human_duration(v->pause_us, pause);
		if (WIFSIGNALED(v->status))
			cli_warn(cli,
				 "%s, process %d, was ended by signal %d; starting it again in %s",
				 v->role, (int)v->pid, WTERMSIG(v->status), pause);
		else
			cli_warn(cli,
				 "%s, process %d, ended with status %d; starting it again in %s",
				 v->role, (int)v->pid, WEXITSTATUS(v->status), pause);
		break;
	case SUP_FAILED:
		cli_warn(cli, "%s: %s", v->role, err_format(v->why, text, sizeof(text)));
		break;
	case SUP_RELOADED:
		cli_note(cli, "the configuration was read again, and every role started with it");
		break;
	case SUP_KEPT:
		cli_warn(cli, "the new configuration is wrong, so the old one stays in force: %s",
			 err_format(v->why, text, sizeof(text)));
		break;
	case SUP_STOPPING: cli_note(cli, "stopping"); break;
	case SUP_KILLED:
		cli_warn(cli, "%s, process %d, did not stop in time and was killed", v->role,
			 (int)v->pid);
		break;
	}
	fflush(stdout);
}

static void told(void *ctx, const struct supervisor_event *v)
{
	struct up *u = ctx;
	if (u->cli->format == FORMAT_JSON)
		json_event(u, v);
	else
		told_text(u, v);
}

static int read_settings(struct up *u, const struct conf *conf, const char *lake,
			 struct arena *arena, const struct up_settings **ret, struct err *e)
{
	struct up_settings *s = ANEW(arena, struct up_settings);
	s->lake = lake;
	s->conf = conf;
	s->definitions = cli_definitions(u->cli);
	s->web = u->web;
	*ret = s;
	return up_settings_read(s, u->sources, u->period, arena, e);
}

/* The lake stays where it is: moving it is no change of the configuration. */
static int reload(void *ctx, const struct up_settings **ret, struct err *e)
{
	struct up *u = ctx;
	struct conf *conf, *before = u->cli->conf;
	int rc = cli_load_conf(u->cli, &conf, e);
	if (rc)
		return rc;
	struct arena *arena = arena_new();
	u->cli->conf = conf;
	rc = read_settings(u, conf, arena_strdup(arena, u->settings->lake), arena, ret, e);
	if (rc) {
		u->cli->conf = before;
		conf_free(conf);
		arena_free(arena);
		return rc;
	}
	/* Until the next time, or the end: the settings before are in use until this returns. */
	conf_free(u->replaced);
	arena_free(u->replaced_arena);
	u->replaced = before;
	u->replaced_arena = u->arena;
	u->arena = arena;
	u->settings = *ret;
	return OK;
}

static int check_sandbox(struct cli *cli, const struct up_settings *s, struct err *e)
{
	struct sandbox_lacks lacks = role_sandbox_lacks(s->landlock_abi);
	if (lacks.files)
		cli_warn(
			cli,
			"this kernel cannot keep the roles to their folders: Landlock is missing or older than Linux 5.19");
	if (lacks.network)
		cli_warn(
			cli,
			"this kernel cannot keep the roles to their TCP ports: Landlock is missing or older than Linux 6.7");
	if (lacks.calls)
		cli_warn(cli,
			 "this kernel cannot refuse the roles system calls: it has no seccomp");
	if (cli_flag(cli, OPT_REQUIRE_SANDBOX) && (lacks.files || lacks.network || lacks.calls))
		return err_set(
			e, ERR_DENIED,
			"not started: the sandbox would not hold, and --require-sandbox wants it to");
	return OK;
}

/* Absolute: a process of each role is told it, and a sandbox is made of it. */
static int lake_folder(struct cli *cli, const char **ret, struct err *e)
{
	const char *lake = cli_lake(cli);
	if (lake_place_is_bucket(lake))
		return err_set(
			e, ERR_USAGE,
			"%s: `up` keeps its lake in a folder; a lake in a bucket is worked on by commands, or by functions on AWS",
			lake);
	*ret = arena_strdup(cli->arena, lake);
	if (lake[0] != '/') {
		char *here = getcwd(NULL, 0);
		*ret = arena_printf(cli->arena, "%s/%s", here ? here : ".", lake);
		free(here);
	}
	return OK;
}

int cmd_up(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct up u = {.cli = cli,
		       .sources = cli_value(cli, OPT_SOURCE),
		       .period = cli_value(cli, OPT_PERIOD)};
	const char *lake;
	if (cli->format != FORMAT_TABLE && cli->format != FORMAT_JSON)
		return cli_usage(cli, "--format %s: expected table or json",
				 cli_value(cli, OPT_FORMAT));
	/* Both places before anything is made in either, and nobody else where we listen. */
	u.web.socket = -1;
	if (cli_listen(cli, &u.web, u.link, &e) != OK || lake_folder(cli, &lake, &e) != OK ||
	    file_mkdirs_check(lake, &e) != OK ||
	    read_settings(&u, cli->conf, lake, cli->arena, &u.settings, &e) != OK ||
	    file_mkdirs_check(u.settings->backup.path, &e) != OK ||
	    check_sandbox(cli, u.settings, &e) != OK)
		return cli_fail(cli, &e);
	struct supervisor with = {
		.settings = u.settings, .reload = reload, .told = told, .ctx = &u};
	int rc = supervisor_run(&with, &e);
	conf_free(u.replaced);
	arena_free(u.replaced_arena);
	arena_free(u.arena);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
