/* The program's own commands, run for the HTTP server by a helper process: the server itself reads
 * requests of strangers and may do nothing else. The helper runs what the route table allows and nothing
 * else; each command is a process of its own, confined as it is when a person runs it. */
#ifndef PREGAO_COMMAND_H
#define PREGAO_COMMAND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "str.h"

#define COMMAND_WORDS_MAX   32
#define COMMAND_BYTES_MAX   16384 /* of all words together */
#define COMMAND_RUNNING_MAX 16    /* at the same time; more wait for a place */

struct commands;
struct commands_options {
	/* what every command is given: --lake and its value, and so on; ended by NULL */
	const char *const *common;
	/* whether the words are a command that may be run: asked in the helper */
	bool (*allows)(const char *const *words, size_t n);
};
/* Forks the helper, which dies with this process. To be called while there is one thread, before any
 * right is gone. */
int commands_start(const struct commands_options *, struct commands **ret, struct err *) MUST_CHECK;
void commands_stop(struct commands *); /* ends what runs; NULL is fine */

/* One command on its way. Of the caller: to be ended with command_end. */
struct command_run {
	uint32_t id;
	int out;    /* its standard output, to be read */
	int errors; /* its standard error, a file: complete when it has ended */
	int status; /* readable when it has ended */
};
/* words: without the program's name. input: its standard input. Waits while too many
 * run; ERR_LIMIT when that takes too long. From any thread. */
int commands_run(struct commands *, const char *const *words, size_t n, struct slice input,
		 struct command_run *ret, struct err *) MUST_CHECK;
/* Waits for its end; the exit status, or -1 when it was killed. */
int command_wait(struct command_run *);
/* Kills what still runs, and closes. */
void command_end(struct commands *, struct command_run *);

#endif
