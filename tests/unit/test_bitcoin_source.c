/* What tickers say, in each source's shape, and every way in which an answer has been seen, or can be
 * thought, to be none: a good row or a reason, never a wrong row. */
#include "unit.h"

#include "bitcoin_answer.h"
#include "bitcoin_source.h"

#define NOW INT64_C(1723161253000000) /* 2024-08-08T23:54:13Z */

#define CTM \
	"{\"pair\":\"BTCBRL\",\"last\":340644.47,\"volume24h\":1030.75,\"var24h\":-6.98,\"time\":\"2024-08-08T20:54:00-0300\"}"
#define MB_MEMBERS(date) \
	"\"high\":\"351000.00000000\",\"low\":\"338143.38597000\",\"vol\":\"175.01434103\",\"last\":\"344500.01000000\",\"buy\":\"344500.00143000\",\"sell\":\"344500.00990000\",\"open\":\"340999.98915000\",\"date\":" date
#define MB(date) "[{\"pair\":\"BTC-BRL\"," MB_MEMBERS(date) "}]"
#define MB3      "{\"ticker\": {" MB_MEMBERS("1723161240") "}}"
#define BINANCE \
	"{\"symbol\":\"BTCUSDT\",\"priceChangePercent\":\"12.345\",\"lastPrice\":\"61837.63000000\",\"bidPrice\":\"61837.63000000\",\"askPrice\":\"61837.64000000\",\"highPrice\":\"62500.00000000\",\"lowPrice\":\"54730.00000000\",\"volume\":\"41234.56789000\",\"openTime\":1723074853040,\"closeTime\":1723161253040,\"count\":5}"
#define COINBASE \
	"{\"ask\":\"61840.01\",\"bid\":\"61840\",\"volume\":\"12345.67890123\",\"trade_id\":684021012,\"price\":\"61840.01\",\"size\":\"0.001\",\"time\":\"2024-08-08T23:54:12.937085123Z\"}"

static struct arena *arena;

static int read_as(const char *source, struct slice body, struct bitcoin_row *row, struct err *e)
{
	const struct bitcoin_source *s = bitcoin_source_find(source);
	assert_non_null(s);
	/* in memory of its own, so that a sanitizer sees a step too far */
	char *exact = malloc(body.n ? body.n : 1);
	memcpy(exact, body.p, body.n);
	arena_free(arena);
	arena = arena_new();
	int rc = s->parse(s->pair, (struct slice){exact, body.n}, NOW, arena, row, e);
	free(exact);
	return rc;
}

static struct bitcoin_row good(const char *source, const char *body)
{
	struct bitcoin_row row;
	struct err e = ERR_INIT;
	if (read_as(source, slice_of(body), &row, &e) != OK)
		fail_msg("%s: %s (%s)", body, e.text, e.reason);
	assert_int_equal(row.kind, BITCOIN_TICK);
	assert_string_equal(row.source, source);
	assert_true(slice_is(row.payload, body));
	assert_int_equal(row.received_us, BITCOIN_NONE);
	assert_int_equal(row.slot_us, BITCOIN_NONE);
	return row;
}

static void bad_bytes(const char *source, struct slice body, const char *reason)
{
	struct bitcoin_row row = {.source = "untouched"};
	struct err e = ERR_INIT;
	if (read_as(source, body, &row, &e) != ERR_INPUT)
		fail_msg("%s took %.*s", source, SLICE_FMT(body));
	if (strcmp(e.reason, reason) != 0)
		fail_msg("%.*s: %s, expected %s (%s)", SLICE_FMT(body), e.reason, reason, e.text);
	assert_string_equal(row.source, "untouched");
	assert_true(str_is_utf8(e.text, strlen(e.text)) && e.text[0]);
}

static void bad(const char *source, const char *body, const char *reason)
{
	bad_bytes(source, slice_of(body), reason);
}

/* body with `from`, which must be in it, made `to` */
static const char *with(const char *body, const char *from, const char *to)
{
	static char out[4096];
	const char *at = strstr(body, from);
	assert_non_null(at);
	snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - body), body, to, at + strlen(from));
	return out;
}

static void each_source_in_its_shape(void **state)
{
	struct bitcoin_row row = good("cointradermonitor", CTM);
	assert_string_equal(row.pair, "BTCBRL");
	assert_int_equal(row.last, INT64_C(34064447000000));
	assert_int_equal(row.volume_24h, INT64_C(103075000000));
	assert_int_equal(row.var_24h, -698000000);
	assert_int_equal(row.event_us, INT64_C(1723161240000000));
	assert_int_equal(row.bid, BITCOIN_NONE);

	row = good("mercadobitcoin", MB("1723161240"));
	assert_string_equal(row.pair, "BTC-BRL");
	assert_int_equal(row.last, INT64_C(34450001000000));
	assert_int_equal(row.bid, INT64_C(34450000143000));
	assert_int_equal(row.ask, INT64_C(34450000990000));
	assert_int_equal(row.high_24h, INT64_C(35100000000000));
	assert_int_equal(row.low_24h, INT64_C(33814338597000));
	assert_int_equal(row.volume_24h, INT64_C(17501434103));
	assert_int_equal(row.event_us, INT64_C(1723161240000000));
	assert_int_equal(row.var_24h, BITCOIN_NONE);

	struct bitcoin_row v3 = good("mercadobitcoin", MB3);
	assert_string_equal(v3.pair, "BTC-BRL");
	assert_int_equal(v3.last, row.last);
	assert_int_equal(v3.event_us, row.event_us);

	row = good("binance", BINANCE);
	assert_int_equal(row.last, INT64_C(6183763000000));
	assert_int_equal(row.ask, INT64_C(6183764000000));
	assert_int_equal(row.var_24h, 1234500000);
	assert_int_equal(row.volume_24h, INT64_C(4123456789000));
	assert_int_equal(row.event_us, INT64_C(1723161253040000));

	row = good("coinbase", COINBASE);
	assert_int_equal(row.last, INT64_C(6184001000000));
	assert_int_equal(row.volume_24h, INT64_C(1234567890123));
	assert_int_equal(row.event_us, INT64_C(1723161252937085));
}

static void a_date_in_any_unit_is_one_time(void **state)
{
	static const char *const dates[] = {MB("1723161240"), MB("1723161240000"),
					    MB("1723161240000000"), MB("1723161240000000000"),
					    MB("\"1723161240\"")};
	for (size_t i = 0; i < ARRAY_LEN(dates); i++)
		assert_int_equal(good("mercadobitcoin", dates[i]).event_us,
				 INT64_C(1723161240000000));
	/* the same instant, said by clocks elsewhere */
	static const char *const times[] = {
		"2024-08-08T23:54:00Z",      "2024-08-08T20:54:00-03:00",
		"2024-08-09T05:24:00+0530",  "2024-08-08T20:54:00-03",
		"2024-08-08T23:54:00.0Z",    "2024-08-08 23:54:00.000000000000Z",
		"2024-08-08T23:54:00+00:00",
	};
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		assert_int_equal(
			good("cointradermonitor", with(CTM, "2024-08-08T20:54:00-0300", times[i]))
				.event_us,
			INT64_C(1723161240000000));
}

static void times_that_are_none(void **state)
{
	static const char *const dates[] = {"0",
					    "-1723161240",
					    "172316124",
					    "1723161240.5",
					    "1.72316124e9",
					    "\"today\"",
					    "99999999999999999999",
					    "1723334054", /* two days ahead */
					    "1723334054000000000",
					    "17231612400"};
	static const char *const times[] = {"2024-08-08T20:54:00",
					    "2024-08-08",
					    "2024-08-08T24:00:00Z",
					    "2024-08-08T20:60:00Z",
					    "2024-08-08T20:54:60Z",
					    "2024-02-30T20:54:00Z",
					    "2024-08-08T20:54:00.Z",
					    "2024-08-08T20:54:00-0360",
					    "2024-08-08T20:54:00-3",
					    "2024-08-08T20:54:00-030",
					    "2024-08-08T20:54:00-03:0",
					    "2024-08-08T20:54:00-03000",
					    "2024-08-08T20:54:00-24",
					    "2024-08-08T20:54:00.5",
					    "1970-01-01T00:00:00Z",
					    "2024-08-08T20:54:00 0300",
					    "9999-12-31T23:59:59+00:00",
					    "2024-08-11T20:54:00Z",
					    "20240808T205400-0300",
					    "08/08/2024 20:54",
					    "now"};
	for (size_t i = 0; i < ARRAY_LEN(dates); i++)
		bad("mercadobitcoin", with(MB("1723161240"), "1723161240", dates[i]), "bad_time");
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		bad("cointradermonitor", with(CTM, "2024-08-08T20:54:00-0300", times[i]),
		    "bad_time");
	bad("cointradermonitor", with(CTM, "time", "tim"), "bad_time");
	bad("binance", with(BINANCE, "\"closeTime\":1723161253040", "\"closeTime\":null"),
	    "wrong_shape");
}

static void prices_that_are_none(void **state)
{
	static const struct {
		const char *number, *reason;
	} prices[] = {
		{"0", "bad_price"},
		{"0.0", "bad_price"},
		{"-340644.47", "bad_price"},
		{"10000000000", "bad_price"},
		{"99999999999999999999999999999", "bad_price"},
		{"-99999999999999999999999999999", "bad_price"},
		{"\"-1\"", "bad_price"},
		{"1e999", "bad_number"},
		{"3.4e5", "bad_number"},
		{"\"NaN\"", "bad_number"},
		{"\"Infinity\"", "bad_number"},
		{"\"340.644,47\"", "bad_number"},
		{"\"R$ 340644.47\"", "bad_number"},
		{"0.123456789", "bad_number"},
		{"NaN", "not_json"},
		{"-Infinity", "not_json"},
		{"Infinity", "not_json"},
		{"nan", "not_json"},
		{"0x10", "not_json"},
		{"01", "not_json"},
		{"+1", "not_json"},
		{"1.", "not_json"},
		{".5", "not_json"},
		{"1.2.3", "not_json"},
		{"1,5", "not_json"},
		{"--1", "not_json"},
		{"1e", "not_json"},
		{"", "not_json"},
		{"true", "wrong_shape"},
		{"null", "wrong_shape"},
		{"[1]", "wrong_shape"},
		{"{\"a\":1}", "wrong_shape"},
		{"\"\"", "wrong_shape"},
	};
	for (size_t i = 0; i < ARRAY_LEN(prices); i++)
		bad("cointradermonitor", with(CTM, "340644.47", prices[i].number),
		    prices[i].reason);
	bad("cointradermonitor", with(CTM, "last", "lust"), "wrong_shape");
	/* beside one another */
	bad("binance", with(BINANCE, "\"bidPrice\":\"61837.63", "\"bidPrice\":\"81837.63"),
	    "bad_price");
	bad("binance", with(BINANCE, "\"bidPrice\":\"61837.63", "\"bidPrice\":\"-1.63"),
	    "bad_price");
	bad("binance", with(BINANCE, "62500.00000000", "54000"), "bad_price");
	bad("binance", with(BINANCE, "\"lastPrice\":\"61837.63", "\"lastPrice\":\"618376300.0"),
	    "bad_price");
	bad("binance", with(BINANCE, "\"lastPrice\":\"61837.63", "\"lastPrice\":\"0.00061837"),
	    "bad_price");
	/* a book that is crossed a little is life */
	good("binance", with(BINANCE, "\"bidPrice\":\"61837.63", "\"bidPrice\":\"61840.63"));
}

static void figures_that_do_not_fit_cost_no_price(void **state)
{
	assert_int_equal(
		good("cointradermonitor", with(CTM, "1030.75", "1030.7512345678901")).volume_24h,
		BITCOIN_NONE);
	assert_int_equal(
		good("cointradermonitor", with(CTM, "1030.75", "123456789012345")).volume_24h,
		BITCOIN_NONE);
	assert_int_equal(good("cointradermonitor", with(CTM, "-6.98", "-1.2e-7")).var_24h,
			 BITCOIN_NONE);
	assert_int_equal(good("cointradermonitor", with(CTM, "-6.98", "null")).var_24h,
			 BITCOIN_NONE);
	assert_int_equal(good("binance", with(BINANCE, "61837.64000000", "")).ask, BITCOIN_NONE);
	bad("cointradermonitor", with(CTM, "1030.75", "-1"), "bad_number");
	bad("cointradermonitor", with(CTM, "1030.75", "-1e-9"), "bad_number");
	bad("cointradermonitor", with(CTM, "1030.75", "\"much\""), "bad_number");
	bad("cointradermonitor", with(CTM, "1030.75", "\"NaN\""), "bad_number");
	bad("cointradermonitor", with(CTM, "1030.75", "false"), "wrong_shape");
}

static void answers_that_are_none(void **state)
{
	AUTO_BUF struct buf deep = {0}, large = {0};
	static const char *const all[] = {"cointradermonitor", "mercadobitcoin", "binance",
					  "coinbase"};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const char *s = all[i];
		bad(s, "", "empty");
		bad(s, " \r\n\t", "empty");
		bad(s, "<!DOCTYPE html><html>503</html>", "html");
		bad(s, "\n <html>", "html");
		bad(s, "{", "not_json");
		bad(s, "OK", "not_json");
		bad(s, "\"", "not_json");
		bad(s, "\"\\", "not_json");
		bad(s, "{}{}", "not_json");
		bad(s, "{1:2}", "not_json");
		bad(s, "{1 :2}", "not_json");
		bad(s, "{\"a\":1,\"a\":2}", "not_json");
		bad_bytes(s, SLICE("{\"a\":\"\xff\"}"), "not_json");
		bad_bytes(s, SLICE("{\"a\":\"\0\"}"), "not_json");
		bad_bytes(s, SLICE("\xef\xbb\xbf{}"), "not_json");
		bad(s, "{}", "wrong_shape");
		bad(s, "[]", "wrong_shape");
		bad(s, "[{}]", "wrong_shape");
		bad(s, "5", "wrong_shape");
		bad(s, "null", "wrong_shape");
		bad(s, "\"text\"", "wrong_shape");
		bad(s, "{\"ticker\":5}", "wrong_shape");
		bad(s, "{\"message\":\"NotFound\"}", "wrong_shape");
		bad(s, "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}", "wrong_shape");
	}
	for (int i = 0; i < 400000; i++)
		buf_char(&deep, '[');
	bad_bytes("binance", buf_slice(&deep), "not_json");
	buf_str(&large, "[");
	for (int i = 0; i < 100000; i++)
		buf_str(&large, "12345678,");
	buf_str(&large, "1]");
	bad_bytes("binance", buf_slice(&large), "wrong_shape");
	/* one pair's answer for another's question */
	bad("cointradermonitor", with(CTM, "BTCBRL", "ETHBRL"), "other_pair");
	bad("mercadobitcoin", with(MB("1723161240"), "BTC-BRL", "LTC-BRL"), "other_pair");
	bad("binance", with(BINANCE, "BTCUSDT", "BNBBTC"), "other_pair");
	bad("binance", with(BINANCE, "\"BTCUSDT\"", "null"), "wrong_shape");
	bad("mercadobitcoin", "[{\"pair\":\"BTC-BRL\"},{\"pair\":\"LTC-BRL\"}]", "wrong_shape");
	/* a key twice, the second time with another price */
	bad("cointradermonitor", with(CTM, "\"last\":340644.47", "\"last\":340644.47,\"last\":1"),
	    "not_json");
}

/* Cut anywhere, no answer is taken for a whole one. */
static void every_cut_is_seen(void **state)
{
	static const struct {
		const char *source, *body;
	} all[] = {{"cointradermonitor", CTM},
		   {"mercadobitcoin", MB("1723161240")},
		   {"mercadobitcoin", MB3},
		   {"binance", BINANCE},
		   {"coinbase", COINBASE}};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (size_t n = 0; n < strlen(all[i].body); n++)
			bad_bytes(all[i].source, (struct slice){all[i].body, n},
				  n ? "not_json" : "empty");
}

static void a_long_answer_is_read_but_not_kept(void **state)
{
	AUTO_BUF struct buf body = {0};
	struct bitcoin_row row;
	buf_str(&body, "{\"rest\":\"");
	for (int i = 0; i < BITCOIN_PAYLOAD_MAX; i++)
		buf_char(&body, 'x');
	buf_printf(&body, "\",%s", &CTM[1]);
	assert_int_equal(read_as("cointradermonitor", buf_slice(&body), &row, NULL), OK);
	assert_int_equal(row.last, INT64_C(34064447000000));
	assert_int_equal(row.payload.n, 0);
}

/* Real answers, where they are at hand. */
static void recorded_answers_are_read(void **state)
{
	static const struct {
		const char *file, *source, *pair;
		int64_t last, event_us;
	} all[] = {
		{"cointradermonitor_pbb_ticker_2021-03-14.json.txt", "cointradermonitor", "BTCBRL",
		 INT64_C(34064447000000), INT64_C(1615691820000000)},
		{"binance_ticker_24hr_docs_example.json", "binance", "BNBBTC", INT64_C(400000200),
		 INT64_C(1499869899040000)},
	};
	const char *folder = getenv("PREGAO_SHARED_DATA");
	if (!folder)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		AUTO_ARENA struct arena *texts = arena_new();
		AUTO_BUF struct buf body = {0};
		char *path = arena_printf(texts, "%s/bitcoin/%s", folder, all[i].file);
		struct bitcoin_row row;
		assert_int_equal(file_read(path, 1 << 20, &body, NULL), OK);
		assert_int_equal(
			bitcoin_source_find(all[i].source)
				->parse(all[i].pair, buf_slice(&body), NOW, texts, &row, NULL),
			OK);
		assert_int_equal(row.last, all[i].last);
		assert_int_equal(row.event_us, all[i].event_us);
	}
}

static void quoted(const char *in, const char *out)
{
	AUTO_BUF struct buf b = {0};
	bitcoin_quote_numbers(slice_of(in), &b);
	assert_string_equal(b.data, out);
}

static void numbers_get_quotes_and_texts_stay(void **state)
{
	quoted("{\"a\":1,\"b\":-2.5e+3}", "{\"a\":\"1\",\"b\":\"-2.5e+3\"}");
	quoted("[0,0.10,\"5\",\"\\\"6\",\"\\\\\",7]",
	       "[\"0\",\"0.10\",\"5\",\"\\\"6\",\"\\\\\",\"7\"]");
	quoted("{1:2}", "{1:\"2\"}");
	quoted("01", "01");
	quoted("-", "-");
	quoted("1.x", "1.x");
	quoted("\"unfinished 5", "\"unfinished 5");
	quoted("\"\\", "\"\\");
}

static void the_table_names_what_it_asks(void **state)
{
	for (size_t i = 0; i < bitcoin_source_count; i++) {
		const struct bitcoin_source *s = &bitcoin_sources[i];
		assert_ptr_equal(bitcoin_source_find(s->name), s);
		assert_true(slice_starts(slice_of(s->url), "https://"));
		assert_true(s->pair[0] && s->parse);
	}
	assert_null(bitcoin_source_find("mtgox"));
}

static int forget(void **state)
{
	arena_free(arena);
	arena = NULL;
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_source_in_its_shape, forget),
		cmocka_unit_test_teardown(a_date_in_any_unit_is_one_time, forget),
		cmocka_unit_test_teardown(times_that_are_none, forget),
		cmocka_unit_test_teardown(prices_that_are_none, forget),
		cmocka_unit_test_teardown(figures_that_do_not_fit_cost_no_price, forget),
		cmocka_unit_test_teardown(answers_that_are_none, forget),
		cmocka_unit_test_teardown(every_cut_is_seen, forget),
		cmocka_unit_test_teardown(a_long_answer_is_read_but_not_kept, forget),
		cmocka_unit_test(recorded_answers_are_read),
		cmocka_unit_test(numbers_get_quotes_and_texts_stay),
		cmocka_unit_test(the_table_names_what_it_asks),
	};
	return RUN_TESTS("bitcoin_source");
}
