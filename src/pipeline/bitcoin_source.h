/* The table of Bitcoin's tickers and message shapes: where each is asked, and what its answer means. A
 * new one is a row in bitcoin_source.c. */
#ifndef PREGAO_BITCOIN_SOURCE_H
#define PREGAO_BITCOIN_SOURCE_H

#include "bitcoin.h"

struct bitcoin_source {
	const char *name; /* "cointradermonitor", "mercadobitcoin", "binance", "coinbase" */
	const char *pair; /* the default one, as its URL spells it */
	const char *url;  /* {pair} stands for the pair */
	/* One answer for that pair: fills all of the row but slot_us and received_us (a source without a
	 * time of its own: event_us stays NONE and the caller takes received_us). A number beside the
	 * prices (volume, change) that does not fit its column is null; a body longer than
	 * BITCOIN_PAYLOAD_MAX is not kept. ERR_INPUT with a reason word: "empty", "html", "not_json" (cut,
	 * damaged, a key twice, not UTF-8), "wrong_shape" (a missing or mistyped field), "other_pair",
	 * "bad_number", "bad_price" (nought, negative, 10^10 or more, bid far over ask, far outside the
	 * day's range), "bad_time" (none, without an offset, or more than a day after now_us; NONE: not
	 * compared). The row's texts live in the arena. */
	int (*parse)(const char *pair, struct slice body, int64_t now_us, struct arena *,
		     struct bitcoin_row *ret, struct err *);
};
extern const struct bitcoin_source bitcoin_sources[];
extern const size_t bitcoin_source_count;
const struct bitcoin_source *bitcoin_source_find(const char *name); /* NULL: none */

#endif
