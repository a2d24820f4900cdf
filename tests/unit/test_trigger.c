/* Triggers on the embedded catalog and queue: nothing published goes without its message, no
 * message is deleted before its run is recorded, and whatever a message holds, the worst it becomes
 * is a dead letter. */
#include "unit.h"

#include <inttypes.h>

#include "catalog_sqlite.h"
#include "clock_fake.h"
#include "file.h"
#include "json.h"
#include "queue_sqlite.h"
#include "trigger.h"

#define NOW_US INT64_C(1721093400000000)

/* -- a job engine that only writes down -------------------------------------------------------- */

struct engine {
	struct job_engine engine;
	struct queue *queue;
	struct buf log; /* "job as_of scope scope ...\n" */
	int starts;
	int fail_code;        /* of starts */
	const char *fail_job; /* only of this one */
	size_t largest;
	int64_t in_flight; /* at the last start */
};
static int engine_start(struct job_engine *j, const struct job_request *q,
			char ret_run[RUN_ID_SIZE], struct err *e)
{
	struct engine *x = (struct engine *)j;
	struct queue_stats stats;
	char date[DATE_TEXT_SIZE];
	assert_int_equal(queue_stats(x->queue, &stats, NULL), OK);
	x->in_flight = stats.in_flight;
	if (x->fail_code && (!x->fail_job || strcmp(x->fail_job, q->job) == 0))
		return err_set(e, x->fail_code, "the engine does not want %s", q->job);
	x->starts++;
	x->largest = q->scope_count > x->largest ? q->scope_count : x->largest;
	buf_printf(&x->log, "%s %s", q->job,
		   q->as_of == AS_OF_LANDED ? "landed" : date_format(q->as_of, date));
	for (size_t i = 0; i < q->scope_count && q->scope_count <= 8; i++)
		buf_printf(&x->log, " %s", q->scopes[i]);
	buf_char(&x->log, '\n');
	snprintf(ret_run, RUN_ID_SIZE, "run-%d", x->starts);
	return OK;
}
static const struct job_engine_ops engine_ops = {.start = engine_start};

/* -- the bench --------------------------------------------------------------------------------- */

static const struct column columns[] = {{.name = "n", .type = COL_BIGINT}};
static const struct column partition[] = {{.name = "data_pregao", .type = COL_DATE},
					  {.name = "index_code", .type = COL_TEXT}};
#define TABLE(db, table)                                                                \
	{                                                                               \
		.database = db, .name = table, .columns = columns, .column_count = 1,   \
		.partition = partition, .partition_count = 2, .location = db "/" table, \
		.scope_count = 2                                                        \
	}
static const struct table_def raw_portfolio = TABLE("raw", "portfolio"),
			      raw_total = TABLE("raw", "portfolio_total"),
			      refined = TABLE("refined", "portfolio");
static const struct table_def *const tables[] = {&raw_portfolio, &raw_total, &refined};

static const struct activation activations[] = {
	{.location_prefix = "raw/portfolio", .job = "portfolio"},
	{.location_prefix = "raw/portfolio", .job = "sectors", .scope_count = 1},
	{.location_prefix = "raw/quotes/", .job = "quotes"}};

struct bench {
	char *folder;
	struct clock_fake clock;
	struct catalog *catalog;
	struct queue *queue;
	struct engine engine;
	struct arena *arena;
	struct trigger_result result;
	size_t activation_count;
};
static void bench_make(struct bench *b)
{
	struct err e = ERR_INIT;
	b->folder = temporary_folder();
	b->arena = arena_new();
	clock_fake_init(&b->clock, NOW_US);
	assert_int_equal(catalog_sqlite_open(NULL, &b->clock.clock, false, &b->catalog, &e), OK);
	assert_int_equal(catalog_put_tables(b->catalog, tables, ARRAY_LEN(tables), &e), OK);
	assert_int_equal(queue_sqlite_open(arena_printf(b->arena, "%s/queue", b->folder), "raw", 3,
					   &b->clock.clock, &b->queue, &e),
			 OK);
	b->engine = (struct engine){.engine.ops = &engine_ops, .queue = b->queue};
	b->activation_count = 1;
}
static void bench_clear(struct bench *b)
{
	catalog_free(b->catalog);
	queue_free(b->queue);
	buf_free(&b->engine.log);
	remove_folder(&b->folder);
	arena_free(b->arena);
}
#define BENCH                                                   \
	struct bench b CLEANUP(bench_clear) = {.folder = NULL}; \
	bench_make(&b)

static void publish(struct bench *b, const struct table_def *t, const char *date, const char *index,
		    const char *name, const char *landed_on)
{
	struct err e = ERR_INIT;
	const char *scope = arena_printf(b->arena, "data_pregao=%s/index_code=%s", date, index);
	const char *scopes[] = {scope};
	const char *origins[] = {NULL};
	const struct catalog_file file = {
		.key = arena_printf(b->arena, "%s/%s/%s.parquet", t->location, scope, name),
		.scopes = scopes,
		.origins = origins,
		.scope_count = 1,
		.low = {date, index},
		.high = {date, index},
		.rows = 1,
		.bytes = 77};
	const struct catalog_scope s = {
		.scope = scope,
		.properties = landed_on
				      ? arena_printf(b->arena, "{\"landed_on\":\"%s\"}", landed_on)
				      : "{}"};
	const struct catalog_change change = {
		.table = t, .scopes = &s, .scope_count = 1, .files = &file, .file_count = 1};
	int64_t version;
	if (catalog_commit(b->catalog, 0, &change, 1, NULL, 0, &version, &e) != OK)
		fail_msg("%s", e.text);
}

static int64_t relay(struct bench *b)
{
	struct err e = ERR_INIT;
	int64_t sent = -1;
	if (trigger_relay(b->catalog, b->queue, "lake", &sent, &e) != OK)
		fail_msg("%s", e.text);
	return sent;
}

static int activate_as(struct bench *b, int32_t as_of, struct err *e)
{
	return trigger_activate(b->queue, &b->engine.engine, activations, b->activation_count,
				as_of, NULL, NULL, &b->result, e);
}

static void activate(struct bench *b)
{
	struct err e = ERR_INIT;
	if (activate_as(b, AS_OF_LANDED, &e) != OK)
		fail_msg("%s", e.text);
}

static void send(struct bench *b, const char *body)
{
	struct slice s = slice_of(body);
	assert_int_equal(queue_send(b->queue, &s, 1, NULL), OK);
}

static const char *event(struct bench *b, const char *key, const char *as_of)
{
	return arena_printf(
		b->arena,
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"%s\"}}}]%s}",
		key, as_of ? arena_printf(b->arena, ",\"pregao\":{\"as_of\":\"%s\"}", as_of) : "");
}

static struct queue_stats stats_of(struct bench *b)
{
	struct queue_stats s;
	assert_int_equal(queue_stats(b->queue, &s, NULL), OK);
	return s;
}

static int64_t left(struct bench *b)
{
	struct queue_stats s = stats_of(b);
	return s.visible + s.in_flight;
}

static const char *key_of(struct bench *b, int day)
{
	return arena_printf(
		b->arena,
		"raw/portfolio/data_pregao%%3D20%02d-%02d-%02d/index_code%%3DIBOV/abc.parquet",
		day / 336 % 100, day / 28 % 12 + 1, day % 28 + 1);
}

/* -- relay ------------------------------------------------------------------------------------- */

static void relays_what_was_published_once(void **state)
{
	BENCH;
	publish(&b, &raw_portfolio, "2024-07-15", "IBOV", "a", "2024-07-12");
	publish(&b, &raw_total, "2024-07-15", "IBOV", "a", "2024-07-12");
	publish(&b, &refined, "2024-07-15", "IBOV", "a", NULL);
	assert_int_equal(relay(&b), 2);
	assert_int_equal(relay(&b), 0);
	publish(&b, &raw_portfolio, "2024-07-16", "IBOV", "b", "2024-07-15");
	assert_int_equal(relay(&b), 1);
	struct queue_message m[4];
	size_t n;
	assert_int_equal(queue_peek(b.queue, false, 4, b.arena, m, &n, NULL), OK);
	assert_int_equal(n, 3);
	AUTO_JSON json_t *root = NULL;
	assert_int_equal(json_parse(m[0].body, strlen(m[0].body), &root, NULL), OK);
	const json_t *record = json_array_get(json_object_get(root, "Records"), 0);
	const json_t *object = json_object_get(json_object_get(record, "s3"), "object");
	assert_string_equal(json_opt_str(record, "eventName", ""), "ObjectCreated:Put");
	assert_string_equal(json_opt_str(record, "eventTime", ""), "2024-07-16T01:30:00.000000Z");
	assert_string_equal(
		json_opt_str(json_object_get(json_object_get(record, "s3"), "bucket"), "name", ""),
		"lake");
	assert_string_equal(json_opt_str(object, "key", ""),
			    "raw/portfolio/data_pregao%3D2024-07-15/index_code%3DIBOV/a.parquet");
	assert_int_equal(json_integer_value(json_object_get(object, "size")), 77);
	assert_int_equal(strlen(json_opt_str(object, "sequencer", "")), 16);
	assert_string_equal(json_opt_str(json_object_get(root, "pregao"), "as_of", ""),
			    "2024-07-12");
}

/* A queue whose send fails, or whose process dies right after it. */
struct failing {
	struct queue queue;
	struct queue *inner;
	bool sends;
};
static int failing_send(struct queue *q, const struct slice *bodies, size_t n, struct err *e)
{
	struct failing *f = (struct failing *)q;
	if (f->sends)
		assert_int_equal(queue_send(f->inner, bodies, n, e), OK);
	return err_set(e, ERR_IO, "the queue is gone");
}
static const struct queue_ops failing_ops = {.send = failing_send};

static void what_was_not_sent_for_sure_is_sent_again(void **state)
{
	BENCH;
	struct err e = ERR_INIT;
	int64_t sent;
	struct failing failing = {.queue.ops = &failing_ops, .inner = b.queue};
	publish(&b, &raw_portfolio, "2024-07-15", "IBOV", "a", "2024-07-12");
	assert_int_equal(trigger_relay(b.catalog, &failing.queue, "lake", &sent, &e), ERR_IO);
	assert_int_equal(left(&b), 0);
	failing.sends = true;
	assert_int_equal(trigger_relay(b.catalog, &failing.queue, "lake", &sent, &e), ERR_IO);
	assert_int_equal(left(&b), 1);
	assert_int_equal(relay(&b), 1);
	assert_int_equal(left(&b), 2);
	activate(&b);
	assert_int_equal(b.engine.starts, 1);
	assert_int_equal(b.result.scopes, 1);
}

static int64_t waiting(struct queue *q)
{
	struct queue_stats stats;
	assert_int_equal(queue_stats(q, &stats, NULL), OK);
	return stats.visible;
}

static void each_queue_is_told_of_its_own(void **state)
{
	static const char *const totals[] = {"raw/portfolio_total", "raw/nothing"};
	static const char *const portfolio[] = {"raw/portfolio/"};
	BENCH;
	struct queue *other, *late;
	struct err e = ERR_INIT;
	int64_t sent;
	assert_int_equal(queue_sqlite_open(arena_printf(b.arena, "%s/other", b.folder), "other", 3,
					   &b.clock.clock, &other, &e),
			 OK);
	assert_int_equal(queue_sqlite_open(arena_printf(b.arena, "%s/late", b.folder), "late", 3,
					   &b.clock.clock, &late, &e),
			 OK);
	struct failing failing = {.queue.ops = &failing_ops, .inner = other};
	struct trigger_route routes[] = {{b.queue, "all", (const char *const[]){"raw"}, 1},
					 {&failing.queue, "totals", totals, 2},
					 {late, "portfolio", portfolio, 1}};
	publish(&b, &raw_portfolio, "2024-07-15", "IBOV", "a", "2024-07-12");
	publish(&b, &raw_total, "2024-07-15", "IBOV", "a", "2024-07-12");
	publish(&b, &refined, "2024-07-15", "IBOV", "a", NULL);
	/* One fails: the others have theirs, and keep their marks. */
	assert_int_equal(trigger_relay_routes(b.catalog, routes, 2, "lake", &sent, &e), ERR_IO);
	assert_int_equal(waiting(b.queue), 2);
	assert_int_equal(waiting(other), 0);
	routes[1].queue = other;
	publish(&b, &raw_total, "2024-07-16", "IBOV", "a", "2024-07-12");
	/* What is new for one is old for another; who comes late misses nothing. */
	assert_int_equal(trigger_relay_routes(b.catalog, routes, 3, "lake", &sent, &e), OK);
	assert_int_equal(sent, 1 + 2 + 1);
	assert_int_equal(waiting(b.queue), 3);
	assert_int_equal(waiting(other), 2);
	assert_int_equal(waiting(late), 1);
	assert_int_equal(trigger_relay_routes(b.catalog, routes, 3, "lake", &sent, &e), OK);
	assert_int_equal(sent, 0);
	queue_free(other);
	queue_free(late);
}

/* -- activate ---------------------------------------------------------------------------------- */

static void published_files_start_their_job(void **state)
{
	BENCH;
	publish(&b, &raw_portfolio, "2024-07-16", "IBOV", "a", "2024-07-12");
	publish(&b, &raw_portfolio, "2024-07-15", "SMLL", "a", "2024-07-12");
	publish(&b, &raw_total, "2024-07-15", "SMLL", "a", "2024-07-12");
	publish(&b, &raw_portfolio, "2024-07-17", "IBOV", "a", "2024-07-16");
	relay(&b);
	activate(&b);
	assert_string_equal(
		b.engine.log.data,
		"portfolio 2024-07-12 data_pregao=2024-07-15/index_code=SMLL data_pregao=2024-07-16/index_code=IBOV\n"
		"portfolio 2024-07-16 data_pregao=2024-07-17/index_code=IBOV\n");
	assert_int_equal(b.result.messages, 4);
	assert_int_equal(b.result.started, 2);
	assert_int_equal(b.result.scopes, 3);
	assert_int_equal(b.result.ignored, 1);
	assert_int_equal(left(&b), 0);
	/* Nothing was deleted before it was recorded. */
	assert_true(b.engine.in_flight == 4);
	activate(&b);
	assert_int_equal(b.result.messages, 0);
	assert_int_equal(b.engine.starts, 2);
}

static void many_events_of_a_partition_are_one(void **state)
{
	BENCH;
	for (int i = 0; i < 250; i++)
		send(&b, event(&b, key_of(&b, i % 2), "2024-07-15"));
	activate(&b);
	assert_int_equal(b.result.messages, 250);
	assert_int_equal(b.engine.starts, 1);
	assert_int_equal(b.result.scopes, 2);
	assert_int_equal(left(&b), 0);
}

static void a_run_has_a_ceiling_of_scopes(void **state)
{
	BENCH;
	AUTO_BUF struct buf body = {0};
	buf_str(&body, "{\"Records\":[");
	for (int i = 0; i < 1300; i++)
		buf_printf(
			&body,
			"%s{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"%s\"}}}",
			i ? "," : "", key_of(&b, i));
	buf_str(&body, "]}");
	send(&b, body.data);
	activate(&b);
	assert_int_equal(b.engine.starts, 3);
	assert_int_equal(b.engine.largest, TRIGGER_SCOPES_MAX);
	assert_int_equal(b.result.scopes, 1300);
	assert_int_equal(left(&b), 0);
}

static void understands_every_wrapping(void **state)
{
	BENCH;
	b.activation_count = 2;
	/* From S3 itself: as of the day in São Paulo on which it was made; form-encoded key; a second kind of event; a test event. */
	send(&b,
	     "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Time\":\"2024-07-15T00:00:00Z\",\"Bucket\":\"x\"}");
	send(&b,
	     "{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectRemoved:Delete\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/a%3D1/b%3D2/x.parquet\"}}},"
	     "{\"eventSource\":\"aws:s3\",\"eventTime\":\"2024-07-17T02:59:59.999Z\",\"eventName\":\"ObjectCreated:CompleteMultipartUpload\",\"s3\":{\"object\":{"
	     "\"key\":\"raw/portfolio/data_pregao%3D2024-07-15/index_code%3DAMBEV%2520S%252FA+B/x.parquet\"}}}]}");
	/* As SQS hands it to a function. */
	AUTO_BUF struct buf wrapped = {0};
	const char *inner = event(&b, key_of(&b, 0), "2024-07-01");
	buf_str(&wrapped,
		"{\"Records\":[{\"messageId\":\"1\",\"eventSource\":\"aws:sqs\",\"body\":");
	buf_json_str(&wrapped, inner, strlen(inner));
	buf_str(&wrapped, "}]}");
	send(&b, wrapped.data);
	/* Of no job, or of no table. */
	send(&b,
	     event(&b, "raw/portfolio_total/data_pregao%3D2024-07-15/index_code%3DIBOV/x.parquet",
		   NULL));
	send(&b, event(&b, "raw/portfolio/x.parquet", NULL));
	send(&b, event(&b, "raw/portfolio/data_pregao%3D2024-07-15/index_code%3DIBOV/x.tmp", NULL));
	send(&b, event(&b, "raw/portfolio/sub/data_pregao%3D2024-07-15/x.parquet", NULL));
	send(&b, event(&b, "landing/b3/portfolio/x.csv", NULL));
	send(&b, event(&b, "raw/portfolio", NULL));
	activate(&b);
	assert_string_equal(
		b.engine.log.data,
		"portfolio 2024-07-01 data_pregao=2000-01-01/index_code=IBOV\n"
		"portfolio 2024-07-16 data_pregao=2024-07-15/index_code=AMBEV%20S%2FA B\n"
		"sectors 2024-07-01 data_pregao=2000-01-01\n"
		"sectors 2024-07-16 data_pregao=2024-07-15\n");
	assert_int_equal(b.result.ignored, 7);
	assert_int_equal(b.result.failed, 0);
	assert_int_equal(left(&b), 0);
}

static void an_operators_date_stands_for_all(void **state)
{
	BENCH;
	struct err e = ERR_INIT;
	int32_t day;
	assert_true(date_make(2020, 2, 29, &day));
	send(&b, event(&b, key_of(&b, 0), "2024-07-01"));
	send(&b, event(&b, key_of(&b, 1), NULL));
	assert_int_equal(activate_as(&b, day, &e), OK);
	assert_string_equal(
		b.engine.log.data,
		"portfolio 2020-02-29 data_pregao=2000-01-01/index_code=IBOV data_pregao=2000-01-02/index_code=IBOV\n");
}

static void what_is_not_understood_dies_where_it_is_seen(void **state)
{
	static const char *const bad[] = {
		" ",
		"not json",
		"[]",
		"null",
		"\"text\"",
		"{}",
		"{\"Records\":{}}",
		"{\"Records\":[1]}",
		"{\"Records\":[{\"eventName\":7}]}",
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\"}]}",
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/%zz/x.parquet\"}}}]}",
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/a%3Db%00/x.parquet\"}}}]}",
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/a%3D%FF/x.parquet\"}}}]}",
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/a%3D1/x.parquet%\"}}}]}",
		"{\"Records\":[],\"pregao\":{\"as_of\":\"tomorrow\"}}",
		"{\"Records\":[{\"eventSource\":\"aws:s3\",\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/x.parquet\"}}}]}",
		"{\"Records\":[],\"pregao\":{}}",
		"{\"Records\":[{\"eventSource\":\"aws:sqs\"}]}",
		"{\"Records\":[{\"eventSource\":\"aws:sqs\",\"body\":\"{\\\"Records\\\":[{\\\"eventSource\\\":\\\"aws:sqs\\\",\\\"body\\\":\\\"{}\\\"}]}\"}]}",
		/* half of it is good: all of it waits */
		"{\"Records\":[{\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"object\":{\"key\":\"raw/portfolio/a%3D1/b%3D2/x.parquet\"}}},{\"eventName\":null}]}",
	};
	BENCH;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		send(&b, bad[i]);
	send(&b, event(&b, key_of(&b, 0), NULL));
	assert_int_equal(activate_as(&b, AS_OF_LANDED, &e), OK);
	assert_int_equal(b.engine.starts, 1);
	assert_true(b.result.failed >= (int64_t)ARRAY_LEN(bad));
	assert_true(b.result.first_error.code && b.result.first_error.text[0]);
	struct queue_stats stats = stats_of(&b);
	assert_int_equal(stats.dead, ARRAY_LEN(bad));
	assert_int_equal(left(&b), 0);
	struct queue_message m[1];
	size_t n;
	assert_int_equal(queue_peek(b.queue, true, 1, b.arena, m, &n, NULL), OK);
	assert_non_null(m[0].last_error);
}

static void a_job_that_cannot_start_keeps_its_message(void **state)
{
	BENCH;
	b.activation_count = 2;
	b.engine.fail_code = ERR_RETRY;
	b.engine.fail_job = "sectors";
	send(&b, event(&b, key_of(&b, 0), NULL));
	activate(&b);
	assert_int_equal(b.engine.starts, 1);
	assert_int_equal(b.result.failed, 1);
	assert_int_equal(left(&b), 1);
	/* Not at once, but later, and then both again: twice is allowed, never is not. */
	activate(&b);
	assert_int_equal(b.result.messages, 0);
	b.clock.now += INT64_C(60000000);
	b.engine.fail_code = 0;
	activate(&b);
	assert_int_equal(b.engine.starts, 3);
	assert_int_equal(left(&b), 0);
	assert_int_equal(stats_of(&b).dead, 0);
	/* One that never can is soon a dead letter, and can be sent again. */
	b.engine.fail_code = ERR_NOT_FOUND;
	send(&b, event(&b, key_of(&b, 1), NULL));
	activate(&b);
	assert_int_equal(stats_of(&b).dead, 1);
	b.engine.fail_code = 0;
	int64_t redriven;
	assert_int_equal(queue_redrive(b.queue, NULL, &redriven, NULL), OK);
	activate(&b);
	assert_int_equal(left(&b), 0);
	assert_int_equal(stats_of(&b).dead, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relays_what_was_published_once),
		cmocka_unit_test(what_was_not_sent_for_sure_is_sent_again),
		cmocka_unit_test(each_queue_is_told_of_its_own),
		cmocka_unit_test(published_files_start_their_job),
		cmocka_unit_test(many_events_of_a_partition_are_one),
		cmocka_unit_test(a_run_has_a_ceiling_of_scopes),
		cmocka_unit_test(understands_every_wrapping),
		cmocka_unit_test(an_operators_date_stands_for_all),
		cmocka_unit_test(what_is_not_understood_dies_where_it_is_seen),
		cmocka_unit_test(a_job_that_cannot_start_keeps_its_message),
	};
	return RUN_TESTS("trigger");
}
