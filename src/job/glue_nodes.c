/* The graph as the nodes of a visual Glue job (CodeGenConfigurationNodes of Glue's CreateJob), for who wants to go on with it
 * in Glue Studio. Sources, renames and targets become Glue's own nodes; what those cannot say exactly becomes SQL, and what
 * needs the as-of date or may fail the run becomes code. */
#include "json.h"
#include "node_sql.h"

#include <string.h>

#define AS_OF "CAST(:as_of AS DATE)"
static const struct sql_style spark_style = {
	.spelling = {.dialect = DIALECT_SPARK, .as_of = AS_OF},
};

struct glue_nodes {
	struct arena *arena;
	json_t *nodes;
	bool full; /* some text is longer than it may be */
};

static json_t *names_of(const struct node *node)
{
	json_t *list = json_array();
	for (size_t i = 0; i < node->input_count; i++)
		json_array_append_new(list, json_string(node->inputs[i]->id));
	return list;
}

static json_t *one(const char *id)
{
	return json_pack("[s]", id);
}

/* {"Name": id, ...rest} as a node of the type. Takes rest. */
static void add(struct glue_nodes *g, const char *type, const char *id, json_t *rest)
{
	json_object_set_new(rest, "Name", json_string(id));
	json_object_set_new(g->nodes, id, json_pack("{so}", type, rest));
}

/* Glue's spelling: in small letters. */
static json_t *type_name(const struct column *column)
{
	char buf[COLUMN_TYPE_SIZE], small[COLUMN_TYPE_SIZE];
	const char *type = sql_type(DIALECT_SPARK, value_type_of(column), buf);
	size_t n = strlen(type);
	for (size_t i = 0; i <= n; i++)
		small[i] = type[i] >= 'A' && type[i] <= 'Z' ? (char)(type[i] + 'a' - 'A') : type[i];
	return json_string(strcmp(small, "integer") == 0 ? "int" : small);
}

static const char *kept(struct glue_nodes *g, const struct buf *b)
{
	g->full |= b->full;
	return arena_strndup(g->arena, b->data ? b->data : "", b->len);
}

static const char *sql_of(struct glue_nodes *g, const struct sql_style *style,
			  const struct node *node)
{
	struct buf AUTO_BUF sql = {.ceiling = JOB_MAX_PLAN_BYTES};
	node_select(&sql, style, node);
	return kept(g, &sql);
}

/* Does the node's SQL change with the as-of date? */
static bool uses_as_of(struct glue_nodes *g, const struct node *node)
{
	struct sql_style other = spark_style;
	other.spelling.as_of = "CURRENT_DATE";
	return strcmp(sql_of(g, &spark_style, node), sql_of(g, &other, node)) != 0;
}

static void add_sql(struct glue_nodes *g, const char *id, const struct node *node)
{
	json_t *aliases = json_array();
	for (size_t i = 0; i < node->input_count; i++)
		json_array_append_new(aliases, json_pack("{ss ss}", "From", node->inputs[i]->id,
							 "Alias", node->inputs[i]->id));
	add(g, "SparkSQL", id,
	    json_pack("{so ss so}", "Inputs", names_of(node), "SqlQuery",
		      sql_of(g, &spark_style, node), "SqlAliases", aliases));
}

static void python_text(struct buf *b, const char *text)
{
	/* JSON's quoting of a text is Python's too, but for the pairs that JSON makes of what is beyond 16 bits: those
	 * stay as they are. */
	buf_json_str(b, text, strlen(text));
}

/* Code around statements: the inputs as views, the as-of date, what the last statement gives. */
static void add_code(struct glue_nodes *g, const struct node *node)
{
	struct buf AUTO_BUF code = {.ceiling = JOB_MAX_PLAN_BYTES};
	const char *collection = arena_printf(g->arena, "%s-collection", node->id);
	buf_str(&code,
		"def Transform(glueContext, dfc) -> DynamicFrameCollection:\n"
		"    import sys\n"
		"    from awsglue.utils import getResolvedOptions\n"
		"    arguments = {'as_of': getResolvedOptions(sys.argv, ['as_of'])['as_of']}\n"
		"    spark = glueContext.spark_session\n"
		"    spark.conf.set('spark.sql.ansi.enabled', 'true')\n"
		"    spark.conf.set('spark.sql.session.timeZone', 'UTC')\n"
		"    frames = [dfc.select(key).toDF() for key in dfc.keys()]\n"
		"    for name, frame in zip([");
	for (size_t i = 0; i < node->input_count; i++) {
		buf_str(&code, i ? ", " : "");
		python_text(&code, node->inputs[i]->id);
	}
	buf_str(&code,
		"], frames):\n        frame.createOrReplaceTempView('`' + name + '`')\n    rows = spark.sql(");
	python_text(&code, sql_of(g, &spark_style, node));
	buf_str(&code, ", args=arguments)\n    rows.createOrReplaceTempView(");
	python_text(&code, arena_printf(g->arena, "`%s`", node->id));
	buf_str(&code, ")\n");
	for (size_t i = 0; node->kind == NODE_QUALITY && i < node->quality.count; i++) {
		struct buf AUTO_BUF check = {.ceiling = JOB_MAX_PLAN_BYTES};
		const struct quality_check *c = &node->quality.items[i];
		check_select(&check, &spark_style, node, c);
		buf_str(&code, "    offending, example = spark.sql(");
		python_text(&code, kept(g, &check));
		buf_str(&code,
			", args=arguments).first()\n    if offending:\n        raise Exception(");
		python_text(&code, arena_printf(g->arena, "%s: %s: ", c->name,
						check_message(g->arena, c)));
		buf_str(&code, " + str(offending) + ', for example ' + str(example))\n");
	}
	buf_str(&code,
		"    return DynamicFrameCollection({'rows': DynamicFrame.fromDF(rows, glueContext, 'rows')}, glueContext)\n");
	add(g, "CustomCode", collection,
	    json_pack("{so ss ss}", "Inputs", names_of(node), "Code", kept(g, &code), "ClassName",
		      "Transform"));
	add(g, "SelectFromCollection", node->id,
	    json_pack("{so si}", "Inputs", one(collection), "Index", 0));
}

static const char *database(struct glue_nodes *g, const struct table_def *t)
{
	return arena_printf(g->arena, "pregao_%s", t->database);
}

static void add_mapping(struct glue_nodes *g, const struct node *node)
{
	json_t *mapping = json_array();
	for (size_t i = 0; i < node->schema.count; i++) {
		const char *from = node->change_schema.from[i];
		const struct column *to = &node->schema.columns[i];
		json_array_append_new(
			mapping, json_pack("{so ss so so}", "FromPath", one(from), "ToKey",
					   to->name, "FromType",
					   type_name(schema_find(&node->inputs[0]->schema, from)),
					   "ToType", type_name(to)));
	}
	add(g, "ApplyMapping", node->id,
	    json_pack("{so so}", "Inputs", names_of(node), "Mapping", mapping));
}

static void add_target(struct glue_nodes *g, const struct node *node)
{
	const struct table_def *t = &node->target.def;
	const char *rows = arena_printf(g->arena, "%s-rows", node->id);
	json_t *keys = json_array();
	for (size_t i = 0; i < t->partition_count; i++)
		json_array_append_new(keys, one(t->partition[i].name));
	add_sql(g, rows, node);
	add(g, "S3CatalogTarget", node->id,
	    json_pack("{so so ss ss s{sb ss}}", "Inputs", one(rows), "PartitionKeys", keys,
		      "Database", database(g, t), "Table", t->name, "SchemaChangePolicy",
		      "EnableUpdateCatalog", 1, "UpdateBehavior", "LOG"));
}

static int add_node(struct glue_nodes *g, const struct node *node, struct err *e)
{
	if (node->kind == NODE_SQL && !node->sql.spark)
		return job_no_spark_text(node, e);
	switch (node->kind) {
	case NODE_SOURCE:
		add(g, "S3CatalogSource", node->id,
		    json_pack("{ss ss}", "Database", database(g, node->source.def), "Table",
			      node->source.table));
		break;
	case NODE_CHANGE_SCHEMA: add_mapping(g, node); break;
	case NODE_TARGET: add_target(g, node); break;
	case NODE_QUALITY: add_code(g, node); break;
	default: uses_as_of(g, node) ? add_code(g, node) : add_sql(g, node->id, node);
	}
	return OK;
}

int job_to_glue_nodes(struct arena *arena, const struct job *job, const char **ret, struct err *e)
{
	AUTO_JSON json_t *nodes = json_object();
	struct glue_nodes g = {arena, nodes, false};
	if (!job->checked)
		return at_place(job->file, e, err_set(e, ERR_BUG, "the job has not been checked"));
	for (size_t i = 0; i < job->node_count; i++)
		TRY(add_node(&g, job->order[i], e));
	char AUTO_FREE *text = json_dumps(nodes, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	if (g.full || !text || strlen(text) > JOB_MAX_PLAN_BYTES)
		return at_place(job->file, e,
				err_set(e, ERR_LIMIT,
					"the job's program would be longer than %zu bytes",
					JOB_MAX_PLAN_BYTES));
	*ret = arena_printf(arena, "%s\n", text);
	return OK;
}
