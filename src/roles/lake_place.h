/* Where a lake lies: its objects in a folder or in a bucket, what the embedded drivers keep always on
 * this machine. */
#ifndef PREGAO_LAKE_PLACE_H
#define PREGAO_LAKE_PLACE_H

#include <stdbool.h>

#include "err.h"
#include "mem.h"

/* Strings live in the arena they were made in. */
struct lake_place {
	const char
		*text; /* as it is told and passed on: an absolute folder, or s3://bucket/prefix */
	const char *bucket; /* NULL: a folder */
	const char *prefix; /* of the keys in the bucket, "" or without a slash at its end */
	/* The folder of the lake, or for a bucket one of this machine's, XDG_STATE_HOME/pregao/s3/<bucket>-<hash>:
	 * an endpoint, bucket and prefix of its own has a folder of its own. */
	const char *folder;
	const char *state;   /* folder/state: the SQLite files of the embedded drivers */
	const char *scratch; /* folder/scratch: files on their way */
	const char *cache;   /* local copies of a bucket's objects; NULL for a folder */
};
bool lake_place_is_bucket(const char *lake);
/* lake: a folder, which need not exist, or s3://bucket[/prefix]. Touches nothing. ERR_USAGE for a bucket or
 * prefix that cannot be: names as S3's user guide has them, "General purpose bucket naming rules". */
int lake_place_find(const char *lake, struct arena *, struct lake_place *ret,
		    struct err *) MUST_CHECK;

#endif
