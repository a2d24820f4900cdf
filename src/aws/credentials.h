/* Who we are to AWS: the chain of places where credentials may lie, and getting new ones before they
 * expire. The environment; the shared files' profile; the container's endpoint; the instance's
 * metadata (version 2 of the protocol only). */
#ifndef PREGAO_AWS_CREDENTIALS_H
#define PREGAO_AWS_CREDENTIALS_H

#include "mem.h"
#include "sigv4.h"
#include "world.h"

struct credentials;
/* Looks nowhere yet. The world must outlive it. */
struct credentials *credentials_new(const struct aws_world *);
void credentials_free(struct credentials *);
/* A key that is good for some minutes more, and where it came from (for messages), both in the arena.
 * May block for the network, a few seconds at most. From any thread. ERR_DENIED with the reason
 * "no_credentials" names every place that was looked at; ERR_USAGE for half a key or an unknown
 * profile; ERR_RETRY, ERR_INPUT, ERR_DENIED from an endpoint that should have had some. */
int credentials_get(struct credentials *, struct arena *, struct sigv4_key *ret,
		    const char **ret_origin, struct err *) MUST_CHECK;
/* The service said that this key has expired: the next get looks anew. */
void credentials_drop(struct credentials *, const struct sigv4_key *);

#endif
