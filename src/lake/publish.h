/* Replacing partitions of a table: stage, put, commit, and only then remove what was replaced. The
 * same for raw tables and a job's results.
 *
 * The order, and what a death in between leaves:
 *   1. the table's lock is held, leftovers of a dead writer have been removed (publish_begin);
 *   2. files lie complete in the staging folder;
 *   3. intent in the catalog: the keys about to be put
 *      - death: recovery finds no object, forgets the intent
 *   4. objects put, durable
 *      - death: recovery deletes them, readers never saw them through the catalog
 *   5. commit: new files live, old ones dead, intent ended
 *      - from here on the new partitions are the truth
 *   6. dead files deleted when no reader needs them
 *      - death: the next writer deletes them
 */
#ifndef PREGAO_PUBLISH_H
#define PREGAO_PUBLISH_H

#include "catalog.h"
#include "object_store.h"
#include "parquet.h"

struct publish {
	struct object_store *store;
	struct catalog *catalog;
	struct parquet *parquet; /* needed only by tables with a compact layout */
	struct clock *clock;
	int64_t lock_wait_us;                           /* how long to wait for another writer */
	void (*on_wait)(void *ctx, int64_t holder_pid); /* may be NULL */
	void *ctx;
};
/* A file to be published: file.key is where, path is the local staged file. */
struct publish_file {
	struct catalog_file file;
	const char *path;
};
struct publish_change {
	const struct table_def *table;
	const struct catalog_scope *scopes;
	size_t scope_count;
	const struct publish_file *files;
	size_t file_count;
	bool append; /* as catalog_change says */
};
/* All published files of a scope are to become one. */
struct publish_merge {
	const char *scope;
	const char *name; /* of the one, without ".parquet": new, and made of what is in it */
};
struct publish_session; /* holds the locks of one or more tables and a staging folder of its own */
/* Locks the tables (in name order), recovers them, and makes a staging folder without files.
 * ERR_CONFLICT when another writer stays; ERR_DENIED read-only; ERR_LIMIT no space. */
int publish_begin(const struct publish *, const struct table_def *const *tables, size_t n,
		  struct publish_session **ret, struct err *) MUST_CHECK;
/* Where staged files go: a local folder. What lies in it is gone after publish_end; its folders may
 * stay. */
const char *publish_staging(const struct publish_session *);
/* Replaces the scopes, or appends to them, of all given tables in one commit, which also moves the
 * marks (no changes: just that). A compact file that also covers other scopes is rewritten without
 * the replaced ones; one that covers a scope appended to is retired whole, and what it covered is
 * read from the published files until it is compacted again. May be called several times in a
 * session. On failure nothing is visible and what was put is removed or left to recovery. */
int publish_replace(struct publish_session *, const struct publish_change *, size_t n,
		    const struct catalog_mark *marks, size_t mark_count, int64_t *ret_version,
		    struct err *) MUST_CHECK;
/* All published files of each scope become one, "<name>.parquet", ordered by the table's sort and
 * then by all columns; properties and compact files stay as they are. Scopes with a single file are
 * left alone. For tables whose scope is the whole partition (else ERR_BUG). *ret_merged counts
 * files written. ERR_NOT_FOUND for a scope that is not there; ERR_BUG for a name that one of its
 * files has. */
int publish_merge_scopes(struct publish_session *, const struct table_def *,
			 const struct publish_merge *, size_t n, int64_t *ret_merged,
			 struct err *) MUST_CHECK;
/* Writes one compact file for all these scopes together (a day's hours), of their published files;
 * compact files that cover any of them are retired whole. Its key is
 * "<compact_location>/<folders of the values they share>/<date they share>-<name>.parquet".
 * *ret_merged is 1, or 0 when one file covers just these already. ERR_NOT_FOUND for a scope that is
 * not there. */
int publish_compact_scopes(struct publish_session *, const struct table_def *,
			   const char *const *scopes, size_t n, const char *name,
			   int64_t *ret_merged, struct err *) MUST_CHECK;
/* Merges the compact files of closed months (a later month of the same other scope values exists,
 * at least COMPACT_MIN_SCOPES scopes, more than one file); all months, closed or not and however
 * few, when everything. *ret_merged counts files written. The table must be in the session. */
#define COMPACT_MIN_SCOPES 8
int publish_compact(struct publish_session *, const struct table_def *, bool everything,
		    int64_t *ret_merged, struct err *) MUST_CHECK;
/* Finishes what writers that died after their commit left of these tables: dead files, intents,
 * staged files. Cheap when there is nothing; a table that somebody is writing is left to them. To
 * be called at the end of a pass, which may itself have had nothing to write. */
int publish_tidy(const struct publish *, const struct table_def *const *tables, size_t n,
		 struct err *) MUST_CHECK;
/* Removes dead files that nobody reads and what lies staged, and unlocks. NULL is fine. Failing to
 * remove is no error: it is tried again by the next. */
void publish_end(struct publish_session *);

#endif
