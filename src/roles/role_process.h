/* A role's process from its first moment to its last. */
#ifndef PREGAO_ROLE_PROCESS_H
#define PREGAO_ROLE_PROCESS_H

#include <sys/types.h>

#include "role_table.h"

/* In the process that was just forked for the role: dies with its parent, opens what the role may use,
 * enters the sandbox, works until SIGTERM. The error is the caller's to tell; then the process ends. */
int role_process(const struct role *, const struct up_settings *, pid_t parent,
		 struct err *) MUST_CHECK;
/* The same up to the sandbox, which is entered, with nothing run: for whoever tries what is possible
 * inside. The system stays open. */
int role_enter(const struct role *, const struct up_settings *, struct system **ret,
	       struct err *) MUST_CHECK;
/* Opens what all roles together need, and so makes the lake, its databases and its folders, or says what
 * stands in the way. To be called in a process of its own. */
int role_prepare_all(const struct up_settings *, struct err *) MUST_CHECK;

#endif
