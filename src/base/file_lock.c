/* Locks between processes: flock(2), which the kernel gives back whatever becomes of the holder.
 * Polled, for a wait that ends by itself would need signals or a thread. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "value.h"

#define POLL_US      10000
#define PID_TEXT_MAX 24

/* The pid of an exclusive holder; 0 when none is written, or not yet in full. */
static pid_t read_holder(int fd)
{
	char text[PID_TEXT_MAX];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	int64_t pid;
	if (n < 2 || text[n - 1] != '\n' || !int64_parse((struct slice){text, (size_t)n - 1}, &pid))
		return 0;
	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* Best effort: a lock without a name is a lock all the same, and a full disk must not stop whoever
 * would free it. A pid left by a dead holder is wiped by the next one, exclusive or not. */
static void write_holder(int fd, bool exclusive)
{
	char text[PID_TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == 0 && exclusive && pwrite(fd, text, (size_t)n, 0) != n)
		(void)!ftruncate(fd, 0);
}

/* Whether path still names the file that fd is open on: a lock on a file that was removed meanwhile
 * protects nothing. */
static bool still_there(int fd, const char *path)
{
	struct stat held, named;
	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
	       held.st_dev == named.st_dev;
}

static int open_lock(const char *path, bool exclusive)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	/* Sharing a lock needs no right to write. */
	if (fd < 0 && !exclusive && (errno == EACCES || errno == EROFS || errno == EPERM))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd;
}

/* One try: 0 and the open file; ERR_CONFLICT with the holder when it is taken. */
static int try_lock(const char *path, bool exclusive, int *ret_fd, pid_t *ret_holder, struct err *e)
{
	for (;;) {
		int fd = open_lock(path, exclusive);
		if (fd < 0) {
			err_errno(e, errno, "cannot open the lock file");
			return err_where(e, path);
		}
		if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
			if (still_there(fd, path)) {
				write_holder(fd, exclusive);
				*ret_fd = fd;
				return OK;
			}
			close(fd);
			continue;
		}
		int errnum = errno;
		*ret_holder = errnum == EWOULDBLOCK ? read_holder(fd) : 0;
		close(fd);
		if (errnum == EINTR)
			continue;
		if (errnum == EWOULDBLOCK)
			return ERR_CONFLICT;
		err_errno(e, errnum, "cannot lock");
		return err_where(e, path);
	}
}

int file_lock(const char *path, bool exclusive, struct clock *clock, int64_t wait_us,
	      void (*on_wait)(void *, pid_t), void *ctx, int *ret_fd, struct err *e)
{
	int64_t began_us = clock_monotonic_us(clock);
	for (bool told = false;; told = true) {
		pid_t holder = 0;
		int rc = try_lock(path, exclusive, ret_fd, &holder, e);
		if (rc != ERR_CONFLICT)
			return rc;
		int64_t left_us = wait_us - (clock_monotonic_us(clock) - began_us);
		if (left_us <= 0) {
			if (holder)
				err_set(e, ERR_CONFLICT, "process %d holds the lock", (int)holder);
			else
				err_set(e, ERR_CONFLICT, "another process holds the lock");
			return err_where(e, path);
		}
		if (!told && on_wait)
			on_wait(ctx, holder);
		clock_sleep_us(clock, left_us < POLL_US ? left_us : POLL_US);
	}
}

void file_unlock(int fd)
{
	if (fd < 0)
		return;
	/* While the lock is still held, so that it is not a successor's name that goes. */
	(void)!ftruncate(fd, 0);
	close(fd);
}
