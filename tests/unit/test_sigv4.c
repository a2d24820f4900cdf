/* The signer against what AWS publishes: the examples of S3's and IAM's documentation, and of the
 * Signature Version 4 test suite. tests/aws/test_signer.py compares it with botocore's besides. */
#include "unit.h"

#include "clock.h"
#include "hash.h"
#include "sigv4.h"

/* The documentation's own key; it opens nothing. */
static const struct sigv4_key s3_key = {"AKIAIOSFODNN7EXAMPLE",
					"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
static const struct sigv4_key suite_key = {"AKIDEXAMPLE",
					   "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};

static void assert_signature(struct sigv4_request q, const char *time, const char *payload,
			     const char *target, const char *signature)
{
	AUTO_ARENA struct arena *arena = arena_new();
	char hex[HASH_HEX_SIZE];
	struct sigv4_signed s;
	hash_bytes_hex(payload, strlen(payload), hex);
	q.payload_sha256 = hex;
	q.region = "us-east-1";
	assert_int_equal(time_parse_utc(time, &q.now_us), OK);
	sigv4_sign(&q, arena, &s);
	if (strcmp(s.signature, signature) != 0)
		print_error("%s\n\n%s\n", s.canonical_request, s.string_to_sign);
	assert_string_equal(s.signature, signature);
	assert_string_equal(s.target, target);
}

/* "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference */
static void s3_documentation(void **state)
{
	static const char time[] = "2013-05-24T00:00:00.000000Z";
	const struct sigv4_request base = {.method = "GET",
					   .host = "examplebucket.s3.amazonaws.com",
					   .path = "/",
					   .service = "s3",
					   .key = &s3_key};
	struct sigv4_request q = base;
	q.path = "/test.txt";
	q.headers = (struct sigv4_pair[]){{"Range", "bytes=0-9"}};
	q.header_count = 1;
	assert_signature(q, time, "", "/test.txt",
			 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	q = base;
	q.method = "PUT";
	q.path = "/test$file.text";
	q.headers = (struct sigv4_pair[]){{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
					  {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
	q.header_count = 2;
	assert_signature(q, time, "Welcome to Amazon S3.", "/test%24file.text",
			 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	q = base;
	q.query = (struct sigv4_pair[]){{"lifecycle", ""}};
	q.query_count = 1;
	assert_signature(q, time, "", "/?lifecycle=",
			 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	q.query = (struct sigv4_pair[]){{"prefix", "J"}, {"max-keys", "2"}};
	q.query_count = 2;
	assert_signature(q, time, "", "/?max-keys=2&prefix=J",
			 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* The suite's get-vanilla and its kin; "Create a signed AWS API request", IAM User Guide */
static void test_suite(void **state)
{
	static const char time[] = "2015-08-30T12:36:00.000000Z";
	const struct sigv4_request base = {.method = "GET",
					   .host = "example.amazonaws.com",
					   .path = "/",
					   .service = "service",
					   .key = &suite_key};
	struct sigv4_request q = base;
	assert_signature(q, time, "", "/",
			 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	q.path = "";
	assert_signature(q, time, "", "/",
			 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	q = base;
	q.query = (struct sigv4_pair[]){{"Param2", "value2"}, {"Param1", "value1"}};
	q.query_count = 2;
	assert_signature(q, time, "", "/?Param1=value1&Param2=value2",
			 "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
	q = base;
	q.path = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	assert_signature(q, time, "", q.path,
			 "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
	q = base;
	q.method = "POST";
	assert_signature(q, time, "", "/",
			 "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
	/* Blanks at the ends, and runs of them between. */
	q = base;
	q.headers =
		(struct sigv4_pair[]){{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}};
	q.header_count = 2;
	assert_signature(q, time, "", "/",
			 "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
	q = base;
	q.host = "iam.amazonaws.com";
	q.service = "iam";
	q.query = (struct sigv4_pair[]){{"Action", "ListUsers"}, {"Version", "2010-05-08"}};
	q.query_count = 2;
	q.headers = (struct sigv4_pair[]){
		{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
	q.header_count = 1;
	assert_signature(q, time, "", "/?Action=ListUsers&Version=2010-05-08",
			 "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void what_is_sent(void **state)
{
	AUTO_ARENA struct arena *arena = arena_new();
	const struct sigv4_key key = {"AKID", "secret", "the/token=="};
	const struct sigv4_pair header = {"If-None-Match", "*"};
	struct sigv4_request q = {.method = "PUT",
				  .host = "b.s3.amazonaws.com",
				  .path = "/a=1/b c+d/\xc3\xa1%2F",
				  .headers = &header,
				  .header_count = 1,
				  .payload_sha256 = "00",
				  .service = "s3",
				  .region = "sa-east-1",
				  .key = &key};
	struct sigv4_signed s;
	sigv4_sign(&q, arena, &s);
	assert_string_equal(s.target, "/a%3D1/b%20c%2Bd/%C3%A1%252F");
	assert_string_equal(s.headers[0], "If-None-Match: *");
	assert_string_equal(s.headers[1], "x-amz-date: 19700101T000000Z");
	assert_string_equal(s.headers[2], "x-amz-content-sha256: 00");
	assert_string_equal(s.headers[3], "x-amz-security-token: the/token==");
	static const char start[] =
		"authorization: AWS4-HMAC-SHA256 Credential=AKID/19700101/sa-east-1/s3/aws4_request, "
		"SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
		"Signature=";
	assert_memory_equal(s.headers[4], start, sizeof(start) - 1);
	assert_null(s.headers[5]);
	/* Elsewhere the path is signed encoded twice, and the hash is not sent. */
	q.service = "scheduler";
	sigv4_sign(&q, arena, &s);
	assert_string_equal(s.target, "/a%3D1/b%20c%2Bd/%C3%A1%252F");
	assert_non_null(
		strstr(s.canonical_request, "PUT\n/a%253D1/b%2520c%252Bd/%25C3%25A1%25252F\n"));
	assert_null(strstr(s.canonical_request, "x-amz-content-sha256"));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(s3_documentation),
		cmocka_unit_test(test_suite),
		cmocka_unit_test(what_is_sent),
	};
	return RUN_TESTS("sigv4");
}
