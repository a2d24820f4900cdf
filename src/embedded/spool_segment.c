/* Spool segments: the bytes, and the scan that finds the good records among them.
 *
 * All numbers are little-endian. A segment is a header, then records without space between them,
 * then zeros (room made ahead while it is open, which spares the file system's journal at each
 * sync).
 *
 *   header   0  8  "\xffPREGAO\n"
 *            8  4  version, 1
 *           12  4  zero
 *           16  8  number of the first record
 *           24  4  zero
 *           28  4  CRC-32C of bytes 0 to 27
 *
 *   record   0  4  "\xff\xa5R\n": no UTF-8, so no text holds one
 *            4  4  bytes of the body, 1 to STREAM_RECORD_MAX
 *            8  8  number: one more than the record before
 *           16  8  when it was appended, µs since 1970
 *           24  8  when it happened, the same
 *           32 16  kind, filled up with zeros
 *           48  4  CRC-32C of the body
 *           52  4  CRC-32C of bytes 0 to 51
 *           56     body
 *
 * The head of a record has a CRC of its own: a length is believed only after that, and a damaged
 * body costs one record. Where a head is damaged the scan looks for the next one byte by byte; it
 * takes one only if head, body and number are right, and between two good records there cannot be
 * more numbers missing than the bytes between them could have held. */
#include "spool_segment.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"

#define VERSION      1
#define WINDOW_BYTES ((size_t)256 << 10)
static const char header_magic[8] = "\xffPREGAO\n";
static const char record_magic[4] = "\xff\xa5R\n";

static void put32(char *to, uint32_t v)
{
	v = htole32(v);
	memcpy(to, &v, sizeof(v));
}

static void put64(char *to, int64_t v)
{
	uint64_t u = htole64((uint64_t)v);
	memcpy(to, &u, sizeof(u));
}

static uint32_t get32(const char *from)
{
	uint32_t v;
	memcpy(&v, from, sizeof(v));
	return le32toh(v);
}

static int64_t get64(const char *from)
{
	uint64_t v;
	memcpy(&v, from, sizeof(v));
	return (int64_t)le64toh(v);
}

/* -- making ------------------------------------------------------------------------------------ */

void segment_header(char out[SEGMENT_HEADER_BYTES], int64_t first)
{
	memset(out, 0, SEGMENT_HEADER_BYTES);
	memcpy(out, header_magic, sizeof(header_magic));
	put32(out + 8, VERSION);
	put64(out + 16, first);
	put32(out + 28, crc32c(out, 28));
}

char *segment_encode(char *to, const struct stream_record *r)
{
	memset(to, 0, SEGMENT_RECORD_BYTES);
	memcpy(to, record_magic, sizeof(record_magic));
	put32(to + 4, (uint32_t)r->body.n);
	put64(to + 24, r->event_us);
	memcpy(to + 32, r->kind, strlen(r->kind));
	put32(to + 48, crc32c(r->body.p, r->body.n));
	memcpy(to + SEGMENT_RECORD_BYTES, r->body.p, r->body.n);
	return to + SEGMENT_RECORD_BYTES + r->body.n;
}

void segment_stamp(char *records, size_t bytes, int64_t first, int64_t at_us)
{
	int64_t i = 0;
	for (char *r = records; r < records + bytes; r += SEGMENT_RECORD_BYTES + get32(r + 4)) {
		put64(r + 8, first + i++);
		put64(r + 16, at_us);
		put32(r + 52, crc32c(r, 52));
	}
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A part of the file in memory. */
struct window {
	int fd;
	int64_t size; /* of the file, as far as is looked */
	int64_t at;   /* offset of bytes[0] */
	char *bytes;
	size_t n, cap;
};

/* Makes the window hold `wanted` bytes from offset on, or all there are. */
static int look_at(struct window *w, int64_t offset, size_t wanted, const char **ret, size_t *ret_n,
		   struct err *e)
{
	int64_t skip = offset - w->at;
	if (skip < 0 || skip > (int64_t)w->n) {
		w->n = 0;
		skip = 0;
	}
	if (w->n - (size_t)skip < wanted && offset + (int64_t)w->n - skip < w->size) {
		if (w->cap < wanted || !w->bytes) {
			w->cap = wanted > WINDOW_BYTES ? wanted : WINDOW_BYTES;
			w->bytes = mem_grow(w->bytes, w->cap, 1);
		}
		w->n -= (size_t)skip;
		memmove(w->bytes, w->bytes + skip, w->n);
		w->at = offset;
		skip = 0;
		while (w->n < w->cap && w->at + (int64_t)w->n < w->size) {
			int64_t left = w->size - w->at - (int64_t)w->n;
			size_t room = w->cap - w->n;
			ssize_t n = pread(w->fd, w->bytes + w->n,
					  (int64_t)room < left ? room : (size_t)left,
					  w->at + (int64_t)w->n);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return err_errno(e, errno, "cannot read the spool's segment");
			if (n == 0)
				w->size = w->at + (int64_t)w->n; /* it was cut meanwhile */
			w->n += (size_t)n;
		}
	}
	*ret = w->n ? w->bytes + skip : "";
	*ret_n = w->n - (size_t)skip;
	return OK;
}

/* What stands at an offset: OK and a record; ERR_NOT_FOUND when there is none, and how many bytes
 * cannot hold another one. */
struct place {
	struct stream_entry entry;
	char kind[STREAM_KIND_MAX + 1];
	int64_t bytes;
};

static int read_record(struct window *w, int64_t at, int64_t lowest, int64_t highest,
		       struct place *ret, struct err *e)
{
	const char *p;
	size_t n;
	int rc = look_at(w, at, SEGMENT_RECORD_BYTES, &p, &n, e);
	if (rc)
		return rc;
	ret->bytes = 1;
	if (n < SEGMENT_RECORD_BYTES || memcmp(p, record_magic, sizeof(record_magic)) != 0 ||
	    crc32c(p, 52) != get32(p + 52))
		return ERR_NOT_FOUND;
	uint32_t body = get32(p + 4);
	int64_t seq = get64(p + 8);
	if (body == 0 || body > STREAM_RECORD_MAX || seq < lowest || seq > highest)
		return ERR_NOT_FOUND;
	ret->bytes = SEGMENT_RECORD_BYTES + (int64_t)body;
	rc = look_at(w, at, (size_t)ret->bytes, &p, &n, e);
	if (rc)
		return rc;
	if ((int64_t)n < ret->bytes || crc32c(p + SEGMENT_RECORD_BYTES, body) != get32(p + 48))
		return ERR_NOT_FOUND;
	memcpy(ret->kind, p + 32, STREAM_KIND_MAX);
	ret->kind[STREAM_KIND_MAX] = '\0';
	ret->entry = (struct stream_entry){
		.seq = seq,
		.at_us = get64(p + 16),
		.record = {.kind = ret->kind,
			   .body = {p + SEGMENT_RECORD_BYTES, body},
			   .event_us = get64(p + 24)},
	};
	return OK;
}

/* The offset from `at` on where the next record may begin, the file's size when there is none. */
static int find_magic(struct window *w, int64_t at, int64_t *ret, struct err *e)
{
	for (;;) {
		const char *p;
		size_t n;
		int rc = look_at(w, at, sizeof(record_magic), &p, &n, e);
		if (rc)
			return rc;
		if (n < sizeof(record_magic)) {
			*ret = w->size;
			return OK;
		}
		const char *found = memmem(p, n, record_magic, sizeof(record_magic));
		if (found) {
			*ret = at + (found - p);
			return OK;
		}
		at += (int64_t)(n - sizeof(record_magic) + 1);
	}
}

/* Where the last byte that is not zero ends, from `from` on. */
static int find_end(struct window *w, int64_t from, int64_t *ret, struct err *e)
{
	*ret = from;
	for (int64_t at = from;;) {
		const char *p;
		size_t n;
		int rc = look_at(w, at, 1, &p, &n, e);
		if (rc || n == 0)
			return rc;
		for (size_t i = n; i > 0; i--) {
			if (p[i - 1]) {
				*ret = at + (int64_t)i;
				break;
			}
		}
		at += (int64_t)n;
	}
}

/* OK, or ERR_NOT_FOUND when there is no sound header. */
static int read_header(struct window *w, int64_t first, struct err *e)
{
	const char *p;
	size_t n;
	int rc = look_at(w, 0, SEGMENT_HEADER_BYTES, &p, &n, e);
	if (rc)
		return rc;
	if (n < SEGMENT_HEADER_BYTES || memcmp(p, header_magic, sizeof(header_magic)) != 0 ||
	    crc32c(p, 28) != get32(p + 28))
		return ERR_NOT_FOUND;
	if (get32(p + 8) != VERSION)
		return err_set(e, ERR_INPUT, "the spool's segment is of version %u, expected %d",
			       get32(p + 8), VERSION);
	return get64(p + 16) == first ? OK : ERR_NOT_FOUND;
}

static int scan(const struct segment_scan *s, struct window *w, struct segment_found *found,
		struct err *e)
{
	int64_t at = 0, damaged_from = -1, looked_again = -1;
	int rc = read_header(w, s->first, e);
	if (rc == OK)
		at = found->end = SEGMENT_HEADER_BYTES;
	else if (rc == ERR_NOT_FOUND)
		damaged_from = 0;
	else
		return rc;
	while (at < w->size) {
		struct place place;
		int64_t lost = damaged_from < 0 ? 0
						: (at - damaged_from) / (SEGMENT_RECORD_BYTES + 1);
		int64_t highest = found->last + 1 + lost;
		if (s->last && highest > s->last)
			highest = s->last;
		rc = read_record(w, at, found->last + 1, highest, &place, e);
		if (rc == ERR_NOT_FOUND && s->live && looked_again != at) {
			/* The window may hold an older state of this place than of what follows. */
			looked_again = at;
			w->n = 0;
			continue;
		}
		if (rc == ERR_NOT_FOUND) {
			if (damaged_from < 0)
				damaged_from = at;
			rc = find_magic(w, at + place.bytes, &at, e);
			if (rc)
				return rc;
			continue;
		}
		if (rc == OK && damaged_from >= 0 && s->damaged)
			rc = s->damaged(s->ctx, damaged_from, at - damaged_from, e);
		if (rc == OK && s->entry)
			rc = s->entry(s->ctx, &place.entry, e);
		if (rc)
			return rc;
		damaged_from = -1;
		found->records++;
		found->last = place.entry.seq;
		at += place.bytes;
		found->end = at;
	}
	return find_end(w, found->end, &found->rubbish_end, e);
}

int segment_scan(const struct segment_scan *s, struct segment_found *ret, struct err *e)
{
	struct stat st;
	if (fstat(s->fd, &st) != 0)
		return err_errno(e, errno, "cannot read the spool's segment");
	struct window w = {.fd = s->fd, .size = st.st_size};
	if (s->size >= 0 && s->size < w.size)
		w.size = s->size;
	*ret = (struct segment_found){.last = s->first - 1};
	int rc = scan(s, &w, ret, e);
	free(w.bytes);
	return rc;
}
