/* AWS Signature Version 4, as its documentation has it: canonical request, string to sign, a key for
 * the day, the region and the service. URL and canonical form come from the same encoding here, so
 * that they cannot differ. */
#include "sigv4.h"

#include <string.h>

#include "clock.h"
#include "hash.h"
#include "value.h"

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define STAMP_SIZE 17 /* 20130524T000000Z and NUL */

static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

void sigv4_encode(struct slice s, bool keep_slash, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_unreserved(s.p[i]) || (keep_slash && s.p[i] == '/'))
			buf_char(out, s.p[i]);
		else
			buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
	}
}

static char *encoded(struct arena *arena, const char *text, bool keep_slash)
{
	AUTO_BUF struct buf out = {0};
	sigv4_encode(slice_of(text), keep_slash, &out);
	return arena_strndup(arena, out.data ? out.data : "", out.len);
}

/* By name, then by value: of encoded texts, byte by byte. */
static int compare_pairs(const void *a, const void *b)
{
	const struct sigv4_pair *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);
	return by_name ? by_name : strcmp(x->value, y->value);
}

static char *canonical_query(const struct sigv4_request *q, struct arena *arena)
{
	struct sigv4_pair *pairs = ANEW_ARRAY(arena, q->query_count, struct sigv4_pair);
	for (size_t i = 0; i < q->query_count; i++) {
		pairs[i].name = encoded(arena, q->query[i].name, false);
		pairs[i].value = encoded(arena, q->query[i].value, false);
	}
	if (q->query_count)
		qsort(pairs, q->query_count, sizeof(pairs[0]), compare_pairs);
	AUTO_BUF struct buf out = {0};
	for (size_t i = 0; i < q->query_count; i++)
		buf_printf(&out, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
	return arena_strndup(arena, out.data ? out.data : "", out.len);
}

/* -- headers ----------------------------------------------------------------------------------- */

struct header {
	const char *name, *value; /* as they are signed: in lower case; without needless blanks */
	size_t place;
};

static char *lower(struct arena *arena, const char *s)
{
	char *out = arena_strdup(arena, s);
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return out;
}

/* Blanks at the ends go, those between become one. */
static char *squeezed(struct arena *arena, const char *s)
{
	struct slice in = slice_trim(slice_of(s));
	if (!in.n)
		return arena_strdup(arena, "");
	char *out = arena_strndup(arena, in.p, in.n);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i] == '\t' ? ' ' : in.p[i];
		if (c != ' ' || out[n - 1] != ' ')
			out[n++] = c;
	}
	out[n] = 0;
	return out;
}

static int compare_headers(const void *a, const void *b)
{
	const struct header *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);
	return by_name ? by_name : (x->place > y->place) - (x->place < y->place);
}

struct headers {
	struct header *items;
	size_t count;
	const char **sent;
	struct arena *arena;
};

static void add_header(struct headers *h, const char *name, const char *value, bool sent)
{
	h->items[h->count] =
		(struct header){lower(h->arena, name), squeezed(h->arena, value), h->count};
	h->count++;
	if (!sent)
		return;
	const char **end = h->sent;
	while (*end)
		end++;
	*end = arena_printf(h->arena, "%s: %s", name, value);
}

/* The lines of the canonical request, and the names alone. Several headers of one name are one, in
 * the order given. */
static void canonical_headers(struct headers *h, struct buf *lines, struct buf *names)
{
	qsort(h->items, h->count, sizeof(h->items[0]), compare_headers);
	for (size_t i = 0; i < h->count; i++) {
		const struct header *x = &h->items[i];
		if (i && strcmp(x->name, x[-1].name) == 0) {
			buf_printf(lines, ",%s", x->value);
			continue;
		}
		buf_printf(lines, "%s%s:%s", i ? "\n" : "", x->name, x->value);
		buf_printf(names, "%s%s", i ? ";" : "", x->name);
	}
	buf_char(lines, '\n');
}

/* -- signing ----------------------------------------------------------------------------------- */

static void stamp_of(int64_t us, char stamp[STAMP_SIZE])
{
	char text[TIME_TEXT_SIZE];
	size_t n = 0;
	time_format_utc(us, text);
	/* 2013-05-24T00:00:00.000000Z */
	for (const char *p = text; *p && *p != '.' && n < STAMP_SIZE - 2; p++)
		if (*p != '-' && *p != ':')
			stamp[n++] = *p;
	stamp[n++] = 'Z';
	stamp[n] = 0;
}

static void signature_of(const struct sigv4_request *q, const char *date,
			 const char *string_to_sign, char hex[HASH_HEX_SIZE])
{
	unsigned char key[HASH_SIZE];
	AUTO_BUF struct buf secret = {0};
	buf_printf(&secret, "AWS4%s", q->key->secret);
	hash_hmac(secret.data, secret.len, date, strlen(date), key);
	const char *const steps[] = {q->region, q->service, "aws4_request", string_to_sign};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		hash_hmac(key, sizeof(key), steps[i], strlen(steps[i]), key);
	hash_hex(key, hex);
}

void sigv4_sign(const struct sigv4_request *q, struct arena *arena, struct sigv4_signed *ret)
{
	bool s3 = strcmp(q->service, "s3") == 0;
	char stamp[STAMP_SIZE], hex[HASH_HEX_SIZE];
	stamp_of(q->now_us, stamp);
	const char *path = encoded(arena, q->path[0] ? q->path : "/", true);
	const char *query = canonical_query(q, arena);
	/* host, the date, the hash, the token; and in what is sent, authorization and NULL */
	struct headers h = {.items = ANEW_ARRAY(arena, q->header_count + 5, struct header),
			    .sent = ANEW_ARRAY(arena, q->header_count + 6, const char *),
			    .arena = arena};
	for (size_t i = 0; i < q->header_count; i++)
		add_header(&h, q->headers[i].name, q->headers[i].value, true);
	add_header(&h, "host", q->host, false);
	add_header(&h, "x-amz-date", stamp, true);
	if (s3)
		add_header(&h, "x-amz-content-sha256", q->payload_sha256, true);
	if (q->key->token && q->key->token[0])
		add_header(&h, "x-amz-security-token", q->key->token, true);
	AUTO_BUF struct buf lines = {0};
	AUTO_BUF struct buf names = {0};
	canonical_headers(&h, &lines, &names);
	/* S3 signs the path as it is sent; every other service encodes that once more. */
	ret->canonical_request = arena_printf(arena, "%s\n%s\n%s\n%s\n%s\n%s", q->method,
					      s3 ? path : encoded(arena, path, true), query,
					      lines.data, names.data, q->payload_sha256);
	hash_bytes_hex(ret->canonical_request, strlen(ret->canonical_request), hex);
	const char *scope =
		arena_printf(arena, "%.8s/%s/%s/aws4_request", stamp, q->region, q->service);
	ret->string_to_sign = arena_printf(arena, ALGORITHM "\n%s\n%s\n%s", stamp, scope, hex);
	char date[9];
	snprintf(date, sizeof(date), "%.8s", stamp);
	signature_of(q, date, ret->string_to_sign, hex);
	ret->signature = arena_strdup(arena, hex);
	add_header(&h, "authorization",
		   arena_printf(arena,
				ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
				q->key->access, scope, names.data, hex),
		   true);
	ret->headers = h.sent;
	ret->target = query[0] ? arena_printf(arena, "%s?%s", path, query) : path;
}
