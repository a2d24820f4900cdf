/* Fuzzes what tickers answer: the first byte chooses whose answer it is, the rest are its bytes. A row
 * that is accepted must be one that the stream can carry, and the numbers' quotes must not make JSON of
 * what was none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitcoin_answer.h"
#include "bitcoin_source.h"

#define NOW INT64_C(1723161253000000)
#define MUST(condition)                                                                         \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* As jansson reads it, numbers and all; but for numbers too large for it, which are JSON. */
static bool is_json(struct slice s)
{
	json_error_t error;
	json_t *root =
		json_loadb(s.n ? s.p : "", s.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	json_decref(root);
	return root || json_error_code(&error) == json_error_numeric_overflow;
}

static void check_quotes(struct slice body, bool accepted)
{
	AUTO_BUF struct buf quoted = {0}, again = {0};
	bitcoin_quote_numbers(body, &quoted);
	MUST(quoted.len >= body.n);
	/* The overflow hides what comes behind it, so only one direction can be told. */
	MUST(!accepted || is_json(body));
	bitcoin_quote_numbers(buf_slice(&quoted), &again);
	MUST(!accepted || slice_eq(buf_slice(&again), buf_slice(&quoted)));
}

static void check_price(int64_t n)
{
	MUST(n == BITCOIN_NONE || (n > 0 && n < INT64_C(1000000000000000000)));
}

static void check_row(const struct bitcoin_row *row, const struct bitcoin_source *s,
		      struct arena *arena)
{
	AUTO_BUF struct buf body = {0};
	struct bitcoin_row back;
	char scope[BITCOIN_SCOPE_SIZE];
	MUST(row->kind == BITCOIN_TICK && strcmp(row->source, s->name) == 0 &&
	     strcmp(row->pair, s->pair) == 0);
	MUST(row->last != BITCOIN_NONE && row->event_us <= NOW + INT64_C(86400000000));
	check_price(row->last);
	check_price(row->bid);
	check_price(row->ask);
	check_price(row->high_24h);
	check_price(row->low_24h);
	MUST(row->volume_24h == BITCOIN_NONE || row->volume_24h >= 0);
	MUST(bitcoin_scope(row, scope, sizeof(scope), NULL) == OK);
	bitcoin_encode(row, &body);
	MUST(bitcoin_decode(BITCOIN_TICK, buf_slice(&body), arena, &back, NULL) == OK);
	MUST(back.last == row->last && back.event_us == row->event_us &&
	     back.var_24h == row->var_24h && slice_eq(back.payload, row->payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct bitcoin_row row;
	struct err e = ERR_INIT;
	if (!n)
		return 0;
	const struct bitcoin_source *s = &bitcoin_sources[bytes[0] % bitcoin_source_count];
	struct slice body = {(const char *)bytes + 1, n - 1};
	int rc = s->parse(s->pair, body, NOW, arena, &row, &e);
	AUTO_JSON json_t *root = NULL;
	bool accepted = bitcoin_answer_read(body, arena, &root, NULL) == OK;
	check_quotes(body, accepted);
	MUST(rc != OK || accepted);
	if (rc == OK)
		check_row(&row, s, arena);
	else
		MUST(rc == ERR_INPUT && e.code == rc && e.reason[0] && e.text[0] &&
		     str_is_utf8(e.text, strlen(e.text)));
	return 0;
}
