/* The composition root: which driver stands behind which port. No other file names a driver.
 */
#include "system.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "bitcoin.h"
#include "bitcoin_live.h"
#include "catalog_glue.h"
#include "catalog_sqlite.h"
#include "definitions.h"
#include "delivery_stream_spool.h"
#include "duckdb_host.h"
#include "file.h"
#include "http.h"
#include "job_engine_duckdb.h"
#include "job_engine_glue.h"
#include "lake_place.h"
#include "object_store_fs.h"
#include "object_store_s3.h"
#include "parquet_duckdb.h"
#include "query_engine_duckdb.h"
#include "queue_sqlite.h"
#include "sandbox.h"
#include "scheduler_sqlite.h"
#include "schedules.h"
#include "store_helper.h"
#include "telemetry_sqlite.h"
#include "trigger.h"

#define QUEUE_OF_CREATED_OBJECTS "raw-created"
#define QUEUE_OF_SCHEDULES       "scheduled"
#define QUEUE_OF_BACKUP          "backup"
#define BITCOIN_STREAM           "bitcoin"
/* in the SQL worker; the machine may have more, other people's work too */
#define SQL_THREADS 2

struct system {
	struct system_options options;
	struct guard guard; /* what options.guard is, if anything */
	struct arena *arena;
	struct lake_place place;
	bool exists, state_lost;
	struct aws *aws;            /* of a lake in a bucket */
	struct object_store *asked; /* what a helper process fetches for this one */
	struct object_store *store;
	struct catalog *catalog;
	struct telemetry *telemetry;
	struct queue *queue;
	struct queue *scheduled;
	struct queue *backup_queue;
	struct object_store *backup_store;
	struct scheduler *scheduler;
	struct b3_calendar *calendar;
	struct delivery_stream *stream;
	struct bitcoin_live live;
	struct live_rows live_rows;
	struct duckdb_host *host;
	struct parquet *parquet;
	struct job_engine *jobs;
	struct query_engine *query;
};

static bool writes(const struct system *s)
{
	return s->options.mode == SYSTEM_WRITE || s->options.mode == SYSTEM_WORK;
}

static struct duckdb_host *host(struct system *s)
{
	if (!s->host)
		s->host = duckdb_host_start(&(struct duckdb_host_options){
			.temp_dir = s->exists ? s->place.scratch : NULL,
			.memory_limit_bytes = s->options.duckdb_bytes,
			.background = !s->options.no_threads});
	return s->host;
}

/* What several machines write is one thing, wherever they keep their copies of it. */
static int open_state(struct system *s, bool read_only, struct catalog **ret, struct err *e)
{
	static const struct catalog_state_ops beneath = {catalog_sqlite_save, catalog_sqlite_load,
							 catalog_sqlite_written};
	int rc = catalog_sqlite_open(s->exists ? s->place.state : NULL, &clock_system, read_only,
				     ret, e);
	if (rc || !s->place.bucket || !s->exists || read_only)
		return rc;
	const char *databases = conf_text(s->options.conf, "aws", "database_prefix");
	*ret = catalog_glue_new(*ret, &(struct catalog_glue_options){
					      .store = s->store,
					      .folder = s->place.state,
					      .clock = &clock_system,
					      .beneath = &beneath,
					      .aws = s->aws,
					      .database_prefix = *databases ? databases : NULL,
					      .bucket = s->place.bucket,
					      .prefix = s->place.prefix});
	return OK;
}

/* Before anybody looks at this machine's copy. */
static int fetch_state(struct system *s, struct err *e)
{
	struct catalog *catalog;
	int64_t generation;
	int rc = catalog_glue_generation(s->store, &generation, e);
	if (rc || !generation)
		return rc;
	s->exists = true;
	rc = file_mkdirs(s->place.state, true, e);
	if (rc == OK)
		rc = open_state(s, false, &catalog, e);
	if (rc)
		return rc;
	rc = catalog_glue_refresh(catalog, e);
	catalog_free(catalog);
	return rc;
}

static int try_catalog(struct system *s, bool read_only, struct err *e)
{
	int rc = open_state(s, read_only, &s->catalog, e);
	if (rc)
		return rc;
	const struct table_def *const *tables;
	size_t count;
	rc = definitions_tables(s->options.definitions, s->arena, &tables, &count, e);
	return rc ? rc : catalog_put_tables(s->catalog, tables, count, e);
}

static int open_catalog(struct system *s, struct err *e)
{
	bool writable = s->exists && access(s->place.state, W_OK) == 0;
	bool queries = s->options.mode == SYSTEM_QUERY;
	if (s->options.catalog_reads) {
		int rc = try_catalog(s, true, e);
		return rc == ERR_DENIED && s->catalog ? OK : rc;
	}
	int rc = try_catalog(s, !writes(s) && (queries || !writable), e);
	if (rc && rc != ERR_INPUT && queries && writable) {
		/* A table that the catalog does not know yet, or a schema of before: somebody has
		 * to write it down first. */
		catalog_free(s->catalog);
		s->catalog = NULL;
		rc = try_catalog(s, false, e);
		if (rc == 0) {
			catalog_free(s->catalog);
			s->catalog = NULL;
			rc = try_catalog(s, true, e);
		}
	}
	/* A reader without the right to write lives with the tables that are there. */
	return rc == ERR_DENIED && s->catalog && !writes(s) ? 0 : rc;
}

static void begin_to_load(struct system *s)
{
	/* The zone database is read while there is one thread only: it needs the environment, which
	 * threads must not share. */
	int32_t day;
	struct err ignored = ERR_INIT;
	int rc = time_date_in_sao_paulo(clock_now_us(&clock_system), &day, &ignored);
	(void)rc; /* who needs the date asks again and is told */
	host(s);
	if (s->options.fetches)
		http_curl_preload();
}

/* A store in a bucket is opened for whoever only reads, too: it may have data, though this machine knows
 * nothing of it. */
static int open_store(struct system *s, struct err *e)
{
	if (!s->place.bucket)
		return s->exists ? object_store_fs_open(s->place.folder, writes(s), &s->store, e)
				 : OK;
	int rc = aws_new(NULL, &s->aws, e);
	if (rc == OK)
		rc = object_store_s3_open(
			&(struct object_store_s3_options){
				.aws = s->aws,
				.bucket = s->place.bucket,
				.prefix = s->place.prefix,
				.scratch = s->place.scratch,
				.cache = s->place.cache,
				.cache_bytes = conf_int(s->options.conf, "lake", "cache"),
			},
			&s->store, e);
	return rc;
}

static int found_one(void *ctx, const struct object_info *info)
{
	*(bool *)ctx = true;
	return 1;
}

static int look_for_data(struct system *s, struct err *e)
{
	if (!s->place.bucket) {
		s->state_lost = access(arena_printf(s->arena, "%s/raw", s->place.folder), F_OK) ==
				0;
		return OK;
	}
	int rc = object_store_list(s->store, "raw/", NULL, found_one, &s->state_lost, e);
	return s->state_lost ? OK : rc;
}

static int open_parts(struct system *s, struct err *e)
{
	struct stat st;
	if (stat(s->place.folder, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "the lake %s is no folder", s->place.folder);
	/* An empty file is what a disk leaves of a lost one; a catalog that is being made is empty
	 * for a moment, but then there is no data. */
	const char *catalog = arena_printf(s->arena, "%s/catalog.sqlite", s->place.state);
	s->exists = writes(s) || access(s->place.state, F_OK) == 0;
	if (s->options.mode == SYSTEM_WORK)
		begin_to_load(s);
	int rc = open_store(s, e);
	if (rc == OK && s->place.bucket)
		rc = fetch_state(s, e);
	if (rc == OK && (stat(catalog, &st) != 0 || st.st_size == 0))
		rc = look_for_data(s, e);
	if (rc == OK && s->store && s->options.guard)
		s->store = guard_object_store(s->store, s->options.guard);
	if (rc == OK)
		rc = open_catalog(s, e);
	if (rc == OK && s->options.guard)
		s->catalog = guard_catalog(s->catalog, s->options.guard);
	if (rc || !s->exists || s->options.mode == SYSTEM_QUERY)
		return rc;
	/* Telemetry must not stand in the way: without it the work goes on. */
	struct err ignored = ERR_INIT;
	int64_t limit = conf_int(s->options.conf, "telemetry", "limit");
	if (telemetry_sqlite_open(arena_printf(s->arena, "%s/telemetry.sqlite", s->place.state),
				  s->options.role, limit, &clock_system, &s->telemetry,
				  &ignored) != 0)
		s->telemetry = NULL;
	return OK;
}

int system_open(const struct system_options *o, struct system **ret, struct err *e)
{
	struct system *s = NEW(struct system);
	s->options = *o;
	if (o->guard) {
		s->guard = *o->guard;
		s->options.guard = &s->guard;
	}
	s->arena = arena_new();
	bool remote = o->mode == SYSTEM_REMOTE;
	int rc = remote ? OK : lake_place_find(o->lake, s->arena, &s->place, e);
	if (rc == OK)
		rc = remote ? try_catalog(s, false, e) : open_parts(s, e);
	if (rc) {
		err_where(e, remote ? "AWS" : o->lake);
		system_free(s);
		return rc;
	}
	*ret = s;
	return OK;
}

/* Closing a database brings its log home, and waits for the disk. */
static int free_part(void *ctx, size_t i, struct err *e)
{
	struct system *s = ctx;
	if (i == 0)
		catalog_free(s->catalog);
	else if (i == 1)
		queue_free(s->queue);
	else
		telemetry_free(s->telemetry);
	return OK;
}

void system_free(struct system *s)
{
	if (!s)
		return;
	scheduler_free(s->scheduler);
	b3_calendar_free(s->calendar);
	queue_free(s->scheduled);
	queue_free(s->backup_queue);
	object_store_free(s->backup_store);
	query_engine_free(s->query);
	job_engine_free(s->jobs);
	delivery_stream_free(s->stream);
	parquet_free(s->parquet);
	/* A process that opened DuckDB ends when its system does. */
	duckdb_host_abandon(s->host);
	int rc = parallel_for(3, writes(s) ? 3 : 1, free_part, s, NULL);
	(void)rc;
	object_store_free(s->asked);
	object_store_free(s->store);
	aws_free(s->aws);
	arena_free(s->arena);
	free(s);
}

const char *system_lake(const struct system *s)
{
	return s->place.text;
}

const char *system_folder(const struct system *s)
{
	return s->place.folder;
}

bool system_lake_exists(const struct system *s)
{
	return s->exists;
}

bool system_state_lost(const struct system *s)
{
	return s->state_lost;
}

struct clock *system_clock(struct system *s)
{
	return &clock_system;
}

struct object_store *system_store(struct system *s)
{
	return s->store;
}

struct catalog *system_catalog(struct system *s)
{
	return s->catalog;
}

struct telemetry *system_telemetry(struct system *s)
{
	return s->telemetry;
}

void system_mirror_log(struct system *s, int fd)
{
	if (s->telemetry)
		telemetry_sqlite_mirror(s->telemetry, fd, LOG_LEVEL_DEBUG);
}

/* A reader finds no queue where none was ever written to. */
static int open_queue(struct system *s, const char *name, struct queue **queue, struct err *e)
{
	/* Roles ask many times a second. */
	if (*queue)
		return OK;
	AUTO_ARENA struct arena *arena = arena_new();
	const char *dir = arena_printf(arena, "%s/queue", s->place.state);
	const char *path = arena_printf(arena, "%s/%s.sqlite", dir, name);
	int rc = OK;
	if (!writes(s) && access(path, F_OK) != 0)
		return OK;
	if (writes(s))
		rc = file_mkdirs(dir, true, e);
	if (rc == OK)
		rc = queue_sqlite_open(path, name,
				       (int)conf_int(s->options.conf, "queue", "max_receives"),
				       &clock_system, queue, e);
	if (rc == OK && s->options.guard)
		*queue = guard_queue(*queue, s->options.guard);
	return rc;
}

int system_queue(struct system *s, struct queue **ret, struct err *e)
{
	int rc = open_queue(s, QUEUE_OF_CREATED_OBJECTS, &s->queue, e);
	*ret = s->queue;
	return rc;
}

int system_backup_queue(struct system *s, struct queue **ret, struct err *e)
{
	int rc = open_queue(s, QUEUE_OF_BACKUP, &s->backup_queue, e);
	*ret = s->backup_queue;
	return rc;
}

int system_backup_store(struct system *s, const char *path, bool create, struct object_store **ret,
			struct err *e)
{
	int rc = OK;
	if (!s->backup_store && (create || access(path, F_OK) == 0))
		rc = object_store_fs_open(path, create, &s->backup_store, e);
	*ret = s->backup_store;
	return rc;
}

int system_scheduled_queue(struct system *s, struct queue **ret, struct err *e)
{
	int rc = open_queue(s, QUEUE_OF_SCHEDULES, &s->scheduled, e);
	*ret = s->scheduled;
	return rc;
}

int system_named_queue(struct system *s, const char *name, struct queue **ret, struct err *e)
{
	if (strcmp(name, QUEUE_OF_CREATED_OBJECTS) == 0)
		return system_queue(s, ret, e);
	if (strcmp(name, QUEUE_OF_BACKUP) == 0)
		return system_backup_queue(s, ret, e);
	if (strcmp(name, QUEUE_OF_SCHEDULES) == 0)
		return system_scheduled_queue(s, ret, e);
	return err_set(e, ERR_BUG, "no queue is called %s", name);
}

const char *system_duckdb_folder(struct arena *arena)
{
	return duckdb_host_folder(arena);
}

static bool is_session(void *ctx, int32_t day)
{
	return b3_calendar_is_session(ctx, day);
}

/* Machines with the same configuration should not all ask at the same second. */
static int64_t jitter_seed(const struct system *s)
{
	char host[256] = "";
	int64_t seed = conf_int(s->options.conf, "scheduler", "seed");
	if (seed)
		return seed;
	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = 0;
	return str_hash(host, strlen(host));
}

int system_scheduler(struct system *s, struct scheduler **ret, struct err *e)
{
	struct schedule *schedules;
	size_t count;
	struct queue *queue = NULL;
	int rc = OK;
	if (!s->scheduler) {
		rc = schedules_load(s->options.conf, s->arena, &schedules, &count, e);
		if (rc == OK && !s->calendar)
			rc = schedules_calendar(s->options.conf, &s->calendar, e);
		if (rc == OK)
			rc = system_scheduled_queue(s, &queue, e);
		if (rc)
			return rc;
		struct scheduler_sqlite_options o = {
			.path = s->exists ? arena_printf(s->arena, "%s/scheduler.sqlite",
							 s->place.state)
					  : NULL,
			.read_only = !writes(s),
			.schedules = schedules,
			.count = count,
			.is_session = is_session,
			.ctx = s->calendar,
			.seed = jitter_seed(s),
			.clock = &clock_system,
			.queue = queue};
		rc = scheduler_sqlite_open(&o, &s->scheduler, e);
		if (rc == OK && s->options.guard)
			s->scheduler = guard_scheduler(s->scheduler, s->options.guard);
	}
	*ret = s->scheduler;
	return rc;
}

/* What happens to the spool is for the log: it is not this call's failure. */
static void stream_note(void *ctx, const char *event, const char *text)
{
	struct system *s = ctx;
	telemetry_log(s->telemetry, LOG_LEVEL_ERROR, NULL, event, text, NULL, 0);
}

static const char *stream_folder(const struct system *s)
{
	return arena_printf(s->arena, "%s/stream/%s", s->place.state, BITCOIN_STREAM);
}

/* Records that begin a stream have nowhere to go while files of another one lie in their place. What a spool has is
 * kept, and waits: the deliverer looks for itself. */
static int check_begun_anew(struct system *s, struct err *e)
{
	struct stream_status status;
	int rc = delivery_stream_status(s->stream, &status, e);
	return rc || status.last_seq ? rc : deliver_check_first(s->store, e);
}

int system_stream(struct system *s, enum stream_use use, struct delivery_stream **ret,
		  struct err *e)
{
	static const enum spool_mode modes[] = {[STREAM_APPEND] = SPOOL_APPEND,
						[STREAM_HOLD] = SPOOL_APPEND,
						[STREAM_DELIVER] = SPOOL_DELIVER,
						[STREAM_READ] = SPOOL_READ};
	int rc = OK;
	if (!s->stream) {
		const char *dir = stream_folder(s);
		if (use != STREAM_READ)
			rc = file_mkdirs(dir, true, e);
		struct spool_options o = {
			.dir = dir,
			.name = BITCOIN_STREAM,
			.mode = modes[use],
			.clock = &clock_system,
			.segment_bytes = conf_int(s->options.conf, "stream", "segment"),
			.age_us = conf_duration_us(s->options.conf, "stream", "age"),
			.limit_bytes = conf_int(s->options.conf, "stream", "limit"),
			.note = stream_note,
			.ctx = s};
		if (rc == OK && modes[use] == SPOOL_APPEND)
			rc = catalog_mark_get(s->catalog, DELIVER_MARK, &o.after, e);
		if (rc == OK && modes[use] == SPOOL_APPEND)
			rc = catalog_mark_get(s->catalog, DELIVER_STREAM_MARK, &o.life, e);
		if (rc == OK)
			rc = delivery_stream_spool_open(&o, &s->stream, e);
		if (rc == OK && s->options.guard)
			s->stream = guard_delivery_stream(s->stream, s->options.guard);
		if (rc == ERR_CONFLICT)
			err_wrap(
				e,
				"another pregao collects or replays into this lake; end it first, or use another lake");
		/* A role may not look; `up` did. */
		if (rc == OK && use == STREAM_APPEND && !o.life && !s->options.guard)
			rc = check_begun_anew(s, e);
	}
	*ret = s->stream;
	return rc;
}

int system_catalog_again(struct system *s, struct catalog **ret, struct err *e)
{
	return open_state(s, false, ret, e);
}

struct deliver system_deliver(struct system *s, struct delivery_stream *stream, const char *run)
{
	return (struct deliver){.stream = stream,
				.publish = system_publish(s),
				.telemetry = s->telemetry,
				.run = run,
				.clock = &clock_system,
				.settle_us = conf_duration_us(s->options.conf, "stream", "settle")};
}

int system_relay(struct system *s, struct catalog *catalog, struct err *e)
{
	static const char *const everything[] = {TRIGGER_RAW};
	const char *backed_up[BITCOIN_KINDS];
	for (size_t i = 0; i < BITCOIN_KINDS; i++)
		backed_up[i] = bitcoin_tables[i]->location;
	struct trigger_route routes[] = {
		{.mark = TRIGGER_MARK, .prefixes = everything, .prefix_count = 1},
		{.mark = BACKUP_MARK, .prefixes = backed_up, .prefix_count = BITCOIN_KINDS}};
	int64_t sent;
	/* The store tells its queues itself. */
	if (object_store_notifies(s->store))
		return OK;
	int rc = system_queue(s, &routes[0].queue, e);
	if (rc == OK)
		rc = system_backup_queue(s, &routes[1].queue, e);
	return rc ? rc
		  : trigger_relay_routes(catalog, routes, ARRAY_LEN(routes), s->place.text, &sent,
					 e);
}

/* Each waits for the disk more than it computes. */
static int warm_part(void *ctx, size_t i, struct err *e)
{
	struct system *s = ctx;
	struct queue *queue;
	struct job_status *statuses;
	size_t count;
	if (i == 0)
		return system_queue(s, &queue, e);
	AUTO_ARENA struct arena *arena = arena_new();
	return job_engine_list(s->jobs, 1, arena, &statuses, &count, e);
}

void system_warm(struct system *s)
{
	struct err ignored = ERR_INIT;
	struct job_engine *jobs = NULL;
	int rc = system_job_engine(s, &jobs, &ignored);
	if (rc == OK)
		rc = parallel_for(2, 2, warm_part, s, &ignored);
	(void)rc; /* whoever needs one asks again and is told */
}

/* What is wrong with DuckDB is told by the first write. */
static struct parquet *parquet(struct system *s)
{
	if (!s->parquet)
		s->parquet = parquet_duckdb_new(host(s));
	return s->parquet;
}

struct publish system_publish(struct system *s)
{
	return (struct publish){.store = s->store,
				.catalog = s->catalog,
				.parquet = parquet(s),
				.clock = &clock_system,
				.lock_wait_us =
					conf_duration_us(s->options.conf, "lake", "lock_wait"),
				.on_wait = s->options.on_wait,
				.ctx = s->options.ctx};
}

/* The folders that tables are read from: below the lake the first segment of each table's location, of a
 * bucket the local copies. */
static const char *const *table_folders(struct system *s, struct err *e)
{
	struct table_def **tables;
	size_t count, n = 0;
	if (catalog_tables(s->catalog, s->arena, &tables, &count, e) != 0)
		return NULL;
	const char **folders = ANEW_ARRAY(s->arena, count * 2 + 1, const char *);
	for (size_t i = 0; i < count * 2 && s->exists; i++) {
		const char *location = i % 2 ? tables[i / 2]->compact_location
					     : tables[i / 2]->location;
		if (!location)
			continue;
		const char *folder = s->place.bucket
					     ? s->place.cache
					     : arena_printf(s->arena, "%s/%.*s", s->place.folder,
							    (int)strcspn(location, "/"), location);
		if (!str_among(folder, folders, n))
			folders[n++] = folder;
	}
	return folders;
}

static int compile(void *ctx, const char *name, struct arena *arena, struct job_plan *ret,
		   struct err *e)
{
	struct system *s = ctx;
	struct job *job;
	int rc = definitions_load(s->options.definitions, s->catalog, name, arena, &job, e);
	return rc ? rc : job_compile(arena, job, ret, e);
}

int system_job_engine(struct system *s, struct job_engine **ret, struct err *e)
{
	int rc = OK;
	if (!s->jobs) {
		const char *const *folders = table_folders(s, e);
		if (!folders)
			return e->code;
		struct job_engine_duckdb_options o = {.state_dir = s->place.state,
						      .host = host(s),
						      .publish = system_publish(s),
						      .telemetry = s->telemetry,
						      .clock = &clock_system,
						      .compile = compile,
						      .folders = folders,
						      .stop = s->options.stop,
						      .ctx = s};
		rc = job_engine_duckdb_new(&o, &s->jobs, e);
		if (rc == OK && s->options.guard)
			s->jobs = guard_job_engine(s->jobs, s->options.guard);
	}
	*ret = s->jobs;
	return rc;
}

int system_deployed_job(struct system *s, const char *job, struct job_engine **ret, struct err *e)
{
	int rc = s->aws ? OK : aws_new(NULL, &s->aws, e);
	if (rc)
		return rc;
	job_engine_free(s->jobs);
	s->jobs = job_engine_glue_new(&(struct job_engine_glue_options){
		.aws = s->aws,
		.job = job,
		.glue_job = conf_text(s->options.conf, "aws", "glue_job")});
	*ret = s->jobs;
	return OK;
}

int system_query(struct system *s, struct query_engine **ret, struct err *e)
{
	int rc = OK;
	if (!s->query) {
		rc = query_engine_duckdb_new(host(s), s->catalog, s->asked ? s->asked : s->store,
					     &s->query, e);
		if (rc == OK)
			rc = system_stream(s, STREAM_READ, &s->live.stream, e);
		if (rc)
			return rc;
		s->live.catalog = s->catalog;
		s->live_rows = bitcoin_live_rows(&s->live);
		query_engine_duckdb_follow(s->query, &s->live_rows);
	}
	*ret = s->query;
	return OK;
}

int system_query_locked(struct system *s, const char *temp_dir, struct query_engine **ret,
			struct sandbox_report *ret_report, struct err *e)
{
	int64_t memory = conf_int(s->options.conf, "sql", "memory");
	/* Before there are threads, and before the network is given up. */
	int rc = s->place.bucket && s->exists ? store_helper_start(s->store, &s->asked, e) : OK;
	if (rc)
		return rc;
	s->host = duckdb_host_start(&(struct duckdb_host_options){
		.memory_limit_bytes = memory, .temp_dir = temp_dir, .background = false});
	rc = duckdb_host_ready(s->host, e);
	if (rc)
		return rc;
	const char *const *folders = table_folders(s, e);
	if (!folders)
		return e->code;
	size_t n = 0;
	while (folders[n])
		n++;
	struct sandbox_path *paths = ANEW_ARRAY(s->arena, n + 3, struct sandbox_path);
	n = 0;
	paths[n++] = (struct sandbox_path){temp_dir, SANDBOX_READ_WRITE};
	/* A reader writes down which version it holds: locks in this folder are all it may leave
	 * behind. */
	const char *readers = arena_printf(s->arena, "%s/readers", s->place.state);
	if (s->exists)
		paths[n++] = (struct sandbox_path){readers, SANDBOX_READ_WRITE};
	/* What the stream has not delivered yet. */
	const char *spool = stream_folder(s);
	if (access(spool, F_OK) == 0)
		paths[n++] = (struct sandbox_path){spool, SANDBOX_READ};
	for (size_t i = 0; folders[i]; i++)
		paths[n++] = (struct sandbox_path){folders[i], SANDBOX_READ};
	rc = sandbox_enter(
		&(struct sandbox){.paths = paths, .path_count = n, .network = false, .exec = false},
		0, ret_report, e);
	if (rc == OK)
		rc = duckdb_host_confine(s->host, folders, SQL_THREADS, e);
	return rc ? rc : system_query(s, ret, e);
}
