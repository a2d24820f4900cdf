/* tables, describe, partitions, compact: what the catalog knows. */
#include <string.h>

#include "cli.h"
#include "path.h"
#include "render.h"
#include "tr.h"

/* "raw.portfolio" to a table definition; the message names the tables that there are. */
static int find_table(struct cli *cli, const char *word, struct table_def **ret, struct err *e)
{
	struct catalog *c = system_catalog(cli->system);
	struct table_def **all;
	size_t count;
	int rc = catalog_tables(c, cli->arena, &all, &count, e);
	if (rc)
		return rc;
	const char **names = ANEW_ARRAY(cli->arena, count + 1, const char *);
	for (size_t i = 0; i < count; i++) {
		names[i] = arena_printf(cli->arena, "%s.%s", all[i]->database, all[i]->name);
		if (strcmp(names[i], word) == 0) {
			*ret = all[i];
			return OK;
		}
	}
	const char *near = str_nearest(word, names, count);
	if (near)
		return err_set(e, ERR_NOT_FOUND, "there is no table `%s`; did you mean `%s`?", word,
			       near);
	return err_set(e, ERR_NOT_FOUND, "there is no table `%s`; `pregao tables` lists them",
		       word);
}

int cmd_tables(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct table_def **all;
	size_t count;
	if (cli_system(cli, SYSTEM_READ, &e) != 0 ||
	    catalog_tables(system_catalog(cli->system), cli->arena, &all, &count, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {{.name = "table", .type = COL_TEXT},
						{.name = "rows", .type = COL_BIGINT},
						{.name = "files", .type = COL_BIGINT},
						{.name = "bytes", .type = COL_BIGINT},
						{.name = "partitioned_by", .type = COL_TEXT},
						{.name = "location", .type = COL_TEXT},
						{.name = "doc", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int rc = OK;
	for (size_t i = 0; i < count && rc == OK; i++) {
		struct column_stats *stats;
		size_t stats_count;
		int64_t rows, bytes, files;
		rc = catalog_stats(system_catalog(cli->system), all[i], cli->arena, &stats,
				   &stats_count, &rows, &bytes, &files, &e);
		if (rc)
			break;
		AUTO_BUF struct buf by = {0};
		for (size_t k = 0; k < all[i]->partition_count; k++)
			buf_printf(&by, "%s%s", k ? ", " : "", all[i]->partition[k].name);
		listing_text(l, arena_printf(cli->arena, "%s.%s", all[i]->database, all[i]->name));
		listing_int(l, rows);
		listing_int(l, files);
		listing_int(l, bytes);
		listing_text(l, by.data ? by.data : "");
		listing_text(l, all[i]->location);
		listing_text(l, all[i]->doc);
	}
	if (rc == OK)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

static int history_row(void *ctx, int64_t version, int64_t at_us, const char *change)
{
	listing_int(ctx, version);
	listing_time(ctx, at_us);
	listing_text(ctx, change);
	return 0;
}

static int describe_history(struct cli *cli, const struct table_def *t, struct err *e)
{
	static const struct column columns[] = {{.name = "version", .type = COL_BIGINT},
						{.name = "at", .type = COL_TEXT},
						{.name = "change", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int rc = catalog_history(system_catalog(cli->system), t, history_row, l, e);
	if (rc == OK)
		rc = listing_print(l, cli, e);
	listing_free(l);
	return rc;
}

int cmd_describe(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct table_def *t;
	if (cli_system(cli, SYSTEM_READ, &e) != 0 || find_table(cli, cli->words[0], &t, &e) != 0)
		return cli_fail(cli, &e);
	if (cli_flag(cli, OPT_HISTORY))
		return describe_history(cli, t, &e) ? cli_fail(cli, &e) : EXIT_DONE;
	struct column_stats *stats;
	size_t stats_count;
	int64_t rows, bytes, files;
	if (catalog_stats(system_catalog(cli->system), t, cli->arena, &stats, &stats_count, &rows,
			  &bytes, &files, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "column", .type = COL_TEXT},       {.name = "type", .type = COL_TEXT},
		{.name = "partition", .type = COL_BOOLEAN}, {.name = "nulls", .type = COL_BIGINT},
		{.name = "minimum", .type = COL_TEXT},      {.name = "maximum", .type = COL_TEXT},
		{.name = "doc", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < t->column_count + t->partition_count; i++) {
		const struct column *c = i < t->column_count ? &t->columns[i]
							     : &t->partition[i - t->column_count];
		const struct column_stats *s = NULL;
		for (size_t k = 0; k < stats_count; k++)
			if (strcmp(stats[k].column, c->name) == 0)
				s = &stats[k];
		char type[COLUMN_TYPE_SIZE];
		listing_text(l, c->name);
		listing_text(l, column_type_format(c, type));
		listing_bool(l, i >= t->column_count);
		if (s && s->nulls >= 0)
			listing_int(l, s->nulls);
		else
			listing_null(l);
		listing_text(l, s ? s->minimum : NULL);
		listing_text(l, s ? s->maximum : NULL);
		listing_text(l, c->doc);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	if (rc)
		return cli_fail(cli, &e);
	char size[32];
	if (cli->format == FORMAT_TABLE)
		cli_note(cli, "%lld rows in %lld files, %s", (long long)rows, (long long)files,
			 human_bytes(bytes, size));
	return EXIT_DONE;
}

int cmd_partitions(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct table_def *t;
	int64_t limit;
	if (cli_int(cli, OPT_LIMIT, 1, INT32_MAX, cli->format == FORMAT_TABLE ? 100 : INT32_MAX,
		    &limit, &e) != 0 ||
	    cli_system(cli, SYSTEM_READ, &e) != 0 || find_table(cli, cli->words[0], &t, &e) != 0)
		return cli_fail(cli, &e);
	struct catalog_file *files;
	size_t count;
	if (catalog_files(system_catalog(cli->system), t, LAYOUT_PUBLISHED, NULL, 0, cli->arena,
			  &files, &count, &e) != 0)
		return cli_fail(cli, &e);
	static const struct column columns[] = {{.name = "partition", .type = COL_TEXT},
						{.name = "rows", .type = COL_BIGINT},
						{.name = "bytes", .type = COL_BIGINT},
						{.name = "version", .type = COL_BIGINT},
						{.name = "key", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int rc = OK;
	for (size_t i = 0; i < count && (int64_t)i < limit && rc == OK; i++) {
		const char *path;
		rc = path_of_key(cli->arena, t, files[i].key, &path, &e);
		if (rc)
			break;
		listing_text(l, path);
		listing_int(l, files[i].rows);
		listing_int(l, files[i].bytes);
		listing_int(l, files[i].version);
		listing_text(l, files[i].key);
	}
	if (rc == OK)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	if (rc)
		return cli_fail(cli, &e);
	if ((int64_t)count > limit)
		cli_note(cli, "%zu partitions, the first %lld shown; --limit gives more", count,
			 (long long)limit);
	return EXIT_DONE;
}

/* Merges one table's compact files. */
static int compact_table(struct cli *cli, const struct table_def *t, int64_t *ret_merged,
			 struct err *e)
{
	struct publish p = system_publish(cli->system);
	struct publish_session *session;
	int rc = publish_begin(&p, &t, 1, &session, e);
	if (rc)
		return rc;
	rc = publish_compact(session, t, true, ret_merged, e);
	publish_end(session);
	return rc;
}

int cmd_compact(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct table_def **all, *one;
	size_t count;
	if (cli_system(cli, cli_flag(cli, OPT_DRY_RUN) ? SYSTEM_READ : SYSTEM_WORK, &e) != 0 ||
	    catalog_tables(system_catalog(cli->system), cli->arena, &all, &count, &e) != 0)
		return cli_fail(cli, &e);
	if (cli->word_count) {
		if (find_table(cli, cli->words[0], &one, &e) != 0)
			return cli_fail(cli, &e);
		if (!one->compact_location)
			return cli_fail(cli, (err_set(&e, ERR_INPUT, "`%s` has no compact layout",
						      cli->words[0]),
					      &e));
		all = &one;
		count = 1;
	}
	static const struct column columns[] = {{.name = "table", .type = COL_TEXT},
						{.name = "files_before", .type = COL_BIGINT},
						{.name = "merged_files", .type = COL_BIGINT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	int rc = OK;
	for (size_t i = 0; i < count && rc == OK; i++) {
		if (!all[i]->compact_location)
			continue;
		struct catalog_file *files;
		size_t before;
		int64_t merged = 0;
		rc = catalog_files(system_catalog(cli->system), all[i], LAYOUT_COMPACT, NULL, 0,
				   cli->arena, &files, &before, &e);
		if (rc == OK && !cli_flag(cli, OPT_DRY_RUN))
			rc = compact_table(cli, all[i], &merged, &e);
		listing_text(l, arena_printf(cli->arena, "%s.%s", all[i]->database, all[i]->name));
		listing_int(l, (int64_t)before);
		listing_int(l, merged);
	}
	if (rc == OK)
		rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}
