/* The backup's run and its status: which objects want a copy. How they get it is backup_pool.c (workers and messages) and
 * backup_copy.c (one object). */
#include "backup.h"

#include "backup_pool.h"
#include "backup_private.h"
#include "deliver.h"

#define WORKERS_MAX 64

/* Live objects without a copy, or with only a half of one; those that failed a moment ago aside. */
static int add_missing(const struct backup *b, struct backup_pool *p, int64_t *ret_count,
		       int64_t *ret_bytes, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct backup_entries data = {0}, manifests = {0};
	struct backup_live *live;
	size_t count;
	int rc = backup_live_all(b, arena, &live, &count, e);
	if (rc == OK && b->to)
		rc = backup_list(b, BACKUP_DATA, arena, &data, e);
	if (rc == OK && b->to)
		rc = backup_list(b, BACKUP_MANIFEST, arena, &manifests, e);
	for (size_t i = 0; rc == OK && i < count; i++) {
		const char *key = live[i].key;
		if ((backup_find(&data, key) && backup_find(&manifests, key)) ||
		    (p && backup_pool_failed(p, key)))
			continue;
		if (p)
			backup_pool_add(p, key);
		++*ret_count;
		*ret_bytes += live[i].bytes;
	}
	return rc;
}

static int run(const struct backup *b, struct backup_pool *p, bool everything,
	       struct backup_result *ret, struct err *e)
{
	struct queue_stats stats;
	int64_t count = 0, bytes = 0;
	int rc = queue_stats(b->queue, &stats, e);
	if (rc)
		return rc;
	backup_pool_expect(p, stats.visible);
	rc = backup_pool_drain(p, e);
	if (rc == OK && everything && !backup_stopped(b))
		rc = add_missing(b, p, &count, &bytes, e);
	if (rc == OK && count)
		rc = backup_pool_drain(p, e);
	if (rc == OK && everything && !backup_stopped(b))
		rc = backup_expire(b, &ret->expired, e);
	return rc;
}

int backup_run(const struct backup *b, bool everything, struct backup_result *ret, struct err *e)
{
	struct backup_staging staging;
	*ret = (struct backup_result){0};
	if (b->workers < 1 || b->workers > WORKERS_MAX)
		return err_set(e, ERR_USAGE, "a backup has 1 to %d workers, not %d", WORKERS_MAX,
			       b->workers);
	int64_t life;
	/* Before any object is listed: what they tell of is among those. */
	AUTO_JSON json_t *marks = NULL;
	int rc = backup_marks_read(b->catalog, &marks, e);
	if (rc == OK)
		rc = catalog_mark_get(b->catalog, DELIVER_STREAM_MARK, &life, e);
	if (rc == OK)
		rc = backup_stream_check(b, life, !b->dry_run, e);
	if (rc == OK && b->dry_run)
		return add_missing(b, NULL, &ret->copied, &ret->bytes, e);
	if (rc == OK)
		rc = backup_staging_open(b, &staging, e);
	if (rc)
		return rc;
	struct backup_pool *p = backup_pool_new(b, &staging, life, ret);
	rc = run(b, p, everything, ret, e);
	if (rc == OK && everything && !backup_stopped(b) && !ret->failed)
		rc = backup_marks_put(b, marks, e);
	backup_pool_free(p);
	backup_staging_close(&staging);
	telemetry_count(b->telemetry, "pregao_backup_copied_total", NULL, ret->copied);
	telemetry_count(b->telemetry, "pregao_backup_bytes_total", NULL, ret->bytes);
	telemetry_count(b->telemetry, "pregao_backup_failed_total", NULL, ret->failed);
	return rc;
}

int backup_status(const struct backup *b, struct backup_status *ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct backup_entries data = {0}, manifests = {0};
	struct backup_live *live;
	struct queue_stats stats = {0};
	size_t count;
	int64_t life = 0;
	int rc = backup_live_all(b, arena, &live, &count, e);
	if (rc == OK)
		rc = catalog_mark_get(b->catalog, DELIVER_STREAM_MARK, &life, e);
	if (rc == OK && b->queue)
		rc = queue_stats(b->queue, &stats, e);
	if (rc == OK && b->to)
		rc = backup_list(b, BACKUP_MANIFEST, arena, &manifests, e);
	if (rc == OK && b->to)
		rc = backup_list(b, BACKUP_DATA, arena, &data, e);
	if (rc)
		return rc;
	*ret = (struct backup_status){.live = (int64_t)count,
				      .waiting = stats.visible,
				      .in_flight = stats.in_flight,
				      .dead = stats.dead};
	ret->other_stream = backup_stream_check(b, life, false, NULL) == ERR_CONFLICT;
	for (size_t i = 0; i < count; i++)
		ret->copied += backup_find(&manifests, live[i].key) != NULL;
	for (size_t i = 0; i < manifests.count; i++) {
		const struct backup_entry *copy = backup_find(&data, manifests.list[i].key);
		ret->copies++;
		ret->copied_bytes += copy ? copy->bytes : 0;
		if (manifests.list[i].modified_us > ret->last_us)
			ret->last_us = manifests.list[i].modified_us;
	}
	return OK;
}
