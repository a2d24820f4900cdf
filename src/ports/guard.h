/* Wrapper drivers that ask before each call whether the caller may: for rights that the kernel cannot
 * tell apart, and for drivers behind which there is no kernel. They stack on any driver. */
#ifndef PREGAO_GUARD_H
#define PREGAO_GUARD_H

#include <stdbool.h>

#include "object_store.h"
#include "queue.h"

/* Who asks, and what it may. action is a word of the port's ("read", "send"), resource its name or key.
 * Called from any thread. The strings and ctx must live as long as what they guard. */
struct guard {
	const char *who; /* "scraper", for messages */
	bool (*may)(void *ctx, const char *kind, const char *action, const char *resource);
	void *ctx;
};
/* Takes over the store: freeing the guard frees it. Kind "object-store", action "read" (get, head, list,
 * localise, the source of a copy) or "write" (put, delete, the target of a copy), by key or prefix. What
 * is refused is ERR_DENIED, and nothing of that call was done. */
struct object_store *guard_object_store(struct object_store *, const struct guard *);
/* Kind "queue", actions "send" and "receive" (which is also to remove, extend and fail what was
 * received), by the queue's name; looking (stats, peek) wants either; redrive both. */
struct queue *guard_queue(struct queue *, const struct guard *);

#endif
