/* A call of one of AWS's JSON services (SQS, Glue, Firehose, Athena, CloudWatch Logs): a document to a target. */
#ifndef PREGAO_AWS_JSON_CALL_H
#define PREGAO_AWS_JSON_CALL_H

#include <jansson.h>

#include "call.h"

struct aws_json_call {
	const char *service;       /* "glue" */
	const char *target;        /* "AWSGlue.StartJobRun" */
	const char *version;       /* of the protocol: "1.0" (SQS), "1.1" */
	const char *action;        /* the right that it takes, for messages: "glue:StartJobRun" */
	const char *resource;      /* on what, for messages */
	json_t *body;              /* borrowed */
	const atomic_bool *cancel; /* may be NULL */
};
/* *ret is the answer's object; the caller owns it (json_decref). Errors: aws_call's; ERR_RETRY for an answer that is
 * no JSON object. */
int aws_json_call(struct aws *, const struct aws_json_call *, json_t **ret,
		  struct err *) MUST_CHECK;

#endif
