/* The checks of quality nodes as SQL, and what is said when one fails. */
#include "node_sql.h"

#include <inttypes.h>
#include <string.h>

#include "tr.h"

/* The smallest text of the offending rows, so that the same data always shows the same one. */
static void example(struct buf *b, const struct sql_style *s, const struct schema *schema,
		    const struct names *only)
{
	bool first = true, duckdb = s->spelling.dialect == DIALECT_DUCKDB;
	buf_str(b, duckdb ? "left(min(CAST(struct_pack(" : "left(min(to_json(struct(");
	for (size_t i = 0; i < schema->count; i++) {
		bool wanted = !only;
		for (size_t k = 0; only && k < only->count; k++)
			wanted |= strcmp(only->items[k], schema->columns[i].name) == 0;
		if (!wanted)
			continue;
		buf_str(b, first ? "" : ", ");
		first = false;
		sql_name(b, s->spelling.dialect, schema->columns[i].name);
		if (duckdb) {
			buf_str(b, " := ");
			sql_name(b, s->spelling.dialect, schema->columns[i].name);
		}
	}
	buf_str(b, duckdb ? ") AS VARCHAR)), 500)" : "))), 500)");
}

static void offending_rows(struct buf *b, const struct sql_style *s, const struct node *node)
{
	buf_str(b, "SELECT count(*), ");
	example(b, s, &node->schema, NULL);
	buf_str(b, "\nFROM ");
	sql_name(b, s->spelling.dialect, node->id);
	buf_str(b, "\nWHERE ");
}

static void check_unique(struct buf *b, const struct sql_style *s, const struct node *node,
			 const struct quality_check *c)
{
	buf_str(b,
		"SELECT CAST(coalesce(sum(n), 0) AS BIGINT), min(e)\nFROM (\n    SELECT count(*) AS n, ");
	example(b, s, &node->schema, &c->columns);
	buf_str(b, " AS e\n    FROM ");
	sql_name(b, s->spelling.dialect, node->id);
	buf_str(b, "\n    GROUP BY ");
	sql_names(b, s, &c->columns, ", ");
	buf_str(b, "\n    HAVING count(*) > 1\n) AS q");
}

static void check_sum(struct buf *b, const struct sql_style *s, const struct node *node,
		      const struct quality_check *c)
{
	char type[COLUMN_TYPE_SIZE];
	buf_str(b, "SELECT count(*), min(e)\nFROM (\n    SELECT ");
	if (c->columns.count) {
		buf_str(b, "concat(");
		example(b, s, &node->schema, &c->columns);
		buf_str(b, ", ': ', ");
	} else {
		buf_str(b, "concat(");
	}
	buf_str(b, "CAST(sum(");
	sql_name(b, s->spelling.dialect, c->sum);
	buf_printf(b, ") AS %s)) AS e\n    FROM ",
		   sql_type(s->spelling.dialect, TYPE_OF(COL_TEXT), type));
	sql_name(b, s->spelling.dialect, node->id);
	if (c->columns.count) {
		buf_str(b, "\n    GROUP BY ");
		sql_names(b, s, &c->columns, ", ");
	}
	buf_str(b, "\n    HAVING sum(");
	sql_name(b, s->spelling.dialect, c->sum);
	buf_str(b, ") IS DISTINCT FROM ");
	expr_sql(b, &s->spelling, c->expr);
	buf_str(b, "\n) AS q");
}

static void check_rows(struct buf *b, const struct sql_style *s, const struct node *node,
		       const struct quality_check *c)
{
	buf_str(b, "SELECT CAST(CASE WHEN ");
	if (c->min_rows >= 0)
		buf_printf(b, "count(*) < %" PRId64, c->min_rows);
	if (c->min_rows >= 0 && c->max_rows >= 0)
		buf_str(b, " OR ");
	if (c->max_rows >= 0)
		buf_printf(b, "count(*) > %" PRId64, c->max_rows);
	buf_str(b, " THEN 1 ELSE 0 END AS BIGINT), concat(count(*), ' rows')\nFROM ");
	sql_name(b, s->spelling.dialect, node->id);
}

void check_select(struct buf *b, const struct sql_style *s, const struct node *node,
		  const struct quality_check *c)
{
	switch (c->kind) {
	case CHECK_HOLDS:
		offending_rows(b, s, node);
		buf_char(b, '(');
		expr_sql(b, &s->spelling, c->expr);
		buf_str(b, ") IS NOT TRUE");
		break;
	case CHECK_NOT_NULL:
		offending_rows(b, s, node);
		sql_names(b, s, &c->columns, " IS NULL OR ");
		buf_str(b, " IS NULL");
		break;
	case CHECK_UNIQUE: check_unique(b, s, node, c); break;
	case CHECK_SUM: check_sum(b, s, node, c); break;
	default: check_rows(b, s, node, c); break;
	}
}

static const char *joined(struct arena *arena, const struct names *list)
{
	struct buf AUTO_BUF text = {.ceiling = 300};
	for (size_t i = 0; i < list->count; i++)
		buf_printf(&text, "%s%s", i ? ", " : "", list->items[i]);
	return arena_strdup(arena, text.data ? text.data : "");
}

const char *check_message(struct arena *arena, const struct quality_check *c)
{
	if (c->message)
		return c->message;
	switch (c->kind) {
	case CHECK_HOLDS: return arena_printf(arena, tr("it does not hold that %.300s"), c->text);
	case CHECK_NOT_NULL:
		return arena_printf(arena, tr("there is a null in %s"), joined(arena, &c->columns));
	case CHECK_UNIQUE:
		return arena_printf(arena, tr("several rows have the same %s"),
				    joined(arena, &c->columns));
	case CHECK_SUM: return arena_printf(arena, tr("the sum of %s is not %s"), c->sum, c->text);
	default: break;
	}
	if (c->min_rows >= 0 && c->max_rows >= 0)
		return arena_printf(arena, tr("expected %lld to %lld rows"), (long long)c->min_rows,
				    (long long)c->max_rows);
	if (c->min_rows >= 0)
		return arena_printf(arena, tr("expected at least %lld rows"),
				    (long long)c->min_rows);
	return arena_printf(arena, tr("expected at most %lld rows"), (long long)c->max_rows);
}
