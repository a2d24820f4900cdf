/* The role that copies: created objects as messages tell of them, and now and then whatever has no copy. */
#include "backup.h"

#include "bitcoin.h"
#include "pass.h"
#include "role_table.h"

#define IDLE_US INT64_C(1000000)
/* A lost message, a dead letter, and the retention. */
#define EVERYTHING_US INT64_C(3600000000)

int role_backup(struct role_context *c, struct err *e)
{
	const struct conf *conf = c->settings->conf;
	struct clock *clock = system_clock(c->system);
	struct backup b = {.from = system_store(c->system),
			   .catalog = system_catalog(c->system),
			   .clock = clock,
			   .telemetry = system_telemetry(c->system),
			   .tables = bitcoin_tables,
			   .table_count = BITCOIN_KINDS,
			   .workers = c->settings->backup_workers,
			   .visibility_us = conf_duration_us(conf, "backup", "visibility"),
			   .retention_us = conf_duration_us(conf, "backup", "retention"),
			   .stop = c->stop};
	int failures = 0;
	int64_t due = 0;
	int rc = system_backup_store(c->system, c->settings->backup.path, true, &b.to, e);
	if (rc == OK)
		rc = system_backup_queue(c->system, &b.queue, e);
	while (rc == OK && !atomic_load(c->stop)) {
		struct backup_result r = {0};
		struct err why = ERR_INIT;
		bool everything = clock_monotonic_us(clock) >= due;
		int code = backup_run(&b, everything, &r, &why);
		if (code == OK && everything)
			due = clock_monotonic_us(clock) + EVERYTHING_US;
		if (code == OK && r.failed)
			code = err_set(&why, ERR_IO, "%lld objects were not copied, the first: %s",
				       (long long)r.failed, r.first_error);
		if (code) {
			role_failed(c, "backup.failed", &why, &failures);
			continue;
		}
		failures = 0;
		if (r.copied)
			telemetry_log(b.telemetry, LOG_LEVEL_INFO, NULL, "backup.copied",
				      "Objects were copied",
				      (struct field[]){FIELD_INT("objects", r.copied),
						       FIELD_INT("bytes", r.bytes)},
				      2);
		role_wait(c, IDLE_US);
	}
	return rc;
}
