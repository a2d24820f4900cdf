/* Who is answered: a page or a program of this machine's user, which shows the token. What a browser says of
 * itself (Host, Origin, Sec-Fetch-Site) keeps other pages from asking in the user's name. */
#include <string.h>

#include "hash.h"
#include "request.h"
#include "tr.h"

static const char *header(const struct request *r, const char *name)
{
	return mhd.lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* "name" or "name:port", and nothing before or after it. */
static bool is_ours(const struct server *s, const char *host)
{
	static const char *const loopback[] = {"127.0.0.1", "localhost", "[::1]", NULL};
	const char *const *lists[] = {loopback, s->options.hosts};
	char port[8];
	snprintf(port, sizeof(port), ":%u", s->options.port);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (const char *const *name = lists[i]; name && *name; name++) {
			size_t n = strlen(*name);
			if (strncasecmp(host, *name, n) == 0 &&
			    (strcmp(host + n, port) == 0 || (s->options.port == 80 && !host[n])))
				return true;
		}
	return false;
}

static bool is_token(const struct server *s, const char *given)
{
	size_t n = strlen(s->options.token);
	return given && strlen(given) == n && secret_equal(given, s->options.token, n);
}

static bool shows_token(const struct request *r)
{
	const struct server *s = r->server;
	const char *bearer = header(r, "Authorization");
	if (!s->options.token)
		return true;
	if (bearer && strncmp(bearer, "Bearer ", 7) == 0)
		return is_token(s, bearer + 7);
	return is_token(s, mhd.lookup_connection_value(r->connection, MHD_COOKIE_KIND, s->cookie));
}

bool guard_is_first_visit(struct request *r)
{
	const char *given =
		mhd.lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "token");
	return r->server->options.token && given && strcmp(r->path, "/") == 0 &&
	       is_token(r->server, given);
}

/* "http://" and a host of ours. */
static bool is_our_origin(const struct server *s, const char *origin)
{
	return strncmp(origin, "http://", 7) == 0 && is_ours(s, origin + 7);
}

bool guard_is_api(const struct request *r)
{
	return strncmp(r->path, "/api/", 5) == 0 || strcmp(r->path, "/metrics") == 0;
}

unsigned guard_check(struct request *r, const char **ret_why)
{
	const struct server *s = r->server;
	const char *host = header(r, "Host"), *origin = header(r, "Origin"),
		   *site = header(r, "Sec-Fetch-Site");
	bool acts = strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0;
	bool api = guard_is_api(r);
	*ret_why = tr("this address is not served here");
	if (!host || !is_ours(s, host))
		return MHD_HTTP_FORBIDDEN;
	*ret_why = tr("not from another page");
	if (origin && !is_our_origin(s, origin))
		return MHD_HTTP_FORBIDDEN;
	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 && (api || acts))
		return MHD_HTTP_FORBIDDEN;
	*ret_why = tr("the token is missing or wrong: open the link that the server printed");
	if (api && !shows_token(r))
		return MHD_HTTP_UNAUTHORIZED;
	return 0;
}
