/* The catalog of a lake in a bucket, which several machines share.
 *
 * What Glue's Data Catalog has no place for (intents, versions, marks, which file is live) is the state of the catalog
 * beneath, which the embedded driver keeps. Here that state lies in the bucket too, as objects
 * "catalog/<generation>.sqlite": a change is made on top of the newest one and put, if absent, as the next. Who comes
 * second takes the newest and makes the change again, so two machines never overwrite one another's. A writer's lock on a
 * table is an object as well, "catalog/<database>.<table>.lock"; one that was left behind goes after 15 minutes, or at
 * once where it is this machine's own, and whoever lost it so cannot commit any more: ERR_CONFLICT. The store must keep
 * its word on if_absent.
 *
 * Readers on other machines hold nothing: one of them may find an object gone that was replaced meanwhile, and asks again.
 *
 * Where Glue has databases for it, each commit tells Glue of its published partitions before the state is put, and takes
 * away those that it emptied after. */
#ifndef PREGAO_CATALOG_GLUE_H
#define PREGAO_CATALOG_GLUE_H

#include "call.h"
#include "catalog.h"
#include "object_store.h"

/* What the catalog beneath can do that the port does not say. */
struct catalog_state_ops {
	/* A whole and consistent copy of it as a new file. */
	int (*save)(struct catalog *, const char *path, struct err *);
	/* Becomes what the file is. */
	int (*load)(struct catalog *, const char *path, struct err *);
	/* Grows with every row that was changed through it. */
	int64_t (*changes)(struct catalog *);
};
struct catalog_glue_options {
	struct object_store *store; /* the lake's; must outlive the catalog */
	const char *folder;         /* of this machine, for files on their way; exists */
	struct clock *clock;
	const struct catalog_state_ops *beneath;
	/* NULL: Glue is not told. database_prefix: what Glue's databases have before "raw" and "refined". */
	struct aws *aws;
	const char *database_prefix;
	const char *bucket, *prefix; /* of the lake, for the partitions' places */
};
/* Takes inner: it is freed with *ret. Asks nothing of the store. */
struct catalog *catalog_glue_new(struct catalog *inner,
				 const struct catalog_glue_options *) NEVER_NULL;
/* Makes the catalog beneath what the bucket's newest state is. Nothing when there is none. */
int catalog_glue_refresh(struct catalog *, struct err *) MUST_CHECK;
/* The number of the bucket's newest state; 0: there is none. */
int catalog_glue_generation(struct object_store *, int64_t *ret, struct err *) MUST_CHECK;

#endif
