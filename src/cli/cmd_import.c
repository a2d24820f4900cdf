/* import: payloads from files, folders and standard input into the lake.
 */
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "file.h"
#include "hash.h"
#include "intake.h"
#include "render.h"
#include "session.h"
#include "tr.h"

#define FILES_MAX 1000000 /* in one import */

struct files {
	struct cli *cli;
	const char *folder;
	const char **paths;
	size_t count, cap, skipped;
	struct err *e;
};

static bool looks_like_payload(const char *name)
{
	static const char *const endings[] = {".csv", ".CSV", ".txt", ".TXT", ".json", ".JSON"};
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (slice_ends(slice_of(name), endings[i]))
			return true;
	return false;
}

/* <sha256>.json lies beside what landed and tells how it came. */
static bool is_receipt(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	return strspn(name, "0123456789abcdef") == HASH_HEX_SIZE - 1 &&
	       strcmp(name + HASH_HEX_SIZE - 1, ".json") == 0;
}

/* JSON answers do not say which index they are; the folder that they landed in does. */
static const char *index_of(struct cli *cli, const char *path)
{
	const char *folder = strstr(path, "/index=");
	if (!folder || !slice_ends(slice_of(path), ".body.json"))
		return NULL;
	const char *name = folder + strlen("/index=");
	return arena_strndup(cli->arena, name, strcspn(name, "/"));
}

static int found(void *ctx, const char *relative, int64_t size)
{
	struct files *f = ctx;
	if (!looks_like_payload(relative)) {
		f->skipped++;
		return 0;
	}
	if (is_receipt(relative))
		return 0;
	if (f->count >= FILES_MAX)
		return err_set(f->e, ERR_LIMIT, "more than %d files in one import", FILES_MAX);
	*PUSH(f->paths, f->count, f->cap) =
		arena_printf(f->cli->arena, "%s%s%s", f->folder,
			     slice_ends(slice_of(f->folder), "/") ? "" : "/", relative);
	return 0;
}

/* Words to paths: folders become the files in them. */
static int expand(struct cli *cli, struct files *f, struct err *e)
{
	for (size_t i = 1; i < cli->word_count; i++) {
		struct stat st;
		if (strcmp(cli->words[i], "-") != 0 && stat(cli->words[i], &st) == 0 &&
		    S_ISDIR(st.st_mode)) {
			f->folder = cli->words[i];
			size_t before = f->count;
			int rc = file_walk(f->folder, found, f, e);
			if (rc)
				return rc;
			if (f->count == before)
				return err_where(e, f->folder),
				       err_set(e, ERR_NOT_FOUND,
					       "there is no .csv, .txt or .json file in the folder %s",
					       f->folder);
		} else {
			*PUSH(f->paths, f->count, f->cap) = cli->words[i];
		}
	}
	return OK;
}

static void progress(struct cli *cli, size_t done, size_t all)
{
	if (cli->quiet || !terminal_width(stderr) || all < 20)
		return;
	fprintf(stderr, "\r%s%zu / %zu\033[K", done == all ? "" : "  ", done, all);
	if (done == all)
		fputs("\r\033[K", stderr);
}

static const struct source *find_source(struct cli *cli, int *ret_code)
{
	const struct source *source = source_find(cli->words[0]);
	if (!source)
		*ret_code = cli_usage(cli, "there is no source `%s`; expected portfolio",
				      cli->words[0]);
	return source;
}

int cmd_import(struct cli *cli)
{
	struct err e = ERR_INIT;
	int code = 0;
	const struct source *source = find_source(cli, &code);
	if (!source)
		return code;
	int32_t as_of;
	const char *index = NULL;
	if (cli_date(cli, OPT_AS_OF, AS_OF_LANDED, &as_of, &e) != 0)
		return cli_fail(cli, &e);
	if (cli_value(cli, OPT_INDEX)) {
		const char *const *list;
		size_t count;
		if (cli_indices(cli, &list, &count, &e) != 0)
			return cli_fail(cli, &e);
		if (count != 1)
			return cli_usage(
				cli,
				"import takes one index: it says what the files are, it does not choose");
		index = list[0];
	}
	struct files f = {.cli = cli, .e = &e};
	if (expand(cli, &f, &e) != 0) {
		free(f.paths);
		return cli_fail(cli, &e);
	}
	if (cli_flag(cli, OPT_DRY_RUN)) {
		code = intake_dry(cli, source, f.paths, f.count, index);
		free(f.paths);
		return code;
	}
	if (cli_system(cli, SYSTEM_WORK, &e) != 0) {
		free(f.paths);
		return cli_fail(cli, &e);
	}
	struct session s;
	session_begin(&s, cli, source, "import portfolio");
	for (size_t i = 0; i < f.count; i++) {
		AUTO_BUF struct buf bytes = {0};
		struct payload p;
		struct err why = ERR_INIT;
		progress(cli, i, f.count);
		if (session_skips(&s, f.paths[i]))
			continue;
		if (intake_file(cli, f.paths[i], index ? index : index_of(cli, f.paths[i]), &bytes,
				&p, &why) != 0)
			session_failed(&s, f.paths[i], &why);
		else
			session_add(&s, &p, f.paths[i]);
	}
	progress(cli, f.count, f.count);
	free(f.paths);
	session_flush(&s);
	int rc = session_settle(&s, as_of, &e);
	if (f.skipped)
		cli_note(cli, "%zu files with other endings were left alone", f.skipped);
	return session_finish(&s, rc, &e);
}
