/* A result as a picture on the terminal, for `pregao sql --chart`. */
#ifndef PREGAO_CHART_H
#define PREGAO_CHART_H

#include <stdio.h>

#include "query_engine.h"

enum chart_kind { CHART_NONE, CHART_BAR, CHART_LINE };

/* A query sink: the first column names the rows, the next column of numbers is drawn (an only
 * column is drawn without names). A bar for each row, at most 200; or one line through all rows in
 * their order, evenly spaced. Rows without a number are counted and left out. ERR_INPUT when there
 * is no column of numbers, or too many rows. As wide as the terminal, else 100 columns. */
struct chart;
struct chart *chart_new(FILE *, enum chart_kind, bool colour,
			int64_t max_rows); /* the first of them; 0: all */
void chart_free(struct chart *);
struct query_sink chart_sink(struct chart *);
int chart_end(struct chart *, struct err *) MUST_CHECK;

#endif
