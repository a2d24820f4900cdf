/* Opening libmicrohttpd. */
#include "mhd.h"

#include <dlfcn.h>

#define LIBRARY "libmicrohttpd.so.12"

struct mhd mhd;

int mhd_load(struct err *e)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return err_set(e, ERR_NOT_FOUND,
			       "cannot load %s, which the package libmicrohttpd12 brings: %s",
			       LIBRARY, dlerror());
#define RESOLVE(name)                                                                    \
	if (!(*(void **)&mhd.name = dlsym(library, "MHD_" #name)))                       \
		return err_set(e, ERR_NOT_FOUND, "%s is too old: it has no %s", LIBRARY, \
			       "MHD_" #name);
	MHD_CALLS(RESOLVE)
	return OK;
}
