/* A world for the AWS drivers in which a script answers: which request is expected next, and what it
 * gets. Time stands still, chance is always the longest pause. */
#ifndef PREGAO_TESTS_AWS_SCRIPT_H
#define PREGAO_TESTS_AWS_SCRIPT_H

#include "unit.h"

#include "clock_fake.h"
#include "world.h"

struct step {
	const char *request; /* "GET http://host/path" has to begin so; NULL ends the script */
	int status;          /* 0: no answer, but rc and reason */
	const char *body, *headers; /* headers: "name: value\n" lines */
	int rc;
	const char *reason;
	const char *sent;   /* what its headers or its body have to contain; NULL: anything */
	const char *unsent; /* what they must not */
};
/* ANSWER("GET http://host/", 200, .body = "..."); */
#define ANSWER(asked, ...)                              \
	{                                               \
		.request = asked, .status = __VA_ARGS__ \
	}
#define FAILURE(asked, why)                                      \
	{                                                        \
		.request = asked, .rc = ERR_RETRY, .reason = why \
	}
#define END                     \
	{                       \
		.request = NULL \
	}
struct script {
	struct http http;
	struct clock_fake clock;
	struct aws_world world;
	const struct step *next;
	const char *const *environment; /* "NAME=value", NULL-terminated */
	int made;                       /* requests in all */
};

/* 2026-03-02T12:00:00Z */
#define SCRIPT_NOW (INT64_C(1772452800) * 1000000)

static inline int script_request(struct http *http, const struct http_request *q,
				 struct http_response *ret, struct err *e)
{
	struct script *s = (struct script *)http;
	const struct step *step = s->next;
	AUTO_BUF struct buf said = {0};
	AUTO_BUF struct buf sent = {0};
	buf_printf(&said, "%s %s", q->method ? q->method : "GET", q->url);
	for (const char *const *h = q->headers; h && *h; h++)
		buf_printf(&sent, "%s\n", *h);
	buf_add(&sent, q->body.n ? q->body.p : "", q->body.n);
	http_response_clear(ret);
	s->made++;
	if (!step->request || strncmp(said.data, step->request, strlen(step->request)) != 0)
		fail_msg("found %s, expected %s", said.data,
			 step->request ? step->request : "no more");
	if (step->sent && !(sent.data && strstr(sent.data, step->sent)))
		fail_msg("%s\nfound %s\nexpected %s", said.data, sent.data, step->sent);
	if (step->unsent && sent.data && strstr(sent.data, step->unsent))
		fail_msg("%s\nfound %s", said.data, step->unsent);
	s->next++;
	if (!step->status) {
		err_set(e, step->rc, "made to fail");
		return err_reason(e, step->reason);
	}
	ret->status = step->status;
	buf_str(&ret->body, step->body ? step->body : "");
	buf_str(&ret->headers, step->headers ? step->headers : "");
	if (step->headers && strstr(step->headers, "retry-after: 7"))
		ret->retry_after_us = 7000000;
	return OK;
}

static inline void script_free(struct http *http)
{
}

static inline int script_http(void *ctx, struct http **ret, struct err *e)
{
	*ret = &((struct script *)ctx)->http;
	return OK;
}

static inline const char *script_environment(void *ctx, const char *name)
{
	size_t n = strlen(name);
	for (const char *const *p = ((struct script *)ctx)->environment; p && *p; p++)
		if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
			return *p + n + 1;
	return NULL;
}

static inline uint32_t script_random(void *ctx, uint32_t below)
{
	return below - 1;
}

static inline void script_init(struct script *s, const char *const *environment,
			       const struct step *steps)
{
	static const struct http_ops ops = {.request = script_request, .free = script_free};
	*s = (struct script){.http = {&ops}, .environment = environment, .next = steps};
	clock_fake_init(&s->clock, SCRIPT_NOW);
	s->world = (struct aws_world){.environment = script_environment,
				      .new_http = script_http,
				      .clock = &s->clock.clock,
				      .random = script_random,
				      .ctx = s};
}

static inline void assert_script_done(const struct script *s)
{
	if (s->next->request)
		fail_msg("never asked: %s", s->next->request);
}

#endif
