/* Which trading sessions a table of sessions should have by now and has not. Expected is what B3's
 * calendar names, from the first session in the lake on: up to now where a schedule has run on this
 * lake, else up to the last session that is there. So a lake that was made by hand, from the sample or
 * from files, owes nothing to the calendar but what lies between its sessions. A session is due at its schedule's
 * time of the day, by a schedule of minutes at the end of the day. */
#ifndef PREGAO_FRESHNESS_H
#define PREGAO_FRESHNESS_H

#include "system.h"

struct freshness {
	struct system *system;
	const struct conf *conf;
	const char
		*dataset; /* "refined.portfolio": has a DATE and index_code among its partitions */
	const char *schedule;       /* whose sessions it follows */
	const char *const *indices; /* NULL-terminated */
	int64_t after_us;           /* a session is due so long after the schedule's time */
	int64_t now_us;
};
struct missing_session {
	const char *index;
	int32_t session;
	bool latest; /* the newest that is due: B3 may still have it */
};
struct freshness_seen {
	bool scheduled;                  /* the schedule is enabled and has run on this lake */
	int32_t due;                     /* the newest session that is due, when scheduled */
	bool owes;                       /* that one came after the schedule had begun */
	struct missing_session *missing; /* by index, then by session */
	size_t count;
};
/* latest_only: looks at the newest session that is due and at nothing else; cheap. ERR_USAGE for a
 * dataset that is no table of sessions. */
int freshness_look(const struct freshness *, bool latest_only, struct arena *,
		   struct freshness_seen *ret, struct err *) MUST_CHECK;
/* Before there is a lake: whether the dataset is one of these tables, and one of sessions. ERR_USAGE. */
int freshness_check(const char *dataset, const struct table_def *const *tables, size_t n,
		    struct err *) MUST_CHECK;

#endif
