/* fetch bitcoin: the collector on the command line, for one slot or for ever.
 */
#include <inttypes.h>
#include <string.h>

#include "bitcoin_asked.h"
#include "cli.h"
#include "collect.h"
#include "http.h"
#include "pass.h"
#include "render.h"
#include "streaming.h"
#include "tr.h"

struct told {
	struct cli *cli;
	atomic_bool *stop;
};

static void told_number(struct buf *out, const char *name, int64_t scaled)
{
	char text[DECIMAL_TEXT_SIZE];
	if (scaled != BITCOIN_NONE)
		buf_printf(out, ",\"%s\":\"%s\"", name,
			   decimal_format(scaled, BITCOIN_SCALE, text));
}

static void told_time(struct buf *out, const char *name, int64_t us)
{
	char text[TIME_TEXT_SIZE];
	if (us != BITCOIN_NONE)
		buf_printf(out, ",\"%s\":\"%s\"", name, time_format_utc(us, text));
}

static void told_json(struct buf *out, int64_t seq, const struct bitcoin_row *row)
{
	buf_printf(out, "{\"seq\":%" PRId64 ",\"kind\":\"%s\",\"source\":", seq,
		   bitcoin_kind_names[row->kind]);
	buf_json_str(out, row->source, strlen(row->source));
	buf_str(out, ",\"pair\":");
	buf_json_str(out, row->pair, strlen(row->pair));
	told_time(out, "slot", row->slot_us);
	if (row->kind == BITCOIN_GAP) {
		buf_printf(out, ",\"slots\":%" PRId64 ",\"reason\":", row->slots);
		buf_json_str(out, row->reason, strlen(row->reason));
		if (row->detail) {
			buf_str(out, ",\"detail\":");
			buf_json_str(out, row->detail, strlen(row->detail));
		}
	} else {
		told_time(out, "event_time", row->event_us);
		told_time(out, "received_at", row->received_us);
		told_number(out, "last", row->last);
		told_number(out, "bid", row->bid);
		told_number(out, "ask", row->ask);
	}
	buf_str(out, "}\n");
}

static void told_line(bool colour, const struct bitcoin_row *row)
{
	char time[TIME_TEXT_SIZE], text[DECIMAL_TEXT_SIZE];
	time_format_utc(row->slot_us, time);
	printf("%s%.19sZ%s  %-18s %-8s ", paint(colour, "dim"), time, paint(colour, "reset"),
	       row->source, row->pair);
	if (row->kind == BITCOIN_TICK) {
		printf("%s%s%s\n", paint(colour, "bold"),
		       decimal_format(row->last, BITCOIN_SCALE, text), paint(colour, "reset"));
		return;
	}
	printf(tr("%sgap%s of %lld slots: "), paint(colour, "red"), paint(colour, "reset"),
	       (long long)row->slots);
	print_text(stdout, row->detail ? row->detail : row->reason);
	putchar('\n');
}

/* A record is durable: only now is it told. Whoever reads this counts on it, so each line leaves at
 * once, and a reader that went away ends the collection. */
static void recorded(void *ctx, int64_t seq, const struct bitcoin_row *row)
{
	struct told *t = ctx;
	AUTO_BUF struct buf line = {0};
	if (t->cli->format == FORMAT_JSON) {
		told_json(&line, seq, row);
		fputs(line.data, stdout);
	} else {
		told_line(t->cli->colour_out, row);
	}
	if (fflush(stdout) != 0)
		atomic_store(t->stop, true);
}

/* Also with --quiet: until it is over what is collected lies in memory alone. */
static void trouble(void *ctx, const struct err *why)
{
	const struct told *t = ctx;
	if (why)
		cli_warn(
			t->cli,
			"the stream takes no records: %s; they are kept in memory, and appended when it takes them again",
			why->text);
	else
		cli_warn(t->cli, "the stream takes records again");
}

static int dry_bitcoin(struct cli *cli, const struct collect_source *asked, size_t n)
{
	static const struct column columns[] = {{.name = "source", .type = COL_TEXT},
						{.name = "pair", .type = COL_TEXT},
						{.name = "url", .type = COL_TEXT},
						{.name = "period_us", .type = COL_BIGINT}};
	struct err e = ERR_INIT;
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		const char *pair = asked[i].pair ? asked[i].pair : asked[i].source->pair;
		const char *url = asked[i].url ? asked[i].url : asked[i].source->url;
		listing_text(l, asked[i].source->name);
		listing_text(l, pair);
		listing_text(l, url);
		listing_int(l, asked[i].period_us);
		if (cli->format == FORMAT_TABLE)
			printf(tr("%s would be fetched from %s\n"), pair, url);
	}
	int rc = cli->format == FORMAT_TABLE ? OK : listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_fetch_bitcoin(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct collect_source *asked;
	size_t count;
	if (bitcoin_asked(cli->conf, cli_value(cli, OPT_SOURCE), cli_value(cli, OPT_PERIOD),
			  cli->arena, &asked, &count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->format != FORMAT_TABLE && cli->format != FORMAT_JSON)
		return cli_usage(cli, "--format %s: expected table or json",
				 cli_value(cli, OPT_FORMAT));
	if (cli_flag(cli, OPT_DRY_RUN))
		return dry_bitcoin(cli, asked, count);
	cli->fetches = true;
	if (cli_system(cli, SYSTEM_WORK, &e) != 0)
		return cli_fail(cli, &e);
	struct pass pass;
	struct streaming *streaming;
	struct deliver_result delivered = {0};
	struct collect_result collected = {0};
	char text[32];
	struct told told = {.cli = cli, .stop = streaming_stop_on_signals()};
	pass_begin(&pass, system_telemetry(cli->system), &clock_system, "fetch bitcoin");
	pass_start(&pass);
	int rc = streaming_begin(cli->system, pass.record.id, &streaming, &e);
	if (rc) {
		pass_end(&pass, rc, &e);
		return cli_fail(cli, &e);
	}
	struct collect c = {.stream = streaming_stream(streaming),
			    .catalog = system_catalog(cli->system),
			    .clock = &clock_system,
			    .telemetry = system_telemetry(cli->system),
			    .run = pass.record.id,
			    .http_new = http_curl_new,
			    .sources = asked,
			    .source_count = count,
			    .once = !cli_flag(cli, OPT_FOLLOW),
			    .body_ceiling_bytes =
				    (size_t)conf_int(cli->conf, "bitcoin", "body_limit"),
			    .user_agent = "pregao/" PREGAO_VERSION,
			    .stop = told.stop,
			    .recorded = recorded,
			    .trouble = cli_flag(cli, OPT_FOLLOW) ? trouble : NULL,
			    .ctx = &told};
	if (cli_flag(cli, OPT_FOLLOW))
		cli_note(cli, "collecting from %zu sources into %s; Ctrl-C ends it", count,
			 system_lake(cli->system));
	rc = collect_run(&c, &collected, &e);
	pass_done(&pass, "fetch", collected.ticks + collected.gaps, -1, -1);
	pass_start(&pass);
	struct err end = ERR_INIT;
	int ended = streaming_end(streaming, &delivered, &end);
	pass_done(&pass, "raw", delivered.rows, delivered.files, -1);
	if (ended) {
		cli_fail(cli, &end);
		cli_warn(
			cli,
			"what was collected is safe in the spool; the next `pregao fetch bitcoin` or `pregao stream replay` delivers it");
	}
	pass_end(&pass, rc ? rc : ended, rc ? &e : &end);
	int code = rc ? cli_fail(cli, &e) : ended ? EXIT_FAILED : EXIT_DONE;
	if (cli->format == FORMAT_TABLE && code != EXIT_USAGE)
		cli_note(cli,
			 "%lld ticks and %lld gaps recorded, %lld rows delivered in %lld files",
			 (long long)collected.ticks, (long long)collected.gaps,
			 (long long)delivered.rows, (long long)delivered.files);
	/* One slot without a single answer is a failure of what was asked for; a gap in a collection
	 * that goes on is data. */
	bool once = !cli_flag(cli, OPT_FOLLOW);
	bool nothing = once && collected.ticks == 0 && collected.gaps > 0;
	if (once && collected.ticks + collected.gaps == 0 && !rc)
		cli_note(cli, "this slot is recorded already; the next one begins in %s",
			 human_duration(asked[0].period_us -
						clock_now_us(&clock_system) % asked[0].period_us,
					text));
	return code == EXIT_DONE && nothing ? EXIT_FAILED : code;
}
