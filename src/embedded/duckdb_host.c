/* Finding, loading and opening libduckdb: see duckdb_host.h. Lazy binding (RTLD_LAZY) halves the
 * loading: 14 ms against 27; what opening takes (15 ms, registering DuckDB's functions)
 * no setting makes shorter. */
#include "duckdb_host.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "duckdb_api.h"

#define LIBRARY            "libduckdb.so"
#define MEMORY_LEAST_BYTES (256LL << 20)
#define OLDEST_MINOR       3 /* of version 1: what the code was tried with is 1.5 */

/* The library looks for its own symbols in itself first, instead of in everything the program has
 * loaded: loading takes a third less. Sanitizers refuse it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if defined(RTLD_DEEPBIND) && !defined(SANITIZED)
#define LOAD_FLAGS (RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND)
#else
#define LOAD_FLAGS (RTLD_LAZY | RTLD_LOCAL)
#endif

struct duckdb_host {
	pthread_mutex_t lock;
	pthread_t thread;
	bool has_thread; /* started and not yet joined */
	bool opened;     /* tried: code and err say how it went */
	int code;
	struct err err;
	char *temp_dir;
	int64_t memory_limit_bytes;
	int threads;
	bool confined, locked;
	int64_t number;
	void *library;
	struct duckdb_api api;
	duckdb_database db;
};

/* Where the library is looked for, from the program's folder. */
static const char *const beside[] = {"/../lib/pregao/" LIBRARY, "/deps/duckdb/lib/" LIBRARY};

static const char *const call_names[] = {
#define CALL_NAME(name) "duckdb_" #name,
	DUCKDB_CALLS(CALL_NAME)
#undef CALL_NAME
};

/* The folder of the running program, without a slash at the end; empty when it cannot be told. */
static void program_folder(struct buf *out)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	if (slash)
		buf_add(out, path, (size_t)(slash - path));
}

/* Tries a path; appends it and the loader's reason to `tried` when it cannot be loaded. */
static bool try_library(struct duckdb_host *h, const char *path, struct buf *tried)
{
	h->library = dlopen(path, LOAD_FLAGS);
	if (h->library)
		return true;
	bool there = !strchr(path, '/') || access(path, F_OK) == 0;
	const char *why = dlerror();
	buf_printf(tried, "%s%s", tried->len ? ", " : "", path);
	if (there && why && strchr(path, '/'))
		buf_printf(tried, " (%s)", why);
	return false;
}

const char *duckdb_host_folder(struct arena *arena)
{
	const char *given = getenv("PREGAO_DUCKDB");
	AUTO_BUF struct buf folder = {0};
	program_folder(&folder);
	const char *paths[4] = {given && *given ? given : "/nonexistent"};
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		paths[1 + i] =
			arena_printf(arena, "%s%s", folder.data ? folder.data : "", beside[i]);
#ifdef PREGAO_DUCKDB_DIR
	paths[3] = PREGAO_DUCKDB_DIR "/" LIBRARY;
#else
	paths[3] = "/nonexistent";
#endif
	/* The library may be a link: the rule is for where it leads. */
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char *real = realpath(paths[i], NULL);
		char *slash = real ? strrchr(real, '/') : NULL;
		const char *found = slash ? arena_strndup(arena, real, (size_t)(slash - real))
					  : NULL;
		free(real);
		if (found)
			return found;
	}
	return NULL;
}

static int find_library(struct duckdb_host *h, struct err *e)
{
	AUTO_BUF struct buf tried = {0};
	const char *given = getenv("PREGAO_DUCKDB");
	if (given && *given) {
		/* Somebody who names a file means that file. */
		if (try_library(h, given, &tried))
			return OK;
		return err_set(e, ERR_NOT_FOUND,
			       "DuckDB's library cannot be loaded: PREGAO_DUCKDB names %s",
			       tried.data);
	}
	AUTO_BUF struct buf folder = {0}, path = {0};
	program_folder(&folder);
	for (size_t i = 0; folder.len && i < ARRAY_LEN(beside); i++) {
		buf_reset(&path);
		buf_printf(&path, "%s%s", folder.data, beside[i]);
		if (try_library(h, path.data, &tried))
			return OK;
	}
#ifdef PREGAO_DUCKDB_DIR
	if (try_library(h, PREGAO_DUCKDB_DIR "/" LIBRARY, &tried))
		return OK;
#endif
	if (try_library(h, LIBRARY, &tried))
		return OK;
	return err_set(
		e, ERR_NOT_FOUND,
		"DuckDB's library cannot be loaded; looked for: %s. scripts/setup fetches it, or PREGAO_DUCKDB names it",
		tried.data);
}

static int load(struct duckdb_host *h, struct err *e)
{
	int rc = find_library(h, e);
	if (rc)
		return rc;
	void *functions[ARRAY_LEN(call_names)];
	_Static_assert(sizeof(functions) == sizeof(h->api),
		       "a table of nothing but function pointers");
	for (size_t i = 0; i < ARRAY_LEN(call_names); i++) {
		functions[i] = dlsym(h->library, call_names[i]);
		if (!functions[i])
			return err_set(e, ERR_USAGE,
				       "this libduckdb has no %s: version 1.%d or newer is needed",
				       call_names[i], OLDEST_MINOR);
	}
	/* memcpy, for ISO C has no way from an object's pointer to a function's. */
	memcpy(&h->api, functions, sizeof(functions));
	const char *version = h->api.library_version();
	int major = 0, minor = 0;
	if (version && sscanf(version, "v%d.%d", &major, &minor) == 2 &&
	    (major < 1 || (major == 1 && minor < OLDEST_MINOR)))
		return err_set(e, ERR_USAGE, "libduckdb is %s: version 1.%d or newer is needed",
			       version, OLDEST_MINOR);
	return OK;
}

static int64_t default_memory_limit(void)
{
	struct sysinfo info;
	if (sysinfo(&info) != 0)
		return MEMORY_LEAST_BYTES;
	int64_t half = (int64_t)info.totalram / 2 * info.mem_unit;
	return half > MEMORY_LEAST_BYTES ? half : MEMORY_LEAST_BYTES;
}

static int open_database(struct duckdb_host *h, struct err *e)
{
	const struct duckdb_api *d = &h->api;
	char limit[32];
	int64_t bytes = h->memory_limit_bytes > 0 ? h->memory_limit_bytes : default_memory_limit();
	snprintf(limit, sizeof(limit), "%lldKiB", (long long)(bytes / 1024));
	const struct {
		const char *name, *value;
	} settings[] = {
		/* One thread: the same rows give the same bytes, and none exists before a sandbox
		 * is entered. */
		{"threads", "1"},
		{"memory_limit", limit},
		{"temp_directory", h->temp_dir ? h->temp_dir : ""},
		{"preserve_insertion_order", "true"},
		/* Nothing is fetched from anywhere, whatever a statement names. */
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		/* Files are read once; keeping them would only take memory. */
		{"enable_external_file_cache", "false"},
	};
	duckdb_config config = NULL;
	if (d->create_config(&config) == DuckDBError)
		return err_set(e, ERR_LIMIT, "DuckDB cannot be configured: out of memory");
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (d->set_config(config, settings[i].name, settings[i].value) == DuckDBError) {
			d->destroy_config(&config);
			return err_set(e, ERR_USAGE,
				       "this libduckdb (%s) does not take the setting %s",
				       d->library_version(), settings[i].name);
		}
	}
	char *why = NULL;
	duckdb_state state = d->open_ext(NULL, &h->db, config, &why);
	d->destroy_config(&config);
	if (state == DuckDBError) {
		err_set(e, ERR_IO, "DuckDB cannot be opened: %s", why ? why : "no reason given");
		d->free(why);
		return ERR_IO;
	}
	h->threads = 1;
	struct duck duck = {.api = d};
	if (d->connect(h->db, &duck.con) == DuckDBError)
		return err_set(e, ERR_IO, "DuckDB does not accept a connection");
	/* Not possible before the time zones (ICU) are there, so not among the settings above. */
	int rc = duck_query(&duck, "SET GLOBAL TimeZone = 'UTC'", NULL, e);
	duck_close(&duck);
	return rc;
}

/* With the lock held, or on the one opening thread. */
static void open_now(struct duckdb_host *h)
{
	h->code = load(h, &h->err);
	if (!h->code)
		h->code = open_database(h, &h->err);
}

static void *opener(void *arg)
{
	open_now(arg);
	return NULL;
}

struct duckdb_host *duckdb_host_start(const struct duckdb_host_options *o)
{
	struct duckdb_host *h = NEW(struct duckdb_host);
	pthread_mutex_init(&h->lock, NULL);
	h->err = (struct err)ERR_INIT;
	h->temp_dir = mem_strdup(o->temp_dir);
	h->memory_limit_bytes = o->memory_limit_bytes;
	/* No thread to be had: then the first use opens. */
	if (o->background)
		h->has_thread = pthread_create(&h->thread, NULL, opener, h) == 0;
	return h;
}

int duckdb_host_ready(struct duckdb_host *h, struct err *e)
{
	pthread_mutex_lock(&h->lock);
	if (!h->opened) {
		if (h->has_thread)
			pthread_join(h->thread, NULL);
		else
			open_now(h);
		h->has_thread = false;
		h->opened = true;
	}
	int rc = h->code;
	pthread_mutex_unlock(&h->lock);
	if (rc && e)
		*e = h->err;
	return rc;
}

int duck_open(struct duck *ret, struct duckdb_host *h, struct err *e)
{
	int rc = duckdb_host_ready(h, e);
	if (rc)
		return rc;
	duckdb_connection con = NULL;
	if (h->api.connect(h->db, &con) == DuckDBError)
		return err_set(e, ERR_IO, "DuckDB does not accept a connection");
	*ret = (struct duck){.api = &h->api, .con = con};
	return OK;
}

void duck_close(struct duck *d)
{
	if (d->con)
		d->api->disconnect(&d->con);
	d->con = NULL;
}

int64_t duckdb_host_number(struct duckdb_host *h)
{
	return __atomic_add_fetch(&h->number, 1, __ATOMIC_RELAXED);
}

int duckdb_host_threads(struct duckdb_host *h, int threads, struct err *e)
{
	struct duck d = {0};
	int rc = duckdb_host_ready(h, e);
	if (rc)
		return rc;
	pthread_mutex_lock(&h->lock);
	if (h->threads != threads) {
		char sql[64];
		snprintf(sql, sizeof(sql), "SET GLOBAL threads = %d", threads);
		rc = h->api.connect(h->db, &d.con) == DuckDBError
			     ? err_set(e, ERR_IO, "DuckDB does not accept a connection")
			     : OK;
		d.api = &h->api;
		if (rc == OK)
			rc = duck_query(&d, sql, NULL, e);
		if (rc == OK)
			h->threads = threads;
		duck_close(&d);
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

int duckdb_host_confine(struct duckdb_host *h, const char *const *folders, int threads,
			struct err *e)
{
	int rc = duckdb_host_threads(h, threads, e);
	if (rc)
		return rc;
	struct duck d = {0};
	rc = duck_open(&d, h, e);
	if (rc)
		return rc;
	AUTO_BUF struct buf sql = {0};
	size_t n = 0;
	while (folders && folders[n])
		n++;
	const char **allowed = NEW_ARRAY(n + 1, const char *);
	if (n)
		memcpy(allowed, folders, n * sizeof(*allowed));
	if (h->temp_dir)
		allowed[n++] = h->temp_dir;
	buf_str(&sql, "SET GLOBAL allowed_directories = ");
	duck_list(&sql, allowed, n);
	free(allowed);
	/* In this order: after the second, the first is refused. */
	buf_str(&sql, "; SET GLOBAL enable_external_access = false");
	rc = duck_query(&d, sql.data, NULL, e);
	duck_close(&d);
	h->confined = rc == OK;
	return rc;
}

bool duckdb_host_is_locked(struct duckdb_host *h)
{
	return h->locked;
}

int duckdb_host_lock(struct duckdb_host *h, struct err *e)
{
	if (!h->confined || h->locked)
		return OK;
	struct duck d = {0};
	int rc = duck_open(&d, h, e);
	if (rc == OK)
		rc = duck_query(&d, "SET GLOBAL lock_configuration = true", NULL, e);
	duck_close(&d);
	h->locked = rc == OK;
	return rc;
}

static void join(struct duckdb_host *h)
{
	if (h->has_thread)
		pthread_join(h->thread, NULL);
	h->has_thread = false;
}

void duckdb_host_free(struct duckdb_host *h)
{
	if (!h)
		return;
	join(h);
	if (h->db)
		h->api.close(&h->db);
	/* The library stays loaded: its destructors have run late enough to be wrong before, and
	 * the process ends soon. */
	pthread_mutex_destroy(&h->lock);
	free(h->temp_dir);
	free(h);
}

void duckdb_host_abandon(struct duckdb_host *h)
{
#ifdef SANITIZED
	duckdb_host_free(h); /* or it would be reported as leaked */
#else
	if (h)
		join(h);
#endif
}
