/* Measures: each asks one port and returns numbers. A part that was never used measures as nothing. */
#include "measures.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "bitcoin.h"
#include "quarantine.h"
#include "stream_health.h"

static int first_entry(void *ctx, const struct stream_entry *entry, struct err *e)
{
	(void)e;
	*(int64_t *)ctx = entry->at_us;
	return 1; /* that was all */
}

int measure_stream(struct system *s, int64_t now_us, struct stream_lag *ret, struct err *e)
{
	struct delivery_stream *stream;
	struct stream_status status;
	struct stream_health health;
	AUTO_ARENA struct arena *arena = arena_new();
	int64_t mark = 0, oldest_us = 0;
	*ret = (struct stream_lag){0};
	if (!system_lake_exists(s))
		return OK;
	int rc = system_stream(s, STREAM_READ, &stream, e);
	if (rc == OK)
		rc = catalog_mark_get(system_catalog(s), DELIVER_MARK, &mark, e);
	if (rc == OK)
		rc = delivery_stream_status(stream, &status, e);
	if (rc)
		return rc;
	ret->records = status.last_seq > mark ? status.last_seq - mark : 0;
	ret->damaged = status.damaged;
	rc = stream_health(system_telemetry(s), arena, &health, e);
	if (rc)
		return rc;
	ret->failed = status.failed || !stream_takes(&health);
	if (ret->records)
		rc = delivery_stream_tail(stream, mark, first_entry, &oldest_us, e);
	if (rc == 1 && oldest_us && oldest_us < now_us)
		ret->age_us = now_us - oldest_us;
	return rc < 0 ? rc : OK;
}

int measure_queues(struct system *s, struct queue_measure ret[MEASURED_QUEUES_MAX],
		   size_t *ret_count, struct err *e)
{
	static int (*const opens[])(struct system *, struct queue **, struct err *) = {
		system_queue, system_scheduled_queue, system_backup_queue};
	_Static_assert(ARRAY_LEN(opens) == MEASURED_QUEUES_MAX, "a row for each");
	*ret_count = 0;
	for (size_t i = 0; i < ARRAY_LEN(opens) && system_lake_exists(s); i++) {
		struct queue *queue = NULL;
		int rc = opens[i](s, &queue, e);
		if (rc == OK && !queue)
			continue;
		if (rc == OK)
			rc = queue_stats(queue, &ret[*ret_count].stats, e);
		if (rc)
			return rc;
		ret[(*ret_count)++].name = queue_name(queue);
	}
	return OK;
}

static int count_entry(void *ctx, const struct quarantine_entry *entry)
{
	/* Lines of recordings cannot be tried again, so nobody is reminded of them. */
	*(int64_t *)ctx += !entry->lines;
	return 0;
}

int measure_quarantine(struct system *s, int64_t *ret, struct err *e)
{
	*ret = 0;
	return system_store(s) ? quarantine_list(system_store(s), count_entry, ret, e) : OK;
}

int measure_disk(struct system *s, int64_t *ret, struct err *e)
{
	struct statvfs v;
	*ret = INT64_MAX;
	if (!system_lake_exists(s))
		return OK;
	if (statvfs(system_folder(s), &v) != 0)
		return err_errno(e, errno, "cannot ask how much space is left");
	*ret = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	return OK;
}

static int first_published(struct system *s, struct arena *arena, int64_t *ret, struct err *e)
{
	int rc = OK;
	*ret = 0;
	for (size_t i = 0; i < BITCOIN_KINDS && rc == OK; i++) {
		struct catalog_scope *scopes;
		size_t count = 0;
		rc = catalog_scopes(system_catalog(s), bitcoin_tables[i], NULL, 0, arena, &scopes,
				    &count, e);
		for (size_t k = 0; k < count && rc == OK; k++)
			if (!*ret || scopes[k].changed_us < *ret)
				*ret = scopes[k].changed_us;
	}
	return rc;
}

int measure_backup(struct system *s, const struct conf *conf, struct arena *arena,
		   struct backup_measure *ret, struct err *e)
{
	*ret = (struct backup_measure){.first_us = 0};
	if (!system_lake_exists(s))
		return OK;
	int rc = first_published(s, arena, &ret->first_us, e);
	if (rc || !ret->first_us)
		return rc;
	struct backup b = {.from = system_store(s),
			   .catalog = system_catalog(s),
			   .clock = system_clock(s),
			   .tables = bitcoin_tables,
			   .table_count = BITCOIN_KINDS,
			   .workers = 1};
	rc = backup_place_find(system_folder(s), conf_text(conf, "backup", "to"), arena,
			       &ret->place, e);
	if (rc == OK)
		rc = system_backup_store(s, ret->place.path, false, &b.to, e);
	if (rc == OK)
		rc = system_backup_queue(s, &b.queue, e);
	return rc ? rc : backup_status(&b, &ret->status, e);
}

int measure_failed_runs(struct system *s, int64_t since_us, struct arena *arena, int64_t *ret_count,
			const char **ret_last, struct err *e)
{
	struct run_record *runs;
	size_t count;
	*ret_count = 0;
	*ret_last = NULL;
	int rc = telemetry_failed_runs(system_telemetry(s), since_us, arena, &runs, &count, e);
	if (rc == OK && count)
		*ret_last = runs[0].id;
	*ret_count = rc == OK ? (int64_t)count : 0;
	return rc;
}
