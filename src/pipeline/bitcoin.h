/* Bitcoin's rows: a tick (what a ticker said in a slot), a gap (a slot without a good answer), a trade.
 * One shape for all three, its form as a stream record, its form as a table's row. */
#ifndef PREGAO_BITCOIN_H
#define PREGAO_BITCOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"
#include "str.h"
#include "table.h"

enum bitcoin_kind { BITCOIN_TICK, BITCOIN_GAP, BITCOIN_TRADE, BITCOIN_KINDS };
extern const char *const bitcoin_kind_names[BITCOIN_KINDS]; /* "tick", "gap", "trade" */
/* raw.bitcoin_ticks, raw.bitcoin_gaps, raw.bitcoin_trades; partitions date DATE, hour INTEGER (0..23,
 * no leading zero): UTC of the event (ticks, trades), of the slot (gaps); the scope is both. Days have
 * a compact layout (delivery makes it when a day is closed). */
extern const struct table_def *const bitcoin_tables[BITCOIN_KINDS];

/* Money and quantities are scaled by 10^8, never floats; what has more than 8 decimals that are not
 * zeros, or more than 10 digits before them, is refused. As columns, prices are DECIMAL(18,8) and
 * quantities DECIMAL(20,8): no value needs the digits, but so a price times a quantity is a
 * DECIMAL(38,16) in DuckDB, which is exact; of two decimals of 18 digits it multiplies in 64 bits. */
#define BITCOIN_SCALE       8
#define BITCOIN_NONE        INT64_MIN /* null, for numbers and times here */
#define BITCOIN_PAYLOAD_MAX 65536     /* bytes of a payload that is kept with its tick */
struct bitcoin_row {
	enum bitcoin_kind kind;
	const char *source; /* "binance" */
	const char *pair;   /* as the source spells it: "BTCUSDT" */
	int64_t slot_us;  /* start of the slot on the source's grid; NONE in a replay without one */
	int64_t event_us; /* the source's own time; gaps: the slot */
	int64_t received_us;
	/* tick */
	int64_t last, bid, ask, high_24h, low_24h, volume_24h, var_24h;
	struct slice payload; /* the bytes as they came, UTF-8; empty: none */
	/* trade */
	int64_t trade_id, price, quantity;
	int maker; /* buyer_is_maker: 1, 0; -1 unknown */
	/* gap */
	const char *
		reason; /* machine word: "timeout", "http_503", "html", "bad_price", "not_running" */
	const char *detail; /* a sentence, or NULL */
	int64_t slots;      /* how many consecutive slots the row stands for, 1 or more */
	int64_t period_us;
	/* replay: which recording and which place in it; NULL, 0: live */
	const char *origin; /* 16 hex digits, see replay.h */
	int64_t line;       /* REPLAY_PLACE, see replay.h */
};
/* All numbers NONE, maker -1. */
void bitcoin_row_init(struct bitcoin_row *, enum bitcoin_kind);
/* Appends the record's body: a JSON object on one line, decimals as texts, times as microseconds since 1970; behind it
 * the payload, if there is one, as it came. */
void bitcoin_encode(const struct bitcoin_row *, struct buf *out);
/* The other way, members in any order; texts live in the arena. ERR_INPUT with reason "bad_record" and what was found
 * for anything else than the kind's members, each once, of their types and ranges, in UTF-8. */
int bitcoin_decode(enum bitcoin_kind, struct slice body, struct arena *, struct bitcoin_row *ret,
		   struct err *) MUST_CHECK;
/* -1 for none of the names */
int bitcoin_kind_of(const char *name);
int bitcoin_kind_of_table(const struct table_def *);

/* Rows gathered as columns: the shape that the parquet port takes. */
struct bitcoin_rows; /* of one kind, in the arena */
struct bitcoin_rows *bitcoin_rows_new(struct arena *, enum bitcoin_kind) NEVER_NULL;
/* The same with room for n rows at once, and texts that are not copied: they stay where they are as long as
 * the rows do. */
struct bitcoin_rows *bitcoin_rows_borrowing(struct arena *, enum bitcoin_kind, size_t n) NEVER_NULL;
/* Copies texts. seq is the row's number in the stream. */
void bitcoin_rows_add(struct bitcoin_rows *, const struct bitcoin_row *, int64_t seq);
size_t bitcoin_rows_count(const struct bitcoin_rows *);
/* The columns of the table's files, in its order (data columns only, or followed by date and hour when
 * `partitions`). Valid until the next add. */
struct batch bitcoin_rows_batch(struct bitcoin_rows *, bool partitions);
/* "date=2024-08-08/hour=13" of a row; ERR_INPUT for a time before 2009 or after 2200. */
int bitcoin_scope(const struct bitcoin_row *, char *out, size_t size, struct err *) MUST_CHECK;
#define BITCOIN_SCOPE_SIZE 32

/* Prices as text or as a JSON number's own text: "61837.63000000", "340644.47", "1.5e3" is refused.
 * ERR_INPUT with reason "bad_number". */
int bitcoin_decimal(struct slice text, int64_t *ret, struct err *) MUST_CHECK;
/* A time in seconds, milliseconds, microseconds or nanoseconds since 1970, told by magnitude; ERR_INPUT
 * with reason "bad_time" outside 2009 to 2200. */
int bitcoin_time(int64_t number, int64_t *ret_us, struct err *) MUST_CHECK;

#endif
