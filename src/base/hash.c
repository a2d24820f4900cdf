/* SHA-256 and HMAC by libcrypto, and the framing that keeps neighbouring fields apart. */
#include "hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct hash {
	EVP_MD_CTX *context;
};

/* libcrypto fails here for want of memory only, or when SHA-256 has been configured away: neither
 * can be gone on from. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct hash *hash_new(void)
{
	struct hash *h = NEW(struct hash);
	h->context = EVP_MD_CTX_new();
	must(h->context != NULL);
	must(EVP_DigestInit_ex(h->context, EVP_sha256(), NULL));
	return h;
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
	must(EVP_DigestUpdate(h->context, bytes, n));
}

void hash_field(struct hash *h, const void *bytes, size_t n)
{
	unsigned char length[8];
	for (int i = 0; i < 8; i++)
		length[i] = (unsigned char)((uint64_t)n >> (8 * i));
	hash_add(h, length, sizeof(length));
	hash_add(h, bytes, n);
}

void hash_str(struct hash *h, const char *s)
{
	hash_field(h, s, strlen(s));
}

void hash_i64(struct hash *h, int64_t n)
{
	unsigned char bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)((uint64_t)n >> (8 * i));
	hash_field(h, bytes, sizeof(bytes));
}

static void end(struct hash *h, unsigned char ret[HASH_SIZE])
{
	unsigned int n = 0;
	must(EVP_DigestFinal_ex(h->context, ret, &n));
	must(n == HASH_SIZE);
	EVP_MD_CTX_free(h->context);
	free(h);
}

void hash_hex(const unsigned char sum[HASH_SIZE], char hex[HASH_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < HASH_SIZE; i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[2 * HASH_SIZE] = 0;
}

void hash_end_hex(struct hash *h, char hex[HASH_HEX_SIZE])
{
	unsigned char sum[HASH_SIZE];
	end(h, sum);
	hash_hex(sum, hex);
}

void hash_bytes(const void *bytes, size_t n, unsigned char ret[HASH_SIZE])
{
	struct hash *h = hash_new();
	hash_add(h, bytes, n);
	end(h, ret);
}

void hash_bytes_hex(const void *bytes, size_t n, char hex[HASH_HEX_SIZE])
{
	struct hash *h = hash_new();
	hash_add(h, bytes, n);
	hash_end_hex(h, hex);
}

void hash_hmac(const void *key, size_t key_n, const void *bytes, size_t n,
	       unsigned char ret[HASH_SIZE])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int sum_n = 0;
	must(key_n <= INT_MAX &&
	     HMAC(EVP_sha256(), key, (int)key_n, bytes, n, sum, &sum_n) != NULL);
	must(sum_n == HASH_SIZE);
	memcpy(ret, sum, HASH_SIZE);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
