/* CRC-32C (Castagnoli, RFC 3720 appendix B.4): what a spool's records are checked with. */
#ifndef PREGAO_CRC32C_H
#define PREGAO_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of all n bytes; by the processor's own instruction where it has one. */
uint32_t crc32c(const void *bytes, size_t n);
/* The same by a table, for processors without; tests compare the two. */
uint32_t crc32c_by_table(const void *bytes, size_t n);

#endif
