/* The functions of the expression language and the aggregates: one row each, with what it takes,
 * what it gives, and its spelling in each dialect. */
#ifndef PREGAO_FUNCTION_H
#define PREGAO_FUNCTION_H

#include "expr.h"

struct function {
	const char *name;
	/* One letter an argument: t VARCHAR, d DATE, s TIMESTAMP, i integer, n exact number, b BOOLEAN, a
	 * anything, # a whole number written out, and after the last letter '+' for one or more of
	 * it. All 'a's of a call must widen to one type. */
	const char *takes;
	/* t d s b as above, I INTEGER, B BIGINT, 1 the type of the first argument, a the type that
	 * all 'a's widen to, = told by `type`. */
	char gives;
	int (*type)(struct arena *, struct expr *call, const char *place, struct err *);
	/* $1..$9 an argument, $* all separated by commas, $| all joined by ||, $T the result's
	 * type, $A $B $C what `type` left in aux, $D the as-of date. */
	const char *duckdb, *spark;
	const char *signature, *doc;
};
const struct function *function_find(const char *name);
const char *function_nearest(const char *name);
const struct function *function_table(size_t *ret_count);

struct aggregate_function {
	const char *name;
	/* $1 the argument, $O its order, $N the condition that nothing of both is null; NULL:
	 * spelled by node_sql.c */
	const char *duckdb, *spark;
	const char *signature, *doc;
};
const struct aggregate_function *aggregate_find(const char *name);
const char *aggregate_nearest(const char *name);
const struct aggregate_function *aggregate_table(size_t *ret_count);
/* first, last: they need "order", the others do not know it. */
bool aggregate_is_ordered(const struct aggregate_function *);
/* The type of an aggregate over a column (no column: NULL); `declared` is the type asked for, or
 * NULL. ERR_INPUT without a place. */
int aggregate_type(const struct aggregate_function *, const struct column *of,
		   const struct value_type *declared, struct value_type *ret,
		   struct err *) MUST_CHECK;

/* The place of an error inside an expression; returns code. */
int expr_error(const char *place, size_t at, struct err *, int code);

#endif
