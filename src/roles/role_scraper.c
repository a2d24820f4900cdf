/* The role that fetches: takes the scheduler's messages, brings each index's portfolio into landing and
 * raw, and reports what came of the session that was asked for. */
#include <string.h>

#include "http.h"
#include "pass.h"
#include "role_table.h"
#include "scrape.h"
#include "value.h"

#define IDLE_US INT64_C(250000)

struct scraper {
	struct role_context *role;
	struct queue *queue;
	struct scheduler *scheduler;
	struct http *http;
	int64_t visibility_us;
};

/* What came of one message, the worst of its indices. */
struct found {
	enum schedule_outcome outcome;
	struct err why;
};

static void worse(struct found *f, enum schedule_outcome outcome, const struct err *why)
{
	/* Trying again can mend a failure, and what is not published yet; what is gone stays gone. */
	static const int rank[] = {[SCHEDULE_DONE] = 0,
				   [SCHEDULE_GONE] = 1,
				   [SCHEDULE_NOT_PUBLISHED] = 2,
				   [SCHEDULE_FAILED] = 3};
	if (rank[outcome] <= rank[f->outcome])
		return;
	f->outcome = outcome;
	f->why = *why;
}

/* B3 shows one session at a time: an older one is not replaced yet, a newer one has replaced it. */
static void compare(struct found *f, const struct schedule_message *m, const char *index,
		    const char *session)
{
	struct err why = ERR_INIT;
	int32_t day;
	if (!m->has_session || !date_parse_iso(slice_of(session), &day) || day == m->session)
		return;
	if (day < m->session) {
		err_set(&why, ERR_NOT_FOUND, "%s: B3 still shows the session of %s", index,
			session);
		worse(f, SCHEDULE_NOT_PUBLISHED, &why);
	} else {
		err_set(&why, ERR_NOT_FOUND, "%s: B3 shows the session of %s by now", index,
			session);
		worse(f, SCHEDULE_GONE, &why);
	}
}

static void take_index(struct scraper *s, const struct schedule_message *m, struct pass *pass,
		       const char *index, struct found *f)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct extract_result result;
	struct err why = ERR_INIT;
	const struct scrape with = {s->role->system, s->role->settings->conf, s->http};
	int rc = scrape_index(&with, index, pass, arena, &result, &why);
	if (rc == OK) {
		compare(f, m, index, result.values[0]);
		return;
	}
	telemetry_failure(system_telemetry(s->role->system), LOG_LEVEL_ERROR, pass->record.id,
			  "source.failed", index, &why);
	worse(f, SCHEDULE_FAILED, &why);
}

static int work_on(struct scraper *s, const struct schedule_message *m, struct err *e)
{
	struct found f = {.outcome = SCHEDULE_DONE, .why = ERR_INIT};
	struct system *sys = s->role->system;
	struct pass pass;
	char text[1400];
	pass_begin(&pass, system_telemetry(sys), system_clock(sys), "fetch portfolio");
	for (const char *const *index = s->role->settings->indices; *index; index++) {
		if (atomic_load(s->role->stop)) {
			pass_end(&pass, err_set(e, ERR_RETRY, "stopped before %s", *index), e);
			return ERR_RETRY;
		}
		take_index(s, m, &pass, *index, &f);
	}
	bool failed = f.outcome == SCHEDULE_FAILED;
	pass_end(&pass, failed ? f.why.code : OK, failed ? &f.why : NULL);
	return scheduler_report(
		s->scheduler, m, f.outcome,
		f.outcome == SCHEDULE_DONE ? NULL : err_format(&f.why, text, sizeof(text)), e);
}

/* The message goes when it was reported, or when there is nothing to report on; else it comes again. */
static int take(struct scraper *s, const struct queue_message *got, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct schedule_message m;
	const char *receipt = got->receipt;
	int rc = schedule_message_parse(got->body, arena, &m, e);
	if (rc == ERR_INPUT)
		return queue_fail(s->queue, receipt, 0, e->text, e);
	if (rc == OK && strcmp(m.task, "fetch portfolio") != 0) {
		err_set(e, ERR_INPUT, "there is no task `%s`; there is: fetch portfolio", m.task);
		return queue_fail(s->queue, receipt, 0, e->text, e);
	}
	if (rc == OK)
		rc = scheduler_claim(s->scheduler, &m, s->visibility_us, e);
	if (rc == OK)
		rc = work_on(s, &m, e);
	if (rc == OK || rc == ERR_CONFLICT || rc == ERR_NOT_FOUND)
		return queue_remove(s->queue, &receipt, 1, e);
	return rc == ERR_RETRY ? OK : rc;
}

int role_scraper(struct role_context *c, struct err *e)
{
	struct scraper s = {.role = c,
			    .visibility_us =
				    conf_duration_us(c->settings->conf, "scheduler", "visibility")};
	int failures = 0;
	int rc = system_scheduled_queue(c->system, &s.queue, e);
	if (rc == OK)
		rc = system_scheduler(c->system, &s.scheduler, e);
	if (rc == OK)
		rc = http_curl_new(&s.http, e);
	while (rc == OK && !atomic_load(c->stop)) {
		AUTO_ARENA struct arena *arena = arena_new();
		struct queue_message got;
		struct err why = ERR_INIT;
		size_t n = 0;
		int code = queue_receive(s.queue, 1, s.visibility_us, arena, &got, &n, &why);
		if (code == OK && n)
			code = take(&s, &got, &why);
		if (code)
			role_failed(c, "scrape.failed", &why, &failures);
		else
			failures = 0;
		if (!code && !n)
			role_wait(c, IDLE_US);
	}
	return rc;
}
