/* Everything that `pregao up` is told, read and checked before anything is started. */
#ifndef PREGAO_UP_SETTINGS_H
#define PREGAO_UP_SETTINGS_H

#include "backup_place.h"
#include "collect.h"
#include "conf.h"
#include "mem.h"

/* The server of pages and API, from before any process is started to the end: its socket and its token stay the
 * same when the configuration changes. */
struct web {
	int socket; /* listens; negative: there is no server */
	uint16_t port;
	const char *token;
	const char *const *common; /* words that every command it runs is given; NULL-terminated */
};
struct up_settings {
	const char *lake;        /* absolute once it exists */
	const char *definitions; /* folder of the user's own, may not exist */
	const struct conf *conf;
	struct collect_source *sources; /* what the collector asks */
	size_t source_count;
	const char *const *indices; /* what the scraper fetches; NULL-terminated */
	struct backup_place backup;
	int backup_workers;
	struct web web;
	int landlock_abi; /* believed in at most; 0: the kernel's; negative: none */
};
/* Fills ret's members from lake, definitions and conf, which are set, and from the words of the command
 * line, or NULL. ERR_USAGE says what is wrong, with the place where the configuration says it. */
int up_settings_read(struct up_settings *ret, const char *sources, const char *period,
		     struct arena *, struct err *) MUST_CHECK;

/* The TCP port of an http:// or https:// URL; 0 when it has none that could be meant. */
int url_port(const char *url);

#endif
