/* The lake's side of a backup: which objects are live, and reading one whatever its size. */
#include <string.h>

#include "backup_private.h"
#include "file.h"
#include "path.h"
#include "retry.h"

#define PIECE_BYTES ((int64_t)4 << 20) /* of an object that is read at a time */

/* -- what is live ------------------------------------------------------------------------------ */

const struct table_def *backup_table_of(const struct backup *b, const char *key)
{
	for (size_t i = 0; i < b->table_count; i++) {
		size_t n = strlen(b->tables[i]->location);
		if (strncmp(key, b->tables[i]->location, n) == 0 && key[n] == '/')
			return b->tables[i];
	}
	return NULL;
}

static int by_live_key(const void *a, const void *b)
{
	return strcmp(((const struct backup_live *)a)->key, ((const struct backup_live *)b)->key);
}

static struct backup_live live_of(const struct table_def *table, const struct catalog_file *file)
{
	return (struct backup_live){.key = file->key,
				    .table = table,
				    .scope = file->scopes[0],
				    .rows = file->rows,
				    .bytes = file->bytes};
}

int backup_live_all(const struct backup *b, struct arena *arena, struct backup_live **ret,
		    size_t *ret_count, struct err *e)
{
	struct backup_live *all = NULL;
	size_t count = 0, cap = 0;
	int rc = OK;
	for (size_t i = 0; rc == OK && i < b->table_count; i++) {
		struct catalog_file *files;
		size_t n = 0;
		rc = catalog_files(b->catalog, b->tables[i], LAYOUT_PUBLISHED, NULL, 0, arena,
				   &files, &n, e);
		for (size_t k = 0; rc == OK && k < n; k++)
			*PUSH(all, count, cap) = live_of(b->tables[i], &files[k]);
	}
	*ret = ANEW_ARRAY(arena, count, struct backup_live);
	*ret_count = count;
	if (count) {
		memcpy(*ret, all, count * sizeof(*all));
		qsort(*ret, count, sizeof(*all), by_live_key);
	}
	free(all);
	return rc;
}

const struct backup_live *backup_live_find(const struct backup_live *all, size_t n, const char *key)
{
	const struct backup_live wanted = {.key = key};
	return n ? bsearch(&wanted, all, n, sizeof(*all), by_live_key) : NULL;
}

const struct backup_live *backup_live_beside(const struct backup_live *all, size_t n,
					     const char *key, size_t *ret_count)
{
	const char *name = strrchr(key, '/');
	size_t folder = name ? (size_t)(name - key) + 1 : 0, low = 0, high = n, count = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strncmp(all[middle].key, key, folder) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + count < n && strncmp(all[low + count].key, key, folder) == 0)
		count++;
	*ret_count = count;
	return all + low;
}

int backup_live_now(const struct backup *b, const char *key, struct arena *arena,
		    struct backup_live **ret, size_t *ret_count, struct err *e)
{
	const struct table_def *table = backup_table_of(b, key);
	const char *path, *values[TABLE_MAX_PARTITION];
	struct filter_term terms[TABLE_MAX_PARTITION];
	struct catalog_file *files;
	size_t n = 0, count = 0;
	struct err ignored = ERR_INIT;
	*ret = NULL;
	*ret_count = 0;
	if (!table || path_of_key(arena, table, key, &path, &ignored) != OK ||
	    path_values(arena, table, path, values, &n, &ignored) != OK)
		return OK;
	for (size_t i = 0; i < n; i++)
		terms[i] = (struct filter_term){table->partition[i].name, FILTER_IN, &values[i], 1};
	const struct filter here = {terms, n};
	int rc = catalog_files(b->catalog, table, LAYOUT_PUBLISHED, &here, 1, arena, &files, &count,
			       e);
	if (rc)
		return rc;
	*ret = ANEW_ARRAY(arena, count, struct backup_live);
	for (size_t i = 0; i < count; i++)
		(*ret)[i] = live_of(table, &files[i]);
	*ret_count = count;
	return OK;
}

int backup_live_one(const struct backup *b, const char *key, struct arena *arena,
		    struct backup_live *ret, struct err *e)
{
	struct backup_live *all;
	size_t n;
	int rc = backup_live_now(b, key, arena, &all, &n, e);
	if (rc)
		return rc;
	const struct backup_live *one = backup_live_find(all, n, key);
	if (!one)
		return err_set(e, ERR_NOT_FOUND, "the object is no longer in the catalog");
	*ret = *one;
	return OK;
}

/* -- bytes ------------------------------------------------------------------------------------- */

int backup_read(struct object_store *store, const char *key, int fd, int64_t *ret_bytes,
		char sha256[HASH_HEX_SIZE], struct err *e)
{
	AUTO_BUF struct buf piece = {.ceiling = (size_t)PIECE_BYTES};
	struct object_info info = {.size_bytes = 0}, first = {.size_bytes = 0};
	struct hash *hash = hash_new();
	int64_t at = 0;
	int rc;
	do {
		buf_reset(&piece);
		rc = object_store_get(store, key, at, PIECE_BYTES, (size_t)PIECE_BYTES, &piece,
				      &info, e);
		if (rc == OK && at == 0)
			first = info;
		if (rc == OK && (strcmp(info.etag, first.etag) != 0 ||
				 (piece.len == 0 && at < info.size_bytes))) {
			err_set(e, ERR_RETRY, "the object changed while it was being read");
			rc = err_where(e, key);
		}
		if (rc == OK && piece.len)
			hash_add(hash, piece.data, piece.len);
		int errnum = rc == OK && fd >= 0 && piece.len
				     ? fd_write_all(fd, piece.data, piece.len)
				     : 0;
		if (errnum)
			rc = err_errno(e, errnum, "cannot write the object's staged copy");
		at += (int64_t)piece.len;
	} while (rc == OK && at < first.size_bytes);
	hash_end_hex(hash, sha256);
	*ret_bytes = at;
	return rc;
}

struct trying {
	int (*fn)(void *ctx, struct err *);
	void *ctx;
};

static int try_once(void *arg, int attempt, int64_t *retry_after_us, struct err *e)
{
	const struct trying *t = arg;
	return t->fn(t->ctx, e);
}

int backup_try(const struct backup *b, int (*fn)(void *ctx, struct err *), void *ctx, struct err *e)
{
	static const struct retry_policy policy = {
		.attempts = 4, .base_us = 200000, .cap_us = 2000000};
	const struct retry retry = {.policy = &policy, .clock = b->clock};
	struct trying t = {fn, ctx};
	return retry_run(&retry, try_once, &t, e);
}

bool backup_stopped(const struct backup *b)
{
	return b->stop && atomic_load(b->stop);
}
