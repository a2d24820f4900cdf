/* serve: the API over HTTP, on this machine. */
#include <signal.h>
#include <unistd.h>

#include "cli.h"
#include "route.h"
#include "sandbox.h"
#include "server.h"
#include "tr.h"

#define LISTEN "127.0.0.1:8391"

/* What the commands are given, as this one was: they run elsewhere, so paths must be whole. */
static const char *const *common_words(struct cli *cli)
{
	struct arena *arena = cli->arena;
	const char **words = ANEW_ARRAY(arena, 8, const char *);
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

static int serve(struct cli *cli, int fd, uint16_t port, const char *token, struct err *e)
{
	struct commands_options with = {common_words(cli), route_allows};
	struct server_options o = {.socket = fd, .port = port, .token = token};
	struct commands *helper = NULL;
	struct server *server = NULL;
	sigset_t ending;
	int number;
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	/* Before there are threads, so that none of them takes these. */
	sigprocmask(SIG_BLOCK, &ending, NULL);
	int rc = commands_start(&with, &helper, e);
	if (rc == OK)
		rc = server_load(e);
	if (rc == OK)
		rc = confine(cli, e);
	if (rc == OK)
		rc = server_start(&o, helper, &server, e);
	if (rc == OK) {
		printf("http://127.0.0.1:%u/?token=%s\n", port, token);
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
	char token[SERVER_TOKEN_SIZE];
	const char *address = cli_value(cli, OPT_LISTEN) ? cli_value(cli, OPT_LISTEN) : LISTEN;
	uint16_t port;
	int fd = -1;
	int rc = server_listen(address, false, &fd, &port, &e);
	if (rc == OK)
		rc = server_token(token, &e);
	if (rc == OK)
		rc = serve(cli, fd, port, token, &e);
	if (fd >= 0)
		close(fd);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
