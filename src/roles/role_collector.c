/* The role that collects: asks the tickers and appends to the stream, and seals its segments when they
 * are due, so that the deliverer in another process may have them. */
#include <pthread.h>

#include "collect.h"
#include "http.h"
#include "pass.h"
#include "role_table.h"
#include "stream_health.h"

#define SEAL_US INT64_C(500000)

/* How often it is told that sealing works. The first time because one before may have died of its failures; once more
 * because telemetry gathers what comes shortly after something else, and nothing else may come for long. */
#define TOLD 2

struct sealer {
	struct role_context *role;
	struct delivery_stream *stream;
	const char *run;
	bool failing; /* the last try was in vain */
	int to_tell;
};

/* `stream status` and the alarms hear of it through telemetry, for they are other processes. */
static int try_to_seal(struct sealer *s, bool everything, struct err *e)
{
	struct telemetry *t = system_telemetry(s->role->system);
	int rc = delivery_stream_seal(s->stream, everything, e);
	if (rc) {
		stream_failed(t, s->run, STREAM_SEALS, e, !s->failing);
		s->to_tell = TOLD;
	} else if (s->to_tell) {
		stream_works(t, s->run, STREAM_SEALS, s->failing);
		s->to_tell--;
	}
	s->failing = rc != OK;
	return rc;
}

static void *seal(void *arg)
{
	struct sealer *s = arg;
	int failures = 0;
	while (role_wait(s->role, SEAL_US)) {
		struct err why = ERR_INIT;
		if (try_to_seal(s, false, &why) != OK)
			role_pause(s->role, &failures);
		else
			failures = 0;
	}
	return NULL;
}

int role_collector(struct role_context *c, struct err *e)
{
	struct sealer sealer = {.role = c, .to_tell = TOLD};
	struct collect_result result;
	struct pass pass;
	pthread_t thread;
	int rc = system_stream(c->system, STREAM_APPEND, &sealer.stream, e);
	if (rc)
		return rc;
	pass_begin(&pass, system_telemetry(c->system), system_clock(c->system), "collect bitcoin");
	sealer.run = pass.record.id;
	int errnum = pthread_create(&thread, NULL, seal, &sealer);
	if (errnum) {
		rc = err_errno(e, errnum, "cannot start a thread");
		pass_end(&pass, rc, e);
		return rc;
	}
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
	int sealed = try_to_seal(&sealer, true, &why);
	if (sealed && rc == OK) {
		*e = why;
		rc = sealed;
	}
	return rc;
}
