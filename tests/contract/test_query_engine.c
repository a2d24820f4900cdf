/* Contract of the query engine port: what a statement gets to see, what it may not do, and that the
 * list of files is cut without changing a result. */
#include "lake_fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "query_engine.h"
#include "query_engine_duckdb.h"

static const struct column refined_columns[] = {
	{.name = "qtd", .type = COL_BIGINT},
	{.name = "part", .type = COL_DECIMAL, .precision = 9, .scale = 3}};
static const struct column refined_partition[] = {{.name = "index_code", .type = COL_TEXT},
						  {.name = "pregao_date", .type = COL_DATE},
						  {.name = "action", .type = COL_TEXT}};
static const char *const refined_sort[] = {"action"};
static const struct table_def refined_portfolio = {
	.database = "refined",
	.name = "portfolio",
	.columns = refined_columns,
	.column_count = 2,
	.partition = refined_partition,
	.partition_count = 3,
	.location = "refined/portfolio",
	.scope_count = 2,
	.compact_location = "compact/refined/portfolio",
	.sort = refined_sort,
	.sort_count = 1,
};
static const struct table_def *const tables[] = {&raw_portfolio, &refined_portfolio};

struct fixture {
	struct lake *lake;
	struct query_engine *engine;
	struct buf seen; /* what the sink got */
	size_t batches;
	int stop_after;
};
static const struct driver_case {
	const char *name;
	int (*open)(struct lake *, struct query_engine **, struct err *);
} * driver;
static int open_duckdb(struct lake *l, struct query_engine **ret, struct err *e)
{
	return query_engine_duckdb_new(l->host, l->catalog, l->store, ret, e);
}
static const struct driver_case drivers[] = {{"duckdb", open_duckdb}};

static const struct raw_row first[] = {{"PETR4", "PETROBRAS", 15089313085, 12345},
				       {"VALE3", "VALE", 7, 1},
				       {"ABEV3", NULL, 1, 87654}};
static const struct raw_row second[] = {{"PETR4", "PETROBRAS", 100, 100000}};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->lake = lake_new(tables, 2, 256 << 20);
	GOOD(f->lake, driver->open(f->lake, &f->engine, &f->lake->e));
	lake_put_session(f->lake, "2024-07-15", "IBOV", "a", "{}", first, 3);
	lake_put_session(f->lake, "2024-07-16", "IBOV", "b", "{}", second, 1);
	lake_put_session(f->lake, "2024-07-16", "Ç +%/=x", "c", "{}", second, 1);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	query_engine_free(f->engine);
	lake_free(f->lake);
	buf_free(&f->seen);
	free(f);
	return 0;
}

static int take_columns(void *ctx, const struct column *c, const char *const *types, size_t n,
			struct err *e)
{
	struct fixture *f = ctx;
	for (size_t i = 0; i < n; i++)
		buf_printf(&f->seen, "%s%s %s", i ? "|" : "", c[i].name, types[i]);
	buf_char(&f->seen, '\n');
	return 0;
}

static int take_batch(void *ctx, const struct batch *b, struct err *e)
{
	struct fixture *f = ctx;
	f->batches++;
	if (f->stop_after && f->batches >= (size_t)f->stop_after)
		return err_set(e, ERR_IO, "the reader has had enough");
	for (size_t row = 0; row < b->row_count && f->seen.len < 100000; row++) {
		for (size_t c = 0; c < b->column_count; c++) {
			buf_str(&f->seen, c ? "|" : "");
			if (!batch_text(b, c, row, &f->seen))
				buf_str(&f->seen, "NULL");
		}
		buf_char(&f->seen, '\n');
	}
	return 0;
}

static int run(struct fixture *f, const char *sql, struct query_stats *stats, struct err *e)
{
	struct query_sink sink = {.columns = take_columns, .batch = take_batch, .ctx = f};
	buf_reset(&f->seen);
	f->batches = 0;
	*e = (struct err)ERR_INIT;
	return query_engine_run(f->engine, sql, &sink, stats, e);
}

static void gives(struct fixture *f, const char *sql, const char *expected)
{
	struct err e;
	int rc = run(f, sql, NULL, &e);
	if (rc)
		fail_msg("%s: %s: %s", sql, err_name(rc), e.text);
	if (strcmp(f->seen.data, expected) != 0)
		fail_msg("%s\n gives\n%s expected\n%s", sql, f->seen.data, expected);
}

static void types_and_values(void **state)
{
	struct fixture *f = *state;
	gives(f, "SELECT * FROM raw.portfolio WHERE data_pregao = '2024-07-15' ORDER BY codigo",
	      "codigo VARCHAR|acao VARCHAR|qtd BIGINT|part DECIMAL(9,3)|data_pregao DATE|index_code VARCHAR\n"
	      "ABEV3|NULL|1|87.654|2024-07-15|IBOV\nPETR4|PETROBRAS|15089313085|12.345|2024-07-15|IBOV\nVALE3|VALE|7|0.001|2024-07-15|IBOV\n");
	gives(f, "SELECT sum(qtd) AS q, sum(part) AS p, count(*) AS n FROM raw.portfolio",
	      "q HUGEINT|p DECIMAL(38,3)|n BIGINT\n15089313293|300.000|5\n");
	/* narrow numbers are widened; what has no place in a batch is text, and keeps its own
	 * name */
	gives(f,
	      "SELECT (-7)::TINYINT a, 65535::USMALLINT b, 4294967295::UINTEGER c, 18446744073709551615::UBIGINT d, 1.25::DECIMAL(4,2) e, true f, 0.1::DOUBLE g, "
	      "TIMESTAMP '2024-07-15 10:00:00.5' h, INTERVAL 3 DAY i, [1, 2] j, TIMESTAMPTZ '2024-07-15 10:00:00+00' k, NULL l, {'x': 1} AS m; -- and a comment",
	      "a TINYINT|b USMALLINT|c UINTEGER|d UBIGINT|e DECIMAL(4,2)|f BOOLEAN|g DOUBLE|h TIMESTAMP|i INTERVAL|j INTEGER[]|k TIMESTAMP WITH TIME ZONE|l "
	      "INTEGER|m STRUCT(x INTEGER)\n"
	      "-7|65535|4294967295|18446744073709551615|1.25|true|0.1|2024-07-15 10:00:00.5|3 days|[1, 2]|2024-07-15 10:00:00+00|NULL|{'x': 1}\n");
	/* columns come once, also without rows; the same name may come twice */
	gives(f, "SELECT codigo, codigo FROM raw.portfolio WHERE false",
	      "codigo VARCHAR|codigo VARCHAR\n");
	gives(f, "SELECT index_code FROM raw.portfolio WHERE index_code = 'Ç +%/=x'",
	      "index_code VARCHAR\nÇ +%/=x\n");
}

static void files_are_cut(void **state)
{
	struct fixture *f = *state;
	struct query_stats s;
	struct err e;
	static const struct {
		const char *sql;
		int64_t listed, rows;
	} cases[] = {
		{"FROM raw.portfolio", 3, 5},
		{"FROM raw.portfolio WHERE data_pregao = DATE '2024-07-16'", 2, 2},
		{"FROM raw.portfolio WHERE data_pregao >= '2024-07-16' AND index_code = 'IBOV'", 1,
		 1},
		{"FROM raw.portfolio WHERE index_code = 'Ç +%/=x'", 1, 1},
		{"FROM raw.portfolio WHERE index_code = 'none'", 0, 0},
		{"FROM raw.portfolio a JOIN raw.portfolio b USING (codigo) WHERE a.data_pregao = '2024-07-15' AND b.index_code = 'Ç +%/=x'",
		 2, 1},
		{"SELECT 1", 0, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(run(f, cases[i].sql, &s, &e), 0);
		if (s.files_listed != cases[i].listed || s.rows != cases[i].rows)
			fail_msg("%s: %d files, %d rows", cases[i].sql, (int)s.files_listed,
				 (int)s.rows);
		assert_int_equal(s.files_total, i == 6 ? 0 : 3);
	}
	assert_true(s.catalog_version > 0);
}

static void tables_without_files_have_columns(void **state)
{
	struct fixture *f = *state;
	gives(f, "SELECT * FROM refined.portfolio",
	      "qtd BIGINT|part DECIMAL(9,3)|index_code VARCHAR|pregao_date DATE|action VARCHAR\n");
	gives(f, "SELECT column_name, column_type FROM (DESCRIBE refined.portfolio)",
	      "column_name VARCHAR|column_type VARCHAR\nqtd|BIGINT\npart|DECIMAL(9,3)\nindex_code|VARCHAR\npregao_date|DATE\naction|VARCHAR\n");
	gives(f,
	      "SELECT table_schema || '.' || table_name t FROM information_schema.tables ORDER BY 1",
	      "t VARCHAR\nraw.portfolio\nrefined.portfolio\n");
	gives(f, "SHOW TABLES",
	      "database VARCHAR|name VARCHAR\nraw|portfolio\nrefined|portfolio\n");
	struct err e;
	assert_int_equal(run(f, "EXPLAIN SELECT * FROM raw.portfolio", NULL, &e), 0);
	assert_non_null(strstr(f->seen.data, "plan VARCHAR\n"));
	assert_non_null(strstr(f->seen.data, "READ_PARQUET"));
	assert_int_equal(run(f, "/* why */ explain analyze FROM raw.portfolio", NULL, &e), 0);
	assert_int_equal(run(f, "SUMMARIZE raw.portfolio", NULL, &e), 0);
}

static void only_reading_runs(void **state)
{
	struct fixture *f = *state;
	static const char *const refused[] = {
		"CREATE TABLE x(a INTEGER)",
		"INSERT INTO raw.portfolio VALUES (1)",
		"DELETE FROM raw.portfolio",
		"COPY (SELECT 1) TO '/tmp/pregao-never.csv'",
		"ATTACH '/tmp/pregao-never.db'",
		"SET memory_limit = '1GB'",
		"PRAGMA database_list",
		"SELECT 1; SELECT 2",
		"BEGIN",
		"LOAD json",
		"DROP VIEW raw.portfolio",
		"EXPLAIN DELETE FROM raw.portfolio",
		"EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/pregao-never.csv'",
		"SELECT 1; DROP SCHEMA raw CASCADE",
		"EXPORT DATABASE '/tmp/pregao-never'",
		"CALL pragma_version()",
		"WITH x AS (DELETE FROM raw.portfolio RETURNING *) FROM x",
	};
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int rc = run(f, refused[i], NULL, &e);
		if (rc != ERR_INPUT)
			fail_msg("%s: %d %s", refused[i], rc, e.text);
		assert_int_equal(f->seen.len, 0);
	}
	assert_int_not_equal(access("/tmp/pregao-never.csv", F_OK), 0);
	static const struct {
		const char *sql, *says;
		int64_t line, column;
	} wrong[] = {
		{"SELECT 1\nFRM raw.portfolio", "syntax error", 2, 5},
		{"EXPLAIN\n SELEC 1", "syntax error", 2, 2},
		{"SELECT ação FROM raw.portfolio", "ação", 1, 8},
		{"SELECT *\nFROM raw.nada", "there is no table raw.nada", 2, 6},
		{"SELECT ? + 1", "parameters", 0, 0},
		{"", "no statement", 0, 0},
		{" -- nothing", "no statement", 0, 0},
		{"SELECT 'x'::INTEGER", "x", 1, -1},
		{"SELECT '\xff'", "UTF-8", 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int rc = run(f, wrong[i].sql, NULL, &e);
		if (rc != ERR_INPUT || !strstr(e.text, wrong[i].says) || e.line != wrong[i].line ||
		    (wrong[i].column >= 0 && e.column != wrong[i].column))
			fail_msg("%s: %s: %s at %d:%d", wrong[i].sql, err_name(rc), e.text,
				 (int)e.line, (int)e.column);
	}
	/* and afterwards all is well */
	gives(f, "SELECT count(*) n FROM raw.portfolio", "n BIGINT\n5\n");
}

static void deep_and_long_statements(void **state)
{
	struct fixture *f = *state;
	struct err e;
	struct buf sql = {0};
	buf_str(&sql, "SELECT ");
	for (int i = 0; i < 20000; i++)
		buf_char(&sql, '(');
	buf_char(&sql, '1');
	for (int i = 0; i < 20000; i++)
		buf_char(&sql, ')');
	int rc = run(f, sql.data, NULL, &e);
	assert_true(rc == 0 || rc == ERR_INPUT);
	buf_reset(&sql);
	for (int i = 0; i < 900; i++)
		buf_str(&sql, "SELECT * FROM (");
	buf_str(&sql, "SELECT 1");
	for (int i = 0; i < 900; i++)
		buf_char(&sql, ')');
	rc = run(f, sql.data, NULL, &e);
	assert_true(rc == 0 || rc == ERR_INPUT);
	buf_reset(&sql);
	buf_printf(&sql, "SELECT '%*s'", 300 * 1024, "");
	assert_int_equal(run(f, sql.data, NULL, &e), ERR_LIMIT);
	buf_free(&sql);
	gives(f, "SELECT 1 a", "a INTEGER\n1\n");
}

static void the_next_statement_sees_the_next_version(void **state)
{
	struct fixture *f = *state;
	gives(f, "SELECT count(*) n FROM raw.portfolio", "n BIGINT\n5\n");
	lake_put_session(f->lake, "2024-07-15", "IBOV", "d", "{}", second, 1);
	gives(f, "SELECT count(*) n FROM raw.portfolio", "n BIGINT\n3\n");
	gives(f, "SELECT sum(qtd)::BIGINT q FROM raw.portfolio WHERE data_pregao = '2024-07-15'",
	      "q BIGINT\n100\n");
	lake_put_session(f->lake, "2024-07-15", "IBOV", "e", "{}", NULL, 0);
	gives(f, "SELECT count(*) n FROM raw.portfolio", "n BIGINT\n2\n");
	/* what a function names in a text would be seen too late */
	struct err e;
	assert_int_equal(run(f, "FROM query_table('raw.portfolio')", NULL, &e), ERR_INPUT);
	assert_int_equal(
		run(f,
		    "SELECT (SELECT count(*)\nFROM query('FROM raw.portfolio')) a, (SELECT count(*) FROM raw.portfolio WHERE index_code = 'none') b",
		    NULL, &e),
		ERR_INPUT);
	assert_int_equal(e.line, 2);
	assert_int_equal(e.column, 6);
}

/* One session of refined.portfolio, in both layouts. */
static void put_refined(struct lake *l, const char *index, const char *day, int n)
{
	struct err *e = &l->e;
	const struct table_def *const one[] = {&refined_portfolio};
	struct publish with = lake_publish(l);
	struct publish_session *session;
	GOOD(l, publish_begin(&with, one, 1, &session, e));
	const char *values[] = {index, day, NULL}, *scope;
	GOOD(l, path_partition(l->arena, &refined_portfolio, values, 2, &scope, e));
	const char **covered = ANEW_ARRAY(l->arena, 1, const char *);
	covered[0] = scope;
	struct publish_file files[16] = {0};
	int32_t days;
	assert_true(date_parse_iso(slice_of(day), &days));
	const struct column all[] = {refined_columns[0], refined_columns[1], refined_partition[0],
				     refined_partition[1], refined_partition[2]};
	int64_t qtd[15], part[15];
	int32_t dates[15];
	struct slice indices[15], actions[15];
	for (int i = 0; i < n; i++) {
		actions[i] = slice_of(arena_printf(l->arena, "A/%d", i));
		indices[i] = slice_of(index);
		dates[i] = days;
		qtd[i] = i;
		part[i] = 1000 * i;
	}
	struct vector v[] = {
		{qtd, NULL}, {part, NULL}, {indices, NULL}, {dates, NULL}, {actions, NULL}};
	struct parquet_result w;
	for (int i = 0; i < n + 1; i++) {
		bool whole = i == n;
		struct vector row[] = {{qtd + i, NULL}, {part + i, NULL}};
		struct batch b = {all, whole ? v : row, whole ? 5 : 2, whole ? (size_t)n : 1};
		files[i].path =
			arena_printf(l->arena, "%s/%d.parquet", publish_staging(session), i);
		GOOD(l, parquet_write(l->parquet, &b, 1, files[i].path, l->arena, &w, e));
		struct catalog_file *file = &files[i].file;
		*file = (struct catalog_file){
			.layout = whole ? LAYOUT_COMPACT : LAYOUT_PUBLISHED,
			.scopes = covered,
			.scope_count = 1,
			.rows = w.rows,
			.bytes = w.bytes,
			.low = {index, day, whole ? "A/0" : actions[i].p},
			.high = {index, day, whole ? actions[n - 1].p : actions[i].p}};
		if (whole) {
			GOOD(l, path_compact_key(l->arena, &refined_portfolio, scope, false, "x",
						 &file->key, e));
			file->origins = ANEW_ARRAY(l->arena, 1, const char *);
		} else {
			const char *path;
			values[2] = actions[i].p;
			GOOD(l, path_partition(l->arena, &refined_portfolio, values, 3, &path, e));
			file->key = path_key(l->arena, &refined_portfolio, path, "x");
		}
	}
	struct catalog_scope scopes[] = {{.scope = scope, .properties = "{}"}};
	int64_t version;
	GOOD(l, publish_replace(session,
				&(struct publish_change){.table = &refined_portfolio,
							 .scopes = scopes,
							 .scope_count = 1,
							 .files = files,
							 .file_count = (size_t)n + 1},
				1, NULL, 0, &version, e));
	publish_end(session);
}

static void compact_files_are_read(void **state)
{
	struct fixture *f = *state;
	struct query_stats s;
	struct err e;
	static const struct {
		const char *sql, *expected;
		int64_t files;
	} cases[] = {
		{"SELECT count(*) n, sum(qtd)::BIGINT q, min(action) a FROM refined.portfolio",
		 "n BIGINT|q BIGINT|a VARCHAR\n11|20|A/0\n", 3},
		{"SELECT count(*) n, sum(qtd)::BIGINT q, min(action) a FROM refined.portfolio WHERE pregao_date = '2024-07-17'",
		 "n BIGINT|q BIGINT|a VARCHAR\n1|0|A/0\n", 1},
		{"SELECT count(*) n, sum(qtd)::BIGINT q, min(action) a FROM refined.portfolio WHERE action = 'A/3'",
		 "n BIGINT|q BIGINT|a VARCHAR\n2|6|A/3\n", 2},
	};
	put_refined(f->lake, "SMLL", "2024-07-17", 1);
	put_refined(f->lake, "IBOV", "2024-07-15", 5);
	put_refined(f->lake, "IBOV", "2024-07-16", 5);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(run(f, cases[i].sql, &s, &e), 0);
		assert_string_equal(f->seen.data, cases[i].expected);
		assert_int_equal(s.files_listed, cases[i].files);
		assert_int_equal(s.files_total, 3);
	}
}

static void the_sink_can_stop_it(void **state)
{
	struct fixture *f = *state;
	struct err e;
	f->stop_after = 2;
	assert_int_equal(run(f, "SELECT range r FROM range(100000000)", NULL, &e), ERR_IO);
	assert_int_equal(f->batches, 2);
	f->stop_after = 0;
	gives(f, "SELECT 1 a", "a INTEGER\n1\n");
	/* a large result does not lie in memory: it would not fit */
	struct query_stats s;
	assert_int_equal(run(f,
			     "SELECT range, range::VARCHAR || repeat('x', 100) FROM range(5000000)",
			     &s, &e),
			 0);
	assert_int_equal(s.rows, 5000000);
}

static void *cancel_soon(void *arg)
{
	struct fixture *f = arg;
	for (int i = 0; i < 100; i++) {
		usleep(20000);
		query_engine_cancel(f->engine);
	}
	return NULL;
}

static void cancelled(void **state)
{
	struct fixture *f = *state;
	struct err e;
	gives(f, "SELECT 1 a", "a INTEGER\n1\n");
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, cancel_soon, f), 0);
	int rc = run(
		f,
		"SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3",
		NULL, &e);
	assert_int_equal(rc, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "cancelled"));
	pthread_cancel(t);
	pthread_join(t, NULL);
	/* without a statement there is nothing to cancel, and the next one is not hit */
	query_engine_cancel(f->engine);
	gives(f, "SELECT 2 a", "a INTEGER\n2\n");
}

static void out_of_memory_is_a_limit(void **state)
{
	struct fixture *f = *state;
	struct err e;
	/* state of its own that cannot be spilled */
	int rc = run(
		f,
		"SELECT length(string_agg(range::VARCHAR || repeat('x', 1000), '')) FROM range(2000000)",
		NULL, &e);
	assert_int_equal(rc, ERR_LIMIT);
	gives(f, "SELECT 2 a", "a INTEGER\n2\n");
}

static void export_writes_parquet(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct query_stats s;
	const char *out = arena_printf(f->lake->arena, "%s/out.parquet", f->lake->root);
	assert_int_equal(
		query_engine_export(
			f->engine,
			"SELECT codigo, sum(qtd) q, sum(qtd) q, [1] AS l FROM raw.portfolio GROUP BY 1 ORDER BY 1; ",
			out, &s, &e),
		0);
	assert_int_equal(s.rows, 3);
	gives(f,
	      arena_printf(
		      f->lake->arena,
		      "SELECT string_agg(column_name || ' ' || column_type, ',') t FROM (DESCRIBE SELECT * FROM read_parquet('%s'))",
		      out),
	      "t VARCHAR\ncodigo VARCHAR,q DECIMAL(38,0),q_1 DECIMAL(38,0),l INTEGER[]\n");
	gives(f,
	      arena_printf(f->lake->arena, "SELECT codigo, q::BIGINT q FROM read_parquet('%s')",
			   out),
	      "codigo VARCHAR|q BIGINT\nABEV3|1\nPETR4|15089313285\nVALE3|7\n");
	assert_int_equal(query_engine_export(f->engine, "DELETE FROM raw.portfolio", out, NULL, &e),
			 ERR_INPUT);
	const char *fails = arena_printf(f->lake->arena, "%s/fails.parquet", f->lake->root);
	assert_int_equal(
		query_engine_export(
			f->engine,
			"SELECT CASE WHEN range < 300000 THEN 1 ELSE error('late') END FROM range(400000)",
			fails, NULL, &e),
		ERR_INPUT);
	assert_int_not_equal(access(fails, F_OK), 0);
	assert_int_not_equal(
		query_engine_export(f->engine, "SELECT 1", "/proc/none/x.parquet", NULL, &e), 0);
}

static void a_grown_table_reads_older_files(void **state)
{
	struct fixture *f = *state;
	struct column more[5] = {raw_columns[0],
				 {.name = "setor", .type = COL_TEXT},
				 raw_columns[1],
				 raw_columns[2],
				 raw_columns[3]};
	struct table_def grown = raw_portfolio;
	grown.columns = more;
	grown.column_count = 5;
	const struct table_def *const one[] = {&grown};
	GOOD(f->lake, catalog_put_tables(f->lake->catalog, one, 1, &f->lake->e));
	gives(f,
	      "SELECT count(*) n, count(setor) s, sum(qtd)::BIGINT q, min(typeof(setor)) t FROM raw.portfolio WHERE index_code = 'IBOV'",
	      "n BIGINT|s BIGINT|q BIGINT|t VARCHAR\n4|0|15089313193|VARCHAR\n");
}

/* For somebody else's statements. That the files below the lake cannot be written either is the
 * sandbox's part. */
static void confined(void **state)
{
	struct fixture *f = *state;
	struct lake *l = f->lake;
	const char *folders[] = {arena_printf(l->arena, "%s/raw", l->root), NULL};
	const char *secret = arena_printf(l->arena, "%s/state/secret.csv", l->root);
	GOOD(l, file_create(secret, "a\n1\n", 4, false, &l->e));
	GOOD(l, duckdb_host_confine(l->host, folders, 2, &l->e));
	gives(f, "SELECT count(*) n FROM raw.portfolio", "n BIGINT\n5\n");
	static const char *const forms[] = {"FROM read_csv('%s')", "FROM read_text('%s')",
					    "FROM '%s'", "FROM glob('%s*')",
					    "SELECT * FROM query('FROM ''%s''')"};
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct buf b = {0};
		const char *mark = strstr(forms[i], "%s");
		buf_add(&b, forms[i], (size_t)(mark - forms[i]));
		buf_str(&b, secret);
		buf_str(&b, mark + 2);
		int rc = run(f, b.data, NULL, &e);
		if (rc == 0 && strcmp(f->seen.data, "file VARCHAR\n") != 0)
			fail_msg("%s gave\n%s", b.data, f->seen.data);
		buf_free(&b);
	}
	assert_int_not_equal(run(f, "SELECT getenv('HOME')", NULL, &e), 0);
	/* whoever gets a statement through finds nothing to change */
	struct duck d = {0};
	GOOD(l, duck_open(&d, l->host, &l->e));
	assert_int_not_equal(duck_query(&d, "SET enable_external_access = true", NULL, &e), 0);
	assert_int_not_equal(duck_query(&d, "SET lock_configuration = false", NULL, &e), 0);
	assert_int_not_equal(duck_query(&d, "SET memory_limit = '100GB'", NULL, &e), 0);
	assert_int_not_equal(duck_query(&d, "ATTACH '/tmp/pregao-never.db'", NULL, &e), 0);
	duck_close(&d);
	/* unqualified names and the list of tables still work, and export below temp_dir */
	gives(f, "SHOW TABLES",
	      "database VARCHAR|name VARCHAR\nraw|portfolio\nrefined|portfolio\n");
	const char *out = arena_printf(l->arena, "%s/out.parquet", object_store_staging(l->store));
	GOOD(l, query_engine_export(f->engine, "FROM raw.portfolio", out, NULL, &l->e));
	assert_int_not_equal(
		query_engine_export(f->engine, "FROM raw.portfolio",
				    arena_printf(l->arena, "%s/state/x.parquet", l->root), NULL,
				    &e),
		0);
	/* and the settings are the process's: a second engine comes up all the same */
	struct query_engine *other;
	GOOD(l, driver->open(l, &other, &l->e));
	struct query_sink sink = {.columns = take_columns, .batch = take_batch, .ctx = f};
	GOOD(l, query_engine_run(other, "FROM raw.portfolio", &sink, NULL, &l->e));
	query_engine_free(other);
}

static void a_folder_like_a_column(void **state)
{
	struct fixture *f = *state;
	struct lake *l = f->lake;
	/* DuckDB would take part=9 for the column of that name, without a word */
	const char *root = arena_printf(l->arena, "%s/part=9", l->root);
	struct object_store *store;
	GOOD(l, file_mkdirs(root, false, &l->e));
	GOOD(l, object_store_fs_open(root, true, &store, &l->e));
	struct query_engine *q;
	GOOD(l, query_engine_duckdb_new(l->host, l->catalog, store, &q, &l->e));
	struct query_sink sink = {.columns = take_columns, .batch = take_batch, .ctx = f};
	struct err e = ERR_INIT;
	assert_int_equal(query_engine_run(q, "FROM raw.portfolio", &sink, NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "part="));
	query_engine_free(q);
	object_store_free(store);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(types_and_values),
		CASE(files_are_cut),
		CASE(tables_without_files_have_columns),
		CASE(only_reading_runs),
		CASE(deep_and_long_statements),
		CASE(the_next_statement_sees_the_next_version),
		CASE(compact_files_are_read),
		CASE(the_sink_can_stop_it),
		CASE(cancelled),
		CASE(out_of_memory_is_a_limit),
		CASE(export_writes_parquet),
		CASE(a_grown_table_reads_older_files),
		CASE(confined),
		CASE(a_folder_like_a_column),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		failed += RUN_TESTS(driver->name);
	}
	return failed;
}
