/* diff: what changed in an index's portfolio between two sessions. One statement over raw.portfolio,
 * for the papers as B3 names them: the refined rows are of stocks. */
#include <string.h>

#include "b3_portfolio.h"
#include "cli.h"
#include "path.h"
#include "statement.h"
#include "value.h"

/* In colour: who came, who went. */
static const char *colour_of(const char *change)
{
	static const struct {
		const char *change, *colour;
	} colours[] = {{"entered", "green"}, {"left", "red"}};
	for (size_t i = 0; change && i < ARRAY_LEN(colours); i++)
		if (strcmp(colours[i].change, change) == 0)
			return colours[i].colour;
	return NULL;
}

/* "2024-07-15", checked; ERR_USAGE. */
static int read_day(const char *word, char ret[DATE_TEXT_SIZE], struct err *e)
{
	int32_t day;
	if (!date_parse_iso(slice_of(word), &day))
		return err_set(e, ERR_USAGE, "%s: expected a date such as 2024-07-15", word);
	date_format(day, ret);
	return OK;
}

/* The sessions of the index that the lake has; the message when `day` is none of them names the nearest. */
static int check_there(struct cli *cli, const char *index, const char *day, struct err *e)
{
	const struct table_def *t = &b3_portfolio_table;
	struct filter_term term = {"index_code", FILTER_IN, &index, 1};
	struct filter of_index = {&term, 1};
	struct catalog_scope *scopes;
	size_t count;
	if (catalog_scopes(system_catalog(cli->system), t, &of_index, 1, cli->arena, &scopes,
			   &count, e) != 0)
		return e->code;
	const char *before = NULL, *after = NULL;
	for (size_t i = 0; i < count; i++) {
		const char *values[TABLE_MAX_PARTITION];
		size_t n;
		if (path_values(cli->arena, t, scopes[i].scope, values, &n, e) != 0)
			return e->code;
		int order = strcmp(values[0], day);
		if (order == 0)
			return OK;
		if (order < 0)
			before = values[0];
		else if (!after)
			after = values[0];
	}
	if (!before && !after)
		return err_set(e, ERR_NOT_FOUND, "the lake has no session of %s", index);
	return err_set(e, ERR_NOT_FOUND, "the lake has no session of %s on %s; the nearest: %s%s%s",
		       index, day, before ? before : after, before && after ? ", " : "",
		       before && after ? after : "");
}

/* Weights are compared as B3 gives them, in thousandths of a percent. Nothing in it is not checked
 * before: dates and the index are all that comes from outside. */
static const char *statement_of(struct arena *arena, const char *index, const char *from,
				const char *to, bool all)
{
	return arena_printf(
		arena,
		"SELECT CASE WHEN b.codigo IS NULL THEN 'entered' WHEN a.codigo IS NULL THEN 'left'\n"
		"            WHEN a.part > b.part THEN 'up' WHEN a.part < b.part THEN 'down'\n"
		"            WHEN a.qtd_teorica <> b.qtd_teorica THEN 'quantity' ELSE 'same' END AS change,\n"
		"       coalesce(a.codigo, b.codigo) AS codigo, coalesce(a.acao, b.acao) AS acao,\n"
		"       b.part AS part_before, a.part AS part_after,\n"
		"       CAST(coalesce(a.part, 0) - coalesce(b.part, 0) AS DECIMAL(9,3)) AS part_change,\n"
		"       b.qtd_teorica AS qtd_before, a.qtd_teorica AS qtd_after\n"
		"FROM (SELECT codigo, acao, part, qtd_teorica FROM raw.portfolio\n"
		"      WHERE index_code = '%s' AND data_pregao = DATE '%s') AS b\n"
		"FULL JOIN (SELECT codigo, acao, part, qtd_teorica FROM raw.portfolio\n"
		"      WHERE index_code = '%s' AND data_pregao = DATE '%s') AS a ON a.codigo = b.codigo\n"
		"%s"
		"ORDER BY b.codigo IS NOT NULL, a.codigo IS NOT NULL, abs(part_change) DESC, codigo",
		index, from, index, to, all ? "" : "WHERE change <> 'same'\n");
}

int cmd_diff(struct cli *cli)
{
	struct err e = ERR_INIT;
	const char *index;
	char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE];
	if (cli_index(cli, slice_of(cli->words[0]), &index, &e) != 0 ||
	    read_day(cli->words[1], from, &e) != 0 || read_day(cli->words[2], to, &e) != 0 ||
	    cli_system(cli, SYSTEM_READ, &e) != 0 || check_there(cli, index, from, &e) != 0 ||
	    check_there(cli, index, to, &e) != 0)
		return cli_fail(cli, &e);
	/* The worker opens the lake anew: nothing of this process may be shared with it. */
	system_free(cli->system);
	cli->system = NULL;
	struct statement s = {
		.sql = statement_of(cli->arena, index, from, to, cli_flag(cli, OPT_ALL)),
		.colour_of = colour_of};
	return statement_run(cli, &s, &e) ? cli_fail(cli, &e) : EXIT_DONE;
}
