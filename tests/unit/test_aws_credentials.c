/* The chain of credentials: which place wins, what each sends, when new ones are fetched, and what is
 * said when there are none. */
#include "aws_script.h"

#include "credentials.h"

#define NO_FILES                                                \
	"AWS_SHARED_CREDENTIALS_FILE=/nonexistent/credentials", \
		"AWS_CONFIG_FILE=/nonexistent/config"
#define TOKEN_STEP                                                                  \
	ANSWER("PUT http://169.254.169.254/latest/api/token", 200, .body = "TOKEN", \
	       .sent = "X-aws-ec2-metadata-token-ttl-seconds: 21600")
#define ROLE "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
#define ROLE_STEPS(expires)                                                                   \
	TOKEN_STEP,                                                                           \
		ANSWER("GET " ROLE, 200, .body = "collector\n",                               \
		       .sent = "X-aws-ec2-metadata-token: TOKEN"),                            \
		ANSWER("GET " ROLE "collector", 200,                                          \
		       .body = "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA" expires         \
			       "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":" \
			       "\"2026-03-02T" expires ":00Z\"}")

struct got {
	struct arena *arena;
	struct sigv4_key key;
	const char *origin;
	int rc;
	struct err e;
};

static struct got get(struct credentials *c)
{
	struct got g = {.arena = arena_new(), .e = ERR_INIT};
	g.rc = credentials_get(c, g.arena, &g.key, &g.origin, &g.e);
	return g;
}

static void assert_key(struct credentials *c, const char *access, const char *token,
		       const char *origin)
{
	struct got g = get(c);
	if (g.rc)
		fail_msg("%s: %s", err_name(g.rc), g.e.text);
	assert_string_equal(g.key.access, access);
	if (token)
		assert_string_equal(g.key.token, token);
	else
		assert_null(g.key.token);
	if (origin)
		assert_string_equal(g.origin, origin);
	arena_free(g.arena);
}

static void assert_none(struct credentials *c, int code, const char *text)
{
	struct got g = get(c);
	assert_int_equal(g.rc, code);
	if (!strstr(g.e.text, text))
		fail_msg("found \"%s\", expected \"%s\"", g.e.text, text);
	arena_free(g.arena);
}

static void the_environment_comes_first(void **state)
{
	static const char *const environment[] = {
		"AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x", NULL};
	static const char *const half[] = {"AWS_ACCESS_KEY_ID=AKIA", NULL};
	static const struct step none[] = {END};
	struct script s;
	script_init(&s, environment, none);
	struct credentials *c = credentials_new(&s.world);
	assert_key(c, "AKIA", "t", "AWS_ACCESS_KEY_ID");
	credentials_free(c);
	script_init(&s, half, none);
	c = credentials_new(&s.world);
	assert_none(c, ERR_USAGE, "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY");
	credentials_free(c);
}

static void put_file(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	unlink(path);
	assert_int_equal(file_create(path, text, strlen(text), false, &e), OK);
}

static void profiles_of_the_shared_files(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *credentials = path_in(dir, "credentials");
	AUTO_FREE char *config = path_in(dir, "config");
	struct buf long_token = {0};
	for (int i = 0; i < 100; i++)
		buf_str(&long_token, "0123456789");
	struct buf text = {0};
	buf_printf(
		&text,
		"# a comment\r\n[default]\r\naws_access_key_id = DEFAULT\r\naws_secret_access_key=a=b\r\n\r\n"
		"[ other ]\naws_access_key_id=OTHER\n aws_access_key_id=NESTED\naws_secret_access_key=s\n"
		"aws_session_token = %s\n; aws_session_token=no\n",
		long_token.data);
	put_file(credentials, text.data);
	put_file(config, "[default]\nregion=x\n[profile config only]\naws_access_key_id = CONFIG\n"
			 "s3 =\n  aws_access_key_id = NESTED\naws_secret_access_key = s\n"
			 "[profile other]\naws_access_key_id = NOT_THIS\n"
			 "[profile sso]\nsso_session = x\n[half]\naws_access_key_id = H\n");
	char c_variable[256], g_variable[256], profile[64];
	snprintf(c_variable, sizeof(c_variable), "AWS_SHARED_CREDENTIALS_FILE=%s", credentials);
	snprintf(g_variable, sizeof(g_variable), "AWS_CONFIG_FILE=%s", config);
	static const struct step none[] = {END};
	static const struct {
		const char *profile, *access, *error;
	} cases[] = {
		{"", "DEFAULT", NULL},
		{"other", "OTHER", NULL},
		{"config only", "CONFIG", NULL},
		{"sso", NULL, "profile \"sso\" gets its credentials by sso_session"},
		{"missing", NULL, "there is no profile \"missing\" (AWS_PROFILE) in "},
		/* a section of the config file is no profile without the word */
		{"half", NULL, "there is no profile \"half\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(profile, sizeof(profile), "AWS_PROFILE=%s", cases[i].profile);
		const char *const environment[] = {c_variable, g_variable, profile, NULL};
		struct script s;
		script_init(&s, environment, none);
		struct credentials *c = credentials_new(&s.world);
		if (cases[i].error)
			assert_none(c, ERR_USAGE, cases[i].error);
		else
			assert_key(c, cases[i].access, i == 1 ? long_token.data : NULL, NULL);
		credentials_free(c);
	}
	put_file(credentials, "[default]\naws_access_key_id = A\n");
	const char *const environment[] = {c_variable, g_variable, NULL};
	struct script s;
	script_init(&s, environment, none);
	struct credentials *c = credentials_new(&s.world);
	assert_none(
		c, ERR_USAGE,
		"profile \"default\" has only one of aws_access_key_id and aws_secret_access_key");
	/* What was put right since is found. */
	put_file(credentials, "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
	assert_key(c, "A", NULL, NULL);
	/* They are read once, until AWS says that they have expired. */
	put_file(credentials, "[default]\naws_access_key_id = B\naws_secret_access_key = s\n");
	assert_key(c, "A", NULL, NULL);
	credentials_drop(c, &(struct sigv4_key){"C", "s", NULL});
	assert_key(c, "A", NULL, NULL);
	credentials_drop(c, &(struct sigv4_key){"A", "s", NULL});
	assert_key(c, "B", NULL, NULL);
	credentials_free(c);
	buf_free(&text);
	buf_free(&long_token);
}

static void the_containers_endpoint(void **state)
{
	AUTO_FOLDER char *dir = temporary_folder();
	AUTO_FREE char *path = path_in(dir, "token");
	put_file(path, "from the file\n");
	char variable[256];
	snprintf(variable, sizeof(variable), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", path);
	static const char answer[] =
		"{\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2026-03-02T18:00:00Z\"}";
	const struct step relative[] = {
		ANSWER("GET http://169.254.170.2/v2/credentials/1", 500),
		FAILURE("GET http://169.254.170.2/v2/credentials/1", "timeout"),
		ANSWER("GET http://169.254.170.2/v2/credentials/1", 200, .body = answer,
		       .unsent = "Authorization"),
		END};
	const struct step full[] = {ANSWER("GET http://127.0.0.1:99/c", 200, .body = answer,
					   .sent = "Authorization: word\n"),
				    END};
	const struct step file[] = {ANSWER("GET http://127.0.0.1:99/c", 200, .body = answer,
					   .sent = "Authorization: from the file\n"),
				    END};
	const struct step refused[] = {ANSWER("GET http://127.0.0.1:99/c", 403, .body = "no"), END};
	const struct step strange[] = {
		ANSWER("GET http://127.0.0.1:99/c", 200, .body = "{\"AccessKeyId\":1}"), END};
	const char *const by_relative[] = {
		NO_FILES, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/1", NULL};
	const char *const by_word[] = {NO_FILES,
				       "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:99/c",
				       "AWS_CONTAINER_AUTHORIZATION_TOKEN=word", NULL};
	const char *const by_file[] = {NO_FILES,
				       "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:99/c",
				       "AWS_CONTAINER_AUTHORIZATION_TOKEN=word", variable, NULL};
	const struct {
		const char *const *environment;
		const struct step *steps;
		int code;
		const char *text;
	} cases[] = {
		{by_relative, relative, OK, NULL},
		{by_word, full, OK, NULL},
		{by_file, file, OK, NULL},
		/* Named, and refused: nobody else's are taken instead. */
		{by_word, refused, ERR_DENIED,
		 "credentials from the container's endpoint: status 403"},
		{by_word, strange, ERR_INPUT, "AccessKeyId"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct script s;
		script_init(&s, cases[i].environment, cases[i].steps);
		struct credentials *c = credentials_new(&s.world);
		if (cases[i].code)
			assert_none(c, cases[i].code, cases[i].text);
		else
			assert_key(c, "ASIA", "t", "the container's endpoint");
		assert_script_done(&s);
		credentials_free(c);
	}
}

static const char *const on_instance[] = {NO_FILES, NULL};

static void the_instance_and_its_refreshes(void **state)
{
	static const struct step steps[] = {ROLE_STEPS("13:00"),
					    /* 12:55:01: four minutes and 59 s before the end */
					    TOKEN_STEP, ANSWER("GET " ROLE, 503),
					    ANSWER("GET " ROLE, 503), ANSWER("GET " ROLE, 503),
					    /* a minute later */
					    ROLE_STEPS("19:00"), END};
	struct script s;
	script_init(&s, on_instance, steps);
	struct credentials *c = credentials_new(&s.world);
	assert_key(c, "ASIA13:00", "t", "the instance's role collector");
	s.clock.now = SCRIPT_NOW + INT64_C(3299) * 1000000;
	assert_key(c, "ASIA13:00", "t", NULL);
	assert_int_equal(s.made, 3);
	s.clock.now = SCRIPT_NOW + INT64_C(3301) * 1000000;
	/* They cannot be had, but the old ones are good for five minutes yet. */
	assert_key(c, "ASIA13:00", "t", NULL);
	assert_int_equal(s.made, 7);
	assert_key(c, "ASIA13:00", "t", NULL);
	assert_int_equal(s.made, 7);
	s.clock.now += INT64_C(61) * 1000000;
	assert_key(c, "ASIA19:00", "t", NULL);
	assert_script_done(&s);
	credentials_free(c);
}

static void past_the_end_an_error_is_one(void **state)
{
	static const struct step steps[] = {ROLE_STEPS("13:00"), TOKEN_STEP,
					    ANSWER("GET " ROLE, 403), END};
	struct script s;
	script_init(&s, on_instance, steps);
	struct credentials *c = credentials_new(&s.world);
	assert_key(c, "ASIA13:00", "t", NULL);
	s.clock.now = SCRIPT_NOW + INT64_C(3600) * 1000000;
	assert_none(c, ERR_DENIED, "credentials from the instance's metadata: status 403");
	credentials_free(c);
}

static void without_any_all_places_are_named(void **state)
{
	static const struct step nobody[] = {FAILURE("PUT http://169.254.169.254/", "timeout"),
					     FAILURE("PUT http://169.254.169.254/", "timeout"),
					     FAILURE("PUT http://169.254.169.254/", "timeout"),
					     END};
	static const struct step no_role[] = {TOKEN_STEP, ANSWER("GET " ROLE, 404), END};
	static const char *const off[] = {NO_FILES, "AWS_EC2_METADATA_DISABLED=true", NULL};
	static const struct step none[] = {END};
	const struct {
		const char *const *environment;
		const struct step *steps;
		const char *text;
	} cases[] = {{on_instance, nobody,
		      "the instance's metadata: given up after 3 tries: made to fail"},
		     {on_instance, no_role, "the instance's metadata: status 404"},
		     {off, none, "the instance's metadata: AWS_EC2_METADATA_DISABLED"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct script s;
		script_init(&s, cases[i].environment, cases[i].steps);
		struct credentials *c = credentials_new(&s.world);
		struct got g = get(c);
		assert_int_equal(g.rc, ERR_DENIED);
		assert_string_equal(g.e.reason, "no_credentials");
		AUTO_BUF struct buf expected = {0};
		buf_printf(
			&expected,
			"no AWS credentials: AWS_ACCESS_KEY_ID is not set; profile \"default\" has none (/nonexistent/credentials, /nonexistent/config); AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set; %s",
			cases[i].text);
		assert_string_equal(g.e.text, expected.data);
		assert_script_done(&s);
		arena_free(g.arena);
		credentials_free(c);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_comes_first),
		cmocka_unit_test(profiles_of_the_shared_files),
		cmocka_unit_test(the_containers_endpoint),
		cmocka_unit_test(the_instance_and_its_refreshes),
		cmocka_unit_test(past_the_end_an_error_is_one),
		cmocka_unit_test(without_any_all_places_are_named),
	};
	return RUN_TESTS("aws_credentials");
}
