/* Replacing partitions: sessions, recovery of what dead writers left, and the order of steps that
 * publish.h promises. Everything that may be removed is known to the catalog first, as an intent or
 * as a dead file, so nothing is found by searching. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "publish_private.h"

/* -- what dead writers left -------------------------------------------------------------------- */

struct leftover {
	int64_t id;
	const char **keys;
	size_t count;
};
struct leftovers {
	struct arena *arena;
	struct leftover *list;
	size_t count, cap;
};

static int collect(void *ctx, int64_t id, const char *const *keys, size_t n)
{
	struct leftovers *all = ctx;
	struct leftover *one = PUSH(all->list, all->count, all->cap);
	one->id = id;
	one->keys = ANEW_ARRAY(all->arena, n, const char *);
	one->count = n;
	for (size_t i = 0; i < n; i++)
		one->keys[i] = arena_strdup(all->arena, keys[i]);
	return OK;
}

/* Under the table's lock every open intent is a dead writer's, or our own that failed. The catalog
 * leaves out keys that are live or wait for their readers. Objects first: an intent without objects
 * is harmless, objects without an intent are lost. */
static int recover(struct publish_session *s, const struct table_def *table, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct leftovers all = {.arena = arena};
	int rc = catalog_intents(s->with.catalog, table, collect, &all, e);
	for (size_t i = 0; rc == OK && i < all.count; i++) {
		if (all.list[i].count)
			rc = object_store_delete_many(s->with.store, all.list[i].keys,
						      all.list[i].count, e);
		if (rc == OK)
			rc = catalog_abandon(s->with.catalog, all.list[i].id, e);
	}
	free(all.list);
	return rc ? err_wrap(e, "Cleaning up after an interrupted change of %s.%s", table->database,
			     table->name)
		  : OK;
}

/* Not being able to is no error: the keys stay on the catalog's list for the next writer. */
static void bury(struct publish_session *s, const struct table_def *table)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct err ignored = ERR_INIT;
	const char **keys;
	size_t n;
	int rc = catalog_dead(s->with.catalog, table, arena, &keys, &n, &ignored);
	if (rc == OK && n)
		rc = object_store_delete_many(s->with.store, keys, n, &ignored);
	if (rc == OK && n)
		rc = catalog_forget(s->with.catalog, keys, n, &ignored);
	(void)rc;
}

/* -- sessions ---------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct table_def *x = *(const struct table_def *const *)a,
			       *y = *(const struct table_def *const *)b;
	int order = strcmp(x->database, y->database);
	return order ? order : strcmp(x->name, y->name);
}

static void take_tables(struct publish_session *s, const struct table_def *const *tables, size_t n)
{
	s->tables = ANEW_ARRAY(s->arena, n, const struct table_def *);
	s->locks = ANEW_ARRAY(s->arena, n, int);
	const struct table_def **sorted = ANEW_ARRAY(s->arena, n, const struct table_def *);
	for (size_t i = 0; i < n; i++)
		sorted[i] = table_copy(s->arena, tables[i]);
	qsort(sorted, n, sizeof(const struct table_def *), by_name);
	for (size_t i = 0; i < n; i++)
		if (s->table_count == 0 || by_name(&s->tables[s->table_count - 1], &sorted[i]) != 0)
			s->tables[s->table_count++] = sorted[i];
}

struct staged {
	const char *folder;
	struct err *err;
};

static int remove_staged(void *ctx, const char *path, int64_t size_bytes)
{
	const struct staged *staged = ctx;
	AUTO_BUF struct buf full = {0};
	buf_printf(&full, "%s/%s", staged->folder, path);
	if (unlink(full.data) == 0 || errno == ENOENT)
		return OK;
	err_errno(staged->err, errno, "cannot remove");
	return err_where(staged->err, full.data);
}

/* The files only. The folders are few and will be needed again; ext4 does not use a freed inode
 * again for some seconds, so making and removing them for every change slows down whoever makes
 * files meanwhile. */
static int remove_files(const char *folder, struct err *e)
{
	struct err local = ERR_INIT;
	struct staged staged = {.folder = folder, .err = e ? e : &local};
	return file_walk(folder, remove_staged, &staged, staged.err);
}

static int begin(struct publish_session *s, struct err *e)
{
	int rc = OK;
	/* All writers lock in name order, so no two wait for each other. */
	for (; rc == OK && s->locked < s->table_count; s->locked += rc == OK)
		rc = catalog_lock(s->with.catalog, s->tables[s->locked], s->with.lock_wait_us,
				  s->with.on_wait, s->with.ctx, &s->locks[s->locked], e);
	for (size_t i = 0; rc == OK && i < s->table_count; i++) {
		rc = recover(s, s->tables[i], e);
		if (rc == OK)
			bury(s, s->tables[i]);
	}
	if (rc)
		return rc;
	/* Only who holds the first table's lock uses this folder: what lies in it is a dead
	 * writer's. */
	s->folder = arena_printf(s->arena, "%s/%s.%s", object_store_staging(s->with.store),
				 s->tables[0]->database, s->tables[0]->name);
	s->staging = arena_printf(s->arena, "%s/staged", s->folder);
	s->merging = arena_printf(s->arena, "%s/merged", s->folder);
	rc = remove_files(s->folder, e);
	if (rc == OK)
		rc = file_mkdirs(s->staging, false, e);
	return rc ? rc : file_mkdirs(s->merging, false, e);
}

int publish_begin(const struct publish *with, const struct table_def *const *tables, size_t n,
		  struct publish_session **ret, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_BUG, "A session without tables");
	struct publish_session *s = NEW(struct publish_session);
	s->with = *with;
	s->arena = arena_new();
	take_tables(s, tables, n);
	int rc = begin(s, e);
	if (rc)
		publish_end(s);
	else
		*ret = s;
	return rc;
}

const char *publish_staging(const struct publish_session *s)
{
	return s->staging;
}

void publish_end(struct publish_session *s)
{
	if (!s)
		return;
	bool begun = s->locked == s->table_count;
	for (size_t i = 0; begun && i < s->table_count; i++)
		bury(s, s->tables[i]);
	/* What cannot be removed here is removed by the next session. */
	int removed = begun && s->folder ? remove_files(s->folder, NULL) : OK;
	(void)removed;
	while (s->locked)
		catalog_unlock(s->with.catalog, s->locks[--s->locked]);
	arena_free(s->arena);
	free(s);
}

static int has_one(void *ctx, int64_t id, const char *const *keys, size_t n)
{
	*(bool *)ctx = true;
	return OK;
}

static int has_file(void *ctx, const char *path, int64_t size_bytes)
{
	*(bool *)ctx = true;
	return 1;
}

static int has_leftovers(const struct publish *with, const struct table_def *table, bool *ret,
			 struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const char **keys;
	size_t dead = 0;
	*ret = false;
	int rc = file_walk(arena_printf(arena, "%s/%s.%s", object_store_staging(with->store),
					table->database, table->name),
			   has_file, ret, e);
	if (*ret)
		return OK;
	if (rc == OK)
		rc = catalog_intents(with->catalog, table, has_one, ret, e);
	if (rc == OK && !*ret)
		rc = catalog_dead(with->catalog, table, arena, &keys, &dead, e);
	*ret |= dead > 0;
	return rc;
}

int publish_tidy(const struct publish *with, const struct table_def *const *tables, size_t n,
		 struct err *e)
{
	struct publish at_once = *with;
	at_once.lock_wait_us = 0;
	at_once.on_wait = NULL;
	for (size_t i = 0; i < n; i++) {
		struct publish_session *s;
		bool leftovers;
		int rc = has_leftovers(with, tables[i], &leftovers, e);
		if (rc)
			return rc;
		if (!leftovers)
			continue;
		rc = publish_begin(&at_once, &tables[i], 1, &s, e);
		if (rc == OK)
			publish_end(s);
		else if (rc != ERR_CONFLICT)
			return rc;
	}
	return OK;
}

const struct table_def *publish_find_table(const struct publish_session *s,
					   const struct table_def *wanted)
{
	for (size_t i = 0; i < s->table_count; i++)
		if (by_name(&s->tables[i], &wanted) == 0)
			return s->tables[i];
	return NULL;
}

/* -- the steps --------------------------------------------------------------------------------- */

void publish_step_clear(struct publish_step *step)
{
	free(step->files);
	free(step->retired);
	*step = (struct publish_step){0};
}

static int intend(struct publish_session *s, struct arena *arena, const struct publish_step *step,
		  int64_t *ret_id, struct err *e)
{
	const char **keys = ANEW_ARRAY(arena, step->file_count, const char *);
	for (size_t i = 0; i < step->file_count; i++) {
		int rc = object_key_check(step->files[i].file.key, e);
		if (rc)
			return rc;
		keys[i] = step->files[i].file.key;
	}
	return catalog_intend(s->with.catalog, step->table, keys, step->file_count, ret_id, e);
}

static int put(struct publish_session *s, struct arena *arena, const struct publish_step *steps,
	       size_t n, struct err *e)
{
	size_t count = 0, at = 0;
	for (size_t i = 0; i < n; i++)
		count += steps[i].file_count;
	struct object_put *puts = ANEW_ARRAY(arena, count, struct object_put);
	/* A key that is live or dead already is put again all the same: the same name has the same
	 * bytes, and a file that somebody removed by hand is back. */
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < steps[i].file_count; k++)
			puts[at++] = (struct object_put){.key = steps[i].files[k].file.key,
							 .path = steps[i].files[k].path};
	return count ? object_store_put_many(s->with.store, puts, count, e) : OK;
}

static int commit(struct publish_session *s, struct arena *arena, int64_t intent,
		  const struct publish_step *steps, size_t n, const struct catalog_mark *marks,
		  size_t mark_count, int64_t *ret_version, struct err *e)
{
	struct catalog_change *changes = ANEW_ARRAY(arena, n, struct catalog_change);
	for (size_t i = 0; i < n; i++) {
		struct catalog_file *files =
			ANEW_ARRAY(arena, steps[i].file_count, struct catalog_file);
		for (size_t k = 0; k < steps[i].file_count; k++)
			files[k] = steps[i].files[k].file;
		changes[i] = (struct catalog_change){
			.table = steps[i].table,
			.scopes = steps[i].scopes,
			.scope_count = steps[i].scope_count,
			.files = files,
			.file_count = steps[i].file_count,
			.retired_keys = steps[i].retired,
			.retired_count = steps[i].retired_count,
			.append = steps[i].append,
			.same_rows = steps[i].same_rows,
		};
	}
	return catalog_commit(s->with.catalog, intent, changes, n, marks, mark_count, ret_version,
			      e);
}

/* After a failure, as far as it goes; what is left is found by the next session. */
static void undo(struct publish_session *s, const struct publish_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err ignored = ERR_INIT;
		int rc = recover(s, steps[i].table, &ignored);
		(void)rc;
	}
}

int publish_steps(struct publish_session *s, const struct publish_step *steps, size_t n,
		  const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		  struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	int64_t *intents = ANEW_ARRAY(arena, n, int64_t);
	int rc = OK;
	/* An intent for each table, so that whoever locks the table finds it. */
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = intend(s, arena, &steps[i], &intents[i], e);
	if (rc == OK)
		rc = put(s, arena, steps, n, e);
	if (rc) {
		undo(s, steps, n);
		return rc;
	}
	rc = commit(s, arena, n ? intents[0] : 0, steps, n, marks, mark_count, ret_version, e);
	if (rc) {
		/* After a disk error nobody knows yet whether it was committed: the next session's
		 * view decides. */
		if (rc != ERR_IO)
			undo(s, steps, n);
		return rc;
	}
	/* The commit ended the first; the others' keys are live now, so an intent that stays open
	 * harms nothing. */
	for (size_t i = 1; i < n; i++) {
		int ended = catalog_abandon(s->with.catalog, intents[i], NULL);
		(void)ended;
	}
	return OK;
}

static int make_step(struct publish_session *s, struct arena *arena,
		     const struct publish_change *change, struct publish_step *step, struct err *e)
{
	step->table = publish_find_table(s, change->table);
	step->scopes = change->scopes;
	step->scope_count = change->scope_count;
	step->append = change->append;
	if (!step->table)
		return err_set(e, ERR_BUG, "Table %s.%s is not locked by this session",
			       change->table->database, change->table->name);
	for (size_t i = 0; i < change->file_count; i++)
		*PUSH(step->files, step->file_count, step->file_cap) = change->files[i];
	if (!step->table->compact_location)
		return OK;
	return step->append ? compact_retire(s, arena, step, e)
			    : compact_remainders(s, arena, step, e);
}

int publish_replace(struct publish_session *s, const struct publish_change *changes, size_t n,
		    const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		    struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct publish_step *steps = ANEW_ARRAY(arena, n, struct publish_step);
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = make_step(s, arena, &changes[i], &steps[i], e);
	if (rc == OK)
		rc = publish_steps(s, steps, n, marks, mark_count, ret_version, e);
	for (size_t i = 0; i < n; i++)
		publish_step_clear(&steps[i]);
	return rc;
}
