/* The function that scrapes: EventBridge's rule fires every few minutes on the evening of a weekday; on a day of B3's
 * calendar each index is asked for until its session is there, and not again. The lake is a bucket, and S3 tells the
 * next function of what came. */
#include <string.h>

#include "b3_calendar.h"
#include "json.h"
#include "lambda.h"
#include "path.h"
#include "scrape.h"

struct state {
	struct system *system;
	const struct conf *conf;
	struct http *http;
	struct b3_calendar *calendar;
};

static int open_bovespa(struct system *system, const struct conf *conf, const char *definitions,
			struct arena *arena, void **ret_state, struct err *e)
{
	struct state *s = ANEW(arena, struct state);
	*s = (struct state){.system = system, .conf = conf};
	*ret_state = s;
	int rc = http_curl_new(&s->http, e);
	if (rc == OK)
		rc = b3_calendar_new(conf_list(conf, "calendar", "add"),
				     conf_list(conf, "calendar", "remove"), &s->calendar, e);
	return rc;
}

static void close_bovespa(void *state)
{
	struct state *s = state;
	b3_calendar_free(s->calendar);
	http_free(s->http);
}

/* EventBridge says when its rule fired; who calls by hand means now. */
static int day_of(const struct state *s, const struct lambda_event *event, int32_t *ret,
		  struct err *e)
{
	AUTO_JSON json_t *root = NULL;
	int64_t us = clock_now_us(system_clock(s->system));
	int rc = json_parse(event->body.n ? event->body.p : "", event->body.n, &root, e);
	if (rc)
		return rc;
	const json_t *time = json_object_get(root, "time");
	if (time && (!json_is_string(time) || time_parse_utc(json_string_value(time), &us) != OK))
		return err_set(e, ERR_INPUT,
			       "the event's time: expected a time in UTC, as 2024-07-15T22:00:00Z");
	return time_date_in_sao_paulo(us, ret, e);
}

static int is_there(const struct state *s, int32_t day, const char *index, bool *ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	char date[DATE_TEXT_SIZE];
	const char *values[] = {date_format(day, date), index}, *scope;
	struct table_def *table;
	struct catalog_scope found;
	struct catalog *catalog = system_catalog(s->system);
	int rc = catalog_table(catalog, "raw", "portfolio", arena, &table, e);
	if (rc == OK)
		rc = path_partition(arena, table, values, ARRAY_LEN(values), &scope, e);
	if (rc == OK)
		rc = catalog_scope(catalog, table, scope, arena, &found, e);
	*ret = rc == OK;
	return rc == ERR_NOT_FOUND ? OK : rc;
}

/* What came of it in a word, for the answer. B3 shows one session at a time. */
static const char *compare(const char *shown, int32_t day)
{
	int32_t session;
	if (!date_parse_iso(slice_of(shown), &session) || session == day)
		return "fetched";
	return session < day ? "not_published" : "gone";
}

static int take_index(const struct state *s, int32_t day, const char *index, struct pass *pass,
		      const char **ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const struct scrape with = {s->system, s->conf, s->http};
	struct extract_result result;
	bool there;
	int rc = is_there(s, day, index, &there, e);
	*ret = "there";
	if (rc || there)
		return rc;
	rc = scrape_index(&with, index, pass, arena, &result, e);
	*ret = rc ? "failed" : compare(result.values[0], day);
	return rc ? err_wrap(e, "the portfolio of %s", index) : OK;
}

static int scrape(void *state, const struct lambda_event *event, struct buf *answer, struct err *e)
{
	const struct state *s = state;
	const char *const *indices = conf_list(s->conf, "b3_portfolio", "indices");
	char date[DATE_TEXT_SIZE];
	struct pass pass;
	struct err first = ERR_INIT;
	int32_t day;
	int rc = day_of(s, event, &day, e);
	if (rc)
		return rc;
	AUTO_JSON json_t *words = json_object();
	bool session = b3_calendar_is_session(s->calendar, day);
	pass_begin(&pass, system_telemetry(s->system), system_clock(s->system), "fetch portfolio");
	for (; session && *indices; indices++) {
		const char *word;
		struct err why = ERR_INIT;
		if (take_index(s, day, *indices, &pass, &word, &why) != OK && !first.code)
			first = why;
		json_object_set_new(words, *indices, json_string(word));
	}
	pass_end(&pass, first.code, first.code ? &first : NULL);
	if (first.code) {
		*e = first;
		return first.code;
	}
	AUTO_JSON json_t *o = json_pack("{s:s, s:b, s:O}", "day", date_format(day, date), "session",
					session, "indices", words);
	json_canonical(o, answer);
	return OK;
}

const struct lambda_handler lambda_bovespa = {
	.name = "daily-bovespa",
	.summary = "fetches the portfolios of a session from B3 and writes them to raw",
	.mode = SYSTEM_WORK,
	.open = open_bovespa,
	.handle = scrape,
	.close = close_bovespa,
};
