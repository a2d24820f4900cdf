/* libmicrohttpd's side: a daemon with a thread for each connection, the headers of every answer, and the way
 * of a request to whoever answers it. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json.h"
#include "request.h"
#include "route.h"
#include "tr.h"
#include "value.h"

#define IDLE_SECONDS  30       /* a connection that says nothing is closed */
#define REQUEST_US    30000000 /* a request must be there whole */
#define STACK_BYTES   ((size_t)256 << 10)
#define HEADERS_BYTES ((size_t)32 << 10)

/* ---- answers ---- */

enum MHD_Result reply(struct request *r, unsigned status, struct MHD_Response *response)
{
	static const char *const headers[][2] = {
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Content-Security-Policy",
		 "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"},
	};
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		if (!mhd.get_response_header(response, headers[i][0]))
			mhd.add_response_header(response, headers[i][0], headers[i][1]);
	if (!mhd.get_response_header(response, "Cache-Control"))
		mhd.add_response_header(response, "Cache-Control", "no-store");
	enum MHD_Result done = mhd.queue_response(r->connection, status, response);
	mhd.destroy_response(response);
	return done;
}

enum MHD_Result reply_bytes(struct request *r, unsigned status, const char *type, struct slice s)
{
	struct MHD_Response *response =
		mhd.create_response_from_buffer(s.n, (void *)(uintptr_t)s.p, MHD_RESPMEM_MUST_COPY);
	if (type)
		mhd.add_response_header(response, "Content-Type", type);
	return reply(r, status, response);
}

enum MHD_Result reply_error(struct request *r, unsigned status, const char *code, const char *text)
{
	AUTO_JSON json_t *o = json_pack("{s:{s:s, s:s}}", "error", "code", code, "text", text);
	AUTO_BUF struct buf b = {0};
	json_canonical(o, &b);
	return reply_bytes(r, status, "application/json", (struct slice){b.data, b.len});
}

/* ---- requests ---- */

/* The link's token becomes a cookie, so that no address that is shared holds it. */
static enum MHD_Result greet(struct request *r)
{
	struct MHD_Response *response =
		mhd.create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	mhd.add_response_header(response, "Location", "/");
	mhd.add_response_header(response, "Set-Cookie",
				arena_printf(r->arena, "%s=%s; Path=/; HttpOnly; SameSite=Strict",
					     r->server->cookie, r->server->options.token));
	return reply(r, MHD_HTTP_SEE_OTHER, response);
}

static enum MHD_Result answer(struct request *r)
{
	const char *why;
	unsigned refused = guard_check(r, &why);
	if (refused)
		return reply_error(r, refused, refused == 401 ? "UNAUTHORIZED" : "DENIED", why);
	if (guard_is_first_visit(r))
		return greet(r);
	if (strcmp(r->path, "/api/openapi.json") == 0 && strcmp(r->method, "GET") == 0)
		return reply_bytes(r, MHD_HTTP_OK, "application/json",
				   (struct slice){r->server->openapi.data, r->server->openapi.len});
	return guard_is_api(r) ? api_answer(r) : static_answer(r);
}

static struct request *begin(struct server *s, struct MHD_Connection *connection,
			     const char *method, const char *path)
{
	struct request *r = NEW(struct request);
	r->server = s;
	r->connection = connection;
	r->arena = arena_new();
	r->method = arena_strdup(r->arena, method);
	r->path = arena_strdup(r->arena, path);
	r->begun_us = clock_monotonic_us(&clock_system);
	return r;
}

static void end(void *ctx, struct MHD_Connection *connection, void **state,
		enum MHD_RequestTerminationCode why)
{
	struct request *r = *state;
	if (!r)
		return;
	buf_free(&r->body);
	arena_free(r->arena);
	free(r);
	*state = NULL;
}

/* Called with the headers, with each piece of the body, and at its end. */
static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *path,
			      const char *method, const char *version, const char *piece,
			      size_t *piece_size, void **state)
{
	struct server *s = ctx;
	struct request *r = *state;
	if (!r) {
		*state = r = begin(s, connection, method, path);
		const char *length =
			mhd.lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
		int64_t bytes;
		const char *why;
		/* Before anything is read of those who would not be answered. */
		unsigned refused = guard_check(r, &why);
		if (refused)
			return reply_error(r, refused, refused == 401 ? "UNAUTHORIZED" : "DENIED",
					   why);
		if (length &&
		    (!int64_parse(slice_of(length), &bytes) || bytes > (int64_t)SERVER_BODY_MAX))
			return reply_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "LIMIT",
					   tr("the body is too large"));
		return MHD_YES;
	}
	if (*piece_size) {
		/* Too much, or too slow: then nobody is there to be told. */
		if (r->body.len + *piece_size > SERVER_BODY_MAX ||
		    clock_monotonic_us(&clock_system) - r->begun_us > REQUEST_US)
			return MHD_NO;
		buf_add(&r->body, piece, *piece_size);
		*piece_size = 0;
		return MHD_YES;
	}
	return answer(r);
}

/* ---- start and stop ---- */

int server_token(char ret[SERVER_TOKEN_SIZE], struct err *e)
{
	uint8_t bytes[(SERVER_TOKEN_SIZE - 1) / 2];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_errno(e, errno, "no random numbers for a token");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return OK;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool read_address(const char *text, union address *ret, socklen_t *ret_size)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	int64_t port;
	memset(ret, 0, sizeof(*ret));
	if (!colon || !int64_parse(slice_of(colon + 1), &port) || port < 0 || port > 65535)
		return false;
	size_t n = (size_t)(colon - text);
	bool brackets = n > 2 && text[0] == '[' && text[n - 1] == ']';
	snprintf(host, sizeof(host), "%.*s", (int)(brackets ? n - 2 : n),
		 brackets ? text + 1 : text);
	if (!brackets && inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
				   &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		*ret_size = sizeof(ret->v4);
		return true;
	}
	if (!brackets || inet_pton(AF_INET6, host, &ret->v6.sin6_addr) != 1)
		return false;
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons((uint16_t)port);
	*ret_size = sizeof(ret->v6);
	return true;
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
}

int server_listen(const char *address, bool anywhere, int *ret_socket, uint16_t *ret_port,
		  struct err *e)
{
	union address a;
	socklen_t size;
	if (!read_address(address, &a, &size))
		return err_set(e, ERR_USAGE,
			       "%s: expected an address and a port, such as 127.0.0.1:8391",
			       address);
	if (!anywhere && !is_loopback(&a))
		return err_set(
			e, ERR_USAGE,
			"%s is no loopback address: whoever reaches it could try to read the lake",
			address);
	int on = 1, fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, &a.any, size) != 0 || listen(fd, 128) != 0 ||
	    getsockname(fd, &a.any, &size) != 0) {
		int rc =
			errno == EADDRINUSE
				? err_set(e, ERR_CONFLICT,
					  "%s is in use by another program; --listen takes another port",
					  address)
				: err_errno(e, errno, "cannot listen on %s", address);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*ret_socket = fd;
	*ret_port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
	return OK;
}

int server_load(struct err *e)
{
	return mhd_load(e);
}

int server_start(const struct server_options *o, struct commands *commands, struct server **ret,
		 struct err *e)
{
	struct server *s = NEW(struct server);
	s->options = *o;
	s->commands = commands;
	snprintf(s->cookie, sizeof(s->cookie), "pregao_%u", o->port);
	route_openapi(&s->openapi);
	s->daemon = mhd.start_daemon(
		MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_USE_ITC,
		o->port, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, o->socket,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEADERS_BYTES, MHD_OPTION_THREAD_STACK_SIZE,
		STACK_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, end,
		NULL, MHD_OPTION_END);
	if (!s->daemon) {
		int rc = err_errno(e, errno, "cannot start the HTTP server");
		buf_free(&s->openapi);
		free(s);
		return rc;
	}
	*ret = s;
	return OK;
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	mhd.stop_daemon(s->daemon);
	buf_free(&s->openapi);
	free(s);
}
