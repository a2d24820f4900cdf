/* What the backup's files share; nobody else includes it. backup_pool.c: workers and messages.
 * backup_copy.c: one object. backup_manifest.c: what is where in the backup store. backup_marks.c: what only the catalog knows. backup_lake.c: what is live.
 * backup_content.c: a restored partition's properties. backup_retention.c, backup_verify.c, backup_restore.c: one job
 * each. */
#ifndef PREGAO_BACKUP_PRIVATE_H
#define PREGAO_BACKUP_PRIVATE_H

#include <pthread.h>

#include "backup.h"
#include "bitcoin_content.h"
#include "hash.h"
#include "json.h"

/* -- what is where ----------------------------------------------------------------------------- */

struct backup_manifest {
	const char *key;
	const char *table; /* "raw.bitcoin_ticks" */
	const char *scope, *properties;
	char sha256[HASH_HEX_SIZE];
	int64_t bytes, rows;
	int64_t first, last; /* numbers in the file's name; 0, 0: it has none */
	int64_t copied_us;
};
const char *backup_data_key(struct arena *, const char *key);
const char *backup_manifest_key(struct arena *, const char *key);
/* The numbers in "<location>/<scope>/<first>-<last>.parquet"; 0, 0 when it is not named so. */
void backup_range_of(const char *key, int64_t *ret_first, int64_t *ret_last);
/* Both know their numbers, and the inner's are the outer's or a part of them. */
bool backup_covers(int64_t outer_first, int64_t outer_last, int64_t inner_first,
		   int64_t inner_last);
/* ERR_NOT_FOUND; ERR_INPUT when it is damaged, or tells of another object. */
int backup_manifest_get(struct object_store *, const char *key, struct arena *,
			struct backup_manifest *ret, struct err *) MUST_CHECK;
/* All that can be read, by key, a few at a time; bad (may be NULL) is told of the others, by one thread at a
 * time. */
int backup_manifest_all(const struct backup *, struct arena *,
			void (*bad)(void *ctx, const char *key, const struct err *), void *ctx,
			struct backup_manifest **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* if_absent: ERR_CONFLICT when there is one. */
int backup_manifest_put(struct object_store *, const struct backup_manifest *, bool if_absent,
			struct err *) MUST_CHECK;

/* The stream (stream_status.life) that properties tell of; 0: of none, -1: not to be understood. */
int64_t backup_stream_of(const char *properties);
/* ERR_CONFLICT when the store is another stream's; one that is nobody's becomes this one's when claimed. */
int backup_stream_check(const struct backup *, int64_t life, bool claim, struct err *) MUST_CHECK;

/* The catalog's marks of replays and collectors, a JSON object; the caller's to free, also on failure. */
int backup_marks_read(struct catalog *, json_t **ret, struct err *) MUST_CHECK;
/* Raises those in the backup store: what they tell of must have its copies. */
int backup_marks_put(const struct backup *, json_t *marks, struct err *) MUST_CHECK;
/* Raises the catalog's: everything they tell of must be in the lake. ERR_INPUT when they are damaged. */
int backup_marks_restore(const struct backup *, struct err *) MUST_CHECK;

/* The objects below one of the prefixes ("data/", "manifest/", "left/"), by the lake's key. */
struct backup_entry {
	const char *key;
	int64_t bytes, modified_us;
};
struct backup_entries {
	struct backup_entry *list; /* by key; in the arena */
	size_t count;
};
enum backup_part { BACKUP_DATA, BACKUP_MANIFEST, BACKUP_LEFT };
int backup_list(const struct backup *, enum backup_part, struct arena *, struct backup_entries *ret,
		struct err *) MUST_CHECK;
const struct backup_entry *backup_find(const struct backup_entries *, const char *key);

/* Live published files of all the backup's tables, by key. */
struct backup_live {
	const char *key;
	const struct table_def *table;
	const char *scope;
	int64_t rows, bytes;
};
int backup_live_all(const struct backup *, struct arena *, struct backup_live **ret,
		    size_t *ret_count, struct err *) MUST_CHECK;
const struct backup_live *backup_live_find(const struct backup_live *, size_t n, const char *key);
/* Those of them that lie in the key's folder: its partition's files. *ret_count may be 0. */
const struct backup_live *backup_live_beside(const struct backup_live *, size_t n, const char *key,
					     size_t *ret_count);
/* The files of one partition, by key, as the catalog has them now; none for a key that is of no table. */
int backup_live_now(const struct backup *, const char *key, struct arena *,
		    struct backup_live **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* One of them, as the catalog has it now; ERR_NOT_FOUND when it is not live. */
int backup_live_one(const struct backup *, const char *key, struct arena *, struct backup_live *ret,
		    struct err *) MUST_CHECK;
const struct table_def *backup_table_of(const struct backup *, const char *key);

/* -- bytes ------------------------------------------------------------------------------------- */

/* Reads an object in pieces and hashes it; fd >= 0: also writes it there. ERR_RETRY when it changed
 * meanwhile. */
int backup_read(struct object_store *, const char *key, int fd, int64_t *ret_bytes,
		char sha256[HASH_HEX_SIZE], struct err *) MUST_CHECK;
/* fn again while it says ERR_RETRY, a few times. */
int backup_try(const struct backup *, int (*fn)(void *ctx, struct err *), void *ctx,
	       struct err *) MUST_CHECK;
bool backup_stopped(const struct backup *);

/* -- copying ----------------------------------------------------------------------------------- */

/* A folder for objects on their way: in the backup store's staging folder. */
struct backup_staging {
	char *dir;
	int lock_fd;
};
int backup_staging_open(const struct backup *, struct backup_staging *ret, struct err *) MUST_CHECK;
void backup_staging_close(struct backup_staging *);

enum backup_outcome { BACKUP_COPIED, BACKUP_UNCHANGED, BACKUP_GONE };
struct backup_copier {
	const struct backup *with;
	const struct backup_staging *staging;
	pthread_mutex_t *catalog; /* held around every call of the catalog */
	int64_t life;             /* the stream that the store is known to be of; 0: not known */
	bool reads; /* the copy that is there, too: one of the right size may have other bytes */
};
/* Everything from the lake's object to the durable manifest, for one key. */
int backup_copy(const struct backup_copier *, const char *key, enum backup_outcome *ret,
		int64_t *ret_bytes, struct err *) MUST_CHECK;

/* -- restoring --------------------------------------------------------------------------------- */

/* Of the properties told (JSON texts) those whose content is the whole; else those of the largest part, with the
 * whole's content. *ret_doubtful: else, and they tell of trades. */
const char *backup_content_properties(struct arena *, const struct bitcoin_content *whole,
				      const char *const *told, size_t n, bool *ret_doubtful);

/* -- retention --------------------------------------------------------------------------------- */

/* Looks after the copies of objects that left the lake (backup.h, retention_us). */
int backup_expire(const struct backup *, int64_t *ret_expired, struct err *) MUST_CHECK;

#endif
