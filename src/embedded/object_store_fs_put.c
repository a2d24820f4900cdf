/* Object store in a directory: whatever writes an object is staged in scratch/, synced, renamed,
 * and its folders are synced. Reading and all the rest is object_store_fs.c. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "object_store_fs_private.h"

#define THREADS \
	16 /* fsyncs that wait together are answered together: 82 take 6 ms instead of 25 to 48 */
#define BATCH         128 /* files open at a time */
#define RENAME_TRIES  100
#define STALE_SECONDS 86400
#define COPY_BYTES    262144
#define STAGED_PREFIX "put-"
#define STAGED_SIZE   48

/* -- staging ----------------------------------------------------------------------------------- */

/* As long as this handle lives and has written, scratch/ is locked in shared mode: whoever gets it
 * exclusively knows that every staged file in it is a dead writer's. */
static int be_a_writer(struct fs *f)
{
	int fd, none = -1;
	if (f->writer_fd >= 0)
		return 0;
	int errnum = fs_open_folder(f->root_fd, SLICE(FS_SCRATCH), O_RDONLY, true, &fd);
	if (errnum)
		return errnum;
	while (flock(fd, LOCK_SH) != 0)
		if (errno != EINTR)
			break; /* a file system without locks: sweeping goes by age there */
	if (!atomic_compare_exchange_strong(&f->writer_fd, &none, fd))
		close(fd); /* another thread was quicker */
	return 0;
}

static int open_scratch(struct fs *f, int *ret_fd)
{
	int errnum = be_a_writer(f);
	return errnum ? errnum
		      : fs_open_folder(f->root_fd, SLICE(FS_SCRATCH), O_PATH, true, ret_fd);
}

static int create_staged(struct fs *f, int scratch_fd, char name[STAGED_SIZE], int *ret_fd)
{
	do {
		uint64_t number = atomic_fetch_add(&f->counter, 1);
		snprintf(name, STAGED_SIZE, STAGED_PREFIX "%016" PRIx64 "-%" PRIu64, f->nonce,
			 number);
		*ret_fd = openat(scratch_fd, name,
				 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	} while (*ret_fd < 0 && errno == EEXIST);
	return *ret_fd < 0 ? errno : 0;
}

static int copy_all(int from, int to)
{
	AUTO_FREE char *block = mem_alloc(COPY_BYTES);
	for (;;) {
		ssize_t n = read(from, block, COPY_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		int errnum = fd_write_all(to, block, (size_t)n);
		if (errnum)
			return errnum;
	}
}

/* Writes bytes, or the rest of source_fd when that is not -1, into a new file in scratch/, which
 * stays open to be synced. */
static int stage(struct fs *f, int scratch_fd, struct slice bytes, int source_fd,
		 char name[STAGED_SIZE], int *ret_fd)
{
	int errnum = create_staged(f, scratch_fd, name, ret_fd);
	if (errnum == 0) {
		errnum = source_fd >= 0 ? copy_all(source_fd, *ret_fd)
					: fd_write_all(*ret_fd, bytes.p, bytes.n);
		if (errnum == 0)
			return 0;
		close(*ret_fd);
		unlinkat(scratch_fd, name, 0);
	}
	*ret_fd = -1;
	name[0] = '\0';
	return errnum;
}

static int sync_and_close(int fd)
{
	int errnum = fsync(fd) == 0 ? 0 : errno;
	if (close(fd) != 0 && errnum == 0)
		errnum = errno;
	return errnum;
}

/* What one item needs until it has its final name. */
struct pending {
	struct object_put *item;
	char staged[STAGED_SIZE]; /* in scratch/; empty: the local file itself is renamed */
	int fd;                   /* to be synced; -1: none */
	struct err *err;          /* set when it failed */
};

struct put_context {
	struct fs *fs;
	int scratch_fd;
	struct pending *pending; /* of the batch at hand */
};

static struct err *pending_err(struct pending *p)
{
	p->err = NEW(struct err);
	*p->err = (struct err)ERR_INIT;
	return p->err;
}

static void pending_fail(const struct fs *f, struct pending *p, int errnum)
{
	p->item->code = fs_fail(f, p->item->key, errnum, FS_WRITING, pending_err(p));
}

static void pending_fail_source(struct pending *p, int errnum)
{
	struct err *e = pending_err(p);
	if (errnum == EISDIR)
		err_set(e, ERR_INPUT, "this is not a regular file");
	else
		err_errno(e, errnum, "cannot read the local file");
	p->item->code = err_where(e, p->item->path);
}

/* Renaming takes the file itself: only one that nobody else has a name for, on the same file
 * system. */
static bool can_rename(const struct fs *f, const char *path, const struct stat *opened)
{
	struct stat named, root;
	return lstat(path, &named) == 0 && S_ISREG(named.st_mode) &&
	       named.st_ino == opened->st_ino && named.st_nlink == 1 &&
	       fstat(f->root_fd, &root) == 0 && root.st_dev == named.st_dev;
}

static void prepare_file(struct put_context *c, struct pending *p, bool may_rename)
{
	const char *path = p->item->path;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		pending_fail_source(p, errno);
		return;
	}
	struct stat st;
	int errnum = fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EISDIR;
	if (errnum) {
		pending_fail_source(p, errnum);
	} else if (may_rename && can_rename(c->fs, path, &st)) {
		p->fd = fd;
		return;
	} else {
		errnum = stage(c->fs, c->scratch_fd, (struct slice){0}, fd, p->staged, &p->fd);
		if (errnum)
			pending_fail(c->fs, p, errnum);
	}
	close(fd);
}

static void prepare(struct put_context *c, struct pending *p)
{
	p->item->code = OK;
	struct err e = ERR_INIT;
	if (fs_refuse_reserved(c->fs, p->item->key, &e) != OK) {
		*pending_err(p) = e;
		p->item->code = e.code;
	} else if (p->item->path) {
		prepare_file(c, p, true);
	} else {
		int errnum = stage(c->fs, c->scratch_fd, p->item->bytes, -1, p->staged, &p->fd);
		if (errnum)
			pending_fail(c->fs, p, errnum);
	}
}

/* A failure stays with its item: the others go on. */
static int sync_one(void *ctx, size_t i, struct err *e)
{
	struct put_context *c = ctx;
	struct pending *p = &c->pending[i];
	if (p->fd < 0)
		return OK;
	int errnum = sync_and_close(p->fd);
	p->fd = -1;
	if (errnum && p->staged[0])
		unlinkat(c->scratch_fd, p->staged, 0);
	if (errnum)
		pending_fail(c->fs, p, errnum);
	return OK;
}

static void close_all(struct put_context *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c->pending[i].fd >= 0)
			close(c->pending[i].fd);
		c->pending[i].fd = -1;
	}
}

/* First all are written, then all are synced: making a file waits for whatever sync is under
 * way. */
static int stage_batch(struct put_context *c, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		prepare(c, &c->pending[i]);
	if (fs_sync_at_once(c->fs->root_fd, n)) {
		close_all(c, n);
		return OK;
	}
	return parallel_for(n, THREADS, sync_one, c, e);
}

/* -- renaming ---------------------------------------------------------------------------------- */

static int rename_into(int from_fd, const char *from, int to_fd, const char *to, bool if_absent)
{
	if (!if_absent)
		return renameat(from_fd, from, to_fd, to) == 0 ? 0 : errno;
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	/* A file system without it. */
	if (linkat(from_fd, from, to_fd, to, 0) != 0)
		return errno;
	unlinkat(from_fd, from, 0);
	return 0;
}

/* The folder opened last: items come in folders. */
struct open_folder {
	struct slice folder;
	int fd; /* -1: none */
};

static void open_folder_close(struct open_folder *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static int rename_to_key(const struct fs *f, int from_fd, const char *from, const char *key,
			 bool if_absent, struct open_folder *o)
{
	int errnum = ENOENT;
	for (int i = 0; errnum == ENOENT && i < RENAME_TRIES; i++) {
		/* ENOENT: the folder was emptied and removed between its making and the rename; or
		 * the source has gone. */
		if (i > 0) {
			open_folder_close(o);
			if (faccessat(from_fd, from, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
				return ENOENT;
		}
		struct slice folder = fs_folder(key);
		if (o->fd >= 0 && !slice_eq(o->folder, folder))
			open_folder_close(o);
		if (o->fd < 0) {
			errnum = fs_open_folder(f->root_fd, folder, O_PATH, true, &o->fd);
			if (errnum) {
				o->fd = -1;
				continue;
			}
			o->folder = folder;
		}
		errnum = rename_into(from_fd, from, o->fd, fs_name(key), if_absent);
	}
	return errnum;
}

static int rename_pending(struct put_context *c, struct pending *p, struct open_folder *o)
{
	struct fs *f = c->fs;
	struct object_put *item = p->item;
	if (!p->staged[0]) {
		int errnum = rename_to_key(f, AT_FDCWD, item->path, item->key, item->if_absent, o);
		/* Same device, yet no rename: a bind mount, or Landlock without REFER. */
		if (errnum != EXDEV)
			return errnum;
		prepare_file(c, p, false);
		errnum = p->err ? 0 : sync_and_close(p->fd);
		p->fd = -1;
		if (p->err || errnum)
			return errnum;
	}
	return rename_to_key(f, c->scratch_fd, p->staged, item->key, item->if_absent, o);
}

static void rename_all(struct put_context *c, size_t n, struct fs_folders *ways)
{
	struct open_folder o = {.fd = -1};
	for (size_t i = 0; i < n; i++) {
		struct pending *p = &c->pending[i];
		if (p->err)
			continue;
		int errnum = rename_pending(c, p, &o);
		if (errnum && p->staged[0])
			unlinkat(c->scratch_fd, p->staged, 0);
		if (errnum)
			pending_fail(c->fs, p, errnum);
		/* The whole way: a folder on it may have been made a moment ago by somebody who has
		 * not synced it yet. */
		if (!p->err)
			fs_folders_add_way(ways, p->item->key);
	}
	open_folder_close(&o);
}

static int put_all(struct put_context *c, size_t n, struct err *e)
{
	struct fs_folders ways = {0};
	struct pending *all = c->pending;
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i += BATCH) {
		size_t count = n - i < BATCH ? n - i : BATCH;
		c->pending = all + i;
		rc = stage_batch(c, count, e);
		if (rc == OK)
			rename_all(c, count, &ways);
	}
	if (rc == OK)
		rc = fs_folders_sync(c->fs->root_fd, &ways, e);
	fs_folders_free(&ways);
	return rc ? err_where(e, c->fs->root) : OK;
}

int fs_put_many(struct object_store *s, struct object_put *items, size_t n, struct err *e)
{
	struct fs *f = (struct fs *)s;
	AUTO_FREE struct pending *pending = NEW_ARRAY(n, struct pending);
	for (size_t i = 0; i < n; i++) {
		pending[i].item = &items[i];
		pending[i].fd = -1;
	}
	struct put_context c = {.fs = f, .pending = pending};
	int rc, errnum = open_scratch(f, &c.scratch_fd);
	if (errnum) {
		rc = fs_fail(f, FS_SCRATCH, errnum, FS_WRITING, e);
	} else {
		rc = put_all(&c, n, e);
		close(c.scratch_fd);
	}
	/* What failed for all is worse than what failed for one: it is told first. */
	int first = rc;
	for (size_t i = 0; i < n; i++) {
		if (!pending[i].err) {
			items[i].code = rc;
			continue;
		}
		if (first == OK) {
			first = items[i].code;
			if (e)
				*e = *pending[i].err;
		}
		free(pending[i].err);
	}
	return first;
}

/* -- copying and sweeping ---------------------------------------------------------------------- */

int fs_copy(struct object_store *s, const char *from, const char *to, struct err *e)
{
	struct fs *f = (struct fs *)s;
	int rc = fs_refuse_reserved(f, from, e);
	if (rc == OK)
		rc = fs_refuse_reserved(f, to, e);
	if (rc)
		return rc;
	int fd, scratch_fd;
	struct stat st;
	int errnum = fs_open_object(f, from, &fd, &st);
	if (errnum)
		return fs_fail(f, from, errnum, FS_READING, e);
	errnum = open_scratch(f, &scratch_fd);
	if (errnum == 0) {
		char staged[STAGED_SIZE];
		struct open_folder o = {.fd = -1};
		int staged_fd;
		errnum = stage(f, scratch_fd, (struct slice){0}, fd, staged, &staged_fd);
		if (errnum == 0)
			errnum = sync_and_close(staged_fd);
		if (errnum == 0)
			errnum = rename_to_key(f, scratch_fd, staged, to, false, &o);
		if (errnum && staged[0])
			unlinkat(scratch_fd, staged, 0);
		open_folder_close(&o);
		close(scratch_fd);
	}
	close(fd);
	if (errnum)
		return fs_fail(f, to, errnum, FS_WRITING, e);
	struct fs_folders way = {0};
	fs_folders_add_way(&way, to);
	rc = fs_folders_sync(f->root_fd, &way, e);
	fs_folders_free(&way);
	return rc ? err_where(e, f->root) : OK;
}

struct sweep {
	const struct fs *fs;
	int scratch_fd;
	bool alone;
};

/* Beside other writers by age, not by process id: another container may use the same folder. A live
 * put stays seconds in scratch/. */
static int sweep_one(void *ctx, const char *name, int64_t size_bytes)
{
	const struct sweep *sweep = ctx;
	struct stat st;
	if (strncmp(name, STAGED_PREFIX, strlen(STAGED_PREFIX)) != 0 || strchr(name, '/'))
		return OK;
	if (sweep->alone ||
	    (fstatat(sweep->scratch_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	     st.st_mtim.tv_sec + STALE_SECONDS < clock_now_us(&clock_system) / 1000000))
		unlinkat(sweep->scratch_fd, name, 0);
	return OK;
}

void fs_sweep(struct fs *f)
{
	struct err ignored = ERR_INIT;
	struct sweep sweep = {.fs = f};
	if (fs_open_folder(f->root_fd, SLICE(FS_SCRATCH), O_RDONLY, true, &sweep.scratch_fd) != 0)
		return;
	sweep.alone = flock(sweep.scratch_fd, LOCK_EX | LOCK_NB) == 0;
	int rc = file_walk(f->scratch, sweep_one, &sweep, &ignored);
	(void)rc; /* what cannot be swept today is swept another time */
	close(sweep.scratch_fd);
}
