/* Text for people in English or Portuguese: tr("English") gives the Portuguese when the user's
 * messages are in it. The English text, a printf format or a plain sentence, is the key;
 * src/base/tr_pt.c holds the pairs. */
#ifndef PREGAO_TR_H
#define PREGAO_TR_H

#include <stddef.h>

const char *tr(const char *english) __attribute__((format_arg(1)));
/* Chooses the language from LC_ALL, LC_MESSAGES, LANG (the first that is set): "pt..." is
 * Portuguese, all else English. */
void tr_init(void);

/* All pairs, for the index and for the test that reads them. */
struct tr_pair {
	const char *english, *portuguese;
};
extern const struct tr_pair tr_portuguese[];
extern const size_t tr_portuguese_count;

#endif
