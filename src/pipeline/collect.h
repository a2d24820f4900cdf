/* The collector: polls tickers on a fixed grid of slots and appends what they say, or a gap, to the
 * delivery stream.
 *
 * Each source has a thread of its own, so that a slow or dead one delays no other. Slot k begins at
 * k * period since 1970; the request of a slot begins at its start, retries stay inside it, and when it
 * ends without a good answer it becomes a gap. Slots that passed while nothing ran, or that the clock
 * jumped over, become one gap row with their count. A clock set back does not stop the collection: slots
 * follow the clock, and the step is noted. */
#ifndef PREGAO_COLLECT_H
#define PREGAO_COLLECT_H

#include <stdatomic.h>

#include "bitcoin_source.h"
#include "catalog.h"
#include "clock.h"
#include "delivery_stream.h"
#include "http.h"
#include "retry.h"
#include "telemetry.h"

struct collect_source {
	const struct bitcoin_source *source;
	const char *pair;    /* NULL: the source's */
	const char *url;     /* NULL: the source's; {pair} is replaced */
	int64_t period_us;   /* 1 s to 1 day */
	int64_t deadline_us; /* of one request; 0: 10 s, never past the slot's end */
};
struct collect {
	struct delivery_stream *stream;
	struct catalog
		*catalog; /* read at the beginning: how far each source came, collect_mark.h */
	struct clock *clock;
	struct telemetry *telemetry;                      /* may be NULL */
	const char *run;                                  /* run id for the log, or NULL */
	int (*http_new)(struct http **ret, struct err *); /* one for each source */
	uint32_t (*random)(void *ctx, uint32_t below);    /* NULL: getrandom */
	const struct collect_source *sources;
	size_t source_count;
	bool once;                 /* the slot that now is, then the end */
	size_t body_ceiling_bytes; /* 0: 1 MiB */
	const char *user_agent;
	atomic_bool *stop; /* set by a signal: every source ends within about a second */
	/* A record is durable, under this number (0 where the stream numbers nothing); called by one
	 * thread at a time, and not before. May be NULL. */
	void (*recorded)(void *ctx, int64_t seq, const struct bitcoin_row *);
	/* Appends begin to fail, and why; NULL: all sources' records are taken again. Once each per
	 * episode, by one thread at a time. May be NULL. */
	void (*trouble)(void *ctx, const struct err *why);
	void *ctx;
};
struct collect_result {
	int64_t ticks, gaps; /* durable */
	int64_t waited;      /* appends that had to be tried again */
	int64_t already; /* once: sources whose slot was recorded before, so that nothing was asked */
};
/* Runs until stop (or once); the slot under way then is left to the next start, which tells it as
 * not_running. A record that cannot be appended is kept and tried again, with backoff, while the grid
 * goes on; up to 1,000 wait per source, then the oldest become a gap row with their count, reason
 * "append_failed". ERR_USAGE for impossible options; ERR_INPUT when the clock has no date; the stream's
 * or the catalog's error when they cannot be read, or when at the end something could still not be
 * appended. */
int collect_run(const struct collect *, struct collect_result *ret, struct err *) MUST_CHECK;

#endif
