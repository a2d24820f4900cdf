/* What was refused, kept whole: put if absent, listed by payload, tried again on demand. */
#include "quarantine.h"

#include <inttypes.h>
#include <string.h>

#include "base64.h"
#include "json.h"

#define ROOT                  "quarantine/"
#define PAYLOAD               ".payload"
#define DESCRIPTION_MAX_BYTES ((size_t)1 << 20)
#define PAYLOAD_MAX_BYTES     ((size_t)256 << 20)

static void describe(const struct source *source, const struct payload *payload,
		     const struct err *why, const char *sha256, struct buf *out)
{
	char time[TIME_TEXT_SIZE];
	AUTO_JSON json_t *o = json_object();
	json_object_set_new(o, "sha256", json_string(sha256));
	json_object_set_new(o, "reason", json_text(why->reason));
	json_object_set_new(o, "text", json_text(why->text));
	json_object_set_new(o, "line", why->line > 0 ? json_integer(why->line) : json_null());
	json_object_set_new(o, "column", why->column > 0 ? json_integer(why->column) : json_null());
	json_object_set_new(o, "offset",
			    why->offset >= 0 ? json_integer(why->offset) : json_null());
	json_object_set_new(o, "parser", json_string(source->path));
	json_object_set_new(o, "parser_version", json_string(source->parser_version));
	json_object_set_new(o, "size", json_integer((json_int_t)payload->bytes.n));
	json_object_set_new(o, "source", json_text(payload->source));
	json_object_set_new(o, "status",
			    payload->status ? json_integer(payload->status) : json_null());
	json_object_set_new(o, "headers", json_text(payload->headers));
	json_object_set_new(o, "index", json_text(payload->index));
	json_object_set_new(o, "at", json_string(time_format_utc(payload->at_us, time)));
	json_canonical(o, out);
	buf_char(out, '\n');
}

static int put_if_absent(struct object_store *store, const char *key, struct slice bytes,
			 struct err *e)
{
	int rc = object_store_put(store, key, bytes, true, e);
	return rc == ERR_CONFLICT ? OK : rc;
}

int quarantine_put(struct object_store *store, const struct source *source,
		   const struct payload *payload, const struct err *why,
		   char ret_sha256[HASH_HEX_SIZE], struct err *e)
{
	char sha256[HASH_HEX_SIZE];
	AUTO_BUF struct buf description = {0};
	AUTO_ARENA struct arena *arena = arena_new();
	hash_bytes_hex(payload->bytes.p, payload->bytes.n, sha256);
	describe(source, payload, why, sha256, &description);
	/* The bytes first: a description without them would be of no use, they without it are found
	 * and say "unreadable". */
	int rc = put_if_absent(store,
			       arena_printf(arena, ROOT "%s/%s" PAYLOAD, source->path, sha256),
			       payload->bytes, e);
	if (rc == OK)
		rc = put_if_absent(store,
				   arena_printf(arena, ROOT "%s/%s.json", source->path, sha256),
				   buf_slice(&description), e);
	if (rc == OK && ret_sha256)
		memcpy(ret_sha256, sha256, sizeof(sha256));
	return rc;
}

void quarantine_line(struct buf *out, const char *name, int64_t number, const char *kind,
		     struct slice bytes, const struct err *why)
{
	buf_printf(out, "{\"%s\":%" PRId64, name, number);
	if (kind) {
		buf_str(out, ",\"kind\":");
		buf_json_str(out, kind, strlen(kind));
	}
	buf_str(out, ",\"reason\":");
	buf_json_str(out, why->reason, strlen(why->reason));
	buf_str(out, ",\"text\":");
	buf_json_str(out, why->text, strlen(why->text));
	buf_str(out, ",\"bytes\":\"");
	base64_encode(bytes, out);
	buf_str(out, "\"}\n");
}

struct found {
	struct arena *arena;
	const char *prefix; /* of the hash; NULL: all */
	struct quarantine_entry *items;
	size_t count, cap;
};

/* The hash in "quarantine/<source's path>/<64 hex digits>.payload"; NULL for what somebody else put
 * there. */
static const char *hash_in(const char *key)
{
	const char *slash = strrchr(key, '/');
	if (!slash || slash < key + sizeof(ROOT) ||
	    strspn(slash + 1, "0123456789abcdef") != HASH_HEX_SIZE - 1 ||
	    strcmp(slash + HASH_HEX_SIZE, PAYLOAD) != 0)
		return NULL;
	return slash + 1;
}

static int collect(void *ctx, const struct object_info *info)
{
	struct found *f = ctx;
	const char *hash = hash_in(info->key);
	if (!hash || (f->prefix && strncmp(hash, f->prefix, strlen(f->prefix)) != 0))
		return OK;
	struct quarantine_entry *entry = PUSH(f->items, f->count, f->cap);
	entry->key = arena_strdup(f->arena, info->key);
	entry->sha256 = arena_strndup(f->arena, hash, HASH_HEX_SIZE - 1);
	entry->size_bytes = info->size_bytes;
	return OK;
}

static const char *description_key(struct arena *arena, const struct quarantine_entry *entry)
{
	return arena_printf(arena, "%.*s.json", (int)(strlen(entry->key) - (sizeof(PAYLOAD) - 1)),
			    entry->key);
}

static int64_t number_of(const json_t *o, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(o, key);
	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

/* Fills in what the description says. */
static int read_description(struct object_store *store, struct arena *arena,
			    struct quarantine_entry *entry, struct err *e)
{
	AUTO_BUF struct buf text = {0};
	AUTO_JSON json_t *o = NULL;
	size_t path = strlen(entry->key) - strlen(entry->sha256) - (sizeof(PAYLOAD) - 1) -
		      (sizeof(ROOT) - 1) - 1;
	const char *parser = arena_strndup(arena, entry->key + sizeof(ROOT) - 1, path);
	entry->from = source_find(parser);
	entry->lines = strcmp(parser, QUARANTINE_LINES) == 0;
	entry->records = strcmp(parser, QUARANTINE_RECORDS) == 0;
	entry->reason = "unreadable";
	entry->text = entry->parser_version = entry->source = "";
	entry->offset = -1;
	int rc = object_store_get(store, description_key(arena, entry), 0, -1,
				  DESCRIPTION_MAX_BYTES, &text, NULL, e);
	if (rc != OK)
		return rc == ERR_NOT_FOUND || rc == ERR_LIMIT ? OK : rc;
	if (json_parse(text.data ? text.data : "", text.len, &o, NULL) != OK || !json_is_object(o))
		return OK;
	entry->reason = arena_strdup(arena, json_opt_str(o, "reason", "unreadable"));
	entry->text = arena_strdup(arena, json_opt_str(o, "text", ""));
	entry->parser_version = arena_strdup(arena, json_opt_str(o, "parser_version", ""));
	entry->line = number_of(o, "line", 0);
	entry->column = number_of(o, "column", 0);
	entry->offset = number_of(o, "offset", -1);
	entry->source = arena_strdup(arena, json_opt_str(o, "source", ""));
	entry->status = (int)number_of(o, "status", 0);
	entry->headers = arena_strdup(arena, json_opt_str(o, "headers", NULL));
	entry->index = arena_strdup(arena, json_opt_str(o, "index", NULL));
	if (time_parse_utc(json_opt_str(o, "at", ""), &entry->at_us) != OK)
		entry->at_us = 0;
	return OK;
}

int quarantine_list(struct object_store *store, int (*fn)(void *, const struct quarantine_entry *),
		    void *ctx, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct found found = {.arena = arena};
	/* The keys first: a driver need not bear other calls from within its list. */
	int rc = object_store_list(store, ROOT, NULL, collect, &found, e);
	for (size_t i = 0; rc == OK && i < found.count; i++) {
		rc = read_description(store, arena, &found.items[i], e);
		if (rc == OK)
			rc = fn(ctx, &found.items[i]);
	}
	free(found.items);
	return rc;
}

int quarantine_show(struct object_store *store, const char *prefix, struct arena *arena,
		    struct quarantine_entry *ret, struct buf *payload, struct err *e)
{
	struct found found = {.arena = arena, .prefix = prefix};
	struct quarantine_entry entry = {.offset = -1};
	int rc = prefix && *prefix ? object_store_list(store, ROOT, NULL, collect, &found, e) : OK;
	if (rc == OK && found.count == 0)
		rc = err_set(
			e, ERR_NOT_FOUND,
			"nothing in quarantine begins with \"%s\"; `pregao quarantine list` shows what there is",
			prefix ? prefix : "");
	if (rc == OK && found.count > 1)
		rc = err_set(e, ERR_CONFLICT,
			     "%zu payloads in quarantine begin with \"%s\": give more of the hash",
			     found.count, prefix);
	if (rc == OK)
		entry = found.items[0];
	free(found.items);
	if (rc == OK)
		rc = read_description(store, arena, &entry, e);
	if (rc == OK && payload)
		rc = object_store_get(store, entry.key, 0, -1, PAYLOAD_MAX_BYTES, payload, NULL, e);
	if (rc == OK)
		*ret = entry;
	return rc;
}

int quarantine_replay(const struct extract *extract, const struct quarantine_entry *entry,
		      const char *index, struct arena *arena, struct extract_result *ret,
		      struct err *e)
{
	struct object_store *store = extract->publish.store;
	AUTO_BUF struct buf bytes = {0};
	AUTO_ARENA struct arena *parsing = arena_new();
	struct source_parsed parsed;
	if (!entry->from)
		return err_set(e, ERR_NOT_FOUND, "no source of this program could have made %s",
			       entry->key);
	int rc = object_store_get(store, entry->key, 0, -1, PAYLOAD_MAX_BYTES, &bytes, NULL, e);
	if (rc != OK)
		return rc;
	struct payload payload = {
		.bytes = buf_slice(&bytes),
		.source = entry->source,
		.status = entry->status,
		.headers = entry->headers,
		.index = index ? index : entry->index,
		.at_us = entry->at_us ? entry->at_us : clock_now_us(extract->publish.clock),
	};
	/* Tried here first, so that a payload which is refused again leaves no second trace. */
	rc = entry->from->parse(&payload, parsing, &parsed, e);
	if (rc != OK) {
		err_where(e, entry->key);
		return rc;
	}
	rc = extract_payload(extract, entry->from, &payload, arena, ret, e);
	if (rc != OK)
		return rc;
	const char *keys[] = {description_key(parsing, entry), entry->key};
	return object_store_delete_many(store, keys, ARRAY_LEN(keys), e);
}
