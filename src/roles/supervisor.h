/* The supervisor of `pregao up`: starts a process for each role, and keeps them running. It does as little
 * as possible itself: it has no thread, opens no database, reads nothing from outside. */
#ifndef PREGAO_SUPERVISOR_H
#define PREGAO_SUPERVISOR_H

#include <sys/types.h>

#include "err.h"
#include "up_settings.h"

enum supervisor_what {
	SUP_STARTED,  /* role, pid */
	SUP_UP,       /* all of them, for the first time */
	SUP_ENDED,    /* role, pid, status as wait(2) says, pause_us until it is started again */
	SUP_FAILED,   /* role: why; said by the role's own process, or where none could be made */
	SUP_RELOADED, /* the new settings are in force, each role was started again */
	SUP_KEPT,     /* why the new ones are not, and the old ones stay */
	SUP_STOPPING, /* signal in status */
	SUP_KILLED,   /* role, pid: it did not stop in time */
};
struct supervisor_event {
	enum supervisor_what what;
	const char *role;
	pid_t pid;
	int status;
	int64_t pause_us; /* negative: it was to end */
	const struct err *why;
};
struct supervisor {
	const struct up_settings *settings;
	/* After SIGHUP. ret lives until the end. An error leaves everything as it is. */
	int (*reload)(void *ctx, const struct up_settings **ret, struct err *);
	/* Also in a role's process (SUP_FAILED). */
	void (*told)(void *ctx, const struct supervisor_event *);
	void *ctx;
};
/* Makes the lake ready, then runs until SIGINT or SIGTERM; 0 after every role ended. Before anything
 * runs: ERR_CONFLICT when another supervisor has this lake, naming its pid, or another process appends
 * to the stream; ERR_DENIED, ERR_LIMIT, ERR_IO for a lake or backup that cannot be written. */
int supervisor_run(const struct supervisor *, struct err *) MUST_CHECK;

#endif
