/* What can be measured about a running lake: the numbers that alarms and the doctor judge. */
#ifndef PREGAO_MEASURES_H
#define PREGAO_MEASURES_H

#include "backup.h"
#include "backup_place.h"
#include "system.h"

struct stream_lag {
	int64_t records, age_us; /* appended and not delivered; how long ago the oldest was */
	int64_t damaged;         /* stretches that were set aside, ever */
	bool failed;             /* a write failed and has not been recovered from */
};
int measure_stream(struct system *, int64_t now_us, struct stream_lag *ret,
		   struct err *) MUST_CHECK;

#define MEASURED_QUEUES_MAX 3
struct queue_measure {
	const char *name;
	struct queue_stats stats;
};
/* Of the queues that there are. */
int measure_queues(struct system *, struct queue_measure ret[MEASURED_QUEUES_MAX],
		   size_t *ret_count, struct err *) MUST_CHECK;
int measure_quarantine(struct system *, int64_t *ret_payloads, struct err *) MUST_CHECK;
/* Free for us on the file system that the lake lies on. */
int measure_disk(struct system *, int64_t *ret_free_bytes, struct err *) MUST_CHECK;

struct backup_measure {
	struct backup_place place;
	struct backup_status status;
	int64_t first_us; /* when the oldest part of what is to be backed up was published; 0: nothing */
};
int measure_backup(struct system *, const struct conf *, struct arena *, struct backup_measure *ret,
		   struct err *) MUST_CHECK;
/* Passes and job runs that failed or died since then, of the newest few hundred. */
int measure_failed_runs(struct system *, int64_t since_us, struct arena *, int64_t *ret_count,
			const char **ret_last, struct err *) MUST_CHECK;

#endif
