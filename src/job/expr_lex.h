/* Tokens of the expression language, one ahead of the parser. For expr_lex.c and expr_parse.c. */
#ifndef PREGAO_EXPR_LEX_H
#define PREGAO_EXPR_LEX_H

#include "expr.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NUMBER,
	TOKEN_TEXT,
	TOKEN_NAME,
	TOKEN_QUOTED_NAME,
	TOKEN_SYMBOL
};
struct token {
	enum token_kind kind;
	struct slice raw; /* as written, quotes included */
	const char *text; /* without quotes, in the arena */
};

struct parser {
	struct arena *arena;
	const char *place;
	const char *p;       /* behind the token in hand */
	const char *counted; /* up to here `at` has counted characters */
	size_t at;           /* the character where the token in hand begins, from 1 */
	struct token token;  /* the one in hand: it comes next */
	int depth;           /* of the recursion */
	struct err *e;
};

/* To begin with: p and counted at the text, at 1. Takes the next token into p->token; TOKEN_END for
 * ever after the last. */
int lex_next(struct parser *) MUST_CHECK;
/* Adds the place of the token in hand to the error; returns code. */
int lex_fail(const struct parser *, int code);
bool lex_is_digit(char);

#endif
