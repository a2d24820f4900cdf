/* A source's slots in time: when the next one begins, which were missed, and what the clock did
 * meanwhile. */
#include "collect_private.h"

#include <inttypes.h>

#include "bitcoin_fields.h"

#define PIECE_US INT64_C(100000) /* a sleep's longest piece: so soon is the end noticed */
/* The wall clock may be slewed (half a thousandth); more than this at once is a step. */
#define STEP_US INT64_C(500000)
/* Two readings of the monotonic clock with one of the wall clock between them are one moment. */
#define MOMENT_US    INT64_C(5000)
#define MOMENT_TRIES 20
/* One step is seen by every source, as soon as its request has ended. */
#define SAME_STEP_US INT64_C(30000000)

/* Who comes when this little of a slot is left waits for the next. */
static int64_t least_left_us(const struct poller *p)
{
	int64_t quarter = p->period_us / 4;
	return quarter < 2000000 ? quarter : 2000000;
}

static void note_step(struct poller *p, int64_t step_us)
{
	struct collecting *all = p->all;
	pthread_mutex_lock(&all->lock);
	bool known = all->step_noted && p->mono_us - all->step_noted_us < SAME_STEP_US;
	all->step_noted = true;
	all->step_noted_us = p->mono_us;
	pthread_mutex_unlock(&all->lock);
	if (!known)
		collect_log(p, LOG_LEVEL_WARNING, "clock_stepped",
			    step_us > 0 ? "the wall clock was set forward"
					: "the wall clock was set back",
			    NULL, step_us);
}

/* Reads both clocks, and compares what they did since the last time. */
static int64_t look(struct poller *p)
{
	struct clock *c = p->all->c->clock;
	int64_t before, wall, mono = clock_monotonic_us(c);
	int tries = 0;
	/* The thread may be put aside between the readings. */
	do {
		before = mono;
		wall = clock_now_us(c);
		mono = clock_monotonic_us(c);
	} while (mono - before > MOMENT_US && ++tries < MOMENT_TRIES);
	bool first = p->wall_us == BITCOIN_NONE;
	int64_t step_us = first ? 0 : (wall - p->wall_us) - (mono - p->mono_us);
	p->wall_us = wall;
	p->mono_us = mono;
	if (step_us > STEP_US || step_us < -STEP_US) {
		p->stepped |= step_us > 0;
		note_step(p, step_us);
	}
	return wall;
}

/* The slots before `first` passed without being asked for. */
static void miss(struct poller *p, int64_t first_us)
{
	struct bitcoin_row gap;
	bitcoin_row_init(&gap, BITCOIN_GAP);
	gap.source = p->source->name;
	gap.pair = p->pair;
	gap.slot_us = gap.event_us = p->next_us;
	gap.slots = (first_us - p->next_us) / p->period_us;
	gap.period_us = p->period_us;
	gap.reason = p->stepped ? "clock_stepped" : "not_running";
	p->next_us = first_us;
	p->stepped = false;
	collect_log(p, LOG_LEVEL_WARNING, "slots_missed", "slots passed without being asked for",
		    gap.reason, gap.slots);
	collect_keep(p, &gap);
}

static void count(struct poller *p, const struct bitcoin_row *row)
{
	AUTO_BUF struct buf labels = {0};
	buf_printf(&labels, "source=\"%s\",pair=\"%s\"", row->source, row->pair);
	telemetry_count(p->all->c->telemetry,
			row->kind == BITCOIN_GAP ? "pregao_bitcoin_gaps_total"
						 : "pregao_bitcoin_ticks_total",
			labels.data, 1);
}

/* A source that fails is told when it begins to and when it has ended, not each slot. */
static void note_health(struct poller *p, const struct bitcoin_row *row)
{
	bool failing = row->kind == BITCOIN_GAP;
	if (failing && !p->failing)
		collect_log(p, LOG_LEVEL_WARNING, "source_failing", row->detail, row->reason, 0);
	if (!failing && p->failing)
		collect_log(p, LOG_LEVEL_INFO, "source_recovered", "the source answers again", NULL,
			    0);
	p->failing = failing;
}

static void take_slot(struct poller *p)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct bitcoin_row row;
	int64_t slot_us = p->next_us;
	int64_t end_us = p->mono_us + (slot_us + p->period_us - p->wall_us);
	p->next_us += p->period_us;
	p->stepped = false;
	if (!collect_ask(p, slot_us, end_us, arena, &row))
		return;
	count(p, &row);
	note_health(p, &row);
	collect_keep(p, &row);
}

/* What is to be done now: a slot, or a sleep towards one. False: that was all. */
static bool step(struct poller *p)
{
	const struct collect *c = p->all->c;
	int64_t now_us = look(p);
	if (now_us < BITCOIN_TIME_MIN || now_us >= BITCOIN_TIME_END) {
		clock_sleep_us(&p->clock, PIECE_US); /* a clock without a date has no slots */
		return true;
	}
	int64_t slot_us = now_us - now_us % p->period_us;
	bool roomy = slot_us + p->period_us - now_us >= least_left_us(p);
	int64_t first_us = roomy ? slot_us : slot_us + p->period_us;
	/* A clock that was set back by less than a slot is waited for, so that no slot comes twice. Is
	 * it more, slots follow the clock, though they have been before. */
	if (p->next_us != BITCOIN_NONE && p->next_us - slot_us > 2 * p->period_us) {
		note_step(p, now_us - p->next_us);
		p->next_us = first_us;
	}
	if (p->next_us == BITCOIN_NONE)
		p->next_us = first_us;
	if (c->once && p->next_us > first_us) {
		pthread_mutex_lock(&p->all->lock);
		p->all->result.already++;
		pthread_mutex_unlock(&p->all->lock);
		return false;
	}
	if (p->next_us < slot_us || (p->next_us == slot_us && !roomy))
		miss(p, first_us);
	else if (p->next_us > now_us)
		clock_sleep_us(&p->clock,
			       p->next_us - now_us < PIECE_US ? p->next_us - now_us : PIECE_US);
	else {
		take_slot(p);
		return !c->once;
	}
	return true;
}

void collect_poll(struct poller *p)
{
	while (!collect_stopping(p) && step(p))
		collect_append(p);
	p->rc = collect_append_rest(p, &p->err);
}
