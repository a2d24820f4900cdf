/* The collector's inside: what its files share. collect.c has the threads, collect_grid.c the slots of
 * a source in time, collect_slot.c the questions of one slot, collect_queue.c what waits to be appended. */
#ifndef PREGAO_COLLECT_PRIVATE_H
#define PREGAO_COLLECT_PRIVATE_H

#include <pthread.h>

#include "collect.h"

#define COLLECT_QUEUE_MAX 1000

/* What all sources share. */
struct collecting {
	const struct collect *c;
	atomic_bool give_up;  /* a thread could not be started: the others are to end */
	pthread_mutex_t lock; /* of what follows, and around recorded() and trouble() */
	struct collect_result result;
	size_t failing;        /* sources whose last append failed */
	bool appended;         /* something was, when nothing failed */
	int64_t step_noted_us; /* monotonic: when a step of the clock was last logged */
	bool step_noted;
};
/* A record that is not durable yet. */
struct waiting {
	enum bitcoin_kind kind;
	char *body;
	size_t bytes;
	int64_t event_us, slot_us, slots;
};
struct collect_queue {
	struct waiting records[COLLECT_QUEUE_MAX];
	size_t count;
	int failures;        /* appends in a row that failed */
	int64_t next_try_us; /* monotonic */
	bool lost;           /* records were given up in this episode */
};
/* A source being polled; its thread's own but for `all`. */
struct poller {
	struct clock clock; /* the collection's, but a sleep ends when the collection does */
	struct collecting *all;
	const struct bitcoin_source *source;
	const char *pair, *url;
	int64_t period_us, deadline_us;
	struct http *http;
	/* the grid */
	int64_t next_us;          /* start of the slot that comes next; NONE: not known yet */
	int64_t wall_us, mono_us; /* when both clocks were last read */
	bool stepped;             /* the clock jumped forward since the last slot */
	/* the source asked to be left alone */
	int64_t quiet_until_us; /* monotonic; 0: it did not */
	char quiet_reason[48];
	bool failing; /* the last slot became a gap */
	struct collect_queue queue;
	pthread_t thread;
	int rc;
	struct err err;
};

bool collect_stopping(const struct poller *);
/* The thread: slot after slot until the end. */
void collect_poll(struct poller *);
/* Asks for a slot until it has a good answer, or it is useless to go on, or the slot ends. ret is a tick
 * or a gap, its texts in the arena; false when the collection ended meanwhile. */
bool collect_ask(struct poller *, int64_t slot_us, int64_t end_mono_us, struct arena *,
		 struct bitcoin_row *ret);
/* Puts a row behind those that wait for being appended. */
void collect_keep(struct poller *, const struct bitcoin_row *);
/* Appends what waits, when it is time for another try. */
void collect_append(struct poller *);
/* The last time. What is left then is lost: the error of the append. */
int collect_append_rest(struct poller *, struct err *) MUST_CHECK;
void collect_queue_clear(struct collect_queue *);
/* A log event of a source; text in English, as events are. */
void collect_log(const struct poller *, enum log_level, const char *event, const char *text,
		 const char *reason, int64_t number);

#endif
