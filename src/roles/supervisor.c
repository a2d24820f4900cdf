/* Keeping the roles running: one loop that waits for signals, and for the time at which a dead role may be
 * started again. */
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "role_process.h"

#define PAUSE_LEAST_US INT64_C(1000000)
#define PAUSE_MOST_US  INT64_C(60000000)
#define STOP_US        INT64_C(10000000) /* how long a role has to end */
#define POLL_US        INT64_C(20000)
#define LOCK_US        INT64_C(500000) /* for one that is ending just now */

struct worker {
	const struct role *role;
	pid_t pid; /* 0: not running */
	int64_t started_us, due_us;
	int64_t pause_us; /* the next one */
	bool asked;       /* to end: no reason to tell of it */
};
struct house {
	const struct supervisor *with;
	const struct up_settings *settings;
	struct worker *workers;
	int lock;
	bool stopping;
};

static int64_t now_us(void)
{
	return clock_monotonic_us(&clock_system);
}

static void tell(const struct house *h, struct supervisor_event event)
{
	h->with->told(h->with->ctx, &event);
}

/* -- before anything runs ---------------------------------------------------------------------- */

static void holder_found(void *ctx, pid_t holder)
{
	*(pid_t *)ctx = holder;
}

static int take_lake(struct house *h, struct err *e)
{
	pid_t holder = 0;
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/state", h->settings->lake);
	int rc = file_mkdirs(path.data, true, e);
	buf_str(&path, "/up.lock");
	if (rc == OK)
		rc = file_lock(path.data, true, &clock_system, LOCK_US, holder_found, &holder,
			       &h->lock, e);
	if (rc == ERR_CONFLICT)
		return err_set(e, ERR_CONFLICT,
			       "`pregao up` runs on the lake %s already: process %d",
			       h->settings->lake, (int)holder);
	return rc;
}

/* In a process of its own: this one is to open no database, for what SQLite holds must not be carried
 * over a fork. */
static int prepare(const struct up_settings *s, struct err *e)
{
	int ends[2], status;
	if (pipe(ends) != 0)
		return err_errno(e, errno, "cannot make a pipe");
	pid_t pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return err_errno(e, errno, "cannot start a process");
	}
	if (pid == 0) {
		struct err why = ERR_INIT;
		int rc = role_prepare_all(s, &why);
		why.code = rc;
		rc = fd_write_all(ends[1], &why, sizeof(why));
		_exit(rc ? 1 : 0);
	}
	close(ends[1]);
	struct err why = ERR_INIT;
	size_t got = 0;
	while (got < sizeof(why)) {
		ssize_t n = read(ends[0], (char *)&why + got, sizeof(why) - got);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		got += n > 0 ? (size_t)n : 0;
	}
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got < sizeof(why))
		return err_set(e, ERR_IO, "the process that prepares the lake died");
	if (why.code)
		*e = why;
	return why.code;
}

/* -- the roles --------------------------------------------------------------------------------- */

static void start(struct house *h, struct worker *w)
{
	pid_t parent = getpid();
	w->started_us = now_us();
	w->asked = false;
	pid_t pid = fork();
	if (pid == 0) {
		struct err why = ERR_INIT;
		close(h->lock);
		if (h->settings->web.socket >= 0 &&
		    !role_may(w->role, "connections", "accept", NULL))
			close(h->settings->web.socket);
		int rc = role_process(w->role, h->settings, parent, &why);
		why.code = rc;
		if (rc)
			tell(h, (struct supervisor_event){.what = SUP_FAILED,
							  .role = w->role->name,
							  .pid = getpid(),
							  .why = &why});
		/* Nothing of the supervisor's is to be run down here. */
		_exit(rc ? 1 : 0);
	}
	if (pid < 0) {
		struct err why = ERR_INIT;
		int rc = err_errno(&why, errno, "cannot start a process");
		(void)rc; /* tried again after the longest pause, as often as it takes */
		w->due_us = now_us() + PAUSE_MOST_US;
		tell(h, (struct supervisor_event){
				.what = SUP_FAILED, .role = w->role->name, .why = &why});
		return;
	}
	w->pid = pid;
	tell(h, (struct supervisor_event){.what = SUP_STARTED, .role = w->role->name, .pid = pid});
}

/* It lived for a minute: whatever killed it, starting it is not the reason. */
static void ended(struct house *h, struct worker *w, int status)
{
	pid_t pid = w->pid;
	w->pid = 0;
	if (now_us() - w->started_us >= PAUSE_MOST_US || !w->pause_us)
		w->pause_us = PAUSE_LEAST_US;
	w->due_us = now_us() + w->pause_us;
	tell(h, (struct supervisor_event){.what = SUP_ENDED,
					  .role = w->role->name,
					  .pid = pid,
					  .status = status,
					  .pause_us = h->stopping || w->asked ? -1 : w->pause_us});
	w->pause_us = w->pause_us * 2 < PAUSE_MOST_US ? w->pause_us * 2 : PAUSE_MOST_US;
}

static void reap(struct house *h)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < role_count; i++)
			if (h->workers[i].pid == pid)
				ended(h, &h->workers[i], status);
}

static bool any_runs(const struct house *h)
{
	for (size_t i = 0; i < role_count; i++)
		if (h->workers[i].pid)
			return true;
	return false;
}

/* All of them, or the one. */
static void stop(struct house *h, struct worker *one, int64_t until)
{
	bool killed = false;
	for (size_t i = 0; i < role_count; i++)
		if (h->workers[i].pid && (!one || one == &h->workers[i])) {
			h->workers[i].asked = true;
			kill(h->workers[i].pid, SIGTERM);
		}
	while (one ? one->pid != 0 : any_runs(h)) {
		clock_sleep_us(&clock_system, POLL_US);
		reap(h);
		if (killed || now_us() < until)
			continue;
		killed = true;
		for (size_t i = 0; i < role_count; i++) {
			struct worker *w = &h->workers[i];
			if (!w->pid || (one && one != w))
				continue;
			tell(h, (struct supervisor_event){
					.what = SUP_KILLED, .role = w->role->name, .pid = w->pid});
			kill(w->pid, SIGKILL);
		}
	}
}

/* Who fills the stream ends first, so that who empties it can deliver the rest. */
static void stop_all(struct house *h)
{
	int64_t until = now_us() + STOP_US;
	for (size_t i = 0; i < role_count; i++)
		for (const struct right *r = role_table[i].rights; r->action; r++)
			if (r->action == ACT_APPEND && h->workers[i].pid)
				stop(h, &h->workers[i], now_us() + STOP_US / 3);
	stop(h, NULL, until);
}

static bool to_stop(void)
{
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* One by one, so that the others go on meanwhile; who is told to end meanwhile does so. */
static void reload(struct house *h)
{
	const struct up_settings *fresh;
	struct err why = ERR_INIT;
	int rc = h->with->reload(h->with->ctx, &fresh, &why);
	if (rc) {
		tell(h, (struct supervisor_event){.what = SUP_KEPT, .why = &why});
		return;
	}
	h->settings = fresh;
	for (size_t i = 0; i < role_count; i++) {
		struct worker *w = &h->workers[i];
		if (to_stop())
			return;
		if (w->pid)
			stop(h, w, now_us() + STOP_US);
		w->pause_us = 0;
		start(h, w);
	}
	tell(h, (struct supervisor_event){.what = SUP_RELOADED});
}

static int64_t start_due(struct house *h)
{
	int64_t next = PAUSE_MOST_US;
	for (size_t i = 0; i < role_count; i++) {
		struct worker *w = &h->workers[i];
		if (!w->pid && now_us() >= w->due_us)
			start(h, w);
		if (!w->pid && w->due_us - now_us() < next)
			next = w->due_us - now_us();
	}
	return next < 0 ? 0 : next;
}

static void run(struct house *h, const sigset_t *signals)
{
	start_due(h);
	tell(h, (struct supervisor_event){.what = SUP_UP});
	for (;;) {
		int64_t wait = start_due(h);
		struct timespec limit = {.tv_sec = wait / 1000000,
					 .tv_nsec = wait % 1000000 * 1000};
		int number = sigtimedwait(signals, NULL, &limit);
		/* One SIGCHLD may stand for several. */
		reap(h);
		if (number == SIGHUP)
			reload(h);
		if (number == SIGTERM || number == SIGINT) {
			h->stopping = true;
			tell(h, (struct supervisor_event){.what = SUP_STOPPING, .status = number});
			stop_all(h);
			return;
		}
	}
}

int supervisor_run(const struct supervisor *with, struct err *e)
{
	struct house h = {.with = with, .settings = with->settings, .lock = -1};
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};
	sigset_t signals, before;
	int rc = take_lake(&h, e);
	if (rc)
		return rc;
	/* From before the first process on, so that no end is missed. */
	sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sigaddset(&signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	rc = prepare(h.settings, e);
	if (rc == OK) {
		h.workers = NEW_ARRAY(role_count, struct worker);
		for (size_t i = 0; i < role_count; i++)
			h.workers[i].role = &role_table[i];
		run(&h, &signals);
		free(h.workers);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	file_unlock(h.lock);
	return rc;
}
