/* CRC-32C, the reflected polynomial 0x82F63B78, by SSE 4.2's instruction or by a table of 256
 * entries. */
#include "crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];

static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82F63B78U : c >> 1;
		table[i] = c;
	}
}

uint32_t crc32c_by_table(const void *bytes, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fill_table);
	const unsigned char *p = bytes;
	uint32_t c = UINT32_MAX;
	for (size_t i = 0; i < n; i++)
		c = c >> 8 ^ table[(c ^ p[i]) & 0xFF];
	return ~c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t c = UINT32_MAX;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t eight;
		memcpy(&eight, p, 8);
		c = __builtin_ia32_crc32di(c, eight);
	}
	for (; n > 0; n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
	return ~(uint32_t)c;
}

uint32_t crc32c(const void *bytes, size_t n)
{
	return __builtin_cpu_supports("sse4.2") ? by_instruction(bytes, n)
						: crc32c_by_table(bytes, n);
}
#else
uint32_t crc32c(const void *bytes, size_t n)
{
	return crc32c_by_table(bytes, n);
}
#endif
