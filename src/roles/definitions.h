/* Job definitions: those compiled into the program and the user's own, which win by name. */
#ifndef PREGAO_DEFINITIONS_H
#define PREGAO_DEFINITIONS_H

#include "err.h"
#include "job.h"
#include "mem.h"
#include "object_store.h"
#include "trigger.h"

struct definition {
	const char *name; /* file name without .json */
	const char *path; /* for messages: a path, or "(built in) jobs/portfolio.json" */
	struct slice bytes;
	bool builtin;
};
/* All of them by name. dir: the user's folder (json files in it and in its folder jobs); a missing
 * one is none. */
int definitions_list(const char *dir, struct arena *, struct definition **ret, size_t *ret_count,
		     struct err *) MUST_CHECK;
/* Where the user's own lie by default: XDG_DATA_HOME/pregao. */
const char *definitions_default_dir(struct arena *);

/* By name, or by path when it holds a slash or ends in .json (ERR_NOT_FOUND names the ones there
 * are). Parsed and checked against the tables of the sources, of other jobs, and of the catalog
 * (may be NULL). */
struct catalog;
int definitions_load(const char *dir, struct catalog *, const char *name, struct arena *,
		     struct job **ret, struct err *) MUST_CHECK;
/* Every table that sources and sound definitions describe, for catalog_put_tables. */
int definitions_tables(const char *dir, struct arena *, const struct table_def *const **ret,
		       size_t *ret_count, struct err *) MUST_CHECK;
/* What starts what: one row for each trigger table of each sound definition. */
int definitions_activations(const char *dir, struct catalog *, struct arena *,
			    struct activation **ret, size_t *ret_count, struct err *) MUST_CHECK;

#endif
