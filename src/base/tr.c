/* Choosing the language of text for people, and finding a text's Portuguese by the hash of its
 * English. The index is built at the first look-up, and only for those who read Portuguese. */
#include "tr.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "str.h"

static bool portuguese;
static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static const struct tr_pair **slots; /* open addressing; a power of two, at most half full */
static size_t slot_mask;

static size_t slot_of(const char *english)
{
	size_t at = (size_t)str_hash(english, strlen(english)) & slot_mask;
	while (slots[at] && strcmp(slots[at]->english, english) != 0)
		at = (at + 1) & slot_mask;
	return at;
}

static void build_index(void)
{
	size_t size = 16;
	while (size < tr_portuguese_count * 2)
		size *= 2;
	slots = NEW_ARRAY(size, const struct tr_pair *);
	slot_mask = size - 1;
	for (size_t i = 0; i < tr_portuguese_count; i++)
		slots[slot_of(tr_portuguese[i].english)] = &tr_portuguese[i];
}

void tr_init(void)
{
	static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
	portuguese = false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);
		if (!value || !value[0])
			continue;
		/* "pt", "pt_BR.UTF-8", "pt.UTF-8", but not a language that merely begins with
		 * pt. */
		portuguese = strncmp(value, "pt", 2) == 0 &&
			     (!value[2] || strchr("_.@-", value[2]));
		return;
	}
}

const char *tr(const char *english)
{
	if (!portuguese || !english)
		return english;
	pthread_once(&index_once, build_index);
	const struct tr_pair *pair = slots[slot_of(english)];
	return pair ? pair->portuguese : english;
}
