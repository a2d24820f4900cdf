/* The types that values have inside a job, and the rules between them: what widens, what casts,
 * what arithmetic gives. Everything is exact or fails the run; what would round or go through a
 * binary float is refused here. */
#ifndef PREGAO_VALUE_TYPE_H
#define PREGAO_VALUE_TYPE_H

#include "table.h"

struct value_type {
	enum column_type type;
	int precision, scale; /* COL_DECIMAL */
	bool null; /* the literal NULL, which has no type yet; the others then mean nothing */
};
#define TYPE_OF(kind) ((struct value_type){.type = (kind)})
#define TYPE_DECIMAL(p, s) \
	((struct value_type){.type = COL_DECIMAL, .precision = (p), .scale = (s)})

struct value_type value_type_of(const struct column *);
struct column value_type_column(struct value_type, const char *name, const char *doc);
bool value_type_equal(struct value_type, struct value_type);
/* "DECIMAL(9,3)", "NULL" */
const char *value_type_text(struct value_type, char buf[COLUMN_TYPE_SIZE]);
bool value_type_is_integer(struct value_type); /* INTEGER, BIGINT, HUGEINT */
bool value_type_is_exact(struct value_type);   /* an integer or a decimal */
/* Digits before the decimal point: 10 for INTEGER, 19 for BIGINT, 39 for HUGEINT. */
int value_type_whole_digits(struct value_type);

/* The type that both widen to without losing anything; false when there is none. */
bool value_type_common(struct value_type, struct value_type, struct value_type *ret);

enum conversion {
	CONVERT_SAME,
	CONVERT_WIDEN,   /* every value fits */
	CONVERT_CHECKED, /* a value that does not fit fails the run; the others are exact */
	CONVERT_CAST,    /* only by an explicit cast */
	CONVERT_REFUSED,
};
/* For CONVERT_REFUSED *why says the reason in English, to be translated with tr(). */
enum conversion value_type_convert(struct value_type from, struct value_type to, const char **why);

enum arithmetic { ARITHMETIC_ADD, ARITHMETIC_SUBTRACT, ARITHMETIC_MULTIPLY };
/* The result of + - * by the rules of the SQL standard; false when there is none. Integers beside a
 * decimal count as DECIMAL(10,0) or DECIMAL(19,0). */
bool value_type_arithmetic(enum arithmetic, struct value_type, struct value_type,
			   struct value_type *ret);
/* What DuckDB makes of the same: it keeps decimals at 18 digits as long as both sides have no
 * more. */
struct value_type value_type_duckdb_arithmetic(enum arithmetic, struct value_type,
					       struct value_type);
/* An integer as the decimal that holds all its values; others as they are. */
struct value_type value_type_as_decimal(struct value_type);

#endif
