/* What a job run has to do: one unit for each set of values of the plan's scope columns, with the
 * files that it is made of, and without those that are already made of the same. */
#ifndef PREGAO_JOB_UNITS_H
#define PREGAO_JOB_UNITS_H

#include "catalog.h"
#include "job_engine.h"

struct job_files {
	const struct table_def *table; /* as the catalog has it */
	bool cut;                      /* a trigger's: a unit reads its own part only */
	bool grown;                    /* see lake_view.h */
	struct catalog_file *files;    /* not cut: all of them, the same for every unit */
	size_t count;
	char digest[65]; /* not cut: of the keys */
};
struct job_unit {
	const char **values; /* of plan.scope_columns; plain text */
	int32_t as_of;
	int64_t rows; /* that it reads */
	int64_t waits_since_us; /* its newest trigger scope's commit, which no output has seen; 0: none such */
	struct catalog_file **files; /* for each input that is cut: published files */
	size_t *file_counts;
	const char **digests; /* of what those files hold */
	/* for each output: what its files are called, told by all that they are made of */
	const char **names;
	/* for each output: what it replaces; NULL in a plan without scope columns: everything */
	const char **scopes;
};
struct job_units {
	struct job_files *inputs; /* in the plan's order */
	struct job_unit *items;   /* by as_of, then by values */
	size_t count, cap;
	int64_t unchanged; /* units that were left out: made of the same already */
	int64_t gone;      /* scopes of the request that the catalog no longer has */
};
/* Reads the catalog as it is; the caller holds a version of it, and the outputs' tables. What is in
 * *ret lives in the arena, but for items (free()). ERR_INPUT for a scope that is none of the
 * trigger tables', or that does not tell when it landed where the request leaves the date to it. */
int job_units_find(struct catalog *, const struct job_plan *, const struct job_request *,
		   struct arena *, struct job_units *ret, struct err *) MUST_CHECK;
/* job_engine_stale(): of the scopes those whose outputs are not made of what is there now, under
 * the as-of date that they have. */
int job_units_stale(struct catalog *, const struct job_plan *, const char *const *scopes, size_t n,
		    struct arena *, const char ***ret, size_t *ret_count, struct err *) MUST_CHECK;
/* column = value for each scope column. */
struct filter job_unit_filter(const struct job_plan *, const struct job_unit *, struct arena *);

#endif
