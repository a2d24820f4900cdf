/* Reading a recording: zlib undoes gzip, members after members; lines are cut out of a window of bounded size.
 */
#include "replay_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "file.h"

#define STORED_BYTES ((size_t)256 << 10)
#define WINDOW_BYTES (REPLAY_LINE_MAX + ((size_t)1 << 20))

struct replay_input {
	const char *name;
	const atomic_bool *stop;
	int fd;
	int64_t total;
	bool gzip;
	z_stream z;
	bool z_open;
	bool member_done; /* a gzip member ended; another may follow */
	bool untrusted;   /* what came out of it is not what went in */
	unsigned char *stored;
	size_t stored_at, stored_n;
	int64_t stored_read; /* bytes of the file so far */
	bool stored_end;
	char *window;
	size_t at, end; /* of what is not yet given out */
	bool content_end;
	int64_t line;
	char beginning[128]; /* of a line that is too long, for messages */
	int failure;         /* of the content; told when the lines before it are given out */
	struct err why;
};

/* -- opening ----------------------------------------------------------------------------------- */

static int fail(const struct replay_input *in, int errnum, struct err *e)
{
	err_errno(e, errnum, "cannot read");
	return err_where(e, in->name);
}

static int open_temporary(int *ret, struct err *e)
{
	const char *where = getenv("TMPDIR");
	AUTO_BUF struct buf path = {0};
	buf_printf(&path, "%s/pregao-replay-XXXXXX", where && where[0] ? where : "/tmp");
	int fd = mkostemp(path.data, O_CLOEXEC);
	if (fd < 0) {
		err_errno(e, errno, "cannot make a temporary file");
		return err_where(e, path.data);
	}
	unlink(path.data);
	*ret = fd;
	return OK;
}

static int spool_stdin(struct replay_input *in, struct err *e)
{
	int rc = open_temporary(&in->fd, e);
	while (rc == OK) {
		if (atomic_load(in->stop))
			return err_set(e, ERR_CONFLICT, "interrupted");
		ssize_t n = read(STDIN_FILENO, in->stored, STORED_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(in, errno, e);
		if (n == 0)
			break;
		int errnum = fd_write_all(in->fd, in->stored, (size_t)n);
		if (errnum)
			rc = err_errno(e, errnum, "cannot keep standard input in a temporary file");
	}
	return rc;
}

static int check_kind(struct replay_input *in, struct err *e)
{
	static const struct {
		const char *magic, *what;
	} archives[] = {{"PK\x03\x04", "ZIP"},
			{"\x28\xb5\x2f\xfd", "Zstandard"},
			{"BZh", "bzip2"},
			{"\xfd"
			 "7zXZ",
			 "xz"}};
	char head[8] = "";
	ssize_t n = pread(in->fd, head, sizeof(head), 0);
	if (n < 0)
		return fail(in, errno, e);
	for (size_t i = 0; i < ARRAY_LEN(archives); i++) {
		size_t length = strlen(archives[i].magic);
		if ((size_t)n < length || memcmp(head, archives[i].magic, length) != 0)
			continue;
		err_set(e, ERR_INPUT,
			"the file is packed by %s, expected text or gzip: unpack it first",
			archives[i].what);
		return err_where(e, in->name);
	}
	in->gzip = n >= 2 && memcmp(head, "\x1f\x8b", 2) == 0;
	return OK;
}

static int open_file(struct replay_input *in, const char *path, struct err *e)
{
	struct stat st;
	int rc = OK;
	if (strcmp(path, "-") == 0)
		rc = spool_stdin(in, e);
	else if ((in->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		rc = fail(in, errno, e);
	if (rc)
		return rc;
	if (fstat(in->fd, &st) != 0)
		return fail(in, errno, e);
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_INPUT, "it is no regular file; a pipe can be given as -");
		return err_where(e, in->name);
	}
	in->total = st.st_size;
	rc = check_kind(in, e);
	return rc ? rc : replay_input_rewind(in, e);
}

int replay_input_open(const char *path, const atomic_bool *stop, struct replay_input **ret,
		      struct err *e)
{
	static const atomic_bool never;
	struct replay_input *in = NEW(struct replay_input);
	in->name = strcmp(path, "-") == 0 ? "standard input" : path;
	in->stop = stop ? stop : &never;
	in->fd = -1;
	in->stored = mem_alloc(STORED_BYTES);
	in->window = mem_alloc(WINDOW_BYTES);
	int rc = open_file(in, path, e);
	if (rc)
		replay_input_free(in);
	else
		*ret = in;
	return rc;
}

void replay_input_free(struct replay_input *in)
{
	if (!in)
		return;
	if (in->z_open)
		inflateEnd(&in->z);
	if (in->fd >= 0)
		close(in->fd);
	free(in->stored);
	free(in->window);
	free(in);
}

int replay_input_rewind(struct replay_input *in, struct err *e)
{
	if (lseek(in->fd, 0, SEEK_SET) < 0)
		return fail(in, errno, e);
	if (in->z_open)
		inflateEnd(&in->z);
	in->z_open = false;
	in->z = (z_stream){0};
	if (in->gzip && inflateInit2(&in->z, 15 + 16) != Z_OK)
		return err_set(e, ERR_BUG, "zlib does not start");
	in->z_open = in->gzip;
	in->stored_at = in->stored_n = in->at = in->end = 0;
	in->stored_read = in->line = 0;
	in->stored_end = in->content_end = in->member_done = false;
	in->failure = OK;
	return OK;
}

/* -- content ----------------------------------------------------------------------------------- */

static int read_stored(struct replay_input *in, void *to, size_t most, size_t *ret, struct err *e)
{
	ssize_t n;
	do
		n = read(in->fd, to, most);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(in, errno, e);
	in->stored_read += n;
	in->stored_end = n == 0;
	*ret = (size_t)n;
	return OK;
}

static int damaged(struct replay_input *in, struct err *e)
{
	err_reason(e, "bad_gzip");
	err_where(e, in->name);
	return err_at(e, 0, 0, in->stored_read - (int64_t)(in->stored_n - in->stored_at));
}

/* Behind a member: another one, or zeros up to a block's end, or the end. */
static int next_member(struct replay_input *in, bool *ret_end, struct err *e)
{
	*ret_end = false;
	while (in->stored_at < in->stored_n && in->stored[in->stored_at] == 0)
		in->stored_at++;
	if (in->stored_at == in->stored_n) {
		*ret_end = in->stored_end;
		return OK;
	}
	if (in->stored[in->stored_at] != 0x1f) {
		err_set(e, ERR_INPUT, "the gzip is followed by bytes that are none");
		return damaged(in, e);
	}
	in->member_done = false;
	return inflateReset(&in->z) == Z_OK ? OK : err_set(e, ERR_BUG, "zlib does not start");
}

static int inflate_some(struct replay_input *in, char *to, size_t most, size_t *ret, struct err *e)
{
	*ret = 0;
	while (*ret == 0) {
		bool end = false;
		int rc = OK;
		if (in->stored_at == in->stored_n && !in->stored_end) {
			in->stored_at = in->stored_n = 0;
			rc = read_stored(in, in->stored, STORED_BYTES, &in->stored_n, e);
		}
		if (rc == OK && in->member_done)
			rc = next_member(in, &end, e);
		if (rc || end)
			return rc;
		if (in->member_done)
			continue;
		if (in->stored_at == in->stored_n) {
			err_set(e, ERR_INPUT, "the gzip ends too early");
			return damaged(in, e);
		}
		in->z.next_in = in->stored + in->stored_at;
		in->z.avail_in = (uInt)(in->stored_n - in->stored_at);
		in->z.next_out = (unsigned char *)to;
		in->z.avail_out = (uInt)most;
		int code = inflate(&in->z, Z_NO_FLUSH);
		in->stored_at = in->stored_n - in->z.avail_in;
		*ret = most - in->z.avail_out;
		in->member_done = code == Z_STREAM_END;
		/* What came out before goes first; the next call fails again. */
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR && *ret == 0) {
			err_set(e, ERR_INPUT,
				"the gzip is damaged (%s), so that no part of it can be trusted",
				in->z.msg ? in->z.msg : "inflate");
			in->untrusted = true;
			return damaged(in, e);
		}
	}
	return OK;
}

/* More content behind what the window holds; content_end when there is none. A failure is kept for later.
 */
static void fill(struct replay_input *in)
{
	size_t n = 0;
	if (in->at) {
		memmove(in->window, in->window + in->at, in->end - in->at);
		in->end -= in->at;
		in->at = 0;
	}
	in->why = (struct err)ERR_INIT;
	in->failure = in->gzip ? inflate_some(in, in->window + in->end, WINDOW_BYTES - in->end, &n,
					      &in->why)
			       : read_stored(in, in->window + in->end, WINDOW_BYTES - in->end, &n,
					     &in->why);
	in->end += n;
	in->content_end = in->failure || n == 0;
}

int replay_input_hash(struct replay_input *in, char hex[HASH_HEX_SIZE], struct err *e)
{
	struct hash *hash = hash_new();
	bool stopped = false;
	while (!in->content_end && !stopped) {
		fill(in);
		hash_add(hash, in->window, in->end);
		in->at = in->end;
		stopped = atomic_load(in->stop);
	}
	hash_end_hex(hash, hex);
	if (stopped)
		return err_set(e, ERR_CONFLICT, "interrupted");
	/* An end that comes too early is told by the lines, behind the last whole one. */
	if (in->failure && (in->failure != ERR_INPUT || in->untrusted)) {
		if (e)
			*e = in->why;
		return in->failure;
	}
	return replay_input_rewind(in, e);
}

/* -- lines ------------------------------------------------------------------------------------- */

static int at_end(struct replay_input *in, struct err *e)
{
	if (!in->failure)
		return ERR_NOT_FOUND;
	if (e) {
		*e = in->why;
		e->line = in->line + 1;
	}
	return in->failure;
}

/* Passes over the rest of a line that is too long. */
static void skip_line(struct replay_input *in)
{
	const char *newline = NULL;
	do {
		in->at = in->end;
		fill(in);
		newline = memchr(in->window, '\n', in->end);
	} while (!newline && !in->content_end);
	in->at = newline ? (size_t)(newline - in->window) + 1 : in->end;
}

int replay_input_line(struct replay_input *in, struct replay_text *ret, struct err *e)
{
	const char *newline = NULL;
	size_t searched = 0;
	if (atomic_load(in->stop))
		return err_set(e, ERR_CONFLICT, "interrupted");
	for (;;) {
		const char *begin = in->window + in->at;
		size_t n = in->end - in->at;
		newline = n > searched ? memchr(begin + searched, '\n', n - searched) : NULL;
		searched = n;
		if (newline || in->content_end || n > REPLAY_LINE_MAX)
			break;
		fill(in);
	}
	size_t n = newline ? (size_t)(newline - in->window) - in->at : in->end - in->at;
	/* What stands before a damage without an end of line is half a line. */
	if (!newline && in->content_end && (n == 0 || in->failure))
		return at_end(in, e);
	*ret = (struct replay_text){{in->window + in->at, n}, ++in->line, n > REPLAY_LINE_MAX};
	if (ret->cut)
		ret->text.n = sizeof(in->beginning);
	if (newline)
		in->at += n + 1;
	else if (ret->cut && !in->content_end) {
		/* The text moves: its beginning is all that is wanted of it. */
		memcpy(in->beginning, ret->text.p, sizeof(in->beginning));
		ret->text.p = in->beginning;
		skip_line(in);
	} else
		in->at = in->end;
	if (!ret->cut && ret->text.n && ret->text.p[ret->text.n - 1] == '\r')
		ret->text.n--;
	return OK;
}

struct slice replay_input_ahead(struct replay_input *in, size_t most)
{
	while (in->end - in->at < most && !in->content_end)
		fill(in);
	struct slice ahead = {in->window + in->at, in->end - in->at};
	/* What stands before a damage without an end of line is half a line. */
	if (ahead.n <= most && in->content_end && !in->failure)
		return ahead;
	if (ahead.n > most)
		ahead.n = most;
	const char *newline = ahead.n ? memrchr(ahead.p, '\n', ahead.n) : NULL;
	ahead.n = newline ? (size_t)(newline - ahead.p) + 1 : 0;
	return ahead;
}

int replay_input_rest(struct replay_input *in, struct buf *out, struct err *e)
{
	for (;;) {
		buf_add(out, in->window + in->at, in->end - in->at);
		in->at = in->end;
		if (in->content_end || out->len > REPLAY_DOCUMENT_MAX)
			break;
		fill(in);
	}
	if (in->failure) {
		if (e)
			*e = in->why;
		return in->failure;
	}
	if (out->len > REPLAY_DOCUMENT_MAX || out->full)
		return err_set(e, ERR_LIMIT, "the document is longer than %zu MiB",
			       REPLAY_DOCUMENT_MAX >> 20);
	return OK;
}

void replay_input_progress(const struct replay_input *in, int64_t *ret_done, int64_t *ret_total)
{
	size_t waiting = in->gzip ? in->stored_n - in->stored_at : in->end - in->at;
	*ret_done = in->stored_read - (int64_t)waiting;
	*ret_total = in->total;
}
