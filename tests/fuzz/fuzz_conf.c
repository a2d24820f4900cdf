/* Fuzzes the reading of configuration files: whatever the bytes, either all of them are taken or
 * none, and what was taken has the types that the table says. */
#include <stdlib.h>

#include "conf.h"
#include "mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct conf_option options[] = {
	{"b3", "url", CONF_TEXT, "https://example.com/", NULL, NULL, "text"},
	{"b3", "indices", CONF_LIST, "IBOV", NULL, NULL, "list"},
	{"b3", "deadline", CONF_DURATION, "30s", NULL, NULL, "duration"},
	{"b3", "ceiling", CONF_BYTES, "16MiB", NULL, NULL, "bytes"},
	{"query", "threads", CONF_INT, "2", NULL, NULL, "number"},
	{"query", "input", CONF_CHOICE, "auto", NULL, "live|sample|auto", "choice"},
	{"calendar", "add", CONF_DATES, "", NULL, NULL, "dates"},
	{"schedule.*", "cron", CONF_CRON, "0 19 * * *", NULL, NULL, "cron"},
};

static void must(bool so)
{
	if (!so)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct conf *c = conf_new(options, ARRAY_LEN(options));
	struct err e = ERR_INIT;
	char text[2048];
	int rc = conf_load_bytes(c, "fuzz.conf", (struct slice){(const char *)bytes, n}, &e);
	must(rc == OK || rc == ERR_USAGE);
	if (rc != OK) {
		must(e.code == rc && e.line > 0);
		err_format(&e, text, sizeof(text));
		must(slice_starts(slice_of(text), "fuzz.conf:"));
	}
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const char *shown = conf_shown(c, options[i].section, options[i].key);
		must(str_is_utf8(shown, slice_of(shown).n));
		if (rc != OK)
			must(slice_is(slice_of(shown), options[i].fallback));
	}
	size_t items = 0;
	for (const char *const *item = conf_list(c, "b3", "indices"); *item; item++, items++)
		must(**item);
	must(items <= n + 1);
	must(conf_duration_us(c, "b3", "deadline") >= 0 && conf_int(c, "b3", "ceiling") >= 0);
	conf_free(c);
	return 0;
}
