/* What each role can do, found out by trying: a process for each enters its sandbox in a real lake and tries
 * what it may and what it may not. The table that is printed holds what happened, not what was meant to. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "role_process.h"
#include "role_sandbox.h"

struct lake {
	char *folder;
	struct conf *conf;
	struct arena *arena;
	struct up_settings settings;
	int listening[2], ports[2]; /* the first one is B3's and the tickers' */
};

/* One thing that is tried: 0 when it worked, else errno or our own code. */
struct attempt {
	const char *what;
	int (*try)(const struct lake *, struct system *, const char *);
	const char *argument;
	const char *roles; /* who may, by name; NULL: nobody */
};

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	int errnum = errno;
	if (fd < 0)
		return errnum;
	close(fd);
	return 0;
}

static int try_write(const struct lake *l, struct system *s, const char *folder)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/%s/attempt-%d", l->settings.lake, folder, (int)getpid());
	int errnum = try_open(path.data, O_RDWR | O_CREAT);
	unlink(path.data);
	return errnum;
}

static int try_read(const struct lake *l, struct system *s, const char *file)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s%s%s", file[0] == '/' ? "" : l->settings.lake,
		   file[0] == '/' ? "" : "/", file);
	return try_open(path.data, O_RDONLY);
}

static int try_write_file(const struct lake *l, struct system *s, const char *file)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/%s", l->settings.lake, file);
	return try_open(path.data, O_RDWR);
}

static int try_connect(const struct lake *l, struct system *s, const char *which)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)l->ports[which[0] - '0'])};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int errnum = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno;
	close(fd);
	return errnum;
}

static int try_listen(const struct lake *l, struct system *s, const char *unused)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int errnum = listen(fd, 1) == 0 ? 0 : errno;
	close(fd);
	return errnum;
}

static int try_exec(const struct lake *l, struct system *s, const char *path)
{
	char name[] = "true", *const arguments[] = {name, NULL};
	execv(path, arguments);
	return errno;
}

static int try_fork(const struct lake *l, struct system *s, const char *unused)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	int errnum = pid < 0 ? errno : 0;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return errnum;
}

static int try_ptrace(const struct lake *l, struct system *s, const char *unused)
{
	return syscall(SYS_ptrace, 16 /* attach */, getppid(), 0, 0) == 0 ? 0 : errno;
}

static int try_kill(const struct lake *l, struct system *s, const char *unused)
{
	return kill(getppid(), 0) == 0 ? 0 : errno;
}

static int code_to_errno(int code)
{
	return code == ERR_DENIED ? EACCES : code ? EIO : 0;
}

static int try_send(const struct lake *l, struct system *s, const char *name)
{
	struct queue *queue;
	struct slice body = slice_of("{}");
	int rc = system_named_queue(s, name, &queue, NULL);
	return code_to_errno(rc ? rc : queue_send(queue, &body, 1, NULL));
}

static int try_receive(const struct lake *l, struct system *s, const char *name)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct queue *queue;
	struct queue_message got;
	size_t n;
	int rc = system_named_queue(s, name, &queue, NULL);
	return code_to_errno(rc ? rc : queue_receive(queue, 1, 1000, arena, &got, &n, NULL));
}

static int try_put(const struct lake *l, struct system *s, const char *key)
{
	return code_to_errno(
		object_store_put(system_store(s), key, slice_of("attempt"), false, NULL));
}

static const struct attempt attempts[] = {
	{"read /etc/hostname", try_read, "/etc/hostname",
	 "scheduler scraper activator job collector delivery backup alarms"},
	{"read a folder beside the lake", try_read, "../elsewhere", NULL},
	{"read /proc/1/environ", try_read, "/proc/1/environ", NULL},
	{"write landing/", try_write, "landing", "scraper"},
	{"write raw/portfolio/", try_write, "raw/portfolio", "scraper"},
	{"write raw/bitcoin_ticks/", try_write, "raw/bitcoin_ticks", "delivery"},
	{"write refined/", try_write, "refined", "job"},
	{"write compact/refined/", try_write, "compact/refined", "job"},
	{"write compact/raw/", try_write, "compact/raw", "delivery"},
	{"write the stream's spool", try_write, "state/stream/bitcoin", "collector delivery"},
	{"write beside the lake's folders", try_write, "", NULL},
	{"write state/", try_write, "state", NULL},
	{"write the backup", try_write, "../lake-backup", "backup"},
	{"read raw/portfolio/", try_read, "raw/portfolio", "scraper job"},
	{"read quarantine/", try_read, "quarantine", "alarms"},
	{"write quarantine/", try_write, "quarantine", NULL},
	{"read the stream's spool", try_read, "state/stream/bitcoin", "collector delivery alarms"},
	{"read raw/bitcoin_ticks/", try_read, "raw/bitcoin_ticks", "job delivery backup"},
	{"read landing/", try_read, "landing", "scraper"},
	{"open the queue raw-created", try_write_file, "state/queue/raw-created.sqlite",
	 "activator alarms"},
	{"open the queue backup", try_write_file, "state/queue/backup.sqlite",
	 "activator backup alarms"},
	{"open the queue scheduled", try_write_file, "state/queue/scheduled.sqlite",
	 "scheduler scraper alarms"},
	{"open the job ledger", try_write_file, "state/jobs.sqlite", "activator job"},
	{"open the scheduler's slots", try_write_file, "state/scheduler.sqlite",
	 "scheduler scraper alarms"},
	{"put raw/portfolio/x (port)", try_put, "raw/portfolio/attempt", "scraper"},
	{"put refined/x (port)", try_put, "refined/attempt", "job"},
	{"send to scheduled (port)", try_send, "scheduled", "scheduler"},
	{"receive from scheduled (port)", try_receive, "scheduled", "scraper"},
	{"send to backup (port)", try_send, "backup", "activator"},
	{"receive from backup (port)", try_receive, "backup", "backup"},
	{"connect to its port", try_connect, "0", "scraper collector"},
	{"connect to another port", try_connect, "1", NULL},
	{"listen", try_listen, NULL, NULL},
	{"exec /bin/true", try_exec, "/bin/true", NULL},
	{"fork", try_fork, NULL, NULL},
	{"ptrace the parent", try_ptrace, NULL, NULL},
	{"signal the parent", try_kill, NULL, NULL},
};

static int listen_somewhere(int *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static int make_lake(void **state)
{
	struct lake *l = NEW(struct lake);
	struct err e = ERR_INIT;
	l->folder = temporary_folder();
	l->arena = arena_new();
	l->conf = conf_new(settings, settings_count);
	for (size_t i = 0; i < 2; i++)
		l->listening[i] = listen_somewhere(&l->ports[i]);
	const char *url = arena_printf(l->arena, "http://127.0.0.1:%d/", l->ports[0]);
	assert_int_equal(conf_set(l->conf, "b3_portfolio", "url", url, "test", &e), OK);
	l->settings = (struct up_settings){
		.lake = arena_printf(l->arena, "%s/lake", l->folder),
		.definitions = arena_printf(l->arena, "%s/definitions", l->folder),
		.conf = l->conf};
	assert_int_equal(up_settings_read(&l->settings, arena_printf(l->arena, "binance=%s", url),
					  NULL, l->arena, &e),
			 OK);
	pid_t child = fork();
	if (child == 0)
		_exit(role_prepare_all(&l->settings, &e) ? 1 : 0);
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(file_mkdirs(arena_printf(l->arena, "%s/elsewhere", l->folder), false, &e),
			 OK);
	*state = l;
	return 0;
}

static int remove_lake(void **state)
{
	struct lake *l = *state;
	for (size_t i = 0; i < 2; i++)
		close(l->listening[i]);
	conf_free(l->conf);
	arena_free(l->arena);
	remove_folder(&l->folder);
	free(l);
	return 0;
}

/* In a child of its own, which ends. Every attempt's errno is sent; the first number is the entering. */
static void try_all(const struct lake *l, const struct role *role, int out)
{
	int results[1 + ARRAY_LEN(attempts)] = {0};
	struct err e = ERR_INIT;
	struct system *sys;
	results[0] = role_enter(role, &l->settings, &sys, &e);
	if (results[0])
		dprintf(STDERR_FILENO, "%s: %s\n", role->name, e.text);
	for (size_t i = 0; i < ARRAY_LEN(attempts) && !results[0]; i++)
		results[1 + i] = attempts[i].try(l, sys, attempts[i].argument);
	_exit(fd_write_all(out, results, sizeof(results)) != 0);
}

static bool among(const char *name, const char *names)
{
	struct slice rest = slice_of(names);
	while (rest.n)
		if (slice_is(slice_cut(&rest, ' '), name))
			return true;
	return false;
}

static const char *shown(int errnum)
{
	return errnum == 0 ? "yes" : errnum == EACCES || errnum == EPERM ? "-" : "?";
}

static void each_role_can_do_its_work_and_nothing_else(void **state)
{
	const struct lake *l = *state;
	int results[16][1 + ARRAY_LEN(attempts)];
	int wrong = 0;
	struct sandbox_lacks lacks = role_sandbox_lacks(0);
	if (lacks.files || lacks.network || lacks.calls) {
		print_message("this kernel cannot hold the roles: nothing to try\n");
		skip();
	}
	assert_true(role_count <= ARRAY_LEN(results));
	for (size_t r = 0; r < role_count; r++) {
		int ends[2];
		assert_int_equal(pipe(ends), 0);
		fflush(NULL);
		pid_t child = fork();
		if (child == 0)
			try_all(l, &role_table[r], ends[1]);
		close(ends[1]);
		ssize_t n = read(ends[0], results[r], sizeof(results[r]));
		close(ends[0]);
		waitpid(child, NULL, 0);
		assert_int_equal(n, sizeof(results[r]));
		assert_int_equal(results[r][0], OK);
	}
	print_message("# %-34s", "tried from inside");
	for (size_t r = 0; r < role_count; r++)
		print_message("%-11s", role_table[r].name);
	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		print_message("\n# %-34s", attempts[i].what);
		for (size_t r = 0; r < role_count; r++) {
			int errnum = results[r][1 + i];
			bool may = among(role_table[r].name, attempts[i].roles);
			bool denied = errnum == EACCES || errnum == EPERM;
			bool right = may ? errnum == 0 : denied;
			wrong += !right;
			print_message("%-11s", right ? shown(errnum) : errnum ? "NO!" : "YES!");
		}
	}
	print_message("\n");
	assert_int_equal(wrong, 0);
}

static void urls_have_ports(void **state)
{
	assert_int_equal(url_port("https://host/x"), 443);
	assert_int_equal(url_port("http://127.0.0.1:8000/x:9"), 8000);
	assert_int_equal(url_port("http://user:12@[::1]:81/"), 81);
	assert_int_equal(url_port("http://[::1]/"), 80);
	assert_int_equal(url_port("http://host:0/"), 0);
	assert_int_equal(url_port("http://host:70000/"), 0);
	assert_int_equal(url_port("ftp://host/"), 0);
	assert_int_equal(url_port("https:///x"), 0);
}

static void prefixes_are_whole_folders(void **state)
{
	const struct role *scraper = role_find("scraper");
	assert_non_null(role_may(scraper, "object-store", "write", "raw/portfolio/x"));
	assert_non_null(role_may(scraper, "object-store", "read", "raw/portfolio"));
	assert_null(role_may(scraper, "object-store", "write", "raw/portfolios/x"));
	assert_null(role_may(scraper, "object-store", "write", "raw"));
	assert_null(role_may(scraper, "object-store", "write", "refined/x"));
	assert_null(role_may(role_find("job"), "object-store", "write", "raw/portfolio/x"));
	assert_non_null(role_may(role_find("job"), "object-store", "read", "raw/portfolio/x"));
	assert_null(role_find("nobody"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_role_can_do_its_work_and_nothing_else,
						make_lake, remove_lake),
		cmocka_unit_test(urls_have_ports),
		cmocka_unit_test(prefixes_are_whole_folders),
	};
	return RUN_TESTS("role_sandbox");
}
