/* AWS Signature Version 4: what has to be sent so that a service knows who asks, and that nothing
 * was changed on the way. Pure: the time and the key are given. */
#ifndef PREGAO_SIGV4_H
#define PREGAO_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "mem.h"
#include "str.h"

struct sigv4_pair {
	const char *name, *value;
};
struct sigv4_key {
	const char *access, *secret;
	const char *token; /* of temporary credentials; NULL or empty: none */
};
struct sigv4_request {
	const char *method;
	const char *host; /* with the port, unless it is the scheme's own */
	/* Path and query as they are meant, not encoded, in any order; names may be repeated. No
	 * segment of the path is "." or "..", and outside S3 none is empty. */
	const char *path;
	const struct sigv4_pair *query;
	size_t query_count;
	/* All are signed. Not among them: host, authorization, and what the signer adds. */
	const struct sigv4_pair *headers;
	size_t header_count;
	const char *payload_sha256; /* hexadecimal */
	const char *service, *region;
	int64_t now_us;
	const struct sigv4_key *key;
};
struct sigv4_signed {
	const char *target; /* path and query as they go on the wire */
	/* "name: value", NULL-terminated: those given, x-amz-date, x-amz-security-token, for S3
	 * x-amz-content-sha256, and authorization */
	const char **headers;
	/* For whoever has to find out why a service sees it differently. */
	const char *canonical_request, *string_to_sign, *signature;
};
/* All of ret lives in the arena. */
void sigv4_sign(const struct sigv4_request *, struct arena *, struct sigv4_signed *ret);
/* Appends s with everything but A-Z a-z 0-9 - . _ ~ (and '/' when kept) as %XX. */
void sigv4_encode(struct slice s, bool keep_slash, struct buf *out);

#endif
