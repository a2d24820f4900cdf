/* Contract of the catalog port, for scopes that are appended to, merged, and compacted when they
 * are closed: what a stream's tables do. */
#include "catalog_fixture.h"

/* By the hour, a day's hours in one compact file. */
static const struct table_def ticks = {
	.database = "raw",
	.name = "bitcoin_ticks",
	.columns = numbers,
	.column_count = 3,
	.partition = by_hour,
	.partition_count = 2,
	.location = "raw/bitcoin_ticks",
	.scope_count = 2,
	.compact_location = "compact/raw/bitcoin_ticks",
	.sort = (const char *const[]){"quantity"},
	.sort_count = 1,
};

static int set_up_ticks(void **state)
{
	const struct table_def *given = &ticks;
	int rc = set_up(state);
	struct fixture *f = *state;
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));
	return rc;
}

/* Like fixture's tick(), of this table and with statistics: quantity from `rows` to 10 * rows. */
static struct catalog_file hour_file(struct fixture *f, const char *hour, const char *name,
				     int64_t rows)
{
	struct catalog_file file = tick(f, "2024-08-08", hour, name, rows);
	struct column_stats *stats = ANEW_ARRAY(f->arena, 3, struct column_stats);
	char *least = arena_printf(f->arena, "%d", (int)rows),
	     *most = arena_printf(f->arena, "%d", (int)rows * 10);
	file.key = path_key(f->arena, &ticks, file.scopes[0], name);
	stats[0] = (struct column_stats){"ticker", "BTC", "BTC", 0};
	stats[1] = (struct column_stats){"quantity", least, most, 1};
	stats[2] = (struct column_stats){"share", NULL, NULL, rows};
	file.stats = stats;
	file.stats_count = 3;
	return file;
}

static int try_append(struct fixture *f, const struct catalog_file *file, const char *properties,
		      const char *retired, int64_t mark)
{
	struct catalog_scope scope = {.scope = file->scopes[0], .properties = properties};
	struct catalog_change change = {.table = &ticks,
					.scopes = &scope,
					.scope_count = 1,
					.files = file,
					.file_count = 1,
					.retired_keys = &retired,
					.retired_count = retired != NULL,
					.append = true};
	const struct catalog_mark marks[2] = {{"delivered", mark, false}, {"other", 1, false}};
	int64_t version;
	f->e = (struct err)ERR_INIT;
	return catalog_commit(f->catalog, 0, &change, 1, marks, 2, &version, &f->e);
}

static void append(struct fixture *f, const char *hour, const char *name, int64_t rows)
{
	struct catalog_file file = hour_file(f, hour, name, rows);
	GOOD(f, try_append(f, &file, "{}", NULL, 0));
}

/* A compact file of hours 9 and 10. */
static struct catalog_file day_file(struct fixture *f, const char *name, int64_t rows)
{
	static const char *const scopes[2] = {"date=2024-08-08/hour=10", "date=2024-08-08/hour=9"};
	static const char *const origins[2] = {"x", "y"};
	struct catalog_file file = hour_file(f, "9", name, rows);
	file.layout = LAYOUT_COMPACT;
	file.key = arena_printf(f->arena, "compact/raw/bitcoin_ticks/2024-08-08-%s.parquet", name);
	file.high[1] = "10";
	file.scopes = scopes;
	file.origins = origins;
	file.scope_count = 2;
	return file;
}

static int try_compact(struct fixture *f, const struct catalog_file *day, const char *retired)
{
	struct catalog_change change = {.table = &ticks,
					.files = day,
					.file_count = 1,
					.retired_keys = &retired,
					.retired_count = retired != NULL};
	int64_t version;
	f->e = (struct err)ERR_INIT;
	return catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e);
}

static const char *read_by_queries(struct fixture *f)
{
	return names(f, f->catalog, &ticks, LAYOUT_QUERY, NULL, 0);
}

static int64_t mark(struct fixture *f, const char *name)
{
	int64_t value;
	GOOD(f, catalog_mark_get(f->catalog, name, &value, &f->e));
	return value;
}

static void assert_stats(struct fixture *f, const char *least, const char *most, int64_t nulls,
			 int64_t rows, int64_t files)
{
	struct column_stats *stats;
	size_t n;
	int64_t all_rows, bytes, count;
	GOOD(f, catalog_stats(f->catalog, &ticks, f->arena, &stats, &n, &all_rows, &bytes, &count,
			      &f->e));
	assert_int_equal(all_rows, rows);
	assert_int_equal(bytes, rows * 10);
	assert_int_equal(count, files);
	assert_string_equal(stats[1].column, "quantity");
	assert_string_equal(stats[1].minimum, least);
	assert_string_equal(stats[1].maximum, most);
	assert_int_equal(stats[1].nulls, nulls);
}

/* -- appending --------------------------------------------------------------------------------- */

static void appended_files_add_up(void **state)
{
	struct fixture *f = *state;
	struct catalog_scope scope;
	struct catalog_file first = hour_file(f, "9", "a", 3), second = hour_file(f, "9", "b", 20),
			    *files;
	size_t n;
	GOOD(f, try_append(f, &first, "{\"content\":\"3\"}", NULL, 10));
	GOOD(f, try_append(f, &second, "{\"content\":\"23\"}", NULL, 20));
	GOOD(f, catalog_scope(f->catalog, &ticks, first.scopes[0], f->arena, &scope, &f->e));
	assert_int_equal(scope.rows, 23);
	assert_int_equal(scope.bytes, 230);
	assert_int_equal(scope.files, 2);
	assert_string_equal(scope.properties, "{\"content\":\"23\"}");
	GOOD(f, catalog_files(f->catalog, &ticks, LAYOUT_PUBLISHED, NULL, 0, f->arena, &files, &n,
			      &f->e));
	assert_int_equal(n, 2);
	assert_true(files[0].version < files[1].version);
	assert_int_equal(files[1].version, scope.version);
	assert_stats(f, "3", "200", 2, 23, 2);

	/* A repetition adds nothing; a name means the same rows. */
	GOOD(f, try_append(f, &second, "{\"content\":\"23\"}", NULL, 20));
	GOOD(f, catalog_scope(f->catalog, &ticks, first.scopes[0], f->arena, &scope, &f->e));
	assert_int_equal(scope.rows, 23);
	assert_int_equal(scope.files, 2);
	second.bytes++;
	assert_int_equal(try_append(f, &second, "{}", NULL, 30), ERR_BUG);
	assert_stats(f, "3", "200", 2, 23, 2);

	/* Replacing takes all of them away. */
	struct catalog_file whole = hour_file(f, "9", "whole", 5);
	struct catalog_change change = {.table = &ticks,
					.scopes = &scope,
					.scope_count = 1,
					.files = &whole,
					.file_count = 1};
	int64_t version;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	assert_string_equal(read_by_queries(f), "whole");
	assert_stats(f, "5", "50", 1, 5, 1);
	append(f, "9", "late", 1);
	assert_string_equal(read_by_queries(f), "late whole");
	assert_stats(f, "1", "50", 2, 6, 2);
}

static int gather(void *ctx, const struct table_def *table, const struct catalog_file *file,
		  const struct catalog_scope *scope)
{
	(void)table;
	buf_printf((struct buf *)ctx, "%lld%s;", (long long)scope->rows, strrchr(file->key, '/'));
	return OK;
}

static void changes_tell_each_file_once(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf text = {0};
	int64_t after, version;
	append(f, "9", "a", 1);
	append(f, "10", "b", 2);
	GOOD(f, catalog_changes(f->catalog, 0, gather, &text, &after, &f->e));
	assert_string_equal(text.data, "1/a.parquet;2/b.parquet;");
	append(f, "9", "c", 4);
	buf_reset(&text);
	GOOD(f, catalog_changes(f->catalog, after, gather, &text, &version, &f->e));
	assert_string_equal(text.data, "5/c.parquet;");
	/* From the beginning, in the order of the commits and not of the scopes. */
	buf_reset(&text);
	GOOD(f, catalog_changes(f->catalog, 0, gather, &text, &version, &f->e));
	assert_string_equal(text.data, "5/a.parquet;2/b.parquet;5/c.parquet;");
	/* What a merge wrote is new, what it took away is gone. */
	struct catalog_file merged = hour_file(f, "9", "m", 5);
	struct catalog_scope scope = {.scope = merged.scopes[0], .properties = "{}"};
	struct catalog_change change = {.table = &ticks,
					.scopes = &scope,
					.scope_count = 1,
					.files = &merged,
					.file_count = 1,
					.same_rows = true};
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &after, &f->e));
	buf_reset(&text);
	GOOD(f, catalog_changes(f->catalog, 0, gather, &text, &version, &f->e));
	assert_string_equal(text.data, "2/b.parquet;5/m.parquet;");
}

static void marks_move_with_their_commit(void **state)
{
	struct fixture *f = *state;
	struct catalog_file file = hour_file(f, "9", "a", 3);
	const struct catalog_mark back = {"delivered", 5, false}, on = {"delivered", 11, false},
				  fallen = {"other", -7, true};
	int64_t version, before;
	assert_int_equal(mark(f, "delivered"), 0);
	GOOD(f, try_append(f, &file, "{}", NULL, 10));
	assert_int_equal(mark(f, "delivered"), 10);
	assert_int_equal(mark(f, "other"), 1);
	/* A commit that fails moves none. */
	file.rows = 7;
	assert_int_equal(try_append(f, &file, "{}", NULL, 20), ERR_BUG);
	assert_int_equal(mark(f, "delivered"), 10);
	/* Without changes: no version, and never back. */
	GOOD(f, catalog_changes(f->catalog, INT64_MAX - 1, NULL, NULL, &before, &f->e));
	GOOD(f, catalog_commit(f->catalog, 0, NULL, 0, &back, 1, &version, &f->e));
	assert_int_equal(mark(f, "delivered"), 10);
	GOOD(f, catalog_commit(f->catalog, 0, NULL, 0, &on, 1, &version, &f->e));
	assert_int_equal(mark(f, "delivered"), 11);
	GOOD(f, catalog_commit(f->catalog, 0, NULL, 0, &fallen, 1, &version, &f->e));
	assert_int_equal(mark(f, "other"), -7);
	assert_int_equal(version, before);
	/* An intent that was given up fails it as a whole. */
	int64_t intent;
	const char *key = "raw/bitcoin_ticks/date=2024-08-08/hour=9/z.parquet";
	const struct catalog_mark far = {"delivered", 99, false};
	GOOD(f, catalog_intend(f->catalog, &ticks, &key, 1, &intent, &f->e));
	GOOD(f, catalog_abandon(f->catalog, intent, &f->e));
	assert_int_equal(catalog_commit(f->catalog, intent, NULL, 0, &far, 1, &version, &f->e),
			 ERR_CONFLICT);
	assert_int_equal(mark(f, "delivered"), 11);
}

/* -- compact files ----------------------------------------------------------------------------- */

static void queries_read_each_row_once(void **state)
{
	struct fixture *f = *state;
	append(f, "9", "a", 1);
	append(f, "9", "b", 2);
	append(f, "10", "c", 3);
	append(f, "11", "d", 4);
	assert_string_equal(read_by_queries(f), "c d a b");
	/* The day's first hours in one file, the next one loose. */
	struct catalog_file day = day_file(f, "day", 6);
	GOOD(f, try_compact(f, &day, NULL));
	assert_string_equal(read_by_queries(f), "2024-08-08-day d");
	assert_string_equal(names(f, f->catalog, &ticks, LAYOUT_PUBLISHED, NULL, 0), "c d a b");
	assert_string_equal(where(f, &ticks, LAYOUT_QUERY, term(f, "hour", FILTER_IN, "9", NULL)),
			    "2024-08-08-day");
	assert_string_equal(where(f, &ticks, LAYOUT_QUERY, term(f, "hour", FILTER_GE, "10", NULL)),
			    "2024-08-08-day d");
	assert_string_equal(where(f, &ticks, LAYOUT_QUERY, term(f, "hour", FILTER_GE, "11", NULL)),
			    "d");
	assert_stats(f, "4", "60", 2, 10, 2);
	/* Not twice. */
	struct catalog_file again = day_file(f, "again", 6);
	assert_int_equal(try_compact(f, &again, NULL), ERR_BUG);

	/* A late row: the file that lacks it has to go, and hour 10 is read as it was. */
	struct catalog_file late = hour_file(f, "9", "late", 5);
	assert_int_equal(try_append(f, &late, "{}", NULL, 0), ERR_BUG);
	GOOD(f, try_append(f, &late, "{}", day.key, 0));
	assert_string_equal(read_by_queries(f), "c d a b late");
	assert_stats(f, "1", "50", 5, 15, 5);
	bool live;
	GOOD(f, catalog_is_live(f->catalog, day.key, &live, &f->e));
	assert_false(live);
	GOOD(f, try_compact(f, &again, NULL));
	assert_string_equal(read_by_queries(f), "2024-08-08-again d");
	/* One in the place of another, and of one that somebody else took away meanwhile. */
	struct catalog_file third = day_file(f, "third", 11);
	GOOD(f, try_compact(f, &third, again.key));
	assert_string_equal(read_by_queries(f), "2024-08-08-third d");
	assert_int_equal(try_compact(f, &again, day.key), ERR_CONFLICT);
}

static void a_merge_leaves_compact_files(void **state)
{
	struct fixture *f = *state;
	struct catalog_file day = day_file(f, "day", 6), merged = hour_file(f, "9", "m", 3);
	struct catalog_scope scope = {.scope = merged.scopes[0], .properties = "{}"};
	struct catalog_change change = {.table = &ticks,
					.scopes = &scope,
					.scope_count = 1,
					.files = &merged,
					.file_count = 1,
					.same_rows = true};
	int64_t version;
	append(f, "9", "a", 1);
	append(f, "9", "b", 2);
	append(f, "10", "c", 3);
	GOOD(f, try_compact(f, &day, NULL));
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	assert_string_equal(names(f, f->catalog, &ticks, LAYOUT_PUBLISHED, NULL, 0), "c m");
	assert_string_equal(read_by_queries(f), "2024-08-08-day");
	assert_stats(f, "6", "60", 1, 6, 1);
	/* Replacing says that the rows are others. */
	change.same_rows = false;
	assert_int_equal(catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e),
			 ERR_BUG);
}

/* A table that never had a compact file: what it says is of its published files. */
static void a_compact_layout_is_optional(void **state)
{
	struct fixture *f = *state;
	struct catalog_file files[2] = {published(f, "IBOV", "2024-07-15", "VALE", "a", 1),
					published(f, "IBOV", "2024-07-15", "GERDAU", "a", 2)};
	struct catalog_scope scope = {.scope = files[0].scopes[0], .properties = "{}"};
	struct catalog_change change = {.table = &refined,
					.scopes = &scope,
					.scope_count = 1,
					.files = files,
					.file_count = 2};
	int64_t version;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	put_session(f, f->catalog, "IBOV", "2024-07-16", "b");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_QUERY, NULL, 0),
			    "2024-07-16-b a a");
	assert_string_equal(
		where(f, &refined, LAYOUT_QUERY, term(f, "action", FILTER_IN, "VALE", NULL)),
		"2024-07-16-b a");
	put_session(f, f->catalog, "IBOV", "2024-07-15", "c");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_QUERY, NULL, 0),
			    "2024-07-15-c 2024-07-16-b");
	/* Without a compact layout it is the same as the published files. */
	put_ticks(f, "2024-08-08", "9", "t", 1);
	assert_string_equal(names(f, f->catalog, &raw, LAYOUT_QUERY, NULL, 0), "t");
}

/* -- all of it, on every driver ---------------------------------------------------------------- */

#define CASE(test)                                         \
	{                                                  \
#test, test, set_up_ticks, tear_down, NULL \
	}

int main(int argc, char **argv)
{
	int failed = 0;
	for (size_t d = 0; d < ARRAY_LEN(drivers); d++) {
		struct CMUnitTest tests[] = {
			CASE(appended_files_add_up),        CASE(changes_tell_each_file_once),
			CASE(marks_move_with_their_commit), CASE(queries_read_each_row_once),
			CASE(a_merge_leaves_compact_files), CASE(a_compact_layout_is_optional),
		};
		for (size_t i = 0; i < ARRAY_LEN(tests); i++)
			tests[i].initial_state = (void *)(uintptr_t)&drivers[d];
		failed += RUN_TESTS(drivers[d].name);
	}
	return failed;
}
