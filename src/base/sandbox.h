/* Taking rights away from this process for good: Landlock for files and TCP ports, seccomp for
 * system calls. Raw system calls; newer constants are defined here because Debian 12's headers do
 * not have them. */
#ifndef PREGAO_SANDBOX_H
#define PREGAO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* What stays possible, on purpose or because neither mechanism can see it: reading and writing
 * through descriptors that are open already, sockets among them; stat(2) and the like on any path;
 * memory and processor time without limit; shared memory of the process's own making; flock(2) on
 * what can be read. Before Landlock's ABI 2 a file cannot be renamed or linked into another folder
 * (EXDEV). Owners, modes, times and extended attributes cannot be changed anywhere, nor can a path
 * be truncated by truncate(2) or by opening it for reading with O_TRUNC before ABI 3. A core dump
 * or a debugger is not possible afterwards. */
enum sandbox_access { SANDBOX_READ, SANDBOX_READ_WRITE };
struct sandbox_path {
	const char *path; /* a file or a folder; a missing one is skipped */
	enum sandbox_access access;
};
struct sandbox {
	const struct sandbox_path *paths;
	size_t path_count;
	/* false: no socket(2) of any kind, and no TCP by Landlock where the kernel has it */
	bool network;
	/* without network: connections to sockets that listen already are accepted all the same */
	bool accept;
	/* false: execve is refused, and so are fork, ptrace and signals to others (threads stay
	 * possible); true: files under paths may be executed */
	bool exec;
	/* with network: TCP connections only to these ports, from ABI 4 on, none are accepted, and there are no
	 * sockets but TCP's, UDP's and netlink's; NULL: everything. Hosts, and UDP (names are asked for over it),
	 * no kernel tells apart. */
	const uint16_t *connect_ports;
	size_t connect_port_count;
};
/* What could be enforced; sentences for a person are made by the caller. */
struct sandbox_report {
	int landlock_abi; /* 0: the kernel has no Landlock, files are not confined */
	bool truncate;    /* truncation confined by Landlock (ABI 3) or by seccomp */
	bool tcp;         /* ABI 4; false also when everything is allowed */
	bool seccomp;
};
/* Restricts the calling process (all threads made later; call it before there are any). Denied
 * calls fail with EACCES or EPERM, they do not kill. Any error means that a step failed which the
 * kernel claims to support, or that a path exists but cannot be opened: then the caller must not go
 * on, for part of the rights may be gone. max_abi lowers the Landlock ABI believed in (tests); 0
 * means the kernel's, a negative one none at all. */
int sandbox_enter(const struct sandbox *, int max_abi, struct sandbox_report *ret,
		  struct err *) MUST_CHECK;
/* The ABI that sandbox_enter would use, and whether the kernel has seccomp. Takes nothing away. */
int sandbox_landlock_abi(int max_abi);
bool sandbox_has_seccomp(void);

#endif
