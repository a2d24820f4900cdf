/* Folders below a root, reached segment by segment so that no symbolic link is followed, and synced
 * in a pool of threads. Also the listing, in the byte order of whole keys. */
#include "fs_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "file.h"

#define SYNC_THREADS  16
#define AT_ONCE_LEAST 16
/* a disk writes that much in the time of one fsync */
#define FSYNC_COSTS_KIB 256
#define MEMINFO_CEILING 65536
/* a folder just made may be removed by someone who emptied it; that often in a row is a bug */
#define MAKE_TRIES 100

struct slice fs_folder(const char *key)
{
	const char *slash = strrchr(key, '/');
	return (struct slice){key, slash ? (size_t)(slash - key) : 0};
}

const char *fs_name(const char *key)
{
	const char *slash = strrchr(key, '/');
	return slash ? slash + 1 : key;
}

bool fs_is_reserved(const char *path)
{
	struct slice rest = slice_of(path);
	struct slice first = slice_cut(&rest, '/');
	return slice_is(first, FS_SCRATCH) || slice_is(first, FS_STATE);
}

/* -- opening ----------------------------------------------------------------------------------- */

static int open_segment(int parent, const char *name, int flags, int *ret_fd)
{
	*ret_fd = openat(parent, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	int errnum = errno;
	struct stat st;
	/* A link and a file are both "not a directory" to the kernel. */
	if (errnum == ENOTDIR && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return ELOOP;
	return errnum;
}

static int open_or_make(int parent, const char *name, int flags, int *ret_fd)
{
	int errnum = open_segment(parent, name, flags, ret_fd);
	if (errnum != ENOENT)
		return errnum;
	/* ENOENT here: the parent itself was removed; the caller begins again. EEXIST: somebody was
	 * faster. */
	if (mkdirat(parent, name, 0777) != 0 && errno != EEXIST)
		return errno;
	return open_segment(parent, name, flags, ret_fd);
}

/* The whole way in one call, where the kernel has it (5.6) and the sandbox lets it through. */
static bool open_at_once(int root_fd, struct slice folder, int flags, int *ret_fd)
{
	char path[OBJECT_KEY_MAX + 1];
	if (folder.n == 0 || folder.n > OBJECT_KEY_MAX)
		return false;
	memcpy(path, folder.p, folder.n);
	path[folder.n] = '\0';
	struct open_how how = {.flags = (uint64_t)(flags | O_DIRECTORY | O_CLOEXEC),
			       .resolve = RESOLVE_NO_SYMLINKS};
	*ret_fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	return *ret_fd >= 0;
}

/* Segment by segment: makes what is missing, and knows which errno it was. */
static int open_once(int root_fd, struct slice folder, int flags, bool create, int *ret_fd)
{
	if (open_at_once(root_fd, folder, flags, ret_fd))
		return 0;
	int at = root_fd, parent;
	/* Mostly it is the last one that is missing: a partition in a folder full of them. */
	struct slice above = folder;
	while (above.n && above.p[above.n - 1] != '/')
		above.n--;
	if (create && above.n > 1 &&
	    open_at_once(root_fd, (struct slice){above.p, above.n - 1}, O_PATH, &parent)) {
		at = parent;
		folder = (struct slice){folder.p + above.n, folder.n - above.n};
	}
	while (folder.n) {
		struct slice segment = slice_cut(&folder, '/');
		char name[OBJECT_SEGMENT_MAX + 1];
		if (segment.n > OBJECT_SEGMENT_MAX)
			return ENAMETOOLONG;
		memcpy(name, segment.p, segment.n);
		name[segment.n] = '\0';
		int next, use = folder.n ? O_PATH : flags;
		int errnum = create ? open_or_make(at, name, use, &next)
				    : open_segment(at, name, use, &next);
		if (at != root_fd)
			close(at);
		if (errnum)
			return errnum;
		at = next;
	}
	if (at == root_fd) {
		at = openat(root_fd, ".", flags | O_DIRECTORY | O_CLOEXEC);
		if (at < 0)
			return errno;
	}
	*ret_fd = at;
	return 0;
}

int fs_open_folder(int root_fd, struct slice folder, int flags, bool create, int *ret_fd)
{
	int errnum = ENOENT;
	for (int i = 0; errnum == ENOENT && i < (create ? MAKE_TRIES : 1); i++)
		errnum = open_once(root_fd, folder, flags, create, ret_fd);
	return errnum;
}

/* -- syncing ----------------------------------------------------------------------------------- */

void fs_folders_add(struct fs_folders *f, struct slice folder)
{
	*PUSH(f->items, f->count, f->cap) = folder;
}

void fs_folders_add_way(struct fs_folders *f, const char *key)
{
	struct slice folder = fs_folder(key);
	for (;;) {
		fs_folders_add(f, folder);
		if (!folder.n)
			return;
		while (folder.n && folder.p[folder.n - 1] != '/')
			folder.n--;
		if (folder.n)
			folder.n--;
	}
}

static int compare_slices(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* By bytes, each once. */
static void sort_folders(struct fs_folders *f)
{
	if (f->count < 2)
		return;
	qsort(f->items, f->count, sizeof(*f->items), compare_slices);
	size_t kept = 1;
	for (size_t i = 1; i < f->count; i++) {
		if (!slice_eq(f->items[i], f->items[kept - 1]))
			f->items[kept++] = f->items[i];
	}
	f->count = kept;
}

void fs_folders_free(struct fs_folders *f)
{
	free(f->items);
	*f = (struct fs_folders){0};
}

/* Before Linux 5.8 syncfs says nothing of what could not be written. */
static bool syncfs_tells_errors(void)
{
	struct utsname name;
	int major = 0, minor = 0;
	return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 8));
}

/* How much the machine has yet to write, for whomever; negative: it does not say. */
static int64_t unwritten_kib(void)
{
	AUTO_BUF struct buf text = {0};
	if (file_read("/proc/meminfo", MEMINFO_CEILING, &text, NULL) != OK)
		return -1;
	static const char label[] = "\nDirty:";
	const char *at = text.data ? strstr(text.data, label) : NULL;
	long long kib;
	return at && sscanf(at + strlen(label), "%lld", &kib) == 1 ? kib : -1;
}

/* One syncfs for 83 files takes a third of what 83 fsyncs take, and for 1,640 a tenth; but it also
 * waits for what strangers wrote to the same disk. So where the machine has more to write than the
 * fsyncs would cost, each file is synced alone. */
bool fs_sync_at_once(int root_fd, size_t n)
{
	if (n < AT_ONCE_LEAST || !syncfs_tells_errors())
		return false;
	int64_t unwritten = unwritten_kib();
	return unwritten >= 0 && unwritten < (int64_t)n * FSYNC_COSTS_KIB && syncfs(root_fd) == 0;
}

struct sync_context {
	int root_fd;
	const struct fs_folders *folders;
};

/* Its mode would let us in, so it is the sandbox that does not: then no name in it was made by us, and
 * whoever made the way to our folders has synced it. */
static bool kept_from(int root_fd, struct slice folder)
{
	AUTO_BUF struct buf path = {0};
	buf_add(&path, folder.p, folder.n);
	return faccessat(root_fd, folder.n ? path.data : ".", R_OK | X_OK, 0) == 0;
}

static int sync_one(void *ctx, size_t i, struct err *e)
{
	const struct sync_context *c = ctx;
	struct slice folder = c->folders->items[i];
	int fd, errnum = fs_open_folder(c->root_fd, folder, O_RDONLY, false, &fd);
	if (errnum == ENOENT || (errnum == EACCES && kept_from(c->root_fd, folder)))
		return OK;
	if (errnum)
		return err_errno(e, errnum, "cannot open the folder \"%.*s\"", SLICE_FMT(folder));
	errnum = fsync(fd) == 0 ? 0 : errno;
	close(fd);
	/* EINVAL: a file system that has no such thing for folders. */
	if (errnum && errnum != EINVAL)
		return err_errno(e, errnum, "cannot sync the folder \"%.*s\"", SLICE_FMT(folder));
	return OK;
}

int fs_folders_sync(int root_fd, struct fs_folders *f, struct err *e)
{
	sort_folders(f);
	if (fs_sync_at_once(root_fd, f->count))
		return OK;
	struct sync_context c = {root_fd, f};
	return parallel_for(f->count, SYNC_THREADS, sync_one, &c, e);
}

/* -- listing ----------------------------------------------------------------------------------- */

void fs_info(const char *key, const struct stat *st, struct object_info *ret)
{
	ret->key = key;
	ret->size_bytes = st->st_size;
	ret->modified_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	snprintf(ret->etag, sizeof(ret->etag), "%llx-%llx-%llx", (unsigned long long)st->st_ino,
		 (unsigned long long)st->st_mtim.tv_sec * 1000000000ULL +
			 (unsigned long long)st->st_mtim.tv_nsec,
		 (unsigned long long)st->st_size);
}

struct listing {
	const char *root;
	struct slice prefix;
	const char *after; /* NULL: from the first */
	int (*fn)(void *ctx, const struct object_info *);
	void *ctx;
	char key[OBJECT_KEY_MAX +
		 2]; /* of the folder at hand with its slash, then of its entries */
};

struct entry {
	const char *
		/* a folder's with its slash: so it sorts among the keys where the keys in it do */
		name;
	bool folder;
};

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Neither links nor devices are objects. */
static bool kind_of(int fd, const struct dirent *d, bool *ret_folder)
{
	unsigned char type = d->d_type;
	struct stat st;
	if (type == DT_UNKNOWN && fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
	*ret_folder = type == DT_DIR;
	return type == DT_DIR || type == DT_REG;
}

static bool is_wanted(const struct listing *l, size_t at, const char *name, bool folder)
{
	if (at == 0 && fs_is_reserved(name))
		return false;
	size_t n = at + strlen(name), p = l->prefix.n;
	if (n > OBJECT_KEY_MAX)
		return false;
	/* What stands before `at` has been compared on the way here. */
	size_t common = n < p ? n : p;
	if (common > at && memcmp(name, l->prefix.p + at, common - at) != 0)
		return false;
	if (n < p && !folder)
		return false;
	if (!l->after)
		return true;
	size_t shared = strnlen(l->after, at);
	int order = memcmp(l->key, l->after, shared);
	if (order != 0 || shared < at)
		return order >= 0;
	/* A folder that comes before `after` may still hold it, and what follows it. */
	return strcmp(name, l->after + at) > 0 ||
	       (folder && strncmp(name, l->after + at, strlen(name)) == 0);
}

static int read_entries(const struct listing *l, size_t at, int fd, struct arena *arena,
			struct entry **ret, size_t *ret_count)
{
	int copy = dup(fd); /* closedir closes what it was given */
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (!dir) {
		int errnum = errno;
		if (copy >= 0)
			close(copy);
		return errnum;
	}
	struct entry *entries = NULL;
	size_t count = 0, cap = 0;
	struct dirent *d;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		bool folder;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    !kind_of(fd, d, &folder))
			continue;
		const char *name = arena_printf(arena, folder ? "%s/" : "%s", d->d_name);
		if (is_wanted(l, at, name, folder))
			*PUSH(entries, count, cap) = (struct entry){name, folder};
	}
	int errnum = errno;
	closedir(dir);
	if (count > 1)
		qsort(entries, count, sizeof(*entries), compare_entries);
	*ret = entries;
	*ret_count = count;
	return errnum;
}

static int list_folder(struct listing *, size_t at, int fd, struct err *);

static int list_entry(struct listing *l, size_t at, int fd, const struct entry *entry,
		      struct err *e)
{
	size_t n = strlen(entry->name);
	memcpy(l->key + at, entry->name, n + 1);
	if (entry->folder) {
		char name[OBJECT_SEGMENT_MAX + 1];
		memcpy(name, entry->name, n - 1);
		name[n - 1] = '\0';
		int below, errnum = open_segment(fd, name, O_RDONLY, &below);
		if (errnum == ENOENT || errnum == ENOTDIR ||
		    errnum == ELOOP) /* replaced meanwhile */
			return OK;
		if (errnum) {
			err_errno(e, errnum, "cannot list the folder \"%s\"", l->key);
			return err_where(e, l->root);
		}
		int rc = list_folder(l, at + n, below, e);
		close(below);
		return rc;
	}
	struct stat st;
	/* A name that no key may have (strange bytes) is somebody else's file. */
	if (object_key_check(l->key, NULL) != OK ||
	    fstatat(fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return OK;
	struct object_info info;
	fs_info(l->key, &st, &info);
	return l->fn(l->ctx, &info);
}

static int list_folder(struct listing *l, size_t at, int fd, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_FREE struct entry *entries = NULL;
	size_t count = 0;
	int errnum = read_entries(l, at, fd, arena, &entries, &count);
	if (errnum) {
		err_errno(e, errnum, "cannot list the folder \"%.*s\"", (int)at, l->key);
		return err_where(e, l->root);
	}
	int rc = OK;
	for (size_t i = 0; rc == OK && i < count; i++)
		rc = list_entry(l, at, fd, &entries[i], e);
	return rc;
}

/* Whether the folder part of a prefix could be that of a key at all: else nothing has the
 * prefix. */
static bool could_be_folder(struct slice folder)
{
	if (folder.n > OBJECT_KEY_MAX)
		return false;
	char key[OBJECT_KEY_MAX + 1];
	memcpy(key, folder.p, folder.n);
	key[folder.n] = '\0';
	return !fs_is_reserved(key) && object_key_check(key, NULL) == OK;
}

int fs_list(int root_fd, const char *root, const char *prefix, const char *after,
	    int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	struct listing l = {
		.root = root, .prefix = slice_of(prefix), .after = after, .fn = fn, .ctx = ctx};
	struct slice folder = fs_folder(prefix);
	if (*prefix == '/' || (folder.n && !could_be_folder(folder)))
		return OK;
	size_t at = folder.n ? folder.n + 1 : 0;
	memcpy(l.key, prefix, at);
	int fd = -1, errnum = fs_open_folder(root_fd, folder, O_RDONLY, false, &fd);
	if (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP)
		return OK;
	if (errnum) {
		err_errno(e, errnum, "cannot list the folder \"%.*s\"", SLICE_FMT(folder));
		return err_where(e, root);
	}
	int rc = list_folder(&l, at, fd, e);
	close(fd);
	return rc;
}
