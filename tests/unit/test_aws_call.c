/* One call of a service: where it goes, what is tried again and how often, what is put right on the way,
 * and what a person reads when it is refused. */
#include "aws_script.h"

#include "call.h"
#include "endpoint.h"
#include "xml.h"

#define KEY      "AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s"
#define AT       "http://127.0.0.1:1/"
#define NO_FILES "AWS_SHARED_CREDENTIALS_FILE=/nonexistent/c", "AWS_CONFIG_FILE=/nonexistent/d"

static const char *const local[] = {KEY, "AWS_REGION=sa-east-1",
				    "AWS_ENDPOINT_URL=http://127.0.0.1:1", NO_FILES, NULL};

static const struct aws_call put_object = {.service = "s3",
					   .action = "s3:PutObject",
					   .resource = "arn:aws:s3:::lake/raw/a=1",
					   .method = "PUT",
					   .bucket = "lake",
					   .path = "/raw/a=1",
					   .body = {"x", 1}};
static const struct aws_call send_message = {.service = "sqs",
					     .action = "sqs:SendMessage",
					     .resource = "arn:aws:sqs:sa-east-1:1:q",
					     .method = "POST",
					     .body = {"{}", 2}};

struct outcome {
	int rc, made;
	int64_t slept_us;
	struct err e;
};

static struct outcome run(const struct aws_call *call, const char *const *environment,
			  const struct step *steps)
{
	struct script s;
	struct outcome o = {.e = ERR_INIT};
	struct aws *a;
	struct aws_answer answer = {0};
	script_init(&s, environment, steps);
	assert_int_equal(aws_new(&s.world, &a, &o.e), OK);
	o.rc = aws_call(a, call, &answer, &o.e);
	o.made = s.made;
	o.slept_us = s.clock.slept_us;
	assert_script_done(&s);
	aws_answer_clear(&answer);
	aws_free(a);
	return o;
}

/* -- where to ---------------------------------------------------------------------------------- */

static void endpoints(void **state)
{
	static const struct {
		const char *variable, *region, *service, *bucket;
		const char *expected; /* URL without the path's encoding */
		const char *signed_for;
	} cases[] = {
		{"A=", "sa-east-1", "s3", "lake", "https://lake.s3.sa-east-1.amazonaws.com/k",
		 "sa-east-1"},
		{"A=", "sa-east-1", "s3", "my.lake", "https://s3.sa-east-1.amazonaws.com/my.lake/k",
		 "sa-east-1"},
		{"A=", "us-east-1", "sqs", NULL, "https://sqs.us-east-1.amazonaws.com/k",
		 "us-east-1"},
		{"A=", "cn-north-1", "s3", "b", "https://b.s3.cn-north-1.amazonaws.com.cn/k",
		 "cn-north-1"},
		{"A=", "sa-east-1", "iam", NULL, "https://iam.amazonaws.com/k", "us-east-1"},
		{"AWS_ENDPOINT_URL=http://127.0.0.1:5000/", NULL, "s3", "lake",
		 "http://127.0.0.1:5000/lake/k", "us-east-1"},
		{"AWS_ENDPOINT_URL_S3=https://store:443/base/", "x", "s3", "lake",
		 "https://store/base/lake/k", "x"},
		{"AWS_ENDPOINT_URL_S3=https://store", "x", "sqs", NULL,
		 "https://sqs.x.amazonaws.com/k", "x"},
		{"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://127.0.0.1:80", "x", "logs", NULL,
		 "http://127.0.0.1/k", "x"},
		{"AWS_ENDPOINT_URL_FIREHOSE=http://[::1]:9", "x", "firehose", NULL,
		 "http://[::1]:9/k", "x"},
	};
	AUTO_ARENA struct arena *arena = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const environment[] = {cases[i].variable, NULL};
		struct script s;
		struct endpoint to;
		struct err e = ERR_INIT;
		script_init(&s, environment, NULL);
		assert_int_equal(endpoint_find(&s.world, cases[i].region, cases[i].service,
					       cases[i].bucket, "/k", arena, &to, &e),
				 OK);
		assert_string_equal(arena_printf(arena, "%s://%s%s", to.scheme, to.host, to.path),
				    cases[i].expected);
		assert_string_equal(to.region, cases[i].signed_for);
	}
	static const struct step none[] = {END};
	static const char *const no_region[] = {KEY, NO_FILES, NULL};
	struct outcome o = run(&put_object, no_region, none);
	assert_int_equal(o.rc, ERR_USAGE);
	assert_string_equal(
		o.e.text,
		"s3:PutObject on arn:aws:s3:::lake/raw/a=1: no AWS region: AWS_REGION and AWS_DEFAULT_REGION are not set, and the profile has none");
	static const char *const no_url[] = {KEY, "AWS_REGION=x", "AWS_ENDPOINT_URL=localhost:1",
					     NULL};
	o = run(&put_object, no_url, none);
	assert_int_equal(o.rc, ERR_USAGE);
	assert_string_equal(o.e.where, "AWS_ENDPOINT_URL");
}

static void what_is_sent(void **state)
{
	static const char *const real[] = {KEY, "AWS_SESSION_TOKEN=tok", "AWS_REGION=sa-east-1",
					   NULL};
	static const struct step s3[] = {
		ANSWER("PUT https://lake.s3.sa-east-1.amazonaws.com/raw/a%3D1", 200,
		       .sent = "x-amz-security-token: tok\nauthorization: AWS4-HMAC-SHA256 "
			       "Credential=AKIA/20260302/sa-east-1/s3/aws4_request, "),
		END};
	static const struct step sqs[] = {ANSWER("POST https://sqs.sa-east-1.amazonaws.com/", 200,
						 .body = "{}", .unsent = "x-amz-content-sha256"),
					  END};
	assert_int_equal(run(&put_object, real, s3).rc, OK);
	assert_int_equal(run(&send_message, real, sqs).rc, OK);
}

/* -- again ------------------------------------------------------------------------------------- */

#define XML(code, message)                                                       \
	"<?xml version=\"1.0\"?>\n<Error><Code>" code "</Code><Message>" message \
	"</Message></Error>"

static void passing_failures_are_tried_again(void **state)
{
	static const struct step cut[] = {
		FAILURE("PUT " AT "lake/raw/a%3D1", "cut"),
		ANSWER("PUT " AT, 500, .body = XML("InternalError", "We")), ANSWER("PUT " AT, 200),
		END};
	struct outcome o = run(&put_object, local, cut);
	assert_int_equal(o.rc, OK);
	assert_int_equal(o.slept_us, 100000 + 200000);
	static const struct step away[] = {FAILURE("PUT " AT, "refused"),
					   ANSWER("PUT " AT, 429, .body = XML("SlowDown", "Less")),
					   ANSWER("PUT " AT, 200), END};
	o = run(&put_object, local, away);
	assert_int_equal(o.rc, OK);
	assert_int_equal(o.slept_us, 100000 + 1000000); /* throttled: slower */
	static const struct step after[] = {ANSWER("PUT " AT, 503, .headers = "retry-after: 7\n"),
					    ANSWER("PUT " AT, 200), END};
	assert_int_equal(run(&put_object, local, after).slept_us, 7000000);
}

static void there_is_an_end(void **state)
{
	static const struct step always[] = {
		ANSWER("POST " AT, 400,
		       .body = "{\"__type\":\"com.amazon.coral.availability#ThrottlingException\",\"message\":\"Rate exceeded\"}"),
		ANSWER("POST " AT, 500),
		FAILURE("POST " AT, "timeout"),
		ANSWER("POST " AT, 502, .body = "<html>Bad gateway</html>"),
		ANSWER("POST " AT, 503, .body = "{}"),
		ANSWER("POST " AT, 400,
		       .headers = "x-amzn-errortype: ThrottledException:http://x\n", .body = "{}"),
		END};
	struct outcome o = run(&send_message, local, always);
	assert_int_equal(o.rc, ERR_RETRY);
	assert_int_equal(o.made, 6);
	assert_string_equal(
		o.e.text,
		"given up after 6 tries: sqs:SendMessage on arn:aws:sqs:sa-east-1:1:q: ThrottledException");
}

static void an_error_inside_of_a_200(void **state)
{
	struct aws_call copy = put_object;
	copy.error_in_200 = true;
	static const char done[] = "<CopyObjectResult><ETag>\"1\"</ETag></CopyObjectResult>";
	static const struct step passing[] = {
		ANSWER("PUT " AT, 200, .body = XML("InternalError", "Try again")),
		ANSWER("PUT " AT, 200, .body = XML("NeverHeardOf", "It")),
		ANSWER("PUT " AT, 200, .body = "<CopyObjectResult><ETag>\"1\"</ET"),
		ANSWER("PUT " AT, 200, .body = "  \n "),
		ANSWER("PUT " AT, 200, .body = done),
		END};
	struct outcome o = run(&copy, local, passing);
	assert_int_equal(o.rc, OK);
	assert_int_equal(o.made, 5);
	static const struct step lasting[] = {
		ANSWER("PUT " AT, 200, .body = XML("AccessDenied", "Access Denied")), END};
	o = run(&copy, local, lasting);
	assert_int_equal(o.rc, ERR_DENIED);
}

static void a_wrong_clock_is_put_right(void **state)
{
	static const struct step steps[] = {
		ANSWER("PUT " AT, 403, .body = XML("RequestTimeTooSkewed", "The difference"),
		       .headers = "date: Mon, 02 Mar 2026 13:30:00 GMT\n",
		       .sent = "20260302T120000Z"),
		ANSWER("PUT " AT, 200, .sent = "20260302T133000Z"), END};
	assert_int_equal(run(&put_object, local, steps).rc, OK);
	/* HEAD has no body to say why; a clock that is right enough is not moved. */
	struct aws_call head = put_object;
	head.method = "HEAD";
	head.body = (struct slice){0};
	static const struct step bare[] = {
		ANSWER("HEAD " AT, 403, .headers = "date: Mon, 02 Mar 2026 11:00:00 GMT\n"),
		ANSWER("HEAD " AT, 200, .sent = "20260302T110000Z"), END};
	assert_int_equal(run(&head, local, bare).rc, OK);
	static const struct step right[] = {
		ANSWER("HEAD " AT, 403, .headers = "date: Mon, 02 Mar 2026 12:01:00 GMT\n"), END};
	assert_int_equal(run(&head, local, right).rc, ERR_DENIED);
	/* The JSON services' way of saying it; once is enough. */
	static const struct step twice[] = {
		ANSWER("POST " AT, 400,
		       .body = "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 20260302T120000Z is now earlier than\"}",
		       .headers = "date: Mon, 02 Mar 2026 13:00:00 GMT\n"),
		ANSWER("POST " AT, 400,
		       .body = "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired\"}",
		       .headers = "date: Mon, 02 Mar 2026 15:00:00 GMT\n",
		       .sent = "20260302T130000Z"),
		END};
	struct outcome o = run(&send_message, local, twice);
	assert_int_equal(o.rc, ERR_DENIED);
	assert_non_null(strstr(o.e.text, "the clock of this machine is wrong"));
}

static void expired_credentials_are_renewed_once(void **state)
{
	static const char *const container[] = {
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9/c",
		"AWS_ENDPOINT_URL=http://127.0.0.1:1", NO_FILES, NULL};
	static const char first[] = "{\"AccessKeyId\":\"OLD\",\"SecretAccessKey\":\"s\"}";
	static const char second[] = "{\"AccessKeyId\":\"NEW\",\"SecretAccessKey\":\"s\"}";
	static const struct step steps[] = {ANSWER("GET http://127.0.0.1:9/c", 200, .body = first),
					    ANSWER("PUT " AT, 400,
						   .body = XML("ExpiredToken", "It"),
						   .sent = "Credential=OLD/"),
					    ANSWER("GET http://127.0.0.1:9/c", 200, .body = second),
					    ANSWER("PUT " AT, 200, .sent = "Credential=NEW/"), END};
	assert_int_equal(run(&put_object, container, steps).rc, OK);
	static const struct step for_ever[] = {
		ANSWER("PUT " AT, 400, .body = XML("ExpiredToken", "It")),
		ANSWER("PUT " AT, 400, .body = XML("ExpiredToken", "It")), END};
	struct outcome o = run(&put_object, local, for_ever);
	assert_int_equal(o.rc, ERR_DENIED);
	assert_string_equal(
		o.e.text,
		"s3:PutObject on arn:aws:s3:::lake/raw/a=1 was refused: the credentials from AWS_ACCESS_KEY_ID have expired (ExpiredToken)");
}

/* -- what is said ------------------------------------------------------------------------------ */

static void errors_say_what_was_refused(void **state)
{
	static const struct {
		struct step step;
		int code;
		const char *text;
	} cases[] = {
		{ANSWER("PUT " AT, 403, .body = XML("AccessDenied", "Access Denied")), ERR_DENIED,
		 "s3:PutObject on arn:aws:s3:::lake/raw/a=1 was refused to the credentials from AWS_ACCESS_KEY_ID (AccessDenied: Access Denied): it takes a policy that allows this action on this resource, and for a bucket of another account that bucket's policy too"},
		{ANSWER("PUT " AT, 403, .body = XML("InvalidAccessKeyId", "No such key")),
		 ERR_DENIED,
		 "s3:PutObject on arn:aws:s3:::lake/raw/a=1 was refused: the credentials from AWS_ACCESS_KEY_ID are not valid there (InvalidAccessKeyId: No such key)"},
		{ANSWER("PUT " AT, 301, .body = XML("PermanentRedirect", "Address"),
			.headers = "x-amz-bucket-region: eu-west-1\n"),
		 ERR_USAGE,
		 "s3:PutObject on arn:aws:s3:::lake/raw/a=1 was sent to sa-east-1 (PermanentRedirect), but the bucket lies in eu-west-1: set AWS_REGION"},
		{ANSWER("PUT " AT, 400,
			.body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></Error>"),
		 ERR_USAGE,
		 "s3:PutObject on arn:aws:s3:::lake/raw/a=1 was sent to sa-east-1 (AuthorizationHeaderMalformed), but the bucket lies in eu-west-1: set AWS_REGION"},
		{ANSWER("PUT " AT, 404, .body = XML("NoSuchBucket", "The bucket does not exist")),
		 ERR_NOT_FOUND,
		 "s3:PutObject on arn:aws:s3:::lake/raw/a=1: NoSuchBucket: The bucket does not exist"},
		{ANSWER("PUT " AT, 412, .body = XML("PreconditionFailed", "At least")),
		 ERR_CONFLICT, NULL},
		{ANSWER("PUT " AT, 400, .body = XML("EntityTooLarge", "")), ERR_LIMIT, NULL},
		{ANSWER("PUT " AT, 400, .body = XML("KeyTooLongError", "")), ERR_INPUT, NULL},
		{ANSWER("PUT " AT, 404), ERR_NOT_FOUND,
		 "s3:PutObject on arn:aws:s3:::lake/raw/a=1: status 404"},
		{ANSWER("PUT " AT, 400,
			.body = "<ErrorResponse><Error><Type>Sender</Type><Code>UnrecognizedClientException</Code></Error></ErrorResponse>"),
		 ERR_DENIED, NULL},
		{ANSWER("PUT " AT, 400,
			.body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>"),
		 ERR_DENIED, NULL},
		/* No entity of a document type is ever expanded. */
		{ANSWER("PUT " AT, 403,
			.body = "<!DOCTYPE e [<!ENTITY a \"x\">]><Error><Code>&a;</Code></Error>"),
		 ERR_DENIED, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct step steps[] = {cases[i].step, END};
		struct outcome o = run(&put_object, local, steps);
		if (o.rc != cases[i].code)
			fail_msg("%s", o.e.text);
		if (cases[i].text)
			assert_string_equal(o.e.text, cases[i].text);
	}
	static const struct step none[] = {END};
	static const char *const nobody[] = {"AWS_REGION=x", "AWS_EC2_METADATA_DISABLED=true",
					     NO_FILES, NULL};
	struct outcome o = run(&put_object, nobody, none);
	assert_int_equal(o.rc, ERR_DENIED);
	assert_string_equal(o.e.reason, "no_credentials");
	static const char start[] =
		"s3:PutObject on arn:aws:s3:::lake/raw/a=1: no AWS credentials: AWS_ACCESS_KEY_ID";
	assert_memory_equal(o.e.text, start, sizeof(start) - 1);
}

/* -- small things ------------------------------------------------------------------------------ */

static void xml_trees(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const struct xml *x;
	struct err e = ERR_INIT;
	static const char good[] =
		"<a xmlns=\"http://s3\">\n <b>one &amp;<!-- no --> <![CDATA[<two>]]></b>\n <b/> <c><d>3</d></c></a>";
	assert_int_equal(xml_parse(slice_of(good), arena, &x, &e), OK);
	assert_string_equal(x->name, "a");
	assert_string_equal(x->text, "");
	assert_string_equal(xml_text(x, "b"), "one & <two>");
	assert_string_equal(x->first->next->text, "");
	assert_string_equal(xml_text(x->first->next->next, "d"), "3");
	assert_string_equal(xml_text(NULL, "d"), "");
	assert_int_equal(xml_parse(SLICE("<a>\n<b></a>"), arena, &x, &e), ERR_INPUT);
	assert_int_equal(e.line, 2);
	AUTO_BUF struct buf deep = {0};
	for (int i = 0; i < 40; i++)
		buf_str(&deep, "<a>");
	for (int i = 0; i < 40; i++)
		buf_str(&deep, "</a>");
	assert_int_equal(xml_parse(buf_slice(&deep), arena, &x, &e), ERR_INPUT);
	assert_non_null(strstr(e.text, "nested too deep"));
	buf_reset(&deep);
	xml_escape("a&b<c>\r", &deep);
	assert_string_equal(deep.data, "a&amp;b&lt;c&gt;&#13;");
}

static void times(void **state)
{
	int64_t us;
	assert_true(aws_http_date("Fri, 24 May 2013 00:00:01 GMT", &us));
	assert_int_equal(us, INT64_C(1369353601) * 1000000);
	assert_true(aws_time("2013-05-24T00:00:01Z", &us));
	assert_int_equal(us, INT64_C(1369353601) * 1000000);
	assert_true(aws_time("2013-05-24T00:00:01.000Z", &us));
	assert_int_equal(us, INT64_C(1369353601) * 1000000);
	static const char *const wrong[] = {"",
					    "Fri, 24 May 2013",
					    "Fri, 31 Feb 2013 00:00:01 GMT",
					    "Fri, 24 ayJ 2013 00:00:01 GMT",
					    "Fri, 24 May 2013 25:00:01 GMT",
					    "Friday, 24-May-13 00:00:01 GMT",
					    "2013-05-24",
					    "2013-05-24T00:00:01",
					    "2013-05-24T00:00:01+01Z",
					    "2013-13-24T00:00:01Z",
					    "2013-05-24T24:00:01Z"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_false(aws_http_date(wrong[i], &us));
		assert_false(aws_time(wrong[i], &us));
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints),
		cmocka_unit_test(what_is_sent),
		cmocka_unit_test(passing_failures_are_tried_again),
		cmocka_unit_test(there_is_an_end),
		cmocka_unit_test(an_error_inside_of_a_200),
		cmocka_unit_test(a_wrong_clock_is_put_right),
		cmocka_unit_test(expired_credentials_are_renewed_once),
		cmocka_unit_test(errors_say_what_was_refused),
		cmocka_unit_test(xml_trees),
		cmocka_unit_test(times),
	};
	return RUN_TESTS("aws_call");
}
