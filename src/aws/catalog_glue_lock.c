/* Writers' locks that hold over several machines: an object that only one can put. It names the folder of the
 * machine that holds it: whoever has that folder's own lock on the table, and finds the object, knows its holder dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "catalog_glue_private.h"
#include "file.h"

#define LEASE_US INT64_C(900000000) /* the longest that a function may run */
#define PAUSE_US INT64_C(500000)
#define TAKEN    "lock.taken" /* a mark: how often one was taken away */
#define ID_SIZE  17

static void random_id(char ret[ID_SIZE])
{
	unsigned char bytes[(ID_SIZE - 1) / 2] = {0};
	ssize_t n = getrandom(bytes, sizeof(bytes), 0);
	(void)n; /* so few bytes always come */
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* "<of this machine's folder>-<of this lock>". */
static int make_token(struct catalog_glue *g, struct arena *arena, char ret[40], struct err *e)
{
	AUTO_BUF struct buf machine = {0};
	char id[ID_SIZE];
	const char *path = arena_printf(arena, "%s/bucket.machine", g->o.folder);
	int rc = file_read(path, ID_SIZE, &machine, NULL);
	if (rc == ERR_NOT_FOUND) {
		random_id(id);
		rc = file_create(path, id, strlen(id), true, e);
		buf_reset(&machine);
		if (rc == OK || rc == ERR_CONFLICT)
			rc = file_read(path, ID_SIZE, &machine, e);
	} else if (rc) {
		rc = file_read(path, ID_SIZE, &machine, e);
	}
	random_id(id);
	if (rc == OK)
		snprintf(ret, 40, "%.16s-%.16s", machine.data ? machine.data : "", id);
	return rc;
}

static int read_lock(struct catalog_glue *g, const char *key, char ret[40], int64_t *ret_since_us,
		     struct err *e)
{
	AUTO_BUF struct buf text = {0};
	struct object_info info = {0};
	int rc = object_store_get(g->o.store, key, 0, -1, 64, &text, &info, e);
	snprintf(ret, 40, "%.*s", (int)(rc ? 0 : text.len), text.data ? text.data : "");
	*ret_since_us = info.modified_us;
	return rc;
}

static int count_taken(void *ctx, struct err *e)
{
	struct catalog_glue *g = ctx;
	int64_t n;
	int rc = catalog_mark_get(g->inner, TAKEN, &n, e);
	return rc ? rc : catalog_mark_set(g->inner, TAKEN, n + 1, e);
}

/* The state that this makes comes after everything that the old holder committed, and what it has not put yet it
 * makes again on top of it: by then glue_check_locks tells it that the lock is gone. */
static int take_away(struct catalog_glue *g, const char *key, struct err *e)
{
	const char *const keys[] = {key};
	int rc = object_store_delete_many(g->o.store, keys, 1, e);
	return rc ? rc : glue_change(g, count_taken, g, e);
}

static int lock_in_bucket(struct catalog_glue *g, const char *key, const char *token,
			  int64_t wait_us, void (*on_wait)(void *, int64_t), void *ctx,
			  struct err *e)
{
	int64_t until = clock_monotonic_us(g->o.clock) + wait_us;
	bool told = false;
	for (;;) {
		char other[40];
		int64_t since_us;
		int rc = object_store_put(g->o.store, key, slice_of(token), true, e);
		if (rc != ERR_CONFLICT)
			return rc;
		rc = read_lock(g, key, other, &since_us, e);
		if (rc == ERR_NOT_FOUND)
			continue;
		if (rc)
			return rc;
		bool dead = strncmp(other, token, ID_SIZE) == 0 ||
			    clock_now_us(g->o.clock) - since_us > LEASE_US;
		if (dead) {
			rc = take_away(g, key, e);
			if (rc)
				return rc;
			continue;
		}
		if (clock_monotonic_us(g->o.clock) >= until)
			return err_set(
				e, ERR_CONFLICT,
				"another machine writes the table: %s is there; what a dead one left goes after 15 minutes",
				key);
		if (!told && on_wait)
			on_wait(ctx, 0);
		told = true;
		clock_sleep_us(g->o.clock, PAUSE_US);
	}
}

int glue_lock(struct catalog *port, const struct table_def *t, int64_t wait_us,
	      void (*on_wait)(void *, int64_t holder_pid), void *ctx, int *ret_handle,
	      struct err *e)
{
	struct catalog_glue *g = (struct catalog_glue *)port;
	AUTO_ARENA struct arena *arena = arena_new();
	const char *key = arena_printf(arena, CATALOG_FOLDER "%s.%s.lock", t->database, t->name);
	struct glue_hold hold = {.handle = -1};
	int rc = catalog_lock(g->inner, t, wait_us, on_wait, ctx, &hold.handle, e);
	if (rc)
		return rc;
	rc = make_token(g, arena, hold.token, e);
	if (rc == OK)
		rc = lock_in_bucket(g, key, hold.token, wait_us, on_wait, ctx, e);
	if (rc == OK)
		rc = glue_refresh(g, e);
	if (rc) {
		catalog_unlock(g->inner, hold.handle);
		return rc;
	}
	hold.key = mem_strdup(key);
	*PUSH(g->holds, g->hold_count, g->hold_cap) = hold;
	*ret_handle = hold.handle;
	return OK;
}

static bool is_ours(struct catalog_glue *g, const struct glue_hold *h, struct err *e, int *ret)
{
	char now[40];
	int64_t since_us;
	*ret = read_lock(g, h->key, now, &since_us, e);
	return *ret == OK && strcmp(now, h->token) == 0;
}

int glue_check_locks(struct catalog_glue *g, struct err *e)
{
	for (size_t i = 0; i < g->hold_count; i++) {
		int rc;
		if (is_ours(g, &g->holds[i], e, &rc))
			continue;
		if (rc && rc != ERR_NOT_FOUND)
			return rc;
		return err_set(e, ERR_CONFLICT,
			       "another machine took %s after 15 minutes: nothing was committed",
			       g->holds[i].key);
	}
	return OK;
}

void glue_unlock(struct catalog *port, int handle)
{
	struct catalog_glue *g = (struct catalog_glue *)port;
	for (size_t i = 0; i < g->hold_count; i++) {
		struct glue_hold h = g->holds[i];
		const char *const keys[] = {h.key};
		int rc;
		if (h.handle != handle)
			continue;
		/* One that stays is this machine's own, and keeps nobody of it from writing. */
		if (is_ours(g, &h, NULL, &rc))
			rc = object_store_delete_many(g->o.store, keys, 1, NULL);
		(void)rc;
		free(h.key);
		g->holds[i] = g->holds[--g->hold_count];
		break;
	}
	catalog_unlock(g->inner, handle);
}
