/* Functions that do not compile in this project, each with what stands in for it. The build
 * includes this file before every source of ours. The headers that declare or use the names come
 * first: after the pragma nobody may say them. */
#ifndef PREGAO_BANNED_H
#define PREGAO_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* glibc makes macros of these for clang, and a macro may not be poisoned. */
#undef sprintf
#undef vsprintf

/* No ceiling on what they write: snprintf, memcpy with a length, a str. */
#pragma GCC poison strcpy stpcpy strcat sprintf vsprintf gets
/* A ceiling, but no NUL at it, or padding up to it. */
#pragma GCC poison strncpy stpncpy strncat
/* No way to tell "0" from rubbish, or from too much: the parsers of base. */
#pragma GCC poison atoi atol atoll atof
/* State hidden behind the caller's back, shared by all threads. */
#pragma GCC poison strtok localtime gmtime ctime asctime ctime_r asctime_r
/* A name that someone else may take before we do: mkstemp, O_TMPFILE. */
#pragma GCC poison mktemp tmpnam tmpnam_r tempnam

#endif
