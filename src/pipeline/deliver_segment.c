/* Sealed segments into the lake: their records become rows, parted by table and hour; the rows become files, and all
 * of them become live in one commit together with the mark.
 *
 * A file is called by the numbers in it, and nothing of it is to be seen before the commit: what a death leaves is
 * removed by the next session, and made again. */
#include "deliver_private.h"

#include <inttypes.h>
#include <string.h>

#include "collect_mark.h"
#include "path.h"
#include "quarantine.h"
#include "trade_ids.h"

#define BATCH_ROWS  ((size_t)250000)
#define BATCH_BYTES ((size_t)128 << 20) /* of rows that are not yet in a file */
/* Segments that wait go together until there is so much: fewer and larger files, and fewer commits. */
#define GATHER_ROWS  ((size_t)16000)
#define GATHER_BYTES ((size_t)4 << 20)
/* A quarantine object is put when it has grown to this; a record's bytes are a third longer there. */
#define REJECTED_BYTES   ((size_t)16 << 20)
#define UNKNOWN_KEY_SIZE 512

struct seq_row {
	struct bitcoin_row row;
	int64_t seq;
};
/* A table's hour: rows that are not yet in a file, and what is known about the scope. */
struct group {
	enum bitcoin_kind kind;
	int64_t hour; /* since 1970 */
	char scope[BITCOIN_SCOPE_SIZE];
	int64_t at_us; /* when its first record was appended */
	struct seq_row *rows;
	size_t count, cap;
	/* of the scope, once looked up */
	bool known;
	json_t *properties; /* NULL: a new scope */
	struct bitcoin_content content;
	struct trade_ids ids; /* those of the files below too */
	struct publish_file *files;
	size_t file_count, file_cap;
};
struct origin {
	const char *name;
	int64_t line;
};
/* Where the collector came to with a pair. */
struct reached {
	const char *source, *pair;
	int64_t slot_us;
};
struct delivery {
	const struct deliver *with;
	int64_t after;                   /* the mark that it begins behind */
	int64_t life;                    /* the stream's: DELIVER_STREAM_MARK */
	struct publish_session *session; /* NULL: not yet needed */
	struct arena *arena;             /* lives as long as this */
	struct arena *rows;              /* the rows' own, renewed when they are in files */
	size_t row_count;
	bool taken;        /* a record of this segment came */
	int64_t oldest_us; /* when the oldest record was appended; 0: none yet */
	struct group *groups;
	size_t group_count, group_cap;
	struct origin *origins;
	size_t origin_count, origin_cap;
	struct reached *reached;
	size_t reached_count, reached_cap;
	struct buf rejected;
	int64_t rejected_first, rejected_last;
	struct err rejected_why; /* of the first */
	int64_t files_made;
	struct deliver_result result;
	struct err first_rejected;
};

/* -- records that cannot be read --------------------------------------------------------------- */

static int put_rejected(struct delivery *d, struct err *e)
{
	static const struct source stream = {.path = QUARANTINE_RECORDS,
					     .parser_version = "deliver/1"};
	if (d->rejected.len == 0)
		return OK;
	struct payload payload = {.bytes = buf_slice(&d->rejected),
				  .source = arena_printf(d->arena, "stream:%s/%" PRId64 "-%" PRId64,
							 delivery_stream_name(d->with->stream),
							 d->rejected_first, d->rejected_last),
				  .at_us = clock_now_us(d->with->clock)};
	int rc = quarantine_put(d->with->publish.store, &stream, &payload, &d->rejected_why, NULL,
				e);
	buf_reset(&d->rejected);
	return rc;
}

static int reject(struct delivery *d, const struct stream_entry *entry, const struct err *why,
		  struct err *e)
{
	struct buf *out = &d->rejected;
	if (out->len == 0) {
		d->rejected_first = entry->seq;
		d->rejected_why = *why;
	}
	d->rejected_last = entry->seq;
	if (d->result.rejected++ == 0)
		d->first_rejected = *why;
	quarantine_line(out, "seq", entry->seq, entry->record.kind, entry->record.body, why);
	return out->len >= REJECTED_BYTES ? put_rejected(d, e) : OK;
}

/* -- the session ------------------------------------------------------------------------------- */

static int found_one(void *ctx, const struct object_info *info)
{
	snprintf(ctx, UNKNOWN_KEY_SIZE, "%s", info->key);
	return 1; /* that was all */
}

int deliver_check_first(struct object_store *store, struct err *e)
{
	char key[UNKNOWN_KEY_SIZE];
	for (int kind = 0; kind < BITCOIN_KINDS; kind++) {
		AUTO_BUF struct buf prefix = {0};
		buf_printf(&prefix, "%s/", bitcoin_tables[kind]->location);
		int rc = object_store_list(store, prefix.data, NULL, found_one, key, e);
		if (rc < 0)
			return rc;
		if (rc > 0)
			return err_set(
				e, ERR_CONFLICT,
				"the lake has files that its catalog does not know (%s): the catalog was lost; `pregao backup restore` registers them again, or move them out of the lake",
				key);
	}
	return OK;
}

/* The lake's is the first delivery's, whose commit keeps it. */
static int check_life(struct delivery *d, struct err *e)
{
	struct stream_status status;
	char own[STREAM_LIFE_SIZE], other[STREAM_LIFE_SIZE];
	int64_t life;
	int rc = delivery_stream_status(d->with->stream, &status, e);
	if (rc == OK)
		rc = catalog_mark_get(d->with->publish.catalog, DELIVER_STREAM_MARK, &life, e);
	if (rc)
		return rc;
	d->life = status.life;
	if (life == 0)
		return deliver_check_first(d->with->publish.store, e);
	if (life == status.life)
		return OK;
	return err_set(
		e, ERR_CONFLICT,
		"the spool is another stream's (%s) than the lake's files (%s): its folder was replaced by another one",
		stream_life_format(status.life, other), stream_life_format(life, own));
}

/* From here on nobody else changes these tables; what the catalog says of them before is not to be relied on.
 */
static int lock_tables(struct delivery *d, struct err *e)
{
	int64_t mark;
	if (d->session)
		return OK;
	int rc = publish_begin(&d->with->publish, bitcoin_tables, BITCOIN_KINDS, &d->session, e);
	if (rc == OK)
		rc = catalog_mark_get(d->with->publish.catalog, DELIVER_MARK, &mark, e);
	if (rc == OK && mark != d->after)
		rc = err_set(e, ERR_RETRY,
			     "another process has delivered up to record %" PRId64 " meanwhile",
			     mark);
	return rc ? rc : check_life(d, e);
}

/* -- scopes ------------------------------------------------------------------------------------ */

int deliver_properties(const struct catalog_scope *scope, json_t **ret,
		       struct bitcoin_content *content, struct err *e)
{
	AUTO_JSON json_t *o = NULL;
	const char *text = scope->properties ? scope->properties : "";
	if (json_parse(text, strlen(text), &o, NULL) == OK && json_is_object(o) &&
	    bitcoin_content_parse(json_opt_str(o, "content", ""), content)) {
		*ret = json_incref(o);
		return OK;
	}
	err_set(e, ERR_INPUT,
		"the catalog's properties of the partition were not written by the deliverer: "
		"found \"%.100s\"",
		text);
	return err_where(e, scope->scope);
}

static int look_up(struct delivery *d, struct group *g, struct err *e)
{
	struct catalog_scope scope;
	AUTO_ARENA struct arena *arena = arena_new();
	if (g->known)
		return OK;
	int rc = catalog_scope(d->with->publish.catalog, bitcoin_tables[g->kind], g->scope, arena,
			       &scope, e);
	if (rc == OK)
		rc = deliver_properties(&scope, &g->properties, &g->content, e);
	else if (rc == ERR_NOT_FOUND)
		rc = OK;
	if (rc == OK && g->kind == BITCOIN_TRADE && g->properties) {
		rc = trade_ids_add_json(&g->ids, json_object_get(g->properties, "trade_ids"), e);
		if (rc)
			err_where(e, g->scope);
	}
	g->known = rc == OK;
	return rc;
}

/* What the commit is to say about a scope that got rows. */
static int describe(struct delivery *d, const struct group *g, struct catalog_scope *ret,
		    struct err *e)
{
	AUTO_JSON json_t *o = json_object();
	AUTO_BUF struct buf text = {0};
	const char *landed = g->properties ? json_opt_str(g->properties, "landed_on", NULL) : NULL;
	char date[DATE_TEXT_SIZE], life[STREAM_LIFE_SIZE];
	int32_t day;
	/* By the time of the append, not of the delivery: a repetition after midnight is to say the
	 * same. */
	int rc = landed ? OK : time_date_in_sao_paulo(g->at_us, &day, e);
	if (rc)
		return rc;
	json_object_set_new(o, "landed_on", json_string(landed ? landed : date_format(day, date)));
	json_object_set_new(o, "content", json_string(bitcoin_content_text(d->arena, &g->content)));
	json_object_set_new(o, "stream", json_string(stream_life_format(d->life, life)));
	if (g->kind == BITCOIN_TRADE)
		json_object_set_new(o, "trade_ids", trade_ids_json(&g->ids));
	json_canonical(o, &text);
	*ret = (struct catalog_scope){
		.scope = g->scope,
		.properties = arena_strndup(d->arena, text.data, text.len),
	};
	return OK;
}

/* -- rows into files --------------------------------------------------------------------------- */

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int64_t time_of(const struct bitcoin_row *row)
{
	return row->kind == BITCOIN_GAP ? row->slot_us : row->event_us;
}

static int by_market(const struct seq_row *x, const struct seq_row *y)
{
	int order = x->row.source == y->row.source ? 0 : strcmp(x->row.source, y->row.source);
	if (order || x->row.pair == y->row.pair)
		return order;
	return strcmp(x->row.pair, y->row.pair);
}

/* The tables' own order, so that a file that stays alone is sorted as a merged one is. */
static int by_time(const void *a, const void *b)
{
	const struct seq_row *x = a, *y = b;
	int order = by_market(x, y);
	if (order == 0)
		order = compare(time_of(&x->row), time_of(&y->row));
	if (order == 0 && x->row.kind == BITCOIN_TRADE)
		order = compare(x->row.trade_id, y->row.trade_id);
	return order ? order : compare(x->seq, y->seq);
}

static int by_trade(const void *a, const void *b)
{
	const struct seq_row *x = a, *y = b;
	int order = by_market(x, y);
	if (order == 0)
		order = compare(x->row.trade_id, y->row.trade_id);
	return order ? order : compare(x->seq, y->seq);
}

/* Rows mostly come in order. */
static void sort(struct group *g, int (*compare_rows)(const void *, const void *))
{
	for (size_t i = 1; i < g->count; i++)
		if (compare_rows(&g->rows[i - 1], &g->rows[i]) > 0) {
			qsort(g->rows, g->count, sizeof(*g->rows), compare_rows);
			return;
		}
}

/* Of each trade the first that came stays, and none that the scope has already. */
static void drop_repeated(struct delivery *d, struct group *g)
{
	int64_t *ids = NEW_ARRAY(g->count, int64_t);
	bool *known = NEW_ARRAY(g->count, bool);
	size_t kept = 0;
	sort(g, by_trade);
	for (size_t from = 0, to; from < g->count; from = to) {
		for (to = from; to < g->count && by_market(&g->rows[from], &g->rows[to]) == 0; to++)
			ids[to - from] = g->rows[to].row.trade_id;
		trade_ids_take(&g->ids, g->rows[from].row.source, g->rows[from].row.pair, ids,
			       to - from, known);
		for (size_t i = from; i < to; i++)
			if (!known[i - from])
				g->rows[kept++] = g->rows[i];
	}
	d->result.repeated += (int64_t)(g->count - kept);
	g->count = kept;
	free(ids);
	free(known);
}

static int write_file(struct delivery *d, struct group *g, struct err *e)
{
	const struct table_def *table = bitcoin_tables[g->kind];
	AUTO_ARENA struct arena *arena = arena_new();
	struct bitcoin_rows *rows = bitcoin_rows_borrowing(arena, g->kind, g->count);
	struct parquet_result written;
	const char *values[TABLE_MAX_PARTITION];
	size_t value_count;
	int64_t first = g->rows[0].seq, last = first;
	for (size_t i = 0; i < g->count; i++) {
		first = g->rows[i].seq < first ? g->rows[i].seq : first;
		last = g->rows[i].seq > last ? g->rows[i].seq : last;
		bitcoin_rows_add(rows, &g->rows[i].row, g->rows[i].seq);
	}
	struct batch batch = bitcoin_rows_batch(rows, false);
	struct publish_file *file = PUSH(g->files, g->file_count, g->file_cap);
	const char **covers = ANEW_ARRAY(d->arena, 1, const char *);
	covers[0] = arena_strdup(d->arena, g->scope);
	file->path = arena_printf(d->arena, "%s/%" PRId64 ".parquet", publish_staging(d->session),
				  ++d->files_made);
	int rc = path_values(d->arena, table, covers[0], values, &value_count, e);
	if (rc == OK)
		rc = parquet_write(d->with->publish.parquet, &batch, 1, file->path, d->arena,
				   &written, e);
	if (rc)
		return rc;
	file->file = (struct catalog_file){
		.key = path_key(d->arena, table, covers[0],
				arena_printf(d->arena, "%" PRId64 "-%" PRId64, first, last)),
		.layout = LAYOUT_PUBLISHED,
		.scopes = covers,
		.scope_count = 1,
		.rows = written.rows,
		.bytes = written.bytes,
		.stats = written.stats,
		.stats_count = written.stats_count,
	};
	for (size_t i = 0; i < value_count; i++)
		file->file.low[i] = file->file.high[i] = values[i];
	bitcoin_content_add(&g->content, written.rows, first, last);
	d->result.rows += written.rows;
	d->result.files++;
	return OK;
}

/* A file for each group that has rows. */
static int flush(struct delivery *d, struct err *e)
{
	int rc = lock_tables(d, e);
	for (size_t i = 0; rc == OK && i < d->group_count; i++) {
		struct group *g = &d->groups[i];
		if (g->count == 0)
			continue;
		rc = look_up(d, g, e);
		if (rc == OK && g->kind == BITCOIN_TRADE)
			drop_repeated(d, g);
		if (rc == OK && g->count) {
			sort(g, by_time);
			rc = write_file(d, g, e);
		}
		free(g->rows);
		g->rows = NULL;
		g->count = g->cap = 0;
	}
	arena_free(d->rows);
	d->rows = arena_new();
	d->row_count = 0;
	return rc;
}

/* -- records into rows ------------------------------------------------------------------------- */

static int group_of(struct delivery *d, const struct bitcoin_row *row, int64_t at_us,
		    struct group **ret, struct err *e)
{
	char scope[BITCOIN_SCOPE_SIZE];
	int64_t hour = time_of(row) / DELIVER_HOUR_US;
	struct group *g = NULL;
	for (size_t i = d->group_count; i-- && !g;)
		if (d->groups[i].kind == row->kind && d->groups[i].hour == hour)
			g = &d->groups[i];
	if (!g) {
		int rc = bitcoin_scope(row, scope, sizeof(scope), e);
		if (rc)
			return rc;
		g = PUSH(d->groups, d->group_count, d->group_cap);
		g->kind = row->kind;
		g->hour = hour;
		g->at_us = at_us;
		memcpy(g->scope, scope, sizeof(scope));
		g->ids.arena = d->arena;
	}
	*ret = g;
	return OK;
}

static void note_origin(struct delivery *d, const struct bitcoin_row *row)
{
	struct origin *o = NULL;
	if (!row->origin)
		return;
	for (size_t i = d->origin_count; i-- && !o;)
		if (strcmp(d->origins[i].name, row->origin) == 0)
			o = &d->origins[i];
	if (!o) {
		o = PUSH(d->origins, d->origin_count, d->origin_cap);
		o->name = arena_strdup(d->arena, row->origin);
	}
	o->line = row->line > o->line ? row->line : o->line;
}

static void note_slot(struct delivery *d, const struct bitcoin_row *row)
{
	struct reached *r = NULL;
	int64_t slot_us;
	if (!collect_last_slot(row, &slot_us))
		return;
	for (size_t i = d->reached_count; i-- && !r;)
		if (strcmp(d->reached[i].source, row->source) == 0 &&
		    strcmp(d->reached[i].pair, row->pair) == 0)
			r = &d->reached[i];
	if (!r) {
		r = PUSH(d->reached, d->reached_count, d->reached_cap);
		r->source = arena_strdup(d->arena, row->source);
		r->pair = arena_strdup(d->arena, row->pair);
	}
	r->slot_us = slot_us;
}

static int read_record(struct delivery *d, const struct stream_entry *entry,
		       struct bitcoin_row *row, struct group **group, struct err *e)
{
	int kind = bitcoin_kind_of(entry->record.kind);
	if (kind < 0) {
		err_set(e, ERR_INPUT, "there is no record kind \"%s\"", entry->record.kind);
		return err_reason(e, "unknown_kind");
	}
	int rc = bitcoin_decode((enum bitcoin_kind)kind, entry->record.body, d->rows, row, e);
	return rc ? rc : group_of(d, row, entry->at_us, group, e);
}

static int take(void *ctx, const struct stream_entry *entry, struct err *e)
{
	struct delivery *d = ctx;
	struct err why = ERR_INIT;
	struct bitcoin_row row;
	struct group *g;
	d->taken = true;
	if (!d->oldest_us || entry->at_us < d->oldest_us)
		d->oldest_us = entry->at_us;
	int rc = read_record(d, entry, &row, &g, &why);
	if (rc == ERR_INPUT)
		return reject(d, entry, &why, e);
	if (rc) {
		if (e)
			*e = why;
		return rc;
	}
	note_origin(d, &row);
	note_slot(d, &row);
	struct seq_row *to = PUSH(g->rows, g->count, g->cap);
	/* One text for all rows of a market, so that they need not be compared letter by letter. */
	if (g->count > 1 && strcmp(to[-1].row.source, row.source) == 0)
		row.source = to[-1].row.source;
	if (g->count > 1 && strcmp(to[-1].row.pair, row.pair) == 0)
		row.pair = to[-1].row.pair;
	to->row = row;
	to->seq = entry->seq;
	size_t most = d->with->batch_rows ? d->with->batch_rows : BATCH_ROWS;
	if (++d->row_count < most && arena_bytes(d->rows) < BATCH_BYTES)
		return OK;
	return flush(d, e);
}

/* -- the commit -------------------------------------------------------------------------------- */

/* The scopes of one table that got rows, and their files, as one change; false: there are none. */
static int make_change(struct delivery *d, enum bitcoin_kind kind, struct publish_change *ret,
		       struct err *e)
{
	size_t files = 0;
	for (size_t i = 0; i < d->group_count; i++)
		files += d->groups[i].kind == kind ? d->groups[i].file_count : 0;
	struct catalog_scope *scopes = ANEW_ARRAY(d->arena, d->group_count, struct catalog_scope);
	struct publish_file *list = ANEW_ARRAY(d->arena, files, struct publish_file);
	*ret = (struct publish_change){
		.table = bitcoin_tables[kind], .scopes = scopes, .files = list, .append = true};
	for (size_t i = 0; i < d->group_count; i++) {
		const struct group *g = &d->groups[i];
		if (g->kind != kind || g->file_count == 0)
			continue;
		int rc = describe(d, g, &scopes[ret->scope_count++], e);
		if (rc)
			return rc;
		memcpy(&list[ret->file_count], g->files, g->file_count * sizeof(*g->files));
		ret->file_count += g->file_count;
	}
	return OK;
}

/* How far all came whose records these are. */
static struct catalog_mark *make_marks(struct delivery *d, int64_t mark, size_t *ret_count)
{
	struct catalog_mark *marks =
		ANEW_ARRAY(d->arena, 2 + d->origin_count + d->reached_count, struct catalog_mark);
	size_t n = 0;
	marks[n++] = (struct catalog_mark){.name = DELIVER_MARK, .value = mark};
	marks[n++] = (struct catalog_mark){.name = DELIVER_STREAM_MARK, .value = d->life};
	for (size_t i = 0; i < d->origin_count; i++)
		marks[n++] = (struct catalog_mark){
			.name = arena_printf(d->arena, "replay:%s", d->origins[i].name),
			.value = d->origins[i].line};
	for (size_t i = 0; i < d->reached_count; i++)
		marks[n++] = (struct catalog_mark){
			.name = collect_mark(d->arena, d->reached[i].source, d->reached[i].pair),
			.value = d->reached[i].slot_us,
			.may_fall = true};
	*ret_count = n;
	return marks;
}

static int commit(struct delivery *d, int64_t mark, struct err *e)
{
	struct publish_change changes[BITCOIN_KINDS];
	size_t n = 0, mark_count;
	struct catalog_mark *marks = make_marks(d, mark, &mark_count);
	int64_t version;
	for (int kind = 0; kind < BITCOIN_KINDS; kind++) {
		int rc = make_change(d, (enum bitcoin_kind)kind, &changes[n], e);
		if (rc)
			return rc;
		n += changes[n].file_count > 0;
	}
	return publish_replace(d->session, changes, n, marks, mark_count, &version, e);
}

static void tell_rejected(const struct delivery *d)
{
	if (d->result.rejected == 0)
		return;
	telemetry_log(d->with->telemetry, LOG_LEVEL_WARNING, d->with->run, "record_rejected",
		      d->first_rejected.text,
		      (struct field[]){FIELD_INT("records", d->result.rejected),
				       FIELD_INT("last", d->rejected_last),
				       FIELD_TEXT("reason", d->first_rejected.reason)},
		      3);
}

/* Rows of the next segment; *ret_found is false when there is none. */
static int gather(struct delivery *d, int64_t *at, bool *ret_found, struct err *e)
{
	struct stream_segment segment;
	d->taken = false;
	int rc = delivery_stream_next(d->with->stream, *at, take, d, &segment, e);
	/* Whatever take() does may fail with that code too. */
	*ret_found = rc != ERR_NOT_FOUND || d->taken;
	if (!*ret_found)
		return OK;
	/* By the segment, whatever it is delivered together with, so that a repetition gives the same names. */
	if (rc == OK)
		rc = put_rejected(d, e);
	if (rc == OK) {
		*at = segment.last;
		d->result.segments++;
	}
	return rc;
}

static bool is_enough(const struct delivery *d)
{
	return d->files_made || d->row_count >= GATHER_ROWS || arena_bytes(d->rows) >= GATHER_BYTES;
}

static void clear(struct delivery *d)
{
	for (size_t i = 0; i < d->group_count; i++) {
		free(d->groups[i].rows);
		free(d->groups[i].files);
		json_decref(d->groups[i].properties);
		trade_ids_clear(&d->groups[i].ids);
	}
	publish_end(d->session);
	free(d->groups);
	free(d->origins);
	free(d->reached);
	buf_free(&d->rejected);
	arena_free(d->rows);
	arena_free(d->arena);
	/* Or what the holes in each thread's heap hold grows with every delivery, for a day or so. */
	if (d->files_made)
		mem_give_back();
}

/* At most so many segments. *ret_before: how many stand before one that cannot be read, 0 when all can be. */
static int deliver_some(const struct deliver *with, int64_t *mark, int64_t most,
			int64_t *ret_before, struct deliver_result *ret, struct err *e)
{
	struct delivery d = {.with = with,
			     .after = *mark,
			     .arena = arena_new(),
			     .rows = arena_new(),
			     .first_rejected = ERR_INIT};
	int64_t at = *mark;
	int rc = OK;
	for (bool more = true; rc == OK && more && d.result.segments < most && !is_enough(&d);)
		rc = gather(&d, &at, &more, e);
	*ret_before = rc ? d.result.segments : 0;
	if (rc == OK && at > *mark)
		rc = flush(&d, e);
	if (rc == OK && at > *mark)
		rc = commit(&d, at, e);
	if (rc == OK && at > *mark) {
		tell_rejected(&d);
		if (d.oldest_us)
			telemetry_observe(with->telemetry, "pregao_delivery_seconds", NULL,
					  clock_now_us(with->clock) - d.oldest_us);
		*mark = at;
		ret->mark = at;
		ret->segments += d.result.segments;
		ret->rows += d.result.rows;
		ret->files += d.result.files;
		ret->rejected += d.result.rejected;
		ret->repeated += d.result.repeated;
	}
	clear(&d);
	return rc;
}

int deliver_segments(const struct deliver *with, int64_t *mark, bool *ret_found,
		     struct deliver_result *ret, struct err *e)
{
	int64_t good, again, began = *mark;
	int rc = deliver_some(with, mark, INT64_MAX, &good, ret, e);
	/* One that fails again and again does not hold up those before it. */
	if (rc && good > 0) {
		struct err ignored = ERR_INIT;
		int first = deliver_some(with, mark, good, &again, ret, &ignored);
		(void)first;
	}
	*ret_found = *mark > began;
	return rc;
}
