/* The table of commands: what each is called, takes, says about itself, and does. A new command is
 * one row here and one function in a cmd_*.c file; help and checks come from the row. */
#include "cli.h"

#define NO_MORE OPT_COUNT

const struct command commands[] = {
	{
		.name = "run",
		.arguments = "",
		.summary =
			"one pass: fetch, raw, trigger, job, refined, catalog; prints the largest shares",
		.text = "Fetches the theoretical portfolio of the day of each index, keeps the bytes, writes raw and refined Parquet, registers them in\n"
			"the catalog, and asks it for the ten largest shares. Running it again changes nothing unless B3 published something new.\n"
			"With --input sample a session that is compiled into the program is used, in a lake of its own unless --lake is given.",
		.examples =
			"  pregao run --input auto                     # B3, or the sample session where B3 cannot be reached\n"
			"  pregao run --index IBOV,SMLL                # two indices\n"
			"  pregao run --input IBOVDia_15-07-24.csv     # a file that you downloaded",
		.run = cmd_run,
		.options = {OPT_INDEX, OPT_AS_OF, OPT_INPUT, OPT_URL, OPT_DRY_RUN, NO_MORE},
		.group = "The daily pass",
	},
	{
		.name = "fetch portfolio",
		.arguments = "",
		.summary =
			"fetch B3's portfolio: landing, raw, and the message that will start the job",
		.text = "The job itself is left to a worker: `pregao run` or `pregao import` in any later call.",
		.examples = "  pregao fetch portfolio --index IBOV\n"
			    "  pregao fetch portfolio --index SMLL --url http://127.0.0.1:8000/",
		.run = cmd_fetch_portfolio,
		.options = {OPT_INDEX, OPT_URL, OPT_DRY_RUN, NO_MORE},
		.group = "The daily pass",
	},
	{
		.name = "up",
		.arguments = "",
		.summary = "the whole system: schedules, collector, deliverer, jobs, backup, pages",
		.text = "A process for each role, which may do its own work and nothing else (`pregao access show`). A role that dies is started again.\n"
			"SIGHUP reads the configuration again; a wrong one changes nothing. --source and --period as for `pregao fetch bitcoin`.\n"
			"The link that it prints opens the pages, as that of `pregao serve` does.",
		.examples = "  pregao up\n"
			    "  pregao up --lake /srv/pregao --require-sandbox\n"
			    "  pregao up --source binance --period 10s --format json",
		.run = cmd_up,
		.options = {OPT_PERIOD, OPT_SOURCE, OPT_LISTEN, OPT_REQUIRE_SANDBOX, NO_MORE},
		.group = "The daily pass",
	},
	{
		.name = "lambda",
		.arguments = "HANDLER",
		.summary = "the program as a function of AWS Lambda",
		.text = "Serves the events of Lambda's Runtime API, which AWS_LAMBDA_RUNTIME_API names. Handlers:\n"
			"  daily-bovespa    fetches each index of PREGAO_INDICES from B3 on a session's day, until it is there, into PREGAO_LAKE\n"
			"  glue-activation  starts the job of PREGAO_GLUE_JOB for the partitions of an S3 event, which may come through a queue\n"
			"docs/aws.md lists the settings.",
		.examples = "  pregao lambda daily-bovespa\n"
			    "  pregao lambda glue-activation",
		.run = cmd_lambda,
		.options = {NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Operation",
	},

	{
		.name = "import",
		.arguments = "portfolio FILE|FOLDER|-...",
		.summary = "the same path from saved files",
		.text = "Takes what B3 lets you download (CSV with or without sectors) and the service's JSON answers, which need --index. A folder is\n"
			"searched for .csv, .txt and .json files. Each file stands alone: what is refused goes to quarantine with its reason and place,\n"
			"and the others go on. Exit status 1 if any failed, else 3 if any was refused.",
		.examples =
			"  pregao import portfolio IBOVDia_15-07-24.csv\n"
			"  pregao import portfolio downloads/          # a whole folder\n"
			"  pregao import portfolio --force FILE.csv    # again: the session's files were lost\n"
			"  curl -s ADDRESS | pregao import portfolio - # standard input",
		.run = cmd_import,
		.options = {OPT_INDEX, OPT_AS_OF, OPT_FORCE, OPT_DRY_RUN, NO_MORE},
		.words_min = 2,
		.words_max = -1,
		.group = "The daily pass",
	},
	{
		.name = "fetch bitcoin",
		.arguments = "",
		.summary =
			"ask Bitcoin's tickers, once or slot by slot, and stream the answers to the lake",
		.text = "Each source is asked once a slot, on a grid that does not drift. What it said is durable before it is printed, and queryable as\n"
			"raw.bitcoin_ticks at once; a slot without a good answer is a row of raw.bitcoin_gaps. With --format json there is one line for each\n"
			"durable record: {\"seq\":N,\"kind\":\"tick\"|\"gap\",...}. NAME is cointradermonitor, mercadobitcoin, binance or coinbase.",
		.examples =
			"  pregao fetch bitcoin                           # one slot\n"
			"  pregao fetch bitcoin --follow                  # until Ctrl-C\n"
			"  pregao fetch bitcoin --follow --period 10s --source binance --source coinbase/BTC-EUR\n"
			"  pregao fetch bitcoin --source binance=http://127.0.0.1:8000/ticker",
		.run = cmd_fetch_bitcoin,
		.options = {OPT_FOLLOW, OPT_PERIOD, OPT_SOURCE, OPT_DRY_RUN, NO_MORE},
		.group = "Bitcoin",
	},
	{
		.name = "stream status",
		.arguments = "",
		.summary = "the delivery stream: last record, delivered mark, lag, spool, gaps",
		.examples = "  pregao stream status\n  pregao stream status --format json",
		.run = cmd_stream_status,
		.options = {NO_MORE},
		.group = "Bitcoin",
	},
	{
		.name = "stream gaps",
		.arguments = "",
		.summary = "slots without an answer, and trade ids that never came",
		.examples = "  pregao stream gaps",
		.run = cmd_stream_gaps,
		.options = {NO_MORE},
		.group = "Bitcoin",
	},
	{
		.name = "stream replay",
		.arguments = "FILE...",
		.summary = "feed recordings through the stream: trades and tickers",
		.text = "A recording is lines, gzipped or not: \"<receive time in ns> <JSON message>\", NDJSON, or CSV. It goes through the same stream as\n"
			"what is collected live; when it is delivered, the jobs that wait for it run. Replaying a file twice adds nothing, and a replay\n"
			"that was interrupted goes on where it was.\n\n"
			"The same bytes under another --source or --pair are another replay, which wants --force: the rows of a wrong one stay, for the\n"
			"lake only adds. They have the wrong source or pair, and the numbers (seq) from first_seq to last_seq that the replay printed, by\n"
			"which a query leaves them out. Of what two different recordings share, a trade is there once, by its number; tickers are there\n"
			"twice. Lines that cannot be read are kept: `pregao quarantine list`.\n\n"
			"CSV has Binance's columns (id, price, qty, quote_qty, time, is_buyer_maker; with or without their names in the first line) or those\n"
			"of raw.bitcoin_ticks or raw.bitcoin_trades, as `pregao sql --format csv` writes them. What says neither its source nor its pair\n"
			"wants --source (one of those of `fetch bitcoin`) and --pair.",
		.examples = "  pregao stream replay binance_btcusdt.ws.gz\n"
			    "  pregao stream replay --pace recorded binance_btcusdt.ws.gz\n"
			    "  pregao stream replay --source binance --pair BTCUSDT trades.csv",
		.run = cmd_stream_replay,
		.options = {OPT_PACE, OPT_SOURCE, OPT_PAIR, OPT_FORCE, NO_MORE},
		.words_min = 1,
		.words_max = -1,
		.group = "Bitcoin",
	},
	{
		.name = "tables",
		.arguments = "",
		.summary = "the tables of the lake",
		.examples = "  pregao tables\n  pregao tables --format json",
		.run = cmd_tables,
		.options = {NO_MORE},
		.group = "Look at the data",
	},
	{
		.name = "describe",
		.arguments = "TABLE",
		.summary = "columns, types, null counts, smallest and largest values",
		.examples =
			"  pregao describe refined.portfolio\n  pregao describe raw.portfolio --history",
		.run = cmd_describe,
		.options = {OPT_HISTORY, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Look at the data",
	},
	{
		.name = "partitions",
		.arguments = "TABLE",
		.summary = "partitions with rows, files and bytes",
		.examples =
			"  pregao partitions raw.portfolio\n  pregao partitions refined.portfolio --limit 5",
		.run = cmd_partitions,
		.options = {OPT_LIMIT, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Look at the data",
	},
	{
		.name = "sql",
		.arguments = "STATEMENT|-",
		.summary = "run one reading SQL statement over the lake",
		.text = "DuckDB's SQL over the catalog's tables, in a process that can read the lake's tables and nothing else. Only the files that\n"
			"the conditions on partition columns leave over are opened. - reads the statement from standard input.",
		.examples =
			"  pregao sql \"SELECT ticker, participation FROM refined.portfolio WHERE index_code = 'IBOV' ORDER BY 2 DESC LIMIT 10\"\n"
			"  pregao sql \"SELECT * FROM raw.portfolio\" --format csv -o portfolio.csv\n"
			"  pregao sql \"SELECT * FROM refined.portfolio\" --format parquet -o portfolio.parquet\n"
			"  pregao sql \"SELECT ticker, participation FROM refined.portfolio ORDER BY 2 DESC LIMIT 10\" --chart bar\n"
			"  pregao sql \"SELECT * FROM refined.portfolio\" --format csv-br -o carteira.csv   # for a Brazilian Excel",
		.run = cmd_sql,
		.parquet = true,
		.options = {OPT_CHART, OPT_OUTPUT, OPT_LIMIT, OPT_TIMEOUT, OPT_MEMORY, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Look at the data",
	},
	{
		.name = "diff",
		.arguments = "INDEX DATE DATE",
		.summary = "what changed in an index between two sessions",
		.text = "Papers that entered, that left, and whose weight or theoretical quantity changed, from raw.portfolio; the largest change first.\n"
			"--all shows those that are the same, too.",
		.examples = "  pregao diff IBOV 2024-07-15 2024-07-16\n"
			    "  pregao diff IBOV 2024-07-15 2024-09-02 --format csv-br",
		.run = cmd_diff,
		.options = {OPT_ALL, NO_MORE},
		.words_min = 3,
		.words_max = 3,
		.group = "Look at the data",
	},
	{
		.name = "trace",
		.arguments = "INDEX CODE DATE",
		.summary = "one paper of a session: its bytes, and what each step made of them",
		.text = "From the line and byte in landing through raw.portfolio and each node of the job `portfolio`, computed anew, to the rows that the\n"
			"tables have, with their files. A paper that shares its stock with others appears in their group.",
		.examples = "  pregao trace IBOV PETR4 2024-07-15\n"
			    "  pregao trace IBOV PETR4 2024-07-15 --format json",
		.run = cmd_trace,
		.options = {OPT_AS_OF, NO_MORE},
		.words_min = 3,
		.words_max = 3,
		.group = "Look at the data",
	},
	{
		.name = "serve",
		.arguments = "",
		.summary = "the lake over HTTP, for this machine: rows, runs, jobs, alarms",
		.text = "Prints a link with a token, which every request must show (as a cookie, or as `Authorization: Bearer`). /api/openapi.json\n"
			"describes what can be asked. Each answer is made by a command in a process of its own; the server itself may read nothing.",
		.examples = "  pregao serve\n"
			    "  pregao serve --listen 127.0.0.1:9000",
		.run = cmd_serve,
		.options = {OPT_LISTEN, NO_MORE},
		.group = "Look at the data",
	},
	{
		.name = "job list",
		.arguments = "",
		.summary = "the job definitions",
		.examples = "  pregao job list",
		.run = cmd_job_list,
		.options = {NO_MORE},
		.group = "Jobs",
	},
	{
		.name = "job show",
		.arguments = "JOB",
		.summary = "the graph: nodes, inputs, schema at each",
		.text = "JOB is a name or a path to a .json file.",
		.examples =
			"  pregao job show portfolio\n  pregao job show portfolio --node by_stock --format json",
		.run = cmd_job_show,
		.options = {OPT_NODE, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Jobs",
	},
	{
		.name = "job validate",
		.arguments = "JOB",
		.summary = "check a definition: syntax, types, columns",
		.examples = "  pregao job validate my_job.json",
		.run = cmd_job_validate,
		.options = {NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Jobs",
	},
	{
		.name = "job preview",
		.arguments = "JOB",
		.summary = "rows at a node, computed from the lake, nothing written",
		.examples = "  pregao job preview portfolio --node by_stock --limit 5",
		.run = cmd_job_preview,
		.options = {OPT_NODE, OPT_LIMIT, OPT_AS_OF, OPT_TIMEOUT, OPT_MEMORY, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Jobs",
	},
	{
		.name = "job run",
		.arguments = "JOB",
		.summary = "run a job now",
		.text = "Without --partition over every partition of its trigger table; what is already made of the same input is left alone.",
		.examples =
			"  pregao job run portfolio --as-of 2024-12-31\n  pregao job run my_job.json",
		.run = cmd_job_run,
		.options = {OPT_AS_OF, OPT_SCOPE, OPT_FORCE, OPT_DRY_RUN, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Jobs",
	},
	{
		.name = "job export",
		.arguments = "JOB",
		.summary =
			"the job as something else: SQL for DuckDB, a program for Spark, a Glue script",
		.examples = "  pregao job export portfolio --to sql -o portfolio.sql\n"
			    "  pregao job export portfolio --to spark -o portfolio.py",
		.run = cmd_job_export,
		.options = {OPT_TO, OPT_OUTPUT, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Jobs",
	},
	{
		.name = "runs",
		.arguments = "[RUN]",
		.summary = "passes and job runs, newest first; one with its steps",
		.examples = "  pregao runs\n  pregao runs 3f2a91c0",
		.run = cmd_runs,
		.options = {OPT_LIMIT, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "logs",
		.arguments = "[RUN]",
		.summary = "log events of a run, or the newest of all",
		.text = "RUN may be shortened to a unique beginning or end.",
		.examples = "  pregao logs 3f2a91c0\n"
			    "  pregao logs --level warning --since 24h\n"
			    "  pregao logs --role collector --text timeout",
		.run = cmd_logs,
		.options = {OPT_LEVEL, OPT_ROLE, OPT_TEXT, OPT_SINCE, OPT_LIMIT, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "metrics",
		.arguments = "",
		.summary = "counters, gauges and histograms in Prometheus text",
		.examples = "  pregao metrics",
		.run = cmd_metrics,
		.options = {NO_MORE},
		.group = "Operation",
	},
	{
		.name = "backup status",
		.arguments = "",
		.summary = "copies of the Bitcoin tables: how many, how old, what waits",
		.examples = "  pregao backup status\n  pregao backup status --format json",
		.run = cmd_backup_status,
		.options = {OPT_STORE, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "backup run",
		.arguments = "",
		.summary = "copy what has no copy yet, check every copy",
		.text = "Works off the messages of created objects, then copies whatever else of raw.bitcoin_* has no copy. A copy is read back and its\n"
			"hash compared before it counts, and is never overwritten. Exit status 1 if an object could not be copied; it is tried again.",
		.examples = "  pregao backup run\n"
			    "  pregao backup run --to /mnt/other-disk/pregao-backup --workers 32\n"
			    "  pregao backup run --dry-run",
		.run = cmd_backup_run,
		.options = {OPT_STORE, OPT_WORKERS, OPT_DRY_RUN, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "backup verify",
		.arguments = "",
		.summary = "read every copy and compare it with its manifest",
		.text = "Also every object of the lake must have a copy. Exit status 1 if anything is wrong and was not mended, each object named.\n"
			"--repair puts a damaged or missing copy again where the lake's object still has the hash of the manifest, and a manifest\n"
			"where the copy has that of the lake's object; what nothing proves stays as it is.",
		.examples =
			"  pregao backup verify\n  pregao backup verify --repair\n  pregao backup verify --format json",
		.run = cmd_backup_verify,
		.options = {OPT_STORE, OPT_WORKERS, OPT_REPAIR, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "backup restore",
		.arguments = "",
		.summary = "put copies back into the lake and prove that it is equal",
		.text = "What the lake has lost, or has with other bytes, comes back and is registered in the catalog; what it has stays. In the end\n"
			"everything is read again from the lake and compared. Exit status 1 if anything is not equal. --lake may name a new lake.",
		.examples =
			"  pregao backup restore --dry-run\n"
			"  pregao backup restore --lake new-lake --to /mnt/other-disk/pregao-backup",
		.run = cmd_backup_restore,
		.options = {OPT_STORE, OPT_WORKERS, OPT_DRY_RUN, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "queue list",
		.arguments = "",
		.summary = "messages that wait, are being worked on, or died",
		.examples = "  pregao queue list --dead\n  pregao queue list --queue backup",
		.run = cmd_queue_list,
		.options = {OPT_DEAD, OPT_QUEUE, OPT_LIMIT, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "queue show",
		.arguments = "MESSAGE",
		.summary = "one message whole",
		.examples = "  pregao queue show 5b1e0c",
		.run = cmd_queue_show,
		.options = {OPT_QUEUE, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "queue redrive",
		.arguments = "MESSAGE|--all",
		.summary = "send dead letters again",
		.examples = "  pregao queue redrive --all",
		.run = cmd_queue_redrive,
		.options = {OPT_ALL, OPT_QUEUE, OPT_DRY_RUN, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "quarantine list",
		.arguments = "",
		.summary = "input that was refused, with the reason",
		.examples = "  pregao quarantine list",
		.run = cmd_quarantine_list,
		.options = {NO_MORE},
		.group = "Operation",
	},
	{
		.name = "quarantine show",
		.arguments = "ID",
		.summary = "one refusal: the reason, the place, the bytes around it",
		.text = "ID is the beginning of the payload's SHA-256; -o saves the payload. Of a recording's refused lines, which `stream replay` keeps\n"
			"together, each is shown with its number and reason; --format json has their bytes too, in base64.",
		.examples =
			"  pregao quarantine show 8c01f2\n  pregao quarantine show 8c01f2 -o payload.csv",
		.run = cmd_quarantine_show,
		.options = {OPT_OUTPUT, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "quarantine replay",
		.arguments = "ID|--all",
		.summary = "try refused input again with this version of the program",
		.examples = "  pregao quarantine replay --all",
		.run = cmd_quarantine_replay,
		.options = {OPT_ALL, OPT_INDEX, OPT_DRY_RUN, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "compact",
		.arguments = "[TABLE]",
		.summary = "merge the compact layout's small files",
		.text = "Closed months are merged by themselves; this merges all there are.",
		.examples = "  pregao compact refined.portfolio",
		.run = cmd_compact,
		.options = {OPT_DRY_RUN, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "doctor",
		.arguments = "",
		.summary = "what is wrong with the lake, and the command that mends it",
		.text = "Looks at the lake, its files, sessions, jobs, queues, stream, backup, schedules and sandbox, and changes nothing. Exit status 4 when\n"
			"anything is wrong (warning or error). --all looks at every file and reads every copy of the backup; otherwise files are sampled.",
		.examples = "  pregao doctor\n"
			    "  pregao doctor --all --format json",
		.run = cmd_doctor,
		.options = {OPT_ALL, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "alarms list",
		.arguments = "",
		.summary = "what is watched and how it stands now",
		.text = "Judges every alarm of the configuration now; changes nothing and tells nobody: see alarms check.",
		.examples = "  pregao alarms list\n  pregao alarms list --format json",
		.run = cmd_alarms_list,
		.options = {NO_MORE},
		.group = "Operation",
	},
	{
		.name = "alarms check",
		.arguments = "",
		.summary =
			"judge the alarms once and tell who wants to know: what `up` does each minute",
		.text = "Judges every alarm of the configuration, writes changes down, and tells [alarms] notify and webhook of them, each\n"
			"channel until it took the change. Exit status 4 when any alarm is on.",
		.examples =
			"  */5 * * * *  pregao alarms check --quiet    # without `up`, from cron",
		.run = cmd_alarms_check,
		.options = {NO_MORE},
		.group = "Operation",
	},
	{
		.name = "alarms history",
		.arguments = "",
		.summary = "changes of alarms, newest first, and whether somebody was told",
		.examples = "  pregao alarms history --limit 10",
		.run = cmd_alarms_history,
		.options = {OPT_LIMIT, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "schedule list",
		.arguments = "",
		.summary = "the schedules: when, what became of the last one, when the next is due",
		.examples = "  pregao schedule list\n  pregao schedule list --format json",
		.run = cmd_schedule_list,
		.options = {NO_MORE},
		.group = "Operation",
	},
	{
		.name = "schedule next",
		.arguments = "[SCHEDULE]",
		.summary = "what is due next, by B3's calendar",
		.examples = "  pregao schedule next portfolio --limit 20",
		.run = cmd_schedule_next,
		.options = {OPT_LIMIT, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "schedule run",
		.arguments = "SCHEDULE",
		.summary = "send a schedule's message now, whatever became of it before",
		.text = "The work itself is done by whoever receives the message: `pregao up`.",
		.examples =
			"  pregao schedule run portfolio\n  pregao schedule run portfolio --session 2026-07-15",
		.run = cmd_schedule_run,
		.options = {OPT_SESSION, OPT_DRY_RUN, NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "calendar sessions",
		.arguments = "",
		.summary = "B3's trading sessions, one date a line",
		.text = "From 1990 to 2199, with the configuration's own days. JSON and CSV also tell half days (Ash Wednesday).",
		.examples =
			"  pregao calendar sessions --from 2026-01-01 --to 2026-12-31\n"
			"  pregao calendar sessions --from 2026-02-01 --to 2026-02-28 --format json",
		.run = cmd_calendar_sessions,
		.options = {OPT_FROM_DAY, OPT_TO_DAY, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "access show",
		.arguments = "[ROLE]",
		.summary = "what each role may do, and what holds it to that",
		.text = "kernel: Landlock and seccomp keep the process from everything else. guard: the kernel keeps it from the resource, a check around the\n"
			"port from the actions it has no right to. nothing: this kernel cannot hold it. Of an address the kernel holds the port; the host is held\n"
			"by our own HTTP only, so not against whoever took over the process.",
		.examples = "  pregao access show\n  pregao access show scraper --format json",
		.run = cmd_access_show,
		.options = {NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "access check",
		.arguments = "[ROLE [ACTION RESOURCE]]",
		.summary =
			"what each role can do, by trying; or whether one may do that, by the table",
		.text = "Without ACTION: a process for each role enters its sandbox, in a lake made for that and removed, and tries every right, its own and\n"
			"those of the others, and what nobody may. yes: it was possible; kernel, guard: who refused it; !: not as the table says (exit status 4).\n"
			"RESOURCE is a key of the lake, or KIND:NAME: queue:backup, stream:bitcoin, catalog:raw.portfolio, network:HOST:PORT. Exit status 0: yes, 1: no.",
		.examples = "  pregao access check\n"
			    "  pregao access check scraper --format json\n"
			    "  pregao access check scraper write raw/portfolio/x.parquet\n"
			    "  pregao access check backup receive queue:backup",
		.run = cmd_access_check,
		.options = {NO_MORE},
		.words_max = 3,
		.group = "Operation",
	},
	{
		.name = "access export",
		.arguments = "[ROLE]",
		.summary = "the rights as JSON statements, in the form of IAM policies",
		.text = "--to iam: a policy for each role that runs under one of its own on AWS; with ROLE, its document alone. Names that only an\n"
			"installation knows stand as ${lake_bucket}, for Terraform's templatefile.",
		.examples = "  pregao access export > rights.json\n"
			    "  pregao access export scraper --to iam",
		.run = cmd_access_export,
		.options = {OPT_POLICY, NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "config check",
		.arguments = "[FILE]",
		.summary = "check a configuration file",
		.text = "Without FILE: the one in force, and the environment. Exit status 2 if anything is wrong, with the line.",
		.examples = "  pregao config check pregao.ini",
		.run = cmd_config_check,
		.options = {NO_MORE},
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "config show",
		.arguments = "",
		.summary = "every setting: its value, where it comes from, what it means",
		.text = "--template prints a file to begin with: every setting with its meaning, its environment variable and its default.",
		.examples = "  pregao config show\n"
			    "  pregao config show --template > pregao.ini\n"
			    "  pregao config show --format json",
		.run = cmd_config_show,
		.options = {OPT_TEMPLATE, NO_MORE},
		.group = "Operation",
	},
	{
		.name = "completion",
		.arguments = "bash|zsh|fish",
		.summary = "what your shell needs to complete commands, options and values",
		.text = "The installed program's is found by the shell itself; this is for one that was only built.",
		.examples = "  source <(pregao completion bash)\n"
			    "  source <(pregao completion zsh)\n"
			    "  pregao completion fish | source",
		.run = cmd_completion,
		.options = {NO_MORE},
		.words_min = 1,
		.words_max = 1,
		.group = "Operation",
	},
	{
		.name = "man",
		.arguments = "",
		.summary = "the manual page, for man(1)",
		.examples = "  pregao man | man -l -",
		.run = cmd_man,
		.options = {NO_MORE},
		.group = "Operation",
	},
};
const size_t command_count = ARRAY_LEN(commands);
