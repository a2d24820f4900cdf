/* Job definitions: found in the program and in the user's folder, parsed and checked against the
 * tables there are. */
#include "definitions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitcoin.h"
#include "bundled.h"
#include "catalog.h"
#include "file.h"
#include "source.h"
#include "xdg.h"

#define DEFINITIONS_MAX 1000 /* files in the user's folder */

const char *definitions_default_dir(struct arena *arena)
{
	return arena_printf(arena, "%s/pregao", xdg_folder(arena, "XDG_DATA_HOME", ".local/share"));
}

struct gather {
	struct arena *arena;
	const char *dir;
	struct definition *list;
	size_t count, cap;
	struct err *e;
};

static const char *base_name(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct slice name = slice_of(slash ? slash + 1 : path);
	if (slice_ends(name, ".json"))
		name.n -= strlen(".json");
	return arena_strndup(arena, name.p, name.n);
}

static int read_definition(struct arena *arena, const char *path, struct definition *ret,
			   struct err *e)
{
	AUTO_BUF struct buf bytes = {0};
	int rc = file_read(path, JOB_MAX_BYTES + 1, &bytes, e);
	if (rc)
		return rc;
	*ret = (struct definition){.name = base_name(arena, path),
				   .path = arena_strdup(arena, path)};
	ret->bytes = (struct slice){arena_strndup(arena, bytes.data ? bytes.data : "", bytes.len),
				    bytes.len};
	return OK;
}

static int found_file(void *ctx, const char *relative, int64_t size)
{
	struct gather *g = ctx;
	/* DIR/x.json and DIR/jobs/x.json; deeper files are somebody's own business */
	const char *rest = strncmp(relative, "jobs/", 5) == 0 ? relative + 5 : relative;
	if (strchr(rest, '/') || !slice_ends(slice_of(rest), ".json"))
		return 0;
	if (g->count >= DEFINITIONS_MAX)
		return err_set(g->e, ERR_LIMIT, "more than %d job definitions in %s",
			       DEFINITIONS_MAX, g->dir);
	struct definition d;
	int rc = read_definition(g->arena, arena_printf(g->arena, "%s/%s", g->dir, relative), &d,
				 g->e);
	if (rc)
		return rc;
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->list[i].name, d.name) == 0) {
			if (!g->list[i].builtin)
				return err_set(g->e, ERR_CONFLICT, "%s and %s define the same job",
					       g->list[i].path, d.path);
			g->list[i] = d;
			return 0;
		}
	*PUSH(g->list, g->count, g->cap) = d;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct definition *)a)->name, ((const struct definition *)b)->name);
}

/* The lake's default folder lies in the same place as the user's definitions: only jobs/ and files
 * beside it are looked at, never a lake. */
static int walk_user(struct gather *g)
{
	const char *jobs = arena_printf(g->arena, "%s/jobs", g->dir);
	struct stat st;
	if (stat(jobs, &st) == 0 && S_ISDIR(st.st_mode)) {
		const char *dir = g->dir;
		g->dir = jobs;
		int rc = file_walk(jobs, found_file, g, g->e);
		g->dir = dir;
		return rc;
	}
	if (strcmp(g->dir, definitions_default_dir(g->arena)) == 0)
		return 0;
	return file_walk(g->dir, found_file, g, g->e);
}

int definitions_list(const char *dir, struct arena *arena, struct definition **ret,
		     size_t *ret_count, struct err *e)
{
	struct gather g = {
		.arena = arena, .dir = dir ? dir : definitions_default_dir(arena), .e = e};
	for (size_t i = 0; i < bundled_files_count; i++) {
		const struct bundled_file *f = &bundled_files[i];
		if (strncmp(f->path, "jobs/", 5) != 0 || !slice_ends(slice_of(f->path), ".json"))
			continue;
		*PUSH(g.list, g.count, g.cap) =
			(struct definition){.name = base_name(arena, f->path),
					    .path = arena_printf(arena, "(built in) %s", f->path),
					    .bytes = {(const char *)f->data, f->size},
					    .builtin = true};
	}
	int rc = walk_user(&g);
	if (rc == OK) {
		*ret = ANEW_ARRAY(arena, g.count + 1, struct definition);
		if (g.count) {
			qsort(g.list, g.count, sizeof(*g.list), by_name);
			memcpy(*ret, g.list, g.count * sizeof(*g.list));
		}
		*ret_count = g.count;
	}
	free(g.list);
	return rc;
}

/* By name, or by path when it holds a slash or ends in .json. ERR_NOT_FOUND names the ones there
 * are. */
static int find_definition(const char *dir, const char *name, struct arena *arena,
			   struct definition *ret, struct err *e)
{
	if (strchr(name, '/') || slice_ends(slice_of(name), ".json"))
		return read_definition(arena, name, ret, e);
	struct definition *list;
	size_t count;
	int rc = definitions_list(dir, arena, &list, &count, e);
	if (rc)
		return rc;
	const char **names = ANEW_ARRAY(arena, count + 1, const char *);
	for (size_t i = 0; i < count; i++) {
		names[i] = list[i].name;
		if (strcmp(list[i].name, name) == 0) {
			*ret = list[i];
			return OK;
		}
	}
	const char *near = str_nearest(name, names, count);
	if (near)
		return err_set(e, ERR_NOT_FOUND, "there is no job `%s`; did you mean `%s`?", name,
			       near);
	return err_set(
		e, ERR_NOT_FOUND,
		"there is no job `%s`; `pregao job list` shows them, and a path to a .json file works too",
		name);
}

/* Tables that a source node may name. */
struct known {
	const struct table_def **tables;
	size_t count, cap;
	struct catalog *catalog; /* may be NULL */
};

static int find_table(void *ctx, const char *database, const char *name, struct arena *arena,
		      struct table_def **ret, struct err *e)
{
	struct known *k = ctx;
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->tables[i]->database, database) == 0 &&
		    strcmp(k->tables[i]->name, name) == 0) {
			*ret = table_copy(arena, k->tables[i]);
			return OK;
		}
	if (k->catalog)
		return catalog_table(k->catalog, database, name, arena, ret, e);
	return err_set(e, ERR_NOT_FOUND, "there is no table %s.%s", database, name);
}

static void add_source_tables(struct known *k)
{
	for (size_t i = 0; i < source_count; i++)
		for (size_t t = 0; t < sources[i]->table_count; t++)
			*PUSH(k->tables, k->count, k->cap) = sources[i]->tables[t];
	for (size_t i = 0; i < BITCOIN_KINDS; i++)
		*PUSH(k->tables, k->count, k->cap) = bitcoin_tables[i];
}

static int load(const struct definition *d, struct known *k, struct arena *arena, struct job **ret,
		struct err *e)
{
	int rc = job_parse(arena, d->path, d->bytes, ret, e);
	return rc ? rc : job_check(arena, *ret, find_table, k, e);
}

/* A table has one writer: of two definitions that write it, the first by name keeps it. */
static bool taken(const struct known *k, const struct job_plan *plan)
{
	for (size_t o = 0; o < plan->output_count; o++)
		for (size_t i = 0; i < k->count; i++)
			if (strcmp(k->tables[i]->database, plan->outputs[o].table.database) == 0 &&
			    strcmp(k->tables[i]->name, plan->outputs[o].table.name) == 0)
				return true;
	return false;
}

/* A sound definition, compiled. */
struct compiled {
	const struct definition *from;
	struct job_plan plan;
};

/* Compiles every definition that can be; one job may read what another writes, so it goes round
 * until nothing more comes. What is not sound is left out: `job list` and `job validate` say
 * why. */
static int compile_all(const char *dir, struct known *k, struct arena *arena, struct compiled **ret,
		       size_t *ret_count, struct err *e)
{
	struct definition *list;
	size_t count, done = 0;
	int rc = definitions_list(dir, arena, &list, &count, e);
	if (rc)
		return rc;
	*ret = ANEW_ARRAY(arena, count + 1, struct compiled);
	bool *sound = ANEW_ARRAY(arena, count + 1, bool);
	for (bool more = true; more;) {
		more = false;
		/* What is built in comes first: a user's job may replace it by its name, not take
		 * its table. */
		for (size_t n = 0; n < count * 2; n++) {
			size_t i = n < count ? n : n - count;
			struct err why = ERR_INIT;
			struct job *job;
			struct compiled *c = &(*ret)[done];
			if (list[i].builtin != (n < count))
				continue;
			if (sound[i] || load(&list[i], k, arena, &job, &why) != 0 ||
			    job_compile(arena, job, &c->plan, &why) != 0 || taken(k, &c->plan))
				continue;
			c->from = &list[i];
			for (size_t o = 0; o < c->plan.output_count; o++)
				*PUSH(k->tables, k->count, k->cap) = &c->plan.outputs[o].table;
			sound[i] = more = true;
			done++;
		}
	}
	*ret_count = done;
	return OK;
}

static int refuse_second_writer(const char *dir, const struct definition *d, const struct job *job,
				struct arena *arena, struct err *e)
{
	struct known k = {0};
	struct compiled *all;
	struct job_plan plan;
	size_t count = 0;
	add_source_tables(&k);
	int rc = job_compile(arena, job, &plan, e);
	if (rc == OK)
		rc = compile_all(dir, &k, arena, &all, &count, e);
	free(k.tables);
	for (size_t i = 0; i < count && rc == OK; i++) {
		struct known others = {0};
		for (size_t o = 0; o < all[i].plan.output_count; o++)
			*PUSH(others.tables, others.count, others.cap) =
				&all[i].plan.outputs[o].table;
		bool second = strcmp(all[i].from->name, d->name) != 0 && taken(&others, &plan);
		free(others.tables);
		if (second) {
			err_set(e, ERR_CONFLICT, "its table is written by the job %s already (%s)",
				all[i].from->name, all[i].from->path);
			rc = err_where(e, d->path);
		}
	}
	return rc;
}

int definitions_load(const char *dir, struct catalog *catalog, const char *name,
		     struct arena *arena, struct job **ret, struct err *e)
{
	struct definition d;
	int rc = find_definition(dir, name, arena, &d, e);
	if (rc)
		return rc;
	struct known k = {.catalog = catalog};
	add_source_tables(&k);
	rc = load(&d, &k, arena, ret, e);
	free(k.tables);
	return rc ? rc : refuse_second_writer(dir, &d, *ret, arena, e);
}

int definitions_tables(const char *dir, struct arena *arena, const struct table_def *const **ret,
		       size_t *ret_count, struct err *e)
{
	struct known k = {0};
	struct compiled *all;
	size_t count;
	add_source_tables(&k);
	int rc = compile_all(dir, &k, arena, &all, &count, e);
	if (rc == OK) {
		const struct table_def **tables =
			ANEW_ARRAY(arena, k.count + 1, const struct table_def *);
		memcpy(tables, k.tables, k.count * sizeof(*tables));
		*ret = tables;
		*ret_count = k.count;
	}
	free(k.tables);
	return rc;
}

int definitions_activations(const char *dir, struct catalog *catalog, struct arena *arena,
			    struct activation **ret, size_t *ret_count, struct err *e)
{
	struct known k = {.catalog = catalog};
	struct compiled *all;
	size_t count = 0;
	add_source_tables(&k);
	int rc = compile_all(dir, &k, arena, &all, &count, e);
	size_t most = 0;
	for (size_t i = 0; i < count && rc == OK; i++)
		most += all[i].plan.trigger_count;
	*ret = ANEW_ARRAY(arena, most + 1, struct activation);
	*ret_count = 0;
	for (size_t i = 0; i < count && rc == OK; i++) {
		const struct job_plan *plan = &all[i].plan;
		for (size_t n = 0; n < plan->trigger_count && rc == OK; n++) {
			struct table_def *t;
			rc = find_table(&k, plan->triggers[n].database, plan->triggers[n].table,
					arena, &t, e);
			if (rc == OK)
				(*ret)[(*ret_count)++] =
					(struct activation){.location_prefix = t->location,
							    .job = all[i].from->name,
							    .scope_count = t->scope_count};
		}
	}
	free(k.tables);
	return rc;
}
