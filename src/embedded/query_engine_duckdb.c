/* Queries by DuckDB: the statement's tree says what it names, the catalog which files hold that,
 * views give them to DuckDB, and the result is streamed. All views are made in a transaction that
 * is always rolled back, so the next statement sees nothing of this one's lists.
 *
 * A stream's rows that are in no file yet are read first, and the files listed afterwards, at a
 * moment when the catalog's mark M stood still: the files hold all records up to M, and of those
 * that were read only the later ones are shown. What was delivered or forgotten in between is not
 * after M, so no record is missing and none is there twice, however fast deliveries follow each
 * other. */
#include "query_engine_duckdb.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "duckdb_api.h"
#include "duckdb_batch.h"
#include "json.h"
#include "lake_view.h"
#include "path.h"
#include "prune.h"
#include "query_tail.h"

#define STATEMENT_MAX_BYTES (256 * 1024)
#define LISTINGS_MAX        200 /* of a statement's files, until no delivery comes between */
#define SHOW_TABLES \
	"SELECT table_schema AS \"database\", table_name AS \"name\" FROM information_schema.tables WHERE table_schema <> 'main' ORDER BY ALL"
#define WRAPPER \
	"pregao_statement" /* a view of the statement itself, where its columns need casting */

struct query_engine_duckdb {
	struct query_engine port;
	struct duckdb_host *host;
	struct catalog *catalog;
	struct object_store *store;
	const struct live_rows *live; /* may be NULL */
	struct duck duck;
	struct duck_feed *feed; /* where there are live rows */
	char *search_path;
	pthread_mutex_t lock; /* guards what cancel looks at */
	bool running, cancelled;
};

/* One statement on its way. */
struct query {
	struct query_engine_duckdb *engine;
	const char *sql;
	const char *body; /* without its EXPLAIN, in the same place; what is parsed */
	struct arena *arena;
	struct table_def **tables;
	size_t table_count;
	bool explains, shows;
	struct query_tail *tails; /* of the tables that the statement names */
	size_t tail_count;
	int64_t mark;      /* of the live rows */
	int hold;          /* of the catalog's version */
	bool counts_total; /* somebody wants to know files_total */
	struct query_stats stats;
};

/* -- opening ----------------------------------------------------------------------------------- */

/* Schemas for the catalog's databases, and unqualified names looked for in them. */
static int use_databases(struct query *q, struct err *e)
{
	struct query_engine_duckdb *engine = q->engine;
	AUTO_BUF struct buf path = {0}, sql = {0};
	for (size_t i = 0; i < q->table_count; i++) {
		/* by name, so equal databases stand together */
		if (i && strcmp(q->tables[i]->database, q->tables[i - 1]->database) == 0)
			continue;
		buf_str(&sql, "CREATE SCHEMA IF NOT EXISTS ");
		buf_sql_name(&sql, q->tables[i]->database);
		buf_str(&sql, "; ");
		buf_str(&path, path.len ? "," : "");
		buf_sql_name(&path, q->tables[i]->database);
	}
	if (!path.len || (engine->search_path && strcmp(engine->search_path, path.data) == 0))
		return duckdb_host_lock(engine->host, e);
	if (!duckdb_host_is_locked(engine->host)) {
		buf_str(&sql, "SET search_path = ");
		buf_sql_str(&sql, path.data);
	}
	/* Locked: only a second engine, or a database made meanwhile, comes this way; full names
	 * always work. */
	int rc = duck_query(&engine->duck, sql.data, NULL, e);
	if (rc)
		return rc;
	free(engine->search_path);
	engine->search_path = buf_take(&path);
	return duckdb_host_lock(engine->host, e);
}

static int open_engine(struct query *q, struct err *e)
{
	struct query_engine_duckdb *engine = q->engine;
	if (!engine->duck.con) {
		struct duck d = {0};
		int rc = duck_open(&d, engine->host, e);
		if (rc)
			return rc;
		pthread_mutex_lock(&engine->lock);
		engine->duck = d;
		engine->feed = NULL;
		pthread_mutex_unlock(&engine->lock);
	}
	if (engine->live && !engine->feed) {
		int rc = duck_feed_open(&engine->duck, engine->host, &engine->feed, e);
		if (rc)
			return rc;
	}
	return use_databases(q, e);
}

/* -- reading the statement --------------------------------------------------------------------- */

/* Past blanks and comments. */
static const char *skip_blanks(const char *p)
{
	for (;;) {
		p += strspn(p, " \t\r\n\f\v");
		if (strncmp(p, "--", 2) == 0) {
			p += strcspn(p, "\n");
		} else if (strncmp(p, "/*", 2) == 0) {
			const char *end = strstr(p + 2, "*/");
			if (!end)
				return p;
			p = end + 2;
		} else {
			return p;
		}
	}
}

static const char *skip_word(const char *p, const char *word)
{
	size_t n = strlen(word);
	bool ends = strncasecmp(p, word, n) == 0 &&
		    !(p[n] == '_' || (p[n] & 0x80) || (p[n] >= '0' && p[n] <= '9') ||
		      ((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z'));
	return ends ? skip_blanks(p + n) : NULL;
}

static int only_reading(struct err *e)
{
	return err_set(
		e, ERR_INPUT,
		"only one statement that reads runs here: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN");
}

/* Whole numbers beyond 64 bits are valid JSON, but not for jansson, and DuckDB writes what is no number of JSON's in
 * its own way: they become reals, which no condition on a partition understands. The statement itself is run as it
 * was given. */
static void tame_numbers(char *json)
{
	for (char *p = json; *p;) {
		if (*p == '"') {
			for (p++; *p && *p != '"'; p++)
				if (*p == '\\' && p[1])
					p++;
			p += *p != '\0';
			continue;
		}
		if (strncmp(p, "Infinity", 8) == 0)
			memcpy(p, "0.000000", 8);
		else if (strncmp(p, "NaN", 3) == 0)
			memcpy(p, "0.0", 3);
		size_t n = strspn(p, "0123456789");
		if (n >= 19 && !strchr(".eE", p[n]))
			p[1] = '.';
		p += n ? n + strspn(p + n, ".eE+-0123456789") : 1;
	}
}

/* The tree of the one statement, told by DuckDB's own parser. A wrong or writing statement ends
 * here. */
static int parse(struct query *q, json_t **ret, struct err *e)
{
	const struct duck *d = &q->engine->duck;
	char *body = arena_strdup(q->arena, q->sql);
	const char *rest = skip_word(skip_blanks(body), "EXPLAIN");
	if (rest) {
		/* json_serialize_sql does not take EXPLAIN; what it explains has to be a SELECT all
		 * the same. Blanks keep all positions. */
		const char *analyze = skip_word(rest, "ANALYZE");
		q->explains = true;
		for (char *p = body; p < (analyze ? analyze : rest); p++)
			if (*p != '\n')
				*p = ' ';
	}
	q->body = body;
	AUTO_BUF struct buf call = {0};
	buf_str(&call, "SELECT json_serialize_sql(");
	buf_sql_str(&call, body);
	buf_str(&call, ", skip_default := true, skip_null := true, skip_empty := true)::VARCHAR");
	duckdb_result result;
	int rc = duck_query(d, call.data, &result, e);
	if (rc)
		return rc;
	duckdb_data_chunk chunk = d->api->fetch_chunk(result);
	char *text =
		chunk ? (char *)duck_text(d, d->api->data_chunk_get_vector(chunk, 0), 0, q->arena)
		      : NULL;
	if (chunk)
		d->api->destroy_data_chunk(&chunk);
	d->api->destroy_result(&result);
	AUTO_JSON json_t *root = NULL;
	if (text)
		tame_numbers(text);
	if (!text || json_parse(text, strlen(text), &root, e))
		return err_set(e, ERR_INPUT, "the statement is nested too deeply");
	if (json_is_true(json_object_get(root, "error"))) {
		if (strcmp(json_opt_str(root, "error_type", ""), "parser") != 0)
			return only_reading(e);
		rc = err_set(e, ERR_INPUT, "%s",
			     json_opt_str(root, "error_message", "syntax error"));
		int64_t position;
		if (int64_parse(slice_of(json_opt_str(root, "position", "")), &position))
			prune_place(e, body, position);
		return rc;
	}
	size_t n = json_array_size(json_object_get(root, "statements"));
	if (n == 0)
		return err_set(e, ERR_INPUT, "there is no statement");
	if (n > 1)
		return only_reading(e);
	*ret = json_incref(root);
	return OK;
}

/* -- views ------------------------------------------------------------------------------------- */

/* Whether the statement's conditions leave any row. */
static bool is_read(const struct prune_table *p)
{
	return p->whole || p->filter_count > 0;
}

static int count_all(struct query *q, const struct prune_table *p, struct err *e)
{
	struct catalog *c = q->engine->catalog;
	size_t n = 0;
	if (p->table->compact_location) {
		struct catalog_file *files;
		int rc = catalog_files(c, p->table, LAYOUT_QUERY, NULL, 0, q->arena, &files, &n, e);
		q->stats.files_total += (int64_t)n;
		return rc;
	}
	struct catalog_scope *scopes = NULL;
	int rc = catalog_scopes(c, p->table, NULL, 0, q->arena, &scopes, &n, e);
	for (size_t i = 0; i < n && rc == OK; i++)
		q->stats.files_total += scopes[i].files;
	return rc;
}

static int create_view(struct query *q, const struct prune_table *p, struct err *e)
{
	struct catalog_file *files = NULL;
	size_t n = 0;
	int rc = OK;
	if (is_read(p))
		rc = catalog_files(q->engine->catalog, p->table, LAYOUT_QUERY, p->any_of,
				   p->filter_count, q->arena, &files, &n, e);
	if (rc)
		return rc;
	const char **keys = ANEW_ARRAY(q->arena, n, const char *),
		   **paths = ANEW_ARRAY(q->arena, n, const char *);
	for (size_t i = 0; i < n; i++) {
		keys[i] = files[i].key;
		q->stats.bytes_listed += files[i].bytes;
	}
	q->stats.files_listed += (int64_t)n;
	if (p->whole || !q->counts_total)
		q->stats.files_total += (int64_t)n;
	else
		rc = count_all(q, p, e);
	if (rc == OK && n)
		rc = object_store_localise(q->engine->store, keys, n, q->arena, paths, e);
	bool grown = false;
	if (rc == OK && n)
		rc = lake_view_grown(q->engine->catalog, p->table, &grown, e);
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "CREATE OR REPLACE VIEW ");
	buf_sql_name(&sql, p->table->database);
	buf_char(&sql, '.');
	buf_sql_name(&sql, p->table->name);
	buf_str(&sql, " AS ");
	if (rc == OK)
		rc = lake_view_sql(&sql, p->table, LAYOUT_QUERY, files, paths, n, grown, e);
	for (size_t i = 0; rc == OK && i < q->tail_count; i++)
		if (q->tails[i].table == p->table)
			query_tail_sql(&sql, &q->tails[i], q->engine->live, q->mark);
	return rc ? rc : duck_query(&q->engine->duck, sql.data, NULL, e);
}

static bool is_cancelled(struct query *q)
{
	pthread_mutex_lock(&q->engine->lock);
	bool cancelled = q->engine->cancelled;
	pthread_mutex_unlock(&q->engine->lock);
	return cancelled;
}

static int stop_if_cancelled(void *ctx, struct err *e)
{
	struct query *q = ctx;
	return is_cancelled(q) ? err_set(e, ERR_CONFLICT, "the statement was cancelled") : OK;
}

static int read_mark(struct query *q, int64_t *ret, struct err *e)
{
	return catalog_mark_get(q->engine->catalog, q->engine->live->mark, ret, e);
}

/* Before any file is listed: see above. */
static int load_tails(struct query *q, const struct prune *p, struct err *e)
{
	struct query_engine_duckdb *engine = q->engine;
	const struct live_rows *live = engine->live;
	int rc = live ? read_mark(q, &q->mark, e) : OK;
	if (rc || !live)
		return rc;
	q->tails = ANEW_ARRAY(q->arena, p->count, struct query_tail);
	for (size_t i = 0; i < p->count; i++)
		if (is_read(&p->tables[i]) && live->covers(live->ctx, p->tables[i].table))
			q->tails[q->tail_count++].table = p->tables[i].table;
	return query_tail_load(&engine->duck, engine->feed, live, q->tails, q->tail_count, q->mark,
			       stop_if_cancelled, q, q->arena, e);
}

static int list_tables(struct query *q, const struct prune *p, struct err *e)
{
	int rc = OK;
	for (size_t i = 0; i < p->count && rc == OK; i++)
		rc = create_view(q, &p->tables[i], e);
	for (size_t i = 0; i < q->table_count && rc == OK && p->lists_tables; i++) {
		bool made = false;
		for (size_t k = 0; k < p->count; k++)
			made = made || p->tables[k].table == q->tables[i];
		if (!made)
			rc = create_view(q, &(struct prune_table){.table = q->tables[i]}, e);
	}
	return rc;
}

/* The views of all tables, at one value of the mark where that matters. */
static int list_all(struct query *q, const struct prune *p, struct err *e)
{
	struct query_stats none = q->stats;
	for (int i = 0; i < LISTINGS_MAX; i++) {
		int64_t mark = 0;
		int rc = q->tail_count ? read_mark(q, &q->mark, e) : OK;
		q->stats = none;
		if (rc == OK)
			rc = list_tables(q, p, e);
		if (rc == OK && q->tail_count)
			rc = read_mark(q, &mark, e);
		if (rc || !q->tail_count || mark == q->mark)
			return rc;
	}
	return err_set(e, ERR_RETRY,
		       "the stream was delivered faster than the files could be listed, %d times",
		       LISTINGS_MAX);
}

/* What a DESCRIBE, SUMMARIZE or SHOW reads from; NULL for other statements. */
static const json_t *show_ref(const json_t *root)
{
	const json_t *node =
		json_object_get(json_array_get(json_object_get(root, "statements"), 0), "node");
	const json_t *from = json_object_get(node, "from_table");
	return strcmp(json_opt_str(from, "type", ""), "SHOW_REF") == 0 ? from : NULL;
}

static int create_views(struct query *q, struct err *e)
{
	AUTO_JSON json_t *root = NULL;
	int rc = parse(q, &root, e);
	if (rc)
		return rc;
	const json_t *shown = show_ref(root);
	q->shows = shown != NULL;
	/* DuckDB would leave out the database, and two tables of one name would look the same. */
	if (shown && !json_object_get(shown, "query") &&
	    strcmp(json_opt_str(shown, "table_name", ""), "\"tables\"") == 0 && !q->explains)
		q->sql = SHOW_TABLES;
	struct prune p;
	rc = prune_statement(root, q->body, q->tables, q->table_count, q->arena, &p, e);
	if (rc == OK)
		rc = load_tails(q, &p, e);
	return rc ? rc : list_all(q, &p, e);
}

/* -- the result -------------------------------------------------------------------------------- */

/* The result's columns. Where all have a place in a batch the statement runs as it is; where some
 * have not, or when `names_only`, it becomes a view whose columns can be cast. */
struct shape {
	size_t count;
	struct column *columns;
	const char **names; /* of the types */
	bool *as_text;      /* has to be cast */
	bool wrapped;
};

static int read_shape(struct query *q, duckdb_prepared_statement statement, struct shape *s)
{
	const struct duckdb_api *a = q->engine->duck.api;
	s->count = a->prepared_statement_column_count(statement);
	s->columns = ANEW_ARRAY(q->arena, s->count, struct column);
	s->names = ANEW_ARRAY(q->arena, s->count, const char *);
	s->as_text = ANEW_ARRAY(q->arena, s->count, bool);
	for (size_t i = 0; i < s->count; i++) {
		const char *name = a->prepared_statement_column_name(statement, i);
		duckdb_logical_type type = a->prepared_statement_column_logical_type(statement, i);
		s->columns[i].name = arena_strdup(q->arena, name ? name : "");
		if (!duck_column_type(a, type, q->arena, &s->columns[i], &s->names[i])) {
			s->columns[i].type = COL_TEXT;
			s->as_text[i] = true;
			s->wrapped = true;
		}
		a->destroy_logical_type(&type);
		a->free((void *)name);
	}
	return OK;
}

/* CREATE TEMP VIEW pregao_statement("c0", ...) AS <the statement>: DuckDB's own grammar sees to its
 * end, be it a semicolon or a comment. */
static int wrap(struct query *q, const struct shape *s, struct err *e)
{
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "CREATE OR REPLACE TEMP VIEW " WRAPPER "(");
	for (size_t i = 0; i < s->count; i++)
		buf_printf(&sql, "%sc%zu", i ? ", " : "", i);
	buf_str(&sql, ") AS ");
	buf_str(&sql, q->sql);
	return duck_query(&q->engine->duck, sql.data, NULL, e);
}

/* DuckDB's spelling of the types that have no place in a batch. */
static int spell_types(struct query *q, struct shape *s, struct err *e)
{
	const struct duck *d = &q->engine->duck;
	duckdb_result result;
	int rc = duck_query(d, "SELECT column_type FROM (DESCRIBE " WRAPPER ")", &result, e);
	if (rc)
		return rc;
	size_t i = 0;
	duckdb_data_chunk chunk;
	while ((chunk = d->api->fetch_chunk(result))) {
		for (uint64_t row = 0; row < d->api->data_chunk_get_size(chunk) && i < s->count;
		     row++, i++)
			if (s->as_text[i])
				s->names[i] = duck_text(d, d->api->data_chunk_get_vector(chunk, 0),
							row, q->arena);
		d->api->destroy_data_chunk(&chunk);
	}
	d->api->destroy_result(&result);
	return OK;
}

static int prepare(struct query *q, const char *sql, duckdb_prepared_statement *ret, struct err *e)
{
	const struct duckdb_api *a = q->engine->duck.api;
	if (a->prepare(q->engine->duck.con, sql, ret) == DuckDBError) {
		int rc = duck_error(e, DUCKDB_ERROR_INVALID, a->prepare_error(*ret));
		a->destroy_prepare(ret);
		return rc;
	}
	if (a->nparams(*ret) > 0) {
		a->destroy_prepare(ret);
		return err_set(
			e, ERR_INPUT,
			"the statement has parameters (? or $1), and there is nothing to put in their place");
	}
	return OK;
}

/* Prepares the statement or, where that is needed, the cast of it. */
static int prepare_result(struct query *q, struct shape *s, duckdb_prepared_statement *ret,
			  struct err *e)
{
	int rc = prepare(q, q->sql, ret, e);
	if (rc)
		return rc;
	read_shape(q, *ret, s);
	if (!s->wrapped || q->explains)
		return OK;
	q->engine->duck.api->destroy_prepare(ret);
	rc = wrap(q, s, e);
	if (rc == OK)
		rc = spell_types(q, s, e);
	if (rc)
		return rc;
	AUTO_BUF struct buf sql = {0};
	for (size_t i = 0; i < s->count; i++)
		buf_printf(&sql, s->as_text[i] ? "%sCAST(c%zu AS VARCHAR)" : "%sc%zu",
			   i ? ", " : "SELECT ", i);
	buf_str(&sql, " FROM " WRAPPER);
	return prepare(q, sql.data, ret, e);
}

/* A plan is a drawing: a row for each of its lines. The last column of what DuckDB gives holds
 * it. */
static int give_plan(struct query *q, duckdb_data_chunk chunk, const struct query_sink *sink,
		     struct err *e)
{
	const struct duck *d = &q->engine->duck;
	static const struct column column = {.name = "plan", .type = COL_TEXT};
	int rc = OK;
	for (uint64_t row = 0; row < d->api->data_chunk_get_size(chunk) && rc == OK; row++) {
		const char *text =
			duck_text(d,
				  d->api->data_chunk_get_vector(
					  chunk, d->api->data_chunk_get_column_count(chunk) - 1),
				  row, q->arena);
		struct slice rest = slice_of(text);
		while (rest.n && rc == OK) {
			struct slice line = slice_cut(&rest, '\n');
			rc = sink->batch(sink->ctx,
					 &(struct batch){.columns = &column,
							 .vectors = &(struct vector){.data = &line},
							 .column_count = 1,
							 .row_count = 1},
					 e);
			q->stats.rows++;
		}
	}
	return rc;
}

static int give_batch(struct query *q, struct duck_reader *reader, duckdb_data_chunk chunk,
		      const struct query_sink *sink, struct err *e)
{
	struct batch b = duck_reader_batch(reader, chunk);
	q->stats.rows += (int64_t)b.row_count;
	return b.row_count ? sink->batch(sink->ctx, &b, e) : OK;
}

/* Chunk after chunk, never more than one at a time in memory beside what the plan itself needs. */
static int stream(struct query *q, const struct shape *s, duckdb_prepared_statement statement,
		  const struct query_sink *sink, struct err *e)
{
	const struct duckdb_api *a = q->engine->duck.api;
	duckdb_pending_result pending = NULL;
	duckdb_result result;
	memset(&result, 0, sizeof(result));
	int rc = OK;
	if (a->pending_prepared_streaming(statement, &pending) == DuckDBError)
		rc = duck_error(e, DUCKDB_ERROR_INVALID, a->pending_error(pending));
	else if (a->execute_pending(pending, &result) == DuckDBError)
		rc = duck_error(e, a->result_error_type(&result), a->result_error(&result));
	a->destroy_pending(&pending);
	static const struct column plan = {.name = "plan", .type = COL_TEXT};
	static const char *const text = "VARCHAR";
	if (rc == OK)
		rc = q->explains ? sink->columns(sink->ctx, &plan, &text, 1, e)
				 : sink->columns(sink->ctx, s->columns, s->names, s->count, e);
	duckdb_logical_type *types = NEW_ARRAY(s->count, duckdb_logical_type);
	for (size_t i = 0; i < s->count; i++)
		types[i] = a->column_logical_type(&result, i);
	struct duck_reader reader;
	duck_reader_init(&reader, a, s->columns, types, s->count);
	for (size_t i = 0; i < s->count; i++)
		a->destroy_logical_type(&types[i]);
	free(types);
	while (rc == OK) {
		duckdb_data_chunk chunk = a->fetch_chunk(result);
		const char *why = chunk ? NULL : a->result_error(&result);
		if (why && *why)
			rc = duck_error(e, a->result_error_type(&result), why);
		if (!chunk)
			break;
		rc = q->explains ? give_plan(q, chunk, sink, e)
				 : give_batch(q, &reader, chunk, sink, e);
		a->destroy_data_chunk(&chunk);
		if (rc == OK)
			rc = stop_if_cancelled(q, e);
	}
	duck_reader_clear(&reader);
	a->destroy_result(&result);
	return rc;
}

/* -- the port ---------------------------------------------------------------------------------- */

static void set_running(struct query_engine_duckdb *engine, bool running)
{
	pthread_mutex_lock(&engine->lock);
	engine->running = running;
	engine->cancelled = false;
	pthread_mutex_unlock(&engine->lock);
}

/* Everything around the statement itself: the catalog's version held, the transaction, the
 * views. */
static int with_views(struct query *q, int (*body)(struct query *, void *, struct err *), void *ctx,
		      struct err *e)
{
	struct query_engine_duckdb *engine = q->engine;
	if (strlen(q->sql) > STATEMENT_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "the statement is longer than %d KiB",
			       STATEMENT_MAX_BYTES / 1024);
	if (!str_is_utf8(q->sql, strlen(q->sql)))
		return err_set(e, ERR_INPUT, "the statement is not valid UTF-8");
	q->arena = arena_new();
	q->hold = -1;
	int64_t version = 0;
	set_running(engine, true);
	int rc = catalog_read_begin(engine->catalog, &version, &q->hold, e);
	bool held = rc == OK;
	q->stats.catalog_version = version;
	if (rc == OK)
		rc = catalog_tables(engine->catalog, q->arena, &q->tables, &q->table_count, e);
	if (rc == OK)
		rc = open_engine(q, e);
	if (rc == OK)
		rc = duck_query(&engine->duck, "BEGIN", NULL, e);
	bool begun = rc == OK;
	if (rc == OK)
		rc = create_views(q, e);
	if (rc == OK)
		rc = stop_if_cancelled(q, e);
	if (rc == OK)
		rc = body(q, ctx, e);
	set_running(engine, false);
	/* Nothing was changed but the views; and they are to go. */
	if (begun && duck_query(&engine->duck, "ROLLBACK", NULL, NULL)) {
		/* A connection in doubt is not used again. */
		pthread_mutex_lock(&engine->lock);
		duck_close(&engine->duck);
		free(engine->search_path);
		engine->search_path = NULL;
		pthread_mutex_unlock(&engine->lock);
	}
	if (held)
		catalog_read_end(engine->catalog, q->hold);
	arena_free(q->arena);
	return rc;
}

static int run_body(struct query *q, void *ctx, struct err *e)
{
	struct shape s = {0};
	duckdb_prepared_statement statement = NULL;
	int rc = prepare_result(q, &s, &statement, e);
	if (rc)
		return rc;
	rc = stream(q, &s, statement, ctx, e);
	q->engine->duck.api->destroy_prepare(&statement);
	return rc;
}

static int query_engine_duckdb_run(struct query_engine *port, const char *sql,
				   const struct query_sink *sink, struct query_stats *ret,
				   struct err *e)
{
	struct query q = {.engine = (struct query_engine_duckdb *)port,
			  .sql = sql,
			  .counts_total = ret != NULL};
	int rc = with_views(&q, run_body, (void *)sink, e);
	if (rc == OK && ret)
		*ret = q.stats;
	return rc;
}

/* "a", "b", "a_1": names that a file can have once each. */
static void add_unique_name(struct buf *sql, const struct shape *s, size_t i, struct arena *arena)
{
	const char *name = s->columns[i].name;
	for (size_t n = 1;; n++) {
		bool taken = false;
		for (size_t k = 0; k < s->count && !taken; k++)
			taken = (n == 1 ? k < i : k != i) &&
				strcasecmp(s->columns[k].name, name) == 0;
		if (!taken)
			break;
		name = arena_printf(arena, "%s_%zu", s->columns[i].name, n);
	}
	s->columns[i].name = name;
	buf_sql_name(sql, name);
}

static int export_body(struct query *q, void *ctx, struct err *e)
{
	const struct duck *d = &q->engine->duck;
	const char *path = ctx;
	if (q->explains || q->shows)
		return err_set(
			e, ERR_INPUT,
			"what EXPLAIN, DESCRIBE, SUMMARIZE and SHOW give cannot be exported as Parquet");
	struct shape s = {0};
	duckdb_prepared_statement statement = NULL;
	int rc = prepare(q, q->sql, &statement, e);
	if (rc)
		return rc;
	read_shape(q, statement, &s);
	d->api->destroy_prepare(&statement);
	rc = wrap(q, &s, e);
	if (rc)
		return rc;
	AUTO_BUF struct buf sql = {0};
	buf_str(&sql, "COPY (SELECT ");
	for (size_t i = 0; i < s.count; i++) {
		/* Parquet has no HUGEINT, and DuckDB would write a DOUBLE: what sum() of whole
		 * numbers gives has to stay exact. */
		buf_printf(&sql,
			   s.columns[i].type == COL_HUGEINT ? "%sCAST(c%zu AS DECIMAL(38,0)) AS "
							    : "%sc%zu AS ",
			   i ? ", " : "", i);
		add_unique_name(&sql, &s, i, q->arena);
	}
	buf_str(&sql, " FROM " WRAPPER ") TO ");
	buf_sql_str(&sql, path);
	buf_str(&sql, " (FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false)");
	duckdb_result result;
	rc = duck_query(d, sql.data, &result, e);
	if (rc) {
		unlink(path);
		return rc;
	}
	duckdb_data_chunk chunk = d->api->fetch_chunk(result);
	if (chunk) {
		q->stats.rows = duck_i64(d, d->api->data_chunk_get_vector(chunk, 0), 0);
		d->api->destroy_data_chunk(&chunk);
	}
	d->api->destroy_result(&result);
	return OK;
}

static int query_engine_duckdb_export(struct query_engine *port, const char *sql, const char *path,
				      struct query_stats *ret, struct err *e)
{
	struct query q = {.engine = (struct query_engine_duckdb *)port,
			  .sql = sql,
			  .counts_total = ret != NULL};
	int rc = with_views(&q, export_body, (void *)path, e);
	if (rc == OK && ret)
		*ret = q.stats;
	return rc;
}

static void query_engine_duckdb_cancel(struct query_engine *port)
{
	struct query_engine_duckdb *engine = (struct query_engine_duckdb *)port;
	pthread_mutex_lock(&engine->lock);
	if (engine->running) {
		engine->cancelled = true;
		if (engine->duck.con)
			engine->duck.api->interrupt(engine->duck.con);
	}
	pthread_mutex_unlock(&engine->lock);
}

static void query_engine_duckdb_free(struct query_engine *port)
{
	struct query_engine_duckdb *engine = (struct query_engine_duckdb *)port;
	duck_close(&engine->duck);
	pthread_mutex_destroy(&engine->lock);
	free(engine->search_path);
	free(engine);
}

static const struct query_engine_ops query_engine_duckdb_ops = {
	.run = query_engine_duckdb_run,
	.export = query_engine_duckdb_export,
	.cancel = query_engine_duckdb_cancel,
	.free = query_engine_duckdb_free,
};

int query_engine_duckdb_new(struct duckdb_host *host, struct catalog *catalog,
			    struct object_store *store, struct query_engine **ret, struct err *e)
{
	struct query_engine_duckdb *engine = NEW(struct query_engine_duckdb);
	engine->port.ops = &query_engine_duckdb_ops;
	engine->host = host;
	engine->catalog = catalog;
	engine->store = store;
	pthread_mutex_init(&engine->lock, NULL);
	*ret = &engine->port;
	return OK;
}

void query_engine_duckdb_follow(struct query_engine *port, const struct live_rows *live)
{
	((struct query_engine_duckdb *)port)->live = live;
}
