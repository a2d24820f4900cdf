/* The portfolio of one index: asked for with the configuration's patience, kept, and made raw. */
#include "scrape.h"

#include "source.h"

static int fetch(const struct scrape *s, const char *index, struct arena *arena,
		 struct payload *ret, struct err *e)
{
	const struct conf *c = s->conf;
	struct retry_policy retry = {.attempts = (int)conf_int(c, "b3_portfolio", "attempts"),
				     .base_us = conf_duration_us(c, "b3_portfolio", "pause"),
				     .cap_us = conf_duration_us(c, "b3_portfolio", "pause_cap")};
	struct fetch f = {.http = s->http,
			  .clock = system_clock(s->system),
			  .retry = &retry,
			  .base_url = conf_text(c, "b3_portfolio", "url"),
			  .forms = conf_list(c, "b3_portfolio", "forms"),
			  .request_deadline_us = conf_duration_us(c, "b3_portfolio", "deadline"),
			  .body_ceiling_bytes = (size_t)conf_int(c, "b3_portfolio", "body_limit"),
			  .user_agent = "pregao/" PREGAO_VERSION};
	return source_find("portfolio")->fetch(&f, index, arena, ret, e);
}

int scrape_index(const struct scrape *s, const char *index, struct pass *pass, struct arena *arena,
		 struct extract_result *ret, struct err *e)
{
	struct payload payload;
	pass_start(pass);
	int rc = fetch(s, index, arena, &payload, e);
	pass_done(pass, "fetch", -1, -1, rc ? -1 : (int64_t)payload.bytes.n);
	if (rc)
		return rc;
	struct extract with = {.publish = system_publish(s->system),
			       .telemetry = system_telemetry(s->system),
			       .run = pass->record.id};
	pass_start(pass);
	rc = extract_payload(&with, source_find("portfolio"), &payload, arena, ret, e);
	pass_done(pass, "raw", rc ? -1 : ret->rows, rc ? -1 : ret->raw_files,
		  rc ? -1 : ret->raw_bytes);
	return rc;
}
