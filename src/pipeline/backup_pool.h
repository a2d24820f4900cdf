/* The backup's workers, for backup.c alone. */
#ifndef PREGAO_BACKUP_POOL_H
#define PREGAO_BACKUP_POOL_H

#include "backup_private.h"

struct backup_pool;
/* All three must outlive it. life: the stream that the store is known to be of; 0: not known. */
struct backup_pool *backup_pool_new(const struct backup *, const struct backup_staging *,
				    int64_t life, struct backup_result *) NEVER_NULL;
void backup_pool_free(struct backup_pool *);
/* An object to be copied that no message tells of. Not while it drains. */
void backup_pool_add(struct backup_pool *, const char *key);
/* About so many messages wait: for the progress only. */
void backup_pool_expect(struct backup_pool *, int64_t messages);
/* Whether the object failed in this run. */
bool backup_pool_failed(const struct backup_pool *, const char *key);
/* Works until there is nothing more, or backup's stop; what it did is in the result. An error when nothing
 * can go on: queue, catalog or store fail. Objects that fail are no error. */
int backup_pool_drain(struct backup_pool *, struct err *) MUST_CHECK;

#endif
