/* What the files of the SQLite catalog share; nobody else includes it. catalog_sqlite.c has the
 * schema and the small calls, the others one matter each, as the parts below say. */
#ifndef PREGAO_CATALOG_SQLITE_PRIVATE_H
#define PREGAO_CATALOG_SQLITE_PRIVATE_H

#include "catalog.h"
#include "sqlite.h"

struct catalog_sqlite {
	struct catalog catalog;
	struct sqlite *db;
	struct clock *clock;
	char *state_dir; /* NULL: in memory */
	bool read_only;
};
static inline struct catalog_sqlite *catalog_of(struct catalog *c)
{
	return (struct catalog_sqlite *)c;
}

/* -- catalog_sqlite.c */
int catalog_table_id(struct catalog_sqlite *, const struct table_def *, int64_t *ret,
		     struct err *) MUST_CHECK;
int catalog_version(struct catalog_sqlite *, int64_t *ret, struct err *) MUST_CHECK;
/* Ends a read or write transaction: commits when rc is 0, else rolls back and returns rc. */
int catalog_finish(struct catalog_sqlite *, int rc, struct err *) MUST_CHECK;
/* A partition value as the database keeps it: numbers as numbers, so that 9 < 10; dates and text as
 * text. false: not of the type. */
bool catalog_bind_value(sqlite3_stmt *, int parameter, const struct column *,
			const char *plain) MUST_CHECK;
int catalog_move_mark(struct catalog_sqlite *, const struct catalog_mark *,
		      struct err *) MUST_CHECK;

/* -- catalog_sqlite_tables.c */
int catalog_sqlite_put_tables(struct catalog *, const struct table_def *const *, size_t n,
			      struct err *);
int catalog_sqlite_tables(struct catalog *, struct arena *, struct table_def ***ret,
			  size_t *ret_count, struct err *);
int catalog_sqlite_table(struct catalog *, const char *database, const char *name, struct arena *,
			 struct table_def **ret, struct err *);
int catalog_sqlite_history(struct catalog *, const struct table_def *,
			   int (*fn)(void *, int64_t, int64_t, const char *), void *, struct err *);

/* -- catalog_sqlite_filter.c: conditions on partition columns as SQL, bound by value. */
struct catalog_term {
	size_t column; /* index into table->partition */
	enum filter_op op;
	const char *const *values; /* IN: all; GE, LE: one */
	size_t value_count;
	const char *least, *most; /* of the values, by the column's order */
	const char *json;         /* of the values, as json_each reads them */
};
struct catalog_terms {
	struct catalog_term *terms; /* in the arena */
	size_t count;
	bool nothing; /* an IN of no values: no row can match */
};
/* ERR_BUG for a column that is no partition column. A value that is not of its column's type cannot
 * be compared here: its term is left out, which may give files too many but never too few. filter
 * NULL: no condition. */
int catalog_filter(const struct table_def *, const struct filter *, struct arena *,
		   struct catalog_terms *ret, struct err *) MUST_CHECK;
/* " AND ..." over scopes s (terms on scope columns), and over compact c (terms from column `first`
 * on). */
void catalog_filter_scopes_sql(const struct table_def *, const struct catalog_terms *,
			       struct buf *out);
void catalog_filter_compact_sql(const struct catalog_terms *, size_t first, struct buf *out);
/* Bind in the order of the text; return the next free parameter. */
int catalog_filter_scopes_bind(const struct table_def *, const struct catalog_terms *,
			       sqlite3_stmt *, int parameter);
int catalog_filter_compact_bind(const struct table_def *, const struct catalog_terms *,
				size_t first, sqlite3_stmt *, int parameter);
/* Whether a row with these values passes the terms on columns from `first` on. */
bool catalog_filter_passes(const struct table_def *, const struct catalog_terms *, size_t first,
			   const char *const *values);

/* -- catalog_sqlite_read.c */
int catalog_sqlite_files(struct catalog *, const struct table_def *, enum catalog_layout,
			 const struct filter *, size_t, struct arena *, struct catalog_file **ret,
			 size_t *ret_count, struct err *);
int catalog_sqlite_origins(struct catalog *, const struct table_def *, struct catalog_file *,
			   size_t, struct arena *, struct err *);
int catalog_sqlite_scopes(struct catalog *, const struct table_def *, const struct filter *, size_t,
			  struct arena *, struct catalog_scope **ret, size_t *ret_count,
			  struct err *);
int catalog_sqlite_scope(struct catalog *, const struct table_def *, const char *scope,
			 struct arena *, struct catalog_scope *ret, struct err *);
int catalog_sqlite_changes(struct catalog *, int64_t after_version,
			   int (*fn)(void *, const struct table_def *, const struct catalog_file *,
				     const struct catalog_scope *),
			   void *, int64_t *ret_version, struct err *);

/* -- catalog_sqlite_commit.c */
int catalog_sqlite_commit(struct catalog *, int64_t intent_id, const struct catalog_change *,
			  size_t n, const struct catalog_mark *, size_t mark_count,
			  int64_t *ret_version, struct err *);

/* -- catalog_sqlite_stats.c: smallest, largest and nulls per column, over several files. */
struct catalog_stats_entry {
	const struct column *column;
	const char *minimum, *maximum; /* in the arena; NULL: no value seen yet */
	int64_t nulls;                 /* -1 unknown */
	bool unknown;                  /* some file did not say */
};
struct catalog_stats_set {
	struct arena *arena;
	const struct table_def *table;
	struct catalog_stats_entry *entries; /* data columns, then partition columns */
	size_t count;
	int64_t rows;
};
void catalog_stats_begin(struct catalog_stats_set *, struct arena *, const struct table_def *);
/* low and high (may be NULL) tell the partition columns where stats do not. A column that stats
 * leave out, though they have others, was added to the table later: all null in this file. */
void catalog_stats_add(struct catalog_stats_set *, int64_t rows, const struct column_stats *,
		       size_t count, const char *const *low, const char *const *high);
/* The set is kept for an owner: a compact file's id, or minus a scope's id for its published files.
 * The latter are kept for scopes that queries read published files of, and on while a compact file
 * covers them. get adds what is kept to the set; nothing kept: *ret is false. */
int catalog_stats_put(struct catalog_sqlite *, int64_t table_id, int64_t owner,
		      const struct catalog_stats_set *, struct err *) MUST_CHECK;
int catalog_stats_get(struct catalog_sqlite *, int64_t table_id, int64_t owner,
		      struct catalog_stats_set *, bool *ret, struct err *) MUST_CHECK;
int catalog_stats_delete(struct catalog_sqlite *, int64_t table_id, int64_t owner,
			 struct err *) MUST_CHECK;
int catalog_sqlite_stats(struct catalog *, const struct table_def *, struct arena *,
			 struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
			 int64_t *ret_bytes, int64_t *ret_files, struct err *);

/* -- catalog_sqlite_hold.c: readers' holds and table locks, in files that the kernel forgets with
 * their process. */
int catalog_hold_folders(const char *state_dir, struct err *) MUST_CHECK;
/* The oldest version that some reader holds, INT64_MAX when there is none. Removes what nobody
 * holds. */
int64_t catalog_hold_oldest(struct catalog_sqlite *);
int catalog_sqlite_read_begin(struct catalog *, int64_t *ret_version, int *ret_handle,
			      struct err *);
void catalog_sqlite_read_end(struct catalog *, int handle);
int catalog_sqlite_lock(struct catalog *, const struct table_def *, int64_t wait_us,
			void (*on_wait)(void *, int64_t), void *ctx, int *ret_handle, struct err *);
void catalog_sqlite_unlock(struct catalog *, int handle);

#endif
