/* DuckDB's C API as a table of functions found by dlsym, and what all our drivers on it share.
 * Included by the DuckDB drivers only: everybody else sees duckdb_host.h, so that duckdb.h stays in
 * this folder. */
#ifndef PREGAO_DUCKDB_API_H
#define PREGAO_DUCKDB_API_H

#include <duckdb.h>

#include "duckdb_host.h"
#include "mem.h"
#include "str.h"
#include "table.h"

/* Every call that we use, without its "duckdb_". A library that lacks one is refused when it is
 * opened. */
#define DUCKDB_CALLS(X)                           \
	X(library_version)                        \
	X(create_config)                          \
	X(set_config)                             \
	X(destroy_config)                         \
	X(open_ext)                               \
	X(close)                                  \
	X(connect)                                \
	X(disconnect)                             \
	X(interrupt)                              \
	X(free)                                   \
	X(query)                                  \
	X(destroy_result)                         \
	X(result_error)                           \
	X(result_error_type)                      \
	X(column_count)                           \
	X(column_name)                            \
	X(column_logical_type)                    \
	X(prepare)                                \
	X(prepare_error)                          \
	X(destroy_prepare)                        \
	X(nparams)                                \
	X(bind_varchar_length)                    \
	X(execute_prepared)                       \
	X(prepared_statement_column_count)        \
	X(prepared_statement_column_name)         \
	X(prepared_statement_column_logical_type) \
	X(pending_prepared)                       \
	X(pending_prepared_streaming)             \
	X(pending_execute_task)                   \
	X(pending_error)                          \
	X(pending_execution_is_finished)          \
	X(execute_pending)                        \
	X(destroy_pending)                        \
	X(fetch_chunk)                            \
	X(destroy_data_chunk)                     \
	X(data_chunk_get_size)                    \
	X(data_chunk_set_size)                    \
	X(data_chunk_get_column_count)            \
	X(data_chunk_get_vector)                  \
	X(vector_get_data)                        \
	X(vector_get_validity)                    \
	X(vector_ensure_validity_writable)        \
	X(vector_assign_string_element_len)       \
	X(vector_size)                            \
	X(list_vector_get_child)                  \
	X(struct_vector_get_child)                \
	X(create_logical_type)                    \
	X(create_decimal_type)                    \
	X(destroy_logical_type)                   \
	X(get_type_id)                            \
	X(decimal_width)                          \
	X(decimal_scale)                          \
	X(decimal_internal_type)                  \
	X(create_table_function)                  \
	X(destroy_table_function)                 \
	X(table_function_set_name)                \
	X(table_function_set_extra_info)          \
	X(table_function_set_bind)                \
	X(table_function_set_init)                \
	X(table_function_set_function)            \
	X(register_table_function)                \
	X(bind_get_extra_info)                    \
	X(bind_add_result_column)                 \
	X(bind_set_cardinality)                   \
	X(bind_set_error)                         \
	X(init_set_init_data)                     \
	X(init_set_max_threads)                   \
	X(function_get_extra_info)                \
	X(function_get_init_data)

struct duckdb_api {
#define DUCKDB_MEMBER(name) __typeof__(duckdb_##name) *name;
	DUCKDB_CALLS(DUCKDB_MEMBER)
#undef DUCKDB_MEMBER
};

/* A connection and the calls to use it with. */
struct duck {
	const struct duckdb_api *api;
	duckdb_connection con;
};
/* Opens the database where that has not happened, and connects. */
int duck_open(struct duck *, struct duckdb_host *, struct err *) MUST_CHECK;
void duck_close(struct duck *); /* a zeroed one is fine */
/* A number that no other caller of this host got: for names of tables and functions, which all
 * connections share. */
int64_t duckdb_host_number(struct duckdb_host *);
/* Sets the number of threads, where it is not so already. */
int duckdb_host_threads(struct duckdb_host *, int threads, struct err *) MUST_CHECK;

/* Where the host is confined, and not yet: no setting can be changed any more. */
int duckdb_host_lock(struct duckdb_host *, struct err *) MUST_CHECK;
bool duckdb_host_is_locked(struct duckdb_host *);

/* Runs statements to their end. ret (may be NULL) is the last one's result, to be destroyed by the
 * caller, also zeroed on failure. */
int duck_query(const struct duck *, const char *sql, duckdb_result *ret, struct err *) MUST_CHECK;
/* One statement, in small steps; between them `poll` (may be NULL) is asked, whose non-zero ends it
 * and is returned. */
int duck_query_polled(const struct duck *, const char *sql, int (*poll)(void *ctx, struct err *),
		      void *ctx, duckdb_result *ret, struct err *) MUST_CHECK;
/* DuckDB's error as ours. type may be DUCKDB_ERROR_INVALID: then it is told from the message. Line
 * and column are taken from the message's own "LINE n:" picture. Returns the code. */
/* ERR_LIMIT has this reason where it was memory that did not suffice, and not the disk. */
#define DUCK_OUT_OF_MEMORY "out_of_memory"
int duck_error(struct err *, duckdb_error_type type, const char *message);

/* The chunk's value as text, NULL when null; copied into the arena. For VARCHAR only. */
const char *duck_text(const struct duck *, duckdb_vector, uint64_t row, struct arena *);
/* A BIGINT or UBIGINT; 0 when null. */
int64_t duck_i64(const struct duck *, duckdb_vector, uint64_t row);
/* 'abc', 'd''e' in brackets, for read_parquet. */
void duck_list(struct buf *, const char *const *items, size_t n);

/* What COPY ... RETURN_STATS says of each file. */
struct duck_file {
	const char *path;
	int64_t rows, bytes;
	struct column_stats *stats; /* one for each column of the file, in no order */
	size_t stats_count;
	const char *partition; /* of a COPY ... PARTITION_BY one column its value, else NULL */
};
int duck_files(const struct duck *, duckdb_result *, struct arena *, struct duck_file **ret,
	       size_t *ret_count, struct err *) MUST_CHECK;

#endif
