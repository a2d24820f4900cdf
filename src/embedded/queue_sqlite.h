/* Queue in one SQLite file, dead letters in the same; one file per queue, so that a role can be
 * kept from it. */
#ifndef PREGAO_QUEUE_SQLITE_H
#define PREGAO_QUEUE_SQLITE_H

#include "clock.h"
#include "queue.h"

/* Makes the file when it is missing (its folder must be there). What send, receive and the rest
 * change is durable on return. A handle may be used from several threads, the file from several
 * processes. The clock is borrowed and decides what is visible. Where the file may not be written
 * it is opened for reading: stats and peek work, all else is ERR_DENIED. Besides what queue.h says
 * every call may return ERR_RETRY (locked for 10 s), ERR_LIMIT (no space), ERR_DENIED, ERR_IO, with
 * the path as its place; then nothing was changed. */
int queue_sqlite_open(const char *path, const char *name, int max_receives, struct clock *,
		      struct queue **ret, struct err *) MUST_CHECK;

#endif
