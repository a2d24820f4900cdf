/* Nodes as SQL text, one SELECT each, with its inputs read by their ids. Whole statements are put
 * together in compile.c and script.c. */
#ifndef PREGAO_NODE_SQL_H
#define PREGAO_NODE_SQL_H

#include "graph.h"

struct sql_style {
	struct spelling spelling;
	/* How a source node reads its table: "raw.portfolio" (one name, a view that the engine
	 * made) or "raw"."portfolio". */
	bool tables_in_schemas;
};
/* In a plan: the view that stands for a table. No node can have such an id: it has a dot. */
const char *source_view(struct arena *, const struct source *);
/* The names, quoted, with `between` between them. */
void sql_names(struct buf *, const struct sql_style *, const struct names *, const char *between);
/* The SELECT of one node. */
void node_select(struct buf *, const struct sql_style *, const struct node *);
/* The nodes that a statement is made of. */
struct node_set {
	bool in[JOB_MAX_NODES];
};
/* Adds a node's inputs, theirs, and so on; the node itself too when `with_itself`. */
void node_set_add(struct node_set *, const struct job *, const struct node *, bool with_itself);
/* "WITH a AS (...), b AS (...)" of the set, in order, each on its own lines; nothing for an empty
 * set. */
void node_parts(struct buf *, const struct sql_style *, const struct job *,
		const struct node_set *);
/* ERR_INPUT: the sql node has nothing that Spark could run. */
int job_no_spark_text(const struct node *, struct err *);
/* One row: BIGINT count of offending rows, VARCHAR example. `node` is the quality node; its rows
 * are read by its id. */
void check_select(struct buf *, const struct sql_style *, const struct node *,
		  const struct quality_check *);
/* What is said when a check fails. */
const char *check_message(struct arena *, const struct quality_check *);

#endif
