/* The contract of the delivery stream port: every driver in the table at the end runs the same cases.
 * Time is a fake clock that the driver is given: nothing here sleeps. */
#include "../unit/unit.h"

#include <pthread.h>

#include "clock_fake.h"
#include "delivery_stream.h"
#include "delivery_stream_spool.h"

#define SECOND 1000000LL
#define HOUR   (3600 * SECOND)
#define NOON   1732381200000000LL

struct driver_case {
	const char *name;
	/* Opens the stream that lives at dir; after a free, the same stream again. */
	struct delivery_stream *(*open)(const char *dir, struct clock *);
};
static const struct driver_case *driver;

struct fixture {
	char *dir;
	struct clock_fake clock;
	struct delivery_stream *stream;
};

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = temporary_folder();
	clock_fake_init(&f->clock, NOON);
	f->stream = driver->open(f->dir, &f->clock.clock);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	delivery_stream_free(f->stream);
	remove_folder(&f->dir);
	free(f);
	return 0;
}

static void open_again(struct fixture *f)
{
	delivery_stream_free(f->stream);
	f->stream = driver->open(f->dir, &f->clock.clock);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* -- helpers ----------------------------------------------------------------------------------- */

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

static int64_t append_at(struct fixture *f, const char *kind, const char *body, int64_t event_us)
{
	struct err e = ERR_INIT;
	struct stream_record r = {kind, slice_of(body), event_us};
	int64_t first = -1;
	must(delivery_stream_append(f->stream, &r, 1, &first, &e), &e);
	return first;
}

static int64_t append(struct fixture *f, const char *body)
{
	return append_at(f, "tick", body, NOON);
}

static int write_down(void *ctx, const struct stream_entry *entry, struct err *e)
{
	struct buf *out = ctx;
	assert_true(entry->at_us >= NOON);
	buf_printf(out, "%lld %s %.*s %lld\n", (long long)entry->seq, entry->record.kind,
		   SLICE_FMT(entry->record.body), (long long)(entry->record.event_us - NOON));
	return 0;
}

static void assert_tail(struct fixture *f, int64_t after, const char *expected)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = {0};
	buf_str(&out, "");
	must(delivery_stream_tail(f->stream, after, write_down, &out, &e), &e);
	assert_string_equal(out.data, expected);
}

static struct stream_segment assert_next(struct fixture *f, int64_t after, const char *expected)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = {0};
	struct stream_segment segment = {0};
	buf_str(&out, "");
	must(delivery_stream_next(f->stream, after, write_down, &out, &segment, &e), &e);
	assert_string_equal(out.data, expected);
	return segment;
}

static void assert_no_next(struct fixture *f, int64_t after)
{
	struct err e = ERR_INIT;
	struct stream_segment segment;
	AUTO_BUF struct buf out = {0};
	assert_int_equal(delivery_stream_next(f->stream, after, write_down, &out, &segment, &e),
			 ERR_NOT_FOUND);
}

static void seal(struct fixture *f, bool now)
{
	struct err e = ERR_INIT;
	must(delivery_stream_seal(f->stream, now, &e), &e);
}

static void forget(struct fixture *f, int64_t up_to)
{
	struct err e = ERR_INIT;
	must(delivery_stream_forget(f->stream, up_to, &e), &e);
}

static struct stream_status status_of(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct stream_status st;
	must(delivery_stream_status(f->stream, &st, &e), &e);
	return st;
}

/* -- records ----------------------------------------------------------------------------------- */

static void what_is_appended_comes_back_in_order(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	assert_int_equal(append(f, "a"), 1);
	struct stream_record three[] = {{"gap", SLICE("b\0b"), NOON - 5},
					{"tick", SLICE("c"), -1},
					{"abcdefghijklmno", SLICE("d"), NOON}};
	int64_t first = 0;
	must(delivery_stream_append(f->stream, three, 3, &first, &e), &e);
	assert_int_equal(first, 2);
	must(delivery_stream_append(f->stream, NULL, 0, &first, &e), &e);
	assert_int_equal(append(f, "e"), 5);
	assert_tail(f, 3, "4 abcdefghijklmno d 0\n5 tick e 0\n");
	assert_tail(f, 5, "");
	open_again(f);
	assert_tail(f, 2, "3 tick c -1732381200000001\n4 abcdefghijklmno d 0\n5 tick e 0\n");
	assert_int_equal(append(f, "f"), 6);
	assert_tail(f, 4, "5 tick e 0\n6 tick f 0\n");
	assert_string_equal(delivery_stream_name(f->stream), "bitcoin");
}

static int compare_body(void *ctx, const struct stream_entry *entry, struct err *e)
{
	const struct slice *bodies = ctx;
	assert_true(slice_eq(entry->record.body, bodies[entry->seq - 1]));
	return 0;
}

static void bodies_may_have_any_size_and_any_bytes(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = {1, 7, 8, 9, 65536, STREAM_RECORD_MAX - 1, STREAM_RECORD_MAX};
	enum { N = ARRAY_LEN(sizes) };
	struct slice bodies[N];
	struct stream_record records[N];
	struct err e = ERR_INIT;
	for (size_t i = 0; i < N; i++) {
		char *p = mem_alloc(sizes[i]);
		for (size_t j = 0; j < sizes[i]; j++)
			p[j] = (char)(j * 7 >> (i % 3));
		bodies[i] = (struct slice){p, sizes[i]};
		records[i] = (struct stream_record){"tick", bodies[i], NOON};
	}
	int64_t first;
	must(delivery_stream_append(f->stream, records, N, &first, &e), &e);
	must(delivery_stream_tail(f->stream, 0, compare_body, bodies, &e), &e);
	seal(f, true);
	struct stream_segment segment;
	must(delivery_stream_next(f->stream, 0, compare_body, bodies, &segment, &e), &e);
	assert_int_equal(segment.records, N);
	for (size_t i = 0; i < N; i++)
		free((char *)bodies[i].p);
}

static void a_wrong_record_is_refused_with_all_beside_it(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	AUTO_FREE char *long_body = mem_alloc(STREAM_RECORD_MAX + 1);
	const struct stream_record wrong[] = {
		{"tick", {"", 0}, NOON},
		{"tick", {long_body, STREAM_RECORD_MAX + 1}, NOON},
		{"", SLICE("x"), NOON},
		{NULL, SLICE("x"), NOON},
		{"Tick", SLICE("x"), NOON},
		{"tick2", SLICE("x"), NOON},
		{"abcdefghijklmnop", SLICE("x"), NOON},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct stream_record both[] = {{"tick", SLICE("good"), NOON}, wrong[i]};
		int64_t first;
		assert_int_equal(delivery_stream_append(f->stream, both, 2, &first, &e), ERR_INPUT);
	}
	assert_tail(f, 0, "");
	assert_int_equal(append(f, "a"), 1);
}

static int stop_at_two(void *ctx, const struct stream_entry *entry, struct err *e)
{
	(*(int *)ctx)++;
	return entry->seq == 2 ? err_set(e, ERR_RETRY, "enough") : 0;
}

static void a_reader_can_stop(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 4; i++)
		append(f, "a");
	struct err e = ERR_INIT;
	int calls = 0;
	assert_int_equal(delivery_stream_tail(f->stream, 0, stop_at_two, &calls, &e), ERR_RETRY);
	assert_int_equal(calls, 2);
	assert_string_equal(e.text, "enough");
	assert_string_equal(e.where, "");
	seal(f, true);
	struct stream_segment segment;
	assert_int_equal(delivery_stream_next(f->stream, 0, stop_at_two, &calls, &segment, &e),
			 ERR_RETRY);
	assert_int_equal(calls, 4);
}

/* -- segments ---------------------------------------------------------------------------------- */

static void only_what_is_sealed_is_next(void **state)
{
	struct fixture *f = *state;
	assert_no_next(f, 0);
	seal(f, true);
	assert_no_next(f, 0);
	append(f, "a");
	append(f, "b");
	seal(f, false);
	assert_no_next(f, 0);
	seal(f, true);
	append(f, "c");
	struct stream_segment s = assert_next(f, 0, "1 tick a 0\n2 tick b 0\n");
	assert_int_equal(s.first, 1);
	assert_int_equal(s.last, 2);
	assert_int_equal(s.records, 2);
	assert_true(s.bytes > 2);
	assert_next(f, 1, "2 tick b 0\n");
	assert_no_next(f, 2);
	seal(f, true);
	seal(f, true);
	assert_next(f, 2, "3 tick c 0\n");
	assert_next(f, 0, "1 tick a 0\n2 tick b 0\n");
	assert_tail(f, 1, "2 tick b 0\n3 tick c 0\n");
}

static void a_segment_is_sealed_by_age(void **state)
{
	struct fixture *f = *state;
	append(f, "a");
	f->clock.now += 59 * SECOND;
	append(f, "b");
	seal(f, false);
	assert_no_next(f, 0);
	f->clock.now += SECOND;
	seal(f, false);
	assert_next(f, 0, "1 tick a 0\n2 tick b 0\n");
	f->clock.now += 100 * SECOND;
	append(f, "c");
	seal(f, false);
	assert_no_next(f, 2);
}

static void a_later_hour_seals_and_an_earlier_one_does_not(void **state)
{
	struct fixture *f = *state;
	append_at(f, "tick", "a", NOON);
	append_at(f, "tick", "b", NOON + HOUR);
	assert_next(f, 0, "1 tick a 0\n");
	append_at(f, "tick", "c", NOON);
	append_at(f, "tick", "d", NOON - 5 * HOUR);
	append_at(f, "tick", "e", NOON + 2 * HOUR - 1);
	assert_no_next(f, 1);
	append_at(f, "tick", "f", NOON + 2 * HOUR);
	assert_int_equal(assert_next(f, 4, "5 tick e 7199999999\n").first, 2);
}

static void what_is_delivered_is_forgotten_but_the_newest(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 4; i++) {
		append(f, "a");
		append(f, "b");
		seal(f, true);
	}
	forget(f, 3);
	assert_int_equal(status_of(f).first_kept, 3);
	forget(f, 4);
	assert_int_equal(status_of(f).first_kept, 5);
	forget(f, 1000);
	assert_tail(f, 0, "7 tick a 0\n8 tick b 0\n");
	open_again(f);
	assert_int_equal(append(f, "c"), 9);
	forget(f, 1000);
	assert_tail(f, 0, "7 tick a 0\n8 tick b 0\n9 tick c 0\n");
}

static void status_tells_what_there_is(void **state)
{
	struct fixture *f = *state;
	struct stream_status st = status_of(f);
	assert_int_equal(st.last_seq, 0);
	assert_int_equal(st.first_kept, 0);
	assert_int_equal(st.oldest_us, 0);
	assert_int_equal(st.segments, 0);
	assert_int_equal(st.bytes, 0);
	append(f, "a");
	f->clock.now += 5;
	append(f, "b");
	seal(f, true);
	append(f, "c");
	st = status_of(f);
	assert_int_equal(st.last_seq, 3);
	assert_int_equal(st.first_kept, 1);
	assert_int_equal(st.oldest_us, NOON);
	assert_int_equal(st.segments, 2);
	assert_true(st.bytes > 0 && st.bytes < st.limit);
	assert_int_equal(st.damaged, 0);
	assert_false(st.failed);
}

/* -- many producers ---------------------------------------------------------------------------- */

enum { PRODUCERS = 256, CALLS = 4 };
struct producer {
	struct fixture *fixture;
	int number;
	int64_t first[CALLS];
	pthread_t thread;
};

/* Call i of a producer appends i + 1 records. */
static void *produce(void *arg)
{
	struct producer *p = arg;
	for (int i = 0; i < CALLS; i++) {
		char body[CALLS][32];
		struct stream_record records[CALLS];
		struct err e = ERR_INIT;
		for (int j = 0; j <= i; j++) {
			snprintf(body[j], sizeof(body[j]), "%d/%d/%d", p->number, i, j);
			records[j] = (struct stream_record){"tick", slice_of(body[j]), NOON};
		}
		must(delivery_stream_append(p->fixture->stream, records, (size_t)i + 1,
					    &p->first[i], &e),
		     &e);
	}
	return NULL;
}

static int note_body(void *ctx, const struct stream_entry *entry, struct err *e)
{
	char **bodies = ctx;
	assert_in_range(entry->seq, 1, PRODUCERS * CALLS * (CALLS + 1) / 2);
	assert_null(bodies[entry->seq]);
	bodies[entry->seq] = mem_strndup(entry->record.body.p, entry->record.body.n);
	return 0;
}

static void many_producers_share_the_numbers(void **state)
{
	struct fixture *f = *state;
	struct producer *p = NEW_ARRAY(PRODUCERS, struct producer);
	for (int i = 0; i < PRODUCERS; i++) {
		p[i] = (struct producer){.fixture = f, .number = i};
		assert_int_equal(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
	}
	for (int i = 0; i < 5; i++)
		seal(f, true);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(p[i].thread, NULL);
	enum { TOTAL = PRODUCERS * CALLS * (CALLS + 1) / 2 };
	char **bodies = NEW_ARRAY(TOTAL + 1, char *);
	struct err e = ERR_INIT;
	must(delivery_stream_tail(f->stream, 0, note_body, bodies, &e), &e);
	for (int i = 0; i < PRODUCERS; i++) {
		for (int j = 0; j < CALLS; j++) {
			assert_true(j == 0 || p[i].first[j] > p[i].first[j - 1]);
			for (int k = 0; k <= j; k++) {
				char body[48];
				snprintf(body, sizeof(body), "%d/%d/%d", i, j, k);
				assert_string_equal(bodies[p[i].first[j] + k], body);
			}
		}
	}
	for (int i = 1; i <= TOTAL; i++)
		free(bodies[i]);
	free(bodies);
	free(p);
	assert_int_equal(status_of(f).last_seq, TOTAL);
}

/* -- drivers ----------------------------------------------------------------------------------- */

static struct delivery_stream *open_spool(const char *dir, struct clock *clock)
{
	struct err e = ERR_INIT;
	struct delivery_stream *s = NULL;
	AUTO_FREE char *path = path_in(dir, "stream");
	struct spool_options o = {
		.dir = path, .name = "bitcoin", .mode = SPOOL_APPEND, .clock = clock};
	must(delivery_stream_spool_open(&o, &s, &e), &e);
	return s;
}

static const struct driver_case drivers[] = {
	{"spool", open_spool},
};

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_appended_comes_back_in_order),
		CASE(bodies_may_have_any_size_and_any_bytes),
		CASE(a_wrong_record_is_refused_with_all_beside_it),
		CASE(a_reader_can_stop),
		CASE(only_what_is_sealed_is_next),
		CASE(a_segment_is_sealed_by_age),
		CASE(a_later_hour_seals_and_an_earlier_one_does_not),
		CASE(what_is_delivered_is_forgotten_but_the_newest),
		CASE(status_tells_what_there_is),
		CASE(many_producers_share_the_numbers),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		failed += RUN_TESTS(driver->name);
	}
	return failed;
}
