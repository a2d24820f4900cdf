/* The table of sources: what is fetched from outside, what parses it, and which tables its rows go
 * to. A second source is one more row in source.c and a file or two beside b3_portfolio*.c; extract
 * and quarantine know this header only. */
#ifndef PREGAO_SOURCE_H
#define PREGAO_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "hash.h"
#include "http.h"
#include "mem.h"
#include "retry.h"
#include "str.h"
#include "table.h"

/* What came from outside, and how. */
struct payload {
	struct slice bytes;
	const char *source; /* the URL or the file it came from, for the receipt and for messages */
	int status;         /* HTTP status; 0 when it did not come over HTTP */
	const char *headers; /* "name: value\n" lines; NULL when there are none */
	const char *index; /* which index the caller says it is; NULL: whatever the payload says */
	int64_t at_us;     /* when it was received */
};

/* The rows for one table. Every part of a payload has the same partition values. */
struct source_part {
	const struct table_def *table;
	struct batch batch;
};
#define SOURCE_MAX_PARTS 4
/* What a parser makes of an accepted payload; everything lives in the arena it was given, or in the
 * payload's bytes. */
struct source_parsed {
	struct slice landed;        /* the bytes to keep: the payload's own, base64 undone */
	char sha256[HASH_HEX_SIZE]; /* of those bytes */
	const char *extension;      /* of the landing object: "csv", "body.json" */
	const char *folder;         /* below landing/<source path>/: "index=IBOV" */
	const char *values[TABLE_MAX_PARTITION]; /* plain partition values, in the tables' partition
						    order */
	char content[HASH_HEX_SIZE];             /* identity of what is said, in whatever form */
	bool detailed; /* it carries the detail that not every form has (struct source: detail) */
	struct source_part parts[SOURCE_MAX_PARTS];
	size_t part_count;
};

/* How to fetch: the settings and the interfaces, all borrowed. */
struct fetch {
	struct http *http;
	struct clock *clock;
	const struct retry_policy *retry; /* for each request; its deadline is for the whole fetch,
					     all forms and pages together */
	uint32_t (*random)(void *ctx, uint32_t below); /* jitter; NULL: getrandom */
	/* May be NULL. Called before each pause, and before another form is tried (pause_us is -1
	 * then). */
	void (*note)(void *ctx, const char *url, int attempt, int64_t pause_us,
		     const struct err *why);
	void *ctx;
	const char *base_url; /* with or without a slash at the end */
	/* names in the order to try, NULL-terminated; NULL: the source's */
	const char *const *forms;
	int64_t request_deadline_us;  /* 0: 30 s */
	int64_t retry_after_limit_us; /* who asks for a longer pause is given up; 0: 120 s */
	size_t body_ceiling_bytes;    /* 0: 16 MiB */
	const char *user_agent;       /* may be NULL */
};

struct source {
	const char *name; /* as the command line says it: "portfolio" */
	const char *path; /* below landing/ and quarantine/: "b3/portfolio" */
	/* changes with the parser's judgement; kept with what it refused */
	const char *parser_version;
	/* changes with the rows or their types; part of raw files' names */
	const char *writer_version;
	const char *detail; /* scope property that says whether the detail is there: "sectors" */
	/* The first is the one whose scope properties say what is there. */
	const struct table_def *const *tables;
	size_t table_count;
	const char *const *forms; /* names for struct fetch, NULL-terminated, in the order to try */
	const char *base_url;
	/* Checks everything and makes rows of it, or refuses: ERR_INPUT with a reason word, the
	 * line, column and byte offset, and a sentence with field, found and expected. Pure: the
	 * same payload always gives the same answer. */
	int (*parse)(const struct payload *, struct arena *, struct source_parsed *ret,
		     struct err *);
	/* Blocks until the payload is here or the policy ends. ret lives in the arena. Errors as
	 * fetch_portfolio of b3_fetch.h says. */
	int (*fetch)(const struct fetch *, const char *what, struct arena *, struct payload *ret,
		     struct err *);
};

extern const struct source *const sources[];
extern const size_t source_count;
/* By name or by path; NULL when there is none. */
const struct source *source_find(const char *name);

#endif
