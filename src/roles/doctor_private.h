/* What the doctor's files share. */
#ifndef PREGAO_DOCTOR_PRIVATE_H
#define PREGAO_DOCTOR_PRIVATE_H

#include "doctor.h"
#include "measures.h"

struct examination {
	const struct doctor *d;
	const char *check; /* under way */
	struct finding *list;
	size_t count, cap;
};
/* what lives in the arena; mend without "pregao" and the lake, or NULL. */
void examination_add(struct examination *, enum severity, const char *what, const char *mend);

/* A word for a shell. */
const char *shell_word(struct arena *, const char *);

/* How long after its schedule's time a session is missed: as the alarm of that kind says. */
int64_t doctor_grace_us(const struct conf *);
/* The command that imports again what landed. */
const char *doctor_again_from_landing(const struct doctor *, bool force);
int doctor_check_files(struct examination *, struct err *) MUST_CHECK;
/* What stands in the files and in landing/, all of it; nothing unless the doctor looks at all. */
int doctor_check_contents(struct examination *, struct err *) MUST_CHECK;
int doctor_check_jobs(struct examination *, struct err *) MUST_CHECK;
int doctor_check_totals(struct examination *, struct err *) MUST_CHECK;
int doctor_check_gaps(struct examination *, struct err *) MUST_CHECK;
int doctor_verify_backup(struct examination *, const struct backup_measure *,
			 struct err *) MUST_CHECK;

#endif
