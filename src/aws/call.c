/* One call, from what is asked to what was answered. Retries are retry.h's; here is decided what is
 * worth one, and what is put right before it: expired credentials, a clock that is wrong. */
#include "call.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "credentials.h"
#include "endpoint.h"
#include "hash.h"
#include "profile.h"
#include "retry.h"
#include "xml.h"

/* Six tries are 0.1 + 0.2 + ... 1.6 s of pauses at most, and a minute when AWS says that it is too
 * much (below). */
static const struct retry_policy policy = {.attempts = 6, .base_us = 100000, .cap_us = 20000000};
#define THROTTLED_BASE_US INT64_C(500000)
/* A signature is good for five minutes around AWS's time (fifteen for S3). */
#define SKEW_US INT64_C(240000000)
/* For the exchange: this long, and as long again as the body takes at 64 KiB a second. */
#define DEADLINE_US    INT64_C(30000000)
#define BYTES_PER_MS   64
#define CONNECTION_MAX 64 /* kept for the next calls */

struct aws {
	struct aws_world world;
	struct credentials *credentials;
	char *region;                /* NULL: none is set */
	atomic_int_fast64_t skew_us; /* AWS's clock minus ours */
	pthread_mutex_t mutex;       /* of what follows */
	struct http *idle[CONNECTION_MAX];
	size_t idle_count;
};

int aws_new(const struct aws_world *world, struct aws **ret, struct err *e)
{
	static const struct aws_world real;
	AUTO_ARENA struct arena *arena = arena_new();
	struct profile profile;
	if (!world)
		world = &real;
	const char *region = aws_environment(world, "AWS_REGION");
	if (!region)
		region = aws_environment(world, "AWS_DEFAULT_REGION");
	if (!region) {
		int rc = profile_load(world, arena, &profile, e);
		if (rc)
			return rc;
		region = profile.region;
	}
	struct aws *a = NEW(struct aws);
	a->world = *world;
	a->region = mem_strdup(region);
	a->credentials = credentials_new(&a->world);
	pthread_mutex_init(&a->mutex, NULL);
	*ret = a;
	return OK;
}

void aws_free(struct aws *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->idle_count; i++)
		http_free(a->idle[i]);
	pthread_mutex_destroy(&a->mutex);
	credentials_free(a->credentials);
	free(a->region);
	free(a);
}

struct clock *aws_clock_of(const struct aws *a)
{
	return aws_clock(&a->world);
}

void aws_answer_clear(struct aws_answer *answer)
{
	http_response_clear(&answer->http);
	answer->problem = (struct aws_problem){0};
}

/* -- connections ------------------------------------------------------------------------------- */

/* One thread at a time has one; it keeps its connection alive for the next. */
static int http_take(struct aws *a, struct http **ret, struct err *e)
{
	*ret = NULL;
	pthread_mutex_lock(&a->mutex);
	if (a->idle_count)
		*ret = a->idle[--a->idle_count];
	pthread_mutex_unlock(&a->mutex);
	return *ret ? OK : aws_new_http(&a->world, ret, e);
}

static void http_give(struct aws *a, struct http *http)
{
	pthread_mutex_lock(&a->mutex);
	bool kept = a->idle_count < CONNECTION_MAX;
	if (kept)
		a->idle[a->idle_count++] = http;
	pthread_mutex_unlock(&a->mutex);
	if (!kept)
		http_free(http);
}

/* -- one try ----------------------------------------------------------------------------------- */

struct doing {
	struct aws *aws;
	const struct aws_call *call;
	struct aws_answer *answer;
	struct endpoint endpoint;
	char payload_sha256[HASH_HEX_SIZE];
	const char *origin;    /* of the credentials of this try; lives for it only */
	bool renewed, shifted; /* each is put right once */
};

/* What the service said, as an error for a person. */
static int tell(const struct doing *d, struct err *e)
{
	const struct aws_call *c = d->call;
	const struct aws_problem *p = &d->answer->problem;
	bool wrong_region = p->region[0] && strcmp(p->region, d->endpoint.region) != 0;
	int code = p->code;
	if (wrong_region) {
		err_set(e, ERR_USAGE,
			"%s on %s was sent to %s (%s), but the bucket lies in %s: set AWS_REGION",
			c->action, c->resource, d->endpoint.region, p->name, p->region);
		code = ERR_USAGE;
	} else if (p->expired) {
		err_set(e, code, "%s on %s was refused: the credentials from %s have expired (%s)",
			c->action, c->resource, d->origin, p->name);
	} else if (p->skewed) {
		err_set(e, code,
			"%s on %s was refused: the clock of this machine is wrong (%s: %s)",
			c->action, c->resource, p->name, p->message);
	} else if (p->unknown_key) {
		err_set(e, code,
			"%s on %s was refused: the credentials from %s are not valid there (%s: %s)",
			c->action, c->resource, d->origin, p->name, p->message);
	} else if (p->code == ERR_DENIED) {
		err_set(e, code,
			"%s on %s was refused to the credentials from %s (%s%s%s): it takes a policy that allows this action on this resource, and for a bucket of another account that bucket's policy too",
			c->action, c->resource, d->origin, p->name, p->message[0] ? ": " : "",
			p->message);
	} else {
		err_set(e, code, "%s on %s: %s%s%s", c->action, c->resource, p->name,
			p->message[0] ? ": " : "", p->message);
	}
	return err_reason(e, p->name);
}

/* AWS's clock by the answer's Date header, when it is far enough from ours to be the reason. */
static bool clock_shift(struct doing *d)
{
	char date[64];
	int64_t theirs;
	const struct http_response *r = &d->answer->http;
	if (d->shifted || !http_header(r, "date", date, sizeof(date)) ||
	    !aws_http_date(date, &theirs))
		return false;
	int64_t skew = theirs - clock_now_us(aws_clock(&d->aws->world));
	int64_t change = skew - atomic_load(&d->aws->skew_us);
	if (change > -SKEW_US && change < SKEW_US)
		return false;
	atomic_store(&d->aws->skew_us, skew);
	d->shifted = true;
	return true;
}

/* The service answered, and not with success. */
static int refused(struct doing *d, const struct sigv4_key *key, int attempt,
		   int64_t *retry_after_us, struct err *e)
{
	struct aws_problem *p = &d->answer->problem;
	const struct http_response *r = &d->answer->http;
	int rc = tell(d, e);
	/* HEAD's answers have no body to say what was wrong. */
	bool maybe_skewed = p->skewed || (r->status == 403 && r->body.len == 0);
	if (maybe_skewed && clock_shift(d))
		return ERR_RETRY;
	if (p->expired && !d->renewed) {
		credentials_drop(d->aws->credentials, key);
		d->renewed = true;
		return ERR_RETRY;
	}
	if (rc == ERR_RETRY) {
		*retry_after_us = r->retry_after_us;
		if (p->throttled && *retry_after_us < 0) {
			const struct retry_policy slower = {.base_us = THROTTLED_BASE_US,
							    .cap_us = policy.cap_us};
			const struct retry pause = {.policy = &slower,
						    .random = d->aws->world.random,
						    .ctx = d->aws->world.ctx};
			*retry_after_us = retry_pause_us(&pause, attempt);
		}
	}
	return rc;
}

static int exchange(struct doing *d, const struct sigv4_key *key, struct arena *arena,
		    struct err *e)
{
	const struct aws_call *c = d->call;
	struct aws *a = d->aws;
	int64_t now = clock_now_us(aws_clock(&a->world)) + atomic_load(&a->skew_us);
	const struct sigv4_request q = {.method = c->method,
					.host = d->endpoint.host,
					.path = d->endpoint.path,
					.query = c->query,
					.query_count = c->query_count,
					.headers = c->headers,
					.header_count = c->header_count,
					.payload_sha256 = d->payload_sha256,
					.service = c->service,
					.region = d->endpoint.region,
					.now_us = now,
					.key = key};
	struct sigv4_signed s;
	sigv4_sign(&q, arena, &s);
	size_t most = c->body.n > c->body_ceiling_bytes ? c->body.n : c->body_ceiling_bytes;
	const struct http_request request = {
		.method = c->method,
		.url = arena_printf(arena, "%s://%s%s", d->endpoint.scheme, d->endpoint.host,
				    s.target),
		.headers = s.headers,
		.body = c->body,
		.deadline_us = DEADLINE_US + (int64_t)(most / BYTES_PER_MS) * 1000,
		.body_ceiling_bytes = c->body_ceiling_bytes,
		.cancel = c->cancel};
	struct http *http;
	int rc = http_take(a, &http, e);
	if (rc)
		return rc;
	rc = http_request(http, &request, &d->answer->http, e);
	http_give(a, http);
	return rc;
}

/* A 200 that has to be XML: cut off in the middle of a document it is no success. */
static bool is_whole(const struct http_response *r)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const struct xml *root;
	return xml_parse(slice_trim(buf_slice(&r->body)), arena, &root, NULL) == OK;
}

static int attempt(void *arg, int number, int64_t *retry_after_us, struct err *e)
{
	struct doing *d = arg;
	const struct aws_call *c = d->call;
	AUTO_ARENA struct arena *arena = arena_new();
	struct sigv4_key key;
	int rc = credentials_get(d->aws->credentials, arena, &key, &d->origin, e);
	if (rc)
		return err_wrap(e, "%s on %s", c->action, c->resource);
	http_response_clear(&d->answer->http);
	d->answer->problem = (struct aws_problem){0};
	rc = exchange(d, &key, arena, e);
	const struct http_response *r = &d->answer->http;
	if (rc)
		return err_wrap(e, "%s on %s", c->action, c->resource);
	if (r->status / 100 != 2 || c->error_in_200) {
		if (aws_problem_read(r, &d->answer->problem))
			return refused(d, &key, number, retry_after_us, e);
		if (!is_whole(r))
			return err_set(e, ERR_RETRY, "%s on %s: the answer was cut off", c->action,
				       c->resource);
	}
	return OK;
}

int aws_call(struct aws *a, const struct aws_call *c, struct aws_answer *ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct err own = ERR_INIT;
	struct doing d = {.aws = a, .call = c, .answer = ret};
	aws_answer_clear(ret);
	if (!e)
		e = &own; /* its reason is looked at */
	int rc = endpoint_find(&a->world, a->region, c->service, c->bucket, c->path, arena,
			       &d.endpoint, e);
	if (rc)
		return err_wrap(e, "%s on %s", c->action, c->resource);
	hash_bytes_hex(c->body.n ? c->body.p : "", c->body.n, d.payload_sha256);
	const struct retry retry = {.policy = &policy,
				    .clock = aws_clock(&a->world),
				    .random = a->world.random,
				    .ctx = a->world.ctx};
	return retry_run(&retry, attempt, &d, e);
}
