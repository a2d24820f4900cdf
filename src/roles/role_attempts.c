/* The attempts: system calls first, which only the kernel can refuse, then the ports' own calls. */
#include "role_attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http.h"
#include "role_sandbox.h"

#define NAME "attempt" /* of every file, job and schedule that is tried */

const char *attempt_outcome_name(enum attempt_outcome o)
{
	static const char *const names[] = {[ATTEMPT_NOTHING] = "-",
					    [ATTEMPT_DONE] = "yes",
					    [ATTEMPT_KERNEL] = "kernel",
					    [ATTEMPT_GUARD] = "guard",
					    [ATTEMPT_FAILED] = "failed"};
	return names[o];
}

static enum attempt_outcome of_errno(int errnum)
{
	return errnum == 0                           ? ATTEMPT_DONE
	       : errnum == EACCES || errnum == EPERM ? ATTEMPT_KERNEL
						     : ATTEMPT_FAILED;
}

static enum attempt_outcome of_code(int code)
{
	return code == OK ? ATTEMPT_DONE : code == ERR_DENIED ? ATTEMPT_GUARD : ATTEMPT_FAILED;
}

/* -- system calls ------------------------------------------------------------------------------ */

static enum attempt_outcome open_it(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return of_errno(errno);
	close(fd);
	return ATTEMPT_DONE;
}

static enum attempt_outcome write_into(const char *folder)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/" NAME "-%d", folder, (int)getpid());
	enum attempt_outcome came = open_it(path.data, O_RDWR | O_CREAT);
	unlink(path.data);
	return came;
}

static enum attempt_outcome connect_to(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return of_errno(errno);
	int errnum = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno;
	close(fd);
	/* Nobody listens on this machine: but to ask was possible. */
	return of_errno(errnum == ECONNREFUSED ? 0 : errnum);
}

static enum attempt_outcome run_program(const char *path)
{
	char name[] = "true", *const arguments[] = {name, NULL};
	execv(path, arguments);
	return of_errno(errno);
}

/* No socket is here to accept from, but only who may ask is told so. */
static enum attempt_outcome try_accept(void)
{
	int fd = accept4(-1, NULL, NULL, SOCK_CLOEXEC);
	return of_errno(fd < 0 && errno == EBADF ? 0 : errno);
}

/* -- what no right speaks of ------------------------------------------------------------------- */

static enum attempt_outcome read_settings(const struct up_settings *s)
{
	return open_it("/etc", O_RDONLY | O_DIRECTORY);
}

static enum attempt_outcome read_beside(const struct up_settings *s)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/..", s->lake);
	return open_it(path.data, O_RDONLY | O_DIRECTORY);
}

static enum attempt_outcome read_environment(const struct up_settings *s)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "/proc/%d/environ", (int)getppid());
	return open_it(path.data, O_RDONLY);
}

static enum attempt_outcome write_lake(const struct up_settings *s)
{
	return write_into(s->lake);
}

static enum attempt_outcome write_state(const struct up_settings *s)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/state", s->lake);
	return write_into(path.data);
}

static enum attempt_outcome write_home(const struct up_settings *s)
{
	return write_into("/var/tmp");
}

static enum attempt_outcome other_port(const struct up_settings *s)
{
	return connect_to(9); /* discard: nobody configures it */
}

/* Where there is no socket, there is no host. */
static enum attempt_outcome other_host(const struct up_settings *s)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return of_errno(errno);
	close(fd);
	return of_code(http_url_check("https://elsewhere.invalid/", NULL));
}

static enum attempt_outcome listen_anywhere(const struct up_settings *s)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return of_errno(errno);
	enum attempt_outcome came = of_errno(listen(fd, 1) == 0 ? 0 : errno);
	close(fd);
	return came;
}

/* What a session bus or a container's engine listens at. */
static enum attempt_outcome local_socket(const struct up_settings *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	return of_errno(fd < 0 ? errno : 0);
}

/* Protocols that the rules for TCP do not speak of. */
static enum attempt_outcome other_protocol(const struct up_settings *s)
{
	static const struct {
		int type, protocol;
	} others[] = {
		{SOCK_STREAM, IPPROTO_MPTCP}, {SOCK_STREAM, IPPROTO_SCTP}, {SOCK_RAW, IPPROTO_TCP}};
	enum attempt_outcome came = ATTEMPT_KERNEL;
	for (size_t i = 0; i < ARRAY_LEN(others) && came == ATTEMPT_KERNEL; i++) {
		int fd = socket(AF_INET, others[i].type | SOCK_CLOEXEC, others[i].protocol);
		came = of_errno(fd < 0 ? errno : 0);
		if (fd >= 0)
			close(fd);
	}
	return came;
}

/* Data with the connection's first packet, which needs no connect. */
static enum attempt_outcome fast_open(const struct up_settings *s)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return of_errno(errno);
	ssize_t n = sendto(fd, NAME, strlen(NAME), MSG_FASTOPEN | MSG_NOSIGNAL,
			   (struct sockaddr *)&to, sizeof(to));
	int errnum = n < 0 && errno != ECONNREFUSED ? errno : 0;
	close(fd);
	return of_errno(errnum);
}

static enum attempt_outcome start_program(const struct up_settings *s)
{
	return run_program("/bin/true");
}

static enum attempt_outcome start_process(const struct up_settings *s)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	int errnum = pid < 0 ? errno : 0;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return of_errno(errnum);
}

static enum attempt_outcome trace_supervisor(const struct up_settings *s)
{
	return of_errno(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0 ? 0 : errno);
}

static enum attempt_outcome signal_supervisor(const struct up_settings *s)
{
	return of_errno(kill(getppid(), 0) == 0 ? 0 : errno);
}

const struct attempt attempts[] = {
	{"read the system's settings", true, read_settings},
	{"read the folder around the lake", false, read_beside},
	{"read the supervisor's environment", false, read_environment},
	{"write beside the lake's folders", false, write_lake},
	{"write beside the state's files", false, write_state},
	{"write elsewhere on the machine", false, write_home},
	{"connect to another TCP port", false, other_port},
	{"connect to another host", false, other_host},
	{"speak to a socket of this machine", false, local_socket},
	{"use another protocol than TCP and UDP", false, other_protocol},
	{"send with a connection's first packet", false, fast_open},
	{"accept connections", false, listen_anywhere},
	{"run a program", false, start_program},
	{"start a process", false, start_process},
	{"trace the supervisor", false, trace_supervisor},
	{"signal the supervisor", false, signal_supervisor},
};
const size_t attempt_count = ARRAY_LEN(attempts);

/* -- rights ------------------------------------------------------------------------------------ */

struct trial {
	const struct right *right;
	const struct up_settings *settings;
	struct system *system;
	struct arena *arena;
};

static const char *state_file(const struct trial *t, const char *name)
{
	return arena_printf(t->arena, "%s/state/%s", t->settings->lake, name);
}

static int ignore_object(void *ctx, const struct object_info *info)
{
	return 0;
}

static enum attempt_outcome try_store(const struct trial *t)
{
	const char *folder = arena_printf(t->arena, "%s/%s", t->settings->lake, t->right->name);
	struct object_store *store = system_store(t->system);
	if (t->right->action == ACT_READ) {
		enum attempt_outcome came = open_it(folder, O_RDONLY | O_DIRECTORY);
		const char *prefix = arena_printf(t->arena, "%s/", t->right->name);
		return came != ATTEMPT_DONE ? came
					    : of_code(object_store_list(store, prefix, NULL,
									ignore_object, NULL, NULL));
	}
	enum attempt_outcome came = write_into(folder);
	const char *key = arena_printf(t->arena, "%s/" NAME, t->right->name);
	if (came != ATTEMPT_DONE)
		return came;
	int rc = object_store_put(store, key, slice_of(NAME), false, NULL);
	return of_code(rc ? rc : object_store_delete_many(store, &key, 1, NULL));
}

static enum attempt_outcome try_queue(const struct trial *t)
{
	struct queue *queue;
	struct queue_stats stats;
	struct queue_message got;
	struct slice body = slice_of("{}");
	size_t n;
	const char *file = arena_printf(t->arena, "queue/%s.sqlite", t->right->name);
	enum attempt_outcome came = open_it(state_file(t, file), O_RDWR);
	if (came != ATTEMPT_DONE)
		return came;
	int rc = system_named_queue(t->system, t->right->name, &queue, NULL);
	if (rc)
		return of_code(rc);
	if (t->right->action == ACT_SEND)
		return of_code(queue_send(queue, &body, 1, NULL));
	if (t->right->action == ACT_RECEIVE)
		return of_code(queue_receive(queue, 1, 1, t->arena, &got, &n, NULL));
	return of_code(queue_stats(queue, &stats, NULL));
}

static enum attempt_outcome try_stream(const struct trial *t)
{
	static const char body[] = "{}";
	struct delivery_stream *stream;
	struct stream_status status;
	struct stream_record record = {"tick", slice_of(body),
				       clock_now_us(system_clock(t->system))};
	int64_t first;
	const char *folder = state_file(t, arena_printf(t->arena, "stream/%s", t->right->name));
	enum attempt_outcome came = t->right->action == ACT_READ
					    ? open_it(folder, O_RDONLY | O_DIRECTORY)
					    : write_into(folder);
	if (came != ATTEMPT_DONE)
		return came;
	/* Open already, for what the role is to do: the mode counts for the first time only. */
	int rc = system_stream(t->system, STREAM_READ, &stream, NULL);
	if (rc)
		return of_code(rc);
	if (t->right->action == ACT_APPEND)
		return of_code(delivery_stream_append(stream, &record, 1, &first, NULL));
	if (t->right->action == ACT_DELIVER)
		return of_code(delivery_stream_forget(stream, 0, NULL));
	return of_code(delivery_stream_status(stream, &status, NULL));
}

/* The lock that goes before every change of a table. */
static int lock_table(const struct trial *t)
{
	struct catalog *catalog = system_catalog(t->system);
	struct table_def **tables;
	size_t count;
	int handle;
	int rc = catalog_tables(catalog, t->arena, &tables, &count, NULL);
	for (size_t i = 0; i < count && rc == OK; i++) {
		const char *name =
			arena_printf(t->arena, "%s.%s", tables[i]->database, tables[i]->name);
		if (strcmp(name, t->right->name) != 0 &&
		    strcmp(tables[i]->database, t->right->name) != 0)
			continue;
		rc = catalog_lock(catalog, tables[i], 0, NULL, NULL, &handle, NULL);
		if (rc == OK)
			catalog_unlock(catalog, handle);
		return rc;
	}
	return rc ? rc : ERR_NOT_FOUND;
}

static enum attempt_outcome try_catalog(const struct trial *t)
{
	struct catalog *catalog = system_catalog(t->system);
	int64_t value;
	enum attempt_outcome came = open_it(state_file(t, "catalog.sqlite"), O_RDWR);
	if (came != ATTEMPT_DONE)
		return came;
	if (t->right->action == ACT_READ)
		return of_code(catalog_mark_get(catalog, NAME, &value, NULL));
	if (strcmp(t->right->name, "marks") == 0)
		return of_code(catalog_mark_set(catalog, NAME, 1, NULL));
	return of_code(lock_table(t));
}

/* There is no such job, nor such a schedule: to be told so, one must have been let through. */
static int found_nothing(int code)
{
	return code == ERR_NOT_FOUND ? OK : code;
}

static enum attempt_outcome try_jobs(const struct trial *t)
{
	struct job_engine *jobs;
	struct job_status status;
	struct job_request request = {.job = NAME};
	char run[RUN_ID_SIZE];
	enum attempt_outcome came = open_it(state_file(t, "jobs.sqlite"), O_RDWR);
	if (came != ATTEMPT_DONE)
		return came;
	int rc = system_job_engine(t->system, &jobs, NULL);
	if (rc)
		return of_code(rc);
	if (t->right->action == ACT_START)
		return of_code(found_nothing(job_engine_start(jobs, &request, run, NULL)));
	return of_code(found_nothing(job_engine_work(jobs, t->arena, &status, NULL)));
}

static enum attempt_outcome try_scheduler(const struct trial *t)
{
	struct scheduler *scheduler;
	struct schedule_tick tick;
	struct schedule_slot slot;
	struct schedule_message m = {.task = NAME, .schedule = NAME, .slot = NAME, .attempt = 1};
	size_t n;
	enum attempt_outcome came = open_it(state_file(t, "scheduler.sqlite"), O_RDWR);
	if (came != ATTEMPT_DONE)
		return came;
	int rc = system_scheduler(t->system, &scheduler, NULL);
	if (rc)
		return of_code(rc);
	if (t->right->action == ACT_TICK)
		return of_code(scheduler_tick(scheduler, &tick, NULL));
	if (t->right->action == ACT_REPORT)
		return of_code(found_nothing(scheduler_claim(scheduler, &m, 1, NULL)));
	return of_code(scheduler_slots(scheduler, NULL, 1, t->arena, &slot, &n, NULL));
}

/* Each port on this machine, then each address by what would be asked; nothing leaves the machine. */
static enum attempt_outcome try_network(const struct trial *t)
{
	const char *const *list = role_addresses(t->right, t->settings, t->arena);
	enum attempt_outcome came = ATTEMPT_NOTHING;
	for (size_t i = 0; list[i]; i++) {
		const char *plain = arena_printf(t->arena, "http://%s/", list[i]);
		const char *secure = arena_printf(t->arena, "https://%s/", list[i]);
		came = connect_to(url_port(plain));
		if (came == ATTEMPT_DONE)
			came = of_code(http_url_check(secure, NULL));
		if (came != ATTEMPT_DONE)
			return came;
	}
	return came;
}

static enum attempt_outcome try_command(const struct trial *t)
{
	const char *command = conf_text(t->settings->conf, "alarms", "notify");
	if (!*command)
		return ATTEMPT_NOTHING;
	if (role_alarms_helper_answers())
		return ATTEMPT_DONE;
	return run_program("/bin/true");
}

enum attempt_outcome attempt_right(const struct right *r, const struct up_settings *s,
				   struct system *sys)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct trial t = {r, s, sys, arena};
	switch (r->resource) {
	case RES_STORE: return try_store(&t);
	case RES_BACKUP:
		return r->action == ACT_WRITE ? write_into(s->backup.path)
					      : open_it(s->backup.path, O_RDONLY | O_DIRECTORY);
	case RES_QUEUE: return try_queue(&t);
	case RES_STREAM: return try_stream(&t);
	case RES_CATALOG: return try_catalog(&t);
	case RES_JOBS: return try_jobs(&t);
	case RES_SCHEDULER: return try_scheduler(&t);
	case RES_TELEMETRY: return open_it(state_file(&t, "telemetry.sqlite"), O_RDWR);
	case RES_DEFINITIONS: return open_it(s->definitions, O_RDONLY | O_DIRECTORY);
	case RES_NETWORK: return try_network(&t);
	case RES_COMMAND: return try_command(&t);
	case RES_CONNECTIONS: return try_accept();
	}
	return ATTEMPT_FAILED;
}
