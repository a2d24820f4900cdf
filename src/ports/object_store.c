/* Object store: the rules of a key, checked here once for every driver, and the calls into the
 * driver. A driver may rely on every key that reaches it being sound. */
#include "object_store.h"

#include <string.h>

/* C0, DEL and, as UTF-8, C1: they are invisible in a listing, and S3 says to avoid them. */
static bool is_control(const unsigned char *p)
{
	return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f);
}

static int check_segment(const char *segment, size_t n, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_INPUT, "an object key has an empty segment");
	if ((n == 1 && segment[0] == '.') || (n == 2 && segment[0] == '.' && segment[1] == '.'))
		return err_set(e, ERR_INPUT, "an object key has the segment \"%.*s\"", (int)n,
			       segment);
	if (n > OBJECT_SEGMENT_MAX)
		return err_set(e, ERR_INPUT,
			       "an object key has a segment of %zu bytes, more than %d", n,
			       OBJECT_SEGMENT_MAX);
	return OK;
}

int object_key_check(const char *key, struct err *e)
{
	if (!key || !*key)
		return err_set(e, ERR_INPUT, "an object key is empty");
	size_t n = strnlen(key, OBJECT_KEY_MAX + 1);
	if (n > OBJECT_KEY_MAX)
		return err_set(e, ERR_INPUT, "an object key is longer than %d bytes",
			       OBJECT_KEY_MAX);
	if (!str_is_utf8(key, n))
		return err_set(e, ERR_INPUT, "an object key is not UTF-8");
	for (size_t i = 0; i < n; i++) {
		if (is_control((const unsigned char *)key + i))
			return err_set(e, ERR_INPUT,
				       "an object key has a control character at byte %zu", i);
	}
	for (const char *segment = key;; segment++) {
		size_t length = strcspn(segment, "/");
		int rc = check_segment(segment, length, e);
		if (rc) {
			err_where(e, key);
			return rc;
		}
		segment += length;
		if (!*segment)
			return OK;
	}
}

int object_store_put_many(struct object_store *s, struct object_put *items, size_t n, struct err *e)
{
	if (n == 0)
		return OK;
	/* A bad key is a fault of the caller: nothing at all is put then. */
	for (size_t i = 0; i < n; i++) {
		int rc = object_key_check(items[i].key, e);
		if (rc == OK)
			continue;
		for (size_t j = 0; j < n; j++)
			items[j].code = ERR_INPUT;
		return rc;
	}
	return s->ops->put_many(s, items, n, e);
}

int object_store_put(struct object_store *s, const char *key, struct slice bytes, bool if_absent,
		     struct err *e)
{
	struct object_put item = {.key = key, .bytes = bytes, .if_absent = if_absent};
	return object_store_put_many(s, &item, 1, e);
}

int object_store_get(struct object_store *s, const char *key, int64_t offset, int64_t length,
		     size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	int rc = object_key_check(key, e);
	if (rc)
		return rc;
	if (offset < 0 || length < -1)
		return err_set(e, ERR_BUG, "a negative range of an object");
	return s->ops->get(s, key, offset, length, ceiling_bytes, out, ret, e);
}

int object_store_head(struct object_store *s, const char *key, struct object_info *ret,
		      struct err *e)
{
	int rc = object_key_check(key, e);
	return rc ? rc : s->ops->head(s, key, ret, e);
}

int object_store_list(struct object_store *s, const char *prefix, const char *after,
		      int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	return s->ops->list(s, prefix ? prefix : "", after, fn, ctx, e);
}

int object_store_delete_many(struct object_store *s, const char *const *keys, size_t n,
			     struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = object_key_check(keys[i], e);
		if (rc)
			return rc;
	}
	return n ? s->ops->delete_many(s, keys, n, e) : OK;
}

int object_store_copy(struct object_store *s, const char *from, const char *to, struct err *e)
{
	int rc = object_key_check(from, e);
	if (rc == OK)
		rc = object_key_check(to, e);
	return rc ? rc : s->ops->copy(s, from, to, e);
}

int object_store_localise(struct object_store *s, const char *const *keys, size_t n,
			  struct arena *arena, const char **ret_paths, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = object_key_check(keys[i], e);
		if (rc)
			return rc;
	}
	return n ? s->ops->localise(s, keys, n, arena, ret_paths, e) : OK;
}

const char *object_store_staging(struct object_store *s)
{
	return s->ops->staging(s);
}

bool object_store_notifies(struct object_store *s)
{
	return s->ops->notifies(s);
}

void object_store_free(struct object_store *s)
{
	if (s)
		s->ops->free(s);
}
