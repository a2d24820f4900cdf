/* What each role can do, found out by trying: a process for each enters its sandbox and tries every right of the
 * table, its own and those of the others, and what nobody may. */
#ifndef PREGAO_ROLE_TRIAL_H
#define PREGAO_ROLE_TRIAL_H

#include "role_attempts.h"

struct trial_row {
	const struct right *right;     /* or NULL: */
	const struct attempt *attempt; /* one of role_attempts.h */
};
struct trial_cell {
	bool may; /* by the table */
	enum attempt_outcome came;
	bool right; /* it came as it may */
};
struct role_trial {
	const struct trial_row *rows;
	size_t row_count;
	const struct role *const *roles;
	size_t role_count;
	const struct trial_cell *cells; /* by row, then role */
};
/* In a lake of its own, with a backup and definitions beside it, which it makes below the folder: nothing of the
 * settings' own lake is touched. `only` may be NULL: every role. Nothing leaves the machine. No thread may run.
 * ERR_IO and the like when a role could not enter at all; the lake stays, for the caller to remove. */
int role_trial(const struct up_settings *, const char *folder, const struct role *only,
	       struct arena *, struct role_trial *ret, struct err *) MUST_CHECK;

#endif
