/* Tokens to expression tree, by recursive descent, with a ceiling on length and on depth. */
#include "expr_lex.h"

#include <stdio.h>
#include <string.h>

#include "function.h"
#include "graph.h"

static bool at_word(const struct parser *p, const char *word)
{
	return p->token.kind == TOKEN_NAME && strcasecmp(p->token.text, word) == 0;
}

static bool at_symbol(const struct parser *p, const char *symbol)
{
	return p->token.kind == TOKEN_SYMBOL && strcmp(p->token.text, symbol) == 0;
}

static int expected(const struct parser *p, const char *what)
{
	if (p->token.kind == TOKEN_END)
		err_set(p->e, ERR_INPUT, "expected %s, found the end of the expression", what);
	else
		err_set(p->e, ERR_INPUT, "expected %s, found %.*s", what,
			(int)(p->token.raw.n < 40 ? p->token.raw.n : 40), p->token.raw.p);
	return lex_fail(p, ERR_INPUT);
}

static int take_symbol(struct parser *p, const char *symbol)
{
	if (!at_symbol(p, symbol)) {
		char what[8];
		snprintf(what, sizeof(what), "'%s'", symbol);
		return expected(p, what);
	}
	return lex_next(p);
}

static int take_word(struct parser *p, const char *word)
{
	return at_word(p, word) ? lex_next(p) : expected(p, word);
}

static struct expr *expr_new(struct parser *p, enum expr_kind kind, size_t at)
{
	struct expr *x = ANEW(p->arena, struct expr);
	x->kind = kind;
	x->at = at;
	x->depth = 1;
	return x;
}

static int too_deep(const struct parser *p, size_t at)
{
	return expr_error(p->place, at, p->e,
			  err_set(p->e, ERR_LIMIT, "the expression is nested more than %d deep",
				  JOB_MAX_EXPRESSION_DEPTH));
}

/* Hangs children below x and keeps the tree's depth in bounds, which the recursion alone does not:
 * a + b + c ... */
static int adopt(struct parser *p, struct expr *x, struct expr *const *args, size_t n)
{
	x->args = ANEW_ARRAY(p->arena, n, struct expr *);
	x->arg_count = n;
	for (size_t i = 0; i < n; i++) {
		x->args[i] = args[i];
		/* The analyzer does not follow that whoever returned OK has set its *ret. */
		if (args[i]->depth >= x->depth) /* NOLINT(clang-analyzer-core.NullDereference) */
			x->depth = args[i]->depth + 1;
	}
	return x->depth > JOB_MAX_EXPRESSION_DEPTH ? too_deep(p, x->at) : OK;
}

/* A growing list of children; the arena cannot grow in place, so it lies on the heap until
 * adopted. */
struct child {
	struct expr *expr;
};
struct children {
	struct child *items;
	size_t count, cap;
};
static void children_free(struct children *c)
{
	free(c->items);
}
#define AUTO_CHILDREN CLEANUP(children_free)

static void children_add(struct children *c, struct expr *x)
{
	PUSH(c->items, c->count, c->cap)->expr = x;
}

static int adopt_children(struct parser *p, struct expr *x, const struct children *c)
{
	struct expr **args = ANEW_ARRAY(p->arena, c->count, struct expr *);
	for (size_t i = 0; i < c->count; i++)
		args[i] = c->items[i].expr;
	return adopt(p, x, args, c->count);
}

static int parse_expr(struct parser *, struct expr **ret);

static int parse_number(struct parser *p, bool minus, size_t at, struct expr **ret)
{
	const char *digits = p->token.text;
	while (digits[0] == '0' && lex_is_digit(digits[1]))
		digits++;
	const char *point = strchr(digits, '.');
	struct expr *x = expr_new(p, EXPR_LITERAL, at);
	x->text = arena_printf(p->arena, "%s%s", minus ? "-" : "", digits);
	if (point) {
		size_t scale = strlen(point + 1), precision = strlen(digits) - 1;
		if (precision > 38)
			return expr_error(
				p->place, at, p->e,
				err_set(p->e, ERR_INPUT, "the number has more than 38 digits"));
		x->type = TYPE_DECIMAL((int)precision, (int)scale);
	} else {
		int64_t value;
		if (!int64_parse(slice_of(x->text), &value))
			return expr_error(p->place, at, p->e,
					  err_set(p->e, ERR_INPUT,
						  "the whole number %s is beyond BIGINT", x->text));
		x->type = TYPE_OF(value >= INT32_MIN && value <= INT32_MAX ? COL_INTEGER
									   : COL_BIGINT);
	}
	*ret = x;
	return lex_next(p);
}

static bool parse_timestamp(const char *text)
{
	int32_t days;
	size_t n = strlen(text);
	if (n < 19 || n > 26 || n == 20 || !date_parse_iso((struct slice){text, 10}, &days))
		return false;
	static const char shape[] = " dd:dd:dd.dddddd";
	for (size_t i = 10; i < n; i++)
		if (shape[i - 10] == 'd' ? !lex_is_digit(text[i]) : text[i] != shape[i - 10])
			return false;
	return strncmp(text + 11, "23", 2) <= 0 && text[14] < '6' && text[17] < '6';
}

/* DATE '...' and TIMESTAMP '...'; the name before it has been taken. */
static int parse_moment(struct parser *p, bool date, size_t at, struct expr **ret)
{
	const char *text = p->token.text;
	int32_t days;
	if (date && !date_parse_iso(slice_of(text), &days)) {
		err_set(p->e, ERR_INPUT,
			"there is no date '%.40s'; dates look like DATE '2024-07-15'", text);
		return lex_fail(p, ERR_INPUT);
	}
	if (!date && !parse_timestamp(text)) {
		err_set(p->e, ERR_INPUT,
			"there is no time '%.40s'; times look like TIMESTAMP '2024-07-15 10:30:00'",
			text);
		return lex_fail(p, ERR_INPUT);
	}
	struct expr *x = expr_new(p, EXPR_LITERAL, at);
	x->type = TYPE_OF(date ? COL_DATE : COL_TIMESTAMP);
	x->text = text;
	*ret = x;
	return lex_next(p);
}

static int parse_case(struct parser *p, size_t at, struct expr **ret)
{
	struct children AUTO_CHILDREN list = {0};
	struct expr *x = expr_new(p, EXPR_CASE, at), *part = NULL;
	if (!at_word(p, "WHEN"))
		return expected(p, "WHEN");
	while (at_word(p, "WHEN")) {
		TRY(lex_next(p));
		TRY(parse_expr(p, &part));
		children_add(&list, part);
		TRY(take_word(p, "THEN"));
		TRY(parse_expr(p, &part));
		children_add(&list, part);
	}
	if (at_word(p, "ELSE")) {
		TRY(lex_next(p));
		TRY(parse_expr(p, &part));
	} else {
		part = expr_new(p, EXPR_LITERAL, p->at);
		part->type.null = true;
		part->text = "null";
	}
	children_add(&list, part);
	TRY(take_word(p, "END"));
	*ret = x;
	return adopt_children(p, x, &list);
}

/* Everything between here and the closing parenthesis is a type: "DECIMAL(9,3)". */
static int parse_type(struct parser *p, struct value_type *ret)
{
	struct buf AUTO_BUF text = {0};
	size_t at = p->at;
	if (p->token.kind != TOKEN_NAME)
		return expected(p, tr("a type"));
	buf_str(&text, p->token.text);
	TRY(lex_next(p));
	if (at_symbol(p, "(")) {
		for (;;) {
			if (p->token.kind == TOKEN_END)
				return expected(p, "')'");
			buf_add(&text, p->token.raw.p, p->token.raw.n);
			bool last = at_symbol(p, ")");
			TRY(lex_next(p));
			if (last)
				break;
		}
	}
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 'a' && text.data[i] <= 'z')
			text.data[i] = (char)(text.data[i] - 32);
	struct column column = {0};
	int rc = column_type_parse(text.data, &column, p->e);
	if (rc)
		return expr_error(p->place, at, p->e, rc);
	*ret = value_type_of(&column);
	return OK;
}

static int parse_cast(struct parser *p, size_t at, struct expr **ret)
{
	struct expr *x = expr_new(p, EXPR_CAST, at), *value = NULL;
	TRY(take_symbol(p, "("));
	TRY(parse_expr(p, &value));
	TRY(take_word(p, "AS"));
	TRY(parse_type(p, &x->type));
	TRY(take_symbol(p, ")"));
	*ret = x;
	return adopt(p, x, &value, 1);
}

static int parse_arguments(struct parser *p, struct children *list)
{
	TRY(take_symbol(p, "("));
	if (at_symbol(p, ")"))
		return lex_next(p);
	for (;;) {
		struct expr *value = NULL;
		TRY(parse_expr(p, &value));
		children_add(list, value);
		if (at_symbol(p, ")"))
			return lex_next(p);
		if (!at_symbol(p, ","))
			return expected(p, tr("',' or ')'"));
		TRY(lex_next(p));
	}
}

static int parse_call(struct parser *p, const char *name, size_t at, struct expr **ret)
{
	struct children AUTO_CHILDREN list = {0};
	struct expr *x = expr_new(p, EXPR_CALL, at);
	x->function = function_find(name);
	if (!x->function) {
		const char *nearest = function_nearest(name);
		if (aggregate_find(name) && !nearest)
			err_set(p->e, ERR_INPUT,
				"'%s' adds up rows: it stands in an aggregate node, not in an expression",
				name);
		else if (nearest)
			err_set(p->e, ERR_INPUT, "there is no function '%s'; did you mean '%s'?",
				name, nearest);
		else
			err_set(p->e, ERR_INPUT, "there is no function '%.60s'", name);
		return expr_error(p->place, at, p->e, ERR_INPUT);
	}
	TRY(parse_arguments(p, &list));
	*ret = x;
	return adopt_children(p, x, &list);
}

static const char *const reserved[] = {
	"AND",  "OR",   "NOT", "IN",      "IS", "NULL", "TRUE",   "FALSE", "CASE",  "WHEN",
	"THEN", "ELSE", "END", "BETWEEN", "AS", "LIKE", "SELECT", "FROM",  "WHERE", "DISTINCT"};

static int parse_name(struct parser *p, struct expr **ret)
{
	size_t at = p->at;
	struct token name = p->token;
	if (at_word(p, "CASE")) {
		TRY(lex_next(p));
		return parse_case(p, at, ret);
	}
	bool is_null = at_word(p, "NULL"), is_true = at_word(p, "TRUE"),
	     is_false = at_word(p, "FALSE");
	if (is_null || is_true || is_false) {
		struct expr *x = expr_new(p, EXPR_LITERAL, at);
		x->type = (struct value_type){.type = COL_BOOLEAN, .null = is_null};
		x->text = is_null ? "null" : is_true ? "true" : "false";
		*ret = x;
		return lex_next(p);
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (at_word(p, reserved[i]))
			return expected(p, tr("a value"));
	bool is_cast = at_word(p, "CAST"), is_date = at_word(p, "DATE"),
	     is_time = at_word(p, "TIMESTAMP");
	TRY(lex_next(p));
	if ((is_date || is_time) && p->token.kind == TOKEN_TEXT)
		return parse_moment(p, is_date, at, ret);
	if (at_symbol(p, "("))
		return is_cast ? parse_cast(p, at, ret) : parse_call(p, name.text, at, ret);
	*ret = expr_new(p, EXPR_COLUMN, at);
	(*ret)->text = name.text;
	return OK;
}

static int parse_primary(struct parser *p, struct expr **ret)
{
	size_t at = p->at;
	switch (p->token.kind) {
	case TOKEN_NUMBER: return parse_number(p, false, at, ret);
	case TOKEN_TEXT:
	case TOKEN_QUOTED_NAME:
		*ret = expr_new(p, p->token.kind == TOKEN_TEXT ? EXPR_LITERAL : EXPR_COLUMN, at);
		(*ret)->text = p->token.text;
		(*ret)->type = TYPE_OF(COL_TEXT);
		return lex_next(p);
	case TOKEN_NAME: return parse_name(p, ret);
	default: break;
	}
	if (!at_symbol(p, "("))
		return expected(p, tr("a value"));
	TRY(lex_next(p));
	TRY(parse_expr(p, ret));
	return take_symbol(p, ")");
}

static int parse_unary(struct parser *p, struct expr **ret)
{
	size_t at = p->at;
	if (!at_symbol(p, "-"))
		return parse_primary(p, ret);
	TRY(lex_next(p));
	/* -9223372036854775808 has a sign or is no BIGINT at all. */
	if (p->token.kind == TOKEN_NUMBER)
		return parse_number(p, true, at, ret);
	if (at_symbol(p, "-"))
		return expected(p, tr("a value"));
	struct expr *value = NULL;
	TRY(parse_primary(p, &value));
	*ret = expr_new(p, EXPR_NEGATE, at);
	return adopt(p, *ret, &value, 1);
}

static int binary(struct parser *p, enum expr_kind kind, size_t at, struct expr **left,
		  struct expr *right)
{
	struct expr *x = expr_new(p, kind, at), *args[] = {*left, right};
	*left = x;
	return adopt(p, x, args, 2);
}

static int parse_product(struct parser *p, struct expr **ret)
{
	size_t at = p->at;
	TRY(parse_unary(p, ret));
	while (at_symbol(p, "*")) {
		struct expr *right = NULL;
		TRY(lex_next(p));
		TRY(parse_unary(p, &right));
		TRY(binary(p, EXPR_MULTIPLY, at, ret, right));
	}
	return OK;
}

static int parse_sum(struct parser *p, struct expr **ret)
{
	size_t at = p->at;
	TRY(parse_product(p, ret));
	while (at_symbol(p, "+") || at_symbol(p, "-")) {
		enum expr_kind kind = at_symbol(p, "+") ? EXPR_ADD : EXPR_SUBTRACT;
		struct expr *right = NULL;
		TRY(lex_next(p));
		TRY(parse_product(p, &right));
		TRY(binary(p, kind, at, ret, right));
	}
	return OK;
}

static int parse_in(struct parser *p, bool negated, size_t at, struct expr **ret)
{
	struct children AUTO_CHILDREN list = {0};
	struct expr *x = expr_new(p, EXPR_IN, at);
	children_add(&list, *ret);
	TRY(parse_arguments(p, &list));
	if (list.count < 2)
		return expr_error(p->place, x->at, p->e,
				  err_set(p->e, ERR_INPUT, "IN needs at least one value"));
	x->negated = negated;
	*ret = x;
	return adopt_children(p, x, &list);
}

static int parse_between(struct parser *p, bool negated, size_t at, struct expr **ret)
{
	struct expr *x = expr_new(p, EXPR_BETWEEN, at), *args[3] = {*ret, NULL, NULL};
	TRY(parse_sum(p, &args[1]));
	TRY(take_word(p, "AND"));
	TRY(parse_sum(p, &args[2]));
	x->negated = negated;
	*ret = x;
	return adopt(p, x, args, 3);
}

static int parse_predicate(struct parser *p, struct expr **ret)
{
	static const struct {
		const char *symbol;
		enum expr_kind kind;
	} comparisons[] = {
		{"=", EXPR_EQUAL},       {"<>", EXPR_UNEQUAL}, {"!=", EXPR_UNEQUAL},
		{"<=", EXPR_LESS_EQUAL}, {"<", EXPR_LESS},     {">=", EXPR_GREATER_EQUAL},
		{">", EXPR_GREATER},
	};
	size_t at = p->at;
	TRY(parse_sum(p, ret));
	for (size_t i = 0; i < ARRAY_LEN(comparisons); i++)
		if (at_symbol(p, comparisons[i].symbol)) {
			struct expr *right = NULL;
			TRY(lex_next(p));
			TRY(parse_sum(p, &right));
			return binary(p, comparisons[i].kind, at, ret, right);
		}
	bool negated = false;
	if (at_word(p, "IS")) {
		TRY(lex_next(p));
		negated = at_word(p, "NOT");
		if (negated)
			TRY(lex_next(p));
		TRY(take_word(p, "NULL"));
		struct expr *x = expr_new(p, EXPR_IS_NULL, at), *value = *ret;
		x->negated = negated;
		*ret = x;
		return adopt(p, x, &value, 1);
	}
	if (at_word(p, "NOT")) {
		negated = true;
		TRY(lex_next(p));
		if (!at_word(p, "IN") && !at_word(p, "BETWEEN"))
			return expected(p, tr("IN or BETWEEN"));
	}
	if (at_word(p, "IN")) {
		TRY(lex_next(p));
		return parse_in(p, negated, at, ret);
	}
	if (at_word(p, "BETWEEN")) {
		TRY(lex_next(p));
		return parse_between(p, negated, at, ret);
	}
	if (at_word(p, "LIKE"))
		return expected(p, tr("starts_with, ends_with or contains"));
	return OK;
}

static int parse_not(struct parser *p, struct expr **ret)
{
	size_t at = p->at;
	if (!at_word(p, "NOT"))
		return parse_predicate(p, ret);
	struct expr *value = NULL;
	TRY(lex_next(p));
	if (++p->depth > JOB_MAX_EXPRESSION_DEPTH)
		return too_deep(p, at);
	TRY(parse_not(p, &value));
	p->depth--;
	*ret = expr_new(p, EXPR_NOT, at);
	return adopt(p, *ret, &value, 1);
}

/* One chain of AND or OR is one node with many children, so that long lists of conditions are not
 * deep. */
static int parse_chain(struct parser *p, const char *word, enum expr_kind kind,
		       int (*below)(struct parser *, struct expr **), struct expr **ret)
{
	size_t at = p->at;
	TRY(below(p, ret));
	if (!at_word(p, word))
		return OK;
	struct children AUTO_CHILDREN list = {0};
	struct expr *x = expr_new(p, kind, at), *part = NULL;
	children_add(&list, *ret);
	while (at_word(p, word)) {
		TRY(lex_next(p));
		TRY(below(p, &part));
		children_add(&list, part);
	}
	*ret = x;
	return adopt_children(p, x, &list);
}

static int parse_and(struct parser *p, struct expr **ret)
{
	return parse_chain(p, "AND", EXPR_AND, parse_not, ret);
}

static int parse_expr(struct parser *p, struct expr **ret)
{
	if (++p->depth > JOB_MAX_EXPRESSION_DEPTH)
		return too_deep(p, p->at);
	TRY(parse_chain(p, "OR", EXPR_OR, parse_and, ret));
	p->depth--;
	return OK;
}

int expr_parse(struct arena *arena, const char *place, const char *text, struct expr **ret,
	       struct err *e)
{
	struct parser p = {
		.arena = arena, .place = place, .p = text, .counted = text, .at = 1, .e = e};
	if (strlen(text) > JOB_MAX_EXPRESSION_BYTES) {
		err_set(e, ERR_LIMIT, "the expression is longer than %d bytes",
			JOB_MAX_EXPRESSION_BYTES);
		err_where(e, place);
		return ERR_LIMIT;
	}
	struct expr *x = NULL;
	TRY(lex_next(&p));
	TRY(parse_expr(&p, &x));
	if (p.token.kind != TOKEN_END)
		return expected(&p, tr("the end of the expression"));
	*ret = x;
	return OK;
}
