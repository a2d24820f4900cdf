/* JSON messages: bare objects, arrays of them, and the wrappers that the exchanges put around them; the answers of the
 * tickers go to the sources' own readers. */
#include <string.h>

#include "bitcoin_answer.h"
#include "replay_private.h"
#include "shown.h"

#define DEPTH_MAX 4
#define NAMES_MAX 8

static const char *member(const void *ctx, const char *name)
{
	const json_t *v = json_object_get(ctx, name);
	const char *text = json_string_value(v);
	if (!text)
		text = json_is_true(v) ? "true" : json_is_false(v) ? "false" : NULL;
	return text && *text ? text : NULL;
}

/* -- answers of the tickers -------------------------------------------------------------------- */

struct ticker {
	const char *source;
	const char *has[NAMES_MAX];
	const char *pair;           /* NULL: it does not say */
	const char *before, *after; /* what the source's answer has around it */
};
static const struct ticker tickers[] = {
	{"cointradermonitor", {"pair", "last", "volume24h", "time"}, "pair", "", ""},
	{"mercadobitcoin", {"pair", "last", "buy", "sell", "date"}, "pair", "[", "]"},
	{"mercadobitcoin", {"last", "buy", "sell", "date"}, NULL, "{\"ticker\":", "}"},
	{"binance", {"symbol", "lastPrice", "closeTime"}, "symbol", "", ""},
	{"coinbase", {"trade_id", "price", "size", "time", "bid", "ask", "volume"}, NULL, "", ""},
};

static const struct ticker *ticker_of(const struct replay_fields *f)
{
	for (size_t i = 0; i < ARRAY_LEN(tickers); i++) {
		bool all = true;
		for (size_t k = 0; all && k < NAMES_MAX && tickers[i].has[k]; k++)
			all = f->get(f->ctx, tickers[i].has[k]) != NULL;
		if (all)
			return &tickers[i];
	}
	return NULL;
}

static int read_ticker(struct replay_line *l, const struct ticker *ticker, const json_t *o,
		       struct err *e)
{
	const struct bitcoin_source *source = bitcoin_source_find(ticker->source);
	const char *pair = ticker->pair ? member(o, ticker->pair) : l->pair;
	AUTO_BUF struct buf text = {0};
	struct bitcoin_row row;
	if (!pair) {
		err_set(e, ERR_USAGE,
			"these messages of %s do not say which pair they are of: give it with --pair",
			ticker->source);
		return err_reason(e, "no_pair");
	}
	int rc = replay_word(l, "pair", pair, &pair, e);
	if (rc)
		return rc;
	buf_str(&text, ticker->before);
	json_canonical(o, &text);
	buf_str(&text, ticker->after);
	rc = source->parse(pair, buf_slice(&text), l->now_us, l->arena, &row, e);
	if (rc)
		return rc;
	row.source = l->source ? l->source : row.source;
	row.received_us = l->received_us;
	if (row.event_us == BITCOIN_NONE)
		row.event_us = row.received_us;
	if (row.event_us == BITCOIN_NONE) {
		err_set(e, ERR_INPUT, "the message has no time, and the recording tells none");
		return err_reason(e, "no_time");
	}
	if (l->payload.n)
		row.payload = l->payload;
	*PUSH(l->rows, l->count, l->cap) = row;
	return OK;
}

/* -- messages ---------------------------------------------------------------------------------- */

static int walk(struct replay_line *l, const json_t *v, int depth, struct err *e);

static int walk_list(struct replay_line *l, const json_t *list, int depth, struct err *e)
{
	size_t i;
	json_t *v;
	int rc = OK;
	if (json_is_array(json_array_get(list, 0)) &&
	    json_array_size(json_array_get(list, 0)) >= 11) {
		err_set(e, ERR_INPUT,
			"the lists are candles, expected trades or tickers: candles are made from them");
		return err_reason(e, "candles");
	}
	json_array_foreach(list, i, v) {
		if (json_is_object(v))
			rc = walk(l, v, depth + 1, e);
		if (rc)
			return rc;
	}
	return OK;
}

/* What an object may have its message in; the first that is there. */
static const json_t *wrapped(const json_t *o)
{
	static const char *const names[] = {"data", "ticker", "trades", "result", "events"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *v = json_object_get(o, names[i]);
		if (json_is_object(v) || json_is_array(v))
			return v;
	}
	return NULL;
}

static int walk(struct replay_line *l, const json_t *v, int depth, struct err *e)
{
	const struct replay_fields fields = {member, v};
	bool known = false;
	if (json_is_array(v))
		return walk_list(l, v, depth, e);
	const json_t *inner = depth < DEPTH_MAX ? wrapped(v) : NULL;
	if (inner)
		return walk(l, inner, depth + 1, e);
	const struct ticker *ticker = ticker_of(&fields);
	if (ticker)
		return read_ticker(l, ticker, v, e);
	return replay_shape_read(l, &fields, &known, e);
}

int replay_json(struct replay_line *l, struct slice text, struct err *e)
{
	AUTO_JSON json_t *root = NULL;
	size_t before = l->count;
	/* Kept with a tick that it is the whole of. */
	l->payload = text.n <= BITCOIN_PAYLOAD_MAX ? text : (struct slice){NULL, 0};
	int rc = bitcoin_answer_read(text, l->arena, &root, e);
	if (rc)
		return rc;
	if (!json_is_object(root) && !json_is_array(root)) {
		err_set(e, ERR_INPUT, "found \"%s\", expected an object or a list",
			shown(l->arena, text));
		return err_reason(e, "wrong_shape");
	}
	rc = walk(l, root, 0, e);
	if (rc)
		l->count = before;
	else if (l->count - before > 1)
		for (size_t i = before; i < l->count; i++)
			l->rows[i].payload = (struct slice){NULL, 0};
	return rc;
}
