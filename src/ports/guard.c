/* The access check before a port's calls: see guard.h. Each wrapper asks, then passes the call on. */
#include "guard.h"

#define KIND_STORE "object-store"
#define KIND_QUEUE "queue"
#define READ       "read"
#define WRITE      "write"
#define SEND       "send"
#define RECEIVE    "receive"

int guard_ask(const struct guard *g, const char *kind, const char *action, const char *resource,
	      struct err *e)
{
	if (g->may(g->ctx, kind, action, resource))
		return OK;
	return err_set(e, ERR_DENIED, "the role %s has no right to %s %s %s", g->who, action, kind,
		       resource ? resource : "*");
}

/* -- object store ------------------------------------------------------------------------------ */

struct guarded_store {
	struct object_store port;
	struct object_store *inner;
	struct guard guard;
};

static struct object_store *inner_store(struct object_store *port)
{
	return ((struct guarded_store *)port)->inner;
}

static int ask_store(struct object_store *port, const char *action, const char *key, struct err *e)
{
	return guard_ask(&((struct guarded_store *)port)->guard, KIND_STORE, action, key, e);
}

static int guard_put_many(struct object_store *port, struct object_put *items, size_t n,
			  struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = ask_store(port, WRITE, items[i].key, e);
		if (rc)
			return rc;
	}
	return object_store_put_many(inner_store(port), items, n, e);
}

static int guard_get(struct object_store *port, const char *key, int64_t offset, int64_t length,
		     size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	int rc = ask_store(port, READ, key, e);
	return rc ? rc
		  : object_store_get(inner_store(port), key, offset, length, ceiling_bytes, out,
				     ret, e);
}

static int guard_head(struct object_store *port, const char *key, struct object_info *ret,
		      struct err *e)
{
	int rc = ask_store(port, READ, key, e);
	return rc ? rc : object_store_head(inner_store(port), key, ret, e);
}

static int guard_list(struct object_store *port, const char *prefix, const char *after,
		      int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	int rc = ask_store(port, READ, prefix, e);
	return rc ? rc : object_store_list(inner_store(port), prefix, after, fn, ctx, e);
}

static int guard_delete_many(struct object_store *port, const char *const *keys, size_t n,
			     struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = ask_store(port, WRITE, keys[i], e);
		if (rc)
			return rc;
	}
	return object_store_delete_many(inner_store(port), keys, n, e);
}

static int guard_copy(struct object_store *port, const char *from, const char *to, struct err *e)
{
	int rc = ask_store(port, READ, from, e);
	if (rc == OK)
		rc = ask_store(port, WRITE, to, e);
	return rc ? rc : object_store_copy(inner_store(port), from, to, e);
}

static int guard_localise(struct object_store *port, const char *const *keys, size_t n,
			  struct arena *arena, const char **ret_paths, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = ask_store(port, READ, keys[i], e);
		if (rc)
			return rc;
	}
	return object_store_localise(inner_store(port), keys, n, arena, ret_paths, e);
}

static const char *guard_staging(struct object_store *port)
{
	return object_store_staging(inner_store(port));
}

static bool guard_notifies(struct object_store *port)
{
	return object_store_notifies(inner_store(port));
}

static void guard_store_free(struct object_store *port)
{
	object_store_free(inner_store(port));
	free(port);
}

static const struct object_store_ops guard_store_ops = {
	.put_many = guard_put_many,
	.get = guard_get,
	.head = guard_head,
	.list = guard_list,
	.delete_many = guard_delete_many,
	.copy = guard_copy,
	.localise = guard_localise,
	.staging = guard_staging,
	.notifies = guard_notifies,
	.free = guard_store_free,
};

struct object_store *guard_object_store(struct object_store *inner, const struct guard *g)
{
	struct guarded_store *s = NEW(struct guarded_store);
	*s = (struct guarded_store){.port.ops = &guard_store_ops, .inner = inner, .guard = *g};
	return &s->port;
}

/* -- queue ------------------------------------------------------------------------------------- */

struct guarded_queue {
	struct queue port;
	struct queue *inner;
	struct guard guard;
};

static struct queue *inner_queue(struct queue *port)
{
	return ((struct guarded_queue *)port)->inner;
}

static int ask_queue(struct queue *port, const char *action, struct err *e)
{
	struct guarded_queue *q = (struct guarded_queue *)port;
	return guard_ask(&q->guard, KIND_QUEUE, action, queue_name(q->inner), e);
}

static int guard_send(struct queue *port, const struct slice *bodies, size_t n, struct err *e)
{
	int rc = ask_queue(port, SEND, e);
	return rc ? rc : queue_send(inner_queue(port), bodies, n, e);
}

static int guard_receive(struct queue *port, size_t max, int64_t visibility_us, struct arena *arena,
			 struct queue_message *ret, size_t *ret_count, struct err *e)
{
	int rc = ask_queue(port, RECEIVE, e);
	return rc ? rc
		  : queue_receive(inner_queue(port), max, visibility_us, arena, ret, ret_count, e);
}

static int guard_remove(struct queue *port, const char *const *receipts, size_t n, struct err *e)
{
	int rc = ask_queue(port, RECEIVE, e);
	return rc ? rc : queue_remove(inner_queue(port), receipts, n, e);
}

static int guard_extend(struct queue *port, const char *receipt, int64_t visibility_us,
			struct err *e)
{
	int rc = ask_queue(port, RECEIVE, e);
	return rc ? rc : queue_extend(inner_queue(port), receipt, visibility_us, e);
}

static int guard_fail(struct queue *port, const char *receipt, int64_t retry_us, const char *why,
		      struct err *e)
{
	int rc = ask_queue(port, RECEIVE, e);
	return rc ? rc : queue_fail(inner_queue(port), receipt, retry_us, why, e);
}

static int guard_stats(struct queue *port, struct queue_stats *ret, struct err *e)
{
	int rc = ask_queue(port, READ, e);
	return rc ? rc : queue_stats(inner_queue(port), ret, e);
}

static int guard_peek(struct queue *port, bool dead, size_t max, struct arena *arena,
		      struct queue_message *ret, size_t *ret_count, struct err *e)
{
	int rc = ask_queue(port, READ, e);
	return rc ? rc : queue_peek(inner_queue(port), dead, max, arena, ret, ret_count, e);
}

static int guard_redrive(struct queue *port, const char *id, int64_t *ret_count, struct err *e)
{
	int rc = ask_queue(port, RECEIVE, e);
	if (rc == OK)
		rc = ask_queue(port, SEND, e);
	return rc ? rc : queue_redrive(inner_queue(port), id, ret_count, e);
}

static const char *guard_name(struct queue *port)
{
	return queue_name(inner_queue(port));
}

static void guard_queue_free(struct queue *port)
{
	queue_free(inner_queue(port));
	free(port);
}

static const struct queue_ops guard_queue_ops = {
	.send = guard_send,
	.receive = guard_receive,
	.remove = guard_remove,
	.extend = guard_extend,
	.fail = guard_fail,
	.stats = guard_stats,
	.peek = guard_peek,
	.redrive = guard_redrive,
	.name = guard_name,
	.free = guard_queue_free,
};

struct queue *guard_queue(struct queue *inner, const struct guard *g)
{
	struct guarded_queue *q = NEW(struct guarded_queue);
	*q = (struct guarded_queue){.port.ops = &guard_queue_ops, .inner = inner, .guard = *g};
	return &q->port;
}
