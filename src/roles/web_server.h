/* The HTTP server around the program's commands: of `pregao serve`, and of the role web. */
#ifndef PREGAO_WEB_SERVER_H
#define PREGAO_WEB_SERVER_H

#include "server.h"
#include "up_settings.h"

#define WEB_URL_SIZE 128
/* The socket, a new token and the link that has both. address: "127.0.0.1:8391", loopback only; "none": no server, and an
 * empty link. What is made lives as long as the arena; errors: server_listen's. */
int web_listen(const char *address, struct arena *, struct web *ret, char ret_link[WEB_URL_SIZE],
	       struct err *) MUST_CHECK;
/* While there is one thread and every right is there: the helper that runs commands, and the library. */
int web_prepare(const struct web *, struct commands **ret, struct err *) MUST_CHECK;
/* Inside the sandbox; ended by server_stop and commands_stop. */
int web_start(const struct web *, struct commands *, struct server **ret, struct err *) MUST_CHECK;

#endif
