/* Every copy read and compared with its manifest, and every object of the lake looked for among them. */
#include <string.h>

#include "backup_private.h"
#include "file.h"
#include "tr.h"

struct verification {
	const struct backup *with;
	struct arena *arena; /* the caller's: findings */
	struct backup_manifest *manifests;
	size_t count;
	struct backup_live *live;
	size_t live_count;
	pthread_mutex_t lock; /* for all that follows */
	struct backup_finding *list;
	size_t found, cap;
	int64_t checked, bytes;
};

PRINTF_LIKE(4, 5)
static void add(struct verification *v, const char *key, const char *problem, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	*PUSH(v->list, v->found, v->cap) = (struct backup_finding){
		.key = arena_strdup(v->arena, key),
		.problem = problem,
		.text = arena_strdup(v->arena, text),
		.in_lake = backup_live_find(v->live, v->live_count, key) != NULL};
}

static void bad_manifest(void *ctx, const char *key, const struct err *why)
{
	add(ctx, key, "manifest", "%s", why->text);
}

struct reading {
	const struct backup *with;
	const char *key;
	char sha256[HASH_HEX_SIZE];
	int64_t bytes;
};

static int read_copy(void *ctx, struct err *e)
{
	struct reading *r = ctx;
	return backup_read(r->with->to, r->key, -1, &r->bytes, r->sha256, e);
}

/* With the lock. */
static void compare(struct verification *v, const struct backup_manifest *m,
		    const struct reading *got)
{
	const struct backup_live *live = backup_live_find(v->live, v->live_count, m->key);
	if (got->bytes != m->bytes)
		add(v, m->key, "size", tr("the copy has %lld bytes, its manifest says %lld"),
		    (long long)got->bytes, (long long)m->bytes);
	else if (strcmp(got->sha256, m->sha256) != 0)
		add(v, m->key, "hash",
		    tr("the copy's hash is %.12s..., its manifest says %.12s..."), got->sha256,
		    m->sha256);
	else if (live && (live->bytes != m->bytes || live->rows != m->rows))
		add(v, m->key, "manifest",
		    tr("the manifest says %lld bytes and %lld rows, the catalog %lld and %lld"),
		    (long long)m->bytes, (long long)m->rows, (long long)live->bytes,
		    (long long)live->rows);
}

static int verify_one(void *ctx, size_t i, struct err *e)
{
	struct verification *v = ctx;
	const struct backup_manifest *m = &v->manifests[i];
	AUTO_ARENA struct arena *arena = arena_new();
	if (backup_stopped(v->with))
		return err_set(e, ERR_CONFLICT, "interrupted");
	struct reading r = {.with = v->with, .key = backup_data_key(arena, m->key)};
	int rc = backup_try(v->with, read_copy, &r, e);
	if (rc == ERR_DENIED || rc == ERR_RETRY)
		return rc; /* the store, not the copy */
	pthread_mutex_lock(&v->lock);
	v->checked++;
	v->bytes += r.bytes;
	if (rc == OK)
		compare(v, m, &r);
	else if (rc == ERR_NOT_FOUND)
		add(v, m->key, "missing", tr("the manifest is there, the copy is not"));
	else
		add(v, m->key, "unreadable", "%s", e->text);
	if (v->with->progress)
		v->with->progress(v->with->ctx, v->checked, (int64_t)v->count, v->bytes);
	pthread_mutex_unlock(&v->lock);
	return OK;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct backup_finding *)a)->key,
		      ((const struct backup_finding *)b)->key);
}

static void look_for_live(struct verification *v, const struct backup_entries *manifests)
{
	for (size_t i = 0; i < v->live_count; i++)
		if (!backup_find(manifests, v->live[i].key))
			add(v, v->live[i].key, "not_copied",
			    tr("the lake has the object, the backup has not; `pregao backup run` copies it"));
}

int backup_verify(const struct backup *b, struct arena *arena, struct backup_finding **ret,
		  size_t *ret_count, int64_t *ret_checked, struct err *e)
{
	struct verification v = {.with = b, .arena = arena};
	struct backup_entries entries;
	/* The lake first: what is copied meanwhile is no finding, what is published meanwhile neither. */
	int rc = backup_live_all(b, arena, &v.live, &v.live_count, e);
	if (rc == OK)
		rc = backup_list(b, BACKUP_MANIFEST, arena, &entries, e);
	if (rc == OK)
		rc = backup_manifest_all(b, arena, bad_manifest, &v, &v.manifests, &v.count, e);
	pthread_mutex_init(&v.lock, NULL);
	if (rc == OK)
		rc = parallel_for(v.count, b->workers, verify_one, &v, e);
	pthread_mutex_destroy(&v.lock);
	if (rc == OK) {
		look_for_live(&v, &entries);
		*ret = ANEW_ARRAY(arena, v.found, struct backup_finding);
		if (v.found) {
			memcpy(*ret, v.list, v.found * sizeof(*v.list));
			qsort(*ret, v.found, sizeof(*v.list), by_key);
		}
		*ret_count = v.found;
		*ret_checked = v.checked;
	}
	free(v.list);
	return rc;
}
