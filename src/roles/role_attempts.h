/* How each right is tried from inside a role's process, and what nobody is to succeed in. */
#ifndef PREGAO_ROLE_ATTEMPTS_H
#define PREGAO_ROLE_ATTEMPTS_H

#include "role_table.h"

enum attempt_outcome {
	ATTEMPT_NOTHING, /* there is nothing to try: the setting is empty */
	ATTEMPT_DONE,
	ATTEMPT_KERNEL, /* the kernel refused it */
	ATTEMPT_GUARD,  /* the kernel would have let it pass, a check of our own did not */
	ATTEMPT_FAILED, /* neither: something is wrong */
};
const char *
	attempt_outcome_name(enum attempt_outcome); /* "-", "yes", "kernel", "guard", "failed" */

/* What no right speaks of. */
struct attempt {
	const char *what; /* looked up with tr */
	bool everybody;   /* else nobody may */
	enum attempt_outcome (*try)(const struct up_settings *);
};
extern const struct attempt attempts[];
extern const size_t attempt_count;

/* Inside the role's sandbox, in a lake that is there to be tried on. The kernel is asked by a plain system call
 * first, then the port by what the right is for. */
enum attempt_outcome attempt_right(const struct right *, const struct up_settings *,
				   struct system *);

#endif
