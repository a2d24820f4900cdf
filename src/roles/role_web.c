/* The role that answers: it speaks to whoever comes, and to its helper, and nothing else. */
#include "role_table.h"
#include "web_server.h"

#define IDLE_US INT64_C(200000)

/* A role is one process: made before its sandbox, used within. */
static struct commands *commands;

int role_web_before(const struct up_settings *s, struct err *e)
{
	return s->web.socket < 0 ? OK : web_prepare(&s->web, &commands, e);
}

int role_web(struct role_context *c, struct err *e)
{
	struct server *server = NULL;
	int rc = commands ? web_start(&c->settings->web, commands, &server, e) : OK;
	while (rc == OK && role_wait(c, IDLE_US))
		;
	server_stop(server);
	commands_stop(commands);
	return rc;
}
