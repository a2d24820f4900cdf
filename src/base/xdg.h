/* Folders of the user's, after the XDG base directory specification. */
#ifndef PREGAO_XDG_H
#define PREGAO_XDG_H

#include "mem.h"

/* What the variable ("XDG_STATE_HOME") says; where it is not set or relative, which the specification wants
 * ignored, the folder `usual` (".local/state") below the home folder: HOME's, else the user database's. */
const char *xdg_folder(struct arena *, const char *variable, const char *usual);

#endif
