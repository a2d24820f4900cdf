/* The tickers: where each is asked, which member of its answer says what, and what no answer may
 * say. */
#include "bitcoin_source.h"

#include <string.h>

#include "bitcoin_answer.h"
#include "bitcoin_fields.h"
#include "clock.h"
#include "shown.h"
#include "tr.h"

#define US_PER_DAY INT64_C(86400000000)

/* Which member of a ticker's object says what; NULL: none does. */
struct shape {
	const char *pair;
	const char *last, *bid, *ask, *high, *low, *volume, *var;
	const char *time;
	bool iso; /* the time is a text with an offset, else a number since 1970 */
};

/* An answer being read. */
struct reading {
	const json_t *object;
	const char *pair; /* that was asked for */
	int64_t now_us;
	struct arena *arena;
	struct bitcoin_row *row;
};

/* ---- single fields ---- */

static const char *found(const struct reading *r, const json_t *v)
{
	AUTO_BUF struct buf text = {0};
	json_canonical(v, &text);
	return shown(r->arena, buf_slice(&text));
}

/* The member's text; *ret stays empty when it is missing, null or empty and need not be there. */
static int get_text(const struct reading *r, const char *key, bool required, struct slice *ret,
		    struct err *e)
{
	const json_t *v = key ? json_object_get(r->object, key) : NULL;
	const char *text = json_string_value(v);
	*ret = (struct slice){text, json_string_length(v)};
	if (ret->n || (!required && (text || !v || json_is_null(v))))
		return OK;
	if (v)
		err_set(e, ERR_INPUT, "%s: found %s, expected a number or a text", key,
			found(r, v));
	else
		err_set(e, ERR_INPUT, "the answer has no member \"%s\"", key);
	return err_reason(e, "wrong_shape");
}

static int get_price(const struct reading *r, const char *key, bool required, int64_t *ret,
		     struct err *e)
{
	struct slice text;
	int rc = get_text(r, key, required, &text, e);
	return rc < 0 || !text.n ? rc : bitcoin_price(key, text, ret, e);
}

/* A figure beside the prices. Some sources compute these with floats, and some pairs are traded by the
 * trillion: what is a number but does not fit the column is null rather than a reason to lose the
 * price; the payload has it. */
static int get_figure(const struct reading *r, const char *key, bool negative, int64_t *ret,
		      struct err *e)
{
	struct slice text;
	int rc = get_text(r, key, false, &text, e);
	if (rc < 0 || !text.n)
		return rc;
	int64_t n;
	rc = bitcoin_decimal(text, &n, e);
	if (rc == OK && n < 0 && !negative) {
		err_set(e, ERR_INPUT, "%s: found %s, expected zero or more", key,
			shown(r->arena, text));
		return err_reason(e, "bad_number");
	}
	if (rc == OK) {
		*ret = n;
		return OK;
	}
	AUTO_BUF struct buf quoted = {0};
	bitcoin_quote_numbers(text, &quoted);
	bool is_number = quoted.len == text.n + 2 && (negative || text.p[0] != '-');
	if (is_number)
		return OK;
	err_wrap(e, "the member \"%s\"", key);
	return rc;
}

static int get_time(const struct reading *r, const struct shape *shape, int64_t *ret, struct err *e)
{
	struct slice text;
	int64_t number;
	int rc = get_text(r, shape->time, true, &text, e);
	if (rc < 0)
		return err_reason(e, json_object_get(r->object, shape->time) ? "wrong_shape"
									     : "bad_time");
	if (shape->iso) {
		rc = bitcoin_time_iso(text, ret, e);
	} else if (int64_parse(text, &number)) {
		rc = bitcoin_time(number, ret, e);
	} else {
		err_set(e, ERR_INPUT, "found the time \"%s\", expected a whole number",
			shown(r->arena, text));
		rc = err_reason(e, "bad_time");
	}
	if (rc < 0) {
		err_wrap(e, "the member \"%s\"", shape->time);
		return rc;
	}
	if (r->now_us != BITCOIN_NONE && *ret > r->now_us + US_PER_DAY) {
		char there[TIME_TEXT_SIZE], here[TIME_TEXT_SIZE];
		err_set(e, ERR_INPUT, "%s: found %s, more than a day after now, %s", shape->time,
			time_format_utc(*ret, there), time_format_utc(r->now_us, here));
		return err_reason(e, "bad_time");
	}
	return OK;
}

/* ---- what fits together ---- */

static int check_prices(const struct reading *r, const struct shape *shape, struct err *e)
{
	const struct bitcoin_row *row = r->row;
	char a[DECIMAL_TEXT_SIZE], b[DECIMAL_TEXT_SIZE];
	/* A book may be crossed for a moment, not by a tenth. */
	if (row->bid != BITCOIN_NONE && row->ask != BITCOIN_NONE &&
	    row->bid - row->ask > row->ask / 10) {
		decimal_format(row->bid, BITCOIN_SCALE, a);
		decimal_format(row->ask, BITCOIN_SCALE, b);
		err_set(e, ERR_INPUT, "%s is %s, far over %s, which is %s", shape->bid, a,
			shape->ask, b);
		return err_reason(e, "bad_price");
	}
	if (row->high_24h == BITCOIN_NONE || row->low_24h == BITCOIN_NONE)
		return OK;
	decimal_format(row->low_24h, BITCOIN_SCALE, a);
	decimal_format(row->high_24h, BITCOIN_SCALE, b);
	if (row->low_24h > row->high_24h) {
		err_set(e, ERR_INPUT, "%s is %s, over %s, which is %s", shape->low, a, shape->high,
			b);
		return err_reason(e, "bad_price");
	}
	/* The day's range may lag behind the last trade, not by half. */
	if (row->last / 2 > row->high_24h || row->last < row->low_24h / 2) {
		char last[DECIMAL_TEXT_SIZE];
		decimal_format(row->last, BITCOIN_SCALE, last);
		err_set(e, ERR_INPUT, "%s is %s, far from the day's range, %s to %s", shape->last,
			last, a, b);
		return err_reason(e, "bad_price");
	}
	return OK;
}

static int check_pair(const struct reading *r, const char *key, struct err *e)
{
	struct slice text;
	int rc = get_text(r, key, true, &text, e);
	if (rc < 0 || slice_is(text, r->pair))
		return rc;
	err_set(e, ERR_INPUT, "the answer is for another pair: found %s, expected %s",
		shown(r->arena, text), r->pair);
	return err_reason(e, "other_pair");
}

static int read_ticker(struct reading *r, const struct shape *shape, struct err *e)
{
	struct bitcoin_row *row = r->row;
	if (!json_is_object(r->object)) {
		err_set(e, ERR_INPUT, "found %s, expected a ticker's object", found(r, r->object));
		return err_reason(e, "wrong_shape");
	}
	int rc = shape->pair ? check_pair(r, shape->pair, e) : OK;
	if (rc == OK)
		rc = get_price(r, shape->last, true, &row->last, e);
	if (rc == OK)
		rc = get_price(r, shape->bid, false, &row->bid, e);
	if (rc == OK)
		rc = get_price(r, shape->ask, false, &row->ask, e);
	if (rc == OK)
		rc = get_price(r, shape->high, false, &row->high_24h, e);
	if (rc == OK)
		rc = get_price(r, shape->low, false, &row->low_24h, e);
	if (rc == OK)
		rc = get_figure(r, shape->volume, false, &row->volume_24h, e);
	if (rc == OK)
		rc = get_figure(r, shape->var, true, &row->var_24h, e);
	if (rc == OK)
		rc = get_time(r, shape, &row->event_us, e);
	return rc == OK ? check_prices(r, shape, e) : rc;
}

/* ---- the sources ---- */

static const struct shape cointradermonitor_shape = {
	.pair = "pair",
	.last = "last",
	.volume = "volume24h",
	.var = "var24h",
	.time = "time",
	.iso = true,
};
static const struct shape mercadobitcoin_shape = {
	.pair = "pair",
	.last = "last",
	.bid = "buy",
	.ask = "sell",
	.high = "high",
	.low = "low",
	.volume = "vol",
	.time = "date",
};
static const struct shape binance_shape = {
	.pair = "symbol",
	.last = "lastPrice",
	.bid = "bidPrice",
	.ask = "askPrice",
	.high = "highPrice",
	.low = "lowPrice",
	.volume = "volume",
	.var = "priceChangePercent",
	.time = "closeTime",
};
/* Says nowhere which pair it is for. */
static const struct shape coinbase_shape = {
	.last = "price",
	.bid = "bid",
	.ask = "ask",
	.volume = "volume",
	.time = "time",
	.iso = true,
};

static int read_plain(struct reading *r, const json_t *root, const struct shape *shape,
		      struct err *e)
{
	r->object = root;
	return read_ticker(r, shape, e);
}

static int read_cointradermonitor(struct reading *r, const json_t *root, struct err *e)
{
	return read_plain(r, root, &cointradermonitor_shape, e);
}

static int read_binance(struct reading *r, const json_t *root, struct err *e)
{
	return read_plain(r, root, &binance_shape, e);
}

static int read_coinbase(struct reading *r, const json_t *root, struct err *e)
{
	return read_plain(r, root, &coinbase_shape, e);
}

/* v4 is a list with a ticker for each pair that was asked for; v3 is {"ticker": {...}}, with the same
 * members but the pair. */
static int read_mercadobitcoin(struct reading *r, const json_t *root, struct err *e)
{
	const json_t *v3 = json_object_get(root, "ticker");
	if (v3) {
		struct shape shape = mercadobitcoin_shape;
		shape.pair = NULL;
		return read_plain(r, v3, &shape, e);
	}
	if (!json_is_array(root) || json_array_size(root) != 1) {
		err_set(e, ERR_INPUT, "found %s, expected a list with one ticker", found(r, root));
		return err_reason(e, "wrong_shape");
	}
	return read_plain(r, json_array_get(root, 0), &mercadobitcoin_shape, e);
}

static int parse(const char *name, int (*read)(struct reading *, const json_t *, struct err *),
		 const char *pair, struct slice body, int64_t now_us, struct arena *arena,
		 struct bitcoin_row *ret, struct err *e)
{
	struct bitcoin_row row;
	struct reading r = {.pair = pair, .now_us = now_us, .arena = arena, .row = &row};
	AUTO_JSON json_t *root = NULL;
	int rc = bitcoin_answer_read(body, arena, &root, e);
	if (rc < 0)
		return rc;
	bitcoin_row_init(&row, BITCOIN_TICK);
	rc = read(&r, root, e);
	if (rc < 0)
		return rc;
	row.source = name;
	row.pair = arena_strdup(arena, pair);
	if (body.n <= BITCOIN_PAYLOAD_MAX)
		row.payload = (struct slice){arena_strndup(arena, body.p, body.n), body.n};
	*ret = row;
	return OK;
}

#define PARSER(name)                                                                         \
	static int parse_##name(const char *pair, struct slice body, int64_t now_us,         \
				struct arena *arena, struct bitcoin_row *ret, struct err *e) \
	{                                                                                    \
		return parse(#name, read_##name, pair, body, now_us, arena, ret, e);         \
	}
PARSER(cointradermonitor)
PARSER(mercadobitcoin)
PARSER(binance)
PARSER(coinbase)

const struct bitcoin_source bitcoin_sources[] = {
	{"cointradermonitor", "BTCBRL", "https://cointradermonitor.com/api/pbb/v1/ticker",
	 parse_cointradermonitor},
	{"mercadobitcoin", "BTC-BRL",
	 "https://api.mercadobitcoin.net/api/v4/tickers?symbols={pair}", parse_mercadobitcoin},
	{"binance", "BTCUSDT", "https://api.binance.com/api/v3/ticker/24hr?symbol={pair}",
	 parse_binance},
	{"coinbase", "BTC-USD", "https://api.exchange.coinbase.com/products/{pair}/ticker",
	 parse_coinbase},
};
const size_t bitcoin_source_count = ARRAY_LEN(bitcoin_sources);

const struct bitcoin_source *bitcoin_source_find(const char *name)
{
	for (size_t i = 0; i < bitcoin_source_count; i++)
		if (strcmp(bitcoin_sources[i].name, name) == 0)
			return &bitcoin_sources[i];
	return NULL;
}
