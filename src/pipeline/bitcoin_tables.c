/* Bitcoin's tables raw.bitcoin_*, the fields of their rows, and which partition a row belongs to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bitcoin_fields.h"
#include "shown.h"

#define US_PER_HOUR INT64_C(3600000000)

#define TICK  (1u << BITCOIN_TICK)
#define GAP   (1u << BITCOIN_GAP)
#define TRADE (1u << BITCOIN_TRADE)
#define ALL   (TICK | GAP | TRADE)

#define AT(member) offsetof(struct bitcoin_row, member)
#define NAME(name)                                             \
	(name),                                                \
	{                                                      \
		",\"" name "\":", sizeof(",\"" name "\":") - 1 \
	}

const struct bitcoin_field bitcoin_fields[] = {
	{NAME("source"), FORM_WORD, AT(source), ALL, ALL},
	{NAME("pair"), FORM_WORD, AT(pair), ALL, ALL},
	{NAME("slot"), FORM_TIME, AT(slot_us), TICK | GAP, GAP},
	{NAME("trade_id"), FORM_NUMBER, AT(trade_id), TRADE, TRADE},
	{NAME("event_time"), FORM_TIME, AT(event_us), TICK | TRADE, TICK | TRADE},
	{NAME("received_at"), FORM_TIME, AT(received_us), ALL, 0},
	{NAME("last"), FORM_DECIMAL, AT(last), TICK, 0},
	{NAME("bid"), FORM_DECIMAL, AT(bid), TICK, 0},
	{NAME("ask"), FORM_DECIMAL, AT(ask), TICK, 0},
	{NAME("high_24h"), FORM_DECIMAL, AT(high_24h), TICK, 0},
	{NAME("low_24h"), FORM_DECIMAL, AT(low_24h), TICK, 0},
	{NAME("volume_24h"), FORM_DECIMAL, AT(volume_24h), TICK, 0},
	{NAME("var_24h"), FORM_DECIMAL, AT(var_24h), TICK, 0},
	{NAME("price"), FORM_DECIMAL, AT(price), TRADE, TRADE},
	{NAME("quantity"), FORM_DECIMAL, AT(quantity), TRADE, TRADE},
	{NAME("buyer_is_maker"), FORM_FLAG, AT(maker), TRADE, 0},
	{NAME("reason"), FORM_WORD, AT(reason), GAP, GAP},
	{NAME("detail"), FORM_TEXT, AT(detail), GAP, 0},
	{NAME("slots"), FORM_NUMBER, AT(slots), GAP, GAP},
	{NAME("period_us"), FORM_NUMBER, AT(period_us), GAP, GAP},
	{NAME("origin"), FORM_WORD, AT(origin), ALL, 0},
	{NAME("line"), FORM_NUMBER, AT(line), ALL, 0},
	{NAME("payload"), FORM_BYTES, AT(payload), TICK, 0},
};
const size_t bitcoin_field_count = ARRAY_LEN(bitcoin_fields);

const char *const bitcoin_kind_names[BITCOIN_KINDS] = {"tick", "gap", "trade"};

#define DECIMAL(column_name, sentence)                                       \
	{                                                                    \
		.name = (column_name), .type = COL_DECIMAL, .precision = 18, \
		.scale = BITCOIN_SCALE, .doc = (sentence)                    \
	}
#define QUANTITY(column_name, sentence) /* see bitcoin.h for its digits */   \
	{                                                                    \
		.name = (column_name), .type = COL_DECIMAL, .precision = 20, \
		.scale = BITCOIN_SCALE, .doc = (sentence)                    \
	}
#define SOURCE                                                                             \
	{                                                                                  \
		.name = "source", .type = COL_TEXT,                                        \
		.doc = "Who said it: cointradermonitor, mercadobitcoin, binance, coinbase" \
	}
#define PAIR                                                                                \
	{                                                                                   \
		.name = "pair", .type = COL_TEXT,                                           \
		.doc = "What is traded for what, as the source spells it: BTCUSDT, BTC-BRL" \
	}
#define RECEIVED                                                                                         \
	{                                                                                                \
		.name = "received_at", .type = COL_TIMESTAMP,                                            \
		.doc = "When it reached us or the recorder, UTC; null in a recording that does not tell" \
	}
#define SEQ                                                                                           \
	{                                                                                             \
		.name = "seq", .type = COL_BIGINT,                                                    \
		.doc = "Number of the record in the delivery stream, in the order of acknowledgement" \
	}

static const struct column tick_columns[] = {
	SOURCE,
	PAIR,
	{.name = "slot",
	 .type = COL_TIMESTAMP,
	 .doc = "Start of the slot of the source's grid that the tick was asked for, UTC; null in a replay"},
	{.name = "event_time",
	 .type = COL_TIMESTAMP,
	 .doc = "The source's own time of what it says, UTC"},
	RECEIVED,
	DECIMAL("last", "Price of the last trade"),
	DECIMAL("bid", "Best price offered by buyers; null where the source does not say"),
	DECIMAL("ask", "Best price asked by sellers; null where the source does not say"),
	DECIMAL("high_24h",
		"Highest price of the last 24 hours; null where the source does not say"),
	DECIMAL("low_24h", "Lowest price of the last 24 hours; null where the source does not say"),
	QUANTITY(
		"volume_24h",
		"Quantity traded in the last 24 hours, in bitcoins; null where the source does not say"),
	DECIMAL("var_24h",
		"Change of the price over the last 24 hours in percent; null where the source does not say"),
	SEQ,
	{.name = "payload",
	 .type = COL_TEXT,
	 .doc = "The answer as it came; null when it was longer than 64 KiB"},
};
static const struct column gap_columns[] = {
	SOURCE,
	PAIR,
	{.name = "slot",
	 .type = COL_TIMESTAMP,
	 .doc = "Start of the first slot without a good answer, UTC"},
	{.name = "reason",
	 .type = COL_TEXT,
	 .doc = "Why, as a machine's word: timeout, refused, http_503, html, bad_price, not_running"},
	{.name = "detail", .type = COL_TEXT, .doc = "The last failure in a sentence"},
	{.name = "slots",
	 .type = COL_BIGINT,
	 .doc = "How many consecutive slots the row stands for"},
	{.name = "period_us",
	 .type = COL_BIGINT,
	 .doc = "Length of a slot in microseconds, so that the gap ends at slot + slots * period_us"},
	SEQ,
};
static const struct column trade_columns[] = {
	SOURCE,
	PAIR,
	{.name = "trade_id",
	 .type = COL_BIGINT,
	 .doc = "The exchange's number of the trade, without holes in each pair"},
	{.name = "event_time",
	 .type = COL_TIMESTAMP,
	 .doc = "When the exchange made the trade, UTC"},
	RECEIVED,
	DECIMAL("price", "Price of one bitcoin in the pair's second currency"),
	QUANTITY("quantity", "Quantity in bitcoins"),
	{.name = "buyer_is_maker",
	 .type = COL_BOOLEAN,
	 .doc = "Whether the buyer's order was in the book first, so that the seller was the taker; null: unknown"},
	SEQ,
};
static const struct column partition_columns[] = {
	{.name = "date", .type = COL_DATE, .doc = "UTC day of the event; of a gap, of its slot"},
	{.name = "hour", .type = COL_INTEGER, .doc = "UTC hour of that day, 0 to 23"},
};
/* The hours first: so a day's file is its hours' files one after the other, and making it needs no memory for
 * a day. */
static const char *const tick_sort[] = {"date", "hour", "source", "pair", "event_time", "seq"};
static const char *const gap_sort[] = {"date", "hour", "source", "pair", "slot", "seq"};
static const char *const trade_sort[] = {"date",       "hour",     "source", "pair",
					 "event_time", "trade_id", "seq"};

#define TABLE(table_name, kind, sentence)                                                        \
	{                                                                                        \
		.database = "raw", .name = (table_name), .doc = (sentence),                      \
		.columns = kind##_columns, .column_count = ARRAY_LEN(kind##_columns),            \
		.partition = partition_columns, .partition_count = ARRAY_LEN(partition_columns), \
		.location = "raw/" table_name, .scope_count = ARRAY_LEN(partition_columns),      \
		.compact_location = "compact/raw/" table_name, .sort = kind##_sort,              \
		.sort_count = ARRAY_LEN(kind##_sort)                                             \
	}
static const struct table_def tables[BITCOIN_KINDS] = {
	[BITCOIN_TICK] = TABLE("bitcoin_ticks", tick,
			       "Live Bitcoin prices: what each source's ticker said, once a slot"),
	[BITCOIN_GAP] = TABLE("bitcoin_gaps", gap,
			      "Slots of a source's grid that brought no good answer, and why"),
	[BITCOIN_TRADE] = TABLE("bitcoin_trades", trade,
				"Bitcoin trades of the exchanges' streams, one row a trade id"),
};
const struct table_def *const bitcoin_tables[BITCOIN_KINDS] = {
	&tables[BITCOIN_TICK], &tables[BITCOIN_GAP], &tables[BITCOIN_TRADE]};

int bitcoin_kind_of_table(const struct table_def *table)
{
	for (int kind = 0; kind < BITCOIN_KINDS; kind++)
		if (strcmp(tables[kind].database, table->database) == 0 &&
		    strcmp(tables[kind].name, table->name) == 0)
			return kind;
	return -1;
}

int bitcoin_scope(const struct bitcoin_row *row, char *out, size_t size, struct err *e)
{
	int64_t us = row->kind == BITCOIN_GAP ? row->slot_us : row->event_us;
	char day[DATE_TEXT_SIZE];
	if (us < BITCOIN_TIME_MIN || us >= BITCOIN_TIME_END) {
		err_set(e, ERR_INPUT,
			"the time %" PRId64
			" is outside the years 2009 to 2199, found in a %s of %s",
			us, bitcoin_kind_names[row->kind], row->source ? row->source : "?");
		return err_reason(e, "bad_time");
	}
	int64_t hours = us / US_PER_HOUR;
	snprintf(out, size, "date=%s/hour=%d", date_format((int32_t)(hours / 24), day),
		 (int)(hours % 24));
	return OK;
}
