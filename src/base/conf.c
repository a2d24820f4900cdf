/* The configuration: values by option, read from INI text by inih. inih counts lines only when
 * compiled to, and cuts long ones; so the reader it is given counts them, and refuses what would be
 * cut. */
#include "conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ini.h>

#include "conf_value.h"
#include "file.h"
#include "mem.h"
#include "tr.h"

#define FILE_CEILING_BYTES ((size_t)1 << 20)
#define NAMES_MAX          256

#define MEMBERS_MAX 1000 /* values of members of families, in all */

/* A value of one member of a family: [schedule.portfolio] cron. */
struct member_value {
	char *section;
	size_t option;
	struct conf_value value;
};

struct conf_values {
	struct conf_value *fixed; /* one per option; of a family's, the fallback */
	struct member_value *members;
	size_t count, cap;
};

struct conf {
	const struct conf_option *options;
	size_t count;
	struct conf_values values;
};

static _Noreturn void bug(const char *what, const char *section, const char *key)
{
	fprintf(stderr, "pregao: bug: option %s.%s %s\n", section, key, what);
	abort();
}

/* "schedule." of "schedule.*"; empty when the section is no family. */
static struct slice family_prefix(const char *section)
{
	struct slice s = slice_of(section);
	return slice_ends(s, ".*") ? (struct slice){s.p, s.n - 1} : (struct slice){NULL, 0};
}

static bool is_member(const char *family, const char *section)
{
	struct slice prefix = family_prefix(family);
	if (!prefix.n || strncmp(section, prefix.p, prefix.n) != 0)
		return false;
	const char *name = section + prefix.n;
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
	return n > 0 && n <= CONF_NAME_MAX && !name[n];
}

static bool is_of(const struct conf_option *o, const char *section)
{
	return strcmp(o->section, section) == 0 || is_member(o->section, section);
}

struct conf *conf_new(const struct conf_option *options, size_t count)
{
	struct conf *c = NEW(struct conf);
	c->options = options;
	c->count = count;
	c->values.fixed = NEW_ARRAY(count, struct conf_value);
	for (size_t i = 0; i < count; i++)
		if (conf_value_set(&c->values.fixed[i], &options[i], options[i].fallback, "default",
				   NULL) < 0)
			bug("has a default of the wrong type", options[i].section, options[i].key);
	return c;
}

static void clear_values(struct conf_values *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		conf_value_clear(&values->fixed[i]);
	for (size_t i = 0; i < values->count; i++) {
		conf_value_clear(&values->members[i].value);
		free(values->members[i].section);
	}
	free(values->fixed);
	free(values->members);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	clear_values(&c->values, c->count);
	free(c);
}

/* The nearest of the options' names that `only` lets through; NULL when none is near. */
static const char *nearest(const struct conf *c, const char *word, const char *only_section)
{
	const char *names[NAMES_MAX];
	size_t n = 0;
	for (size_t i = 0; i < c->count && n < NAMES_MAX; i++)
		if (!only_section)
			names[n++] = c->options[i].section;
		else if (is_of(&c->options[i], only_section))
			names[n++] = c->options[i].key;
	return str_nearest(word, names, n);
}

/* "schedule.*" for "schedule.Portfolio", which is no member; NULL for all others. */
static const char *meant_family(const struct conf *c, const char *section)
{
	for (size_t i = 0; i < c->count; i++) {
		struct slice prefix = family_prefix(c->options[i].section);
		if (prefix.n && strncmp(section, prefix.p, prefix.n) == 0 &&
		    !is_of(&c->options[i], section))
			return c->options[i].section;
	}
	return NULL;
}

static int unknown(const struct conf *c, const char *section, const char *key, struct err *e)
{
	const char *family = meant_family(c, section);
	if (family)
		return err_set(
			e, ERR_USAGE,
			"[%s] has no name as [%s] has to have one: 1 to %d of a to z, 0 to 9, - and _",
			section, family, CONF_NAME_MAX);
	bool section_known = false;
	for (size_t i = 0; i < c->count; i++) {
		section_known = section_known ||
				(is_of(&c->options[i], section) && !family_prefix(section).n);
		if (strcmp(c->options[i].key, key) == 0)
			return section[0]
				       ? err_set(e, ERR_USAGE,
						 "unknown option %s in [%s]; there is one in [%s]",
						 key, section, c->options[i].section)
				       : err_set(e, ERR_USAGE,
						 "the option %s stands before any section; it belongs in [%s]",
						 key, c->options[i].section);
	}
	const char *near =
		nearest(c, section_known ? key : section, section_known ? section : NULL);
	if (section_known)
		return near ? err_set(e, ERR_USAGE, "unknown option %s in [%s]; did you mean %s?",
				      key, section, near)
			    : err_set(e, ERR_USAGE, "unknown option %s in [%s]", key, section);
	return near ? err_set(e, ERR_USAGE, "unknown section [%s]; did you mean [%s]?", section,
			      near)
		    : err_set(e, ERR_USAGE, "unknown section [%s]", section);
}

static bool find(const struct conf *c, const char *section, const char *key, size_t *ret)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->options[i].key, key) == 0 && is_of(&c->options[i], section)) {
			*ret = i;
			return true;
		}
	return false;
}

static struct conf_value *find_member(const struct conf_values *values, size_t option,
				      const char *section)
{
	for (size_t i = 0; i < values->count; i++)
		if (values->members[i].option == option &&
		    strcmp(values->members[i].section, section) == 0)
			return &values->members[i].value;
	return NULL;
}

/* Where the value of that option in that section belongs; NULL: there are too many. */
static struct conf_value *place(const struct conf *c, struct conf_values *values, size_t option,
				const char *section)
{
	if (!family_prefix(c->options[option].section).n)
		return &values->fixed[option];
	struct conf_value *found = find_member(values, option, section);
	if (found)
		return found;
	if (values->count == MEMBERS_MAX)
		return NULL;
	struct member_value *m = PUSH(values->members, values->count, values->cap);
	m->section = mem_strdup(section);
	m->option = option;
	return &m->value;
}

static int too_many(struct err *e)
{
	return err_set(e, ERR_USAGE, "there are more than %d values in sections such as this one",
		       MEMBERS_MAX);
}

static int replace(struct conf *c, size_t option, const char *section, struct conf_value *by,
		   struct err *e)
{
	struct conf_value *old = place(c, &c->values, option, section);
	if (!old)
		return too_many(e);
	conf_value_clear(old);
	*old = *by;
	*by = (struct conf_value){0};
	return OK;
}

int conf_set(struct conf *c, const char *section, const char *key, const char *value,
	     const char *origin, struct err *e)
{
	size_t at;
	struct conf_value v = {0};
	if (family_prefix(section).n || !find(c, section, key, &at))
		return unknown(c, section, key, e);
	int rc = conf_value_set(&v, &c->options[at], value, origin, e);
	if (rc == OK)
		rc = replace(c, at, section, &v, e);
	conf_value_clear(&v);
	return rc;
}

int conf_load_environment(struct conf *c, struct err *e)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct conf_option *o = &c->options[i];
		const char *value = o->environment ? getenv(o->environment) : NULL;
		if (!value || !value[0])
			continue;
		int rc = conf_set(c, o->section, o->key, value, o->environment, e);
		if (rc < 0)
			return err_where(e, o->environment);
	}
	return OK;
}

struct reading {
	const struct conf *conf;
	const char *name;
	struct slice rest;
	int64_t line;
	struct conf_values values; /* what was read so far */
	int rc;                    /* the first error ends the reading */
	struct err *err;
};

static void stop(struct reading *r, int rc)
{
	r->rc = rc;
	err_at(r->err, r->line, 0, -1);
}

/* One line, as fgets would give it, without the blanks before it: inih would take an indented line
 * for a continuation. */
static char *next_line(char *line, int size, void *stream)
{
	struct reading *r = stream;
	if (r->rc < 0 || r->rest.n == 0 || size < 2)
		return NULL;
	r->line++;
	struct slice s = slice_cut(&r->rest, '\n');
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	if (s.n > 0 && memchr(s.p, 0, s.n)) {
		stop(r, err_set(r->err, ERR_USAGE, "there is a NUL byte in the line"));
		return NULL;
	}
	if (s.n + 2 > (size_t)size) {
		stop(r,
		     err_set(r->err, ERR_USAGE,
			     "the line is %zu bytes long, at most %d are possible", s.n, size - 2));
		return NULL;
	}
	memcpy(line, s.p, s.n);
	line[s.n] = '\n';
	line[s.n + 1] = 0;
	return line;
}

static int take(void *user, const char *section, const char *key, const char *value)
{
	struct reading *r = user;
	size_t at;
	if (r->rc < 0)
		return 0;
	if (family_prefix(section).n || !find(r->conf, section, key, &at)) {
		stop(r, unknown(r->conf, section, key, r->err));
		return 0;
	}
	const struct conf_option *o = &r->conf->options[at];
	struct conf_value *v = place(r->conf, &r->values, at, section);
	if (!v) {
		stop(r, too_many(r->err));
		return 0;
	}
	AUTO_BUF struct buf origin = {0}, joined = {0};
	buf_printf(&origin, "%s:%" PRId64, r->name, r->line);
	if (v->text && o->type != CONF_LIST && o->type != CONF_DATES) {
		stop(r,
		     err_set(r->err, ERR_USAGE, "%s is given twice, first at %s", key, v->origin));
		return 0;
	}
	if (v->text) {
		buf_printf(&joined, "%s,%s", v->text, value);
		value = joined.data;
		conf_value_clear(v);
	}
	int rc = conf_value_set(v, o, value, origin.data, r->err);
	if (rc < 0)
		stop(r, rc);
	return rc == OK;
}

static int take_over(struct conf *c, struct conf_values *values, struct err *e)
{
	if (c->values.count + values->count > MEMBERS_MAX)
		return too_many(e);
	int rc = OK;
	for (size_t i = 0; i < c->count && rc == OK; i++)
		if (values->fixed[i].text)
			rc = replace(c, i, c->options[i].section, &values->fixed[i], e);
	for (size_t i = 0; i < values->count && rc == OK; i++) {
		struct member_value *m = &values->members[i];
		rc = replace(c, m->option, m->section, &m->value, e);
	}
	return rc;
}

int conf_load_bytes(struct conf *c, const char *name, struct slice bytes, struct err *e)
{
	struct err own = ERR_INIT;
	struct reading r = {.conf = c, .name = name, .rest = bytes, .err = e ? e : &own};
	r.values.fixed = NEW_ARRAY(c->count, struct conf_value);
	int wrong_line = ini_parse_stream(next_line, &r, take, &r);
	/* inih reads on after a line that it does not understand; what went wrong further down is
	 * then no news. */
	if (wrong_line != 0 && (r.rc == OK || wrong_line < r.line)) {
		r.line = wrong_line > 0 ? wrong_line : 0;
		stop(&r,
		     err_set(r.err, ERR_USAGE,
			     "the line is neither a [section], nor \"key = value\", nor a comment"));
	}
	if (r.rc == OK)
		r.rc = take_over(c, &r.values, r.err);
	clear_values(&r.values, c->count);
	return r.rc < 0 ? err_where(r.err, name) : OK;
}

int conf_load_file(struct conf *c, const char *path, struct err *e)
{
	AUTO_BUF struct buf bytes = {0};
	int rc = file_read(path, FILE_CEILING_BYTES, &bytes, e);
	return rc < 0 ? rc : conf_load_bytes(c, path, buf_slice(&bytes), e);
}

static const struct conf_value *get(const struct conf *c, const char *section, const char *key,
				    unsigned int types)
{
	size_t at;
	if (!find(c, section, key, &at))
		bug("is not in the table", section, key);
	if (!(types & 1u << c->options[at].type))
		bug("is of another type", section, key);
	const struct conf_value *member = find_member(&c->values, at, section);
	return member ? member : &c->values.fixed[at];
}

const char *conf_member(const struct conf *c, const char *family, size_t n)
{
	size_t prefix = family_prefix(family).n;
	for (size_t i = 0; i < c->values.count; i++) {
		const char *section = c->values.members[i].section;
		bool seen = !is_member(family, section);
		for (size_t k = 0; k < i && !seen; k++)
			seen = strcmp(c->values.members[k].section, section) == 0;
		if (!seen && n-- == 0)
			return section + prefix;
	}
	return NULL;
}

const char *conf_text(const struct conf *c, const char *section, const char *key)
{
	return get(c, section, key, 1u << CONF_TEXT | 1u << CONF_CHOICE | 1u << CONF_CRON)->text;
}

int64_t conf_int(const struct conf *c, const char *section, const char *key)
{
	return get(c, section, key, 1u << CONF_INT | 1u << CONF_BYTES)->number;
}

int64_t conf_duration_us(const struct conf *c, const char *section, const char *key)
{
	return get(c, section, key, 1u << CONF_DURATION)->number;
}

const char *const *conf_list(const struct conf *c, const char *section, const char *key)
{
	return get(c, section, key, 1u << CONF_LIST | 1u << CONF_DATES)->list;
}

const char *conf_shown(const struct conf *c, const char *section, const char *key)
{
	return get(c, section, key, ~0u)->text;
}

const char *conf_origin(const struct conf *c, const char *section, const char *key)
{
	return get(c, section, key, ~0u)->origin;
}
