/* The table of settings. A new one is one row here; `pregao config show` and its documentation
 * follow by themselves. */
#include "options.h"

#include "mem.h"

const struct conf_option settings[] = {
	{"lake", "path", CONF_TEXT, "", "PREGAO_LAKE", NULL,
	 "folder of the lake; empty: `lake` under XDG_DATA_HOME/pregao"},
	{"lake", "definitions", CONF_TEXT, "", "PREGAO_DEFINITIONS", NULL,
	 "folder with your own jobs/*.json; empty: XDG_DATA_HOME/pregao"},
	{"lake", "lock_wait", CONF_DURATION, "60s", NULL, NULL,
	 "how long to wait for another pregao that writes the same table"},
	{"b3_portfolio", "url", CONF_TEXT,
	 "https://sistemaswebb3-listados.b3.com.br/indexProxy/indexCall/", "PREGAO_B3_URL", NULL,
	 "base address of B3's index service"},
	{"b3_portfolio", "indices", CONF_LIST, "IBOV", "PREGAO_INDICES", NULL,
	 "indices to fetch when --index is not given"},
	{"b3_portfolio", "forms", CONF_LIST, "day,download", NULL, NULL,
	 "forms of the service to try, in this order: day (GetPortfolioDay, with sectors), download (GetDownloadPortfolioDay)"},
	{"b3_portfolio", "deadline", CONF_DURATION, "25s", NULL, NULL, "for one request"},
	{"b3_portfolio", "attempts", CONF_INT, "5", NULL, NULL,
	 "how often a failed request is made in all"},
	{"b3_portfolio", "pause", CONF_DURATION, "1s", NULL, NULL,
	 "upper bound of the first pause between attempts; it doubles each time"},
	{"b3_portfolio", "pause_cap", CONF_DURATION, "30s", NULL, NULL,
	 "no pause is longer, an obeyed Retry-After aside"},
	{"b3_portfolio", "body_limit", CONF_BYTES, "16MiB", NULL, NULL,
	 "a longer answer is refused"},
	{"queue", "max_receives", CONF_INT, "5", NULL, NULL,
	 "a message received this often without success becomes a dead letter"},
	{"sql", "memory", CONF_BYTES, "1GiB", "PREGAO_SQL_MEMORY", NULL,
	 "memory that a statement may use before it spills to disk"},
	{"sql", "timeout", CONF_DURATION, "10m", NULL, NULL,
	 "a statement that takes longer is ended"},
	{"telemetry", "limit", CONF_BYTES, "64MiB", NULL, NULL,
	 "size up to which runs and log events are kept"},
};
const size_t settings_count = ARRAY_LEN(settings);
