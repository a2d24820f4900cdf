/* Snappy's raw format, as its format_description.txt has it: a length, then literals and copies of
 * what came before. The library is not used: it is C++ and would be loaded for this alone. */
#include "snappy.h"

#include <stdint.h>
#include <string.h>

#define BLOCK      65536 /* copies reach back that far, so offsets have two bytes */
#define TABLE_BITS 12
#define SHORTEST   4 /* that is worth a copy */
#define LONGEST    64

static void add_length(struct buf *out, size_t n)
{
	for (; n > 0x7f; n >>= 7)
		buf_char(out, (char)(n | 0x80));
	buf_char(out, (char)n);
}

static void add_literal(struct buf *out, const uint8_t *p, size_t n)
{
	if (n == 0)
		return;
	size_t less = n - 1;
	if (less < 60) {
		buf_char(out, (char)(less << 2));
	} else if (less < 256) {
		buf_char(out, (char)(60 << 2));
		buf_char(out, (char)less);
	} else {
		buf_char(out, (char)(61 << 2));
		buf_char(out, (char)less);
		buf_char(out, (char)(less >> 8));
	}
	buf_add(out, p, n);
}

static void add_copy(struct buf *out, size_t back, size_t n)
{
	while (n) {
		size_t part = n < LONGEST ? n : LONGEST;
		buf_char(out, (char)((part - 1) << 2 | 2));
		buf_char(out, (char)back);
		buf_char(out, (char)(back >> 8));
		n -= part;
	}
}

static uint32_t four_at(const uint8_t *p)
{
	uint32_t n;
	memcpy(&n, p, sizeof(n));
	return n;
}

/* Each position is looked up by its next four bytes among those seen before in the block. */
static void pack_block(const uint8_t *p, size_t n, struct buf *out)
{
	uint16_t seen[1 << TABLE_BITS];
	size_t written = 0, at = 1;
	memset(seen, 0, sizeof(seen));
	while (at + SHORTEST <= n) {
		uint32_t four = four_at(p + at);
		uint16_t *slot = &seen[(four * 0x1e35a7bdU) >> (32 - TABLE_BITS)];
		size_t from = *slot, length = 0;
		*slot = (uint16_t)at;
		if (four_at(p + from) == four) {
			length = SHORTEST;
			while (at + length < n && p[from + length] == p[at + length])
				length++;
		}
		if (length == 0) {
			at++;
			continue;
		}
		add_literal(out, p + written, at - written);
		add_copy(out, at - from, length);
		at += length;
		written = at;
	}
	add_literal(out, p + written, n - written);
}

void snappy_pack(const void *bytes, size_t n, struct buf *out)
{
	const uint8_t *p = bytes;
	add_length(out, n);
	for (size_t at = 0; at < n; at += BLOCK)
		pack_block(p + at, n - at < BLOCK ? n - at : BLOCK, out);
}
