/* What unit tests share: cmocka with what it wants before it, a name pattern from the command line,
 * a temporary folder. */
#ifndef PREGAO_TESTS_UNIT_H
#define PREGAO_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "file.h"
#include "mem.h"

#ifdef __clang_analyzer__
/* What fail_msg ends in: it jumps out of the test. */
void _fail(const char *file, int line) __attribute__((analyzer_noreturn));
#endif

/* The body of main(int argc, char **argv) over an array `tests`. */
#define RUN_TESTS(name)                                     \
	(cmocka_set_test_filter(argc > 1 ? argv[1] : NULL), \
	 cmocka_run_group_tests_name(name, tests, NULL, NULL))

/* A new folder; remove_folder takes it away again with all in it. */
static inline char *temporary_folder(void)
{
	const char *where = getenv("TMPDIR");
	struct buf path = {0};
	buf_printf(&path, "%s/pregao-test-XXXXXX", where && where[0] ? where : "/tmp");
	assert_non_null(mkdtemp(path.data));
	return buf_take(&path);
}

static inline void remove_folder(char **path)
{
	if (*path)
		assert_int_equal(file_remove_tree(*path, NULL), OK);
	free(*path);
	*path = NULL;
}
#define AUTO_FOLDER CLEANUP(remove_folder)

static inline char *path_in(const char *folder, const char *name)
{
	struct buf path = {0};
	buf_printf(&path, "%s/%s", folder, name);
	return buf_take(&path);
}

#endif
