/* The two halves of the sandbox. Only sandbox.c needs this. */
#ifndef PREGAO_SANDBOX_PARTS_H
#define PREGAO_SANDBOX_PARTS_H

#include "sandbox.h"

/* Confines files and TCP. *ret_abi is the ABI used, 0 when there is none. */
int landlock_enter(const struct sandbox *, int max_abi, int *ret_abi, struct err *) MUST_CHECK;
/* Refuses system calls; *ret_done is false when the kernel has no seccomp. confine_truncate:
 * Landlock cannot. */
int seccomp_enter(const struct sandbox *, bool confine_truncate, bool *ret_done,
		  struct err *) MUST_CHECK;

#endif
