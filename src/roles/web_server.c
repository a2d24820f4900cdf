/* The server put together: where it listens, what runs its commands, who may ask. */
#include "web_server.h"

#include <stdio.h>
#include <string.h>

#include "route.h"

int web_listen(const char *address, struct arena *arena, struct web *ret,
	       char ret_link[WEB_URL_SIZE], struct err *e)
{
	char token[SERVER_TOKEN_SIZE];
	*ret = (struct web){.socket = -1};
	ret_link[0] = '\0';
	if (strcmp(address, "none") == 0)
		return OK;
	int rc = server_listen(address, false, &ret->socket, &ret->port, e);
	if (rc == OK)
		rc = server_token(token, e);
	if (rc)
		return rc;
	ret->token = arena_strdup(arena, token);
	snprintf(ret_link, WEB_URL_SIZE, "http://127.0.0.1:%u/?token=%s", ret->port, token);
	return OK;
}

int web_prepare(const struct web *w, struct commands **ret, struct err *e)
{
	const struct commands_options with = {w->common, route_allows};
	int rc = commands_start(&with, ret, e);
	return rc ? rc : server_load(e);
}

int web_start(const struct web *w, struct commands *commands, struct server **ret, struct err *e)
{
	const struct server_options o = {.socket = w->socket, .port = w->port, .token = w->token};
	return server_start(&o, commands, ret, e);
}
