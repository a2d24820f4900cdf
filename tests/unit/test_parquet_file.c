/* Small Parquet files against DuckDB's: the same rows by both writers, read by DuckDB, are the same
 * rows of the same types, and the catalog is told the same about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duckdb_api.h"
#include "file.h"
#include "parquet_duckdb.h"
#include "parquet_file.h"
#include "snappy.h"

#define MOST PARQUET_FILE_ROWS

static const struct column columns[] = {
	{.name = "i", .type = COL_INTEGER},
	{.name = "n", .type = COL_BIGINT},
	{.name = "d4", .type = COL_DECIMAL, .precision = 4, .scale = 2},
	{.name = "d9", .type = COL_DECIMAL, .precision = 9, .scale = 3},
	{.name = "d18", .type = COL_DECIMAL, .precision = 18, .scale = 4},
	{.name = "d38", .type = COL_DECIMAL, .precision = 38, .scale = 8},
	{.name = "day", .type = COL_DATE},
	{.name = "at", .type = COL_TIMESTAMP},
	{.name = "Ação \"q\"", .type = COL_TEXT},
	{.name = "same", .type = COL_TEXT},
	{.name = "nothing", .type = COL_TEXT},
};
#define COLUMNS ARRAY_LEN(columns)

struct rows {
	uint8_t valid[MOST], none[MOST];
	int32_t i[MOST], day[MOST];
	int64_t n[MOST], d4[MOST], d9[MOST], d18[MOST], at[MOST];
	int128 d38[MOST];
	struct slice text[MOST], same[MOST];
	char letters[MOST][40];
	struct vector vectors[COLUMNS];
};

/* Any rows, the same each time; both ends of every type are among them. */
static struct batch make_rows(struct rows *r, size_t n, bool nulls)
{
	uint64_t x = 88172645463325252ULL;
	const int128 most = (int128)1000000000000000000LL * 1000000000000000000LL * 100 - 1;
	for (size_t k = 0; k < n; k++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		int64_t s = (int64_t)x;
		r->i[k] = k == 1 ? INT32_MIN : k == 2 ? INT32_MAX : (int32_t)s;
		r->n[k] = k == 1 ? INT64_MIN : k == 2 ? INT64_MAX : s;
		r->d4[k] = s % 10000;
		r->d9[k] = s % 1000000000;
		r->d18[k] = s % 1000000000000000000;
		r->d38[k] = k == 1 ? -most : k == 2 ? most : (int128)s * 1000000007;
		r->day[k] = k == 1 ? -719162 : k == 2 ? 2932896 : (int32_t)(s % 40000);
		r->at[k] = s % 4000000000000000;
		int len = snprintf(r->letters[k], sizeof(r->letters[k]), "%s %lld", "Ação",
				   (long long)(s % (k % 3 ? 50 : 1000000000)));
		r->text[k] = (struct slice){r->letters[k], k % 11 ? (size_t)len : 0};
		r->same[k] = SLICE("0123456789abcdef0123456789abcdef0123456789abcdef");
		r->valid[k] = x % 5 != 0;
	}
	const void *data[] = {r->i,   r->n,  r->d4,   r->d9,   r->d18, r->d38,
			      r->day, r->at, r->text, r->same, r->text};
	for (size_t c = 0; c < COLUMNS; c++)
		r->vectors[c] = (struct vector){data[c], nulls ? r->valid : NULL};
	r->vectors[COLUMNS - 1].valid = r->none;
	return (struct batch){columns, r->vectors, COLUMNS, n};
}

struct fixture {
	struct duckdb_host *host;
	struct parquet *parquet;
	struct arena *arena;
	struct rows *rows;
	char dir[64];
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	snprintf(f->dir, sizeof(f->dir), "/tmp/pregao-parquet-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->arena = arena_new();
	f->rows = NEW(struct rows);
	f->host = duckdb_host_start(&(struct duckdb_host_options){.background = false});
	f->parquet = parquet_duckdb_new(f->host);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	parquet_free(f->parquet);
	duckdb_host_free(f->host);
	arena_free(f->arena);
	assert_int_equal(file_remove_tree(f->dir, &e), 0);
	free(f->rows);
	free(f);
	return 0;
}

/* The one number that a statement gives. */
static int64_t ask(struct fixture *f, const char *sql)
{
	struct err e = ERR_INIT;
	struct duck d = {0};
	duckdb_result r;
	assert_int_equal(duck_open(&d, f->host, &e), 0);
	if (duck_query(&d, sql, &r, &e))
		fail_msg("%s: %s", sql, e.text);
	duckdb_data_chunk chunk = d.api->fetch_chunk(r);
	int64_t n = duck_i64(&d, d.api->data_chunk_get_vector(chunk, 0), 0);
	d.api->destroy_data_chunk(&chunk);
	d.api->destroy_result(&r);
	duck_close(&d);
	return n;
}

/* Rows of what stands before the file's name and after it. */
static void assert_same(struct fixture *f, const char *before, const char *after, const char *a,
			const char *b)
{
	const char *x = arena_printf(f->arena, "(%s '%s' %s)", before, a, after),
		   *y = arena_printf(f->arena, "(%s '%s' %s)", before, b, after);
	if (ask(f, arena_printf(
			   f->arena,
			   "SELECT count(*) FROM ((%s EXCEPT ALL %s) UNION ALL (%s EXCEPT ALL %s))",
			   x, y, y, x)) != 0)
		fail_msg("%s differs between %s and %s", before, a, b);
}

static void assert_same_text(const char *column, const char *a, const char *b)
{
	if (!a != !b || (a && strcmp(a, b) != 0))
		fail_msg("%s: %s here, %s by DuckDB", column, a ? a : "nothing", b ? b : "nothing");
}

static void both_writers_agree(void **state)
{
	struct fixture *f = *state;
	static const size_t sizes[] = {1, 2, 7, 8, 9, 17, 3000, MOST};
	for (size_t k = 0; k < ARRAY_LEN(sizes) * 2; k++) {
		struct err e = ERR_INIT;
		struct parquet_result ours, theirs;
		struct batch empty, b = make_rows(f->rows, sizes[k / 2], k % 2);
		const char *here = arena_printf(f->arena, "%s/here%zu.parquet", f->dir, k),
			   *there = arena_printf(f->arena, "%s/there%zu.parquet", f->dir, k);
		assert_true(parquet_file_takes(columns, COLUMNS, (int64_t)b.row_count));
		assert_int_equal(parquet_write(f->parquet, &b, 1, here, f->arena, &ours, &e), 0);
		/* two batches are DuckDB's */
		empty = b;
		empty.row_count = 0;
		assert_int_equal(parquet_write(f->parquet, (struct batch[]){b, empty}, 2, there,
					       f->arena, &theirs, &e),
				 0);
		assert_int_equal(
			ask(f, arena_printf(f->arena,
					    "SELECT count(*) FROM parquet_file_metadata('%s') "
					    "WHERE created_by LIKE 'pregao version%%'",
					    here)),
			1);
		assert_same(f, "SELECT * FROM", "", here, there);
		assert_same(f, "SELECT column_name, column_type FROM (DESCRIBE FROM", ")", here,
			    there);
		assert_same(
			f,
			"SELECT path_in_schema, type, num_values, stats_null_count, compression, "
			"stats_min_value, stats_max_value FROM parquet_metadata(",
			")", here, there);
		assert_int_equal(ours.rows, theirs.rows);
		assert_int_equal(ours.stats_count, theirs.stats_count);
		for (size_t c = 0; c < COLUMNS; c++) {
			const struct column_stats *x = &ours.stats[c], *y = theirs.stats;
			while (strcmp(x->column, y->column) != 0)
				assert_true(++y < theirs.stats + COLUMNS);
			assert_same_text(x->column, x->minimum, y->minimum);
			assert_same_text(x->column, x->maximum, y->maximum);
			assert_int_equal(x->nulls, y->nulls);
		}
	}
}

/* What the format's description says, done backwards. */
static size_t unpack(const uint8_t *p, size_t n, uint8_t *out)
{
	size_t at = 0, to = 0, length = 0;
	for (int shift = 0;; shift += 7) {
		length |= (size_t)(p[at] & 0x7f) << shift;
		if (p[at++] < 0x80)
			break;
	}
	while (at < n) {
		size_t tag = p[at++], part = (tag >> 2) + 1;
		if (tag & 3) {
			assert_int_equal(tag & 3, 2);
			size_t back = p[at] | (size_t)p[at + 1] << 8;
			at += 2;
			assert_in_range(back, 1, to);
			for (; part; part--, to++)
				out[to] = out[to - back];
			continue;
		}
		if (part > 60) {
			size_t bytes = part - 60;
			part = 1 + p[at] + (bytes > 1 ? (size_t)p[at + 1] << 8 : 0);
			at += bytes;
		}
		memcpy(out + to, p + at, part);
		at += part;
		to += part;
	}
	assert_int_equal(at, n);
	assert_int_equal(to, length);
	return to;
}

static void packing_loses_nothing(void **state)
{
	static uint8_t in[200000], out[200000];
	static const size_t sizes[] = {0,   1,   3,    4,     5,     59,    60,     61,     255,
				       256, 257, 4096, 65535, 65536, 65537, 131072, 131073, 200000};
	for (size_t kind = 0; kind < 4; kind++) {
		uint32_t x = 1;
		for (size_t i = 0; i < sizeof(in); i++) {
			x = x * 1664525 + 1013904223;
			in[i] = kind == 0   ? 0
				: kind == 1 ? (uint8_t)(x >> 24)
				: kind == 2 ? (uint8_t)("abcdefg"[i % 7])
					    : (uint8_t)(x >> 30);
		}
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			AUTO_BUF struct buf packed = {0};
			/* of its own, so that a sanitizer sees a look beyond the end */
			uint8_t *exact = mem_alloc(sizes[k] ? sizes[k] : 1);
			memcpy(exact, in, sizes[k]);
			snappy_pack(exact, sizes[k], &packed);
			free(exact);
			assert_int_equal(unpack((const uint8_t *)packed.data, packed.len, out),
					 sizes[k]);
			assert_memory_equal(in, out, sizes[k]);
			assert_in_range(packed.len, 1, sizes[k] + sizes[k] / 100 + 16);
			if (kind == 0 && sizes[k] > 1000)
				assert_in_range(packed.len, 1, sizes[k] / 15);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_writers_agree, set_up, tear_down),
		cmocka_unit_test(packing_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
