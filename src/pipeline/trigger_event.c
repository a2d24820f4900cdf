/* S3's event notifications as messages: one record for each created object, keys encoded as in HTML
 * forms. What S3 itself sends and what we write for a directory is read by the same code. */
#include "trigger_event.h"

#include <inttypes.h>
#include <string.h>

#include "job_engine.h"
#include "json.h"

#define RECORDS_MAX 10000

/* -- writing ----------------------------------------------------------------------------------- */

/* Keys in S3's messages are encoded as in HTML forms: everything but letters, digits and -_.* and
 * the slash as %XX, a blank as '+'. */
static void add_form_encoded(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     (c >= '0' && c <= '9') || strchr("-_.*/", c);
		if (c == ' ')
			buf_char(out, '+');
		else if (plain)
			buf_char(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void trigger_event_write(struct buf *out, const char *lake, const struct catalog_file *file,
			 const struct catalog_scope *scope)
{
	AUTO_JSON json_t *properties = NULL;
	AUTO_BUF struct buf key = {0};
	char time[TIME_TEXT_SIZE];
	const char *as_of = NULL;
	if (scope && scope->properties &&
	    json_parse(scope->properties, strlen(scope->properties), &properties, NULL) == OK)
		as_of = json_opt_str(properties, "landed_on", NULL);
	add_form_encoded(&key, file->key);
	buf_str(out,
		"{\"Records\":[{\"eventVersion\":\"2.1\",\"eventSource\":\"pregao:objects\",\"eventName\":\"ObjectCreated:Put\",\"eventTime\":");
	time_format_utc(scope ? scope->changed_us : 0, time);
	buf_json_str(out, time, strlen(time));
	buf_str(out, ",\"s3\":{\"s3SchemaVersion\":\"1.0\",\"bucket\":{\"name\":");
	buf_json_str(out, lake, strlen(lake));
	buf_str(out, "},\"object\":{\"key\":");
	buf_json_str(out, key.data, key.len);
	buf_printf(out, ",\"size\":%" PRId64 ",\"sequencer\":\"%016" PRIX64 "\"}}}]", file->bytes,
		   (uint64_t)file->version);
	if (as_of) {
		buf_str(out, ",\"pregao\":{\"as_of\":");
		buf_json_str(out, as_of, strlen(as_of));
		buf_char(out, '}');
	}
	buf_char(out, '}');
}

/* -- reading ----------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static int form_decode(const char *s, struct buf *out, struct err *e)
{
	for (const char *p = s; *p; p++) {
		if (*p == '+') {
			buf_char(out, ' ');
		} else if (*p == '%') {
			int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
			if (low < 0 || (high == 0 && low == 0))
				return err_set(
					e, ERR_INPUT,
					"the object's key is not form-encoded: found \"%.40s\"", p);
			buf_char(out, (char)(high << 4 | low));
			p += 2;
		} else {
			buf_char(out, *p);
		}
	}
	if (!str_is_utf8(out->data ? out->data : "", out->len))
		return err_set(e, ERR_INPUT, "the object's key is not UTF-8");
	return OK;
}

struct reader {
	int (*fn)(void *ctx, const char *key, int32_t as_of, struct err *);
	void *ctx;
};

/* S3 tells when the object was made, and no more: the raw object of a payload is made when it lands. */
static int made_on(const json_t *record, int32_t *ret, struct err *e)
{
	const char *time = json_opt_str(record, "eventTime", "");
	int64_t us;
	if (time_parse_utc(time, &us) != OK)
		return err_set(e, ERR_INPUT,
			       "the event's eventTime: found \"%.40s\", expected a time in UTC",
			       time);
	return time_date_in_sao_paulo(us, ret, e);
}

static int read_record(const struct reader *r, const json_t *record, int32_t as_of, struct err *e)
{
	json_t *s3, *object;
	const char *name, *coded;
	int rc = json_get_str(record, "eventName", &name, e);
	if (rc != OK)
		return rc;
	if (strncmp(name, "ObjectCreated:", strlen("ObjectCreated:")) != 0)
		return OK;
	if (as_of == AS_OF_LANDED && strcmp(json_opt_str(record, "eventSource", ""), "aws:s3") == 0)
		rc = made_on(record, &as_of, e);
	if (rc == OK)
		rc = json_get_object(record, "s3", &s3, e);
	if (rc == OK)
		rc = json_get_object(s3, "object", &object, e);
	if (rc == OK)
		rc = json_get_str(object, "key", &coded, e);
	AUTO_BUF struct buf key = {0};
	if (rc == OK)
		rc = form_decode(coded, &key, e);
	return rc ? rc : r->fn(r->ctx, key.data ? key.data : "", as_of, e);
}

static int read_event(const struct reader *r, const char *body, size_t n, bool wrapped,
		      struct err *e);

static int read_records(const struct reader *r, const json_t *root, bool wrapped, struct err *e)
{
	json_t *records;
	int32_t as_of = AS_OF_LANDED;
	const json_t *own = json_object_get(root, "pregao");
	int rc = json_get_array(root, "Records", &records, e);
	if (rc != OK)
		return rc;
	if (own && !date_parse_iso(slice_of(json_opt_str(own, "as_of", "")), &as_of))
		return err_set(e, ERR_INPUT,
			       "the message's as_of: found \"%.40s\", expected a day as YYYY-MM-DD",
			       json_opt_str(own, "as_of", ""));
	if (json_array_size(records) > RECORDS_MAX)
		return err_set(e, ERR_INPUT,
			       "found %zu records in one message, expected at most %d",
			       json_array_size(records), RECORDS_MAX);
	for (size_t i = 0; rc == OK && i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		const char *body = json_opt_str(record, "body", NULL);
		if (strcmp(json_opt_str(record, "eventSource", ""), "aws:sqs") != 0)
			rc = read_record(r, record, as_of, e);
		else if (wrapped || !body)
			rc = err_set(
				e, ERR_INPUT,
				"records[%zu]: found a queue's message without or within a body, expected an object's event",
				i);
		else
			rc = read_event(r, body, strlen(body), true, e);
	}
	return rc;
}

static int read_event(const struct reader *r, const char *body, size_t n, bool wrapped,
		      struct err *e)
{
	AUTO_JSON json_t *root = NULL;
	int rc = json_parse(body, n, &root, e);
	if (rc != OK)
		return rc;
	if (strcmp(json_opt_str(root, "Event", ""), "s3:TestEvent") == 0)
		return OK;
	return read_records(r, root, wrapped, e);
}

int trigger_event_read(const char *body, size_t n,
		       int (*fn)(void *ctx, const char *key, int32_t as_of, struct err *),
		       void *ctx, struct err *e)
{
	const struct reader r = {fn, ctx};
	return read_event(&r, body, n, false, e);
}
