/* A request on its way through the server, and what may be answered. */
#ifndef PREGAO_REQUEST_H
#define PREGAO_REQUEST_H

#include "clock.h"
#include "mem.h"
#include "mhd.h"
#include "server.h"

struct server {
	struct server_options options;
	struct commands *commands;
	struct MHD_Daemon *daemon;
	char cookie[32]; /* its name: each port has its own */
	struct buf openapi;
};
struct request {
	struct server *server;
	struct MHD_Connection *connection;
	struct arena *arena;
	const char *method, *path;
	int64_t begun_us;
	struct buf body;
};

/* guard.c: whether it may be answered at all. The HTTP status to refuse it with and why, or 0. */
unsigned guard_check(struct request *, const char **ret_why);
/* What wants the token: the lake's data, and not the page that asks for them. */
bool guard_is_api(const struct request *);
/* Whether the token in the query is right: the first visit, by the printed link. */
bool guard_is_first_visit(struct request *);

/* Queues the answer; the result is what MHD wants of a handler. type may be NULL. */
enum MHD_Result reply_bytes(struct request *, unsigned status, const char *type, struct slice);
/* text: in the reader's language already */
enum MHD_Result reply_error(struct request *, unsigned status, const char *code, const char *text);
/* An answer of the caller's making; takes the response. */
enum MHD_Result reply(struct request *, unsigned status, struct MHD_Response *);

/* static.c: whatever is not the API's. */
enum MHD_Result static_answer(struct request *);
/* api.c */
enum MHD_Result api_answer(struct request *);

#endif
