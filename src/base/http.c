/* What is the same for every maker of HTTP responses: giving them back, and finding a header. */
#include "http.h"

#include <string.h>

void http_response_clear(struct http_response *r)
{
	buf_free(&r->body);
	buf_free(&r->headers);
	*r = (struct http_response){.retry_after_us = -1};
}

const char *http_header(const struct http_response *r, const char *name, char *out, size_t size)
{
	struct slice rest = buf_slice(&r->headers);
	while (rest.n) {
		struct slice value = slice_cut(&rest, '\n');
		struct slice found = slice_cut(&value, ':');
		if (!slice_is(found, name))
			continue;
		value = slice_trim(value);
		if (value.n >= size)
			return NULL;
		memcpy(out, value.p, value.n);
		out[value.n] = 0;
		return out;
	}
	return NULL;
}
