/* Trees of folders: making, walking in byte order, removing. Nothing here follows a symbolic link,
 * and all of it stands another process making and removing the same folders at the same time. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

#define DEPTH_MAX 64
#define TRIES_MAX 100

/* The length of path's parent, 0 when it has none; slashes at the end do not count. */
static size_t parent_length(const char *path, size_t n)
{
	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

int file_fsync_folder_of(const char *path, struct err *e)
{
	size_t n = parent_length(path, strlen(path));
	AUTO_FREE char *parent = n ? mem_strndup(path, n) : mem_strdup(".");
	return file_fsync(parent, e);
}

static int make_folder(const char *path, bool durable, int depth, struct err *e)
{
	/* Someone may remove an empty parent between its making and ours, so making it is tried
	 * again. */
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		if (mkdir(path, 0777) == 0)
			return durable ? file_fsync_folder_of(path, e) : OK;
		int errnum = errno;
		struct stat st;
		if (errnum == EEXIST) {
			if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
				return OK;
			if (lstat(path, &st) != 0 && errno == ENOENT)
				continue;
			err_set(e, ERR_CONFLICT, "there is a file where a folder is needed");
			return err_where(e, path);
		}
		size_t n = parent_length(path, strlen(path));
		if (errnum != ENOENT || n == 0 || depth >= 2 * DEPTH_MAX) {
			err_errno(e, errnum, "cannot make the folder");
			return err_where(e, path);
		}
		AUTO_FREE char *parent = mem_strndup(path, n);
		int rc = make_folder(parent, durable, depth + 1, e);
		if (rc < 0)
			return rc;
	}
	err_set(e, ERR_RETRY, "somebody keeps removing the folder while it is being made");
	return err_where(e, path);
}

int file_mkdirs(const char *path, bool durable, struct err *e)
{
	return make_folder(path, durable, 0, e);
}

int file_mkdirs_check(const char *path, struct err *e)
{
	AUTO_FREE char *folder = mem_strdup(path);
	struct stat st;
	while (stat(folder, &st) != 0) {
		size_t n = parent_length(folder, strlen(folder));
		if ((errno != ENOENT && errno != ENOTDIR) || n == 0) {
			err_errno(e, errno, "cannot look at the folder");
			return err_where(e, folder);
		}
		folder[n] = 0;
	}
	if (!S_ISDIR(st.st_mode)) {
		err_set(e, ERR_CONFLICT, "there is a file where a folder is needed");
		return err_where(e, folder);
	}
	if (access(folder, W_OK | X_OK) == 0)
		return OK;
	err_errno(e, errno, "cannot write in the folder");
	return err_where(e, folder);
}

/* Removes what is in the folder that fd is open on, and closes it. path is for messages. */
static int remove_content(int fd, const char *path, int depth, struct err *e)
{
	DIR *dir = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	if (!dir) {
		int errnum = errno;
		close(fd);
		if (depth >= DEPTH_MAX)
			err_set(e, ERR_LIMIT, "folders are nested more than %d deep", DEPTH_MAX);
		else
			err_errno(e, errnum, "cannot read the folder");
		return err_where(e, path);
	}
	int rc = OK;
	struct dirent *entry;
	while (rc == OK && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), name, 0) == 0 || errno == ENOENT)
			continue;
		int errnum = errno;
		/* EISDIR is Linux's word for a folder, EPERM that of POSIX. */
		int below = errnum == EISDIR || errnum == EPERM
				    ? openat(dirfd(dir), name,
					     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				    : -1;
		if (below >= 0) {
			rc = remove_content(below, path, depth + 1, e);
			if (rc < 0 || unlinkat(dirfd(dir), name, AT_REMOVEDIR) == 0 ||
			    errno == ENOENT)
				continue;
			errnum = errno;
		} else if (errnum == EISDIR && errno == ENOENT)
			continue;
		err_errno(e, errnum, "cannot remove %s", name);
		rc = err_where(e, path);
	}
	closedir(dir);
	return rc;
}

int file_remove_tree(const char *path, struct err *e)
{
	if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
		return OK;
	int errnum = errno;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return OK;
	if (fd >= 0) {
		int rc = remove_content(fd, path, 0, e);
		if (rc < 0)
			return rc;
		if (rmdir(path) == 0 || errno == ENOENT)
			return OK;
		errnum = errno;
	} else if (errno != ENOTDIR)
		errnum = errno;
	err_errno(e, errnum, "cannot remove");
	return err_where(e, path);
}

struct entry {
	/* with a slash at the end when it is a folder: that is what puts whole paths into byte
	 * order */
	char *name;
	int64_t size_bytes;
};
struct walk {
	const char *root;
	int (*fn)(void *, const char *, int64_t);
	void *ctx;
	struct buf path;
	struct err *e;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static struct entry *read_entries(DIR *dir, size_t *ret_count)
{
	struct entry *entries = NULL;
	size_t count = 0, cap = 0;
	struct dirent *d;
	while ((d = readdir(dir))) {
		struct stat st;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
			continue;
		struct entry *entry = PUSH(entries, count, cap);
		size_t n = strlen(d->d_name);
		entry->name = mem_alloc(n + 2);
		memcpy(entry->name, d->d_name, n);
		if (S_ISDIR(st.st_mode))
			entry->name[n] = '/';
		entry->size_bytes = st.st_size;
	}
	if (count)
		qsort(entries, count, sizeof(*entries), by_name);
	*ret_count = count;
	return entries;
}

/* Walks the folder that fd is open on, and closes it; w->path is its path below the root. */
static int walk_folder(struct walk *w, int fd, int depth)
{
	DIR *dir = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	if (!dir) {
		int errnum = errno;
		close(fd);
		if (depth >= DEPTH_MAX)
			err_set(w->e, ERR_LIMIT, "folders are nested more than %d deep", DEPTH_MAX);
		else
			err_errno(w->e, errnum, "cannot read the folder");
		return err_where(w->e, w->root);
	}
	size_t count;
	struct entry *entries = read_entries(dir, &count);
	size_t had = w->path.len;
	int rc = OK;
	for (size_t i = 0; i < count && rc == OK; i++) {
		const char *name = entries[i].name;
		w->path.len = had;
		buf_str(&w->path, name);
		if (!slice_ends(slice_of(name), "/")) {
			rc = w->fn(w->ctx, w->path.data, entries[i].size_bytes);
			continue;
		}
		int below =
			openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			rc = walk_folder(w, below, depth + 1);
		else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
			err_errno(w->e, errno, "cannot read the folder %s", w->path.data);
			rc = err_where(w->e, w->root);
		}
	}
	w->path.len = had;
	for (size_t i = 0; i < count; i++)
		free(entries[i].name);
	free(entries);
	closedir(dir);
	return rc;
}

int file_walk(const char *dir, int (*fn)(void *, const char *, int64_t), void *ctx, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return OK;
	if (fd < 0) {
		err_errno(e, errno, "cannot read the folder");
		return err_where(e, dir);
	}
	struct walk w = {.root = dir, .fn = fn, .ctx = ctx, .e = e};
	int rc = walk_folder(&w, fd, 0);
	buf_free(&w.path);
	return rc;
}
