/* SHA-256 and HMAC against the published vectors (FIPS 180-4, RFC 4231), and the framing of fields. */
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

static void published_hmacs(void **state)
{
	static const struct {
		const char *key, *text, *expected;
	} cases[] = {
		/* RFC 4231: 4.3, and 4.7 with a key longer than a block */
		{"Jefe", "what do ya want for nothing?",
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	};
	char long_key[131], hex[HASH_HEX_SIZE];
	memset(long_key, 0xaa, sizeof(long_key));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *key = cases[i].key ? cases[i].key : long_key;
		size_t key_n = cases[i].key ? strlen(key) : sizeof(long_key);
		unsigned char sum[HASH_SIZE];
		hash_hmac(key, key_n, cases[i].text, strlen(cases[i].text), sum);
		hash_hex(sum, hex);
		assert_string_equal(hex, cases[i].expected);
	}
	/* In place, as the signing key is made. */
	unsigned char key[HASH_SIZE];
	memset(key, 0x0b, sizeof(key));
	hash_hmac(key, 20, "Hi There", 8, key);
	hash_hex(key, hex);
	assert_string_equal(hex,
			    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(published_hmacs),
		cmocka_unit_test(fields_do_not_run_together),
	};
	return RUN_TESTS("hash");
}
