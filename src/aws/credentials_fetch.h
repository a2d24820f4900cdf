/* Credentials that a service on this machine hands out: the container's endpoint, the instance's
 * metadata. Inside of credentials.c. */
#ifndef PREGAO_AWS_CREDENTIALS_FETCH_H
#define PREGAO_AWS_CREDENTIALS_FETCH_H

#include "mem.h"
#include "sigv4.h"
#include "world.h"

struct found {
	struct arena *arena;  /* of what follows */
	struct sigv4_key key; /* access NULL: none */
	const char *origin;
	int64_t expires_us; /* 0: never */
};
/* OK with access NULL when no endpoint is named. */
int credentials_from_container(const struct aws_world *, struct found *, struct err *) MUST_CHECK;
/* OK with access NULL and the reason in `why` when this is no instance, or one without a role. */
int credentials_from_instance(const struct aws_world *, struct found *, char *why, size_t why_size,
			      struct err *) MUST_CHECK;

#endif
