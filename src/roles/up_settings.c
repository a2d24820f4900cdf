/* Reading and checking what `pregao up` is told: a mistake is said before anything runs. */
#include "up_settings.h"

#include <string.h>

#include "alarms.h"
#include "bitcoin_asked.h"
#include "http.h"
#include "schedules.h"
#include "value.h"

int url_port(const char *url)
{
	struct slice rest = slice_of(url);
	bool secure = slice_starts(rest, "https://");
	if (!secure && !slice_starts(rest, "http://"))
		return 0;
	const char *host = url + (secure ? 8 : 7);
	size_t n = strcspn(host, "/?#");
	const char *from = host;
	for (size_t i = 0; i < n; i++)
		if (host[i] == '@')
			from = host + i + 1;
	n -= (size_t)(from - host);
	if (n == 0)
		return 0;
	const char *colon = memrchr(from, ':', n), *bracket = memrchr(from, ']', n);
	if (!colon || (bracket && bracket > colon))
		return secure ? 443 : 80;
	int64_t port;
	struct slice text = {colon + 1, (size_t)(from + n - colon - 1)};
	return int64_parse(text, &port) && port > 0 && port < 65536 ? (int)port : 0;
}

static int check_url(const char *url, const char *origin, struct err *e)
{
	if (!url_port(url)) {
		err_set(e, ERR_USAGE,
			"%s is no address: expected https://HOST/ or http://HOST:PORT/", url);
		return err_where(e, origin);
	}
	int rc = http_url_check(url, e);
	/* Without libcurl nothing can be said of it. */
	if (rc == OK || rc == ERR_NOT_FOUND)
		return rc;
	e->code = ERR_USAGE;
	return err_where(e, origin);
}

/* In a file it would mean another folder wherever somebody stands. */
static int check_lake_path(const struct conf *c, struct err *e)
{
	const char *path = conf_text(c, "lake", "path"), *origin = conf_origin(c, "lake", "path");
	if (!*path || *path == '/' || strstr(path, "://") || !strchr(origin, ':'))
		return OK;
	err_set(e, ERR_USAGE, "[lake] path = %s: expected a path that begins with /", path);
	return err_where(e, origin);
}

/* Settings that are sound one by one, and not together. */
static int check_stream(const struct conf *c, struct arena *arena, struct err *e)
{
	int64_t limit = conf_int(c, "stream", "limit"), segment = conf_int(c, "stream", "segment");
	int64_t age = conf_duration_us(c, "stream", "age");
	struct alarm *alarms;
	size_t count;
	if (limit < 4 * segment) {
		bool is_segment = strcmp(conf_origin(c, "stream", "limit"), "default") == 0;
		err_set(e, ERR_USAGE,
			"[stream] limit = %s holds no four segments of %s: producers would wait for every delivery",
			conf_shown(c, "stream", "limit"), conf_shown(c, "stream", "segment"));
		return err_where(e, conf_origin(c, "stream", is_segment ? "segment" : "limit"));
	}
	int rc = alarms_load(c, arena, &alarms, &count, e);
	for (size_t i = 0; i < count && rc == OK; i++) {
		if (strcmp(alarm_kind_name(alarms[i].kind), "stream_lag") != 0 ||
		    age < alarms[i].after_us)
			continue;
		err_set(e, ERR_USAGE,
			"[stream] age = %s: records would wait as long as [alarm.%s] allows, %lld s",
			conf_shown(c, "stream", "age"), alarms[i].name,
			(long long)(alarms[i].after_us / 1000000));
		const char *origin = conf_origin(c, "stream", "age");
		if (strcmp(origin, "default") == 0)
			origin = conf_origin(c, arena_printf(arena, "alarm.%s", alarms[i].name),
					     "after");
		rc = err_where(e, origin);
	}
	return rc;
}

static int check_indices(const struct up_settings *s, struct err *e)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const char *origin = conf_origin(s->conf, "b3_portfolio", "indices");
	if (!*s->indices) {
		err_set(e, ERR_USAGE, "[b3_portfolio] indices names no index");
		return err_where(e, origin);
	}
	for (const char *const *p = s->indices; *p; p++) {
		size_t n = strspn(*p, letters);
		if (n >= 1 && n <= 12 && !(*p)[n])
			continue;
		err_set(e, ERR_USAGE,
			"`%s` is no index name: expected 1 to 12 letters and digits, such as IBOV",
			*p);
		return err_where(e, origin);
	}
	return OK;
}

static int check_schedules(const struct up_settings *s, struct arena *arena, struct err *e)
{
	struct schedule *schedules;
	size_t count;
	int rc = schedules_load(s->conf, arena, &schedules, &count, e);
	for (size_t i = 0; i < count && rc == OK; i++) {
		if (strcmp(schedules[i].task, "fetch portfolio") == 0)
			continue;
		const char *section = arena_printf(arena, "schedule.%s", schedules[i].name);
		err_set(e, ERR_USAGE, "there is no task `%s`; there is: fetch portfolio",
			schedules[i].task);
		rc = err_where(e, conf_origin(s->conf, section, "task"));
	}
	return rc;
}

int up_settings_read(struct up_settings *ret, const char *sources, const char *period,
		     struct arena *arena, struct err *e)
{
	const struct conf *c = ret->conf;
	ret->indices = conf_list(c, "b3_portfolio", "indices");
	ret->landlock_abi = (int)conf_int(c, "sandbox", "landlock");
	ret->backup_workers = (int)conf_int(c, "backup", "workers");
	int rc = check_lake_path(c, e);
	if (rc == OK)
		rc = check_schedules(ret, arena, e);
	if (rc == OK)
		rc = alarms_check(c, ret->definitions, arena, e);
	if (rc == OK)
		rc = check_stream(c, arena, e);
	if (rc == OK)
		rc = check_indices(ret, e);
	if (rc == OK)
		rc = check_url(conf_text(c, "b3_portfolio", "url"),
			       conf_origin(c, "b3_portfolio", "url"), e);
	if (rc == OK)
		rc = bitcoin_asked(c, sources, period, arena, &ret->sources, &ret->source_count, e);
	for (size_t i = 0; rc == OK && i < ret->source_count; i++)
		if (ret->sources[i].url)
			rc = check_url(ret->sources[i].url, "--source", e);
	if (rc)
		return rc;
	rc = backup_place_find(ret->lake, conf_text(c, "backup", "to"), arena, &ret->backup, e);
	return rc ? err_where(e, conf_origin(c, "backup", "to")) : OK;
}
