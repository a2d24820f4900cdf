/* The SQL worker process: fork, watch, reap. What the child may do is settled in system.c
 * (system_query_locked). */
#include "sql_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "str.h"
#include "value.h"

#define WATCH_MS 50      /* how often time and memory are looked at */
#define GRACE_US 1000000 /* between asking and killing */

/* -- signals ----------------------------------------------------------------------------------- */

static const int held[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[ARRAY_LEN(held)];
static volatile sig_atomic_t interrupted;

static void note(int signal)
{
	(void)signal;
	interrupted = 1;
}

void sql_worker_hold_signals(void)
{
	/* Without SA_RESTART: whatever this process waits for ends. */
	struct sigaction noting = {.sa_handler = note};
	sigemptyset(&noting.sa_mask);
	interrupted = 0;
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		sigaction(held[i], NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN)
			sigaction(held[i], &noting, NULL);
	}
}

void sql_worker_release_signals(void)
{
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		sigaction(held[i], &before[i], NULL);
}

bool sql_worker_interrupted(void)
{
	return interrupted != 0;
}

bool sql_worker_wait_to_write(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	sigset_t all, old;
	/* Blocked until ppoll looks: none comes between the question and the wait. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	int n = 0;
	while (!interrupted && (n = ppoll(&p, 1, NULL, &old)) < 0 && errno == EINTR)
		;
	int errnum = interrupted ? EINTR : errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = errnum;
	return n > 0 && !interrupted;
}

/* -- the worker -------------------------------------------------------------------------------- */

/* Forks. No signal reaches the child while its handlers are still those of the parent, which would
 * only take note of it. */
static pid_t fork_worker(void)
{
	sigset_t all, old;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = fork();
	if (pid == 0)
		sql_worker_release_signals();
	int errnum = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = errnum;
	return pid;
}

static void child(int report, pid_t parent, int (*body)(void *, struct err *), void *ctx)
{
	struct err e = ERR_INIT;
	/* The worker never outlives who started it, and leaves no core file of somebody's data
	 * behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	int rc = body(ctx, &e);
	fflush(stdout);
	if (rc) {
		e.code = rc;
		ssize_t n = write(report, &e, sizeof(e));
		(void)n; /* the parent sees a short report and says that the worker died */
	}
	/* _exit: destructors of foreign libraries are of no use to a process that is done. */
	_exit(rc ? 1 : 0);
}

/* Resident bytes of a process; 0 when it cannot be told. */
static int64_t resident_bytes(pid_t pid)
{
	char path[64], text[128];
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	struct slice rest = {text, (size_t)n};
	slice_cut(&rest, ' ');
	int64_t pages = 0;
	return int64_parse(slice_cut(&rest, ' '), &pages) ? pages * sysconf(_SC_PAGESIZE) : 0;
}

enum ending { BY_ITSELF, BY_TIME, BY_MEMORY, BY_SIGNAL };

/* Waits for the report or the end of the child; ends it when it overruns. */
static enum ending watch(const struct sql_worker *w, pid_t pid, int report, struct err *ret_report,
			 size_t *ret_got)
{
	int64_t start = clock_monotonic_us(&clock_system), asked = 0;
	enum ending how = BY_ITSELF;
	*ret_got = 0;
	for (;;) {
		struct pollfd p = {.fd = report, .events = POLLIN};
		int n = poll(&p, 1, WATCH_MS);
		if (how == BY_ITSELF && interrupted) {
			how = BY_SIGNAL;
			kill(pid, SIGKILL);
		}
		if (n > 0) {
			ssize_t got = read(report, (char *)ret_report + *ret_got,
					   sizeof(*ret_report) - *ret_got);
			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				return how;
			*ret_got += (size_t)got;
			continue;
		}
		int64_t now = clock_monotonic_us(&clock_system);
		if (how == BY_ITSELF && w->memory_ceiling_bytes &&
		    resident_bytes(pid) > w->memory_ceiling_bytes) {
			how = BY_MEMORY;
			kill(pid, SIGKILL);
		}
		if (how == BY_ITSELF && w->timeout_us && now - start > w->timeout_us) {
			how = BY_TIME;
			asked = now;
			kill(pid, SIGTERM);
		}
		if (how == BY_TIME && now - asked > GRACE_US)
			kill(pid, SIGKILL);
	}
}

int sql_worker_run(const struct sql_worker *w, int (*body)(void *, struct err *), void *ctx,
		   struct err *e)
{
	int pipes[2];
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return err_errno(e, errno, "cannot make a pipe to the SQL worker");
	fflush(NULL);
	pid_t parent = getpid();
	pid_t pid = fork_worker();
	if (pid < 0) {
		int saved = errno;
		close(pipes[0]);
		close(pipes[1]);
		return err_errno(e, saved, "cannot start the SQL worker");
	}
	if (pid == 0) {
		close(pipes[0]);
		child(pipes[1], parent, body, ctx);
	}
	close(pipes[1]);
	struct err report = ERR_INIT;
	size_t got;
	enum ending how = watch(w, pid, pipes[0], &report, &got);
	close(pipes[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (how == BY_SIGNAL)
		return err_set(e, ERR_CONFLICT, "interrupted");
	if (how == BY_TIME)
		return err_set(
			e, ERR_LIMIT,
			"the statement took longer than %lld seconds and was ended; --timeout gives it more",
			(long long)(w->timeout_us / 1000000));
	if (how == BY_MEMORY)
		return err_set(
			e, ERR_LIMIT,
			"the statement's process took %lld MiB of memory, more than --memory and its margin, and was ended; --memory gives it more",
			(long long)(w->memory_ceiling_bytes >> 20));
	if (got == sizeof(report)) {
		*e = report;
		return report.code;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return OK;
	/* Ctrl-C reaches both, and the worker may be the first to hear of it. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
		return err_set(e, ERR_CONFLICT, "interrupted");
	if (WIFSIGNALED(status))
		return err_set(e, ERR_IO,
			       "the SQL worker died (%s); nothing but this statement is affected",
			       strsignal(WTERMSIG(status)));
	return err_set(e, ERR_IO, "the SQL worker ended with status %d without a word",
		       WEXITSTATUS(status));
}
