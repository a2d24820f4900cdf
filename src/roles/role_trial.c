/* Making the lake, a child for each role, and the table of what came of it. */
#include "role_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "role_process.h"
#include "role_sandbox.h"

#define ROWS_MAX 128

/* What a child says at its end. */
struct answer {
	struct err why; /* code: it could not enter */
	enum attempt_outcome came[ROWS_MAX];
};

static bool same(const struct right *a, const struct right *b)
{
	return a->resource == b->resource && a->action == b->action &&
	       (a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0));
}

static size_t make_rows(struct trial_row rows[ROWS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < role_count; i++)
		for (const struct right *r = role_table[i].rights; r->action; r++) {
			bool known = false;
			for (size_t k = 0; k < n; k++)
				known = known || same(rows[k].right, r);
			if (!known && n < ROWS_MAX)
				rows[n++] = (struct trial_row){.right = r};
		}
	for (size_t i = 0; i < attempt_count && n < ROWS_MAX; i++)
		rows[n++] = (struct trial_row){.attempt = &attempts[i]};
	return n;
}

/* Addresses are what counts, not which setting names them. */
static bool may_connect(const struct role *role, const struct right *r, const struct up_settings *s)
{
	AUTO_ARENA struct arena *arena = arena_new();
	struct role_confines c = role_confines(role, s, arena);
	const char *const *list = role_addresses(r, s, arena);
	for (size_t i = 0; list[i]; i++)
		if (!str_among(list[i], c.addresses, c.address_count))
			return false;
	return list[0] != NULL;
}

static bool may(const struct role *role, const struct trial_row *row, const struct up_settings *s)
{
	if (row->attempt)
		return row->attempt->everybody;
	const struct right *r = row->right;
	if (r->resource == RES_NETWORK)
		return may_connect(role, r, s);
	return role_may(role, resource_name(r->resource), action_name(r->action), r->name) != NULL;
}

/* -- the children ------------------------------------------------------------------------------ */

static void try_all(const struct role *role, const struct up_settings *s,
		    const struct trial_row *rows, size_t n, struct answer *ret)
{
	struct system *sys;
	ret->why = (struct err)ERR_INIT;
	ret->why.code = role ? role_enter(role, s, &sys, &ret->why)
			     : role_prepare_all(s, &ret->why);
	for (size_t i = 0; role && !ret->why.code && i < n; i++)
		ret->came[i] = rows[i].right ? attempt_right(rows[i].right, s, sys)
					     : rows[i].attempt->try(s);
}

/* The child ends in its sandbox. No role: the lake is made. */
static int in_child(const struct role *role, const struct up_settings *s,
		    const struct trial_row *rows, size_t n, struct answer *ret, struct err *e)
{
	int ends[2], status;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, errno, "cannot make a pipe");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		try_all(role, s, rows, n, ret);
		_exit(fd_write_all(ends[1], ret, sizeof(*ret)) != 0);
	}
	int errnum = errno;
	close(ends[1]);
	size_t got = 0;
	while (pid > 0 && got < sizeof(*ret)) {
		ssize_t k = read(ends[0], (char *)ret + got, sizeof(*ret) - got);
		if (k == 0 || (k < 0 && errno != EINTR))
			break;
		got += k > 0 ? (size_t)k : 0;
	}
	close(ends[0]);
	if (pid < 0)
		return err_errno(e, errnum, "cannot start a process");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got < sizeof(*ret))
		return err_set(e, ERR_IO, "the process that tried what %s can do died",
			       role ? role->name : "up");
	if (ret->why.code)
		*e = ret->why;
	return ret->why.code;
}

int role_trial(const struct up_settings *settings, const char *folder, const struct role *only,
	       struct arena *arena, struct role_trial *ret, struct err *e)
{
	struct up_settings s = *settings;
	struct trial_row *rows = ANEW_ARRAY(arena, ROWS_MAX, struct trial_row);
	const struct role **roles = ANEW_ARRAY(arena, role_count, const struct role *);
	struct answer *answer = ANEW(arena, struct answer);
	size_t n = make_rows(rows), count = 0;
	s.lake = arena_printf(arena, "%s/lake", folder);
	s.definitions = arena_printf(arena, "%s/definitions", folder);
	s.backup.path = arena_printf(arena, "%s/backup", folder);
	for (size_t i = 0; i < role_count; i++)
		if (!only || only == &role_table[i])
			roles[count++] = &role_table[i];
	int rc = file_mkdirs(s.definitions, false, e);
	if (rc == OK)
		rc = in_child(NULL, &s, rows, n, answer, e);
	struct trial_cell *cells = ANEW_ARRAY(arena, n * count, struct trial_cell);
	for (size_t r = 0; r < count && rc == OK; r++) {
		rc = in_child(roles[r], &s, rows, n, answer, e);
		for (size_t i = 0; i < n && rc == OK; i++) {
			struct trial_cell *cell = &cells[i * count + r];
			bool allowed = may(roles[r], &rows[i], &s);
			enum attempt_outcome came = answer->came[i];
			*cell = (struct trial_cell){.may = allowed && came != ATTEMPT_NOTHING,
						    .came = came,
						    .right = came == ATTEMPT_NOTHING ||
							     (allowed && came == ATTEMPT_DONE) ||
							     (!allowed && (came == ATTEMPT_KERNEL ||
									   came == ATTEMPT_GUARD))};
		}
	}
	*ret = (struct role_trial){rows, n, roles, count, cells};
	return rc;
}
