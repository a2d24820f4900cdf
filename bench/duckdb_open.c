// What libduckdb alone costs a process: loading it, opening an empty database, closing it. run_pass.py compiles and runs this.
//   duckdb_open PATH-OF-LIBDUCKDB   ->   {"load_ms": ..., "open_ms": ..., "close_ms": ...}
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

// The calls' types as duckdb.h has them; handles are opaque pointers. Declared here so that no header is needed.
typedef int state_fn(void **);
typedef int set_fn(void *, const char *, const char *);
typedef int open_fn(const char *, void **, void *, char **);
typedef int connect_fn(void *, void **);
typedef void close_fn(void **);

static void *symbol(void *library, const char *name)
{
	void *found = dlsym(library, name);
	if (!found) {
		fprintf(stderr, "duckdb_open: no %s in the library\n", name);
		exit(1);
	}
	return found;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: duckdb_open PATH-OF-LIBDUCKDB\n");
		return 2;
	}
	double start = now_ms();
	void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "duckdb_open: %s\n", dlerror());
		return 1;
	}
	double loaded = now_ms();
	void *config = NULL, *database = NULL, *connection = NULL;
	char *error = NULL;
	if (((state_fn *)symbol(library, "duckdb_create_config"))(&config) ||
	    ((set_fn *)symbol(library, "duckdb_set_config"))(config, "threads", "1") ||
	    ((open_fn *)symbol(library, "duckdb_open_ext"))(NULL, &database, config, &error) ||
	    ((connect_fn *)symbol(library, "duckdb_connect"))(database, &connection)) {
		fprintf(stderr, "duckdb_open: %s\n", error ? error : "cannot open a database");
		return 1;
	}
	double opened = now_ms();
	((close_fn *)symbol(library, "duckdb_disconnect"))(&connection);
	((close_fn *)symbol(library, "duckdb_close"))(&database);
	((close_fn *)symbol(library, "duckdb_destroy_config"))(&config);
	double closed = now_ms();
	printf("{\"load_ms\": %.3f, \"open_ms\": %.3f, \"close_ms\": %.3f}\n", loaded - start, opened - loaded, closed - opened);
	return 0;
}
