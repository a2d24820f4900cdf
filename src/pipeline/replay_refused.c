/* The lines of a recording that are refused: gathered as lines of JSON, up to a limit, and put into quarantine as one
 * payload. */
#include <inttypes.h>

#include "quarantine.h"
#include "replay.h"
#include "replay_private.h"

#define KEPT_MAX       10000
#define KEPT_MAX_BYTES ((size_t)16 << 20)

void replay_refused_add(struct replay_refused *r, int64_t line, struct slice text,
			const struct err *why)
{
	struct buf *out = &r->lines;
	if (r->count++ == 0) {
		r->first = *why;
		r->first.line = line;
	}
	if (r->kept >= KEPT_MAX || out->len + text.n / 3 * 4 > KEPT_MAX_BYTES)
		return;
	r->kept++;
	quarantine_line(out, "line", line, NULL, text, why);
}

int replay_refused_put(struct replay_refused *r, struct object_store *store, const char *path,
		       int64_t now_us, char ret_sha256[HASH_HEX_SIZE], struct err *e)
{
	static const struct source recording = {.path = QUARANTINE_LINES,
						.parser_version = "replay/" REPLAY_READER};
	if (r->count > r->kept)
		buf_printf(&r->lines, "{\"not_kept\":%" PRId64 "}\n", r->count - r->kept);
	struct payload payload = {.bytes = buf_slice(&r->lines), .source = path, .at_us = now_us};
	return quarantine_put(store, &recording, &payload, &r->first, ret_sha256, e);
}

void replay_refused_clear(struct replay_refused *r)
{
	buf_free(&r->lines);
}
