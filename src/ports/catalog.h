/* Port: catalog. Which tables there are, which files hold which partitions of them, and what every
 * file contains.
 *
 * Partition values travel as a path in the table's partition order, Hive-escaped
 * ("index_code=IBOV/pregao_date=2024-07-15"); a scope is the path of the first scope_count of them,
 * and what one replacement replaces (see table.h). The catalog has a version that grows with each
 * commit. A reader that holds a version keeps the files of that version alive. */
#ifndef PREGAO_CATALOG_H
#define PREGAO_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "mem.h"
#include "table.h"

/* LAYOUT_QUERY is no layout that a file has, but what our own queries read: for each scope its
 * compact file where there is one, else its published files. */
enum catalog_layout { LAYOUT_PUBLISHED, LAYOUT_COMPACT, LAYOUT_QUERY };

struct catalog_file {
	const char *key;
	enum catalog_layout layout;
	/* The scopes whose rows it holds: one, but for a compact file of a whole month. `origins`
	 * beside them names the single-scope compact file each scope's rows came from (a merged
	 * file's name is made of them). In a commit a NULL origin of a single-scope file means its
	 * own key. catalog_files fills scopes of published files; of compact files, only
	 * scope_count: a query has no use for them, and they are many. catalog_origins fills the
	 * rest. */
	const char *const *scopes;
	const char *const *origins;
	size_t scope_count;
	/* Per partition column the smallest and largest value in the file, plain text (not
	 * escaped); equal in a published file. */
	const char *low[TABLE_MAX_PARTITION];
	const char *high[TABLE_MAX_PARTITION];
	int64_t rows, bytes;
	const struct column_stats *stats; /* may be NULL, 0; not filled by catalog_files */
	size_t stats_count;
	int64_t version; /* out: the catalog version that added it */
};

/* A scope as the catalog knows it. Properties are small facts (Glue: partition parameters),
 * canonical JSON object text: "content", "source_sha256", "landed_on" for raw tables; "made_of",
 * "as_of", "run" for a job's. */
struct catalog_scope {
	const char *scope;
	const char *properties;
	int64_t rows, bytes, files; /* of the published layout */
	int64_t version, changed_us;
};

/* One condition on a partition column. Values are plain text. Conditions of one filter are joined
 * by AND. */
enum filter_op { FILTER_IN, FILTER_GE, FILTER_LE }; /* IN with one value is equality */
struct filter_term {
	const char *column;
	enum filter_op op;
	const char *const *values;
	size_t value_count;
};
struct filter {
	const struct filter_term *terms;
	size_t term_count;
};

/* One table's part of a commit: the named scopes lose all their files (both layouts) and get the
 * given ones, and the given properties. */
struct catalog_change {
	const struct table_def *table;
	const struct catalog_scope *scopes; /* scope and properties are read */
	size_t scope_count;
	const struct catalog_file *files;
	size_t file_count;
	/* Compact files that covered a changed scope and others beside it, or that others take the
	 * place of: gone in this commit. A scope that no other one covers is read from its
	 * published files from then on. */
	const char *const *retired_keys;
	size_t retired_count;
	/* The scopes keep the published files they have: rows and bytes add up. A file that they
	 * have already is no change. */
	bool append;
	/* The published files change, the rows in them do not (a merge): compact files that cover
	 * the scopes stay. */
	bool same_rows;
};

/* How far somebody has come with something ("bitcoin_delivered"); never lowered, unless it may be. */
struct catalog_mark {
	const char *name;
	int64_t value;
	bool may_fall;
};

struct catalog;
struct catalog_ops {
	int (*put_tables)(struct catalog *, const struct table_def *const *, size_t n,
			  struct err *);
	int (*tables)(struct catalog *, struct arena *, struct table_def ***ret, size_t *ret_count,
		      struct err *);
	int (*table)(struct catalog *, const char *database, const char *name, struct arena *,
		     struct table_def **ret, struct err *);
	int (*history)(struct catalog *, const struct table_def *,
		       int (*fn)(void *, int64_t version, int64_t at_us, const char *change),
		       void *, struct err *);
	int (*files)(struct catalog *, const struct table_def *, enum catalog_layout,
		     const struct filter *any_of, size_t filter_count, struct arena *,
		     struct catalog_file **ret, size_t *ret_count, struct err *);
	int (*origins)(struct catalog *, const struct table_def *, struct catalog_file *files,
		       size_t count, struct arena *, struct err *);
	int (*scopes)(struct catalog *, const struct table_def *, const struct filter *any_of,
		      size_t filter_count, struct arena *, struct catalog_scope **ret,
		      size_t *ret_count, struct err *);
	int (*scope)(struct catalog *, const struct table_def *, const char *scope, struct arena *,
		     struct catalog_scope *ret, struct err *);
	int (*stats)(struct catalog *, const struct table_def *, struct arena *,
		     struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
		     int64_t *ret_bytes, int64_t *ret_files, struct err *);
	int (*intend)(struct catalog *, const struct table_def *, const char *const *keys, size_t n,
		      int64_t *ret_id, struct err *);
	int (*intents)(struct catalog *, const struct table_def *,
		       int (*fn)(void *, int64_t id, const char *const *keys, size_t n), void *,
		       struct err *);
	int (*commit)(struct catalog *, int64_t intent_id, const struct catalog_change *, size_t n,
		      const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		      struct err *);
	int (*abandon)(struct catalog *, int64_t intent_id, struct err *);
	int (*is_live)(struct catalog *, const char *key, bool *ret, struct err *);
	int (*changes)(struct catalog *, int64_t after_version,
		       int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				 const struct catalog_scope *),
		       void *, int64_t *ret_version, struct err *);
	int (*mark_get)(struct catalog *, const char *name, int64_t *ret, struct err *);
	int (*mark_set)(struct catalog *, const char *name, int64_t value, struct err *);
	int (*marks)(struct catalog *, const char *prefix,
		     int (*fn)(void *ctx, const char *name, int64_t value), void *ctx,
		     struct err *);
	int (*dead)(struct catalog *, const struct table_def *, struct arena *,
		    const char ***ret_keys, size_t *ret_count, struct err *);
	int (*forget)(struct catalog *, const char *const *keys, size_t n, struct err *);
	int (*read_begin)(struct catalog *, int64_t *ret_version, int *ret_handle, struct err *);
	void (*read_end)(struct catalog *, int handle);
	int (*lock)(struct catalog *, const struct table_def *, int64_t wait_us,
		    void (*on_wait)(void *, int64_t holder_pid), void *ctx, int *ret_handle,
		    struct err *);
	void (*unlock)(struct catalog *, int handle);
	void (*free)(struct catalog *);
};
struct catalog {
	const struct catalog_ops *ops;
};

/* Creates tables that are missing and evolves those whose definition changed; each change gets a
 * line of history. Does nothing, cheaply, when all are as given. ERR_CONFLICT when a table with
 * files would change a column's type, its partition columns or location. */
int catalog_put_tables(struct catalog *, const struct table_def *const *, size_t n,
		       struct err *) MUST_CHECK;
int catalog_tables(struct catalog *, struct arena *, struct table_def ***ret, size_t *ret_count,
		   struct err *) MUST_CHECK; /* by name */
int catalog_table(struct catalog *, const char *database, const char *name, struct arena *,
		  struct table_def **ret, struct err *) MUST_CHECK; /* ERR_NOT_FOUND */
int catalog_history(struct catalog *, const struct table_def *,
		    int (*fn)(void *, int64_t version, int64_t at_us, const char *change), void *,
		    struct err *) MUST_CHECK; /* oldest first */
/* Files of a layout that may hold rows of any of the filters (filter_count 0: all). Never leaves
 * out a file that does; may give some that do not. Sorted by key. A term on a column that is no
 * partition column is ERR_BUG. */
int catalog_files(struct catalog *, const struct table_def *, enum catalog_layout,
		  const struct filter *any_of, size_t filter_count, struct arena *,
		  struct catalog_file **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* Fills scopes (sorted) and origins of live compact files, by their keys. ERR_NOT_FOUND when one
 * has gone. */
int catalog_origins(struct catalog *, const struct table_def *, struct catalog_file *files,
		    size_t count, struct arena *, struct err *) MUST_CHECK;
/* Scopes that may hold rows of any of the filters; terms on partition columns beyond the scope do
 * not narrow it. */
int catalog_scopes(struct catalog *, const struct table_def *, const struct filter *any_of,
		   size_t filter_count, struct arena *, struct catalog_scope **ret,
		   size_t *ret_count, struct err *) MUST_CHECK; /* by scope */
int catalog_scope(struct catalog *, const struct table_def *, const char *scope, struct arena *,
		  struct catalog_scope *ret, struct err *) MUST_CHECK; /* ERR_NOT_FOUND */
/* Per column over all files of LAYOUT_QUERY. */
int catalog_stats(struct catalog *, const struct table_def *, struct arena *,
		  struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
		  int64_t *ret_bytes, int64_t *ret_files, struct err *) MUST_CHECK;
/* Writes down, durably, which keys are about to be put. Recovery removes those that no commit made
 * live. */
int catalog_intend(struct catalog *, const struct table_def *, const char *const *keys, size_t n,
		   int64_t *ret_id, struct err *) MUST_CHECK;
/* Open intents of the table (of all tables when NULL), each with those of its keys that are neither
 * live nor dead and waiting for their readers: what a writer that died may have put, and what may
 * be deleted under the table's lock. */
int catalog_intents(struct catalog *, const struct table_def *,
		    int (*fn)(void *, int64_t id, const char *const *keys, size_t n), void *,
		    struct err *) MUST_CHECK;
/* Atomic on the embedded driver; where the product has no transaction it is applied in an order
 * that readers can live with and may be repeated until it succeeds. Ends the intent (0: none), and
 * moves the marks in the same transaction; without changes it does just that and makes no version.
 * Replaced files become dead, not deleted; a dead key that is added again lives again. Durable on
 * return. ERR_CONFLICT when the intent was abandoned meanwhile or a retired file is no longer
 * there. ERR_BUG, and nothing done, for what readers could not rely on: a published file that does
 * not lie at "<location>/<scope>/..." with the folders that its values say; a scope in two compact
 * files; a compact file that loses a scope (replaced or appended to), keeps another and is not
 * retired. */
int catalog_commit(struct catalog *, int64_t intent_id, const struct catalog_change *, size_t n,
		   const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		   struct err *) MUST_CHECK;
int catalog_abandon(struct catalog *, int64_t intent_id, struct err *) MUST_CHECK;
int catalog_is_live(struct catalog *, const char *key, bool *ret, struct err *) MUST_CHECK;
/* Every live published file added after the version, in order, with its scope; *ret_version is the
 * version seen. This is what triggers are made from where the store does not notify: a commit that
 * happened is always seen, so no trigger is lost. */
int catalog_changes(struct catalog *, int64_t after_version,
		    int (*fn)(void *, const struct table_def *, const struct catalog_file *,
			      const struct catalog_scope *),
		    void *, int64_t *ret_version, struct err *) MUST_CHECK;
/* 0 when never set */
int catalog_mark_get(struct catalog *, const char *name, int64_t *ret, struct err *) MUST_CHECK;
/* never lowers */
int catalog_mark_set(struct catalog *, const char *name, int64_t value, struct err *) MUST_CHECK;
/* All whose names begin so, by name; fn uses no catalog, its non-zero stops and is returned. */
int catalog_marks(struct catalog *, const char *prefix,
		  int (*fn)(void *ctx, const char *name, int64_t value), void *ctx,
		  struct err *) MUST_CHECK;
/* Keys of the table that died and that no reader of an older version can still need. */
int catalog_dead(struct catalog *, const struct table_def *, struct arena *, const char ***ret_keys,
		 size_t *ret_count, struct err *) MUST_CHECK;
int catalog_forget(struct catalog *, const char *const *keys, size_t n, struct err *) MUST_CHECK;
/* A reader takes the current version before it lists files and gives it back when it has read them.
 * On a lake it may not write to, the hold cannot be recorded: *ret_handle is -1 and reading goes on
 * without it. */
int catalog_read_begin(struct catalog *, int64_t *ret_version, int *ret_handle,
		       struct err *) MUST_CHECK;
void catalog_read_end(struct catalog *, int handle);
/* The right to write a table, one holder at a time; freed by the kernel when the process dies.
 * ERR_CONFLICT after wait_us. */
int catalog_lock(struct catalog *, const struct table_def *, int64_t wait_us,
		 void (*on_wait)(void *, int64_t holder_pid), void *ctx, int *ret_handle,
		 struct err *) MUST_CHECK;
void catalog_unlock(struct catalog *, int handle);
void catalog_free(struct catalog *);

#endif
