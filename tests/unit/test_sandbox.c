/* The sandbox from inside: children enter it, with this kernel's Landlock and with that of older
 * ones, and try what they should and should not be able to do. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

struct place {
	char *folder;
	char *readable, *writable; /* folders */
	char *read_file;           /* in readable, "content" */
	char *other_file;          /* in neither */
	char *single;              /* a file that may be read by itself */
	struct sandbox_report report;
};

/* What a probe found wrong; sent to the parent. */
static int findings = -1;

#define EXPECT(condition)                                                                   \
	do {                                                                                \
		if (!(condition))                                                           \
			dprintf(findings, "line %d: %s (errno %d); ", __LINE__, #condition, \
				errno);                                                     \
	} while (0)
/* Both kinds of "no" that a sandbox says. */
#define EXPECT_DENIED(call) EXPECT((call) < 0 && (errno == EACCES || errno == EPERM))

static int opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd;
}

static void *in_a_thread(void *arg)
{
	*(int *)arg = 42;
	return arg;
}

static void files_are_confined(const struct place *p)
{
	AUTO_FREE char *made = path_in(p->writable, "made");
	AUTO_FREE char *moved = path_in(p->writable, "moved");
	AUTO_FREE char *folder = path_in(p->writable, "folder");
	AUTO_FREE char *stolen = path_in(p->readable, "stolen");
	AUTO_FREE char *beside = path_in(p->folder, "beside");
	char content[16] = "";
	int fd = open(p->read_file, O_RDONLY);
	EXPECT(fd >= 0 && read(fd, content, 7) == 7);
	EXPECT(opens(p->single, O_RDONLY) >= 0);
	EXPECT_DENIED(opens(p->single, O_WRONLY));
	EXPECT_DENIED(opens(p->other_file, O_RDONLY));
	EXPECT_DENIED(opens("/etc/passwd", O_RDONLY));
	EXPECT_DENIED(opens(p->read_file, O_WRONLY));
	EXPECT_DENIED(opens(p->read_file, O_RDWR));
	EXPECT_DENIED(opens(stolen, O_WRONLY | O_CREAT));
	EXPECT_DENIED(opens(beside, O_WRONLY | O_CREAT));
	EXPECT_DENIED(unlink(p->read_file));
	EXPECT_DENIED(rmdir(p->readable));
	EXPECT_DENIED(mkdir(stolen, 0700));
	EXPECT_DENIED(symlink("x", stolen));
	EXPECT_DENIED(mknod(stolen, S_IFIFO | 0600, 0));
	EXPECT(opens(made, O_RDWR | O_CREAT | O_TRUNC) >= 0);
	EXPECT(opens(made, O_WRONLY | O_TRUNC) >= 0);
	EXPECT(rename(made, moved) == 0);
	EXPECT(mkdir(folder, 0700) == 0 && rmdir(folder) == 0);
	EXPECT(rename(moved, stolen) < 0);
	EXPECT(link(p->read_file, made) < 0);
	EXPECT(unlink(moved) == 0);
}

static void nothing_can_be_truncated(const struct place *p)
{
	struct stat st;
	EXPECT_DENIED(truncate(p->read_file, 0));
	EXPECT_DENIED(opens(p->read_file, O_RDONLY | O_TRUNC));
	EXPECT_DENIED(opens(p->read_file, O_ACCMODE | O_TRUNC));
	EXPECT_DENIED((int)syscall(SYS_open, p->read_file, O_RDONLY | O_TRUNC));
	struct {
		uint64_t flags, mode, resolve;
	} how = {O_RDONLY | O_TRUNC, 0, 0};
	EXPECT(syscall(SYS_openat2, AT_FDCWD, p->read_file, &how, sizeof(how)) < 0);
	EXPECT(stat(p->read_file, &st) == 0 && st.st_size == 7);
}

static void attributes_stay(const struct place *p)
{
	EXPECT_DENIED(chmod(p->read_file, 0777));
	EXPECT_DENIED(chown(p->read_file, 1, 1));
	EXPECT_DENIED(utimensat(AT_FDCWD, p->read_file, NULL, 0));
	EXPECT_DENIED((int)syscall(452, AT_FDCWD, p->read_file, 0777, 0)); /* fchmodat2 */
}

static void no_other_process(const struct place *p)
{
	char name[] = "true", *const arguments[] = {name, NULL};
	char *const environment[] = {NULL};
	pid_t parent = getppid();
	EXPECT_DENIED(execve("/bin/true", arguments, environment));
	int memory = memfd_create("x", 0);
	EXPECT_DENIED(
		(int)syscall(SYS_execveat, memory, "", arguments, environment, AT_EMPTY_PATH));
	EXPECT_DENIED((int)syscall(SYS_fork));
	EXPECT_DENIED((int)syscall(SYS_vfork));
	EXPECT_DENIED((int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	EXPECT(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
	EXPECT_DENIED(fork());
	EXPECT_DENIED((int)syscall(SYS_ptrace, 16, parent, 0, 0));
	EXPECT_DENIED((int)syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
	EXPECT_DENIED((int)syscall(SYS_pidfd_open, parent, 0));
	EXPECT_DENIED(kill(parent, 0));
	EXPECT_DENIED(kill(-1, 0));
	EXPECT(kill(getpid(), 0) == 0);
	EXPECT_DENIED((int)syscall(SYS_unshare, 0));
	EXPECT_DENIED((int)syscall(SYS_io_uring_setup, 1, NULL));
	EXPECT_DENIED((int)syscall(SYS_bpf, 0, NULL, 0));
	EXPECT_DENIED((int)syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	EXPECT_DENIED((int)syscall(SYS_userfaultfd, 0));
	EXPECT_DENIED((int)syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	EXPECT_DENIED(ioctl(0, TIOCSTI, "x"));
	/* The flag word with rubbish above its 32 bits is the same request to the kernel. */
	EXPECT_DENIED((int)syscall(SYS_ioctl, 0, (long)TIOCSTI | 1L << 40, "x"));
	EXPECT(prctl(PR_GET_DUMPABLE) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void no_network(const struct place *p)
{
	int pair[2];
	EXPECT_DENIED(socket(AF_INET, SOCK_STREAM, 0));
	EXPECT_DENIED(socket(AF_UNIX, SOCK_STREAM, 0));
	EXPECT_DENIED(socket(AF_NETLINK, SOCK_RAW, 0));
	EXPECT_DENIED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static void the_rest_works(const struct place *p)
{
	pthread_t thread;
	int result = 0, ends[2];
	EXPECT(pthread_create(&thread, NULL, in_a_thread, &result) == 0 &&
	       pthread_join(thread, NULL) == 0);
	EXPECT(result == 42);
	EXPECT(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	void *memory =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(memory != MAP_FAILED);
	signal(SIGUSR1, SIG_IGN);
	EXPECT(raise(SIGUSR1) == 0);
}

static void *try_from_a_thread(void *arg)
{
	const struct place *p = arg;
	EXPECT_DENIED(opens(p->other_file, O_RDONLY));
	EXPECT_DENIED(socket(AF_INET, SOCK_STREAM, 0));
	return NULL;
}

static void a_thread_is_confined_too(const struct place *p)
{
	pthread_t thread;
	EXPECT(pthread_create(&thread, NULL, try_from_a_thread, (void *)p) == 0 &&
	       pthread_join(thread, NULL) == 0);
}

static void everything(const struct place *p)
{
	if (p->report.landlock_abi > 0) {
		files_are_confined(p);
		a_thread_is_confined_too(p);
	}
	nothing_can_be_truncated(p);
	attributes_stay(p);
	no_other_process(p);
	no_network(p);
	the_rest_works(p);
}

/* With the network and with programs: the first half of the filter only. */
static void network_and_programs(const struct place *p)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT(fd >= 0);
	pid_t child = fork();
	if (child == 0) {
		char name[] = "true", *const arguments[] = {name, NULL};
		char *const environment[] = {NULL};
		execve("/bin/true", arguments, environment);
		_exit(9);
	}
	int status = -1;
	EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	EXPECT_DENIED((int)syscall(SYS_ptrace, 16, getppid(), 0, 0));
	if (p->report.landlock_abi > 0)
		EXPECT_DENIED(opens(p->other_file, O_RDONLY));
}

/* With some ports only: whatever could go round them. */
static void network_to_ports(const struct place *p)
{
	(void)p;
	for (int family = 0; family < 64; family++) {
		bool wanted = family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
		for (int type = 0; type < 16; type++)
			for (int protocol = 0; protocol < (wanted ? 300 : 2); protocol++) {
				int fd = socket(family, type, protocol);
				bool known = family == AF_NETLINK ||
					     (type == SOCK_STREAM &&
					      (protocol == 0 || protocol == IPPROTO_TCP)) ||
					     (type == SOCK_DGRAM &&
					      (protocol == 0 || protocol == IPPROTO_UDP));
				if (fd >= 0 && !(wanted && known))
					dprintf(findings, "socket(%d, %d, %d); ", family, type,
						protocol);
				if (fd >= 0)
					close(fd);
			}
	}
	/* With bits that the kernel does not look at. */
	EXPECT((int)syscall(SYS_socket, 0x100000000 | AF_UNIX, SOCK_STREAM, 0) < 0);
	EXPECT((int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0x100000000 | IPPROTO_MPTCP) < 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof(to)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	EXPECT(fd >= 0);
	EXPECT_DENIED(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)));
	EXPECT_DENIED(sendmsg(fd, &message, MSG_FASTOPEN | MSG_NOSIGNAL));
	EXPECT_DENIED(sendmmsg(fd, &(struct mmsghdr){message, 0}, 1, MSG_FASTOPEN));
	EXPECT_DENIED(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)));
	EXPECT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
	/* What TCP's own way of connecting says is another matter: nobody listens there. */
	EXPECT(connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0);
	/* names are still found */
	struct addrinfo *found = NULL;
	EXPECT(getaddrinfo("localhost", "80", NULL, &found) == 0 && found);
}

static struct place *make_place(void)
{
	struct place *p = NEW(struct place);
	p->folder = temporary_folder();
	p->readable = path_in(p->folder, "readable");
	p->writable = path_in(p->folder, "writable");
	p->read_file = path_in(p->readable, "file");
	p->other_file = path_in(p->folder, "other");
	p->single = path_in(p->folder, "single");
	assert_int_equal(file_mkdirs(p->readable, false, NULL), OK);
	assert_int_equal(file_mkdirs(p->writable, false, NULL), OK);
	assert_int_equal(file_create(p->read_file, "content", 7, false, NULL), OK);
	assert_int_equal(file_create(p->other_file, "secret", 6, false, NULL), OK);
	assert_int_equal(file_create(p->single, "single", 6, false, NULL), OK);
	return p;
}

static void free_place(struct place *p)
{
	remove_folder(&p->folder);
	free(p->readable);
	free(p->writable);
	free(p->read_file);
	free(p->other_file);
	free(p->single);
	free(p);
}

static _Noreturn void run_child(struct place *p, const struct sandbox *s, int max_abi,
				void (*probe)(const struct place *))
{
	struct err e = ERR_INIT;
	if (sandbox_enter(s, max_abi, &p->report, &e) != OK)
		dprintf(findings, "%s: %s", e.where, e.text);
	else if (max_abi && p->report.landlock_abi > max_abi && max_abi > 0)
		dprintf(findings, "the ABI is %d", p->report.landlock_abi);
	else
		probe(p);
	_exit(0);
}

/* Runs the probe in a child inside the sandbox, and fails with what it found. */
enum world { CLOSED, OPEN, PORTS };
static void inside(enum world world, int max_abi, void (*probe)(const struct place *))
{
	static const uint16_t ports[] = {53, 443};
	bool open_world = world != CLOSED;
	struct place *p = make_place();
	const struct sandbox_path paths[] = {
		{p->readable, SANDBOX_READ},
		{p->writable, SANDBOX_READ_WRITE},
		{p->single, SANDBOX_READ},
		{"/nonexistent/path", SANDBOX_READ},
		{open_world ? "/usr" : "/nonexistent", SANDBOX_READ},
		{open_world ? "/bin" : "/nonexistent", SANDBOX_READ},
		{open_world ? "/lib" : "/nonexistent", SANDBOX_READ},
		{open_world ? "/lib64" : "/nonexistent", SANDBOX_READ},
		{open_world ? "/etc" : "/nonexistent", SANDBOX_READ},
	};
	const struct sandbox s = {.paths = paths,
				  .path_count = ARRAY_LEN(paths),
				  .network = open_world,
				  .exec = open_world,
				  .connect_ports = world == PORTS ? ports : NULL,
				  .connect_port_count = world == PORTS ? ARRAY_LEN(ports) : 0};
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		findings = ends[1];
		run_child(p, &s, max_abi, probe);
	}
	close(ends[1]);
	char text[4096] = "";
	size_t n = 0;
	ssize_t got;
	while (n < sizeof(text) - 1 && (got = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	free_place(p);
	if (n > 0 || status != 0)
		fail_msg("with ABI %d: %s(status %d)", max_abi, text, status);
}

static void this_kernel(void **state)
{
	inside(CLOSED, 0, everything);
}

static void older_kernels(void **state)
{
	for (int abi = 1; abi <= 5; abi++)
		inside(CLOSED, abi, everything);
}

static void without_landlock(void **state)
{
	inside(CLOSED, -1, everything);
}

static void with_network_and_programs(void **state)
{
	inside(OPEN, 0, network_and_programs);
	inside(OPEN, 1, network_and_programs);
}

static void with_some_ports(void **state)
{
	inside(PORTS, 0, network_to_ports);
	inside(PORTS, 3, network_to_ports);
}

static void says_what_it_did(const struct place *p)
{
	EXPECT(p->report.seccomp);
	EXPECT(p->report.truncate);
	EXPECT(p->report.tcp == (p->report.landlock_abi >= 4));
	/* Twice is possible, and takes away more. */
	struct sandbox_report again = {0};
	const struct sandbox nothing = {.network = false};
	EXPECT(sandbox_enter(&nothing, 0, &again, NULL) == OK);
	if (again.landlock_abi > 0)
		EXPECT_DENIED(opens(p->read_file, O_RDONLY));
}

static void the_report(void **state)
{
	inside(CLOSED, 0, says_what_it_did);
	inside(CLOSED, 3, says_what_it_did);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_kernel),      cmocka_unit_test(older_kernels),
		cmocka_unit_test(without_landlock), cmocka_unit_test(with_network_and_programs),
		cmocka_unit_test(with_some_ports),  cmocka_unit_test(the_report),
	};
	return RUN_TESTS("sandbox");
}
