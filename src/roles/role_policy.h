/* What a role's rights mean on AWS: a policy for each role that runs there, from the role table. What no
 * statement gives, AWS refuses. */
#ifndef PREGAO_ROLE_POLICY_H
#define PREGAO_ROLE_POLICY_H

#include <jansson.h>

#include "role_table.h"
#include "table.h"

/* The document of one role, as IAM takes it but for the names that only an installation knows: those are
 * ${partition}, ${region}, ${account}, ${name}, ${glue_job}, ${database_prefix}, ${lake_bucket},
 * ${backup_bucket} and ${program_bucket}, for Terraform's templatefile. tables: all there are. The caller owns
 * *ret. ERR_NOT_FOUND for a role whose work a service of AWS does by itself. ERR_BUG for a right that
 * nobody has said the meaning of. */
int role_policy(const struct role *, const struct table_def *const *tables, size_t table_count,
		json_t **ret, struct err *) MUST_CHECK;
/* Whether it runs on AWS under a role of its own. */
bool role_has_policy(const struct role *);

#endif
