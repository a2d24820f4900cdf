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

int fdatasync(int fd)
{
	static int (*original)(int);
	char link[64], path[4096] = "";
	if (!original)
		*(void **)&original = dlsym(RTLD_NEXT, "fdatasync");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return fails("fdatasync", path) ? -1 : original(fd);
}

int rename(const char *from, const char *to)
{
	static int (*original)(const char *, const char *);
	if (!original)
		*(void **)&original = dlsym(RTLD_NEXT, "rename");
	return fails("rename", to) ? -1 : original(from, to);
}
