/* LD_PRELOAD library for tests/scenario/test_kill.py: counts the calls that change a file or a
 * folder and kills the process just before the Nth. KILLPOINT_AT=N (0: never), KILLPOINT_COUNT=FILE
 * receives the count at a normal end, KILLPOINT_ERRNO=E fails the Nth call instead of killing,
 * KILLPOINT_UNDER=PREFIX leaves alone files whose path does not begin with it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long kill_at;
static int fail_errno;
static const char *under;
static pid_t first;

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("KILLPOINT_AT"), *e = getenv("KILLPOINT_ERRNO");
	kill_at = at ? strtol(at, NULL, 10) : 0;
	fail_errno = e ? (int)strtol(e, NULL, 10) : 0;
	under = getenv("KILLPOINT_UNDER");
	first = getpid();
}

__attribute__((destructor)) static void end(void)
{
	const char *file = getenv("KILLPOINT_COUNT");
	if (!file || getpid() != first)
		return;
	FILE *f = fopen(file, "w");
	if (f) {
		fprintf(f, "%ld\n", atomic_load(&calls));
		fclose(f);
	}
}

/* One more call: the end of the process, a failure (1), or nothing (0). */
static int step(void)
{
	long n = atomic_fetch_add(&calls, 1) + 1;
	if (kill_at == 0 || n != kill_at)
		return 0;
	if (fail_errno) {
		errno = fail_errno;
		return 1;
	}
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static int path_counts(const char *path)
{
	return path && (!under || path[0] != '/' || strncmp(path, under, strlen(under)) == 0) &&
	       strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0;
}

static int fd_counts(int fd)
{
	struct stat st;
	if (fd <= 2 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return 0;
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return 1;
	path[n] = 0;
	return path_counts(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(ret, name, params, args, counts)  \
	ret name params                        \
	{                                      \
		static __typeof__(&name) real; \
		if (!real)                     \
			real = REAL(name);     \
		if ((counts) && step())        \
			return -1;             \
		return real args;              \
	}

WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), fd_counts(fd))
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o), fd_counts(fd))
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t o), (fd, p, n, o), fd_counts(fd))
WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), fd_counts(fd))
WRAP(ssize_t, copy_file_range, (int a, off64_t *ao, int b, off64_t *bo, size_t n, unsigned f),
     (a, ao, b, bo, n, f), fd_counts(b))
WRAP(int, fsync, (int fd), (fd), fd_counts(fd))
WRAP(int, fdatasync, (int fd), (fd), fd_counts(fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), fd_counts(fd))
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n), fd_counts(fd))
WRAP(int, rename, (const char *a, const char *b), (a, b), path_counts(b))
WRAP(int, renameat, (int d, const char *a, int t, const char *b), (d, a, t, b), path_counts(b))
WRAP(int, renameat2, (int d, const char *a, int t, const char *b, unsigned f), (d, a, t, b, f),
     path_counts(b))
WRAP(int, link, (const char *a, const char *b), (a, b), path_counts(b))
WRAP(int, linkat, (int d, const char *a, int t, const char *b, int f), (d, a, t, b, f),
     path_counts(b))
WRAP(int, unlink, (const char *a), (a), path_counts(a))
WRAP(int, unlinkat, (int d, const char *a, int f), (d, a, f), path_counts(a))
WRAP(int, rmdir, (const char *a), (a), path_counts(a))
WRAP(int, mkdir, (const char *a, mode_t m), (a, m), path_counts(a))
WRAP(int, mkdirat, (int d, const char *a, mode_t m), (d, a, m), path_counts(a))

/* open counts when it may make or empty a file. */
#define WRAP_OPEN(name)                                                                  \
	int name(const char *path, int flags, ...)                                       \
	{                                                                                \
		static int (*real)(const char *, int, ...);                              \
		if (!real)                                                               \
			real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
		va_list ap;                                                              \
		va_start(ap, flags);                                                     \
		mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(ap, mode_t) : 0;  \
		va_end(ap);                                                              \
		if ((flags & (O_CREAT | O_TRUNC)) && path_counts(path) && step())        \
			return -1;                                                       \
		return real(path, flags, mode);                                          \
	}
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_OPENAT(name)                                                                     \
	int name(int dir, const char *path, int flags, ...)                                   \
	{                                                                                     \
		static int (*real)(int, const char *, int, ...);                              \
		if (!real)                                                                    \
			real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name); \
		va_list ap;                                                                   \
		va_start(ap, flags);                                                          \
		mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(ap, mode_t) : 0;       \
		va_end(ap);                                                                   \
		if ((flags & (O_CREAT | O_TRUNC)) && path_counts(path) && step())             \
			return -1;                                                            \
		return real(dir, path, flags, mode);                                          \
	}
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

/* system calls made by number: openat2 that creates, renameat2 */
struct how {
	unsigned long long flags, mode, resolve;
};
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_list ap;
	va_start(ap, number);
	long a[6];
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	int counts = 0;
	if (number == SYS_openat2)
		counts = (((const struct how *)a[2])->flags & (O_CREAT | O_TRUNC)) != 0;
	else if (number == SYS_renameat2 || number == SYS_mkdirat || number == SYS_unlinkat)
		counts = 1;
	if (counts && step())
		return -1;
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
