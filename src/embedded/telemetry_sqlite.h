/* Telemetry in one SQLite file: runs, steps, a ring of events, counters and gauges. Recording costs
 * microseconds and never waits for the disk; what cannot be written is dropped and counted, events
 * after they waited for better times. */
#ifndef PREGAO_TELEMETRY_SQLITE_H
#define PREGAO_TELEMETRY_SQLITE_H

#include "clock.h"
#include "telemetry.h"

/* Never fails because of the file: where it may not be written, is damaged or of a newer program,
 * recording drops and counts, and reading works or says why not. (The int leaves room for drivers
 * that need one.) role is the process's part ("cli", "collector"), copied into every event. The
 * clock is borrowed. May be used from several threads; the file from several processes.
 *
 * When is it in the file? What is recorded while the last write is more than 100 ms ago is written
 * at once; what follows faster is gathered, and written with the next step, run record, warning or
 * error, with the 64th of them, before any reading, and when the telemetry is freed. So kill -9
 * loses at most the debug and info events and counts of the last 100 ms of a burst inside one step.
 * A power cut may lose more, never the file's soundness. While writing fails (a full disk) the 1,000
 * newest events wait in memory, warnings and errors before others, and are written with their own
 * times by the first write that works: tried about each second while something is recorded, before
 * any reading, and when the telemetry is freed.
 *
 * The file is kept near max_bytes (at least 256 KiB): the oldest events go first, then the oldest
 * runs. */
int telemetry_sqlite_open(const char *path, const char *role, int64_t max_bytes, struct clock *,
			  struct telemetry **ret, struct err *) MUST_CHECK;
/* From now on every event of at least this level is also written to fd as one line of JSON, at
 * once. -1: no more. fd stays the caller's. */
void telemetry_sqlite_mirror(struct telemetry *, int fd, enum log_level least);

#endif
