/* Statements, errors, values and file statistics: what all drivers on DuckDB share (duckdb_api.h).
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "duckdb_api.h"

/* -- errors ------------------------------------------------------------------------------------ */

static const struct {
	duckdb_error_type type;
	const char *prefix; /* as messages begin, for where DuckDB gives no type */
	int code;
} kinds[] = {
	{DUCKDB_ERROR_OUT_OF_MEMORY, "Out of Memory Error: ", ERR_LIMIT},
	{DUCKDB_ERROR_INTERRUPT, "INTERRUPT Error: ", ERR_CONFLICT},
	{DUCKDB_ERROR_IO, "IO Error: ", ERR_IO},
	{DUCKDB_ERROR_PERMISSION, "Permission Error: ", ERR_DENIED},
	{DUCKDB_ERROR_INTERNAL, "INTERNAL Error: ", ERR_BUG},
	{DUCKDB_ERROR_FATAL, "FATAL Error: ", ERR_BUG},
	{DUCKDB_ERROR_TRANSACTION, "TransactionContext Error: ", ERR_BUG},
	{DUCKDB_ERROR_PARSER, "Parser Error: ", ERR_INPUT},
	{DUCKDB_ERROR_SYNTAX, "Syntax Error: ", ERR_INPUT},
	{DUCKDB_ERROR_BINDER, "Binder Error: ", ERR_INPUT},
	{DUCKDB_ERROR_CATALOG, "Catalog Error: ", ERR_INPUT},
	{DUCKDB_ERROR_CONVERSION, "Conversion Error: ", ERR_INPUT},
	{DUCKDB_ERROR_OUT_OF_RANGE, "Out of Range Error: ", ERR_INPUT},
	{DUCKDB_ERROR_INVALID_INPUT, "Invalid Input Error: ", ERR_INPUT},
	{DUCKDB_ERROR_NOT_IMPLEMENTED, "Not implemented Error: ", ERR_INPUT},
};

static const char *skip_prefix(const char *message, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncasecmp(message, prefix, n) == 0 ? message + n : NULL;
}

/* Disk and rights come as "IO Error" or worse; the operating system's words are in the text. */
static int code_from_words(int code, const char *message)
{
	if (strstr(message, "No space left on device") || strstr(message, "Disk quota exceeded") ||
	    strstr(message, "Too many open files") || strstr(message, "File too large") ||
	    strstr(message, "max_temp_directory_size"))
		return ERR_LIMIT;
	if (strstr(message, "Permission denied") || strstr(message, "Read-only file system"))
		return ERR_DENIED;
	return code;
}

/* "LINE 2: SELECT a FRM b" with a line below that holds a caret: line and column. A line cut at its
 * beginning ("...") tells no column. */
static void place(struct err *e, const char *picture)
{
	int64_t line = 0;
	const char *p = picture + strlen("LINE ");
	while (isdigit((unsigned char)*p) && line < INT32_MAX)
		line = line * 10 + (*p++ - '0');
	if (*p++ != ':' || *p++ != ' ')
		return;
	e->line = line;
	const char *end = strchr(p, '\n');
	const char *caret = end ? strchr(end, '^') : NULL;
	if (!caret || strncmp(p, "...", 3) == 0)
		return;
	int64_t column = (caret - end - 1) - (p - picture) + 1;
	if (column > 0)
		e->column = column;
}

int duck_error(struct err *e, duckdb_error_type type, const char *message)
{
	if (!message)
		message = "no reason given";
	int code = ERR_INPUT;
	const char *text = message;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *rest = skip_prefix(message, kinds[i].prefix);
		if (rest || (type != DUCKDB_ERROR_INVALID && type == kinds[i].type)) {
			code = kinds[i].code;
			if (rest)
				text = rest;
			break;
		}
	}
	if (code == ERR_IO || code == ERR_INPUT)
		code = code_from_words(code, message);
	if (code == ERR_CONFLICT)
		return err_set(e, code, "the statement was cancelled");
	/* The sentence without its picture, on one line. */
	AUTO_BUF struct buf line = {0};
	const char *picture = strstr(text, "\n\nLINE ");
	for (const char *p = text; *p && p != picture; p++) {
		if (*p != '\n')
			buf_char(&line, *p);
		else if (line.len && line.data[line.len - 1] != ' ')
			buf_char(&line, ' ');
	}
	while (line.len && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '.'))
		line.data[--line.len] = '\0';
	err_set(e, code, "%s", line.data ? line.data : "");
	if (code == ERR_LIMIT && code_from_words(OK, message) == OK)
		err_reason(e, DUCK_OUT_OF_MEMORY);
	if (e && picture)
		place(e, picture + 2);
	return code;
}

/* -- statements -------------------------------------------------------------------------------- */

int duck_query(const struct duck *d, const char *sql, duckdb_result *ret, struct err *e)
{
	duckdb_result result;
	memset(&result, 0, sizeof(result));
	int rc = OK;
	if (d->api->query(d->con, sql, &result) == DuckDBError)
		rc = duck_error(e, d->api->result_error_type(&result),
				d->api->result_error(&result));
	if (rc || !ret) {
		d->api->destroy_result(&result);
		memset(&result, 0, sizeof(result));
	}
	if (ret)
		*ret = result;
	return rc;
}

int duck_query_polled(const struct duck *d, const char *sql, int (*poll)(void *, struct err *),
		      void *ctx, duckdb_result *ret, struct err *e)
{
	const struct duckdb_api *a = d->api;
	duckdb_prepared_statement statement = NULL;
	duckdb_pending_result pending = NULL;
	duckdb_result result;
	memset(&result, 0, sizeof(result));
	int rc = OK;
	if (a->prepare(d->con, sql, &statement) == DuckDBError)
		rc = duck_error(e, DUCKDB_ERROR_INVALID, a->prepare_error(statement));
	else if (a->pending_prepared(statement, &pending) == DuckDBError)
		rc = duck_error(e, DUCKDB_ERROR_INVALID, a->pending_error(pending));
	while (rc == OK) {
		duckdb_pending_state state = a->pending_execute_task(pending);
		if (state == DUCKDB_PENDING_ERROR)
			rc = duck_error(e, DUCKDB_ERROR_INVALID, a->pending_error(pending));
		else if (a->pending_execution_is_finished(state))
			break;
		else if (poll)
			rc = poll(ctx, e);
	}
	if (rc == OK && a->execute_pending(pending, &result) == DuckDBError)
		rc = duck_error(e, a->result_error_type(&result), a->result_error(&result));
	a->destroy_pending(&pending);
	a->destroy_prepare(&statement);
	if (rc || !ret) {
		a->destroy_result(&result);
		memset(&result, 0, sizeof(result));
	}
	if (ret)
		*ret = result;
	return rc;
}

void duck_list(struct buf *out, const char *const *items, size_t n)
{
	buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(out, ',');
		buf_sql_str(out, items[i]);
	}
	buf_char(out, ']');
}

/* -- values ------------------------------------------------------------------------------------ */

static bool duck_is_null(const struct duck *d, duckdb_vector v, uint64_t row)
{
	const uint64_t *valid = d->api->vector_get_validity(v);
	return valid && !(valid[row / 64] >> (row % 64) & 1);
}

static struct slice string_slice(duckdb_string_t *s)
{
	if (s->value.inlined.length <= sizeof(s->value.inlined.inlined))
		return (struct slice){s->value.inlined.inlined, s->value.inlined.length};
	return (struct slice){s->value.pointer.ptr, s->value.pointer.length};
}

const char *duck_text(const struct duck *d, duckdb_vector v, uint64_t row, struct arena *arena)
{
	if (duck_is_null(d, v, row))
		return NULL;
	struct slice s = string_slice((duckdb_string_t *)d->api->vector_get_data(v) + row);
	return arena_strndup(arena, s.p, s.n);
}

int64_t duck_i64(const struct duck *d, duckdb_vector v, uint64_t row)
{
	return duck_is_null(d, v, row) ? 0 : ((const int64_t *)d->api->vector_get_data(v))[row];
}

/* -- RETURN_STATS ------------------------------------------------------------------------------ */

/* The keys and values of a MAP: a list of structs of two. */
struct map {
	duckdb_vector keys, values;
	duckdb_list_entry entry;
};
static struct map map_at(const struct duck *d, duckdb_vector v, uint64_t row)
{
	duckdb_vector pairs = d->api->list_vector_get_child(v);
	struct map m = {.keys = d->api->struct_vector_get_child(pairs, 0),
			.values = d->api->struct_vector_get_child(pairs, 1)};
	if (!duck_is_null(d, v, row))
		m.entry = ((const duckdb_list_entry *)d->api->vector_get_data(v))[row];
	return m;
}

/* "na""me" without its quotes. */
static const char *unquote(const char *quoted, struct arena *arena)
{
	size_t n = strlen(quoted);
	if (n < 2 || quoted[0] != '"' || quoted[n - 1] != '"')
		return quoted;
	char *name = arena_strndup(arena, quoted + 1, n - 2), *to = name;
	for (const char *from = name; *from; from++) {
		*to++ = *from;
		if (from[0] == '"' && from[1] == '"')
			from++;
	}
	*to = '\0';
	return name;
}

static void read_facts(const struct duck *d, struct map facts, struct arena *arena,
		       struct column_stats *s)
{
	for (uint64_t k = facts.entry.offset; k < facts.entry.offset + facts.entry.length; k++) {
		const char *fact = duck_text(d, facts.keys, k, arena),
			   *value = duck_text(d, facts.values, k, arena);
		if (!fact || !value)
			continue;
		if (strcmp(fact, "min") == 0)
			s->minimum = value;
		else if (strcmp(fact, "max") == 0)
			s->maximum = value;
		else if (strcmp(fact, "null_count") == 0 &&
			 !int64_parse(slice_of(value), &s->nulls))
			s->nulls = -1;
	}
}

static void read_column_stats(const struct duck *d, struct map m, struct arena *arena,
			      struct duck_file *file)
{
	file->stats = ANEW_ARRAY(arena, m.entry.length, struct column_stats);
	for (uint64_t i = m.entry.offset; i < m.entry.offset + m.entry.length; i++) {
		const char *name = duck_text(d, m.keys, i, arena);
		if (!name)
			continue;
		struct column_stats *s = &file->stats[file->stats_count++];
		*s = (struct column_stats){.column = unquote(name, arena), .nulls = -1};
		read_facts(d, map_at(d, m.values, i), arena, s);
	}
}

int duck_files(const struct duck *d, duckdb_result *result, struct arena *arena,
	       struct duck_file **ret, size_t *ret_count, struct err *e)
{
	const struct duckdb_api *a = d->api;
	static const char *const names[] = {"filename",          "count",
					    "file_size_bytes",   NULL,
					    "column_statistics", "partition_keys"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *name = a->column_name(result, i);
		if (names[i] && (!name || strcmp(name, names[i]) != 0))
			return err_set(
				e, ERR_BUG,
				"RETURN_STATS of this libduckdb has %s where %s was expected",
				name ? name : "nothing", names[i]);
	}
	struct duck_file *files = NULL;
	size_t count = 0, cap = 0;
	duckdb_data_chunk chunk;
	while ((chunk = a->fetch_chunk(*result))) {
		duckdb_vector v[6];
		for (size_t i = 0; i < ARRAY_LEN(v); i++)
			v[i] = a->data_chunk_get_vector(chunk, i);
		uint64_t n = a->data_chunk_get_size(chunk);
		for (uint64_t row = 0; row < n; row++) {
			struct duck_file *f = PUSH(files, count, cap);
			f->path = duck_text(d, v[0], row, arena);
			f->rows = duck_i64(d, v[1], row);
			f->bytes = duck_i64(d, v[2], row);
			read_column_stats(d, map_at(d, v[4], row), arena, f);
			struct map keys = map_at(d, v[5], row);
			if (keys.entry.length == 1)
				f->partition = duck_text(d, keys.values, keys.entry.offset, arena);
		}
		a->destroy_data_chunk(&chunk);
	}
	*ret = ANEW_ARRAY(arena, count, struct duck_file);
	if (count)
		memcpy(*ret, files, count * sizeof(*files));
	*ret_count = count;
	free(files);
	return OK;
}
