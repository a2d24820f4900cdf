/* fetch portfolio: B3's portfolio of the day into landing and raw.
 */
#include "cli.h"
#include "intake.h"
#include "session.h"
#include "tr.h"

int cmd_fetch_portfolio(struct cli *cli)
{
	struct err e = ERR_INIT;
	const char *const *indices;
	size_t count;
	if (cli_indices(cli, &indices, &count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli_flag(cli, OPT_DRY_RUN)) {
		for (size_t i = 0; i < count; i++)
			printf(tr("%s would be fetched from %s\n"), indices[i], intake_url(cli));
		return EXIT_DONE;
	}
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
