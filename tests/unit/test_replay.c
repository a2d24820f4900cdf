/* Replaying recordings: every form becomes the rows that it should, what cannot be read is counted and never guessed, and
 * whatever a replay dies of, the next one goes on exactly behind the last row. */
#include "stream_lake.h"

#include <unistd.h>
#include <zlib.h>

#include "deliver.h"
#include "quarantine.h"
#include "replay.h"

/* -- a stream in memory ------------------------------------------------------------------------ */

struct memory {
	struct delivery_stream stream;
	struct catalog *catalog;
	struct object_store *store;
	struct clock_fake clock;
	char *folder;
	struct record {
		const char *kind;
		char *body;
		size_t n;
	} * records;
	size_t count, cap;
	int appends;
	int fail_at; /* this append, from 1 */
	int fail_code;
	size_t keep; /* of the failing append's records so many last: a torn tail */
	atomic_bool stop;
	int stop_at; /* this append sets stop */
};

static int memory_append(struct delivery_stream *stream, const struct stream_record *records,
			 size_t n, int64_t *ret_first, struct err *e)
{
	struct memory *m = (struct memory *)stream;
	bool fails = ++m->appends == m->fail_at;
	assert_true(n > 0 && n <= STREAM_APPEND_MAX);
	*ret_first = (int64_t)m->count + 1;
	for (size_t i = 0; i < (fails ? m->keep : n); i++) {
		struct record *r = PUSH(m->records, m->count, m->cap);
		r->kind = records[i].kind;
		r->body = mem_strndup(records[i].body.p, records[i].body.n);
		r->n = records[i].body.n;
		assert_true(r->n > 0 && r->n <= STREAM_RECORD_MAX);
	}
	if (m->appends == m->stop_at)
		atomic_store(&m->stop, true);
	return fails ? err_set(e, m->fail_code, "made to fail") : OK;
}

static int memory_tail(struct delivery_stream *stream, int64_t after,
		       int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
		       struct err *e)
{
	struct memory *m = (struct memory *)stream;
	int rc = OK;
	for (size_t i = (size_t)after; rc == OK && i < m->count; i++) {
		const struct record *r = &m->records[i];
		struct stream_entry entry = {.seq = (int64_t)i + 1,
					     .record = {r->kind, {r->body, r->n}, 0}};
		rc = fn(ctx, &entry, e);
	}
	return rc;
}
static const struct delivery_stream_ops memory_ops = {.append = memory_append, .tail = memory_tail};

static struct memory *memory_new(void)
{
	struct memory *m = NEW(struct memory);
	struct err e = ERR_INIT;
	m->stream.ops = &memory_ops;
	m->folder = temporary_folder();
	clock_fake_init(&m->clock, INT64_C(1790000000000000)); /* 2026 */
	assert_int_equal(catalog_sqlite_open(NULL, &m->clock.clock, false, &m->catalog, &e), OK);
	char *lake = path_in(m->folder, "lake");
	assert_int_equal(object_store_fs_open(lake, true, &m->store, &e), OK);
	free(lake);
	return m;
}

static void memory_free(struct memory *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->records[i].body);
	free(m->records);
	catalog_free(m->catalog);
	object_store_free(m->store);
	remove_folder(&m->folder);
	free(m);
}

static struct replay replay_of(struct memory *m, const char *path)
{
	return (struct replay){.stream = &m->stream,
			       .catalog = m->catalog,
			       .store = m->store,
			       .clock = &m->clock.clock,
			       .path = path,
			       .stop = &m->stop};
}

static char *file_with(struct memory *m, const char *name, const char *bytes, size_t n)
{
	char *path = path_in(m->folder, name);
	unlink(path);
	assert_int_equal(file_create(path, bytes, n, false, NULL), OK);
	return path;
}

/* The rows of the stream, a line each. */
static char *rows_of(struct memory *m)
{
	struct buf out = {0};
	struct arena *arena = arena_new();
	for (size_t i = 0; i < m->count; i++) {
		const struct record *r = &m->records[i];
		struct bitcoin_row row;
		struct err e = ERR_INIT;
		char time[TIME_TEXT_SIZE], a[DECIMAL_TEXT_SIZE], b[DECIMAL_TEXT_SIZE];
		if (bitcoin_decode((enum bitcoin_kind)bitcoin_kind_of(r->kind),
				   (struct slice){r->body, r->n}, arena, &row, &e))
			fail_msg("%s: %s", r->body, e.text);
		buf_printf(&out, "%s %s %s %s ", r->kind, row.source, row.pair,
			   time_format_utc(row.event_us, time));
		if (row.kind == BITCOIN_TRADE)
			buf_printf(&out, "%" PRId64 " %s %s %d", row.trade_id,
				   decimal_format(row.price, 8, a),
				   decimal_format(row.quantity, 8, b), row.maker);
		else
			buf_printf(&out, "%s %s",
				   row.last == BITCOIN_NONE ? "-" : decimal_format(row.last, 8, a),
				   row.bid == BITCOIN_NONE ? "-" : decimal_format(row.bid, 8, b));
		if (row.received_us != BITCOIN_NONE)
			buf_printf(&out, " @%s", time_format_utc(row.received_us, time) + 17);
		buf_char(&out, '\n');
	}
	arena_free(arena);
	return out.data ? buf_take(&out) : mem_strdup("");
}

/* -- forms ------------------------------------------------------------------------------------- */

struct form {
	const char *name; /* of the file */
	const char *text, *rows;
	int code;
	int64_t refused, other;
	const char *pair;
	const char *reason; /* of the failure, or a part of the first refusal */
};

#define T0        "1723161254087896568 "
#define OWN_TICKS "source,pair,slot,event_time,received_at,last,bid,ask,payload\n"
#define TRADE_JSON                                                                 \
	"{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"t\":3735683259," \
	"\"p\":\"61837.63000000\",\"q\":\"0.02000000\",\"T\":1723161255342,\"m\":true,\"M\":true}"
#define TRADE_ROW                                                                      \
	"trade binance BTCUSDT 2024-08-08T23:54:15.342000Z 3735683259 61837.63000000 " \
	"0.02000000 1"

static const struct form forms[] = {
	{"combined", T0 "{\"stream\":\"btcusdt@trade\",\"data\":" TRADE_JSON "}\n",
	 TRADE_ROW " @14.087896Z\n", .refused = 0},
	{"bare, CRLF, no end of line", TRADE_JSON "\r\n\r\n" TRADE_JSON,
	 TRADE_ROW "\n" TRADE_ROW "\n", .refused = 0},
	{"other units of time", "1723161254 " TRADE_JSON "\n1723161254087 " TRADE_JSON "\n",
	 TRADE_ROW " @14.000000Z\n" TRADE_ROW " @14.087000Z\n", .refused = 0},
	{"futures trade",
	 T0 "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161255343,"
	    "\"T\":1723161255342,\"s\":\"BTCUSDT\",\"t\":5,\"p\":\"61837.6\",\"q\":\"0.02\","
	    "\"X\":\"MARKET\",\"m\":false}}\n" T0
	    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161255343,"
	    "\"T\":1723161255342,\"s\":\"BTCUSDT\",\"t\":6,\"p\":\"0\",\"q\":\"0\",\"X\":\"NA\","
	    "\"m\":false}}\n",
	 "trade binance_futures BTCUSDT 2024-08-08T23:54:15.342000Z 5 61837.60000000 0.02000000 0 "
	 "@14.087896Z\n",
	 .other = 1},
	{"book ticker, depth, snapshot",
	 T0
	 "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":50093239212,\"s\":\"BTCUSDT\","
	 "\"b\":\"61837.63000000\",\"B\":\"3.78826000\",\"a\":\"61837.64000000\","
	 "\"A\":\"1.54698000\"}}\n" T0
	 "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"e\":\"depthUpdate\","
	 "\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,\"b\":[[\"1\",\"2\"]],\"a\":[]}}\n" T0
	 "{\"lastUpdateId\":5,\"bids\":[[\"61837.63\",\"3.7\"]],\"asks\":[]}\n" T0
	 "{\"result\":null,\"id\":1}\n",
	 "tick binance BTCUSDT 2024-08-08T23:54:14.087896Z - 61837.63000000 @14.087896Z\n",
	 .other = 3},
	{"24hrTicker",
	 "{\"e\":\"24hrTicker\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"c\":\"61837.63\","
	 "\"b\":\"61837.62\",\"a\":\"61837.64\",\"h\":\"62000\",\"l\":\"60000\",\"v\":\"1234.5\","
	 "\"P\":\"-1.25\"}\n",
	 "tick binance BTCUSDT 2024-08-08T23:54:15.208000Z 61837.63000000 61837.62000000\n",
	 .refused = 0},
	{"a book ticker without any time",
	 "{\"u\":5,\"s\":\"BTCUSDT\",\"b\":\"1\",\"B\":\"1\",\"a\":\"2\",\"A\":\"1\"}\n" TRADE_JSON,
	 TRADE_ROW "\n", .refused = 1, .reason = "no time"},
	{"cointradermonitor, over several lines",
	 "{\n \"pair\": \"BTCBRL\",\n \"last\": 340644.47,\n \"volume24h\": 1030.75,\n"
	 " \"var24h\": 6.98,\n \"time\": \"2021-03-14T00:17:00-0300\"\n}\n",
	 "tick cointradermonitor BTCBRL 2021-03-14T03:17:00.000000Z 340644.47000000 -\n",
	 .refused = 0},
	{"mercadobitcoin v4, two pairs",
	 "[{\"pair\":\"BTC-BRL\",\"high\":\"3\",\"low\":\"1\",\"vol\":\"1\",\"last\":\"2\","
	 "\"buy\":\"1.9\",\"sell\":\"2.1\",\"open\":\"1\",\"date\":1723161255},"
	 "{\"pair\":\"ETH-BRL\",\"high\":\"3\",\"low\":\"1\",\"vol\":\"1\",\"last\":\"2\","
	 "\"buy\":\"1.9\",\"sell\":\"2.1\",\"open\":\"1\",\"date\":1723161255000000000}]\n",
	 "tick mercadobitcoin BTC-BRL 2024-08-08T23:54:15.000000Z 2.00000000 1.90000000\n"
	 "tick mercadobitcoin ETH-BRL 2024-08-08T23:54:15.000000Z 2.00000000 1.90000000\n",
	 .refused = 0},
	{"mercadobitcoin v3 does not say its pair",
	 "{\"ticker\":{\"high\":\"3\",\"low\":\"1\",\"vol\":\"1\",\"last\":\"2\",\"buy\":\"1.9\","
	 "\"sell\":\"2.1\",\"date\":1612218041}}\n",
	 "", .code = ERR_USAGE, .reason = "--pair"},
	{"mercadobitcoin v3 with a pair",
	 "{\"ticker\":{\"high\":\"3\",\"low\":\"1\",\"vol\":\"1\",\"last\":\"2\",\"buy\":\"1.9\","
	 "\"sell\":\"2.1\",\"date\":1612218041}}\n",
	 "tick mercadobitcoin BTC-BRL 2021-02-01T22:20:41.000000Z 2.00000000 1.90000000\n",
	 .pair = "BTC-BRL"},
	{"binance REST ticker, numbers as numbers",
	 "{\"symbol\":\"BNBBTC\",\"lastPrice\":4.00000200,\"bidPrice\":4.000,\"askPrice\":4.1,"
	 "\"highPrice\":100,\"lowPrice\":0.1,\"volume\":8913.3,\"priceChangePercent\":-95.96,"
	 "\"closeTime\":1499869899040}\n",
	 "tick binance BNBBTC 2017-07-12T14:31:39.040000Z 4.00000200 4.00000000\n", .refused = 0},
	{"binance REST trades, a document",
	 "[\n  {\n \"id\": 7, \"price\": \"60650.01\",\n \"qty\": \"0.02924\",\n"
	 " \"time\": 1634942949263, \"isBuyerMaker\": true\n },\n"
	 " {\"id\": 8, \"price\": 0.1, \"qty\": 123456789.12345678,\n \"time\": 1634942949263000,"
	 " \"isBuyerMaker\": false}\n]\n",
	 "trade binance BTCUSDT 2021-10-22T22:49:09.263000Z 7 60650.01000000 0.02924000 1\n"
	 "trade binance BTCUSDT 2021-10-22T22:49:09.263000Z 8 0.10000000 123456789.12345678 0\n",
	 .pair = "BTCUSDT"},
	{"binance REST trades without a pair",
	 "[{\"id\":7,\"price\":\"1\",\"qty\":\"1\",\"time\":1634942949263,\"isBuyerMaker\":true}]\n",
	 "", .code = ERR_USAGE, .reason = "--pair"},
	{"mercadobitcoin trades",
	 "[{\"tid\":8266330,\"date\":1612209343,\"type\":\"sell\",\"price\":185547.33488,"
	 "\"amount\":0.00025847},{\"tid\":8266331,\"date\":1612209344,\"type\":\"buy\","
	 "\"price\":186187.98516,\"amount\":0.00026854}]\n",
	 "trade mercadobitcoin BTC-BRL 2021-02-01T19:55:43.000000Z 8266330 185547.33488000 "
	 "0.00025847 1\n"
	 "trade mercadobitcoin BTC-BRL 2021-02-01T19:55:44.000000Z 8266331 186187.98516000 "
	 "0.00026854 0\n",
	 .pair = "BTC-BRL"},
	{"coinbase, in cryptofeed's form",
	 "https://api.pro.coinbase.com/products -> 1618677816.8414998: [{\"id\":\"SKL-EUR\"}]\n"
	 "wss://ws-feed.pro.coinbase.com -> 1618677817.5: {\"type\":\"match\",\"trade_id\":9,"
	 "\"maker_order_id\":\"a\",\"side\":\"buy\",\"size\":\"0.5\",\"price\":\"61000.1\","
	 "\"product_id\":\"BTC-USD\",\"sequence\":1,\"time\":\"2021-04-17T16:43:37.123456Z\"}\n"
	 "1618677817.6: {\"type\":\"ticker\",\"sequence\":2,\"product_id\":\"BTC-USD\","
	 "\"price\":\"61000.1\",\"open_24h\":\"1\",\"volume_24h\":\"2\",\"low_24h\":\"60000\","
	 "\"high_24h\":\"62000\",\"volume_30d\":\"3\",\"best_bid\":\"61000\",\"best_ask\":\"61001\","
	 "\"side\":\"buy\",\"time\":\"2021-04-17T16:43:37.2Z\",\"trade_id\":9,\"last_size\":\"1\"}\n"
	 "configuration: {\"ticker\":[\"SKL-USD\"]}\n",
	 "trade coinbase BTC-USD 2021-04-17T16:43:37.123456Z 9 61000.10000000 0.50000000 1 "
	 "@37.500000Z\n"
	 "tick coinbase BTC-USD 2021-04-17T16:43:37.200000Z 61000.10000000 61000.00000000 "
	 "@37.600000Z\n",
	 .other = 2},
	{"coinbase, advanced",
	 "{\"trades\":[{\"trade_id\":\"995098663\",\"product_id\":\"BTC-USD\",\"price\":\"68923.67\","
	 "\"size\":\"0.00064\",\"time\":\"2024-04-07T00:28:58.544778Z\",\"side\":\"SELL\",\"bid\":\"\","
	 "\"ask\":\"\"}],\"best_bid\":\"68923.66\",\"best_ask\":\"68923.67\"}",
	 "trade coinbase BTC-USD 2024-04-07T00:28:58.544778Z 995098663 68923.67000000 0.00064000 "
	 "0\n",
	 .refused = 0},
	{"bybit",
	 T0
	 "{\"topic\":\"publicTrade.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1723161255343,\"data\":[{"
	 "\"T\":1723161255342,\"s\":\"BTCUSDT\",\"S\":\"Sell\",\"v\":\"0.001\",\"p\":\"16578.50\","
	 "\"i\":\"2290000000068683542\",\"BT\":false}]}\n" T0
	 "{\"topic\":\"publicTrade.BTCUSDT\",\"data\":[{\"T\":1723161255342,\"s\":\"BTCUSDT\","
	 "\"S\":\"Buy\",\"v\":\"0.001\",\"p\":\"16578.50\",\"i\":\"20f43950-d8dd\"}]}\n",
	 "trade bybit BTCUSDT 2024-08-08T23:54:15.342000Z 2290000000068683542 16578.50000000 "
	 "0.00100000 1 @14.087896Z\n",
	 .refused = 1, .reason = "20f43950"},
	{"rows of our own, JSON",
	 "{\"source\":\"binance\",\"pair\":\"BTCUSDT\",\"trade_id\":5,"
	 "\"event_time\":\"2024-08-08 23:54:15.342\",\"received_at\":null,\"price\":61837.63,"
	 "\"quantity\":0.02,\"buyer_is_maker\":true,\"seq\":4,\"date\":\"2024-08-08\",\"hour\":23}\n"
	 "{\"source\":\"binance\",\"pair\":\"BTCUSDT\",\"slot\":\"2024-08-08T23:54:00Z\","
	 "\"event_time\":\"2024-08-08T23:54:15.342Z\",\"received_at\":\"2024-08-08T23:54:16Z\","
	 "\"last\":\"61837.63000000\",\"bid\":null,\"ask\":null,\"payload\":\"{}\"}\n"
	 "{\"source\":\"binance\",\"pair\":\"BTCUSDT\",\"slot\":\"2024-08-08T23:55:00Z\","
	 "\"reason\":\"timeout\",\"slots\":1}\n",
	 "trade binance BTCUSDT 2024-08-08T23:54:15.342000Z 5 61837.63000000 0.02000000 1\n"
	 "tick binance BTCUSDT 2024-08-08T23:54:15.342000Z 61837.63000000 - @16.000000Z\n",
	 .other = 1},
	{"rows of our own, CSV with a payload of two lines",
	 "source,pair,slot,event_time,received_at,last,bid,ask,payload\n"
	 "binance,BTCUSDT,,2024-08-08 23:54:15.342,,61837.63,,,\"{\"\"a\"\": 1,\n\"\"b\"\": 2}\"\n"
	 "binance,BTCUSDT,2024-08-08 23:54:00,2024-08-08 23:54:15,2024-08-08 23:54:16,,61837.6,61838,\n",
	 "tick binance BTCUSDT 2024-08-08T23:54:15.342000Z 61837.63000000 -\n"
	 "tick binance BTCUSDT 2024-08-08T23:54:15.000000Z - 61837.60000000 @16.000000Z\n",
	 .refused = 0},
	{"a quote that never closes takes no other line with it",
	 OWN_TICKS "binance,BTCUSDT,,2024-08-08 23:54:15,,1,,,\"never\n"
		   "binance,BTCUSDT,,2024-08-08 23:54:16,,2,,,\n"
		   "binance,BTCUSDT,,2024-08-08 23:54:17,,3,,,\"{\"\"a\"\": 1,\n\n\"\"b\"\": 2}\"\n"
		   "binance,BTCUSDT,,2024-08-08 23:54:18,,4,,,\"also never\n"
		   "binance,BTCUSDT,,2024-08-08 23:54:19,,5,,,\n",
	 "tick binance BTCUSDT 2024-08-08T23:54:16.000000Z 2.00000000 -\n"
	 "tick binance BTCUSDT 2024-08-08T23:54:17.000000Z 3.00000000 -\n"
	 "tick binance BTCUSDT 2024-08-08T23:54:19.000000Z 5.00000000 -\n",
	 .refused = 2, .reason = "never closes"},
	{"quotes that fit together but make no row",
	 OWN_TICKS "binance,BTCUSDT,,2024-08-08 23:54:15,,1,,,,\"\n"
		   "binance,BTCUSDT,,2024-08-08 23:54:16,,2,,,\n"
		   "binance,BTCUSDT,,2024-08-08 23:54:17,,3,,,\"\"\n"
		   "binance,BTC\"USDT,,2024-08-08 23:54:18,,4,,,\n"
		   "binance,\"BTCUSDT\" ,,2024-08-08 23:54:19,,5,,,\n",
	 "tick binance BTCUSDT 2024-08-08T23:54:16.000000Z 2.00000000 -\n"
	 "tick binance BTCUSDT 2024-08-08T23:54:17.000000Z 3.00000000 -\n",
	 .refused = 3, .reason = "never closes"},
	{"BTCUSDT-trades-2024-08-08.csv",
	 "3735683259,61837.63000000,0.02000000,1236.75260000,1723161255342,True,True\n"
	 "3735683260,61837.63000000,0.02000000,1236.75260000,1736000000000001,False,True\n",
	 TRADE_ROW "\n"
		   "trade binance BTCUSDT 2025-01-04T14:13:20.000001Z 3735683260 61837.63000000 "
		   "0.02000000 0\n",
	 .refused = 0},
	{"BTCBRL-trades-2021.csv",
	 "id,price,qty,quoteQty,time,isBuyerMaker\n1,2,3,6,1612209343000,false\n"
	 "2,2,3,6,1612209343000\n3,NaN,3,6,1612209343000,false\n4,,3,6,1612209343000,true\n",
	 "trade binance BTCBRL 2021-02-01T19:55:43.000000Z 1 2.00000000 3.00000000 0\n",
	 .refused = 3},
	{"dump.csv", "1,2,3,6,1612209343000,false,true\n", "", .code = ERR_USAGE,
	 .reason = "--pair"},
	{"candles", "Timestamp,Open,High,Low,Close,Volume\n2020-12-01 00:00:00,1,2,3,4,5\n", "",
	 .code = ERR_INPUT, .reason = "candles"},
	{"candles without a header",
	 "1634943780000,60685.22,60729.84,60670.90,60719.27,21.6,1634943839999,1313200.0,617,12.2,"
	 "745719.4,0\n",
	 "", .code = ERR_INPUT, .reason = "candles"},
	{"candles in JSON",
	 "[[1634943780000,\"60685.22\",\"1\",\"1\",\"1\",\"1\",1634943839999,\"1\",617,\"1\",\"1\","
	 "\"0\"]]",
	 "", .code = ERR_INPUT, .refused = 1, .reason = "candles"},
	{"html", "<!DOCTYPE html>\n<html>\n", "", .code = ERR_INPUT, .reason = "no known form"},
	{"yaml", "interactions:\n- request:\n    body: null\n", "", .code = ERR_INPUT},
	{"a price of the size that is taken live too",
	 "{\"e\":\"trade\",\"s\":\"BTCIDR\",\"t\":1,\"p\":\"9999999999.99\",\"q\":\"1\","
	 "\"T\":1723161255342,\"m\":true}\n"
	 "{\"e\":\"trade\",\"s\":\"BTCIDR\",\"t\":2,\"p\":\"10000000000\",\"q\":\"1\","
	 "\"T\":1723161255342,\"m\":true}\n",
	 "trade binance BTCIDR 2024-08-08T23:54:15.342000Z 1 9999999999.99000000 1.00000000 1\n",
	 .refused = 1, .reason = "below 10^10"},
	{"control characters in texts",
	 TRADE_JSON "\n{\"e\":\"trade\",\"s\":\"BTC\\u0000USDT\",\"t\":1,\"p\":\"1\",\"q\":\"1\","
		    "\"T\":1723161255342,\"m\":true}\n"
		    "{\"e\":\"trade\",\"s\":\"BTC\\u0007USDT\",\"t\":1,\"p\":\"1\",\"q\":\"1\","
		    "\"T\":1723161255342,\"m\":true}\n"
		    "{\"e\":\"trade\",\"s\":\"BTC\tUSDT\",\"t\":1,\"p\":\"1\",\"q\":\"1\","
		    "\"T\":1723161255342,\"m\":true}\n",
	 TRADE_ROW "\n", .refused = 3, .reason = "NUL"},
	{"control characters in CSV",
	 "source,pair,slot,event_time,received_at,last,bid,ask,payload\n"
	 "bina\x1bnce,BTCUSDT,,2024-08-08 23:54:15.342,,1,,,\n"
	 "binance,BTC\tUSDT,,2024-08-08 23:54:15.342,,1,,,\n"
	 "binance,\"BTC\nUSDT\",,2024-08-08 23:54:15.342,,1,,,\n"
	 "binance,BTCUSDT,,2024-08-08 23:54:15.342,,1\x7f,,,\n",
	 "", .code = ERR_INPUT, .refused = 4, .reason = "source"},
	{"nothing", "", "", .code = ERR_INPUT, .reason = "empty"},
	{"blank lines", "\n\r\n  \n", "", .code = ERR_INPUT, .reason = "empty"},
	{"zip", "PK\x03\x04 and so on", "", .code = ERR_INPUT, .reason = "ZIP"},
	{"only broken lines", "{\"e\":\n{\"e\":\n", "", .code = ERR_INPUT, .refused = 2},
	{"binary", "\x01\x02\xff,\x03,\x04\n", "", .code = ERR_INPUT},
	{"bad lines among good ones",
	 TRADE_JSON
	 "\n{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"tra\n\xff\xfe\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":-1,\"p\":\"1\",\"q\":\"1\",\"T\":1723161255342,"
	 "\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"-1\",\"q\":\"1\",\"T\":1723161255342,"
	 "\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"1e3\",\"q\":\"1\",\"T\":1723161255342,"
	 "\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"10000000000\",\"q\":\"1\","
	 "\"T\":1723161255342,\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"1\",\"q\":\"0.000000001\","
	 "\"T\":1723161255342,\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"1\",\"q\":\"0\",\"T\":1723161255342,"
	 "\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1723361255342,"
	 "\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"T\":12345,"
	 "\"m\":true}\n" T0
	 "{\"e\":\"trade\",\"s\":\"B C\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1723161255342,"
	 "\"m\":true}\n"
	 "not JSON at all\n" T0
	 "{\"u\":5,\"s\":\"B\",\"b\":\"9\",\"B\":\"1\",\"a\":\"2\",\"A\":\"1\"}\n" T0
	 "{\"e\":\"trade\",\"e\":\"trade\"}\n42\n" TRADE_JSON "\n",
	 TRADE_ROW "\n" TRADE_ROW "\n", .refused = 15, .reason = "cut or damaged"},
};

static void every_form_becomes_its_rows(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		const struct form *f = &forms[i];
		struct memory *m = memory_new();
		struct replay_result result;
		struct err e = ERR_INIT;
		char *path = file_with(m, f->name, f->text, strlen(f->text));
		struct replay replay = replay_of(m, path);
		replay.pair = f->pair;
		int code = replay_run(&replay, &result, &e);
		char *rows = rows_of(m);
		if (code != f->code || strcmp(rows, f->rows) != 0 || result.refused != f->refused ||
		    result.other != f->other)
			fail_msg("%s: %s %s, refused %d (%s), other %d\n%s", f->name,
				 code ? err_name(code) : "", code ? e.text : "",
				 (int)result.refused, result.first_refused, (int)result.other,
				 rows);
		if (f->reason && !strstr(code ? e.text : result.first_refused, f->reason))
			fail_msg("%s: %s / %s", f->name, e.text, result.first_refused);
		assert_int_equal(result.trades + result.ticks, m->count);
		free(rows);
		free(path);
		memory_free(m);
	}
}

static void the_given_source_counts(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result;
	struct err e = ERR_INIT;
	char *path = file_with(m, "a", TRADE_JSON, strlen(TRADE_JSON));
	struct replay replay = replay_of(m, path);
	replay.source = "coinbase";
	replay.pair = "OTHER"; /* the message says its own */
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	char *rows = rows_of(m);
	assert_non_null(strstr(rows, "trade coinbase BTCUSDT "));
	free(rows);
	free(path);
	memory_free(m);
}

/* -- what makes it another replay --------------------------------------------------------------- */

static void a_wrong_source_is_corrected_on_demand(void **state)
{
	struct memory *m = memory_new();
	struct replay_result wrong, right, again;
	struct err e = ERR_INIT;
	const char *text = TRADE_JSON "\n" TRADE_JSON "\n";
	char *path = file_with(m, "a", text, strlen(text));
	struct replay replay = replay_of(m, path);
	replay.source = "coinbase";
	assert_int_equal(replay_run(&replay, &wrong, &e), OK);
	assert_int_equal(wrong.first_seq, 1);
	assert_int_equal(wrong.last_seq, 2);
	/* Its rows would be there twice: not without being asked for. */
	replay.source = NULL;
	assert_int_equal(replay_run(&replay, &right, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "--force"));
	assert_int_equal(m->count, 2);
	replay.again = true;
	assert_int_equal(replay_run(&replay, &right, &e), OK);
	assert_string_not_equal(right.origin, wrong.origin);
	assert_int_equal(right.first_seq, 3);
	assert_int_equal(right.last_seq, 4);
	/* Neither adds anything now. */
	for (int i = 0; i < 4; i++) {
		replay.source = i % 2 ? "coinbase" : NULL;
		replay.again = i > 1;
		assert_int_equal(replay_run(&replay, &again, &e), OK);
		assert_int_equal(again.trades, 0);
		assert_int_equal(again.skipped, 2);
		assert_int_equal(again.first_seq, 0);
	}
	assert_int_equal(m->count, 4);
	free(path);
	memory_free(m);
}

static void a_forgotten_pair_is_no_replay(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result, named;
	struct err e = ERR_INIT;
	const char *text = "1,2,3,6,1612209343000,false,true\n";
	char *path = file_with(m, "a.csv", text, strlen(text));
	struct replay replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &result, &e), ERR_USAGE);
	replay.pair = "BTCUSDT";
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.trades, 1);
	free(path);
	/* The same pair, said by the file's name. */
	path = file_with(m, "BTCUSDT-trades-2021-02-01.csv", text, strlen(text));
	replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &named, &e), OK);
	assert_string_equal(named.origin, result.origin);
	assert_int_equal(named.trades, 0);
	free(path);
	path = file_with(m, "BTCBRL-trades-2021-02-01.csv", text, strlen(text));
	replay.path = path;
	assert_int_equal(replay_run(&replay, &named, &e), ERR_USAGE);
	assert_int_equal(m->count, 1);
	free(path);
	memory_free(m);
}

/* -- what is refused is kept ------------------------------------------------------------------- */

/* The payload, which is the only one. */
static char *kept_in(struct memory *m, const char *sha256)
{
	struct buf out = {0};
	struct err e = ERR_INIT;
	struct arena *arena = arena_new();
	struct quarantine_entry entry;
	assert_int_equal(quarantine_show(m->store, "", arena, &entry, &out, &e), ERR_NOT_FOUND);
	assert_int_equal(quarantine_show(m->store, sha256, arena, &entry, &out, &e), OK);
	assert_true(entry.lines);
	assert_null(entry.from);
	assert_int_equal(entry.size_bytes, out.len);
	arena_free(arena);
	return buf_take(&out);
}

static int count_kept(void *ctx, const struct quarantine_entry *entry)
{
	++*(int *)ctx;
	return 0;
}

static void refused_lines_are_kept_and_again_the_same(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result, again;
	struct err e = ERR_INIT;
	const char *text = TRADE_JSON "\nnot JSON\n" TRADE_JSON "\nnor this\n";
	char *path = file_with(m, "bad", text, strlen(text));
	struct replay replay = replay_of(m, path);
	int n = 0;
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.refused, 2);
	char *kept = kept_in(m, result.quarantine);
	static const char begin[] = "{\"line\":2,\"reason\":\"not_json\",";
	assert_int_equal(strncmp(kept, begin, sizeof(begin) - 1), 0);
	assert_non_null(strstr(kept, "\"bytes\":\"bm90IEpTT04=\"}\n{\"line\":4,"));
	free(kept);
	assert_int_equal(replay_run(&replay, &again, &e), OK);
	assert_int_equal(again.trades, 0);
	assert_int_equal(again.skipped, 2);
	assert_int_equal(again.refused, 2);
	assert_string_equal(again.quarantine, result.quarantine);
	assert_int_equal(quarantine_list(m->store, count_kept, &n, &e), OK);
	assert_int_equal(n, 1);
	free(path);
	/* A death before the end leaves nothing; the replay that goes on has them all. */
	struct memory *other = memory_new();
	path = file_with(other, "bad", text, strlen(text));
	replay = replay_of(other, path);
	other->fail_at = 1;
	other->fail_code = ERR_IO;
	other->keep = 1;
	assert_int_equal(replay_run(&replay, &again, &e), ERR_IO);
	assert_string_equal(again.quarantine, "");
	assert_int_equal(replay_run(&replay, &again, &e), OK);
	assert_string_equal(again.quarantine, result.quarantine);
	free(path);
	memory_free(other);
	/* There is a limit, and what is beyond it is counted. */
	struct buf many = {0};
	buf_str(&many, TRADE_JSON "\n");
	for (int i = 0; i < 10007; i++)
		buf_str(&many, "x\n");
	path = file_with(m, "many", many.data, many.len);
	replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.refused, 10007);
	kept = kept_in(m, result.quarantine);
	assert_non_null(strstr(kept, "\"line\":10001,"));
	assert_null(strstr(kept, "\"line\":10002,"));
	assert_non_null(strstr(kept, "\n{\"not_kept\":7}\n"));
	free(kept);
	free(path);
	buf_free(&many);
	memory_free(m);
}

/* -- CSV ---------------------------------------------------------------------------------------- */

static void add_member(struct buf *out, const char *text, size_t n)
{
	z_stream z = {0};
	unsigned char packed[65536];
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)text;
	z.avail_in = (uInt)n;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(out, packed, sizeof(packed) - z.avail_out);
	deflateEnd(&z);
}

/* Each line opens a field: none is looked at more than twice, and none is lost. */
static void stray_quotes_in_every_line(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result;
	struct err e = ERR_INIT;
	struct buf text = {0};
	buf_str(&text, OWN_TICKS);
	for (int i = 0; i < 30000; i++)
		buf_printf(&text, "binance,BTCUSDT,,2024-08-08 23:54:%02d,,%d,,,%s\n", i % 60,
			   i + 1, i % 3 ? "" : "\"x");
	char *path = file_with(m, "stray", text.data, text.len);
	struct replay replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.lines, 30001);
	assert_int_equal(result.ticks, 20000);
	assert_int_equal(result.refused, 10000);
	assert_int_equal(result.first_refused_line, 2);
	free(path);
	/* Gzipped and cut within a quoted field: half a row is none. */
	struct buf gz = {0};
	buf_reset(&text);
	buf_str(&text, OWN_TICKS "binance,BTCUSDT,,2024-08-08 23:54:15,,1,,,\n"
				 "binance,BTCUSDT,,2024-08-08 23:54:16,,2,,,\"a\nb\"\n");
	add_member(&gz, text.data, text.len - 4);
	path = file_with(m, "cut.csv.gz", gz.data, gz.len - 9);
	replay.path = path;
	assert_int_equal(replay_run(&replay, &result, &e), ERR_INPUT);
	assert_int_equal(result.ticks, 1);
	/* A byte of zero is no text, though a C string would end there. */
	free(path);
	static const char zero[] = OWN_TICKS "binance,BTC\0USDT,,2024-08-08 23:54:15,,1,,,\n"
					     "binance,BTCUSDT,,2024-08-08 23:54:16,,2,,,\n";
	path = file_with(m, "zero.csv", zero, sizeof(zero) - 1);
	replay.path = path;
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.refused, 1);
	assert_int_equal(result.ticks, 1);
	free(path);
	buf_free(&gz);
	buf_free(&text);
	memory_free(m);
}

/* -- lines too long, gzip ---------------------------------------------------------------------- */

static void long_lines_are_refused(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result;
	struct err e = ERR_INIT;
	struct buf text = {0};
	buf_str(&text, TRADE_JSON "\n{\"e\":\"");
	for (int i = 0; i < 5 << 20; i++)
		buf_char(&text, 'x');
	buf_str(&text, "\"}\n" TRADE_JSON "\n");
	char *path = file_with(m, "long", text.data, text.len);
	struct replay replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.trades, 2);
	assert_int_equal(result.lines, 3);
	assert_int_equal(result.refused, 1);
	assert_int_equal(result.first_refused_line, 2);
	buf_free(&text);
	free(path);
	memory_free(m);
}

static const char *many_trades(struct buf *out, int n)
{
	for (int i = 0; i < n; i++)
		buf_printf(out,
			   "%d%09d {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\","
			   "\"E\":%d,\"s\":\"BTCUSDT\",\"t\":%d,\"p\":\"%d.%02d\",\"q\":\"0.5\","
			   "\"T\":17231612%05d,\"m\":%s}}\n",
			   1723161254, i * 1000, i * 7919 % 1000003, 1000 + i, 60000 + i % 977,
			   i % 100, i, i % 3 ? "true" : "false");
	return out->data;
}

static void gzip_is_undone(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result, plain;
	struct err e = ERR_INIT;
	struct buf text = {0}, gz = {0};
	many_trades(&text, 1000);
	/* Three members, cut in the middle of lines, one of them empty, and zeros behind the last. */
	add_member(&gz, text.data, 12345);
	add_member(&gz, "", 0);
	add_member(&gz, text.data + 12345, text.len - 12345);
	buf_add(&gz, "\0\0\0\0", 4);
	char *path = file_with(m, "a.gz", gz.data, gz.len);
	struct replay replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.trades, 1000);
	free(path);
	/* Unpacked it is the same recording. */
	path = file_with(m, "a", text.data, text.len);
	replay.path = path;
	assert_int_equal(replay_run(&replay, &plain, &e), OK);
	assert_string_equal(plain.origin, result.origin);
	assert_int_equal(plain.trades, 0);
	assert_int_equal(plain.skipped, 1000);
	free(path);
	memory_free(m);

	/* Cut anywhere: what can be read, and then the error with its place. */
	for (size_t cut = gz.len - 5; cut > 2; cut -= cut > 997 ? 997 : cut) {
		m = memory_new();
		path = file_with(m, "cut.gz", gz.data, cut);
		replay = replay_of(m, path);
		e = (struct err)ERR_INIT;
		assert_int_equal(replay_run(&replay, &result, &e), ERR_INPUT);
		assert_int_equal(e.line, result.lines + 1);
		assert_true(e.offset > 0 && e.offset <= (int64_t)cut);
		assert_string_equal(e.where, path);
		assert_int_equal(result.refused, 0);
		assert_int_equal(result.trades, result.lines);
		assert_int_equal(m->count, result.trades);
		free(path);
		memory_free(m);
	}
	/* A flipped byte, rubbish behind the end. */
	m = memory_new();
	gz.data[gz.len / 2] ^= 0x55;
	path = file_with(m, "flipped.gz", gz.data, gz.len);
	replay = replay_of(m, path);
	assert_int_equal(replay_run(&replay, &result, &e), ERR_INPUT);
	assert_int_equal(m->count, 0); /* no line of it is beyond doubt */
	gz.data[gz.len / 2] ^= 0x55;
	buf_str(&gz, "rubbish");
	free(path);
	path = file_with(m, "rubbish.gz", gz.data, gz.len);
	replay.path = path;
	assert_int_equal(replay_run(&replay, &result, &e), ERR_INPUT);
	assert_non_null(strstr(e.text, "followed by"));
	assert_int_equal(result.lines, 1000);
	free(path);
	memory_free(m);
	buf_free(&text);
	buf_free(&gz);
}

/* -- going on ---------------------------------------------------------------------------------- */

/* Trades in arrays, ticks in arrays, lines of none and of refused ones. */
static void mixed_recording(struct buf *out)
{
	int id = 0;
	for (int line = 0; line < 300; line++) {
		switch (line % 5) {
		case 0:
			buf_printf(out, "[");
			for (int i = 0; i < 30; i++, id++)
				buf_printf(out,
					   "%s{\"id\":%d,\"price\":\"1\",\"qty\":\"1\",\"time\":"
					   "1634942949263,\"isBuyerMaker\":true}",
					   i ? "," : "", id);
			buf_str(out, "]\n");
			break;
		case 1:
			buf_str(out, "[");
			for (int i = 0; i < 40; i++)
				buf_printf(
					out,
					"%s{\"pair\":\"P%d-BRL\",\"high\":\"3\",\"low\":\"1\","
					"\"last\":\"2\",\"buy\":\"1.9\",\"sell\":\"2.1\",\"date\":"
					"%d}",
					i ? "," : "", i, 1723161255 + line);
			buf_str(out, "]\n");
			break;
		case 2: buf_str(out, "{\"result\":1,\"id\":2}\n"); break;
		case 3: buf_str(out, "{broken\n"); break;
		default:
			buf_printf(
				out,
				"{\"id\":%d,\"price\":\"1\",\"qty\":\"1\",\"time\":1634942949263,"
				"\"isBuyerMaker\":true}\n",
				id++);
		}
	}
}

static void whatever_it_dies_of_it_goes_on(void **state)
{
	struct buf text = {0};
	struct replay_result result;
	struct err e = ERR_INIT;
	mixed_recording(&text);
	struct memory *whole = memory_new();
	char *path = file_with(whole, "a", text.data, text.len);
	struct replay replay = replay_of(whole, path);
	replay.pair = "BTCUSDT";
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.trades, 60 * 31);
	assert_int_equal(result.ticks, 60 * 40);
	assert_int_equal(result.refused, 60);
	char *expected = rows_of(whole);
	/* Deaths at every append, with any part of its records durable; some of those that were before it
	 * delivered, others not. */
	uint32_t seed = 1;
	for (int round = 0; round < 15; round++) {
		struct memory *m = memory_new();
		int code = ERR_IO, tries = 0;
		for (; code && tries < 100; tries++) {
			replay = replay_of(m, path);
			replay.pair = "BTCUSDT";
			seed = seed * 1664525 + 1013904223;
			m->appends = 0;
			m->fail_at = tries < 5 ? 1 : 0;
			m->fail_code = ERR_IO;
			m->keep = (seed >> 8) % 900;
			code = replay_run(&replay, &result, &e);
			if (m->count && seed >> 31) {
				/* All that is there is delivered and forgotten. */
				struct arena *arena = arena_new();
				struct bitcoin_row row;
				const struct record *last = &m->records[m->count - 1];
				assert_int_equal(bitcoin_decode((enum bitcoin_kind)bitcoin_kind_of(
									last->kind),
								(struct slice){last->body, last->n},
								arena, &row, &e),
						 OK);
				char name[40];
				snprintf(name, sizeof(name), "replay:%s", row.origin);
				assert_int_equal(catalog_mark_set(m->catalog, name, row.line, &e),
						 OK);
				assert_int_equal(catalog_mark_set(m->catalog, DELIVER_MARK,
								  (int64_t)m->count, &e),
						 OK);
				arena_free(arena);
			}
		}
		assert_int_equal(code, OK);
		assert_int_equal(tries, 6);
		char *rows = rows_of(m);
		assert_string_equal(rows, expected);
		free(rows);
		/* And once more: nothing. */
		replay = replay_of(m, path);
		replay.pair = "BTCUSDT";
		assert_int_equal(replay_run(&replay, &result, &e), OK);
		assert_int_equal(result.trades + result.ticks, 0);
		assert_true(result.skipped > 0);
		memory_free(m);
	}
	free(expected);
	free(path);
	buf_free(&text);
	memory_free(whole);
}

static void a_full_stream_is_waited_for(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result;
	struct err e = ERR_INIT;
	struct buf text = {0};
	many_trades(&text, 10000);
	char *path = file_with(m, "a", text.data, text.len);
	struct replay replay = replay_of(m, path);
	m->fail_at = 2;
	m->fail_code = ERR_LIMIT;
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.trades, 10000);
	assert_int_equal(m->count, 10000);
	assert_true(m->clock.slept_us > 0);
	free(path);
	buf_free(&text);
	memory_free(m);
}

static void a_stop_is_heeded(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result;
	struct err e = ERR_INIT;
	struct buf text = {0};
	many_trades(&text, 20000);
	char *path = file_with(m, "a", text.data, text.len);
	struct replay replay = replay_of(m, path);
	m->stop_at = 2;
	assert_int_equal(replay_run(&replay, &result, &e), ERR_CONFLICT);
	assert_int_equal(result.trades, m->count);
	assert_true(m->count > 0 && m->count < 20000);
	atomic_store(&m->stop, false);
	m->stop_at = 0;
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(m->count, 20000);
	free(path);
	buf_free(&text);
	memory_free(m);
}

static void the_recorded_pace_is_kept(void **state)
{
	struct memory *m = memory_new();
	struct replay_result result;
	struct err e = ERR_INIT;
	struct buf text = {0};
	/* 0, 2 and 2 s, then a day of silence, which counts as a minute, and a clock set back. */
	static const int64_t seconds[] = {0, 2, 2, 86402, 86400, 86405};
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++)
		buf_printf(&text, "%" PRId64 "000000000 " TRADE_JSON "\n",
			   INT64_C(1723161254) + seconds[i]);
	char *path = file_with(m, "a", text.data, text.len);
	struct replay replay = replay_of(m, path);
	replay.recorded_pace = true;
	assert_int_equal(replay_run(&replay, &result, &e), OK);
	assert_int_equal(result.trades, 6);
	assert_int_equal(m->clock.slept_us, 65 * INT64_C(1000000));
	/* a line is durable before the next one is waited for */
	assert_int_equal(m->appends, 6);
	free(path);
	buf_free(&text);
	memory_free(m);
}

/* -- a whole recorded session ------------------------------------------------------------------ */

static void a_recorded_session_is_whole(void **state)
{
	const char *shared = getenv("PREGAO_SHARED_DATA");
	char *path = path_in(shared && shared[0] ? shared : "../shared/data",
			     "bitcoin/binance_spot_btcusdt_20240808.ws.gz");
	if (access(path, R_OK) != 0) {
		free(path);
		skip();
		return;
	}
	struct stream_lake *s = stream_lake_new();
	struct replay_result result;
	s->lake->clock.now = INT64_C(1790000000000000);
	struct replay replay = {.stream = s->stream,
				.catalog = s->lake->catalog,
				.store = s->lake->store,
				.clock = &s->lake->clock.clock,
				.path = path};
	DONE(s, replay_run(&replay, &result, &s->e));
	assert_int_equal(result.lines, 41249);
	assert_int_equal(result.trades, 9757);
	assert_int_equal(result.ticks, 28040);
	assert_int_equal(result.other, 3452);
	assert_int_equal(result.refused, 0);
	deliver_now(s);
	assert_int_equal(s->result.rows, 9757 + 28040);
	assert_string_equal(
		ask(s, BITCOIN_TRADE, LAYOUT_QUERY,
		    "count(*) || ' ' || count(DISTINCT trade_id) || ' ' || min(trade_id) || ' ' || max(trade_id)"),
		"9757 9757 3735683259 3735693015");
	/* In order by event time within each file. */
	assert_string_equal(ask(s, BITCOIN_TICK, LAYOUT_QUERY,
				"count(*) || ' ' || count(bid) || ' ' || count(payload)"),
			    "28040 28040 28040");
	struct trade_gap *gaps;
	size_t n;
	DONE(s, deliver_trade_gaps(s->lake->catalog, s->lake->arena, &gaps, &n, &s->e));
	assert_int_equal(n, 0);
	/* Once more: nothing. */
	DONE(s, replay_run(&replay, &result, &s->e));
	assert_int_equal(result.trades + result.ticks, 0);
	deliver_now(s);
	assert_int_equal(s->result.rows, 9757 + 28040);
	DONE(s, deliver_settle(&s->deliver, &s->result, &s->e));
	assert_string_equal(ask(s, BITCOIN_TRADE, LAYOUT_QUERY, "count(*)"), "9757");
	stream_lake_free(s);
	free(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_becomes_its_rows),
		cmocka_unit_test(the_given_source_counts),
		cmocka_unit_test(a_wrong_source_is_corrected_on_demand),
		cmocka_unit_test(a_forgotten_pair_is_no_replay),
		cmocka_unit_test(refused_lines_are_kept_and_again_the_same),
		cmocka_unit_test(stray_quotes_in_every_line),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(gzip_is_undone),
		cmocka_unit_test(whatever_it_dies_of_it_goes_on),
		cmocka_unit_test(a_full_stream_is_waited_for),
		cmocka_unit_test(a_stop_is_heeded),
		cmocka_unit_test(the_recorded_pace_is_kept),
		cmocka_unit_test(a_recorded_session_is_whole),
	};
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return RUN_TESTS("replay");
}
