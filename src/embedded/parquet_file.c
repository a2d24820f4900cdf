/* The Parquet format for small files, as github.com/apache/parquet-format describes it: plain values
 * in Snappy pages, and a footer in Thrift's compact protocol. */
#include "parquet_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "snappy.h"

#define MAGIC      "PAR1"
#define CREATED_BY "pregao version 2.0.0 (build small)" /* readers parse it: this form, or none */
/* Longer texts are no use as a bound; DuckDB too leaves them out. */
#define BOUND_MAX 256

/* -- Thrift's compact protocol ----------------------------------------------------------------- */

enum thrift_type {
	THRIFT_TRUE = 1,
	THRIFT_FALSE = 2,
	THRIFT_I32 = 5,
	THRIFT_I64 = 6,
	THRIFT_BINARY = 8,
	THRIFT_LIST = 9,
	THRIFT_STRUCT = 12,
};
#define NESTED_MAX 8
struct thrift {
	struct buf *out;
	int last[NESTED_MAX]; /* field number of each open struct */
	int depth;
};

static void put_varint(struct buf *out, uint64_t n)
{
	for (; n > 0x7f; n >>= 7)
		buf_char(out, (char)(n | 0x80));
	buf_char(out, (char)n);
}

static void put_int(struct thrift *t, int64_t n)
{
	put_varint(t->out, ((uint64_t)n << 1) ^ (uint64_t)(n >> 63));
}

/* Fields come in rising order, at most 15 apart. */
static void put_field(struct thrift *t, int number, enum thrift_type type)
{
	buf_char(t->out, (char)((number - t->last[t->depth]) << 4 | (int)type));
	t->last[t->depth] = number;
}

static void put_i32(struct thrift *t, int number, int64_t n)
{
	put_field(t, number, THRIFT_I32);
	put_int(t, n);
}

static void put_i64(struct thrift *t, int number, int64_t n)
{
	put_field(t, number, THRIFT_I64);
	put_int(t, n);
}

static void put_bytes(struct thrift *t, const void *bytes, size_t n)
{
	put_varint(t->out, n);
	buf_add(t->out, bytes, n);
}

static void put_binary(struct thrift *t, int number, const void *bytes, size_t n)
{
	put_field(t, number, THRIFT_BINARY);
	put_bytes(t, bytes, n);
}

static void put_bool(struct thrift *t, int number, bool value)
{
	put_field(t, number, value ? THRIFT_TRUE : THRIFT_FALSE);
}

static void put_list(struct thrift *t, int number, enum thrift_type of, size_t n)
{
	put_field(t, number, THRIFT_LIST);
	if (n < 15) {
		buf_char(t->out, (char)(n << 4 | of));
	} else {
		buf_char(t->out, (char)(0xf0 | of));
		put_varint(t->out, n);
	}
}

/* A struct in a list, or the outermost: without a field number. */
static void begin_item(struct thrift *t)
{
	t->last[++t->depth] = 0;
}

static void begin(struct thrift *t, int number)
{
	put_field(t, number, THRIFT_STRUCT);
	begin_item(t);
}

static void end(struct thrift *t)
{
	buf_char(t->out, 0);
	t->depth--;
}

/* -- columns ----------------------------------------------------------------------------------- */

enum physical {
	PHYSICAL_INT32 = 1,
	PHYSICAL_INT64 = 2,
	PHYSICAL_BYTES = 6,
	PHYSICAL_FIXED = 7,
};
#define CONVERTED_UTF8      0
#define CONVERTED_DECIMAL   5
#define CONVERTED_DATE      6
#define CONVERTED_TIMESTAMP 10 /* microseconds */
#define CODEC_SNAPPY        1
#define ENCODING_PLAIN      0
#define ENCODING_RLE        3
#define FIXED_BYTES         16

/* As DuckDB's writer has them. */
static enum physical physical_of(const struct column *c)
{
	switch (c->type) {
	case COL_INTEGER:
	case COL_DATE: return PHYSICAL_INT32;
	case COL_TEXT: return PHYSICAL_BYTES;
	case COL_DECIMAL:
		return c->precision <= 9    ? PHYSICAL_INT32
		       : c->precision <= 18 ? PHYSICAL_INT64
					    : PHYSICAL_FIXED;
	default: return PHYSICAL_INT64;
	}
}

/* What one column of the file is. */
struct chunk {
	const struct column *column;
	const struct vector *vector;
	size_t from, rows;
	enum physical physical;
	int64_t nulls;
	bool bounded; /* there is a smallest and a largest value, at these rows */
	size_t lowest, highest;
	int64_t offset, plain_bytes, stored_bytes; /* of the page with its header */
};

static bool is_null(const struct chunk *c, size_t row)
{
	return c->vector->valid && !c->vector->valid[row];
}

/* Any value but a text as a number. */
static int128 number_at(const struct chunk *c, size_t row)
{
	int128 wide;
	switch (column_width_bytes(c->column)) {
	case 4: return ((const int32_t *)c->vector->data)[row];
	case 8: return ((const int64_t *)c->vector->data)[row];
	default:
		/* DuckDB's vectors are not always aligned for it */
		memcpy(&wide, (const char *)c->vector->data + row * sizeof(wide), sizeof(wide));
		return wide;
	}
}

static struct slice text_at(const struct chunk *c, size_t row)
{
	return ((const struct slice *)c->vector->data)[row];
}

static int compare_rows(const struct chunk *c, size_t a, size_t b)
{
	if (c->column->type != COL_TEXT) {
		int128 x = number_at(c, a), y = number_at(c, b);
		return (x > y) - (x < y);
	}
	struct slice x = text_at(c, a), y = text_at(c, b);
	size_t shared = x.n < y.n ? x.n : y.n;
	int order = shared ? memcmp(x.p, y.p, shared) : 0;
	return order ? order : (x.n > y.n) - (x.n < y.n);
}

static void find_bounds(struct chunk *c)
{
	for (size_t row = c->from; row < c->from + c->rows; row++) {
		if (is_null(c, row)) {
			c->nulls++;
			continue;
		}
		if (!c->bounded || compare_rows(c, row, c->lowest) < 0)
			c->lowest = row;
		if (!c->bounded || compare_rows(c, row, c->highest) > 0)
			c->highest = row;
		c->bounded = true;
	}
	if (c->bounded && c->column->type == COL_TEXT)
		c->bounded = text_at(c, c->lowest).n <= BOUND_MAX &&
			     text_at(c, c->highest).n <= BOUND_MAX;
}

/* Little-endian, as the format has its numbers. */
static void add_little(struct buf *out, uint64_t n, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_char(out, (char)(n >> (8 * i)));
}

/* A value without its length. */
static void add_value(struct buf *out, const struct chunk *c, size_t row)
{
	if (c->physical == PHYSICAL_BYTES) {
		struct slice s = text_at(c, row);
		buf_add(out, s.p, s.n);
		return;
	}
	int128 n = number_at(c, row);
	if (c->physical == PHYSICAL_INT32)
		add_little(out, (uint64_t)n, 4);
	else if (c->physical == PHYSICAL_INT64)
		add_little(out, (uint64_t)n, 8);
	else /* the one that is big-endian */
		for (int shift = 8 * (FIXED_BYTES - 1); shift >= 0; shift -= 8)
			buf_char(out, (char)(n >> shift));
}

/* Which rows have a value: one bit each, as runs of the RLE hybrid. */
static void add_levels(struct buf *out, const struct chunk *c)
{
	struct buf runs = {0};
	if (c->nulls == 0 || c->nulls == (int64_t)c->rows) {
		put_varint(&runs, (uint64_t)c->rows << 1);
		buf_char(&runs, c->nulls == 0);
	} else {
		size_t groups = (c->rows + 7) / 8;
		put_varint(&runs, (uint64_t)groups << 1 | 1);
		for (size_t at = 0; at < c->rows; at += 8) {
			unsigned bits = 0;
			for (size_t i = at; i < at + 8 && i < c->rows; i++)
				bits |= (unsigned)!is_null(c, c->from + i) << (i - at);
			buf_char(&runs, (char)bits);
		}
	}
	add_little(out, runs.len, 4);
	buf_add(out, runs.data, runs.len);
	buf_free(&runs);
}

static void add_values(struct buf *out, const struct chunk *c)
{
	for (size_t row = c->from; row < c->from + c->rows; row++) {
		if (is_null(c, row))
			continue;
		if (c->physical == PHYSICAL_BYTES)
			add_little(out, text_at(c, row).n, 4);
		add_value(out, c, row);
	}
}

/* A column: the header of its one page, and the page. */
static void add_page(struct buf *file, struct chunk *c, struct buf *plain, struct buf *packed)
{
	buf_reset(plain);
	buf_reset(packed);
	find_bounds(c);
	add_levels(plain, c);
	add_values(plain, c);
	snappy_pack(plain->data, plain->len, packed);
	c->offset = (int64_t)file->len;
	struct thrift t = {.out = file};
	put_i32(&t, 1, 0); /* a data page */
	put_i32(&t, 2, (int64_t)plain->len);
	put_i32(&t, 3, (int64_t)packed->len);
	begin(&t, 5);
	put_i32(&t, 1, (int64_t)c->rows);
	put_i32(&t, 2, ENCODING_PLAIN);
	put_i32(&t, 3, ENCODING_RLE); /* which are null */
	put_i32(&t, 4, ENCODING_RLE); /* repetitions, of which there are none */
	end(&t);
	buf_char(file, 0);
	int64_t header = (int64_t)file->len - c->offset;
	buf_add(file, packed->data, packed->len);
	c->plain_bytes = header + (int64_t)plain->len;
	c->stored_bytes = header + (int64_t)packed->len;
}

/* -- the footer -------------------------------------------------------------------------------- */

static void add_decimal(struct thrift *t, const struct column *c)
{
	begin(t, 5);
	put_i32(t, 1, c->scale);
	put_i32(t, 2, c->precision);
	end(t);
}

/* The same twice: for readers of today, and for those from before there were logical types. */
static void add_meaning(struct thrift *t, const struct column *c)
{
	static const struct {
		enum column_type type;
		int converted, logical;
	} meanings[] = {
		{COL_TEXT, CONVERTED_UTF8, 1},
		{COL_DECIMAL, CONVERTED_DECIMAL, 5},
		{COL_DATE, CONVERTED_DATE, 6},
		{COL_TIMESTAMP, CONVERTED_TIMESTAMP, 8},
	};
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (meanings[i].type != c->type)
			continue;
		put_i32(t, 6, meanings[i].converted);
		if (c->type == COL_DECIMAL) {
			put_i32(t, 7, c->scale);
			put_i32(t, 8, c->precision);
		}
		begin(t, 10);
		if (c->type == COL_DECIMAL) {
			add_decimal(t, c);
		} else if (c->type == COL_TIMESTAMP) {
			begin(t, 8);
			put_bool(t, 1, false); /* a reading of the clock, as DuckDB's TIMESTAMP */
			begin(t, 2);
			begin(t, 2); /* microseconds */
			end(t);
			end(t);
			end(t);
		} else {
			begin(t, meanings[i].logical);
			end(t);
		}
		end(t);
	}
}

static void add_schema(struct thrift *t, const struct chunk *chunks, size_t n)
{
	put_list(t, 2, THRIFT_STRUCT, n + 1);
	begin_item(t);
	put_binary(t, 4, "schema", 6);
	put_i32(t, 5, (int64_t)n);
	end(t);
	for (size_t i = 0; i < n; i++) {
		const struct column *c = chunks[i].column;
		begin_item(t);
		put_i32(t, 1, chunks[i].physical);
		if (chunks[i].physical == PHYSICAL_FIXED)
			put_i32(t, 2, FIXED_BYTES);
		put_i32(t, 3, 1); /* may be null */
		put_binary(t, 4, c->name, strlen(c->name));
		add_meaning(t, c);
		end(t);
	}
}

static void add_statistics(struct thrift *t, const struct chunk *c)
{
	AUTO_BUF struct buf low = {0}, high = {0};
	begin(t, 12);
	put_i64(t, 3, c->nulls);
	if (c->bounded) {
		add_value(&low, c, c->lowest);
		add_value(&high, c, c->highest);
		put_binary(t, 5, high.data, high.len);
		put_binary(t, 6, low.data, low.len);
	}
	end(t);
}

static void add_chunk(struct thrift *t, const struct chunk *c)
{
	begin_item(t);
	put_i64(t, 2, c->offset);
	begin(t, 3);
	put_i32(t, 1, c->physical);
	put_list(t, 2, THRIFT_I32, 2);
	put_int(t, ENCODING_PLAIN);
	put_int(t, ENCODING_RLE);
	put_list(t, 3, THRIFT_BINARY, 1);
	put_bytes(t, c->column->name, strlen(c->column->name));
	put_i32(t, 4, CODEC_SNAPPY);
	put_i64(t, 5, (int64_t)c->rows);
	put_i64(t, 6, c->plain_bytes);
	put_i64(t, 7, c->stored_bytes);
	put_i64(t, 9, c->offset);
	add_statistics(t, c);
	end(t);
	end(t);
}

static void add_footer(struct buf *file, const struct chunk *chunks, size_t n, size_t rows)
{
	struct thrift t = {.out = file};
	size_t start = file->len;
	int64_t plain = 0, stored = 0;
	for (size_t i = 0; i < n; i++) {
		plain += chunks[i].plain_bytes;
		stored += chunks[i].stored_bytes;
	}
	put_i32(&t, 1, 1); /* of the format */
	add_schema(&t, chunks, n);
	put_i64(&t, 3, (int64_t)rows);
	put_list(&t, 4, THRIFT_STRUCT, 1);
	begin_item(&t);
	put_list(&t, 1, THRIFT_STRUCT, n);
	for (size_t i = 0; i < n; i++)
		add_chunk(&t, &chunks[i]);
	put_i64(&t, 2, plain);
	put_i64(&t, 3, (int64_t)rows);
	put_i64(&t, 5, chunks[0].offset);
	put_i64(&t, 6, stored);
	end(&t);
	put_binary(&t, 6, CREATED_BY, strlen(CREATED_BY));
	/* Without this no reader trusts a text's minimum and maximum. */
	put_list(&t, 7, THRIFT_STRUCT, n);
	for (size_t i = 0; i < n; i++) {
		begin_item(&t);
		begin(&t, 1); /* in the order of the type */
		end(&t);
		end(&t);
	}
	buf_char(file, 0);
	add_little(file, file->len - start, 4);
	buf_str(file, MAGIC);
}

/* -- a file ------------------------------------------------------------------------------------ */

bool parquet_file_takes(const struct column *columns, size_t n, int64_t rows)
{
	for (size_t i = 0; i < n; i++)
		if (columns[i].type == COL_DOUBLE || columns[i].type == COL_BOOLEAN ||
		    columns[i].type == COL_HUGEINT)
			return false;
	return n > 0 && rows > 0 && rows <= PARQUET_FILE_ROWS;
}

static const char *bound_text(const struct batch *b, const struct chunk *c, size_t column,
			      size_t row, struct arena *arena)
{
	AUTO_BUF struct buf text = {0};
	if (!c->bounded || !batch_text(b, column, row, &text))
		return NULL;
	return arena_strndup(arena, text.data ? text.data : "", text.len);
}

static void tell_stats(const struct batch *b, const struct chunk *chunks, struct arena *arena,
		       struct parquet_result *ret)
{
	ret->stats_count = b->column_count;
	ret->stats = ANEW_ARRAY(arena, b->column_count, struct column_stats);
	for (size_t i = 0; i < b->column_count; i++) {
		const struct chunk *c = &chunks[i];
		ret->stats[i] =
			(struct column_stats){.column = arena_strdup(arena, b->columns[i].name),
					      .minimum = bound_text(b, c, i, c->lowest, arena),
					      .maximum = bound_text(b, c, i, c->highest, arena),
					      .nulls = c->nulls};
	}
}

static int write_out(const char *path, const struct buf *file, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int errnum = fd < 0 ? errno : fd_write_all(fd, file->data, file->len);
	if (fd >= 0 && close(fd) != 0 && errnum == 0)
		errnum = errno;
	if (errnum == 0)
		return OK;
	if (fd >= 0)
		unlink(path);
	err_errno(e, errnum, "cannot write the file");
	return err_where(e, path);
}

int parquet_file_write(const struct batch *b, size_t from, size_t rows, const char *path,
		       struct arena *arena, struct parquet_result *ret, struct err *e)
{
	size_t n = b->column_count;
	AUTO_BUF struct buf file = {0}, plain = {0}, packed = {0};
	AUTO_FREE struct chunk *chunks = NEW_ARRAY(n, struct chunk);
	buf_str(&file, MAGIC);
	for (size_t i = 0; i < n; i++) {
		chunks[i] = (struct chunk){.column = &b->columns[i],
					   .vector = &b->vectors[i],
					   .from = from,
					   .rows = rows,
					   .physical = physical_of(&b->columns[i])};
		add_page(&file, &chunks[i], &plain, &packed);
	}
	add_footer(&file, chunks, n, rows);
	int rc = write_out(path, &file, e);
	if (rc)
		return rc;
	*ret = (struct parquet_result){.rows = (int64_t)rows, .bytes = (int64_t)file.len};
	if (arena)
		tell_stats(b, chunks, arena, ret);
	return OK;
}
