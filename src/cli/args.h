/* The rows behind the command line, for what is printed from them: completion and the manual page. */
#ifndef PREGAO_ARGS_H
#define PREGAO_ARGS_H

#include "cli.h"

struct option_row {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	/* NULL: a flag. Words in small letters are values ("fast|recorded"), in capitals they say what
	 * is meant (FILE, DIR, DATE). */
	const char *argument;
	const char *help;
};
const struct option_row *option_at(enum option_id);
extern const enum option_id common_options[]; /* what every command takes */
extern const size_t common_option_count;

#endif
