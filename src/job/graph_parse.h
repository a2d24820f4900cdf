/* What the parsers of the nodes share. Errors are ERR_INPUT or ERR_LIMIT with the place. For
 * src/job/graph_*.c. */
#ifndef PREGAO_GRAPH_PARSE_H
#define PREGAO_GRAPH_PARSE_H

#include "graph.h"
#include "json.h"

struct parsing {
	struct arena *arena;
	struct job *job;
	struct err *e;
	size_t checks; /* so far, of all quality nodes */
};

/* graph_parse.c: every key of the object is in one of the two lists (`more` may be NULL) and of the
 * right JSON type; no required one is missing. */
int keys_check(struct parsing *, const char *place, json_t *object, const struct key *keys,
	       const struct key *more) MUST_CHECK;
/* A name of ours: a letter or '_', then letters, digits, '_', at most 63; `lower` refuses capitals,
 * which Athena and Glue do not keep. */
int name_check(struct parsing *, const char *place, const char *what, const char *name,
	       bool lower) MUST_CHECK;
int table_name_parse(struct parsing *, const char *place, const char *text,
		     const char **ret_database, const char **ret_table) MUST_CHECK;

/* graph_fields.c: after keys_check, so that a member that is there has its type. */
/* in the arena; NULL when it is not there */
const char *field_text(struct parsing *, const json_t *object, const char *key);
/* "<the node's place>, column acao" */
const char *place_in(struct parsing *, const struct node *, const char *what, const char *name);
/* A list of names, none twice. */
int field_names(struct parsing *, const char *place, const json_t *object, const char *key,
		bool may_be_empty, struct names *ret) MUST_CHECK;
int type_parse(struct parsing *, const char *place, const char *text,
	       struct value_type *ret) MUST_CHECK;
/* [{"name", "type", "doc"}], none twice. */
int field_columns(struct parsing *, struct node *, const json_t *object, const char *key,
		  bool lower, struct column **ret, size_t *ret_count) MUST_CHECK;
int field_fail(struct parsing *, const char *place, int code);

/* graph_nodes.c: the keys of one node of the kind that node->kind says. */
int node_parse(struct parsing *, struct node *, json_t *object) MUST_CHECK;
int quality_parse(struct parsing *, struct node *, json_t *object) MUST_CHECK; /* graph_quality.c */
int target_parse(struct parsing *, struct node *, json_t *object) MUST_CHECK;  /* graph_target.c */

#endif
