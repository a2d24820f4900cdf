/* Base64 (RFC 4648, section 4), strict: B3's service takes its argument and gives its downloads in
 * it, AWS takes records and checksums. libcrypto's EVP_DecodeBlock is too lax for input that must be right or refused: it skips
 * blanks, takes any bits under the padding, and counts the padding as bytes. */
#ifndef PREGAO_BASE64_H
#define PREGAO_BASE64_H

#include <stdbool.h>

#include "str.h"

/* Appends the text form, padded, without line breaks. */
void base64_encode(struct slice, struct buf *out);
/* Appends the bytes. Line breaks (CR, LF) between characters are passed over; anything else outside
 * the alphabet, wrong padding, or bits under the padding make it false with *ret_at the offset of
 * the first offence. What was appended until then stays. */
bool base64_decode(struct slice, struct buf *out, size_t *ret_at);

#endif
