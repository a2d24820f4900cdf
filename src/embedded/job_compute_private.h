/* What the two halves of job computing share: job_compute.c makes rows of units, job_files.c files
 * of rows. */
#ifndef PREGAO_JOB_COMPUTE_PRIVATE_H
#define PREGAO_JOB_COMPUTE_PRIVATE_H

#include <pthread.h>

#include "duckdb_api.h"
#include "job_compute.h"

#define WORKERS_MAX 16

/* A column that numbers the partitions of an output, and its tables (and the inputs by their view
 * names) in the database that all connections share. */
#define ORDINAL "pregao_partition"
#define STAGED  "pregao_staged_"

/* One partition of an output. */
struct part {
	const char **values; /* of the table's partition columns */
	const char *path;
	size_t scope; /* which of the output's scopes */
	int64_t rows;
	struct duck_file file;
};
struct output {
	const struct table_def *table;
	size_t index;
	struct part *parts;
	size_t part_count;
	struct catalog_scope *scopes;
	const char **names; /* of the files of each scope */
	size_t scope_count, scope_cap, name_cap, name_count;
	struct duck_file *compact; /* for each scope; path NULL: it has no rows */
};
/* A COPY: some partitions of an output, or the compact file of a scope. */
struct task {
	struct output *output;
	size_t first, last; /* partitions */
	bool compact;
	size_t scope;
	struct arena *arena;
	const char *folder; /* of a slice's files */
	struct duck_file *files;
	size_t file_count;
};
struct job_compute {
	struct job_compute_options o;
	struct duck connections[WORKERS_MAX];
	int connection_count;
	bool busy[WORKERS_MAX];
	bool flushes_late[WORKERS_MAX];
	/* files of a COPY ... PARTITION_BY are numbered in the order in which their partitions
	 * come */
	bool numbers_in_order;
	pthread_mutex_t lock; /* of busy */
	pthread_cond_t freed;
	struct buf drops; /* statements that remove what the last batch made */
	/* of the batch that runs */
	struct arena *arena;
	struct output *outputs;
	struct task *tasks;
	size_t task_count, task_cap;
};

/* A connection that nobody uses; waits for one. By its number. */
int job_take_connection(struct job_compute *);
void job_give_connection(struct job_compute *, int);
/* One statement on it, asking the options' poll between its steps. */
int job_run_sql(struct job_compute *, int connection, const char *sql, duckdb_result *ret,
		struct err *) MUST_CHECK;

/* Lists of names, quoted, each but the very first with a comma before it. */
void job_add_names(struct buf *, const struct column *, size_t n, bool *first);
void job_add_sort(struct buf *, const struct table_def *, bool *first);
void job_add_all(struct buf *, const struct table_def *, bool *first);

void job_add_staged(struct buf *, const struct output *); /* the table's name */

/* The scopes that the batch [from, to) replaces, whether it has rows for them or not. */
int job_begin_output(struct job_compute *, size_t index, size_t from, size_t to,
		     struct err *) MUST_CHECK;
/* Once the output's rows are staged: which partitions they make. */
int job_list_parts(struct job_compute *, struct output *, size_t from, struct err *) MUST_CHECK;
/* All files of all outputs. */
int job_write_files(struct job_compute *, struct err *) MUST_CHECK;
int job_make_change(struct job_compute *, const struct output *, struct publish_change *ret,
		    struct err *) MUST_CHECK;
void job_clear_files(struct job_compute *);

#endif
