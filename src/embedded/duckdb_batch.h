/* DuckDB's data chunks as batches (ports/table.h).
 */
#ifndef PREGAO_DUCKDB_BATCH_H
#define PREGAO_DUCKDB_BATCH_H

#include "duckdb_api.h"

/* Whether the type has a place in a batch, and which; false: it has to be cast to text. name (of
 * DuckDB's spelling) is a literal or in the arena. */
bool duck_column_type(const struct duckdb_api *, duckdb_logical_type, struct arena *,
		      struct column *ret, const char **ret_name);

/* Turns one chunk after another into batches. */
struct duck_reader {
	const struct duckdb_api *api;
	const struct column *columns;
	size_t count;
	int *widths; /* how many bytes DuckDB keeps the column's numbers in; 0: as the batch does */
	bool *is_unsigned;
	void **values;
	uint8_t **valid;
	struct vector *vectors;
};
/* types are the result's, in the columns' order. */
void duck_reader_init(struct duck_reader *, const struct duckdb_api *, const struct column *,
		      const duckdb_logical_type *types, size_t count);
/* The batch points into the chunk and the reader: good until either is used again. */
struct batch duck_reader_batch(struct duck_reader *, duckdb_data_chunk);
void duck_reader_clear(struct duck_reader *);

#endif
