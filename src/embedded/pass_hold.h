/* A lock that a pass keeps while it runs, so that others can tell one that runs from one that died.
 * The kernel gives the lock back whatever becomes of the process. */
#ifndef PREGAO_PASS_HOLD_H
#define PREGAO_PASS_HOLD_H

#include <stdbool.h>
#include <stddef.h>

/* In the folder `workers` beside the file `path`, made when missing. -1 when that is not possible:
 * the pass goes on without. */
int pass_hold_take(const char *path, const char *run);
void pass_hold_release(const char *path, const char *run, int fd); /* -1 is fine */
/* Whether somebody holds it; what cannot be looked at counts as held. What a dead pass left is
 * removed. */
bool pass_hold_is_held(const char *path, const char *run);

#endif
