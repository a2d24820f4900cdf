/* SQL over the catalog's tables by DuckDB: the files that a statement can need become views, which
 * live as long as the statement. */
#ifndef PREGAO_QUERY_ENGINE_DUCKDB_H
#define PREGAO_QUERY_ENGINE_DUCKDB_H

#include "catalog.h"
#include "duckdb_host.h"
#include "object_store.h"
#include "query_engine.h"

/* Opens nothing yet; cannot fail today. Host, catalog and store must outlive it. One statement at a
 * time on a host. For somebody else's statements the host is to be confined before. EXPLAIN is
 * served too; DESCRIBE, SUMMARIZE and SHOW TABLES know every table of the catalog. */
int query_engine_duckdb_new(struct duckdb_host *, struct catalog *, struct object_store *,
			    struct query_engine **ret, struct err *) MUST_CHECK;
/* From the next statement on tables that the rows cover are shown with them. Read during
 * statements, so also after the host is confined: what read() opens has to be open by then or
 * allowed. Borrowed. */
void query_engine_duckdb_follow(struct query_engine *, const struct live_rows *);

#endif
