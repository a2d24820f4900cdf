/* Reading what an exchange says: JSON whose numbers keep their own text, and times with an offset. For
 * bitcoin_source.c and for the readers of recordings. */
#ifndef PREGAO_BITCOIN_ANSWER_H
#define PREGAO_BITCOIN_ANSWER_H

#include "bitcoin.h"
#include "json.h"

/* A JSON document with every number as a text of its own digits: {"last":340644.47} is read as
 * {"last":"340644.47"}, for jansson would make a double of it. So numbers and texts of digits are the
 * same to whoever reads on. The caller owns *ret. ERR_INPUT with the reason "empty", "html" or
 * "not_json" (also what is not UTF-8, has a key twice, or is nested too deep). */
int bitcoin_answer_read(struct slice body, struct arena *, json_t **ret, struct err *) MUST_CHECK;
/* What makes it so: copies JSON with quotes around each number that is not within a text. What was no
 * JSON before is none afterwards. The one place beside jansson that looks at JSON's bytes: jansson has no
 * way to give a number's own digits (it makes a double of it, and there is no hook, and no flag that gives
 * the text), and 0.1 as a double is another number. It reads nothing: what the document says, jansson
 * tells. */
void bitcoin_quote_numbers(struct slice json, struct buf *out);

/* A price of a ticker or a recording: over 0 and below 10^10, which is what the columns hold. ERR_INPUT with
 * the name, and the reason "bad_price", or "bad_number" for what bitcoin_decimal refuses otherwise. */
int bitcoin_price(const char *name, struct slice text, int64_t *ret, struct err *) MUST_CHECK;

/* "2021-03-14T00:17:00-0300", "2024-08-08T23:54:13.937085123Z", "...-03:00": any number of decimals, of
 * which six count; an offset there must be, for whose clock would it be otherwise? ERR_INPUT with the reason
 * "bad_time", also outside 2009 to 2200. */
int bitcoin_time_iso(struct slice text, int64_t *ret_us, struct err *) MUST_CHECK;

#endif
