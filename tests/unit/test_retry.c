/* Retries on a clock that stands still: how many, how long, and when no longer. */
#include "unit.h"

#include "clock_fake.h"
#include "retry.h"

struct scene {
	int fail_times;            /* tries that end in ERR_RETRY before one succeeds */
	int code;                  /* instead of success */
	int64_t retry_after_us[8]; /* by try; 0: none is asked for */
	int64_t work_us;           /* how long a try takes */
	int tries, notes;
	int64_t pauses[16];
	uint32_t below[16];
	int draws;
	struct clock_fake clock;
};

static int attempt(void *arg, int number, int64_t *retry_after_us, struct err *e)
{
	struct scene *s = arg;
	assert_int_equal(number, ++s->tries);
	s->clock.now += s->work_us;
	if (s->tries > s->fail_times)
		return s->code;
	if (s->tries <= 8 && s->retry_after_us[s->tries - 1])
		*retry_after_us = s->retry_after_us[s->tries - 1];
	return err_set(e, ERR_RETRY, "status 503");
}

/* Always the longest pause. */
static uint32_t longest(void *ctx, uint32_t below)
{
	struct scene *s = ctx;
	s->below[s->draws++] = below;
	return below - 1;
}

static void note(void *ctx, int number, int64_t pause_us, const struct err *why)
{
	struct scene *s = ctx;
	assert_int_equal(number, s->tries);
	assert_string_equal(why->text, "status 503");
	s->pauses[s->notes++] = pause_us;
}

static int run(struct scene *s, const struct retry_policy *policy, struct err *e)
{
	clock_fake_init(&s->clock, 1000);
	struct retry r = {.policy = policy,
			  .clock = &s->clock.clock,
			  .random = longest,
			  .note = note,
			  .ctx = s};
	return retry_run(&r, attempt, s, e);
}

static void pauses_double_up_to_a_cap(void **state)
{
	const struct retry_policy policy = {.attempts = 6, .base_us = 1000, .cap_us = 5000};
	struct scene s = {.fail_times = 5};
	struct err e = ERR_INIT;
	assert_int_equal(run(&s, &policy, &e), OK);
	static const int64_t expected[] = {1000, 2000, 4000, 5000, 5000};
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(s.pauses[i], expected[i]);
		assert_int_equal(s.below[i], expected[i] + 1);
	}
	assert_int_equal(s.tries, 6);
	assert_int_equal(s.clock.slept_us, 17000);
}

static void it_ends_with_the_last_error(void **state)
{
	const struct retry_policy policy = {.attempts = 3, .base_us = 1000, .cap_us = 5000};
	struct scene s = {.fail_times = 100};
	struct err e = ERR_INIT;
	assert_int_equal(run(&s, &policy, &e), ERR_RETRY);
	assert_int_equal(s.tries, 3);
	assert_int_equal(s.notes, 2);
	assert_string_equal(e.text, "given up after 3 tries: status 503");
}

static void only_what_may_pass_is_tried_again(void **state)
{
	const struct retry_policy policy = {.attempts = 5, .base_us = 1000, .cap_us = 5000};
	struct scene s = {.fail_times = 1, .code = ERR_INPUT};
	assert_int_equal(run(&s, &policy, NULL), ERR_INPUT);
	assert_int_equal(s.tries, 2);
}

static void retry_after_is_obeyed(void **state)
{
	const struct retry_policy policy = {.attempts = 5, .base_us = 1000, .cap_us = 5000};
	struct scene s = {.fail_times = 3, .retry_after_us = {90000, 1, 0}};
	assert_int_equal(run(&s, &policy, NULL), OK);
	assert_int_equal(s.pauses[0], 90000);
	assert_int_equal(s.pauses[1], 2000); /* a shorter one than ours is not */
	assert_int_equal(s.pauses[2], 4000);
}

static void the_deadline_is_for_all_tries(void **state)
{
	const struct retry_policy policy = {
		.attempts = 100, .base_us = 1000, .cap_us = 1000, .deadline_us = 10000};
	struct scene s = {.fail_times = 100, .work_us = 2000};
	assert_int_equal(run(&s, &policy, NULL), ERR_RETRY);
	assert_int_equal(s.tries, 4); /* 3,000 each; the fourth ends at 11,000 */
	struct scene patient = {.fail_times = 100, .retry_after_us = {INT64_C(3600000000)}};
	assert_int_equal(run(&patient, &policy, NULL), ERR_RETRY);
	assert_int_equal(patient.tries, 1);
	assert_int_equal(patient.clock.slept_us, 0);
}

static void real_jitter_stays_in_bounds(void **state)
{
	const struct retry_policy policy = {.attempts = 100, .base_us = 100, .cap_us = 100};
	struct scene s = {.fail_times = 99};
	clock_fake_init(&s.clock, 0);
	struct retry r = {.policy = &policy, .clock = &s.clock.clock};
	assert_int_equal(retry_run(&r, attempt, &s, NULL), OK);
	assert_true(s.clock.slept_us <= 99 * 100);
	assert_true(s.clock.slept_us > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_double_up_to_a_cap),
		cmocka_unit_test(it_ends_with_the_last_error),
		cmocka_unit_test(only_what_may_pass_is_tried_again),
		cmocka_unit_test(retry_after_is_obeyed),
		cmocka_unit_test(the_deadline_is_for_all_tries),
		cmocka_unit_test(real_jitter_stays_in_bounds),
	};
	return RUN_TESTS("retry");
}
