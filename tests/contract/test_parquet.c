/* Contract of the Parquet port: what is written comes back with its types and values, the same rows
 * give the same bytes, and what does not fit is refused before anything is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duckdb_api.h"
#include "file.h"
#include "parquet.h"
#include "parquet_duckdb.h"

struct fixture {
	struct duckdb_host *host;
	struct parquet *parquet;
	struct arena *arena;
	char dir[64];
};
static struct parquet *open_duckdb(struct fixture *f)
{
	f->host = duckdb_host_start(&(struct duckdb_host_options){.background = true});
	return parquet_duckdb_new(f->host);
}
static const struct driver_case {
	const char *name;
	struct parquet *(*open)(struct fixture *);
} drivers[] = {
	{"duckdb", open_duckdb},
};

static int set_up(void **state)
{
	const struct driver_case *driver = *state ? *state : &drivers[0];
	struct fixture *f = NEW(struct fixture);
	snprintf(f->dir, sizeof(f->dir), "/tmp/pregao-parquet-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->arena = arena_new();
	f->parquet = driver->open(f);
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
	free(f);
	return 0;
}

static const char *in_dir(struct fixture *f, const char *name)
{
	return arena_printf(f->arena, "%s/%s", f->dir, name);
}

/* Every row of a statement as "a|b|c\n", through an engine of its own: what any other reader would
 * see. */
static const char *ask(struct fixture *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static const char *ask(struct fixture *f, const char *fmt, ...)
{
	char sql[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(sql, sizeof(sql), fmt, ap);
	va_end(ap);
	struct err e = ERR_INIT;
	struct duck d = {0};
	assert_int_equal(duck_open(&d, f->host, &e), 0);
	struct buf all = {0};
	buf_printf(&all, "SELECT COLUMNS(*)::VARCHAR FROM (%s)", sql);
	duckdb_result r;
	if (duck_query(&d, all.data, &r, &e))
		fail_msg("%s: %s", all.data, e.text);
	buf_reset(&all);
	duckdb_data_chunk chunk;
	while ((chunk = d.api->fetch_chunk(r))) {
		for (uint64_t row = 0; row < d.api->data_chunk_get_size(chunk); row++) {
			for (uint64_t c = 0; c < d.api->data_chunk_get_column_count(chunk); c++) {
				const char *text = duck_text(
					&d, d.api->data_chunk_get_vector(chunk, c), row, f->arena);
				buf_printf(&all, "%s%s", c ? "|" : "", text ? text : "NULL");
			}
			buf_char(&all, '\n');
		}
		d.api->destroy_data_chunk(&chunk);
	}
	d.api->destroy_result(&r);
	duck_close(&d);
	const char *text = arena_strdup(f->arena, all.data ? all.data : "");
	buf_free(&all);
	return text;
}

#define WIDE ((int128)1000000000000000000LL)
static const struct column all_types[] = {
	{.name = "b", .type = COL_BOOLEAN},
	{.name = "i", .type = COL_INTEGER},
	{.name = "qtd", .type = COL_BIGINT},
	{.name = "x", .type = COL_DOUBLE},
	{.name = "d4", .type = COL_DECIMAL, .precision = 4, .scale = 2},
	{.name = "d9", .type = COL_DECIMAL, .precision = 9, .scale = 3},
	{.name = "d18", .type = COL_DECIMAL, .precision = 18, .scale = 4},
	{.name = "d38", .type = COL_DECIMAL, .precision = 38, .scale = 8},
	{.name = "day", .type = COL_DATE},
	{.name = "at", .type = COL_TIMESTAMP},
	{.name = "Ação \"q\"", .type = COL_TEXT},
};
static const uint8_t bools[] = {1, 0, 7};
static const int32_t ints[] = {INT32_MIN, 0, INT32_MAX};
static const int64_t bigs[] = {INT64_MIN, 15089313085, INT64_MAX};
static const double doubles[] = {0.1, -1e300, 5e-324};
static const int64_t d4[] = {-9999, 1, 9999};
static const int64_t d9[] = {-999999999, 100000, 999999999};
static const int64_t d18[] = {-999999999999999999, 1, 999999999999999999};
static const int128 d38[] = {-(WIDE * WIDE * 100 - 1), 13221833075499324, WIDE *WIDE * 100 - 1};
static const int32_t days[] = {-719162, 19919, 2932896};
static const int64_t times[] = {-62135596800000000, 1721055600123456, 253402300799999999};
#define LONG_TEXT "ÇÃO — uma linha bem mais longa que doze bytes"
static const struct slice texts[] = {{"", 0}, {"AMBEV S/A", 9}, {LONG_TEXT, sizeof(LONG_TEXT) - 1}};
static const uint8_t odd[] = {1, 0, 1};

static struct batch make_batch(struct vector vectors[11], const uint8_t *valid)
{
	const void *data[] = {bools, ints, bigs, doubles, d4, d9, d18, d38, days, times, texts};
	for (size_t i = 0; i < 11; i++)
		vectors[i] = (struct vector){.data = data[i], .valid = valid};
	return (struct batch){
		.columns = all_types, .vectors = vectors, .column_count = 11, .row_count = 3};
}

static void types_and_values_survive(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct vector v[11], w[11];
	struct batch batches[] = {make_batch(v, NULL), make_batch(w, odd)};
	const char *path = in_dir(f, "all.parquet");
	struct parquet_result r;
	assert_int_equal(parquet_write(f->parquet, batches, 2, path, f->arena, &r, &e), 0);
	assert_int_equal(r.rows, 6);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(r.bytes, st.st_size);
	assert_string_equal(
		ask(f, "SELECT string_agg(column_type, ',') FROM (DESCRIBE FROM '%s')", path),
		"BOOLEAN,INTEGER,BIGINT,DOUBLE,DECIMAL(4,2),DECIMAL(9,3),DECIMAL(18,4),DECIMAL(38,8),DATE,TIMESTAMP,VARCHAR\n");
	assert_string_equal(
		ask(f, "FROM '%s' LIMIT 3", path),
		"true|-2147483648|-9223372036854775808|0.1|-99.99|-999999.999|-99999999999999.9999|"
		"-999999999999999999999999999999.99999999|0001-01-01|0001-01-01 00:00:00|\n"
		"false|0|15089313085|-1e+300|0.01|100.000|0.0001|132218330.75499324|2024-07-15|2024-07-15 15:00:00.123456|AMBEV S/A\n"
		"true|2147483647|9223372036854775807|5e-324|99.99|999999.999|99999999999999.9999|"
		"999999999999999999999999999999.99999999|9999-12-31|9999-12-31 23:59:59.999999|ÇÃO — uma linha bem mais longa que doze bytes\n");
	assert_string_equal(ask(f, "SELECT COLUMNS(*) IS NULL FROM '%s' OFFSET 4 LIMIT 1", path),
			    "true|true|true|true|true|true|true|true|true|true|true\n");
	assert_string_equal(ask(f, "SELECT DISTINCT compression FROM parquet_metadata('%s')", path),
			    "SNAPPY\n");
	/* what the catalog gets to know */
	size_t seen = 0;
	for (size_t i = 0; i < r.stats_count; i++) {
		const struct column_stats *s = &r.stats[i];
		assert_int_equal(s->nulls, 1);
		if (strcmp(s->column, "qtd") == 0) {
			assert_string_equal(s->minimum, "-9223372036854775808");
			assert_string_equal(s->maximum, "9223372036854775807");
			seen++;
		} else if (strcmp(s->column, "d38") == 0) {
			assert_string_equal(s->maximum, "999999999999999999999999999999.99999999");
			seen++;
		} else if (strcmp(s->column, "day") == 0) {
			assert_string_equal(s->minimum, "0001-01-01");
			seen++;
		} else if (strcmp(s->column, "Ação \"q\"") == 0) {
			seen++;
		}
	}
	assert_int_equal(seen, 4);
}

static void bytes_of(struct fixture *f, const char *path, struct buf *out)
{
	struct err e = ERR_INIT;
	buf_reset(out);
	assert_int_equal(file_read(path, 1 << 26, out, &e), 0);
}

static void same_rows_same_bytes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	enum { N = 150000 }; /* more than one row group, many chunks */
	int64_t *numbers = NEW_ARRAY(N, int64_t);
	struct slice *words = NEW_ARRAY(N, struct slice);
	for (int i = 0; i < N; i++) {
		numbers[i] = i * 7919LL % 100003;
		words[i] = texts[i % 3];
	}
	const struct column columns[] = {{.name = "n", .type = COL_BIGINT},
					 {.name = "w", .type = COL_TEXT}};
	struct vector whole[] = {{numbers, NULL}, {words, NULL}};
	struct vector head[] = {{numbers, NULL}, {words, NULL}},
		      tail[] = {{numbers + 1001, NULL}, {words + 1001, NULL}};
	struct batch one = {columns, whole, 2, N};
	struct batch empty = {columns, whole, 2, 0};
	struct batch two[] = {empty, {columns, head, 2, 1001}, empty, {columns, tail, 2, N - 1001}};
	struct parquet_result r;
	struct buf a = {0}, b = {0};
	assert_int_equal(
		parquet_write(f->parquet, &one, 1, in_dir(f, "a.parquet"), f->arena, &r, &e), 0);
	assert_int_equal(r.rows, N);
	bytes_of(f, in_dir(f, "a.parquet"), &a);
	assert_int_equal(
		parquet_write(f->parquet, &one, 1, in_dir(f, "b.parquet"), f->arena, &r, &e), 0);
	bytes_of(f, in_dir(f, "b.parquet"), &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	/* rows cut otherwise into batches: the same rows, in the same order */
	assert_int_equal(
		parquet_write(f->parquet, two, 4, in_dir(f, "c.parquet"), f->arena, &r, &e), 0);
	assert_string_equal(
		ask(f,
		    "SELECT count(*) FROM '%s/a.parquet' x POSITIONAL JOIN '%s/c.parquet' y WHERE x.n IS DISTINCT FROM y.n OR x.w IS DISTINCT FROM y.w",
		    f->dir, f->dir),
		"0\n");
	buf_free(&a);
	buf_free(&b);
	free(numbers);
	free(words);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct parquet_result r;
	const int64_t big[] = {1, 2, 1000000000};
	const int128 wide[] = {0, WIDE * WIDE * 100};
	const struct slice latin[] = {{"ok", 2}, {"A\xc7\xc3O", 4}};
	const int32_t far_day[] = {INT32_MAX};
	const int64_t far_time[] = {INT64_MAX};
	const struct {
		struct column column;
		struct vector vector;
		size_t rows;
		const char *says;
	} cases[] = {
		{{.name = "part", .type = COL_DECIMAL, .precision = 9, .scale = 3},
		 {big, NULL},
		 3,
		 "column part, row 3: 1000000.000 does not fit DECIMAL(9,3)"},
		{{.name = "redutor", .type = COL_DECIMAL, .precision = 38, .scale = 8},
		 {wide, NULL},
		 2,
		 "column redutor, row 2"},
		{{.name = "acao", .type = COL_TEXT},
		 {latin, NULL},
		 2,
		 "column acao, row 2: the text is not valid UTF-8"},
		{{.name = "d", .type = COL_DATE}, {far_day, NULL}, 1, "column d, row 1"},
		{{.name = "t", .type = COL_TIMESTAMP}, {far_time, NULL}, 1, "column t, row 1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct batch b = {&cases[i].column, &cases[i].vector, 1, cases[i].rows};
		assert_int_equal(parquet_write(f->parquet, &b, 1, in_dir(f, "bad.parquet"),
					       f->arena, &r, &e),
				 ERR_INPUT);
		assert_non_null(strstr(e.text, cases[i].says));
		assert_int_not_equal(access(in_dir(f, "bad.parquet"), F_OK), 0);
	}
	/* the same values are fine where a null hides them */
	const uint8_t none[] = {1, 1, 0};
	struct err e = ERR_INIT;
	struct vector hidden = {big, none};
	struct batch b = {&cases[0].column, &hidden, 1, 3};
	assert_int_equal(
		parquet_write(f->parquet, &b, 1, in_dir(f, "ok.parquet"), f->arena, &r, &e), 0);
	assert_string_equal(ask(f, "SELECT sum(part) FROM '%s/ok.parquet'", f->dir), "0.003\n");
}

static void a_failed_write_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct vector v[11];
	struct batch b = make_batch(v, NULL);
	struct parquet_result r;
	int rc = parquet_write(f->parquet, &b, 1, in_dir(f, "no/such/folder.parquet"), f->arena, &r,
			       &e);
	assert_true(rc == ERR_IO || rc == ERR_NOT_FOUND);
	assert_non_null(strstr(e.where, "no/such/folder.parquet"));
	/* a full disk; the driver still works afterwards */
	if (access("/dev/full", W_OK) == 0) {
		assert_int_equal(symlink("/dev/full", in_dir(f, "full.parquet")), 0);
		rc = parquet_write(f->parquet, &b, 1, in_dir(f, "full.parquet"), f->arena, &r, &e);
		assert_int_equal(rc, ERR_LIMIT);
		assert_int_not_equal(access(in_dir(f, "full.parquet"), F_OK), 0);
	}
	assert_int_equal(
		parquet_write(f->parquet, &b, 1, in_dir(f, "fine.parquet"), f->arena, &r, &e), 0);
	/* no rows at all is a file with columns */
	b.row_count = 0;
	assert_int_equal(
		parquet_write(f->parquet, &b, 1, in_dir(f, "empty.parquet"), f->arena, &r, &e), 0);
	assert_int_equal(r.rows, 0);
	assert_string_equal(
		ask(f, "SELECT count(*) FROM (DESCRIBE FROM '%s/empty.parquet')", f->dir), "11\n");
	assert_int_equal(
		parquet_write(f->parquet, &b, 0, in_dir(f, "none.parquet"), f->arena, &r, &e),
		ERR_BUG);
}

static void put_session(struct fixture *f, const char *name, int32_t day, const char *index,
			int64_t n, bool grown)
{
	struct err e = ERR_INIT;
	const struct column columns[] = {{.name = "n", .type = COL_BIGINT},
					 {.name = "index_code", .type = COL_TEXT},
					 {.name = "day", .type = COL_DATE},
					 {.name = "new", .type = COL_INTEGER}};
	int64_t numbers[] = {n, n - 1, n + 1};
	struct slice s = slice_of(index), indices[] = {s, s, s};
	int32_t session[] = {day, day, day}, added[] = {5, 5, 5};
	struct vector v[] = {{numbers, NULL}, {indices, NULL}, {session, NULL}, {added, NULL}};
	struct batch b = {columns, v, grown ? 4 : 3, 3};
	struct parquet_result r;
	assert_int_equal(parquet_write(f->parquet, &b, 1, in_dir(f, name), f->arena, &r, &e), 0);
}

static void merge_orders_and_drops(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	put_session(f, "1.parquet", 19919, "IBOV", 10, false);
	put_session(f, "2.parquet", 19920, "IBOV", 20, false);
	put_session(f, "3.parquet", 19921, "O'Hara", 30,
		    true); /* the table grew a column meanwhile */
	const char *paths[] = {in_dir(f, "3.parquet"), in_dir(f, "1.parquet"),
			       in_dir(f, "2.parquet")};
	const char *sort[] = {"index_code", "day"};
	const struct column drop_columns[] = {{.name = "day", .type = COL_DATE},
					      {.name = "index_code", .type = COL_TEXT}};
	const char *drop[] = {"2024-07-16", "IBOV", "2024-07-15", "SMLL"};
	struct parquet_merge m = {.paths = paths,
				  .path_count = 3,
				  .sort = sort,
				  .sort_count = 2,
				  .out_path = in_dir(f, "m.parquet")};
	struct parquet_result r;
	assert_int_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
	assert_int_equal(r.rows, 9);
	assert_string_equal(ask(f, "SELECT string_agg(n, ' ') FROM '%s/m.parquet'", f->dir),
			    "9 10 11 19 20 21 29 30 31\n");
	m.drop_columns = drop_columns;
	m.drop_column_count = 2;
	m.drop = drop;
	m.drop_count = 2;
	assert_int_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
	assert_int_equal(r.rows, 6);
	assert_string_equal(
		ask(f,
		    "SELECT string_agg(n, ' '), sum(new), any_value(typeof(new)) FROM '%s/m.parquet'",
		    f->dir),
		"9 10 11 29 30 31|15|INTEGER\n");
	/* the same files in the same order: the same bytes */
	struct buf a = {0}, b = {0};
	bytes_of(f, m.out_path, &a);
	m.out_path = in_dir(f, "m2.parquet");
	assert_int_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
	bytes_of(f, m.out_path, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	buf_free(&a);
	buf_free(&b);
	/* a file that is not there, one that is none */
	assert_int_equal(file_create(in_dir(f, "junk.parquet"), "PAR1 not at all", 15, false, &e),
			 0);
	paths[1] = in_dir(f, "junk.parquet");
	m.out_path = in_dir(f, "m3.parquet");
	assert_int_not_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
	assert_int_not_equal(access(m.out_path, F_OK), 0);
}

static void damage(struct fixture *f, const char *name, size_t keep, size_t at)
{
	struct err e = ERR_INIT;
	struct buf b = {0};
	bytes_of(f, in_dir(f, "1.parquet"), &b);
	if (at)
		memset(b.data + at, 0xff, 12);
	assert_int_equal(file_create(in_dir(f, name), b.data, keep ? keep : b.len, false, &e), 0);
	buf_free(&b);
}

static void check_reads_every_value(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"short.parquet", "footer.parquet", "page.parquet"};
	int64_t rows = 0;
	struct err e = ERR_INIT;
	put_session(f, "1.parquet", 19919, "IBOV", 10, false);
	assert_int_equal(parquet_check(f->parquet, in_dir(f, "1.parquet"), &rows, &e), 0);
	assert_int_equal(rows, 3);
	damage(f, bad[0], 100, 0);
	damage(f, bad[1], 6, 0);
	damage(f, bad[2], 0, 8);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err why = ERR_INIT;
		char text[2048];
		assert_int_equal(parquet_check(f->parquet, in_dir(f, bad[i]), &rows, &why),
				 ERR_INPUT);
		assert_non_null(strstr(err_format(&why, text, sizeof(text)), bad[i]));
	}
	assert_int_equal(parquet_check(f->parquet, in_dir(f, "none.parquet"), &rows, &e),
			 ERR_NOT_FOUND);
}

static void merge_adds_columns(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	put_session(f, "1.parquet", 19919, "IBOV", 10, false);
	put_session(f, "2.parquet", 19920, "IBOV", 20, false);
	put_session(f, "3.parquet", 19921, "SMLL", 30, true);
	const char *paths[] = {in_dir(f, "1.parquet"), in_dir(f, "2.parquet"),
			       in_dir(f, "3.parquet")};
	const char *sort[] = {"hour", "n"};
	const struct column added[] = {{.name = "date", .type = COL_DATE},
				       {.name = "hour", .type = COL_INTEGER}};
	const char *values[] = {"2024-08-08", "10", "2024-08-08", "10", "2024-08-09", "9"};
	struct parquet_merge m = {.paths = paths,
				  .path_count = 3,
				  .sort = sort,
				  .sort_count = 2,
				  .add_columns = added,
				  .add_column_count = 2,
				  .add = values,
				  .out_path = in_dir(f, "m.parquet")};
	struct parquet_result r;
	assert_int_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
	assert_int_equal(r.rows, 9);
	assert_string_equal(
		ask(f,
		    "SELECT string_agg(n, ' '), string_agg(hour, ' '), max(date), any_value(typeof(date)),"
		    " any_value(typeof(hour)) FROM '%s/m.parquet'",
		    f->dir),
		"29 30 31 9 10 11 19 20 21|9 9 9 10 10 10 10 10 10|2024-08-09|DATE|INTEGER\n");
	for (size_t i = 0; i < r.stats_count; i++)
		if (strcmp(r.stats[i].column, "hour") == 0)
			assert_string_equal(r.stats[i].maximum, "10");
}

static void run(struct fixture *f, const char *sql)
{
	struct duck d = {0};
	struct err e = ERR_INIT;
	assert_int_equal(duck_open(&d, f->host, &e), OK);
	if (duck_query(&d, sql, NULL, &e))
		fail_msg("%s", e.text);
	duck_close(&d);
}

/* A day of a busy exchange, and one of tickers with their answers, where memory is a fraction of
 * it. */
/* A sorted file of a market's rows from `from` on, every so many units of time. */
static void put_sorted(struct fixture *f, const char *path, const char *market, int64_t from,
		       int64_t every, int64_t seq)
{
	enum { ROWS = 7 };
	struct err e = ERR_INIT;
	const struct column columns[] = {{.name = "market", .type = COL_TEXT},
					 {.name = "t", .type = COL_TIMESTAMP},
					 {.name = "seq", .type = COL_BIGINT}};
	struct slice markets[ROWS];
	int64_t moments[ROWS], numbers[ROWS];
	for (int i = 0; i < ROWS; i++) {
		markets[i] = slice_of(market);
		moments[i] = from + i * every;
		numbers[i] = seq + i;
	}
	struct vector v[] = {{markets, NULL}, {moments, NULL}, {numbers, NULL}};
	struct batch b = {columns, v, 3, ROWS};
	struct parquet_result r;
	assert_int_equal(parquet_write(f->parquet, &b, 1, path, f->arena, &r, &e), 0);
}

/* That the files are sorted is a hint: whether they follow each other, overlap, or come in any order, the
 * result is the same to the byte. */
static void merge_of_sorted_files(void **state)
{
	enum { FILES = 6 };
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static const char *const sort[] = {"hour", "market", "t", "seq"};
	static const char *const markets[] = {"a", "b", "\xc3\xa9"}, *const hours[] = {"2", "10"};
	const struct column hour = {.name = "hour", .type = COL_INTEGER};
	uint32_t seed = 7;
	for (int round = 0; round < 24; round++) {
		const char *paths[FILES], *add[FILES];
		int64_t at = 0;
		for (int i = 0; i < FILES; i++) {
			seed = seed * 1664525 + 1013904223;
			uint32_t random = seed >> 8;
			/* Rounds of files that follow each other in time, touch, overlap, or are of several
			 * markets; shuffled in every second one. */
			int slot = round % 2 ? (i * 5 + round) % FILES : i;
			paths[slot] = in_dir(f, arena_printf(f->arena, "s%d.parquet", i));
			add[slot] = hours[round % 8 >= 6 ? i >= FILES / 2 : 0];
			put_sorted(f, paths[slot], markets[round % 8 == 4 ? random % 3 : 0], at, 3,
				   i * 10);
			at += round % 8 == 2 ? 18 : round % 8 == 3 ? random % 20 : 19;
		}
		struct parquet_merge m = {.paths = paths,
					  .path_count = FILES,
					  .sort = sort,
					  .sort_count = ARRAY_LEN(sort),
					  .add_columns = &hour,
					  .add_column_count = 1,
					  .add = add,
					  .out_path = in_dir(f, "all.parquet")};
		struct parquet_result r;
		struct buf a = {0}, b = {0};
		assert_int_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
		assert_int_equal(r.rows, 42);
		bytes_of(f, m.out_path, &a);
		m.sorted = true;
		m.out_path = in_dir(f, "sorted.parquet");
		assert_int_equal(parquet_merge(f->parquet, &m, f->arena, &r, &e), 0);
		assert_int_equal(r.rows, 42);
		bytes_of(f, m.out_path, &b);
		if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
			fail_msg(
				"round %d:\n%s\n%s", round,
				ask(f, "SELECT hour, market, t, seq FROM '%s/all.parquet'", f->dir),
				ask(f, "SELECT hour, market, t, seq FROM '%s/sorted.parquet'",
				    f->dir));
		buf_free(&a);
		buf_free(&b);
	}
}

static void merge_spills(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct duckdb_host *small;
	struct parquet *parquet;
	struct parquet_result r;
	const char *sort[] = {"at"};
	const char *narrow[] = {in_dir(f, "narrow.parquet")}, *wide[] = {in_dir(f, "wide.parquet")};
	struct parquet_merge m = {.paths = narrow,
				  .path_count = 1,
				  .sort = sort,
				  .sort_count = 1,
				  .out_path = in_dir(f, "m.parquet")};
	run(f,
	    arena_printf(
		    f->arena,
		    "COPY (SELECT hash(i) %% 1000000 AS at, 'binance' AS source, i AS seq, hash(i * 3) AS price,"
		    " hash(i * 5) AS quantity FROM range(1000000) r(i)) TO '%s/narrow.parquet'",
		    f->dir));
	run(f,
	    arena_printf(
		    f->arena,
		    "COPY (SELECT hash(i) %% 1000000 AS at, i AS seq, repeat(md5(i::VARCHAR), 15) AS payload"
		    " FROM range(300000) r(i)) TO '%s/wide.parquet' (FORMAT parquet, ROW_GROUP_SIZE 8192)",
		    f->dir));
	small = duckdb_host_start(&(struct duckdb_host_options){.memory_limit_bytes = 96 << 20,
								.temp_dir = in_dir(f, "spill")});
	parquet = parquet_duckdb_new(small);
	if (parquet_merge(parquet, &m, f->arena, &r, &e))
		fail_msg("%s", e.text);
	assert_int_equal(r.rows, 1000000);
	m.paths = wide;
	if (parquet_merge(parquet, &m, f->arena, &r, &e))
		fail_msg("%s", e.text);
	assert_int_equal(r.rows, 300000);
	/* So that it can be read, and merged, again. */
	assert_string_equal(
		ask(f, "SELECT max(row_group_num_rows) FROM parquet_metadata('%s/m.parquet')",
		    f->dir),
		"8192\n");
	parquet_free(parquet);
	duckdb_host_free(small);
}

static void nobody_else_reads_the_feed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	put_session(f, "1.parquet", 19919, "IBOV", 10, false);
	struct duck d = {0};
	assert_int_equal(duck_open(&d, f->host, &e), 0);
	assert_int_not_equal(duck_query(&d, "FROM pregao_rows_1()", NULL, &e), 0);
	assert_non_null(strstr(e.text, "nothing is being written"));
	duck_close(&d);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		const struct CMUnitTest tests[] = {
			cmocka_unit_test_prestate_setup_teardown(types_and_values_survive, set_up,
								 tear_down, (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(same_rows_same_bytes, set_up,
								 tear_down, (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(what_does_not_fit_is_refused,
								 set_up, tear_down,
								 (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(a_failed_write_leaves_nothing,
								 set_up, tear_down,
								 (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(merge_orders_and_drops, set_up,
								 tear_down, (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(check_reads_every_value, set_up,
								 tear_down, (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(merge_adds_columns, set_up,
								 tear_down, (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(merge_of_sorted_files, set_up,
								 tear_down, (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(merge_spills, set_up, tear_down,
								 (void *)&drivers[i]),
			cmocka_unit_test_prestate_setup_teardown(nobody_else_reads_the_feed, set_up,
								 tear_down, (void *)&drivers[i]),
		};
		failed += cmocka_run_group_tests_name(drivers[i].name, tests, NULL, NULL);
	}
	return failed;
}
