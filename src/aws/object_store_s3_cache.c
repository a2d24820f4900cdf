/* Local copies of objects for who can read files only: fetched in pieces of one version, kept by ETag
 * below a folder of their own, under their whole key, because readers take partitions from the path. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "hash.h"
#include "object_store_s3_private.h"

#define KEPT_US INT64_C(3600000000) /* an hour: no statement takes as long */

struct fetches {
	const struct s3 *s3;
	const char *const *keys;
	char **paths;
};

static char *cached_path(const struct s3 *s, const struct object_info *info)
{
	char hex[HASH_HEX_SIZE];
	struct hash *h = hash_new();
	hash_str(h, s->bucket);
	hash_str(h, s->prefix);
	hash_str(h, info->key);
	hash_str(h, info->etag);
	hash_i64(h, info->size_bytes);
	hash_i64(h, info->modified_us);
	hash_end_hex(h, hex);
	struct buf path = {0};
	buf_printf(&path, "%s/%.32s/%s", s->cache, hex, info->key);
	return buf_take(&path);
}

static bool is_there(const char *path, int64_t size)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size;
}

static int fetch_into(const struct s3 *s, const struct object_info *info, int fd, struct err *e)
{
	AUTO_BUF struct buf piece = {0};
	const char *etag = info->etag[0] ? info->etag : NULL;
	for (int64_t at = 0; at < info->size_bytes;) {
		buf_reset(&piece);
		int rc = s3_get_range(s, info->key, at, S3_PART_BYTES, etag, (size_t)S3_PART_BYTES,
				      &piece, NULL, e);
		if (rc)
			return rc;
		if (piece.len == 0)
			return err_set(e, ERR_RETRY, "the object changed while it was fetched");
		int errnum = fd_write_all(fd, piece.data, piece.len);
		if (errnum)
			return err_errno(e, errnum, "cannot write the local copy");
		at += (int64_t)piece.len;
	}
	return OK;
}

static int fetch(const struct s3 *s, const struct object_info *info, const char *path,
		 struct err *e)
{
	AUTO_BUF struct buf name = {0};
	buf_printf(&name, "%s/.fetch-XXXXXX", s->scratch);
	int fd = mkostemp(name.data, O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "cannot write the local copy");
	int rc = fetch_into(s, info, fd, e);
	close(fd);
	if (rc == OK) {
		AUTO_FREE char *folder = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
		rc = file_mkdirs(folder, false, e);
	}
	if (rc == OK && rename(name.data, path) != 0)
		rc = err_errno(e, errno, "cannot write the local copy");
	if (rc)
		unlink(name.data);
	return rc;
}

static int localise_nth(void *ctx, size_t i, struct err *e)
{
	struct fetches *f = ctx;
	struct object_info info;
	int rc = s3_head_marked(f->s3, f->keys[i], NULL, &info, NULL, e);
	if (rc)
		return rc;
	f->paths[i] = cached_path(f->s3, &info);
	if (is_there(f->paths[i], info.size_bytes)) {
		/* its last use; a copy that is removed in this moment is noticed by who reads it */
		int ignored = utimensat(AT_FDCWD, f->paths[i], NULL, 0);
		(void)ignored;
		return OK;
	}
	rc = fetch(f->s3, &info, f->paths[i], e);
	return rc ? err_where(e, f->keys[i]) : OK;
}

int s3_localise(struct object_store *store, const char *const *keys, size_t n, struct arena *arena,
		const char **ret_paths, struct err *e)
{
	struct fetches f = {(struct s3 *)store, keys, NEW_ARRAY(n, char *)};
	int rc = parallel_for(n, f.s3->threads, localise_nth, &f, e);
	for (size_t i = 0; i < n; i++) {
		if (rc == OK)
			ret_paths[i] = arena_strdup(arena, f.paths[i]);
		free(f.paths[i]);
	}
	free(f.paths);
	return rc;
}

/* -- the ceiling ------------------------------------------------------------------------------- */

struct copy {
	char *path;
	int64_t used_us, bytes;
};
struct copies {
	const char *cache;
	struct copy *list;
	size_t count, cap;
	int64_t bytes;
};

static int add_copy(void *ctx, const char *relative_path, int64_t size_bytes)
{
	struct copies *c = ctx;
	AUTO_BUF struct buf path = {0};
	struct stat st;
	buf_printf(&path, "%s/%s", c->cache, relative_path);
	if (stat(path.data, &st) != 0)
		return OK;
	*PUSH(c->list, c->count, c->cap) = (struct copy){
		buf_take(&path), st.st_mtim.tv_sec * INT64_C(1000000) + st.st_mtim.tv_nsec / 1000,
		size_bytes};
	c->bytes += size_bytes;
	return OK;
}

static int by_use(const void *a, const void *b)
{
	const struct copy *x = a, *y = b;
	return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

/* The folders of its key, as far as nothing else lies in them. */
static void remove_copy(const char *cache, char *path)
{
	size_t least = strlen(cache);
	if (unlink(path) != 0)
		return;
	for (char *slash = strrchr(path, '/'); slash && (size_t)(slash - path) > least;
	     slash = strrchr(path, '/')) {
		*slash = 0;
		if (rmdir(path) != 0)
			return;
	}
}

int s3_cache_trim(const char *cache, int64_t ceiling_bytes, struct clock *clock, struct err *e)
{
	struct copies c = {.cache = cache};
	int64_t unused_us = clock_now_us(clock) - KEPT_US;
	int rc = file_walk(cache, add_copy, &c, e);
	if (c.count)
		qsort(c.list, c.count, sizeof(*c.list), by_use);
	for (size_t i = 0; i < c.count; i++) {
		if (rc == OK && c.bytes > ceiling_bytes && c.list[i].used_us < unused_us) {
			remove_copy(cache, c.list[i].path);
			c.bytes -= c.list[i].bytes;
		}
		free(c.list[i].path);
	}
	free(c.list);
	return rc;
}
