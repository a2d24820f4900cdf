/* From the scopes of a request to units of work: values, dates, input files, and the names that
 * tell whether anything changed. */
#include "job_units.h"

#include <string.h>

#include "hash.h"
#include "json.h"
#include "lake_view.h"
#include "path.h"
#include "value.h"

#define NAME_DIGITS 32 /* of the hash: the beginning is enough */

struct finder {
	struct catalog *catalog;
	const struct job_plan *plan;
	const struct job_request *request;
	struct arena *arena;
	struct job_units *units;
	const struct table_def **triggers; /* in the plan's order */
};

static int partition_index(const struct table_def *t, const char *name)
{
	for (size_t i = 0; i < t->partition_count; i++)
		if (strcmp(t->partition[i].name, name) == 0)
			return (int)i;
	return -1;
}

struct filter job_unit_filter(const struct job_plan *plan, const struct job_unit *u,
			      struct arena *arena)
{
	struct filter_term *terms = ANEW_ARRAY(arena, plan->scope_column_count, struct filter_term);
	for (size_t i = 0; i < plan->scope_column_count; i++)
		terms[i] = (struct filter_term){.column = plan->scope_columns[i].source,
						.op = FILTER_IN,
						.values = &u->values[i],
						.value_count = 1};
	return (struct filter){.terms = terms, .term_count = plan->scope_column_count};
}

/* -- which units ------------------------------------------------------------------------------- */

static void add_unit(struct finder *f, const struct table_def *t, const char *const *partition)
{
	struct job_unit *u = PUSH(f->units->items, f->units->count, f->units->cap);
	u->values = ANEW_ARRAY(f->arena, f->plan->scope_column_count, const char *);
	for (size_t i = 0; i < f->plan->scope_column_count; i++)
		u->values[i] = partition[partition_index(t, f->plan->scope_columns[i].source)];
}

/* A scope of this table. Where its path does not say all scope columns, its files do. */
static int add_scope_of(struct finder *f, const struct table_def *t, const char *scope,
			struct err *e)
{
	const char *values[TABLE_MAX_PARTITION];
	size_t n;
	int rc = path_values(f->arena, t, scope, values, &n, e);
	if (rc)
		return rc;
	bool told = true;
	for (size_t i = 0; i < f->plan->scope_column_count; i++)
		told = told && partition_index(t, f->plan->scope_columns[i].source) < (int)n;
	if (told) {
		add_unit(f, t, values);
		return OK;
	}
	struct filter_term terms[TABLE_MAX_PARTITION];
	for (size_t i = 0; i < n; i++)
		terms[i] = (struct filter_term){.column = t->partition[i].name,
						.op = FILTER_IN,
						.values = &values[i],
						.value_count = 1};
	struct catalog_file *files;
	size_t count;
	rc = catalog_files(f->catalog, t, LAYOUT_PUBLISHED,
			   &(struct filter){.terms = terms, .term_count = n}, 1, f->arena, &files,
			   &count, e);
	for (size_t i = 0; i < count && rc == OK; i++)
		add_unit(f, t, files[i].low);
	return rc;
}

/* A request does not say whose scope it is: it is taken for one of every trigger table whose folders
 * it has. */
static int add_scope(struct finder *f, const char *scope, struct err *e)
{
	int rc = ERR_INPUT;
	bool taken = false;
	for (size_t i = 0; i < f->plan->trigger_count && (rc == OK || rc == ERR_INPUT); i++) {
		rc = add_scope_of(f, f->triggers[i], scope, e);
		taken |= rc == OK;
	}
	return taken && rc == ERR_INPUT ? OK : rc;
}

static int compare_values(const struct job_unit *x, const struct job_unit *y, size_t n)
{
	int order = 0;
	for (size_t i = 0; i < n && !order; i++)
		order = strcmp(x->values[i], y->values[i]);
	return order;
}

static int by_values(const void *a, const void *b, void *plan)
{
	return compare_values(a, b, ((const struct job_plan *)plan)->scope_column_count);
}

static int by_date(const void *a, const void *b, void *plan)
{
	const struct job_unit *x = a, *y = b;
	return x->as_of != y->as_of ? (x->as_of > y->as_of) - (x->as_of < y->as_of)
				    : by_values(a, b, plan);
}

static int find_units(struct finder *f, struct err *e)
{
	const struct job_plan *plan = f->plan;
	if (plan->scope_column_count == 0) {
		*PUSH(f->units->items, f->units->count, f->units->cap) = (struct job_unit){0};
		return OK;
	}
	int rc = OK;
	for (size_t i = 0; i < f->request->scope_count && rc == OK; i++)
		rc = add_scope(f, f->request->scopes[i], e);
	for (size_t k = 0; rc == OK && f->request->scope_count == 0 && k < plan->trigger_count;
	     k++) {
		struct catalog_scope *scopes;
		size_t n = 0;
		rc = catalog_scopes(f->catalog, f->triggers[k], NULL, 0, f->arena, &scopes, &n, e);
		for (size_t i = 0; rc == OK && i < n; i++)
			rc = add_scope_of(f, f->triggers[k], scopes[i].scope, e);
	}
	if (rc || f->units->count == 0)
		return rc;
	struct job_unit *items = f->units->items;
	qsort_r(items, f->units->count, sizeof(*items), by_values, (void *)plan);
	size_t kept = 1;
	for (size_t i = 1; i < f->units->count; i++)
		if (compare_values(&items[i], &items[kept - 1], plan->scope_column_count) != 0)
			items[kept++] = items[i];
	f->units->count = kept;
	return OK;
}

/* -- dates ------------------------------------------------------------------------------------- */

/* In the arena; NULL when the scope does not tell. */
static const char *property(struct finder *f, const struct catalog_scope *s, const char *name)
{
	AUTO_JSON json_t *properties = NULL;
	if (!s->properties ||
	    json_parse(s->properties, strlen(s->properties), &properties, NULL) != OK)
		return NULL;
	return arena_strdup(f->arena, json_opt_str(properties, name, NULL));
}

static int landed_on(struct finder *f, const struct catalog_scope *s, int32_t *ret, struct err *e)
{
	const char *date = property(f, s, "landed_on");
	if (date && date_parse_iso(slice_of(date), ret))
		return OK;
	err_set(e, ERR_INPUT,
		"this scope does not tell on which day it landed; give the as-of date");
	return err_where(e, s->scope);
}

/* Of all scopes that go into the unit the latest date. *ret_gone: there is none of them any
 * more. */
static int date_unit(struct finder *f, struct job_unit *u, bool *ret_gone, struct err *e)
{
	struct filter filter = job_unit_filter(f->plan, u, f->arena);
	int rc = OK;
	*ret_gone = true;
	u->as_of = f->request->as_of;
	for (size_t k = 0; k < f->plan->trigger_count && rc == OK; k++) {
		struct catalog_scope *scopes;
		size_t n = 0;
		rc = catalog_scopes(f->catalog, f->triggers[k], &filter, filter.term_count ? 1 : 0,
				    f->arena, &scopes, &n, e);
		*ret_gone = *ret_gone && n == 0;
		for (size_t i = 0; i < n; i++)
			if (scopes[i].changed_us > u->waits_since_us)
				u->waits_since_us = scopes[i].changed_us;
		for (size_t i = 0; i < n && rc == OK && f->request->as_of == AS_OF_LANDED; i++) {
			int32_t day;
			rc = landed_on(f, &scopes[i], &day, e);
			if (rc == OK && day > u->as_of)
				u->as_of = day;
		}
	}
	return rc;
}
_Static_assert(AS_OF_LANDED == INT32_MIN, "the earliest of all dates");

/* -- files and names --------------------------------------------------------------------------- */

static bool is_trigger(const struct job_plan *plan, const struct job_input *input)
{
	for (size_t i = 0; i < plan->trigger_count; i++)
		if (strcmp(plan->triggers[i].database, input->database) == 0 &&
		    strcmp(plan->triggers[i].table, input->table) == 0)
			return true;
	return false;
}

static int find_input(struct finder *f, const struct job_input *input, struct job_files *ret,
		      struct err *e)
{
	struct table_def *table;
	int rc = catalog_table(f->catalog, input->database, input->table, f->arena, &table, e);
	if (rc)
		return rc;
	ret->table = table;
	ret->cut = f->plan->scope_column_count > 0 && is_trigger(f->plan, input);
	rc = lake_view_grown(f->catalog, table, &ret->grown, e);
	if (rc || ret->cut)
		return rc;
	rc = catalog_files(f->catalog, table, LAYOUT_PUBLISHED, NULL, 0, f->arena, &ret->files,
			   &ret->count, e);
	if (rc)
		return rc;
	struct hash *h = hash_new();
	for (size_t i = 0; i < ret->count; i++)
		hash_str(h, ret->files[i].key);
	hash_end_hex(h, ret->digest);
	return OK;
}

/* What the unit's part of an input holds: its scopes with the content that they tell; where one does
 * not, or is not the unit's alone, the files. */
static int digest_part(struct finder *f, const struct job_files *input, const struct filter *filter,
		       const struct catalog_file *files, size_t count, const char **ret,
		       struct err *e)
{
	struct catalog_scope *scopes;
	char hex[HASH_HEX_SIZE];
	size_t n;
	int rc = catalog_scopes(f->catalog, input->table, filter, 1, f->arena, &scopes, &n, e);
	if (rc)
		return rc;
	bool told = true;
	for (size_t i = 0; i < f->plan->scope_column_count; i++)
		told = told && partition_index(input->table, f->plan->scope_columns[i].source) <
				       (int)input->table->scope_count;
	const char **contents = ANEW_ARRAY(f->arena, n, const char *);
	for (size_t i = 0; i < n && told; i++) {
		contents[i] = property(f, &scopes[i], "content");
		told = contents[i] != NULL;
	}
	struct hash *h = hash_new();
	for (size_t i = 0; i < (told ? n : count); i++) {
		hash_str(h, told ? scopes[i].scope : files[i].key);
		hash_str(h, told ? contents[i] : "");
	}
	hash_end_hex(h, hex);
	*ret = arena_strdup(f->arena, hex);
	return OK;
}

static int find_files(struct finder *f, struct job_unit *u, struct err *e)
{
	size_t n = f->plan->input_count;
	struct filter filter = job_unit_filter(f->plan, u, f->arena);
	u->files = ANEW_ARRAY(f->arena, n, struct catalog_file *);
	u->file_counts = ANEW_ARRAY(f->arena, n, size_t);
	u->digests = ANEW_ARRAY(f->arena, n, const char *);
	for (size_t i = 0; i < n; i++) {
		const struct job_files *input = &f->units->inputs[i];
		if (!input->cut)
			continue;
		int rc = catalog_files(f->catalog, input->table, LAYOUT_PUBLISHED, &filter, 1,
				       f->arena, &u->files[i], &u->file_counts[i], e);
		if (rc == OK)
			rc = digest_part(f, input, &filter, u->files[i], u->file_counts[i],
					 &u->digests[i], e);
		if (rc)
			return rc;
		for (size_t k = 0; k < u->file_counts[i]; k++)
			u->rows += u->files[i][k].rows;
	}
	return OK;
}

/* The same inputs, the same job and the same date give the same name, and no other. Scopes and files
 * are listed in order. */
static const char *name_of(struct finder *f, const struct job_unit *u, const struct table_def *out)
{
	char hex[HASH_HEX_SIZE];
	struct hash *h = hash_new();
	hash_str(h, f->plan->hash);
	hash_i64(h, u->as_of);
	hash_str(h, out->database);
	hash_str(h, out->name);
	for (size_t i = 0; i < f->plan->input_count; i++) {
		const struct job_files *input = &f->units->inputs[i];
		hash_str(h, f->plan->inputs[i].view);
		hash_str(h, input->cut ? u->digests[i] : input->digest);
	}
	hash_end_hex(h, hex);
	return arena_strndup(f->arena, hex, NAME_DIGITS);
}

/* What the unit replaces in an output: the target's scope columns, each with the value of the
 * source column that it comes from. */
static int scope_of(struct finder *f, const struct job_unit *u, const struct table_def *out,
		    const char **ret, struct err *e)
{
	const char *values[TABLE_MAX_PARTITION] = {0};
	*ret = NULL;
	if (f->plan->scope_column_count == 0)
		return OK;
	for (size_t i = 0; i < out->scope_count; i++)
		for (size_t k = 0; k < f->plan->scope_column_count; k++)
			if (strcmp(f->plan->scope_columns[k].target, out->partition[i].name) == 0)
				values[i] = u->values[k];
	return path_partition(f->arena, out, values, out->scope_count, ret, e);
}

static bool is_made_of(struct finder *f, const struct catalog_scope *s, const char *name)
{
	const char *made_of = property(f, s, "made_of");
	return made_of && strcmp(made_of, name) == 0;
}

static int is_unchanged(struct finder *f, const struct table_def *out, const char *scope,
			const char *name, int64_t *changed_us, bool *ret, struct err *e)
{
	struct catalog_scope *scopes = NULL, one;
	size_t n = 0;
	int rc;
	*ret = false;
	if (scope) {
		rc = catalog_scope(f->catalog, out, scope, f->arena, &one, e);
		scopes = &one;
		n = rc == OK;
		if (rc == ERR_NOT_FOUND)
			rc = OK;
	} else {
		rc = catalog_scopes(f->catalog, out, NULL, 0, f->arena, &scopes, &n, e);
	}
	if (rc)
		return rc;
	bool same = n > 0;
	for (size_t i = 0; i < n; i++) {
		same = same && is_made_of(f, &scopes[i], name);
		if (scopes[i].changed_us > *changed_us)
			*changed_us = scopes[i].changed_us;
	}
	*ret = same;
	return OK;
}

static int complete_unit(struct finder *f, struct job_unit *u, bool *ret_keep, struct err *e)
{
	bool gone, unchanged = !f->request->force;
	int64_t refined_us = 0; /* the newest commit of an output */
	*ret_keep = false;
	int rc = date_unit(f, u, &gone, e);
	if (rc)
		return rc;
	if (gone) {
		f->units->gone++;
		return OK;
	}
	rc = find_files(f, u, e);
	u->names = ANEW_ARRAY(f->arena, f->plan->output_count, const char *);
	u->scopes = ANEW_ARRAY(f->arena, f->plan->output_count, const char *);
	for (size_t i = 0; i < f->plan->output_count && rc == OK; i++) {
		const struct table_def *out = &f->plan->outputs[i].table;
		bool same = false;
		rc = scope_of(f, u, out, &u->scopes[i], e);
		if (rc)
			break;
		u->names[i] = name_of(f, u, out);
		if (unchanged)
			rc = is_unchanged(f, out, u->scopes[i], u->names[i], &refined_us, &same, e);
		unchanged = unchanged && same;
	}
	if (rc)
		return rc;
	/* A run by hand, or of another job definition, is not what a payload waited for. */
	if (f->request->force || refined_us >= u->waits_since_us)
		u->waits_since_us = 0;
	f->units->unchanged += unchanged;
	*ret_keep = !unchanged;
	return OK;
}

/* The date that an output's scope was made as of; without one nothing was made. */
static bool made_as_of(struct finder *f, const struct catalog_scope *s, int32_t *ret)
{
	const char *date = property(f, s, "as_of");
	return date && date_parse_iso(slice_of(date), ret);
}

static int output_is_stale(struct finder *f, struct job_unit *u, const struct table_def *out,
			   bool *ret, struct err *e)
{
	struct catalog_scope *scopes, one;
	size_t n;
	const char *scope;
	int rc = scope_of(f, u, out, &scope, e);
	if (rc)
		return rc;
	if (scope) {
		rc = catalog_scope(f->catalog, out, scope, f->arena, &one, e);
		scopes = &one;
		n = rc == OK;
		rc = rc == ERR_NOT_FOUND ? OK : rc;
	} else {
		rc = catalog_scopes(f->catalog, out, NULL, 0, f->arena, &scopes, &n, e);
	}
	*ret = n == 0;
	for (size_t i = 0; rc == OK && i < n && !*ret; i++)
		*ret = !made_as_of(f, &scopes[i], &u->as_of) ||
		       !is_made_of(f, &scopes[i], name_of(f, u, out));
	return rc;
}

static int begin_to_find(struct finder *f, struct err *e)
{
	const struct job_plan *plan = f->plan;
	int rc = OK;
	f->triggers = ANEW_ARRAY(f->arena, plan->trigger_count, const struct table_def *);
	for (size_t k = 0; k < plan->trigger_count && rc == OK; k++) {
		struct table_def *t;
		rc = catalog_table(f->catalog, plan->triggers[k].database, plan->triggers[k].table,
				   f->arena, &t, e);
		f->triggers[k] = rc == OK ? t : NULL;
		for (size_t i = 0; i < plan->scope_column_count && rc == OK; i++)
			if (partition_index(t, plan->scope_columns[i].source) < 0)
				rc = err_set(e, ERR_BUG,
					     "scope column %s is no partition column of %s.%s",
					     plan->scope_columns[i].source, t->database, t->name);
	}
	if (rc)
		return rc;
	f->units->inputs = ANEW_ARRAY(f->arena, f->plan->input_count, struct job_files);
	for (size_t i = 0; i < f->plan->input_count && rc == OK; i++)
		rc = find_input(f, &f->plan->inputs[i], &f->units->inputs[i], e);
	return rc;
}

int job_units_stale(struct catalog *catalog, const struct job_plan *plan, const char *const *scopes,
		    size_t n, struct arena *arena, const char ***ret, size_t *ret_count,
		    struct err *e)
{
	struct job_units units = {0};
	struct job_request one = {.as_of = AS_OF_LANDED, .scope_count = 1};
	struct finder f = {
		.catalog = catalog, .plan = plan, .request = &one, .arena = arena, .units = &units};
	int rc = begin_to_find(&f, e);
	*ret = ANEW_ARRAY(arena, n + 1, const char *);
	*ret_count = 0;
	for (size_t i = 0; i < n && rc == OK; i++) {
		bool stale = false, gone = false;
		one.scopes = &scopes[i];
		units.count = 0;
		rc = find_units(&f, e);
		for (size_t k = 0; k < units.count && rc == OK && !stale; k++) {
			struct job_unit *u = &units.items[k];
			rc = date_unit(&f, u, &gone, e);
			if (rc == OK && !gone)
				rc = find_files(&f, u, e);
			for (size_t o = 0; o < plan->output_count && rc == OK && !gone && !stale;
			     o++)
				rc = output_is_stale(&f, u, &plan->outputs[o].table, &stale, e);
		}
		if (stale)
			(*ret)[(*ret_count)++] = scopes[i];
	}
	free(units.items);
	return rc;
}

int job_units_find(struct catalog *catalog, const struct job_plan *plan,
		   const struct job_request *request, struct arena *arena, struct job_units *ret,
		   struct err *e)
{
	struct finder f = {
		.catalog = catalog, .plan = plan, .request = request, .arena = arena, .units = ret};
	*ret = (struct job_units){0};
	int rc = begin_to_find(&f, e);
	if (rc == OK)
		rc = find_units(&f, e);
	size_t kept = 0;
	for (size_t i = 0; i < ret->count && rc == OK; i++) {
		bool keep;
		rc = complete_unit(&f, &ret->items[i], &keep, e);
		if (rc == OK && keep)
			ret->items[kept++] = ret->items[i];
	}
	if (rc) {
		free(ret->items);
		*ret = (struct job_units){0};
		return rc;
	}
	ret->count = kept;
	if (kept)
		qsort_r(ret->items, kept, sizeof(*ret->items), by_date, (void *)plan);
	return OK;
}
