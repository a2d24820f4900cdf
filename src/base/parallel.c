/* The same work for many items on a few threads: each takes the next index until there are none. */
#include "file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "mem.h"

#define THREADS_MAX 64

struct work {
	int (*fn)(void *, size_t, struct err *);
	void *ctx;
	size_t n;
	atomic_size_t next;
	pthread_mutex_t mutex; /* for what follows */
	size_t failed;         /* the lowest index that failed so far */
	int code;
	struct err err;
};

static void *run(void *arg)
{
	struct work *w = arg;
	size_t i;
	while ((i = atomic_fetch_add(&w->next, 1)) < w->n) {
		struct err err = ERR_INIT;
		int rc = w->fn(w->ctx, i, &err);
		if (rc == OK)
			continue;
		pthread_mutex_lock(&w->mutex);
		if (w->code == OK || i < w->failed) {
			w->failed = i;
			w->code = rc;
			w->err = err;
		}
		pthread_mutex_unlock(&w->mutex);
	}
	return NULL;
}

int parallel_for(size_t n, int threads, int (*fn)(void *, size_t, struct err *), void *ctx,
		 struct err *e)
{
	struct work w = {.fn = fn, .ctx = ctx, .n = n, .mutex = PTHREAD_MUTEX_INITIALIZER};
	pthread_t others[THREADS_MAX];
	size_t wanted = threads > 1 ? (size_t)threads - 1 : 0;
	if (wanted > THREADS_MAX)
		wanted = THREADS_MAX;
	if (n > 0 && wanted > n - 1)
		wanted = n - 1;
	if (n == 0)
		return OK;
	/* Threads that cannot be had are done without: this one gets everything done alone if it
	 * must. */
	size_t started = 0;
	while (started < wanted && pthread_create(&others[started], NULL, run, &w) == 0)
		started++;
	run(&w);
	for (size_t i = 0; i < started; i++)
		pthread_join(others[i], NULL);
	if (w.code != OK && e)
		*e = w.err;
	return w.code;
}
