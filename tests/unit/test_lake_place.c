/* Where a lake lies: folders and buckets, what is refused, and that no two share a local folder. */
#include "unit.h"

#include <stdlib.h>

#include "lake_place.h"

static struct lake_place found(struct arena *arena, const char *lake)
{
	struct lake_place p;
	struct err e = ERR_INIT;
	if (lake_place_find(lake, arena, &p, &e) != OK)
		fail_msg("%s: %s", lake, e.text);
	return p;
}

static void folders(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct lake_place p = found(arena, "/no/such/lake");
	assert_null(p.bucket);
	assert_null(p.cache);
	assert_string_equal(p.text, "/no/such/lake");
	assert_string_equal(p.state, "/no/such/lake/state");
	assert_string_equal(p.scratch, "/no/such/lake/scratch");
	assert_int_equal(found(arena, "lake").text[0], '/');
}

static void buckets(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	setenv("XDG_STATE_HOME", "/home/of/state", 1);
	static const char *const same[] = {"s3://my-bucket/a b/c", "s3://my-bucket/a b/c/"};
	for (size_t i = 0; i < 2; i++) {
		struct lake_place p = found(arena, same[i]);
		assert_string_equal(p.text, "s3://my-bucket/a b/c");
		assert_string_equal(p.bucket, "my-bucket");
		assert_string_equal(p.prefix, "a b/c");
		assert_int_equal(strncmp(p.folder, "/home/of/state/pregao/s3/my-bucket-", 35), 0);
	}
	struct lake_place whole = found(arena, "s3://my-bucket"), prefix = found(arena, same[0]);
	assert_string_equal(whole.prefix, "");
	assert_string_not_equal(whole.folder, prefix.folder);
	setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
	struct lake_place elsewhere = found(arena, "s3://my-bucket");
	assert_string_not_equal(whole.folder, elsewhere.folder);
	unsetenv("AWS_ENDPOINT_URL");
	/* the specification wants a relative one ignored */
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/home/me", 1);
	struct lake_place home = found(arena, "s3://my-bucket");
	assert_int_equal(strncmp(home.folder, "/home/me/.local/state/pregao/s3/", 32), 0);
}

static void what_is_no_place(void **state)
{
	static const char *const wrong[] = {
		"s3://",          "s3:///x",          "s3://ab",         "s3://Upper",
		"s3://a..b",      "s3://-ab",         "s3://ab-",        "s3://a_b",
		"s3://bucket//x", "s3://bucket/../x", "s3://bucket/a\nb"};
	AUTO_ARENA struct arena *arena = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct lake_place p;
		struct err e = ERR_INIT;
		assert_int_equal(lake_place_find(wrong[i], arena, &p, &e), ERR_USAGE);
		assert_non_null(strstr(e.text, "s3://"));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folders),
		cmocka_unit_test(buckets),
		cmocka_unit_test(what_is_no_place),
	};
	return RUN_TESTS("lake_place");
}
