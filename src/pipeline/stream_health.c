/* The stream's failures in telemetry: a gauge that says whether it fails now, a counter, and log events with the
 * error. */
#include "stream_health.h"

#include <string.h>

#include "json.h"

#define FAILING     "pregao_stream_failing"
#define ERRORS      "pregao_stream_errors_total"
#define EVENTS_SEEN 100 /* others may speak of the same word */

static const struct part {
	const char *labels, *failed, *recovered, *text;
} parts[STREAM_PARTS] = {
	[STREAM_APPENDS] = {"part=\"append\"", "append_failed", "append_recovered",
			    "the stream takes records again"},
	[STREAM_SEALS] = {"part=\"seal\"", "seal_failed", "seal_recovered",
			  "segments are sealed again"},
	[STREAM_DELIVERY] = {"part=\"delivery\"", "delivery_failed", "delivery_recovered",
			     "deliveries succeed again"},
};

void stream_failed(struct telemetry *t, const char *run, enum stream_part which,
		   const struct err *why, bool tell)
{
	const struct part *part = &parts[which];
	telemetry_gauge(t, FAILING, part->labels, 1);
	telemetry_count(t, ERRORS, part->labels, 1);
	if (tell)
		telemetry_failure(t, LOG_LEVEL_ERROR, run, part->failed, NULL, why);
}

void stream_works(struct telemetry *t, const char *run, enum stream_part which, bool tell)
{
	const struct part *part = &parts[which];
	telemetry_gauge(t, FAILING, part->labels, 0);
	if (tell)
		telemetry_log(t, LOG_LEVEL_INFO, run, part->recovered, part->text, NULL, 0);
}

static void note_event(const struct log_event *event, struct arena *arena,
		       struct stream_health *ret)
{
	AUTO_JSON json_t *fields = NULL;
	const char *text = event->fields ? event->fields : "";
	ret->error = event->text;
	ret->at_us = event->at_us;
	if (json_parse(text, strlen(text), &fields, NULL) == OK)
		ret->code = arena_strdup(arena, json_opt_str(fields, "error_code", ""));
}

static int last_event(struct telemetry *t, const char *name, struct arena *arena,
		      struct stream_health *ret, struct err *e)
{
	struct log_event *events;
	size_t n;
	const struct log_query q = {.least = LOG_LEVEL_ERROR, .max = EVENTS_SEEN, .text = name};
	int rc = telemetry_logs(t, &q, arena, &events, &n, e);
	for (size_t i = 0; rc == OK && i < n; i++)
		if (strcmp(events[i].event, name) == 0 && events[i].at_us >= ret->at_us)
			note_event(&events[i], arena, ret);
	return rc;
}

static int part_of(const char *labels)
{
	for (int i = 0; i < STREAM_PARTS; i++)
		if (labels && strcmp(parts[i].labels, labels) == 0)
			return i;
	return -1;
}

int stream_health(struct telemetry *t, struct arena *arena, struct stream_health *ret,
		  struct err *e)
{
	struct metric *metrics;
	size_t n;
	*ret = (struct stream_health){0};
	if (!t)
		return OK;
	int rc = telemetry_metrics(t, arena, &metrics, &n, e);
	for (size_t i = 0; rc == OK && i < n; i++) {
		int which = part_of(metrics[i].labels);
		if (which >= 0 && strcmp(metrics[i].name, FAILING) == 0)
			ret->failing[which] = metrics[i].value != 0;
		if (which >= 0 && strcmp(metrics[i].name, ERRORS) == 0)
			ret->errors += metrics[i].value;
	}
	for (int i = 0; rc == OK && ret->errors && i < STREAM_PARTS; i++)
		rc = last_event(t, parts[i].failed, arena, ret, e);
	return rc;
}
