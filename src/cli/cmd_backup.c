/* backup status, run, verify, restore: copies of the Bitcoin tables' files in another folder. */
#include "backup.h"

#include <string.h>
#include <unistd.h>

#include "backup_place.h"
#include "bitcoin.h"
#include "cli.h"
#include "deliver.h"
#include "pass.h"
#include "render.h"
#include "streaming.h"
#include "tr.h"

#define WORKERS_MAX 64

/* Only on a terminal; the end wipes it. */
static void progress(void *ctx, int64_t done, int64_t total, int64_t bytes)
{
	char size[32];
	fprintf(stderr, "\r  %lld / %lld  %s\033[K", (long long)done, (long long)total,
		human_bytes(bytes, size));
	if (done == total)
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

struct task {
	struct backup backup;
	struct backup_place place;
	struct pass pass;
	bool recorded;
};

enum use { LOOK, MEND, MAKE };

/* Opens what the command works on. A backup that is not there yet is made by `run` alone. */
static int open_task(struct cli *cli, enum system_mode mode, enum use use, struct task *ret,
		     struct err *e)
{
	int64_t workers;
	*ret = (struct task){.recorded = mode != SYSTEM_READ};
	int rc = cli_system(cli, mode, e);
	if (rc == OK)
		rc = cli_int(cli, OPT_WORKERS, 1, WORKERS_MAX,
			     conf_int(cli->conf, "backup", "workers"), &workers, e);
	if (rc)
		return rc;
	struct backup *b = &ret->backup;
	const char *to = cli_value(cli, OPT_STORE);
	rc = backup_place_find(system_folder(cli->system),
			       to ? to : conf_text(cli->conf, "backup", "to"), cli->arena,
			       &ret->place, e);
	if (rc == OK)
		rc = system_backup_store(cli->system, ret->place.path,
					 use == MAKE || (use == MEND && ret->place.exists), &b->to,
					 e);
	if (rc == OK)
		rc = system_backup_queue(cli->system, &b->queue, e);
	if (rc)
		return rc;
	b->from = system_store(cli->system);
	b->catalog = system_catalog(cli->system);
	b->clock = system_clock(cli->system);
	b->telemetry = system_telemetry(cli->system);
	b->tables = bitcoin_tables;
	b->table_count = BITCOIN_KINDS;
	b->workers = (int)workers;
	b->visibility_us = conf_duration_us(cli->conf, "backup", "visibility");
	b->retention_us = conf_duration_us(cli->conf, "backup", "retention");
	b->dry_run = cli_flag(cli, OPT_DRY_RUN);
	b->stop = streaming_stop_on_signals();
	if (!cli->quiet && isatty(STDERR_FILENO))
		b->progress = progress;
	if (ret->recorded) {
		pass_begin(&ret->pass, b->telemetry, b->clock, cli->command->name);
		b->run = ret->pass.record.id;
	}
	if (ret->place.same_disk)
		cli_warn(
			cli,
			"the lake and its backup %s are on the same disk: what takes one takes both; --to names another place",
			ret->place.path);
	return OK;
}

static int no_backup(const struct task *t, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no backup at %s; `pregao backup run` makes one",
		       t->place.path);
}

static void end_task(struct task *t, int code, const struct err *e)
{
	if (t->recorded)
		pass_end(&t->pass, code, e);
	t->recorded = false;
}

/* One row, upright for people. */
static int print(struct cli *cli, struct listing *l, struct err *e)
{
	int rc = OK;
	if (cli->format == FORMAT_TABLE)
		listing_print_upright(l);
	else
		rc = listing_print(l, cli, e);
	listing_free(l);
	return rc;
}

int cmd_backup_status(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct task t;
	struct backup_status s;
	if (open_task(cli, SYSTEM_READ, LOOK, &t, &e) != 0 || backup_status(&t.backup, &s, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "to", .type = COL_TEXT},
		{.name = "same_disk", .type = COL_BOOLEAN},
		{.name = "live", .type = COL_BIGINT},
		{.name = "copied", .type = COL_BIGINT},
		{.name = "waiting", .type = COL_BIGINT},
		{.name = "in_flight", .type = COL_BIGINT},
		{.name = "dead", .type = COL_BIGINT},
		{.name = "copies", .type = COL_BIGINT},
		{.name = "copied_bytes", .type = COL_BIGINT},
		{.name = "last_copy", .type = COL_TEXT},
		{.name = "retention_s", .type = COL_BIGINT},
		{.name = "other_stream", .type = COL_BOOLEAN},
	};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	listing_text(l, t.place.path);
	listing_bool(l, t.place.same_disk);
	listing_int(l, s.live);
	listing_int(l, s.copied);
	listing_int(l, s.waiting);
	listing_int(l, s.in_flight);
	listing_int(l, s.dead);
	listing_int(l, s.copies);
	listing_int(l, s.copied_bytes);
	listing_time(l, s.last_us);
	listing_int(l, t.backup.retention_us / 1000000);
	listing_bool(l, s.other_stream);
	return print(cli, l, &e) ? cli_fail(cli, &e) : EXIT_DONE;
}

static int print_run(struct cli *cli, const struct task *t, const struct backup_result *r,
		     struct err *e)
{
	static const struct column columns[] = {
		{.name = "to", .type = COL_TEXT},          {.name = "copied", .type = COL_BIGINT},
		{.name = "unchanged", .type = COL_BIGINT}, {.name = "gone", .type = COL_BIGINT},
		{.name = "failed", .type = COL_BIGINT},    {.name = "expired", .type = COL_BIGINT},
		{.name = "bytes", .type = COL_BIGINT},     {.name = "dry_run", .type = COL_BOOLEAN},
	};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	listing_text(l, t->place.path);
	listing_int(l, r->copied);
	listing_int(l, r->unchanged);
	listing_int(l, r->gone);
	listing_int(l, r->failed);
	listing_int(l, r->expired);
	listing_int(l, r->bytes);
	listing_bool(l, t->backup.dry_run);
	return print(cli, l, e);
}

int cmd_backup_run(struct cli *cli)
{
	struct err e = ERR_INIT, shown = ERR_INIT;
	struct task t;
	struct backup_result r = {0};
	bool dry = cli_flag(cli, OPT_DRY_RUN);
	if (open_task(cli, dry ? SYSTEM_READ : SYSTEM_WRITE, dry ? LOOK : MAKE, &t, &e) != 0)
		return cli_fail(cli, &e);
	int rc = dry ? OK : system_relay(cli->system, system_catalog(cli->system), &e);
	if (rc == OK)
		rc = backup_run(&t.backup, true, &r, &e);
	if (rc == OK && atomic_load(t.backup.stop))
		rc = err_set(&e, ERR_CONFLICT, "interrupted; run this again to go on");
	if (print_run(cli, &t, &r, &shown) != 0)
		cli_fail(cli, &shown);
	if (t.recorded)
		pass_done(&t.pass, "backup", -1, r.copied, r.bytes);
	if (rc == OK && r.failed) {
		rc = err_set(&e, ERR_IO, "%lld objects were not copied, the first: %s",
			     (long long)r.failed, r.first_error);
		if (!dry)
			cli_note(
				cli,
				"`pregao queue list --queue backup` shows what waits for another try and what was given up");
	}
	end_task(&t, rc, &e);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* What would mend it, or NULL. */
static const char *mend_of(struct cli *cli, const struct backup_finding *f)
{
	if (!f->in_lake)
		return NULL;
	return arena_printf(cli->arena, "pregao backup %s",
			    strcmp(f->problem, "not_copied") == 0 ? "run" : "verify --repair");
}

/* Mends what it can of the findings; what stays, stays in the list. */
static int repair(struct cli *cli, const struct task *t, struct backup_finding *list, size_t *n,
		  int64_t *ret_mended, struct err *e)
{
	size_t left = 0;
	for (size_t i = 0; i < *n; i++) {
		struct err why = ERR_INIT;
		char text[2048];
		if (atomic_load(t->backup.stop))
			return err_set(e, ERR_CONFLICT, "interrupted; run this again to go on");
		if (list[i].in_lake && backup_mend(&t->backup, list[i].key, &why) == OK) {
			cli_note(cli, "mended: %s (%s)", list[i].key, list[i].problem);
			++*ret_mended;
			continue;
		}
		if (why.code)
			list[i].text = arena_printf(cli->arena, "%s; %s", list[i].text,
						    err_format(&why, text, sizeof(text)));
		/* It was tried. */
		list[i].in_lake = false;
		list[left++] = list[i];
	}
	*n = left;
	return OK;
}

int cmd_backup_verify(struct cli *cli)
{
	bool mends = cli_flag(cli, OPT_REPAIR);
	int64_t mended = 0;
	struct err e = ERR_INIT;
	struct task t;
	struct backup_finding *list = NULL;
	size_t n = 0;
	int64_t checked = 0;
	int rc = open_task(cli, mends ? SYSTEM_WRITE : SYSTEM_READ, mends ? MEND : LOOK, &t, &e);
	if (rc == OK && !t.backup.to)
		rc = no_backup(&t, &e);
	if (rc == OK)
		rc = backup_verify(&t.backup, cli->arena, &list, &n, &checked, &e);
	if (rc == OK && mends)
		rc = repair(cli, &t, list, &n, &mended, &e);
	end_task(&t, rc, &e);
	if (rc)
		return cli_fail(cli, &e);
	static const struct column columns[] = {{.name = "object", .type = COL_TEXT},
						{.name = "problem", .type = COL_TEXT},
						{.name = "text", .type = COL_TEXT},
						{.name = "mend", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++) {
		listing_text(l, list[i].key);
		listing_text(l, list[i].problem);
		listing_text(l, list[i].text);
		listing_text(l, mend_of(cli, &list[i]));
	}
	if (n || cli->format != FORMAT_TABLE)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	if (rc)
		return cli_fail(cli, &e);
	if (n)
		cli_warn(cli, "%zu problems found; %lld copies in %s were read", n,
			 (long long)checked, t.place.path);
	else if (mended)
		cli_note(cli, "%lld objects mended; %lld copies in %s were read", (long long)mended,
			 (long long)checked, t.place.path);
	else
		cli_note(cli, "%lld copies in %s were read, all are as they should be",
			 (long long)checked, t.place.path);
	return n ? EXIT_FAILED : EXIT_DONE;
}

static int print_restored(struct cli *cli, const struct task *t, const struct backup_restored *r,
			  struct err *e)
{
	static const struct column columns[] = {
		{.name = "from", .type = COL_TEXT},      {.name = "restored", .type = COL_BIGINT},
		{.name = "rows", .type = COL_BIGINT},    {.name = "bytes", .type = COL_BIGINT},
		{.name = "present", .type = COL_BIGINT}, {.name = "failed", .type = COL_BIGINT},
		{.name = "equal", .type = COL_BOOLEAN},  {.name = "dry_run", .type = COL_BOOLEAN},
	};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	listing_text(l, t->place.path);
	listing_int(l, r->objects);
	listing_int(l, r->rows);
	listing_int(l, r->bytes);
	listing_int(l, r->present);
	listing_int(l, r->failed);
	if (t->backup.dry_run)
		listing_null(l); /* nothing was compared */
	else
		listing_bool(l, r->failed == 0);
	listing_bool(l, t->backup.dry_run);
	return print(cli, l, e);
}

/* A lake without a delivery takes the copies' numbers for its own: until then nobody appends to its spool. */
static int hold_stream(struct cli *cli, struct delivery_stream **ret, struct err *e)
{
	int64_t life;
	int rc = catalog_mark_get(system_catalog(cli->system), DELIVER_STREAM_MARK, &life, e);
	bool hold = rc == OK && life == 0 && !cli_flag(cli, OPT_DRY_RUN);
	return rc ? rc : system_stream(cli->system, hold ? STREAM_HOLD : STREAM_READ, ret, e);
}

int cmd_backup_restore(struct cli *cli)
{
	struct err e = ERR_INIT, shown = ERR_INIT;
	struct task t;
	struct backup_restored r = {0};
	bool dry = cli_flag(cli, OPT_DRY_RUN);
	int rc = open_task(cli, dry ? SYSTEM_READ : SYSTEM_WRITE, LOOK, &t, &e);
	if (rc)
		return cli_fail(cli, &e);
	if (!t.backup.to) {
		rc = no_backup(&t, &e);
	} else {
		struct publish publish = system_publish(cli->system);
		rc = hold_stream(cli, &t.backup.stream, &e);
		if (rc == OK)
			rc = backup_restore(&t.backup, &publish, &r, &e);
		if (rc == OK && print_restored(cli, &t, &r, &shown) != 0)
			cli_fail(cli, &shown);
	}
	if (t.recorded)
		pass_done(&t.pass, "restore", r.rows, r.objects, r.bytes);
	if (rc == OK && r.failed)
		rc = err_set(
			&e, ERR_CONFLICT,
			"the lake is not equal to the backup: %lld objects could not be put back or proven, the first: %s",
			(long long)r.failed, r.first_error);
	end_task(&t, rc, &e);
	if (rc)
		return cli_fail(cli, &e);
	if (r.unproven)
		cli_warn(
			cli,
			"%lld partitions hold later files that were never copied: which trades they had is not known, so trades that come again may be there twice",
			(long long)r.unproven);
	if (!dry && r.objects + r.present)
		cli_note(
			cli,
			"every object was read again from the lake: its bytes have the hash, and the catalog the rows, that the backup tells");
	return EXIT_DONE;
}
