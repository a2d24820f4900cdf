/* Parquet files by DuckDB's COPY. */
#ifndef PREGAO_PARQUET_DUCKDB_H
#define PREGAO_PARQUET_DUCKDB_H

#include "duckdb_host.h"
#include "parquet.h"

/* Connects when first used; the host must outlive it. Any thread, one call at a time (others
 * wait). */
struct parquet *parquet_duckdb_new(struct duckdb_host *);

#endif
