/* Fuzzes the portfolio's JSON pages: the input always stands where pages stand, for an index that
 * is known. */
#include "fuzz_portfolio.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	fuzz_portfolio(bytes, n, "IBOV");
	/* As the pages of a sequence: a free first byte would mostly lead elsewhere. */
	char *page = mem_alloc(n + 1);
	page[0] = '\x1e';
	if (n)
		memcpy(page + 1, bytes, n);
	fuzz_portfolio((const uint8_t *)page, n + 1, "IBOV");
	free(page);
	return 0;
}
