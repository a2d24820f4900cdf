/* A table's files as a SELECT: what queries and jobs read instead of the table. */
#ifndef PREGAO_LAKE_VIEW_H
#define PREGAO_LAKE_VIEW_H

#include "catalog.h"
#include "str.h"

/* Appends a SELECT of the table's columns and then its partition columns, each with its declared
 * type, over the files of the layout (LAYOUT_QUERY: of both), which lie at paths. No file: no rows.
 * grown: the table's definition has changed since its first file may have been written, so a file
 * may lack columns; they are null then. ERR_USAGE when a folder above the lake is called like a
 * partition of the table ("part=9"): DuckDB would take its value for the column's. */
int lake_view_sql(struct buf *sql, const struct table_def *, enum catalog_layout,
		  const struct catalog_file *files, const char *const *paths, size_t n, bool grown,
		  struct err *) MUST_CHECK;
/* Whether the catalog has changed the table's definition since it was made. */
int lake_view_grown(struct catalog *, const struct table_def *, bool *ret, struct err *) MUST_CHECK;

#endif
