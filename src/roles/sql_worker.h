/* Somebody else's SQL runs in a process of its own that may be killed: this starts it, watches its
 * time and memory, and turns its death into an ordinary error. */
#ifndef PREGAO_SQL_WORKER_H
#define PREGAO_SQL_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct sql_worker {
	/* asked to end after this (SIGTERM), killed a second later; 0: no limit */
	int64_t timeout_us;
	/* resident; DuckDB's own memory_limit does not bound every function, so the process is
	 * watched. 0: none */
	int64_t memory_ceiling_bytes;
};
/* From here to the release SIGINT, SIGTERM and SIGHUP end the worker instead of this process, which
 * can clean up; what was ignored before stays ignored. */
void sql_worker_hold_signals(void);
void sql_worker_release_signals(void);
bool sql_worker_interrupted(void); /* whether one came since the hold */
/* Waits until fd can be written; false, with errno, when a held signal came. */
bool sql_worker_wait_to_write(int fd);
/* Forks and calls body(ctx) in the child, whose standard streams are the caller's. To be called
 * while this process has one thread and no DuckDB. Returns what body returned, with its err;
 * ERR_LIMIT when the worker overran a limit, ERR_CONFLICT when it was interrupted, ERR_IO when it
 * died otherwise. */
int sql_worker_run(const struct sql_worker *, int (*body)(void *ctx, struct err *), void *ctx,
		   struct err *) MUST_CHECK;

#endif
