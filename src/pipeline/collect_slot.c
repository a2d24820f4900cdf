/* One slot of a source: asking until there is a good answer or the slot ends. Whatever the answer is
 * instead, the gap says it in a word and a sentence. */
#include "collect_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BODY_CEILING_BYTES ((size_t)1 << 20)
#define LEAST_TIME_US      INT64_C(10000) /* less is not worth a request */
/* Of one slot. The slot's end comes first, unless a source refuses each connection at once and no pause
 * is drawn longer than nought. */
#define ATTEMPTS_MAX 1000

struct asking {
	struct poller *p;
	int64_t end_us; /* monotonic */
	struct arena *arena;
	struct bitcoin_row *row;
	struct http_response response;
	struct err last; /* why the last try failed */
};

/* What a status other than 200 means. Only what may be over in this slot is ERR_RETRY. */
static int check_status(struct asking *a, int64_t *retry_after_us, struct err *e)
{
	const struct http_response *r = &a->response;
	struct poller *p = a->p;
	char reason[24];
	if (r->status == 200)
		return OK;
	bool slow_down = r->status == 429 || r->status == 418; /* 418: Binance's ban */
	bool may_pass = slow_down || r->status >= 500 || r->status == 408 || r->status == 425;
	snprintf(reason, sizeof(reason), "http_%d", r->status);
	err_set(e, may_pass ? ERR_RETRY : ERR_INPUT, "the source answers with status %d",
		r->status);
	err_reason(e, reason);
	if (may_pass && r->retry_after_us >= 0) {
		*retry_after_us = r->retry_after_us;
		p->quiet_until_us = clock_monotonic_us(&p->clock) + r->retry_after_us;
		snprintf(p->quiet_reason, sizeof(p->quiet_reason), "%s", reason);
	}
	/* Who asks for less and does not say when to come back is not asked again in this slot. */
	if (slow_down && r->retry_after_us < 0)
		e->code = ERR_LIMIT;
	return e->code;
}

static int request(struct asking *a, int64_t left_us, int64_t *retry_after_us, struct err *e)
{
	static const char *const headers[] = {"Accept: application/json", NULL};
	struct poller *p = a->p;
	const struct collect *c = p->all->c;
	struct http_request q = {
		.url = p->url,
		.headers = headers,
		.deadline_us = left_us < p->deadline_us ? left_us : p->deadline_us,
		.body_ceiling_bytes = c->body_ceiling_bytes ? c->body_ceiling_bytes
							    : BODY_CEILING_BYTES,
		.user_agent = c->user_agent,
		.cancel = c->stop,
	};
	a->response.retry_after_us = -1;
	int rc = http_request(p->http, &q, &a->response, e);
	if (rc < 0 && !e->reason[0])
		err_reason(e, rc == ERR_DENIED      ? "denied"
			      : rc == ERR_USAGE     ? "bad_url"
			      : rc == ERR_NOT_FOUND ? "no_libcurl"
						    : "network");
	if (rc == OK)
		rc = check_status(a, retry_after_us, e);
	return rc;
}

static int ask_once(void *arg, int attempt, int64_t *retry_after_us, struct err *e)
{
	struct asking *a = arg;
	struct poller *p = a->p;
	int64_t left_us = a->end_us - clock_monotonic_us(&p->clock);
	if (collect_stopping(p))
		return err_set(e, ERR_CONFLICT, "the collection ends");
	if (left_us < LEAST_TIME_US) {
		/* The gap tells what went wrong in the time there was. */
		if (attempt > 1) {
			*e = a->last;
			return ERR_LIMIT;
		}
		err_set(e, ERR_LIMIT, "no time of the slot is left for a request");
		return err_reason(e, "timeout");
	}
	int rc = request(a, left_us, retry_after_us, e);
	/* Cut off by the slot's end, not by a source that is slow: an answer before tells more. */
	if (rc < 0 && attempt > 1 && left_us < p->deadline_us &&
	    strcmp(e->reason, "timeout") == 0) {
		*e = a->last;
		return ERR_LIMIT;
	}
	if (rc == OK) {
		int64_t now_us = clock_now_us(&p->clock);
		rc = p->source->parse(p->pair, buf_slice(&a->response.body), now_us, a->arena,
				      a->row, e);
		a->row->received_us = now_us;
		/* What is no good answer now may be one in a moment: an error page, a cut. */
		if (rc == ERR_INPUT)
			rc = e->code = ERR_RETRY;
	}
	if (rc < 0)
		a->last = *e;
	return rc;
}

static void make_gap(const struct asking *a, const char *reason, const char *detail)
{
	const struct poller *p = a->p;
	bitcoin_row_init(a->row, BITCOIN_GAP);
	a->row->slots = 1;
	a->row->period_us = p->period_us;
	a->row->reason = arena_strdup(a->arena, reason);
	a->row->detail = arena_strdup(a->arena, detail);
}

/* Waits as long as the source asked for; false, and a gap, when that is all of the slot. */
static bool wait_quiet(struct asking *a)
{
	struct poller *p = a->p;
	int64_t quiet_us = p->quiet_until_us - clock_monotonic_us(&p->clock);
	int64_t left_us = a->end_us - clock_monotonic_us(&p->clock);
	if (quiet_us > 0 && quiet_us > left_us - LEAST_TIME_US) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_LIMIT,
			"the source asked to be left alone for %" PRId64 " seconds more",
			quiet_us / 1000000 + 1);
		make_gap(a, p->quiet_reason, e.text);
		return false;
	}
	clock_sleep_us(&p->clock, quiet_us);
	p->quiet_until_us = 0;
	return true;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void ask(struct asking *a)
{
	struct poller *p = a->p;
	struct err e = ERR_INIT;
	int64_t left_us = a->end_us - clock_monotonic_us(&p->clock);
	const struct retry_policy policy = {
		.attempts = ATTEMPTS_MAX,
		.base_us = least(1000000, p->period_us / 10),
		.cap_us = least(10000000, p->period_us / 4),
		.deadline_us = left_us > 0 ? left_us : 1,
	};
	const struct collect *c = p->all->c;
	struct retry r = {&policy, &p->clock, c->random, NULL, c->ctx};
	if (retry_run(&r, ask_once, a, &e) != OK)
		make_gap(a, e.reason, e.text);
}

bool collect_ask(struct poller *p, int64_t slot_us, int64_t end_mono_us, struct arena *arena,
		 struct bitcoin_row *ret)
{
	struct asking a = {.p = p, .end_us = end_mono_us, .arena = arena, .row = ret};
	bitcoin_row_init(ret, BITCOIN_GAP);
	if (wait_quiet(&a) && !collect_stopping(p))
		ask(&a);
	http_response_clear(&a.response);
	bool ended = collect_stopping(p) && ret->kind == BITCOIN_GAP;
	ret->source = p->source->name;
	ret->pair = p->pair;
	ret->slot_us = slot_us;
	if (ret->event_us == BITCOIN_NONE)
		ret->event_us = ret->kind == BITCOIN_GAP ? slot_us : ret->received_us;
	return !ended;
}
