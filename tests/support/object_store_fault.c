/* A wrapper around any object store that fails one chosen write, so that tests can ask what the Nth
 * failure leaves behind. Reading is passed on as it is. */
#include "object_store_fault.h"

#include <pthread.h>
#include <stdlib.h>

#include "mem.h"

struct fault {
	struct object_store store;
	struct object_store *inner;
	pthread_mutex_t lock; /* of seen: the store below may be used from several threads */
	int64_t nth, seen;
	int code;
};

static struct object_store *inner_of(struct object_store *s)
{
	return ((struct fault *)s)->inner;
}

/* Counts n writes; returns which of them is to fail, n when none. */
static size_t count(struct object_store *s, size_t n)
{
	struct fault *f = (struct fault *)s;
	pthread_mutex_lock(&f->lock);
	int64_t before = f->seen;
	f->seen += (int64_t)n;
	pthread_mutex_unlock(&f->lock);
	return f->nth > before && f->nth <= before + (int64_t)n ? (size_t)(f->nth - before - 1) : n;
}

static int fail(struct object_store *s, const char *where, struct err *e)
{
	struct fault *f = (struct fault *)s;
	err_set(e, f->code, "made to fail: write %lld of the object store", (long long)f->nth);
	if (e)
		err_where(e, where);
	return f->code;
}

static int fault_put_many(struct object_store *s, struct object_put *items, size_t n, struct err *e)
{
	size_t bad = count(s, n);
	if (bad == n)
		return object_store_put_many(inner_of(s), items, n, e);
	/* The other items go through, as they would where they travel in parallel. */
	struct object_put *rest = NEW_ARRAY(n, struct object_put);
	for (size_t i = 0, to = 0; i < n; i++) {
		if (i != bad)
			rest[to++] = items[i];
	}
	int rc = object_store_put_many(inner_of(s), rest, n - 1, e);
	bool earlier = false;
	for (size_t i = 0, from = 0; i < n; i++) {
		items[i].code = i == bad ? ((struct fault *)s)->code : rest[from++].code;
		earlier = earlier || (i < bad && items[i].code != OK);
	}
	free(rest);
	return rc && earlier ? rc : fail(s, items[bad].key, e);
}

static int fault_get(struct object_store *s, const char *key, int64_t offset, int64_t length,
		     size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	return object_store_get(inner_of(s), key, offset, length, ceiling_bytes, out, ret, e);
}

static int fault_head(struct object_store *s, const char *key, struct object_info *ret,
		      struct err *e)
{
	return object_store_head(inner_of(s), key, ret, e);
}

static int fault_list(struct object_store *s, const char *prefix, const char *after,
		      int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	return object_store_list(inner_of(s), prefix, after, fn, ctx, e);
}

static int fault_delete_many(struct object_store *s, const char *const *keys, size_t n,
			     struct err *e)
{
	return count(s, 1) == 0 ? fail(s, keys[0], e)
				: object_store_delete_many(inner_of(s), keys, n, e);
}

static int fault_copy(struct object_store *s, const char *from, const char *to, struct err *e)
{
	return count(s, 1) == 0 ? fail(s, to, e) : object_store_copy(inner_of(s), from, to, e);
}

static int fault_localise(struct object_store *s, const char *const *keys, size_t n,
			  struct arena *arena, const char **ret_paths, struct err *e)
{
	return object_store_localise(inner_of(s), keys, n, arena, ret_paths, e);
}

static const char *fault_staging(struct object_store *s)
{
	return object_store_staging(inner_of(s));
}

static bool fault_notifies(struct object_store *s)
{
	return object_store_notifies(inner_of(s));
}

static void fault_free(struct object_store *s)
{
	struct fault *f = (struct fault *)s;
	object_store_free(f->inner);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct object_store_ops fault_ops = {
	.put_many = fault_put_many,
	.get = fault_get,
	.head = fault_head,
	.list = fault_list,
	.delete_many = fault_delete_many,
	.copy = fault_copy,
	.localise = fault_localise,
	.staging = fault_staging,
	.notifies = fault_notifies,
	.free = fault_free,
};

struct object_store *object_store_fault_new(struct object_store *inner, int64_t nth, int code)
{
	struct fault *f = NEW(struct fault);
	f->store.ops = &fault_ops;
	f->inner = inner;
	f->nth = nth;
	f->code = code;
	pthread_mutex_init(&f->lock, NULL);
	return &f->store;
}
