/* What the two halves of the store in a directory share: the handle, and errno as an error. For
 * object_store_fs.c (reading, deleting, opening) and object_store_fs_put.c (whatever writes
 * objects) only. */
#ifndef PREGAO_OBJECT_STORE_FS_PRIVATE_H
#define PREGAO_OBJECT_STORE_FS_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "err.h"
#include "fs_tree.h"
#include "object_store.h"

struct fs {
	struct object_store store;
	char *root, *scratch;
	int root_fd;
	uint64_t nonce; /* two processes never choose the same staged name */
	atomic_uint_fast64_t counter;
	/* scratch/ under a shared lock: "a writer lives"; -1 until first needed */
	atomic_int writer_fd;
};

/* errno as an error, with the full path as its place. */
enum fs_doing { FS_READING, FS_WRITING };
int fs_fail(const struct fs *, const char *key, int errnum, enum fs_doing, struct err *);
/* ERR_INPUT for a key under scratch/ or state/. */
int fs_refuse_reserved(const struct fs *, const char *key, struct err *) MUST_CHECK;
/* Opens an object for reading: 0 or an errno, ENOENT for whatever is no object. */
int fs_open_object(const struct fs *, const char *key, int *ret_fd, struct stat *ret);

int fs_put_many(struct object_store *, struct object_put *, size_t n, struct err *) MUST_CHECK;
int fs_copy(struct object_store *, const char *from, const char *to, struct err *) MUST_CHECK;
/* Removes from scratch/ what killed puts left there: everything when no other writer lives, else
 * what is over a day old. */
void fs_sweep(struct fs *);

#endif
