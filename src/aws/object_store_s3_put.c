/* Writing to S3: whole objects, large ones in parts, copies within the bucket. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "object_store_s3_private.h"
#include "xml.h"

#define PARTS_MAX       10000
#define COPY_PART_BYTES (INT64_C(512) << 20)
#define MARK_SIZE       33

/* What tells this put from any other of the same bytes. */
static int make_mark(char mark[MARK_SIZE], struct err *e)
{
	unsigned char bytes[(MARK_SIZE - 1) / 2];
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_errno(e, errno, "no random bytes");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(mark + 2 * i, 3, "%02x", bytes[i]);
	return OK;
}

/* An earlier try may have done it although its answer was lost: then the object has our mark. Whether
 * there was one cannot be told: libcurl sends again by itself when a kept connection dies. */
static int was_it_ours(const struct s3 *s, const char *key, const char *mark, int refusal,
		       struct err *e)
{
	struct object_info info;
	struct err again = ERR_INIT;
	bool ours = false;
	int rc = s3_head_marked(s, key, mark, &info, &ours, &again);
	if (rc == OK && ours)
		return OK;
	if (rc && rc != ERR_NOT_FOUND && e)
		*e = again;
	return rc && rc != ERR_NOT_FOUND ? rc : refusal;
}

static int put_whole(const struct s3 *s, const struct object_put *item, struct slice bytes,
		     struct err *e)
{
	struct s3_ask ask = {
		.action = "s3:PutObject", .method = "PUT", .key = item->key, .body = bytes};
	struct aws_answer answer = {0};
	char mark[MARK_SIZE] = "";
	if (item->if_absent) {
		int rc = make_mark(mark, e);
		if (rc)
			return rc;
		s3_header(&ask, "If-None-Match", "*");
		s3_header(&ask, S3_MARK, mark);
	}
	int rc = s3_call(s, &ask, &answer, e);
	if (rc == ERR_CONFLICT && item->if_absent)
		rc = was_it_ours(s, item->key, mark, rc, e);
	aws_answer_clear(&answer);
	return rc;
}

/* -- in parts ---------------------------------------------------------------------------------- */

struct upload {
	const struct s3 *s3;
	const char *key;
	struct slice bytes;    /* either these, */
	int fd;                /* or a file, when not negative, */
	const char *copy_from; /* or another object: "/bucket/key", encoded */
	int64_t size, part_bytes;
	char *id;
	char (*etags)[80]; /* of each part, with quotes */
};

static int read_part(const struct upload *u, int64_t offset, size_t n, char *to, struct err *e)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(u->fd, to + done, n - done, offset + (int64_t)done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, errno, "cannot read the file to put");
		if (got == 0)
			return err_set(e, ERR_IO, "the local file was cut while it was read");
		done += (size_t)got;
	}
	return OK;
}

static int put_part(void *ctx, size_t i, struct err *e)
{
	struct upload *u = ctx;
	int64_t offset = (int64_t)i * u->part_bytes;
	int64_t n = u->size - offset < u->part_bytes ? u->size - offset : u->part_bytes;
	AUTO_FREE char *block = NULL;
	char number[24], range[64];
	struct aws_answer answer = {0};
	struct s3_ask ask = {.action = "s3:PutObject", .method = "PUT", .key = u->key};
	snprintf(number, sizeof(number), "%zu", i + 1);
	s3_query(&ask, "partNumber", number);
	s3_query(&ask, "uploadId", u->id);
	int rc = OK;
	if (u->copy_from) {
		snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)offset,
			 (long long)(offset + n - 1));
		s3_header(&ask, "x-amz-copy-source", u->copy_from);
		s3_header(&ask, "x-amz-copy-source-range", range);
		ask.error_in_200 = true;
	} else if (u->fd >= 0) {
		block = mem_alloc((size_t)n);
		rc = read_part(u, offset, (size_t)n, block, e);
		ask.body = (struct slice){block, (size_t)n};
	} else {
		ask.body = (struct slice){u->bytes.p + offset, (size_t)n};
	}
	if (rc == OK)
		rc = s3_call(u->s3, &ask, &answer, e);
	if (rc == OK && u->copy_from) {
		AUTO_ARENA struct arena *arena = arena_new();
		const struct xml *root;
		rc = xml_parse(slice_trim(buf_slice(&answer.http.body)), arena, &root, e);
		if (rc == OK)
			snprintf(u->etags[i], sizeof(u->etags[i]), "%s", xml_text(root, "ETag"));
	} else if (rc == OK) {
		http_header(&answer.http, "etag", u->etags[i], sizeof(u->etags[i]));
	}
	if (rc == OK && !u->etags[i][0])
		rc = err_set(e, ERR_INPUT, "S3 gave no ETag for a part");
	aws_answer_clear(&answer);
	return rc;
}

static int begin(struct upload *u, const char *mark, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const struct xml *root;
	struct aws_answer answer = {0};
	struct s3_ask ask = {
		.action = "s3:PutObject", .method = "POST", .key = u->key, .error_in_200 = true};
	s3_query(&ask, "uploads", "");
	s3_header(&ask, S3_MARK, mark);
	int rc = s3_call(u->s3, &ask, &answer, e);
	if (rc == OK)
		rc = xml_parse(slice_trim(buf_slice(&answer.http.body)), arena, &root, e);
	if (rc == OK)
		u->id = mem_strdup(xml_text(root, "UploadId"));
	if (rc == OK && !u->id[0])
		rc = err_set(e, ERR_INPUT, "S3 gave no UploadId");
	aws_answer_clear(&answer);
	return rc;
}

static int complete(struct upload *u, size_t parts, bool if_absent, const char *mark, struct err *e)
{
	AUTO_BUF struct buf body = {0};
	struct aws_answer answer = {0};
	buf_str(&body, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < parts; i++) {
		buf_printf(&body, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
		xml_escape(u->etags[i], &body);
		buf_str(&body, "</ETag></Part>");
	}
	buf_str(&body, "</CompleteMultipartUpload>");
	struct s3_ask ask = {.action = "s3:PutObject",
			     .method = "POST",
			     .key = u->key,
			     .body = buf_slice(&body),
			     .error_in_200 = true};
	s3_query(&ask, "uploadId", u->id);
	s3_header(&ask, "Content-Type", "application/xml");
	if (if_absent)
		s3_header(&ask, "If-None-Match", "*");
	int rc = s3_call(u->s3, &ask, &answer, e);
	if (rc == ERR_CONFLICT || rc == ERR_NOT_FOUND)
		rc = was_it_ours(u->s3, u->key, mark, rc, e);
	aws_answer_clear(&answer);
	return rc;
}

/* Parts of an upload that was given up cost money until they are told to go. What cannot be told is
 * left to the bucket's lifecycle rule. */
static void give_up(const struct upload *u)
{
	struct aws_answer answer = {0};
	struct s3_ask ask = {
		.action = "s3:AbortMultipartUpload", .method = "DELETE", .key = u->key};
	s3_query(&ask, "uploadId", u->id);
	int rc = s3_call(u->s3, &ask, &answer, NULL);
	(void)rc;
	aws_answer_clear(&answer);
}

static int put_parts(struct upload *u, bool if_absent, struct err *e)
{
	char mark[MARK_SIZE];
	int rc = make_mark(mark, e);
	if (rc == OK)
		rc = begin(u, mark, e);
	if (rc == OK) {
		while (u->size > u->part_bytes * PARTS_MAX)
			u->part_bytes *= 2;
		size_t parts = (size_t)((u->size + u->part_bytes - 1) / u->part_bytes);
		u->etags = mem_array(parts, sizeof(u->etags[0]));
		rc = parallel_for(parts, u->s3->threads, put_part, u, e);
		if (rc == OK)
			rc = complete(u, parts, if_absent, mark, e);
		if (rc)
			give_up(u);
	}
	free(u->etags);
	free(u->id);
	return rc;
}

/* -- putting ----------------------------------------------------------------------------------- */

static int put_file(const struct s3 *s, const struct object_put *item, int fd, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_errno(e, errno, "cannot read the file to put");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "this is no file");
	struct upload u = {.s3 = s,
			   .key = item->key,
			   .fd = fd,
			   .size = st.st_size,
			   .part_bytes = S3_PART_BYTES};
	if (u.size >= S3_LARGE_BYTES)
		return put_parts(&u, item->if_absent, e);
	AUTO_FREE char *bytes = mem_alloc((size_t)u.size);
	int rc = read_part(&u, 0, (size_t)u.size, bytes, e);
	return rc ? rc : put_whole(s, item, (struct slice){bytes, (size_t)u.size}, e);
}

static int put_one(const struct s3 *s, const struct object_put *item, struct err *e)
{
	if (item->path) {
		int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		int rc = fd < 0 ? err_errno(e, errno, "cannot read the file to put")
				: put_file(s, item, fd, e);
		if (fd >= 0)
			close(fd);
		return rc ? err_where(e, item->path) : OK;
	}
	if ((int64_t)item->bytes.n < S3_LARGE_BYTES)
		return put_whole(s, item, item->bytes, e);
	struct upload u = {.s3 = s,
			   .key = item->key,
			   .bytes = item->bytes,
			   .fd = -1,
			   .size = (int64_t)item->bytes.n,
			   .part_bytes = S3_PART_BYTES};
	return put_parts(&u, item->if_absent, e);
}

struct put_batch {
	const struct s3 *s3;
	struct object_put *items;
};

static int put_nth(void *ctx, size_t i, struct err *e)
{
	struct put_batch *b = ctx;
	return b->items[i].code = put_one(b->s3, &b->items[i], e);
}

int s3_put_many(struct object_store *store, struct object_put *items, size_t n, struct err *e)
{
	struct put_batch b = {(struct s3 *)store, items};
	return parallel_for(n, b.s3->threads, put_nth, &b, e);
}

/* -- copying ----------------------------------------------------------------------------------- */

int s3_copy(struct object_store *store, const char *from, const char *to, struct err *e)
{
	const struct s3 *s = (struct s3 *)store;
	struct object_info info;
	/* S3 refuses to copy an object onto itself; it is there already. */
	if (strcmp(from, to) == 0)
		return s3_head_marked(s, from, NULL, &info, NULL, e);
	AUTO_BUF struct buf source = {0};
	buf_char(&source, '/');
	sigv4_encode(slice_of(s->bucket), false, &source);
	buf_char(&source, '/');
	sigv4_encode(slice_of(s->prefix), true, &source);
	sigv4_encode(slice_of(from), true, &source);
	struct aws_answer answer = {0};
	struct s3_ask ask = {
		.action = "s3:PutObject", .method = "PUT", .key = to, .error_in_200 = true};
	s3_header(&ask, "x-amz-copy-source", source.data);
	int rc = s3_call(s, &ask, &answer, e);
	/* Over 5 GB it is refused, with a name that many things have. */
	bool maybe_large = rc == ERR_INPUT && strcmp(answer.problem.name, "InvalidRequest") == 0;
	aws_answer_clear(&answer);
	if (!maybe_large)
		return rc;
	struct err why = ERR_INIT;
	if (s3_head_marked(s, from, NULL, &info, NULL, &why) != OK ||
	    info.size_bytes <= COPY_PART_BYTES)
		return rc;
	struct upload u = {.s3 = s,
			   .key = to,
			   .fd = -1,
			   .copy_from = source.data,
			   .size = info.size_bytes,
			   .part_bytes = COPY_PART_BYTES};
	return put_parts(&u, false, e);
}
