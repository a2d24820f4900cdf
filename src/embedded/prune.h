/* Which tables a statement names, and which of their partitions it can need: told from the
 * statement's tree before DuckDB sees a list of files. What is not understood means the whole
 * table. */
#ifndef PREGAO_PRUNE_H
#define PREGAO_PRUNE_H

#include "catalog.h"
#include "json.h"

/* Files of the table that no filter admits cannot change the result. */
struct prune_table {
	const struct table_def *table;
	bool whole; /* every file is needed; any_of is empty then */
	/* neither whole nor a filter: only the columns' names and types are needed */
	struct filter *any_of;
	size_t filter_count;
};
struct prune {
	struct prune_table *tables; /* each at most once, in the order of `tables` given */
	size_t count;
	bool lists_tables; /* asks which tables there are: every table has to be there, if empty */
};

/* root is what json_serialize_sql gives for `sql` (with skip_null), known to hold one statement.
 * tables are the catalog's. Everything in ret lives in the arena or is borrowed from tables.
 * ERR_INPUT, with line and column, for a table that does not exist or whose unqualified name
 * several have. */
int prune_statement(const json_t *root, const char *sql, struct table_def *const *tables,
		    size_t table_count, struct arena *, struct prune *ret, struct err *) MUST_CHECK;
/* Line and column of a byte of the statement; into err. */
int prune_place(struct err *, const char *sql, int64_t offset);

#endif
