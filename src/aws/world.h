/* What surrounds the AWS drivers: environment, network, clock, chance. A member that is NULL means the
 * real one; tests put their own in. */
#ifndef PREGAO_AWS_WORLD_H
#define PREGAO_AWS_WORLD_H

#include "clock.h"
#include "http.h"

struct aws_world {
	const char *(*environment)(void *ctx, const char *name);     /* getenv */
	int (*new_http)(void *ctx, struct http **ret, struct err *); /* libcurl */
	struct clock *clock;
	uint32_t (*random)(void *ctx, uint32_t below); /* getrandom */
	void *ctx;
};
/* The value, or NULL when it is not set or empty. */
const char *aws_environment(const struct aws_world *, const char *name);
int aws_new_http(const struct aws_world *, struct http **ret, struct err *) MUST_CHECK;
struct clock *aws_clock(const struct aws_world *);

/* "Fri, 24 May 2013 00:00:00 GMT", as headers have it; false when it is none. */
bool aws_http_date(const char *text, int64_t *ret_us);
/* "2013-05-24T00:00:00Z", with or without a fraction, as bodies have it. */
bool aws_time(const char *text, int64_t *ret_us);

#endif
