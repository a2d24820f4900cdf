/* A clock for tests: it stands still, and sleeping moves it. */
#ifndef PREGAO_CLOCK_FAKE_H
#define PREGAO_CLOCK_FAKE_H

#include "clock.h"

struct clock_fake {
	struct clock clock;
	int64_t now;
	int64_t slept_us; /* all sleeps added up */
};
void clock_fake_init(struct clock_fake *, int64_t now_us);

#endif
