/* Cron expressions as sets of bits: parsing, and the next minute that is in all of them. */
#include "cron.h"

#include <stddef.h>

#include "str.h"
#include "value.h"

/* 29 February may be eight years away: 2096 to 2104. */
#define HORIZON_DAYS (366 * 9)

struct field {
	const char *name;
	int least, most;
	const char *words; /* three letters each, the first is `least` */
};

static const struct field fields[] = {
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day", 1, 31, ""},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"weekday", 0, 7, "sunmontuewedthufrisat"},
};

static int word_number(struct slice s, const struct field *f)
{
	for (int i = 0; s.n == 3 && f->words[i * 3]; i++) {
		int same = 0;
		for (int k = 0; k < 3; k++)
			same += (s.p[k] | 0x20) == f->words[i * 3 + k];
		if (same == 3)
			return f->least + i;
	}
	return -1;
}

static bool number(struct slice s, const struct field *f, int *ret)
{
	int64_t value = word_number(s, f);
	if (value < 0 && (s.n == 0 || s.n > 2 || s.p[0] == '-' || !int64_parse(s, &value)))
		return false;
	if (value < f->least || value > f->most)
		return false;
	*ret = (int)value;
	return true;
}

static bool has(struct slice s, char c)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == c)
			return true;
	return false;
}

/* "*", "5", "1-5", and each with "/2" behind it. */
static bool parse_item(struct slice item, const struct field *f, uint64_t *set)
{
	bool stepped = has(item, '/');
	struct slice step = item;
	struct slice range = slice_cut(&step, '/');
	int64_t every = 1;
	if (stepped && (!int64_parse(step, &every) || every < 1 || every > f->most))
		return false;
	int from = f->least, to = f->most;
	if (!slice_is(range, "*")) {
		bool ranged = has(range, '-');
		struct slice last = range;
		struct slice first = slice_cut(&last, '-');
		if (!number(first, f, &from))
			return false;
		if (!ranged)
			to = stepped ? f->most : from;
		else if (!number(last, f, &to) || to < from)
			return false;
	}
	for (int64_t i = from; i <= to; i += every)
		*set |= UINT64_C(1) << i;
	return true;
}

static int parse_field(struct slice text, const struct field *f, uint64_t *ret, struct err *e)
{
	struct slice rest = text;
	*ret = 0;
	bool more = true;
	while (more) {
		more = has(rest, ',');
		struct slice item = slice_cut(&rest, ',');
		if (!parse_item(item, f, ret))
			return err_set(
				e, ERR_USAGE,
				"the %s of the cron expression is \"%.*s\", expected numbers from %d to %d, as in 5 or 1-5 or 1,3 or */2",
				f->name, text.n < 80 ? (int)text.n : 80, text.p, f->least, f->most);
	}
	return OK;
}

static bool next_field(struct slice *rest, struct slice *ret)
{
	*rest = slice_trim(*rest);
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	*ret = (struct slice){rest->p, n};
	rest->p += n;
	rest->n -= n;
	return n > 0;
}

bool cron_on_day(const struct cron *c, int32_t day)
{
	int y, m, d;
	date_split(day, &y, &m, &d);
	if (!(c->months >> m & 1))
		return false;
	bool by_day = c->days >> d & 1;
	/* 1970-01-01 was a Thursday. */
	int weekday = (int)(((day + 4) % 7 + 7) % 7);
	bool by_weekday = c->weekdays >> weekday & 1;
	return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static bool any_day_at_all(const struct cron *c)
{
	int32_t first;
	if (!date_make(2000, 1, 1, &first))
		return false;
	for (int32_t day = first; day < first + HORIZON_DAYS; day++)
		if (cron_on_day(c, day))
			return true;
	return false;
}

int cron_parse(const char *text, struct cron *ret, struct err *e)
{
	enum { COUNT = sizeof(fields) / sizeof(fields[0]) };
	uint64_t sets[COUNT];
	bool any[COUNT];
	struct slice rest = slice_of(text), word;
	for (int i = 0; i < COUNT; i++) {
		if (!next_field(&rest, &word))
			return err_set(
				e, ERR_USAGE,
				"the cron expression \"%s\" has %d fields, expected 5: minute hour day month weekday",
				text, i);
		int rc = parse_field(word, &fields[i], &sets[i], e);
		if (rc)
			return rc;
		any[i] = word.p[0] == '*';
	}
	if (next_field(&rest, &word))
		return err_set(
			e, ERR_USAGE,
			"the cron expression \"%s\" has more than 5 fields: minute hour day month weekday",
			text);
	struct cron c = {.minutes = sets[0],
			 .hours = (uint32_t)sets[1],
			 .days = (uint32_t)sets[2],
			 .months = (uint32_t)sets[3],
			 /* 7 is Sunday, too. */
			 .weekdays = (uint32_t)((sets[4] | sets[4] >> 7) & 0x7f),
			 .any_day = any[2],
			 .any_weekday = any[4]};
	if (!any_day_at_all(&c))
		return err_set(e, ERR_USAGE,
			       "the cron expression \"%s\" names a day that no month has", text);
	*ret = c;
	return OK;
}

/* -1: none from that minute of the day on. */
static int minute_from(const struct cron *c, int from)
{
	for (int i = from; i < MINUTES_PER_DAY; i++)
		if (c->hours >> (i / 60) & 1 && c->minutes >> (i % 60) & 1)
			return i;
	return -1;
}

int64_t cron_next(const struct cron *c, int64_t after)
{
	int64_t start = after + 1;
	int64_t day = start / MINUTES_PER_DAY - (start % MINUTES_PER_DAY < 0);
	int from = (int)(start - day * MINUTES_PER_DAY);
	for (int32_t i = 0; i < HORIZON_DAYS; i++, day++, from = 0) {
		int minute = cron_on_day(c, (int32_t)day) ? minute_from(c, from) : -1;
		if (minute >= 0)
			return day * MINUTES_PER_DAY + minute;
	}
	return INT64_MAX; /* cron_parse lets no such expression through */
}

int cron_only_minute(const struct cron *c)
{
	int first = minute_from(c, 0);
	return minute_from(c, first + 1) < 0 ? first : -1;
}
