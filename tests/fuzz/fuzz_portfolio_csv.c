/* Fuzzes the portfolio's parser the way an imported file meets it: any form, no index known. */
#include "fuzz_portfolio.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	fuzz_portfolio(bytes, n, NULL);
	return 0;
}
