/* Small Parquet files, written here instead of by DuckDB: its COPY takes 0.4 ms for each, however
 * few its rows, and a session has a file for every stock. */
#ifndef PREGAO_PARQUET_FILE_H
#define PREGAO_PARQUET_FILE_H

#include "parquet.h"

/* Part of the names of files that are named by what they are made of: other bytes, another
 * version. */
#define PARQUET_FILE_VERSION 2
/* Files with more rows are DuckDB's: it has dictionaries, and does not need all rows at once. */
#define PARQUET_FILE_ROWS 10000

/* Whether a file of so many rows of these columns is small enough, and of the types that small
 * tables have: no DOUBLE, no BOOLEAN. Told by nothing else, so the same rows always go to the same
 * writer. */
bool parquet_file_takes(const struct column *, size_t n, int64_t rows);

/* Writes rows [from, from + rows) into a new file at path, or over the one there: one row group, a
 * page for each column, Snappy. The values are known to fit their columns. With `arena` NULL
 * ret->stats are left out. Leaves no file behind on failure: ERR_LIMIT no space, ERR_DENIED,
 * ERR_IO. Any thread. */
int parquet_file_write(const struct batch *, size_t from, size_t rows, const char *path,
		       struct arena *, struct parquet_result *ret, struct err *) MUST_CHECK;

#endif
