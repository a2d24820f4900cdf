/* The role that delivers: the stream's sealed segments become Parquet in the lake. */
#include "deliver.h"
#include "pass.h"
#include "role_table.h"

int role_delivery(struct role_context *c, struct err *e)
{
	struct delivery_stream *stream;
	struct deliver_result result = {0};
	struct pass pass;
	int rc = system_stream(c->system, STREAM_DELIVER, &stream, e);
	if (rc)
		return rc;
	pass_begin(&pass, system_telemetry(c->system), system_clock(c->system), "deliver bitcoin");
	struct deliver deliver = system_deliver(c->system, stream, pass.record.id);
	rc = deliver_run(&deliver, c->stop, &result, e);
	pass_end(&pass, rc, rc ? e : NULL);
	return rc;
}
