/* The sources there are, one row each. */
#include "source.h"

#include <string.h>

#include "b3_portfolio.h"

const struct source *const sources[] = {
	&b3_portfolio_source,
};
const size_t source_count = ARRAY_LEN(sources);

const struct source *source_find(const char *name)
{
	for (size_t i = 0; i < source_count; i++)
		if (strcmp(sources[i]->name, name) == 0 || strcmp(sources[i]->path, name) == 0)
			return sources[i];
	return NULL;
}
