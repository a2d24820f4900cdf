/* lambda: the program as a function on AWS. */
#include <stdlib.h>

#include "cli.h"
#include "lambda.h"
#include "tr.h"

int cmd_lambda(struct cli *cli)
{
	struct err e = ERR_INIT;
	const struct lambda_handler *handler = lambda_handler_find(cli->words[0]);
	const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
	if (!handler) {
		AUTO_BUF struct buf names = {0};
		for (size_t i = 0; lambda_handlers[i]; i++)
			buf_printf(&names, "%s%s", i ? ", " : "", lambda_handlers[i]->name);
		return cli_usage(cli, "there is no handler %s: expected %s", cli->words[0],
				 names.data);
	}
	if (!api || !*api)
		return cli_usage(
			cli,
			"AWS_LAMBDA_RUNTIME_API is not set: `pregao lambda` is started by AWS Lambda, or by its Runtime Interface Emulator");
	const struct lambda_options o = {.handler = handler,
					 .lake = cli_lake(cli),
					 .definitions = cli_definitions(cli),
					 .conf = cli->conf,
					 .api = api};
	int rc = lambda_run(&o, &e);
	return rc ? cli_fail(cli, &e) : 0;
}
