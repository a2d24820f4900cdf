/* Port: Parquet files. Rows in, one local file out (Snappy), always the same bytes for the same
 * rows. The pipeline writes raw tables with it; where they then go is the object store's matter.
 * Both worlds use the embedded driver: AWS has no service that does this. */
#ifndef PREGAO_PARQUET_H
#define PREGAO_PARQUET_H

#include "table.h"

struct parquet_result {
	int64_t rows, bytes;
	struct column_stats *stats; /* in the arena */
	size_t stats_count;
};
/* Rewrites files into one: all their rows, but for those whose `drop_columns` equal the values of
 * any `drop` row, ordered by `sort` and then by all columns. */
struct parquet_merge {
	const char *const *paths;
	size_t path_count;
	const char *const *sort;
	size_t sort_count;
	/* Each file is in that order already, and no two rows have the same values of sort: files that follow
	 * each other are then only copied, whatever their size in little memory. */
	bool sorted;
	const struct column *drop_columns;
	size_t drop_column_count;
	const char *const *drop; /* plain text; drop_count rows of drop_column_count values */
	size_t drop_count;
	/* Columns that the result has after those of the files, and their value for each file:
	 * plain text, path_count rows of add_column_count values. */
	const struct column *add_columns;
	size_t add_column_count;
	const char *const *add;
	const char *out_path;
};
struct parquet;
struct parquet_ops {
	int (*write)(struct parquet *, const struct batch *, size_t n, const char *path,
		     struct arena *, struct parquet_result *, struct err *);
	int (*merge)(struct parquet *, const struct parquet_merge *, struct arena *,
		     struct parquet_result *, struct err *);
	int (*check)(struct parquet *, const char *path, int64_t *ret_rows, struct err *);
	void (*free)(struct parquet *);
};
struct parquet {
	const struct parquet_ops *ops;
};
/* Writes n batches of the same columns. Not synced: the store's put does that. ERR_INPUT when a
 * value does not fit its column (decimal digits, UTF-8), naming column and row; ERR_LIMIT no space;
 * ERR_IO. Leaves no file behind on failure. */
int parquet_write(struct parquet *, const struct batch *, size_t n, const char *path,
		  struct arena *, struct parquet_result *, struct err *) MUST_CHECK;
int parquet_merge(struct parquet *, const struct parquet_merge *, struct arena *,
		  struct parquet_result *, struct err *) MUST_CHECK;
/* Reads every value of a file and gives its rows. ERR_INPUT when it is damaged or no Parquet file;
 * ERR_NOT_FOUND. A byte that turned inside a value need not show: the format has no checksum. */
int parquet_check(struct parquet *, const char *path, int64_t *ret_rows, struct err *) MUST_CHECK;
void parquet_free(struct parquet *);

#endif
