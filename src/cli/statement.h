/* Running a statement for a person: in the SQL worker, rendered in the command's format. */
#ifndef PREGAO_STATEMENT_H
#define PREGAO_STATEMENT_H

#include "chart.h"
#include "cli.h"

struct statement {
	const char *sql;
	const char *output;    /* a file, which appears complete or not at all; NULL: stdout */
	int64_t max_rows;      /* at most so many are written; 0: all */
	enum chart_kind chart; /* a picture instead of the command's format */
	/* of a table's row, from its first cell (NULL: null); NULL: none. May itself be NULL. */
	const char *(*colour_of)(const char *first_cell);
};
/* Honours --timeout and --memory. */
int statement_run(struct cli *, const struct statement *, struct err *) MUST_CHECK;

#endif
