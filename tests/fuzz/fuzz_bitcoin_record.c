/* Fuzzes the stream's records: the first byte chooses the kind. What is read as a row must be written
 * again, and read again, as the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitcoin.h"

#define MUST(condition)                                                                         \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_BUF struct buf once = {0}, twice = {0};
	struct bitcoin_row row, again;
	struct err e = ERR_INIT;
	char scope[BITCOIN_SCOPE_SIZE];
	if (!n)
		return 0;
	enum bitcoin_kind kind = (enum bitcoin_kind)(bytes[0] % BITCOIN_KINDS);
	struct slice body = {(const char *)bytes + 1, n - 1};
	if (bitcoin_decode(kind, body, arena, &row, &e) != OK) {
		MUST(e.code == ERR_INPUT && strcmp(e.reason, "bad_record") == 0);
		MUST(e.offset <= (int64_t)body.n);
		MUST(str_is_utf8(e.text, strlen(e.text)));
		return 0;
	}
	MUST(bitcoin_scope(&row, scope, sizeof(scope), NULL) == OK);
	bitcoin_encode(&row, &once);
	MUST(bitcoin_decode(kind, buf_slice(&once), arena, &again, &e) == OK);
	bitcoin_encode(&again, &twice);
	MUST(slice_eq(buf_slice(&once), buf_slice(&twice)));

	struct bitcoin_rows *rows = bitcoin_rows_new(arena, kind);
	bitcoin_rows_add(rows, &row, 1);
	struct batch b = bitcoin_rows_batch(rows, true);
	AUTO_BUF struct buf text = {0};
	for (size_t i = 0; i < b.column_count; i++)
		batch_text(&b, i, 0, &text);
	return 0;
}
