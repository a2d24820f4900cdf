/* Which properties a restored partition gets: those that a manifest tells of exactly the files that it has. */
#include <string.h>

#include "backup_private.h"
#include "json.h"

/* Keeps in *best the properties of the largest part of the whole; true when it is the whole. */
static bool consider(const char *text, const struct bitcoin_content *whole, json_t **best,
		     int64_t *best_rows)
{
	AUTO_JSON json_t *properties = NULL;
	struct bitcoin_content c;
	if (json_parse(text, strlen(text), &properties, NULL) != OK ||
	    !json_is_object(properties) ||
	    !bitcoin_content_parse(json_opt_str(properties, "content", ""), &c) ||
	    c.rows > whole->rows || c.first < whole->first || c.last > whole->last)
		return false;
	if (!*best || c.rows > *best_rows) {
		json_decref(*best);
		*best = json_incref(properties);
		*best_rows = c.rows;
	}
	return c.rows == whole->rows && c.first == whole->first && c.last == whole->last;
}

const char *backup_content_properties(struct arena *arena, const struct bitcoin_content *whole,
				      const char *const *told, size_t n, bool *ret_doubtful)
{
	AUTO_JSON json_t *best = NULL;
	AUTO_BUF struct buf text = {0};
	int64_t best_rows = 0;
	bool exact = false, trades = false;
	for (size_t i = 0; i < n && !exact; i++) {
		exact = consider(told[i], whole, &best, &best_rows);
		trades |= strstr(told[i], "\"trade_ids\"") != NULL;
	}
	if (!best)
		best = json_object();
	if (!exact)
		json_object_set_new(best, "content",
				    json_string(bitcoin_content_text(arena, whole)));
	/* Which trades came in the files that nobody tells of is not known. */
	*ret_doubtful = !exact && trades;
	json_canonical(best, &text);
	return arena_strndup(arena, text.data, text.len);
}
