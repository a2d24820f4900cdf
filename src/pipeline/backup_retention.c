/* Copies of objects that left the lake: seen, marked, and in the end deleted. What the clock may do meanwhile, and what
 * is promised all the same, stands at retention_us in backup.h. */
#include "backup_private.h"
#include "json.h"

#define DAY_US   INT64_C(86400000000)
#define MARK_MAX 65536

struct mark {
	int64_t left_us;
	int64_t due_us; /* when it was first found due; 0: not yet */
};

static const char *mark_key(struct arena *arena, const char *key)
{
	return arena_printf(arena, "left/%s.json", key);
}

static int put_mark(const struct backup *b, struct arena *arena, const char *key,
		    const struct mark *m, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	char left[TIME_TEXT_SIZE], due[TIME_TEXT_SIZE];
	buf_printf(&text, "{\"left_at\":\"%s\"", time_format_utc(m->left_us, left));
	if (m->due_us)
		buf_printf(&text, ",\"due_at\":\"%s\"", time_format_utc(m->due_us, due));
	buf_str(&text, "}\n");
	return object_store_put(b->to, mark_key(arena, key), buf_slice(&text), false, e);
}

/* ERR_INPUT: damaged; it begins anew. */
static int get_mark(const struct backup *b, struct arena *arena, const char *key, struct mark *ret,
		    struct err *e)
{
	AUTO_BUF struct buf text = {0};
	AUTO_JSON json_t *root = NULL;
	const char *left, *due;
	*ret = (struct mark){0};
	int rc = object_store_get(b->to, mark_key(arena, key), 0, -1, MARK_MAX, &text, NULL, e);
	if (rc == OK)
		rc = json_parse(text.data ? text.data : "", text.len, &root, e);
	if (rc == OK)
		rc = json_get_str(root, "left_at", &left, e);
	if (rc)
		return rc;
	due = json_opt_str(root, "due_at", NULL);
	if (time_parse_utc(left, &ret->left_us) != OK ||
	    (due && time_parse_utc(due, &ret->due_us) != OK))
		return err_set(e, ERR_INPUT, "the mark of an object that left is damaged");
	return OK;
}

/* The manifest first: a copy without one is nobody's, a manifest without a copy is a finding. The mark last:
 * it brings the next run back here after a death. */
static int forget(const struct backup *b, struct arena *arena, const char *key, struct err *e)
{
	const char *const keys[] = {backup_manifest_key(arena, key), backup_data_key(arena, key),
				    mark_key(arena, key)};
	int rc = OK;
	for (size_t i = 0; rc == OK && i < ARRAY_LEN(keys); i++)
		rc = object_store_delete_many(b->to, &keys[i], 1, e);
	return rc;
}

struct expiry {
	const struct backup *with;
	struct arena *arena;
	struct backup_live *live;
	size_t live_count;
	struct backup_entries data, manifests, marks;
	int64_t now_us, newest_us;
	int64_t expired;
};

/* A merge took its place, and that one is live and safe. */
static bool is_replaced(const struct expiry *x, const char *key)
{
	int64_t first, last, outer_first, outer_last;
	size_t n;
	const struct backup_live *others = backup_live_beside(x->live, x->live_count, key, &n);
	backup_range_of(key, &first, &last);
	for (size_t i = 0; i < n; i++) {
		backup_range_of(others[i].key, &outer_first, &outer_last);
		if (backup_covers(outer_first, outer_last, first, last) &&
		    backup_find(&x->manifests, others[i].key) &&
		    backup_find(&x->data, others[i].key))
			return true;
	}
	return false;
}

/* The copy that goes and all those that stay beside it: of which life each is. Only asked of what is about to go. */
static bool is_of_one_life(const struct expiry *x, const char *key)
{
	struct backup_manifest own, other;
	size_t n;
	const struct backup_live *others = backup_live_beside(x->live, x->live_count, key, &n);
	if (backup_manifest_get(x->with->to, key, x->arena, &own, NULL) != OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (backup_find(&x->manifests, others[i].key) &&
		    (backup_manifest_get(x->with->to, others[i].key, x->arena, &other, NULL) !=
			     OK ||
		     backup_stream_of(own.properties) != backup_stream_of(other.properties)))
			return false;
	return true;
}

static int look_after(struct expiry *x, const char *key, struct err *e)
{
	const struct backup *b = x->with;
	struct mark m;
	bool behind = x->now_us < x->newest_us;
	if (!backup_find(&x->marks, key)) {
		m = (struct mark){.left_us = behind ? x->newest_us : x->now_us};
		return put_mark(b, x->arena, key, &m, e);
	}
	int rc = get_mark(b, x->arena, key, &m, e);
	if (rc == ERR_INPUT) {
		m = (struct mark){.left_us = behind ? x->newest_us : x->now_us};
		return put_mark(b, x->arena, key, &m, e);
	}
	if (rc)
		return rc;
	bool due = !behind && x->now_us >= m.left_us &&
		   x->now_us - m.left_us >= DAY_US + b->retention_us;
	if (!due || x->now_us < m.due_us) {
		/* Found due once by a clock that has been put right since. */
		if (!m.due_us || behind)
			return OK;
		m.due_us = 0;
		return put_mark(b, x->arena, key, &m, e);
	}
	if (!m.due_us) {
		m.due_us = x->now_us;
		return put_mark(b, x->arena, key, &m, e);
	}
	if (x->now_us - m.due_us < DAY_US || !is_of_one_life(x, key))
		return OK;
	rc = forget(b, x->arena, key, e);
	x->expired += rc == OK;
	return rc;
}

static void newest_of(struct expiry *x, const struct backup_entries *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].modified_us > x->newest_us)
			x->newest_us = all->list[i].modified_us;
}

static int each(struct expiry *x, struct err *e)
{
	int rc = OK;
	/* Back in the lake: it has not left. Its manifest is gone: a death while it was forgotten. */
	for (size_t i = 0; rc == OK && i < x->marks.count; i++) {
		const char *key = x->marks.list[i].key, *mark = mark_key(x->arena, key);
		if (backup_live_find(x->live, x->live_count, key))
			rc = object_store_delete_many(x->with->to, &mark, 1, e);
		else if (!backup_find(&x->manifests, key))
			rc = forget(x->with, x->arena, key, e);
	}
	for (size_t i = 0; rc == OK && i < x->manifests.count && !backup_stopped(x->with); i++) {
		const char *key = x->manifests.list[i].key;
		if (!backup_live_find(x->live, x->live_count, key) && is_replaced(x, key))
			rc = look_after(x, key, e);
	}
	return rc;
}

int backup_expire(const struct backup *b, int64_t *ret_expired, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct expiry x = {.with = b, .arena = arena};
	if (b->retention_us <= 0)
		return OK;
	int rc = backup_list(b, BACKUP_MANIFEST, arena, &x.manifests, e);
	if (rc == OK)
		rc = backup_list(b, BACKUP_DATA, arena, &x.data, e);
	if (rc == OK)
		rc = backup_list(b, BACKUP_LEFT, arena, &x.marks, e);
	/* After the copies: what is published meanwhile is then live, and never taken for left. */
	if (rc == OK)
		rc = backup_live_all(b, arena, &x.live, &x.live_count, e);
	if (rc == OK) {
		newest_of(&x, &x.manifests);
		newest_of(&x, &x.data);
		newest_of(&x, &x.marks);
		x.now_us = clock_now_us(b->clock);
		rc = each(&x, e);
	}
	*ret_expired = x.expired;
	return rc ? err_wrap(e, "looking after copies of objects that left") : OK;
}
