/* A profile of the files that AWS's own tools share: ~/.aws/credentials and ~/.aws/config. */
#ifndef PREGAO_AWS_PROFILE_H
#define PREGAO_AWS_PROFILE_H

#include "mem.h"
#include "sigv4.h"
#include "world.h"

struct profile {
	const char *name;
	const char *credentials_path, *config_path; /* as they were looked for */
	bool found;                                 /* in either file */
	struct sigv4_key key;                       /* access NULL: none in it */
	const char *region;                         /* may be NULL */
	/* The key of a way to credentials that this program does not go ("sso_session"), or NULL. */
	const char *unsupported;
};
/* AWS_PROFILE, else "default"; AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, else those below
 * HOME. A file that is not there is empty. ERR_DENIED, ERR_IO, ERR_LIMIT for one that cannot be read,
 * ERR_USAGE for half a key. */
int profile_load(const struct aws_world *, struct arena *, struct profile *ret,
		 struct err *) MUST_CHECK;

#endif
