/* A row of the API: the request becomes a command, and what it prints the answer, as it comes. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "request.h"
#include "route.h"
#include "tr.h"

#define ERROR_MAX   65536 /* bytes of what a command says on its standard error */
#define BLOCK_BYTES 65536

/* An answer that is being written. */
struct running {
	struct commands *commands;
	struct command_run run;
	int client;       /* the connection's socket: its end is the command's */
	struct buf first; /* what was read before the answer began */
	size_t given;
};

static void running_free(void *ctx)
{
	struct running *x = ctx;
	command_end(x->commands, &x->run);
	buf_free(&x->first);
	free(x);
}

/* Waits for output; false when the client went away. A client that has only closed its sending half has, too:
 * none of HTTP's does that and waits. */
static bool wait_for_output(const struct running *x)
{
	struct pollfd polled[] = {{x->run.out, POLLIN, 0}, {x->client, POLLRDHUP, 0}};
	while (poll(polled, ARRAY_LEN(polled), -1) < 0 && errno == EINTR)
		;
	return polled[0].revents || !(polled[1].revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* 0: the end; -1: the client is gone. */
static ssize_t read_output(const struct running *x, char *to, size_t most)
{
	ssize_t n = -1;
	while (wait_for_output(x) && (n = read(x->run.out, to, most)) < 0 && errno == EINTR)
		;
	return n;
}

/* What doctor finds wrong is its answer, too. */
static bool is_answer(int exit_status)
{
	return exit_status == 0 || exit_status == 4;
}

static ssize_t give_output(void *ctx, uint64_t at, char *to, size_t most)
{
	struct running *x = ctx;
	size_t left = x->first.len - x->given;
	if (left) {
		size_t n = left < most ? left : most;
		memcpy(to, x->first.data + x->given, n);
		x->given += n;
		return (ssize_t)n;
	}
	ssize_t n = read_output(x, to, most);
	if (n > 0)
		return n;
	/* Whoever fails half-way leaves an answer that ends in the middle, which clients see. */
	return n == 0 && is_answer(command_wait(&x->run)) ? MHD_CONTENT_READER_END_OF_STREAM
							  : MHD_CONTENT_READER_END_WITH_ERROR;
}

static unsigned status_of(int exit_status, const char *code)
{
	static const struct {
		const char *code;
		unsigned status;
	} statuses[] = {
		{"NOT_FOUND", MHD_HTTP_NOT_FOUND},
		{"CONFLICT", MHD_HTTP_CONFLICT},
		{"DENIED", MHD_HTTP_FORBIDDEN},
		{"RETRY", MHD_HTTP_SERVICE_UNAVAILABLE},
		{"LIMIT", MHD_HTTP_UNPROCESSABLE_CONTENT},
		{"INPUT", MHD_HTTP_UNPROCESSABLE_CONTENT},
		{"USAGE", MHD_HTTP_BAD_REQUEST},
	};
	for (size_t i = 0; code && i < ARRAY_LEN(statuses); i++)
		if (strcmp(statuses[i].code, code) == 0)
			return statuses[i].status;
	return exit_status == 2   ? MHD_HTTP_BAD_REQUEST
	       : exit_status == 3 ? MHD_HTTP_UNPROCESSABLE_CONTENT
				  : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

/* The last line that a command said which is JSON is its error. */
static const char *find_error(struct buf *said, json_t **ret)
{
	struct slice rest = {said->data, said->len};
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		json_t *o = NULL;
		if (line.n && line.p[0] == '{' && json_parse(line.p, line.n, &o, NULL) == OK) {
			json_decref(*ret);
			*ret = o;
		}
	}
	return *ret ? json_opt_str(json_object_get(*ret, "error"), "code", NULL) : NULL;
}

/* It failed before it had said anything. */
static enum MHD_Result reply_failure(struct request *r, struct running *x, int exit_status)
{
	AUTO_BUF struct buf said = {0};
	AUTO_JSON json_t *error = NULL;
	char block[4096];
	ssize_t n;
	off_t at = 0;
	while (said.len < ERROR_MAX && (n = pread(x->run.errors, block, sizeof(block), at)) > 0) {
		buf_add(&said, block, (size_t)n);
		at += n;
	}
	const char *code = find_error(&said, &error);
	unsigned status = status_of(exit_status, code);
	running_free(x);
	if (!error)
		return reply_error(r, status, "FAILED",
				   tr("the command failed; its log says more"));
	AUTO_BUF struct buf text = {0};
	json_canonical(error, &text);
	return reply_bytes(r, status, "application/json", (struct slice){text.data, text.len});
}

static int socket_of(struct request *r)
{
	const union MHD_ConnectionInfo *info =
		mhd.get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? info->connect_fd : -1;
}

static enum MHD_Result run(struct request *r, const struct route_call *call)
{
	struct err e = ERR_INIT;
	struct running *x = NEW(struct running);
	char block[4096];
	x->commands = r->server->commands;
	x->client = socket_of(r);
	if (commands_run(x->commands, call->words, call->word_count,
			 (struct slice){r->body.data, r->body.len}, &x->run, &e) != OK) {
		free(x);
		return reply_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "LIMIT", e.text);
	}
	ssize_t n = read_output(x, block, sizeof(block));
	if (n < 0) { /* nobody waits for it any more */
		running_free(x);
		return MHD_NO;
	}
	if (n == 0) {
		int status = command_wait(&x->run);
		if (!is_answer(status))
			return reply_failure(r, x, status);
		running_free(x);
		return reply_bytes(r, MHD_HTTP_OK, call->type, (struct slice){"", 0});
	}
	buf_add(&x->first, block, (size_t)n);
	/* An answer that takes its time is no idle connection. */
	mhd.set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	struct MHD_Response *response = mhd.create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, give_output, x, running_free);
	mhd.add_response_header(response, "Content-Type", call->type);
	return reply(r, MHD_HTTP_OK, response);
}

static const char *query_value(void *ctx, const char *name)
{
	const struct request *r = ctx;
	return mhd.lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct unknown {
	const struct route *route;
	const char *name;
};

static enum MHD_Result look_for_unknown(void *ctx, enum MHD_ValueKind kind, const char *name,
					const char *value)
{
	struct unknown *u = ctx;
	if (!route_knows(u->route, name) || !value)
		u->name = name;
	return u->name ? MHD_NO : MHD_YES;
}

enum MHD_Result api_answer(struct request *r)
{
	struct err e = ERR_INIT;
	const struct route *route = NULL;
	const char *allowed = NULL;
	struct route_call call;
	int rc = route_find(r->arena, r->method, r->path, &route, &allowed, &e);
	if (rc == ERR_NOT_FOUND)
		return reply_error(r, MHD_HTTP_NOT_FOUND, "NOT_FOUND", e.text);
	if (rc)
		return reply_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "USAGE", e.text);
	struct unknown u = {.route = route};
	mhd.get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, look_for_unknown, &u);
	if (u.name)
		return reply_error(r, MHD_HTTP_BAD_REQUEST, "USAGE",
				   tr("there is no such parameter here"));
	if (!route->body && r->body.len)
		return reply_error(r, MHD_HTTP_BAD_REQUEST, "USAGE",
				   tr("no body is expected here"));
	if (route_words(r->arena, route, r->path, query_value, r, &call, &e) != OK)
		return reply_error(r, MHD_HTTP_BAD_REQUEST, "USAGE", e.text);
	return run(r, &call);
}
