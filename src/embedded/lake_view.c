/* A table's files as a SELECT over read_parquet, with every name and type spelt out.
 */
#include "lake_view.h"

#include <string.h>
#include <strings.h>

#include "duckdb_api.h"

enum source { FROM_COLUMNS, FROM_NULLS, FROM_COLUMNS_AND_VALUES };

/* CAST(<from> AS T) AS "name" of all columns; a cast to what it is already costs nothing. */
static void add_columns(struct buf *sql, const struct table_def *t, enum source source,
			const char *const *values)
{
	char type[COLUMN_TYPE_SIZE];
	for (size_t i = 0; i < t->column_count + t->partition_count; i++) {
		bool partition = i >= t->column_count;
		const struct column *c = partition ? &t->partition[i - t->column_count]
						   : &t->columns[i];
		buf_str(sql, i ? ", CAST(" : "CAST(");
		if (source == FROM_NULLS)
			buf_str(sql, "NULL");
		else if (source == FROM_COLUMNS_AND_VALUES && partition)
			buf_sql_str(sql, values[i - t->column_count]);
		else
			buf_sql_name(sql, c->name);
		buf_printf(sql, " AS %s) AS ", column_type_format(c, type));
		buf_sql_name(sql, c->name);
	}
}

static void add_empty(struct buf *sql, const struct table_def *t)
{
	buf_str(sql, "SELECT ");
	add_columns(sql, t, FROM_NULLS, NULL);
	buf_str(sql, " WHERE false");
}

static void add_files(struct buf *sql, const struct table_def *t, bool hive,
		      const char *const *paths, size_t n, bool grown)
{
	char type[COLUMN_TYPE_SIZE];
	buf_str(sql, "read_parquet(");
	duck_list(sql, paths, n);
	if (!hive) {
		buf_str(sql, ", hive_partitioning = false");
	} else {
		buf_str(sql,
			", hive_partitioning = true, hive_types_autocast = false, hive_types = {");
		for (size_t i = 0; i < t->partition_count; i++) {
			buf_str(sql, i ? ", " : "");
			buf_sql_str(sql, t->partition[i].name);
			buf_printf(sql, ": %s", column_type_format(&t->partition[i], type));
		}
		buf_char(sql, '}');
	}
	buf_str(sql, grown ? ", union_by_name = true)" : ")");
}

/* How many folders of the path are called "name=...". */
static size_t folders_called(const char *path, const char *name)
{
	size_t n = strlen(name), found = 0;
	for (const char *p = path; p; p = strchr(p + 1, '/')) {
		const char *folder = *p == '/' ? p + 1 : p;
		found += strncasecmp(folder, name, n) == 0 && folder[n] == '=';
	}
	return found;
}

static int check_path(const struct table_def *t, const char *path, struct err *e)
{
	for (size_t i = 0; i < t->column_count + t->partition_count; i++) {
		bool partition = i >= t->column_count;
		const char *name = partition ? t->partition[i - t->column_count].name
					     : t->columns[i].name;
		if (folders_called(path, name) > partition) {
			err_set(e, ERR_USAGE,
				"the lake lies in a folder called \"%s=...\", which readers would take for the column %s of %s.%s",
				name, name, t->database, t->name);
			return err_where(e, path);
		}
	}
	return OK;
}

static int one_layout(struct buf *sql, const struct table_def *t, enum catalog_layout layout,
		      const struct catalog_file *files, const char *const *paths, size_t n,
		      bool grown, struct err *e)
{
	if (n == 0) {
		add_empty(sql, t);
		return OK;
	}
	bool hive = layout != LAYOUT_COMPACT && t->partition_count > 0;
	/* The values of a single file are known: DuckDB need not read them from its path, which
	 * takes it most of a millisecond. */
	bool known = hive && n == 1 && !grown;
	if (hive && !known) {
		int rc = check_path(t, paths[0], e);
		if (rc)
			return rc;
	}
	buf_str(sql, "SELECT ");
	add_columns(sql, t, known ? FROM_COLUMNS_AND_VALUES : FROM_COLUMNS, files[0].low);
	buf_str(sql, " FROM ");
	if (grown) {
		buf_char(sql, '(');
		add_empty(sql, t);
		buf_str(sql, " UNION ALL BY NAME FROM ");
		add_files(sql, t, hive, paths, n, true);
		buf_char(sql, ')');
	} else {
		add_files(sql, t, hive && !known, paths, n, false);
	}
	return OK;
}

int lake_view_sql(struct buf *sql, const struct table_def *t, enum catalog_layout layout,
		  const struct catalog_file *files, const char *const *paths, size_t n, bool grown,
		  struct err *e)
{
	size_t compact = 0;
	for (size_t i = 0; i < n; i++)
		compact += files[i].layout == LAYOUT_COMPACT;
	if (layout != LAYOUT_QUERY || compact == 0 || compact == n)
		return one_layout(sql, t, compact && compact == n ? LAYOUT_COMPACT : layout, files,
				  paths, n, grown, e);
	/* A published file's partition columns are in its path, a compact one's inside. */
	AUTO_FREE const char **parted = NEW_ARRAY(n, const char *);
	AUTO_FREE struct catalog_file *copies = NEW_ARRAY(n, struct catalog_file);
	size_t at[2] = {0, compact};
	for (size_t i = 0; i < n; i++) {
		size_t *next = &at[files[i].layout != LAYOUT_COMPACT];
		parted[*next] = paths[i];
		copies[(*next)++] = files[i];
	}
	int rc = one_layout(sql, t, LAYOUT_COMPACT, copies, parted, compact, grown, e);
	buf_str(sql, " UNION ALL ");
	return rc ? rc
		  : one_layout(sql, t, LAYOUT_PUBLISHED, copies + compact, parted + compact,
			       n - compact, grown, e);
}

static int count_change(void *ctx, int64_t version, int64_t at_us, const char *change)
{
	size_t *n = ctx;
	++*n;
	return OK;
}

int lake_view_grown(struct catalog *c, const struct table_def *t, bool *ret, struct err *e)
{
	size_t n = 0;
	int rc = catalog_history(c, t, count_change, &n, e);
	/* The first entry is its making. */
	*ret = n > 1;
	return rc;
}
