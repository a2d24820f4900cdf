/* The policies that the role table becomes on AWS: least privilege as properties of every document, and
 * what a right without a meaning does. */
#include "unit.h"

#include "definitions.h"
#include "json.h"
#include "role_policy.h"

static const struct table_def *const *tables;
static size_t table_count;

static json_t *policy_of(const char *role)
{
	struct err e = ERR_INIT;
	json_t *policy;
	assert_int_equal(role_policy(role_find(role), tables, table_count, &policy, &e), OK);
	return policy;
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct arena *arena = arena_new();
	*state = arena;
	assert_int_equal(definitions_tables("/nonexistent", arena, &tables, &table_count, &e), OK);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

static void check_resource(const char *resource)
{
	/* A star stands at the end, below a prefix of a bucket or a log group; nowhere else. */
	const char *star = strchr(resource, '*');
	assert_true(strncmp(resource, "arn:${partition}:", 17) == 0);
	if (!star)
		return;
	assert_int_equal(star[1], 0);
	assert_true(strstr(resource, ":s3:::")
			    ? star[-1] == '/'
			    : strstr(resource, ":log-group:") && star[-1] == ':');
}

static void every_statement_is_narrow(void **state)
{
	size_t policies = 0;
	(void)state;
	for (size_t i = 0; i < role_count; i++) {
		if (!role_has_policy(&role_table[i]))
			continue;
		AUTO_JSON json_t *policy = policy_of(role_table[i].name);
		json_t *statements = json_object_get(policy, "Statement"), *s, *one;
		size_t at, n;
		policies++;
		assert_string_equal(json_opt_str(policy, "Version", ""), "2012-10-17");
		assert_true(json_array_size(statements) > 0);
		json_array_foreach(statements, at, s) {
			json_t *calls = json_object_get(s, "Action");
			json_t *resources = json_object_get(s, "Resource");
			assert_true(strlen(json_opt_str(s, "Sid", "")) > 0);
			assert_string_equal(json_opt_str(s, "Effect", ""), "Allow");
			assert_true(json_array_size(calls) > 0 && json_array_size(resources) > 0);
			json_array_foreach(calls, n, one)
				assert_null(strchr(json_string_value(one), '*'));
			json_array_foreach(resources, n, one)
				check_resource(json_string_value(one));
		}
	}
	assert_int_equal(policies, 6);
}

static bool grants(const char *role, const char *call, const char *resource)
{
	AUTO_JSON json_t *policy = policy_of(role);
	json_t *s, *a, *r;
	size_t i, j, k;
	json_array_foreach(json_object_get(policy, "Statement"), i, s)
		json_array_foreach(json_object_get(s, "Action"), j, a)
			json_array_foreach(json_object_get(s, "Resource"), k, r)
				if (strcmp(json_string_value(a), call) == 0 &&
				    strcmp(json_string_value(r), resource) == 0)
					return true;
	return false;
}

#define LAKE "arn:${partition}:s3:::${lake_bucket}/"

static void each_has_what_its_row_says_and_no_more(void **state)
{
	static const struct {
		const char *role, *call, *resource;
		bool granted;
	} cases[] = {
		{"scraper", "s3:PutObject", LAKE "raw/portfolio/*", true},
		{"scraper", "s3:PutObject", LAKE "refined/*", false},
		{"job", "s3:PutObject", LAKE "refined/*", true},
		{"job", "s3:GetObject", LAKE "raw/*", true},
		{"job", "s3:PutObject", LAKE "raw/*", false},
		{"job", "s3:PutObject", LAKE "compact/refined/*", false},
		{"activator", "glue:StartJobRun",
		 "arn:${partition}:glue:${region}:${account}:job/${glue_job}", true},
		{"activator", "s3:GetObject", LAKE "raw/portfolio/*", false},
		{"collector", "firehose:PutRecordBatch",
		 "arn:${partition}:firehose:${region}:${account}:deliverystream/${name}-bitcoin_ticks",
		 true},
		{"collector", "s3:PutObject", LAKE "raw/bitcoin_ticks/*", false},
		{"delivery", "s3:PutObject", LAKE "raw/bitcoin_ticks/*", true},
		{"delivery", "s3:DeleteObject", LAKE "raw/bitcoin_ticks/*", false},
		{"backup", "s3:PutObject", "arn:${partition}:s3:::${backup_bucket}/*", true},
		{"backup", "s3:DeleteObject", "arn:${partition}:s3:::${backup_bucket}/*", false},
		{"backup", "s3:PutObject", LAKE "raw/bitcoin_ticks/*", false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(grants(cases[i].role, cases[i].call, cases[i].resource),
				 cases[i].granted);
}

static void services_that_work_alone_have_none(void **state)
{
	struct err e = ERR_INIT;
	json_t *policy;
	(void)state;
	assert_int_equal(role_policy(role_find("alarms"), tables, table_count, &policy, &e),
			 ERR_NOT_FOUND);
}

static void a_right_without_a_meaning_is_refused(void **state)
{
	struct role role = *role_find("collector");
	struct err e = ERR_INIT;
	json_t *policy;
	(void)state;
	role.rights[0] = (struct right){RES_JOBS, ACT_START, NULL};
	assert_int_equal(role_policy(&role, tables, table_count, &policy, &e), ERR_BUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_statement_is_narrow),
		cmocka_unit_test(each_has_what_its_row_says_and_no_more),
		cmocka_unit_test(services_that_work_alone_have_none),
		cmocka_unit_test(a_right_without_a_meaning_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
