/* Folders below a root, reached segment by segment so that no symbolic link is followed, and synced
 * in a pool of threads. For object_store_fs only. Results are 0 or an errno: ELOOP is a symbolic
 * link on the way, ENOTDIR a file on the way. */
#ifndef PREGAO_FS_TREE_H
#define PREGAO_FS_TREE_H

#include <stdbool.h>

#include "err.h"
#include "object_store.h"
#include "str.h"

#define FS_SCRATCH "scratch"
#define FS_STATE   "state"

/* The folder part of a key ("a/b" of "a/b/c"; empty for the root), and the name after it. */
struct slice fs_folder(const char *key);
const char *fs_name(const char *key);
/* Whether a key or a folder lies under scratch/ or state/. */
bool fs_is_reserved(const char *path);

/* Opens the folder (empty: the root) with flags O_PATH or O_RDONLY; the caller closes *ret_fd.
 * create makes what is missing. */
int fs_open_folder(int root_fd, struct slice folder, int flags, bool create, int *ret_fd);

/* A list of folders to be synced. Slices are borrowed. */
struct fs_folders {
	struct slice *items;
	size_t count, cap;
};
void fs_folders_add(struct fs_folders *, struct slice folder);
/* The folder of the key and all above it, the root too. */
void fs_folders_add_way(struct fs_folders *, const char *key);
void fs_folders_free(struct fs_folders *);
/* Syncs whatever has been written to the root's file system, n files or folders among it, when that
 * is less work than to sync them one by one and tells of errors; false: it was not done. */
bool fs_sync_at_once(int root_fd, size_t n);
/* Sorts, and syncs each. One that has gone meanwhile is fine: so have the objects in it. */
int fs_folders_sync(int root_fd, struct fs_folders *, struct err *) MUST_CHECK;

/* object_store_list; see object_store.h. */
int fs_list(int root_fd, const char *root, const char *prefix, const char *after,
	    int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *) MUST_CHECK;

struct stat;
void fs_info(const char *key, const struct stat *, struct object_info *ret);

#endif
