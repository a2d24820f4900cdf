/* Base64 to bytes and back: four characters for three bytes, nothing tolerated but line breaks. */
#include "base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i += 3) {
		size_t n = s.n - i < 3 ? s.n - i : 3;
		uint32_t bits = 0;
		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_char(out, k <= n ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
	}
}

static int digit_of(char c)
{
	const char *at = c ? memchr(alphabet, c, sizeof(alphabet) - 1) : NULL;
	return at ? (int)(at - alphabet) : -1;
}

bool base64_decode(struct slice s, struct buf *out, size_t *ret_at)
{
	uint32_t bits = 0;
	int digits = 0, padding = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\r' || c == '\n')
			continue;
		*ret_at = i;
		if (c == '=') {
			/* Only the last one or two of a group; the bits that then mean nothing must
			 * be zero. */
			padding++;
			if (digits + padding > 4 || digits < 2 || (digits == 2 && bits & 15) ||
			    (digits == 3 && bits & 3))
				return false;
			continue;
		}
		int digit = digit_of(c);
		if (digit < 0 || padding)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (++digits == 4) {
			char three[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
			buf_add(out, three, 3);
			bits = 0;
			digits = 0;
		}
	}
	*ret_at = s.n;
	if (digits == 0)
		return padding == 0;
	if (digits + padding != 4)
		return false;
	bits <<= 6 * padding;
	char last[2] = {(char)(bits >> 16), (char)(bits >> 8)};
	buf_add(out, last, (size_t)digits - 1);
	return true;
}
