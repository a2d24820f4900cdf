/* Spool: segments are made, sealed, and recovered after a failure or a death. One at a time is in
 * here: the request that leads, or a deliverer that holds the writer's lock. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "delivery_stream_spool_private.h"
#include "file.h"
#include "mem.h"
#include "spool_segment.h"

#define BLOCK_BYTES 4096
#define COPY_BYTES  ((size_t)1 << 20)

static int fail_at(const char *path, int errnum, struct err *e)
{
	err_errno(e, errnum, "cannot write the spool's segment");
	return err_where(e, path);
}

/* Names made, changed and deleted in the spool last from here on. */
static int sync_names(struct spool *s, struct err *e)
{
	int fd = open(s->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int errnum = fd < 0 || s->io.sync_folder(s->io.ctx, fd) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return errnum ? fail_at(s->options.dir, errnum, e) : OK;
}

int spool_write_all(struct spool *s, int fd, const char *bytes, size_t n, int64_t offset)
{
	for (size_t at = 0; at < n;) {
		ssize_t done = s->io.write(s->io.ctx, fd, bytes + at, n - at, offset + (int64_t)at);
		if (done < 0 && errno != EINTR)
			return errno;
		if (done > 0)
			at += (size_t)done;
	}
	return 0;
}

void spool_fail(struct spool *s)
{
	pthread_mutex_lock(&s->mutex);
	s->failed = true;
	pthread_mutex_unlock(&s->mutex);
}

static void set_open(struct spool *s, struct spool_open open)
{
	pthread_mutex_lock(&s->mutex);
	s->open = open;
	pthread_mutex_unlock(&s->mutex);
}

static void no_open(struct spool *s)
{
	if (s->open.fd >= 0)
		close(s->open.fd);
	set_open(s, (struct spool_open){.fd = -1});
}

int spool_create(struct spool *s, struct err *e)
{
	int64_t first = s->last_seq + 1;
	AUTO_FREE char *path = spool_path(s->options.dir, first, 0);
	char header[SEGMENT_HEADER_BYTES];
	segment_header(header, first);
	/* Readers of this handle learn of it before there is a file: they never look further into it
	 * than is acknowledged. */
	set_open(s, (struct spool_open){.first = first,
					.fd = -1,
					.length = SEGMENT_HEADER_BYTES,
					.zeroed = SEGMENT_HEADER_BYTES,
					.newest_hour = INT64_MIN});
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		int errnum = errno;
		no_open(s);
		return fail_at(path, errnum, e);
	}
	s->open.fd = fd;
	int errnum = spool_write_all(s, fd, header, sizeof(header), 0);
	int rc = errnum ? fail_at(path, errnum, e) : sync_names(s, e);
	if (rc)
		spool_fail(s);
	return rc;
}

/* -- sealing ----------------------------------------------------------------------------------- */

int spool_seal_open(struct spool *s, struct err *e)
{
	struct spool_open *o = &s->open;
	AUTO_FREE char *from = spool_path(s->options.dir, o->first, 0);
	AUTO_FREE char *to = spool_path(s->options.dir, o->first, s->last_seq);
	int rc = OK;
	if (o->zeroed > o->length &&
	    (s->io.truncate(s->io.ctx, o->fd, o->length) != 0 || s->io.sync(s->io.ctx, o->fd) != 0))
		rc = fail_at(from, errno, e);
	if (rc == OK && s->io.rename(s->io.ctx, from, to) != 0)
		rc = fail_at(from, errno, e);
	if (rc == OK) {
		o->named = true;
		rc = sync_names(s, e);
	}
	if (rc) {
		spool_fail(s);
		return rc;
	}
	s->sealed_bytes += o->length;
	no_open(s);
	return OK;
}

/* -- recovering -------------------------------------------------------------------------------- */

/* An open segment that is brought to a good end. */
struct orphan {
	struct spool *spool;
	int64_t first;
	int64_t last;   /* of what is kept; less than first: nothing is */
	int64_t length; /* the same in bytes */
	char *path;
	int fd;
	struct spool_notes *notes;
};

static int keep_damaged(void *ctx, int64_t offset, int64_t bytes, struct err *e)
{
	struct orphan *o = ctx;
	return spool_keep_damaged(o->spool, o->fd, o->first, offset, bytes, "damaged", o->notes, e);
}

/* How far a dead writer came; what is behind is set aside. */
static int measure(struct orphan *o, struct err *e)
{
	struct segment_scan scan = {.fd = o->fd, .first = o->first, .size = -1};
	struct segment_found found;
	int rc = segment_scan(&scan, &found, e);
	if (rc)
		return rc;
	o->last = found.last;
	o->length = found.end;
	/* Half of a header is no loss: nothing was acknowledged before it was whole. */
	if (found.rubbish_end == found.end ||
	    (found.end == 0 && found.rubbish_end <= SEGMENT_HEADER_BYTES))
		return OK;
	return spool_keep_damaged(o->spool, o->fd, o->first, found.end,
				  found.rubbish_end - found.end, "torn", o->notes, e);
}

/* Writes what is there once more in its place. After a failed sync the kernel takes pages for written
 * that are not; here they become dirty again, and the next sync means what it says. */
static int write_again(struct orphan *o, int64_t from)
{
	AUTO_FREE char *block = mem_alloc(COPY_BYTES);
	while (from < o->length) {
		int64_t left = o->length - from;
		ssize_t n = pread(o->fd, block,
				  left < (int64_t)COPY_BYTES ? (size_t)left : COPY_BYTES, from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		int errnum = spool_write_all(o->spool, o->fd, block, (size_t)n, from);
		if (errnum)
			return errnum;
		from += n;
	}
	return 0;
}

/* Reads the records back, from the disk if the kernel can be brought to it. */
static int verify(struct orphan *o, struct err *e)
{
	(void)!posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
	struct segment_scan scan = {.fd = o->fd,
				    .first = o->first,
				    .last = o->last,
				    .size = o->length,
				    .damaged = keep_damaged,
				    .ctx = o};
	struct segment_found found;
	int rc = segment_scan(&scan, &found, e);
	if (rc == OK && found.last < o->last)
		rc = keep_damaged(o, found.end, o->length - found.end, e);
	return rc;
}

static int settled(struct orphan *o, struct err *e)
{
	if (o->spool->open.first == o->first)
		o->spool->open.named = true;
	return sync_names(o->spool, e);
}

/* Cuts the file, makes sure of what stays, and gives it its sealed name; `again` is from where its
 * bytes are written again. Every step may be repeated after a death. */
static int settle(struct orphan *o, int64_t again, struct err *e)
{
	struct spool *s = o->spool;
	if (o->last < o->first) {
		/* Cut as well, for a reader may have it open. */
		if (s->io.truncate(s->io.ctx, o->fd, 0) != 0 || unlink(o->path) != 0)
			return fail_at(o->path, errno, e);
		return settled(o, e);
	}
	if (s->io.truncate(s->io.ctx, o->fd, o->length) != 0)
		return fail_at(o->path, errno, e);
	int errnum = write_again(o, again);
	if (!errnum && s->io.sync(s->io.ctx, o->fd) != 0)
		errnum = errno;
	if (errnum)
		return fail_at(o->path, errnum, e);
	int rc = verify(o, e);
	if (rc)
		return rc;
	AUTO_FREE char *sealed = spool_path(s->options.dir, o->first, o->last);
	if (s->io.rename(s->io.ctx, o->path, sealed) != 0)
		return fail_at(o->path, errno, e);
	return settled(o, e);
}

static int open_orphan(struct orphan *o, struct err *e)
{
	o->path = spool_path(o->spool->options.dir, o->first, 0);
	o->fd = open(o->path, O_RDWR | O_CLOEXEC);
	return o->fd < 0 ? fail_at(o->path, errno, e) : OK;
}

static void close_orphan(struct orphan *o)
{
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
}

int spool_recover(struct spool *s, struct spool_notes *notes, struct err *e)
{
	struct orphan o = {.spool = s,
			   .first = s->open.first,
			   .last = s->last_seq,
			   .length = s->open.length,
			   .fd = -1,
			   .notes = notes};
	int rc;
	if (s->open.named) {
		rc = sync_names(s, e);
	} else {
		rc = open_orphan(&o, e);
		/* The block that acknowledged bytes share with lost ones. */
		if (rc == OK)
			rc = settle(&o, o.length / BLOCK_BYTES * BLOCK_BYTES, e);
		close_orphan(&o);
	}
	if (rc)
		return err_wrap(e, "the spool has not recovered from a failure");
	spool_note(notes, "spool_recovered",
		   "after a failed write the spool goes on behind record %" PRId64, s->last_seq);
	s->sealed_bytes += o.last < o.first ? 0 : o.length;
	no_open(s);
	pthread_mutex_lock(&s->mutex);
	s->failed = false;
	pthread_mutex_unlock(&s->mutex);
	return OK;
}

static int check_version(const struct spool *s, const struct spool_file *file, struct err *e)
{
	AUTO_FREE char *path = spool_path(s->options.dir, file->first, file->last);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return OK; /* delivered and forgotten by another process */
	if (fd < 0) {
		err_errno(e, errno, "cannot open the spool's segment");
		return err_where(e, path);
	}
	struct segment_scan scan = {.fd = fd, .first = file->first, .size = SEGMENT_HEADER_BYTES};
	struct segment_found found;
	int rc = segment_scan(&scan, &found, e);
	close(fd);
	return rc ? err_where(e, path) : OK;
}

int spool_seal_orphans(struct spool *s, struct spool_notes *notes, int64_t *ret_last,
		       int64_t *ret_bytes, struct err *e)
{
	struct spool_file *files;
	size_t count;
	int rc = spool_list(s->options.dir, &files, &count, e);
	if (rc)
		return rc;
	*ret_last = *ret_bytes = 0;
	for (size_t i = 0; rc == OK && i < count; i++) {
		struct orphan o = {.spool = s, .first = files[i].first, .fd = -1, .notes = notes};
		if (files[i].last) {
			rc = check_version(s, &files[i], e);
			o.last = files[i].last;
			o.length = files[i].bytes;
		} else {
			rc = open_orphan(&o, e);
			if (rc == OK)
				rc = measure(&o, e);
			if (rc == OK)
				rc = settle(&o, 0, e);
			if (rc)
				err_where(e, o.path);
			close_orphan(&o);
		}
		/* A segment without records tells by its name where numbers go on. */
		if (o.last < o.first)
			o.last = o.first - 1;
		if (o.last > *ret_last)
			*ret_last = o.last;
		*ret_bytes += o.length;
	}
	free(files);
	return rc;
}
