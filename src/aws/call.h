/* One call of an AWS service: endpoint, credentials, signature, retries, throttling, a clock that is
 * wrong, and what an error means. The drivers above say what they ask for, and read the answer. */
#ifndef PREGAO_AWS_CALL_H
#define PREGAO_AWS_CALL_H

#include "answer.h"
#include "sigv4.h"
#include "world.h"

struct aws;
/* Reads the region: AWS_REGION, AWS_DEFAULT_REGION, the profile's. Where there is none a custom
 * endpoint is asked as us-east-1, and AWS itself not at all (ERR_USAGE at the first call). Looks for
 * no credentials yet. world may be NULL: the real one. It is copied. */
int aws_new(const struct aws_world *world, struct aws **ret, struct err *) MUST_CHECK;
void aws_free(struct aws *);
struct clock *aws_clock_of(const struct aws *);

struct aws_call {
	const char *service;  /* as it is signed: "s3", "sqs", "firehose" */
	const char *action;   /* the right that it takes, for messages: "s3:PutObject" */
	const char *resource; /* on what, for messages: "arn:aws:s3:::bucket/key" */
	const char *method;
	const char
		*bucket;  /* S3: goes into the host or before the path, as the endpoint wants it */
	const char *path; /* as it is meant, not encoded; NULL: "/" */
	const struct sigv4_pair *query;
	size_t query_count;
	const struct sigv4_pair *headers;
	size_t header_count;
	struct slice body;
	size_t body_ceiling_bytes; /* of the answer; 0: 16 MiB */
	bool error_in_200;         /* an answer 200 has to be XML, and may be an error */
	const atomic_bool *cancel; /* may be NULL */
};
struct aws_answer {
	struct http_response http;
	struct aws_problem problem; /* of the last try, when the call failed and one was given */
};
void aws_answer_clear(struct aws_answer *);
/* Blocks; from any thread. ret is zeroed or used before. ERR_RETRY means that it was tried several
 * times. A call may have been carried out twice, or once and then have failed: an answer was lost. Every error says which action on which resource failed and what would help. ERR_NOT_FOUND,
 * ERR_CONFLICT, ERR_DENIED, ERR_LIMIT, ERR_INPUT, ERR_USAGE, ERR_IO as AWS's errors are mapped
 * (answer.c), or from the network (http.h). */
int aws_call(struct aws *, const struct aws_call *, struct aws_answer *ret,
	     struct err *) MUST_CHECK;

#endif
