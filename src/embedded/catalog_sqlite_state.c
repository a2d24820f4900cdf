/* The SQLite catalog as one file, out and in: for who shares it with other machines. */
#include <errno.h>
#include <unistd.h>

#include "catalog_sqlite.h"
#include "catalog_sqlite_private.h"
#include "clock.h"

#define BUSY_WAIT_US INT64_C(10000)
#define BUSY_TIMES   1000

static int copy(struct catalog_sqlite *self, sqlite3 *to, sqlite3 *from, const char *path,
		struct err *e)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int said = backup ? SQLITE_OK : sqlite3_errcode(to);
	for (int i = 0; backup && i < BUSY_TIMES; i++) {
		said = sqlite3_backup_step(backup, -1);
		if (said != SQLITE_BUSY && said != SQLITE_LOCKED)
			break;
		clock_sleep_us(self->clock, BUSY_WAIT_US);
	}
	if (backup)
		sqlite3_backup_finish(backup);
	if (said == SQLITE_DONE)
		return OK;
	err_set(e,
		said == SQLITE_FULL                            ? ERR_LIMIT
		: said == SQLITE_BUSY || said == SQLITE_LOCKED ? ERR_RETRY
							       : ERR_IO,
		"cannot copy the catalog: %s", sqlite3_errstr(said));
	return err_where(e, path);
}

static int with_file(struct catalog_sqlite *self, const char *path, bool out, struct err *e)
{
	sqlite3 *file = NULL;
	int flags = out ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
	int said = sqlite3_open_v2(path, &file, flags, NULL), rc;
	if (said != SQLITE_OK) {
		err_set(e, ERR_IO, "cannot open the catalog's copy: %s", sqlite3_errstr(said));
		rc = err_where(e, path);
	} else if (out) {
		rc = copy(self, file, self->db->db, path, e);
		/* One file, without a log beside it. */
		if (rc == OK && sqlite3_exec(file, "PRAGMA journal_mode = DELETE", NULL, NULL,
					     NULL) != SQLITE_OK)
			rc = err_set(e, ERR_IO, "cannot close the catalog's copy: %s",
				     sqlite3_errmsg(file));
	} else {
		rc = copy(self, self->db->db, file, path, e);
	}
	sqlite3_close(file);
	return rc;
}

int catalog_sqlite_save(struct catalog *c, const char *path, struct err *e)
{
	if (unlink(path) != 0 && errno != ENOENT)
		return err_errno(e, errno, "cannot remove %s", path);
	return with_file(catalog_of(c), path, true, e);
}

int catalog_sqlite_load(struct catalog *c, const char *path, struct err *e)
{
	return with_file(catalog_of(c), path, false, e);
}

int64_t catalog_sqlite_written(struct catalog *c)
{
	return sqlite3_total_changes(catalog_of(c)->db->db);
}
