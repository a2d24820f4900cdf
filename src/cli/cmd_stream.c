/* stream: where the Bitcoin stream stands, what is missing in it, and recordings fed through it.
 */
#include <string.h>

#include "cli.h"
#include "render.h"
#include "replay.h"
#include "session.h"
#include "stream_health.h"
#include "streaming.h"
#include "tr.h"

struct undelivered {
	int64_t records, gaps, oldest_us, last_us;
};

static int count_undelivered(void *ctx, const struct stream_entry *entry, struct err *e)
{
	(void)e;
	struct undelivered *u = ctx;
	if (u->records++ == 0)
		u->oldest_us = entry->at_us;
	u->last_us = entry->at_us;
	u->gaps += bitcoin_kind_of(entry->record.kind) == BITCOIN_GAP;
	return 0;
}

/* Adds those that are in files. */
static int count_gaps(struct cli *cli, int64_t *ret, struct err *e)
{
	struct catalog_scope *scopes;
	size_t n = 0;
	int rc = catalog_scopes(system_catalog(cli->system), bitcoin_tables[BITCOIN_GAP], NULL, 0,
				cli->arena, &scopes, &n, e);
	for (size_t i = 0; rc == OK && i < n; i++)
		*ret += scopes[i].rows;
	return rc;
}

int cmd_stream_status(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct delivery_stream *stream;
	struct stream_status st;
	struct stream_health health;
	struct undelivered u = {0};
	int64_t mark = 0;
	if (cli_system(cli, SYSTEM_READ, &e) != 0 ||
	    system_stream(cli->system, STREAM_READ, &stream, &e) != 0 ||
	    catalog_mark_get(system_catalog(cli->system), DELIVER_MARK, &mark, &e) != 0 ||
	    delivery_stream_status(stream, &st, &e) != 0 ||
	    delivery_stream_tail(stream, mark, count_undelivered, &u, &e) != 0 ||
	    count_gaps(cli, &u.gaps, &e) != 0 ||
	    stream_health(system_telemetry(cli->system), cli->arena, &health, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "stream", .type = COL_TEXT},
		{.name = "last_seq", .type = COL_BIGINT},
		{.name = "delivered_seq", .type = COL_BIGINT},
		{.name = "lag_records", .type = COL_BIGINT},
		{.name = "lag_seconds", .type = COL_BIGINT},
		{.name = "last_record_at", .type = COL_TEXT},
		{.name = "spool_bytes", .type = COL_BIGINT},
		{.name = "spool_limit", .type = COL_BIGINT},
		{.name = "segments", .type = COL_BIGINT},
		{.name = "damaged", .type = COL_BIGINT},
		{.name = "damaged_bytes", .type = COL_BIGINT},
		{.name = "gaps", .type = COL_BIGINT},
		{.name = "errors", .type = COL_BIGINT},
		{.name = "failed", .type = COL_BOOLEAN},
		{.name = "last_error", .type = COL_TEXT},
		{.name = "last_error_code", .type = COL_TEXT},
		{.name = "last_error_at", .type = COL_TEXT},
	};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int64_t waiting_us = u.records ? clock_now_us(&clock_system) - u.oldest_us : 0;
	listing_text(l, delivery_stream_name(stream));
	listing_int(l, st.last_seq);
	listing_int(l, mark);
	listing_int(l, u.records);
	listing_int(l, waiting_us > 0 ? waiting_us / 1000000 : 0);
	listing_time(l, u.last_us);
	listing_int(l, st.bytes);
	listing_int(l, st.limit);
	listing_int(l, st.segments);
	listing_int(l, st.damaged);
	listing_int(l, st.damaged_bytes);
	listing_int(l, u.gaps);
	listing_int(l, health.errors);
	listing_bool(l, st.failed || !stream_takes(&health) || health.failing[STREAM_DELIVERY]);
	listing_text(l, health.error);
	listing_text(l, health.code);
	listing_time(l, health.at_us);
	int rc = OK;
	if (cli->format == FORMAT_TABLE)
		listing_print_upright(l);
	else
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* A gap is closed by the next tick of the same source and pair. */
static const char slot_gaps[] =
	"SELECT g.source, g.pair, g.slot, g.slots, g.reason, g.detail, t.slot AS closed_at FROM raw.bitcoin_gaps g "
	"ASOF LEFT JOIN raw.bitcoin_ticks t ON g.source = t.source AND g.pair = t.pair AND g.slot < t.slot "
	"ORDER BY g.slot, g.source, g.pair, g.seq";

static const struct column gap_columns[] = {
	{.name = "kind", .type = COL_TEXT},     {.name = "source", .type = COL_TEXT},
	{.name = "pair", .type = COL_TEXT},     {.name = "first", .type = COL_TEXT},
	{.name = "last", .type = COL_TEXT},     {.name = "missing", .type = COL_BIGINT},
	{.name = "reason", .type = COL_TEXT},   {.name = "detail", .type = COL_TEXT},
	{.name = "closed_at", .type = COL_TEXT}};

static int no_columns(void *ctx, const struct column *c, const char *const *types, size_t n,
		      struct err *e)
{
	(void)ctx, (void)c, (void)types, (void)n, (void)e;
	return 0;
}

static void text_cell(struct listing *l, const struct batch *b, size_t column, size_t row)
{
	AUTO_BUF struct buf text = {0};
	listing_text(l, batch_text(b, column, row, &text) ? text.data : NULL);
}

static int slot_rows(void *ctx, const struct batch *b, struct err *e)
{
	struct listing *l = ctx;
	(void)e;
	for (size_t i = 0; i < b->row_count; i++) {
		listing_text(l, "slots");
		for (size_t c = 0; c < 3; c++)
			text_cell(l, b, c, i);
		listing_null(l);
		listing_int(l, ((const int64_t *)b->vectors[3].data)[i]);
		for (size_t c = 4; c < 7; c++)
			text_cell(l, b, c, i);
	}
	return 0;
}

static int trade_rows(struct cli *cli, struct listing *l, struct err *e)
{
	struct trade_gap *gaps;
	size_t count;
	int rc = deliver_trade_gaps(system_catalog(cli->system), cli->arena, &gaps, &count, e);
	for (size_t i = 0; i < count && rc == OK; i++) {
		listing_text(l, "trades");
		listing_text(l, gaps[i].source);
		listing_text(l, gaps[i].pair);
		listing_text(l, arena_printf(cli->arena, "%lld", (long long)gaps[i].first));
		listing_text(l, arena_printf(cli->arena, "%lld", (long long)gaps[i].last));
		listing_int(l, gaps[i].last - gaps[i].first + 1);
		listing_text(l, "trade_ids");
		listing_null(l);
		listing_null(l);
	}
	return rc;
}

int cmd_stream_gaps(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct query_engine *q;
	if (cli_system(cli, SYSTEM_READ, &e) != 0 || system_query(cli->system, &q, &e) != 0)
		return cli_fail(cli, &e);
	struct listing *l = listing_new(gap_columns, ARRAY_LEN(gap_columns));
	struct query_sink sink = {.columns = no_columns, .batch = slot_rows, .ctx = l};
	int rc = system_lake_exists(cli->system) ? query_engine_run(q, slot_gaps, &sink, NULL, &e)
						 : OK;
	if (rc == OK)
		rc = trade_rows(cli, l, &e);
	if (rc == OK)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* Replay */

struct replayed {
	const char *path;
	struct replay_result result;
	int code;
	struct err why;
};

/* What a replay's callbacks are given. */
struct replaying {
	struct cli *cli;
	struct streaming *streaming;
	bool told;
};

static void progress(void *ctx, int64_t done, int64_t total, int64_t rows)
{
	const struct replaying *x = ctx;
	if (x->cli->quiet || !terminal_width(stderr))
		return;
	if (total > 0)
		fprintf(stderr, "\r  %3d %%  %lld\033[K", (int)(done * 100 / total),
			(long long)rows);
	else
		fprintf(stderr, "\r  %lld\033[K", (long long)rows);
	if (total > 0 && done >= total)
		fputs("\r\033[K", stderr);
}

/* Every line could be read, and none is a trade or a ticker: it is hardly what was meant. */
static bool holds_nothing(const struct replay_result *r)
{
	return r->trades + r->ticks + r->skipped + r->refused == 0;
}

static void list_number(struct listing *l, int64_t seq)
{
	if (seq)
		listing_int(l, seq);
	else
		listing_null(l);
}

static int print_replayed(struct cli *cli, const struct replayed *all, size_t n, struct err *e)
{
	static const struct column columns[] = {
		{.name = "file", .type = COL_TEXT},        {.name = "outcome", .type = COL_TEXT},
		{.name = "lines", .type = COL_BIGINT},     {.name = "trades", .type = COL_BIGINT},
		{.name = "ticks", .type = COL_BIGINT},     {.name = "other", .type = COL_BIGINT},
		{.name = "skipped", .type = COL_BIGINT},   {.name = "refused", .type = COL_BIGINT},
		{.name = "first_seq", .type = COL_BIGINT}, {.name = "last_seq", .type = COL_BIGINT},
		{.name = "origin", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		const struct replay_result *r = &all[i].result;
		bool nothing_new = r->skipped && r->trades + r->ticks == 0;
		listing_text(l, all[i].path);
		listing_text(l, all[i].code == ERR_INPUT ? "refused"
				: all[i].code            ? "failed"
				: nothing_new            ? "unchanged"
							 : "replayed");
		listing_int(l, r->lines);
		listing_int(l, r->trades);
		listing_int(l, r->ticks);
		listing_int(l, r->other);
		listing_int(l, r->skipped);
		listing_int(l, r->refused);
		list_number(l, r->first_seq);
		list_number(l, r->last_seq);
		listing_text(l, r->origin[0] ? r->origin : NULL);
	}
	int rc = listing_print(l, cli, e);
	listing_free(l);
	return rc;
}

/* The jobs that wait for what was delivered. */
static int settle(struct cli *cli, struct pass *pass, struct settle_result *ret, struct err *e)
{
	struct settle s;
	int rc = settle_prepare(cli, AS_OF_LANDED, &s, e);
	return rc ? rc : pass_settle(pass, &s, cli->arena, ret, e);
}

static int spool_is_full(void *ctx, struct err *e)
{
	struct replaying *x = ctx;
	if (!x->told)
		cli_note(x->cli, "the spool is full: waiting for the delivery");
	x->told = true;
	return streaming_works(x->streaming, e);
}

static int replay_all(struct cli *cli, struct streaming *streaming, struct replayed *all,
		      bool recorded_pace)
{
	atomic_bool *stop = streaming_stop_on_signals();
	struct replaying with = {cli, streaming, false};
	int code = EXIT_DONE;
	for (size_t i = 0; i < cli->word_count; i++) {
		struct replayed *r = &all[i];
		struct replay replay = {.stream = streaming_stream(streaming),
					.catalog = system_catalog(cli->system),
					.store = system_store(cli->system),
					.clock = &clock_system,
					.path = cli->words[i],
					.source = cli_value(cli, OPT_SOURCE),
					.pair = cli_value(cli, OPT_PAIR),
					.again = cli_flag(cli, OPT_FORCE),
					.recorded_pace = recorded_pace,
					.stop = stop,
					.progress = progress,
					.full = spool_is_full,
					.ctx = &with};
		*r = (struct replayed){.path = cli->words[i], .why = ERR_INIT};
		r->code = atomic_load(stop)
				  ? err_set(&r->why, ERR_CONFLICT, "not tried: interrupted")
				  : replay_run(&replay, &r->result, &r->why);
		if (r->code == ERR_USAGE && code == EXIT_DONE)
			code = EXIT_USAGE;
		else if (r->code && r->code != ERR_INPUT)
			code = EXIT_FAILED;
		else if ((r->code || r->result.refused || holds_nothing(&r->result)) &&
			 code == EXIT_DONE)
			code = EXIT_REJECTED;
	}
	return code;
}

static void complain(struct cli *cli, const struct replayed *all)
{
	for (size_t i = 0; i < cli->word_count; i++) {
		struct err shown = all[i].why;
		if (!shown.where[0])
			snprintf(shown.where, sizeof(shown.where), "%s", all[i].path);
		if (all[i].code)
			cli_fail(cli, &shown);
		if (all[i].code == OK && holds_nothing(&all[i].result))
			cli_warn(cli, "%s: nothing in it is a trade or a ticker", all[i].path);
		if (all[i].result.refused)
			cli_warn(cli, "%s: %lld lines were refused, the first is line %lld: %s",
				 all[i].path, (long long)all[i].result.refused,
				 (long long)all[i].result.first_refused_line,
				 all[i].result.first_refused);
		if (all[i].result.quarantine[0])
			cli_warn(cli, "%s: these lines are kept: pregao quarantine show %.12s",
				 all[i].path, all[i].result.quarantine);
	}
}

int cmd_stream_replay(struct cli *cli)
{
	struct err e = ERR_INIT, end = ERR_INIT;
	const char *pace = cli_value(cli, OPT_PACE);
	bool recorded = pace && strcmp(pace, "recorded") == 0;
	if (pace && !recorded && strcmp(pace, "fast") != 0)
		return cli_usage(cli, "--pace %s: expected fast or recorded", pace);
	const char *source = cli_value(cli, OPT_SOURCE);
	if (source && !bitcoin_source_find(source))
		return cli_usage(cli, "there is no Bitcoin source `%s`", source);
	if (cli_system(cli, SYSTEM_WORK, &e) != 0)
		return cli_fail(cli, &e);
	struct pass pass;
	struct streaming *streaming;
	struct deliver_result delivered = {0};
	struct settle_result settled = {0};
	struct replayed *all = ANEW_ARRAY(cli->arena, cli->word_count, struct replayed);
	system_warm(cli->system);
	pass_begin(&pass, system_telemetry(cli->system), &clock_system, "stream replay");
	pass_start(&pass);
	int rc = streaming_begin(cli->system, pass.record.id, &streaming, &e);
	if (rc) {
		pass_end(&pass, rc, &e);
		return cli_fail(cli, &e);
	}
	int code = replay_all(cli, streaming, all, recorded);
	pass_done(&pass, "replay", -1, -1, -1);
	pass_start(&pass);
	rc = streaming_end(streaming, &delivered, &e);
	pass_done(&pass, "raw", delivered.rows, delivered.files, -1);
	/* Also when nothing new was delivered: a replay that was killed may have left messages. */
	if (rc == OK)
		rc = settle(cli, &pass, &settled, &e);
	if (rc || settled.failed)
		code = EXIT_FAILED;
	const struct err *why = rc ? &e : settled.failed ? &settled.why : NULL;
	for (size_t i = 0; i < cli->word_count && !why; i++)
		why = all[i].code ? &all[i].why : NULL;
	pass_end(&pass, why ? why->code : OK, why);
	if (print_replayed(cli, all, cli->word_count, &end) != 0)
		code = cli_fail(cli, &end);
	complain(cli, all);
	if (rc)
		cli_fail(cli, &e);
	if (settled.failed)
		cli_fail(cli, &settled.why);
	if (cli->format == FORMAT_TABLE)
		cli_note(cli, "%lld rows delivered in %lld files; %lld were there already",
			 (long long)delivered.rows, (long long)delivered.files,
			 (long long)delivered.repeated);
	return code;
}
