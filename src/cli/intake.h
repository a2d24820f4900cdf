/* Where payloads come from: B3, a file, the sample session inside the program.
 */
#ifndef PREGAO_INTAKE_H
#define PREGAO_INTAKE_H

#include "cli.h"
#include "source.h"

/* What came of asking for an index: a payload, or why there is none (its code is not 0). */
struct fetched {
	struct payload payload;
	struct err why;
};

/* The base address in force: --url, else the configuration's. */
const char *intake_url(struct cli *);
/* Fetches one index. hasty: two attempts and short pauses, to find out whether B3 can be reached at
 * all. Pauses are told on stderr. */
int intake_live(struct cli *, const struct source *, const char *index, bool hasty,
		struct payload *ret, struct err *) MUST_CHECK;
/* Reads a file ("-": standard input) into bytes, which the caller frees. index may be NULL. ERR_IO when the
 * file is called by a sha256, as what landed is, and its bytes have another. */
int intake_file(struct cli *, const char *path, const char *index, struct buf *bytes,
		struct payload *ret, struct err *) MUST_CHECK;
/* The sample session; its name for people in *ret_name. */
int intake_sample(struct payload *ret, const char **ret_name, struct err *) MUST_CHECK;
/* --dry-run of an import: parses each file and says what would come of it; changes nothing. Gives
 * the exit code. */
int intake_dry(struct cli *, const struct source *, const char *const *paths, size_t count,
	       const char *index);

#endif
