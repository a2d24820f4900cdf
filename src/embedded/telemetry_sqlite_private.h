/* What the two halves of the SQLite telemetry share: the handle, and the records that wait to be
 * written. For telemetry_sqlite.c (recording) and telemetry_sqlite_read.c (reading, trimming)
 * only. */
#ifndef PREGAO_TELEMETRY_SQLITE_PRIVATE_H
#define PREGAO_TELEMETRY_SQLITE_PRIVATE_H

#include <pthread.h>

#include "clock.h"
#include "sqlite.h"
#include "telemetry.h"

enum record_kind { RECORD_EVENT, RECORD_RUN, RECORD_STEP, RECORD_METRIC, RECORD_OBSERVATION };
struct observation {
	const struct histogram *histogram;
	const char *labels;
	int64_t value;
};
#define OBSERVED_SUM (-1) /* the bucket that holds a histogram's sum */
struct record {
	enum record_kind kind;
	union {
		struct log_event event;
		struct run_record run;
		struct metric metric; /* a counter's value is what to add */
		struct observation observation;
		struct {
			struct run_step step;
			const char *step_run;
		};
	};
};

struct telemetry_sqlite {
	struct telemetry telemetry;
	pthread_mutex_t lock; /* of all that follows */
	struct sqlite *db;    /* NULL: could not be opened, see problem */
	struct err problem;
	struct clock *clock;
	char *role;
	int64_t max_bytes;
	struct record *records; /* their texts lie in the arena */
	size_t count, cap;
	struct arena *arena;
	int64_t flushed_us;   /* monotonic */
	bool failing;         /* the last write failed, and not because the file was held */
	int64_t unseen_bytes; /* written since the file's size was last looked at */
	int64_t dropped, dropped_told;
	char *path;
	struct held_pass { /* passes that this handle began and has not ended */
		char run[RUN_ID_SIZE];
		int fd;
	} * held;
	size_t held_count, held_cap;
	int mirror_fd;
	enum log_level mirror_least;
};

/* Writes what waits; the lock is held. */
void telemetry_sqlite_flush(struct telemetry_sqlite *);
/* Deletes the oldest until the file is no larger than it may be; the lock is held. Failing is no
 * error: it is tried again. */
void telemetry_sqlite_trim(struct telemetry_sqlite *);

int telemetry_sqlite_runs(struct telemetry *, size_t max, struct arena *, struct run_record **ret,
			  size_t *ret_count, struct err *) MUST_CHECK;
int telemetry_sqlite_failed_runs(struct telemetry *, int64_t since_us, struct arena *,
				 struct run_record **ret, size_t *ret_count,
				 struct err *) MUST_CHECK;
int telemetry_sqlite_run_get(struct telemetry *, const char *id, struct arena *,
			     struct run_record *ret, struct run_step **ret_steps, size_t *ret_count,
			     struct err *) MUST_CHECK;
int telemetry_sqlite_logs(struct telemetry *, const struct log_query *, struct arena *,
			  struct log_event **ret, size_t *ret_count, struct err *) MUST_CHECK;
int telemetry_sqlite_metrics(struct telemetry *, struct arena *, struct metric **ret,
			     size_t *ret_count, struct err *) MUST_CHECK;
int telemetry_sqlite_histograms(struct telemetry *, struct arena *, struct histogram_counts **ret,
				size_t *ret_count, struct err *) MUST_CHECK;

/* telemetry_sqlite_alarms.c */
int telemetry_sqlite_alarm_set(struct telemetry *, const char *alarm, enum alarm_state,
			       const char *text, bool notify, bool *ret_changed,
			       struct err *) MUST_CHECK;
int telemetry_sqlite_alarms(struct telemetry *, struct arena *, struct alarm_record **ret,
			    size_t *ret_count, struct err *) MUST_CHECK;
int telemetry_sqlite_alarm_history(struct telemetry *, size_t max, struct arena *,
				   struct alarm_change **ret, size_t *ret_count,
				   struct err *) MUST_CHECK;
int telemetry_sqlite_alarm_claim(struct telemetry *, struct arena *, struct alarm_change *ret,
				 struct err *) MUST_CHECK;
int telemetry_sqlite_alarm_told(struct telemetry *, int64_t id, int reached, bool all,
				struct err *) MUST_CHECK;
int telemetry_sqlite_alarm_again(struct telemetry *, struct err *) MUST_CHECK;

#endif
