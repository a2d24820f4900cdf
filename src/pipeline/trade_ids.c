/* Sets of trade ids as sorted intervals: added to by merging two sorted lists, so that no order of arrival makes it slow.
 */
#include "trade_ids.h"

#include <string.h>

static struct trade_list *list_of(struct trade_ids *ids, struct slice source, struct slice pair)
{
	for (size_t i = 0; i < ids->count; i++)
		if (slice_is(source, ids->lists[i].source) && slice_is(pair, ids->lists[i].pair))
			return &ids->lists[i];
	struct trade_list *list = PUSH(ids->lists, ids->count, ids->cap);
	list->source = arena_strndup(ids->arena, source.p, source.n);
	list->pair = arena_strndup(ids->arena, pair.p, pair.n);
	return list;
}

/* Appends a range that begins nowhere before the last one did. */
static void append(struct trade_range *ranges, size_t *count, struct trade_range r)
{
	struct trade_range *last = *count ? &ranges[*count - 1] : NULL;
	if (last && (r.first <= last->last || r.first == last->last + 1))
		last->last = r.last > last->last ? r.last : last->last;
	else
		ranges[(*count)++] = r;
}

/* Both are sorted by their beginnings. */
static void merge(struct trade_ids *ids, struct trade_list *list, const struct trade_range *more,
		  size_t n)
{
	struct trade_range *all = ANEW_ARRAY(ids->arena, list->count + n, struct trade_range);
	size_t count = 0, a = 0, b = 0;
	while (a < list->count || b < n) {
		bool old = b == n || (a < list->count && list->ranges[a].first <= more[b].first);
		append(all, &count, old ? list->ranges[a++] : more[b++]);
	}
	list->ranges = all;
	list->count = count;
}

void trade_ids_take(struct trade_ids *ids, const char *source, const char *pair, const int64_t *in,
		    size_t n, bool *ret_known)
{
	struct trade_list *list = list_of(ids, slice_of(source), slice_of(pair));
	struct trade_range *fresh = NEW_ARRAY(n, struct trade_range);
	size_t count = 0, at = 0;
	for (size_t i = 0; i < n; i++) {
		while (at < list->count && list->ranges[at].last < in[i])
			at++;
		ret_known[i] = (at < list->count && list->ranges[at].first <= in[i]) ||
			       (i && in[i - 1] == in[i]);
		if (!ret_known[i])
			append(fresh, &count, (struct trade_range){in[i], in[i]});
	}
	if (count)
		merge(ids, list, fresh, count);
	free(fresh);
}

/* -- as a property ----------------------------------------------------------------------------- */

static int wrong(struct err *e, const char *key)
{
	return err_set(e, ERR_INPUT,
		       "the property \"trade_ids\" is damaged at \"%s\": expected sorted intervals "
		       "of trade ids by source and pair",
		       key);
}

/* "binance" of "binance/BTC/USD", its escapes undone; false when there is no such part. */
static bool split(struct arena *arena, const char *key, struct slice *source, struct slice *pair)
{
	*pair = slice_of(key);
	struct slice escaped = slice_cut(pair, '/');
	if (escaped.n == strlen(key) || escaped.n == 0 || pair->n == 0)
		return false;
	char *text = arena_strndup(arena, escaped.p, escaped.n), *to = text;
	for (const char *from = text; *from; to++) {
		bool slash = strncmp(from, "%2F", 3) == 0, percent = strncmp(from, "%25", 3) == 0;
		if (*from == '%' && !slash && !percent)
			return false;
		*to = slash ? '/' : *from; /* of "%25" the '%' itself */
		from += slash || percent ? 3 : 1;
	}
	*source = (struct slice){text, (size_t)(to - text)};
	return true;
}

static bool range_of(const json_t *v, struct trade_range *ret)
{
	const json_t *first = json_array_get(v, 0), *last = json_array_get(v, 1);
	if (json_array_size(v) != 2 || !json_is_integer(first) || !json_is_integer(last))
		return false;
	*ret = (struct trade_range){json_integer_value(first), json_integer_value(last)};
	return ret->first >= 0 && ret->first <= ret->last;
}

int trade_ids_add_json(struct trade_ids *ids, const json_t *o, struct err *e)
{
	const char *key;
	json_t *list;
	if (!json_is_object(o))
		return wrong(e, "");
	json_object_foreach((json_t *)o, key, list) {
		struct slice source, pair;
		size_t n = json_array_size(list);
		if (!json_is_array(list) || !split(ids->arena, key, &source, &pair))
			return wrong(e, key);
		struct trade_range *ranges = ANEW_ARRAY(ids->arena, n, struct trade_range);
		for (size_t i = 0; i < n; i++)
			if (!range_of(json_array_get(list, i), &ranges[i]) ||
			    (i && ranges[i].first <= ranges[i - 1].last))
				return wrong(e, key);
		merge(ids, list_of(ids, source, pair), ranges, n);
	}
	return OK;
}

json_t *trade_ids_json(const struct trade_ids *ids)
{
	json_t *o = json_object();
	AUTO_BUF struct buf key = {0};
	for (size_t i = 0; i < ids->count; i++) {
		const struct trade_list *list = &ids->lists[i];
		json_t *ranges = json_array();
		for (size_t k = 0; k < list->count; k++)
			json_array_append_new(ranges,
					      json_pack("[I, I]", (json_int_t)list->ranges[k].first,
							(json_int_t)list->ranges[k].last));
		buf_reset(&key);
		for (const char *s = list->source; *s; s++) {
			if (*s == '/' || *s == '%')
				buf_str(&key, *s == '/' ? "%2F" : "%25");
			else
				buf_char(&key, *s);
		}
		buf_printf(&key, "/%s", list->pair);
		json_object_set_new(o, key.data, ranges);
	}
	return o;
}

void trade_ids_clear(struct trade_ids *ids)
{
	free(ids->lists);
	ids->lists = NULL;
	ids->count = ids->cap = 0;
}
