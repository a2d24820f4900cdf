/* An object store whose objects are fetched by another process: for who may not use the network itself. */
#ifndef PREGAO_STORE_HELPER_H
#define PREGAO_STORE_HELPER_H

#include "object_store.h"

/* Forks a process that serves object_store_localise of `store`, and nothing else, until *ret is freed or this
 * process ends; to be called before there are threads. What is asked of it is held to be hostile: it answers
 * for keys that the port allows, at most a million at a time. *ret does localise and staging; every other call
 * is ERR_DENIED. One thread at a time. `store` must outlive *ret, and is not to be used by this process
 * meanwhile: connections are the helper's. */
int store_helper_start(struct object_store *store, struct object_store **ret,
		       struct err *) MUST_CHECK;

#endif
