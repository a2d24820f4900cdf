/* The backup's run and verify: nothing is copied twice or lost, whatever fails or dies; workers really work at the
 * same time; no copy is ever overwritten; retention is never shorter than asked. */
#include "backup_lake.h"

static void copies_what_messages_tell_of(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 21, 25, 0}, 1, true);
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 11, 20, 0}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_GAP, 14, 26, 26, 0}, 0, true);
	assert_int_equal(relay(&b), 4);
	assert_int_equal(status(&b).waiting, 4);
	run(&b, false);
	assert_int_equal(b.result.copied, 4);
	assert_int_equal(b.result.failed + b.result.unchanged + b.result.gone, 0);
	struct backup_status s = status(&b);
	assert_int_equal(s.live, 4);
	assert_int_equal(s.copied, 4);
	assert_int_equal(s.waiting + s.in_flight + s.dead, 0);
	assert_int_equal(s.copied_bytes, b.result.bytes);
	assert_true(s.last_us > 0);
	assert_string_equal(verify(&b), "");
	/* Nothing new: nothing happens. Old messages again: nothing changes. */
	const char *before = tree(&b, "copies");
	assert_null(strstr(before, "scratch/"));
	run(&b, true);
	assert_int_equal(b.result.copied + b.result.unchanged, 0);
	assert_int_equal(relay(&b), 0);
	const char *key = key_of(&b, BITCOIN_TICK, 13, 1, 10);
	struct slice again = slice_of(arena_printf(
		b.arena,
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"%s\"}}},"
		"{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/x.parquet\"}}}]}",
		key));
	GOOD(queue_send(b.queue, &again, 1, &e));
	run(&b, false);
	assert_int_equal(b.result.unchanged, 1);
	assert_int_equal(b.result.gone, 1);
	assert_string_equal(tree(&b, "copies"), before);
	/* The manifest says all that a restore needs. */
	struct buf text = {0};
	GOOD(file_read(in(&b, arena_printf(b.arena, "copies/manifest/%s.json", key)), 65536, &text,
		       &e));
	assert_non_null(strstr(text.data, "\"first\":1,"));
	assert_non_null(strstr(text.data, "\"last\":10,"));
	assert_non_null(strstr(text.data, "\"rows\":10,"));
	assert_non_null(strstr(text.data, "\"scope\":\"date=2024-08-08/hour=13\""));
	assert_non_null(strstr(text.data, "\"landed_on\":\"2024-08-08\""));
	buf_free(&text);
}

static void what_a_merge_replaced_is_gone(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 11, 20, 0}, 1, true);
	relay(&b);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 20, 0}, 0, false);
	relay(&b);
	run(&b, false);
	assert_int_equal(b.result.gone, 2);
	assert_int_equal(b.result.copied, 1);
	assert_int_equal(stats_of(&b).visible + stats_of(&b).in_flight, 0);
	assert_string_equal(verify(&b), "");
}

static void a_lost_message_is_made_up_for(void **state)
{
	BENCH;
	publish_many(&b, 30);
	run(&b, false);
	assert_int_equal(b.result.copied, 0);
	b.backup.dry_run = true;
	run(&b, true);
	assert_int_equal(b.result.copied, 30);
	assert_int_equal(status(&b).copied, 0);
	b.backup.dry_run = false;
	run(&b, true);
	assert_int_equal(b.result.copied, 30);
	assert_string_equal(verify(&b), "");
}

static void verify_finds_what_is_wrong(void **state)
{
	BENCH;
	const char *k[6];
	for (int i = 0; i < 6; i++) {
		publish_rows(&b, (struct rows){BITCOIN_TICK, i, i * 10 + 1, i * 10 + 10, 100}, 0,
			     true);
		k[i] = key_of(&b, BITCOIN_TICK, i, i * 10 + 1, i * 10 + 10);
	}
	run(&b, true);
	assert_string_equal(verify(&b), "");
	flip(&b, arena_printf(b.arena, "copies/data/%s", k[0]));
	overwrite(&b, arena_printf(b.arena, "copies/data/%s", k[1]), "short");
	assert_int_equal(unlink(in(&b, arena_printf(b.arena, "copies/data/%s", k[2]))), 0);
	assert_int_equal(unlink(in(&b, arena_printf(b.arena, "copies/manifest/%s.json", k[3]))), 0);
	overwrite(&b, arena_printf(b.arena, "copies/manifest/%s.json", k[4]), "{\"key\":1}");
	assert_string_equal(
		verify(&b),
		arena_printf(b.arena, "hash %s\nsize %s\nmissing %s\nnot_copied %s\nmanifest %s\n",
			     k[0], k[1], k[2], k[3], k[4]));
	/* What is missing is made again; damage stays to be seen, and is told. */
	run(&b, true);
	assert_int_equal(b.result.copied, 2);
	assert_int_equal(b.result.failed, 0);
	assert_string_equal(verify(&b), arena_printf(b.arena, "hash %s\nsize %s\nmanifest %s\n",
						     k[0], k[1], k[4]));
}

static void a_copy_is_never_overwritten(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 100}, 0, true);
	const char *key = key_of(&b, BITCOIN_TICK, 13, 1, 10);
	const char *copy = arena_printf(b.arena, "copies/data/%s", key);
	GOOD(file_mkdirs(in(&b, "copies/data/raw/bitcoin_ticks/date=2024-08-08/hour=13"), false,
			 &e));
	overwrite(&b, copy, "somebody else's");
	relay(&b);
	run(&b, true);
	assert_int_equal(b.result.failed, 1);
	assert_non_null(strstr(b.result.first_error, key));
	assert_int_equal(stats_of(&b).dead, 1);
	struct queue_message m;
	size_t n;
	GOOD(queue_peek(b.queue, true, 1, b.arena, &m, &n, &e));
	assert_non_null(strstr(m.last_error, "another object of this name"));
	struct buf text = {0};
	GOOD(file_read(in(&b, copy), 100, &text, &e));
	assert_string_equal(text.data, "somebody else's");
	buf_free(&text);
	/* Out of the way, the dead letter is sent again and works. */
	assert_int_equal(unlink(in(&b, copy)), 0);
	int64_t redriven;
	GOOD(queue_redrive(b.queue, NULL, &redriven, &e));
	run(&b, false);
	assert_int_equal(b.result.copied, 1);
	assert_string_equal(verify(&b), "");
}

static void poison_dies_where_it_is_seen(void **state)
{
	BENCH;
	static const char *const bad[] = {"not json", "{}", "{\"Records\":[{\"eventName\":7}]}"};
	publish_many(&b, 5);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct slice s = slice_of(bad[i]);
		GOOD(queue_send(b.queue, &s, 1, &e));
	}
	relay(&b);
	run(&b, true);
	assert_int_equal(b.result.copied, 5);
	assert_int_equal(b.result.failed, 3);
	struct queue_stats s = stats_of(&b);
	assert_int_equal(s.dead, 3);
	assert_int_equal(s.visible + s.in_flight, 0);
}

static void damage_in_the_lake_is_not_copied(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 100}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 14, 11, 20, 100}, 0, true);
	overwrite(&b, arena_printf(b.arena, "lake/%s", key_of(&b, BITCOIN_TICK, 13, 1, 10)),
		  "cut off");
	assert_int_equal(unlink(in(&b, arena_printf(b.arena, "lake/%s",
						    key_of(&b, BITCOIN_TICK, 14, 11, 20)))),
			 0);
	run(&b, true);
	assert_int_equal(b.result.copied, 0);
	assert_int_equal(b.result.failed, 2);
	assert_string_equal(tree(&b, "copies"), "");
}

/* -- failure and death ------------------------------------------------------------------------- */

static void each_call_of_the_store_may_fail(void **state)
{
	static const int codes[] = {ERR_RETRY, ERR_IO};
	for (size_t c = 0; c < ARRAY_LEN(codes); c++)
		for (int64_t nth = 1; nth < 100; nth++) {
			struct bench b CLEANUP(bench_clear) = {.folder = NULL};
			const struct bench_options o = {
				.to = {.nth = nth, .code = codes[c], .reads = true},
				.max_receives = 5};
			bench_open(&b, NULL, &o);
			publish_many(&b, 2);
			relay(&b);
			b.backup.workers = 1;
			struct err err = ERR_INIT;
			GOOD(catalog_mark_set(b.backup.catalog, "replay:a recording", 7, &e));
			int rc = backup_run(&b.backup, true, &b.result, &err);
			/* What may work at once is tried again at once. */
			if (codes[c] == ERR_RETRY)
				assert_int_equal(rc + b.result.failed, 0);
			bool fired = object_store_fault_counts(b.to).calls >= nth;
			if (rc == OK)
				assert_int_equal(b.result.copied + b.result.failed, 2);
			char *folder = mem_strdup(b.folder);
			int64_t now = b.clock.now;
			bench_close(&b);
			bench_open(&b, folder, NULL);
			free(folder);
			b.clock.now = now + INT64_C(700000000);
			run(&b, true);
			assert_int_equal(b.result.failed, 0);
			assert_string_equal(verify(&b), "");
			assert_null(strstr(tree(&b, "copies"), "scratch/"));
			assert_int_equal(stats_of(&b).dead + stats_of(&b).visible, 0);
			if (!fired)
				break;
		}
}

/* Runs fn in a process of its own, which dies at the step; whether it did. */
static bool dies(const char *folder, int at, void (*fn)(struct bench *))
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct bench b;
		const struct bench_options o = {.to = {.reads = true, .step = step},
						.from = {.step = step},
						.stepping = true};
		in_child = true;
		bench_open(&b, folder, &o);
		atomic_store(&step_count, 0);
		die_at = at;
		b.backup.workers = 2;
		fn(&b);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
	return WEXITSTATUS(status) == DIED;
}

static void back_up(struct bench *b)
{
	GOOD(backup_run(&b->backup, true, &b->result, &e));
}

static void each_call_may_be_the_last(void **state)
{
	int deaths = 0;
	for (int at = 1; at < 1000; at += 1 + at / 8) {
		BENCH;
		publish_many(&b, 12);
		relay(&b);
		char *folder = mem_strdup(b.folder);
		b.clock.now = 0;
		bench_close(&b);
		bool died = dies(folder, at, back_up);
		bench_open(&b, folder, NULL);
		free(folder);
		deaths += died;
		/* At once, while the dead one's messages are still hidden, and again when they are not. */
		run(&b, true);
		assert_int_equal(b.result.failed, 0);
		assert_string_equal(verify(&b), "");
		assert_null(strstr(tree(&b, "copies"), "scratch/"));
		b.clock.now += INT64_C(100000000);
		run(&b, true);
		assert_int_equal(b.result.copied + b.result.failed, 0);
		assert_int_equal(stats_of(&b).visible + stats_of(&b).in_flight + stats_of(&b).dead,
				 0);
		if (!died)
			break;
	}
	assert_true(deaths > 15);
}

static void a_dead_store_costs_no_messages(void **state)
{
	struct bench b CLEANUP(bench_clear) = {.folder = NULL};
	const struct bench_options o = {
		.to = {.nth = 1, .code = ERR_IO, .reads = true, .from_then_on = true}};
	bench_open(&b, NULL, &o);
	publish_many(&b, 100);
	relay(&b);
	struct err err = ERR_INIT;
	assert_int_equal(backup_run(&b.backup, true, &b.result, &err), ERR_IO);
	assert_true(b.result.failed < 30);
	struct queue_message m[100];
	size_t n, touched = 0;
	GOOD(queue_peek(b.queue, false, 100, b.arena, m, &n, &e));
	assert_int_equal(n, 100);
	for (size_t i = 0; i < n; i++)
		touched += m[i].receives > 0;
	assert_true(touched < 60);
}

static atomic_bool stop;
static void stop_soon(void *ctx, int64_t done, int64_t total, int64_t bytes)
{
	if (done >= 5)
		atomic_store(&stop, true);
}

static void stops_between_objects(void **state)
{
	BENCH;
	publish_many(&b, 60);
	relay(&b);
	atomic_store(&stop, false);
	b.backup.stop = &stop;
	b.backup.progress = stop_soon;
	run(&b, true);
	assert_in_range(b.result.copied, 5, 20);
	/* The rest can be had at once. */
	assert_int_equal(stats_of(&b).visible, 60 - b.result.copied);
	assert_int_equal(stats_of(&b).in_flight, 0);
	atomic_store(&stop, false);
	b.backup.progress = NULL;
	int64_t before = b.result.copied;
	run(&b, false);
	assert_int_equal(b.result.copied, 60 - before);
}

/* -- at the same time -------------------------------------------------------------------------- */

static struct object_store_fault_counts overlap(int workers, int objects, int64_t latency_us)
{
	struct bench b CLEANUP(bench_clear) = {.folder = NULL};
	const struct bench_options o = {.to = {.latency_us = latency_us}};
	bench_open(&b, NULL, &o);
	publish_many(&b, objects);
	relay(&b);
	b.backup.workers = workers;
	run(&b, false);
	assert_int_equal(b.result.copied, objects);
	struct object_store_fault_counts counts = object_store_fault_counts(b.to);
	assert_string_equal(verify(&b), "");
	return counts;
}

static void workers_wait_for_the_store_together(void **state)
{
	assert_int_equal(overlap(1, 10, 100).most_at_once, 1);
	struct object_store_fault_counts counts = overlap(16, 200, 5000);
	assert_true(counts.most_at_once >= 12);
	/* Manifest looked for, put, read back, manifest put: no call that could be spared. */
	assert_int_equal(counts.calls, 4 * 200);
}

static void messages_stay_hidden_while_they_are_worked_on(void **state)
{
	struct bench b CLEANUP(bench_clear) = {.folder = NULL};
	const struct bench_options o = {.to = {.latency_us = 100000}, .max_receives = 100};
	bench_open(&b, NULL, &o);
	/* Real time: the queue and the heartbeat must mean the same. */
	queue_free(b.queue);
	GOOD(queue_sqlite_open(in(&b, "queue"), "backup", 100, &clock_system, &b.queue, &e));
	b.backup.queue = b.queue;
	b.backup.clock = &clock_system;
	b.backup.visibility_us = 250000;
	publish_many(&b, 12);
	relay(&b);
	run(&b, false);
	/* Received again it would have been found unchanged. */
	assert_int_equal(b.result.copied, 12);
	assert_int_equal(b.result.unchanged, 0);
	assert_int_equal(stats_of(&b).visible + stats_of(&b).in_flight, 0);
}

static void large_objects_go_in_pieces(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, (size_t)9 << 20}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 14, 11, 20, (size_t)4 << 20}, 0, true);
	run(&b, true);
	assert_int_equal(b.result.copied, 2);
	assert_string_equal(verify(&b), "");
	/* Head to tail: a source in three and a copy in three, a source in two and a copy in two. */
	assert_true(object_store_fault_counts(b.from).calls >= 2 + 5);
}

/* -- retention --------------------------------------------------------------------------------- */

/* Two files become one; all three have copies. */
static void make_left(struct bench *b)
{
	publish_rows(b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	publish_rows(b, (struct rows){BITCOIN_TICK, 13, 11, 20, 0}, 1, true);
	run(b, true);
	publish_rows(b, (struct rows){BITCOIN_TICK, 13, 1, 20, 0}, 0, false);
	b->backup.retention_us = 7 * DAY_US;
	/* The files' own times go on while the fake clock stands. */
	b->clock.now += INT64_C(60000000);
	run(b, true);
	assert_int_equal(b->result.copied, 1);
	assert_int_equal(b->result.expired, 0);
	assert_int_equal(status(b).copies, 3);
}

static int64_t expired(struct bench *b)
{
	run(b, true);
	assert_int_equal(b->result.failed, 0);
	return b->result.expired;
}

static void copies_of_what_left_are_kept_as_long_as_asked(void **state)
{
	BENCH;
	make_left(&b);
	for (int day = 1; day <= 8; day++) {
		b.clock.now += DAY_US;
		assert_int_equal(expired(&b), 0);
	}
	b.clock.now += DAY_US;
	assert_int_equal(expired(&b), 2);
	assert_int_equal(status(&b).copies, 1);
	assert_string_equal(verify(&b), "");
	assert_null(strstr(tree(&b, "copies"), "left/"));
}

static void zero_is_for_ever(void **state)
{
	BENCH;
	make_left(&b);
	b.backup.retention_us = 0;
	b.clock.now += 4000 * DAY_US;
	assert_int_equal(expired(&b), 0);
	b.clock.now += 4000 * DAY_US;
	assert_int_equal(expired(&b), 0);
}

static void a_wrong_clock_shortens_nothing(void **state)
{
	BENCH;
	make_left(&b);
	int64_t began = b.clock.now;
	/* Ten years ahead for a moment, twice within a day. */
	b.clock.now = began + 3650 * DAY_US;
	assert_int_equal(expired(&b), 0);
	b.clock.now += DAY_US / 2;
	assert_int_equal(expired(&b), 0);
	/* Right again: it was never due. */
	b.clock.now = began + 2 * DAY_US;
	assert_int_equal(expired(&b), 0);
	/* A day ahead from here on, for good. */
	for (int half = 4; half < 14; half++) {
		b.clock.now = began + half * DAY_US / 2 + DAY_US;
		assert_int_equal(expired(&b), 0);
	}
	/* A year back: nothing. */
	b.clock.now = began - 365 * DAY_US;
	assert_int_equal(expired(&b), 0);
	assert_int_equal(status(&b).copies, 3);
}

static void a_clock_of_before_is_not_believed(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	run(&b, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 20, 0}, 0, false);
	b.backup.retention_us = 7 * DAY_US;
	/* Seen to have left by a clock that stands in 1990; then it is put right. */
	int64_t now = b.clock.now;
	b.clock.now = 20 * 365 * DAY_US;
	assert_int_equal(expired(&b), 0);
	b.clock.now = now + DAY_US;
	assert_int_equal(expired(&b), 0);
	b.clock.now += 2 * DAY_US;
	assert_int_equal(expired(&b), 0);
	assert_int_equal(status(&b).copies, 2);
}

static void what_is_lost_is_never_expired(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 14, 11, 20, 0}, 0, true);
	run(&b, true);
	/* A catalog that knows nothing, as after state/ was lost. */
	catalog_free(b.catalog);
	GOOD(catalog_sqlite_open(NULL, &b.clock.clock, false, &b.catalog, &e));
	GOOD(catalog_put_tables(b.catalog, bitcoin_tables, BITCOIN_KINDS, &e));
	b.backup.catalog = b.catalog;
	b.backup.retention_us = DAY_US;
	for (int day = 0; day < 5; day++) {
		b.clock.now += 10 * DAY_US;
		assert_int_equal(expired(&b), 0);
	}
	assert_int_equal(status(&b).copies, 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_what_messages_tell_of),
		cmocka_unit_test(what_a_merge_replaced_is_gone),
		cmocka_unit_test(a_lost_message_is_made_up_for),
		cmocka_unit_test(verify_finds_what_is_wrong),
		cmocka_unit_test(a_copy_is_never_overwritten),
		cmocka_unit_test(poison_dies_where_it_is_seen),
		cmocka_unit_test(damage_in_the_lake_is_not_copied),
		cmocka_unit_test(each_call_of_the_store_may_fail),
		cmocka_unit_test(each_call_may_be_the_last),
		cmocka_unit_test(a_dead_store_costs_no_messages),
		cmocka_unit_test(stops_between_objects),
		cmocka_unit_test(workers_wait_for_the_store_together),
		cmocka_unit_test(messages_stay_hidden_while_they_are_worked_on),
		cmocka_unit_test(large_objects_go_in_pieces),
		cmocka_unit_test(copies_of_what_left_are_kept_as_long_as_asked),
		cmocka_unit_test(zero_is_for_ever),
		cmocka_unit_test(a_wrong_clock_shortens_nothing),
		cmocka_unit_test(a_clock_of_before_is_not_believed),
		cmocka_unit_test(what_is_lost_is_never_expired),
	};
	return RUN_TESTS("backup");
}
