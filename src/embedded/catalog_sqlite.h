/* The catalog in one SQLite file, with a folder of locks and a folder of readers beside it.
 * One thread at a time may use a catalog; any number of processes may have the same one open. */
#ifndef PREGAO_CATALOG_SQLITE_H
#define PREGAO_CATALOG_SQLITE_H

#include <stdbool.h>

#include "catalog.h"
#include "clock.h"
#include "err.h"

/* Opens state_dir/catalog.sqlite, made together with its folders when missing (but not when
 * read_only: ERR_NOT_FOUND). With state_dir NULL the catalog lives in memory and dies with the
 * process: what a lake that does not exist yet looks like. Errors as sqlite_open and file_mkdirs
 * give them. The clock must outlive the catalog. */
int catalog_sqlite_open(const char *state_dir, struct clock *, bool read_only, struct catalog **ret,
			struct err *) MUST_CHECK;

/* All of it as one file, which is replaced, and back: everything that the catalog had is gone then. Neither in a
 * transaction. ERR_RETRY when another process keeps it busy for 10 s. */
int catalog_sqlite_save(struct catalog *, const char *path, struct err *) MUST_CHECK;
int catalog_sqlite_load(struct catalog *, const char *path, struct err *) MUST_CHECK;
/* Rows that were changed through this handle; grows. */
int64_t catalog_sqlite_written(struct catalog *);

#endif
