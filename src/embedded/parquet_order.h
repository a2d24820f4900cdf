/* Whether sorted Parquet files can be put one after the other, so that all of them together are sorted too. For
 * parquet_duckdb.c. */
#ifndef PREGAO_PARQUET_ORDER_H
#define PREGAO_PARQUET_ORDER_H

#include "duckdb_api.h"
#include "parquet.h"

/* Fills ret_order, of path_count places, with the order of the files by their smallest values. *ret_follow:
 * no file begins before the one in front of it ends. The files' data are looked at, in the columns
 * of sort. */
int parquet_order(const struct duck *, const struct parquet_merge *, size_t *ret_order,
		  bool *ret_follow, struct err *) MUST_CHECK;

#endif
