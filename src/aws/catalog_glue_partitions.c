/* Partitions for Glue's Data Catalog, so that Athena, Spark and whoever reads through it see what was committed. The
 * tables themselves are the stack's (infra/modules/glue). */
#include <stdlib.h>
#include <string.h>

#include "catalog_glue_private.h"
#include "json.h"
#include "json_call.h"

#define CREATE_MOST 100 /* BatchCreatePartition takes no more */
#define DELETE_MOST 25  /* nor does BatchDeletePartition */

static const char *database_of(struct arena *arena, const struct catalog_glue *g,
			       const struct table_def *t)
{
	return arena_printf(arena, "%s%s", g->o.database_prefix, t->database);
}

static int ask(const struct catalog_glue *g, const struct table_def *t, const char *target,
	       const char *action, json_t *body, json_t **ret, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const char *database = database_of(arena, g, t);
	json_object_set_new(body, "DatabaseName", json_text(database));
	json_object_set_new(body, strcmp(target, "AWSGlue.GetTable") == 0 ? "Name" : "TableName",
			    json_text(t->name));
	const struct aws_json_call call = {.service = "glue",
					   .target = target,
					   .version = "1.1",
					   .action = action,
					   .resource =
						   arena_printf(arena, "%s.%s", database, t->name),
					   .body = body};
	return aws_json_call(g->o.aws, &call, ret, e);
}

/* -- which --------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct glue_partition *p = a, *q = b;
	for (size_t i = 0; i < TABLE_MAX_PARTITION && p->values[i]; i++) {
		int c = strcmp(p->values[i], q->values[i]);
		if (c)
			return c;
	}
	return 0;
}

/* Those of the published files, each once, sorted. */
static size_t partitions_of(const struct table_def *t, const struct catalog_file *files, size_t n,
			    struct glue_partition *ret)
{
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (files[i].layout != LAYOUT_PUBLISHED)
			continue;
		ret[count] = (struct glue_partition){{NULL}};
		memcpy(ret[count].values, files[i].low, t->partition_count * sizeof(*files[i].low));
		count++;
	}
	if (count)
		qsort(ret, count, sizeof(*ret), compare);
	for (size_t i = 0; i < count; i++)
		if (!kept || compare(&ret[kept - 1], &ret[i]) != 0)
			ret[kept++] = ret[i];
	return kept;
}

/* -- adding -------------------------------------------------------------------------------------- */

static json_t *values_json(const struct table_def *t, const struct glue_partition *p)
{
	json_t *list = json_array();
	for (size_t i = 0; i < t->partition_count; i++)
		json_array_append_new(list, json_text(p->values[i]));
	return list;
}

/* Hive's spelling of a value in a folder's name is the path's, which the file has already. */
static const char *folder_of(struct arena *arena, const struct catalog_glue *g,
			     const struct table_def *t, const struct catalog_change *c,
			     const struct glue_partition *p)
{
	for (size_t i = 0; i < c->file_count; i++) {
		const struct catalog_file *f = &c->files[i];
		struct glue_partition of = {{NULL}};
		memcpy(of.values, f->low, t->partition_count * sizeof(*f->low));
		if (f->layout != LAYOUT_PUBLISHED || compare(&of, p) != 0)
			continue;
		const char *slash = strrchr(f->key, '/');
		const char *prefix = g->o.prefix ? g->o.prefix : "";
		return arena_printf(arena, "s3://%s/%s%s%.*s", g->o.bucket, prefix,
				    *prefix ? "/" : "", (int)(slash - f->key), f->key);
	}
	return "";
}

/* A partition that is there is as it should be: its place follows from its values. */
static int only_known(const json_t *errors, const char *harmless, const char *what, struct err *e)
{
	for (size_t i = 0; i < json_array_size(errors); i++) {
		const json_t *one = json_array_get(errors, i);
		const json_t *why = json_object_get(one, "ErrorDetail");
		const char *code = json_opt_str(why, "ErrorCode", "");
		AUTO_BUF struct buf values = {0};
		if (strcmp(code, harmless) == 0)
			continue;
		json_canonical(json_object_get(one, "PartitionValues"), &values);
		return err_set(e,
			       strcmp(code, "AccessDeniedException") == 0 ? ERR_DENIED : ERR_RETRY,
			       "Glue did not %s the partition %s: %s %s", what,
			       values.data ? values.data : "", code,
			       json_opt_str(why, "ErrorMessage", ""));
	}
	return OK;
}

int glue_partitions_add(struct catalog_glue *g, const struct catalog_change *c, struct err *e)
{
	AUTO_ARENA struct arena *arena = arena_new();
	AUTO_JSON json_t *table = NULL;
	AUTO_JSON json_t *nothing = json_object();
	const struct table_def *t = c->table;
	struct glue_partition *all = ANEW_ARRAY(arena, c->file_count, struct glue_partition);
	json_t *found = NULL, *like = NULL;
	if (!g->o.database_prefix)
		return OK;
	size_t n = partitions_of(t, c->files, c->file_count, all);
	int rc = n ? ask(g, t, "AWSGlue.GetTable", "glue:GetTable", nothing, &table, e) : OK;
	if (rc == OK && n)
		rc = json_get_object(table, "Table", &found, e);
	if (rc == OK && n)
		rc = json_get_object(found, "StorageDescriptor", &like, e);
	for (size_t i = 0; rc == OK && i < n; i += CREATE_MOST) {
		json_t *list = json_array();
		AUTO_JSON json_t *answer = NULL;
		AUTO_JSON json_t *body = json_pack("{s:o}", "PartitionInputList", list);
		for (size_t k = i; k < n && k < i + CREATE_MOST; k++) {
			json_t *storage = json_copy(like);
			json_object_set_new(storage, "Location",
					    json_text(folder_of(arena, g, t, c, &all[k])));
			json_array_append_new(list, json_pack("{s:o, s:o}", "Values",
							      values_json(t, &all[k]),
							      "StorageDescriptor", storage));
		}
		rc = ask(g, t, "AWSGlue.BatchCreatePartition", "glue:BatchCreatePartition", body,
			 &answer, e);
		if (rc == OK)
			rc = only_known(json_object_get(answer, "Errors"), "AlreadyExistsException",
					"create", e);
	}
	return rc;
}

/* -- removing ------------------------------------------------------------------------------------ */

int glue_partitions_emptied(struct catalog_glue *g, const struct catalog_change *c,
			    struct arena *arena, struct glue_partition **ret, size_t *ret_count,
			    struct err *e)
{
	const struct table_def *t = c->table;
	struct catalog_file *files;
	size_t n = 0, after, count = 0;
	*ret = NULL;
	*ret_count = 0;
	if (!g->o.database_prefix || c->append || c->same_rows)
		return OK;
	struct glue_partition *stay = ANEW_ARRAY(arena, c->file_count, struct glue_partition);
	after = partitions_of(t, c->files, c->file_count, stay);
	int rc = catalog_files(g->inner, t, LAYOUT_PUBLISHED, NULL, 0, arena, &files, &n, e);
	if (rc)
		return rc;
	/* Of the scopes that are replaced. */
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c->scope_count; k++)
			if (files[i].scope_count == 1 &&
			    strcmp(files[i].scopes[0], c->scopes[k].scope) == 0) {
				files[kept++] = files[i];
				break;
			}
	struct glue_partition *before = ANEW_ARRAY(arena, kept, struct glue_partition);
	size_t had = partitions_of(t, files, kept, before);
	for (size_t i = 0; i < had; i++)
		if (!after || !bsearch(&before[i], stay, after, sizeof(*stay), compare))
			before[count++] = before[i];
	*ret = before;
	*ret_count = count;
	return OK;
}

int glue_partitions_remove(struct catalog_glue *g, const struct table_def *t,
			   const struct glue_partition *all, size_t n, struct err *e)
{
	int rc = OK;
	for (size_t i = 0; rc == OK && i < n; i += DELETE_MOST) {
		json_t *list = json_array();
		AUTO_JSON json_t *answer = NULL;
		AUTO_JSON json_t *body = json_pack("{s:o}", "PartitionsToDelete", list);
		for (size_t k = i; k < n && k < i + DELETE_MOST; k++)
			json_array_append_new(
				list, json_pack("{s:o}", "Values", values_json(t, &all[k])));
		rc = ask(g, t, "AWSGlue.BatchDeletePartition", "glue:BatchDeletePartition", body,
			 &answer, e);
		if (rc == OK)
			rc = only_known(json_object_get(answer, "Errors"),
					"EntityNotFoundException", "delete", e);
	}
	return rc;
}
