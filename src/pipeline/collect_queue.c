/* Records on their way into the stream. What cannot be appended waits here while the grid goes on, and
 * is tried again with backoff; when too many wait, the oldest become one gap that counts them. */
#include "collect_private.h"

#include <string.h>

#include "stream_health.h"

#define APPEND_MAX    100 /* records of one append */
#define LAST_TRIES    3
#define LAST_PAUSE_US INT64_C(100000)

static const struct retry_policy append_retry = {
	.attempts = 1,
	.base_us = 200000,
	.cap_us = 10000000,
};

/* ---- what waits ---- */

static void take_out(struct collect_queue *q, size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		free(q->records[i].body);
	memmove(q->records + from, q->records + from + n,
		(q->count - from - n) * sizeof(*q->records));
	q->count -= n;
}

void collect_queue_clear(struct collect_queue *q)
{
	take_out(q, 0, q->count);
}

static struct waiting encoded(const struct bitcoin_row *row)
{
	struct buf body = {0};
	struct bitcoin_row bare = *row;
	bitcoin_encode(row, &body);
	if (body.len > STREAM_RECORD_MAX) {
		bare.payload = (struct slice){NULL, 0};
		buf_reset(&body);
		bitcoin_encode(&bare, &body);
	}
	size_t bytes = body.len;
	return (struct waiting){
		.kind = row->kind,
		.body = buf_take(&body),
		.bytes = bytes,
		.event_us = row->event_us,
		.slot_us = row->slot_us,
		.slots = row->kind == BITCOIN_GAP ? row->slots : 1,
	};
}

/* Makes room: the two oldest become a gap, which grows from then on. */
static void lose_oldest(struct poller *p)
{
	struct collect_queue *q = &p->queue;
	struct bitcoin_row gap;
	bitcoin_row_init(&gap, BITCOIN_GAP);
	gap.source = p->source->name;
	gap.pair = p->pair;
	gap.slot_us = gap.event_us = q->records[0].slot_us;
	gap.slots = q->records[0].slots + q->records[1].slots;
	gap.period_us = p->period_us;
	gap.reason = "append_failed";
	gap.detail = "too many records were waiting for the stream";
	free(q->records[0].body);
	q->records[0] = encoded(&gap);
	take_out(q, 1, 1);
	if (!q->lost)
		collect_log(p, LOG_LEVEL_ERROR, "records_lost", gap.detail, NULL,
			    COLLECT_QUEUE_MAX);
	q->lost = true;
}

void collect_keep(struct poller *p, const struct bitcoin_row *row)
{
	struct collect_queue *q = &p->queue;
	if (q->count == COLLECT_QUEUE_MAX)
		lose_oldest(p);
	q->records[q->count++] = encoded(row);
	collect_append(p);
}

/* ---- appending ---- */

static void tell(struct poller *p, const struct waiting *w, int64_t seq)
{
	struct collecting *all = p->all;
	AUTO_ARENA struct arena *arena = arena_new();
	struct bitcoin_row row;
	struct slice body = {w->body, w->bytes};
	pthread_mutex_lock(&all->lock);
	if (w->kind == BITCOIN_GAP)
		all->result.gaps++;
	else
		all->result.ticks++;
	if (all->c->recorded && bitcoin_decode(w->kind, body, arena, &row, NULL) == OK)
		all->c->recorded(all->c->ctx, seq, &row);
	pthread_mutex_unlock(&all->lock);
}

static void note_failure(struct poller *p, const struct err *e)
{
	struct collecting *all = p->all;
	struct retry r = {&append_retry, &p->clock, all->c->random, NULL, all->c->ctx};
	pthread_mutex_lock(&all->lock);
	all->result.waited++;
	bool first = !p->queue.failures && all->failing++ == 0;
	if (first && all->c->trouble)
		all->c->trouble(all->c->ctx, e);
	pthread_mutex_unlock(&all->lock);
	p->queue.failures++;
	p->queue.next_try_us =
		clock_monotonic_us(&p->clock) + retry_pause_us(&r, p->queue.failures);
	stream_failed(all->c->telemetry, all->c->run, STREAM_APPENDS, e, first);
}

static void note_success(struct poller *p)
{
	struct collecting *all = p->all;
	pthread_mutex_lock(&all->lock);
	bool last = p->queue.failures && --all->failing == 0;
	/* The first success is told to telemetry, for one before may have died of its failures. */
	bool first = !all->appended && !all->failing;
	all->appended |= first;
	if (last && all->c->trouble)
		all->c->trouble(all->c->ctx, NULL);
	pthread_mutex_unlock(&all->lock);
	p->queue.failures = 0;
	p->queue.next_try_us = 0;
	p->queue.lost = false;
	if (first || last)
		stream_works(all->c->telemetry, all->c->run, STREAM_APPENDS, last);
}

static int append_some(struct poller *p, struct err *e)
{
	struct collect_queue *q = &p->queue;
	struct stream_record records[APPEND_MAX] = {0};
	size_t n = q->count < APPEND_MAX ? q->count : APPEND_MAX;
	int64_t first = 0;
	for (size_t i = 0; i < n; i++)
		records[i] = (struct stream_record){
			.kind = bitcoin_kind_names[q->records[i].kind],
			.body = {q->records[i].body, q->records[i].bytes},
			.event_us = q->records[i].event_us,
		};
	int rc = delivery_stream_append(p->all->c->stream, records, n, &first, e);
	if (rc < 0) {
		note_failure(p, e);
		return rc;
	}
	for (size_t i = 0; i < n; i++)
		tell(p, &q->records[i], first ? first + (int64_t)i : 0);
	take_out(q, 0, n);
	note_success(p);
	return OK;
}

void collect_append(struct poller *p)
{
	struct err e = ERR_INIT;
	if (p->queue.failures && clock_monotonic_us(&p->clock) < p->queue.next_try_us)
		return;
	while (p->queue.count && append_some(p, &e) == OK)
		;
}

int collect_append_rest(struct poller *p, struct err *e)
{
	int rc = OK;
	for (int tries = 1; p->queue.count; tries++) {
		rc = append_some(p, e);
		if (rc < 0 && tries >= LAST_TRIES)
			return err_wrap(e, "%zu records of %s %s are lost", p->queue.count,
					p->source->name, p->pair);
		if (rc < 0)
			clock_sleep_us(p->all->c->clock, LAST_PAUSE_US);
	}
	return OK;
}
