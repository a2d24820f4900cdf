/* Object store in a directory: opening, reading, listing, deleting. Writing is
 * object_store_fs_put.c. A key's folders are walked by fs_tree, which follows no symbolic link. */
#include "object_store_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "object_store_fs_private.h"

#define READ_BYTES 262144

/* errno as an error, with the full path as its place. */
int fs_fail(const struct fs *f, const char *key, int errnum, enum fs_doing doing, struct err *e)
{
	switch (errnum) {
	case ELOOP:
		err_set(e, ERR_DENIED, "a symbolic link is in the way, and none is followed");
		break;
	case ENOTDIR: err_set(e, ERR_CONFLICT, "a file stands where a folder is needed"); break;
	case EISDIR:
	case ENOTEMPTY:
		err_set(e, ERR_CONFLICT, "a folder stands where the object should go");
		break;
	case EXDEV:
		err_set(e, ERR_IO,
			"the folder is on another file system than scratch/, or the sandbox forbids the rename");
		break;
	case EEXIST: err_set(e, ERR_CONFLICT, "the object exists already"); break;
	default:
		if (doing == FS_READING)
			err_errno(e, errnum, "cannot read the object");
		else
			err_errno(e, errnum, "cannot write in the object store");
		break;
	}
	char path[sizeof(((struct err *)0)->where)];
	snprintf(path, sizeof(path), "%s/%s", f->root, key);
	return err_where(e, path);
}

int fs_refuse_reserved(const struct fs *f, const char *key, struct err *e)
{
	if (!fs_is_reserved(key))
		return OK;
	err_set(e, ERR_INPUT, "keys under scratch/ and state/ belong to the store's own files");
	return err_where(e, key);
}

/* -- reading ----------------------------------------------------------------------------------- */

int fs_open_object(const struct fs *f, const char *key, int *ret_fd, struct stat *ret)
{
	int folder, errnum = fs_open_folder(f->root_fd, fs_folder(key), O_PATH, false, &folder);
	if (errnum == 0) {
		*ret_fd = openat(folder, fs_name(key),
				 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
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

static int read_range(int fd, int64_t offset, int64_t length, struct buf *out)
{
	AUTO_FREE char *block = mem_alloc(READ_BYTES);
	while (length > 0 && !out->full) {
		size_t want = length < READ_BYTES ? (size_t)length : READ_BYTES;
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

static int fs_get(struct object_store *s, const char *key, int64_t offset, int64_t length,
		  size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	struct fs *f = (struct fs *)s;
	int fd, rc = fs_refuse_reserved(f, key, e);
	if (rc)
		return rc;
	struct stat st;
	int errnum = fs_open_object(f, key, &fd, &st);
	if (errnum)
		return fs_fail(f, key, errnum, FS_READING, e);
	int64_t left = st.st_size > offset ? st.st_size - offset : 0;
	if (length < 0 || length > left)
		length = left;
	bool too_long = (uint64_t)length > ceiling_bytes;
	if (!too_long)
		errnum = read_range(fd, offset, length, out);
	close(fd);
	if (errnum)
		return fs_fail(f, key, errnum, FS_READING, e);
	if (too_long || out->full) {
		err_set(e, ERR_LIMIT, "the object has %lld bytes, more than are read at once",
			(long long)length);
		return err_where(e, key);
	}
	if (ret)
		fs_info(key, &st, ret);
	return OK;
}

static int fs_head(struct object_store *s, const char *key, struct object_info *ret, struct err *e)
{
	struct fs *f = (struct fs *)s;
	int folder, rc = fs_refuse_reserved(f, key, e);
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
		return fs_fail(f, key, errnum == ENOTDIR ? ENOENT : errnum, FS_READING, e);
	fs_info(key, &st, ret);
	return OK;
}

static int fs_list_keys(struct object_store *s, const char *prefix, const char *after,
			int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	struct fs *f = (struct fs *)s;
	return fs_list(f->root_fd, f->root, prefix, after, fn, ctx, e);
}

static int fs_localise(struct object_store *s, const char *const *keys, size_t n,
		       struct arena *arena, const char **ret_paths, struct err *e)
{
	struct fs *f = (struct fs *)s;
	for (size_t i = 0; i < n; i++) {
		int rc = fs_refuse_reserved(f, keys[i], e);
		if (rc)
			return rc;
		ret_paths[i] = arena_printf(arena, "%s/%s", f->root, keys[i]);
	}
	return OK;
}

/* -- deleting ---------------------------------------------------------------------------------- */

static int delete_one(const struct fs *f, const char *key, bool *ret_deleted)
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

/* Removes the folder and those above it as long as they are empty; the first that is not is what
 * needs syncing. */
static void remove_empty(const struct fs *f, struct slice folder, struct fs_folders *touched)
{
	while (folder.n) {
		char path[OBJECT_KEY_MAX + 1];
		memcpy(path, folder.p, folder.n);
		path[folder.n] = '\0';
		struct slice above = {folder.p, fs_folder(path).n};
		int fd;
		if (fs_open_folder(f->root_fd, above, O_PATH, false, &fd) != 0)
			break;
		int rc = unlinkat(fd, fs_name(path), AT_REMOVEDIR), errnum = errno;
		close(fd);
		if (rc && errnum != ENOENT)
			break;
		folder = above;
	}
	fs_folders_add(touched, folder);
}

static int fs_delete_many(struct object_store *s, const char *const *keys, size_t n, struct err *e)
{
	struct fs *f = (struct fs *)s;
	struct fs_folders touched = {0};
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = fs_refuse_reserved(f, keys[i], e);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		bool deleted;
		int errnum = delete_one(f, keys[i], &deleted);
		if (errnum && rc == OK)
			rc = fs_fail(f, keys[i], errnum, FS_WRITING, e);
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

/* -- the store itself -------------------------------------------------------------------------- */

static const char *fs_staging(struct object_store *s)
{
	struct fs *f = (struct fs *)s;
	/* A lake that was copied without it; where it cannot be made, writing will say so. */
	(void)mkdirat(f->root_fd, FS_SCRATCH, 0777);
	return f->scratch;
}

static bool fs_notifies(struct object_store *s)
{
	return false;
}

static void fs_free(struct object_store *s)
{
	struct fs *f = (struct fs *)s;
	if (f->writer_fd >= 0)
		close(f->writer_fd);
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

static int make_folders(const struct fs *f, struct err *e)
{
	int rc = file_mkdirs(f->scratch, true, e);
	if (rc)
		return rc;
	AUTO_BUF struct buf state = {0};
	buf_printf(&state, "%s/" FS_STATE, f->root);
	return file_mkdirs(state.data, true, e);
}

static int open_root(struct fs *f, bool create, struct err *e)
{
	int rc = create ? make_folders(f, e) : OK;
	if (rc)
		return rc;
	f->root_fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root_fd < 0) {
		err_errno(e, errno, "cannot open the lake's folder");
		return err_where(e, f->root);
	}
	if (create)
		fs_sweep(f);
	return OK;
}

int object_store_fs_open(const char *root, bool create, struct object_store **ret, struct err *e)
{
	struct fs *f = NEW(struct fs);
	f->store.ops = &fs_ops;
	size_t n = strlen(root);
	while (n > 1 && root[n - 1] == '/')
		n--;
	AUTO_BUF struct buf name = {0};
	buf_add(&name, root, n);
	f->root = mem_strdup(name.data);
	buf_str(&name, "/" FS_SCRATCH);
	f->scratch = mem_strdup(name.data);
	f->root_fd = -1;
	f->writer_fd = -1;
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
