/* Object store in a directory: staged in scratch/, synced, renamed, folders synced.
 * A key's folders are walked by fs_tree, which follows no symbolic link. */
#include "object_store_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "fs_tree.h"

#define THREADS       16 /* fsyncs that wait together are answered together: 82 take 6 ms instead of 25 to 48 */
#define RENAME_TRIES  100
#define STALE_SECONDS 86400
#define COPY_BYTES    262144
#define STAGED_PREFIX "put-"
#define STAGED_SIZE   48

struct fs {
	struct object_store store;
	char *root, *scratch;
	int root_fd;
	uint64_t nonce;        /* two processes never choose the same staged name */
	atomic_uint_fast64_t counter;
};

enum doing { READING, WRITING };

/* errno as an error, with the full path as its place. */
static int
fail(const struct fs *f, const char *key, int errnum, enum doing doing, struct err *e)
{
	switch (errnum) {
	case ELOOP: err_set(e, ERR_DENIED, "A symbolic link is in the way, and none is followed"); break;
	case ENOTDIR: err_set(e, ERR_CONFLICT, "A file stands where a folder is needed"); break;
	case EISDIR:
	case ENOTEMPTY: err_set(e, ERR_CONFLICT, "A folder stands where the object should go"); break;
	case EXDEV:
		err_set(e, ERR_IO, "The folder is on another file system than scratch/, or the sandbox forbids the rename");
		break;
	case EEXIST: err_set(e, ERR_CONFLICT, "The object exists already"); break;
	default:
		if (doing == READING)
			err_errno(e, errnum, "Cannot read the object");
		else
			err_errno(e, errnum, "Cannot write in the object store");
		break;
	}
	char path[sizeof(((struct err *)0)->where)];
	snprintf(path, sizeof(path), "%s/%s", f->root, key);
	return err_where(e, path);
}

static int
refuse_reserved(const struct fs *f, const char *key, struct err *e)
{
	if (!fs_is_reserved(key))
		return OK;
	err_set(e, ERR_INPUT, "Keys under scratch/ and state/ belong to the store's own files");
	return err_where(e, key);
}

/* -- staging ---------------------------------------------------------------------------------------------------------- */

static int
open_scratch(const struct fs *f, int *ret_fd)
{
	return fs_open_folder(f->root_fd, SLICE(FS_SCRATCH), O_PATH, true, ret_fd);
}

static int
create_staged(struct fs *f, int scratch_fd, char name[STAGED_SIZE], int *ret_fd)
{
	do {
		uint64_t number = atomic_fetch_add(&f->counter, 1);
		snprintf(name, STAGED_SIZE, STAGED_PREFIX "%016" PRIx64 "-%" PRIu64, f->nonce, number);
		*ret_fd = openat(scratch_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	} while (*ret_fd < 0 && errno == EEXIST);
	return *ret_fd < 0 ? errno : 0;
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t wrote = write(fd, p, n);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return errno;
		p += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

static int
copy_all(int from, int to)
{
	AUTO_FREE char *block = mem_alloc(COPY_BYTES);
	for (;;) {
		ssize_t n = read(from, block, COPY_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		int errnum = write_all(to, block, (size_t)n);
		if (errnum)
			return errnum;
	}
}

/* What one item needs until it has its final name. */
struct pending {
	struct object_put *item;
	char staged[STAGED_SIZE]; /* in scratch/; empty: the local file itself is renamed */
	struct err *err;          /* set when it failed */
};

static int
pending_fail(const struct fs *f, struct pending *p, int errnum)
{
	p->err = NEW(struct err);
	*p->err = (struct err)ERR_INIT;
	p->item->code = fail(f, p->item->key, errnum, WRITING, p->err);
	return p->item->code;
}

static int
pending_fail_source(struct pending *p, int errnum)
{
	p->err = NEW(struct err);
	*p->err = (struct err)ERR_INIT;
	if (errnum == EISDIR)
		err_set(p->err, ERR_INPUT, "This is not a regular file");
	else
		err_errno(p->err, errnum, "Cannot read the local file");
	p->item->code = err_where(p->err, p->item->path);
	return p->item->code;
}

/* Writes bytes, or the rest of source_fd when that is not -1, into a synced file in scratch/. */
static int
stage(struct fs *f, int scratch_fd, struct slice bytes, int source_fd, char name[STAGED_SIZE])
{
	int fd, errnum = create_staged(f, scratch_fd, name, &fd);
	if (errnum == 0) {
		errnum = source_fd >= 0 ? copy_all(source_fd, fd) : write_all(fd, bytes.p, bytes.n);
		if (errnum == 0 && fsync(fd) != 0)
			errnum = errno;
		if (close(fd) != 0 && errnum == 0)
			errnum = errno;
		if (errnum)
			unlinkat(scratch_fd, name, 0);
	}
	if (errnum)
		name[0] = '\0';
	return errnum;
}

/* Renaming takes the file itself: only one that nobody else has a name for, on the same file system. */
static bool
can_rename(const struct fs *f, const char *path, const struct stat *opened)
{
	struct stat named, root;
	return lstat(path, &named) == 0 && S_ISREG(named.st_mode) && named.st_ino == opened->st_ino &&
	       named.st_nlink == 1 && fstat(f->root_fd, &root) == 0 && root.st_dev == named.st_dev;
}

static int
stage_file(struct fs *f, int scratch_fd, struct pending *p, bool may_rename)
{
	const char *path = p->item->path;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return pending_fail_source(p, errno);
	struct stat st;
	int rc = OK, errnum = fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EISDIR;
	if (errnum)
		rc = pending_fail_source(p, errnum);
	else if (may_rename && can_rename(f, path, &st))
		errnum = fsync(fd) == 0 ? 0 : errno;
	else
		errnum = stage(f, scratch_fd, (struct slice){ 0 }, fd, p->staged);
	if (rc == OK && errnum)
		rc = pending_fail(f, p, errnum);
	close(fd);
	return rc;
}

struct put_context {
	struct fs *fs;
	int scratch_fd;
	struct pending *pending;
};

/* Failures stay with their item: the others go on. */
static int
stage_one(void *ctx, size_t i, struct err *e)
{
	struct put_context *c = ctx;
	struct pending *p = &c->pending[i];
	p->item->code = OK;
	if (refuse_reserved(c->fs, p->item->key, NULL) != OK) {
		p->err = NEW(struct err);
		*p->err = (struct err)ERR_INIT;
		p->item->code = refuse_reserved(c->fs, p->item->key, p->err);
	} else if (p->item->path) {
		(void)stage_file(c->fs, c->scratch_fd, p, true);
	} else {
		int errnum = stage(c->fs, c->scratch_fd, p->item->bytes, -1, p->staged);
		if (errnum)
			(void)pending_fail(c->fs, p, errnum);
	}
	return OK;
}

/* -- renaming --------------------------------------------------------------------------------------------------------- */

static int
rename_into(int from_fd, const char *from, int to_fd, const char *to, bool if_absent)
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

static void
open_folder_close(struct open_folder *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static int
rename_to_key(const struct fs *f, int from_fd, const char *from, const char *key, bool if_absent, struct open_folder *o)
{
	int errnum = ENOENT;
	for (int i = 0; errnum == ENOENT && i < RENAME_TRIES; i++) {
		/* ENOENT: the folder was emptied and removed between its making and the rename; or the source has gone. */
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

static int
rename_pending(struct fs *f, struct pending *p, int scratch_fd, struct open_folder *o)
{
	struct object_put *item = p->item;
	if (p->staged[0])
		return rename_to_key(f, scratch_fd, p->staged, item->key, item->if_absent, o);
	int errnum = rename_to_key(f, AT_FDCWD, item->path, item->key, item->if_absent, o);
	/* Same device, yet no rename: a bind mount, or Landlock without REFER. */
	if (errnum != EXDEV)
		return errnum;
	if (stage_file(f, scratch_fd, p, false) != OK)
		return 0;
	return rename_to_key(f, scratch_fd, p->staged, item->key, item->if_absent, o);
}

static void
rename_all(struct put_context *c, size_t n, struct fs_folders *ways)
{
	struct open_folder o = { .fd = -1 };
	for (size_t i = 0; i < n; i++) {
		struct pending *p = &c->pending[i];
		if (p->err)
			continue;
		int errnum = rename_pending(c->fs, p, c->scratch_fd, &o);
		if (errnum && p->staged[0])
			unlinkat(c->scratch_fd, p->staged, 0);
		if (errnum)
			(void)pending_fail(c->fs, p, errnum);
		/* The whole way: a folder on it may have been made a moment ago by somebody who has not synced it yet. */
		if (!p->err)
			fs_folders_add_way(ways, p->item->key);
	}
	open_folder_close(&o);
}

static int
put_all(struct put_context *c, size_t n, struct err *e)
{
	struct fs_folders ways = { 0 };
	int rc = parallel_for(n, THREADS, stage_one, c, e);
	if (rc == OK)
		rename_all(c, n, &ways);
	if (rc == OK)
		rc = fs_folders_sync(c->fs->root_fd, &ways, e);
	fs_folders_free(&ways);
	return rc ? err_where(e, c->fs->root) : OK;
}

static int
fs_put_many(struct object_store *s, struct object_put *items, size_t n, struct err *e)
{
	struct fs *f = (struct fs *)s;
	AUTO_FREE struct pending *pending = NEW_ARRAY(n, struct pending);
	for (size_t i = 0; i < n; i++)
		pending[i].item = &items[i];
	struct put_context c = { .fs = f, .pending = pending };
	int rc, errnum = open_scratch(f, &c.scratch_fd);
	if (errnum) {
		rc = fail(f, FS_SCRATCH, errnum, WRITING, e);
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

/* -- reading ---------------------------------------------------------------------------------------------------------- */

static int
open_object(const struct fs *f, const char *key, int *ret_fd, struct stat *ret)
{
	int folder, errnum = fs_open_folder(f->root_fd, fs_folder(key), O_PATH, false, &folder);
	if (errnum == 0) {
		*ret_fd = openat(folder, fs_name(key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		errnum = *ret_fd < 0 ? errno : 0;
		close(folder);
	}
	if (errnum)
		return errnum == ENOTDIR ? ENOENT : errnum;
	if (fstat(*ret_fd, ret) != 0)
		errnum = errno;
	else if (!S_ISREG(ret->st_mode))
		errnum = ENOENT;
	if (errnum)
		close(*ret_fd);
	return errnum;
}

static int
read_range(int fd, int64_t offset, int64_t length, struct buf *out)
{
	AUTO_FREE char *block = mem_alloc(COPY_BYTES);
	while (length > 0 && !out->full) {
		size_t want = length < COPY_BYTES ? (size_t)length : COPY_BYTES;
		ssize_t n = pread(fd, block, want, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		buf_add(out, block, (size_t)n);
		offset += n;
		length -= n;
	}
	return 0;
}

static int
fs_get(struct object_store *s, const char *key, int64_t offset, int64_t length, size_t ceiling_bytes, struct buf *out,
       struct object_info *ret, struct err *e)
{
	struct fs *f = (struct fs *)s;
	int fd, rc = refuse_reserved(f, key, e);
	if (rc)
		return rc;
	struct stat st;
	int errnum = open_object(f, key, &fd, &st);
	if (errnum)
		return fail(f, key, errnum, READING, e);
	int64_t left = st.st_size > offset ? st.st_size - offset : 0;
	if (length < 0 || length > left)
		length = left;
	bool too_long = (uint64_t)length > ceiling_bytes;
	if (!too_long)
		errnum = read_range(fd, offset, length, out);
	close(fd);
	if (errnum)
		return fail(f, key, errnum, READING, e);
	if (too_long || out->full) {
		err_set(e, ERR_LIMIT, "The object has %lld bytes, more than are read at once", (long long)length);
		return err_where(e, key);
	}
	if (ret)
		fs_info(key, &st, ret);
	return OK;
}

static int
fs_head(struct object_store *s, const char *key, struct object_info *ret, struct err *e)
{
	struct fs *f = (struct fs *)s;
	int folder, rc = refuse_reserved(f, key, e);
	if (rc)
		return rc;
	struct stat st;
	int errnum = fs_open_folder(f->root_fd, fs_folder(key), O_PATH, false, &folder);
	if (errnum == 0) {
		if (fstatat(folder, fs_name(key), &st, AT_SYMLINK_NOFOLLOW) != 0)
			errnum = errno;
		else if (S_ISLNK(st.st_mode))
			errnum = ELOOP;
		else if (!S_ISREG(st.st_mode))
			errnum = ENOENT;
		close(folder);
	}
	if (errnum)
		return fail(f, key, errnum == ENOTDIR ? ENOENT : errnum, READING, e);
	fs_info(key, &st, ret);
	return OK;
}

static int
fs_list_keys(struct object_store *s, const char *prefix, const char *after,
	     int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	struct fs *f = (struct fs *)s;
	return fs_list(f->root_fd, f->root, prefix, after, fn, ctx, e);
}

static int
fs_localise(struct object_store *s, const char *const *keys, size_t n, struct arena *arena, const char **ret_paths,
	    struct err *e)
{
	struct fs *f = (struct fs *)s;
	for (size_t i = 0; i < n; i++) {
		int rc = refuse_reserved(f, keys[i], e);
		if (rc)
			return rc;
		ret_paths[i] = arena_printf(arena, "%s/%s", f->root, keys[i]);
	}
	return OK;
}

/* -- deleting and copying --------------------------------------------------------------------------------------------- */

static int
delete_one(const struct fs *f, const char *key, bool *ret_deleted)
{
	*ret_deleted = false;
	int folder, errnum = fs_open_folder(f->root_fd, fs_folder(key), O_PATH, false, &folder);
	if (errnum == 0) {
		if (unlinkat(folder, fs_name(key), 0) == 0)
			*ret_deleted = true;
		else
			errnum = errno;
		close(folder);
	}
	/* No such object: nothing there, or a folder, or a file that ends the way. */
	return errnum == ENOENT || errnum == EISDIR || errnum == ENOTDIR ? 0 : errnum;
}

/* Removes the folder and those above it as long as they are empty; the first that is not is what needs syncing. */
static void
remove_empty(const struct fs *f, struct slice folder, struct fs_folders *touched)
{
	while (folder.n) {
		char path[OBJECT_KEY_MAX + 1];
		memcpy(path, folder.p, folder.n);
		path[folder.n] = '\0';
		struct slice above = { folder.p, fs_folder(path).n };
		int fd;
		if (fs_open_folder(f->root_fd, above, O_PATH, false, &fd) != 0)
			break;
		int rc = unlinkat(fd, fs_name(path), AT_REMOVEDIR), errnum = errno;
		close(fd);
		if (rc != 0 && errnum != ENOENT)
			break;
		folder = above;
	}
	fs_folders_add(touched, folder);
}

static int
fs_delete_many(struct object_store *s, const char *const *keys, size_t n, struct err *e)
{
	struct fs *f = (struct fs *)s;
	struct fs_folders touched = { 0 };
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = refuse_reserved(f, keys[i], e);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		bool deleted;
		int errnum = delete_one(f, keys[i], &deleted);
		if (errnum && rc == OK)
			rc = fail(f, keys[i], errnum, WRITING, e);
		if (deleted)
			remove_empty(f, fs_folder(keys[i]), &touched);
	}
	struct err sync_err = ERR_INIT;
	int sync_rc = fs_folders_sync(f->root_fd, &touched, &sync_err);
	fs_folders_free(&touched);
	if (sync_rc && rc == OK) {
		err_where(&sync_err, f->root);
		if (e)
			*e = sync_err;
		rc = sync_rc;
	}
	return rc;
}

static int
fs_copy(struct object_store *s, const char *from, const char *to, struct err *e)
{
	struct fs *f = (struct fs *)s;
	int rc = refuse_reserved(f, from, e);
	if (rc == OK)
		rc = refuse_reserved(f, to, e);
	if (rc)
		return rc;
	int fd, scratch_fd;
	struct stat st;
	int errnum = open_object(f, from, &fd, &st);
	if (errnum)
		return fail(f, from, errnum, READING, e);
	errnum = open_scratch(f, &scratch_fd);
	if (errnum == 0) {
		char staged[STAGED_SIZE];
		struct open_folder o = { .fd = -1 };
		errnum = stage(f, scratch_fd, (struct slice){ 0 }, fd, staged);
		if (errnum == 0)
			errnum = rename_to_key(f, scratch_fd, staged, to, false, &o);
		if (errnum && staged[0])
			unlinkat(scratch_fd, staged, 0);
		open_folder_close(&o);
		close(scratch_fd);
	}
	close(fd);
	if (errnum)
		return fail(f, to, errnum, WRITING, e);
	struct fs_folders way = { 0 };
	fs_folders_add_way(&way, to);
	rc = fs_folders_sync(f->root_fd, &way, e);
	fs_folders_free(&way);
	return rc ? err_where(e, f->root) : OK;
}

/* -- the store itself ------------------------------------------------------------------------------------------------- */

static const char *
fs_staging(struct object_store *s)
{
	struct fs *f = (struct fs *)s;
	/* A lake that was copied without it; where it cannot be made, writing will say so. */
	(void)mkdirat(f->root_fd, FS_SCRATCH, 0777);
	return f->scratch;
}

static bool
fs_notifies(struct object_store *s)
{
	return false;
}

static void
fs_free(struct object_store *s)
{
	struct fs *f = (struct fs *)s;
	if (f->root_fd >= 0)
		close(f->root_fd);
	free(f->root);
	free(f->scratch);
	free(f);
}

static const struct object_store_ops fs_ops = {
	.put_many = fs_put_many,
	.get = fs_get,
	.head = fs_head,
	.list = fs_list_keys,
	.delete_many = fs_delete_many,
	.copy = fs_copy,
	.localise = fs_localise,
	.staging = fs_staging,
	.notifies = fs_notifies,
	.free = fs_free,
};

/* By age, not by process id: another container or machine may use the same folder. A live put stays seconds in scratch/. */
static int
sweep_one(void *ctx, const char *name, int64_t size_bytes)
{
	const struct fs *f = ctx;
	int fd;
	struct stat st;
	if (strncmp(name, STAGED_PREFIX, strlen(STAGED_PREFIX)) != 0 || strchr(name, '/') || open_scratch(f, &fd) != 0)
		return OK;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtim.tv_sec + STALE_SECONDS < clock_now_us(&clock_system) / 1000000)
		unlinkat(fd, name, 0);
	close(fd);
	return OK;
}

static void
sweep(struct fs *f)
{
	struct err ignored = ERR_INIT;
	int rc = file_walk(f->scratch, sweep_one, f, &ignored);
	(void)rc; /* what cannot be swept today is swept another time */
}

static int
make_folders(const struct fs *f, struct err *e)
{
	int rc = file_mkdirs(f->scratch, true, e);
	if (rc)
		return rc;
	AUTO_BUF struct buf state = { 0 };
	buf_printf(&state, "%s/" FS_STATE, f->root);
	return file_mkdirs(state.data, true, e);
}

static int
open_root(struct fs *f, bool create, struct err *e)
{
	int rc = create ? make_folders(f, e) : OK;
	if (rc)
		return rc;
	f->root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root_fd < 0) {
		err_errno(e, errno, "Cannot open the lake's folder");
		return err_where(e, f->root);
	}
	if (create)
		sweep(f);
	return OK;
}

int
object_store_fs_open(const char *root, bool create, struct object_store **ret, struct err *e)
{
	struct fs *f = NEW(struct fs);
	f->store.ops = &fs_ops;
	size_t n = strlen(root);
	while (n > 1 && root[n - 1] == '/')
		n--;
	AUTO_BUF struct buf name = { 0 };
	buf_add(&name, root, n);
	f->root = mem_strdup(name.data);
	buf_str(&name, "/" FS_SCRATCH);
	f->scratch = mem_strdup(name.data);
	f->root_fd = -1;
	if (getrandom(&f->nonce, sizeof(f->nonce), 0) != (ssize_t)sizeof(f->nonce))
		f->nonce = (uint64_t)clock_now_us(&clock_system) ^ (uint64_t)getpid() << 40;
	int rc = open_root(f, create, e);
	if (rc) {
		fs_free(&f->store);
		return rc;
	}
	*ret = &f->store;
	return OK;
}
