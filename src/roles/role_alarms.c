/* The role that judges the alarms. The notify command is the user's, and wants what a sandbox takes away: a
 * process beside the role, outside, runs that one command when the role asks, and nothing else. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alarms.h"
#include "file.h"
#include "role_table.h"

#define NOBODY   INT64_MIN /* the id of no change: only whether the helper is there is asked */
#define SLICE_MS 100       /* how late a stop is seen while the command runs */

/* What the role may say to the helper: data about a change, never what is to be run. */
struct question {
	int64_t id, at_us;
	int was, state, attempts;
	char alarm[128], text[2048];
};

static int helper = -1;
static bool helper_gone;

/* False at the end, and when the role is to stop. */
static bool read_all(int fd, void *to, size_t n, const atomic_bool *stop)
{
	for (size_t got = 0; got < n;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, stop ? SLICE_MS : -1);
		if (stop && atomic_load(stop))
			return false;
		if (ready == 0 || (ready < 0 && errno == EINTR))
			continue;
		ssize_t k = read(fd, (char *)to + got, n - got);
		if (k == 0 || (k < 0 && errno != EINTR))
			return false;
		got += k > 0 ? (size_t)k : 0;
	}
	return true;
}

static enum alarm_state state_of(int number)
{
	return number == ALARM_OK ? ALARM_OK : number == ALARM_ON ? ALARM_ON : ALARM_UNKNOWN;
}

static void answer(int fd, const struct up_settings *s)
{
	struct question q;
	while (read_all(fd, &q, sizeof(q), NULL)) {
		struct err why = ERR_INIT;
		q.alarm[sizeof(q.alarm) - 1] = q.text[sizeof(q.text) - 1] = 0;
		struct alarm_change c = {.id = q.id,
					 .alarm = q.alarm,
					 .was = state_of(q.was),
					 .state = state_of(q.state),
					 .at_us = q.at_us,
					 .text = q.text,
					 .attempts = q.attempts};
		if (q.id != NOBODY)
			why.code = alarm_notify_command(s->conf, s->lake, &c, fd, &why);
		if (fd_write_all(fd, &why, sizeof(why)) != 0)
			break;
	}
}

int role_alarms_before(const struct up_settings *s, struct err *e)
{
	int ends[2];
	if (!*conf_text(s->conf, "alarms", "notify"))
		return OK;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, errno, "cannot make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		/* The role's end closes the socket, and is its end: after it has ended the command. */
		signal(SIGTERM, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
		answer(ends[1], s);
		_exit(0);
	}
	int errnum = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_errno(e, errnum, "cannot start a process");
	}
	helper = ends[0];
	return OK;
}

static int helper_is_gone(struct err *e)
{
	return err_set(e, ERR_RETRY, "the process that runs the notify command is gone");
}

static int ask_helper(void *ctx, const struct alarm_change *c, struct err *e)
{
	struct role_context *role = ctx;
	struct err why = ERR_INIT;
	struct question q = {.id = c->id,
			     .at_us = c->at_us,
			     .was = (int)c->was,
			     .state = (int)c->state,
			     .attempts = c->attempts};
	snprintf(q.alarm, sizeof(q.alarm), "%s", c->alarm);
	snprintf(q.text, sizeof(q.text), "%s", c->text ? c->text : "");
	if (fd_write_all(helper, &q, sizeof(q)) == 0 &&
	    read_all(helper, &why, sizeof(why), role->stop)) {
		if (why.code)
			*e = why;
		return why.code;
	}
	if (atomic_load(role->stop))
		return err_set(e, ERR_RETRY, "stopped while the notify command ran");
	helper_gone = true;
	return helper_is_gone(e);
}

bool role_alarms_helper_answers(void)
{
	struct err why = ERR_INIT;
	struct question q = {.id = NOBODY};
	return helper >= 0 && fd_write_all(helper, &q, sizeof(q)) == 0 &&
	       read_all(helper, &why, sizeof(why), NULL) && why.code == OK;
}

int role_alarms(struct role_context *c, struct err *e)
{
	const struct conf *conf = c->settings->conf;
	struct alarm_teller teller = {
		.command = helper < 0 ? NULL : ask_helper, .ctx = c, .stop = c->stop};
	int failures = 0;
	struct err ignored = ERR_INIT;
	/* The role begins anew with a new configuration, too: who could not be told may be reached now. */
	int rc = telemetry_alarm_again(system_telemetry(c->system), &ignored);
	(void)rc; /* it is tried again at its time */
	while (!atomic_load(c->stop)) {
		struct err why = ERR_INIT;
		int64_t now = clock_now_us(system_clock(c->system));
		if (alarms_evaluate(c->system, conf, now, &teller, &why) != OK) {
			role_failed(c, "alarms.failed", &why, &failures);
			continue;
		}
		failures = 0;
		/* A new process of the role brings a new helper. */
		if (helper_gone)
			return helper_is_gone(e);
		role_wait(c, conf_duration_us(conf, "alarms", "every"));
	}
	return OK;
}
