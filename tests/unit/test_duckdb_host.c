/* The host of DuckDB: where the library is looked for, that no thread is left when a sandbox is to
 * be entered, and DuckDB's errors as ours. */
#include "unit.h"

#include <dirent.h>
#include <pthread.h>

#include "duckdb_api.h"

static int threads_of_process(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/task");
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static void a_missing_library_is_named(void **state)
{
	struct err e = ERR_INIT;
	setenv("PREGAO_DUCKDB", "/nonexistent/libduckdb.so", 1);
	for (int background = 0; background < 2; background++) {
		struct duckdb_host *h =
			duckdb_host_start(&(struct duckdb_host_options){.background = background});
		/* every use says it, not only the first */
		for (int i = 0; i < 2; i++) {
			assert_int_equal(duckdb_host_ready(h, &e), ERR_NOT_FOUND);
			assert_non_null(strstr(e.text, "/nonexistent/libduckdb.so"));
		}
		struct duck d = {0};
		assert_int_equal(duck_open(&d, h, &e), ERR_NOT_FOUND);
		duckdb_host_free(h);
	}
	/* a library, but another one */
	setenv("PREGAO_DUCKDB", "libm.so.6", 1);
	struct duckdb_host *h =
		duckdb_host_start(&(struct duckdb_host_options){.background = true});
	assert_int_equal(duckdb_host_ready(h, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "duckdb_"));
	duckdb_host_free(h);
	unsetenv("PREGAO_DUCKDB");
	/* started and never used */
	duckdb_host_free(duckdb_host_start(&(struct duckdb_host_options){.background = true}));
	duckdb_host_free(duckdb_host_start(&(struct duckdb_host_options){.background = false}));
	duckdb_host_free(NULL);
}

static void no_thread_is_left(void **state)
{
	struct err e = ERR_INIT;
	int before = threads_of_process();
	for (int background = 0; background < 2; background++) {
		struct duckdb_host *h =
			duckdb_host_start(&(struct duckdb_host_options){.background = background});
		assert_int_equal(duckdb_host_ready(h, &e), 0);
		assert_int_equal(threads_of_process(), before);
		assert_int_equal(duckdb_host_threads(h, 3, &e), 0);
		assert_int_equal(threads_of_process(), before + 2);
		assert_int_equal(duckdb_host_threads(h, 1, &e), 0);
		duckdb_host_free(h);
		assert_int_equal(threads_of_process(), before);
	}
}

static void *ready(void *host)
{
	struct err e = ERR_INIT;
	return duckdb_host_ready(host, &e) ? host : NULL;
}

static void many_may_wait_for_it(void **state)
{
	struct duckdb_host *h =
		duckdb_host_start(&(struct duckdb_host_options){.background = true});
	pthread_t t[4];
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, ready, h), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *failed;
		pthread_join(t[i], &failed);
		assert_null(failed);
	}
	duckdb_host_free(h);
}

static void errors_as_ours(void **state)
{
	static const struct {
		const char *message, *text;
		int code;
		int64_t line, column;
	} cases[] = {
		{"Parser Error: syntax error at or near \"FRM\"\n\nLINE 2:  FRM x\n         ^",
		 "syntax error at or near \"FRM\"", ERR_INPUT, 2, 2},
		{"Binder Error: no such column.\nDid you mean \"a\"?\n\nLINE 1: ...ong, x FROM y\n                ^",
		 "no such column. Did you mean \"a\"?", ERR_INPUT, 1, 0},
		{"Out of Memory Error: failed to allocate", "failed to allocate", ERR_LIMIT, 0, 0},
		{"IO Error: Could not write file \"x\": No space left on device",
		 "Could not write file \"x\": No space left on device", ERR_LIMIT, 0, 0},
		{"IO Error: Cannot open file \"x\": Permission denied",
		 "Cannot open file \"x\": Permission denied", ERR_DENIED, 0, 0},
		{"IO Error: Cannot open file \"x\": No such file or directory",
		 "Cannot open file \"x\": No such file or directory", ERR_IO, 0, 0},
		{"INTERRUPT Error: Interrupted!", "the statement was cancelled", ERR_CONFLICT, 0,
		 0},
		{"Permission Error: not allowed", "not allowed", ERR_DENIED, 0, 0},
		{"INTERNAL Error: assertion", "assertion", ERR_BUG, 0, 0},
		{"LINE", "LINE", ERR_INPUT, 0, 0},
		{"x\n\nLINE 99999999999999999999: ", "x", ERR_INPUT, 0, 0},
		{"x\n\nLINE ", "x", ERR_INPUT, 0, 0},
		{"", "", ERR_INPUT, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(duck_error(&e, DUCKDB_ERROR_INVALID, cases[i].message),
				 cases[i].code);
		assert_string_equal(e.text, cases[i].text);
		if (i != 10)
			assert_int_equal(e.line, cases[i].line);
		assert_int_equal(e.column, cases[i].column);
	}
	assert_int_equal(duck_error(NULL, DUCKDB_ERROR_OUT_OF_MEMORY, "anything\n\nLINE 1: x"),
			 ERR_LIMIT);
	assert_int_equal(duck_error(NULL, DUCKDB_ERROR_INVALID, NULL), ERR_INPUT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_library_is_named),
		cmocka_unit_test(no_thread_is_left),
		cmocka_unit_test(many_may_wait_for_it),
		cmocka_unit_test(errors_as_ours),
	};
	return RUN_TESTS("duckdb_host");
}
