/* libmicrohttpd, opened when the server starts: linked, it and its TLS library would cost every command and
 * every role two milliseconds and as many megabytes. */
#ifndef PREGAO_MHD_H
#define PREGAO_MHD_H

#include <microhttpd.h>

#include "err.h"

#define MHD_CALLS(x)                                                                           \
	x(start_daemon) x(stop_daemon) x(lookup_connection_value) x(get_connection_values)     \
		x(get_connection_info) x(set_connection_option) x(create_response_from_buffer) \
			x(create_response_from_callback) x(add_response_header)                \
				x(get_response_header) x(queue_response) x(destroy_response)

#define MHD_MEMBER(name) __typeof__(MHD_##name) *name;
struct mhd {
	MHD_CALLS(MHD_MEMBER)
};
#undef MHD_MEMBER
extern struct mhd mhd;

/* To be called first, once; ERR_NOT_FOUND names the package that is missing. */
int mhd_load(struct err *) MUST_CHECK;

#endif
