/* Copies back into the lake: what is missing is found, fetched and checked, published, and in the end everything is
 * read again and compared. See backup_restore in backup.h for what is promised. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backup_private.h"
#include "deliver.h"
#include "file.h"
#include "path.h"

#define BATCH_FILES 64 /* of one commit, about */

enum state { UNKNOWN, PRESENT, REFILL, APPEND, RESTORED, FAILED };
struct object {
	const struct backup_manifest *m;
	const struct table_def *table;
	bool covered; /* by another copy: a merged one's part */
	enum state state;
	char path[512]; /* staged */
};
struct restore {
	const struct backup *with;
	const struct publish *publish;
	struct backup_restored *result;
	struct arena *arena;
	struct object *objects; /* by key: those of a partition stand together */
	size_t count;
	int64_t highest;
	int64_t life; /* the stream that the copies are of */
	struct backup_live *live;
	size_t live_count;
	pthread_mutex_t lock; /* of result and progress, and of the arena while threads run */
	int64_t done;
	/* the batch at hand */
	struct publish_session *session;
	size_t from, to;
};

static void fail(struct restore *r, struct object *o, const struct err *why)
{
	pthread_mutex_lock(&r->lock);
	o->state = FAILED;
	r->result->failed++;
	if (!r->result->first_error[0])
		err_format(why, r->result->first_error, sizeof(r->result->first_error));
	telemetry_failure(r->with->telemetry, LOG_LEVEL_ERROR, r->with->run,
			  "backup.restore_failed", o->m->key, why);
	pthread_mutex_unlock(&r->lock);
}

static void tell_progress(struct restore *r)
{
	pthread_mutex_lock(&r->lock);
	r->done++;
	if (r->with->progress)
		r->with->progress(r->with->ctx, r->done, (int64_t)r->count, r->result->bytes);
	pthread_mutex_unlock(&r->lock);
}

/* -- which copies ------------------------------------------------------------------------------ */

/* Up to the first object of the next partition. */
static size_t partition_end(const struct restore *r, size_t from)
{
	size_t to = from + 1;
	while (to < r->count && r->objects[to].table == r->objects[from].table &&
	       strcmp(r->objects[to].m->scope, r->objects[from].m->scope) == 0)
		to++;
	return to;
}

static void find_covered(struct restore *r)
{
	for (size_t from = 0, to; from < r->count; from = to) {
		to = partition_end(r, from);
		for (size_t i = from; i < to; i++)
			for (size_t k = from; k < to && !r->objects[i].covered; k++) {
				const struct backup_manifest *in = r->objects[i].m,
							     *out = r->objects[k].m;
				r->objects[i].covered =
					i != k &&
					backup_covers(out->first, out->last, in->first, in->last);
			}
	}
}

static void bad_manifest(void *ctx, const char *key, const struct err *why)
{
	struct restore *r = ctx;
	r->result->failed++;
	if (!r->result->first_error[0])
		err_format(why, r->result->first_error, sizeof(r->result->first_error));
}

/* Numbers of two streams say nothing about each other: see backup_restore. */
static int check_life(const struct restore *r, struct err *e)
{
	char own_text[STREAM_LIFE_SIZE], other[STREAM_LIFE_SIZE];
	struct stream_status status = {.life = 0};
	int64_t own;
	int rc = catalog_mark_get(r->with->catalog, DELIVER_STREAM_MARK, &own, e);
	if (rc == OK && r->with->stream)
		rc = delivery_stream_status(r->with->stream, &status, e);
	if (rc || own == r->life)
		return rc;
	if (own)
		return err_set(
			e, ERR_CONFLICT,
			"these copies are of another stream (%s) than the lake's files (%s); restore into a lake of its own with --lake",
			stream_life_format(r->life, other), stream_life_format(own, own_text));
	if (status.last_seq && status.life != r->life)
		return err_set(
			e, ERR_CONFLICT,
			"the lake's spool has records that were never delivered, up to number %lld, and these copies are of another stream; restore into a lake of its own with --lake",
			(long long)status.last_seq);
	return OK;
}

static int find_life(struct restore *r, struct err *e)
{
	char one[STREAM_LIFE_SIZE], other[STREAM_LIFE_SIZE];
	for (size_t i = 0; i < r->count; i++) {
		int64_t life = backup_stream_of(r->objects[i].m->properties);
		if (life < 0 || (i && life != r->life))
			return err_set(
				e, ERR_CONFLICT,
				"the backup has copies of more than one stream, of %s and of %s: they cannot be restored into one lake",
				stream_life_format(r->life, one), stream_life_format(life, other));
		r->life = life;
	}
	return r->count ? check_life(r, e) : OK;
}

static int load(struct restore *r, struct err *e)
{
	struct backup_manifest *all;
	size_t n;
	int rc = backup_manifest_all(r->with, r->arena, bad_manifest, r, &all, &n, e);
	if (rc == OK)
		rc = backup_live_all(r->with, r->arena, &r->live, &r->live_count, e);
	if (rc)
		return rc;
	r->objects = ANEW_ARRAY(r->arena, n, struct object);
	for (size_t i = 0; i < n; i++) {
		const struct table_def *table = backup_table_of(r->with, all[i].key);
		if (!table)
			continue; /* another backup's in the same store */
		r->objects[r->count++] = (struct object){.m = &all[i], .table = table};
		if (all[i].last > r->highest)
			r->highest = all[i].last;
	}
	find_covered(r);
	return find_life(r, e);
}

/* -- what the lake has ------------------------------------------------------------------------- */

struct reading {
	struct object_store *store;
	const char *key;
	int fd;
	char sha256[HASH_HEX_SIZE];
	int64_t bytes;
};

static int read_once(void *ctx, struct err *e)
{
	struct reading *got = ctx;
	int errnum = got->fd >= 0 && (ftruncate(got->fd, 0) != 0 || lseek(got->fd, 0, SEEK_SET) < 0)
			     ? errno
			     : 0;
	if (errnum)
		return err_errno(e, errnum, "cannot write the staged file");
	return backup_read(got->store, got->key, got->fd, &got->bytes, got->sha256, e);
}

static bool is_right(const struct reading *got, const struct backup_manifest *m)
{
	return got->bytes == m->bytes && strcmp(got->sha256, m->sha256) == 0;
}

static int wrong_rows(const struct object *o, const struct backup_live *live, struct err *e)
{
	err_set(e, ERR_CONFLICT, "the catalog has %lld rows of the object, its manifest says %lld",
		(long long)live->rows, (long long)o->m->rows);
	return err_where(e, o->m->key);
}

/* Its rows may be there under other names: merged since, or not yet merged. */
static enum state beside_others(const struct restore *r, const struct object *o, struct err *e)
{
	const struct backup_manifest *m = o->m;
	int64_t inside = 0, overlapping = 0, first, last;
	size_t n;
	const struct backup_live *live = backup_live_beside(r->live, r->live_count, m->key, &n);
	for (size_t i = 0; i < n; i++) {
		backup_range_of(live[i].key, &first, &last);
		if (backup_covers(first, last, m->first, m->last))
			return PRESENT;
		if (backup_covers(m->first, m->last, first, last))
			inside += live[i].rows;
		else if (m->first && first && first <= m->last && m->first <= last)
			overlapping++;
	}
	if (!inside && !overlapping)
		return APPEND;
	if (inside == m->rows && !overlapping)
		return PRESENT;
	err_set(e, ERR_CONFLICT,
		"the lake has a part of this object's rows under other names; move that partition away and restore again");
	err_where(e, m->key);
	return FAILED;
}

static int look_at(void *ctx, size_t i, struct err *e)
{
	struct restore *r = ctx;
	struct object *o = &r->objects[i];
	struct err why = ERR_INIT;
	const struct backup_live *live = backup_live_find(r->live, r->live_count, o->m->key);
	/* A part that the lake still has is held against its own copy. */
	if ((o->covered && !live) || backup_stopped(r->with))
		return OK;
	if (!live) {
		o->state = beside_others(r, o, &why);
	} else if (live->rows != o->m->rows) {
		wrong_rows(o, live, &why);
		o->state = FAILED;
	} else {
		struct reading got = {.store = r->with->from, .key = o->m->key, .fd = -1};
		int rc = backup_try(r->with, read_once, &got, e);
		if (rc && rc != ERR_NOT_FOUND && rc != ERR_IO)
			return rc;
		o->state = rc == OK && is_right(&got, o->m) ? PRESENT : REFILL;
	}
	if (o->state == FAILED)
		fail(r, o, &why);
	if (o->state == PRESENT || o->state == FAILED)
		tell_progress(r);
	return OK;
}

/* -- back into the lake ------------------------------------------------------------------------ */

static bool is_wanted(const struct object *o)
{
	return o->state == REFILL || o->state == APPEND;
}

static int fetch(void *ctx, size_t number, struct err *e)
{
	struct restore *r = ctx;
	struct object *o = &r->objects[r->from + number];
	struct err why = ERR_INIT;
	if (!is_wanted(o))
		return OK;
	AUTO_ARENA struct arena *arena = arena_new();
	struct reading got = {.store = r->with->to, .key = backup_data_key(arena, o->m->key)};
	snprintf(o->path, sizeof(o->path), "%s/%zu.parquet", publish_staging(r->session),
		 r->from + number);
	got.fd = open(o->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (got.fd < 0) {
		err_errno(e, errno, "cannot make a staged file");
		return err_where(e, o->path);
	}
	int rc = backup_try(r->with, read_once, &got, &why);
	close(got.fd);
	if (rc == OK && !is_right(&got, o->m))
		rc = err_set(&why, ERR_CONFLICT,
			     "the copy is damaged: it has not the bytes that its manifest tells");
	else if (rc == ERR_NOT_FOUND)
		err_set(&why, ERR_NOT_FOUND, "the copy is missing");
	if (rc) {
		err_where(&why, o->m->key);
		fail(r, o, &why);
	}
	return OK;
}

/* What the partition's files will be together, and what its properties say then. */
static int properties_of(struct restore *r, size_t from, size_t to, const char **ret, struct err *e)
{
	const struct object *one = &r->objects[from];
	struct bitcoin_content whole = {0};
	struct catalog_scope scope = {.properties = NULL};
	const char **told = ANEW_ARRAY(r->arena, to - from + 1, const char *);
	size_t count = 0, n;
	int64_t first, last;
	const struct backup_live *live =
		backup_live_beside(r->live, r->live_count, one->m->key, &n);
	for (size_t i = 0; i < n; i++) {
		backup_range_of(live[i].key, &first, &last);
		bitcoin_content_add(&whole, live[i].rows, first, last);
	}
	int rc = catalog_scope(r->with->catalog, one->table, one->m->scope, r->arena, &scope, e);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	if (rc == OK && scope.properties)
		told[count++] = scope.properties;
	for (size_t i = from; i < to; i++) {
		const struct backup_manifest *m = r->objects[i].m;
		if (r->objects[i].state == APPEND)
			bitcoin_content_add(&whole, m->rows, m->first, m->last);
		told[count++] = m->properties;
	}
	bool doubtful;
	*ret = backup_content_properties(r->arena, &whole, told, count, &doubtful);
	r->result->unproven += doubtful;
	return OK;
}

static int file_of(struct restore *r, const struct object *o, struct publish_file *ret,
		   struct err *e)
{
	const char **values = ANEW_ARRAY(r->arena, TABLE_MAX_PARTITION, const char *);
	const char **scopes = ANEW_ARRAY(r->arena, 1, const char *), *path;
	size_t n = 0;
	int rc = path_of_key(r->arena, o->table, o->m->key, &path, e);
	if (rc == OK)
		rc = path_values(r->arena, o->table, path, values, &n, e);
	if (rc)
		return err_where(e, o->m->key);
	scopes[0] = o->m->scope;
	*ret = (struct publish_file){.path = o->path,
				     .file = {.key = o->m->key,
					      .layout = LAYOUT_PUBLISHED,
					      .scopes = scopes,
					      .scope_count = 1,
					      .rows = o->m->rows,
					      .bytes = o->m->bytes}};
	for (size_t i = 0; i < n; i++)
		ret->file.low[i] = ret->file.high[i] = values[i];
	return OK;
}

/* Of one table, in one commit; the mark moves with the first. */
static int append(struct restore *r, struct err *e)
{
	size_t n = r->to - r->from, scope_count = 0, file_count = 0;
	struct catalog_scope *scopes = ANEW_ARRAY(r->arena, n, struct catalog_scope);
	struct publish_file *files = ANEW_ARRAY(r->arena, n, struct publish_file);
	int rc = OK;
	for (size_t from = r->from, to; rc == OK && from < r->to; from = to) {
		size_t before = file_count;
		to = partition_end(r, from);
		for (size_t i = from; rc == OK && i < to; i++)
			if (r->objects[i].state == APPEND)
				rc = file_of(r, &r->objects[i], &files[file_count++], e);
		if (rc == OK && file_count > before) {
			scopes[scope_count].scope = r->objects[from].m->scope;
			rc = properties_of(r, from, to, &scopes[scope_count++].properties, e);
		}
	}
	const struct publish_change change = {.table = r->objects[r->from].table,
					      .scopes = scopes,
					      .scope_count = scope_count,
					      .files = files,
					      .file_count = file_count,
					      .append = true};
	const struct catalog_mark marks[] = {{DELIVER_MARK, r->highest, false},
					     {DELIVER_STREAM_MARK, r->life, false}};
	int64_t version;
	if (rc == OK)
		rc = publish_replace(r->session, &change, file_count > 0, marks, r->life ? 2 : 1,
				     &version, e);
	return rc;
}

static int refill(struct restore *r, struct err *e)
{
	struct object_put *puts = ANEW_ARRAY(r->arena, r->to - r->from, struct object_put);
	size_t n = 0;
	for (size_t i = r->from; i < r->to; i++)
		if (r->objects[i].state == REFILL)
			puts[n++] = (struct object_put){.key = r->objects[i].m->key,
							.path = r->objects[i].path};
	return n ? object_store_put_many(r->with->from, puts, n, e) : OK;
}

/* With the table's lock nobody merges or delivers: what was found before is looked at again. */
static int look_again(struct restore *r, struct err *e)
{
	struct backup_live *all = NULL, *some;
	size_t count = 0, cap = 0, n;
	int rc = OK;
	for (size_t i = r->from; rc == OK && i < r->to; i = partition_end(r, i)) {
		rc = backup_live_now(r->with, r->objects[i].m->key, r->arena, &some, &n, e);
		for (size_t k = 0; rc == OK && k < n; k++)
			*PUSH(all, count, cap) = some[k];
	}
	r->live = ANEW_ARRAY(r->arena, count, struct backup_live);
	r->live_count = count;
	if (count)
		memcpy(r->live, all, count * sizeof(*all));
	free(all);
	for (size_t i = r->from; rc == OK && i < r->to; i++) {
		struct object *o = &r->objects[i];
		struct err why = ERR_INIT;
		if (!is_wanted(o))
			continue;
		bool live = backup_live_find(r->live, r->live_count, o->m->key) != NULL;
		o->state = live ? REFILL : beside_others(r, o, &why);
		if (o->state == FAILED)
			fail(r, o, &why);
	}
	return rc;
}

static int restore_batch(struct restore *r, struct err *e)
{
	const struct table_def *table = r->objects[r->from].table;
	int rc = publish_begin(r->publish, &table, 1, &r->session, e);
	if (rc)
		return rc;
	/* The first delivery may have come meanwhile. */
	rc = check_life(r, e);
	if (rc == OK)
		rc = look_again(r, e);
	if (rc == OK)
		rc = parallel_for(r->to - r->from, r->with->workers, fetch, r, e);
	if (rc == OK)
		rc = refill(r, e);
	if (rc == OK)
		rc = append(r, e);
	publish_end(r->session);
	for (size_t i = r->from; rc == OK && i < r->to; i++) {
		struct object *o = &r->objects[i];
		if (!is_wanted(o))
			continue;
		o->state = RESTORED;
		r->result->objects++;
		r->result->rows += o->m->rows;
		r->result->bytes += o->m->bytes;
		tell_progress(r);
	}
	return rc;
}

static int restore_all(struct restore *r, struct err *e)
{
	int rc = OK;
	for (r->from = 0; rc == OK && r->from < r->count; r->from = r->to) {
		size_t wanted = 0;
		r->to = r->from;
		while (r->to < r->count && wanted < BATCH_FILES &&
		       r->objects[r->to].table == r->objects[r->from].table) {
			size_t end = partition_end(r, r->to);
			for (; r->to < end; r->to++)
				wanted += is_wanted(&r->objects[r->to]);
		}
		if (backup_stopped(r->with))
			return err_set(e, ERR_CONFLICT, "interrupted; run this again to go on");
		if (wanted)
			rc = restore_batch(r, e);
	}
	return rc;
}

/* -- the proof --------------------------------------------------------------------------------- */

/* What was there was read at the beginning; what was put back is read here, from the lake. */
static int prove(void *ctx, size_t i, struct err *e)
{
	struct restore *r = ctx;
	struct object *o = &r->objects[i];
	struct err why = ERR_INIT;
	if (o->state != RESTORED)
		return OK;
	const struct backup_live *live = backup_live_find(r->live, r->live_count, o->m->key);
	struct reading got = {.store = r->with->from, .key = o->m->key, .fd = -1};
	int rc = live ? backup_try(r->with, read_once, &got, &why)
		      : err_set(&why, ERR_CONFLICT, "the catalog has not got the object");
	if (rc == OK && live->rows != o->m->rows)
		rc = wrong_rows(o, live, &why);
	else if (rc == OK && !is_right(&got, o->m))
		rc = err_set(&why, ERR_CONFLICT,
			     "what was put back reads as other bytes than the copy's");
	if (rc) {
		err_where(&why, o->m->key);
		fail(r, o, &why);
	}
	return OK;
}

int backup_restore(const struct backup *b, const struct publish *with, struct backup_restored *ret,
		   struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct restore r = {.with = b, .publish = with, .result = ret, .arena = arena};
	*ret = (struct backup_restored){0};
	pthread_mutex_init(&r.lock, NULL);
	int rc = load(&r, e);
	if (rc == OK)
		rc = parallel_for(r.count, b->workers, look_at, &r, e);
	if (rc == OK && !b->dry_run)
		rc = restore_all(&r, e);
	if (rc == OK && !b->dry_run)
		rc = backup_live_all(b, arena, &r.live, &r.live_count, e);
	if (rc == OK && !b->dry_run)
		rc = parallel_for(r.count, b->workers, prove, &r, e);
	if (rc == OK && !b->dry_run && !ret->failed)
		rc = backup_marks_restore(b, e);
	for (size_t i = 0; i < r.count; i++) {
		const struct object *o = &r.objects[i];
		ret->present += o->state == PRESENT;
		if (b->dry_run && is_wanted(o)) {
			ret->objects++;
			ret->rows += o->m->rows;
			ret->bytes += o->m->bytes;
		}
	}
	pthread_mutex_destroy(&r.lock);
	return rc;
}
