/* The role that collects: asks the tickers and appends to the stream, and seals its segments when they
 * are due, so that the deliverer in another process may have them. */
#include <pthread.h>

#include "collect.h"
#include "http.h"
#include "pass.h"
#include "role_table.h"

#define SEAL_US INT64_C(500000)

struct sealer {
	struct role_context *role;
	struct delivery_stream *stream;
};

static void *seal(void *arg)
{
	struct sealer *s = arg;
	int failures = 0;
	while (role_wait(s->role, SEAL_US)) {
		struct err why = ERR_INIT;
		if (delivery_stream_seal(s->stream, false, &why) != OK)
			role_failed(s->role, "seal.failed", &why, &failures);
		else
			failures = 0;
	}
	return NULL;
}

int role_collector(struct role_context *c, struct err *e)
{
	struct sealer sealer = {.role = c};
	struct collect_result result;
	struct pass pass;
	pthread_t thread;
	int rc = system_stream(c->system, STREAM_APPEND, &sealer.stream, e);
	if (rc)
		return rc;
	int errnum = pthread_create(&thread, NULL, seal, &sealer);
	if (errnum)
		return err_errno(e, errnum, "cannot start a thread");
	pass_begin(&pass, system_telemetry(c->system), system_clock(c->system), "collect bitcoin");
	struct collect collect = {
		.stream = sealer.stream,
		.catalog = system_catalog(c->system),
		.clock = system_clock(c->system),
		.telemetry = system_telemetry(c->system),
		.run = pass.record.id,
		.http_new = http_curl_new,
		.sources = c->settings->sources,
		.source_count = c->settings->source_count,
		.body_ceiling_bytes = (size_t)conf_int(c->settings->conf, "bitcoin", "body_limit"),
		.user_agent = "pregao/" PREGAO_VERSION,
		.stop = c->stop};
	rc = collect_run(&collect, &result, e);
	pass_end(&pass, rc, rc ? e : NULL);
	/* Only an error ends it without a stop; then the sealer ends, too. */
	atomic_store(c->stop, true);
	pthread_join(thread, NULL);
	struct err why = ERR_INIT;
	int sealed = delivery_stream_seal(sealer.stream, true, &why);
	if (sealed && rc == OK) {
		*e = why;
		rc = sealed;
	}
	return rc;
}
