/* Entering the sandbox, in the order in which each step still may: no new privileges, files
 * (sandbox_landlock.c), system calls (sandbox_seccomp.c). */
#include "sandbox.h"

#include <errno.h>
#include <sys/prctl.h>

#include "sandbox_parts.h"

int sandbox_enter(const struct sandbox *s, int max_abi, struct sandbox_report *ret, struct err *e)
{
	struct sandbox_report report = {0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, errno, "cannot give up new privileges");
	/* Nobody of the same user may look into this process, or read its memory from a core. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_errno(e, errno, "cannot forbid core dumps");
	int rc = landlock_enter(s, max_abi, &report.landlock_abi, e);
	if (rc == OK)
		rc = seccomp_enter(s, report.landlock_abi < 3, &report.seccomp, e);
	if (rc < 0)
		return rc;
	report.truncate = report.landlock_abi >= 3 || report.seccomp;
	report.tcp = report.landlock_abi >= 4 && (!s->network || s->connect_ports);
	*ret = report;
	return OK;
}
