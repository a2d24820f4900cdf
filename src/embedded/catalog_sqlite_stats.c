/* The SQLite catalog's column statistics: kept per file of the layout that queries read, put
 * together when asked for. Kept as NUL-terminated texts, the number of rows and then four per
 * column: thousands of them are read for one answer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_sqlite_private.h"

/* -- order ------------------------------------------------------------------------------------- */

/* <0, 0, >0 in *ret; false when one of them is not of the type. */
static bool compare(const struct column *column, const char *a, const char *b, int *ret)
{
	int128 x, y;
	char *end_a, *end_b;
	double p, q;
	switch (column->type) {
	case COL_INTEGER:
	case COL_BIGINT:
	case COL_HUGEINT:
	case COL_DECIMAL:
		if (!decimal_parse(slice_of(a), column->type == COL_DECIMAL ? column->scale : 0,
				   &x) ||
		    !decimal_parse(slice_of(b), column->type == COL_DECIMAL ? column->scale : 0,
				   &y))
			return false;
		*ret = (x > y) - (x < y);
		return true;
	case COL_DOUBLE:
		p = strtod(a, &end_a);
		q = strtod(b, &end_b);
		if (end_a == a || *end_a || end_b == b || *end_b)
			return false;
		*ret = (p > q) - (p < q);
		return true;
	default:
		/* Text, dates, times and false < true order as their bytes do. */
		*ret = strcmp(a, b);
		return true;
	}
}

static void widen(struct catalog_stats_set *set, struct catalog_stats_entry *entry,
		  const char *minimum, const char *maximum)
{
	int order;
	if (!entry->minimum) {
		entry->minimum = arena_strdup(set->arena, minimum);
		entry->maximum = arena_strdup(set->arena, maximum);
		return;
	}
	if (!compare(entry->column, minimum, entry->minimum, &order))
		entry->unknown = true;
	else if (order < 0)
		entry->minimum = arena_strdup(set->arena, minimum);
	if (!compare(entry->column, maximum, entry->maximum, &order))
		entry->unknown = true;
	else if (order > 0)
		entry->maximum = arena_strdup(set->arena, maximum);
}

/* -- collecting -------------------------------------------------------------------------------- */

void catalog_stats_begin(struct catalog_stats_set *set, struct arena *arena,
			 const struct table_def *table)
{
	*set = (struct catalog_stats_set){.arena = arena,
					  .table = table,
					  .count = table->column_count + table->partition_count};
	set->entries = ANEW_ARRAY(arena, set->count, struct catalog_stats_entry);
	for (size_t i = 0; i < set->count; i++)
		set->entries[i].column = i < table->column_count
						 ? &table->columns[i]
						 : &table->partition[i - table->column_count];
}

static const struct column_stats *find(const struct column_stats *stats, size_t count,
				       size_t likely, const char *name)
{
	if (likely < count && strcmp(stats[likely].column, name) == 0)
		return &stats[likely];
	for (size_t i = 0; i < count; i++)
		if (strcmp(stats[i].column, name) == 0)
			return &stats[i];
	return NULL;
}

static void add_nulls(struct catalog_stats_entry *entry, int64_t nulls)
{
	entry->nulls = nulls < 0 || entry->nulls < 0 ? -1 : entry->nulls + nulls;
}

static void add_column(struct catalog_stats_set *set, struct catalog_stats_entry *entry,
		       int64_t rows, const struct column_stats *stats)
{
	add_nulls(entry, stats->nulls);
	if (stats->minimum && stats->maximum)
		widen(set, entry, stats->minimum, stats->maximum);
	else if (stats->nulls != rows)
		entry->unknown = true;
}

void catalog_stats_add(struct catalog_stats_set *set, int64_t rows,
		       const struct column_stats *stats, size_t count, const char *const *low,
		       const char *const *high)
{
	if (rows == 0)
		return;
	set->rows += rows;
	for (size_t i = 0; i < set->count; i++) {
		struct catalog_stats_entry *entry = &set->entries[i];
		const struct column_stats *found = find(stats, count, i, entry->column->name);
		size_t partition = i - set->table->column_count;
		if (found) {
			add_column(set, entry, rows, found);
		} else if (i >= set->table->column_count && low && high && low[partition] &&
			   high[partition]) {
			widen(set, entry, low[partition], high[partition]);
		} else if (count > 0 && i < set->table->column_count) {
			add_nulls(entry, rows);
		} else {
			entry->unknown = true;
			entry->nulls = -1;
		}
	}
}

static struct column_stats result(const struct catalog_stats_entry *entry)
{
	return (struct column_stats){
		.column = entry->column->name,
		.minimum = entry->unknown ? NULL : entry->minimum,
		.maximum = entry->unknown ? NULL : entry->maximum,
		.nulls = entry->nulls,
	};
}

/* -- keeping ----------------------------------------------------------------------------------- */

/* '=' stands before a value: without it there is none, which an empty text is not. */
static void add_text(struct buf *out, const char *text)
{
	if (text) {
		buf_char(out, '=');
		buf_str(out, text);
	}
	buf_char(out, 0);
}

int catalog_stats_put(struct catalog_sqlite *self, int64_t table_id, int64_t owner,
		      const struct catalog_stats_set *set, struct err *e)
{
	AUTO_BUF struct buf texts = {0};
	buf_printf(&texts, "%" PRId64, set->rows);
	buf_char(&texts, 0);
	for (size_t i = 0; i < set->count; i++) {
		struct column_stats s = result(&set->entries[i]);
		buf_str(&texts, s.column);
		buf_char(&texts, 0);
		add_text(&texts, s.minimum);
		add_text(&texts, s.maximum);
		buf_printf(&texts, "%" PRId64, s.nulls);
		buf_char(&texts, 0);
	}
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "INSERT OR REPLACE INTO stats VALUES(?, ?, ?)", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	sqlite_bind_i64(q, 2, owner);
	sqlite3_bind_blob64(q, 3, texts.data, texts.len, SQLITE_TRANSIENT);
	return sqlite_run(self->db, q, e);
}

int catalog_stats_delete(struct catalog_sqlite *self, int64_t table_id, int64_t owner,
			 struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db, "DELETE FROM stats WHERE table_id = ? AND owner = ?", &q,
				e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	sqlite_bind_i64(q, 2, owner);
	return sqlite_run(self->db, q, e);
}

/* -- asking ------------------------------------------------------------------------------------ */

/* The next text of what was kept; NULL when there is no whole one left. */
static const char *next_text(struct slice *rest)
{
	const char *text = rest->p;
	const char *end = rest->n ? memchr(text, 0, rest->n) : NULL;
	if (!end)
		return NULL;
	rest->n -= (size_t)(end + 1 - text);
	rest->p = end + 1;
	return text;
}

static int add_kept(struct catalog_stats_set *set, struct slice rest, struct err *e)
{
	struct column_stats stats[TABLE_MAX_COLUMNS + TABLE_MAX_PARTITION];
	size_t count = 0;
	int64_t rows;
	const char *text = next_text(&rest);
	bool good = text && int64_parse(slice_of(text), &rows);
	while (good && rest.n && count < ARRAY_LEN(stats)) {
		struct column_stats *s = &stats[count++];
		s->column = next_text(&rest);
		s->minimum = next_text(&rest);
		s->maximum = next_text(&rest);
		text = next_text(&rest);
		good = text && int64_parse(slice_of(text), &s->nulls);
		if (!good)
			break;
		s->minimum = s->minimum[0] ? s->minimum + 1 : NULL;
		s->maximum = s->maximum[0] ? s->maximum + 1 : NULL;
	}
	if (!good)
		return err_set(e, ERR_IO, "Statistics of %s.%s in the catalog cannot be read",
			       set->table->database, set->table->name);
	catalog_stats_add(set, rows, stats, count, NULL, NULL);
	return OK;
}

/* Column 0 of the row, which may be null. */
static int add_row(struct catalog_stats_set *set, sqlite3_stmt *q, struct err *e)
{
	const char *kept = sqlite3_column_blob(q, 0);
	return add_kept(set, (struct slice){kept, (size_t)sqlite3_column_bytes(q, 0)}, e);
}

int catalog_stats_get(struct catalog_sqlite *self, int64_t table_id, int64_t owner,
		      struct catalog_stats_set *set, bool *ret, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(self->db,
				"SELECT stats FROM stats WHERE table_id = ? AND owner = ?", &q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	sqlite_bind_i64(q, 2, owner);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	*ret = rc > 0;
	rc = *ret ? add_row(set, q, e) : OK;
	sqlite_reset(q);
	return rc;
}

/* Of the compact files, and of the scopes that none covers. A scope that lost its compact file may
 * have no statistics: then those of the table are not known. */
static int add_all(struct catalog_sqlite *self, int64_t table_id, struct catalog_stats_set *set,
		   struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"SELECT stats, 0 FROM stats WHERE table_id = ?1 AND owner > 0"
		" UNION ALL SELECT k.stats, s.rows FROM scopes s INDEXED BY scopes_loose"
		" LEFT JOIN stats k ON k.table_id = s.table_id AND k.owner = -s.id"
		" WHERE s.table_id = ?1 AND s.loose = 1",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	while ((rc = sqlite_step(self->db, q, e)) > 0) {
		if (sqlite3_column_type(q, 0) == SQLITE_NULL)
			catalog_stats_add(set, sqlite_i64(q, 1), NULL, 0, NULL, NULL);
		else if ((rc = add_row(set, q, e)) != OK)
			break;
	}
	sqlite_reset(q);
	return rc;
}

static int totals(struct catalog_sqlite *self, int64_t table_id, int64_t *ret_rows,
		  int64_t *ret_bytes, int64_t *ret_files, struct err *e)
{
	sqlite3_stmt *q;
	int rc = sqlite_prepare(
		self->db,
		"SELECT sum(rows), sum(bytes), sum(files) FROM"
		" (SELECT rows, bytes, 1 AS files FROM compact WHERE table_id = ?1"
		" UNION ALL SELECT rows, bytes, files FROM scopes INDEXED BY scopes_loose"
		" WHERE table_id = ?1 AND loose = 1)",
		&q, e);
	if (rc)
		return rc;
	sqlite_bind_i64(q, 1, table_id);
	rc = sqlite_step(self->db, q, e);
	if (rc < 0)
		return rc;
	*ret_rows = rc ? sqlite_i64(q, 0) : 0;
	*ret_bytes = rc ? sqlite_i64(q, 1) : 0;
	*ret_files = rc ? sqlite_i64(q, 2) : 0;
	sqlite_reset(q);
	return OK;
}

int catalog_sqlite_stats(struct catalog *c, const struct table_def *table, struct arena *arena,
			 struct column_stats **ret, size_t *ret_count, int64_t *ret_rows,
			 int64_t *ret_bytes, int64_t *ret_files, struct err *e)
{
	struct catalog_sqlite *self = catalog_of(c);
	struct catalog_stats_set set;
	int64_t table_id, rows = 0, bytes = 0, files = 0;
	int rc = sqlite_begin_read(self->db, e);
	if (rc)
		return rc;
	catalog_stats_begin(&set, arena, table);
	rc = catalog_table_id(self, table, &table_id, e);
	if (rc == OK)
		rc = add_all(self, table_id, &set, e);
	if (rc == OK)
		rc = totals(self, table_id, &rows, &bytes, &files, e);
	rc = catalog_finish(self, rc, e);
	if (rc)
		return rc;
	struct column_stats *stats = ANEW_ARRAY(arena, set.count, struct column_stats);
	for (size_t i = 0; i < set.count; i++)
		stats[i] = result(&set.entries[i]);
	*ret = stats;
	*ret_count = set.count;
	*ret_rows = rows;
	*ret_bytes = bytes;
	*ret_files = files;
	return OK;
}
