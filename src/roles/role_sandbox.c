/* Rights become paths and ports. Beside what its rights name, a process may read the system's libraries
 * and settings, which hold nothing of the lake. */
#include "role_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "file.h"
#include "http.h"

#define PROXY_PORT 1080 /* libcurl's, for a proxy that is named without one */
#define DNS_PORT   53   /* answers that are too long for UDP */
/* Renaming between folders, which every durable write ends with, came with Landlock's second version. */
#define LEAST_ABI 2

struct list {
	struct arena *arena;
	const char *state;
	struct role_confines out;
	size_t path_cap, port_cap, address_cap;
};

static void add(struct list *l, enum sandbox_access access, const char *path)
{
	*PUSH(l->out.paths, l->out.path_count, l->path_cap) = (struct sandbox_path){path, access};
}

static void add_state(struct list *l, const char *name)
{
	add(l, SANDBOX_READ_WRITE, arena_printf(l->arena, "%s/%s", l->state, name));
}

/* The file and what SQLite keeps beside it. */
static void add_database(struct list *l, const char *name)
{
	add_state(l, arena_printf(l->arena, "%s.sqlite", name));
	add_state(l, arena_printf(l->arena, "%s.sqlite-wal", name));
	add_state(l, arena_printf(l->arena, "%s.sqlite-shm", name));
}

static void add_port(struct list *l, int port)
{
	for (size_t i = 0; i < l->out.port_count; i++)
		if (l->out.ports[i] == port)
			return;
	if (port > 0)
		*PUSH(l->out.ports, l->out.port_count, l->port_cap) = (uint16_t)port;
}

/* The n-th URL that the setting holds; NULL after the last. */
static const char *url_of(const struct right *r, const struct up_settings *s, size_t n)
{
	if (strcmp(r->name, "alarms.webhook") == 0) {
		const char *url = conf_text(s->conf, "alarms", "webhook");
		return n || !*url ? NULL : url;
	}
	if (strcmp(r->name, "b3_portfolio.url") == 0)
		return n ? NULL : conf_text(s->conf, "b3_portfolio", "url");
	if (n >= s->source_count)
		return NULL;
	return s->sources[n].url ? s->sources[n].url : s->sources[n].source->url;
}

/* A proxy named by the environment, as libcurl reads it, stands between: its port is connected to as well. */
static void add_proxies(struct list *l, const char *url)
{
	const char *names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
	if (strncmp(url, "http://", 7) == 0)
		names[0] = names[1] = "http_proxy";
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *proxy = getenv(names[i]);
		if (!proxy || !*proxy)
			continue;
		const char *rest = strstr(proxy, "://");
		int other = strncmp(proxy, "https://", 8) == 0 ? 443 : PROXY_PORT;
		struct slice host = slice_of(rest ? rest + 3 : proxy);
		while (slice_ends(host, "/"))
			host.n--;
		int port = url_port(arena_printf(l->arena, "http://%.*s", (int)host.n, host.p));
		add_port(l, port == 80 && !slice_ends(host, ":80") ? other : port);
	}
}

static void add_network(struct list *l, const struct right *r, const struct up_settings *s)
{
	const char *url;
	for (size_t i = 0; (url = url_of(r, s, i)) != NULL; i++) {
		l->out.network = true;
		add_port(l, DNS_PORT);
		add_port(l, url_port(url));
		add_proxies(l, url);
	}
	const char *const *list = role_addresses(r, s, l->arena);
	for (size_t i = 0; list[i]; i++)
		*PUSH(l->out.addresses, l->out.address_count, l->address_cap) = list[i];
}

const char *const *role_addresses(const struct right *r, const struct up_settings *s,
				  struct arena *arena)
{
	size_t n = 0, count = 0;
	while (url_of(r, s, n))
		n++;
	const char **list = ANEW_ARRAY(arena, n + 1, const char *);
	for (size_t i = 0; i < n; i++) {
		const char *url = url_of(r, s, i);
		const char *host = strstr(url, "://");
		host = host ? host + 3 : url;
		size_t end = *host == '[' ? strcspn(host, "]/?#") + 1 : strcspn(host, ":/?#");
		const char *address = arena_printf(arena, "%.*s:%d", (int)end, host, url_port(url));
		if (!str_among(address, list, count))
			list[count++] = address;
	}
	return list;
}

static void add_right(struct list *l, const struct right *r, const struct up_settings *s)
{
	bool writes = r->action == ACT_WRITE;
	enum sandbox_access access = writes ? SANDBOX_READ_WRITE : SANDBOX_READ;
	switch (r->resource) {
	case RES_STORE:
		add(l, access, arena_printf(l->arena, "%s/%s", s->lake, r->name));
		if (writes)
			add(l, access, arena_printf(l->arena, "%s/scratch", s->lake));
		break;
	case RES_BACKUP: add(l, access, s->backup.path); break;
	case RES_QUEUE: add_database(l, arena_printf(l->arena, "queue/%s", r->name)); break;
	case RES_STREAM:
		add(l, r->action == ACT_READ ? SANDBOX_READ : SANDBOX_READ_WRITE,
		    arena_printf(l->arena, "%s/stream/%s", l->state, r->name));
		break;
	case RES_CATALOG:
		/* Also a reader writes down which version it holds, and shares the log's index. */
		add_database(l, "catalog");
		add_state(l, "readers");
		if (writes)
			add_state(l, "locks");
		break;
	case RES_JOBS:
		add_database(l, "jobs");
		add_state(l, "workers");
		break;
	case RES_SCHEDULER:
		add_database(l, "scheduler");
		add_state(l, "scheduler.sqlite.lock");
		break;
	case RES_TELEMETRY:
		add_database(l, "telemetry");
		add_state(l, "workers");
		break;
	case RES_DEFINITIONS: add(l, SANDBOX_READ, s->definitions); break;
	case RES_NETWORK: add_network(l, r, s); break;
	/* A helper outside runs it: role_alarms.c. */
	case RES_COMMAND: break;
	case RES_CONNECTIONS: l->out.accept = true; break;
	}
}

/* Libraries that are loaded when they are first needed, the zone database, names and certificates, and
 * what a program may know of the machine. */
static void add_system(struct list *l)
{
	static const char *const paths[] = {"/usr",
					    "/lib",
					    "/lib64",
					    "/etc",
					    "/run/systemd/resolve",
					    "/run/resolvconf",
					    "/proc/meminfo",
					    "/proc/cpuinfo",
					    "/proc/self/cgroup",
					    "/proc/self/mountinfo",
					    "/proc/sys/vm/overcommit_memory",
					    "/sys/fs/cgroup",
					    "/sys/devices/system/cpu",
					    "/dev/urandom"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		add(l, SANDBOX_READ, paths[i]);
	add(l, SANDBOX_READ_WRITE, "/dev/null");
	const char *library = system_duckdb_folder(l->arena);
	if (library)
		add(l, SANDBOX_READ, library);
}

struct role_confines role_confines(const struct role *role, const struct up_settings *s,
				   struct arena *arena)
{
	struct list l = {.arena = arena, .state = arena_printf(arena, "%s/state", s->lake)};
	for (const struct right *r = role->rights; r->action; r++)
		add_right(&l, r, s);
	add_system(&l);
	struct role_confines out = l.out;
	out.paths = ANEW_ARRAY(arena, out.path_count, struct sandbox_path);
	memcpy(out.paths, l.out.paths, out.path_count * sizeof(*out.paths));
	out.ports = ANEW_ARRAY(arena, out.port_count + 1, uint16_t);
	if (out.port_count)
		memcpy(out.ports, l.out.ports, out.port_count * sizeof(*out.ports));
	out.addresses = ANEW_ARRAY(arena, out.address_count + 1, const char *);
	if (out.address_count)
		memcpy(out.addresses, l.out.addresses, out.address_count * sizeof(*out.addresses));
	free(l.out.paths);
	free(l.out.ports);
	free(l.out.addresses);
	return out;
}

static int touch(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_errno(e, errno, "cannot open the lock file");
		return err_where(e, path);
	}
	close(fd);
	return OK;
}

static int open_right(const struct right *r, const struct up_settings *s, struct system *sys,
		      struct arena *arena, struct err *e)
{
	struct queue *queue;
	struct object_store *store;
	struct delivery_stream *stream;
	struct job_engine *jobs;
	struct job_status *statuses;
	struct run_record *runs;
	struct scheduler *scheduler;
	size_t count;
	int rc;
	switch (r->resource) {
	case RES_STORE: return file_mkdirs(arena_printf(arena, "%s/%s", s->lake, r->name), true, e);
	case RES_BACKUP: return system_backup_store(sys, s->backup.path, true, &store, e);
	case RES_QUEUE: return system_named_queue(sys, r->name, &queue, e);
	case RES_STREAM:
		return system_stream(sys,
				     r->action == ACT_APPEND    ? STREAM_APPEND
				     : r->action == ACT_DELIVER ? STREAM_DELIVER
								: STREAM_READ,
				     &stream, e);
	case RES_JOBS:
		/* The ledger is opened by its first use. */
		rc = system_job_engine(sys, &jobs, e);
		return rc ? rc : job_engine_list(jobs, 1, arena, &statuses, &count, e);
	case RES_SCHEDULER:
		rc = system_scheduler(sys, &scheduler, e);
		/* Taken by each tick; it must be there to be named in the sandbox. */
		return rc ? rc
			  : touch(arena_printf(arena, "%s/state/scheduler.sqlite.lock", s->lake),
				  e);
	case RES_TELEMETRY:
		/* A damaged one is no reason to stand still; one of a newer program is, as anywhere. */
		rc = telemetry_runs(system_telemetry(sys), 1, arena, &runs, &count, e);
		if (rc == ERR_INPUT)
			return rc;
		return file_mkdirs(arena_printf(arena, "%s/state/workers", s->lake), false, e);
	case RES_CATALOG:
	case RES_DEFINITIONS:
	case RES_NETWORK:
	case RES_COMMAND:
	case RES_CONNECTIONS: break;
	}
	return OK;
}

int role_open(const struct role *role, const struct up_settings *s, struct system *sys,
	      struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	int rc = OK;
	for (const struct right *r = role->rights; r->action && rc == OK; r++)
		rc = open_right(r, s, sys, arena, e);
	return rc;
}

/* Sanitizers keep books of all memory that a process might have, and count as that. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_can_be_limited = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
static const bool memory_can_be_limited = false;
#else
static const bool memory_can_be_limited = true;
#endif
#else
static const bool memory_can_be_limited = true;
#endif

static int limit(int what, rlim_t value, struct err *e)
{
	struct rlimit l;
	if (getrlimit(what, &l) != 0)
		return OK;
	if (l.rlim_max == RLIM_INFINITY || l.rlim_max > value)
		l.rlim_max = value;
	l.rlim_cur = l.rlim_max;
	return setrlimit(what, &l) == 0 ? OK : err_errno(e, errno, "cannot limit the process");
}

/* Below version 2 a process confined to its folders could not finish a write: better no rule, and said
 * so, than a system that stands still. */
static int usable_abi(int max_abi)
{
	return sandbox_landlock_abi(max_abi) < LEAST_ABI ? -1 : max_abi;
}

int role_confine(const struct role *role, const struct up_settings *s, struct sandbox_report *ret,
		 struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct role_confines c = role_confines(role, s, arena);
	int rc = limit(RLIMIT_CORE, 0, e);
	if (rc == OK)
		rc = limit(RLIMIT_NOFILE, ROLE_FILES_MAX, e);
	if (rc == OK && memory_can_be_limited)
		rc = limit(RLIMIT_DATA, (rlim_t)role->memory_mib << 20, e);
	if (rc)
		return rc;
	http_confine(c.addresses);
	return sandbox_enter(&(struct sandbox){.paths = c.paths,
					       .path_count = c.path_count,
					       .network = c.network,
					       .accept = c.accept,
					       .connect_ports = c.ports,
					       .connect_port_count = c.port_count},
			     usable_abi(s->landlock_abi), ret, e);
}

struct sandbox_lacks role_sandbox_lacks(int max_abi)
{
	int abi = sandbox_landlock_abi(max_abi);
	return (struct sandbox_lacks){
		.files = abi < LEAST_ABI, .network = abi < 4, .calls = !sandbox_has_seccomp()};
}
