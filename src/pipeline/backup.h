/* Backup: published files of the Bitcoin tables copied to another object store by workers that take messages
 * from a queue.
 *
 * A message is removed only after the copy's hash was checked against what was read and its manifest is durable in
 * the backup store. Copying again changes nothing. In the backup store:
 *   data/<key>                the object
 *   manifest/<key>.json       {"key", "table", "scope", "bytes", "sha256", "rows", "low", "high", "copied_at"} */
#ifndef PREGAO_BACKUP_H
#define PREGAO_BACKUP_H

#include <stdatomic.h>

#include "catalog.h"
#include "clock.h"
#include "object_store.h"
#include "publish.h"
#include "queue.h"
#include "telemetry.h"

struct backup {
	struct object_store *from; /* the lake */
	struct object_store *to;
	struct catalog *catalog;
	struct queue *queue;
	struct clock *clock;
	struct telemetry *telemetry; /* may be NULL */
	const char *run;
	const struct table_def *const *tables;
	size_t table_count;
	int workers;           /* 1 to 64 */
	int64_t visibility_us; /* 0: 60 s; extended while an object is being copied */
	int64_t retention_us; /* copies of objects that left the lake are kept at least this long after that was
				  seen; 0: for ever */
	atomic_bool *stop;
	void (*progress)(void *ctx, int64_t done, int64_t total, int64_t bytes);
	void *ctx;
};
struct backup_result {
	int64_t copied, unchanged, failed, gone, bytes, expired;
	char first_error[512];
};
/* Takes messages until there is none (everything: sends itself one for each live object that has no manifest
 * first, so that a lost message or an old lake is made up for). 0 also when some failed: ret says how many. */
int backup_run(const struct backup *, bool everything, struct backup_result *ret,
	       struct err *) MUST_CHECK;

struct backup_finding {
	const char *key;
	const char *problem; /* "missing", "size", "hash", "manifest", "not_copied" */
	const char *text;
};
/* Reads every copy and compares it with its manifest; every live object must have one. Findings are data:
 * 0 with *ret_count > 0. */
int backup_verify(const struct backup *, struct arena *, struct backup_finding **ret,
		  size_t *ret_count, int64_t *ret_checked, struct err *) MUST_CHECK;
struct backup_status {
	int64_t live, copied, waiting, in_flight,
		dead;                  /* objects of the lake, of them with a copy; messages */
	int64_t copied_bytes, last_us; /* when the newest copy was made; 0 never */
};
int backup_status(const struct backup *, struct backup_status *, struct err *) MUST_CHECK;
/* Puts back every object that the manifests tell and the lake has not, registers it in the catalog, and proves that
 * the lake's part equals the backup (hashes and rows). Files whose sequence range another file of the same partition covers are merged ones'
 * parts and are left out. */
struct backup_restored {
	int64_t objects, rows, bytes, present;
};
int backup_restore(const struct backup *, const struct publish *, struct backup_restored *ret,
		   struct err *) MUST_CHECK;

#endif
