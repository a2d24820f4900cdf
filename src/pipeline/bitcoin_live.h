/* Bitcoin's records that no file has yet, as rows of their tables. */
#ifndef PREGAO_BITCOIN_LIVE_H
#define PREGAO_BITCOIN_LIVE_H

#include "catalog.h"
#include "delivery_stream.h"
#include "query_engine.h"

struct bitcoin_live {
	struct delivery_stream *stream;
	struct catalog *catalog; /* which trades the lake has already */
};
/* What the deliverer would leave out (records that cannot be read, trades that came before) is left
 * out here too. The argument is borrowed; the engine's thread uses stream and catalog. */
struct live_rows bitcoin_live_rows(struct bitcoin_live *);

#endif
