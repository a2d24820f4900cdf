/* Text to tokens, and where in the text they stand. */
#include "expr_lex.h"

#include <stdio.h>
#include <string.h>

#include "function.h"

int expr_error(const char *place, size_t at, struct err *e, int code)
{
	char where[sizeof(e->where)];
	snprintf(where, sizeof(where), "%s, character %zu", place, at);
	err_where(e, where);
	return code;
}

int lex_fail(const struct parser *p, int code)
{
	return expr_error(p->place, p->at, p->e, code);
}

bool lex_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int lex_quoted(struct parser *p, char quote)
{
	const char *from = p->p, *c = p->p + 1;
	struct buf AUTO_BUF plain = {0};
	for (;; c++) {
		if (!*c) {
			p->token.raw.p = from;
			if (quote == '\'')
				err_set(p->e, ERR_INPUT,
					"the text that begins here has no closing quote");
			else
				err_set(p->e, ERR_INPUT,
					"the name that begins here has no closing quote");
			return lex_fail(p, ERR_INPUT);
		}
		if (*c == quote && *++c != quote)
			break;
		buf_char(&plain, *c);
	}
	p->token = (struct token){
		.kind = quote == '\'' ? TOKEN_TEXT : TOKEN_QUOTED_NAME,
		.raw = {from, (size_t)(c - from)},
		.text = arena_strndup(p->arena, plain.data ? plain.data : "", plain.len),
	};
	p->p = c;
	return OK;
}

static int lex_number(struct parser *p)
{
	const char *from = p->p, *c = p->p;
	while (lex_is_digit(*c))
		c++;
	if (*c == '.' && lex_is_digit(c[1]))
		for (c++; lex_is_digit(*c); c++)
			;
	p->token = (struct token){.kind = TOKEN_NUMBER, .raw = {from, (size_t)(c - from)}};
	if (*c == '.' || is_name_start(*c)) {
		err_set(p->e, ERR_INPUT,
			"'%.*s' is not a number; whole numbers and decimals look like 12 and 0.125",
			(int)(c - from + 1), from);
		return lex_fail(p, ERR_INPUT);
	}
	p->token.text = arena_strndup(p->arena, from, (size_t)(c - from));
	p->p = c;
	return OK;
}

/* What people try that the language does not have. */
static const struct {
	const char *symbol, *instead;
} not_here[] = {
	{"==", "="},
	{"/", "round_div(a, b, decimals) or int_div(a, b)"},
	{"||", "concat(a, b)"},
	{"%", "mod(a, b)"},
	{"&&", "AND"},
	{"::", "cast(value AS TYPE)"},
	{"!", "NOT or <>"},
	{"`", "\"name\""},
	{";", "one expression"},
};

static int lex_symbol(struct parser *p)
{
	static const char *const symbols[] = {"<=", ">=", "<>", "!=", "(", ")", ",",
					      "+",  "-",  "*",  "=",  "<", ">"};
	p->token = (struct token){.kind = TOKEN_SYMBOL, .raw = {p->p, 1}};
	for (size_t i = 0; i < ARRAY_LEN(not_here); i++)
		if (strncmp(p->p, not_here[i].symbol, strlen(not_here[i].symbol)) == 0 &&
		    strncmp(p->p, "!=", 2) != 0) {
			err_set(p->e, ERR_INPUT, "'%s' does not exist here; write %s",
				not_here[i].symbol, not_here[i].instead);
			return lex_fail(p, ERR_INPUT);
		}
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++)
		if (strncmp(p->p, symbols[i], strlen(symbols[i])) == 0) {
			p->token.raw.n = strlen(symbols[i]);
			p->token.text = symbols[i];
			p->p += p->token.raw.n;
			return OK;
		}
	size_t n = 1;
	while (((unsigned char)p->p[n] & 0xC0) == 0x80)
		n++;
	err_set(p->e, ERR_INPUT, "the character '%.*s' means nothing here", (int)n, p->p);
	return lex_fail(p, ERR_INPUT);
}

int lex_next(struct parser *p)
{
	while (*p->p == ' ' || *p->p == '\t' || *p->p == '\n' || *p->p == '\r')
		p->p++;
	/* People count characters, not bytes. */
	for (; p->counted < p->p; p->counted++)
		p->at += ((unsigned char)*p->counted & 0xC0) != 0x80;
	char c = *p->p;
	if (!c) {
		p->token = (struct token){.kind = TOKEN_END, .raw = {p->p, 0}, .text = ""};
		return OK;
	}
	if (c == '\'' || c == '"')
		return lex_quoted(p, c);
	if (lex_is_digit(c))
		return lex_number(p);
	if (!is_name_start(c))
		return lex_symbol(p);
	const char *from = p->p;
	while (is_name_start(*p->p) || lex_is_digit(*p->p))
		p->p++;
	p->token = (struct token){
		.kind = TOKEN_NAME,
		.raw = {from, (size_t)(p->p - from)},
		.text = arena_strndup(p->arena, from, (size_t)(p->p - from)),
	};
	return OK;
}
