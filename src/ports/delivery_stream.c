/* Delivery stream: the rules of a record, checked here once for every driver, and the calls into the
 * driver. */
#include "delivery_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_kind(const char *kind)
{
	if (!kind)
		return false;
	size_t n = strspn(kind, "abcdefghijklmnopqrstuvwxyz");
	return n > 0 && n <= STREAM_KIND_MAX && !kind[n];
}

static int check_record(const struct stream_record *r, struct err *e)
{
	if (!is_kind(r->kind))
		return err_set(
			e, ERR_INPUT,
			"the kind of a stream record is \"%s\", expected 1 to %d small letters",
			r->kind ? r->kind : "", STREAM_KIND_MAX);
	if (r->body.n == 0)
		return err_set(e, ERR_INPUT, "a stream record is empty");
	if (r->body.n > STREAM_RECORD_MAX)
		return err_set(e, ERR_INPUT, "a stream record has %zu bytes, more than %d",
			       r->body.n, STREAM_RECORD_MAX);
	return OK;
}

int delivery_stream_append(struct delivery_stream *s, const struct stream_record *records, size_t n,
			   int64_t *ret_first, struct err *e)
{
	if (n > STREAM_APPEND_MAX)
		return err_set(e, ERR_BUG, "%zu records in one append, more than %d", n,
			       STREAM_APPEND_MAX);
	for (size_t i = 0; i < n; i++) {
		int rc = check_record(&records[i], e);
		if (rc)
			return rc;
	}
	if (n)
		return s->ops->append(s, records, n, ret_first, e);
	*ret_first = 0;
	return OK;
}

int delivery_stream_tail(struct delivery_stream *s, int64_t after,
			 int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
			 struct err *e)
{
	return s->ops->tail(s, after, fn, ctx, e);
}

int delivery_stream_seal(struct delivery_stream *s, bool now, struct err *e)
{
	return s->ops->seal(s, now, e);
}

int delivery_stream_next(struct delivery_stream *s, int64_t after,
			 int (*fn)(void *, const struct stream_entry *, struct err *), void *ctx,
			 struct stream_segment *ret, struct err *e)
{
	return s->ops->next(s, after, fn, ctx, ret, e);
}

int delivery_stream_forget(struct delivery_stream *s, int64_t up_to, struct err *e)
{
	return s->ops->forget(s, up_to, e);
}

int delivery_stream_status(struct delivery_stream *s, struct stream_status *ret, struct err *e)
{
	return s->ops->status(s, ret, e);
}

const char *delivery_stream_name(struct delivery_stream *s)
{
	return s->ops->name(s);
}

void delivery_stream_free(struct delivery_stream *s)
{
	if (s)
		s->ops->free(s);
}

/* -- which stream it is ------------------------------------------------------------------------ */

const char *stream_life_format(int64_t life, char text[STREAM_LIFE_SIZE])
{
	snprintf(text, STREAM_LIFE_SIZE, "%016" PRIx64, (uint64_t)life);
	return text;
}

bool stream_life_parse(struct slice text, int64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t life = 0;
	if (text.n != STREAM_LIFE_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		const char *digit = memchr(digits, text.p[i], sizeof(digits) - 1);
		if (!digit)
			return false;
		life = life << 4 | (uint64_t)(digit - digits);
	}
	if (life == 0 || life > INT64_MAX)
		return false;
	*ret = (int64_t)life;
	return true;
}
