/* SHA-256 against the published vectors (FIPS 180-4), and the framing of fields. */
#include "unit.h"

#include "hash.h"

static void published_vectors(void **state)
{
	char hex[HASH_HEX_SIZE];
	hash_bytes_hex("", 0, hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hash_bytes_hex("abc", 3, hex);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct hash *h = hash_new();
	for (int i = 0; i < 1000000; i += 1000) {
		char block[1000];
		memset(block, 'a', sizeof(block));
		hash_add(h, block, sizeof(block));
	}
	hash_end_hex(h, hex);
	assert_string_equal(hex,
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void of_two(const char *a, const char *b, char hex[HASH_HEX_SIZE])
{
	struct hash *h = hash_new();
	hash_str(h, a);
	hash_str(h, b);
	hash_end_hex(h, hex);
}

static void fields_do_not_run_together(void **state)
{
	char one[HASH_HEX_SIZE], other[HASH_HEX_SIZE];
	of_two("ab", "c", one);
	of_two("a", "bc", other);
	assert_string_not_equal(one, other);
	of_two("abc", "", other);
	assert_string_not_equal(one, other);
	/* Names of objects are made of this: it must never change. */
	struct hash *h = hash_new();
	hash_str(h, "x");
	hash_i64(h, -2);
	hash_end_hex(h, one);
	hash_bytes_hex("\1\0\0\0\0\0\0\0x\10\0\0\0\0\0\0\0\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 25,
		       other);
	assert_string_equal(one, other);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(fields_do_not_run_together),
	};
	return RUN_TESTS("hash");
}
