/* A lake of the embedded drivers with a spool beside it, for the tests of delivery and replay; and looking into what was
 * delivered. */
#ifndef PREGAO_TESTS_STREAM_LAKE_H
#define PREGAO_TESTS_STREAM_LAKE_H

#include "../contract/lake_fixture.h"

#include <inttypes.h>

#include "bitcoin.h"
#include "deliver.h"
#include "delivery_stream_spool.h"

#define HOUR_US INT64_C(3600000000)
#define DAY_US  (24 * HOUR_US)
/* 2024-07-15T15:00:00Z, where the lake's clock begins */
#define BEGIN_US INT64_C(1721055600000000)

struct stream_lake {
	struct lake *lake;
	struct delivery_stream *stream;
	struct deliver deliver;
	struct deliver_result result;
	struct err e;
};

static inline void stream_open(struct stream_lake *s)
{
	char *dir = path_in(s->lake->root, "state/stream/bitcoin");
	struct spool_options options = {.dir = dir,
					.name = "bitcoin",
					.mode = SPOOL_APPEND,
					.clock = &s->lake->clock.clock};
	GOOD(s->lake, delivery_stream_spool_open(&options, &s->stream, &s->lake->e));
	s->deliver.stream = s->stream;
	free(dir);
}

/* As if the process had died and another one had begun. */
static inline void stream_reopen(struct stream_lake *s)
{
	delivery_stream_free(s->stream);
	stream_open(s);
}

static inline struct stream_lake *stream_lake_new(void)
{
	struct stream_lake *s = NEW(struct stream_lake);
	s->e = (struct err)ERR_INIT;
	s->lake = lake_new(bitcoin_tables, BITCOIN_KINDS, 0);
	s->deliver =
		(struct deliver){.publish = lake_publish(s->lake), .clock = &s->lake->clock.clock};
	stream_open(s);
	return s;
}

static inline void stream_lake_free(struct stream_lake *s)
{
	delivery_stream_free(s->stream);
	lake_free(s->lake);
	free(s);
}

#define DONE(s, call)                                                                    \
	do {                                                                             \
		int code_ = (call);                                                      \
		if (code_)                                                               \
			fail_msg("%s: %s: %s (%s)", #call, err_name(code_), (s)->e.text, \
				 (s)->e.where);                                          \
	} while (0)

/* -- rows in ----------------------------------------------------------------------------------- */

static inline int64_t append(struct stream_lake *s, const struct bitcoin_row *row)
{
	struct buf body = {0};
	int64_t seq;
	bitcoin_encode(row, &body);
	struct stream_record record = {bitcoin_kind_names[row->kind], buf_slice(&body),
				       row->kind == BITCOIN_GAP ? row->slot_us : row->event_us};
	DONE(s, delivery_stream_append(s->stream, &record, 1, &seq, &s->e));
	buf_free(&body);
	return seq;
}

static inline struct bitcoin_row trade_row(int64_t id, int64_t event_us)
{
	struct bitcoin_row row;
	bitcoin_row_init(&row, BITCOIN_TRADE);
	row.source = "binance";
	row.pair = "BTCUSDT";
	row.trade_id = id;
	row.event_us = event_us;
	row.received_us = event_us + 1000;
	row.price = 6183763000000 + id;
	row.quantity = 2000000;
	row.maker = 1;
	return row;
}

static inline int64_t append_trade(struct stream_lake *s, int64_t id, int64_t event_us)
{
	struct bitcoin_row row = trade_row(id, event_us);
	return append(s, &row);
}

static inline struct bitcoin_row tick_row(int64_t event_us)
{
	struct bitcoin_row row;
	bitcoin_row_init(&row, BITCOIN_TICK);
	row.source = "binance";
	row.pair = "BTCUSDT";
	row.slot_us = event_us - event_us % 60000000;
	row.event_us = event_us;
	row.received_us = event_us + 1000;
	row.last = 6183763000000;
	row.payload = SLICE("{\"symbol\":\"BTCUSDT\"}");
	return row;
}

static inline int64_t append_tick(struct stream_lake *s, int64_t event_us)
{
	struct bitcoin_row row = tick_row(event_us);
	return append(s, &row);
}

static inline int64_t append_gap(struct stream_lake *s, int64_t slot_us)
{
	struct bitcoin_row row;
	bitcoin_row_init(&row, BITCOIN_GAP);
	row.source = "binance";
	row.pair = "BTCUSDT";
	row.slot_us = row.event_us = slot_us;
	row.reason = "timeout";
	row.slots = 1;
	row.period_us = 60000000;
	return append(s, &row);
}

static inline void deliver_now(struct stream_lake *s)
{
	DONE(s, deliver_pending(&s->deliver, true, &s->result, &s->e));
}

/* -- looking ----------------------------------------------------------------------------------- */

static inline struct catalog_file *files_of(struct stream_lake *s, enum bitcoin_kind kind,
					    enum catalog_layout layout, size_t *n)
{
	struct catalog_file *files;
	DONE(s, catalog_files(s->lake->catalog, bitcoin_tables[kind], layout, NULL, 0,
			      s->lake->arena, &files, n, &s->e));
	return files;
}

/* The keys, each on a line, without the table's location. */
static inline const char *keys_of(struct stream_lake *s, enum bitcoin_kind kind,
				  enum catalog_layout layout)
{
	size_t n;
	const struct catalog_file *files = files_of(s, kind, layout, &n);
	struct buf out = {0};
	const struct table_def *t = bitcoin_tables[kind];
	const char *location = layout == LAYOUT_COMPACT ? t->compact_location : t->location;
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s\n", files[i].key + strlen(location) + 1);
	const char *text = arena_strdup(s->lake->arena, out.data ? out.data : "");
	buf_free(&out);
	return text;
}

/* `expression`, of one text, over all rows of a table as a layout has them. */
static inline const char *ask(struct stream_lake *s, enum bitcoin_kind kind,
			      enum catalog_layout layout, const char *expression)
{
	struct arena *arena = s->lake->arena;
	size_t n;
	const struct catalog_file *files = files_of(s, kind, layout, &n);
	const char **keys = ANEW_ARRAY(arena, n, const char *),
		   **paths = ANEW_ARRAY(arena, n, const char *);
	struct duck d = {0};
	duckdb_result r;
	struct buf sql = {0};
	if (n == 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		keys[i] = files[i].key;
	DONE(s, object_store_localise(s->lake->store, keys, n, arena, paths, &s->e));
	buf_printf(&sql, "SELECT CAST(%s AS VARCHAR) FROM read_parquet(", expression);
	duck_list(&sql, paths, n);
	buf_str(&sql, ", union_by_name = true, filename = true)");
	DONE(s, duck_open(&d, s->lake->host, &s->e));
	DONE(s, duck_query(&d, sql.data, &r, &s->e));
	duckdb_data_chunk chunk = d.api->fetch_chunk(r);
	const char *text = duck_text(&d, d.api->data_chunk_get_vector(chunk, 0), 0, s->lake->arena);
	d.api->destroy_data_chunk(&chunk);
	d.api->destroy_result(&r);
	duck_close(&d);
	buf_free(&sql);
	return text;
}

static inline int64_t mark_of(struct stream_lake *s, const char *name)
{
	int64_t mark;
	DONE(s, catalog_mark_get(s->lake->catalog, name, &mark, &s->e));
	return mark;
}

static inline const char *properties_of(struct stream_lake *s, enum bitcoin_kind kind,
					const char *scope)
{
	struct catalog_scope found;
	DONE(s, catalog_scope(s->lake->catalog, bitcoin_tables[kind], scope, s->lake->arena, &found,
			      &s->e));
	return found.properties;
}

#endif
