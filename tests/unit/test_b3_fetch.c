/* Fetching from a scripted service: each way in which B3's has been seen to fail is asked for
 * again, or given up with its reason, and the other form steps in. Nothing sleeps: the clock is a
 * fake one. */
#include "unit.h"

#include <inttypes.h>

#include "b3_fetch.h"
#include "b3_portfolio.h"
#include "base64.h"
#include "clock_fake.h"

static const char csv[] = "IBOV - Carteira do Dia 15/07/24\r\n"
			  "C\xF3"
			  "digo;A\xE7\xE3o;Tipo;Qtde. Te\xF3rica;Part. (%)\r\n"
			  "PETR3;PETROBRAS;ON      N2;2.000.000.001;40,000;\r\n"
			  "PETR4;PETROBRAS;PN      N2;3.999.999.999;60,000;\r\n"
			  "Quantidade Te\xF3rica Total;;;6.000.000.000;100,000\r\n"
			  "Redutor;;;16.431.231,56745229\r\n";
#define HEADER \
	"\"header\":{\"date\":\"15/07/24\",\"part\":\"100,000\",\"reductor\":\"16.431.231,56745229\",\"theoricalQty\":\"6.000.000.000\"}"
#define PAGE(number, pages, rows)                                                \
	"{\"page\":{\"pageNumber\":" number                                      \
	",\"pageSize\":120,\"totalRecords\":2,\"totalPages\":" pages "}," HEADER \
	",\"results\":" rows "}"
#define ROW3 \
	"{\"segment\":null,\"cod\":\"PETR3\",\"asset\":\"PETROBRAS\",\"type\":\"ON      N2\",\"part\":\"40,000\",\"theoricalQty\":\"2.000.000.001\"}"
#define ROW4 \
	"{\"segment\":null,\"cod\":\"PETR4\",\"asset\":\"PETROBRAS\",\"type\":\"PN      N2\",\"part\":\"60,000\",\"theoricalQty\":\"3.999.999.999\"}"
#define WHOLE  PAGE("1", "1", "[" ROW3 "," ROW4 "]")
#define FIRST  PAGE("1", "2", "[" ROW3 "]")
#define SECOND PAGE("2", "2", "[" ROW4 "]")

/* An answer, given to the next request whose path holds `to`, `times` times (0: for ever). Used
 * from the first on. */
struct answer {
	const char *to;
	int status;
	const char *body;
	int64_t retry_after_us; /* 0: none */
	int times;
	int code; /* of the exchange itself */
	int64_t takes_us;
};
struct scripted {
	struct http http;
	struct clock_fake clock;
	const struct answer *answers;
	int used[16];
	int requests;
	char last_argument[400];
	struct arena *arena;
	int64_t longest_deadline_us;
};

static int scripted_request(struct http *h, const struct http_request *q, struct http_response *ret,
			    struct err *e)
{
	struct scripted *s = (struct scripted *)h;
	AUTO_BUF struct buf argument = {0};
	const char *coded = strrchr(q->url, '/') + 1;
	size_t at;
	s->requests++;
	assert_true(s->requests < 1000);
	assert_true(q->deadline_us > 0 && q->body_ceiling_bytes > 0);
	assert_null(strstr(q->url, "//Get"));
	s->longest_deadline_us = q->deadline_us > s->longest_deadline_us ? q->deadline_us
									 : s->longest_deadline_us;
	assert_true(base64_decode(slice_of(coded), &argument, &at));
	snprintf(s->last_argument, sizeof(s->last_argument), "%s", argument.data);
	for (size_t i = 0; s->answers[i].to; i++) {
		const struct answer *a = &s->answers[i];
		if (!(strstr(q->url, a->to) || strstr(argument.data, a->to)) ||
		    (a->times && s->used[i] >= a->times))
			continue;
		s->used[i]++;
		s->clock.now += a->takes_us ? a->takes_us : 1000;
		if (a->code)
			return err_set(e, a->code, "the connection was cut");
		ret->status = a->status ? a->status : 200;
		ret->retry_after_us = a->retry_after_us ? a->retry_after_us : -1;
		buf_str(&ret->body, a->body ? a->body : "");
		buf_str(&ret->headers, "content-type: text/plain\n");
		return OK;
	}
	fail_msg("nobody expected %s (%s)", q->url, argument.data);
	return ERR_BUG;
}

static const struct http_ops scripted_ops = {.request = scripted_request, .free = NULL};

static uint32_t no_jitter(void *ctx, uint32_t below)
{
	return below - 1;
}

static int notes;
static void count_note(void *ctx, const char *url, int attempt, int64_t pause_us,
		       const struct err *why)
{
	assert_non_null(url);
	assert_true(why->text[0]);
	notes++;
}

static const struct retry_policy policy = {
	.attempts = 4, .base_us = 500000, .cap_us = 8000000, .deadline_us = INT64_C(180000000)};

static int fetch_as(struct scripted *s, const struct answer *answers, const char *const *forms,
		    const char *index, struct payload *ret, struct err *e)
{
	struct arena *arena = s->arena ? s->arena : arena_new();
	*s = (struct scripted){.http.ops = &scripted_ops, .answers = answers, .arena = arena};
	clock_fake_init(&s->clock, INT64_C(1700000000000000));
	struct fetch f = {.http = &s->http,
			  .clock = &s->clock.clock,
			  .retry = &policy,
			  .random = no_jitter,
			  .note = count_note,
			  .base_url = "https://b3.example/indexCall/",
			  .forms = forms,
			  .user_agent = "test"};
	notes = 0;
	*e = (struct err)ERR_INIT;
	int rc = b3_fetch_portfolio(&f, index, arena, ret, e);
	assert_true(rc == OK || (e->code == rc && e->text[0]));
	return rc;
}

static void clear(struct scripted *s)
{
	arena_free(s->arena);
}
#define SCRIPTED struct scripted s CLEANUP(clear) = {.arena = NULL}

static const char *const only_day[] = {"day", NULL}, *const only_download[] = {"download", NULL},
			 *const download_first[] = {"download", "day", NULL};

static const char *coded(const char *text)
{
	static struct buf out;
	char *copy = mem_strdup(text); /* it may be what was coded before */
	buf_reset(&out);
	base64_encode(slice_of(copy), &out);
	free(copy);
	return out.data;
}

static void asks_for_the_page_with_sectors(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	const struct answer answers[] = {{.to = "/indexCall/GetPortfolioDay/", .body = WHOLE}, {0}};
	assert_int_equal(fetch_as(&s, answers, NULL, "IBOV", &p, &e), OK);
	assert_string_equal(
		s.last_argument,
		"{\"language\":\"pt-br\",\"pageNumber\":1,\"pageSize\":120,\"index\":\"IBOV\",\"segment\":\"2\"}");
	assert_true(slice_is(p.bytes, WHOLE));
	assert_int_equal(p.status, 200);
	assert_string_equal(p.index, "IBOV");
	assert_string_equal(p.headers, "content-type: text/plain\n");
	assert_int_equal(s.requests, 1);
	assert_true(p.at_us > INT64_C(1700000000000000));
}

static void puts_pages_together(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	struct portfolio portfolio;
	const struct answer answers[] = {{.to = "\"pageNumber\":1", .body = FIRST},
					 {.to = "\"pageNumber\":2", .body = SECOND},
					 {0}};
	assert_int_equal(fetch_as(&s, answers, only_day, "IBOV", &p, &e), OK);
	assert_true(slice_is(p.bytes, "\x1e" FIRST "\n\x1e" SECOND "\n"));
	assert_int_equal(portfolio_parse(p.bytes, p.index, s.arena, &portfolio, &e), OK);
	assert_int_equal(portfolio.row_count, 2);
}

static void decodes_the_download(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	const struct answer answers[] = {{.to = "/GetDownloadPortfolioDay/", .body = coded(csv)},
					 {0}};
	assert_int_equal(fetch_as(&s, answers, only_download, "IBOV", &p, &e), OK);
	assert_string_equal(s.last_argument, "{\"index\":\"IBOV\",\"language\":\"pt-br\"}");
	assert_true(slice_is(p.bytes, csv));
}

/* What comes once or twice and then is good again. */
static void asks_again_for_what_is_no_answer(void **state)
{
	AUTO_BUF struct buf quoted = {0};
	buf_json_str(&quoted, WHOLE, sizeof(WHOLE) - 1);
	const struct {
		struct answer bad;
		const char *reason;
	} cases[] = {
		{{.status = 520, .body = "<html>"}, "http_status"},
		{{.status = 500}, "http_status"},
		{{.status = 429, .body = "slow down"}, "http_status"},
		{{.status = 503, .retry_after_us = 3000000}, "http_status"},
		{{.status = 204}, "http_status"},
		{{.status = 302}, "redirected"},
		{{.body = ""}, "empty"},
		{{.body = " \r\n"}, "empty"},
		{{.body = "\n<!DOCTYPE html><html>"}, "html"},
		{{.body = quoted.data}, "double_encoded"},
		{{.body = "eyJwYWdlIjp7InBhZ2VOdW1iZXIiOjEsInBhZ2VTaXplIjoxMjB9fQ=="},
		 "double_encoded"},
		{{.body = "{\"page\":{\"pageNu"}, "bad_json"},
		{{.body = "null"}, "not_a_portfolio"},
		{{.body = "{\"error\":\"try later\"}"}, "not_a_portfolio"},
		{{.body = PAGE("2", "2", "[" ROW3 "]")}, "repeated_page"},
		{{.body = PAGE("1", "1", "null")}, "no_rows"},
		{{.body = PAGE("\"1\"", "1", "[" ROW3 "]")}, "bad_field"},
		{{.code = ERR_RETRY}, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCRIPTED;
		struct err e;
		struct payload p;
		struct answer answers[] = {
			cases[i].bad, {.to = "GetPortfolioDay", .body = WHOLE}, {0}};
		answers[0].to = "GetPortfolioDay";
		answers[0].times = 2;
		if (fetch_as(&s, answers, only_day, "IBOV", &p, &e) != OK)
			fail_msg("case %zu: %s", i, e.text);
		assert_true(slice_is(p.bytes, WHOLE));
		assert_int_equal(s.requests, 3);
		assert_int_equal(notes, 2);
		assert_true(s.clock.slept_us >= (cases[i].bad.retry_after_us ? 6000000 : 1500000));
		/* And when it never ends: a failure that says why. */
		answers[0].times = 0;
		assert_int_equal(fetch_as(&s, answers, only_day, "IBOV", &p, &e), ERR_RETRY);
		if (strcmp(e.reason, cases[i].reason) != 0)
			fail_msg("case %zu: expected %s, found %s: %s", i, cases[i].reason,
				 e.reason, e.text);
		assert_int_equal(s.requests, policy.attempts);
		assert_non_null(strstr(e.where, "https://b3.example/"));
	}
}

static void asks_again_for_broken_downloads(void **state)
{
	SCRIPTED;
	char *twice = mem_strdup(coded(coded(csv))),
	     *html = mem_strdup(coded("<html><body>an error page, in base64</body></html>")),
	     *json = mem_strdup(coded(WHOLE)), *good = mem_strdup(coded(csv)),
	     *cut = mem_strdup(good), *odd = mem_strdup(good);
	AUTO_BUF struct buf quoted = {0};
	buf_json_str(&quoted, good, strlen(good));
	cut[strlen(cut) - 5] = 0;
	odd[100] = '!';
	const struct {
		const char *body, *reason;
	} cases[] = {
		{twice, "double_encoded"}, {html, "html"},      {json, "double_encoded"},
		{cut, "bad_base64"},       {odd, "bad_base64"}, {quoted.data, "double_encoded"},
		{WHOLE, "bad_base64"},     {"", "empty"},       {"<html>", "html"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e;
		struct payload p;
		struct answer answers[] = {{.to = "GetDownload", .body = cases[i].body, .times = 3},
					   {.to = "GetDownload", .body = good},
					   {0}};
		assert_int_equal(fetch_as(&s, answers, only_download, "IBOV", &p, &e), OK);
		assert_true(slice_is(p.bytes, csv));
		answers[0].times = 0;
		assert_int_equal(fetch_as(&s, answers, only_download, "IBOV", &p, &e), ERR_RETRY);
		if (strcmp(e.reason, cases[i].reason) != 0)
			fail_msg("case %zu: expected %s, found %s: %s", i, cases[i].reason,
				 e.reason, e.text);
	}
	free(twice);
	free(html);
	free(json);
	free(good);
	free(cut);
	free(odd);
}

static void never_believes_a_wrong_page(void **state)
{
	static const char *const wrong[] = {
		FIRST,                        /* the first again, its number and all */
		PAGE("2", "2", "[" ROW3 "]"), /* the right number over the first one's rows */
		PAGE("2", "3", "[" ROW4 "]"), /* always one more to come */
		"{\"page\":{\"pageNumber\":2,\"pageSize\":120,\"totalRecords\":2,\"totalPages\":2},\"header\":{\"date\":\"16/07/24\"},\"results\":[" ROW4
		"]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		SCRIPTED;
		struct err e;
		struct payload p;
		struct answer answers[] = {{.to = "\"pageNumber\":1", .body = FIRST},
					   {.to = "\"pageNumber\":2", .body = wrong[i]},
					   {.to = "\"pageNumber\":2", .body = SECOND},
					   {0}};
		assert_int_equal(fetch_as(&s, answers, only_day, "IBOV", &p, &e), ERR_RETRY);
		assert_true(strcmp(e.reason, "repeated_page") == 0 ||
			    strcmp(e.reason, "pages_differ") == 0);
		answers[1].times = 2;
		assert_int_equal(fetch_as(&s, answers, only_day, "IBOV", &p, &e), OK);
		assert_true(slice_is(p.bytes, "\x1e" FIRST "\n\x1e" SECOND "\n"));
	}
}

static void has_ceilings(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	const struct answer pages[] = {
		{.to = "GetPortfolioDay", .body = PAGE("1", "51", "[" ROW3 "]")}, {0}};
	assert_int_equal(fetch_as(&s, pages, only_day, "IBOV", &p, &e), ERR_LIMIT);
	assert_int_equal(s.requests, 1);
	const struct answer huge[] = {{.to = "GetPortfolioDay", .code = ERR_LIMIT}, {0}};
	assert_int_equal(fetch_as(&s, huge, only_day, "IBOV", &p, &e), ERR_LIMIT);
	/* A server that wants an hour is not waited for. */
	const struct answer later[] = {
		{.to = "GetPortfolioDay", .status = 429, .retry_after_us = INT64_C(3600000000)},
		{0}};
	assert_int_equal(fetch_as(&s, later, only_day, "IBOV", &p, &e), ERR_LIMIT);
	assert_int_equal(s.clock.slept_us, 0);
	assert_non_null(strstr(e.text, "3600"));
}

static void has_an_end(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	/* Every request hangs for its whole deadline; both forms get their turn, and all ends in
	 * time. */
	const struct answer answers[] = {{.to = "Get", .code = ERR_RETRY, .takes_us = 30000000},
					 {0}};
	assert_int_equal(fetch_as(&s, answers, NULL, "IBOV", &p, &e), ERR_RETRY);
	assert_true(s.clock.now - INT64_C(1700000000000000) <= policy.deadline_us + 30000000);
	assert_true(s.longest_deadline_us <= 30000000);
	assert_non_null(strstr(e.text, "GetPortfolioDay"));
	assert_non_null(strstr(e.text, "GetDownloadPortfolioDay"));
}

static void the_other_form_steps_in(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	const struct answer retired[] = {{.to = "GetPortfolioDay", .status = 404},
					 {.to = "GetDownload", .body = coded(csv)},
					 {0}};
	assert_int_equal(fetch_as(&s, retired, NULL, "IBOV", &p, &e), OK);
	assert_true(slice_is(p.bytes, csv));
	assert_int_equal(s.requests, 2);
	const struct answer reversed[] = {
		{.to = "GetDownload", .body = ""}, {.to = "GetPortfolioDay", .body = WHOLE}, {0}};
	assert_int_equal(fetch_as(&s, reversed, download_first, "IBOV", &p, &e), OK);
	assert_true(slice_is(p.bytes, WHOLE));
	assert_int_equal(s.requests, policy.attempts + 1);
	const struct answer gone[] = {{.to = "Get", .status = 404}, {0}};
	assert_int_equal(fetch_as(&s, gone, NULL, "IBOV", &p, &e), ERR_INPUT);
	assert_int_equal(s.requests, 2);
}

static void knows_when_there_is_none(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	struct answer answers[] = {
		{.to = "GetPortfolioDay",
		 .body = "{\"page\":{\"pageNumber\":1,\"pageSize\":120,\"totalRecords\":null,\"totalPages\":null},\"header\":{\"date\":null},\"results\":null}"},
		{.to = "GetDownload", .body = ""},
		{0}};
	for (int i = 0; i < 3; i++) {
		static const char *const *const orders[] = {NULL, only_day, download_first};
		assert_int_equal(fetch_as(&s, answers, orders[i], "XYZW", &p, &e), ERR_NOT_FOUND);
		assert_string_equal(e.reason, "no_portfolio");
		assert_non_null(strstr(e.text, "XYZW"));
		/* The other form is asked once, or was asked as often as ever before. */
		assert_int_equal(s.requests, i == 0 ? 2 : i == 1 ? 1 : policy.attempts + 1);
	}
	answers[1].body = coded(csv);
	assert_int_equal(fetch_as(&s, answers, NULL, "IBOV", &p, &e), OK);
	assert_true(slice_is(p.bytes, csv));
}

static void refuses_wrong_words(void **state)
{
	SCRIPTED;
	struct err e;
	struct payload p;
	static const char *const form[] = {"weekly", NULL};
	const struct answer none[] = {{0}};
	assert_int_equal(fetch_as(&s, none, form, "IBOV", &p, &e), ERR_USAGE);
	assert_int_equal(fetch_as(&s, none, NULL, "ibov", &p, &e), ERR_USAGE);
	assert_int_equal(fetch_as(&s, none, NULL, "IBOV\"}", &p, &e), ERR_USAGE);
	assert_int_equal(fetch_as(&s, none, NULL, "", &p, &e), ERR_USAGE);
	assert_int_equal(s.requests, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_the_page_with_sectors),
		cmocka_unit_test(puts_pages_together),
		cmocka_unit_test(decodes_the_download),
		cmocka_unit_test(asks_again_for_what_is_no_answer),
		cmocka_unit_test(asks_again_for_broken_downloads),
		cmocka_unit_test(never_believes_a_wrong_page),
		cmocka_unit_test(has_ceilings),
		cmocka_unit_test(has_an_end),
		cmocka_unit_test(the_other_form_steps_in),
		cmocka_unit_test(knows_when_there_is_none),
		cmocka_unit_test(refuses_wrong_words),
	};
	return RUN_TESTS("b3_fetch");
}
