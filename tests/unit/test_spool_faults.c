/* The spool on a disk that fails: each call in turn, once or for a while, with and without a power cut
 * at the end. What was acknowledged is delivered exactly once and in order; what was refused never. */
#include "spool_fixture.h"

#include <errno.h>

/* -- a disk ------------------------------------------------------------------------------------ */

enum call { WRITE, SYNC, TRUNCATE, RENAME, SYNC_FOLDER, CALLS };

#define PAGE      4096
#define PAGES     16
#define FILES_MAX 64

/* What the platter has of a file, and which pages of the cache are newer. After a failed sync they
 * count as written though they are not, as in Linux. */
struct platter {
	ino_t inode;
	char bytes[PAGE * PAGES];
	int64_t size;
	bool dirty[PAGES];
};
struct disk {
	struct platter *files;
	size_t count, cap;
	/* The calls from `from` to `from + times - 1` of this kind fail with errnum. */
	enum call call;
	int from, times, errnum;
	bool partly; /* a write that fails has written half */
	int calls[CALLS];
};

static struct platter *platter_of(struct disk *d, int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	for (size_t i = 0; i < d->count; i++) {
		if (d->files[i].inode == st.st_ino)
			return &d->files[i];
	}
	struct platter *p = PUSH(d->files, d->count, d->cap);
	p->inode = st.st_ino;
	return p;
}

static bool fails(struct disk *d, enum call call)
{
	int number = d->calls[call]++;
	if (call != d->call || number < d->from || number >= d->from + d->times)
		return false;
	errno = d->errnum;
	return true;
}

static void fail_next_syncs(struct disk *d, int times)
{
	d->call = SYNC;
	d->from = d->calls[SYNC];
	d->times = times;
	d->errnum = EIO;
}

static ssize_t disk_write(void *ctx, int fd, const void *bytes, size_t n, int64_t offset)
{
	struct disk *d = ctx;
	bool fail = fails(d, WRITE);
	if (fail && !(d->partly && n > 1))
		return -1;
	/* The half that was written is told; the next call meets the end of the disk. */
	size_t done = fail ? n / 2 : n;
	if (fail)
		d->from++;
	assert_int_equal(pwrite(fd, bytes, done, offset), done);
	struct platter *p = platter_of(d, fd);
	for (int64_t page = offset / PAGE; page <= (offset + (int64_t)done - 1) / PAGE; page++) {
		assert_true(page < PAGES);
		p->dirty[page] = true;
	}
	return (ssize_t)done;
}

static int disk_sync(void *ctx, int fd)
{
	struct disk *d = ctx;
	bool fail = fails(d, SYNC);
	int errnum = errno;
	struct platter *p = platter_of(d, fd);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	for (int i = 0; i < PAGES; i++) {
		if (p->dirty[i] && !fail)
			assert_true(pread(fd, p->bytes + i * PAGE, PAGE, i * PAGE) >= 0);
		p->dirty[i] = false;
	}
	if (!fail)
		p->size = st.st_size;
	errno = errnum;
	return fail ? -1 : 0;
}

static int disk_truncate(void *ctx, int fd, int64_t size)
{
	struct disk *d = ctx;
	if (fails(d, TRUNCATE))
		return -1;
	struct platter *p = platter_of(d, fd);
	/* The kernel zeroes the rest of the last page. */
	if (size % PAGE)
		p->dirty[size / PAGE] = true;
	return ftruncate(fd, size);
}

static int disk_rename(void *ctx, const char *from, const char *to)
{
	return fails(ctx, RENAME) ? -1 : rename(from, to);
}

static int disk_sync_folder(void *ctx, int fd)
{
	return fails(ctx, SYNC_FOLDER) ? -1 : fsync(fd);
}

/* Every file becomes what the platter has of it. */
static void cut_power(struct disk *d, const char *dir)
{
	DIR *folder = opendir(dir);
	for (const struct dirent *entry; (entry = readdir(folder));) {
		struct slice name = slice_of(entry->d_name);
		if (!slice_ends(name, ".open") && !slice_ends(name, ".sealed"))
			continue;
		AUTO_FREE char *path = path_in(dir, entry->d_name);
		int fd = open(path, O_RDWR);
		assert_true(fd >= 0);
		struct platter *p = platter_of(d, fd);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, p->bytes, (size_t)p->size, 0), p->size);
		close(fd);
	}
	closedir(folder);
}

/* -- the model --------------------------------------------------------------------------------- */

struct run {
	struct disk disk;
	struct spool_io io;
	struct buf acknowledged; /* "1:try/0/0 ..." in order */
	int refused;
	int notes;
};

static void note(void *ctx, const char *event, const char *text)
{
	struct run *r = ctx;
	r->notes += strcmp(event, "spool_recovered") == 0;
}

/* Appends calls of one to three records; each that is refused is tried again with another body, so that
 * a body that was refused can be told should it ever appear. */
static void append_some(struct run *r, struct delivery_stream *s, int calls)
{
	for (int i = 0; i < calls; i++) {
		int rc = ERR_BUG;
		for (int try = 0; rc != OK; try++) {
			char body[3][300];
			struct stream_record records[3];
			size_t n = (size_t)i % 3 + 1;
			struct err e = ERR_INIT;
			int64_t first;
			assert_true(try < 50);
			for (size_t j = 0; j < n; j++) {
				snprintf(body[j], sizeof(body[j]), "%d/%d/%zu/%0*d", i, try, j,
					 60 + 40 * (i % 4), 0);
				records[j] =
					(struct stream_record){"tick", slice_of(body[j]), NOON};
			}
			rc = delivery_stream_append(s, records, n, &first, &e);
			if (rc) {
				bool full = r->disk.errnum == ENOSPC;
				assert_int_equal(rc, full ? ERR_LIMIT : ERR_IO);
				r->refused++;
				continue;
			}
			for (size_t j = 0; j < n; j++)
				buf_printf(&r->acknowledged, "%lld:%s ",
					   (long long)first + (long long)j, body[j]);
		}
	}
}

/* false: the fault was never met, so the calls of this kind are all through. */
static bool run_with(enum call call, int from, int times, int errnum, bool partly, bool power)
{
	AUTO_FOLDER char *dir = quick_folder();
	struct run r = {0};
	r.disk.call = call;
	r.disk.from = from;
	r.disk.times = times;
	r.disk.errnum = errnum;
	r.disk.partly = partly;
	r.io = (struct spool_io){disk_write,  disk_sync,        disk_truncate,
				 disk_rename, disk_sync_folder, &r.disk};
	buf_str(&r.acknowledged, "");
	struct spool_options o = {.dir = dir,
				  .mode = SPOOL_APPEND,
				  .segment_bytes = 1500,
				  .io = &r.io,
				  .note = note,
				  .ctx = &r};
	struct delivery_stream *s = open_options(o);
	append_some(&r, s, 24);
	struct err e = ERR_INIT;
	/* What can be read is never more than what is acknowledged. */
	assert_tail(s, r.acknowledged.data);
	bool met = r.disk.calls[call] > from;
	delivery_stream_free(s);
	if (power)
		cut_power(&r.disk, dir);
	r.disk.times = 0;
	s = open_options(o);
	assert_next(s, r.acknowledged.data);
	append_some(&r, s, 2);
	must(delivery_stream_seal(s, true, &e), &e);
	assert_next(s, r.acknowledged.data);
	assert_int_equal(status_of(s).damaged, 0);
	delivery_stream_free(s);
	if (met && errnum == EIO && call <= SYNC)
		assert_true(r.refused > 0 && r.notes > 0);
	buf_free(&r.acknowledged);
	free(r.disk.files);
	return met;
}

static void each_call_fails_in_turn(void **state)
{
	static const int errnums[] = {EIO, ENOSPC};
	static const int lengths[] = {1, 4};
	for (enum call call = 0; call < CALLS; call++) {
		for (int variant = 0; variant < 16; variant++) {
			int times = lengths[variant / 8];
			bool partly = variant & 1, power = variant & 2;
			int errnum = errnums[variant / 4 % 2];
			if (partly && call != WRITE)
				continue;
			int from = 0;
			while (run_with(call, from, times, errnum, partly, power))
				from++;
			assert_true(from > 2);
		}
	}
}

/* -- what the caller sees ---------------------------------------------------------------------- */

static void nothing_is_acknowledged_until_it_has_recovered(void **state)
{
	AUTO_FOLDER char *dir = quick_folder();
	struct run r = {0};
	r.io = (struct spool_io){.sync = disk_sync, .ctx = &r.disk};
	struct delivery_stream *s =
		open_options((struct spool_options){.dir = dir, .mode = SPOOL_APPEND, .io = &r.io});
	append(s, "a");
	fail_next_syncs(&r.disk, 4);
	struct err e = ERR_INIT;
	int64_t seq = 77;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(append_body(s, "never", &seq, &e), ERR_IO);
		assert_int_equal(seq, 77);
		assert_true(status_of(s).failed);
		assert_tail(s, "1:a ");
	}
	assert_int_equal(delivery_stream_seal(s, false, &e), ERR_IO);
	must(delivery_stream_seal(s, false, &e), &e);
	assert_false(status_of(s).failed);
	assert_next(s, "1:a ");
	assert_int_equal(append(s, "b"), 2);
	assert_tail(s, "1:a 2:b ");
	delivery_stream_free(s);
	free(r.disk.files);
}

/* Refused, and the process ends before anything can recover: cut at once, it never comes back. */
static void a_refused_record_does_not_come_back_with_the_next_process(void **state)
{
	AUTO_FOLDER char *dir = quick_folder();
	struct run r = {0};
	r.io = (struct spool_io){.sync = disk_sync, .ctx = &r.disk};
	struct delivery_stream *s =
		open_options((struct spool_options){.dir = dir, .mode = SPOOL_APPEND, .io = &r.io});
	append(s, "a");
	fail_next_syncs(&r.disk, 1);
	struct err e = ERR_INIT;
	int64_t seq;
	assert_int_equal(append_body(s, "never", &seq, &e), ERR_IO);
	delivery_stream_free(s);
	s = open_spool(dir, SPOOL_APPEND);
	assert_next(s, "1:a ");
	delivery_stream_free(s);
	free(r.disk.files);
}

static int no_truncate(void *ctx, int fd, int64_t size)
{
	errno = EIO;
	return -1;
}

/* The cut failed too, so the next process finds whole records in the kernel's cache that are not on
 * the disk, and no sync will bring them there. It may take them, but then for good. */
static void what_recovery_takes_stays(void **state)
{
	AUTO_FOLDER char *dir = quick_folder();
	struct disk disk = {.call = SYNC, .from = 1, .times = 1, .errnum = EIO};
	struct spool_io io = {disk_write, disk_sync, no_truncate, NULL, NULL, &disk};
	struct spool_options o = {
		.dir = dir, .mode = SPOOL_APPEND, .segment_bytes = 20000, .io = &io};
	struct delivery_stream *s = open_options(o);
	AUTO_FREE char *body = mem_alloc(5001);
	memset(body, 'x', 5000);
	struct err e = ERR_INIT;
	int64_t seq;
	append(s, "a");
	assert_int_equal(append_body(s, body, &seq, &e), ERR_IO);
	delivery_stream_free(s);
	io.truncate = disk_truncate;
	s = open_options(o);
	AUTO_FREE char *before = next_text(s, 0);
	assert_true(strlen(before) > 5000);
	delivery_stream_free(s);
	cut_power(&disk, dir);
	s = open_options(o);
	assert_next(s, before);
	delivery_stream_free(s);
	free(disk.files);
}

static ssize_t no_room_for_zeros(void *ctx, int fd, const void *bytes, size_t n, int64_t offset)
{
	const char *p = bytes;
	if (p[0])
		return pwrite(fd, bytes, n, offset);
	errno = ENOSPC;
	return -1;
}

static void room_that_cannot_be_made_ahead_is_no_failure(void **state)
{
	AUTO_FOLDER char *dir = quick_folder();
	struct spool_io io = {.write = no_room_for_zeros};
	struct delivery_stream *s =
		open_options((struct spool_options){.dir = dir, .mode = SPOOL_APPEND, .io = &io});
	append(s, "a");
	append(s, "b");
	seal_now(s);
	append(s, "c");
	assert_tail(s, "1:a 2:b 3:c ");
	assert_next(s, "1:a 2:b ");
	delivery_stream_free(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_fails_in_turn),
		cmocka_unit_test(nothing_is_acknowledged_until_it_has_recovered),
		cmocka_unit_test(a_refused_record_does_not_come_back_with_the_next_process),
		cmocka_unit_test(what_recovery_takes_stays),
		cmocka_unit_test(room_that_cannot_be_made_ahead_is_no_failure),
	};
	return RUN_TESTS("spool faults");
}
