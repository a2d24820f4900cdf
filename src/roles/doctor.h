/* The doctor: what is wrong with a lake, and the command that mends it. One table of checks; none of them
 * changes anything. */
#ifndef PREGAO_DOCTOR_H
#define PREGAO_DOCTOR_H

#include "system.h"

/* ok and note are well: a note is worth knowing, not mending. */
enum severity { SEVERITY_OK, SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR };
const char *severity_name(enum severity); /* "ok" ... */

struct finding {
	const char *check; /* "files" */
	enum severity severity;
	const char *what;
	const char *mend; /* a command line, "pregao ..."; NULL: none does */
};
struct doctor {
	struct system *system; /* opened for reading; NULL: it could not be opened, see why */
	const struct conf *conf;
	const struct err *why;
	const char *definitions; /* as in struct system_options */
	const char *lake;        /* goes behind each command as --lake; NULL: it is found without */
	bool all;                /* every file instead of a sample, every copy of the backup */
	int64_t now_us;
	struct arena *arena;
};
/* At least one finding for each check, in the table's order. What could not be looked at is a finding
 * too. To be called while this process has one thread. */
void doctor_examine(const struct doctor *, struct finding **ret, size_t *ret_count);

#endif
