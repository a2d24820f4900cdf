/* Alarms: the table of kinds, and the judging. A new kind is one row and one function. */
#include "alarms.h"

#include <string.h>

#include "definitions.h"
#include "freshness.h"
#include "measures.h"
#include "options.h"
#include "schedules.h"
#include "tr.h"
#include "value.h"

#define FAMILY   "alarm.*"
#define HOUR     3600000000LL
#define MINUTE   60000000LL
#define TOLD_MAX 16 /* changes told in one call: the others wait for the next */

struct judge {
	struct system *system;
	const struct conf *conf;
	int64_t now_us;
	struct arena *arena;
};
struct alarm_kind {
	const char *name;
	const char *keys; /* of its section, those that not every kind has */
	int64_t after_us; /* when the configuration says 0 */
	int (*judge)(const struct judge *, const struct alarm *, struct alarm_seen *ret,
		     struct err *);
};

static void found(struct alarm_seen *ret, bool wrong, const char *text)
{
	ret->state = wrong ? ALARM_ON : ALARM_OK;
	ret->text = text;
}

static int freshness(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
		     struct err *e)
{
	struct freshness f = {j->system,  j->conf,     a->dataset, a->schedule,
			      a->indices, a->after_us, j->now_us};
	struct freshness_seen seen;
	char day[DATE_TEXT_SIZE];
	int rc = freshness_look(&f, true, j->arena, &seen, e);
	if (rc)
		return rc;
	if (!seen.scheduled)
		found(ret, false,
		      arena_printf(j->arena, tr("the schedule %s has not run on this lake"),
				   a->schedule));
	else if (!seen.owes)
		found(ret, false, tr("no session has come due since the schedule began"));
	else if (seen.count)
		found(ret, true,
		      arena_printf(j->arena, tr("%s has no session %s of %s"), a->dataset,
				   date_format(seen.due, day), seen.missing[0].index));
	else
		found(ret, false,
		      arena_printf(j->arena, tr("%s is there up to %s"), a->dataset,
				   date_format(seen.due, day)));
	return OK;
}

static int stream_lag(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
		      struct err *e)
{
	struct stream_lag lag;
	int rc = measure_stream(j->system, j->now_us, &lag, e);
	if (rc)
		return rc;
	found(ret, lag.failed || lag.age_us > a->after_us,
	      arena_printf(j->arena,
			   tr("%lld records wait for their delivery, the oldest for %lld s"),
			   (long long)lag.records, (long long)(lag.age_us / 1000000)));
	return OK;
}

static int dead_letters(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
			struct err *e)
{
	struct queue_measure queues[MEASURED_QUEUES_MAX];
	size_t count;
	int64_t dead = 0;
	int rc = measure_queues(j->system, queues, &count, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++)
		dead += queues[i].stats.dead;
	found(ret, dead > a->limit,
	      arena_printf(j->arena, tr("%lld dead letters"), (long long)dead));
	return OK;
}

static int quarantine(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
		      struct err *e)
{
	int64_t payloads;
	int rc = measure_quarantine(j->system, &payloads, e);
	if (rc == OK)
		found(ret, payloads > a->limit,
		      arena_printf(j->arena, tr("%lld payloads in quarantine"),
				   (long long)payloads));
	return rc;
}

static int disk_free(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
		     struct err *e)
{
	int64_t bytes;
	int rc = measure_disk(j->system, &bytes, e);
	if (rc == OK)
		found(ret, bytes < a->free_bytes,
		      arena_printf(j->arena, tr("%lld MiB are free"), (long long)(bytes >> 20)));
	return rc;
}

static int backup_age(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
		      struct err *e)
{
	struct backup_measure m;
	int rc = measure_backup(j->system, j->conf, j->arena, &m, e);
	if (rc)
		return rc;
	int64_t missing = m.status.live - m.status.copied;
	int64_t since = m.status.last_us ? m.status.last_us : m.first_us;
	found(ret, missing > 0 && j->now_us - since > a->after_us,
	      arena_printf(j->arena, tr("%lld of %lld objects have no copy"), (long long)missing,
			   (long long)m.status.live));
	return OK;
}

static int failed_runs(const struct judge *j, const struct alarm *a, struct alarm_seen *ret,
		       struct err *e)
{
	int64_t count;
	const char *last;
	int rc =
		measure_failed_runs(j->system, j->now_us - a->after_us, j->arena, &count, &last, e);
	if (rc == OK)
		found(ret, count > a->limit,
		      arena_printf(j->arena,
				   tr("%lld runs failed in the last %lld h, the last: %s"),
				   (long long)count, (long long)(a->after_us / HOUR),
				   last ? last : "-"));
	return rc;
}

static const struct alarm_kind kinds[] = {
	{"freshness", "dataset indices schedule after", 14 * HOUR, freshness},
	{"stream_lag", "after", 10 * MINUTE, stream_lag},
	{"dead_letters", "limit", 0, dead_letters},
	{"quarantine", "limit", 0, quarantine},
	{"disk_free", "free", 0, disk_free},
	{"backup_age", "after", 26 * HOUR, backup_age},
	{"failed_runs", "after limit", 24 * HOUR, failed_runs},
};
/* One of each kind. */
const char *const alarms_built_in[] = {"freshness", "stream_lag", "dead_letters", "quarantine",
				       "disk_free", "backup_age", "failed_runs",  NULL};
_Static_assert(ARRAY_LEN(alarms_built_in) == ARRAY_LEN(kinds) + 1, "one of each kind");
#define BUILT_IN ARRAY_LEN(kinds)

const char *alarm_kind_name(const struct alarm_kind *kind)
{
	return kind->name;
}

/* -- the configuration ------------------------------------------------------------------------- */

/* Where the file speaks of it, be it in another line. */
static const char *place_of(const struct conf *conf, const char *section)
{
	static const char *const keys[] = {"kind",  "enabled", "dataset", "indices",
					   "after", "limit",   "free",    "schedule"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(conf_origin(conf, section, keys[i]), "default") != 0)
			return conf_origin(conf, section, keys[i]);
	return "default";
}

static int find_kind(const struct conf *conf, const char *section, const char *name,
		     const struct alarm_kind **ret, struct err *e)
{
	const char *word = conf_text(conf, section, "kind");
	const char *wanted = *word ? word : name;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, wanted) == 0) {
			*ret = &kinds[i];
			return OK;
		}
	const char *near = str_nearest(wanted, alarms_built_in, BUILT_IN);
	int rc =
		near ? err_set(e, ERR_USAGE, "there is no kind of alarm `%s`; did you mean `%s`?",
			       wanted, near)
		     : err_set(e, ERR_USAGE,
			       "there is no kind of alarm `%s`; [%s] kind = one of freshness, stream_lag, dead_letters, quarantine, disk_free, backup_age, failed_runs",
			       wanted, section);
	return rc ? err_where(e, place_of(conf, section)) : rc;
}

/* As the template has it for every kind, or not there at all. */
static bool is_default(const struct conf *conf, const char *section, const char *key)
{
	for (size_t i = 0; i < settings_count; i++)
		if (strcmp(settings[i].section, FAMILY) == 0 && strcmp(settings[i].key, key) == 0)
			return strcmp(conf_shown(conf, section, key), settings[i].fallback) == 0;
	return false;
}

/* What would be read by nobody is a mistake. */
static int check_keys(const struct conf *conf, const char *section, const struct alarm_kind *kind,
		      struct err *e)
{
	static const char *const some[] = {"dataset", "indices", "schedule",
					   "after",   "limit",   "free"};
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		const char *origin = conf_origin(conf, section, some[i]);
		if (strstr(kind->keys, some[i]) || is_default(conf, section, some[i]))
			continue;
		err_set(e, ERR_USAGE,
			"`%s` says nothing to an alarm of the kind %s; that one has: %s", some[i],
			kind->name, kind->keys);
		return err_where(e, origin);
	}
	return OK;
}

static int check_schedule(const struct conf *conf, const char *section, const char *name,
			  struct err *e)
{
	const char *there;
	for (size_t i = 0; (there = schedules_built_in[i]); i++)
		if (strcmp(there, name) == 0)
			return OK;
	for (size_t i = 0; (there = conf_member(conf, "schedule.*", i)); i++)
		if (strcmp(there, name) == 0)
			return OK;
	err_set(e, ERR_USAGE, "there is no schedule `%s`; it would be [schedule.%s]", name, name);
	return err_where(e, conf_origin(conf, section, "schedule"));
}

static int load(const struct conf *conf, struct arena *arena, const char *name, struct alarm *ret,
		bool *ret_enabled, struct err *e)
{
	const char *section = arena_printf(arena, "alarm.%s", name);
	const char *const *indices = conf_list(conf, section, "indices");
	*ret_enabled = strcmp(conf_text(conf, section, "enabled"), "yes") == 0;
	*ret = (struct alarm){.name = arena_strdup(arena, name),
			      .dataset = conf_text(conf, section, "dataset"),
			      .schedule = conf_text(conf, section, "schedule"),
			      .indices = *indices ? indices
						  : conf_list(conf, "b3_portfolio", "indices"),
			      .after_us = conf_duration_us(conf, section, "after"),
			      .limit = conf_int(conf, section, "limit"),
			      .free_bytes = conf_int(conf, section, "free")};
	int rc = find_kind(conf, section, name, &ret->kind, e);
	if (rc == OK)
		rc = check_keys(conf, section, ret->kind, e);
	if (rc == OK)
		rc = check_schedule(conf, section, ret->schedule, e);
	if (rc == OK && !ret->after_us)
		ret->after_us = ret->kind->after_us;
	return rc;
}

int alarms_load(const struct conf *conf, struct arena *arena, struct alarm **ret, size_t *ret_count,
		struct err *e)
{
	size_t count = 0, members = 0;
	while (conf_member(conf, FAMILY, members))
		members++;
	struct alarm *list = ANEW_ARRAY(arena, BUILT_IN + members, struct alarm);
	int rc = alarm_notify_check(conf, e);
	for (size_t i = 0; i < BUILT_IN + members && rc == OK; i++) {
		bool own = i >= BUILT_IN, enabled;
		const char *name = own ? conf_member(conf, FAMILY, i - BUILT_IN)
				       : alarms_built_in[i];
		if (own && str_among(name, alarms_built_in, BUILT_IN))
			continue;
		rc = load(conf, arena, name, &list[count], &enabled, e);
		count += rc == OK && enabled;
	}
	if (rc)
		return rc;
	*ret = list;
	*ret_count = count;
	return OK;
}

int alarms_check(const struct conf *conf, const char *definitions, struct arena *arena,
		 struct err *e)
{
	struct alarm *alarms;
	const struct table_def *const *tables;
	size_t count, table_count = 0;
	int rc = alarms_load(conf, arena, &alarms, &count, e);
	if (rc == OK)
		rc = definitions_tables(definitions, arena, &tables, &table_count, e);
	for (size_t i = 0; i < count && rc == OK; i++) {
		const char *section = arena_printf(arena, "alarm.%s", alarms[i].name);
		if (alarms[i].kind->judge != freshness)
			continue;
		rc = freshness_check(alarms[i].dataset, tables, table_count, e);
		if (rc)
			err_where(e, conf_origin(conf, section, "dataset"));
	}
	return rc;
}

/* -- judging and telling ----------------------------------------------------------------------- */

int alarms_look(struct system *s, const struct conf *conf, int64_t now_us, struct arena *arena,
		struct alarm_seen **ret, size_t *ret_count, struct err *e)
{
	struct alarm *alarms;
	size_t count;
	int rc = alarms_load(conf, arena, &alarms, &count, e);
	if (rc)
		return rc;
	struct judge j = {s, conf, now_us, arena};
	*ret = ANEW_ARRAY(arena, count + 1, struct alarm_seen);
	for (size_t i = 0; i < count; i++) {
		struct err why = ERR_INIT;
		struct alarm_seen *seen = &(*ret)[i];
		*seen = (struct alarm_seen){.alarm = &alarms[i]};
		if (alarms[i].kind->judge(&j, &alarms[i], seen, &why) != OK)
			seen->text = arena_strdup(arena, why.text);
	}
	*ret_count = count;
	return OK;
}

static int write_down(struct telemetry *t, const struct alarm_seen *seen, bool notify,
		      struct err *e)
{
	bool changed;
	AUTO_BUF struct buf labels = {0};
	const char *name = seen->alarm->name;
	int rc = telemetry_alarm_set(t, name, seen->state, seen->text, notify, &changed, e);
	if (rc)
		return rc;
	buf_printf(&labels, "alarm=\"%s\"", name);
	telemetry_gauge(t, "pregao_alarm", labels.data, seen->state == ALARM_ON);
	if (changed)
		telemetry_log(t, seen->state == ALARM_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, NULL,
			      "alarm_changed", seen->text,
			      (struct field[]){FIELD_TEXT("object", name),
					       FIELD_TEXT("state", alarm_state_name(seen->state))},
			      2);
	return OK;
}

static int tell_changes(struct system *s, const struct conf *conf,
			const struct alarm_teller *teller, struct arena *arena, struct err *e)
{
	struct telemetry *t = system_telemetry(s);
	for (int i = 0; i < TOLD_MAX; i++) {
		if (teller && teller->stop && atomic_load(teller->stop))
			return OK;
		struct alarm_change change;
		struct err why = ERR_INIT;
		int reached = 0, rc = telemetry_alarm_claim(t, arena, &change, e);
		if (rc == OK) {
			int failed =
				alarm_notify(conf, system_lake(s), teller, &change, &reached, &why);
			if (failed)
				telemetry_failure(t, LOG_LEVEL_ERROR, NULL, "alarm_not_told",
						  change.alarm, &why);
			if (!failed || reached != change.reached)
				rc = telemetry_alarm_told(t, change.id, reached, !failed, e);
		}
		if (rc)
			return rc == ERR_NOT_FOUND ? OK : rc;
	}
	return OK;
}

int alarms_evaluate(struct system *s, const struct conf *conf, int64_t now_us,
		    const struct alarm_teller *teller, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct alarm_seen *seen;
	size_t count;
	bool notify = alarm_notify_wanted(conf);
	int rc = alarms_look(s, conf, now_us, arena, &seen, &count, e);
	if (!system_telemetry(s))
		return rc;
	for (size_t i = 0; rc == OK && i < count; i++)
		rc = write_down(system_telemetry(s), &seen[i], notify, e);
	return rc == OK && notify ? tell_changes(s, conf, teller, arena, e) : rc;
}
