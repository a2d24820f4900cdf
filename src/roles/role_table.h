/* The table of roles: each is a process under `pregao up`, and has the rights that its row gives and no
 * others. From the rows come the sandbox of each process (role_sandbox.h), the guards around its ports,
 * what `pregao access` prints, and, on AWS, a policy for each. */
#ifndef PREGAO_ROLE_TABLE_H
#define PREGAO_ROLE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "guard.h"
#include "system.h"
#include "up_settings.h"

/* What there are rights to: the ports, in the words of policies. */
enum resource {
	RES_STORE,       /* name: a prefix of keys, whole folders: "raw/portfolio" */
	RES_BACKUP,      /* the backup's store, all of it */
	RES_QUEUE,       /* name: the queue's */
	RES_STREAM,      /* name: the stream's */
	RES_CATALOG,     /* name: a database, a "database.table", or "marks"; NULL: all of it */
	RES_JOBS,        /* the job engine */
	RES_SCHEDULER,   /* schedules and their slots */
	RES_TELEMETRY,   /* log events, runs, metrics */
	RES_DEFINITIONS, /* the user's own job definitions */
	RES_NETWORK,     /* name: the setting that holds the addresses */
	RES_COMMAND,     /* name: the setting that holds it */
	RES_CONNECTIONS, /* to this machine; name: the setting that holds the address */
};
enum action {
	ACT_END, /* no right: ends a role's list */
	ACT_READ,
	ACT_WRITE, /* to put, replace and delete; on a store also to read */
	ACT_SEND,
	ACT_RECEIVE, /* and to remove, extend and give back what was received */
	ACT_APPEND,
	ACT_DELIVER, /* to read a stream and forget what is delivered */
	ACT_START,   /* to record runs */
	ACT_WORK,    /* to take runs and do them */
	ACT_TICK,    /* to say what is due */
	ACT_REPORT,  /* to claim a slot and say what came of it */
	ACT_CONNECT,
	ACT_RUN,
	ACT_ACCEPT,
};
struct right {
	enum resource resource;
	enum action action;
	const char *name; /* NULL: there is one of its kind */
};
#define RIGHTS_MAX 24
struct role_context;
struct role {
	const char *name;
	const char *summary; /* looked up with tr */
	/* Works until *context->stop, and ends soon after. An error ends the process: the supervisor
	 * starts another. */
	int (*run)(struct role_context *, struct err *);
	/* Before anything is opened and any right is gone: for a helper process that stays outside. May be
	 * NULL. */
	int (*before)(const struct up_settings *, struct err *);
	int memory_mib;                  /* that it may have at most */
	struct right rights[RIGHTS_MAX]; /* ended by ACT_END */
};
struct role_context {
	const struct role *role;
	const struct up_settings *settings;
	struct system *system;
	atomic_bool *stop;
};
extern const struct role role_table[];
extern const size_t role_count;
const struct role *role_find(const char *name); /* NULL: there is none */

const char *resource_name(enum resource);
const char *action_name(enum action);
bool resource_find(const char *name, enum resource *ret);
bool action_is_known(const char *name);
/* Who has it may also look at what it speaks of. */
bool right_implies_read(const struct right *);
/* Who keeps a process without the right from it. */
enum holder {
	HELD_KERNEL, /* files, folders, ports */
	/* the kernel keeps it from the resource as a whole; from its actions, a guard around the port */
	HELD_GUARD,
};
enum holder right_holder(const struct right *);
/* The right that allows this, or NULL. resource: a key, a queue's name, and so on; NULL: any. */
const struct right *role_may(const struct role *, const char *kind, const char *action,
			     const char *resource);
/* For the ports of this role. */
struct guard role_guard(const struct role *);

/* -- for the roles' loops: the time that one waits is the longest that it works on after a stop -- */

/* Sleeps, and wakes up early for a stop. True while the role is to go on. */
bool role_wait(struct role_context *, int64_t us);
/* After a failure that may pass: a pause that doubles with each one in a row up to a minute. */
bool role_pause(struct role_context *, int *failures);
/* The same, and the failure is logged. */
bool role_failed(struct role_context *, const char *event, const struct err *, int *failures);

int role_scheduler(struct role_context *, struct err *);
int role_scraper(struct role_context *, struct err *);
int role_activator(struct role_context *, struct err *);
int role_job(struct role_context *, struct err *);
int role_collector(struct role_context *, struct err *);
int role_delivery(struct role_context *, struct err *);
int role_backup(struct role_context *, struct err *);
int role_alarms(struct role_context *, struct err *);
int role_web(struct role_context *, struct err *);
int role_web_before(const struct up_settings *, struct err *);
int role_alarms_before(const struct up_settings *, struct err *);
/* Whether the process that runs the notify command is there, and listens. */
bool role_alarms_helper_answers(void);

#endif
