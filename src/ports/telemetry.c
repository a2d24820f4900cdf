/* Telemetry: the calls into the driver, all of them safe without one, and the making of run ids.
 * Work that nobody watches is done just the same. */
#include "telemetry.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "str.h"
#include "value.h"

#define MS 1000LL
#define S  1000000LL
#define DURATIONS                                                                               \
	14,                                                                                     \
	{                                                                                       \
		1 * MS, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1 * S, \
			5 * S, 10 * S, 60 * S, 300 * S, 3600 * S                                \
	}
const struct histogram histograms[] = {
	{"pregao_delivery_seconds",
	 "the oldest record of a delivery, from its append to rows in the lake", 6, DURATIONS},
	{"pregao_raw_to_refined_seconds",
	 "what a job refines, from its commit to raw to refined rows that can be queried", 6,
	 DURATIONS},
	{"pregao_run_seconds", "passes and job runs that ended, by kind and state", 6, DURATIONS},
	{"pregao_step_seconds", "steps of passes, by name", 6, DURATIONS},
};
const size_t histograms_count = ARRAY_LEN(histograms);

const struct histogram *histogram_find(const char *name)
{
	for (size_t i = 0; i < histograms_count; i++)
		if (strcmp(histograms[i].name, name) == 0)
			return &histograms[i];
	return NULL;
}

void telemetry_log(struct telemetry *t, enum log_level level, const char *run, const char *event,
		   const char *text, const struct field *fields, size_t n)
{
	if (t)
		t->ops->log(t, level, run, event, text, fields, n);
}

void telemetry_failure(struct telemetry *t, enum log_level level, const char *run,
		       const char *event, const char *object, const struct err *why)
{
	struct field fields[3];
	size_t n = 0;
	if (!object && why->where[0])
		object = why->where;
	if (object)
		fields[n++] = FIELD_TEXT("object", object);
	fields[n++] = FIELD_TEXT("error_code", err_name(why->code));
	if (why->reason[0])
		fields[n++] = FIELD_TEXT("reason", why->reason);
	telemetry_log(t, level, run, event, why->text, fields, n);
}

void telemetry_run(struct telemetry *t, const struct run_record *run)
{
	if (!t)
		return;
	t->ops->run(t, run);
	if (!run->ended_us || !run->started_us)
		return;
	AUTO_BUF struct buf labels = {0};
	buf_printf(&labels, "kind=\"%s\",state=\"%s\"", run->kind ? run->kind : "",
		   run_state_name(run->state));
	telemetry_observe(t, "pregao_run_seconds", labels.data, run->ended_us - run->started_us);
}

void telemetry_step(struct telemetry *t, const char *run, const struct run_step *step)
{
	if (t)
		t->ops->step(t, run, step);
	if (t && step->name) {
		AUTO_BUF struct buf labels = {0};
		buf_printf(&labels, "step=\"%s\"", step->name);
		telemetry_observe(t, "pregao_step_seconds", labels.data, step->took_us);
	}
}

void telemetry_count(struct telemetry *t, const char *name, const char *labels, int64_t delta)
{
	if (t)
		t->ops->count(t, name, labels, delta);
}

void telemetry_gauge(struct telemetry *t, const char *name, const char *labels, int64_t value)
{
	if (t)
		t->ops->gauge(t, name, labels, value);
}

void telemetry_observe(struct telemetry *t, const char *name, const char *labels, int64_t value)
{
	const struct histogram *h = histogram_find(name);
	if (t && h)
		t->ops->observe(t, h, labels, value);
}

int telemetry_runs(struct telemetry *t, size_t max, struct arena *arena, struct run_record **ret,
		   size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	*ret = NULL;
	return t ? t->ops->runs(t, max, arena, ret, ret_count, e) : OK;
}

int telemetry_failed_runs(struct telemetry *t, int64_t since_us, struct arena *arena,
			  struct run_record **ret, size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	*ret = NULL;
	return t ? t->ops->failed_runs(t, since_us, arena, ret, ret_count, e) : OK;
}

int telemetry_run_get(struct telemetry *t, const char *id, struct arena *arena,
		      struct run_record *ret, struct run_step **ret_steps, size_t *ret_count,
		      struct err *e)
{
	if (!t)
		return err_set(e, ERR_NOT_FOUND, "there is no run \"%s\"", id);
	return t->ops->run_get(t, id, arena, ret, ret_steps, ret_count, e);
}

int telemetry_logs(struct telemetry *t, const struct log_query *query, struct arena *arena,
		   struct log_event **ret, size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	*ret = NULL;
	return t ? t->ops->logs(t, query, arena, ret, ret_count, e) : OK;
}

int telemetry_metrics(struct telemetry *t, struct arena *arena, struct metric **ret,
		      size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	*ret = NULL;
	return t ? t->ops->metrics(t, arena, ret, ret_count, e) : OK;
}

int telemetry_histograms(struct telemetry *t, struct arena *arena, struct histogram_counts **ret,
			 size_t *ret_count, struct err *e)
{
	*ret_count = 0;
	*ret = NULL;
	return t ? t->ops->histograms(t, arena, ret, ret_count, e) : OK;
}

const char *alarm_state_name(enum alarm_state state)
{
	static const char *const names[] = {
		[ALARM_UNKNOWN] = "unknown", [ALARM_OK] = "ok", [ALARM_ON] = "alarm"};
	return (size_t)state < ARRAY_LEN(names) ? names[state] : "unknown";
}

static int no_telemetry(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "nothing is recorded about this lake");
}

int telemetry_alarm_set(struct telemetry *t, const char *alarm, enum alarm_state state,
			const char *text, bool notify, bool *ret_changed, struct err *e)
{
	return t ? t->ops->alarm_set(t, alarm, state, text, notify, ret_changed, e)
		 : no_telemetry(e);
}

int telemetry_alarms(struct telemetry *t, struct arena *arena, struct alarm_record **ret,
		     size_t *ret_count, struct err *e)
{
	return t ? t->ops->alarms(t, arena, ret, ret_count, e) : no_telemetry(e);
}

int telemetry_alarm_history(struct telemetry *t, size_t max, struct arena *arena,
			    struct alarm_change **ret, size_t *ret_count, struct err *e)
{
	return t ? t->ops->alarm_history(t, max, arena, ret, ret_count, e) : no_telemetry(e);
}

int telemetry_alarm_claim(struct telemetry *t, struct arena *arena, struct alarm_change *ret,
			  struct err *e)
{
	return t ? t->ops->alarm_claim(t, arena, ret, e) : no_telemetry(e);
}

int telemetry_alarm_told(struct telemetry *t, int64_t id, int reached, bool all, struct err *e)
{
	return t ? t->ops->alarm_told(t, id, reached, all, e) : no_telemetry(e);
}

int telemetry_alarm_again(struct telemetry *t, struct err *e)
{
	return t ? t->ops->alarm_again(t, e) : no_telemetry(e);
}

void telemetry_free(struct telemetry *t)
{
	if (t)
		t->ops->free(t);
}

void run_id_make(int64_t now_us, char ret[RUN_ID_SIZE])
{
	int64_t seconds = now_us / 1000000, day = seconds / 86400, rest = seconds % 86400;
	if (now_us <
	    0) /* a clock that stands before 1970 is broken; an id is needed all the same */
		day = rest = 0;
	int year, month, of_month;
	date_split((int32_t)day, &year, &month, &of_month);
	uint32_t random = 0;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = (uint32_t)now_us * 2654435761U ^ (uint32_t)getpid();
	snprintf(ret, RUN_ID_SIZE, "%04d%02d%02dT%02d%02d%02d-%08x", year % 10000, month % 100,
		 of_month % 100, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60),
		 random);
}
