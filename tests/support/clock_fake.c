/* Time that passes only when somebody sleeps: what waits can be tested at once, and the same way
 * each time. Wall clock and monotonic time are one. */
#include "clock_fake.h"

static int64_t fake_now_us(struct clock *c)
{
	return ((struct clock_fake *)c)->now;
}

static void fake_sleep_us(struct clock *c, int64_t us)
{
	struct clock_fake *fake = (struct clock_fake *)c;
	if (us <= 0)
		return;
	fake->now += us;
	fake->slept_us += us;
}

static const struct clock_ops fake_ops = {
	.now_us = fake_now_us,
	.monotonic_us = fake_now_us,
	.sleep_us = fake_sleep_us,
};

void clock_fake_init(struct clock_fake *fake, int64_t now_us)
{
	*fake = (struct clock_fake){.clock = {&fake_ops}, .now = now_us};
}
