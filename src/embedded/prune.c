/* From a statement's tree to the tables and partitions that it needs. Soundness is the rule: a
 * condition counts only when it stands in the WHERE of the very SELECT that reads the table, joined
 * by AND, and compares a partition column with constants. */
#include "prune.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REFERENCES_MAX 256  /* of one table, that are told apart: more mean the whole table */
#define VALUES_MAX     4096 /* in one IN list */

struct walk {
	const char *sql;
	struct table_def *const *tables;
	size_t table_count;
	struct arena *arena;
	struct prune_table *found; /* beside tables */
	bool *named;
	size_t *filter_cap;
	/* The statement holds something that could read tables out of our sight, or that counts
	 * rows before the WHERE does. */
	bool opaque;
	bool lists_tables;
	const char **ctes; /* names visible here; a stack */
	size_t cte_count, cte_cap;
	const json_t **settled; /* references that a SELECT has dealt with */
	size_t settled_count, settled_cap;
	struct err *err;
};

/* -- reading the tree -------------------------------------------------------------------------- */

/* json_string_value of a member, "" where there is none: DuckDB leaves out empty members. */
static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

static bool is(const json_t *o, const char *key, const char *value)
{
	return strcmp(text(o, key), value) == 0;
}

/* Identifiers: DuckDB compares them without regard to the case of ASCII letters. */
static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		int x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a,
		    y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;
		if (x != y)
			return false;
	}
	return *a == *b;
}

int prune_place(struct err *e, const char *sql, int64_t offset)
{
	int64_t line = 1, column = 1;
	if (offset < 0 || (size_t)offset > strlen(sql))
		return e ? e->code : 0;
	for (int64_t i = 0; i < offset; i++) {
		if (sql[i] == '\n') {
			line++;
			column = 1;
		} else if ((sql[i] & 0xC0) != 0x80) {
			column++;
		}
	}
	return err_at(e, line, column, offset);
}

/* -- references -------------------------------------------------------------------------------- */

/* "main", and DuckDB's own schemas, are none of the catalog's business. */
static bool is_system(const char *schema, const char *name)
{
	static const char *const schemas[] = {"information_schema", "pg_catalog", "main"};
	static const char *const prefixes[] = {"duckdb_", "pragma_", "sqlite_", "pg_"};
	for (size_t i = 0; *schema && i < ARRAY_LEN(schemas); i++)
		if (same_name(schema, schemas[i]))
			return true;
	for (size_t i = 0; !*schema && i < ARRAY_LEN(prefixes); i++)
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static bool is_cte(const struct walk *w, const char *name)
{
	for (size_t i = 0; i < w->cte_count; i++)
		if (same_name(w->ctes[i], name))
			return true;
	return false;
}

static int no_such_table(struct walk *w, const json_t *ref)
{
	const char *schema = text(ref, "schema_name"), *name = text(ref, "table_name");
	const char **names = ANEW_ARRAY(w->arena, w->table_count * 2, const char *);
	for (size_t i = 0; i < w->table_count; i++)
		names[i] =
			arena_printf(w->arena, "%s.%s", w->tables[i]->database, w->tables[i]->name);
	const char *shown = *schema ? arena_printf(w->arena, "%s.%s", schema, name) : name;
	const char *near = str_nearest(shown, names, w->table_count);
	for (size_t i = 0; i < w->table_count && !near; i++)
		if (same_name(w->tables[i]->name, name))
			near = names[i];
	if (near)
		err_set(w->err, ERR_INPUT, "there is no table %s; did you mean %s?", shown, near);
	else
		err_set(w->err, ERR_INPUT,
			"there is no table %s; `pregao tables` lists those there are", shown);
	return prune_place(w->err, w->sql,
			   json_integer_value(json_object_get(ref, "query_location")));
}

/* The catalog's table behind a BASE_TABLE; *ret < 0 when it is not one of the catalog's (a WITH,
 * DuckDB's own). */
static int resolve(struct walk *w, const json_t *ref, int *ret)
{
	const char *schema = text(ref, "schema_name"), *name = text(ref, "table_name");
	*ret = -1;
	if (!*schema && is_cte(w, name))
		return OK;
	for (size_t i = 0; i < w->table_count; i++) {
		if (!same_name(w->tables[i]->name, name) ||
		    (*schema && !same_name(w->tables[i]->database, schema)))
			continue;
		if (*ret >= 0) {
			err_set(w->err, ERR_INPUT,
				"several tables are called %s; write %s.%s or %s.%s", name,
				w->tables[*ret]->database, name, w->tables[i]->database, name);
			return prune_place(
				w->err, w->sql,
				json_integer_value(json_object_get(ref, "query_location")));
		}
		*ret = (int)i;
	}
	if (*ret >= 0)
		return OK;
	if (is_system(schema, name)) {
		w->lists_tables = true;
		return OK;
	}
	return no_such_table(w, ref);
}

static void need_whole(struct walk *w, int table)
{
	w->named[table] = true;
	w->found[table].whole = true;
}

static void need(struct walk *w, int table, const struct filter *f)
{
	struct prune_table *t = &w->found[table];
	w->named[table] = true;
	if (f->term_count == 0 || t->filter_count >= REFERENCES_MAX) {
		t->whole = true;
		return;
	}
	*PUSH(t->any_of, t->filter_count, w->filter_cap[table]) = *f;
}

/* -- one SELECT -------------------------------------------------------------------------------- */

/* What stands in a FROM. */
struct leaf {
	const json_t *ref; /* BASE_TABLE of the catalog, else NULL */
	int table;
	const char *alias;  /* what columns are qualified with; "" unknown */
	const char *schema; /* also usable as schema.table.column: without an alias only */
	bool prunable;      /* a row of it that fails the WHERE can be left out beforehand */
};
struct from {
	struct leaf *leaves;
	size_t count, cap;
};

/* Joins whose WHERE may be applied to a side beforehand. Not FULL, not the side that an outer join
 * fills with nulls, not POSITIONAL (which pairs by row number), not ASOF, not NATURAL. */
static void flatten(struct walk *w, const json_t *ref, bool prunable, struct from *f)
{
	if (is(ref, "type", "JOIN")) {
		const char *kind = text(ref, "ref_type"), *join = text(ref, "join_type");
		bool regular = strcmp(kind, "REGULAR") == 0, cross = strcmp(kind, "CROSS") == 0;
		bool inner = cross || (regular && strcmp(join, "INNER") == 0);
		bool left = inner ||
			    (regular && (strcmp(join, "LEFT") == 0 || strcmp(join, "SEMI") == 0 ||
					 strcmp(join, "ANTI") == 0));
		bool right = inner || (regular && strcmp(join, "RIGHT") == 0);
		flatten(w, json_object_get(ref, "left"), prunable && left, f);
		flatten(w, json_object_get(ref, "right"), prunable && right, f);
		return;
	}
	struct leaf *l = PUSH(f->leaves, f->count, f->cap);
	l->alias = text(ref, "alias");
	l->schema = "";
	l->table = -1;
	if (!is(ref, "type", "BASE_TABLE"))
		return;
	if (!*l->alias) {
		l->alias = text(ref, "table_name");
		l->schema = text(ref, "schema_name");
	}
	l->ref = ref;
	l->prunable = prunable && !json_object_get(ref, "column_name_alias") &&
		      !json_object_get(ref, "at_clause") && !json_object_get(ref, "sample") &&
		      !*text(ref, "catalog_name");
}

static const struct column *partition_column(const struct table_def *t, const char *name)
{
	for (size_t i = 0; i < t->partition_count; i++)
		if (same_name(t->partition[i].name, name))
			return &t->partition[i];
	return NULL;
}

/* Whether the SELECT gives this name to something of its own: then who is meant by it is not ours
 * to say. */
static bool is_select_alias(const json_t *node, const char *name)
{
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(node, "select_list"), i, item)
		if (same_name(text(item, "alias"), name))
			return true;
	return false;
}

/* The one leaf and partition column that an expression names; NULL when it is anything else. */
static const struct column *column_of(struct walk *w, const json_t *node, const struct from *f,
				      const json_t *expression, struct leaf **ret)
{
	if (!is(expression, "class", "COLUMN_REF"))
		return NULL;
	const json_t *names = json_object_get(expression, "column_names");
	size_t n = json_array_size(names);
	const char *part[3] = {"", "", ""};
	if (n < 1 || n > 3)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(names, i));
		if (!s)
			return NULL;
		part[i] = s;
	}
	const char *name = part[n - 1];
	struct leaf *found = NULL;
	if (n == 1) {
		if (f->count != 1 || is_select_alias(node, name))
			return NULL;
		found = &f->leaves[0];
	}
	for (size_t i = 0; i < f->count && n > 1; i++) {
		struct leaf *l = &f->leaves[i];
		if (!same_name(l->alias, part[n - 2]) || (n == 3 && !same_name(l->schema, part[0])))
			continue;
		if (found)
			return NULL;
		found = l;
	}
	if (!found || !found->prunable || found->table < 0)
		return NULL;
	*ret = found;
	return partition_column(w->tables[found->table], name);
}

/* -- constants --------------------------------------------------------------------------------- */

/* The text of a VARCHAR constant, or NULL. */
static const char *constant_text(const json_t *expression)
{
	const json_t *value = json_object_get(expression, "value");
	if (!is(expression, "class", "CONSTANT") ||
	    json_is_true(json_object_get(value, "is_null")) ||
	    !is(json_object_get(value, "type"), "id", "VARCHAR") ||
	    json_object_get(json_object_get(value, "type"), "type_info"))
		return NULL;
	return json_string_value(json_object_get(value, "value"));
}

static const char *constant_date(struct walk *w, const json_t *expression)
{
	if (is(expression, "class", "CAST")) {
		if (!is(json_object_get(expression, "cast_type"), "id", "DATE"))
			return NULL;
		expression = json_object_get(expression, "child");
	}
	const char *s = constant_text(expression);
	int32_t days;
	/* DuckDB takes other spellings too; only the plain one is understood here. */
	return s && date_parse_iso(slice_of(s), &days) ? arena_strdup(w->arena, s) : NULL;
}

static const char *constant_integer(struct walk *w, const json_t *expression, bool wide)
{
	int64_t n;
	const char *s = constant_text(expression);
	if (s) {
		if (!int64_parse(slice_of(s), &n) ||
		    strcmp(arena_printf(w->arena, "%" PRId64, n), s) != 0)
			return NULL;
	} else {
		static const char *const types[] = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"};
		const json_t *value = json_object_get(expression, "value"),
			     *number = json_object_get(value, "value");
		bool known = false;
		for (size_t i = 0; i < ARRAY_LEN(types); i++)
			known = known || is(json_object_get(value, "type"), "id", types[i]);
		if (!is(expression, "class", "CONSTANT") || !known || !json_is_integer(number) ||
		    json_is_true(json_object_get(value, "is_null")))
			return NULL;
		n = json_integer_value(number);
	}
	if (!wide && (n < INT32_MIN || n > INT32_MAX))
		return NULL;
	return arena_printf(w->arena, "%" PRId64, n);
}

/* A constant as the plain text that catalog filters take, when comparing it with the column means
 * comparing the column's own values; else NULL ("index_code = 5" would cast the column). */
static const char *constant(struct walk *w, const struct column *c, const json_t *expression)
{
	switch (c->type) {
	case COL_TEXT: {
		const char *s = constant_text(expression);
		return s ? arena_strdup(w->arena, s) : NULL;
	}
	case COL_DATE: return constant_date(w, expression);
	case COL_INTEGER: return constant_integer(w, expression, false);
	case COL_BIGINT: return constant_integer(w, expression, true);
	default: return NULL;
	}
}

/* -- conditions -------------------------------------------------------------------------------- */

struct terms {
	struct filter_term *items; /* one list for each leaf */
	size_t count, cap;
};

static void add_term(struct walk *w, struct terms *terms, const struct column *c, enum filter_op op,
		     const char **values, size_t n)
{
	const char **kept = ANEW_ARRAY(w->arena, n, const char *);
	memcpy(kept, values, n * sizeof(*kept));
	*PUSH(terms->items, terms->count, terms->cap) =
		(struct filter_term){.column = c->name, .op = op, .values = kept, .value_count = n};
}

/* column = constant and its kin, either way round. */
static void add_comparison(struct walk *w, const json_t *node, const struct from *f,
			   struct terms *terms, const json_t *x)
{
	static const struct {
		const char *type;
		enum filter_op straight, turned;
	} operators[] = {
		{"COMPARE_EQUAL", FILTER_IN, FILTER_IN},
		/* Without the bound itself would be narrower; with it is never wrong. */
		{"COMPARE_GREATERTHAN", FILTER_GE, FILTER_LE},
		{"COMPARE_GREATERTHANOREQUALTO", FILTER_GE, FILTER_LE},
		{"COMPARE_LESSTHAN", FILTER_LE, FILTER_GE},
		{"COMPARE_LESSTHANOREQUALTO", FILTER_LE, FILTER_GE},
	};
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		if (!is(x, "type", operators[i].type))
			continue;
		const json_t *left = json_object_get(x, "left"),
			     *right = json_object_get(x, "right");
		struct leaf *l = NULL;
		const struct column *c = column_of(w, node, f, left, &l);
		bool turned = !c;
		if (turned)
			c = column_of(w, node, f, right, &l);
		const char *value = c ? constant(w, c, turned ? left : right) : NULL;
		if (value)
			add_term(w, &terms[l - f->leaves], c,
				 turned ? operators[i].turned : operators[i].straight, &value, 1);
		return;
	}
}

static void add_between(struct walk *w, const json_t *node, const struct from *f,
			struct terms *terms, const json_t *x)
{
	struct leaf *l = NULL;
	const struct column *c = column_of(w, node, f, json_object_get(x, "input"), &l);
	const char *low = c ? constant(w, c, json_object_get(x, "lower")) : NULL;
	const char *high = c ? constant(w, c, json_object_get(x, "upper")) : NULL;
	if (!low || !high)
		return;
	add_term(w, &terms[l - f->leaves], c, FILTER_GE, &low, 1);
	add_term(w, &terms[l - f->leaves], c, FILTER_LE, &high, 1);
}

static void add_in(struct walk *w, const json_t *node, const struct from *f, struct terms *terms,
		   const json_t *x)
{
	const json_t *children = json_object_get(x, "children");
	size_t n = json_array_size(children);
	struct leaf *l = NULL;
	const struct column *c = column_of(w, node, f, json_array_get(children, 0), &l);
	if (!c || n < 2 || n - 1 > VALUES_MAX)
		return;
	const char **values = ANEW_ARRAY(w->arena, n - 1, const char *);
	for (size_t i = 1; i < n; i++)
		if (!(values[i - 1] = constant(w, c, json_array_get(children, i))))
			/* one that is not understood may change the type that all are compared
			 * as */
			return;
	add_term(w, &terms[l - f->leaves], c, FILTER_IN, values, n - 1);
}

static void add_conditions(struct walk *w, const json_t *node, const struct from *f,
			   struct terms *terms, const json_t *x)
{
	if (is(x, "type", "CONJUNCTION_AND")) {
		size_t i;
		const json_t *child;
		json_array_foreach(json_object_get(x, "children"), i, child)
			add_conditions(w, node, f, terms, child);
	} else if (is(x, "class", "COMPARISON")) {
		add_comparison(w, node, f, terms, x);
	} else if (is(x, "type", "COMPARE_BETWEEN")) {
		add_between(w, node, f, terms, x);
	} else if (is(x, "type", "COMPARE_IN")) {
		add_in(w, node, f, terms, x);
	}
}

/* The references in a SELECT's own FROM, each with what its WHERE says. */
static int settle_select(struct walk *w, const json_t *node)
{
	struct from f = {0};
	flatten(w, json_object_get(node, "from_table"), true, &f);
	int rc = OK;
	for (size_t i = 0; i < f.count && rc == OK; i++)
		if (f.leaves[i].ref)
			rc = resolve(w, f.leaves[i].ref, &f.leaves[i].table);
	struct terms *terms = NEW_ARRAY(f.count, struct terms);
	const json_t *where = json_object_get(node, "where_clause");
	if (rc == OK && where)
		add_conditions(w, node, &f, terms, where);
	for (size_t i = 0; i < f.count; i++) {
		struct leaf *l = &f.leaves[i];
		if (rc == OK && l->ref && l->table >= 0) {
			struct filter_term *kept =
				ANEW_ARRAY(w->arena, terms[i].count, struct filter_term);
			if (terms[i].count)
				memcpy(kept, terms[i].items, terms[i].count * sizeof(*kept));
			need(w, l->table,
			     &(struct filter){.terms = kept, .term_count = terms[i].count});
		}
		if (l->ref)
			*PUSH(w->settled, w->settled_count, w->settled_cap) = l->ref;
		free(terms[i].items);
	}
	free(terms);
	free(f.leaves);
	return rc;
}

/* -- the whole tree ---------------------------------------------------------------------------- */

static void push_cte(struct walk *w, const char *name)
{
	if (*name)
		*PUSH(w->ctes, w->cte_count, w->cte_cap) = name;
}

/* Table functions that take text for a statement or a table's name: what it names would be seen
 * only when it is too late to bring it. */
static int refuse_hidden(struct walk *w, const json_t *function)
{
	static const char *const names[] = {"query", "query_table", "json_execute_serialized_sql"};
	const char *name = text(function, "function_name");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (same_name(name, names[i])) {
			err_set(w->err, ERR_INPUT,
				"%s() cannot see the lake's tables: write out the statement that it would run",
				names[i]);
			return prune_place(
				w->err, w->sql,
				json_integer_value(json_object_get(function, "query_location")));
		}
	return OK;
}

/* Table functions that read nothing of ours. */
static bool is_plain_function(const char *name)
{
	static const char *const names[] = {"range", "generate_series", "unnest", "repeat",
					    "repeat_row"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (same_name(name, names[i]))
			return true;
	return false;
}

static bool is_settled(const struct walk *w, const json_t *ref)
{
	for (size_t i = w->settled_count; i-- > 0;)
		if (w->settled[i] == ref)
			return true;
	return false;
}

static int visit(struct walk *w, const json_t *x, bool describes);

static int visit_members(struct walk *w, const json_t *x, bool describes)
{
	const char *key;
	json_t *member;
	json_object_foreach((json_t *)x, key, member) {
		int rc = strcmp(key, "cte_map") == 0 ? OK : visit(w, member, describes);
		if (rc)
			return rc;
	}
	return OK;
}

static int visit_object(struct walk *w, const json_t *x, bool describes)
{
	size_t ctes = w->cte_count, i;
	int rc = OK;
	const json_t *item;
	/* A WITH is seen by the later ones and by the statement below it; a recursive one by
	 * itself. */
	json_array_foreach(json_object_get(json_object_get(x, "cte_map"), "map"), i, item) {
		rc = visit(w, json_object_get(item, "value"), describes);
		if (rc)
			return rc;
		push_cte(w, text(item, "key"));
	}
	if (is(x, "type", "RECURSIVE_CTE_NODE"))
		push_cte(w, text(x, "cte_name"));
	if (json_is_object(json_object_get(x, "sample")))
		w->opaque = true;
	if (is(x, "type", "TABLE_FUNCTION")) {
		const char *name = text(json_object_get(x, "function"), "function_name");
		rc = refuse_hidden(w, json_object_get(x, "function"));
		if (rc)
			return rc;
		if (is_system("", name))
			w->lists_tables = true;
		else if (!is_plain_function(name))
			w->opaque = true;
	}
	if (is(x, "type", "SHOW_REF")) {
		if (!json_is_object(json_object_get(x, "query")))
			w->lists_tables = true;
		describes = is(x, "show_type", "DESCRIBE");
	}
	if (is(x, "type", "SELECT_NODE") && !describes)
		rc = settle_select(w, x);
	if (rc == OK && is(x, "type", "BASE_TABLE") && !is_settled(w, x)) {
		int table;
		rc = resolve(w, x, &table);
		if (rc == OK && table >= 0 && describes)
			w->named[table] = true;
		else if (rc == OK && table >= 0)
			need_whole(w, table);
	}
	if (rc == OK)
		rc = visit_members(w, x, describes);
	w->cte_count = ctes;
	return rc;
}

static int visit(struct walk *w, const json_t *x, bool describes)
{
	if (json_is_object(x))
		return visit_object(w, x, describes);
	size_t i;
	const json_t *item;
	json_array_foreach(x, i, item) {
		int rc = visit(w, item, describes);
		if (rc)
			return rc;
	}
	return OK;
}

int prune_statement(const json_t *root, const char *sql, struct table_def *const *tables,
		    size_t table_count, struct arena *arena, struct prune *ret, struct err *e)
{
	struct walk w = {
		.sql = sql, .tables = tables, .table_count = table_count, .arena = arena, .err = e};
	w.found = NEW_ARRAY(table_count, struct prune_table);
	w.named = NEW_ARRAY(table_count, bool);
	w.filter_cap = NEW_ARRAY(table_count, size_t);
	int rc = visit(&w, json_object_get(root, "statements"), false);
	if (rc == OK) {
		ret->tables = ANEW_ARRAY(arena, table_count, struct prune_table);
		ret->count = 0;
		/* An empty stand-in must not be read by what is out of sight. */
		ret->lists_tables = w.lists_tables && !w.opaque;
	}
	for (size_t i = 0; i < table_count; i++) {
		struct prune_table *t = &w.found[i];
		if (rc == OK && w.named[i]) {
			struct prune_table *out = &ret->tables[ret->count++];
			*out = (struct prune_table){.table = tables[i],
						    .whole = t->whole || w.opaque};
			if (!out->whole && t->filter_count) {
				out->any_of = ANEW_ARRAY(arena, t->filter_count, struct filter);
				out->filter_count = t->filter_count;
				memcpy(out->any_of, t->any_of,
				       t->filter_count * sizeof(*out->any_of));
			}
		}
		free(t->any_of);
	}
	free(w.found);
	free(w.named);
	free(w.filter_cap);
	free(w.ctes);
	free(w.settled);
	return rc;
}
