/* Port: Parquet files. Calls go to the driver as they are; see parquet.h.
 */
#include "parquet.h"

int parquet_write(struct parquet *p, const struct batch *batches, size_t n, const char *path,
		  struct arena *arena, struct parquet_result *ret, struct err *e)
{
	return p->ops->write(p, batches, n, path, arena, ret, e);
}

int parquet_merge(struct parquet *p, const struct parquet_merge *m, struct arena *arena,
		  struct parquet_result *ret, struct err *e)
{
	return p->ops->merge(p, m, arena, ret, e);
}

int parquet_check(struct parquet *p, const char *path, int64_t *ret_rows, struct err *e)
{
	return p->ops->check(p, path, ret_rows, e);
}

void parquet_free(struct parquet *p)
{
	if (p)
		p->ops->free(p);
}
