/* What the deliverer's files share; nobody else includes it. deliver.c: when, and what happens when it fails.
 * deliver_segment.c: segments into the lake. deliver_settle.c: closed hours and days. */
#ifndef PREGAO_DELIVER_PRIVATE_H
#define PREGAO_DELIVER_PRIVATE_H

#include "bitcoin_content.h"
#include "deliver.h"
#include "json.h"

#define DELIVER_HOUR_US INT64_C(3600000000)

/* Delivers the first sealed segments after the mark, as many as make a good file, and moves *mark behind them. *ret_found:
 * there was one. Adds to ret what is committed. ERR_RETRY when somebody else delivered them meanwhile. */
int deliver_segments(const struct deliver *, int64_t *mark, bool *ret_found,
		     struct deliver_result *ret, struct err *) MUST_CHECK;

/* A scope's properties as JSON, and the content that they tell; ERR_INPUT when they are none of ours. */
int deliver_properties(const struct catalog_scope *, json_t **ret, struct bitcoin_content *,
		       struct err *) MUST_CHECK;

#endif
