/* Where a lake lies: a folder or a bucket, and the local folder of what the drivers keep. */
#include "lake_place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "object_store.h"
#include "xdg.h"

#define SCHEME         "s3://"
#define BUCKET_LEAST   3
#define BUCKET_MOST    63
#define HASH_DIGITS    12
#define LOWER_OR_DIGIT "abcdefghijklmnopqrstuvwxyz0123456789"

bool lake_place_is_bucket(const char *lake)
{
	return strncmp(lake, SCHEME, strlen(SCHEME)) == 0;
}

/* realpath for a path whose last parts may not exist yet. */
static const char *absolute(struct arena *arena, const char *path)
{
	char *real = realpath(path, NULL);
	if (real) {
		const char *kept = arena_strdup(arena, real);
		free(real);
		return kept;
	}
	if (path[0] == '/')
		return arena_strdup(arena, path);
	char *here = getcwd(NULL, 0);
	const char *joined = arena_printf(arena, "%s/%s", here ? here : ".", path);
	free(here);
	return joined;
}

static bool is_bucket_name(const char *name)
{
	size_t n = strlen(name);
	return n >= BUCKET_LEAST && n <= BUCKET_MOST && strspn(name, LOWER_OR_DIGIT ".-") == n &&
	       strchr(LOWER_OR_DIGIT, name[0]) && strchr(LOWER_OR_DIGIT, name[n - 1]) &&
	       !strstr(name, "..");
}

static int split(const char *lake, struct arena *arena, struct lake_place *p, struct err *e)
{
	const char *rest = lake + strlen(SCHEME);
	size_t n = strcspn(rest, "/");
	p->bucket = arena_strndup(arena, rest, n);
	if (!is_bucket_name(p->bucket))
		return err_set(
			e, ERR_USAGE,
			"%s: '%s' is no bucket's name: expected s3://bucket or s3://bucket/prefix, the bucket of 3 to 63 small letters, digits, dots and hyphens",
			lake, p->bucket);
	rest += n + (rest[n] == '/');
	n = strlen(rest);
	if (n && rest[n - 1] == '/')
		n--;
	p->prefix = arena_strndup(arena, rest, n);
	int rc = n ? object_key_check(p->prefix, e) : OK;
	if (rc) {
		err_wrap(e, "the prefix of the lake %s cannot be", lake);
		return e->code = ERR_USAGE;
	}
	p->text = n ? arena_printf(arena, SCHEME "%s/%s", p->bucket, p->prefix)
		    : arena_printf(arena, SCHEME "%s", p->bucket);
	return OK;
}

/* Two stores may have a bucket of the same name. */
static const char *local_folder(struct arena *arena, const struct lake_place *p)
{
	const char *endpoint = getenv("AWS_ENDPOINT_URL_S3");
	char hex[HASH_HEX_SIZE];
	struct hash *h = hash_new();
	if (!endpoint || !*endpoint)
		endpoint = getenv("AWS_ENDPOINT_URL");
	hash_str(h, endpoint ? endpoint : "");
	hash_str(h, p->bucket);
	hash_str(h, p->prefix);
	hash_end_hex(h, hex);
	return arena_printf(arena, "%s/pregao/s3/%s-%.*s",
			    xdg_folder(arena, "XDG_STATE_HOME", ".local/state"), p->bucket,
			    HASH_DIGITS, hex);
}

int lake_place_find(const char *lake, struct arena *arena, struct lake_place *ret, struct err *e)
{
	struct lake_place p = {0};
	if (lake_place_is_bucket(lake)) {
		int rc = split(lake, arena, &p, e);
		if (rc)
			return rc;
		p.folder = local_folder(arena, &p);
		p.cache = arena_printf(arena, "%s/cache", p.folder);
	} else {
		p.text = p.folder = absolute(arena, lake);
	}
	p.state = arena_printf(arena, "%s/state", p.folder);
	p.scratch = arena_printf(arena, "%s/scratch", p.folder);
	*ret = p;
	return OK;
}
