/* Port: query engine. Calls go to the driver as they are; see query_engine.h.
 */
#include "query_engine.h"

int query_engine_run(struct query_engine *q, const char *sql, const struct query_sink *sink,
		     struct query_stats *ret, struct err *e)
{
	return q->ops->run(q, sql, sink, ret, e);
}

int query_engine_export(struct query_engine *q, const char *sql, const char *path,
			struct query_stats *ret, struct err *e)
{
	return q->ops->export(q, sql, path, ret, e);
}

void query_engine_cancel(struct query_engine *q)
{
	if (q)
		q->ops->cancel(q);
}

void query_engine_free(struct query_engine *q)
{
	if (q)
		q->ops->free(q);
}
