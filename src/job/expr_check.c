/* Gives every node of an expression tree its type, or says exactly what does not fit where. */
#include "expr.h"

#include <string.h>

#include "function.h"
#include "tr.h"

struct checker {
	struct arena *arena;
	const char *place;
	const struct schema *schema;
	struct err *e;
};

static int check(const struct checker *, struct expr *);

const struct column *schema_find(const struct schema *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->columns[i].name, name) == 0)
			return &s->columns[i];
	return NULL;
}

#define LISTED_COLUMNS 12

int schema_unknown(const struct schema *s, const char *name, struct err *e)
{
	const char *names[TABLE_MAX_COLUMNS + TABLE_MAX_PARTITION] = {NULL};
	size_t n = s->count < ARRAY_LEN(names) ? s->count : ARRAY_LEN(names);
	for (size_t i = 0; i < n; i++)
		names[i] = s->columns[i].name;
	const char *nearest = str_nearest(name, names, n);
	if (nearest)
		return err_set(e, ERR_INPUT, "there is no column '%s'; did you mean '%s'?", name,
			       nearest);
	struct buf AUTO_BUF list = {.ceiling = 400};
	for (size_t i = 0; i < n && i < LISTED_COLUMNS; i++)
		buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	if (n > LISTED_COLUMNS)
		buf_str(&list, ", ...");
	return err_set(e, ERR_INPUT, "there is no column '%.100s'; there are: %s", name,
		       list.data ? list.data : "");
}

static int fail(const struct checker *c, const struct expr *x, int code)
{
	return expr_error(c->place, x->at, c->e, code);
}

static int wrong_type(const struct checker *c, const struct expr *x, const char *wanted)
{
	char found[COLUMN_TYPE_SIZE];
	return fail(c, x,
		    err_set(c->e, ERR_INPUT, "expected %s, found %s", tr(wanted),
			    value_type_text(x->type, found)));
}

static int check_boolean(const struct checker *c, struct expr *x)
{
	int rc = check(c, x);
	if (rc)
		return rc;
	return x->type.null || x->type.type != COL_BOOLEAN
		       ? wrong_type(c, x, "a condition (BOOLEAN)")
		       : OK;
}

/* The values compared or chosen from must widen to one type, which *ret gets. */
static int unify(const struct checker *c, struct expr *const *values, size_t n,
		 struct value_type *ret)
{
	struct value_type common = {.null = true};
	for (size_t i = 0; i < n; i++) {
		char a[COLUMN_TYPE_SIZE], b[COLUMN_TYPE_SIZE];
		struct value_type before = common;
		if (!value_type_common(before, values[i]->type, &common))
			return fail(c, values[i],
				    err_set(c->e, ERR_INPUT,
					    "%s and %s do not go together without a cast",
					    value_type_text(before, a),
					    value_type_text(values[i]->type, b)));
	}
	*ret = common;
	return OK;
}

static int check_comparison(const struct checker *c, struct expr *x)
{
	for (size_t i = 0; i < x->arg_count; i++) {
		int rc = check(c, x->args[i]);
		if (rc)
			return rc;
		if (x->args[i]->type.null)
			return fail(
				c, x->args[i],
				err_set(c->e, ERR_INPUT,
					"nothing compares to NULL; write IS NULL or IS NOT NULL"));
	}
	x->type = TYPE_OF(COL_BOOLEAN);
	return unify(c, x->args, x->arg_count, &x->operands);
}

static int check_arithmetic(const struct checker *c, struct expr *x)
{
	static const struct {
		enum arithmetic op;
		const char *symbol;
	} ops[] = {
		[EXPR_ADD] = {ARITHMETIC_ADD, "+"},
		[EXPR_SUBTRACT] = {ARITHMETIC_SUBTRACT, "-"},
		[EXPR_MULTIPLY] = {ARITHMETIC_MULTIPLY, "*"},
	};
	for (size_t i = 0; i < 2; i++) {
		int rc = check(c, x->args[i]);
		if (rc)
			return rc;
	}
	struct value_type a = x->args[0]->type, b = x->args[1]->type;
	char ta[COLUMN_TYPE_SIZE], tb[COLUMN_TYPE_SIZE];
	if (value_type_arithmetic(ops[x->kind].op, a, b, &x->type))
		return OK;
	if (a.type == COL_DATE && !a.null && !b.null &&
	    (b.type == COL_DATE || value_type_is_integer(b)))
		return fail(
			c, x,
			err_set(c->e, ERR_INPUT,
				"dates have no '%s'; write days_between(from, to) or add_days(date, days)",
				ops[x->kind].symbol));
	if (value_type_is_exact(a) && value_type_is_exact(b))
		return fail(c, x,
			    err_set(c->e, ERR_INPUT,
				    "%s %s %s needs more than 38 digits; cast to fewer first",
				    value_type_text(a, ta), ops[x->kind].symbol,
				    value_type_text(b, tb)));
	return wrong_type(c, value_type_is_exact(a) ? x->args[1] : x->args[0],
			  "a whole number or a decimal");
}

static int check_case(const struct checker *c, struct expr *x)
{
	struct expr **values = ANEW_ARRAY(c->arena, x->arg_count / 2 + 1, struct expr *);
	size_t n = 0;
	for (size_t i = 0; i < x->arg_count; i++) {
		bool condition = i % 2 == 0 && i + 1 < x->arg_count;
		int rc = condition ? check_boolean(c, x->args[i]) : check(c, x->args[i]);
		if (rc)
			return rc;
		if (!condition)
			values[n++] = x->args[i];
	}
	int rc = unify(c, values, n, &x->operands);
	x->type = x->operands;
	return rc;
}

static int check_cast(const struct checker *c, struct expr *x)
{
	char from[COLUMN_TYPE_SIZE], to[COLUMN_TYPE_SIZE];
	const char *why = NULL;
	int rc = check(c, x->args[0]);
	if (rc)
		return rc;
	if (value_type_convert(x->args[0]->type, x->type, &why) != CONVERT_REFUSED)
		return OK;
	return fail(c, x,
		    err_set(c->e, ERR_INPUT, "%s cannot be cast to %s: %s",
			    value_type_text(x->args[0]->type, from), value_type_text(x->type, to),
			    tr(why)));
}

static int check_argument(const struct checker *c, const struct expr *x, char takes)
{
	struct value_type t = x->type;
	bool literal_int = x->kind == EXPR_LITERAL && !t.null &&
			   (t.type == COL_INTEGER || t.type == COL_BIGINT);
	if (takes == '#' && !literal_int)
		return wrong_type(c, x, "a whole number, written out");
	if (takes == 'a')
		return OK;
	if (takes == 'n' && !value_type_is_exact(t))
		return wrong_type(c, x, "a whole number or a decimal");
	if (takes == 'i' && !value_type_is_integer(t))
		return wrong_type(c, x, "a whole number");
	if (takes == 't' && (t.null || t.type != COL_TEXT))
		return wrong_type(c, x, "text (VARCHAR)");
	if (takes == 'd' && (t.null || t.type != COL_DATE))
		return wrong_type(c, x, "a DATE");
	if (takes == 's' && (t.null || t.type != COL_TIMESTAMP))
		return wrong_type(c, x, "a TIMESTAMP");
	if (takes == 'b' && (t.null || t.type != COL_BOOLEAN))
		return wrong_type(c, x, "a condition (BOOLEAN)");
	return OK;
}

static int check_argument_count(const struct checker *c, const struct expr *x)
{
	const char *takes = x->function->takes;
	size_t n = strlen(takes);
	bool more = n > 0 && takes[n - 1] == '+';
	if (more)
		n--;
	if (x->arg_count == n || (more && x->arg_count > n))
		return OK;
	return fail(c, x,
		    err_set(c->e, ERR_INPUT, "%s has %zu arguments, expected %s", x->function->name,
			    x->arg_count, x->function->signature));
}

static int check_call(const struct checker *c, struct expr *x)
{
	const struct function *f = x->function;
	int rc = check_argument_count(c, x);
	if (rc)
		return rc;
	struct expr **chosen = ANEW_ARRAY(c->arena, x->arg_count + 1, struct expr *);
	size_t n = 0, last = strlen(f->takes);
	last = last && f->takes[last - 1] == '+' ? last - 2 : last;
	for (size_t i = 0; i < x->arg_count; i++) {
		char takes = f->takes[i < last ? i : last];
		rc = check(c, x->args[i]);
		rc = rc ? rc : check_argument(c, x->args[i], takes);
		if (rc)
			return rc;
		/* int_div and mod also work in the wider type of the two. */
		if (takes == 'a' || (takes == 'i' && f->gives == 'a'))
			chosen[n++] = x->args[i];
	}
	rc = n ? unify(c, chosen, n, &x->operands) : OK;
	if (rc)
		return rc;
	switch (f->gives) {
	case 't': x->type = TYPE_OF(COL_TEXT); break;
	case 'd': x->type = TYPE_OF(COL_DATE); break;
	case 's': x->type = TYPE_OF(COL_TIMESTAMP); break;
	case 'b': x->type = TYPE_OF(COL_BOOLEAN); break;
	case 'I': x->type = TYPE_OF(COL_INTEGER); break;
	case 'B': x->type = TYPE_OF(COL_BIGINT); break;
	case '1': x->type = x->args[0]->type; break;
	case 'a': x->type = x->operands; break;
	default: break;
	}
	return f->type ? f->type(c->arena, x, c->place, c->e) : OK;
}

static int check(const struct checker *c, struct expr *x)
{
	int rc = OK;
	switch (x->kind) {
	case EXPR_LITERAL: return OK;
	case EXPR_COLUMN: {
		const struct column *column = schema_find(c->schema, x->text);
		if (!column)
			return fail(c, x, schema_unknown(c->schema, x->text, c->e));
		x->type = value_type_of(column);
		return OK;
	}
	case EXPR_CALL: return check_call(c, x);
	case EXPR_CAST: return check_cast(c, x);
	case EXPR_CASE: return check_case(c, x);
	case EXPR_NOT:
	case EXPR_AND:
	case EXPR_OR:
		for (size_t i = 0; i < x->arg_count && rc == OK; i++)
			rc = check_boolean(c, x->args[i]);
		x->type = TYPE_OF(COL_BOOLEAN);
		return rc;
	case EXPR_NEGATE:
		rc = check(c, x->args[0]);
		x->type = x->args[0]->type;
		return rc ? rc
		       : value_type_is_exact(x->type)
			       ? OK
			       : wrong_type(c, x->args[0], "a whole number or a decimal");
	case EXPR_IS_NULL: x->type = TYPE_OF(COL_BOOLEAN); return check(c, x->args[0]);
	case EXPR_ADD:
	case EXPR_SUBTRACT:
	case EXPR_MULTIPLY: return check_arithmetic(c, x);
	default: return check_comparison(c, x);
	}
}

int expr_check(struct arena *arena, const char *place, struct expr *x, const struct schema *schema,
	       struct err *e)
{
	struct checker c = {arena, place, schema, e};
	return check(&c, x);
}
