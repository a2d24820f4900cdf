/* Backup: published files of the Bitcoin tables copied to another object store by workers that take messages
 * from a queue.
 *
 * A message is removed only after the copy was read back, its hash compared with what was read from the lake,
 * and its manifest is durable in the backup store. Copying again changes nothing, and a copy is never
 * overwritten, but for one that is not what its manifest says, by the object that is. In the backup store:
 *   data/<key>                the object
 *   manifest/<key>.json       {"key", "table", "scope", "bytes", "sha256", "rows", "first", "last", "copied_at",
 *                              "properties"}: first and last are the numbers in the file's name, properties
 *                              those of its scope when it was copied; what a restore needs
 *   left/<key>.json           {"left_at", "due_at"}: the object has left the lake (see retention_us)
 *   stream.json               {"stream"}: whose numbers they are (DELIVER_STREAM_MARK in deliver.h)
 *   marks.json                {"replay:<origin>": line, "collect:<source>/<pair>": slot}: how far recordings were
 *                              replayed and collectors came, as the catalog told it before a complete run began
 *
 * The catalog is used by one thread at a time (the calls below see to that among their own); everything else
 * must bear several. */
#ifndef PREGAO_BACKUP_H
#define PREGAO_BACKUP_H

#include <stdatomic.h>

#include "catalog.h"
#include "clock.h"
#include "delivery_stream.h"
#include "object_store.h"
#include "publish.h"
#include "queue.h"
#include "telemetry.h"

#define BACKUP_MARK "backup" /* the catalog's mark of the route to the backup's queue */

struct backup {
	struct object_store *from; /* the lake */
	struct object_store *to;   /* NULL (status, dry run): there is none yet */
	struct catalog *catalog;
	struct queue *queue; /* NULL: there is none yet (status, verify, restore, a dry run) */
	struct clock *clock;
	struct telemetry *telemetry; /* may be NULL */
	const char *run;             /* its id, for the log; may be NULL */
	const struct table_def *const *tables;
	size_t table_count;
	int workers;           /* 1 to 64 */
	int64_t visibility_us; /* 0: 60 s; extended while an object is being copied */
	/* How long copies of objects that left the lake are kept; 0: for ever. Only what a merge replaced ever
	 * goes: its range of numbers is covered by a live file of the same partition that has a copy itself, so
	 * that a lake which lost its files or its catalog never costs a copy. A copy goes no sooner than a day
	 * after the retention has passed since it was first seen to have left, and only when a run at least a day
	 * before found it due as well. The time it left counts from the newest time that the backup store
	 * knows when the clock is behind that, and a clock that is behind deletes nothing. So a clock that is
	 * wrong by up to a day, in whatever direction, for however long, never shortens the retention; one that is
	 * wrong by more does only if it stays so through two runs a day apart. */
	int64_t retention_us;
	/* Restore: the lake's own; NULL: it has none. Nobody appends to that of a lake without a delivery. */
	struct delivery_stream *stream;
	bool dry_run;      /* say what would be done (copied, restored, bytes), change nothing */
	atomic_bool *stop; /* heeded between objects; may be NULL */
	/* Called by one thread at a time; may be NULL. */
	void (*progress)(void *ctx, int64_t done, int64_t total, int64_t bytes);
	void *ctx;
};
struct backup_result {
	int64_t copied;
	int64_t unchanged; /* had an equal copy */
	int64_t failed;    /* objects, and messages that could not be understood, each once */
	int64_t gone;      /* left the lake before they were copied */
	int64_t expired;   /* copies deleted */
	int64_t bytes;     /* copied */
	char first_error[512];
};
/* Takes messages until there is none. everything: then also copies each live object that has no copy, so
 * that a lost message, a dead letter or an old lake is made up for; and looks after the retention. 0 also
 * when some failed: ret says how many; each was given back with a reason, to come again later or, where
 * that will not help, to die soon. ERR_CONFLICT for an object of whose name there is another copy: the old
 * one is kept. An error only when nothing can go on: the queue or the catalog fails, or the store fails for
 * one object after the other; ERR_CONFLICT when the store's copies are of another stream (below). */
int backup_run(const struct backup *, bool everything, struct backup_result *ret,
	       struct err *) MUST_CHECK;

struct backup_finding {
	const char *key;
	const char *problem; /* "missing", "size", "hash", "manifest", "unreadable", "not_copied" */
	const char *text;
	bool in_lake; /* the lake has the object: backup_mend may help, for not_copied backup_run */
};
/* Reads every copy and compares it with its manifest; every live object must have one. Findings, by key, are
 * data: 0 with *ret_count > 0. *ret_checked counts copies that were read. */
int backup_verify(const struct backup *, struct arena *, struct backup_finding **ret,
		  size_t *ret_count, int64_t *ret_checked, struct err *) MUST_CHECK;

/* Makes the copy and the manifest of one object of the lake what they should be: a copy that is missing or has
 * other bytes than its manifest says is put again where the lake's object still has the manifest's hash, a
 * damaged or missing manifest where the copy has the lake's. Where neither proves the lake's object right,
 * everything stays: ERR_CONFLICT. ERR_NOT_FOUND when the lake has not got it. */
int backup_mend(const struct backup *, const char *key, struct err *) MUST_CHECK;

struct backup_status {
	int64_t live, copied;             /* objects of the lake, of them with a copy */
	int64_t waiting, in_flight, dead; /* messages */
	int64_t copies, copied_bytes;     /* all copies, also of objects that left */
	int64_t last_us;                  /* when the newest copy was made; 0 never */
	bool other_stream;                /* they are of another one than the lake's files */
};
int backup_status(const struct backup *, struct backup_status *, struct err *) MUST_CHECK;

struct backup_restored {
	int64_t objects, rows, bytes; /* put back */
	int64_t present;              /* were there, with the same hash and rows */
	int64_t failed;               /* copy damaged, lake's rows other than the backup's, ... */
	int64_t unproven; /* partitions whose trade ids may be incomplete: see backup_restore */
	char first_error[512];
};
/* Numbers name rows of one stream only (DELIVER_STREAM_MARK in deliver.h). Copies of another one than the lake's, or of
 * several, are refused before anything is written: ERR_CONFLICT. A lake that has none takes the copies', unless its
 * spool has records of another one, which would pass for delivered.
 *
 * Puts back every object that the manifests tell and the lake has not, or has with other bytes than its hash,
 * and registers it in the catalog. Files whose range of numbers another copy of the same partition covers are
 * a merged one's parts and left out. Then the lake's part is proven equal to the backup: every such object is
 * in the catalog with the manifest's rows, and its bytes in the lake are read again and have the manifest's
 * hash. 0 also when some failed. Partitions get the properties that a manifest tells of exactly these files
 * (by content: rows and numbers); where none does, because later files were never copied, those of the
 * largest part, so that a trade may come twice but none is taken for known that is not there (unproven).
 * The stream's delivered mark becomes at least the highest number restored, in the first commit, and is
 * never lowered; the marks of replays and collectors follow when nothing failed. May be repeated after a death at any moment. */
int backup_restore(const struct backup *, const struct publish *, struct backup_restored *ret,
		   struct err *) MUST_CHECK;

#endif
