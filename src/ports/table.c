/* Types by name, table definitions to and from JSON, single values as text. */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "mem.h"

static const struct {
	const char *name;
	size_t width_bytes;
} types[] = {
	[COL_BOOLEAN] = {"BOOLEAN", 1},
	[COL_INTEGER] = {"INTEGER", 4},
	[COL_BIGINT] = {"BIGINT", 8},
	[COL_HUGEINT] = {"HUGEINT", 16},
	[COL_DOUBLE] = {"DOUBLE", 8},
	[COL_DECIMAL] = {"DECIMAL", 0},
	[COL_DATE] = {"DATE", 4},
	[COL_TIMESTAMP] = {"TIMESTAMP", 8},
	[COL_TEXT] = {"VARCHAR", sizeof(struct slice)},
};
#define PRECISION_MAX   38
#define PRECISION_IN_64 18 /* digits that an int64 holds whatever they are */
#define TYPE_TEXT_MAX   64

const char *column_type_format(const struct column *c, char buf[COLUMN_TYPE_SIZE])
{
	if (c->type == COL_DECIMAL)
		snprintf(buf, COLUMN_TYPE_SIZE, "DECIMAL(%d,%d)", c->precision, c->scale);
	else
		snprintf(buf, COLUMN_TYPE_SIZE, "%s", types[c->type].name);
	return buf;
}

/* "(9,3)" or "(9, 3)" */
static bool parse_digits(struct slice s, int *ret_precision, int *ret_scale)
{
	if (!slice_starts(s, "(") || !slice_ends(s, ")"))
		return false;
	struct slice scale = {s.p + 1, s.n - 2};
	struct slice precision = slice_trim(slice_cut(&scale, ','));
	int64_t p, n;
	if (!int64_parse(precision, &p) || !int64_parse(slice_trim(scale), &n))
		return false;
	if (p < 1 || p > PRECISION_MAX || n < 0 || n > p)
		return false;
	*ret_precision = (int)p;
	*ret_scale = (int)n;
	return true;
}

int column_type_parse(const char *text, struct column *ret, struct err *e)
{
	struct slice s = slice_of(text);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (i == COL_DECIMAL || !slice_is(s, types[i].name))
			continue;
		ret->type = (enum column_type)i;
		ret->precision = 0;
		ret->scale = 0;
		return OK;
	}
	if (slice_starts(s, "DECIMAL")) {
		size_t n = strlen("DECIMAL");
		if (parse_digits((struct slice){s.p + n, s.n - n}, &ret->precision, &ret->scale)) {
			ret->type = COL_DECIMAL;
			return OK;
		}
		return err_set(
			e, ERR_INPUT,
			"\"%.*s\" is no decimal type, expected DECIMAL(digits,decimals) with 1 to %d "
			"digits, of which 0 or more are decimals",
			TYPE_TEXT_MAX, text, PRECISION_MAX);
	}
	return err_set(
		e, ERR_INPUT,
		"unknown type \"%.*s\", expected one of BOOLEAN, INTEGER, BIGINT, HUGEINT, DOUBLE, "
		"DECIMAL(digits,decimals), DATE, TIMESTAMP, VARCHAR",
		TYPE_TEXT_MAX, text);
}

bool column_is_number(const struct column *c)
{
	return c->type == COL_INTEGER || c->type == COL_BIGINT || c->type == COL_HUGEINT ||
	       c->type == COL_DOUBLE || c->type == COL_DECIMAL;
}

size_t column_width_bytes(const struct column *c)
{
	if (c->type == COL_DECIMAL)
		return c->precision <= PRECISION_IN_64 ? sizeof(int64_t) : sizeof(int128);
	return types[c->type].width_bytes;
}

int column_compare(const struct column *column, const char *a, const char *b)
{
	int64_t x, y;
	if ((column->type == COL_INTEGER || column->type == COL_BIGINT) &&
	    int64_parse(slice_of(a), &x) && int64_parse(slice_of(b), &y))
		return (x > y) - (x < y);
	return strcmp(a, b);
}

void column_widen(const struct column *column, const char **low, const char **high,
		  const char *from, const char *to)
{
	if (!*low || (from && column_compare(column, from, *low) < 0))
		*low = from;
	if (!*high || (to && column_compare(column, to, *high) > 0))
		*high = to;
}

static const struct column *find(const struct column *columns, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

const struct column *table_column(const struct table_def *t, const char *name)
{
	const struct column *c = find(t->columns, t->column_count, name);
	return c ? c : find(t->partition, t->partition_count, name);
}

static struct column *copy_columns(struct arena *a, const struct column *columns, size_t count)
{
	struct column *copy = ANEW_ARRAY(a, count, struct column);
	for (size_t i = 0; i < count; i++) {
		copy[i] = columns[i];
		copy[i].name = arena_strdup(a, columns[i].name);
		copy[i].doc = arena_strdup(a, columns[i].doc);
	}
	return copy;
}

struct table_def *table_copy(struct arena *a, const struct table_def *t)
{
	struct table_def *copy = ANEW(a, struct table_def);
	*copy = *t;
	copy->database = arena_strdup(a, t->database);
	copy->name = arena_strdup(a, t->name);
	copy->doc = arena_strdup(a, t->doc);
	copy->columns = copy_columns(a, t->columns, t->column_count);
	copy->partition = copy_columns(a, t->partition, t->partition_count);
	copy->location = arena_strdup(a, t->location);
	copy->compact_location = arena_strdup(a, t->compact_location);
	const char **sort = ANEW_ARRAY(a, t->sort_count, const char *);
	for (size_t i = 0; i < t->sort_count; i++)
		sort[i] = arena_strdup(a, t->sort[i]);
	copy->sort = sort;
	return copy;
}

static void set_str(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

static json_t *columns_to_json(const struct column *columns, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++) {
		char type[COLUMN_TYPE_SIZE];
		json_t *o = json_object();
		set_str(o, "name", columns[i].name);
		set_str(o, "type", column_type_format(&columns[i], type));
		set_str(o, "doc", columns[i].doc);
		json_array_append_new(array, o);
	}
	return array;
}

void table_to_json(const struct table_def *t, struct buf *out)
{
	AUTO_JSON json_t *o = json_object();
	set_str(o, "database", t->database);
	set_str(o, "name", t->name);
	set_str(o, "doc", t->doc);
	json_object_set_new(o, "columns", columns_to_json(t->columns, t->column_count));
	json_object_set_new(o, "partition", columns_to_json(t->partition, t->partition_count));
	set_str(o, "location", t->location);
	json_object_set_new(o, "scope_count", json_integer((json_int_t)t->scope_count));
	set_str(o, "compact_location", t->compact_location);
	json_t *sort = json_array();
	for (size_t i = 0; i < t->sort_count; i++)
		json_array_append_new(sort, json_string(t->sort[i]));
	json_object_set_new(o, "sort", sort);
	json_canonical(o, out);
}

static int columns_from_json(struct arena *a, const json_t *o, const char *key, size_t max,
			     struct column **ret, size_t *ret_count, struct err *e)
{
	json_t *array;
	int rc = json_get_array(o, key, &array, e);
	*ret_count = 0;
	if (rc < 0)
		return rc;
	size_t count = json_array_size(array);
	if (count > max)
		return err_set(e, ERR_LIMIT, "\"%s\" has %zu columns, at most %zu are possible",
			       key, count, max);
	struct column *columns = ANEW_ARRAY(a, count, struct column);
	for (size_t i = 0; i < count; i++) {
		const json_t *c = json_array_get(array, i);
		const char *name, *type;
		rc = json_get_str(c, "name", &name, e);
		if (rc == OK)
			rc = json_get_str(c, "type", &type, e);
		if (rc == OK)
			rc = column_type_parse(type, &columns[i], e);
		if (rc < 0)
			return err_wrap(e, "\"%s\", entry %zu", key, i + 1);
		columns[i].name = arena_strdup(a, name);
		columns[i].doc = arena_strdup(a, json_opt_str(c, "doc", NULL));
	}
	*ret = columns;
	*ret_count = count;
	return OK;
}

static int sort_from_json(struct arena *a, const json_t *o, struct table_def *t, struct err *e)
{
	json_t *array;
	int rc = json_get_array(o, "sort", &array, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(array);
	if (count > TABLE_MAX_COLUMNS + TABLE_MAX_PARTITION)
		return err_set(e, ERR_LIMIT, "\"sort\" has %zu columns, at most %d are possible",
			       count, TABLE_MAX_COLUMNS + TABLE_MAX_PARTITION);
	const char **sort = ANEW_ARRAY(a, count, const char *);
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(array, i));
		if (!name || !table_column(t, name))
			return err_set(e, ERR_INPUT,
				       "\"sort\", entry %zu: \"%s\" is no column of the table",
				       i + 1, name ? name : "");
		sort[i] = arena_strdup(a, name);
	}
	t->sort = sort;
	t->sort_count = count;
	return OK;
}

static int table_from_object(struct arena *a, const json_t *o, struct table_def *t, struct err *e)
{
	struct column *columns = NULL, *partition = NULL;
	const char *database = NULL, *name = NULL, *location = NULL;
	int64_t scope_count = 0;
	int rc = json_get_str(o, "database", &database, e);
	if (rc == OK)
		rc = json_get_str(o, "name", &name, e);
	if (rc == OK)
		rc = json_get_str(o, "location", &location, e);
	if (rc == OK)
		rc = json_get_int(o, "scope_count", &scope_count, e);
	if (rc == OK)
		rc = columns_from_json(a, o, "columns", TABLE_MAX_COLUMNS, &columns,
				       &t->column_count, e);
	if (rc == OK)
		rc = columns_from_json(a, o, "partition", TABLE_MAX_PARTITION, &partition,
				       &t->partition_count, e);
	if (rc != OK)
		return rc;
	if (scope_count < 0 || (size_t)scope_count > t->partition_count)
		return err_set(e, ERR_INPUT,
			       "\"scope_count\" is %" PRId64
			       ", expected 0 to %zu, as many as there are "
			       "partition columns",
			       scope_count, t->partition_count);
	t->database = arena_strdup(a, database);
	t->name = arena_strdup(a, name);
	t->doc = arena_strdup(a, json_opt_str(o, "doc", NULL));
	t->columns = columns;
	t->partition = partition;
	t->location = arena_strdup(a, location);
	t->scope_count = (size_t)scope_count;
	t->compact_location = arena_strdup(a, json_opt_str(o, "compact_location", NULL));
	return sort_from_json(a, o, t, e);
}

int table_from_json(struct arena *a, struct slice json, struct table_def **ret, struct err *e)
{
	AUTO_JSON json_t *o = NULL;
	struct table_def *t = ANEW(a, struct table_def);
	int rc = json_parse(json.p, json.n, &o, e);
	if (rc == OK)
		rc = table_from_object(a, o, t, e);
	if (rc < 0)
		return err_wrap(e, "table definition");
	*ret = t;
	return OK;
}

/* The shortest text that reads back as the same number. */
static void double_text(double value, struct buf *out)
{
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_str(out, text);
}

/* As DuckDB writes it: "2026-11-23 17:12:00", and a fraction without the zeros at its end when
 * there is one. */
static void timestamp_text(int64_t us, struct buf *out)
{
	char iso[TIME_TEXT_SIZE];
	struct slice clock = slice_of(time_format_utc(us, iso));
	struct slice date = slice_cut(&clock, 'T');
	clock.n--; /* the Z */
	while (clock.p[clock.n - 1] == '0' && clock.n > 8)
		clock.n--;
	if (clock.p[clock.n - 1] == '.')
		clock.n--;
	buf_printf(out, "%.*s %.*s", SLICE_FMT(date), SLICE_FMT(clock));
}

static int128 read_int128(const void *data, size_t row)
{
	/* Foreign memory need not be aligned to 16 bytes, which an int128 of our own would have to
	 * be. */
	int128 value;
	memcpy(&value, (const char *)data + row * sizeof(value), sizeof(value));
	return value;
}

bool batch_text(const struct batch *b, size_t column, size_t row, struct buf *out)
{
	const struct column *c = &b->columns[column];
	const struct vector *v = &b->vectors[column];
	char text[DECIMAL_TEXT_SIZE];
	if (v->valid && !v->valid[row])
		return false;
	switch (c->type) {
	case COL_BOOLEAN: buf_str(out, ((const uint8_t *)v->data)[row] ? "true" : "false"); break;
	case COL_INTEGER: buf_printf(out, "%" PRId32, ((const int32_t *)v->data)[row]); break;
	case COL_BIGINT: buf_printf(out, "%" PRId64, ((const int64_t *)v->data)[row]); break;
	case COL_HUGEINT: buf_str(out, decimal_format(read_int128(v->data, row), 0, text)); break;
	case COL_DOUBLE: double_text(((const double *)v->data)[row], out); break;
	case COL_DECIMAL: {
		int128 scaled = c->precision <= PRECISION_IN_64
					? (int128)((const int64_t *)v->data)[row]
					: read_int128(v->data, row);
		buf_str(out, decimal_format(scaled, c->scale, text));
		break;
	}
	case COL_DATE: buf_str(out, date_format(((const int32_t *)v->data)[row], text)); break;
	case COL_TIMESTAMP: timestamp_text(((const int64_t *)v->data)[row], out); break;
	case COL_TEXT: {
		struct slice s = ((const struct slice *)v->data)[row];
		buf_add(out, s.p, s.n);
		break;
	}
	}
	return true;
}
