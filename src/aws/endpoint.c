/* Endpoints: the variables that AWS's tools and SDKs share, and the rule of AWS's host names. */
#include "endpoint.h"

#include <string.h>

/* What stands in AWS_ENDPOINT_URL_... where it is not the service's name in capitals. */
static const char *variable_of(struct arena *arena, const char *service)
{
	static const struct {
		const char *service, *id;
	} ids[] = {{"events", "EVENTBRIDGE"},
		   {"logs", "CLOUDWATCH_LOGS"},
		   {"monitoring", "CLOUDWATCH"}};
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (strcmp(service, ids[i].service) == 0)
			return arena_printf(arena, "AWS_ENDPOINT_URL_%s", ids[i].id);
	char *name = arena_printf(arena, "AWS_ENDPOINT_URL_%s", service);
	for (char *p = name; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
	return name;
}

/* SCHEME://HOST[:PORT][/BASE] */
static int custom(const char *url, const char *variable, const char *bucket, const char *path,
		  struct arena *arena, struct endpoint *ret, struct err *e)
{
	struct slice rest = slice_of(url);
	bool https = slice_starts(rest, "https://");
	if (!https && !slice_starts(rest, "http://")) {
		err_set(e, ERR_USAGE, "found \"%.200s\", expected http:// or https:// and a host",
			url);
		return err_where(e, variable);
	}
	ret->scheme = https ? "https" : "http";
	rest = slice_of(url + strlen(ret->scheme) + 3);
	struct slice host = slice_cut(&rest, '/');
	/* libcurl leaves the scheme's own port out of what it sends, and that is what is signed. */
	const char *port = https ? ":443" : ":80";
	if (slice_ends(host, port))
		host.n -= strlen(port);
	while (rest.n && rest.p[rest.n - 1] == '/')
		rest.n--;
	ret->host = arena_strndup(arena, host.p, host.n);
	ret->path = arena_printf(arena, "%s%.*s%s%s%s", rest.n ? "/" : "", SLICE_FMT(rest),
				 bucket ? "/" : "", bucket ? bucket : "", path);
	return OK;
}

int endpoint_find(const struct aws_world *w, const char *region, const char *service,
		  const char *bucket, const char *path, struct arena *arena, struct endpoint *ret,
		  struct err *e)
{
	const char *variable = variable_of(arena, service);
	const char *url = aws_environment(w, variable);
	if (!url)
		url = aws_environment(w, variable = "AWS_ENDPOINT_URL");
	path = path ? path : "/";
	ret->region = region ? region : "us-east-1";
	if (url)
		return custom(url, variable, bucket, path, arena, ret, e);
	if (!region)
		return err_set(
			e, ERR_USAGE,
			"no AWS region: AWS_REGION and AWS_DEFAULT_REGION are not set, and the profile has none");
	const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
	ret->scheme = "https";
	ret->path = path;
	ret->host = arena_printf(arena, "%s.%s.%s", service, region, domain);
	if (strcmp(service, "iam") == 0) { /* one for all regions, signed for the first */
		ret->host = "iam.amazonaws.com";
		ret->region = "us-east-1";
	}
	if (bucket && strchr(bucket, '.'))
		ret->path = arena_printf(arena, "/%s%s", bucket, path);
	else if (bucket)
		ret->host = arena_printf(arena, "%s.%s", bucket, ret->host);
	return OK;
}
