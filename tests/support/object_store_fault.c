/* A wrapper around any object store that fails one chosen call, so that tests can ask what the Nth failure leaves
 * behind, and that takes its time, so that they can ask what runs at the same time. */
#include "object_store_fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "mem.h"

struct fault {
	struct object_store store;
	struct object_store *inner;
	struct object_store_fault plan;
	pthread_mutex_t
		lock; /* of what follows: the store below may be used from several threads */
	int64_t seen, under_way;
	struct object_store_fault_counts counts;
};

static struct object_store *inner_of(struct object_store *s)
{
	return ((struct fault *)s)->inner;
}

/* A call begins: n of those that count, or a reading one that does not. Returns which of them is to fail,
 * n when none. */
static size_t begin(struct object_store *s, size_t n, bool reading)
{
	struct fault *f = (struct fault *)s;
	bool counts = !reading || f->plan.reads;
	if (counts && f->plan.step)
		f->plan.step();
	pthread_mutex_lock(&f->lock);
	int64_t before = f->seen;
	f->seen += counts ? (int64_t)n : 0;
	f->counts.calls += (int64_t)n;
	f->counts.slept_us += f->plan.latency_us;
	if (++f->under_way > f->counts.most_at_once)
		f->counts.most_at_once = f->under_way;
	pthread_mutex_unlock(&f->lock);
	if (f->plan.latency_us > 0) {
		struct timespec t = {f->plan.latency_us / 1000000,
				     f->plan.latency_us % 1000000 * 1000};
		nanosleep(&t, NULL);
	}
	if (!counts || f->plan.nth == 0 || n == 0)
		return n;
	if (f->plan.from_then_on && f->plan.nth <= before)
		return 0;
	return f->plan.nth > before && f->plan.nth <= before + (int64_t)n
		       ? (size_t)(f->plan.nth - before - 1)
		       : n;
}

static int end(struct object_store *s, int rc, bool reading)
{
	struct fault *f = (struct fault *)s;
	pthread_mutex_lock(&f->lock);
	f->under_way--;
	pthread_mutex_unlock(&f->lock);
	if (f->plan.step && (!reading || f->plan.reads))
		f->plan.step();
	return rc;
}

static int fail(struct object_store *s, const char *where, struct err *e)
{
	struct fault *f = (struct fault *)s;
	err_set(e, f->plan.code, "made to fail: call %lld of the object store",
		(long long)f->plan.nth);
	if (e)
		err_where(e, where);
	return f->plan.code;
}

static int put_but_one(struct object_store *s, struct object_put *items, size_t n, size_t bad,
		       struct err *e)
{
	/* The other items go through, as they would where they travel in parallel. */
	struct object_put *rest = NEW_ARRAY(n, struct object_put);
	for (size_t i = 0, to = 0; i < n; i++) {
		if (i != bad)
			rest[to++] = items[i];
	}
	int rc = n > 1 ? object_store_put_many(inner_of(s), rest, n - 1, e) : OK;
	bool earlier = false;
	for (size_t i = 0, from = 0; i < n; i++) {
		items[i].code = i == bad ? ((struct fault *)s)->plan.code : rest[from++].code;
		earlier = earlier || (i < bad && items[i].code != OK);
	}
	free(rest);
	return rc && earlier ? rc : fail(s, items[bad].key, e);
}

static int fault_put_many(struct object_store *s, struct object_put *items, size_t n, struct err *e)
{
	size_t bad = begin(s, n, false);
	int rc = bad == n ? object_store_put_many(inner_of(s), items, n, e)
			  : put_but_one(s, items, n, bad, e);
	return end(s, rc, false);
}

static int fault_get(struct object_store *s, const char *key, int64_t offset, int64_t length,
		     size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	int rc = begin(s, 1, true) == 0 ? fail(s, key, e)
					: object_store_get(inner_of(s), key, offset, length,
							   ceiling_bytes, out, ret, e);
	return end(s, rc, true);
}

static int fault_head(struct object_store *s, const char *key, struct object_info *ret,
		      struct err *e)
{
	int rc = begin(s, 1, true) == 0 ? fail(s, key, e)
					: object_store_head(inner_of(s), key, ret, e);
	return end(s, rc, true);
}

static int fault_list(struct object_store *s, const char *prefix, const char *after,
		      int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	int rc = begin(s, 1, true) == 0 ? fail(s, prefix, e)
					: object_store_list(inner_of(s), prefix, after, fn, ctx, e);
	return end(s, rc, true);
}

static int fault_delete_many(struct object_store *s, const char *const *keys, size_t n,
			     struct err *e)
{
	int rc = begin(s, 1, false) == 0 ? fail(s, keys[0], e)
					 : object_store_delete_many(inner_of(s), keys, n, e);
	return end(s, rc, false);
}

static int fault_copy(struct object_store *s, const char *from, const char *to, struct err *e)
{
	int rc = begin(s, 1, false) == 0 ? fail(s, to, e)
					 : object_store_copy(inner_of(s), from, to, e);
	return end(s, rc, false);
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

struct object_store *object_store_fault_open(struct object_store *inner,
					     const struct object_store_fault *plan)
{
	struct fault *f = NEW(struct fault);
	f->store.ops = &fault_ops;
	f->inner = inner;
	f->plan = *plan;
	pthread_mutex_init(&f->lock, NULL);
	return &f->store;
}

struct object_store *object_store_fault_new(struct object_store *inner, int64_t nth, int code)
{
	return object_store_fault_open(inner,
				       &(struct object_store_fault){.nth = nth, .code = code});
}

struct object_store_fault_counts object_store_fault_counts(struct object_store *s)
{
	struct fault *f = (struct fault *)s;
	pthread_mutex_lock(&f->lock);
	struct object_store_fault_counts counts = f->counts;
	pthread_mutex_unlock(&f->lock);
	return counts;
}
