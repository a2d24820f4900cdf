/* The HTTP server: the API of route.h, and the front end's files. One thread for each connection; what is
 * asked for is done by commands in processes of their own (command.h), so a runaway query takes nothing
 * with it. */
#ifndef PREGAO_SERVER_H
#define PREGAO_SERVER_H

#include <stdint.h>

#include "command.h"
#include "err.h"

#define SERVER_CONNECTIONS_MAX 512
#define SERVER_BODY_MAX        ((size_t)1 << 20)
#define SERVER_TOKEN_SIZE      65 /* hexadecimal digits and a NUL */

struct server_options {
	int socket; /* listens already, on `port` of a loopback address; of the caller */
	uint16_t port;
	const char *const
		*hosts; /* names that requests may call us by, beside loopback's; ended by NULL */
	const char *token; /* that every request must show; NULL: none */
};
/* A random token. */
int server_token(char ret[SERVER_TOKEN_SIZE], struct err *) MUST_CHECK;
/* "127.0.0.1:8391", "[::1]:8391": a socket that listens there. Only loopback unless `anywhere`. ERR_USAGE; ERR_CONFLICT:
 * somebody else does. Port 0: any, told in ret_port. */
int server_listen(const char *address, bool anywhere, int *ret_socket, uint16_t *ret_port,
		  struct err *) MUST_CHECK;
/* Opens the library: while that can still be read. */
int server_load(struct err *) MUST_CHECK;
struct server;
/* Options are copied but for strings. */
int server_start(const struct server_options *, struct commands *, struct server **ret,
		 struct err *) MUST_CHECK;
void server_stop(struct server *); /* cuts what runs; NULL is fine */

#endif
