/* What of a table lies in no file yet, read into DuckDB for one statement. */
#ifndef PREGAO_QUERY_TAIL_H
#define PREGAO_QUERY_TAIL_H

#include "duckdb_feed.h"
#include "query_engine.h"

struct query_tail {
	const struct table_def *table;
	const char *name; /* of a temporary table with its rows; NULL: there are none, or not yet */
};
/* Reads the rows after the number of all these tables into temporary tables of the transaction that
 * d is in; DuckDB spills what does not fit its memory. poll's non-zero ends it and is returned. */
int query_tail_load(const struct duck *, struct duck_feed *, const struct live_rows *,
		    struct query_tail *, size_t n, int64_t after,
		    int (*poll)(void *ctx, struct err *), void *ctx, struct arena *,
		    struct err *) MUST_CHECK;
/* " UNION ALL SELECT ..." of its rows after the mark, columns then partition columns; nothing when
 * it has none. */
void query_tail_sql(struct buf *, const struct query_tail *, const struct live_rows *,
		    int64_t mark);

#endif
