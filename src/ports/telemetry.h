/* Port: telemetry. Log events, run records with steps, counters, gauges, histograms, and the states
 * of alarms. Nothing here may make the work fail: every call that records the work returns void, and a
 * driver that cannot write drops and counts. */
#ifndef PREGAO_TELEMETRY_H
#define PREGAO_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "job_engine.h"
#include "mem.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
struct field {
	const char *name;
	const char *text; /* NULL: number is meant */
	int64_t number;
};
#define FIELD_TEXT(n, v) ((struct field){.name = (n), .text = (v)})
#define FIELD_INT(n, v)  ((struct field){.name = (n), .number = (v)})

/* A pass (run, import, fetch) or a job run. */
struct run_record {
	char id[RUN_ID_SIZE];
	const char *kind;   /* "pass" or "job" */
	const char *name;   /* "import portfolio", "portfolio" */
	const char *parent; /* run id of the pass that caused it, or NULL */
	enum run_state state;
	int64_t started_us, ended_us;
	int error_code;
	const char *error;
	const char *detail; /* JSON object text or NULL */
};
struct run_step {
	/* "fetch", "landing", "raw", "trigger", "job", "refined", "catalog", "sql" */
	const char *name;
	int64_t started_us, took_us;
	int64_t rows, bytes, files; /* -1: does not apply */
};
struct log_event {
	int64_t at_us;
	enum log_level level;
	const char *run, *role, *event, *text, *fields; /* fields: JSON object text */
};
struct log_query {
	const char *run; /* NULL: any */
	enum log_level least;
	size_t max;       /* newest kept; given back oldest first */
	int64_t since_us; /* events before that are left out; 0: none */
	const char *role; /* NULL: any */
	/* somewhere in the event's name, text or fields, whatever its case (ASCII); NULL: any */
	const char *text;
};
struct metric {
	const char *name, *labels; /* "pregao_imports_total", "outcome=\"accepted\"" */
	bool counter;
	int64_t value;
};

/* What is observed and counted by its size. A table, because the buckets of a histogram may never
 * change once something was counted in them. */
#define HISTOGRAM_BOUNDS_MAX 16
struct histogram {
	const char *name, *help;
	int decimals; /* of the values when they are shown: 6 shows microseconds as seconds */
	size_t bound_count;
	int64_t bounds[HISTOGRAM_BOUNDS_MAX]; /* upper, inclusive, ascending */
};
extern const struct histogram histograms[];
extern const size_t histograms_count;
const struct histogram *histogram_find(const char *name); /* NULL: there is none */
/* One series of it. */
struct histogram_counts {
	const struct histogram *histogram;
	const char *labels;
	int64_t buckets[HISTOGRAM_BOUNDS_MAX +
			1]; /* not cumulative; the last is beyond all bounds */
	int64_t count, sum;
};

/* An alarm is known by its name; what it watches is the caller's business. */
enum alarm_state { ALARM_UNKNOWN, ALARM_OK, ALARM_ON };
const char *alarm_state_name(enum alarm_state); /* "unknown", "ok", "alarm" */
struct alarm_record {
	const char *name;
	enum alarm_state state;
	int64_t since_us, checked_us;
	const char *text;
};
struct alarm_change {
	int64_t id;
	const char *alarm;
	enum alarm_state was, state;
	int64_t at_us;
	const char *text;
	bool told;    /* nobody has to be notified of it any more */
	int reached;  /* the channels that took it: a bit each, whose is the teller's business */
	int attempts; /* to notify */
};

struct telemetry;
struct telemetry_ops {
	void (*log)(struct telemetry *, enum log_level, const char *run, const char *event,
		    const char *text, const struct field *, size_t n);
	void (*run)(struct telemetry *, const struct run_record *);
	void (*step)(struct telemetry *, const char *run, const struct run_step *);
	void (*count)(struct telemetry *, const char *name, const char *labels, int64_t delta);
	void (*gauge)(struct telemetry *, const char *name, const char *labels, int64_t value);
	void (*observe)(struct telemetry *, const struct histogram *, const char *labels,
			int64_t value);
	int (*runs)(struct telemetry *, size_t max, struct arena *, struct run_record **ret,
		    size_t *ret_count, struct err *);
	int (*failed_runs)(struct telemetry *, int64_t since_us, struct arena *,
			   struct run_record **ret, size_t *ret_count, struct err *);
	int (*run_get)(struct telemetry *, const char *id, struct arena *, struct run_record *ret,
		       struct run_step **ret_steps, size_t *ret_count, struct err *);
	int (*logs)(struct telemetry *, const struct log_query *, struct arena *,
		    struct log_event **ret, size_t *ret_count, struct err *);
	int (*metrics)(struct telemetry *, struct arena *, struct metric **ret, size_t *ret_count,
		       struct err *);
	int (*histograms)(struct telemetry *, struct arena *, struct histogram_counts **ret,
			  size_t *ret_count, struct err *);
	int (*alarm_set)(struct telemetry *, const char *alarm, enum alarm_state, const char *text,
			 bool notify, bool *ret_changed, struct err *);
	int (*alarms)(struct telemetry *, struct arena *, struct alarm_record **ret,
		      size_t *ret_count, struct err *);
	int (*alarm_history)(struct telemetry *, size_t max, struct arena *,
			     struct alarm_change **ret, size_t *ret_count, struct err *);
	int (*alarm_claim)(struct telemetry *, struct arena *, struct alarm_change *ret,
			   struct err *);
	int (*alarm_told)(struct telemetry *, int64_t id, int reached, bool all, struct err *);
	int (*alarm_again)(struct telemetry *, struct err *);
	void (*free)(struct telemetry *);
};
struct telemetry {
	const struct telemetry_ops *ops;
};
/* Recording; NULL telemetry is fine and records nothing. Events survive the death of the process,
 * not always that of the machine. */
void telemetry_log(struct telemetry *, enum log_level, const char *run, const char *event,
		   const char *text, const struct field *, size_t n);
/* The same for something that failed: the error's text, and the fields "object" (what it was about;
 * NULL: the error's place, if it has one), "error_code", and "reason" where it has one. Every log line
 * that speaks of an object or an error uses these names. */
void telemetry_failure(struct telemetry *, enum log_level, const char *run, const char *event,
		       const char *object, const struct err *);
/* New or updated, by id. One that has ended is observed in pregao_run_seconds, a step in
 * pregao_step_seconds. */
void telemetry_run(struct telemetry *, const struct run_record *);
void telemetry_step(struct telemetry *, const char *run, const struct run_step *);
void telemetry_count(struct telemetry *, const char *name, const char *labels, int64_t delta);
void telemetry_gauge(struct telemetry *, const char *name, const char *labels, int64_t value);
/* name is a row of the table above; anything else is a bug, and is not observed. */
void telemetry_observe(struct telemetry *, const char *name, const char *labels, int64_t value);
/* Reading. A pass whose process died without ending it is RUN_DIED. */
/* newest first */
int telemetry_runs(struct telemetry *, size_t max, struct arena *, struct run_record **ret,
		   size_t *ret_count, struct err *) MUST_CHECK;
/* Those that failed or died and ended since then (one that died: began), newest first. */
int telemetry_failed_runs(struct telemetry *, int64_t since_us, struct arena *,
			  struct run_record **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* An id may be shortened to a unique beginning or end. ERR_NOT_FOUND; ERR_CONFLICT when several
 * match. */
int telemetry_run_get(struct telemetry *, const char *id, struct arena *, struct run_record *ret,
		      struct run_step **ret_steps, size_t *ret_count, struct err *) MUST_CHECK;
int telemetry_logs(struct telemetry *, const struct log_query *, struct arena *,
		   struct log_event **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* by name, labels */
int telemetry_metrics(struct telemetry *, struct arena *, struct metric **ret, size_t *ret_count,
		      struct err *) MUST_CHECK;
/* by name, labels */
int telemetry_histograms(struct telemetry *, struct arena *, struct histogram_counts **ret,
			 size_t *ret_count, struct err *) MUST_CHECK;

/* Alarms. Several processes may set one: each change is written down once. An alarm that was never
 * seen counts as ok. notify: somebody is to be told of the change. ERR_RETRY, ERR_DENIED, ERR_IO;
 * without telemetry ERR_NOT_FOUND, here and below. */
int telemetry_alarm_set(struct telemetry *, const char *alarm, enum alarm_state, const char *text,
			bool notify, bool *ret_changed, struct err *) MUST_CHECK;
/* by name */
int telemetry_alarms(struct telemetry *, struct arena *, struct alarm_record **ret,
		     size_t *ret_count, struct err *) MUST_CHECK;
/* Changes, the newest first; the newest thousand are kept. */
int telemetry_alarm_history(struct telemetry *, size_t max, struct arena *,
			    struct alarm_change **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* The oldest change that somebody is to be told of and nobody is trying to tell now; whoever claims it
 * tells, then says so. Otherwise it can be claimed again after a minute, then two, four, up to an
 * hour, for two days. ERR_NOT_FOUND: none. */
int telemetry_alarm_claim(struct telemetry *, struct arena *, struct alarm_change *ret,
			  struct err *) MUST_CHECK;
/* The channels that took the change until now; all: every one that there is, so that it is told. */
int telemetry_alarm_told(struct telemetry *, int64_t id, int reached, bool all,
			 struct err *) MUST_CHECK;
/* What nobody could be told yet may be claimed at once: the way to them may have changed. */
int telemetry_alarm_again(struct telemetry *, struct err *) MUST_CHECK;
void telemetry_free(struct telemetry *);

/* A new run id: sorts by time, unique: "20261123T171200-9f3a1c07". */
void run_id_make(int64_t now_us, char ret[RUN_ID_SIZE]);

#endif
