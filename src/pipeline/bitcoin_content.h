/* The property "content" of a partition of Bitcoin's tables, "<rows>-<first number>-<last number>": which records of the
 * stream are in it. */
#ifndef PREGAO_BITCOIN_CONTENT_H
#define PREGAO_BITCOIN_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "mem.h"

struct bitcoin_content {
	int64_t rows, first, last; /* all 0: nothing yet */
};
/* Adds so many rows, numbered from first to last. */
void bitcoin_content_add(struct bitcoin_content *, int64_t rows, int64_t first, int64_t last);
/* false when the text is none */
bool bitcoin_content_parse(const char *text, struct bitcoin_content *ret);
const char *bitcoin_content_text(struct arena *, const struct bitcoin_content *);

#endif
