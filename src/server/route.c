/* From a request to the words of a command and back: every value is checked before it becomes a word, and
 * once more, by the helper, before it is run. */
#include "route.h"

#include <string.h>

#include "tr.h"
#include "value.h"

/* ---- values ---- */

static bool of_letters(const char *s, const char *more)
{
	size_t n = 0;
	for (; s[n]; n++) {
		bool letter = (s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z');
		bool digit = s[n] >= '0' && s[n] <= '9';
		if (!letter && !digit && !strchr(more, s[n]))
			return false;
	}
	return n > 0 && s[0] != '-';
}

static bool is_table(const char *s)
{
	const char *dot = strchr(s, '.');
	return dot && dot != s && of_letters(s, "_.") && of_letters(dot + 1, "_");
}

static bool is_choice(const char *s, const char *choices)
{
	struct slice rest = slice_of(choices);
	while (rest.n)
		if (slice_is(slice_cut(&rest, '|'), s))
			return true;
	return false;
}

static bool is_text(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *s && str_is_utf8(s, strlen(s));
}

static bool value_ok(const struct parameter *p, const char *s)
{
	int32_t day;
	if (strlen(s) > ROUTE_VALUE_MAX)
		return false;
	switch (p->kind) {
	case KIND_NAME: return of_letters(s, "_-");
	case KIND_TABLE: return is_table(s);
	case KIND_TEXT: return is_text(s);
	case KIND_NUMBER:
		return strlen(s) <= 18 && of_letters(s, "") && strspn(s, "0123456789") == strlen(s);
	case KIND_DATE: return date_parse_iso(slice_of(s), &day);
	case KIND_TIME: return strlen(s) <= 12 && of_letters(s, "") && *s >= '0' && *s <= '9';
	case KIND_CHOICE: return is_choice(s, p->choices);
	case KIND_FLAG: return strcmp(s, "true") == 0;
	}
	return false;
}

static const char *wanted(struct arena *arena, const struct parameter *p)
{
	switch (p->kind) {
	case KIND_NAME: return tr("letters, digits, _ and -");
	case KIND_TABLE: return tr("a table such as raw.portfolio");
	case KIND_TEXT: return tr("text without control characters");
	case KIND_NUMBER: return tr("a whole number");
	case KIND_DATE: return tr("a date as YYYY-MM-DD");
	case KIND_TIME: return tr("a time such as 30s or 5m");
	case KIND_FLAG: return "true";
	case KIND_CHOICE: break;
	}
	return arena_printf(arena, tr("one of %s"), p->choices);
}

/* ---- paths ---- */

/* The next of "a/b", without its slash; false at the end. */
static bool next_part(struct slice *rest, struct slice *ret)
{
	if (!rest->n)
		return false;
	*ret = slice_cut(rest, '/');
	return true;
}

/* The parameter that "{name}" stands for, or NULL. */
static const struct parameter *named(const struct route *r, struct slice part)
{
	if (part.n < 3 || part.p[0] != '{')
		return NULL;
	struct slice name = {part.p + 1, part.n - 2};
	for (const struct parameter *p = r->parameters; p->name; p++)
		if (slice_is(name, p->name))
			return p;
	return NULL;
}

static bool path_fits(const struct route *r, const char *path)
{
	struct slice pattern = slice_of(r->path), rest = slice_of(path), want, have;
	while (next_part(&pattern, &want)) {
		if (!next_part(&rest, &have))
			return false;
		if (!named(r, want) && !slice_eq(want, have))
			return false;
	}
	return !rest.n && path[strlen(path) - 1] != '/';
}

/* The value of the parameter in a path that fits. */
static const char *path_value(struct arena *arena, const struct route *r, const char *path,
			      const struct parameter *p)
{
	struct slice pattern = slice_of(r->path), rest = slice_of(path), want, have;
	while (next_part(&pattern, &want) && next_part(&rest, &have))
		if (named(r, want) == p)
			return arena_strndup(arena, have.p, have.n);
	return "";
}

int route_find(struct arena *arena, const char *method, const char *path, const struct route **ret,
	       const char **ret_allowed, struct err *e)
{
	AUTO_BUF struct buf allowed = {0};
	for (size_t i = 0; i < route_count; i++) {
		if (!*path || !path_fits(&routes[i], path))
			continue;
		if (strcmp(routes[i].method, method) == 0) {
			*ret = &routes[i];
			return OK;
		}
		buf_printf(&allowed, "%s%s", allowed.len ? ", " : "", routes[i].method);
	}
	if (!allowed.len)
		return err_set(e, ERR_NOT_FOUND,
			       "there is nothing here; /api/openapi.json says what there is");
	*ret_allowed = arena_strdup(arena, allowed.data);
	return err_set(e, ERR_USAGE, "not with this method; expected %s", *ret_allowed);
}

bool route_knows(const struct route *r, const char *name)
{
	if (r->formats && strcmp(name, "format") == 0)
		return true;
	for (const struct parameter *p = r->parameters; p->name; p++)
		if (p->in == IN_QUERY && strcmp(p->name, name) == 0)
			return true;
	return false;
}

/* ---- words ---- */

const struct parameter route_format = {"format",    IN_QUERY,
				       KIND_CHOICE, "json|csv|csv-br",
				       "--format",  "form of the answer (default: json)"};

static const char *type_of(const char *format)
{
	static const struct {
		const char *format, *type;
	} types[] = {{"json", "application/json"},
		     {"ndjson", "application/x-ndjson"},
		     {"csv", "text/csv; charset=utf-8"},
		     {"csv-br", "text/csv; charset=utf-8"},
		     {"parquet", "application/vnd.apache.parquet"}};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].format, format) == 0)
			return types[i].type;
	return "text/plain; charset=utf-8";
}

static int check(struct arena *arena, const struct parameter *p, const char *value, struct err *e)
{
	if (value_ok(p, value))
		return OK;
	return err_set(e, ERR_INPUT, "%s is `%.60s`; expected %s", p->name, value,
		       wanted(arena, p));
}

static void add_word(struct route_call *c, const char *word)
{
	if (c->word_count < ARRAY_LEN(c->words))
		c->words[c->word_count++] = word;
}

static int add_option(struct arena *arena, const struct parameter *p, const char *value,
		      struct route_call *c, struct err *e)
{
	int rc = check(arena, p, value, e);
	if (rc == OK)
		add_word(c, p->kind == KIND_FLAG ? p->option
						 : arena_printf(arena, "%s=%s", p->option, value));
	return rc;
}

int route_words(struct arena *arena, const struct route *r, const char *path,
		const char *(*query)(void *ctx, const char *name), void *ctx,
		struct route_call *ret, struct err *e)
{
	*ret = (struct route_call){.route = r};
	struct slice rest = slice_of(r->command), word;
	while (rest.n) {
		word = slice_cut(&rest, ' ');
		const struct parameter *p = named(r, word);
		const char *value = p ? path_value(arena, r, path, p)
				      : arena_strndup(arena, word.p, word.n);
		if (p && check(arena, p, value, e) != OK)
			return e->code;
		add_word(ret, value);
	}
	const char *format = NULL;
	for (const struct parameter *p = r->parameters; p->name; p++) {
		const char *value = p->in == IN_QUERY ? query(ctx, p->name) : NULL;
		bool is_format = strcmp(p->name, "format") == 0;
		if (is_format)
			format = value = value ? value : "json";
		if (value && add_option(arena, p, value, ret, e) != OK)
			return e->code;
	}
	if (r->formats) {
		format = query(ctx, "format") ? query(ctx, "format") : "json";
		if (add_option(arena, &route_format, format, ret, e) != OK)
			return e->code;
	}
	ret->type = format ? type_of(format) : r->type;
	return OK;
}

/* ---- the helper's question ---- */

static bool option_fits(const struct route *r, const char *word)
{
	if (r->formats && strncmp(word, "--format=", 9) == 0)
		return value_ok(&route_format, word + 9);
	for (const struct parameter *p = r->parameters; p->name; p++) {
		size_t n = p->option ? strlen(p->option) : 0;
		if (!n || strncmp(word, p->option, n) != 0)
			continue;
		if (p->kind == KIND_FLAG ? !word[n] : word[n] == '=' && value_ok(p, word + n + 1))
			return true;
	}
	return false;
}

static bool words_fit(const struct route *r, const char *const *words, size_t n)
{
	struct slice rest = slice_of(r->command);
	size_t at = 0;
	while (rest.n) {
		struct slice want = slice_cut(&rest, ' ');
		const struct parameter *p = named(r, want);
		if (at == n || !(p ? value_ok(p, words[at]) : slice_is(want, words[at])))
			return false;
		at++;
	}
	while (at < n && option_fits(r, words[at]))
		at++;
	return at == n;
}

bool route_allows(const char *const *words, size_t n)
{
	for (size_t i = 0; i < route_count; i++)
		if (words_fit(&routes[i], words, n))
			return true;
	return false;
}
