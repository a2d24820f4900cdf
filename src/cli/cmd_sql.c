/* sql: one statement, in a worker process that can read the lake's tables and nothing else.
 * The worker renders, too: rows go from DuckDB straight to standard output (or the -o file). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "file.h"
#include "render.h"
#include "sandbox.h"
#include "sql_worker.h"
#include "statement.h"
#include "tr.h"

#define STATEMENT_MAX ((size_t)1 << 20)
#define TERMINAL_ROWS 1000 /* rows a table shows when --limit says nothing */

struct job_of_worker {
	struct cli *cli;
	const struct statement *statement;
	const char *temp_dir;
	const char *parquet_path; /* FORMAT_PARQUET: inside temp_dir */
};

/* Old kernels cannot hold everything; whoever relies on it should know. */
static void tell_report(struct cli *cli, const struct sandbox_report *r)
{
	if (r->landlock_abi == 0)
		cli_warn(
			cli,
			"this kernel has no Landlock: the statement is kept from other files by DuckDB's own lock only");
	if (!r->seccomp)
		cli_warn(
			cli,
			"seccomp is not available: system calls of the SQL worker are not filtered");
}

static int run_rendered(struct cli *cli, struct query_engine *q, const struct statement *s,
			struct query_stats *stats, struct err *e)
{
	struct render *r = render_new(stdout, cli->format, cli->colour_out, s->max_rows);
	render_colour_rows(r, s->colour_of);
	struct query_sink sink = render_sink(r);
	int rc = query_engine_run(q, s->sql, &sink, stats, e);
	if (rc == OK)
		rc = render_end(r, e);
	render_free(r);
	return rc;
}

static int run_drawn(struct cli *cli, struct query_engine *q, const struct statement *s,
		     struct query_stats *stats, struct err *e)
{
	struct chart *c = chart_new(stdout, s->chart, cli->colour_out, s->max_rows);
	struct query_sink sink = chart_sink(c);
	int rc = query_engine_run(q, s->sql, &sink, stats, e);
	if (rc == OK)
		rc = chart_end(c, e);
	chart_free(c);
	return rc;
}

/* In the worker process. */
static int worker(void *ctx, struct err *e)
{
	struct job_of_worker *j = ctx;
	struct cli *cli = j->cli;
	struct query_engine *q;
	struct sandbox_report report;
	int rc = cli_system(cli, SYSTEM_QUERY, e);
	if (rc == OK)
		rc = system_query_locked(cli->system, j->temp_dir, &q, &report, e);
	if (rc)
		return rc;
	tell_report(cli, &report);
	struct query_stats stats = {0};
	const struct statement *s = j->statement;
	if (s->chart)
		rc = run_drawn(cli, q, s, &stats, e);
	else if (cli->format == FORMAT_PARQUET)
		rc = query_engine_export(q, s->sql, j->parquet_path, &stats, e);
	else
		rc = run_rendered(cli, q, s, &stats, e);
	if (rc == OK && cli->verbose)
		cli_note(cli, "%lld rows; %lld of %lld files read, catalog version %lld",
			 (long long)stats.rows, (long long)stats.files_listed,
			 (long long)stats.files_total, (long long)stats.catalog_version);
	return rc;
}

/* --timeout and --memory, else the configuration's. */
static int read_limits(struct cli *cli, struct sql_worker *ret, struct err *e)
{
	ret->timeout_us = conf_duration_us(cli->conf, "sql", "timeout");
	const char *t = cli_value(cli, OPT_TIMEOUT);
	if (t && !duration_parse(slice_of(t), &ret->timeout_us))
		return err_set(e, ERR_USAGE, "--timeout %s: expected a time such as 30s or 5m", t);
	const char *m = cli_value(cli, OPT_MEMORY);
	if (m && conf_set(cli->conf, "sql", "memory", m, "flag", e) != 0)
		return e->code;
	int64_t memory = conf_int(cli->conf, "sql", "memory");
	ret->memory_ceiling_bytes = memory + memory / 2 + ((int64_t)512 << 20);
	return OK;
}

/* The worker's own folder: temporary space, and the result on its way. Beside the target, so that
 * it can be renamed into place. */
static int make_folder(struct cli *cli, const char *output, const char **ret, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = output ? arena_printf(cli->arena, "%s.XXXXXX", output)
			   : arena_printf(cli->arena, "%s/pregao-sql.XXXXXX",
					  tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return output && errno == ENOENT
			       ? err_set(e, ERR_NOT_FOUND, "there is no folder for %s", output)
			       : err_errno(e, errno,
					   "cannot make the folder %s for temporary files", dir);
	*ret = dir;
	return OK;
}

/* The worker, with its standard output in the file `path` (NULL: where it is). */
static int run_worker(const struct sql_worker *w, struct job_of_worker *j, const char *path,
		      struct err *e)
{
	if (!path)
		return sql_worker_run(w, worker, j, e);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int saved = fd < 0 ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), rc = OK;
	if (fd < 0 || saved < 0 || dup2(fd, STDOUT_FILENO) < 0)
		rc = err_errno(e, errno, "cannot write %s", path);
	if (fd >= 0)
		close(fd);
	if (rc == OK)
		rc = sql_worker_run(w, worker, j, e);
	if (saved >= 0) {
		dup2(saved, STDOUT_FILENO);
		close(saved);
	}
	return rc;
}

/* The finished file to standard output, block by block: it may be larger than the memory. */
static int copy_out(const char *path, struct err *e)
{
	/* What a pipe that is ready takes without waiting. */
	static char block[PIPE_BUF];
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = OK;
	ssize_t n = 0;
	while (fd >= 0 && rc == OK && (n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t at = 0, written; at < n && rc == OK; at += written) {
			written = sql_worker_wait_to_write(STDOUT_FILENO)
					  ? write(STDOUT_FILENO, block + at, (size_t)(n - at))
					  : -1;
			if (written < 0)
				rc = err_errno(e, errno, "cannot write the result");
		}
	if (fd < 0 || n < 0)
		rc = err_errno(e, errno, "cannot read %s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* The worker is done; its result goes where it was wanted. */
static int deliver(const char *part, const char *output, struct err *e)
{
	if (!output)
		return copy_out(part, e);
	int rc = file_fsync(part, e);
	if (rc == OK && rename(part, output) != 0)
		rc = err_errno(e, errno, "cannot put the result at %s", output);
	return rc ? rc : file_fsync_folder_of(output, e);
}

/* The result is put in place by a rename: through a link at the file that it names, and never over a device or a pipe. */
static int resolve_output(struct cli *cli, const char **output, struct err *e)
{
	struct stat st;
	char *real = *output ? realpath(*output, NULL) : NULL;
	if (!real)
		return OK;
	*output = arena_strdup(cli->arena, real);
	free(real);
	if (stat(*output, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE,
			       "%s is no file to be replaced; redirect the output instead",
			       *output);
	return OK;
}

int statement_run(struct cli *cli, const struct statement *s, struct err *e)
{
	const char *output = s->output;
	bool parquet = cli->format == FORMAT_PARQUET;
	struct sql_worker w = {0};
	if (read_limits(cli, &w, e) != 0)
		return e->code;
	if (parquet && !output && isatty(STDOUT_FILENO))
		return err_set(
			e, ERR_USAGE,
			"Parquet is no text for a terminal: give -o FILE or redirect the output");
	/* Whoever interrupts this finds no temporary folder left behind. */
	sql_worker_hold_signals();
	const char *dir = NULL;
	int rc = resolve_output(cli, &output, e);
	if (rc == OK)
		rc = make_folder(cli, output, &dir, e);
	if (rc == OK) {
		const char *part = arena_printf(cli->arena, "%s/result", dir);
		struct job_of_worker j = {
			.cli = cli, .statement = s, .temp_dir = dir, .parquet_path = part};
		rc = run_worker(&w, &j, output && !parquet ? part : NULL, e);
		if (rc == OK && (output || parquet))
			rc = deliver(part, output, e);
		struct err ignored = ERR_INIT;
		if (file_remove_tree(dir, &ignored) != 0)
			cli_warn(cli, "temporary files were left in %s", dir);
	}
	if (rc && sql_worker_interrupted())
		rc = err_set(e, ERR_CONFLICT, "interrupted");
	sql_worker_release_signals();
	return rc;
}

static int read_chart(struct cli *cli, enum chart_kind *ret, struct err *e)
{
	const char *name = cli_value(cli, OPT_CHART);
	*ret = !name ? CHART_NONE : strcmp(name, "bar") == 0 ? CHART_BAR : CHART_LINE;
	if (*ret == CHART_LINE && strcmp(name, "line") != 0)
		return err_set(e, ERR_USAGE, "--chart %s: expected bar or line", name);
	if (*ret && cli_value(cli, OPT_FORMAT) && cli->format != FORMAT_TABLE)
		return err_set(e, ERR_USAGE, "--chart draws on the terminal: leave --format out");
	return OK;
}

int cmd_sql(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct statement s = {.sql = cli->words[0], .output = cli_value(cli, OPT_OUTPUT)};
	if (cli_int(cli, OPT_LIMIT, 1, INT32_MAX, 0, &s.max_rows, &e) != 0 ||
	    read_chart(cli, &s.chart, &e) != 0)
		return cli_fail(cli, &e);
	/* -o x.parquet says what it wants. */
	if (s.output && !cli_value(cli, OPT_FORMAT) && !s.chart) {
		struct slice name = slice_of(s.output);
		cli->format = slice_ends(name, ".parquet") ? FORMAT_PARQUET
			      : slice_ends(name, ".json")  ? FORMAT_JSON
			      : slice_ends(name, ".csv")   ? FORMAT_CSV
							   : FORMAT_TABLE;
	}
	AUTO_BUF struct buf read = {0};
	if (strcmp(s.sql, "-") == 0) {
		if (file_read("-", STATEMENT_MAX, &read, &e) != 0)
			return cli_fail(cli, &e);
		s.sql = read.data ? read.data : "";
	}
	bool to_terminal = !s.output && !s.chart && cli->format == FORMAT_TABLE &&
			   isatty(STDOUT_FILENO);
	if (!s.max_rows && to_terminal)
		s.max_rows = TERMINAL_ROWS;
	if (s.output)
		cli->colour_out = false;
	int rc = statement_run(cli, &s, &e);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
