/* The Bitcoin stream of one lake in this process: the stream opened for appending, and the deliverer on
 * a thread of its own beside whoever appends. */
#ifndef PREGAO_STREAMING_H
#define PREGAO_STREAMING_H

#include "collect.h"
#include "deliver.h"
#include "system.h"

struct streaming;
/* After system_open(SYSTEM_WORK). Opens the stream (ERR_CONFLICT when another process appends to it) and
 * starts to deliver. run is the run's id, for the log; borrowed. */
int streaming_begin(struct system *, const char *run, struct streaming **ret,
		    struct err *) MUST_CHECK;
struct delivery_stream *streaming_stream(struct streaming *);
/* Whether the deliverer is still at work: else why it ended. */
int streaming_works(struct streaming *, struct err *) MUST_CHECK;
/* Seals and delivers what is left, tells the queues of it, and ends the thread. ERR_*
 * when the rest could not be delivered: it waits in the spool. Frees it in any case; NULL is fine. ret
 * may be NULL. */
int streaming_end(struct streaming *, struct deliver_result *ret, struct err *) MUST_CHECK;

/* SIGINT, SIGTERM and SIGHUP set it and do nothing else, from here to the end of the process; one that
 * comes two seconds later kills. What was ignored before stays ignored. */
atomic_bool *streaming_stop_on_signals(void);

#endif
