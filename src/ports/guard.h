/* Wrapper drivers that ask before each call whether the caller may: for rights that the kernel cannot
 * tell apart, and for drivers behind which there is no kernel. They stack on any driver. */
#ifndef PREGAO_GUARD_H
#define PREGAO_GUARD_H

#include <stdbool.h>

#include "catalog.h"
#include "delivery_stream.h"
#include "job_engine.h"
#include "object_store.h"
#include "queue.h"
#include "scheduler.h"

/* Who asks, and what it may. action is a word of the port's ("read", "send"), resource its name or key; NULL:
 * any of that kind will do. Called from any thread. The strings and ctx must live as long as what they guard. */
struct guard {
	const char *who; /* "scraper", for messages */
	bool (*may)(void *ctx, const char *kind, const char *action, const char *resource);
	void *ctx;
};
/* ERR_DENIED, and says who may not do what. */
int guard_ask(const struct guard *, const char *kind, const char *action, const char *resource,
	      struct err *) MUST_CHECK;
/* Takes over the store: freeing the guard frees it. Kind "object-store", action "read" (get, head, list,
 * localise, the source of a copy) or "write" (put, delete, the target of a copy), by key or prefix. What
 * is refused is ERR_DENIED, and nothing of that call was done. */
struct object_store *guard_object_store(struct object_store *, const struct guard *);
/* Kind "queue", actions "send" and "receive" (which is also to remove, extend and fail what was
 * received), by the queue's name; looking (stats, peek) is "read"; redrive wants both. */
struct queue *guard_queue(struct queue *, const struct guard *);
/* Kind "job-engine", actions "start" (and cancel) and "work", by the job's name where there is one; looking
 * (status, list, stale) is "read". */
struct job_engine *guard_job_engine(struct job_engine *, const struct guard *);
/* Kind "scheduler", actions "tick" (and run) and "report" (and claim), by the schedule's name where there is
 * one; looking (next, slots) is "read". */
struct scheduler *guard_scheduler(struct scheduler *, const struct guard *);
/* Kind "stream", actions "append", "deliver" (next, forget) and "read" (tail, status), by the stream's name; to seal
 * wants one of the first two. */
struct delivery_stream *guard_delivery_stream(struct delivery_stream *, const struct guard *);
/* Kind "catalog", actions "read" and "write", by "database.table"; marks are the resource "marks". What ends an
 * intent, or forgets dead keys, tells no table: a right to write any will do. */
struct catalog *guard_catalog(struct catalog *, const struct guard *);

#endif
