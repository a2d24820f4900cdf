/* What the deliverer's files share; nobody else includes it. deliver.c: when, and what happens when it fails.
 * deliver_segment.c: segments into the lake. deliver_settle.c: closed hours and days. */
#ifndef PREGAO_DELIVER_PRIVATE_H
#define PREGAO_DELIVER_PRIVATE_H

#include "deliver.h"
#include "json.h"

#define DELIVER_HOUR_US INT64_C(3600000000)

/* Delivers the first sealed segments after the mark, as many as make a good file, and moves *mark behind them. *ret_found:
 * there was one. Adds to ret what is committed. ERR_RETRY when somebody else delivered them meanwhile. */
int deliver_segments(const struct deliver *, int64_t *mark, bool *ret_found,
		     struct deliver_result *ret, struct err *) MUST_CHECK;

/* The property "content" of a scope of these tables: "<rows>-<first number>-<last number>". */
struct deliver_content {
	int64_t rows, first, last;
};
/* The properties' JSON, and that member of it; ERR_INPUT when it is none of ours. */
int deliver_properties(const struct catalog_scope *, json_t **ret, struct deliver_content *,
		       struct err *) MUST_CHECK;

#endif
