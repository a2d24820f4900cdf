/* Object store on S3: opening, reading, listing, deleting. Writing is object_store_s3_put.c, local
 * copies are object_store_s3_cache.c. */
#include "object_store_s3.h"

#include <string.h>

#include "base64.h"
#include "file.h"
#include "hash.h"
#include "object_store_s3_private.h"
#include "value.h"
#include "xml.h"

#define THREADS_DEFAULT   16
#define ERROR_BYTES       ((size_t)64 << 10) /* an error's text is no part of the object */
#define DELETE_AT_ONCE    1000
#define LIST_CEILING      ((size_t)16 << 20)
#define INFO_HEADER_BYTES 128

void s3_query(struct s3_ask *a, const char *name, const char *value)
{
	a->query[a->query_count++] = (struct sigv4_pair){name, value};
}

void s3_header(struct s3_ask *a, const char *name, const char *value)
{
	a->headers[a->header_count++] = (struct sigv4_pair){name, value};
}

int s3_call(const struct s3 *s, const struct s3_ask *a, struct aws_answer *answer, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();

	const char *path = a->key ? arena_printf(arena, "/%s%s", s->prefix, a->key) : "/";
	const struct aws_call call = {
		.service = "s3",
		.action = a->action,
		.resource = arena_printf(arena, "arn:aws:s3:::%s%s", s->bucket, a->key ? path : ""),
		.method = a->method,
		.bucket = s->bucket,
		.path = path,
		.query = a->query,
		.query_count = a->query_count,
		.headers = a->headers,
		.header_count = a->header_count,
		.body = a->body,
		.body_ceiling_bytes = a->ceiling_bytes,
		.error_in_200 = a->error_in_200};
	int rc = aws_call(s->aws, &call, answer, e);
	return rc ? err_where(e, a->key ? a->key : s->bucket) : OK;
}

/* -- one object -------------------------------------------------------------------------------- */

/* Size, time and ETag of an answer to GET or HEAD; ERR_RETRY when they are not there. */
static int info_of(const char *key, const struct http_response *r, struct object_info *ret,
		   struct err *e)
{
	char text[INFO_HEADER_BYTES], size[INFO_HEADER_BYTES];
	*ret = (struct object_info){.key = key};
	/* "bytes 2-4/10" of a part, else the length of the whole */
	const char *total = http_header(r, "content-range", size, sizeof(size));
	total = total ? strrchr(total, '/') : NULL;
	if (total)
		total++;
	else
		total = http_header(r, "content-length", size, sizeof(size));
	const char *date = http_header(r, "last-modified", text, sizeof(text));
	if (!total || !int64_parse(slice_of(total), &ret->size_bytes) || !date ||
	    !aws_http_date(date, &ret->modified_us))
		return err_set(e, ERR_RETRY, "an answer of S3 without size and time of the object");
	const char *etag = http_header(r, "etag", text, sizeof(text));
	struct slice quoted = slice_of(etag);
	if (quoted.n >= 2 && quoted.p[0] == '"')
		quoted = (struct slice){quoted.p + 1, quoted.n - 2};
	snprintf(ret->etag, sizeof(ret->etag), "%.*s", SLICE_FMT(quoted));
	return OK;
}

int s3_head_marked(const struct s3 *s, const char *key, const char *mark, struct object_info *ret,
		   bool *ret_ours, struct err *e)
{
	struct s3_ask ask = {.action = "s3:GetObject", .method = "HEAD", .key = key};
	struct aws_answer answer = {0};
	char found[INFO_HEADER_BYTES];
	int rc = s3_call(s, &ask, &answer, e);
	if (rc == OK)
		rc = info_of(key, &answer.http, ret, e);
	if (rc == OK && mark) {
		const char *value = http_header(&answer.http, S3_MARK, found, sizeof(found));
		*ret_ours = value && strcmp(value, mark) == 0;
	}
	aws_answer_clear(&answer);
	return rc;
}

static int s3_head(struct object_store *store, const char *key, struct object_info *ret,
		   struct err *e)
{
	return s3_head_marked((struct s3 *)store, key, NULL, ret, NULL, e);
}

static int take_bytes(const struct http_response *r, const char *key, size_t ceiling_bytes,
		      struct buf *out, struct err *e)
{
	char text[INFO_HEADER_BYTES];
	int64_t length;
	/* A body that ends with its connection cannot be told from a whole one otherwise. */
	if (!http_header(r, "content-length", text, sizeof(text)) ||
	    !int64_parse(slice_of(text), &length) || length != (int64_t)r->body.len) {
		err_set(e, ERR_RETRY, "an answer of %zu bytes, expected %s", r->body.len, text);
		return err_where(e, key);
	}
	size_t before = out->len;
	if (r->body.len <= ceiling_bytes)
		buf_add(out, r->body.data ? r->body.data : "", r->body.len);
	if (r->body.len > ceiling_bytes || out->full || out->len - before != r->body.len) {
		err_set(e, ERR_LIMIT, "the object has %lld bytes, more than are read at once",
			(long long)length);
		return err_where(e, key);
	}
	return OK;
}

int s3_get_range(const struct s3 *s, const char *key, int64_t offset, int64_t length,
		 const char *etag, size_t ceiling_bytes, struct buf *out, struct object_info *ret,
		 struct err *e)
{
	struct object_info info;
	struct aws_answer answer = {0};
	struct s3_ask ask = {.action = "s3:GetObject", .method = "GET", .key = key};
	char range[64], quoted[80];
	if (length == 0) /* there is no such range in HTTP */
		return s3_head_marked(s, key, NULL, ret ? ret : &info, NULL, e);
	if (length > 0)
		snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)offset,
			 (long long)(length - 1 > INT64_MAX - offset ? INT64_MAX
								     : offset + length - 1));
	else
		snprintf(range, sizeof(range), "bytes=%lld-", (long long)offset);
	if (length > 0 || offset > 0)
		s3_header(&ask, "Range", range);
	snprintf(quoted, sizeof(quoted), "\"%s\"", etag ? etag : "");
	if (etag)
		s3_header(&ask, "If-Match", quoted);
	ask.ceiling_bytes = ceiling_bytes < ERROR_BYTES ? ERROR_BYTES : ceiling_bytes;
	int rc = s3_call(s, &ask, &answer, e);
	bool behind = rc && answer.http.status == 416; /* the range begins at or behind the end */
	if (rc == OK)
		rc = info_of(key, &answer.http, ret ? ret : &info, e);
	if (rc == OK)
		rc = take_bytes(&answer.http, key, ceiling_bytes, out, e);
	aws_answer_clear(&answer);
	return behind ? s3_head_marked(s, key, NULL, ret ? ret : &info, NULL, e) : rc;
}

static int s3_get(struct object_store *store, const char *key, int64_t offset, int64_t length,
		  size_t ceiling_bytes, struct buf *out, struct object_info *ret, struct err *e)
{
	return s3_get_range((struct s3 *)store, key, offset, length, NULL, ceiling_bytes, out, ret,
			    e);
}

/* -- listing ----------------------------------------------------------------------------------- */

struct listing {
	const struct s3 *s3;
	const char *prefix, *after;
	int (*fn)(void *, const struct object_info *);
	void *ctx;
};

static int give(const struct listing *l, const struct xml *x, struct err *e)
{
	struct object_info info = {0};
	const char *key = xml_text(x, "Key");
	size_t n = strlen(l->s3->prefix);
	if (strncmp(key, l->s3->prefix, n) != 0)
		return OK;
	info.key = key + n;
	if (strncmp(info.key, l->prefix, strlen(l->prefix)) != 0 ||
	    (l->after && strcmp(info.key, l->after) <= 0) || object_key_check(info.key, NULL) != OK)
		return OK;
	if (!int64_parse(slice_of(xml_text(x, "Size")), &info.size_bytes) ||
	    !aws_time(xml_text(x, "LastModified"), &info.modified_us)) {
		err_set(e, ERR_INPUT, "a listing of S3 without size and time of an object");
		return err_where(e, info.key);
	}
	struct slice etag = slice_of(xml_text(x, "ETag"));
	if (etag.n >= 2 && etag.p[0] == '"')
		etag = (struct slice){etag.p + 1, etag.n - 2};
	snprintf(info.etag, sizeof(info.etag), "%.*s", SLICE_FMT(etag));
	return l->fn(l->ctx, &info);
}

/* What of it is text: a prefix may end inside of a character, which S3 cannot be told. More comes back
 * than was asked for then, and give() sorts it out. */
static const char *whole_text(struct arena *arena, const char *text)
{
	size_t n = strlen(text);
	while (n && !str_is_utf8(text, n))
		n--;
	return arena_strndup(arena, text, n);
}

static int list_page(const struct listing *l, struct buf *token, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct aws_answer answer = {0};
	struct s3_ask ask = {.action = "s3:ListBucket",
			     .method = "GET",
			     .ceiling_bytes = LIST_CEILING,
			     .error_in_200 = true};
	const struct xml *root;
	s3_query(&ask, "list-type", "2");
	/* Not encoding-type=url: servers do not agree on what a '+' is in it. */
	s3_query(&ask, "prefix",
		 arena_printf(arena, "%s%s", l->s3->prefix, whole_text(arena, l->prefix)));
	if (token->len)
		s3_query(&ask, "continuation-token", arena_strdup(arena, token->data));
	else if (l->after)
		s3_query(&ask, "start-after",
			 arena_printf(arena, "%s%s", l->s3->prefix, whole_text(arena, l->after)));
	int rc = s3_call(l->s3, &ask, &answer, e);
	if (rc == OK)
		rc = xml_parse(slice_trim(buf_slice(&answer.http.body)), arena, &root, e);
	aws_answer_clear(&answer);
	if (rc)
		return rc;
	buf_reset(token);
	if (strcmp(xml_text(root, "IsTruncated"), "true") == 0) {
		buf_str(token, xml_text(root, "NextContinuationToken"));
		if (!token->len)
			return err_set(e, ERR_INPUT,
				       "a listing of S3 goes on, but does not say where");
	}
	for (const struct xml *x = root->first; x && rc == OK; x = x->next)
		if (strcmp(x->name, "Contents") == 0)
			rc = give(l, x, e);
	return rc;
}

static int s3_list(struct object_store *store, const char *prefix, const char *after,
		   int (*fn)(void *ctx, const struct object_info *), void *ctx, struct err *e)
{
	const struct listing l = {(struct s3 *)store, prefix, after, fn, ctx};
	AUTO_BUF struct buf token = {0};
	int rc;
	do
		rc = list_page(&l, &token, e);
	while (rc == OK && token.len);
	return rc;
}

/* -- deleting ---------------------------------------------------------------------------------- */

/* Each key has its own answer. */
static int delete_failures(const struct xml *root, struct err *e)
{
	for (const struct xml *x = root->first; x; x = x->next) {
		const char *code = xml_text(x, "Code");
		if (strcmp(x->name, "Error") != 0 || strcmp(code, "NoSuchKey") == 0)
			continue;
		int rc = strcmp(code, "AccessDenied") == 0 ? ERR_DENIED
			 : strcmp(code, "InternalError") == 0 || strcmp(code, "SlowDown") == 0
				 ? ERR_RETRY
				 : ERR_IO;
		err_set(e, rc, "s3:DeleteObject: %s: %s", code, xml_text(x, "Message"));
		return err_where(e, xml_text(x, "Key"));
	}
	return OK;
}

static int delete_some(const struct s3 *s, const char *const *keys, size_t n, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_BUF struct buf body = {0};
	AUTO_BUF struct buf sum = {0};
	struct aws_answer answer = {0};
	const struct xml *root;
	unsigned char hash[HASH_SIZE];
	buf_str(&body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < n; i++) {
		buf_str(&body, "<Object><Key>");
		xml_escape(s->prefix, &body);
		xml_escape(keys[i], &body);
		buf_str(&body, "</Key></Object>");
	}
	buf_str(&body, "<Quiet>true</Quiet></Delete>");
	hash_bytes(body.data, body.len, hash);
	base64_encode((struct slice){(const char *)hash, sizeof(hash)}, &sum);
	struct s3_ask ask = {.action = "s3:DeleteObject",
			     .method = "POST",
			     .body = buf_slice(&body),
			     .error_in_200 = true};
	s3_query(&ask, "delete", "");
	s3_header(&ask, "Content-Type", "application/xml");
	s3_header(&ask, "x-amz-sdk-checksum-algorithm", "SHA256");
	s3_header(&ask, "x-amz-checksum-sha256", sum.data);
	int rc = s3_call(s, &ask, &answer, e);
	if (rc == OK)
		rc = xml_parse(slice_trim(buf_slice(&answer.http.body)), arena, &root, e);
	if (rc == OK)
		rc = delete_failures(root, e);
	/* Servers over a file system say so of all keys when one goes away meanwhile. */
	bool gone = rc == ERR_NOT_FOUND && strcmp(answer.problem.name, "NoSuchKey") == 0;
	aws_answer_clear(&answer);
	if (!gone)
		return rc;
	rc = OK;
	for (size_t i = 0; n > 1 && i < n && rc == OK; i++)
		rc = delete_some(s, keys + i, 1, e);
	return rc;
}

static int s3_delete_many(struct object_store *store, const char *const *keys, size_t n,
			  struct err *e)
{
	int rc = OK;
	for (size_t i = 0; i < n && rc == OK; i += DELETE_AT_ONCE)
		rc = delete_some((struct s3 *)store, keys + i,
				 n - i < DELETE_AT_ONCE ? n - i : DELETE_AT_ONCE, e);
	return rc;
}

/* -- the store itself -------------------------------------------------------------------------- */

static const char *s3_staging(struct object_store *store)
{
	return ((struct s3 *)store)->scratch;
}

static bool s3_notifies(struct object_store *store)
{
	return ((struct s3 *)store)->notifies;
}

static void s3_free(struct object_store *store)
{
	struct s3 *s = (struct s3 *)store;
	free(s->bucket);
	free(s->prefix);
	free(s->scratch);
	free(s->cache);
	free(s);
}

static const struct object_store_ops ops = {
	.put_many = s3_put_many,
	.get = s3_get,
	.head = s3_head,
	.list = s3_list,
	.delete_many = s3_delete_many,
	.copy = s3_copy,
	.localise = s3_localise,
	.staging = s3_staging,
	.notifies = s3_notifies,
	.free = s3_free,
};

static char *joined(const char *a, const char *b)
{
	struct buf out = {0};
	buf_printf(&out, "%s%s", a, b);
	return buf_take(&out);
}

int object_store_s3_open(const struct object_store_s3_options *o, struct object_store **ret,
			 struct err *e)
{
	size_t n = o->prefix ? strlen(o->prefix) : 0;
	if (n) {
		int rc = object_key_check(o->prefix, e);
		if (rc)
			return rc;
	}
	struct s3 *s = NEW(struct s3);
	s->store.ops = &ops;
	s->aws = o->aws;
	s->bucket = mem_strdup(o->bucket);
	s->prefix = n ? joined(o->prefix, "/") : mem_strdup("");
	s->scratch = mem_strdup(o->scratch);
	s->cache = mem_strdup(o->cache);
	s->threads = o->threads ? o->threads : THREADS_DEFAULT;
	s->notifies = o->notifies;
	int rc = file_mkdirs(s->scratch, false, e);
	if (rc == OK)
		rc = file_mkdirs(s->cache, false, e);
	if (rc == OK && o->cache_bytes)
		rc = s3_cache_trim(s->cache, o->cache_bytes, aws_clock_of(s->aws), e);
	if (rc)
		s3_free(&s->store);
	else
		*ret = &s->store;
	return rc;
}
