/* Credentials from the container's endpoint (ECS, EKS, Lambda's kin) and from the instance's metadata
 * service, version 2 of its protocol: version 1 hands them to whoever can make the machine fetch a
 * URL, and is never fallen back to. */
#include "credentials_fetch.h"

#include <string.h>

#include "file.h"
#include "json.h"
#include "retry.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST  "http://169.254.169.254"
#define CEILING_BYTES  ((size_t)64 << 10)
#define ROLE_PATH      "/latest/meta-data/iam/security-credentials/"
/* Elsewhere nobody answers at that address: whoever has no credentials is to hear so soon. */
#define INSTANCE_DEADLINE_US  INT64_C(1000000)
#define CONTAINER_DEADLINE_US INT64_C(2000000)

struct fetch {
	struct http *http;
	struct http_request request;
	struct http_response response;
	bool answered; /* somebody is there */
};

static int once(void *arg, int attempt, int64_t *retry_after_us, struct err *e)
{
	struct fetch *f = arg;
	int rc = http_request(f->http, &f->request, &f->response, e);
	if (rc)
		return rc;
	f->answered = true;
	if (f->response.status / 100 == 2)
		return OK;
	int status = f->response.status;
	rc = status == 404                        ? ERR_NOT_FOUND
	     : status == 429 || status / 100 == 5 ? ERR_RETRY
						  : ERR_DENIED;
	err_set(e, rc, "status %d", status);
	return err_where(e, f->request.url);
}

static int fetch(const struct aws_world *w, struct fetch *f, struct err *e)
{
	const struct retry_policy policy = {.attempts = 3, .base_us = 100000, .cap_us = 1000000};
	const struct retry retry = {
		.policy = &policy, .clock = aws_clock(w), .random = w->random, .ctx = w->ctx};
	f->request.link_local = true;
	f->request.body_ceiling_bytes = CEILING_BYTES;
	return retry_run(&retry, once, f, e);
}

static void fetch_end(struct fetch *f)
{
	http_free(f->http);
	http_response_clear(&f->response);
}

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, and "Code" from an instance. */
static int take(struct found *f, const struct fetch *from, struct err *e)
{
	AUTO_JSON json_t *o = NULL;
	const char *access, *secret;
	struct slice body = buf_slice(&from->response.body);
	int rc = json_parse(body.p, body.n, &o, e);
	if (rc == OK) {
		const char *code = json_opt_str(o, "Code", "Success");
		if (strcmp(code, "Success") != 0)
			rc = err_set(e, ERR_DENIED, "found \"%s\", expected credentials: %s", code,
				     json_opt_str(o, "Message", ""));
	}
	if (rc == OK)
		rc = json_get_str(o, "AccessKeyId", &access, e);
	if (rc == OK)
		rc = json_get_str(o, "SecretAccessKey", &secret, e);
	const char *expiration = rc == OK ? json_opt_str(o, "Expiration", NULL) : NULL;
	if (expiration && !aws_time(expiration, &f->expires_us))
		rc = err_set(e, ERR_INPUT, "Expiration is \"%s\", expected a time", expiration);
	if (rc)
		return err_where(e, from->request.url);
	f->key.access = arena_strdup(f->arena, access);
	f->key.secret = arena_strdup(f->arena, secret);
	f->key.token = arena_strdup(f->arena, json_opt_str(o, "Token", NULL));
	return OK;
}

/* -- the container ----------------------------------------------------------------------------- */

/* The file changes while the process lives (EKS), so it is read each time. */
static int container_token(const struct aws_world *w, struct arena *arena, const char **ret,
			   struct err *e)
{
	const char *path = aws_environment(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = aws_environment(w, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
	AUTO_BUF struct buf text = {0};
	if (path) {
		int rc = file_read(path, CEILING_BYTES, &text, e);
		if (rc)
			return rc;
		struct slice line = buf_slice(&text);
		line = slice_trim(slice_cut(&line, '\n'));
		token = arena_strndup(arena, line.p ? line.p : "", line.n);
	}
	*ret = token && token[0] ? arena_printf(arena, "Authorization: %s", token) : NULL;
	return OK;
}

int credentials_from_container(const struct aws_world *w, struct found *f, struct err *e)
{
	const char *relative = aws_environment(w, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_environment(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (!relative && !full)
		return OK;
	const char *headers[2] = {NULL, NULL};
	struct fetch x = {0};
	x.request.url = relative ? arena_printf(f->arena, "%s%s", CONTAINER_HOST, relative) : full;
	x.request.headers = headers;
	x.request.deadline_us = CONTAINER_DEADLINE_US;
	int rc = container_token(w, f->arena, &headers[0], e);
	if (rc == OK)
		rc = aws_new_http(w, &x.http, e);
	if (rc == OK)
		rc = fetch(w, &x, e);
	if (rc == OK)
		rc = take(f, &x, e);
	f->origin = "the container's endpoint";
	fetch_end(&x);
	return rc ? err_wrap(e, "credentials from the container's endpoint") : OK;
}

/* -- the instance ------------------------------------------------------------------------------ */

struct instance {
	const struct aws_world *world;
	struct arena *arena;
	const char *host, *token;
	struct fetch fetch;
};

static int ask(struct instance *i, const char *method, const char *path, const char *header,
	       struct err *e)
{
	const char *headers[] = {header, NULL};
	i->fetch.request =
		(struct http_request){.method = method,
				      .url = arena_printf(i->arena, "%s%s", i->host, path),
				      .headers = headers,
				      .deadline_us = INSTANCE_DEADLINE_US};
	int rc = fetch(i->world, &i->fetch, e);
	i->fetch.request.headers = NULL;
	return rc;
}

static const char *first_line(struct arena *arena, const struct buf *body)
{
	struct slice rest = buf_slice(body);
	struct slice line = slice_trim(slice_cut(&rest, '\n'));
	return arena_strndup(arena, line.p ? line.p : "", line.n);
}

static int from_instance(struct instance *i, struct found *f, struct err *e)
{
	int rc = ask(i, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600",
		     e);
	if (rc)
		return rc;
	const char *header = arena_printf(i->arena, "X-aws-ec2-metadata-token: %s",
					  first_line(i->arena, &i->fetch.response.body));
	rc = ask(i, "GET", ROLE_PATH, header, e);
	if (rc)
		return rc;
	const char *role = first_line(i->arena, &i->fetch.response.body);
	if (!role[0] || strpbrk(role, "/?#% "))
		return err_set(e, ERR_INPUT, "found \"%.64s\", expected the name of a role", role);
	rc = ask(i, "GET", arena_printf(i->arena, ROLE_PATH "%s", role), header, e);
	if (rc == OK)
		rc = take(f, &i->fetch, e);
	f->origin = arena_printf(i->arena, "the instance's role %s", role);
	return rc;
}

int credentials_from_instance(const struct aws_world *w, struct found *f, char *why,
			      size_t why_size, struct err *e)
{
	const char *off = aws_environment(w, "AWS_EC2_METADATA_DISABLED");
	const char *host = aws_environment(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	struct err own = ERR_INIT;
	if (off && strcasecmp(off, "true") == 0) {
		snprintf(why, why_size, "AWS_EC2_METADATA_DISABLED");
		return OK;
	}
	struct instance i = {.world = w, .arena = f->arena, .host = host ? host : INSTANCE_HOST};
	int rc = aws_new_http(w, &i.fetch.http, &own);
	if (rc == OK)
		rc = from_instance(&i, f, &own);
	/* Nobody there, or nobody who has a role for us: there are no credentials, which is said by
	 * whoever asked everywhere. One that should have had some and failed is an error. */
	bool none = rc && (!i.fetch.answered || rc == ERR_NOT_FOUND);
	fetch_end(&i.fetch);
	if (none)
		snprintf(why, why_size, "%s", own.text);
	if (rc == OK || none)
		return OK;
	f->key.access = NULL;
	if (e)
		*e = own;
	return err_wrap(e, "credentials from the instance's metadata");
}
