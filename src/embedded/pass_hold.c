/* The locks of running passes: state/workers/<run>, as job runs have them, one flock(2) each.
 * A run id is never used twice, so a file that nobody holds will never be held again. */
#include "pass_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "file.h"

static void name_of(const char *path, const char *run, struct buf *out)
{
	const char *slash = strrchr(path, '/');
	buf_add(out, path, slash ? (size_t)(slash + 1 - path) : 0);
	buf_printf(out, "workers/%s", run);
}

int pass_hold_take(const char *path, const char *run)
{
	AUTO_BUF struct buf name = {0};
	struct err ignored = ERR_INIT;
	if (!*run || strchr(run, '/'))
		return -1;
	name_of(path, "", &name);
	if (file_mkdirs(name.data, false, &ignored) != OK)
		return -1;
	buf_str(&name, run);
	int fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void pass_hold_release(const char *path, const char *run, int fd)
{
	if (fd < 0)
		return;
	AUTO_BUF struct buf name = {0};
	name_of(path, run, &name);
	unlink(name.data);
	close(fd);
}

bool pass_hold_is_held(const char *path, const char *run)
{
	AUTO_BUF struct buf name = {0};
	if (!*run || strchr(run, '/'))
		return true;
	name_of(path, run, &name);
	int fd = open(name.data, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
	if (!held)
		unlink(name.data);
	close(fd);
	return held;
}
