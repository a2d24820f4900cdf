/* The state of the catalog beneath, to and from the bucket.
 *
 * In the folder: bucket.lock, held by the one process of this machine that changes something; bucket.sqlite, the newest
 * state that is known to be in the bucket, to go back to; bucket.changing, there while the catalog beneath may be
 * ahead of it, so that a death between the two is seen by the next one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog_glue_private.h"
#include "file.h"

#define GENERATION_MARK "bucket" /* the state's own number */
#define ATTEMPTS        20
#define KEPT            5 /* states in the bucket: who lists one must still find it */
#define STATE_MOST      ((size_t)1 << 30)
#define LOCK_WAIT_US    INT64_C(120000000)

static const char *path_of(struct arena *arena, const struct catalog_glue *g, const char *name)
{
	return arena_printf(arena, "%s/bucket.%s", g->o.folder, name);
}

/* -- which state is the newest ----------------------------------------------------------------- */

static void state_key(int64_t generation, char ret[64])
{
	snprintf(ret, 64, CATALOG_FOLDER "%020" PRId64 ".sqlite", generation);
}

static int see_state(void *ctx, const struct object_info *info)
{
	char expected[64];
	int64_t generation = strtoll(info->key + strlen(CATALOG_FOLDER), NULL, 10);
	state_key(generation, expected);
	if (generation > 0 && strcmp(info->key, expected) == 0)
		*(int64_t *)ctx = generation;
	return OK;
}

int catalog_glue_generation(struct object_store *store, int64_t *ret, struct err *e)
{
	*ret = 0;
	return object_store_list(store, CATALOG_FOLDER "0", NULL, see_state, ret, e);
}

/* -- the way in -------------------------------------------------------------------------------- */

static int become(struct catalog_glue *g, struct arena *arena, struct err *e)
{
	int rc = g->o.beneath->load(g->inner, path_of(arena, g, "sqlite"), e);
	if (rc == OK && unlink(path_of(arena, g, "changing")) != 0 && errno != ENOENT)
		rc = err_errno(e, errno, "cannot remove %s", path_of(arena, g, "changing"));
	return rc;
}

static int fetch(struct catalog_glue *g, int64_t generation, struct arena *arena, struct err *e)
{
	AUTO_BUF struct buf bytes = {.ceiling = STATE_MOST};
	const char *part = path_of(arena, g, "part"), *path = path_of(arena, g, "sqlite");
	char key[64];
	state_key(generation, key);
	int rc = object_store_get(g->o.store, key, 0, -1, STATE_MOST, &bytes, NULL, e);
	unlink(part);
	if (rc == OK)
		rc = file_create(part, bytes.data, bytes.len, true, e);
	if (rc == OK && rename(part, path) != 0)
		rc = err_errno(e, errno, "cannot rename %s", part);
	return rc;
}

/* Under the lock. */
static int catch_up(struct catalog_glue *g, struct arena *arena, int64_t *ret, struct err *e)
{
	int64_t have;
	bool ahead = access(path_of(arena, g, "changing"), F_OK) == 0;
	int rc = OK;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		rc = catalog_glue_generation(g->o.store, ret, e);
		if (rc == OK)
			rc = catalog_mark_get(g->inner, GENERATION_MARK, &have, e);
		if (rc || (!ahead && have == *ret))
			return rc;
		if (!ahead && have > *ret)
			return err_set(
				e, ERR_CONFLICT,
				"the bucket's catalog is state %lld, and this machine has seen state %lld: was it restored from a copy? Remove %s to go on with the bucket's",
				(long long)*ret, (long long)have, g->o.folder);
		if (*ret)
			rc = fetch(g, *ret, arena, e);
		if (rc != ERR_NOT_FOUND)
			return rc ? rc : become(g, arena, e);
		/* So much happened since it was listed that it is gone. */
	}
	return rc;
}

static int lock(struct catalog_glue *g, struct arena *arena, int *ret, struct err *e)
{
	return file_lock(path_of(arena, g, "lock"), true, g->o.clock, LOCK_WAIT_US, NULL, NULL, ret,
			 e);
}

int glue_refresh(struct catalog_glue *g, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	int64_t generation;
	int fd, rc = lock(g, arena, &fd, e);
	if (rc)
		return rc;
	rc = catch_up(g, arena, &generation, e);
	file_unlock(fd);
	return rc;
}

/* -- the way out ------------------------------------------------------------------------------- */

/* ERR_CONFLICT: somebody else's is the next one. */
static int put(struct catalog_glue *g, int64_t generation, struct arena *arena, struct err *e)
{
	AUTO_BUF struct buf bytes = {.ceiling = STATE_MOST};
	const char *next = path_of(arena, g, "next"), *path = path_of(arena, g, "sqlite");
	char key[64];
	state_key(generation, key);
	unlink(next);
	int rc = catalog_mark_set(g->inner, GENERATION_MARK, generation, e);
	if (rc == OK)
		rc = g->o.beneath->save(g->inner, next, e);
	if (rc == OK)
		rc = file_read(next, STATE_MOST, &bytes, e);
	if (rc == OK)
		rc = object_store_put(g->o.store, key, buf_slice(&bytes), true, e);
	if (rc == OK && rename(next, path) != 0)
		rc = err_errno(e, errno, "cannot rename %s", next);
	return rc;
}

static void forget_old(struct catalog_glue *g, int64_t generation)
{
	char key[64];
	const char *const keys[] = {key};
	state_key(generation - KEPT, key);
	/* What stays lies there for nothing, and hurts nobody. */
	int rc = generation > KEPT ? object_store_delete_many(g->o.store, keys, 1, NULL) : OK;
	(void)rc;
}

static int attempt(struct catalog_glue *g, struct arena *arena, int (*fn)(void *, struct err *),
		   void *ctx, bool *ret_again, struct err *e)
{
	int64_t generation;
	const char *changing = path_of(arena, g, "changing"), *path = path_of(arena, g, "sqlite");
	*ret_again = false;
	int rc = catch_up(g, arena, &generation, e);
	if (rc == OK && access(path, F_OK) != 0)
		rc = g->o.beneath->save(g->inner, path, e);
	if (rc == OK)
		rc = file_create(changing, "", 0, true, e);
	if (rc)
		return rc;
	int64_t before = g->o.beneath->changes(g->inner);
	rc = fn(ctx, e);
	if (rc == OK && g->o.beneath->changes(g->inner) == before)
		return unlink(changing) == 0 ? OK
					     : err_errno(e, errno, "cannot remove %s", changing);
	if (rc == OK) {
		rc = put(g, generation + 1, arena, e);
		*ret_again = rc == ERR_CONFLICT;
	}
	if (rc == OK) {
		forget_old(g, generation + 1);
		return unlink(changing) == 0 ? OK
					     : err_errno(e, errno, "cannot remove %s", changing);
	}
	/* The error that is told is the first; where going back fails too, bucket.changing says so to the next. */
	int back = become(g, arena, NULL);
	(void)back;
	return rc;
}

int glue_change(struct catalog_glue *g, int (*fn)(void *ctx, struct err *), void *ctx,
		struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	bool again = true;
	int fd, rc = lock(g, arena, &fd, e);
	if (rc)
		return rc;
	for (int i = 0; again && i < ATTEMPTS; i++)
		rc = attempt(g, arena, fn, ctx, &again, e);
	if (again)
		rc = err_set(e, ERR_RETRY, "other machines changed the catalog %d times meanwhile",
			     ATTEMPTS);
	file_unlock(fd);
	return rc;
}
