/* Fuzzing of recordings' lines: the first line tells the form, the others are read by it. What comes out must be what the
 * stream's records can hold. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "replay_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct bitcoin_row *row)
{
	struct buf AUTO_BUF body = {0};
	struct arena AUTO_ARENA *arena = arena_new();
	struct bitcoin_row again;
	struct err e = ERR_INIT;
	char scope[BITCOIN_SCOPE_SIZE];
	bitcoin_encode(row, &body);
	if (bitcoin_decode(row->kind, buf_slice(&body), arena, &again, &e) ||
	    bitcoin_scope(&again, scope, sizeof(scope), &e))
		abort();
	if (strcmp(again.source, row->source) != 0 || strcmp(again.pair, row->pair) != 0 ||
	    again.event_us != row->event_us || again.received_us != row->received_us ||
	    again.price != row->price || again.quantity != row->quantity ||
	    again.trade_id != row->trade_id || again.last != row->last || again.bid != row->bid ||
	    again.ask != row->ask || again.maker != row->maker ||
	    !slice_eq(again.payload, row->payload))
		abort();
}

static void check_error(int rc, const struct err *e)
{
	if (rc && ((rc != ERR_INPUT && rc != ERR_USAGE) || e->code != rc || !e->text[0]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena AUTO_ARENA *arena = arena_new();
	struct slice rest = {(const char *)data, size}, first = slice_cut(&rest, '\n');
	struct err e = ERR_INIT;
	bool skip;
	if (!size)
		return 0;
	struct replay_lines *lines =
		replay_lines_new("BTCUSDT-trades-x.csv", NULL, NULL, INT64_C(1790000000000000));
	int rc = replay_lines_begin(lines, first, &skip, &e);
	check_error(rc, &e);
	for (struct slice line = first; rc == OK; line = slice_cut(&rest, '\n')) {
		struct replay_line l = {.arena = arena};
		bool is_open = replay_lines_open(lines, line);
		for (size_t n = is_open ? replay_lines_follow(lines, rest) : 0; n; n--) {
			struct slice more = slice_cut(&rest, '\n');
			line.n = (size_t)(more.p + more.n - line.p);
			is_open = false;
		}
		if (!skip || line.p != first.p) {
			int read = replay_lines_read(lines, line, &l, &e);
			check_error(read, &e);
			if (is_open && read == OK && l.count)
				abort();
			for (size_t i = 0; read == OK && i < l.count; i++)
				check_row(&l.rows[i]);
		}
		free(l.rows);
		if (!rest.n)
			break;
	}
	replay_lines_free(lines);
	return 0;
}
