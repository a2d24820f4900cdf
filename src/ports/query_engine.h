/* Port: query engine. SQL over the catalog's tables in, column batches out. */
#ifndef PREGAO_QUERY_ENGINE_H
#define PREGAO_QUERY_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "table.h"

struct query_stats {
	int64_t rows;
	int64_t files_listed; /* files handed to the engine after pruning */
	int64_t files_total;  /* files of the tables named in the statement */
	int64_t bytes_listed;
	int64_t catalog_version;
};
/* Called in this order: columns once (also when there are no rows), then each batch. Non-zero stops
 * the query and is returned. */
struct query_sink {
	int (*columns)(void *ctx, const struct column *, const char *const *type_names, size_t n,
		       struct err *);
	int (*batch)(void *ctx, const struct batch *, struct err *);
	void *ctx;
};
/* Rows of some tables that are in no file yet (a stream's), for an engine that runs in this
 * process: it shows them with the files as one table, each row once. Records are numbered; those up
 * to the mark are in the files of the same catalog version. */
struct live_rows {
	const char *mark;   /* the catalog's: the last number that is in files */
	const char *number; /* the column, of every covered table, that holds its record's number */
	bool (*covers)(void *ctx, const struct table_def *);
	/* Gives fn the tables' rows of every record after the number that has become durable before
	 * the call, some thousand of one table at a time: its columns, then its partition columns;
	 * of all tables up to the same record. Records up to the catalog's mark may be missing.
	 * fn's non-zero stops and is returned. */
	int (*read)(void *ctx, const struct table_def *const *tables, size_t n, int64_t after,
		    int (*fn)(void *fn_ctx, size_t table, const struct batch *, struct err *),
		    void *fn_ctx, struct err *);
	void *ctx;
};
struct query_engine;
struct query_engine_ops {
	int (*run)(struct query_engine *, const char *sql, const struct query_sink *,
		   struct query_stats *ret, struct err *);
	int (*export)(struct query_engine *, const char *sql, const char *path,
		      struct query_stats *ret, struct err *);
	void (*cancel)(struct query_engine *);
	void (*free)(struct query_engine *);
};
struct query_engine {
	const struct query_engine_ops *ops;
};
/* One statement that reads. Tables are named database.table ("raw.portfolio"). ERR_INPUT for a
 * statement that is wrong or does more than read (with line and column where known); ERR_LIMIT out
 * of memory, out of temporary space; ERR_CONFLICT cancelled. ret may be NULL. */
int query_engine_run(struct query_engine *, const char *sql, const struct query_sink *,
		     struct query_stats *ret, struct err *) MUST_CHECK;
/* The result as one local Parquet file (Snappy), created or replaced. */
int query_engine_export(struct query_engine *, const char *sql, const char *path,
			struct query_stats *ret, struct err *) MUST_CHECK;
/* From any thread: ends the query that runs, soon. */
void query_engine_cancel(struct query_engine *);
void query_engine_free(struct query_engine *);

#endif
