/* The Portuguese of every text for people: the table, whose rows are in one file for each folder of
 * src/. Both sides of a row have the same printf conversions in the same order; tests check it, and
 * that no text lacks its row. */
#include "mem.h"
#include "tr.h"

#define TR(english, portuguese)     \
	{                           \
		english, portuguese \
	}

const struct tr_pair tr_portuguese[] = {
#include "tr_pt_aws.inc"
#include "tr_pt_base.inc"
#include "tr_pt_cli.inc"
#include "tr_pt_embedded.inc"
#include "tr_pt_job.inc"
#include "tr_pt_lake.inc"
#include "tr_pt_pipeline.inc"
#include "tr_pt_ports.inc"
#include "tr_pt_roles.inc"
#include "tr_pt_server.inc"
};
const size_t tr_portuguese_count = ARRAY_LEN(tr_portuguese);
