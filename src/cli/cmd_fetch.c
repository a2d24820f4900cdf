/* fetch portfolio: B3's portfolio of the day into landing and raw.
 */
#include "cli.h"
#include "intake.h"
#include "render.h"
#include "session.h"
#include "tr.h"

static int dry_portfolio(struct cli *cli, const char *const *indices, size_t n)
{
	static const struct column columns[] = {{.name = "index", .type = COL_TEXT},
						{.name = "url", .type = COL_TEXT}};
	struct err e = ERR_INIT;
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		listing_text(l, indices[i]);
		listing_text(l, intake_url(cli));
		if (cli->format == FORMAT_TABLE)
			printf(tr("%s would be fetched from %s\n"), indices[i], intake_url(cli));
	}
	int rc = cli->format == FORMAT_TABLE ? OK : listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

int cmd_fetch_portfolio(struct cli *cli)
{
	struct err e = ERR_INIT;
	const char *const *indices;
	size_t count;
	if (cli_indices(cli, &indices, &count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli_flag(cli, OPT_DRY_RUN))
		return dry_portfolio(cli, indices, count);
	cli->fetches = true;
	if (cli_system(cli, SYSTEM_WORK, &e) != 0)
		return cli_fail(cli, &e);
	struct session s;
	session_begin(&s, cli, source_find("portfolio"), "fetch portfolio");
	session_fetch(&s, indices, count, NULL);
	session_flush(&s);
	int rc = session_relay(&s, &e);
	return session_finish(&s, rc, &e);
}
