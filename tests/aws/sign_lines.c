/* Signs requests for a test that compares: a JSON object a line in (method, host, path, query, headers,
 * body, service, region, now_us, access, secret, token), one out (target, authorization, canonical). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "json.h"
#include "sigv4.h"

static struct sigv4_pair *pairs_of(struct arena *arena, const json_t *list, size_t *ret_count)
{
	*ret_count = json_array_size(list);
	struct sigv4_pair *pairs = ANEW_ARRAY(arena, *ret_count, struct sigv4_pair);
	for (size_t i = 0; i < *ret_count; i++) {
		const json_t *pair = json_array_get(list, i);
		pairs[i].name = json_string_value(json_array_get(pair, 0));
		pairs[i].value = json_string_value(json_array_get(pair, 1));
	}
	return pairs;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static void sign(const json_t *in)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct sigv4_key key = {text(in, "access"), text(in, "secret"), text(in, "token")};
	char hex[HASH_HEX_SIZE];
	hash_bytes_hex(text(in, "body"), strlen(text(in, "body")), hex);
	struct sigv4_request q = {.method = text(in, "method"),
				  .host = text(in, "host"),
				  .path = text(in, "path"),
				  .payload_sha256 = hex,
				  .service = text(in, "service"),
				  .region = text(in, "region"),
				  .now_us = json_integer_value(json_object_get(in, "now_us")),
				  .key = &key};
	q.query = pairs_of(arena, json_object_get(in, "query"), &q.query_count);
	q.headers = pairs_of(arena, json_object_get(in, "headers"), &q.header_count);
	struct sigv4_signed out;
	sigv4_sign(&q, arena, &out);
	size_t last = 0;
	while (out.headers[last + 1])
		last++;
	AUTO_JSON json_t *answer = json_pack("{s:s, s:s, s:s}", "target", out.target,
					     "authorization", strchr(out.headers[last], ' ') + 1,
					     "canonical", out.canonical_request);
	AUTO_BUF struct buf line = {0};
	json_canonical(answer, &line);
	puts(line.data);
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	while ((n = getline(&line, &size, stdin)) > 0) {
		struct err e = ERR_INIT;
		AUTO_JSON json_t *in = NULL;
		if (json_parse(line, (size_t)n, &in, &e) != OK) {
			fprintf(stderr, "%s\n", e.text);
			free(line);
			return 1;
		}
		sign(in);
	}
	free(line);
	return 0;
}
