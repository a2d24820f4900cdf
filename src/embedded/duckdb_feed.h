/* Rows of ours for DuckDB's statements: batches that a table function gives. */
#ifndef PREGAO_DUCKDB_FEED_H
#define PREGAO_DUCKDB_FEED_H

#include "duckdb_api.h"

/* Whether batches can be fed: ERR_INPUT when a value does not fit its column (decimal digits,
 * UTF-8, years), naming column and row; ERR_BUG for batches of different columns, or none. */
int duck_feed_check(const struct batch *, size_t n, struct err *) MUST_CHECK;

struct duck_feed;
/* Registers the function "<name>()" with the database, outside of any transaction; DuckDB frees it
 * with the database. */
int duck_feed_open(const struct duck *, struct duckdb_host *, struct duck_feed **ret,
		   struct err *) MUST_CHECK;
const char *duck_feed_name(const struct duck_feed *);
/* What the function gives from now on, in this order, as checked; borrowed. NULL: statements that
 * name it fail, which is how it has to be left. */
void duck_feed_set(struct duck_feed *, const struct batch *, size_t n);

#endif
