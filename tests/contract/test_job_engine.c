/* Contract of the job engine port: a started run is taken once, computes only what changed,
 * replaces whole scopes, and says what went wrong. */
#include "lake_fixture.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash.h"
#include "job_engine.h"
#include "job_engine_duckdb.h"
#include "telemetry.h"

/* -- a job, as src/job would compile it -------------------------------------------------------- */

static const struct column out_columns[] = {
	{.name = "quantity", .type = COL_BIGINT},
	{.name = "participation", .type = COL_DECIMAL, .precision = 9, .scale = 3},
	{.name = "papers", .type = COL_BIGINT},
	{.name = "days", .type = COL_BIGINT},
	{.name = "as_of", .type = COL_DATE},
};
static const struct column out_partition[] = {{.name = "index_code", .type = COL_TEXT},
					      {.name = "pregao_date", .type = COL_DATE},
					      {.name = "action", .type = COL_TEXT}};
static const char *const out_sort[] = {"action"};
static const struct table_def out_table = {
	.database = "refined",
	.name = "portfolio",
	.columns = out_columns,
	.column_count = 5,
	.partition = out_partition,
	.partition_count = 3,
	.location = "refined/portfolio",
	.scope_count = 2,
	.compact_location = "compact/refined/portfolio",
	.sort = out_sort,
	.sort_count = 1,
};
/* Without a compact layout, and by index alone. */
static const struct column sum_columns[] = {{.name = "quantity", .type = COL_BIGINT}};
static const struct column sum_partition[] = {{.name = "index_code", .type = COL_TEXT},
					      {.name = "pregao_date", .type = COL_DATE}};
static const struct table_def sum_table = {
	.database = "refined",
	.name = "sums",
	.columns = sum_columns,
	.column_count = 1,
	.partition = sum_partition,
	.partition_count = 2,
	.location = "refined/sums",
	.scope_count = 2,
};
#define GROUPED                                                                                                                                              \
	"SELECT CAST(sum(qtd) AS BIGINT) AS quantity, CAST(sum(part) AS DECIMAL(9,3)) AS participation, CAST(count(*) AS BIGINT) AS papers, "                \
	"CAST(CAST(getvariable('as_of') AS DATE) - data_pregao AS BIGINT) AS days, CAST(getvariable('as_of') AS DATE) AS as_of, index_code, data_pregao AS " \
	"pregao_date, acao AS action FROM \"raw.portfolio\" GROUP BY index_code, data_pregao, acao"
static const struct job_trigger triggers[] = {{"raw", "portfolio"}};
static const struct job_input inputs[] = {{"raw.portfolio", "raw", "portfolio"}};
static const struct job_check checks[] = {
	{.node = "checked", .name = "positive", .message = "a quantity is not positive"},
	{.node = "checked", .name = "codes", .message = "a code is missing"}};
#define CHECKS                                                                                                                       \
	"SELECT CAST(0 AS BIGINT), count(*), min(codigo) FROM \"raw.portfolio\" WHERE qtd <= 0 UNION ALL SELECT CAST(1 AS BIGINT), " \
	"count(*), NULL FROM \"raw.portfolio\" WHERE codigo = ''"
static const struct job_scope_column scope_columns[] = {{"index_code", "index_code"},
							{"data_pregao", "pregao_date"}};

struct fixture {
	struct lake *lake;
	struct telemetry *telemetry;
	struct job_engine *engine;
	struct job_plan plan;
	struct job_output outputs[2];
	bool cancel_in_compile;
	char run[RUN_ID_SIZE];
};

static int compile(void *ctx, const char *job, struct arena *arena, struct job_plan *ret,
		   struct err *e)
{
	struct fixture *f = ctx;
	if (strcmp(job, "portfolio") != 0)
		return err_set(e, ERR_NOT_FOUND, "there is no job %s", job);
	if (f->cancel_in_compile)
		GOOD(f->lake, job_engine_cancel(f->engine, f->run, &f->lake->e));
	*ret = f->plan;
	return 0;
}

static const struct driver_case {
	const char *name;
	int (*open)(struct fixture *, int workers, struct job_engine **, struct err *);
} * driver;
static int open_duckdb(struct fixture *f, int workers, struct job_engine **ret, struct err *e)
{
	char *state = path_in(f->lake->root, "state");
	struct job_engine_duckdb_options o = {.state_dir = state,
					      .host = f->lake->host,
					      .publish = lake_publish(f->lake),
					      .telemetry = f->telemetry,
					      .clock = &f->lake->clock.clock,
					      .compile = compile,
					      .ctx = f,
					      .workers = workers};
	int rc = job_engine_duckdb_new(&o, ret, e);
	free(state);
	return rc;
}
static const struct driver_case drivers[] = {{"duckdb", open_duckdb}};

static int set_up(void **state)
{
	static const struct table_def *const tables[] = {&raw_portfolio, &out_table, &sum_table};
	struct fixture *f = NEW(struct fixture);
	f->lake = lake_new(tables, 3, 0);
	f->outputs[0] = (struct job_output){.node = "refined", .table = out_table, .sql = GROUPED};
	f->outputs[1] = (struct job_output){
		.node = "sums",
		.table = sum_table,
		.sql = "SELECT CAST(sum(qtd) AS BIGINT) AS quantity, index_code, data_pregao AS pregao_date FROM \"raw.portfolio\" GROUP BY ALL"};
	f->plan = (struct job_plan){.name = "portfolio",
				    .hash = "h1",
				    .triggers = triggers,
				    .trigger_count = 1,
				    .inputs = inputs,
				    .input_count = 1,
				    .checks = checks,
				    .check_count = 2,
				    .checks_sql = CHECKS,
				    .outputs = f->outputs,
				    .output_count = 1,
				    .scope_columns = scope_columns,
				    .scope_column_count = 2};
	GOOD(f->lake, driver->open(f, 2, &f->engine, &f->lake->e));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	job_engine_free(f->engine);
	lake_free(f->lake);
	free(f);
	return 0;
}

/* -- helpers ----------------------------------------------------------------------------------- */

#define LANDED(day) "{\"landed_on\":\"" day "\"}"
static const struct raw_row monday[] = {{"PETR3", "PETROBRAS", 10, 40000},
					{"PETR4", "PETROBRAS", 15089313085, 30000},
					{"ABEV3", "AMBEV S/A", 5, 30000}};
static const struct raw_row tuesday[] = {{"PETR4", "PETROBRAS", 7, 60000},
					 {"VALE3", "Ç %=é", 1, 40000}};

static void start(struct fixture *f, int32_t as_of, bool force, size_t n, const char *const *scopes)
{
	struct job_request q = {.job = "portfolio",
				.as_of = as_of,
				.scopes = scopes,
				.scope_count = n,
				.force = force};
	GOOD(f->lake, job_engine_start(f->engine, &q, f->run, &f->lake->e));
	f->lake->clock.now += 1000000;
}

static struct job_status work(struct fixture *f)
{
	struct job_status s;
	GOOD(f->lake, job_engine_work(f->engine, f->lake->arena, &s, &f->lake->e));
	return s;
}

static struct job_status run(struct fixture *f, int32_t as_of, bool force)
{
	start(f, as_of, force, 0, NULL);
	struct job_status s = work(f);
	if (s.state != RUN_SUCCEEDED)
		fail_msg("%s: %s", run_state_name(s.state), s.error);
	return s;
}

/* Rows as plain SQL sees them in the files of a layout, and not through our own engine: "a|b\n". */
static const char *ask(struct fixture *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static const char *ask(struct fixture *f, const char *fmt, ...)
{
	char sql[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	struct duck d = {0};
	struct buf b = {0};
	duckdb_result r;
	buf_printf(&b, "SELECT COLUMNS(*)::VARCHAR FROM (%s)", sql);
	GOOD(f->lake, duck_open(&d, f->lake->host, &f->lake->e));
	if (duck_query(&d, b.data, &r, &f->lake->e))
		fail_msg("%s: %s", sql, f->lake->e.text);
	buf_reset(&b);
	duckdb_data_chunk chunk;
	while ((chunk = d.api->fetch_chunk(r))) {
		for (uint64_t row = 0; row < d.api->data_chunk_get_size(chunk); row++) {
			for (uint64_t c = 0; c < d.api->data_chunk_get_column_count(chunk); c++) {
				const char *text = duck_text(&d,
							     d.api->data_chunk_get_vector(chunk, c),
							     row, f->lake->arena);
				buf_printf(&b, "%s%s", c ? "|" : "", text ? text : "NULL");
			}
			buf_char(&b, '\n');
		}
		d.api->destroy_data_chunk(&chunk);
	}
	d.api->destroy_result(&r);
	duck_close(&d);
	const char *text = arena_strdup(f->lake->arena, b.data ? b.data : "");
	buf_free(&b);
	return text;
}

static int add_to_hash(void *ctx, const char *path, int64_t size)
{
	struct {
		struct hash *hash;
		const char *root;
		int files;
	} *all = ctx;
	struct buf bytes = {0};
	if (strncmp(path, "state/", 6) == 0)
		return 0;
	char *full = path_in(all->root, path);
	assert_int_equal(file_read(full, 1 << 26, &bytes, NULL), 0);
	hash_str(all->hash, path);
	hash_field(all->hash, bytes.data, bytes.len);
	all->files++;
	buf_free(&bytes);
	free(full);
	return 0;
}

/* Of everything below the root but state/: names and bytes. */
static const char *lake_hash(struct fixture *f)
{
	struct {
		struct hash *hash;
		const char *root;
		int files;
	} all = {hash_new(), f->lake->root, 0};
	GOOD(f->lake, file_walk(f->lake->root, add_to_hash, &all, &f->lake->e));
	char *hex = arena_alloc(f->lake->arena, HASH_HEX_SIZE);
	hash_end_hex(all.hash, hex);
	return hex;
}

/* -- tests ------------------------------------------------------------------------------------- */

static void a_run_writes_both_layouts(void **state)
{
	struct fixture *f = *state;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-14"), monday, 3);
	lake_put_session(f->lake, "2024-07-16", "IBOV", "b", LANDED("2024-07-16"), tuesday, 2);
	struct job_status s = run(f, AS_OF_LANDED, false);
	assert_int_equal(s.scopes_done, 2);
	assert_int_equal(s.scopes_unchanged, 0);
	assert_int_equal(s.rows_written, 4);
	assert_int_equal(s.files_written, 4);
	assert_true(s.ended_us >= s.started_us && s.started_us >= s.created_us);
	const char *expected =
		"IBOV|2024-07-15|AMBEV S/A|5|30.000|1|-1|2024-07-14\nIBOV|2024-07-15|PETROBRAS|15089313095|70.000|2|-1|2024-07-14\n"
		"IBOV|2024-07-16|PETROBRAS|7|60.000|1|0|2024-07-16\nIBOV|2024-07-16|Ç %=é|1|40.000|1|0|2024-07-16\n";
	static const char select[] =
		"SELECT index_code::VARCHAR, pregao_date::VARCHAR, action, quantity::VARCHAR, participation::VARCHAR, papers::VARCHAR, days::VARCHAR, "
		"as_of::VARCHAR FROM read_parquet('%s/%s/**/*.parquet', hive_partitioning = %s) ORDER BY ALL";
	assert_string_equal(ask(f, select, f->lake->root, "refined/portfolio", "true"), expected);
	assert_string_equal(ask(f, select, f->lake->root, "compact/refined/portfolio", "false"),
			    expected);
	/* types are what was declared: a HUGEINT would be a DOUBLE here */
	assert_string_equal(
		ask(f,
		    "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM read_parquet('%s/compact/**/*.parquet', hive_partitioning = false))",
		    f->lake->root),
		"quantity BIGINT, participation DECIMAL(9,3), papers BIGINT, days BIGINT, as_of DATE, index_code VARCHAR, pregao_date DATE, action VARCHAR\n");
	/* folders as Hive and Spark read them */
	assert_string_equal(
		ask(f,
		    "SELECT DISTINCT regexp_extract(file, 'refined/.*/action=[^/]*') FROM glob('%s/refined/**') WHERE file LIKE '%%AMBEV%%'",
		    f->lake->root),
		"refined/portfolio/index_code=IBOV/pregao_date=2024-07-15/action=AMBEV%20S%2FA\n");
	struct catalog_scope scope;
	GOOD(f->lake,
	     catalog_scope(f->lake->catalog, &out_table, "index_code=IBOV/pregao_date=2024-07-16",
			   f->lake->arena, &scope, &f->lake->e));
	assert_int_equal(scope.rows, 2);
	assert_int_equal(scope.files, 2);
	assert_non_null(strstr(scope.properties, "\"as_of\":\"2024-07-16\""));
	assert_non_null(strstr(scope.properties, f->run));
	struct column_stats *stats;
	size_t n;
	int64_t rows, bytes, files;
	GOOD(f->lake, catalog_stats(f->lake->catalog, &out_table, f->lake->arena, &stats, &n, &rows,
				    &bytes, &files, &f->lake->e));
	assert_int_equal(rows, 4);
	assert_int_equal(files, 2);
	for (size_t i = 0; i < n; i++)
		if (strcmp(stats[i].column, "quantity") == 0)
			assert_string_equal(stats[i].maximum, "15089313095");
}

/* A source that is no trigger is read whole, whatever its partition columns are called, and its
 * changes make what was computed of it stale. */
static void other_sources_are_read_whole(void **state)
{
	struct fixture *f = *state;
	static const struct job_input both[] = {{"raw.portfolio", "raw", "portfolio"},
						{"refined.sums", "refined", "sums"}};
	static const struct job_scope_column by_index[] = {{"index_code", "index_code"}};
	static const char *const ibov[] = {"data_pregao=2024-07-15/index_code=IBOV"};
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), tuesday, 2);
	lake_put_session(f->lake, "2024-07-15", "SMLL", "b", LANDED("2024-07-15"), tuesday, 1);
	struct job_plan sums = f->plan;
	struct job_output first = f->outputs[0], second = f->outputs[1];
	sums.outputs = &second;
	f->plan = sums;
	run(f, AS_OF_LANDED, false);

	struct job_plan shares = sums;
	struct table_def table = sum_table;
	table.name = "shares";
	table.location = "refined/shares";
	table.scope_count = 1;
	first.table = table;
	first.sql =
		"SELECT CAST((SELECT sum(quantity) FROM \"refined.sums\") AS BIGINT) AS quantity, index_code, data_pregao AS pregao_date FROM \"raw.portfolio\" GROUP BY ALL";
	shares.outputs = &first;
	shares.inputs = both;
	shares.input_count = 2;
	shares.scope_columns = by_index;
	shares.scope_column_count = 1;
	f->plan = shares;
	start(f, AS_OF_LANDED, false, 1, ibov);
	assert_int_equal(work(f).scopes_done, 1);
	static const char select[] =
		"SELECT index_code, quantity FROM read_parquet('%s/refined/shares/**/*.parquet', hive_partitioning = true)";
	assert_string_equal(ask(f, select, f->lake->root), "IBOV|15\n");

	lake_put_session(f->lake, "2024-07-15", "SMLL", "c", LANDED("2024-07-15"), tuesday, 2);
	f->plan = sums;
	run(f, AS_OF_LANDED, false);
	f->plan = shares;
	start(f, AS_OF_LANDED, false, 1, ibov);
	assert_int_equal(work(f).scopes_done, 1);
	assert_string_equal(ask(f, select, f->lake->root), "IBOV|16\n");
	start(f, AS_OF_LANDED, false, 1, ibov);
	assert_int_equal(work(f).scopes_unchanged, 1);
}

static void unchanged_inputs_change_nothing(void **state)
{
	struct fixture *f = *state;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	lake_put_session(f->lake, "2024-07-16", "IBOV", "b", LANDED("2024-07-16"), tuesday, 2);
	run(f, AS_OF_LANDED, false);
	const char *before = lake_hash(f);
	struct job_status s = run(f, AS_OF_LANDED, false);
	assert_int_equal(s.scopes_done, 0);
	assert_int_equal(s.scopes_unchanged, 2);
	assert_string_equal(lake_hash(f), before);
	/* even by force: the same rows are the same bytes under the same names */
	s = run(f, AS_OF_LANDED, true);
	assert_int_equal(s.scopes_done, 2);
	assert_string_equal(lake_hash(f), before);
	/* a corrected session changes its own partitions and no other file */
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a2", LANDED("2024-07-15"), tuesday, 2);
	s = run(f, AS_OF_LANDED, false);
	assert_int_equal(s.scopes_done, 1);
	assert_int_equal(s.scopes_unchanged, 1);
	assert_string_equal(
		ask(f,
		    "SELECT string_agg(DISTINCT action, ',' ORDER BY action) FROM read_parquet('%s/refined/**/*.parquet') WHERE pregao_date = '2024-07-15'",
		    f->lake->root),
		"PETROBRAS,Ç %=é\n");
	/* and back: the bytes of the undisturbed lake */
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	run(f, AS_OF_LANDED, false);
	assert_string_equal(lake_hash(f), before);
	/* another date, another job: everything anew */
	assert_int_equal(run(f, 20000, false).scopes_done, 2);
	snprintf(f->plan.hash, sizeof(f->plan.hash), "h2");
	assert_int_equal(run(f, 20000, false).scopes_done, 2);
	assert_int_equal(run(f, 20000, false).scopes_done, 0);
}

static void only_the_scopes_asked_for(void **state)
{
	struct fixture *f = *state;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	lake_put_session(f->lake, "2024-07-16", "IBOV", "b", LANDED("2024-07-16"), tuesday, 2);
	const char *scopes[] = {"data_pregao=2024-07-16/index_code=IBOV",
				"data_pregao=2024-07-16/index_code=IBOV",
				"data_pregao=1999-01-01/index_code=IBOV"};
	start(f, AS_OF_LANDED, false, 3, scopes);
	struct job_status s = work(f);
	assert_int_equal(s.state, RUN_SUCCEEDED);
	assert_int_equal(s.scopes_done, 1);
	assert_string_equal(
		ask(f,
		    "SELECT min(pregao_date)::VARCHAR, count(*)::VARCHAR FROM read_parquet('%s/refined/**/*.parquet')",
		    f->lake->root),
		"2024-07-16|2\n");
	const char *wrong[] = {"index_code=IBOV/nonsense=1"};
	start(f, AS_OF_LANDED, false, 1, wrong);
	s = work(f);
	assert_int_equal(s.state, RUN_FAILED);
	assert_int_equal(s.error_code, ERR_INPUT);
}

static void an_emptied_session_empties_its_scope(void **state)
{
	struct fixture *f = *state;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	run(f, AS_OF_LANDED, false);
	lake_put_session(f->lake, "2024-07-15", "IBOV", "none", LANDED("2024-07-15"), NULL, 0);
	struct job_status s = run(f, AS_OF_LANDED, false);
	assert_int_equal(s.scopes_done, 1);
	assert_int_equal(s.rows_written, 0);
	struct catalog_file *files;
	size_t n;
	for (int layout = LAYOUT_PUBLISHED; layout <= LAYOUT_COMPACT; layout++) {
		GOOD(f->lake,
		     catalog_files(f->lake->catalog, &out_table, (enum catalog_layout)layout, NULL,
				   0, f->lake->arena, &files, &n, &f->lake->e));
		assert_int_equal(n, 0);
	}
	assert_int_equal(run(f, AS_OF_LANDED, false).scopes_unchanged, 1);
}

static void fails_with(struct fixture *f, int code, const char *says)
{
	start(f, AS_OF_LANDED, false, 0, NULL);
	const char *before = lake_hash(f);
	struct job_status s = work(f);
	if (s.state != RUN_FAILED || s.error_code != code || !s.error || !strstr(s.error, says))
		fail_msg("%s, %s: %s", run_state_name(s.state), err_name(s.error_code), s.error);
	assert_string_equal(lake_hash(f), before);
	assert_int_equal(s.rows_written, 0);
}

static void what_is_wrong_fails_the_run(void **state)
{
	struct fixture *f = *state;
	const struct raw_row bad[] = {{"PETR4", "PETROBRAS", 0, 1}},
			     nobody[] = {{"PETR4", NULL, 1, 1}}, empty[] = {{"PETR4", "", 1, 1}};
	lake_put_session(f->lake, "2024-07-15", "IBOV", "bad", LANDED("2024-07-15"), bad, 1);
	fails_with(
		f, ERR_INPUT,
		"check positive of node checked: a quantity is not positive (1 found, for example PETR4)");
	lake_put_session(f->lake, "2024-07-15", "IBOV", "nobody", LANDED("2024-07-15"), nobody, 1);
	fails_with(f, ERR_INPUT, "action");
	lake_put_session(f->lake, "2024-07-15", "IBOV", "empty", LANDED("2024-07-15"), empty, 1);
	fails_with(f, ERR_INPUT, "action");
	lake_put_session(f->lake, "2024-07-15", "IBOV", "undated", "{}", monday, 3);
	fails_with(f, ERR_INPUT, "landed");
	lake_put_session(f->lake, "2024-07-15", "IBOV", "fine", LANDED("2024-07-15"), monday, 3);
	/* what the compiler must never let through */
	static const struct {
		const char *sql, *says;
		int code;
	} wrong[] = {
		{"SELECT sum(qtd) AS quantity, CAST(1 AS DECIMAL(9,3)) AS participation, CAST(1 AS BIGINT) AS papers, CAST(1 AS BIGINT) AS days, DATE '2024-01-01' AS as_of, "
		 "index_code, data_pregao AS pregao_date, acao AS action FROM \"raw.portfolio\" GROUP BY ALL",
		 "node refined gives column quantity as HUGEINT, and its table has quantity as BIGINT",
		 ERR_BUG},
		{"SELECT *, 1 AS more FROM (" GROUPED ")",
		 "node refined gives 9 columns, and its table has 8", ERR_BUG},
		{"SELECT nonsense", "node refined", ERR_INPUT},
		{"SELECT * FROM (" GROUPED ") WHERE error('at run time')", "at run time",
		 ERR_INPUT},
		{"SELECT * REPLACE ('OTHER' AS index_code) FROM (" GROUPED ")",
		 "for which the job was not run", ERR_INPUT},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		f->outputs[0].sql = wrong[i].sql;
		fails_with(f, wrong[i].code, wrong[i].says);
	}
	f->outputs[0].sql = GROUPED;
	assert_int_equal(run(f, AS_OF_LANDED, false).scopes_done, 1);
}

static void put_many(struct fixture *f, int sessions, int stocks)
{
	struct raw_row *rows = NEW_ARRAY((size_t)stocks * 2, struct raw_row);
	char date[DATE_TEXT_SIZE];
	for (int d = 0; d < sessions; d++) {
		for (int i = 0; i < stocks * 2; i++)
			rows[i] = (struct raw_row){arena_printf(f->lake->arena, "C%d", i),
						   arena_printf(f->lake->arena, "S %d", i / 2),
						   1 + i * 7 + d, i + d};
		lake_put_session(f->lake, date_format(19900 + d, date), "IBOV", "x",
				 LANDED("2024-07-15"), rows, (size_t)stocks * 2);
	}
	free(rows);
}

static void the_cut_does_not_matter(void **state)
{
	struct fixture *f = *state;
	f->plan.output_count = 2;
	put_many(f, 34, 9);
	run(f, AS_OF_LANDED, false);
	assert_string_equal(
		ask(f,
		    "SELECT count(*)::VARCHAR, sum(papers)::VARCHAR FROM read_parquet('%s/refined/portfolio/**/*.parquet')",
		    f->lake->root),
		"306|612\n");
	assert_string_equal(
		ask(f,
		    "SELECT count(*)::VARCHAR, (SELECT sum(quantity) FROM read_parquet('%s/refined/portfolio/**/*.parquet')) = sum(quantity) FROM "
		    "read_parquet('%s/refined/sums/**/*.parquet')",
		    f->lake->root, f->lake->root),
		"34|true\n");
	const char *whole = lake_hash(f);
	/* one by one, on one thread, by another engine: the same bytes */
	struct job_engine *other;
	GOOD(f->lake, driver->open(f, 1, &other, &f->lake->e));
	for (int d = 0; d < 34; d += 11) {
		char date[DATE_TEXT_SIZE];
		const char *scope = arena_printf(f->lake->arena, "data_pregao=%s/index_code=IBOV",
						 date_format(19900 + d, date));
		struct job_request q = {.job = "portfolio",
					.as_of = AS_OF_LANDED,
					.scopes = &scope,
					.scope_count = 1,
					.force = true};
		struct job_status s;
		GOOD(f->lake, job_engine_start(other, &q, f->run, &f->lake->e));
		GOOD(f->lake, job_engine_work(other, f->lake->arena, &s, &f->lake->e));
		assert_int_equal(s.state, RUN_SUCCEEDED);
		assert_int_equal(s.scopes_done, 1);
	}
	job_engine_free(other);
	struct catalog_file *files;
	size_t n;
	GOOD(f->lake, catalog_files(f->lake->catalog, &out_table, LAYOUT_PUBLISHED, NULL, 0,
				    f->lake->arena, &files, &n, &f->lake->e));
	assert_int_equal(n, 306);
	run(f, AS_OF_LANDED, true);
	assert_string_equal(lake_hash(f), whole);
}

static void a_plan_without_scope_columns(void **state)
{
	struct fixture *f = *state;
	f->plan.scope_column_count = 0;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	lake_put_session(f->lake, "2024-07-16", "IBOV", "b", LANDED("2024-07-17"), tuesday, 2);
	struct job_status s = run(f, AS_OF_LANDED, false);
	assert_int_equal(s.rows_written, 4);
	assert_string_equal(
		ask(f,
		    "SELECT DISTINCT as_of::VARCHAR FROM read_parquet('%s/refined/**/*.parquet')",
		    f->lake->root),
		"2024-07-17\n");
	assert_int_equal(run(f, AS_OF_LANDED, false).rows_written, 0);
	/* what is no longer made goes */
	lake_put_session(f->lake, "2024-07-15", "IBOV", "none", LANDED("2024-07-15"), NULL, 0);
	assert_int_equal(run(f, AS_OF_LANDED, false).rows_written, 2);
	assert_string_equal(
		ask(f,
		    "SELECT DISTINCT pregao_date::VARCHAR FROM read_parquet('%s/refined/**/*.parquet')",
		    f->lake->root),
		"2024-07-16\n");
	assert_int_equal(run(f, AS_OF_LANDED, false).rows_written, 0);
}

static void the_ledger(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct job_status s, *list;
	size_t n;
	char first[RUN_ID_SIZE];
	assert_int_equal(job_engine_work(f->engine, f->lake->arena, &s, &e), ERR_NOT_FOUND);
	assert_int_equal(
		job_engine_start(f->engine, &(struct job_request){.job = "nada"}, f->run, &e),
		ERR_NOT_FOUND);
	assert_int_equal(job_engine_status(f->engine, "nada", f->lake->arena, &s, &e),
			 ERR_NOT_FOUND);
	assert_int_equal(job_engine_cancel(f->engine, "nada", &e), ERR_NOT_FOUND);
	const char *scopes[] = {"data_pregao=2024-07-16/index_code=A\"B"};
	start(f, 123, false, 1, scopes);
	memcpy(first, f->run, sizeof(first));
	start(f, AS_OF_LANDED, false, 0, NULL);
	GOOD(f->lake, job_engine_status(f->engine, first, f->lake->arena, &s, &e));
	assert_int_equal(s.state, RUN_QUEUED);
	assert_int_equal(s.as_of, 123);
	assert_string_equal(s.scopes, "[\"data_pregao=2024-07-16/index_code=A\\\"B\"]");
	/* the oldest first; a cancelled one never */
	assert_int_equal(job_engine_cancel(f->engine, first, &e), 0);
	assert_int_equal(job_engine_cancel(f->engine, first, &e), ERR_CONFLICT);
	s = work(f);
	assert_string_equal(s.run, f->run);
	assert_int_equal(job_engine_work(f->engine, f->lake->arena, &s, &e), ERR_NOT_FOUND);
	GOOD(f->lake, job_engine_list(f->engine, 10, f->lake->arena, &list, &n, &e));
	assert_int_equal(n, 2);
	assert_string_equal(list[0].run, f->run);
	assert_int_equal(list[0].state, RUN_SUCCEEDED);
	assert_int_equal(list[1].state, RUN_CANCELLED);
	GOOD(f->lake, job_engine_list(f->engine, 1, f->lake->arena, &list, &n, &e));
	assert_int_equal(n, 1);
}

static void a_running_run_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	start(f, AS_OF_LANDED, false, 0, NULL);
	const char *before = lake_hash(f);
	f->cancel_in_compile = true;
	struct job_status s = work(f);
	assert_int_equal(s.state, RUN_CANCELLED);
	assert_string_equal(lake_hash(f), before);
	f->cancel_in_compile = false;
	assert_int_equal(run(f, AS_OF_LANDED, false).scopes_done, 1);
}

static void another_writer_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct job_status s;
	int lock;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	start(f, AS_OF_LANDED, false, 0, NULL);
	char *state_dir = path_in(f->lake->root, "state");
	struct catalog *other;
	GOOD(f->lake, catalog_sqlite_open(state_dir, &f->lake->clock.clock, false, &other, &e));
	free(state_dir);
	GOOD(f->lake, catalog_lock(other, &out_table, 0, NULL, NULL, &lock, &e));
	assert_int_equal(job_engine_work(f->engine, f->lake->arena, &s, &e), ERR_CONFLICT);
	/* not lost: it is there for the next worker */
	GOOD(f->lake, job_engine_status(f->engine, f->run, f->lake->arena, &s, &e));
	assert_int_equal(s.state, RUN_QUEUED);
	catalog_unlock(other, lock);
	catalog_free(other);
	s = work(f);
	assert_int_equal(s.state, RUN_SUCCEEDED);
	assert_string_equal(s.run, f->run);
}

/* A worker in a process of its own, killed while it compiles. */
static int die(void *ctx, const char *job, struct arena *arena, struct job_plan *ret, struct err *e)
{
	raise(SIGKILL);
	return 0;
}

static void killed_worker(struct fixture *f)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* nothing of the parent's DuckDB or SQLite is touched here */
		char *state = path_in(f->lake->root, "state");
		struct job_engine_duckdb_options o = {
			.state_dir = state, .clock = &f->lake->clock.clock, .compile = die};
		struct job_engine *engine;
		struct job_status s;
		struct err e = ERR_INIT;
		if (job_engine_duckdb_new(&o, &engine, &e) == 0 &&
		    job_engine_work(engine, arena_new(), &s, &e) == 0)
			_exit(0);
		_exit(1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_dead_workers_run_is_taken_again(void **state)
{
	struct fixture *f = *state;
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	start(f, AS_OF_LANDED, false, 0, NULL);
	job_engine_free(f->engine); /* fork with SQLite open is asking for trouble */
	killed_worker(f);
	GOOD(f->lake, driver->open(f, 2, &f->engine, &f->lake->e));
	struct job_status s;
	GOOD(f->lake, job_engine_status(f->engine, f->run, f->lake->arena, &s, &f->lake->e));
	assert_int_equal(s.state, RUN_RUNNING);
	s = work(f);
	assert_string_equal(s.run, f->run);
	assert_int_equal(s.state, RUN_SUCCEEDED);
	/* one that kills every worker is given up */
	start(f, 5, false, 0, NULL);
	job_engine_free(f->engine);
	for (int i = 0; i < 3; i++)
		killed_worker(f);
	GOOD(f->lake, driver->open(f, 2, &f->engine, &f->lake->e));
	s = work(f); /* told, not passed over in silence */
	assert_string_equal(s.run, f->run);
	assert_int_equal(s.state, RUN_FAILED);
	assert_non_null(strstr(s.error, "died 3 times"));
}

static size_t count_stale(struct fixture *f, const char *scope)
{
	const char **stale;
	size_t n;
	GOOD(f->lake, job_engine_stale(f->engine, "portfolio", &scope, 1, f->lake->arena, &stale,
				       &n, &f->lake->e));
	return n;
}

/* Missing, made of what is there under any date, and made of something else. */
static void stale_outputs_are_told(void **state)
{
	struct fixture *f = *state;
	static const char scope[] = "data_pregao=2024-07-15/index_code=IBOV";
	assert_int_equal(count_stale(f, scope), 0); /* no such scope: nothing to make */
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", LANDED("2024-07-15"), monday, 3);
	assert_int_equal(count_stale(f, scope), 1);
	start(f, AS_OF_LANDED, false, 0, NULL);
	work(f);
	assert_int_equal(count_stale(f, scope), 0);
	start(f, 5, true, 0, NULL);
	work(f);
	assert_int_equal(count_stale(f, scope), 0);
	lake_put_session(f->lake, "2024-07-15", "IBOV", "b", LANDED("2024-07-15"), monday, 2);
	assert_int_equal(count_stale(f, scope), 1);
}

struct racer {
	struct fixture *f;
	struct job_engine *engine;
	int taken;
};
static void *race(void *arg)
{
	struct racer *r = arg;
	struct arena *arena = arena_new();
	struct job_status s;
	struct err e = ERR_INIT;
	int rc;
	while ((rc = job_engine_work(r->engine, arena, &s, &e)) == 0 || rc == ERR_CONFLICT)
		r->taken += rc == 0;
	arena_free(arena);
	return rc == ERR_NOT_FOUND ? NULL : arg;
}

static void two_workers_take_each_run_once(void **state)
{
	struct fixture *f = *state;
	/* Both find nothing to do in the lake: what is raced for is the claim. A lake of its own
	 * each, since a catalog belongs to one thread. */
	struct fixture second = *f;
	static const struct table_def *const tables[] = {&raw_portfolio, &out_table};
	second.lake = lake_new(tables, 2, 0);
	for (int i = 0; i < 20; i++)
		start(f, i, false, 0, NULL);
	char *shared = path_in(f->lake->root, "state");
	struct job_engine_duckdb_options o = {.state_dir = shared,
					      .host = second.lake->host,
					      .publish = lake_publish(second.lake),
					      .clock = &second.lake->clock.clock,
					      .compile = compile,
					      .ctx = &second};
	struct racer racers[] = {{.f = f, .engine = f->engine}, {.f = &second}};
	GOOD(f->lake, job_engine_duckdb_new(&o, &racers[1].engine, &f->lake->e));
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(racers[0].taken + racers[1].taken, 20);
	job_engine_free(racers[1].engine);
	lake_free(second.lake);
	free(shared);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_run_writes_both_layouts),
		CASE(other_sources_are_read_whole),
		CASE(unchanged_inputs_change_nothing),
		CASE(only_the_scopes_asked_for),
		CASE(an_emptied_session_empties_its_scope),
		CASE(what_is_wrong_fails_the_run),
		CASE(the_cut_does_not_matter),
		CASE(a_plan_without_scope_columns),
		CASE(the_ledger),
		CASE(a_running_run_can_be_cancelled),
		CASE(another_writer_is_waited_for),
		CASE(a_dead_workers_run_is_taken_again),
		CASE(stale_outputs_are_told),
		CASE(two_workers_take_each_run_once),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		failed += RUN_TESTS(driver->name);
	}
	return failed;
}
