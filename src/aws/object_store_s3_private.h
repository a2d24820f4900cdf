/* What the files of the S3 object store share. */
#ifndef PREGAO_OBJECT_STORE_S3_PRIVATE_H
#define PREGAO_OBJECT_STORE_S3_PRIVATE_H

#include "object_store_s3.h"

#define S3_MARK        "x-amz-meta-pregao-put"
#define S3_PART_BYTES  (INT64_C(8) << 20)
#define S3_LARGE_BYTES (INT64_C(16) << 20) /* from here on in parts */

struct s3 {
	struct object_store store;
	struct aws *aws;
	char *bucket, *prefix; /* prefix: empty, or with '/' at its end */
	char *scratch, *cache;
	int threads;
	bool notifies;
};
struct s3_ask {
	const char *action, *method;
	const char *key; /* NULL: the bucket itself */
	struct sigv4_pair query[8], headers[8];
	size_t query_count, header_count;
	struct slice body;
	size_t ceiling_bytes; /* 0: 16 MiB */
	bool error_in_200;
};
void s3_query(struct s3_ask *, const char *name, const char *value);
void s3_header(struct s3_ask *, const char *name, const char *value);
int s3_call(const struct s3 *, const struct s3_ask *, struct aws_answer *, struct err *) MUST_CHECK;
/* One HEAD. mark may be NULL; else *ret_ours says whether the object carries it. */
int s3_head_marked(const struct s3 *, const char *key, const char *mark, struct object_info *ret,
		   bool *ret_ours, struct err *) MUST_CHECK;
/* The bytes from offset, length -1: to the end; of the version `etag` only, unless NULL. */
int s3_get_range(const struct s3 *, const char *key, int64_t offset, int64_t length,
		 const char *etag, size_t ceiling_bytes, struct buf *out, struct object_info *ret,
		 struct err *) MUST_CHECK;

int s3_put_many(struct object_store *, struct object_put *, size_t n, struct err *) MUST_CHECK;
int s3_copy(struct object_store *, const char *from, const char *to, struct err *) MUST_CHECK;
int s3_localise(struct object_store *, const char *const *keys, size_t n, struct arena *,
		const char **ret_paths, struct err *) MUST_CHECK;
/* Removes copies, the longest unused first, until the folder has no more than ceiling_bytes; never one that was
 * used within the last hour: somebody may be about to read it. */
int s3_cache_trim(const char *cache, int64_t ceiling_bytes, struct clock *,
		  struct err *) MUST_CHECK;

#endif
