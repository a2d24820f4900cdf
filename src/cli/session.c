/* Payloads through extraction and settling, for run, fetch and import.
 * Each payload succeeds or fails alone; what is told about them comes from the same list. */
#include "session.h"

#include <string.h>

#include "definitions.h"
#include "render.h"
#include "tr.h"

/* What one commit takes: a folder of years should not pay a commit for each day, nor fill the
 * memory. */
#define FLUSH_PAYLOADS 64
#define FLUSH_BYTES    ((size_t)32 << 20)

void session_begin(struct session *s, struct cli *cli, const struct source *source,
		   const char *name)
{
	*s = (struct session){.cli = cli, .source = source};
	system_warm(cli->system);
	pass_begin(&s->pass, system_telemetry(cli->system), system_clock(cli->system), name);
	s->extract = (struct extract){.publish = system_publish(cli->system),
				      .telemetry = system_telemetry(cli->system),
				      .run = s->pass.record.id,
				      .force = cli_flag(cli, OPT_FORCE)};
	s->batch = extract_begin(&s->extract, source);
}

/* In quarantine: the payload is wrong, not the machine. */
static bool refused(const struct session_item *i)
{
	return i->code == ERR_INPUT && i->result.outcome == EXTRACT_REFUSED;
}

static struct session_item *new_item(struct session *s, const char *name)
{
	struct session_item *item = PUSH(s->items, s->count, s->cap);
	*item = (struct session_item){.name = name, .why = ERR_INIT};
	return item;
}

void session_failed(struct session *s, const char *name, const struct err *e)
{
	struct session_item *item = new_item(s, name);
	item->code = e->code;
	item->why = *e;
	telemetry_failure(s->extract.telemetry, LOG_LEVEL_ERROR, s->pass.record.id, "source.failed",
			  name, e);
}

/* The machine failed. What waited for the commit is lost with it; and where waiting for a lock was
 * in vain, the disk is full or may not be written, the next payload would find the same. */
static void machine_failed(struct session *s, const struct err *why)
{
	int64_t dropped = extract_dropped(s->batch);
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].code == 0 && s->items[i].result.flush &&
		    s->items[i].result.flush == dropped) {
			s->items[i].code = why->code;
			s->items[i].why = *why;
		}
	if (why->code == ERR_CONFLICT || why->code == ERR_LIMIT || why->code == ERR_DENIED)
		s->stop = *why;
}

bool session_skips(struct session *s, const char *name)
{
	if (!s->stop.code)
		return false;
	struct session_item *item = new_item(s, name);
	item->code = err_set(&item->why, s->stop.code, "not tried: %s", s->stop.text);
	return true;
}

void session_flush(struct session *s)
{
	struct err e = ERR_INIT;
	pass_start(&s->pass);
	int64_t rows = 0, files = 0, bytes = 0;
	if (extract_flush(s->batch, &e) != 0)
		machine_failed(s, &e);
	for (size_t i = s->flushed; i < s->count; i++)
		if (s->items[i].code == 0) {
			rows += s->items[i].result.raw_files ? s->items[i].result.rows : 0;
			files += s->items[i].result.raw_files;
			bytes += s->items[i].result.raw_bytes;
		}
	s->flushed = s->count;
	pass_done(&s->pass, "raw", rows, files, bytes);
}

void session_add(struct session *s, const struct payload *p, const char *name)
{
	if (session_skips(s, name))
		return;
	struct session_item *item = new_item(s, name);
	pass_start(&s->pass);
	item->code = extract_add(s->batch, p, s->cli->arena, &item->result, &item->why);
	pass_done(&s->pass, "check", item->code ? -1 : item->result.rows, -1, (int64_t)p->bytes.n);
	if (item->code && item->code != ERR_INPUT)
		machine_failed(s, &item->why);
	else if (extract_staged(s->batch) >= FLUSH_PAYLOADS ||
		 extract_staged_bytes(s->batch) >= FLUSH_BYTES)
		session_flush(s);
}

void session_fetch(struct session *s, const char *const *indices, size_t count,
		   const struct fetched *first)
{
	struct fetched *all = ANEW_ARRAY(s->cli->arena, count, struct fetched);
	for (size_t i = 0; i < count; i++) {
		pass_start(&s->pass);
		all[i].why = (struct err)ERR_INIT;
		if (i == 0 && first)
			all[i] = *first;
		else
			all[i].why.code = intake_live(s->cli, s->source, indices[i], false,
						      &all[i].payload, &all[i].why);
		pass_done(&s->pass, "fetch", -1, -1,
			  all[i].why.code ? -1 : (int64_t)all[i].payload.bytes.n);
	}
	for (size_t i = 0; i < count; i++) {
		if (all[i].why.code)
			session_failed(s, indices[i], &all[i].why);
		else
			session_add(s, &all[i].payload, indices[i]);
	}
}

/* What a killed writer left behind its commit goes now, also when this pass had nothing to
 * write. */
static int tidy(struct session *s, struct err *e)
{
	struct table_def **tables;
	size_t count;
	int rc = catalog_tables(s->extract.publish.catalog, s->cli->arena, &tables, &count, e);
	return rc ? rc
		  : publish_tidy(&s->extract.publish, (const struct table_def *const *)tables,
				 count, e);
}

int session_relay(struct session *s, struct err *e)
{
	struct system *sys = s->cli->system;
	struct queue *queue;
	int64_t sent = 0;
	extract_end(s->batch);
	s->batch = NULL;
	pass_start(&s->pass);
	int rc = system_queue(sys, &queue, e);
	if (rc == OK && !object_store_notifies(system_store(sys)))
		rc = trigger_relay(system_catalog(sys), queue, system_lake(sys), &sent, e);
	pass_done(&s->pass, "trigger", -1, -1, -1);
	return rc ? rc : tidy(s, e);
}

int settle_prepare(struct cli *cli, int32_t as_of, struct settle *ret, struct err *e)
{
	struct activation *activations;
	*ret = (struct settle){.catalog = system_catalog(cli->system),
			       .lake = system_lake(cli->system),
			       .as_of = as_of,
			       .store_notifies = object_store_notifies(system_store(cli->system))};
	int rc = system_queue(cli->system, &ret->queue, e);
	if (rc == OK)
		rc = system_job_engine(cli->system, &ret->jobs, e);
	if (rc == OK)
		rc = definitions_activations(cli_definitions(cli), ret->catalog, cli->arena,
					     &activations, &ret->activation_count, e);
	if (rc == OK)
		ret->activations = activations;
	return rc;
}

int session_settle(struct session *s, int32_t as_of, struct err *e)
{
	struct cli *cli = s->cli;
	/* The raw tables' locks are given up before a job takes its own: nobody waits for two at
	 * once. */
	extract_end(s->batch);
	s->batch = NULL;
	struct settle settle;
	int rc = settle_prepare(cli, as_of, &settle, e);
	if (rc)
		return rc;
	const struct activation *activations = settle.activations;
	/* What was there before and is asked for with another as-of date: no object was created, so
	 * it is started here. */
	const char **scopes = ANEW_ARRAY(cli->arena, s->count + 1, const char *);
	const char **unchanged = ANEW_ARRAY(cli->arena, s->count + 1, const char *);
	struct job_request q = {.as_of = as_of, .scopes = unchanged};
	settle.location = s->source->tables[0]->location;
	settle.scopes = scopes;
	for (size_t k = 0; k < s->count; k++) {
		if (s->items[k].code)
			continue;
		scopes[settle.scope_count++] = s->items[k].result.scope;
		if (s->items[k].result.outcome == EXTRACT_UNCHANGED)
			unchanged[q.scope_count++] = s->items[k].result.scope;
	}
	for (size_t i = 0;
	     i < settle.activation_count && as_of != AS_OF_LANDED && q.scope_count && rc == OK;
	     i++) {
		char run[RUN_ID_SIZE];
		q.job = activations[i].job;
		if (strcmp(activations[i].location_prefix, settle.location) == 0)
			rc = job_engine_start(settle.jobs, &q, run, e);
	}
	if (rc == OK)
		rc = pass_settle(&s->pass, &settle, cli->arena, &s->settled, e);
	return rc ? rc : tidy(s, e);
}

int session_end(struct session *s, const struct err *e)
{
	extract_end(s->batch);
	s->batch = NULL;
	int code = EXIT_DONE;
	const struct err *why = e;
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].code) {
			why = why ? why : &s->items[i].why;
			code = !refused(&s->items[i]) ? EXIT_FAILED
			       : code == EXIT_DONE    ? EXIT_REJECTED
						      : code;
		}
	if (s->settled.failed) {
		code = EXIT_FAILED;
		why = why ? why : &s->settled.why;
	}
	if (e)
		code = EXIT_FAILED;
	pass_end(&s->pass, why ? why->code : 0, why);
	return code;
}

static const struct column item_columns[] = {
	{.name = "source", .type = COL_TEXT},   {.name = "outcome", .type = COL_TEXT},
	{.name = "index", .type = COL_TEXT},    {.name = "session", .type = COL_TEXT},
	{.name = "rows", .type = COL_BIGINT},   {.name = "bytes", .type = COL_BIGINT},
	{.name = "sha256", .type = COL_TEXT},   {.name = "key", .type = COL_TEXT},
	{.name = "reason", .type = COL_TEXT},   {.name = "line", .type = COL_BIGINT},
	{.name = "column", .type = COL_BIGINT}, {.name = "offset", .type = COL_BIGINT},
	{.name = "text", .type = COL_TEXT},
};

/* The same for people: what fits on a line. */
static const struct column short_columns[] = {
	{.name = "source", .type = COL_TEXT}, {.name = "outcome", .type = COL_TEXT},
	{.name = "index", .type = COL_TEXT},  {.name = "session", .type = COL_TEXT},
	{.name = "rows", .type = COL_BIGINT}, {.name = "reason", .type = COL_TEXT}};

static const char *outcome(const struct session_item *i)
{
	return i->code && !refused(i) ? "failed" : extract_outcome_name(i->result.outcome);
}

static void number_or_null(struct listing *l, int64_t n, bool known)
{
	if (known)
		listing_int(l, n);
	else
		listing_null(l);
}

int session_print(struct session *s, struct err *e)
{
	bool people = s->cli->format == FORMAT_TABLE;
	struct listing *l = people ? listing_new(short_columns, ARRAY_LEN(short_columns))
				   : listing_new(item_columns, ARRAY_LEN(item_columns));
	for (size_t i = 0; i < s->count; i++) {
		const struct session_item *it = &s->items[i];
		const struct extract_result *r = &it->result;
		bool ok = it->code == 0;
		listing_text(l, it->name);
		listing_text(l, outcome(it));
		listing_text(l, ok ? r->values[1] : NULL);
		listing_text(l, ok ? r->values[0] : NULL);
		number_or_null(l, r->rows, ok);
		if (!people) {
			number_or_null(l, r->bytes, r->bytes > 0);
			listing_text(l, r->sha256[0] ? r->sha256 : NULL);
			listing_text(l, r->landing_key);
		}
		listing_text(l, ok                  ? NULL
				: it->why.reason[0] ? it->why.reason
						    : err_name(it->code));
		if (!people) {
			number_or_null(l, it->why.line, !ok && it->why.line > 0);
			number_or_null(l, it->why.column, !ok && it->why.column > 0);
			number_or_null(l, it->why.offset, !ok && it->why.offset >= 0);
			listing_text(l, ok ? NULL : it->why.text);
		}
	}
	int rc = listing_print(l, s->cli, e);
	listing_free(l);
	return rc;
}

void session_complain(struct session *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct session_item *it = &s->items[i];
		if (it->code == 0 && it->result.lost_detail)
			cli_warn(
				s->cli,
				"%s: the session had sectors before, this payload has none; import a form with sectors to have them again",
				it->name);
		if (it->code == 0)
			continue;
		char text[2048];
		struct err shown = it->why;
		if (!shown.where[0])
			snprintf(shown.where, sizeof(shown.where), "%s", it->name);
		err_format(&shown, text, sizeof(text));
		if (refused(it))
			cli_warn(s->cli, "refused: %s [%s]; kept: pregao quarantine show %.12s",
				 text, it->why.reason, it->result.sha256);
		else
			cli_fail(s->cli, &shown);
	}
}

void session_free(struct session *s)
{
	extract_end(s->batch);
	free(s->items);
}

void session_replay(struct session *s, const struct quarantine_entry *q, const char *index)
{
	struct session_item *item = new_item(s, q->source ? q->source : q->sha256);
	pass_start(&s->pass);
	item->code =
		quarantine_replay(&s->extract, q, index, s->cli->arena, &item->result, &item->why);
	if (item->code == ERR_INPUT)
		item->result.outcome = EXTRACT_REFUSED;
	s->flushed = s->count;
	pass_done(&s->pass, "raw", item->code ? -1 : item->result.rows,
		  item->code ? -1 : item->result.raw_files,
		  item->code ? -1 : item->result.raw_bytes);
}

int session_finish(struct session *s, int rc, struct err *e)
{
	struct cli *cli = s->cli;
	int code = session_end(s, rc ? e : NULL);
	struct err print = ERR_INIT;
	if (session_print(s, &print) != 0)
		code = cli_fail(cli, &print);
	session_complain(s);
	if (s->settled.failed)
		cli_fail(cli, &s->settled.why);
	if (rc)
		cli_fail(cli, e);
	if (cli->format == FORMAT_TABLE && s->settled.succeeded)
		cli_note(cli, "%lld job runs: %lld partitions refined, %lld files written",
			 (long long)s->settled.succeeded, (long long)s->settled.scopes,
			 (long long)s->settled.files);
	session_free(s);
	return code;
}
