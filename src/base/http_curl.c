/* HTTP by libcurl, opened at the first request: neither --help nor an import of files pays for
 * loading it and its TLS. What is decided here: which URLs, whose certificates, how long, how
 * much. */
#include "http.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "clock.h"
#include "mem.h"
#include "value.h"

#define LIBRARY                "libcurl.so.4"
#define DEADLINE_DEFAULT_US    INT64_C(30000000)
#define BODY_CEILING_DEFAULT   ((size_t)16 << 20)
#define HEADER_CEILING_BYTES   ((size_t)64 << 10)
#define RETRY_AFTER_CEILING_US (INT64_C(86400) * 1000000)

#define CALLS(X)          \
	X(global_init)    \
	X(easy_init)      \
	X(easy_reset)     \
	X(easy_setopt)    \
	X(easy_perform)   \
	X(easy_getinfo)   \
	X(easy_cleanup)   \
	X(easy_strerror)  \
	X(slist_append)   \
	X(slist_free_all) \
	X(url)            \
	X(url_set)        \
	X(url_get)        \
	X(url_strerror)   \
	X(url_cleanup)    \
	X(free)           \
	X(getdate)

static struct {
#define POINTER(name) __typeof__(curl_##name) *name;
	CALLS(POINTER)
} curl;

static pthread_mutex_t load_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;

static int load_locked(struct err *e)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
	if (!library)
		return err_set(e, ERR_NOT_FOUND,
			       "cannot load %s, which the package libcurl4 brings: %s", LIBRARY,
			       dlerror());
#define RESOLVE(name)                                                                    \
	if (!(*(void **)&curl.name = dlsym(library, "curl_" #name)))                     \
		return err_set(e, ERR_NOT_FOUND, "%s is too old: it has no %s", LIBRARY, \
			       "curl_" #name);
	CALLS(RESOLVE)
	if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_IO, "%s cannot be started", LIBRARY);
	loaded = true;
	return OK;
}

static int load(struct err *e)
{
	pthread_mutex_lock(&load_mutex);
	int rc = loaded ? OK : load_locked(e);
	pthread_mutex_unlock(&load_mutex);
	return rc;
}

static void *preload(void *unused)
{
	int rc = load(NULL);
	(void)rc;
	return NULL;
}

void http_curl_preload(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, preload, NULL) == 0)
		pthread_detach(thread);
}

struct http_curl {
	struct http http;
	CURL *easy; /* NULL before the first request; keeps connections alive */
};

/* One exchange under way. */
struct exchange {
	const struct http_request *request;
	struct http_response *response;
	bool body_full, headers_full;
};

static bool is_link_local(const char *host)
{
	unsigned char v4[4];
	return inet_pton(AF_INET, host, v4) == 1 && v4[0] == 169 && v4[1] == 254;
}

static bool is_loopback(const char *host)
{
	unsigned char v4[4], v6[16];
	static const unsigned char v6_loopback[16] = {[15] = 1};
	char inner[48];
	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, v4) == 1)
		return v4[0] == 127;
	struct slice s = slice_of(host);
	if (!slice_starts(s, "[") || !slice_ends(s, "]") || s.n - 2 >= sizeof(inner))
		return false;
	memcpy(inner, host + 1, s.n - 2);
	inner[s.n - 2] = 0;
	return inet_pton(AF_INET6, inner, v6) == 1 && memcmp(v6, v6_loopback, 16) == 0;
}

/* NULL: any. */
static const char **confined_to;

static bool may_ask(const char *address)
{
	for (const char **a = confined_to; *a; a++)
		if (strcasecmp(*a, address) == 0)
			return true;
	return false;
}

void http_confine(const char *const *addresses)
{
	size_t n = 0, kept = 0;
	while (addresses[n])
		n++;
	const char **list = NEW_ARRAY(n + 1, const char *);
	for (size_t i = 0; i < n; i++)
		if (!confined_to || may_ask(addresses[i]))
			list[kept++] = mem_strdup(addresses[i]);
	/* What was in force stays reachable: it goes with the process. */
	confined_to = list;
}

static int check_confines(CURLU *u, const char *host, struct err *e)
{
	char *port = NULL;
	AUTO_BUF struct buf address = {0};
	if (!confined_to)
		return OK;
	curl.url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
	buf_printf(&address, "%s:%s", host ? host : "", port ? port : "");
	curl.free(port);
	return may_ask(address.data) ? OK
				     : err_set(e, ERR_DENIED, "this process has no right to ask %s",
					       address.data);
}

/* Whether the URL is one that may be asked, and whether no proxy stands before its host. It is taken
 * apart by libcurl itself, so that what is judged here is what is connected to. */
static int check_url(CURLU *u, const char *url, bool link_local, bool *ret_near, struct err *e)
{
	CURLUcode code = curl.url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER);
	if (code == CURLUE_USER_NOT_ALLOWED)
		return err_set(e, ERR_DENIED, "a URL with a user name in it is not allowed");
	if (code == CURLUE_UNSUPPORTED_SCHEME)
		return err_set(e, ERR_DENIED,
			       "only https is allowed, and plain http to this machine itself");
	if (code != CURLUE_OK)
		return err_set(e, ERR_USAGE, "this is not a URL: %s", curl.url_strerror(code));
	char *scheme = NULL, *host = NULL;
	int rc = OK;
	curl.url_get(u, CURLUPART_SCHEME, &scheme, 0);
	curl.url_get(u, CURLUPART_HOST, &host, 0);
	*ret_near = host && (is_loopback(host) || (link_local && is_link_local(host)));
	bool https = scheme && strcmp(scheme, "https") == 0;
	bool http = scheme && strcmp(scheme, "http") == 0;
	if (!https && !(http && *ret_near))
		rc = err_set(e, ERR_DENIED,
			     "only https is allowed, and plain http to this machine itself");
	if (rc == OK)
		rc = check_confines(u, host, e);
	curl.free(scheme);
	curl.free(host);
	return rc;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	buf_add(&x->response->body, bytes, size * n);
	x->body_full = x->response->body.full;
	return x->body_full ? 0 : size * n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct exchange *x = ctx;
	struct buf *out = &x->response->headers;
	struct slice value = {bytes, size * n};
	while (value.n && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
		value.n--;
	if (slice_starts(value, "HTTP/")) { /* another response: what came before was 1xx */
		buf_reset(out);
		return size * n;
	}
	if (value.n && !memchr(value.p, '\n', value.n) && memchr(value.p, ':', value.n)) {
		struct slice name = slice_cut(&value, ':');
		for (size_t i = 0; i < name.n; i++)
			buf_char(out, name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32)
									   : name.p[i]);
		value = slice_trim(value);
		buf_printf(out, ": %.*s\n", SLICE_FMT(value));
	}
	x->headers_full = out->full;
	return x->headers_full ? 0 : size * n;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	const struct exchange *x = ctx;
	return atomic_load(x->request->cancel);
}

static bool has_header(const struct http_request *q, const char *name)
{
	size_t n = strlen(name);
	for (const char *const *h = q->headers; h && *h; h++)
		if (strncasecmp(*h, name, n) == 0 && (*h)[n] == ':')
			return true;
	return false;
}

static int add_header(struct curl_slist **list, const char *header, struct err *e)
{
	if (strpbrk(header, "\r\n"))
		return err_set(e, ERR_USAGE, "a request header has a line break in it");
	struct curl_slist *longer = curl.slist_append(*list, header);
	if (!longer)
		return err_set(e, ERR_LIMIT, "out of memory");
	*list = longer;
	return OK;
}

static int make_headers(const struct http_request *q, struct curl_slist **list, struct err *e)
{
	int rc = OK;
	for (const char *const *h = q->headers; h && *h && rc == OK; h++)
		rc = add_header(list, *h, e);
	/* What libcurl would add by itself to a body: a wait for "100 Continue", and that it is a
	 * form. */
	if (rc == OK && !has_header(q, "Expect"))
		rc = add_header(list, "Expect:", e);
	if (rc == OK && !has_header(q, "Content-Type"))
		rc = add_header(list, "Content-Type:", e);
	return rc;
}

struct set {
	CURL *easy;
	CURLcode code; /* the first failure */
};

static void set_long(struct set *s, CURLoption option, int64_t value)
{
	if (s->code == CURLE_OK)
		s->code = curl.easy_setopt(s->easy, option, (long)value);
}

static void set_pointer(struct set *s, CURLoption option, const void *value)
{
	if (s->code == CURLE_OK)
		s->code = curl.easy_setopt(s->easy, option, value);
}

static void set_from_environment(struct set *s, CURLoption option, const char *name)
{
	const char *value = getenv(name);
	if (value && value[0])
		set_pointer(s, option, value);
}

static void set_method(struct set *s, const struct http_request *q)
{
	const char *method = q->method ? q->method : "GET";
	if (strcmp(method, "HEAD") == 0) {
		set_long(s, CURLOPT_NOBODY, 1);
		return;
	}
	if (q->body.n || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
		if (s->code == CURLE_OK)
			s->code = curl.easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE,
						   (curl_off_t)q->body.n);
		set_pointer(s, CURLOPT_POSTFIELDS, q->body.n ? q->body.p : "");
	}
	set_pointer(s, CURLOPT_CUSTOMREQUEST, method);
}

static int64_t deadline_us(const struct http_request *q)
{
	return q->deadline_us > 0 ? q->deadline_us : DEADLINE_DEFAULT_US;
}

static CURLcode set_options(CURL *easy, struct exchange *x, bool near, char *message)
{
	const struct http_request *q = x->request;
	struct set s = {easy, CURLE_OK};
	set_pointer(&s, CURLOPT_ERRORBUFFER, message);
	set_long(&s, CURLOPT_NOSIGNAL, 1);
	/* A deadline, and a stop, would else wait for a name service that is silent, for half a minute and more.
	 * libcurl before 7.87 does not know this, and waits. */
	curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	set_long(&s, CURLOPT_FOLLOWLOCATION, 0);
	set_long(&s, CURLOPT_SSL_VERIFYPEER, 1);
	set_long(&s, CURLOPT_SSL_VERIFYHOST, 2);
	set_long(&s, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	/* As the curl tool does; the library alone does not look. */
	set_from_environment(&s, CURLOPT_CAPATH, "SSL_CERT_DIR");
	set_from_environment(&s, CURLOPT_CAINFO, "SSL_CERT_FILE");
	set_from_environment(&s, CURLOPT_CAINFO, "CURL_CA_BUNDLE");
	if (near)
		set_pointer(&s, CURLOPT_PROXY, "");
	set_long(&s, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
	set_pointer(&s, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	/* libcurl takes 0 for "no limit". */
	int64_t deadline_ms = deadline_us(q) / 1000;
	set_long(&s, CURLOPT_TIMEOUT_MS, deadline_ms > 0 ? deadline_ms : 1);
	set_long(&s, CURLOPT_CONNECTTIMEOUT_MS, deadline_ms > 0 ? deadline_ms : 1);
	set_pointer(&s, CURLOPT_USERAGENT,
		    q->user_agent ? q->user_agent : "pregao/" PREGAO_VERSION);
	set_method(&s, q);
	if (s.code == CURLE_OK)
		s.code = curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	set_pointer(&s, CURLOPT_WRITEDATA, x);
	if (s.code == CURLE_OK)
		s.code = curl.easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	set_pointer(&s, CURLOPT_HEADERDATA, x);
	if (q->cancel) {
		set_long(&s, CURLOPT_NOPROGRESS, 0);
		if (s.code == CURLE_OK)
			s.code = curl.easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
		set_pointer(&s, CURLOPT_XFERINFODATA, x);
	}
	return s.code;
}

static int code_of(CURLcode code)
{
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH: return ERR_DENIED;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_BAD_CONTENT_ENCODING: return ERR_RETRY;
	case CURLE_OUT_OF_MEMORY: return ERR_LIMIT;
	default: return ERR_IO;
	}
}

static const char *reason_of(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT: return "timeout";
	case CURLE_COULDNT_CONNECT: return "refused";
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST: return "no_host";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR: return "tls";
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR: return "cut";
	case CURLE_ABORTED_BY_CALLBACK: return "cancelled";
	default: return "network";
	}
}

static int fail(const struct exchange *x, CURLcode code, const char *message, struct err *e)
{
	if (x->body_full) {
		err_set(e, ERR_LIMIT, "the answer is longer than %zu bytes",
			x->response->body.ceiling);
		return err_reason(e, "too_large");
	}
	if (x->headers_full) {
		err_set(e, ERR_LIMIT, "the headers of the answer are longer than %zu bytes",
			HEADER_CEILING_BYTES);
		return err_reason(e, "too_large");
	}
	if (code == CURLE_OPERATION_TIMEDOUT)
		err_set(e, ERR_RETRY, "no complete answer within %lld ms",
			(long long)(deadline_us(x->request) / 1000));
	else if (code == CURLE_ABORTED_BY_CALLBACK)
		err_set(e, ERR_RETRY, "the request was cancelled");
	else
		err_set(e, code_of(code), "the request failed: %s",
			message[0] ? message : curl.easy_strerror(code));
	return err_reason(e, reason_of(code));
}

/* Retry-After is a number of seconds or a date (RFC 9110, 10.2.3); what is neither is taken for
 * absent. */
static int64_t retry_after_us(const struct http_response *r)
{
	char text[64];
	int64_t seconds;
	if (!http_header(r, "retry-after", text, sizeof(text)))
		return -1;
	if (!int64_parse(slice_of(text), &seconds)) {
		time_t date = curl.getdate(text, NULL);
		if (date == -1)
			return -1;
		seconds = (int64_t)date - clock_now_us(&clock_system) / 1000000;
	}
	if (seconds < 0)
		return 0;
	return seconds < RETRY_AFTER_CEILING_US / 1000000 ? seconds * 1000000
							  : RETRY_AFTER_CEILING_US;
}

static int exchange(struct http_curl *h, CURLU *u, struct curl_slist *headers, struct exchange *x,
		    bool near, struct err *e)
{
	char message[CURL_ERROR_SIZE] = "";
	long status = 0;
	curl.easy_reset(h->easy);
	CURLcode code = set_options(h->easy, x, near, message);
	if (code == CURLE_OK)
		code = curl.easy_setopt(h->easy, CURLOPT_CURLU, u);
	if (code == CURLE_OK)
		code = curl.easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	if (code != CURLE_OK)
		return err_set(e, ERR_BUG, "an option was refused by %s: %s", LIBRARY,
			       curl.easy_strerror(code));
	code = curl.easy_perform(h->easy);
	if (code != CURLE_OK)
		return fail(x, code, message, e);
	curl.easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	x->response->status = (int)status;
	x->response->retry_after_us = retry_after_us(x->response);
	return OK;
}

int http_url_check(const char *url, struct err *e)
{
	bool near;
	int rc = load(e);
	if (rc < 0)
		return rc;
	CURLU *u = curl.url();
	if (!u)
		return err_set(e, ERR_LIMIT, "out of memory");
	rc = check_url(u, url, false, &near, e);
	curl.url_cleanup(u);
	return rc;
}

static int curl_request(struct http *http, const struct http_request *q, struct http_response *ret,
			struct err *e)
{
	struct http_curl *h = (struct http_curl *)http;
	bool near = false;
	struct curl_slist *headers = NULL;
	http_response_clear(ret);
	ret->body.ceiling = q->body_ceiling_bytes ? q->body_ceiling_bytes : BODY_CEILING_DEFAULT;
	ret->headers.ceiling = HEADER_CEILING_BYTES;
	int rc = load(e);
	if (rc < 0)
		return rc;
	if (!h->easy && !(h->easy = curl.easy_init()))
		return err_set(e, ERR_LIMIT, "%s cannot be started", LIBRARY);
	CURLU *u = curl.url();
	if (!u)
		return err_set(e, ERR_LIMIT, "out of memory");
	rc = check_url(u, q->url, q->link_local, &near, e);
	if (rc == OK)
		rc = make_headers(q, &headers, e);
	if (rc == OK) {
		struct exchange x = {.request = q, .response = ret};
		rc = exchange(h, u, headers, &x, near, e);
		/* The handle must not keep pointers to what is about to go. */
		curl.easy_reset(h->easy);
	}
	curl.slist_free_all(headers);
	curl.url_cleanup(u);
	if (rc == OK)
		return OK;
	http_response_clear(ret);
	return err_where(e, q->url);
}

static void curl_free_http(struct http *http)
{
	struct http_curl *h = (struct http_curl *)http;
	if (h->easy)
		curl.easy_cleanup(h->easy);
	free(h);
}

static const struct http_ops ops = {
	.request = curl_request,
	.free = curl_free_http,
};

int http_curl_new(struct http **ret, struct err *e)
{
	struct http_curl *h = NEW(struct http_curl);
	h->http.ops = &ops;
	*ret = &h->http;
	return OK;
}
