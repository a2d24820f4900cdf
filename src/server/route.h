/* The table of the HTTP API: a row is a path, the command that answers it, and what may be given. From the
 * rows come the checks of every request, what the helper may run, and the OpenAPI description. */
#ifndef PREGAO_ROUTE_H
#define PREGAO_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "mem.h"
#include "str.h"

enum parameter_in { IN_PATH, IN_QUERY };
enum parameter_kind {
	KIND_NAME,   /* letters, digits, `_`, `-`; no dash first */
	KIND_TABLE,  /* two names: "raw.portfolio" */
	KIND_TEXT,   /* UTF-8 without control characters */
	KIND_NUMBER, /* digits */
	KIND_DATE,   /* 2024-07-15 */
	KIND_TIME,   /* 30s, 5m */
	KIND_CHOICE, /* one of `choices` */
	KIND_FLAG,   /* true */
};
struct parameter {
	const char *name; /* in the path: where `{name}` stands */
	enum parameter_in in;
	enum parameter_kind kind;
	const char *choices; /* "json|csv" */
	/* NULL: in the path a word of the command; in the query what `format` decides */
	const char *option; /* "--limit" */
	const char *doc;
};
#define PARAMETERS_MAX  8
#define ROUTE_VALUE_MAX 1024 /* bytes of a value */

struct route {
	const char *method; /* "GET", "POST" */
	const char *path;   /* "/api/tables/{table}" */
	/* Of the command, separated by blanks; {name} is the value of a parameter: "describe {table}" */
	const char *command;
	struct parameter parameters[PARAMETERS_MAX]; /* ended by one without a name */
	bool formats;                                /* takes ?format=, else JSON */
	const char *type;                            /* of the answer, where no format is chosen */
	/* what the body is: standard input of the command; NULL: there is none */
	const char *body;
	const char *doc;
};
extern const struct route routes[];
extern const size_t route_count;
extern const struct parameter route_format; /* of rows that take formats */

/* What a request asks for. */
struct route_call {
	const struct route *route;
	const char *words[32];
	size_t word_count;
	const char *type; /* of the answer */
};
/* Finds the row for a path that is decoded. *ret_allowed: the methods that the path knows ("GET, POST"),
 * when the method is none of them. ERR_NOT_FOUND; ERR_USAGE (another method). Strings lie in the arena. */
int route_find(struct arena *, const char *method, const char *path, const struct route **ret,
	       const char **ret_allowed, struct err *) MUST_CHECK;
/* The command for it: every value is checked. query(ctx, name): a value, or NULL. ERR_INPUT names the
 * parameter, what was found and what was expected. */
int route_words(struct arena *, const struct route *, const char *path,
		const char *(*query)(void *ctx, const char *name), void *ctx,
		struct route_call *ret, struct err *) MUST_CHECK;
/* Whether the query may hold a parameter of that name. */
bool route_knows(const struct route *, const char *name);
/* Whether the words are a command of the table: what the helper asks. */
bool route_allows(const char *const *words, size_t n);
/* The description of all of it, as OpenAPI 3.1. */
void route_openapi(struct buf *out);

#endif
