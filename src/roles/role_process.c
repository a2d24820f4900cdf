/* What happens in a role's process: first everything that needs rights, then the sandbox, then the first
 * byte from outside. */
#include "role_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "role_sandbox.h"

static atomic_bool stop;

static void on_stop(int number)
{
	atomic_store(&stop, true);
}

static int begin(const struct role *role, pid_t parent, struct err *e)
{
	/* A parent that died before this was asked for has left its children to somebody else. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return err_errno(e, errno, "cannot tie the process to its supervisor");
	if (getppid() != parent)
		return err_set(e, ERR_CONFLICT, "the supervisor is gone");
	prctl(PR_SET_NAME, role->name, 0, 0, 0);
	/* What is for the whole group, as a terminal's signals and timeout(1)'s are, is for the supervisor: it ends
	 * the roles one after the other, so that what was collected is delivered. */
	if (setpgid(0, 0) != 0)
		return err_errno(e, errno, "cannot leave the supervisor's process group");
	struct sigaction ignored = {.sa_handler = SIG_IGN}, stopping = {.sa_handler = on_stop};
	sigaction(SIGINT, &ignored, NULL);
	sigaction(SIGHUP, &ignored, NULL);
	sigaction(SIGTERM, &stopping, NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0 && null != STDIN_FILENO) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	return OK;
}

/* Half of what the role may have: DuckDB counts its own only, and the rest wants room, too. */
static int64_t duckdb_bytes(const struct role *role)
{
	struct sysinfo info;
	int64_t bytes = (int64_t)role->memory_mib << 20;
	if (sysinfo(&info) == 0 && (int64_t)info.totalram * info.mem_unit < bytes)
		bytes = (int64_t)info.totalram * info.mem_unit;
	return bytes / 2;
}

int role_enter(const struct role *role, const struct up_settings *s, struct system **ret,
	       struct err *e)
{
	struct guard guard = role_guard(role);
	struct sandbox_report report;
	struct system_options o = {.lake = s->lake,
				   .definitions = s->definitions,
				   .role = role->name,
				   .conf = s->conf,
				   .mode = SYSTEM_WRITE,
				   .no_threads = true,
				   .duckdb_bytes = duckdb_bytes(role),
				   .catalog_reads = !role_may(role, "catalog", "write", NULL),
				   .guard = &guard,
				   .stop = &stop};
	struct system *sys;
	int32_t day;
	int rc = time_date_in_sao_paulo(clock_now_us(&clock_system), &day, e);
	if (rc == OK && role->before)
		rc = role->before(s, e);
	if (rc == OK)
		rc = system_open(&o, &sys, e);
	if (rc)
		return rc;
	rc = role_open(role, s, sys, e);
	if (rc == OK)
		rc = role_confine(role, s, &report, e);
	if (rc) {
		system_free(sys);
		return rc;
	}
	*ret = sys;
	return OK;
}

int role_process(const struct role *role, const struct up_settings *s, pid_t parent, struct err *e)
{
	struct role_context c = {.role = role, .settings = s, .stop = &stop};
	int rc = begin(role, parent, e);
	if (rc == OK)
		rc = role_enter(role, s, &c.system, e);
	if (rc)
		return rc;
	rc = role->run(&c, e);
	if (rc)
		telemetry_failure(system_telemetry(c.system), LOG_LEVEL_ERROR, NULL, "role.failed",
				  role->name, e);
	system_free(c.system);
	return rc;
}

int role_prepare_all(const struct up_settings *s, struct err *e)
{
	struct system *sys = NULL;
	struct system_options o = {.lake = s->lake,
				   .definitions = s->definitions,
				   .role = "up",
				   .conf = s->conf,
				   .mode = SYSTEM_WRITE,
				   .no_threads = true};
	int32_t day;
	int rc = time_date_in_sao_paulo(clock_now_us(&clock_system), &day, e);
	if (rc == OK)
		rc = system_open(&o, &sys, e);
	for (size_t i = 0; rc == OK && i < role_count; i++)
		rc = role_open(&role_table[i], s, sys, e);
	if (sys)
		system_free(sys);
	return rc;
}
