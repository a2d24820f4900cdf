/* Replay: a recording goes through the same stream as what is collected live.
 *
 * Recordings are lines, gzipped or not: "<receive time in ns> <JSON message>", NDJSON (messages of the streams, answers
 * of the tickers, rows of our own tables), or CSV (Binance's trade dumps with or without a header; rows of our own
 * tables with a header). Each row carries the recording's hash and its line, and a replay that was killed goes on
 * behind the last line that the stream took: replaying a file twice adds nothing. */
#ifndef PREGAO_REPLAY_H
#define PREGAO_REPLAY_H

#include <stdatomic.h>

#include "bitcoin_source.h"
#include "catalog.h"
#include "clock.h"
#include "delivery_stream.h"

struct replay {
	struct delivery_stream *stream;
	struct catalog *catalog; /* the mark "replay:<origin>" tells the last delivered line */
	struct clock *clock;
	const char *path; /* "-": standard input, spooled to a temporary file first */
	const char
		*source;  /* whose messages these are where they do not say; NULL: told by shape */
	const char *pair; /* the same */
	bool recorded_pace; /* as it was received; else as fast as possible */
	atomic_bool *stop;
	void (*progress)(void *ctx, int64_t bytes_done, int64_t bytes_total, int64_t rows);
	/* Rows are durable; may be NULL. */
	void (*recorded)(void *ctx, int64_t seq, const struct bitcoin_row *);
	void *ctx;
};
struct replay_result {
	int64_t lines, trades, ticks;
	int64_t skipped; /* lines of an earlier replay of the same file */
	int64_t other;   /* messages that are neither (order books, subscriptions) */
	int64_t refused; /* lines that could not be read */
	int64_t first_refused_line;
	char first_refused[512]; /* why */
	char origin[17];
};
/* ERR_NOT_FOUND, ERR_DENIED; ERR_INPUT when the file is of no known form or damaged (gzip), after what could
 * be read was appended; errors of the stream, except ERR_LIMIT, which is waited for. */
int replay_run(const struct replay *, struct replay_result *ret, struct err *) MUST_CHECK;

#endif
