/* What is left to do when an hour or a day is over: an hour's many small files become one, a day's hours one compact
 * file. And what the trade ids of all hours together say is missing.
 *
 * The catalog's mark "bitcoin_settled" is a version behind which all that changed is settled, so that a round looks
 * only at what changed after it: today's hours, and late rows. */
#include "deliver_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "path.h"
#include "trade_ids.h"

#define SETTLED_MARK "bitcoin_settled"
#define SETTLE_US    INT64_C(300000000)
#define QUIET_US     INT64_C(60000000)
#define HOURS_A_DAY  24

/* An hour of a table that changed after the mark. */
struct changed {
	enum bitcoin_kind kind;
	int32_t day; /* since 1970 */
	int hour;
	int64_t version; /* its oldest change after the mark */
	bool open;       /* not yet over, or still being written to */
};
struct settling {
	const struct deliver *with;
	struct arena *arena;
	struct changed *list;
	size_t count, cap;
	bool nothing_waits; /* all of the stream is delivered */
	int64_t now_us;
	int64_t merged;
	struct err *err; /* of the listing */
	int code;
};

/* -- what changed ------------------------------------------------------------------------------ */

static int place_of(struct arena *arena, enum bitcoin_kind kind, const char *scope, int32_t *day,
		    int *hour, struct err *e)
{
	const char *values[TABLE_MAX_PARTITION];
	size_t n;
	int64_t number;
	int rc = path_values(arena, bitcoin_tables[kind], scope, values, &n, e);
	if (rc)
		return rc;
	if (n != 2 || !date_parse_iso(slice_of(values[0]), day) ||
	    !int64_parse(slice_of(values[1]), &number) || number < 0 || number >= HOURS_A_DAY)
		return err_set(e, ERR_BUG, "the partition %s is no hour of a day", scope);
	*hour = (int)number;
	return OK;
}

static int note_change(void *ctx, const struct table_def *table, const struct catalog_file *file,
		       const struct catalog_scope *scope)
{
	struct settling *s = ctx;
	int kind = bitcoin_kind_of_table(table), hour;
	int32_t day;
	if (kind < 0)
		return OK;
	s->code = place_of(s->arena, (enum bitcoin_kind)kind, scope->scope, &day, &hour, s->err);
	if (s->code)
		return s->code;
	for (size_t i = s->count; i-- > 0;) {
		struct changed *c = &s->list[i];
		if ((int)c->kind == kind && c->day == day && c->hour == hour) {
			c->version = file->version < c->version ? file->version : c->version;
			return OK;
		}
	}
	*PUSH(s->list, s->count, s->cap) =
		(struct changed){(enum bitcoin_kind)kind, day, hour, file->version, false};
	return OK;
}

static const char *scope_of(struct arena *arena, int32_t day, int hour)
{
	char date[DATE_TEXT_SIZE];
	return arena_printf(arena, "date=%s/hour=%d", date_format(day, date), hour);
}

/* -- what is over ------------------------------------------------------------------------------ */

static bool is_past(const struct settling *s, int32_t day, int hours)
{
	int64_t settle_us = s->with->settle_us ? s->with->settle_us : SETTLE_US;
	return s->now_us >= ((int64_t)day * HOURS_A_DAY + hours) * DELIVER_HOUR_US + settle_us;
}

/* An hour that is being replayed is long past, and yet more of it is to come. */
static bool is_quiet(const struct settling *s, const struct catalog_scope *scope)
{
	return s->nothing_waits || s->now_us - scope->changed_us >= QUIET_US;
}

static const char *name_of(struct arena *arena, const struct bitcoin_content *content)
{
	return arena_printf(arena, "%" PRId64 "-%" PRId64, content->first, content->last);
}

/* Is the hour over, and does it have more than one file? */
static int look_at(struct settling *s, struct changed *c, bool *ret_merge, struct err *e)
{
	struct catalog_scope scope;
	int rc = catalog_scope(s->with->publish.catalog, bitcoin_tables[c->kind],
			       scope_of(s->arena, c->day, c->hour), s->arena, &scope, e);
	*ret_merge = false;
	if (rc)
		return rc == ERR_NOT_FOUND ? OK : rc; /* gone meanwhile */
	c->open = !is_past(s, c->day, c->hour + 1) || !is_quiet(s, &scope);
	*ret_merge = !c->open && scope.files > 1;
	return OK;
}

/* -- hours ------------------------------------------------------------------------------------- */

/* The name is made under the lock: until then the scope may get another file. */
static int make_merge(struct settling *s, enum bitcoin_kind kind, const char *path,
		      struct publish_merge *ret, struct err *e)
{
	struct catalog_scope scope;
	struct bitcoin_content content;
	AUTO_JSON json_t *properties = NULL;
	int rc = catalog_scope(s->with->publish.catalog, bitcoin_tables[kind], path, s->arena,
			       &scope, e);
	if (rc == OK)
		rc = deliver_properties(&scope, &properties, &content, e);
	if (rc == OK)
		*ret = (struct publish_merge){path, name_of(s->arena, &content)};
	return rc;
}

static int merge_hours(struct settling *s, enum bitcoin_kind kind, const char *const *scopes,
		       size_t n, struct err *e)
{
	struct publish_merge *merges = ANEW_ARRAY(s->arena, n, struct publish_merge);
	struct publish_session *session;
	if (n == 0)
		return OK;
	int rc = publish_begin(&s->with->publish, &bitcoin_tables[kind], 1, &session, e);
	if (rc)
		return rc;
	for (size_t i = 0; rc == OK && i < n; i++)
		rc = make_merge(s, kind, scopes[i], &merges[i], e);
	int64_t merged = 0;
	if (rc == OK)
		rc = publish_merge_scopes(session, bitcoin_tables[kind], merges, n, &merged, e);
	s->merged += merged;
	publish_end(session);
	return rc;
}

static int settle_hours(struct settling *s, enum bitcoin_kind kind, struct err *e)
{
	const char **scopes = ANEW_ARRAY(s->arena, s->count, const char *);
	size_t n = 0;
	int rc = OK;
	for (size_t i = 0; rc == OK && i < s->count; i++) {
		bool merge = false;
		if (s->list[i].kind == kind)
			rc = look_at(s, &s->list[i], &merge, e);
		if (merge)
			scopes[n++] = scope_of(s->arena, s->list[i].day, s->list[i].hour);
	}
	return rc ? rc : merge_hours(s, kind, scopes, n, e);
}

/* -- days -------------------------------------------------------------------------------------- */

static bool is_day_over(const struct settling *s, enum bitcoin_kind kind, int32_t day)
{
	bool over = is_past(s, day, HOURS_A_DAY);
	for (size_t i = 0; over && i < s->count; i++)
		over = !(s->list[i].kind == kind && s->list[i].day == day && s->list[i].open);
	return over;
}

static int compact_day(struct settling *s, struct publish_session *session, enum bitcoin_kind kind,
		       int32_t day, struct err *e)
{
	char date[DATE_TEXT_SIZE];
	const char *value = date_format(day, date), *scopes[HOURS_A_DAY];
	const struct filter_term term = {"date", FILTER_IN, &value, 1};
	const struct filter filter = {&term, 1};
	struct catalog_scope *hours;
	struct bitcoin_content all = {0};
	size_t n;
	int64_t merged = 0;
	int rc = catalog_scopes(s->with->publish.catalog, bitcoin_tables[kind], &filter, 1,
				s->arena, &hours, &n, e);
	if (rc == OK && n > HOURS_A_DAY)
		rc = err_set(e, ERR_BUG, "the day %s has %zu hours", value, n);
	for (size_t i = 0; rc == OK && i < n; i++) {
		struct bitcoin_content content;
		AUTO_JSON json_t *properties = NULL;
		rc = deliver_properties(&hours[i], &properties, &content, e);
		if (rc)
			break;
		scopes[i] = hours[i].scope;
		bitcoin_content_add(&all, content.rows, content.first, content.last);
	}
	if (rc == OK && n)
		rc = publish_compact_scopes(session, bitcoin_tables[kind], scopes, n,
					    name_of(s->arena, &all), &merged, e);
	s->merged += rc == OK ? merged : 0;
	return rc;
}

static int by_day(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static int settle_days(struct settling *s, enum bitcoin_kind kind, struct err *e)
{
	struct publish_session *session = NULL;
	int32_t *days = ANEW_ARRAY(s->arena, s->count, int32_t);
	size_t n = 0;
	int rc = OK;
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].kind == kind && is_day_over(s, kind, s->list[i].day))
			days[n++] = s->list[i].day;
	qsort(days, n, sizeof(*days), by_day);
	for (size_t i = 0; rc == OK && i < n; i++) {
		if (i && days[i] == days[i - 1])
			continue;
		if (!session)
			rc = publish_begin(&s->with->publish, &bitcoin_tables[kind], 1, &session,
					   e);
		if (rc == OK)
			rc = compact_day(s, session, kind, days[i], e);
	}
	publish_end(session);
	return rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

/* Behind everything that was seen, but for what is not over yet. */
static int64_t settled_until(const struct settling *s, int64_t seen)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct changed *c = &s->list[i];
		if (!is_day_over(s, c->kind, c->day) && c->version - 1 < seen)
			seen = c->version - 1;
	}
	return seen;
}

static int settle(struct settling *s, struct err *e)
{
	struct catalog *catalog = s->with->publish.catalog;
	struct stream_status status;
	int64_t since, seen, mark;
	int rc = catalog_mark_get(catalog, SETTLED_MARK, &since, e);
	if (rc == OK)
		rc = catalog_changes(catalog, since, note_change, s, &seen, e);
	/* Whether all is delivered is asked after the listing: what comes in between has a version
	 * of its own. */
	if (rc == OK)
		rc = delivery_stream_status(s->with->stream, &status, e);
	if (rc == OK)
		rc = catalog_mark_get(catalog, DELIVER_MARK, &mark, e);
	if (rc)
		return rc;
	s->nothing_waits = status.last_seq <= mark;
	for (int kind = 0; rc == OK && kind < BITCOIN_KINDS; kind++) {
		rc = settle_hours(s, (enum bitcoin_kind)kind, e);
		if (rc == OK)
			rc = settle_days(s, (enum bitcoin_kind)kind, e);
	}
	int64_t until = rc == OK ? settled_until(s, seen) : since;
	return rc == OK && until > since ? catalog_mark_set(catalog, SETTLED_MARK, until, e) : rc;
}

int deliver_settle(const struct deliver *with, struct deliver_result *ret, struct err *e)
{
	struct settling s = {
		.with = with, .arena = arena_new(), .now_us = clock_now_us(with->clock), .err = e};
	int rc = settle(&s, e);
	ret->merged += s.merged;
	free(s.list);
	arena_free(s.arena);
	return rc;
}
