/* Object store on S3, or on anything that speaks its protocol: a key is an object of a bucket, below a
 * prefix. Files on their way and the copies of localise lie in a local folder. */
#ifndef PREGAO_OBJECT_STORE_S3_H
#define PREGAO_OBJECT_STORE_S3_H

#include "call.h"
#include "object_store.h"

struct object_store_s3_options {
	struct aws *aws;             /* must outlive the store */
	const char *bucket;          /* exists */
	const char *prefix;          /* "" or "lake/a": keys lie below it */
	const char *scratch, *cache; /* local folders of its own; made where missing */
	int64_t cache_bytes; /* what the copies of localise may take; 0: as much as they come to */
	int threads;         /* that transfers run on; 0: 16 */
	bool notifies;       /* the bucket sends its events to the queue */
};
/* Asks nothing of S3. May be used from several threads at once.
 *
 * Objects of 16 MiB and more travel in parts, side by side, as do the items of one put_many. if_absent
 * is S3's If-None-Match; when the object is there already, a mark on the
 * object tells whether it is ours. Keys that the port's rules forbid (a console's "folder/") are not
 * listed. localise keeps its copies by ETag; when a store is opened, copies that nobody asked for within the last
 * hour are removed, the longest unused first, until the rest is no more than cache_bytes. A local file that was put stays where it was. */
int object_store_s3_open(const struct object_store_s3_options *, struct object_store **ret,
			 struct err *) MUST_CHECK;

#endif
