/* Spool: group commit. Requests queue up; the first one leads: it takes those behind it along, writes
 * them with one write and one sync, and wakes them. While it does, the next group gathers. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "delivery_stream_spool_private.h"
#include "file.h"
#include "mem.h"
#include "spool_segment.h"

#define GROUP_BYTES ((size_t)4 << 20) /* of a group of several requests */
#define AHEAD_BYTES ((int64_t)256 << 10)
#define YIELDS_MAX  8
#define HOUR_US     (INT64_C(3600) * 1000000)

struct spool_request {
	/* append: encoded records */
	char *bytes;
	size_t n;
	int64_t records;
	int64_t newest_hour;
	/* seal */
	bool seal, now;

	bool done;
	int rc;
	struct err *err;
	int64_t first;
	pthread_cond_t wake;
	struct spool_request *next;
};

static int64_t hour_of(int64_t us)
{
	return us / HOUR_US - (us % HOUR_US < 0);
}

/* -- writing ----------------------------------------------------------------------------------- */

static bool is_full(int errnum)
{
	return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
}

/* Nothing of the group was acknowledged, and none of it may be read later: it is cut at once, so that
 * it is gone even if the process ends here. When only room was missing and the cut is on the disk, all
 * is well again; otherwise the next request has to recover. */
static int write_failed(struct spool *s, int errnum, bool synced, struct err *e)
{
	struct spool_open *o = &s->open;
	bool cut = s->io.truncate(s->io.ctx, o->fd, o->length) == 0;
	if (cut && !synced && is_full(errnum) && s->io.sync(s->io.ctx, o->fd) == 0)
		o->zeroed = o->length;
	else
		spool_fail(s);
	err_errno(e, errnum, "cannot write to the spool");
	return err_where(e, s->options.dir);
}

/* Overwriting zeros costs a sync half of what growing the file does, which goes through the file
 * system's journal: so zeros are written ahead. No room for them is no failure. */
static int write_ahead(struct spool *s, int64_t length)
{
	struct spool_open *o = &s->open;
	if (length <= o->zeroed)
		return 0;
	int64_t ahead = s->options.segment_bytes / 16;
	ahead = ahead < AHEAD_BYTES ? ahead : AHEAD_BYTES;
	if (!s->zeros)
		s->zeros = mem_alloc((size_t)AHEAD_BYTES);
	int errnum = spool_write_all(s, o->fd, s->zeros, (size_t)ahead, length);
	/* Also what was written only in part has to be cut when the segment is sealed. */
	o->zeroed = length + ahead;
	return is_full(errnum) ? 0 : errnum;
}

/* The bytes of a group in one piece, numbered. */
static char *gather(struct spool *s, struct spool_request *group, size_t bytes)
{
	char *all = group->bytes;
	if (group->next) {
		if (s->group_cap < bytes) {
			s->group_cap = bytes > s->group_cap * 2 ? bytes : s->group_cap * 2;
			s->group = mem_grow(s->group, s->group_cap, 1);
		}
		all = s->group;
		size_t at = 0;
		for (const struct spool_request *r = group; r; r = r->next) {
			memcpy(all + at, r->bytes, r->n);
			at += r->n;
		}
	}
	segment_stamp(all, bytes, s->last_seq + 1, clock_now_us(s->options.clock));
	return all;
}

/* The group is a list that ends in NULL. */
static int write_group(struct spool *s, struct spool_request *group, struct err *e)
{
	struct spool_open *o = &s->open;
	size_t bytes = 0;
	int64_t hour = o->newest_hour;
	for (const struct spool_request *r = group; r; r = r->next) {
		bytes += r->n;
		hour = r->newest_hour > hour ? r->newest_hour : hour;
	}
	const char *all = gather(s, group, bytes);
	int errnum = spool_write_all(s, o->fd, all, bytes, o->length);
	if (!errnum)
		errnum = write_ahead(s, o->length + (int64_t)bytes);
	if (errnum)
		return write_failed(s, errnum, false, e);
	if (s->io.sync(s->io.ctx, o->fd) != 0)
		return write_failed(s, errno, true, e);
	int64_t now_us = clock_monotonic_us(s->options.clock);
	pthread_mutex_lock(&s->mutex);
	if (s->last_seq < o->first)
		o->began_us = now_us;
	for (struct spool_request *r = group; r; r = r->next) {
		r->first = s->last_seq + 1;
		s->last_seq += r->records;
	}
	o->length += (int64_t)bytes;
	o->newest_hour = hour;
	pthread_mutex_unlock(&s->mutex);
	return OK;
}

/* -- before a group ---------------------------------------------------------------------------- */

static bool holds_records(const struct spool *s)
{
	return s->open.first && s->last_seq >= s->open.first;
}

static bool is_due(struct spool *s)
{
	int64_t age_us = clock_monotonic_us(s->options.clock) - s->open.began_us;
	/* A clock that went backwards must not keep records from being delivered. */
	return s->open.length >= s->options.segment_bytes || age_us >= s->options.age_us ||
	       age_us < 0;
}

static int check_room(struct spool *s, const struct spool_request *r, struct err *e)
{
	int64_t wanted = (s->open.first ? s->open.length : SEGMENT_HEADER_BYTES) + (int64_t)r->n;
	if (s->sealed_bytes + wanted <= s->options.limit_bytes)
		return OK;
	/* Some may have been forgotten, perhaps by another process. */
	struct spool_file *files;
	size_t count;
	int rc = spool_list(s->options.dir, &files, &count, e);
	if (rc)
		return rc;
	s->sealed_bytes = 0;
	/* The newest is kept for its number when all is delivered: it must not keep new ones out. */
	int64_t newest = 0;
	for (size_t i = 0; i < count; i++)
		if (files[i].last) {
			s->sealed_bytes += newest;
			newest = files[i].bytes;
		}
	free(files);
	if (s->sealed_bytes + wanted <= s->options.limit_bytes)
		return OK;
	err_set(e, ERR_LIMIT,
		"the spool holds %" PRId64 " bytes, and %zu more would pass its limit of %" PRId64,
		s->sealed_bytes + wanted - (int64_t)r->n, r->n, s->options.limit_bytes);
	return err_where(e, s->options.dir);
}

/* Leaves a sound open segment that the request's records may go to. */
static int make_ready(struct spool *s, const struct spool_request *r, struct spool_notes *notes,
		      struct err *e)
{
	int rc = s->failed ? spool_recover(s, notes, e) : OK;
	if (rc == OK && holds_records(s) && (is_due(s) || r->newest_hour > s->open.newest_hour))
		rc = spool_seal_open(s, e);
	if (rc == OK)
		rc = check_room(s, r, e);
	if (rc == OK && !s->open.first)
		rc = spool_create(s, e);
	return rc;
}

/* Takes from the queue what may be written together with the request that leads, its first. */
static void take_group(struct spool *s, struct spool_request *group, bool alone)
{
	struct spool_request *last = group;
	int64_t hour = group->newest_hour;
	if (s->last_seq >= s->open.first && s->open.newest_hour > hour)
		hour = s->open.newest_hour;
	int64_t room = s->options.limit_bytes - s->sealed_bytes - s->open.length;
	size_t bytes = group->n, count = 1;
	while (!alone && last->next && !last->next->seal && last->next->newest_hour <= hour) {
		bytes += last->next->n;
		if (bytes > GROUP_BYTES || (int64_t)bytes > room)
			break;
		last = last->next;
		count++;
	}
	s->head = last->next;
	if (!s->head)
		s->end = &s->head;
	last->next = NULL;
	s->last_group = count;
}

/* -- leading ----------------------------------------------------------------------------------- */

/* Those whose records were just written come again at once, but not before they have run: a leader
 * that does not wait for them writes groups of one and of all the others in turn. */
static void let_others_come(struct spool *s)
{
	for (size_t yields = s->last_group > 1 ? YIELDS_MAX : 0; yields > 0; yields--) {
		sched_yield();
		pthread_mutex_lock(&s->mutex);
		size_t waiting = s->waiting;
		pthread_mutex_unlock(&s->mutex);
		if (waiting >= s->last_group)
			break;
	}
}

static void finish(struct spool *s, struct spool_request *group, int rc, const struct err *e)
{
	pthread_mutex_lock(&s->mutex);
	for (struct spool_request *r = group, *next; r; r = next) {
		next = r->next; /* its owner may be gone after this */
		r->rc = rc;
		if (rc && r->err)
			*r->err = *e;
		r->done = true;
		s->waiting--;
		pthread_cond_signal(&r->wake);
	}
	pthread_mutex_unlock(&s->mutex);
}

static void lead_append(struct spool *s, struct spool_request *r, struct spool_notes *notes)
{
	struct err e = ERR_INIT;
	let_others_come(s);
	int rc = make_ready(s, r, notes, &e);
	pthread_mutex_lock(&s->mutex);
	/* Without room for this one there may be some for the next; other failures are everybody's. */
	take_group(s, r, rc == ERR_LIMIT && !s->failed);
	pthread_mutex_unlock(&s->mutex);
	if (rc == OK)
		rc = write_group(s, r, &e);
	finish(s, r, rc, &e);
}

static void lead_seal(struct spool *s, struct spool_request *r, struct spool_notes *notes)
{
	struct err e = ERR_INIT;
	int rc = OK;
	if (s->failed)
		rc = spool_recover(s, notes, &e);
	else if (holds_records(s) && (r->now || is_due(s)))
		rc = spool_seal_open(s, &e);
	pthread_mutex_lock(&s->mutex);
	take_group(s, r, true);
	pthread_mutex_unlock(&s->mutex);
	finish(s, r, rc, &e);
}

static int wait_for(struct spool *s, struct spool_request *r)
{
	struct spool_notes notes = {0};
	pthread_cond_init(&r->wake, NULL);
	pthread_mutex_lock(&s->mutex);
	*s->end = r;
	s->end = &r->next;
	s->waiting++;
	while (!r->done && (s->led || s->head != r))
		pthread_cond_wait(&r->wake, &s->mutex);
	if (!r->done) {
		s->led = true;
		pthread_mutex_unlock(&s->mutex);
		if (r->seal)
			lead_seal(s, r, &notes);
		else
			lead_append(s, r, &notes);
		pthread_mutex_lock(&s->mutex);
		s->led = false;
		if (s->head)
			pthread_cond_signal(&s->head->wake);
	}
	pthread_mutex_unlock(&s->mutex);
	pthread_cond_destroy(&r->wake);
	spool_tell(s, &notes);
	return r->rc;
}

int spool_append(struct delivery_stream *stream, const struct stream_record *records, size_t n,
		 int64_t *ret_first, struct err *e)
{
	struct spool *s = spool_of(stream);
	if (s->options.mode != SPOOL_APPEND)
		return spool_refuse(s, "append", e);
	struct spool_request r = {.records = (int64_t)n, .newest_hour = INT64_MIN, .err = e};
	for (size_t i = 0; i < n; i++) {
		int64_t hour = hour_of(records[i].event_us);
		r.newest_hour = hour > r.newest_hour ? hour : r.newest_hour;
		r.n += SEGMENT_RECORD_BYTES + records[i].body.n;
	}
	if ((int64_t)r.n + SEGMENT_HEADER_BYTES > s->options.limit_bytes) {
		err_set(e, ERR_INPUT,
			"%zu bytes in one append, more than the spool's limit of %lld ever lets in",
			r.n, (long long)s->options.limit_bytes);
		return err_where(e, s->options.dir);
	}
	r.bytes = mem_alloc(r.n);
	char *to = r.bytes;
	for (size_t i = 0; i < n; i++)
		to = segment_encode(to, &records[i]);
	int rc = wait_for(s, &r);
	if (rc == OK)
		*ret_first = r.first;
	free(r.bytes);
	return rc;
}

/* -- sealing ----------------------------------------------------------------------------------- */

/* A deliverer seals what a dead writer left; a living one holds its lock. */
static int seal_dead(struct spool *s, struct err *e)
{
	struct spool_file *files;
	size_t count;
	int rc = spool_list(s->options.dir, &files, &count, e);
	if (rc)
		return rc;
	bool any = false;
	for (size_t i = 0; i < count; i++)
		any = any || !files[i].last;
	free(files);
	if (!any)
		return OK;
	AUTO_FREE char *lock = spool_lock_path(s->options.dir);
	int fd;
	rc = file_lock(lock, true, s->options.clock, 0, NULL, NULL, &fd, e);
	if (rc)
		return rc == ERR_CONFLICT ? OK : rc;
	struct spool_notes notes = {0};
	int64_t last, bytes;
	rc = spool_seal_orphans(s, &notes, &last, &bytes, e);
	file_unlock(fd);
	spool_tell(s, &notes);
	return rc;
}

int spool_seal(struct delivery_stream *stream, bool now, struct err *e)
{
	struct spool *s = spool_of(stream);
	if (s->options.mode == SPOOL_READ)
		return spool_refuse(s, "seal", e);
	if (s->options.mode == SPOOL_DELIVER)
		return seal_dead(s, e);
	struct spool_request r = {.seal = true, .now = now, .err = e};
	return wait_for(s, &r);
}
