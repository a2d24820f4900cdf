/* Pruning: what conditions become filters, what must not, and that leaving out what filters leave
 * out never changes a result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duckdb_api.h"
#include "json.h"
#include "prune.h"

static const struct column data[] = {{.name = "codigo", .type = COL_TEXT},
				     {.name = "qtd", .type = COL_BIGINT}};
static const struct column by_index[] = {{.name = "index_code", .type = COL_TEXT},
					 {.name = "d", .type = COL_DATE},
					 {.name = "hour", .type = COL_INTEGER}};
static struct table_def portfolio = {.database = "raw",
				     .name = "portfolio",
				     .columns = data,
				     .column_count = 2,
				     .partition = by_index,
				     .partition_count = 3};
static struct table_def refined = {.database = "refined",
				   .name = "portfolio",
				   .columns = data,
				   .column_count = 2,
				   .partition = by_index,
				   .partition_count = 3};
static struct table_def ticks = {.database = "raw",
				 .name = "ticks",
				 .columns = data,
				 .column_count = 2,
				 .partition = by_index + 1,
				 .partition_count = 2};
static struct table_def *const tables[] = {&portfolio, &refined, &ticks};

static struct duckdb_host *host;
static struct duck duck;
static struct arena *arena;

static int open_duckdb(void **state)
{
	struct err e = ERR_INIT;
	host = duckdb_host_start(&(struct duckdb_host_options){.background = false});
	if (duck_open(&duck, host, &e))
		fail_msg("%s", e.text);
	return 0;
}

static int close_duckdb(void **state)
{
	duck_close(&duck);
	duckdb_host_free(host);
	return 0;
}

static int new_arena(void **state)
{
	arena = arena_new();
	return 0;
}

static int drop_arena(void **state)
{
	arena_free(arena);
	return 0;
}

/* The first cell of a statement's result. */
static int cell(const char *sql, const char **ret, struct err *e)
{
	duckdb_result r;
	int rc = duck_query(&duck, sql, &r, e);
	if (rc)
		return rc;
	*ret = NULL;
	duckdb_data_chunk chunk = duck.api->fetch_chunk(r);
	if (chunk) {
		*ret = duck_text(&duck, duck.api->data_chunk_get_vector(chunk, 0), 0, arena);
		duck.api->destroy_data_chunk(&chunk);
	}
	duck.api->destroy_result(&r);
	return 0;
}

static int prune_sql(const char *sql, struct prune *ret, struct err *e)
{
	struct buf call = {0};
	buf_str(&call, "SELECT json_serialize_sql(");
	buf_sql_str(&call, sql);
	buf_str(&call, ", skip_default := true, skip_null := true, skip_empty := true)::VARCHAR");
	const char *json = NULL;
	int rc = cell(call.data, &json, e);
	buf_free(&call);
	if (rc || !json) {
		fail_msg("%s: %s", sql, e->text);
		return rc;
	}
	AUTO_JSON json_t *root = NULL;
	if (json_parse(json, strlen(json), &root, e))
		fail_msg("%s: %s", sql, e->text);
	if (json_is_true(json_object_get(root, "error")))
		fail_msg("%s: %s", sql, json);
	return prune_statement(root, sql, tables, ARRAY_LEN(tables), arena, ret, e);
}

/* "raw.portfolio{index_code=IBOV,SMLL&d>=2024-01-01|...} refined.portfolio*"; a table with neither:
 * "raw.ticks-" */
static const char *shape(const struct prune *p)
{
	struct buf b = {0};
	for (size_t i = 0; i < p->count; i++) {
		const struct prune_table *t = &p->tables[i];
		buf_printf(&b, "%s%s.%s%s", i ? " " : "", t->table->database, t->table->name,
			   t->whole          ? "*"
			   : t->filter_count ? "{"
					     : "-");
		for (size_t f = 0; f < t->filter_count; f++) {
			buf_str(&b, f ? "|" : "");
			for (size_t k = 0; k < t->any_of[f].term_count; k++) {
				const struct filter_term *term = &t->any_of[f].terms[k];
				buf_printf(&b, "%s%s%s", k ? "&" : "", term->column,
					   term->op == FILTER_IN   ? "="
					   : term->op == FILTER_GE ? ">="
								   : "<=");
				for (size_t v = 0; v < term->value_count; v++)
					buf_printf(&b, "%s%s", v ? "," : "", term->values[v]);
			}
		}
		buf_str(&b, t->filter_count ? "}" : "");
	}
	const char *text = arena_strdup(arena, b.data ? b.data : "");
	buf_free(&b);
	return text;
}

static void statements_and_their_partitions(void **state)
{
	static const struct {
		const char *sql, *expected;
	} cases[] = {
		{"SELECT 1", ""},
		{"FROM raw.portfolio", "raw.portfolio*"},
		{"SELECT * FROM raw.portfolio WHERE index_code = 'IBOV'",
		 "raw.portfolio{index_code=IBOV}"},
		{"SELECT * FROM RAW.\"Portfolio\" WHERE INDEX_CODE = 'IBOV'",
		 "raw.portfolio{index_code=IBOV}"},
		{"FROM raw.portfolio WHERE 'IBOV' = index_code AND d < '2024-02-01' AND DATE '2024-01-01' <= d",
		 "raw.portfolio{index_code=IBOV&d<=2024-02-01&d>=2024-01-01}"},
		{"FROM raw.portfolio p WHERE p.index_code IN ('A', 'B') AND p.d BETWEEN DATE '2024-01-01' AND '2024-01-31'::DATE AND p.qtd > 5 AND hour = 3",
		 "raw.portfolio{index_code=A,B&d>=2024-01-01&d<=2024-01-31&hour=3}"},
		{"FROM raw.portfolio WHERE raw.portfolio.index_code = 'A' AND portfolio.hour = '7'",
		 "raw.portfolio{index_code=A&hour=7}"},
		{"FROM raw.portfolio WHERE index_code = 'O''Hara' AND (d = '2024-01-01' AND (hour > 3 AND hour <= -1))",
		 "raw.portfolio{index_code=O'Hara&d=2024-01-01&hour>=3&hour<=-1}"},
		{"FROM ticks WHERE d = '2024-01-01'", "raw.ticks{d=2024-01-01}"},
		/* two references: any of both; one without a condition: all */
		{"FROM raw.portfolio a, raw.portfolio b WHERE a.index_code = 'A' AND b.index_code = 'B'",
		 "raw.portfolio{index_code=A|index_code=B}"},
		{"FROM raw.portfolio a, raw.portfolio b WHERE a.index_code = 'A'",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE d = '2024-01-01' UNION ALL FROM raw.portfolio WHERE d = '2024-01-02'",
		 "raw.portfolio{d=2024-01-01|d=2024-01-02}"},
		{"FROM raw.portfolio WHERE d = '2024-01-01' AND qtd > (SELECT avg(qtd) FROM raw.portfolio)",
		 "raw.portfolio*"},
		{"FROM raw.portfolio a JOIN refined.portfolio b USING (index_code) WHERE a.index_code = 'A'",
		 "raw.portfolio{index_code=A} refined.portfolio*"},
		{"FROM raw.portfolio a JOIN refined.portfolio b ON a.d = b.d AND b.index_code = 'X' WHERE a.d = '2024-01-01'",
		 "raw.portfolio{d=2024-01-01} refined.portfolio*"},
		/* outer joins: the side that is kept, never the side that is filled */
		{"FROM raw.portfolio a LEFT JOIN refined.portfolio b ON a.d = b.d WHERE a.hour = 1 AND b.hour = 1",
		 "raw.portfolio{hour=1} refined.portfolio*"},
		{"FROM raw.portfolio a RIGHT JOIN refined.portfolio b ON a.d = b.d WHERE a.hour = 1 AND b.hour = 1",
		 "raw.portfolio* refined.portfolio{hour=1}"},
		{"FROM raw.portfolio a FULL JOIN refined.portfolio b ON a.d = b.d WHERE a.hour = 1 AND b.hour = 1",
		 "raw.portfolio* refined.portfolio*"},
		{"FROM raw.portfolio a POSITIONAL JOIN refined.portfolio b WHERE a.hour = 1 AND b.hour = 1",
		 "raw.portfolio* refined.portfolio*"},
		{"FROM raw.portfolio a ASOF JOIN refined.portfolio b ON a.qtd >= b.qtd WHERE a.hour = 1 AND b.hour = 1",
		 "raw.portfolio* refined.portfolio*"},
		{"FROM raw.portfolio a NATURAL JOIN refined.portfolio b WHERE a.hour = 1",
		 "raw.portfolio* refined.portfolio*"},
		{"FROM raw.portfolio a SEMI JOIN refined.portfolio b ON a.d = b.d WHERE a.hour = 1",
		 "raw.portfolio{hour=1} refined.portfolio*"},
		/* whose column is it? */
		{"FROM raw.portfolio a, range(3) r(hour) WHERE hour = 1", "raw.portfolio*"},
		{"FROM raw.portfolio a, refined.portfolio b WHERE hour = 1",
		 "raw.portfolio* refined.portfolio*"},
		{"FROM raw.portfolio AS t(codigo, qtd, hour, d, index_code) WHERE hour = 1",
		 "raw.portfolio*"},
		{"SELECT upper(codigo) AS index_code FROM raw.portfolio WHERE index_code = 'A'",
		 "raw.portfolio*"},
		{"SELECT * FROM (SELECT codigo AS index_code FROM raw.portfolio) WHERE index_code = 'A'",
		 "raw.portfolio*"},
		{"SELECT * FROM (SELECT * FROM raw.portfolio WHERE hour = 2) WHERE index_code = 'A'",
		 "raw.portfolio{hour=2}"},
		{"FROM refined.portfolio o WHERE EXISTS (FROM raw.portfolio i WHERE o.index_code = 'A' AND i.hour = 1)",
		 "raw.portfolio{hour=1} refined.portfolio*"},
		{"FROM refined.portfolio x WHERE EXISTS (FROM raw.portfolio x WHERE x.hour = 1)",
		 "raw.portfolio{hour=1} refined.portfolio*"},
		{"FROM raw.portfolio WHERE portfolio.raw.hour = 1", "raw.portfolio*"},
		{"FROM raw.portfolio a WHERE portfolio.hour = 1", "raw.portfolio*"},
		/* conditions that are not what they look like */
		{"FROM raw.portfolio WHERE NOT index_code = 'A'", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code <> 'A'", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code NOT IN ('A')", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE d NOT BETWEEN '2024-01-01' AND '2024-01-02'",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code = 'A' OR hour = 1", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE (index_code = 'A' OR hour = 1) AND hour = 2",
		 "raw.portfolio{hour=2}"},
		{"FROM raw.portfolio WHERE index_code = 'A' COLLATE NOCASE", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code COLLATE NOCASE = 'a'", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE lower(index_code) = 'a' AND d + 1 = '2024-01-01' AND hour::VARCHAR = '1'",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code = 5 AND hour = '05' AND hour = 1.0 AND hour = 3000000000",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE d = '2024-1-1' AND d >= TIMESTAMP '2024-01-01 10:00:00' AND d = current_date AND d < 'epoch'",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE d IN ('2024-01-01', TIMESTAMP '2024-01-02 00:00:00') AND d IN ('2024-01-01', NULL) AND index_code = NULL",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code IN (SELECT 'A') AND index_code = ANY (['A']) AND (index_code, hour) = ('A', 1)",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code LIKE 'A%' AND index_code IS NOT NULL AND index_code = codigo",
		 "raw.portfolio*"},
		{"SELECT index_code = 'A' FROM raw.portfolio GROUP BY ALL HAVING max(index_code) = 'A'",
		 "raw.portfolio*"},
		{"SELECT *, row_number() OVER () r FROM raw.portfolio QUALIFY index_code = 'A'",
		 "raw.portfolio*"},
		{"SELECT count(*) FILTER (index_code = 'A') FROM raw.portfolio", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE CASE WHEN hour = 1 THEN index_code = 'A' END",
		 "raw.portfolio*"},
		/* what counts rows before the WHERE does, or reads out of sight */
		{"FROM raw.portfolio TABLESAMPLE 10 ROWS WHERE index_code = 'A'", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE index_code = 'A' USING SAMPLE 3", "raw.portfolio*"},
		{"FROM raw.portfolio WHERE hour = 1 UNION ALL FROM glob('raw.portfolio')",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE hour = 1 UNION ALL FROM read_text('raw.portfolio')",
		 "raw.portfolio*"},
		{"SELECT (SELECT count(*) FROM glob('raw.portfolio')), * FROM (DESCRIBE raw.portfolio)",
		 "raw.portfolio*"},
		{"FROM raw.portfolio WHERE hour = 1 AND index_code IN (SELECT x FROM unnest(['A']) u(x))",
		 "raw.portfolio{hour=1}"},
		{"FROM raw.portfolio PIVOT (sum(qtd) FOR hour IN (1, 2)) WHERE index_code = 'A'",
		 "raw.portfolio*"},
		/* WITH */
		{"WITH portfolio AS (FROM raw.portfolio WHERE hour = 1) FROM portfolio WHERE index_code = 'A'",
		 "raw.portfolio{hour=1}"},
		{"WITH ticks AS (FROM ticks WHERE hour = 1) FROM ticks WHERE d = '2024-01-01'",
		 "raw.ticks{hour=1}"},
		{"WITH a AS (FROM ticks), ticks AS (SELECT 1 AS hour) FROM a, ticks WHERE ticks.hour = 1",
		 "raw.ticks*"},
		{"WITH ticks AS (SELECT 1 AS hour) FROM (WITH x AS (FROM ticks) FROM x), raw.ticks WHERE raw.ticks.hour = 1",
		 "raw.ticks{hour=1}"},
		{"FROM (WITH ticks AS (SELECT 1 h) FROM ticks), ticks WHERE ticks.hour = 1",
		 "raw.ticks{hour=1}"},
		{"WITH RECURSIVE ticks AS (SELECT 1 AS hour UNION ALL SELECT hour + 1 FROM ticks WHERE hour < 3) FROM ticks WHERE hour = 1",
		 ""},
		{"WITH RECURSIVE t AS (SELECT hour FROM raw.ticks WHERE hour = 1 UNION ALL SELECT hour + 1 FROM t WHERE hour < 3) FROM t",
		 "raw.ticks{hour=1}"},
		{"WITH t AS MATERIALIZED (FROM raw.ticks WHERE hour = 1) FROM t, raw.ticks k WHERE k.hour = 2",
		 "raw.ticks{hour=1|hour=2}"},
		/* columns only */
		{"DESCRIBE raw.portfolio", "raw.portfolio-"},
		{"DESCRIBE SELECT * FROM raw.portfolio WHERE hour = 1", "raw.portfolio-"},
		{"SUMMARIZE raw.portfolio", "raw.portfolio*"},
		{"SUMMARIZE SELECT * FROM raw.portfolio WHERE hour = 1", "raw.portfolio{hour=1}"},
		{"FROM information_schema.tables", ""},
		{"FROM duckdb_tables()", ""},
		{"SHOW TABLES", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct prune p;
		if (prune_sql(cases[i].sql, &p, &e))
			fail_msg("%s: %s", cases[i].sql, e.text);
		if (strcmp(shape(&p), cases[i].expected) != 0)
			fail_msg("%s\n   got      %s\n   expected %s", cases[i].sql, shape(&p),
				 cases[i].expected);
	}
}

static void lists_of_tables(void **state)
{
	static const struct {
		const char *sql;
		bool lists;
	} cases[] = {
		{"SHOW TABLES", true},
		{"SHOW ALL TABLES", true},
		{"FROM information_schema.columns", true},
		{"FROM duckdb_views()", true},
		{"FROM raw.portfolio", false},
		{"DESCRIBE raw.portfolio", false},
		/* the empty stand-ins would be read */
		{"FROM duckdb_views(), glob('raw.portfolio')", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct prune p;
		assert_int_equal(prune_sql(cases[i].sql, &p, &e), 0);
		if (p.lists_tables != cases[i].lists)
			fail_msg("%s", cases[i].sql);
	}
}

static void unknown_and_ambiguous_names(void **state)
{
	static const struct {
		const char *sql, *says;
		int64_t line, column;
	} cases[] = {
		{"SELECT *\n  FROM raw.portfolo",
		 "there is no table raw.portfolo; did you mean raw.portfolio?", 2, 8},
		{"FROM gold.ticks", "did you mean raw.ticks?", 1, 6},
		{"FROM portfolio",
		 "several tables are called portfolio; write raw.portfolio or refined.portfolio", 1,
		 6},
		{"FROM '/etc/passwd'", "there is no table /etc/passwd", 1, 6},
		{"SELECT 'ção', (SELECT 1 FROM nada)", "there is no table nada", 1, 30},
		{"WITH a AS (FROM b), b AS (SELECT 1) FROM a", "there is no table b", 1, 17},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct prune p;
		assert_int_equal(prune_sql(cases[i].sql, &p, &e), ERR_INPUT);
		if (!strstr(e.text, cases[i].says) || e.line != cases[i].line ||
		    e.column != cases[i].column)
			fail_msg("%s: %s at %d:%d", cases[i].sql, e.text, (int)e.line,
				 (int)e.column);
	}
}

static void many_references_are_the_whole_table(void **state)
{
	struct buf sql = {0};
	for (int i = 0; i < 300; i++)
		buf_printf(&sql, "%sSELECT qtd FROM raw.ticks WHERE hour = %d",
			   i ? " UNION ALL " : "", i);
	struct err e = ERR_INIT;
	struct prune p;
	assert_int_equal(prune_sql(sql.data, &p, &e), 0);
	assert_string_equal(shape(&p), "raw.ticks*");
	buf_free(&sql);
}

/* -- differential ------------------------------------------------------------------------------ */

static uint64_t seed;
static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}
#define PICK(...)                \
	(((const char *const[]){ \
		__VA_ARGS__})[below(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))])

static void random_constant(struct buf *b, const char *column)
{
	if (strstr(column, "index_code") || strstr(column, "codigo"))
		buf_str(b, PICK("'A'", "'B'", "'b'", "'C d'", "''", "NULL", "lower('A')"));
	else if (strcmp(column, "d") == 0)
		buf_str(b, PICK("'2024-01-01'", "DATE '2024-01-02'", "'2024-01-03'::DATE",
				"'2024-1-2'", "DATE '2024-01-01' + 1",
				"TIMESTAMP '2024-01-02 12:00:00'", "NULL"));
	else
		buf_str(b, PICK("1", "2", "'1'", "'02'", "1.5", "0", "-1", "NULL", "1 + 1"));
}

static void random_condition(struct buf *b, const char *const *qualifiers, int depth)
{
	const char *q = qualifiers[below(2)],
		   *column = PICK("index_code", "index_code", "d", "hour", "codigo", "qtd");
	char name[64];
	snprintf(name, sizeof(name), "%s%s%s", below(5) ? q : "", below(5) && *q ? "." : "",
		 column);
	if (!strchr(name, '.') || name[0] == '.')
		snprintf(name, sizeof(name), "%s", column);
	unsigned kind = below(depth > 0 ? 14 : 9);
	switch (kind) {
	case 0:
	case 1:
	case 2:
	case 3:
		if (below(4)) {
			buf_printf(b, "%s %s ", name, PICK("=", "=", "<", "<=", ">", ">=", "<>"));
			random_constant(b, column);
		} else {
			random_constant(b, column);
			buf_printf(b, " %s %s", PICK("=", "<", "<=", ">", ">="), name);
		}
		break;
	case 4:
	case 5:
		buf_printf(b, "%s %s (", name, PICK("IN", "IN", "NOT IN"));
		random_constant(b, column);
		buf_str(b, ", ");
		random_constant(b, column);
		buf_char(b, ')');
		break;
	case 6:
		buf_printf(b, "%s %s ", name, PICK("BETWEEN", "NOT BETWEEN"));
		random_constant(b, column);
		buf_str(b, " AND ");
		random_constant(b, column);
		break;
	case 7: buf_printf(b, "%s IS %s NULL", name, PICK("", "NOT")); break;
	case 8: buf_printf(b, "lower(%s::VARCHAR) = 'a'", name); break;
	case 9:
		buf_printf(b, "%s IN (SELECT x.%s FROM raw.t x WHERE ", name, column);
		random_condition(b, (const char *const[]){"x", q}, depth - 1);
		buf_char(b, ')');
		break;
	default:
		buf_str(b, below(5) ? "(" : "NOT (");
		random_condition(b, qualifiers, depth - 1);
		buf_str(b, below(4) ? " AND " : " OR ");
		random_condition(b, qualifiers, depth - 1);
		buf_char(b, ')');
		break;
	}
}

/* One that pruning is likely to understand, then one that is anything. */
static void random_where(struct buf *b, const char *const *qualifiers, int depth)
{
	for (int i = 0; i < 2; i++) {
		const char *q = qualifiers[i], *column = PICK("index_code", "d", "hour"),
			   *dot = *q && strcmp(q, "t") != 0 ? "." : "";
		buf_printf(b, "%s%s%s %s %s AND ", *dot ? q : "", dot, column,
			   PICK("=", "=", "<=", ">"),
			   strcmp(column, "hour") == 0 ? PICK("1", "2")
			   : strcmp(column, "d") == 0  ? PICK("'2024-01-01'", "DATE '2024-01-02'")
						       : PICK("'A'", "'B'"));
		if (below(3) == 0)
			break;
	}
	random_condition(b, qualifiers, depth);
}

static void random_statement(struct buf *b)
{
	static const char *const plain[] = {"", "t"}, *const both[] = {"x", "y"};
	switch (below(9)) {
	case 0:
	case 1:
		buf_str(b, "SELECT index_code, d, hour, codigo, qtd FROM raw.t WHERE ");
		random_where(b, plain, 3);
		break;
	case 2:
		buf_printf(
			b,
			"SELECT x.qtd, y.qtd, x.index_code, y.hour FROM raw.t x %s JOIN raw.t y ON x.codigo = y.codigo AND x.hour = y.hour WHERE ",
			PICK("", "LEFT", "RIGHT", "FULL", "INNER"));
		random_where(b, both, 2);
		break;
	case 3:
		buf_printf(
			b,
			"SELECT x.* FROM raw.t x %s JOIN raw.t y ON x.codigo = y.codigo AND x.hour >= y.hour WHERE ",
			PICK("SEMI", "ANTI"));
		random_where(b, (const char *const[]){"x", "x"}, 2);
		break;
	case 4:
		buf_str(b,
			"SELECT count(*), min(qtd), max(x.d) FROM raw.t x, raw.t y WHERE x.codigo = y.codigo AND ");
		random_where(b, both, 2);
		break;
	case 5:
		buf_str(b, "WITH t AS (SELECT * FROM raw.t WHERE ");
		random_where(b, plain, 1);
		buf_str(b,
			"), u AS (SELECT codigo AS index_code, d, hour, index_code AS codigo, qtd FROM t) SELECT * FROM u AS t WHERE ");
		random_where(b, plain, 1);
		break;
	case 6:
		buf_str(b, "SELECT index_code, d, hour, codigo, qtd FROM raw.t WHERE ");
		random_where(b, plain, 2);
		buf_printf(b, " %s SELECT index_code, d, hour, codigo, qtd FROM raw.t x WHERE ",
			   PICK("UNION", "UNION ALL", "EXCEPT", "INTERSECT"));
		random_where(b, (const char *const[]){"x", ""}, 2);
		break;
	case 7:
		buf_str(b,
			"SELECT x.codigo, (SELECT sum(y.qtd) FROM raw.t y WHERE y.hour = x.hour AND ");
		random_where(b, (const char *const[]){"y", "x"}, 1);
		buf_str(b, ") FROM raw.t x WHERE ");
		random_where(b, (const char *const[]){"x", "x"}, 2);
		break;
	default:
		buf_printf(
			b,
			"SELECT %s AS index_code, sum(qtd) OVER (PARTITION BY hour) FROM raw.t WHERE ",
			PICK("codigo", "index_code", "lower(index_code)"));
		random_where(b, plain, 2);
		break;
	}
}

/* A view over the table with only the rows of files that the filters admit. */
static void view_of(struct buf *b, const struct prune *p)
{
	buf_str(b, "CREATE OR REPLACE VIEW raw.t AS FROM everything WHERE ");
	const struct prune_table *t = p->count ? &p->tables[0] : NULL;
	if (t && t->whole)
		buf_str(b, "true");
	else if (!t || !t->filter_count)
		buf_str(b, "false");
	for (size_t f = 0; t && f < t->filter_count; f++) {
		buf_str(b, f ? " OR (" : "(");
		for (size_t k = 0; k < t->any_of[f].term_count; k++) {
			const struct filter_term *term = &t->any_of[f].terms[k];
			for (size_t v = 0; v < term->value_count; v++) {
				buf_printf(b, "%s%s %s ",
					   v   ? " OR "
					   : k ? " AND ("
					       : "(",
					   term->column,
					   term->op == FILTER_IN   ? "="
					   : term->op == FILTER_GE ? ">="
								   : "<=");
				buf_sql_str(b, term->values[v]);
			}
			buf_char(b, ')');
		}
		buf_char(b, ')');
	}
}

static void pruned_equals_unpruned(void **state)
{
	struct err e = ERR_INIT;
	static struct table_def t = {.database = "raw",
				     .name = "t",
				     .columns = data,
				     .column_count = 2,
				     .partition = by_index,
				     .partition_count = 3};
	static struct table_def *const only[] = {&t};
	if (duck_query(
		    &duck,
		    "CREATE SCHEMA raw; CREATE TABLE everything AS SELECT i AS index_code, DATE '2024-01-01' + d::INTEGER AS d, h::INTEGER AS hour, c AS codigo, "
		    "(h * 7 + d * 3 + length(i || c))::BIGINT AS qtd FROM unnest(['A', 'B', 'b', 'C d']) t1(i), range(3) t2(d), range(3) t3(h), "
		    "unnest(['A', 'X', NULL]) t4(c)",
		    NULL, &e))
		fail_msg("%s", e.text);
	int valid = 0, narrowed = 0;
	for (int round = 0; round < 400; round++) {
		seed = 0x9E3779B97F4A7C15ULL * (uint64_t)(round + 1);
		struct arena *old = arena;
		arena = arena_new();
		struct buf sql = {0}, call = {0}, view = {0}, ask = {0};
		random_statement(&sql);
		/* the result as one text, in an order that does not depend on the plan */
		buf_printf(
			&ask,
			"SELECT md5(string_agg(q::VARCHAR, '\n' ORDER BY q::VARCHAR)) || count(*)::VARCHAR FROM (%s) q",
			sql.data);
		const char *whole = NULL, *pruned = NULL, *json = NULL;
		assert_int_equal(duck_query(&duck,
					    "CREATE OR REPLACE VIEW raw.t AS FROM everything", NULL,
					    &e),
				 0);
		bool sound = cell(ask.data, &whole, &e) == 0;
		if (sound) {
			buf_str(&call, "SELECT json_serialize_sql(");
			buf_sql_str(&call, sql.data);
			buf_str(&call,
				", skip_default := true, skip_null := true, skip_empty := true)::VARCHAR");
			if (cell(call.data, &json, &e) || !json) {
				fail_msg("%s", e.text);
				continue;
			}
			AUTO_JSON json_t *root = NULL;
			struct prune p;
			assert_int_equal(json_parse(json, strlen(json), &root, &e), 0);
			assert_int_equal(prune_statement(root, sql.data, only, 1, arena, &p, &e),
					 0);
			view_of(&view, &p);
			if (duck_query(&duck, view.data, NULL, &e))
				fail_msg("%s: %s", view.data, e.text);
			if (cell(ask.data, &pruned, &e))
				fail_msg("%s: %s", sql.data, e.text);
			if (strcmp(whole ? whole : "-", pruned ? pruned : "-") != 0)
				fail_msg("round %d: %s\n  differs when read through\n  %s", round,
					 sql.data, view.data);
			valid++;
			narrowed += p.count && !p.tables[0].whole;
		}
		buf_free(&sql);
		buf_free(&call);
		buf_free(&view);
		buf_free(&ask);
		arena_free(arena);
		arena = old;
	}
	/* or this test would prove nothing */
	print_message("%d statements, %d of them narrowed\n", valid, narrowed);
	assert_true(valid > 200);
	assert_true(narrowed > 100);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(statements_and_their_partitions, new_arena,
						drop_arena),
		cmocka_unit_test_setup_teardown(lists_of_tables, new_arena, drop_arena),
		cmocka_unit_test_setup_teardown(unknown_and_ambiguous_names, new_arena, drop_arena),
		cmocka_unit_test_setup_teardown(many_references_are_the_whole_table, new_arena,
						drop_arena),
		cmocka_unit_test_setup_teardown(pruned_equals_unpruned, new_arena, drop_arena),
	};
	return cmocka_run_group_tests(tests, open_duckdb, close_duckdb);
}
