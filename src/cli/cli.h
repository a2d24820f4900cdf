/* What all commands share: parsed words, configuration, output, and the system they work on. A
 * command is one row of the table in commands.c and one function; its options are rows too, from
 * which --help comes. */
#ifndef PREGAO_CLI_H
#define PREGAO_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "conf.h"
#include "definitions.h"
#include "err.h"
#include "mem.h"
#include "system.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REJECTED = 3,
	EXIT_UNWELL = 4
};

/* Every option that any command knows; its row in args.c holds name, argument and help. */
enum option_id {
	OPT_LAKE,
	OPT_CONFIG,
	OPT_DEFINITIONS,
	OPT_FORMAT,
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_HELP,
	OPT_INDEX,
	OPT_AS_OF,
	OPT_INPUT,
	OPT_URL,
	OPT_DRY_RUN,
	OPT_OUTPUT,
	OPT_TO,
	OPT_NODE,
	OPT_LIMIT,
	OPT_SCOPE,
	OPT_REPAIR,
	OPT_FORCE,
	OPT_DEAD,
	OPT_ALL,
	OPT_HISTORY,
	OPT_LEVEL,
	OPT_TIMEOUT,
	OPT_MEMORY,
	OPT_FOLLOW,
	OPT_PERIOD,
	OPT_SOURCE,
	OPT_PACE,
	OPT_PAIR,
	OPT_FROM_DAY,
	OPT_TO_DAY,
	OPT_SESSION,
	OPT_STORE,
	OPT_POLICY,
	OPT_WORKERS,
	OPT_QUEUE,
	OPT_ROLE,
	OPT_TEXT,
	OPT_SINCE,
	OPT_LISTEN,
	OPT_CHART,
	OPT_TEMPLATE,
	OPT_REQUIRE_SANDBOX,
	OPT_COUNT, /* how many there are */
};
#define OPTION_LIST_MAX 12
#define WORDS_MAX       4096

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV, FORMAT_CSV_BR, FORMAT_PARQUET };

struct command;
struct web;
struct cli {
	const char *program; /* as it was called, for commands to try next */
	const struct command *command;
	const char *values[OPT_COUNT]; /* NULL: not given; flags without an argument hold "" */
	const char *words[WORDS_MAX];  /* what is not an option */
	size_t word_count;
	struct conf *conf;
	enum format format;
	bool quiet, verbose;
	bool colour_out, colour_err; /* on a terminal, and NO_COLOR is not set */
	/* chosen by the command itself; NULL: as words, environment and file say */
	const char *lake;
	bool fetches;          /* the command will: said before the system is opened */
	struct arena *arena;   /* lives as long as the command */
	struct system *system; /* opened by cli_system */
};
struct command {
	const char *name;      /* "import" or "job run" */
	const char *arguments; /* "portfolio FILE|FOLDER|-..." */
	const char *summary;   /* one line */
	const char *text;      /* some more lines, may be NULL */
	const char *examples;  /* lines "command  # what it does", may be NULL */
	int (*run)(struct cli *);
	enum option_id options[OPTION_LIST_MAX]; /* beside the common ones; ended by OPT_COUNT */
	int words_min, words_max;                /* -1: any number */
	bool parquet;                            /* --format parquet is possible, too */
	const char *group;                       /* heading in the overview */
};
extern const struct command commands[];
extern const size_t command_count;

/* Opens (once) the lake that the words, the environment and the file name. For reading, a lake that
 * does not exist is an empty one. */
int cli_system(struct cli *, enum system_mode, struct err *) MUST_CHECK;
const char *cli_lake(struct cli *); /* flag > environment > file > default */
const char *cli_definitions(struct cli *);
const char *cli_value(const struct cli *, enum option_id); /* NULL: not given */
bool cli_flag(const struct cli *, enum option_id);
/* --limit and the like; ERR_USAGE. fallback when not given. */
int cli_int(const struct cli *, enum option_id, int64_t least, int64_t most, int64_t fallback,
	    int64_t *ret, struct err *) MUST_CHECK;
int cli_date(const struct cli *, enum option_id, int32_t fallback, int32_t *ret,
	     struct err *) MUST_CHECK;
/* ASCII letters in capitals, in the arena: B3's codes have no others. */
const char *cli_upper(struct cli *, struct slice word);
/* The name of an index, in capitals; ERR_USAGE. */
int cli_index(struct cli *, struct slice word, const char **ret, struct err *) MUST_CHECK;
/* --index A,B: checked and split into the arena; the configuration's list when not given. */
int cli_indices(struct cli *, const char *const **ret, size_t *ret_count, struct err *) MUST_CHECK;

/* Says on stderr what went wrong and gives the exit code for it. */
int cli_fail(struct cli *, const struct err *);
/* Wrong words: message, and where to find help; EXIT_USAGE. */
int cli_usage(struct cli *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A line on stderr for people; not with --quiet. */
void cli_note(struct cli *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void cli_warn(struct cli *, const char *fmt, ...) PRINTF_LIKE(2, 3); /* also with --quiet */

/* A configuration of its own, from the places that main takes it from. */
int cli_load_conf(struct cli *, struct conf **ret, struct err *) MUST_CHECK;

/* cmd_serve.c: where --listen, or else the configuration, says; see web_listen */
int cli_listen(struct cli *, struct web *ret, char *ret_link, struct err *) MUST_CHECK;

/* args.c */
/* 0, or an exit code + 1 when there is nothing more to do */
int args_parse(struct cli *, int argc, char **argv);
const char *option_name(enum option_id);

/* Commands, one file per family. */
int cmd_run(struct cli *);
int cmd_fetch_portfolio(struct cli *);
int cmd_fetch_bitcoin(struct cli *);
int cmd_up(struct cli *);
int cmd_access_show(struct cli *);
int cmd_access_check(struct cli *);
int cmd_access_export(struct cli *);
int cmd_import(struct cli *);
int cmd_job_list(struct cli *);
int cmd_job_show(struct cli *);
int cmd_job_validate(struct cli *);
int cmd_job_preview(struct cli *);
int cmd_job_run(struct cli *);
int cmd_job_export(struct cli *);
int cmd_tables(struct cli *);
int cmd_describe(struct cli *);
int cmd_partitions(struct cli *);
int cmd_compact(struct cli *);
int cmd_sql(struct cli *);
int cmd_diff(struct cli *);
int cmd_trace(struct cli *);
int cmd_serve(struct cli *);
int cmd_lambda(struct cli *);
int cmd_quarantine_list(struct cli *);
int cmd_quarantine_show(struct cli *);
int cmd_quarantine_replay(struct cli *);
int cmd_queue_list(struct cli *);
int cmd_queue_show(struct cli *);
int cmd_queue_redrive(struct cli *);
int cmd_stream_status(struct cli *);
int cmd_stream_gaps(struct cli *);
int cmd_stream_replay(struct cli *);
int cmd_backup_status(struct cli *);
int cmd_backup_run(struct cli *);
int cmd_backup_verify(struct cli *);
int cmd_backup_restore(struct cli *);
int cmd_runs(struct cli *);
int cmd_logs(struct cli *);
int cmd_metrics(struct cli *);
int cmd_doctor(struct cli *);
int cmd_alarms_list(struct cli *);
int cmd_alarms_check(struct cli *);
int cmd_alarms_history(struct cli *);
int cmd_schedule_list(struct cli *);
int cmd_schedule_next(struct cli *);
int cmd_schedule_run(struct cli *);
int cmd_calendar_sessions(struct cli *);
int cmd_config_check(struct cli *);
int cmd_config_show(struct cli *);
int cmd_completion(struct cli *);
int cmd_man(struct cli *);

#endif
