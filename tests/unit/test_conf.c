/* The configuration: precedence, types, and what a person is told about a mistake. */
#include "unit.h"

#include "conf.h"

static const struct conf_option options[] = {
	{"b3", "url", CONF_TEXT, "https://example.com/", "PREGAO_TEST_URL", NULL, "where"},
	{"b3", "indices", CONF_LIST, "IBOV, SMLL", NULL, NULL, "which"},
	{"b3", "deadline", CONF_DURATION, "30s", "PREGAO_TEST_DEADLINE", "250ms..1h", "how long"},
	{"b3", "ceiling", CONF_BYTES, "16MiB", NULL, "1KiB..1GiB", "how much"},
	{"b3", "forms", CONF_LIST, "day", NULL, "day|download", "which too"},
	{"query", "threads", CONF_INT, "2", NULL, "-8..64", "how many"},
	{"query", "input", CONF_CHOICE, "auto", NULL, "live|sample|auto", "from where"},
	{"calendar", "add", CONF_DATES, "", NULL, NULL, "when too"},
	{"schedule.*", "cron", CONF_CRON, "0 19 * * *", NULL, NULL, "when"},
	{"schedule.*", "retry", CONF_DURATION, "30m", NULL, NULL, "how often"},
};

static void free_conf(struct conf **c)
{
	conf_free(*c);
}
#define AUTO_CONF CLEANUP(free_conf)

static struct conf *fresh(void)
{
	return conf_new(options, ARRAY_LEN(options));
}

static void load(struct conf *c, const char *text)
{
	struct err e = ERR_INIT;
	if (conf_load_bytes(c, "pregao.conf", slice_of(text), &e) != OK)
		fail_msg("line %d: %s", (int)e.line, e.text);
}

static void defaults_and_types(void **state)
{
	AUTO_CONF struct conf *c = fresh();
	assert_string_equal(conf_text(c, "b3", "url"), "https://example.com/");
	assert_int_equal(conf_duration_us(c, "b3", "deadline"), 30000000);
	assert_int_equal(conf_int(c, "b3", "ceiling"), 16 << 20);
	assert_string_equal(conf_origin(c, "b3", "url"), "default");
	load(c,
	     "\xEF\xBB\xBF# a comment\r\n\r\n[b3]\r\nurl = https://b3.example/a?b=c#d\r\n  indices = IBOV\tSMLL,,IBXX ; some\r\n"
	     "indices = IFIX\r\ndeadline=250ms\r\nceiling = 1 GiB\r\n[query]\r\nthreads : -3\r\ninput=live");
	assert_string_equal(conf_text(c, "b3", "url"), "https://b3.example/a?b=c#d");
	const char *const *indices = conf_list(c, "b3", "indices");
	assert_string_equal(indices[0], "IBOV");
	assert_string_equal(indices[1], "SMLL");
	assert_string_equal(indices[2], "IBXX");
	assert_string_equal(indices[3], "IFIX");
	assert_null(indices[4]);
	assert_int_equal(conf_duration_us(c, "b3", "deadline"), 250000);
	assert_int_equal(conf_int(c, "b3", "ceiling"), 1 << 30);
	assert_int_equal(conf_int(c, "query", "threads"), -3);
	assert_string_equal(conf_text(c, "query", "input"), "live");
	assert_string_equal(conf_origin(c, "b3", "url"), "pregao.conf:4");
	assert_string_equal(conf_shown(c, "b3", "ceiling"), "1 GiB");
}

static void a_list_may_be_empty(void **state)
{
	AUTO_CONF struct conf *c = fresh();
	load(c, "[b3]\nindices =\nurl =\n");
	assert_null(conf_list(c, "b3", "indices")[0]);
	assert_string_equal(conf_text(c, "b3", "url"), "");
}

static void precedence(void **state)
{
	AUTO_CONF struct conf *c = fresh();
	struct err e = ERR_INIT;
	load(c, "[b3]\nurl = file\ndeadline = 1s\n");
	setenv("PREGAO_TEST_URL", "environment", 1);
	setenv("PREGAO_TEST_DEADLINE", "", 1);
	assert_int_equal(conf_load_environment(c, &e), OK);
	assert_string_equal(conf_text(c, "b3", "url"), "environment");
	assert_string_equal(conf_origin(c, "b3", "url"), "PREGAO_TEST_URL");
	assert_int_equal(conf_duration_us(c, "b3", "deadline"), 1000000);
	assert_int_equal(conf_set(c, "b3", "url", "flag", "flag", &e), OK);
	assert_string_equal(conf_text(c, "b3", "url"), "flag");
	setenv("PREGAO_TEST_DEADLINE", "soon", 1);
	assert_int_equal(conf_load_environment(c, &e), ERR_USAGE);
	assert_string_equal(e.where, "PREGAO_TEST_DEADLINE");
	assert_int_equal(conf_duration_us(c, "b3", "deadline"), 1000000);
	unsetenv("PREGAO_TEST_URL");
	unsetenv("PREGAO_TEST_DEADLINE");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *word;
		int line;
	} wrong[] = {
		{"[b3]\n\nurll = x\n", "did you mean url?", 3},
		{"[b3]\nbanana = x\n", "unknown option banana in [b3]", 2},
		{"[b4]\nurl = x\n", "there is one in [b3]", 2},
		{"[b3]\nthreads = 1\n", "there is one in [query]", 2},
		{"[quary]\nx = 1\n", "did you mean [query]?", 2},
		{"url = x\n", "it belongs in [b3]", 1},
		{"[b3]\nurl\n", "key = value", 2},
		{"\n[b3\nurl = x\n", "key = value", 2},
		{"[b3]\ndeadline = 5 minutes\n", "\"5 minutes\", expected a duration", 2},
		{"[b3]\nceiling = 16 potatoes\n", "\"16 potatoes\", expected a size", 2},
		{"[b3]\nceiling = -1\n", "expected a size", 2},
		{"[b3]\nceiling = 9223372036854775807KiB\n", "expected a size", 2},
		{"[query]\nthreads = 2.5\n", "expected a whole number", 2},
		{"[query]\ninput = lively\n", "live|sample|auto", 2},
		{"[query]\ninput = live|sample\n", "live|sample|auto", 2},
		{"[query]\ninput =\n", "live|sample|auto", 2},
		{"[query]\nthreads = 1\nthreads = 2\n", "given twice, first at pregao.conf:2", 3},
		{"[calendar]\nadd = 2026-02-30\n", "\"2026-02-30\", expected dates", 2},
		{"[schedule.a]\ncron = 0 0 31 2 *\n", "no month has", 2},
		{"[schedule.a]\nretry = soon\n", "expected a duration", 2},
		{"[schedule.a]\nretri = 5m\n", "did you mean retry?", 2},
		{"[schedule.a]\nretry = 5m\nretry = 6m\n", "given twice", 3},
		{"[schedule.A]\nretry = 5m\n", "[schedule.A] has no name as [schedule.*]", 2},
		{"[schedule.]\nretry = 5m\n", "[schedule.] has no name", 2},
		{"[schedule.*]\nretry = 5m\n", "there is one in [schedule.*]", 2},
		{"[query]\nthreads = 65\n", "\"65\", expected -8..64", 2},
		{"[query]\nthreads = -9\n", "expected -8..64", 2},
		{"[b3]\ndeadline = 249ms\n", "\"249ms\", expected 250ms..1h", 2},
		{"[b3]\nceiling = 2GiB\n", "expected 1KiB..1GiB", 2},
		{"[b3]\nforms = day,weekly\n", "\"weekly\", expected some of day|download", 2},
		{"[schedule]\nretry = 5m\n", "there is one in [schedule.*]", 2},
		{"[b3]\nurl = a\xE7"
		 "b\n",
		 "UTF-8", 2},
	};
	AUTO_CONF struct conf *c = fresh();
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO_BUF struct buf text = {0};
		struct err e = ERR_INIT;
		/* Sound lines around a wrong one are not taken either. */
		buf_printf(&text, "%s[b3]\nindices = TAKEN\n", wrong[i].text);
		assert_int_equal(conf_load_bytes(c, "pregao.conf", buf_slice(&text), &e),
				 ERR_USAGE);
		if (!strstr(e.text, wrong[i].word) || e.line != wrong[i].line)
			fail_msg("expected line %d, %s; got line %d, %s", wrong[i].line,
				 wrong[i].word, (int)e.line, e.text);
		assert_string_equal(e.where, "pregao.conf");
		assert_string_equal(conf_list(c, "b3", "indices")[0], "IBOV");
	}
}

static void members_of_a_family(void **state)
{
	AUTO_CONF struct conf *c = fresh();
	struct err e = ERR_INIT;
	assert_null(conf_member(c, "schedule.*", 0));
	assert_string_equal(conf_text(c, "schedule.portfolio", "cron"), "0 19 * * *");
	load(c,
	     "[schedule.night-ly]\ncron = 30 2 * * 1-5\n[calendar]\nadd = 2026-02-14, 2026-02-17\n"
	     "add = 2026-12-24\n[schedule.b]\nretry = 5m\n[schedule.night-ly]\nretry = 1h\n");
	assert_string_equal(conf_member(c, "schedule.*", 0), "night-ly");
	assert_string_equal(conf_member(c, "schedule.*", 1), "b");
	assert_null(conf_member(c, "schedule.*", 2));
	assert_string_equal(conf_text(c, "schedule.night-ly", "cron"), "30 2 * * 1-5");
	assert_int_equal(conf_duration_us(c, "schedule.night-ly", "retry"), 3600000000);
	assert_string_equal(conf_origin(c, "schedule.night-ly", "retry"), "pregao.conf:9");
	assert_string_equal(conf_text(c, "schedule.b", "cron"), "0 19 * * *");
	assert_string_equal(conf_origin(c, "schedule.b", "cron"), "default");
	assert_int_equal(conf_duration_us(c, "schedule.b", "retry"), 300000000);
	assert_string_equal(conf_list(c, "calendar", "add")[2], "2026-12-24");
	assert_int_equal(conf_set(c, "schedule.b", "retry", "6m", "flag", &e), OK);
	assert_int_equal(conf_duration_us(c, "schedule.b", "retry"), 360000000);
	/* A second file wins over the first, value by value. */
	load(c, "[schedule.b]\ncron = 0 8 * * *\n");
	assert_int_equal(conf_duration_us(c, "schedule.b", "retry"), 360000000);
	assert_string_equal(conf_text(c, "schedule.b", "cron"), "0 8 * * *");
	/* Names that inih would cut are too long already. */
	AUTO_BUF struct buf text = {0};
	buf_str(&text, "[schedule.");
	for (int i = 0; i < 60; i++)
		buf_char(&text, 'x');
	buf_str(&text, "]\nretry = 5m\n");
	assert_int_equal(conf_load_bytes(c, "f", buf_slice(&text), &e), ERR_USAGE);
	/* So are too many values. */
	buf_reset(&text);
	for (int i = 0; i < 1001; i++)
		buf_printf(&text, "[schedule.s%d]\nretry = 5m\n", i);
	assert_int_equal(conf_load_bytes(c, "f", buf_slice(&text), &e), ERR_USAGE);
	assert_int_equal(e.line, 2002);
	assert_null(conf_member(c, "schedule.*", 2));
}

static void lines_that_inih_would_cut(void **state)
{
	AUTO_CONF struct conf *c = fresh();
	AUTO_BUF struct buf text = {0};
	struct err e = ERR_INIT;
	buf_str(&text, "[b3]\nurl = ");
	for (int i = 0; i < 190; i++)
		buf_char(&text, 'x');
	load(c, text.data);
	assert_int_equal(strlen(conf_text(c, "b3", "url")), 190);
	buf_str(&text, "xxxxxxxxxx");
	assert_int_equal(conf_load_bytes(c, "f", buf_slice(&text), &e), ERR_USAGE);
	assert_int_equal(e.line, 2);
	assert_int_equal(conf_load_bytes(c, "f", (struct slice){"[b3]\nurl = a\0b", 14}, &e),
			 ERR_USAGE);
	assert_int_equal(e.line, 2);
}

static void files(void **state)
{
	AUTO_CONF struct conf *c = fresh();
	AUTO_FOLDER char *folder = temporary_folder();
	AUTO_FREE char *path = path_in(folder, "c");
	struct err e = ERR_INIT;
	assert_int_equal(conf_load_file(c, path, &e), ERR_NOT_FOUND);
	assert_string_equal(e.where, path);
	assert_int_equal(conf_load_file(c, folder, &e), ERR_INPUT);
	assert_int_equal(file_create(path, "[query]\nthreads = 8", 19, false, &e), OK);
	assert_int_equal(conf_load_file(c, path, &e), OK);
	assert_int_equal(conf_int(c, "query", "threads"), 8);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_and_types),
		cmocka_unit_test(a_list_may_be_empty),
		cmocka_unit_test(precedence),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(members_of_a_family),
		cmocka_unit_test(lines_that_inih_would_cut),
		cmocka_unit_test(files),
	};
	return RUN_TESTS("conf");
}
