/* Folders of the user's: an environment variable, else a usual place below the home folder. */
#include "xdg.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *xdg_folder(struct arena *arena, const char *variable, const char *usual)
{
	const char *xdg = getenv(variable), *home = getenv("HOME");
	if (xdg && xdg[0] == '/')
		return arena_strdup(arena, xdg);
	if (!home || home[0] != '/') {
		const struct passwd *me = getpwuid(getuid());
		home = me && me->pw_dir ? me->pw_dir : "";
	}
	return arena_printf(arena, "%s/%s", home, usual);
}
