/* What the files of the shared catalog have in common; nobody else includes it. catalog_glue.c is the port,
 * catalog_glue_state.c brings the state to and from the bucket, catalog_glue_lock.c the writers' locks,
 * catalog_glue_partitions.c tells Glue. */
#ifndef PREGAO_CATALOG_GLUE_PRIVATE_H
#define PREGAO_CATALOG_GLUE_PRIVATE_H

#include "catalog_glue.h"

#define CATALOG_FOLDER "catalog/"

struct glue_hold {
	int handle; /* of the lock beneath */
	char *key;
	char token[40];
};
struct catalog_glue {
	struct catalog port;
	struct catalog *inner;
	struct catalog_glue_options o; /* strings: in the arena */
	struct arena *arena;
	struct glue_hold *holds;
	size_t hold_count, hold_cap;
};

/* -- catalog_glue_state.c */
/* fn on top of the newest state, and the next state put; again when somebody else put it first. Nothing is put when
 * nothing changed. When it fails the catalog beneath is as it was. */
int glue_change(struct catalog_glue *, int (*fn)(void *ctx, struct err *), void *ctx,
		struct err *) MUST_CHECK;
int glue_refresh(struct catalog_glue *, struct err *) MUST_CHECK;

/* -- catalog_glue_lock.c */
int glue_lock(struct catalog *, const struct table_def *, int64_t wait_us,
	      void (*on_wait)(void *, int64_t holder_pid), void *ctx, int *ret_handle,
	      struct err *) MUST_CHECK;
void glue_unlock(struct catalog *, int handle);
/* ERR_CONFLICT when a lock that was taken is not ours any more. */
int glue_check_locks(struct catalog_glue *, struct err *) MUST_CHECK;

/* -- catalog_glue_partitions.c: nothing without a database_prefix. */
/* The partitions of the change's published files are there, or were. */
int glue_partitions_add(struct catalog_glue *, const struct catalog_change *,
			struct err *) MUST_CHECK;
/* Those that the change is about to empty; then, once it has, they go. */
struct glue_partition {
	const char *values[TABLE_MAX_PARTITION];
};
int glue_partitions_emptied(struct catalog_glue *, const struct catalog_change *, struct arena *,
			    struct glue_partition **ret, size_t *ret_count,
			    struct err *) MUST_CHECK;
int glue_partitions_remove(struct catalog_glue *, const struct table_def *,
			   const struct glue_partition *, size_t n, struct err *) MUST_CHECK;

#endif
