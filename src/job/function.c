/* The table of functions and of aggregates. A new one is a row; what its row cannot say stands in a
 * `type` function above the table. */
#include "function.h"

#include <string.h>

#include "tr.h"

/* A whole number written out, as the rows' '#' promises. */
static int64_t literal_int(const struct expr *call, size_t i)
{
	int64_t n = 0;
	bool ok = int64_parse(slice_of(call->args[i]->text), &n);
	return ok ? n : -1;
}

static int out_of_range(const struct expr *call, size_t i, int64_t low, int64_t high,
			const char *place, struct err *e)
{
	int code = err_set(e, ERR_INPUT, "argument %zu of %s is %s, expected %lld to %lld", i + 1,
			   call->function->name, call->args[i]->text, (long long)low,
			   (long long)high);
	return expr_error(place, call->args[i]->at, e, code);
}

static int type_round(struct arena *arena, struct expr *call, const char *place, struct err *e)
{
	struct value_type t = call->args[0]->type;
	int64_t decimals = literal_int(call, 1);
	if (t.type != COL_DECIMAL) {
		int code = err_set(e, ERR_INPUT,
				   "round is for decimals; an integer has nothing to round");
		return expr_error(place, call->args[0]->at, e, code);
	}
	if (decimals < 0 || decimals > t.scale)
		return out_of_range(call, 1, 0, t.scale, place, e);
	call->type = TYPE_DECIMAL(t.precision, (int)decimals);
	return OK;
}

static int type_round_div(struct arena *arena, struct expr *call, const char *place, struct err *e)
{
	struct value_type a = call->args[0]->type, b = call->args[1]->type;
	int64_t decimals = literal_int(call, 2);
	if (decimals < 0 || decimals > 18)
		return out_of_range(call, 2, 0, 18, place, e);
	struct quotient q = {a.scale, b.scale, (int)decimals};
	/* Integers have no scale, but a type that once was a decimal may have kept one. */
	if (a.type != COL_DECIMAL)
		q.scale_a = 0;
	if (b.type != COL_DECIMAL)
		q.scale_b = 0;
	int digits = value_type_whole_digits(a) + q.scale_b + q.decimals;
	if (!quotient_fits(q)) {
		int code = err_set(
			e, ERR_INPUT,
			"round_div needs more than 38 digits in between; cast its arguments to fewer decimals first");
		return expr_error(place, call->at, e, code);
	}
	call->type = TYPE_DECIMAL(digits > 38 ? 38 : digits < 1 ? 1 : digits, q.decimals);
	return OK;
}

static int type_parse_decimal(struct arena *arena, struct expr *call, const char *place,
			      struct err *e)
{
	int64_t precision = literal_int(call, 1), scale = literal_int(call, 2);
	if (precision < 1 || precision > 38)
		return out_of_range(call, 1, 1, 38, place, e);
	if (scale < 0 || scale > precision)
		return out_of_range(call, 2, 0, precision, place, e);
	call->type = TYPE_DECIMAL((int)precision, (int)scale);
	call->aux[0] = scale ? arena_printf(arena, "'^-?[0-9]+([.][0-9]{1,%d})?$'", (int)scale)
			     : "'^-?[0-9]+$'";
	return OK;
}

/* Positions are written out because dialects disagree about what zero and negative ones mean. */
static int type_substr(struct arena *arena, struct expr *call, const char *place, struct err *e)
{
	if (literal_int(call, 1) < 1 || literal_int(call, 1) > 1000000)
		return out_of_range(call, 1, 1, 1000000, place, e);
	if (literal_int(call, 2) < 0 || literal_int(call, 2) > 1000000)
		return out_of_range(call, 2, 0, 1000000, place, e);
	return OK;
}

static int type_lpad(struct arena *arena, struct expr *call, const char *place, struct err *e)
{
	if (literal_int(call, 1) < 0 || literal_int(call, 1) > 1000)
		return out_of_range(call, 1, 0, 1000, place, e);
	if (call->args[2]->kind != EXPR_LITERAL || !call->args[2]->text[0]) {
		int code = err_set(e, ERR_INPUT,
				   "argument 3 of lpad is the text to fill with, written out");
		return expr_error(place, call->args[2]->at, e, code);
	}
	return OK;
}

#define SPARK_FLOOR(microseconds) \
	"timestamp_micros(unix_micros($1) - pmod(unix_micros($1), " microseconds "))"

static const struct function functions[] = {
	{"as_of", "", 'd', NULL, "$D", "$D", "as_of() DATE", "the run's as-of date"},

	{"upper", "t", 't', NULL, "upper($1)", "upper($1)", "upper(text) VARCHAR", "in capitals"},
	{"lower", "t", 't', NULL, "lower($1)", "lower($1)", "lower(text) VARCHAR",
	 "in small letters"},
	{"trim", "t", 't', NULL, "trim($1)", "trim($1)", "trim(text) VARCHAR",
	 "without spaces at both ends"},
	{"length", "t", 'B', NULL, "length($1)", "CAST(length($1) AS BIGINT)",
	 "length(text) BIGINT", "characters in it"},
	{"substr", "t##", 't', type_substr, "substr($1, $2, $3)", "substr($1, $2, $3)",
	 "substr(text, from, length) VARCHAR",
	 "a part of it; from counts from 1; from and length are written out"},
	{"replace", "ttt", 't', NULL, "replace($1, $2, $3)", "replace($1, $2, $3)",
	 "replace(text, what, by) VARCHAR", "every `what` replaced"},
	{"lpad", "t#t", 't', type_lpad, "lpad($1, $2, $3)", "lpad($1, $2, $3)",
	 "lpad(text, length, fill) VARCHAR", "filled at the left, or cut, to the length"},
	{"concat", "tt+", 't', NULL, "($|)", "concat($*)", "concat(text, text, ...) VARCHAR",
	 "one after the other; null when any is null"},
	{"starts_with", "tt", 'b', NULL, "starts_with($1, $2)", "startswith($1, $2)",
	 "starts_with(text, part) BOOLEAN", "does it begin so"},
	{"ends_with", "tt", 'b', NULL, "ends_with($1, $2)", "endswith($1, $2)",
	 "ends_with(text, part) BOOLEAN", "does it end so"},
	{"contains", "tt", 'b', NULL, "contains($1, $2)", "contains($1, $2)",
	 "contains(text, part) BOOLEAN", "is it somewhere in it"},
	{"parse_integer", "t", 'B', NULL, "CAST(regexp_extract($1, '^-?[0-9]+$$') AS BIGINT)",
	 "CAST(regexp_extract($1, '^-?[0-9]+$$', 0) AS BIGINT)", "parse_integer(text) BIGINT",
	 "digits and nothing else; other text fails the run"},
	{"parse_decimal", "t##", '=', type_parse_decimal, "CAST(regexp_extract($1, $A) AS $T)",
	 "CAST(regexp_extract($1, $A, 0) AS $T)",
	 "parse_decimal(text, digits, decimals) DECIMAL(digits,decimals)",
	 "with a decimal point and no more decimals than said; other text fails the run"},
	{"parse_date", "t", 'd', NULL,
	 "CAST(regexp_extract($1, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$$') AS DATE)",
	 "CAST(regexp_extract($1, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$$', 0) AS DATE)",
	 "parse_date(text) DATE", "YYYY-MM-DD; other text fails the run"},

	{"abs", "n", '1', NULL, "abs($1)", "abs($1)", "abs(number) its type", "without the sign"},
	{"round", "n#", '=', type_round, "round($1, $2)", "CAST(round($1, $2) AS $T)",
	 "round(decimal, decimals) DECIMAL(same digits,decimals)",
	 "half away from zero; decimals are written out"},
	{"round_div", "nn#", '=', type_round_div, "$Q", "$Q",
	 "round_div(a, b, decimals) DECIMAL(...,decimals)",
	 "a / b, exact, rounded half away from zero; null when b is 0"},
	{"int_div", "ii", 'a', NULL, "(($1) // ($2))", "CAST(($1) div nullif($2, 0) AS $T)",
	 "int_div(a, b) their type", "a / b without its decimals; null when b is 0"},
	{"mod", "ii", 'a', NULL, "(($1) % ($2))", "(($1) % nullif($2, 0))", "mod(a, b) their type",
	 "what int_div leaves, with the sign of a; null when b is 0"},
	{"greatest", "aa+", 'a', NULL, "greatest($*)", "greatest($*)",
	 "greatest(a, b, ...) their type", "the largest; nulls are left out"},
	{"least", "aa+", 'a', NULL, "least($*)", "least($*)", "least(a, b, ...) their type",
	 "the smallest; nulls are left out"},

	{"days_between", "dd", 'I', NULL, "CAST(date_diff('day', $1, $2) AS INTEGER)",
	 "datediff($2, $1)", "days_between(from, to) INTEGER",
	 "to - from in days; negative when to is earlier"},
	{"add_days", "di", 'd', NULL, "CAST(($1) + CAST($2 AS INTEGER) AS DATE)",
	 "date_add($1, CAST($2 AS INT))", "add_days(date, days) DATE", "so many days later"},
	{"year", "d", 'I', NULL, "CAST(year($1) AS INTEGER)", "year($1)", "year(date) INTEGER",
	 "2024"},
	{"month", "d", 'I', NULL, "CAST(month($1) AS INTEGER)", "month($1)", "month(date) INTEGER",
	 "1 to 12"},
	{"day", "d", 'I', NULL, "CAST(day($1) AS INTEGER)", "day($1)", "day(date) INTEGER",
	 "1 to 31"},
	{"weekday", "d", 'I', NULL, "CAST(isodow($1) AS INTEGER)", "(weekday($1) + 1)",
	 "weekday(date) INTEGER", "1 Monday to 7 Sunday"},
	/* Spark's own date_trunc goes by the session's time zone. */
	{"minute_start", "s", 's', NULL, "date_trunc('minute', $1)", SPARK_FLOOR("60000000"),
	 "minute_start(timestamp) TIMESTAMP", "when its minute began"},
	{"hour_start", "s", 's', NULL, "date_trunc('hour', $1)", SPARK_FLOOR("3600000000"),
	 "hour_start(timestamp) TIMESTAMP", "when its hour began"},
	{"day_start", "s", 's', NULL, "CAST(date_trunc('day', $1) AS TIMESTAMP)",
	 SPARK_FLOOR("86400000000"), "day_start(timestamp) TIMESTAMP",
	 "when its day began, in UTC"},
	{"month_start", "d", 'd', NULL, "CAST(date_trunc('month', $1) AS DATE)", "trunc($1, 'MM')",
	 "month_start(date) DATE", "the first day of its month"},

	{"coalesce", "aa+", 'a', NULL, "coalesce($*)", "coalesce($*)",
	 "coalesce(a, b, ...) their type", "the first that is not null"},
	{"nullif", "aa", 'a', NULL, "nullif($1, $2)", "nullif($1, $2)", "nullif(a, b) their type",
	 "a, but null when it equals b"},
	{"if", "baa", 'a', NULL, "CASE WHEN $1 THEN $2 ELSE $3 END",
	 "CASE WHEN $1 THEN $2 ELSE $3 END", "if(condition, a, b) their type",
	 "a where the condition holds, else b"},
};

static const struct aggregate_function aggregates[] = {
	{"sum", "sum($1)", "sum($1)", "sum of a number",
	 "HUGEINT of integers, DECIMAL(38,s) of decimals, unless \"type\" says another"},
	{"count", "count($1)", "count($1)", "count of a column, or of rows without \"of\"",
	 "BIGINT; of a column: where it is not null"},
	{"count_distinct", "count(DISTINCT $1)", "count(DISTINCT $1)", "count_distinct of a column",
	 "BIGINT; different values, null left out"},
	{"min", "min($1)", "min($1)", "min of a column", "its type"},
	{"max", "max($1)", "max($1)", "max of a column", "its type"},
	/* The value itself is the last of the order, so that rows which are equal in all the others
	 * give the same whatever order they are read in. Both dialects keep one row a group. */
	{"first", "arg_min($1, row($O)) FILTER (WHERE $N)",
	 "min_by($1, struct($O)) FILTER (WHERE $N)", "first of a column, by \"order\"",
	 "its type; rows with a null in it or in the order left out; of equal rows the smallest value"},
	{"last", "arg_max($1, row($O)) FILTER (WHERE $N)",
	 "max_by($1, struct($O)) FILTER (WHERE $N)", "last of a column, by \"order\"",
	 "its type; rows with a null in it or in the order left out; of equal rows the largest value"},
	{"avg", NULL, NULL, "avg of a number",
	 "exact; \"type\" must be there, a DECIMAL(p,s): it is rounded half away from zero to s decimals"},
};

#define NEAREST(table, name)                                         \
	do {                                                         \
		const char *names[ARRAY_LEN(table)];                 \
		for (size_t i_ = 0; i_ < ARRAY_LEN(table); i_++)     \
			names[i_] = (table)[i_].name;                \
		return str_nearest((name), names, ARRAY_LEN(names)); \
	} while (0)

const struct function *function_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

const char *function_nearest(const char *name)
{
	NEAREST(functions, name);
}

const struct function *function_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(functions);
	return functions;
}

const struct aggregate_function *aggregate_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(aggregates); i++)
		if (strcmp(aggregates[i].name, name) == 0)
			return &aggregates[i];
	return NULL;
}

const char *aggregate_nearest(const char *name)
{
	NEAREST(aggregates, name);
}

const struct aggregate_function *aggregate_table(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(aggregates);
	return aggregates;
}

bool aggregate_is_ordered(const struct aggregate_function *f)
{
	return strcmp(f->name, "first") == 0 || strcmp(f->name, "last") == 0;
}

static int natural_type(const struct aggregate_function *f, const struct column *of,
			struct value_type *ret, struct err *e)
{
	char text[COLUMN_TYPE_SIZE];
	if (strcmp(f->name, "count") == 0) {
		*ret = TYPE_OF(COL_BIGINT);
		return OK;
	}
	if (!of)
		return err_set(e, ERR_INPUT, "'%s' needs \"of\": the column it is taken of",
			       f->name);
	struct value_type t = value_type_of(of);
	bool adds = strcmp(f->name, "sum") == 0 || strcmp(f->name, "avg") == 0;
	if (adds && !value_type_is_exact(t))
		return err_set(e, ERR_INPUT,
			       "%s of '%s', which is %s, expected a whole number or a decimal",
			       f->name, of->name, value_type_text(t, text));
	if (strcmp(f->name, "count_distinct") == 0)
		t = TYPE_OF(COL_BIGINT);
	else if (adds)
		t = t.type == COL_DECIMAL ? TYPE_DECIMAL(38, t.scale) : TYPE_OF(COL_HUGEINT);
	*ret = t;
	return OK;
}

int aggregate_type(const struct aggregate_function *f, const struct column *of,
		   const struct value_type *declared, struct value_type *ret, struct err *e)
{
	char from[COLUMN_TYPE_SIZE], to[COLUMN_TYPE_SIZE];
	const char *why = NULL;
	int rc = natural_type(f, of, ret, e);
	if (rc)
		return rc;
	if (strcmp(f->name, "avg") == 0) {
		if (!declared || declared->type != COL_DECIMAL)
			return err_set(
				e, ERR_INPUT,
				"an average is rounded: \"type\" must say to what, a DECIMAL(digits,decimals)");
		if (!quotient_fits((struct quotient){ret->type == COL_DECIMAL ? ret->scale : 0, 0,
						     declared->scale}))
			return err_set(
				e, ERR_INPUT,
				"an average with %d decimals needs more than 38 digits in between",
				declared->scale);
		*ret = *declared;
		return OK;
	}
	if (!declared)
		return OK;
	if (value_type_convert(*ret, *declared, &why) == CONVERT_REFUSED)
		return err_set(e, ERR_INPUT, "%s gives %s, which cannot be cast to %s: %s", f->name,
			       value_type_text(*ret, from), value_type_text(*declared, to),
			       tr(why));
	*ret = *declared;
	return OK;
}
