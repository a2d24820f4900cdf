/* The deliverer's rounds: seal, deliver, forget; and the loop around them, which outlasts a store that fails.
 */
#include "deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deliver_private.h"
#include "retry.h"
#include "stream_health.h"

#define ROUND_US        INT64_C(250000)
#define BUSY_US         INT64_C(10000) /* after one that had something to deliver: there may be more */
#define GAUGES_EVERY_US INT64_C(1000000)
#define SLICE_US        INT64_C(100000) /* how late a stop is seen while waiting */
#define SETTLE_EVERY_US INT64_C(60000000)

static const struct retry_policy backoff = {.base_us = 1000000, .cap_us = 60000000};

/* -- one round --------------------------------------------------------------------------------- */

/* A spool that was lost begins again at 1, and the catalog takes its records for delivered already.
 */
static int check_mark(const struct deliver *d, int64_t mark, struct err *e)
{
	struct stream_status status;
	int rc = delivery_stream_status(d->stream, &status, e);
	if (rc || status.last_seq == 0 || status.last_seq >= mark)
		return rc;
	return err_set(e, ERR_CONFLICT,
		       "the stream's last record is number %" PRId64
		       ", but the catalog says that records up to %" PRId64
		       " are delivered: the stream's folder was replaced by another one",
		       status.last_seq, mark);
}

static int deliver_sealed(const struct deliver *d, struct deliver_result *ret, struct err *e)
{
	int64_t mark;
	int rc = catalog_mark_get(d->publish.catalog, DELIVER_MARK, &mark, e);
	if (rc)
		return rc;
	ret->mark = mark;
	rc = check_mark(d, mark, e);
	for (bool found = true; rc == OK && found;) {
		rc = deliver_segments(d, &mark, &found, ret, e);
		if (found) {
			int forgotten = delivery_stream_forget(d->stream, mark, rc ? NULL : e);
			rc = rc ? rc : forgotten;
		}
	}
	return rc;
}

int deliver_pending(const struct deliver *d, bool everything, struct deliver_result *ret,
		    struct err *e)
{
	struct err sealing = ERR_INIT;
	/* What is sealed already can be delivered all the same. */
	int sealed = delivery_stream_seal(d->stream, everything, &sealing);
	int rc = deliver_sealed(d, ret, e);
	if (rc == OK && sealed) {
		rc = sealed;
		if (e)
			*e = sealing;
	}
	return rc;
}

/* -- what is told about it --------------------------------------------------------------------- */

struct loop {
	const struct deliver *d;
	atomic_bool *stop;
	int64_t settled_at_us, shown_at_us; /* monotonic; 0: not yet */
	int attempt;                        /* rounds in a row that failed */
	char failure[1200];                 /* the last one that was told */
	bool unsettled;                     /* the last settling failed */
	int64_t announced;                  /* files that others were told of; -1: nothing yet */
	bool known;                         /* it was told whether deliveries succeed */
	bool full;
};

static void tell(const struct loop *l, enum log_level level, const char *event, const char *text)
{
	telemetry_log(l->d->telemetry, level, l->d->run, event, text, NULL, 0);
}

/* Once for each error, however often it comes. */
static void tell_failure(struct loop *l, const struct err *why)
{
	char text[sizeof(l->failure)];
	snprintf(text, sizeof(text), "%s: %s", err_name(why->code), why->text);
	bool is_new = strcmp(text, l->failure) != 0;
	memcpy(l->failure, text, sizeof(text));
	stream_failed(l->d->telemetry, l->d->run, STREAM_DELIVERY, why, is_new);
	l->known = true;
}

/* The first success is told to telemetry, for one before may have died of its failures. */
static void tell_recovery(struct loop *l)
{
	if (l->failure[0] || !l->known)
		stream_works(l->d->telemetry, l->d->run, STREAM_DELIVERY, l->failure[0]);
	l->failure[0] = '\0';
	l->known = true;
}

static int first_time(void *ctx, const struct stream_entry *entry, struct err *e)
{
	*(int64_t *)ctx = entry->at_us;
	return 1; /* that was all */
}

static void show_gauges(struct loop *l, const struct deliver_result *result)
{
	const struct deliver *d = l->d;
	struct stream_status status;
	int64_t oldest_us = 0, now_us = clock_now_us(d->clock);
	if (!d->telemetry || delivery_stream_status(d->stream, &status, NULL) != OK)
		return;
	int64_t waiting = status.last_seq > result->mark ? status.last_seq - result->mark : 0;
	int rc = waiting ? delivery_stream_tail(d->stream, result->mark, first_time, &oldest_us,
						NULL)
			 : OK;
	int64_t lag_us = rc == 1 && oldest_us && oldest_us < now_us ? now_us - oldest_us : 0;
	telemetry_gauge(d->telemetry, "pregao_stream_lag_records", NULL, waiting);
	telemetry_gauge(d->telemetry, "pregao_stream_lag_seconds", NULL, lag_us / 1000000);
	telemetry_gauge(d->telemetry, "pregao_stream_spool_bytes", NULL, status.bytes);
	/* Told again only after it was clearly better. */
	bool full = status.limit && status.bytes >= status.limit / 10 * (l->full ? 8 : 9);
	if (full && !l->full)
		telemetry_log(d->telemetry, LOG_LEVEL_ERROR, d->run, "spool_full",
			      "the spool is almost full: records that cannot be delivered will "
			      "soon be refused",
			      (struct field[]){FIELD_INT("bytes", status.bytes),
					       FIELD_INT("limit", status.limit)},
			      2);
	if (!full && l->full)
		tell(l, LOG_LEVEL_INFO, "spool_cleared", "the spool has room again");
	l->full = full;
}

/* -- the loop ---------------------------------------------------------------------------------- */

static void wait_for(const struct loop *l, int64_t us)
{
	int64_t end_us = clock_monotonic_us(l->d->clock) + us;
	while (!atomic_load(l->stop)) {
		int64_t left_us = end_us - clock_monotonic_us(l->d->clock);
		if (left_us <= 0)
			return;
		clock_sleep_us(l->d->clock, left_us < SLICE_US ? left_us : SLICE_US);
	}
}

/* A settling that fails is tried again with the next that is due: deliveries do not wait for it. */
static void settle(struct loop *l, struct deliver_result *ret)
{
	struct err why = ERR_INIT;
	int64_t now_us = clock_monotonic_us(l->d->clock);
	if (now_us - l->settled_at_us < SETTLE_EVERY_US)
		return;
	l->settled_at_us = now_us;
	l->unsettled = deliver_settle(l->d, ret, &why) != OK;
	if (l->unsettled)
		tell_failure(l, &why);
}

static int announce(struct loop *l, const struct deliver_result *ret, struct err *e)
{
	int64_t files = ret->files + ret->merged;
	if (!l->d->announce || files == l->announced)
		return OK;
	int rc = l->d->announce(l->d->ctx, e);
	if (rc == OK)
		l->announced = files;
	return rc;
}

static int one_round(struct loop *l, struct deliver_result *ret)
{
	struct err why = ERR_INIT;
	int rc = deliver_pending(l->d, false, ret, &why);
	if (rc == OK) {
		settle(l, ret);
		rc = announce(l, ret, &why);
	}
	if (rc) {
		tell_failure(l, &why);
		return rc;
	}
	if (!l->unsettled)
		tell_recovery(l);
	return OK;
}

/* What is left when it ends. */
static int last_round(struct loop *l, struct deliver_result *ret, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = deliver_pending(l->d, true, ret, &why);
	if (rc == OK)
		rc = deliver_settle(l->d, ret, &why);
	/* Whatever failed, what is in the lake is in the lake. */
	int told = announce(l, ret, rc ? NULL : &why);
	rc = rc ? rc : told;
	if (rc == OK)
		tell_recovery(l);
	else
		tell_failure(l, &why);
	if (rc && e)
		*e = why;
	return rc;
}

int deliver_run(const struct deliver *d, atomic_bool *stop, struct deliver_result *ret,
		struct err *e)
{
	struct loop l = {.d = d,
			 .stop = stop,
			 .settled_at_us = clock_monotonic_us(d->clock),
			 .announced = -1};
	struct retry retry = {.policy = &backoff, .clock = d->clock};
	*ret = (struct deliver_result){0};
	while (!atomic_load(stop)) {
		int64_t before = ret->mark;
		int rc = one_round(&l, ret);
		if (rc || clock_monotonic_us(d->clock) - l.shown_at_us >= GAUGES_EVERY_US) {
			l.shown_at_us = clock_monotonic_us(d->clock);
			show_gauges(&l, ret);
		}
		l.attempt = rc ? l.attempt + 1 : 0;
		wait_for(&l, rc                   ? retry_pause_us(&retry, l.attempt)
			     : ret->mark > before ? BUSY_US
						  : ROUND_US);
	}
	int rc = last_round(&l, ret, e);
	show_gauges(&l, ret);
	return rc;
}
