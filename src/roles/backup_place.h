/* Where the backup lies: a folder that is neither in the lake nor around it. */
#ifndef PREGAO_BACKUP_PLACE_H
#define PREGAO_BACKUP_PLACE_H

#include <stdbool.h>

#include "err.h"
#include "mem.h"

struct backup_place {
	const char *path; /* absolute, in the arena; may not exist yet */
	bool exists;
	bool same_disk; /* as the lake: one failure takes both */
};
/* to: NULL or empty means "<lake>-backup". lake is absolute. ERR_USAGE for a place in the lake or around it,
 * however it is spelled or mounted, and for s3://. */
int backup_place_find(const char *lake, const char *to, struct arena *, struct backup_place *ret,
		      struct err *) MUST_CHECK;

#endif
