/* Contract of the catalog port: definitions, commits, filters, changes, intents, the dead and their
 * readers, writers' locks. Written against the port alone; drivers and tables are in
 * catalog_fixture.h. */
#include "catalog_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- definitions ------------------------------------------------------------------------------- */

static void definitions_come_back(void **state)
{
	struct fixture *f = *state;
	struct table_def **tables, *one;
	size_t n;
	struct buf given = {0}, got = {0};
	GOOD(f, catalog_tables(f->catalog, f->arena, &tables, &n, &f->e));
	assert_int_equal(n, 2);
	assert_string_equal(tables[0]->database, "raw");
	assert_string_equal(tables[1]->database, "refined");
	GOOD(f, catalog_table(f->catalog, "refined", "portfolio", f->arena, &one, &f->e));
	table_to_json(&refined, &given);
	table_to_json(one, &got);
	assert_string_equal(given.data, got.data);
	buf_free(&given);
	buf_free(&got);
	assert_int_equal(catalog_table(f->catalog, "refined", "portfolios", f->arena, &one, &f->e),
			 ERR_NOT_FOUND);
}

static int collect_history(void *ctx, int64_t version, int64_t at_us, const char *change)
{
	assert_true(version > 0);
	assert_true(at_us > 0);
	buf_printf(ctx, "%s;", change);
	return OK;
}

static const char *history(struct fixture *f, const struct table_def *table)
{
	struct buf all = {0};
	GOOD(f, catalog_history(f->catalog, table, collect_history, &all, &f->e));
	const char *text = arena_strdup(f->arena, all.data ? all.data : "");
	buf_free(&all);
	return text;
}

static void definitions_evolve(void **state)
{
	struct fixture *f = *state;
	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	assert_string_equal(history(f, &refined), "created;");
	/* The same again leaves no trace. */
	GOOD(f, catalog_put_tables(f->catalog, both, 2, &f->e));
	assert_string_equal(history(f, &refined), "created;");

	struct column more[] = {
		numbers[0], numbers[1], {.name = "papers", .type = COL_INTEGER}, numbers[2]};
	struct table_def next = refined;
	more[0].doc = "The paper's code";
	next.columns = more;
	next.column_count = 4;
	next.doc = "Shares by session";
	const struct table_def *given = &next;
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));
	assert_string_equal(
		history(f, &refined),
		"created;doc of column ticker changed;column papers INTEGER added;doc changed;");
	assert_string_equal(names(f, f->catalog, &next, LAYOUT_COMPACT, NULL, 0), "2024-07-15-a");

	/* Without the first column, the rest the other way round. */
	struct column fewer[] = {more[3], more[2], more[1]};
	next.columns = fewer;
	next.column_count = 3;
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));
	assert_non_null(strstr(history(f, &refined),
			       "doc changed;column ticker removed;columns reordered;"));
}

static void refuse_change(struct fixture *f, const struct table_def *next, const char *word)
{
	const char *before = history(f, &refined);
	assert_int_equal(catalog_put_tables(f->catalog, &next, 1, &f->e), ERR_CONFLICT);
	assert_non_null(strstr(f->e.text, word));
	assert_string_equal(history(f, &refined), before);
}

static void data_forbids_some_changes(void **state)
{
	struct fixture *f = *state;
	struct table_def next = refined;
	struct column retyped[] = {
		numbers[0], {.name = "quantity", .type = COL_INTEGER}, numbers[2]};
	const struct table_def *given = &next;

	/* Empty, it may become anything. */
	next.location = "elsewhere/portfolio";
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));
	given = &refined;
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));

	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	refuse_change(f, &next, "location");
	next = refined;
	next.columns = retyped;
	refuse_change(f, &next, "quantity");
	next = refined;
	next.scope_count = 1;
	refuse_change(f, &next, "partition");
	next = refined;
	next.compact_location = NULL;
	refuse_change(f, &next, "compact");
}

/* -- commits ----------------------------------------------------------------------------------- */

static void replacing_takes_all_of_a_scope(void **state)
{
	struct fixture *f = *state;
	bool live;
	struct catalog_scope scope;
	struct catalog_file first = published(f, "IBOV", "2024-07-15", "VALE", "a", 1);
	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	put_session(f, f->catalog, "IBOV", "2024-07-16", "b");
	int64_t version = put_session(f, f->catalog, "IBOV", "2024-07-15", "c");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_PUBLISHED, NULL, 0), "c c b b");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, NULL, 0),
			    "2024-07-15-c 2024-07-16-b");
	GOOD(f, catalog_is_live(f->catalog, first.key, &live, &f->e));
	assert_false(live);
	first = published(f, "IBOV", "2024-07-15", "VALE", "c", 1);
	GOOD(f, catalog_is_live(f->catalog, first.key, &live, &f->e));
	assert_true(live);
	first = compact(f, "IBOV", "2024-07-15", "PETROBRAS", "VALE", "c", 1);
	GOOD(f, catalog_is_live(f->catalog, first.key, &live, &f->e));
	assert_true(live);
	GOOD(f, catalog_is_live(f->catalog, "refined/portfolio/index_code=IBOV", &live, &f->e));
	assert_false(live);
	GOOD(f, catalog_is_live(f->catalog, "nowhere", &live, &f->e));
	assert_false(live);

	GOOD(f, catalog_scope(f->catalog, &refined, first.scopes[0], f->arena, &scope, &f->e));
	assert_int_equal(scope.rows, 3);
	assert_int_equal(scope.bytes, 300);
	assert_int_equal(scope.files, 2);
	assert_int_equal(scope.version, version);
	assert_string_equal(scope.properties, "{\"made_of\":\"x\"}");
	assert_true(scope.changed_us > 0);
	assert_int_equal(catalog_scope(f->catalog, &refined, "index_code=X/pregao_date=2024-07-15",
				       f->arena, &scope, &f->e),
			 ERR_NOT_FOUND);
}

static void a_scope_may_become_empty(void **state)
{
	struct fixture *f = *state;
	struct catalog_scope scope = {.scope = "index_code=IBOV/pregao_date=2024-07-15",
				      .properties = "{}"};
	struct catalog_change change = {.table = &refined, .scopes = &scope, .scope_count = 1};
	int64_t version;
	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_PUBLISHED, NULL, 0), "");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, NULL, 0), "");
	GOOD(f, catalog_scope(f->catalog, &refined, scope.scope, f->arena, &scope, &f->e));
	assert_int_equal(scope.files, 0);
}

static void a_commit_over_two_tables_is_one(void **state)
{
	struct fixture *f = *state;
	struct catalog_file good = tick(f, "2024-08-08", "9", "t", 5);
	struct catalog_file right = published(f, "IBOV", "2024-07-15", "VALE", "a", 1);
	struct catalog_file wrong = right;
	struct catalog_scope scopes[2] = {{.scope = good.scopes[0], .properties = "{}"},
					  {.scope = wrong.scopes[0], .properties = "{}"}};
	struct catalog_change changes[2] = {{.table = &raw,
					     .scopes = &scopes[0],
					     .scope_count = 1,
					     .files = &good,
					     .file_count = 1},
					    {.table = &refined,
					     .scopes = &scopes[1],
					     .scope_count = 1,
					     .files = &wrong,
					     .file_count = 1}};
	int64_t before, after = 77;
	GOOD(f, catalog_changes(f->catalog, INT64_MAX, NULL, NULL, &before, &f->e));
	wrong.low[2] = wrong.high[2] = "PETROBRAS";
	assert_int_equal(catalog_commit(f->catalog, 0, changes, 2, NULL, 0, &after, &f->e),
			 ERR_BUG);
	assert_int_equal(after, 77);
	assert_string_equal(names(f, f->catalog, &raw, LAYOUT_PUBLISHED, NULL, 0), "");
	struct catalog_file pair[2] = {right,
				       compact(f, "IBOV", "2024-07-15", "VALE", "VALE", "a", 1)};
	changes[1].files = pair;
	changes[1].file_count = 2;
	GOOD(f, catalog_commit(f->catalog, 0, changes, 2, NULL, 0, &after, &f->e));
	assert_true(after > before);
	assert_string_equal(names(f, f->catalog, &raw, LAYOUT_PUBLISHED, NULL, 0), "t");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, NULL, 0),
			    "2024-07-15-a");
}

/* A month's file over the two given scopes. */
static struct catalog_file month(struct fixture *f, const char *name, struct catalog_file a,
				 struct catalog_file b)
{
	const char **scopes = ANEW_ARRAY(f->arena, 2, const char *),
		   **origins = ANEW_ARRAY(f->arena, 2, const char *);
	struct catalog_file file = a;
	scopes[0] = a.scopes[0];
	scopes[1] = b.scopes[0];
	origins[0] = a.key;
	origins[1] = b.key;
	GOOD(f, path_compact_key(f->arena, &refined, scopes[0], true, name, &file.key, &f->e));
	file.scopes = scopes;
	file.origins = origins;
	file.scope_count = 2;
	file.high[1] = b.high[1];
	file.rows = a.rows + b.rows;
	return file;
}

static void merged_files_cover_their_scopes(void **state)
{
	struct fixture *f = *state;
	struct catalog_file first = compact(f, "IBOV", "2024-07-15", "PETROBRAS", "VALE", "a", 3);
	struct catalog_file second = compact(f, "IBOV", "2024-07-16", "PETROBRAS", "VALE", "b", 3);
	struct catalog_file merged = month(f, "m", first, second), *files;
	const char *retired[2] = {first.key, second.key};
	struct catalog_change change = {.table = &refined,
					.files = &merged,
					.file_count = 1,
					.retired_keys = retired,
					.retired_count = 2};
	int64_t version;
	size_t n;
	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	put_session(f, f->catalog, "IBOV", "2024-07-16", "b");

	/* Retiring one too few would show a session twice. */
	change.retired_count = 1;
	assert_int_equal(catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e),
			 ERR_BUG);
	change.retired_count = 2;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, NULL, 0), "2024-07-m");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT,
				  term(f, "pregao_date", FILTER_IN, "2024-07-16", NULL)),
			    "2024-07-m");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT,
				  term(f, "pregao_date", FILTER_GE, "2024-07-16", NULL)),
			    "2024-07-m");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT,
				  term(f, "pregao_date", FILTER_GE, "2024-07-17", NULL)),
			    "");
	GOOD(f, catalog_files(f->catalog, &refined, LAYOUT_COMPACT, NULL, 0, f->arena, &files, &n,
			      &f->e));
	assert_int_equal(files[0].scope_count, 2);
	GOOD(f, catalog_origins(f->catalog, &refined, files, n, f->arena, &f->e));
	assert_string_equal(files[0].scopes[1], second.scopes[0]);
	assert_string_equal(files[0].origins[1], second.key);
	/* Retiring what is no longer there means that somebody else was at work. */
	assert_int_equal(catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e),
			 ERR_CONFLICT);

	/* Replacing one of its scopes without saying what becomes of the other. */
	struct catalog_scope scope = {.scope = first.scopes[0], .properties = "{}"};
	struct catalog_change replace = {.table = &refined, .scopes = &scope, .scope_count = 1};
	assert_int_equal(catalog_commit(f->catalog, 0, &replace, 1, NULL, 0, &version, &f->e),
			 ERR_BUG);
	const char *gone = merged.key;
	replace.retired_keys = &gone;
	replace.retired_count = 1;
	replace.files = &second;
	replace.file_count = 1;
	GOOD(f, catalog_commit(f->catalog, 0, &replace, 1, NULL, 0, &version, &f->e));
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, NULL, 0),
			    "2024-07-16-b");
}

static void refuse_files(struct fixture *f, const char *scope_text,
			 const struct catalog_file *files, size_t n)
{
	struct catalog_scope scope = {.scope = scope_text, .properties = "{}"};
	struct catalog_change change = {.table = &refined,
					.scopes = &scope,
					.scope_count = 1,
					.files = files,
					.file_count = n};
	int64_t version = -1;
	assert_int_not_equal(catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e),
			     OK);
	assert_int_equal(version, -1);
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_PUBLISHED, NULL, 0), "");
}

static void commits_that_readers_could_not_trust(void **state)
{
	struct fixture *f = *state;
	struct catalog_file pair[2] = {published(f, "IBOV", "2024-07-15", "VALE", "a", 1),
				       compact(f, "IBOV", "2024-07-15", "VALE", "VALE", "a", 1)};
	struct catalog_file good = pair[0];
	const char *scope = good.scopes[0];
	refuse_files(f, "index_code=SMLL/pregao_date=2024-07-15", pair, 2);
	refuse_files(f, "index_code=IBOV", pair, 2);
	refuse_files(f, "index_code=IBOV/pregao_date=2024-07-15/action=VALE", pair, 2);
	pair[0].key =
		"refined/portfolio/index_code=IBOV/pregao_date=2024-07-16/action=VALE/a.parquet";
	refuse_files(f, scope, pair, 2);
	pair[0].key = "raw/portfolio/index_code=IBOV/pregao_date=2024-07-15/action=VALE/a.parquet";
	refuse_files(f, scope, pair, 2);
	pair[0].key =
		"refined/portfolio/index_code=IBOV/pregao_date=2024-07-15/action=V%41LE/a.parquet";
	refuse_files(f, scope, pair, 2);
	pair[0] = good;
	pair[0].low[2] = "PETROBRAS";
	refuse_files(f, scope, pair, 2);
	pair[0] = good;
	pair[1].low[1] = NULL;
	refuse_files(f, scope, pair, 2);
	pair[1] = good;
	refuse_files(f, scope, pair, 2);
}

/* -- filters ----------------------------------------------------------------------------------- */

static void numbers_compare_as_numbers(void **state)
{
	struct fixture *f = *state;
	put_ticks(f, "2024-08-08", "9", "nine", 1);
	put_ticks(f, "2024-08-08", "10", "ten", 1);
	put_ticks(f, "2024-08-09", "2", "two", 1);
	put_ticks(f, "2024-08-09", "-1", "minus", 1);
	assert_string_equal(where(f, &raw, LAYOUT_PUBLISHED, term(f, "hour", FILTER_GE, "9", NULL)),
			    "ten nine");
	assert_string_equal(where(f, &raw, LAYOUT_PUBLISHED, term(f, "hour", FILTER_LE, "9", NULL)),
			    "nine minus two");
	assert_string_equal(
		where(f, &raw, LAYOUT_PUBLISHED, term(f, "hour", FILTER_IN, "10", NULL)), "ten");
	assert_string_equal(where(f, &raw, LAYOUT_PUBLISHED, term(f, "hour", FILTER_IN, "10", "2")),
			    "ten two");
	assert_string_equal(
		where(f, &raw, LAYOUT_PUBLISHED, term(f, "hour", FILTER_IN, "010", "3")), "ten");
	assert_string_equal(
		where(f, &raw, LAYOUT_PUBLISHED, term(f, "date", FILTER_GE, "2024-08-09", NULL)),
		"minus two");
	assert_string_equal(
		where(f, &raw, LAYOUT_PUBLISHED, term(f, "date", FILTER_IN, NULL, NULL)), "");
	/* What cannot be compared narrows nothing. */
	assert_string_equal(
		where(f, &raw, LAYOUT_PUBLISHED, term(f, "hour", FILTER_GE, "9.5", NULL)),
		"ten nine minus two");
	assert_string_equal(
		where(f, &raw, LAYOUT_PUBLISHED, term(f, "date", FILTER_LE, "yesterday", NULL)),
		"ten nine minus two");
	struct catalog_file *files;
	size_t n;
	const struct filter wrong = {term(f, "quantity", FILTER_GE, "1", NULL), 1};
	assert_int_equal(catalog_files(f->catalog, &raw, LAYOUT_PUBLISHED, &wrong, 1, f->arena,
				       &files, &n, &f->e),
			 ERR_BUG);
}

static void filters_in_both_layouts(void **state)
{
	struct fixture *f = *state;
	put_session(f, f->catalog, "IBOV", "2024-07-15", "a");
	put_session(f, f->catalog, "IBOV", "2024-07-16", "b");
	put_session(f, f->catalog, "SMLL", "2024-07-16", "c");
	const struct filter_term *index = term(f, "index_code", FILTER_IN, "IBOV", NULL),
				 *date = term(f, "pregao_date", FILTER_IN, "2024-07-16", NULL);
	const struct filter_term *vale = term(f, "action", FILTER_IN, "VALE", NULL),
				 *none = term(f, "action", FILTER_IN, "AMBEV S/A", NULL);
	const struct filter_term *beyond = term(f, "action", FILTER_GE, "W", NULL),
				 *two = term(f, "action", FILTER_IN, "A", "P");
	assert_string_equal(where(f, &refined, LAYOUT_PUBLISHED, index), "a a b b");
	assert_string_equal(where(f, &refined, LAYOUT_PUBLISHED, date), "b b c c");
	assert_string_equal(where(f, &refined, LAYOUT_PUBLISHED, vale), "a b c");
	assert_string_equal(where(f, &refined, LAYOUT_PUBLISHED, none), "");
	assert_string_equal(where(f, &refined, LAYOUT_PUBLISHED, beyond), "");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT, index), "2024-07-15-a 2024-07-16-b");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT, date), "2024-07-16-b 2024-07-16-c");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT, vale),
			    "2024-07-15-a 2024-07-16-b 2024-07-16-c");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT, none), "");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT, beyond), "");
	/* Neither lies between PETROBRAS and VALE, though the two of them span it. */
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT, two), "");

	const struct filter_term all[3] = {*index, *date, *vale};
	const struct filter narrow = {all, 3},
			    other = {term(f, "index_code", FILTER_IN, "SMLL", NULL), 1},
			    either[2] = {other, narrow};
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_PUBLISHED, &narrow, 1), "b");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, &narrow, 1),
			    "2024-07-16-b");
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_COMPACT, either, 2),
			    "2024-07-16-b 2024-07-16-c");
	const struct filter twice[2] = {narrow, narrow};
	assert_string_equal(names(f, f->catalog, &refined, LAYOUT_PUBLISHED, twice, 2), "b");
	struct catalog_scope *scopes;
	size_t n;
	GOOD(f, catalog_scopes(f->catalog, &refined, either, 2, f->arena, &scopes, &n, &f->e));
	assert_int_equal(n, 2);
	assert_string_equal(scopes[0].scope, "index_code=IBOV/pregao_date=2024-07-16");
	assert_string_equal(scopes[1].scope, "index_code=SMLL/pregao_date=2024-07-16");
	struct catalog_file *files;
	GOOD(f, catalog_files(f->catalog, &refined, LAYOUT_PUBLISHED, &narrow, 1, f->arena, &files,
			      &n, &f->e));
	assert_string_equal(files[0].low[2], "VALE");
	assert_string_equal(files[0].high[1], "2024-07-16");
	assert_string_equal(files[0].scopes[0], scopes[0].scope);
	assert_int_equal(files[0].rows, 1);
	assert_int_equal(files[0].version, scopes[0].version);
}

static void names_that_need_escaping(void **state)
{
	struct fixture *f = *state;
	struct catalog_file files[2] = {
		published(f, "A/B=1", "2024-07-15", "AMBEV S/A", "x", 1),
		compact(f, "A/B=1", "2024-07-15", "AMBEV S/A", "AMBEV S/A", "x", 1)};
	struct catalog_scope scope = {.scope = files[0].scopes[0], .properties = "{}"};
	struct catalog_change change = {.table = &refined,
					.scopes = &scope,
					.scope_count = 1,
					.files = files,
					.file_count = 2};
	int64_t version;
	bool live;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	assert_string_equal(where(f, &refined, LAYOUT_PUBLISHED,
				  term(f, "action", FILTER_IN, "AMBEV S/A", NULL)),
			    "x");
	assert_string_equal(
		where(f, &refined, LAYOUT_PUBLISHED, term(f, "action", FILTER_IN, "AMBEV", NULL)),
		"");
	assert_string_equal(where(f, &refined, LAYOUT_COMPACT,
				  term(f, "index_code", FILTER_IN, "A/B=1", "o'x\"")),
			    "2024-07-15-x");
	GOOD(f, catalog_is_live(f->catalog, files[0].key, &live, &f->e));
	assert_true(live);
}

/* -- statistics -------------------------------------------------------------------------------- */

static const struct column_stats *stat_of(const struct column_stats *stats, size_t n,
					  const char *column)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(stats[i].column, column) == 0)
			return &stats[i];
	fail_msg("no statistics of %s", column);
	return NULL;
}

static void statistics_over_all_files(void **state)
{
	struct fixture *f = *state;
	const struct column_stats first[] = {{"ticker", "ABEV3", "VALE3", 0},
					     {"quantity", "9", "10", 1},
					     {"share", "9.999", "10.000", 0}};
	const struct column_stats second[] = {{"ticker", "AALR3", "AALR3", 0},
					      {"quantity", NULL, NULL, 2},
					      {"share", "-1.000", "2.5", -1}};
	struct catalog_file files[2] = {tick(f, "2024-08-08", "9", "a", 3),
					tick(f, "2024-08-08", "10", "b", 2)};
	struct catalog_scope scopes[2] = {{.scope = files[0].scopes[0], .properties = "{}"},
					  {.scope = files[1].scopes[0], .properties = "{}"}};
	struct catalog_change change = {
		.table = &raw, .scopes = scopes, .scope_count = 2, .files = files, .file_count = 2};
	struct column_stats *stats;
	size_t n;
	int64_t version, rows, bytes, count;
	GOOD(f,
	     catalog_stats(f->catalog, &raw, f->arena, &stats, &n, &rows, &bytes, &count, &f->e));
	assert_int_equal(rows + bytes + count, 0);
	assert_null(stat_of(stats, n, "ticker")->minimum);
	files[0].stats = first;
	files[1].stats = second;
	files[0].stats_count = files[1].stats_count = 3;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	GOOD(f,
	     catalog_stats(f->catalog, &raw, f->arena, &stats, &n, &rows, &bytes, &count, &f->e));
	assert_int_equal(rows, 5);
	assert_int_equal(bytes, 50);
	assert_int_equal(count, 2);
	assert_string_equal(stat_of(stats, n, "ticker")->minimum, "AALR3");
	assert_string_equal(stat_of(stats, n, "ticker")->maximum, "VALE3");
	assert_string_equal(stat_of(stats, n, "quantity")->minimum, "9");
	assert_string_equal(stat_of(stats, n, "quantity")->maximum, "10");
	assert_int_equal(stat_of(stats, n, "quantity")->nulls, 3);
	assert_string_equal(stat_of(stats, n, "share")->minimum, "-1.000");
	assert_string_equal(stat_of(stats, n, "share")->maximum, "10.000");
	assert_int_equal(stat_of(stats, n, "share")->nulls, -1);
	assert_string_equal(stat_of(stats, n, "hour")->minimum, "9");
	assert_string_equal(stat_of(stats, n, "hour")->maximum, "10");
	assert_int_equal(stat_of(stats, n, "hour")->nulls, 0);

	/* A file that does not say makes the answer unknown, not wrong; replaced, it is
	 * forgotten. */
	put_ticks(f, "2024-08-08", "11", "c", 1);
	GOOD(f,
	     catalog_stats(f->catalog, &raw, f->arena, &stats, &n, &rows, &bytes, &count, &f->e));
	assert_null(stat_of(stats, n, "ticker")->minimum);
	assert_string_equal(stat_of(stats, n, "hour")->maximum, "11");
	change.scopes =
		&(struct catalog_scope){.scope = "date=2024-08-08/hour=11", .properties = "{}"};
	change.scope_count = 1;
	change.file_count = 0;
	GOOD(f, catalog_commit(f->catalog, 0, &change, 1, NULL, 0, &version, &f->e));
	GOOD(f,
	     catalog_stats(f->catalog, &raw, f->arena, &stats, &n, &rows, &bytes, &count, &f->e));
	assert_int_equal(rows, 5);
	assert_string_equal(stat_of(stats, n, "ticker")->minimum, "AALR3");

	/* A column that came later is null in the files before it. */
	struct column more[] = {
		numbers[0], numbers[1], numbers[2], {.name = "fee", .type = COL_BIGINT}};
	struct table_def wider = raw;
	const struct table_def *given = &wider;
	wider.columns = more;
	wider.column_count = 4;
	GOOD(f, catalog_put_tables(f->catalog, &given, 1, &f->e));
	GOOD(f,
	     catalog_stats(f->catalog, &wider, f->arena, &stats, &n, &rows, &bytes, &count, &f->e));
	assert_int_equal(stat_of(stats, n, "fee")->nulls, 5);
	assert_string_equal(stat_of(stats, n, "hour")->maximum, "10");
}

/* -- changes and marks ------------------------------------------------------------------------- */

static int note_mark(void *ctx, const char *name, int64_t value)
{
	buf_printf(ctx, "%s=%lld ", name, (long long)value);
	return 0;
}

static int stop_at_mark(void *ctx, const char *name, int64_t value)
{
	return 7;
}

struct seen {
	struct fixture *f;
	struct buf text;
	int64_t last_version;
	int stop_after;
	bool write;
};

static int see(void *ctx, const struct table_def *table, const struct catalog_file *file,
	       const struct catalog_scope *scope)
{
	struct seen *s = ctx;
	assert_int_equal(file->layout, LAYOUT_PUBLISHED);
	assert_true(file->version >= s->last_version);
	assert_string_equal(file->scopes[0], scope->scope);
	s->last_version = file->version;
	buf_printf(&s->text, "%s:%s%s;", table->name, file->low[0], strrchr(file->key, '/'));
	if (s->write)
		GOOD(s->f, catalog_mark_set(s->f->catalog, "relay", file->version, &s->f->e));
	return s->stop_after && --s->stop_after == 0 ? ERR_RETRY : OK;
}

static void changes_in_order(void **state)
{
	struct fixture *f = *state;
	struct seen s = {.f = f, .write = true};
	int64_t mark, first, last = -1;
	GOOD(f, catalog_mark_get(f->catalog, "relay", &mark, &f->e));
	assert_int_equal(mark, 0);
	put_ticks(f, "2024-08-08", "9", "a", 1);
	first = put_session(f, f->catalog, "IBOV", "2024-07-15", "b");
	put_ticks(f, "2024-08-07", "9", "c", 1);
	put_ticks(f, "2024-08-08", "9", "d", 1); /* the first one is no more */
	s.stop_after = 2;
	assert_int_equal(catalog_changes(f->catalog, mark, see, &s, &last, &f->e), ERR_RETRY);
	assert_int_equal(last, -1);
	assert_string_equal(s.text.data, "portfolio:IBOV/b.parquet;portfolio:IBOV/b.parquet;");
	buf_reset(&s.text);
	GOOD(f, catalog_mark_get(f->catalog, "relay", &mark, &f->e));
	assert_int_equal(mark, first);
	s.last_version = 0;
	GOOD(f, catalog_changes(f->catalog, mark, see, &s, &last, &f->e));
	assert_string_equal(s.text.data, "ticks:2024-08-07/c.parquet;ticks:2024-08-08/d.parquet;");
	buf_free(&s.text);
	GOOD(f, catalog_mark_set(f->catalog, "relay", last, &f->e));
	GOOD(f, catalog_mark_set(f->catalog, "relay", last - 1, &f->e));
	/* By their beginnings: no pattern's letters, and in order. */
	struct buf told = {0};
	GOOD(f, catalog_mark_set(f->catalog, "replay:b%", 2, &f->e));
	GOOD(f, catalog_mark_set(f->catalog, "replay:a", 1, &f->e));
	GOOD(f, catalog_mark_set(f->catalog, "replax", 9, &f->e));
	GOOD(f, catalog_marks(f->catalog, "replay:", note_mark, &told, &f->e));
	assert_string_equal(told.data, "replay:a=1 replay:b%=2 ");
	assert_int_equal(catalog_marks(f->catalog, "re", stop_at_mark, NULL, &f->e), 7);
	buf_free(&told);
	GOOD(f, catalog_mark_get(f->catalog, "relay", &mark, &f->e));
	assert_int_equal(mark, last);
	GOOD(f, catalog_changes(f->catalog, mark, see, &s, &last, &f->e));
	assert_null(s.text.data);
}

/* -- intents ----------------------------------------------------------------------------------- */

struct intents {
	struct fixture *f;
	bool abandon;
	int64_t last_id;
	struct buf text;
};

static int see_intent(void *ctx, int64_t id, const char *const *keys, size_t n)
{
	struct intents *s = ctx;
	s->last_id = id;
	for (size_t i = 0; i < n; i++)
		buf_printf(&s->text, "%s,", keys[i]);
	buf_char(&s->text, ';');
	if (s->abandon)
		GOOD(s->f, catalog_abandon(s->f->catalog, id, &s->f->e));
	return OK;
}

static const char *open_intents(struct fixture *f, const struct table_def *table, bool abandon)
{
	struct intents s = {.f = f, .abandon = abandon};
	GOOD(f, catalog_intents(f->catalog, table, see_intent, &s, &f->e));
	const char *text = arena_strdup(f->arena, s.text.data ? s.text.data : "");
	buf_free(&s.text);
	return text;
}

static void intents_name_what_a_crash_left(void **state)
{
	struct fixture *f = *state;
	struct catalog_file live = tick(f, "2024-08-08", "9", "live", 1),
			    dead = tick(f, "2024-08-08", "9", "dead", 1);
	const char *keys[3] = {live.key, "raw/ticks/lost.parquet", dead.key},
		   *other = "refined/x.parquet";
	struct catalog_scope scope = {.scope = live.scopes[0], .properties = "{}"};
	struct catalog_change change = {
		.table = &raw, .scopes = &scope, .scope_count = 1, .files = &live, .file_count = 1};
	int64_t id, second, version;
	put_ticks(f, "2024-08-08", "9", "dead", 1);
	put_ticks(f, "2024-08-08", "9", "live", 1);
	GOOD(f, catalog_intend(f->catalog, &raw, keys, 3, &id, &f->e));
	GOOD(f, catalog_intend(f->catalog, &refined, &other, 1, &second, &f->e));
	assert_true(id != second);
	/* Only what is known in no other way: a dead file may still have its readers. */
	assert_string_equal(open_intents(f, &raw, false), "raw/ticks/lost.parquet,;");
	assert_string_equal(open_intents(f, NULL, false),
			    "raw/ticks/lost.parquet,;refined/x.parquet,;");
	GOOD(f, catalog_commit(f->catalog, id, &change, 1, NULL, 0, &version, &f->e));
	assert_string_equal(open_intents(f, &raw, false), "");
	/* An intent that recovery gave up cannot be committed: its objects may be gone. */
	assert_string_equal(open_intents(f, &refined, true), "refined/x.parquet,;");
	assert_string_equal(open_intents(f, NULL, false), "");
	assert_int_equal(catalog_commit(f->catalog, second, &change, 1, NULL, 0, &version, &f->e),
			 ERR_CONFLICT);
	assert_string_equal(names(f, f->catalog, &raw, LAYOUT_PUBLISHED, NULL, 0), "live");
}

/* -- the dead and their readers ---------------------------------------------------------------- */

static size_t dead_count(struct fixture *f, const char ***ret)
{
	const char **keys;
	size_t n;
	GOOD(f, catalog_dead(f->catalog, &raw, f->arena, &keys, &n, &f->e));
	if (ret)
		*ret = keys;
	return n;
}

static void the_dead_wait_for_their_readers(void **state)
{
	struct fixture *f = *state;
	struct catalog *reader = another(f);
	const char **keys;
	int64_t old, new, later;
	int first, second, third;
	put_ticks(f, "2024-08-08", "9", "a", 1);
	GOOD(f, catalog_read_begin(reader, &old, &first, &f->e));
	assert_true(first >= 0);
	put_ticks(f, "2024-08-08", "9", "b", 1);
	assert_int_equal(dead_count(f, NULL), 0);
	GOOD(f, catalog_read_begin(reader, &new, &second, &f->e));
	assert_true(new > old);
	put_ticks(f, "2024-08-08", "9", "c", 1);
	assert_int_equal(dead_count(f, NULL), 0);
	GOOD(f, catalog_read_begin(f->catalog, &later, &third, &f->e));
	catalog_read_end(reader, first);
	/* The reader of `new` sees b, not a. */
	assert_int_equal(dead_count(f, &keys), 1);
	assert_non_null(strstr(keys[0], "/a.parquet"));
	catalog_read_end(reader, second);
	assert_int_equal(dead_count(f, &keys), 2);
	GOOD(f, catalog_forget(f->catalog, keys, 1, &f->e));
	assert_int_equal(dead_count(f, &keys), 1);
	assert_non_null(strstr(keys[0], "/b.parquet"));
	/* Back to what it was: b lives again, c is dead and held. */
	put_ticks(f, "2024-08-08", "9", "b", 1);
	assert_int_equal(dead_count(f, NULL), 0);
	catalog_read_end(f->catalog, third);
	assert_int_equal(dead_count(f, &keys), 1);
	assert_non_null(strstr(keys[0], "/c.parquet"));
	catalog_free(reader);
}

static void a_dead_process_holds_nothing(void **state)
{
	struct fixture *f = *state;
	int to_parent[2];
	char byte;
	put_ticks(f, "2024-08-08", "9", "a", 1);
	assert_int_equal(pipe(to_parent), 0);
	pid_t child = fork();
	if (child == 0) {
		struct catalog *mine;
		int64_t version;
		int handle, lock;
		if (f->driver->open(f->place, false, &mine, NULL) ||
		    catalog_read_begin(mine, &version, &handle, NULL) ||
		    catalog_lock(mine, &raw, 0, NULL, NULL, &lock, NULL) ||
		    write(to_parent[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(to_parent[0], &byte, 1), 1);
	put_ticks(f, "2024-08-08", "9", "b", 1);
	assert_int_equal(dead_count(f, NULL), 0);
	int handle;
	assert_int_equal(catalog_lock(f->catalog, &raw, 0, NULL, NULL, &handle, &f->e),
			 ERR_CONFLICT);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(dead_count(f, NULL), 1);
	GOOD(f, catalog_lock(f->catalog, &raw, 0, NULL, NULL, &handle, &f->e));
	catalog_unlock(f->catalog, handle);
	close(to_parent[0]);
	close(to_parent[1]);
}

/* -- writers ----------------------------------------------------------------------------------- */

static void count_wait(void *ctx, int64_t holder)
{
	*(int64_t *)ctx = holder;
}

static void one_writer_per_table(void **state)
{
	struct fixture *f = *state;
	struct catalog *other = another(f);
	int mine, theirs, raws;
	int64_t holder = 0;
	GOOD(f, catalog_lock(f->catalog, &refined, 0, NULL, NULL, &mine, &f->e));
	assert_int_equal(catalog_lock(other, &refined, 200000, count_wait, &holder, &theirs, &f->e),
			 ERR_CONFLICT);
	assert_int_equal(holder, getpid());
	assert_non_null(strstr(f->e.text, "refined.portfolio"));
	GOOD(f, catalog_lock(other, &raw, 0, NULL, NULL, &raws, &f->e));
	catalog_unlock(f->catalog, mine);
	GOOD(f, catalog_lock(other, &refined, 0, NULL, NULL, &theirs, &f->e));
	catalog_unlock(other, theirs);
	catalog_unlock(other, raws);
	catalog_free(other);
}

static void two_processes_commit_at_once(void **state)
{
	struct fixture *f = *state;
	enum { WRITERS = 4, COMMITS = 8 };
	pid_t children[WRITERS];
	for (int w = 0; w < WRITERS; w++) {
		children[w] = fork();
		if (children[w])
			continue;
		struct fixture mine = {.driver = f->driver, .arena = arena_new()};
		if (f->driver->open(f->place, false, &mine.catalog, &mine.e))
			_exit(1);
		for (int i = 0; i < COMMITS; i++) {
			char index[2] = {(char)('A' + w), 0}, date[16];
			snprintf(date, sizeof(date), "2024-07-0%c", (char)('1' + i));
			struct catalog_file files[2] = {
				published(&mine, index, date, "VALE", "x", 1),
				compact(&mine, index, date, "VALE", "VALE", "x", 1)};
			struct catalog_scope scope = {.scope = files[0].scopes[0],
						      .properties = "{}"};
			struct catalog_change change = {.table = &refined,
							.scopes = &scope,
							.scope_count = 1,
							.files = files,
							.file_count = 2};
			int64_t version;
			if (catalog_put_tables(mine.catalog, both, 2, &mine.e) ||
			    catalog_commit(mine.catalog, 0, &change, 1, NULL, 0, &version, &mine.e))
				_exit(2);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;
		assert_int_equal(waitpid(children[w], &status, 0), children[w]);
		assert_int_equal(status, 0);
	}
	struct catalog_scope *scopes;
	size_t n;
	GOOD(f, catalog_scopes(f->catalog, &refined, NULL, 0, f->arena, &scopes, &n, &f->e));
	assert_int_equal(n, WRITERS * COMMITS);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(scopes[i].version != scopes[k].version);
}

static void reading_only(void **state)
{
	struct fixture *f = *state;
	struct catalog *reader;
	int64_t version;
	int handle;
	put_ticks(f, "2024-08-08", "9", "a", 1);
	GOOD(f, f->driver->open(f->place, true, &reader, &f->e));
	GOOD(f, catalog_put_tables(reader, both, 2, &f->e));
	assert_string_equal(names(f, reader, &raw, LAYOUT_PUBLISHED, NULL, 0), "a");
	GOOD(f, catalog_read_begin(reader, &version, &handle, &f->e));
	put_ticks(f, "2024-08-08", "9", "b", 1);
	assert_int_equal(dead_count(f, NULL), 0);
	assert_string_equal(names(f, reader, &raw, LAYOUT_PUBLISHED, NULL, 0), "b");
	catalog_read_end(reader, handle);
	assert_int_equal(dead_count(f, NULL), 1);
	assert_int_equal(catalog_lock(reader, &raw, 0, NULL, NULL, &handle, &f->e), ERR_DENIED);
	struct catalog_change change = {.table = &raw};
	assert_int_equal(catalog_commit(reader, 0, &change, 1, NULL, 0, &version, &f->e),
			 ERR_DENIED);
	assert_int_equal(catalog_mark_set(reader, "m", 1, &f->e), ERR_DENIED);
	catalog_free(reader);
}

/* -- all of it, on every driver ---------------------------------------------------------------- */

#define CASE(test)                                   \
	{                                            \
#test, test, set_up, tear_down, NULL \
	}

int main(int argc, char **argv)
{
	int failed = 0;
	for (size_t d = 0; d < ARRAY_LEN(drivers); d++) {
		struct CMUnitTest tests[] = {
			CASE(definitions_come_back),
			CASE(definitions_evolve),
			CASE(data_forbids_some_changes),
			CASE(replacing_takes_all_of_a_scope),
			CASE(a_scope_may_become_empty),
			CASE(a_commit_over_two_tables_is_one),
			CASE(merged_files_cover_their_scopes),
			CASE(commits_that_readers_could_not_trust),
			CASE(numbers_compare_as_numbers),
			CASE(filters_in_both_layouts),
			CASE(names_that_need_escaping),
			CASE(statistics_over_all_files),
			CASE(changes_in_order),
			CASE(intents_name_what_a_crash_left),
			CASE(the_dead_wait_for_their_readers),
			CASE(a_dead_process_holds_nothing),
			CASE(one_writer_per_table),
			CASE(two_processes_commit_at_once),
			CASE(reading_only),
		};
		for (size_t i = 0; i < ARRAY_LEN(tests); i++)
			tests[i].initial_state = (void *)(uintptr_t)&drivers[d];
		failed += RUN_TESTS(drivers[d].name);
	}
	return failed;
}
