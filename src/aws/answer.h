/* What a service said when it did not do what was asked: its error, in JSON or XML, as one of our codes
 * and a sentence. */
#ifndef PREGAO_AWS_ANSWER_H
#define PREGAO_AWS_ANSWER_H

#include "http.h"

struct aws_problem {
	int code;          /* ours */
	char name[64];     /* AWS's: "AccessDenied"; "status 403" when it gave none */
	char message[512]; /* AWS's; may be empty */
	char region[32];   /* where the bucket lies, when it said so; else empty */
	bool expired;      /* the credentials, not the request */
	bool unknown_key;  /* the credentials are not valid there */
	bool skewed;       /* our clock and AWS's differ too much */
	bool throttled;
};
/* Reads an answer that is an error, or may be one (a 200 with an error in it). false when it is none. */
bool aws_problem_read(const struct http_response *, struct aws_problem *ret);

#endif
