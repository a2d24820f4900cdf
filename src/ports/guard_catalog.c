/* The access check before the catalog's calls, table by table: see guard.h. */
#include "guard.h"

#define KIND  "catalog"
#define READ  "read"
#define WRITE "write"
#define MARKS "marks"

struct guarded_catalog {
	struct catalog port;
	struct catalog *inner;
	struct guard guard;
};

static struct catalog *inner_of(struct catalog *port)
{
	return ((struct guarded_catalog *)port)->inner;
}

/* resource NULL: it concerns no table, or one that is not told; a right to any will do. */
static int ask(struct catalog *port, const char *action, const char *resource, struct err *e)
{
	return guard_ask(&((struct guarded_catalog *)port)->guard, KIND, action, resource, e);
}

static int ask_table(struct catalog *port, const char *action, const struct table_def *t,
		     struct err *e)
{
	AUTO_BUF struct buf name = {0};
	if (!t)
		return ask(port, action, NULL, e);
	buf_printf(&name, "%s.%s", t->database, t->name);
	return ask(port, action, name.data, e);
}

/* -- looking ----------------------------------------------------------------------------------- */

static int guard_tables(struct catalog *port, struct arena *arena, struct table_def ***ret,
			size_t *ret_count, struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_tables(inner_of(port), arena, ret, ret_count, e);
}

static int guard_table(struct catalog *port, const char *database, const char *name,
		       struct arena *arena, struct table_def **ret, struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_table(inner_of(port), database, name, arena, ret, e);
}

static int guard_history(struct catalog *port, const struct table_def *t,
			 int (*fn)(void *, int64_t version, int64_t at_us, const char *change),
			 void *ctx, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc : catalog_history(inner_of(port), t, fn, ctx, e);
}

static int guard_files(struct catalog *port, const struct table_def *t, enum catalog_layout layout,
		       const struct filter *any_of, size_t filter_count, struct arena *arena,
		       struct catalog_file **ret, size_t *ret_count, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc
		  : catalog_files(inner_of(port), t, layout, any_of, filter_count, arena, ret,
				  ret_count, e);
}

static int guard_origins(struct catalog *port, const struct table_def *t,
			 struct catalog_file *files, size_t count, struct arena *arena,
			 struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc : catalog_origins(inner_of(port), t, files, count, arena, e);
}

static int guard_scopes(struct catalog *port, const struct table_def *t,
			const struct filter *any_of, size_t filter_count, struct arena *arena,
			struct catalog_scope **ret, size_t *ret_count, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc
		  : catalog_scopes(inner_of(port), t, any_of, filter_count, arena, ret, ret_count,
				   e);
}

static int guard_scope(struct catalog *port, const struct table_def *t, const char *scope,
		       struct arena *arena, struct catalog_scope *ret, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc : catalog_scope(inner_of(port), t, scope, arena, ret, e);
}

static int guard_stats(struct catalog *port, const struct table_def *t, struct arena *arena,
		       struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
		       int64_t *ret_bytes, int64_t *ret_files, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc
		  : catalog_stats(inner_of(port), t, arena, ret, ret_count, ret_rows, ret_bytes,
				  ret_files, e);
}

static int guard_intents(struct catalog *port, const struct table_def *t,
			 int (*fn)(void *, int64_t id, const char *const *keys, size_t n),
			 void *ctx, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc : catalog_intents(inner_of(port), t, fn, ctx, e);
}

static int guard_is_live(struct catalog *port, const char *key, bool *ret, struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_is_live(inner_of(port), key, ret, e);
}

static int guard_changes(struct catalog *port, int64_t after_version,
			 int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				   const struct catalog_scope *),
			 void *ctx, int64_t *ret_version, struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_changes(inner_of(port), after_version, fn, ctx, ret_version, e);
}

static int guard_mark_get(struct catalog *port, const char *name, int64_t *ret, struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_mark_get(inner_of(port), name, ret, e);
}

static int guard_marks(struct catalog *port, const char *prefix,
		       int (*fn)(void *ctx, const char *name, int64_t value), void *ctx,
		       struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_marks(inner_of(port), prefix, fn, ctx, e);
}

static int guard_dead(struct catalog *port, const struct table_def *t, struct arena *arena,
		      const char ***ret_keys, size_t *ret_count, struct err *e)
{
	int rc = ask_table(port, READ, t, e);
	return rc ? rc : catalog_dead(inner_of(port), t, arena, ret_keys, ret_count, e);
}

static int guard_read_begin(struct catalog *port, int64_t *ret_version, int *ret_handle,
			    struct err *e)
{
	int rc = ask(port, READ, NULL, e);
	return rc ? rc : catalog_read_begin(inner_of(port), ret_version, ret_handle, e);
}

static void guard_read_end(struct catalog *port, int handle)
{
	catalog_read_end(inner_of(port), handle);
}

/* -- changing ---------------------------------------------------------------------------------- */

static int guard_put_tables(struct catalog *port, const struct table_def *const *tables, size_t n,
			    struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int rc = ask_table(port, WRITE, tables[i], e);
		if (rc)
			return rc;
	}
	return catalog_put_tables(inner_of(port), tables, n, e);
}

static int guard_intend(struct catalog *port, const struct table_def *t, const char *const *keys,
			size_t n, int64_t *ret_id, struct err *e)
{
	int rc = ask_table(port, WRITE, t, e);
	return rc ? rc : catalog_intend(inner_of(port), t, keys, n, ret_id, e);
}

static int guard_commit(struct catalog *port, int64_t intent_id,
			const struct catalog_change *changes, size_t n,
			const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
			struct err *e)
{
	int rc = mark_count ? ask(port, WRITE, MARKS, e) : ask(port, WRITE, NULL, e);
	for (size_t i = 0; i < n && rc == OK; i++)
		rc = ask_table(port, WRITE, changes[i].table, e);
	return rc ? rc
		  : catalog_commit(inner_of(port), intent_id, changes, n, marks, mark_count,
				   ret_version, e);
}

static int guard_abandon(struct catalog *port, int64_t intent_id, struct err *e)
{
	int rc = ask(port, WRITE, NULL, e);
	return rc ? rc : catalog_abandon(inner_of(port), intent_id, e);
}

static int guard_mark_set(struct catalog *port, const char *name, int64_t value, struct err *e)
{
	int rc = ask(port, WRITE, MARKS, e);
	return rc ? rc : catalog_mark_set(inner_of(port), name, value, e);
}

static int guard_forget(struct catalog *port, const char *const *keys, size_t n, struct err *e)
{
	int rc = ask(port, WRITE, NULL, e);
	return rc ? rc : catalog_forget(inner_of(port), keys, n, e);
}

static int guard_lock(struct catalog *port, const struct table_def *t, int64_t wait_us,
		      void (*on_wait)(void *, int64_t holder_pid), void *ctx, int *ret_handle,
		      struct err *e)
{
	int rc = ask_table(port, WRITE, t, e);
	return rc ? rc : catalog_lock(inner_of(port), t, wait_us, on_wait, ctx, ret_handle, e);
}

static void guard_unlock(struct catalog *port, int handle)
{
	catalog_unlock(inner_of(port), handle);
}

static void guard_free(struct catalog *port)
{
	catalog_free(inner_of(port));
	free(port);
}

static const struct catalog_ops guard_ops = {
	.put_tables = guard_put_tables,
	.tables = guard_tables,
	.table = guard_table,
	.history = guard_history,
	.files = guard_files,
	.origins = guard_origins,
	.scopes = guard_scopes,
	.scope = guard_scope,
	.stats = guard_stats,
	.intend = guard_intend,
	.intents = guard_intents,
	.commit = guard_commit,
	.abandon = guard_abandon,
	.is_live = guard_is_live,
	.changes = guard_changes,
	.mark_get = guard_mark_get,
	.marks = guard_marks,
	.mark_set = guard_mark_set,
	.dead = guard_dead,
	.forget = guard_forget,
	.read_begin = guard_read_begin,
	.read_end = guard_read_end,
	.lock = guard_lock,
	.unlock = guard_unlock,
	.free = guard_free,
};

struct catalog *guard_catalog(struct catalog *inner, const struct guard *g)
{
	struct guarded_catalog *c = NEW(struct guarded_catalog);
	*c = (struct guarded_catalog){.port.ops = &guard_ops, .inner = inner, .guard = *g};
	return &c->port;
}
