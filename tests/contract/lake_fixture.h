/* What the contract tests of the query and the job engine start from: a small lake of the embedded
 * drivers, with raw sessions in it. */
#ifndef PREGAO_TESTS_LAKE_FIXTURE_H
#define PREGAO_TESTS_LAKE_FIXTURE_H

#include "../unit/unit.h"

#include "catalog.h"
#include "catalog_sqlite.h"
#include "clock_fake.h"
#include "duckdb_api.h"
#include "object_store_fs.h"
#include "parquet_duckdb.h"
#include "path.h"
#include "publish.h"

static const struct column raw_columns[] = {
	{.name = "codigo", .type = COL_TEXT},
	{.name = "acao", .type = COL_TEXT},
	{.name = "qtd", .type = COL_BIGINT},
	{.name = "part", .type = COL_DECIMAL, .precision = 9, .scale = 3},
};
static const struct column raw_partition[] = {{.name = "data_pregao", .type = COL_DATE},
					      {.name = "index_code", .type = COL_TEXT}};
static const struct table_def raw_portfolio = {
	.database = "raw",
	.name = "portfolio",
	.columns = raw_columns,
	.column_count = 4,
	.partition = raw_partition,
	.partition_count = 2,
	.location = "raw/portfolio",
	.scope_count = 2,
};

struct lake {
	char *root;
	struct clock_fake clock;
	struct object_store *store;
	struct catalog *catalog;
	struct duckdb_host *host;
	struct parquet *parquet;
	struct arena *arena;
	struct err e;
};

#define GOOD(l, call)                                                                    \
	do {                                                                             \
		int code_ = (call);                                                      \
		if (code_)                                                               \
			fail_msg("%s: %s: %s (%s)", #call, err_name(code_), (l)->e.text, \
				 (l)->e.where);                                          \
	} while (0)

static inline struct lake *lake_new(const struct table_def *const *tables, size_t n,
				    int64_t memory_bytes)
{
	struct lake *l = NEW(struct lake);
	l->e = (struct err)ERR_INIT;
	l->root = temporary_folder();
	l->arena = arena_new();
	clock_fake_init(&l->clock, 1721055600000000);
	GOOD(l, object_store_fs_open(l->root, true, &l->store, &l->e));
	char *state = path_in(l->root, "state");
	GOOD(l, catalog_sqlite_open(state, &l->clock.clock, false, &l->catalog, &l->e));
	free(state);
	GOOD(l, catalog_put_tables(l->catalog, tables, n, &l->e));
	l->host = duckdb_host_start(
		&(struct duckdb_host_options){.background = true,
					      .memory_limit_bytes = memory_bytes,
					      .temp_dir = object_store_staging(l->store)});
	l->parquet = parquet_duckdb_new(l->host);
	return l;
}

static inline void lake_free(struct lake *l)
{
	parquet_free(l->parquet);
	catalog_free(l->catalog);
	object_store_free(l->store);
	duckdb_host_free(l->host);
	arena_free(l->arena);
	remove_folder(&l->root);
	free(l);
}

static inline struct publish lake_publish(struct lake *l)
{
	return (struct publish){.store = l->store,
				.catalog = l->catalog,
				.parquet = l->parquet,
				.clock = &l->clock.clock,
				.lock_wait_us = 0};
}

struct raw_row {
	const char *codigo, *acao; /* acao NULL: null */
	int64_t qtd, part;
};

/* Replaces one session of raw.portfolio; `content` goes into the file's name, as in real life. */
static inline void lake_put_session(struct lake *l, const char *day, const char *index,
				    const char *content, const char *properties,
				    const struct raw_row *rows, size_t n)
{
	struct slice *codigo = NEW_ARRAY(n, struct slice), *acao = NEW_ARRAY(n, struct slice);
	uint8_t *valid = NEW_ARRAY(n, uint8_t);
	int64_t *qtd = NEW_ARRAY(n, int64_t), *part = NEW_ARRAY(n, int64_t);
	for (size_t i = 0; i < n; i++) {
		codigo[i] = slice_of(rows[i].codigo);
		acao[i] = slice_of(rows[i].acao);
		valid[i] = rows[i].acao != NULL;
		qtd[i] = rows[i].qtd;
		part[i] = rows[i].part;
	}
	struct vector v[] = {{codigo, NULL}, {acao, valid}, {qtd, NULL}, {part, NULL}};
	struct batch b = {raw_columns, v, 4, n};
	const struct table_def *const tables[] = {&raw_portfolio};
	struct publish with = lake_publish(l);
	struct publish_session *session;
	GOOD(l, publish_begin(&with, tables, 1, &session, &l->e));
	const char *path = arena_printf(l->arena, "%s/file.parquet", publish_staging(session));
	struct parquet_result written;
	GOOD(l, parquet_write(l->parquet, &b, 1, path, l->arena, &written, &l->e));
	const char *values[] = {day, index}, *scope;
	GOOD(l, path_partition(l->arena, &raw_portfolio, values, 2, &scope, &l->e));
	struct catalog_scope scopes[] = {{.scope = scope, .properties = properties}};
	const char *covered[] = {scope};
	struct publish_file file = {
		.file = {.key = path_key(l->arena, &raw_portfolio, scope, content),
			 .layout = LAYOUT_PUBLISHED,
			 .scopes = covered,
			 .scope_count = 1,
			 .low = {day, index},
			 .high = {day, index},
			 .rows = written.rows,
			 .bytes = written.bytes,
			 .stats = written.stats,
			 .stats_count = written.stats_count},
		.path = path,
	};
	int64_t version;
	GOOD(l, publish_replace(session,
				&(struct publish_change){.table = &raw_portfolio,
							 .scopes = scopes,
							 .scope_count = 1,
							 .files = &file,
							 .file_count = n ? 1 : 0},
				1, NULL, 0, &version, &l->e));
	publish_end(session);
	free(codigo);
	free(acao);
	free(valid);
	free(qtd);
	free(part);
}

#endif
