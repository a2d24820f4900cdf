/* The files compiled into the program: job definitions, the sample session.
 * Generated from the folders named in src/meson.build by scripts/embed. */
#ifndef PREGAO_BUNDLED_H
#define PREGAO_BUNDLED_H

#include "bundled_file.h"

/* Ordered by path, so that a caller may search by halves. */
extern const struct bundled_file bundled_files[];
extern const size_t bundled_files_count;

#endif
