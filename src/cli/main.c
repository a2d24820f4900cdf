/* The program: what happens before and after each command.
 * The commands themselves are rows in commands.c, what they share is cli.c. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "options.h"
#include "tr.h"
#include "xdg.h"

/* Flag > environment > file > default. A file that was named must exist; the usual place may be
 * empty. */
int cli_load_conf(struct cli *cli, struct conf **ret, struct err *e)
{
	struct conf *conf = conf_new(settings, settings_count);
	const char *path = cli->values[OPT_CONFIG];
	if (!path) {
		const char *env = getenv("PREGAO_CONFIG");
		path = env && *env ? env : NULL;
	}
	int rc = OK;
	if (path) {
		rc = conf_load_file(conf, path, e);
	} else {
		const char *usual =
			arena_printf(cli->arena, "%s/pregao/pregao.ini",
				     xdg_folder(cli->arena, "XDG_CONFIG_HOME", ".config"));
		rc = conf_load_file(conf, usual, e);
		if (rc == ERR_NOT_FOUND)
			rc = OK;
	}
	if (rc == OK)
		rc = conf_load_environment(conf, e);
	if (rc == ERR_NOT_FOUND || rc == ERR_INPUT)
		e->code = ERR_USAGE;
	if (rc)
		conf_free(conf);
	else
		*ret = conf;
	return rc;
}

int main(int argc, char **argv)
{
	static struct cli cli; /* large for a stack, and there is one */
	/* Text is UTF-8 whatever the locale; numbers and dates are ours. Only the language of
	 * messages is taken from it. */
	tr_init();
	cli.arena = arena_new();
	cli.program = argc > 0 && *argv[0] ? argv[0] : "pregao";
	const char *asked = getenv("NO_COLOR"), *term = getenv("TERM");
	bool no_colour = (asked && *asked) || (term && strcmp(term, "dumb") == 0);
	cli.colour_out = !no_colour && isatty(STDOUT_FILENO);
	cli.colour_err = !no_colour && isatty(STDERR_FILENO);
	/* A closed pipe is an error that the writer sees, not a death in the middle of a commit. */
	signal(SIGPIPE, SIG_IGN);
	int code = args_parse(&cli, argc, argv);
	if (code == 0) {
		struct err e = ERR_INIT;
		if (cli_load_conf(&cli, &cli.conf, &e) != 0)
			code = cli_fail(&cli, &e);
		else
			code = cli.command->run(&cli);
	} else {
		code--;
	}
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_DONE) {
		fprintf(stderr, "pregao: %s: %s\n", tr("cannot write the result"), strerror(errno));
		code = EXIT_FAILED;
	}
	system_free(cli.system);
	conf_free(cli.conf);
	arena_free(cli.arena);
	return code;
}
