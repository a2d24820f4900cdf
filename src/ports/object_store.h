/* Port: object store. Keys in, bytes out; no folders, no rename, no append: what S3 and a directory
 * both are.
 *
 * A key is 1 to 1024 bytes of UTF-8 without control characters, in segments parted by '/', none of
 * them empty, "." or "..", none longer than a file's name may be (255 bytes). No key is another
 * one's folder ("a" beside "a/b"): a directory refuses the second with ERR_CONFLICT. Keys under
 * scratch/ and state/ are the embedded drivers' own; a directory refuses them with ERR_INPUT. Every
 * call may be repeated. Writes are atomic per object: a reader sees all of the old object or all of
 * the new one, and after a put returned the object survives a power cut. There is no order or
 * atomicity between objects. */
#ifndef PREGAO_OBJECT_STORE_H
#define PREGAO_OBJECT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"
#include "str.h"

#define OBJECT_KEY_MAX     1024
#define OBJECT_SEGMENT_MAX 255
struct object_info {
	const char *key;
	int64_t size_bytes;
	int64_t modified_us;
	/* opaque; equal for equal content of the same put, different after any other put */
	char etag[72];
};

struct object_put {
	const char *key;
	/* Either bytes, or a local file: its content is taken, and on success the file itself may
	 * be gone (a driver is allowed to move it, cheapest when it lies in the staging folder). */
	struct slice bytes;
	const char *path;
	bool if_absent; /* ERR_CONFLICT, and nothing changed, when the key exists */
	int code;       /* out: this item's result */
};

struct object_store;
struct object_store_ops {
	int (*put_many)(struct object_store *, struct object_put *, size_t n, struct err *);
	int (*get)(struct object_store *, const char *key, int64_t offset, int64_t length,
		   size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *);
	int (*head)(struct object_store *, const char *key, struct object_info *ret, struct err *);
	int (*list)(struct object_store *, const char *prefix, const char *after,
		    int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *);
	int (*delete_many)(struct object_store *, const char *const *keys, size_t n, struct err *);
	int (*copy)(struct object_store *, const char *from, const char *to, struct err *);
	int (*localise)(struct object_store *, const char *const *keys, size_t n, struct arena *,
			const char **ret_paths, struct err *);
	const char *(*staging)(struct object_store *);
	bool (*notifies)(struct object_store *);
	void (*free)(struct object_store *);
};
struct object_store {
	const struct object_store_ops *ops;
};

/* Puts all items, in parallel where that helps, in no order; the same key twice in one call leaves
 * either of them. Returns 0 when every item is durable; else the first failure's code, with the
 * items' own codes telling which are. ERR_DENIED (read-only, no right), ERR_LIMIT (no space),
 * ERR_CONFLICT (if_absent), ERR_INPUT (bad key), ERR_RETRY, ERR_IO, ERR_NOT_FOUND (local file). */
int object_store_put_many(struct object_store *, struct object_put *, size_t n,
			  struct err *) MUST_CHECK;
/* One object from bytes. */
int object_store_put(struct object_store *, const char *key, struct slice bytes, bool if_absent,
		     struct err *) MUST_CHECK;
/* Appends length bytes from offset (length -1: to the end) to out. ERR_NOT_FOUND; ERR_LIMIT over
 * the ceiling. ret may be NULL. */
int object_store_get(struct object_store *, const char *key, int64_t offset, int64_t length,
		     size_t ceiling_bytes, struct buf *out, struct object_info *ret,
		     struct err *) MUST_CHECK;
/* ERR_NOT_FOUND. ret->key is the caller's key. */
int object_store_head(struct object_store *, const char *key, struct object_info *ret,
		      struct err *) MUST_CHECK;
/* Calls fn for every key with the prefix, in byte order, beginning after `after` (may be NULL);
 * fn's non-zero stops and is returned. Objects put or deleted meanwhile may or may not be seen. */
int object_store_list(struct object_store *, const char *prefix, const char *after,
		      int (*fn)(void *ctx, const struct object_info *), void *ctx,
		      struct err *) MUST_CHECK;
/* A key that does not exist is no error. */
int object_store_delete_many(struct object_store *, const char *const *keys, size_t n,
			     struct err *) MUST_CHECK;
/* Replaces the target. ERR_NOT_FOUND. */
int object_store_copy(struct object_store *, const char *from, const char *to,
		      struct err *) MUST_CHECK;
/* Makes the objects readable as local files (a directory just names them, S3 fetches them into its
 * cache); paths live in the arena. The files are only to be read. ERR_NOT_FOUND is not promised: a
 * directory does not look. */
int object_store_localise(struct object_store *, const char *const *keys, size_t n, struct arena *,
			  const char **ret_paths, struct err *) MUST_CHECK;
/* A local folder for files on their way into the store ("scratch"); exists. Never listed, never
 * part of the data. */
const char *object_store_staging(struct object_store *);
/* Whether the store itself turns created objects into queue messages (S3 by bucket notification); a
 * directory does not, and the pipeline relays the catalog's changes instead. */
bool object_store_notifies(struct object_store *);
void object_store_free(struct object_store *);

/* ERR_INPUT when the key breaks the rules above. */
int object_key_check(const char *key, struct err *) MUST_CHECK;

#endif
