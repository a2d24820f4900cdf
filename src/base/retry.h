/* Retries live here and nowhere else: how often, how long, with what jitter, and what is worth
 * another try. */
#ifndef PREGAO_RETRY_H
#define PREGAO_RETRY_H

#include <stdint.h>

#include "clock.h"
#include "err.h"

struct retry_policy {
	int attempts;        /* in all, at least 1 */
	int64_t base_us;     /* the first pause's upper bound; doubles each time */
	int64_t cap_us;      /* no pause is longer, except an obeyed Retry-After */
	int64_t deadline_us; /* for all tries together, from the first; 0 means none */
};
/* Calls fn until it returns something other than ERR_RETRY or the policy ends. fn may set
 * *retry_after_us (>= 0) to ask for a longer pause. Pauses are full jitter (0..bound), from
 * `random` (NULL: getrandom). note (may be NULL) is called before each pause. */
struct retry {
	const struct retry_policy *policy;
	struct clock *clock;
	uint32_t (*random)(void *ctx, uint32_t below);
	void (*note)(void *ctx, int attempt, int64_t pause_us, const struct err *why);
	void *ctx;
};
int retry_run(const struct retry *,
	      int (*fn)(void *arg, int attempt, int64_t *retry_after_us, struct err *), void *arg,
	      struct err *) MUST_CHECK;
/* The pause after so many failures in a row (1, 2, ...), for loops that have more to do meanwhile than to sleep.
 */
int64_t retry_pause_us(const struct retry *, int attempt);

#endif
