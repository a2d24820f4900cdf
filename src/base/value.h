/* Numbers and dates as text: exact, range-checked, never through a float. */
#ifndef PREGAO_VALUE_H
#define PREGAO_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

__extension__ typedef __int128 int128; /* the one typedef: C has no other name for it */

/* A date is int32 days since 1970-01-01, proleptic Gregorian, as in DuckDB, Arrow and Parquet. */
#define DATE_TEXT_SIZE 16
/* false when there is no such day */
bool date_make(int year, int month, int day, int32_t *ret_days);
void date_split(int32_t days, int *ret_year, int *ret_month, int *ret_day);
bool date_parse_iso(struct slice, int32_t *ret_days); /* YYYY-MM-DD and nothing else */
const char *date_format(int32_t days, char buf[DATE_TEXT_SIZE]);

/* Brazilian numbers: groups of three by dots, comma before the decimals. `scale` decimals exactly:
 * neither more nor fewer. "235.661.666" with scale 0; "100,000" with scale 3 is 100000. Ungrouped
 * digits are accepted too. No sign. */
bool br_number_parse(struct slice, int scale, int128 *ret_scaled);

/* Plain decimals: optional sign, digits, optional '.', up to `scale` decimals (fewer are filled
 * with zeros, more are refused). No exponent. */
bool decimal_parse(struct slice, int scale, int128 *ret_scaled);
#define DECIMAL_TEXT_SIZE 48
const char *decimal_format(int128 scaled, int scale, char buf[DECIMAL_TEXT_SIZE]);
bool int64_parse(struct slice, int64_t *ret); /* decimal, optional '-', range-checked */

/* Durations in options: "60s", "5m", "2h", "250ms"; a bare number is seconds. */
bool duration_parse(struct slice, int64_t *ret_us);

#endif
