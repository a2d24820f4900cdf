/* Fetching a portfolio of the day: which URL, what each answer is worth, pages put together, and
 * another form when one fails for good. An answer that is none (empty, HTML, encoded twice,
 * somebody else's page) is asked for again: the service gives such for minutes, then recovers. */
#include "b3_fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "b3_portfolio_field.h"
#include "base64.h"
#include "json.h"

#define PAGE_SIZE            120
#define REQUEST_DEADLINE_US  INT64_C(30000000)
#define RETRY_AFTER_LIMIT_US INT64_C(120000000)

const char *const b3_fetch_forms[] = {"day", "download", NULL};

/* One form of the service, being asked for one index. */
struct asking {
	const struct fetch *fetch;
	struct arena *arena;
	const char *index;
	int64_t end_us; /* monotonic; 0: no end */
	bool once;      /* without trying again */
	/* the request at hand */
	const char *url;
	struct http_response response;
	int (*check)(struct asking *, struct slice body, struct err *);
	/* "day": what the pages so far said */
	int64_t page, pages, records;
	json_t *header, *seen; /* seen: an object with every code so far as a key */
	json_t *root;          /* of the page at hand */
	/* "download" */
	struct buf decoded;
};

static void asking_clear(struct asking *a)
{
	http_response_clear(&a->response);
	json_decref(a->header);
	json_decref(a->seen);
	json_decref(a->root);
	buf_free(&a->decoded);
}

static int spoiled(struct err *e, const char *reason)
{
	err_reason(e, reason);
	return ERR_RETRY;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trimmed(struct slice s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* What no form may look like. */
static int check_any(struct asking *a, struct slice body, struct err *e)
{
	if (!body.n) {
		err_set(e, ERR_RETRY, "the answer is empty");
		return spoiled(e, "empty");
	}
	if (body.p[0] == '<') {
		err_set(e, ERR_RETRY, "the answer is HTML: found \"%s\"", shown(a->arena, body));
		return spoiled(e, "html");
	}
	if (body.p[0] == '"') {
		err_set(e, ERR_RETRY, "the answer was encoded twice: found a JSON text, \"%s\"",
			shown(a->arena, body));
		return spoiled(e, "double_encoded");
	}
	return OK;
}

static bool is_base64(struct slice s)
{
	AUTO_BUF struct buf bytes = {0};
	size_t at;
	return s.n >= 40 && base64_decode(s, &bytes, &at);
}

static int check_page_numbers(struct asking *a, const json_t *numbers, const json_t *header,
			      struct err *e)
{
	int64_t number, pages, records;
	if (json_get_int(numbers, "pageNumber", &number, e) != OK ||
	    json_get_int(numbers, "totalPages", &pages, e) != OK ||
	    json_get_int(numbers, "totalRecords", &records, e) != OK)
		return spoiled(e, "bad_field");
	if (number != a->page) {
		err_set(e, ERR_RETRY, "asked for page %" PRId64 ", found page %" PRId64, a->page,
			number);
		return spoiled(e, "repeated_page");
	}
	if (pages > PORTFOLIO_PAGES_MAX) {
		err_set(e, ERR_LIMIT, "the answer has %" PRId64 " pages, expected at most %d",
			pages, PORTFOLIO_PAGES_MAX);
		err_reason(e, "too_large");
		return ERR_LIMIT;
	}
	if (a->page > 1 &&
	    (pages != a->pages || records != a->records || !json_equal(header, a->header))) {
		err_set(e, ERR_RETRY,
			"page %" PRId64
			" does not go with the first: found another header or other totals",
			a->page);
		return spoiled(e, "pages_differ");
	}
	a->pages = pages;
	a->records = records;
	return OK;
}

static int check_page(struct asking *a, struct slice body, struct err *e)
{
	json_decref(a->root);
	a->root = NULL;
	if (body.p[0] != '{' && is_base64(body)) {
		err_set(e, ERR_RETRY, "the answer was encoded twice: found base64, expected JSON");
		return spoiled(e, "double_encoded");
	}
	if (json_parse(body.p, body.n, &a->root, e) != OK) {
		err_wrap(e, "the answer was cut or damaged");
		return spoiled(e, "bad_json");
	}
	json_t *numbers, *header;
	if (json_get_object(a->root, "page", &numbers, e) != OK ||
	    json_get_object(a->root, "header", &header, e) != OK) {
		err_wrap(e, "the answer is no portfolio of the day");
		return spoiled(e, "not_a_portfolio");
	}
	const json_t *results = json_object_get(a->root, "results");
	if (a->page == 1 && !json_array_size(results) &&
	    !json_integer_value(json_object_get(numbers, "totalPages"))) {
		err_set(e, ERR_NOT_FOUND, "B3 lists no portfolio for index %s", a->index);
		err_reason(e, "no_portfolio");
		return ERR_NOT_FOUND;
	}
	if (!json_array_size(results)) {
		err_set(e, ERR_RETRY, "page %" PRId64 " has no results", a->page);
		return spoiled(e, "no_rows");
	}
	int rc = check_page_numbers(a, numbers, header, e);
	if (rc != OK)
		return rc;
	for (size_t i = 0; i < json_array_size(results); i++) {
		const char *code = json_opt_str(json_array_get(results, i), "cod", "");
		if (json_object_get(a->seen, code)) {
			err_set(e, ERR_RETRY,
				"page %" PRId64 " repeats rows of a page before it: found %s again",
				a->page, shown(a->arena, slice_of(code)));
			return spoiled(e, "repeated_page");
		}
	}
	return OK;
}

/* Of an accepted page: what the next ones are compared with. */
static void remember_page(struct asking *a)
{
	const json_t *results = json_object_get(a->root, "results");
	if (!a->header)
		a->header = json_incref(json_object_get(a->root, "header"));
	for (size_t i = 0; i < json_array_size(results); i++) {
		const char *code = json_opt_str(json_array_get(results, i), "cod", NULL);
		if (code)
			json_object_set_new(a->seen, code, json_true());
	}
}

static int check_download(struct asking *a, struct slice body, struct err *e)
{
	size_t at;
	buf_reset(&a->decoded);
	if (!base64_decode(body, &a->decoded, &at)) {
		err_set(e, ERR_RETRY, "the answer is no base64: found \"%s\" at byte %zu",
			shown(a->arena, (struct slice){body.p + at, body.n - at}), at);
		return spoiled(e, "bad_base64");
	}
	struct slice text = trimmed(buf_slice(&a->decoded));
	int rc = check_any(a, text, e);
	if (rc == OK && (is_base64(text) || text.p[0] == '{')) {
		err_set(e, ERR_RETRY,
			"the answer was encoded twice: found \"%s\" inside the base64",
			shown(a->arena, text));
		rc = spoiled(e, "double_encoded");
	}
	return rc;
}

static int check_status(struct asking *a, int64_t *retry_after_us, struct err *e)
{
	const struct http_response *r = &a->response;
	if (r->status == 200)
		return OK;
	if (r->status >= 300 && r->status < 400) {
		char location[200] = "?";
		http_header(r, "location", location, sizeof(location));
		err_set(e, ERR_RETRY, "the service redirects to %s (status %d)",
			shown(a->arena, slice_of(location)), r->status);
		return spoiled(e, "redirected");
	}
	if (r->status == 408 || r->status == 425 || r->status == 429 || r->status >= 500) {
		int64_t limit = a->fetch->retry_after_limit_us ? a->fetch->retry_after_limit_us
							       : RETRY_AFTER_LIMIT_US;
		if (r->retry_after_us > limit) {
			err_set(e, ERR_LIMIT,
				"the service answers with status %d and asks to wait %" PRId64
				" s, longer than the limit of %" PRId64 " s",
				r->status, r->retry_after_us / 1000000, limit / 1000000);
			err_reason(e, "http_status");
			return ERR_LIMIT;
		}
		if (r->retry_after_us >= 0)
			*retry_after_us = r->retry_after_us;
		err_set(e, ERR_RETRY, "the service answers with status %d", r->status);
		return spoiled(e, "http_status");
	}
	if (r->status >= 200 && r->status < 300) {
		err_set(e, ERR_RETRY, "the service answers with status %d, expected 200",
			r->status);
		return spoiled(e, "http_status");
	}
	err_set(e, ERR_INPUT,
		"the service answers with status %d: there is nothing under this URL, or not for us",
		r->status);
	err_reason(e, "http_status");
	return ERR_INPUT;
}

static int ask_once(void *arg, int attempt, int64_t *retry_after_us, struct err *e)
{
	static const char *const headers[] = {"Accept: application/json, text/plain, */*", NULL};
	struct asking *a = arg;
	const struct fetch *f = a->fetch;
	struct http_request q = {
		.url = a->url,
		.headers = headers,
		.deadline_us = f->request_deadline_us ? f->request_deadline_us
						      : REQUEST_DEADLINE_US,
		.body_ceiling_bytes = f->body_ceiling_bytes ? f->body_ceiling_bytes
							    : PORTFOLIO_BYTES_MAX,
		.user_agent = f->user_agent,
	};
	if (a->end_us) {
		int64_t left = a->end_us - clock_monotonic_us(f->clock);
		if (left <= 0)
			return err_set(e, ERR_LIMIT, "no time is left for another request");
		q.deadline_us = left < q.deadline_us ? left : q.deadline_us;
	}
	http_response_clear(&a->response);
	a->response = (struct http_response){.retry_after_us = -1};
	int rc = http_request(f->http, &q, &a->response, e);
	if (rc == OK)
		rc = check_status(a, retry_after_us, e);
	struct slice body = trimmed(buf_slice(&a->response.body));
	if (rc == OK)
		rc = check_any(a, body, e);
	if (rc == OK)
		rc = a->check(a, body, e);
	if (rc != OK) {
		/* Codes of parsers and of json_get_* are not ours: what counts here is whether
		 * asking again may help. */
		if (e)
			e->code = rc;
		err_where(e, a->url);
	}
	return rc;
}

static uint32_t jitter(void *ctx, uint32_t below)
{
	struct asking *a = ctx;
	return a->fetch->random(a->fetch->ctx, below);
}

static void pause_noted(void *ctx, int attempt, int64_t pause_us, const struct err *why)
{
	struct asking *a = ctx;
	if (a->fetch->note)
		a->fetch->note(a->fetch->ctx, a->url, attempt, pause_us, why);
}

/* Asks until the answer is good or the policy ends. */
static int ask(struct asking *a, const char *url,
	       int (*check)(struct asking *, struct slice, struct err *), struct err *e)
{
	struct retry_policy policy = *a->fetch->retry;
	a->url = url;
	a->check = check;
	if (a->once)
		policy.attempts = 1;
	if (a->end_us) {
		policy.deadline_us = a->end_us - clock_monotonic_us(a->fetch->clock);
		if (policy.deadline_us <= 0)
			policy.deadline_us = 1;
	}
	struct retry retry = {.policy = &policy,
			      .clock = a->fetch->clock,
			      .random = a->fetch->random ? jitter : NULL,
			      .note = pause_noted,
			      .ctx = a};
	return retry_run(&retry, ask_once, a, e);
}

static const char *url_of(struct asking *a, const char *call, const char *argument)
{
	AUTO_BUF struct buf coded = {0};
	const char *base = a->fetch->base_url ? a->fetch->base_url : B3_BASE_URL;
	size_t n = strlen(base);
	base64_encode(slice_of(argument), &coded);
	return arena_printf(a->arena, "%s%s%s/%s", base, n && base[n - 1] == '/' ? "" : "/", call,
			    coded.data);
}

static void describe(struct asking *a, const char *url, struct payload *ret)
{
	ret->source = url;
	ret->status = a->response.status;
	ret->headers = a->response.headers.len ? arena_strndup(a->arena, a->response.headers.data,
							       a->response.headers.len)
					       : NULL;
	ret->index = arena_strdup(a->arena, a->index);
	ret->at_us = clock_now_us(a->fetch->clock);
}

/* GetPortfolioDay: JSON, in pages; segment 2 is the form with sectors. */
static int fetch_day(struct asking *a, struct payload *ret, struct err *e)
{
	AUTO_BUF struct buf all = {.ceiling = PORTFOLIO_BYTES_MAX};
	const char *first_url = NULL;
	a->seen = json_object();
	a->pages = 1;
	for (a->page = 1; a->page <= a->pages; a->page++) {
		const char *url =
			url_of(a, "GetPortfolioDay",
			       arena_printf(a->arena,
					    "{\"language\":\"pt-br\",\"pageNumber\":%" PRId64
					    ",\"pageSize\":%d,\"index\":\"%s\",\"segment\":\"2\"}",
					    a->page, PAGE_SIZE, a->index));
		int rc = ask(a, url, check_page, e);
		if (rc != OK)
			return rc;
		remember_page(a);
		if (a->page == 1) {
			first_url = url;
			describe(a, url, ret);
		}
		/* One page is kept as it is, several as a JSON text sequence (RFC 7464): each
		 * page's own bytes between RS and LF. */
		if (a->pages > 1)
			buf_char(&all, '\x1e');
		buf_add(&all, a->response.body.data, a->response.body.len);
		if (a->pages > 1)
			buf_char(&all, '\n');
		if (all.full) {
			err_set(e, ERR_LIMIT, "the pages together have more than %u bytes",
				PORTFOLIO_BYTES_MAX);
			err_reason(e, "too_large");
			return err_where(e, first_url);
		}
	}
	ret->at_us = clock_now_us(a->fetch->clock);
	ret->bytes = (struct slice){arena_strndup(a->arena, all.data, all.len), all.len};
	return OK;
}

/* GetDownloadPortfolioDay: base64 of the CSV that a person downloads. */
static int fetch_download(struct asking *a, struct payload *ret, struct err *e)
{
	const char *url = url_of(
		a, "GetDownloadPortfolioDay",
		arena_printf(a->arena, "{\"index\":\"%s\",\"language\":\"pt-br\"}", a->index));
	int rc = ask(a, url, check_download, e);
	if (rc != OK)
		return rc;
	describe(a, url, ret);
	ret->bytes = (struct slice){arena_strndup(a->arena, a->decoded.data, a->decoded.len),
				    a->decoded.len};
	return OK;
}

static const struct form {
	const char *name, *call;
	int (*fetch)(struct asking *, struct payload *, struct err *);
} forms[] = {
	{"day", "GetPortfolioDay", fetch_day},
	{"download", "GetDownloadPortfolioDay", fetch_download},
};

static const struct form *form_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (strcmp(forms[i].name, name) == 0)
			return &forms[i];
	return NULL;
}

int b3_fetch_portfolio(const struct fetch *f, const char *index, struct arena *arena,
		       struct payload *ret, struct err *e)
{
	const char *const *names = f->forms && f->forms[0] ? f->forms : b3_fetch_forms;
	size_t count = 0;
	if (!portfolio_index_ok(slice_of(index)))
		return err_set(
			e, ERR_USAGE,
			"\"%s\" is no index code: expected 1 to %d capital letters and digits, as IBOV",
			index ? index : "", PORTFOLIO_INDEX_MAX);
	for (; names[count]; count++)
		if (!form_named(names[count]))
			return err_set(
				e, ERR_USAGE,
				"\"%s\" is no form of B3's service: expected day or download",
				names[count]);

	int64_t start = clock_monotonic_us(f->clock);
	struct err failures = ERR_INIT;
	bool listed = true;
	for (size_t i = 0; i < count; i++) {
		const struct form *form = form_named(names[i]);
		/* What one form does not list the other is asked for once: cheap, and who says
		 * "none" wrongly is found out. */
		struct asking a = {.fetch = f, .arena = arena, .index = index, .once = !listed};
		int64_t now = clock_monotonic_us(f->clock);
		/* Each form has its share of the time that is left, so that a slow one does not
		 * take it all. */
		if (f->retry->deadline_us)
			a.end_us =
				now + (start + f->retry->deadline_us - now) / (int64_t)(count - i);
		struct err why = ERR_INIT;
		struct payload got = {.at_us = 0};
		int rc = form->fetch(&a, &got, &why);
		asking_clear(&a);
		if (rc == OK) {
			*ret = got;
			return OK;
		}
		if (rc == ERR_NOT_FOUND) {
			listed = false;
			failures = why;
		} else if (!listed) {
			continue;
		} else if (i == 0) {
			if (count > 1)
				err_wrap(&why, "%s", form->call);
			failures = why;
		} else {
			err_wrap(&why, "%s; %s: %s", failures.text,
				 tr("and the other form failed too"), form->call);
			/* Worth another try later if any of them is. */
			why.code = failures.code == ERR_RETRY ? ERR_RETRY : why.code;
			failures = why;
		}
		if (i + 1 < count && f->note)
			f->note(f->ctx, a.url, 0, -1, &why);
	}
	if (e)
		*e = failures;
	return failures.code;
}
