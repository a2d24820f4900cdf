/* What the configuration says about time: the trading calendar and the schedules. */
#ifndef PREGAO_SCHEDULES_H
#define PREGAO_SCHEDULES_H

#include "b3_calendar.h"
#include "conf.h"
#include "mem.h"
#include "scheduler.h"

/* The names that exist without being configured; NULL-terminated. */
#define SCHEDULES_BUILT_IN_MAX 8
extern const char *const schedules_built_in[];
/* ERR_USAGE with the setting's place. The caller frees it. */
int schedules_calendar(const struct conf *, struct b3_calendar **ret, struct err *) MUST_CHECK;
/* The built-in schedules and those of the sections schedule.NAME, without the ones that are not
 * enabled; strings are in the arena or the configuration. ERR_USAGE with the place of what is
 * wrong. */
int schedules_load(const struct conf *, struct arena *, struct schedule **ret, size_t *ret_count,
		   struct err *) MUST_CHECK;

#endif
