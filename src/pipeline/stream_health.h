/* Whether appending to the stream, sealing its segments, or delivering it, fails. Logged once when it begins and once
 * when it is over, and kept in telemetry, where another process finds it: `stream status`, alarms, the doctor. */
#ifndef PREGAO_STREAM_HEALTH_H
#define PREGAO_STREAM_HEALTH_H

#include "telemetry.h"

/* Whoever seals in a process of its own is a part of its own; where the deliverer does, it is a part of delivering. */
enum stream_part { STREAM_APPENDS, STREAM_SEALS, STREAM_DELIVERY, STREAM_PARTS };

/* Counts the failure, and logs it ("append_failed", "seal_failed", "delivery_failed") when `tell`. */
void stream_failed(struct telemetry *, const char *run, enum stream_part, const struct err *,
		   bool tell);
/* "append_recovered", "seal_recovered", "delivery_recovered" when `tell`. Costs a write to telemetry. */
void stream_works(struct telemetry *, const char *run, enum stream_part, bool tell);

struct stream_health {
	bool failing[STREAM_PARTS]; /* and nobody has succeeded since */
	int64_t errors;             /* ever, tries included */
	const char *error; /* the last one that was logged; NULL: none that the log still has */
	const char *code;  /* "IO" */
	int64_t at_us;     /* when it was logged: when it began */
};
/* Without telemetry all is well. */
int stream_health(struct telemetry *, struct arena *, struct stream_health *ret,
		  struct err *) MUST_CHECK;
static inline bool stream_takes(const struct stream_health *h)
{
	return !h->failing[STREAM_APPENDS] && !h->failing[STREAM_SEALS];
}

#endif
