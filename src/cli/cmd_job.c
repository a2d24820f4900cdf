/* job list, show, validate, preview, run, export: the job graphs and what can be made of them.
 */
#include <string.h>

#include "cli.h"
#include "definitions.h"
#include "file.h"
#include "render.h"
#include "session.h"
#include "statement.h"
#include "tr.h"

/* The definition named by the first word, parsed and checked. */
static int load(struct cli *cli, enum system_mode mode, struct job **ret, struct err *e)
{
	int rc = cli_system(cli, mode, e);
	return rc ? rc
		  : definitions_load(cli_definitions(cli), system_catalog(cli->system),
				     cli->words[0], cli->arena, ret, e);
}

/* "raw.bitcoin_trades, raw.bitcoin_ticks" */
static const char *triggers(struct arena *arena, const struct job *job)
{
	AUTO_BUF struct buf b = {0};
	size_t n;
	const struct job_trigger *t = job_triggers(job, &n);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s.%s", i ? ", " : "", t[i].database, t[i].table);
	return arena_strdup(arena, b.data);
}

int cmd_job_list(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct definition *list;
	size_t count;
	if (cli_system(cli, SYSTEM_READ, &e) != 0 ||
	    definitions_list(cli_definitions(cli), cli->arena, &list, &count, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "job", .type = COL_TEXT},    {.name = "trigger", .type = COL_TEXT},
		{.name = "writes", .type = COL_TEXT}, {.name = "sound", .type = COL_BOOLEAN},
		{.name = "from", .type = COL_TEXT},   {.name = "doc", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		struct err why = ERR_INIT;
		struct job *job;
		struct job_plan plan;
		bool sound = definitions_load(cli_definitions(cli), system_catalog(cli->system),
					      list[i].name, cli->arena, &job, &why) == 0 &&
			     job_compile(cli->arena, job, &plan, &why) == 0;
		AUTO_BUF struct buf writes = {0};
		for (size_t k = 0; sound && k < plan.output_count; k++)
			buf_printf(&writes, "%s%s.%s", k ? ", " : "",
				   plan.outputs[k].table.database, plan.outputs[k].table.name);
		char text[2048];
		listing_text(l, list[i].name);
		listing_text(l, sound ? triggers(cli->arena, job) : NULL);
		listing_text(l, sound ? writes.data : NULL);
		listing_bool(l, sound);
		listing_text(l, list[i].path);
		listing_text(l, sound ? job_doc(job) : err_format(&why, text, sizeof(text)));
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

static void show_json(const struct job *job, const struct job_node_info *nodes, size_t count,
		      const char *only)
{
	AUTO_BUF struct buf b = {0};
	buf_str(&b, "{\"job\":");
	buf_json_str(&b, job_name(job), strlen(job_name(job)));
	size_t trigger_count;
	const struct job_trigger *t = job_triggers(job, &trigger_count);
	buf_str(&b, ",\"triggers\":[");
	for (size_t i = 0; i < trigger_count; i++)
		buf_printf(&b, "%s\"%s.%s\"", i ? "," : "", t[i].database, t[i].table);
	buf_str(&b, "],\"nodes\":[");
	bool first = true;
	for (size_t i = 0; i < count; i++) {
		const struct job_node_info *n = &nodes[i];
		if (only && strcmp(n->id, only) != 0)
			continue;
		buf_str(&b, first ? "\n{\"id\":" : ",\n{\"id\":");
		first = false;
		buf_json_str(&b, n->id, strlen(n->id));
		buf_printf(&b, ",\"type\":\"%s\",\"inputs\":[", n->type);
		for (size_t k = 0; k < n->input_count; k++) {
			buf_str(&b, k ? "," : "");
			buf_json_str(&b, n->inputs[k], strlen(n->inputs[k]));
		}
		buf_str(&b, "],\"summary\":");
		buf_json_str(&b, n->summary, strlen(n->summary));
		buf_str(&b, ",\"columns\":[");
		for (size_t k = 0; k < n->column_count; k++) {
			char type[COLUMN_TYPE_SIZE];
			buf_str(&b, k ? ",{\"name\":" : "{\"name\":");
			buf_json_str(&b, n->columns[k].name, strlen(n->columns[k].name));
			buf_printf(&b, ",\"type\":\"%s\"}",
				   column_type_format(&n->columns[k], type));
		}
		buf_str(&b, "]}");
	}
	buf_str(&b, "\n]}\n");
	fputs(b.data, stdout);
}

int cmd_job_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct job *job;
	if (load(cli, SYSTEM_READ, &job, &e) != 0)
		return cli_fail(cli, &e);
	struct job_node_info *nodes;
	size_t count;
	job_describe(cli->arena, job, &nodes, &count);
	const char *only = cli_value(cli, OPT_NODE);
	const struct column *columns;
	size_t column_count;
	if (only && job_schema(job, only, &columns, &column_count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->format == FORMAT_JSON) {
		show_json(job, nodes, count, only);
		return EXIT_DONE;
	}
	const char *bold = paint(cli->colour_out, "bold"), *dim = paint(cli->colour_out, "dim"),
		   *reset = paint(cli->colour_out, "reset");
	printf("%s%s%s", bold, job_name(job), reset);
	printf(tr("  started by new objects of %s"), triggers(cli->arena, job));
	printf("\n");
	if (job_doc(job))
		printf("%s\n", job_doc(job));
	for (size_t i = 0; i < count; i++) {
		const struct job_node_info *n = &nodes[i];
		if (only && strcmp(n->id, only) != 0)
			continue;
		printf("\n%s%s%s  %s", bold, n->id, reset, n->type);
		for (size_t k = 0; k < n->input_count; k++)
			printf("%s %s", k ? "," : " <-", n->inputs[k]);
		printf("\n  %s\n", n->summary);
		for (size_t k = 0; k < n->column_count; k++) {
			char type[COLUMN_TYPE_SIZE];
			printf("    %-24s %s%s%s\n", n->columns[k].name, dim,
			       column_type_format(&n->columns[k], type), reset);
		}
	}
	return EXIT_DONE;
}

int cmd_job_validate(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct job *job;
	struct job_plan plan;
	if (load(cli, SYSTEM_READ, &job, &e) != 0 || job_compile(cli->arena, job, &plan, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->format == FORMAT_JSON)
		printf("{\"ok\":true,\"job\":\"%s\",\"hash\":\"%s\"}\n", job_name(job), plan.hash);
	else
		printf(tr("%s is sound: %zu inputs, %zu checks, %zu targets\n"), job_name(job),
		       plan.input_count, plan.check_count, plan.output_count);
	return EXIT_DONE;
}

int cmd_job_preview(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct job *job;
	int64_t limit;
	int32_t today = 0, as_of;
	if (cli_int(cli, OPT_LIMIT, 1, 100000, 10, &limit, &e) != 0 ||
	    time_date_in_sao_paulo(clock_now_us(&clock_system), &today, &e) != 0 ||
	    cli_date(cli, OPT_AS_OF, today, &as_of, &e) != 0 ||
	    load(cli, SYSTEM_READ, &job, &e) != 0)
		return cli_fail(cli, &e);
	struct job_node_info *nodes;
	size_t count;
	job_describe(cli->arena, job, &nodes, &count);
	/* Without --node: what the job would write, which is what its last node gives. */
	const char *node = cli_value(cli, OPT_NODE) ? cli_value(cli, OPT_NODE)
						    : nodes[count - 1].id;
	const char *sql;
	if (job_node_sql(cli->arena, job, node, as_of, &sql, &e) != 0)
		return cli_fail(cli, &e);
	sql = arena_printf(cli->arena, "SELECT * FROM (\n%s\n) LIMIT %lld", sql, (long long)limit);
	/* The worker opens the lake anew: nothing of this process may be shared with it. */
	system_free(cli->system);
	cli->system = NULL;
	int rc = statement_run(cli, &(struct statement){.sql = sql}, &e);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

static int export_text(struct cli *cli, const char *text, struct err *e)
{
	const char *output = cli_value(cli, OPT_OUTPUT);
	if (!output) {
		fputs(text, stdout);
		return OK;
	}
	int rc = file_create(output, text, strlen(text), true, e);
	return rc ? rc : file_fsync_folder_of(output, e);
}

static int to_spark(struct arena *arena, const struct job *job, const char **ret, struct err *e)
{
	return job_to_spark(arena, job, SPARK_ALONE, ret, e);
}

static int to_glue_script(struct arena *arena, const struct job *job, const char **ret,
			  struct err *e)
{
	return job_to_spark(arena, job, SPARK_GLUE, ret, e);
}

static const struct {
	const char *name;
	int (*text)(struct arena *, const struct job *, const char **ret, struct err *);
} exports[] = {
	{"sql", job_to_sql},
	{"spark", to_spark},
	{"glue-script", to_glue_script},
	{"glue-nodes", job_to_glue_nodes},
};

int cmd_job_export(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct job *job;
	const char *to = cli_value(cli, OPT_TO), *text;
	size_t i = 0;
	while (to && i < ARRAY_LEN(exports) && strcmp(to, exports[i].name) != 0)
		i++;
	if (!to)
		return cli_usage(
			cli,
			"--to is missing: say what to export to (sql, spark, glue-script, glue-nodes)");
	if (i == ARRAY_LEN(exports))
		return cli_usage(cli, "--to %s: expected sql, spark, glue-script or glue-nodes",
				 to);
	if (load(cli, SYSTEM_READ, &job, &e) != 0 ||
	    exports[i].text(cli->arena, job, &text, &e) != 0 || export_text(cli, text, &e) != 0)
		return cli_fail(cli, &e);
	return EXIT_DONE;
}

/* --partition A,B to scopes of the trigger tables. */
static size_t split_scopes(struct cli *cli, const char ***ret)
{
	const char **list = NULL;
	size_t count = 0, cap = 0;
	struct slice rest = slice_of(cli_value(cli, OPT_SCOPE));
	while (rest.n) {
		struct slice one = slice_trim(slice_cut(&rest, ','));
		if (one.n)
			*PUSH(list, count, cap) = arena_strndup(cli->arena, one.p, one.n);
	}
	*ret = list;
	return count;
}

static int print_status(struct cli *cli, const struct job_status *s, struct err *e)
{
	static const struct column columns[] = {
		{.name = "run", .type = COL_TEXT},         {.name = "job", .type = COL_TEXT},
		{.name = "state", .type = COL_TEXT},       {.name = "scopes", .type = COL_BIGINT},
		{.name = "unchanged", .type = COL_BIGINT}, {.name = "rows", .type = COL_BIGINT},
		{.name = "files", .type = COL_BIGINT},     {.name = "error", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	listing_text(l, s->run);
	listing_text(l, s->job);
	listing_text(l, run_state_name(s->state));
	listing_int(l, s->scopes_done);
	listing_int(l, s->scopes_unchanged);
	listing_int(l, s->rows_written);
	listing_int(l, s->files_written);
	listing_text(l, s->error);
	int rc = listing_print(l, cli, e);
	listing_free(l);
	return rc;
}

/* Every partition that was named must be one of a trigger table's; without names it is all of
 * them. */
static int check_scopes(struct cli *cli, const struct job_plan *plan, const struct job_request *q,
			size_t *ret_count, struct err *e)
{
	struct catalog *catalog = system_catalog(cli->system);
	const struct job_trigger *first = plan->triggers; /* there is one at least */
	struct table_def *t;
	bool *known = ANEW_ARRAY(cli->arena, q->scope_count + 1, bool);
	int rc = OK;
	*ret_count = q->scope_count;
	for (size_t k = 0; k < plan->trigger_count && rc == OK; k++) {
		struct catalog_scope *all, one;
		size_t n = 0;
		rc = catalog_table(catalog, plan->triggers[k].database, plan->triggers[k].table,
				   cli->arena, &t, e);
		if (rc == OK && q->scope_count == 0)
			rc = catalog_scopes(catalog, t, NULL, 0, cli->arena, &all, &n, e);
		*ret_count += n;
		for (size_t i = 0; i < q->scope_count && rc == OK; i++) {
			rc = catalog_scope(catalog, t, q->scopes[i], cli->arena, &one, e);
			known[i] |= rc == OK;
			rc = rc == ERR_NOT_FOUND ? OK : rc;
		}
	}
	for (size_t i = 0; i < q->scope_count && rc == OK; i++)
		if (!known[i])
			rc = err_set(
				e, ERR_USAGE,
				"%s.%s has no partition `%s`; `pregao partitions %s.%s` lists them",
				first->database, first->table, q->scopes[i], first->database,
				first->table);
	return rc;
}

/* Records the run, works off what is queued, and tells how it ended. */
static int run_job(struct cli *cli, const struct job_plan *plan, const struct job_request *q,
		   struct job_status *ret, struct err *e)
{
	/* A definition given by its path may describe tables that nobody has seen yet. */
	const struct table_def **tables =
		ANEW_ARRAY(cli->arena, plan->output_count + 1, const struct table_def *);
	for (size_t i = 0; i < plan->output_count; i++)
		tables[i] = &plan->outputs[i].table;
	struct job_engine *engine;
	char run[RUN_ID_SIZE];
	system_warm(cli->system);
	int rc = catalog_put_tables(system_catalog(cli->system), tables, plan->output_count, e);
	if (rc == OK)
		rc = system_job_engine(cli->system, &engine, e);
	if (rc == OK)
		rc = job_engine_start(engine, q, run, e);
	if (rc)
		return rc;
	struct pass pass;
	struct settle_result settled = {0};
	pass_begin(&pass, system_telemetry(cli->system), system_clock(cli->system), "job run");
	rc = pass_work(&pass, engine, cli->arena, &settled, e);
	int code = rc ? rc : settled.failed ? settled.why.code : OK;
	pass_end(&pass, code, rc ? e : &settled.why);
	return rc ? rc : job_engine_status(engine, run, cli->arena, ret, e);
}

int cmd_job_run(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct job *job;
	struct job_plan plan;
	struct job_status status = {0};
	const char **scopes = NULL;
	size_t count;
	struct job_request q = {.force = cli_flag(cli, OPT_FORCE)};
	bool dry = cli_flag(cli, OPT_DRY_RUN);
	if (cli_date(cli, OPT_AS_OF, AS_OF_LANDED, &q.as_of, &e) != 0 ||
	    load(cli, dry ? SYSTEM_READ : SYSTEM_WORK, &job, &e) != 0 ||
	    job_compile(cli->arena, job, &plan, &e) != 0)
		return cli_fail(cli, &e);
	q.scope_count = cli_value(cli, OPT_SCOPE) ? split_scopes(cli, &scopes) : 0;
	q.scopes = scopes;
	bool path = strchr(cli->words[0], '/') || slice_ends(slice_of(cli->words[0]), ".json");
	char *real = path ? realpath(cli->words[0], NULL) : NULL;
	q.job = real ? real : cli->words[0];
	int rc = check_scopes(cli, &plan, &q, &count, &e);
	if (rc == OK && dry)
		printf(tr("%s would run over %zu partitions\n"), job_name(job), count);
	else if (rc == OK)
		rc = run_job(cli, &plan, &q, &status, &e);
	if (rc == OK && !dry)
		rc = print_status(cli, &status, &e);
	free(real);
	free(scopes);
	if (rc)
		return cli_fail(cli, &e);
	if (dry || status.state == RUN_SUCCEEDED)
		return EXIT_DONE;
	err_set(&e, status.error_code ? status.error_code : ERR_IO, "job run %s %s: %s", status.run,
		run_state_name(status.state), status.error ? status.error : "");
	cli_fail(cli, &e);
	return EXIT_FAILED;
}
