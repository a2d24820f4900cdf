/* Which form a recording's lines have: a time and JSON, JSON alone, or CSV. Told by the first line; a line of JSON may
 * have its time or not. */
#include <stdlib.h>
#include <string.h>

#include "replay_private.h"
#include "shown.h"

struct replay_lines {
	struct arena *arena;
	const char *source, *pair;
	int64_t now_us;
	struct replay_csv *csv; /* NULL: JSON */
};

/* "BTCUSDT" of ".../BTCUSDT-trades-2024-08-08.csv", as Binance calls its dumps. */
static const char *pair_in_name(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	return n >= 5 && n <= 20 && strncmp(name + n, "-trades-", 8) == 0
		       ? arena_strndup(arena, name, n)
		       : NULL;
}

struct replay_lines *replay_lines_new(const char *path, const char *source, const char *pair,
				      int64_t now_us)
{
	struct replay_lines *lines = NEW(struct replay_lines);
	lines->arena = arena_new();
	lines->source = source;
	lines->pair = pair ? pair : pair_in_name(lines->arena, path);
	lines->now_us = now_us;
	return lines;
}

const char *replay_lines_pair(const struct replay_lines *lines)
{
	return lines->pair;
}

void replay_lines_free(struct replay_lines *lines)
{
	replay_csv_free(lines->csv);
	arena_free(lines->arena);
	free(lines);
}

/* -- a time before the JSON -------------------------------------------------------------------- */

static bool is_json(struct slice s)
{
	return s.n && (s.p[0] == '{' || s.p[0] == '[');
}

static int64_t time_before(struct slice s)
{
	char text[40];
	int64_t us;
	if (s.n && s.p[s.n - 1] == ':')
		s.n--;
	if (s.n == 0 || s.n >= sizeof(text))
		return BITCOIN_NONE;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return text[strspn(text, "0123456789.")] == '\0' && replay_time(text, &us, NULL) == OK
		       ? us
		       : BITCOIN_NONE;
}

/* Cuts "1723161253937085768 " off, or "wss://... -> 1618677816.84: ", or "configuration: ", and gives the time, NONE
 * without one; false when no JSON follows. */
static bool cut_time(struct slice *text, int64_t *ret_us)
{
	struct slice rest = slice_trim(*text);
	*ret_us = BITCOIN_NONE;
	/* Three words at most stand before it. */
	for (int words = 0; words < 4 && !is_json(rest); words++) {
		struct slice word = slice_cut(&rest, ' ');
		int64_t us = time_before(word);
		if (us != BITCOIN_NONE)
			*ret_us = us;
		else if (words == 0 && !slice_ends(word, ":") && !slice_starts(rest, "->") &&
			 !slice_starts(rest, "<-"))
			return false;
	}
	*text = rest;
	return is_json(rest);
}

/* -- lines ------------------------------------------------------------------------------------- */

int replay_lines_begin(struct replay_lines *lines, struct slice first, bool *ret_skip,
		       struct err *e)
{
	struct slice json = first;
	int64_t us;
	*ret_skip = false;
	if (cut_time(&json, &us))
		return OK;
	return replay_csv_begin(lines->arena, first, &lines->csv, ret_skip, e);
}

bool replay_lines_open(struct replay_lines *lines, struct slice text)
{
	return lines->csv && text.n && memchr(text.p, '"', text.n) &&
	       replay_csv_look(lines->csv, text, true) == CSV_OPEN;
}

size_t replay_lines_follow(struct replay_lines *lines, struct slice ahead)
{
	for (size_t n = 1; ahead.n; n++) {
		struct slice line = slice_cut(&ahead, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		enum replay_csv_end end = replay_csv_look(lines->csv, line, false);
		if (end != CSV_OPEN)
			return end == CSV_WHOLE ? n : 0;
	}
	return 0;
}

int replay_lines_read(struct replay_lines *lines, struct slice text, struct replay_line *l,
		      struct err *e)
{
	l->source = lines->source;
	l->pair = lines->pair;
	l->received_us = BITCOIN_NONE;
	l->now_us = lines->now_us;
	if (lines->csv)
		return replay_csv_row(lines->csv, l, text, e);
	struct slice json = text;
	if (!cut_time(&json, &l->received_us)) {
		err_set(e, ERR_INPUT, "found \"%s\", expected \"<nanoseconds> <JSON>\" or JSON",
			shown(l->arena, text));
		return err_reason(e, "not_json");
	}
	if (l->received_us != BITCOIN_NONE)
		l->now_us = l->received_us;
	return replay_json(l, json, e);
}
