/* Keys of the lake: partition values to folders and back, escaped as Hive, Spark, DuckDB and
 * pyarrow all read them. A value has exactly one written form (an integer without leading zeros, a
 * date as ISO), so equal values share a folder. */
#include "path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "str.h"
#include "value.h"

/* What file systems and stores take as one segment of a key. */
#define SEGMENT_MAX_BYTES 255

/* Hive's list (FileUtils.charToEscape), with the space and the closing brace that DuckDB and Spark
 * escape beside it. */
static bool must_escape(unsigned char c)
{
	return c <= 0x20 || c == 0x7F || strchr("\"#%'*/:=?\\{}[]^", c) != NULL;
}

void path_escape(struct buf *out, const char *value)
{
	static const char digits[] = "0123456789ABCDEF";
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (must_escape(*p)) {
			const char escape[3] = {'%', digits[*p >> 4], digits[*p & 15]};
			buf_add(out, escape, sizeof(escape));
		} else {
			buf_char(out, (char)*p);
		}
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* path_escape the other way; ERR_INPUT for a bad escape. */
static int path_unescape(struct slice escaped, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < escaped.n; i++) {
		if (escaped.p[i] != '%') {
			buf_char(out, escaped.p[i]);
			continue;
		}
		int high = i + 2 < escaped.n ? hex_digit(escaped.p[i + 1]) : -1;
		int low = i + 2 < escaped.n ? hex_digit(escaped.p[i + 2]) : -1;
		/* %00 would end the value early for whoever reads it as a C string. */
		if (high < 0 || low < 0 || high + low == 0)
			return err_set(
				e, ERR_INPUT,
				"\"%.*s\" has a '%%' at byte %zu that is not followed by two hexadecimal digits of a character",
				SLICE_FMT(escaped), i);
		buf_char(out, (char)(high << 4 | low));
		i += 2;
	}
	return OK;
}

/* -- values ------------------------------------------------------------------------------------ */

static int check_integer(const struct column *column, const char *value, struct err *e)
{
	int64_t number;
	char canonical[24];
	if (int64_parse(slice_of(value), &number)) {
		snprintf(canonical, sizeof(canonical), "%" PRId64, number);
		bool fits = column->type == COL_BIGINT ||
			    (number >= INT32_MIN && number <= INT32_MAX);
		if (fits && strcmp(canonical, value) == 0)
			return OK;
	}
	return err_set(
		e, ERR_INPUT,
		"Partition column %s is a whole number, written without leading zeros or signs: found \"%s\"",
		column->name, value);
}

static int check_value(const struct column *column, const char *value, struct err *e)
{
	if (!value || !value[0])
		return err_set(
			e, ERR_INPUT,
			"Partition column %s has no value: a partition cannot be null or empty",
			column->name);
	/* Hive, DuckDB and Spark read these two folder names as null. */
	if (strcmp(value, "NULL") == 0 || strcmp(value, "__HIVE_DEFAULT_PARTITION__") == 0)
		return err_set(
			e, ERR_INPUT,
			"Partition column %s has the value \"%s\", which every reader takes for null",
			column->name, value);
	int32_t days;
	switch (column->type) {
	case COL_TEXT:
		if (!str_is_utf8(value, strlen(value)))
			return err_set(e, ERR_INPUT,
				       "Partition column %s has a value that is not UTF-8",
				       column->name);
		return OK;
	case COL_DATE:
		if (!date_parse_iso(slice_of(value), &days))
			return err_set(e, ERR_INPUT,
				       "Partition column %s is a date (YYYY-MM-DD): found \"%s\"",
				       column->name, value);
		return OK;
	case COL_INTEGER:
	case COL_BIGINT: return check_integer(column, value, e);
	default:
		return err_set(e, ERR_BUG,
			       "Partition column %s has a type that no partition column may have",
			       column->name);
	}
}

/* -- partition paths --------------------------------------------------------------------------- */

static int add_segment(struct buf *out, const struct column *column, const char *value,
		       struct err *e)
{
	int rc = check_value(column, value, e);
	if (rc)
		return rc;
	if (out->len)
		buf_char(out, '/');
	size_t start = out->len;
	path_escape(out, column->name);
	buf_char(out, '=');
	path_escape(out, value);
	if (out->len - start > SEGMENT_MAX_BYTES)
		return err_set(
			e, ERR_INPUT,
			"The value of partition column %s makes a folder name of %zu bytes: at most %d are possible",
			column->name, out->len - start, SEGMENT_MAX_BYTES);
	return OK;
}

int path_partition(struct arena *arena, const struct table_def *table, const char *const *values,
		   size_t n, const char **ret, struct err *e)
{
	AUTO_BUF struct buf path = {0};
	if (n > table->partition_count)
		return err_set(e, ERR_BUG,
			       "Table %s.%s has %zu partition columns: %zu values are too many",
			       table->database, table->name, table->partition_count, n);
	for (size_t i = 0; i < n; i++) {
		int rc = add_segment(&path, &table->partition[i], values[i], e);
		if (rc)
			return rc;
	}
	*ret = arena_strndup(arena, path.data ? path.data : "", path.len);
	return OK;
}

static int segment_value(struct arena *arena, const struct column *column, struct slice segment,
			 const char **ret, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	struct slice value = segment;
	struct slice name = slice_cut(&value, '=');
	int rc = path_unescape(name, &text, e);
	if (rc)
		return rc;
	if (name.n == segment.n || !slice_is(buf_slice(&text), column->name))
		return err_set(e, ERR_INPUT, "\"%.*s\" stands where the folder %s=... is expected",
			       SLICE_FMT(segment), column->name);
	buf_reset(&text);
	rc = path_unescape(value, &text, e);
	if (rc)
		return rc;
	const char *plain = arena_strndup(arena, text.data ? text.data : "", text.len);
	rc = check_value(column, plain, e);
	if (rc == OK)
		*ret = plain;
	return rc;
}

int path_values(struct arena *arena, const struct table_def *table, const char *path,
		const char **ret_values, size_t *ret_count, struct err *e)
{
	const char *values[TABLE_MAX_PARTITION];
	size_t n = 0;
	struct slice rest = slice_of(path);
	bool more = rest.n > 0;
	while (more) {
		size_t before = rest.n;
		struct slice segment = slice_cut(&rest, '/');
		more = segment.n < before;
		if (n == table->partition_count)
			return err_set(
				e, ERR_INPUT,
				"\"%s\" has more folders than table %s.%s has partition columns",
				path, table->database, table->name);
		int rc = segment_value(arena, &table->partition[n], segment, &values[n], e);
		if (rc)
			return rc;
		n++;
	}
	for (size_t i = 0; i < n; i++)
		ret_values[i] = values[i];
	*ret_count = n;
	return OK;
}

/* -- keys -------------------------------------------------------------------------------------- */

const char *path_key(struct arena *arena, const struct table_def *table, const char *partition_path,
		     const char *name)
{
	if (!partition_path[0])
		return arena_printf(arena, "%s/%s.parquet", table->location, name);
	return arena_printf(arena, "%s/%s/%s.parquet", table->location, partition_path, name);
}

int path_of_key(struct arena *arena, const struct table_def *table, const char *key,
		const char **ret_path, struct err *e)
{
	size_t location = strlen(table->location);
	struct slice whole = slice_of(key);
	if (!slice_starts(whole, table->location) || key[location] != '/' ||
	    !slice_ends(whole, ".parquet"))
		return err_set(
			e, ERR_INPUT,
			"\"%s\" is not a file of table %s.%s, which lie in %s/ and end in .parquet",
			key, table->database, table->name, table->location);
	const char *below = key + location + 1;
	const char *name = strrchr(key, '/') + 1;
	const char *path = name > below ? arena_strndup(arena, below, (size_t)(name - 1 - below))
					: "";
	const char *values[TABLE_MAX_PARTITION];
	size_t n;
	int rc = path_values(arena, table, path, values, &n, e);
	if (rc)
		return rc;
	if (n != table->partition_count || (name > below && !path[0]))
		return err_set(e, ERR_INPUT,
			       "\"%s\" has %zu partition folders, table %s.%s has %zu", key, n,
			       table->database, table->name, table->partition_count);
	*ret_path = path;
	return OK;
}

int path_compact_key(struct arena *arena, const struct table_def *table, const char *scope,
		     bool month, const char *name, const char **ret, struct err *e)
{
	AUTO_BUF struct buf key = {0};
	const char *values[TABLE_MAX_PARTITION];
	const char *date = NULL;
	size_t n;
	if (!table->compact_location)
		return err_set(e, ERR_BUG, "Table %s.%s has no compact layout", table->database,
			       table->name);
	int rc = path_values(arena, table, scope, values, &n, e);
	if (rc)
		return rc;
	if (n != table->scope_count)
		return err_set(
			e, ERR_INPUT,
			"\"%s\" is not a whole scope of table %s.%s: it has %zu folders of %zu",
			scope, table->database, table->name, n, table->scope_count);
	buf_str(&key, table->compact_location);
	for (size_t i = 0; i < n; i++) {
		if (table->partition[i].type == COL_DATE && !date) {
			date = values[i];
			continue;
		}
		buf_char(&key, '/');
		path_escape(&key, table->partition[i].name);
		buf_char(&key, '=');
		path_escape(&key, values[i]);
	}
	/* YYYY-MM of YYYY-MM-DD */
	buf_printf(&key, "/%.*s-%s.parquet", month && date ? 7 : 16, date ? date : "all", name);
	*ret = arena_strndup(arena, key.data, key.len);
	return OK;
}
