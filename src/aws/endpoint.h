/* Where a service listens: AWS's own host names, or the endpoint that the user named. */
#ifndef PREGAO_AWS_ENDPOINT_H
#define PREGAO_AWS_ENDPOINT_H

#include "world.h"

struct endpoint {
	const char *scheme, *host; /* the port with the host, unless it is the scheme's own */
	const char *path;          /* with what the endpoint puts before it; not encoded */
	const char *region;        /* to sign for */
};
/* AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL, else AWS's. A bucket goes before the path at
 * the first two, and where its name has dots (a certificate knows only one level); else before the
 * host. region may be NULL. ERR_USAGE for an endpoint that is no URL, or no region. */
int endpoint_find(const struct aws_world *, const char *region, const char *service,
		  const char *bucket, const char *path, struct arena *, struct endpoint *ret,
		  struct err *) MUST_CHECK;

#endif
