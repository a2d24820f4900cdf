/* The contract of the object store port: every driver in the table at the end runs the same cases.
 * What only a directory promises is in unit/test_object_store_fs.c. */
#include "../unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "object_store.h"
#include "object_store_fault.h"
#include "object_store_fs.h"
#include "object_store_s3.h"

struct driver_case {
	const char *name;
	/* Opens the store that lives at dir; twice with the same dir gives the same objects. */
	struct object_store *(*open)(const char *dir);
	bool (*available)(void);
};
static const struct driver_case *driver;

struct fixture {
	char *dir;
	struct object_store *store;
};

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = temporary_folder();
	f->store = driver->open(f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	object_store_free(f->store);
	remove_folder(&f->dir);
	free(f);
	return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* -- helpers ----------------------------------------------------------------------------------- */

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

static void put(struct object_store *s, const char *key, const char *text)
{
	struct err e = ERR_INIT;
	must(object_store_put(s, key, slice_of(text), false, &e), &e);
}

static void assert_content(struct object_store *s, const char *key, const char *text)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = {0};
	struct object_info info;
	must(object_store_get(s, key, 0, -1, 1 << 20, &out, &info, &e), &e);
	assert_int_equal(out.len, strlen(text));
	assert_int_equal(info.size_bytes, strlen(text));
	assert_string_equal(info.key, key);
	if (out.len)
		assert_memory_equal(out.data, text, out.len);
}

static bool exists(struct object_store *s, const char *key)
{
	struct err e = ERR_INIT;
	struct object_info info;
	int rc = object_store_head(s, key, &info, &e);
	if (rc != ERR_NOT_FOUND)
		must(rc, &e);
	return rc == OK;
}

struct keys {
	struct buf text; /* each followed by a line feed */
	size_t count, stop_after;
};

static int note_key(void *ctx, const struct object_info *info)
{
	struct keys *k = ctx;
	buf_printf(&k->text, "%s\n", info->key);
	return ++k->count == k->stop_after ? 77 : 0;
}

static void assert_listing(struct object_store *s, const char *prefix, const char *after,
			   const char *expected)
{
	struct err e = ERR_INIT;
	struct keys k = {0};
	must(object_store_list(s, prefix, after, note_key, &k, &e), &e);
	assert_string_equal(k.text.data ? k.text.data : "", expected);
	buf_free(&k.text);
}

static size_t count_keys(struct object_store *s, const char *prefix)
{
	struct err e = ERR_INIT;
	struct keys k = {0};
	must(object_store_list(s, prefix, NULL, note_key, &k, &e), &e);
	buf_free(&k.text);
	return k.count;
}

/* A local file, in the staging folder or beside the store. */
static char *local_file(const char *dir, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	char *path = path_in(dir, name);
	must(file_create(path, text, strlen(text), false, &e), &e);
	return path;
}

/* -- one object -------------------------------------------------------------------------------- */

static void put_then_get_and_head(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	put(s, "raw/t/a=1/f.parquet", "hello");
	assert_content(s, "raw/t/a=1/f.parquet", "hello");
	put(s, "empty", "");
	assert_content(s, "empty", "");
	struct object_info info;
	struct err e = ERR_INIT;
	must(object_store_head(s, "raw/t/a=1/f.parquet", &info, &e), &e);
	assert_int_equal(info.size_bytes, 5);
	assert_true(info.modified_us > 1600000000000000);
	assert_true(info.etag[0] != '\0');
}

static void what_is_not_there_is_not_found(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = {0};
	struct object_info info;
	put(s, "a/b/c", "x");
	/* A folder is no object, and nothing is below an object. */
	static const char *const keys[] = {"nothing", "a", "a/b", "a/b/c/d", "a/b/d", "b/b/c"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_int_equal(object_store_get(s, keys[i], 0, -1, 100, &out, NULL, &e),
				 ERR_NOT_FOUND);
		assert_int_equal(object_store_head(s, keys[i], &info, &e), ERR_NOT_FOUND);
		assert_int_equal(object_store_copy(s, keys[i], "elsewhere", &e), ERR_NOT_FOUND);
		assert_int_equal(out.len, 0);
	}
	assert_false(exists(s, "elsewhere"));
}

static void overwriting_replaces_the_whole_and_the_etag(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	struct object_info first, again, second;
	put(s, "k/o", "a long first content");
	must(object_store_head(s, "k/o", &first, &e), &e);
	must(object_store_head(s, "k/o", &again, &e), &e);
	assert_string_equal(first.etag, again.etag);
	put(s, "k/o", "short");
	assert_content(s, "k/o", "short");
	must(object_store_head(s, "k/o", &second, &e), &e);
	assert_string_not_equal(first.etag, second.etag);
	assert_int_equal(count_keys(s, ""), 1);
}

static void ranges_and_ceilings(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf out = {0};
	put(s, "r", "0123456789");
	must(object_store_get(s, "r", 2, 3, 3, &out, NULL, &e), &e);
	assert_string_equal(out.data, "234");
	/* It is appended; a range that runs over the end gives what is there; one behind the end
	 * gives nothing. */
	must(object_store_get(s, "r", 8, 100, 2, &out, NULL, &e), &e);
	assert_string_equal(out.data, "23489");
	must(object_store_get(s, "r", 10, -1, 100, &out, NULL, &e), &e);
	must(object_store_get(s, "r", 1000, 5, 100, &out, NULL, &e), &e);
	assert_int_equal(out.len, 5);
	/* The ceiling is of what is read, not of the object. */
	assert_int_equal(object_store_get(s, "r", 0, -1, 9, &out, NULL, &e), ERR_LIMIT);
	must(object_store_get(s, "r", 0, -1, 10, &out, NULL, &e), &e);
	assert_string_equal(out.data, "234890123456789");
	struct buf small = {.ceiling = 4};
	assert_int_equal(object_store_get(s, "r", 0, -1, 100, &small, NULL, &e), ERR_LIMIT);
	buf_free(&small);
}

static void large_objects_come_back_whole(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	size_t n = 3000001;
	AUTO_FREE char *bytes = mem_alloc(n);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	must(object_store_put(s, "big", (struct slice){bytes, n}, false, &e), &e);
	AUTO_BUF struct buf out = {0};
	must(object_store_get(s, "big", 0, -1, n, &out, NULL, &e), &e);
	assert_int_equal(out.len, n);
	assert_memory_equal(out.data, bytes, n);
	must(object_store_copy(s, "big", "copy/of/big", &e), &e);
	buf_reset(&out);
	must(object_store_get(s, "copy/of/big", 0, -1, n, &out, NULL, &e), &e);
	assert_memory_equal(out.data, bytes, n);
}

/* As large as travels in several parts where there are such. */
static void objects_of_many_parts_come_back_whole(void **state)
{
	struct fixture *f = *state;
	struct object_store *s = f->store;
	struct err e = ERR_INIT;
	size_t n = 20000003;
	AUTO_FREE char *bytes = mem_alloc(n);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 2654435761U >> 13);
	AUTO_FREE char *path = path_in(object_store_staging(s), "large");
	must(file_create(path, bytes, n, false, &e), &e);
	struct object_put items[] = {{.key = "large/bytes", .bytes = {bytes, n}, .if_absent = true},
				     {.key = "large/file", .path = path}};
	must(object_store_put_many(s, items, 2, &e), &e);
	assert_int_equal(object_store_put(s, "large/bytes", (struct slice){bytes, n}, true, &e),
			 ERR_CONFLICT);
	static const char *const keys[] = {"large/bytes", "large/file"};
	AUTO_ARENA struct arena *arena = arena_new();
	const char *paths[2];
	must(object_store_localise(s, keys, 2, arena, paths, &e), &e);
	for (int i = 0; i < 2; i++) {
		AUTO_BUF struct buf out = {0};
		must(object_store_get(s, keys[i], 0, -1, n, &out, NULL, &e), &e);
		assert_int_equal(out.len, n);
		assert_memory_equal(out.data, bytes, n);
		buf_reset(&out);
		must(file_read(paths[i], n, &out, &e), &e);
		assert_int_equal(out.len, n);
		assert_memory_equal(out.data, bytes, n);
	}
}

/* -- keys -------------------------------------------------------------------------------------- */

static void hostile_keys_are_refused_everywhere(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	char too_long[OBJECT_KEY_MAX + 2], wide[OBJECT_SEGMENT_MAX + 2];
	for (size_t i = 0; i <= OBJECT_KEY_MAX; i++)
		too_long[i] = i % 50 == 49 ? '/' : 'k';
	too_long[OBJECT_KEY_MAX + 1] = '\0';
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	const char *const keys[] = {
		"",      "/",    "/a",    "a/",       "a//b",      "../x",         "a/../b",
		"a/..",  "..",   ".",     "./a",      "a/.",       "a/./b",        "a\nb",
		"a\x7f", "\x01", "a\xff", "\xc0\xaf", "a\xc2\x85", "\xed\xa0\x80", too_long,
		wide,
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct err e = ERR_INIT;
		AUTO_BUF struct buf out = {0};
		struct object_info info;
		AUTO_ARENA struct arena *arena = arena_new();
		const char *path;
		assert_int_equal(object_store_put(s, keys[i], SLICE("x"), false, &e), ERR_INPUT);
		assert_true(e.text[0] != '\0');
		assert_int_equal(object_store_get(s, keys[i], 0, -1, 10, &out, NULL, &e),
				 ERR_INPUT);
		assert_int_equal(object_store_head(s, keys[i], &info, &e), ERR_INPUT);
		assert_int_equal(object_store_delete_many(s, &keys[i], 1, &e), ERR_INPUT);
		assert_int_equal(object_store_copy(s, keys[i], "to", &e), ERR_INPUT);
		assert_int_equal(object_store_copy(s, "from", keys[i], &e), ERR_INPUT);
		assert_int_equal(object_store_localise(s, &keys[i], 1, arena, &path, &e),
				 ERR_INPUT);
	}
	assert_int_equal(count_keys(s, ""), 0);
	/* One bad key among good ones: nothing is put. */
	struct err e = ERR_INIT;
	struct object_put items[] = {{.key = "good", .bytes = SLICE("1")},
				     {.key = "a//b", .bytes = SLICE("2")}};
	assert_int_equal(object_store_put_many(s, items, 2, &e), ERR_INPUT);
	assert_false(exists(s, "good"));
}

static void odd_but_sound_keys_come_back_as_they_were(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	char longest[OBJECT_KEY_MAX + 1], wide[OBJECT_SEGMENT_MAX + 1];
	for (size_t i = 0; i < OBJECT_KEY_MAX; i++)
		longest[i] = i % 200 == 199 ? '/' : 'k';
	longest[OBJECT_KEY_MAX] = '\0';
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	const char *const keys[] = {
		"p/index_code=IBOV/pregao_date=2024-07-15/action=AMBEV%20S%2FA/x.parquet",
		"p/action=\xc3\x87\xc3\x9a/x.parquet",
		"p/with space/x y",
		"p/plus+and&more",
		"p/%",
		"p/a*b?c[d]",
		"p/~",
		"p/quote'\"",
		"p/...",
		"p/.hidden",
		"p/a:b\\c",
		"p/-rf",
		longest,
		wide,
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		put(s, keys[i], keys[i]);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_content(s, keys[i], keys[i]);
	assert_int_equal(count_keys(s, ""), ARRAY_LEN(keys));
	assert_listing(s, "p/action=\xc3", NULL, "p/action=\xc3\x87\xc3\x9a/x.parquet\n");
	struct err e = ERR_INIT;
	must(object_store_delete_many(s, keys, ARRAY_LEN(keys), &e), &e);
	assert_int_equal(count_keys(s, ""), 0);
}

/* -- listing ----------------------------------------------------------------------------------- */

static void listing_is_in_byte_order_of_whole_keys(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	/* '/' (2f) comes after ' ' (20), '+' (2b), '-' (2d) and '.' (2e), and before '0' (30). */
	static const char *const keys[] = {
		"t/a/b", "t/a.b",   "t/a b",     "t/a+",       "t/a-z/q", "t/a0", "t/a.b.c/d",
		"t/A",   "t/a/b.c", "t/a/b c/d", "t/\xc3\xa1", "t/b",     "s",    "u/v"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		put(s, keys[i], "x");
	assert_listing(
		s, "", NULL,
		"s\nt/A\nt/a b\nt/a+\nt/a-z/q\nt/a.b\nt/a.b.c/d\nt/a/b\nt/a/b c/d\nt/a/b.c\nt/a0\nt/b\nt/\xc3\xa1\nu/v\n");
}

static void listing_by_prefix_and_after(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	static const char *const keys[] = {"raw/p/d=2024-07-15/i=A/f",
					   "raw/p/d=2024-07-15/i=B/f",
					   "raw/p/d=2024-07-16/i=A/f",
					   "raw/p/d=2024-08-01/i=A/f",
					   "raw/portfolio/x",
					   "raw/q",
					   "refined/z"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		put(s, keys[i], "x");
	assert_listing(
		s, "raw/p/d=2024-07-1", NULL,
		"raw/p/d=2024-07-15/i=A/f\nraw/p/d=2024-07-15/i=B/f\nraw/p/d=2024-07-16/i=A/f\n");
	assert_listing(s, "raw/p/d=2024-08-01/", NULL, "raw/p/d=2024-08-01/i=A/f\n");
	assert_listing(s, "raw/po", NULL, "raw/portfolio/x\n");
	assert_listing(s, "raw/q", NULL, "raw/q\n"); /* a whole key is a prefix too */
	assert_listing(s, "r", "raw/portfolio", "raw/portfolio/x\nraw/q\nrefined/z\n");
	static const char *const nothing[] = {
		"raw/q/",      "raw/p/d=2024-09",           "x", "raw//p", "/raw", "../",
		"raw/../raw/", "raw/p/d=2024-07-15/i=A/f/g"};
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
		assert_listing(s, nothing[i], NULL, "");
	/* `after` need not exist, may lie before or behind the prefix, and is never given
	 * itself. */
	assert_listing(s, "raw/p/", "raw/p/d=2024-07-15/i=B/f",
		       "raw/p/d=2024-07-16/i=A/f\nraw/p/d=2024-08-01/i=A/f\n");
	assert_listing(
		s, "raw/p/", "raw/p/d=2024-07-15/i=AA",
		"raw/p/d=2024-07-15/i=B/f\nraw/p/d=2024-07-16/i=A/f\nraw/p/d=2024-08-01/i=A/f\n");
	assert_listing(s, "raw/p/", "raw/p/d=2024-07-16",
		       "raw/p/d=2024-07-16/i=A/f\nraw/p/d=2024-08-01/i=A/f\n");
	assert_listing(s, "raw/p/d=2024-08", "a", "raw/p/d=2024-08-01/i=A/f\n");
	assert_listing(s, "raw/p/d=2024-08-01/i=A/", "z", "");
	assert_listing(s, "", "raw/q", "refined/z\n");
	/* Paging by `after` sees each key once. */
	struct buf all = {0};
	char after[64] = "";
	for (int i = 0; i < 8; i++) {
		struct keys k = {.stop_after = 1};
		struct err e = ERR_INIT;
		int rc = object_store_list(s, "", after[0] ? after : NULL, note_key, &k, &e);
		assert_int_equal(rc, i < 7 ? 77 : OK); /* what the callback returned */
		if (k.text.data) {
			buf_str(&all, k.text.data);
			snprintf(after, sizeof(after), "%.*s", (int)k.text.len - 1, k.text.data);
		}
		buf_free(&k.text);
	}
	assert_listing(s, "", NULL, all.data);
	buf_free(&all);
}

static int delete_it(void *ctx, const struct object_info *info)
{
	struct err e = ERR_INIT;
	return object_store_delete_many(ctx, &info->key, 1, &e);
}

static void five_thousand_objects(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	enum { N = 5000 };
	AUTO_ARENA struct arena *arena = arena_new();
	struct object_put *items = ANEW_ARRAY(arena, N, struct object_put);
	for (size_t i = 0; i < N; i++) {
		items[i].key = arena_printf(arena, "raw/t/d=%03zu/o-%05zu", i % 50, i);
		items[i].bytes = slice_of(items[i].key);
		items[i].code = -99;
	}
	struct err e = ERR_INIT;
	must(object_store_put_many(s, items, N, &e), &e);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(items[i].code, OK);
	assert_int_equal(count_keys(s, "raw/t/"), N);
	assert_int_equal(count_keys(s, "raw/t/d=049/"), N / 50);
	for (size_t i = 0; i < N; i += 611)
		assert_content(s, items[i].key, items[i].key);
	/* Deleting while listing is allowed. */
	must(object_store_list(s, "raw/t/d=049", NULL, delete_it, s, &e), &e);
	assert_int_equal(count_keys(s, ""), N - N / 50);
	const char **keys = ANEW_ARRAY(arena, N, const char *);
	for (size_t i = 0; i < N; i++)
		keys[i] = items[i].key;
	must(object_store_delete_many(s, keys, N, &e), &e);
	assert_int_equal(count_keys(s, ""), 0);
}

/* -- put many, if absent, from files ----------------------------------------------------------- */

static void if_absent_changes_nothing_that_is_there(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	must(object_store_put(s, "l/once", SLICE("first"), true, &e), &e);
	assert_int_equal(object_store_put(s, "l/once", SLICE("second"), true, &e), ERR_CONFLICT);
	assert_content(s, "l/once", "first");
	/* Its neighbours in the same call go through, and each has its own code. */
	struct object_put items[] = {{.key = "l/a", .bytes = SLICE("a"), .if_absent = true},
				     {.key = "l/once", .bytes = SLICE("third"), .if_absent = true},
				     {.key = "l/b", .bytes = SLICE("b")}};
	assert_int_equal(object_store_put_many(s, items, 3, &e), ERR_CONFLICT);
	assert_int_equal(items[0].code, OK);
	assert_int_equal(items[1].code, ERR_CONFLICT);
	assert_int_equal(items[2].code, OK);
	assert_content(s, "l/a", "a");
	assert_content(s, "l/b", "b");
	assert_content(s, "l/once", "first");
	const char *key = "l/once";
	must(object_store_delete_many(s, &key, 1, &e), &e);
	must(object_store_put(s, "l/once", SLICE("fourth"), true, &e), &e);
	assert_content(s, "l/once", "fourth");
}

static void a_key_is_not_another_ones_folder(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	put(s, "a/b", "object");
	/* A store without folders takes both; one with folders says so. Neither loses the first. */
	struct err e = ERR_INIT;
	int rc = object_store_put(s, "a/b/c", SLICE("x"), false, &e);
	assert_true(rc == OK || rc == ERR_CONFLICT);
	rc = object_store_put(s, "a", SLICE("x"), false, &e);
	assert_true(rc == OK || rc == ERR_CONFLICT);
	rc = object_store_put(s, "a", SLICE("x"), true, &e);
	assert_true(rc == ERR_CONFLICT);
	assert_content(s, "a/b", "object");
}

static void put_takes_local_files(void **state)
{
	struct fixture *f = *state;
	struct object_store *s = f->store;
	struct err e = ERR_INIT;
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *staged =
		local_file(object_store_staging(s), "staged.parquet", "from staging");
	AUTO_FREE char *outside = local_file(dir, "outside.csv", "from outside");
	AUTO_FREE char *kept = local_file(dir, "kept.csv", "not taken");
	put(s, "x/there", "old");
	struct object_put items[] = {{.key = "x/staged", .path = staged},
				     {.key = "x/there", .path = outside},
				     {.key = "x/there2/missing", .path = "/nonexistent/file"},
				     {.key = "x/bytes", .bytes = SLICE("bytes")}};
	assert_int_equal(object_store_put_many(s, items, 4, &e), ERR_NOT_FOUND);
	assert_int_equal(items[0].code, OK);
	assert_int_equal(items[1].code, OK);
	assert_int_equal(items[2].code, ERR_NOT_FOUND);
	assert_int_equal(items[3].code, OK);
	assert_content(s, "x/staged", "from staging");
	assert_content(s, "x/there", "from outside");
	assert_content(s, "x/bytes", "bytes");
	assert_int_equal(count_keys(s, ""), 3);
	/* What was refused keeps its file. */
	struct object_put refused = {.key = "x/there", .path = kept, .if_absent = true};
	assert_int_equal(object_store_put_many(s, &refused, 1, &e), ERR_CONFLICT);
	assert_int_equal(access(kept, F_OK), 0);
	assert_content(s, "x/there", "from outside");
	struct object_put folder = {.key = "x/folder", .path = dir};
	assert_int_equal(object_store_put_many(s, &folder, 1, &e), ERR_INPUT);
}

static void staged_files_are_never_listed(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	free(local_file(object_store_staging(s), "half.parquet", "PAR1"));
	put(s, "raw/a", "x");
	assert_listing(s, "", NULL, "raw/a\n");
	assert_listing(s, "scr", NULL, "");
	assert_listing(s, "scratch/", NULL, "");
}

static void localise_gives_readable_files(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	AUTO_ARENA struct arena *arena = arena_new();
	static const char *const keys[] = {"l/one", "l/two=AMBEV%20S%2FA/x"};
	const char *paths[2];
	put(s, keys[0], "1");
	put(s, keys[1], "22");
	must(object_store_localise(s, keys, 2, arena, paths, &e), &e);
	AUTO_BUF struct buf out = {0};
	must(file_read(paths[0], 100, &out, &e), &e);
	must(file_read(paths[1], 100, &out, &e), &e);
	assert_string_equal(out.data, "122");
}

static void deleting_and_copying_may_be_repeated(void **state)
{
	struct object_store *s = ((struct fixture *)*state)->store;
	struct err e = ERR_INIT;
	put(s, "d/a/1", "one");
	put(s, "d/a/2", "two");
	static const char *const keys[] = {"d/a/1", "never/was", "d/a", "d/a/1/below"};
	must(object_store_delete_many(s, keys, 4, &e), &e);
	must(object_store_delete_many(s, keys, 4, &e), &e);
	assert_listing(s, "", NULL, "d/a/2\n");
	must(object_store_copy(s, "d/a/2", "d/b/3", &e), &e);
	put(s, "d/a/2", "new");
	assert_content(s, "d/b/3", "two");
	must(object_store_copy(s, "d/a/2", "d/b/3", &e), &e);
	assert_content(s, "d/b/3", "new");
	must(object_store_copy(s, "d/a/2", "d/a/2", &e), &e);
	assert_content(s, "d/a/2", "new");
	/* The folder of what was deleted can be used again. */
	static const char *const rest[] = {"d/a/2", "d/b/3"};
	must(object_store_delete_many(s, rest, 2, &e), &e);
	put(s, "d/a/2/deeper", "x");
	assert_listing(s, "", NULL, "d/a/2/deeper\n");
}

static void two_handles_see_one_store(void **state)
{
	struct fixture *f = *state;
	struct object_store *other = driver->open(f->dir);
	put(f->store, "shared/a", "1");
	assert_content(other, "shared/a", "1");
	put(other, "shared/a", "2");
	assert_content(f->store, "shared/a", "2");
	object_store_free(other);
}

/* -- at the same time -------------------------------------------------------------------------- */

enum { RACERS = 16, SIZE_MIN = 60000 };

struct race {
	struct object_store *store;
	atomic_int won, lost, wrong, next;
	atomic_bool done;
};

static void run_threads(struct race *r, void *(*fn)(void *), int n)
{
	pthread_t threads[RACERS];
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, r), 0);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void *race_for_absent(void *arg)
{
	struct race *r = arg;
	int me = atomic_fetch_add(&r->next, 1);
	for (int round = 0; round < 8; round++) {
		char key[40], text[16];
		snprintf(key, sizeof(key), "race/%d/key", round);
		snprintf(text, sizeof(text), "%d", me);
		struct err e = ERR_INIT;
		int rc = object_store_put(r->store, key, slice_of(text), true, &e);
		atomic_fetch_add(rc == OK ? &r->won : rc == ERR_CONFLICT ? &r->lost : &r->wrong, 1);
		AUTO_BUF struct buf out = {0};
		/* Whoever lost finds the winner's object there. */
		if (object_store_get(r->store, key, 0, -1, 100, &out, NULL, &e) != OK ||
		    (rc == OK && strcmp(out.data, text) != 0))
			atomic_fetch_add(&r->wrong, 1);
	}
	return NULL;
}

static void if_absent_has_one_winner(void **state)
{
	struct race r = {.store = ((struct fixture *)*state)->store};
	run_threads(&r, race_for_absent, RACERS);
	assert_int_equal(r.wrong, 0);
	assert_int_equal(r.won, 8);
	assert_int_equal(r.lost, 8 * (RACERS - 1));
}

static void *put_and_get(void *arg)
{
	struct race *r = arg;
	int me = atomic_fetch_add(&r->next, 1);
	AUTO_FREE char *bytes = mem_alloc(SIZE_MIN + RACERS);
	/* Object number i is all letter i, and of a size that only it has. */
	memset(bytes, 'a' + me, SIZE_MIN + (size_t)me);
	for (int i = 0; i < 12; i++) {
		struct err e = ERR_INIT;
		AUTO_BUF struct buf out = {0};
		struct object_info info;
		if (me % 2 == 0 &&
		    object_store_put(r->store, "hot/key",
				     (struct slice){bytes, SIZE_MIN + (size_t)me}, false, &e) != OK)
			atomic_fetch_add(&r->wrong, 1);
		int rc = object_store_get(r->store, "hot/key", 0, -1, 1 << 20, &out, &info, &e);
		if (rc == ERR_NOT_FOUND && me % 2 == 1)
			continue;
		bool whole = rc == OK && out.len >= SIZE_MIN &&
			     out.len == SIZE_MIN + (size_t)(out.data[0] - 'a') &&
			     info.size_bytes == (int64_t)out.len &&
			     memchr(out.data, out.data[0], 1) != NULL;
		for (size_t k = 1; whole && k < out.len; k++)
			whole = out.data[k] == out.data[0];
		if (!whole)
			atomic_fetch_add(&r->wrong, 1);
	}
	return NULL;
}

static void readers_see_whole_objects_only(void **state)
{
	struct race r = {.store = ((struct fixture *)*state)->store};
	run_threads(&r, put_and_get, RACERS);
	assert_int_equal(r.wrong, 0);
	assert_int_equal(count_keys(r.store, ""), 1);
}

static void *put_and_delete(void *arg)
{
	struct race *r = arg;
	int me = atomic_fetch_add(&r->next, 1);
	char key[64];
	snprintf(key, sizeof(key), "p/d=2024-07-15/a=%d/f", me % 2);
	const char *keys[] = {key};
	for (int i = 0; i < 30; i++) {
		struct err e = ERR_INIT;
		int rc = me < 8 ? object_store_put(r->store, key, SLICE("x"), false, &e)
				: object_store_delete_many(r->store, keys, 1, &e);
		if (rc != OK) {
			print_error("%s %s\n", err_name(rc), e.text);
			atomic_fetch_add(&r->wrong, 1);
		}
	}
	return NULL;
}

/* A directory removes the folders that a delete empties while others make them again. */
static void putting_where_others_delete_never_fails(void **state)
{
	struct race r = {.store = ((struct fixture *)*state)->store};
	run_threads(&r, put_and_delete, RACERS);
	assert_int_equal(r.wrong, 0);
	put(r.store, "p/d=2024-07-15/a=0/f", "last");
	assert_content(r.store, "p/d=2024-07-15/a=0/f", "last");
}

/* -- the fault wrapper ------------------------------------------------------------------------- */

static void the_wrapper_fails_the_nth_write_only(void **state)
{
	struct fixture *f = *state;
	static const char *const keys[] = {"w/0", "w/1", "w/2", "w/3"};
	/* Writes in order: put, put_many of four (2 to 5), copy (6), delete_many of two (7), put
	 * (8). */
	for (int nth = 0; nth <= 9; nth++) {
		AUTO_FOLDER char *dir = temporary_folder();
		struct object_store *s = object_store_fault_new(driver->open(dir), nth, ERR_LIMIT);
		struct err e = ERR_INIT;
		assert_int_equal(object_store_put(s, "w/first", SLICE("1"), false, &e),
				 nth == 1 ? ERR_LIMIT : OK);
		if (nth == 1)
			assert_string_equal(e.where, "w/first");
		struct object_put items[4] = {0};
		for (int i = 0; i < 4; i++)
			items[i] = (struct object_put){.key = keys[i], .bytes = SLICE("x")};
		assert_int_equal(object_store_put_many(s, items, 4, &e),
				 nth >= 2 && nth <= 5 ? ERR_LIMIT : OK);
		for (int i = 0; i < 4; i++) {
			assert_int_equal(items[i].code, nth == i + 2 ? ERR_LIMIT : OK);
			assert_int_equal(exists(s, keys[i]), nth != i + 2);
		}
		put(f->store, "untouched", "x"); /* another store is not concerned */
		int copied = object_store_copy(s, nth == 2 ? "w/1" : "w/0", "w/copy", &e);
		assert_int_equal(copied, nth == 6 ? ERR_LIMIT : OK);
		assert_int_equal(exists(s, "w/copy"), nth != 6);
		assert_int_equal(object_store_delete_many(s, keys, 2, &e),
				 nth == 7 ? ERR_LIMIT : OK);
		assert_int_equal(exists(s, nth == 2 ? "w/1" : "w/0"), nth == 7);
		assert_int_equal(object_store_put(s, "w/last", SLICE("1"), false, &e),
				 nth == 8 ? ERR_LIMIT : OK);
		assert_int_equal(exists(s, "w/last"), nth != 8);
		assert_string_not_equal(object_store_staging(s), "");
		object_store_free(s);
	}
}

/* -- drivers ----------------------------------------------------------------------------------- */

static struct object_store *open_fs(const char *dir)
{
	struct err e = ERR_INIT;
	struct object_store *s = NULL;
	must(object_store_fs_open(dir, true, &s, &e), &e);
	return s;
}

static bool always(void)
{
	return true;
}

/* An S3 server that tests/aws started; which one, the environment says, as it does to the program. A
 * bucket stands for each directory. */
static struct aws *aws;

static bool s3_is_there(void)
{
	return getenv("PREGAO_TEST_S3") != NULL;
}

static struct object_store *open_s3(const char *dir)
{
	struct err e = ERR_INIT;
	AUTO_BUF struct buf bucket = {0};
	AUTO_FREE char *scratch = path_in(dir, "scratch"), *cache = path_in(dir, "cache");
	struct object_store *s = NULL;
	struct aws_answer answer = {0};
	buf_str(&bucket, "pregao-");
	for (const char *p = dir + strlen(dir) - 6; *p; p++) /* mkdtemp's letters */
		buf_printf(&bucket, "%02x", (unsigned char)*p);
	if (!aws)
		must(aws_new(NULL, &aws, &e), &e);
	const struct aws_call make = {.service = "s3",
				      .action = "s3:CreateBucket",
				      .resource = bucket.data,
				      .method = "PUT",
				      .bucket = bucket.data,
				      .path = ""};
	int rc = aws_call(aws, &make, &answer, &e);
	if (rc != ERR_CONFLICT)
		must(rc, &e);
	aws_answer_clear(&answer);
	const struct object_store_s3_options o = {.aws = aws,
						  .bucket = bucket.data,
						  .prefix = "",
						  .scratch = scratch,
						  .cache = cache};
	must(object_store_s3_open(&o, &s, &e), &e);
	return s;
}

static const struct driver_case drivers[] = {
	{"object_store_fs", open_fs, always},
	{"object_store_s3", open_s3, s3_is_there},
};

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		CASE(put_then_get_and_head),
		CASE(what_is_not_there_is_not_found),
		CASE(overwriting_replaces_the_whole_and_the_etag),
		CASE(ranges_and_ceilings),
		CASE(large_objects_come_back_whole),
		CASE(objects_of_many_parts_come_back_whole),
		CASE(hostile_keys_are_refused_everywhere),
		CASE(odd_but_sound_keys_come_back_as_they_were),
		CASE(listing_is_in_byte_order_of_whole_keys),
		CASE(listing_by_prefix_and_after),
		CASE(five_thousand_objects),
		CASE(if_absent_changes_nothing_that_is_there),
		CASE(a_key_is_not_another_ones_folder),
		CASE(put_takes_local_files),
		CASE(staged_files_are_never_listed),
		CASE(localise_gives_readable_files),
		CASE(deleting_and_copying_may_be_repeated),
		CASE(two_handles_see_one_store),
		CASE(if_absent_has_one_winner),
		CASE(readers_see_whole_objects_only),
		CASE(putting_where_others_delete_never_fails),
		CASE(the_wrapper_fails_the_nth_write_only),
	};
	int failed = 0;
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		driver = &drivers[i];
		if (driver->available())
			failed += RUN_TESTS(driver->name);
	}
	aws_free(aws);
	return failed;
}
