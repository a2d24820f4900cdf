/* The run of a replay: where an earlier one stopped, line after line into batches, batches into the stream, at the pace
 * that is wanted. */
#include "replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deliver.h"
#include "replay_input.h"
#include "replay_private.h"

#define BATCH_ROWS    ((size_t)4096)
#define BATCH_BYTES   ((size_t)4 << 20) /* of lines and their rows */
#define FULL_PAUSE_US INT64_C(100000)   /* until a full spool is tried again */
#define SLICE_US      INT64_C(100000)   /* how late a stop is seen while waiting */
#define SILENCE_US    INT64_C(60000000) /* no longer than this, whatever was recorded */

struct run {
	const struct replay *with;
	struct replay_result *result;
	struct replay_input *input;
	struct replay_lines *lines;
	int64_t done; /* the place of the last row that the stream has */
	/* The catalog's mark that tells which origin the content was replayed under, as a number; and this one. */
	char claim[32];
	int64_t claim_value;
	bool claimed;
	/* the batch */
	struct arena *arena;
	struct bitcoin_row *rows;
	size_t count, cap;
	struct buf bodies;
	struct replay_refused refused;
	/* the pace */
	bool started;
	int64_t began_us, first_us, last_us; /* monotonic; received */
};

static bool is_stopped(const struct run *r)
{
	return r->with->stop && atomic_load(r->with->stop);
}

static int interrupted(struct err *e)
{
	return err_set(e, ERR_CONFLICT,
		       "interrupted; the same replay goes on where this one stopped");
}

/* -- where an earlier one stopped -------------------------------------------------------------- */

struct search {
	const char *origin;
	int64_t done;
};

static int look_at(void *ctx, const struct stream_entry *entry, struct err *e)
{
	struct search *s = ctx;
	const struct slice *body = &entry->record.body;
	int kind = bitcoin_kind_of(entry->record.kind);
	struct bitcoin_row row;
	if (kind < 0 || !memmem(body->p, body->n, s->origin, strlen(s->origin)))
		return OK;
	AUTO_ARENA struct arena *arena = arena_new();
	int rc = bitcoin_decode((enum bitcoin_kind)kind, *body, arena, &row, NULL);
	if (rc == OK && row.origin && strcmp(row.origin, s->origin) == 0 && row.line > s->done)
		s->done = row.line;
	return OK;
}

/* The stream's tail before the recording's mark: what is delivered meanwhile has moved the mark by then. */
static int find_done(struct run *r, struct err *e)
{
	struct search s = {.origin = r->result->origin};
	char name[40];
	int64_t delivered, mark;
	int rc = catalog_mark_get(r->with->catalog, DELIVER_MARK, &delivered, e);
	if (rc == OK)
		rc = delivery_stream_tail(r->with->stream, delivered, look_at, &s, e);
	snprintf(name, sizeof(name), "replay:%s", s.origin);
	if (rc == OK)
		rc = catalog_mark_get(r->with->catalog, name, &mark, e);
	if (rc == OK)
		r->done = mark > s.done ? mark : s.done;
	return rc;
}

/* -- which replay this is ---------------------------------------------------------------------- */

static void name_origin(struct run *r, const char *content)
{
	const struct replay *with = r->with;
	const char *pair = replay_lines_pair(r->lines);
	char hex[HASH_HEX_SIZE];
	struct hash *hash = hash_new();
	hash_str(hash, content);
	hash_str(hash, with->source ? with->source : "");
	hash_str(hash, pair ? pair : "");
	hash_str(hash, REPLAY_READER);
	hash_end_hex(hash, hex);
	snprintf(r->result->origin, sizeof(r->result->origin), "%.16s", hex);
	snprintf(r->claim, sizeof(r->claim), "recording:%.16s", content);
	r->claim_value = (int64_t)(strtoull(r->result->origin, NULL, 16) >> 1 | 1);
}

/* Whether the same content was replayed as something else. */
static int check_claim(struct run *r, struct err *e)
{
	int64_t claimed = 0;
	int rc = catalog_mark_get(r->with->catalog, r->claim, &claimed, e);
	r->claimed = claimed == r->claim_value;
	if (rc || r->done || r->claimed || claimed == 0 || r->with->again)
		return rc;
	err_set(e, ERR_USAGE,
		"this recording was replayed before with another --source or --pair, or by another version of the reader; those rows stay, and --force adds these to them");
	return err_where(e, r->with->path);
}

/* -- batches ----------------------------------------------------------------------------------- */

static void count_rows(struct run *r, const struct bitcoin_row *rows, size_t n, int64_t first)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].kind == BITCOIN_TRADE)
			r->result->trades++;
		else
			r->result->ticks++;
		if (r->with->recorded)
			r->with->recorded(r->with->ctx, first ? first + (int64_t)i : 0, &rows[i]);
	}
}

/* A full spool empties itself when the deliverer gets on. */
static int append_records(struct run *r, const struct stream_record *records, size_t n,
			  int64_t *ret_first, struct err *e)
{
	for (;;) {
		int rc = r->claimed
				 ? OK
				 : catalog_mark_set(r->with->catalog, r->claim, r->claim_value, e);
		r->claimed = rc == OK;
		if (rc == OK)
			rc = delivery_stream_append(r->with->stream, records, n, ret_first, e);
		if (rc != ERR_LIMIT)
			return rc;
		if (is_stopped(r))
			return interrupted(e);
		if (r->with->full && (rc = r->with->full(r->with->ctx, e)) != OK)
			return rc;
		clock_sleep_us(r->with->clock, FULL_PAUSE_US);
	}
}

static int append_rows(struct run *r, const struct bitcoin_row *rows, size_t n, struct err *e)
{
	struct stream_record *records = NEW_ARRAY(n, struct stream_record);
	size_t at = 0;
	int64_t first;
	buf_reset(&r->bodies);
	for (size_t i = 0; i < n; i++) {
		bitcoin_encode(&rows[i], &r->bodies);
		records[i].kind = bitcoin_kind_names[rows[i].kind];
		records[i].event_us = rows[i].event_us;
		records[i].body.n = r->bodies.len - at;
		at = r->bodies.len;
	}
	at = 0;
	for (size_t i = 0; i < n; at += records[i++].body.n)
		records[i].body.p = r->bodies.data + at;
	int rc = append_records(r, records, n, &first, e);
	/* More at once than the stream's limit ever lets in? */
	if (rc == ERR_INPUT && n > 1) {
		free(records);
		rc = append_rows(r, rows, n / 2, e);
		return rc ? rc : append_rows(r, rows + n / 2, n - n / 2, e);
	}
	if (rc == OK) {
		r->result->last_seq = first + (int64_t)n - 1;
		if (!r->result->first_seq)
			r->result->first_seq = first;
		count_rows(r, rows, n, first);
	}
	free(records);
	return rc;
}

static int flush(struct run *r, struct err *e)
{
	int rc = OK;
	for (size_t from = 0; rc == OK && from < r->count; from += BATCH_ROWS) {
		size_t n = r->count - from < BATCH_ROWS ? r->count - from : BATCH_ROWS;
		rc = append_rows(r, &r->rows[from], n, e);
	}
	r->count = 0;
	arena_free(r->arena);
	r->arena = arena_new();
	if (r->with->progress) {
		int64_t done, total;
		replay_input_progress(r->input, &done, &total);
		r->with->progress(r->with->ctx, done, total, r->result->trades + r->result->ticks);
	}
	return rc;
}

/* -- pace -------------------------------------------------------------------------------------- */

/* Waits until as much time has passed since the first row as had when the row was received. What came
 * before was appended by take_line. */
static int keep_pace(struct run *r, const struct bitcoin_row *row, struct err *e)
{
	struct clock *clock = r->with->clock;
	int64_t us = row->received_us != BITCOIN_NONE ? row->received_us : row->event_us;
	if (!r->started) {
		r->started = true;
		r->began_us = clock_monotonic_us(clock);
		r->first_us = r->last_us = us;
	}
	if (us - r->last_us > SILENCE_US)
		r->first_us += us - r->last_us - SILENCE_US;
	r->last_us = us;
	int64_t due_us = r->began_us + (us - r->first_us);
	if (due_us <= clock_monotonic_us(clock))
		return OK;
	for (;;) {
		int64_t left_us = due_us - clock_monotonic_us(clock);
		if (left_us <= 0)
			return OK;
		if (is_stopped(r))
			return interrupted(e);
		clock_sleep_us(clock, left_us < SLICE_US ? left_us : SLICE_US);
	}
}

/* -- lines ------------------------------------------------------------------------------------- */

static void note_refused(struct run *r, int64_t line, struct slice text, const struct err *why)
{
	struct replay_result *result = r->result;
	replay_refused_add(&r->refused, line, text, why);
	if (result->refused++)
		return;
	result->first_refused_line = line;
	snprintf(result->first_refused, sizeof(result->first_refused), "%.*s",
		 (int)sizeof(result->first_refused) - 1, why->text);
}

static int take_rows(struct run *r, struct replay_line *l, int64_t line, struct err *e)
{
	int rc = OK;
	size_t taken = 0;
	for (size_t i = 0; rc == OK && i < l->count; i++) {
		struct bitcoin_row *row = &l->rows[i];
		row->origin = r->result->origin;
		row->line = REPLAY_PLACE(line, i);
		if (row->line <= r->done)
			continue;
		taken++;
		if (r->with->recorded_pace)
			rc = keep_pace(r, row, e);
		if (rc == OK)
			*PUSH(r->rows, r->count, r->cap) = *row;
	}
	r->result->skipped += l->count > 0 && taken == 0;
	r->result->other += l->count == 0;
	return rc;
}

/* text is copied: rows point into their line. A line of an earlier replay is read as well: it may be refused. */
static int take_line(struct run *r, struct slice text, int64_t line, struct err *e)
{
	struct err why = ERR_INIT;
	/* Nothing waits while the pace is kept; a flush later would take this line's memory too. */
	int flushed = r->with->recorded_pace && r->count ? flush(r, e) : OK;
	if (flushed)
		return flushed;
	struct replay_line l = {.arena = r->arena};
	struct slice own = {arena_strndup(r->arena, text.p, text.n), text.n};
	int rc = replay_lines_read(r->lines, own, &l, &why);
	if (rc == OK && line < r->done >> REPLAY_PLACE_BITS)
		r->result->skipped++;
	else if (rc == OK)
		rc = take_rows(r, &l, line, e);
	else if (rc == ERR_INPUT) {
		note_refused(r, line, text, &why);
		rc = OK;
	} else {
		err_where(&why, r->with->path);
		err_at(&why, line, 0, -1);
		if (e)
			*e = why;
	}
	free(l.rows);
	if (rc == OK && (r->count >= BATCH_ROWS || arena_bytes(r->arena) >= BATCH_BYTES))
		rc = flush(r, e);
	return rc;
}

static int too_long(struct err *e)
{
	err_set(e, ERR_INPUT, "the line is longer than %zu bytes", REPLAY_LINE_MAX);
	return err_reason(e, "too_long");
}

/* Lines that belong to one row become one. Where they would be no row, none is taken: the first is refused alone. No
 * line is looked at more than twice: one that could open a field ends the open one, or breaks it. */
static int join(struct run *r, struct buf *text, struct err *e)
{
	struct replay_text more;
	struct slice ahead = replay_input_ahead(r->input, REPLAY_LINE_MAX - text->len);
	int rc = OK;
	for (size_t n = replay_lines_follow(r->lines, ahead); rc == OK && n; n--) {
		rc = replay_input_line(r->input, &more, e);
		if (rc)
			break;
		r->result->lines++;
		buf_char(text, '\n');
		buf_add(text, more.text.p, more.text.n);
	}
	return rc;
}

static int next_line(struct run *r, struct replay_text *text, struct err *e)
{
	AUTO_BUF struct buf joined = {.ceiling = 4 * REPLAY_LINE_MAX};
	struct err why = ERR_INIT;
	int64_t line = text->line;
	r->result->lines++;
	if (slice_trim(text->text).n == 0)
		return OK;
	if (text->cut || line >= INT64_MAX >> REPLAY_PLACE_BITS) {
		int refused = too_long(&why);
		(void)refused;
		note_refused(r, line, text->text, &why);
		return OK;
	}
	if (replay_lines_open(r->lines, text->text)) {
		buf_add(&joined, text->text.p, text->text.n);
		int rc = join(r, &joined, e);
		if (rc)
			return rc;
		text->text = buf_slice(&joined);
	}
	return take_line(r, text->text, line, e);
}

/* -- the file ---------------------------------------------------------------------------------- */

/* A file whose first line is no JSON by itself may be one document over many lines, as the answers of REST are saved.
 * *ret: it was; else the input is to be rewound. */
static int take_document(struct run *r, struct slice first, bool *ret, struct err *e)
{
	AUTO_BUF struct buf all = {.ceiling = REPLAY_DOCUMENT_MAX + 2 * REPLAY_LINE_MAX};
	struct replay_line l = {.arena = r->arena};
	struct err ignored = ERR_INIT;
	*ret = false;
	int rc = replay_lines_read(r->lines, first, &l, &ignored);
	free(l.rows);
	if (rc != ERR_INPUT || strcmp(ignored.reason, "not_json") != 0)
		return OK;
	rc = replay_input_rewind(r->input, e);
	if (rc)
		return rc;
	l = (struct replay_line){.arena = r->arena};
	if (replay_input_rest(r->input, &all, &ignored) == OK) {
		rc = replay_lines_read(r->lines, buf_slice(&all), &l, &ignored);
		*ret = rc != ERR_INPUT || strcmp(ignored.reason, "not_json") != 0;
	}
	free(l.rows);
	if (*ret) {
		r->result->lines = 1;
		return take_line(r, buf_slice(&all), 1, e);
	}
	return OK;
}

static int take_file(struct run *r, struct err *e)
{
	struct replay_text text;
	bool skip = false, document = false;
	int64_t first;
	int rc;
	do
		rc = replay_input_line(r->input, &text, e);
	while (rc == OK && slice_trim(text.text).n == 0);
	if (rc)
		return rc;
	first = text.line;
	rc = replay_lines_begin(r->lines, text.text, &skip, e);
	if (rc) {
		err_where(e, r->with->path);
		return err_at(e, first, 0, -1);
	}
	if (!skip) {
		AUTO_BUF struct buf copy = {0};
		buf_add(&copy, text.text.p, text.text.n);
		rc = take_document(r, buf_slice(&copy), &document, e);
		if (rc == OK && !document)
			rc = replay_input_rewind(r->input, e);
	} else
		r->result->lines++;
	while (rc == OK && !document) {
		rc = replay_input_line(r->input, &text, e);
		if (rc == OK)
			rc = next_line(r, &text, e);
	}
	return rc;
}

/* Nothing of the file was of use: not a recording with a few bad lines, but something else. */
static int check_any(const struct run *r, struct err *e)
{
	const struct replay_result *t = r->result;
	if (t->trades + t->ticks + t->skipped + t->other)
		return OK;
	if (t->refused)
		err_set(e, ERR_INPUT, "no line of the file could be read, of the first: %s",
			t->first_refused);
	else
		err_set(e, ERR_INPUT, "the file is empty");
	err_where(e, r->with->path);
	return t->refused ? err_at(e, t->first_refused_line, 0, -1) : ERR_INPUT;
}

static int run(struct run *r, struct err *e)
{
	char hex[HASH_HEX_SIZE];
	struct err flushing = ERR_INIT;
	int rc = replay_input_hash(r->input, hex, e);
	if (rc)
		return rc;
	name_origin(r, hex);
	rc = find_done(r, e);
	if (rc == OK)
		rc = check_claim(r, e);
	if (rc)
		return rc;
	rc = take_file(r, e);
	bool end = rc == ERR_NOT_FOUND || rc == OK;
	/* Damage at the end does not undo what was read before it. */
	int flushed = flush(r, &flushing);
	if (flushed) {
		if (e)
			*e = flushing;
		return flushed;
	}
	if (rc == ERR_CONFLICT)
		return interrupted(e);
	/* What is interrupted leaves it to the one that goes on. */
	if ((end || rc == ERR_INPUT) && r->refused.count) {
		int put = replay_refused_put(&r->refused, r->with->store, r->with->path,
					     clock_now_us(r->with->clock), r->result->quarantine,
					     &flushing);
		if (put && e)
			*e = flushing;
		if (put)
			return put;
	}
	return end ? check_any(r, e) : rc;
}

int replay_run(const struct replay *with, struct replay_result *ret, struct err *e)
{
	struct run r = {.with = with, .result = ret, .arena = arena_new()};
	*ret = (struct replay_result){0};
	if ((with->source && !replay_is_word(with->source)) ||
	    (with->pair && !replay_is_word(with->pair))) {
		arena_free(r.arena);
		return err_set(e, ERR_USAGE,
			       "sources and pairs are words of at most 64 ASCII characters");
	}
	int rc = replay_input_open(with->path, with->stop, &r.input, e);
	if (rc == OK) {
		r.lines = replay_lines_new(with->path, with->source, with->pair,
					   clock_now_us(with->clock));
		rc = run(&r, e);
		replay_lines_free(r.lines);
	}
	replay_input_free(r.input);
	free(r.rows);
	buf_free(&r.bodies);
	replay_refused_clear(&r.refused);
	arena_free(r.arena);
	return rc;
}
