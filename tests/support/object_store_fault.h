/* A wrapper around any object store that fails one chosen call, takes its time, and counts: what does the
 * Nth failure leave behind, and do calls really overlap? */
#ifndef PREGAO_OBJECT_STORE_FAULT_H
#define PREGAO_OBJECT_STORE_FAULT_H

#include "object_store.h"

struct object_store_fault {
	/* Fails the Nth call that changes something (1-based, counted over put_many items, delete_many and
	 * copy) with the code, before it takes effect; the other items of the same put_many go through;
	 * 0 never. */
	int64_t nth;
	int code;
	bool reads;         /* get, head and list count, too */
	bool from_then_on;  /* and so do all later ones */
	int64_t latency_us; /* that each call takes at least, in real time */
	void (*step)(void); /* called before and after each call that counts; may be NULL */
};
/* Owns and frees the inner store. Stacks on any driver. */
struct object_store *object_store_fault_open(struct object_store *inner,
					     const struct object_store_fault *);
/* The first two alone. */
struct object_store *object_store_fault_new(struct object_store *inner, int64_t nth, int code);

struct object_store_fault_counts {
	int64_t calls;        /* of all kinds; an item of put_many is one */
	int64_t most_at_once; /* under way at the same time */
	int64_t slept_us;     /* their latencies added up */
};
struct object_store_fault_counts object_store_fault_counts(struct object_store *);

#endif
