/* What was found, as an error's text shows it. */
#ifndef PREGAO_SHOWN_H
#define PREGAO_SHOWN_H

#include "mem.h"
#include "str.h"

/* At most 40 characters of the bytes as UTF-8 that is safe to print, whatever they are. */
const char *shown(struct arena *, struct slice);

#endif
