/* From a role's rights to an IAM policy: what each right means on AWS is a row of one table, and a right
 * without a row is an error. */
#include "role_policy.h"

#include <string.h>

#define ARN   "arn:${partition}:"
#define HERE  ":${region}:${account}:"
#define GLUE  ARN "glue" HERE
#define QUEUE ARN "sqs" HERE "${name}-"
#define LOGS  ARN "logs" HERE "log-group:"

/* What runs a role there: it decides which calls are made for the same right. */
enum host {
	LAMBDA = 1 << 0,
	SPARK = 1 << 1, /* a Glue job */
	EC2 = 1 << 2,
	FIREHOSE = 1 << 3,
	ANY = LAMBDA | SPARK | EC2 | FIREHOSE,
};
static const struct component {
	const char *role;
	enum host host;
	const char *log_groups[3];
} components[] = {
	{"scraper", LAMBDA, {"/aws/lambda/${name}-daily-bovespa"}},
	{"activator", LAMBDA, {"/aws/lambda/${name}-glue-activation"}},
	{"job", SPARK, {"/${name}/glue/error", "/${name}/glue/output"}},
	{"collector", EC2, {"/${name}/collector"}},
	{"delivery", FIREHOSE, {"/${name}/firehose"}},
	{"backup", LAMBDA, {"/aws/lambda/${name}-bitcoin-backup"}},
};

struct draft {
	const struct component *component;
	const struct table_def *const *tables;
	size_t table_count;
	json_t *resources, *prefixes; /* of the statement that is being made */
};

static void add(json_t *list, const char *text)
{
	json_t *there;
	size_t i;
	json_array_foreach(list, i, there)
		if (strcmp(json_string_value(there), text) == 0)
			return;
	json_array_append_new(list, json_string(text));
}

#define ADDF(list, ...)                      \
	do {                                 \
		AUTO_BUF struct buf b = {0}; \
		buf_printf(&b, __VA_ARGS__); \
		add(list, b.data);           \
	} while (0)

/* -- resources: every one is named; a star stands only where names are made at run time ---------------- */

static void lake_objects(struct draft *d, const struct right *r)
{
	ADDF(d->resources, ARN "s3:::${lake_bucket}/%s/*", r->name);
}

static void lake_listing(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${lake_bucket}");
	ADDF(d->prefixes, "%s/*", r->name);
}

static void lake_bucket(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${lake_bucket}");
}

static void state_objects(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${lake_bucket}/catalog/*");
}

static void state_listing(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${lake_bucket}");
	add(d->prefixes, "catalog/*");
}

static void backup_objects(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${backup_bucket}/*");
}

static void backup_bucket(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${backup_bucket}");
}

static void scripts(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${program_bucket}/jobs/*");
}

static void program(struct draft *d, const struct right *r)
{
	add(d->resources, ARN "s3:::${program_bucket}/program/*");
}

static void queue(struct draft *d, const struct right *r)
{
	ADDF(d->resources, QUEUE "%s", r->name);
}

static void failed_queue(struct draft *d, const struct right *r)
{
	add(d->resources, QUEUE "failed");
}

static void glue_job(struct draft *d, const struct right *r)
{
	add(d->resources, GLUE "job/${glue_job}");
}

/* A stream of pregao is one of Firehose for each table that it feeds: a conversion knows one schema. */
static void streams(struct draft *d, const struct right *r)
{
	size_t n = strlen(r->name);
	for (size_t i = 0; i < d->table_count; i++)
		if (strcmp(d->tables[i]->database, "raw") == 0 &&
		    strncmp(d->tables[i]->name, r->name, n) == 0 && d->tables[i]->name[n] == '_')
			ADDF(d->resources, ARN "firehose" HERE "deliverystream/${name}-%s",
			     d->tables[i]->name);
}

/* The catalog, the databases and the tables: a call on a table is allowed only by all three. */
static void catalog_tables_of(struct draft *d, const struct right *r)
{
	size_t n = strlen(r->name);
	add(d->resources, GLUE "catalog");
	for (size_t i = 0; i < d->table_count; i++) {
		const struct table_def *t = d->tables[i];
		AUTO_BUF struct buf full = {0};
		buf_printf(&full, "%s.%s", t->database, t->name);
		if (strncmp(full.data, r->name, n) != 0 || (full.data[n] && full.data[n] != '.'))
			continue;
		ADDF(d->resources, GLUE "database/${database_prefix}%s", t->database);
		ADDF(d->resources, GLUE "table/${database_prefix}%s/%s", t->database, t->name);
	}
}

static void log_streams(struct draft *d, const struct right *r)
{
	for (const char *const *group = d->component->log_groups; *group; group++)
		ADDF(d->resources, LOGS "%s:*", *group);
}

/* -- what the rights mean ------------------------------------------------------------------------------ */

#define BIT(action) (1u << (action))

static const struct meaning {
	const char *sid; /* NULL: nothing is granted, and `why` says why */
	enum host hosts;
	enum resource resource;
	unsigned actions; /* of the right */
	const char
		*name; /* of the right; NULL: whatever it is; with a slash at its end: all below */
	const char *calls[6];
	void (*resources)(struct draft *, const struct right *);
	const char *why;
} meanings[] = {
	/* compact files are for our own query engine; Athena reads the published ones */
	{.hosts = SPARK | FIREHOSE,
	 .resource = RES_STORE,
	 .actions = BIT(ACT_WRITE),
	 .name = "compact/",
	 .why = "there is one layout"},
	{.sid = "ListLake",
	 .hosts = LAMBDA | SPARK,
	 .resource = RES_STORE,
	 .actions = BIT(ACT_READ) | BIT(ACT_WRITE),
	 .calls = {"s3:ListBucket"},
	 .resources = lake_listing},
	{.sid = "ReadLake",
	 .hosts = LAMBDA | SPARK,
	 .resource = RES_STORE,
	 .actions = BIT(ACT_READ),
	 .calls = {"s3:GetObject"},
	 .resources = lake_objects},
	{.sid = "WriteLake",
	 .hosts = LAMBDA | SPARK,
	 .resource = RES_STORE,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
	 .resources = lake_objects},
	/* Firehose adds, and replaces nothing; the calls are those that its documentation names. */
	{.sid = "DeliverToLake",
	 .hosts = FIREHOSE,
	 .resource = RES_STORE,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"},
	 .resources = lake_objects},
	{.sid = "LookAtLake",
	 .hosts = FIREHOSE,
	 .resource = RES_STORE,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"},
	 .resources = lake_bucket},
	/* Nothing is taken out of a backup but by the lifecycle rules of its bucket. */
	{.sid = "WriteBackup",
	 .hosts = LAMBDA,
	 .resource = RES_BACKUP,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"},
	 .resources = backup_objects},
	{.sid = "ListBackup",
	 .hosts = LAMBDA,
	 .resource = RES_BACKUP,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:ListBucket"},
	 .resources = backup_bucket},
	/* Lambda receives in the function's name. raw-created is there when the stack puts a queue between. */
	{.sid = "ReceiveBackup",
	 .hosts = LAMBDA,
	 .resource = RES_QUEUE,
	 .actions = BIT(ACT_RECEIVE),
	 .name = "backup",
	 .calls = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
	 .resources = queue},
	{.sid = "ReceiveRawCreated",
	 .hosts = LAMBDA,
	 .resource = RES_QUEUE,
	 .actions = BIT(ACT_RECEIVE),
	 .name = "raw-created",
	 .calls = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
	 .resources = queue},
	/* Without it they are asynchronous invocations, as a rule's are: given up, Lambda keeps them in a queue, in
	 * the function's name. */
	{.sid = "KeepGivenUp",
	 .hosts = LAMBDA,
	 .resource = RES_QUEUE,
	 .actions = BIT(ACT_RECEIVE),
	 .name = "raw-created",
	 .calls = {"sqs:SendMessage"},
	 .resources = failed_queue},
	{.sid = "KeepGivenUp",
	 .hosts = LAMBDA,
	 .resource = RES_QUEUE,
	 .actions = BIT(ACT_RECEIVE),
	 .name = "scheduled",
	 .calls = {"sqs:SendMessage"},
	 .resources = failed_queue},
	{.hosts = LAMBDA,
	 .resource = RES_QUEUE,
	 .actions = BIT(ACT_SEND),
	 .why = "the store notifies by itself"},
	{.sid = "StartJob",
	 .hosts = LAMBDA,
	 .resource = RES_JOBS,
	 .actions = BIT(ACT_START),
	 .calls = {"glue:StartJobRun"},
	 .resources = glue_job},
	{.hosts = SPARK,
	 .resource = RES_JOBS,
	 .actions = BIT(ACT_WORK),
	 .why = "Glue gives the run to the script"},
	{.sid = "AppendToStream",
	 .hosts = EC2,
	 .resource = RES_STREAM,
	 .actions = BIT(ACT_APPEND),
	 .calls = {"firehose:PutRecordBatch"},
	 .resources = streams},
	{.hosts = FIREHOSE,
	 .resource = RES_STREAM,
	 .actions = BIT(ACT_DELIVER),
	 .why = "the stream is Firehose's own"},
	{.hosts = LAMBDA | FIREHOSE,
	 .resource = RES_CATALOG,
	 .actions = BIT(ACT_WRITE),
	 .name = "marks",
	 .why = "the services keep how far they are"},
	{.sid = "WriteCatalog",
	 .hosts = LAMBDA | SPARK,
	 .resource = RES_CATALOG,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"glue:BatchCreatePartition", "glue:BatchDeletePartition", "glue:GetTable"},
	 .resources = catalog_tables_of},
	/* What Glue has no place for (src/aws/catalog_glue.h); the script has its own way. */
	{.sid = "KeepState",
	 .hosts = LAMBDA,
	 .resource = RES_CATALOG,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
	 .resources = state_objects},
	{.sid = "ListState",
	 .hosts = LAMBDA,
	 .resource = RES_CATALOG,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"s3:ListBucket"},
	 .resources = state_listing},
	/* Its tables' partitions are computed, not written: it needs the schemas. */
	{.sid = "ReadSchemas",
	 .hosts = FIREHOSE,
	 .resource = RES_CATALOG,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"},
	 .resources = catalog_tables_of},
	{.hosts = ANY,
	 .resource = RES_CATALOG,
	 .actions = BIT(ACT_READ),
	 .why = "the tables that a role writes come with the right to write them; the others it needs not"},
	{.hosts = LAMBDA,
	 .resource = RES_SCHEDULER,
	 .actions = BIT(ACT_REPORT),
	 .why = "EventBridge keeps no slots"},
	{.sid = "ReadScripts",
	 .hosts = SPARK,
	 .resource = RES_DEFINITIONS,
	 .actions = BIT(ACT_READ),
	 .calls = {"s3:GetObject"},
	 .resources = scripts},
	{.hosts = LAMBDA,
	 .resource = RES_DEFINITIONS,
	 .actions = BIT(ACT_READ),
	 .why = "the function is told the name of its job"},
	{.hosts = ANY,
	 .resource = RES_NETWORK,
	 .actions = BIT(ACT_CONNECT),
	 .why = "security groups hold addresses"},
	{.sid = "FetchProgram",
	 .hosts = EC2,
	 .resource = RES_NETWORK,
	 .actions = BIT(ACT_CONNECT),
	 .calls = {"s3:GetObject"},
	 .resources = program},
	{.sid = "WriteLogs",
	 .hosts = LAMBDA | SPARK | EC2,
	 .resource = RES_TELEMETRY,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"logs:CreateLogStream", "logs:PutLogEvents"},
	 .resources = log_streams},
	{.sid = "WriteLogs",
	 .hosts = FIREHOSE,
	 .resource = RES_TELEMETRY,
	 .actions = BIT(ACT_WRITE),
	 .calls = {"logs:PutLogEvents"},
	 .resources = log_streams},
};

static bool is_named(const struct meaning *m, const struct right *r)
{
	if (!m->name)
		return true;
	size_t n = strlen(m->name);
	if (m->name[n - 1] == '/')
		return r->name && strncmp(r->name, m->name, n) == 0;
	return r->name && strcmp(r->name, m->name) == 0;
}

static bool speaks_of(const struct meaning *m, enum host host, const struct right *r)
{
	return m->hosts & host && m->resource == r->resource && m->actions & BIT(r->action) &&
	       is_named(m, r);
}

/* A row that grants nothing, and names what it speaks of, takes that from the rows below. */
static bool is_excluded(enum host host, const struct right *r)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (!meanings[i].sid && meanings[i].name && speaks_of(&meanings[i], host, r))
			return true;
	return false;
}

static bool has_meaning(enum host host, const struct right *r)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (speaks_of(&meanings[i], host, r))
			return true;
	return false;
}

static json_t *statement_with(json_t *statements, const char *sid)
{
	json_t *s;
	size_t i;
	json_array_foreach(statements, i, s)
		if (strcmp(json_string_value(json_object_get(s, "Sid")), sid) == 0)
			return s;
	return NULL;
}

static void add_statement(const struct role *role, const struct meaning *m, struct draft *d,
			  json_t *statements)
{
	d->resources = json_array();
	d->prefixes = json_array();
	for (const struct right *r = role->rights; r->action; r++)
		if (speaks_of(m, d->component->host, r) && !is_excluded(d->component->host, r))
			m->resources(d, r);
	if (!json_array_size(d->resources) || statement_with(statements, m->sid)) {
		json_decref(d->resources);
		json_decref(d->prefixes);
		return;
	}
	json_t *calls = json_array(), *s = json_object();
	for (size_t i = 0; i < ARRAY_LEN(m->calls) && m->calls[i]; i++)
		add(calls, m->calls[i]);
	json_object_set_new(s, "Sid", json_string(m->sid));
	json_object_set_new(s, "Effect", json_string("Allow"));
	json_object_set_new(s, "Action", calls);
	json_object_set_new(s, "Resource", d->resources);
	if (json_array_size(d->prefixes))
		json_object_set_new(s, "Condition",
				    json_pack("{s:{s:o}}", "StringLike", "s3:prefix", d->prefixes));
	else
		json_decref(d->prefixes);
	json_array_append_new(statements, s);
}

static const struct component *component_of(const struct role *role)
{
	for (size_t i = 0; i < ARRAY_LEN(components); i++)
		if (strcmp(components[i].role, role->name) == 0)
			return &components[i];
	return NULL;
}

bool role_has_policy(const struct role *role)
{
	return component_of(role) != NULL;
}

int role_policy(const struct role *role, const struct table_def *const *tables, size_t table_count,
		json_t **ret, struct err *e)
{
	struct draft d = {
		.component = component_of(role), .tables = tables, .table_count = table_count};
	if (!d.component)
		return err_set(
			e, ERR_NOT_FOUND,
			"the role %s needs no policy: a service of AWS does its work by itself",
			role->name);
	for (const struct right *r = role->rights; r->action; r++)
		if (!has_meaning(d.component->host, r))
			return err_set(
				e, ERR_BUG,
				"role_policy.c does not say what the right of %s to %s %s means on AWS",
				role->name, action_name(r->action), resource_name(r->resource));
	json_t *statements = json_array();
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].sid && meanings[i].hosts & d.component->host)
			add_statement(role, &meanings[i], &d, statements);
	*ret = json_pack("{s:s,s:o}", "Version", "2012-10-17", "Statement", statements);
	return OK;
}
