/* Whole files: reading with a ceiling, creating, syncing. Trees of folders are in file_tree.c,
 * locks in file_lock.c. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

#define READ_STEP_BYTES ((size_t)64 << 10)

/* Reads to the end, straight into the buffer's own memory: files may be large. */
static int read_all(int fd, size_t size_hint, size_t ceiling_bytes, struct buf *out, struct err *e)
{
	size_t had = out->len;
	for (size_t step = size_hint + 1;; step = READ_STEP_BYTES) {
		size_t left = ceiling_bytes - (out->len - had);
		/* One byte more than is allowed, to tell a file that ends at the ceiling from one
		 * that goes on. */
		size_t wanted = step <= left ? step : left + 1;
		if (out->cap - out->len < wanted + 1) {
			size_t cap = out->len + wanted + 1;
			if (cap < out->cap * 2)
				cap = out->cap * 2;
			out->data = mem_grow(out->data, cap, 1);
			out->cap = cap;
		}
		ssize_t n = read(fd, out->data + out->len, wanted);
		if (n < 0 && errno == EINTR)
			continue;
		int errnum = errno;
		size_t got = n > 0 ? (size_t)n : 0;
		if (got > left) {
			out->data[out->len] = 0;
			return err_set(e, ERR_LIMIT, "the file is longer than %zu bytes",
				       ceiling_bytes);
		}
		out->len += got;
		out->data[out->len] = 0;
		if (n < 0)
			return err_errno(e, errnum, "cannot read the file");
		if (n == 0)
			return OK;
	}
}

int file_read(const char *path, size_t ceiling_bytes, struct buf *out, struct err *e)
{
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_errno(e, errno, "cannot open the file");
		return err_where(e, path);
	}
	if (ceiling_bytes > SIZE_MAX / 4)
		ceiling_bytes = SIZE_MAX / 4;
	struct stat st;
	int rc;
	if (fstat(fd, &st) != 0)
		rc = err_errno(e, errno, "cannot read the file");
	else if (S_ISDIR(st.st_mode))
		rc = err_set(e, ERR_INPUT, "this is a folder, expected a file");
	else {
		size_t hint = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size
								    : READ_STEP_BYTES;
		rc = read_all(fd, hint < ceiling_bytes ? hint : ceiling_bytes, ceiling_bytes, out,
			      e);
	}
	if (!standard_input)
		close(fd);
	return rc < 0 ? err_where(e, standard_input ? "standard input" : path) : OK;
}

int fd_write_all(int fd, const void *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t done = write(fd, (const char *)bytes + at, n - at);
		if (done < 0 && errno != EINTR)
			return errno;
		if (done > 0)
			at += (size_t)done;
	}
	return 0;
}

int file_create(const char *path, const void *bytes, size_t n, bool durable, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		err_errno(e, errno, "cannot create the file");
		return err_where(e, path);
	}
	int errnum = fd_write_all(fd, bytes, n);
	if (!errnum && durable && fsync(fd) != 0)
		errnum = errno;
	if (close(fd) != 0 && !errnum)
		errnum = errno;
	if (!errnum)
		return OK;
	unlink(path);
	err_errno(e, errnum, "cannot write the file");
	return err_where(e, path);
}

int file_fsync(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int errnum = 0;
	if (fd < 0 || fsync(fd) != 0)
		errnum = errno;
	if (fd >= 0)
		close(fd);
	if (!errnum)
		return OK;
	err_errno(e, errnum, "cannot sync to the disk");
	return err_where(e, path);
}
