/* The collector's threads: one for each source, what they begin with, and how they end. */
#include "collect_private.h"

#include <inttypes.h>
#include <string.h>

#include "bitcoin_fields.h"
#include "collect_mark.h"
#include "deliver.h"

#define PERIOD_MIN_US       INT64_C(1000000)
#define PERIOD_MAX_US       INT64_C(86400000000)
#define DEADLINE_DEFAULT_US INT64_C(10000000)
#define SLEEP_PIECE_US      INT64_C(100000)
#define SOURCES_MAX         256

bool collect_stopping(const struct poller *p)
{
	const struct collecting *all = p->all;
	return atomic_load(&all->give_up) || (all->c->stop && atomic_load(all->c->stop));
}

void collect_log(const struct poller *p, enum log_level level, const char *event, const char *text,
		 const char *reason, int64_t number)
{
	AUTO_BUF struct buf object = {0};
	buf_printf(&object, "%s/%s", p->source->name, p->pair);
	const struct field fields[] = {
		FIELD_TEXT("object", object.data), FIELD_TEXT("source", p->source->name),
		FIELD_TEXT("pair", p->pair),       FIELD_INT("number", number),
		FIELD_TEXT("reason", reason),      FIELD_TEXT("error_code", reason),
	};
	telemetry_log(p->all->c->telemetry, level, p->all->c->run, event, text, fields,
		      ARRAY_LEN(fields) - (reason ? 0 : 2));
}

/* ---- a poller's clock: its sleeps end with the collection ---- */

static struct clock *real(struct clock *c)
{
	return ((struct poller *)c)->all->c->clock;
}

static int64_t poller_now_us(struct clock *c)
{
	return clock_now_us(real(c));
}

static int64_t poller_monotonic_us(struct clock *c)
{
	return clock_monotonic_us(real(c));
}

static void poller_sleep_us(struct clock *c, int64_t us)
{
	struct poller *p = (struct poller *)c;
	int64_t end_us = clock_monotonic_us(real(c)) + us;
	for (int64_t left_us = us; left_us > 0 && !collect_stopping(p);
	     left_us = end_us - clock_monotonic_us(real(c))) {
		clock_sleep_us(real(c), left_us < SLEEP_PIECE_US ? left_us : SLEEP_PIECE_US);
		collect_append(p);
	}
}

static const struct clock_ops poller_clock_ops = {
	.now_us = poller_now_us,
	.monotonic_us = poller_monotonic_us,
	.sleep_us = poller_sleep_us,
};

/* ---- options ---- */

/* A pair goes into a URL as it is. */
static bool is_pair(const char *pair)
{
	size_t n = strlen(pair);
	return n > 0 && n <= BITCOIN_WORD_MAX &&
	       strspn(pair, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
		       n;
}

/* The URL with the pair in it. */
static const char *url_of(struct arena *arena, const char *url, const char *pair)
{
	static const char mark[] = "{pair}";
	AUTO_BUF struct buf out = {0};
	const char *at;
	for (; (at = strstr(url, mark)); url = at + sizeof(mark) - 1) {
		buf_add(&out, url, (size_t)(at - url));
		buf_str(&out, pair);
	}
	buf_str(&out, url);
	return arena_strndup(arena, out.data, out.len);
}

static int set_up(struct poller *p, struct collecting *all, const struct collect_source *s,
		  struct arena *arena, struct err *e)
{
	p->clock.ops = &poller_clock_ops;
	p->all = all;
	p->source = s->source;
	p->pair = s->pair ? s->pair : s->source->pair;
	p->url = url_of(arena, s->url ? s->url : s->source->url, p->pair);
	p->period_us = s->period_us;
	p->deadline_us = s->deadline_us > 0 ? s->deadline_us : DEADLINE_DEFAULT_US;
	p->next_us = p->wall_us = p->mono_us = BITCOIN_NONE;
	if (!is_pair(p->pair))
		return err_set(
			e, ERR_USAGE,
			"the pair \"%s\" of %s: expected 1 to 64 letters, digits, dots and dashes",
			p->pair, p->source->name);
	if (p->period_us < PERIOD_MIN_US || p->period_us > PERIOD_MAX_US)
		return err_set(e, ERR_USAGE,
			       "the period of %s %s is %" PRId64
			       " microseconds, expected a second to a day",
			       p->source->name, p->pair, p->period_us);
	return OK;
}

/* The rows of two would not be told apart. */
static int check_twice(const struct poller *pollers, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (pollers[i].source == pollers[j].source &&
			    strcmp(pollers[i].pair, pollers[j].pair) == 0)
				return err_set(e, ERR_USAGE, "%s %s is to be collected twice",
					       pollers[i].source->name, pollers[i].pair);
	return OK;
}

static int check_options(const struct collect *c, struct err *e)
{
	if (c->source_count < 1 || c->source_count > SOURCES_MAX)
		return err_set(e, ERR_USAGE, "%zu sources to collect from, expected 1 to %d",
			       c->source_count, SOURCES_MAX);
	int64_t now_us = clock_now_us(c->clock);
	char text[TIME_TEXT_SIZE];
	if (now_us < BITCOIN_TIME_MIN || now_us >= BITCOIN_TIME_END)
		return err_set(e, ERR_INPUT,
			       "this machine's clock says %s; without the time there are no slots",
			       time_format_utc(now_us, text));
	return OK;
}

/* ---- what was collected before ---- */

struct last_slot {
	int64_t slot_us; /* NONE: there is none in the stream */
	int64_t seq;     /* of its record */
};
struct history {
	const struct poller *pollers;
	struct last_slot *last; /* of each */
	size_t count;
};

static int remember(void *ctx, const struct stream_entry *entry, struct err *e)
{
	const struct history *h = ctx;
	AUTO_ARENA struct arena *arena = arena_new();
	struct bitcoin_row row;
	int64_t slot_us;
	int kind = bitcoin_kind_of(entry->record.kind);
	if (kind != BITCOIN_TICK && kind != BITCOIN_GAP)
		return OK;
	/* What cannot be read is the deliverer's to report. */
	if (bitcoin_decode((enum bitcoin_kind)kind, entry->record.body, arena, &row, NULL) != OK ||
	    !collect_last_slot(&row, &slot_us))
		return OK;
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->pollers[i].source->name, row.source) == 0 &&
		    strcmp(h->pollers[i].pair, row.pair) == 0)
			h->last[i] = (struct last_slot){slot_us, entry->seq};
	return OK;
}

/* Where each source goes on. The stream keeps what is not delivered, and only some of what is; the catalog
 * has the rest. In this order, so that a delivery in between is seen in one of them. */
static int look_back(const struct collect *c, struct poller *pollers, struct arena *arena,
		     struct err *e)
{
	size_t n = c->source_count;
	struct history h = {pollers, ANEW_ARRAY(arena, n, struct last_slot), n};
	int64_t delivered, mark;
	for (size_t i = 0; i < n; i++)
		h.last[i].slot_us = BITCOIN_NONE;
	int rc = delivery_stream_tail(c->stream, 0, remember, &h, e);
	if (rc == OK)
		rc = catalog_mark_get(c->catalog, DELIVER_MARK, &delivered, e);
	for (size_t i = 0; i < n && rc == OK; i++) {
		struct poller *p = &pollers[i];
		int64_t last_us = h.last[i].slot_us;
		rc = catalog_mark_get(c->catalog, collect_mark(arena, p->source->name, p->pair),
				      &mark, e);
		/* A lake that was delivered to before there were these marks has none. */
		if (mark && (last_us == BITCOIN_NONE || h.last[i].seq <= delivered))
			last_us = mark;
		/* With another period than now, on now's grid. */
		if (last_us != BITCOIN_NONE)
			p->next_us = last_us - last_us % p->period_us + p->period_us;
	}
	return rc;
}

/* ---- threads ---- */

static void *run_poller(void *arg)
{
	collect_poll(arg);
	return NULL;
}

/* Runs all of them until each has ended; the first error by the order of the sources. */
static int run_pollers(struct poller *pollers, size_t n, struct err *e)
{
	struct collecting *all = pollers[0].all;
	size_t started = 0;
	int errnum = 0;
	while (started < n && !errnum) {
		errnum = pthread_create(&pollers[started].thread, NULL, run_poller,
					&pollers[started]);
		if (errnum)
			atomic_store(&all->give_up, true);
		else
			started++;
	}
	int rc = errnum ? err_errno(e, errnum, "cannot start a thread for each source") : OK;
	for (size_t i = 0; i < started; i++) {
		pthread_join(pollers[i].thread, NULL);
		if (rc == OK && pollers[i].rc < 0) {
			rc = pollers[i].rc;
			if (e)
				*e = pollers[i].err;
		}
	}
	return rc;
}

int collect_run(const struct collect *c, struct collect_result *ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct collecting all = {.c = c};
	*ret = (struct collect_result){0};
	int rc = check_options(c, e);
	if (rc < 0)
		return rc;
	struct poller *pollers = ANEW_ARRAY(arena, c->source_count, struct poller);
	for (size_t i = 0; i < c->source_count && rc == OK; i++)
		rc = set_up(&pollers[i], &all, &c->sources[i], arena, e);
	if (rc == OK)
		rc = check_twice(pollers, c->source_count, e);
	for (size_t i = 0; i < c->source_count && rc == OK; i++)
		rc = c->http_new(&pollers[i].http, e);
	if (rc == OK)
		rc = look_back(c, pollers, arena, e);
	if (rc == OK) {
		pthread_mutex_init(&all.lock, NULL);
		rc = run_pollers(pollers, c->source_count, e);
		pthread_mutex_destroy(&all.lock);
	}
	for (size_t i = 0; i < c->source_count; i++) {
		collect_queue_clear(&pollers[i].queue);
		http_free(pollers[i].http);
	}
	*ret = all.result;
	return rc;
}
