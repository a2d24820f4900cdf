/* The SQLite catalog's filters: conditions on partition columns as SQL text and bound values. The
 * text depends on which columns and operators there are, never on values, so that prepared
 * statements are few. */
#include <inttypes.h>
#include <string.h>

#include "catalog_sqlite_private.h"

/* -- values by their column's order ------------------------------------------------------------ */

static bool comparable(const struct column *column, const char *value)
{
	int64_t number;
	int32_t days;
	switch (column->type) {
	case COL_INTEGER:
	case COL_BIGINT: return int64_parse(slice_of(value), &number);
	case COL_DATE: return date_parse_iso(slice_of(value), &days);
	default: return true;
	}
}

static void add_json(struct buf *out, const struct column *column, const char *value)
{
	int64_t number;
	if ((column->type == COL_INTEGER || column->type == COL_BIGINT) &&
	    int64_parse(slice_of(value), &number))
		buf_printf(out, "%" PRId64, number);
	else
		buf_json_str(out, value, strlen(value));
}

/* -- understanding a filter -------------------------------------------------------------------- */

static int find_column(const struct table_def *table, const char *name, size_t *ret, struct err *e)
{
	for (size_t i = 0; i < table->partition_count; i++) {
		if (strcmp(table->partition[i].name, name) == 0) {
			*ret = i;
			return OK;
		}
	}
	return err_set(e, ERR_BUG, "A filter on %s, which is no partition column of %s.%s", name,
		       table->database, table->name);
}

static bool understand(const struct table_def *table, const struct filter_term *given,
		       struct arena *arena, struct catalog_term *term)
{
	const struct column *column = &table->partition[term->column];
	AUTO_BUF struct buf json = {0};
	term->op = given->op;
	term->values = given->values;
	term->value_count = given->value_count;
	for (size_t i = 0; i < given->value_count; i++) {
		const char *value = given->values[i];
		if (!comparable(column, value))
			return false;
		if (!term->least || column_compare(column, value, term->least) < 0)
			term->least = value;
		if (!term->most || column_compare(column, value, term->most) > 0)
			term->most = value;
		buf_char(&json, i ? ',' : '[');
		add_json(&json, column, value);
	}
	buf_char(&json, ']');
	term->json = arena_strdup(arena, json.data);
	return true;
}

int catalog_filter(const struct table_def *table, const struct filter *filter, struct arena *arena,
		   struct catalog_terms *ret, struct err *e)
{
	struct catalog_terms terms = {0};
	size_t given = filter ? filter->term_count : 0;
	terms.terms = ANEW_ARRAY(arena, given, struct catalog_term);
	for (size_t i = 0; i < given; i++) {
		struct catalog_term term = {0};
		int rc = find_column(table, filter->terms[i].column, &term.column, e);
		if (rc)
			return rc;
		if (filter->terms[i].op != FILTER_IN && filter->terms[i].value_count != 1)
			return err_set(e, ERR_BUG, "A filter on %s with %zu bounds",
				       filter->terms[i].column, filter->terms[i].value_count);
		if (filter->terms[i].value_count == 0)
			terms.nothing = true;
		else if (understand(table, &filter->terms[i], arena, &term))
			terms.terms[terms.count++] = term;
	}
	*ret = terms;
	return OK;
}

/* -- as SQL ------------------------------------------------------------------------------------ */

void catalog_filter_scopes_sql(const struct table_def *table, const struct catalog_terms *terms,
			       struct buf *out)
{
	for (size_t i = 0; i < terms->count; i++) {
		const struct catalog_term *t = &terms->terms[i];
		if (t->column >= table->scope_count)
			continue;
		buf_printf(out, " AND s.v%zu", t->column);
		if (t->op == FILTER_IN)
			buf_str(out, t->value_count == 1 ? " = ?"
							 : " IN (SELECT value FROM json_each(?))");
		else
			buf_str(out, t->op == FILTER_GE ? " >= ?" : " <= ?");
	}
}

/* The value was found comparable, so it binds. */
static int bind(sqlite3_stmt *q, int parameter, const struct column *column, const char *value)
{
	if (!catalog_bind_value(q, parameter, column, value))
		sqlite_bind_str(q, parameter, value);
	return parameter + 1;
}

int catalog_filter_scopes_bind(const struct table_def *table, const struct catalog_terms *terms,
			       sqlite3_stmt *q, int parameter)
{
	for (size_t i = 0; i < terms->count; i++) {
		const struct catalog_term *t = &terms->terms[i];
		if (t->column >= table->scope_count)
			continue;
		if (t->op == FILTER_IN && t->value_count > 1)
			sqlite_bind_str(q, parameter++, t->json);
		else
			parameter = bind(q, parameter, &table->partition[t->column], t->least);
	}
	return parameter;
}

void catalog_filter_compact_sql(const struct catalog_terms *terms, size_t first, struct buf *out)
{
	for (size_t i = 0; i < terms->count; i++) {
		const struct catalog_term *t = &terms->terms[i];
		if (t->column < first)
			continue;
		if (t->op != FILTER_LE)
			buf_printf(out, " AND c.high%zu >= ?", t->column);
		if (t->op != FILTER_GE)
			buf_printf(out, " AND c.low%zu <= ?", t->column);
		if (t->op == FILTER_IN && t->value_count > 1)
			buf_printf(
				out,
				" AND EXISTS (SELECT 1 FROM json_each(?) WHERE value BETWEEN c.low%zu AND c.high%zu)",
				t->column, t->column);
	}
}

int catalog_filter_compact_bind(const struct table_def *table, const struct catalog_terms *terms,
				size_t first, sqlite3_stmt *q, int parameter)
{
	for (size_t i = 0; i < terms->count; i++) {
		const struct catalog_term *t = &terms->terms[i];
		const struct column *column = &table->partition[t->column];
		if (t->column < first)
			continue;
		if (t->op != FILTER_LE)
			parameter = bind(q, parameter, column, t->least);
		if (t->op != FILTER_GE)
			parameter = bind(q, parameter, column, t->most);
		if (t->op == FILTER_IN && t->value_count > 1)
			sqlite_bind_str(q, parameter++, t->json);
	}
	return parameter;
}

static bool passes(const struct column *column, const struct catalog_term *t, const char *value)
{
	if (t->op == FILTER_GE)
		return column_compare(column, value, t->least) >= 0;
	if (t->op == FILTER_LE)
		return column_compare(column, value, t->most) <= 0;
	for (size_t i = 0; i < t->value_count; i++)
		if (column_compare(column, value, t->values[i]) == 0)
			return true;
	return false;
}

bool catalog_filter_passes(const struct table_def *table, const struct catalog_terms *terms,
			   size_t first, const char *const *values)
{
	for (size_t i = 0; i < terms->count; i++) {
		const struct catalog_term *t = &terms->terms[i];
		if (t->column >= first &&
		    !passes(&table->partition[t->column], t, values[t->column]))
			return false;
	}
	return true;
}
