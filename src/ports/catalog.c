/* The catalog port's calls: each goes to the driver that was opened.
 * They are functions, not inline, so that a debugger and a wrapper have one place to stop at. */
#include "catalog.h"

int catalog_put_tables(struct catalog *c, const struct table_def *const *tables, size_t n,
		       struct err *e)
{
	return c->ops->put_tables(c, tables, n, e);
}

int catalog_tables(struct catalog *c, struct arena *arena, struct table_def ***ret,
		   size_t *ret_count, struct err *e)
{
	return c->ops->tables(c, arena, ret, ret_count, e);
}

int catalog_table(struct catalog *c, const char *database, const char *name, struct arena *arena,
		  struct table_def **ret, struct err *e)
{
	return c->ops->table(c, database, name, arena, ret, e);
}

int catalog_history(struct catalog *c, const struct table_def *table,
		    int (*fn)(void *, int64_t version, int64_t at_us, const char *change),
		    void *ctx, struct err *e)
{
	return c->ops->history(c, table, fn, ctx, e);
}

int catalog_files(struct catalog *c, const struct table_def *table, enum catalog_layout layout,
		  const struct filter *any_of, size_t filter_count, struct arena *arena,
		  struct catalog_file **ret, size_t *ret_count, struct err *e)
{
	return c->ops->files(c, table, layout, any_of, filter_count, arena, ret, ret_count, e);
}

int catalog_origins(struct catalog *c, const struct table_def *table, struct catalog_file *files,
		    size_t count, struct arena *arena, struct err *e)
{
	return c->ops->origins(c, table, files, count, arena, e);
}

int catalog_scopes(struct catalog *c, const struct table_def *table, const struct filter *any_of,
		   size_t filter_count, struct arena *arena, struct catalog_scope **ret,
		   size_t *ret_count, struct err *e)
{
	return c->ops->scopes(c, table, any_of, filter_count, arena, ret, ret_count, e);
}

int catalog_scope(struct catalog *c, const struct table_def *table, const char *scope,
		  struct arena *arena, struct catalog_scope *ret, struct err *e)
{
	return c->ops->scope(c, table, scope, arena, ret, e);
}

int catalog_stats(struct catalog *c, const struct table_def *table, struct arena *arena,
		  struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
		  int64_t *ret_bytes, int64_t *ret_files, struct err *e)
{
	return c->ops->stats(c, table, arena, ret, ret_count, ret_rows, ret_bytes, ret_files, e);
}

int catalog_intend(struct catalog *c, const struct table_def *table, const char *const *keys,
		   size_t n, int64_t *ret_id, struct err *e)
{
	return c->ops->intend(c, table, keys, n, ret_id, e);
}

int catalog_intents(struct catalog *c, const struct table_def *table,
		    int (*fn)(void *, int64_t id, const char *const *keys, size_t n), void *ctx,
		    struct err *e)
{
	return c->ops->intents(c, table, fn, ctx, e);
}

int catalog_commit(struct catalog *c, int64_t intent_id, const struct catalog_change *changes,
		   size_t n, const struct catalog_mark *marks, size_t mark_count,
		   int64_t *ret_version, struct err *e)
{
	return c->ops->commit(c, intent_id, changes, n, marks, mark_count, ret_version, e);
}

int catalog_abandon(struct catalog *c, int64_t intent_id, struct err *e)
{
	return c->ops->abandon(c, intent_id, e);
}

int catalog_is_live(struct catalog *c, const char *key, bool *ret, struct err *e)
{
	return c->ops->is_live(c, key, ret, e);
}

int catalog_changes(struct catalog *c, int64_t after_version,
		    int (*fn)(void *, const struct table_def *, const struct catalog_file *,
			      const struct catalog_scope *),
		    void *ctx, int64_t *ret_version, struct err *e)
{
	return c->ops->changes(c, after_version, fn, ctx, ret_version, e);
}

int catalog_mark_get(struct catalog *c, const char *name, int64_t *ret, struct err *e)
{
	return c->ops->mark_get(c, name, ret, e);
}

int catalog_mark_set(struct catalog *c, const char *name, int64_t value, struct err *e)
{
	return c->ops->mark_set(c, name, value, e);
}

int catalog_marks(struct catalog *c, const char *prefix,
		  int (*fn)(void *ctx, const char *name, int64_t value), void *ctx, struct err *e)
{
	return c->ops->marks(c, prefix, fn, ctx, e);
}

int catalog_dead(struct catalog *c, const struct table_def *table, struct arena *arena,
		 const char ***ret_keys, size_t *ret_count, struct err *e)
{
	return c->ops->dead(c, table, arena, ret_keys, ret_count, e);
}

int catalog_forget(struct catalog *c, const char *const *keys, size_t n, struct err *e)
{
	return c->ops->forget(c, keys, n, e);
}

int catalog_read_begin(struct catalog *c, int64_t *ret_version, int *ret_handle, struct err *e)
{
	return c->ops->read_begin(c, ret_version, ret_handle, e);
}

void catalog_read_end(struct catalog *c, int handle)
{
	c->ops->read_end(c, handle);
}

int catalog_lock(struct catalog *c, const struct table_def *table, int64_t wait_us,
		 void (*on_wait)(void *, int64_t holder_pid), void *ctx, int *ret_handle,
		 struct err *e)
{
	return c->ops->lock(c, table, wait_us, on_wait, ctx, ret_handle, e);
}

void catalog_unlock(struct catalog *c, int handle)
{
	c->ops->unlock(c, handle);
}

void catalog_free(struct catalog *c)
{
	if (c)
		c->ops->free(c);
}
