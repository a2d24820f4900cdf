/* The deliverer: sealed segments of the stream become Parquet in the lake, each once.
 *
 * A segment's rows are parted by table, date and hour; a file is named by the first and last sequence
 * number in it, so that writing it again after a death gives the same name and bytes. Files and the
 * delivered mark become live in one catalog commit. Trades that are in the lake already (by source, pair and
 * trade id) are left out. What cannot be read goes to quarantine (QUARANTINE_RECORDS), a segment's
 * records as one payload. */
#ifndef PREGAO_DELIVER_H
#define PREGAO_DELIVER_H

#include <stdatomic.h>

#include "bitcoin.h"
#include "clock.h"
#include "delivery_stream.h"
#include "publish.h"
#include "telemetry.h"

#define DELIVER_MARK "bitcoin_delivered" /* the catalog's mark: the last delivered number */
/* The catalog's mark that tells which stream (stream_status.life) the lake's numbers are of: set with the first
 * delivery and never changed. In each partition's properties as "stream", 16 hexadecimal digits. 0: nothing was
 * delivered yet. */
#define DELIVER_STREAM_MARK "bitcoin_stream"
struct deliver {
	struct delivery_stream *stream;
	struct publish publish;
	struct telemetry *telemetry; /* may be NULL */
	const char *run;
	struct clock *clock;
	int64_t settle_us; /* an hour (day) is closed this long after its end; 0: 5 minutes */
	size_t batch_rows; /* rows of a file at most; 0: 250,000 */
	/* Tells others what was created: called by deliver_run at its beginning (one before may have died
	 * between) and whenever there are new files, until it succeeds. NULL: they see for themselves. */
	int (*announce)(void *ctx, struct err *);
	void *ctx;
};
struct deliver_result {
	int64_t segments, rows, files, rejected, repeated, merged;
	int64_t mark; /* the last delivered number */
};
/* Delivers every sealed segment there is (sealing what is due, or all when `everything`). 0 also when there
 * was nothing. ERR_RETRY, ERR_LIMIT, ERR_IO, ERR_CONFLICT when the store or catalog fails: what was delivered
 * is, the rest waits; call again. */
int deliver_pending(const struct deliver *, bool everything, struct deliver_result *ret,
		    struct err *) MUST_CHECK;
/* Merges closed hours into one file each and closed days into the compact layout. Cheap when there is
 * nothing. */
int deliver_settle(const struct deliver *, struct deliver_result *ret, struct err *) MUST_CHECK;
/* Both, about every second, until stop; then seals and delivers the rest. Backs off with jitter while the
 * store fails and says so in telemetry; gauges: pregao_stream_lag_records, pregao_stream_lag_seconds,
 * pregao_stream_spool_bytes; the event "spool_full" (error) when the spool is at nine tenths of its limit. */
int deliver_run(const struct deliver *, atomic_bool *stop, struct deliver_result *ret,
		struct err *) MUST_CHECK;

/* A lake that never had a delivery has no files of these tables either, unless its catalog was lost: what would be
 * written then could take their names, or be there twice. ERR_CONFLICT names one. */
int deliver_check_first(struct object_store *, struct err *) MUST_CHECK;

/* The trade ids of a scope, as the property "trade_ids" of the scope tells them: per source and pair a sorted
 * list of intervals. What is missing between the first and the last is a gap. */
struct trade_gap {
	const char *source, *pair;
	int64_t first, last; /* ids that never came */
};
int deliver_trade_gaps(struct catalog *, struct arena *, struct trade_gap **ret, size_t *ret_count,
		       struct err *) MUST_CHECK;

#endif
