/* The quick reader of flat JSON messages. For replay_json.c, and for the test that compares it with the whole reader.
 */
#ifndef PREGAO_REPLAY_FLAT_H
#define PREGAO_REPLAY_FLAT_H

#include <stdbool.h>

#include "str.h"

#define REPLAY_FLAT_MAX 32
/* Members in their order; values as texts, NULL: null. */
struct replay_flat {
	const char *names[REPLAY_FLAT_MAX], *values[REPLAY_FLAT_MAX];
	size_t count;
};
/* false: it is not that simple, or broken; ask the whole reader. Texts live in the arena. */
bool replay_flat_read(struct arena *, struct slice text, struct replay_flat *ret);
/* A replay_fields.get: NULL also for an empty text. */
const char *replay_flat_get(const void *flat, const char *name);

#endif
