/* Telemetry in one SQLite file: the recording half. Records are gathered in memory and written in
 * one transaction; the reading half is telemetry_sqlite_read.c. */
#include "telemetry_sqlite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pass_hold.h"
#include "telemetry_sqlite_private.h"

#define GATHER_MAX 64   /* records; then they are written */
#define KEEP_MAX   1024 /* records kept while somebody else holds the file; then they are dropped */
#define EVENTS_MAX 1000 /* events kept while nothing can be written, on a full disk */
#define PAUSE_US   1000000 /* after a failed write, until the next try */
#define QUIET_US   100000  /* after that long without a write the next record is written at once */
#define BUSY_WAIT_MS \
	250 /* longer than any write of ours takes, shorter than anybody would notice */
#define TRIM_SHARE \
	16 /* of max_bytes: after that much has been written the file's size is looked at */
#define MAX_BYTES_LEAST 262144
#define TEXT_MAX        8192  /* bytes of one text */
#define FIELDS_MAX      32768 /* bytes of one event's fields */

static const char *const steps[] = {
	"CREATE TABLE run (\n"
	"	id TEXT PRIMARY KEY,\n"
	"	kind TEXT, name TEXT, parent TEXT,\n"
	"	state INTEGER NOT NULL,\n"
	"	started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL,\n"
	"	error_code INTEGER NOT NULL,\n"
	"	error TEXT, detail TEXT\n"
	") STRICT;\n"
	"CREATE INDEX run_started ON run (started_us);\n"
	"CREATE TABLE step (\n"
	"	id INTEGER PRIMARY KEY,\n"
	"	run TEXT NOT NULL, name TEXT,\n"
	"	started_us INTEGER NOT NULL, took_us INTEGER NOT NULL,\n"
	"	rows INTEGER NOT NULL, bytes INTEGER NOT NULL, files INTEGER NOT NULL\n"
	") STRICT;\n"
	"CREATE INDEX step_run ON step (run);\n"
	"CREATE TABLE event (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	at_us INTEGER NOT NULL, level INTEGER NOT NULL,\n"
	"	run TEXT, role TEXT, event TEXT, text TEXT, fields TEXT\n"
	") STRICT;\n"
	"CREATE INDEX event_run ON event (run) WHERE run IS NOT NULL;\n"
	"CREATE TABLE metric (\n"
	"	name TEXT NOT NULL, labels TEXT NOT NULL,\n"
	"	counter INTEGER NOT NULL, value INTEGER NOT NULL,\n"
	"	PRIMARY KEY (name, labels)\n"
	") STRICT, WITHOUT ROWID;\n",
	/* Series that nobody speaks of any more go first. A histogram's sum is its bucket -1. */
	"ALTER TABLE metric ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0;\n"
	"CREATE TABLE observed (\n"
	"	name TEXT NOT NULL, labels TEXT NOT NULL, bucket INTEGER NOT NULL,\n"
	"	value INTEGER NOT NULL, at_us INTEGER NOT NULL,\n"
	"	PRIMARY KEY (name, labels, bucket)\n"
	") STRICT, WITHOUT ROWID;\n",
	"CREATE TABLE alarm (\n"
	"	name TEXT PRIMARY KEY,\n"
	"	state INTEGER NOT NULL, since_us INTEGER NOT NULL, checked_us INTEGER NOT NULL,\n"
	"	text TEXT\n"
	") STRICT;\n"
	"CREATE TABLE alarm_change (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	alarm TEXT NOT NULL, was INTEGER NOT NULL, state INTEGER NOT NULL,\n"
	"	at_us INTEGER NOT NULL, text TEXT,\n"
	"	told INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,\n"
	"	next_us INTEGER NOT NULL\n"
	") STRICT;\n",
	"ALTER TABLE alarm_change ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;\n",
};

/* -- texts ------------------------------------------------------------------------------------- */

/* Clipped between characters, and made UTF-8 when it is not: it will stand in JSON. */
static struct slice clean(struct arena *arena, const char *text)
{
	size_t n = strnlen(text, TEXT_MAX);
	while (n && text[n] && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	if (str_is_utf8(text, n))
		return (struct slice){text, n};
	AUTO_BUF struct buf b = {0};
	buf_latin1(&b, text, n);
	return (struct slice){arena_strndup(arena, b.data, b.len), b.len};
}

/* A copy in the arena, NULL stays NULL. */
static const char *keep(struct arena *arena, const char *text)
{
	if (!text)
		return NULL;
	struct slice s = clean(arena, text);
	return arena_strndup(arena, s.p, s.n);
}

static void json_member(struct buf *out, struct arena *arena, const char *name, const char *text)
{
	if (!text)
		return;
	struct slice s = clean(arena, text);
	buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name);
	buf_json_str(out, s.p, s.n);
}

/* The fields as a JSON object, or NULL when there are none; those that no longer fit are left
 * out. */
static const char *fields_json(struct arena *arena, const struct field *fields, size_t n)
{
	if (n == 0)
		return NULL;
	AUTO_BUF struct buf out = {0};
	buf_char(&out, '{');
	for (size_t i = 0; i < n && out.len < FIELDS_MAX; i++) {
		struct slice name = clean(arena, fields[i].name ? fields[i].name : "");
		if (i)
			buf_char(&out, ',');
		buf_json_str(&out, name.p, name.n);
		buf_char(&out, ':');
		if (fields[i].text) {
			struct slice text = clean(arena, fields[i].text);
			buf_json_str(&out, text.p, text.n);
		} else {
			buf_printf(&out, "%lld", (long long)fields[i].number);
		}
	}
	buf_char(&out, '}');
	return arena_strndup(arena, out.data, out.len);
}

/* -- writing ----------------------------------------------------------------------------------- */

static int write_event(struct sqlite *db, const struct log_event *v, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(db,
				"INSERT INTO event (at_us, level, run, role, event, text, fields)\n"
				"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
				&s, e);
	if (rc)
		return rc;
	sqlite_bind_i64(s, 1, v->at_us);
	sqlite_bind_i64(s, 2, v->level);
	sqlite_bind_str(s, 3, v->run);
	sqlite_bind_str(s, 4, v->role);
	sqlite_bind_str(s, 5, v->event);
	sqlite_bind_str(s, 6, v->text);
	sqlite_bind_str(s, 7, v->fields);
	return sqlite_run(db, s, e);
}

/* An update that leaves out what does not change (NULL texts, no start) keeps it. */
static int write_run(struct sqlite *db, const struct run_record *r, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db,
		"INSERT INTO run (id, kind, name, parent, state, started_us, ended_us, error_code, error, detail)\n"
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)\n"
		"ON CONFLICT (id) DO UPDATE SET\n"
		"	kind = coalesce(excluded.kind, kind), name = coalesce(excluded.name, name),\n"
		"	parent = coalesce(excluded.parent, parent), state = excluded.state,\n"
		"	started_us = iif(excluded.started_us = 0, started_us, excluded.started_us),\n"
		"	ended_us = excluded.ended_us, error_code = excluded.error_code,\n"
		"	error = excluded.error, detail = coalesce(excluded.detail, detail)",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, r->id);
	sqlite_bind_str(s, 2, r->kind);
	sqlite_bind_str(s, 3, r->name);
	sqlite_bind_str(s, 4, r->parent);
	sqlite_bind_i64(s, 5, r->state);
	sqlite_bind_i64(s, 6, r->started_us);
	sqlite_bind_i64(s, 7, r->ended_us);
	sqlite_bind_i64(s, 8, r->error_code);
	sqlite_bind_str(s, 9, r->error);
	sqlite_bind_str(s, 10, r->detail);
	return sqlite_run(db, s, e);
}

static int write_step(struct sqlite *db, const char *run, const struct run_step *p, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db,
		"INSERT INTO step (run, name, started_us, took_us, rows, bytes, files)\n"
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, run);
	sqlite_bind_str(s, 2, p->name);
	sqlite_bind_i64(s, 3, p->started_us);
	sqlite_bind_i64(s, 4, p->took_us);
	sqlite_bind_i64(s, 5, p->rows);
	sqlite_bind_i64(s, 6, p->bytes);
	sqlite_bind_i64(s, 7, p->files);
	return sqlite_run(db, s, e);
}

static int write_metric(struct sqlite *db, const struct metric *m, int64_t at_us, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db,
		m->counter
			? "INSERT INTO metric (name, labels, counter, value, at_us) VALUES (?1, ?2, 1, ?3, ?4)\n"
			  "ON CONFLICT DO UPDATE SET value = value + excluded.value, counter = 1, at_us = excluded.at_us"
			: "INSERT INTO metric (name, labels, counter, value, at_us) VALUES (?1, ?2, 0, ?3, ?4)\n"
			  "ON CONFLICT DO UPDATE SET value = excluded.value, counter = 0, at_us = excluded.at_us",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, m->name);
	sqlite_bind_str(s, 2, m->labels);
	sqlite_bind_i64(s, 3, m->value);
	sqlite_bind_i64(s, 4, at_us);
	return sqlite_run(db, s, e);
}

static int add_observed(struct sqlite *db, const struct observation *o, int64_t bucket,
			int64_t value, int64_t at_us, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite_prepare(
		db,
		"INSERT INTO observed (name, labels, bucket, value, at_us) VALUES (?1, ?2, ?3, ?4, ?5)\n"
		"ON CONFLICT DO UPDATE SET value = value + excluded.value, at_us = excluded.at_us",
		&s, e);
	if (rc)
		return rc;
	sqlite_bind_str(s, 1, o->histogram->name);
	sqlite_bind_str(s, 2, o->labels);
	sqlite_bind_i64(s, 3, bucket);
	sqlite_bind_i64(s, 4, value);
	sqlite_bind_i64(s, 5, at_us);
	return sqlite_run(db, s, e);
}

static int write_observation(struct sqlite *db, const struct observation *o, int64_t at_us,
			     struct err *e)
{
	size_t bucket = 0;
	while (bucket < o->histogram->bound_count && o->value > o->histogram->bounds[bucket])
		bucket++;
	int rc = add_observed(db, o, (int64_t)bucket, 1, at_us, e);
	return rc ? rc : add_observed(db, o, OBSERVED_SUM, o->value, at_us, e);
}

static int write_record(struct sqlite *db, const struct record *r, int64_t at_us, struct err *e)
{
	switch (r->kind) {
	case RECORD_EVENT: return write_event(db, &r->event, e);
	case RECORD_RUN: return write_run(db, &r->run, e);
	case RECORD_STEP: return write_step(db, r->step_run, &r->step, e);
	case RECORD_METRIC: return write_metric(db, &r->metric, at_us, e);
	case RECORD_OBSERVATION: return write_observation(db, &r->observation, at_us, e);
	}
	return err_set(e, ERR_BUG, "a telemetry record of no kind");
}

static int write_dropped(struct telemetry_sqlite *t, int64_t at_us, struct err *e)
{
	if (t->dropped == t->dropped_told)
		return OK;
	struct metric m = {.name = "pregao_telemetry_dropped_total",
			   .labels = "",
			   .counter = true,
			   .value = t->dropped - t->dropped_told};
	return write_metric(t->db, &m, at_us, e);
}

static int write_all(struct telemetry_sqlite *t, struct err *e)
{
	int rc = sqlite_begin(t->db, e);
	int64_t now = clock_now_us(t->clock);
	if (rc)
		return rc;
	for (size_t i = 0; rc == OK && i < t->count; i++)
		rc = write_record(t->db, &t->records[i], now, e);
	if (rc == OK)
		rc = write_dropped(t, now, e);
	if (rc == OK)
		return sqlite_commit(t->db, e);
	sqlite_rollback(t->db);
	return rc;
}

static struct log_event event_copy(struct arena *arena, const struct log_event *v)
{
	struct log_event copy = *v;
	copy.run = keep(arena, v->run);
	copy.event = keep(arena, v->event);
	copy.text = keep(arena, v->text);
	copy.fields = v->fields ? arena_strdup(arena, v->fields) : NULL;
	return copy;
}

/* Of what could not be written the newest events stay, to be written when writing works again: an
 * alarm tells of the very disk that cannot take it. Warnings outlast what is less. */
static void keep_events(struct telemetry_sqlite *t)
{
	size_t n = 0, grave = 0, kept = 0;
	for (size_t i = 0; i < t->count; i++)
		if (t->records[i].kind == RECORD_EVENT) {
			n++;
			grave += t->records[i].event.level >= LOG_LEVEL_WARNING;
		}
	size_t too_many = n > EVENTS_MAX ? n - EVENTS_MAX : 0, light = n - grave;
	size_t drop_light = too_many < light ? too_many : light;
	size_t drop_grave = too_many - drop_light;
	struct arena *arena = arena_new();
	for (size_t i = 0; i < t->count; i++) {
		const struct record *r = &t->records[i];
		if (r->kind != RECORD_EVENT)
			continue;
		size_t *drop = r->event.level >= LOG_LEVEL_WARNING ? &drop_grave : &drop_light;
		if (*drop) {
			--*drop;
			continue;
		}
		t->records[kept++] = (struct record){.kind = RECORD_EVENT,
						     .event = event_copy(arena, &r->event)};
	}
	t->dropped += (int64_t)(t->count - kept);
	t->count = kept;
	arena_free(t->arena);
	t->arena = arena;
}

void telemetry_sqlite_flush(struct telemetry_sqlite *t)
{
	t->flushed_us = clock_monotonic_us(t->clock);
	if (t->count == 0)
		return;
	struct err ignored = ERR_INIT;
	bool possible = t->db && !t->db->read_only;
	int rc = possible ? write_all(t, &ignored) : ERR_DENIED;
	t->failing = possible && rc && rc != ERR_RETRY;
	if (rc == ERR_RETRY && t->count < KEEP_MAX)
		return;
	if (rc && possible) {
		keep_events(t);
		return;
	}
	if (rc == OK)
		t->dropped_told = t->dropped;
	else
		t->dropped += (int64_t)t->count;
	t->unseen_bytes += (int64_t)arena_bytes(t->arena);
	t->count = 0;
	arena_free(t->arena);
	t->arena = arena_new();
	if (rc == OK && t->unseen_bytes > t->max_bytes / TRIM_SHARE) {
		telemetry_sqlite_trim(t);
		t->unseen_bytes = 0;
	}
}

/* Room for a record; the lock is held from here to record_end. */
static struct record *record_begin(struct telemetry *telemetry, enum record_kind kind)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	pthread_mutex_lock(&t->lock);
	struct record *r = PUSH(t->records, t->count, t->cap);
	*r = (struct record){.kind = kind};
	return r;
}

static void record_end(struct telemetry *telemetry, bool at_once)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	/* What failed a moment ago is not tried with each record: that would take the time of those
	 * who record. */
	bool pause = t->failing && t->count < 2 * KEEP_MAX &&
		     clock_monotonic_us(t->clock) - t->flushed_us < PAUSE_US;
	/* The 64th, and while the file is held by somebody else every 64th after it. */
	if (pause)
		;
	else if (at_once || t->count % GATHER_MAX == 0 ||
		 clock_monotonic_us(t->clock) - t->flushed_us > QUIET_US)
		telemetry_sqlite_flush(t);
	pthread_mutex_unlock(&t->lock);
}

/* -- recording --------------------------------------------------------------------------------- */

static const char *level_name(enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	return (size_t)level < ARRAY_LEN(names) ? names[level] : "error";
}

static void mirror(struct telemetry_sqlite *t, const struct log_event *v)
{
	if (t->mirror_fd < 0 || v->level < t->mirror_least)
		return;
	AUTO_BUF struct buf out = {0};
	char at[TIME_TEXT_SIZE];
	buf_char(&out, '{');
	json_member(&out, t->arena, "at", time_format_utc(v->at_us, at));
	json_member(&out, t->arena, "level", level_name(v->level));
	json_member(&out, t->arena, "role", v->role);
	json_member(&out, t->arena, "run", v->run);
	json_member(&out, t->arena, "event", v->event);
	json_member(&out, t->arena, "text", v->text);
	if (v->fields)
		buf_printf(&out, ",\"fields\":%s", v->fields);
	buf_str(&out, "}\n");
	/* One write, so that lines of several processes do not mix; a reader who has gone is not
	 * our matter. */
	ssize_t done = write(t->mirror_fd, out.data, out.len);
	(void)done;
}

static void telemetry_sqlite_log(struct telemetry *telemetry, enum log_level level, const char *run,
				 const char *event, const char *text, const struct field *fields,
				 size_t n)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	struct record *r = record_begin(telemetry, RECORD_EVENT);
	r->event = (struct log_event){
		.at_us = clock_now_us(t->clock),
		.level = level,
		.run = keep(t->arena, run),
		.role = t->role,
		.event = keep(t->arena, event),
		.text = keep(t->arena, text),
		.fields = fields_json(t->arena, fields, n),
	};
	mirror(t, &r->event);
	record_end(telemetry, level >= LOG_LEVEL_WARNING);
}

/* A pass is held from before its record says that it runs until after its record says how it ended.
 * The lock is held. */
static void hold_pass(struct telemetry_sqlite *t, const struct run_record *run, bool begins)
{
	size_t at = 0;
	while (at < t->held_count && strcmp(t->held[at].run, run->id) != 0)
		at++;
	bool known = at < t->held_count;
	if (begins && !known && t->db && !t->db->read_only) {
		struct held_pass *h = PUSH(t->held, t->held_count, t->held_cap);
		snprintf(h->run, sizeof h->run, "%s", run->id);
		h->fd = pass_hold_take(t->path, run->id);
	} else if (!begins && known) {
		pass_hold_release(t->path, t->held[at].run, t->held[at].fd);
		t->held[at] = t->held[--t->held_count];
	}
}

static void telemetry_sqlite_run(struct telemetry *telemetry, const struct run_record *run)
{
	bool pass = run->kind && strcmp(run->kind, "pass") == 0, runs = run->state == RUN_RUNNING;
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	struct record *r = record_begin(telemetry, RECORD_RUN);
	r->run = *run;
	r->run.kind = keep(t->arena, run->kind);
	r->run.name = keep(t->arena, run->name);
	r->run.parent = keep(t->arena, run->parent);
	r->run.error = keep(t->arena, run->error);
	r->run.detail = run->detail ? arena_strdup(t->arena, run->detail)
				    : NULL; /* JSON: never clipped */
	if (pass && runs)
		hold_pass(t, run, true);
	record_end(telemetry, true);
	pthread_mutex_lock(&t->lock);
	if (!runs)
		hold_pass(t, run, false);
	pthread_mutex_unlock(&t->lock);
}

static void telemetry_sqlite_step(struct telemetry *telemetry, const char *run,
				  const struct run_step *step)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	struct record *r = record_begin(telemetry, RECORD_STEP);
	r->step = *step;
	r->step.name = keep(t->arena, step->name);
	r->step_run = keep(t->arena, run ? run : "");
	record_end(telemetry, true);
}

static void record_metric(struct telemetry *telemetry, const char *name, const char *labels,
			  bool counter, int64_t value)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	struct record *r = record_begin(telemetry, RECORD_METRIC);
	r->metric = (struct metric){keep(t->arena, name), keep(t->arena, labels ? labels : ""),
				    counter, value};
	record_end(telemetry, false);
}

static void telemetry_sqlite_count(struct telemetry *telemetry, const char *name,
				   const char *labels, int64_t delta)
{
	record_metric(telemetry, name, labels, true, delta);
}

static void telemetry_sqlite_gauge(struct telemetry *telemetry, const char *name,
				   const char *labels, int64_t value)
{
	record_metric(telemetry, name, labels, false, value);
}

static void telemetry_sqlite_observe(struct telemetry *telemetry, const struct histogram *h,
				     const char *labels, int64_t value)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	struct record *r = record_begin(telemetry, RECORD_OBSERVATION);
	r->observation = (struct observation){h, keep(t->arena, labels ? labels : ""), value};
	record_end(telemetry, false);
}

/* -- the telemetry itself ---------------------------------------------------------------------- */

static void telemetry_sqlite_free(struct telemetry *telemetry)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	telemetry_sqlite_flush(t);
	/* Also by processes that write little: together they write much. */
	if (t->db && !t->db->read_only)
		telemetry_sqlite_trim(t);
	sqlite_close(t->db);
	for (size_t i = 0; i < t->held_count; i++)
		pass_hold_release(t->path, t->held[i].run, t->held[i].fd);
	free(t->held);
	free(t->path);
	pthread_mutex_destroy(&t->lock);
	arena_free(t->arena);
	free(t->records);
	free(t->role);
	free(t);
}

static const struct telemetry_ops telemetry_sqlite_ops = {
	.log = telemetry_sqlite_log,
	.run = telemetry_sqlite_run,
	.step = telemetry_sqlite_step,
	.count = telemetry_sqlite_count,
	.gauge = telemetry_sqlite_gauge,
	.observe = telemetry_sqlite_observe,
	.runs = telemetry_sqlite_runs,
	.failed_runs = telemetry_sqlite_failed_runs,
	.run_get = telemetry_sqlite_run_get,
	.logs = telemetry_sqlite_logs,
	.metrics = telemetry_sqlite_metrics,
	.histograms = telemetry_sqlite_histograms,
	.alarm_set = telemetry_sqlite_alarm_set,
	.alarms = telemetry_sqlite_alarms,
	.alarm_history = telemetry_sqlite_alarm_history,
	.alarm_claim = telemetry_sqlite_alarm_claim,
	.alarm_told = telemetry_sqlite_alarm_told,
	.alarm_again = telemetry_sqlite_alarm_again,
	.free = telemetry_sqlite_free,
};

void telemetry_sqlite_mirror(struct telemetry *telemetry, int fd, enum log_level least)
{
	struct telemetry_sqlite *t = (struct telemetry_sqlite *)telemetry;
	pthread_mutex_lock(&t->lock);
	t->mirror_fd = fd;
	t->mirror_least = least;
	pthread_mutex_unlock(&t->lock);
}

int telemetry_sqlite_open(const char *path, const char *role, int64_t max_bytes,
			  struct clock *clock, struct telemetry **ret, struct err *e)
{
	struct telemetry_sqlite *t = NEW(struct telemetry_sqlite);
	t->telemetry.ops = &telemetry_sqlite_ops;
	t->role = mem_strdup(role);
	t->path = mem_strdup(path);
	t->max_bytes = max_bytes > MAX_BYTES_LEAST ? max_bytes : MAX_BYTES_LEAST;
	t->clock = clock;
	t->flushed_us = clock_monotonic_us(clock);
	t->mirror_fd = -1;
	t->arena = arena_new();
	pthread_mutex_init(&t->lock, NULL);
	struct sqlite_options options = {.path = path,
					 .access = DB_CREATE,
					 .sync = SYNC_NORMAL,
					 .steps = steps,
					 .step_count = ARRAY_LEN(steps),
					 .keep_log = true};
	t->problem = (struct err)ERR_INIT;
	if (sqlite_open(&options, &t->db, &t->problem) == ERR_DENIED) {
		struct err second = ERR_INIT;
		options.access = DB_READ;
		if (sqlite_open(&options, &t->db, &second) != OK)
			t->db = NULL;
	}
	if (t->db)
		sqlite3_busy_timeout(t->db->db, BUSY_WAIT_MS);
	*ret = &t->telemetry;
	return OK;
}
