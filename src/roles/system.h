/* The composition root: opens the drivers of all ports for one lake. system.c is the only file that
 * names drivers; everything else knows the ports. Parts are opened when first asked for, so that
 * `pregao queue list` does not load DuckDB. */
#ifndef PREGAO_SYSTEM_H
#define PREGAO_SYSTEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "catalog.h"
#include "clock.h"
#include "conf.h"
#include "deliver.h"
#include "delivery_stream.h"
#include "guard.h"
#include "job_engine.h"
#include "object_store.h"
#include "parquet.h"
#include "publish.h"
#include "query_engine.h"
#include "queue.h"
#include "scheduler.h"
#include "telemetry.h"

enum system_mode {
	/* changes nothing that readers could see; a lake that does not exist is an empty one; works
	 * on read-only media */
	SYSTEM_READ,
	/* The same for system_query_locked: nothing is open that could be written, telemetry
	 * neither. */
	SYSTEM_QUERY,
	SYSTEM_WRITE, /* makes the lake when it does not exist */
	/* The same, and DuckDB will be needed: it begins to load at once, on a thread of its own,
	 * while the rest is opened. */
	SYSTEM_WORK,
	/* No lake: the catalog knows the tables and has no rows, and AWS does what is asked for. For functions that
	 * only pass something on. */
	SYSTEM_REMOTE,
};
struct system_options {
	const char *
		lake; /* folder or s3://bucket/prefix; not NULL, but not looked at in SYSTEM_REMOTE */
	const char *definitions; /* the user's own definitions; NULL: XDG_DATA_HOME/pregao */
	const char *role;        /* who is speaking in the log: "cli", later each role's name */
	const struct conf *conf;
	enum system_mode mode;
	bool fetches; /* something from the network: what that needs begins to load, too */
	/* No thread is made before one is needed: DuckDB is loaded by the first use of it. For whoever
	 * enters a sandbox after the opening. */
	bool no_threads;
	int64_t duckdb_bytes; /* memory of the DuckDB in this process; 0: half of the machine's */
	bool catalog_reads;   /* in SYSTEM_WRITE: the catalog is opened for reading all the same */
	/* may be NULL; copied: asked before each use of a port that tells rights apart: guard.h */
	const struct guard *guard;
	/* set, it ends a job's run that is under way soon: another worker goes on. May be NULL. */
	const atomic_bool *stop;
	/* another writer is waited for; may be NULL */
	void (*on_wait)(void *ctx, int64_t holder_pid);
	void *ctx;
};
struct system;
/* Opens the object store, the catalog (with every known table in it) and telemetry. The options'
 * strings and conf must live on. ERR_DENIED, ERR_LIMIT, ERR_IO; ERR_NOT_FOUND never. */
int system_open(const struct system_options *, struct system **ret, struct err *) MUST_CHECK;
/* Closes everything in order; records still held by telemetry are written. NULL is fine. */
void system_free(struct system *);

const char *system_lake(const struct system *);   /* as lake_place.h has its text */
const char *system_folder(const struct system *); /* what of the lake is on this machine */
/* Whether there is a lake at all (SYSTEM_READ of a missing folder: no). */
bool system_lake_exists(const struct system *);
/* There was data but no catalog when the system was opened: somebody lost state/. */
bool system_state_lost(const struct system *);
struct clock *system_clock(struct system *);
struct object_store *system_store(struct system *);
struct catalog *system_catalog(struct system *);
/* never NULL in SYSTEM_WRITE; NULL is fine for every telemetry call */
struct telemetry *system_telemetry(struct system *);
void system_mirror_log(struct system *, int fd); /* each log event also as a JSON line on fd */
struct publish system_publish(struct system *);  /* with parquet, which begins to load DuckDB */
/* The queue of created objects (raw/): what the activator receives from. SYSTEM_READ: *ret is NULL
 * when there is none yet. */
int system_queue(struct system *, struct queue **ret, struct err *) MUST_CHECK;
/* By the name that rights call it by: "raw-created", "backup", "scheduled". */
int system_named_queue(struct system *, const char *name, struct queue **ret,
		       struct err *) MUST_CHECK;
/* Where DuckDB's library lies, as far as that is no folder of the operating system; or NULL. */
const char *system_duckdb_folder(struct arena *);
/* The backup's queue, and its store in a folder (see backup_place.h), opened once. *ret is NULL when there is
 * none yet: of the queue in SYSTEM_READ, of the store unless create. */
int system_backup_queue(struct system *, struct queue **ret, struct err *) MUST_CHECK;
int system_backup_store(struct system *, const char *path, bool create, struct object_store **ret,
			struct err *) MUST_CHECK;
/* The Bitcoin delivery stream, opened once. STREAM_APPEND: ERR_CONFLICT when another process appends,
 * and when the lake's files show that its catalog was lost. STREAM_HOLD: nobody else appends. STREAM_READ: status and
 * tail. */
enum stream_use { STREAM_APPEND, STREAM_HOLD, STREAM_DELIVER, STREAM_READ };
int system_stream(struct system *, enum stream_use, struct delivery_stream **ret,
		  struct err *) MUST_CHECK;
/* What a deliverer of that stream needs; run (for the log) is borrowed. */
struct deliver system_deliver(struct system *, struct delivery_stream *, const char *run);
/* The catalog once more, for another thread: a handle serves one thread at a time. The caller frees it
 * before the system. */
int system_catalog_again(struct system *, struct catalog **ret, struct err *) MUST_CHECK;
/* Tells the queues of every raw object created since the last time, where the store does not do so
 * itself. The catalog: the system's, or the calling thread's own. */
int system_relay(struct system *, struct catalog *, struct err *) MUST_CHECK;
/* The scheduler with the configuration's schedules and calendar, and the queue that its messages
 * go to. SYSTEM_READ: scheduler_next and scheduler_slots only; *ret of the queue is NULL when there is
 * none yet. ERR_USAGE with the place of a setting that is wrong. */
int system_scheduler(struct system *, struct scheduler **ret, struct err *) MUST_CHECK;
int system_scheduled_queue(struct system *, struct queue **ret, struct err *) MUST_CHECK;
/* Opens what a pass is going to need anyway, while DuckDB is still loading. Optional; what is wrong
 * is told by the first use. */
void system_warm(struct system *);
int system_job_engine(struct system *, struct job_engine **ret, struct err *) MUST_CHECK;
/* SYSTEM_REMOTE: the engine of one job, as Glue has it under the name of [aws] glue_job. */
int system_deployed_job(struct system *, const char *job, struct job_engine **ret,
			struct err *) MUST_CHECK;
/* For the program's own statements, in this process. */
int system_query(struct system *, struct query_engine **ret, struct err *) MUST_CHECK;
/* For somebody else's statements: to be called in the worker process that sql_worker.c makes. Opens
 * DuckDB in the calling thread, takes away this process's rights but for reading the lake's tables
 * and writing temp_dir, locks the configuration, and says what the kernel could not hold. */
struct sandbox_report;
int system_query_locked(struct system *, const char *temp_dir, struct query_engine **ret,
			struct sandbox_report *ret_report, struct err *) MUST_CHECK;

#endif
