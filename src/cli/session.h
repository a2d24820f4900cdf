/* The daily pass as commands share it: payloads in, extraction, settling, and what to tell about
 * it. */
#ifndef PREGAO_SESSION_H
#define PREGAO_SESSION_H

#include "cli.h"
#include "extract.h"
#include "intake.h"
#include "pass.h"
#include "quarantine.h"
#include "source.h"

/* One payload's way through extraction. */
struct session_item {
	const char *name; /* file, URL or index, for the listing */
	struct extract_result result;
	int code; /* 0, ERR_INPUT refused, else failed */
	struct err why;
};
struct session {
	struct cli *cli;
	const struct source *source;
	struct pass pass;
	struct extract extract;
	struct extract_batch *batch;
	struct session_item *items;
	size_t count, cap;
	size_t flushed;  /* items before this one are counted in the run's step "raw" */
	struct err stop; /* code is not 0: the machine failed so that nothing more is tried */
	struct settle_result settled;
};
/* After cli_system(SYSTEM_WORK). name is the run's name. */
void session_begin(struct session *, struct cli *, const struct source *, const char *name);
/* Whether the machine failed before in a way that the next payload would meet, too; then there is
 * an item that says so, and the payload need not be read. */
bool session_skips(struct session *, const char *name);
/* Adds a payload, of which nothing is kept; errors are kept with its item. */
void session_add(struct session *, const struct payload *, const char *name);
/* Another try of a refused payload; durable on return. The batch must hold nothing. */
void session_replay(struct session *, const struct quarantine_entry *, const char *index);
/* An item that never became a payload (fetch failed, file unreadable). */
void session_failed(struct session *, const char *name, const struct err *);
/* Fetches the indices, all of them before the first is added: while B3 is slow nobody waits for the
 * lake's locks. first: what came for the first index already, or NULL. */
void session_fetch(struct session *, const char *const *indices, size_t count,
		   const struct fetched *first);
/* Makes durable what was added. */
void session_flush(struct session *);
/* Only tells the queue of what was created; the jobs are left to a worker. */
int session_relay(struct session *, struct err *) MUST_CHECK;
/* What pass_settle needs of this lake, with no scopes of its own to make sure of. */
int settle_prepare(struct cli *, int32_t as_of, struct settle *ret, struct err *) MUST_CHECK;
/* Starts and works off the jobs; as_of: AS_OF_LANDED or a date. ERR_* when the machinery failed
 * (failed job runs are in settled). */
int session_settle(struct session *, int32_t as_of, struct err *) MUST_CHECK;
/* Ends the run record and gives the exit code: 1 if any failed, else 3 if any was refused. e: what
 * failed beside the items, or NULL. */
int session_end(struct session *, const struct err *);
/* One row per item in the command's format; refusals and failures also as sentences on stderr. */
int session_print(struct session *, struct err *) MUST_CHECK;
void session_complain(struct session *);
/* Ends, prints, complains and frees: what import and fetch have in common. rc, e: what failed beside
 * the items, or OK. Gives the exit code. */
int session_finish(struct session *, int rc, struct err *);
void session_free(struct session *);

#endif
