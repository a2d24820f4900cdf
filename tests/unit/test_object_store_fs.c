/* What only the directory behind an object store promises: symbolic links, file modes, scratch/, a
 * kill at any call. What every object store promises is in contract/test_object_store.c. */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "object_store_fs.h"

static void must(int rc, const struct err *e)
{
	if (rc != OK)
		print_error("%s: %s: %s\n", err_name(rc), e->where, e->text);
	assert_int_equal(rc, OK);
}

static struct object_store *open_store(const char *dir)
{
	struct err e = ERR_INIT;
	struct object_store *s = NULL;
	must(object_store_fs_open(dir, true, &s, &e), &e);
	return s;
}

static void put(struct object_store *s, const char *key, const char *text)
{
	struct err e = ERR_INIT;
	must(object_store_put(s, key, slice_of(text), false, &e), &e);
}

static bool content_is(struct object_store *s, const char *key, const char *text)
{
	AUTO_BUF struct buf out = {0};
	struct err e = ERR_INIT;
	return object_store_get(s, key, 0, -1, 1 << 20, &out, NULL, &e) == OK &&
	       out.len == strlen(text) && memcmp(out.data, text, out.len) == 0;
}

static int count_entries(const char *dir, const char *below)
{
	AUTO_FREE char *path = path_in(dir, below);
	DIR *d = opendir(path);
	assert_non_null(d);
	int count = -2;
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static bool is_there(const char *dir, const char *below)
{
	AUTO_FREE char *path = path_in(dir, below);
	struct stat st;
	return lstat(path, &st) == 0;
}

static void make_link(const char *target, const char *dir, const char *below)
{
	AUTO_FREE char *path = path_in(dir, below);
	assert_int_equal(symlink(target, path), 0);
}

static int note_key(void *ctx, const struct object_info *info)
{
	buf_printf(ctx, "%s\n", info->key);
	return 0;
}

/* -- folders ----------------------------------------------------------------------------------- */

static void opening_makes_the_layout_or_says_what_is_missing(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *root = path_in(dir, "some/where/lake");
	struct object_store *s = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(object_store_fs_open(root, false, &s, &e), ERR_NOT_FOUND);
	assert_string_equal(e.where, root);
	assert_false(is_there(dir, "some"));
	must(object_store_fs_open(root, true, &s, &e), &e);
	assert_true(is_there(root, "scratch"));
	assert_true(is_there(root, "state"));
	assert_int_equal(count_entries(root, "."), 2);
	AUTO_FREE char *scratch = path_in(root, "scratch");
	assert_string_equal(object_store_staging(s), scratch);
	assert_false(object_store_notifies(s));
	object_store_free(s);
	/* A file in the root's place. */
	AUTO_FREE char *file = path_in(dir, "file");
	must(file_create(file, "x", 1, false, &e), &e);
	assert_int_not_equal(object_store_fs_open(file, true, &s, &e), OK);
	assert_int_not_equal(object_store_fs_open(file, false, &s, &e), OK);
	/* Slashes at the end, and a root that is itself a link, are fine. */
	make_link(root, dir, "link");
	AUTO_FREE char *link = path_in(dir, "link//");
	must(object_store_fs_open(link, true, &s, &e), &e);
	put(s, "a", "x");
	assert_true(is_there(root, "a"));
	object_store_free(s);
}

static void a_copied_lake_without_scratch_is_read_unchanged(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct err e = ERR_INIT;
	AUTO_FREE char *file = path_in(dir, "f");
	must(file_create(file, "x", 1, false, &e), &e);
	struct object_store *s;
	must(object_store_fs_open(dir, false, &s, &e), &e);
	assert_true(content_is(s, "f", "x"));
	assert_int_equal(count_entries(dir, "."), 1);
	put(s, "g", "y");
	assert_true(content_is(s, "g", "y"));
	assert_int_equal(count_entries(dir, "scratch"), 0);
	object_store_free(s);
}

static void state_and_scratch_are_no_keys(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct object_store *s = open_store(dir);
	struct err e = ERR_INIT;
	AUTO_FREE char *file = path_in(dir, "state/catalog.db");
	must(file_create(file, "x", 1, false, &e), &e);
	static const char *const keys[] = {"state/catalog.db", "scratch/x", "state", "scratch"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO_BUF struct buf out = {0};
		struct object_info info;
		assert_int_equal(object_store_put(s, keys[i], SLICE("x"), false, &e), ERR_INPUT);
		assert_int_equal(object_store_get(s, keys[i], 0, -1, 100, &out, NULL, &e),
				 ERR_INPUT);
		assert_int_equal(object_store_head(s, keys[i], &info, &e), ERR_INPUT);
		assert_int_equal(object_store_delete_many(s, &keys[i], 1, &e), ERR_INPUT);
		assert_int_equal(object_store_copy(s, keys[i], "copy", &e), ERR_INPUT);
	}
	put(s, "statement/x", "x");
	AUTO_BUF struct buf keys_seen = {0};
	must(object_store_list(s, "", NULL, note_key, &keys_seen, &e), &e);
	assert_string_equal(keys_seen.data, "statement/x\n");
	must(object_store_list(s, "state/", NULL, note_key, &keys_seen, &e), &e);
	assert_string_equal(keys_seen.data, "statement/x\n");
	assert_true(is_there(dir, "state/catalog.db"));
	object_store_free(s);
}

static void emptied_folders_go_up_to_the_root(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct object_store *s = open_store(dir);
	struct err e = ERR_INIT;
	put(s, "refined/p/i=A/d=1/a=X/f", "x");
	put(s, "refined/p/i=A/d=1/a=Y/f", "x");
	put(s, "refined/p/i=A/d=2/a=X/f", "x");
	static const char *const keys[] = {"refined/p/i=A/d=1/a=X/f", "refined/p/i=A/d=1/a=Y/f",
					   "refined/p/i=A/d=2/a=X/f"};
	must(object_store_delete_many(s, keys, 1, &e), &e);
	assert_int_equal(count_entries(dir, "refined/p/i=A/d=1"), 1);
	must(object_store_delete_many(s, keys, 2, &e), &e);
	assert_int_equal(count_entries(dir, "refined/p/i=A"), 1);
	must(object_store_delete_many(s, keys, 3, &e), &e);
	assert_int_equal(count_entries(dir, "."), 2);
	object_store_free(s);
}

/* Beside a live writer by age only; alone at once. */
static void what_a_killed_put_left_is_swept_out(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct err e = ERR_INIT;
	struct object_store *live = open_store(dir);
	put(live, "raw/t/f", "x");
	static const char *const names[] = {"scratch/put-0123456789abcdef-1",
					    "scratch/put-0123456789abcdef-2", "scratch/others"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *path = path_in(dir, names[i]);
		must(file_create(path, "x", 1, false, &e), &e);
		struct timespec old[2] = {{.tv_sec = time(NULL) - 2 * 86400},
					  {.tv_sec = time(NULL) - 2 * 86400}};
		if (i != 1)
			assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	}
	object_store_free(open_store(dir));
	assert_false(is_there(dir, names[0]));
	assert_true(is_there(dir, names[1])); /* somebody may be at it */
	object_store_free(live);
	object_store_free(open_store(dir));
	assert_false(is_there(dir, names[1]));
	assert_true(is_there(dir, names[2])); /* not ours */
}

/* -- symbolic links ---------------------------------------------------------------------------- */

static void links_do_not_lead_out(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FOLDER char *outside = temporary_folder();
	struct object_store *s = open_store(dir);
	struct err e = ERR_INIT;
	AUTO_FREE char *secret = path_in(outside, "secret");
	must(file_create(secret, "secret", 6, false, &e), &e);
	put(s, "raw/t/f", "x");
	make_link(outside, dir, "raw/out");   /* a folder on the way */
	make_link("t", dir, "raw/inside");    /* even one that stays inside */
	make_link(secret, dir, "raw/t/leak"); /* the object itself */
	make_link("/nonexistent", dir, "raw/t/dangling");
	AUTO_BUF struct buf out = {0};
	struct object_info info;
	static const char *const keys[] = {"raw/out/secret", "raw/inside/f", "raw/t/leak"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_int_equal(object_store_get(s, keys[i], 0, -1, 100, &out, NULL, &e),
				 ERR_DENIED);
		assert_int_equal(object_store_head(s, keys[i], &info, &e), ERR_DENIED);
		assert_int_equal(object_store_copy(s, keys[i], "copy", &e), ERR_DENIED);
	}
	assert_int_equal(out.len, 0);
	assert_int_equal(object_store_put(s, "raw/out/new", SLICE("x"), false, &e), ERR_DENIED);
	assert_int_equal(object_store_put(s, "raw/out/deep/new", SLICE("x"), false, &e),
			 ERR_DENIED);
	assert_int_equal(object_store_copy(s, "raw/t/f", "raw/out/new", &e), ERR_DENIED);
	const char *victim = "raw/out/secret";
	assert_int_equal(object_store_delete_many(s, &victim, 1, &e), ERR_DENIED);
	assert_int_equal(count_entries(outside, "."), 1);
	/* Listing passes them over. */
	AUTO_BUF struct buf keys_seen = {0};
	must(object_store_list(s, "", NULL, note_key, &keys_seen, &e), &e);
	assert_string_equal(keys_seen.data, "raw/t/f\n");
	must(object_store_list(s, "raw/out/", NULL, note_key, &keys_seen, &e), &e);
	assert_string_equal(keys_seen.data, "raw/t/f\n");
	/* Putting on a link replaces the link, not what it points to. */
	put(s, "raw/t/leak", "mine");
	assert_true(content_is(s, "raw/t/leak", "mine"));
	AUTO_BUF struct buf still = {0};
	must(file_read(secret, 100, &still, &e), &e);
	assert_string_equal(still.data, "secret");
	assert_int_equal(object_store_put(s, "raw/t/dangling", SLICE("x"), true, &e), ERR_CONFLICT);
	assert_int_equal(count_entries(dir, "scratch"), 0);
	object_store_free(s);
}

static void a_link_or_a_second_name_given_as_file_is_copied(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FOLDER char *outside = temporary_folder();
	struct object_store *s = open_store(dir);
	struct err e = ERR_INIT;
	AUTO_FREE char *file = path_in(outside, "file");
	AUTO_FREE char *symbolic = path_in(outside, "symbolic");
	AUTO_FREE char *second = path_in(outside, "second");
	must(file_create(file, "abc", 3, false, &e), &e);
	assert_int_equal(symlink(file, symbolic), 0);
	assert_int_equal(link(file, second), 0);
	struct object_put items[] = {{.key = "a", .path = symbolic}, {.key = "b", .path = second}};
	must(object_store_put_many(s, items, 2, &e), &e);
	/* Whoever writes to the file afterwards does not write into the store. */
	int fd = open(file, O_WRONLY);
	assert_int_equal(write(fd, "XYZ", 3), 3);
	close(fd);
	assert_true(content_is(s, "a", "abc"));
	assert_true(content_is(s, "b", "abc"));
	struct stat st;
	AUTO_FREE char *a = path_in(dir, "a");
	assert_int_equal(lstat(a, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	object_store_free(s);
}

static void strange_things_in_the_folder_are_no_objects(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct object_store *s = open_store(dir);
	struct err e = ERR_INIT;
	AUTO_FREE char *fifo = path_in(dir, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	AUTO_FREE char *odd = path_in(dir, "new\nline");
	must(file_create(odd, "x", 1, false, &e), &e);
	AUTO_FREE char *latin = path_in(dir, "a\xe7"
					     "ao");
	must(file_create(latin, "x", 1, false, &e), &e);
	AUTO_BUF struct buf out = {0};
	assert_int_equal(object_store_get(s, "fifo", 0, -1, 100, &out, NULL, &e),
			 ERR_NOT_FOUND); /* and does not wait */
	must(object_store_list(s, "", NULL, note_key, &out, &e), &e);
	assert_int_equal(out.len, 0);
	object_store_free(s);
}

/* -- failing disks ----------------------------------------------------------------------------- */

/* Runs fn in a child, as nobody when we are root: root may write everywhere. */
static void in_child(void (*fn)(const char *dir), const char *dir)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(90);
		fn(dir);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHILD_CHECK(condition)                                                          \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(91);                                                      \
		}                                                                       \
	} while (0)

static void use_read_only_store(const char *dir)
{
	struct object_store *s;
	struct err e = ERR_INIT;
	CHILD_CHECK(object_store_fs_open(dir, true, &s, &e) ==
		    OK); /* nothing is missing: nothing to be made */
	CHILD_CHECK(content_is(s, "raw/f", "x"));
	CHILD_CHECK(object_store_put(s, "raw/g", SLICE("x"), false, &e) == ERR_DENIED);
	CHILD_CHECK(strncmp(e.where, dir, strlen(dir)) == 0);
	const char *key = "raw/f";
	CHILD_CHECK(object_store_delete_many(s, &key, 1, &e) == ERR_DENIED);
	CHILD_CHECK(object_store_copy(s, "raw/f", "raw/g", &e) == ERR_DENIED);
	CHILD_CHECK(strstr(e.where, "/raw/g") || strstr(e.where, "scratch"));
	CHILD_CHECK(content_is(s, "raw/f", "x"));
	object_store_free(s);
	AUTO_FREE char *below = path_in(dir, "raw/new/lake");
	CHILD_CHECK(object_store_fs_open(below, true, &s, &e) == ERR_DENIED);
}

static void a_read_only_store_says_so_with_the_path(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct object_store *s = open_store(dir);
	put(s, "raw/f", "x");
	object_store_free(s);
	static const char *const folders[] = {"raw", "scratch", "state", ""};
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_FREE char *path = path_in(dir, folders[i]);
		assert_int_equal(chmod(path, 0555), 0);
	}
	in_child(use_read_only_store, dir);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_FREE char *path = path_in(dir, folders[i]);
		assert_int_equal(chmod(path, 0755), 0);
	}
}

static void write_too_much(const char *dir)
{
	/* The nearest thing to a full disk that needs no mount: EFBIG instead of ENOSPC, the same
	 * way through the code. */
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit = {4096, 4096};
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	struct object_store *s;
	struct err e = ERR_INIT;
	CHILD_CHECK(object_store_fs_open(dir, true, &s, &e) == OK);
	static char big[10000];
	memset(big, 'b', sizeof(big));
	struct object_put items[] = {{.key = "raw/small", .bytes = SLICE("new")},
				     {.key = "raw/f", .bytes = {big, sizeof(big)}}};
	CHILD_CHECK(object_store_put_many(s, items, 2, &e) == ERR_LIMIT);
	CHILD_CHECK(items[0].code == OK && items[1].code == ERR_LIMIT);
	CHILD_CHECK(strstr(e.where, "raw/f") != NULL);
	CHILD_CHECK(content_is(s, "raw/f", "old") && content_is(s, "raw/small", "new"));
	CHILD_CHECK(count_entries(dir, "scratch") == 0);
	object_store_free(s);
}

static void a_full_disk_leaves_the_old_object_and_an_empty_scratch(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct object_store *s = open_store(dir);
	put(s, "raw/f", "old");
	object_store_free(s);
	static const char *const folders[] = {"raw", "scratch", "state", ""};
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO_FREE char *path = path_in(dir, folders[i]);
		assert_int_equal(chmod(path, 0777), 0);
	}
	in_child(write_too_much, dir);
}

/* -- kill at any system call ------------------------------------------------------------------- */

static void traced_put(const char *dir)
{
	struct object_store *s;
	struct err e = ERR_INIT;
	if (object_store_fs_open(dir, false, &s, &e) != OK)
		_exit(1);
	raise(SIGSTOP); /* counting begins */
	struct object_put item = {.key = "raw/t/d=1/f", .bytes = SLICE("new content")};
	_exit(object_store_put_many(s, &item, 1, &e) == OK ? 0 : 2);
}

/* Kills the child before it enters its nth system call after the stop; false when it ended before
 * that. Only the first thread is followed: one item is staged and renamed there. */
static bool kill_at_call(const char *dir, int nth)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(3);
		traced_put(dir);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	/* Each call stops twice: going in, coming out. */
	for (int stops = 0;; stops++) {
		if (stops == 2 * nth) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFSIGNALED(status));
			return true;
		}
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		assert_true(WIFSTOPPED(status));
	}
}

static void a_kill_leaves_old_or_new_and_at_most_scratch(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	struct object_store *s = open_store(dir);
	int old = 0, new = 0, left = 0;
	bool killed = true;
	for (int nth = 1; killed && nth < 500; nth++) {
		put(s, "raw/t/d=1/f", "old");
		killed = kill_at_call(dir, nth);
		bool is_old = content_is(s, "raw/t/d=1/f", "old");
		assert_true(is_old || content_is(s, "raw/t/d=1/f", "new content"));
		old += is_old;
		new += !is_old;
		left += count_entries(dir, "scratch") > 0;
		assert_int_equal(count_entries(dir, "raw/t/d=1"), 1);
		AUTO_FREE char *scratch = path_in(dir, "scratch");
		assert_int_equal(file_remove_tree(scratch, NULL), OK);
	}
	assert_false(killed);
	/* All three must have been met, else this test looked at nothing. */
	assert_true(old > 0 && new > 0 && left > 0);
	object_store_free(s);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening_makes_the_layout_or_says_what_is_missing),
		cmocka_unit_test(a_copied_lake_without_scratch_is_read_unchanged),
		cmocka_unit_test(state_and_scratch_are_no_keys),
		cmocka_unit_test(emptied_folders_go_up_to_the_root),
		cmocka_unit_test(what_a_killed_put_left_is_swept_out),
		cmocka_unit_test(links_do_not_lead_out),
		cmocka_unit_test(a_link_or_a_second_name_given_as_file_is_copied),
		cmocka_unit_test(strange_things_in_the_folder_are_no_objects),
		cmocka_unit_test(a_read_only_store_says_so_with_the_path),
		cmocka_unit_test(a_full_disk_leaves_the_old_object_and_an_empty_scratch),
		cmocka_unit_test(a_kill_leaves_old_or_new_and_at_most_scratch),
	};
	return RUN_TESTS("object_store_fs");
}
