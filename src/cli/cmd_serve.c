/* serve: the pages and the API over HTTP, on this machine. */
#include <signal.h>
#include <unistd.h>

#include "cli.h"
#include "sandbox.h"
#include "web_server.h"

/* What the commands are given, as this one was. */
static const char *const *common_words(struct cli *cli)
{
	const char **words = ANEW_ARRAY(cli->arena, 8, const char *);
	size_t n = 0;
	words[n++] = "--lake";
	words[n++] = cli_lake(cli);
	words[n++] = "--definitions";
	words[n++] = cli_definitions(cli);
	if (cli_value(cli, OPT_CONFIG)) {
		words[n++] = "--config";
		words[n++] = cli_value(cli, OPT_CONFIG);
	}
	return words;
}

int cli_listen(struct cli *cli, struct web *ret, char *ret_link, struct err *e)
{
	const char *address = cli_value(cli, OPT_LISTEN);
	int rc = web_listen(address ? address : conf_text(cli->conf, "web", "listen"), cli->arena,
			    ret, ret_link, e);
	ret->common = common_words(cli);
	return rc;
}

/* From here on this process can speak to those who come, and to its helper, and nothing else. */
static int confine(struct cli *cli, struct err *e)
{
	const struct sandbox s = {.accept = true};
	struct sandbox_report report;
	int rc = sandbox_enter(&s, 0, &report, e);
	if (rc == OK && (!report.landlock_abi || !report.seccomp))
		cli_warn(cli, "this kernel cannot hold the server's rights");
	return rc;
}

static int serve(struct cli *cli, const struct web *web, const char *link, struct err *e)
{
	struct commands *helper = NULL;
	struct server *server = NULL;
	sigset_t ending;
	int number;
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	/* Before there are threads, so that none of them takes these. */
	sigprocmask(SIG_BLOCK, &ending, NULL);
	int rc = web_prepare(web, &helper, e);
	if (rc == OK)
		rc = confine(cli, e);
	if (rc == OK)
		rc = web_start(web, helper, &server, e);
	if (rc == OK) {
		printf("%s\n", link);
		fflush(stdout);
		cli_note(cli, "Ctrl-C ends it");
		sigwait(&ending, &number);
	}
	server_stop(server);
	commands_stop(helper);
	return rc;
}

int cmd_serve(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct web web;
	char link[WEB_URL_SIZE];
	int rc = cli_listen(cli, &web, link, &e);
	if (rc == OK && web.socket < 0)
		return cli_usage(cli, "%s: expected an address and a port, such as 127.0.0.1:8391",
				 "none");
	if (rc == OK)
		rc = serve(cli, &web, link, &e);
	if (web.socket >= 0)
		close(web.socket);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
