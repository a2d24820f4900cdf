/* What publish.c and compact.c share; nobody else includes it. publish.c: sessions, recovery, the
 * order of steps. compact.c: which compact files become which. merge.c: published files become one,
 * published or compact. */
#ifndef PREGAO_PUBLISH_PRIVATE_H
#define PREGAO_PUBLISH_PRIVATE_H

#include "publish.h"

/* Merged files per commit: bounds what one crash throws away, and shares the waiting for the disk. */
#define PUBLISH_MERGES_PER_COMMIT 32

struct publish_session {
	struct publish with;
	struct arena *arena;
	const struct table_def **tables; /* by name, each once; copies */
	int *locks;
	size_t table_count, locked;
	const char *folder;  /* in the store's staging; the two below are in it */
	const char *staging; /* the caller's */
	const char *merging; /* for merged files */
	unsigned merges;     /* so far; names them there */
};
/* The session's own copy of a table, NULL when it has not locked it. */
const struct table_def *publish_find_table(const struct publish_session *,
					   const struct table_def *);

/* A change with its merged files and the ones they take the place of. */
struct publish_step {
	const struct table_def *table;
	const struct catalog_scope *scopes;
	size_t scope_count;
	struct publish_file *files;
	size_t file_count, file_cap;
	const char **retired;
	size_t retired_count, retired_cap;
	bool append, same_rows; /* as catalog_change has them */
};
void publish_step_clear(struct publish_step *);
/* Steps 3 to 5 of publish.h for all of them as one commit. */
int publish_steps(struct publish_session *, const struct publish_step *, size_t n,
		  const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		  struct err *) MUST_CHECK;

/* Adds to a step that replaces its scopes: the compact files that cover one of them and others too
 * are retired, what remains of them is merged into new ones. Strings live in the arena. */
int compact_remainders(struct publish_session *, struct arena *, struct publish_step *,
		       struct err *) MUST_CHECK;
/* Adds to a step that appends to its scopes: the compact files that cover one of them are retired
 * whole. */
int compact_retire(struct publish_session *, struct arena *, struct publish_step *,
		   struct err *) MUST_CHECK;

/* The filter that only files of the scope pass. */
int publish_scope_filter(struct arena *, const struct table_def *, const char *scope,
			 struct filter *ret, struct err *) MUST_CHECK;

#endif
