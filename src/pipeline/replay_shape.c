/* What the fields of the exchanges' messages mean: tables of shapes, told by the names they have, and two readers, of
 * trades and of ticks, that go by them. A new message is a row here. */
#include <string.h>
#include <strings.h>

#include "bitcoin_answer.h"
#include "bitcoin_fields.h"
#include "replay_private.h"
#include "shown.h"
#include "tr.h"

#define NAMES_MAX 8
#define DAY_US    INT64_C(86400000000)

struct trade_names {
	const char *id, *price, *quantity, *time;
	/* which side, and the value that means that the buyer was the maker */
	const char *side, *buyer_made;
};
struct tick_names {
	const char *time, *time_else, *last, *bid, *ask, *high, *low, *volume, *change;
};
struct shape {
	const char *has[NAMES_MAX];
	const char *key, *value; /* and this field has this text; NULL: no matter */
	const char *source;
	const char *pair; /* the field; NULL: it does not say */
	const struct trade_names *trade;
	const struct tick_names *tick; /* neither: known, and not kept */
};

/* -- the tables -------------------------------------------------------------------------------- */

static const struct trade_names
	binance_stream = {"t", "p", "q", "T", "m", "true"},
	binance_rest = {"id", "price", "qty", "time", "isBuyerMaker", "true"},
	binance_dump = {"id", "price", "qty", "time", "is_buyer_maker", "true"},
	mercadobitcoin_rest = {"tid", "price", "amount", "date", "type", "sell"},
	coinbase_match = {"trade_id", "price", "size", "time", "side", "buy"},
	bybit_stream = {"i", "p", "v", "T", "S", "Sell"},
	kraken_stream = {"trade_id", "price", "qty", "timestamp", "side", "sell"},
	bitstamp_stream = {"id", "price_str", "amount_str", "microtimestamp", "type", "1"};
static const struct tick_names binance_ticker = {.time = "E",
						 .last = "c",
						 .bid = "b",
						 .ask = "a",
						 .high = "h",
						 .low = "l",
						 .volume = "v",
						 .change = "P"},
			       binance_book = {.time = "T",
					       .time_else = "E",
					       .bid = "b",
					       .ask = "a"},
			       coinbase_ticker = {.time = "time",
						  .last = "price",
						  .bid = "best_bid",
						  .ask = "best_ask",
						  .high = "high_24h",
						  .low = "low_24h",
						  .volume = "volume_24h"};

/* The first that fits counts. Trades of Binance's futures have numbers of their own: a source of its own, told by
 * the field X. */
static const struct shape shapes[] = {
	{.has = {"X", "s", "t", "p", "q", "T"},
	 .key = "X",
	 .value = "MARKET",
	 .source = "binance_futures",
	 .pair = "s",
	 .trade = &binance_stream},
	{.has = {"X", "t"}, .key = "e", .value = "trade"}, /* insurance fund, liquidations */
	{.has = {"s", "t", "p", "q", "T"},
	 .key = "e",
	 .value = "trade",
	 .source = "binance",
	 .pair = "s",
	 .trade = &binance_stream},
	{.has = {"s", "c", "E", "h", "l"},
	 .key = "e",
	 .value = "24hrTicker",
	 .source = "binance",
	 .pair = "s",
	 .tick = &binance_ticker},
	{.has = {"u", "s", "b", "B", "a", "A"},
	 .key = "e",
	 .value = "bookTicker",
	 .source = "binance_futures",
	 .pair = "s",
	 .tick = &binance_book},
	{.has = {"e"}}, /* Binance's other events */
	{.has = {"u", "s", "b", "B", "a", "A"},
	 .source = "binance",
	 .pair = "s",
	 .tick = &binance_book},
	{.has = {"id", "price", "qty", "time", "isBuyerMaker"},
	 .source = "binance",
	 .pair = "symbol",
	 .trade = &binance_rest},
	{.has = {"id", "price", "qty", "time", "is_buyer_maker"},
	 .source = "binance",
	 .pair = "symbol",
	 .trade = &binance_dump},
	{.has = {"tid", "price", "amount", "date"},
	 .source = "mercadobitcoin",
	 .trade = &mercadobitcoin_rest},
	{.has = {"product_id", "price", "time", "best_bid"},
	 .key = "type",
	 .value = "ticker",
	 .source = "coinbase",
	 .pair = "product_id",
	 .tick = &coinbase_ticker},
	{.has = {"trade_id", "price", "size", "time", "side"},
	 .source = "coinbase",
	 .pair = "product_id",
	 .trade = &coinbase_match},
	{.has = {"i", "T", "p", "v", "S", "s"},
	 .source = "bybit",
	 .pair = "s",
	 .trade = &bybit_stream},
	{.has = {"symbol", "trade_id", "price", "qty", "timestamp"},
	 .source = "kraken",
	 .pair = "symbol",
	 .trade = &kraken_stream},
	{.has = {"id", "price_str", "amount_str", "microtimestamp"},
	 .source = "bitstamp",
	 .trade = &bitstamp_stream},
	{.has = {"lastUpdateId"}},       /* order books of REST */
	{.has = {"result", "id"}},       /* answers to subscriptions */
	{.has = {"success", "op"}},      /* the same of others */
	{.has = {"type", "product_id"}}, /* Coinbase's other messages */
};

/* Rows of our own tables. */
static const char *const own_trade[] = {"source", "pair", "trade_id", "event_time", "price", NULL},
			 *const own_tick[] = {"source", "pair", "event_time", NULL},
			 *const own_gap[] = {"source", "pair", "slot", "reason", NULL};

/* -- values ------------------------------------------------------------------------------------ */

static const char *get(const struct replay_fields *f, const char *name)
{
	return name ? f->get(f->ctx, name) : NULL;
}

static bool has_all(const struct replay_fields *f, const char *const *names)
{
	for (; *names; names++)
		if (!get(f, *names))
			return false;
	return true;
}

static int refuse(struct replay_line *l, const char *name, const char *text, const char *reason,
		  const char *expected, struct err *e)
{
	err_set(e, ERR_INPUT, "%s: found \"%s\", expected %s", name,
		shown(l->arena, slice_of(text)), expected);
	return err_reason(e, reason);
}

int replay_time(const char *text, int64_t *ret_us, struct err *e)
{
	struct slice s = slice_of(text);
	AUTO_BUF struct buf with_offset = {0};
	int64_t number, micros = 0;
	if (int64_parse(s, &number))
		return bitcoin_time(number, ret_us, e);
	if (s.n > 19 && s.p[4] == '-' && strpbrk(text + 19, "Z+-"))
		return bitcoin_time_iso(s, ret_us, e);
	if (s.n >= 19 && s.p[4] == '-') {
		buf_printf(&with_offset, "%sZ", text);
		return bitcoin_time_iso(buf_slice(&with_offset), ret_us, e);
	}
	/* "1618677816.8414998" */
	struct slice rest = s, whole = slice_cut(&rest, '.');
	for (size_t i = 0; i < 6; i++)
		micros = micros * 10 +
			 (i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9' ? rest.p[i] - '0' : 0);
	if (rest.n && strspn(rest.p, "0123456789") == rest.n && int64_parse(whole, &number) &&
	    number > 0 && number < INT64_MAX / 2000000)
		return bitcoin_time(number * 1000000 + micros, ret_us, e);
	return bitcoin_time_iso(s, ret_us, e); /* which says what was found */
}

bool replay_is_word(const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return n > 0 && n <= BITCOIN_WORD_MAX;
}

int replay_word(struct replay_line *l, const char *name, const char *text, const char **ret,
		struct err *e)
{
	if (!replay_is_word(text))
		return refuse(l, name, text, "bad_text",
			      tr("a word of at most 64 ASCII characters"), e);
	*ret = arena_strdup(l->arena, text);
	return OK;
}

/* NONE where there is none. */
static int number(const struct replay_fields *f, const char *name, int64_t *ret, struct err *e)
{
	const char *text = get(f, name);
	int rc = text ? bitcoin_decimal(slice_of(text), ret, e) : OK;
	return rc ? err_wrap(e, "%s", name) : OK;
}

/* What is computed beside the prices may have more digits than the column; the payload has them. */
static int figure(const struct replay_fields *f, const char *name, int64_t *ret, struct err *e)
{
	const char *text = get(f, name);
	if (number(f, name, ret, NULL) == OK)
		return OK;
	*ret = BITCOIN_NONE;
	return text[strspn(text, "+-.0123456789eE")] ? number(f, name, ret, e) : OK;
}

/* NONE where there is none. */
static int price(const struct replay_fields *f, const char *name, int64_t *ret, struct err *e)
{
	const char *text = get(f, name);
	return text ? bitcoin_price(name, slice_of(text), ret, e) : OK;
}

static int moment(struct replay_line *l, const struct replay_fields *f, const char *name,
		  int64_t *ret, struct err *e)
{
	const char *text = get(f, name);
	int rc = text ? replay_time(text, ret, e) : OK;
	if (rc)
		return err_wrap(e, "%s", name);
	if (*ret == BITCOIN_NONE || *ret - DAY_US <= l->now_us)
		return OK;
	return refuse(l, name, text, "bad_time", tr("a time that is not in the future"), e);
}

static int whose(struct replay_line *l, const struct replay_fields *f, const struct shape *shape,
		 struct bitcoin_row *row, struct err *e)
{
	const char *pair = get(f, shape->pair);
	row->source = l->source ? l->source : shape->source;
	row->received_us = l->received_us;
	if (pair)
		return replay_word(l, shape->pair, pair, &row->pair, e);
	row->pair = l->pair;
	if (row->pair)
		return OK;
	err_set(e, ERR_USAGE,
		"these messages of %s do not say which pair they are of: give it with --pair",
		row->source);
	return err_reason(e, "no_pair");
}

static void add(struct replay_line *l, const struct bitcoin_row *row)
{
	*PUSH(l->rows, l->count, l->cap) = *row;
}

/* -- readers ----------------------------------------------------------------------------------- */

static int trade_id(struct replay_line *l, const char *name, const char *text,
		    struct bitcoin_row *row, struct err *e)
{
	if (text && int64_parse(slice_of(text), &row->trade_id) && row->trade_id >= 0)
		return OK;
	return refuse(l, name, text, "bad_trade_id", tr("a whole number of 0 or more"), e);
}

static int quantity(struct replay_line *l, const struct replay_fields *f, const char *name,
		    int64_t *ret, struct err *e)
{
	int rc = number(f, name, ret, e);
	if (rc || *ret > 0)
		return rc;
	return refuse(l, name, get(f, name), "bad_number", tr("a quantity over 0"), e);
}

static int read_trade(struct replay_line *l, const struct replay_fields *f,
		      const struct shape *shape, struct err *e)
{
	const struct trade_names *names = shape->trade;
	const char *side = get(f, names->side);
	struct bitcoin_row row;
	bitcoin_row_init(&row, BITCOIN_TRADE);
	int rc = whose(l, f, shape, &row, e);
	if (rc == OK)
		rc = trade_id(l, names->id, get(f, names->id), &row, e);
	if (rc == OK)
		rc = price(f, names->price, &row.price, e);
	if (rc == OK)
		rc = quantity(l, f, names->quantity, &row.quantity, e);
	if (rc == OK)
		rc = moment(l, f, names->time, &row.event_us, e);
	if (rc)
		return rc;
	if (side)
		row.maker = strcasecmp(side, names->buyer_made) == 0;
	add(l, &row);
	return OK;
}

static int check_tick(struct replay_line *l, struct bitcoin_row *row, struct err *e)
{
	if (row->event_us == BITCOIN_NONE)
		row->event_us = row->received_us;
	if (row->event_us == BITCOIN_NONE) {
		err_set(e, ERR_INPUT, "the message has no time, and the recording tells none");
		return err_reason(e, "no_time");
	}
	/* A book may be crossed for a moment, not by a tenth. */
	if (row->bid != BITCOIN_NONE && row->ask != BITCOIN_NONE &&
	    row->bid - row->ask > row->ask / 10) {
		err_set(e, ERR_INPUT, "the best bid is far over the best ask");
		return err_reason(e, "bad_price");
	}
	if (row->last != BITCOIN_NONE || row->bid != BITCOIN_NONE || row->ask != BITCOIN_NONE)
		return OK;
	err_set(e, ERR_INPUT, "the message has no price");
	return err_reason(e, "bad_price");
}

static int read_prices(struct replay_line *l, const struct replay_fields *f,
		       const struct tick_names *names, struct bitcoin_row *row, struct err *e)
{
	int rc = price(f, names->last, &row->last, e);
	if (rc == OK)
		rc = price(f, names->bid, &row->bid, e);
	if (rc == OK)
		rc = price(f, names->ask, &row->ask, e);
	if (rc == OK)
		rc = price(f, names->high, &row->high_24h, e);
	if (rc == OK)
		rc = price(f, names->low, &row->low_24h, e);
	if (rc == OK)
		rc = figure(f, names->volume, &row->volume_24h, e);
	return rc ? rc : figure(f, names->change, &row->var_24h, e);
}

static int read_tick(struct replay_line *l, const struct replay_fields *f,
		     const struct shape *shape, struct err *e)
{
	const struct tick_names *names = shape->tick;
	struct bitcoin_row row;
	bitcoin_row_init(&row, BITCOIN_TICK);
	int rc = whose(l, f, shape, &row, e);
	if (rc == OK)
		rc = read_prices(l, f, names, &row, e);
	if (rc == OK)
		rc = moment(l, f, get(f, names->time) ? names->time : names->time_else,
			    &row.event_us, e);
	if (rc == OK)
		rc = check_tick(l, &row, e);
	if (rc)
		return rc;
	row.payload = l->payload;
	add(l, &row);
	return OK;
}

/* -- rows of our own tables -------------------------------------------------------------------- */

static const struct tick_names own_prices = {.last = "last",
					     .bid = "bid",
					     .ask = "ask",
					     .high = "high_24h",
					     .low = "low_24h",
					     .volume = "volume_24h",
					     .change = "var_24h"};

static int read_own(struct replay_line *l, const struct replay_fields *f, bool trade, struct err *e)
{
	struct bitcoin_row row;
	bitcoin_row_init(&row, trade ? BITCOIN_TRADE : BITCOIN_TICK);
	int rc = replay_word(l, "source", get(f, "source"), &row.source, e);
	if (rc == OK)
		rc = replay_word(l, "pair", get(f, "pair"), &row.pair, e);
	if (rc == OK)
		rc = moment(l, f, "event_time", &row.event_us, e);
	if (rc == OK)
		rc = moment(l, f, "received_at", &row.received_us, e);
	if (rc == OK && trade) {
		const char *maker = get(f, "buyer_is_maker");
		row.maker = maker ? strcasecmp(maker, "true") == 0 : -1;
		rc = trade_id(l, "trade_id", get(f, "trade_id"), &row, e);
		if (rc == OK)
			rc = price(f, "price", &row.price, e);
		if (rc == OK)
			rc = quantity(l, f, "quantity", &row.quantity, e);
	} else if (rc == OK) {
		const char *payload = get(f, "payload");
		rc = moment(l, f, "slot", &row.slot_us, e);
		if (rc == OK)
			rc = read_prices(l, f, &own_prices, &row, e);
		if (rc == OK)
			rc = check_tick(l, &row, e);
		if (payload)
			row.payload = slice_of(arena_strdup(l->arena, payload));
		if (row.payload.n > BITCOIN_PAYLOAD_MAX ||
		    !str_is_utf8(row.payload.p, row.payload.n))
			row.payload = (struct slice){NULL, 0};
	}
	if (rc == OK)
		add(l, &row);
	return rc;
}

/* -- which ------------------------------------------------------------------------------------- */

static bool fits(const struct shape *shape, const struct replay_fields *f)
{
	const char *value = shape->key ? get(f, shape->key) : NULL;
	if (shape->key && (!value || strcmp(value, shape->value) != 0))
		return false;
	return has_all(f, shape->has);
}

int replay_shape_read(struct replay_line *l, const struct replay_fields *f, bool *ret_known,
		      struct err *e)
{
	*ret_known = true;
	if (has_all(f, own_trade))
		return read_own(l, f, true, e);
	if (has_all(f, own_tick))
		return read_own(l, f, false, e);
	if (has_all(f, own_gap))
		return OK;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const struct shape *shape = &shapes[i];
		if (!fits(shape, f))
			continue;
		if (shape->trade)
			return read_trade(l, f, shape, e);
		return shape->tick ? read_tick(l, f, shape, e) : OK;
	}
	*ret_known = false;
	return OK;
}
