/* The shared catalog as the port: what looks goes to the catalog beneath, what changes goes through glue_change. */
#include "catalog_glue.h"

#include <stdlib.h>

#include "catalog_glue_private.h"

static struct catalog_glue *self_of(struct catalog *port)
{
	return (struct catalog_glue *)port;
}

static struct catalog *inner_of(struct catalog *port)
{
	return self_of(port)->inner;
}

/* -- looking ----------------------------------------------------------------------------------- */

static int glue_tables(struct catalog *port, struct arena *arena, struct table_def ***ret,
		       size_t *ret_count, struct err *e)
{
	return catalog_tables(inner_of(port), arena, ret, ret_count, e);
}

static int glue_table(struct catalog *port, const char *database, const char *name,
		      struct arena *arena, struct table_def **ret, struct err *e)
{
	return catalog_table(inner_of(port), database, name, arena, ret, e);
}

static int glue_history(struct catalog *port, const struct table_def *t,
			int (*fn)(void *, int64_t version, int64_t at_us, const char *change),
			void *ctx, struct err *e)
{
	return catalog_history(inner_of(port), t, fn, ctx, e);
}

static int glue_files(struct catalog *port, const struct table_def *t, enum catalog_layout layout,
		      const struct filter *any_of, size_t filter_count, struct arena *arena,
		      struct catalog_file **ret, size_t *ret_count, struct err *e)
{
	return catalog_files(inner_of(port), t, layout, any_of, filter_count, arena, ret, ret_count,
			     e);
}

static int glue_origins(struct catalog *port, const struct table_def *t, struct catalog_file *files,
			size_t count, struct arena *arena, struct err *e)
{
	return catalog_origins(inner_of(port), t, files, count, arena, e);
}

static int glue_scopes(struct catalog *port, const struct table_def *t, const struct filter *any_of,
		       size_t filter_count, struct arena *arena, struct catalog_scope **ret,
		       size_t *ret_count, struct err *e)
{
	return catalog_scopes(inner_of(port), t, any_of, filter_count, arena, ret, ret_count, e);
}

static int glue_scope(struct catalog *port, const struct table_def *t, const char *scope,
		      struct arena *arena, struct catalog_scope *ret, struct err *e)
{
	return catalog_scope(inner_of(port), t, scope, arena, ret, e);
}

static int glue_stats(struct catalog *port, const struct table_def *t, struct arena *arena,
		      struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
		      int64_t *ret_bytes, int64_t *ret_files, struct err *e)
{
	return catalog_stats(inner_of(port), t, arena, ret, ret_count, ret_rows, ret_bytes,
			     ret_files, e);
}

static int glue_intents(struct catalog *port, const struct table_def *t,
			int (*fn)(void *, int64_t id, const char *const *keys, size_t n), void *ctx,
			struct err *e)
{
	return catalog_intents(inner_of(port), t, fn, ctx, e);
}

static int glue_is_live(struct catalog *port, const char *key, bool *ret, struct err *e)
{
	return catalog_is_live(inner_of(port), key, ret, e);
}

static int glue_changes(struct catalog *port, int64_t after_version,
			int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				  const struct catalog_scope *),
			void *ctx, int64_t *ret_version, struct err *e)
{
	return catalog_changes(inner_of(port), after_version, fn, ctx, ret_version, e);
}

static int glue_mark_get(struct catalog *port, const char *name, int64_t *ret, struct err *e)
{
	return catalog_mark_get(inner_of(port), name, ret, e);
}

static int glue_marks(struct catalog *port, const char *prefix,
		      int (*fn)(void *ctx, const char *name, int64_t value), void *ctx,
		      struct err *e)
{
	return catalog_marks(inner_of(port), prefix, fn, ctx, e);
}

static int glue_dead(struct catalog *port, const struct table_def *t, struct arena *arena,
		     const char ***ret_keys, size_t *ret_count, struct err *e)
{
	return catalog_dead(inner_of(port), t, arena, ret_keys, ret_count, e);
}

static int glue_read_begin(struct catalog *port, int64_t *ret_version, int *ret_handle,
			   struct err *e)
{
	return catalog_read_begin(inner_of(port), ret_version, ret_handle, e);
}

static void glue_read_end(struct catalog *port, int handle)
{
	catalog_read_end(inner_of(port), handle);
}

/* -- changing ---------------------------------------------------------------------------------- */

struct tables_change {
	struct catalog *inner;
	const struct table_def *const *tables;
	size_t n;
};

static int do_put_tables(void *ctx, struct err *e)
{
	const struct tables_change *c = ctx;
	return catalog_put_tables(c->inner, c->tables, c->n, e);
}

static int glue_put_tables(struct catalog *port, const struct table_def *const *tables, size_t n,
			   struct err *e)
{
	return glue_change(self_of(port), do_put_tables,
			   &(struct tables_change){inner_of(port), tables, n}, e);
}

struct intent_change {
	struct catalog *inner;
	const struct table_def *table;
	const char *const *keys;
	size_t n;
	int64_t *id;
};

static int do_intend(void *ctx, struct err *e)
{
	const struct intent_change *c = ctx;
	return catalog_intend(c->inner, c->table, c->keys, c->n, c->id, e);
}

static int glue_intend(struct catalog *port, const struct table_def *t, const char *const *keys,
		       size_t n, int64_t *ret_id, struct err *e)
{
	return glue_change(self_of(port), do_intend,
			   &(struct intent_change){inner_of(port), t, keys, n, ret_id}, e);
}

struct commit_change {
	struct catalog_glue *self;
	int64_t intent_id;
	const struct catalog_change *changes;
	size_t n;
	const struct catalog_mark *marks;
	size_t mark_count;
	int64_t *version;
	struct arena *arena;
	/* What each change takes away, in the order of the changes. */
	struct glue_partition **emptied;
	size_t *emptied_count;
};

static int do_commit(void *ctx, struct err *e)
{
	const struct commit_change *c = ctx;
	int rc = glue_check_locks(c->self, e);
	for (size_t i = 0; rc == OK && i < c->n; i++)
		rc = glue_partitions_emptied(c->self, &c->changes[i], c->arena, &c->emptied[i],
					     &c->emptied_count[i], e);
	if (rc == OK)
		rc = catalog_commit(c->self->inner, c->intent_id, c->changes, c->n, c->marks,
				    c->mark_count, c->version, e);
	/* Before the state is put: Athena never misses what the catalog has. */
	for (size_t i = 0; rc == OK && i < c->n; i++)
		rc = glue_partitions_add(c->self, &c->changes[i], e);
	return rc;
}

static int glue_commit(struct catalog *port, int64_t intent_id,
		       const struct catalog_change *changes, size_t n,
		       const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		       struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct commit_change c = {.self = self_of(port),
				  .intent_id = intent_id,
				  .changes = changes,
				  .n = n,
				  .marks = marks,
				  .mark_count = mark_count,
				  .version = ret_version,
				  .arena = arena,
				  .emptied = ANEW_ARRAY(arena, n, struct glue_partition *),
				  .emptied_count = ANEW_ARRAY(arena, n, size_t)};
	int rc = glue_change(c.self, do_commit, &c, e);
	/* A partition without objects is no wrong answer: it is not worth the commit. */
	for (size_t i = 0; rc == OK && i < n; i++) {
		int removed = glue_partitions_remove(c.self, changes[i].table, c.emptied[i],
						     c.emptied_count[i], NULL);
		(void)removed;
	}
	return rc;
}

struct small_change {
	struct catalog *inner;
	int64_t number;
	const char *name;
	const char *const *keys;
	size_t n;
};

static int do_abandon(void *ctx, struct err *e)
{
	const struct small_change *c = ctx;
	return catalog_abandon(c->inner, c->number, e);
}

static int glue_abandon(struct catalog *port, int64_t intent_id, struct err *e)
{
	return glue_change(self_of(port), do_abandon,
			   &(struct small_change){.inner = inner_of(port), .number = intent_id}, e);
}

static int do_mark_set(void *ctx, struct err *e)
{
	const struct small_change *c = ctx;
	return catalog_mark_set(c->inner, c->name, c->number, e);
}

static int glue_mark_set(struct catalog *port, const char *name, int64_t value, struct err *e)
{
	struct small_change c = {.inner = inner_of(port), .number = value, .name = name};
	return glue_change(self_of(port), do_mark_set, &c, e);
}

static int do_forget(void *ctx, struct err *e)
{
	const struct small_change *c = ctx;
	return catalog_forget(c->inner, c->keys, c->n, e);
}

static int glue_forget(struct catalog *port, const char *const *keys, size_t n, struct err *e)
{
	return glue_change(self_of(port), do_forget,
			   &(struct small_change){.inner = inner_of(port), .keys = keys, .n = n},
			   e);
}

static void glue_free(struct catalog *port)
{
	struct catalog_glue *g = self_of(port);
	while (g->hold_count)
		glue_unlock(port, g->holds[0].handle);
	free(g->holds);
	catalog_free(g->inner);
	arena_free(g->arena);
	free(g);
}

static const struct catalog_ops ops = {
	.put_tables = glue_put_tables,
	.tables = glue_tables,
	.table = glue_table,
	.history = glue_history,
	.files = glue_files,
	.origins = glue_origins,
	.scopes = glue_scopes,
	.scope = glue_scope,
	.stats = glue_stats,
	.intend = glue_intend,
	.intents = glue_intents,
	.commit = glue_commit,
	.abandon = glue_abandon,
	.is_live = glue_is_live,
	.changes = glue_changes,
	.mark_get = glue_mark_get,
	.marks = glue_marks,
	.mark_set = glue_mark_set,
	.dead = glue_dead,
	.forget = glue_forget,
	.read_begin = glue_read_begin,
	.read_end = glue_read_end,
	.lock = glue_lock,
	.unlock = glue_unlock,
	.free = glue_free,
};

static const char *kept(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

struct catalog *catalog_glue_new(struct catalog *inner, const struct catalog_glue_options *o)
{
	struct catalog_glue *g = NEW(struct catalog_glue);
	*g = (struct catalog_glue){.port.ops = &ops, .inner = inner, .o = *o, .arena = arena_new()};
	g->o.folder = kept(g->arena, o->folder);
	g->o.database_prefix = o->aws ? kept(g->arena, o->database_prefix) : NULL;
	g->o.bucket = kept(g->arena, o->bucket);
	g->o.prefix = kept(g->arena, o->prefix);
	return &g->port;
}

int catalog_glue_refresh(struct catalog *port, struct err *e)
{
	return glue_refresh(self_of(port), e);
}
