/* Expected sessions against those that the catalog has. */
#include "freshness.h"

#include <string.h>

#include "path.h"
#include "schedules.h"
#include "value.h"

#define SLOTS_MAX    400 /* enough to know whether a session came after the schedule's beginning */
#define INDEX_COLUMN "index_code"
#define END_OF_DAY   (24 * 60) /* when a session is due by a schedule of minutes */

struct look {
	const struct freshness *f;
	struct arena *arena;
	struct b3_calendar *calendar;
	struct table_def *table;
	size_t date_at, index_at;
	int minute;       /* of the day, when the schedule is due */
	int32_t first_at; /* the oldest session that the schedule is known to have seen */
	struct freshness_seen seen;
	size_t cap;
};

static int find_columns(const struct table_def *t, const char *dataset, size_t *ret_date,
			size_t *ret_index, struct err *e)
{
	size_t none = t->partition_count;
	*ret_date = *ret_index = none;
	for (size_t i = 0; i < t->scope_count; i++) {
		if (t->partition[i].type == COL_DATE)
			*ret_date = i;
		if (strcmp(t->partition[i].name, INDEX_COLUMN) == 0)
			*ret_index = i;
	}
	if (*ret_date == none || *ret_index == none)
		return err_set(e, ERR_USAGE, "%s is no table of sessions and indices", dataset);
	return OK;
}

static int find_table(struct look *l, struct err *e)
{
	const char *dot = strchr(l->f->dataset, '.');
	if (!dot)
		return err_set(e, ERR_USAGE, "`%s` is no table: expected a name such as %s",
			       l->f->dataset, "refined.portfolio");
	const char *database =
		arena_strndup(l->arena, l->f->dataset, (size_t)(dot - l->f->dataset));
	int rc = catalog_table(system_catalog(l->f->system), database, dot + 1, l->arena, &l->table,
			       e);
	if (rc == ERR_NOT_FOUND)
		return err_set(e, ERR_USAGE, "there is no table %s", l->f->dataset);
	if (rc)
		return rc;
	return find_columns(l->table, l->f->dataset, &l->date_at, &l->index_at, e);
}

int freshness_check(const char *dataset, const struct table_def *const *tables, size_t n,
		    struct err *e)
{
	const char *dot = strchr(dataset, '.');
	size_t date_at, index_at;
	for (size_t i = 0; dot && i < n; i++)
		if (strcmp(tables[i]->name, dot + 1) == 0 &&
		    slice_is((struct slice){dataset, (size_t)(dot - dataset)}, tables[i]->database))
			return find_columns(tables[i], dataset, &date_at, &index_at, e);
	return err_set(e, ERR_USAGE, "there is no table %s", dataset);
}

static int see_schedule(struct look *l, struct err *e)
{
	struct schedule *schedules;
	struct scheduler *scheduler;
	size_t count, known = 0;
	l->minute = -1;
	int rc = schedules_load(l->f->conf, l->arena, &schedules, &count, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++)
		if (strcmp(schedules[i].name, l->f->schedule) == 0)
			l->minute = schedules[i].sessions ? cron_only_minute(&schedules[i].cron)
							  : END_OF_DAY;
	if (l->minute < 0)
		return OK;
	struct schedule_slot *slots = ANEW_ARRAY(l->arena, SLOTS_MAX, struct schedule_slot);
	rc = system_scheduler(l->f->system, &scheduler, e);
	if (rc == OK)
		rc = scheduler_slots(scheduler, l->f->schedule, SLOTS_MAX, l->arena, slots, &known,
				     e);
	if (rc || !known)
		return rc;
	/* A session's slot is its date, a minute's begins with it. */
	struct slice day = slice_of(slots[known - 1].slot);
	day.n = day.n > 10 ? 10 : day.n;
	l->seen.scheduled = date_parse_iso(day, &l->first_at);
	if (known == SLOTS_MAX)
		l->first_at = B3_CALENDAR_FIRST;
	return OK;
}

/* The newest session whose time has come. */
static int see_due(struct look *l, struct err *e)
{
	int32_t day;
	int64_t planned_us;
	int rc = time_date_in_sao_paulo(l->f->now_us, &day, e);
	while (rc == OK) {
		if (!b3_calendar_previous(l->calendar, day, &day)) {
			l->seen.scheduled = false;
			return OK;
		}
		rc = time_from_sao_paulo(day, l->minute * 60, &planned_us, e);
		if (rc || planned_us + l->f->after_us <= l->f->now_us)
			break;
		day--;
	}
	l->seen.due = day;
	return rc;
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

/* The sessions of one index, ascending. */
static int sessions_of(struct look *l, const char *index, int32_t **ret, size_t *ret_count,
		       struct err *e)
{
	struct filter_term term = {.column = INDEX_COLUMN,
				   .op = FILTER_IN,
				   .values = (const char *const[]){index},
				   .value_count = 1};
	struct filter filter = {&term, 1};
	struct catalog_scope *scopes;
	size_t count, n = 0;
	int rc = catalog_scopes(system_catalog(l->f->system), l->table, &filter, 1, l->arena,
				&scopes, &count, e);
	if (rc)
		return rc;
	int32_t *days = ANEW_ARRAY(l->arena, count + 1, int32_t);
	for (size_t i = 0; i < count && rc == OK; i++) {
		const char *values[TABLE_MAX_PARTITION];
		size_t parts;
		rc = path_values(l->arena, l->table, scopes[i].scope, values, &parts, e);
		if (rc == OK && strcmp(values[l->index_at], index) == 0)
			n += date_parse_iso(slice_of(values[l->date_at]), &days[n]);
	}
	qsort(days, n, sizeof(*days), by_number);
	*ret = days;
	*ret_count = n;
	return rc;
}

static void miss(struct look *l, const char *index, int32_t day)
{
	struct missing_session *m = PUSH(l->seen.missing, l->seen.count, l->cap);
	*m = (struct missing_session){index, day, l->seen.scheduled && day == l->seen.due};
}

static int look_at_index(struct look *l, const char *index, bool latest_only, struct err *e)
{
	int32_t *there;
	size_t count;
	int rc = sessions_of(l, index, &there, &count, e);
	if (rc)
		return rc;
	bool owes = l->seen.owes;
	int32_t from = count ? there[0] : l->seen.due, to = count ? there[count - 1] : from - 1;
	if (owes && l->seen.due > to)
		to = l->seen.due;
	if (latest_only || (owes && !count)) {
		from = l->seen.due;
		to = owes ? l->seen.due : from - 1;
	}
	for (int32_t day = from; day <= to; day++)
		if (b3_calendar_is_session(l->calendar, day) &&
		    !bsearch(&day, there, count, sizeof(day), by_number))
			miss(l, index, day);
	return OK;
}

int freshness_look(const struct freshness *f, bool latest_only, struct arena *arena,
		   struct freshness_seen *ret, struct err *e)
{
	struct look l = {.f = f, .arena = arena};
	int rc = find_table(&l, e);
	if (rc == OK)
		rc = see_schedule(&l, e);
	if (rc == OK)
		rc = schedules_calendar(f->conf, &l.calendar, e);
	if (rc == OK && l.seen.scheduled)
		rc = see_due(&l, e);
	l.seen.owes = l.seen.scheduled && l.first_at <= l.seen.due;
	for (size_t i = 0; f->indices[i] && rc == OK; i++)
		rc = look_at_index(&l, f->indices[i], latest_only, e);
	b3_calendar_free(l.calendar);
	struct missing_session *kept = ANEW_ARRAY(arena, l.seen.count + 1, struct missing_session);
	if (l.seen.count)
		memcpy(kept, l.seen.missing, l.seen.count * sizeof(*kept));
	free(l.seen.missing);
	l.seen.missing = kept;
	if (rc == OK)
		*ret = l.seen;
	return rc;
}
