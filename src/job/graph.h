/* The parsed job: nodes, how they hang together, and after the check the columns of each. Inside
 * src/job only; others see job.h. Everything lies in the arena of job_parse. */
#ifndef PREGAO_GRAPH_H
#define PREGAO_GRAPH_H

#include "expr.h"
#include "function.h"
#include "job.h"
#include "tr.h"

#define TRY(call)                   \
	do {                        \
		int rc_ = (call);   \
		if (rc_)            \
			return rc_; \
	} while (0)

enum node_kind {
	NODE_SOURCE,
	NODE_CHANGE_SCHEMA,
	NODE_AGGREGATE,
	NODE_DERIVE,
	NODE_FILTER,
	NODE_JOIN,
	NODE_UNION,
	NODE_SQL,
	NODE_QUALITY,
	NODE_TARGET,
	NODE_KINDS,
};

struct names {
	const char **items;
	size_t count;
};

struct source {
	const char *database, *table;
	struct table_def *def; /* after the check */
};

/* One column of the result: where it comes from and what it becomes. Names in the JSON are those of
 * the input. */
struct rename {
	const char *from, *to;
};
struct recast {
	const char *column;
	struct value_type type;
};
struct change_schema {
	struct rename *renames;
	size_t rename_count;
	struct recast *casts;
	size_t cast_count;
	struct names drop, keep; /* one of them at most */
	const char **from; /* after the check: the input's column behind each of the result's */
};

struct aggregate {
	const char *column;
	const struct aggregate_function *function;
	const char *of;     /* NULL: rows */
	struct names order; /* first and last: what tells which row that is */
	bool has_type;
	struct value_type type; /* what the JSON asks for */
};
struct aggregates {
	struct names group;
	struct aggregate *items;
	size_t count;
};

struct derived {
	const char *column;
	struct expr *expr;
	const char *text;
};
struct derive {
	struct derived *items;
	size_t count;
};

struct filter_node {
	struct expr *expr;
	const char *text;
};

struct join {
	bool left;         /* every row of the first input stays */
	struct rename *on; /* from: column of the first input, to: column of the second */
	size_t on_count;
	const char **right; /* after the check: columns taken from the second input */
	size_t right_count;
};

struct sql_node {
	const char *duckdb, *spark; /* NULL: not written */
	struct column *columns;
	size_t column_count;
	struct names keeps;
};

enum check_kind { CHECK_HOLDS, CHECK_UNIQUE, CHECK_NOT_NULL, CHECK_ROWS, CHECK_SUM };
struct quality_check {
	const char *name, *message;
	enum check_kind kind;
	struct expr *expr; /* CHECK_HOLDS; CHECK_SUM: what the sum equals */
	const char *text;  /* of expr */
	/* CHECK_UNIQUE, CHECK_NOT_NULL; CHECK_SUM: one sum for each of their values */
	struct names columns;
	const char *sum;            /* CHECK_SUM: the column */
	int64_t min_rows, max_rows; /* CHECK_ROWS; -1: none */
};
struct quality {
	struct quality_check *items;
	size_t count;
};

struct target {
	struct table_def def;
};

struct node {
	const char *id, *doc;
	enum node_kind kind;
	const char *place; /* "portfolio.json: node by_stock" */
	struct names input_names;
	struct node **inputs;
	size_t input_count;
	union {
		struct source source;
		struct change_schema change_schema;
		struct aggregates aggregate;
		struct derive derive;
		struct filter_node filter;
		struct join join;
		struct sql_node sql;
		struct quality quality;
		struct target target;
	};
	/* After the check. */
	struct schema schema;
	/* For each column the triggers' partition column that it carries unchanged (index into
	 * graph_trigger's partition), or -1; see graph_lineage.c. */
	int *origin;
	bool reads_trigger; /* itself or by its inputs, any of the trigger tables */
	bool seen;          /* while walking */
};

struct job {
	const char *file, *name, *doc;
	struct job_trigger *triggers;
	size_t trigger_count;
	struct node *nodes; /* as in the file */
	size_t node_count;
	struct node **order;   /* each after its inputs */
	const char *canonical; /* the JSON without docs and layout, see compile.c */
	bool checked;
};

/* What the format has: one row a node type. The keys are checked by these rows before a parse
 * function sees the node. */
enum key_type {
	KEY_TEXT,
	KEY_NAMES,
	KEY_OBJECTS,
	KEY_MAP,
	KEY_OBJECT,
	KEY_PAIRS,
	KEY_TEXT_OR_NAMES
};
struct key {
	const char *name;
	enum key_type type;
	bool required;
	const char *doc;
};
#define NODE_MAX_KEYS 16 /* of a type, its common ones aside */
struct node_type {
	const char *name;
	const char *doc;
	size_t min_inputs, max_inputs;
	/* Beside id, type, doc and layout, which all have; ends with a NULL name. */
	const struct key *keys;
};
extern const struct node_type node_types[NODE_KINDS];
extern const struct key graph_keys[], node_common_keys[];

/* An error at a place: adds it and returns code. */
int at_place(const char *place, struct err *, int code);
const struct node *graph_find(const struct job *, const char *id);
/* names the nearest; returns code */
int graph_unknown_node(const struct job *, const char *id, int code, struct err *);

/* graph_order.c: resolves inputs, orders the nodes; refuses unknown inputs, cycles, and nodes that
 * nothing needs. */
int graph_link(struct arena *, struct job *, struct err *) MUST_CHECK;
bool graph_is_trigger(const struct job *, const struct source *);
/* graph_lineage.c: after the schemas. */
void graph_lineage(struct arena *, struct job *);
/* The first of the trigger tables, whose partition columns stand for those of all. */
const struct table_def *graph_trigger(const struct job *);

#endif
