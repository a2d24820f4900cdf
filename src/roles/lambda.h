/* The program as a function of AWS Lambda: a handler is opened once and given one event after the other, by Lambda's
 * Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). */
#ifndef PREGAO_LAMBDA_H
#define PREGAO_LAMBDA_H

#include "conf.h"
#include "system.h"

struct lambda_event {
	const char *request; /* Lambda's id of it */
	struct slice body;   /* JSON, of whoever may call the function */
};
struct lambda_handler {
	const char *name;    /* as the command line has it */
	const char *summary; /* one line, English (looked up with tr) */
	enum system_mode mode;
	/* Once, before the first event; *state is the handler's own, in the arena, and handed to handle(). */
	int (*open)(struct system *, const struct conf *, const char *definitions, struct arena *,
		    void **ret_state, struct err *);
	/* Appends the answer, JSON. A failure is told to Lambda as one, which tries again by the function's
	 * settings. */
	int (*handle)(void *state, const struct lambda_event *, struct buf *answer, struct err *);
	void (*close)(void *state); /* what open left, also when it failed; NULL: nothing */
};
extern const struct lambda_handler lambda_activation, lambda_bovespa;
/* NULL ends it. */
extern const struct lambda_handler *const lambda_handlers[];
const struct lambda_handler *lambda_handler_find(const char *name); /* or NULL */

struct lambda_options {
	const struct lambda_handler *handler;
	const char *lake, *definitions;
	const struct conf *conf;
	const char *api; /* "host:port" of the Runtime API: AWS_LAMBDA_RUNTIME_API */
};
/* Serves events until the runtime goes away, which is how a function ends: never OK. What cannot be opened is told to the
 * runtime, too. One line of JSON on standard error for each event that failed. */
int lambda_run(const struct lambda_options *, struct err *) MUST_CHECK;

#endif
