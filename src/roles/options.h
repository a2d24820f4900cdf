/* Every setting there is: the rows from which the configuration file, the environment and the
 * documentation come. */
#ifndef PREGAO_OPTIONS_H
#define PREGAO_OPTIONS_H

#include "conf.h"

extern const struct conf_option settings[];
extern const size_t settings_count;

#endif
