/* The spool's bytes: torn tails, damage, clocks, limits, readers beside a writer. Failing calls are in
 * test_spool_faults.c, deaths in test_spool_kill.c; what every delivery stream promises is in
 * contract/test_delivery_stream.c. */
#include "spool_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "crc32c.h"
#include "spool_segment.h"

#define SECOND 1000000LL
#define HOUR   (3600 * SECOND)

static void crc_is_the_one_of_the_rfc(void **state)
{
	/* RFC 3720, B.4 has the second and third, as bytes. */
	assert_int_equal(crc32c("123456789", 9), 0xE3069283U);
	char bytes[64] = {0};
	assert_int_equal(crc32c(bytes, 32), 0x8A9136AAU);
	memset(bytes, 0xFF, 32);
	assert_int_equal(crc32c(bytes, 32), 0x62A8AB43U);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 37);
	for (size_t from = 0; from < 9; from++) {
		for (size_t n = 0; n + from <= sizeof(bytes); n++)
			assert_int_equal(crc32c(bytes + from, n), crc32c_by_table(bytes + from, n));
	}
}

/* -- damage ------------------------------------------------------------------------------------ */

/* A spool whose only segment is given byte for byte. */
struct bytes_case {
	char *dir;
	char *path;       /* of the segment */
	struct buf whole; /* as it was written */
	size_t starts[8]; /* of the records, and behind the last one */
	struct buf notes;
	struct spool_options options;
};

static void note(void *ctx, const char *event, const char *text)
{
	buf_printf(ctx, "%s\n", event);
}

static int make_case(void **state)
{
	struct bytes_case *c = NEW(struct bytes_case);
	c->dir = quick_folder();
	struct delivery_stream *s = open_spool(c->dir, SPOOL_APPEND);
	static const char *const bodies[] = {"one", "two", "three", "four", "five"};
	size_t at = SEGMENT_HEADER_BYTES;
	for (size_t i = 0; i < 5; i++) {
		append(s, bodies[i]);
		c->starts[i] = at;
		at += SEGMENT_RECORD_BYTES + strlen(bodies[i]);
	}
	c->starts[5] = at;
	delivery_stream_free(s);
	c->path = newest_file(c->dir, ".open");
	assert_non_null(c->path);
	c->whole = read_whole(c->path);
	assert_true(c->whole.len > at);
	for (size_t i = at; i < c->whole.len; i++)
		assert_int_equal(c->whole.data[i], 0);
	c->whole.len = at;
	c->options = (struct spool_options){.dir = c->dir, .note = note, .ctx = &c->notes};
	*state = c;
	return 0;
}

static int end_case(void **state)
{
	struct bytes_case *c = *state;
	remove_folder(&c->dir);
	free(c->path);
	buf_free(&c->whole);
	buf_free(&c->notes);
	free(c);
	return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make_case, end_case)

/* An empty spool but for a segment of these bytes. */
static void begin_with(struct bytes_case *c, const char *path, const char *bytes, size_t n)
{
	assert_int_equal(file_remove_tree(c->dir, NULL), OK);
	assert_int_equal(mkdir(c->dir, 0777), 0);
	write_whole(path, bytes, n);
	buf_reset(&c->notes);
	buf_str(&c->notes, "");
}

static struct delivery_stream *open_case(struct bytes_case *c, enum spool_mode mode)
{
	c->options.mode = mode;
	return open_options(c->options);
}

static void a_tail_torn_at_any_byte_is_cut(void **state)
{
	struct bytes_case *c = *state;
	size_t from = c->starts[4], whole = c->starts[5];
	for (int zeros = 0; zeros < 2; zeros++) {
		for (size_t end = from; end < whole; end++) {
			char bytes[1024] = {0};
			memcpy(bytes, c->whole.data, end);
			begin_with(c, c->path, bytes, zeros ? sizeof(bytes) : end);
			struct delivery_stream *s = open_case(c, SPOOL_READ);
			assert_tail(s, "1:one 2:two 3:three 4:four ");
			delivery_stream_free(s);
			s = open_case(c, SPOOL_APPEND);
			assert_int_equal(append(s, "again"), 5);
			assert_tail(s, "1:one 2:two 3:three 4:four 5:again ");
			assert_next(s, "1:one 2:two 3:three 4:four ");
			/* Zeros at the end are nothing to keep. */
			size_t kept = end;
			while (kept > from && !bytes[kept - 1])
				kept--;
			struct stream_status st = status_of(s);
			assert_int_equal(st.damaged, kept > from);
			assert_int_equal(st.damaged_bytes, kept - from);
			assert_string_equal(c->notes.data, kept > from ? "spool_torn\n" : "");
			delivery_stream_free(s);
			s = open_case(c, SPOOL_APPEND);
			assert_next(s, "1:one 2:two 3:three 4:four 5:again ");
			assert_int_equal(status_of(s).damaged, kept > from);
			delivery_stream_free(s);
		}
	}
}

/* The whole life of a spool with one bad byte, in an open segment or a sealed one. */
static void check_flipped(struct bytes_case *c, size_t at, unsigned char bits, bool sealed,
			  const char *good, int64_t damaged_bytes)
{
	AUTO_FREE char *path = NULL;
	path = sealed ? path_in(c->dir, "00000000000000000001-00000000000000000005.sealed")
		      : mem_strdup(c->path);
	c->whole.data[at] = (char)(c->whole.data[at] ^ bits);
	begin_with(c, path, c->whole.data, c->whole.len);
	struct delivery_stream *s = open_case(c, SPOOL_READ);
	assert_tail(s, good);
	AUTO_FREE char *damaged = path_in(c->dir, "damaged");
	assert_int_not_equal(access(damaged, F_OK), 0);
	delivery_stream_free(s);
	for (int i = 0; i < 2; i++) {
		s = open_case(c, SPOOL_APPEND);
		assert_next(s, good);
		assert_tail(s, good);
		assert_string_equal(c->notes.data, "spool_damaged\n");
		assert_int_equal(status_of(s).damaged, 1);
		assert_int_equal(status_of(s).damaged_bytes, damaged_bytes);
		delivery_stream_free(s);
	}
	AUTO_FREE char *kept = newest_file(damaged, ".damaged");
	AUTO_BUF struct buf bytes = read_whole(kept);
	assert_int_equal(bytes.len, damaged_bytes);
	/* What was kept is what stood there. */
	assert_non_null(memmem(c->whole.data, c->whole.len, bytes.data, bytes.len));
	s = open_case(c, SPOOL_APPEND);
	assert_int_equal(append(s, "again"), 6);
	delivery_stream_free(s);
	c->whole.data[at] = (char)(c->whole.data[at] ^ bits);
}

static void a_flipped_byte_costs_its_record_alone(void **state)
{
	struct bytes_case *c = *state;
	for (size_t at = c->starts[2]; at < c->starts[3]; at++) {
		for (int sealed = 0; sealed < 2; sealed++)
			check_flipped(c, at, at % 2 ? 0xFF : 1, sealed,
				      "1:one 2:two 4:four 5:five ",
				      (int64_t)(c->starts[3] - c->starts[2]));
	}
	for (size_t at = 0; at < SEGMENT_HEADER_BYTES; at++) {
		if (at >= 8 && at < 12)
			continue;
		check_flipped(c, at, 0x10, at % 2, "1:one 2:two 3:three 4:four 5:five ",
			      SEGMENT_HEADER_BYTES);
	}
}

static void the_end_of_a_sealed_segment_is_missed(void **state)
{
	struct bytes_case *c = *state;
	AUTO_FREE char *path = path_in(c->dir, "00000000000000000001-00000000000000000005.sealed");
	for (size_t end = c->starts[3]; end < c->starts[5]; end += 7) {
		begin_with(c, path, c->whole.data, end);
		struct delivery_stream *s = open_case(c, SPOOL_APPEND);
		const char *good = end < c->starts[4] ? "1:one 2:two 3:three "
						      : "1:one 2:two 3:three 4:four ";
		assert_next(s, good);
		assert_next(s, good);
		assert_string_equal(c->notes.data, "spool_damaged\n");
		assert_int_equal(status_of(s).damaged, 1);
		/* Numbers that may have been delivered are never given twice. */
		assert_int_equal(append(s, "again"), 6);
		delivery_stream_free(s);
	}
}

static void a_segment_without_a_good_record_is_passed_over(void **state)
{
	struct bytes_case *c = *state;
	AUTO_FREE char *path = path_in(c->dir, "00000000000000000001-00000000000000000005.sealed");
	AUTO_FREE char *rubbish = mem_alloc(c->whole.len);
	memset(rubbish, 0xA5, c->whole.len);
	begin_with(c, path, rubbish, c->whole.len);
	struct delivery_stream *s = open_case(c, SPOOL_APPEND);
	assert_int_equal(append(s, "six"), 6);
	seal_now(s);
	struct stream_segment segment;
	AUTO_BUF struct buf out = {0};
	struct err e = ERR_INIT;
	must(delivery_stream_next(s, 0, write_down, &out, &segment, &e), &e);
	assert_int_equal(segment.records, 0);
	assert_int_equal(segment.last, 5);
	assert_next(s, "6:six ");
	delivery_stream_free(s);
	/* The same, unsealed: there is nothing to seal. */
	begin_with(c, c->path, rubbish, c->whole.len);
	s = open_case(c, SPOOL_APPEND);
	assert_int_equal(append(s, "one"), 1);
	assert_int_equal(status_of(s).damaged_bytes, c->whole.len);
	delivery_stream_free(s);
}

/* A body that holds a whole record, number and CRC right: it is no record when the one around it is
 * good, and not when that one's body is damaged, or torn. */
static void a_record_inside_a_body_is_none(void **state)
{
	struct bytes_case *c = *state;
	char inner[SEGMENT_RECORD_BYTES + 6] = {0};
	struct stream_record forged = {"tick", SLICE("forged"), NOON};
	segment_encode(inner, &forged);
	segment_stamp(inner, sizeof(inner), 3, NOON);
	char outer[SEGMENT_RECORD_BYTES + sizeof(inner) + 4];
	char body[sizeof(inner) + 4] = "ab";
	memcpy(body + 2, inner, sizeof(inner));
	struct stream_record around = {"tick", {body, sizeof(body)}, NOON};
	segment_encode(outer, &around);
	segment_stamp(outer, sizeof(outer), 3, NOON);
	char bytes[1024];
	size_t n = c->starts[2];
	memcpy(bytes, c->whole.data, n);
	memcpy(bytes + n, outer, sizeof(outer));
	bytes[n + SEGMENT_RECORD_BYTES] ^= 1;
	for (int whole = 0; whole < 2; whole++) {
		begin_with(c, c->path, bytes, n + sizeof(outer) - (whole ? 0 : 1));
		struct delivery_stream *s = open_case(c, SPOOL_APPEND);
		assert_tail(s, "1:one 2:two ");
		delivery_stream_free(s);
	}
}

/* A record that was in the way of a resynchronisation, from another place or time. */
static void a_number_that_cannot_be_is_not_believed(void **state)
{
	struct bytes_case *c = *state;
	char far[SEGMENT_RECORD_BYTES + 3];
	struct stream_record r = {"tick", SLICE("far"), NOON};
	static const int64_t numbers[] = {8, 5, 1, 0, -1, INT64_MAX, INT64_MIN};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		char bytes[1024];
		memcpy(bytes, c->whole.data, c->starts[5]);
		segment_encode(far, &r);
		segment_stamp(far, sizeof(far), numbers[i], NOON);
		memset(bytes + c->starts[5], 'x', SEGMENT_RECORD_BYTES);
		memcpy(bytes + c->starts[5] + SEGMENT_RECORD_BYTES, far, sizeof(far));
		begin_with(c, c->path, bytes, c->starts[5] + SEGMENT_RECORD_BYTES + sizeof(far));
		struct delivery_stream *s = open_case(c, SPOOL_APPEND);
		assert_tail(s, "1:one 2:two 3:three 4:four 5:five ");
		assert_int_equal(append(s, "six"), 6);
		assert_string_equal(c->notes.data, "spool_torn\n");
		delivery_stream_free(s);
	}
}

static void another_version_is_refused_and_left_alone(void **state)
{
	struct bytes_case *c = *state;
	AUTO_FREE char *sealed =
		path_in(c->dir, "00000000000000000001-00000000000000000005.sealed");
	char bytes[1024];
	memcpy(bytes, c->whole.data, c->whole.len);
	bytes[8] = 2;
	uint32_t crc = crc32c(bytes, 28);
	for (int i = 0; i < 4; i++)
		bytes[28 + i] = (char)(crc >> 8 * i);
	for (int i = 0; i < 2; i++) {
		const char *path = i ? sealed : c->path;
		begin_with(c, path, bytes, c->whole.len);
		struct delivery_stream *s = NULL;
		struct err e = ERR_INIT;
		c->options.mode = SPOOL_APPEND;
		c->options.name = "bitcoin";
		c->options.clock = &clock_system;
		assert_int_equal(delivery_stream_spool_open(&c->options, &s, &e), ERR_INPUT);
		assert_string_equal(e.where, path);
		AUTO_BUF struct buf after = read_whole(path);
		assert_int_equal(after.len, c->whole.len);
		assert_memory_equal(after.data, bytes, after.len);
	}
}

/* Any bytes at all: nothing is believed that has no CRC, and the spool goes on. */
static void random_damage_never_stops_it(void **state)
{
	struct bytes_case *c = *state;
	uint64_t random = 88172645463325252ULL;
	for (int round = 0; round < 400; round++) {
		char bytes[1024];
		size_t n = c->whole.len;
		memcpy(bytes, c->whole.data, n);
		for (int hits = 0; hits < 6; hits++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			size_t at = (size_t)(random >> 8) % n, length = random % 40;
			size_t from = (size_t)(random >> 32) % n;
			for (size_t i = 0; i < length && at + i < n && from + i < n; i++)
				bytes[at + i] = bytes[from + i];
		}
		begin_with(c, c->path, bytes, n);
		struct delivery_stream *s = open_case(c, SPOOL_APPEND);
		int64_t seq = append(s, "new");
		assert_in_range(seq, 1, 6);
		AUTO_FREE char *text = tail_text(s, seq - 1);
		AUTO_BUF struct buf expected = {0};
		buf_printf(&expected, "%lld:new ", (long long)seq);
		assert_string_equal(text, expected.data);
		delivery_stream_free(s);
	}
}

/* -- clocks ------------------------------------------------------------------------------------ */

struct two_clocks {
	struct clock clock;
	int64_t wall, monotonic;
};

static int64_t wall_us(struct clock *c)
{
	return ((struct two_clocks *)c)->wall;
}

static int64_t monotonic_us(struct clock *c)
{
	return ((struct two_clocks *)c)->monotonic;
}

static void sleep_us(struct clock *c, int64_t us)
{
	((struct two_clocks *)c)->monotonic += us;
	((struct two_clocks *)c)->wall += us;
}

static const struct clock_ops two_ops = {wall_us, monotonic_us, sleep_us};

static void a_clock_that_is_set_changes_no_age(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct two_clocks clock = {{&two_ops}, NOON, 5 * SECOND};
	struct delivery_stream *s = open_options((struct spool_options){
		.dir = dir, .mode = SPOOL_APPEND, .clock = &clock.clock, .age_us = 10 * SECOND});
	struct err e = ERR_INIT;
	append(s, "a");
	clock.wall += 24 * HOUR;
	must(delivery_stream_seal(s, false, &e), &e);
	assert_next(s, "");
	append(s, "b");
	clock.wall -= 48 * HOUR;
	append(s, "c");
	clock.monotonic += 9 * SECOND;
	must(delivery_stream_seal(s, false, &e), &e);
	assert_next(s, "");
	clock.monotonic += 1 * SECOND;
	must(delivery_stream_seal(s, false, &e), &e);
	assert_next(s, "1:a 2:b 3:c ");
	/* After a death the age is unknown, and what is left is sealed at once. */
	append(s, "d");
	delivery_stream_free(s);
	clock.monotonic = 0;
	s = open_options((struct spool_options){
		.dir = dir, .mode = SPOOL_APPEND, .clock = &clock.clock, .age_us = 10 * SECOND});
	assert_next(s, "1:a 2:b 3:c 4:d ");
	append(s, "e");
	clock.monotonic = -3 * SECOND;
	must(delivery_stream_seal(s, false, &e), &e);
	assert_next(s, "1:a 2:b 3:c 4:d 5:e ");
	delivery_stream_free(s);
}

/* -- limits ------------------------------------------------------------------------------------ */

static void the_limit_holds_until_something_is_forgotten(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct delivery_stream *s = open_options((struct spool_options){
		.dir = dir, .mode = SPOOL_APPEND, .segment_bytes = 500, .limit_bytes = 2110});
	struct delivery_stream *deliverer = open_spool(dir, SPOOL_DELIVER);
	struct err e = ERR_INIT;
	char body[101] = {0};
	memset(body, 'x', 100);
	int64_t seq = 0, before;
	while (append_body(s, body, &seq, &e) == OK)
		assert_true(seq < 20);
	before = seq;
	assert_int_equal(e.code, ERR_LIMIT);
	/* the newest sealed one does not count: 500 bytes and the record that passed them */
	assert_true(status_of(s).bytes <= 2110 + 500 + 130);
	assert_false(status_of(s).failed);
	assert_int_equal(append(s, "a"), before + 1);
	assert_int_equal(append_body(s, body, &seq, &e), ERR_LIMIT);
	must(delivery_stream_forget(deliverer, 4, &e), &e);
	assert_int_equal(append(s, body), before + 2);
	AUTO_FREE char *big = mem_alloc(2200);
	memset(big, 'x', 2199);
	assert_int_equal(append_body(s, big, &seq, &e), ERR_INPUT);
	/* to the byte: header, record and body are the limit, and one more is too much */
	big[2110 - SEGMENT_HEADER_BYTES - SEGMENT_RECORD_BYTES] = '\0';
	must(delivery_stream_forget(deliverer, before + 2, &e), &e);
	assert_int_equal(status_of(s).last_seq, before + 2);
	delivery_stream_free(deliverer);
	delivery_stream_free(s);
}

/* The newest segment is kept for its number: as large as the limit, it would keep everything out for ever. */
static void what_is_delivered_keeps_nothing_out(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct delivery_stream *s = open_options((struct spool_options){
		.dir = dir, .mode = SPOOL_APPEND, .segment_bytes = 2000, .limit_bytes = 2110});
	struct delivery_stream *deliverer = open_spool(dir, SPOOL_DELIVER);
	struct err e = ERR_INIT;
	char body[101] = {0};
	memset(body, 'x', 100);
	for (int64_t round = 0, seq = 0; round < 5; round++) {
		int64_t before = seq;
		while (append_body(s, body, &seq, &e) == OK && seq < before + 14)
			;
		assert_true(seq > before + 10);
		must(delivery_stream_seal(s, true, &e), &e);
		must(delivery_stream_forget(deliverer, seq, &e), &e);
	}
	delivery_stream_free(deliverer);
	delivery_stream_free(s);
}

static void segments_end_at_their_size(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct delivery_stream *s = open_options(
		(struct spool_options){.dir = dir, .mode = SPOOL_APPEND, .segment_bytes = 1000});
	char body[101] = {0};
	memset(body, 'x', 100);
	for (int i = 0; i < 60; i++)
		append(s, body);
	struct stream_segment segment;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = {0};
	int64_t after = 0, segments = 0;
	while (delivery_stream_next(s, after, write_down, &out, &segment, &e) == OK) {
		assert_int_equal(segment.first, after + 1);
		assert_int_equal(segment.records, 7);
		assert_in_range(segment.bytes, 1000, 1300);
		after = segment.last;
		segments++;
	}
	assert_int_equal(segments, 8);
	delivery_stream_free(s);
}

static void an_empty_spool_begins_behind_what_is_delivered(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct spool_options o = {.dir = dir, .mode = SPOOL_APPEND, .after = 41};
	struct delivery_stream *s = open_options(o);
	assert_int_equal(append(s, "a"), 42);
	delivery_stream_free(s);
	/* What is in it counts, and nothing else. */
	o.after = 1000;
	s = open_options(o);
	assert_int_equal(append(s, "b"), 43);
	struct err e = ERR_INIT;
	must(delivery_stream_seal(s, true, &e), &e);
	AUTO_FREE char *text = next_text(s, 41);
	assert_string_equal(text, "42:a 43:b ");
	delivery_stream_free(s);
}

static int64_t life_of(struct delivery_stream *s)
{
	struct stream_status status;
	struct err e = ERR_INIT;
	must(delivery_stream_status(s, &status, &e), &e);
	return status.life;
}

static void a_spool_knows_which_stream_it_is(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "life");
	struct err e = ERR_INIT;
	struct spool_options o = {.dir = dir, .mode = SPOOL_APPEND};
	struct delivery_stream *s = open_spool(dir, SPOOL_READ);
	assert_int_equal(life_of(s), 0);
	delivery_stream_free(s);
	s = open_options(o);
	int64_t first = life_of(s);
	assert_true(first > 0);
	delivery_stream_free(s);
	s = open_options(o);
	assert_int_equal(life_of(s), first);
	delivery_stream_free(s);
	/* Nothing is in it yet: it goes on with another one. */
	o.life = 77;
	s = open_options(o);
	assert_int_equal(life_of(s), 77);
	append(s, "a");
	delivery_stream_free(s);
	o.life = 78;
	s = open_options(o);
	assert_int_equal(life_of(s), 77);
	delivery_stream_free(s);
	s = open_spool(dir, SPOOL_DELIVER);
	assert_int_equal(life_of(s), 77);
	delivery_stream_free(s);
	static const char *const wrong[] = {"",     "no number\n",        "000000000000004D\n",
					    "4d\n", "0000000000000000\n", "ffffffffffffffff\n"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(unlink(path), 0);
		must(file_create(path, wrong[i], strlen(wrong[i]), false, &e), &e);
		o.name = "bitcoin";
		o.clock = &clock_system;
		assert_int_equal(delivery_stream_spool_open(&o, &s, &e), ERR_INPUT);
		assert_string_equal(e.where, path);
	}
}

/* -- modes ------------------------------------------------------------------------------------- */

static void each_mode_does_what_it_may(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *missing = path_in(dir, "not/there");
	struct err e = ERR_INIT;
	int64_t seq;
	for (int i = 0; i < 2; i++) {
		enum spool_mode mode = i ? SPOOL_DELIVER : SPOOL_READ;
		struct delivery_stream *s = open_spool(missing, mode);
		assert_tail(s, "");
		assert_next(s, "");
		assert_int_equal(status_of(s).last_seq, 0);
		assert_int_equal(append_body(s, "a", &seq, &e), ERR_BUG);
		assert_int_equal(delivery_stream_seal(s, true, &e), i ? OK : ERR_BUG);
		assert_int_equal(delivery_stream_forget(s, 1, &e), i ? OK : ERR_BUG);
		delivery_stream_free(s);
		assert_int_not_equal(access(missing, F_OK), 0);
	}
	struct delivery_stream *writer = open_spool(missing, SPOOL_APPEND);
	struct delivery_stream *deliverer = open_spool(missing, SPOOL_DELIVER);
	append(writer, "a");
	seal_now(deliverer);
	assert_next(deliverer, "");
	assert_tail(deliverer, "1:a ");
	assert_int_equal(status_of(deliverer).last_seq, 1);
	assert_int_equal(append(writer, "b"), 2);
	delivery_stream_free(writer);
	must(delivery_stream_seal(deliverer, false, &e), &e);
	assert_next(deliverer, "1:a 2:b ");
	delivery_stream_free(deliverer);
	writer = open_spool(missing, SPOOL_APPEND);
	assert_int_equal(append(writer, "c"), 3);
	delivery_stream_free(writer);
}

/* -- reading beside a writer ------------------------------------------------------------------- */

struct beside {
	struct delivery_stream *stream;
	atomic_int_least64_t acknowledged;
	atomic_bool stop;
};

static void *keep_appending(void *arg)
{
	struct beside *b = arg;
	char body[200] = {0};
	memset(body, 'y', 150);
	struct stream_record records[3];
	for (int i = 0; i < 3; i++)
		records[i] = (struct stream_record){"tick", {body, (size_t)(20 + 50 * i)}, NOON};
	while (!atomic_load(&b->stop)) {
		struct err e = ERR_INIT;
		int64_t first;
		must(delivery_stream_append(b->stream, records, 3, &first, &e), &e);
		atomic_store(&b->acknowledged, first + 2);
	}
	return NULL;
}

static int follow(void *ctx, const struct stream_entry *entry, struct err *e)
{
	int64_t *last = ctx;
	assert_int_equal(entry->seq, *last + 1);
	*last = entry->seq;
	return 0;
}

/* Through another handle, as another process would: every record that was acknowledged before the
 * reading began, without a hole, though segments are sealed all the time. */
static void a_reader_misses_nothing_while_it_is_written(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct beside b = {0};
	b.stream = open_options(
		(struct spool_options){.dir = dir, .mode = SPOOL_APPEND, .segment_bytes = 20000});
	struct delivery_stream *readers[] = {open_spool(dir, SPOOL_READ),
					     open_spool(dir, SPOOL_DELIVER), b.stream};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, keep_appending, &b), 0);
	int64_t mark = 0;
	for (int i = 0; i < 600; i++) {
		struct delivery_stream *reader = readers[i % 3];
		struct err e = ERR_INIT;
		int64_t before = atomic_load(&b.acknowledged), last = mark;
		must(delivery_stream_tail(reader, mark, follow, &last, &e), &e);
		assert_true(last >= before);
		if (i % 10 == 9 && before > 2000) {
			mark = before - 1000;
			must(delivery_stream_forget(readers[1], mark, &e), &e);
		}
	}
	atomic_store(&b.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(status_of(b.stream).damaged, 0);
	for (int i = 0; i < 3; i++)
		delivery_stream_free(readers[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_the_one_of_the_rfc),
		CASE(a_tail_torn_at_any_byte_is_cut),
		CASE(a_flipped_byte_costs_its_record_alone),
		CASE(the_end_of_a_sealed_segment_is_missed),
		CASE(a_segment_without_a_good_record_is_passed_over),
		CASE(a_record_inside_a_body_is_none),
		CASE(a_number_that_cannot_be_is_not_believed),
		CASE(another_version_is_refused_and_left_alone),
		CASE(random_damage_never_stops_it),
		cmocka_unit_test(a_clock_that_is_set_changes_no_age),
		cmocka_unit_test(the_limit_holds_until_something_is_forgotten),
		cmocka_unit_test(what_is_delivered_keeps_nothing_out),
		cmocka_unit_test(segments_end_at_their_size),
		cmocka_unit_test(an_empty_spool_begins_behind_what_is_delivered),
		cmocka_unit_test(a_spool_knows_which_stream_it_is),
		cmocka_unit_test(each_mode_does_what_it_may),
		cmocka_unit_test(a_reader_misses_nothing_while_it_is_written),
	};
	return RUN_TESTS("spool");
}
