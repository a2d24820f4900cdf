/* The doctor's checks of the data: jobs' results against their inputs, sums against footers, gaps,
 * copies. Those of the files are in doctor_files.c. */
#include <string.h>

#include "alarms.h"
#include "bitcoin.h"
#include "definitions.h"
#include "doctor_private.h"
#include "freshness.h"
#include "query_engine.h"
#include "tr.h"

#define GRACE_US       50400000000LL
#define WAITS_US       600000000LL /* then nobody works on the messages, or on the runs */
#define RUNS_LOOKED_AT 100

int64_t doctor_grace_us(const struct conf *conf)
{
	int64_t after = conf_duration_us(conf, "alarm.freshness", "after");
	return after ? after : GRACE_US;
}

/* -- jobs -------------------------------------------------------------------------------------- */

/* The scopes of all the tables that start the job. */
static int trigger_scopes(const struct doctor *d, const struct activation *all, size_t n,
			  const char *job, const char ***ret, size_t *ret_count, struct err *e)
{
	struct table_def **tables;
	size_t count, found = 0, cap = 0;
	const char **scopes = NULL;
	int rc = catalog_tables(system_catalog(d->system), d->arena, &tables, &count, e);
	for (size_t i = 0; i < n && rc == OK; i++) {
		for (size_t k = 0; k < count && rc == OK; k++) {
			struct catalog_scope *list;
			size_t list_count = 0;
			if (strcmp(all[i].job, job) != 0 ||
			    strcmp(all[i].location_prefix, tables[k]->location) != 0)
				continue;
			rc = catalog_scopes(system_catalog(d->system), tables[k], NULL, 0, d->arena,
					    &list, &list_count, e);
			for (size_t m = 0; m < list_count && rc == OK; m++)
				if (!str_among(list[m].scope, scopes, found))
					*PUSH(scopes, found, cap) = list[m].scope;
		}
	}
	*ret = ANEW_ARRAY(d->arena, found + 1, const char *);
	if (found)
		memcpy(*ret, scopes, found * sizeof(*scopes));
	free(scopes);
	*ret_count = found;
	return rc;
}

/* A run that is not old waits for a worker: one that was stopped is given back. */
static int run_waits(const struct doctor *d, struct job_engine *jobs, const char *job, bool *ret,
		     struct err *e)
{
	struct job_status *runs;
	size_t count = 0;
	int rc = job_engine_list(jobs, RUNS_LOOKED_AT, d->arena, &runs, &count, e);
	for (size_t i = 0; i < count && rc == OK; i++)
		if ((runs[i].state == RUN_QUEUED || runs[i].state == RUN_RUNNING) &&
		    strcmp(runs[i].job, job) == 0 && runs[i].created_us + WAITS_US > d->now_us)
			*ret = true;
	return rc;
}

static int look_at_job(struct examination *x, struct job_engine *jobs, const struct activation *all,
		       size_t n, const char *job, bool waits, struct err *e)
{
	const struct doctor *d = x->d;
	const char **scopes, **stale;
	size_t count, stale_count = 0;
	int rc = trigger_scopes(d, all, n, job, &scopes, &count, e);
	if (rc == OK && count)
		rc = job_engine_stale(jobs, job, scopes, count, d->arena, &stale, &stale_count, e);
	if (rc == OK && stale_count)
		rc = run_waits(d, jobs, job, &waits, e);
	if (rc == OK && stale_count)
		examination_add(
			x, waits ? SEVERITY_NOTE : SEVERITY_WARNING,
			arena_printf(
				d->arena,
				tr("job %s: %zu partitions are not made of what is there now, the first: %s"),
				job, stale_count, stale[0]),
			arena_printf(d->arena, "job run %s", job));
	return rc;
}

/* A message that is not old will start what is not done yet. */
static int messages_wait(const struct doctor *d, bool *ret, struct err *e)
{
	struct queue *queue = NULL;
	struct queue_stats stats = {0};
	int rc = system_queue(d->system, &queue, e);
	if (rc == OK && queue)
		rc = queue_stats(queue, &stats, e);
	*ret = stats.visible + stats.in_flight > 0 && stats.oldest_us + WAITS_US > d->now_us;
	return rc;
}

int doctor_check_jobs(struct examination *x, struct err *e)
{
	const struct doctor *d = x->d;
	bool waits = false;
	struct activation *all;
	struct job_engine *jobs;
	size_t count;
	int rc = definitions_activations(d->definitions, system_catalog(d->system), d->arena, &all,
					 &count, e);
	if (rc == OK)
		rc = messages_wait(d, &waits, e);
	if (rc == OK)
		rc = system_job_engine(d->system, &jobs, e);
	for (size_t i = 0; i < count && rc == OK; i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = strcmp(all[k].job, all[i].job) == 0;
		if (!seen)
			rc = look_at_job(x, jobs, all, count, all[i].job, waits, e);
	}
	return rc;
}

/* -- what only SQL can tell -------------------------------------------------------------------- */

struct answer {
	struct examination *x;
	const char *(*say)(struct arena *, const struct batch *, size_t row);
	const char *mend;
};

static int no_columns(void *ctx, const struct column *c, const char *const *types, size_t n,
		      struct err *e)
{
	(void)ctx, (void)c, (void)types, (void)n, (void)e;
	return 0;
}

static int each_row(void *ctx, const struct batch *b, struct err *e)
{
	struct answer *a = ctx;
	(void)e;
	for (size_t i = 0; i < b->row_count; i++)
		examination_add(a->x, SEVERITY_WARNING, a->say(a->x->d->arena, b, i), a->mend);
	return 0;
}

static int ask(struct examination *x, const char *sql, struct answer *a, struct err *e)
{
	struct query_engine *q;
	struct query_sink sink = {.columns = no_columns, .batch = each_row, .ctx = a};
	int rc = system_query(x->d->system, &q, e);
	return rc ? rc : query_engine_run(q, sql, &sink, NULL, e);
}

static const char *cell(struct arena *arena, const struct batch *b, size_t column, size_t row)
{
	AUTO_BUF struct buf text = {0};
	return batch_text(b, column, row, &text) ? arena_strdup(arena, text.data) : "";
}

static const char *say_total(struct arena *arena, const struct batch *b, size_t row)
{
	return arena_printf(arena, tr("raw.portfolio of %s on %s does not add up to its footer"),
			    cell(arena, b, 0, row), cell(arena, b, 1, row));
}

int doctor_check_totals(struct examination *x, struct err *e)
{
	static const char sql[] =
		"SELECT coalesce(r.index_code, t.index_code), CAST(coalesce(r.data_pregao, t.data_pregao) AS VARCHAR) "
		"FROM (SELECT index_code, data_pregao, sum(qtd_teorica) AS qtd, sum(part) AS part FROM raw.portfolio GROUP BY ALL) r "
		"FULL JOIN raw.portfolio_total t ON r.index_code = t.index_code AND r.data_pregao = t.data_pregao "
		"WHERE r.qtd IS DISTINCT FROM t.qtd_teorica_total OR r.part IS DISTINCT FROM 100 ORDER BY ALL LIMIT 20";
	struct answer a = {x, say_total, doctor_again_from_landing(x->d, true)};
	return ask(x, sql, &a, e);
}

static const char *say_gap(struct arena *arena, const struct batch *b, size_t row)
{
	return arena_printf(arena, tr("no tick of %s %s since %s: %s"), cell(arena, b, 0, row),
			    cell(arena, b, 1, row), cell(arena, b, 2, row), cell(arena, b, 3, row));
}

int doctor_check_gaps(struct examination *x, struct err *e)
{
	/* Open: no tick came after it. */
	static const char sql[] =
		"SELECT g.source, g.pair, CAST(max(g.slot) AS VARCHAR), arg_max(g.reason, g.slot) FROM raw.bitcoin_gaps g "
		"WHERE NOT EXISTS (SELECT 1 FROM raw.bitcoin_ticks t WHERE t.source = g.source AND t.pair = g.pair AND t.slot > g.slot) "
		"GROUP BY g.source, g.pair ORDER BY ALL LIMIT 20";
	struct answer a = {x, say_gap, "fetch bitcoin"};
	struct trade_gap *gaps;
	size_t count;
	int rc = ask(x, sql, &a, e);
	if (rc == OK)
		rc = deliver_trade_gaps(system_catalog(x->d->system), x->d->arena, &gaps, &count,
					e);
	if (rc == OK && count)
		examination_add(
			x, SEVERITY_NOTE,
			arena_printf(
				x->d->arena,
				tr("%zu stretches of trades never came; a recording of them can be replayed"),
				count),
			NULL);
	return rc;
}

/* -- copies ------------------------------------------------------------------------------------ */

int doctor_verify_backup(struct examination *x, const struct backup_measure *m, struct err *e)
{
	const struct doctor *d = x->d;
	struct backup b = {.from = system_store(d->system),
			   .catalog = system_catalog(d->system),
			   .clock = system_clock(d->system),
			   .tables = bitcoin_tables,
			   .table_count = BITCOIN_KINDS,
			   .workers = 1};
	struct backup_finding *list;
	size_t count = 0, damaged = 0;
	int64_t checked;
	const char *first = NULL;
	int rc = system_backup_store(d->system, m->place.path, false, &b.to, e);
	if (rc == OK)
		rc = backup_verify(&b, d->arena, &list, &count, &checked, e);
	for (size_t i = 0; i < count && rc == OK; i++)
		if (strcmp(list[i].problem, "not_copied") != 0)
			first = damaged++ ? first : list[i].key;
	if (rc == OK && damaged)
		examination_add(
			x, SEVERITY_ERROR,
			arena_printf(
				d->arena,
				tr("%zu copies in %s are not as they should be, the first: %s"),
				damaged, m->place.path, first),
			"backup verify --repair");
	return rc;
}
