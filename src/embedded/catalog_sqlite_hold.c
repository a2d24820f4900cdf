/* The SQLite catalog's holds: readers/<version> with a shared flock per reader,
 * locks/<database>.<table>.lock per writer. The kernel takes a dead process's locks away; nothing
 * here needs cleaning up after a kill.
 *
 * Why no reader loses a file: it locks readers/<v> first and lists files after, so what it lists
 * dies, if at all, at a version above v. Whoever deletes reads the list of the dead first and looks
 * for holds after. Either it sees the hold, or the reader locked after that look, and then its list
 * was made after those files had died: they are not in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog_sqlite_private.h"
#include "file.h"

#define ATTEMPTS 100
/* Stays for ever: who may not make a file here may still lock this one, and then holds every
 * version. */
#define EVERY_VERSION 0

int catalog_hold_folders(const char *state_dir, struct err *e)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/readers", state_dir);
	int rc = file_mkdirs(path.data, true, e);
	if (rc)
		return rc;
	buf_printf(&path, "/%d", EVERY_VERSION);
	int fd = open(path.data, O_RDONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) {
		err_errno(e, errno, "Cannot make a file for readers");
		return err_where(e, path.data);
	}
	close(fd);
	buf_reset(&path);
	buf_printf(&path, "%s/locks", state_dir);
	return file_mkdirs(path.data, true, e);
}

static bool lock_shared(int fd)
{
	int rc;
	do
		rc = flock(fd, LOCK_SH);
	while (rc != 0 && errno == EINTR);
	return rc == 0;
}

static bool still_named(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static int open_hold(struct catalog_sqlite *self, int64_t version, int flags)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/readers/%" PRId64, self->state_dir, version);
	return open(path.data, O_RDONLY | O_CLOEXEC | flags, 0666);
}

int catalog_sqlite_read_begin(struct catalog *c, int64_t *ret_version, int *ret_handle,
			      struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	int64_t version;
	int rc = catalog_version(self, &version, e);
	for (int attempt = 0; rc == OK && self->state_dir && attempt < ATTEMPTS; attempt++) {
		int fd = open_hold(self, version, O_CREAT);
		if (fd < 0)
			break;
		int64_t now = version;
		if (!lock_shared(fd)) {
			close(fd);
			break;
		}
		/* Removed between opening and locking: nobody would see the hold. */
		if (!still_named(fd)) {
			close(fd);
			continue;
		}
		rc = catalog_version(self, &now, e);
		/* A hold on an older version than need be is safe too, so this ends. */
		if (rc == OK && (now == version || attempt == ATTEMPTS - 1)) {
			*ret_version = version;
			*ret_handle = fd;
			return OK;
		}
		close(fd);
		version = now;
	}
	if (rc)
		return rc;
	int fd = self->state_dir ? open_hold(self, EVERY_VERSION, 0) : -1;
	if (fd >= 0 && !lock_shared(fd)) {
		close(fd);
		fd = -1;
	}
	*ret_version = version;
	*ret_handle = fd;
	return OK;
}

void catalog_sqlite_read_end(struct catalog *c, int handle)
{
	(void)c;
	if (handle >= 0)
		close(handle);
}

/* Whether somebody holds readers/<name>. When nobody does it is removed, while locked: a reader
 * that has just opened it sees that its file has no name any more. What cannot be looked at counts
 * as held. */
static bool is_held(int folder, const char *name, bool keep)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	bool held = flock(fd, LOCK_EX | LOCK_NB) != 0;
	if (!held && !keep)
		unlinkat(folder, name, 0);
	close(fd);
	return held;
}

int64_t catalog_hold_oldest(struct catalog_sqlite *self)
{
	int64_t oldest = INT64_MAX;
	if (!self->state_dir)
		return oldest;
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/readers", self->state_dir);
	DIR *folder = opendir(path.data);
	/* Not knowing who reads, nothing may be deleted. */
	if (!folder)
		return -1;
	const struct dirent *entry;
	while ((entry = readdir(folder)) != NULL) {
		int64_t version;
		if (int64_parse(slice_of(entry->d_name), &version) &&
		    is_held(dirfd(folder), entry->d_name, version == EVERY_VERSION) &&
		    version < oldest)
			oldest = version;
	}
	closedir(folder);
	return oldest;
}

/* -- writers ----------------------------------------------------------------------------------- */

struct waiting {
	void (*fn)(void *, int64_t);
	void *ctx;
};

static void tell(void *ctx, pid_t holder)
{
	const struct waiting *waiting = ctx;
	waiting->fn(waiting->ctx, holder);
}

int catalog_sqlite_lock(struct catalog *c, const struct table_def *table, int64_t wait_us,
			void (*on_wait)(void *, int64_t), void *ctx, int *ret_handle, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	if (self->read_only)
		return err_set(e, ERR_DENIED,
			       "Table %s.%s cannot be written: the lake is open for reading only",
			       table->database, table->name);
	if (!self->state_dir) {
		/* Nobody else can see a catalog in memory. */
		*ret_handle = -1;
		return OK;
	}
	AUTO_BUF struct buf path = {0};
	struct waiting waiting = {on_wait, ctx};
	buf_printf(&path, "%s/locks/%s.%s.lock", self->state_dir, table->database, table->name);
	int rc = file_lock(path.data, true, self->clock, wait_us, on_wait ? tell : NULL, &waiting,
			   ret_handle, e);
	return rc ? err_wrap(e, "Table %s.%s is being written by another process", table->database,
			     table->name)
		  : OK;
}

void catalog_sqlite_unlock(struct catalog *c, int handle)
{
	(void)c;
	file_unlock(handle);
}
