/* What each role can do, found out by trying: a process for each enters its sandbox in a real lake and tries
 * what it may and what it may not. The table that is printed holds what happened, not what was meant to. */
#include "unit.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "role_sandbox.h"
#include "role_trial.h"
#include "up_settings.h"

struct house {
	char *folder;
	struct conf *conf;
	struct arena *arena;
	struct up_settings settings;
};

static int make_house(void **state)
{
	static const char *const set[][3] = {
		{"b3_portfolio", "url", "http://127.0.0.1:1701/"},
		{"alarms", "webhook", "http://127.0.0.1:1703/"},
		{"alarms", "notify", "/bin/true"},
	};
	struct house *h = NEW(struct house);
	struct err e = ERR_INIT;
	h->folder = temporary_folder();
	h->arena = arena_new();
	h->conf = conf_new(settings, settings_count);
	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		assert_int_equal(conf_set(h->conf, set[i][0], set[i][1], set[i][2], "test", &e),
				 OK);
	h->settings = (struct up_settings){
		.lake = arena_printf(h->arena, "%s/not-this-one", h->folder),
		.definitions = arena_printf(h->arena, "%s/nor-this", h->folder),
		.conf = h->conf};
	assert_int_equal(up_settings_read(&h->settings, "binance=http://127.0.0.1:1702/", NULL,
					  h->arena, &e),
			 OK);
	*state = h;
	return 0;
}

static int remove_house(void **state)
{
	struct house *h = *state;
	conf_free(h->conf);
	arena_free(h->arena);
	remove_folder(&h->folder);
	free(h);
	return 0;
}

/* Written down here once more, so that a right which slips into the table of roles is seen: who can. */
static const struct expected {
	const char *tried, *roles;
} expected[] = {
	{"write object-store landing", "scraper"},
	{"write object-store raw/portfolio", "scraper"},
	{"write object-store quarantine/b3", "scraper"},
	{"write object-store refined", "job"},
	{"write object-store compact/refined", "job"},
	{"write object-store raw/bitcoin_ticks", "delivery"},
	{"write object-store compact/raw", "delivery"},
	{"read object-store raw", "job"},
	{"read object-store raw/bitcoin_ticks", "job delivery backup"},
	{"read object-store quarantine", "alarms"},
	{"write backup-store", "backup"},
	{"read backup-store", "backup alarms"},
	{"send queue raw-created", "activator"},
	{"receive queue raw-created", "activator"},
	{"send queue scheduled", "scheduler"},
	{"receive queue scheduled", "scraper"},
	{"send queue backup", "activator"},
	{"receive queue backup", "backup"},
	{"append stream bitcoin", "collector"},
	{"deliver stream bitcoin", "delivery"},
	{"read stream bitcoin", "collector delivery alarms"},
	{"start job-engine", "activator"},
	{"work job-engine", "job"},
	{"tick scheduler", "scheduler"},
	{"report scheduler", "scraper"},
	{"write catalog raw.portfolio", "scraper"},
	{"write catalog raw.bitcoin_ticks", "delivery"},
	{"write catalog refined", "job"},
	{"write catalog marks", "activator delivery"},
	{"read definitions", "activator job"},
	{"connect network b3_portfolio.url", "scraper"},
	{"connect network bitcoin.sources", "collector"},
	{"connect network alarms.webhook", "alarms"},
	{"run command alarms.notify", "alarms"},
	{"accept connections web.listen", "web"},
	{"read the folder around the lake", ""},
	{"read the supervisor's environment", ""},
	{"write beside the lake's folders", ""},
	{"write beside the state's files", ""},
	{"write elsewhere on the machine", ""},
	{"connect to another TCP port", ""},
	{"connect to another host", ""},
	{"speak to a socket of this machine", ""},
	{"use another protocol than TCP and UDP", ""},
	{"send with a connection's first packet", ""},
	{"accept connections", ""},
	{"run a program", ""},
	{"start a process", ""},
	{"trace the supervisor", ""},
	{"signal the supervisor", ""},
};

static void row_text(const struct trial_row *row, char *out, size_t size)
{
	const struct right *r = row->right;
	if (r)
		snprintf(out, size, "%s %s%s%s", action_name(r->action), resource_name(r->resource),
			 r->name ? " " : "", r->name ? r->name : "");
	else
		snprintf(out, size, "%s", row->attempt->what);
}

static const char *expected_roles(const char *tried)
{
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		if (strcmp(expected[i].tried, tried) == 0)
			return expected[i].roles;
	return NULL;
}

static bool among(const char *name, const char *names)
{
	struct slice rest = slice_of(names);
	while (rest.n)
		if (slice_is(slice_cut(&rest, ' '), name))
			return true;
	return false;
}

static bool kernel_holds(void)
{
	struct sandbox_lacks lacks = role_sandbox_lacks(0);
	return !lacks.files && !lacks.network && !lacks.calls;
}

static void each_role_can_do_its_work_and_nothing_else(void **state)
{
	struct house *h = *state;
	struct role_trial t;
	struct err e = ERR_INIT;
	size_t seen = 0;
	int wrong = 0;
	if (!kernel_holds()) {
		print_message("this kernel cannot hold the roles: nothing to try\n");
		skip();
	}
	int rc = role_trial(&h->settings, h->folder, NULL, h->arena, &t, &e);
	if (rc)
		print_message("%s\n", e.text);
	assert_int_equal(rc, OK);
	assert_int_equal(t.role_count, role_count);
	print_message("# %-40s", "tried from inside");
	for (size_t r = 0; r < role_count; r++)
		print_message("%-11s", t.roles[r]->name);
	for (size_t i = 0; i < t.row_count; i++) {
		char text[100];
		row_text(&t.rows[i], text, sizeof(text));
		const char *who = expected_roles(text);
		seen += who != NULL;
		print_message("\n# %-40s", text);
		for (size_t r = 0; r < role_count; r++) {
			const struct trial_cell *c = &t.cells[i * role_count + r];
			bool done = c->came == ATTEMPT_DONE;
			bool as_written = !who || done == among(t.roles[r]->name, who);
			wrong += !c->right || !as_written;
			print_message("%s%-*s", attempt_outcome_name(c->came),
				      11 - (int)strlen(attempt_outcome_name(c->came)),
				      c->right && as_written ? "" : "!");
		}
	}
	print_message("\n");
	assert_int_equal(wrong, 0);
	assert_int_equal(seen, ARRAY_LEN(expected));
	/* In a lake of its own. */
	assert_int_not_equal(access(h->settings.lake, F_OK), 0);
}

/* A sandbox that holds nothing is seen by trying. */
static void what_no_kernel_holds_is_seen(void **state)
{
	struct house *h = *state;
	struct role_trial t;
	struct err e = ERR_INIT;
	struct up_settings older = h->settings;
	size_t open = 0, guarded = 0;
	older.landlock_abi = -1;
	assert_int_equal(role_trial(&older, h->folder, role_find("backup"), h->arena, &t, &e), OK);
	assert_int_equal(t.role_count, 1);
	for (size_t i = 0; i < t.row_count; i++) {
		open += !t.cells[i].right && t.cells[i].came == ATTEMPT_DONE;
		guarded += t.cells[i].came == ATTEMPT_GUARD;
	}
	assert_true(open > 5);
	/* The guards hold all the same. */
	assert_true(guarded > 15);
}

static void urls_have_ports(void **state)
{
	assert_int_equal(url_port("https://host/x"), 443);
	assert_int_equal(url_port("http://127.0.0.1:8000/x:9"), 8000);
	assert_int_equal(url_port("http://user:12@[::1]:81/"), 81);
	assert_int_equal(url_port("http://[::1]/"), 80);
	assert_int_equal(url_port("http://host:0/"), 0);
	assert_int_equal(url_port("http://host:70000/"), 0);
	assert_int_equal(url_port("ftp://host/"), 0);
	assert_int_equal(url_port("https:///x"), 0);
}

static void prefixes_are_whole_folders(void **state)
{
	const struct role *scraper = role_find("scraper");
	assert_non_null(role_may(scraper, "object-store", "write", "raw/portfolio/x"));
	assert_non_null(role_may(scraper, "object-store", "read", "raw/portfolio"));
	assert_null(role_may(scraper, "object-store", "write", "raw/portfolios/x"));
	assert_null(role_may(scraper, "object-store", "write", "raw"));
	assert_null(role_may(scraper, "object-store", "write", "refined/x"));
	assert_null(role_may(role_find("job"), "object-store", "write", "raw/portfolio/x"));
	assert_non_null(role_may(role_find("job"), "object-store", "read", "raw/portfolio/x"));
	assert_null(role_find("nobody"));
}

/* Each limit, from inside. */
static void the_limits_are_in_force(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
	skip();
#else
	static const size_t too_much = (size_t)300 << 20;
	struct house *h;
	int status;
	make_house((void **)&h);
	pid_t child = fork();
	if (child == 0) {
		struct sandbox_report report;
		int wrong = role_confine(role_find("scheduler"), &h->settings, &report, NULL) != OK;
		void *volatile got = malloc(too_much);
		wrong += got != NULL;
		free(got);
		struct rlimit files = {0}, core = {.rlim_max = 1};
		getrlimit(RLIMIT_NOFILE, &files);
		getrlimit(RLIMIT_CORE, &core);
		wrong += files.rlim_max > ROLE_FILES_MAX || core.rlim_max != 0;
		_exit(wrong);
	}
	waitpid(child, &status, 0);
	remove_house((void **)&h);
	assert_int_equal(status, 0);
#endif
}

static bool may_connect(const struct house *h, const char *role, int port)
{
	struct role_confines c = role_confines(role_find(role), &h->settings, h->arena);
	for (size_t i = 0; i < c.port_count; i++)
		if (c.ports[i] == port)
			return true;
	return false;
}

/* What libcurl connects to then, instead of the address that was configured. */
static void a_proxy_is_connected_to(void **state)
{
	static const struct {
		const char *value;
		int port;
	} proxies[] = {{"http://who:what@proxy.example:3128/", 3128},
		       {"proxy.example:8080", 8080},
		       {"proxy.example", 1080},
		       {"http://proxy.example:80/", 80},
		       {"https://[::1]", 443}};
	const struct house *h = *state;
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		unsetenv("http_proxy");
		assert_false(may_connect(h, "scraper", proxies[i].port));
		setenv("http_proxy", proxies[i].value, 1);
		assert_true(may_connect(h, "scraper", proxies[i].port));
		assert_true(may_connect(h, "scraper", 1701));
		assert_false(may_connect(h, "job", proxies[i].port));
	}
	unsetenv("http_proxy");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_role_can_do_its_work_and_nothing_else,
						make_house, remove_house),
		cmocka_unit_test_setup_teardown(what_no_kernel_holds_is_seen, make_house,
						remove_house),
		cmocka_unit_test_setup_teardown(a_proxy_is_connected_to, make_house, remove_house),
		cmocka_unit_test(the_limits_are_in_force),
		cmocka_unit_test(urls_have_ports),
		cmocka_unit_test(prefixes_are_whole_folders),
	};
	return RUN_TESTS("role_sandbox");
}
