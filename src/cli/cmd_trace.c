/* trace: one paper of one session, followed from its bytes in landing through raw and each node of the
 * job to refined. Landing is read here; everything else is one statement, in the SQL worker. */
#include <string.h>

#include "b3_portfolio.h"
#include "cli.h"
#include "json.h"
#include "path.h"
#include "statement.h"
#include "value.h"

#define JOB         "portfolio"
#define SHOWN_BYTES 200 /* of the row as it came */

struct trace {
	struct cli *cli;
	const char *index, *code, *day; /* checked */
	const char *sha256, *landed_on; /* of the session's payload */
	struct portfolio_row row;
	struct buf sql;
	int steps;
};

/* ---- where it came from ---- */

static int find_session(struct trace *t, struct err *e)
{
	struct arena *arena = t->cli->arena;
	const char *values[] = {t->day, t->index}, *name;
	struct catalog_scope scope;
	int rc = path_partition(arena, &b3_portfolio_table, values, 2, &name, e);
	if (rc == OK)
		rc = catalog_scope(system_catalog(t->cli->system), &b3_portfolio_table, name, arena,
				   &scope, e);
	if (rc == ERR_NOT_FOUND)
		return err_set(
			e, ERR_NOT_FOUND,
			"the lake has no session of %s on %s; `pregao partitions raw.portfolio` shows those it has",
			t->index, t->day);
	AUTO_JSON json_t *o = NULL;
	const char *text = rc == OK && scope.properties ? scope.properties : "{}";
	if (rc == OK)
		rc = json_parse(text, strlen(text), &o, e);
	if (rc)
		return rc;
	t->sha256 = arena_strdup(arena, json_opt_str(o, "source_sha256", ""));
	t->landed_on = arena_strdup(arena, json_opt_str(o, "landed_on", ""));
	return OK;
}

struct landed {
	struct arena *arena;
	const char *key;
};

/* The payload lies beside its receipt, under an ending of its form. */
static int on_landed(void *ctx, const struct object_info *o)
{
	struct landed *l = ctx;
	struct slice key = slice_of(o->key);
	if (slice_ends(key, ".csv") || slice_ends(key, ".body.json"))
		l->key = arena_strdup(l->arena, o->key);
	return 0;
}

/* UTF-8 of what B3 sent, which may be Latin-1. */
static const char *readable(struct arena *arena, struct slice s)
{
	AUTO_BUF struct buf text = {0};
	if (str_is_utf8(s.p, s.n))
		buf_add(&text, s.p, s.n);
	else
		buf_latin1(&text, s.p, s.n);
	return arena_strndup(arena, text.data ? text.data : "", text.len);
}

static int read_landing(struct trace *t, const char **ret_key, const char **ret_bytes,
			struct err *e)
{
	struct arena *arena = t->cli->arena;
	struct object_store *store = system_store(t->cli->system);
	struct landed landed = {.arena = arena};
	AUTO_BUF struct buf bytes = {0};
	struct portfolio p;
	const char *prefix = arena_printf(arena, "landing/%s/index=%s/%s.",
					  b3_portfolio_source.path, t->index, t->sha256);
	int rc = object_store_list(store, prefix, NULL, on_landed, &landed, e);
	if (rc == OK && !landed.key)
		return err_set(e, ERR_NOT_FOUND, "the session's payload is gone: %s*", prefix);
	if (rc == OK)
		rc = object_store_get(store, landed.key, 0, -1, PORTFOLIO_BYTES_MAX, &bytes, NULL,
				      e);
	struct slice payload = {bytes.data, bytes.len};
	if (rc == OK)
		rc = portfolio_parse(payload, t->index, arena, &p, e);
	if (rc)
		return err_wrap(e, "%s", landed.key ? landed.key : prefix);
	size_t i = 0;
	while (i < p.row_count && !slice_is(p.rows[i].codigo, t->code))
		i++;
	if (i == p.row_count)
		return err_set(e, ERR_NOT_FOUND, "%s is not in %s on %s", t->code, t->index,
			       t->day);
	t->row = p.rows[i];
	size_t at = (size_t)t->row.offset, n = 0;
	const char *ends = p.form == PORTFOLIO_JSON ? "}\n" : "\r\n";
	while (at + n < payload.n && n < SHOWN_BYTES && !strchr(ends, payload.p[at + n]))
		n++;
	if (p.form == PORTFOLIO_JSON && at + n < payload.n)
		n++; /* the closing brace */
	*ret_key = landed.key;
	*ret_bytes = readable(arena, (struct slice){payload.p + at, n});
	return OK;
}

/* ---- the statement ---- */

/* What the row has in a column of raw.portfolio, where that tells it from others; NULL: it does not. */
static const char *value_of(const struct trace *t, const char *column)
{
	struct arena *arena = t->cli->arena;
	const struct {
		const char *column;
		struct slice value;
	} values[] = {
		{"index_code", slice_of(t->index)},
		{"data_pregao", slice_of(t->day)},
		{"codigo", t->row.codigo},
		{"acao", t->row.acao},
		{"tipo", t->row.tipo},
	};
	for (size_t i = 0; column && i < ARRAY_LEN(values); i++)
		if (strcmp(values[i].column, column) == 0)
			return arena_strndup(arena, values[i].value.p, values[i].value.n);
	return NULL;
}

static void begin_step(struct trace *t, const char *step, const char *kind)
{
	buf_printf(&t->sql, "%sSELECT %d AS n, ", t->steps ? "UNION ALL\n" : "", t->steps);
	t->steps++;
	buf_sql_str(&t->sql, step);
	buf_str(&t->sql, " AS step, ");
	buf_sql_str(&t->sql, kind);
	buf_str(&t->sql, " AS kind, ");
}

/* One line that is known already. */
static void fact(struct trace *t, const char *step, const char *kind, const char *name,
		 const char *value)
{
	begin_step(t, step, kind);
	buf_str(&t->sql, "0 AS r, 0 AS k, ");
	buf_sql_str(&t->sql, name);
	buf_str(&t->sql, " AS \"column\", ");
	buf_sql_str(&t->sql, value);
	buf_str(&t->sql, " AS \"value\"\n");
}

/* The rows of `from` whose columns hold what the row has: a line for each of their columns. */
static void rows_of(struct trace *t, const char *step, const char *kind, const char *from,
		    const struct column *columns, const char *const *carried, size_t n)
{
	begin_step(t, step, kind);
	buf_str(&t->sql, "r, unnest(range(");
	buf_printf(&t->sql, "%zu)) AS k, unnest([", n);
	for (size_t i = 0; i < n; i++) {
		buf_str(&t->sql, i ? ", " : "");
		buf_sql_str(&t->sql, columns[i].name);
	}
	buf_str(&t->sql, "]) AS \"column\", unnest([");
	for (size_t i = 0; i < n; i++) {
		buf_str(&t->sql, i ? ", CAST(" : "CAST(");
		buf_sql_name(&t->sql, columns[i].name);
		buf_str(&t->sql, " AS VARCHAR)");
	}
	buf_printf(&t->sql,
		   "]) AS \"value\"\nFROM (SELECT *, row_number() OVER () AS r FROM %s AS x", from);
	const char *word = " WHERE ";
	for (size_t i = 0; i < n; i++) {
		const char *value = value_of(t, carried[i]);
		if (!value)
			continue;
		buf_str(&t->sql, word);
		buf_sql_name(&t->sql, columns[i].name);
		buf_str(&t->sql, columns[i].type == COL_DATE ? " = DATE " : " = ");
		buf_sql_str(&t->sql, value);
		word = " AND ";
	}
	buf_str(&t->sql, ") AS y\n");
}

/* The table's columns, with the partition columns, as one list. */
static size_t all_columns(struct arena *arena, const struct table_def *def,
			  const struct column **ret)
{
	struct column *all =
		ANEW_ARRAY(arena, def->column_count + def->partition_count, struct column);
	memcpy(all, def->columns, def->column_count * sizeof(*all));
	memcpy(all + def->column_count, def->partition, def->partition_count * sizeof(*all));
	*ret = all;
	return def->column_count + def->partition_count;
}

/* The files that may hold the row. */
static int files_of(struct trace *t, const struct table_def *def, const char *step,
		    const char *const *carried, struct err *e)
{
	struct filter_term terms[TABLE_MAX_PARTITION];
	const char *values[TABLE_MAX_PARTITION];
	struct filter filter = {.terms = terms};
	struct catalog_file *files;
	size_t count;
	for (size_t i = 0; i < def->partition_count; i++) {
		size_t n = filter.term_count;
		values[n] = value_of(t, carried[def->column_count + i]);
		if (!values[n])
			continue;
		terms[n] = (struct filter_term){def->partition[i].name, FILTER_IN, &values[n], 1};
		filter.term_count++;
	}
	int rc = catalog_files(system_catalog(t->cli->system), def, LAYOUT_PUBLISHED, &filter, 1,
			       t->cli->arena, &files, &count, e);
	for (size_t i = 0; rc == OK && i < count; i++)
		fact(t, step, "table", "file", files[i].key);
	return rc;
}

static int table_step(struct trace *t, const struct table_def *def, const char *const *carried,
		      struct err *e)
{
	const char *name = arena_printf(t->cli->arena, "%s.%s", def->database, def->name);
	const struct column *columns;
	size_t n = all_columns(t->cli->arena, def, &columns);
	int rc = files_of(t, def, name, carried, e);
	if (rc == OK)
		rows_of(t, name, "table", name, columns, carried, n);
	return rc;
}

/* Raw, then each node that the row's columns reach. */
static int table_and_nodes(struct trace *t, struct err *e)
{
	struct arena *arena = t->cli->arena;
	const struct table_def *raw = &b3_portfolio_table;
	struct job *job;
	struct job_node_info *nodes;
	struct job_plan plan;
	size_t count;
	int32_t as_of;
	const struct column *columns;
	size_t n = all_columns(arena, raw, &columns);
	const char **own = ANEW_ARRAY(arena, n, const char *);
	for (size_t i = 0; i < n; i++)
		own[i] = columns[i].name;
	if (!date_parse_iso(slice_of(t->landed_on), &as_of))
		return err_set(e, ERR_INPUT, "the catalog does not say when %s of %s landed",
			       t->day, t->index);
	int rc = cli_date(t->cli, OPT_AS_OF, as_of, &as_of, e);
	if (rc == OK)
		rc = table_step(t, raw, own, e);
	if (rc == OK)
		rc = definitions_load(cli_definitions(t->cli), system_catalog(t->cli->system), JOB,
				      arena, &job, e);
	if (rc == OK)
		rc = job_compile(arena, job, &plan, e);
	if (rc)
		return rc;
	job_describe(arena, job, &nodes, &count);
	for (size_t i = 0; i < count; i++) {
		const char *sql;
		const char *const *carried;
		if (strcmp(nodes[i].type, "source") == 0 || strcmp(nodes[i].type, "target") == 0)
			continue;
		if (job_carried(arena, job, nodes[i].id, raw->database, raw->name, &carried, e) !=
			    OK ||
		    job_node_sql(arena, job, nodes[i].id, as_of, &sql, e) != OK)
			return e->code;
		rows_of(t, nodes[i].id, nodes[i].type, arena_printf(arena, "(%s)", sql),
			nodes[i].columns, carried, nodes[i].column_count);
	}
	for (size_t i = 0; rc == OK && i < plan.output_count; i++) {
		const char *const *carried;
		rc = job_carried(arena, job, plan.outputs[i].node, raw->database, raw->name,
				 &carried, e);
		if (rc == OK)
			rc = table_step(t, &plan.outputs[i].table, carried, e);
	}
	return rc;
}

static int write_statement(struct trace *t, struct err *e)
{
	const char *key, *bytes;
	buf_str(&t->sql, "SELECT step, kind, \"column\", \"value\" FROM (\n");
	int rc = find_session(t, e);
	if (rc == OK)
		rc = read_landing(t, &key, &bytes, e);
	if (rc)
		return rc;
	struct arena *arena = t->cli->arena;
	fact(t, "landing", "object", "file", key);
	fact(t, "landing", "object", "line", arena_printf(arena, "%lld", (long long)t->row.line));
	fact(t, "landing", "object", "offset",
	     arena_printf(arena, "%lld", (long long)t->row.offset));
	fact(t, "landing", "object", "bytes", bytes);
	rc = table_and_nodes(t, e);
	buf_str(&t->sql, ") AS steps ORDER BY n, r, k");
	return rc;
}

int cmd_trace(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct trace t = {.cli = cli};
	int32_t day;
	char text[DATE_TEXT_SIZE];
	if (!date_parse_iso(slice_of(cli->words[2]), &day))
		return cli_usage(cli, "%s: expected a date such as 2024-07-15", cli->words[2]);
	t.day = date_format(day, text);
	t.code = cli_upper(cli, slice_of(cli->words[1]));
	int rc = cli_index(cli, slice_of(cli->words[0]), &t.index, &e);
	if (rc == OK)
		rc = cli_system(cli, SYSTEM_READ, &e);
	if (rc == OK)
		rc = write_statement(&t, &e);
	/* The worker opens the lake anew: nothing of this process may be shared with it. */
	system_free(cli->system);
	cli->system = NULL;
	if (rc == OK)
		rc = statement_run(cli, &(struct statement){.sql = t.sql.data}, &e);
	buf_free(&t.sql);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
