/* runs, logs, metrics: what happened. */
#include <string.h>

#include "cli.h"
#include "json.h"
#include "render.h"
#include "tr.h"
#include "value.h"

static const struct column run_columns[] = {
	{.name = "run", .type = COL_TEXT},        {.name = "kind", .type = COL_TEXT},
	{.name = "name", .type = COL_TEXT},       {.name = "state", .type = COL_TEXT},
	{.name = "started", .type = COL_TEXT},    {.name = "took", .type = COL_TEXT},
	{.name = "error_code", .type = COL_TEXT}, {.name = "error", .type = COL_TEXT}};

/* People read "2.1 ms", programs a number with its unit in the name. */
static struct listing *new_run_list(const struct cli *cli)
{
	struct column columns[ARRAY_LEN(run_columns)];
	memcpy(columns, run_columns, sizeof(columns));
	if (cli->format != FORMAT_TABLE)
		columns[5] = (struct column){.name = "took_us", .type = COL_BIGINT};
	return listing_new(columns, ARRAY_LEN(columns));
}

static void list_run(struct listing *l, const struct run_record *r, struct cli *cli)
{
	char took[32];
	listing_text(l, r->id);
	listing_text(l, r->kind);
	listing_text(l, r->name);
	listing_text(l, run_state_name(r->state));
	listing_time(l, r->started_us);
	if (!r->ended_us)
		listing_null(l);
	else if (cli->format == FORMAT_TABLE)
		listing_text(l, human_duration(r->ended_us - r->started_us, took));
	else
		listing_int(l, r->ended_us - r->started_us);
	listing_text(l, r->error_code ? err_name(r->error_code) : NULL);
	listing_text(l, r->error);
}

static int show_run(struct cli *cli, struct err *e)
{
	struct run_record r;
	struct run_step *steps;
	size_t count;
	int rc = telemetry_run_get(system_telemetry(cli->system), cli->words[0], cli->arena, &r,
				   &steps, &count, e);
	if (rc)
		return rc;
	if (cli->format == FORMAT_JSON) {
		AUTO_BUF struct buf b = {0};
		buf_printf(&b, "{\"run\":\"%s\",\"kind\":", r.id);
		buf_json_str(&b, r.kind, strlen(r.kind));
		buf_str(&b, ",\"name\":");
		buf_json_str(&b, r.name, strlen(r.name));
		buf_printf(&b,
			   ",\"state\":\"%s\",\"started_us\":%lld,\"ended_us\":%lld,\"parent\":",
			   run_state_name(r.state), (long long)r.started_us, (long long)r.ended_us);
		if (r.parent)
			buf_json_str(&b, r.parent, strlen(r.parent));
		else
			buf_str(&b, "null");
		buf_printf(&b, ",\"error_code\":%s%s%s,\"error\":", r.error_code ? "\"" : "",
			   r.error_code ? err_name(r.error_code) : "null",
			   r.error_code ? "\"" : "");
		if (r.error)
			buf_json_str(&b, r.error, strlen(r.error));
		else
			buf_str(&b, "null");
		buf_printf(&b, ",\"detail\":%s,\"steps\":[", r.detail ? r.detail : "null");
		for (size_t i = 0; i < count; i++) {
			buf_printf(&b, "%s{\"step\":", i ? "," : "");
			buf_json_str(&b, steps[i].name, strlen(steps[i].name));
			buf_printf(
				&b,
				",\"started_us\":%lld,\"took_us\":%lld,\"rows\":%lld,\"files\":%lld,\"bytes\":%lld}",
				(long long)steps[i].started_us, (long long)steps[i].took_us,
				(long long)steps[i].rows, (long long)steps[i].files,
				(long long)steps[i].bytes);
		}
		buf_str(&b, "]}\n");
		fputs(b.data, stdout);
		return OK;
	}
	struct listing *l = new_run_list(cli);
	list_run(l, &r, cli);
	if (cli->format == FORMAT_TABLE)
		listing_print_upright(l);
	listing_free(l);
	static const struct column columns[] = {{.name = "step", .type = COL_TEXT},
						{.name = "took", .type = COL_TEXT},
						{.name = "rows", .type = COL_BIGINT},
						{.name = "files", .type = COL_BIGINT},
						{.name = "bytes", .type = COL_BIGINT}};
	l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		char took[32];
		const int64_t numbers[] = {steps[i].rows, steps[i].files, steps[i].bytes};
		listing_text(l, steps[i].name);
		listing_text(l, human_duration(steps[i].took_us, took));
		for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
			if (numbers[k] < 0)
				listing_null(l);
			else
				listing_int(l, numbers[k]);
		}
	}
	rc = listing_print(l, cli, e);
	listing_free(l);
	return rc;
}

int cmd_runs(struct cli *cli)
{
	struct err e = ERR_INIT;
	int64_t limit;
	if (cli_int(cli, OPT_LIMIT, 1, 100000, 20, &limit, &e) != 0 ||
	    cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->word_count) {
		int rc = show_run(cli, &e);
		if (rc == ERR_NOT_FOUND)
			err_set(&e, ERR_NOT_FOUND, "there is no run `%s`; `pregao runs` lists them",
				cli->words[0]);
		return rc ? cli_fail(cli, &e) : EXIT_DONE;
	}
	struct run_record *runs = NULL;
	size_t count = 0;
	if (system_telemetry(cli->system) &&
	    telemetry_runs(system_telemetry(cli->system), (size_t)limit, cli->arena, &runs, &count,
			   &e) != 0)
		return cli_fail(cli, &e);
	struct listing *l = new_run_list(cli);
	for (size_t i = 0; i < count; i++)
		list_run(l, &runs[i], cli);
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

static const char *const levels[] = {"debug", "info", "warning", "error"};

/* What every command of the log calls alike stands in columns of its own, the rest stays in fields. */
static void list_event(struct listing *l, struct arena *arena, const struct log_event *v)
{
	AUTO_JSON json_t *fields = NULL;
	AUTO_BUF struct buf rest = {0};
	bool any = v->fields && json_parse(v->fields, strlen(v->fields), &fields, NULL) == OK;
	const char *object = any ? json_opt_str(fields, "object", NULL) : NULL;
	const char *code = any ? json_opt_str(fields, "error_code", NULL) : NULL;
	object = object ? arena_strdup(arena, object) : NULL;
	code = code ? arena_strdup(arena, code) : NULL;
	if (any) {
		json_object_del(fields, "object");
		json_object_del(fields, "error_code");
		if (json_object_size(fields))
			json_canonical(fields, &rest);
	}
	listing_time(l, v->at_us);
	listing_text(l, levels[v->level]);
	listing_text(l, v->role);
	listing_text(l, v->run);
	listing_text(l, v->event);
	listing_text(l, object);
	listing_text(l, code);
	listing_text(l, v->text);
	listing_text(l, any ? rest.data : v->fields);
}

int cmd_logs(struct cli *cli)
{
	struct err e = ERR_INIT;
	int64_t limit, since;
	struct log_query q = {.least = LOG_LEVEL_DEBUG,
			      .role = cli_value(cli, OPT_ROLE),
			      .text = cli_value(cli, OPT_TEXT)};
	if (cli_int(cli, OPT_LIMIT, 1, 1000000, 1000, &limit, &e) != 0)
		return cli_fail(cli, &e);
	q.max = (size_t)limit;
	const char *level = cli_value(cli, OPT_LEVEL);
	if (level) {
		size_t at = 0;
		while (at < ARRAY_LEN(levels) && strcmp(levels[at], level) != 0)
			at++;
		if (at == ARRAY_LEN(levels))
			return cli_usage(cli, "--level %s: expected debug, info, warning or error",
					 level);
		q.least = (enum log_level)at;
	}
	const char *ago = cli_value(cli, OPT_SINCE);
	if (ago && (!duration_parse(slice_of(ago), &since) || since <= 0))
		return cli_usage(cli, "--since %s: expected a time such as 90s, 5m or 24h", ago);
	if (ago)
		q.since_us = clock_now_us(&clock_system) - since;
	if (cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	struct log_event *events = NULL;
	size_t count = 0;
	struct telemetry *t = system_telemetry(cli->system);
	if (cli->word_count) {
		struct run_record r;
		struct run_step *steps;
		size_t step_count;
		int rc = telemetry_run_get(t, cli->words[0], cli->arena, &r, &steps, &step_count,
					   &e);
		if (rc == ERR_NOT_FOUND)
			err_set(&e, ERR_NOT_FOUND, "there is no run `%s`; `pregao runs` lists them",
				cli->words[0]);
		if (rc)
			return cli_fail(cli, &e);
		q.run = arena_strdup(cli->arena, r.id);
	}
	if (t && telemetry_logs(t, &q, cli->arena, &events, &count, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "at", .type = COL_TEXT},         {.name = "level", .type = COL_TEXT},
		{.name = "role", .type = COL_TEXT},       {.name = "run", .type = COL_TEXT},
		{.name = "event", .type = COL_TEXT},      {.name = "object", .type = COL_TEXT},
		{.name = "error_code", .type = COL_TEXT}, {.name = "text", .type = COL_TEXT},
		{.name = "fields", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++)
		list_event(l, cli->arena, &events[i]);
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* Prometheus' text format, version 0.0.4: cumulative buckets, "+Inf" the last. */
static void print_histogram(const struct histogram_counts *c, bool first)
{
	const struct histogram *h = c->histogram;
	const char *comma = *c->labels ? "," : "";
	char number[DECIMAL_TEXT_SIZE];
	int64_t below = 0;
	if (first)
		printf("# HELP %s %s\n# TYPE %s histogram\n", h->name, h->help, h->name);
	for (size_t i = 0; i < h->bound_count; i++) {
		below += c->buckets[i];
		printf("%s_bucket{%s%sle=\"%s\"} %lld\n", h->name, c->labels, comma,
		       decimal_format(h->bounds[i], h->decimals, number), (long long)below);
	}
	printf("%s_bucket{%s%sle=\"+Inf\"} %lld\n", h->name, c->labels, comma, (long long)c->count);
	const char *open = *c->labels ? "{" : "", *close = *c->labels ? "}" : "";
	printf("%s_sum%s%s%s %s\n", h->name, open, c->labels, close,
	       decimal_format(c->sum, h->decimals, number));
	printf("%s_count%s%s%s %lld\n", h->name, open, c->labels, close, (long long)c->count);
}

/* Rows that say what kind of number they hold, for what has three names in Prometheus' form. */
static void list_histogram(struct listing *l, struct arena *arena, const struct histogram_counts *c)
{
	const struct histogram *h = c->histogram;
	char number[DECIMAL_TEXT_SIZE];
	int64_t below = 0;
	for (size_t i = 0; i <= h->bound_count; i++) {
		below += c->buckets[i];
		listing_text(l, arena_printf(arena, "%s_bucket", h->name));
		listing_text(
			l, arena_printf(arena, "%s%sle=\"%s\"", c->labels, *c->labels ? "," : "",
					i == h->bound_count ? "+Inf"
							    : decimal_format(h->bounds[i],
									     h->decimals, number)));
		listing_text(l, "histogram");
		listing_int(l, below);
	}
	/* a whole number like the others: in the unit that was observed */
	listing_text(l, arena_printf(arena, "%s_sum%s", h->name, h->decimals == 6 ? "_us" : ""));
	listing_text(l, c->labels);
	listing_text(l, "histogram");
	listing_int(l, c->sum);
	listing_text(l, arena_printf(arena, "%s_count", h->name));
	listing_text(l, c->labels);
	listing_text(l, "histogram");
	listing_int(l, c->count);
}

int cmd_metrics(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct histogram_counts *observed = NULL;
	size_t observed_count = 0;
	struct metric *metrics = NULL;
	size_t count = 0;
	if (cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	struct telemetry *t = system_telemetry(cli->system);
	if (t && (telemetry_metrics(t, cli->arena, &metrics, &count, &e) != 0 ||
		  telemetry_histograms(t, cli->arena, &observed, &observed_count, &e) != 0))
		return cli_fail(cli, &e);
	if (cli->format == FORMAT_TABLE) {
		/* Prometheus' text format, version 0.0.4: one TYPE line per name, names are
		 * sorted */
		for (size_t i = 0; i < count; i++) {
			if (i == 0 || strcmp(metrics[i].name, metrics[i - 1].name) != 0)
				printf("# TYPE %s %s\n", metrics[i].name,
				       metrics[i].counter ? "counter" : "gauge");
			bool labels = metrics[i].labels && *metrics[i].labels;
			printf("%s%s%s%s %lld\n", metrics[i].name, labels ? "{" : "",
			       labels ? metrics[i].labels : "", labels ? "}" : "",
			       (long long)metrics[i].value);
		}
		for (size_t i = 0; i < observed_count; i++)
			print_histogram(&observed[i], i == 0 || observed[i].histogram !=
									observed[i - 1].histogram);
		return EXIT_DONE;
	}
	static const struct column columns[] = {{.name = "name", .type = COL_TEXT},
						{.name = "labels", .type = COL_TEXT},
						{.name = "type", .type = COL_TEXT},
						{.name = "value", .type = COL_BIGINT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		listing_text(l, metrics[i].name);
		listing_text(l, metrics[i].labels);
		listing_text(l, metrics[i].counter ? "counter" : "gauge");
		listing_int(l, metrics[i].value);
	}
	for (size_t i = 0; i < observed_count; i++)
		list_histogram(l, cli->arena, &observed[i]);
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
