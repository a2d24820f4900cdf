/* SHA-256 and its HMAC (libcrypto). Object names and payload identities are made of the one, the
 * signatures of AWS's requests of the other. */
#ifndef PREGAO_HASH_H
#define PREGAO_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_HEX_SIZE 65 /* 64 hexadecimal digits and NUL */
struct hash;
struct hash *hash_new(void);
void hash_add(struct hash *, const void *bytes, size_t n);
/* Adds a length-prefixed field, so that ("ab","c") and ("a","bc") differ. */
void hash_field(struct hash *, const void *bytes, size_t n);
void hash_str(struct hash *, const char *s); /* hash_field of a C string */
void hash_i64(struct hash *, int64_t);
/* Finishes and frees. */
void hash_end_hex(struct hash *, char hex[HASH_HEX_SIZE]);
void hash_bytes_hex(const void *bytes, size_t n, char hex[HASH_HEX_SIZE]);

#define HASH_SIZE 32
void hash_bytes(const void *bytes, size_t n, unsigned char ret[HASH_SIZE]);
void hash_hex(const unsigned char sum[HASH_SIZE], char hex[HASH_HEX_SIZE]);
/* HMAC-SHA-256 (RFC 2104) of the bytes under a key. ret may be the key itself. */
void hash_hmac(const void *key, size_t key_n, const void *bytes, size_t n,
	       unsigned char ret[HASH_SIZE]);

/* Whether n bytes are the same, in a time that says nothing of where they differ. */
bool secret_equal(const void *a, const void *b, size_t n);

#endif
