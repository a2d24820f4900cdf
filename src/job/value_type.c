/* The rules between types (see value_type.h). DuckDB's own were tried with typeof();
 * test_job_expr.c compares both. */
#include "value_type.h"

#include <stdio.h>

#define MAX_DIGITS          38
#define DUCKDB_SMALL_DIGITS 18 /* what an int64_t holds */

static int max_int(int a, int b)
{
	return a > b ? a : b;
}

static int min_int(int a, int b)
{
	return a < b ? a : b;
}

struct value_type value_type_of(const struct column *c)
{
	struct value_type t = {.type = c->type};
	if (c->type == COL_DECIMAL) {
		t.precision = c->precision;
		t.scale = c->scale;
	}
	return t;
}

struct column value_type_column(struct value_type t, const char *name, const char *doc)
{
	return (struct column){.name = name,
			       .type = t.type,
			       .precision = t.precision,
			       .scale = t.scale,
			       .doc = doc};
}

bool value_type_equal(struct value_type a, struct value_type b)
{
	if (a.null || b.null)
		return a.null && b.null;
	return a.type == b.type &&
	       (a.type != COL_DECIMAL || (a.precision == b.precision && a.scale == b.scale));
}

const char *value_type_text(struct value_type t, char buf[COLUMN_TYPE_SIZE])
{
	if (t.null) {
		snprintf(buf, COLUMN_TYPE_SIZE, "NULL");
		return buf;
	}
	struct column c = value_type_column(t, NULL, NULL);
	return column_type_format(&c, buf);
}

bool value_type_is_integer(struct value_type t)
{
	return !t.null && (t.type == COL_INTEGER || t.type == COL_BIGINT || t.type == COL_HUGEINT);
}

bool value_type_is_exact(struct value_type t)
{
	return value_type_is_integer(t) || (!t.null && t.type == COL_DECIMAL);
}

int value_type_whole_digits(struct value_type t)
{
	switch (t.type) {
	case COL_INTEGER: return 10;
	case COL_BIGINT: return 19;
	case COL_HUGEINT: return 39;
	default: return t.precision - t.scale;
	}
}

struct value_type value_type_as_decimal(struct value_type t)
{
	return value_type_is_integer(t) ? TYPE_DECIMAL(value_type_whole_digits(t), 0) : t;
}

bool value_type_common(struct value_type a, struct value_type b, struct value_type *ret)
{
	if (a.null || b.null) {
		*ret = a.null ? b : a;
		return true;
	}
	if (value_type_equal(a, b)) {
		*ret = a;
		return true;
	}
	if (!value_type_is_exact(a) || !value_type_is_exact(b))
		return false;
	if (a.type != COL_DECIMAL && b.type != COL_DECIMAL) {
		*ret = value_type_whole_digits(a) > value_type_whole_digits(b) ? a : b;
		return true;
	}
	int whole = max_int(value_type_whole_digits(a), value_type_whole_digits(b));
	int scale = max_int(a.scale, b.scale);
	if (whole + scale > MAX_DIGITS)
		return false;
	*ret = TYPE_DECIMAL(whole + scale, scale);
	return true;
}

static const char no_such[] = "there is no such conversion";
static const char would_round[] = "it would round; use round(value, decimals) first";
static const char from_text[] =
	"text is read by parse_integer, parse_decimal or parse_date, which refuse what they cannot read exactly";
static const char from_float[] = "a binary float is not exact";

static enum conversion refused(const char *reason, const char **why)
{
	*why = reason;
	return CONVERT_REFUSED;
}

/* Both are integers or decimals. */
static enum conversion convert_exact(struct value_type from, struct value_type to, const char **why)
{
	if (from.scale > to.scale)
		return refused(would_round, why);
	bool fits = value_type_whole_digits(from) <= value_type_whole_digits(to);
	/* Ten digits are more than an INTEGER holds, nineteen more than a BIGINT. */
	if (from.type == COL_DECIMAL && to.type != COL_DECIMAL)
		fits = value_type_whole_digits(from) < value_type_whole_digits(to);
	return fits ? CONVERT_WIDEN : CONVERT_CHECKED;
}

enum conversion value_type_convert(struct value_type from, struct value_type to, const char **why)
{
	if (from.null)
		return CONVERT_CAST;
	if (value_type_equal(from, to))
		return CONVERT_SAME;
	if (value_type_is_exact(from) && value_type_is_exact(to))
		return convert_exact(from, to, why);
	if (from.type == COL_DOUBLE)
		return refused(from_float, why);
	if (from.type == COL_TEXT)
		return refused(from_text, why);
	if (to.type == COL_TEXT || (to.type == COL_DOUBLE && value_type_is_exact(from)))
		return CONVERT_CAST;
	if ((from.type == COL_DATE && to.type == COL_TIMESTAMP) ||
	    (from.type == COL_TIMESTAMP && to.type == COL_DATE))
		return CONVERT_CAST;
	return refused(no_such, why);
}

bool value_type_arithmetic(enum arithmetic op, struct value_type a, struct value_type b,
			   struct value_type *ret)
{
	if (!value_type_is_exact(a) || !value_type_is_exact(b))
		return false;
	if (a.type != COL_DECIMAL && b.type != COL_DECIMAL)
		return value_type_common(a, b, ret);
	a = value_type_as_decimal(a);
	b = value_type_as_decimal(b);
	/* A HUGEINT beside a decimal: no decimal holds it. */
	if (a.precision > MAX_DIGITS || b.precision > MAX_DIGITS)
		return false;
	if (op == ARITHMETIC_MULTIPLY) {
		if (a.scale + b.scale > MAX_DIGITS)
			return false;
		*ret = TYPE_DECIMAL(min_int(a.precision + b.precision, MAX_DIGITS),
				    a.scale + b.scale);
		return true;
	}
	int scale = max_int(a.scale, b.scale);
	int whole = max_int(value_type_whole_digits(a), value_type_whole_digits(b)) + 1;
	if (whole - 1 + scale > MAX_DIGITS)
		return false;
	*ret = TYPE_DECIMAL(min_int(whole + scale, MAX_DIGITS), scale);
	return true;
}

struct value_type value_type_duckdb_arithmetic(enum arithmetic op, struct value_type a,
					       struct value_type b)
{
	if (a.type != COL_DECIMAL && b.type != COL_DECIMAL)
		return value_type_whole_digits(a) > value_type_whole_digits(b) ? a : b;
	int widest = max_int(a.precision, b.precision);
	int scale = op == ARITHMETIC_MULTIPLY ? a.scale + b.scale : max_int(a.scale, b.scale);
	int digits = op == ARITHMETIC_MULTIPLY
			     ? a.precision + b.precision
			     : max_int(value_type_whole_digits(a), value_type_whole_digits(b)) +
				       scale + 1;
	if (digits > DUCKDB_SMALL_DIGITS && widest <= DUCKDB_SMALL_DIGITS &&
	    (op != ARITHMETIC_MULTIPLY || scale < DUCKDB_SMALL_DIGITS))
		digits = DUCKDB_SMALL_DIGITS;
	return TYPE_DECIMAL(min_int(digits, MAX_DIGITS), scale);
}
