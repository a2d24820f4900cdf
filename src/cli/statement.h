/* Running a statement for a person: in the SQL worker, rendered in the command's format. */
#ifndef PREGAO_STATEMENT_H
#define PREGAO_STATEMENT_H

#include "cli.h"

/* To stdout, or to the file `output`, which appears complete or not at all. At most max_rows rows
 * are written (0: all). Honours --timeout and --memory. */
int statement_run(struct cli *, const char *sql, const char *output, int64_t max_rows,
		  struct err *) MUST_CHECK;

#endif
