/* What lies where in the backup store: names, manifests, listings. */
#include <string.h>

#include "backup_private.h"
#include "file.h"
#include "json.h"

#define MANIFEST_MAX ((size_t)16 << 20) /* bytes; trade ids with many holes make it long */
#define SUFFIX       ".json"
#define STREAM_KEY   "stream.json"
#define STREAM_MAX   4096

static const char *const folders[] = {
	[BACKUP_DATA] = "data/", [BACKUP_MANIFEST] = "manifest/", [BACKUP_LEFT] = "left/"};

/* -- names ------------------------------------------------------------------------------------- */

const char *backup_data_key(struct arena *arena, const char *key)
{
	return arena_printf(arena, "%s%s", folders[BACKUP_DATA], key);
}

const char *backup_manifest_key(struct arena *arena, const char *key)
{
	return arena_printf(arena, "%s%s" SUFFIX, folders[BACKUP_MANIFEST], key);
}

void backup_range_of(const char *key, int64_t *ret_first, int64_t *ret_last)
{
	const char *name = strrchr(key, '/');
	struct slice rest = slice_of(name ? name + 1 : key);
	struct slice numbers = slice_cut(&rest, '.');
	struct slice last = numbers;
	struct slice first = slice_cut(&last, '-');
	if (!int64_parse(first, ret_first) || !int64_parse(last, ret_last) || *ret_first <= 0 ||
	    *ret_last < *ret_first)
		*ret_first = *ret_last = 0;
}

bool backup_covers(int64_t outer_first, int64_t outer_last, int64_t inner_first, int64_t inner_last)
{
	return outer_first > 0 && inner_first > 0 && outer_first <= inner_first &&
	       inner_last <= outer_last;
}

/* -- manifests --------------------------------------------------------------------------------- */

static int parse(const json_t *root, const char *key, struct arena *arena,
		 struct backup_manifest *ret, struct err *e)
{
	const char *own, *table, *scope, *hash, *copied;
	json_t *properties;
	int rc = json_get_str(root, "key", &own, e);
	if (rc == OK)
		rc = json_get_str(root, "table", &table, e);
	if (rc == OK)
		rc = json_get_str(root, "scope", &scope, e);
	if (rc == OK)
		rc = json_get_str(root, "sha256", &hash, e);
	if (rc == OK)
		rc = json_get_str(root, "copied_at", &copied, e);
	if (rc == OK)
		rc = json_get_int(root, "bytes", &ret->bytes, e);
	if (rc == OK)
		rc = json_get_int(root, "rows", &ret->rows, e);
	if (rc == OK)
		rc = json_get_int(root, "first", &ret->first, e);
	if (rc == OK)
		rc = json_get_int(root, "last", &ret->last, e);
	if (rc == OK)
		rc = json_get_object(root, "properties", &properties, e);
	if (rc)
		return rc;
	if (strcmp(own, key) != 0)
		return err_set(e, ERR_INPUT, "the manifest is of another object, %s", own);
	if (strlen(hash) != HASH_HEX_SIZE - 1 || strspn(hash, "0123456789abcdef") != strlen(hash) ||
	    ret->bytes < 0 || ret->rows < 0)
		return err_set(e, ERR_INPUT, "the manifest's hash, bytes or rows are none");
	if (time_parse_utc(copied, &ret->copied_us) != OK)
		return err_set(e, ERR_INPUT, "the manifest's copied_at is no time: found \"%.40s\"",
			       copied);
	AUTO_BUF struct buf text = {0};
	json_canonical(properties, &text);
	ret->properties = arena_strndup(arena, text.data, text.len);
	ret->key = arena_strdup(arena, own);
	ret->table = arena_strdup(arena, table);
	ret->scope = arena_strdup(arena, scope);
	memcpy(ret->sha256, hash, HASH_HEX_SIZE);
	return OK;
}

int backup_manifest_get(struct object_store *store, const char *key, struct arena *arena,
			struct backup_manifest *ret, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	AUTO_JSON json_t *root = NULL;
	const char *where = backup_manifest_key(arena, key);
	*ret = (struct backup_manifest){0};
	int rc = object_store_get(store, where, 0, -1, MANIFEST_MAX, &text, NULL, e);
	if (rc)
		return rc;
	rc = json_parse(text.data ? text.data : "", text.len, &root, e);
	if (rc == OK)
		rc = parse(root, key, arena, ret, e);
	if (rc)
		err_where(e, where);
	return rc;
}

struct reading {
	const struct backup *with;
	struct backup_entries entries;
	struct arena *arena;
	struct backup_manifest *list;
	pthread_mutex_t lock;
	void (*bad)(void *ctx, const char *key, const struct err *);
	void *ctx;
};
struct one_manifest {
	struct reading *all;
	struct arena *arena;
	const char *key;
	struct backup_manifest got;
};

static int get_one(void *ctx, struct err *e)
{
	struct one_manifest *one = ctx;
	return backup_manifest_get(one->all->with->to, one->key, one->arena, &one->got, e);
}

static int read_one(void *ctx, size_t i, struct err *e)
{
	struct reading *all = ctx;
	AUTO_ARENA struct arena *arena = arena_new();
	struct one_manifest one = {.all = all, .arena = arena, .key = all->entries.list[i].key};
	int rc = backup_try(all->with, get_one, &one, e);
	pthread_mutex_lock(&all->lock);
	if (rc == OK) {
		all->list[i] = one.got;
		all->list[i].key = arena_strdup(all->arena, one.got.key);
		all->list[i].table = arena_strdup(all->arena, one.got.table);
		all->list[i].scope = arena_strdup(all->arena, one.got.scope);
		all->list[i].properties = arena_strdup(all->arena, one.got.properties);
	} else if (rc == ERR_INPUT) {
		if (all->bad)
			all->bad(all->ctx, one.key, e);
		rc = OK;
	} else if (rc == ERR_NOT_FOUND) {
		rc = OK; /* expired a moment ago */
	}
	pthread_mutex_unlock(&all->lock);
	return rc;
}

int backup_manifest_all(const struct backup *b, struct arena *arena,
			void (*bad)(void *ctx, const char *key, const struct err *), void *ctx,
			struct backup_manifest **ret, size_t *ret_count, struct err *e)
{
	struct reading all = {.with = b, .arena = arena, .bad = bad, .ctx = ctx};
	size_t n = 0;
	int rc = backup_list(b, BACKUP_MANIFEST, arena, &all.entries, e);
	if (rc)
		return rc;
	pthread_mutex_init(&all.lock, NULL);
	all.list = ANEW_ARRAY(arena, all.entries.count, struct backup_manifest);
	rc = parallel_for(all.entries.count, b->workers, read_one, &all, e);
	pthread_mutex_destroy(&all.lock);
	for (size_t i = 0; rc == OK && i < all.entries.count; i++)
		if (all.list[i].key)
			all.list[n++] = all.list[i];
	*ret = all.list;
	*ret_count = n;
	return rc;
}

int backup_manifest_put(struct object_store *store, const struct backup_manifest *m, bool if_absent,
			struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_JSON json_t *root = json_object();
	AUTO_JSON json_t *properties = NULL;
	AUTO_BUF struct buf text = {0};
	char time[TIME_TEXT_SIZE];
	int rc = json_parse(m->properties, strlen(m->properties), &properties, e);
	if (rc)
		return rc;
	json_object_set_new(root, "key", json_string(m->key));
	json_object_set_new(root, "table", json_string(m->table));
	json_object_set_new(root, "scope", json_string(m->scope));
	json_object_set_new(root, "sha256", json_string(m->sha256));
	json_object_set_new(root, "bytes", json_integer(m->bytes));
	json_object_set_new(root, "rows", json_integer(m->rows));
	json_object_set_new(root, "first", json_integer(m->first));
	json_object_set_new(root, "last", json_integer(m->last));
	json_object_set_new(root, "copied_at", json_string(time_format_utc(m->copied_us, time)));
	json_object_set(root, "properties", properties);
	json_canonical(root, &text);
	buf_char(&text, '\n');
	if (text.len > MANIFEST_MAX)
		return err_set(
			e, ERR_INPUT,
			"the manifest would have %zu bytes and could not be read again (at most %zu): the partition's trades have too many holes",
			text.len, MANIFEST_MAX);
	return object_store_put(store, backup_manifest_key(arena, m->key), buf_slice(&text),
				if_absent, e);
}

/* -- which stream ------------------------------------------------------------------------------ */

int64_t backup_stream_of(const char *text)
{
	AUTO_JSON json_t *properties = NULL;
	int64_t life = 0;
	if (json_parse(text, strlen(text), &properties, NULL) != OK)
		return -1;
	const char *hex = json_opt_str(properties, "stream", "");
	return !*hex || stream_life_parse(slice_of(hex), &life) ? life : -1;
}

static int get_stream(const struct backup *b, int64_t *ret, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	int rc = object_store_get(b->to, STREAM_KEY, 0, -1, STREAM_MAX, &text, NULL, e);
	if (rc)
		return rc;
	*ret = backup_stream_of(text.data ? text.data : "");
	if (*ret > 0)
		return OK;
	err_set(e, ERR_INPUT, "the object that tells which stream the copies are of is damaged");
	return err_where(e, STREAM_KEY);
}

int backup_stream_check(const struct backup *b, int64_t life, bool claim, struct err *e)
{
	char own[STREAM_LIFE_SIZE], other[STREAM_LIFE_SIZE];
	AUTO_BUF struct buf text = {0};
	int64_t theirs = 0;
	if (!b->to || !life)
		return OK;
	stream_life_format(life, own);
	int rc = get_stream(b, &theirs, e);
	if (rc == ERR_NOT_FOUND && claim) {
		buf_printf(&text, "{\"stream\":\"%s\"}\n", own);
		rc = object_store_put(b->to, STREAM_KEY, buf_slice(&text), true, e);
		if (rc == ERR_CONFLICT)
			rc = get_stream(b, &theirs, e);
		else
			theirs = life;
	} else if (rc == ERR_NOT_FOUND) {
		return OK;
	}
	if (rc || theirs == life)
		return rc;
	return err_set(
		e, ERR_CONFLICT,
		"the backup's copies are of another stream (%s) than the lake's files (%s); back up to a place of its own with --to",
		stream_life_format(theirs, other), own);
}

/* -- listings ---------------------------------------------------------------------------------- */

struct gathering {
	const struct backup *with;
	enum backup_part part;
	struct arena *arena;
	size_t prefix, suffix;
	struct backup_entry *list;
	size_t count, cap;
};

static int gather(void *ctx, const struct object_info *info)
{
	struct gathering *g = ctx;
	size_t n = strlen(info->key);
	if (n < g->prefix + g->suffix ||
	    (g->suffix && strcmp(info->key + n - g->suffix, SUFFIX) != 0))
		return OK;
	struct backup_entry *entry = PUSH(g->list, g->count, g->cap);
	entry->key = arena_strndup(g->arena, info->key + g->prefix, n - g->prefix - g->suffix);
	entry->bytes = info->size_bytes;
	entry->modified_us = info->modified_us;
	return OK;
}

static int by_entry_key(const void *a, const void *b)
{
	return strcmp(((const struct backup_entry *)a)->key, ((const struct backup_entry *)b)->key);
}

static int list_once(void *ctx, struct err *e)
{
	struct gathering *g = ctx;
	g->count = 0;
	return object_store_list(g->with->to, folders[g->part], NULL, gather, g, e);
}

int backup_list(const struct backup *b, enum backup_part part, struct arena *arena,
		struct backup_entries *ret, struct err *e)
{
	struct gathering g = {.with = b,
			      .part = part,
			      .arena = arena,
			      .prefix = strlen(folders[part]),
			      .suffix = part == BACKUP_DATA ? 0 : strlen(SUFFIX)};
	int rc = backup_try(b, list_once, &g, e);
	*ret = (struct backup_entries){0};
	if (rc == OK && g.count) {
		ret->list = ANEW_ARRAY(arena, g.count, struct backup_entry);
		memcpy(ret->list, g.list, g.count * sizeof(*g.list));
		ret->count = g.count;
		/* With the suffix cut off the order may be another. */
		qsort(ret->list, ret->count, sizeof(*ret->list), by_entry_key);
	}
	free(g.list);
	return rc;
}

const struct backup_entry *backup_find(const struct backup_entries *all, const char *key)
{
	const struct backup_entry wanted = {.key = key};
	return all->count
		       ? bsearch(&wanted, all->list, all->count, sizeof(*all->list), by_entry_key)
		       : NULL;
}
