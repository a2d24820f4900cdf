/* Alarms: what the configuration watches ([alarm.NAME], and those that are there by themselves), judged
 * now, their changes written down and told once. */
#ifndef PREGAO_ALARMS_H
#define PREGAO_ALARMS_H

#include <stdatomic.h>

#include "system.h"

struct alarm_kind;
struct alarm {
	const char *name;
	const struct alarm_kind *kind;
	const char *dataset, *schedule;
	const char *const *indices; /* NULL-terminated */
	int64_t after_us, limit, free_bytes;
};
const char *alarm_kind_name(const struct alarm_kind *);
/* The names that exist without being configured, each of the kind of its name; NULL-terminated. */
extern const char *const alarms_built_in[];
/* Those that are enabled; strings are in the arena or the configuration. ERR_USAGE with the place of
 * what is wrong in [alarms] or [alarm.NAME]. */
int alarms_load(const struct conf *, struct arena *, struct alarm **ret, size_t *ret_count,
		struct err *) MUST_CHECK;

/* The same, and whether the tables are there that they speak of; definitions: the user's folder, or NULL. */
int alarms_check(const struct conf *, const char *definitions, struct arena *,
		 struct err *) MUST_CHECK;

struct alarm_seen {
	const struct alarm *alarm;
	enum alarm_state state;
	const char *text;
};
/* Judges them, changes nothing. What cannot be measured is ALARM_UNKNOWN, with the reason. */
int alarms_look(struct system *, const struct conf *, int64_t now_us, struct arena *,
		struct alarm_seen **ret, size_t *ret_count, struct err *) MUST_CHECK;
/* The one call for whoever watches: judges them all, writes the states down (a gauge pregao_alarm, a log
 * event and a row of history for each change), and tells [alarms] notify and webhook of what changed,
 * also of what could not be told before. About every minute; from several processes at the same time
 * each change is still written down and told once. Blocks for as long as the command and the webhook
 * take, 30 s each at most; makes a process when a command is configured. ERR_USAGE for a wrong
 * configuration; ERR_DENIED, ERR_RETRY, ERR_IO when states cannot be written. */
struct alarm_teller;
int alarms_evaluate(struct system *, const struct conf *, int64_t now_us,
		    const struct alarm_teller *, struct err *) MUST_CHECK;

/* alarm_notify.c. How somebody is told, where that is not simply done here. All NULL, or none given: by
 * this process. */
struct alarm_teller {
	/* Runs the command somewhere else. */
	int (*command)(void *ctx, const struct alarm_change *, struct err *);
	void *ctx;
	const atomic_bool *stop; /* set meanwhile, it ends the telling soon */
};
/* Whether anybody is to be told. */
bool alarm_notify_wanted(const struct conf *);
/* ERR_USAGE for a command that is not there, and for a webhook that is no https address nor on loopback. */
int alarm_notify_check(const struct conf *, struct err *) MUST_CHECK;
/* Tells of one change whoever is configured and not in its reached yet: the command gets it as JSON on
 * standard input and in the environment, the webhook as the body of a POST; one that fails does not keep
 * the other from it. Adds to *ret_reached who took it. 0 when all did; otherwise the first's error. */
int alarm_notify(const struct conf *, const char *lake, const struct alarm_teller *,
		 const struct alarm_change *, int *ret_reached, struct err *) MUST_CHECK;
/* The command alone, in this process. asker: a socket whose other end is whoever wants it, and whose closing ends the
 * command; or -1. */
int alarm_notify_command(const struct conf *, const char *lake, const struct alarm_change *,
			 int asker, struct err *) MUST_CHECK;

#endif
