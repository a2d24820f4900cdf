/* From a role's rights to its process's sandbox: folders, files and ports. */
#ifndef PREGAO_ROLE_SANDBOX_H
#define PREGAO_ROLE_SANDBOX_H

#include "role_table.h"
#include "sandbox.h"

/* What a role is kept to. Everything lives in the arena. */
struct role_confines {
	struct sandbox_path *paths;
	size_t path_count;
	uint16_t *ports;
	size_t port_count;
	const char *
		*addresses; /* "host:port", NULL-terminated: hosts are held by our own HTTP only */
	size_t address_count;
	bool network, accept;
};
struct role_confines role_confines(const struct role *, const struct up_settings *, struct arena *);

/* "host:port" of each address that a right to connect means; NULL-terminated, in the arena. */
const char *const *role_addresses(const struct right *, const struct up_settings *, struct arena *);

/* Opens what the role's rights name, and no more: databases are open, with their logs beside them,
 * before their files are all that is left. Makes the folders of its prefixes. */
int role_open(const struct role *, const struct up_settings *, struct system *,
	      struct err *) MUST_CHECK;
#define ROLE_FILES_MAX 1024
/* After role_open, while there is one thread: resource limits and the sandbox, for good. Memory is limited as what
 * the kernel calls data (RLIMIT_DATA), touched or not: a limit on addresses (RLIMIT_AS) would count what libraries
 * only set aside. New processes are refused by seccomp, for RLIMIT_NPROC counts those of the user, not of a role. */
int role_confine(const struct role *, const struct up_settings *, struct sandbox_report *ret,
		 struct err *) MUST_CHECK;

/* What this kernel cannot hold, when Landlock's max_abi is believed in at most. */
struct sandbox_lacks {
	bool files;   /* a role is not kept to its folders: before 5.19, or Landlock is off */
	bool network; /* nor to its ports: before 6.7 */
	bool calls;   /* no seccomp */
};
struct sandbox_lacks role_sandbox_lacks(int max_abi);

#endif
