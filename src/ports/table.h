/* What a table is, and rows in columns: the shapes that ports exchange. */
#ifndef PREGAO_TABLE_H
#define PREGAO_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "str.h"
#include "value.h"

/* The types a lake's table may have. The text form is DuckDB's spelling. */
enum column_type {
	COL_BOOLEAN, /* uint8_t      BOOLEAN */
	COL_INTEGER, /* int32_t      INTEGER */
	COL_BIGINT,  /* int64_t      BIGINT */
	/* int128       HUGEINT: in query results only, a table's column is never one (Parquet has
	 * no such type) */
	COL_HUGEINT,
	COL_DOUBLE,    /* double       DOUBLE */
	COL_DECIMAL,   /* int64_t up to 18 digits, else int128, scaled: DECIMAL(p,s) */
	COL_DATE,      /* int32_t      DATE, days since 1970 */
	COL_TIMESTAMP, /* int64_t      TIMESTAMP, microseconds since 1970 UTC */
	/* struct slice VARCHAR, UTF-8; in query results also everything that has no type here, as
	 * DuckDB writes it */
	COL_TEXT,
};
struct column {
	const char *name;
	enum column_type type;
	int precision, scale; /* COL_DECIMAL: 1..38, 0..precision */
	const char *doc;      /* one sentence, may be NULL */
};
#define COLUMN_TYPE_SIZE 24
/* "DECIMAL(9,3)" */
const char *column_type_format(const struct column *, char buf[COLUMN_TYPE_SIZE]);
/* Parses the text form into type, precision and scale; ERR_INPUT naming what it found and the types
 * there are. */
int column_type_parse(const char *text, struct column *ret, struct err *) MUST_CHECK;
bool column_is_number(const struct column *);
size_t column_width_bytes(const struct column *); /* of one value in a vector */
/* The order of two plain texts of a partition column, as the catalog has it: whole numbers by
 * value, all else by bytes. */
int column_compare(const struct column *, const char *a, const char *b);
/* Makes *low..*high reach from from to to; NULL: no bound is known. */
void column_widen(const struct column *, const char **low, const char **high, const char *from,
		  const char *to);

/* A table of the lake. Files hold `columns`; `partition` columns are told by the key (table
 * location, then "name=value" folders in this order). Strings are borrowed from whoever made the
 * definition. */
#define TABLE_MAX_COLUMNS   256
#define TABLE_MAX_PARTITION 4
struct table_def {
	const char *database, *name; /* "raw", "portfolio" */
	const char *doc;
	const struct column *columns;
	size_t column_count;
	/* TEXT, DATE, INTEGER or BIGINT; never null, empty or the text NULL */
	const struct column *partition;
	size_t partition_count;
	const char *location; /* key prefix without slash at the end: "raw/portfolio" */
	/* The first `scope_count` partition columns make a scope: what one replacement replaces.
	 * "index_code=IBOV/pregao_date=2024-07-15". */
	size_t scope_count;
	/* The second layout, for our own queries: sorted files with all columns (partition columns
	 * too) inside. NULL: none. */
	const char *compact_location; /* "compact/refined/portfolio" */
	/* Column names that order a compact file; partition columns allowed. Where these are all of them and
	 * the first, whoever publishes sorts each file by the others, which tell any two rows apart. */
	const char *const *sort;
	size_t sort_count;
};
/* Finds a data or partition column by name (exact); NULL when there is none. */
const struct column *table_column(const struct table_def *, const char *name);
/* A deep copy in an arena. */
struct arena;
struct table_def *table_copy(struct arena *, const struct table_def *);
/* Definition to and from canonical JSON (what the catalog stores and compares). */
void table_to_json(const struct table_def *, struct buf *out);
int table_from_json(struct arena *, struct slice json, struct table_def **ret,
		    struct err *) MUST_CHECK;

/* Rows in columns. A vector's values are as enum column_type says; valid is one byte a row (1:
 * value, 0: null), NULL: no nulls. */
struct vector {
	const void *data;
	const uint8_t *valid;
};
struct batch {
	const struct column *columns;
	const struct vector *vectors;
	size_t column_count;
	size_t row_count;
};
/* The value as plain text (dates ISO, decimals with all their digits); false when null. out is
 * appended to. */
bool batch_text(const struct batch *, size_t column, size_t row, struct buf *out);

/* What a file holds, per column; minimum and maximum as plain text, NULL when unknown or all
 * null. */
struct column_stats {
	const char *column;
	const char *minimum, *maximum;
	int64_t nulls; /* -1 unknown */
};

#endif
