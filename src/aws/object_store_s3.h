/* Object store on S3, or on anything that speaks its protocol: a key is an object of a bucket, below a
 * prefix. Files on their way and the copies of localise lie in a local folder. */
#ifndef PREGAO_OBJECT_STORE_S3_H
#define PREGAO_OBJECT_STORE_S3_H

#include "call.h"
#include "object_store.h"

struct object_store_s3_options {
	struct aws *aws;    /* must outlive the store */
	const char *bucket; /* exists */
	const char *prefix; /* "" or "lake/a": keys lie below it */
	const char *folder; /* local; made where missing; scratch/ and cache/ are put into it */
	int threads;        /* that transfers run on; 0: 16 */
	bool notifies;      /* the bucket sends its events to the queue */
};
/* Asks nothing of S3. May be used from several threads at once.
 *
 * Objects of 16 MiB and more travel in parts, side by side, as do the items of one put_many. if_absent
 * is S3's If-None-Match; when the object is there already, a mark on the
 * object tells whether it is ours. Keys that the port's rules forbid (a console's "folder/") are not
 * listed. localise keeps its copies by ETag. A local file that was put stays where it was. */
int object_store_s3_open(const struct object_store_s3_options *, struct object_store **ret,
			 struct err *) MUST_CHECK;

#endif
