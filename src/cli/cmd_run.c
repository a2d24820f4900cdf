/* run: one pass for people, from the exchange to the ten largest shares, with what each step took
 * and where everything lies. */
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "intake.h"
#include "render.h"
#include "session.h"
#include "tr.h"

enum input { INPUT_LIVE, INPUT_SAMPLE, INPUT_FILE };

struct pass_words {
	enum input input;
	const char *const *indices;
	size_t index_count;
	bool index_given;
	int32_t as_of;
	const char *source_name; /* for the last line */
	bool fell_back;          /* auto, and B3 could not be reached */
	struct fetched *first;   /* what came before the lake was opened (auto); NULL: nothing */
	struct buf file_bytes;
};

/* B3 did not answer; any other failure is one that somebody should hear of, and no sample hides
 * it. */
static bool unreachable(int code)
{
	return code == ERR_RETRY || code == ERR_IO || code == ERR_DENIED || code == ERR_LIMIT;
}

/* The sample stands in for its own index only: whoever asked for another would get figures of
 * something else. */
static int check_stand_in(struct cli *cli, const struct source *source, const struct pass_words *w,
			  struct err *e)
{
	struct payload sample;
	struct source_parsed parsed;
	struct err own = ERR_INIT;
	const char *name;
	int rc = intake_sample(&sample, &name, &own);
	if (rc == OK)
		rc = source->parse(&sample, cli->arena, &parsed, &own);
	if (rc) {
		*e = own;
		return rc;
	}
	for (size_t i = 0; i < w->index_count; i++)
		if (strcmp(w->indices[i], parsed.values[1]) != 0)
			return err_wrap(
				e,
				"B3 cannot be reached, and the sample session in the program is of %s, not of %s",
				parsed.values[1], w->indices[i]);
	return OK;
}

/* auto: B3 if it answers, else the sample. Which lake is written depends on it, so this comes
 * before the lake is opened. */
static int decide(struct cli *cli, const struct source *source, struct pass_words *w, struct err *e)
{
	const char *input = cli_value(cli, OPT_INPUT);
	w->input = INPUT_LIVE;
	if (!input || strcmp(input, "live") == 0) {
		w->source_name = intake_url(cli);
		return OK;
	}
	if (strcmp(input, "sample") == 0) {
		w->input = INPUT_SAMPLE;
		return OK;
	}
	if (strcmp(input, "auto") != 0) {
		w->input = INPUT_FILE;
		w->source_name = input;
		return OK;
	}
	w->first = ANEW(cli->arena, struct fetched);
	w->source_name = intake_url(cli);
	cli_note(cli, "fetching %s from %s", w->indices[0], w->source_name);
	/* The first index decides; the others are fetched with full patience by gather(). */
	int rc = intake_live(cli, source, w->indices[0], true, &w->first->payload, e);
	if (rc == ERR_USAGE)
		return rc;
	w->first->why = (struct err)ERR_INIT;
	if (!unreachable(rc)) {
		if (rc)
			w->first->why = *e;
		return OK;
	}
	if (check_stand_in(cli, source, w, e) != 0)
		return e->code;
	char text[2048];
	cli_warn(cli, "B3 cannot be reached: %s", err_format(e, text, sizeof(text)));
	cli_warn(
		cli,
		"using the SAMPLE session that is compiled into the program; these are not B3's figures of today");
	w->first = NULL;
	w->input = INPUT_SAMPLE;
	w->fell_back = true;
	return OK;
}

/* The payloads into the session, one way or another. */
static void gather(struct session *s, struct pass_words *w)
{
	struct cli *cli = s->cli;
	struct err why = ERR_INIT;
	struct payload p;
	if (w->input == INPUT_SAMPLE) {
		pass_start(&s->pass);
		if (intake_sample(&p, &w->source_name, &why) != 0)
			session_failed(s, "sample", &why);
		else
			session_add(s, &p, w->source_name);
		return;
	}
	if (w->input == INPUT_FILE) {
		pass_start(&s->pass);
		if (intake_file(cli, w->source_name, w->index_given ? w->indices[0] : NULL,
				&w->file_bytes, &p, &why) != 0) {
			session_failed(s, w->source_name, &why);
			return;
		}
		pass_done(&s->pass, "fetch", -1, -1, (int64_t)p.bytes.n);
		session_add(s, &p, w->source_name);
		return;
	}
	session_fetch(s, w->indices, w->index_count, w->first);
}

/* The largest shares of the sessions that this pass saw. */
static int largest(struct session *s, FILE *out, enum format format, struct err *e)
{
	struct cli *cli = s->cli;
	AUTO_BUF struct buf sql = {0};
	size_t sessions = 0;
	buf_str(&sql,
		"SELECT index_code, pregao_date, ticker, action, tipo, theoretical_quantity, participation FROM refined.portfolio WHERE ");
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].code)
			continue;
		buf_str(&sql, sessions++ ? " OR " : "");
		buf_printf(&sql, "(pregao_date = DATE '%s' AND index_code = ",
			   s->items[i].result.values[0]);
		buf_sql_str(&sql, s->items[i].result.values[1]);
		buf_char(&sql, ')');
	}
	if (sessions == 0)
		return OK;
	buf_str(&sql,
		" QUALIFY row_number() OVER (PARTITION BY index_code, pregao_date ORDER BY participation DESC, ticker) <= 10"
		" ORDER BY index_code, pregao_date, participation DESC, ticker");
	struct query_engine *q;
	pass_start(&s->pass);
	int rc = system_query(cli->system, &q, e);
	if (rc)
		return rc;
	struct render *r = render_new(out, format, cli->colour_out,
				      sessions > 1 && format == FORMAT_TABLE ? 60 : 0);
	struct query_sink sink = render_sink(r);
	rc = query_engine_run(q, sql.data, &sink, NULL, e);
	pass_done(&s->pass, "sql", render_rows(r), -1, -1);
	if (rc == OK)
		rc = render_end(r, e);
	render_free(r);
	return rc;
}

static void tell_steps(struct session *s)
{
	struct cli *cli = s->cli;
	const char *dim = paint(cli->colour_out, "dim"), *reset = paint(cli->colour_out, "reset");
	int64_t sum = clock_now_us(s->pass.clock) - s->pass.record.started_us;
	char text[32], size[32];
	printf("\n%s\n", tr("What each step took:"));
	for (size_t i = 0; i < s->pass.step_count; i++) {
		const struct run_step *step = &s->pass.steps[i];
		printf("  %-9s %10s%s", step->name, human_duration(step->took_us, text), dim);
		if (step->rows >= 0)
			printf(tr("  %lld rows"), (long long)step->rows);
		if (step->files >= 0)
			printf(tr("  %lld files"), (long long)step->files);
		if (step->bytes >= 0)
			printf("  %s", human_bytes(step->bytes, size));
		printf("%s\n", reset);
	}
	printf("  %-9s %10s\n", tr("whole"), human_duration(sum, text));
}

static void tell(struct session *s, const struct pass_words *w)
{
	struct cli *cli = s->cli;
	const char *lake = system_lake(cli->system), *bold = paint(cli->colour_out, "bold"),
		   *reset = paint(cli->colour_out, "reset");
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].code == 0 && s->items[i].result.outcome == EXTRACT_UNCHANGED)
			printf(tr("%s of %s was in the lake already: nothing was written, no job started\n"),
			       s->items[i].result.values[1], s->items[i].result.values[0]);
	printf("\n%s\n", tr("Where the files are:"));
	printf("  %-9s %s/landing/b3/portfolio\n", "landing", lake);
	printf("  %-9s %s/raw/portfolio\n", "raw", lake);
	printf("  %-9s %s/refined/portfolio\n", "refined", lake);
	tell_steps(s);
	const char *in_lake = cli_value(cli, OPT_LAKE) || w->input == INPUT_SAMPLE
				      ? arena_printf(cli->arena, " --lake %s", lake)
				      : "";
	printf("\n%s\n  %s%s sql%s \"SELECT tipo, count(*) AS stocks, sum(participation) AS share FROM refined.portfolio GROUP BY ALL ORDER BY share DESC\"%s\n  %s%s serve%s%s\n",
	       tr("Try next:"), bold, cli->program, in_lake, reset, bold, cli->program, in_lake,
	       reset);
}

static void last_line(struct session *s, const struct pass_words *w)
{
	bool any = false;
	for (size_t i = 0; i < s->count; i++)
		any |= s->items[i].code == 0;
	if (w->input == INPUT_SAMPLE)
		printf(w->fell_back
			       ? tr("source: SAMPLE session compiled into the program (B3 could not be reached)\n")
			       : tr("source: SAMPLE session compiled into the program\n"));
	else if (w->input == INPUT_LIVE)
		printf(any ? tr("source: live, %s\n")
			   : tr("source: live, %s (failed: no session came from it)\n"),
		       w->source_name);
	else
		printf(any ? tr("source: file %s\n")
			   : tr("source: file %s (failed: no session came from it)\n"),
		       w->source_name);
}

static void json_text(struct buf *b, const char *key, const char *text)
{
	buf_printf(b, ",\"%s\":", key);
	if (text)
		buf_json_str(b, text, strlen(text));
	else
		buf_str(b, "null");
}

static int run_json(struct session *s, const struct pass_words *w, int code, struct err *e)
{
	static const char *const inputs[] = {"live", "sample", "file"};
	AUTO_BUF struct buf b = {0};
	buf_printf(&b, "{\"run\":\"%s\",\"input\":\"%s\"", s->pass.record.id, inputs[w->input]);
	json_text(&b, "source", w->source_name);
	json_text(&b, "lake", system_lake(s->cli->system));
	buf_printf(&b, ",\"exit\":%d,\"sessions\":[", code);
	for (size_t i = 0; i < s->count; i++) {
		const struct session_item *it = &s->items[i];
		buf_printf(&b, "%s{\"outcome\":\"%s\"", i ? "," : "",
			   it->code && it->result.outcome != EXTRACT_REFUSED
				   ? "failed"
				   : extract_outcome_name(it->result.outcome));
		json_text(&b, "name", it->name);
		json_text(&b, "index", it->code ? NULL : it->result.values[1]);
		json_text(&b, "session", it->code ? NULL : it->result.values[0]);
		buf_printf(&b, ",\"rows\":%lld", it->code ? 0 : (long long)it->result.rows);
		json_text(&b, "reason", it->code ? it->why.reason : NULL);
		json_text(&b, "error", it->code ? it->why.text : NULL);
		buf_char(&b, '}');
	}
	buf_printf(
		&b,
		"],\"jobs\":{\"succeeded\":%lld,\"failed\":%lld,\"partitions\":%lld,\"files\":%lld},\"steps\":[",
		(long long)s->settled.succeeded, (long long)s->settled.failed,
		(long long)s->settled.scopes, (long long)s->settled.files);
	for (size_t i = 0; i < s->pass.step_count; i++)
		buf_printf(&b, "%s{\"step\":\"%s\",\"took_us\":%lld}", i ? "," : "",
			   s->pass.steps[i].name, (long long)s->pass.steps[i].took_us);
	buf_str(&b, "],\"largest\":");
	fputs(b.data, stdout);
	bool any = false;
	for (size_t i = 0; i < s->count; i++)
		any |= s->items[i].code == 0;
	int rc = any ? largest(s, stdout, FORMAT_JSON, e) : 0;
	printf("%s}\n", any ? "" : "[]");
	return rc;
}

/* The sample never mixes with B3's data: it has a lake of its own unless one is named on the
 * command line. */
static void choose_lake(struct cli *cli, const struct pass_words *w)
{
	if (w->input == INPUT_SAMPLE && !cli_value(cli, OPT_LAKE))
		cli->lake =
			arena_printf(cli->arena, "%s/sample", definitions_default_dir(cli->arena));
}

int cmd_run(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct pass_words w = {.index_given = cli_value(cli, OPT_INDEX) != NULL};
	const struct source *source = source_find("portfolio");
	if (cli_date(cli, OPT_AS_OF, AS_OF_LANDED, &w.as_of, &e) != 0 ||
	    cli_indices(cli, &w.indices, &w.index_count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli_flag(cli, OPT_DRY_RUN)) {
		const char *input = cli_value(cli, OPT_INPUT);
		for (size_t i = 0; i < w.index_count; i++)
			printf(tr("%s would be taken from %s into %s\n"), w.indices[i],
			       !input || !strcmp(input, "live") || !strcmp(input, "auto")
				       ? intake_url(cli)
				       : input,
			       cli_lake(cli));
		return EXIT_DONE;
	}
	if (decide(cli, source, &w, &e) != 0)
		return cli_fail(cli, &e);
	choose_lake(cli, &w);
	cli->fetches = w.input == INPUT_LIVE;
	if (cli_system(cli, SYSTEM_WORK, &e) != 0)
		return cli_fail(cli, &e);
	struct session s;
	session_begin(&s, cli, source, "run");
	gather(&s, &w);
	session_flush(&s);
	int rc = session_settle(&s, w.as_of, &e);
	if (cli->format == FORMAT_TABLE && rc == OK && s.settled.failed == 0)
		rc = largest(&s, stdout, FORMAT_TABLE, &e);
	int code = session_end(&s, rc ? &e : NULL);
	if (cli->format == FORMAT_JSON) {
		struct err query = ERR_INIT;
		if (run_json(&s, &w, code, &query) != 0)
			code = cli_fail(cli, &query);
	} else if (!cli->quiet && rc == OK) {
		tell(&s, &w);
	}
	session_complain(&s);
	if (s.settled.failed)
		cli_fail(cli, &s.settled.why);
	if (rc)
		cli_fail(cli, &e);
	if (cli->format == FORMAT_TABLE)
		last_line(&s, &w);
	buf_free(&w.file_bytes);
	session_free(&s);
	return code;
}
