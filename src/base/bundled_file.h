/* A file that was compiled into the program by scripts/embed. */
#ifndef PREGAO_BUNDLED_FILE_H
#define PREGAO_BUNDLED_FILE_H

#include <stddef.h>

struct bundled_file {
	const char *path;          /* from the top of the source tree: "jobs/portfolio.json" */
	const unsigned char *data; /* size bytes, and a NUL after them that size does not count */
	size_t size;
};

#endif
