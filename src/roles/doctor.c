/* The doctor's table of checks. A new one is a row and a function that adds findings; those of the data
 * itself are in doctor_data.c and doctor_files.c. */
#include "doctor.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alarms.h"
#include "deliver.h"
#include "doctor_private.h"
#include "freshness.h"
#include "measures.h"
#include "sandbox.h"
#include "schedules.h"
#include "tr.h"
#include "value.h"

#define SLOTS_MAX  200
#define OVERDUE_US 600000000LL   /* nobody ticks */
#define LAG_US     600000000LL   /* of the stream */
#define COPY_US    93600000000LL /* 26 h: what has no copy after that */

const char *severity_name(enum severity s)
{
	static const char *const names[] = {"ok", "note", "warning", "error"};
	return (size_t)s < ARRAY_LEN(names) ? names[s] : "error";
}

const char *shell_word(struct arena *arena, const char *word)
{
	AUTO_BUF struct buf b = {0};
	buf_char(&b, '\'');
	for (const char *p = word; *p; p++) {
		if (*p == '\'')
			buf_str(&b, "'\\''");
		else
			buf_char(&b, *p);
	}
	buf_char(&b, '\'');
	return arena_strdup(arena, b.data);
}

void examination_add(struct examination *x, enum severity severity, const char *what,
		     const char *mend)
{
	struct finding *f = PUSH(x->list, x->count, x->cap);
	f->check = x->check;
	f->severity = severity;
	f->what = what;
	if (mend)
		f->mend = arena_printf(x->d->arena, "pregao %s%s%s", mend,
				       x->d->lake ? " --lake " : "",
				       x->d->lake ? shell_word(x->d->arena, x->d->lake) : "");
}

/* -- the lake ---------------------------------------------------------------------------------- */

/* The catalog knows nothing of what lies there: lost, or begun anew since. */
static void check_bitcoin(struct examination *x)
{
	struct system *s = x->d->system;
	struct err why = ERR_INIT;
	int64_t life;
	if (!system_store(s) ||
	    catalog_mark_get(system_catalog(s), DELIVER_STREAM_MARK, &life, &why) != OK || life ||
	    deliver_check_first(system_store(s), &why) != ERR_CONFLICT)
		return;
	char text[2048];
	examination_add(x, SEVERITY_ERROR,
			arena_strdup(x->d->arena, err_format(&why, text, sizeof(text))),
			"backup restore");
}

static int check_lake(struct examination *x, struct err *e)
{
	const struct doctor *d = x->d;
	(void)e;
	if (!d->system) {
		char text[2048];
		examination_add(x, SEVERITY_ERROR,
				arena_strdup(d->arena, err_format(d->why, text, sizeof(text))),
				NULL);
		return OK;
	}
	if (system_state_lost(d->system))
		examination_add(x, SEVERITY_ERROR,
				tr("there is data but no catalog: state/ was lost"),
				doctor_again_from_landing(d, false));
	else if (!system_lake_exists(d->system))
		examination_add(x, SEVERITY_NOTE,
				arena_printf(d->arena, tr("there is no lake at %s yet"),
					     system_lake(d->system)),
				"run --input auto");
	check_bitcoin(x);
	return OK;
}

/* -- sessions ---------------------------------------------------------------------------------- */

#define SESSIONS_TOLD 20 /* by name, of each index together */

static const char *tell_between(struct arena *arena, const struct freshness_seen *seen)
{
	char day[DATE_TEXT_SIZE];
	return arena_printf(
		arena,
		tr("%zu sessions lie between those that are here and are not, the first: %s of %s"),
		seen->count, date_format(seen->missing[0].session, day), seen->missing[0].index);
}

static int check_sessions(struct examination *x, struct err *e)
{
	const struct doctor *d = x->d;
	struct freshness f = {.system = d->system,
			      .conf = d->conf,
			      .dataset = "raw.portfolio",
			      .schedule = "portfolio",
			      .indices = conf_list(d->conf, "b3_portfolio", "indices"),
			      .after_us = doctor_grace_us(d->conf),
			      .now_us = d->now_us};
	struct freshness_seen seen;
	int rc = freshness_look(&f, false, d->arena, &seen, e);
	if (rc)
		return rc;
	/* Picked by hand, the sessions between are nobody's debt. */
	if (!seen.scheduled) {
		examination_add(
			x, SEVERITY_NOTE,
			tr("no schedule has run on this lake: it owes no later sessions than it has"),
			NULL);
		if (seen.count)
			examination_add(x, SEVERITY_NOTE, tell_between(d->arena, &seen), NULL);
		return OK;
	}
	/* B3 gives its latest session only; an older one comes from whoever kept its payload. */
	for (size_t i = 0; i < seen.count && i < SESSIONS_TOLD; i++) {
		const struct missing_session *m = &seen.missing[i];
		char day[DATE_TEXT_SIZE];
		examination_add(
			x, SEVERITY_WARNING,
			arena_printf(d->arena,
				     m->latest ? tr("%s has no session %s")
					       : tr("%s has no session %s: import its payload"),
				     m->index, date_format(m->session, day)),
			m->latest ? arena_printf(d->arena, "run --index %s", m->index) : NULL);
	}
	if (seen.count > SESSIONS_TOLD)
		examination_add(x, SEVERITY_WARNING,
				arena_printf(d->arena, tr("%zu more sessions are missing"),
					     seen.count - SESSIONS_TOLD),
				NULL);
	return OK;
}

/* -- what waits and what was given up ---------------------------------------------------------- */

static int check_quarantine(struct examination *x, struct err *e)
{
	int64_t payloads;
	int rc = measure_quarantine(x->d->system, &payloads, e);
	if (rc == OK && payloads)
		examination_add(x, SEVERITY_WARNING,
				arena_printf(x->d->arena, tr("%lld payloads in quarantine"),
					     (long long)payloads),
				"quarantine replay --all");
	return rc;
}

static int check_queues(struct examination *x, struct err *e)
{
	struct queue_measure queues[MEASURED_QUEUES_MAX];
	size_t count;
	int rc = measure_queues(x->d->system, queues, &count, e);
	for (size_t i = 0; i < count && rc == OK; i++)
		if (queues[i].stats.dead)
			examination_add(
				x, SEVERITY_WARNING,
				arena_printf(x->d->arena, tr("%lld dead letters in the queue %s"),
					     (long long)queues[i].stats.dead, queues[i].name),
				arena_printf(x->d->arena, "queue redrive --all --queue %s",
					     queues[i].name));
	return rc;
}

static int check_stream(struct examination *x, struct err *e)
{
	struct stream_lag lag;
	int rc = measure_stream(x->d->system, x->d->now_us, &lag, e);
	if (rc)
		return rc;
	if (lag.failed)
		examination_add(x, SEVERITY_ERROR,
				tr("a write into the spool failed and was not recovered from"),
				"fetch bitcoin");
	if (lag.age_us > LAG_US)
		examination_add(
			x, SEVERITY_WARNING,
			arena_printf(
				x->d->arena,
				tr("%lld records wait for their delivery, the oldest for %lld s"),
				(long long)lag.records, (long long)(lag.age_us / 1000000)),
			"fetch bitcoin");
	if (lag.damaged)
		examination_add(
			x, SEVERITY_NOTE,
			arena_printf(x->d->arena,
				     tr("%lld damaged stretches of the spool were set aside"),
				     (long long)lag.damaged),
			NULL);
	return OK;
}

static int check_backup(struct examination *x, struct err *e)
{
	const struct doctor *d = x->d;
	struct backup_measure m;
	int rc = measure_backup(d->system, d->conf, d->arena, &m, e);
	if (rc || !m.first_us)
		return rc;
	int64_t missing = m.status.live - m.status.copied;
	int64_t since = m.status.last_us ? m.status.last_us : m.first_us;
	if (missing > 0)
		examination_add(x, d->now_us - since > COPY_US ? SEVERITY_WARNING : SEVERITY_NOTE,
				arena_printf(d->arena, tr("%lld of %lld objects have no copy"),
					     (long long)missing, (long long)m.status.live),
				"backup run");
	return d->all && m.place.exists ? doctor_verify_backup(x, &m, e) : OK;
}

/* -- the machine ------------------------------------------------------------------------------- */

/* What was owed by one that is switched off waits, and nobody minds. */
static bool is_scheduled(const char *name, const struct schedule *schedules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(schedules[i].name, name) == 0)
			return true;
	return false;
}

static int check_schedules(struct examination *x, struct err *e)
{
	const struct doctor *d = x->d;
	struct schedule *schedules;
	struct scheduler *scheduler;
	struct alarm *alarms;
	size_t count, known;
	int rc = schedules_load(d->conf, d->arena, &schedules, &count, e);
	if (rc == OK)
		rc = alarms_load(d->conf, d->arena, &alarms, &known, e);
	if (rc == OK)
		rc = system_scheduler(d->system, &scheduler, e);
	if (rc)
		return rc;
	struct schedule_slot *slots = ANEW_ARRAY(d->arena, SLOTS_MAX, struct schedule_slot);
	rc = scheduler_slots(scheduler, NULL, SLOTS_MAX, d->arena, slots, &known, e);
	for (size_t i = 0; i < known && rc == OK; i++)
		if (slots[i].state == SLOT_WAITING && slots[i].next_us &&
		    slots[i].next_us + OVERDUE_US < d->now_us &&
		    is_scheduled(slots[i].schedule, schedules, count))
			examination_add(
				x, SEVERITY_WARNING,
				arena_printf(
					d->arena,
					tr("schedule %s: %s is overdue: nobody keeps the time"),
					slots[i].schedule, slots[i].slot),
				"up");
	return rc;
}

static int check_disk(struct examination *x, struct err *e)
{
	int64_t bytes, least = conf_int(x->d->conf, "alarm.disk_free", "free");
	int rc = measure_disk(x->d->system, &bytes, e);
	if (rc == OK && bytes < least)
		examination_add(x, SEVERITY_WARNING,
				arena_printf(x->d->arena,
					     tr("%lld MiB are free; [alarm.disk_free] wants %lld"),
					     (long long)(bytes >> 20), (long long)(least >> 20)),
				NULL);
	return rc;
}

/* By trying, in a process of its own. */
static bool try_sandbox(struct sandbox_report *ret)
{
	int ends[2], status = 0;
	if (pipe(ends) != 0)
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		struct sandbox_report report = {0};
		struct err e = ERR_INIT;
		bool ok = sandbox_enter(&(struct sandbox){.paths = NULL}, 0, &report, &e) == OK &&
			  write(ends[1], &report, sizeof(report)) == (ssize_t)sizeof(report);
		_exit(ok ? 0 : 1);
	}
	close(ends[1]);
	bool got = pid > 0 && read(ends[0], ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	return got;
}

static int check_sandbox(struct examination *x, struct err *e)
{
	struct sandbox_report r = {0};
	(void)e;
	if (!try_sandbox(&r)) {
		examination_add(x, SEVERITY_ERROR,
				tr("a process could not take away its own rights"), NULL);
		return OK;
	}
	if (!r.landlock_abi || !r.seccomp)
		examination_add(x, SEVERITY_WARNING,
				r.landlock_abi
					? tr("the kernel filters no system calls (seccomp)")
					: tr("the kernel holds no rights to files (Landlock)"),
				NULL);
	else
		examination_add(
			x, r.tcp ? SEVERITY_OK : SEVERITY_NOTE,
			arena_printf(
				x->d->arena,
				r.tcp ? tr("held by the kernel: files, connections and system calls (Landlock ABI %d, seccomp)")
				      : tr("held by the kernel: files and system calls, not which connections are made (Landlock ABI %d, seccomp)"),
				r.landlock_abi),
			NULL);
	return OK;
}

/* -- all of them ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*look)(struct examination *, struct err *);
	/* WITHOUT_LAKE: of the machine, or of there being a lake at all. READS_TABLES: by SQL, which
	 * fails where a file is missing or damaged. */
	enum { OF_THE_LAKE, WITHOUT_LAKE, READS_TABLES } kind;
} checks[] = {
	{"lake", check_lake, WITHOUT_LAKE},
	{"sandbox", check_sandbox, WITHOUT_LAKE},
	{"files", doctor_check_files, OF_THE_LAKE},
	{"sessions", check_sessions, OF_THE_LAKE},
	{"jobs", doctor_check_jobs, OF_THE_LAKE},
	{"quarantine", check_quarantine, OF_THE_LAKE},
	{"dead_letters", check_queues, OF_THE_LAKE},
	{"stream", check_stream, OF_THE_LAKE},
	{"backup", check_backup, OF_THE_LAKE},
	{"schedules", check_schedules, OF_THE_LAKE},
	{"disk", check_disk, OF_THE_LAKE},
	/* last: these start DuckDB's threads */
	{"contents", doctor_check_contents, OF_THE_LAKE},
	{"totals", doctor_check_totals, READS_TABLES},
	{"gaps", doctor_check_gaps, READS_TABLES},
};

static bool files_are_wrong(const struct examination *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->list[i].severity == SEVERITY_ERROR &&
		    (strcmp(x->list[i].check, "files") == 0 ||
		     strcmp(x->list[i].check, "contents") == 0))
			return true;
	return false;
}

void doctor_examine(const struct doctor *d, struct finding **ret, size_t *ret_count)
{
	struct examination x = {.d = d};
	bool lake = d->system && system_lake_exists(d->system);
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct err why = ERR_INIT;
		size_t before = x.count;
		char text[2048];
		if (!lake && checks[i].kind != WITHOUT_LAKE)
			continue;
		x.check = checks[i].name;
		if (checks[i].kind == READS_TABLES && files_are_wrong(&x))
			examination_add(
				&x, SEVERITY_NOTE,
				tr("not looked at: files are missing or damaged, see above"), NULL);
		else if (checks[i].look(&x, &why) != OK)
			examination_add(
				&x, SEVERITY_ERROR,
				arena_strdup(d->arena, err_format(&why, text, sizeof(text))), NULL);
		if (x.count == before)
			examination_add(&x, SEVERITY_OK, tr("nothing wrong"), NULL);
	}
	*ret = ANEW_ARRAY(d->arena, x.count + 1, struct finding);
	if (x.count)
		memcpy(*ret, x.list, x.count * sizeof(*x.list));
	*ret_count = x.count;
	free(x.list);
}
