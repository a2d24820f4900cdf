/* The doctor's checks of the files: the catalog's against those that are there, what stands in them, and
 * the payloads that they were made of. */
#include <string.h>

#include "bitcoin.h"
#include "definitions.h"
#include "doctor_private.h"
#include "hash.h"
#include "json.h"
#include "tr.h"

#define SAMPLE_FILES 500 /* of each table and layout */
#define LANDING      "landing/b3/portfolio"
#define PAYLOAD_MAX  ((size_t)64 << 20)
#define STRAY_AGE_US 3600000000LL /* no writer and no reader takes as long */

const char *doctor_again_from_landing(const struct doctor *d, bool force)
{
	const char *folder = arena_printf(d->arena, "%s/" LANDING, system_lake(d->system));
	return arena_printf(d->arena, "import portfolio %s%s", force ? "--force " : "",
			    shell_word(d->arena, folder));
}

/* What makes a table's files again. */
static const char *mend_table(const struct doctor *d, const struct table_def *t)
{
	struct definition *all;
	size_t count;
	struct err ignored = ERR_INIT;
	for (size_t i = 0; i < BITCOIN_KINDS; i++)
		if (strcmp(t->location, bitcoin_tables[i]->location) == 0)
			return "backup restore";
	if (strcmp(t->database, "raw") == 0)
		return doctor_again_from_landing(d, true);
	if (definitions_list(d->definitions, d->arena, &all, &count, &ignored) != OK)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct job *job;
		struct job_plan plan;
		if (definitions_load(d->definitions, system_catalog(d->system), all[i].name,
				     d->arena, &job, &ignored) != OK ||
		    job_compile(d->arena, job, &plan, &ignored) != OK)
			continue;
		for (size_t k = 0; k < plan.output_count; k++)
			if (strcmp(plan.outputs[k].table.database, t->database) == 0 &&
			    strcmp(plan.outputs[k].table.name, t->name) == 0)
				return arena_printf(d->arena, "job run %s --force", all[i].name);
	}
	return NULL;
}

static int look_at_files(struct examination *x, const struct table_def *t,
			 enum catalog_layout layout, struct err *e)
{
	const struct doctor *d = x->d;
	struct catalog_file *files;
	size_t count, wrong = 0, looked = 0;
	const char *first = NULL;
	int rc = catalog_files(system_catalog(d->system), t, layout, NULL, 0, d->arena, &files,
			       &count, e);
	/* A sample is spread over all of them. */
	size_t step = d->all || count <= SAMPLE_FILES ? 1 : count / SAMPLE_FILES;
	for (size_t i = 0; i < count && rc == OK; i += step, looked++) {
		struct object_info info;
		rc = object_store_head(system_store(d->system), files[i].key, &info, e);
		bool there = rc == OK;
		if (rc == ERR_NOT_FOUND)
			rc = OK;
		if (rc || (there && info.size_bytes == files[i].bytes))
			continue;
		first = wrong++ ? first : files[i].key;
	}
	if (rc == OK && wrong)
		examination_add(
			x, SEVERITY_ERROR,
			arena_printf(
				d->arena,
				tr("%s.%s: %zu of %zu files are missing or of a wrong size, the first: %s"),
				t->database, t->name, wrong, looked, first),
			mend_table(d, t));
	return rc;
}

int doctor_check_files(struct examination *x, struct err *e)
{
	struct table_def **tables;
	size_t count;
	int rc = catalog_tables(system_catalog(x->d->system), x->d->arena, &tables, &count, e);
	/* raw.* first: what is made of it can be made when it is there */
	for (int refined = 0; refined < 2; refined++)
		for (size_t i = 0; i < count && rc == OK; i++) {
			if ((strcmp(tables[i]->database, "raw") != 0) != refined)
				continue;
			rc = look_at_files(x, tables[i], LAYOUT_PUBLISHED, e);
			if (rc == OK && tables[i]->compact_location)
				rc = look_at_files(x, tables[i], LAYOUT_COMPACT, e);
		}
	return rc;
}

/* -- what stands in them ----------------------------------------------------------------------- */

/* How many things are wrong, and the first of them: one finding tells both. */
struct wrong {
	size_t count, looked;
	const char *first;
};

static void note_wrong(struct wrong *w, struct arena *arena, const char *what)
{
	if (w->count++ == 0)
		w->first = arena_strdup(arena, what);
}

static int decode(struct examination *x, const struct catalog_file *file, struct parquet *parquet,
		  struct wrong *w, struct err *e)
{
	const char *path;
	int64_t rows = 0;
	char text[2048];
	struct err why = ERR_INIT;
	int rc = object_store_localise(system_store(x->d->system), &file->key, 1, x->d->arena,
				       &path, e);
	if (rc == OK)
		rc = parquet_check(parquet, path, &rows, &why);
	w->looked++;
	/* What is not there is told by the check of the files. */
	if (rc == ERR_NOT_FOUND)
		return OK;
	if (rc == ERR_INPUT)
		note_wrong(w, x->d->arena, err_format(&why, text, sizeof(text)));
	else if (rc == OK && rows != file->rows)
		note_wrong(w, x->d->arena,
			   arena_printf(x->d->arena, tr("%s has %lld rows, the catalog says %lld"),
					file->key, (long long)rows, (long long)file->rows));
	else if (rc)
		return why.code ? (*e = why, rc) : rc;
	return OK;
}

struct strays {
	struct examination *x;
	const char **dead;
	size_t dead_count;
	struct wrong wrong;
	struct err *e;
};

static int look_for_stray(void *ctx, const struct object_info *info)
{
	struct strays *s = ctx;
	bool live = false;
	if (!slice_ends(slice_of(info->key), ".parquet") ||
	    info->modified_us + STRAY_AGE_US > s->x->d->now_us)
		return OK;
	s->wrong.looked++;
	int rc = catalog_is_live(system_catalog(s->x->d->system), info->key, &live, s->e);
	if (rc == OK && !live && !str_among(info->key, s->dead, s->dead_count))
		note_wrong(&s->wrong, s->x->d->arena, info->key);
	return rc;
}

static int look_into_table(struct examination *x, const struct table_def *t,
			   enum catalog_layout layout, struct parquet *parquet, struct err *e)
{
	const struct doctor *d = x->d;
	const char *location = layout == LAYOUT_COMPACT ? t->compact_location : t->location;
	struct wrong damaged = {0};
	struct strays strays = {.x = x, .e = e};
	struct catalog_file *files;
	size_t count = 0;
	int rc = catalog_files(system_catalog(d->system), t, layout, NULL, 0, d->arena, &files,
			       &count, e);
	for (size_t i = 0; i < count && rc == OK; i++)
		rc = decode(x, &files[i], parquet, &damaged, e);
	if (rc == OK)
		rc = catalog_dead(system_catalog(d->system), t, d->arena, &strays.dead,
				  &strays.dead_count, e);
	if (rc == OK)
		rc = object_store_list(system_store(d->system),
				       arena_printf(d->arena, "%s/", location), NULL,
				       look_for_stray, &strays, e);
	if (rc == OK && damaged.count)
		examination_add(
			x, SEVERITY_ERROR,
			arena_printf(
				d->arena, tr("%s.%s: %zu of %zu files are damaged, the first: %s"),
				t->database, t->name, damaged.count, damaged.looked, damaged.first),
			mend_table(d, t));
	if (rc == OK && strays.wrong.count)
		examination_add(
			x, SEVERITY_WARNING,
			arena_printf(
				d->arena,
				tr("%s.%s: %zu files are in no version of the catalog, and other programs would read their rows; the first: %s"),
				t->database, t->name, strays.wrong.count, strays.wrong.first),
			NULL);
	return rc;
}

/* -- payloads ---------------------------------------------------------------------------------- */

struct landed {
	struct examination *x;
	const char **found; /* their sha256, in the order of their keys */
	size_t count, cap;
	struct wrong wrong;
	struct err *e;
};

static int look_at_payload(void *ctx, const struct object_info *info)
{
	struct landed *l = ctx;
	const char *name = strrchr(info->key, '/') + 1;
	size_t digits = HASH_HEX_SIZE - 1;
	char hex[HASH_HEX_SIZE];
	AUTO_BUF struct buf bytes = {0};
	if (strspn(name, "0123456789abcdef") != digits || strcmp(name + digits, ".json") == 0)
		return OK;
	l->wrong.looked++;
	*PUSH(l->found, l->count, l->cap) = arena_strndup(l->x->d->arena, name, digits);
	int rc = object_store_get(system_store(l->x->d->system), info->key, 0, -1, PAYLOAD_MAX,
				  &bytes, NULL, l->e);
	if (rc)
		return rc;
	hash_bytes_hex(bytes.data ? bytes.data : "", bytes.len, hex);
	if (strncmp(hex, name, digits) != 0)
		note_wrong(&l->wrong, l->x->d->arena, info->key);
	return OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sessions in the catalog whose payload is not there. */
static int look_for_payloads(const struct landed *l, struct wrong *missing, struct err *e)
{
	const struct doctor *d = l->x->d;
	struct table_def *t;
	struct catalog_scope *scopes = NULL;
	size_t count = 0;
	int rc = catalog_table(system_catalog(d->system), "raw", "portfolio", d->arena, &t, e);
	if (rc == OK)
		rc = catalog_scopes(system_catalog(d->system), t, NULL, 0, d->arena, &scopes,
				    &count, e);
	for (size_t i = 0; i < count && rc == OK; i++) {
		AUTO_JSON json_t *o = NULL;
		if (json_parse(scopes[i].properties, strlen(scopes[i].properties), &o, NULL) != OK)
			continue;
		const char *hex = json_opt_str(o, "source_sha256", NULL);
		if (hex &&
		    !(l->count && bsearch(&hex, l->found, l->count, sizeof(*l->found), by_name)))
			note_wrong(missing, d->arena, scopes[i].scope);
	}
	return rc;
}

static int look_at_landing(struct examination *x, struct err *e)
{
	struct landed l = {.x = x, .e = e};
	struct wrong missing = {0};
	int rc = object_store_list(system_store(x->d->system), LANDING "/", NULL, look_at_payload,
				   &l, e);
	if (l.count)
		qsort(l.found, l.count, sizeof(*l.found), by_name);
	if (rc == OK)
		rc = look_for_payloads(&l, &missing, e);
	if (rc == OK && l.wrong.count)
		examination_add(
			x, SEVERITY_WARNING,
			arena_printf(
				x->d->arena,
				tr("%zu of %zu payloads in landing/ are damaged; importing a good copy with --force replaces one; the first: %s"),
				l.wrong.count, l.wrong.looked, l.wrong.first),
			NULL);
	if (rc == OK && missing.count)
		examination_add(
			x, SEVERITY_WARNING,
			arena_printf(
				x->d->arena,
				tr("the payloads of %zu sessions are not in landing/; importing one with --force puts it there; the first: %s"),
				missing.count, missing.first),
			NULL);
	free(l.found);
	return rc;
}

int doctor_check_contents(struct examination *x, struct err *e)
{
	struct table_def **tables;
	size_t count = 0;
	if (!x->d->all)
		return OK;
	struct parquet *parquet = system_publish(x->d->system).parquet;
	int rc = look_at_landing(x, e);
	if (rc == OK)
		rc = catalog_tables(system_catalog(x->d->system), x->d->arena, &tables, &count, e);
	/* raw.* first, as above */
	for (int refined = 0; refined < 2; refined++)
		for (size_t i = 0; i < count && rc == OK; i++) {
			if ((strcmp(tables[i]->database, "raw") != 0) != refined)
				continue;
			rc = look_into_table(x, tables[i], LAYOUT_PUBLISHED, parquet, e);
			if (rc == OK && tables[i]->compact_location)
				rc = look_into_table(x, tables[i], LAYOUT_COMPACT, parquet, e);
		}
	return rc;
}
