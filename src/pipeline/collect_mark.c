/* The marks by which a collector finds out where the one before it ended.
 */
#include "collect_mark.h"

#include "bitcoin_fields.h"

const char *collect_mark(struct arena *arena, const char *source, const char *pair)
{
	return arena_printf(arena, "collect:%s/%s", source, pair);
}

bool collect_last_slot(const struct bitcoin_row *row, int64_t *ret_us)
{
	int64_t span_us;
	if (row->kind == BITCOIN_TRADE || row->origin || row->slot_us == BITCOIN_NONE)
		return false;
	*ret_us = row->slot_us;
	/* No span but one that fits: the row may be anybody's. */
	if (row->kind == BITCOIN_GAP &&
	    !__builtin_mul_overflow(row->slots - 1, row->period_us, &span_us) &&
	    span_us < BITCOIN_TIME_END)
		*ret_us += span_us;
	return true;
}
