/* The property "content": which records of the stream are in a partition. */
#include "bitcoin_content.h"

#include <inttypes.h>

#include "value.h"

void bitcoin_content_add(struct bitcoin_content *c, int64_t rows, int64_t first, int64_t last)
{
	if (c->rows == 0 || first < c->first)
		c->first = first;
	if (last > c->last)
		c->last = last;
	c->rows += rows;
}

bool bitcoin_content_parse(const char *text, struct bitcoin_content *ret)
{
	struct slice last = slice_of(text);
	struct slice rows = slice_cut(&last, '-');
	struct slice first = slice_cut(&last, '-');
	return int64_parse(rows, &ret->rows) && int64_parse(first, &ret->first) &&
	       int64_parse(last, &ret->last) && ret->rows > 0 && ret->first > 0 &&
	       ret->first <= ret->last;
}

const char *bitcoin_content_text(struct arena *arena, const struct bitcoin_content *c)
{
	return arena_printf(arena, "%" PRId64 "-%" PRId64 "-%" PRId64, c->rows, c->first, c->last);
}
