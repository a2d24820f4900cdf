/* Errors as a person reads them, cut without breaking a character; and the table of
 * translations. */
#include "unit.h"

#include <errno.h>

#include "err.h"
#include "tr.h"

/* Formats from the table are what is tested here. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void english(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	tr_init();
}

static void places(void **state)
{
	char text[2048];
	struct err e = ERR_INIT;
	english();
	assert_int_equal(err_set(&e, ERR_INPUT, "found %d", 3), ERR_INPUT);
	assert_string_equal(err_format(&e, text, sizeof(text)), "found 3");
	assert_int_equal(err_at(&e, 4, 7, 120), ERR_INPUT);
	assert_string_equal(err_format(&e, text, sizeof(text)), "line 4:7 (byte 120): found 3");
	err_where(&e, "a.csv");
	assert_string_equal(err_format(&e, text, sizeof(text)), "a.csv:4:7 (byte 120): found 3");
	/* The first place is the innermost, and stays. */
	err_where(&e, "b.csv");
	err_at(&e, 1, 1, 1);
	assert_string_equal(err_format(&e, text, sizeof(text)), "a.csv:4:7 (byte 120): found 3");
	err_wrap(&e, "importing %s", "x");
	assert_string_equal(err_format(&e, text, sizeof(text)),
			    "a.csv:4:7 (byte 120): importing x: found 3");
	err_set(&e, ERR_IO, "new");
	err_at(&e, 0, 0, 9);
	assert_string_equal(err_format(&e, text, sizeof(text)), "byte 9: new");
	err_where(&e, "f");
	assert_string_equal(err_format(&e, text, sizeof(text)), "f (byte 9): new");
	char tiny[4];
	assert_string_equal(err_format(&e, tiny, sizeof(tiny)), "f (");
}

static void codes_from_errno(void **state)
{
	struct err e = ERR_INIT;
	english();
	assert_int_equal(err_errno(&e, ENOENT, "cannot open %s", "x"), ERR_NOT_FOUND);
	assert_string_equal(e.text, "cannot open x: No such file or directory");
	assert_int_equal(err_errno(&e, EEXIST, "x"), ERR_CONFLICT);
	assert_int_equal(err_errno(&e, EROFS, "x"), ERR_DENIED);
	assert_int_equal(err_errno(&e, ENOSPC, "x"), ERR_LIMIT);
	assert_int_equal(err_errno(&e, EAGAIN, "x"), ERR_RETRY);
	assert_int_equal(err_errno(&e, EIO, "x"), ERR_IO);
	assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
	assert_string_equal(err_name(ERR_BUG), "BUG");
	assert_string_equal(err_name(-100), "UNKNOWN");
	assert_string_equal(err_name(1), "UNKNOWN");
}

static void nobody_reads(void **state)
{
	assert_int_equal(err_set(NULL, ERR_LIMIT, "x"), ERR_LIMIT);
	assert_int_equal(err_where(NULL, "y"), ERR_LIMIT);
	assert_int_equal(err_wrap(NULL, "z"), ERR_LIMIT);
}

static void an_error_may_be_made_of_itself(void **state)
{
	struct err e = ERR_INIT;
	english();
	err_set(&e, ERR_IO, "inner");
	err_where(&e, "place");
	err_set(&e, ERR_INPUT, "outer %s at %s", e.text, e.where);
	assert_string_equal(e.text, "outer inner at place");
	assert_string_equal(e.where, "");
}

static void long_texts_are_cut_between_characters(void **state)
{
	struct err e = ERR_INIT;
	char many[3000];
	english();
	for (int lead = 0; lead < 4; lead++) {
		for (size_t i = 0; i + 3 < sizeof(many); i += 3)
			memcpy(many + i, "€", 3);
		many[2997] = 0;
		err_set(&e, ERR_IO, "%.*s%s", lead, "aaaa", many);
		assert_true(strlen(e.text) > sizeof(e.text) - 5);
		assert_true(str_is_utf8(e.text, strlen(e.text)));
		err_where(&e, many + 3 * lead);
		assert_true(str_is_utf8(e.where, strlen(e.where)));
		err_wrap(&e, "%s", many);
		assert_true(str_is_utf8(e.text, strlen(e.text)));
		char out[100];
		err_format(&e, out, sizeof(out) - (size_t)lead);
		assert_true(str_is_utf8(out, strlen(out)));
	}
}

/* The conversions of a printf format, in order, without the words: "%s%-5d%%". */
static void conversions(const char *format, struct buf *out)
{
	for (const char *p = format; (p = strchr(p, '%'));) {
		size_t n = 1 + strspn(p + 1, "0123456789-+ #'.*lhjztLq");
		buf_add(out, p, n + 1);
		p += n + 1;
	}
}

static const struct tr_pair *pair_taking(const char *arguments)
{
	for (size_t i = 0; i < tr_portuguese_count; i++) {
		AUTO_BUF struct buf found = {0};
		conversions(tr_portuguese[i].english, &found);
		if (slice_is(buf_slice(&found), arguments))
			return &tr_portuguese[i];
	}
	fail_msg("no translation takes %s", arguments);
	return NULL;
}

static void language_of(const char *all, const char *messages, const char *lang,
			const char *expected)
{
	setenv("LC_ALL", all, 1);
	setenv("LC_MESSAGES", messages, 1);
	setenv("LANG", lang, 1);
	tr_init();
	assert_string_equal(tr(tr_portuguese[0].english) == tr_portuguese[0].english ? "en" : "pt",
			    expected);
}

static void the_language(void **state)
{
	language_of("", "", "", "en");
	language_of("", "", "pt_BR.UTF-8", "pt");
	language_of("", "en_US.UTF-8", "pt_BR.UTF-8", "en");
	language_of("C.UTF-8", "pt_BR.UTF-8", "pt_BR.UTF-8", "en");
	language_of("pt", "", "", "pt");
	language_of("pt_PT@euro", "", "", "pt");
	language_of("ptx", "", "", "en");
	language_of("pt_BR.UTF-8", "", "", "pt");
	struct err e = ERR_INIT;
	const struct tr_pair *pair = pair_taking("%s");
	err_set(&e, ERR_NOT_FOUND, pair->english, "x");
	AUTO_BUF struct buf expected = {0};
	buf_printf(&expected, pair->portuguese, "x");
	assert_string_equal(e.text, expected.data);
	assert_string_equal(tr("no such sentence"), "no such sentence");
	english();
	assert_string_equal(tr("no such sentence"), "no such sentence");
	assert_ptr_equal(tr(tr_portuguese[0].english), tr_portuguese[0].english);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void each_translation_takes_the_same_arguments(void **state)
{
	const char **keys = NEW_ARRAY(tr_portuguese_count, const char *);
	for (size_t i = 0; i < tr_portuguese_count; i++) {
		const struct tr_pair *pair = &tr_portuguese[i];
		AUTO_BUF struct buf a = {0}, b = {0};
		conversions(pair->english, &a);
		conversions(pair->portuguese, &b);
		if (!slice_eq(buf_slice(&a), buf_slice(&b)))
			fail_msg("\"%s\" takes %s, but \"%s\" takes %s", pair->english,
				 a.data ? a.data : "nothing", pair->portuguese,
				 b.data ? b.data : "nothing");
		if (!pair->portuguese[0] ||
		    !str_is_utf8(pair->portuguese, strlen(pair->portuguese)))
			fail_msg("\"%s\": the Portuguese is empty or not UTF-8", pair->english);
		keys[i] = pair->english;
	}
	qsort(keys, tr_portuguese_count, sizeof(*keys), by_text);
	for (size_t i = 1; i < tr_portuguese_count; i++)
		if (strcmp(keys[i - 1], keys[i]) == 0)
			fail_msg("\"%s\" is there twice", keys[i]);
	free(keys);
	setenv("LC_ALL", "pt_BR.UTF-8", 1);
	tr_init();
	for (size_t i = 0; i < tr_portuguese_count; i++)
		assert_ptr_equal(tr(tr_portuguese[i].english), tr_portuguese[i].portuguese);
	english();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(codes_from_errno),
		cmocka_unit_test(nobody_reads),
		cmocka_unit_test(an_error_may_be_made_of_itself),
		cmocka_unit_test(long_texts_are_cut_between_characters),
		cmocka_unit_test(the_language),
		cmocka_unit_test(each_translation_takes_the_same_arguments),
	};
	return RUN_TESTS("err");
}
