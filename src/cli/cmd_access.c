/* access show, check, export: the role table for people and for programs. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "definitions.h"
#include "file.h"
#include "json.h"
#include "render.h"
#include "role_policy.h"
#include "role_sandbox.h"
#include "role_trial.h"
#include "tr.h"

struct access {
	struct up_settings settings;
	struct sandbox_lacks lacks;
	const struct role *only; /* NULL: all */
};

static int open_access(struct cli *cli, struct access *ret, struct err *e)
{
	*ret = (struct access){.settings = {.lake = cli_lake(cli),
					    .definitions = cli_definitions(cli),
					    .conf = cli->conf}};
	int rc = up_settings_read(&ret->settings, NULL, NULL, cli->arena, e);
	if (rc)
		return rc;
	ret->lacks = role_sandbox_lacks(ret->settings.landlock_abi);
	if (!cli->word_count)
		return OK;
	ret->only = role_find(cli->words[0]);
	if (ret->only)
		return OK;
	AUTO_BUF struct buf names = {0};
	for (size_t i = 0; i < role_count; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", role_table[i].name);
	return err_set(e, ERR_USAGE, "there is no role `%s`; there are: %s", cli->words[0],
		       names.data);
}

/* What the table promises, as far as this kernel can keep it. */
static const char *held_by(const struct access *a, const struct right *r)
{
	/* Our own HTTP asks no address that is not configured, whatever the kernel has. */
	if (r->resource == RES_NETWORK)
		return a->lacks.network ? "guard" : "port: kernel, host: guard";
	/* Nothing is started from within; what runs it outside runs nothing else. */
	if (r->resource == RES_COMMAND || r->resource == RES_CONNECTIONS)
		return a->lacks.calls ? "nothing" : "kernel";
	if (!a->lacks.files)
		return right_holder(r) == HELD_KERNEL ? "kernel" : "guard";
	bool guarded = r->resource == RES_STORE || right_holder(r) == HELD_GUARD;
	return guarded ? "guard" : "nothing";
}

static void means(struct cli *cli, const struct access *a, const struct right *r, struct buf *out)
{
	if (r->resource == RES_BACKUP)
		buf_str(out, a->settings.backup.path);
	else if (r->resource == RES_DEFINITIONS)
		buf_str(out, a->settings.definitions);
	else if (r->resource == RES_COMMAND)
		buf_str(out, conf_text(a->settings.conf, "alarms", "notify"));
	else if (r->resource == RES_CONNECTIONS)
		buf_str(out, conf_text(a->settings.conf, "web", "listen"));
	if (r->resource != RES_NETWORK)
		return;
	const char *const *list = role_addresses(r, &a->settings, cli->arena);
	for (size_t i = 0; list[i]; i++)
		buf_printf(out, "%s%s", i ? " " : "", list[i]);
}

/* Resource limits, as rights to use so much and no more. */
static void show_limits(struct cli *cli, const struct role *role, struct listing *l)
{
	const struct {
		const char *kind, *most;
	} limits[] = {
		{"memory", arena_printf(cli->arena, "%d MiB", role->memory_mib)},
		{"open-files", arena_printf(cli->arena, "%d", ROLE_FILES_MAX)},
		{"core-file", "0"},
	};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		listing_text(l, role->name);
		listing_text(l, "use");
		listing_text(l, limits[i].kind);
		listing_text(l, limits[i].most);
		listing_text(l, "kernel");
		listing_null(l);
	}
}

int cmd_access_show(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct access a;
	if (open_access(cli, &a, &e) != OK)
		return cli_fail(cli, &e);
	static const struct column columns[] = {
		{.name = "role", .type = COL_TEXT},    {.name = "action", .type = COL_TEXT},
		{.name = "kind", .type = COL_TEXT},    {.name = "resource", .type = COL_TEXT},
		{.name = "held_by", .type = COL_TEXT}, {.name = "means", .type = COL_TEXT}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < role_count; i++) {
		if (a.only && a.only != &role_table[i])
			continue;
		for (const struct right *r = role_table[i].rights; r->action; r++) {
			AUTO_BUF struct buf text = {0};
			means(cli, &a, r, &text);
			listing_text(l, role_table[i].name);
			listing_text(l, action_name(r->action));
			listing_text(l, resource_name(r->resource));
			listing_text(l, r->name);
			listing_text(l, held_by(&a, r));
			listing_text(l, text.len ? text.data : NULL);
		}
		show_limits(cli, &role_table[i], l);
	}
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	return rc ? cli_fail(cli, &e) : EXIT_DONE;
}

/* "queue:backup", "catalog", or a key of the lake. */
static void split_resource(struct cli *cli, const char *word, enum resource *ret_kind,
			   const char **ret_name)
{
	struct slice name = slice_of(word);
	struct slice kind = slice_cut(&name, ':');
	*ret_name = name.n ? arena_strndup(cli->arena, name.p, name.n) : "";
	if (resource_find(arena_strndup(cli->arena, kind.p, kind.n), ret_kind))
		return;
	*ret_kind = RES_STORE;
	*ret_name = word;
}

/* Hosts are what the settings name; the kernel tells ports only. */
static const struct right *may_connect(struct cli *cli, const struct access *a, const char *action,
				       const char *address)
{
	for (const struct right *r = a->only->rights; r->action; r++) {
		if (r->resource != RES_NETWORK || strcmp(action, "connect") != 0)
			continue;
		const char *const *list = role_addresses(r, &a->settings, cli->arena);
		for (size_t i = 0; list[i]; i++)
			if (strcmp(list[i], address) == 0)
				return r;
	}
	return NULL;
}

/* -- by trying --------------------------------------------------------------------------------- */

static const char *row_text(struct cli *cli, const struct trial_row *row)
{
	if (row->attempt)
		return tr(row->attempt->what);
	const struct right *r = row->right;
	return arena_printf(cli->arena, "%s %s%s%s", action_name(r->action),
			    resource_name(r->resource), r->name ? " " : "", r->name ? r->name : "");
}

/* For people: who stands beside what was tried. */
static struct listing *trial_table(struct cli *cli, const struct role_trial *t)
{
	struct column *columns = ANEW_ARRAY(cli->arena, t->role_count + 1, struct column);
	columns[0] = (struct column){.name = "tried", .type = COL_TEXT};
	for (size_t r = 0; r < t->role_count; r++)
		columns[1 + r] = (struct column){.name = t->roles[r]->name, .type = COL_TEXT};
	struct listing *l = listing_new(columns, t->role_count + 1);
	for (size_t i = 0; i < t->row_count; i++) {
		listing_text(l, row_text(cli, &t->rows[i]));
		for (size_t r = 0; r < t->role_count; r++) {
			const struct trial_cell *c = &t->cells[i * t->role_count + r];
			listing_text(l,
				     arena_printf(cli->arena, "%s%s", attempt_outcome_name(c->came),
						  c->right ? "" : " !"));
		}
	}
	return l;
}

/* For programs: a row for each. */
static struct listing *trial_rows(struct cli *cli, const struct role_trial *t)
{
	static const struct column columns[] = {{.name = "role", .type = COL_TEXT},
						{.name = "tried", .type = COL_TEXT},
						{.name = "may", .type = COL_BOOLEAN},
						{.name = "came", .type = COL_TEXT},
						{.name = "right", .type = COL_BOOLEAN}};
	struct listing *l = listing_new(columns, ARRAY_LEN(columns));
	for (size_t r = 0; r < t->role_count; r++)
		for (size_t i = 0; i < t->row_count; i++) {
			const struct trial_cell *c = &t->cells[i * t->role_count + r];
			listing_text(l, t->roles[r]->name);
			listing_text(l, row_text(cli, &t->rows[i]));
			listing_bool(l, c->may);
			listing_text(l, attempt_outcome_name(c->came));
			listing_bool(l, c->right);
		}
	return l;
}

static int print_trial(struct cli *cli, const struct role_trial *t)
{
	struct err e = ERR_INIT;
	struct listing *l = cli->format == FORMAT_TABLE ? trial_table(cli, t) : trial_rows(cli, t);
	size_t wrong = 0;
	for (size_t i = 0; i < t->row_count * t->role_count; i++)
		wrong += !t->cells[i].right;
	int rc = listing_print(l, cli, &e);
	listing_free(l);
	if (rc)
		return cli_fail(cli, &e);
	if (!wrong)
		return EXIT_DONE;
	cli_warn(cli, "%zu attempts came otherwise than the table of roles says", wrong);
	return EXIT_UNWELL;
}

static int try_roles(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct access a;
	struct role_trial trial;
	const char *tmp = getenv("TMPDIR");
	char *folder =
		arena_printf(cli->arena, "%s/pregao-access.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (open_access(cli, &a, &e) != OK)
		return cli_fail(cli, &e);
	if (!mkdtemp(folder)) {
		err_errno(&e, errno, "cannot make the folder %s for temporary files", folder);
		return cli_fail(cli, &e);
	}
	int rc = role_trial(&a.settings, folder, a.only, cli->arena, &trial, &e);
	struct err ignored = ERR_INIT;
	if (file_remove_tree(folder, &ignored) != OK)
		cli_warn(cli, "%s could not be removed: %s", folder, ignored.text);
	return rc ? cli_fail(cli, &e) : print_trial(cli, &trial);
}

int cmd_access_check(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct access a;
	enum resource kind;
	const char *name, *action = cli->word_count > 1 ? cli->words[1] : NULL;
	if (!action)
		return try_roles(cli);
	if (cli->word_count < 3)
		return cli_usage(cli, "expected ROLE ACTION RESOURCE, or at most ROLE");
	if (open_access(cli, &a, &e) != OK)
		return cli_fail(cli, &e);
	if (!action_is_known(action)) {
		err_set(&e, ERR_USAGE,
			"there is no action `%s`; `pregao access show` shows those there are",
			action);
		return cli_fail(cli, &e);
	}
	split_resource(cli, cli->words[2], &kind, &name);
	const struct right *r = kind == RES_NETWORK
					? may_connect(cli, &a, action, name)
					: role_may(a.only, resource_name(kind), action, name);
	if (cli->format == FORMAT_JSON) {
		AUTO_BUF struct buf b = {0};
		buf_printf(&b, "{\"role\":\"%s\",\"action\":\"%s\",\"kind\":\"%s\",\"resource\":",
			   a.only->name, action, resource_name(kind));
		buf_json_str(&b, name, strlen(name));
		buf_printf(&b, ",\"allowed\":%s", r ? "true" : "false");
		if (r)
			buf_printf(&b, ",\"held_by\":\"%s\",\"by\":\"%s %s %s\"", held_by(&a, r),
				   action_name(r->action), resource_name(r->resource),
				   r->name ? r->name : "*");
		printf("%s}\n", b.data);
	} else if (r) {
		printf(tr("yes: %s has the right to %s %s %s\n"), a.only->name,
		       action_name(r->action), resource_name(r->resource), r->name ? r->name : "*");
	} else {
		printf(tr("no: %s has no right to %s %s %s\n"), a.only->name, action,
		       resource_name(kind), name);
	}
	return r ? EXIT_DONE : EXIT_FAILED;
}

static void export_right(struct cli *cli, const struct access *a, const struct right *r,
			 struct buf *out)
{
	const char *kind = resource_name(r->resource);
	buf_printf(out, "{\"Effect\":\"Allow\",\"Action\":[\"%s:%s\"", kind,
		   action_name(r->action));
	if (right_implies_read(r))
		buf_printf(out, ",\"%s:read\"", kind);
	buf_str(out, "],\"Resource\":[");
	if (r->resource == RES_NETWORK) {
		const char *const *list = role_addresses(r, &a->settings, cli->arena);
		for (size_t i = 0; list[i]; i++) {
			buf_str(out, i ? "," : "");
			const char *full = arena_printf(cli->arena, "network:%s", list[i]);
			buf_json_str(out, full, strlen(full));
		}
	} else if (r->resource == RES_STORE) {
		buf_printf(out, "\"%s:%s/*\"", kind, r->name);
	} else if (r->resource == RES_CATALOG && r->name && !strchr(r->name, '.') &&
		   strcmp(r->name, "marks") != 0) {
		/* a database: all of its tables */
		buf_printf(out, "\"%s:%s.*\"", kind, r->name);
	} else {
		buf_printf(out, "\"%s:%s\"", kind, r->name ? r->name : "*");
	}
	buf_printf(out, "],\"HeldBy\":\"%s\"}", held_by(a, r));
}

/* The document of one role, or an object of them all by their names. */
static int export_policies(struct cli *cli, const struct access *a, struct err *e)
{
	const struct table_def *const *tables;
	size_t table_count;
	int rc = definitions_tables(a->settings.definitions, cli->arena, &tables, &table_count, e);
	if (rc)
		return rc;
	AUTO_JSON json_t *all = json_object();
	for (size_t i = 0; i < role_count; i++) {
		json_t *policy;
		if (a->only ? a->only != &role_table[i] : !role_has_policy(&role_table[i]))
			continue;
		rc = role_policy(&role_table[i], tables, table_count, &policy, e);
		if (rc)
			return rc;
		json_object_set_new(all, role_table[i].name, policy);
	}
	json_dumpf(a->only ? json_object_get(all, a->only->name) : all, stdout, JSON_INDENT(2));
	putchar('\n');
	return OK;
}

int cmd_access_export(struct cli *cli)
{
	struct err e = ERR_INIT;
	struct access a;
	AUTO_BUF struct buf b = {0};
	const char *to = cli_value(cli, OPT_POLICY);
	bool iam = to && strcmp(to, "iam") == 0;
	if (to && !iam && strcmp(to, "rights") != 0)
		return cli_usage(cli, "--to %s: expected rights or iam", to);
	if (open_access(cli, &a, &e) != OK)
		return cli_fail(cli, &e);
	if (iam)
		return export_policies(cli, &a, &e) ? cli_fail(cli, &e) : EXIT_DONE;
	buf_str(&b, "{\"Version\":\"1\",\"Roles\":[");
	for (size_t i = 0, shown = 0; i < role_count; i++) {
		const struct role *role = &role_table[i];
		if (a.only && a.only != role)
			continue;
		buf_printf(&b, "%s\n {\"Role\":\"%s\",\"Statement\":[", shown++ ? "," : "",
			   role->name);
		size_t statements = 0;
		for (const struct right *r = role->rights; r->action; r++) {
			if (r->resource == RES_NETWORK &&
			    !role_addresses(r, &a.settings, cli->arena)[0])
				continue;
			buf_str(&b, statements++ ? ",\n  " : "\n  ");
			export_right(cli, &a, r, &b);
		}
		buf_str(&b, "]}");
	}
	printf("%s\n]}\n", b.data);
	return EXIT_DONE;
}
