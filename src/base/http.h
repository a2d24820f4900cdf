/* HTTP requests through an interface: libcurl in the program, anything in tests. One request, no
 * retries: those live in retry.h. */
#ifndef PREGAO_HTTP_H
#define PREGAO_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

struct http_request {
	const char *method; /* "GET" when NULL */
	/* https, or plain http to loopback only (ERR_DENIED otherwise); see link_local */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	struct slice body;
	int64_t deadline_us;       /* for the whole exchange; 0 means 30 s */
	size_t body_ceiling_bytes; /* of the decoded response; 0 means 16 MiB */
	const char *user_agent;    /* may be NULL */
	/* Plain http to 169.254.0.0/16, too: what a cloud's machine is told about itself. */
	bool link_local;
	/* Set meanwhile, it ends the exchange within about a second; may be NULL. */
	const atomic_bool *cancel;
};
struct http_response {
	int status;      /* 0 when none was received */
	struct buf body; /* content-encoding undone */
	/* "name: value\n" lines of the last response, names in lower case */
	struct buf headers;
	/* from Retry-After, seconds or HTTP date, a day at most; -1 when there is none */
	int64_t retry_after_us;
};
void http_response_clear(struct http_response *);
/* The value of a response header in buf-owned text, or NULL; name in lower case. */
const char *http_header(const struct http_response *, const char *name, char *out, size_t size);

struct http;
struct http_ops {
	/* ret is zeroed or used before; what it held is given back. Any status is a success of the
	 * exchange. ERR_RETRY when the connection failed, was cut, timed out or was cancelled;
	 * ERR_LIMIT when the body passed its ceiling; ERR_DENIED for a URL that is not allowed or a
	 * certificate that does not verify; ERR_USAGE for what is no URL; ERR_NOT_FOUND without
	 * libcurl. The reason word of the first two: "timeout", "refused" (nobody listens, or no
	 * way there), "no_host", "tls", "cut", "cancelled", "network", "too_large". Redirects
	 * are not followed (they come back as 3xx). A body that ends with the connection, or inside
	 * its compression, cannot be told from a whole one: whoever reads it checks that. Blocks
	 * until the deadline at most. */
	int (*request)(struct http *, const struct http_request *, struct http_response *ret,
		       struct err *);
	void (*free)(struct http *);
};
struct http {
	const struct http_ops *ops;
};
static inline int MUST_CHECK http_request(struct http *h, const struct http_request *q,
					  struct http_response *ret, struct err *e)
{
	return h->ops->request(h, q, ret, e);
}
static inline void http_free(struct http *h)
{
	if (h)
		h->ops->free(h);
}
/* libcurl (opened with dlopen on first use: commands without a network do not pay for loading it).
 * Keeps connections alive. One thread at a time. */
int http_curl_new(struct http **ret, struct err *) MUST_CHECK;
/* Whether a request for the URL would be made at all: ERR_DENIED, ERR_USAGE or ERR_NOT_FOUND as above. */
int http_url_check(const char *url, struct err *) MUST_CHECK;
/* From now on, and for good, this process asks these addresses only ("host:port", NULL-terminated; copied), through
 * whatever http_curl_new made or makes: any other is ERR_DENIED. What no kernel can tell apart, for whoever keeps
 * to this interface. A second call leaves what both allow. Before any other thread asks. */
void http_confine(const char *const *addresses);
/* Begins to load libcurl on a thread of its own, for who will fetch soon. It brings thirty
 * libraries and takes 10 ms. What goes wrong is told by the first request. */
void http_curl_preload(void);

#endif
