/* The roles and their rights, and the question whether one may do something. Adding a role is a row here
 * and a file role_<name>.c. */
#include "role_table.h"

#include <string.h>

#define TELEMETRY                              \
	{                                      \
		RES_TELEMETRY, ACT_WRITE, NULL \
	}

const struct role role_table[] = {
	{.name = "scheduler",
	 .summary = "says what is due, by the calendar",
	 .run = role_scheduler,
	 .memory_mib = 128,
	 .rights = {{RES_SCHEDULER, ACT_TICK, NULL},
		    {RES_QUEUE, ACT_SEND, "scheduled"},
		    {RES_CATALOG, ACT_READ, NULL},
		    TELEMETRY}},
	{.name = "scraper",
	 .summary = "fetches portfolios from B3 into landing and raw",
	 .run = role_scraper,
	 .memory_mib = 1024,
	 .rights = {{RES_NETWORK, ACT_CONNECT, "b3_portfolio.url"},
		    {RES_QUEUE, ACT_RECEIVE, "scheduled"},
		    {RES_SCHEDULER, ACT_REPORT, NULL},
		    {RES_STORE, ACT_WRITE, "landing"},
		    {RES_STORE, ACT_WRITE, "raw/portfolio"},
		    {RES_STORE, ACT_WRITE, "raw/portfolio_total"},
		    {RES_STORE, ACT_WRITE, "quarantine/b3"},
		    {RES_CATALOG, ACT_READ, NULL},
		    {RES_CATALOG, ACT_WRITE, "raw.portfolio"},
		    {RES_CATALOG, ACT_WRITE, "raw.portfolio_total"},
		    TELEMETRY}},
	{.name = "activator",
	 .summary = "tells the queues of created objects, and starts their jobs",
	 .run = role_activator,
	 .memory_mib = 256,
	 .rights = {{RES_CATALOG, ACT_READ, NULL},
		    {RES_CATALOG, ACT_WRITE, "marks"},
		    {RES_QUEUE, ACT_SEND, "raw-created"},
		    {RES_QUEUE, ACT_RECEIVE, "raw-created"},
		    {RES_QUEUE, ACT_SEND, "backup"},
		    {RES_JOBS, ACT_START, NULL},
		    {RES_DEFINITIONS, ACT_READ, NULL},
		    TELEMETRY}},
	{.name = "job",
	 .summary = "runs the jobs: raw to refined",
	 .run = role_job,
	 .memory_mib = 4096,
	 .rights = {{RES_JOBS, ACT_WORK, NULL},
		    {RES_STORE, ACT_READ, "raw"},
		    {RES_STORE, ACT_WRITE, "refined"},
		    {RES_STORE, ACT_WRITE, "compact/refined"},
		    {RES_CATALOG, ACT_READ, NULL},
		    {RES_CATALOG, ACT_WRITE, "refined"},
		    {RES_DEFINITIONS, ACT_READ, NULL},
		    TELEMETRY}},
	{.name = "collector",
	 .summary = "asks the Bitcoin tickers, slot by slot",
	 .run = role_collector,
	 .memory_mib = 1024,
	 .rights = {{RES_NETWORK, ACT_CONNECT, "bitcoin.sources"},
		    {RES_STREAM, ACT_APPEND, "bitcoin"},
		    {RES_CATALOG, ACT_READ, NULL},
		    TELEMETRY}},
	{.name = "delivery",
	 .summary = "brings the stream into the lake",
	 .run = role_delivery,
	 .memory_mib = 2048,
	 .rights = {{RES_STREAM, ACT_DELIVER, "bitcoin"},
		    {RES_STORE, ACT_WRITE, "raw/bitcoin_ticks"},
		    {RES_STORE, ACT_WRITE, "raw/bitcoin_gaps"},
		    {RES_STORE, ACT_WRITE, "raw/bitcoin_trades"},
		    {RES_STORE, ACT_WRITE, "compact/raw"},
		    {RES_STORE, ACT_WRITE, "quarantine/bitcoin"},
		    {RES_CATALOG, ACT_READ, NULL},
		    {RES_CATALOG, ACT_WRITE, "raw.bitcoin_ticks"},
		    {RES_CATALOG, ACT_WRITE, "raw.bitcoin_gaps"},
		    {RES_CATALOG, ACT_WRITE, "raw.bitcoin_trades"},
		    {RES_CATALOG, ACT_WRITE, "marks"},
		    TELEMETRY}},
	{.name = "backup",
	 .summary = "copies the Bitcoin tables to the backup",
	 .run = role_backup,
	 .memory_mib = 1024,
	 .rights = {{RES_QUEUE, ACT_RECEIVE, "backup"},
		    {RES_STORE, ACT_READ, "raw/bitcoin_ticks"},
		    {RES_STORE, ACT_READ, "raw/bitcoin_gaps"},
		    {RES_STORE, ACT_READ, "raw/bitcoin_trades"},
		    {RES_BACKUP, ACT_WRITE, NULL},
		    {RES_CATALOG, ACT_READ, NULL},
		    TELEMETRY}},
	{.name = "alarms",
	 .summary = "judges the alarms, and tells of their changes",
	 .run = role_alarms,
	 .memory_mib = 256,
	 .before = role_alarms_before,
	 .rights = {{RES_CATALOG, ACT_READ, NULL},
		    {RES_QUEUE, ACT_READ, "raw-created"},
		    {RES_QUEUE, ACT_READ, "scheduled"},
		    {RES_QUEUE, ACT_READ, "backup"},
		    {RES_STREAM, ACT_READ, "bitcoin"},
		    {RES_SCHEDULER, ACT_READ, NULL},
		    {RES_STORE, ACT_READ, "quarantine"},
		    {RES_BACKUP, ACT_READ, NULL},
		    {RES_NETWORK, ACT_CONNECT, "alarms.webhook"},
		    {RES_COMMAND, ACT_RUN, "alarms.notify"},
		    TELEMETRY}},
	/* It reads nothing itself: what is asked for is done by commands of a helper outside, each confined as a
	 * person's is. */
	{.name = "web",
	 .summary = "answers the pages and the API",
	 .run = role_web,
	 .memory_mib = 512,
	 .before = role_web_before,
	 .rights = {{RES_CONNECTIONS, ACT_ACCEPT, "web.listen"}, TELEMETRY}},
};
const size_t role_count = ARRAY_LEN(role_table);

const struct role *role_find(const char *name)
{
	for (size_t i = 0; i < role_count; i++)
		if (strcmp(role_table[i].name, name) == 0)
			return &role_table[i];
	return NULL;
}

const char *resource_name(enum resource r)
{
	static const char *const names[] = {[RES_STORE] = "object-store",
					    [RES_BACKUP] = "backup-store",
					    [RES_QUEUE] = "queue",
					    [RES_STREAM] = "stream",
					    [RES_CATALOG] = "catalog",
					    [RES_JOBS] = "job-engine",
					    [RES_SCHEDULER] = "scheduler",
					    [RES_TELEMETRY] = "telemetry",
					    [RES_DEFINITIONS] = "definitions",
					    [RES_NETWORK] = "network",
					    [RES_COMMAND] = "command",
					    [RES_CONNECTIONS] = "connections"};
	return names[r];
}

const char *action_name(enum action a)
{
	static const char *const names[] = {
		[ACT_END] = "nothing",     [ACT_READ] = "read",       [ACT_WRITE] = "write",
		[ACT_SEND] = "send",       [ACT_RECEIVE] = "receive", [ACT_APPEND] = "append",
		[ACT_DELIVER] = "deliver", [ACT_START] = "start",     [ACT_WORK] = "work",
		[ACT_TICK] = "tick",       [ACT_REPORT] = "report",   [ACT_CONNECT] = "connect",
		[ACT_RUN] = "run",         [ACT_ACCEPT] = "accept"};
	return names[a];
}

bool resource_find(const char *name, enum resource *ret)
{
	for (int r = RES_STORE; r <= RES_CONNECTIONS; r++)
		if (strcmp(resource_name((enum resource)r), name) == 0) {
			*ret = (enum resource)r;
			return true;
		}
	return false;
}

bool action_is_known(const char *name)
{
	for (int a = ACT_READ; a <= ACT_ACCEPT; a++)
		if (strcmp(action_name((enum action)a), name) == 0)
			return true;
	return false;
}

bool right_implies_read(const struct right *r)
{
	return r->action != ACT_READ && r->resource != RES_NETWORK && r->resource != RES_COMMAND &&
	       r->resource != RES_CONNECTIONS;
}

enum holder right_holder(const struct right *r)
{
	switch (r->resource) {
	case RES_STORE:
	case RES_BACKUP:
	case RES_DEFINITIONS:
	case RES_TELEMETRY:
	case RES_NETWORK:
	case RES_COMMAND:
	case RES_CONNECTIONS: return HELD_KERNEL;
	default: return HELD_GUARD;
	}
}

/* Whole folders: "raw/portfolio" has "raw/portfolio/x", "raw/portfolio/" and itself, and nothing of
 * "raw/portfolio_total". */
static bool is_below(const char *key, const char *prefix, char separator)
{
	size_t n = strlen(prefix);
	return strncmp(key, prefix, n) == 0 && (key[n] == separator || !key[n]);
}

static bool covers(const struct right *r, const char *resource)
{
	if (!r->name || !resource)
		return true;
	switch (r->resource) {
	case RES_STORE: return is_below(resource, r->name, '/');
	case RES_CATALOG: return is_below(resource, r->name, '.');
	default: return strcmp(resource, r->name) == 0;
	}
}

/* Whoever has a right to something may look at it. */
static bool implies(const struct right *r, const char *action)
{
	return strcmp(action, action_name(r->action)) == 0 ||
	       (right_implies_read(r) && strcmp(action, action_name(ACT_READ)) == 0);
}

const struct right *role_may(const struct role *role, const char *kind, const char *action,
			     const char *resource)
{
	for (const struct right *r = role->rights; r->action; r++)
		if (strcmp(kind, resource_name(r->resource)) == 0 && implies(r, action) &&
		    covers(r, resource))
			return r;
	return NULL;
}

static bool may(void *ctx, const char *kind, const char *action, const char *resource)
{
	return role_may(ctx, kind, action, resource) != NULL;
}

struct guard role_guard(const struct role *role)
{
	return (struct guard){.who = role->name, .may = may, .ctx = (void *)role};
}
