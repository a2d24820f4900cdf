/* AWS's errors in their several dresses: S3's XML, the query services' XML, the JSON services' JSON and
 * header, and the bare status that answers HEAD. */
#include "answer.h"

#include <string.h>

#include "json.h"
#include "xml.h"

/* What a name means; those that are not here mean what their status means. */
enum trait { PLAIN, EXPIRED, UNKNOWN_KEY, SKEWED, THROTTLED };
static const struct meaning {
	const char *name;
	int code;
	enum trait trait;
} meanings[] = {
	{"AccessDenied", ERR_DENIED, PLAIN},
	{"AccessDeniedException", ERR_DENIED, PLAIN},
	{"AllAccessDisabled", ERR_DENIED, PLAIN},
	{"AlreadyExistsException", ERR_CONFLICT, PLAIN},
	{"AuthFailure", ERR_DENIED, UNKNOWN_KEY},
	{"AuthorizationHeaderMalformed", ERR_USAGE, PLAIN}, /* the region is a wrong one */
	{"AWS.SimpleQueueService.NonExistentQueue", ERR_NOT_FOUND, PLAIN},
	{"BandwidthLimitExceeded", ERR_RETRY, THROTTLED},
	{"BucketAlreadyExists", ERR_CONFLICT, PLAIN},
	{"BucketAlreadyOwnedByYou", ERR_CONFLICT, PLAIN},
	{"ConcurrentRunsExceededException", ERR_RETRY, THROTTLED},
	{"ConditionalRequestConflict", ERR_RETRY, PLAIN},
	{"EntityNotFoundException", ERR_NOT_FOUND, PLAIN},
	{"EntityTooLarge", ERR_LIMIT, PLAIN},
	{"ExistingObjectIsDirectory", ERR_CONFLICT, PLAIN}, /* S3 servers over a file system */
	{"ExpiredToken", ERR_DENIED, EXPIRED},
	{"ExpiredTokenException", ERR_DENIED, EXPIRED},
	{"IncompleteSignature", ERR_DENIED, UNKNOWN_KEY},
	{"InternalError", ERR_RETRY, PLAIN},
	{"InternalFailure", ERR_RETRY, PLAIN},
	{"InternalServerError", ERR_RETRY, PLAIN},
	{"InternalServiceException", ERR_RETRY, PLAIN},
	{"InvalidAccessKeyId", ERR_DENIED, UNKNOWN_KEY},
	{"InvalidClientTokenId", ERR_DENIED, UNKNOWN_KEY},
	{"InvalidSignatureException", ERR_DENIED, UNKNOWN_KEY},
	{"InvalidToken", ERR_DENIED, UNKNOWN_KEY},
	{"KMS.ThrottlingException", ERR_RETRY, THROTTLED},
	{"LimitExceededException", ERR_LIMIT, PLAIN},
	{"MissingAuthenticationToken", ERR_DENIED, UNKNOWN_KEY},
	{"NoSuchBucket", ERR_NOT_FOUND, PLAIN},
	{"NoSuchKey", ERR_NOT_FOUND, PLAIN},
	{"NoSuchUpload", ERR_NOT_FOUND, PLAIN},
	{"ObjectParentIsFile", ERR_CONFLICT, PLAIN}, /* S3 servers over a file system */
	{"OperationAborted", ERR_RETRY, PLAIN},
	{"PermanentRedirect", ERR_USAGE, PLAIN}, /* the region is a wrong one */
	{"PreconditionFailed", ERR_CONFLICT, PLAIN},
	{"PriorRequestNotComplete", ERR_RETRY, PLAIN},
	{"ProvisionedThroughputExceededException", ERR_RETRY, THROTTLED},
	{"QueueDoesNotExist", ERR_NOT_FOUND, PLAIN},
	{"RequestExpired", ERR_DENIED, SKEWED},
	{"RequestLimitExceeded", ERR_RETRY, THROTTLED},
	{"RequestThrottled", ERR_RETRY, THROTTLED},
	{"RequestThrottledException", ERR_RETRY, THROTTLED},
	{"RequestTimeTooSkewed", ERR_DENIED, SKEWED},
	{"RequestTimeout", ERR_RETRY, PLAIN},
	{"RequestTimeoutException", ERR_RETRY, PLAIN},
	{"ResourceNotFoundException", ERR_NOT_FOUND, PLAIN},
	{"ServiceUnavailable", ERR_RETRY, THROTTLED},
	{"ServiceUnavailableException", ERR_RETRY, THROTTLED},
	{"SignatureDoesNotMatch", ERR_DENIED, UNKNOWN_KEY},
	{"SlowDown", ERR_RETRY, THROTTLED},
	{"Throttling", ERR_RETRY, THROTTLED},
	{"ThrottledException", ERR_RETRY, THROTTLED},
	{"ThrottlingException", ERR_RETRY, THROTTLED},
	{"TooManyRequestsException", ERR_RETRY, THROTTLED},
	{"UnauthorizedOperation", ERR_DENIED, PLAIN},
	{"UnrecognizedClientException", ERR_DENIED, UNKNOWN_KEY},
};

static int code_of_status(int status)
{
	switch (status) {
	case 301:
	case 307: return ERR_USAGE; /* another region */
	case 401:
	case 403: return ERR_DENIED;
	case 404: return ERR_NOT_FOUND;
	case 409:
	case 412: return ERR_CONFLICT;
	case 408:
	case 429: return ERR_RETRY;
	case 413: return ERR_LIMIT;
	default: return status / 100 == 4 ? ERR_INPUT : ERR_RETRY;
	}
}

static void put(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* "com.amazonaws.sqs#QueueDoesNotExist", "ThrottlingException:http://..." */
static void put_name(struct aws_problem *p, const char *from)
{
	const char *hash = strchr(from, '#');
	put(p->name, sizeof(p->name), hash ? hash + 1 : from);
	p->name[strcspn(p->name, ":")] = 0;
}

/* <Error> itself, or below <ErrorResponse>, or below <Response><Errors>. */
static const struct xml *find_error(const struct xml *x)
{
	for (int depth = 0; x && depth < 3; depth++, x = x->first)
		if (strcmp(x->name, "Error") == 0)
			return x;
	return NULL;
}

static bool read_xml(struct slice body, struct aws_problem *p)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const struct xml *root;
	if (xml_parse(body, arena, &root, NULL) != OK)
		return false;
	const struct xml *error = find_error(root);
	if (!error)
		return false;
	put_name(p, xml_text(error, "Code"));
	put(p->message, sizeof(p->message), xml_text(error, "Message"));
	put(p->region, sizeof(p->region), xml_text(error, "Region"));
	return true;
}

static bool read_json(const struct http_response *r, struct slice body, struct aws_problem *p)
{
	AUTO_JSON json_t *o = NULL;
	char header[256];
	const char *name = http_header(r, "x-amzn-errortype", header, sizeof(header));
	if (json_parse(body.p, body.n, &o, NULL) != OK || !json_is_object(o))
		return false;
	name = name ? name : json_opt_str(o, "__type", json_opt_str(o, "code", NULL));
	if (!name)
		return false;
	put_name(p, name);
	put(p->message, sizeof(p->message),
	    json_opt_str(o, "message", json_opt_str(o, "Message", "")));
	return true;
}

static const struct meaning *meaning_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (strcmp(name, meanings[i].name) == 0)
			return &meanings[i];
	return NULL;
}

bool aws_problem_read(const struct http_response *r, struct aws_problem *ret)
{
	*ret = (struct aws_problem){.code = code_of_status(r->status)};
	struct slice body = slice_trim(buf_slice(&r->body));
	bool read = false;
	if (body.n && body.p[0] == '<')
		read = read_xml(body, ret);
	else if (body.n && body.p[0] == '{')
		read = read_json(r, body, ret);
	if (!read && r->status / 100 == 2)
		return false;
	char region[32];
	if (!ret->region[0] && http_header(r, "x-amz-bucket-region", region, sizeof(region)))
		put(ret->region, sizeof(ret->region), region);
	const struct meaning *m = meaning_of(ret->name);
	if (m) {
		ret->code = m->code;
		ret->expired = m->trait == EXPIRED;
		ret->unknown_key = m->trait == UNKNOWN_KEY;
		ret->skewed = m->trait == SKEWED;
		ret->throttled = m->trait == THROTTLED;
	} else if (r->status / 100 == 2) {
		ret->code = ERR_RETRY; /* an unknown error where success was announced */
	}
	/* The JSON services have one name for a wrong key and a wrong clock. */
	if (ret->unknown_key && (strstr(ret->message, "Signature expired") ||
				 strstr(ret->message, "Signature not yet current")))
		ret->skewed = true;
	ret->throttled = ret->throttled || r->status == 429;
	if (!ret->name[0])
		snprintf(ret->name, sizeof(ret->name), "status %d", r->status);
	return true;
}
