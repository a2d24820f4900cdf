/* Files and TCP by Landlock, through raw system calls with the constants of newer kernels
 * (Documentation/userspace-api/ landlock.rst): what a kernel does not know is left out by its ABI
 * number. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_parts.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define RULE_NET_PORT          2

#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_MAKE_FIFO   (UINT64_C(1) << 10)
#define FS_MAKE_SYM    (UINT64_C(1) << 12)
#define FS_REFER       (UINT64_C(1) << 13)
#define FS_TRUNCATE    (UINT64_C(1) << 14)
#define FS_IOCTL_DEV   (UINT64_C(1) << 15)

#define NET_BIND_TCP    (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL               (UINT64_C(1) << 1)

/* What a rule on a file, not a folder, may hold. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};
struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));
struct net_port_attr {
	uint64_t allowed_access;
	uint64_t port;
};

/* All rights that the ABI knows: what is handled and not granted is denied. */
static uint64_t known_rights(int abi)
{
	uint64_t first = (UINT64_C(1) << 13) - 1;
	return first | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static uint64_t granted(const struct sandbox *s, enum sandbox_access access)
{
	uint64_t rights = FS_READ_FILE | FS_READ_DIR | (s->exec ? FS_EXECUTE : 0);
	/* Writing includes all but the making of devices. */
	if (access == SANDBOX_READ_WRITE)
		rights |= FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
			  FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER |
			  FS_TRUNCATE | FS_IOCTL_DEV;
	return rights;
}

static int add_path(int ruleset, const struct sandbox *s, const struct sandbox_path *p,
		    uint64_t known, struct err *e)
{
	int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return OK;
	struct stat st;
	struct path_beneath_attr rule = {.allowed_access = granted(s, p->access) & known,
					 .parent_fd = fd};
	int errnum = 0;
	if (fd < 0 || fstat(fd, &st) != 0)
		errnum = errno;
	else {
		if (!S_ISDIR(st.st_mode))
			rule.allowed_access &= FS_OF_FILES;
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) != 0)
			errnum = errno;
	}
	if (fd >= 0)
		close(fd);
	if (!errnum)
		return OK;
	err_errno(e, errnum, "cannot let the sandbox have the path");
	return err_where(e, p->path);
}

static int restrict_to(int ruleset, const struct sandbox *s, uint64_t known, bool confines_tcp,
		       struct err *e)
{
	for (size_t i = 0; i < s->path_count; i++) {
		int rc = add_path(ruleset, s, &s->paths[i], known, e);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; confines_tcp && s->network && i < s->connect_port_count; i++) {
		struct net_port_attr rule = {NET_CONNECT_TCP, s->connect_ports[i]};
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) != 0)
			return err_errno(e, errno, "cannot let the sandbox have port %d",
					 (int)s->connect_ports[i]);
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return err_errno(e, errno, "cannot enter the sandbox for files");
	return OK;
}

int sandbox_landlock_abi(int max_abi)
{
	long kernel =
		max_abi < 0 ? 0
			    : syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	int abi = kernel > 0 ? (int)kernel : 0;
	return max_abi > 0 && abi > max_abi ? max_abi : abi;
}

int landlock_enter(const struct sandbox *s, int max_abi, int *ret_abi, struct err *e)
{
	int abi = sandbox_landlock_abi(max_abi);
	*ret_abi = abi;
	if (abi == 0) /* not built in, or not switched on: the report says so */
		return OK;
	struct ruleset_attr attr = {.handled_access_fs = known_rights(abi)};
	bool confines_tcp = abi >= 4 && (!s->network || s->connect_ports);
	if (confines_tcp)
		attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6 && !s->exec)
		attr.scoped = SCOPE_SIGNAL | (s->network ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET);
	/* A kernel refuses what is longer than it knows, unless the rest is zero; older ones refuse
	 * even that. */
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return err_errno(e, errno, "cannot make the sandbox for files");
	int rc = restrict_to(ruleset, s, attr.handled_access_fs, confines_tcp, e);
	close(ruleset);
	return rc;
}
