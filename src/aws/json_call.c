/* Calls of AWS's JSON services: POST / with a target in a header. */
#include "json_call.h"

#include <stdlib.h>

#include "json.h"

int aws_json_call(struct aws *aws, const struct aws_json_call *c, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf type = {0};
	buf_printf(&type, "application/x-amz-json-%s", c->version);
	const struct sigv4_pair headers[] = {{"Content-Type", type.data},
					     {"X-Amz-Target", c->target}};
	AUTO_BUF struct buf body = {0};
	json_canonical(c->body, &body);
	struct aws_answer answer = {0};
	const struct aws_call call = {.service = c->service,
				      .action = c->action,
				      .resource = c->resource,
				      .method = "POST",
				      .headers = headers,
				      .header_count = ARRAY_LEN(headers),
				      .body = buf_slice(&body),
				      .cancel = c->cancel};
	int rc = aws_call(aws, &call, &answer, e);
	struct slice said = buf_slice(&answer.http.body);
	if (rc == OK && (json_parse(said.n ? said.p : "", said.n, ret, NULL) != OK)) {
		rc = err_set(e, ERR_RETRY, "%s of %s: the answer is no JSON", c->action,
			     c->resource);
	} else if (rc == OK && !json_is_object(*ret)) {
		json_decref(*ret);
		rc = err_set(e, ERR_RETRY, "%s of %s: the answer is no JSON object", c->action,
			     c->resource);
	}
	aws_answer_clear(&answer);
	return rc;
}
