/* Bytes from outside in a message for a person: short, on one line, always UTF-8. */
#include "shown.h"

#define SHOWN_MAX 40

const char *shown(struct arena *arena, struct slice s)
{
	AUTO_BUF struct buf utf8 = {0}, out = {0};
	bool cut = s.n > 4 * SHOWN_MAX;
	if (cut)
		s.n = 4 * SHOWN_MAX;
	/* The cut may go through a character, so the last few bytes do not decide. */
	size_t whole = s.n;
	while (cut && whole > 0 && s.n - whole < 4 && !str_is_utf8(s.p, whole))
		whole--;
	if (str_is_utf8(s.p, whole))
		buf_add(&utf8, s.p, whole);
	else
		buf_latin1(&utf8, s.p, s.n);
	size_t characters = 0;
	for (size_t i = 0; i < utf8.len; i++) {
		unsigned char c = (unsigned char)utf8.data[i];
		if ((c & 0xC0) != 0x80 && ++characters > SHOWN_MAX) {
			cut = true;
			break;
		}
		if (c < 0x20 || c == 0x7F)
			buf_printf(&out, "\\x%02X", c);
		else if (c == 0xC2 && i + 1 < utf8.len && (unsigned char)utf8.data[i + 1] < 0xA0)
			buf_printf(&out, "\\x%02X", (unsigned char)utf8.data[++i]);
		else
			buf_char(&out, (char)c);
	}
	return arena_printf(arena, "%s%s", out.data ? out.data : "", cut ? "..." : "");
}
