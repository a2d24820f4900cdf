/* One object into the backup store: read and hashed, put, read back and compared, and only then its manifest. Each
 * step may be the last one of the process; the next worker finds what is there and goes on from it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backup_private.h"
#include "file.h"

#define LOCK_WAIT_US INT64_C(10000000) /* for another run that is clearing up */

/* -- the staging folder ------------------------------------------------------------------------ */

static int remove_one(void *ctx, const char *name, int64_t size_bytes)
{
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/%s", (const char *)ctx, name);
	if (strcmp(name, "lock") != 0)
		unlink(path.data);
	return OK;
}

/* Who gets the lock alone is alone: what lies here is a killed run's. While it works each run shares it. */
int backup_staging_open(const struct backup *b, struct backup_staging *ret, struct err *e)
{
	AUTO_BUF struct buf dir = {0}, lock = {0};
	buf_printf(&dir, "%s/backup", object_store_staging(b->to));
	buf_printf(&lock, "%s/lock", dir.data);
	*ret = (struct backup_staging){.lock_fd = -1};
	int fd, rc = file_mkdirs(dir.data, false, e);
	if (rc == OK && file_lock(lock.data, true, b->clock, 0, NULL, NULL, &fd, NULL) == OK) {
		rc = file_walk(dir.data, remove_one, dir.data, e);
		file_unlock(fd);
	}
	if (rc == OK)
		rc = file_lock(lock.data, false, b->clock, LOCK_WAIT_US, NULL, NULL, &ret->lock_fd,
			       e);
	if (rc == OK)
		ret->dir = buf_take(&dir);
	return rc;
}

void backup_staging_close(struct backup_staging *s)
{
	file_unlock(s->lock_fd);
	free(s->dir);
	*s = (struct backup_staging){.lock_fd = -1};
}

/* -- the steps --------------------------------------------------------------------------------- */

struct copy {
	const struct backup_copier *by;
	struct arena *arena;
	const char *key;
	char path[512]; /* the staged file; empty: none */
	bool put;       /* the object in the backup store is what this call put */
	bool replaces;  /* the one that is there is not what its manifest, and the lake, say */
	enum backup_outcome outcome;
	struct backup_live live;
	struct backup_manifest manifest;
};

/* ERR_NOT_FOUND when it is not live. */
static int look_up(struct copy *c, struct err *e)
{
	const struct backup *b = c->by->with;
	struct catalog_scope scope;
	pthread_mutex_lock(c->by->catalog);
	int rc = backup_live_one(b, c->key, c->arena, &c->live, e);
	if (rc == OK)
		rc = catalog_scope(b->catalog, c->live.table, c->live.scope, c->arena, &scope, e);
	pthread_mutex_unlock(c->by->catalog);
	if (rc == OK)
		c->manifest = (struct backup_manifest){
			.key = c->key,
			.table = arena_printf(c->arena, "%s.%s", c->live.table->database,
					      c->live.table->name),
			.scope = c->live.scope,
			.properties = scope.properties && scope.properties[0] ? scope.properties
									      : "{}",
			.rows = c->live.rows};
	return rc;
}

/* Not live: replaced by a merge since, unless the store told of it before it was committed. */
static int not_live(struct copy *c, struct err *e)
{
	struct object_info info;
	const struct backup *b = c->by->with;
	c->outcome = BACKUP_GONE;
	if (!object_store_notifies(b->from) || !backup_table_of(b, c->key))
		return OK;
	int rc = object_store_head(b->from, c->key, &info, e);
	if (rc == ERR_NOT_FOUND)
		return OK;
	return rc ? rc : err_set(e, ERR_RETRY, "the object is not yet in the catalog");
}

static int stage(struct copy *c, struct err *e)
{
	const struct backup *b = c->by->with;
	snprintf(c->path, sizeof(c->path), "%s/XXXXXX", c->by->staging->dir);
	int fd = mkostemp(c->path, O_CLOEXEC);
	if (fd < 0) {
		int errnum = errno;
		c->path[0] = '\0';
		err_errno(e, errnum, "cannot make a staged file");
		return err_where(e, c->by->staging->dir);
	}
	int rc = backup_read(b->from, c->key, fd, &c->manifest.bytes, c->manifest.sha256, e);
	close(fd);
	if (rc == OK && c->manifest.bytes != c->live.bytes) {
		err_set(e, ERR_INPUT,
			"the lake's object has %lld bytes, and %lld by the catalog: it is damaged",
			(long long)c->manifest.bytes, (long long)c->live.bytes);
		return err_where(e, c->key);
	}
	if (rc != ERR_NOT_FOUND)
		return rc;
	/* Taken away while we looked, or lost. */
	struct backup_live again;
	pthread_mutex_lock(c->by->catalog);
	int still = backup_live_one(b, c->key, c->arena, &again, NULL);
	pthread_mutex_unlock(c->by->catalog);
	if (still == ERR_NOT_FOUND) {
		c->outcome = BACKUP_GONE;
		return ERR_NOT_FOUND;
	}
	err_set(e, ERR_NOT_FOUND, "the catalog has the object, the lake has lost it");
	return err_where(e, c->key);
}

static bool is_same(const struct backup_manifest *a, const struct backup_manifest *b)
{
	return a->bytes == b->bytes && a->rows == b->rows && strcmp(a->sha256, b->sha256) == 0 &&
	       strcmp(a->table, b->table) == 0 && strcmp(a->scope, b->scope) == 0;
}

static int other_copy(const struct copy *c, struct err *e)
{
	err_set(e, ERR_CONFLICT,
		"the backup has another object of this name; it is kept, and this one is not copied");
	err_where(e, c->key);
	return err_reason(e, "other_copy");
}

static int look_into_copy(struct copy *c, const struct backup_manifest *m, struct err *e)
{
	char sha256[HASH_HEX_SIZE];
	int64_t bytes;
	int rc = backup_read(c->by->with->to, backup_data_key(c->arena, c->key), -1, &bytes, sha256,
			     e);
	if (rc == OK)
		c->replaces = bytes != m->bytes || strcmp(sha256, m->sha256) != 0;
	return rc;
}

/* *ret_there: an equal copy with its manifest; *ret_damaged: the manifest cannot be read. */
static int look_at_copy(struct copy *c, bool *ret_there, bool *ret_damaged, struct err *e)
{
	struct backup_manifest old;
	struct object_info info;
	struct object_store *to = c->by->with->to;
	int rc = backup_manifest_get(to, c->key, c->arena, &old, e);
	*ret_there = false;
	*ret_damaged = rc == ERR_INPUT;
	if (rc == ERR_INPUT || rc == ERR_NOT_FOUND)
		return OK;
	if (rc)
		return rc;
	if (!is_same(&old, &c->manifest))
		return other_copy(c, e);
	/* From here on the manifest tells of the lake's object: a copy that differs from it is damaged. */
	rc = object_store_head(to, backup_data_key(c->arena, c->key), &info, e);
	if (rc == ERR_NOT_FOUND)
		return OK;
	if (rc == OK)
		c->replaces = info.size_bytes != old.bytes;
	if (rc == OK && !c->replaces && c->by->reads)
		rc = look_into_copy(c, &old, e);
	*ret_there = rc == OK && !c->replaces;
	return rc;
}

static int put_copy(struct copy *c, struct err *e)
{
	struct object_put put = {.key = backup_data_key(c->arena, c->key),
				 .path = c->path,
				 .if_absent = !c->replaces};
	int rc = object_store_put_many(c->by->with->to, &put, 1, e);
	c->put = c->put || rc == OK;
	/* Put by a worker that died before the manifest, or by another one now: the hash decides. */
	return rc == ERR_CONFLICT ? OK : rc;
}

static int check_copy(struct copy *c, struct err *e)
{
	struct object_store *to = c->by->with->to;
	const char *key = backup_data_key(c->arena, c->key);
	char sha256[HASH_HEX_SIZE];
	int64_t bytes;
	int rc = backup_read(to, key, -1, &bytes, sha256, e);
	if (rc == ERR_NOT_FOUND)
		/* A folder stands in its place, or somebody has removed it. */
		return err_set(e, ERR_IO, "the copy is not there after it was put");
	if (rc || (bytes == c->manifest.bytes && strcmp(sha256, c->manifest.sha256) == 0))
		return rc;
	if (!c->put)
		return other_copy(c, e);
	/* Ours, and wrong: what must not stay would keep the right one out. */
	int removed = object_store_delete_many(to, &key, 1, NULL);
	(void)removed;
	c->put = false;
	err_set(e, ERR_IO, "the copy reads back with other bytes than were put");
	return err_where(e, key);
}

static int put_manifest(struct copy *c, bool damaged, struct err *e)
{
	struct object_store *to = c->by->with->to;
	struct backup_manifest other;
	c->manifest.copied_us = clock_now_us(c->by->with->clock);
	backup_range_of(c->key, &c->manifest.first, &c->manifest.last);
	int rc = backup_manifest_put(to, &c->manifest, !damaged, e);
	if (rc != ERR_CONFLICT)
		return rc;
	/* There since before (its object was missing), or another worker's. */
	rc = backup_manifest_get(to, c->key, c->arena, &other, e);
	return rc == OK && !is_same(&other, &c->manifest) ? other_copy(c, e) : rc;
}

/* The lake's first delivery may have come after the run began. */
static int check_stream(const struct copy *c, struct err *e)
{
	int64_t life = backup_stream_of(c->manifest.properties);
	return life == c->by->life ? OK : backup_stream_check(c->by->with, life, true, e);
}

static int copy_once(void *ctx, struct err *e)
{
	struct copy *c = ctx;
	bool there = false, damaged = false;
	c->outcome = BACKUP_COPIED;
	c->replaces = false;
	int rc = look_up(c, e);
	if (rc == ERR_NOT_FOUND)
		return not_live(c, e);
	if (rc == OK)
		rc = check_stream(c, e);
	if (rc == OK)
		rc = stage(c, e);
	if (rc == OK)
		rc = look_at_copy(c, &there, &damaged, e);
	if (rc == OK && !there)
		rc = put_copy(c, e);
	if (rc == OK && !there)
		rc = check_copy(c, e);
	if (rc == OK && !there)
		rc = put_manifest(c, damaged, e);
	/* A put may have taken the file itself. */
	if (c->path[0])
		unlink(c->path);
	c->path[0] = '\0';
	if (c->outcome == BACKUP_GONE)
		return OK;
	c->outcome = there ? BACKUP_UNCHANGED : BACKUP_COPIED;
	return rc;
}

int backup_copy(const struct backup_copier *by, const char *key, enum backup_outcome *ret,
		int64_t *ret_bytes, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct copy c = {.by = by, .arena = arena, .key = key};
	int rc = backup_try(by->with, copy_once, &c, e);
	*ret = c.outcome;
	*ret_bytes = c.outcome == BACKUP_COPIED ? c.manifest.bytes : 0;
	return rc;
}

int backup_mend(const struct backup *b, const char *key, struct err *e)
{
	struct backup_staging staging;
	pthread_mutex_t catalog = PTHREAD_MUTEX_INITIALIZER;
	enum backup_outcome outcome;
	int64_t bytes;
	int rc = backup_staging_open(b, &staging, e);
	if (rc)
		return rc;
	struct backup_copier by = {
		.with = b, .staging = &staging, .catalog = &catalog, .reads = true};
	rc = backup_copy(&by, key, &outcome, &bytes, e);
	backup_staging_close(&staging);
	if (rc == OK && outcome == BACKUP_GONE)
		return err_set(e, ERR_NOT_FOUND, "the object has left the lake");
	return rc;
}
