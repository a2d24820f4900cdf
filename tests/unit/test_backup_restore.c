/* Restoring: an empty lake, one that lost objects, one that was merged since; equal to the last byte and row, whatever
 * dies on the way; damage is told, never restored. */
#include "backup_lake.h"

static struct backup_restored restored;

static void restore(struct bench *b)
{
	GOOD(backup_restore(&b->backup, &b->publish, &restored, &e));
}

/* publish_rows gives the partition the properties of one file; the second one of an hour has both. */
static void whole(struct bench *b, enum bitcoin_kind kind, int hour, struct rows r, int64_t rows,
		  int64_t first)
{
	struct publish_session *s;
	int64_t version;
	const struct table_def *table = bitcoin_tables[kind];
	GOOD(publish_begin(&b->publish, &table, 1, &s, &e));
	struct publish_file file = staged(b, s, kind, hour, r.first, r.last, r.bytes);
	struct catalog_scope scope = {.scope = scope_of(b, hour),
				      .properties = properties(b, kind, rows, first, r.last)};
	const struct publish_change change = {.table = table,
					      .scopes = &scope,
					      .scope_count = 1,
					      .files = &file,
					      .file_count = 1,
					      .append = true};
	GOOD(publish_replace(s, &change, 1, NULL, 0, &version, &e));
	publish_end(s);
}

/* A lake of five files in three partitions, backed up. */
static void make(struct bench *b)
{
	publish_rows(b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	publish_rows(b, (struct rows){BITCOIN_TRADE, 13, 11, 20, 0}, 0, true);
	run(b, true);
	whole(b, BITCOIN_TRADE, 13, (struct rows){0, 0, 21, 30, 5000}, 20, 11);
	publish_rows(b, (struct rows){BITCOIN_TRADE, 9, 31, 40, 0}, 0, true);
	publish_rows(b, (struct rows){BITCOIN_GAP, 13, 41, 41, 0}, 0, true);
	run(b, true);
	assert_int_equal(b->result.failed, 0);
}

/* The same backup, another lake. */
static void empty_lake(struct bench *b)
{
	object_store_free(b->from);
	catalog_free(b->catalog);
	assert_int_equal(file_remove_tree(in(b, "lake"), NULL), OK);
	b->from = open_store(b, "lake", &(struct object_store_fault){.nth = 0});
	GOOD(catalog_sqlite_open(in(b, "lake/state"), &b->clock.clock, false, &b->catalog, &e));
	GOOD(catalog_put_tables(b->catalog, bitcoin_tables, BITCOIN_KINDS, &e));
	b->backup.from = b->publish.store = b->from;
	b->backup.catalog = b->publish.catalog = b->catalog;
}

static int64_t mark(struct bench *b)
{
	int64_t value;
	GOOD(catalog_mark_get(b->catalog, DELIVER_MARK, &value, &e));
	return value;
}

static void an_empty_lake_becomes_the_same(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 11, 20, 0}, 0, true);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	run(&b, true);
	whole(&b, BITCOIN_TRADE, 13, (struct rows){0, 0, 21, 30, 5000}, 20, 11);
	publish_rows(&b, (struct rows){BITCOIN_GAP, 0, 41, 41, 0}, 0, true);
	run(&b, true);
	const char *files = tree(&b, "lake"), *catalog = catalog_text(&b);
	empty_lake(&b);
	b.backup.dry_run = true;
	restore(&b);
	assert_int_equal(restored.objects, 4);
	assert_string_equal(tree(&b, "lake"), "");
	b.backup.dry_run = false;
	restore(&b);
	assert_int_equal(restored.objects, 4);
	assert_int_equal(restored.rows, 31);
	assert_int_equal(restored.failed + restored.present + restored.unproven, 0);
	assert_string_equal(tree(&b, "lake"), files);
	assert_string_equal(catalog_text(&b), catalog);
	assert_int_equal(mark(&b), 41);
	assert_string_equal(verify(&b), "");
	/* Once more: nothing to do. */
	restore(&b);
	assert_int_equal(restored.objects, 0);
	assert_int_equal(restored.present, 4);
	assert_string_equal(catalog_text(&b), catalog);
}

static void lost_and_damaged_objects_come_back(void **state)
{
	BENCH;
	make(&b);
	const char *files = tree(&b, "lake"), *catalog = catalog_text(&b);
	assert_int_equal(unlink(in(&b, arena_printf(b.arena, "lake/%s",
						    key_of(&b, BITCOIN_TICK, 13, 1, 10)))),
			 0);
	flip(&b, arena_printf(b.arena, "lake/%s", key_of(&b, BITCOIN_TRADE, 13, 21, 30)));
	restore(&b);
	assert_int_equal(restored.objects, 2);
	assert_int_equal(restored.present, 3);
	assert_int_equal(restored.failed, 0);
	assert_string_equal(tree(&b, "lake"), files);
	assert_string_equal(catalog_text(&b), catalog);
}

static void the_mark_is_never_lowered(void **state)
{
	BENCH;
	make(&b);
	empty_lake(&b);
	publish_rows(&b, (struct rows){BITCOIN_TICK, 20, 900, 999, 0}, 0, true);
	restore(&b);
	assert_int_equal(restored.objects, 5);
	assert_int_equal(restored.failed, 0);
	assert_int_equal(mark(&b), 999);
}

static void parts_of_a_merged_file_stay_out(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 1, 10, 0}, 0, true);
	whole(&b, BITCOIN_TRADE, 13, (struct rows){0, 0, 11, 20, 0}, 20, 1);
	run(&b, true);
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 1, 20, 0}, 0, false);
	run(&b, true);
	assert_int_equal(status(&b).copies, 3);
	const char *files = tree(&b, "lake"), *catalog = catalog_text(&b);
	/* The lake has the merged one. */
	restore(&b);
	assert_int_equal(restored.present, 1);
	assert_int_equal(restored.objects + restored.failed, 0);
	/* The lake has nothing. */
	empty_lake(&b);
	restore(&b);
	assert_int_equal(restored.objects, 1);
	assert_string_equal(tree(&b, "lake"), files);
	assert_string_equal(catalog_text(&b), catalog);
	/* The lake has the parts: the same rows. */
	empty_lake(&b);
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 1, 10, 0}, 0, true);
	whole(&b, BITCOIN_TRADE, 13, (struct rows){0, 0, 11, 20, 0}, 20, 1);
	restore(&b);
	assert_int_equal(restored.present, 3);
	assert_int_equal(restored.objects + restored.failed, 0);
	flip(&b, arena_printf(b.arena, "lake/%s", key_of(&b, BITCOIN_TRADE, 13, 11, 20)));
	restore(&b);
	assert_int_equal(restored.present, 2);
	assert_int_equal(restored.objects, 1);
	restore(&b);
	assert_int_equal(restored.present, 3);
	/* The lake has one of them: neither this nor that can be right. */
	empty_lake(&b);
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 1, 10, 0}, 0, true);
	catalog = catalog_text(&b);
	restore(&b);
	assert_int_equal(restored.failed, 1);
	assert_non_null(strstr(restored.first_error, "1-20.parquet"));
	assert_string_equal(catalog_text(&b), catalog);
}

static void what_was_never_copied_leaves_doubts(void **state)
{
	BENCH;
	publish_rows(&b, (struct rows){BITCOIN_TRADE, 13, 1, 10, 0}, 0, true);
	run(&b, true);
	/* The second file's copy knows of a third, which was never copied. */
	whole(&b, BITCOIN_TRADE, 13, (struct rows){0, 0, 11, 20, 0}, 20, 1);
	whole(&b, BITCOIN_TRADE, 13, (struct rows){0, 0, 21, 30, 0}, 30, 1);
	run(&b, true);
	const char *third = key_of(&b, BITCOIN_TRADE, 13, 21, 30);
	assert_int_equal(unlink(in(&b, arena_printf(b.arena, "copies/data/%s", third))), 0);
	assert_int_equal(unlink(in(&b, arena_printf(b.arena, "copies/manifest/%s.json", third))),
			 0);
	empty_lake(&b);
	restore(&b);
	assert_int_equal(restored.objects, 2);
	assert_int_equal(restored.unproven, 1);
	/* Trades 11 to 20 may come again; 21 to 30 must. */
	assert_non_null(strstr(
		catalog_text(&b),
		"{\"content\":\"20-1-20\",\"landed_on\":\"2024-08-08\",\"trade_ids\":{\"binance/BTCUSDT\":[[1,10]]}} 20 2\n"));
}

static void damage_is_told_and_not_restored(void **state)
{
	BENCH;
	make(&b);
	const char *key = key_of(&b, BITCOIN_TRADE, 13, 11, 20);
	flip(&b, arena_printf(b.arena, "copies/data/%s", key));
	overwrite(&b,
		  arena_printf(b.arena, "copies/manifest/%s.json",
			       key_of(&b, BITCOIN_TICK, 13, 1, 10)),
		  "no json");
	/* The lake's own objects are what they are. */
	restore(&b);
	assert_int_equal(restored.failed, 1);
	assert_int_equal(restored.present, 4);
	empty_lake(&b);
	restore(&b);
	assert_int_equal(restored.failed, 2);
	assert_int_equal(restored.objects, 3);
	assert_null(strstr(catalog_text(&b), key));
	assert_null(strstr(tree(&b, "lake"), key));
	assert_null(strstr(tree(&b, "lake"), "scratch/"));
}

static void restore_again(struct bench *b)
{
	GOOD(backup_restore(&b->backup, &b->publish, &restored, &e));
}

static void each_call_may_be_the_last(void **state)
{
	int deaths = 0;
	BENCH;
	make(&b);
	const char *files = arena_strdup(b.arena, tree(&b, "lake")),
		   *catalog = arena_strdup(b.arena, catalog_text(&b));
	for (int at = 1; at < 1000; at += 1 + at / 10) {
		empty_lake(&b);
		fflush(NULL);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct bench own;
			const struct bench_options o = {.to = {.reads = true, .step = step},
							.from = {.reads = true, .step = step},
							.stepping = true};
			in_child = true;
			bench_open(&own, b.folder, &o);
			atomic_store(&step_count, 0);
			die_at = at;
			restore_again(&own);
			_exit(0);
		}
		int code;
		assert_int_equal(waitpid(child, &code, 0), child);
		assert_true(WIFEXITED(code));
		bool died = WEXITSTATUS(code) == DIED;
		assert_true(died || WEXITSTATUS(code) == 0);
		deaths += died;
		restore(&b);
		assert_int_equal(restored.failed + restored.unproven, 0);
		assert_int_equal(restored.objects + restored.present, 5);
		assert_string_equal(tree(&b, "lake"), files);
		assert_string_equal(catalog_text(&b), catalog);
		assert_int_equal(mark(&b), 41);
		if (!died)
			break;
	}
	assert_true(deaths > 10);
}

static void refused(struct bench *b, const char *why)
{
	struct err e = ERR_INIT;
	const char *files = tree(b, "lake"), *catalog = catalog_text(b);
	int64_t before = mark(b);
	assert_int_equal(backup_restore(&b->backup, &b->publish, &restored, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.text, why));
	assert_string_equal(tree(b, "lake"), files);
	assert_string_equal(catalog_text(b), catalog);
	assert_int_equal(mark(b), before);
}

static int64_t life_of(struct bench *b)
{
	int64_t value;
	GOOD(catalog_mark_get(b->catalog, DELIVER_STREAM_MARK, &value, &e));
	return value;
}

static int status_of(struct delivery_stream *s, struct stream_status *ret, struct err *e)
{
	*ret = *(const struct stream_status *)(s + 1);
	return OK;
}

/* Numbers 1 to 6 of one stream are not among numbers 1 to 10 of another. */
static void streams_do_not_mix(void **state)
{
	static const struct delivery_stream_ops ops = {.status = status_of};
	struct {
		struct delivery_stream stream;
		struct stream_status status;
	} spool = {{&ops}, {.last_seq = 3, .life = 0x3333}};
	struct err e = ERR_INIT;
	BENCH;
	stream_life = 0x1111;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 6, 0}, 0, true);
	run(&b, true);
	const char *old = catalog_text(&b);
	empty_lake(&b);
	stream_life = 0x2222;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 13, 1, 10, 0}, 0, true);
	refused(&b, "of another stream");
	const char *copies = tree(&b, "copies");
	assert_int_equal(backup_run(&b.backup, true, &b.result, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.text, "of another stream"));
	assert_string_equal(tree(&b, "copies"), copies);
	assert_true(status(&b).other_stream);
	/* An empty lake takes the copies' numbers; not if its spool has records of another stream. */
	empty_lake(&b);
	b.backup.stream = &spool.stream;
	refused(&b, "never delivered");
	spool.status.life = 0x1111;
	restore(&b);
	assert_int_equal(restored.objects, 1);
	assert_string_equal(catalog_text(&b), old);
	assert_int_equal(life_of(&b), 0x1111);
	assert_false(status(&b).other_stream);
	/* A store that got copies of several all the same is told of. */
	assert_int_equal(unlink(in(&b, "copies/stream.json")), 0);
	empty_lake(&b);
	stream_life = 0x2222;
	publish_rows(&b, (struct rows){BITCOIN_TICK, 14, 11, 20, 0}, 0, true);
	stream_life = 0;
	run(&b, true);
	empty_lake(&b);
	b.backup.stream = NULL;
	refused(&b, "more than one stream");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_lake_becomes_the_same),
		cmocka_unit_test(lost_and_damaged_objects_come_back),
		cmocka_unit_test(the_mark_is_never_lowered),
		cmocka_unit_test(parts_of_a_merged_file_stay_out),
		cmocka_unit_test(what_was_never_copied_leaves_doubts),
		cmocka_unit_test(damage_is_told_and_not_restored),
		cmocka_unit_test(each_call_may_be_the_last),
		cmocka_unit_test(streams_do_not_mix),
	};
	return RUN_TESTS("backup_restore");
}
