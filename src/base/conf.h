/* Configuration: one INI file (inih), environment overrides, and a table with one row per option
 * that holds its section, key, type, default, environment name and documentation. Precedence: flag
 * > environment > file > default. */
#ifndef PREGAO_CONF_H
#define PREGAO_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum conf_type {
	CONF_TEXT,
	CONF_INT,
	CONF_BYTES,
	CONF_DURATION,
	CONF_LIST,
	CONF_CHOICE,
	CONF_DATES, /* a list of YYYY-MM-DD */
	CONF_CRON,  /* cron.h; empty: none */
};
struct conf_option {
	const char *section, *key;
	enum conf_type type;
	const char *fallback;    /* as it would stand in the file */
	const char *environment; /* "PREGAO_..." or NULL */
	/* CHOICE: "a|b|c". LIST: the same, or NULL for any items. INT, BYTES, DURATION: "1s..1d",
	 * or NULL for any. */
	const char *allowed;
	const char *doc; /* one line, English (looked up with tr) */
};
/* A section "schedule.*" is a family: the file may have any number of sections schedule.NAME with
 * those keys. NAME has 1 to CONF_NAME_MAX of a to z, 0 to 9, - and _. What a member does not say is
 * the row's fallback; asking for a name that the file does not have gives the fallbacks, too. */
#define CONF_NAME_MAX 32
struct conf;
/* options must outlive the conf. */
struct conf *conf_new(const struct conf_option *options, size_t count);
void conf_free(struct conf *);
/* Reads a file over the defaults. A key that is a list may be given several times, its items are
 * added up; any other at most once. Lines are at most 198 bytes long. ERR_USAGE with file and line
 * for a syntax error, an unknown section or key (the nearest known one is named), or a value of the
 * wrong type; nothing is taken from a file with an error. ERR_NOT_FOUND when it does not exist. */
int conf_load_file(struct conf *, const char *path, struct err *) MUST_CHECK;
int conf_load_bytes(struct conf *, const char *name, struct slice bytes, struct err *) MUST_CHECK;
int conf_load_environment(struct conf *, struct err *) MUST_CHECK;
int conf_set(struct conf *, const char *section, const char *key, const char *value,
	     const char *origin, struct err *) MUST_CHECK;
/* Asking for an option that is not in the table, or as another type, is a bug and aborts. */
const char *conf_text(const struct conf *, const char *section, const char *key); /* CHOICE, CRON */
int64_t conf_int(const struct conf *, const char *section, const char *key);      /* INT, BYTES */
int64_t conf_duration_us(const struct conf *, const char *section, const char *key);
/* LIST, DATES: items separated by commas or blanks; borrowed; NULL-terminated. */
const char *const *conf_list(const struct conf *, const char *section, const char *key);
/* The n-th member of a family that was given ("portfolio" of "schedule.*"), in the order of the
 * file; NULL after the last. Borrowed. */
const char *conf_member(const struct conf *, const char *family, size_t n);
/* The value of any type as it would stand in the file. */
const char *conf_shown(const struct conf *, const char *section, const char *key);
/* "default", a path with line, an environment name, "flag" */
const char *conf_origin(const struct conf *, const char *section, const char *key);

#endif
