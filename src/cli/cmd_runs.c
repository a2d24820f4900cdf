/* runs, logs, metrics: what happened. */
#include <string.h>

#include "cli.h"
#include "render.h"
#include "tr.h"

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

int cmd_logs(struct cli *cli)
{
	struct err e = ERR_INIT;
	static const char *const levels[] = {"debug", "info", "warning", "error"};
	int64_t limit;
	struct log_query q = {.least = LOG_LEVEL_DEBUG};
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
		{.name = "at", .type = COL_TEXT},    {.name = "level", .type = COL_TEXT},
		{.name = "role", .type = COL_TEXT},  {.name = "run", .type = COL_TEXT},
		{.name = "event", .type = COL_TEXT}, {.name = "text", .type = COL_TEXT},
		{.name = "fields", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < count; i++) {
		listing_time(l, events[i].at_us);
		listing_text(l, levels[events[i].level]);
		listing_text(l, events[i].role);
		listing_text(l, events[i].run);
		listing_text(l, events[i].event);
		listing_text(l, events[i].text);
		listing_text(l, events[i].fields);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_metrics(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct metric *metrics = NULL;
	size_t count = 0;
	if (cli_system(cli, SYSTEM_READ, &e) != 0)
		return cli_fail(cli, &e);
	struct telemetry *t = system_telemetry(cli->system);
	if (t && telemetry_metrics(t, cli->arena, &metrics, &count, &e) != 0)
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
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
