/* The Portuguese of every text for people. One row per text, in any order: TR("the English format", "o formato em português").
 * Both sides have the same printf conversions in the same order; a unit test checks it. */
#include "mem.h"
#include "tr.h"

#define TR(english, portuguese)     \
	{                           \
		english, portuguese \
	}

const struct tr_pair tr_portuguese[] = {
	TR("%s: no such file or folder", "%s: arquivo ou pasta não existe"),
	TR("out of memory", "memória esgotada"),
};
const size_t tr_portuguese_count = ARRAY_LEN(tr_portuguese);
