/* The loop of a Lambda function: ask for an event, handle it, tell how it went. */
#include "lambda.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "json.h"

#define NEXT_US    (INT64_C(86400) * 1000000) /* the runtime answers when there is an event */
#define TELL_US    (INT64_C(10) * 1000000)
#define EVENT_MOST ((size_t)8 << 20) /* Lambda's own limit is 6 MB */
#define ID_MOST    128

const struct lambda_handler *const lambda_handlers[] = {&lambda_bovespa, &lambda_activation, NULL};

const struct lambda_handler *lambda_handler_find(const char *name)
{
	for (size_t i = 0; lambda_handlers[i]; i++)
		if (strcmp(lambda_handlers[i]->name, name) == 0)
			return lambda_handlers[i];
	return NULL;
}

struct runtime {
	const char *api;
	struct http *http;
};

/* POST: 202 is success. */
static int tell(struct runtime *r, const char *path, const char *kind, struct slice body,
		struct err *e)
{
	AUTO_BUF struct buf url = {0};
	AUTO_BUF struct buf header = {0};
	struct http_response answer = {0};
	buf_printf(&url, "http://%s/2018-06-01/runtime/%s", r->api, path);
	if (kind)
		buf_printf(&header, "Lambda-Runtime-Function-Error-Type: %s", kind);
	const char *const headers[] = {"Content-Type: application/json", header.data, NULL};
	const struct http_request q = {.method = "POST",
				       .url = url.data,
				       .headers = headers,
				       .body = body,
				       .deadline_us = TELL_US};
	int rc = http_request(r->http, &q, &answer, e);
	if (rc == OK && answer.status != 202)
		rc = err_set(e, ERR_IO, "the runtime answered %d to %s, expected 202",
			     answer.status, path);
	http_response_clear(&answer);
	return rc;
}

/* What Lambda keeps and shows of a failure, and a line in the function's log. */
static int tell_failure(struct runtime *r, const char *path, const char *request,
			const struct err *why, struct err *e)
{
	char text[2048], kind[64];
	AUTO_BUF struct buf body = {0};
	AUTO_BUF struct buf line = {0};
	err_format(why, text, sizeof(text));
	snprintf(kind, sizeof(kind), "pregao.%s", err_name(why->code));
	AUTO_JSON json_t *o = json_pack("{s:o, s:s, s:[]}", "errorMessage", json_text(text),
					"errorType", kind, "stackTrace");
	AUTO_JSON json_t *log = json_pack("{s:s, s:s, s:o, s:s, s:o}", "level", "error", "event",
					  "lambda.failed", "error", json_text(text), "errorType",
					  kind, "request", json_text(request));
	json_canonical(o, &body);
	json_canonical(log, &line);
	fprintf(stderr, "%s\n", line.data);
	return tell(r, path, kind, buf_slice(&body), e);
}

static bool is_id(const char *id)
{
	size_t n = strlen(id);
	return n && n < ID_MOST &&
	       strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == n;
}

/* ERR_RETRY with the reason "timeout": nobody called the function. */
static int next(struct runtime *r, struct http_response *ret, char request[ID_MOST], struct err *e)
{
	AUTO_BUF struct buf url = {0};
	buf_printf(&url, "http://%s/2018-06-01/runtime/invocation/next", r->api);
	const struct http_request q = {
		.url = url.data, .deadline_us = NEXT_US, .body_ceiling_bytes = EVENT_MOST};
	int rc = http_request(r->http, &q, ret, e);
	if (rc)
		return rc;
	if (ret->status != 200)
		return err_set(e, ERR_IO, "the runtime answered %d instead of an event",
			       ret->status);
	if (!http_header(ret, "lambda-runtime-aws-request-id", request, ID_MOST) || !is_id(request))
		return err_set(e, ERR_IO, "the runtime's event has no request id");
	return OK;
}

static int serve_one(struct runtime *r, const struct lambda_handler *h, void *state, struct err *e)
{
	struct http_response got = {0};
	char request[ID_MOST], path[ID_MOST + 32];
	AUTO_BUF struct buf answer = {0};
	struct err why = ERR_INIT;
	int rc = next(r, &got, request, e);
	if (rc == ERR_RETRY && strcmp(e->reason, "timeout") == 0)
		rc = OK;
	else if (rc == OK) {
		const struct lambda_event event = {request, buf_slice(&got.body)};
		int code = h->handle(state, &event, &answer, &why);
		snprintf(path, sizeof(path), "invocation/%s/%s", request,
			 code ? "error" : "response");
		rc = code ? tell_failure(r, path, request, &why, e)
			  : tell(r, path, NULL, buf_slice(&answer), e);
	}
	http_response_clear(&got);
	return rc;
}

int lambda_run(const struct lambda_options *o, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct runtime r = {.api = o->api};
	struct system *system = NULL;
	void *state = NULL;
	const struct system_options with = {.lake = o->lake,
					    .definitions = o->definitions,
					    .role = o->handler->name,
					    .conf = o->conf,
					    .mode = o->handler->mode};
	int rc = http_curl_new(&r.http, e);
	if (rc)
		return rc;
	struct err why = ERR_INIT;
	rc = system_open(&with, &system, &why);
	if (rc == OK)
		rc = o->handler->open(system, o->conf, o->definitions, arena, &state, &why);
	if (rc) {
		/* The runtime's word on it does not matter any more. */
		int told = tell_failure(&r, "init/error", "", &why, e);
		(void)told;
		*e = why;
	}
	while (rc == OK)
		rc = serve_one(&r, o->handler, state, e);
	if (state && o->handler->close)
		o->handler->close(state);
	system_free(system);
	http_free(r.http);
	return rc;
}
