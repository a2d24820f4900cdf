/* The chain of credentials. The first place that has any wins; a place that was named and fails is
 * an error, never passed over, so that nobody acts as somebody else unnoticed. */
#include "credentials.h"

#include <pthread.h>
#include <string.h>

#include "credentials_fetch.h"
#include "profile.h"

/* New ones are fetched this long before the old ones end; AWS has them ready by then. When that
 * fails, the old ones serve until the end, with a try every minute. */
#define REFRESH_AHEAD_US (INT64_C(300) * 1000000)
#define REFRESH_PAUSE_US (INT64_C(60) * 1000000)

struct credentials {
	const struct aws_world *world;
	pthread_mutex_t mutex; /* of all below */
	struct arena *arena;   /* holds the key and the origin; NULL: none were found yet */
	struct sigv4_key key;
	const char *origin;
	int64_t expires_us; /* 0: never, as far as is known */
	int64_t tried_us;   /* the last try to refresh */
};

struct credentials *credentials_new(const struct aws_world *w)
{
	struct credentials *c = NEW(struct credentials);
	c->world = w;
	pthread_mutex_init(&c->mutex, NULL);
	return c;
}

static void forget(struct credentials *c)
{
	arena_free(c->arena);
	c->arena = NULL;
	c->key = (struct sigv4_key){0};
	c->expires_us = 0;
}

void credentials_free(struct credentials *c)
{
	if (!c)
		return;
	forget(c);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

/* -- places ------------------------------------------------------------------------------------ */

/* Each gives OK and leaves access NULL when it has nothing to say. */

static int from_environment(const struct aws_world *w, struct found *f, struct err *e)
{
	const char *access = aws_environment(w, "AWS_ACCESS_KEY_ID");
	const char *secret = aws_environment(w, "AWS_SECRET_ACCESS_KEY");
	if (!access != !secret)
		return err_set(e, ERR_USAGE, "%s is set without %s",
			       access ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			       access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	if (!access)
		return OK;
	f->key.access = arena_strdup(f->arena, access);
	f->key.secret = arena_strdup(f->arena, secret);
	f->key.token = arena_strdup(f->arena, aws_environment(w, "AWS_SESSION_TOKEN"));
	f->origin = "AWS_ACCESS_KEY_ID";
	return OK;
}

static int from_profile(const struct aws_world *w, struct found *f, struct profile *p,
			struct err *e)
{
	int rc = profile_load(w, f->arena, p, e);
	if (rc)
		return rc;
	if (p->key.access) {
		f->key = p->key;
		f->origin =
			arena_printf(f->arena, "profile \"%s\" (%s)", p->name, p->credentials_path);
		return OK;
	}
	if (!p->found && aws_environment(w, "AWS_PROFILE"))
		return err_set(e, ERR_USAGE, "there is no profile \"%s\" (AWS_PROFILE) in %s or %s",
			       p->name, p->credentials_path, p->config_path);
	if (p->unsupported)
		return err_set(
			e, ERR_USAGE,
			"profile \"%s\" gets its credentials by %s, which is not supported here; `aws configure export-credentials --format env` gives them for the environment",
			p->name, p->unsupported);
	return OK;
}

static int look(struct credentials *c, struct found *f, struct err *e)
{
	const struct aws_world *w = c->world;
	struct profile profile;
	char metadata[256] = "";
	int rc = from_environment(w, f, e);
	if (rc == OK && !f->key.access)
		rc = from_profile(w, f, &profile, e);
	if (rc == OK && !f->key.access)
		rc = credentials_from_container(w, f, e);
	if (rc == OK && !f->key.access)
		rc = credentials_from_instance(w, f, metadata, sizeof(metadata), e);
	if (rc || f->key.access)
		return rc;
	err_set(e, ERR_DENIED,
		"no AWS credentials: AWS_ACCESS_KEY_ID is not set; profile \"%s\" has none (%s, %s); AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set; the instance's metadata: %s",
		profile.name, profile.credentials_path, profile.config_path, metadata);
	return err_reason(e, "no_credentials");
}

static int refresh(struct credentials *c, struct err *e)
{
	struct found f = {.arena = arena_new()};
	int rc = look(c, &f, e);
	if (rc) {
		arena_free(f.arena);
		return rc;
	}
	forget(c);
	c->arena = f.arena;
	c->key = f.key;
	c->origin = f.origin;
	c->expires_us = f.expires_us;
	return OK;
}

/* -- the interface ----------------------------------------------------------------------------- */

static int make_good(struct credentials *c, struct err *e)
{
	int64_t now = clock_now_us(aws_clock(c->world));
	if (c->arena && (c->expires_us == 0 || now < c->expires_us - REFRESH_AHEAD_US))
		return OK;
	bool usable = c->arena && now < c->expires_us;
	if (usable && now < c->tried_us + REFRESH_PAUSE_US)
		return OK;
	c->tried_us = now;
	int rc = refresh(c, usable ? NULL : e);
	return usable ? OK : rc;
}

int credentials_get(struct credentials *c, struct arena *arena, struct sigv4_key *ret,
		    const char **ret_origin, struct err *e)
{
	pthread_mutex_lock(&c->mutex);
	int rc = make_good(c, e);
	if (rc == OK) {
		ret->access = arena_strdup(arena, c->key.access);
		ret->secret = arena_strdup(arena, c->key.secret);
		ret->token = arena_strdup(arena, c->key.token);
		*ret_origin = arena_strdup(arena, c->origin);
	}
	pthread_mutex_unlock(&c->mutex);
	return rc;
}

void credentials_drop(struct credentials *c, const struct sigv4_key *key)
{
	pthread_mutex_lock(&c->mutex);
	/* Another thread may have renewed them meanwhile. */
	if (c->arena && strcmp(c->key.access, key->access) == 0 &&
	    strcmp(c->key.token ? c->key.token : "", key->token ? key->token : "") == 0)
		forget(c);
	pthread_mutex_unlock(&c->mutex);
}
