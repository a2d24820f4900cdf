/* Keys of the lake: Hive-style partition folders, written and read back the same by DuckDB, Spark,
 * pyarrow and us. */
#ifndef PREGAO_PATH_H
#define PREGAO_PATH_H

#include <stdint.h>

#include "err.h"
#include "mem.h"
#include "table.h"

/* Appends value escaped as Hive does: ASCII control characters and " # % ' * / : = ? \ { } [ ] ^
 * and DEL as %XX, space as %20, UTF-8 left as it is (Spark shows mojibake when it is escaped). */
void path_escape(struct buf *out, const char *value);
/* "a=1/b=x%2Fy" of the first n partition columns, in the arena. ERR_INPUT for a value that is null,
 * empty, "NULL", "__HIVE_DEFAULT_PARTITION__", or not of the column's type. */
int path_partition(struct arena *, const struct table_def *, const char *const *values, size_t n,
		   const char **ret, struct err *) MUST_CHECK;
/* The plain values of a partition path (as many segments as it has, at most partition_count); names
 * must match the table's. */
int path_values(struct arena *, const struct table_def *, const char *path, const char **ret_values,
		size_t *ret_count, struct err *) MUST_CHECK;
/* "<location>/<partition path>/<name>.parquet" */
const char *path_key(struct arena *, const struct table_def *, const char *partition_path,
		     const char *name);
/* The table's partition path inside a key of its published layout, without the file name; ERR_INPUT
 * when the key is not of this table. */
int path_of_key(struct arena *, const struct table_def *, const char *key, const char **ret_path,
		struct err *) MUST_CHECK;
/* The key of a single scope's compact file:
 * "<compact_location>/index_code=IBOV/2024-07-15-<name>.parquet": the scope's DATE column (if it
 * has one) goes into the file's name, its other columns are folders; a month's:
 * ".../2024-07-<name>.parquet". No DATE column in the scope: "all-<name>.parquet". */
int path_compact_key(struct arena *, const struct table_def *, const char *scope, bool month,
		     const char *name, const char **ret, struct err *) MUST_CHECK;

#endif
