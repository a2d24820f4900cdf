/* Files and folders: ceilings, exclusiveness, byte order, links that must not be followed, locks
 * between processes. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "clock_fake.h"

static void reading_has_a_ceiling(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "f");
	AUTO_BUF struct buf out = {0};
	struct err e = ERR_INIT;
	assert_int_equal(file_create(path, "0123456789", 10, true, &e), OK);
	assert_int_equal(file_read(path, 10, &out, &e), OK);
	assert_string_equal(out.data, "0123456789");
	assert_int_equal(out.len, 10);
	assert_int_equal(file_read(path, 9, &out, &e), ERR_LIMIT);
	assert_string_equal(e.where, path);
	buf_reset(&out);
	assert_int_equal(file_read(path, SIZE_MAX, &out, &e), OK);
	assert_int_equal(out.len, 10);
	assert_int_equal(file_read(folder, 10, &out, &e), ERR_INPUT);
	AUTO_FREE char *missing = path_in(folder, "missing");
	assert_int_equal(file_read(missing, 10, &out, &e), ERR_NOT_FOUND);
	/* A file that says it is empty, and is not. */
	buf_reset(&out);
	assert_int_equal(file_read("/proc/self/status", 1 << 20, &out, &e), OK);
	assert_true(out.len > 100);
	assert_int_equal(file_read("/dev/zero", 100000, &out, &e), ERR_LIMIT);
}

static void an_empty_file_reads_as_nothing(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "f");
	AUTO_BUF struct buf out = {0};
	assert_int_equal(file_create(path, NULL, 0, false, NULL), OK);
	assert_int_equal(file_read(path, 0, &out, NULL), OK);
	assert_int_equal(out.len, 0);
	assert_string_equal(out.data, "");
}

static void creating_is_exclusive(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "f");
	AUTO_BUF struct buf out = {0};
	struct err e = ERR_INIT;
	assert_int_equal(file_create(path, "first", 5, true, &e), OK);
	assert_int_equal(file_create(path, "second", 6, true, &e), ERR_CONFLICT);
	assert_int_equal(file_read(path, 100, &out, &e), OK);
	assert_string_equal(out.data, "first");
	assert_int_equal(file_fsync(path, &e), OK);
	assert_int_equal(file_fsync(folder, &e), OK);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "f");
	pid_t child = fork();
	if (child == 0) {
		struct err e = ERR_INIT;
		char bytes[10000] = "x";
		/* EFBIG stands in for ENOSPC: a part is written, the rest is not. */
		const struct rlimit limit = {4096, 4096};
		if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(2);
		int rc = file_create(path, bytes, sizeof(bytes), true, &e);
		_exit(rc == ERR_LIMIT && access(path, F_OK) != 0 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void folders_are_made_with_their_parents(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *deep = path_in(folder, "a/b//c/");
	AUTO_FREE char *file = path_in(folder, "a/f");
	AUTO_FREE char *below_file = path_in(folder, "a/f/x");
	struct err e = ERR_INIT;
	struct stat st;
	assert_int_equal(file_mkdirs(deep, true, &e), OK);
	assert_int_equal(file_mkdirs(deep, true, &e), OK);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(file_create(file, "", 0, false, &e), OK);
	assert_int_equal(file_mkdirs(file, false, &e), ERR_CONFLICT);
	assert_true(file_mkdirs(below_file, false, &e) < 0);
	assert_int_equal(file_mkdirs("/", false, &e), OK);
	assert_int_equal(file_mkdirs(".", false, &e), OK);
}

static void folders_are_made_while_another_removes_them(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *outer = path_in(folder, "a");
	AUTO_FREE char *inner = path_in(folder, "a/b");
	pid_t remover = fork();
	if (remover == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			rmdir(inner);
			rmdir(outer);
		}
	}
	struct err e = ERR_INIT;
	int made = 0, rc = OK;
	/* Whoever loses the race often enough may say so, and nothing else. */
	for (int i = 0; i < 3000 && (rc == OK || rc == ERR_RETRY); i++)
		made += (rc = file_mkdirs(inner, false, &e)) == OK;
	kill(remover, SIGKILL);
	waitpid(remover, NULL, 0);
	if (rc != OK && rc != ERR_RETRY)
		fail_msg("%s: %s", e.where, e.text);
	assert_true(made > 2000);
}

static void touch(const char *folder, const char *name)
{
	AUTO_FREE char *path = path_in(folder, name);
	AUTO_FREE char *parent = mem_strdup(path);
	*strrchr(parent, '/') = 0;
	assert_int_equal(file_mkdirs(parent, false, NULL), OK);
	assert_int_equal(file_create(path, name, strlen(name), false, NULL), OK);
}

static int collect(void *ctx, const char *path, int64_t size)
{
	assert_int_equal(size, strlen(path));
	buf_printf(ctx, "%s\n", path);
	return 0;
}

static int stop_at_second(void *ctx, const char *path, int64_t size)
{
	return ++*(int *)ctx == 2 ? 77 : 0;
}

static void walking_is_in_byte_order(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	static const char *const names[] = {"b",         "a/z", "a.txt", "a/b/c", "a-1",
					    ".hidden/x", "Z",   "a0",    "ação/x"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		touch(folder, names[i]);
	AUTO_FREE char *link = path_in(folder, "link");
	AUTO_FREE char *fifo = path_in(folder, "fifo");
	assert_int_equal(symlink("/etc", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	AUTO_BUF struct buf seen = {0};
	struct err e = ERR_INIT;
	assert_int_equal(file_walk(folder, collect, &seen, &e), OK);
	assert_string_equal(seen.data, ".hidden/x\nZ\na-1\na.txt\na/b/c\na/z\na0\nação/x\nb\n");
	int count = 0;
	assert_int_equal(file_walk(folder, stop_at_second, &count, &e), 77);
	assert_int_equal(count, 2);
	AUTO_FREE char *missing = path_in(folder, "missing");
	assert_int_equal(file_walk(missing, collect, &seen, &e), OK);
}

static void removing_does_not_follow_links(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *precious = path_in(folder, "precious/file");
	AUTO_FREE char *doomed = path_in(folder, "doomed");
	AUTO_FREE char *link = path_in(folder, "doomed/sub/link");
	AUTO_FREE char *root_link = path_in(folder, "root-link");
	struct err e = ERR_INIT;
	touch(folder, "precious/file");
	touch(folder, "doomed/sub/x");
	touch(folder, "doomed/y");
	assert_int_equal(symlink("../../precious", link), 0);
	assert_int_equal(symlink("precious", root_link), 0);
	assert_int_equal(file_remove_tree(doomed, &e), OK);
	assert_int_equal(file_remove_tree(root_link, &e), OK);
	assert_int_not_equal(access(doomed, F_OK), 0);
	assert_int_equal(access(precious, F_OK), 0);
	assert_int_equal(file_remove_tree(doomed, &e), OK);
	AUTO_FREE char *below_file = path_in(folder, "precious/file/x");
	assert_int_equal(file_remove_tree(below_file, &e), OK);
}

static void nesting_has_a_ceiling(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_BUF struct buf deep = {0};
	struct err e = ERR_INIT;
	buf_str(&deep, folder);
	for (int i = 0; i < 80; i++)
		buf_str(&deep, "/d");
	assert_int_equal(file_mkdirs(deep.data, false, &e), OK);
	AUTO_BUF struct buf seen = {0};
	assert_int_equal(file_walk(folder, collect, &seen, &e), ERR_LIMIT);
	assert_int_equal(file_remove_tree(folder, &e), ERR_LIMIT);
	/* The rest of it, from half way down, so that it can be taken away. */
	deep.data[deep.len - 2 * 40] = 0;
	assert_int_equal(file_remove_tree(deep.data, &e), OK);
}

static void note_holder(void *ctx, pid_t holder)
{
	pid_t *noted = ctx;
	assert_int_equal(*noted, -1); /* once */
	*noted = holder;
}

/* A child that takes the lock, says so, and holds it until it is killed or told to let go. */
static pid_t hold(const char *path, bool exclusive, int *ret_tell)
{
	int ready[2], tell[2];
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(tell), 0);
	pid_t child = fork();
	if (child == 0) {
		char c = 0;
		int fd;
		close(tell[1]);
		if (file_lock(path, exclusive, &clock_system, 0, NULL, NULL, &fd, NULL) == OK &&
		    write(ready[1], "x", 1) == 1 && read(tell[0], &c, 1) >= 0)
			file_unlock(fd);
		_exit(0);
	}
	char c;
	close(ready[1]);
	close(tell[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*ret_tell = tell[1];
	return child;
}

static void let_go(pid_t child, int tell)
{
	close(tell);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_lock_keeps_another_process_out(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "lock");
	struct err e = ERR_INIT;
	struct clock_fake fake;
	int fd = -1, tell;
	pid_t noted = -1;
	clock_fake_init(&fake, 0);
	pid_t child = hold(path, true, &tell);
	assert_int_equal(file_lock(path, true, &fake.clock, 1000000, note_holder, &noted, &fd, &e),
			 ERR_CONFLICT);
	assert_int_equal(fake.slept_us, 1000000);
	assert_int_equal(noted, child);
	assert_int_equal(fd, -1);
	char text[32];
	snprintf(text, sizeof(text), "process %d ", (int)child);
	assert_non_null(strstr(e.text, text));
	noted = -1;
	assert_int_equal(file_lock(path, false, &fake.clock, 0, note_holder, &noted, &fd, &e),
			 ERR_CONFLICT);
	assert_int_equal(noted, -1); /* nothing was waited for */
	/* A killed holder's lock is free, and its name goes. */
	kill(child, SIGKILL);
	let_go(child, tell);
	assert_int_equal(file_lock(path, false, &fake.clock, 0, NULL, NULL, &fd, &e), OK);
	int other = -1;
	assert_int_equal(file_lock(path, false, &fake.clock, 0, NULL, NULL, &other, &e), OK);
	noted = -1;
	int third = -1;
	assert_int_equal(file_lock(path, true, &fake.clock, 10, note_holder, &noted, &third, &e),
			 ERR_CONFLICT);
	assert_int_equal(noted, 0);
	file_unlock(other);
	file_unlock(fd);
	file_unlock(-1);
	assert_int_equal(file_lock(path, true, &fake.clock, 0, NULL, NULL, &fd, &e), OK);
	file_unlock(fd);
}

static void a_lock_waits_for_its_holder(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "lock");
	int fd = -1, tell;
	pid_t child = hold(path, true, &tell);
	close(tell);
	assert_int_equal(file_lock(path, true, &clock_system, 30000000, NULL, NULL, &fd, NULL), OK);
	file_unlock(fd);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Adds one to a number in a file, unlinking the lock file each time: only true exclusion makes the
 * sum right. */
static void count_up(const char *lock, const char *number, int times)
{
	for (int i = 0; i < times; i++) {
		int fd;
		char text[16] = "";
		if (file_lock(lock, true, &clock_system, 60000000, NULL, NULL, &fd, NULL) != OK)
			_exit(1);
		int n = open(number, O_RDWR | O_CREAT, 0600);
		if (pread(n, text, sizeof(text) - 1, 0) < 0)
			_exit(1);
		int length = snprintf(text, sizeof(text), "%ld\n", strtol(text, NULL, 10) + 1);
		if (pwrite(n, text, (size_t)length, 0) != length)
			_exit(1);
		close(n);
		unlink(lock);
		file_unlock(fd);
	}
	_exit(0);
}

static void a_removed_lock_file_still_excludes(void **state)
{
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *lock = path_in(folder, "lock");
	AUTO_FREE char *number = path_in(folder, "number");
	pid_t children[4];
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		if ((children[i] = fork()) == 0)
			count_up(lock, number, 25);
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	AUTO_BUF struct buf out = {0};
	assert_int_equal(file_read(number, 100, &out, NULL), OK);
	assert_string_equal(out.data, "100\n");
}

struct counts {
	atomic_int each[1000];
};

static int count_and_fail(void *ctx, size_t i, struct err *e)
{
	atomic_fetch_add(&((struct counts *)ctx)->each[i], 1);
	if (i == 500 || i == 501 || i == 999)
		return err_set(e, i == 500 ? ERR_IO : ERR_LIMIT, "item %zu", i);
	return OK;
}

static void each_item_once_and_the_first_failure(void **state)
{
	static const int threads[] = {1, 2, 16, 1000, 0, -1};
	for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
		struct counts counts = {0};
		struct err e = ERR_INIT;
		assert_int_equal(parallel_for(1000, threads[t], count_and_fail, &counts, &e),
				 ERR_IO);
		assert_string_equal(e.text, "item 500");
		for (size_t i = 0; i < 1000; i++)
			assert_int_equal(counts.each[i], 1);
		assert_int_equal(parallel_for(500, threads[t], count_and_fail, &counts, NULL), OK);
		assert_int_equal(parallel_for(0, threads[t], count_and_fail, &counts, NULL), OK);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_has_a_ceiling),
		cmocka_unit_test(an_empty_file_reads_as_nothing),
		cmocka_unit_test(creating_is_exclusive),
		cmocka_unit_test(a_full_disk_leaves_nothing_behind),
		cmocka_unit_test(folders_are_made_with_their_parents),
		cmocka_unit_test(folders_are_made_while_another_removes_them),
		cmocka_unit_test(walking_is_in_byte_order),
		cmocka_unit_test(removing_does_not_follow_links),
		cmocka_unit_test(nesting_has_a_ceiling),
		cmocka_unit_test(a_lock_keeps_another_process_out),
		cmocka_unit_test(a_lock_waits_for_its_holder),
		cmocka_unit_test(a_removed_lock_file_still_excludes),
		cmocka_unit_test(each_item_once_and_the_first_failure),
	};
	return RUN_TESTS("file");
}
