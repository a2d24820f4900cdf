/* Rows for people and programs: a table on the terminal, JSON, CSV. Fed with batches, so that SQL
 * results and lists look alike. */
#ifndef PREGAO_RENDER_H
#define PREGAO_RENDER_H

#include <stdio.h>

#include "cli.h"
#include "query_engine.h"
#include "table.h"

/* A renderer is a query sink. JSON: an array of objects, one a line; integers and decimals are
 * written with all their digits, dates and text as strings. CSV: RFC 4180 with a header line.
 * ndjson: JSON objects alone, one a line. csv-br: CSV as a Brazilian Excel opens it: a byte order mark, `;`, decimal commas, and text
 * that would be a formula begins with an apostrophe. At most max_rows rows are written (0: all); a table says how many more there are. */
struct render;
struct render *render_new(FILE *, enum format, bool colour, int64_t max_rows);
void render_free(struct render *);
struct query_sink render_sink(struct render *);
/* Closes brackets, draws the table. ERR_IO when the output cannot be written (a closed pipe). */
int render_end(struct render *, struct err *) MUST_CHECK;
/* The colour of a table's row, from its first cell (NULL: null); NULL: none. */
void render_colour_rows(struct render *, const char *(*colour_of)(const char *first_cell));
int64_t render_rows(const struct render *);

/* Lists: the same for rows that a command makes itself. */
struct listing;
struct listing *listing_new(const struct column *, size_t columns);
void listing_free(struct listing *);
void listing_text(struct listing *, const char *); /* the next cell, left to right; NULL is null */
void listing_null(struct listing *);
void listing_bool(struct listing *, bool);
void listing_int(struct listing *, int64_t);
void listing_time(struct listing *, int64_t us); /* 0 is null */
/* on stdout in the command's format */
int listing_print(struct listing *, struct cli *, struct err *) MUST_CHECK;
/* one "name: value" line per cell, for a single row of long texts */
void listing_print_upright(struct listing *);

/* "1.4 MB", "12.3 ms": for people; buf of 32 bytes. */
const char *human_bytes(int64_t, char buf[32]);
const char *human_duration(int64_t us, char buf[32]);

/* Terminal: colours when the stream is a terminal. */
/* "bold", "dim", "red", "green", "yellow", "blue", "reset"; "" when off */
const char *paint(bool on, const char *code);
/* Text of somebody else's with its control characters (but for line ends) as '?', so that data
 * cannot steer a terminal. */
void print_text(FILE *, const char *);
/* `width` columns of it: cut with an ellipsis, or filled with spaces on the right (or left) */
void print_cell(FILE *, const char *text, int width, bool right);
int print_width(const char *text); /* in columns */
int terminal_width(FILE *);        /* columns; 0 when it is no terminal */

#endif
