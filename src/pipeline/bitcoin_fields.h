/* The fields of Bitcoin's rows, one table for the record's form and for the table's columns. For
 * bitcoin*.c only. */
#ifndef PREGAO_BITCOIN_FIELDS_H
#define PREGAO_BITCOIN_FIELDS_H

#include "bitcoin.h"

enum bitcoin_form {
	FORM_WORD,    /* const char *: 1 to 64 printable ASCII characters without blanks */
	FORM_TEXT,    /* const char *: 1 to BITCOIN_TEXT_MAX bytes of UTF-8 */
	FORM_BYTES,   /* struct slice: 1 to BITCOIN_PAYLOAD_MAX bytes of UTF-8 */
	FORM_TIME,    /* int64_t: microseconds since 1970, 2009 to 2200 */
	FORM_DECIMAL, /* int64_t, scaled: less than BITCOIN_DECIMAL_END either side of 0 */
	FORM_NUMBER,  /* int64_t: 0 or more */
	FORM_FLAG,    /* int: 1, 0; -1 unknown */
};
#define BITCOIN_WORD_MAX 64
#define BITCOIN_TEXT_MAX 2048

/* A field of struct bitcoin_row: a member of the record's JSON, and a column where the kind's table has
 * one of that name. */
struct bitcoin_field {
	const char *name;
	struct slice key; /* ,"name": */
	enum bitcoin_form form;
	size_t offset;     /* in struct bitcoin_row */
	unsigned kinds;    /* bit (1 << kind): which have it */
	unsigned required; /* and which may not be without it */
};
/* In the order in which they stand in a record. */
extern const struct bitcoin_field bitcoin_fields[];
extern const size_t bitcoin_field_count;

#define BITCOIN_TIME_MIN INT64_C(1230768000000000) /* 2009-01-01, the year of the first block */
#define BITCOIN_TIME_END INT64_C(7258118400000000) /* 2200-01-01 */
/* Nothing of 10 digits and 8 decimals is as large as this. */
#define BITCOIN_DECIMAL_END INT64_C(1000000000000000000)

#endif
