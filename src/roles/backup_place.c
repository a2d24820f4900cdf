/* Where the backup lies: a folder that is neither in the lake nor around it. Compared are the folders themselves (device
 * and inode), so that links, mounts and other spellings hide nothing. */
#include "backup_place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path with its links followed as far as it exists; what does not is appended as it is. */
static int resolve(struct arena *arena, const char *path, const char **ret, struct err *e)
{
	char *real = realpath(path, NULL);
	if (real) {
		*ret = arena_strdup(arena, real);
		free(real);
		return OK;
	}
	if (errno != ENOENT) {
		err_errno(e, errno, "cannot find the backup's folder");
		return err_where(e, path);
	}
	size_t n = strlen(path);
	while (n && path[n - 1] == '/')
		n--;
	size_t name = n;
	while (name && path[name - 1] != '/')
		name--;
	const char *last = arena_strndup(arena, path + name, n - name);
	const char *above = name ? arena_strndup(arena, path, name) : ".";
	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return err_set(e, ERR_USAGE, "%s is no place for a backup: there is no such folder",
			       path);
	int rc = resolve(arena, above, &above, e);
	if (rc == OK)
		*ret = arena_printf(arena, "%s/%s", strcmp(above, "/") == 0 ? "" : above, last);
	return rc;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the folder, or one above it, is `outer`; *ret_first is the nearest one that exists. */
static bool is_below(const char *path, const struct stat *outer, struct stat *ret_first)
{
	AUTO_FREE char *folder = mem_strdup(path);
	bool found = false;
	for (;;) {
		struct stat st;
		if (stat(folder, &st) == 0) {
			if (!found)
				*ret_first = st;
			found = true;
			if (outer && is_same(&st, outer))
				return true;
		}
		char *slash = strrchr(folder, '/');
		if (!slash || strcmp(folder, "/") == 0)
			return false;
		slash[slash == folder ? 1 : 0] = '\0';
	}
}

int backup_place_find(const char *lake, const char *to, struct arena *arena,
		      struct backup_place *ret, struct err *e)
{
	const char *wanted = to && *to ? to : arena_printf(arena, "%s-backup", lake), *path;
	struct stat lake_st, place_st, nearest_lake = {0}, nearest_place = {0};
	if (strncmp(wanted, "s3://", 5) == 0)
		return err_set(e, ERR_USAGE, "%s: this version keeps backups in folders only",
			       wanted);
	int rc = resolve(arena, wanted, &path, e);
	if (rc)
		return rc;
	bool lake_exists = stat(lake, &lake_st) == 0;
	bool exists = stat(path, &place_st) == 0;
	if (exists && !S_ISDIR(place_st.st_mode))
		return err_set(e, ERR_USAGE, "the backup %s is no folder", path);
	if (is_below(path, lake_exists ? &lake_st : NULL, &nearest_place) ||
	    is_below(lake, exists ? &place_st : NULL, &nearest_lake))
		return err_set(
			e, ERR_USAGE,
			"the backup %s and the lake %s lie in one another; the backup needs a folder of its own, on another disk at best",
			path, lake);
	/* Neither exists yet: then their names tell. */
	size_t n = strlen(lake), m = strlen(path);
	if ((strncmp(path, lake, n) == 0 && (path[n] == '/' || !path[n])) ||
	    (strncmp(lake, path, m) == 0 && lake[m] == '/'))
		return err_set(
			e, ERR_USAGE,
			"the backup %s and the lake %s lie in one another; the backup needs a folder of its own, on another disk at best",
			path, lake);
	*ret = (struct backup_place){.path = path,
				     .exists = exists,
				     .same_disk = nearest_lake.st_dev == nearest_place.st_dev};
	return OK;
}
