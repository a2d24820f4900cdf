/* Replay: a recording goes through the same stream as what is collected live.
 *
 * Recordings are lines, gzipped or not: "<receive time in ns> <JSON message>", NDJSON (messages of the streams, answers
 * of the tickers, rows of our own tables), or CSV (Binance's trade dumps with or without a header; rows of our own
 * tables with a header). Each row carries the replay's origin and its line, and a replay that was killed goes on behind
 * the last line that the stream took: replaying a file twice adds nothing.
 *
 * The origin is made of all that decides which rows come out: the content (gzip undone), the source and the pair that
 * are given, and the reader. A recording that was replayed under another origin is refused, for its rows would be there
 * twice; `again` is for one whose source or pair were wrong. The lake only adds: the wrong rows stay, and are told by what
 * is wrong in them, or by their numbers (first_seq, last_seq).
 *
 * Lines that are refused are put into quarantine when the end is reached, with their numbers, the reasons and their bytes
 * (of one that is too long, its beginning). What goes on or is repeated reads the lines before, too, so that it puts
 * the same. */
#ifndef PREGAO_REPLAY_H
#define PREGAO_REPLAY_H

#include <stdatomic.h>

#include "bitcoin_source.h"
#include "catalog.h"
#include "clock.h"
#include "delivery_stream.h"
#include "hash.h"
#include "object_store.h"

/* Changes whenever the reader makes other rows of the same lines. */
#define REPLAY_READER "1"

struct replay {
	struct delivery_stream *stream;
	struct catalog *catalog;    /* the mark "replay:<origin>" tells the last delivered line */
	struct object_store *store; /* for the lines that are refused */
	struct clock *clock;
	const char *path; /* "-": standard input, spooled to a temporary file first */
	/* Whose messages these are where they do not say; NULL: told by their shape. Pairs are told by the
	 * messages, or by a name such as BTCUSDT-trades-2024-08-08.csv. */
	const char *source, *pair;
	bool again;         /* also what was replayed under another origin */
	bool recorded_pace; /* as it was received; else as fast as possible */
	atomic_bool *stop;
	void (*progress)(void *ctx, int64_t bytes_done, int64_t bytes_total, int64_t rows);
	/* Rows are durable; may be NULL. */
	void (*recorded)(void *ctx, int64_t seq, const struct bitcoin_row *);
	/* The stream is full: called about ten times a second while that is waited for; its non-zero ends the
	 * replay. May be NULL. */
	int (*full)(void *ctx, struct err *);
	void *ctx;
};
/* A row's place in its recording, which is what bitcoin_row.line and the mark hold: lines may hold several rows, and a
 * death may come between any two of them. index counts from 0. */
#define REPLAY_PLACE_BITS         20
#define REPLAY_PLACE(line, index) ((int64_t)(line) << REPLAY_PLACE_BITS | (int64_t)(index))
struct replay_result {
	int64_t lines, trades, ticks; /* lines read, rows appended */
	int64_t skipped;              /* lines of an earlier replay of the same file */
	int64_t other;                /* messages that are neither (order books, subscriptions) */
	int64_t refused; /* lines that could not be read, also those of an earlier replay */
	int64_t first_refused_line;
	char first_refused[512]; /* why */
	char quarantine
		[HASH_HEX_SIZE]; /* the payload they are in; empty: none was refused, or the end not reached */
	char origin[17];
	int64_t first_seq, last_seq; /* of the rows appended; 0: none was */
};
/* ERR_NOT_FOUND, ERR_DENIED; ERR_INPUT when the file is of no known form, is a damaged gzip, or one that ends too
 * early (this one after its whole lines were appended); ERR_USAGE when the messages do not say which pair they
 * are of and nobody else does, or when they were replayed under another origin and not `again`; ERR_CONFLICT when stopped before the end; errors of the stream, except
 * ERR_LIMIT, which is waited for. ret is filled in any case: what it counts is durable. */
int replay_run(const struct replay *, struct replay_result *ret, struct err *) MUST_CHECK;

#endif
