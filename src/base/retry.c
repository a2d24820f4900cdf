/* Trying again: full jitter under a bound that doubles, a Retry-After obeyed, an end that is always
 * reached. */
#include "retry.h"

#include <stdlib.h>
#include <sys/random.h>

static uint32_t random_below(uint32_t below)
{
	uint32_t n = 0;
	/* Without randomness the pause is the longest one: slower, never wrong. */
	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return below - 1;
	return (uint32_t)((uint64_t)n * below >> 32);
}

/* A pause from 0 to bound_us, both included. */
static int64_t jitter(const struct retry *r, int64_t bound_us)
{
	/* The random numbers have 32 bits; longer bounds are drawn in steps of a millisecond. */
	int64_t step = bound_us >= UINT32_MAX ? 1000 : 1;
	int64_t steps = bound_us / step + 1;
	uint32_t below = steps > UINT32_MAX ? UINT32_MAX : (uint32_t)steps;
	return (int64_t)(r->random ? r->random(r->ctx, below) : random_below(below)) * step;
}

int64_t retry_pause_us(const struct retry *r, int attempt)
{
	const struct retry_policy *policy = r->policy;
	int64_t bound_us = policy->base_us < policy->cap_us ? policy->base_us : policy->cap_us;
	for (int i = 1; i < attempt && bound_us < policy->cap_us; i++)
		bound_us = bound_us > policy->cap_us / 2 ? policy->cap_us : bound_us * 2;
	return jitter(r, bound_us);
}

int retry_run(const struct retry *r, int (*fn)(void *, int, int64_t *, struct err *), void *arg,
	      struct err *e)
{
	const struct retry_policy *policy = r->policy;
	struct err own = ERR_INIT;
	if (!e)
		e = &own; /* note is to have something to read */
	int64_t began_us = clock_monotonic_us(r->clock);
	for (int attempt = 1;; attempt++) {
		int64_t retry_after_us = -1;
		int rc = fn(arg, attempt, &retry_after_us, e);
		if (rc != ERR_RETRY)
			return rc;
		int64_t pause_us = retry_pause_us(r, attempt);
		if (retry_after_us > pause_us)
			pause_us = retry_after_us;
		bool late = policy->deadline_us > 0 &&
			    pause_us >=
				    policy->deadline_us - (clock_monotonic_us(r->clock) - began_us);
		if (attempt >= policy->attempts || late)
			return attempt > 1 ? err_wrap(e, "given up after %d tries", attempt) : rc;
		if (r->note)
			r->note(r->ctx, attempt, pause_us, e);
		/* A signal may end a sleep early; that is no reason to be impatient, but one to
		 * stop for is the caller's to see. */
		clock_sleep_us(r->clock, pause_us);
	}
}
