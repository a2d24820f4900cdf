/* Snappy's raw format, compressing only: what the pages of a Parquet file are in. */
#ifndef PREGAO_SNAPPY_H
#define PREGAO_SNAPPY_H

#include "str.h"

/* Appends the n bytes, compressed, to out. The same bytes always give the same. n is below 4 GB. */
void snappy_pack(const void *bytes, size_t n, struct buf *out);

#endif
