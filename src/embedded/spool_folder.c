/* The folder of a spool: listing it though segments are sealed and forgotten meanwhile, which stream it is, and
 * setting damaged bytes aside. */
#include "spool_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "delivery_stream.h"
#include "file.h"
#include "mem.h"
#include "str.h"
#include "value.h"

#define NUMBER_MAX    INT64_C(1000000000000000000) /* no overflow near it */
#define DIGITS        20
#define TRIES_MAX     100
#define COPY_BYTES    65536
#define ASIDE_STAGE   ".new"
#define LIFE_FILE_MAX 4096

char *spool_path(const char *dir, int64_t first, int64_t last)
{
	struct buf path = {0};
	if (last)
		buf_printf(&path, "%s/%020" PRId64 "-%020" PRId64 ".sealed", dir, first, last);
	else
		buf_printf(&path, "%s/%020" PRId64 ".open", dir, first);
	return buf_take(&path);
}

char *spool_lock_path(const char *dir)
{
	struct buf path = {0};
	buf_printf(&path, "%s/lock", dir);
	return buf_take(&path);
}

/* -- listing ----------------------------------------------------------------------------------- */

static bool take_number(struct slice *name, int64_t *ret)
{
	if (name->n < DIGITS || name->p[0] == '-' ||
	    !int64_parse((struct slice){name->p, DIGITS}, ret))
		return false;
	name->p += DIGITS;
	name->n -= DIGITS;
	return *ret > 0 && *ret <= NUMBER_MAX;
}

static bool parse_name(const char *text, struct spool_file *ret)
{
	struct slice name = slice_of(text);
	*ret = (struct spool_file){0};
	if (!take_number(&name, &ret->first))
		return false;
	if (slice_is(name, ".open"))
		return true;
	if (!slice_starts(name, "-"))
		return false;
	name.p++;
	name.n--;
	return take_number(&name, &ret->last) && slice_is(name, ".sealed") &&
	       ret->last >= ret->first;
}

/* By first number; of two names of one segment, the one that is seen while it is renamed before the
 * other, the sealed one comes first. */
static int by_first(const void *a, const void *b)
{
	const struct spool_file *x = a, *y = b;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->last == 0) - (y->last == 0);
}

static int list_once(const char *dir, struct spool_file **ret, size_t *ret_count, struct err *e)
{
	struct spool_file *files = NULL;
	size_t count = 0, cap = 0;
	*ret = NULL;
	*ret_count = 0;
	DIR *d = opendir(dir);
	if (!d && errno == ENOENT)
		return OK;
	if (!d) {
		err_errno(e, errno, "cannot list the spool");
		return err_where(e, dir);
	}
	int errnum = 0;
	while (!errnum) {
		errno = 0;
		const struct dirent *entry = readdir(d);
		if (!entry) {
			errnum = errno;
			break;
		}
		struct spool_file file;
		struct stat st;
		if (!parse_name(entry->d_name, &file))
			continue;
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			file.bytes = st.st_size;
			*PUSH(files, count, cap) = file;
		} else if (errno != ENOENT) {
			errnum = errno;
		}
	}
	closedir(d);
	if (errnum) {
		free(files);
		err_errno(e, errnum, "cannot list the spool");
		return err_where(e, dir);
	}
	if (!files)
		return OK;
	qsort(files, count, sizeof(*files), by_first);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || files[kept - 1].first != files[i].first)
			files[kept++] = files[i];
	}
	*ret = files;
	*ret_count = kept;
	return OK;
}

static bool same_segments(const struct spool_file *a, size_t na, const struct spool_file *b,
			  size_t nb)
{
	if (na != nb)
		return false;
	for (size_t i = 0; i < na; i++) {
		if (a[i].first != b[i].first || a[i].last != b[i].last)
			return false;
	}
	return true;
}

/* While a file is renamed a listing may show neither its old name nor its new one, so it is made
 * until two agree. */
int spool_list(const char *dir, struct spool_file **ret, size_t *ret_count, struct err *e)
{
	struct spool_file *before;
	size_t before_count;
	*ret = NULL;
	*ret_count = 0;
	int rc = list_once(dir, &before, &before_count, e);
	for (int tries = 0; rc == OK; tries++) {
		rc = list_once(dir, ret, ret_count, e);
		bool same = rc == OK && same_segments(before, before_count, *ret, *ret_count);
		free(before);
		if (same || rc)
			return rc;
		if (tries == TRIES_MAX) {
			free(*ret);
			err_set(e, ERR_RETRY, "the spool changes faster than it can be listed");
			return err_where(e, dir);
		}
		before = *ret;
		before_count = *ret_count;
	}
	return rc;
}

/* -- which stream it is ------------------------------------------------------------------------ */

static char *life_path(const char *dir)
{
	struct buf path = {0};
	buf_printf(&path, "%s/life", dir);
	return buf_take(&path);
}

int spool_life(const char *dir, int64_t *ret, struct err *e)
{
	AUTO_FREE char *path = life_path(dir);
	AUTO_BUF struct buf text = {0};
	*ret = 0;
	int rc = file_read(path, LIFE_FILE_MAX, &text, e);
	if (rc == ERR_NOT_FOUND)
		return OK;
	struct slice rest = buf_slice(&text);
	if (rc == OK && !stream_life_parse(slice_cut(&rest, '\n'), ret)) {
		rc = err_set(
			e, ERR_INPUT,
			"the file that tells which stream this is has to be 16 hexadecimal digits");
		err_where(e, path);
	}
	return rc;
}

int spool_set_life(const char *dir, int64_t life, struct err *e)
{
	AUTO_FREE char *path = life_path(dir);
	AUTO_BUF struct buf staged = {0};
	char text[STREAM_LIFE_SIZE + 1];
	stream_life_format(life, text);
	text[STREAM_LIFE_SIZE - 1] = '\n';
	buf_printf(&staged, "%s.new", path);
	/* A dead writer's. */
	unlink(staged.data);
	int rc = file_create(staged.data, text, STREAM_LIFE_SIZE, true, e);
	if (rc)
		return rc;
	if (rename(staged.data, path) != 0) {
		err_errno(e, errno, "cannot name the file that tells which stream this is");
		return err_where(e, path);
	}
	return file_fsync_folder_of(path, e);
}

/* -- setting aside ----------------------------------------------------------------------------- */

static char *aside_folder(const char *dir)
{
	struct buf path = {0};
	buf_printf(&path, "%s/damaged", dir);
	return buf_take(&path);
}

static int copy_stretch(int from, int64_t offset, int64_t bytes, int to)
{
	AUTO_FREE char *block = mem_alloc(COPY_BYTES);
	while (bytes > 0) {
		ssize_t n =
			pread(from, block, bytes < COPY_BYTES ? (size_t)bytes : COPY_BYTES, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : 0;
		int errnum = fd_write_all(to, block, (size_t)n);
		if (errnum)
			return errnum;
		offset += n;
		bytes -= n;
	}
	return 0;
}

static int copy_aside(int fd, int64_t offset, int64_t bytes, const char *staged, const char *path,
		      struct err *e)
{
	int to = open(staged, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int errnum = to < 0 ? errno : copy_stretch(fd, offset, bytes, to);
	if (!errnum && fsync(to) != 0)
		errnum = errno;
	if (to >= 0 && close(to) != 0 && !errnum)
		errnum = errno;
	if (!errnum && rename(staged, path) != 0)
		errnum = errno;
	if (!errnum)
		return file_fsync_folder_of(path, e);
	if (to >= 0)
		unlink(staged);
	err_errno(e, errnum, "cannot set damaged bytes of the spool aside");
	return err_where(e, path);
}

int spool_set_aside(const char *dir, int fd, int64_t first, int64_t offset, int64_t bytes,
		    const char *reason, bool *ret_new, struct err *e)
{
	AUTO_FREE char *folder = aside_folder(dir);
	AUTO_BUF struct buf path = {0};
	AUTO_BUF struct buf staged = {0};
	buf_printf(&path, "%s/%020" PRId64 "-%" PRId64 "-%" PRId64 ".%s", folder, first, offset,
		   bytes, reason);
	/* The deliverer and the producer may find the same damage at the same time. */
	buf_printf(&staged, "%s/%d" ASIDE_STAGE, folder, (int)getpid());
	*ret_new = false;
	if (access(path.data, F_OK) == 0)
		return OK;
	int rc = file_mkdirs(folder, true, e);
	if (rc == OK)
		rc = copy_aside(fd, offset, bytes, staged.data, path.data, e);
	*ret_new = rc == OK;
	return rc;
}

struct aside {
	int64_t count, bytes;
};

static int add_aside(void *ctx, const char *name, int64_t bytes)
{
	struct aside *a = ctx;
	if (slice_ends(slice_of(name), ASIDE_STAGE))
		return 0;
	a->count++;
	a->bytes += bytes;
	return 0;
}

int spool_count_aside(const char *dir, int64_t *ret_count, int64_t *ret_bytes, struct err *e)
{
	AUTO_FREE char *folder = aside_folder(dir);
	struct aside a = {0};
	int rc = file_walk(folder, add_aside, &a, e);
	*ret_count = a.count;
	*ret_bytes = a.bytes;
	return rc;
}
