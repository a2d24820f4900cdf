/* Delivery stream on one machine: opening the spool, and all that only reads or deletes segments.
 * Nothing here needs the mutex but a look at how far the open segment is acknowledged. */
#include "delivery_stream_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "delivery_stream_spool_private.h"
#include "file.h"
#include "mem.h"
#include "spool_segment.h"

#define SEGMENT_BYTES ((int64_t)8 << 20)
#define AGE_US        (INT64_C(60) * 1000000)
#define LIMIT_BYTES   ((int64_t)1 << 30)
#define LOCK_WAIT_US  2000000
#define TRIES_MAX     100

/* -- notes ------------------------------------------------------------------------------------- */

void spool_note(struct spool_notes *notes, const char *event, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	*PUSH(notes->items, notes->count, notes->cap) =
		(struct spool_note){event, mem_strdup(text)};
}

void spool_tell(struct spool *s, struct spool_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++) {
		if (s->options.note)
			s->options.note(s->options.ctx, notes->items[i].event,
					notes->items[i].text);
		free(notes->items[i].text);
	}
	free(notes->items);
	*notes = (struct spool_notes){0};
}

int spool_keep_damaged(struct spool *s, int fd, int64_t first, int64_t offset, int64_t bytes,
		       const char *reason, struct spool_notes *notes, struct err *e)
{
	bool is_new;
	pthread_mutex_lock(&s->aside_mutex);
	int rc = spool_set_aside(s->options.dir, fd, first, offset, bytes, reason, &is_new, e);
	pthread_mutex_unlock(&s->aside_mutex);
	if (rc == OK && is_new)
		spool_note(notes, strcmp(reason, "torn") == 0 ? "spool_torn" : "spool_damaged",
			   "%" PRId64 " bytes from byte %" PRId64
			   " of the segment that begins with record %" PRId64
			   " are no records; they are kept in damaged/",
			   bytes, offset, first);
	return rc;
}

/* -- reading ----------------------------------------------------------------------------------- */

/* One reading of one segment for next or tail. */
struct reading {
	struct spool *spool;
	struct spool_file file;
	int fd;
	bool keep; /* damage is set aside */
	int64_t after;
	int (*fn)(void *, const struct stream_entry *, struct err *);
	void *ctx;
	int64_t given; /* records that fn got */
	bool stopped;  /* by fn */
	struct spool_notes *notes;
};

static int give(void *ctx, const struct stream_entry *entry, struct err *e)
{
	struct reading *r = ctx;
	if (entry->seq <= r->after)
		return OK;
	int rc = r->fn(r->ctx, entry, e);
	r->stopped = rc != OK;
	if (rc)
		return rc;
	r->after = entry->seq;
	r->given++;
	return OK;
}

static int keep_damaged(void *ctx, int64_t offset, int64_t bytes, struct err *e)
{
	struct reading *r = ctx;
	return r->keep ? spool_keep_damaged(r->spool, r->fd, r->file.first, offset, bytes,
					    "damaged", r->notes, e)
		       : OK;
}

/* Whether the open file is the segment that this handle writes; then *ret is what it has
 * acknowledged. */
static bool is_own(struct spool *s, int64_t first, int64_t *ret)
{
	pthread_mutex_lock(&s->mutex);
	bool own = s->open.first == first;
	if (own)
		*ret = s->open.length;
	pthread_mutex_unlock(&s->mutex);
	return own;
}

/* ERR_NOT_FOUND when the file is gone or has another name: the folder is to be listed again. *ret_gone
 * tells that from an error of fn. */
static int read_file(struct reading *r, bool *ret_gone, struct err *e)
{
	AUTO_FREE char *path = spool_path(r->spool->options.dir, r->file.first, r->file.last);
	*ret_gone = false;
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0) {
		*ret_gone = errno == ENOENT;
		err_errno(e, errno, "cannot open the spool's segment");
		return err_where(e, path);
	}
	struct segment_scan scan = {
		.fd = r->fd,
		.first = r->file.first,
		.last = r->file.last,
		.size = -1,
		.live = !r->file.last,
		.entry = give,
		.damaged = keep_damaged,
		.ctx = r,
	};
	struct segment_found found;
	r->keep = r->file.last && r->spool->options.mode != SPOOL_READ;
	if (!r->file.last && is_own(r->spool, r->file.first, &scan.size))
		scan.live = false;
	int rc = segment_scan(&scan, &found, e);
	if (rc == OK && r->file.last &&
	    (found.last < r->file.last || found.rubbish_end > found.end))
		rc = keep_damaged(r, found.end, found.rubbish_end - found.end, e);
	close(r->fd);
	return rc && !r->stopped ? err_where(e, path) : rc;
}

/* Reads the segments from `after` on, only the first sealed one or all. */
static int read_from(struct reading *r, bool only_first, struct err *e)
{
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		struct spool_file *files;
		size_t count;
		int rc = spool_list(r->spool->options.dir, &files, &count, e);
		if (rc)
			return rc;
		bool gone = false, read = false;
		for (size_t i = 0; rc == OK && i < count && !(read && only_first); i++) {
			if (files[i].last ? files[i].last <= r->after : only_first)
				continue;
			r->file = files[i];
			rc = read_file(r, &gone, e);
			read = true;
		}
		free(files);
		if (gone)
			continue;
		if (rc == OK && only_first && !read)
			return err_set(e, ERR_NOT_FOUND,
				       "the spool has no sealed segment behind record %" PRId64,
				       r->after);
		return rc;
	}
	return err_set(e, ERR_RETRY, "the spool changes faster than it can be read");
}

static int spool_tail(struct delivery_stream *stream, int64_t after,
		      int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
		      struct err *e)
{
	struct spool_notes notes = {0};
	struct reading r = {
		.spool = spool_of(stream), .after = after, .fn = fn, .ctx = ctx, .notes = &notes};
	int rc = read_from(&r, false, e);
	spool_tell(r.spool, &notes);
	return rc;
}

static int spool_next(struct delivery_stream *stream, int64_t after,
		      int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
		      struct stream_segment *ret, struct err *e)
{
	struct spool_notes notes = {0};
	struct reading r = {
		.spool = spool_of(stream), .after = after, .fn = fn, .ctx = ctx, .notes = &notes};
	int rc = read_from(&r, true, e);
	if (rc == OK)
		*ret = (struct stream_segment){.first = r.file.first,
					       .last = r.file.last,
					       .records = r.given,
					       .bytes = r.file.bytes};
	spool_tell(r.spool, &notes);
	return rc;
}

/* -- forgetting, status ------------------------------------------------------------------------ */

int spool_refuse(const struct spool *s, const char *call, struct err *e)
{
	return err_set(e, ERR_BUG, "%s on a spool that was not opened for it", call);
}

static int sync_folder(struct spool *s, struct err *e)
{
	return file_fsync(s->options.dir, e);
}

static int spool_forget(struct delivery_stream *stream, int64_t up_to, struct err *e)
{
	struct spool *s = spool_of(stream);
	struct spool_file *files;
	size_t count, newest = 0;
	if (s->options.mode == SPOOL_READ)
		return spool_refuse(s, "forget", e);
	int rc = spool_list(s->options.dir, &files, &count, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (files[i].last)
			newest = i;
	}
	bool changed = false;
	for (size_t i = 0; rc == OK && i < newest && files[i].last <= up_to; i++) {
		if (!files[i].last)
			continue;
		AUTO_FREE char *path = spool_path(s->options.dir, files[i].first, files[i].last);
		if (unlink(path) == 0) {
			changed = true;
		} else if (errno != ENOENT) {
			err_errno(e, errno, "cannot delete the spool's segment");
			rc = err_where(e, path);
		}
	}
	free(files);
	return rc == OK && changed ? sync_folder(s, e) : rc;
}

static int stop_at_first(void *ctx, const struct stream_entry *entry, struct err *e)
{
	int64_t *at_us = ctx;
	*at_us = entry->at_us;
	return 1;
}

/* The time of a segment's first good record, and the number of its last one when it is open. */
static int look_into(struct spool *s, const struct spool_file *file, int64_t *ret_first_us,
		     int64_t *ret_last, struct err *e)
{
	AUTO_FREE char *path = spool_path(s->options.dir, file->first, file->last);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return OK;
	if (fd < 0) {
		err_errno(e, errno, "cannot open the spool's segment");
		return err_where(e, path);
	}
	struct segment_scan scan = {.fd = fd, .first = file->first, .last = file->last, .size = -1};
	struct segment_found found;
	scan.live = !file->last;
	int rc = OK;
	if (ret_last) {
		rc = segment_scan(&scan, &found, e);
		if (rc == OK)
			*ret_last = found.last;
	}
	if (rc == OK && ret_first_us) {
		scan.entry = stop_at_first;
		scan.ctx = ret_first_us;
		rc = segment_scan(&scan, &found, e);
		if (rc > 0)
			rc = OK;
	}
	close(fd);
	return rc;
}

static int spool_status(struct delivery_stream *stream, struct stream_status *ret, struct err *e)
{
	struct spool *s = spool_of(stream);
	struct stream_status st = {.limit = s->options.limit_bytes};
	struct spool_file *files;
	size_t count;
	int rc = spool_list(s->options.dir, &files, &count, e);
	if (rc)
		return rc;
	for (size_t i = 0; rc == OK && i < count; i++) {
		int64_t last = files[i].last, own;
		if (!last && is_own(s, files[i].first, &own)) {
			files[i].bytes = own;
			last = files[i].first; /* the number itself is below */
			if (own <= SEGMENT_HEADER_BYTES)
				continue;
		} else if (!last) {
			rc = look_into(s, &files[i], NULL, &last, e);
			if (rc || last < files[i].first)
				continue;
		}
		if (st.segments++ == 0) {
			st.first_kept = files[i].first;
			rc = look_into(s, &files[i], &st.oldest_us, NULL, e);
		}
		st.bytes += files[i].bytes;
		st.last_seq = last;
	}
	free(files);
	if (s->options.mode == SPOOL_APPEND) {
		pthread_mutex_lock(&s->mutex);
		st.last_seq = s->last_seq;
		st.failed = s->failed;
		pthread_mutex_unlock(&s->mutex);
	}
	if (rc == OK)
		rc = spool_life(s->options.dir, &st.life, e);
	if (rc == OK)
		rc = spool_count_aside(s->options.dir, &st.damaged, &st.damaged_bytes, e);
	if (rc == OK)
		*ret = st;
	return rc;
}

/* -- opening ----------------------------------------------------------------------------------- */

static ssize_t real_write(void *ctx, int fd, const void *bytes, size_t n, int64_t offset)
{
	return pwrite(fd, bytes, n, offset);
}

static int real_sync(void *ctx, int fd)
{
	return fdatasync(fd);
}

static int real_truncate(void *ctx, int fd, int64_t size)
{
	return ftruncate(fd, size);
}

static int real_rename(void *ctx, const char *from, const char *to)
{
	return rename(from, to);
}

static int real_sync_folder(void *ctx, int fd)
{
	return fsync(fd);
}

static void choose_io(struct spool_io *io, const struct spool_io *given)
{
	if (given)
		*io = *given;
	io->write = io->write ? io->write : real_write;
	io->sync = io->sync ? io->sync : real_sync;
	io->truncate = io->truncate ? io->truncate : real_truncate;
	io->rename = io->rename ? io->rename : real_rename;
	io->sync_folder = io->sync_folder ? io->sync_folder : real_sync_folder;
}

static const char *spool_name(struct delivery_stream *stream)
{
	return spool_of(stream)->options.name;
}

static void spool_free(struct delivery_stream *stream)
{
	struct spool *s = spool_of(stream);
	if (s->open.fd >= 0)
		close(s->open.fd);
	file_unlock(s->lock_fd);
	pthread_mutex_destroy(&s->mutex);
	pthread_mutex_destroy(&s->aside_mutex);
	free(s->group);
	free(s->zeros);
	free((char *)s->options.dir);
	free((char *)s->options.name);
	free(s);
}

static const struct delivery_stream_ops spool_ops = {
	.append = spool_append,
	.tail = spool_tail,
	.seal = spool_seal,
	.next = spool_next,
	.forget = spool_forget,
	.status = spool_status,
	.name = spool_name,
	.free = spool_free,
};

static int find_life(const struct spool *s, struct err *e)
{
	int64_t life, wanted = s->options.life;
	int rc = spool_life(s->options.dir, &life, e);
	if (rc || (life && (s->last_seq || !wanted || wanted == life)))
		return rc;
	while (!wanted) {
		uint64_t random;
		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return err_set(e, ERR_IO, "the system gives no random numbers");
		wanted = (int64_t)(random >> 1);
	}
	return spool_set_life(s->options.dir, wanted, e);
}

static int begin_appending(struct spool *s, struct spool_notes *notes, struct err *e)
{
	int rc = file_mkdirs(s->options.dir, true, e);
	if (rc)
		return rc;
	AUTO_FREE char *lock = spool_lock_path(s->options.dir);
	rc = file_lock(lock, true, s->options.clock, LOCK_WAIT_US, NULL, NULL, &s->lock_fd, e);
	if (rc == OK)
		rc = spool_seal_orphans(s, notes, &s->last_seq, &s->sealed_bytes, e);
	if (rc == OK)
		rc = find_life(s, e);
	if (rc == OK && s->last_seq == 0)
		s->last_seq = s->options.after;
	return rc;
}

int delivery_stream_spool_open(const struct spool_options *options, struct delivery_stream **ret,
			       struct err *e)
{
	struct spool *s = NEW(struct spool);
	s->stream.ops = &spool_ops;
	s->options = *options;
	s->options.dir = mem_strdup(options->dir);
	s->options.name = mem_strdup(options->name);
	s->options.segment_bytes = options->segment_bytes ? options->segment_bytes : SEGMENT_BYTES;
	s->options.age_us = options->age_us ? options->age_us : AGE_US;
	s->options.limit_bytes = options->limit_bytes ? options->limit_bytes : LIMIT_BYTES;
	choose_io(&s->io, options->io);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&s->aside_mutex, NULL);
	s->end = &s->head;
	s->open.fd = -1;
	s->lock_fd = -1;
	struct spool_notes notes = {0};
	int rc = options->mode == SPOOL_APPEND ? begin_appending(s, &notes, e) : OK;
	spool_tell(s, &notes);
	if (rc) {
		spool_free(&s->stream);
		return rc;
	}
	*ret = &s->stream;
	return OK;
}
