/* SHA-256 (libcrypto). Object names and payload identities are made of it. */
#ifndef PREGAO_HASH_H
#define PREGAO_HASH_H

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

#endif
