/* Both ends of the socket between the server and the helper that runs commands. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"

#define WAIT_SECONDS 30 /* for a place */

/* One message: this, and for a start the words, each ended by a NUL. Descriptors beside it. */
struct message {
	uint32_t id;
	uint32_t words; /* 0: kill it */
};
enum { FD_IN, FD_OUT, FD_ERRORS, FD_STATUS, FD_COUNT };

struct commands {
	int socket;
	pid_t helper;
	atomic_uint next_id;
	sem_t places;
};

/* ---- the helper ---- */

struct child {
	pid_t pid; /* 0: a free place */
	uint32_t id;
	int status; /* where its exit status goes */
};
struct helper {
	const struct commands_options *options;
	int socket;
	/* one that was killed keeps its place until it is reaped */
	struct child children[2 * COMMAND_RUNNING_MAX];
};

static void say_status(int fd, int32_t status)
{
	/* Nobody may be listening any more. */
	(void)!write(fd, &status, sizeof(status));
	close(fd);
}

static void run_child(const struct helper *h, char *const *argv, const int *fds)
{
	sigset_t none;
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* Errors as JSON, whatever form the rows have: cli_fail. */
	setenv("PREGAO_ERRORS", "json", 1);
	if (dup2(fds[FD_IN], STDIN_FILENO) >= 0 && dup2(fds[FD_OUT], STDOUT_FILENO) >= 0 &&
	    dup2(fds[FD_ERRORS], STDERR_FILENO) >= 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		execv("/proc/self/exe", argv);
	_exit(127);
}

static void start_child(struct helper *h, const struct message *m, char *const *argv,
			const int *fds)
{
	struct child *free_place = NULL;
	for (size_t i = 0; i < ARRAY_LEN(h->children) && !free_place; i++)
		if (!h->children[i].pid)
			free_place = &h->children[i];
	pid_t pid = free_place ? fork() : -1;
	if (pid == 0)
		run_child(h, argv, fds);
	if (pid < 0) {
		say_status(fds[FD_STATUS], -1);
		return;
	}
	*free_place = (struct child){pid, m->id, fds[FD_STATUS]};
}

/* The program's name, the words, and what every command is given. */
static char **make_argv(const struct helper *h, struct arena *arena, const char *text, size_t n,
			size_t count)
{
	size_t common = 0, at = 0;
	while (h->options->common[common])
		common++;
	char **argv = ANEW_ARRAY(arena, count + common + 2, char *);
	argv[at++] = arena_strdup(arena, "pregao");
	for (size_t i = 0; i < count; i++) {
		size_t length = strnlen(text, n);
		if (length == n)
			return NULL;
		argv[at++] = arena_strndup(arena, text, length);
		text += length + 1;
		n -= length + 1;
	}
	if (n || !h->options->allows((const char *const *)argv + 1, count))
		return NULL;
	/* Before the words: a value of a stranger's may end the options. */
	memmove(argv + 1 + common, argv + 1, count * sizeof(*argv));
	for (size_t i = 0; i < common; i++)
		argv[1 + i] = arena_strdup(arena, h->options->common[i]);
	argv[1 + common + count] = NULL;
	return argv;
}

static void kill_child(struct helper *h, uint32_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(h->children); i++)
		if (h->children[i].pid && h->children[i].id == id)
			kill(-h->children[i].pid, SIGKILL);
}

/* False when the server is gone. */
static bool take_message(struct helper *h)
{
	static char bytes[sizeof(struct message) + COMMAND_BYTES_MAX];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(FD_COUNT * sizeof(int))];
	} control;
	struct iovec part = {bytes, sizeof(bytes)};
	struct msghdr head = {.msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(h->socket, &head, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	int fds[FD_COUNT];
	size_t fd_count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&head); c; c = CMSG_NXTHDR(&head, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			fd_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), fd_count * sizeof(int));
		}
	struct message m = {0};
	if ((size_t)n >= sizeof(m))
		memcpy(&m, bytes, sizeof(m));
	if (fd_count == FD_COUNT) {
		AUTO_ARENA struct arena *arena = arena_new();
		char **argv = m.words && m.words <= COMMAND_WORDS_MAX
				      ? make_argv(h, arena, bytes + sizeof(m),
						  (size_t)n - sizeof(m), m.words)
				      : NULL;
		if (argv)
			start_child(h, &m, argv, fds);
		else
			say_status(fds[FD_STATUS], -1);
	} else if (m.words == 0) {
		kill_child(h, m.id);
	}
	for (size_t i = 0; i < fd_count && i != FD_STATUS; i++)
		close(fds[i]);
	return true;
}

static void reap(struct helper *h)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < ARRAY_LEN(h->children); i++)
			if (h->children[i].pid == pid) {
				say_status(h->children[i].status,
					   WIFEXITED(status) ? WEXITSTATUS(status) : -1);
				h->children[i].pid = 0;
			}
}

static void be_helper(const struct commands_options *options, int socket)
{
	struct helper h = {.options = options, .socket = socket};
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "commands", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	int ended = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	struct pollfd polled[] = {{socket, POLLIN, 0}, {ended, POLLIN, 0}};
	bool on = ended >= 0;
	while (on) {
		if (poll(polled, ARRAY_LEN(polled), -1) < 0 && errno != EINTR)
			break;
		if (polled[1].revents) {
			struct signalfd_siginfo info;
			(void)!read(ended, &info, sizeof(info));
			reap(&h);
		}
		if (polled[0].revents)
			on = take_message(&h);
	}
	for (size_t i = 0; i < ARRAY_LEN(h.children); i++)
		if (h.children[i].pid)
			kill(-h.children[i].pid, SIGKILL);
	_exit(0);
}

/* ---- the server's end ---- */

int commands_start(const struct commands_options *options, struct commands **ret, struct err *e)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, errno, "cannot make a socket for commands");
	pid_t pid = fork();
	if (pid < 0) {
		int rc = err_errno(e, errno, "cannot start the helper that runs commands");
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	if (pid == 0) {
		close(ends[0]);
		be_helper(options, ends[1]);
	}
	close(ends[1]);
	struct commands *c = NEW(struct commands);
	c->socket = ends[0];
	c->helper = pid;
	sem_init(&c->places, 0, COMMAND_RUNNING_MAX);
	*ret = c;
	return OK;
}

void commands_stop(struct commands *c)
{
	if (!c)
		return;
	close(c->socket);
	waitpid(c->helper, NULL, 0);
	sem_destroy(&c->places);
	free(c);
}

static int send_start(struct commands *c, const struct message *m, struct slice words,
		      const int *fds, struct err *e)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(FD_COUNT * sizeof(int))];
	} control = {0};
	struct message copy = *m;
	struct iovec parts[] = {{&copy, sizeof(copy)}, {(void *)(uintptr_t)words.p, words.n}};
	struct msghdr head = {.msg_iov = parts,
			      .msg_iovlen = ARRAY_LEN(parts),
			      .msg_control = &control,
			      .msg_controllen = sizeof(control)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&head);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(FD_COUNT * sizeof(int));
	memcpy(CMSG_DATA(h), fds, FD_COUNT * sizeof(int));
	while (sendmsg(c->socket, &head, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return err_errno(e, errno, "the helper that runs commands is gone");
	return OK;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int take_place(struct commands *c, struct err *e)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_SECONDS;
	while (sem_timedwait(&c->places, &until) != 0)
		if (errno != EINTR)
			return err_set(e, ERR_LIMIT, "too much is running; try again later");
	return OK;
}

int commands_run(struct commands *c, const char *const *words, size_t n, struct slice input,
		 struct command_run *ret, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	for (size_t i = 0; i < n; i++)
		buf_add(&text, words[i], strlen(words[i]) + 1);
	if (n == 0 || n > COMMAND_WORDS_MAX || text.len > COMMAND_BYTES_MAX)
		return err_set(e, ERR_LIMIT, "the request is too long");
	if (take_place(c, e) != OK)
		return e->code;
	int in = memfd_create("in", MFD_CLOEXEC), errors = memfd_create("errors", MFD_CLOEXEC);
	int out[2] = {-1, -1}, status[2] = {-1, -1}, rc = OK;
	if (in < 0 || errors < 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(status, O_CLOEXEC) != 0)
		rc = err_errno(e, errno, "cannot make a pipe");
	if (rc == OK && (fd_write_all(in, input.p, input.n) != 0 || lseek(in, 0, SEEK_SET) != 0))
		rc = err_errno(e, errno, "cannot hand the request on");
	struct message m = {atomic_fetch_add(&c->next_id, 1), (uint32_t)n};
	const int theirs[FD_COUNT] = {
		[FD_IN] = in, [FD_OUT] = out[1], [FD_ERRORS] = errors, [FD_STATUS] = status[1]};
	if (rc == OK)
		rc = send_start(c, &m, (struct slice){text.data, text.len}, theirs, e);
	close_all((int[]){in, out[1], status[1]}, 3);
	if (rc) {
		close_all((int[]){errors, out[0], status[0]}, 3);
		sem_post(&c->places);
		return rc;
	}
	*ret = (struct command_run){m.id, out[0], errors, status[0]};
	return OK;
}

int command_wait(struct command_run *r)
{
	int32_t status = -1;
	ssize_t n;
	while ((n = read(r->status, &status, sizeof(status))) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof(status) ? status : -1;
}

void command_end(struct commands *c, struct command_run *r)
{
	struct message m = {.id = r->id};
	/* Ended long ago: then nobody has that number. */
	(void)!send(c->socket, &m, sizeof(m), MSG_NOSIGNAL);
	close_all((int[]){r->out, r->errors, r->status}, 3);
	sem_post(&c->places);
}
