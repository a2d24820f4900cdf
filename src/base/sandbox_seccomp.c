/* System calls by seccomp: everything is allowed but what the tables below name. They list what
 * Landlock cannot see, and what no part of this program needs but an intruder would. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"
#include "sandbox_parts.h"

/* Newer than Debian 12's headers; the same number on every architecture. */
#define NR_FCHMODAT2      452
#define NR_SETXATTRAT     463
#define NR_REMOVEXATTRAT  466
#define NR_OPEN_TREE_ATTR 467
#define NR_FILE_SETATTR   469

#define CALL(name) SCMP_SYS(name)

/* Never. Names that an architecture lacks have negative pseudo-numbers, which libseccomp leaves
 * out. */
static const int always[] = {
	/* other processes' memory, descriptors and traces */
	CALL(ptrace),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(process_madvise),
	CALL(process_mrelease),
	CALL(pidfd_getfd),
	CALL(kcmp),
	CALL(perf_event_open),
	CALL(userfaultfd),
	/* ways around this filter, and the kernel's riskier corners */
	CALL(io_uring_setup),
	CALL(io_uring_enter),
	CALL(io_uring_register),
	CALL(bpf),
	CALL(keyctl),
	CALL(add_key),
	CALL(request_key),
	CALL(open_by_handle_at),
	CALL(lookup_dcookie),
	CALL(vmsplice),
	CALL(modify_ldt),
	/* namespaces, mounts, the machine */
	CALL(unshare),
	CALL(setns),
	CALL(mount),
	CALL(umount2),
	CALL(pivot_root),
	CALL(chroot),
	CALL(move_mount),
	CALL(open_tree),
	CALL(fsopen),
	CALL(fsconfig),
	CALL(fsmount),
	CALL(fspick),
	CALL(mount_setattr),
	CALL(swapon),
	CALL(swapoff),
	CALL(reboot),
	CALL(sethostname),
	CALL(setdomainname),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(kexec_load),
	CALL(kexec_file_load),
	CALL(acct),
	CALL(quotactl),
	CALL(quotactl_fd),
	CALL(iopl),
	CALL(ioperm),
	CALL(settimeofday),
	CALL(clock_settime),
	CALL(adjtimex),
	CALL(clock_adjtime),
	CALL(syslog),
	CALL(vhangup),
	NR_OPEN_TREE_ATTR,
	/* what Landlock does not confine about files: owners, modes, times, attributes */
	CALL(chmod),
	CALL(fchmod),
	CALL(fchmodat),
	CALL(chown),
	CALL(fchown),
	CALL(lchown),
	CALL(fchownat),
	CALL(utime),
	CALL(utimes),
	CALL(futimesat),
	CALL(utimensat),
	CALL(setxattr),
	CALL(lsetxattr),
	CALL(fsetxattr),
	CALL(removexattr),
	CALL(lremovexattr),
	CALL(fremovexattr),
	NR_FCHMODAT2,
	NR_SETXATTRAT,
	NR_REMOVEXATTRAT,
	NR_FILE_SETATTR,
	/* memory and messages shared with strangers by number or name */
	CALL(shmget),
	CALL(shmat),
	CALL(msgget),
	CALL(semget),
	CALL(mq_open),
};
static const int network[] = {
	CALL(socket), CALL(socketpair), CALL(connect), CALL(bind), CALL(listen),
};
static const int acceptance[] = {
	CALL(accept),
	CALL(accept4),
};
/* bind stays: asking for a name binds a netlink socket. */
static const int service[] = {
	CALL(listen),
	CALL(accept),
	CALL(accept4),
};
static const int execution[] = {
	CALL(execve),     CALL(execveat),          CALL(fork), CALL(vfork), CALL(tkill),
	CALL(pidfd_open), CALL(pidfd_send_signal),
};
/* Calls whose first argument is a process: only this one. */
static const int own_process[] = {
	CALL(kill),
	CALL(tgkill),
	CALL(rt_sigqueueinfo),
	CALL(rt_tgsigqueueinfo),
};

static int deny_all(scmp_filter_ctx filter, const int *calls, size_t n)
{
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	return rc;
}

static int deny_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &condition);
}

/* No new processes, nothing to any other; threads, which are clones that share the process, stay
 * possible. */
static int deny_execution(scmp_filter_ctx filter)
{
	int rc = deny_all(filter, execution, ARRAY_LEN(execution));
	if (rc == 0)
		rc = deny_if(filter, CALL(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	/* Its flags lie in memory, where no filter can look; glibc takes clone when it is told that
	 * there is no clone3. */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	for (size_t i = 0; i < ARRAY_LEN(own_process) && rc == 0; i++)
		rc = deny_if(filter, own_process[i],
			     SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0));
	if (rc == 0)
		rc = deny_if(filter, CALL(prlimit64), SCMP_A0(SCMP_CMP_NE, 0, 0));
	return rc;
}

/* Before its ABI 3 Landlock lets a file that may only be read be truncated: by name, and by opening
 * it with O_TRUNC for reading, or for neither (access mode 3). Opening for writing it does
 * confine. */
static int deny_truncate(scmp_filter_ctx filter)
{
	static const scmp_datum_t modes[] = {O_RDONLY, 3};
	const scmp_datum_t mask = O_TRUNC | O_ACCMODE;
	int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), CALL(truncate), 0);
	/* Its flags lie in memory too. */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(openat2), 0);
	for (size_t i = 0; i < ARRAY_LEN(modes) && rc == 0; i++) {
		rc = deny_if(filter, CALL(open),
			     SCMP_A1(SCMP_CMP_MASKED_EQ, mask, O_TRUNC | modes[i]));
		if (rc == 0)
			rc = deny_if(filter, CALL(openat),
				     SCMP_A2(SCMP_CMP_MASKED_EQ, mask, O_TRUNC | modes[i]));
	}
	return rc;
}

static int deny_if_both(scmp_filter_ctx filter, int call, struct scmp_arg_cmp first,
			struct scmp_arg_cmp second)
{
	const struct scmp_arg_cmp both[] = {first, second};
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 2, both);
}

/* Landlock confines TCP's connect and no other way of reaching somebody: sockets of the file system (a session bus runs
 * programs for whoever asks), other protocols over IP, data that goes with the connection's first packet. Netlink
 * stays, names are asked for with it. Arguments are compared with all their bits: what the kernel would cut off makes
 * a call that no honest code makes. */
static int deny_other_sockets(scmp_filter_ctx filter)
{
	static const scmp_datum_t internet[] = {AF_INET, AF_INET6}, raw[] = {SOCK_RAW, SOCK_PACKET};
	int rc = deny_if(filter, CALL(socket), SCMP_A0(SCMP_CMP_LT, AF_INET, 0));
	for (scmp_datum_t family = AF_INET + 1; family < AF_NETLINK && rc == 0; family++)
		if (family != AF_INET6)
			rc = deny_if(filter, CALL(socket), SCMP_A0(SCMP_CMP_EQ, family, 0));
	if (rc == 0)
		rc = deny_if(filter, CALL(socket), SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));
	for (size_t i = 0; i < ARRAY_LEN(internet) && rc == 0; i++) {
		const struct scmp_arg_cmp family = SCMP_A0(SCMP_CMP_EQ, internet[i], 0);
		rc = deny_if_both(filter, CALL(socket), family,
				  SCMP_A2(SCMP_CMP_GT, IPPROTO_UDP, 0));
		for (scmp_datum_t protocol = 1; protocol < IPPROTO_UDP && rc == 0; protocol++)
			if (protocol != IPPROTO_TCP)
				rc = deny_if_both(filter, CALL(socket), family,
						  SCMP_A2(SCMP_CMP_EQ, protocol, 0));
		/* SOCK_PACKET is an old name of another family */
		for (size_t k = 0; k < ARRAY_LEN(raw) && rc == 0; k++)
			rc = deny_if_both(filter, CALL(socket), family,
					  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, raw[k]));
	}
	const scmp_datum_t fast = MSG_FASTOPEN;
	if (rc == 0)
		rc = deny_if(filter, CALL(sendto), SCMP_A3(SCMP_CMP_MASKED_EQ, fast, fast));
	if (rc == 0)
		rc = deny_if(filter, CALL(sendmsg), SCMP_A2(SCMP_CMP_MASKED_EQ, fast, fast));
	if (rc == 0)
		rc = deny_if(filter, CALL(sendmmsg), SCMP_A3(SCMP_CMP_MASKED_EQ, fast, fast));
	if (rc == 0)
		rc = deny_if_both(filter, CALL(setsockopt), SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP, 0),
				  SCMP_A2(SCMP_CMP_EQ, TCP_FASTOPEN_CONNECT, 0));
	return rc;
}

static int add_rules(scmp_filter_ctx filter, const struct sandbox *s, bool confine_truncate)
{
	int rc = deny_all(filter, always, ARRAY_LEN(always));
	if (rc == 0 && !s->network)
		rc = deny_all(filter, network, ARRAY_LEN(network));
	if (rc == 0 && !s->network && !s->accept)
		rc = deny_all(filter, acceptance, ARRAY_LEN(acceptance));
	if (rc == 0 && s->network && s->connect_ports)
		rc = deny_all(filter, service, ARRAY_LEN(service));
	if (rc == 0 && s->network && s->connect_ports)
		rc = deny_other_sockets(filter);
	if (rc == 0 && !s->exec)
		rc = deny_execution(filter);
	if (rc == 0 && confine_truncate)
		rc = deny_truncate(filter);
	/* Typing into the terminal that the process was started from. */
	if (rc == 0)
		rc = deny_if(filter, CALL(ioctl),
			     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, TIOCSTI));
	return rc;
}

bool sandbox_has_seccomp(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 || errno != EINVAL;
}

int seccomp_enter(const struct sandbox *s, bool confine_truncate, bool *ret_done, struct err *e)
{
	*ret_done = false;
	if (!sandbox_has_seccomp()) /* not built into this kernel */
		return OK;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return err_set(e, ERR_IO, "cannot make the sandbox for system calls");
	/* A tree of comparisons instead of a chain: each call pays for its way through. Older
	 * libraries only have chains. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int rc = add_rules(filter, s, confine_truncate);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc < 0)
		return err_errno(e, -rc, "cannot enter the sandbox for system calls");
	*ret_done = true;
	return OK;
}
