/* From payloads to published raw partitions. The order is what makes a death harmless: bytes land
 * first, then the raw files are published in one commit; whoever comes again finds the landed
 * bytes, the first receipt, and either the old partition or the new one. */
#include "extract.h"

#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "path.h"
#include "quarantine.h"
#include "tr.h"

#define RECEIPT_MAX_BYTES ((size_t)1 << 20)
#define FILE_NAME_DIGITS  32

/* A payload that waits for the flush. */
struct staged {
	const char *scope, *properties;
	const char *landing_key, *receipt_key,
		*receipt;    /* receipt: NULL when there is one already */
	struct slice landed; /* n is 0 when they lie there already */
	bool publishes;
	struct publish_file files[SOURCE_MAX_PARTS];
	enum extract_outcome outcome;
	bool lost_detail;
	const char *what; /* for the log: "IBOV 2024-07-15" and where it came from */
	int64_t rows;
};
struct extract_batch {
	const struct extract *extract;
	const struct source *source;
	struct publish_session *session;
	struct arena *arena; /* of what is staged; a new one after each flush */
	struct staged *items;
	size_t count, cap;
	int64_t files_staged; /* in this session, for names in the staging folder */
	size_t bytes;         /* of payloads, held to be landed */
	int64_t flush;        /* the number of the next */
	int64_t dropped;      /* the number of the last that failed; 0: none */
};

const char *extract_outcome_name(enum extract_outcome o)
{
	static const char *const names[] = {
		[EXTRACT_NEW] = "new",           [EXTRACT_CHANGED] = "changed",
		[EXTRACT_DETAILED] = "detailed", [EXTRACT_UNCHANGED] = "unchanged",
		[EXTRACT_REFUSED] = "refused",
	};
	return names[o];
}

struct extract_batch *extract_begin(const struct extract *extract, const struct source *source)
{
	struct extract_batch *b = NEW(struct extract_batch);
	b->extract = extract;
	b->source = source;
	b->arena = arena_new();
	b->flush = 1;
	return b;
}

/* Done with what was staged, one way or the other. */
static void next_flush(struct extract_batch *b, bool durable)
{
	arena_free(b->arena);
	b->arena = arena_new();
	b->count = b->bytes = 0;
	if (!durable)
		b->dropped = b->flush;
	b->flush++;
}

void extract_end(struct extract_batch *b)
{
	if (!b)
		return;
	publish_end(b->session);
	arena_free(b->arena);
	free(b->items);
	free(b);
}

size_t extract_staged(const struct extract_batch *b)
{
	return b->count;
}

size_t extract_staged_bytes(const struct extract_batch *b)
{
	return b->bytes;
}

int64_t extract_dropped(const struct extract_batch *b)
{
	return b->dropped;
}

static void count_outcome(struct extract_batch *b, enum extract_outcome outcome)
{
	AUTO_BUF struct buf labels = {0};
	buf_printf(&labels, "source=\"%s\",outcome=\"%s\"", b->source->name,
		   extract_outcome_name(outcome));
	telemetry_count(b->extract->telemetry, "pregao_payloads_total", labels.data, 1);
}

static int refuse(struct extract_batch *b, const struct payload *payload, struct arena *arena,
		  struct extract_result *ret, struct err *why)
{
	struct err e = ERR_INIT;
	struct extract_result result = {.outcome = EXTRACT_REFUSED,
					.bytes = (int64_t)payload->bytes.n};
	int rc = quarantine_put(b->extract->publish.store, b->source, payload, why, result.sha256,
				&e);
	if (rc != OK) {
		err_wrap(&e, "refused (%s), but it could not be put into quarantine", why->text);
		*why = e;
		return rc;
	}
	result.landing_key =
		arena_printf(arena, "quarantine/%s/%s.payload", b->source->path, result.sha256);
	err_where(why, payload->source);
	const struct field fields[] = {
		FIELD_TEXT("object", result.landing_key),
		FIELD_TEXT("error_code", err_name(why->code)),
		FIELD_TEXT("source", payload->source ? payload->source : ""),
		FIELD_TEXT("reason", why->reason),
		FIELD_TEXT("sha256", result.sha256),
		FIELD_INT("line", why->line),
		FIELD_INT("offset", why->offset),
	};
	telemetry_log(b->extract->telemetry, LOG_LEVEL_WARNING, b->extract->run, "payload_refused",
		      why->text, fields, ARRAY_LEN(fields));
	count_outcome(b, EXTRACT_REFUSED);
	*ret = result;
	return ERR_INPUT;
}

/* "name: value" lines as an object; cookies are nobody's business, not even ours. */
static json_t *headers_json(const char *headers)
{
	json_t *o = json_object();
	for (struct slice rest = slice_of(headers); rest.n;) {
		struct slice value = slice_cut(&rest, '\n');
		struct slice name = slice_trim(slice_cut(&value, ':'));
		value = slice_trim(value);
		AUTO_BUF struct buf text = {0}, key = {0};
		if (!name.n || slice_is(name, "set-cookie"))
			continue;
		buf_add(&key, name.p, name.n);
		const char *before = json_string_value(json_object_get(o, key.data));
		if (before)
			buf_printf(&text, "%s, ", before);
		if (str_is_utf8(value.p, value.n))
			buf_add(&text, value.p, value.n);
		else
			buf_latin1(&text, value.p, value.n);
		if (str_is_utf8(key.data, key.len))
			json_object_set_new(o, key.data,
					    json_stringn(text.data ? text.data : "", text.len));
	}
	return o;
}

/* What is kept beside the bytes: how they came, and when first. */
static const char *make_receipt(struct arena *arena, const struct payload *payload,
				const struct source_parsed *parsed)
{
	char time[TIME_TEXT_SIZE];
	AUTO_JSON json_t *o = json_object();
	/* RFC 8089: a file has a URL too */
	const char *url = payload->source ? payload->source : "";
	if (!strstr(url, "://"))
		url = arena_printf(arena, "file:%s", url);
	json_object_set_new(o, "url", json_text(url));
	json_object_set_new(o, "status",
			    payload->status ? json_integer(payload->status) : json_null());
	json_object_set_new(o, "headers", headers_json(payload->headers));
	json_object_set_new(o, "time", json_string(time_format_utc(payload->at_us, time)));
	json_object_set_new(o, "bytes", json_integer((json_int_t)parsed->landed.n));
	json_object_set_new(o, "sha256", json_string(parsed->sha256));
	AUTO_BUF struct buf text = {0};
	json_canonical(o, &text);
	buf_char(&text, '\n');
	return arena_strndup(arena, text.data, text.len);
}

/* What has landed of these bytes before. *ret_first_us is when they first came: now, if they never
 * did. */
static int look_at_landing(struct extract_batch *b, const struct payload *payload,
			   const struct source_parsed *parsed, struct staged *s,
			   int64_t *ret_first_us, struct err *e)
{
	struct object_store *store = b->extract->publish.store;
	AUTO_BUF struct buf receipt = {0};
	AUTO_JSON json_t *o = NULL;
	struct object_info info;
	*ret_first_us = payload->at_us;
	s->landing_key = arena_printf(b->arena, "landing/%s/%s/%s.%s", b->source->path,
				      parsed->folder, parsed->sha256, parsed->extension);
	s->receipt_key = arena_printf(b->arena, "landing/%s/%s/%s.json", b->source->path,
				      parsed->folder, parsed->sha256);
	int rc = object_store_get(store, s->receipt_key, 0, -1, RECEIPT_MAX_BYTES, &receipt, NULL,
				  e);
	if (rc == OK) {
		/* A receipt that cannot be read is no reason to stop: the bytes matter. */
		if (json_parse(receipt.data ? receipt.data : "", receipt.len, &o, NULL) != OK ||
		    time_parse_utc(json_opt_str(o, "time", ""), ret_first_us) != OK)
			*ret_first_us = payload->at_us;
		rc = object_store_head(store, s->landing_key, &info, e);
		/* By force a damaged copy is replaced, too. */
		if (rc == OK && !b->extract->force && info.size_bytes == (int64_t)parsed->landed.n)
			return OK;
		if (rc == OK)
			rc = ERR_NOT_FOUND;
	} else if (rc == ERR_NOT_FOUND) {
		s->receipt = make_receipt(b->arena, payload, parsed);
	}
	if (rc != ERR_NOT_FOUND)
		return rc;
	s->landed = (struct slice){arena_strndup(b->arena, parsed->landed.p, parsed->landed.n),
				   parsed->landed.n};
	return OK;
}

/* Compares with what the catalog has of the scope, and writes down what it shall have. */
static int decide(struct extract_batch *b, const struct source_parsed *parsed, int64_t first_us,
		  struct staged *s, struct err *e)
{
	const struct source *source = b->source;
	struct catalog_scope before;
	AUTO_JSON json_t *old = NULL, *new = json_object();
	const char *landed_on = NULL;
	char date[DATE_TEXT_SIZE];
	int rc = catalog_scope(b->extract->publish.catalog, source->tables[0], s->scope, b->arena,
			       &before, e);
	if (rc != OK && rc != ERR_NOT_FOUND)
		return rc;
	s->outcome = EXTRACT_NEW;
	if (rc == OK) {
		bool had_detail = false;
		s->outcome = EXTRACT_CHANGED;
		if (before.properties &&
		    json_parse(before.properties, strlen(before.properties), &old, NULL) == OK) {
			had_detail = json_is_true(json_object_get(old, source->detail));
			if (strcmp(json_opt_str(old, "content", ""), parsed->content) == 0) {
				s->outcome = parsed->detailed && !had_detail ? EXTRACT_DETAILED
									     : EXTRACT_UNCHANGED;
				/* The same content came before, in another form: that is when it
				 * landed. */
				landed_on = json_opt_str(old, "landed_on", NULL);
			}
		}
		s->lost_detail = s->outcome == EXTRACT_CHANGED && had_detail && !parsed->detailed;
	}
	if (!landed_on) {
		int32_t day;
		rc = time_date_in_sao_paulo(first_us, &day, e);
		if (rc != OK)
			return rc;
		landed_on = date_format(day, date);
	}
	json_object_set_new(new, "content", json_string(parsed->content));
	json_object_set_new(new, "source_sha256", json_string(parsed->sha256));
	json_object_set_new(new, "landed_on", json_string(landed_on));
	json_object_set_new(new, source->detail, json_boolean(parsed->detailed));
	AUTO_BUF struct buf text = {0};
	json_canonical(new, &text);
	s->properties = arena_strndup(b->arena, text.data, text.len);
	s->publishes = s->outcome != EXTRACT_UNCHANGED || b->extract->force;
	return OK;
}

/* The same rows from the same bytes have the same name, whoever writes them and when. */
static const char *file_name(struct extract_batch *b, const struct source_parsed *parsed)
{
	char hex[HASH_HEX_SIZE];
	struct hash *h = hash_new();
	hash_str(h, parsed->content);
	hash_str(h, parsed->sha256);
	hash_i64(h, parsed->detailed);
	hash_str(h, b->source->writer_version);
	hash_end_hex(h, hex);
	return arena_strndup(b->arena, hex, FILE_NAME_DIGITS);
}

static int write_raw(struct extract_batch *b, const struct source_parsed *parsed, struct staged *s,
		     struct extract_result *ret, struct err *e)
{
	const char *name = file_name(b, parsed);
	for (size_t i = 0; i < parsed->part_count; i++) {
		const struct source_part *part = &parsed->parts[i];
		struct publish_file *f = &s->files[i];
		struct parquet_result written;
		f->path = arena_printf(b->arena, "%s/raw-%" PRId64 ".parquet",
				       publish_staging(b->session), b->files_staged++);
		int rc = parquet_write(b->extract->publish.parquet, &part->batch, 1, f->path,
				       b->arena, &written, e);
		if (rc != OK)
			return err_wrap(e, "writing the rows for %s.%s", part->table->database,
					part->table->name);
		const char **scopes = ANEW_ARRAY(b->arena, 1, const char *),
			   **origins = ANEW_ARRAY(b->arena, 1, const char *);
		scopes[0] = s->scope;
		f->file = (struct catalog_file){
			.key = path_key(b->arena, part->table, s->scope, name),
			.layout = LAYOUT_PUBLISHED,
			.scopes = scopes,
			.origins = origins,
			.scope_count = 1,
			.rows = written.rows,
			.bytes = written.bytes,
			.stats = written.stats,
			.stats_count = written.stats_count,
		};
		for (size_t k = 0; k < part->table->partition_count; k++) {
			f->file.low[k] = arena_strdup(b->arena, parsed->values[k]);
			f->file.high[k] = f->file.low[k];
		}
		ret->raw_bytes += written.bytes;
		ret->raw_files++;
	}
	return OK;
}

static bool is_staged(const struct extract_batch *b, const char *scope)
{
	for (size_t i = 0; i < b->count; i++)
		if (strcmp(b->items[i].scope, scope) == 0)
			return true;
	return false;
}

static void log_item(struct extract_batch *b, const struct staged *s)
{
	static const char *const texts[] = {
		[EXTRACT_NEW] = "a new session",
		[EXTRACT_CHANGED] = "other content than before: the session is replaced",
		[EXTRACT_DETAILED] =
			"the content is the same, now with its detail: the session is replaced",
		[EXTRACT_UNCHANGED] = "the content is the same: nothing to do",
	};
	const struct field fields[] = {FIELD_TEXT("object", s->landing_key),
				       FIELD_TEXT("scope", s->scope), FIELD_TEXT("source", s->what),
				       FIELD_INT("rows", s->rows)};
	AUTO_BUF struct buf event = {0};
	buf_printf(&event, "payload_%s", extract_outcome_name(s->outcome));
	telemetry_log(b->extract->telemetry, LOG_LEVEL_INFO, b->extract->run, event.data,
		      texts[s->outcome], fields, ARRAY_LEN(fields));
	if (s->lost_detail)
		telemetry_log(b->extract->telemetry, LOG_LEVEL_WARNING, b->extract->run,
			      "detail_lost",
			      "what was replaced had a detail that the new content lacks", fields,
			      ARRAY_LEN(fields));
	count_outcome(b, s->outcome);
}

/* All of it but the parsing; what is needed for longer is copied into the batch's arena. */
static int stage(struct extract_batch *b, const struct payload *payload,
		 const struct source_parsed *parsed, const char *scope, struct staged *s,
		 struct extract_result *ret, struct err *e)
{
	int64_t first_us;
	s->scope = arena_strdup(b->arena, scope);
	s->what = arena_strdup(b->arena, payload->source ? payload->source : "");
	s->rows = (int64_t)parsed->parts[0].batch.row_count;
	int rc = look_at_landing(b, payload, parsed, s, &first_us, e);
	if (rc == OK)
		rc = decide(b, parsed, first_us, s, e);
	if (rc == OK && s->publishes && !b->session) {
		/* Only who has something to write takes the locks; somebody else may have written
		 * before they were taken. */
		rc = publish_begin(&b->extract->publish, b->source->tables, b->source->table_count,
				   &b->session, e);
		if (rc == OK)
			rc = decide(b, parsed, first_us, s, e);
	}
	if (rc == OK && s->publishes)
		rc = write_raw(b, parsed, s, ret, e);
	return rc;
}

static void fill_result(const struct staged *s, const struct source_parsed *parsed,
			const struct payload *payload, struct arena *arena,
			struct extract_result *ret)
{
	AUTO_JSON json_t *properties = NULL;
	ret->outcome = s->outcome;
	ret->scope = arena_strdup(arena, s->scope);
	for (size_t i = 0; i < parsed->parts[0].table->partition_count; i++)
		ret->values[i] = arena_strdup(arena, parsed->values[i]);
	if (json_parse(s->properties, strlen(s->properties), &properties, NULL) == OK)
		ret->landed_on = arena_strdup(arena, json_opt_str(properties, "landed_on", NULL));
	ret->landing_key = arena_strdup(arena, s->landing_key);
	memcpy(ret->sha256, parsed->sha256, sizeof(ret->sha256));
	ret->rows = s->rows;
	ret->bytes = (int64_t)payload->bytes.n;
	ret->lost_detail = s->lost_detail;
}

int extract_add(struct extract_batch *b, const struct payload *payload, struct arena *arena,
		struct extract_result *ret, struct err *e)
{
	struct err own = ERR_INIT;
	AUTO_ARENA struct arena *parsing = arena_new();
	struct source_parsed parsed;
	struct extract_result result = {.outcome = EXTRACT_UNCHANGED};
	struct staged s = {.scope = NULL};
	const char *scope;
	e = e ? e : &own;
	int rc = b->source->parse(payload, parsing, &parsed, e);
	if (rc == ERR_INPUT)
		return refuse(b, payload, arena, ret, e);
	if (rc == OK)
		rc = path_partition(parsing, b->source->tables[0], parsed.values,
				    b->source->tables[0]->partition_count, &scope, e);
	bool flushed = rc == OK && is_staged(b, scope);
	if (flushed)
		rc = extract_flush(b, e);
	bool dropped = flushed && rc != OK;
	if (rc == OK)
		rc = stage(b, payload, &parsed, scope, &s, &result, e);
	if (rc != OK) {
		if (!dropped)
			next_flush(b, false);
		/* Its own mistakes are refused above; here the machine failed. */
		if (rc == ERR_INPUT)
			e->code = rc = ERR_BUG;
		return rc;
	}
	fill_result(&s, &parsed, payload, arena, &result);
	if (!s.receipt) {
		const struct field fields[] = {FIELD_TEXT("object", s.landing_key),
					       FIELD_TEXT("source", s.what),
					       FIELD_INT("status", payload->status)};
		telemetry_log(b->extract->telemetry, LOG_LEVEL_INFO, b->extract->run,
			      "landed_again", "these bytes came before", fields, ARRAY_LEN(fields));
	}
	if (!s.publishes && !s.landed.n && !s.receipt) {
		log_item(b, &s);
	} else {
		*PUSH(b->items, b->count, b->cap) = s;
		b->bytes += s.landed.n;
		result.flush = b->flush;
	}
	*ret = result;
	return OK;
}

/* Bytes, which are missing or damaged there, and receipts, of which the first stays. */
static int land(struct extract_batch *b, struct err *e)
{
	struct object_put *puts = ANEW_ARRAY(b->arena, b->count * 2, struct object_put);
	size_t n = 0;
	for (size_t i = 0; i < b->count; i++) {
		const struct staged *s = &b->items[i];
		if (s->landed.n)
			puts[n++] = (struct object_put){.key = s->landing_key, .bytes = s->landed};
		if (s->receipt)
			puts[n++] = (struct object_put){.key = s->receipt_key,
							.bytes = slice_of(s->receipt),
							.if_absent = true};
	}
	int rc = n ? object_store_put_many(b->extract->publish.store, puts, n, e) : OK;
	if (rc == OK)
		return OK;
	for (size_t i = 0; i < n; i++)
		if (puts[i].code != OK && puts[i].code != ERR_CONFLICT)
			return puts[i].code == rc
				       ? rc
				       : err_set(e, puts[i].code, "cannot put %s", puts[i].key);
	return OK;
}

/* One commit for all staged sessions, all tables together. */
static int publish(struct extract_batch *b, struct err *e)
{
	size_t tables = b->source->table_count, n = 0;
	struct catalog_scope *scopes = ANEW_ARRAY(b->arena, b->count, struct catalog_scope);
	struct publish_change *changes = ANEW_ARRAY(b->arena, tables, struct publish_change);
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].publishes)
			scopes[n++] = (struct catalog_scope){.scope = b->items[i].scope,
							     .properties = b->items[i].properties};
	if (!n)
		return OK;
	for (size_t t = 0; t < tables; t++) {
		struct publish_file *files = ANEW_ARRAY(b->arena, n, struct publish_file);
		size_t k = 0;
		for (size_t i = 0; i < b->count; i++)
			if (b->items[i].publishes)
				files[k++] = b->items[i].files[t];
		changes[t] = (struct publish_change){
			.table = b->source->tables[t],
			.scopes = scopes,
			.scope_count = n,
			.files = files,
			.file_count = k,
		};
	}
	int64_t version;
	return publish_replace(b->session, changes, tables, NULL, 0, &version, e);
}

int extract_flush(struct extract_batch *b, struct err *e)
{
	if (!b->count)
		return OK;
	int rc = land(b, e);
	if (rc == OK)
		rc = publish(b, e);
	for (size_t i = 0; rc == OK && i < b->count; i++)
		log_item(b, &b->items[i]);
	next_flush(b, rc == OK);
	return rc;
}

int extract_payload(const struct extract *extract, const struct source *source,
		    const struct payload *payload, struct arena *arena, struct extract_result *ret,
		    struct err *e)
{
	struct extract_batch *b = extract_begin(extract, source);
	int rc = extract_add(b, payload, arena, ret, e);
	if (rc == OK)
		rc = extract_flush(b, e);
	extract_end(b);
	return rc;
}
