/* Values of the configuration by type: numbers, sizes with units, durations, lists, choices. */
#include "conf_value.h"

#include <stdlib.h>
#include <string.h>

#include "cron.h"
#include "mem.h"
#include "value.h"

static bool bytes_parse(struct slice s, int64_t *ret)
{
	static const struct {
		const char *name;
		int64_t bytes;
	} units[] = {
		{"", 1},
		{"B", 1},
		{"KiB", INT64_C(1) << 10},
		{"MiB", INT64_C(1) << 20},
		{"GiB", INT64_C(1) << 30},
		{"TiB", INT64_C(1) << 40},
		{"kB", INT64_C(1000)},
		{"MB", INT64_C(1000000)},
		{"GB", INT64_C(1000000000)},
		{"TB", INT64_C(1000000000000)},
	};
	size_t digits = 0;
	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	int64_t number;
	if (!int64_parse((struct slice){s.p, digits}, &number))
		return false;
	struct slice unit = slice_trim((struct slice){s.p + digits, s.n - digits});
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (slice_is(unit, units[i].name))
			return !__builtin_mul_overflow(number, units[i].bytes, ret);
	return false;
}

static bool is_choice(struct slice s, const char *choices)
{
	struct slice rest = slice_of(choices);
	while (rest.n)
		if (slice_eq(slice_cut(&rest, '|'), s))
			return s.n > 0;
	return false;
}

static void split_list(struct conf_value *v)
{
	size_t count = 0, cap = 0;
	v->list_text = mem_strdup(v->text);
	char *at = v->list_text;
	for (;;) {
		at += strspn(at, ", \t");
		if (!*at)
			break;
		*PUSH(v->list, count, cap) = at;
		at += strcspn(at, ", \t");
		if (*at)
			*at++ = 0;
	}
	*PUSH(v->list, count, cap) = NULL;
}

static int check_dates(struct conf_value *v, const struct conf_option *o, struct err *e)
{
	int32_t day;
	split_list(v);
	for (const char **item = v->list; *item; item++)
		if (!date_parse_iso(slice_of(*item), &day))
			return err_set(e, ERR_USAGE,
				       "%s has \"%.80s\", expected dates as YYYY-MM-DD", o->key,
				       *item);
	return OK;
}

static bool number_parse(enum conf_type type, struct slice s, int64_t *ret)
{
	return type == CONF_INT     ? int64_parse(s, ret)
	       : type == CONF_BYTES ? bytes_parse(s, ret)
				    : duration_parse(s, ret);
}

/* "1s..1d" */
static bool in_range(const struct conf_option *o, int64_t number)
{
	if (!o->allowed)
		return true;
	const char *dots = strstr(o->allowed, "..");
	int64_t least, most;
	return dots &&
	       number_parse(o->type, (struct slice){o->allowed, (size_t)(dots - o->allowed)},
			    &least) &&
	       number_parse(o->type, slice_of(dots + 2), &most) && number >= least &&
	       number <= most;
}

static int check_number(struct conf_value *v, const struct conf_option *o, struct slice s,
			int shown, struct err *e)
{
	if (!number_parse(o->type, s, &v->number))
		return o->type == CONF_INT
			       ? err_set(e, ERR_USAGE, "%s is \"%.*s\", expected a whole number",
					 o->key, shown, s.p)
		       : o->type == CONF_BYTES
			       ? err_set(e, ERR_USAGE,
					 "%s is \"%.*s\", expected a size such as 64MiB or 4096",
					 o->key, shown, s.p)
			       : err_set(e, ERR_USAGE,
					 "%s is \"%.*s\", expected a duration such as 250ms, 60s, 5m, 2h or 1d",
					 o->key, shown, s.p);
	if (!in_range(o, v->number))
		return err_set(e, ERR_USAGE, "%s is \"%.*s\", expected %s", o->key, shown, s.p,
			       o->allowed);
	return OK;
}

static int check_list(struct conf_value *v, const struct conf_option *o, struct err *e)
{
	split_list(v);
	for (const char **item = v->list; o->allowed && *item; item++)
		if (!is_choice(slice_of(*item), o->allowed))
			return err_set(e, ERR_USAGE, "%s has \"%.80s\", expected some of %s",
				       o->key, *item, o->allowed);
	return OK;
}

static int check(struct conf_value *v, const struct conf_option *o, struct slice s, struct err *e)
{
	/* A wrong value is shown, but not a page of it. */
	int shown = s.n < 80 ? (int)s.n : 80;
	if (!str_is_utf8(s.p, s.n))
		return err_set(e, ERR_USAGE, "the value of %s is not UTF-8 text", o->key);
	switch (o->type) {
	case CONF_INT:
	case CONF_BYTES:
	case CONF_DURATION: return check_number(v, o, s, shown, e);
	case CONF_CHOICE:
		if (!is_choice(s, o->allowed))
			return err_set(e, ERR_USAGE, "%s is \"%.*s\", expected one of %s", o->key,
				       shown, s.p, o->allowed);
		return OK;
	case CONF_LIST: return check_list(v, o, e);
	case CONF_DATES: return check_dates(v, o, e);
	case CONF_CRON: return s.n ? cron_parse(v->text, &(struct cron){0}, e) : OK;
	case CONF_TEXT: return OK;
	}
	return err_set(e, ERR_BUG, "the option %s has no type", o->key);
}

int conf_value_set(struct conf_value *v, const struct conf_option *o, const char *text,
		   const char *origin, struct err *e)
{
	struct slice s = slice_of(text);
	/* Sizes and the like may stand between blanks; in a text they may be meant. */
	if (o->type != CONF_TEXT)
		s = slice_trim(s);
	v->text = mem_strndup(s.p, s.n);
	int rc = check(v, o, s, e);
	if (rc < 0)
		conf_value_clear(v);
	else
		v->origin = mem_strdup(origin);
	return rc;
}

void conf_value_clear(struct conf_value *v)
{
	free(v->text);
	free(v->list);
	free(v->list_text);
	free(v->origin);
	*v = (struct conf_value){0};
}
