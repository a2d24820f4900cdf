/* Expression trees as SQL text. Every type that the checker told is made true here: where a dialect
 * would give another one, a CAST stands. */
#include "expr.h"

#include <stdio.h>
#include <string.h>

#include "function.h"

/* How tightly an expression binds; what binds less than its place asks for gets parentheses. */
enum binding {
	BIND_NONE,
	BIND_OR,
	BIND_AND,
	BIND_NOT,
	BIND_COMPARE,
	BIND_ADD,
	BIND_MULTIPLY,
	BIND_SIGN,
	BIND_VALUE
};

static void write_expr(struct buf *, const struct spelling *, const struct expr *, enum binding);

void sql_name(struct buf *b, enum dialect dialect, const char *name)
{
	if (dialect == DIALECT_DUCKDB) {
		buf_sql_name(b, name);
		return;
	}
	buf_char(b, '`');
	for (const char *c = name; *c; c++) {
		if (*c == '`')
			buf_char(b, '`');
		buf_char(b, *c);
	}
	buf_char(b, '`');
}

void sql_text(struct buf *b, enum dialect dialect, const char *text)
{
	if (dialect == DIALECT_DUCKDB) {
		buf_sql_str(b, text);
		return;
	}
	/* Spark reads backslashes in texts. */
	buf_char(b, '\'');
	for (const char *c = text; *c; c++) {
		if (*c == '\'' || *c == '\\')
			buf_char(b, '\\');
		buf_char(b, *c);
	}
	buf_char(b, '\'');
}

const char *sql_type(enum dialect dialect, struct value_type type, char buf[COLUMN_TYPE_SIZE])
{
	if (dialect == DIALECT_SPARK && !type.null && type.type == COL_TEXT)
		return "STRING";
	/* Spark has no such integer; a sum of BIGINT that needs more than 38 digits there is not. */
	if (dialect == DIALECT_SPARK && !type.null && type.type == COL_HUGEINT)
		return "DECIMAL(38,0)";
	return value_type_text(type, buf);
}

static enum binding binding_of(const struct expr *x)
{
	switch (x->kind) {
	case EXPR_OR: return BIND_OR;
	case EXPR_AND: return BIND_AND;
	case EXPR_NOT: return BIND_NOT;
	case EXPR_ADD:
	case EXPR_SUBTRACT: return BIND_ADD;
	case EXPR_MULTIPLY: return BIND_MULTIPLY;
	case EXPR_NEGATE: return BIND_SIGN;
	case EXPR_LITERAL:
		return x->text[0] == '-' && value_type_is_exact(x->type) ? BIND_SIGN : BIND_VALUE;
	case EXPR_COLUMN:
	case EXPR_CALL:
	case EXPR_CAST:
	case EXPR_CASE: return BIND_VALUE;
	default: return BIND_COMPARE;
	}
}

static void write_cast(struct buf *b, const struct spelling *s, const struct expr *x,
		       struct value_type type)
{
	char text[COLUMN_TYPE_SIZE];
	buf_str(b, "CAST(");
	write_expr(b, s, x, BIND_NONE);
	buf_printf(b, " AS %s)", sql_type(s->dialect, type, text));
}

/* A value among others that must all have one type. */
static void write_as(struct buf *b, const struct spelling *s, const struct expr *x,
		     struct value_type type, enum binding binding)
{
	if (x->type.null || type.null || value_type_equal(x->type, type))
		write_expr(b, s, x, binding);
	else
		write_cast(b, s, x, type);
}

static void write_literal(struct buf *b, const struct spelling *s, const struct expr *x)
{
	if (x->type.null) {
		buf_str(b, "NULL");
		return;
	}
	switch (x->type.type) {
	case COL_TEXT: sql_text(b, s->dialect, x->text); return;
	case COL_DATE: buf_printf(b, "DATE '%s'", x->text); return;
	case COL_TIMESTAMP: buf_printf(b, "TIMESTAMP '%s'", x->text); return;
	case COL_BOOLEAN: buf_str(b, x->text[0] == 't' ? "TRUE" : "FALSE"); return;
	default: break;
	}
	/* Engines read the smallest integers as the sign of a number that no longer fits. */
	if (strcmp(x->text, "-2147483648") == 0 || strcmp(x->text, "-9223372036854775808") == 0)
		buf_printf(b, "CAST('%s' AS %s)", x->text,
			   x->type.type == COL_INTEGER ? "INTEGER" : "BIGINT");
	else
		buf_str(b, x->text);
}

static void write_arithmetic(struct buf *b, const struct spelling *s, const struct expr *x)
{
	enum arithmetic op = x->kind == EXPR_ADD        ? ARITHMETIC_ADD
			     : x->kind == EXPR_SUBTRACT ? ARITHMETIC_SUBTRACT
							: ARITHMETIC_MULTIPLY;
	const char *symbol = x->kind == EXPR_ADD ? " + " : x->kind == EXPR_SUBTRACT ? " - " : " * ";
	enum binding bind = binding_of(x);
	struct value_type left = x->args[0]->type, right = x->args[1]->type;
	char text[COLUMN_TYPE_SIZE];
	if (x->type.type == COL_DECIMAL) {
		left = value_type_as_decimal(left);
		right = value_type_as_decimal(right);
	} else if (s->dialect == DIALECT_SPARK) {
		left = right = x->type;
	}
	bool as_told = value_type_equal(value_type_duckdb_arithmetic(op, left, right), x->type);
	if (!as_told) {
		/* DuckDB would stop at 18 digits: beyond 18 it does not. */
		if (op != ARITHMETIC_MULTIPLY)
			left = right = x->type;
		else if (left.precision < 19)
			left = TYPE_DECIMAL(19, left.scale);
		buf_str(b, "CAST(");
	}
	write_as(b, s, x->args[0], left, bind);
	buf_str(b, symbol);
	write_as(b, s, x->args[1], right, bind + 1);
	if (!as_told)
		buf_printf(b, " AS %s)", sql_type(s->dialect, x->type, text));
}

static void write_list(struct buf *b, const struct spelling *s, const struct expr *x, size_t from,
		       const char *between)
{
	for (size_t i = from; i < x->arg_count; i++) {
		if (i > from)
			buf_str(b, between);
		bool chosen = x->kind == EXPR_CALL && x->function->gives == 'a';
		write_as(b, s, x->args[i], chosen ? x->operands : x->args[i]->type, BIND_NONE);
	}
}

static void write_quotient(struct buf *b, const struct spelling *s, const struct expr *x)
{
	struct buf AUTO_BUF left = {.ceiling = b->ceiling},
			    AUTO_BUF right = {.ceiling = b->ceiling};
	struct value_type a = x->args[0]->type, d = x->args[1]->type;
	write_expr(&left, s, x->args[0], BIND_NONE);
	write_expr(&right, s, x->args[1], BIND_NONE);
	struct quotient q = {a.type == COL_DECIMAL ? a.scale : 0,
			     d.type == COL_DECIMAL ? d.scale : 0, x->type.scale};
	quotient_sql(b, s->dialect, q, left.data ? left.data : "", right.data ? right.data : "",
		     x->type);
	b->full |= left.full || right.full;
}

static void write_call(struct buf *b, const struct spelling *s, const struct expr *x)
{
	const char *spelled = s->dialect == DIALECT_DUCKDB ? x->function->duckdb
							   : x->function->spark;
	char text[COLUMN_TYPE_SIZE];
	for (const char *c = spelled; *c; c++) {
		if (*c != '$') {
			buf_char(b, *c);
			continue;
		}
		switch (*++c) {
		case '$': buf_char(b, '$'); break;
		case '*': write_list(b, s, x, 0, ", "); break;
		case '|': write_list(b, s, x, 0, " || "); break;
		case 'T': buf_str(b, sql_type(s->dialect, x->type, text)); break;
		case 'A':
		case 'B':
		case 'C': buf_str(b, x->aux[*c - 'A']); break;
		case 'D': buf_str(b, s->as_of); break;
		case 'Q': write_quotient(b, s, x); break;
		default: {
			const struct expr *arg = x->args[*c - '1'];
			bool chosen = x->function->gives == 'a' && arg->type.type != COL_BOOLEAN;
			write_as(b, s, arg, chosen ? x->operands : arg->type, BIND_NONE);
		}
		}
	}
}

static void write_case(struct buf *b, const struct spelling *s, const struct expr *x)
{
	buf_str(b, "CASE");
	for (size_t i = 0; i + 1 < x->arg_count; i += 2) {
		buf_str(b, " WHEN ");
		write_expr(b, s, x->args[i], BIND_NONE);
		buf_str(b, " THEN ");
		write_as(b, s, x->args[i + 1], x->operands, BIND_NONE);
	}
	buf_str(b, " ELSE ");
	write_as(b, s, x->args[x->arg_count - 1], x->operands, BIND_NONE);
	buf_str(b, " END");
}

static void write_chain(struct buf *b, const struct spelling *s, const struct expr *x,
			const char *between)
{
	for (size_t i = 0; i < x->arg_count; i++) {
		if (i)
			buf_str(b, between);
		write_expr(b, s, x->args[i], binding_of(x) + 1);
	}
}

static void write_bare(struct buf *b, const struct spelling *s, const struct expr *x)
{
	switch (x->kind) {
	case EXPR_LITERAL: write_literal(b, s, x); break;
	case EXPR_COLUMN: sql_name(b, s->dialect, x->text); break;
	case EXPR_CALL: write_call(b, s, x); break;
	case EXPR_CAST: write_cast(b, s, x->args[0], x->type); break;
	case EXPR_CASE: write_case(b, s, x); break;
	case EXPR_NOT:
		buf_str(b, "NOT ");
		write_expr(b, s, x->args[0], BIND_NOT);
		break;
	case EXPR_NEGATE:
		buf_char(b, '-');
		write_expr(b, s, x->args[0], BIND_VALUE);
		break;
	case EXPR_IS_NULL:
		write_expr(b, s, x->args[0], BIND_ADD);
		buf_str(b, x->negated ? " IS NOT NULL" : " IS NULL");
		break;
	case EXPR_AND: write_chain(b, s, x, " AND "); break;
	case EXPR_OR: write_chain(b, s, x, " OR "); break;
	case EXPR_IN:
		write_expr(b, s, x->args[0], BIND_ADD);
		buf_str(b, x->negated ? " NOT IN (" : " IN (");
		write_list(b, s, x, 1, ", ");
		buf_char(b, ')');
		break;
	case EXPR_BETWEEN:
		write_expr(b, s, x->args[0], BIND_ADD);
		buf_str(b, x->negated ? " NOT BETWEEN " : " BETWEEN ");
		write_expr(b, s, x->args[1], BIND_ADD);
		buf_str(b, " AND ");
		write_expr(b, s, x->args[2], BIND_ADD);
		break;
	case EXPR_ADD:
	case EXPR_SUBTRACT:
	case EXPR_MULTIPLY: write_arithmetic(b, s, x); break;
	default: {
		static const char *const symbols[] = {
			[EXPR_EQUAL] = " = ",   [EXPR_UNEQUAL] = " <> ",
			[EXPR_LESS] = " < ",    [EXPR_LESS_EQUAL] = " <= ",
			[EXPR_GREATER] = " > ", [EXPR_GREATER_EQUAL] = " >= ",
		};
		write_expr(b, s, x->args[0], BIND_ADD);
		buf_str(b, symbols[x->kind]);
		write_expr(b, s, x->args[1], BIND_ADD);
	}
	}
}

static void write_expr(struct buf *b, const struct spelling *s, const struct expr *x,
		       enum binding wanted)
{
	/* Nothing more fits: a tree is not walked to its end for that. */
	if (b->full)
		return;
	bool parentheses = binding_of(x) < wanted;
	if (parentheses)
		buf_char(b, '(');
	write_bare(b, s, x);
	if (parentheses)
		buf_char(b, ')');
}

void expr_sql(struct buf *b, const struct spelling *s, const struct expr *x)
{
	write_expr(b, s, x, BIND_NONE);
}

/* Decimal division gives binary floats in DuckDB, so integers divide. a and b become integers N and
 * D with N / D = a / b * 10^(decimals + 1), N // D cuts behind that digit, and the cut keeps what
 * rounding half away from zero looks at: the last digit. */
static int quotient_shift(struct quotient q)
{
	int shift = q.scale_b + q.decimals + 1;
	return shift > q.scale_a ? shift : q.scale_a;
}

bool quotient_fits(struct quotient q)
{
	return q.decimals <= 18 && quotient_shift(q) <= 36;
}

static void write_shifted(struct buf *b, enum dialect dialect, const char *value, int scale,
			  int shift)
{
	bool duckdb = dialect == DIALECT_DUCKDB;
	if (shift == 0) {
		buf_printf(b, "CAST(%s AS %s)", value, duckdb ? "HUGEINT" : "DECIMAL(38,0)");
		return;
	}
	buf_printf(b, "%sCAST(%s AS DECIMAL(38,%d)) * CAST('1%0*d' AS DECIMAL(38,0))%s",
		   duckdb ? "CAST(" : "(", value, scale, shift, 0, duckdb ? " AS HUGEINT)" : ")");
}

void quotient_sql(struct buf *b, enum dialect dialect, struct quotient q, const char *a,
		  const char *d, struct value_type result)
{
	char text[COLUMN_TYPE_SIZE];
	int shift = quotient_shift(q);
	buf_str(b, "CAST(round(CAST(");
	write_shifted(b, dialect, a, q.scale_a, shift);
	/* By zero DuckDB gives null, and Spark an error. */
	buf_str(b, dialect == DIALECT_DUCKDB ? " // " : " div nullif(");
	write_shifted(b, dialect, d, q.scale_b, shift - q.decimals - 1);
	buf_str(b, dialect == DIALECT_DUCKDB ? "" : ", 0)");
	buf_printf(b, " AS DECIMAL(38,0)) * CAST('0.%0*d' AS DECIMAL(%d,%d)), %d) AS %s)",
		   q.decimals + 1, 1, q.decimals + 1, q.decimals + 1, q.decimals,
		   sql_type(dialect, result, text));
}
