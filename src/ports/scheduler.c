/* Port: scheduler. Checks and messages that every driver shares; the calls go on to the driver. */
#include "scheduler.h"

#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "value.h"

#define SOURCE "pregao.scheduler"
/* longer than any schedule needs, short enough that no sum of times overflows */
#define LONGEST_US INT64_C(31622400000000) /* 366 days */

static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
	return n > 0 && n <= SCHEDULE_NAME_MAX && !name[n];
}

int schedule_check(const struct schedule *s, struct err *e)
{
	if (!name_ok(s->name))
		return err_set(
			e, ERR_USAGE,
			"\"%s\" is no name for a schedule, expected 1 to %d of a to z, 0 to 9, - and _",
			s->name, SCHEDULE_NAME_MAX);
	if (!s->task[0])
		return err_set(e, ERR_USAGE, "schedule %s has no task", s->name);
	if (s->sessions && cron_only_minute(&s->cron) < 0)
		return err_set(
			e, ERR_USAGE,
			"schedule %s is of sessions, so its cron expression may have one time of the day only",
			s->name);
	const int64_t times[] = {s->catch_up_us, s->jitter_us, s->retry_us, s->deadline_us,
				 s->answer_us};
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (times[i] < 0 || times[i] > LONGEST_US)
			return err_set(e, ERR_USAGE,
				       "schedule %s has a time that is longer than 366 days",
				       s->name);
	if (s->retry_us && s->deadline_us < s->retry_us)
		return err_set(
			e, ERR_USAGE,
			"schedule %s has a retry but a deadline that comes before the first one",
			s->name);
	if (!s->answer_us)
		return err_set(e, ERR_USAGE, "schedule %s gives no time for an answer", s->name);
	return OK;
}

const char *slot_state_name(enum slot_state state)
{
	static const char *const names[] = {"waiting", "sent", "done", "given_up", "missed"};
	return names[state];
}

/* -- messages ---------------------------------------------------------------------------------- */

static void add_json(struct buf *out, const char *text)
{
	buf_json_str(out, text, strlen(text));
}

void schedule_message_write(const struct schedule_message *m, struct buf *out)
{
	char time[TIME_TEXT_SIZE], session[DATE_TEXT_SIZE + 2] = "null";
	time_format_utc(m->planned_us, time);
	if (m->has_session) {
		session[0] = '"';
		date_format(m->session, session + 1);
		memcpy(session + strlen(session), "\"", 2);
	}
	buf_printf(out, "{\"version\":\"0\",\"id\":\"%s/%s/%d\",\"source\":\"" SOURCE "\",",
		   m->schedule, m->slot, m->attempt);
	buf_str(out, "\"detail-type\":");
	add_json(out, m->task);
	/* EventBridge's times have whole seconds; so have slots. */
	buf_printf(out,
		   ",\"time\":\"%.19sZ\",\"detail\":{\"schedule\":\"%s\",\"slot\":\"%s\","
		   "\"session\":%s,\"attempt\":%d}}",
		   time, m->schedule, m->slot, session, m->attempt);
}

static int parse_time(const char *text, int64_t *ret, struct err *e)
{
	AUTO_BUF struct buf full = {0};
	size_t n = strlen(text);
	if (n == strlen("0000-00-00T00:00:00Z"))
		buf_printf(&full, "%.*s.000000Z", (int)n - 1, text);
	if (!full.len || time_parse_utc(full.data, ret) != OK)
		return err_set(
			e, ERR_INPUT,
			"the message's time is \"%.40s\", expected one as 2026-07-15T22:00:00Z",
			text);
	return OK;
}

static int parse_object(const json_t *root, struct arena *arena, struct schedule_message *ret,
			struct err *e)
{
	const char *source, *task, *time, *schedule, *slot;
	json_t *detail;
	int64_t attempt;
	int rc = json_get_str(root, "source", &source, e);
	if (rc == OK && strcmp(source, SOURCE) != 0)
		rc = err_set(e, ERR_INPUT, "the message comes from \"%.80s\", expected %s", source,
			     SOURCE);
	if (rc == OK)
		rc = json_get_str(root, "detail-type", &task, e);
	if (rc == OK)
		rc = json_get_str(root, "time", &time, e);
	if (rc == OK)
		rc = json_get_object(root, "detail", &detail, e);
	if (rc == OK)
		rc = json_get_str(detail, "schedule", &schedule, e);
	if (rc == OK)
		rc = json_get_str(detail, "slot", &slot, e);
	if (rc == OK)
		rc = json_get_int(detail, "attempt", &attempt, e);
	struct schedule_message m = {0};
	if (rc == OK)
		rc = parse_time(time, &m.planned_us, e);
	if (rc)
		return rc;
	const char *session = json_opt_str(detail, "session", NULL);
	m.has_session = session != NULL;
	if (session && !date_parse_iso(slice_of(session), &m.session))
		return err_set(e, ERR_INPUT,
			       "the message's session is \"%.40s\", expected a date as YYYY-MM-DD",
			       session);
	if (!name_ok(schedule) || strlen(slot) >= SLOT_TEXT_SIZE || attempt < 1 ||
	    attempt > INT32_MAX)
		return err_set(e, ERR_INPUT,
			       "the message's schedule, slot or attempt is none of ours");
	m.task = arena_strdup(arena, task);
	m.schedule = arena_strdup(arena, schedule);
	m.slot = arena_strdup(arena, slot);
	m.attempt = (int)attempt;
	*ret = m;
	return OK;
}

int schedule_message_parse(const char *body, struct arena *arena, struct schedule_message *ret,
			   struct err *e)
{
	AUTO_JSON json_t *root = NULL;
	int rc = json_parse(body, strlen(body), &root, e);
	return rc ? rc : parse_object(root, arena, ret, e);
}

/* -- calls ------------------------------------------------------------------------------------- */

int scheduler_tick(struct scheduler *s, struct schedule_tick *ret, struct err *e)
{
	return s->ops->tick(s, ret, e);
}

int scheduler_claim(struct scheduler *s, const struct schedule_message *m, int64_t lease_us,
		    struct err *e)
{
	return s->ops->claim(s, m, lease_us, e);
}

int scheduler_report(struct scheduler *s, const struct schedule_message *m,
		     enum schedule_outcome outcome, const char *why, struct err *e)
{
	return s->ops->report(s, m, outcome, why, e);
}

int scheduler_run(struct scheduler *s, const char *schedule, const int32_t *session,
		  struct schedule_slot *ret, struct err *e)
{
	return s->ops->run(s, schedule, session, ret, e);
}

int scheduler_next(struct scheduler *s, const char *schedule, size_t max, struct schedule_slot *ret,
		   size_t *ret_count, struct err *e)
{
	return s->ops->next(s, schedule, max, ret, ret_count, e);
}

int scheduler_slots(struct scheduler *s, const char *schedule, size_t max, struct arena *arena,
		    struct schedule_slot *ret, size_t *ret_count, struct err *e)
{
	return s->ops->slots(s, schedule, max, arena, ret, ret_count, e);
}

void scheduler_free(struct scheduler *s)
{
	if (s)
		s->ops->free(s);
}
