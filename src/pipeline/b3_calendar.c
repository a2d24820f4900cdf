/* B3's trading calendar: the holidays' rules, the days that followed no rule, and the user's own.
 *
 * Bovespa, then BM&FBOVESPA, then B3, kept the banks' national holidays, São Paulo's own until 2021,
 * and closed on 24 December and on the last weekday of each year. Where published lists are known to
 * say otherwise it is told beside the rule. */
#include "b3_calendar.h"

#include <stdlib.h>

#include "mem.h"
#include "value.h"

enum feast {
	FIXED,        /* a day of a month */
	EASTER,       /* so many days after Easter Sunday */
	LAST_WEEKDAY, /* of the year */
};

#define EVER 9999

struct rule {
	const char *name;
	enum feast feast;
	int month, day; /* EASTER: day is the distance, negative before */
	int from, to;   /* years in which it held, both included */
	enum session_kind kind;
};

static const struct rule rules[] = {
	{"Confraternização Universal", FIXED, 1, 1, 0, EVER, SESSION_NONE},
	/* The city's own holiday. From 2022 on B3 trades on days that are holidays in São Paulo
	 * only: its notice for the calendar of 2022 says so, and there was a session on Tuesday
	 * 2022-01-25. */
	{"Aniversário de São Paulo", FIXED, 1, 25, 0, 2021, SESSION_NONE},
	{"Carnaval", EASTER, 0, -48, 0, EVER, SESSION_NONE},
	{"Carnaval", EASTER, 0, -47, 0, EVER, SESSION_NONE},
	/* Closed all day until 1996; since then trading begins at 13:00. */
	{"Quarta-feira de Cinzas", EASTER, 0, -46, 0, 1996, SESSION_NONE},
	{"Quarta-feira de Cinzas", EASTER, 0, -46, 1997, EVER, SESSION_HALF},
	{"Quinta-feira Santa", EASTER, 0, -3, 0, 1999, SESSION_NONE},
	{"Paixão de Cristo", EASTER, 0, -2, 0, EVER, SESSION_NONE},
	{"Tiradentes", FIXED, 4, 21, 0, EVER, SESSION_NONE},
	{"Dia do Trabalho", FIXED, 5, 1, 0, EVER, SESSION_NONE},
	{"Corpus Christi", EASTER, 0, 60, 0, EVER, SESSION_NONE},
	/* The state's holiday since its law 9.497 of March 1997 (lists that begin in 1998 miss that
	 * one day). Kept to 2021; 2020 is an exception below. In 2022 and 2023 it fell on a weekend,
	 * and Tuesday 2024-07-09 was a session. */
	{"Revolução Constitucionalista", FIXED, 7, 9, 1997, 2021, SESSION_NONE},
	{"Independência do Brasil", FIXED, 9, 7, 0, EVER, SESSION_NONE},
	{"Nossa Senhora Aparecida", FIXED, 10, 12, 0, EVER, SESSION_NONE},
	{"Finados", FIXED, 11, 2, 0, EVER, SESSION_NONE},
	{"Proclamação da República", FIXED, 11, 15, 0, EVER, SESSION_NONE},
	/* The city's holiday since its law 13.707 of January 2004: a Saturday and a Sunday first, so
	 * that Monday 2006-11-20 was the first closed day (a list that begins in 2007 misses it).
	 * With the city's other holidays it stopped counting in 2022: a Sunday then, and Monday
	 * 2023-11-20 was a session. National since law 14.759 of December 2023. */
	{"Consciência Negra", FIXED, 11, 20, 2004, 2021, SESSION_NONE},
	{"Consciência Negra", FIXED, 11, 20, 2024, EVER, SESSION_NONE},
	{"Véspera de Natal", FIXED, 12, 24, 0, EVER, SESSION_NONE},
	{"Natal", FIXED, 12, 25, 0, EVER, SESSION_NONE},
	/* 31 December, or the Friday before when that is a Saturday or a Sunday. Lists that move the
	 * closing for a Saturday only have one session too many in 2000, 2006, 2017 and 2023 (29
	 * December); lists that close on the 31st alone also in 2005, 2011, 2016 and 2022 (the
	 * 30th). 24 December does not move: on Friday the 23rd there is a session. */
	{"Último dia útil do ano", LAST_WEEKDAY, 12, 0, 0, EVER, SESSION_NONE},
};

struct exception {
	int year, month, day;
	enum session_kind kind;
	const char *name;
};

static const struct exception exceptions[] = {
	/* The new government's first days: three bank holidays before Plano Collor. */
	{1990, 3, 14, SESSION_NONE, "Feriado bancário do Plano Collor"},
	{1990, 3, 15, SESSION_NONE, "Feriado bancário do Plano Collor"},
	{1990, 3, 16, SESSION_NONE, "Feriado bancário do Plano Collor"},
	/* Elections were on 3 October, whatever day of the week, until the law of 1997 chose the
	 * first Sunday. */
	{1990, 10, 3, SESSION_NONE, "Eleições"},
	{1991, 2, 1, SESSION_NONE, "Feriado bancário do Plano Collor II"},
	/* The first day of the real. */
	{1994, 7, 1, SESSION_NONE, "Feriado bancário do Plano Real"},
	{1994, 10, 3, SESSION_NONE, "Eleições"},
	{1996, 10, 3, SESSION_NONE, "Eleições"},
	/* Opened as usual, fell 9.2% and was suspended before noon: a session, with a closing value.
	 * On 12 September trading went on, unlike in New York, whose closed days do not count. */
	{2001, 9, 11, SESSION_HALF, "Pregão suspenso (atentados de 11 de setembro)"},
	/* The World Cup's opening match in São Paulo; on the other days of matches B3 traded. */
	{2014, 6, 12, SESSION_NONE, "Abertura da Copa do Mundo em São Paulo"},
	/* The pandemic: São Paulo took the feasts of 2020 in advance (Corpus Christi and Consciência
	 * Negra on 20 and 21 May, 9 July on 25 May). The exchange traded on those days in May, and
	 * on 9 July and 20 November, which were no holidays any more; on Corpus Christi itself, 11
	 * June, it was closed, for the banks' calendar had not changed. In 2021 the city did so
	 * again (26 March to 1 April, with feasts of 2021 and 2022): the exchange traded, and closed
	 * on Corpus Christi and 9 July as ever. */
	{2020, 7, 9, SESSION_FULL, "Revolução Constitucionalista (antecipada para 25 de maio)"},
	{2020, 11, 20, SESSION_FULL, "Consciência Negra (antecipada para 21 de maio)"},
};

struct own_day {
	int32_t day;
	bool session;
};

struct b3_calendar {
	struct own_day *own; /* by day */
	size_t count, cap;
};

/* -- the rules --------------------------------------------------------------------------------- */

static bool is_weekend(int32_t day)
{
	/* 1970-01-01 was a Thursday. */
	int weekday = ((day + 4) % 7 + 7) % 7;
	return weekday == 0 || weekday == 6;
}

static int32_t day_of(int year, int month, int day)
{
	int32_t days = 0;
	bool exists = date_make(year, month, day, &days);
	(void)exists; /* every date asked for here does */
	return days;
}

/* Easter Sunday by the Gregorian computus (the form published by Meeus, Jones and Butcher). */
static int32_t easter(int year)
{
	int golden = year % 19, century = year / 100, of_century = year % 100;
	int leap_corrected = century - century / 4 - (century - (century + 8) / 25 + 1) / 3;
	int moon = (19 * golden + leap_corrected + 15) % 30;
	int weekday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - moon - of_century % 4) % 7;
	int late = (golden + 11 * moon + 22 * weekday) / 451;
	int from_march = moon + weekday - 7 * late + 114;
	return day_of(year, from_march / 31, from_march % 31 + 1);
}

static int32_t last_weekday(int year)
{
	int32_t day = day_of(year, 12, 31);
	while (is_weekend(day))
		day--;
	return day;
}

static bool falls_on(const struct rule *r, int year, int32_t day)
{
	if (year < r->from || year > r->to)
		return false;
	switch (r->feast) {
	case FIXED: return day_of(year, r->month, r->day) == day;
	case EASTER: return easter(year) + r->day == day;
	case LAST_WEEKDAY: return last_weekday(year) == day;
	}
	return false;
}

/* What rules and exceptions say; *ret_name is NULL for ordinary days. */
static enum session_kind by_rule(int32_t day, const char **ret_name)
{
	*ret_name = NULL;
	if (day < B3_CALENDAR_FIRST || day > B3_CALENDAR_LAST || is_weekend(day))
		return SESSION_NONE;
	for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
		const struct exception *x = &exceptions[i];
		if (day_of(x->year, x->month, x->day) == day) {
			*ret_name = x->name;
			return x->kind;
		}
	}
	int year, month, of_month;
	date_split(day, &year, &month, &of_month);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (falls_on(&rules[i], year, day)) {
			*ret_name = rules[i].name;
			return rules[i].kind;
		}
	return SESSION_FULL;
}

/* -- the user's days --------------------------------------------------------------------------- */

static const struct own_day *own_day(const struct b3_calendar *c, int32_t day)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->own[i].day == day)
			return &c->own[i];
	return NULL;
}

static int take(struct b3_calendar *c, const char *const *dates, bool session, struct err *e)
{
	for (; dates && *dates; dates++) {
		int32_t day;
		if (!date_parse_iso(slice_of(*dates), &day))
			return err_set(e, ERR_USAGE,
				       "calendar.%s has \"%s\", expected dates as YYYY-MM-DD",
				       session ? "add" : "remove", *dates);
		if (day < B3_CALENDAR_FIRST || day > B3_CALENDAR_LAST)
			return err_set(
				e, ERR_USAGE,
				"calendar.%s has %s: the calendar reaches from 1990-01-01 to 2199-12-31",
				session ? "add" : "remove", *dates);
		const struct own_day *before = own_day(c, day);
		if (before && before->session != session)
			return err_set(e, ERR_USAGE,
				       "%s stands in both calendar.add and calendar.remove",
				       *dates);
		if (!before)
			*PUSH(c->own, c->count, c->cap) = (struct own_day){day, session};
	}
	return OK;
}

int b3_calendar_new(const char *const *add, const char *const *remove, struct b3_calendar **ret,
		    struct err *e)
{
	struct b3_calendar *c = NEW(struct b3_calendar);
	int rc = take(c, add, true, e);
	if (rc == OK)
		rc = take(c, remove, false, e);
	if (rc) {
		b3_calendar_free(c);
		return rc;
	}
	*ret = c;
	return OK;
}

void b3_calendar_free(struct b3_calendar *c)
{
	if (!c)
		return;
	free(c->own);
	free(c);
}

/* -- questions --------------------------------------------------------------------------------- */

enum session_kind b3_calendar_kind(const struct b3_calendar *c, int32_t day)
{
	const char *name;
	const struct own_day *own = own_day(c, day);
	enum session_kind kind = by_rule(day, &name);
	if (!own)
		return kind;
	if (!own->session)
		return SESSION_NONE;
	/* Adding Ash Wednesday does not make it longer. */
	return kind == SESSION_HALF ? SESSION_HALF : SESSION_FULL;
}

bool b3_calendar_is_session(const struct b3_calendar *c, int32_t day)
{
	return b3_calendar_kind(c, day) != SESSION_NONE;
}

bool b3_calendar_previous(const struct b3_calendar *c, int32_t day, int32_t *ret)
{
	if (day > B3_CALENDAR_LAST)
		day = B3_CALENDAR_LAST;
	for (; day >= B3_CALENDAR_FIRST; day--)
		if (b3_calendar_is_session(c, day)) {
			*ret = day;
			return true;
		}
	return false;
}

const char *b3_calendar_reason(const struct b3_calendar *c, int32_t day)
{
	const char *name;
	const struct own_day *own = own_day(c, day);
	if (own)
		return own->session ? "calendar.add" : "calendar.remove";
	enum session_kind kind = by_rule(day, &name);
	(void)kind;
	return name;
}
