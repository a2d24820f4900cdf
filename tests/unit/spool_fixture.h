/* What the tests of the spool share: a folder, handles of every mode on it, texts of what they give. */
#ifndef PREGAO_TESTS_SPOOL_FIXTURE_H
#define PREGAO_TESTS_SPOOL_FIXTURE_H

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "delivery_stream_spool.h"
#include "str.h"

#define NOON 1732381200000000LL

/* A folder in memory where there is such a place: these tests sync thousands of times. */
static inline char *quick_folder(void)
{
	char *path = mem_strdup("/dev/shm/pregao-test-XXXXXX");
	if (mkdtemp(path))
		return path;
	free(path);
	return temporary_folder();
}

static inline void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

static inline struct delivery_stream *open_options(struct spool_options o)
{
	struct err e = ERR_INIT;
	struct delivery_stream *s = NULL;
	o.name = "bitcoin";
	o.clock = o.clock ? o.clock : &clock_system;
	must(delivery_stream_spool_open(&o, &s, &e), &e);
	return s;
}

static inline struct delivery_stream *open_spool(const char *dir, enum spool_mode mode)
{
	return open_options((struct spool_options){.dir = dir, .mode = mode});
}

static inline int append_body(struct delivery_stream *s, const char *body, int64_t *ret,
			      struct err *e)
{
	struct stream_record r = {"tick", slice_of(body), NOON};
	return delivery_stream_append(s, &r, 1, ret, e);
}

static inline int64_t append(struct delivery_stream *s, const char *body)
{
	struct err e = ERR_INIT;
	int64_t seq = -1;
	must(append_body(s, body, &seq, &e), &e);
	return seq;
}

static inline int write_down(void *ctx, const struct stream_entry *entry, struct err *e)
{
	buf_printf(ctx, "%lld:%.*s ", (long long)entry->seq, SLICE_FMT(entry->record.body));
	return 0;
}

/* "1:a 2:b ", to be freed. */
static inline char *tail_text(struct delivery_stream *s, int64_t after)
{
	struct err e = ERR_INIT;
	struct buf out = {0};
	buf_str(&out, "");
	must(delivery_stream_tail(s, after, write_down, &out, &e), &e);
	return buf_take(&out);
}

/* All sealed segments, one after the other. */
static inline char *next_text(struct delivery_stream *s, int64_t after)
{
	struct err e = ERR_INIT;
	struct buf out = {0};
	struct stream_segment segment;
	int rc;
	buf_str(&out, "");
	while ((rc = delivery_stream_next(s, after, write_down, &out, &segment, &e)) == OK) {
		assert_true(segment.last > after);
		after = segment.last;
	}
	assert_int_equal(rc, ERR_NOT_FOUND);
	return buf_take(&out);
}

static inline void assert_tail(struct delivery_stream *s, const char *expected)
{
	AUTO_FREE char *text = tail_text(s, 0);
	assert_string_equal(text, expected);
}

static inline void assert_next(struct delivery_stream *s, const char *expected)
{
	AUTO_FREE char *text = next_text(s, 0);
	assert_string_equal(text, expected);
}

static inline void seal_now(struct delivery_stream *s)
{
	struct err e = ERR_INIT;
	must(delivery_stream_seal(s, true, &e), &e);
}

static inline struct stream_status status_of(struct delivery_stream *s)
{
	struct err e = ERR_INIT;
	struct stream_status st;
	must(delivery_stream_status(s, &st, &e), &e);
	return st;
}

/* The path of the newest file whose name ends so, to be freed; NULL: there is none. */
static inline char *newest_file(const char *dir, const char *end)
{
	AUTO_FREE char *name = NULL;
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (const struct dirent *entry; (entry = readdir(d));) {
		if (slice_ends(slice_of(entry->d_name), end) &&
		    (!name || strcmp(entry->d_name, name) > 0)) {
			free(name);
			name = mem_strdup(entry->d_name);
		}
	}
	closedir(d);
	return name ? path_in(dir, name) : NULL;
}

static inline struct buf read_whole(const char *path)
{
	struct buf bytes = {0};
	struct err e = ERR_INIT;
	must(file_read(path, 1 << 24, &bytes, &e), &e);
	return bytes;
}

static inline void write_whole(const char *path, const char *bytes, size_t n)
{
	unlink(path);
	struct err e = ERR_INIT;
	must(file_create(path, bytes, n, false, &e), &e);
}

#endif
