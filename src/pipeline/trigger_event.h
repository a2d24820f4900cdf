/* The message that a created object makes: S3's event notification, written and read. */
#ifndef PREGAO_TRIGGER_EVENT_H
#define PREGAO_TRIGGER_EVENT_H

#include "catalog.h"
#include "str.h"

/* Appends the message for one published file. lake is the bucket's name in it; scope may be NULL. The
 * day on which the scope's payload landed travels beside the event. */
void trigger_event_write(struct buf *out, const char *lake, const struct catalog_file *,
			 const struct catalog_scope *scope);
/* Calls fn with the key of each created object that the message tells of, and with the day that travels
 * with it; of S3's own events, the day in São Paulo on which the object was made (AS_OF_LANDED: none). Understood are S3's own events and the same within the event that SQS
 * gives to a function; other kinds of events and S3's test event tell of nothing. fn's non-zero stops
 * and is returned. ERR_INPUT for anything else, maybe after some calls. */
int trigger_event_read(const char *body, size_t n,
		       int (*fn)(void *ctx, const char *key, int32_t as_of, struct err *),
		       void *ctx, struct err *) MUST_CHECK;

#endif
