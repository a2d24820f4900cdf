/* Telling somebody of an alarm's change: a command of the user's, run without a shell, and a webhook. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "alarms.h"
#include "file.h"
#include "http.h"

#define WORDS_MAX    32
#define TEXT_MAX     2000     /* bytes of an alarm's text: all of it fits into a pipe */
#define COMMAND_US   30000000 /* then it is killed */
#define WEBHOOK_US   10000000
#define LOOK_EACH_US 10000

/* The bits of who took a change; written down, never to be changed. */
enum { BY_COMMAND = 1, BY_WEBHOOK = 2 };

bool alarm_notify_wanted(const struct conf *conf)
{
	return *conf_text(conf, "alarms", "notify") || *conf_text(conf, "alarms", "webhook");
}

/* The command is run as it is: no shell takes quotes away, and none says that it does not exist. */
static int check_command(const char *command, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct slice rest = slice_trim(slice_of(command)), word = slice_cut(&rest, ' ');
	if (!word.n)
		return OK;
	if (strpbrk(command, "'\""))
		return err_set(
			e, ERR_USAGE,
			"notify = %s: it is run without a shell, which would know quotes; make a script of it",
			command);
	struct slice folders = word;
	if (!memchr(word.p, '/', word.n))
		folders = slice_of(getenv("PATH") ? getenv("PATH") : "");
	while (folders.n) {
		struct slice folder = slice_cut(&folders, ':');
		const char *path = folder.p == word.p
					   ? arena_strndup(arena, word.p, word.n)
					   : arena_printf(arena, "%.*s/%.*s", (int)folder.n,
							  folder.p, (int)word.n, word.p);
		struct stat st;
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
			return OK;
	}
	return err_set(e, ERR_USAGE, "notify = %s: there is no such program", command);
}

int alarm_notify_check(const struct conf *conf, struct err *e)
{
	const char *url = conf_text(conf, "alarms", "webhook");
	int rc = check_command(conf_text(conf, "alarms", "notify"), e);
	if (rc)
		return err_where(e, conf_origin(conf, "alarms", "notify"));
	rc = *url ? http_url_check(url, e) : OK;
	if (rc == OK || rc == ERR_NOT_FOUND) /* the latter: without libcurl */
		return rc;
	e->code = ERR_USAGE;
	return err_where(e, conf_origin(conf, "alarms", "webhook"));
}

static void make_json(const char *lake, const struct alarm_change *c, struct buf *out)
{
	char at[TIME_TEXT_SIZE];
	buf_str(out, "{\"alarm\":");
	buf_json_str(out, c->alarm, strlen(c->alarm));
	buf_printf(out, ",\"state\":\"%s\",\"was\":\"%s\",\"at\":\"%s\",\"text\":",
		   alarm_state_name(c->state), alarm_state_name(c->was),
		   time_format_utc(c->at_us, at));
	const char *text = c->text ? c->text : "";
	buf_json_str(out, text, strnlen(text, TEXT_MAX));
	buf_str(out, ",\"lake\":");
	buf_json_str(out, lake, strlen(lake));
	buf_printf(out, ",\"change\":%lld,\"attempt\":%d}\n", (long long)c->id, c->attempts);
}

/* This process's environment and what the change is. */
static char **make_environment(struct arena *arena, const char *lake, const struct alarm_change *c)
{
	char at[TIME_TEXT_SIZE];
	size_t n = 0;
	while (environ[n])
		n++;
	char **list = ANEW_ARRAY(arena, n + 7, char *);
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "PREGAO_ALARM", 12) != 0)
			list[count++] = environ[i];
	list[count++] = arena_printf(arena, "PREGAO_ALARM=%s", c->alarm);
	list[count++] = arena_printf(arena, "PREGAO_ALARM_STATE=%s", alarm_state_name(c->state));
	list[count++] = arena_printf(arena, "PREGAO_ALARM_WAS=%s", alarm_state_name(c->was));
	list[count++] = arena_printf(arena, "PREGAO_ALARM_AT=%s", time_format_utc(c->at_us, at));
	list[count++] =
		arena_printf(arena, "PREGAO_ALARM_TEXT=%.*s", TEXT_MAX, c->text ? c->text : "");
	list[count++] = arena_printf(arena, "PREGAO_ALARM_LAKE=%s", lake);
	return list;
}

static int split(struct arena *arena, const char *command, char **ret, struct err *e)
{
	struct slice rest = slice_trim(slice_of(command));
	size_t n = 0;
	while (rest.n && n < WORDS_MAX) {
		struct slice word = slice_cut(&rest, ' ');
		if (word.n)
			ret[n++] = arena_strndup(arena, word.p, word.n);
	}
	ret[n] = NULL;
	return rest.n ? err_set(e, ERR_USAGE, "the command has more than %d words", WORDS_MAX) : OK;
}

/* Its standard input is the pipe, what it prints goes where our errors go: our output is for programs. */
static int start(char *const words[], char *const environment[], int in, pid_t *ret, struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t ours;
	/* What we ignore is no business of the command's. */
	static const int numbers[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
	sigemptyset(&ours);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sigaddset(&ours, numbers[i]);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &ours);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	int rc = posix_spawnp(ret, words[0], &actions, &attributes, words, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc ? err_errno(e, rc, "cannot run %s", words[0]) : OK;
}

/* Whether the other end of a socket is closed. */
static bool is_gone(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};
	return fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP));
}

/* asker: a socket to whoever wants it run, or -1; what it began ends with it. */
static int wait_for(pid_t pid, const char *name, int asker, struct err *e)
{
	int status = 0;
	int64_t until = clock_monotonic_us(&clock_system) + COMMAND_US;
	pid_t done;
	bool gone = false;
	while ((done = waitpid(pid, &status, WNOHANG)) == 0 && !(gone = is_gone(asker)) &&
	       clock_monotonic_us(&clock_system) < until)
		clock_sleep_us(&clock_system, LOOK_EACH_US);
	if (done == 0) {
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (gone)
			return err_set(e, ERR_RETRY, "%s was killed: who wanted it is gone", name);
		return err_set(e, ERR_LIMIT, "%s did not end within %d s and was killed", name,
			       COMMAND_US / 1000000);
	}
	/* Somebody else reaped it (a supervisor does): what it said is lost, but it has run. */
	if (done < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return OK;
	if (WIFEXITED(status))
		return err_set(e, ERR_RETRY, "%s ended with status %d", name, WEXITSTATUS(status));
	return err_set(e, ERR_RETRY, "%s was ended by signal %d", name, WTERMSIG(status));
}

static int run_command(const char *command, const char *lake, const struct alarm_change *c,
		       const struct buf *json, int asker, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	char *words[WORDS_MAX + 1];
	int ends[2];
	pid_t pid = 0;
	int rc = split(arena, command, words, e);
	if (rc)
		return rc;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, errno, "cannot make a pipe");
	/* Written before anybody reads: it fits, and a command that does not read takes nothing from
	 * us. */
	int failed = fd_write_all(ends[1], json->data, json->len);
	close(ends[1]);
	rc = failed ? err_errno(e, failed, "cannot write into a pipe")
		    : start(words, make_environment(arena, lake, c), ends[0], &pid, e);
	close(ends[0]);
	return rc ? rc : wait_for(pid, words[0], asker, e);
}

static int post(const char *url, const struct buf *json, const atomic_bool *stop, struct err *e)
{
	struct http *http;
	struct http_response answer = {0};
	int rc = http_curl_new(&http, e);
	if (rc)
		return rc;
	struct http_request q = {
		.method = "POST",
		.url = url,
		.headers = (const char *const[]){"Content-Type: application/json", NULL},
		.body = buf_slice(json),
		.deadline_us = WEBHOOK_US,
		.body_ceiling_bytes = 65536,
		.user_agent = "pregao",
		.cancel = stop};
	rc = http_request(http, &q, &answer, e);
	if (rc == OK && (answer.status < 200 || answer.status > 299))
		rc = err_set(e, ERR_RETRY, "the webhook answered with status %d", answer.status);
	http_response_clear(&answer);
	http_free(http);
	return rc;
}

int alarm_notify_command(const struct conf *conf, const char *lake, const struct alarm_change *c,
			 int asker, struct err *e)
{
	AUTO_BUF struct buf json = {0};
	make_json(lake, c, &json);
	return run_command(conf_text(conf, "alarms", "notify"), lake, c, &json, asker, e);
}

int alarm_notify(const struct conf *conf, const char *lake, const struct alarm_teller *t,
		 const struct alarm_change *c, int *ret_reached, struct err *e)
{
	const char *url = conf_text(conf, "alarms", "webhook");
	AUTO_BUF struct buf json = {0};
	struct err why = ERR_INIT;
	int rc = OK, posted = OK;
	*ret_reached = c->reached;
	if (*conf_text(conf, "alarms", "notify") && !(c->reached & BY_COMMAND)) {
		rc = t && t->command ? t->command(t->ctx, c, e)
				     : alarm_notify_command(conf, lake, c, -1, e);
		*ret_reached |= rc == OK ? BY_COMMAND : 0;
	}
	if (*url && !(c->reached & BY_WEBHOOK)) {
		make_json(lake, c, &json);
		posted = post(url, &json, t ? t->stop : NULL, &why);
		*ret_reached |= posted == OK ? BY_WEBHOOK : 0;
	}
	if (rc == OK && posted && e)
		*e = why;
	return rc ? rc : posted;
}
