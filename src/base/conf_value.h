/* One value of the configuration: its text checked against its option's type. Only conf.c needs
 * this. */
#ifndef PREGAO_CONF_VALUE_H
#define PREGAO_CONF_VALUE_H

#include "conf.h"

struct conf_value {
	char *text;        /* as written; NULL: not set */
	int64_t number;    /* INT; bytes; microseconds; 0 or 1 */
	const char **list; /* NULL-terminated, into list_text */
	char *list_text;
	char *origin;
};
/* Checks and keeps text; v must be empty. ERR_USAGE says what was found and what was expected. */
int conf_value_set(struct conf_value *v, const struct conf_option *, const char *text,
		   const char *origin, struct err *) MUST_CHECK;
void conf_value_clear(struct conf_value *);

#endif
