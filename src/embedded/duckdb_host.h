/* One in-memory DuckDB for a process, shared by the Parquet writer, the job engine and the query
 * engine. The library is opened with dlopen when it is first needed: a command without SQL does not
 * pay for it. */
#ifndef PREGAO_DUCKDB_HOST_H
#define PREGAO_DUCKDB_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"

struct duckdb_host_options {
	/* DuckDB's own; what it counts, not all it takes. 0: half of the machine's memory */
	int64_t memory_limit_bytes;
	const char *temp_dir; /* a folder of our own that it may spill into; NULL: it may not */
	/* Load and open on a thread of its own, beginning now: some 35 ms that go by while
	 * something else is awaited. Without it the first use opens in the calling thread, and no
	 * thread exists afterwards but the caller's: what a sandbox wants. */
	bool background;
};
struct duckdb_host;
/* The folder of the library that would be loaded, where that is one of the places of our own; NULL: the
 * system's. */
const char *duckdb_host_folder(struct arena *);
/* Returns at once and cannot fail: whatever is wrong is told by the first use. Options are
 * copied. */
struct duckdb_host *duckdb_host_start(const struct duckdb_host_options *);
/* Waits until the database is open, or opens it. Any thread, any number of times. ERR_NOT_FOUND
 * when there is no libduckdb (the text says where it was looked for: $PREGAO_DUCKDB, lib/pregao
 * beside the program's folder, deps/duckdb/lib in it, the build's folder, the system); ERR_USAGE
 * when it lacks a call or is too old; ERR_LIMIT, ERR_IO. Every thread of DuckDB's has ended then
 * but for `threads` - 1 of duckdb_host_threads. */
int duckdb_host_ready(struct duckdb_host *, struct err *) MUST_CHECK;
/* From now on DuckDB uses files below the folders (NULL-terminated list) and the temp_dir only,
 * nothing else outside the process, with so many threads. There is no way back; the first query
 * engine to open also locks every setting. Files below the folders may be written as far as DuckDB
 * is concerned: that they are not is the sandbox's matter, which is to be entered after
 * duckdb_host_ready and before this. */
int duckdb_host_confine(struct duckdb_host *, const char *const *folders, int threads,
			struct err *) MUST_CHECK;
/* Closes the database. No connection may be open. NULL is fine. */
void duckdb_host_free(struct duckdb_host *);
/* For a process that ends now: waits for the opening thread and leaves the rest to the kernel,
 * which is 2 to 5 ms faster. */
void duckdb_host_abandon(struct duckdb_host *);

#endif
