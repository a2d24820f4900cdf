/* HTTP by libcurl against a small server in a thread, which answers each connection with the bytes
 * that a case lays down: what is cut, too long, too late, or not to be asked at all. */
#include "unit.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

struct server {
	int listener, port;
	const char *answer;
	size_t answer_bytes;
	bool hang; /* keep the connection open after the answer, until the client is done with it */
	struct buf seen; /* the last request */
	int connections;
	pthread_t thread;
};

static void read_request(struct server *s, int client)
{
	char bytes[4096];
	ssize_t n;
	buf_reset(&s->seen);
	while ((n = read(client, bytes, sizeof(bytes))) > 0) {
		buf_add(&s->seen, bytes, (size_t)n);
		const char *end = strstr(s->seen.data, "\r\n\r\n");
		const char *length = strcasestr(s->seen.data, "\r\nContent-Length: ");
		size_t body = length ? strtoul(length + 18, NULL, 10) : 0;
		if (end && s->seen.len >= (size_t)(end + 4 - s->seen.data) + body)
			return;
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int client;
	while ((client = accept(s->listener, NULL, NULL)) >= 0) {
		s->connections++;
		read_request(s, client);
		size_t sent = 0;
		ssize_t n;
		while (sent < s->answer_bytes &&
		       (n = send(client, s->answer + sent, s->answer_bytes - sent, MSG_NOSIGNAL)) >
			       0)
			sent += (size_t)n;
		char c;
		if (!s->hang)
			shutdown(client, SHUT_WR);
		while (read(client, &c, 1) > 0)
			;
		close(client);
	}
	return NULL;
}

static void start(struct server *s, const char *answer, size_t n)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	s->answer = answer;
	s->answer_bytes = n;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
	s->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	buf_free(&s->seen);
}

/* One exchange with a server that gives this answer. */
static int ask(struct http_request *q, const char *answer, size_t n, struct http_response *r,
	       struct err *e)
{
	struct server s = {0};
	struct http *h;
	char url[64];
	start(&s, answer, n);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/x?y=1", s.port);
	q->url = url;
	assert_int_equal(http_curl_new(&h, e), OK);
	int rc = http_request(h, q, r, e);
	http_free(h);
	stop(&s);
	return rc;
}

static int ask_text(const char *answer, struct http_response *r, struct err *e)
{
	struct http_request q = {.deadline_us = 10000000};
	return ask(&q, answer, strlen(answer), r, e);
}
#define AUTO_RESPONSE CLEANUP(http_response_clear)

static void any_status_is_an_answer(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	char value[64];
	assert_int_equal(
		ask_text("HTTP/1.1 520 What\r\nRetry-After: 120\r\nX-Odd:  a: b \r\nServer:\r\n"
			 "Content-Length: 5\r\n\r\noops!",
			 &r, NULL),
		OK);
	assert_int_equal(r.status, 520);
	assert_string_equal(r.body.data, "oops!");
	assert_int_equal(r.retry_after_us, 120000000);
	assert_string_equal(http_header(&r, "x-odd", value, sizeof(value)), "a: b");
	assert_string_equal(http_header(&r, "server", value, sizeof(value)), "");
	assert_null(http_header(&r, "x-odd", value, 4));
	assert_null(http_header(&r, "missing", value, sizeof(value)));
	assert_int_equal(
		ask_text(
			"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n",
			&r, NULL),
		OK);
	assert_int_equal(r.status, 302);
	assert_int_equal(r.retry_after_us, -1);
	assert_int_equal(r.body.len, 0);
}

static void retry_after_in_its_forms(void **state)
{
	static const struct {
		const char *text;
		int64_t low_us, high_us;
	} cases[] = {
		{"0", 0, 0},
		{"-5", 0, 0},
		{"99999999999", INT64_C(86400000000), INT64_C(86400000000)},
		{"Fri, 31 Dec 1999 23:59:59 GMT", 0, 0},
		{"soon", -1, -1},
		{"", -1, -1},
		{NULL, INT64_C(3500000000), INT64_C(3600000000)}, /* a date in an hour */
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_RESPONSE struct http_response r = {0};
		AUTO_BUF struct buf answer = {0};
		char date[64];
		time_t later = time(NULL) + 3600;
		struct tm tm;
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &tm));
		buf_printf(&answer,
			   "HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
			   cases[i].text ? cases[i].text : date);
		assert_int_equal(ask_text(answer.data, &r, NULL), OK);
		if (r.retry_after_us < cases[i].low_us || r.retry_after_us > cases[i].high_us)
			fail_msg("%s: %lld", cases[i].text, (long long)r.retry_after_us);
	}
}

static void a_cut_connection_may_be_tried_again(void **state)
{
	static const char *const cut[] = {
		"",
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
	};
	for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
		AUTO_RESPONSE struct http_response r = {0};
		struct err e = ERR_INIT;
		int rc = ask_text(cut[i], &r, &e);
		if (rc != ERR_RETRY)
			fail_msg("%s gave %s", cut[i], err_name(rc));
		assert_string_equal(e.reason, "cut");
		assert_int_equal(r.status, 0);
		assert_null(r.body.data);
		assert_non_null(strstr(e.where, "http://127.0.0.1:"));
	}
}

static void a_body_has_a_ceiling(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	struct err e = ERR_INIT;
	const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
	struct http_request q = {.body_ceiling_bytes = 9, .deadline_us = 10000000};
	assert_int_equal(ask(&q, answer, strlen(answer), &r, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "longer than 9 bytes"));
	assert_string_equal(e.reason, "too_large");
	q.body_ceiling_bytes = 10;
	assert_int_equal(ask(&q, answer, strlen(answer), &r, &e), OK);
	assert_string_equal(r.body.data, "0123456789");
}

/* A million times 'a' in 1,004 bytes of gzip: the ceiling is on what comes out. */
static void gzip_answer(struct buf *out)
{
	static const unsigned char head[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,   2,
					     3,    0xed, 0xc1, 0x81, 0,    0,    0,    0,   0xc3,
					     0x20, 0xd6, 0xf9, 0x4b, 0x1c, 0xe4, 0x55, 0x01};
	static const unsigned char zeros[968];
	static const unsigned char tail[] = {0xaf, 0x06, 0xbc, 0xbf, 0x25,
					     0xdc, 0x40, 0x42, 0x0f, 0};
	buf_str(out, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1004\r\n\r\n");
	buf_add(out, head, sizeof(head));
	buf_add(out, zeros, sizeof(zeros));
	buf_add(out, tail, sizeof(tail));
}

static void the_ceiling_is_on_the_decoded_body(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	AUTO_BUF struct buf answer = {0};
	struct err e = ERR_INIT;
	struct http_request q = {.body_ceiling_bytes = 1000000, .deadline_us = 10000000};
	gzip_answer(&answer);
	assert_int_equal(ask(&q, answer.data, answer.len, &r, &e), OK);
	assert_int_equal(r.body.len, 1000000);
	assert_int_equal(strspn(r.body.data, "a"), 1000000);
	q.body_ceiling_bytes = 999999;
	assert_int_equal(ask(&q, answer.data, answer.len, &r, &e), ERR_LIMIT);
	/* Cut short of the length that was promised. */
	q.body_ceiling_bytes = 1000000;
	assert_int_equal(ask(&q, answer.data, answer.len - 400, &r, &e), ERR_RETRY);
}

static void headers_have_a_ceiling(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	AUTO_BUF struct buf answer = {0};
	struct err e = ERR_INIT;
	buf_str(&answer, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 3000; i++)
		buf_printf(&answer, "X-Filling-%d: some more of it\r\n", i);
	buf_str(&answer, "Content-Length: 0\r\n\r\n");
	assert_int_equal(ask_text(answer.data, &r, &e), ERR_LIMIT);
}

static void a_deadline_ends_the_exchange(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	static const char *const answers[] = {"",
					      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct server s = {.hang = true};
		struct err e = ERR_INIT;
		struct http *h;
		char url[64];
		start(&s, answers[i], strlen(answers[i]));
		snprintf(url, sizeof(url), "http://localhost:%d/", s.port);
		struct http_request q = {.url = url, .deadline_us = 100000};
		assert_int_equal(http_curl_new(&h, &e), OK);
		assert_int_equal(http_request(h, &q, &r, &e), ERR_RETRY);
		assert_non_null(strstr(e.text, "within 100 ms"));
		assert_string_equal(e.reason, "timeout");
		http_free(h);
		stop(&s);
	}
}

/* -- a name service that is silent -- */

#define SILENT "silent.invalid"

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool asked, answers, over;
} names = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* In place of the C library's, also for libcurl: silent about one name until the test lets it go. It does so by
 * itself after a minute, so that a test which waits for it fails and does not hang. */
int getaddrinfo(const char *restrict name, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
	__typeof__(&getaddrinfo) original;
	if (!name || strcmp(name, SILENT) != 0) {
		*(void **)&original = dlsym(RTLD_NEXT, "getaddrinfo");
		return original(name, service, hints, ret);
	}
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	pthread_mutex_lock(&names.mutex);
	names.asked = true;
	pthread_cond_broadcast(&names.changed);
	while (!names.answers && pthread_cond_timedwait(&names.changed, &names.mutex, &until) == 0)
		;
	names.over = true;
	pthread_cond_broadcast(&names.changed);
	pthread_mutex_unlock(&names.mutex);
	return EAI_AGAIN;
}

static void a_silent_name_service_delays_no_deadline(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	struct err e = ERR_INIT;
	struct http *h;
	struct http_request q = {.url = "https://" SILENT "/", .deadline_us = 300000};
	assert_int_equal(http_curl_new(&h, &e), OK);
	int rc = http_request(h, &q, &r, &e);
	http_free(h);
	pthread_mutex_lock(&names.mutex);
	bool asked = names.asked, over = names.over;
	names.answers = true;
	pthread_cond_broadcast(&names.changed);
	while (asked && !names.over)
		pthread_cond_wait(&names.changed, &names.mutex);
	pthread_mutex_unlock(&names.mutex);
	assert_int_equal(rc, ERR_RETRY);
	assert_string_equal(e.reason, "timeout");
	assert_true(asked);
	assert_false(over);
}

static void *cancel_soon(void *arg)
{
	usleep(50000);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void a_cancelled_exchange_ends(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	struct server s = {.hang = true};
	struct err e = ERR_INIT;
	struct http *h;
	char url[64];
	atomic_bool cancel = false;
	pthread_t thread;
	start(&s, "", 0);
	snprintf(url, sizeof(url), "http://localhost:%d/", s.port);
	struct http_request q = {.url = url, .deadline_us = 50000000, .cancel = &cancel};
	assert_int_equal(http_curl_new(&h, &e), OK);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
	assert_int_equal(http_request(h, &q, &r, &e), ERR_RETRY);
	assert_string_equal(e.reason, "cancelled");
	pthread_join(thread, NULL);
	http_free(h);
	stop(&s);
}

static void nobody_listens(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	struct server s = {0};
	struct http *h;
	char url[64];
	start(&s, "", 0);
	stop(&s); /* the port is free now, and was just ours */
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
	struct http_request q = {.url = url, .deadline_us = 5000000};
	struct err e = ERR_INIT;
	assert_int_equal(http_curl_new(&h, NULL), OK);
	assert_int_equal(http_request(h, &q, &r, &e), ERR_RETRY);
	assert_string_equal(e.reason, "refused");
	http_free(h);
}

static void requests_say_what_they_were_told(void **state)
{
	AUTO_RESPONSE struct http_response r = {0};
	const char *answer =
		"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	const char *const headers[] = {"X-Ours: yes", "Content-Type: application/x-amz-json-1.1",
				       NULL};
	struct server s = {0};
	struct err e = ERR_INIT;
	struct http *h;
	char url[64], value[16];
	start(&s, answer, strlen(answer));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/a/b?c=d", s.port);
	struct http_request q = {.method = "PUT",
				 .url = url,
				 .headers = headers,
				 .body = SLICE("{\"a\":1}"),
				 .deadline_us = 10000000};
	setenv("http_proxy", "http://127.0.0.1:1/", 1); /* not for this machine itself */
	assert_int_equal(http_curl_new(&h, &e), OK);
	assert_int_equal(http_request(h, &q, &r, &e), OK);
	unsetenv("http_proxy");
	assert_null(http_header(&r, "x-early", value, sizeof(value)));
	assert_true(slice_starts(buf_slice(&s.seen), "PUT /a/b?c=d HTTP/1.1\r\n"));
	assert_true(slice_ends(buf_slice(&s.seen), "\r\n\r\n{\"a\":1}"));
	assert_non_null(strstr(s.seen.data, "\r\nX-Ours: yes\r\n"));
	assert_non_null(strstr(s.seen.data, "\r\nContent-Type: application/x-amz-json-1.1\r\n"));
	assert_non_null(strstr(s.seen.data, "\r\nUser-Agent: pregao/"));
	assert_non_null(strstr(s.seen.data, "\r\nContent-Length: 7\r\n"));
	assert_null(strstr(s.seen.data, "Expect"));
	const char *const split[] = {"X: y\r\nEvil: 1", NULL};
	q.headers = split;
	assert_int_equal(http_request(h, &q, &r, &e), ERR_USAGE);
	http_free(h);
	stop(&s);
}

static void urls_that_are_not_asked(void **state)
{
	static const struct {
		const char *url;
		int code;
		bool link_local;
	} cases[] = {
		{"http://169.254.169.254/", ERR_DENIED, false},
		{"http://169.255.169.254/", ERR_DENIED, true},
		{"http://169.254.169.254.example.com/", ERR_DENIED, true},
		{"http://example.com/", ERR_DENIED, true},
		{"http://example.com/", ERR_DENIED, false},
		{"http://127.0.0.1.example.com/", ERR_DENIED, false},
		{"http://localhost.example.com/", ERR_DENIED, false},
		{"http://127.0.0.1@example.com/", ERR_DENIED, false},
		{"https://user:secret@127.0.0.1/", ERR_DENIED, false},
		{"http://[::2]/", ERR_DENIED, false},
		{"http://10.0.0.1/", ERR_DENIED, false},
		{"http://0.0.0.0/", ERR_DENIED, false},
		{"file:///etc/passwd", ERR_DENIED, false},
		{"ftp://127.0.0.1/", ERR_DENIED, false},
		{"gopher://127.0.0.1/", ERR_DENIED, false},
		{"example.com", ERR_USAGE, false},
		{"http://", ERR_USAGE, false},
		{"http://127.0.0.1:99999/", ERR_USAGE, false},
		{"http://127.0.0.1/a b", ERR_USAGE, false},
		{"http://127.0.0.1/\r\nX: y", ERR_USAGE, false},
		{"", ERR_USAGE, false},
	};
	AUTO_RESPONSE struct http_response r = {0};
	struct http *h;
	assert_int_equal(http_curl_new(&h, NULL), OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct http_request q = {.url = cases[i].url,
					 .deadline_us = 1000,
					 .link_local = cases[i].link_local};
		int rc = http_request(h, &q, &r, &e);
		if (rc != cases[i].code)
			fail_msg("%s gave %s: %s", cases[i].url, err_name(rc), e.text);
	}
	http_free(h);
}

/* For good, so in a child of its own. */
static void a_confined_process_asks_whom_it_may(void **state)
{
	static const char *const more[] = {"b3.example:443", "127.0.0.1:1", "x.example:80", NULL};
	static const char *const fewer[] = {"other.example:443", "B3.example:443", "127.0.0.1:1",
					    NULL};
	static const struct {
		const char *url;
		int code;
	} asked[] = {{"https://b3.example/x", OK},
		     {"https://B3.EXAMPLE:443/", OK},
		     {"http://127.0.0.1:1/", OK},
		     {"https://b3.example:444/", ERR_DENIED},
		     {"https://x.example:80/", ERR_DENIED},
		     {"https://other.example/", ERR_DENIED},
		     {"https://b3.example.net/", ERR_DENIED},
		     {"http://127.0.0.1/", ERR_DENIED},
		     {"http://localhost:1/", ERR_DENIED}};
	int wrong = 0, status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct http *h;
		struct http_response r = {0};
		struct err e = ERR_INIT;
		http_confine(more);
		http_confine(fewer);
		for (size_t i = 0; i < ARRAY_LEN(asked); i++)
			wrong += http_url_check(asked[i].url, NULL) != asked[i].code;
		struct http_request q = {.url = "http://127.0.0.1:2/"}, allowed = q;
		allowed.url = "http://127.0.0.1:1/";
		wrong += http_curl_new(&h, NULL) != OK || http_request(h, &q, &r, &e) != ERR_DENIED;
		wrong += !strstr(e.text, "127.0.0.1:2");
		wrong += http_request(h, &allowed, &r, NULL) != ERR_RETRY; /* nobody listens */
		http_free(h);
		_exit(wrong);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_status_is_an_answer),
		cmocka_unit_test(retry_after_in_its_forms),
		cmocka_unit_test(a_cut_connection_may_be_tried_again),
		cmocka_unit_test(a_body_has_a_ceiling),
		cmocka_unit_test(the_ceiling_is_on_the_decoded_body),
		cmocka_unit_test(headers_have_a_ceiling),
		cmocka_unit_test(a_deadline_ends_the_exchange),
		cmocka_unit_test(a_silent_name_service_delays_no_deadline),
		cmocka_unit_test(a_cancelled_exchange_ends),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(requests_say_what_they_were_told),
		cmocka_unit_test(urls_that_are_not_asked),
		cmocka_unit_test(a_confined_process_asks_whom_it_may),
	};
	return RUN_TESTS("http");
}
