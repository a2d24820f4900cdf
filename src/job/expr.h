/* Expressions: a small closed typed language, parsed to a tree. What is not in the tree's few kinds
 * does not exist, so every dialect can spell all of it. The grammar is told in docs/jobs.md. */
#ifndef PREGAO_EXPR_H
#define PREGAO_EXPR_H

#include "err.h"
#include "mem.h"
#include "str.h"
#include "value_type.h"

struct function;

enum expr_kind {
	EXPR_LITERAL, /* type and text */
	EXPR_COLUMN,  /* text is the name */
	EXPR_CALL,    /* function, args */
	EXPR_CAST,    /* args[0] to type */
	EXPR_CASE,    /* args: condition, value, ... , else (always there; NULL when not written) */
	EXPR_NOT,
	EXPR_NEGATE,
	EXPR_IS_NULL, /* negated: IS NOT NULL */
	EXPR_AND,     /* two or more args */
	EXPR_OR,
	EXPR_IN,      /* args[0] IN (the others); negated */
	EXPR_BETWEEN, /* args[0] BETWEEN args[1] AND args[2]; negated */
	EXPR_EQUAL,
	EXPR_UNEQUAL,
	EXPR_LESS,
	EXPR_LESS_EQUAL,
	EXPR_GREATER,
	EXPR_GREATER_EQUAL,
	EXPR_ADD,
	EXPR_SUBTRACT,
	EXPR_MULTIPLY,
};

struct expr {
	enum expr_kind kind;
	bool negated;
	int depth;        /* of the tree below it, itself included */
	size_t at;        /* character where it begins, from 1 */
	const char *text; /* literals: digits, the text itself, "2024-07-15", "true" */
	const struct function *function;
	struct expr **args;
	size_t arg_count;
	/* literals and casts: from the parser; the others: from expr_check */
	struct value_type type;
	/* comparisons and choices: what all compared or chosen values widen to */
	struct value_type operands;
	const char *aux[3]; /* texts that a function's typing adds for its spelling */
};

/* What an expression may name. */
struct schema {
	struct column *columns;
	size_t count;
};
const struct column *schema_find(const struct schema *, const char *name);
/* ", did you mean ..." is part of the sentence, which is why the two ways to say it are one
 * function: ERR_INPUT. */
int schema_unknown(const struct schema *, const char *name, struct err *);

/* Errors are ERR_INPUT with where = "<place>, character N". The tree lies in the arena. */
int expr_parse(struct arena *, const char *place, const char *text, struct expr **ret,
	       struct err *) MUST_CHECK;
/* Gives every node of the tree its type. */
int expr_check(struct arena *, const char *place, struct expr *, const struct schema *,
	       struct err *) MUST_CHECK;

enum dialect { DIALECT_DUCKDB, DIALECT_SPARK };
struct spelling {
	enum dialect dialect;
	const char *as_of; /* SQL for the run's as-of date */
};
void sql_name(struct buf *, enum dialect, const char *name);
void sql_text(struct buf *, enum dialect, const char *text);
/* "DECIMAL(9,3)"; Spark has other names for some. */
const char *sql_type(enum dialect, struct value_type, char buf[COLUMN_TYPE_SIZE]);
void expr_sql(struct buf *, const struct spelling *, const struct expr *);
/* A quotient of two exact numbers, rounded half away from zero to `decimals`, without a binary
 * float (see expr_sql.c). */
struct quotient {
	int scale_a, scale_b, decimals;
};
bool quotient_fits(struct quotient);
void quotient_sql(struct buf *, enum dialect, struct quotient, const char *a, const char *b,
		  struct value_type result);

#endif
