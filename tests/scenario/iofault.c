/* LD_PRELOAD library for tests/scenario: a call fails as on a bad disk, with EIO. IOFAULT_CALL=fdatasync|rename is which, IOFAULT_UNDER=PREFIX
 * of which files, IOFAULT_WHILE=FILE how long: as long as the file exists, IOFAULT_ONCE=FILE: once for each time that it is made. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *call, *under, *during, *once;

__attribute__((constructor)) static void begin(void)
{
	call = getenv("IOFAULT_CALL");
	under = getenv("IOFAULT_UNDER");
	during = getenv("IOFAULT_WHILE");
	once = getenv("IOFAULT_ONCE");
}

/* Whoever deletes the file is the one that fails. */
static int fails(const char *name, const char *path)
{
	int before = errno;
	int hit = call && under && strcmp(name, call) == 0 &&
		  strncmp(path, under, strlen(under)) == 0 &&
		  ((during && access(during, F_OK) == 0) || (once && unlink(once) == 0));
	errno = hit ? EIO : before;
	return hit;
}

static void path_of(int fd, char path[4096])
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, 4095);
	path[n > 0 ? n : 0] = '\0';
}

int fdatasync(int fd)
{
	static int (*original)(int);
	char path[4096];
	if (!original)
		*(void **)&original = dlsym(RTLD_NEXT, "fdatasync");
	path_of(fd, path);
	return fails("fdatasync", path) ? -1 : original(fd);
}

static int fails_at(int to_fd, const char *to)
{
	char path[4096] = "", whole[8192];
	if (to[0] != '/')
		path_of(to_fd, path);
	snprintf(whole, sizeof(whole), "%s%s%s", path, to[0] != '/' ? "/" : "", to);
	return fails("rename", whole);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	static int (*original)(int, const char *, int, const char *);
	if (!original)
		*(void **)&original = dlsym(RTLD_NEXT, "renameat");
	return fails_at(to_fd, to) ? -1 : original(from_fd, from, to_fd, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	static int (*original)(int, const char *, int, const char *, unsigned);
	if (!original)
		*(void **)&original = dlsym(RTLD_NEXT, "renameat2");
	return fails_at(to_fd, to) ? -1 : original(from_fd, from, to_fd, to, flags);
}

int rename(const char *from, const char *to)
{
	static int (*original)(const char *, const char *);
	if (!original)
		*(void **)&original = dlsym(RTLD_NEXT, "rename");
	return fails("rename", to) ? -1 : original(from, to);
}
