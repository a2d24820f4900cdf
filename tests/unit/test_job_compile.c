/* What graphs compile to: the text of the portfolio job's SQL, what DuckDB makes of it, scopes by
 * lineage, the script, the hash. */
#include "job_fixture.h"

#include <unistd.h>

#include "node_sql.h"

static struct job_plan compile(struct arena *arena, const char *text)
{
	struct job *job = load_sound(arena, text);
	struct job_plan plan;
	struct err e = ERR_INIT;
	if (job_compile(arena, job, &plan, &e))
		fail_msg("%s", e.text);
	return plan;
}

static void golden_portfolio(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("jobs/portfolio.json");
	char AUTO_FREE *golden = source_file("tests/fixtures/jobs/portfolio.sql");
	struct job_plan plan = compile(arena, text);
	struct buf AUTO_BUF told = {0};
	for (size_t i = 0; i < plan.check_count; i++)
		buf_printf(&told, "-- %s, %s: %s\n%s;\n\n", plan.checks[i].node,
			   plan.checks[i].name, plan.checks[i].message, plan.checks[i].sql);
	for (size_t i = 0; i < plan.output_count; i++)
		buf_printf(&told, "-- %s\n%s;\n", plan.outputs[i].node, plan.outputs[i].sql);
	buf_printf(&told, "\n-- all checks\n%s;\n", plan.checks_sql);
	const char *save = getenv(
		"PREGAO_GOLDEN"); /* a file to write the new text to, when a change was meant */
	if (save) {
		struct err e = ERR_INIT;
		unlink(save);
		assert_int_equal(file_create(save, told.data, told.len, false, &e), OK);
	}
	assert_string_equal(told.data, golden);

	assert_string_equal(plan.name, "portfolio");
	assert_int_equal(plan.trigger_count, 1);
	assert_string_equal(plan.triggers[0].database, "raw");
	assert_string_equal(plan.triggers[0].table, "portfolio");
	assert_int_equal(plan.input_count, 1);
	assert_string_equal(plan.inputs[0].view, "raw.portfolio");
	assert_int_equal(plan.scope_column_count, 2);
	assert_string_equal(plan.scope_columns[0].source, "index_code");
	assert_string_equal(plan.scope_columns[0].target, "index_code");
	assert_string_equal(plan.scope_columns[1].source, "data_pregao");
	assert_string_equal(plan.scope_columns[1].target, "pregao_date");
	const struct table_def *t = &plan.outputs[0].table;
	assert_string_equal(t->location, "refined/portfolio");
	assert_string_equal(t->compact_location, "compact/refined/portfolio");
	assert_int_equal(t->scope_count, 2);
	assert_int_equal(t->partition_count, 3);
	assert_string_equal(t->partition[2].name, "action");
	assert_int_equal(t->sort_count, 3);
	assert_string_equal(t->sort[0], "action");
}

/* A view as an engine would make it, over rows that try the edges: two papers of one stock and
 * type, a quantity over 2^31, a session after as_of. */
static void make_portfolio(struct duck_fixture *f, const char *more)
{
	struct buf AUTO_BUF sql = {0};
	buf_printf(
		&sql,
		"SET VARIABLE as_of = DATE '2024-07-20'; CREATE OR REPLACE TEMP VIEW \"raw.portfolio\" AS "
		"SELECT codigo, acao, tipo, setor, CAST(qtd AS BIGINT) AS qtd_teorica, CAST(part AS DECIMAL(9,3)) AS part, 'x' AS source_sha256, data_pregao, "
		"index_code FROM (VALUES "
		"('ABEV3', 'AMBEV S/A', 'ON', 'Consumo', 15089313085, 60.001, DATE '2024-07-15', 'IBOV'), "
		"('PETR4', 'PETROBRAS', 'PN  N2', ' Energia', 5, 20.000, DATE '2024-07-15', 'IBOV'), "
		"('PETR9', 'PETROBRAS', 'PN  N2', 'Energia', 7, 19.999, DATE '2024-07-15', 'IBOV'), "
		"('ABEV3', 'AMBEV S/A', 'ON', NULL, 1, 100.000, DATE '2024-07-22', 'SMLL')%s"
		") v(codigo, acao, tipo, setor, qtd, part, data_pregao, index_code)",
		more);
	duck_run(f, sql.data);
}

static char *failing_checks(struct duck_fixture *f, const struct job_plan *plan)
{
	struct buf told = {0};
	buf_str(&told, "");
	for (size_t i = 0; i < plan->check_count; i++) {
		char AUTO_FREE *rows = duck_rows(f, plan->checks[i].sql);
		if (strncmp(rows, "0|", 2) != 0)
			buf_printf(&told, "%s %s", plan->checks[i].name, rows);
	}
	/* All at once says the same. */
	struct buf AUTO_BUF one_by_one = {0};
	for (size_t i = 0; i < plan->check_count; i++) {
		char AUTO_FREE *rows = duck_rows(f, plan->checks[i].sql);
		buf_printf(&one_by_one, "%zu|%s", i, rows);
	}
	struct buf AUTO_BUF ordered = {0};
	buf_printf(&ordered, "SELECT * FROM (%s) ORDER BY 1", plan->checks_sql);
	char AUTO_FREE *together = duck_rows(f, ordered.data);
	assert_string_equal(together, one_by_one.data);
	return buf_take(&told);
}

static void portfolio_in_duckdb(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("jobs/portfolio.json");
	struct job_plan plan = compile(arena, text);
	struct duck_fixture f;
	duck_begin(&f);
	make_portfolio(&f, "");
	char AUTO_FREE *types = duck_rows(
		&f, arena_printf(arena, "SELECT column_name, column_type FROM (DESCRIBE %s)",
				 plan.outputs[0].sql));
	assert_string_equal(
		types,
		"tipo|VARCHAR\nticker|VARCHAR\ntheoretical_quantity|BIGINT\nparticipation|DECIMAL(9,3)\npapers|BIGINT\nas_of|DATE\n"
		"days_since_session|INTEGER\nindex_code|VARCHAR\npregao_date|DATE\naction|VARCHAR\n");
	char AUTO_FREE *rows = duck_rows(
		&f, arena_printf(arena, "SELECT * FROM (%s) ORDER BY ALL", plan.outputs[0].sql));
	assert_string_equal(rows,
			    "ON|ABEV3|1|100.000|1|2024-07-20|-2|SMLL|2024-07-22|AMBEV S/A\n"
			    "ON|ABEV3|15089313085|60.001|1|2024-07-20|5|IBOV|2024-07-15|AMBEV S/A\n"
			    "PN  N2|PETR4|12|39.999|2|2024-07-20|5|IBOV|2024-07-15|PETROBRAS\n");
	char AUTO_FREE *none = failing_checks(&f, &plan);
	assert_string_equal(none, "");

	/* Each check by rows that break it. */
	make_portfolio(
		&f,
		", ('X', 'X', 'ON', 'S', 0, 0.001, DATE '2024-07-15', 'IBOV'), (NULL, NULL, 'ON', 'S', -1, -1, DATE '2024-07-16', 'IBOV')");
	char AUTO_FREE *some = failing_checks(&f, &plan);
	assert_string_equal(
		some,
		"quantity_positive 2|{'index_code': IBOV, 'pregao_date': 2024-07-15, 'action': X, 'tipo': ON, 'theoretical_quantity': 0, "
		"'participation': 0.001, 'ticker': X, 'papers': 1, 'as_of': 2024-07-20, 'days_since_session': 5}\n"
		"participation_not_negative 1|{'index_code': IBOV, 'pregao_date': 2024-07-16, 'action': NULL, 'tipo': ON, "
		"'theoretical_quantity': -1, 'participation': -1.000, 'ticker': NULL, 'papers': 1, 'as_of': 2024-07-20, 'days_since_session': 4}\n"
		"keys_not_null 1|{'index_code': IBOV, 'pregao_date': 2024-07-16, 'action': NULL, 'tipo': ON, 'theoretical_quantity': -1, "
		"'participation': -1.000, 'ticker': NULL, 'papers': 1, 'as_of': 2024-07-20, 'days_since_session': 4}\n"
		"participation_whole 2|{'index_code': IBOV, 'pregao_date': 2024-07-15}: 100.001\n");

	/* A sum that no longer fits the declared type fails; it does not wrap and does not
	 * round. */
	make_portfolio(
		&f,
		", ('Y', 'Y', 'ON', 'S', 9223372036854775807, 1, DATE '2024-07-15', 'IBOV'), ('Z', 'Y', 'ON', 'S', 1, 1, DATE '2024-07-15', 'IBOV')");
	char AUTO_FREE *failure = duck_rows(&f, plan.outputs[0].sql);
	assert_non_null(strstr(failure, "error: "));
	assert_non_null(strstr(failure, "out of range"));
	duck_end(&f);
}

/* The second job is one file, and its numbers come out exact. */
static void sector_share_in_duckdb(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("tests/fixtures/jobs/sector_share.json");
	struct job_plan plan = compile(arena, text);
	struct duck_fixture f;
	duck_begin(&f);
	make_portfolio(&f, "");
	char AUTO_FREE *rows = duck_rows(
		&f, arena_printf(arena, "SELECT * FROM (%s) ORDER BY ALL", plan.outputs[0].sql));
	assert_string_equal(
		rows,
		"Consumo|60.001|1|60.001000|IBOV|2024-07-15\nEnergia|39.999|2|19.999500|IBOV|2024-07-15\n");
	char AUTO_FREE *none = failing_checks(&f, &plan);
	assert_string_equal(none, "");
	assert_int_equal(plan.scope_column_count, 2);
	duck_end(&f);
}

/* Every node's own SELECT runs, with the tables where a query engine has them. */
static void preview_of_each_node(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("tests/fixtures/jobs/sector_share.json");
	struct job *job = load_sound(arena, text);
	struct job_node_info *nodes;
	size_t n;
	struct duck_fixture f;
	struct err e = ERR_INIT;
	const char *sql;
	duck_begin(&f);
	make_portfolio(&f, "");
	duck_run(&f, "CREATE SCHEMA raw; CREATE TABLE raw.portfolio AS FROM \"raw.portfolio\"");
	job_describe(arena, job, &nodes, &n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(job_node_sql(arena, job, nodes[i].id, 20000, &sql, &e), OK);
		char AUTO_FREE *types = duck_rows(
			&f,
			arena_printf(arena, "SELECT column_name, column_type FROM (DESCRIBE %s)",
				     sql));
		struct buf AUTO_BUF expected = {0};
		for (size_t k = 0; k < nodes[i].column_count; k++) {
			char type[COLUMN_TYPE_SIZE];
			buf_printf(&expected, "%s|%s\n", nodes[i].columns[k].name,
				   column_type_format(&nodes[i].columns[k], type));
		}
		if (strcmp(types, expected.data ? expected.data : "") != 0)
			fail_msg("%s gives\n%sexpected\n%s", nodes[i].id, types, expected.data);
		char AUTO_FREE *rows = duck_rows(
			&f, arena_printf(arena, "SELECT count(*) FROM (\n%s\n) LIMIT 10", sql));
		if (strncmp(rows, "error", 5) == 0)
			fail_msg("%s", rows);
	}
	assert_int_equal(job_node_sql(arena, job, "none", 20000, &sql, &e), ERR_NOT_FOUND);
	duck_end(&f);
}

/* Nodes of a graph between a source "t" (raw.any: partition part_date, part_text) and a target, and
 * the scope columns that come of it. */
static const struct {
	const char *nodes, *last, *partition, *scope, *lineage;
} lineages[] = {
	{"", "t", "part_date DATE, part_text VARCHAR", "part_date, part_text",
	 "part_date=part_date part_text=part_text "},
	{"", "t", "part_text VARCHAR, part_date DATE", "part_text", "part_text=part_text "},
	{"", "t", "part_date DATE, t VARCHAR", "part_date, t", ""},
	/* not what a scope is about */
	{"", "t", "part_date DATE, t VARCHAR", "part_date", "part_date=part_date "},
	{"{'id': 'n', 'type': 'change-schema', 'input': 't', 'rename': {'part_date': 'x', 'date': 'part_date'}}",
	 "n", "x DATE", "x", "part_date=x "},
	{"{'id': 'n', 'type': 'change-schema', 'input': 't', 'rename': {'part_date': 'x', 'date': 'part_date'}}",
	 "n", "part_date DATE", "part_date", ""},
	{"{'id': 'n', 'type': 'change-schema', 'input': 't', 'cast': {'part_date': 'VARCHAR'}}",
	 "n", "part_date VARCHAR", "part_date", ""},
	{"{'id': 'n', 'type': 'derive', 'input': 't', 'columns': [{'column': 'x', 'expression': 'part_date'}]}",
	 "n", "x DATE", "x", "part_date=x "},
	{"{'id': 'n', 'type': 'derive', 'input': 't', 'columns': [{'column': 'x', 'expression': 'month_start(part_date)'}]}",
	 "n", "x DATE", "x", ""},
	{"{'id': 'n', 'type': 'filter', 'input': 't', 'where': 'b'}", "n", "part_date DATE",
	 "part_date", "part_date=part_date "},
	{"{'id': 'n', 'type': 'aggregate', 'input': 't', 'group': ['part_date'], 'aggregates': [{'column': 'i', 'function': 'sum', 'of': 'i', 'type': "
	 "'INTEGER'}, {'column': 'part_text', 'function': 'min', 'of': 'part_text'}]}",
	 "n", "part_date DATE, part_text VARCHAR", "part_date", "part_date=part_date "},
	/* a minimum is made of the rows of several scopes */
	{"{'id': 'n', 'type': 'aggregate', 'input': 't', 'group': ['part_date'], 'aggregates': [{'column': 'i', 'function': 'sum', 'of': 'i', 'type': "
	 "'INTEGER'}, {'column': 'part_text', 'function': 'min', 'of': 'part_text'}]}",
	 "n", "part_date DATE, part_text VARCHAR", "part_date, part_text", ""},
	{"{'id': 'a', 'type': 'filter', 'input': 't', 'where': 'b'}, {'id': 'c', 'type': 'filter', 'input': 't', 'where': 'NOT b'}, "
	 "{'id': 'n', 'type': 'union', 'inputs': ['a', 'c']}",
	 "n", "part_date DATE", "part_date", "part_date=part_date "},
	/* rows of another table would be in every scope */
	{"{'id': 'o', 'type': 'source', 'table': 'raw.portfolio'}, "
	 "{'id': 'a', 'type': 'change-schema', 'input': 't', 'keep': ['i', 'part_date']}, "
	 "{'id': 'd', 'type': 'derive', 'input': 'o', 'columns': [{'column': 'i', 'expression': '1'}, {'column': 'part_date', 'expression': 'data_pregao'}]}, "
	 "{'id': 'c', 'type': 'change-schema', 'input': 'd', 'keep': ['i', 'part_date']}, "
	 "{'id': 'n', 'type': 'union', 'inputs': ['a', 'c']}",
	 "n", "part_date DATE", "part_date", ""},
	/* another table joined to it is read whole */
	{"{'id': 'o', 'type': 'source', 'table': 'raw.portfolio'}, {'id': 'n', 'type': 'join', 'left': 't', 'right': 'o', 'kind': 'left', "
	 "'on': [{'left': 't', 'right': 'codigo'}]}",
	 "n", "part_date DATE, part_text VARCHAR", "part_date, part_text",
	 "part_date=part_date part_text=part_text "},
	{"{'id': 'o', 'type': 'source', 'table': 'raw.portfolio'}, {'id': 'n', 'type': 'join', 'left': 'o', 'right': 't', 'kind': 'inner', "
	 "'on': [{'left': 'codigo', 'right': 't'}]}",
	 "n", "part_date DATE", "part_date", "part_date=part_date "},
	/* the key that stays is the other table's, but equal */
	{"{'id': 'o', 'type': 'source', 'table': 'raw.portfolio'}, {'id': 'n', 'type': 'join', 'left': 'o', 'right': 't', 'kind': 'inner', "
	 "'on': [{'left': 'data_pregao', 'right': 'part_date'}]}",
	 "n", "data_pregao DATE", "data_pregao", "part_date=data_pregao "},
	/* unmatched rows of the other table would be in no scope, or in all */
	{"{'id': 'o', 'type': 'source', 'table': 'raw.portfolio'}, {'id': 'n', 'type': 'join', 'left': 'o', 'right': 't', 'kind': 'left', "
	 "'on': [{'left': 'codigo', 'right': 't'}]}",
	 "n", "part_date DATE", "part_date", ""},
	/* the table with itself: only along what the join keeps together */
	{"{'id': 'm', 'type': 'aggregate', 'input': 't', 'group': ['part_date'], 'aggregates': [{'column': 'n', 'function': 'count'}]}, "
	 "{'id': 'n', 'type': 'join', 'left': 't', 'right': 'm', 'kind': 'inner', 'on': ['part_date']}",
	 "n", "part_date DATE", "part_date", "part_date=part_date "},
	{"{'id': 'm', 'type': 'aggregate', 'input': 't', 'group': ['part_date'], 'aggregates': [{'column': 'n', 'function': 'count'}]}, "
	 "{'id': 'n', 'type': 'join', 'left': 't', 'right': 'm', 'kind': 'inner', 'on': ['part_date']}",
	 "n", "part_date DATE, part_text VARCHAR", "part_date, part_text", ""},
	{"{'id': 'm', 'type': 'change-schema', 'input': 't', 'keep': ['part_date', 'i'], 'rename': {'part_date': 'before', 'i': 'i_before'}}, "
	 "{'id': 'n', 'type': 'join', 'left': 't', 'right': 'm', 'kind': 'inner', 'on': [{'left': 'date', 'right': 'before'}]}",
	 "n", "part_date DATE", "part_date", ""},
	{"{'id': 'n', 'type': 'sql', 'inputs': ['t'], 'text': {'duckdb': 'SELECT * FROM t'}, 'columns': [{'name': 'part_date', 'type': 'DATE'}, {'name': 'i', "
	 "'type': 'INTEGER'}]}",
	 "n", "part_date DATE", "part_date", ""},
	{"{'id': 'n', 'type': 'sql', 'inputs': ['t'], 'text': {'duckdb': 'SELECT * FROM t'}, 'columns': [{'name': 'part_date', 'type': 'DATE'}, {'name': 'i', "
	 "'type': 'INTEGER'}], 'keeps': ['part_date']}",
	 "n", "part_date DATE", "part_date", "part_date=part_date "},
	{"{'id': 'n', 'type': 'quality', 'input': 't', 'checks': [{'name': 'some', 'rows': {'min': 0}}]}",
	 "n", "part_date DATE", "part_date", "part_date=part_date "},
};

/* "a DATE, b VARCHAR" as [{"name": "a", "type": "DATE"}, ...]; "a, b" as ["a", "b"] */
static void write_list(struct buf *b, const char *list, bool typed)
{
	struct slice rest = slice_of(list);
	for (bool first = true; rest.n; first = false) {
		struct slice type = slice_trim(slice_cut(&rest, ','));
		struct slice name = slice_cut(&type, ' ');
		buf_str(b, first ? "" : ", ");
		if (typed)
			buf_printf(b, "{'name': '%.*s', 'type': '%.*s'}", SLICE_FMT(name),
				   SLICE_FMT(type));
		else
			buf_printf(b, "'%.*s'", SLICE_FMT(name));
	}
}

static char *lineage_graph(const char *nodes, const char *last, const char *partition,
			   const char *scope)
{
	struct buf b = {0};
	buf_printf(
		&b,
		"{'job': 'x', 'trigger': 'raw.any', 'nodes': [{'id': 't', 'type': 'source', 'table': 'raw.any'}%s%s, "
		"{'id': 'out', 'type': 'target', 'input': '%s', 'table': 'refined.x', 'columns': [{'name': 'i', 'type': 'INTEGER'}], 'partition': [",
		nodes[0] ? ", " : "", nodes, last);
	write_list(&b, partition, true);
	buf_str(&b, "], 'scope': [");
	write_list(&b, scope, false);
	buf_str(&b, "]}]}");
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] == '\'')
			b.data[i] = '"';
	return buf_take(&b);
}

static void lineage(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(lineages); i++) {
		struct arena AUTO_ARENA *arena = arena_new();
		char AUTO_FREE *text = lineage_graph(lineages[i].nodes, lineages[i].last,
						     lineages[i].partition, lineages[i].scope);
		struct job_plan plan = compile(arena, text);
		struct buf AUTO_BUF told = {0};
		buf_str(&told, "");
		for (size_t k = 0; k < plan.scope_column_count; k++)
			buf_printf(&told, "%s=%s ", plan.scope_columns[k].source,
				   plan.scope_columns[k].target);
		if (strcmp(told.data ? told.data : "", lineages[i].lineage) != 0)
			fail_msg("%s\nhas %s, expected %s", text, told.data, lineages[i].lineage);
	}
}

/* The promise behind lineage, tried on data: computing the scopes one by one gives what computing
 * all at once gives. */
static void scopes_one_by_one(void **state)
{
	struct duck_fixture f;
	duck_begin(&f);
	duck_run(
		&f,
		"CREATE TEMP VIEW \"raw.portfolio\" AS SELECT chr(CAST(65 + n % 5 AS INTEGER)) AS codigo, 'a' AS acao, 'b' AS tipo, 's' AS setor, CAST(n AS BIGINT) AS "
		"qtd_teorica, CAST(n AS DECIMAL(9,3)) AS part, '' AS source_sha256, DATE '2024-01-01' + CAST(n % 3 AS INTEGER) AS data_pregao, 'I' AS index_code FROM "
		"range(20) r(n)");
	duck_run(
		&f,
		"CREATE TEMP TABLE anything AS SELECT CAST(n % 7 AS INTEGER) AS i, CAST(n AS BIGINT) AS big, CAST(n AS HUGEINT) AS huge, CAST(n AS DECIMAL(9,3)) AS d93, "
		"CAST(n AS DECIMAL(18,2)) AS d182, CAST(n AS DECIMAL(38,8)) AS d388, chr(CAST(65 + n % 6 AS INTEGER)) AS t, n % 2 = 0 AS b, DATE '2024-01-01' AS day_, "
		"TIMESTAMP '2024-01-01' AS at, CAST(n AS DOUBLE) AS f, DATE '2024-01-01' + CAST(n % 4 AS INTEGER) AS date, DATE '2024-01-01' + CAST(n % 4 AS INTEGER) "
		"AS part_date, chr(CAST(97 + n % 2 AS INTEGER)) AS part_text FROM range(40) r(n)");
	for (size_t i = 0; i < ARRAY_LEN(lineages); i++) {
		struct arena AUTO_ARENA *arena = arena_new();
		char AUTO_FREE *text = lineage_graph(lineages[i].nodes, lineages[i].last,
						     lineages[i].partition, lineages[i].scope);
		struct job_plan plan = compile(arena, text);
		if (!plan.scope_column_count)
			continue;
		duck_run(&f, "CREATE OR REPLACE TEMP VIEW \"raw.any\" AS FROM anything");
		char AUTO_FREE *whole = duck_rows(
			&f, arena_printf(arena, "SELECT count(*), sum(hash(COLUMNS(*))) FROM (%s)",
					 plan.outputs[0].sql));
		if (strncmp(whole, "error", 5) == 0 || strncmp(whole, "0|", 2) == 0)
			fail_msg("%s\n%s", text, whole);
		const char *source = plan.scope_columns[0].source;
		for (int k = 0; k < 4; k++) {
			const char *value =
				strcmp(source, "part_date") == 0
					? arena_printf(arena, "DATE '2024-01-%02d'", k + 1)
					: arena_printf(arena, "'%c'", 'a' + k);
			duck_run(
				&f,
				arena_printf(
					arena,
					"CREATE OR REPLACE TEMP VIEW \"raw.any\" AS FROM anything WHERE %s = %s",
					source, value));
			duck_run(&f, arena_printf(arena,
						  k ? "INSERT INTO parts %s"
						    : "CREATE OR REPLACE TEMP TABLE parts AS %s",
						  plan.outputs[0].sql));
		}
		char AUTO_FREE *together =
			duck_rows(&f, "SELECT count(*), sum(hash(COLUMNS(*))) FROM parts");
		if (strcmp(whole, together) != 0)
			fail_msg("%s\nwhole %s\nparts %s", text, whole, together);
	}
	duck_end(&f);
}

/* Docs, layout and the order of the nodes mean nothing; everything else does. */
static void hash_of_what_matters(void **state)
{
	static const struct {
		const char *from, *to;
		bool same;
	} edits[] = {
		{"\"doc\": \"English names", "\"doc\": \"Other names", true},
		{"\"x\": 240", "\"x\": 9999", true},
		{"\"doc\": \"share of the index in percent\"", "\"doc\": \"\"", true},
		{"\"message\": \"the participations", "\"message\": \"The participations", true},
		{"theoretical_quantity > 0", "theoretical_quantity > 1", false},
		{"\"rename\": {\"acao\": \"action\", \"data_pregao\": \"pregao_date\"}",
		 "\"rename\": {\"data_pregao\": \"pregao_date\", \"acao\": \"action\"}", true},
		{"\"job\": \"portfolio\"", "\"job\": \"portfolios\"", false},
		{"\"function\": \"min\"", "\"function\": \"max\"", false},
		{"compact/refined/portfolio", "compact/refined/portfolio2", false},
	};
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("jobs/portfolio.json");
	struct job_plan plan = compile(arena, text);
	assert_int_equal(strlen(plan.hash), 64);
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		const char *at = strstr(text, edits[i].from);
		if (!at)
			fail_msg("the job has no %s", edits[i].from);
		const char *other = arena_printf(arena, "%.*s%s%s", (int)(at - text), text,
						 edits[i].to, at + strlen(edits[i].from));
		struct job_plan changed = compile(arena, other);
		if ((strcmp(changed.hash, plan.hash) == 0) != edits[i].same)
			fail_msg("%s", edits[i].to);
	}
	/* The same nodes the other way round, with a column called doc that must not be taken for
	 * one. */
	static const char a
		[] = "{\"id\": \"a\", \"type\": \"source\", \"table\": \"raw.portfolio\"}",
	       b[] = "{\"id\": \"b\", \"type\": \"change-schema\", \"input\": \"a\", \"rename\": {\"acao\": \"doc\"}}",
	       b2[] = "{\"id\": \"b\", \"type\": \"change-schema\", \"input\": \"a\", \"rename\": {\"tipo\": \"doc\"}}",
	       c[] = "{\"id\": \"c\", \"type\": \"target\", \"input\": \"b\", \"table\": \"refined.x\", \"columns\": [{\"name\": \"doc\", \"type\": \"VARCHAR\"}], "
		     "\"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}], \"scope\": [\"index_code\"]}";
	static const char frame[] =
		"{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": [%s, %s, %s]}";
	struct job_plan forth = compile(arena, arena_printf(arena, frame, a, b, c)),
			back = compile(arena, arena_printf(arena, frame, c, b, a)),
			other = compile(arena, arena_printf(arena, frame, a, b2, c));
	assert_string_equal(forth.hash, back.hash);
	assert_string_equal(forth.outputs[0].sql, back.outputs[0].sql);
	assert_string_not_equal(forth.hash, other.hash);
}

static void script_runs_by_itself(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *text = source_file("jobs/portfolio.json");
	struct job *job = load_sound(arena, text);
	struct duck_fixture f;
	struct err e = ERR_INIT;
	const char *script;
	char AUTO_FOLDER *folder = temporary_folder();
	assert_int_equal(job_to_sql(arena, job, &script, &e), OK);
	duck_begin(&f);
	make_portfolio(&f, "");
	assert_int_equal(file_mkdirs(arena_printf(arena, "%s/raw", folder), false, &e), OK);
	duck_run(
		&f,
		arena_printf(
			arena,
			"COPY (FROM \"raw.portfolio\") TO '%s/raw/portfolio' (FORMAT parquet, PARTITION_BY (data_pregao, index_code))",
			folder));
	duck_run(
		&f,
		arena_printf(
			arena,
			"SET VARIABLE lake = '%s'; SET VARIABLE out = '%s'; SET VARIABLE as_of = DATE '2024-07-20'",
			folder, folder));
	duck_run(&f, script);
	const char *read = arena_printf(
		arena,
		"SELECT action, theoretical_quantity, participation, days_since_session, pregao_date FROM "
		"read_parquet('%s/portfolio/*/*/*/*.parquet') ORDER BY ALL",
		folder);
	char AUTO_FREE *rows = duck_rows(&f, read);
	assert_string_equal(
		rows,
		"AMBEV S/A|1|100.000|-2|2024-07-22\nAMBEV S/A|15089313085|60.001|5|2024-07-15\nPETROBRAS|12|39.999|5|2024-07-15\n");
	/* Again is fine; and with a failing check nothing is written. */
	duck_run(&f, script);
	make_portfolio(&f, ", ('X', 'X', 'ON', 'S', 0, 0, DATE '2024-07-15', 'IBOV')");
	duck_run(
		&f,
		arena_printf(
			arena,
			"COPY (FROM \"raw.portfolio\") TO '%s/raw/portfolio' (FORMAT parquet, PARTITION_BY (data_pregao, index_code), OVERWRITE_OR_IGNORE)",
			folder));
	assert_true(duck_query(&f.duck, script, NULL, &e) != OK);
	assert_non_null(strstr(
		e.text,
		"quantity_positive: it does not hold that theoretical_quantity > 0: 1, for example"));
	duck_run(&f, "ROLLBACK");
	char AUTO_FREE *same = duck_rows(&f, read);
	assert_string_equal(same, rows);
	duck_end(&f);
}

/* Several targets: a scope only when it is the same for all. */
static void several_targets(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	static const char frame[] =
		"{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": [{\"id\": \"a\", \"type\": \"source\", \"table\": \"raw.portfolio\"}, "
		"{\"id\": \"b\", \"type\": \"target\", \"input\": \"a\", \"table\": \"refined.b\", \"columns\": [{\"name\": \"codigo\", \"type\": \"VARCHAR\"}], "
		"\"partition\": [{\"name\": \"index_code\", \"type\": \"VARCHAR\"}], \"scope\": [\"index_code\"]}, "
		"{\"id\": \"c\", \"type\": \"target\", \"input\": \"a\", \"table\": \"refined.c\", \"columns\": [{\"name\": \"codigo\", \"type\": \"VARCHAR\"}], "
		"\"partition\": [{\"name\": \"%s\", \"type\": \"%s\"}], \"scope\": [\"%s\"]}]}";
	struct job_plan same =
		compile(arena, arena_printf(arena, frame, "index_code", "VARCHAR", "index_code"));
	assert_int_equal(same.output_count, 2);
	assert_int_equal(same.scope_column_count, 1);
	struct job_plan different =
		compile(arena, arena_printf(arena, frame, "data_pregao", "DATE", "data_pregao"));
	assert_int_equal(different.scope_column_count, 0);
}

/* Which partition columns of several trigger tables make scopes. */
static void several_triggers(void **state)
{
	static const char frame[] =
		"{\"job\": \"x\", \"trigger\": [\"raw.portfolio\", \"raw.%s\"], \"nodes\": [{\"id\": \"a\", \"type\": \"source\", \"table\": "
		"\"raw.portfolio\"}, {\"id\": \"k\", \"type\": \"change-schema\", \"input\": \"a\", \"keep\": [\"data_pregao\", \"index_code\"]}, "
		"{\"id\": \"b\", \"type\": \"source\", \"table\": \"raw.%s\"}, {\"id\": \"l\", \"type\": \"change-schema\", \"input\": \"b\", "
		"%s}, {\"id\": \"u\", \"type\": \"%s}, {\"id\": \"n\", \"type\": \"aggregate\", \"input\": \"u\", \"group\": [\"data_pregao\", "
		"\"index_code\"], \"aggregates\": [{\"column\": \"n\", \"function\": \"count\"}]}, {\"id\": \"t\", \"type\": \"target\", \"input\": "
		"\"n\", \"table\": \"refined.x\", \"columns\": [{\"name\": \"n\", \"type\": \"BIGINT\"}], \"partition\": [{\"name\": "
		"\"data_pregao\", \"type\": \"DATE\"}, {\"name\": \"index_code\", \"type\": \"VARCHAR\"}], \"scope\": [\"data_pregao\"]}]}";
	static const struct {
		const char *second, *change, *together;
		size_t scope_columns;
	} cases[] = {
		{"portfolio_total", "\"keep\": [\"data_pregao\", \"index_code\"]",
		 "union\", \"inputs\": [\"k\", \"l\"]", 1},
		/* the same name, but another column */
		{"portfolio_total",
		 "\"rename\": {\"data_pregao\": \"x\"}, \"keep\": [\"data_pregao\", \"index_code\"]",
		 "join\", \"left\": \"k\", \"right\": \"l\", \"kind\": \"inner\", \"on\": [\"index_code\"]",
		 0},
		{"portfolio_total", "\"keep\": [\"data_pregao\", \"index_code\"]",
		 "join\", \"left\": \"k\", \"right\": \"l\", \"kind\": \"left\", \"on\": [\"data_pregao\", \"index_code\"]",
		 1},
		/* a trigger table that does not have the column */
		{"any",
		 "\"rename\": {\"part_date\": \"data_pregao\", \"part_text\": \"index_code\"}, \"keep\": [\"part_date\", \"part_text\"]",
		 "union\", \"inputs\": [\"k\", \"l\"]", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena AUTO_ARENA *arena = arena_new();
		struct job_plan plan =
			compile(arena, arena_printf(arena, frame, cases[i].second, cases[i].second,
						    cases[i].change, cases[i].together));
		assert_int_equal(plan.trigger_count, 2);
		assert_string_equal(plan.triggers[1].table, cases[i].second);
		assert_int_equal(plan.scope_column_count, cases[i].scope_columns);
		if (plan.scope_column_count)
			assert_string_equal(plan.scope_columns[0].source, "data_pregao");
	}
}

/* first and last: by all columns of the order, without what is null, the same in whatever order the
 * rows are read, and in a row's memory a group. */
static void first_and_last(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	static const char text[] =
		"{\"job\": \"x\", \"trigger\": \"raw.any\", \"nodes\": [{\"id\": \"a\", \"type\": \"source\", \"table\": \"raw.any\"}, "
		"{\"id\": \"n\", \"type\": \"aggregate\", \"input\": \"a\", \"group\": [\"part_date\"], \"aggregates\": ["
		"{\"column\": \"open\", \"function\": \"first\", \"of\": \"d93\", \"order\": [\"at\", \"big\"]}, "
		"{\"column\": \"close\", \"function\": \"last\", \"of\": \"d93\", \"order\": [\"at\", \"big\"], \"type\": \"DECIMAL(18,8)\"}]}, "
		"{\"id\": \"t\", \"type\": \"target\", \"input\": \"n\", \"table\": \"refined.x\", \"columns\": [{\"name\": \"open\", \"type\": "
		"\"DECIMAL(9,3)\"}, {\"name\": \"close\", \"type\": \"DECIMAL(18,8)\"}], \"partition\": [{\"name\": \"part_date\", \"type\": \"DATE\"}], "
		"\"scope\": [\"part_date\"]}]}";
	struct job_plan plan = compile(arena, text);
	assert_non_null(strstr(
		plan.outputs[0].sql,
		"arg_min(\"d93\", row(\"at\", \"big\", \"d93\")) FILTER (WHERE \"at\" IS NOT NULL AND \"big\" IS NOT NULL AND \"d93\" IS NOT NULL) AS \"open\""));
	struct buf AUTO_BUF spark = {0};
	node_select(&spark, &(struct sql_style){.spelling = {DIALECT_SPARK, ""}},
		    graph_find(load_sound(arena, text), "n"));
	assert_non_null(strstr(
		spark.data,
		"CAST(max_by(`d93`, struct(`at`, `big`, `d93`)) FILTER (WHERE `at` IS NOT NULL AND `big` IS NOT NULL AND `d93` IS NOT NULL) AS DECIMAL(18,8)) AS `close`"));
	struct duck_fixture f;
	duck_begin(&f);
	for (int backwards = 0; backwards < 2; backwards++) {
		duck_run(
			&f,
			arena_printf(
				arena,
				"CREATE OR REPLACE TEMP VIEW \"raw.any\" AS SELECT DATE '2024-01-01' + CAST(d AS INTEGER) AS part_date, TIMESTAMP '2024-01-01 00:00:00' + "
				"to_microseconds(us) AS at, CAST(big AS BIGINT) AS big, CAST(d93 AS DECIMAL(9,3)) AS d93, NULL AS i, NULL AS huge, NULL AS d182, NULL AS d388, NULL AS t, NULL AS b, "
				"NULL AS day_, NULL AS f, NULL AS date, '' AS part_text FROM (VALUES "
				"(0, 5, 1, 1.001), (0, 5, 10, 1.002), (0, 5, 9, 1.003), (0, 6, 0, 1.004), (0, 4, 100, 1.005), "
				/* one row, */
				"(1, 7, 7, 7.777), "
				/* equal in the whole order, */
				"(2, 1, 1, 5), (2, 1, 1, 3), (2, 1, 1, 4), "
				/* without a value, a first, a second of the order; below zero */
				"(3, 1, 1, NULL), (3, NULL, 1, 9), (3, 2, NULL, 8), (3, 3, -5, -6), (3, 3, 5, -7), "
				/* and nothing at all */
				"(4, 1, 1, NULL)) v(d, us, big, d93) ORDER BY d, us %s, big, d93",
				backwards ? "DESC" : ""));
		char AUTO_FREE *rows =
			duck_rows(&f, arena_printf(arena, "SELECT * FROM (%s) ORDER BY part_date",
						   plan.outputs[0].sql));
		assert_string_equal(rows, "1.005|1.00400000|2024-01-01\n"
					  "7.777|7.77700000|2024-01-02\n"
					  "3.000|5.00000000|2024-01-03\n"
					  "-6.000|-7.00000000|2024-01-04\n"
					  "NULL|NULL|2024-01-05\n");
	}
	duck_end(&f);
}

/* What it computes is tested on Spark itself, in tests/aws; here its form, and that no text gets out of its quotes. */
static void spark_program(void **state)
{
	struct arena AUTO_ARENA *arena = arena_new();
	char AUTO_FREE *portfolio = source_file("jobs/portfolio.json");
	struct err e = ERR_INIT;
	const char *program;
	assert_int_equal(
		job_to_spark(arena, load_sound(arena, portfolio), SPARK_ALONE, &program, &e), OK);
	assert_non_null(strstr(program, "ROOTS = [\"raw\", \"refined\"]\n"));
	assert_non_null(strstr(
		program,
		"SCOPES = [(\"index_code\", \"index_code\"), (\"data_pregao\", \"pregao_date\")]\n"));
	assert_non_null(strstr(program, "    run.source(\"portfolio\", \"raw.portfolio\")\n"));
	assert_non_null(strstr(
		program, "datediff(CAST(:as_of AS DATE), `pregao_date`) AS `days_since_session`"));
	assert_non_null(strstr(program, "options.add_argument('--as-of', required=True"));
	assert_null(strstr(program, "awsglue"));
	assert_int_equal(
		job_to_spark(arena, load_sound(arena, portfolio), SPARK_GLUE, &program, &e), OK);
	assert_non_null(strstr(program, "from awsglue.context import GlueContext\n"));

	static const char frame[] =
		"{\"job\": \"x\", \"trigger\": \"raw.portfolio\", \"nodes\": [{\"id\": \"a\", \"type\": \"source\", \"table\": \"raw.portfolio\"}, "
		"{\"id\": \"b\", \"type\": \"sql\", \"inputs\": [\"a\"], \"text\": {\"duckdb\": \"SELECT 1\"%s}, "
		"\"columns\": [{\"name\": \"n\", \"type\": \"HUGEINT\"}, {\"name\": \"t\", \"type\": \"VARCHAR\"}]}, "
		"{\"id\": \"d\", \"type\": \"change-schema\", \"input\": \"b\", \"cast\": {\"n\": \"BIGINT\"}}, "
		"{\"id\": \"c\", \"type\": \"target\", \"input\": \"d\", \"table\": \"refined.x\", \"columns\": [{\"name\": \"n\", \"type\": \"BIGINT\"}], "
		"\"partition\": [{\"name\": \"t\", \"type\": \"VARCHAR\"}], \"scope\": [\"t\"]}]}";
	const char *evil = ", \"spark\": \"SELECT 1 AS n, '\\\"\\\"\\\"\\nimport os\\\\' AS t\"";
	assert_int_equal(job_to_spark(arena, load_sound(arena, arena_printf(arena, frame, evil)),
				      SPARK_ALONE, &program, &e),
			 OK);
	assert_non_null(strstr(
		program, "CAST(`n` AS DECIMAL(38,0)) AS `n`,\n    CAST(`t` AS STRING) AS `t`"));
	assert_non_null(strstr(program, "'\\\"\\\"\\\"\nimport os\\\\' AS t"));
	assert_int_equal(job_to_spark(arena, load_sound(arena, arena_printf(arena, frame, "")),
				      SPARK_ALONE, &program, &e),
			 ERR_INPUT);
	assert_non_null(strstr(e.where, "node b"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_portfolio),
		cmocka_unit_test(portfolio_in_duckdb),
		cmocka_unit_test(sector_share_in_duckdb),
		cmocka_unit_test(preview_of_each_node),
		cmocka_unit_test(lineage),
		cmocka_unit_test(scopes_one_by_one),
		cmocka_unit_test(hash_of_what_matters),
		cmocka_unit_test(script_runs_by_itself),
		cmocka_unit_test(several_targets),
		cmocka_unit_test(several_triggers),
		cmocka_unit_test(first_and_last),
		cmocka_unit_test(spark_program),
	};
	return RUN_TESTS("job_compile");
}
