/* Nodes as SQL text, one SELECT each, with its inputs read by their ids. Whole statements are put together in compile.c and script.c. */
#ifndef PREGAO_NODE_SQL_H
#define PREGAO_NODE_SQL_H

#include "graph.h"

struct sql_style {
	struct spelling spelling;
	/* How a source node reads its table: "raw.portfolio" (one name, a view that the engine made) or "raw"."portfolio". */
	bool tables_in_schemas;
};
/* In a plan: the view that stands for a table. No node can have such an id: it has a dot. */
const char *source_view(struct arena *, const struct source *);
/* The SELECT of one node, each line after the first indented by a tab more than `indent` says. */
void node_select(struct buf *, const struct sql_style *, const struct node *);
/* WITH and one named part for each node that `last` is made of, then `last` itself as the SELECT; or, for checks, only the parts, `last` included. */
void node_chain(struct buf *, const struct sql_style *, const struct job *, const struct node *last, bool with_last);
/* One row: BIGINT count of offending rows, VARCHAR example. `node` is the quality node; its rows are read by its id. */
void check_select(struct buf *, const struct sql_style *, const struct node *, const struct quality_check *);
/* What is said when a check fails. */
const char *check_message(struct arena *, const struct quality_check *);

#endif
